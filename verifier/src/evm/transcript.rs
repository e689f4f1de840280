//! The parts of a proof between which challenges are squeezed.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use super::openings::{products_of, Evaluations};
use super::EvmError;

/// What a part consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Commitments.
    Points,
    /// Evaluations.
    Scalars,
}

/// A part of a proof and the number of challenges that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) words: usize,
    pub(super) challenges: usize,
}

/// The course of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TranscriptPlan {
    pub(super) parts: Vec<Part>,
    /// The advice columns in the order of their commitments.
    pub(super) advice: Vec<usize>,
    /// The challenges of the constraint system in the order in which they are squeezed.
    pub(super) challenges: Vec<usize>,
}

/// Challenges of the proof system that follow the last phase and are not used without lookups: `θ`; then `β`, `γ`.
const AFTER_ADVICE: usize = 3;

impl TranscriptPlan {
    /// The plan of a system without lookups.
    pub(super) fn of(system: &ConstraintSystem<Fr>) -> Result<Self, EvmError> {
        let (mut parts, mut advice, mut challenges) = (Vec::new(), Vec::new(), Vec::new());
        let phases = system.advice_column_phase().into_iter().max().map_or(1, |last| last + 1);
        let mut pending = 0;
        for phase in 0..phases {
            let columns =
                (0..).zip(system.advice_column_phase()).filter(|&(_, of)| of == phase).map(|(column, _)| column);
            let before = advice.len();
            advice.extend(columns);
            pending += advice.len() - before;
            let squeezed = (0..).zip(system.challenge_phase()).filter(|&(_, of)| of == phase).map(|(index, _)| index);
            let known = challenges.len();
            challenges.extend(squeezed);
            let last = if phase + 1 == phases { AFTER_ADVICE } else { 0 };
            let count = challenges.len() - known + last;
            // Commitments between which nothing is squeezed are one part.
            if count > 0 {
                if pending == 0 {
                    return Err(EvmError::Unsupported("a challenge that follows no commitment"));
                }
                parts.push(Part { kind: Kind::Points, words: pending, challenges: count });
                pending = 0;
            }
        }
        let points = |words, challenges| Part { kind: Kind::Points, words, challenges };
        parts.extend([
            points(products_of(system) + 1, 1),
            points(system.degree() - 1, 1),
            Part { kind: Kind::Scalars, words: Evaluations::of(system).count, challenges: 2 },
            points(1, 1),
            points(1, 0),
        ]);
        Ok(Self { parts, advice, challenges })
    }
}

impl Part {
    /// Bytes of the part.
    pub(super) fn bytes(self) -> usize {
        match self.kind {
            Kind::Points => 64 * self.words,
            Kind::Scalars => 32 * self.words,
        }
    }
}
