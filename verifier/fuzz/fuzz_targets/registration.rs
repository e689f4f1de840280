#![no_main]
//! Any payload is a registration or refused; a registration that is read is the file that it was read from.

use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};
use verifier::registration::Registration;

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::Registration, payload) {
        if let Ok(registration) = Registration::from_file(file.clone()) {
            assert_eq!(registration.file(), file);
        }
    }
});
