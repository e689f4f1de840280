//! Any bytes give a graph or an error: `cargo +nightly fuzz run import` in the folder above.

#![no_main]

use libfuzzer_sys::fuzz_target;
use onnx_import::{import, ImportOptions};

fuzz_target!(|bytes: &[u8]| {
    let _ = import(bytes, &ImportOptions::default());
});
