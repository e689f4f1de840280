//! Sums over points.

use std::collections::BTreeMap;

use gpu::{DeviceBases, DeviceBuffer, DeviceColumn};
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine};
use icicle_core::curve::{Affine, Projective};
use icicle_core::error::{IcicleError, IcicleResult};
use icicle_core::msm::{MSMConfig, MSM};
use icicle_cuda_runtime::device_context::{get_default_device_context, DeviceContext};
use icicle_cuda_runtime::memory::HostOrDeviceSlice;

use crate::curve::{affine, Bn254, ScalarField};
use crate::session::{invalid, of_device, Session};

/// `MSMConfig` field by field: some of its fields are private, and nothing of icicle-core makes one.
#[repr(C)]
struct Mirror {
    ctx: DeviceContext<'static>,
    points_size: i32,
    precompute_factor: i32,
    c: i32,
    bitsize: i32,
    large_bucket_factor: i32,
    batch_size: i32,
    are_scalars_on_device: bool,
    are_scalars_montgomery_form: bool,
    are_points_on_device: bool,
    are_points_montgomery_form: bool,
    are_results_on_device: bool,
    is_big_triangle: bool,
    is_async: bool,
}

/// Points that a basis has behind those of the rows.
const CLOSED: usize = 2;

/// A part of a buffer.
fn part<T: gpu::Plain>(buffer: &DeviceBuffer<T>, first: usize, count: usize) -> DeviceBuffer<T> {
    assert!(first <= buffer.len() && count <= buffer.len() - first, "a part of the buffer");
    // SAFETY: memory of the buffer, which outlives the view where this is called, and which nobody writes meanwhile.
    unsafe { buffer.device().borrowed(buffer.address() + (first * size_of::<T>()) as u64, count) }
}

/// Points in Montgomery's form, filled up by points at infinity.
fn bases(
    session: &Session,
    points: &DeviceBuffer<[Fq; 2]>,
    are_montgomery: bool,
    rows: usize,
) -> IcicleResult<DeviceBases> {
    let mut all = session.device().buffer::<[Fq; 2]>(rows + CLOSED).map_err(of_device)?;
    all.clear().map_err(of_device)?;
    all.copy_from(0, points).map_err(of_device)?;
    if !are_montgomery {
        // SAFETY: the points' own memory, coordinate by coordinate; nothing else is done with it meanwhile.
        let mut coordinates = unsafe { session.device().borrowed::<Fq>(all.address(), 2 * points.len()) };
        session.convert(&mut coordinates, true)?;
    }
    DeviceBases::plain(all).map_err(of_device)
}

/// A sum as icicle gives it: integers `X`, `Y`, `Z`.
fn projective(sum: &G1Affine) -> Projective<Bn254> {
    if *sum == G1Affine::default() {
        Projective::zero()
    } else {
        affine(sum).into()
    }
}

impl MSM<Bn254> for Bn254 {
    fn msm_unchecked(
        scalars: &HostOrDeviceSlice<'_, ScalarField>,
        points: &HostOrDeviceSlice<'_, Affine<Bn254>>,
        cfg: &MSMConfig<'_>,
        results: &mut HostOrDeviceSlice<'_, Projective<Bn254>>,
    ) -> IcicleResult<()> {
        if cfg.precompute_factor != 1 {
            return Err(invalid("precomputed points are of no known kind: use precompute_factor 1"));
        }
        let (sums, count) = match results.len() {
            0 => return Err(invalid("no results are asked for")),
            sums => (sums, scalars.len() / sums),
        };
        if count == 0 || !points.len().is_multiple_of(count) || points.len() > scalars.len() {
            return Err(invalid("as many points as scalars of a sum, or as many for some sums"));
        }
        let session = Session::of(&cfg.ctx)?;
        let rows = count.next_power_of_two();
        let domain = session.domain(rows.ilog2())?;
        let all_points = session.elements::<[Fq; 2], _>(points)?;
        let mut all_scalars = session.elements::<Fr, _>(scalars)?;
        if !cfg.are_scalars_montgomery_form {
            // The caller's are kept.
            all_scalars = all_scalars.duplicate().map_err(of_device)?;
            session.convert(&mut all_scalars, true)?;
        }
        // Sums over the same points are computed together.
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for sum in 0..sums {
            groups.entry(sum * count % points.len()).or_default().push(sum);
        }
        let mut found = vec![Projective::<Bn254>::zero(); sums];
        for (first, members) in groups {
            let own = part(&all_points, first, count);
            let bases = bases(&session, &own, cfg.are_points_montgomery_form, rows)?;
            let columns = members.iter().map(|sum| DeviceColumn::elements(part(&all_scalars, sum * count, count)));
            let columns: Vec<DeviceColumn> = columns.collect();
            let commitments = domain.commit(&bases, &columns.iter().collect::<Vec<_>>()).map_err(of_device)?;
            for (sum, commitment) in members.into_iter().zip(commitments) {
                found[sum] = projective(&commitment);
            }
        }
        if results.is_on_device() {
            return results.copy_from_host(&found).map_err(IcicleError::from_cuda_error);
        }
        results.as_mut_slice().copy_from_slice(&found);
        Ok(())
    }

    fn get_default_msm_config() -> MSMConfig<'static> {
        let mirror = Mirror {
            ctx: get_default_device_context(),
            points_size: 1,
            precompute_factor: 1,
            c: 0,
            bitsize: 0,
            large_bucket_factor: 10,
            batch_size: 1,
            are_scalars_on_device: false,
            are_scalars_montgomery_form: false,
            are_points_on_device: false,
            are_points_montgomery_form: false,
            are_results_on_device: false,
            is_big_triangle: false,
            is_async: false,
        };
        // SAFETY: both are laid out as C lays them out, and have the same fields in the same order.
        unsafe { std::mem::transmute::<Mirror, MSMConfig<'static>>(mirror) }
    }
}
