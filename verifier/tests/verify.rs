//! Judging proofs: what is true is accepted, and each way to be wrong is refused by its name.

mod common;

use std::sync::LazyLock;

use common::{public, Fixture, StandIn, WEIGHTS};
use proptest::prelude::*;
use verifier::container::Bytes;
use verifier::encoding::{PointError, POINT_BYTES, SCALAR_BYTES};
use verifier::srs::SrsOrigin;
use verifier::statement::Insecurity;
use verifier::{
    verify, verify_file, verify_under, Digest, Policy, Proof, PublicData, Randomness, Refusal, VerifyingKey,
};

const INPUTS: [u64; 3] = [7, 11, 13];

/// `q` and `r`, big-endian.
const Q: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
const R: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";

fn fixture() -> &'static Fixture {
    static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| Fixture::new(WEIGHTS, SrsOrigin::Development));
    &FIXTURE
}

fn refusal(key: &VerifyingKey, public: &PublicData, proof: &Proof) -> Refusal {
    verify(key, public, proof).expect_err("the proof is wrong")
}

/// The refusal of `proof` with other words, for its own public values.
fn refusal_of_words(key: &VerifyingKey, proof: &Proof, words: Vec<u8>) -> Refusal {
    refusal(key, &proof.public, &Proof { words: Bytes(words), ..proof.clone() })
}

/// The word at `offset` plus `modulus`, if that fits 32 bytes.
fn plus(words: &[u8], offset: usize, modulus: &str) -> Option<Vec<u8>> {
    let mut words = words.to_vec();
    let mut carry = 0;
    for i in (0..32).rev() {
        let digit = u16::from_str_radix(&modulus[2 * i..][..2], 16).expect("hexadecimal");
        let sum = u16::from(words[offset + i]) + digit + carry;
        words[offset + i] = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(words)
}

#[test]
fn a_true_proof_is_accepted_and_its_statement_told() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    assert_eq!(proof.words.0.len(), fixture.key.proof_shape().bytes());
    let statement = verify(&fixture.key, &public(INPUTS), &proof).expect("it is true");
    assert_eq!(statement.key, fixture.key.digest());
    assert_eq!(statement.program, Digest::of(b"program"));
    assert_eq!(statement.ports[3].values, Some(vec![2 * 7 + 3 * 11 + 5 * 13]));
    assert_eq!(statement.ports[3].reals, Some(vec![56.0]));
    assert_eq!(statement.ports[2].values, None, "a private port tells nothing");
    assert_eq!(statement.insecurities, [Insecurity::DevelopmentSrs, Insecurity::SeededRandomness]);
    assert_eq!(
        statement.summary,
        "The prover knows \"c\" (kept private, in range), such that the program, whose weights are public in the key, \
         on the public \"a\", \"b\" gives exactly the public \"y\"."
    );
    let text = statement.to_string();
    assert!(text.contains("INSECURE") && text.contains("output   \"y\" [1]: 56\n"), "{text}");
}

#[test]
fn a_proof_without_marks_is_accepted_by_the_strict() {
    let fixture = Fixture::new(WEIGHTS, SrsOrigin::Imported);
    let proof = Proof { randomness: Randomness::System, ..fixture.prove(INPUTS) };
    let statement = verify_under(Policy::RequireSecure, &fixture.key, &public(INPUTS), &proof).expect("no marks");
    assert_eq!(statement.insecurities, []);
}

#[test]
fn file() {
    let fixture = fixture();
    let file = fixture.prove(INPUTS).to_file().expect("it is small");
    verify_file(Policy::AcceptMarked, &fixture.key, &file).expect("it is true");
    let refused = |file: &[u8]| verify_file(Policy::AcceptMarked, &fixture.key, file).expect_err("damaged").code();
    assert_eq!(refused(&file[1..]), "file");
    assert_eq!(refused(&[&file[..], &[0]].concat()), "file");
    assert_eq!(refused(fixture.key.file()), "file", "a key in place of a proof");
}

#[test]
fn insecure_srs() {
    let fixture = fixture();
    let result = verify_under(Policy::RequireSecure, &fixture.key, &public(INPUTS), &fixture.prove(INPUTS));
    assert!(matches!(result, Err(Refusal::InsecureSrs)), "{result:?}");
}

#[test]
fn seeded_randomness() {
    let fixture = Fixture::new(WEIGHTS, SrsOrigin::Imported);
    let result = verify_under(Policy::RequireSecure, &fixture.key, &public(INPUTS), &fixture.prove(INPUTS));
    assert!(matches!(result, Err(Refusal::SeededRandomness)), "{result:?}");
}

#[test]
fn key_digest() {
    let (one, other) = (fixture(), &Fixture::new([2, 3, 0, 6], SrsOrigin::Development));
    let proof = one.prove(INPUTS);
    let refused = refusal(&other.key, &proof.public, &proof);
    let digests = (other.key.digest(), one.key.digest());
    assert!(matches!(refused, Refusal::KeyDigest { expected, found } if (expected, found) == digests), "{refused}");
    // With the digest rewritten, the equation still binds the key.
    let renamed = Proof { key: other.key.digest(), ..proof };
    assert!(matches!(refusal(&other.key, &renamed.public, &renamed), Refusal::Equation));
}

#[test]
fn public_tensors() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    let with = |values: &[Vec<i64>]| PublicData { values: values.to_vec(), ..PublicData::default() };
    for public in [with(&[]), with(&proof.public.values[..2])] {
        let refused = refusal(&fixture.key, &public, &proof);
        assert!(matches!(refused, Refusal::PublicTensors { expected: 3, .. }), "{refused}");
        let told = Proof { public, ..proof.clone() };
        let refused = refusal(&fixture.key, &proof.public, &told);
        assert!(matches!(refused, Refusal::PublicTensors { expected: 3, .. }), "{refused}");
    }
}

#[test]
fn public_length() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    for values in [vec![], vec![7, 0]] {
        let mut public = proof.public.clone();
        public.values[0] = values;
        let refused = refusal(&fixture.key, &public, &proof);
        assert!(matches!(&refused, Refusal::PublicLength { port, expected: 1, .. } if port == "a"), "{refused}");
        let refused = refusal(&fixture.key, &proof.public, &Proof { public, ..proof.clone() });
        assert!(matches!(&refused, Refusal::PublicLength { port, expected: 1, .. } if port == "a"), "{refused}");
    }
}

#[test]
fn public_range() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    for value in [-1, 101, i64::MIN, i64::MAX] {
        let mut public = proof.public.clone();
        public.values[1][0] = value;
        let refused = refusal(&fixture.key, &public, &Proof { public: public.clone(), ..proof.clone() });
        assert!(matches!(&refused, Refusal::PublicRange { port, lo: 0, hi: 100, .. } if port == "b"), "{refused}");
    }
}

#[test]
fn public_differs() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    let asked = public([8, 11, 13]);
    let refused = refusal(&fixture.key, &asked, &proof);
    assert!(matches!(&refused, Refusal::PublicDiffers { port, index: 0 } if port == "a"), "{refused}");
}

#[test]
fn proof_length() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    let right = proof.words.0.len();
    let extended = [&proof.words.0[..], &[0]].concat();
    let doubled = proof.words.0.repeat(2);
    for words in (0..right).map(|length| proof.words.0[..length].to_vec()).chain([extended, doubled]) {
        let length = words.len();
        let refused = refusal_of_words(&fixture.key, &proof, words);
        let lengths = (right, length);
        assert!(matches!(refused, Refusal::ProofLength { expected, found } if (expected, found) == lengths));
    }
}

/// Offsets of all points and of all scalars of a proof.
fn words_of(key: &VerifyingKey) -> (Vec<usize>, Vec<usize>) {
    let shape = key.proof_shape();
    let scalars_start = shape.commitments * POINT_BYTES;
    let scalars_end = scalars_start + shape.evaluations * SCALAR_BYTES;
    let points = (0..scalars_start).step_by(POINT_BYTES).chain((scalars_end..shape.bytes()).step_by(POINT_BYTES));
    (points.collect(), (scalars_start..scalars_end).step_by(SCALAR_BYTES).collect())
}

#[test]
fn point() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    for (at, offset) in words_of(&fixture.key).0.into_iter().enumerate() {
        let refuse = |words: Vec<u8>| match refusal_of_words(&fixture.key, &proof, words) {
            Refusal::Point { index, error } if index == at => error,
            other => panic!("point {at}: {other}"),
        };
        let mut identity = proof.words.0.clone();
        identity[offset..][..POINT_BYTES].fill(0);
        assert_eq!(refuse(identity), PointError::Identity);
        let mut shifted = proof.words.0.clone();
        shifted[offset + POINT_BYTES - 1] ^= 1;
        assert_eq!(refuse(shifted), PointError::OffCurve);
        for coordinate in [offset, offset + 32] {
            let words = plus(&proof.words.0, coordinate, Q).expect("2q < 2^256");
            assert_eq!(refuse(words), PointError::Coordinate);
        }
    }
}

#[test]
fn scalar() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    for (at, offset) in words_of(&fixture.key).1.into_iter().enumerate() {
        let words = plus(&proof.words.0, offset, R).expect("2r < 2^256");
        let refused = refusal_of_words(&fixture.key, &proof, words);
        assert!(matches!(refused, Refusal::Scalar { index } if index == at), "{refused}");
    }
}

#[test]
fn equation() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    let (points, scalars) = words_of(&fixture.key);
    let flipped = |offset: usize| {
        let mut words = proof.words.0.clone();
        words[offset] ^= 1;
        words
    };
    for offset in scalars {
        let refused = refusal_of_words(&fixture.key, &proof, flipped(offset + 31));
        assert!(matches!(refused, Refusal::Equation), "scalar at {offset}: {refused}");
    }
    // Another valid point in place of each: its neighbour's.
    for pair in points.windows(2) {
        let mut words = proof.words.0.clone();
        words.copy_within(pair[1]..pair[1] + POINT_BYTES, pair[0]);
        let refused = refusal_of_words(&fixture.key, &proof, words);
        assert!(matches!(refused, Refusal::Equation), "point at {}: {refused}", pair[0]);
    }
}

#[test]
fn a_false_claim_fails_the_equation() {
    let fixture = fixture();
    let mut claimed = public(INPUTS);
    claimed.values[2][0] += 1;
    let proof = fixture.prove_claiming(INPUTS, claimed.clone());
    assert!(matches!(refusal(&fixture.key, &claimed, &proof), Refusal::Equation));
    // A true proof whose file was given other values.
    let proof = Proof { public: claimed.clone(), ..fixture.prove(INPUTS) };
    assert!(matches!(refusal(&fixture.key, &claimed, &proof), Refusal::Equation));
}

#[test]
fn a_proof_under_another_srs_fails_the_equation() {
    let (one, other) = (Fixture::new(WEIGHTS, SrsOrigin::Imported), Fixture::new(WEIGHTS, SrsOrigin::Development));
    let proof = Proof { key: other.key.digest(), ..one.prove(INPUTS) };
    assert!(matches!(refusal(&other.key, &proof.public, &proof), Refusal::Equation));
}

#[test]
fn no_changed_byte_is_accepted() {
    let fixture = fixture();
    let proof = fixture.prove(INPUTS);
    for offset in 0..proof.words.0.len() {
        let mut words = proof.words.0.clone();
        words[offset] ^= 1 << (offset % 8);
        refusal_of_words(&fixture.key, &proof, words);
    }
}

#[test]
fn refusals_have_distinct_codes() {
    let container = || verifier::container::ContainerError::Magic;
    let port = String::new;
    let digest = Digest([0; 32]);
    let all = [
        Refusal::File(container()),
        Refusal::DegreeOverride(verifier::DegreeOverride),
        Refusal::InsecureSrs,
        Refusal::SeededRandomness,
        Refusal::KeyDigest { expected: digest, found: digest },
        Refusal::PublicTensors { expected: 0, found: 0 },
        Refusal::PublicLength { port: port(), expected: 0, found: 0 },
        Refusal::PublicRange { port: port(), index: 0, lo: 0, hi: 0 },
        Refusal::PublicDiffers { port: port(), index: 0 },
        Refusal::ProofLength { expected: 0, found: 0 },
        Refusal::Point { index: 0, error: PointError::Identity },
        Refusal::Scalar { index: 0 },
        Refusal::Equation,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), all.len());
}

#[test]
fn the_key_of_the_file_is_the_key() {
    let fixture = fixture();
    let again = VerifyingKey::from_file_for::<StandIn>(fixture.key.file().to_vec()).expect("it was just written");
    assert_eq!(again.digest(), fixture.key.digest());
    assert_eq!(again.plonk().transcript_repr(), fixture.plonk.get_vk().transcript_repr());
    verify(&again, &public(INPUTS), &fixture.prove(INPUTS)).expect("it is true");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_words_are_refused(seed in any::<u64>(), changes in 1usize..5) {
        let fixture = fixture();
        let proof = fixture.prove(INPUTS);
        let mut words = proof.words.0.clone();
        for change in 0..changes as u64 {
            let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17 * change as u32 + 1);
            let offset = random as usize % words.len();
            words[offset] = words[offset].wrapping_add((random >> 32) as u8 | 1);
        }
        prop_assume!(words != proof.words.0);
        refusal_of_words(&fixture.key, &proof, words);
    }

    #[test]
    fn any_proof_file_is_judged(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        let fixture = fixture();
        let file = verifier::container::frame(verifier::container::Kind::Proof, &payload).expect("it is small");
        prop_assert!(verify_file(Policy::AcceptMarked, &fixture.key, &file).is_err());
    }
}
