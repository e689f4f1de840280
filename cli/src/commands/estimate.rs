//! `zkinfer estimate`: what a model will take, before anything heavy is done.

use circuits::layout::{Layout, Objective};
use prover::memory::{MemoryError, MemoryPlan, Spill};
use prover::EngineOptions;
use serde_json::json;
use verifier::evm::{self, EvmCosts};

use crate::args::{EstimateArgs, WeightsRule};
use crate::artifacts::objective_name;
use crate::exit::Outcome;
use crate::pipeline::expectation::Expectation;
use crate::pipeline::{inference, model};
use crate::printer::{bytes, seconds, Printer};

/// Lays the program out for each objective and prints the figures; the JSON object is that of the program's objective.
///
/// # Errors
/// The model can't be used or fits no machine, or the memory that is allowed does not suffice.
pub(crate) fn run(args: &EstimateArgs, printer: Printer) -> Outcome {
    WeightsRule::refuse_registered(args.visibility.weights.as_ref())?;
    let options = args.engine.options()?;
    let artifact = model::load(&args.model, &args.options, &args.visibility, printer)?;
    let chosen = artifact.recipe.layout.objective;
    let plan = model::plan(&artifact, printer)?;
    let layout = plan.layout();
    let expected = Expectation::of(&artifact, layout, &options, printer)?;
    inference::print_plan(printer, &artifact, layout, &expected)?;
    if let Some(memory) = &expected.plan {
        print_memory(printer, memory, layout)?;
    }
    let on_chain = costs(layout);
    print_costs(printer, on_chain.as_ref())?;
    printer.line("")?;
    printer.line(format_args!(
        "  {:<10} {:>3} {:>6} {:>8} {:>7} {:>7} {:>10} {:>10} {:>12} {:>10} {:>10}",
        "optimize", "k", "units", "weights", "advice", "fixed", "setup CPU", "proof CPU", "memory", "proof", "gas"
    ))?;
    for objective in [Objective::Time, Objective::Memory, Objective::Gas] {
        if objective == chosen {
            print_row(printer, objective, layout, &options)?;
        } else {
            print_row(printer, objective, &model::layout_for(&artifact, objective, printer)?, &options)?;
        }
    }
    let mut report = inference::report("estimate", layout);
    report.prove_cpu_seconds = Some(expected.prove_cpu_seconds);
    report.setup_cpu_seconds = Some(expected.setup_cpu_seconds);
    report.peak_rss_bytes = Some(expected.memory_bytes);
    report.proof_bytes = Some(expected.proof_bytes);
    let report = report.with("engine", expected.engine.to_string()).with("memory_plan", expected.memory_plan());
    let least = expected.plan.map(|_| MemoryPlan::least(layout));
    let report = report.with("least_memory_bytes", least).with("estimated", true);
    let report = report.with("dimensions", json!(artifact.recipe.dims));
    let costs = on_chain.as_ref();
    printer.report(
        &report
            .with("verify_gas", costs.map(|costs| costs.verify_gas))
            .with("deploy_gas", evm::verifier_contract().deploy_gas())
            .with("register_gas", costs.map(|costs| costs.model_gas + costs.entry_gas))
            .with("code_bytes", evm::verifier_contract().runtime_code.len())
            .with("vk_bytes", costs.map(|costs| costs.model_bytes))
            .with("calldata_bytes", costs.map(|costs| costs.calldata_bytes)),
    )
}

/// What proofs of a layout cost on a chain; none where the machine is too large for a contract.
fn costs(layout: &Layout) -> Option<EvmCosts> {
    EvmCosts::of(layout.params(), layout.interface()).ok()
}

fn print_costs(printer: Printer, costs: Option<&EvmCosts>) -> Outcome {
    match costs {
        Some(costs) => printer.field(
            "on chain",
            format_args!(
                "{} gas to verify with {} of calldata, {} gas to deploy {} of code and register the model",
                costs.verify_gas,
                bytes(costs.calldata_bytes as u64),
                costs.model_gas + costs.entry_gas,
                bytes(costs.model_bytes as u64)
            ),
        ),
        None => printer.field("on chain", "too large for a contract; try --optimize gas"),
    }
}

/// The memory of a proof by part.
fn print_memory(printer: Printer, plan: &MemoryPlan, layout: &Layout) -> Outcome {
    let quotient = match plan.spill {
        Spill::Nothing => "the quotient: less under --max-memory, and slower",
        Spill::Columns | Spill::Quotient => "the largest round: filling columns, the quotient or a commitment",
    };
    let parts = [
        (plan.process, "the process, the program and its layout"),
        (plan.threads, "what threads work in"),
        (plan.srs, "the SRS, and what transforms take"),
        (plan.integers, "fixed, permutation and first-phase columns, as integers"),
        (plan.elements, "columns of field elements"),
        (plan.quotient, quotient),
    ];
    printer.field("memory", format_args!("{:>9}  at most", bytes(plan.total())))?;
    for (part, what) in parts {
        printer.field("", format_args!("{:>9}  {what}", bytes(part)))?;
    }
    printer.field("", format_args!("{:>9}  is the least that --max-memory may be", bytes(MemoryPlan::least(layout))))
}

fn print_row(printer: Printer, objective: Objective, layout: &Layout, options: &EngineOptions) -> Outcome {
    let statistics = layout.statistics();
    let params = statistics.params;
    // Another objective may need more than is allowed; its row says so.
    let unlimited = EngineOptions { max_memory: None, ..options.clone() };
    let (expected, memory) = match Expectation::new(layout, options) {
        Ok(expected) => (Ok(expected), bytes(expected.memory_bytes)),
        Err(MemoryError { needed, .. }) => (Expectation::new(layout, &unlimited), format!("> {}", bytes(needed))),
    };
    let Ok(expected) = expected else { return Ok(()) };
    let gas = costs(layout).map_or_else(|| "–".to_owned(), |costs| costs.verify_gas.to_string());
    printer.line(format_args!(
        "  {:<10} {:>3} {:>6} {:>8} {:>7} {:>7} {:>10} {:>10} {:>12} {:>10} {gas:>10}",
        objective_name(objective),
        params.k,
        params.units,
        params.weights,
        statistics.advice_columns,
        statistics.fixed_columns,
        seconds(expected.setup_cpu_seconds),
        seconds(expected.prove_cpu_seconds),
        memory,
        bytes(expected.proof_bytes)
    ))
}
