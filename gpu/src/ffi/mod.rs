//! The kernels' library from Rust: all `unsafe` code of this crate.
//!
//! Each group of functions of `cuda/abi.h` has a module here: a table of the functions, filled when the library is opened, and safe
//! methods of [`Device`] around them, which check lengths and owners before anything leaves Rust.
//!
//! What is relied on: a library that tells our [`ABI_VERSION`] has the functions of our header, and they do what it says. Whoever
//! names another library in `ZKINFER_CUDA_LIB` answers for it.
#![allow(unsafe_code)]

/// Declares a table of functions of the library, and how it is filled.
macro_rules! functions {
    ($(#[$about:meta])* $table:ident { $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)* }) => {
        $(#[$about])*
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument: $type),*) $(-> $result)?,)*
        }

        impl $table {
            pub(super) fn load(library: &libloading::Library) -> Result<Self, crate::ffi::LibraryError> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the type is that of the header, whose version the library has told.
                        let found = unsafe { library.get(concat!(stringify!($name), "\0")) };
                        *found.map_err(|_| crate::ffi::LibraryError::Symbol { name: stringify!($name) })?
                    },)*
                })
            }
        }
    };
}

mod columns;
mod derive;
mod elements;
mod evaluate;
mod memory;
mod msm;
mod program;
mod rows;
mod transform;

use std::ffi::{c_char, CStr, OsStr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

pub(crate) use derive::{kind, Cells, Product, ScalarColumns, ScalarPlan, Wave};
pub use elements::{DeviceField, ElementOperation};
pub(crate) use memory::Made;
pub use memory::{DeviceBuffer, DeviceCounts, Plain};
pub(crate) use msm::DevicePoints;
pub use msm::{DeviceBases, DeviceCommitments};
pub use program::ProgramInputs;
pub use rows::{ColumnSum, Mode};
pub use transform::{DeviceCoset, DeviceDomain, Transformed};

/// The version of `cuda/abi.h`.
pub const ABI_VERSION: u32 = 5;

/// Why there is no library, or no device.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// Nothing is built in, and nothing is named.
    #[error("this program was built without CUDA kernels, and ZKINFER_CUDA_LIB names no library")]
    Absent,
    /// The library can't be opened.
    #[error("the kernels' library {path:?} can't be opened: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A function is missing.
    #[error("the kernels' library has no function {name}: it is none, or one of another version")]
    Symbol {
        /// The function.
        name: &'static str,
    },
    /// The library is one of another version.
    #[error("the kernels' library has interface {found}, and this program takes {ABI_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// There is no device with that number.
    #[error("no CUDA device {index}: {reason}")]
    NoDevice {
        /// The device that was asked for.
        index: u32,
        /// What the driver says.
        reason: String,
    },
    /// The built-in library can't be laid out for the loader.
    #[error("the built-in kernels can't be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    /// The device fails.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Why a device gives up. The texts are the library's: sizes and causes, no values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// What is asked for is not something that the library does.
    #[error("the device refuses: {0}")]
    Invalid(String),
    /// The limit or the device's memory is used up.
    #[error("the device's memory does not suffice: {0}")]
    OutOfMemory(String),
    /// There is no such device.
    #[error("there is no such device: {0}")]
    NoDevice(String),
    /// The device or its driver fails.
    #[error("the device fails: {0}")]
    Failure(String),
}

impl DeviceError {
    /// What a status other than 0 stands for.
    fn new(status: i32, text: String) -> Self {
        match status {
            1 => Self::Invalid(text),
            2 => Self::OutOfMemory(text),
            3 => Self::NoDevice(text),
            _ => Self::Failure(text),
        }
    }
}

/// A context of the library.
#[repr(C)]
pub(crate) struct RawContext {
    _opaque: [u8; 0],
}

/// Functions that take no context.
mod library {
    use super::{c_char, RawContext, RawDeviceInfo};

    functions! {
        Functions {
            fn zkinfer_is_host() -> u32;
            fn zkinfer_device_count(reason: *mut c_char, reason_bytes: u64) -> u32;
            fn zkinfer_describe_device(device: u32, info: *mut RawDeviceInfo) -> i32;
            fn zkinfer_create(device: u32, memory_limit: u64, context: *mut *mut RawContext) -> i32;
            fn zkinfer_join(other: *const RawContext, context: *mut *mut RawContext) -> i32;
            fn zkinfer_destroy(context: *mut RawContext);
            fn zkinfer_error_text(context: *const RawContext) -> *const c_char;
        }
    }
}

/// All functions, and the library that they are in.
struct Tables {
    library: library::Functions,
    memory: memory::Functions,
    elements: elements::Functions,
    columns: columns::Functions,
    msm: msm::Functions,
    transform: transform::Functions,
    rows: rows::Functions,
    derive: derive::Functions,
    evaluate: evaluate::Functions,
    program: program::Functions,
    /// The functions are there for as long as it is open.
    _handle: libloading::Library,
}

/// An opened library of kernels.
#[derive(Clone)]
pub struct Kernels {
    tables: Arc<Tables>,
}

#[repr(C)]
struct RawDeviceInfo {
    name: [c_char; 256],
    memory_bytes: u64,
    free_bytes: u64,
    multiprocessors: u32,
    architecture: u32,
    driver_version: u32,
    toolkit_version: u32,
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// Bytes of memory; 0 for the host twin, which takes what the system has.
    pub memory_bytes: u64,
    /// Bytes that nobody had taken when it was asked.
    pub free_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Ten times the compute capability: 90 for 9.0.
    pub architecture: u32,
    /// The CUDA version that the driver knows, `1000·major + 10·minor`.
    pub driver_version: u32,
    /// The CUDA version that the library was built with.
    pub toolkit_version: u32,
}

impl Kernels {
    /// Opens the library in a file.
    ///
    /// # Errors
    /// The system can't open it, or it is not one of this version.
    pub fn open(file: &OsStr) -> Result<Self, LibraryError> {
        let path = || file.to_string_lossy().into_owned();
        // SAFETY: opening runs the library's initialisers; ours has none that do anything, and whoever names another answers for it.
        let handle = unsafe { libloading::Library::new(file) };
        let handle = handle.map_err(|error| LibraryError::Open { path: path(), reason: error.to_string() })?;
        let found = abi_version(&handle)?;
        if found != ABI_VERSION {
            return Err(LibraryError::Version { found });
        }
        let tables = Tables {
            library: library::Functions::load(&handle)?,
            memory: memory::Functions::load(&handle)?,
            elements: elements::Functions::load(&handle)?,
            columns: columns::Functions::load(&handle)?,
            msm: msm::Functions::load(&handle)?,
            transform: transform::Functions::load(&handle)?,
            rows: rows::Functions::load(&handle)?,
            derive: derive::Functions::load(&handle)?,
            evaluate: evaluate::Functions::load(&handle)?,
            program: program::Functions::load(&handle)?,
            _handle: handle,
        };
        Ok(Self { tables: Arc::new(tables) })
    }

    /// Whether the kernels run on the processor: the library is the host twin.
    pub fn is_host(&self) -> bool {
        // SAFETY: it takes nothing.
        unsafe { (self.tables.library.zkinfer_is_host)() != 0 }
    }

    /// Devices that there are, or why there are none.
    ///
    /// # Errors
    /// There are none.
    pub fn device_count(&self) -> Result<u32, LibraryError> {
        let mut reason = [0 as c_char; 256];
        // SAFETY: as many bytes may be written as there are.
        let count = unsafe { (self.tables.library.zkinfer_device_count)(reason.as_mut_ptr(), reason.len() as u64) };
        match count {
            0 => Err(LibraryError::NoDevice { index: 0, reason: text(&reason) }),
            count => Ok(count),
        }
    }

    /// What is known of a device.
    ///
    /// # Errors
    /// There is no such device.
    pub fn describe(&self, index: u32) -> Result<DeviceInfo, LibraryError> {
        let mut info = RawDeviceInfo {
            name: [0; 256],
            memory_bytes: 0,
            free_bytes: 0,
            multiprocessors: 0,
            architecture: 0,
            driver_version: 0,
            toolkit_version: 0,
        };
        // SAFETY: `info` has the header's layout.
        let status = unsafe { (self.tables.library.zkinfer_describe_device)(index, &mut info) };
        if status != 0 {
            return Err(LibraryError::NoDevice { index, reason: "the driver knows no such device".into() });
        }
        Ok(DeviceInfo {
            name: text(&info.name),
            memory_bytes: info.memory_bytes,
            free_bytes: info.free_bytes,
            multiprocessors: info.multiprocessors,
            architecture: info.architecture,
            driver_version: info.driver_version,
            toolkit_version: info.toolkit_version,
        })
    }

    /// A context on a device, whose memory takes no more than `memory_limit` bytes if there is a limit.
    ///
    /// # Errors
    /// There is no such device, or it fails.
    pub fn device(&self, index: u32, memory_limit: Option<u64>) -> Result<Device, LibraryError> {
        self.device_count()?;
        let mut context = std::ptr::null_mut();
        let limit = memory_limit.map_or(0, |limit| limit.max(1));
        // SAFETY: `context` is written alone.
        let status = unsafe { (self.tables.library.zkinfer_create)(index, limit, &mut context) };
        let shared = Arc::new(Shared { limit: memory_limit, ..Shared::default() });
        let context = Context::new(self, status, context, shared)?;
        Ok(Device { context: Arc::new(context), kernels: self.clone(), index, serial: false })
    }
}

/// The version that a library tells.
fn abi_version(handle: &libloading::Library) -> Result<u32, LibraryError> {
    type Function = unsafe extern "C" fn() -> u32;
    // SAFETY: a library that has a function of this name is one of ours, and in all versions it takes nothing.
    let function = unsafe { handle.get::<Function>(c"zkinfer_abi_version") };
    let function = function.map_err(|_| LibraryError::Symbol { name: "zkinfer_abi_version" })?;
    // SAFETY: as above.
    Ok(unsafe { function() })
}

/// A text that ends with a zero byte.
fn text(bytes: &[c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A context, for whoever holds the lock.
struct ContextHandle(*mut RawContext);

// SAFETY: a context may be used from any thread, one at a time.
unsafe impl Send for ContextHandle {}

/// What contexts of one device share.
#[derive(Default)]
struct Shared {
    /// Bytes of the device that may be taken, if there is a limit.
    limit: Option<u64>,
    /// Proofs that have entered and not left.
    inside: Mutex<usize>,
    /// Told when memory may have been given back.
    changed: Condvar,
    /// Those who wait for that.
    waiting: AtomicUsize,
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _inside = self.inside();
            self.changed.notify_all();
        }
    }
}

/// Streams of a device at most.
const STREAMS: usize = 64;

struct Context {
    tables: Arc<Tables>,
    context: Mutex<ContextHandle>,
    shared: Arc<Shared>,
    /// The numbers of its streams: of work, and of copies beside it.
    streams: [u32; 2],
    /// What its work comes after, of each stream of the device.
    awaited: [AtomicU64; STREAMS],
}

impl Context {
    fn new(kernels: &Kernels, status: i32, context: *mut RawContext, shared: Arc<Shared>) -> Result<Self, DeviceError> {
        let tables = kernels.tables.clone();
        if status != 0 {
            // SAFETY: the text of a null context is about the creation.
            let text = unsafe { CStr::from_ptr((tables.library.zkinfer_error_text)(std::ptr::null())) };
            return Err(DeviceError::new(status, text.to_string_lossy().into_owned()));
        }
        let mut streams = [0; 2];
        // SAFETY: the context is ours alone; two numbers are written.
        let status = unsafe { (tables.memory.zkinfer_streams)(context, streams.as_mut_ptr()) };
        let awaited = std::array::from_fn(|_| AtomicU64::new(0));
        let created = Self { tables, context: Mutex::new(ContextHandle(context)), shared, streams, awaited };
        match status {
            0 => Ok(created),
            status => Err(DeviceError::new(status, "a context without streams".into())),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let context = self.context.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the context was created by this library, and nobody holds it any more.
        unsafe { (self.tables.library.zkinfer_destroy)(context.0) }
    }
}

/// A device with a context of its own; clones are the same. Calls from several threads wait for one another; for threads that don't,
/// there is [`Self::join`].
#[derive(Clone)]
pub struct Device {
    context: Arc<Context>,
    kernels: Kernels,
    index: u32,
    serial: bool,
}

impl Device {
    /// Another context on the same device, which works beside this one. What lies on the device, its limit and its counts are those of
    /// both.
    ///
    /// # Errors
    /// There are 32 contexts already, or the device fails.
    pub fn join(&self) -> Result<Self, DeviceError> {
        let mut context = std::ptr::null_mut();
        let other = self.context.context.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the other context is there, and nobody uses it meanwhile; `context` is written alone.
        let status = unsafe { (self.context.tables.library.zkinfer_join)(other.0, &mut context) };
        drop(other);
        let context = Context::new(&self.kernels, status, context, self.context.shared.clone())?;
        Ok(Self { context: Arc::new(context), kernels: self.kernels.clone(), ..*self })
    }

    /// The same context; what is copied to the device through it comes there in the order of the work, and not beside it. For measuring what
    /// that is worth.
    #[must_use]
    pub fn serial(self) -> Self {
        Self { serial: true, ..self }
    }

    /// Bytes of its memory that may be taken, if there is a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.context.shared.limit
    }

    /// Waits until so many bytes can be kept for this context alone, or until no other one has entered: then it takes what there is.
    /// [`Self::leave`] ends that.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn enter(&self, bytes: u64) -> Result<(), DeviceError> {
        let shared = &self.context.shared;
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        let mut inside = shared.inside();
        let entered = loop {
            match self.reserve(bytes) {
                Err(DeviceError::OutOfMemory(_)) if *inside > 0 => {
                    inside = shared.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
                }
                Ok(()) | Err(DeviceError::OutOfMemory(_)) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        *inside += usize::from(entered.is_ok());
        shared.waiting.fetch_sub(1, Ordering::SeqCst);
        entered
    }

    /// Lets others have what was kept.
    pub(crate) fn leave(&self) {
        // A device that fails here fails the next call as well.
        let _ = self.reserve(0);
        let shared = &self.context.shared;
        *shared.inside() -= 1;
        shared.tell();
    }

    fn reserve(&self, bytes: u64) -> Result<(), DeviceError> {
        // SAFETY: it takes a number.
        self.call_untold(|tables, context| unsafe { (tables.memory.zkinfer_reserve)(context, bytes) })
    }

    /// The library that drives it.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// What is known of it.
    ///
    /// # Errors
    /// It is no longer there.
    pub fn describe(&self) -> Result<DeviceInfo, LibraryError> {
        self.kernels.describe(self.index)
    }

    /// Calls a function of the library; another status than 0 becomes an error.
    fn call(&self, function: impl FnOnce(&Tables, *mut RawContext) -> i32) -> Result<(), DeviceError> {
        let result = self.call_untold(function);
        self.context.shared.tell();
        result
    }

    /// The same where nobody is told that memory may have been given back.
    fn call_untold(&self, function: impl FnOnce(&Tables, *mut RawContext) -> i32) -> Result<(), DeviceError> {
        let context = self.context.context.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = &*self.context.tables;
        let status = function(tables, context.0);
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the text is there until the next call, for which the lock is needed.
        let text = unsafe { CStr::from_ptr((tables.library.zkinfer_error_text)(context.0)) };
        Err(DeviceError::new(status, text.to_string_lossy().into_owned()))
    }

    /// Whether both are on the same device, as far as memory goes.
    fn shares_memory_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.context.shared, &other.context.shared)
    }

    /// Work of this context comes after what a stream was given up to a ticket.
    fn await_stream(&self, made: Made) {
        let awaited = &self.context.awaited[made.stream as usize];
        if made.stream == self.context.streams[0] || awaited.load(Ordering::SeqCst) >= made.ticket {
            return;
        }
        // SAFETY: it takes numbers, and `made` has that of a stream. A device that fails here fails the call that follows.
        let waits =
            |tables: &Tables, context| unsafe { (tables.memory.zkinfer_await)(context, 0, made.stream, made.ticket) };
        if self.call(waits).is_ok() && made.ticket != Made::SO_FAR {
            awaited.fetch_max(made.ticket, Ordering::SeqCst);
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("index", &self.index).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels").field("is_host", &self.is_host()).finish()
    }
}
