#![no_main]
//! Any payload is judged, and none is accepted: the fuzzer can't make a proof.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use common::{Fixture, WEIGHTS};
use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};
use verifier::srs::SrsOrigin;
use verifier::{verify_file, Policy};

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| Fixture::new(WEIGHTS, SrsOrigin::Development));

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::Proof, payload) {
        assert!(verify_file(Policy::AcceptMarked, &FIXTURE.key, &file).is_err());
    }
});
