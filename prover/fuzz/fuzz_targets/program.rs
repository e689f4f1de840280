#![no_main]
//! Any payload is a program or refused; a program that is read is the file that it was read from.

use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::Program, payload) {
        if let Ok(program) = prover::program::from_file(&file) {
            assert!(prover::program::to_file(&program).is_ok_and(|again| again == file));
        }
    }
});
