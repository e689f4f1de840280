//! Element-wise operations. icicle-core 1.3 has no trait for them; these are called as those of 2.0.

use gpu::ElementOperation;
use halo2_proofs::halo2curves::bn256::Fr;
use icicle_core::error::IcicleResult;
use icicle_core::traits::FieldImpl;
use icicle_cuda_runtime::device_context::{get_default_device_context, DeviceContext};
use icicle_cuda_runtime::memory::HostOrDeviceSlice;

use crate::curve::{ScalarConfig, ScalarField};
use crate::session::{invalid, of_device, Session};

/// Where operations run.
#[derive(Debug, Clone)]
pub struct VecOpsConfig<'a> {
    /// The device, and the stream whose work is waited for.
    pub ctx: DeviceContext<'a>,
}

impl Default for VecOpsConfig<'_> {
    fn default() -> Self {
        Self { ctx: get_default_device_context() }
    }
}

/// Element-wise operations on vectors of integers below the modulus.
pub trait VecOps<F> {
    /// `result[i] = a[i] + b[i]`
    ///
    /// # Errors
    /// The lengths differ, or the device fails.
    fn add(
        a: &HostOrDeviceSlice<'_, F>,
        b: &HostOrDeviceSlice<'_, F>,
        result: &mut HostOrDeviceSlice<'_, F>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()>;

    /// `result[i] = a[i] − b[i]`
    ///
    /// # Errors
    /// The lengths differ, or the device fails.
    fn sub(
        a: &HostOrDeviceSlice<'_, F>,
        b: &HostOrDeviceSlice<'_, F>,
        result: &mut HostOrDeviceSlice<'_, F>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()>;

    /// `result[i] = a[i]·b[i]`
    ///
    /// # Errors
    /// The lengths differ, or the device fails.
    fn mul(
        a: &HostOrDeviceSlice<'_, F>,
        b: &HostOrDeviceSlice<'_, F>,
        result: &mut HostOrDeviceSlice<'_, F>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()>;
}

fn elementwise(
    operation: ElementOperation<Fr>,
    a: &HostOrDeviceSlice<'_, ScalarField>,
    b: &HostOrDeviceSlice<'_, ScalarField>,
    result: &mut HostOrDeviceSlice<'_, ScalarField>,
    cfg: &VecOpsConfig<'_>,
) -> IcicleResult<()> {
    if a.len() != b.len() || a.len() != result.len() {
        return Err(invalid("vectors of different lengths"));
    }
    let session = Session::of(&cfg.ctx)?;
    let (left, right) = (session.elements::<Fr, _>(a)?, session.elements::<Fr, _>(b)?);
    let mut to = session.target::<Fr, _>(result)?;
    to.copy_from(0, &left).map_err(of_device)?;
    session.device().elementwise(operation, &mut to, &right).map_err(of_device)?;
    if operation == ElementOperation::Multiply {
        // A product of integers in Montgomery's way lacks a factor 2^256.
        session.convert(&mut to, true)?;
    }
    session.finish(to, result)
}

impl VecOps<ScalarField> for ScalarConfig {
    fn add(
        a: &HostOrDeviceSlice<'_, ScalarField>,
        b: &HostOrDeviceSlice<'_, ScalarField>,
        result: &mut HostOrDeviceSlice<'_, ScalarField>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()> {
        elementwise(ElementOperation::Add, a, b, result, cfg)
    }

    fn sub(
        a: &HostOrDeviceSlice<'_, ScalarField>,
        b: &HostOrDeviceSlice<'_, ScalarField>,
        result: &mut HostOrDeviceSlice<'_, ScalarField>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()> {
        elementwise(ElementOperation::Subtract, a, b, result, cfg)
    }

    fn mul(
        a: &HostOrDeviceSlice<'_, ScalarField>,
        b: &HostOrDeviceSlice<'_, ScalarField>,
        result: &mut HostOrDeviceSlice<'_, ScalarField>,
        cfg: &VecOpsConfig<'_>,
    ) -> IcicleResult<()> {
        elementwise(ElementOperation::Multiply, a, b, result, cfg)
    }
}

/// `result[i] = a[i] + b[i]`
///
/// # Errors
/// The lengths differ, or the device fails.
pub fn add_scalars<F>(
    a: &HostOrDeviceSlice<'_, F>,
    b: &HostOrDeviceSlice<'_, F>,
    result: &mut HostOrDeviceSlice<'_, F>,
    cfg: &VecOpsConfig<'_>,
) -> IcicleResult<()>
where
    F: FieldImpl,
    F::Config: VecOps<F>,
{
    F::Config::add(a, b, result, cfg)
}

/// `result[i] = a[i] − b[i]`
///
/// # Errors
/// The lengths differ, or the device fails.
pub fn sub_scalars<F>(
    a: &HostOrDeviceSlice<'_, F>,
    b: &HostOrDeviceSlice<'_, F>,
    result: &mut HostOrDeviceSlice<'_, F>,
    cfg: &VecOpsConfig<'_>,
) -> IcicleResult<()>
where
    F: FieldImpl,
    F::Config: VecOps<F>,
{
    F::Config::sub(a, b, result, cfg)
}

/// `result[i] = a[i]·b[i]`
///
/// # Errors
/// The lengths differ, or the device fails.
pub fn mul_scalars<F>(
    a: &HostOrDeviceSlice<'_, F>,
    b: &HostOrDeviceSlice<'_, F>,
    result: &mut HostOrDeviceSlice<'_, F>,
    cfg: &VecOpsConfig<'_>,
) -> IcicleResult<()>
where
    F: FieldImpl,
    F::Config: VecOps<F>,
{
    F::Config::mul(a, b, result, cfg)
}
