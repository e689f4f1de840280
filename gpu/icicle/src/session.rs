//! The device behind icicle's contexts, and its memory behind icicle's slices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gpu::{
    Device, DeviceBuffer, DeviceDomain, DeviceError, DeviceField, ElementOperation, Kernels, LibraryError, Plain,
};
use halo2_proofs::halo2curves::ff::PrimeField;
use icicle_core::error::{IcicleError, IcicleErrorCode, IcicleResult};
use icicle_cuda_runtime::device_context::DeviceContext;
use icicle_cuda_runtime::memory::HostOrDeviceSlice;

static KERNELS: OnceLock<Result<Kernels, LibraryError>> = OnceLock::new();
static SESSIONS: Mutex<BTreeMap<usize, Arc<Session>>> = Mutex::new(BTreeMap::new());

/// Takes these kernels, for tests; returns whether none were taken before.
pub fn take_kernels(kernels: Kernels) -> bool {
    KERNELS.set(Ok(kernels)).is_ok()
}

/// A failure by its code and what is wrong.
pub(crate) fn failure(code: IcicleErrorCode, reason: &'static str) -> IcicleError {
    IcicleError::from_code_and_reason(code, reason)
}

/// An argument that is refused.
pub(crate) fn invalid(reason: &'static str) -> IcicleError {
    failure(IcicleErrorCode::InvalidArgument, reason)
}

/// What the device says, in icicle's codes; the texts of these are fixed.
pub(crate) fn of_device(error: DeviceError) -> IcicleError {
    match error {
        DeviceError::Invalid(_) => invalid("the kernels refuse the arguments"),
        DeviceError::OutOfMemory(_) => {
            failure(IcicleErrorCode::MemoryAllocationError, "the device's memory does not suffice")
        }
        DeviceError::NoDevice(_) => failure(IcicleErrorCode::InternalCudaError, "there is no such device"),
        DeviceError::Failure(_) => failure(IcicleErrorCode::InternalCudaError, "the device fails"),
    }
}

/// A device with a stream of its own, and tables that are made once.
pub(crate) struct Session {
    device: Device,
    domains: Mutex<BTreeMap<u32, Arc<DeviceDomain>>>,
}

impl Session {
    /// That of a context's device, once the work on the context's stream is done.
    ///
    /// # Errors
    /// There are no kernels or no such device, or it fails.
    pub(crate) fn of(context: &DeviceContext<'_>) -> IcicleResult<Arc<Self>> {
        let none = |_: &LibraryError| {
            failure(IcicleErrorCode::InternalCudaError, "there are no kernels; name them in ZKINFER_CUDA_LIB")
        };
        let kernels = KERNELS.get_or_init(Kernels::find).as_ref().map_err(none)?;
        // The host twin has no streams.
        if !kernels.is_host() {
            context.stream.synchronize().map_err(IcicleError::from_cuda_error)?;
        }
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(&context.device_id) {
            return Ok(session.clone());
        }
        let index = u32::try_from(context.device_id).map_err(|_| invalid("there is no such device"))?;
        let device = kernels.device(index, None);
        let device = device.map_err(|_| failure(IcicleErrorCode::InternalCudaError, "there is no such device"))?;
        let session = Arc::new(Self { device, domains: Mutex::default() });
        sessions.insert(context.device_id, session.clone());
        Ok(session)
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The domain of `2^k` points.
    ///
    /// # Errors
    /// There is none, or the device fails.
    pub(crate) fn domain(&self, k: u32) -> IcicleResult<Arc<DeviceDomain>> {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(domain) = domains.get(&k) {
            return Ok(domain.clone());
        }
        let domain = Arc::new(self.device.domain(k).map_err(of_device)?);
        domains.insert(k, domain.clone());
        Ok(domain)
    }

    /// What a slice holds, as values of another type with the same words: its own memory on the device, or a copy of what is on
    /// the host.
    ///
    /// # Errors
    /// There is no memory, the device fails, or it is the host twin, and the slice is a device's.
    pub(crate) fn elements<T: Plain, S: Copy>(
        &self,
        slice: &HostOrDeviceSlice<'_, S>,
    ) -> IcicleResult<DeviceBuffer<T>> {
        let count = Self::count::<T, S>(slice);
        if slice.is_on_device() {
            self.refuse_twin()?;
            // SAFETY: the slice is memory of CUDA of so many bytes, and is there for as long as it is borrowed, for writing where it
            // is written; the stream on which it was written has been waited for.
            return Ok(unsafe { self.device.borrowed(slice.as_ptr() as u64, count) });
        }
        // SAFETY: both types are words of 64 bits, any of which are values of a plain type.
        let values = unsafe { std::slice::from_raw_parts(slice.as_ptr().cast::<T>(), count) };
        self.device.upload(values).map_err(of_device)
    }

    /// Memory for what a slice is to hold: its own on the device, or further one for a slice of the host.
    ///
    /// # Errors
    /// There is no memory, or the device is the host twin, and the slice is a device's.
    pub(crate) fn target<T: Plain, S: Copy>(
        &self,
        slice: &mut HostOrDeviceSlice<'_, S>,
    ) -> IcicleResult<DeviceBuffer<T>> {
        if slice.is_on_device() {
            return self.elements(slice);
        }
        self.device.buffer(Self::count::<T, S>(slice)).map_err(of_device)
    }

    /// Brings what is in a buffer into the slice that it was made for, and waits for it.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn finish<T: Plain, S: Copy>(
        &self,
        elements: DeviceBuffer<T>,
        slice: &mut HostOrDeviceSlice<'_, S>,
    ) -> IcicleResult<()> {
        if slice.is_on_device() {
            return self.device.synchronize().map_err(of_device);
        }
        let values = elements.download().map_err(of_device)?;
        // SAFETY: both are words of 64 bits, any of which are allowed, and there are as many.
        let words = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<S>(), slice.len()) };
        slice.as_mut_slice().copy_from_slice(words);
        Ok(())
    }

    /// Values of another type that a slice has room for.
    fn count<T, S>(slice: &HostOrDeviceSlice<'_, S>) -> usize {
        assert!(
            align_of::<S>() == align_of::<T>() && size_of::<S>().is_multiple_of(size_of::<T>()),
            "words of 64 bits"
        );
        slice.len() * (size_of::<S>() / size_of::<T>())
    }

    /// Multiplies by `2^256`, or by its inverse: to Montgomery's form, or from it.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn convert<F: PrimeField + DeviceField>(
        &self,
        elements: &mut DeviceBuffer<F>,
        into_montgomery: bool,
    ) -> IcicleResult<()> {
        let radix = F::from(2).pow_vartime([256]);
        let factor = if into_montgomery { radix } else { radix.invert().expect("a power of two is not zero") };
        // SAFETY: a second view of the elements, which this operation does not read.
        let same = unsafe { self.device.borrowed::<F>(elements.address(), elements.len()) };
        self.device.elementwise(ElementOperation::Scale(factor), elements, &same).map_err(of_device)
    }

    fn refuse_twin(&self) -> IcicleResult<()> {
        if self.device.kernels().is_host() {
            return Err(invalid("the host twin has no memory of a device"));
        }
        Ok(())
    }
}
