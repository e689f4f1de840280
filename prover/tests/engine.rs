//! Our own prover on random circuits: the library's verifier accepts what it makes, on every engine.

#[path = "support/random_circuit.rs"]
mod random_circuit;

use circuits::recipe::Recipe;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{keygen_vk, verify_proof, VerifyingKey};
use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::{TranscriptReadBuffer, TranscriptWriterBuffer as Writer};
use proptest::prelude::*;
use prover::engine::{
    Column, CpuEngine, CpuOptions, Disk, Dividend, Engine, EngineError, Environment, GrandProduct, Ingredients,
    NaiveEngine, SigmaColumn, TakeColumn, Values,
};
use prover::field::Instructions;
use prover::plonk::check::Violation;
use prover::plonk::circuit::{preprocess, CircuitSource};
use prover::plonk::constraints::NodeId;
use prover::plonk::key::CircuitKey;
use prover::plonk::prove::{prove, Job, PlonkError, Take, Witness};
use prover::plonk::quotient::{QuotientPlan, Room};
use prover::plonk::randomness::Randomness;
use prover::plonk::synthesis::CircuitWitness;
use random_circuit::{random_circuits, Draw, RandomCircuit, Shape};
use verifier::transcript::KeccakTranscript;

/// An SRS with the power behind its last.
#[derive(Clone)]
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

/// A random circuit, its key by the library, and an SRS.
struct Bench {
    setup: Setup,
    circuit: RandomCircuit,
    key: VerifyingKey<G1Affine>,
}

impl Bench {
    fn new(circuit: RandomCircuit) -> Self {
        let setup = setup(circuit.k());
        let key = keygen_vk(&setup.params, &circuit).expect("it can be synthesized");
        Self { setup, circuit, key }
    }

    fn naive(&self) -> NaiveEngine {
        NaiveEngine::new(self.setup.lagrange.clone())
    }

    fn cpu(&self, options: CpuOptions) -> CpuEngine {
        CpuEngine::new(&self.setup.lagrange, self.setup.params.get_g()[1], options)
    }

    /// A proof of a witness of this circuit, which may be that of another one with the same constraints.
    fn try_proof<E: Engine>(
        &self,
        engine: &E,
        circuit: &RandomCircuit,
        seed: u8,
        check: bool,
    ) -> Result<Vec<u8>, PlonkError> {
        let (_, preprocessed) = preprocess(self.circuit.k(), &self.circuit).expect("it can be synthesized");
        let commitments = preprocessed.commit(engine).expect("they fit");
        assert_eq!(&commitments.fixed, self.key.fixed_commitments());
        assert_eq!(&commitments.permutation, self.key.permutation().commitments());
        let key = CircuitKey::new(engine, &self.key, preprocessed).expect("it fits");
        let instances = circuit.instances();
        let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
        let witness = CircuitWitness::new(circuit.k(), circuit).expect("it can be configured");
        let mut source = CircuitSource { witness, instances: &instances };
        let mut transcript: KeccakTranscript<_> = Writer::init(Vec::new());
        let next_power = self.setup.next_power;
        let job = Job { engine, key: &key, next_power, instances: &instances, check };
        prove(&job, &mut source, &mut Randomness::new([seed; 32]), &mut transcript, &mut ())?;
        Ok(transcript.finalize())
    }

    fn proof<E: Engine>(&self, engine: &E, seed: u8) -> Vec<u8> {
        self.try_proof(engine, &self.circuit, seed, true).unwrap_or_else(|error| panic!("{:?}: {error}", self.circuit))
    }

    fn verdict(&self, proof: &[u8]) -> Result<(), halo2_proofs::plonk::Error> {
        let instances = self.circuit.instances();
        let instances: Vec<&[Fr]> = instances.iter().map(Vec::as_slice).collect();
        let mut transcript: KeccakTranscript<_> = TranscriptReadBuffer::init(proof);
        verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, _, _, _>(
            self.setup.params.verifier_params(),
            &self.key,
            SingleStrategy::new(&self.setup.params),
            &[&instances],
            &mut transcript,
        )
    }
}

/// Words of 32 bytes in a proof.
fn words(proof: &[u8]) -> Vec<&[u8]> {
    proof.chunks_exact(32).collect()
}

/// An engine that remembers how columns end.
struct Recording {
    naive: NaiveEngine,
    tails: Tails,
}

/// Tails in the order of their columns.
type Tails = std::sync::Mutex<Vec<Vec<Fr>>>;

impl Recording {
    fn record(&self, tail: &[Fr]) {
        self.tails.lock().expect("no panic before").push(tail.to_vec());
    }
}

impl Engine for Recording {
    type Column = Vec<Fr>;
    type Recipe = Recipe;

    fn k(&self) -> u32 {
        self.naive.k()
    }

    fn quotient_room(&self) -> Room {
        self.naive.quotient_room()
    }

    fn column(&self, column: Column) -> Result<Vec<Fr>, EngineError> {
        self.record(&column.tail);
        self.naive.column(column)
    }

    fn recipe(&self, recipe: Recipe) -> Result<Recipe, EngineError> {
        self.naive.recipe(recipe)
    }

    fn derive(
        &self,
        recipe: &Recipe,
        ingredients: Ingredients<'_, Vec<Fr>>,
        take: &mut TakeColumn<'_, Vec<Fr>>,
    ) -> Result<(), EngineError> {
        ingredients.tails.iter().for_each(|tail| self.record(tail));
        self.naive.derive(recipe, ingredients, take)
    }

    fn commit(&self, columns: &[&Vec<Fr>]) -> Result<Vec<G1Affine>, EngineError> {
        self.naive.commit(columns)
    }

    fn pointwise(&self, node: NodeId, environment: &Environment<'_, Vec<Fr>>) -> Result<Vec<Fr>, EngineError> {
        self.naive.pointwise(node, environment)
    }

    fn permute_pair(&self, input: &Vec<Fr>, table: &Vec<Fr>, tails: [Vec<Fr>; 2]) -> Result<[Vec<Fr>; 2], EngineError> {
        tails.iter().for_each(|tail| self.record(tail));
        self.naive.permute_pair(input, table, tails)
    }

    fn grand_product(&self, product: GrandProduct<'_, Vec<Fr>>) -> Result<(Vec<Fr>, Fr), EngineError> {
        self.record(&product.tail);
        self.naive.grand_product(product)
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, Vec<Fr>>,
    ) -> Result<Vec<Vec<Fr>>, EngineError> {
        self.naive.quotient(plan, environment)
    }

    fn evaluate(&self, x: Fr, queries: &[(&Vec<Fr>, i32)]) -> Result<Vec<Fr>, EngineError> {
        self.naive.evaluate(x, queries)
    }

    fn combine(&self, terms: &[(&Vec<Fr>, Fr)], constant: Fr) -> Result<Vec<Fr>, EngineError> {
        self.naive.combine(terms, constant)
    }

    fn divide(&self, dividends: &[Dividend<'_, Vec<Fr>>]) -> Result<Vec<Fr>, EngineError> {
        self.naive.divide(dividends)
    }

    fn values(&self, column: &Vec<Fr>) -> Result<Vec<Fr>, EngineError> {
        self.naive.values(column)
    }
}

/// A witness that gives the same columns in every phase.
struct Given(Vec<(usize, Column)>);

impl Witness for Given {
    fn columns(&mut self, _: u8, _: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError> {
        self.0.iter().try_for_each(|(index, column)| take(*index, column.clone()))
    }
}

/// A witness that can't be made.
struct Failing;

impl Witness for Failing {
    fn columns(&mut self, phase: u8, _: &[Option<Fr>], _: &mut Take<'_>) -> Result<(), PlonkError> {
        Err(PlonkError::Witness { phase, reason: "no".into() })
    }
}

#[test]
fn what_does_not_fit_the_circuit_is_refused_by_name() {
    let shape = Shape { advice: [2, 0], instances: 1, challenges: 0, lookups: 0, ..Shape::random(&mut Draw::new(4)) };
    let bench = Bench::new(RandomCircuit::of_shape(4, shape));
    let engine = bench.cpu(CpuOptions::default());
    let (_, preprocessed) = preprocess(bench.circuit.k(), &bench.circuit).expect("it can be synthesized");
    let key = CircuitKey::new(&engine, &bench.key, preprocessed).expect("it fits");
    let rows = 1usize << bench.circuit.k();
    let usable = bench.circuit.usable_rows();
    let refusal = |instances: &[&[Fr]], witness: &mut dyn Witness| {
        let next_power = bench.setup.next_power;
        let job = Job { engine: &engine, key: &key, next_power, instances, check: false };
        let mut transcript: KeccakTranscript<_> = Writer::init(Vec::new());
        prove(&job, witness, &mut Randomness::new([1; 32]), &mut transcript, &mut ()).expect_err("it does not fit")
    };
    let long = vec![Fr::one(); usable + 1];
    let found = refusal(&[], &mut Failing);
    assert!(matches!(found, PlonkError::InstanceColumns { expected: 1, found: 0 }), "{found}");
    let found = refusal(&[&long], &mut Failing);
    assert!(matches!(found, PlonkError::InstanceLength { column: 0, found, limit } if found == limit + 1), "{found}");
    let found = refusal(&[&[]], &mut Failing);
    assert!(matches!(found, PlonkError::Witness { phase: 0, .. }), "{found}");
    let found = refusal(&[&[]], &mut Given(vec![]));
    assert!(matches!(found, PlonkError::WitnessColumns { phase: 0, found: 0, .. }), "{found}");

    let twice = |index| vec![(index, Column::new(Values::ZERO)); 2];
    for given in [twice(0), twice(99)] {
        let found = refusal(&[&[]], &mut Given(given));
        assert!(matches!(found, PlonkError::WitnessColumns { phase: 0, .. }), "{found}");
    }

    let count = bench.key.cs().num_advice_columns();
    let with = |column: Column| {
        let mut columns: Vec<_> = (0..count).map(|index| (index, Column::new(Values::ZERO))).collect();
        columns[0].1 = column;
        refusal(&[&[]], &mut Given(columns))
    };
    let found = with(Column::new(Values::Field(vec![Fr::one(); rows])));
    assert!(matches!(found, PlonkError::WitnessLength { column: 0, found, .. } if found == rows), "{found}");
    for own in [
        Column { tail: vec![Fr::one()], ..Column::new(Values::ZERO) },
        Column::new(Values::Constant(Fr::one())),
        Column::new(Values::Sigma(SigmaColumn { column: 0, rows: [].into(), images: [].into() })),
    ] {
        let found = with(own);
        assert!(matches!(found, PlonkError::WitnessForm { column: 0 }), "{found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The library's verifier accepts the naive engine's proof; the engine of the processor makes the same one, byte for byte,
    /// whatever the instructions, the memory and the number of threads.
    #[test]
    fn random_circuits_are_proved(circuit in random_circuits()) {
        let bench = Bench::new(circuit);
        let expected = bench.proof(&bench.naive(), 3);
        prop_assert!(bench.verdict(&expected).is_ok(), "{:?}", bench.circuit);
        for &instructions in Instructions::available() {
            // All memory, the least, and something between: so many columns of elements.
            let between = (13 * 32) << bench.circuit.k();
            for quotient_bytes in [None, Some(0), Some(between)] {
                let options = CpuOptions { instructions, quotient_bytes };
                let found = bench.proof(&bench.cpu(options), 3);
                prop_assert!(found == expected, "{:?} with {:?}", bench.circuit, options);
            }
        }
        for (quotient, quotient_bytes) in [(false, None), (true, None), (true, Some(0))] {
            let disk = Disk::new(&std::env::temp_dir(), 0).expect("a folder for temporary files");
            let engine = bench.cpu(CpuOptions { quotient_bytes, ..CpuOptions::default() }).spill(disk, quotient);
            let found = bench.proof(&engine, 3);
            prop_assert!(found == expected, "{:?} with columns on disk, the quotient too: {}", bench.circuit, quotient);
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let found = pool.install(|| bench.proof(&bench.cpu(CpuOptions::default()), 3));
            prop_assert!(found == expected, "{:?} on {} threads", bench.circuit, threads);
        }
    }

    /// A witness with a fault is told by the name of what it violates; unchecked, its proof is refused.
    #[test]
    fn faults_are_named(circuit in random_circuits()) {
        let Some(faulty) = circuit.faulty() else { return Ok(()) };
        let bench = Bench::new(circuit);
        let engine = bench.cpu(CpuOptions::default());
        match bench.try_proof(&engine, &faulty, 5, true) {
            Err(PlonkError::Violation(Violation::Gate { constraint, row })) => {
                prop_assert!(constraint.starts_with("gate") && row < 1 << bench.circuit.k(), "{} in row {}", constraint, row);
            }
            Err(PlonkError::Violation(Violation::Copy { .. }) | PlonkError::Engine(EngineError::NotInTable { .. })) => {}
            other => prop_assert!(false, "{:?}: {:?}", bench.circuit, other.map(|proof| proof.len())),
        }
        // Without the check a fault in a lookup is still noticed.
        if let Ok(proof) = bench.try_proof(&engine, &faulty, 5, false) {
            prop_assert!(bench.verdict(&proof).is_err(), "{:?}", bench.circuit);
        }
    }

    /// Two proofs of one witness share no commitment and no evaluation, the pieces of the quotient among them.
    #[test]
    fn proofs_share_nothing(circuit in random_circuits()) {
        let bench = Bench::new(circuit);
        let engine = bench.cpu(CpuOptions::default());
        let [one, two] = [7, 8].map(|seed| bench.proof(&engine, seed));
        prop_assert_eq!(one.len(), two.len());
        // Without advice there is nothing to hide: the mask of the quotient alone is drawn.
        let zero: &[u8] = &[0; 32];
        let shared = words(&one).into_iter().zip(words(&two)).filter(|(one, two)| one == two && *one != zero).count();
        prop_assert_eq!(shared, 0, "{:?}", bench.circuit);
    }

    /// Every column of a witness ends in as many random rows as the protocol asks for, and every product column too.
    #[test]
    fn every_column_is_blinded(circuit in random_circuits()) {
        let bench = Bench::new(circuit);
        let engine = Recording { naive: bench.naive(), tails: Tails::default() };
        bench.proof(&engine, 9);
        let system = bench.key.cs();
        let hidden = system.blinding_factors();
        let tails = engine.tails.into_inner().expect("no panic before");
        let count = |length: usize| tails.iter().filter(|tail| tail.len() == length).count();
        let members = system.permutation().get_columns().len();
        let sets = if members == 0 { 0 } else { members.div_ceil(system.degree() - 2) };
        let lookups = system.lookups().len();
        // The mask of the quotient is one more.
        prop_assert_eq!(count(hidden + 1), system.num_advice_columns() + 2 * lookups + 1);
        prop_assert_eq!(count(hidden), sets + lookups);
        let mut drawn: Vec<Fr> = tails.concat();
        let all = drawn.len();
        drawn.sort_unstable();
        drawn.dedup();
        prop_assert_eq!(drawn.len(), all, "no element is drawn twice");
    }
}
