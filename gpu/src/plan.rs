//! How a proof fits into a device's memory.

use circuits::layout::Layout;
use prover::memory::{constraints, MemoryError, MemoryPlan};
use prover::plonk::quotient::{QuotientPlan, Room};

/// Bytes of an element.
const ELEMENT: u64 = 32;
/// What a sum over the points of a few rows takes, with the tables of the last rows' points, and descriptions of what is to be done.
const SUMS: u64 = 256 << 10;
/// Elements of a domain's tables but for the powers of its root: roots of a tile, and powers of `δ`.
const TABLES: u64 = 256 + 512;
/// Columns that quotients of an opening, and sums over points, work in.
const OPENING_COLUMNS: usize = 5;

/// Elements of a table of powers for exponents below `2^k`; a coset has two.
fn powers(k: u32) -> u64 {
    (1 << k.div_ceil(2)) + (1 << (k / 2))
}

/// How a proof fits into a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePlan {
    /// Bytes that the quotient may take beyond the columns themselves; without them, as few as will do.
    pub quotient_bytes: Option<u64>,
    /// Bytes that a proof takes beside the SRS: what several proofs in flight take each.
    pub proof_bytes: u64,
}

impl DevicePlan {
    /// The plan for a device with so many bytes of memory: all columns on it, or, where they don't fit, those alone that are worked on
    /// ([`GpuEngine::sparing`](crate::GpuEngine::sparing)).
    ///
    /// # Errors
    /// The memory is too small even so.
    pub fn new(layout: &Layout, memory: u64) -> Result<Self, MemoryError> {
        let refused = match MemoryPlan::on_device(layout, memory) {
            Ok(plan) => {
                // With the fourth that is left out of the plan.
                let proof_bytes = (plan.total() - plan.srs).div_ceil(3) * 4;
                return Ok(Self { quotient_bytes: Some(plan.quotient), proof_bytes });
            }
            Err(refused) => refused,
        };
        let needed = Self::least(layout).min(refused.needed);
        if needed > memory {
            return Err(MemoryError { needed, budget: memory });
        }
        Ok(Self { quotient_bytes: None, proof_bytes: Self::least(layout) })
    }

    /// The least memory in which a proof can be made: a batch of the quotient by its values on a coset with what is added to it, or the
    /// numerators of a level. The points of the SRS come and go.
    pub fn least(layout: &Layout) -> u64 {
        let (constraints, pieces) = constraints(layout);
        let quotient = QuotientPlan::new(&constraints, pieces, Room { columns: 0, elsewhere: true });
        let cosets = quotient.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        let columns = (quotient.memory + 1).max(cosets + 2).max(OPENING_COLUMNS) as u64;
        let rows = layout.params().rows() as u64;
        ELEMENT * (rows * columns + TABLES + powers(layout.params().k) * (1 + 2 * cosets as u64)) + SUMS
    }
}
