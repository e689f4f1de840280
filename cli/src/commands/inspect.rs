//! `zkinfer inspect`: describes any file that zkinfer writes.

use std::path::Path;

use circuits::graph::{Port, Program};
use prover::link::Openings;
use prover::registration::RegisteredWeights;
use prover::report::peak_rss_bytes;
use verifier::container::Kind;
use verifier::link::LinkedPort;
use verifier::registration::RegistrationTerms;
use verifier::{Commitment, Link, Proof, Registration, VerifyingKey};

use crate::args::InspectArgs;
use crate::artifacts::{file_digest, kind, Calibration, ProgramArtifact};
use crate::commands::{srs, verify};
use crate::exit::{OrFail, Outcome};
use crate::pipeline::keys;
use crate::present;
use crate::printer::{bytes, Printer};
use crate::report::Report;

/// Tells what the file is and what it says; nothing is verified.
///
/// # Errors
/// The file can't be read or is none of ours.
pub(crate) fn run(args: &InspectArgs, printer: Printer) -> Outcome {
    let path = args.file.as_path();
    match kind(path)? {
        Kind::Program => program(path, printer),
        Kind::ProvingKey => proving_key(path, printer),
        Kind::VerifyingKey => {
            let key = keys::read_key(path)?;
            file(path, "a verifying key", printer)?;
            verifying_key(&key, printer)?;
            let mut report = verify::report("inspect", &key);
            report.verifying_key_bytes = Some(key.file().len() as u64);
            printer.report(&described(report, "verifying-key").with("digest", key.digest().to_string()))
        }
        Kind::Proof => proof(path, printer),
        Kind::Commitment => commitment(path, printer),
        Kind::Opening => opening(path, printer),
        Kind::Link => link(path, printer),
        Kind::Registration => registration(path, printer),
        Kind::Weights => weights(path, printer),
        Kind::Srs => srs::describe(&keys::read_srs(path)?, path, "inspect", printer),
    }
}

fn commitment(path: &Path, printer: Printer) -> Outcome {
    let commitment = Commitment::read(path).or_misuse(path.display().to_string())?;
    file(path, "a commitment", printer)?;
    let tensor = commitment.tensor();
    printer.field("values", format_args!("{:?}, scale {:e}", tensor.shape, tensor.scale))?;
    printer.field("columns", format_args!("{} of 2^{} rows", commitment.side().points().len(), commitment.k()))?;
    let report = described(Report::new("inspect"), "commitment").with("digest", commitment.digest().to_string());
    printer.report(&report.with("shape", tensor.shape.clone()).with("scale", tensor.scale))
}

/// No value is told.
fn opening(path: &Path, printer: Printer) -> Outcome {
    let openings = Openings::read(path).or_misuse(path.display().to_string())?;
    file(path, "what opens commitments; it is secret", printer)?;
    printer.field("opens", openings.artifact)?;
    let report = described(Report::new("inspect"), "opening").with("opens", openings.artifact.to_string());
    printer.report(&report.with("ports", openings.ports.len()))
}

fn link(path: &Path, printer: Printer) -> Outcome {
    let link = Link::read(path).or_misuse(path.display().to_string())?;
    file(path, "a link", printer)?;
    for (name, side) in [("from", link.from), ("to", link.to)] {
        match side.port {
            LinkedPort::WEIGHTS => printer.field(name, format_args!("the weights of {}", side.artifact))?,
            port => printer.field(name, format_args!("port {port} of {}", side.artifact))?,
        }
    }
    printer.line("Nothing is verified yet: `zkinfer verify` with the proofs, their keys and --link does that.")?;
    let report = described(Report::new("inspect"), "link").with("from", link.from.artifact.to_string());
    printer.report(&report.with("to", link.to.artifact.to_string()))
}

fn registration(path: &Path, printer: Printer) -> Outcome {
    let registration = Registration::read(path).or_misuse(path.display().to_string())?;
    file(path, "a registration of a model", printer)?;
    let RegistrationTerms { srs, k, columns, name } = registration.terms();
    printer.field("model", format_args!("{name:?}"))?;
    printer.field("columns", format_args!("{columns} of 2^{k} rows"))?;
    printer.field("SRS", srs)?;
    printer.line("Nothing is verified yet: `zkinfer verify` with a proof, its key, --model and --link does that.")?;
    let report = described(Report::new("inspect"), "registration").with("digest", registration.digest().to_string());
    printer.report(&report.with("model", name.clone()).with("k", *k).with("columns", *columns))
}

/// No weight is told.
fn weights(path: &Path, printer: Printer) -> Outcome {
    let weights = RegisteredWeights::read(path).or_misuse(path.display().to_string())?;
    file(path, "what opens a registration; it is secret", printer)?;
    let registration = weights.registration();
    printer.field("opens", registration.digest())?;
    let report = described(Report::new("inspect"), "weights").with("opens", registration.digest().to_string());
    printer.report(&report.with("model", registration.terms().name.clone()))
}

fn described(report: Report, kind: &str) -> Report {
    report.with("kind", kind)
}

fn file(path: &Path, what: &str, printer: Printer) -> Outcome {
    let size = crate::artifacts::file_bytes(path).unwrap_or_default();
    printer.field("file", format_args!("{}: {what}, {}", path.display(), bytes(size)))?;
    printer.field("digest", file_digest(path)?)
}

fn program(path: &Path, printer: Printer) -> Outcome {
    let artifact = ProgramArtifact::read(path)?;
    let program = &artifact.program;
    let recipe = &artifact.recipe;
    file(path, "a compiled program", printer)?;
    printer.field("model", format_args!("{:?} ({})", program.name, verifier::Digest(program.source_digest)))?;
    let calibration = match recipe.calibration {
        Calibration::Random => "random inputs".to_owned(),
        Calibration::Samples(digest) => format!("samples {digest}"),
        Calibration::Untold => "samples that are not told".to_owned(),
    };
    printer.field("options", format_args!("{} bits, scales fitted to {calibration}", artifact.bits))?;
    if recipe.batch > 1 {
        printer.field("batch", format_args!("{} samples at once", recipe.batch))?;
    }
    program.inputs.iter().try_for_each(|port| port_line("input", port, printer))?;
    program.outputs.iter().try_for_each(|port| port_line("output", port, printer))?;
    for node in &program.nodes {
        printer.field(node.op.name(), format_args!("{:?} {:?}", node.shape, node.name))?;
    }
    let mut report = described(Report::new("inspect"), "program");
    report.peak_rss_bytes = peak_rss_bytes();
    let report = report.with("digest", artifact.digest.to_string()).with("nodes", operators(program));
    let report = report.with("bits", artifact.bits).with("batch", recipe.batch);
    printer.report(&report.with("program_bytes", artifact.bytes))
}

fn port_line(direction: &str, port: &Port, printer: Printer) -> Outcome {
    let visibility = port.visibility.name();
    printer.field(direction, format_args!("{:?} {:?}, {visibility}, scale {:e}", port.name, port.shape, port.scale))
}

fn operators(program: &Program) -> Vec<&'static str> {
    program.nodes.iter().map(|node| node.op.name()).collect()
}

fn proving_key(path: &Path, printer: Printer) -> Outcome {
    let key = keys::read_proving_key(path)?;
    file(path, "a proving key", printer)?;
    verifying_key(key.verifying_key(), printer)?;
    let mut report = verify::report("inspect", key.verifying_key());
    report.proving_key_bytes = crate::artifacts::file_bytes(path);
    printer.report(&described(report, "proving-key"))
}

fn verifying_key(key: &VerifyingKey, printer: Printer) -> Outcome {
    let description = key.description();
    let params = description.params;
    printer.field("model", format_args!("{:?} ({})", description.model, description.source))?;
    printer.field("program", description.program)?;
    printer.field("key", key.digest())?;
    printer.field(
        "circuit",
        format_args!("2^{} rows, {} units and {} weights per row", params.k, params.units, params.weights),
    )?;
    if params.private_weight_columns() > 0 {
        printer.field("weights", format_args!("private, in {} columns", params.private_weight_columns()))?;
    }
    printer.field("proofs", format_args!("{} each", bytes(key.proof_shape().bytes() as u64)))?;
    for port in &key.interface().ports {
        let visibility = port.visibility.name();
        let text = format!("{:?} {:?}, {visibility}, integers in [{}, {}]", port.name, port.shape, port.lo, port.hi);
        printer.field(port.direction.name(), text)?;
    }
    if description.srs.is_insecure() {
        printer.warn("INSECURE: the key is made on the development SRS, under which anybody can forge proofs");
    }
    Ok(())
}

fn proof(path: &Path, printer: Printer) -> Outcome {
    let proof = Proof::read(path).or_misuse(path.display().to_string())?;
    file(path, "a proof", printer)?;
    printer.field("key", proof.key)?;
    printer.field("size", bytes(proof.words.0.len() as u64))?;
    for values in &proof.public.values {
        let reals: Vec<f64> = values.iter().map(|&value| value as f64).collect();
        printer.field("public", format_args!("integers {}", present::list(&reals)))?;
    }
    let digests: Vec<String> = proof.public.digests.iter().map(ToString::to_string).collect();
    digests.iter().try_for_each(|digest| printer.field("hashed", format_args!("salted digest {digest}")))?;
    printer.line("Nothing is verified yet: `zkinfer verify --vk KEY --proof PROOF` does that.")?;
    let mut report = described(Report::new("inspect"), "proof");
    report.proof_bytes = Some(proof.words.0.len() as u64);
    let report = report.with("key", proof.key.to_string()).with("public", proof.public.values.clone());
    printer.report(&report.with("digests", digests))
}
