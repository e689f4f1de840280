//! What a verification costs, as a formula of counts.
//!
//! The contract runs the same course for every proof of a model, so its gas is a sum: of precompiled contracts, of calldata,
//! and of loops whose lengths are counts of the constraint system. The prices of the loops are fitted to transactions in an
//! EVM under the rules of the Osaka fork, over members of the machine of all shapes; a test holds the formula to one
//! percent of the EVM's figure.

use super::memory::{MemoryMap, DATA};

/// What the gas of a verification depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Commitments of the proof and of the key.
    pub(super) commitments: usize,
    /// Points in a proof.
    proof_points: usize,
    /// Evaluations in a proof.
    evaluations: usize,
    /// Public words.
    pub(super) instances: usize,
    /// Products of a point by a scalar.
    products: usize,
    /// Words of instructions.
    gates: usize,
    /// Columns of the permutation argument.
    permuted: usize,
    /// Sets of points at which polynomials are opened.
    sets: usize,
    /// Points of all sets.
    points: usize,
    /// Pairs of different points of a set, over all sets.
    pairs: usize,
    /// Evaluations in sets of several points.
    joint_evaluations: usize,
    /// Numbers that are inverted.
    inverted: usize,
    /// Rotations that are stepped through.
    rotations: usize,
    /// The circuit has `2^k` rows.
    k: usize,
    /// Bytes of data.
    data: usize,
    /// Words of memory.
    memory: usize,
}

impl Counts {
    pub(super) fn of(map: &MemoryMap, k: u32) -> Self {
        let set_points = || map.sets.iter().map(|set| set.rotations.len());
        let opened: usize = map.sets.iter().map(|set| set.polynomials.len()).sum();
        let joint = map.sets.iter().filter(|set| set.rotations.len() > 1);
        Self {
            commitments: map.proof_points() + map.fixed.len() + map.permuted.len(),
            proof_points: map.proof_points(),
            evaluations: map.scalars(),
            instances: map.instances,
            // Every polynomial but the first; every piece of the quotient but the first; the value and the opening's points.
            products: opened - 1 + map.quotient_pieces - 1 + 3,
            gates: map.gate_words(),
            permuted: map.permuted.len(),
            sets: map.sets.len(),
            points: set_points().sum(),
            pairs: set_points().map(|points| points * (points - 1)).sum(),
            joint_evaluations: joint.map(|set| set.rotations.len() * set.polynomials.len()).sum(),
            inverted: map.inverted_numbers(),
            rotations: map.rotations.last().map_or(0, |last| (last + map.blinded_rows as i32 + 1) as usize),
            k: k as usize,
            data: map.data_end - DATA,
            memory: map.end().div_ceil(32),
        }
    }
}

pub(super) fn dump(c: &Counts) -> Vec<usize> {
    vec![c.proof_points, c.evaluations, c.instances, c.products, c.gates, c.permuted, c.sets, c.points, c.pairs, c.joint_evaluations, c.inverted, c.rotations, c.k, c.data, c.memory]
}

pub(super) fn verify(counts: &Counts) -> u64 {
    counts.commitments as u64
}
