//! Proofs about hashed ports: what they tell, and what they do not.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use circuits::digest::{PortDigest, Salt};
use circuits::graph::Visibility;
use circuits::layout::LayoutOptions;
use halo2_proofs::halo2curves::bn256::Fr;
use prover::srs::Srs;
use prover::{Engine, EngineOptions, Plan, ProveError, ProveOptions, Proved, Prover, ProvingKey};
use support::ProgramBuilder;
use verifier::{verify, Proof, PublicData, Refusal};

/// A small network whose input and one of whose outputs are hashed; the other output is public.
fn network() -> (ProgramBuilder, Vec<Vec<i64>>) {
    let mut builder = support::cnn(2);
    builder.program.inputs[0].visibility = Visibility::Hashed;
    builder.program.outputs[0].visibility = Visibility::Hashed;
    let inputs = builder.inputs();
    (builder, inputs)
}

fn keys(builder: &ProgramBuilder, engine: Engine) -> (ProvingKey, Srs) {
    let plan = Plan::new(builder.program.clone(), LayoutOptions::default()).expect("the program has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    (plan.setup_by(engine, &srs, &()).expect("the SRS fits").0, srs)
}

/// The digests by the definition.
fn digests(key: &ProvingKey, proved: &Proved) -> Vec<PortDigest> {
    let program = key.plan().program();
    let values = [program.inputs[0].tensor, program.outputs[0].tensor].map(|tensor| proved.trace.tensor(tensor));
    let ports = key.verifying_key().interface().hashed().zip(values).zip(&proved.salts);
    ports.map(|((port, values), &salt)| port.digest(values, salt).expect("in range")).collect()
}

#[test]
fn both_engines_prove_the_digests_of_the_definition() {
    let (builder, inputs) = network();
    let (key, srs) = keys(&builder, Engine::Native);
    let (stock, _) = keys(&builder, Engine::Stock);
    assert_eq!(key.verifying_key().file(), stock.verifying_key().file());
    let read = ProvingKey::from_file(&key.to_file().expect("it is small")).expect("it was just written");
    for engine in [Engine::Native, Engine::Stock] {
        let options = EngineOptions { engine, ..EngineOptions::default() };
        let prover = Prover::new(&read, &srs, &options, &()).expect("the SRS fits");
        let checked = ProveOptions { check: true, ..ProveOptions::default() };
        let [one, two] = [0, 1].map(|_| prover.prove(&inputs, &checked, &()).expect("admissible"));
        assert_eq!(one.proof.public.digests, digests(&key, &one));
        assert_ne!(one.proof.public.digests, two.proof.public.digests, "salts are drawn anew");
        let statement = verify(stock.verifying_key(), &one.proof.public, &one.proof).expect("it is true");
        assert_eq!(statement.ports[0].digest, Some(one.proof.public.digests[0]));
        assert_eq!((&statement.ports[0].values, &statement.ports[1].values), (&None, &None));
        assert_eq!(
            statement.summary,
            "The prover knows \"input0\" (whose salted digest is given, in range), such that the program, whose weights \
             are public in the key, gives exactly the public \"output1\", and \"output0\" (whose salted digest is given)."
        );
        let again = prover.prove_salted(&inputs, &one.salts, &checked, &()).expect("admissible");
        assert_eq!(again.proof.public, one.proof.public, "the digest is a function of values and salt");
    }
}

#[test]
fn other_digests_are_refused() {
    let (builder, inputs) = network();
    let (key, srs) = keys(&builder, Engine::Native);
    let prover = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    let proof = prover.prove(&inputs, &ProveOptions::default(), &()).expect("admissible").proof;
    let key = key.verifying_key();
    for index in 0..2 {
        let mut public = proof.public.clone();
        public.digests[index] = PortDigest::from_word(public.digests[index].word() + Fr::from(1));
        let asked = verify(key, &public, &proof);
        assert!(matches!(asked, Err(Refusal::DigestDiffers { .. })), "{asked:?}");
        let told = verify(key, &public, &Proof { public: public.clone(), ..proof.clone() });
        assert!(matches!(told, Err(Refusal::Equation)), "{told:?}");
    }
    let mut swapped = proof.public.clone();
    swapped.digests.swap(0, 1);
    assert!(matches!(
        verify(key, &swapped, &Proof { public: swapped.clone(), ..proof.clone() }),
        Err(Refusal::Equation)
    ));
    let fewer = PublicData { digests: proof.public.digests[..1].to_vec(), ..proof.public.clone() };
    let refused = verify(key, &fewer, &proof);
    assert!(matches!(refused, Err(Refusal::PublicDigests { expected: 2, found: 1 })), "{refused:?}");
    let refused = verify(key, &proof.public, &Proof { public: fewer, ..proof.clone() });
    assert!(matches!(refused, Err(Refusal::PublicDigests { .. })), "{refused:?}");
}

#[test]
fn a_proof_tells_neither_values_nor_salts() {
    let (builder, inputs) = network();
    let (key, srs) = keys(&builder, Engine::Native);
    let prover = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    let salts = [0xa5, 0x5a].map(|byte| Salt::from_bytes([byte; Salt::BYTES]));
    let proved = prover.prove_salted(&inputs, &salts, &ProveOptions::default(), &()).expect("admissible");
    let file = proved.proof.to_file().expect("it is small");
    assert!(!file.windows(Salt::BYTES).any(|window| window == [0xa5; 16] || window == [0x5a; 16]));
    assert_eq!(proved.proof.public.values.len(), 1, "the public output alone");
    assert!(!format!("{proved:?}").contains("a5a5"));
    let read = Proof::from_file(&file).expect("it was just written");
    assert_eq!(read, proved.proof);
    let error = prover.prove_salted(&inputs, &salts[..1], &ProveOptions::default(), &()).expect_err("one is missing");
    assert!(matches!(error, ProveError::Salts { expected: 2, found: 1 }), "{error}");
}
