#![no_main]
//! Any file is imported or refused.

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use prover::srs::ptau::Ptau;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("the folder for temporary files is writable");
    file.write_all(bytes).expect("there is room");
    if let Ok(ptau) = Ptau::open(file.path()) {
        let _ = ptau.import(2);
    }
});
