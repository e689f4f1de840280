//! The device as an engine: every operation is the naive one's.

mod support;

use gpu::GpuEngine;
use prover::engine::suite::{check, KnownSrs};
use prover::engine::CpuOptions;
use support::device;

#[test]
fn every_operation_is_the_naive_one() {
    for k in [4, 5, 7, 9] {
        let Some(device) = device(None) else { return };
        let srs = KnownSrs::new(k);
        let engine = GpuEngine::new(device, &srs.lagrange, srs.tau, CpuOptions::default()).expect("an engine");
        check(&engine, &srs, u64::from(k));
    }
}
