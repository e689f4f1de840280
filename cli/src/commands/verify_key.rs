//! `zkinfer verify-key`: rebuilds a verifying key from its model and compares.

use anyhow::anyhow;
use onnx_import::ModelSource;
use prover::report::peak_rss_bytes;
use verifier::{Digest, VerifyingKey};

use crate::args::{VerifyKeyArgs, WeightsRule};
use crate::artifacts::{is_artifact, ProgramArtifact};
use crate::commands::verify::report;
use crate::exit::{Failure, Outcome};
use crate::pipeline::keys::{read_key, warn_insecure};
use crate::pipeline::{keys, model};
use crate::printer::Printer;

/// Compares the key with the one that the model gives.
///
/// # Errors
/// The key is another one (status 1), or a file can't be used (status 2).
pub(crate) fn run(args: &VerifyKeyArgs, printer: Printer) -> Outcome {
    WeightsRule::refuse_registered(args.visibility.weights.as_ref())?;
    let key = read_key(&args.vk)?;
    let artifact = rebuild(args, printer)?;
    compare_program(&key, &artifact)?;
    print_source(args, &artifact, printer)?;
    printer.field("program", format_args!("{} is the one that the model gives", artifact.digest))?;

    let plan = model::plan(&artifact, printer)?;
    if plan.layout().params() != key.description().params {
        return Err(different("the key is for a circuit of other widths than the program's"));
    }
    let srs = keys::srs_of_key(args.srs.as_deref(), &key, printer)?;
    let (rebuilt, _) = keys::in_memory(plan, &srs, printer)?;
    if rebuilt.verifying_key().file() != key.file() {
        return Err(different("the key commits to other constraints than the program's")
            .remedy("do not rely on proofs under this key: whoever made it may have switched constraints off"));
    }
    printer.field("key", format_args!("{} is the one that the program gives", key.digest()))?;
    warn_insecure(&srs, printer);
    let mut report = report("verify-key", &key);
    report.peak_rss_bytes = peak_rss_bytes();
    report.verifying_key_bytes = Some(key.file().len() as u64);
    let report = report.with("accepted", true).with("insecure_srs", srs.mark().is_insecure());
    printer.report(&report.with("key_digest", key.digest().to_string()))
}

/// The program that the model gives: compiled again with the recorded options, or taken as it is where it is trusted.
fn rebuild(args: &VerifyKeyArgs, printer: Printer) -> Outcome<ProgramArtifact> {
    if is_artifact(&args.model)? {
        return ProgramArtifact::read(&args.model);
    }
    let Some(path) = &args.program else {
        return Ok(model::compile(&args.model, &args.options, &args.visibility, 0, printer)?.artifact);
    };
    let recorded = ProgramArtifact::read(path)?;
    let again = model::compile_again(&args.model, &recorded, args.options.calibration.as_deref(), printer)?;
    if again.digest != recorded.digest {
        return Err(different(format!("{} is not what the model compiles to", path.display())));
    }
    Ok(again)
}

fn compare_program(key: &VerifyingKey, artifact: &ProgramArtifact) -> Outcome {
    let described = key.description();
    // Keys of private weights name no model's file.
    if !artifact.program.has_private_weights() && described.source.0 != artifact.program.source_digest {
        return Err(different("the key names other files of a model"));
    }
    if described.program != artifact.key_digest()? {
        return Err(different(format!(
            "the key is for the program {}, and this is {}",
            described.program, artifact.digest
        ))
        .remedy("give the program's file by --program, so that its recorded options are used, or the same options"));
    }
    Ok(())
}

/// Says which files the key's source names, where the model itself was given. Keys of private weights name none.
fn print_source(args: &VerifyKeyArgs, artifact: &ProgramArtifact, printer: Printer) -> Outcome {
    if artifact.program.has_private_weights() || is_artifact(&args.model)? {
        return Ok(());
    }
    let ModelSource { digest, files } = model::source(&args.model)?;
    let others = match &files[..] {
        [] => String::new(),
        [one] => format!(" and {one}"),
        [first, rest @ ..] => format!(", {first} and {} other files with its data", rest.len()),
    };
    printer.field("source", format_args!("{} is that of {}{others}", Digest(digest), args.model.display()))
}

fn different(what: impl Into<String>) -> Failure {
    let what = what.into();
    Failure::refused(anyhow!(what)).context("REFUSED")
}
