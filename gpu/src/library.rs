//! Which library of kernels is taken, and how the one that is built in reaches the loader.

use std::io::{self, Write};

use crate::ffi::{Kernels, LibraryError};

/// Names a library to be taken instead of the one that is built in.
pub const LIBRARY_VARIABLE: &str = "ZKINFER_CUDA_LIB";

/// With the value 1, tests fail where they would be skipped for want of a device.
pub const REQUIRE_VARIABLE: &str = "ZKINFER_REQUIRE_GPU";

#[cfg(embedded_kernels)]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("ZKINFER_CUDA_LIBRARY")));
#[cfg(not(embedded_kernels))]
const EMBEDDED: Option<&[u8]> = None;

impl Kernels {
    /// The library that `ZKINFER_CUDA_LIB` names, or else the one that this program carries.
    ///
    /// # Errors
    /// There is none, or it can't be opened.
    pub fn find() -> Result<Self, LibraryError> {
        match (std::env::var_os(LIBRARY_VARIABLE), EMBEDDED) {
            (Some(path), _) => Self::open(&path),
            (None, Some(library)) => Self::from_bytes(library),
            (None, None) => Err(LibraryError::Absent),
        }
    }

    /// Opens the library of these bytes: from a file that is memory alone where the system has such files and lets programs load
    /// from them, otherwise from a temporary file, which is removed.
    ///
    /// # Errors
    /// No file can be made, or [`Self::open`] fails.
    pub fn from_bytes(library: &[u8]) -> Result<Self, LibraryError> {
        Self::from_memory(library).or_else(|_| Self::from_temporary_file(library))
    }

    #[cfg(target_os = "linux")]
    fn from_memory(library: &[u8]) -> Result<Self, LibraryError> {
        use std::os::fd::AsRawFd;

        use rustix::fs::{memfd_create, MemfdFlags};

        let mut file =
            std::fs::File::from(memfd_create("zkinfer kernels", MemfdFlags::CLOEXEC).map_err(io::Error::from)?);
        file.write_all(library)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let kernels = Self::open(path.as_ref())?;
        // A loader takes a name that it knows for the library that it knows, and may never forget one: the number stays taken.
        std::mem::forget(file);
        Ok(kernels)
    }

    #[cfg(not(target_os = "linux"))]
    fn from_memory(_: &[u8]) -> Result<Self, LibraryError> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    fn from_temporary_file(library: &[u8]) -> Result<Self, LibraryError> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(library)?;
        file.flush()?;
        Self::open(file.path().as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{self, Twin};

    fn opens_in_both_ways(library: &[u8]) {
        for kernels in
            [Kernels::from_memory, Kernels::from_temporary_file, Kernels::from_bytes].map(|open| open(library))
        {
            let kernels = kernels.expect("it can be opened");
            let device = kernels.device(0, None);
            assert_eq!(device.is_ok(), kernels.device_count().is_ok());
        }
    }

    #[test]
    fn a_carried_library_is_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        match twin::build(folder.path()).expect("the twin can be built") {
            Twin::Built(file) => opens_in_both_ways(&std::fs::read(file).expect("the twin's bytes")),
            Twin::NoCompiler => twin::skip("no C++ compiler, so no host twin"),
        }
        if let Some(library) = EMBEDDED {
            opens_in_both_ways(library);
        }
        assert!(matches!(Kernels::from_bytes(b"no library"), Err(LibraryError::Open { .. })));
    }

    #[test]
    fn libraries_of_others_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let of_version = |version: u32| format!("extern \"C\" unsigned zkinfer_abi_version() {{ return {version}; }}");
        for (source, expected) in [
            ("int something() { return 1; }".into(), "has no function zkinfer_abi_version"),
            (of_version(999), "has interface 999"),
            (of_version(crate::ABI_VERSION), "has no function zkinfer_is_host"),
        ] {
            let Some(file) = twin::shared_library(folder.path(), &source).expect("it can be built") else { return };
            let refused = Kernels::open(file.as_os_str()).expect_err("none of ours").to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
