//! icicle's traits over the kernels, on the host twin: against the curve library, on memory of the host.

use std::path::Path;

use gpu::twin::{self, Twin};
use gpu::Kernels;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField, WithSmallOrderMulGroup};
use halo2_proofs::halo2curves::group::Curve as _;
use icicle_core::curve::{Affine, Curve, Projective};
use icicle_core::error::IcicleErrorCode;
use icicle_core::msm::{get_default_msm_config, msm};
use icicle_core::ntt::{get_default_ntt_config, initialize_domain, ntt, NTTDir, Ordering};
use icicle_core::traits::{FieldImpl, GenerateRandom, MontgomeryConvertible};
use icicle_cuda_runtime::device_context::get_default_device_context;
use icicle_cuda_runtime::error::CudaError;
use icicle_cuda_runtime::memory::HostOrDeviceSlice;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zkinfer_icicle::{add_scalars, mul_scalars, sub_scalars, Bn254, ScalarConfig, ScalarField, VecOpsConfig};

/// Takes the host twin, if it can be built.
fn has_kernels() -> bool {
    static TAKEN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TAKEN.get_or_init(|| match twin::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("the twin can be built") {
        Twin::Built(file) => {
            zkinfer_icicle::take_kernels(Kernels::open(file.as_os_str()).expect("the twin can be opened"))
        }
        Twin::NoCompiler => {
            twin::skip("no C++ compiler, so no host twin");
            false
        }
    })
}

fn integer(element: &Fr) -> ScalarField {
    ScalarField::from_bytes_le(&element.to_repr())
}

fn element(integer: &ScalarField) -> Fr {
    Fr::from_repr(integer.to_bytes_le().try_into().expect("32 bytes")).expect("below the modulus")
}

fn scalars(seed: u64, count: usize) -> Vec<Fr> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(|row| if row == 1 { -Fr::ONE } else { Fr::random(&mut rng) }).collect()
}

fn on_host(elements: &[Fr]) -> HostOrDeviceSlice<'static, ScalarField> {
    HostOrDeviceSlice::on_host(elements.iter().map(integer).collect())
}

fn taken(slice: &HostOrDeviceSlice<'_, ScalarField>) -> Vec<Fr> {
    slice.as_slice().iter().map(element).collect()
}

#[test]
fn transforms_are_evaluations() {
    if !has_kernels() {
        return;
    }
    let root = |k: u32| Fr::ROOT_OF_UNITY.pow_vartime([1 << (Fr::S - k)]);
    initialize_domain(integer(&root(9)), &get_default_device_context()).expect("one of halo2's");
    let other = initialize_domain(integer(&(root(9) * Fr::ZETA)), &get_default_device_context());
    assert_eq!(other.expect_err("none of halo2's").get_icicle_error_code(), IcicleErrorCode::InvalidArgument);
    for (k, batch) in [(0, 1), (4, 3), (9, 2)] {
        for shift in [Fr::ONE, Fr::from(77)] {
            let size = 1usize << k;
            let coefficients = scalars(1, batch * size);
            let mut config = get_default_ntt_config::<ScalarField>();
            config.batch_size = batch as i32;
            config.coset_gen = integer(&shift);
            let mut values = on_host(&vec![Fr::ZERO; batch * size]);
            ntt(&on_host(&coefficients), NTTDir::kForward, &config, &mut values).expect("it runs");
            for (column, values) in coefficients.chunks(size).zip(taken(&values).chunks(size)) {
                for (place, value) in values.iter().enumerate().step_by(size.div_ceil(7)) {
                    let point = shift * root(k).pow_vartime([place as u64]);
                    assert_eq!(*value, column.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c));
                }
            }
            let mut back = on_host(&vec![Fr::ZERO; batch * size]);
            ntt(&values, NTTDir::kInverse, &config, &mut back).expect("it runs");
            assert_eq!(taken(&back), coefficients);
            config.ordering = Ordering::kNR;
            let refused = ntt(&values, NTTDir::kForward, &config, &mut back).expect_err("another order");
            assert_eq!(refused.get_icicle_error_code(), IcicleErrorCode::InvalidArgument);
        }
    }
}

#[test]
fn sums_over_points_are_those_of_the_curve_library() {
    if !has_kernels() {
        return;
    }
    // As many points as scalars, one for each sum, or the same for all sums.
    for (count, sums, sets) in [(1, 1, 1), (100, 1, 1), (64, 3, 1), (33, 2, 2)] {
        let multiples = scalars(2, count * sets);
        let mut points: Vec<G1Affine> = multiples.iter().map(|scalar| (G1::generator() * scalar).to_affine()).collect();
        points[count / 2] = G1Affine::default();
        let icicle_points = points.iter().map(|point| {
            let [x, y] = [point.x, point.y].map(|coordinate| FieldImpl::from_bytes_le(&coordinate.to_repr()));
            Affine::<Bn254> { x, y }
        });
        let mut icicle_points = HostOrDeviceSlice::on_host(icicle_points.collect());
        let factors = scalars(3, count * sums);
        let mut icicle_factors = on_host(&factors);
        let expected: Vec<G1Affine> = (0..sums)
            .map(|sum| {
                let own = factors[sum * count..][..count].iter().zip(&points[sum % sets * count..]);
                own.map(|(factor, point)| *point * factor).sum::<G1>().to_affine()
            })
            .collect();
        for are_montgomery in [false, true] {
            let mut config = get_default_msm_config::<Bn254>();
            if are_montgomery {
                assert_eq!(MontgomeryConvertible::to_mont(&mut icicle_points), CudaError::cudaSuccess);
                assert_eq!(MontgomeryConvertible::to_mont(&mut icicle_factors), CudaError::cudaSuccess);
                config.are_points_montgomery_form = true;
                config.are_scalars_montgomery_form = true;
            }
            let mut results = HostOrDeviceSlice::on_host(vec![Projective::<Bn254>::zero(); sums]);
            msm(&icicle_factors, &icicle_points, &config, &mut results).expect("it runs");
            for (found, expected) in results.as_slice().iter().zip(&expected) {
                let found = Affine::from(*found);
                assert_eq!(found.x.to_bytes_le(), expected.x.to_repr());
                assert_eq!(found.y.to_bytes_le(), expected.y.to_repr());
            }
            config.precompute_factor = 2;
            assert!(msm(&icicle_factors, &icicle_points, &config, &mut results).is_err());
        }
    }
}

#[test]
fn vectors_are_added_subtracted_and_multiplied() {
    if !has_kernels() {
        return;
    }
    let (a, b) = (scalars(4, 300), scalars(5, 300));
    let config = VecOpsConfig::default();
    let mut result = on_host(&a);
    add_scalars(&on_host(&a), &on_host(&b), &mut result, &config).expect("it runs");
    assert_eq!(taken(&result), a.iter().zip(&b).map(|(a, b)| a + b).collect::<Vec<_>>());
    sub_scalars(&on_host(&a), &on_host(&b), &mut result, &config).expect("it runs");
    assert_eq!(taken(&result), a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<_>>());
    mul_scalars(&on_host(&a), &on_host(&b), &mut result, &config).expect("it runs");
    assert_eq!(taken(&result), a.iter().zip(&b).map(|(a, b)| a * b).collect::<Vec<_>>());
    assert!(mul_scalars(&on_host(&a), &on_host(&b[1..]), &mut result, &config).is_err());
}

#[test]
fn points_are_compared_and_converted() {
    if !has_kernels() {
        return;
    }
    let points = Bn254::generate_random_projective_points(3);
    assert!(points[0] == points[0] && points[0] != points[1]);
    let two = ScalarField::from([2, 0, 0, 0]);
    let scaled = |point: &Projective<Bn254>| {
        let double = |value: &zkinfer_icicle::BaseField| {
            let bytes = value.to_bytes_le().try_into().expect("32 bytes");
            let element = halo2_proofs::halo2curves::bn256::Fq::from_repr(bytes).expect("below the modulus");
            FieldImpl::from_bytes_le(&element.double().to_repr())
        };
        Projective::<Bn254> { x: double(&point.x), y: double(&point.y), z: double(&point.z) }
    };
    assert!(scaled(&points[2]) == points[2], "coordinates are homogeneous");
    let mut slice = HostOrDeviceSlice::on_host(points.clone());
    assert_eq!(MontgomeryConvertible::to_mont(&mut slice), CudaError::cudaSuccess);
    assert_ne!(slice.as_slice()[0].x, points[0].x);
    assert_eq!(MontgomeryConvertible::from_mont(&mut slice), CudaError::cudaSuccess);
    assert_eq!(slice.as_slice()[0].x, points[0].x);
    let drawn = ScalarConfig::generate_random(2);
    assert!(drawn[0] != drawn[1] && drawn[0] != two);
}
