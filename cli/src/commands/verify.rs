//! `zkinfer verify`: judges a proof by a verifying key, or a chain of proofs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::anyhow;
use circuits::digest::Salt;
use circuits::interface::Direction;
use prover::report::peak_rss_bytes;
use verifier::container::{self, Kind};
use verifier::link::{verify_chain, verify_model, Chain, ChainRefusal, Member, Model, ModelRefusal};
use verifier::statement::WeightsStatement;
use verifier::{
    verify_under, Commitment, Digest, Link, Policy, Proof, PublicData, Refusal, Registration, RegistrationError,
    Statement, VerifyingKey,
};

use crate::args::VerifyArgs;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::pipeline::shown::Shown;
use crate::printer::{seconds, Printer};
use crate::report::{NamedTensor, Report};
use crate::{artifacts, present, salts};

/// Verifies and prints the statement, or those of a chain.
///
/// # Errors
/// A proof or link is refused (status 1), or a file is not what it should be (status 2).
pub(crate) fn run(args: &VerifyArgs, printer: Printer) -> Outcome {
    let policy = if args.require_secure { Policy::RequireSecure } else { Policy::AcceptMarked };
    // A registration and the link to it belong to one proof; all else is a chain.
    let alone = args.commitment.is_empty() && args.model.len() < 2 && args.link.len() <= args.model.len();
    match (&args.vk[..], &args.proof[..], alone) {
        ([key], [proof], true) => run_one(args, policy, key, proof, printer),
        (keys, proofs, _) if keys.len() != proofs.len() => {
            let fault = anyhow!("{} keys are given for {} proofs", keys.len(), proofs.len());
            Err(Failure::misuse(fault).remedy("give one --vk for each --proof, in their order"))
        }
        _ => run_chain(args, policy, printer),
    }
}

fn run_one(args: &VerifyArgs, policy: Policy, key_path: &Path, proof: &Path, printer: Printer) -> Outcome {
    let key = keys::read_key(key_path)?;
    let registered = args.model.first().map(|path| registered(path, args.link.first(), proof)).transpose()?;
    let proof = read_proof(proof)?;
    let shown = shown(args, &key, printer)?;
    let salts = args.salt.as_ref().map(|source| salts::read(source, key.interface())).transpose()?;
    let start = Instant::now();
    let model = registered.as_ref().map(|(registration, link)| Model { registration, link });
    let verdict = match &shown {
        None => judge(policy, &key, None, &proof, model),
        Some(shown) => verify_shown(policy, &key, &proof, shown, salts.as_deref(), model)?,
    };
    let took = start.elapsed().as_secs_f64();
    if let Err(refusal) = &verdict {
        let report = report("verify", &key).with("accepted", false).with("refusal", refusal.code());
        printer.report(&report.with("reason", refusal.to_string()))?;
    }
    let statement = verdict.map_err(refused_model)?;

    print_statement(printer, &statement, took)?;
    let mut report = report("verify", &key);
    report.verify_ms = Some(took * 1e3);
    report.peak_rss_bytes = peak_rss_bytes();
    report.verifying_key_bytes = artifacts::file_bytes(key_path);
    report.outputs = Some(outputs(&statement));
    let statement = serde_json::to_value(&statement).map_err(Failure::refused)?;
    printer.report(&report.with("accepted", true).with("statement", statement))
}

/// A registration, and the link that leads to it.
fn registered(registration: &Path, link: Option<&PathBuf>, proof: &Path) -> Outcome<(Registration, Link)> {
    let path = link.cloned().unwrap_or_else(|| artifacts::link_of(proof));
    let link = Link::read(&path).or_misuse(path.display().to_string())?;
    Ok((read_registration(registration)?, link))
}

/// Reads a registration. An altered one is refused, as a proof is.
fn read_registration(path: &Path) -> Outcome<Registration> {
    Registration::read(path).map_err(|error| {
        let unreadable = matches!(&error, RegistrationError::Container(error) if error.is_unreadable());
        let failure = if unreadable { Failure::misuse(error) } else { Failure::refused(error).context("REFUSED") };
        failure.context(path.display().to_string())
    })
}

/// Judges one proof, about the values that are asked about, or those that it tells.
fn judge(
    policy: Policy,
    key: &VerifyingKey,
    asked: Option<&PublicData>,
    file: &[u8],
    model: Option<Model<'_>>,
) -> Result<Statement, ModelRefusal> {
    match model {
        Some(model) => verify_model(policy, key, asked, file, model),
        None => {
            let proof = Proof::from_file(file).map_err(Refusal::from)?;
            Ok(verify_under(policy, key, asked.unwrap_or(&proof.public), &proof)?)
        }
    }
}

/// Verifies several proofs and the links between them.
fn run_chain(args: &VerifyArgs, policy: Policy, printer: Printer) -> Outcome {
    let chosen = [args.input.is_some(), args.output.is_some(), args.salt.is_some()];
    if chosen.contains(&true) {
        return Err(Failure::misuse(anyhow!("--input, --output and --salt are for one proof"))
            .remedy("verify that proof by itself, too"));
    }
    let keys = args.vk.iter().map(|path| keys::read_key(path)).collect::<Outcome<Vec<_>>>()?;
    let files = args.proof.iter().map(|path| read_proof(path)).collect::<Outcome<Vec<_>>>()?;
    let links = args.link.iter().map(|path| Link::read(path).or_misuse(path.display().to_string()));
    let links = links.collect::<Outcome<Vec<_>>>()?;
    let commitments = args.commitment.iter().map(|path| Commitment::read(path).or_misuse(path.display().to_string()));
    let commitments = commitments.collect::<Outcome<Vec<_>>>()?;
    let members: Vec<_> = keys.iter().zip(&files).map(|(key, file)| Member { key, file }).collect();
    let start = Instant::now();
    let registrations = args.model.iter().map(|path| read_registration(path)).collect::<Outcome<Vec<_>>>()?;
    let verdict = verify_chain(policy, &members, &commitments, &registrations, &links);
    let verdict = match registrations.is_empty() {
        true => verdict,
        // Who names a model is told of no proof that may be about another.
        false => verdict.and_then(Chain::require_registered),
    };
    let took = start.elapsed().as_secs_f64();
    let mut report = Report::new("verify");
    report.verify_ms = Some(took * 1e3);
    report.peak_rss_bytes = peak_rss_bytes();
    let chain = match verdict {
        Ok(chain) => chain,
        Err(refusal) => {
            let report = report.with("accepted", false).with("refusal", refusal.code());
            printer.report(&report.with("reason", refusal.to_string()))?;
            return Err(refused_chain(refusal));
        }
    };
    for statement in &chain.statements {
        print_statement(printer, statement, took)?;
        printer.line("")?;
    }
    for [from, to] in &chain.links {
        printer.field("linked", format_args!("{from} = {to}"))?;
    }
    let chain = serde_json::to_value(&chain).map_err(Failure::refused)?;
    printer.report(&report.with("accepted", true).with("chain", chain))
}

/// The values that the proof is to speak about, where there are any.
fn shown(args: &VerifyArgs, key: &VerifyingKey, printer: Printer) -> Outcome<Option<Shown>> {
    if args.input.is_none() && args.output.is_none() {
        return match args.salt {
            None => Ok(None),
            Some(_) => Err(Failure::misuse(anyhow!("--salt goes with the values, by --input or --output"))),
        };
    }
    let mut shown = Shown::nothing(key.interface());
    if let Some(input) = &args.input {
        shown = shown.inputs(key.interface(), input, args.sample, printer)?;
    }
    if let Some(output) = &args.output {
        shown = shown.outputs(key.interface(), output)?;
    }
    for port in shown.unbound(key.interface()) {
        printer.warn(format_args!(
            "{} {:?} is {}: the proof does not tell its values",
            port.direction.name(),
            port.name,
            port.visibility.name()
        ));
    }
    Ok(Some(shown))
}

/// [`judge`] for a proof that must speak about the values shown.
fn verify_shown(
    policy: Policy,
    key: &VerifyingKey,
    file: &[u8],
    shown: &Shown,
    salts: Option<&[Salt]>,
    model: Option<Model<'_>>,
) -> Outcome<Result<Statement, ModelRefusal>> {
    let proof = match Proof::from_file(file) {
        Ok(proof) => proof,
        Err(error) => return Ok(Err(Refusal::from(error).into())),
    };
    let asked = shown.asked(key.interface(), salts, &proof.public)?;
    Ok(judge(policy, key, Some(&asked), file, model))
}

/// Reads the bytes of a proof's file. A file that is no whole proof of this release is misuse; an altered proof is refused.
fn read_proof(path: &Path) -> Outcome<Vec<u8>> {
    container::read_file(Kind::Proof, path).map_err(|error| {
        let failure = if error.is_unreadable() { Failure::misuse(error) } else { refused(Refusal::File(error)) };
        failure.context(path.display().to_string())
    })
}

/// The failure of a proof that is refused, or not about the registered model.
fn refused_model(refusal: ModelRefusal) -> Failure {
    match refusal {
        ModelRefusal::Proof(refusal) => refused(refusal),
        ModelRefusal::PublicWeights => Failure::refused(refusal)
            .context("REFUSED")
            .remedy("leave --model out; `zkinfer verify-key` shows which model a key is for"),
        ModelRefusal::OtherLink => Failure::refused(refusal).context("REFUSED").remedy(
            "give the link that `prove --weights` left beside this proof, and the registration that it was made with",
        ),
        other => Failure::refused(other).context("REFUSED"),
    }
}

/// The failure of a chain that is refused.
pub(crate) fn refused_chain(refusal: ChainRefusal) -> Failure {
    let remedy = match &refusal {
        ChainRefusal::UnusedRegistration { .. } => {
            Some("give the link that `prove --weights` left beside the proof by --link, or leave this --model out")
        }
        ChainRefusal::UnusedCommitment { .. } => {
            Some("give its link to a proof by --link, or leave this --commitment out")
        }
        ChainRefusal::UnregisteredWeights { .. } => {
            Some("give its registration by --model and its link by --link, or verify that proof by itself")
        }
        _ => None,
    };
    let failure = Failure::refused(refusal).context("REFUSED");
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

/// The failure of a refused proof.
pub(crate) fn refused(refusal: Refusal) -> Failure {
    let remedy = match &refusal {
        Refusal::KeyDigest { .. } => {
            Some("use the key that the proof was made with: `zkinfer inspect` shows both digests")
        }
        Refusal::InsecureSrs => Some("make keys with `zkinfer setup --srs` and one of a public ceremony"),
        _ => None,
    };
    let failure = Failure::refused(refusal).context("REFUSED");
    match remedy {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

/// The figures that a verifying key knows.
pub(crate) fn report(command: &str, key: &VerifyingKey) -> Report {
    let mut report = Report::new(command);
    let system = key.plonk().cs();
    report.k = Some(key.description().params.k);
    report.advice_columns = Some(system.num_advice_columns() as u64);
    report.fixed_columns = Some(system.num_fixed_columns() as u64);
    report.commitments = Some(commitments(key) as u64);
    report.proof_bytes = Some(key.proof_shape().bytes() as u64);
    report
}

/// Commitments that a verifier handles: those of the proof, its two opening points among them, and those of the key.
fn commitments(key: &VerifyingKey) -> usize {
    let system = key.plonk().cs();
    key.proof_shape().commitments + 2 + system.num_fixed_columns() + system.permutation().get_columns().len()
}

/// The public outputs of a statement.
pub(crate) fn outputs(statement: &Statement) -> Vec<NamedTensor> {
    let ports = statement.ports.iter().filter(|port| port.port.direction == Direction::Output);
    ports
        .filter_map(|port| {
            Some(NamedTensor {
                name: port.port.name.clone(),
                shape: port.port.shape.clone(),
                values: port.reals.clone()?,
                integers: port.values.clone()?,
            })
        })
        .collect()
}

/// What the proof says, for people.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn print_statement(printer: Printer, statement: &Statement, took: f64) -> Outcome {
    printer.line(format_args!("ACCEPTED in {}", seconds(took)))?;
    printer.line(&statement.summary)?;
    // Keys of private weights name no model's file.
    match statement.source {
        Digest(source) if source == [0; 32] => printer.field("model", format_args!("{:?}", statement.model))?,
        source => printer.field("model", format_args!("{:?} ({source})", statement.model))?,
    }
    printer.field("key", statement.key)?;
    match &statement.weights {
        WeightsStatement::Public => {}
        WeightsStatement::Private => printer.field("weights", "private; which ones the prover used is not shown")?,
        WeightsStatement::Registered { name, registration } => {
            printer.field("weights", format_args!("registered as {name:?} ({registration})"))?;
        }
    }
    for port in &statement.ports {
        let text = match (&port.reals, &port.digest, &port.commitment) {
            (Some(reals), ..) => present::list(reals),
            (None, Some(digest), _) => format!("hashed, salted digest {digest}"),
            (None, None, Some(commitment)) => format!("committed to as {commitment}"),
            (None, None, None) => format!("private, integers in [{}, {}]", port.port.lo, port.port.hi),
        };
        printer
            .field(port.port.direction.name(), format_args!("{:?} {:?}: {text}", port.port.name, port.port.shape))?;
    }
    statement.insecurities.iter().for_each(|mark| printer.warn(mark));
    Ok(())
}
