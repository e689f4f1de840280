//! Structured reference strings (SRS), keys and proofs.

use std::path::{Path, PathBuf};

use circuits::digest::Salt;
use circuits::reference::Trace;
use gpu::GpuEngine;
use prover::engine::CpuOptions;
use prover::link::Opening;
use prover::srs::Srs;
use prover::{EngineOptions, Plan, ProveError, ProveOptions, Prover, ProvingKey, Run, Stage};
use verifier::srs::SrsOrigin;
use verifier::{Link, Proof, VerifyingKey};

use crate::artifacts::{file_bytes, write_failure, Folder, ProgramArtifact};
use crate::device::Hardware;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::expectation::Expectation;
use crate::pipeline::model;
use crate::printer::{Bars, Printer};
use crate::report::Report;

/// Where development SRSs are kept, unless the user's cache folder is used.
const CACHE_VARIABLE: &str = "ZKINFER_CACHE";

/// The keys of a program.
pub(crate) struct Keys {
    /// The proving key, which holds the verifying key.
    pub(crate) key: ProvingKey,
    /// What making them took; nothing where they were there.
    pub(crate) setup_cpu_seconds: Option<f64>,
    /// Whether they were there.
    pub(crate) reused: bool,
}

/// The SRS of a file, or the development SRS where there is none, with `2^k` powers.
///
/// # Errors
/// The file can't be read, is no SRS, or is too small.
pub(crate) fn srs(path: Option<&Path>, k: u32, printer: Printer) -> Outcome<Srs> {
    match path {
        Some(path) => {
            let larger = read_srs(path)?;
            let fitted = printer.stage("SRS", None, || larger.fit(k));
            fitted.or_misuse(path.display().to_string())
        }
        None => development_srs(k, printer),
    }
}

/// Reads an SRS.
///
/// # Errors
/// The file can't be read or is no SRS.
pub(crate) fn read_srs(path: &Path) -> Outcome<Srs> {
    Srs::read(path).or_misuse(path.display().to_string())
}

/// The development SRS, from the cache where it is there.
///
/// # Errors
/// No SRS has so many powers.
pub(crate) fn development_srs(k: u32, printer: Printer) -> Outcome<Srs> {
    let cached = cache_folder().map(|folder| folder.join(format!("development-{k}.srs")));
    let usable = |srs: &Srs| srs.k() == k && srs.mark().origin() == SrsOrigin::Development;
    if let Some(srs) = cached.as_deref().and_then(|path| Srs::read(path).ok()).filter(usable) {
        return Ok(srs);
    }
    let srs = printer.stage("SRS", None, || Srs::development(k)).map_err(Failure::misuse)?;
    if let Some(path) = cached {
        // The cache saves time and nothing else: without it the SRS is made again.
        let _ = path.parent().map_or(Ok(()), std::fs::create_dir_all).map(|()| srs.write(&path));
    }
    Ok(srs)
}

/// The SRS that a key was made on.
///
/// # Errors
/// The SRS given is another one, or none is given and the key's is not the development SRS.
pub(crate) fn srs_of_key(path: Option<&Path>, key: &VerifyingKey, printer: Printer) -> Outcome<Srs> {
    let mark = key.description().srs;
    if path.is_none() && !mark.is_insecure() {
        let fault = anyhow::anyhow!("the key was made on the SRS {}, which is not the development one", mark.digest());
        return Err(Failure::misuse(fault).remedy("give that SRS by --srs"));
    }
    let srs = srs(path, key.description().params.k, printer)?;
    if srs.mark().digest() != mark.digest() {
        let fault =
            anyhow::anyhow!("the key was made on the SRS {}, and this is {}", mark.digest(), srs.mark().digest());
        return Err(Failure::misuse(fault));
    }
    Ok(srs)
}

fn cache_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(CACHE_VARIABLE)
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("zkinfer")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache").join("zkinfer")))
}

/// The proving key in the folder, where it is one of this program, or one that takes its private weights.
///
/// # Errors
/// The program has the scales of a first one, so that it keeps the key, and there is a key of private weights that does not take it: another one
/// must not come into its place unnoticed.
fn find(folder: &Folder, artifact: &ProgramArtifact) -> Outcome<Option<ProvingKey>> {
    let Ok(key) = ProvingKey::read(&folder.proving_key) else { return Ok(None) };
    if !artifact.program.has_private_weights() {
        return Ok((key.plan().program_digest() == artifact.digest).then_some(key));
    }
    match key.with_weights_of(&artifact.program) {
        Ok(member) => Ok(Some(member)),
        Err(error) if artifact.recipe.like.is_some() && key.plan().program().has_private_weights() => {
            let fault = Failure::misuse(error).context(format!(
                "{}: the program has the scales of a first one, and is not one for this key",
                folder.proving_key.display()
            ));
            Err(fault.remedy(
                "compile it with all options of the key's program, or give another folder for a key of its own",
            ))
        }
        Err(_) => Ok(None),
    }
}

/// Where the circuit of a program comes from: a key that was made earlier, or a layout made now.
pub(crate) enum Candidate {
    /// A key for the program; whether it was made on the right SRS is not known yet.
    Key(Box<ProvingKey>),
    /// A layout.
    Plan(Box<Plan>),
}

impl Candidate {
    /// The key in the folder where it is one of this program, or a layout.
    ///
    /// # Errors
    /// The program fits no machine, or is to keep a key that is not one of it.
    pub(crate) fn find(folder: &Folder, artifact: &ProgramArtifact, printer: Printer) -> Outcome<Self> {
        match printer.stage("keys", None, || find(folder, artifact))? {
            Some(key) => Ok(Self::Key(Box::new(key))),
            None => Ok(Self::Plan(Box::new(model::plan(artifact, printer)?))),
        }
    }

    /// The program on its machine.
    pub(crate) fn plan(&self) -> &Plan {
        match self {
            Self::Key(key) => key.plan(),
            Self::Plan(plan) => plan,
        }
    }

    /// The key where it was made on `srs`, or new keys, which are left in the folder.
    ///
    /// # Errors
    /// The keys can't be made or written.
    pub(crate) fn keys(self, folder: &Folder, srs: &Srs, printer: Printer) -> Outcome<Keys> {
        match self {
            Self::Key(key) if key.verifying_key().description().srs.digest() == srs.mark().digest() => {
                printer.field("reused", format_args!("{}", folder.proving_key.display()))?;
                key.verifying_key().write(&folder.verifying_key).map_err(write_failure)?;
                Ok(Keys { key: *key, setup_cpu_seconds: None, reused: true })
            }
            Self::Key(key) => make(folder, key.plan().clone(), srs, printer),
            Self::Plan(plan) => make(folder, *plan, srs, printer),
        }
    }
}

/// Makes both keys and leaves them in the folder.
///
/// # Errors
/// The keys can't be made or written.
pub(crate) fn make(folder: &Folder, plan: Plan, srs: &Srs, printer: Printer) -> Outcome<Keys> {
    let (key, setup_cpu_seconds) = in_memory(plan, srs, printer)?;
    key.write(&folder.proving_key).map_err(write_failure)?;
    key.verifying_key().write(&folder.verifying_key).map_err(write_failure)?;
    Ok(Keys { key, setup_cpu_seconds, reused: false })
}

/// The keys of a program, and the CPU seconds that they took; nothing is written.
///
/// # Errors
/// The keys can't be made.
pub(crate) fn in_memory(plan: Plan, srs: &Srs, printer: Printer) -> Outcome<(ProvingKey, Option<f64>)> {
    let bars = Bars::new(printer, Expectation::new(plan.layout(), &EngineOptions::default()).ok());
    let (key, report) = plan.setup(srs, &bars).or_refused("the keys can't be made")?;
    Ok((key, report.cpu_seconds(Stage::Commit).map(to_milliseconds)))
}

/// Warns where anybody can forge proofs under the SRS.
pub(crate) fn warn_insecure(srs: &Srs, printer: Printer) {
    if srs.mark().is_insecure() {
        printer.warn(
            "INSECURE: the development SRS is used, under which anybody can forge proofs; \
             give --srs with one of a public ceremony",
        );
    }
}

/// Reads a proving key.
///
/// # Errors
/// The file can't be read or holds no valid key.
pub(crate) fn read_proving_key(path: &Path) -> Outcome<ProvingKey> {
    ProvingKey::read(path).or_misuse(path.display().to_string())
}

/// Reads a verifying key.
///
/// # Errors
/// The file can't be read or holds no valid key.
pub(crate) fn read_key(path: &Path) -> Outcome<VerifyingKey> {
    VerifyingKey::read(path).map_err(|error: verifier::KeyError| {
        Failure::misuse(error).context(format!("{}: not a usable verifying key", path.display()))
    })
}

/// A proof and what it took.
pub(crate) struct Proved {
    /// The proof, not verified yet.
    pub(crate) proof: Proof,
    /// All tensors of the run.
    pub(crate) trace: Trace,
    /// What opens the committed ports.
    pub(crate) openings: Vec<(u32, Opening)>,
    /// What shows that the weights are the registered ones, where they are.
    pub(crate) link: Option<Link>,
    /// CPU seconds of running the program, filling the witness and proving.
    pub(crate) cpu_seconds: Option<f64>,
    /// What the stages and rounds took.
    pub(crate) report: prover::Report,
}

/// Puts a key onto an engine, and tells the CPU seconds that it took.
///
/// # Errors
/// The SRS is not the key's, or the engine has not enough memory.
pub(crate) fn prover<'a>(
    key: &'a ProvingKey,
    srs: Srs,
    options: &EngineOptions,
    hardware: &Hardware,
    printer: Printer,
) -> Outcome<(Prover<'a>, Option<f64>)> {
    let bars = Bars::new(printer, None);
    let prover = match hardware {
        Hardware::Processor => Prover::new(key, srs, options, &bars),
        Hardware::Device { device, plan, .. } => {
            let quotient_bytes = plan.and_then(|plan| plan.quotient_bytes);
            let options = CpuOptions { quotient_bytes, ..CpuOptions::default() };
            let make = |srs: &Srs| {
                let engine = GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], options)?;
                let engine = match plan {
                    Some(plan) => engine.of_proof_bytes(plan.proof_bytes),
                    None => engine,
                };
                Ok(if plan.is_some_and(|plan| plan.quotient_bytes.is_none()) { engine.sparing() } else { engine })
            };
            Prover::on_engine(key, srs, make, &bars)
        }
    };
    let prover = prover.map_err(|error| failed(error, "the key can't be used"))?;
    let spent = prover.derived().cpu_seconds(Stage::Derive).map(to_milliseconds);
    Ok((prover, spent))
}

/// Proves a run, with a salt for each hashed port.
///
/// # Errors
/// The proof can't be made.
pub(crate) fn prove(
    prover: &Prover<'_>,
    expected: &Expectation,
    run: Run,
    salts: &[Salt],
    printer: Printer,
) -> Outcome<Proved> {
    let bars = Bars::new(printer, Some(*expected));
    // The command verifies by itself, to tell the time that it takes.
    let options = ProveOptions { verify: false, ..ProveOptions::default() };
    let proved = prover.prove_run(run, salts, &options, &bars);
    let proved = proved.map_err(|error| failed(error, "the proof can't be made"))?;
    let stages = [Stage::Witness, Stage::Prove, Stage::Link].map(|stage| proved.report.cpu_seconds(stage));
    let spent: Option<f64> = stages.into_iter().sum();
    let cpu_seconds = spent.map(to_milliseconds);
    let prover::Proved { proof, trace, openings, link, report, .. } = proved;
    Ok(Proved { proof, trace, openings, link, cpu_seconds, report })
}

/// A failure of the prover, with the ways out where its temporary file is at fault.
fn failed(error: ProveError, context: &'static str) -> Failure {
    let disk = error.disk_error().is_some();
    let failure = Failure::refused(error).context(context);
    if !disk {
        return failure;
    }
    failure.remedy(
        "name a folder with more room by --spill-folder (estimate tells how much is needed), or raise --max-memory",
    )
}

/// Seconds to the millisecond: further digits differ from run to run.
pub(crate) fn to_milliseconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

/// Adds what the keys tell to a report.
pub(crate) fn report(mut report: Report, folder: &Folder, keys: &Keys) -> Report {
    report.setup_cpu_seconds = keys.setup_cpu_seconds;
    report.proving_key_bytes = file_bytes(&folder.proving_key);
    report.verifying_key_bytes = file_bytes(&folder.verifying_key);
    report.proof_bytes = Some(keys.key.verifying_key().proof_shape().bytes() as u64);
    report.peak_rss_bytes = prover::report::peak_rss_bytes();
    report
}
