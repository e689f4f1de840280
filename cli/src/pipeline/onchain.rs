//! A verifying key on a chain: the contracts, tried in an EVM in the process before anything is written.

use anyhow::anyhow;
use circuits::digest::{PortDigest, Salt};
use circuits::interface::PublicData;
use evm::{Chain, Outcome as CallOutcome};
use rand_core::OsRng;
use verifier::container::Bytes;
use verifier::encoding::POINT_BYTES;
use verifier::evm::{
    abi, link_verifier_contract, registry_contract, simulate_proof, verifier_contract, weights_registry_contract,
    EvmAddress, EvmModel, ShippedContract,
};
use verifier::key::KeyDescription;
use verifier::srs::{development_tau, SrsMark};
use verifier::{verify, Digest, Proof, Randomness, VerifyingKey};

use crate::exit::{Failure, OrFail, Outcome};

/// The contracts of a key.
pub(crate) struct Contracts {
    /// The verifier of all models.
    pub(crate) verifier: ShippedContract,
    /// Where the model expects it.
    pub(crate) address: EvmAddress,
    /// The model.
    pub(crate) model: EvmModel,
}

impl Contracts {
    /// The contracts for `key`, with the verifier at `address` or else where the common factory puts it.
    ///
    /// # Errors
    /// The key is too large for a contract.
    pub(crate) fn of(key: &VerifyingKey, address: Option<EvmAddress>) -> Outcome<Self> {
        let verifier = verifier_contract();
        let address = address.unwrap_or_else(|| verifier.address());
        let model = EvmModel::new(key).or_refused("the key has no contract")?;
        Ok(Self { verifier, address, model })
    }

    /// The code of the model contract.
    pub(crate) fn runtime_code(&self) -> Vec<u8> {
        self.model.runtime_code(&self.address)
    }

    /// What deploys the model contract.
    pub(crate) fn creation_code(&self) -> Vec<u8> {
        self.model.creation_code(&self.address, &self.verifier.code_hash())
    }
}

/// What was found when the contracts were tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// Gas of an accepted verification, as a transaction of its own.
    pub(crate) verify_gas: u64,
    /// Gas of deploying the verifier.
    pub(crate) deploy_gas: u64,
    /// Gas of deploying the model contract.
    pub(crate) model_gas: u64,
    /// Gas of the entry in the registry.
    pub(crate) entry_gas: u64,
    /// Whether the proof was simulated under a known `τ`.
    pub(crate) simulated: bool,
    /// Corrupted proofs that both sides refused.
    pub(crate) refused: usize,
}

/// Deploys the contracts of `key` in the process and compares their verdicts with the native ones: on `proof`, or else on a
/// proof that is simulated under the development SRS with the key's own commitments, and on corrupted copies of it.
///
/// # Errors
/// The proof is no proof under the key, or a contract can't be deployed or disagrees.
pub(crate) fn try_contracts(key: &VerifyingKey, contracts: &Contracts, proof: Option<&Proof>) -> Outcome<Trial> {
    let (key, proof, simulated) = match proof {
        Some(proof) => (key.clone(), proof.clone(), false),
        None => {
            let (key, proof) = simulated(key)?;
            (key, proof, true)
        }
    };
    verify(&key, &proof.public, &proof).or_refused("the proof is not one under this key")?;
    let mut deployed = Deployed::new(&key, contracts)?;
    let accepted = deployed.call(&key, &proof)?;
    if !accepted.is_true() {
        return Err(disagreement("a proof that the native verifier accepts"));
    }
    let corrupted = corrupted(&key, &proof);
    for (what, proof) in &corrupted {
        let native = verify(&key, &proof.public, proof).is_ok();
        if native || deployed.call(&key, proof)?.boolean() != Some(false) {
            return Err(disagreement(what));
        }
    }
    let Deployed { deploy_gas, model_gas, entry_gas, .. } = deployed;
    Ok(Trial { verify_gas: accepted.gas, deploy_gas, model_gas, entry_gas, simulated, refused: corrupted.len() })
}

/// The contracts on a chain of their own.
struct Deployed {
    chain: Chain,
    model: EvmAddress,
    deploy_gas: u64,
    model_gas: u64,
    entry_gas: u64,
}

impl Deployed {
    fn new(key: &VerifyingKey, contracts: &Contracts) -> Outcome<Self> {
        let mut chain = Chain::new();
        let (_, deploy_gas) =
            chain.deploy(&contracts.verifier.creation_code).or_refused("the verifier is not deployed")?;
        // Where the exported contract expects it: what is tried is what is written.
        let verifier = contracts.address;
        chain.put(verifier, &contracts.verifier.runtime_code);
        let (exported, model_gas) =
            chain.deploy(&contracts.creation_code()).or_refused("the model contract is not deployed")?;
        if chain.code(exported) != contracts.runtime_code() {
            return Err(disagreement("the code of the model contract"));
        }
        // With a simulated proof the key is another one than that of the contracts, in its SRS.
        let tried = EvmModel::new(key).or_refused("the key has no contract")?;
        let creation = tried.creation_code(&verifier, &contracts.verifier.code_hash());
        let (model, _) = chain.deploy(&creation).or_refused("the model contract is not deployed")?;
        let registry = registry_contract();
        let (registry, _) = chain.deploy(&registry.creation_code).or_refused("the registry is not deployed")?;
        let entry = abi::Entry {
            verifier,
            verifier_code_hash: contracts.verifier.code_hash(),
            model,
            model_code_hash: tried.code_hash(&verifier),
            key,
        };
        let entry = chain.call(registry, &abi::register(&entry));
        if entry.output.is_none() {
            return Err(disagreement("the registry does not take the entry; what it is told"));
        }
        Ok(Self { chain, model, deploy_gas, model_gas, entry_gas: entry.gas })
    }

    fn call(&mut self, key: &VerifyingKey, proof: &Proof) -> Outcome<CallOutcome> {
        let instances = key.interface().pack(&proof.public).or_refused("the public values do not fit the key")?;
        Ok(self.chain.call(self.model, &abi::verify_proof(&proof.words.0, &instances)))
    }
}

/// A key with the same commitments on the development SRS, and a proof that was made by knowing its `τ`.
fn simulated(key: &VerifyingKey) -> Outcome<(VerifyingKey, Proof)> {
    let plonk = key.plonk();
    let key = VerifyingKey::assemble(
        KeyDescription { srs: SrsMark::development(), ..key.description().clone() },
        plonk.fixed_commitments().clone(),
        plonk.permutation().commitments().clone(),
    )
    .or_refused("the key on the development SRS")?;
    let values = key.interface().public().map(|port| vec![port.lo; port.elements()]).collect();
    let digests = key.interface().hashed().map(|_| digest_of_nothing(0)).collect();
    let public = PublicData { values, digests };
    let instances = key.interface().pack(&public).or_refused("the lowest values of all ports")?;
    let words = simulate_proof(key.plonk(), &instances, development_tau(), &mut OsRng)
        .or_refused("no proof can be simulated")?;
    let proof = Proof { key: key.digest(), public, randomness: Randomness::System, words: Bytes(words) };
    Ok((key, proof))
}

/// Proofs with one fault each that keeps them well formed, so that the equation itself has to refuse them, and malformed ones.
fn corrupted(key: &VerifyingKey, proof: &Proof) -> Vec<(&'static str, Proof)> {
    let shape = key.proof_shape();
    let evaluations = shape.commitments * POINT_BYTES;
    let words = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = proof.clone();
        change(&mut changed.words.0);
        changed
    };
    let mut corrupted = vec![
        ("two commitments exchanged", words(&|words| words[..2 * POINT_BYTES].rotate_left(POINT_BYTES))),
        ("an evaluation changed", words(&|words| words[evaluations + 31] ^= 1)),
        (
            "the last evaluation changed",
            words(&|words| {
                let last = words.len() - 2 * POINT_BYTES - 1;
                words[last] ^= 1;
            }),
        ),
        (
            "the two points of the opening exchanged",
            words(&|words| {
                let opening = words.len() - 2 * POINT_BYTES;
                words[opening..].rotate_left(POINT_BYTES);
            }),
        ),
        ("a point off the curve", words(&|words| words[63] ^= 1)),
        ("a byte too few", words(&|words| words.truncate(words.len() - 1))),
        ("a byte too many", words(&|words| words.push(0))),
    ];
    corrupted.extend(other_value(key, proof).map(|proof| ("another public value", proof)));
    corrupted
}

/// The proof with one public value or digest changed, if there is any that has a choice.
fn other_value(key: &VerifyingKey, proof: &Proof) -> Option<Proof> {
    let mut changed = proof.clone();
    if let Some(digest) = changed.public.digests.first_mut() {
        *digest = digest_of_nothing(1);
        return Some(changed);
    }
    let (place, port) = key.interface().public().enumerate().find(|(_, port)| port.lo < port.hi)?;
    let value = changed.public.values[place].first_mut()?;
    *value = if *value < port.hi { *value + 1 } else { *value - 1 };
    Some(changed)
}

/// The calls that tell contracts of a link.
pub(crate) struct LinkCalls {
    /// `verifyLink`.
    pub(crate) verify: Vec<u8>,
    /// `certifyBases`.
    pub(crate) certify: Vec<u8>,
    /// `register` of the registration of weights that the link speaks about, with its digest.
    pub(crate) register: Option<(Vec<u8>, Digest)>,
}

/// What was found when a link was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkTrial {
    /// Gas of judging the link as a transaction of its own, and over bases that were certified before.
    pub(crate) verify_gas: u64,
    pub(crate) certified_gas: u64,
    /// Gas of certifying the bases.
    pub(crate) certify_gas: u64,
    /// Gas of registering the weights.
    pub(crate) register_gas: Option<u64>,
    /// Gas of deploying the judge of links, and the registry of weights.
    pub(crate) deploy_gas: u64,
    pub(crate) registry_gas: Option<u64>,
    /// Corrupted links that were refused.
    pub(crate) refused: usize,
}

/// Tries a link, which the native verifier accepts, and corrupted copies of it on a chain in the process.
///
/// # Errors
/// A contract can't be deployed or disagrees.
pub(crate) fn try_link(calls: &LinkCalls) -> Outcome<LinkTrial> {
    let mut chain = Chain::new();
    let deployed = chain.deploy(&link_verifier_contract().creation_code);
    let (judge, deploy_gas) = deployed.or_refused("the verifier of links is not deployed")?;
    let accepted = chain.call(judge, &calls.verify);
    if !accepted.is_true() {
        return Err(disagreement("a link that the native verifier accepts"));
    }
    let mut refused = 0;
    // The last words of the call are the link's: points, then scalars. The lowest bit of every word is changed once.
    for end in (0..calls.verify.len() - 4).step_by(32).take(LINK_WORDS) {
        let mut corrupted = calls.verify.clone();
        let last = corrupted.len() - 1 - end;
        corrupted[last] ^= 1;
        if chain.call(judge, &corrupted).boolean() != Some(false) {
            return Err(disagreement("a link with a changed word"));
        }
        refused += 1;
    }
    let certified = chain.send(judge, &calls.certify);
    let over_certified = chain.call(judge, &calls.verify);
    if !certified.is_true() || !over_certified.is_true() {
        return Err(disagreement("the bases of a link that the native verifier accepts"));
    }
    let (mut register_gas, mut registry_gas) = (None, None);
    if let Some((call, digest)) = &calls.register {
        let deployed = chain.deploy(&weights_registry_contract().creation_code);
        let (registry, gas) = deployed.or_refused("the registry of weights is not deployed")?;
        let outcome = chain.send(registry, call);
        if outcome.output.as_deref() != Some(&digest.0[..]) {
            return Err(disagreement("a registration that the native verifier accepts"));
        }
        (register_gas, registry_gas) = (Some(outcome.gas), Some(gas));
    }
    Ok(LinkTrial {
        verify_gas: accepted.gas,
        certified_gas: over_certified.gas,
        certify_gas: certified.gas,
        register_gas,
        deploy_gas,
        registry_gas,
        refused,
    })
}

/// Words at the end of a call that a link of the fewest blinded rows has: eight points and six scalars.
const LINK_WORDS: usize = 8 * 2 + 6;

/// A digest of nothing in particular, another one for each number.
fn digest_of_nothing(number: u8) -> PortDigest {
    PortDigest::of(&[], Salt::from_bytes([number; Salt::BYTES]))
}

fn disagreement(what: &str) -> Failure {
    Failure::refused(anyhow!("the contract and the native verifier disagree on {what}"))
        .context("nothing was written")
        .remedy("this is a fault of zkinfer: please report it with the verifying key")
}
