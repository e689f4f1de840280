//! `zkinfer prove`: everything from a model and an input, or several, to verified proofs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;
use circuits::digest::Salt;
use circuits::graph::Program;
use circuits::interface::Interface;
use prover::link::Openings;
use prover::registration::RegisteredWeights;
use prover::report::{peak_rss_bytes, restart_peak};
use prover::{Engine, Prover, Run};
use serde_json::json;
use verifier::{verify, Digest, Proof, Statement, VerifyingKey};

use crate::args::{ProveArgs, WeightsRule};
use crate::artifacts::Folder;
use crate::commands::verify::refused;
use crate::device::Hardware;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::expectation::{left_behind, within, Expectation};
use crate::pipeline::keys::{Candidate, Keys, Proved};
use crate::pipeline::{inference, keys, model};
use crate::printer::{bytes, seconds, Printer};
use crate::profile::Profile;
use crate::report::{NamedTensor, Report};
use crate::{artifacts, salts};

/// Proves inferences one after the other with the same keys, and verifies each proof before it is handed out.
///
/// # Errors
/// A file can't be used, or a stage fails. What was written of earlier inputs stays.
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
    let places = places(args, &folder)?;
    let model_options = model::made_for(&args.input[0], &args.model, &args.options, &args.visibility)?;
    let (mut artifact, program_reused) =
        model::load_into(&folder, &args.model, &model_options, &args.visibility, printer)?;
    // Before the heavy stages, so that an input that does not fit costs nothing.
    let read = |path: &PathBuf| inference::read_inputs(&artifact.program, path, args.sample, printer);
    let inputs = args.input.iter().map(read).collect::<Outcome<Vec<_>>>()?;
    let mut first_run = Some(inference::run(&artifact.program, &inputs[0])?);
    let candidate = Candidate::find(&folder, &artifact, printer)?;
    if !artifact.program.has_private_weights() {
        // The same program: its weights are held once.
        artifact.program = candidate.plan().program().clone();
    }
    let program = &artifact.program;
    let interface = candidate.plan().layout().interface().clone();
    let given_salts = args.salt.as_ref().map(|source| salts::read(source, &interface)).transpose()?;
    inference::draw(printer, program, &inputs[0])?;
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
    let session = Session {
        args,
        program,
        interface: &interface,
        keys: &keys,
        prover: &prover,
        expected: &expected,
        engine: options.engine,
        device: hardware.name(),
        dimensions: &artifact.recipe.dims,
        program_reused,
        insecure_srs,
        printer,
    };
    let mut reports = Vec::with_capacity(inputs.len());
    for (index, (inputs, place)) in inputs.iter().zip(&places).enumerate() {
        let run = match first_run.take() {
            Some(run) => run,
            None => {
                printer.line("")?;
                inference::draw(printer, program, inputs)?;
                let run = inference::run(program, inputs)?;
                restart_peak();
                run
            }
        };
        let salts = given_salts.clone().map_or_else(|| salts::draw(&interface), Ok)?;
        let derived = if index == 0 { derive_cpu_seconds } else { Some(0.0) };
        reports.push(session.prove(run, &salts, place, derived)?);
    }
    match &reports[..] {
        [report] => printer.report(report),
        reports => printer.report(&report_of_all(&args.input, reports)),
    }
}

/// Where the proof of each input is left: in the folder itself, or of several in a folder for each, by the name of its file.
fn places(args: &ProveArgs, folder: &Folder) -> Outcome<Vec<Folder>> {
    if args.input.len() == 1 {
        return Ok(vec![folder.clone()]);
    }
    if args.salt.is_some() {
        let fault = anyhow!("one salt would show which of several inputs have the same values");
        return Err(Failure::misuse(fault).remedy("prove them one by one, or leave --salt out"));
    }
    let mut known = BTreeSet::new();
    let place = |path: &PathBuf| match path.file_stem() {
        Some(name) if folder.has_file_named(name) => {
            let (path, place) = (path.display(), args.out.join(name));
            let fault = anyhow!("{path}: its proof would be left in {}, where the command has a file", place.display());
            Err(Failure::misuse(fault).remedy("rename the input"))
        }
        Some(name) if name != "." && name != ".." && known.insert(name.to_owned()) => folder.with_proofs_in(name),
        name => {
            let name = name.unwrap_or(path.as_os_str()).display();
            let fault = anyhow!("two inputs would leave their proofs in {}/{name}", args.out.display());
            Err(Failure::misuse(fault).remedy("give the files different names"))
        }
    };
    args.input.iter().map(place).collect()
}

/// What the proofs of a command have in common.
struct Session<'a> {
    args: &'a ProveArgs,
    program: &'a Program,
    interface: &'a Interface,
    keys: &'a Keys,
    prover: &'a Prover<'a>,
    expected: &'a Expectation,
    engine: Engine,
    device: &'static str,
    dimensions: &'a BTreeMap<String, usize>,
    program_reused: bool,
    insecure_srs: bool,
    printer: Printer,
}

impl Session<'_> {
    /// Proves a run, verifies the proof, leaves it with what belongs to it, and tells of it. What the proof took is counted with what
    /// was derived from the keys for it, in CPU seconds.
    ///
    /// # Errors
    /// The proof can't be made, is refused, or a file can't be written.
    fn prove(&self, run: Run, salts: &[Salt], folder: &Folder, derive_cpu_seconds: Option<f64>) -> Outcome<Report> {
        let Self { program, keys, prover, .. } = self;
        let proved = keys::prove(prover, self.expected, run, salts, self.printer)?;
        let peak_rss_bytes = peak_rss_bytes();
        let (statement, verify_seconds) = check(keys.key.verifying_key(), &proved.proof)?;
        let spent = proved.cpu_seconds.zip(derive_cpu_seconds);
        let made = Made {
            prove_cpu_seconds: spent.map(|(prove, derive)| keys::to_milliseconds(prove + derive)),
            derive_cpu_seconds,
            verify_seconds,
            peak_rss_bytes,
            profile: self.args.profile.then(|| Profile::new(self.engine, &[prover.derived(), &proved.report])),
            outputs: inference::outputs(program, &proved.trace),
            statement,
        };
        self.write(&proved, salts, folder)?;
        let report = self.report(&proved.proof, &made, folder);
        artifacts::write_result(&folder.result, &report, inference::has_secret_outputs(program))?;
        self.tell(&proved, &made, salts, folder)?;
        Ok(report)
    }

    /// Leaves the proof and what belongs to it.
    fn write(&self, proved: &Proved, salts: &[Salt], folder: &Folder) -> Outcome {
        if !salts.is_empty() {
            // Before the proof, which nobody could open without them.
            salts::write(&folder.salt, self.interface, salts)?;
        }
        if let Some(link) = &proved.link {
            link.write(&folder.link).map_err(artifacts::write_failure)?;
        }
        if !proved.openings.is_empty() {
            let artifact = Digest::of(&proved.proof.to_file().map_err(artifacts::write_failure)?);
            let openings = Openings { artifact, ports: proved.openings.clone() };
            openings.write(&folder.opening).map_err(artifacts::write_failure)?;
        }
        proved.proof.write(&folder.proof).map_err(artifacts::write_failure)
    }

    /// What is told of a proof to programs.
    fn report(&self, proof: &Proof, made: &Made, folder: &Folder) -> Report {
        let keys = self.keys;
        let layout = inference::report("prove", keys.key.plan().layout());
        let mut report = keys::report(layout, folder, keys);
        report.prove_cpu_seconds = made.prove_cpu_seconds;
        report.setup_cpu_seconds = keys.setup_cpu_seconds.or_else(|| earlier_setup(folder));
        report.verify_ms = Some(made.verify_seconds * 1e3);
        report.peak_rss_bytes = made.peak_rss_bytes;
        report.outputs = Some(made.outputs.clone());
        let registration = self.prover.weights().map(|weights| weights.registration().digest().to_string());
        let digests: Vec<String> = proof.public.digests.iter().map(ToString::to_string).collect();
        let report = report
            .with("program_reused", self.program_reused)
            .with("keys_reused", keys.reused)
            .with("derive_cpu_seconds", made.derive_cpu_seconds)
            .with("insecure_srs", self.insecure_srs)
            .with("device", self.device)
            .with("dimensions", json!(self.dimensions))
            .with("engine", self.expected.engine.to_string())
            .with("memory_plan", self.expected.memory_plan())
            .with("digests", digests)
            .with("registration", registration);
        match &made.profile {
            Some(profile) => report.with("profile", profile.to_json()),
            None => report,
        }
    }

    /// What is told of a proof to people.
    fn tell(&self, proved: &Proved, made: &Made, salts: &[Salt], folder: &Folder) -> Outcome {
        let (printer, program) = (self.printer, self.program);
        let spent = made.prove_cpu_seconds.map_or_else(String::new, |spent| format!("{} CPU, ", seconds(spent)));
        let planned = bytes(self.expected.memory_bytes);
        let of_planned = |peak| format!("{} of memory of {planned} planned, ", bytes(peak));
        let memory = made.peak_rss_bytes.map_or_else(String::new, of_planned);
        let size = bytes(proved.proof.words.0.len() as u64);
        printer.field("proved", format_args!("{spent}{memory}proof of {size}"))?;
        printer.field("verified", seconds(made.verify_seconds))?;
        if let Some(weights) = self.prover.weights() {
            let (link, name) = (folder.link.display(), &weights.registration().terms().name);
            printer.field("linked", format_args!("{link}: the weights are those registered as {name:?}"))?;
        }
        printer.field("written", folder.proofs.display())?;
        artifacts::print_secrets(printer, program, &[&folder.program, &folder.proving_key])?;
        let kept = [
            (
                inference::has_secret_outputs(program),
                "secret",
                &folder.result,
                ", it holds outputs that the proof does not tell",
            ),
            (!salts.is_empty(), "salt", &folder.salt, ", and show it with the values to have a digest checked"),
            (
                !proved.openings.is_empty(),
                "opening",
                &folder.opening,
                ", it holds the committed values; `zkinfer link` takes it",
            ),
        ];
        for (_, what, path, why) in kept.into_iter().filter(|&(is_there, ..)| is_there) {
            printer.field(what, format_args!("{}: keep it to yourself{why}", path.display()))?;
        }
        printer.line("")?;
        if let Some(profile) = &made.profile {
            profile.print(printer)?;
            printer.line("")?;
        }
        inference::show(printer, program, &made.outputs)?;
        printer.line("")?;
        printer.line(&made.statement.summary)?;
        made.statement.insecurities.iter().for_each(|mark| printer.warn(mark));
        Ok(())
    }
}

/// What is known of a proof once it is verified.
struct Made {
    /// CPU seconds of the witness and the proof, with what was derived from the keys for it.
    prove_cpu_seconds: Option<f64>,
    /// CPU seconds of what was derived from the keys.
    derive_cpu_seconds: Option<f64>,
    /// Wall seconds of verifying.
    verify_seconds: f64,
    /// Largest resident memory while proving.
    peak_rss_bytes: Option<u64>,
    /// What stages and rounds took, where that is asked for.
    profile: Option<Profile>,
    /// The outputs, decoded.
    outputs: Vec<NamedTensor>,
    /// What the proof says.
    statement: Statement,
}

/// What is told of several proofs to programs: of each what is told of a proof alone, with the file of its input.
fn report_of_all(inputs: &[PathBuf], reports: &[Report]) -> Report {
    let of_one = |(path, report): (&PathBuf, &Report)| json!(report.clone().with("input", path.display().to_string()));
    Report::new("prove").with("proofs", inputs.iter().zip(reports).map(of_one).collect::<Vec<_>>())
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
