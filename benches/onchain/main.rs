//! What proofs cost on a chain: models in the layout for time and in the one for gas, each proven and verified by the
//! contracts on a chain in the process.
//!
//! All figures of a table are from one run. Gas is that of transactions under the Osaka rules, calldata included.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use circuits::graph::{Program, Visibility};
use circuits::layout::{LayoutOptions, Objective};
use clap::{Parser, Subcommand};
use evm::Chain;
use onnx_import::quantize::{self, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import_file, ImportOptions};
use prover::report::{peak_rss_bytes, restart_peak, Stage};
use prover::srs::Srs;
use prover::{prove, Plan, ProveOptions};
use verifier::evm::{abi, registry_contract, verifier_contract, EvmModel};
use zkinfer_benches::networks;
use zkinfer_benches::record::{self, Record, ENVIRONMENT};
use zkinfer_benches::table::{hundredths, markdown, shown, whole, Show};

/// Measures what proofs cost on a chain.
#[derive(Parser)]
#[command(name = "zkinfer-onchain-bench", version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Prove and verify, and write `records/MACHINE/DATE-onchain.csv`
    Run {
        /// Folder of the models
        #[arg(long, env = "ZKINFER_CORPUS", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models"))]
        corpus: PathBuf,
        /// Where records go
        #[arg(long, default_value = record::FOLDER)]
        records: PathBuf,
    },
    /// Print a record as a table
    Table {
        /// A record
        record: PathBuf,
    },
}

/// Models of the corpus that are measured, with the visibility of their inputs.
const MODELS: [(&str, Visibility); 5] = [
    ("lenet_28", Visibility::Public),
    ("lenet_28", Visibility::Hashed),
    ("lenet_28", Visibility::Private),
    ("cnn_batchnorm_8", Visibility::Public),
    ("mlp_relu_diabetes", Visibility::Public),
];
/// The dense network that is measured: 784 pixels, 128 hidden units, 10 outputs.
const PERCEPTRON: [usize; 3] = [784, 128, 10];

/// A program, and inputs of a run.
struct Case {
    name: String,
    program: Program,
    inputs: Vec<Vec<i64>>,
}

/// The columns of a record.
const COLUMNS: [&str; 15] = [
    "model",
    "objective",
    "k",
    "advice_columns",
    "fixed_columns",
    "commitments",
    "instance_words",
    "proof_bytes",
    "calldata_bytes",
    "model_code_bytes",
    "verify_gas",
    "register_gas",
    "deploy_gas",
    "prove_cpu_s",
    "peak_bytes",
];

fn main() -> ExitCode {
    let done = match Cli::parse().mode {
        Mode::Run { corpus, records } => run(&corpus, &records),
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

fn run(corpus: &Path, records: &Path) -> Result<()> {
    let columns: Vec<&str> = COLUMNS.into_iter().chain(ENVIRONMENT).collect();
    let mut record = Record::new(&columns);
    let path = record::path(records, "-onchain.csv")?;
    let mut cases = vec![perceptron()];
    for (folder, visibility) in MODELS {
        cases.push(model(&corpus.join(folder), visibility)?);
    }
    for case in &cases {
        for objective in [Objective::Time, Objective::Gas] {
            let mut row = measure(case, objective).with_context(|| case.name.clone())?;
            row.extend(record::environment());
            println!("{}", record::line(&row));
            record.push(row);
            record.write(&path)?;
        }
    }
    println!("written to {}", path.display());
    Ok(())
}

fn perceptron() -> Case {
    let program = networks::dense_network("mlp 784-128-10", &PERCEPTRON);
    let inputs = networks::inputs(&program);
    Case { name: "mlp 784-128-10, public input".into(), program, inputs }
}

/// A model of the corpus, compiled as `zkinfer compile` does, and its first sample.
fn model(folder: &Path, visibility: Visibility) -> Result<Case> {
    let graph = import_file(&folder.join("model.onnx"), &ImportOptions::default())?;
    let samples = Samples::read(folder.join("test.npz"))?;
    let mut program = quantize::compile(&graph, Some(&samples), &QuantizeOptions::default())?.program;
    program.inputs.iter_mut().for_each(|port| port.visibility = visibility);
    let tensors = samples.inputs(&InputSpec::of_program(&program), 0)?;
    let inputs = quantize::quantize_inputs(&program, &tensors)?.values;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = format!("{visibility:?}").to_lowercase();
    Ok(Case { name: format!("{name}, {shown} input"), program, inputs })
}

fn measure(case: &Case, objective: Objective) -> Result<Vec<String>> {
    let options = LayoutOptions { objective, ..LayoutOptions::default() };
    let plan = Plan::new(case.program.clone(), options)?;
    let statistics = plan.layout().statistics();
    let srs = Srs::development(plan.k())?;
    let (key, _) = plan.setup(&srs, &())?;
    restart_peak();
    let proved = prove(&key, &srs, &case.inputs, &ProveOptions::default())?;
    let peak = peak_rss_bytes();
    let cpu = [Stage::Witness, Stage::Prove].map(|stage| proved.report.cpu_seconds(stage).unwrap_or(f64::NAN));

    let vk = key.verifying_key();
    let model = EvmModel::new(vk)?;
    let words = vk.interface().pack(&proved.proof.public)?;
    let mut chain = Chain::new();
    let shipped = verifier_contract();
    let (verifier, deploy_gas) = chain.deploy(&shipped.creation_code)?;
    let (contract, model_gas) = chain.deploy(&model.creation_code(&verifier, &shipped.code_hash()))?;
    let (registry, _) = chain.deploy(&registry_contract().creation_code)?;
    let entry = abi::Entry {
        verifier,
        verifier_code_hash: shipped.code_hash(),
        model: contract,
        model_code_hash: model.code_hash(&verifier),
        key: vk,
    };
    let registered = chain.call(registry, &abi::register(&entry));
    let call = abi::verify_proof(&proved.proof.words.0, &words);
    let verified = chain.call(contract, &call);
    if registered.output.is_none() || !verified.is_true() {
        bail!("the contracts refuse what is true");
    }
    let objective = format!("{objective:?}").to_lowercase();
    let figures = [
        u64::from(statistics.params.k),
        statistics.advice_columns as u64,
        statistics.fixed_columns as u64,
        model.costs().commitments as u64,
        words.len() as u64,
        model.proof_bytes() as u64,
        call.len() as u64,
        model.costs().model_bytes as u64,
        verified.gas,
        model_gas + registered.gas,
        deploy_gas,
    ];
    let mut row = vec![case.name.clone(), objective];
    row.extend(figures.map(|figure| figure.to_string()));
    row.push(record::figure(cpu.iter().sum()));
    row.push(peak.map_or_else(String::new, |bytes| bytes.to_string()));
    Ok(row)
}

/// The columns of the table: heading, column of the record, and how its figure is shown.
const TABLE: [(&str, &str, Show); 10] = [
    ("k", "k", whole),
    ("commitments", "commitments", whole),
    ("words", "instance_words", whole),
    ("proof B", "proof_bytes", whole),
    ("calldata B", "calldata_bytes", whole),
    ("model code B", "model_code_bytes", whole),
    ("verify gas", "verify_gas", whole),
    ("register gas", "register_gas", whole),
    ("prove CPU s", "prove_cpu_s", hundredths),
    ("peak MB", "peak_bytes", |bytes| whole(bytes / 1e6)),
];

fn print_table(path: &Path) -> Result<()> {
    let record = Record::read(path)?;
    let headings: Vec<&str> =
        std::iter::once("model, layout").chain(TABLE.iter().map(|(heading, ..)| *heading)).collect();
    let rows = record.rows().map(|row| {
        let name = format!("{}; {}", row.cell("model"), row.cell("objective"));
        let figures = TABLE.iter().map(|(_, column, show)| shown(row.figure(column), *show));
        std::iter::once(name).chain(figures).collect()
    });
    print!("{}", markdown(&headings, &rows.collect::<Vec<Vec<String>>>()));
    Ok(())
}
