//! The exact form of a proof: which points and scalars follow one another, as the constraint system fixes it.
//!
//! | part | words |
//! | --- | --- |
//! | points | advice columns, two per lookup, permutation products, lookup products, the random polynomial, quotient pieces |
//! | scalars | evaluations: advice, fixed, the random polynomial, permutation columns, their products, lookups |
//! | points | the two of the multi-point opening |

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use thiserror::Error;

use crate::encoding::{decode_point, decode_scalar, PointError, POINT_BYTES, SCALAR_BYTES};

/// Points of the multi-point opening, at the end of a proof.
const OPENING_POINTS: usize = 2;

/// How many points and scalars a proof has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofShape {
    /// Commitments, at the start.
    pub commitments: usize,
    /// Evaluations, after the commitments.
    pub evaluations: usize,
}

/// How bytes differ from a proof's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// Another number of bytes.
    #[error("the proof has {found} bytes, and must have {expected}")]
    Length {
        /// Bytes that the key asks for.
        expected: usize,
        /// Bytes of this proof.
        found: usize,
    },
    /// A commitment that is no point.
    #[error("point {index} of the proof: {error}")]
    Point {
        /// Which of the proof's points.
        index: usize,
        /// What is wrong with it.
        error: PointError,
    },
    /// An evaluation that is no scalar.
    #[error("scalar {index} of the proof is not below the group order")]
    Scalar {
        /// Which of the proof's scalars.
        index: usize,
    },
}

impl ProofShape {
    /// The form of proofs for `system`, whose selectors have been replaced.
    pub fn of(system: &ConstraintSystem<Fr>) -> Self {
        let degree = system.degree();
        let permuted = system.permutation().get_columns().len();
        let products = permuted.div_ceil(degree - 2);
        let lookups = system.lookups().len();
        let quotient_pieces = degree - 1;
        Self {
            commitments: system.num_advice_columns() + 3 * lookups + products + 1 + quotient_pieces,
            evaluations: system.advice_queries().len()
                + system.fixed_queries().len()
                + 1
                + permuted
                + (3 * products).saturating_sub(1)
                + 5 * lookups,
        }
    }

    /// Bytes of a proof.
    pub fn bytes(&self) -> usize {
        (self.commitments + OPENING_POINTS) * POINT_BYTES + self.evaluations * SCALAR_BYTES
    }

    /// Checks that `proof` has this form: its length, and that every word is a valid point or scalar.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, proof: &[u8]) -> Result<(), ShapeError> {
        if proof.len() != self.bytes() {
            return Err(ShapeError::Length { expected: self.bytes(), found: proof.len() });
        }
        let (commitments, rest) = proof.split_at(self.commitments * POINT_BYTES);
        let (evaluations, opening) = rest.split_at(self.evaluations * SCALAR_BYTES);
        check_points(commitments, 0)?;
        for (index, scalar) in evaluations.chunks_exact(SCALAR_BYTES).enumerate() {
            let scalar = scalar.try_into().expect("the chunks have that size");
            decode_scalar(scalar).ok_or(ShapeError::Scalar { index })?;
        }
        check_points(opening, self.commitments)
    }
}

fn check_points(points: &[u8], first: usize) -> Result<(), ShapeError> {
    for (index, point) in points.chunks_exact(POINT_BYTES).enumerate() {
        let point = point.try_into().expect("the chunks have that size");
        decode_point(point).map_err(|error| ShapeError::Point { index: first + index, error })?;
    }
    Ok(())
}
