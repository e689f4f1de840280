//! Cases as integer programs: compiled on their own inputs, and held against their recorded outputs.

use super::cases::Case;
use circuits::graph::Program;
use onnx_import::float::graph::{Element, FloatGraph, Tensor};
use onnx_import::quantize::{compile, dequantize_outputs, quantize_inputs, Bits, QuantizeOptions};
use onnx_import::samples::Samples;
use onnx_import::{import, ImportOptions};

/// The widths of activations that are tried, in this order.
pub(crate) const WIDTHS: [u32; 3] = [12, 16, 8];
/// Largest error of a program that passes, as a part of the range of an output.
pub(crate) const TOLERANCE: f64 = 0.03;

/// A model of a case that was compiled.
pub(crate) struct CompiledCase {
    pub(crate) program: Program,
    /// The inputs of the case as the program takes them.
    pub(crate) inputs: Vec<Vec<i64>>,
    /// The largest error of an output as a part of its range; of integers and booleans the share that is wrong.
    pub(crate) error: f64,
}

/// What comes of a case as an integer program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ProgramOutcome {
    /// Within [`TOLERANCE`] at so many bits, perhaps with some of the inputs as constants.
    Pass {
        bits: u32,
        constants: bool,
    },
    /// The least error of all that was tried.
    Inexact(f64),
    /// Nothing depends on an input: there is nothing to prove.
    Constant,
    Refused(String),
}

/// Compiles a model of a case at so many bits on the inputs of the case, and runs it.
///
/// # Errors
/// Why it has no program, or its inputs none of the program.
pub(crate) fn compile_model(case: &Case, model: &[u8], bits: u32) -> Result<CompiledCase, String> {
    let graph = import(model, &ImportOptions::default()).map_err(|error| error.to_string())?;
    compile_graph(case, model, &graph, bits)
}

fn compile_graph(case: &Case, model: &[u8], graph: &FloatGraph, bits: u32) -> Result<CompiledCase, String> {
    let inputs = case.inputs_of(model).ok_or("an input is no tensor")?;
    let batch = |tensor: &Tensor| Tensor::new([&[1], &tensor.shape[..]].concat(), tensor.data.to_vec());
    let samples = Samples::from_batches(inputs.iter().map(batch).collect());
    let options = QuantizeOptions { bits: Bits::Fixed(bits), room: false, ..QuantizeOptions::default() };
    let program = compile(graph, Some(&samples), &options).map_err(|error| error.to_string())?.program;
    circuits::analysis::ranges(&program).map_err(|error| error.to_string())?;
    let inputs = quantize_inputs(&program, &inputs).map_err(|error| error.to_string())?.values;
    let trace = circuits::reference::run(&program, &inputs).map_err(|error| error.to_string())?;
    let found = dequantize_outputs(&program, &trace.outputs(&program));
    let error = |(index, found): (usize, &Tensor)| {
        let real = graph.node(graph.outputs[index].value).element == Element::Real;
        output_error(found, &case.arrays[&format!("out{index}")], real)
    };
    let error = found.iter().enumerate().map(error).fold(0.0, f64::max);
    Ok(CompiledCase { program, inputs, error })
}

/// How far an output is from the recorded one: reals by the range of these and zero, others by the share that differs.
fn output_error(found: &Tensor, expected: &Tensor, real: bool) -> f64 {
    assert_eq!(found.shape, expected.shape);
    if expected.data.is_empty() {
        return 0.0;
    }
    if !expected.data.iter().all(|value| value.is_finite()) {
        return f64::INFINITY;
    }
    let pairs = || expected.data.iter().zip(found.data.iter());
    if !real {
        return pairs().filter(|(a, b)| a != b).count() as f64 / expected.data.len() as f64;
    }
    let (lo, hi) = expected.data.iter().fold((0f64, 1e-6f64), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / (hi - lo)
}

/// What comes of a case, and its first model that passes: the models as they are, then with more of their inputs as constants, at
/// 12 bits and where that won't do at others.
pub(crate) fn program_of(case: &Case) -> (ProgramOutcome, Option<CompiledCase>) {
    let mut models: Vec<(Vec<u8>, bool)> =
        case.models.iter().enumerate().map(|(index, model)| (model.clone(), index > 0)).collect();
    models.extend(case.with_constant_integers().map(|model| (model, true)));
    models.extend(case.with_constant_operands().map(|model| (model, true)));
    let (mut least, mut refusal) = (f64::INFINITY, None);
    let graphs: Vec<_> = models
        .iter()
        .filter_map(|(model, constants)| match import(model, &ImportOptions::default()) {
            Ok(graph) => Some((model, graph, *constants)),
            Err(error) => {
                refusal = Some(error.to_string());
                None
            }
        })
        .collect();
    if !graphs.is_empty() && graphs.iter().all(|(_, graph, _)| graph.inputs.is_empty()) {
        return (ProgramOutcome::Constant, None);
    }
    for bits in WIDTHS {
        for (model, graph, constants) in graphs.iter().filter(|(_, graph, _)| !graph.inputs.is_empty()) {
            match compile_graph(case, model, graph, bits) {
                Ok(compiled) if compiled.error <= TOLERANCE => {
                    return (ProgramOutcome::Pass { bits, constants: *constants }, Some(compiled));
                }
                Ok(compiled) => least = least.min(compiled.error),
                // The reason at the first width, with the most constants.
                Err(error) if bits == WIDTHS[0] => refusal = Some(error),
                Err(_) => {}
            }
        }
    }
    let outcome = match refusal {
        Some(reason) if least.is_infinite() => ProgramOutcome::Refused(reason),
        _ if least.is_infinite() => ProgramOutcome::Refused("its outputs are not all finite".into()),
        _ => ProgramOutcome::Inexact(least),
    };
    (outcome, None)
}
