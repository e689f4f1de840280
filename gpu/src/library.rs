//! Which library of kernels is taken, and whether there is one.

use crate::ffi::{Kernels, LibraryError};

/// Names a library to be taken instead of the one that is built in.
pub const LIBRARY_VARIABLE: &str = "ZKINFER_CUDA_LIB";

/// With the value 1, tests fail where they would be skipped for want of a device.
pub const REQUIRE_VARIABLE: &str = "ZKINFER_REQUIRE_GPU";

impl Kernels {
    /// The library that `ZKINFER_CUDA_LIB` names, or else the one that this program carries.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn find() -> Result<Self, LibraryError> {
        match std::env::var_os(LIBRARY_VARIABLE) {
            Some(path) => Self::open(&path),
            None => embedded(),
        }
    }
}

fn embedded() -> Result<Kernels, LibraryError> {
    Err(LibraryError::Absent)
}
