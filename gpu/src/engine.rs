//! The device as an engine of the prover.
//!
//! Columns lie on the device, or on the host where memory is short ([`residents`]), and commitments, evaluations and the last value of a
//! running product are all that comes back. The library's own lookups, which tensor machines do not have, are sorted on the host
//! ([`host`]).

mod derive;
mod host;
mod quotient;
mod residents;
mod rows;

use circuits::recipe::Recipe;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::{
    Column, CpuOptions, Dividend, Engine, EngineError, Environment, GrandProduct, Ingredients, TakeColumn,
};
use prover::plonk::constraints::NodeId;
use prover::plonk::quotient::{QuotientPlan, Room};

use crate::{Device, DeviceBases, DeviceDomain, DeviceError};

pub use derive::DeviceRecipe;
pub use residents::GpuColumn;

/// The engine of a device.
pub struct GpuEngine {
    device: Device,
    domain: DeviceDomain,
    bases: DeviceBases,
    residents: residents::Residents,
    /// Bytes that the quotient may take beyond the columns themselves, if there is a limit.
    quotient_bytes: Option<u64>,
    /// Whether columns are expected to leave the device.
    sparing: bool,
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
        let residents = residents::Residents::default();
        Ok(Self { device, domain, bases, residents, quotient_bytes: options.quotient_bytes, sparing: false })
    }

    /// The same with a quotient of the narrowest batches, for memory that is too small for the columns of a proof: all but what is worked
    /// on is on the host then.
    pub fn sparing(self) -> Self {
        Self { sparing: true, ..self }
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
    type Column = GpuColumn;
    type Recipe = DeviceRecipe;

    fn k(&self) -> u32 {
        self.domain.k()
    }

    fn quotient_room(&self) -> Room {
        if self.sparing {
            return Room { columns: 0, elsewhere: true };
        }
        let columns = |bytes: u64| (bytes / (32 * self.rows() as u64)) as usize;
        Room { columns: self.quotient_bytes.map_or(usize::MAX, columns), elsewhere: false }
    }

    fn column(&self, column: Column) -> Result<GpuColumn, EngineError> {
        match column.rows() {
            found if found > self.rows() => Err(EngineError::ColumnLength { rows: self.rows(), found }),
            _ => Ok(self.upload(&column)?),
        }
    }

    fn recipe(&self, recipe: Recipe) -> Result<DeviceRecipe, EngineError> {
        self.device_recipe(recipe)
    }

    fn derive(
        &self,
        recipe: &DeviceRecipe,
        ingredients: Ingredients<'_, GpuColumn>,
        take: &mut TakeColumn<'_, GpuColumn>,
    ) -> Result<(), EngineError> {
        self.derived_columns(recipe, &ingredients, take)
    }

    fn commit(&self, columns: &[&GpuColumn]) -> Result<Vec<G1Affine>, EngineError> {
        Ok(self.commitments(columns)?)
    }

    fn pointwise(&self, node: NodeId, environment: &Environment<'_, GpuColumn>) -> Result<GpuColumn, EngineError> {
        Ok(self.node_values(node, environment)?)
    }

    fn permute_pair(
        &self,
        input: &GpuColumn,
        table: &GpuColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[GpuColumn; 2], EngineError> {
        self.host_permute_pair(input, table, tails)
    }

    fn grand_product(&self, product: GrandProduct<'_, GpuColumn>) -> Result<(GpuColumn, Fr), EngineError> {
        Ok(self.running_product(product)?)
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, GpuColumn>,
    ) -> Result<Vec<GpuColumn>, EngineError> {
        Ok(self.quotient_pieces(plan, environment)?)
    }

    fn evaluate(&self, x: Fr, queries: &[(&GpuColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        Ok(self.evaluations(x, queries)?)
    }

    fn combine(&self, terms: &[(&GpuColumn, Fr)], constant: Fr) -> Result<GpuColumn, EngineError> {
        Ok(self.combination(terms, constant)?)
    }

    fn divide(&self, dividends: &[Dividend<'_, GpuColumn>]) -> Result<GpuColumn, EngineError> {
        Ok(self.divided(dividends)?)
    }

    fn values(&self, column: &GpuColumn) -> Result<Vec<Fr>, EngineError> {
        Ok(self.full_values(column)?.download()?)
    }
}
