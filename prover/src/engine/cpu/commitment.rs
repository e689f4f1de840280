//! Commitments: the values of a column apart from its tail.
//!
//! The first rows are a multi-scalar sum that takes integers as they are; the last rows, full-width elements on the same few
//! bases in every column, come from tables. A constant column is `c·[1]₁`, since `Σ ℓ_i = 1`. A permutation column is the
//! polynomial `δ^j·X` but for the cells that are moved, so its commitment is `δ^j·[τ]₁` and a sum over those cells.

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::{Curve, Group};

use super::super::{Column, Values};
use super::CpuEngine;
use crate::msm::{multi_scalar_batch, Scalars};

impl CpuEngine {
    pub(super) fn commitments(&self, columns: &[&Column]) -> Vec<G1Affine> {
        let moved: Vec<Vec<Fr>> = columns.iter().map(|column| self.moved_differences(column)).collect();
        let scalars: Vec<_> = columns.iter().zip(&moved).map(|(column, moved)| scalars(column, moved)).collect();
        let sums = multi_scalar_batch(self.instructions(), &self.lagrange, &scalars);
        let tails: Vec<Vec<Fr>> = columns.iter().map(|column| column.tail.iter().rev().copied().collect()).collect();
        let tails: Vec<&[Fr]> = tails.iter().map(Vec::as_slice).collect();
        let tails = self.tail.combine(self.instructions(), &tails);
        self.count(&scalars);
        let sums: Vec<G1> = columns
            .iter()
            .zip(sums.into_iter().zip(tails))
            .map(|(column, (sum, tail))| sum + tail + self.closed_form(column))
            .collect();
        let mut points = vec![G1Affine::identity(); sums.len()];
        G1::batch_normalize(&sums, &mut points);
        points
    }

    fn moved_differences(&self, column: &Column) -> Vec<Fr> {
        match &column.values {
            Values::Sigma(sigma) => self.moved(sigma, 0..sigma.rows.len()).differences,
            _ => Vec::new(),
        }
    }

    /// The part of a commitment that takes no sum over rows.
    fn closed_form(&self, column: &Column) -> G1 {
        match &column.values {
            Values::Constant(element) => {
                assert!(column.tail.is_empty(), "a constant column has no tail");
                G1Affine::generator() * element
            }
            Values::Sigma(sigma) => self.tau * Fr::DELTA.pow_vartime([u64::from(sigma.column)]),
            Values::Integers(_) | Values::Field(_) | Values::Sparse { .. } => G1::identity(),
        }
    }

    /// Counts the additions that full digits of scalars take.
    fn count(&self, scalars: &[Scalars<'_>]) {
        let digits = |scalars: &Scalars<'_>| match scalars {
            Scalars::I8(_) => 1,
            Scalars::I16(_) => 2,
            Scalars::I32(_) => 4,
            Scalars::I64(_) => 7,
            Scalars::Field(_) | Scalars::Sparse { .. } => 20,
        };
        self.counters.additions(scalars.iter().map(|scalars| digits(scalars) * scalars.len()).sum());
    }
}

fn scalars<'a>(column: &'a Column, moved: &'a [Fr]) -> Scalars<'a> {
    match &column.values {
        Values::Integers(integers) => match &**integers {
            Integers::I8(cells) => Scalars::I8(cells),
            Integers::I16(cells) => Scalars::I16(cells),
            Integers::I32(cells) => Scalars::I32(cells),
            Integers::I64(cells) => Scalars::I64(cells),
        },
        Values::Field(elements) => Scalars::Field(elements),
        Values::Sigma(sigma) => Scalars::Sparse { rows: &sigma.rows, values: moved },
        Values::Sparse { rows, values } => Scalars::Sparse { rows, values },
        Values::Constant(_) => Scalars::I8(&[]),
    }
}
