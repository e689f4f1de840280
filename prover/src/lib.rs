//! Keys, witness and proofs for compiled integer programs.

pub mod srs;
