#![no_main]
//! Any payload is a proving key or refused.

use libfuzzer_sys::fuzz_target;
use prover::ProvingKey;
use verifier::container::{frame, Kind};

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::ProvingKey, payload) {
        let _ = ProvingKey::from_file(&file);
    }
});
