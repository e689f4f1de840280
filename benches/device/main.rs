//! Measures a CUDA device against the processor, primitive by primitive and proof by proof, and prints tables.
//!
//! One command on any machine with a device; the program carries its kernels (feature `cuda`) and needs nothing beside it:
//!
//! ```sh
//! zkinfer-device-bench --up-to 24 --proofs 16,20,22 --json figures.json
//! ```
//!
//! Times are wall time, the least of some repetitions after one that does not count; the processor works on all threads. What the device
//! works on lies in its memory before and after, but for the transfers. Both results are compared. What is measured is printed, and
//! recorded, as soon as it is known.

mod floors;
mod operations;
mod primitives;
mod proofs;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use circuits::layout::LayoutOptions;
use clap::Parser;
use gpu::{Device, Kernels};
use prover::field::Instructions;
use serde_json::{json, Value};
use zkinfer_benches::models;

use floors::Floors;
use proofs::{Srses, Workload};

/// Measures a CUDA device against the processor and prints tables.
#[derive(Parser)]
#[command(name = "zkinfer-device-bench", version)]
struct Options {
    /// The smallest primitives have 2^K rows
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=24))]
    from: u32,
    /// The largest primitives have 2^K rows, 0 leaves them out; sizes go up in fours
    #[arg(long, value_name = "K", default_value_t = 22, value_parser = clap::value_parser!(u32).range(0..=24))]
    up_to: u32,
    /// Synthetic machines of 2^K rows that are proved; without a K there are none
    #[arg(long, value_name = "K", value_delimiter = ',', num_args = 0.., default_values_t = [16, 20],
          value_parser = clap::value_parser!(u32).range(12..=22))]
    proofs: Vec<u32>,
    /// A folder of models that are proved as well, each a folder with model.onnx and test.npz
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Measurements of each primitive
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Measurements of each proof
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    proof_repetitions: u32,
    /// Bytes of the device's memory that may be taken
    #[arg(long)]
    max_device_memory: Option<u64>,
    /// A file for all figures
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    floors: Floors,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let kernels = Kernels::find()?;
    let device = kernels.device(0, options.max_device_memory)?;
    print!("{}", head(&device)?);
    let bench = Bench {
        device,
        repetitions: options.repetitions,
        proof_repetitions: options.proof_repetitions,
        floors: options.floors,
    };
    bench.run(&options)
}

/// What is measured.
fn head(device: &Device) -> Result<String> {
    let info = device.describe()?;
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
    let _ = writeln!(text, ". Processor: {} threads, {}.\n", threads(), Instructions::detected());
    Ok(text)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Measures on a device.
struct Bench {
    device: Device,
    repetitions: u32,
    proof_repetitions: u32,
    floors: Floors,
}

impl Bench {
    /// Measures what the options say.
    fn run(&self, options: &Options) -> Result<()> {
        let mut record = Figures::new(self, options.json.clone())?;
        for k in (options.from..=options.up_to).step_by(2) {
            let rows = self.primitives(k)?;
            println!("{}", primitives::table(&rows));
            record.add("primitives", rows.iter().map(primitives::Row::json))?;
        }
        let mut srses = Srses::default();
        for k in &options.proofs {
            let figures = self.proof(Workload::picture(*k), &mut srses)?;
            println!("{}", figures.tables());
            record.add("proofs", [figures.json()])?;
        }
        let folders = options.models.as_deref().map(models::folders).transpose()?.unwrap_or_default();
        let mut failed = Vec::new();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let workload = models::model(&folder).map(|(program, inputs)| Workload {
                name: name.clone(),
                program,
                inputs,
                options: LayoutOptions::default(),
            });
            match workload.and_then(|workload| self.proof(workload, &mut srses)) {
                Ok(figures) => {
                    println!("{}", figures.tables());
                    record.add("proofs", [figures.json()])?;
                }
                Err(error) => {
                    eprintln!("{name}: {error:#}");
                    record.add("failures", [json!({ "name": name, "error": format!("{error:#}") })])?;
                    failed.push(name);
                }
            }
        }
        ensure!(failed.is_empty(), "these models were not measured: {}", failed.join(", "));
        Ok(())
    }

    /// The least seconds of some runs.
    fn seconds<E: Into<anyhow::Error>>(&self, work: impl FnMut() -> Result<(), E>) -> Result<f64> {
        self.seconds_of(self.repetitions, work)
    }

    /// The least seconds of so many runs after one that does not count; of that one where there are no others.
    fn seconds_of<E: Into<anyhow::Error>>(
        &self,
        repetitions: u32,
        mut work: impl FnMut() -> Result<(), E>,
    ) -> Result<f64> {
        let mut least = f64::INFINITY;
        for repetition in 0..=repetitions {
            self.device.synchronize()?;
            let start = Instant::now();
            work().map_err(Into::into)?;
            self.device.synchronize()?;
            if repetition > 0 || repetitions == 0 {
                least = least.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(least)
    }
}

/// The record of all figures, written anew with each of them.
struct Figures {
    file: Option<PathBuf>,
    value: Value,
}

impl Figures {
    fn new(bench: &Bench, file: Option<PathBuf>) -> Result<Self> {
        let info = bench.device.describe()?;
        let value = json!({
            "device": info.name,
            "multiprocessors": info.multiprocessors,
            "memory_bytes": info.memory_bytes,
            "driver_version": info.driver_version,
            "toolkit_version": info.toolkit_version,
            "processor_threads": threads(),
            "instructions": Instructions::detected().to_string(),
            "rates": bench.floors.json(),
            "primitives": [],
            "proofs": [],
            "failures": [],
        });
        Ok(Self { file, value })
    }

    fn add(&mut self, list: &str, figures: impl IntoIterator<Item = Value>) -> Result<()> {
        self.value[list].as_array_mut().context("a list")?.extend(figures);
        match &self.file {
            Some(file) => {
                let text = serde_json::to_string_pretty(&self.value)?;
                std::fs::write(file, text + "\n").with_context(|| file.display().to_string())
            }
            None => Ok(()),
        }
    }
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
        let bench = Bench { device, repetitions: 1, proof_repetitions: 1, floors: Floors::SOME };
        let json = folder.path().join("figures.json");
        let line = ["bench", "--from", "6", "--up-to", "6", "--proofs", "12", "--json"];
        let (corpus, example) =
            (folder.path().join("models"), concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/medical"));
        std::fs::create_dir_all(corpus.join("medical")).expect("a folder");
        for name in ["model.onnx", "test.npz", "calibration.npz"] {
            std::fs::copy(format!("{example}/{name}"), corpus.join("medical").join(name)).expect("an example");
        }
        let paths = [json.clone().into_os_string(), "--models".into(), corpus.into_os_string()];
        let line = line.into_iter().map(Into::into).chain(paths);
        bench.run(&Options::parse_from(line)).expect("all results are the same");

        let figures: Value = serde_json::from_slice(&std::fs::read(json).expect("a file")).expect("JSON");
        let primitives = figures["primitives"].as_array().expect("a list");
        assert_eq!(primitives.len(), 13);
        assert!(primitives
            .iter()
            .all(|row| row["device_s"].as_f64() > Some(0.0) && row["floor_s"].as_f64() > Some(0.0)));
        let proofs = figures["proofs"].as_array().expect("a list");
        assert!(proofs.len() == 2 && proofs[0]["log_rows"] == 12 && proofs[1]["name"] == "medical", "{proofs:?}");
        for proof in proofs {
            let names = |list: &str| -> Vec<&str> {
                proof[list].as_array().expect("a list").iter().filter_map(|row| row["what"].as_str()).collect()
            };
            assert!(
                ["quotient", "proof", "proof, copies in the order of the work"]
                    .iter()
                    .all(|name| names("rounds").contains(name)),
                "{proof}"
            );
            let operations = names("operations");
            assert!(["column", "derive", "commit", "quotient", "evaluate", "divide"]
                .iter()
                .all(|o| operations.contains(o)));
            // The witness goes there; commitments come back.
            assert!(proof["transfers"]["uploaded_bytes"].as_u64() > proof["transfers"]["downloaded_bytes"].as_u64());
        }
    }
}
