//! `zkinfer compile`: an ONNX model to an integer program.

use prover::program;
use prover::report::peak_rss_bytes;
use prover::EngineOptions;
use serde_json::json;

use crate::args::{CompileArgs, VisibilityOptions, WeightsRule};
use crate::artifacts;
use crate::exit::Outcome;
use crate::pipeline::expectation::Expectation;
use crate::pipeline::{inference, model};
use crate::printer::Printer;

/// How many of the nodes that are farthest off are told.
const WORST_NODES: usize = 3;

/// Compiles, prints what the quantization cost, and writes the program.
///
/// # Errors
/// The model is refused or fits no machine.
pub(crate) fn run(args: &CompileArgs, printer: Printer) -> Outcome {
    WeightsRule::refuse_registered(args.weights.as_ref())?;
    let visibility = VisibilityOptions {
        input_visibility: args.input_visibility.clone(),
        output_visibility: args.output_visibility.clone(),
        weights: args.weights.clone(),
    };
    let compiled = model::compile(&args.model, &args.options, &visibility, WORST_NODES, printer)?;
    model::print_differences(printer, &compiled)?;
    let plan = model::plan(&compiled.artifact, printer)?;
    let expected = Expectation::of(&compiled.artifact, plan.layout(), &EngineOptions::default(), printer)?;
    inference::print_plan(printer, &compiled.artifact, plan.layout(), &expected)?;
    compiled.artifact.write(&args.out)?;
    printer.field("written", format_args!("{} ({})", args.out.display(), compiled.artifact.digest))?;
    let program = &compiled.artifact.program;
    let family = program::key_digest(program, compiled.artifact.digest).map_err(artifacts::write_failure)?;
    if program.has_private_weights() {
        printer.field("family", format_args!("{family}, which its keys name, whatever the weights"))?;
    }
    artifacts::print_secrets(printer, program, &[&args.out])?;

    let mut report = inference::report("compile", plan.layout());
    report.peak_rss_bytes = peak_rss_bytes();
    let report = report.with("program_bytes", compiled.artifact.bytes);
    let report = report.with("program_digest", compiled.artifact.digest.to_string());
    let report = report.with("family_digest", program.has_private_weights().then(|| family.to_string()));
    let report = report.with("dimensions", json!(compiled.artifact.recipe.dims));
    printer.report(&report.with("quantization", model::accuracy(&compiled.report)))
}
