//! `zkinfer estimate`: what a model will take, before anything heavy is done.

use circuits::layout::{cost, Layout, Objective};

use crate::args::EstimateArgs;
use crate::artifacts::objective_name;
use crate::exit::Outcome;
use crate::pipeline::{inference, model};
use crate::printer::{bytes, seconds, Printer};

/// Lays the program out for each objective and prints the figures; the JSON object is that of the program's objective.
///
/// # Errors
/// The model can't be used or fits no machine.
pub(crate) fn run(args: &EstimateArgs, printer: Printer) -> Outcome {
    let artifact = model::load(&args.model, &args.options, &args.visibility, printer)?;
    let recipe = &artifact.recipe;
    let chosen = recipe.layout.objective;
    let plan = model::plan(&artifact, printer)?;
    let layout = plan.layout();
    inference::print_plan(printer, &artifact, layout)?;
    printer.line(format_args!(
        "\n  {:<10} {:>3} {:>6} {:>8} {:>7} {:>7} {:>10} {:>10} {:>10} {:>10}",
        "objective", "k", "units", "weights", "advice", "fixed", "setup CPU", "proof CPU", "memory", "proof"
    ))?;
    for objective in [Objective::Time, Objective::Memory, Objective::Gas] {
        if objective == chosen {
            print_row(printer, objective, layout)?;
        } else {
            print_row(printer, objective, &model::layout_for(&artifact, objective, printer)?)?;
        }
    }
    let estimate = cost::estimate(&layout.params());
    let mut report = inference::report("estimate", layout);
    report.prove_cpu_seconds = Some(estimate.prove_cpu_seconds);
    report.setup_cpu_seconds = Some(estimate.setup_cpu_seconds);
    report.peak_rss_bytes = Some(estimate.prove_bytes);
    report.proof_bytes = Some(estimate.proof_bytes);
    printer.report(&report.with("estimated", true))
}

fn print_row(printer: Printer, objective: Objective, layout: &Layout) -> Outcome {
    let statistics = layout.statistics();
    let params = statistics.params;
    let estimate = cost::estimate(&params);
    printer.line(format_args!(
        "  {:<10} {:>3} {:>6} {:>8} {:>7} {:>7} {:>10} {:>10} {:>10} {:>10}",
        objective_name(objective),
        params.k,
        params.units,
        params.weights,
        statistics.advice_columns,
        statistics.fixed_columns,
        seconds(estimate.setup_cpu_seconds),
        seconds(estimate.prove_cpu_seconds),
        bytes(estimate.prove_bytes),
        bytes(estimate.proof_bytes)
    ))
}
