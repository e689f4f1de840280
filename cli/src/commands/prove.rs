//! `zkinfer prove`: everything from a model and an input to a verified proof.

use std::fs;
use std::time::Instant;

use prover::link::Openings;
use prover::registration::RegisteredWeights;
use prover::report::{peak_rss_bytes, restart_peak};
use verifier::{verify, Digest, Proof, Statement, VerifyingKey};

use crate::args::{ProveArgs, WeightsRule};
use crate::artifacts::Folder;
use crate::commands::verify::refused;
use crate::device::Hardware;
use crate::exit::{OrFail, Outcome};
use crate::pipeline::expectation::{left_behind, within, Expectation};
use crate::pipeline::keys::Candidate;
use crate::pipeline::{inference, keys, model};
use crate::printer::{bytes, seconds, Printer};
use crate::profile::Profile;
use crate::report::Report;
use crate::{artifacts, salts};

/// Proves one inference and verifies the proof before it is handed out.
///
/// # Errors
/// A file can't be used, or a stage fails.
pub(crate) fn run(args: &ProveArgs, printer: Printer) -> Outcome {
    let options = args.engine.options()?;
    let hardware = Hardware::choose(&args.engine, printer)?;
    let registered = match &args.visibility.weights {
        Some(WeightsRule::Registered(path)) => {
            Some(RegisteredWeights::read(path).or_misuse(path.display().to_string())?)
        }
        _ => None,
    };
    let folder = Folder::create(&args.out)?;
    let model_options = model::calibrated_on(&args.input.input, &args.model, &args.options, &args.visibility)?;
    let (mut artifact, program_reused) =
        model::load_into(&folder, &args.model, &model_options, &args.visibility, printer)?;
    // Before the heavy stages, so that an input that does not fit costs nothing.
    let inputs = inference::read_inputs(&artifact.program, &args.input, printer)?;
    let run = inference::run(&artifact.program, &inputs)?;
    let candidate = Candidate::find(&folder, &artifact, printer)?;
    if !artifact.program.has_private_weights() {
        // The same program: its weights are held once.
        artifact.program = candidate.plan().program().clone();
    }
    let program = &artifact.program;
    let interface = candidate.plan().layout().interface().clone();
    let salts = match &args.salt {
        Some(source) => salts::read(source, &interface)?,
        None => salts::draw(&interface)?,
    };
    inference::draw(printer, program, &inputs)?;
    printer.line("")?;
    let layout = candidate.plan().layout();
    // What compiling and laying out took is not all given back.
    let beside = match (&candidate, program_reused) {
        (Candidate::Key(_), true) => 0,
        _ => left_behind(layout),
    };
    let expected = Expectation::beside(beside, &artifact, layout, &options, printer)?;
    let options = within(&options, beside);
    inference::print_plan(printer, &artifact, candidate.plan().layout(), &expected)?;
    let srs = keys::srs(args.srs.as_deref(), candidate.plan().k(), printer)?;
    let keys = candidate.keys(&folder, &srs, printer)?;

    restart_peak();
    let hardware = hardware.fitted(keys.key.plan().layout(), printer)?;
    let insecure_srs = srs.mark().is_insecure();
    let (mut prover, derive_cpu_seconds) = keys::prover(&keys.key, srs, &options, &hardware, printer)?;
    if let Some(weights) = registered {
        prover = prover.with_weights(weights).or_misuse("the registered weights")?;
    }
    let proved = keys::prove(&prover, &expected, run, &salts, printer)?;
    let spent = proved.cpu_seconds.zip(derive_cpu_seconds);
    let prove_cpu_seconds = spent.map(|(prove, derive)| keys::to_milliseconds(prove + derive));
    let profile = args.profile.then(|| Profile::new(options.engine, &[prover.derived(), &proved.report]));
    let proof = proved.proof;
    let peak_rss_bytes = peak_rss_bytes();
    let (statement, verify_seconds) = check(keys.key.verifying_key(), &proof)?;
    let registration = prover.weights().map(|weights| weights.registration().clone());
    if !salts.is_empty() {
        // Before the proof, which nobody could open without them.
        salts::write(&folder.salt, &interface, &salts)?;
    }
    if let Some(link) = &proved.link {
        link.write(&folder.link).map_err(artifacts::write_failure)?;
    }
    let committed = !proved.openings.is_empty();
    if committed {
        let artifact = Digest::of(&proof.to_file().map_err(artifacts::write_failure)?);
        let openings = Openings { artifact, ports: proved.openings };
        openings.write(&folder.opening).map_err(artifacts::write_failure)?;
    }
    proof.write(&folder.proof).map_err(artifacts::write_failure)?;

    let outputs = inference::outputs(program, &proved.trace);
    let layout = inference::report("prove", keys.key.plan().layout());
    let mut report = keys::report(layout, &folder, &keys);
    report.prove_cpu_seconds = prove_cpu_seconds;
    report.setup_cpu_seconds = keys.setup_cpu_seconds.or_else(|| earlier_setup(&folder));
    report.verify_ms = Some(verify_seconds * 1e3);
    report.peak_rss_bytes = peak_rss_bytes;
    report.outputs = Some(outputs.clone());
    let report = report.with("program_reused", program_reused).with("keys_reused", keys.reused);
    let report = report.with("derive_cpu_seconds", derive_cpu_seconds).with("insecure_srs", insecure_srs);
    let report = report.with("device", hardware.name());
    let report = report.with("engine", expected.engine.to_string()).with("memory_plan", expected.memory_plan());
    let digests: Vec<String> = proof.public.digests.iter().map(ToString::to_string).collect();
    let report = report.with("digests", digests);
    let report =
        report.with("registration", registration.as_ref().map(|registration| registration.digest().to_string()));
    let report = match &profile {
        Some(profile) => report.with("profile", profile.to_json()),
        None => report,
    };
    let secret_outputs = inference::has_secret_outputs(program);
    artifacts::write_result(&folder.result, &report, secret_outputs)?;

    let spent = prove_cpu_seconds.map_or_else(String::new, |spent| format!("{} CPU, ", seconds(spent)));
    let planned = bytes(expected.memory_bytes);
    let memory =
        peak_rss_bytes.map_or_else(String::new, |peak| format!("{} of memory of {planned} planned, ", bytes(peak)));
    let size = bytes(proof.words.0.len() as u64);
    printer.field("proved", format_args!("{spent}{memory}proof of {size}"))?;
    printer.field("verified", seconds(verify_seconds))?;
    if let Some(registration) = &registration {
        let name = &registration.terms().name;
        printer
            .field("linked", format_args!("{}: the weights are those registered as {name:?}", folder.link.display()))?;
    }
    printer.field("written", format_args!("{}", args.out.display()))?;
    artifacts::print_secrets(printer, program, &[&folder.program, &folder.proving_key])?;
    let kept = [
        (secret_outputs, "secret", &folder.result, ", it holds outputs that the proof does not tell"),
        (!salts.is_empty(), "salt", &folder.salt, ", and show it with the values to have a digest checked"),
        (committed, "opening", &folder.opening, ", it holds the committed values; `zkinfer link` takes it"),
    ];
    for (_, what, path, why) in kept.into_iter().filter(|&(is_there, ..)| is_there) {
        printer.field(what, format_args!("{}: keep it to yourself{why}", path.display()))?;
    }
    printer.line("")?;
    if let Some(profile) = &profile {
        profile.print(printer)?;
        printer.line("")?;
    }
    inference::show(printer, program, &outputs)?;
    printer.line("")?;
    printer.line(&statement.summary)?;
    statement.insecurities.iter().for_each(|mark| printer.warn(mark));
    printer.report(&report)
}

/// Verifies a proof as its reader will, and tells the seconds that it took.
///
/// # Errors
/// The proof is refused.
pub(crate) fn check(key: &VerifyingKey, proof: &Proof) -> Outcome<(Statement, f64)> {
    let start = Instant::now();
    let statement = verify(key, &proof.public, proof).map_err(refused)?;
    Ok((statement, start.elapsed().as_secs_f64()))
}

/// What the setup took when the keys in this folder were made, as far as an earlier result tells.
fn earlier_setup(folder: &Folder) -> Option<f64> {
    let text = fs::read_to_string(&folder.result).ok()?;
    serde_json::from_str::<Report>(&text).ok()?.setup_cpu_seconds
}
