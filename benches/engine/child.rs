//! One measurement in a process of its own.
//!
//! A folder holds what the processes share: the program, its options and inputs, and each engine's keys. What was measured is
//! one line of JSON.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{anyhow, bail, Context, Result};
use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use clap::{Args, ValueEnum};
use prover::report::peak_rss_bytes;
use prover::srs::Srs;
use prover::{Engine, EngineOptions, Plan, ProveOptions, Prover, ProvingKey, Report, Stage};
use serde_json::{json, Value};
use zkinfer_benches::clock::timed;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// The layout of a program, and its keys.
    Setup,
    /// Putting a key onto an engine, and a proof.
    Prove,
}

/// One measurement.
#[derive(Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum)]
    task: Task,
    /// `native` or `stock`
    engine: Engine,
    /// The folder that the processes share
    folder: PathBuf,
    /// The SRS
    srs: PathBuf,
}

/// Writes what a measurement needs.
///
/// # Errors
/// The system refuses.
pub(crate) fn prepare(folder: &Path, program: &Program, options: LayoutOptions, inputs: &[Vec<i64>]) -> Result<()> {
    prover::program::write(program, &folder.join("program.zki"))?;
    let workload = json!({ "options": options, "inputs": inputs });
    std::fs::write(folder.join("workload.json"), workload.to_string())?;
    Ok(())
}

/// Measures in a process of its own.
///
/// # Errors
/// The process fails; the message is its own.
pub(crate) fn measure(task: Task, engine: Engine, folder: &Path, srs: &Path) -> Result<Value> {
    let task_name = task.to_possible_value().context("every task has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", task_name.get_name(), &engine.to_string()]).args([folder, srs]);
    let output = command.stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let reason = message.lines().find(|line| line.starts_with("error") || line.contains("panicked"));
        let reason = reason.map_or_else(|| output.status.to_string(), str::to_owned);
        return Err(anyhow!(reason).context(format!("{} by the {engine} engine", task_name.get_name())));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Does what the options say, and prints what was measured.
///
/// # Errors
/// Files are missing, or setup or proof fail.
pub(crate) fn run(options: &Options) -> Result<()> {
    let measured = match options.task {
        Task::Setup => setup(options)?,
        Task::Prove => prove(options)?,
    };
    println!("{measured}");
    Ok(())
}

fn setup(options: &Options) -> Result<Value> {
    let workload = workload(&options.folder)?;
    let program = prover::program::read(&options.folder.join("program.zki"))?;
    let layout_options: LayoutOptions = serde_json::from_value(workload["options"].clone())?;
    let (compile_cpu, plan) = timed(|| Plan::new(program, layout_options));
    let plan = plan?;
    let (statistics, params) = (plan.layout().statistics(), plan.layout().params());
    let srs = Srs::read(&options.srs)?;
    let (key, report) = plan.setup_by(options.engine, &srs, &())?;
    key.write(&key_path(options))?;
    Ok(json!({
        "k": params.k,
        "units": params.units,
        "weights_per_row": params.weights,
        "rows_used": statistics.used_rows,
        "weights": statistics.weights,
        "advice_columns": statistics.advice_columns,
        "fixed_columns": statistics.fixed_columns,
        "permutation_columns": statistics.permutation_columns,
        "commitments": statistics.commitments,
        "compile_cpu_s": compile_cpu,
        "setup_cpu_s": cpu(&report, Stage::Commit)?,
        "setup_wall_s": report.wall_seconds(Stage::Commit),
        "setup_peak_bytes": peak_rss_bytes(),
        "key_file_bytes": std::fs::metadata(key_path(options))?.len(),
        "key": key.verifying_key().digest().to_string(),
    }))
}

fn prove(options: &Options) -> Result<Value> {
    let inputs: Vec<Vec<i64>> = serde_json::from_value(workload(&options.folder)?["inputs"].take())?;
    let key = ProvingKey::read(&key_path(options))?;
    let srs = Srs::read(&options.srs)?;
    let engine = EngineOptions { engine: options.engine, ..EngineOptions::default() };
    let prover = Prover::new(&key, srs, &engine, &())?;
    let proved = prover.prove(&inputs, &ProveOptions { verify: false, ..ProveOptions::default() }, &())?;
    let peak = peak_rss_bytes();
    let start = Instant::now();
    verifier::verify(key.verifying_key(), &proved.proof.public, &proved.proof)
        .map_err(|refusal| anyhow!("{refusal}"))?;
    let verify = start.elapsed();
    let (derived, report) = (prover.derived(), &proved.report);
    let [derive, witness, prove] =
        [cpu(derived, Stage::Derive)?, cpu(report, Stage::Witness)?, cpu(report, Stage::Prove)?];
    let wall =
        derived.wall_seconds(Stage::Derive) + report.wall_seconds(Stage::Witness) + report.wall_seconds(Stage::Prove);
    Ok(json!({
        "derive_cpu_s": derive,
        "witness_cpu_s": witness,
        "prove_cpu_s": prove,
        "proof_cpu_s": derive + witness + prove,
        "proof_wall_s": wall,
        "proof_peak_bytes": peak,
        "proof_bytes": proved.proof.words.0.len(),
        "verify_ms": verify.as_secs_f64() * 1e3,
    }))
}

fn cpu(report: &Report, stage: Stage) -> Result<f64> {
    report.cpu_seconds(stage).context("this platform does not tell CPU time")
}

fn key_path(options: &Options) -> PathBuf {
    options.folder.join(format!("{}.pk", options.engine))
}

fn workload(folder: &Path) -> Result<Value> {
    let path = folder.join("workload.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// Refuses keys of two engines that differ.
///
/// # Errors
/// They do.
pub(crate) fn same_keys(first: &Value, second: &Value) -> Result<()> {
    if first["key"] != second["key"] {
        bail!("the engines made different keys");
    }
    Ok(())
}
