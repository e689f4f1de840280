//! Sums, products and quotients of columns, and evaluations: what is done row by row, and sums over rows.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use prover::engine::{combination_terms, divisors, Dividend, Environment, Factor, GrandProduct};
use prover::plonk::constraints::{self, NodeId};
use prover::plonk::program::Program;
use prover::plonk::scalar::Scalars;

use super::residents::in_parts;
use super::{GpuColumn, GpuEngine};
use crate::column::Form;
use crate::program::DeviceProgram;
use crate::{ColumnSum, DeviceBuffer, DeviceColumn, DeviceError, Mode, ProgramInputs};

/// A column in full: one that is so already, or a copy.
enum Full {
    Held(Arc<DeviceColumn>),
    Made(DeviceBuffer<Fr>),
}

impl Full {
    fn buffer(&self) -> &DeviceBuffer<Fr> {
        match self {
            Self::Held(column) => column.full_elements().expect("a column in full"),
            Self::Made(buffer) => buffer,
        }
    }
}

impl DeviceColumn {
    /// The elements of a column of nothing else.
    pub(super) fn full_elements(&self) -> Option<&DeviceBuffer<Fr>> {
        match &self.form {
            Form::Elements(elements) if self.tail.is_none() => Some(elements),
            _ => None,
        }
    }
}

/// A sum that what is there is multiplied with.
fn factor<'a>(terms: Vec<(&'a DeviceColumn, Fr)>, identity: Fr, constant: Fr) -> ColumnSum<'a> {
    ColumnSum { terms, identity, constant, mode: Mode::Multiply }
}

/// Columns that are on the device, each with something.
fn borrowed<T: Copy>(held: &[(Arc<DeviceColumn>, T)]) -> Vec<(&DeviceColumn, T)> {
    held.iter().map(|(column, with)| (column.as_ref(), *with)).collect()
}

impl GpuEngine {
    /// Commitments, all at once if there is room for the columns, but for those that were begun before.
    pub(super) fn commitments(&self, columns: &[&GpuColumn]) -> Result<Vec<G1Affine>, DeviceError> {
        self.end_ahead()?;
        let mut missing: Vec<&GpuColumn> = columns.to_vec();
        missing.retain(|column| column.commitment().get().is_none());
        let sums = in_parts(&mut missing, &mut |columns| {
            let held = self.bring_all(columns)?;
            // Sums make do with what is left; they had better not do so with next to nothing.
            match self.with_room_of_columns(|| self.device.buffer::<Fr>(2 * self.rows())) {
                Ok(_) | Err(DeviceError::OutOfMemory(_)) => {}
                Err(error) => return Err(error),
            }
            let held: Vec<&DeviceColumn> = held.iter().map(Arc::as_ref).collect();
            self.sums(&held)
        })?;
        let mut sums = sums.into_iter();
        let mut commitment = |column: &GpuColumn| match column.commitment().get() {
            Some(known) => *known,
            None => sums.next().expect("a sum for each column that has none"),
        };
        Ok(columns.iter().map(|column| commitment(column)).collect())
    }

    /// `Σ factor·column + constant`, set or added.
    fn sum_up(
        &self,
        terms: &[(&GpuColumn, Fr)],
        constant: Fr,
        mode: Mode,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        let mut at_once = || {
            let held = terms.iter().map(|(column, factor)| Ok((self.bring(column)?, *factor)));
            let held = held.collect::<Result<Vec<_>, DeviceError>>()?;
            let sum = [ColumnSum { mode, ..ColumnSum::of(borrowed(&held), constant) }];
            self.with_room(|| self.domain.combine(&sum, to))
        };
        match at_once() {
            Err(DeviceError::OutOfMemory(_)) if terms.len() > 1 => {
                let (first, second) = terms.split_at(terms.len() / 2);
                self.sum_up(first, constant, mode, to)?;
                self.sum_up(second, Fr::ZERO, Mode::Add, to)
            }
            result => result,
        }
    }

    /// Multiplies by sums, or sets their product.
    fn multiply_up(
        &self,
        factors: &[Factor<'_, GpuColumn>],
        set: bool,
        to: &mut DeviceBuffer<Fr>,
    ) -> Result<(), DeviceError> {
        let mut at_once = || {
            let columns = factors.iter().flat_map(|factor| factor.terms.iter().map(|(column, _)| *column));
            let held = self.bring_all(&columns.collect::<Vec<_>>())?;
            let mut held = held.iter();
            let one = set.then(|| ColumnSum::of(Vec::new(), Fr::ONE));
            let sums = factors.iter().map(|of| {
                let terms = of.terms.iter().zip(&mut held).map(|((_, scale), column)| (column.as_ref(), *scale));
                factor(terms.collect(), of.identity, of.constant)
            });
            let sums: Vec<_> = one.into_iter().chain(sums).collect();
            self.with_room(|| self.domain.combine(&sums, to))
        };
        match at_once() {
            Err(DeviceError::OutOfMemory(_)) if factors.len() > 1 => {
                let (first, second) = factors.split_at(factors.len() / 2);
                self.multiply_up(first, set, to)?;
                self.multiply_up(second, false, to)
            }
            result => result,
        }
    }

    /// `constant + Σ factor·column`
    pub(super) fn combination(&self, terms: &[(&GpuColumn, Fr)], constant: Fr) -> Result<GpuColumn, DeviceError> {
        let mut column = self.new_column()?;
        self.sum_up(terms, constant, Mode::Set, &mut column)?;
        self.hold_elements(column)
    }

    /// A column's values in memory of their own.
    pub(super) fn full_values(&self, column: &GpuColumn) -> Result<DeviceBuffer<Fr>, DeviceError> {
        let held = self.bring(column)?;
        self.with_room(|| self.domain.expand(&held))
    }

    /// The values of columns of the constraints, combinations among them, in memory of their own.
    pub(super) fn named(
        &self,
        names: &[constraints::Column],
        environment: &Environment<'_, GpuColumn>,
    ) -> Result<Vec<DeviceBuffer<Fr>>, DeviceError> {
        if let [constraints::Column::Combination(index)] = names {
            let mut column = self.new_column()?;
            let terms = combination_terms(environment, &environment.graph.combinations()[*index]);
            self.sum_up(&terms, Fr::ZERO, Mode::Set, &mut column)?;
            return Ok(vec![column]);
        }
        let mut columns = names.iter().map(|_| self.new_column()).collect::<Result<Vec<_>, _>>()?;
        let (mut sums, mut sum_places) = (Vec::new(), Vec::new());
        let (mut held, mut held_places) = (Vec::new(), Vec::new());
        for (name, column) in names.iter().zip(&mut columns) {
            if let constraints::Column::Combination(index) = *name {
                let terms = combination_terms(environment, &environment.graph.combinations()[index]);
                let terms = terms.into_iter().map(|(column, factor)| Ok((self.bring(column)?, factor)));
                sums.push(terms.collect::<Result<Vec<_>, DeviceError>>()?);
                sum_places.push(column);
            } else {
                held.push(self.bring((environment.columns)(*name))?);
                held_places.push(column);
            }
        }
        let sums: Vec<_> = sums.iter().map(|terms| [ColumnSum::of(borrowed(terms), Fr::ZERO)]).collect();
        let mut sums: Vec<_> = sums.iter().map(|sum| &sum[..]).zip(sum_places).collect();
        self.with_room(|| self.domain.combine_each(&mut sums))?;
        let held: Vec<&DeviceColumn> = held.iter().map(Arc::as_ref).collect();
        self.with_room(|| self.domain.expand_each(&held, &mut held_places))?;
        Ok(columns)
    }

    /// The values of a column of the constraints.
    fn full(&self, name: constraints::Column, environment: &Environment<'_, GpuColumn>) -> Result<Full, DeviceError> {
        if !matches!(name, constraints::Column::Combination(_)) {
            let held = self.bring((environment.columns)(name))?;
            if held.full_elements().is_some_and(|elements| elements.len() == self.rows()) {
                return Ok(Full::Held(held));
            }
        }
        let mut made = self.named(&[name], environment)?;
        Ok(Full::Made(made.pop().expect("one name, one column")))
    }

    pub(super) fn node_values(
        &self,
        node: NodeId,
        environment: &Environment<'_, GpuColumn>,
    ) -> Result<GpuColumn, DeviceError> {
        let program = DeviceProgram::new(&Program::new(environment.graph, &[(node, Scalars::ONE)]));
        let mut values = self.zeros()?;
        let columns = program.slots.iter().map(|name| self.full(*name, environment));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let slots: Vec<_> = columns.iter().map(Full::buffer).collect();
        let scalars: Vec<Fr> = program.scalars.iter().map(|scalar| environment.scalars.get(*scalar)).collect();
        let inputs = ProgramInputs { slots: &slots, scalars: &scalars, shift: Fr::ONE };
        self.with_room(|| self.domain.run_program(&program.steps, &inputs, false, &mut values))?;
        self.hold_elements(values)
    }

    pub(super) fn running_product(&self, product: GrandProduct<'_, GpuColumn>) -> Result<(GpuColumn, Fr), DeviceError> {
        let usable = self.rows() - product.tail.len();
        let mut values = self.new_column()?;
        self.multiply_up(&product.denominators, true, &mut values)?;
        self.device.invert(&mut values)?;
        self.multiply_up(&product.numerators, false, &mut values)?;
        let last = self.with_room(|| self.device.running_products(&mut values, usable, product.start))?;
        values.upload(usable, &product.tail)?;
        Ok((self.hold_elements(values)?, last))
    }

    /// `ℓ_i(x) = ω^i·(x^n − 1)/(n·(x − ω^i))`
    fn lagrange_at(&self, x: Fr) -> Result<DeviceBuffer<Fr>, DeviceError> {
        let mut weights = self.new_column()?;
        self.domain.fractions([self.vanishing_by_rows(x), Fr::ZERO], [-Fr::ONE, x], &mut weights)?;
        Ok(weights)
    }

    /// `(x^n − 1)/n`
    pub(super) fn vanishing_by_rows(&self, x: Fr) -> Fr {
        (x.pow_vartime([self.rows() as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(self.domain.k())])
    }

    pub(super) fn evaluations(&self, x: Fr, queries: &[(&GpuColumn, i32)]) -> Result<Vec<Fr>, DeviceError> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let weights = self.lagrange_at(x)?;
        in_parts(&mut queries.to_vec(), &mut |queries| {
            let held = queries.iter().map(|(column, rotation)| Ok((self.bring(column)?, *rotation)));
            let held = held.collect::<Result<Vec<_>, DeviceError>>()?;
            let queries = borrowed(&held);
            self.with_room(|| self.domain.evaluate(&weights, x, &queries))
        })
    }

    /// `Σ scale·(column − remainder)/Z`
    pub(super) fn divided(&self, dividends: &[Dividend<'_, GpuColumn>]) -> Result<GpuColumn, DeviceError> {
        let mut sum = self.zeros()?;
        let (mut numerator, mut inverse) = (self.new_column()?, self.new_column()?);
        for divisor in divisors(dividends) {
            let one = ColumnSum::of(Vec::new(), Fr::ONE);
            let roots = divisor.points.iter().map(|&root| factor(Vec::new(), Fr::ONE, -root));
            let product: Vec<_> = std::iter::once(one).chain(roots).collect();
            self.with_room(|| self.domain.combine(&product, &mut inverse))?;
            self.device.invert(&mut inverse)?;
            self.sum_up(&divisor.terms, Fr::ZERO, Mode::Set, &mut numerator)?;
            self.with_room(|| {
                self.domain.add_quotients(&numerator, &inverse, &divisor.remainder, Mode::Add, &mut sum)
            })?;
        }
        self.hold_elements(sum)
    }
}
