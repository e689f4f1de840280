//! The ONNX front end: parse, evaluate in float, calibrate, quantize to an integer program.

pub mod accuracy;
mod decisions;
mod declared;
mod dtype;
mod error;
pub mod float;
mod import;
mod lower;
mod ops;
mod parse;
mod passes;
mod proto;
pub mod quantize;
mod registry;
pub mod samples;

pub use declared::{declared_inputs, dynamic_dimensions, DeclaredInput, DeclaredSize, DynamicDimension};
pub use error::{ImportError, NodeError};
pub use import::{import, import_file, ImportOptions};
pub use parse::ModelSource;
