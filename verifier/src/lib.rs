//! Checks zkinfer proofs: statement, key and proof formats, Keccak transcript.
