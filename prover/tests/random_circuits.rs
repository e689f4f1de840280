//! Random circuits: the proof library accepts them, and synthesis gives what the library's own does.

#[path = "support/random_circuit.rs"]
mod random_circuit;

use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{
    create_proof, keygen_pk, keygen_vk, synthesize_witness, verify_proof, ProvingKey, VerifyingKey,
};
use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::poly::EvaluationDomain;
use halo2_proofs::transcript::{TranscriptReadBuffer, TranscriptWriterBuffer as Writer};
use proptest::prelude::*;
use prover::plonk::permutation::PermutationAssembly;
use prover::plonk::synthesis::{assemble, synthesize, CircuitWitness};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use random_circuit::{random_circuits, RandomCircuit, Shape};
use verifier::transcript::KeccakTranscript;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn params(k: u32) -> ParamsKZG<Bn256> {
    ParamsKZG::setup(k, rng())
}

fn slices(columns: &[Vec<Fr>]) -> Vec<&[Fr]> {
    columns.iter().map(Vec::as_slice).collect()
}

fn is_satisfied(circuit: &RandomCircuit) {
    let mock = MockProver::run(circuit.k(), circuit, circuit.instances()).expect("it can be synthesized");
    mock.verify().unwrap_or_else(|failures| panic!("{circuit:?}: {failures:?}"));
}

fn is_provable(circuit: &RandomCircuit, params: &ParamsKZG<Bn256>, key: &ProvingKey<G1Affine>) {
    let instances = circuit.instances();
    let instances = slices(&instances);
    let mut transcript: KeccakTranscript<_> = Writer::init(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<Bn256>, _, _, _, _>(
        params,
        key,
        std::slice::from_ref(circuit),
        &[&instances],
        rng(),
        &mut transcript,
    )
    .unwrap_or_else(|error| panic!("{circuit:?}: {error:?}"));
    let proof = transcript.finalize();
    let mut transcript: KeccakTranscript<_> = TranscriptReadBuffer::init(proof.as_slice());
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, _, _, _>(
        params.verifier_params(),
        key.get_vk(),
        SingleStrategy::new(params),
        &[&instances],
        &mut transcript,
    )
    .unwrap_or_else(|error| panic!("{circuit:?}: {error:?}"));
}

fn commitments(params: &ParamsKZG<Bn256>, domain: &EvaluationDomain<Fr>, columns: Vec<Vec<Fr>>) -> Vec<G1Affine> {
    let commit = |column| params.commit_lagrange(&domain.lagrange_from_vec(column), Blind::default()).to_affine();
    columns.into_iter().map(commit).collect()
}

fn keys_agree(circuit: &RandomCircuit, params: &ParamsKZG<Bn256>, key: &VerifyingKey<G1Affine>) {
    let (system, synthesis) = synthesize(circuit.k(), circuit).expect("it can be synthesized");
    assert_eq!(format!("{:?}", system.pinned()), format!("{:?}", key.cs().pinned()));
    let columns = system.permutation().get_columns();
    let mut permutation = PermutationAssembly::new(circuit.k(), &columns).expect("few cells");
    for ((left_column, left_row), (right_column, right_row)) in &synthesis.copies {
        permutation.copy(*left_column, *left_row, *right_column, *right_row).expect("all cells are there");
    }
    let sigma = (0..columns.len()).map(|column| permutation.sigma(column)).collect();
    let domain = EvaluationDomain::new(system.degree() as u32, circuit.k());
    assert_eq!(&commitments(params, &domain, sigma), key.permutation().commitments(), "{circuit:?}");
    assert_eq!(&commitments(params, &domain, synthesis.fixed.clone()), key.fixed_commitments(), "{circuit:?}");
    let (_, assembled) = assemble(circuit.k(), circuit).expect("it can be synthesized");
    assert_eq!((assembled.fixed, assembled.permutation), (synthesis.fixed, permutation));
}

fn witnesses_agree(circuit: &RandomCircuit, params: &ParamsKZG<Bn256>, key: &ProvingKey<G1Affine>) {
    let instances = circuit.instances();
    let instances = slices(&instances);
    let mut transcript: KeccakTranscript<_> = Writer::init(std::io::sink());
    let (_, stock, challenges) =
        synthesize_witness::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, _, _, _, RandomCircuit>(
            params,
            key,
            std::slice::from_ref(circuit),
            &[&instances],
            rng(),
            &mut transcript,
        )
        .expect("it can be synthesized");
    let witness = CircuitWitness::new(circuit.k(), circuit).expect("it can be configured");
    let (rows, usable) = (1 << circuit.k(), witness.usable_rows());
    assert_eq!(usable, circuit.usable_rows());
    let expected = circuit.advice(&challenges);
    let mut seen = 0;
    for phase in 0..witness.phases() {
        let known: Vec<Option<Fr>> = challenges.iter().map(|value| (phase > 0).then_some(*value)).collect();
        for (index, column) in witness.advice(phase, &known, &instances).expect("it can be synthesized") {
            assert_eq!((circuit.phases()[index], column.len()), (phase, rows));
            assert_eq!(column[..usable], stock[0].advice_values[index][0..usable], "column {index} of {circuit:?}");
            assert_eq!(column, expected[index]);
            seen += 1;
        }
    }
    assert_eq!(seen, expected.len());
}

fn faults_are_noticed(circuit: &RandomCircuit) {
    if let Some(faulty) = circuit.faulty() {
        let mock = MockProver::run(faulty.k(), &faulty, faulty.instances()).expect("it can be synthesized");
        assert!(mock.verify().is_err(), "{circuit:?}");
    }
}

fn all_agree(circuit: &RandomCircuit) {
    is_satisfied(circuit);
    faults_are_noticed(circuit);
    let params = params(circuit.k());
    let key = keygen_vk(&params, circuit).expect("it can be synthesized");
    keys_agree(circuit, &params, &key);
    let key = keygen_pk(&params, key, circuit).expect("it can be synthesized");
    witnesses_agree(circuit, &params, &key);
    is_provable(circuit, &params, &key);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn circuits_of_any_shape(circuit in random_circuits()) {
        all_agree(&circuit);
    }
}

/// No more than a proof needs.
fn bare() -> Shape {
    Shape {
        k: 5,
        fixed: 0,
        advice: [0, 0],
        instances: 0,
        challenges: 0,
        gates: 0,
        lookups: 0,
        degree: 2,
        equality: 0,
        copies: 60,
        constants: false,
        minimum_degree: None,
    }
}

#[test]
fn circuits_of_extreme_shapes() {
    let shapes = [
        Shape { fixed: 2, instances: 3, equality: 100, ..bare() },
        Shape { constants: true, ..bare() },
        Shape { advice: [3, 2], equality: 100, constants: true, ..bare() },
        Shape { lookups: 3, ..bare() },
        Shape { lookups: 2, fixed: 2, advice: [1, 1], challenges: 2, ..bare() },
        Shape { gates: 1, ..bare() },
        Shape { gates: 1, minimum_degree: Some(9), ..bare() },
        Shape { gates: 3, degree: 6, advice: [1, 1], challenges: 3, ..bare() },
        Shape {
            gates: 2,
            degree: 5,
            lookups: 2,
            fixed: 3,
            advice: [2, 2],
            instances: 3,
            challenges: 1,
            equality: 100,
            ..bare()
        },
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        all_agree(&RandomCircuit::of_shape(seed as u64, shape));
    }
}
