//! The integer program that a proof speaks about, its reference interpreter, and the tensor machine that proves it.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`analysis`] | what each tensor can hold at most |
//! | [`batch`] | the program that does for several samples what a program does for one |
//! | [`digest`] | the salted digest of a hashed port |
//! | [`graph`] | the integer program: tensors, operators, tables |
//! | [`interface`] | public ports and how they are packed into instance words |
//! | [`layout`] | which cell holds what, and the cost model |
//! | [`machine`] | the family of constraint systems |
//! | [`poseidon`] | the hash of digests |
//! | [`registration`] | the constraint system of registered weights |
//! | [`recipe`] | how columns of a later phase follow from those before |
//! | [`mod@reference`] | the plain interpreter; its result is the definition |

pub mod analysis;
pub mod batch;
pub mod digest;
pub mod graph;
pub mod interface;
pub mod layout;
pub mod machine;
mod origin;
pub mod poseidon;
mod products;
pub mod recipe;
pub mod reference;
pub mod registration;
mod significant;
