//! The values of columns in a block of rows, and sums of columns there.

use std::ops::Range;

use circuits::machine::{to_field, Integers};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

use super::super::{EngineError, SigmaColumn, Values};
use super::column::{CpuColumn, Place};
use super::{CpuEngine, BLOCK};
use crate::field::{self, Instructions};
use rayon::prelude::*;

/// Where the entries of an increasing list lie in a range.
pub(super) fn within(rows: &[u32], range: &Range<usize>) -> Range<usize> {
    let place = |row: usize| rows.partition_point(|entry| (*entry as usize) < row);
    place(range.start)..place(range.end)
}

/// Columns of integers by width, cut to a block: what [`field::add_scaled_integers`] takes.
#[derive(Default)]
pub(super) struct ByWidth<'a> {
    i8: (Vec<&'a [i8]>, Vec<Fr>),
    i16: (Vec<&'a [i16]>, Vec<Fr>),
    i32: (Vec<&'a [i32]>, Vec<Fr>),
    i64: (Vec<&'a [i64]>, Vec<Fr>),
}

/// Adds the columns of one width whose cells cover the whole block, and then the one that ends in it.
fn add_width<T: field::SmallInteger>(
    instructions: Instructions,
    sums: &mut [Fr],
    (columns, factors): &(Vec<&[T]>, Vec<Fr>),
) {
    let length = columns.iter().map(|column| column.len()).min().unwrap_or(0);
    if length > 0 {
        let whole: Vec<_> = columns.iter().map(|column| &column[..length]).collect();
        field::add_scaled_integers(instructions, &mut sums[..length], factors, &whole);
    }
    // Columns of a circuit end in the same row, so that little is left.
    for (column, factor) in columns.iter().zip(factors) {
        if column.len() > length {
            field::add_scaled_integers(instructions, &mut sums[length..column.len()], &[*factor], &[&column[length..]]);
        }
    }
}

impl<'a> ByWidth<'a> {
    pub(super) fn push(&mut self, integers: &'a Integers, rows: &Range<usize>, factor: Fr) {
        let cut = |len: usize| rows.start.min(len)..rows.end.min(len);
        match integers {
            Integers::I8(cells) => push(&mut self.i8, &cells[cut(cells.len())], factor),
            Integers::I16(cells) => push(&mut self.i16, &cells[cut(cells.len())], factor),
            Integers::I32(cells) => push(&mut self.i32, &cells[cut(cells.len())], factor),
            Integers::I64(cells) => push(&mut self.i64, &cells[cut(cells.len())], factor),
        }
    }

    pub(super) fn add(&self, instructions: Instructions, sums: &mut [Fr]) {
        add_width(instructions, sums, &self.i8);
        add_width(instructions, sums, &self.i16);
        add_width(instructions, sums, &self.i32);
        add_width(instructions, sums, &self.i64);
    }
}

fn push<'a, T>((columns, factors): &mut (Vec<&'a [T]>, Vec<Fr>), cells: &'a [T], factor: Fr) {
    if !cells.is_empty() {
        columns.push(cells);
        factors.push(factor);
    }
}

/// Elements of the digits of integers in two bytes: an integer is a look-up or two, not a product.
pub(super) struct SmallElements {
    /// The bytes −128 … 127, by their bits.
    low: Vec<Fr>,
    /// 256 times as much.
    high: Vec<Fr>,
    /// The bytes 0 … 255.
    unsigned: Vec<Fr>,
}

impl SmallElements {
    pub(super) fn new() -> Self {
        let bytes = 0..=255u8;
        Self {
            low: bytes.clone().map(|byte| to_field((byte as i8).into())).collect(),
            high: bytes.clone().map(|byte| to_field(256 * i64::from(byte as i8))).collect(),
            unsigned: bytes.map(|byte| to_field(byte.into())).collect(),
        }
    }

    /// The integers of the rows as elements; zero where the column has ended.
    fn fill(&self, integers: &Integers, rows: &Range<usize>, values: &mut [Fr]) {
        let cut = |len: usize| rows.start.min(len)..rows.end.min(len);
        let filled = cut(integers.len()).len();
        let slots = values.iter_mut();
        match integers {
            Integers::I8(cells) => {
                slots.zip(&cells[cut(cells.len())]).for_each(|(slot, cell)| *slot = self.low[usize::from(*cell as u8)]);
            }
            Integers::I16(cells) => slots.zip(&cells[cut(cells.len())]).for_each(|(slot, cell)| {
                let [low, high] = cell.to_le_bytes();
                *slot = self.high[usize::from(high)] + self.unsigned[usize::from(low)];
            }),
            Integers::I32(cells) => {
                slots.zip(&cells[cut(cells.len())]).for_each(|(slot, cell)| *slot = to_field((*cell).into()));
            }
            Integers::I64(cells) => {
                slots.zip(&cells[cut(cells.len())]).for_each(|(slot, cell)| *slot = to_field(*cell));
            }
        }
        values[filled..].fill(Fr::ZERO);
    }
}

impl CpuEngine {
    /// `sums[i] += Σ factor·column[first + i]`
    pub(super) fn add_columns(
        &self,
        first: usize,
        sums: &mut [Fr],
        terms: &[(&CpuColumn, Fr)],
    ) -> Result<(), EngineError> {
        let rows = first..first + sums.len();
        let instructions = self.instructions();
        let mut integers = ByWidth::default();
        for &(column, factor) in terms {
            match &column.values {
                Place::Memory(Values::Integers(cells)) => integers.push(cells, &rows, factor),
                Place::Memory(Values::Field(elements)) => {
                    let cells = &elements[rows.start.min(elements.len())..rows.end.min(elements.len())];
                    field::add_scaled(instructions, &mut sums[..cells.len()], cells, factor);
                }
                Place::Disk(stored) => {
                    let cells = stored.cells(&rows)?;
                    field::add_scaled(instructions, &mut sums[..cells.len()], &cells, factor);
                }
                Place::Memory(Values::Sigma(sigma)) => self.add_sigma(sigma, &rows, sums, factor),
                Place::Memory(Values::Sparse { rows: filled, values }) => {
                    let span = within(filled, &rows);
                    for (row, value) in filled[span.clone()].iter().zip(&values[span]) {
                        sums[*row as usize - rows.start] += factor * value;
                    }
                }
                Place::Memory(Values::Constant(element)) => {
                    let term = factor * element;
                    sums.iter_mut().for_each(|sum| *sum += term);
                }
            }
            self.add_tail(column, &rows, sums, factor);
        }
        integers.add(instructions, sums);
        Ok(())
    }

    /// The tail replaces what the values say of its rows; only constants say anything.
    fn add_tail(&self, column: &CpuColumn, rows: &Range<usize>, sums: &mut [Fr], factor: Fr) {
        let start = self.rows() - column.tail.len();
        for (row, element) in (start..).zip(&column.tail).filter(|(row, _)| rows.contains(row)) {
            sums[row - rows.start] += factor * element;
        }
    }

    fn add_sigma(&self, sigma: &SigmaColumn, rows: &Range<usize>, sums: &mut [Fr], factor: Fr) {
        let delta = factor * Fr::DELTA.pow_vartime([u64::from(sigma.column)]);
        field::add_scaled(self.instructions(), sums, &self.points[rows.clone()], delta);
        for (row, difference) in self.moved(sigma, within(&sigma.rows, rows)).iter() {
            sums[row - rows.start] += factor * difference;
        }
    }

    /// A column's values in the rows from `first` on.
    pub(super) fn fill(&self, column: &CpuColumn, first: usize, values: &mut [Fr]) -> Result<(), EngineError> {
        let rows = first..first + values.len();
        match &column.values {
            Place::Memory(Values::Integers(integers)) => self.small.fill(integers, &rows, values),
            Place::Memory(Values::Field(elements)) if rows.end <= elements.len() => {
                values.copy_from_slice(&elements[rows.clone()]);
            }
            Place::Disk(stored) if rows.end <= stored.rows() => stored.read(first, values)?,
            _ => {
                values.fill(Fr::ZERO);
                return self.add_columns(first, values, &[(column, Fr::ONE)]);
            }
        }
        self.add_tail(column, &rows, values, Fr::ONE);
        Ok(())
    }

    /// All values of a column.
    pub(super) fn elements(&self, column: &CpuColumn) -> Result<Vec<Fr>, EngineError> {
        let mut elements = vec![Fr::ZERO; self.rows()];
        let blocks = elements.par_chunks_mut(BLOCK).enumerate();
        blocks.map(|(block, values)| self.fill(column, block * BLOCK, values)).collect::<Result<(), _>>()?;
        Ok(elements)
    }

    /// `constant + Σ factor·column`
    pub(super) fn combination(&self, terms: &[(&CpuColumn, Fr)], constant: Fr) -> Result<CpuColumn, EngineError> {
        self.counters.products(terms.len() * self.rows());
        self.fill_blocks(|first, sums| {
            sums.fill(constant);
            self.add_columns(first, sums, terms)
        })
    }
}
