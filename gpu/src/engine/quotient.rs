//! The quotient, coset by coset, on the device; see [`prover::plonk::quotient`] for what is computed.
//!
//! A batch's columns are combined, or expanded, and transformed to coefficients, which the next batch may read, too. On each coset
//! they are transformed to values, and the batch's program adds to the coset's numerator. Numerators become pieces by an
//! inverse transform each and a small matrix. Coefficients, numerators and pieces are columns that may leave the device; a batch's
//! values on a coset, and the numerators of a level at its end, can't.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use prover::engine::Environment;
use prover::plonk::constraints::Column as Name;
use prover::plonk::quotient::{coset_shifts, pieces_matrix, Batch, QuotientPlan};

use super::residents::in_parts;
use super::{GpuColumn, GpuEngine};
use crate::program::DeviceProgram;
use crate::{DeviceBuffer, DeviceCoset, DeviceError, ElementOperation, ProgramInputs, Transformed};

/// Columns by coefficients.
type Polynomials = BTreeMap<Name, GpuColumn>;

/// A coset with its shift.
struct Shifted {
    shift: Fr,
    coset: DeviceCoset,
}

impl GpuEngine {
    pub(super) fn quotient_pieces(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, GpuColumn>,
    ) -> Result<Vec<GpuColumn>, DeviceError> {
        let most = plan.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        let shifts = coset_shifts(self.domain.k(), most);
        let cosets = shifts.iter().map(|&shift| {
            let coset = self.with_room(|| self.domain.coset(shift))?;
            Ok(Shifted { shift, coset })
        });
        let cosets = cosets.collect::<Result<Vec<_>, DeviceError>>()?;
        let mut polynomials = Polynomials::new();
        let mut pieces: Vec<GpuColumn> = Vec::new();
        for level in plan.batches.chunk_by(|a, b| a.cosets == b.cosets) {
            let cosets = &cosets[..level[0].cosets];
            let numerators = self.numerators(level, environment, cosets, &mut polynomials)?;
            pieces = self.sum_of_pieces(pieces, self.divided_numerators(cosets, numerators)?)?;
        }
        drop(polynomials);
        let mut columns = in_parts(&mut pieces, &mut |pieces| {
            let held = pieces.iter().map(|piece| self.bring(piece)).collect::<Result<Vec<_>, _>>()?;
            let mut values = pieces.iter().map(|_| self.new_column()).collect::<Result<Vec<_>, _>>()?;
            self.with_room(|| {
                let places = values.iter_mut().zip(&held);
                let places = places.map(|(to, from)| Transformed { coset: None, from: from.full_elements(), to });
                self.domain.forward_each(places.collect())
            })?;
            values.into_iter().map(|values| self.hold_elements(values)).collect()
        })?;
        while columns.len() < plan.pieces {
            columns.push(self.hold_constant(Fr::ZERO));
        }
        Ok(columns)
    }

    /// The numerators of a level, one for each coset.
    fn numerators(
        &self,
        level: &[Batch],
        environment: &Environment<'_, GpuColumn>,
        cosets: &[Shifted],
        polynomials: &mut Polynomials,
    ) -> Result<Vec<GpuColumn>, DeviceError> {
        let mut numerators: Vec<GpuColumn> = Vec::with_capacity(cosets.len());
        for batch in level {
            polynomials.retain(|name, _| batch.columns.contains(name));
            if numerators.is_empty() {
                let zeros = cosets.iter().map(|_| self.hold_elements(self.zeros()?));
                numerators = zeros.collect::<Result<_, DeviceError>>()?;
            }
            self.load(batch, environment, polynomials)?;
            let program = DeviceProgram::new(&batch.program);
            let scalars: Vec<Fr> = program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
            for (coset, numerator) in cosets.iter().zip(&mut numerators) {
                self.add_batch(&program, &scalars, coset, polynomials, numerator)?;
            }
        }
        Ok(numerators)
    }

    /// Makes the columns of a batch by coefficients, but for those that are there.
    fn load(
        &self,
        batch: &Batch,
        environment: &Environment<'_, GpuColumn>,
        polynomials: &mut Polynomials,
    ) -> Result<(), DeviceError> {
        let missing = batch.columns.iter().copied().filter(|name| !polynomials.contains_key(name));
        let mut missing: Vec<Name> = missing.collect();
        let made = in_parts(&mut missing, &mut |names| {
            let mut columns = self.named(names, environment)?;
            self.with_room(|| {
                let places = columns.iter_mut().map(|to| Transformed { coset: None, from: None, to });
                self.domain.inverse_each(places.collect())
            })?;
            columns.into_iter().map(|column| self.hold_elements(column)).collect()
        })?;
        polynomials.extend(missing.into_iter().zip(made));
        Ok(())
    }

    /// Adds the products of a batch on a coset to the numerator there.
    fn add_batch(
        &self,
        program: &DeviceProgram,
        scalars: &[Fr],
        coset: &Shifted,
        polynomials: &Polynomials,
        numerator: &mut GpuColumn,
    ) -> Result<(), DeviceError> {
        let mut values = program.slots.iter().map(|_| self.new_column()).collect::<Result<Vec<_>, _>>()?;
        let mut transformed = Vec::with_capacity(values.len());
        for (name, to) in program.slots.iter().zip(&mut values) {
            match name {
                Name::First => self.first_on(coset.shift, to)?,
                name => transformed.push((&polynomials[name], to)),
            }
        }
        in_parts(&mut transformed, &mut |columns| {
            let held = columns.iter().map(|(polynomial, _)| self.bring(polynomial)).collect::<Result<Vec<_>, _>>()?;
            self.with_room(|| {
                let places = columns.iter_mut().zip(&held).map(|((_, to), from)| Transformed {
                    coset: Some(&coset.coset),
                    from: from.full_elements(),
                    to,
                });
                self.domain.forward_each(places.collect())
            })?;
            Ok(Vec::<()>::new())
        })?;
        let slots: Vec<_> = values.iter().collect();
        let inputs = ProgramInputs { slots: &slots, scalars, shift: coset.shift };
        self.with_elements(numerator, |numerator| {
            self.with_room(|| self.domain.run_program(&program.steps, &inputs, false, numerator)).map(drop)
        })
    }

    /// `ℓ_0(x) = (x^n − 1)/(n·(x − 1))` on a coset.
    fn first_on(&self, shift: Fr, values: &mut DeviceBuffer<Fr>) -> Result<(), DeviceError> {
        self.domain.fractions([Fr::ZERO, self.vanishing_by_rows(shift)], [shift, -Fr::ONE], values)
    }

    /// The numerators of a level divided by `X^n − 1`: their pieces by coefficients.
    fn divided_numerators(
        &self,
        cosets: &[Shifted],
        numerators: Vec<GpuColumn>,
    ) -> Result<Vec<GpuColumn>, DeviceError> {
        let taken = numerators.into_iter().map(|numerator| self.take_elements(numerator));
        let mut numerators = taken.collect::<Result<Vec<_>, _>>()?;
        self.with_room(|| {
            let places = cosets.iter().zip(&mut numerators);
            let places = places.map(|(coset, to)| Transformed { coset: Some(&coset.coset), from: None, to });
            self.domain.inverse_each(places.collect())
        })?;
        let shifts: Vec<Fr> = cosets.iter().map(|coset| coset.shift).collect();
        let matrix = pieces_matrix(self.domain.k(), &shifts);
        self.with_room(|| self.device.multiply_columns(&matrix, &mut numerators))?;
        numerators.into_iter().map(|numerator| self.hold_elements(numerator)).collect()
    }

    /// The sums of the pieces of two levels; the first ones are as many, or there are none.
    fn sum_of_pieces(&self, mut pieces: Vec<GpuColumn>, more: Vec<GpuColumn>) -> Result<Vec<GpuColumn>, DeviceError> {
        if pieces.is_empty() {
            return Ok(more);
        }
        // Levels come by decreasing number of cosets.
        for (piece, more) in pieces.iter_mut().zip(more) {
            let more = self.take_elements(more)?;
            self.with_elements(piece, |piece| self.device.elementwise(ElementOperation::Add, piece, &more))?;
        }
        Ok(pieces)
    }

    /// Works on the elements of a column that nobody else reads.
    fn with_elements(
        &self,
        column: &mut GpuColumn,
        work: impl FnOnce(&mut DeviceBuffer<Fr>) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let taken = std::mem::replace(column, self.hold_constant(Fr::ZERO));
        let mut elements = self.take_elements(taken)?;
        work(&mut elements)?;
        *column = self.hold_elements(elements)?;
        Ok(())
    }
}
