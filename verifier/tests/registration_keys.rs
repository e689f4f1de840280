//! The words in the code of the registry of weights are those of the keys that this release makes.

use std::fs;
use std::path::Path;

use verifier::evm::registration::registration_keys;

/// The source with these words.
fn source(words: &[u8]) -> String {
    let lines = words.chunks(32).map(|word| format!("        hex\"{}\"", hex(word)));
    format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         pragma solidity ^0.8.20;\n\n\
         /// @title The keys of the proofs of registrations\n\
         /// @notice By what the transcripts name them: for each k from 5 to 25, in order, those for 1 to 16 columns. Whoever follows the\n\
         /// proof system's definition comes to the same words.\n\
         /// @dev Written by `ZKINFER_UPDATE_KEYS=1 cargo test -p zkinfer-verifier --test registration_keys`.\n\
         library RegistrationKeys {{\n    \
         /// @notice The words, one after the other.\n    \
         bytes internal constant TABLE =\n{};\n}}\n",
        lines.collect::<Vec<_>>().join("\n")
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_registry_has_the_keys_of_this_release() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/src/RegistrationKeys.sol");
    let expected = source(&registration_keys().expect("nothing overrides the degree"));
    if std::env::var_os("ZKINFER_UPDATE_KEYS").is_some() {
        fs::write(&path, &expected).expect("writable");
    }
    assert_eq!(
        fs::read_to_string(&path).expect("it is there"),
        expected,
        "write it anew, then run contracts/build.mjs"
    );
}
