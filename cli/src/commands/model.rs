//! `zkinfer model`: registrations of private weights, and what is public of a program that has some.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::anyhow;
use prover::program;
use prover::registration::{register, RegisterError};
use prover::report::peak_rss_bytes;
use prover::Plan;
use verifier::container::{self, Kind};

use crate::args::{ModelCommand, RegisterArgs};
use crate::artifacts::{self, write_failure, ProgramArtifact};
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys::{self, read_proving_key, warn_insecure};
use crate::pipeline::model;
use crate::printer::{bytes, seconds, Printer};
use crate::report::Report;

/// Does what is asked for.
///
/// # Errors
/// A file can't be used, or there is nothing private.
pub(crate) fn run(command: &ModelCommand, printer: Printer) -> Outcome {
    match command {
        ModelCommand::Register(args) => run_register(args, printer),
        ModelCommand::Family { program, out } => run_family(program, out, printer),
    }
}

/// Where what opens a registration is left.
fn weights_of(registration: &Path) -> PathBuf {
    let mut name = registration.as_os_str().to_owned();
    name.push(".weights");
    name.into()
}

fn run_register(args: &RegisterArgs, printer: Printer) -> Outcome {
    let plan = plan(args, printer)?;
    let columns = plan.layout().weight_columns(plan.program());
    if columns.is_empty() {
        return Err(Failure::misuse(RegisterError::NoWeights)
            .context(args.program.display().to_string())
            .remedy("compile the model with --weights private"));
    }
    let srs = keys::srs(args.srs.as_deref(), plan.k(), printer)?;
    let name = args.name.as_ref().unwrap_or(&plan.program().name);
    let start = Instant::now();
    let made = printer.stage("register", None, || register(&srs, name, &columns, &|_| ()));
    let weights = made.or_refused("the weights can't be registered")?;
    let took = start.elapsed().as_secs_f64();
    let registration = weights.registration();
    let path = weights_of(&args.out);
    // Before the registration, which would be of no use without it.
    weights.write(&path).map_err(write_failure)?;
    registration.write(&args.out).map_err(write_failure)?;

    let size = registration.file().len() as u64;
    printer.field("model", format_args!("{name:?}"))?;
    printer.field("columns", format_args!("{} of 2^{} rows, in {}", columns.len(), plan.k(), seconds(took)))?;
    printer.field("registration", registration.digest())?;
    printer.field("written", format_args!("{} ({})", args.out.display(), bytes(size)))?;
    printer.field(
        "weights",
        format_args!("{}: keep it to yourself; `zkinfer prove --weights` takes it", path.display()),
    )?;
    warn_insecure(&srs, printer);
    let mut report = Report::new("model register");
    report.k = Some(plan.k());
    report.peak_rss_bytes = peak_rss_bytes();
    let report = report.with("registration", registration.digest().to_string()).with("model", name.clone());
    let report = report.with("weight_columns", columns.len()).with("registration_bytes", size);
    printer.report(&report.with("insecure_srs", srs.mark().is_insecure()))
}

/// The program on the machine of its key.
fn plan(args: &RegisterArgs, printer: Printer) -> Outcome<Plan> {
    let named = || args.program.display().to_string();
    match (artifacts::kind(&args.program)?, &args.key) {
        (Kind::ProvingKey, None) => Ok(read_proving_key(&args.program)?.plan().clone()),
        (Kind::Program, None) => model::plan(&ProgramArtifact::read(&args.program)?, printer),
        (Kind::Program, Some(key)) => {
            let artifact = ProgramArtifact::read(&args.program)?;
            let member = read_proving_key(key)?.with_weights_of(&artifact.program);
            Ok(member.or_refused("the program is not one for that key")?.plan().clone())
        }
        (Kind::ProvingKey, Some(_)) => Err(Failure::misuse(anyhow!("{}: a proving key is its own --key", named()))),
        (other, _) => {
            let fault = anyhow!("{}: a program or a proving key is expected, and this is {other}", named());
            Err(Failure::misuse(fault))
        }
    }
}

fn run_family(path: &Path, out: &Path, printer: Printer) -> Outcome {
    let artifact = ProgramArtifact::read(path)?;
    if !artifact.program.has_private_weights() {
        let fault = anyhow!("{}: no weights of the program are private", path.display());
        return Err(Failure::misuse(fault).remedy("compile the model with --weights private"));
    }
    let family = artifact.program.family();
    // Unlike a program with private weights, its family is to be published.
    let file = program::encoding(&family).map_err(write_failure)?;
    let digest = container::write_encoded(out, &file, false).map_err(write_failure)?;
    printer.field("written", format_args!("{}: no weights are in it", out.display()))?;
    printer.field("program", digest)?;
    printer.report(&Report::new("model family").with("program_digest", digest.to_string()))
}
