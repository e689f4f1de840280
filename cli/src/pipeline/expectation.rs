//! What the work is expected to take, before it is done.

use circuits::layout::{cost, Layout, Objective};
use prover::memory::{MemoryError, MemoryPlan};
use prover::report::rss_bytes;
use prover::{Engine, EngineOptions};
use serde_json::{json, Value};

use crate::artifacts::ProgramArtifact;
use crate::exit::{Failure, Outcome};
use crate::pipeline::model;
use crate::printer::{bytes, Printer};

/// CPU seconds of a proof by the stock engine for one of the native engine, about which the cost model speaks: measured on machines
/// of 2^12 to 2^18 rows.
const STOCK_PROOF_TIMES: f64 = 10.0;
/// Bytes that the allocator keeps of a setup: found by measuring, on machines of 2^12 to 2^15 rows.
const SETUP: u64 = 4 << 20;

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

    /// What is expected of a layout of this program in a process that holds so many bytes besides; a limit that is too small is refused
    /// with the ways out.
    ///
    /// # Errors
    /// The memory that is allowed does not suffice.
    pub(crate) fn beside(
        bytes: u64,
        artifact: &ProgramArtifact,
        layout: &Layout,
        options: &EngineOptions,
        printer: Printer,
    ) -> Outcome<Self> {
        let expected = Self::new(layout, &within(options, bytes)).map_err(|MemoryError { needed, budget }| {
            let budget = options.max_memory.unwrap_or(budget);
            too_little(MemoryError { needed: needed + bytes, budget }, artifact, printer)
        })?;
        let plan = expected.plan.map(|plan| plan.beside(bytes));
        Ok(Self { memory_bytes: expected.memory_bytes + bytes, plan, ..expected })
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
        Self::beside(0, artifact, layout, options, printer)
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

/// What this process holds besides what is planned for a program that is laid out: what compiling left behind, as far as the
/// allocator did not give it back, and what a setup will leave.
pub(crate) fn left_behind(layout: &Layout) -> u64 {
    rss_bytes().map_or(0, |held| held.saturating_sub(MemoryPlan::of_layout(layout)) + SETUP)
}

/// The options of an engine in a process that holds so many bytes besides.
pub(crate) fn within(options: &EngineOptions, bytes: u64) -> EngineOptions {
    EngineOptions { max_memory: options.max_memory.map(|budget| budget.saturating_sub(bytes)), ..options.clone() }
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
