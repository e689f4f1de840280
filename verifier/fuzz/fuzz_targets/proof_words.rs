#![no_main]
//! A true proof with any change is refused. The input is a list of changes: two bytes of an offset, one to write.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use common::{Fixture, WEIGHTS};
use libfuzzer_sys::fuzz_target;
use verifier::srs::SrsOrigin;
use verifier::{verify, Proof};

static PROVEN: LazyLock<(Fixture, Proof)> = LazyLock::new(|| {
    let fixture = Fixture::new(WEIGHTS, SrsOrigin::Development);
    let proof = fixture.prove([7, 11, 13]);
    (fixture, proof)
});

fuzz_target!(|changes: &[u8]| {
    let (fixture, proof) = &*PROVEN;
    let mut changed = proof.clone();
    for change in changes.chunks_exact(3) {
        let offset = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let words = &mut changed.words.0;
        let offset = offset % words.len();
        words[offset] = change[2];
    }
    assert_eq!(verify(&fixture.key, &changed.public, &changed).is_ok(), changed == *proof);
});
