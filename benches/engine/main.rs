//! Measures whole proofs: the engine of this project against the proof library's own prover, and how the former grows.
//!
//! Setups and proofs run in processes of their own, so that the peak of memory is that of one engine; the engines take turns.

mod child;
mod growth;
mod pairs;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Result};
use clap::{Args, Parser, Subcommand};
use zkinfer_benches::record::{self, Record};

/// Measures the proving engine and keeps records.
#[derive(Parser)]
#[command(name = "zkinfer-engine-bench", version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Measure both engines on each workload and write `records/MACHINE/DATE-engine.csv`
    Run(pairs::Options),
    /// Measure the native engine on machines of growing size and write `records/MACHINE/DATE-growth.csv` and its plot
    Growth(growth::Options),
    /// Print a record as Markdown
    Table {
        /// A record of `run` or `growth`
        record: PathBuf,
    },
    /// One measurement, for the process that started this one
    #[command(hide = true)]
    Child(child::Options),
}

/// Where records go.
#[derive(Args, Clone, Debug)]
struct Output {
    /// Where records go; a row of the same day and name is replaced
    #[arg(long, default_value = record::FOLDER)]
    records: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().mode {
        Mode::Run(options) => pairs::run(&options),
        Mode::Growth(options) => growth::run(&options),
        Mode::Table { record } => print_table(&record),
        Mode::Child(options) => child::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_table(path: &Path) -> Result<()> {
    let record = Record::read(path)?;
    if record.columns() == growth::columns() {
        print!("{}", growth::table(&record));
    } else if record.columns() == pairs::columns() {
        print!("{}", pairs::tables(&record));
    } else {
        bail!("{}: neither a record of `run` nor of `growth`", path.display());
    }
    Ok(())
}
