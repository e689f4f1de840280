//! What a proof takes in memory, before it is made.
//!
//! The native engine keeps columns in the form in which they are small, and full-width ones only where their values are so. What
//! is left to choose is how many columns the quotient holds by coefficients and by values at a time
//! ([`crate::plonk::quotient`]).

use circuits::layout::Layout;
use circuits::machine::{Arrangement, FixedCells, MachineConfig, MachineParams, Placement};
use halo2_proofs::plonk::ConstraintSystem;
use serde::Serialize;
use thiserror::Error;

use crate::plonk::constraints::Constraints;
use crate::plonk::key::marks_usable_rows;
use crate::plonk::quotient::QuotientPlan;

/// Memory that a process has before it does anything, tables of the last rows' bases, and what an allocator keeps.
///
/// This and the next constants are fitted to peaks of fresh processes with keys at hand, on models of 2^12 to 2^16 rows with 1 to
/// 16 threads, with all memory and with the least: the plan is 1.1 to 1.3 times the peak there for up to 4 threads, up to 1.5
/// times for more, and never below it.
const PROCESS: u64 = 18 << 20;
/// What a thread takes for its stack, lists of additions, and what the allocator keeps for it.
const THREAD: u64 = 5 << 19;
/// What a thread takes for sums over points: some for each row, up to a most, and no more beside the quotient.
const SUMS: [u64; 2] = [128, 8 << 20];
/// Bytes of a fixed cell of a folded machine.
const FOLDED_INTEGER: u64 = 4;
/// Columns of field elements that the allocator keeps between those in use, and in which columns are transformed.
const SPARE_COLUMNS: usize = 2;

/// Bytes of memory that the native engine takes at its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The process, the program and its layout.
    pub process: u64,
    /// What threads work in, but for sums over points.
    pub threads: u64,
    /// The SRS in the form that sums take, and what transforms take.
    pub srs: u64,
    /// Fixed, permutation and first-phase columns, as integers; fixed columns with constants of a hash as elements.
    pub integers: u64,
    /// Columns of field elements: the second phase, the products, the mask.
    pub elements: u64,
    /// What the quotient takes beside them, its pieces included; or the sums over points, where these take more.
    pub quotient: u64,
}

/// The budget is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a proof takes {needed} bytes of memory at least, and {budget} are allowed")]
pub struct MemoryError {
    /// The least that will do.
    pub needed: u64,
    /// What is allowed.
    pub budget: u64,
}

impl MemoryPlan {
    /// The plan for a layout under a budget in bytes, on the threads of the current pool; without a budget, what is
    /// fastest, or little slower and much smaller.
    ///
    /// # Errors
    /// The budget is too small even for one constraint at a time.
    pub fn new(layout: &Layout, budget: Option<u64>) -> Result<Self, MemoryError> {
        let params = layout.params();
        let rows = params.rows() as u64;
        let column = 32 * rows;
        let counts = Placement::new(&params).counts();
        let first = counts.first_phase as u64;
        let mut fixed: u64 = layout.skeleton().fixed.values().map(|integers| integers.bytes() as u64).sum();
        if params.arrangement != Arrangement::Parallel {
            // Columns that hold constants of all kinds are as wide as the widest.
            fixed = fixed.max(counts.fixed as u64 * FOLDED_INTEGER * rows);
        }
        let fixed = fixed + column * layout.skeleton().elements.len() as u64;
        let copies = layout.skeleton().copies.len() as u64;
        let threads = rayon::current_num_threads() as u64;
        let [of_row, most] = SUMS;
        let sums = threads * most.min(of_row * rows);
        let mut plan = Self {
            // The recipes that fill a witness.
            process: PROCESS + 64 * layout.statistics().elements as u64,
            threads: threads * THREAD,
            // The Lagrange basis, powers of the root of unity, and twists of transforms.
            srs: rows * (64 + 32 + 64),
            // The program's weights are no wider than the fixed columns that hold them.
            integers: 2 * fixed + first * 4 * rows + (24 + 2 * 12) * copies,
            elements: elements(&params) * column,
            quotient: sums.max(column * quotient(layout, usize::MAX)),
        };
        if let Some(budget) = budget {
            let residents = plan.total() - plan.quotient;
            let least = residents + sums.max(column * quotient(layout, 0));
            if budget < least {
                return Err(MemoryError { needed: least, budget });
            }
            plan.quotient = plan.quotient.min(budget - residents);
        }
        Ok(plan)
    }

    /// The least budget under which a proof can be made, in bytes.
    pub fn least(layout: &Layout) -> u64 {
        // No budget is below the least by less than all of it, so this one is refused.
        Self::new(layout, Some(0)).map_or_else(|error| error.needed, |plan| plan.total())
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.process + self.threads + self.srs + self.integers + self.elements + self.quotient
    }
}

/// Columns of field elements that are in memory throughout, and what the allocator keeps.
fn elements(params: &MachineParams) -> u64 {
    let counts = Placement::new(params).counts();
    let products = counts.permuted.div_ceil(MachineConfig::DEGREE - 2);
    let spare = match params.arrangement {
        Arrangement::Parallel => SPARE_COLUMNS,
        // Found by measuring: of few and tall columns it keeps more.
        Arrangement::Folded(_) => 3 * SPARE_COLUMNS,
    };
    (counts.second_phase + products + 1 + spare) as u64
}

/// Columns of elements that the quotient takes, where it should take `limit` at most.
fn quotient(layout: &Layout, limit: usize) -> u64 {
    let params = layout.params();
    let mut system = ConstraintSystem::default();
    MachineConfig::configure(&mut system, params);
    let columns = Placement::new(&params).fixed_columns(layout.skeleton());
    let usable = params.rows() - system.blinding_factors() - 1;
    let marks = |cells: &FixedCells<'_>| match cells {
        FixedCells::Integers(integers) => marks_usable_rows(integers, usable),
        FixedCells::Elements(_) => false,
    };
    let marks = columns.iter().enumerate().filter(|(_, cells)| marks(cells)).map(|(index, _)| index);
    let constraints = Constraints::new(&system, &marks.collect());
    QuotientPlan::new(&constraints, system.degree() - 1, limit).memory() as u64
}
