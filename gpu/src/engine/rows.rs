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
use crate::{ColumnSum, DeviceBuffer, DeviceColumn, Mode, ProgramInputs};

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

/// `identity·X + constant`
fn linear<'a>(identity: Fr, constant: Fr) -> Factor<'a, DeviceColumn> {
    Factor { terms: Vec::new(), identity, constant }
}

/// What is there is multiplied.
fn factor(factor: Factor<'_, DeviceColumn>) -> ColumnSum<'_> {
    let Factor { terms, identity, constant } = factor;
    ColumnSum { terms, identity, constant, mode: Mode::Multiply }
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

    /// `constant + Σ factor·column`
    pub(super) fn combination(&self, terms: &[(&DeviceColumn, Fr)], constant: Fr) -> Result<DeviceColumn, EngineError> {
        let mut column = self.new_column()?;
        self.domain.combine(&[ColumnSum::of(terms.to_vec(), constant)], &mut column)?;
        Ok(DeviceColumn::elements(column))
    }

    /// The values of columns of the constraints, combinations among them, in memory of their own.
    pub(super) fn named(
        &self,
        names: &[constraints::Column],
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<Vec<DeviceBuffer<Fr>>, EngineError> {
        let mut columns = names.iter().map(|_| self.new_column()).collect::<Result<Vec<_>, _>>()?;
        let (mut sums, mut sum_places) = (Vec::new(), Vec::new());
        let (mut held, mut held_places) = (Vec::new(), Vec::new());
        for (name, column) in names.iter().zip(&mut columns) {
            if let constraints::Column::Combination(index) = *name {
                let terms = combination_terms(environment, &environment.graph.combinations()[index]);
                sums.push([ColumnSum::of(terms, Fr::ZERO)]);
                sum_places.push(column);
            } else {
                held.push((environment.columns)(*name));
                held_places.push(column);
            }
        }
        let mut sums: Vec<_> = sums.iter().map(|sum| &sum[..]).zip(sum_places).collect();
        self.domain.combine_each(&mut sums)?;
        self.domain.expand_each(&held, &mut held_places)?;
        Ok(columns)
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
        let mut made = self.named(&[name], environment)?;
        Ok(Full::Made(made.pop().expect("one name, one column")))
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
        let one = ColumnSum::of(Vec::new(), Fr::ONE);
        let denominators: Vec<_> = std::iter::once(one).chain(product.denominators.into_iter().map(factor)).collect();
        self.domain.combine(&denominators, &mut values)?;
        self.device.invert(&mut values)?;
        let numerators: Vec<_> = product.numerators.into_iter().map(factor).collect();
        self.domain.combine(&numerators, &mut values)?;
        let last = self.device.running_products(&mut values, usable, product.start)?;
        values.upload(usable, &product.tail)?;
        Ok((DeviceColumn::elements(values), last))
    }

    /// `ℓ_i(x) = ω^i·(x^n − 1)/(n·(x − ω^i))`
    fn lagrange_at(&self, x: Fr) -> Result<DeviceBuffer<Fr>, EngineError> {
        let mut weights = self.new_column()?;
        self.domain.fractions([self.vanishing_by_rows(x), Fr::ZERO], [-Fr::ONE, x], &mut weights)?;
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
            let one = ColumnSum::of(Vec::new(), Fr::ONE);
            let roots = divisor.points.iter().map(|&root| factor(linear(Fr::ONE, -root)));
            self.domain.combine(&std::iter::once(one).chain(roots).collect::<Vec<_>>(), &mut inverse)?;
            self.device.invert(&mut inverse)?;
            self.domain.combine(&[ColumnSum::of(divisor.terms, Fr::ZERO)], &mut numerator)?;
            self.domain.add_quotients(&numerator, &inverse, &divisor.remainder, Mode::Add, &mut sum)?;
        }
        Ok(DeviceColumn::elements(sum))
    }
}
