//! `zkinfer run`: the integer program on an input, without a proof.

use prover::report::peak_rss_bytes;

use crate::args::{RunArgs, VisibilityOptions};
use crate::exit::Outcome;
use crate::pipeline::{inference, model};
use crate::printer::Printer;
use crate::report::Report;

/// Runs and prints the outputs.
///
/// # Errors
/// The program or the input can't be used.
pub(crate) fn run(args: &RunArgs, printer: Printer) -> Outcome {
    let visibility = VisibilityOptions::default();
    let options = model::made_for(&args.input.input, &args.program, &args.options, &visibility)?;
    let artifact = model::load(&args.program, &options, &visibility, printer)?;
    let program = &artifact.program;
    let inputs = inference::read_inputs(program, &args.input.input, args.input.sample, printer)?;
    inference::draw(printer, program, &inputs)?;
    let run = inference::run(program, &inputs)?;
    let outputs = inference::outputs(program, run.trace());
    inference::show(printer, program, &outputs)?;
    let mut report = Report::new("run");
    report.peak_rss_bytes = peak_rss_bytes();
    report.outputs = Some(outputs);
    printer.report(&report)
}
