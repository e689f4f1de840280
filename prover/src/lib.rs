//! Keys, witness and proofs for compiled integer programs.
