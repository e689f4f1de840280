//! The tensor machine: one small family of constraint systems; a model is what the fixed columns contain.

mod params;

pub use params::{Features, MachineParams, ParamsError};
