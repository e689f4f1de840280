#![no_main]
//! Any payload holds registered weights or is refused.

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use prover::registration::RegisteredWeights;
use verifier::container::{frame, Kind};

fuzz_target!(|payload: &[u8]| {
    if let Ok(bytes) = frame(Kind::Weights, payload) {
        let mut file = tempfile::NamedTempFile::new().expect("the folder for temporary files is writable");
        file.write_all(&bytes).expect("there is room");
        let _ = RegisteredWeights::read(file.path());
    }
});
