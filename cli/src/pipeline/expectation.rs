//! What the work is expected to take, before it is done.

use circuits::layout::{cost, Layout, Objective};
use prover::memory::{MemoryError, MemoryPlan};
use prover::{Engine, EngineOptions};
use serde_json::{json, Value};

use crate::artifacts::ProgramArtifact;
use crate::exit::{Failure, Outcome};
use crate::pipeline::model;
use crate::printer::{bytes, Printer};

/// CPU seconds of a proof by the stock engine for one of the native engine, about which the cost model speaks: measured on machines
/// of 2^12 to 2^18 rows.
const STOCK_PROOF_TIMES: f64 = 10.0;

/// What setup and proof are expected to take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expectation {
    /// What makes the proof.
    pub(crate) engine: Engine,
    /// CPU seconds of the setup.
    pub(crate) setup_cpu_seconds: f64,
    /// CPU seconds of a proof.
    pub(crate) prove_cpu_seconds: f64,
    /// Peak memory of a proof, in bytes.
    pub(crate) memory_bytes: u64,
    /// What the native engine plans with.
    pub(crate) plan: Option<MemoryPlan>,
    /// Bytes of the proof.
    pub(crate) proof_bytes: u64,
}

impl Expectation {
    /// What is expected of a layout.
    ///
    /// # Errors
    /// The memory that is allowed does not suffice.
    pub(crate) fn new(layout: &Layout, options: &EngineOptions) -> Result<Self, MemoryError> {
        let estimate = cost::estimate(&layout.params());
        let plan = match options.engine {
            Engine::Native => Some(MemoryPlan::new(layout, options.max_memory)?),
            Engine::Stock => None,
        };
        let times = if plan.is_some() { 1.0 } else { STOCK_PROOF_TIMES };
        Ok(Self {
            engine: options.engine,
            setup_cpu_seconds: estimate.setup_cpu_seconds,
            prove_cpu_seconds: times * estimate.prove_cpu_seconds,
            memory_bytes: plan.map_or(estimate.prove_bytes, |plan| plan.total()),
            plan,
            proof_bytes: estimate.proof_bytes,
        })
    }

    /// What is expected of a layout of this program; a limit that is too small is refused with the ways out.
    ///
    /// # Errors
    /// The memory that is allowed does not suffice.
    pub(crate) fn of(
        artifact: &ProgramArtifact,
        layout: &Layout,
        options: &EngineOptions,
        printer: Printer,
    ) -> Outcome<Self> {
        Self::new(layout, options).map_err(|error| too_little(error, artifact, printer))
    }

    /// The plan for programs, by part; null for an engine that plans nothing.
    pub(crate) fn memory_plan(&self) -> Value {
        self.plan.map_or(Value::Null, |plan| {
            json!({
                "process": plan.process,
                "threads": plan.threads,
                "srs": plan.srs,
                "integers": plan.integers,
                "elements": plan.elements,
                "quotient": plan.quotient,
                "total": plan.total(),
                "spill": plan.spill,
                "disk": plan.disk,
            })
        })
    }
}

/// The refusal of a limit, with what would do.
fn too_little(error: MemoryError, artifact: &ProgramArtifact, printer: Printer) -> Failure {
    let raise = format!("raise --max-memory to {} at least", least(error.needed));
    let smaller = match artifact.recipe.layout.objective {
        Objective::Memory => None,
        _ => model::layout_for(artifact, Objective::Memory, printer).ok().map(|layout| MemoryPlan::least(&layout)),
    };
    let remedy = match smaller.filter(|smaller| *smaller < error.needed) {
        Some(smaller) => {
            format!("{raise}, or compile the model with --optimize memory, which takes {} at least", least(smaller))
        }
        None => format!("{raise}, or compile a smaller model or one with fewer --bits"),
    };
    let fault = anyhow::anyhow!(
        "a proof takes {} of memory at least, and --max-memory allows {}",
        bytes(error.needed),
        bytes(error.budget)
    );
    Failure::refused(fault).context("too little memory is allowed").remedy(remedy)
}

/// A limit that suffices, as it can be given.
fn least(needed: u64) -> String {
    format!("{}MB", needed.div_ceil(1_000_000))
}
