//! `zkinfer evm link`: links on an Ethereum chain.

use std::fs;
use std::path::Path;

use serde_json::{json, Value};
use verifier::container::{self, Kind};
use verifier::encoding::{encode_point, encode_point2};
use verifier::evm::link::{bases_of, certify_bases, side_hash, values_word, verify_link};
use verifier::evm::registration::register;
use verifier::evm::{link_verifier_contract, weights_registry_contract, ShippedContract, DEPLOYER};
use verifier::link::{
    blinded_rows, sides_of, verify_chain, Chain, ChainRefusal, Linkable, LinkedPort, LinkedSide, Member, Side,
};
use verifier::srs::SrsMark;
use verifier::{Commitment, Link, Policy, Refusal, Registration, VerifyingKey};

use crate::args::EvmLinkArgs;
use crate::artifacts;
use crate::commands::evm::{hex, pretty, remove};
use crate::commands::verify::refused_chain;
use crate::exit::{Failure, OrFail, Outcome};
use crate::pipeline::keys;
use crate::pipeline::onchain::{try_link, LinkCalls, LinkTrial};
use crate::printer::{bytes, Printer};
use crate::report::Report;

/// Verifies all that a link speaks about, tries the contracts, and writes what they are told.
///
/// # Errors
/// A file can't be used or written, something is refused, or a contract disagrees with the native verifier.
pub(crate) fn run(args: &EvmLinkArgs, printer: Printer) -> Outcome {
    let keys = args.vk.iter().map(|path| keys::read_key(path)).collect::<Outcome<Vec<_>>>()?;
    let files =
        args.proof.iter().map(|path| container::read_file(Kind::Proof, path).or_misuse(path.display().to_string()));
    let files = files.collect::<Outcome<Vec<_>>>()?;
    if keys.len() != files.len() {
        let fault = anyhow::anyhow!("{} keys are given for {} proofs", keys.len(), files.len());
        return Err(Failure::misuse(fault).remedy("give one --vk for each --proof, in their order"));
    }
    let path = args.link.clone().unwrap_or_else(|| artifacts::link_of(&args.proof[0]));
    let link = Link::read(&path).or_misuse(path.display().to_string())?;
    let registration = args.model.as_deref().map(|path| Registration::read(path).or_misuse(path.display().to_string()));
    let commitment =
        args.commitment.as_deref().map(|path| Commitment::read(path).or_misuse(path.display().to_string()));
    let exported = Exported::new(Given {
        policy: if args.force { Policy::AcceptMarked } else { Policy::RequireSecure },
        members: keys.iter().zip(&files).map(|(key, file)| Member { key, file }).collect(),
        registration: registration.transpose()?,
        commitment: commitment.transpose()?,
        link,
    })?;
    let trial = printer.stage("contracts", None, || try_link(&exported.calls()?))?;
    exported.write(&args.out, trial)?;
    exported.print(&args.out, trial, printer)
}

/// What the command is given.
struct Given<'a> {
    policy: Policy,
    members: Vec<Member<'a>>,
    registration: Option<Registration>,
    commitment: Option<Commitment>,
    link: Link,
}

/// A link that was verified with all that it speaks about.
struct Exported<'a> {
    given: Given<'a>,
    srs: SrsMark,
    sides: [(Side, LinkedSide); 2],
}

impl<'a> Exported<'a> {
    fn new(given: Given<'a>) -> Outcome<Self> {
        let (commitments, registrations) = (given.commitment.as_slice(), given.registration.as_slice());
        let links = std::slice::from_ref(&given.link);
        let chain = verify_chain(given.policy, &given.members, commitments, registrations, links);
        // Who names a model is given nothing of a proof that may be about another.
        let chain = match given.registration {
            Some(_) => chain.and_then(Chain::require_registered),
            None => chain,
        };
        chain.map_err(refused_link)?;
        let sides = sides_of(&given.members, commitments, registrations, &given.link).map_err(refused_chain)?;
        let srs = given.members[0].key.description().srs;
        Ok(Self { given, srs, sides })
    }

    fn side(&self, index: usize) -> &Side {
        &self.sides[index].0
    }

    fn bases(&self) -> &[u8] {
        bases_of(&self.given.link, blinded_rows(self.side(0), self.side(1)))
    }

    fn calls(&self) -> Outcome<LinkCalls> {
        let (from, to, link) = (self.side(0), self.side(1), &self.given.link);
        let registered = self.given.registration.as_ref();
        let register = registered.map(|registration| {
            let call = register(&self.srs, registration).or_refused("the registration has no call")?;
            Ok::<_, Failure>((call, registration.digest()))
        });
        Ok(LinkCalls {
            verify: verify_link(&self.srs, from, to, link).or_refused("the link has no call")?,
            certify: certify_bases(&self.srs, from.k(), self.bases()).or_refused("the bases have no call")?,
            register: register.transpose()?,
        })
    }

    fn write(&self, folder: &Path, trial: LinkTrial) -> Outcome {
        let calls = self.calls()?;
        fs::create_dir_all(folder).or_misuse(format!("{}: the folder can't be made", folder.display()))?;
        // What an earlier export left does not go with this one. The description is removed first and written last.
        for name in ["link.json", "weightsRegistry.bin", "registration.hex"] {
            remove(&folder.join(name))?;
        }
        let write = |name: &str, text: String| artifacts::write(&folder.join(name), format!("{text}\n").as_bytes());
        write("linkVerifier.bin", hex(&link_verifier_contract().creation_code))?;
        write("link.hex", hex(&calls.verify))?;
        write("bases.hex", hex(&calls.certify))?;
        if let Some((call, _)) = &calls.register {
            write("weightsRegistry.bin", hex(&weights_registry_contract().creation_code))?;
            write("registration.hex", hex(call))?;
        }
        write("link.json", pretty(&self.description(trial)?))
    }

    fn description(&self, trial: LinkTrial) -> Outcome<Value> {
        let tau = encode_point2(&self.srs.tau_g2()).or_refused("the SRS")?;
        let registration = self.given.registration.as_ref();
        let sides = [0, 1].map(|index| self.side_json(index));
        let [from, to] = sides;
        Ok(json!({
            "format": "zkinfer-evm-link",
            "version": 1,
            "insecure": self.srs.is_insecure(),
            "srs": hex(&self.srs.digest().0),
            "tau": hex(&tau),
            "from": from?,
            "to": to?,
            "link": hex(&self.given.link.words.0),
            "bases": hex(self.bases()),
            "contracts": {
                "linkVerifier": contract(&link_verifier_contract()),
                "weightsRegistry": registration.map(|_| contract(&weights_registry_contract())),
            },
            "registration": registration.map(|registration| json!({
                "digest": hex(&registration.digest().0),
                "name": registration.terms().name,
            })),
            "gas": {
                "rules": "osaka",
                "verify": trial.verify_gas,
                "verifyOverCertifiedBases": trial.certified_gas,
                "certifyBases": trial.certify_gas,
                "register": trial.register_gas,
                "deployLinkVerifier": trial.deploy_gas,
                "deployWeightsRegistry": trial.registry_gas,
            },
            "tried": { "corruptedRefused": trial.refused },
        }))
    }

    /// A side as contracts have it, and the part of a key's proofs that it is.
    fn side_json(&self, index: usize) -> Outcome<Value> {
        let (side, linked) = &self.sides[index];
        let hash = side_hash(side).or_refused("a side has no encoding")?;
        let points = side.points().iter().map(encode_point).collect::<Result<Vec<_>, _>>().or_refused("a side")?;
        let port = [self.given.link.from, self.given.link.to][index].port;
        let proof = match linked {
            LinkedSide::Port { proof, .. } | LinkedSide::Weights { proof } => Some(*proof),
            LinkedSide::Commitment(_) | LinkedSide::Registration { .. } => None,
        };
        let found = proof.and_then(|proof| {
            let key = self.given.members[proof].key;
            let linkable = Linkable::of(key).into_iter().find(|linkable| linkable.port == port)?;
            Some(part(key, &linkable))
        });
        Ok(json!({
            "is": linked.to_string(),
            "proof": proof,
            "part": found,
            "hash": hex(&hash),
            "side": {
                "srs": hex(&side.srs().0),
                "k": side.k(),
                "blindedRows": side.blinded_rows(),
                "values": hex(&values_word(side.content())),
                "context": hex(side.context()),
                "points": hex(&points.concat()),
            },
        }))
    }

    fn print(&self, folder: &Path, trial: LinkTrial, printer: Printer) -> Outcome {
        let [from, to] = [0, 1].map(|index| &self.sides[index].1);
        printer.field("linked", format_args!("{from} = {to}"))?;
        printer
            .field("tried", format_args!("the link accepted, {} corrupted ones refused, as natively", trial.refused))?;
        let columns = self.side(0).points().len();
        let words = bytes(self.given.link.words.0.len() as u64);
        printer.field("link", format_args!("{words}, {columns} columns"))?;
        let gas = format!(
            "{} to verify, {} over bases that were certified ({} once)",
            trial.verify_gas, trial.certified_gas, trial.certify_gas
        );
        printer.field("gas", gas)?;
        if let Some(gas) = trial.register_gas {
            printer.field("registration", format_args!("{gas} gas to register"))?;
        }
        printer.field("written", folder.display())?;
        if self.srs.is_insecure() {
            printer.warn(verifier::statement::Insecurity::DevelopmentSrs);
        }
        let report = Report::new("evm link")
            .with("link_gas", trial.verify_gas)
            .with("certified_link_gas", trial.certified_gas)
            .with("certify_gas", trial.certify_gas)
            .with("register_gas", trial.register_gas)
            .with("deploy_gas", trial.deploy_gas)
            .with("columns", columns)
            .with("insecure_srs", self.srs.is_insecure())
            .with("corrupted_refused", trial.refused);
        printer.report(&report)
    }
}

/// The failure of a link that is refused, or that nobody should rely on.
fn refused_link(refusal: ChainRefusal) -> Failure {
    let insecure =
        matches!(&refusal, ChainRefusal::Proof { refusal: Refusal::InsecureSrs | Refusal::SeededRandomness, .. });
    let failure = refused_chain(refusal);
    match insecure {
        true => failure
            .remedy("make keys with `zkinfer setup --srs` and one of a public ceremony; --force exports for tests"),
        false => failure,
    }
}

/// What a contract pins of the columns that can be linked.
pub(crate) fn part(key: &VerifyingKey, linkable: &Linkable) -> Value {
    let description = key.description();
    let ports = &key.interface().ports;
    let is = match linkable.port {
        LinkedPort::WEIGHTS => json!("weights"),
        port => json!(ports[port as usize].name),
    };
    json!({
        "is": is,
        "key": hex(&key.digest().0),
        "srs": hex(&description.srs.digest().0),
        "values": hex(&values_word(linkable.content)),
        "k": description.params.k,
        "blindedRows": description.params.blinded_rows(),
        "firstColumn": linkable.columns.start,
        "columns": linkable.columns.len(),
        "port": linkable.port,
    })
}

/// Where a contract of this release lies, and what it is.
fn contract(shipped: &ShippedContract) -> Value {
    json!({
        "address": hex(&shipped.address()),
        "factory": hex(&DEPLOYER),
        "salt": hex(&[0; 32]),
        "codeHash": hex(&shipped.code_hash()),
        "codeBytes": shipped.runtime_code.len(),
        "compiler": shipped.compiler,
    })
}
