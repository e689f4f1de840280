//! The quotient, coset by coset. See [`crate::plonk::quotient`] for what is computed.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

use super::super::{Column, Environment, Values};
use super::interpreter::{Inputs, Padded};
use super::{CpuEngine, BLOCK};
use crate::field;
use crate::plonk::quotient::{Batch, QuotientPlan};
use crate::transform::Coset;

/// Numerators by the number of cosets of their group, one column for each coset.
type Numerators = BTreeMap<usize, Vec<Vec<Fr>>>;

impl CpuEngine {
    pub(super) fn quotient_pieces(&self, plan: &QuotientPlan, environment: &Environment<'_, Column>) -> Vec<Column> {
        let groups = || plan.batches.iter().flat_map(|batch| &batch.groups);
        let cosets = self.cosets(groups().map(|group| group.cosets).max().unwrap_or(0));
        let mut numerators: Numerators =
            groups().map(|group| (group.cosets, vec![vec![Fr::ZERO; self.rows()]; group.cosets])).collect();
        for batch in &plan.batches {
            self.add_batch(batch, environment, &cosets, &mut numerators);
        }
        let mut pieces = vec![vec![Fr::ZERO; self.rows()]; plan.pieces];
        for values in numerators.into_values() {
            self.add_pieces(&cosets, values, &mut pieces);
        }
        self.domain.forward_batch(self.instructions(), &mut pieces);
        self.counters.transforms(pieces.len(), self.domain.k());
        pieces.into_iter().map(|piece| Column::new(Values::Field(piece))).collect()
    }

    /// Cosets `g·ω'^j·H`, with `g` a generator of the field's group and `ω'` a root of unity so that all are different.
    fn cosets(&self, count: usize) -> Vec<Coset> {
        let root = crate::field::root_of_unity(self.domain.k() + count.next_power_of_two().ilog2());
        std::iter::successors(Some(Fr::MULTIPLICATIVE_GENERATOR), |shift| Some(shift * root))
            .take(count)
            .map(|shift| self.domain.coset(shift))
            .collect()
    }

    /// Adds the constraints of a batch to the numerators.
    fn add_batch(
        &self,
        batch: &Batch,
        environment: &Environment<'_, Column>,
        cosets: &[Coset],
        numerators: &mut Numerators,
    ) {
        let rotations = batch.groups.iter().map(|group| group.program.rotations());
        let rotations = rotations.fold((0, 0), |(least, most), (a, b)| (least.min(a), most.max(b)));
        let mut polynomials: Vec<Vec<Fr>> =
            batch.columns.par_iter().map(|(name, _)| self.named_elements(*name, environment)).collect();
        self.domain.inverse_batch(self.instructions(), &mut polynomials);
        self.counters.transforms(polynomials.len(), self.domain.k());
        let mut values: Vec<_> = polynomials.iter().map(|_| Padded::new(self.rows(), rotations)).collect();
        for (index, coset) in cosets.iter().enumerate() {
            let reached = |at: usize| batch.columns[at].1 > index;
            values.par_iter_mut().zip(&polynomials).enumerate().filter(|(at, _)| reached(*at)).for_each(
                |(_, (values, polynomial))| {
                    values.refill(|rows| self.domain.forward_coset(self.instructions(), coset, polynomial, rows));
                },
            );
            self.counters.transforms((0..values.len()).filter(|at| reached(*at)).count(), self.domain.k());
            let points = self.coset_points(coset);
            for group in batch.groups.iter().filter(|group| group.cosets > index) {
                let place = |slot| batch.columns.binary_search_by_key(&slot, |(name, _)| *name);
                let slots = group.program.slots.iter().map(|slot| &values[place(*slot).expect("the batch holds it")]);
                let slots: Vec<_> = slots.collect();
                let scalars = environment.scalars.all();
                let inputs = Inputs { program: &group.program, scalars, slots: &slots, points: &points };
                let numerator = numerators.get_mut(&group.cosets).expect("there is one for every group");
                self.run_program(&inputs, &mut numerator[index]);
            }
        }
    }

    fn coset_points(&self, coset: &Coset) -> Vec<Fr> {
        let mut points = self.points.clone();
        points.par_chunks_mut(BLOCK).for_each(|points| field::scale(self.instructions(), points, coset.shift()));
        points
    }

    /// Divides a group's numerator by `X^n − 1` and adds the pieces, by coefficients.
    fn add_pieces(&self, cosets: &[Coset], mut values: Vec<Vec<Fr>>, pieces: &mut [Vec<Fr>]) {
        let cosets = &cosets[..values.len()];
        values.iter_mut().zip(cosets).for_each(|(values, coset)| {
            self.domain.inverse_coset(self.instructions(), coset, values);
        });
        self.counters.transforms(values.len(), self.domain.k());
        let shifts: Vec<Fr> = cosets.iter().map(|coset| coset.shift().pow_vartime([self.rows() as u64])).collect();
        let matrix = inverse_vandermonde(&shifts);
        for (piece, row) in pieces.iter_mut().zip(matrix) {
            for ((remainder, shift), weight) in values.iter().zip(&shifts).zip(row) {
                let factor = weight * (shift - Fr::ONE).invert().expect("cosets do not meet the domain");
                piece.par_chunks_mut(BLOCK).zip(remainder.par_chunks(BLOCK)).for_each(|(piece, remainder)| {
                    field::add_scaled(self.instructions(), piece, remainder, factor);
                });
            }
        }
        self.counters.products(values.len() * values.len() * self.rows());
    }
}

/// The inverse of the matrix `(t_j^i)`, rows `j` and columns `i`: row `i` of the inverse holds the coefficients of `X^i` of the
/// Lagrange polynomials of the `t_j`.
fn inverse_vandermonde(points: &[Fr]) -> Vec<Vec<Fr>> {
    let mut rows = vec![vec![Fr::ZERO; points.len()]; points.len()];
    for (j, point) in points.iter().enumerate() {
        let mut polynomial = vec![Fr::ONE];
        let mut scale = Fr::ONE;
        for (_, root) in points.iter().enumerate().filter(|(other, _)| *other != j) {
            polynomial.insert(0, Fr::ZERO);
            for degree in 1..polynomial.len() {
                let above = polynomial[degree];
                polynomial[degree - 1] -= root * above;
            }
            scale *= point - root;
        }
        let scale = scale.invert().expect("the points are different");
        polynomial.iter().enumerate().for_each(|(i, coefficient)| rows[i][j] = coefficient * scale);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vandermonde_matrices_are_inverted() {
        let points: Vec<Fr> = [3u64, 7, 11, 20, 21].map(Fr::from).to_vec();
        let inverse = inverse_vandermonde(&points);
        for (i, row) in inverse.iter().enumerate() {
            for k in 0..points.len() {
                let entry: Fr =
                    row.iter().zip(&points).map(|(weight, point)| weight * point.pow_vartime([k as u64])).sum();
                assert_eq!(entry, if i == k { Fr::ONE } else { Fr::ZERO });
            }
        }
    }
}
