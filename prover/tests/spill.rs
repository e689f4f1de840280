//! Proofs within a budget: what is planned bounds the peak of a fresh process, and the proof is the same to the byte.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use circuits::graph::{ConvGeometry, Op, Requantize, Visibility};
use circuits::layout::{Fold, LayoutOptions};
use prover::memory::{MemoryPlan, Spill};
use prover::report::peak_rss_bytes;
use prover::srs::Srs;
use prover::{EngineOptions, Entropy, Plan, ProveError, ProveOptions, Prover, ProvingKey};
use serde_json::{json, Value};
use support::ProgramBuilder;

/// Where a child finds its folder, and its budget in bytes.
const FOLDER: &str = "ZKINFER_TEST_FOLDER";
const BUDGET: &str = "ZKINFER_TEST_BUDGET";

/// A convolution of 4 to 4 channels with ReLU over a picture of so many rows of 64.
fn picture(rows: usize) -> ProgramBuilder {
    let mut builder = ProgramBuilder::new(5);
    let input = builder.input(&[4, rows, 64], Visibility::Private);
    let weights: Vec<i32> = (0..4 * 4 * 9).map(|_| builder.random(-50, 50) as i32).collect();
    let requantize = Some(Requantize { shift: 4, table: builder.relu(-2048, 2047) });
    let geometry = ConvGeometry { kernel: [3, 3], padding: [1; 4], ..ConvGeometry::POINTWISE };
    let (weights, bias) = (weights.into_iter().collect(), vec![0; 4].into());
    let output = builder.node(Op::Conv { input, geometry, weights, bias, requantize }, &[4, rows, 64]);
    builder.output(output, Visibility::Private);
    builder
}

/// One proof of what is in the folder, by a process of its own.
fn child(folder: &Path, budget: Option<u64>) -> Value {
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    command.args(["--ignored", "--exact", "--nocapture", "proves_in_a_process_of_its_own"]);
    command.env(FOLDER, folder).env("TMPDIR", folder).env("RAYON_NUM_THREADS", "2");
    if let Some(budget) = budget {
        command.env(BUDGET, budget.to_string());
    }
    let output = command.stderr(Stdio::inherit()).output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(line).expect("it was written as such")
}

#[test]
#[ignore = "the process that others of these tests start"]
fn proves_in_a_process_of_its_own() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let budget = std::env::var(BUDGET).ok().map(|budget| budget.parse().expect("a number"));
    let key = ProvingKey::read(&folder.join("key")).expect("it was written");
    let srs = Srs::read(&folder.join("srs")).expect("it was written");
    let inputs: Vec<Vec<i64>> =
        serde_json::from_slice(&std::fs::read(folder.join("inputs")).expect("it was written")).expect("numbers");
    let plan = MemoryPlan::new(key.plan().layout(), budget).expect("it was asked before");
    let options = EngineOptions { max_memory: budget, ..EngineOptions::default() };
    let prover = Prover::new(&key, srs, &options, &()).expect("the SRS fits");
    let seeded = ProveOptions { entropy: Entropy::Seed([1; 32]), check: false, verify: false };
    let proved = prover.prove(&inputs, &seeded, &()).expect("admissible");
    let peak = peak_rss_bytes();
    let cpu: Option<f64> = proved.report.stages.iter().map(|stage| stage.cpu_seconds).sum();
    let result = json!({
        "planned": plan.total(), "spill": plan.spill, "disk": plan.disk, "spilled": prover.spilled_bytes(),
        "peak": peak, "cpu_seconds": cpu, "proof": proved.proof.words.0,
    });
    println!("\nRESULT {result}");
}

/// Proves under budgets from plenty to the least, and compares.
fn budgets_are_kept(mut builder: ProgramBuilder, options: LayoutOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = builder.inputs();
    let plan = Plan::new(builder.program, options).expect("it has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    srs.write(&folder.path().join("srs")).expect("room");
    let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
    key.write(&folder.path().join("key")).expect("room");
    std::fs::write(folder.path().join("inputs"), json!(inputs).to_string()).expect("room");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let layout = key.plan().layout();
    let (usual, least) =
        pool.install(|| (MemoryPlan::new(layout, None).expect("no limit").total(), MemoryPlan::least(layout)));
    let results = [None, Some((usual + least) / 2), Some(usual / 2), Some(least)]
        .into_iter()
        .filter(|budget| budget.is_none_or(|budget| budget >= least))
        .map(|budget| (budget, child(folder.path(), budget)));
    let results: Vec<_> = results.collect();
    for (budget, result) in &results {
        let figures = ["planned", "peak", "spill", "disk", "spilled", "cpu_seconds"].map(|name| &result[name]);
        println!("2^{} rows, budget {budget:?}: planned, peak, spill, disk, spilled, CPU {figures:?}", key.plan().k());
    }
    for (budget, result) in &results {
        assert_eq!(result["proof"], results[0].1["proof"], "{budget:?}");
        let number = |name: &str| result[name].as_u64();
        let (planned, disk) = (number("planned").expect("a number"), number("disk").expect("a number"));
        assert!(budget.is_none_or(|budget| planned <= budget));
        assert!(number("spilled").expect("a number") <= disk, "{result:?}");
        assert_eq!(disk > 0, result["spill"] != json!(Spill::Nothing));
        if let Some(peak) = number("peak") {
            assert!(peak <= planned && planned <= 2 * peak, "{peak} of {planned} planned under {budget:?}");
        }
    }
    assert_eq!(results.last().expect("the least").1["spill"], json!(Spill::Quotient));
    let names = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(names, 3, "nothing is left of the temporary files");
}

#[test]
fn budgets_are_kept_and_do_not_show_in_the_proof() {
    let wide = LayoutOptions { units: Some(8), ..LayoutOptions::default() };
    budgets_are_kept(picture(700), wide);
    let folded = LayoutOptions { units: Some(1), fold: Some(Fold::Rows(4)), ..LayoutOptions::default() };
    budgets_are_kept(picture(60), folded);
}

#[test]
fn a_folder_that_takes_no_file_is_told() {
    let mut builder = support::mlp(1);
    let inputs = builder.inputs();
    let plan = Plan::new(builder.program, LayoutOptions::default()).expect("it has a layout");
    let srs = Srs::development(plan.k()).expect("a possible size");
    let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
    let folder = tempfile::tempdir().expect("a folder");
    let spilling = |folder: &Path| EngineOptions {
        max_memory: Some(MemoryPlan::least(key.plan().layout())),
        spill_folder: Some(folder.to_owned()),
        ..EngineOptions::default()
    };
    let refused = Prover::new(&key, &srs, &spilling(&folder.path().join("missing")), &()).map(|_| ());
    let error = refused.expect_err("there is no such folder");
    assert!(matches!(error, ProveError::Disk(_)) && error.disk_error().is_some(), "{error}");
    let prover = Prover::new(&key, &srs, &spilling(folder.path()), &()).expect("a folder");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "the file has no name");
    prover.prove(&inputs, &ProveOptions::default(), &()).expect("admissible");
    assert!(prover.spilled_bytes() > 0);
}
