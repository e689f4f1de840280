//! The selected cases of the node suite, compiled: what has an integer form does what the float evaluator does, to within a
//! few steps, on the inputs of the case and on others like them; what has none is refused by a typed error, and the cases are known by
//! name. Trees and kernel machines are compiled on the inputs of the case alone, and held against the outputs of onnxruntime.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::{Element, FloatGraph, Tensor};
use onnx_import::quantize::{compile, dequantize_outputs, quantize_inputs, Bits, QuantizeOptions};
use onnx_import::samples::Samples;
use onnx_import::{import, ImportOptions};
use std::collections::BTreeMap;
use support::cases::{ml_cases, selected_cases, INEXACT};
use support::programs::{compile_model, TOLERANCE};

/// Cases that are refused on other inputs like their own: these leave the domain of the function.
const REFUSED: &[&str] = &["test_acosh_example"];

/// Samples of a case: its own inputs first.
const SAMPLES: usize = 6;
/// Bits of activations.
const BITS: u32 = 12;
/// Largest error of trees and kernel machines, as a part of the range of an output; their labels are all right.
const ML_TOLERANCE: f64 = 0.01;

/// Inputs like the given ones: reals are moved a little, integers and booleans stay.
fn samples(graph: &FloatGraph, arrays: &BTreeMap<String, Tensor>, names: &[usize]) -> Samples {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let batch = |(input, &position): (usize, &usize)| {
        let tensor = &arrays[&format!("in{position}")];
        let real = graph.node(graph.inputs[input].value).element == Element::Real;
        let mut data = Vec::with_capacity(SAMPLES * tensor.data.len());
        for sample in 0..SAMPLES {
            let moved = real && sample > 0;
            data.extend(tensor.data.iter().map(|&v| if moved { v * (0.7 + 0.3 * next()) } else { v }));
        }
        Tensor::new([&[SAMPLES], &tensor.shape[..]].concat(), data)
    };
    Samples::from_batches(names.iter().enumerate().map(batch).collect())
}

/// The largest error of an output as a part of its range, or why the model is refused.
fn outcome(graph: &FloatGraph, samples: &Samples) -> Result<f64, String> {
    let options = QuantizeOptions { bits: Bits::Fixed(BITS), ..QuantizeOptions::default() };
    let compiled = compile(graph, Some(samples), &options).map_err(|error| error.to_string())?;
    circuits::analysis::ranges(&compiled.program).map_err(|error| error.to_string())?;
    let specs = onnx_import::samples::InputSpec::of_graph(graph);
    let mut worst = 0f64;
    let (mut lo, mut hi) = (vec![f64::MAX; graph.outputs.len()], vec![f64::MIN; graph.outputs.len()]);
    let mut differences = vec![0f64; graph.outputs.len()];
    for sample in 0..SAMPLES {
        let inputs = samples.inputs(&specs, sample).map_err(|error| error.to_string())?;
        let float = evaluate_outputs(graph, &inputs).map_err(|error| error.to_string())?;
        let quantized = quantize_inputs(&compiled.program, &inputs).map_err(|error| error.to_string())?;
        let trace =
            circuits::reference::run(&compiled.program, &quantized.values).map_err(|error| error.to_string())?;
        let integer = dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program));
        for (output, (a, b)) in float.iter().zip(&integer).enumerate() {
            for (&a, &b) in a.data.iter().zip(b.data.iter()) {
                lo[output] = lo[output].min(a);
                hi[output] = hi[output].max(a);
                differences[output] = differences[output].max((a - b).abs());
            }
        }
    }
    for (output, &difference) in differences.iter().enumerate() {
        let range = (hi[output] - lo[output]).max(lo[output].abs()).max(1e-6);
        worst = worst.max(difference / range);
    }
    Ok(worst)
}

#[test]
fn trees_and_kernel_machines_keep_the_outputs_of_the_runtime_in_integers() {
    let mut failures = vec![];
    for (name, case) in ml_cases() {
        for model in &case.models {
            match compile_model(&case, model, BITS) {
                Ok(compiled) if compiled.error <= ML_TOLERANCE => {}
                Ok(compiled) => failures.push(format!("{name}: {}", compiled.error)),
                Err(error) => failures.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn cases_keep_their_values_in_integers() {
    let expectations = support::expectations::read(include_str!("expectations.toml"));
    let mut failures = vec![];
    for (name, case) in selected_cases() {
        for model in &case.models {
            let Ok(graph) = import(model, &ImportOptions::default()) else { continue };
            if graph.inputs.is_empty() {
                continue;
            }
            let samples = samples(&graph, &case.arrays, &case.input_positions(model));
            let known = INEXACT.iter().find(|(inexact, ..)| *inexact == name).map_or(TOLERANCE, |(_, error, _)| *error);
            match outcome(&graph, &samples) {
                Ok(error) if error <= known => {}
                Ok(error) => failures.push(format!("{name}: {error}")),
                // A refusal is known by name: of the case as it is, or of other values than its own.
                Err(error) => {
                    let states = &expectations[&name].states;
                    let known = !states.is_program() || states.has_constants() || REFUSED.contains(&&*name);
                    if !known {
                        failures.push(format!("{name} is refused: {error}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
