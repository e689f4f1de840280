//! Kernels that a proof starts: on few rows, starting them is what a device's time goes into.

#[path = "../../circuits/tests/support/mod.rs"]
mod programs;
mod support;

use circuits::layout::LayoutOptions;
use gpu::GpuEngine;
use prover::engine::CpuOptions;
use prover::srs::Srs;
use prover::{Entropy, Plan, ProveOptions, Prover};
use support::device;

/// Kernels of a proof of the dense network on 2^7 rows, those that derive the second phase among them; 525 if each column were transformed
/// apart.
const MOST: u64 = 374;

#[test]
fn columns_share_launches() {
    let Some(device) = device(None) else { return };
    let mut builder = programs::mlp(1);
    let inputs = builder.inputs();
    let plan = Plan::new(builder.program, LayoutOptions::default()).expect("the program has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
    let make = |srs: &Srs| GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], CpuOptions::default());
    let prover = Prover::on_engine(&key, &srs, make, &()).expect("the SRS fits");
    let before = device.counts().expect("counts");
    let options = ProveOptions { entropy: Entropy::Seed([3; 32]), check: false, verify: false };
    prover.prove(&inputs, &options, &()).expect("the inputs are admissible");
    let counts = device.counts().expect("counts") - before;
    println!("2^{} rows: {counts:?}", key.plan().k());
    assert!(counts.launches <= MOST, "{} kernels started", counts.launches);
}
