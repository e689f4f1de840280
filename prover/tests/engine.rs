//! Our own prover on random circuits: the library's verifier accepts what it makes, on every engine.

#[path = "support/random_circuit.rs"]
mod random_circuit;

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{keygen_vk, verify_proof, VerifyingKey};
use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::{TranscriptReadBuffer, TranscriptWriterBuffer as Writer};
use proptest::prelude::*;
use prover::engine::{CpuEngine, CpuOptions, Engine, NaiveEngine};
use prover::field::Instructions;
use prover::plonk::circuit::{preprocess, CircuitSource};
use prover::plonk::key::CircuitKey;
use prover::plonk::prove::prove;
use prover::plonk::randomness::Randomness;
use prover::plonk::synthesis::CircuitWitness;
use random_circuit::{random_circuits, RandomCircuit};
use verifier::transcript::KeccakTranscript;

/// An SRS with the power behind its last.
struct Setup {
    params: ParamsKZG<Bn256>,
    lagrange: Vec<G1Affine>,
    next_power: G1Affine,
}

fn setup(k: u32) -> Setup {
    use rand_core::SeedableRng;
    let large = ParamsKZG::<Bn256>::setup(k + 1, rand_chacha::ChaCha20Rng::seed_from_u64(9));
    let powers = large.get_g();
    let params = large.from_parts(k, powers[..1 << k].to_vec(), None, large.g2(), large.s_g2());
    let unit = |row| {
        let mut values = vec![Fr::zero(); 1 << k];
        values[row] = Fr::one();
        let domain = halo2_proofs::poly::EvaluationDomain::new(2, k);
        params.commit_lagrange(&domain.lagrange_from_vec(values), Blind::default()).to_affine()
    };
    let lagrange = (0..1 << k).map(unit).collect();
    Setup { next_power: powers[1 << k], lagrange, params }
}

fn proof<E: Engine>(setup: &Setup, engine: &E, circuit: &RandomCircuit, key: &VerifyingKey<G1Affine>) -> Vec<u8> {
    let (_, preprocessed) = preprocess(circuit.k(), circuit).expect("it can be synthesized");
    let commitments = preprocessed.commit(engine).expect("they fit");
    assert_eq!(&commitments.fixed, key.fixed_commitments());
    assert_eq!(&commitments.permutation, key.permutation().commitments());
    let key = CircuitKey::new(engine, key, preprocessed).expect("it fits");
    let instances = circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let witness = CircuitWitness::new(circuit.k(), circuit).expect("it can be configured");
    let mut source = CircuitSource { witness, instances: &instances };
    let mut transcript: KeccakTranscript<_> = Writer::init(Vec::new());
    let mut randomness = Randomness::new([3; 32]);
    prove(engine, &key, setup.next_power, &instances, &mut source, &mut randomness, &mut transcript, &mut ())
        .expect("the witness fits");
    transcript.finalize()
}

fn is_accepted(setup: &Setup, circuit: &RandomCircuit, key: &VerifyingKey<G1Affine>, proof: &[u8]) {
    let instances = circuit.instances();
    let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
    let mut transcript: KeccakTranscript<_> = TranscriptReadBuffer::init(proof);
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, _, _, _>(
        setup.params.verifier_params(),
        key,
        SingleStrategy::new(&setup.params),
        &[&instances],
        &mut transcript,
    )
    .unwrap_or_else(|error| panic!("{circuit:?}: {error:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_circuits_are_proved(circuit in random_circuits()) {
        let setup = setup(circuit.k());
        let key = keygen_vk(&setup.params, &circuit).expect("it can be synthesized");
        let naive = NaiveEngine::new(setup.lagrange.clone());
        let expected = proof(&setup, &naive, &circuit, &key);
        is_accepted(&setup, &circuit, &key, &expected);
        for &instructions in Instructions::available() {
            for quotient_bytes in [None, Some(0)] {
                let options = CpuOptions { instructions, quotient_bytes };
                let cpu = CpuEngine::new(&setup.lagrange, setup.params.get_g()[1], options);
                let found = proof(&setup, &cpu, &circuit, &key);
                prop_assert!(found == expected, "{:?} with {:?}", circuit, options);
            }
        }
    }
}
