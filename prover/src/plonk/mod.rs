//! The parts of a proving engine of our own for the proof library's protocol.
//!
//! | module | content |
//! | --- | --- |
//! | [`permutation`] | cycles of cells that are equal, and the columns `σ` that stand for them |
//! | [`synthesis`] | fixed cells, copies and witness of any circuit |
//!
//! Constraint systems are the library's, without its selectors and shuffles.

pub mod permutation;
pub mod synthesis;
