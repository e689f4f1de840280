//! How cost grows with a model: rows, columns and proving time of synthetic layers of growing size.
//!
//! Writes a CSV and a plot. What it shows: rows follow weights, activations and channel pairs, not multiply-accumulates; a
//! dense layer twice as wide takes about four times the weight *cells* (it has four times the weights), at the same rows when
//! the lanes follow, and twice the unit and scalar rows.
//!
//! The weights are pseudo-random, so that no two blocks are stored as one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use circuits::graph::{
    ConvGeometry, Node, Op, Port, PortKind, Program, Requantize, Table, TableId, TensorId, Visibility,
};
use circuits::layout::{compile, cost, Layout, LayoutOptions};
use clap::Parser;
use prover::prove::{EngineOptions, ProveOptions, Prover};
use prover::report::Stage;
use prover::srs::Srs;

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
    std::fs::create_dir_all(&options.out).with_context(|| format!("creating {}", options.out.display()))?;
    std::fs::write(options.out.join("scaling.csv"), csv(&rows)?)?;
    std::fs::write(options.out.join("scaling.svg"), plot(&rows)?)?;
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
    let mut program = layer([784, 1, 1], 128, ConvGeometry::POINTWISE);
    let last = Op::Conv {
        input: TensorId(1),
        geometry: ConvGeometry::POINTWISE,
        weights: weights(1280),
        bias: vec![0; 10].into(),
        requantize: None,
    };
    program.nodes.push(Node { name: "scores".into(), op: last, shape: vec![10, 1, 1], scale: 1.0 });
    (program.outputs[0].tensor, program.outputs[0].shape) = (TensorId(2), vec![10, 1, 1]);
    for port in program.inputs.iter_mut().chain(&mut program.outputs) {
        port.visibility = Visibility::Public;
    }
    Case { family: "perceptron 784-128-10", size: 784, program, macs: 784 * 128 + 1280 }
}

/// Fixed pseudo-random weights: their values do not matter for the cost, but no two blocks of them should be equal.
fn weights(count: usize) -> Arc<[i32]> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as i32 - 2048
    };
    (0..count).map(next).collect()
}

fn same(kernel: u32) -> ConvGeometry {
    ConvGeometry { kernel: [kernel; 2], padding: [kernel / 2; 4], ..ConvGeometry::POINTWISE }
}

fn layer(shape: [usize; 3], outputs: usize, geometry: ConvGeometry) -> Program {
    let [channels, height, width] = shape;
    let taps = (geometry.kernel[0] * geometry.kernel[1]) as usize;
    let weights = weights(outputs * channels * taps);
    let relu = Table::new("relu", -512, (-512..512).map(|v: i32| v.clamp(0, 255)).collect()).expect("not empty");
    let requantize = Some(Requantize { shift: 16, table: TableId(0) });
    let bias = vec![0; outputs].into();
    let conv = Op::Conv { input: TensorId(0), geometry, weights, bias, requantize };
    let node = |name: &str, op, shape: [usize; 3]| Node { name: name.into(), op, shape: shape.to_vec(), scale: 1.0 };
    let port = |name: &str, tensor, shape: [usize; 3]| Port {
        name: name.into(),
        tensor,
        shape: shape.to_vec(),
        scale: 1.0,
        kind: PortKind::Real,
        visibility: Visibility::Private,
    };
    let output = [outputs, height, width];
    Program {
        name: "layer".into(),
        source_digest: [0; 32],
        options: Default::default(),
        tables: vec![relu],
        nodes: vec![node("input", Op::Input { lo: -128, hi: 127 }, shape), node("layer", conv, output)],
        inputs: vec![port("input", TensorId(0), shape)],
        outputs: vec![port("output", TensorId(1), output)],
    }
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
    let inputs = vec![(0..program.nodes[0].elements() as i64).map(|i| i * 31 % 255 - 127).collect()];
    let proved =
        Prover::new(&key, &srs, &EngineOptions::default(), &())?.prove(&inputs, &ProveOptions::default(), &())?;
    [Stage::Witness, Stage::Prove]
        .into_iter()
        .map(|stage| proved.report.cpu_seconds(stage))
        .sum::<Option<f64>>()
        .context("this platform does not tell CPU time")
}

fn csv(rows: &[Row]) -> Result<String> {
    let mut text = String::from(
        "family,size,weights,activations,macs,k,units,weights_per_row,unit_rows,weight_rows,scalar_rows,commitments,\
         estimated_prove_cpu_s,prove_cpu_s\n",
    );
    for row in rows {
        let statistics = row.layout.statistics();
        let params = statistics.params;
        let measured = row.prove_cpu_seconds.map_or(String::new(), |seconds| format!("{seconds:.2}"));
        writeln!(
            text,
            "\"{}\",{},{},{},{},{},{},{},{},{},{},{},{:.2},{measured}",
            row.family,
            row.size,
            row.weights,
            row.activations,
            row.macs,
            params.k,
            params.units,
            params.weights,
            statistics.rows.units,
            statistics.rows.weights,
            statistics.rows.scalars,
            statistics.commitments,
            cost::estimate(&params).prove_cpu_seconds,
        )?;
    }
    Ok(text)
}

/// CPU seconds of a proof against multiply-accumulates, both logarithmic, one line per family.
fn plot(rows: &[Row]) -> Result<String> {
    const COLOURS: [&str; 4] = ["#1b6ca8", "#c2571a", "#3c8d40", "#7b3fa0"];
    let x = |macs: usize| 70.0 + 85.0 * ((macs as f64).log10() - 3.0);
    let y = |seconds: f64| 330.0 - 90.0 * (seconds.log10() + 1.0);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"400\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"640\" height=\"400\" fill=\"white\"/>\n",
    );
    for decade in 3..8 {
        let at = x(10usize.pow(decade));
        writeln!(svg, "<line x1=\"{at}\" y1=\"40\" x2=\"{at}\" y2=\"340\" stroke=\"#ddd\"/>")?;
        writeln!(svg, "<text x=\"{at}\" y=\"358\" text-anchor=\"middle\">10^{decade}</text>")?;
    }
    for decade in -1..3 {
        let at = y(10f64.powi(decade));
        writeln!(svg, "<line x1=\"70\" y1=\"{at}\" x2=\"520\" y2=\"{at}\" stroke=\"#ddd\"/>")?;
        writeln!(svg, "<text x=\"62\" y=\"{}\" text-anchor=\"end\">{} s</text>", at + 4.0, 10f64.powi(decade))?;
    }
    svg.push_str("<text x=\"295\" y=\"380\" text-anchor=\"middle\">multiply-accumulates</text>\n");
    svg.push_str("<text x=\"70\" y=\"24\">CPU seconds of a proof (hollow: estimated)</text>\n");
    let mut families: Vec<&str> = rows.iter().map(|row| row.family).collect();
    families.dedup();
    for (index, family) in families.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let mut line = String::new();
        for row in rows.iter().filter(|row| row.family == *family) {
            let seconds =
                row.prove_cpu_seconds.unwrap_or_else(|| cost::estimate(&row.layout.params()).prove_cpu_seconds);
            let (cx, cy) = (x(row.macs), y(seconds));
            write!(line, "{cx:.1},{cy:.1} ")?;
            let fill = if row.prove_cpu_seconds.is_some() { colour } else { "white" };
            writeln!(svg, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\" fill=\"{fill}\" stroke=\"{colour}\"/>")?;
        }
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", line.trim_end())?;
        let at = 60 + 18 * index;
        writeln!(svg, "<text x=\"90\" y=\"{at}\" fill=\"{colour}\">{family}</text>")?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
