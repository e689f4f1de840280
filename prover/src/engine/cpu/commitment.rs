//! Commitments: the values of a column apart from its tail.
//!
//! The first rows are a multi-scalar sum that takes integers as they are; the last rows beside them, full-width elements on the same few
//! bases in every column, come from tables. Those of a column of elements take part in its sum. A constant column is `c·[1]₁`, since `Σ ℓ_i = 1`. A permutation column is the
//! polynomial `δ^j·X` but for the cells that are moved, so its commitment is `δ^j·[τ]₁` and a sum over those cells.

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::{Curve, Group};

use super::super::{EngineError, Values};
use super::column::{CpuColumn, KnownSum, Place};
use super::{CpuEngine, TAIL};
use crate::msm::{multi_scalar_batch, FixedBases, Scalars};

impl CpuEngine {
    /// Commits to the columns that are in memory together, and to each of the others while it is. Where a commitment is known but for
    /// the last rows, the sum is over these alone.
    pub(super) fn commitments(&self, columns: &[&CpuColumn]) -> Result<Vec<G1Affine>, EngineError> {
        let mut sums = vec![G1::identity(); columns.len()];
        let differences: Vec<_> = columns.iter().map(|column| column.known.as_ref().map(|k| self.last(k))).collect();
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for (place, (column, differences)) in columns.iter().zip(&differences).enumerate() {
            match (differences, &column.values) {
                (Some((values_differ, tail)), _) => {
                    places.push(place);
                    values.push((values_differ, &tail[..]));
                }
                (None, Place::Memory(held)) => {
                    places.push(place);
                    values.push((held, &column.tail[..]));
                }
                (None, Place::Disk(stored)) => {
                    let elements = Values::Field(self.fetch(stored)?);
                    sums[place] = self.sums(&[(&elements, &column.tail)])[0];
                }
            }
        }
        places.into_iter().zip(self.sums(&values)).for_each(|(place, sum)| sums[place] = sum);
        for (sum, column) in sums.iter_mut().zip(columns) {
            if let Some(known) = &column.known {
                *sum += known.point;
            }
        }
        let mut points = vec![G1Affine::identity(); sums.len()];
        G1::batch_normalize(&sums, &mut points);
        Ok(points)
    }

    /// The differences from a known commitment as values and a tail: the tail takes as many rows as there are tables for.
    fn last(&self, known: &KnownSum) -> (Values, Vec<Fr>) {
        let rows = self.rows() as u32;
        match known.differences.len() {
            count if count <= TAIL => (Values::ZERO, known.differences.clone()),
            count => {
                let rows = (rows - count as u32..rows).collect();
                (Values::Sparse { rows, values: known.differences.clone() }, Vec::new())
            }
        }
    }

    /// The commitments to values with their tails.
    fn sums(&self, columns: &[(&Values, &[Fr])]) -> Vec<G1> {
        let moved: Vec<Vec<Fr>> = columns.iter().map(|(values, _)| self.moved_differences(values)).collect();
        let scalars: Vec<_> = columns.iter().zip(&moved).map(|((values, _), moved)| scalars(values, moved)).collect();
        let sums = multi_scalar_batch(self.instructions(), &self.lagrange, &scalars);
        let tails: Vec<Vec<Fr>> = columns.iter().map(|(_, tail)| tail.iter().rev().copied().collect()).collect();
        let tails = self.tail_sums(&tails.iter().map(Vec::as_slice).collect::<Vec<_>>());
        self.count(&scalars);
        let sums = columns.iter().zip(sums.into_iter().zip(tails));
        sums.map(|((values, own), (sum, tail))| sum + tail + self.closed_form(values, own)).collect()
    }

    /// The sums over last rows, the last row first.
    fn tail_sums(&self, tails: &[&[Fr]]) -> Vec<G1> {
        if tails.iter().all(|tail| tail.is_empty()) {
            return vec![G1::identity(); tails.len()];
        }
        let tables = self.tables.get_or_init(|| FixedBases::new(self.instructions(), &self.last));
        tables.combine(self.instructions(), tails)
    }

    fn moved_differences(&self, values: &Values) -> Vec<Fr> {
        match values {
            Values::Sigma(sigma) => self.moved(sigma, 0..sigma.rows.len()).differences,
            _ => Vec::new(),
        }
    }

    /// The part of a commitment that takes no sum over rows.
    fn closed_form(&self, values: &Values, tail: &[Fr]) -> G1 {
        match values {
            Values::Constant(element) => {
                assert!(tail.is_empty(), "a constant column has no tail");
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

fn scalars<'a>(values: &'a Values, moved: &'a [Fr]) -> Scalars<'a> {
    match values {
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
