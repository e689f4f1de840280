#![no_main]
//! Any payload is a verifying key or refused; a key that is read is the file that it was read from.

use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};
use verifier::VerifyingKey;

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::VerifyingKey, payload) {
        if let Ok(key) = VerifyingKey::from_file(file.clone()) {
            assert_eq!(key.file(), file);
        }
    }
});
