//! The stages that commands are made of: model to program, program to keys, input to outputs and proof.

pub(crate) mod dimensions;
pub(crate) mod expectation;
pub(crate) mod inference;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod onchain;
pub(crate) mod shown;
