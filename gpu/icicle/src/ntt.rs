//! Transforms.

use gpu::Transformed;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field as _, PrimeField};
use icicle_core::error::IcicleResult;
use icicle_core::ntt::{NTTConfig, NTTDir, Ordering, NTT};
use icicle_cuda_runtime::device_context::DeviceContext;
use icicle_cuda_runtime::memory::HostOrDeviceSlice;

use crate::curve::{element, ScalarConfig, ScalarField};
use crate::session::{invalid, of_device, Session};

/// The logarithm of a transform's size.
fn logarithm(elements: usize, batch: i32) -> IcicleResult<u32> {
    let batch = usize::try_from(batch).ok().filter(|batch| *batch > 0).ok_or(invalid("a batch of no transforms"))?;
    let size = elements / batch;
    if !elements.is_multiple_of(batch) || !size.is_power_of_two() {
        return Err(invalid("the size of a transform is a power of two"));
    }
    Ok(size.ilog2())
}

impl NTT<ScalarField> for ScalarConfig {
    fn ntt_unchecked(
        input: &HostOrDeviceSlice<'_, ScalarField>,
        dir: NTTDir,
        cfg: &NTTConfig<'_, ScalarField>,
        output: &mut HostOrDeviceSlice<'_, ScalarField>,
    ) -> IcicleResult<()> {
        let k = logarithm(input.len(), cfg.batch_size)?;
        if cfg.ordering != Ordering::kNN {
            return Err(invalid("only natural order is written: use Ordering::kNN"));
        }
        let shift: Fr = element(&cfg.coset_gen).ok_or(invalid("a coset's generator that is no element"))?;
        if shift == Fr::ZERO {
            return Err(invalid("a coset's generator is not zero"));
        }
        let session = Session::of(&cfg.ctx)?;
        let domain = session.domain(k)?;
        let coset = (shift != Fr::ONE).then(|| domain.coset(shift)).transpose().map_err(of_device)?;
        // A transform is linear, so that the elements' form does not matter.
        let from = session.elements::<Fr, _>(input)?;
        let mut to = session.target::<Fr, _>(output)?;
        let columns = vec![Transformed { coset: coset.as_ref(), from: Some(&from), to: &mut to }];
        let transformed = match dir {
            NTTDir::kForward => domain.forward_each(columns),
            NTTDir::kInverse => domain.inverse_each(columns),
        };
        transformed.map_err(of_device)?;
        session.finish(to, output)
    }

    fn initialize_domain(primitive_root: ScalarField, ctx: &DeviceContext<'_>) -> IcicleResult<()> {
        let root: Fr = element(&primitive_root).ok_or(invalid("a root of unity that is no element"))?;
        let mut own = Fr::ROOT_OF_UNITY;
        for k in (0..=Fr::S).rev() {
            if own == root {
                return Session::of(ctx)?.domain(k).map(drop);
            }
            own = own.square();
        }
        Err(invalid("the root of unity is none of halo2's"))
    }

    fn get_default_ntt_config() -> NTTConfig<'static, ScalarField> {
        NTTConfig::default_config()
    }
}
