//! Verifies a proof file against a verifying key file. Exit status: 0 accepted, 1 refused, 2 misuse or unreadable file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use verifier::container::{self, ContainerError, Kind};
use verifier::link::{verify_model, Model, ModelRefusal};
use verifier::{
    printable, verify_file, KeyError, Link, Policy, Refusal, Registration, RegistrationError, Statement, VerifyingKey,
};

const HELP: &str = "\
Verifies a zkinfer proof.

Usage: zkinfer-verify --vk MODEL.vk --proof PROOF.zkp [--model MODEL.zkr --link PROOF.zkl] [--require-secure] [--json]

  --vk FILE          the verifying key
  --proof FILE       the proof
  --model FILE       a registration of private weights: refuse a proof with other weights
  --link FILE        the link from the proof to the registration
  --require-secure   refuse proofs that are marked insecure: made on the development SRS or with a seed
                     (without it they are accepted, with a warning)
  --json             print one JSON object
  -h, --help         print this text
  -V, --version      print the version

Exit status: 0 accepted, 1 refused (the reason is on stderr), 2 misuse or unreadable file.

Example: zkinfer-verify --vk out/model.vk --proof out/proof.zkp
";

/// What the command line asks for.
enum Request {
    Help,
    Version,
    Verify(Arguments),
}

struct Arguments {
    key: PathBuf,
    proof: PathBuf,
    /// The registration and the link to it.
    model: Option<[PathBuf; 2]>,
    policy: Policy,
    json: bool,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}; try --help")]
    Misuse(String),
    #[error("the verifying key {path}: {source}")]
    Key { path: PathBuf, source: KeyError },
    #[error("the proof {path}: {source}")]
    Proof { path: PathBuf, source: ContainerError },
    #[error("the registration {path}: {source}")]
    Registration { path: PathBuf, source: RegistrationError },
    #[error("the link {path}: {source}")]
    Link { path: PathBuf, source: ContainerError },
}

impl Request {
    fn parse(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<Self, Failure> {
        let (mut key, mut proof, mut model, mut link) = (None, None, None, None);
        let (mut policy, mut json) = (Policy::AcceptMarked, false);
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("-h" | "--help") => return Ok(Request::Help),
                Some("-V" | "--version") => return Ok(Request::Version),
                Some("--require-secure") => policy = Policy::RequireSecure,
                Some("--json") => json = true,
                Some(name @ ("--vk" | "--proof" | "--model" | "--link")) => {
                    let file = arguments.next().ok_or_else(|| Failure::Misuse(format!("{name} takes a file")))?;
                    let slot = match name {
                        "--vk" => &mut key,
                        "--proof" => &mut proof,
                        "--model" => &mut model,
                        _ => &mut link,
                    };
                    if slot.replace(PathBuf::from(file)).is_some() {
                        return Err(Failure::Misuse(format!("{name} is given twice")));
                    }
                }
                _ => return Err(Failure::Misuse(format!("{argument:?} is not an option"))),
            }
        }
        let need =
            |file: Option<PathBuf>, name: &str| file.ok_or_else(|| Failure::Misuse(format!("{name} is missing")));
        let model = match (model, link) {
            (None, None) => None,
            (model, link) => Some([need(model, "--model")?, need(link, "--link")?]),
        };
        Ok(Request::Verify(Arguments { key: need(key, "--vk")?, proof: need(proof, "--proof")?, model, policy, json }))
    }
}

/// The verdict and the milliseconds that it took, reading files aside.
fn judge(arguments: &Arguments) -> Result<(Result<Statement, ModelRefusal>, f64), Failure> {
    let key =
        VerifyingKey::read(&arguments.key).map_err(|source| Failure::Key { path: arguments.key.clone(), source })?;
    let unreadable = |source| Failure::Proof { path: arguments.proof.clone(), source };
    let file = match container::read_file(Kind::Proof, &arguments.proof) {
        Err(error) if error.is_unreadable() => return Err(unreadable(error)),
        Err(error) => return Ok((Err(Refusal::from(error).into()), 0.0)),
        Ok(file) => file,
    };
    let model = arguments.model.as_ref().map(read_model).transpose()?;
    let start = Instant::now();
    let verdict = match &model {
        None => verify_file(arguments.policy, &key, &file).map_err(ModelRefusal::from),
        Some((registration, link)) => verify_model(arguments.policy, &key, None, &file, Model { registration, link }),
    };
    Ok((verdict, start.elapsed().as_secs_f64() * 1e3))
}

fn read_model([registration, link]: &[PathBuf; 2]) -> Result<(Registration, Link), Failure> {
    let of_registration = |source| Failure::Registration { path: registration.clone(), source };
    let of_link = |source| Failure::Link { path: link.clone(), source };
    Ok((Registration::read(registration).map_err(of_registration)?, Link::read(link).map_err(of_link)?))
}

fn report(arguments: &Arguments, verdict: &Result<Statement, ModelRefusal>, verify_ms: f64) {
    match verdict {
        Ok(statement) => {
            statement.insecurities.iter().for_each(|mark| eprintln!("warning: {mark}"));
            match arguments.json {
                true => println!("{}", json!({ "accepted": true, "verify_ms": verify_ms, "statement": statement })),
                false => print!("accepted in {verify_ms:.1} ms\n{statement}"),
            }
        }
        Err(refusal) => {
            eprintln!("refused: {}", printable(&refusal.to_string()));
            if arguments.json {
                let reason = refusal.to_string();
                println!("{}", json!({ "accepted": false, "refusal": refusal.code(), "reason": reason }));
            }
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    match Request::parse(std::env::args_os().skip(1))? {
        Request::Help => print!("{HELP}"),
        Request::Version => println!("zkinfer-verify {}", env!("CARGO_PKG_VERSION")),
        Request::Verify(arguments) => {
            let (verdict, verify_ms) = judge(&arguments)?;
            report(&arguments, &verdict, verify_ms);
            return Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run().unwrap_or_else(|failure| {
        eprintln!("error: {}", printable(&failure.to_string()));
        ExitCode::from(2)
    })
}
