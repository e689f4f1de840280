//! The device as an engine of the prover.
//!
//! Columns lie on the device, and commitments, evaluations and the last value of a running product are all that comes back. The
//! library's own lookups, which tensor machines do not have, are sorted on the host ([`host`]).

mod host;
mod quotient;
mod rows;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::{Column, CpuOptions, Dividend, Engine, EngineError, Environment, GrandProduct};
use prover::plonk::constraints::NodeId;
use prover::plonk::quotient::{QuotientPlan, Room};

use crate::{Device, DeviceBases, DeviceColumn, DeviceDomain, DeviceError};

/// The engine of a device.
pub struct GpuEngine {
    device: Device,
    domain: DeviceDomain,
    bases: DeviceBases,
    /// Bytes that the quotient may take beyond the columns themselves, if there is a limit.
    quotient_bytes: Option<u64>,
}

impl From<DeviceError> for EngineError {
    fn from(error: DeviceError) -> Self {
        Self::Device(Box::new(error))
    }
}

impl GpuEngine {
    /// An engine for the domain of `lagrange.len()` points, a power of two and 8 at least, with the Lagrange basis
    /// `[ℓ_i(τ)]₁` and `[τ]₁`.
    ///
    /// # Errors
    /// There is no memory on the device, or it fails.
    pub fn new(device: Device, lagrange: &[G1Affine], tau: G1Affine, options: CpuOptions) -> Result<Self, EngineError> {
        let domain = device.domain(lagrange.len().ilog2())?;
        let bases = DeviceBases::new(&device, lagrange, tau)?;
        Ok(Self { device, domain, bases, quotient_bytes: options.quotient_bytes })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn rows(&self) -> usize {
        self.domain.size()
    }
}

impl Engine for GpuEngine {
    type Column = DeviceColumn;

    fn k(&self) -> u32 {
        self.domain.k()
    }

    fn quotient_room(&self) -> Room {
        let columns = |bytes: u64| (bytes / (32 * self.rows() as u64)) as usize;
        Room { columns: self.quotient_bytes.map_or(usize::MAX, columns), elsewhere: false }
    }

    fn column(&self, column: Column) -> Result<DeviceColumn, EngineError> {
        match column.rows() {
            found if found > self.rows() => Err(EngineError::ColumnLength { rows: self.rows(), found }),
            _ => Ok(DeviceColumn::upload(&self.device, &column)?),
        }
    }

    fn commit(&self, columns: &[&DeviceColumn]) -> Result<Vec<G1Affine>, EngineError> {
        Ok(self.domain.commit(&self.bases, columns)?)
    }

    fn pointwise(
        &self,
        node: NodeId,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<DeviceColumn, EngineError> {
        self.node_values(node, environment)
    }

    fn permute_pair(
        &self,
        input: &DeviceColumn,
        table: &DeviceColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[DeviceColumn; 2], EngineError> {
        self.host_permute_pair(input, table, tails)
    }

    fn grand_product(&self, product: GrandProduct<'_, DeviceColumn>) -> Result<(DeviceColumn, Fr), EngineError> {
        self.running_product(product)
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, DeviceColumn>,
    ) -> Result<Vec<DeviceColumn>, EngineError> {
        self.quotient_pieces(plan, environment)
    }

    fn evaluate(&self, x: Fr, queries: &[(&DeviceColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        self.evaluations(x, queries)
    }

    fn combine(&self, terms: &[(&DeviceColumn, Fr)], constant: Fr) -> Result<DeviceColumn, EngineError> {
        self.combination(terms, constant)
    }

    fn divide(&self, dividends: &[Dividend<'_, DeviceColumn>]) -> Result<DeviceColumn, EngineError> {
        self.divided(dividends)
    }

    fn values(&self, column: &DeviceColumn) -> Result<Vec<Fr>, EngineError> {
        Ok(self.domain.expand(column)?.download()?)
    }
}
