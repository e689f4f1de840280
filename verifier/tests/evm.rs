//! The verifier contract in an in-process EVM, against the proof library's verifier: the same verdict on everything.
//!
//! Keys have random commitments, and accepted proofs are simulated by knowing `τ`: to a verifier they are proofs like any
//! other, and they cost nothing to make.

mod common;
mod onchain;

use std::sync::LazyLock;

use circuits::graph::Visibility;
use circuits::interface::{Direction, Interface, InterfacePort};
use circuits::machine::{Arrangement, ColumnSet, FixedColumn, MachineParams, Strides, WeightLanes};
use evm::Chain;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::Curve;
use onchain::{tau_g2, OnChain, Subject};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use verifier::encoding::{encode_point, encode_scalar, POINT_BYTES, SCALAR_BYTES};
use verifier::evm::{abi, gas_model, verifier_contract, CostError, EvmCosts, EvmError, EvmModel, MAX_CODE_BYTES};
use verifier::shape::ProofShape;

fn all_optional() -> ColumnSet {
    let mut set = ColumnSet::default();
    (0..FixedColumn::OPTIONAL).for_each(|bit| set.insert(bit));
    set
}

fn folded(strides: [u32; 4]) -> Arrangement {
    Arrangement::Folded(Strides(strides))
}

fn smallest() -> MachineParams {
    MachineParams { k: 5, units: 1, weights: 1, tables: 1, ..MachineParams::default() }
}

/// The smallest machine with all that a machine may have, and private weights beside public ones.
fn full() -> MachineParams {
    MachineParams { optional: all_optional(), weight_lanes: WeightLanes::Both, ..smallest() }
}

/// A subject with an accepted proof.
struct Accepted {
    subject: Subject,
    proof: Vec<u8>,
}

impl Accepted {
    fn new(params: MachineParams, words: usize, seed: u64) -> Self {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let subject = Subject::random(params, words, &mut random);
        let proof = subject.simulate(&mut random);
        Self { subject, proof }
    }

    fn shape(&self) -> ProofShape {
        ProofShape::of(self.subject.key.cs())
    }

    /// Bytes where the points of the proof start.
    fn points(&self) -> Vec<usize> {
        let shape = self.shape();
        let opening = self.proof.len() - 2 * POINT_BYTES;
        let commitments = (0..shape.commitments).map(|index| index * POINT_BYTES);
        commitments.chain([opening, opening + POINT_BYTES]).collect()
    }

    /// Bytes where the scalars of the proof start.
    fn scalars(&self) -> Vec<usize> {
        let shape = self.shape();
        (0..shape.evaluations).map(|index| shape.commitments * POINT_BYTES + index * SCALAR_BYTES).collect()
    }
}

/// One subject for all tests of refusals.
fn accepted() -> &'static Accepted {
    static ACCEPTED: LazyLock<Accepted> = LazyLock::new(|| Accepted::new(smallest(), 3, 7));
    &ACCEPTED
}

/// A folded machine, whose columns are opened at many points.
fn accepted_folded() -> &'static Accepted {
    static ACCEPTED: LazyLock<Accepted> = LazyLock::new(|| {
        let params = MachineParams { k: 12, arrangement: folded([8, 1, 4, 3]), ..full() };
        Accepted::new(params, 3, 12)
    });
    &ACCEPTED
}

/// Gas that a refusal may take: less than a verification, so no failing precompile has burnt what it was given.
const REFUSAL_GAS: u64 = 700_000;

fn refuse(chain: &mut OnChain, proof: &[u8], instances: &[Fr], what: &str) {
    let outcome = chain.verify(proof, instances);
    assert_eq!(outcome.boolean(), Some(false), "{what}");
    assert!(outcome.gas < REFUSAL_GAS, "{what}: {} gas", outcome.gas);
}

/// `bytes` as a number, plus `modulus`, where that fits 32 bytes.
fn plus(bytes: &[u8], modulus: &[u8; 32]) -> Option<[u8; 32]> {
    let (mut sum, mut carry) = ([0; 32], 0);
    for i in (0..32).rev() {
        let digit = u16::from(bytes[i]) + u16::from(modulus[i]) + carry;
        (sum[i], carry) = (digit as u8, digit >> 8);
    }
    (carry == 0).then_some(sum)
}

/// The modulus of a field, from its largest element.
fn modulus<F: PrimeField<Repr = [u8; 32]>>() -> [u8; 32] {
    let mut bytes = (-F::ONE).to_repr();
    bytes.reverse();
    bytes[31] += 1;
    bytes
}

fn with(proof: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = proof.to_vec();
    changed[at..][..bytes.len()].copy_from_slice(bytes);
    changed
}

#[test]
fn proofs_of_all_members_are_accepted() {
    let small = smallest();
    let members = [
        small,
        MachineParams { k: 17, weights: 4, ..full() },
        MachineParams { k: 12, units: 5, weights: 17, tables: 2, ..full() },
        MachineParams { k: 12, weights: 3, arrangement: folded([4, 1, 4, 4]), ..full() },
        MachineParams { k: 18, units: 2, arrangement: folded([24, 4, 8, 9]), ..full() },
    ];
    for (seed, (params, words)) in
        members.into_iter().flat_map(|params| [0, 1, 30].map(|words| (params, words))).enumerate()
    {
        let Accepted { subject, proof } = Accepted::new(params, words, seed as u64);
        assert!(subject.accepts(&proof, &subject.instances), "{params:?}: the library accepts");
        let mut chain = OnChain::new(&subject);
        let outcome = chain.verify(&proof, &subject.instances);
        assert!(outcome.is_true(), "{params:?}, {words} words");
    }
}

/// Members of all shapes.
fn some_member(random: &mut ChaCha20Rng) -> MachineParams {
    let mut pick = |count: u32| random.next_u32() % count;
    let density = pick(4);
    let mut optional = ColumnSet::default();
    (0..FixedColumn::OPTIONAL).filter(|_| pick(4) <= density).for_each(|bit| optional.insert(bit));
    let strides = [1 + pick(16), 1 + pick(6), 1 + pick(12), 1 + pick(12)];
    let arrangement = if pick(3) == 0 { Arrangement::Parallel } else { folded(strides) };
    let (units, weights, tables) = (1 + pick(4), 1 + pick(20), 1 + pick(3));
    let private = FixedColumn::WeightPrivate.optional_bit().is_some_and(|bit| optional.contains(bit));
    let weight_lanes = match (private, pick(2)) {
        (false, _) => WeightLanes::Public,
        (true, 0) => WeightLanes::Private,
        (true, _) => WeightLanes::Both,
    };
    MachineParams {
        k: 8 + pick(14),
        units,
        weights,
        weight_lanes,
        tables,
        port_columns: pick(3),
        optional,
        arrangement,
    }
}

/// An interface of so many public words.
fn interface(words: usize) -> Interface {
    let port = common::port("x", Direction::Input, Visibility::Public, i64::from(u32::MAX));
    Interface { ports: vec![InterfacePort { shape: vec![port.values_per_word() * words], ..port }] }
}

/// What no contract can hold has no price, and is never chosen.
#[test]
fn machines_too_wide_for_a_contract_are_refused() {
    let wide = MachineParams { weights: MachineParams::MAX_WEIGHTS, ..full() };
    assert!(matches!(EvmCosts::of(wide, &interface(1)), Err(CostError::Evm(EvmError::TooLarge { .. }))));
    assert_eq!(gas_model(&wide, 1), u64::MAX);
}

/// The formula of gas against the EVM.
#[test]
fn gas_is_within_one_percent_of_what_was_told() {
    let mut random = ChaCha20Rng::seed_from_u64(11);
    let mut tried = 0;
    while tried < 24 {
        let params = some_member(&mut random);
        let words = random.next_u32() as usize % 40;
        let Ok(costs) = EvmCosts::of(params, &interface(words)) else { continue };
        let subject = Subject::random(params, words, &mut random);
        let proof = subject.simulate(&mut random);
        let mut chain = OnChain::new(&subject);
        let outcome = chain.verify(&proof, &subject.instances);
        assert!(outcome.is_true(), "{params:?}");
        assert!(costs.verify_gas.abs_diff(outcome.gas) * 100 < outcome.gas, "{params:?}: {costs:?}, {}", outcome.gas);
        let [_, deployed] = chain.deploy_gas;
        assert!(costs.model_gas.abs_diff(deployed) * 50 < deployed, "{params:?}: {costs:?}, deployed for {deployed}");
        assert_eq!(costs.model_bytes, chain.model.runtime_code(&chain.verifier).len());
        assert_eq!(costs.calldata_bytes, abi::verify_proof(&proof, &subject.instances).len());
        tried += 1;
    }
}

#[test]
fn every_changed_word_is_refused() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    assert!(chain.verify(proof, &subject.instances).is_true());
    for at in (0..proof.len()).step_by(32) {
        for (byte, bit) in [(0, 0x80), (0, 1), (15, 4), (31, 1)] {
            let changed = with(proof, at + byte, &[proof[at + byte] ^ bit]);
            refuse(&mut chain, &changed, &subject.instances, &format!("word {}, byte {byte}", at / 32));
        }
        refuse(&mut chain, &with(proof, at, &[0; 32]), &subject.instances, "a word of zeros");
        refuse(&mut chain, &with(proof, at, &[0xff; 32]), &subject.instances, "a word of ones");
    }
}

#[test]
fn words_plus_the_modulus_are_refused() {
    let accepted = accepted();
    let Accepted { subject, proof } = accepted;
    let mut chain = OnChain::new(subject);
    let coordinates = accepted.points().into_iter().flat_map(|at| [(at, modulus::<Fq>()), (at + 32, modulus::<Fq>())]);
    let scalars = accepted.scalars().into_iter().map(|at| (at, modulus::<Fr>()));
    let mut tried = 0;
    for (at, modulus) in coordinates.chain(scalars) {
        let mut word = proof[at..][..32].to_vec();
        while let Some(sum) = plus(&word, &modulus) {
            refuse(&mut chain, &with(proof, at, &sum), &subject.instances, &format!("byte {at} plus a modulus"));
            word = sum.to_vec();
            tried += 1;
        }
    }
    assert!(tried >= 4 * proof.len() / 32);
}

#[test]
fn instances_plus_the_order_are_refused() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    let call = abi::verify_proof(proof, &subject.instances);
    let first = call.len() - 32 * subject.instances.len();
    for index in 0..subject.instances.len() {
        let at = first + 32 * index;
        let mut word = call[at..][..32].to_vec();
        while let Some(sum) = plus(&word, &modulus::<Fr>()) {
            let outcome = chain.chain.call(chain.contract, &with(&call, at, &sum));
            assert_eq!(outcome.boolean(), Some(false), "instance {index}");
            word = sum.to_vec();
        }
        let outcome = chain.chain.call(chain.contract, &with(&call, at, &[0xff; 32]));
        assert_eq!(outcome.boolean(), Some(false), "instance {index}");
    }
}

#[test]
fn other_points_are_refused() {
    let accepted = accepted();
    let Accepted { subject, proof } = accepted;
    let mut chain = OnChain::new(subject);
    let mut random = ChaCha20Rng::seed_from_u64(8);
    let points = accepted.points();
    for (index, &at) in points.iter().enumerate() {
        let y: [u8; 32] = proof[at + 32..][..32].try_into().expect("32 bytes");
        let negated = {
            let mut repr = y;
            repr.reverse();
            let mut bytes = (-Fq::from_repr(repr).expect("a coordinate")).to_repr();
            bytes.reverse();
            bytes
        };
        let other = (G1Affine::generator() * Fr::random(&mut random)).to_affine();
        let other = encode_point(&other).expect("not at infinity");
        let neighbour = &proof[points[(index + 1) % points.len()]..][..POINT_BYTES];
        refuse(&mut chain, &with(proof, at + 32, &negated), &subject.instances, &format!("point {index} negated"));
        refuse(&mut chain, &with(proof, at, &other), &subject.instances, &format!("another point {index}"));
        refuse(&mut chain, &with(proof, at, neighbour), &subject.instances, &format!("point {index} repeated"));
        refuse(&mut chain, &with(proof, at, &[0; 64]), &subject.instances, &format!("point {index} at infinity"));
    }
}

#[test]
fn other_lengths_are_refused() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    for length in [0, 1, 31, 32, 64, proof.len() / 2, proof.len() - 64, proof.len() - 32, proof.len() - 1] {
        refuse(&mut chain, &proof[..length], &subject.instances, &format!("{length} bytes"));
    }
    for more in [1, 32, 64] {
        let longer = [&proof[..], &vec![0; more]].concat();
        refuse(&mut chain, &longer, &subject.instances, &format!("{more} bytes more"));
    }
    let instances = &subject.instances;
    refuse(&mut chain, proof, &instances[..2], "a word less");
    refuse(&mut chain, proof, &[], "no words");
    refuse(&mut chain, proof, &[&instances[..], &[Fr::ZERO]].concat(), "a zero more");
}

#[test]
fn other_instances_are_refused() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    let [a, b, c] = subject.instances[..] else { unreachable!("three words") };
    for (what, instances) in [
        ("the first changed", [a + Fr::ONE, b, c]),
        ("the last changed", [a, b, c - Fr::ONE]),
        ("exchanged", [b, a, c]),
        ("rotated", [b, c, a]),
        ("zeros", [Fr::ZERO; 3]),
    ] {
        refuse(&mut chain, proof, &instances, what);
        assert!(!subject.accepts(proof, &instances), "{what}: natively");
    }
}

#[test]
fn other_keys_refuse() {
    let Accepted { subject, proof } = accepted();
    let other = Accepted::new(smallest(), 3, 9);
    let mut chain = OnChain::new(&other.subject);
    refuse(&mut chain, proof, &subject.instances, "a key with other commitments");
    let mut chain = OnChain::new(subject);
    refuse(&mut chain, &other.proof, &other.subject.instances, "a proof of another key");
    // The same commitments under another SRS.
    let other_tau = (halo2_proofs::halo2curves::bn256::G2Affine::generator() * Fr::from(5)).to_affine();
    let model = EvmModel::of(&subject.key, 3, &other_tau).expect("the system is one of ours");
    refuse(&mut OnChain::with(model), proof, &subject.instances, "another SRS");
}

/// Calldata whose offsets and lengths lie: never an exception, and never another proof than the one that the offsets name.
#[test]
fn malformed_calldata_is_refused() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    let call = abi::verify_proof(proof, &subject.instances);
    let word = |number: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&number.to_be_bytes());
        word
    };
    let huge = [[0xff; 32], with(&[0; 32], 0, &[0x80]).try_into().expect("32 bytes"), word(u64::MAX), word(1 << 32)];
    let instances_at = call.len() - 32 * (subject.instances.len() + 1);
    for at in [4, 36, 68, instances_at] {
        for value in huge.iter().copied().chain([0, 1, 31, 33, 64, call.len() as u64 - 4, call.len() as u64].map(word))
        {
            let changed = with(&call, at, &value);
            let outcome = chain.chain.call(chain.contract, &changed);
            let expected = Some(changed == call);
            assert_eq!(outcome.boolean(), expected, "the word at {at} as {value:x?}");
        }
    }
    for length in [4, 5, 36, 67, 68, 100, instances_at, call.len() - 1] {
        let outcome = chain.chain.call(chain.contract, &call[..length]);
        assert_eq!(outcome.boolean(), Some(false), "{length} bytes of calldata");
    }
    // The same arguments behind the model and its hash.
    let named =
        abi::verify_proof_of(&chain.contract, &chain.model.code_hash(&chain.verifier), proof, &subject.instances);
    for at in [68, 100, 132, named.len() - 32 * (subject.instances.len() + 1)] {
        for value in huge.iter().copied().chain([0, 1, 31, 33, 64, named.len() as u64].map(word)) {
            let changed = with(&named, at, &value);
            let outcome = chain.chain.call(chain.verifier, &changed);
            assert_eq!(outcome.boolean(), Some(changed == named), "the word at {at} as {value:x?}");
        }
    }
    // Arguments in another order are the same arguments.
    let padded = proof.len().next_multiple_of(32);
    let mut shuffled = call[..4].to_vec();
    let words = 32 * (subject.instances.len() + 1);
    shuffled.extend(word(64 + words as u64));
    shuffled.extend(word(64));
    shuffled.extend(&call[instances_at..]);
    shuffled.extend(&call[68..68 + 32 + padded]);
    assert!(chain.chain.call(chain.contract, &shuffled).is_true());
    // What follows the arguments is nobody's.
    assert!(chain.chain.call(chain.contract, &[&call[..], &[0xff; 40]].concat()).is_true());
}

#[test]
fn only_code_with_the_right_hash_is_a_model() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    let (verifier, contract) = (chain.verifier, chain.contract);
    let hash = chain.model.code_hash(&verifier);
    let mut call = |model, hash| {
        chain.chain.call(verifier, &abi::verify_proof_of(&model, &hash, proof, &subject.instances)).boolean()
    };
    assert_eq!(call(contract, hash), Some(true));
    assert_eq!(call(contract, [0; 32]), Some(false), "another hash");
    assert_eq!(call(verifier, verifier_contract().code_hash()), Some(false), "the verifier is no model");
    let nobody = [0x77; 20];
    for empty in [[0; 32], verifier::evm::keccak(&[]), hash] {
        assert_eq!(call(nobody, empty), Some(false), "an address without code");
    }
    assert_eq!(call(Chain::ACCOUNT, verifier::evm::keccak(&[])), Some(false), "an account without code");
    // Called itself, the verifier finds no model in its own code.
    let direct = chain.chain.call(verifier, &abi::verify_proof(proof, &subject.instances));
    assert_eq!(direct.boolean(), Some(false));
    // Upper bits of an address are not ignored.
    let mut dirty = abi::verify_proof_of(&contract, &hash, proof, &subject.instances);
    dirty[4] = 1;
    assert_eq!(chain.chain.call(verifier, &dirty).boolean(), Some(false));
    // An address without code returns nothing, which is no boolean.
    assert_eq!(chain.chain.call(nobody, &abi::verify_proof(proof, &subject.instances)).boolean(), None);
}

#[test]
fn a_model_is_deployed_over_the_right_verifier_alone() {
    let subject = &accepted().subject;
    let model = EvmModel::of(&subject.key, 3, &tau_g2()).expect("the system is one of ours");
    let shipped = verifier_contract();
    let mut chain = Chain::new();
    let nobody = [0x77; 20];
    assert!(chain.deploy(&model.creation_code(&nobody, &shipped.code_hash())).is_err(), "no verifier");
    let (verifier, _) = chain.deploy(&shipped.creation_code).expect("the verifier is deployed");
    assert!(chain.deploy(&model.creation_code(&verifier, &[1; 32])).is_err(), "another hash");
    assert!(chain.deploy(&model.creation_code(&verifier, &shipped.code_hash())).is_ok());
    assert!(model.runtime_code(&verifier).len() <= MAX_CODE_BYTES);
}

#[test]
fn too_little_gas_is_no_verdict() {
    let Accepted { subject, proof } = accepted();
    let mut chain = OnChain::new(subject);
    let call = abi::verify_proof(proof, &subject.instances);
    let full = chain.verify(proof, &subject.instances).gas;
    for part in 1..40 {
        let outcome = chain.chain.call_with_gas(chain.contract, &call, full * part / 40);
        assert_eq!(outcome.output, None, "{part} fortieths of the gas");
    }
}

/// A proof that is changed at random in a way that keeps every word valid, so that the equation itself decides; or at random.
fn mutate(accepted: &Accepted, random: &mut ChaCha20Rng) -> (Vec<u8>, Vec<Fr>) {
    let (mut proof, mut instances) = (accepted.proof.clone(), accepted.subject.instances.clone());
    let (points, scalars) = (accepted.points(), accepted.scalars());
    let mut pick = |count: usize| random.next_u64() as usize % count;
    match pick(8) {
        0 => {
            let at = pick(proof.len());
            proof[at] ^= 1 << pick(8);
        }
        1 => {
            let (from, to) = (points[pick(points.len())], points[pick(points.len())]);
            proof.copy_within(from..from + POINT_BYTES, to);
        }
        2 => {
            let (from, to) = (scalars[pick(scalars.len())], scalars[pick(scalars.len())]);
            proof.copy_within(from..from + SCALAR_BYTES, to);
        }
        3 => {
            let at = scalars[pick(scalars.len())];
            proof[at..][..SCALAR_BYTES].copy_from_slice(&encode_scalar(&Fr::random(&mut *random)));
        }
        4 => {
            let at = points[pick(points.len())];
            let point = (G1Affine::generator() * Fr::random(&mut *random)).to_affine();
            proof[at..][..POINT_BYTES].copy_from_slice(&encode_point(&point).expect("not at infinity"));
        }
        5 => {
            let at = pick(instances.len());
            instances[at] = Fr::random(&mut *random);
        }
        6 => {
            let length = pick(proof.len() + 64);
            proof.resize(length, 0);
        }
        // Nothing is changed: the proof is accepted.
        _ => {}
    }
    (proof, instances)
}

/// Cases of the comparison below.
const CASES: u64 = 10_000;
const THREADS: u64 = 2;

#[test]
fn both_verifiers_give_the_same_verdict() {
    let verdicts = |thread: u64| {
        let mut random = ChaCha20Rng::seed_from_u64(100 + thread);
        let mut accepting = 0;
        // A machine with a column for each logical one, and a folded one.
        let accepted = if thread == 0 { accepted() } else { accepted_folded() };
        let mut chain = OnChain::new(&accepted.subject);
        for case in 0..CASES / THREADS {
            let (proof, instances) = mutate(accepted, &mut random);
            let native = accepted.subject.accepts(&proof, &instances);
            let outcome = chain.verify(&proof, &instances);
            assert_eq!(outcome.boolean(), Some(native), "thread {thread}, case {case}");
            accepting += u64::from(native);
        }
        accepting
    };
    let accepting: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || verdicts(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no verdict differs")).sum()
    });
    assert!((CASES / 16..CASES / 4).contains(&accepting), "{accepting} of {CASES} cases are accepted");
}
