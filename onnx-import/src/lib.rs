//! The ONNX front end: parse, evaluate in float, calibrate, quantize to an integer program.

pub mod float;
