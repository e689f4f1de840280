//! Measures the kernels of the proving engine against the curve library's, and against a floor.
//!
//! Both run in turn on the same data, on all threads, and their results are compared. Times are processor seconds. The floor is
//! the number of field products that the method cannot do without, times what a product takes in this same run, on operands in
//! registers:
//!
//! | kernel | products |
//! | --- | --- |
//! | batch inversion of `n` | `3·n` |
//! | transform of `n` | `n/2·log2 n + n`: the butterflies, and the twists between the passes |
//! | sum over `n` points | six for each addition; see [`least_additions`] |
//!
//! Nothing but products is counted, hence no kernel reaches the floor, save for transforms: their factors are known beforehand,
//! and a product with such a one takes three quarters of the multiply-adds of a product that this bench measures.

use std::hint::black_box;
use std::path::PathBuf;

use anyhow::{ensure, Result};
use clap::{Args, Parser, Subcommand};
use halo2_proofs::arithmetic::{best_fft, best_multiexp};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::{BatchInvert, Field};
use halo2_proofs::halo2curves::group::Group;
use halo2_proofs::poly::EvaluationDomain;
use prover::field::{self, Instructions, Kernel, Lanes};
use prover::msm::{multi_scalar, Bases, Scalars};
use prover::transform::Domain;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use zkinfer_benches::clock::alternate;
use zkinfer_benches::record::{self, figure, Record};
use zkinfer_benches::samples::{elements, points};
use zkinfer_benches::table::{digits, markdown, shown, times, Show};

/// Elements of a column that stays in the nearest cache.
const CACHED: usize = 256;
/// Elements of a chain.
const CHAIN: usize = 4096;
/// Vectors that are multiplied at the same time, so that none waits for its last product.
const IN_FLIGHT: usize = 8;
/// Elements of the widest vectors.
const WIDEST: usize = 8;
/// Products of each element that stays in registers.
const ROUNDS: usize = 1 << 14;
/// Products that are measured at once.
const PRODUCTS: usize = 1 << 20;
/// Bits of a magnitude: scalars have signs.
const SCALAR_BITS: u32 = 253;
/// Field products of an addition of points in affine coordinates, its share of an inversion included.
const ADDITION_PRODUCTS: f64 = 6.0;
/// From this size on there are fewer repetitions.
const LARGE: u32 = 19;

/// Measures the kernels of the proving engine and keeps records.
#[derive(Parser)]
#[command(name = "zkinfer-kernels", version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Measure and write `records/MACHINE/DATE-kernels.csv`
    Run(Options),
    /// Print a record as Markdown
    Table {
        /// A record
        record: PathBuf,
    },
}

#[derive(Args)]
struct Options {
    /// Transforms of up to 2^K elements
    #[arg(long, value_name = "K", default_value_t = 22)]
    transforms_up_to: u32,
    /// Sums over up to 2^K points
    #[arg(long, value_name = "K", default_value_t = 20)]
    sums_up_to: u32,
    /// Measurements of each; two from 2^19 elements on
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Only what contains this of: powers, inversions, transforms, sums; products are always measured
    #[arg(long)]
    only: Option<String>,
    /// Where records go; a row of the same day and name is replaced
    #[arg(long, default_value = record::FOLDER)]
    records: PathBuf,
}

/// The columns of the record, before those of the environment.
const COLUMNS: [&str; 10] = [
    "kernel",
    "log_size",
    "library_cpu_s",
    "native_cpu_s",
    "ratio",
    "library_ns_per_element",
    "native_ns_per_element",
    "floor_cpu_s",
    "times_floor",
    "repetitions",
];

/// What was measured of a kernel.
struct Measurement {
    kernel: String,
    log_size: u32,
    library: f64,
    native: f64,
    /// Field products that it can't do without.
    products: f64,
    repetitions: usize,
}

/// Measures kernels and records them.
struct Bench<'a> {
    options: &'a Options,
    instructions: Instructions,
    record: Record,
    path: PathBuf,
    environment: Vec<String>,
    /// Seconds of a product by the native engine.
    product: f64,
}

fn main() -> Result<()> {
    match Cli::parse().mode {
        Mode::Run(options) => run(&options),
        Mode::Table { record } => {
            print!("{}", table(&Record::read(&record)?));
            Ok(())
        }
    }
}

fn columns() -> Vec<&'static str> {
    [&COLUMNS[..], &record::ENVIRONMENT[..]].concat()
}

fn run(options: &Options) -> Result<()> {
    let path = record::path(&options.records, "-kernels.csv")?;
    let mut bench = Bench {
        options,
        instructions: Instructions::detected(),
        record: Record::open(&path, &columns())?,
        path,
        environment: record::environment(),
        product: f64::NAN,
    };
    bench.products()?;
    bench.columns()?;
    if bench.is_wanted("powers") {
        bench.powers()?;
    }
    if bench.is_wanted("inversions") {
        [12, 16, 20].into_iter().try_for_each(|k| bench.inversions(k))?;
    }
    if bench.is_wanted("transforms") {
        (16..=options.transforms_up_to).step_by(2).try_for_each(|k| bench.transforms(k))?;
    }
    if bench.is_wanted("sums") {
        bench.sums()?;
    }
    println!("{}\nwritten to {}", table(&bench.record), bench.path.display());
    Ok(())
}

impl Bench<'_> {
    fn is_wanted(&self, kernels: &str) -> bool {
        self.options.only.as_ref().is_none_or(|part| kernels.contains(part))
    }

    fn repetitions(&self, log_size: u32) -> usize {
        if log_size < LARGE {
            self.options.repetitions.max(1)
        } else {
            self.options.repetitions.clamp(1, 2)
        }
    }

    /// Products without access to memory, which set the floor.
    fn products(&mut self) -> Result<()> {
        let (start, factor) = (elements(1, IN_FLIGHT * WIDEST), elements(2, 1)[0]);
        let (mut library, mut native) = (start.clone(), start);
        let (repetitions, instructions) = (self.repetitions(0), self.instructions);
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || library.chunks_exact_mut(IN_FLIGHT).for_each(|values| multiply_often(values, factor)),
            &mut || field::run(instructions, MultiplyOften { values: &mut native, factor }),
        );
        ensure!(library == native, "the products differ");
        let products = (IN_FLIGHT * WIDEST * ROUNDS) as f64;
        self.product = native_seconds / products;
        self.keep(Measurement {
            kernel: "product".into(),
            log_size: products.log2() as u32,
            library: library_seconds,
            native: native_seconds,
            products,
            repetitions,
        })
    }

    /// Products of two columns.
    fn columns(&mut self) -> Result<()> {
        let (start, factors) = (elements(1, CACHED), elements(2, CACHED));
        let (mut library, mut native) = (start.clone(), start);
        let (rounds, repetitions, instructions) = (PRODUCTS / CACHED, self.repetitions(0), self.instructions);
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || {
                for _ in 0..rounds {
                    black_box(&mut library).iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
                }
            },
            &mut || {
                for _ in 0..rounds {
                    field::multiply(instructions, black_box(&mut native), &factors);
                }
            },
        );
        ensure!(library == native, "the products differ");
        self.keep(Measurement {
            kernel: "product, of columns".into(),
            log_size: PRODUCTS.ilog2(),
            library: library_seconds,
            native: native_seconds,
            products: PRODUCTS as f64,
            repetitions,
        })
    }

    /// Products of which each needs the one before.
    fn powers(&mut self) -> Result<()> {
        let [base, start]: [Fr; 2] = [elements(3, 1)[0], elements(4, 1)[0]];
        let (mut library, mut native) = (vec![Fr::ZERO; CHAIN], vec![Fr::ZERO; CHAIN]);
        let (rounds, repetitions, instructions) = (PRODUCTS / CHAIN, self.repetitions(0), self.instructions);
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || {
                for _ in 0..rounds {
                    let mut power = black_box(start);
                    for value in &mut library {
                        *value = power;
                        power *= base;
                    }
                }
            },
            &mut || {
                for _ in 0..rounds {
                    field::powers(instructions, base, black_box(start), &mut native);
                }
            },
        );
        ensure!(library == native, "the powers differ");
        self.keep(Measurement {
            kernel: "powers (a chain)".into(),
            log_size: PRODUCTS.ilog2(),
            library: library_seconds,
            native: native_seconds,
            products: PRODUCTS as f64,
            repetitions,
        })
    }

    fn inversions(&mut self, k: u32) -> Result<()> {
        // An even number of runs gives the elements back, so both sides work on the same kind of values throughout.
        let start = elements(5, 1 << k);
        let (mut library, mut native) = (start.clone(), start);
        let (repetitions, instructions, runs) = (self.repetitions(k), self.instructions, runs(k, 20));
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || {
                for _ in 0..runs {
                    library.iter_mut().batch_invert();
                }
            },
            &mut || (0..runs).for_each(|_| field::batch_invert(instructions, &mut native)),
        );
        ensure!(library == native, "the inverses differ");
        self.keep(Measurement {
            kernel: "batch inversion".into(),
            log_size: k,
            library: library_seconds / runs as f64,
            native: native_seconds / runs as f64,
            products: 3.0 * f64::from(k).exp2(),
            repetitions,
        })
    }

    /// Coefficients to values, over and over.
    fn transforms(&mut self, k: u32) -> Result<()> {
        let start = elements(6, 1 << k);
        let (library_domain, native_domain) = (EvaluationDomain::<Fr>::new(2, k), Domain::new(k));
        let (mut library, mut native) = (start.clone(), start);
        let (repetitions, instructions, runs) = (self.repetitions(k), self.instructions, runs(k, 18));
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || {
                for _ in 0..runs {
                    best_fft(&mut library, library_domain.get_omega(), k, library_domain.get_fft_data(1 << k), false);
                }
            },
            &mut || (0..runs).for_each(|_| native_domain.forward(instructions, &mut native)),
        );
        ensure!(library == native, "the transforms differ");
        let n = f64::from(k).exp2();
        self.keep(Measurement {
            kernel: "transform".into(),
            log_size: k,
            library: library_seconds / runs as f64,
            native: native_seconds / runs as f64,
            products: n / 2.0 * f64::from(k) + n,
            repetitions,
        })
    }

    fn sums(&mut self) -> Result<()> {
        let points = points(1 << self.options.sums_up_to);
        for k in (12..=self.options.sums_up_to).step_by(2) {
            let points = &points[..1 << k];
            let bases = Bases::new(points);
            for column in Column::all(1 << k) {
                self.sum(k, points, &bases, &column)?;
            }
        }
        Ok(())
    }

    fn sum(&mut self, k: u32, points: &[G1Affine], bases: &Bases, column: &Column) -> Result<()> {
        let (mut library, mut native) = (G1::identity(), G1::identity());
        let (repetitions, instructions, runs) = (self.repetitions(k), self.instructions, runs(k, 14));
        let [library_seconds, native_seconds] = alternate(
            repetitions,
            &mut || (0..runs).for_each(|_| library = best_multiexp(&column.elements, points)),
            &mut || (0..runs).for_each(|_| native = multi_scalar(instructions, bases, &column.scalars())),
        );
        ensure!(library == native, "the sums differ");
        self.keep(Measurement {
            kernel: format!("sum, {}", column.name),
            log_size: k,
            library: library_seconds / runs as f64,
            native: native_seconds / runs as f64,
            products: ADDITION_PRODUCTS * least_additions(column.nonzero(), column.bits),
            repetitions,
        })
    }

    fn keep(&mut self, measured: Measurement) -> Result<()> {
        let elements = f64::from(measured.log_size).exp2();
        let floor = measured.products * self.product;
        let figures = [
            measured.library,
            measured.native,
            measured.library / measured.native,
            measured.library * 1e9 / elements,
            measured.native * 1e9 / elements,
            floor,
            measured.native / floor,
        ];
        let mut row = vec![measured.kernel, measured.log_size.to_string()];
        row.extend(figures.map(figure));
        row.push(measured.repetitions.to_string());
        row.extend(self.environment.iter().cloned());
        eprintln!("{}", record::line(&row[..COLUMNS.len()]));
        self.record.put(row, 2);
        self.record.write(&self.path)
    }
}

/// Multiplies values that stay in registers.
struct MultiplyOften<'a> {
    values: &'a mut [Fr],
    factor: Fr,
}

impl Kernel for MultiplyOften<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let factor = lanes.splat(self.factor);
        for values in self.values.chunks_exact_mut(IN_FLIGHT * L::COUNT) {
            // Loops, not closures: these would not be compiled for the instructions.
            let mut vectors = [factor; IN_FLIGHT];
            for (vector, values) in vectors.iter_mut().zip(values.chunks_exact(L::COUNT)) {
                *vector = lanes.load(values);
            }
            for _ in 0..ROUNDS {
                for vector in &mut vectors {
                    *vector = lanes.mul(*vector, factor);
                }
            }
            for (vector, values) in vectors.into_iter().zip(values.chunks_exact_mut(L::COUNT)) {
                lanes.store(vector, values);
            }
        }
    }
}

/// As [`MultiplyOften`], by the curve library.
fn multiply_often(values: &mut [Fr], factor: Fr) {
    let mut kept: [Fr; IN_FLIGHT] = std::array::from_fn(|i| values[i]);
    for _ in 0..ROUNDS {
        kept.iter_mut().for_each(|value| *value *= factor);
    }
    values.copy_from_slice(&kept);
}

/// How often a kernel runs at once on `2^k` elements: as often as makes `2^enough` elements.
fn runs(k: u32, enough: u32) -> usize {
    1 << enough.saturating_sub(k)
}

/// Additions that a sum of `n` scalars other than zero takes, whose magnitudes have so many bits, by the bucket method with
/// signed digits. `W = ⌈bits/c⌉` windows have `2^(c−1)` buckets, but the top one `2^(bits − c·(W−1))`; a scalar is added to a
/// bucket in each window, and a bucket takes two additions when buckets are summed up:
///
/// `min_c n·W + 2·((W−1)·2^(c−1) + 2^(bits − c·(W−1)))`
///
/// Digits that happen to be zero are not taken off.
fn least_additions(n: usize, bits: u32) -> f64 {
    let additions = |width: u32| {
        let below = bits.div_ceil(width) - 1;
        let (below, rest) = (f64::from(below), bits - width * below);
        n as f64 * (below + 1.0) + 2.0 * (below * f64::from(width - 1).exp2() + f64::from(rest).exp2())
    };
    (1..=20).map(additions).fold(f64::INFINITY, f64::min)
}

/// Scalars to measure sums with, as the library and as the engine take them.
struct Column {
    name: &'static str,
    elements: Vec<Fr>,
    small: Small,
    bits: u32,
}

enum Small {
    None,
    I8(Vec<i8>),
    I16(Vec<i16>),
}

impl Column {
    fn all(n: usize) -> Vec<Self> {
        let mut random = ChaCha20Rng::seed_from_u64(7);
        let words: Vec<i16> = (0..n).map(|_| (random.next_u32() as i16).max(-i16::MAX)).collect();
        let bytes: Vec<i8> = words.iter().map(|word| (*word as i8).max(-i8::MAX)).collect();
        let sparse = |element: Fr| if random.next_u32() % 10 == 0 { element } else { Fr::ZERO };
        let full = elements(8, n);
        vec![
            Self::of_elements("90 % zeros", full.iter().copied().map(sparse).collect()),
            Self::of_elements("one value", vec![full[0]; n]),
            Self::of_elements("full width", full),
            Self {
                name: "16 bits",
                elements: words.iter().map(|word| signed(i64::from(*word))).collect(),
                small: Small::I16(words),
                bits: 15,
            },
            Self {
                name: "8 bits",
                elements: bytes.iter().map(|byte| signed(i64::from(*byte))).collect(),
                small: Small::I8(bytes),
                bits: 7,
            },
        ]
    }

    fn of_elements(name: &'static str, elements: Vec<Fr>) -> Self {
        Self { name, elements, small: Small::None, bits: SCALAR_BITS }
    }

    fn scalars(&self) -> Scalars<'_> {
        match &self.small {
            Small::None => Scalars::Field(&self.elements),
            Small::I8(values) => Scalars::I8(values),
            Small::I16(values) => Scalars::I16(values),
        }
    }

    fn nonzero(&self) -> usize {
        self.elements.iter().filter(|element| **element != Fr::ZERO).count()
    }
}

fn signed(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// The columns of the table.
const TABLE: [(&str, &str, Show); 5] = [
    ("library ms", "library_cpu_s", |seconds| digits(seconds * 1e3)),
    ("native ms", "native_cpu_s", |seconds| digits(seconds * 1e3)),
    ("native ns / element", "native_ns_per_element", digits),
    ("library / native", "ratio", times),
    ("native / floor", "times_floor", digits),
];

/// The record as Markdown.
fn table(record: &Record) -> String {
    let headings: Vec<&str> = ["kernel", "elements"].into_iter().chain(TABLE.iter().map(|row| row.0)).collect();
    let rows = record.rows().map(|row| {
        let figures = TABLE.iter().map(|(_, column, show)| shown(row.figure(column), *show));
        let names = [row.cell("kernel").to_owned(), format!("2^{}", row.cell("log_size"))];
        names.into_iter().chain(figures).collect()
    });
    let product = record.rows().find(|row| row.cell("kernel") == "product");
    let floor = product.and_then(|row| row.figure("native_ns_per_element"));
    format!(
        "CPU time. A product takes {} ns.\n\n{}",
        shown(floor, digits),
        markdown(&headings, &rows.collect::<Vec<_>>())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_counted_with_the_best_windows() {
        // One window of 7 bits, or of 15 once there are enough points; two windows of 8 and 7 bits for few.
        assert_eq!(least_additions(1 << 20, 7), f64::from((1 << 20) + (1 << 8)));
        assert_eq!(least_additions(1 << 20, 15), f64::from((1 << 20) + (1 << 16)));
        assert_eq!(least_additions(1000, 15), f64::from(2000 + 2 * (128 + 128)));
        let full = least_additions(1 << 20, SCALAR_BITS);
        assert!((15.0..17.0).contains(&(full / f64::from(1 << 20))), "{full}");
    }

    #[test]
    fn columns_are_what_they_say() {
        let nonzero: Vec<(&str, usize)> =
            Column::all(1000).iter().map(|column| (column.name, column.nonzero())).collect();
        assert!(nonzero[0].1 > 50 && nonzero[0].1 < 150, "{nonzero:?}");
        assert_eq!((signed(-3) + signed(3), signed(2)), (Fr::ZERO, Fr::from(2)));
    }

    #[test]
    fn tables_name_the_product() {
        let mut record = Record::new(&COLUMNS);
        let row = ["product", "20", "0.02", "0.004", "5", "19", "3.8", "0.004", "1", "5"].map(str::to_owned);
        record.push(row.to_vec());
        let text = table(&record);
        assert!(text.starts_with("CPU time. A product takes 3.80 ns."), "{text}");
        assert!(text.contains("| product | 2^20 | 20 | 4 | 3.80 | 5× | 1 |"), "{text}");
    }
}
