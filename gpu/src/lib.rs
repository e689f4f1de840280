#![doc = include_str!("../README.md")]

mod column;
mod engine;
mod ffi;
mod library;
mod plan;
pub mod program;
pub mod twin;

pub use column::DeviceColumn;
pub use engine::{DeviceRecipe, GpuColumn, GpuEngine};
pub use ffi::{
    ColumnSum, Device, DeviceBases, DeviceBuffer, DeviceCommitments, DeviceCoset, DeviceCounts, DeviceDomain,
    DeviceError, DeviceField, DeviceInfo, ElementOperation, Kernels, LibraryError, Mode, Plain, ProgramInputs,
    Transformed, ABI_VERSION,
};
pub use library::{LIBRARY_VARIABLE, REQUIRE_VARIABLE};
pub use plan::DevicePlan;
