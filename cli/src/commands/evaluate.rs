//! `zkinfer evaluate`: labelled samples through the integer program, beside the float model.

use onnx_import::accuracy::{self, AccuracyOptions, AccuracyReport, FloatReference, Metric};
use onnx_import::samples::{InputSpec, Samples};
use prover::report::peak_rss_bytes;

use crate::args::{EvaluateArgs, VisibilityOptions};
use crate::artifacts::{is_artifact, ProgramArtifact};
use crate::commands::prove::check;
use crate::device::Hardware;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::expectation::Expectation;
use crate::pipeline::{inference, keys, model};
use crate::printer::{seconds, Printer};
use crate::report::Report;
use crate::salts;

/// Scores the program, and proves some of the samples where that is asked for.
///
/// # Errors
/// The program or the data can't be used, or a proof is not accepted.
pub(crate) fn run(args: &EvaluateArgs, printer: Printer) -> Outcome {
    let visibility = VisibilityOptions::default();
    let options = model::made_for(&args.data, &args.program, &args.options, &visibility)?;
    let artifact = model::load(&args.program, &options, &visibility, printer)?;
    let samples = Samples::read(&args.data).map_err(Failure::misuse)?;
    let scored = score(args, &artifact, &samples, printer)?;
    print_scores(printer, &scored)?;

    let report = match args.prove {
        0 => Report::new("evaluate"),
        count => prove(args, &artifact, &samples, count, printer)?,
    };
    let mut report = with_scores(report, &scored);
    report.peak_rss_bytes = peak_rss_bytes();
    printer.report(&report.with("proofs", args.prove))
}

fn score(
    args: &EvaluateArgs,
    artifact: &ProgramArtifact,
    samples: &Samples,
    printer: Printer,
) -> Outcome<AccuracyReport> {
    let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let batch = Some(artifact.recipe.batch);
    let options = AccuracyOptions { limit, metric: args.metric.map(Metric::from), batch };
    // The recorded outputs are those of another runtime, and so the better judge; without them the model is run.
    let graph = match samples.recorded_outputs(0).is_empty() && !is_artifact(&args.program)? {
        true => Some(model::import(&args.program, &artifact.recipe.dims, printer)?),
        false => None,
    };
    let reference = graph.as_ref().map_or(FloatReference::Recorded, FloatReference::Graph);
    let scored =
        printer.stage("evaluate", None, || accuracy::evaluate(reference, &artifact.program, samples, &options));
    scored.or_misuse(args.data.display().to_string())
}

fn print_scores(printer: Printer, scored: &AccuracyReport) -> Outcome {
    let fidelity = &scored.fidelity;
    printer.field("samples", fidelity.samples)?;
    if let Some((metric, float, integer)) = fidelity.scores {
        printer.field("float", format_args!("{float:.4} ({})", metric.description()))?;
        printer.field("integer", format_args!("{integer:.4}"))?;
    }
    if let Some(same) = fidelity.same_decisions() {
        printer.field("agreement", format_args!("{:.1} % of decisions are those of the float model", 100.0 * same))?;
    }
    let reals = fidelity.differences.iter().enumerate().filter(|(output, _)| !fidelity.indices[*output]);
    for (output, difference) in reals {
        printer.field(
            "difference",
            format_args!(
                "output {output}: largest {:.4}, rms {:.4}, of a range of {:.4}",
                difference.largest, difference.rms, difference.width
            ),
        )?;
    }
    if scored.clamped > 0 {
        printer.warn(format_args!("{} input values lay outside the calibrated range", scored.clamped));
    }
    Ok(())
}

fn with_scores(report: Report, scored: &AccuracyReport) -> Report {
    let fidelity = &scored.fidelity;
    let scores = fidelity.scores;
    report
        .with("samples", fidelity.samples)
        .with("metric", scores.map(|(metric, ..)| metric.name()))
        .with("float_score", scores.map(|(_, float, _)| float))
        .with("integer_score", scores.map(|(.., integer)| integer))
        .with("agreement", fidelity.same_decisions())
        .with("largest_difference", fidelity.largest().unwrap_or(0.0))
        .with("clamped", scored.clamped)
}

/// Proves and verifies the first `count` samples, or batches of them, with keys that are not kept. Figures are means.
fn prove(
    args: &EvaluateArgs,
    artifact: &ProgramArtifact,
    samples: &Samples,
    count: usize,
    printer: Printer,
) -> Outcome<Report> {
    let program = &artifact.program;
    let there = samples.count(&InputSpec::of_program(program)).map_err(Failure::misuse)?;
    if count > there {
        return Err(Failure::misuse(anyhow::anyhow!("{count} samples are to be proved, and the data have {there}")));
    }
    let options = args.engine.options()?;
    let hardware = Hardware::choose(&args.engine, printer)?;
    let plan = model::plan(artifact, printer)?;
    let expected = Expectation::of(artifact, plan.layout(), &options, printer)?;
    inference::print_plan(printer, artifact, plan.layout(), &expected)?;
    let mut report = inference::report("evaluate", plan.layout());
    let srs = keys::srs(args.srs.as_deref(), plan.k(), printer)?;
    let (key, setup_cpu_seconds) = keys::in_memory(plan, &srs, printer)?;
    let hardware = hardware.fitted(key.plan().layout(), printer)?;
    let (prover, _) = keys::prover(&key, srs, &options, &hardware, printer)?;
    let bar = printer.steps("proofs", count as u64);
    let (mut cpu, mut verify) = (Some(0.0), 0.0);
    for index in 0..count {
        let inputs = inference::sample(program, samples, index)?;
        let salts = salts::draw(key.verifying_key().interface())?;
        let proved =
            keys::prove(&prover, &expected, inference::run(program, &inputs)?, &salts, printer.without_bars())?;
        let (_, took) =
            check(key.verifying_key(), &proved.proof).map_err(|failure| failure.context(format!("sample {index}")))?;
        cpu = cpu.zip(proved.cpu_seconds).map(|(sum, spent)| sum + spent);
        verify += took;
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.setup_cpu_seconds = setup_cpu_seconds;
    report.prove_cpu_seconds = cpu.map(|sum| keys::to_milliseconds(sum / count as f64));
    report.verify_ms = Some(verify * 1e3 / count as f64);
    report.proof_bytes = Some(key.verifying_key().proof_shape().bytes() as u64);
    report.verifying_key_bytes = Some(key.verifying_key().file().len() as u64);
    let each = report.prove_cpu_seconds.map_or_else(String::new, |each| format!(", {} CPU each", seconds(each)));
    printer.field("proofs", format_args!("{count} made and accepted{each}"))?;
    Ok(report.with("engine", expected.engine.to_string()).with("memory_plan", expected.memory_plan()))
}
