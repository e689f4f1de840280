//! Evaluations and the quotients of the opening, from values on the domain.

use std::collections::BTreeMap;
use std::ops::Range;

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

use super::super::{divisors, Dividend, EngineError, Values};
use super::column::{CpuColumn, Place};
use super::{CpuEngine, BLOCK};
use crate::field::{self, SmallInteger};

/// Rows of a task of evaluations: many columns share the weights of these rows.
const EVALUATION_BLOCK: usize = 1 << 12;

/// `ℓ_i(x)` from some rotations before row 0 to some behind the last row.
struct Weights {
    elements: Vec<Fr>,
    /// Place of row 0.
    origin: usize,
}

impl Weights {
    /// `ℓ_(i − rotation)(x) = ℓ_i(ω^rotation·x)` for the rows.
    fn rotated(&self, rows: &Range<usize>, rotation: i32) -> &[Fr] {
        let place = |row: usize| (self.origin as i64 + row as i64 - i64::from(rotation)) as usize;
        &self.elements[place(rows.start)..place(rows.end)]
    }
}

/// The queries of integer columns with one width and rotation.
type Queried<'a, T> = BTreeMap<i32, (Vec<usize>, Vec<&'a [T]>)>;

impl CpuEngine {
    /// `ℓ_i(x) = ω^i·(x^n − 1) / (n·(x − ω^i))`
    fn lagrange_at(&self, x: Fr, before: usize, behind: usize) -> Weights {
        let rows = self.rows();
        let scale = (x.pow_vartime([rows as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(self.domain.k())]);
        let mut elements = vec![Fr::ZERO; behind + rows + before];
        elements[behind..behind + rows].par_chunks_mut(BLOCK).enumerate().for_each(|(block, weights)| {
            let points = &self.points[block * BLOCK..block * BLOCK + weights.len()];
            weights.iter_mut().zip(points).for_each(|(weight, point)| *weight = x - point);
            field::batch_invert(self.instructions(), weights);
            field::multiply(self.instructions(), weights, points);
            field::scale(self.instructions(), weights, scale);
        });
        self.counters.products(5 * rows);
        elements.copy_within(rows..rows + behind, 0);
        elements.copy_within(behind..behind + before, behind + rows);
        Weights { elements, origin: behind }
    }

    pub(super) fn evaluations(&self, x: Fr, queries: &[(&CpuColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        let rotations = || queries.iter().map(|(_, rotation)| *rotation);
        let behind = rotations().max().unwrap_or(0).max(0) as usize;
        let before = rotations().min().unwrap_or(0).min(0).unsigned_abs() as usize;
        let weights = self.lagrange_at(x, before, behind);
        let blocks = self.rows().div_ceil(EVALUATION_BLOCK);
        (0..blocks)
            .into_par_iter()
            .map(|block| {
                let start = block * EVALUATION_BLOCK;
                self.partial_evaluations(x, &weights, start..(start + EVALUATION_BLOCK).min(self.rows()), queries)
            })
            .try_reduce(
                || vec![Fr::ZERO; queries.len()],
                |mut a, b| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    Ok(a)
                },
            )
    }

    /// What some rows contribute.
    fn partial_evaluations(
        &self,
        x: Fr,
        weights: &Weights,
        rows: Range<usize>,
        queries: &[(&CpuColumn, i32)],
    ) -> Result<Vec<Fr>, EngineError> {
        let mut results = vec![Fr::ZERO; queries.len()];
        let (mut i8, mut i16, mut i32, mut i64) = (Queried::new(), Queried::new(), Queried::new(), Queried::new());
        for (index, &(column, rotation)) in queries.iter().enumerate() {
            match &column.values {
                Place::Memory(Values::Integers(integers)) => match &**integers {
                    Integers::I8(cells) => ask(&mut i8, rotation, index, cells, &rows),
                    Integers::I16(cells) => ask(&mut i16, rotation, index, cells, &rows),
                    Integers::I32(cells) => ask(&mut i32, rotation, index, cells, &rows),
                    Integers::I64(cells) => ask(&mut i64, rotation, index, cells, &rows),
                },
                Place::Memory(values) => {
                    results[index] += self.partial_evaluation(x, weights, &rows, values, rotation);
                }
                Place::Disk(stored) => {
                    let cells = stored.cells(&rows)?;
                    results[index] += self.dot(weights.rotated(&rows, rotation), &cells);
                }
            }
            results[index] += self.tail_evaluation(weights, &rows, column, rotation);
        }
        self.integer_evaluations(weights, &rows, &i8, &mut results);
        self.integer_evaluations(weights, &rows, &i16, &mut results);
        self.integer_evaluations(weights, &rows, &i32, &mut results);
        self.integer_evaluations(weights, &rows, &i64, &mut results);
        Ok(results)
    }

    fn integer_evaluations<T: SmallInteger>(
        &self,
        weights: &Weights,
        rows: &Range<usize>,
        asked: &Queried<'_, T>,
        results: &mut [Fr],
    ) {
        for (rotation, (indices, columns)) in asked {
            let weights = weights.rotated(rows, *rotation);
            let length = columns.iter().map(|column| column.len()).min().unwrap_or(0);
            let shared: Vec<_> = columns.iter().map(|column| &column[..length]).collect();
            let sums = field::dots_integers(self.instructions(), &weights[..length], &shared);
            for ((index, column), sum) in indices.iter().zip(columns).zip(sums) {
                let weights = &weights[length..column.len()];
                results[*index] += sum + field::dot_integers(self.instructions(), weights, &column[length..]);
            }
        }
    }

    fn dot(&self, weights: &[Fr], cells: &[Fr]) -> Fr {
        self.counters.products(cells.len());
        field::dot(self.instructions(), &weights[..cells.len()], cells)
    }

    /// Values that are no integers.
    fn partial_evaluation(&self, x: Fr, weights: &Weights, rows: &Range<usize>, values: &Values, rotation: i32) -> Fr {
        let rotated = weights.rotated(rows, rotation);
        let at = |row: u32| rotated[row as usize - rows.start];
        match values {
            Values::Integers(_) => unreachable!("columns of integers are evaluated together"),
            Values::Field(elements) => {
                self.dot(rotated, &elements[rows.start.min(elements.len())..rows.end.min(elements.len())])
            }
            Values::Sigma(sigma) => {
                let moved = self.moved(sigma, super::block::within(&sigma.rows, rows));
                let moved: Fr = moved.iter().map(|(row, difference)| at(row as u32) * difference).sum();
                // The polynomial δ^j·X, once.
                let point = x * self.points[self.turn(rotation)];
                let identity = Fr::DELTA.pow_vartime([u64::from(sigma.column)]) * point;
                moved + if rows.start == 0 { identity } else { Fr::ZERO }
            }
            Values::Sparse { rows: filled, values } => {
                let span = super::block::within(filled, rows);
                filled[span.clone()].iter().zip(&values[span]).map(|(row, value)| at(*row) * value).sum()
            }
            Values::Constant(element) if rows.start == 0 => *element,
            Values::Constant(_) => Fr::ZERO,
        }
    }

    /// A rotation as a non-negative exponent of `ω`.
    fn turn(&self, rotation: i32) -> usize {
        i64::from(rotation).rem_euclid(self.rows() as i64) as usize
    }

    fn tail_evaluation(&self, weights: &Weights, rows: &Range<usize>, column: &CpuColumn, rotation: i32) -> Fr {
        let start = self.rows() - column.tail.len();
        let rotated = weights.rotated(rows, rotation);
        let inside = (start..).zip(&column.tail).filter(|(row, _)| rows.contains(row));
        inside.map(|(row, element)| rotated[row - rows.start] * element).sum()
    }

    /// `Σ scale·(column − remainder)/Z`
    pub(super) fn divided(&self, dividends: &[Dividend<'_, CpuColumn>]) -> Result<CpuColumn, EngineError> {
        let divisors = divisors(dividends);
        self.counters.products((divisors.len() * 8 + dividends.len()) * self.rows());
        self.fill_blocks(|first, sums| {
            sums.fill(Fr::ZERO);
            let points = &self.points[first..first + sums.len()];
            let mut numerator = vec![Fr::ZERO; sums.len()];
            for divisor in &divisors {
                self.negated_remainder(points, &divisor.remainder, &mut numerator);
                self.add_columns(first, &mut numerator, &divisor.terms)?;
                let mut vanishing = self.vanishing(points, divisor.points);
                field::batch_invert(self.instructions(), &mut vanishing);
                field::multiply(self.instructions(), &mut numerator, &vanishing);
                field::add(self.instructions(), sums, &numerator);
            }
            Ok(())
        })
    }

    /// `−remainder` at points, by Horner's scheme.
    fn negated_remainder(&self, points: &[Fr], remainder: &[Fr], values: &mut [Fr]) {
        values.fill(Fr::ZERO);
        for (step, coefficient) in remainder.iter().rev().enumerate() {
            if step > 0 {
                field::multiply(self.instructions(), values, points);
            }
            values.iter_mut().for_each(|value| *value -= coefficient);
        }
    }

    /// `Π (point − root)`
    fn vanishing(&self, points: &[Fr], roots: &[Fr]) -> Vec<Fr> {
        let mut product = vec![Fr::ONE; points.len()];
        let mut factor = vec![Fr::ZERO; points.len()];
        for root in roots {
            factor.iter_mut().zip(points).for_each(|(factor, point)| *factor = point - root);
            field::multiply(self.instructions(), &mut product, &factor);
        }
        product
    }
}

fn ask<'a, T>(asked: &mut Queried<'a, T>, rotation: i32, index: usize, cells: &'a [T], rows: &Range<usize>) {
    let cells = &cells[rows.start.min(cells.len())..rows.end.min(cells.len())];
    if !cells.is_empty() {
        let (indices, columns) = asked.entry(rotation).or_default();
        indices.push(index);
        columns.push(cells);
    }
}
