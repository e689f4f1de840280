//! Sums, products and quotients of columns, and evaluations: what is done row by row, and sums over rows.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use prover::engine::{combination_terms, divisors, Dividend, EngineError, Environment, Factor, GrandProduct};
use prover::plonk::constraints::{self, NodeId};
use prover::plonk::program::Program;
use prover::plonk::scalar::Scalars;

use super::GpuEngine;
use crate::column::Form;
use crate::program::DeviceProgram;
use crate::{DeviceBuffer, DeviceColumn, Mode, ProgramInputs};

/// A column in full: one that is so already, or a copy.
pub(super) enum Full<'a> {
    Held(&'a DeviceBuffer<Fr>),
    Made(DeviceBuffer<Fr>),
}

impl Full<'_> {
    pub(super) fn buffer(&self) -> &DeviceBuffer<Fr> {
        match self {
            Self::Held(buffer) => buffer,
            Self::Made(buffer) => buffer,
        }
    }
}

impl GpuEngine {
    /// A new column, of anything.
    pub(super) fn new_column(&self) -> Result<DeviceBuffer<Fr>, EngineError> {
        Ok(self.device.buffer(self.rows())?)
    }

    /// A new column of zeros.
    pub(super) fn zeros(&self) -> Result<DeviceBuffer<Fr>, EngineError> {
        let mut column = self.new_column()?;
        column.clear()?;
        Ok(column)
    }

    /// `identity·X + constant` in every row.
    pub(super) fn linear(
        &self,
        identity: Fr,
        constant: Fr,
        mode: Mode,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), EngineError> {
        Ok(self.domain.combine(&[], identity, constant, mode, to)?)
    }

    /// `constant + Σ factor·column`
    pub(super) fn combination(&self, terms: &[(&DeviceColumn, Fr)], constant: Fr) -> Result<DeviceColumn, EngineError> {
        let mut column = self.new_column()?;
        self.domain.combine(terms, Fr::ZERO, constant, Mode::Set, &mut column)?;
        Ok(DeviceColumn::elements(column))
    }

    /// The values of a column of the constraints, combinations among them, in memory of their own.
    pub(super) fn named(
        &self,
        name: constraints::Column,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<DeviceBuffer<Fr>, EngineError> {
        let constraints::Column::Combination(index) = name else {
            return Ok(self.domain.expand((environment.columns)(name))?);
        };
        let mut column = self.new_column()?;
        let terms = combination_terms(environment, &environment.graph.combinations()[index]);
        self.domain.combine(&terms, Fr::ZERO, Fr::ZERO, Mode::Set, &mut column)?;
        Ok(column)
    }

    /// The values of a column of the constraints.
    fn full<'a>(
        &self,
        name: constraints::Column,
        environment: &Environment<'a, DeviceColumn>,
    ) -> Result<Full<'a>, EngineError> {
        if !matches!(name, constraints::Column::Combination(_)) {
            if let DeviceColumn { form: Form::Elements(elements), tail: None, .. } = (environment.columns)(name) {
                if elements.len() == self.rows() {
                    return Ok(Full::Held(elements));
                }
            }
        }
        Ok(Full::Made(self.named(name, environment)?))
    }

    pub(super) fn node_values(
        &self,
        node: NodeId,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<DeviceColumn, EngineError> {
        let program = DeviceProgram::new(&Program::new(environment.graph, &[(node, Scalars::ONE)]));
        let columns = program.slots.iter().map(|name| self.full(*name, environment));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let slots: Vec<_> = columns.iter().map(Full::buffer).collect();
        let scalars: Vec<Fr> = program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
        let mut values = self.zeros()?;
        let inputs = ProgramInputs { slots: &slots, scalars: &scalars, shift: Fr::ONE };
        self.domain.run_program(&program.steps, &inputs, false, &mut values)?;
        Ok(DeviceColumn::elements(values))
    }

    pub(super) fn running_product(
        &self,
        product: GrandProduct<'_, DeviceColumn>,
    ) -> Result<(DeviceColumn, Fr), EngineError> {
        let usable = self.rows() - product.tail.len();
        let mut values = self.new_column()?;
        self.linear(Fr::ZERO, Fr::ONE, Mode::Set, &mut values)?;
        let multiply = |values: &mut DeviceBuffer<Fr>, factors: &[Factor<'_, DeviceColumn>]| {
            factors.iter().try_for_each(|factor| {
                self.domain.combine(&factor.terms, factor.identity, factor.constant, Mode::Multiply, values)
            })
        };
        multiply(&mut values, &product.denominators)?;
        self.device.invert(&mut values)?;
        multiply(&mut values, &product.numerators)?;
        let last = self.device.running_products(&mut values, usable, product.start)?;
        values.upload(usable, &product.tail)?;
        Ok((DeviceColumn::elements(values), last))
    }

    /// `ℓ_i(x) = ω^i·(x^n − 1)/(n·(x − ω^i))`
    fn lagrange_at(&self, x: Fr) -> Result<DeviceBuffer<Fr>, EngineError> {
        let scale = self.vanishing_by_rows(x);
        let mut weights = self.new_column()?;
        self.linear(-Fr::ONE, x, Mode::Set, &mut weights)?;
        self.device.invert(&mut weights)?;
        self.linear(scale, Fr::ZERO, Mode::Multiply, &mut weights)?;
        Ok(weights)
    }

    /// `(x^n − 1)/n`
    pub(super) fn vanishing_by_rows(&self, x: Fr) -> Fr {
        (x.pow_vartime([self.rows() as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(self.domain.k())])
    }

    pub(super) fn evaluations(&self, x: Fr, queries: &[(&DeviceColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.domain.evaluate(&self.lagrange_at(x)?, x, queries)?)
    }

    /// `Σ scale·(column − remainder)/Z`
    pub(super) fn divided(&self, dividends: &[Dividend<'_, DeviceColumn>]) -> Result<DeviceColumn, EngineError> {
        let mut sum = self.zeros()?;
        let (mut numerator, mut inverse) = (self.new_column()?, self.new_column()?);
        for divisor in divisors(dividends) {
            self.linear(Fr::ZERO, Fr::ONE, Mode::Set, &mut inverse)?;
            for root in divisor.points {
                self.linear(Fr::ONE, -root, Mode::Multiply, &mut inverse)?;
            }
            self.device.invert(&mut inverse)?;
            self.domain.combine(&divisor.terms, Fr::ZERO, Fr::ZERO, Mode::Set, &mut numerator)?;
            self.domain.add_quotients(&numerator, &inverse, &divisor.remainder, Mode::Add, &mut sum)?;
        }
        Ok(DeviceColumn::elements(sum))
    }
}
