//! Both engines on each workload.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Result};
use circuits::layout::{Layout, Statistics};
use clap::Args;
use prover::{Engine, Plan};
use serde_json::Value;
use zkinfer_benches::clock;
use zkinfer_benches::record::{self, figure, Record, Row};
use zkinfer_benches::table::{bytes, digits, markdown, ratio, shown, times, whole, Show};

use crate::child::{self, Task};
use crate::workloads::{Source, SrsFiles, Workload};
use crate::Output;

/// The stock engine runs once on machines of more than `2^ONCE_ABOVE` rows.
const ONCE_ABOVE: u32 = 16;
/// Bytes of the stock engine per row and column, roundly: the values, the coefficients, and the parts of the extended domain.
const STOCK_BYTES: u64 = 32 * 10;

/// How the engines are compared.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the models; without it the model is the one of the examples
    #[arg(long, env = "ZKINFER_CORPUS", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models"))]
    corpus: PathBuf,
    /// Only workloads whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Setups and proofs of each engine; the stock engine makes one of each above 2^16 rows
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// One setup and one proof of each engine, and the stock engine up to 2^16 rows only
    #[arg(long)]
    quick: bool,
    /// Machines of up to 2^K rows are proven by the stock engine, too
    #[arg(long, value_name = "K", default_value_t = 18)]
    stock_up_to: u32,
    #[command(flatten)]
    output: Output,
}

/// What the setup tells, whatever the repetition.
const SHAPE: [&str; 9] = [
    "k",
    "units",
    "weights_per_row",
    "rows_used",
    "weights",
    "advice_columns",
    "fixed_columns",
    "permutation_columns",
    "commitments",
];
/// Medians over setups.
const SETUP: [&str; 5] = ["compile_cpu_s", "setup_cpu_s", "setup_wall_s", "setup_peak_bytes", "key_file_bytes"];
/// Medians over proofs.
pub(crate) const PROOF: [&str; 8] = [
    "derive_cpu_s",
    "witness_cpu_s",
    "prove_cpu_s",
    "proof_cpu_s",
    "proof_wall_s",
    "proof_peak_bytes",
    "proof_bytes",
    "verify_ms",
];
/// What belongs to the comparison.
const REST: [&str; 3] = ["library_key_bytes", "repetitions", "note"];

/// The columns of the record.
pub(crate) fn columns() -> Vec<&'static str> {
    let parts: [&[&str]; 6] = [&["workload", "engine"], &SHAPE, &SETUP, &PROOF, &REST, &record::ENVIRONMENT];
    parts.concat()
}

/// What was measured of one engine.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) setups: Vec<Value>,
    pub(crate) proofs: Vec<Value>,
}

impl Measured {
    /// Measures once more.
    ///
    /// # Errors
    /// Setup or proof fail.
    pub(crate) fn add(&mut self, engine: Engine, folder: &Path, srs: &Path) -> Result<()> {
        self.setups.push(child::measure(Task::Setup, engine, folder, srs)?);
        self.proofs.push(child::measure(Task::Prove, engine, folder, srs)?);
        Ok(())
    }

    /// Cells of what the first setup tells.
    pub(crate) fn shape<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        keys.iter().map(|key| self.setups.first().map_or_else(String::new, |setup| setup[*key].to_string()))
    }

    /// Cells of medians over setups.
    pub(crate) fn setup<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        keys.iter().map(|key| median(&self.setups, key).map_or_else(String::new, figure))
    }

    /// Cells of medians over proofs.
    pub(crate) fn proof<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        keys.iter().map(|key| median(&self.proofs, key).map_or_else(String::new, figure))
    }
}

/// The median of a figure.
pub(crate) fn median(measured: &[Value], key: &str) -> Option<f64> {
    clock::median(measured.iter().filter_map(|values| values[key].as_f64()))
}

/// Measures both engines on each workload.
///
/// # Errors
/// A workload fails; the others are measured, and the record tells why.
pub(crate) fn run(options: &Options) -> Result<()> {
    let path = record::path(&options.output.records, "-engine.csv")?;
    let mut record = Record::open(&path, &columns())?;
    let work = tempfile::tempdir()?;
    let mut files = SrsFiles::new(work.path());
    let environment = record::environment();
    let mut failed = 0;
    for source in Source::all(&options.corpus) {
        let name = source.name();
        if options.only.as_ref().is_some_and(|part| !name.contains(part)) {
            continue;
        }
        eprintln!("{name}");
        let compared = source.make().and_then(|workload| compare(options, &workload, work.path(), &mut files));
        failed += usize::from(compared.is_err());
        for (engine, measured, note, library_key) in compared.unwrap_or_else(|error| {
            eprintln!("  {error:#}");
            vec![(Engine::Native, Measured::default(), format!("{error:#}"), None)]
        }) {
            let mut row = vec![name.clone(), engine.to_string()];
            row.extend(measured.shape(&SHAPE).chain(measured.setup(&SETUP)).chain(measured.proof(&PROOF)));
            row.push(library_key.map_or_else(String::new, |bytes: u64| bytes.to_string()));
            row.extend([measured.proofs.len().to_string(), note]);
            row.extend(environment.iter().cloned());
            record.put(row, 2);
        }
        // After each workload, so that an interrupted run leaves what it has.
        record.write(&path)?;
    }
    println!("{}written to {}", tables(&record), path.display());
    if failed > 0 {
        bail!("{failed} workloads failed; the column `note` tells why");
    }
    Ok(())
}

/// An engine, what was measured of it, a note, and the size of the proof library's key.
type Compared = (Engine, Measured, String, Option<u64>);

fn compare(options: &Options, workload: &Workload, work: &Path, files: &mut SrsFiles) -> Result<Vec<Compared>> {
    let layout = Plan::new(workload.program.clone(), workload.options)?.layout().clone();
    let (statistics, k) = (layout.statistics(), layout.params().k);
    let skipped = why_skipped(options, &layout);
    drop(layout);
    let srs = files.get(k)?;
    let folder = work.join("workload");
    fs::create_dir_all(&folder)?;
    child::prepare(&folder, &workload.program, workload.options, &workload.inputs)?;
    let (mut native, mut stock) = (Measured::default(), Measured::default());
    let repetitions = if options.quick { 1 } else { options.repetitions.max(1) };
    let stock_repetitions = match (&skipped, k > ONCE_ABOVE) {
        (Some(_), _) => 0,
        (None, true) => 1,
        (None, false) => repetitions,
    };
    for repetition in 0..repetitions {
        native.add(Engine::Native, &folder, &srs)?;
        eprintln!("  native {}", summary(&native));
        if repetition < stock_repetitions {
            stock.add(Engine::Stock, &folder, &srs)?;
            child::same_keys(&native.setups[0], &stock.setups[0])?;
            eprintln!("  stock  {}", summary(&stock));
        }
    }
    fs::remove_dir_all(&folder)?;
    let key = Some(library_key_bytes(&statistics));
    Ok(vec![(Engine::Native, native, String::new(), None), (Engine::Stock, stock, skipped.unwrap_or_default(), key)])
}

fn summary(measured: &Measured) -> String {
    let of = |values: &[Value], key| values.last().and_then(|values| values[key].as_f64()).unwrap_or(f64::NAN);
    format!(
        "setup {} CPU s, proof {} CPU s, {}",
        digits(of(&measured.setups, "setup_cpu_s")),
        digits(of(&measured.proofs, "proof_cpu_s")),
        bytes(of(&measured.proofs, "proof_peak_bytes")),
    )
}

/// Why the stock engine does not run.
fn why_skipped(options: &Options, layout: &Layout) -> Option<String> {
    let k = layout.params().k;
    let most = if options.quick { options.stock_up_to.min(ONCE_ABOVE) } else { options.stock_up_to };
    if k > most {
        return Some(format!("not run by the stock engine: more than 2^{most} rows"));
    }
    let (needed, available) = (stock_bytes(&layout.statistics()), available_bytes()?);
    (needed > available).then(|| format!("not run by the stock engine: it may take {}", bytes(needed as f64)))
}

/// Bytes that the stock engine may take.
fn stock_bytes(statistics: &Statistics) -> u64 {
    let columns = statistics.advice_columns + statistics.fixed_columns + statistics.permutation_columns;
    (columns as u64 * STOCK_BYTES) << statistics.params.k
}

/// Bytes that a process may take; `None` where the system does not tell.
fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Bytes of the proof library's proving key as it writes it unprocessed (`SerdeFormat::RawBytes`): the commitments; values and
/// coefficients of fixed and permutation columns; and three columns of the rows that are in use.
fn library_key_bytes(statistics: &Statistics) -> u64 {
    let (fixed, permutation) = (statistics.fixed_columns as u64, statistics.permutation_columns as u64);
    let polynomial = 4 + (32 << statistics.params.k);
    let verifying = 1 + 4 + 1 + 4 + 64 * (fixed + permutation);
    let polynomials = |count: u64| 4 + count * polynomial;
    verifying + 3 * polynomial + 2 * polynomials(fixed) + 2 * polynomials(permutation)
}

/// A figure of both engines: heading, column of the stock engine, of the native one, and how it is shown.
const COMPARED: [(&str, &str, &str, Show); 7] = [
    ("setup CPU s", "setup_cpu_s", "setup_cpu_s", digits),
    ("proof CPU s", "proof_cpu_s", "proof_cpu_s", digits),
    ("proof s", "proof_wall_s", "proof_wall_s", digits),
    ("setup peak", "setup_peak_bytes", "setup_peak_bytes", bytes),
    ("proof peak", "proof_peak_bytes", "proof_peak_bytes", bytes),
    ("key on disk", "library_key_bytes", "key_file_bytes", bytes),
    ("proof", "proof_bytes", "proof_bytes", bytes),
];

/// The native engine's figures in detail.
const DETAILS: [(&str, &str, Show); 13] = [
    ("k", "k", whole),
    ("rows used", "rows_used", whole),
    ("weights", "weights", whole),
    ("columns", "advice_columns", whole),
    ("compile CPU s", "compile_cpu_s", digits),
    ("setup CPU s", "setup_cpu_s", digits),
    ("derive", "derive_cpu_s", digits),
    ("witness", "witness_cpu_s", digits),
    ("prove", "prove_cpu_s", digits),
    ("proof peak", "proof_peak_bytes", bytes),
    ("key", "key_file_bytes", bytes),
    ("proof B", "proof_bytes", whole),
    ("verify ms", "verify_ms", digits),
];

/// The record as Markdown: the comparison, and the native engine in detail.
pub(crate) fn tables(record: &Record) -> String {
    let natives = || record.rows().filter(|row| row.cell("engine") == Engine::Native.to_string());
    let stock = |native: Row<'_>| {
        record.rows().find(|row| row.cell("engine") != "native" && row.cell("workload") == native.cell("workload"))
    };
    let headings = |names: &mut dyn Iterator<Item = &'static str>| -> Vec<&str> {
        std::iter::once("workload").chain(names).collect()
    };
    let compared = natives().map(|native| {
        let figures = COMPARED.iter().map(|(_, of_stock, of_native, show)| {
            let (first, second) = (stock(native).and_then(|row| row.figure(of_stock)), native.figure(of_native));
            match ratio(first, second) {
                Some(factor) => format!("{} → {} ({})", shown(first, *show), shown(second, *show), times(factor)),
                None => shown(second, *show),
            }
        });
        std::iter::once(native.cell("workload").to_owned()).chain(figures).collect()
    });
    let details = natives().map(|row| {
        let figures = DETAILS.iter().map(|(_, column, show)| shown(row.figure(column), *show));
        std::iter::once(row.cell("workload").to_owned()).chain(figures).collect()
    });
    format!(
        "Stock engine → native engine (ratio):\n\n{}\nNative engine:\n\n{}\n",
        markdown(&headings(&mut COMPARED.iter().map(|row| row.0)), &compared.collect::<Vec<_>>()),
        markdown(&headings(&mut DETAILS.iter().map(|row| row.0)), &details.collect::<Vec<_>>()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::graph::ConvGeometry;
    use circuits::layout::LayoutOptions;
    use halo2_proofs::plonk::{keygen_pk, keygen_vk};
    use halo2_proofs::SerdeFormat;
    use prover::srs::Srs;
    use zkinfer_benches::networks::layer;

    #[test]
    fn the_size_of_the_library_key_is_the_one_it_writes() {
        let program = layer([16, 1, 1], 16, ConvGeometry::POINTWISE);
        let plan = Plan::new(program, LayoutOptions::default()).expect("fits");
        let parameters = Srs::development(plan.k()).expect("in bounds").library();
        let circuit = plan.layout().circuit_without_witness();
        let key = keygen_vk(&parameters, &circuit).and_then(|key| keygen_pk(&parameters, key, &circuit));
        let written = key.expect("satisfiable").to_bytes(SerdeFormat::RawBytes);
        assert_eq!(library_key_bytes(&plan.layout().statistics()), written.len() as u64);
    }

    #[test]
    fn tables_show_ratios_and_what_there_is() {
        let mut record = Record::new(&columns());
        let row = |workload: &str, engine: &str, seconds: &str| -> Vec<String> {
            let cell = |column: &&str| match *column {
                "workload" => workload.to_owned(),
                "engine" => engine.to_owned(),
                "proof_cpu_s" => seconds.to_owned(),
                "key_file_bytes" => "1000".to_owned(),
                "library_key_bytes" if engine == "stock" => "5000000".to_owned(),
                _ => String::new(),
            };
            columns().iter().map(cell).collect()
        };
        record.push(row("a", "native", "1.5"));
        record.push(row("a", "stock", "12"));
        record.push(row("b", "native", "2"));
        record.push(row("b", "stock", ""));
        let text = tables(&record);
        assert!(text.contains("| a | – | 12 → 1.50 (8×) |"), "{text}");
        assert!(text.contains("5 MB → 1 KB (5000×)"), "{text}");
        assert!(text.contains("| b | – | 2 |"), "{text}");
    }
}
