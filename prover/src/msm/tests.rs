use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;

fn integer(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Rows and field elements of scalars.
fn elements(scalars: &Scalars<'_>) -> Vec<(usize, Fr)> {
    let values: Vec<Fr> = match scalars {
        Scalars::I8(values) => values.iter().map(|v| integer((*v).into())).collect(),
        Scalars::I16(values) => values.iter().map(|v| integer((*v).into())).collect(),
        Scalars::I32(values) => values.iter().map(|v| integer((*v).into())).collect(),
        Scalars::I64(values) => values.iter().map(|v| integer(*v)).collect(),
        Scalars::Field(values) | Scalars::Sparse { values, .. } => values.to_vec(),
    };
    match scalars {
        Scalars::Sparse { rows, .. } => rows.iter().map(|row| *row as usize).zip(values).collect(),
        _ => values.into_iter().enumerate().collect(),
    }
}

/// Points `g_i·G` with their factors, so that sums are checked by one product.
struct Points {
    factors: Vec<Fr>,
    points: Vec<G1Affine>,
}

impl Points {
    fn new(factors: Vec<Fr>) -> Self {
        let products: Vec<G1> = factors.iter().map(|factor| G1::generator() * factor).collect();
        let mut points = vec![G1Affine::identity(); products.len()];
        G1::batch_normalize(&products, &mut points);
        Self { factors, points }
    }

    fn random(count: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(count as u64);
        Self::new((0..count).map(|_| Fr::random(&mut rng)).collect())
    }

    fn expected(&self, scalars: &Scalars<'_>) -> G1 {
        let sum: Fr = elements(scalars).into_iter().map(|(row, scalar)| self.factors[row] * scalar).sum();
        G1::generator() * sum
    }

    fn check(&self, scalars: &[Scalars<'_>]) {
        let bases = Bases::new(&self.points);
        for &instructions in Instructions::available() {
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                let sums = pool.install(|| multi_scalar_batch(instructions, &bases, scalars));
                for (i, (sum, scalars)) in sums.iter().zip(scalars).enumerate() {
                    assert_eq!(*sum, self.expected(scalars), "column {i} on {instructions} with {threads} threads");
                }
            }
        }
    }
}

fn random_elements(count: usize) -> Vec<Fr> {
    let mut rng = ChaCha20Rng::seed_from_u64(count as u64 + 1);
    (0..count).map(|_| Fr::random(&mut rng)).collect()
}

#[test]
fn factors_are_those_of_the_points() {
    let points = Points::random(20);
    let scalars = random_elements(20);
    let naive: G1 = points.points.iter().zip(&scalars).map(|(point, scalar)| point * scalar).sum();
    assert_eq!(points.expected(&Scalars::Field(&scalars)), naive);
}

#[test]
fn lengths() {
    for count in [0, 1, 2, 3, 7, 8, 9, 255, 1000, 1025] {
        let points = Points::random(count);
        let full = random_elements(count);
        let tens: Vec<_> = (0..count).map(|i| if i % 10 == 3 { full[i] } else { Fr::ZERO }).collect();
        let largest = vec![-Fr::ONE; count];
        let constant = vec![Fr::from(12345); count];
        let half = vec![Fr::TWO_INV; count];
        points.check(&[&full, &tens, &largest, &constant, &half].map(|values| Scalars::Field(values)));
        points.check(&[Scalars::Field(&full)]);
    }
}

#[test]
fn integers_with_extremes() {
    let count = 1025;
    let points = Points::random(count);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let words: Vec<i64> = (0..count).map(|_| rng.next_u64() as i64).collect();
    let bytes: Vec<_> = words.iter().map(|w| [*w as i8, i8::MIN, i8::MAX, 0, 1, -1][(*w >> 8) as usize % 6]).collect();
    let shorts: Vec<_> = words.iter().map(|w| [*w as i16, i16::MIN, i16::MAX, -1][(*w >> 16) as usize % 4]).collect();
    let ints: Vec<_> = words.iter().map(|w| [*w as i32, i32::MIN, i32::MAX, -1][(*w >> 32) as usize % 4]).collect();
    let longs: Vec<_> = words.iter().map(|w| [*w, i64::MIN, i64::MAX, -1][(*w >> 48) as usize % 4]).collect();
    points.check(&[
        Scalars::I8(&bytes),
        Scalars::I16(&shorts[..1000]),
        Scalars::I32(&ints),
        Scalars::I64(&longs),
        Scalars::I8(&[i8::MIN; 300]),
        Scalars::I16(&[i16::MIN; 300]),
        Scalars::I32(&[i32::MIN; 300]),
        Scalars::I64(&[i64::MIN; 300]),
        Scalars::I8(&[]),
    ]);
    for column in [Scalars::I8(&bytes), Scalars::I16(&shorts), Scalars::I32(&ints), Scalars::I64(&longs)] {
        points.check(&[column]);
    }
}

#[test]
fn points_at_infinity() {
    let mut factors = random_elements(300);
    factors.iter_mut().step_by(3).for_each(|factor| *factor = Fr::ZERO);
    let points = Points::new(factors);
    let full = random_elements(300);
    points.check(&[Scalars::Field(&full), Scalars::I8(&[5; 300]), Scalars::I16(&[-300; 1])]);
    Points::new(vec![Fr::ZERO; 20]).check(&[Scalars::Field(&full[..20])]);
}

#[test]
fn equal_and_opposite_points_in_a_bucket() {
    let full = random_elements(1000);
    let constant = [7i8; 1000];
    let signs: Vec<i16> = (0..1000).map(|i| [300, -300, 300, 5, -300, -5][i % 6]).collect();
    let patterns: [fn(usize) -> i64; 5] =
        [|_| 3, |i| [3, -3][i % 2], |i| [3, -3, 4][i % 3], |i| i as i64 / 4 + 1, |i| [5, 5, -5, -5, 0, 6][i % 6]];
    for pattern in patterns {
        let points = Points::new((0..1000).map(|i| integer(pattern(i))).collect());
        points.check(&[
            Scalars::Field(&full),
            Scalars::I8(&constant),
            Scalars::I16(&signs),
            Scalars::I8(&constant[..2]),
        ]);
    }
}

#[test]
fn sparse_rows() {
    let points = Points::random(500);
    let rows: Vec<u32> = (0..200).map(|i| i * i % 500).collect();
    let values = random_elements(200);
    points.check(&[Scalars::Sparse { rows: &rows, values: &values }, Scalars::Sparse { rows: &[], values: &[] }]);
}

#[test]
fn columns_larger_than_a_block_and_an_arena() {
    // Consecutive multiples of one point keep the making of the bases cheap.
    let count: usize = 1 << 17;
    let mut powers = vec![G1::generator()];
    (1..count).for_each(|i| powers.push(powers[i - 1] + G1Affine::generator()));
    let mut normalised = vec![G1Affine::identity(); count];
    G1::batch_normalize(&powers, &mut normalised);
    let points = Points { factors: (1..=count as u64).map(Fr::from).collect(), points: normalised };
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let shorts: Vec<_> = (0..count).map(|_| rng.next_u32() as i16).collect();
    let bytes: Vec<_> = shorts.iter().map(|v| *v as i8).collect();
    let full = random_elements(count);
    points.check(&[Scalars::I16(&shorts), Scalars::I8(&bytes), Scalars::I8(&vec![-1; count]), Scalars::Field(&full)]);
    points.check(&[Scalars::I16(&shorts)]);
}

#[test]
fn fixed_bases() {
    let mut factors = random_elements(6);
    factors[4] = Fr::ZERO;
    let points = Points::new(factors);
    let values = random_elements(40);
    let edges = [Fr::ONE, -Fr::ONE, Fr::TWO_INV, -Fr::TWO_INV, Fr::ZERO, Fr::from(128)];
    let mut columns: Vec<&[Fr]> = values.chunks(6).collect();
    columns.extend([&edges[..], &[], &edges[..1]]);
    for &instructions in Instructions::available() {
        let fixed = FixedBases::new(instructions, &points.points);
        assert_eq!(fixed.len(), 6);
        for (sum, column) in fixed.combine(instructions, &columns).iter().zip(&columns) {
            assert_eq!(*sum, points.expected(&Scalars::Field(column)));
        }
        assert!(fixed.combine(instructions, &[]).is_empty());
    }
}

#[test]
#[should_panic(expected = "a base for each scalar")]
fn more_scalars_than_bases() {
    multi_scalar(Instructions::Portable, &Bases::new(&[G1Affine::generator()]), &Scalars::I8(&[1, 2]));
}

#[test]
#[should_panic(expected = "a base for each scalar")]
fn rows_without_a_base() {
    let scalars = Scalars::Sparse { rows: &[1], values: &[Fr::ONE] };
    multi_scalar(Instructions::Portable, &Bases::new(&[G1Affine::generator()]), &scalars);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_at_random(
        factors in prop::collection::vec(-4i64..5, 0..200),
        values in prop::collection::vec((any::<i64>(), 0u32..64), 200),
        seed: [u8; 32],
    ) {
        let count = factors.len();
        let points = Points::new(factors.into_iter().map(integer).collect());
        let longs: Vec<i64> = values.iter().map(|(value, shift)| value >> shift).collect();
        let mut rng = ChaCha20Rng::from_seed(seed);
        let full: Vec<Fr> = (0..count).map(|_| Fr::random(&mut rng)).collect();
        points.check(&[Scalars::I64(&longs[..count]), Scalars::Field(&full)]);
    }
}
