//! What a verification costs, from the counts of a proof.

use super::memory::MemoryMap;
use super::model::is_committed;

/// What the gas depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) commitments: usize,
    pub(super) instances: usize,
}

impl Counts {
    pub(super) fn of(map: &MemoryMap) -> Self {
        let opened = map.sets.iter().flat_map(|set| &set.polynomials).filter(|(opened, _)| is_committed(opened)).count();
        Self { commitments: opened, instances: map.instances }
    }
}

pub(super) fn verify(counts: &Counts) -> u64 {
    counts.commitments as u64
}
