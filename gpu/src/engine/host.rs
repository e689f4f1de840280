//! Operations on the host: columns come from the device, and results go back.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use prover::engine::{Column, CpuColumn, Dividend, Engine, EngineError, Environment, Factor, GrandProduct, Values};
use prover::plonk::constraints::{self, NodeId};
use prover::plonk::program::columns_of;
use prover::plonk::quotient::QuotientPlan;

use super::GpuEngine;
use crate::DeviceColumn;

/// Columns of the constraints on the host.
type HostColumns = BTreeMap<constraints::Column, CpuColumn>;

impl GpuEngine {
    /// A column on the host.
    fn to_host(&self, column: &DeviceColumn) -> Result<CpuColumn, EngineError> {
        self.host.column(column.download()?)
    }

    fn all_to_host<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a DeviceColumn>,
    ) -> Result<Vec<CpuColumn>, EngineError> {
        columns.into_iter().map(|column| self.to_host(column)).collect()
    }

    /// A column of elements on the device.
    fn to_device(&self, column: &CpuColumn) -> Result<DeviceColumn, EngineError> {
        self.column(Column::new(Values::Field(self.host.values(column)?)))
    }

    /// The columns that some nodes are made of.
    fn columns_to_host(
        &self,
        names: &[constraints::Column],
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<HostColumns, EngineError> {
        let mut held = HostColumns::new();
        for name in names {
            let combined = match name {
                constraints::Column::Combination(index) => &environment.graph.combinations()[*index][..],
                _ => &[],
            };
            let parts = combined.iter().map(|(part, _)| *part);
            let plain = (!matches!(name, constraints::Column::Combination(_))).then_some(*name);
            for name in parts.chain(plain) {
                if let std::collections::btree_map::Entry::Vacant(place) = held.entry(name) {
                    place.insert(self.to_host((environment.columns)(name))?);
                }
            }
        }
        Ok(held)
    }

    pub(super) fn host_pointwise(
        &self,
        node: NodeId,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<DeviceColumn, EngineError> {
        let held = self.columns_to_host(&columns_of(environment.graph, [node]), environment)?;
        let find = |name| &held[&name];
        let here = Environment { graph: environment.graph, scalars: environment.scalars, columns: &find };
        self.to_device(&self.host.pointwise(node, &here)?)
    }

    pub(super) fn host_permute_pair(
        &self,
        input: &DeviceColumn,
        table: &DeviceColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[DeviceColumn; 2], EngineError> {
        let [input, table] = [self.to_host(input)?, self.to_host(table)?];
        let [input, table] = self.host.permute_pair(&input, &table, tails)?;
        Ok([self.to_device(&input)?, self.to_device(&table)?])
    }

    pub(super) fn host_grand_product(
        &self,
        product: GrandProduct<'_, DeviceColumn>,
    ) -> Result<(DeviceColumn, Fr), EngineError> {
        let factors = || product.numerators.iter().chain(&product.denominators);
        let held = self.all_to_host(factors().flat_map(|factor| factor.terms.iter().map(|(column, _)| *column)))?;
        let mut held = held.iter();
        let mut here = |factors: &[Factor<'_, DeviceColumn>]| -> Vec<Factor<'_, CpuColumn>> {
            let mut factor = |factor: &Factor<'_, DeviceColumn>| Factor {
                terms: held.by_ref().zip(&factor.terms).map(|(column, (_, scalar))| (column, *scalar)).collect(),
                identity: factor.identity,
                constant: factor.constant,
            };
            factors.iter().map(&mut factor).collect()
        };
        let (numerators, denominators) = (here(&product.numerators), here(&product.denominators));
        let (start, tail) = (product.start, product.tail);
        let product = GrandProduct { numerators, denominators, start, tail };
        let (column, last) = self.host.grand_product(product)?;
        Ok((self.to_device(&column)?, last))
    }

    pub(super) fn host_quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<Vec<DeviceColumn>, EngineError> {
        let mut names: Vec<_> = plan.batches.iter().flat_map(|batch| batch.program.slots.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        let held = self.columns_to_host(&names, environment)?;
        let find = |name| &held[&name];
        let here = Environment { graph: environment.graph, scalars: environment.scalars, columns: &find };
        self.host.quotient(plan, &here)?.iter().map(|piece| self.to_device(piece)).collect()
    }

    pub(super) fn host_evaluate(&self, x: Fr, queries: &[(&DeviceColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        let held = self.all_to_host(queries.iter().map(|(column, _)| *column))?;
        let queries: Vec<_> = held.iter().zip(queries).map(|(column, (_, rotation))| (column, *rotation)).collect();
        self.host.evaluate(x, &queries)
    }

    pub(super) fn host_combine(
        &self,
        terms: &[(&DeviceColumn, Fr)],
        constant: Fr,
    ) -> Result<DeviceColumn, EngineError> {
        let held = self.all_to_host(terms.iter().map(|(column, _)| *column))?;
        let terms: Vec<_> = held.iter().zip(terms).map(|(column, (_, factor))| (column, *factor)).collect();
        self.to_device(&self.host.combine(&terms, constant)?)
    }

    pub(super) fn host_divide(&self, dividends: &[Dividend<'_, DeviceColumn>]) -> Result<DeviceColumn, EngineError> {
        let held = self.all_to_host(dividends.iter().map(|dividend| dividend.column))?;
        let here = |(column, dividend): (_, &Dividend<'_, DeviceColumn>)| Dividend {
            column,
            remainder: dividend.remainder.clone(),
            points: dividend.points.clone(),
            scale: dividend.scale,
        };
        let dividends: Vec<_> = held.iter().zip(dividends).map(here).collect();
        self.to_device(&self.host.divide(&dividends)?)
    }
}
