//! Quantized models: the float graph and the integer program give onnxruntime's outputs bit for bit, or close to them where the
//! model is taken as what it approximates. Besides models of the corpus, groups of operators in `quantized_cases.zip`
//! (`make_quantized_cases.py`).

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::quantize::{compile, dequantize_outputs, quantize_inputs, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import, import_file, ImportOptions};
use support::cases::{quantized_cases, Case};
use support::{corpus, read_npz};

/// Largest difference of a model that is an approximation, as a part of the range of its outputs: activations have 8 bits.
const CLOSE: f64 = 0.03;

/// Largest difference of tensors of 16 bits from sums in float32, in units of the output's type.
const WIDE: f64 = 2.0;

/// Largest part of the elements of such an output that differ at all.
const FEW: f64 = 0.2;

/// Models that are integer programs themselves.
const EXACT: [&str; 3] = ["qdq_int8_cnn_16", "qdq_uint8_cnn_16", "qoperator_cnn_16"];

fn bits(values: &[f64]) -> Vec<u32> {
    values.iter().map(|&v| (v as f32).to_bits()).collect()
}

#[test]
fn quantized_models_are_bit_exact() {
    let Some(corpus) = corpus() else {
        println!("skipped: no model corpus");
        return;
    };
    for name in EXACT {
        let folder = corpus.join(name);
        let graph = import_file(&folder.join("model.onnx"), &ImportOptions::default()).unwrap();
        let arrays = read_npz(&folder.join("test.npz"));
        let samples = Samples::read(folder.join("test.npz")).unwrap();
        let specs = InputSpec::of_graph(&graph);
        let compiled = compile(&graph, Some(&samples), &QuantizeOptions::default()).unwrap();
        let count = samples.count(&specs).unwrap();
        let recorded = &arrays["ort0"];
        let size = recorded.data.len() / count;
        for row in 0..count {
            let inputs: Vec<Tensor> = samples.inputs(&specs, row).unwrap();
            let expected = bits(&recorded.data[row * size..(row + 1) * size]);
            let float = evaluate_outputs(&graph, &inputs).unwrap();
            assert_eq!(bits(&float[0].data), expected, "{name}: float graph, sample {row}");
            let quantized = quantize_inputs(&compiled.program, &inputs).unwrap();
            let trace = circuits::reference::run(&compiled.program, &quantized.values).unwrap();
            let outputs = dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program));
            assert_eq!(bits(&outputs[0].data), expected, "{name}: integer program, sample {row}");
        }
        println!("{name}: {count} samples bit-exact, {} nodes", compiled.program.nodes.len());
    }
}

/// The outputs of the float graph and of the integer program, calibrated on the inputs of the case, and what a unit of each stands for.
fn outputs_of(name: &str, case: &Case) -> ([Vec<Tensor>; 2], Vec<f64>) {
    let graph = import(&case.models[0], &ImportOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let inputs: Vec<Tensor> = (0..graph.inputs.len()).map(|index| case.arrays[&format!("in{index}")].clone()).collect();
    let float = evaluate_outputs(&graph, &inputs).unwrap();
    let batch = |tensor: &Tensor| Tensor::new([&[1], &tensor.shape[..]].concat(), tensor.data.to_vec());
    let samples = Samples::from_batches(inputs.iter().map(batch).collect());
    let compiled =
        compile(&graph, Some(&samples), &QuantizeOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(graph.remarks.is_empty(), compiled.report.warnings.is_empty(), "{name}: remarks are told");
    circuits::layout::compile(&compiled.program, &Default::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let quantized = quantize_inputs(&compiled.program, &inputs).unwrap();
    let trace = circuits::reference::run(&compiled.program, &quantized.values).unwrap();
    let units = compiled.program.outputs.iter().map(|port| port.scale).collect();
    ([float, dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program))], units)
}

#[test]
fn groups_of_operators_are_exact_or_close() {
    let mut failures = Vec::new();
    for (name, case) in quantized_cases() {
        let ([float, integer], units) = outputs_of(&name, &case);
        for (index, (float, integer)) in float.iter().zip(&integer).enumerate() {
            let expected = &case.arrays[&format!("out{index}")];
            assert_eq!(float.shape, expected.shape, "{name}, output {index}");
            for (what, found) in [("float graph", float), ("integer program", integer)] {
                let pairs = || found.data.iter().zip(expected.data.iter());
                let largest = || pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let fits = match name.split('_').next() {
                    Some("exact") => bits(&found.data) == bits(&expected.data),
                    Some("wide") => {
                        let apart = pairs().filter(|(a, b)| (*a - *b).abs() > 0.5 * units[index]).count();
                        largest() <= (WIDE + 0.5) * units[index] && apart as f64 <= FEW * found.data.len() as f64
                    }
                    _ => largest() <= CLOSE * expected.data.iter().fold(0f64, |range, v| range.max(v.abs())),
                };
                if !fits {
                    let pairs = found.data.iter().zip(expected.data.iter());
                    let differ = pairs.filter(|(&a, &b)| a as f32 != b as f32).count();
                    failures.push(format!("{name}, output {index}: {what}: {differ} of {}", found.data.len()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
