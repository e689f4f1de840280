//! The native engine on machines of growing size.

use std::fs;
use std::path::PathBuf;

use anyhow::{bail, Context, Result};
use clap::Args;
use prover::Engine;
use zkinfer_benches::plot::{decades, Plot, Point, Series};
use zkinfer_benches::record::{self, figure, Record};
use zkinfer_benches::table::{bytes, digits, markdown, shown, whole, Show};

use crate::child;
use crate::pairs::{median, Measured, PROOF};
use crate::workloads::{Source, SrsFiles};
use crate::Output;

/// How growth is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// The smallest machine has 2^K rows
    #[arg(long, value_name = "K", default_value_t = 12)]
    from: u32,
    /// The largest machine has 2^K rows
    #[arg(long, value_name = "K", default_value_t = 20)]
    to: u32,
    /// Setups and proofs of each machine
    #[arg(long, default_value_t = 1)]
    repetitions: usize,
    /// Where the plot goes; beside the record unless said
    #[arg(long)]
    plot: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Figures of the setup and of the machine.
const SHAPE: [&str; 6] = ["rows_used", "units", "advice_columns", "fixed_columns", "permutation_columns", "weights"];
const SETUP: [&str; 4] = ["compile_cpu_s", "setup_cpu_s", "setup_peak_bytes", "key_file_bytes"];
/// CPU time of a proof per row of the machine, and per row and bit of its number; memory per row.
const RELATIVE: [&str; 3] = ["proof_cpu_us_per_row", "proof_cpu_ns_per_row_and_bit", "proof_peak_bytes_per_row"];

/// The columns of the record.
pub(crate) fn columns() -> Vec<&'static str> {
    let parts: [&[&str]; 6] = [&["k", "rows"], &SHAPE, &SETUP, &PROOF, &RELATIVE, &["repetitions"]];
    [parts.concat(), record::ENVIRONMENT.to_vec()].concat()
}

/// Measures, and writes record and plot.
///
/// # Errors
/// A setup or proof fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.from < 12 || options.to < options.from {
        bail!("machines have 2^12 rows at least, and the largest is not smaller than the smallest");
    }
    let path = record::path(&options.output.records, "-growth.csv")?;
    let plot_path = options.plot.clone().unwrap_or_else(|| path.with_extension("svg"));
    let mut record = Record::open(&path, &columns())?;
    let work = tempfile::tempdir()?;
    let environment = record::environment();
    for k in options.from..=options.to {
        // One SRS at a time: those of large machines are large.
        let mut files = SrsFiles::new(work.path());
        let mut row = measure(k, options.repetitions.max(1), work.path(), &mut files)?;
        row.extend(environment.iter().cloned());
        eprintln!("{}", record::line(&row));
        record.put(row, 1);
        record.write(&path)?;
        fs::remove_file(files.get(k)?)?;
    }
    fs::write(&plot_path, plot(&record).svg()).with_context(|| plot_path.display().to_string())?;
    println!("{}\nwritten to {} and {}", table(&record), path.display(), plot_path.display());
    Ok(())
}

fn measure(k: u32, repetitions: usize, work: &std::path::Path, files: &mut SrsFiles) -> Result<Vec<String>> {
    let workload = Source::Picture(k).make()?;
    let folder = work.join("workload");
    fs::create_dir_all(&folder)?;
    child::prepare(&folder, &workload.program, workload.options, &workload.inputs)?;
    drop(workload);
    let srs = files.get(k)?;
    let mut measured = Measured::default();
    for _ in 0..repetitions {
        measured.add(Engine::Native, &folder, &srs).with_context(|| format!("2^{k} rows"))?;
    }
    fs::remove_dir_all(&folder)?;
    let mut row = vec![k.to_string(), (1u64 << k).to_string()];
    row.extend(measured.shape(&SHAPE).chain(measured.setup(&SETUP)).chain(measured.proof(&PROOF)));
    let rows = f64::from(k).exp2();
    let of = |key| median(&measured.proofs, key).context("every proof tells its figures");
    let (seconds, peak) = (of("proof_cpu_s")?, of("proof_peak_bytes")?);
    row.extend([seconds * 1e6 / rows, seconds * 1e9 / (rows * f64::from(k)), peak / rows].map(figure));
    row.push(repetitions.to_string());
    Ok(row)
}

/// The columns of the table.
const TABLE: [(&str, &str, Show); 12] = [
    ("rows used", "rows_used", whole),
    ("compile CPU s", "compile_cpu_s", digits),
    ("setup CPU s", "setup_cpu_s", digits),
    ("derive", "derive_cpu_s", digits),
    ("witness", "witness_cpu_s", digits),
    ("prove", "prove_cpu_s", digits),
    ("proof CPU s", "proof_cpu_s", digits),
    ("µs / row", "proof_cpu_us_per_row", digits),
    ("ns / (row · log rows)", "proof_cpu_ns_per_row_and_bit", digits),
    ("setup peak", "setup_peak_bytes", bytes),
    ("proof peak", "proof_peak_bytes", bytes),
    ("B / row", "proof_peak_bytes_per_row", whole),
];

/// The record as Markdown.
pub(crate) fn table(record: &Record) -> String {
    let headings: Vec<&str> = std::iter::once("k").chain(TABLE.iter().map(|row| row.0)).collect();
    let rows = record.rows().map(|row| {
        let figures = TABLE.iter().map(|(_, column, show)| shown(row.figure(column), *show));
        std::iter::once(row.cell("k").to_owned()).chain(figures).collect()
    });
    markdown(&headings, &rows.collect::<Vec<_>>())
}

/// CPU seconds and memory of a proof against rows.
fn plot(record: &Record) -> Plot {
    let points = |column: &str, unit: f64| -> Vec<Point> {
        let point = |row: record::Row<'_>| {
            let (x, y) = row.figure("rows").zip(row.figure(column))?;
            Some(Point { x, y: y / unit, hollow: false })
        };
        record.rows().filter_map(point).collect()
    };
    let largest = record.rows().filter_map(|row| row.cell("k").parse().ok()).max().unwrap_or(0).max(20);
    let seconds = points("proof_cpu_s", 1.0);
    // Through the last point, where what does not depend on the rows weighs least.
    let per_unit = seconds.last().map_or(0.0, |last| last.y / (last.x * last.x.log2()));
    let ideal = seconds.iter().map(|point| Point { y: per_unit * point.x * point.x.log2(), ..*point });
    let series = |name: &str, points, dashed| Series { name: name.into(), points, dashed };
    Plot {
        title: "A proof by the native engine against the rows of the machine".into(),
        x_name: "rows".into(),
        x_marks: (12..=largest).map(|k: u32| (f64::from(k).exp2(), format!("2^{k}"))).collect(),
        y_marks: decades(-2..=3, |decade| 10f64.powi(decade).to_string()),
        series: vec![
            series("CPU seconds", seconds.clone(), false),
            series("gigabytes at the peak", points("proof_peak_bytes", 1e9), false),
            series("CPU seconds in proportion to n·log n", ideal.collect(), true),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_table_and_a_plot() {
        let mut record = Record::new(&columns());
        for (k, seconds) in [("12", "0.5"), ("13", "1")] {
            let rows = (1u32 << k.parse::<u32>().expect("a number")).to_string();
            let cell = |column: &&str| match *column {
                "k" => k.to_owned(),
                "rows" => rows.clone(),
                "proof_cpu_s" => seconds.to_owned(),
                "proof_peak_bytes" => "80000000".to_owned(),
                _ => String::new(),
            };
            record.push(columns().iter().map(cell).collect());
        }
        assert!(table(&record).contains("| 12 | – |") && table(&record).contains("80 MB"), "{}", table(&record));
        let svg = plot(&record).svg();
        assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
        let dashed = svg.lines().find(|line| line.contains("dasharray")).expect("a line for comparison");
        assert_eq!(dashed.matches(',').count(), 2, "{dashed}");
    }
}
