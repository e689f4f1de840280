//! The quotient, coset by coset. See [`crate::plonk::quotient`] for what is computed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

use super::super::{Column, EngineError, Environment, Values};
use super::column::{CpuColumn, Place};
use super::disk::{Disk, DiskError, Stored};
use super::interpreter::{Inputs, Padded};
use super::{CpuEngine, BLOCK};
use crate::field;
use crate::plonk::constraints::Column as Name;
use crate::plonk::quotient::{coset_shifts, pieces_matrix, Batch, QuotientPlan};
use crate::transform::Coset;

/// Columns that are transformed at once, of few rows and of many: each takes scratch memory, and few rows are not worth dividing
/// among threads.
const AT_ONCE: [usize; 2] = [4, 1];
/// Columns of `2^MANY` rows are divided among threads.
const MANY: u32 = 14;

/// A column of the quotient between two uses.
enum Kept {
    Memory(Vec<Fr>),
    Disk(Stored),
}

/// What is kept from batch to batch.
struct Workspace {
    /// Columns by coefficients.
    polynomials: BTreeMap<Name, Kept>,
    /// Memory for further ones.
    spare: Vec<Vec<Fr>>,
    /// Values on a coset, those of `ℓ_0` among them.
    values: BTreeMap<Name, Padded>,
    /// Memory for further ones.
    spare_values: Vec<Padded>,
    rotations: (i32, i32),
}

impl CpuEngine {
    pub(super) fn quotient_pieces(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, CpuColumn>,
    ) -> Result<Vec<CpuColumn>, EngineError> {
        let most = plan.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        let shifts = coset_shifts(self.domain.k(), most).into_iter();
        let cosets: Vec<Coset> = shifts.map(|shift| self.domain.coset(shift)).collect();
        let mut workspace = Workspace::new(plan.rotations());
        let mut pieces: Vec<Kept> = Vec::new();
        for level in plan.batches.chunk_by(|a, b| a.cosets == b.cosets) {
            let cosets = &cosets[..level[0].cosets];
            let names = level.iter().take(if plan.elsewhere { level.len() } else { 1 });
            workspace.shrink(level, &names.flat_map(|batch| batch.columns.iter().copied()).collect::<Vec<_>>());
            let order = if plan.elsewhere { Self::coset_by_coset } else { Self::batch_by_batch };
            let numerators = order(self, level, environment, cosets, &mut workspace)?;
            pieces = self.sum_of_pieces(pieces, self.divide_numerators(cosets, numerators)?)?;
        }
        drop(workspace);
        let mut columns = self.piece_columns(pieces)?;
        columns.resize_with(plan.pieces, || CpuColumn {
            values: Place::Memory(Values::ZERO),
            tail: Vec::new(),
            known: None,
        });
        self.domain.release_scratch();
        Ok(columns)
    }

    /// Pieces by coefficients to columns.
    fn piece_columns(&self, pieces: Vec<Kept>) -> Result<Vec<CpuColumn>, EngineError> {
        self.counters.transforms(pieces.len(), self.domain.k());
        let mut columns = Vec::with_capacity(pieces.len());
        let mut pieces = pieces.into_iter().peekable();
        while pieces.peek().is_some() {
            let some = pieces.by_ref().take(self.at_once()).map(|piece| self.take(piece));
            let mut some = some.collect::<Result<Vec<_>, _>>()?;
            self.domain.forward_batch(self.instructions(), &mut some);
            for piece in some {
                columns.push(self.hold(Column::new(Values::Field(piece)))?);
            }
        }
        Ok(columns)
    }

    /// Where coefficients, numerators and pieces are, if not in memory.
    fn quotient_disk(&self) -> Option<&Arc<Disk>> {
        self.spill.as_ref().filter(|spill| spill.quotient).map(|spill| &spill.disk)
    }

    fn at_once(&self) -> usize {
        match self.quotient_disk() {
            Some(_) => 1,
            None => AT_ONCE[usize::from(self.domain.k() >= MANY)],
        }
    }

    /// Puts a column aside.
    fn keep(&self, column: Vec<Fr>) -> Result<Kept, EngineError> {
        let Some(disk) = self.quotient_disk() else { return Ok(Kept::Memory(column)) };
        let stored = disk.column(self.rows(), self.rows());
        stored.write_all(&column)?;
        Ok(Kept::Disk(stored))
    }

    fn take(&self, kept: Kept) -> Result<Vec<Fr>, EngineError> {
        match kept {
            Kept::Memory(column) => Ok(column),
            Kept::Disk(stored) => self.fetch(&stored),
        }
    }

    /// The numerators of a level, each batch on all cosets: few coefficients at a time, and all numerators.
    fn batch_by_batch(
        &self,
        level: &[Batch],
        environment: &Environment<'_, CpuColumn>,
        cosets: &[Coset],
        workspace: &mut Workspace,
    ) -> Result<Vec<Kept>, EngineError> {
        let mut numerators: Vec<_> = cosets.iter().map(|_| vec![Fr::ZERO; self.rows()]).collect();
        for batch in level {
            workspace.retain_polynomials(&batch.columns);
            self.load(batch, environment, workspace)?;
            for (coset, numerator) in cosets.iter().zip(&mut numerators) {
                workspace.retain_values(&[]);
                self.add_batch(batch, environment, coset, workspace, numerator)?;
            }
        }
        numerators.into_iter().map(|numerator| self.keep(numerator)).collect()
    }

    /// The numerators of a level, all batches on each coset: all coefficients, and one numerator at a time; what a batch has on a
    /// coset is there for the next one.
    fn coset_by_coset(
        &self,
        level: &[Batch],
        environment: &Environment<'_, CpuColumn>,
        cosets: &[Coset],
        workspace: &mut Workspace,
    ) -> Result<Vec<Kept>, EngineError> {
        level.iter().try_for_each(|batch| self.load(batch, environment, workspace))?;
        let numerators = cosets.iter().map(|coset| {
            workspace.retain_values(&[]);
            let mut numerator = vec![Fr::ZERO; self.rows()];
            for batch in level {
                self.add_batch(batch, environment, coset, workspace, &mut numerator)?;
            }
            self.keep(numerator)
        });
        numerators.collect()
    }

    /// Adds the products of a batch on a coset to the numerator there.
    fn add_batch(
        &self,
        batch: &Batch,
        environment: &Environment<'_, CpuColumn>,
        coset: &Coset,
        workspace: &mut Workspace,
        numerator: &mut [Fr],
    ) -> Result<(), EngineError> {
        workspace.retain_values(&batch.program.slots);
        self.transform(batch, coset, workspace)?;
        let scalars: Vec<Fr> = batch.program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
        let slots: Vec<_> = batch.program.slots.iter().map(|name| &workspace.values[name]).collect();
        let (points, shift) = (&self.points[..], coset.shift());
        self.run_program(
            &Inputs { program: &batch.program, scalars: &scalars, slots: &slots, points, shift },
            numerator,
        );
        Ok(())
    }

    /// The values on a coset that a batch reads and that are not there.
    fn transform(&self, batch: &Batch, coset: &Coset, workspace: &mut Workspace) -> Result<(), EngineError> {
        let missing = |name: &Name| !workspace.values.contains_key(name);
        let missing: Vec<Name> = batch.columns.iter().copied().filter(missing).collect();
        for names in missing.chunks(self.at_once()) {
            let mut columns: Vec<Padded> = names.iter().map(|_| self.room_for_values(workspace)).collect();
            let polynomials = names.iter().map(|name| self.borrow(&workspace.polynomials[name]));
            let polynomials = polynomials.collect::<Result<Vec<_>, _>>()?;
            let mut rows: Vec<&mut [Fr]> = columns.iter_mut().map(Padded::rows_mut).collect();
            self.domain.forward_coset_batch(self.instructions(), coset, &polynomials, &mut rows);
            columns.par_iter_mut().for_each(Padded::wrap);
            workspace.values.extend(names.iter().copied().zip(columns));
        }
        self.counters.transforms(missing.len(), self.domain.k());
        if batch.program.reads(Name::First) && !workspace.values.contains_key(&Name::First) {
            let mut first = self.room_for_values(workspace);
            self.fill_first(coset, &mut first);
            workspace.values.insert(Name::First, first);
        }
        Ok(())
    }

    fn room_for_values(&self, workspace: &mut Workspace) -> Padded {
        let rotations = workspace.rotations;
        workspace.spare_values.pop().unwrap_or_else(|| Padded::new(self.rows(), rotations))
    }

    fn borrow<'a>(&self, kept: &'a Kept) -> Result<Cow<'a, [Fr]>, EngineError> {
        match kept {
            Kept::Memory(column) => Ok(Cow::Borrowed(column)),
            Kept::Disk(stored) => Ok(Cow::Owned(self.fetch(stored)?)),
        }
    }

    /// Makes the columns of a batch by coefficients, but for those that are there.
    fn load(
        &self,
        batch: &Batch,
        environment: &Environment<'_, CpuColumn>,
        workspace: &mut Workspace,
    ) -> Result<(), EngineError> {
        let Workspace { polynomials, spare, .. } = workspace;
        let missing: Vec<Name> = batch.columns.iter().copied().filter(|name| !polynomials.contains_key(name)).collect();
        for names in missing.chunks(self.at_once()) {
            let columns = names.iter().map(|name| {
                let mut column = spare.pop().unwrap_or_else(|| vec![Fr::ZERO; self.rows()]);
                self.fill_named(*name, environment, &mut column)?;
                Ok::<_, EngineError>(column)
            });
            let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
            self.domain.inverse_batch(self.instructions(), &mut columns);
            for (name, column) in names.iter().zip(columns) {
                polynomials.insert(*name, self.keep(column)?);
            }
        }
        self.counters.transforms(missing.len(), self.domain.k());
        Ok(())
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
    fn divide_numerators(&self, cosets: &[Coset], numerators: Vec<Kept>) -> Result<Vec<Kept>, EngineError> {
        self.counters.transforms(numerators.len(), self.domain.k());
        self.counters.products(numerators.len() * numerators.len() * self.rows());
        let remainders = numerators.into_iter().zip(cosets).map(|(numerator, coset)| {
            let mut values = self.take(numerator)?;
            self.domain.inverse_coset(self.instructions(), coset, &mut values);
            self.keep(values)
        });
        let remainders = remainders.collect::<Result<Vec<_>, _>>()?;
        let shifts: Vec<Fr> = cosets.iter().map(Coset::shift).collect();
        self.multiply_columns(&pieces_matrix(self.domain.k(), &shifts), remainders)
    }

    /// The product of a matrix and as many columns, block by block: in their place, or in others of the disk, since no rows are
    /// written there twice.
    fn multiply_columns(&self, matrix: &[Vec<Fr>], columns: Vec<Kept>) -> Result<Vec<Kept>, EngineError> {
        let Some(disk) = self.quotient_disk() else {
            let mut columns = columns.into_iter().map(|kept| self.take(kept)).collect::<Result<Vec<_>, _>>()?;
            blocks_of(&mut columns).into_par_iter().for_each(|mut blocks| {
                let operands: Vec<Vec<Fr>> = blocks.iter().map(|block| block.to_vec()).collect();
                let products = blocks.iter_mut().zip(matrix);
                products.for_each(|(block, row)| self.sum_scaled(row, &operands, block));
            });
            return Ok(columns.into_iter().map(Kept::Memory).collect());
        };
        let products: Vec<Stored> = columns.iter().map(|_| disk.column(self.rows(), self.rows())).collect();
        let blocks = (0..self.rows()).into_par_iter().step_by(BLOCK).map(|first| {
            let rows = first..(first + BLOCK).min(self.rows());
            let operands = columns.iter().map(|kept| kept.cells(&rows)).collect::<Result<Vec<_>, _>>()?;
            let mut block = vec![Fr::ZERO; rows.len()];
            for (product, row) in products.iter().zip(matrix) {
                self.sum_scaled(row, &operands, &mut block);
                product.write(first, &block)?;
            }
            Ok::<_, EngineError>(())
        });
        blocks.collect::<Result<(), _>>()?;
        Ok(products.into_iter().map(Kept::Disk).collect())
    }

    /// `sum = Σ factor·operand`
    fn sum_scaled(&self, factors: &[Fr], operands: &[Vec<Fr>], sum: &mut [Fr]) {
        sum.fill(Fr::ZERO);
        for (operand, factor) in operands.iter().zip(factors) {
            field::add_scaled(self.instructions(), sum, operand, *factor);
        }
    }

    /// The pieces of two levels; the first has as many, or none.
    fn sum_of_pieces(&self, pieces: Vec<Kept>, more: Vec<Kept>) -> Result<Vec<Kept>, EngineError> {
        if pieces.is_empty() {
            return Ok(more);
        }
        let mut more = more.into_iter();
        let sums = pieces.into_iter().map(|piece| {
            let Some(more) = more.next() else { return Ok(piece) };
            let (mut piece, more) = (self.take(piece)?, self.take(more)?);
            piece.par_chunks_mut(BLOCK).zip(more.par_chunks(BLOCK)).for_each(|(piece, more)| {
                field::add_scaled(self.instructions(), piece, more, Fr::ONE);
            });
            self.keep(piece)
        });
        sums.collect()
    }
}

impl Kept {
    /// Some rows.
    fn cells(&self, rows: &Range<usize>) -> Result<Vec<Fr>, DiskError> {
        match self {
            Self::Memory(column) => Ok(column[rows.clone()].to_vec()),
            Self::Disk(stored) => stored.cells(rows),
        }
    }
}

impl Workspace {
    fn new(rotations: (i32, i32)) -> Self {
        let (polynomials, values) = (BTreeMap::new(), BTreeMap::new());
        Self { polynomials, spare: Vec::new(), values, spare_values: Vec::new(), rotations }
    }

    /// Gives back what the batches of a level do not need, but for the coefficients of these columns.
    fn shrink(&mut self, level: &[Batch], names: &[Name]) {
        let most = |of: fn(&Batch) -> usize| level.iter().map(of).max().unwrap_or(0);
        self.retain_polynomials(names);
        self.spare.truncate(most(|batch| batch.columns.len()).saturating_sub(self.polynomials.len()));
        self.retain_values(&[]);
        self.spare_values.truncate(most(|batch| batch.program.slots.len()));
    }

    /// Keeps the coefficients of these columns; the memory of others is used again.
    fn retain_polynomials(&mut self, names: &[Name]) {
        let free = retain(&mut self.polynomials, names).filter_map(|kept| match kept {
            Kept::Memory(column) => Some(column),
            Kept::Disk(_) => None,
        });
        self.spare.extend(free);
    }

    /// Keeps the values of these columns; the memory of others is used again.
    fn retain_values(&mut self, names: &[Name]) {
        self.spare_values.extend(retain(&mut self.values, names));
    }
}

/// Keeps what has these names, and gives the rest.
fn retain<T>(all: &mut BTreeMap<Name, T>, names: &[Name]) -> impl Iterator<Item = T> {
    let (kept, dropped): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(all).into_iter().partition(|(name, _)| names.contains(name));
    *all = kept;
    dropped.into_values()
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
