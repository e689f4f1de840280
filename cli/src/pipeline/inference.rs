//! Inputs read from a file, run through the integer program, and shown.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use circuits::graph::{Node, Op, Program, TableId, TensorId, Visibility};
use circuits::layout::Layout;
use circuits::reference::Trace;
use onnx_import::float::graph::Tensor;
use onnx_import::quantize::{check_exact, dequantize_outputs, quantize_inputs};
use onnx_import::samples::{InputSpec, Samples};
use prover::link::Openings;
use prover::memory::Spill;
use prover::Run;

use crate::artifacts::{is_artifact, ProgramArtifact};
use crate::exit::{Failure, OrFail, Outcome};
use crate::picture::Picture;
use crate::pipeline::expectation::Expectation;
use crate::printer::{bytes, seconds, Printer};
use crate::report::{NamedTensor, Report};
use crate::{present, usage};

/// How the names of tables of a model's own numbers begin.
const OWN_TABLES: [&str; 2] = ["entries of ", "thresholds of "];

/// Functions with numbers of a model, in the names of their tables.
const NUMBERED: [&str; 3] = ["affine", "leakyrelu", "curve"];

/// How the names of tables begin that serve a function by segments, before its name.
const OF_SEGMENTS: [&str; 2] = ["slopes of ", "offsets of "];

/// How many nodes are named whose numbers stay public.
const MOST_NAMED: usize = 16;

/// The input values of one sample, as reals and as the integers that the program takes.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    /// As the file has them.
    pub(crate) tensors: Vec<Tensor>,
    /// As the program takes them.
    pub(crate) integers: Vec<Vec<i64>>,
    /// How many values lay outside the calibrated range and were set to its nearest end.
    pub(crate) clamped: usize,
}

/// Reads a sample of a file, or the values that were committed to.
///
/// # Errors
/// The file can't be read, has no such sample, or does not fit the program's inputs; values that a program in float32 arithmetic does not take
/// as they are.
pub(crate) fn read_inputs(program: &Program, path: &Path, index: usize, printer: Printer) -> Outcome<Inputs> {
    if is_artifact(path)? {
        return opened(program, path);
    }
    let samples = Samples::read(path).map_err(Failure::misuse)?;
    let inputs = sample(program, &samples, index).map_err(|failure| failure.context(path.display().to_string()))?;
    let rounded = check_exact(program, &inputs.tensors).map_err(Failure::misuse)?;
    if rounded > 0 {
        printer.warn(format_args!(
            "{rounded} input values are finer than the program takes them and were rounded, by less than float32's precision of the largest \
             one; outputs are onnxruntime's to the bit for the rounded values"
        ));
    }
    if inputs.clamped > 0 {
        printer.warn(format_args!(
            "{} input values lie outside the range that the model was calibrated for and were set to its nearest end; \
             calibrate with samples that cover them",
            inputs.clamped
        ));
    }
    Ok(inputs)
}

/// The values that were committed to elsewhere, integer by integer, as the only input.
fn opened(program: &Program, path: &Path) -> Outcome<Inputs> {
    let named = || path.display().to_string();
    let openings = Openings::read(path).or_misuse(named())?;
    let [port] = &program.inputs[..] else {
        let fault = anyhow!("an opening holds the values of one input, and the program has {}", program.inputs.len());
        return Err(Failure::misuse(fault).context(named()).remedy("give all inputs in a file of samples"));
    };
    let elements = program.node(port.tensor).elements();
    let mut fitting = openings.ports.iter().filter(|(_, opening)| opening.values.len() == elements);
    let (Some((_, opening)), None) = (fitting.next(), fitting.next()) else {
        let fault = anyhow!("not just one of the {} opened ports has {elements} values", openings.ports.len());
        return Err(Failure::misuse(fault).context(named()).remedy("give the values in a file of samples"));
    };
    let reals = opening.values.iter().map(|&value| value as f64 * port.scale).collect();
    let tensors = vec![Tensor::new(port.shape.clone(), reals)];
    Ok(Inputs { tensors, integers: vec![opening.values.clone()], clamped: 0 })
}

/// Sample `index` of a file.
///
/// # Errors
/// There is no such sample, or it does not fit the program's inputs.
pub(crate) fn sample(program: &Program, samples: &Samples, index: usize) -> Outcome<Inputs> {
    let tensors = samples.inputs(&InputSpec::of_program(program), index).map_err(Failure::misuse)?;
    let quantized = quantize_inputs(program, &tensors).map_err(Failure::misuse)?;
    Ok(Inputs { tensors, integers: quantized.values, clamped: quantized.clamped })
}

/// Runs the program.
///
/// # Errors
/// The program can't be run on these inputs.
pub(crate) fn run(program: &Program, inputs: &Inputs) -> Outcome<Run> {
    Run::new(program, &inputs.integers).or_refused("the program can't be run on this input")
}

/// The outputs of a run, decoded.
pub(crate) fn outputs(program: &Program, trace: &Trace) -> Vec<NamedTensor> {
    let integers = trace.outputs(program);
    let reals = dequantize_outputs(program, &integers);
    let named = program.outputs.iter().zip(reals).zip(integers).map(|((port, real), integers)| NamedTensor {
        name: port.name.clone(),
        shape: real.shape,
        values: real.data.to_vec(),
        integers,
    });
    named.collect()
}

/// Draws the inputs that are pictures.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn draw(printer: Printer, program: &Program, inputs: &Inputs) -> Outcome {
    for (port, tensor) in program.inputs.iter().zip(&inputs.tensors) {
        if let Some(picture) = Picture::from_tensor(&port.shape, &tensor.data) {
            let drawn = if printer.colours() { picture.coloured() } else { picture.shaded() };
            printer.drawing(&drawn)?;
        }
    }
    Ok(())
}

/// Whether a program has outputs that a proof does not tell: private, hashed or committed ones.
pub(crate) fn has_secret_outputs(program: &Program) -> bool {
    program.outputs.iter().any(|port| port.visibility != Visibility::Public)
}

/// Shows outputs to people.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn show(printer: Printer, program: &Program, outputs: &[NamedTensor]) -> Outcome {
    for (port, tensor) in program.outputs.iter().zip(outputs) {
        present::lines(tensor, port.kind).iter().try_for_each(|line| printer.line(line))?;
    }
    Ok(())
}

/// Nodes with numbers of the model that stay public where its weights are private: single numbers that all elements are multiplied by or
/// that are added to all, and entries of tables. Those of functions that have none, and of scales, say nothing else than the form.
fn public_numbers(program: &Program) -> Vec<(&str, &'static str)> {
    let of_table = |table: TableId| {
        let name = program.table(table).name();
        let name = OF_SEGMENTS.iter().find_map(|of| name.strip_prefix(of)).unwrap_or(name);
        let parts = || name.split(['(', ',']);
        let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let numbers = parts().any(|part| NUMBERED.contains(&part)) || parts().skip(1).any(is_number);
        match OWN_TABLES.iter().any(|of| name.starts_with(of)) {
            true => Some("the entries of its table"),
            false => numbers.then_some("the numbers in its function"),
        }
    };
    let of_node = |(tensor, node): (TensorId, &Node)| match &node.op {
        Op::Lookup { table, .. } => of_table(*table),
        Op::Gather { .. } => Some("the entries of its matrix"),
        Op::Steps { .. } => Some("the bounds of its steps"),
        Op::Affine { constant, .. } if *constant != 0 => Some("the constant that is added"),
        Op::Conv { bias, .. }
            if program.private_weights_of(tensor).is_none() && bias.iter().any(|&offset| offset != 0) =>
        {
            Some("the constant that is added to its sums")
        }
        Op::Conv { requantize: Some(by), .. }
        | Op::Affine { requantize: Some(by), .. }
        | Op::Product { requantize: Some(by), .. }
        | Op::MatMul { requantize: Some(by), .. }
        | Op::Sum { requantize: Some(by), .. } => of_table(by.table),
        _ => None,
    };
    let nodes = (0..).map(TensorId).zip(&program.nodes);
    let mut numbers: Vec<_> = nodes.filter_map(|at| Some((at.1.name.as_str(), of_node(at)?))).collect();
    let mut known = BTreeSet::new();
    numbers.retain(|number| known.insert(*number));
    numbers
}

/// Says which numbers stay public, of so many nodes at most.
fn print_public_numbers(printer: Printer, program: &Program) -> Outcome {
    let numbers = public_numbers(program);
    for (node, what) in numbers.iter().take(MOST_NAMED) {
        printer.field("stays public", format_args!("node {node:?}: {what}"))?;
    }
    match numbers.len().saturating_sub(MOST_NAMED) {
        0 => Ok(()),
        more => printer.field("stays public", format_args!("numbers of {more} more nodes")),
    }
}

/// Says what is going to be done and what it will take.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn print_plan(
    printer: Printer,
    artifact: &ProgramArtifact,
    layout: &Layout,
    expected: &Expectation,
) -> Outcome {
    let statistics = layout.statistics();
    let params = statistics.params;
    let program = &artifact.program;
    printer.field(
        "program",
        format_args!(
            "{}: {} weights, {} activations, {}-bit",
            program.name, statistics.weights, statistics.elements, artifact.bits
        ),
    )?;
    printer.field(
        "circuit",
        format_args!(
            "2^{} rows, {} used; {} advice and {} fixed columns ({} units, {} weights per row)",
            params.k,
            statistics.used_rows,
            statistics.advice_columns,
            statistics.fixed_columns,
            params.units,
            params.weights
        ),
    )?;
    if program.has_private_weights() {
        let columns = params.private_weight_columns();
        printer.field(
            "weights",
            format_args!("private, in {columns} columns; shapes, scales, shifts and tables are public in the key"),
        )?;
        print_public_numbers(printer, program)?;
    }
    printer.field(
        "estimate",
        format_args!(
            "setup {} CPU, proof {} CPU and at most {} of memory ({} engine), proof file about {}",
            seconds(expected.setup_cpu_seconds),
            seconds(expected.prove_cpu_seconds),
            bytes(expected.memory_bytes),
            expected.engine,
            bytes(expected.proof_bytes)
        ),
    )?;
    if let Some(plan) = expected.plan.filter(|plan| plan.spill != Spill::Nothing) {
        let what = if plan.spill == Spill::Quotient { "columns and parts of the quotient" } else { "columns" };
        printer.field("on disk", format_args!("{what}, at most {} in a temporary file", bytes(plan.disk)))?;
    }
    if usage::available_memory_bytes().is_some_and(|available| available < expected.memory_bytes) {
        printer.warn(
            "the proof may take more memory than this machine has left; try --max-memory, --optimize memory or fewer --bits",
        );
    }
    Ok(())
}

/// The figures that a layout knows.
pub(crate) fn report(command: &str, layout: &Layout) -> Report {
    let statistics = layout.statistics();
    let mut report = Report::new(command);
    report.k = Some(statistics.params.k);
    report.rows_used = Some(statistics.used_rows as u64);
    report.advice_columns = Some(statistics.advice_columns as u64);
    report.fixed_columns = Some(statistics.fixed_columns as u64);
    report.commitments = Some(statistics.commitments as u64);
    report.with("units", statistics.params.units).with("weights", statistics.params.weights)
}
