//! Commitments against sums whose factors are known, and against the processor's engine.

mod support;

use gpu::{Device, DeviceBases, DeviceColumn, DeviceError, GpuEngine};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use prover::engine::{Column, CpuOptions, Engine, EngineError, SigmaColumn, Values};
use prover::transform::Domain;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use support::device;

/// Points with their factors, so that a sum is checked by one product.
struct Points {
    factors: Vec<Fr>,
    points: Vec<G1Affine>,
    tau: Fr,
}

impl Points {
    fn new(factors: Vec<Fr>) -> Self {
        let products: Vec<G1> = factors.iter().map(|factor| G1::generator() * factor).collect();
        let mut points = vec![G1Affine::identity(); products.len()];
        G1::batch_normalize(&products, &mut points);
        Self { factors, points, tau: Fr::from(0x1234_5678_9abc_def1) }
    }

    fn random(seed: u64, k: u32) -> Self {
        Self::new(elements(seed, 1 << k))
    }

    fn tau(&self) -> G1Affine {
        (G1Affine::generator() * self.tau).to_affine()
    }

    /// What a column's commitment is a multiple by.
    fn expected(&self, column: &Column) -> Fr {
        let rows = self.factors.len();
        let at = |values: &[Fr]| values.iter().zip(&self.factors).map(|(value, factor)| *value * factor).sum::<Fr>();
        let omega = Domain::new(rows.ilog2()).omega();
        let cell = |column: u32, row: u32| Fr::DELTA.pow_vartime([column.into()]) * omega.pow_vartime([row.into()]);
        let values = match &column.values {
            Values::Integers(integers) => at(&integers.iter().map(circuits::machine::to_field).collect::<Vec<Fr>>()),
            Values::Field(elements) => at(elements),
            Values::Sparse { rows, values } => {
                rows.iter().zip(values).map(|(row, value)| self.factors[*row as usize] * value).sum()
            }
            Values::Constant(element) => *element,
            Values::Sigma(sigma) => {
                let moved = sigma.rows.iter().zip(&*sigma.images).map(|(row, image)| {
                    (cell(image.0, image.1) - cell(sigma.column, *row)) * self.factors[*row as usize]
                });
                moved.sum::<Fr>() + cell(sigma.column, 0) * self.tau
            }
        };
        let tail = column.tail.iter().zip(&self.factors[rows - column.tail.len()..]);
        values + tail.map(|(value, factor)| *value * factor).sum::<Fr>()
    }

    /// Commits to columns together, and to the first one alone.
    fn check(&self, device: &Device, columns: &[Column]) {
        let domain = device.domain(self.points.len().ilog2()).expect("a domain");
        let bases = DeviceBases::new(device, &self.points, self.tau()).expect("memory");
        let held: Vec<_> = columns.iter().map(|column| DeviceColumn::upload(device, column).expect("memory")).collect();
        let held: Vec<_> = held.iter().collect();
        let found = domain.commit(&bases, &held).expect("it runs");
        for (index, (found, column)) in found.iter().zip(columns).enumerate() {
            let expected = (G1Affine::generator() * self.expected(column)).to_affine();
            assert_eq!(*found, expected, "column {index} of {} rows: {column:?}", self.points.len());
        }
        assert_eq!(domain.commit(&bases, &held[..1]).expect("it runs"), found[..1]);
        assert!(domain.commit(&bases, &[]).expect("nothing to do").is_empty());
    }
}

fn elements(seed: u64, count: usize) -> Vec<Fr> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..count).map(|_| Fr::random(&mut rng)).collect()
}

fn integers(values: impl IntoIterator<Item = i64>) -> Column {
    Column::integers(values.into_iter().collect::<Vec<_>>().into())
}

fn field(values: Vec<Fr>) -> Column {
    Column::new(Values::Field(values))
}

/// Random integers of so many bits.
fn drawn(seed: u64, bits: u32, count: usize) -> Column {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    integers((0..count).map(|_| (rng.next_u64() as i64) >> (64 - bits)))
}

#[test]
fn lengths() {
    let Some(device) = device(None) else { return };
    let points = Points::random(1, 9);
    let full = elements(2, 512);
    for count in [0, 1, 2, 3, 255, 256, 257, 511, 512] {
        let tens = (0..count).map(|i| if i % 10 == 3 { full[i] } else { Fr::ZERO }).collect();
        points.check(
            &device,
            &[
                field(full[..count].to_vec()),
                field(tens),
                field(vec![-Fr::ONE; count]),
                field(vec![Fr::TWO_INV; count]),
                field(vec![Fr::ZERO; count]),
                drawn(3, 8, count),
                drawn(4, 31, count),
                integers(vec![1; count]),
            ],
        );
    }
}

#[test]
fn domains_of_every_size() {
    let Some(device) = device(None) else { return };
    for k in (0..=8).chain([11]) {
        let points = Points::random(k.into(), k);
        let full = elements(100 + u64::from(k), 1 << k);
        points.check(&device, &[field(full), drawn(k.into(), 8, 1 << k), integers([i64::MIN])]);
    }
}

#[test]
fn integers_with_extremes() {
    let Some(device) = device(None) else { return };
    let points = Points::random(5, 9);
    let mut columns = Vec::new();
    for (least, most) in [
        (i8::MIN.into(), i8::MAX.into()),
        (i16::MIN.into(), i16::MAX.into()),
        (i32::MIN.into(), i32::MAX.into()),
        (i64::MIN, i64::MAX),
    ] {
        columns.push(integers((0..512).map(|row| [least, most, 0, 1, -1][row % 5])));
        columns.push(integers(vec![least; 512]));
        columns.push(integers(vec![most; 500]));
    }
    columns.extend([4, 8, 12, 16, 17, 31, 47, 63].map(|bits| drawn(bits.into(), bits, 512)));
    points.check(&device, &columns);
}

#[test]
fn points_at_infinity() {
    let Some(device) = device(None) else { return };
    let mut factors = elements(6, 256);
    factors.iter_mut().step_by(3).for_each(|factor| *factor = Fr::ZERO);
    let columns = [field(elements(7, 256)), drawn(8, 8, 256), integers(vec![5; 256]), integers([-300])];
    Points::new(factors).check(&device, &columns);
    Points::new(vec![Fr::ZERO; 256]).check(&device, &columns);
}

#[test]
fn equal_and_opposite_points_in_a_bucket() {
    let Some(device) = device(None) else { return };
    let signs = integers((0..512).map(|i| [300, -300, 300, 5, -300, -5][i % 6]));
    let columns = [field(elements(9, 512)), integers(vec![7; 512]), signs, integers([7, 7])];
    let patterns: [fn(i64) -> i64; 5] = [
        |_| 3,
        |i| [3, -3][i as usize % 2],
        |i| [3, -3, 4][i as usize % 3],
        |i| i / 4 + 1,
        |i| [5, 5, -5, -5, 0, 6][i as usize % 6],
    ];
    for pattern in patterns {
        Points::new((0..512).map(|i| circuits::machine::to_field(pattern(i))).collect()).check(&device, &columns);
    }
}

/// Long runs of equal values, which fill many threads' chunks.
#[test]
fn skewed_columns() {
    let Some(device) = device(None) else { return };
    let factors = (1..=1 << 12).map(Fr::from).collect();
    let rows = 1 << 12;
    let constant = elements(10, 1)[0];
    let runs = |length: usize| integers((0..rows).map(|row| (row / length) as i64 * 37 % 251 - 125));
    let mut columns = vec![
        integers(vec![-1; rows]),
        integers((0..rows).map(|row| if row % 10 == 0 { (row % 251) as i64 - 125 } else { 0 })),
        integers((0..rows).map(|row| if row == 77 { -100 } else { 0 })),
        field(vec![constant; rows]),
        drawn(11, 8, rows),
        drawn(12, 16, rows),
    ];
    columns.extend([1, 7, 8, 9, 31, 64, 1000].map(runs));
    Points::new(factors).check(&device, &columns);
}

/// Digits with more buckets than a block has counters are sorted in two steps.
#[test]
fn wide_windows() {
    let Some(device) = device(None) else { return };
    let k = 14;
    let rows = 1 << k;
    let full = elements(25, rows);
    let constant = vec![full[0]; rows];
    let tens = (0..rows).map(|row| if row % 10 == 3 { full[row] } else { Fr::ZERO }).collect();
    let two = (0..rows).map(|row| full[row % 2]).collect();
    let mut columns = [full, constant, tens, two].map(field).to_vec();
    columns.extend([16, 30, 60].map(|bits| drawn(bits.into(), bits, rows - 5)));
    Points::new((1..=rows as u64).map(Fr::from).collect()).check(&device, &columns);
}

#[test]
fn columns_of_every_form() {
    let Some(device) = device(None) else { return };
    let k = 7;
    let points = Points::random(13, k);
    let rows = 1u32 << k;
    let tail = || elements(14, 6);
    let usable = rows as usize - 6;
    let moved: Vec<u32> = (0..rows).filter(|row| row % 3 != 1).collect();
    let images: Vec<_> = moved.iter().map(|row| (row % 5, row * 7 % rows)).collect();
    let sigma = |column| SigmaColumn { column, rows: moved.clone().into(), images: images.clone().into() };
    let still = SigmaColumn { column: 3, rows: [].into(), images: [].into() };
    let filled: Vec<u32> = (0..usable as u32).step_by(5).collect();
    let values = elements(15, filled.len());
    points.check(
        &device,
        &[
            Column { tail: tail(), ..drawn(16, 8, usable) },
            Column { tail: tail(), ..drawn(17, 31, usable) },
            Column { tail: tail(), ..field(elements(18, usable)) },
            Column { tail: tail(), ..Column::new(Values::ZERO) },
            Column { tail: elements(19, rows as usize), ..Column::new(Values::ZERO) },
            Column { tail: tail(), ..Column::new(Values::Sparse { rows: filled, values }) },
            Column::new(Values::ZERO),
            Column::new(Values::Constant(elements(20, 1)[0])),
            Column::new(Values::Constant(Fr::ZERO)),
            Column::new(Values::Sigma(sigma(0))),
            Column::new(Values::Sigma(sigma(2))),
            Column::new(Values::Sigma(still)),
        ],
    );
}

#[test]
fn seeds() {
    let Some(device) = device(None) else { return };
    for seed in 0..24 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        // Points with few factors, so that sums of them meet in all ways.
        let factors = (0..64).map(|_| circuits::machine::to_field(i64::from(rng.next_u32() % 9) - 4)).collect();
        let bits = 2 + rng.next_u32() % 62;
        Points::new(factors).check(&device, &[drawn(seed, bits, 64), field(elements(seed, 64))]);
    }
}

/// With less memory the same sums take more passes.
#[test]
fn memory_within_the_limit() {
    let Some(free) = device(None) else { return };
    let points = Points::new((1..=1 << 12).map(Fr::from).collect());
    let columns =
        [field(elements(21, 1 << 12)), drawn(22, 31, 1 << 12), Column { tail: elements(23, 6), ..drawn(24, 8, 4000) }];
    let run = |device: &Device| {
        let domain = device.domain(12).expect("a domain");
        let bases = DeviceBases::new(device, &points.points, points.tau()).expect("memory");
        let held: Vec<_> = columns.iter().map(|column| DeviceColumn::upload(device, column).expect("memory")).collect();
        let found = domain.commit(&bases, &held.iter().collect::<Vec<_>>());
        (found, bases.lists(), device.memory().expect("counts").1)
    };
    let (expected, lists, peak) = run(&free);
    let expected = expected.expect("it runs");
    assert!(lists > 1 && peak > 8 << 20, "{lists} lists, {peak} bytes");
    for limit in [8 << 20, 4 << 20, 2 << 20] {
        let device = device(Some(limit)).expect("a twin");
        let (found, lists, peak) = run(&device);
        assert_eq!(found.expect("it runs"), expected, "within {limit} bytes");
        assert!(peak <= limit && lists <= 8, "{lists} lists, {peak} bytes");
    }
    let device = device(Some(480 << 10)).expect("a twin");
    assert!(matches!(run(&device).0, Err(DeviceError::OutOfMemory(_))));
}

/// Points that the device has no room for come there in parts.
#[test]
fn points_in_parts() {
    let k = 12;
    let Some(free) = device(None) else { return };
    let points = Points::new((1..=1 << k).map(Fr::from).collect());
    let rows = 1usize << k;
    let filled: Vec<u32> = (0..rows as u32 - 6).step_by(5).collect();
    let moved: Vec<u32> = (0..rows as u32).step_by(7).collect();
    let images: Vec<_> = moved.iter().map(|row| (row % 5, row * 7 % rows as u32)).collect();
    let values = elements(30, filled.len());
    let columns = [
        Column { tail: elements(31, 6), ..drawn(32, 8, rows - 6) },
        Column { tail: elements(33, 20), ..drawn(34, 16, rows - 30) },
        Column { tail: elements(35, 6), ..Column::new(Values::Sparse { rows: filled, values }) },
        Column::new(Values::Constant(elements(36, 1)[0])),
        Column::new(Values::Sigma(SigmaColumn { column: 2, rows: moved.into(), images: images.into() })),
    ];
    let committed = |device: &Device| {
        let engine = GpuEngine::new(device.clone(), &points.points, points.tau(), CpuOptions::default())?;
        let held = columns.iter().map(|column| engine.column(column.clone())).collect::<Result<Vec<_>, _>>()?;
        let before = device.counts().expect("counts").uploaded_bytes;
        let found = engine.commit(&held.iter().collect::<Vec<_>>())?;
        Ok::<_, EngineError>((found, device.counts().expect("counts").uploaded_bytes - before))
    };
    let srs_bytes = 64 << k;
    let (expected, uploaded) = committed(&free).expect("it runs");
    assert!(uploaded < srs_bytes, "the points were there");
    for limit in [1 << 20, 512 << 10, srs_bytes - 1] {
        let device = device(Some(limit)).expect("a twin");
        let (found, uploaded) = committed(&device).expect("it runs");
        let (_, peak) = device.memory().expect("counts");
        println!("{limit} bytes allowed, {peak} taken at most, {uploaded} uploaded");
        assert!(found == expected && peak <= limit, "within {limit} bytes");
        assert!(limit >= srs_bytes || uploaded >= srs_bytes, "the points came in parts");
    }
}
