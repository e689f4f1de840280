//! From the decoded model to the float graph, by partial evaluation at concrete shapes.

pub(crate) mod attributes;
pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod emit;
mod float32;
mod scope;
mod texts;
mod walk;

pub(crate) use builder::{Builder, Dequantized, Dynamic, MatrixProduct};
pub(crate) use call::Call;
pub(crate) use texts::takes_texts;
pub(crate) use walk::lower;
