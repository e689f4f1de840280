//! BN254 as icicle writes it: elements and coordinates as integers below the modulus, unless a caller has them in Montgomery's
//! form.

use gpu::DeviceField;
use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field as _, PrimeField};
use halo2_proofs::halo2curves::group::{Curve as _, Group};
use icicle_core::curve::{Affine, Curve, Projective};
use icicle_core::error::IcicleResult;
use icicle_core::field::{Field, MontgomeryConvertibleField};
use icicle_core::traits::{FieldConfig, FieldImpl, GenerateRandom};
use icicle_cuda_runtime::device_context::get_default_device_context;
use icicle_cuda_runtime::error::CudaError;
use icicle_cuda_runtime::memory::HostOrDeviceSlice;
use rand_core::OsRng;

use crate::session::Session;

/// The field of scalars, modulo the group's order.
#[derive(Debug, PartialEq, Copy, Clone)]
pub struct ScalarConfig;

/// The field of coordinates.
#[derive(Debug, PartialEq, Copy, Clone)]
pub struct BaseConfig;

impl FieldConfig for ScalarConfig {}
impl FieldConfig for BaseConfig {}

/// A scalar.
pub type ScalarField = Field<4, ScalarConfig>;

/// A coordinate.
pub type BaseField = Field<4, BaseConfig>;

/// The curve, its first group.
#[derive(Debug, PartialEq, Copy, Clone)]
pub struct Bn254;

/// The element that an integer stands for; what is not below the modulus is none.
pub(crate) fn element<F: PrimeField<Repr = [u8; 32]>, S: FieldImpl>(integer: &S) -> Option<F> {
    let bytes: [u8; 32] = integer.to_bytes_le().try_into().ok()?;
    F::from_repr(bytes).into_option()
}

/// The integer of an element.
pub(crate) fn integer<F: PrimeField<Repr = [u8; 32]>, S: FieldImpl>(element: &F) -> S {
    S::from_bytes_le(&element.to_repr())
}

/// A point by its coordinates.
pub(crate) fn affine(point: &G1Affine) -> Affine<Bn254> {
    Affine { x: integer(&point.x), y: integer(&point.y) }
}

/// Coordinates `X/Z` and `Y/Z`; zeros at infinity, and where the point's coordinates are none.
fn normalised(point: &Projective<Bn254>) -> [Fq; 2] {
    let [x, y, z] = [point.x, point.y, point.z].map(|coordinate| element::<Fq, _>(&coordinate).unwrap_or(Fq::ZERO));
    let inverse = z.invert().unwrap_or(Fq::ZERO);
    [x * inverse, y * inverse]
}

fn random_points(count: usize) -> Vec<G1Affine> {
    let points: Vec<G1> = (0..count).map(|_| G1::random(OsRng)).collect();
    let mut affine = vec![G1Affine::default(); count];
    G1::batch_normalize(&points, &mut affine);
    affine
}

/// Changes the form of elements in their place; a value of the slice is one of them, or some.
fn convert<F, S>(values: &mut HostOrDeviceSlice<'_, S>, into_montgomery: bool) -> CudaError
where
    F: PrimeField + DeviceField,
    S: Copy,
{
    let mut converted = || -> IcicleResult<()> {
        let session = Session::of(&get_default_device_context())?;
        let mut elements = session.elements::<F, S>(values)?;
        session.convert(&mut elements, into_montgomery)?;
        session.finish(elements, values)
    };
    match converted() {
        Ok(()) => CudaError::cudaSuccess,
        Err(error) => error.get_cuda_error().unwrap_or(CudaError::cudaErrorInvalidValue),
    }
}

// The trait's functions take pointers, and are safe.
#[allow(clippy::not_unsafe_ptr_arg_deref)]
impl Curve for Bn254 {
    type BaseField = BaseField;
    type ScalarField = ScalarField;

    fn eq_proj(point1: *const Projective<Self>, point2: *const Projective<Self>) -> bool {
        // SAFETY: icicle-core calls this with references that it has.
        let [a, b] = [point1, point2].map(|point| normalised(unsafe { &*point }));
        a == b
    }

    fn to_affine(point: *const Projective<Self>, point_aff: *mut Affine<Self>) {
        // SAFETY: icicle-core calls this with references that it has, the second one to be written.
        let (point, to) = unsafe { (&*point, &mut *point_aff) };
        let [x, y] = normalised(point);
        *to = Affine { x: integer(&x), y: integer(&y) };
    }

    fn generate_random_projective_points(size: usize) -> Vec<Projective<Self>> {
        Self::generate_random_affine_points(size).into_iter().map(Projective::from).collect()
    }

    fn generate_random_affine_points(size: usize) -> Vec<Affine<Self>> {
        random_points(size).iter().map(affine).collect()
    }

    fn convert_affine_montgomery(points: &mut HostOrDeviceSlice<'_, Affine<Self>>, is_into: bool) -> CudaError {
        convert::<Fq, _>(points, is_into)
    }

    fn convert_projective_montgomery(points: &mut HostOrDeviceSlice<'_, Projective<Self>>, is_into: bool) -> CudaError {
        convert::<Fq, _>(points, is_into)
    }
}

impl MontgomeryConvertibleField<ScalarField> for ScalarConfig {
    fn to_mont(values: &mut HostOrDeviceSlice<'_, ScalarField>) -> CudaError {
        convert::<Fr, _>(values, true)
    }

    fn from_mont(values: &mut HostOrDeviceSlice<'_, ScalarField>) -> CudaError {
        convert::<Fr, _>(values, false)
    }
}

impl GenerateRandom<ScalarField> for ScalarConfig {
    fn generate_random(size: usize) -> Vec<ScalarField> {
        (0..size).map(|_| integer(&Fr::random(OsRng))).collect()
    }
}
