//! What a proof takes in memory, before it is made.
//!
//! The native engine keeps columns in the form in which they are small, and full-width ones only where their values are so. What
//! is left to choose is how many columns the quotient holds by coefficients and by values at a time
//! ([`crate::plonk::quotient`]); and as the last resort, what lies in a temporary file ([`Spill`]).

use circuits::layout::Layout;
use circuits::machine::{AdviceColumn, Arrangement, FixedCells, MachineConfig, Placement};
use halo2_proofs::plonk::ConstraintSystem;
use serde::Serialize;
use thiserror::Error;

use crate::plonk::constraints::Constraints;
use crate::plonk::key::marks_usable_rows;
use crate::plonk::quotient::{QuotientPlan, Room};

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
/// Bytes of a copy in a layout, and in the permutation's columns.
const COPY: u64 = 24;
const PERMUTED: u64 = 2 * 12;
/// Columns of field elements that the allocator keeps between those in use, and in which columns are transformed.
const SPARE_COLUMNS: usize = 2;

/// Logical columns of elements that are worked with while those of the second phase are made one by one.
const FILL_COLUMNS: u64 = 12;
/// Columns of elements that kernels of a device work in.
const SCRATCH_COLUMNS: u64 = 2;
/// Columns of elements that an opening makes at a time: a sum for each set of points, and its quotients.
const OPENING_COLUMNS: usize = 12;

/// What lies in a temporary file while nothing is done with it, instead of in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spill {
    /// Nothing.
    Nothing,
    /// Columns of field elements.
    Columns,
    /// Columns of field elements, and the coefficients, numerators and pieces of the quotient.
    Quotient,
}

impl Spill {
    /// From the fastest to the smallest.
    const ALL: [Self; 3] = [Self::Nothing, Self::Columns, Self::Quotient];
}

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
    /// Columns of field elements that are in memory throughout: the second phase, the products, the mask.
    pub elements: u64,
    /// What the quotient takes beside them, its pieces included; or another round, where it takes more: the sums over points,
    /// and, where columns lie in a file, the second phase while it is filled.
    pub quotient: u64,
    /// What lies in a temporary file.
    pub spill: Spill,
    /// Bytes of that file at most.
    pub disk: u64,
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
    /// fastest, or little slower and much smaller. Nothing is spilled that the budget has room for.
    ///
    /// # Errors
    /// The budget is too small even for one constraint at a time and with everything spilled that can be.
    pub fn new(layout: &Layout, budget: Option<u64>) -> Result<Self, MemoryError> {
        let proof = ProofMemory::new(layout);
        let Some(budget) = budget else { return Ok(proof.plan(Spill::Nothing, usize::MAX)) };
        let leasts = Spill::ALL.map(|spill| proof.plan(spill, 0));
        let Some(least) = leasts.iter().find(|least| least.total() <= budget) else {
            return Err(MemoryError { needed: smallest(&leasts), budget });
        };
        let plan = proof.plan(least.spill, usize::MAX);
        // The engine takes the fastest plan of the quotient within its part.
        Ok(Self { quotient: plan.quotient.min(budget - (least.total() - least.quotient)), ..plan })
    }

    /// The plan for a device with so many bytes of memory; nothing is spilled, and what the process takes is not counted. A fourth of
    /// the memory is left out of the plan: for multiples of the SRS, and for what sums over points work in.
    ///
    /// # Errors
    /// The memory is too small even for one constraint at a time.
    pub fn on_device(layout: &Layout, budget: u64) -> Result<Self, MemoryError> {
        let proof = ProofMemory::new(layout);
        let planned = budget - budget / 4;
        let of_device = |columns| {
            let plan = proof.plan(Spill::Nothing, columns);
            let quotient = plan.quotient.max(proof.column * OPENING_COLUMNS as u64);
            Self { process: 0, threads: 0, elements: plan.elements + SCRATCH_COLUMNS * proof.column, quotient, ..plan }
        };
        let least = of_device(0);
        if least.total() > planned {
            return Err(MemoryError { needed: least.total().div_ceil(3) * 4, budget });
        }
        let fastest = of_device(usize::MAX);
        Ok(Self { quotient: fastest.quotient.min(planned - (least.total() - least.quotient)), ..fastest })
    }

    /// The least budget under which a proof can be made, in bytes.
    pub fn least(layout: &Layout) -> u64 {
        let proof = ProofMemory::new(layout);
        smallest(&Spill::ALL.map(|spill| proof.plan(spill, 0)))
    }

    /// Bytes of any plan that are there when a program is laid out, before an SRS is at hand.
    pub fn of_layout(layout: &Layout) -> u64 {
        let ProofMemory { fixed, .. } = ProofMemory::new(layout);
        fixed.process + fixed.integers - ProofMemory::first_phase(layout) - PERMUTED * copies(layout)
    }

    /// The plan of a process that holds so many bytes besides, such as what a compiler left behind.
    pub fn beside(self, bytes: u64) -> Self {
        Self { process: self.process + bytes, ..self }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.process + self.threads + self.srs + self.integers + self.elements + self.quotient
    }
}

fn smallest(plans: &[MemoryPlan]) -> u64 {
    plans.iter().map(MemoryPlan::total).min().unwrap_or(0)
}

/// What is known of a proof before its memory is planned.
struct ProofMemory {
    /// Bytes that no choice changes: with a part for elements and the quotient of nothing.
    fixed: MemoryPlan,
    /// Bytes of a column of elements.
    column: u64,
    /// What sums over points take.
    sums: u64,
    /// What is in memory while the second phase is filled, if its columns do not stay there.
    filling: u64,
    /// Columns of elements of the second phase.
    second_phase: usize,
    /// Product columns, and the mask.
    products: usize,
    /// Fixed columns of elements.
    constants: usize,
    /// Columns of elements that the allocator keeps between those in use, where these stay in memory.
    spare: usize,
    constraints: Constraints,
    /// Pieces of the quotient.
    pieces: usize,
}

impl ProofMemory {
    fn new(layout: &Layout) -> Self {
        let params = layout.params();
        let rows = params.rows() as u64;
        let column = 32 * rows;
        let counts = Placement::new(&params).counts();
        let constants = layout.skeleton().elements.len();
        let mut fixed: u64 = layout.skeleton().fixed.values().map(|integers| integers.bytes() as u64).sum();
        if params.arrangement != Arrangement::Parallel {
            // Columns that hold constants of all kinds are as wide as the widest.
            fixed = fixed.max(counts.fixed as u64 * FOLDED_INTEGER * rows);
        }
        let fixed = fixed + column * constants as u64;
        let threads = rayon::current_num_threads() as u64;
        let [of_row, most] = SUMS;
        let (constraints, pieces) = constraints(layout);
        Self {
            fixed: MemoryPlan {
                // The recipes that fill a witness.
                process: PROCESS + 64 * layout.statistics().elements as u64,
                threads: threads * THREAD,
                // The Lagrange basis, powers of the root of unity, and twists of transforms.
                srs: rows * (64 + 32 + 64),
                // The program's weights are no wider than the fixed columns that hold them.
                integers: 2 * fixed + Self::first_phase(layout) + (COPY + PERMUTED) * copies(layout),
                elements: 0,
                quotient: 0,
                spill: Spill::Nothing,
                disk: 0,
            },
            column,
            sums: threads * most.min(of_row * rows),
            filling: filling(layout),
            second_phase: counts.second_phase,
            products: counts.permuted.div_ceil(MachineConfig::DEGREE - 2) + 1,
            constants,
            spare: match params.arrangement {
                Arrangement::Parallel => SPARE_COLUMNS,
                // Found by measuring: of few and tall columns it keeps more.
                Arrangement::Folded(_) => 3 * SPARE_COLUMNS,
            },
            constraints,
            pieces,
        }
    }

    /// Bytes of the columns of the first phase.
    fn first_phase(layout: &Layout) -> u64 {
        let params = layout.params();
        Placement::new(&params).counts().first_phase as u64 * 4 * params.rows() as u64
    }

    /// The plan with so many columns of elements for the quotient, or the least that will do.
    fn plan(&self, spill: Spill, columns: usize) -> MemoryPlan {
        let room = Room { columns, elsewhere: spill == Spill::Quotient };
        let quotient = QuotientPlan::new(&self.constraints, self.pieces, room);
        let (elements, rounds, disk) = match spill {
            Spill::Nothing => (self.second_phase + self.products + self.spare, self.sums, 0),
            Spill::Columns | Spill::Quotient => {
                let kept = if room.elsewhere { quotient.kept() } else { self.pieces };
                let disk = self.constants + self.second_phase + self.products + kept.max(OPENING_COLUMNS);
                // A column is brought to be summed over points.
                (SPARE_COLUMNS, self.filling.max(self.column + self.sums), disk)
            }
        };
        MemoryPlan {
            elements: self.column * elements as u64,
            quotient: rounds.max(self.column * quotient.memory as u64),
            spill,
            disk: self.column * disk as u64,
            ..self.fixed
        }
    }
}

fn copies(layout: &Layout) -> u64 {
    layout.skeleton().copies.len() as u64
}

/// What is in memory while the second phase is filled column by column.
fn filling(layout: &Layout) -> u64 {
    let (params, skeleton) = (layout.params(), layout.skeleton());
    let bytes = |name: &AdviceColumn| 32 * skeleton.rows_of(*name) as u64;
    let logical = AdviceColumn::second_phase(&params);
    let largest = logical.iter().map(bytes).max().unwrap_or(0);
    let whole = match params.arrangement {
        Arrangement::Parallel => 0,
        // Logical columns lie side by side in few ones, and are there until they are placed.
        Arrangement::Folded(_) => {
            let placed = Placement::new(&params).counts().second_phase as u64 * 32 * params.rows() as u64;
            placed + logical.iter().map(bytes).sum::<u64>()
        }
    };
    whole + FILL_COLUMNS * largest
}

/// The constraints of a layout's machine, and the pieces of their quotient.
pub fn constraints(layout: &Layout) -> (Constraints, usize) {
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
    (Constraints::new(&system, &marks.collect()), system.degree() - 1)
}
