//! The float graph: what a model means before quantization.

pub mod curves;
pub mod evaluate;
pub mod float32;
mod functions;
pub mod graph;
mod operands;
pub mod quantized;
pub mod reals;
pub mod stored;
pub mod trees;
pub mod typed;
