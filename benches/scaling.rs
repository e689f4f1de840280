//! How cost grows with a model: rows, columns and proving time of synthetic layers of growing size.
//!
//! Writes a CSV and a plot. What it shows: rows follow weights, activations and channel pairs, not multiply-accumulates; a
//! dense layer twice as wide takes about four times the weight *cells* (it has four times the weights), at the same rows when
//! the lanes follow, and twice the unit and scalar rows.

use std::path::PathBuf;

use anyhow::{Context, Result};
use circuits::graph::{ConvGeometry, Node, Program};
use circuits::layout::{compile, cost, Layout, LayoutOptions};
use clap::Parser;
use prover::prove::{EngineOptions, ProveOptions, Prover};
use prover::report::Stage;
use prover::srs::Srs;
use zkinfer_benches::networks::{self, layer, same};
use zkinfer_benches::plot::{decades, Plot, Point, Series};
use zkinfer_benches::record::Record;

/// Measures how cost grows with the size of a layer.
#[derive(Parser)]
#[command(name = "zkinfer-scaling", version)]
struct Options {
    /// Where `scaling.csv` and `scaling.svg` go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/records/scaling"))]
    out: PathBuf,
    /// Prove layers whose circuit has up to 2^K rows; larger ones are estimated only
    #[arg(long, default_value_t = 14)]
    prove_up_to: u32,
}

/// A layer to measure.
struct Case {
    family: &'static str,
    size: usize,
    program: Program,
    macs: usize,
}

/// What was found.
struct Row {
    family: &'static str,
    size: usize,
    weights: usize,
    activations: usize,
    macs: usize,
    layout: Layout,
    prove_cpu_seconds: Option<f64>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let dense = (5..12).map(|bits| dense(1 << bits));
    let convolutions = (2..8).map(|bits| convolution(1 << bits));
    let pictures = (3..8).map(|bits| picture(1 << bits));
    let networks = std::iter::once(perceptron());
    let rows: Vec<Row> = dense
        .chain(convolutions)
        .chain(pictures)
        .chain(networks)
        .map(|case| measure(case, &options))
        .collect::<Result<_>>()?;
    record(&rows).write(&options.out.join("scaling.csv"))?;
    let path = options.out.join("scaling.svg");
    std::fs::write(&path, plot(&rows).svg()).with_context(|| path.display().to_string())?;
    println!("written to {}", options.out.display());
    Ok(())
}

/// `n` inputs, a dense layer with ReLU to `n` outputs.
fn dense(n: usize) -> Case {
    let program = layer([n, 1, 1], n, ConvGeometry::POINTWISE);
    Case { family: "dense n×n", size: n, program, macs: n * n }
}

/// A 3 × 3 convolution of `c` to `c` channels on pictures of 16 × 16.
fn convolution(c: usize) -> Case {
    let program = layer([c, 16, 16], c, same(3));
    Case { family: "conv 3×3, c×c channels, 16×16", size: c, program, macs: c * c * 9 * 256 }
}

/// A 3 × 3 convolution of 4 to 4 channels on pictures of `n` × `n`.
fn picture(n: usize) -> Case {
    let program = layer([4, n, n], 4, same(3));
    Case { family: "conv 3×3, 4×4 channels, n×n", size: n, program, macs: 16 * 9 * n * n }
}

/// The multi-layer perceptron that other systems are measured on: 784 inputs, 128 hidden units, 10 exact outputs.
fn perceptron() -> Case {
    let program = networks::dense_network("layer", &[784, 128, 10]);
    Case { family: "perceptron 784-128-10", size: 784, program, macs: 784 * 128 + 1280 }
}

fn measure(case: Case, options: &Options) -> Result<Row> {
    let Case { family, size, program, macs } = case;
    let layout = compile(&program, &LayoutOptions::default())?;
    let activations = program.nodes.iter().map(Node::elements).sum();
    let weights = layout.statistics().weights;
    let prove_cpu_seconds = if layout.params().k <= options.prove_up_to { Some(prove(&program)?) } else { None };
    eprintln!("{family} {size}: k {} {prove_cpu_seconds:?}", layout.params().k);
    Ok(Row { family, size, weights, activations, macs, layout, prove_cpu_seconds })
}

/// CPU seconds of a proof with keys at hand.
fn prove(program: &Program) -> Result<f64> {
    let plan = prover::keys::Plan::new(program.clone(), LayoutOptions::default())?;
    let srs = Srs::development(plan.k())?;
    let (key, _) = plan.setup(&srs, &())?;
    let inputs = networks::inputs(program);
    let proved =
        Prover::new(&key, &srs, &EngineOptions::default(), &())?.prove(&inputs, &ProveOptions::default(), &())?;
    [Stage::Witness, Stage::Prove]
        .into_iter()
        .map(|stage| proved.report.cpu_seconds(stage))
        .sum::<Option<f64>>()
        .context("this platform does not tell CPU time")
}

const COLUMNS: [&str; 14] = [
    "family",
    "size",
    "weights",
    "activations",
    "macs",
    "k",
    "units",
    "weights_per_row",
    "unit_rows",
    "weight_rows",
    "scalar_rows",
    "commitments",
    "estimated_prove_cpu_s",
    "prove_cpu_s",
];

fn record(rows: &[Row]) -> Record {
    let mut record = Record::new(&COLUMNS);
    for row in rows {
        let statistics = row.layout.statistics();
        let params = statistics.params;
        record.push(vec![
            row.family.to_owned(),
            row.size.to_string(),
            row.weights.to_string(),
            row.activations.to_string(),
            row.macs.to_string(),
            params.k.to_string(),
            params.units.to_string(),
            params.weights.to_string(),
            statistics.rows.units.to_string(),
            statistics.rows.weights.to_string(),
            statistics.rows.scalars.to_string(),
            statistics.commitments.to_string(),
            format!("{:.2}", cost::estimate(&params).prove_cpu_seconds),
            row.prove_cpu_seconds.map_or_else(String::new, |seconds| format!("{seconds:.2}")),
        ]);
    }
    record
}

/// CPU seconds of a proof against multiply-accumulates, one series per family.
fn plot(rows: &[Row]) -> Plot {
    let mut families: Vec<&str> = rows.iter().map(|row| row.family).collect();
    families.dedup();
    let point = |row: &Row| Point {
        x: row.macs as f64,
        y: row.prove_cpu_seconds.unwrap_or_else(|| cost::estimate(&row.layout.params()).prove_cpu_seconds),
        hollow: row.prove_cpu_seconds.is_none(),
    };
    let series = families.into_iter().map(|family| Series {
        name: family.to_owned(),
        points: rows.iter().filter(|row| row.family == family).map(point).collect(),
        dashed: false,
    });
    Plot {
        title: "CPU seconds of a proof (hollow: estimated)".into(),
        x_name: "multiply-accumulates".into(),
        x_marks: decades(3..=8, |decade| format!("10^{decade}")),
        y_marks: decades(-2..=2, |decade| format!("{} s", 10f64.powi(decade))),
        series: series.collect(),
    }
}
