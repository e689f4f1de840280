#![no_main]
//! Any payload is an SRS or refused.

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use prover::srs::Srs;
use verifier::container::{frame, Kind};

fuzz_target!(|payload: &[u8]| {
    if let Ok(bytes) = frame(Kind::Srs, payload) {
        let mut file = tempfile::NamedTempFile::new().expect("the folder for temporary files is writable");
        file.write_all(&bytes).expect("there is room");
        let _ = Srs::read(file.path());
    }
});
