//! `zkinfer evm`: proofs on an Ethereum chain.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use circuits::interface::InterfacePort;
use serde_json::{json, Value};
use verifier::encoding::encode_scalar;
use verifier::evm::{abi, keccak, DEPLOYER};
use verifier::link::Linkable;
use verifier::statement::Insecurity;
use verifier::{Proof, Randomness, Refusal, VerifyingKey};

use crate::args::{EvmCommand, EvmExportArgs};
use crate::artifacts;
use crate::commands::evm_link::{self, part};
use crate::commands::verify::report;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::pipeline::onchain::{try_contracts, Contracts, Trial};
use crate::printer::{bytes, Printer};

/// Runs a command of the group.
///
/// # Errors
/// A file can't be used or written, or a contract disagrees with the native verifier.
pub(crate) fn run(command: &EvmCommand, printer: Printer) -> Outcome {
    match command {
        EvmCommand::Export(args) => export(args, printer),
        EvmCommand::Link(args) => evm_link::run(args, printer),
    }
}

fn export(args: &EvmExportArgs, printer: Printer) -> Outcome {
    let key = keys::read_key(&args.vk)?;
    let proof = args.proof.as_deref().map(read_proof).transpose()?;
    let randomness = proof.as_ref().map_or(Randomness::System, |proof| proof.randomness);
    let marks = Insecurity::of(&key, randomness);
    if let (Some(&mark), false) = (marks.first(), args.force) {
        return Err(Failure::refused(Refusal::from(mark)).remedy(match mark {
            Insecurity::DevelopmentSrs => {
                "make keys with `zkinfer setup --srs` and an SRS of a public ceremony; --force exports for tests"
            }
            Insecurity::SeededRandomness => "make another proof; --force exports this one for tests",
        }));
    }
    let contracts = Contracts::of(&key, args.verifier.map(|address| address.0))?;
    let trial = printer.stage("contracts", None, || try_contracts(&key, &contracts, proof.as_ref()))?;
    let files = Export { key: &key, contracts: &contracts, trial, proof: proof.as_ref(), marks: &marks };
    files.write(&args.out)?;
    files.print(&args.out, printer)?;
    if key.description().params.weight_lanes.has_private() {
        printer.warn(
            "the weights are private, and the contract accepts proofs with whatever weights: \
             ask for a link to registered ones besides (`zkinfer evm link`)",
        );
    }
    marks.iter().for_each(|mark| printer.warn(mark));
    files.report(printer)
}

fn read_proof(path: &Path) -> Outcome<Proof> {
    Proof::read(path).or_misuse(format!("{}: not a usable proof", path.display()))
}

/// What is exported.
struct Export<'a> {
    key: &'a VerifyingKey,
    contracts: &'a Contracts,
    trial: Trial,
    proof: Option<&'a Proof>,
    /// Reasons not to rely on them.
    marks: &'a [Insecurity],
}

impl Export<'_> {
    /// The call that verifies the proof, and its instance words.
    fn call(&self) -> Outcome<Option<(Vec<u8>, Value)>> {
        let Some(proof) = self.proof else { return Ok(None) };
        let words = self.key.interface().pack(&proof.public).or_refused("the public values do not fit the key")?;
        let call = abi::verify_proof(&proof.words.0, &words);
        let words: Vec<_> = words.iter().map(|word| hex(&encode_scalar(word))).collect();
        Ok(Some((call, json!({ "proof": hex(&proof.words.0), "instances": words }))))
    }

    fn write(&self, folder: &Path) -> Outcome {
        let call = self.call()?;
        fs::create_dir_all(folder).or_misuse(format!("{}: the folder can't be made", folder.display()))?;
        // What an earlier export left does not go with this one. The manifest is removed first and written last.
        for name in ["manifest.json", "calldata.hex", "proof.json"] {
            remove(&folder.join(name))?;
        }
        let write = |name: &str, text: String| artifacts::write(&folder.join(name), format!("{text}\n").as_bytes());
        write("verifier.bin", hex(&self.contracts.verifier.creation_code))?;
        write("model.bin", hex(&self.contracts.creation_code()))?;
        artifacts::write(&folder.join("abi.json"), abi::INTERFACE.as_bytes())?;
        if let Some((call, proof)) = call {
            write("calldata.hex", hex(&call))?;
            write("proof.json", pretty(&proof))?;
        }
        write("manifest.json", pretty(&self.manifest()))
    }

    fn manifest(&self) -> Value {
        let description = self.key.description();
        let Contracts { verifier, address, model } = self.contracts;
        let by_factory = *address == verifier.address();
        json!({
            "format": "zkinfer-evm-export",
            "version": 1,
            "insecure": self.marks.contains(&Insecurity::DevelopmentSrs),
            "seeded": self.marks.contains(&Insecurity::SeededRandomness),
            "verifier": {
                "address": hex(address),
                "factory": by_factory.then(|| hex(&DEPLOYER)),
                "salt": by_factory.then(|| hex(&[0; 32])),
                "codeHash": hex(&verifier.code_hash()),
                "creationHash": hex(&keccak(&verifier.creation_code)),
                "codeBytes": verifier.runtime_code.len(),
                "compiler": verifier.compiler,
            },
            "model": {
                "name": description.model,
                "codeHash": hex(&model.code_hash(address)),
                "creationHash": hex(&keccak(&self.contracts.creation_code())),
                "codeBytes": self.contracts.runtime_code().len(),
                "proofBytes": model.proof_bytes(),
                "commitments": model.costs().commitments,
            },
            "digests": {
                "program": hex(&description.program.0),
                "key": hex(&self.key.digest().0),
                "source": hex(&description.source.0),
                "srs": hex(&description.srs.digest().0),
            },
            "interface": {
                "words": self.key.interface().words(),
                "ports": self.key.interface().ports.iter().map(port).collect::<Vec<_>>(),
            },
            "linkable": Linkable::of(self.key).iter().map(|linkable| part(self.key, linkable)).collect::<Vec<_>>(),
            "gas": {
                "rules": "osaka",
                "verify": self.trial.verify_gas,
                "deployVerifier": self.trial.deploy_gas,
                "deployModel": self.trial.model_gas,
                "registryEntry": self.trial.entry_gas,
            },
            "tried": {
                "proof": if self.trial.simulated { "simulated under a known tau" } else { "given" },
                "corruptedRefused": self.trial.refused,
            },
        })
    }

    fn print(&self, folder: &Path, printer: Printer) -> Outcome {
        let Contracts { verifier, address, model } = self.contracts;
        let trial = &self.trial;
        let tried = if trial.simulated { "a simulated proof" } else { "the proof" };
        printer
            .field("tried", format_args!("{tried} accepted, {} corrupted ones refused, as natively", trial.refused))?;
        printer.field("verifier", format_args!("{}, {}", hex(address), bytes(verifier.runtime_code.len() as u64)))?;
        printer.field(
            "model",
            format_args!(
                "{} of code, {} commitments, {} a proof",
                bytes(self.contracts.runtime_code().len() as u64),
                model.costs().commitments,
                bytes(model.proof_bytes() as u64)
            ),
        )?;
        printer.field(
            "gas",
            format_args!(
                "{} to verify, {} to deploy and register the model, {} to deploy the verifier, once per chain",
                trial.verify_gas,
                trial.model_gas + trial.entry_gas,
                trial.deploy_gas
            ),
        )?;
        printer.field("written", folder.display())
    }

    fn report(&self, printer: Printer) -> Outcome {
        let trial = &self.trial;
        let mut report = report("evm export", self.key);
        report.commitments = Some(self.contracts.model.costs().commitments as u64);
        report.proof_bytes = Some(self.contracts.model.proof_bytes() as u64);
        let calldata = self.contracts.model.costs().calldata_bytes;
        printer.report(
            &report
                .with("verify_gas", trial.verify_gas)
                .with("deploy_gas", trial.deploy_gas)
                .with("register_gas", trial.model_gas + trial.entry_gas)
                .with("code_bytes", self.contracts.verifier.runtime_code.len())
                .with("vk_bytes", self.contracts.runtime_code().len())
                .with("calldata_bytes", calldata)
                .with("insecure_srs", self.marks.contains(&Insecurity::DevelopmentSrs))
                .with("simulated_proof", trial.simulated)
                .with("corrupted_refused", trial.refused),
        )
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Outcome {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::refused(error).context(format!("{}: the file can't be replaced", path.display())))
        }
        _ => Ok(()),
    }
}

fn port(port: &InterfacePort) -> Value {
    let (mantissa, exponent) = abi::exact_scale(port.scale);
    json!({
        "name": port.name,
        "nameHash": hex(&keccak(port.name.as_bytes())),
        "direction": port.direction,
        "visibility": port.visibility,
        "kind": port.kind,
        "shape": port.shape,
        "elements": port.elements(),
        "lo": port.lo.to_string(),
        "hi": port.hi.to_string(),
        "bits": port.bits(),
        "valuesPerWord": port.values_per_word(),
        "words": port.words(),
        "scale": { "mantissa": mantissa.to_string(), "exponent": exponent },
    })
}

/// JSON for people, too.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON values have string keys")
}

/// Bytes as `0x…`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
