//! The ONNX front end: parse, evaluate in float, calibrate, quantize to an integer program.

mod dtype;
mod error;
pub mod float;
mod import;
mod lower;
mod ops;
mod parse;
mod passes;
mod proto;
mod registry;

pub use error::{ImportError, NodeError};
pub use import::{import, import_file, ImportOptions};
