//! The float graph: what a model means before quantization.

pub mod graph;
