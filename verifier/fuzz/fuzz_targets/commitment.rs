#![no_main]
//! Any payload is a commitment or refused; a commitment that is read is a side of links.

use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};
use verifier::link::Commitment;

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::Commitment, payload) {
        if let Ok(commitment) = Commitment::from_file(file) {
            commitment.side();
        }
    }
});
