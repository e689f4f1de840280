//! Real proofs of small programs, from the program to the verdict.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;
#[path = "../../circuits/tests/support/targets.rs"]
mod targets;

use circuits::batch::Merging;
use circuits::graph::Program;
use circuits::layout::{Fold, LayoutOptions, Objective};
use circuits::reference::{self, RunError};
use prover::memory::MemoryPlan;
use prover::srs::Srs;
use prover::{
    prove, Engine, EngineOptions, Entropy, Plan, ProveError, ProveOptions, Prover, ProvingKey, ProvingKeyError,
    SetupError, Stage,
};
use support::ProgramBuilder;
use verifier::container::{frame, unframe, Kind};
use verifier::statement::Insecurity;
use verifier::{verify, Randomness};

const SEEDED: ProveOptions = ProveOptions { entropy: Entropy::Seed([1; 32]), check: true, verify: true };

fn keys(program: &Program) -> (ProvingKey, Srs) {
    keys_for(program, LayoutOptions::default())
}

fn keys_for(program: &Program, options: LayoutOptions) -> (ProvingKey, Srs) {
    let plan = Plan::new(program.clone(), options).expect("the program has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    let (key, report) = plan.setup(&srs, &()).expect("the SRS fits");
    assert_eq!(report.stages[0].stage, Stage::Commit);
    (key, srs)
}

/// Folded members, and the one that is cheapest on a chain.
fn folded() -> impl Iterator<Item = LayoutOptions> {
    let folds = [(1, 1), (1, 4), (2, 8)].map(|(units, rows)| LayoutOptions {
        units: Some(units),
        fold: Some(Fold::Rows(rows)),
        ..LayoutOptions::default()
    });
    folds.into_iter().chain([LayoutOptions { objective: Objective::Gas, ..LayoutOptions::default() }])
}

fn is_proved(mut builder: ProgramBuilder) {
    let inputs = builder.inputs();
    is_proved_on(builder, &inputs);
}

fn is_proved_on(builder: ProgramBuilder, inputs: &[Vec<i64>]) {
    let (key, srs) = keys(&builder.program);
    let proved = prove(&key, &srs, inputs, &ProveOptions::default()).expect("the inputs are admissible");
    let trace = reference::run(&builder.program, inputs).expect("the inputs are admissible");
    assert_eq!(proved.trace, trace);
    let key = key.verifying_key();
    assert_eq!(proved.proof.words.0.len(), key.proof_shape().bytes());
    let statement = verify(key, &proved.proof.public, &proved.proof).expect("it is true");
    assert_eq!(statement.insecurities, [Insecurity::DevelopmentSrs]);
    for (port, outputs) in statement.ports.iter().rev().zip(trace.outputs(&builder.program).iter().rev()) {
        assert!(port.values.as_ref().is_none_or(|values| values == outputs));
    }
    let mut claimed = proved.proof.clone();
    claimed.public.values.last_mut().expect("something is public")[0] ^= 1;
    let public = claimed.public.clone();
    assert!(verify(key, &public, &claimed).is_err(), "another output");
}

#[test]
fn dense_networks() {
    is_proved(support::mlp(1));
}

#[test]
fn convolutional_networks() {
    is_proved(support::cnn(2));
}

#[test]
fn every_operator() {
    is_proved(support::zoo(3));
}

#[test]
fn batches() {
    for (merging, mut builder) in Merging::ALL.into_iter().zip([support::zoo(3), support::mlp(1), support::cnn(2)]) {
        builder.program = builder.program.batched(3, merging).expect("three samples are few");
        is_proved(builder);
    }
    let mut builder = support::cnn(2);
    builder.program = builder.program.batched(3, Merging::Everything).expect("three samples are few");
    is_proved(builder);
}

#[test]
fn products_of_matrices() {
    is_proved(support::attention(4, [5, 6, 2]));
}

#[test]
fn rows_of_a_constant_matrix() {
    is_proved_on(targets::gathered(), &[vec![2, 0]]);
}

#[test]
fn keys_are_deterministic_and_their_files_round_trip() {
    let program = support::mlp(1).program;
    let (key, _) = keys(&program);
    let (again, _) = keys(&program);
    let file = key.to_file().expect("it is small");
    assert_eq!(again.to_file().expect("it is small"), file);
    let read = ProvingKey::from_file(&file).expect("it was just written");
    assert_eq!(read.verifying_key().digest(), key.verifying_key().digest());
    assert_eq!(read.to_file().expect("it is small"), file);
    let description = key.verifying_key().description();
    assert_eq!(description.program, prover::program::digest(&program).expect("it is small"));
    assert!(description.srs.is_insecure());
}

#[test]
fn damaged_keys_are_refused() {
    let (key, _) = keys(&support::mlp(1).program);
    let file = key.to_file().expect("it is small");
    for offset in (0..file.len()).step_by(61) {
        let mut bad = file.clone();
        bad[offset] ^= 1 << (offset % 8);
        assert!(ProvingKey::from_file(&bad).is_err(), "byte {offset}");
        assert!(ProvingKey::from_file(&file[..offset]).is_err(), "{offset} bytes");
    }
    // With the frame made right again: the program and the key have checksums of their own.
    let payload = unframe(Kind::ProvingKey, &file).expect("whole").to_vec();
    for offset in (0..payload.len()).step_by(977) {
        let mut bad = payload.clone();
        bad[offset] ^= 1 << (offset % 8);
        let bad = frame(Kind::ProvingKey, &bad).expect("it is small");
        // The objective of the layout may change without consequence.
        if let Ok(other) = ProvingKey::from_file(&bad) {
            assert_eq!(other.verifying_key().digest(), key.verifying_key().digest(), "byte {offset} of the payload");
            assert_eq!(other.plan().program_digest(), key.plan().program_digest(), "byte {offset} of the payload");
        }
    }
}

#[test]
fn a_program_with_the_key_of_another_is_refused() {
    let (key, _) = keys(&support::mlp(1).program);
    let payload = unframe(Kind::ProvingKey, &key.to_file().expect("it is small")).expect("whole").to_vec();
    let mut other = key.plan().program().clone();
    let program = prover::program::to_file(&other).expect("it is small");
    other.name = "tesu".into();
    let other = prover::program::to_file(&other).expect("it is small");
    assert_eq!(program.len(), other.len(), "one can take the other's place");
    let at = payload.windows(program.len()).position(|window| window == program).expect("the key holds it");
    let mixed = [&payload[..at], &other, &payload[at + program.len()..]].concat();
    let result = ProvingKey::from_file(&frame(Kind::ProvingKey, &mixed).expect("it is small"));
    assert!(matches!(result, Err(ProvingKeyError::Mismatch("the digests"))), "{result:?}");
}

#[test]
fn programs_round_trip() {
    for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::attention(4, [3, 4, 2])] {
        let file = prover::program::to_file(&builder.program).expect("it is small");
        assert_eq!(prover::program::from_file(&file).expect("it was just written"), builder.program);
        for offset in (0..file.len()).step_by(101) {
            let mut bad = file.clone();
            bad[offset] ^= 1;
            assert!(prover::program::from_file(&bad).is_err(), "byte {offset}");
        }
    }
}

#[test]
fn seeds_repeat_and_are_marked_and_the_system_does_not() {
    let mut builder = support::mlp(1);
    let inputs = builder.inputs();
    let (key, srs) = keys(&builder.program);
    let prover = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    let made =
        |prover: &Prover<'_>, options: &ProveOptions| prover.prove(&inputs, options, &()).expect("admissible").proof;
    let [one, two] = [0, 1].map(|_| made(&prover, &SEEDED));
    assert_eq!(one.words, two.words, "the native engine repeats itself to the byte");
    assert_eq!(one.randomness, Randomness::Seeded);
    let [three, four] = [0, 1].map(|_| made(&prover, &ProveOptions::default()));
    assert_ne!(three.words, four.words);
    assert_eq!(three.randomness, Randomness::System);

    let least = MemoryPlan::least(key.plan().layout());
    let small = EngineOptions { max_memory: Some(least), ..EngineOptions::default() };
    let small = Prover::new(&key, &srs, &small, &()).expect("the least will do");
    assert_eq!(made(&small, &SEEDED).words, one.words, "the budget does not show in the proof");
    let less = EngineOptions { max_memory: Some(least - 1), ..EngineOptions::default() };
    assert!(matches!(Prover::new(&key, &srs, &less, &()), Err(ProveError::Memory(_))));
}

#[test]
fn both_engines_make_the_same_keys_and_accepted_proofs() {
    for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::attention(4, [3, 4, 2])] {
        engines_agree(builder, LayoutOptions::default());
    }
}

#[test]
fn both_engines_prove_on_folded_machines() {
    for options in folded() {
        for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::attention(4, [3, 4, 2])] {
            engines_agree(builder, options);
        }
    }
}

fn engines_agree(mut builder: ProgramBuilder, options: LayoutOptions) {
    let inputs = builder.inputs();
    let (native_key, srs) = keys_for(&builder.program, options);
    let plan = native_key.plan().clone();
    let (stock_key, _) = plan.setup_by(Engine::Stock, &srs, &()).expect("the SRS fits");
    assert_eq!(stock_key.verifying_key().file(), native_key.verifying_key().file());
    for engine in [Engine::Native, Engine::Stock] {
        let options = EngineOptions { engine, ..EngineOptions::default() };
        let prover = Prover::new(&native_key, &srs, &options, &()).expect("the SRS fits");
        let proved = prover.prove(&inputs, &ProveOptions::default(), &()).expect("it verifies its own proof");
        let public = &proved.proof.public;
        verify(stock_key.verifying_key(), public, &proved.proof).expect("it is true");
        assert_eq!(proved.report.rounds.is_empty(), engine == Engine::Stock);
    }
}

#[test]
fn an_srs_without_the_next_power_is_told() {
    let mut builder = support::mlp(1);
    let inputs = builder.inputs();
    let (key, srs) = keys(&builder.program);
    let cut = srs.without_next_power();
    assert!(matches!(Prover::new(&key, &cut, &EngineOptions::default(), &()), Err(ProveError::NextPower { .. })));
    let stock = EngineOptions { engine: Engine::Stock, ..EngineOptions::default() };
    let prover = Prover::new(&key, &cut, &stock, &()).expect("the library needs no such power");
    prover.prove(&inputs, &ProveOptions::default(), &()).expect("admissible");
}

#[test]
fn inadmissible_inputs_are_refused_without_telling_them() {
    let mut builder = support::mlp(1);
    let mut inputs = builder.inputs();
    let (key, srs) = keys(&builder.program);
    let prover = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    inputs[0][3] = 123_456;
    let error = prover.prove(&inputs, &SEEDED, &()).expect_err("out of range");
    assert!(matches!(&error, ProveError::Run(RunError::InputRange { index: 3, .. })), "{error}");
    assert!(!format!("{error} {error:?}").contains("123456"));
    let error = prover.prove(&[], &SEEDED, &()).expect_err("no inputs");
    assert!(matches!(error, ProveError::Run(RunError::InputCount { found: 0, .. })), "{error}");
}

#[test]
fn another_srs_is_refused() {
    let (key, srs) = keys(&support::mlp(1).program);
    let smaller = srs.clone().fit(srs.k() - 1).expect("smaller");
    assert!(matches!(Prover::new(&key, &smaller, &EngineOptions::default(), &()), Err(ProveError::SrsSize { .. })));
    let result = key.plan().clone().setup(&smaller, &());
    assert!(matches!(result, Err(SetupError::SrsSize { .. })));
}

#[test]
fn the_cost_model_knows_the_length_of_a_proof() {
    for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::attention(4, [3, 4, 2])] {
        for options in folded().chain([LayoutOptions::default()]) {
            let (key, _) = keys_for(&builder.program, options);
            let params = key.plan().layout().params();
            assert_eq!(circuits::layout::cost::proof_bytes(&params), key.verifying_key().proof_shape().bytes());
        }
    }
}
