//! Kernels that a proof starts: on few rows, starting them is what a device's time goes into.

#[path = "../../circuits/tests/support/mod.rs"]
mod programs;
#[path = "support/provers.rs"]
mod provers;
mod support;

use circuits::layout::LayoutOptions;
use prover::engine::CpuOptions;
use prover::{Entropy, ProveOptions};
use provers::{prover_on, set_up};
use support::device;

/// Kernels of a proof of the dense network on 2^6 rows, those that derive the second phase among them. On 2^7 rows they are 374, and 525 if each
/// column were transformed apart.
const MOST: u64 = 376;

#[test]
fn columns_share_launches() {
    let Some(device) = device(None) else { return };
    let mut builder = programs::mlp(1);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let prover = prover_on(&device, &key, &srs, CpuOptions::default());
    let before = device.counts().expect("counts");
    let options = ProveOptions { entropy: Entropy::Seed([3; 32]), check: false, verify: false };
    prover.prove(&inputs, &options, &()).expect("the inputs are admissible");
    let counts = device.counts().expect("counts") - before;
    println!("2^{} rows: {counts:?}", key.plan().k());
    assert!(counts.launches <= MOST, "{} kernels started", counts.launches);
}
