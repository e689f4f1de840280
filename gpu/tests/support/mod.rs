//! The device that tests run on: that of `ZKINFER_CUDA_LIB` where it names a library, the host twin otherwise.

use std::path::Path;
use std::sync::OnceLock;

use gpu::twin::{self, Twin};
use gpu::{Device, Kernels, LIBRARY_VARIABLE};

/// A context on the device; `None`, with a line, where there is none.
pub(crate) fn device(memory_limit: Option<u64>) -> Option<Device> {
    static KERNELS: OnceLock<Option<Kernels>> = OnceLock::new();
    let kernels = KERNELS.get_or_init(|| {
        if std::env::var_os(LIBRARY_VARIABLE).is_some() {
            return Some(Kernels::find().expect("the library that the environment names"));
        }
        match twin::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("the twin can be built") {
            Twin::Built(file) => Some(Kernels::open(file.as_os_str()).expect("the twin can be opened")),
            Twin::NoCompiler => None,
        }
    });
    let Some(kernels) = kernels else {
        twin::skip("no C++ compiler, so no host twin");
        return None;
    };
    Some(kernels.device(0, memory_limit).expect("a device"))
}
