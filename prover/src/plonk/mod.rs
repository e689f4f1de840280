//! The prover's side of the library's protocol, for any constraint system without selectors.
//!
//! The proofs are those that the unmodified `halo2_proofs::plonk::verify_proof` accepts over KZG with SHPLONK; the library's own
//! `create_proof` is the slow twin. `docs/engine.md` describes the whole; what each round commits and what is squeezed when is
//! the table in [`prove`](mod@prove).
//!
//! | module | content |
//! | --- | --- |
//! | [`scalar`] | scalars that follow from the challenges |
//! | [`constraints`] | a system's constraints as a graph, in the verifier's order |
//! | [`numerator`] | their sum, multiplied out so that few columns are read |
//! | [`program`] | straight-line programs that engines run over rows |
//! | [`quotient`](mod@quotient) | which constraints are evaluated on which cosets, and what is in memory together |
//! | [`synthesis`] | fixed cells, copies and witness of any circuit |
//! | [`permutation`] | cycles of cells that are equal, and the columns `σ` that stand for them |
//! | [`circuit`], [`machine`] | what is proved: any circuit, the tensor machine |
//! | [`check`] | the first violated constraint of a witness |
//! | [`key`] | a circuit on an engine |
//! | [`randomness`] | where blinding comes from |
//! | [`prove`](mod@prove) | the rounds |

pub mod check;
pub mod circuit;
pub mod constraints;
pub mod key;
pub mod machine;
pub mod numerator;
mod opening;
pub mod permutation;
pub mod program;
pub mod prove;
pub mod quotient;
pub mod randomness;
pub mod scalar;
pub mod synthesis;
