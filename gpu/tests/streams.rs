//! Streams of the host twin, which does what is started as late as somebody waits for it, or in other orders: proofs are the same in all of
//! them, and are not where waits of one kind are left out.

#[path = "../../circuits/tests/support/mod.rs"]
mod programs;
#[path = "support/provers.rs"]
mod provers;
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use circuits::layout::LayoutOptions;
use gpu::{Device, GpuEngine};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use prover::engine::{Column, CpuOptions, Engine};
use prover::memory::MemoryPlan;
use prover::srs::Srs;
use prover::{EngineOptions, Entropy, ProveOptions, Prover, ProvingKey};
use provers::{prover_on, set_up};
use support::device;
use verifier::Proof;

const SEEDED: ProveOptions = ProveOptions { entropy: Entropy::Seed([3; 32]), check: false, verify: false };

/// A prover on the device whose commitments are begun with each column that comes.
fn prover<'a>(device: &Device, key: &'a ProvingKey, srs: &Srs, sparing: bool) -> Prover<'a> {
    let make = |srs: &Srs| {
        let engine = GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], CpuOptions::default())?;
        let engine = engine.committing_ahead(1);
        Ok(if sparing { engine.sparing() } else { engine })
    };
    Prover::on_engine(key, srs, make, &()).expect("the SRS fits")
}

/// Proofs of one at a time, of two in flight, and with columns that leave the device and come back.
#[test]
fn proofs_in_any_order_of_streams() {
    let Some(device) = device(None) else { return };
    let mut builder = programs::mlp(1);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let expected = proof_of_the_processor(&key, &srs, &inputs);
    let there = prover(&device, &key, &srs, false);
    let proves = |prover: &Prover<'_>| {
        let found = prover.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible");
        assert!(found.proof == expected, "the proofs differ");
    };
    made_columns_leave();
    proves(&there);
    proves(&prover_on(&device, &key, &srs, CpuOptions::default()));
    std::thread::scope(|scope| {
        let running = [(); 2].map(|()| scope.spawn(|| proves(&there)));
        running.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
    columns_leave();
}

fn proof_of_the_processor(key: &ProvingKey, srs: &Srs, inputs: &[Vec<i64>]) -> Proof {
    let host = Prover::new(key, srs, &EngineOptions::default(), &()).expect("the SRS fits");
    host.prove(inputs, &SEEDED, &()).expect("the inputs are admissible").proof
}

/// Columns that leave before anything waits for the work that makes them.
fn made_columns_leave() {
    let Some(device) = device(Some(256 << 10)) else { return };
    let points = vec![G1Affine::generator(); 1 << 8];
    let engine = GpuEngine::new(device, &points, points[0], CpuOptions::default()).expect("an engine");
    let integers: Vec<i64> = (0..256).map(|row| row * row % 251 - 100).collect();
    let column = engine.column(Column::integers(integers.clone().into())).expect("memory");
    let times = |factor: u64| engine.combine(&[(&column, Fr::from(factor))], Fr::ONE).expect("memory");
    let made: Vec<_> = (1..=64).map(times).collect();
    for (factor, made) in (1..).zip(&made) {
        let expected = integers.iter().map(|value| circuits::machine::to_field(value * factor + 1));
        assert!(engine.values(made).expect("memory") == expected.collect::<Vec<Fr>>(), "column {factor}");
    }
}

fn columns_leave() {
    let mut builder = programs::cnn(2);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let planned = MemoryPlan::on_device(key.plan().layout(), 0).expect_err("nothing fits").needed;
    let device = device(Some(planned / 2)).expect("a twin");
    let found = prover(&device, &key, &srs, true).prove(&inputs, &SEEDED, &()).expect("the inputs are admissible");
    assert!(found.proof == proof_of_the_processor(&key, &srs, &inputs), "the proofs differ");
    let back = device.counts().expect("counts").downloaded_bytes;
    assert!(back > planned / 2, "{back} bytes came back: columns do not leave");
}

/// Whether the test before passes in a process of its own; one that does not end does not.
fn passes(order: &str, omitted: Option<&str>) -> bool {
    const LIMIT: Duration = Duration::from_secs(600);
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "proofs_in_any_order_of_streams", "--test-threads=1"]);
    child.env("ZKINFER_TWIN_STREAMS", order).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(omitted) = omitted {
        child.env("ZKINFER_TWIN_OMIT", omitted);
    }
    let mut child = child.spawn().expect("it starts");
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started");
    false
}

#[test]
fn orders_of_streams_change_nothing() {
    if !is_twin() {
        return;
    }
    for order in ["late", "work-first", "copies-first", "1", "2", "3"] {
        assert!(passes(order, None), "{order}");
    }
}

/// Each kind of wait with an order in which nothing else makes up for it.
#[test]
fn waits_that_are_left_out_show() {
    if !is_twin() {
        return;
    }
    for (wait, order) in
        [("arrival", "late"), ("reuse", "copies-first"), ("departure", "late"), ("staging", "late"), ("result", "late")]
    {
        assert!(!passes(order, Some(wait)), "waits for {wait} may be left out");
    }
}

/// Orders can be chosen on the host twin alone.
fn is_twin() -> bool {
    device(None).is_some_and(|device| device.kernels().is_host())
}
