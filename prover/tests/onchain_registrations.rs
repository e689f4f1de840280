//! The registry of private weights in an in-process EVM, against the native verifier of registrations: the same verdict, and the same
//! digest.

#[path = "support/words.rs"]
mod words;

use circuits::machine::Integers;
use evm::{Chain, Outcome};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use prover::registration::register;
use prover::srs::Srs;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use verifier::encoding::{encode_point, encode_scalar, POINT_BYTES, SCALAR_BYTES};
use verifier::evm::link::side_hash;
use verifier::evm::registration::{register as call_of, RegisterError};
use verifier::evm::{keccak, weights_registry_contract, EvmAddress, MAX_CODE_BYTES};
use verifier::link::Side;
use verifier::registration::RegistrationTerms;
use verifier::Registration;
use words::plus;

/// The registry on a chain of its own.
struct Registry {
    chain: Chain,
    contract: EvmAddress,
    deploy_gas: u64,
}

impl Registry {
    fn new() -> Self {
        let mut chain = Chain::new();
        let (contract, deploy_gas) = chain.deploy(&weights_registry_contract().creation_code).expect("it is deployed");
        Self { chain, contract, deploy_gas }
    }

    /// Registers; what stays is what the transaction leaves.
    fn register(&mut self, srs: &Srs, registration: &Registration) -> Outcome {
        let call = call_of(srs.mark(), registration).expect("the name is of ASCII");
        self.chain.send(self.contract, &call)
    }

    /// Whether the registry takes the registration, as the native verifier does.
    fn agreed(&mut self, srs: &Srs, registration: &Registration, what: &str) -> bool {
        let native = registration.verify(srs.mark()).is_ok();
        let call = call_of(srs.mark(), registration).expect("the name is of ASCII");
        let outcome = self.chain.call(self.contract, &call);
        assert_eq!(outcome.output.is_some(), native, "{what}");
        native
    }

    fn side_hash_of(&mut self, registration: &Registration) -> Vec<u8> {
        let selector = &keccak(b"sideHashOf(bytes32)")[..4];
        let outcome = self.chain.call(self.contract, &[selector, &registration.digest().0].concat());
        outcome.output.expect("it is a view")
    }
}

/// Columns of weights, most of them short ones.
fn columns(k: u32, count: usize) -> Vec<Integers> {
    let rows = (1usize << k) - 6;
    let column = |column: usize| {
        let rows = if column.is_multiple_of(3) { rows } else { rows / 2 };
        (0..rows as i64).map(|row| (row * 7919 + column as i64 * 104_729) % 65_536 - 32_768).collect::<Vec<_>>().into()
    };
    (0..count).map(column).collect()
}

fn registered(srs: &Srs, name: &str, count: usize) -> Registration {
    register(srs, name, &columns(srs.k(), count), &|_| ()).expect("they are in range").registration().clone()
}

fn parts(registration: &Registration) -> (RegistrationTerms, Vec<Vec<u8>>) {
    (registration.terms().clone(), registration.proofs().map(<[u8]>::to_vec).collect())
}

#[test]
fn registrations_are_taken_under_their_digest() {
    let mut registry = Registry::new();
    assert!(weights_registry_contract().runtime_code.len() <= MAX_CODE_BYTES);
    // Limbs of four bits and of eight; one proof and two; the fewest columns and as many as a proof has.
    for (k, count) in [(5, 1), (8, 3), (9, 1), (9, 2), (9, 16), (10, 17), (11, 8)] {
        let srs = Srs::development(k).expect("a possible size");
        let registration = registered(&srs, "a model, \"private\"", count);
        assert!(registry.agreed(&srs, &registration, "an honest registration"), "{count} columns of 2^{k} rows");
        assert_eq!(registry.side_hash_of(&registration), [0; 32]);
        let outcome = registry.register(&srs, &registration);
        assert_eq!(outcome.output.as_deref(), Some(&registration.digest().0[..]), "{count} columns of 2^{k} rows");
        let hash = side_hash(&Side::of_registration(&registration)).expect("no point is at infinity");
        assert_eq!(registry.side_hash_of(&registration), hash);
        println!("2^{k} rows, {count} columns: {} gas, {} to deploy", outcome.gas, registry.deploy_gas);
        // Again, which changes nothing.
        assert_eq!(registry.register(&srs, &registration).output.as_deref(), Some(&registration.digest().0[..]));
    }
}

#[test]
fn every_changed_word_is_refused() {
    let srs = Srs::development(9).expect("a possible size");
    let registration = registered(&srs, "model", 2);
    let mut registry = Registry::new();
    let call = call_of(srs.mark(), &registration).expect("the name is of ASCII");
    let taken = registry.chain.call(registry.contract, &call).output;
    assert!(taken.is_some());
    for word in 0..(call.len() - 4) / 32 {
        let mut changed = call.clone();
        changed[4 + 32 * word + 31] ^= 1;
        // What lies behind the end of the name or a proof is no part of it.
        let outcome = registry.chain.call(registry.contract, &changed).output;
        assert!(outcome.is_none() || outcome == taken, "word {word}");
        let padding = outcome.is_some();
        assert!(!padding || call[4 + 32 * word + 31] == 0, "word {word}");
    }
}

#[test]
fn registrations_of_others_are_refused() {
    let srs = Srs::development(9).expect("a possible size");
    let mut registry = Registry::new();
    let [one, two] = ["one", "two"].map(|name| registered(&srs, name, 17));
    let ((terms, proofs), (_, others)) = (parts(&one), parts(&two));
    let with = |terms: RegistrationTerms, proofs: Vec<Vec<u8>>| Registration::new(terms, proofs).expect("well-formed");
    let refuse = |registry: &mut Registry, registration: Registration, what: &str| {
        assert!(!registry.agreed(&srs, &registration, what), "{what}");
    };
    let renamed = RegistrationTerms { name: "six".into(), ..terms.clone() };
    refuse(&mut registry, with(renamed, proofs.clone()), "the same commitments under another name");
    refuse(&mut registry, with(terms.clone(), vec![proofs[0].clone(), others[1].clone()]), "another's proof");
    let alone = registered(&srs, "one", 16);
    refuse(&mut registry, with(terms.clone(), vec![parts(&alone).1[0].clone(), proofs[1].clone()]), "of fewer columns");
    // On another SRS, in name and in truth.
    let elsewhere = RegistrationTerms { srs: verifier::Digest([7; 32]), ..terms };
    refuse(&mut registry, with(elsewhere, proofs), "another SRS");
}

#[test]
fn names_that_the_registry_does_not_take_are_told() {
    let srs = Srs::development(9).expect("a possible size");
    let registration = registered(&srs, "modèle", 1);
    let refused = call_of(srs.mark(), &registration);
    assert!(matches!(&refused, Err(RegisterError::Name { name }) if name == "modèle"), "{refused:?}");
    // Nor does the contract take it, whoever makes the call.
    let ascii = registered(&srs, "modele", 1);
    let mut call = call_of(srs.mark(), &ascii).expect("the name is of ASCII");
    let at = call.windows(6).position(|window| window == b"modele").expect("it is there");
    call[at + 1] = 0x7f;
    let mut registry = Registry::new();
    assert_eq!(registry.chain.call(registry.contract, &call).output, None);
}

/// What the native reader refuses for its form, the registry refuses too.
#[test]
fn words_have_one_form() {
    let srs = Srs::development(9).expect("a possible size");
    let registration = registered(&srs, "model", 1);
    let mut registry = Registry::new();
    let call = call_of(srs.mark(), &registration).expect("the name is of ASCII");
    let (_, proofs) = parts(&registration);
    let start = call.windows(32).position(|window| window == &proofs[0][..32]).expect("it is there");
    let end = start + proofs[0].len();
    let values = end - 128 - SCALAR_BYTES * 8;
    let points = (start..values).chain(end - 128..end).step_by(POINT_BYTES);
    let mut refuse = |change: &dyn Fn(&mut Vec<u8>), what: String| {
        let mut call = call.clone();
        change(&mut call);
        assert_eq!(registry.chain.call(registry.contract, &call).output, None, "{what}");
    };
    for at in points {
        refuse(&|call| call[at..][..64].fill(0), format!("infinity at {at}"));
        refuse(&|call| call[at + 63] ^= 1, format!("off the curve at {at}"));
        refuse(&|call| plus::<Fq>(&mut call[at..][..32]), format!("x plus the modulus at {at}"));
        refuse(&|call| plus::<Fq>(&mut call[at + 32..][..32]), format!("y plus the modulus at {at}"));
    }
    for at in (values..end - 128).step_by(SCALAR_BYTES) {
        refuse(&|call| plus::<Fr>(&mut call[at..][..32]), format!("scalar plus the order at {at}"));
    }
}

#[test]
fn too_little_gas_registers_nothing() {
    let srs = Srs::development(9).expect("a possible size");
    let registration = registered(&srs, "model", 1);
    let mut registry = Registry::new();
    let call = call_of(srs.mark(), &registration).expect("the name is of ASCII");
    let full = registry.chain.call(registry.contract, &call).gas;
    for part in 1..40 {
        let outcome = registry.chain.call_with_gas(registry.contract, &call, full * part / 40);
        assert_eq!(outcome.output, None, "{part} fortieths of the gas");
    }
}

/// A proof that is changed at random, mostly so that every word stays valid and the equation itself decides; or that is not changed.
fn mutate(columns: usize, proof: &mut [u8], random: &mut ChaCha20Rng) {
    let evaluations = 3 * columns + 5;
    let points = (proof.len() - SCALAR_BYTES * evaluations) / POINT_BYTES;
    let values = (points - 2) * POINT_BYTES;
    let mut pick = |count: usize| random.next_u64() as usize % count;
    let point_at = |index: usize| {
        if index < points - 2 {
            index * POINT_BYTES
        } else {
            proof.len() - (points - index) * POINT_BYTES
        }
    };
    let [from, to] = [point_at(pick(points)), point_at(pick(points))];
    let [value, other] = [(); 2].map(|()| values + SCALAR_BYTES * pick(evaluations));
    match pick(6) {
        0 => proof.copy_within(from..from + POINT_BYTES, to),
        1 => proof.copy_within(value..value + SCALAR_BYTES, other),
        2 => proof[value..][..SCALAR_BYTES].copy_from_slice(&encode_scalar(&Fr::random(&mut *random))),
        3 => {
            let point: G1Affine = (G1Affine::generator() * Fr::random(&mut *random)).to_affine();
            proof[to..][..POINT_BYTES].copy_from_slice(&encode_point(&point).expect("not at infinity"));
        }
        _ => {}
    }
}

const CASES: usize = 400;

#[test]
fn both_verifiers_give_the_same_verdict() {
    let mut random = ChaCha20Rng::seed_from_u64(3);
    let mut registry = Registry::new();
    let srs = Srs::development(9).expect("a possible size");
    let honest = [1, 4].map(|count| registered(&srs, "model", count));
    let mut accepting = 0;
    for case in 0..CASES {
        let honest = &honest[case % honest.len()];
        let (terms, mut proofs) = parts(honest);
        mutate(terms.columns as usize, &mut proofs[0], &mut random);
        let registration = Registration::new(terms, proofs).expect("it keeps its form");
        accepting += usize::from(registry.agreed(&srs, &registration, &format!("case {case}")));
    }
    assert!((CASES / 6..CASES / 2).contains(&accepting), "{accepting} of {CASES} cases are accepted");
}
