#![no_main]
//! Any payload is a link or refused; a link that is read is written as it was.

use libfuzzer_sys::fuzz_target;
use verifier::container::{frame, Kind};
use verifier::link::Link;

fuzz_target!(|payload: &[u8]| {
    if let Ok(file) = frame(Kind::Link, payload) {
        if let Ok(link) = Link::from_file(&file) {
            assert_eq!(Link::from_file(&link.to_file().expect("a link has a file")).expect("its own file"), link);
        }
    }
});
