//! The device as an engine of the prover.
//!
//! Columns lie on the device, or on the host where memory is short ([`residents`]), and commitments, evaluations and the last value of a
//! running product are all that comes back. The library's own lookups, which tensor machines do not have, are sorted on the host
//! ([`host`]).

mod ahead;
mod derive;
mod host;
mod points;
mod quotient;
mod residents;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

use circuits::recipe::Recipe;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::{
    Column, CpuOptions, Dividend, Engine, EngineError, Environment, GrandProduct, Ingredients, TakeColumn,
};
use prover::plonk::constraints::NodeId;
use prover::plonk::quotient::{QuotientPlan, Room};

use crate::{Device, DeviceDomain, DeviceError};
use ahead::Ahead;
use points::Points;
use residents::Residents;

pub use derive::DeviceRecipe;
pub use residents::GpuColumn;

/// The engine of a device.
///
/// Each proof in flight has an engine of its own on what is there already ([`Engine::for_proof`]): streams of its own, and memory that
/// others leave it. What lies on the device for the life of a key is shared.
pub struct GpuEngine {
    device: Device,
    domain: DeviceDomain,
    points: Arc<Points>,
    residents: Arc<Residents>,
    /// The columns of the key, where this is the engine of a proof.
    key_residents: Option<Arc<Residents>>,
    ahead: Ahead,
    /// Contexts that no proof works on.
    idle: Arc<Mutex<Vec<Device>>>,
    /// Bytes that the quotient may take beyond the columns themselves, if there is a limit.
    quotient_bytes: Option<u64>,
    /// Bytes that a proof takes beside what is shared, if that is known.
    proof_bytes: Option<u64>,
    /// Whether columns are expected to leave the device.
    sparing: bool,
    /// Ends with the proof.
    _turn: Option<Turn>,
}

/// A proof's turn on a device; its context is the next one's when it ends.
struct Turn {
    device: Device,
    idle: Arc<Mutex<Vec<Device>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.device.leave();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.device.clone());
    }
}

impl From<DeviceError> for EngineError {
    fn from(error: DeviceError) -> Self {
        Self::Device(Box::new(error))
    }
}

impl GpuEngine {
    /// An engine for the domain of `lagrange.len()` points, a power of two and 8 at least, with the Lagrange basis
    /// `[ℓ_i(τ)]₁` and `[τ]₁`. A basis that the device has no room for stays on the host, and comes there in parts.
    ///
    /// # Errors
    /// There is no memory on the device, or it fails.
    pub fn new(device: Device, lagrange: &[G1Affine], tau: G1Affine, options: CpuOptions) -> Result<Self, EngineError> {
        let domain = device.domain(lagrange.len().ilog2())?;
        let points = Arc::new(Points::new(&device, lagrange, tau)?);
        Ok(Self {
            device,
            domain,
            points,
            residents: Arc::default(),
            key_residents: None,
            ahead: Ahead::new(None),
            idle: Arc::default(),
            quotient_bytes: options.quotient_bytes,
            proof_bytes: None,
            sparing: false,
            _turn: None,
        })
    }

    /// The same for proofs that take so many bytes of the device beside what they share, so that as many are in flight as there is memory for.
    /// Where that is not known they take turns.
    #[must_use]
    pub fn of_proof_bytes(self, bytes: u64) -> Self {
        Self { proof_bytes: Some(bytes), ..self }
    }

    /// The same where commitments are begun as soon as columns with so many cells are on their way to the device.
    #[must_use]
    pub fn committing_ahead(self, cells: usize) -> Self {
        Self { ahead: Ahead::new(Some(cells)), ..self }
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

    /// An engine for one proof, once there is memory for it.
    fn of_proof(&self) -> Result<Self, DeviceError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let device = idle.map_or_else(|| self.device.join(), Ok)?;
        if let Err(error) = device.enter(self.proof_bytes.unwrap_or(u64::MAX)) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(device);
            return Err(error);
        }
        let turn = Turn { device: device.clone(), idle: self.idle.clone() };
        Ok(Self {
            domain: self.domain.on(&device),
            device,
            points: self.points.clone(),
            residents: Arc::new(self.residents.beside()),
            key_residents: Some(self.residents.clone()),
            ahead: self.ahead.again(),
            idle: self.idle.clone(),
            _turn: Some(turn),
            ..*self
        })
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

    fn for_proof(&self) -> Result<Option<Self>, EngineError> {
        Ok(Some(self.of_proof()?))
    }

    fn begin_commit(&self, column: &GpuColumn) -> Result<(), EngineError> {
        Ok(self.commit_ahead(column)?)
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
