//! Memory of a device.

use std::ffi::c_void;
use std::marker::PhantomData;

use halo2_proofs::halo2curves::bn256::{Fq, Fr};

use super::{Device, DeviceError, RawContext};

functions! {
    /// Memory.
    Functions {
        fn zkinfer_memory(context: *mut RawContext, used_bytes: *mut u64, peak_bytes: *mut u64) -> i32;
        fn zkinfer_count(context: *mut RawContext, counts: *mut DeviceCounts) -> i32;
        fn zkinfer_allocate(context: *mut RawContext, bytes: u64, address: *mut u64) -> i32;
        fn zkinfer_free(context: *mut RawContext, address: u64) -> i32;
        fn zkinfer_upload(context: *mut RawContext, to: u64, from: *const c_void, bytes: u64) -> i32;
        fn zkinfer_download(context: *mut RawContext, to: *mut c_void, from: u64, bytes: u64) -> i32;
        fn zkinfer_copy(context: *mut RawContext, to: u64, from: u64, bytes: u64) -> i32;
        fn zkinfer_zero(context: *mut RawContext, to: u64, bytes: u64) -> i32;
        fn zkinfer_synchronize(context: *mut RawContext) -> i32;
    }
}

/// What a context has done so far.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceCounts {
    /// Kernels started.
    pub launches: u64,
    /// Bytes that were copied from the host, descriptions that kernels read included.
    pub uploaded_bytes: u64,
    /// Bytes that were copied to the host.
    pub downloaded_bytes: u64,
}

impl std::ops::Add for DeviceCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            launches: self.launches + other.launches,
            uploaded_bytes: self.uploaded_bytes + other.uploaded_bytes,
            downloaded_bytes: self.downloaded_bytes + other.downloaded_bytes,
        }
    }
}

impl std::ops::Sub for DeviceCounts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            launches: self.launches - before.launches,
            uploaded_bytes: self.uploaded_bytes - before.uploaded_bytes,
            downloaded_bytes: self.downloaded_bytes - before.downloaded_bytes,
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What device memory holds: types without padding, all of whose bytes may be anything.
pub trait Plain: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Any value.
    const FILLER: Self;
}

macro_rules! plain {
    ($($type:ty => $filler:expr),* $(,)?) => {
        $(impl sealed::Sealed for $type {}
        impl Plain for $type {
            const FILLER: Self = $filler;
        })*
    };
}

// The fields' elements are four words each; whatever is in them, nothing but a wrong result comes of it.
plain! {
    u8 => 0, i8 => 0, i16 => 0, i32 => 0, i64 => 0, u32 => 0, u64 => 0, [u32; 2] => [0; 2],
    Fr => Fr::zero(), Fq => Fq::zero(), [Fq; 2] => [Fq::zero(); 2],
}

/// Values in a device's memory. Freed when dropped.
pub struct DeviceBuffer<T> {
    device: Device,
    address: u64,
    length: usize,
    /// Whether it is freed when dropped.
    owned: bool,
    values: PhantomData<T>,
}

impl<T: Plain> DeviceBuffer<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> usize {
        self.length * size_of::<T>()
    }

    /// The device that holds it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Where it is on the device; see [`Device::borrowed`].
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Where it is; for functions of the library that `device` runs.
    pub(super) fn address_on(&self, device: &Device) -> u64 {
        assert!(self.device.is(device), "a buffer of another device");
        self.address
    }

    /// The values on the host.
    ///
    /// # Errors
    /// The device fails.
    pub fn download(&self) -> Result<Vec<T>, DeviceError> {
        let mut values = vec![T::FILLER; self.length];
        let (to, bytes) = (values.as_mut_ptr().cast(), self.bytes() as u64);
        // SAFETY: `values` has as many bytes, and any are values of a plain type.
        self.device
            .call(|tables, context| unsafe { (tables.memory.zkinfer_download)(context, to, self.address, bytes) })?;
        Ok(values)
    }

    /// Overwrites the values from `first` on.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// There are not so many.
    pub fn upload(&mut self, first: usize, values: &[T]) -> Result<(), DeviceError> {
        assert!(first <= self.length && values.len() <= self.length - first, "values beyond the buffer");
        let to = self.address + (first * size_of::<T>()) as u64;
        // SAFETY: the buffer has as many bytes from there on, and `values` has them.
        self.device.call(|tables, context| unsafe {
            (tables.memory.zkinfer_upload)(context, to, values.as_ptr().cast(), size_of_val(values) as u64)
        })
    }

    /// Overwrites the values from `first` on by those of another buffer.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// There are not so many, or the other buffer is another device's.
    pub fn copy_from(&mut self, first: usize, values: &Self) -> Result<(), DeviceError> {
        assert!(first <= self.length && values.length <= self.length - first, "values beyond the buffer");
        let to = self.address + (first * size_of::<T>()) as u64;
        let from = values.address_on(&self.device);
        // SAFETY: both have as many bytes, and are apart, since one is borrowed for writing.
        self.device
            .call(|tables, context| unsafe { (tables.memory.zkinfer_copy)(context, to, from, values.bytes() as u64) })
    }

    /// A copy on the same device.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    pub fn duplicate(&self) -> Result<Self, DeviceError> {
        let mut copy = self.device.buffer(self.length)?;
        copy.copy_from(0, self)?;
        Ok(copy)
    }

    /// Makes all bytes zero.
    ///
    /// # Errors
    /// The device fails.
    pub fn clear(&mut self) -> Result<(), DeviceError> {
        // SAFETY: the buffer has as many bytes.
        self.device
            .call(|tables, context| unsafe { (tables.memory.zkinfer_zero)(context, self.address, self.bytes() as u64) })
    }
}

impl<T> Drop for DeviceBuffer<T> {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        // SAFETY: the address was allocated, and is not used any more. What the device says changes nothing.
        let _ = self.device.call(|tables, context| unsafe { (tables.memory.zkinfer_free)(context, self.address) });
    }
}

impl<T> std::fmt::Debug for DeviceBuffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceBuffer of {} values", self.length)
    }
}

impl Device {
    /// Memory for so many values, which are anything.
    ///
    /// # Errors
    /// There is no memory.
    pub fn buffer<T: Plain>(&self, length: usize) -> Result<DeviceBuffer<T>, DeviceError> {
        let bytes = (length as u64).checked_mul(size_of::<T>() as u64);
        let bytes = bytes.ok_or_else(|| DeviceError::OutOfMemory("a buffer of 2^64 bytes".into()))?;
        let mut address = 0;
        // SAFETY: `address` is written alone.
        self.call(|tables, context| unsafe { (tables.memory.zkinfer_allocate)(context, bytes, &mut address) })?;
        Ok(DeviceBuffer { device: self.clone(), address, length, owned: true, values: PhantomData })
    }

    /// Memory of the device that somebody else allocated, and frees: `length` values at `address`.
    ///
    /// # Safety
    /// The memory is this device's (for the host twin: the process's), aligned for its values, and stays until this is dropped;
    /// nobody else reads what is written to it, or writes what is read, other than in the order of this context's stream.
    pub unsafe fn borrowed<T: Plain>(&self, address: u64, length: usize) -> DeviceBuffer<T> {
        DeviceBuffer { device: self.clone(), address, length, owned: false, values: PhantomData }
    }

    /// Values on the device.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    pub fn upload<T: Plain>(&self, values: &[T]) -> Result<DeviceBuffer<T>, DeviceError> {
        let mut buffer = self.buffer(values.len())?;
        buffer.upload(0, values)?;
        Ok(buffer)
    }

    /// Bytes that are allocated, and the most that ever were.
    ///
    /// # Errors
    /// The device fails.
    pub fn memory(&self) -> Result<(u64, u64), DeviceError> {
        let (mut used, mut peak) = (0, 0);
        // SAFETY: both are written alone.
        self.call(|tables, context| unsafe { (tables.memory.zkinfer_memory)(context, &mut used, &mut peak) })?;
        Ok((used, peak))
    }

    /// What was done so far.
    ///
    /// # Errors
    /// The device fails.
    pub fn counts(&self) -> Result<DeviceCounts, DeviceError> {
        let mut counts = DeviceCounts::default();
        // SAFETY: `counts` has the header's layout, and is written alone.
        self.call(|tables, context| unsafe { (tables.memory.zkinfer_count)(context, &mut counts) })?;
        Ok(counts)
    }

    /// Waits until everything that was started is done.
    ///
    /// # Errors
    /// The device fails.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        // SAFETY: it takes nothing.
        self.call(|tables, context| unsafe { (tables.memory.zkinfer_synchronize)(context) })
    }
}
