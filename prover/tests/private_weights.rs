//! Keys and proofs of programs with private weights: a key tells nothing of them, and serves all models of a family.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use circuits::graph::{Op, Program};
use circuits::layout::{Fold, LayoutOptions};
use prover::srs::Srs;
use prover::{Engine, EngineOptions, Plan, ProveOptions, Prover, ProvingKey, SetupError};
use support::ProgramBuilder;
use verifier::{verify, Digest, VerifyingKey};

fn private(builder: ProgramBuilder) -> Program {
    builder.program.with_private_weights().expect("no number is too large")
}

/// Another model of the family: every weight halved, every bias zero.
fn trained_further(program: &Program) -> Program {
    let mut other = program.clone();
    other.source_digest = [7; 32];
    for tensor in program.private_weights.keys() {
        if let Op::Conv { weights, bias, .. } = &mut other.nodes[tensor.0 as usize].op {
            *weights = weights.iter().map(|weight| weight / 2).collect();
            *bias = vec![0; bias.len()].into();
        }
    }
    program.with_weights_of(&other).expect("it is of the family")
}

fn arrangements() -> [LayoutOptions; 2] {
    let folded = LayoutOptions { units: Some(1), fold: Some(Fold::Rows(4)), ..LayoutOptions::default() };
    [LayoutOptions::default(), folded]
}

fn keys(program: &Program, options: LayoutOptions, engine: Engine) -> (ProvingKey, Srs) {
    let plan = Plan::new(program.clone(), options).expect("the program has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    (plan.setup_by(engine, &srs, &()).expect("the SRS fits").0, srs)
}

#[test]
fn keys_tell_nothing_of_the_weights() {
    for options in arrangements() {
        for builder in [support::mlp(1), support::cnn(2), support::zoo(3)] {
            let program = private(builder);
            let (key, _) = keys(&program, options, Engine::Native);
            let of_another = |other: &Program| keys(other, options, Engine::Native).0.verifying_key().file().to_vec();
            assert_eq!(key.verifying_key().file(), of_another(&trained_further(&program)));
            assert_eq!(key.verifying_key().file(), of_another(&program.family()));
            let described = key.verifying_key().description();
            assert!(described.params.weight_lanes.has_private());
            assert_eq!(described.source, Digest([0; 32]));
        }
    }
}

#[test]
fn one_key_serves_a_family() {
    for options in arrangements() {
        let mut builder = support::cnn(2);
        let inputs = builder.inputs();
        let first = private(builder);
        let (key, srs) = keys(&first, options, Engine::Native);
        let (stock, _) = keys(&first, options, Engine::Stock);
        assert_eq!(key.verifying_key().file(), stock.verifying_key().file());
        let published = VerifyingKey::from_file(key.verifying_key().file().to_vec()).expect("it is a key");
        let second = trained_further(&first);
        let (own, _) = keys(&second, options, Engine::Native);
        let mut outputs = Vec::new();
        for (key, engine) in [(&key, Engine::Native), (&own, Engine::Native), (&own, Engine::Stock)] {
            let read = ProvingKey::from_file(&key.to_file().expect("it is small")).expect("it was just written");
            let engine = EngineOptions { engine, ..EngineOptions::default() };
            let prover = Prover::new(&read, &srs, &engine, &()).expect("the SRS fits");
            let checked = ProveOptions { check: true, ..ProveOptions::default() };
            let proved = prover.prove(&inputs, &checked, &()).expect("admissible");
            let statement = verify(&published, &proved.proof.public, &proved.proof).expect("it is true");
            assert!(statement.summary.contains("the program, with some weights that are kept private, gives exactly"));
            outputs.push(proved.proof.public.values);
        }
        assert_ne!(outputs[0], outputs[1], "another model gives other outputs");
        assert_eq!(outputs[1], outputs[2]);
    }
}

#[cfg(unix)]
#[test]
fn files_with_private_weights_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let mode =
        |name: &str| std::fs::metadata(folder.path().join(name)).expect("it is there").permissions().mode() & 0o777;
    std::fs::write(folder.path().join("plain"), "").expect("writable");
    let [public, secret] = [support::mlp(1).program, private(support::mlp(1))];
    for (program, expected) in [(public, mode("plain")), (secret, 0o600)] {
        let (key, _) = keys(&program, LayoutOptions::default(), Engine::Native);
        key.write(&folder.path().join("model.pk")).expect("writable");
        prover::program::write(&program, &folder.path().join("program.zki")).expect("writable");
        assert_eq!([mode("model.pk"), mode("program.zki")], [expected; 2]);
    }
}

#[test]
fn weights_beyond_what_is_declared_are_refused() {
    let program = private(support::mlp(1));
    let mut other = program.clone();
    for node in &mut other.nodes {
        if let Op::Conv { weights, .. } = &mut node.op {
            *weights = weights.iter().map(|weight| 16 * weight).collect();
        }
    }
    let member = program.with_weights_of(&other).expect("they have as many bits as are declared");
    assert!(matches!(Plan::new(member, LayoutOptions::default()), Err(SetupError::Layout(_))));
}
