//! Runs the `zkinfer` command over the models of a definition and records what it took.
//!
//! Everything is measured through the command line, in processes of their own: what is recorded is what users get.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{anyhow, bail, Context, Result};
use clap::{Args, Parser, Subcommand};
use onnx_import::declared_inputs;
use onnx_import::samples::{InputSpec, Samples};
use serde_json::Value;
use zkinfer_benches::clock;
use zkinfer_benches::record::{self, Record};
use zkinfer_benches::table::{hundredths, markdown, whole, Show};

/// Measures the zkinfer command over models and keeps records.
#[derive(Parser)]
#[command(name = "zkinfer-bench", version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Measure the models of a definition and write `records/MACHINE/DATE.csv`
    Run(Options),
    /// Print a record as the table of the README
    Table {
        /// A record
        record: PathBuf,
    },
}

#[derive(Args)]
struct Options {
    /// Which models: one folder name per line, then options of `zkinfer compile`
    definition: PathBuf,
    /// Folder of the models
    #[arg(long, env = "ZKINFER_CORPUS", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models"))]
    corpus: PathBuf,
    /// The command to measure; by default the one built beside this program
    #[arg(long)]
    zkinfer: Option<PathBuf>,
    /// Only models whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Real proofs per model, each of another input
    #[arg(long, default_value_t = 3)]
    proofs: usize,
    /// Labelled samples at most
    #[arg(long, default_value_t = 200)]
    samples: usize,
    /// Where records go
    #[arg(long, default_value = record::FOLDER)]
    records: PathBuf,
}

/// The columns of a record, in order, with where each comes from in a [`Measurement`].
const COLUMNS: [(&str, Source); 20] = [
    ("model", Source::Name),
    ("k", Source::Setup("k")),
    ("units", Source::Setup("units")),
    ("weights", Source::Setup("weights")),
    ("rows_used", Source::Setup("rows_used")),
    ("advice_columns", Source::Setup("advice_columns")),
    ("fixed_columns", Source::Setup("fixed_columns")),
    ("commitments", Source::Setup("commitments")),
    ("setup_cpu_s", Source::Setup("setup_cpu_seconds")),
    ("prove_cpu_s", Source::MedianProof("prove_cpu_seconds")),
    ("peak_rss_bytes", Source::LargestProof("peak_rss_bytes")),
    ("pk_bytes", Source::Setup("proving_key_bytes")),
    ("vk_bytes", Source::Setup("verifying_key_bytes")),
    ("proof_bytes", Source::LargestProof("proof_bytes")),
    ("verify_ms", Source::MedianProof("verify_ms")),
    ("float_score", Source::Evaluation("float_score")),
    ("proven_score", Source::Evaluation("integer_score")),
    ("samples", Source::Evaluation("samples")),
    ("largest_difference", Source::Evaluation("largest_difference")),
    ("proofs", Source::Proofs),
];

/// Where a column's figure comes from.
#[derive(Clone, Copy)]
enum Source {
    Name,
    Setup(&'static str),
    Evaluation(&'static str),
    MedianProof(&'static str),
    LargestProof(&'static str),
    Proofs,
}

/// A line of a definition.
struct Entry {
    model: String,
    options: Vec<String>,
}

/// The JSON objects that the commands printed for one model.
struct Measurement {
    setup: Value,
    evaluation: Value,
    proofs: Vec<Value>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().mode {
        Mode::Run(options) => run(&options),
        Mode::Table { record } => print_table(&record),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let entries = read_definition(&options.definition)?;
    let chosen = entries.iter().filter(|entry| options.only.as_ref().is_none_or(|part| entry.model.contains(part)));
    let path = record::path(&options.records, ".csv")?;
    let mut record = Record::open(&path, &columns())?;
    let mut failed = 0;
    for entry in chosen {
        let start = Instant::now();
        let measured = measure(options, entry);
        let row = row(entry, &measured, start.elapsed().as_secs_f64());
        println!("{}", record::line(&row));
        record.push(row);
        // After each model, so that an interrupted run leaves what it has.
        record.write(&path)?;
        failed += usize::from(measured.is_err());
    }
    println!("written to {}", path.display());
    if failed > 0 {
        bail!("{failed} models failed; the column `note` tells why");
    }
    Ok(())
}

/// The columns of the README's table: heading, column of the record, and how its figure is shown.
const TABLE: [(&str, &str, Show); 10] = [
    ("k", "k", whole),
    ("rows used", "rows_used", whole),
    ("columns", "advice_columns", whole),
    ("setup CPU s", "setup_cpu_s", hundredths),
    ("prove CPU s", "prove_cpu_s", hundredths),
    ("peak MB", "peak_rss_bytes", |bytes| whole(bytes / 1e6)),
    ("proof B", "proof_bytes", whole),
    ("verify ms", "verify_ms", |ms| format!("{ms:.1}")),
    ("float", "float_score", |score| format!("{score:.4}")),
    ("proven", "proven_score", |score| format!("{score:.4}")),
];

/// Prints a record as Markdown; models that failed are left out, for the record tells why.
fn print_table(path: &Path) -> Result<()> {
    let record = Record::read(path)?;
    let headings: Vec<&str> = std::iter::once("model").chain(TABLE.iter().map(|(heading, ..)| *heading)).collect();
    let rows = record.rows().filter_map(|row| {
        let figures = TABLE.iter().map(|(_, column, show)| row.figure(column).map(show));
        std::iter::once(Some(row.cell("model").to_owned())).chain(figures).collect()
    });
    print!("{}", markdown(&headings, &rows.collect::<Vec<_>>()));
    Ok(())
}

fn read_definition(path: &Path) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let entries = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        words.next().map(|model| Entry { model, options: words.collect() })
    });
    Ok(entries.collect())
}

fn measure(options: &Options, entry: &Entry) -> Result<Measurement> {
    let folder = options.corpus.join(&entry.model);
    let work = tempfile::tempdir()?;
    let program = work.path().join("program.zki");
    let zkinfer = |arguments: &[&str]| zkinfer(options, arguments);
    let text = |path: &Path| path.display().to_string();
    let (model, data, runs) = (text(&folder.join("model.onnx")), text(&folder.join("test.npz")), folder.join("io.npz"));
    let calibration = text(&calibration(&folder, work.path())?);

    let (program, out) = (text(&program), text(work.path()));
    let mut compile = vec!["compile", &model, "-o", &program, "--calibration", &calibration];
    compile.extend(entry.options.iter().map(String::as_str));
    zkinfer(&compile)?;
    let setup = zkinfer(&["setup", &program, "-o", &out])?;
    let metric = metric(&folder)?;
    let samples = options.samples.to_string();
    let evaluation = zkinfer(&["evaluate", &program, "--data", &data, "--limit", &samples, "--metric", &metric])?;
    let input = if runs.exists() { text(&runs) } else { data.clone() };
    let proofs = (0..options.proofs).map(|sample| {
        let sample = sample.to_string();
        let proof = zkinfer(&["prove", &program, "--input", &input, "--sample", &sample, "-o", &out])?;
        let run = zkinfer(&["run", &program, "--input", &input, "--sample", &sample])?;
        if proof["outputs"] != run["outputs"] {
            bail!("sample {sample}: the proven outputs are not those of the interpreter");
        }
        Ok(proof)
    });
    let proofs = proofs.collect::<Result<_>>()?;
    Ok(Measurement { setup, evaluation, proofs })
}

/// The samples that scales and bits are chosen by: those of the folder, or else the inputs of the first half of the labelled ones, which are
/// written into the other folder without their labels.
fn calibration(folder: &Path, work: &Path) -> Result<PathBuf> {
    let own = folder.join("calibration.npz");
    if own.exists() {
        return Ok(own);
    }
    let inputs = declared_inputs(&folder.join("model.onnx"))?;
    let samples = Samples::read(folder.join("test.npz"))?;
    let sizes = samples.dimensions(&inputs);
    let specs: Vec<InputSpec> = inputs.iter().map(|input| InputSpec::of_declared(input, &sizes)).collect();
    let half = samples.count(&specs)?.div_ceil(2);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); specs.len()];
    for sample in 0..half {
        for (list, tensor) in lists.iter_mut().zip(samples.inputs(&specs, sample)?) {
            list.push(nested(&tensor.shape, &tensor.data));
        }
    }
    let named = specs.iter().zip(lists).map(|(spec, list)| (spec.name.clone(), Value::Array(list)));
    let path = work.join("calibration.json");
    fs::write(&path, Value::Object(named.collect()).to_string())?;
    Ok(path)
}

/// The elements of a tensor as nested lists.
fn nested(shape: &[usize], data: &[f64]) -> Value {
    match shape.split_first() {
        Some((_, rest)) => data.chunks(rest.iter().product()).map(|part| nested(rest, part)).collect(),
        None => data[0].into(),
    }
}

/// What the model's score is, in the words of `zkinfer evaluate`.
fn metric(folder: &Path) -> Result<String> {
    let path = folder.join("meta.json");
    let meta: Value = serde_json::from_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?;
    let name = meta["metric"].as_str().context("meta.json names no metric")?;
    Ok(name.trim_end_matches("_0").trim_end_matches('0').to_owned())
}

/// Runs the command and reads the object that it prints.
fn zkinfer(options: &Options, arguments: &[&str]) -> Result<Value> {
    let program = match &options.zkinfer {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("zkinfer"),
    };
    let output = Command::new(&program).args(arguments).arg("--json").output();
    let output = output.with_context(|| format!("{}: run `cargo build --release` first", program.display()))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let error = message.lines().find(|line| line.starts_with("error")).unwrap_or("no message").to_owned();
        return Err(anyhow!(error).context(format!("zkinfer {}", arguments[0])));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn columns() -> Vec<&'static str> {
    COLUMNS.iter().map(|(name, _)| *name).chain(["seconds", "note"]).collect()
}

fn row(entry: &Entry, measured: &Result<Measurement>, seconds: f64) -> Vec<String> {
    let cell = |source: Source| match (source, measured) {
        (Source::Name, _) => entry.model.clone(),
        (_, Err(_)) => String::new(),
        (Source::Setup(key), Ok(m)) => figure(&m.setup[key]),
        (Source::Evaluation(key), Ok(m)) => figure(&m.evaluation[key]),
        (Source::MedianProof(key), Ok(m)) => median(&m.proofs, key),
        (Source::LargestProof(key), Ok(m)) => {
            figures(&m.proofs, key).max_by(f64::total_cmp).map_or_else(String::new, |value| value.to_string())
        }
        (Source::Proofs, Ok(m)) => m.proofs.len().to_string(),
    };
    let mut cells: Vec<String> = COLUMNS.iter().map(|(_, source)| cell(*source)).collect();
    let note = measured.as_ref().err().map_or_else(String::new, |error| format!("{error:#}"));
    cells.push(format!("{seconds:.1}"));
    cells.push(note);
    cells
}

fn figure(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // Six decimals are more than any of these is measured to.
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.6}", number.as_f64().unwrap_or(f64::NAN));
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

fn figures<'a>(proofs: &'a [Value], key: &'a str) -> impl Iterator<Item = f64> + 'a {
    proofs.iter().filter_map(move |proof| proof[key].as_f64())
}

fn median(proofs: &[Value], key: &str) -> String {
    clock::median(figures(proofs, key)).map_or_else(String::new, |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_definitions_is_named_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions");
        for file in fs::read_dir(folder).expect("the definitions are there") {
            let path = file.expect("readable").path();
            let mut names: Vec<String> =
                read_definition(&path).expect("readable").into_iter().map(|entry| entry.model).collect();
            let count = names.len();
            assert!(count > 0, "{}", path.display());
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{}", path.display());
        }
    }

    #[test]
    fn calibration_has_half_of_the_inputs_and_no_labels() {
        let medical = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/medical");
        let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        let [model, work] = folders.each_ref().map(tempfile::TempDir::path);
        fs::copy(medical.join("model.onnx"), model.join("model.onnx")).expect("readable");
        fs::copy(medical.join("calibration.npz"), model.join("test.npz")).expect("readable");
        let made = Samples::read(calibration(model, work).expect("a file")).expect("samples");
        let all = Samples::read(model.join("test.npz")).expect("samples");
        let inputs = declared_inputs(&model.join("model.onnx")).expect("a model");
        let specs: Vec<_> =
            inputs.iter().map(|input| InputSpec::of_declared(input, &made.dimensions(&inputs))).collect();
        let [half, whole] = [&made, &all].map(|samples| samples.count(&specs).expect("they fit"));
        assert_eq!(half, whole.div_ceil(2));
        // The values are singles, which the text of the doubles keeps.
        let singles = |samples: &Samples, sample: usize| -> Vec<f32> {
            let inputs = samples.inputs(&specs, sample).expect("a sample");
            inputs.iter().flat_map(|tensor| tensor.data.iter().map(|&value| value as f32)).collect()
        };
        for sample in [0, half - 1] {
            assert_eq!(singles(&made, sample), singles(&all, sample));
        }
        assert!(made.labels().is_empty());
        assert_eq!(nested(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]).to_string(), "[[[1.0,2.0]],[[3.0,4.0]]]");
    }

    #[test]
    fn a_failed_model_keeps_its_row() {
        let entry = Entry { model: "m".into(), options: Vec::new() };
        let row = row(&entry, &Err(anyhow!("node \"a\": no such operator")), 1.5);
        assert_eq!(row.len(), columns().len());
        assert_eq!((row[0].as_str(), row[1].as_str()), ("m", ""));
        assert_eq!(row[row.len() - 2..], ["1.5", "node \"a\": no such operator"]);
    }
}
