//! Memory of a device.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::halo2curves::bn256::{Fq, Fr};

use super::{Device, DeviceError, RawContext};

functions! {
    /// Memory.
    Functions {
        fn zkinfer_memory(context: *mut RawContext, used_bytes: *mut u64, peak_bytes: *mut u64) -> i32;
        fn zkinfer_count(context: *mut RawContext, counts: *mut DeviceCounts) -> i32;
        fn zkinfer_streams(context: *mut RawContext, numbers: *mut u32) -> i32;
        fn zkinfer_tickets(context: *mut RawContext, tickets: *mut u64) -> i32;
        fn zkinfer_await(context: *mut RawContext, copies: u32, stream: u32, ticket: u64) -> i32;
        fn zkinfer_reserve(context: *mut RawContext, bytes: u64) -> i32;
        fn zkinfer_allocate(context: *mut RawContext, bytes: u64, for_copies: u32, address: *mut u64) -> i32;
        fn zkinfer_free(context: *mut RawContext, address: u64, users: u64) -> i32;
        fn zkinfer_send(context: *mut RawContext, to: u64, from: *const c_void, bytes: u64) -> i32;
        fn zkinfer_fetch(context: *mut RawContext, to: *mut c_void, from: u64, bytes: u64) -> i32;
        fn zkinfer_upload(context: *mut RawContext, to: u64, from: *const c_void, bytes: u64) -> i32;
        fn zkinfer_download(context: *mut RawContext, to: *mut c_void, from: u64, bytes: u64) -> i32;
        fn zkinfer_copy(context: *mut RawContext, to: u64, from: u64, bytes: u64) -> i32;
        fn zkinfer_zero(context: *mut RawContext, to: u64, bytes: u64) -> i32;
        fn zkinfer_synchronize(context: *mut RawContext) -> i32;
    }
}

/// What the contexts of a device have done so far.
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

/// A point in a stream's work, at which something is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(super) stream: u32,
    pub(super) ticket: u64,
}

impl Made {
    /// The ticket of whatever a stream was given.
    pub(super) const SO_FAR: u64 = u64::MAX;
}

/// Values in a device's memory. Freed when dropped.
///
/// Values that were sent come there beside the work; whoever gets the address for a function of the library has its work wait for them.
pub struct DeviceBuffer<T> {
    device: Device,
    address: u64,
    length: usize,
    /// When they are there, if they were sent.
    arrival: Option<Made>,
    /// A bit for each stream that was given something to do with them.
    users: AtomicU64,
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

    /// Where it is on the device, for work of its own context; see [`Device::borrowed`].
    pub fn address(&self) -> u64 {
        self.address_on(&self.device)
    }

    /// Where it is; for functions of the library that `device` runs, whose work comes after the values are there. Not to be called within
    /// [`Device::call`].
    ///
    /// Another context waits for whatever the buffer's own one was given when it uses the buffer for the first time. What is shared is not
    /// written any more, so that nothing has to be waited for later.
    pub(super) fn address_on(&self, device: &Device) -> u64 {
        assert!(self.device.shares_memory_with(device), "a buffer of another device");
        let [work, _] = device.context.streams;
        let users = self.users.fetch_or(1 << work, Ordering::SeqCst);
        if users & 1 << work == 0 {
            device.await_stream(Made { stream: self.device.context.streams[0], ticket: Made::SO_FAR });
        }
        if let Some(arrival) = self.arrival {
            device.await_stream(arrival);
        }
        self.address
    }

    /// Where it is, for work that waited for the values before.
    pub(super) fn own_address(&self) -> u64 {
        self.address
    }

    /// Whether the values were sent by `device`, so that they may be on their way.
    pub(crate) fn is_sent_by(&self, device: &Device) -> bool {
        self.arrival.is_some_and(|arrival| arrival.stream == device.context.streams[1])
    }

    /// The values on the host, copied beside the work of `device`. They were made when `made` tells; without that they are those
    /// that were sent, or whatever the work has made so far.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// The buffer is another device's.
    pub(crate) fn fetch(&self, device: &Device, made: Option<Made>) -> Result<Vec<T>, DeviceError> {
        assert!(self.device.shares_memory_with(device), "a buffer of another device");
        self.users.fetch_or(1 << device.context.streams[1], Ordering::SeqCst);
        let mut values = vec![T::FILLER; self.length];
        let (to, bytes) = (values.as_mut_ptr().cast(), self.bytes() as u64);
        let unknown = Made { stream: self.device.context.streams[0], ticket: Made::SO_FAR };
        let made = made.or(self.arrival.is_none().then_some(unknown));
        // SAFETY: as in `download`; the numbers are those of streams.
        device.call(|tables, context| unsafe {
            for made in made.into_iter().chain(self.arrival) {
                let status = (tables.memory.zkinfer_await)(context, 1, made.stream, made.ticket);
                if status != 0 {
                    return status;
                }
            }
            (tables.memory.zkinfer_fetch)(context, to, self.address, bytes)
        })?;
        Ok(values)
    }

    /// The values on the host.
    ///
    /// # Errors
    /// The device fails.
    pub fn download(&self) -> Result<Vec<T>, DeviceError> {
        let mut values = vec![T::FILLER; self.length];
        let (to, from, bytes) = (values.as_mut_ptr().cast(), self.address(), self.bytes() as u64);
        // SAFETY: `values` has as many bytes, and any are values of a plain type.
        self.device.call(|tables, context| unsafe { (tables.memory.zkinfer_download)(context, to, from, bytes) })?;
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
        let to = self.address() + (first * size_of::<T>()) as u64;
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
        let to = self.address() + (first * size_of::<T>()) as u64;
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
        let (to, bytes) = (self.address(), self.bytes() as u64);
        // SAFETY: the buffer has as many bytes.
        self.device.call(|tables, context| unsafe { (tables.memory.zkinfer_zero)(context, to, bytes) })
    }
}

impl<T> Drop for DeviceBuffer<T> {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        let users = *self.users.get_mut();
        // SAFETY: the address was allocated, and nobody but these streams uses it any more. What the device says changes nothing.
        let _ =
            self.device.call(|tables, context| unsafe { (tables.memory.zkinfer_free)(context, self.address, users) });
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
        self.allocate(length, false)
    }

    /// Memory that the work, or the copies beside it, use first.
    fn allocate<T: Plain>(&self, length: usize, for_copies: bool) -> Result<DeviceBuffer<T>, DeviceError> {
        let bytes = (length as u64).checked_mul(size_of::<T>() as u64);
        let bytes = bytes.ok_or_else(|| DeviceError::OutOfMemory("a buffer of 2^64 bytes".into()))?;
        let mut address = 0;
        // SAFETY: `address` is written alone.
        self.call(|tables, context| unsafe {
            (tables.memory.zkinfer_allocate)(context, bytes, u32::from(for_copies), &mut address)
        })?;
        Ok(self.buffer_at(address, length, true))
    }

    /// Values at an address, which the context's own work may use.
    fn buffer_at<T>(&self, address: u64, length: usize, owned: bool) -> DeviceBuffer<T> {
        let users = AtomicU64::new(1 << self.context.streams[0]);
        DeviceBuffer { device: self.clone(), address, length, arrival: None, users, owned, values: PhantomData }
    }

    /// Memory of the device that somebody else allocated, and frees: `length` values at `address`.
    ///
    /// # Safety
    /// The memory is this device's (for the host twin: the process's), aligned for its values, and stays until this is dropped;
    /// nobody else reads what is written to it, or writes what is read, other than in the order of this context's stream.
    pub unsafe fn borrowed<T: Plain>(&self, address: u64, length: usize) -> DeviceBuffer<T> {
        self.buffer_at(address, length, false)
    }

    /// Values on the device, where they come beside what else is done.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    pub fn upload<T: Plain>(&self, values: &[T]) -> Result<DeviceBuffer<T>, DeviceError> {
        if self.serial {
            let mut buffer = self.buffer(values.len())?;
            buffer.upload(0, values)?;
            return Ok(buffer);
        }
        let mut buffer = self.allocate(values.len(), true)?;
        let [_, stream] = self.context.streams;
        *buffer.users.get_mut() |= 1 << stream;
        let (to, bytes) = (buffer.address, size_of_val(values) as u64);
        let mut tickets = [0; 2];
        // SAFETY: the buffer has as many bytes, and `values` has them; two numbers are written.
        self.call(|tables, context| unsafe {
            match (tables.memory.zkinfer_send)(context, to, values.as_ptr().cast(), bytes) {
                0 => (tables.memory.zkinfer_tickets)(context, tickets.as_mut_ptr()),
                status => status,
            }
        })?;
        buffer.arrival = Some(Made { stream, ticket: tickets[1] });
        Ok(buffer)
    }

    /// What the work of this context was given so far.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn made(&self) -> Result<Made, DeviceError> {
        let mut tickets = [0; 2];
        // SAFETY: two numbers are written.
        self.call(|tables, context| unsafe { (tables.memory.zkinfer_tickets)(context, tickets.as_mut_ptr()) })?;
        Ok(Made { stream: self.context.streams[0], ticket: tickets[0] })
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
