//! Measures a CUDA device against the processor, primitive by primitive and proof by proof, and prints tables.
//!
//! One command on any machine with a device; the program carries its kernels (feature `cuda`) and needs nothing beside it:
//!
//! ```sh
//! zkinfer-device-bench --up-to 22 --proofs-up-to 18
//! ```
//!
//! Times are wall time, the least of some repetitions after one that does not count; the processor works on all threads. What the device
//! works on lies in its memory before and after, but for the transfers. Both results are compared.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use circuits::layout::LayoutOptions;
use circuits::machine::Integers;
use clap::Parser;
use gpu::{Device, DeviceDomain, ElementOperation, GpuEngine, Kernels};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use prover::engine::{Column, CpuEngine, CpuOptions, Engine, Values};
use prover::field::{self, Instructions};
use prover::srs::Srs;
use prover::transform::Domain;
use prover::{EngineOptions, Entropy, Plan, ProveOptions, Proved, Prover, Stage};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use zkinfer_benches::networks;
use zkinfer_benches::samples::{elements, points};
use zkinfer_benches::table::{digits, markdown, times};

/// Measures a CUDA device against the processor and prints tables.
#[derive(Parser)]
#[command(name = "zkinfer-device-bench", version)]
struct Options {
    /// The smallest primitives have 2^K rows
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=24))]
    from: u32,
    /// The largest primitives have 2^K rows; sizes go up in fours
    #[arg(long, value_name = "K", default_value_t = 22, value_parser = clap::value_parser!(u32).range(4..=24))]
    up_to: u32,
    /// The smallest proofs have 2^K rows
    #[arg(long, value_name = "K", default_value_t = 14, value_parser = clap::value_parser!(u32).range(12..=22))]
    proofs_from: u32,
    /// The largest proofs have 2^K rows; 0 leaves proofs out
    #[arg(long, value_name = "K", default_value_t = 18, value_parser = clap::value_parser!(u32).range(0..=22))]
    proofs_up_to: u32,
    /// Measurements of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Bytes of the device's memory that may be taken
    #[arg(long)]
    max_device_memory: Option<u64>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let kernels = Kernels::find()?;
    let device = kernels.device(0, options.max_device_memory)?;
    print!("{}", head(&device)?);
    let bench = Bench { device, repetitions: options.repetitions };
    let mut rows = Vec::new();
    for k in (options.from..=options.up_to).step_by(2) {
        bench.primitives(k, &mut rows)?;
    }
    println!(
        "{}",
        markdown(&["primitive", "rows", "processor ms", "device ms", "ratio", "bytes or products / s"], &rows)
    );
    for k in (options.proofs_from..=options.proofs_up_to).step_by(2) {
        println!("{}", bench.proofs(k)?);
    }
    Ok(())
}

/// What is measured.
fn head(device: &Device) -> Result<String> {
    let info = device.describe()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("Device: {}", info.name);
    if info.multiprocessors > 0 {
        let _ = write!(
            text,
            ", {} multiprocessors, {} MiB, driver for CUDA {}",
            info.multiprocessors,
            info.memory_bytes >> 20,
            info.driver_version
        );
    }
    let _ = writeln!(text, ". Processor: {threads} threads, {}.\n", Instructions::detected());
    Ok(text)
}

struct Bench {
    device: Device,
    repetitions: u32,
}

impl Bench {
    /// The least seconds of some runs.
    fn seconds<E: Into<anyhow::Error>>(&self, mut work: impl FnMut() -> Result<(), E>) -> Result<f64> {
        let mut least = f64::INFINITY;
        for repetition in 0..=self.repetitions {
            self.device.synchronize()?;
            let start = Instant::now();
            work().map_err(Into::into)?;
            self.device.synchronize()?;
            if repetition > 0 {
                least = least.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(least)
    }

    fn primitives(&self, k: u32, rows: &mut Vec<Vec<String>>) -> Result<()> {
        let mut put = |what: &str, processor: Option<f64>, device: f64, amount: f64| {
            let milliseconds = |seconds: f64| digits(seconds * 1e3);
            rows.push(vec![
                what.into(),
                format!("2^{k}"),
                processor.map_or_else(|| "–".into(), milliseconds),
                milliseconds(device),
                processor.map_or_else(|| "–".into(), |processor| times(processor / device)),
                format!("{:.3e}", amount / device),
            ]);
        };
        let n = (1u64 << k) as f64;
        let values = elements(1, 1 << k);
        self.transfers(&values, &mut put)?;
        self.elements(&values, n, &mut put)?;
        let domain = self.device.domain(k)?;
        self.transforms(k, &domain, &values, n * (f64::from(k) / 2.0 + 1.0), &mut put)?;
        self.sums(k, values, &mut put)
    }

    fn transfers(&self, values: &[Fr], put: &mut impl FnMut(&str, Option<f64>, f64, f64)) -> Result<()> {
        let bytes = size_of_val(values) as f64;
        let mut there = self.device.upload(values)?;
        let up = self.seconds(|| there.upload(0, values))?;
        put("to the device", None, up, bytes);
        let mut back = Vec::new();
        let down = self.seconds(|| there.download().map(|values| back = values))?;
        ensure!(back == values, "what came back differs");
        put("from the device", None, down, bytes);
        let copy = self.seconds(|| there.duplicate().map(drop))?;
        put("copy", None, copy, 2.0 * bytes);
        Ok(())
    }

    fn elements(&self, values: &[Fr], n: f64, put: &mut impl FnMut(&str, Option<f64>, f64, f64)) -> Result<()> {
        let instructions = Instructions::detected();
        let factors = elements(2, values.len());
        let mut expected = values.to_vec();
        let mut found = self.device.upload(values)?;
        let other = self.device.upload(&factors)?;
        let processor = self.seconds(|| {
            field::multiply(instructions, &mut expected, &factors);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| self.device.elementwise(ElementOperation::Multiply, &mut found, &other))?;
        ensure!(found.download()? == expected, "products differ");
        put("products of two columns (one thread)", Some(processor), device, n);
        let processor = self.seconds(|| {
            field::batch_invert(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| self.device.invert(&mut found))?;
        ensure!(found.download()? == expected, "inverses differ");
        // Three products for each element, and its share of an inversion: some 380 by squaring for every 16.
        put("inverses (one thread)", Some(processor), device, n * (3.0 + 380.0 / 16.0));
        Ok(())
    }

    fn transforms(
        &self,
        k: u32,
        on_device: &DeviceDomain,
        values: &[Fr],
        products: f64,
        put: &mut impl FnMut(&str, Option<f64>, f64, f64),
    ) -> Result<()> {
        let instructions = Instructions::detected();
        let domain = Domain::new(k);
        let mut expected = values.to_vec();
        let mut found = self.device.upload(values)?;
        let processor = self.seconds(|| {
            domain.forward(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| on_device.forward(None, &mut found))?;
        ensure!(found.download()? == expected, "transforms differ");
        put("transform", Some(processor), device, products);
        let processor = self.seconds(|| {
            domain.inverse(instructions, &mut expected);
            anyhow::Ok(())
        })?;
        let device = self.seconds(|| on_device.inverse(None, &mut found))?;
        ensure!(found.download()? == expected, "inverse transforms differ");
        put("inverse transform", Some(processor), device, products);
        Ok(())
    }

    fn sums(&self, k: u32, values: Vec<Fr>, put: &mut impl FnMut(&str, Option<f64>, f64, f64)) -> Result<()> {
        let points = points(1 << k);
        let cpu = CpuEngine::new(&points, points[0], CpuOptions::default());
        let gpu = GpuEngine::new(self.device.clone(), &points, points[0], CpuOptions::default())?;
        for (what, column) in distributions(values) {
            let here = cpu.column(column.clone())?;
            let there = gpu.column(column)?;
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            let processor = self.seconds(|| cpu.commit(&[&here]).map(|points| expected = points))?;
            let device = self.seconds(|| gpu.commit(&[&there]).map(|points| found = points))?;
            ensure!(found == expected, "sums differ: {what}");
            put(&format!("sum over points, {what}"), Some(processor), device, (1u64 << k) as f64);
        }
        Ok(())
    }

    /// A proof by both, round by round.
    fn proofs(&self, k: u32) -> Result<String> {
        let program = networks::picture_of_rows(k);
        let inputs = networks::inputs(&program);
        let plan = Plan::new(program, LayoutOptions { units: Some(4), ..LayoutOptions::default() })?;
        let srs = Srs::development(plan.k())?;
        let (key, _) = plan.setup(&srs, &())?;
        let here = Prover::new(&key, &srs, &EngineOptions::default(), &())?;
        let make =
            |srs: &Srs| GpuEngine::new(self.device.clone(), srs.lagrange(), srs.powers()[1], CpuOptions::default());
        let there = Prover::on_engine(&key, &srs, make, &())?;
        let options = ProveOptions { entropy: Entropy::Seed([1; 32]), check: false, verify: true };
        let prove = |prover: &Prover<'_>| -> Result<Proved> {
            let mut best: Option<Proved> = None;
            for _ in 0..self.repetitions {
                let proved = prover.prove(&inputs, &options, &())?;
                let seconds = |proved: &Proved| proved.report.wall_seconds(Stage::Prove);
                if best.as_ref().is_none_or(|best| seconds(&proved) < seconds(best)) {
                    best = Some(proved);
                }
            }
            best.context("at least one repetition")
        };
        let (expected, found) = (prove(&here)?, prove(&there)?);
        ensure!(found.proof == expected.proof, "the proofs differ");
        let (used, peak) = self.device.memory()?;
        let row = |what: String, processor: f64, device: f64| {
            vec![what, digits(processor * 1e3), digits(device * 1e3), times(processor / device)]
        };
        let rounds = expected.report.rounds.iter().zip(&found.report.rounds);
        let mut rows: Vec<_> =
            rounds.map(|(here, there)| row(here.round.to_string(), here.wall_seconds, there.wall_seconds)).collect();
        let whole = |proved: &Proved| proved.report.wall_seconds(Stage::Prove);
        rows.push(row("proof".into(), whole(&expected), whole(&found)));
        let derived = |prover: &Prover<'_>| prover.derived().wall_seconds(Stage::Derive);
        rows.push(row("key onto the engine, once".into(), derived(&here), derived(&there)));
        let table = markdown(&["round", "processor ms", "device ms", "ratio"], &rows);
        Ok(format!(
            "A proof of 2^{} rows. The device holds {} MiB between proofs, {} MiB at most.\n\n{table}",
            key.plan().k(),
            used >> 20,
            peak >> 20
        ))
    }
}

/// What sums are measured on.
fn distributions(full: Vec<Fr>) -> Vec<(&'static str, Column)> {
    let n = full.len();
    let mut random = ChaCha20Rng::seed_from_u64(7);
    let mut integers = |bits: u32| -> Column {
        let cells: Vec<i64> = (0..n).map(|_| (random.next_u64() as i64) >> (64 - bits)).collect();
        Column::integers(Integers::from(cells))
    };
    let (words, bytes) = (integers(16), integers(8));
    let mostly_zero =
        full.iter().enumerate().map(|(row, element)| if row % 10 == 3 { *element } else { Fr::ZERO }).collect();
    vec![
        ("16 bits", words),
        ("8 bits", bytes),
        ("8 bits, one value", Column::integers(Integers::repeat(77, n))),
        ("90 % zeros", Column::new(Values::Field(mostly_zero))),
        ("one value", Column::new(Values::Field(vec![full[0]; n]))),
        ("full width", Column::new(Values::Field(full))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpu::twin::{self, Twin};

    #[test]
    fn everything_is_measured_on_the_host_twin() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = match twin::build(folder.path()).expect("the twin can be built") {
            Twin::Built(file) => file,
            Twin::NoCompiler => return twin::skip("no C++ compiler, so no host twin"),
        };
        let device = Kernels::open(file.as_os_str()).and_then(|kernels| kernels.device(0, None)).expect("a device");
        assert!(head(&device).expect("it is there").contains("host twin"));
        let bench = Bench { device, repetitions: 1 };
        let mut rows = Vec::new();
        bench.primitives(6, &mut rows).expect("all results are the same");
        assert_eq!(rows.len(), 13);
        let proof = bench.proofs(12).expect("the proofs are the same");
        assert!(proof.contains("| quotient |") && proof.contains("| proof |"), "{proof}");
    }
}
