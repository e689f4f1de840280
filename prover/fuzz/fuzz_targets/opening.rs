#![no_main]
//! Any payload holds openings or is refused.

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use prover::link::Openings;
use verifier::container::{frame, Kind};

fuzz_target!(|payload: &[u8]| {
    if let Ok(bytes) = frame(Kind::Opening, payload) {
        let mut file = tempfile::NamedTempFile::new().expect("the folder for temporary files is writable");
        file.write_all(&bytes).expect("there is room");
        let _ = Openings::read(file.path());
    }
});
