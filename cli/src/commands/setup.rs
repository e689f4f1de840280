//! `zkinfer setup`: the keys of a program.

use prover::EngineOptions;

use crate::args::SetupArgs;
use crate::artifacts::{self, Folder, ProgramArtifact};
use crate::exit::Outcome;
use crate::pipeline::expectation::Expectation;
use crate::pipeline::keys::warn_insecure;
use crate::pipeline::{inference, keys, model};
use crate::printer::{seconds, Printer};

/// Makes both keys, whatever is there already.
///
/// # Errors
/// The program or the SRS can't be used, or the keys not be written.
pub(crate) fn run(args: &SetupArgs, printer: Printer) -> Outcome {
    let artifact = ProgramArtifact::read(&args.program)?;
    let plan = model::plan(&artifact, printer)?;
    let expected = Expectation::of(&artifact, plan.layout(), &EngineOptions::default(), printer)?;
    inference::print_plan(printer, &artifact, plan.layout(), &expected)?;
    let report = inference::report("setup", plan.layout());
    let folder = Folder::create(&args.out)?;
    let srs = keys::srs(args.srs.as_deref(), plan.k(), printer)?;
    let made = keys::make(&folder, plan, &srs, printer)?;
    if let Some(spent) = made.setup_cpu_seconds {
        printer.field("setup", format_args!("{} CPU", seconds(spent)))?;
    }
    printer.field("key", made.key.verifying_key().digest())?;
    artifacts::print_secrets(printer, &artifact.program, &[&folder.proving_key])?;
    warn_insecure(&srs, printer);
    let report = keys::report(report, &folder, &made).with("insecure_srs", srs.mark().is_insecure());
    // `prove` finds there what the setup took.
    artifacts::write(&folder.result, report.to_json_file().as_bytes())?;
    printer.report(&report)
}
