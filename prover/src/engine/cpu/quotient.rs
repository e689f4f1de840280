//! The quotient, coset by coset. See [`crate::plonk::quotient`] for what is computed.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

use super::super::{Column, Environment, Values};
use super::interpreter::{Inputs, Padded};
use super::{CpuEngine, BLOCK};
use crate::field;
use crate::plonk::constraints::Column as Name;
use crate::plonk::quotient::{Batch, QuotientPlan};
use crate::transform::Coset;

/// Columns that are transformed at once, of few rows and of many: each takes scratch memory, and few rows are not worth dividing
/// among threads.
const AT_ONCE: [usize; 2] = [4, 1];
/// Columns of `2^MANY` rows are divided among threads.
const MANY: u32 = 14;

/// What is kept from batch to batch.
struct Workspace {
    /// The columns of the last batch by coefficients.
    polynomials: BTreeMap<Name, Vec<Fr>>,
    /// Columns that are not used any more.
    spare: Vec<Vec<Fr>>,
    /// Values on a coset.
    values: Vec<Padded>,
    /// Those of `ℓ_0`.
    first: Option<Padded>,
    rotations: (i32, i32),
}

impl CpuEngine {
    pub(super) fn quotient_pieces(&self, plan: &QuotientPlan, environment: &Environment<'_, Column>) -> Vec<Column> {
        let most = plan.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        let cosets = self.cosets(most);
        let mut workspace = Workspace::new(plan.rotations());
        let mut pieces: Vec<Vec<Fr>> = Vec::new();
        for level in plan.batches.chunk_by(|a, b| a.cosets == b.cosets) {
            let cosets = &cosets[..level[0].cosets];
            workspace.shrink(level);
            let mut numerators: Vec<_> = cosets.iter().map(|_| vec![Fr::ZERO; self.rows()]).collect();
            for batch in level {
                self.add_batch(batch, environment, cosets, &mut workspace, &mut numerators);
            }
            self.divide_numerators(cosets, &mut numerators);
            pieces = self.sum_of_pieces(pieces, numerators);
        }
        drop(workspace);
        pieces.resize_with(plan.pieces, || vec![Fr::ZERO; self.rows()]);
        pieces.chunks_mut(self.at_once()).for_each(|pieces| self.domain.forward_batch(self.instructions(), pieces));
        self.counters.transforms(pieces.len(), self.domain.k());
        self.domain.release_scratch();
        pieces.into_iter().map(|piece| Column::new(Values::Field(piece))).collect()
    }

    fn at_once(&self) -> usize {
        AT_ONCE[usize::from(self.domain.k() >= MANY)]
    }

    /// Cosets `g·ω'^j·H`, with `g` a generator of the field's group and `ω'` a root of unity so that all are different.
    fn cosets(&self, count: usize) -> Vec<Coset> {
        let root = crate::field::root_of_unity(self.domain.k() + count.next_power_of_two().ilog2());
        std::iter::successors(Some(Fr::MULTIPLICATIVE_GENERATOR), |shift| Some(shift * root))
            .take(count)
            .map(|shift| self.domain.coset(shift))
            .collect()
    }

    /// Adds the products of a batch to the numerators.
    fn add_batch(
        &self,
        batch: &Batch,
        environment: &Environment<'_, Column>,
        cosets: &[Coset],
        workspace: &mut Workspace,
        numerators: &mut [Vec<Fr>],
    ) {
        self.load(batch, environment, workspace);
        let Workspace { polynomials, values, first, rotations, .. } = workspace;
        while values.len() < batch.columns.len() {
            values.push(Padded::new(self.rows(), *rotations));
        }
        let polynomials: Vec<&Vec<Fr>> = batch.columns.iter().map(|name| &polynomials[name]).collect();
        let scalars: Vec<Fr> = batch.program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
        for (coset, numerator) in cosets.iter().zip(numerators) {
            for (values, polynomials) in values.chunks_mut(self.at_once()).zip(polynomials.chunks(self.at_once())) {
                let columns = values.iter_mut().zip(polynomials);
                let mut rows: Vec<&mut [Fr]> = columns.map(|(values, _)| values.rows_mut()).collect();
                self.domain.forward_coset_batch(self.instructions(), coset, polynomials, &mut rows);
            }
            values[..batch.columns.len()].par_iter_mut().for_each(Padded::wrap);
            self.counters.transforms(polynomials.len(), self.domain.k());
            if batch.program.reads(Name::First) {
                let first = first.get_or_insert_with(|| Padded::new(self.rows(), *rotations));
                self.fill_first(coset, first);
            }
            let slot = |name: &Name| match name {
                Name::First => first.as_ref().expect("it has been filled"),
                name => &values[batch.columns.binary_search(name).expect("the batch holds it")],
            };
            let slots: Vec<_> = batch.program.slots.iter().map(slot).collect();
            let (points, shift) = (&self.points[..], coset.shift());
            self.run_program(
                &Inputs { program: &batch.program, scalars: &scalars, slots: &slots, points, shift },
                numerator,
            );
        }
    }

    /// Makes the columns of a batch by coefficients, but for those that are there.
    fn load(&self, batch: &Batch, environment: &Environment<'_, Column>, workspace: &mut Workspace) {
        workspace.retain(&batch.columns);
        let Workspace { polynomials, spare, .. } = workspace;
        let missing: Vec<Name> = batch.columns.iter().copied().filter(|name| !polynomials.contains_key(name)).collect();
        for names in missing.chunks(self.at_once()) {
            let mut columns: Vec<Vec<Fr>> = names
                .iter()
                .map(|name| {
                    let mut column = spare.pop().unwrap_or_else(|| vec![Fr::ZERO; self.rows()]);
                    self.fill_named(*name, environment, &mut column);
                    column
                })
                .collect();
            self.domain.inverse_batch(self.instructions(), &mut columns);
            polynomials.extend(names.iter().copied().zip(columns));
        }
        self.counters.transforms(missing.len(), self.domain.k());
    }

    /// `ℓ_0(x) = (x^n − 1)/(n·(x − 1))` on a coset.
    fn fill_first(&self, coset: &Coset, values: &mut Padded) {
        let power = coset.shift().pow_vartime([self.rows() as u64]);
        let scale = (power - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(self.domain.k())]);
        let rows = values.rows_mut().par_chunks_mut(BLOCK).zip(self.points.par_chunks(BLOCK));
        rows.for_each(|(values, points)| {
            values.copy_from_slice(points);
            field::scale(self.instructions(), values, coset.shift());
            values.iter_mut().for_each(|value| *value -= Fr::ONE);
            field::batch_invert(self.instructions(), values);
            field::scale(self.instructions(), values, scale);
        });
        self.counters.products(5 * self.rows());
        values.wrap();
    }

    /// Divides the numerators of a level by `X^n − 1`: what was values on cosets becomes the pieces by coefficients.
    fn divide_numerators(&self, cosets: &[Coset], numerators: &mut [Vec<Fr>]) {
        numerators.iter_mut().zip(cosets).for_each(|(values, coset)| {
            self.domain.inverse_coset(self.instructions(), coset, values);
        });
        self.counters.transforms(numerators.len(), self.domain.k());
        let shifts: Vec<Fr> = cosets.iter().map(|coset| coset.shift().pow_vartime([self.rows() as u64])).collect();
        let mut matrix = inverse_vandermonde(&shifts);
        for row in &mut matrix {
            for (weight, shift) in row.iter_mut().zip(&shifts) {
                *weight *= (shift - Fr::ONE).invert().expect("cosets do not meet the domain");
            }
        }
        blocks_of(numerators).into_par_iter().for_each(|mut blocks| {
            let remainders: Vec<Vec<Fr>> = blocks.iter().map(|block| block.to_vec()).collect();
            for (piece, row) in blocks.iter_mut().zip(&matrix) {
                piece.fill(Fr::ZERO);
                for (remainder, weight) in remainders.iter().zip(row) {
                    field::add_scaled(self.instructions(), piece, remainder, *weight);
                }
            }
        });
        self.counters.products(numerators.len() * numerators.len() * self.rows());
    }

    /// The pieces of two levels; the first has as many, or none.
    fn sum_of_pieces(&self, mut pieces: Vec<Vec<Fr>>, more: Vec<Vec<Fr>>) -> Vec<Vec<Fr>> {
        if pieces.is_empty() {
            return more;
        }
        for (piece, more) in pieces.iter_mut().zip(&more) {
            piece.par_chunks_mut(BLOCK).zip(more.par_chunks(BLOCK)).for_each(|(piece, more)| {
                field::add_scaled(self.instructions(), piece, more, Fr::ONE);
            });
        }
        pieces
    }
}

impl Workspace {
    fn new(rotations: (i32, i32)) -> Self {
        Self { polynomials: BTreeMap::new(), spare: Vec::new(), values: Vec::new(), first: None, rotations }
    }

    /// Gives back what the batches of a level do not need.
    fn shrink(&mut self, level: &[Batch]) {
        let most = level.iter().map(|batch| batch.columns.len()).max().unwrap_or(0);
        self.retain(&level[0].columns);
        self.values.truncate(most);
        self.spare.truncate(most - self.polynomials.len());
    }

    /// Keeps the coefficients of these columns; the memory of others is used again.
    fn retain(&mut self, names: &[Name]) {
        let (kept, dropped) =
            std::mem::take(&mut self.polynomials).into_iter().partition(|(name, _)| names.contains(name));
        self.polynomials = kept;
        self.spare.extend(BTreeMap::into_values(dropped));
    }
}

/// The same rows of all columns, block by block.
fn blocks_of(columns: &mut [Vec<Fr>]) -> Vec<Vec<&mut [Fr]>> {
    let mut blocks: Vec<Vec<&mut [Fr]>> = Vec::new();
    for column in columns {
        for (index, block) in column.chunks_mut(BLOCK).enumerate() {
            if blocks.len() == index {
                blocks.push(Vec::new());
            }
            blocks[index].push(block);
        }
    }
    blocks
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
