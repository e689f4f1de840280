//! The quotient, coset by coset, on the device; see [`prover::plonk::quotient`] for what is computed.
//!
//! A batch's columns are combined, or expanded, and transformed to coefficients, which the next batch may read, too. On each coset
//! they are transformed to values, and the batch's program adds to the coset's numerator. Numerators become pieces by an
//! inverse transform each and a small matrix. In the device's memory are at most as many columns as the plan says, and the one
//! in which transforms work.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use prover::engine::{EngineError, Environment};
use prover::plonk::constraints::Column as Name;
use prover::plonk::quotient::{coset_shifts, pieces_matrix, Batch, QuotientPlan};

use super::GpuEngine;
use crate::program::DeviceProgram;
use crate::{DeviceBuffer, DeviceColumn, DeviceCoset, ElementOperation, ProgramInputs, Transformed};

/// Columns by coefficients.
type Polynomials = BTreeMap<Name, DeviceBuffer<Fr>>;

/// A coset with its shift.
struct Shifted {
    shift: Fr,
    coset: DeviceCoset,
}

impl GpuEngine {
    pub(super) fn quotient_pieces(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<Vec<DeviceColumn>, EngineError> {
        let most = plan.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        let shifts = coset_shifts(self.domain.k(), most);
        let cosets = shifts.iter().map(|&shift| Ok(Shifted { shift, coset: self.domain.coset(shift)? }));
        let cosets = cosets.collect::<Result<Vec<_>, EngineError>>()?;
        let mut polynomials = Polynomials::new();
        let mut pieces: Vec<DeviceBuffer<Fr>> = Vec::new();
        for level in plan.batches.chunk_by(|a, b| a.cosets == b.cosets) {
            let cosets = &cosets[..level[0].cosets];
            let numerators = self.numerators(level, environment, cosets, &mut polynomials)?;
            self.add_pieces(cosets, numerators, &mut pieces)?;
        }
        drop(polynomials);
        let mut columns = Vec::with_capacity(plan.pieces);
        let places = pieces.iter_mut().map(|to| Transformed { coset: None, from: None, to });
        self.domain.forward_each(places.collect())?;
        columns.extend(pieces.into_iter().map(DeviceColumn::elements));
        while columns.len() < plan.pieces {
            columns.push(DeviceColumn::constant(Fr::ZERO));
        }
        Ok(columns)
    }

    /// The numerators of a level, one for each coset.
    fn numerators(
        &self,
        level: &[Batch],
        environment: &Environment<'_, DeviceColumn>,
        cosets: &[Shifted],
        polynomials: &mut Polynomials,
    ) -> Result<Vec<DeviceBuffer<Fr>>, EngineError> {
        let mut numerators: Vec<_> = Vec::with_capacity(cosets.len());
        for batch in level {
            polynomials.retain(|name, _| batch.columns.contains(name));
            if numerators.is_empty() {
                numerators = cosets.iter().map(|_| self.zeros()).collect::<Result<_, _>>()?;
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
        environment: &Environment<'_, DeviceColumn>,
        polynomials: &mut Polynomials,
    ) -> Result<(), EngineError> {
        let missing = batch.columns.iter().copied().filter(|name| !polynomials.contains_key(name));
        let missing: Vec<Name> = missing.collect();
        let mut columns = self.named(&missing, environment)?;
        let places = columns.iter_mut().map(|to| Transformed { coset: None, from: None, to });
        self.domain.inverse_each(places.collect())?;
        polynomials.extend(missing.into_iter().zip(columns));
        Ok(())
    }

    /// Adds the products of a batch on a coset to the numerator there.
    fn add_batch(
        &self,
        program: &DeviceProgram,
        scalars: &[Fr],
        coset: &Shifted,
        polynomials: &Polynomials,
        numerator: &mut DeviceBuffer<Fr>,
    ) -> Result<(), EngineError> {
        let mut values = program.slots.iter().map(|_| self.new_column()).collect::<Result<Vec<_>, _>>()?;
        let mut transformed = Vec::with_capacity(values.len());
        for (name, to) in program.slots.iter().zip(&mut values) {
            match name {
                Name::First => self.first_on(coset.shift, to)?,
                name => {
                    transformed.push(Transformed { coset: Some(&coset.coset), from: Some(&polynomials[name]), to });
                }
            }
        }
        self.domain.forward_each(transformed)?;
        let slots: Vec<_> = values.iter().collect();
        let inputs = ProgramInputs { slots: &slots, scalars, shift: coset.shift };
        self.domain.run_program(&program.steps, &inputs, false, numerator)?;
        Ok(())
    }

    /// `ℓ_0(x) = (x^n − 1)/(n·(x − 1))` on a coset.
    fn first_on(&self, shift: Fr, values: &mut DeviceBuffer<Fr>) -> Result<(), EngineError> {
        Ok(self.domain.fractions([Fr::ZERO, self.vanishing_by_rows(shift)], [shift, -Fr::ONE], values)?)
    }

    /// Divides the numerators of a level by `X^n − 1`, and adds what comes of it to the pieces by coefficients.
    fn add_pieces(
        &self,
        cosets: &[Shifted],
        mut numerators: Vec<DeviceBuffer<Fr>>,
        pieces: &mut Vec<DeviceBuffer<Fr>>,
    ) -> Result<(), EngineError> {
        let places = cosets.iter().zip(&mut numerators);
        let places = places.map(|(coset, to)| Transformed { coset: Some(&coset.coset), from: None, to });
        self.domain.inverse_each(places.collect())?;
        let shifts: Vec<Fr> = cosets.iter().map(|coset| coset.shift).collect();
        self.device.multiply_columns(&pieces_matrix(self.domain.k(), &shifts), &mut numerators)?;
        if pieces.is_empty() {
            *pieces = numerators;
            return Ok(());
        }
        // Levels come by decreasing number of cosets.
        for (piece, more) in pieces.iter_mut().zip(&numerators) {
            self.device.elementwise(ElementOperation::Add, piece, more)?;
        }
        Ok(())
    }
}
