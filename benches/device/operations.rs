//! What each operation of an engine takes within a proof.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use circuits::recipe::Recipe;
use gpu::{Device, DeviceCounts};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::{Column, Dividend, Engine, EngineError, Environment, GrandProduct, Ingredients, TakeColumn, Work};
use prover::plonk::constraints::NodeId;
use prover::plonk::quotient::{QuotientPlan, Room};

/// What the calls of one operation took together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Its name, as the engine's interface has it.
    pub(crate) name: &'static str,
    /// How often it was called.
    pub(crate) calls: u64,
    /// Wall seconds, until the device had done all of it.
    pub(crate) seconds: f64,
    /// What a device did for it; nothing on the processor.
    pub(crate) counts: DeviceCounts,
}

/// What was measured so far, in the order of first calls.
pub(crate) type Operations = Arc<Mutex<Vec<Operation>>>;

/// Takes out what was measured.
pub(crate) fn taken(operations: &Operations) -> Vec<Operation> {
    std::mem::take(&mut operations.lock().unwrap_or_else(PoisonError::into_inner))
}

/// An engine that does what another one does, and measures it. On a device each operation is waited for, so that its time is its own.
pub(crate) struct Measured<E> {
    engine: E,
    device: Option<Device>,
    operations: Operations,
}

impl<E: Engine> Measured<E> {
    /// Measures `engine`, which works on `device` if it works on one.
    pub(crate) fn new(engine: E, device: Option<Device>, operations: &Operations) -> Self {
        Self { engine, device, operations: Arc::clone(operations) }
    }

    fn measure<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&E) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let before = self.counts()?;
        let start = Instant::now();
        let done = work(&self.engine)?;
        let after = self.counts()?;
        let (seconds, counts) = (start.elapsed().as_secs_f64(), after - before);
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        match operations.iter_mut().find(|operation| operation.name == name) {
            Some(operation) => {
                operation.calls += 1;
                operation.seconds += seconds;
                operation.counts = operation.counts + counts;
            }
            None => operations.push(Operation { name, calls: 1, seconds, counts }),
        }
        Ok(done)
    }

    /// What the device has done, once it has done it.
    fn counts(&self) -> Result<DeviceCounts, EngineError> {
        let Some(device) = &self.device else { return Ok(DeviceCounts::default()) };
        let counts = device.synchronize().and_then(|()| device.counts());
        counts.map_err(|error| EngineError::Device(Box::new(error)))
    }
}

impl<E: Engine> Engine for Measured<E> {
    type Column = E::Column;
    type Recipe = E::Recipe;

    fn k(&self) -> u32 {
        self.engine.k()
    }

    fn quotient_room(&self) -> Room {
        self.engine.quotient_room()
    }

    fn column(&self, column: Column) -> Result<Self::Column, EngineError> {
        self.measure("column", |engine| engine.column(column))
    }

    fn recipe(&self, recipe: Recipe) -> Result<Self::Recipe, EngineError> {
        self.measure("recipe", |engine| engine.recipe(recipe))
    }

    fn derive(
        &self,
        recipe: &Self::Recipe,
        ingredients: Ingredients<'_, Self::Column>,
        take: &mut TakeColumn<'_, Self::Column>,
    ) -> Result<(), EngineError> {
        self.measure("derive", |engine| engine.derive(recipe, ingredients, take))
    }

    fn commit(&self, columns: &[&Self::Column]) -> Result<Vec<G1Affine>, EngineError> {
        self.measure("commit", |engine| engine.commit(columns))
    }

    fn pointwise(
        &self,
        node: NodeId,
        environment: &Environment<'_, Self::Column>,
    ) -> Result<Self::Column, EngineError> {
        self.measure("pointwise", |engine| engine.pointwise(node, environment))
    }

    fn permute_pair(
        &self,
        input: &Self::Column,
        table: &Self::Column,
        tails: [Vec<Fr>; 2],
    ) -> Result<[Self::Column; 2], EngineError> {
        self.measure("permute_pair", |engine| engine.permute_pair(input, table, tails))
    }

    fn grand_product(&self, product: GrandProduct<'_, Self::Column>) -> Result<(Self::Column, Fr), EngineError> {
        self.measure("grand_product", |engine| engine.grand_product(product))
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, Self::Column>,
    ) -> Result<Vec<Self::Column>, EngineError> {
        self.measure("quotient", |engine| engine.quotient(plan, environment))
    }

    fn evaluate(&self, x: Fr, queries: &[(&Self::Column, i32)]) -> Result<Vec<Fr>, EngineError> {
        self.measure("evaluate", |engine| engine.evaluate(x, queries))
    }

    fn combine(&self, terms: &[(&Self::Column, Fr)], constant: Fr) -> Result<Self::Column, EngineError> {
        self.measure("combine", |engine| engine.combine(terms, constant))
    }

    fn divide(&self, dividends: &[Dividend<'_, Self::Column>]) -> Result<Self::Column, EngineError> {
        self.measure("divide", |engine| engine.divide(dividends))
    }

    fn values(&self, column: &Self::Column) -> Result<Vec<Fr>, EngineError> {
        self.engine.values(column)
    }

    fn work(&self) -> Work {
        self.engine.work()
    }

    fn spilled_bytes(&self) -> u64 {
        self.engine.spilled_bytes()
    }
}
