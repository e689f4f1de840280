//! Models with dynamic scales in float32 arithmetic: the graph and the integer program give onnxruntime's outputs to the bit.

mod support;

use circuits::graph::Program;
use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::{FloatGraph, Tensor};
use onnx_import::quantize::{compile, dequantize_outputs, quantize_inputs, DynamicScales, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import, import_file, ImportOptions};
use support::cases::{dynamic_cases, Case};
use support::{corpus, read_npz};

fn bits(values: &[f64]) -> Vec<u32> {
    // A zero has no sign in integers.
    values.iter().map(|&v| (v as f32 + 0.0).to_bits()).collect()
}

/// The rows of an array of samples.
fn rows(array: &Tensor) -> Vec<Tensor> {
    let shape = array.shape[1..].to_vec();
    let size = shape.iter().product();
    let data = array.data.to_vec();
    data.chunks_exact(size).map(|row| Tensor::new(shape.clone(), row.to_vec())).collect()
}

fn samples_of(rows: &[Tensor]) -> Samples {
    let data: Vec<f64> = rows.iter().flat_map(|row| row.data.to_vec()).collect();
    Samples::from_batches(vec![Tensor::new([&[rows.len()], &rows[0].shape[..]].concat(), data)])
}

fn exactly() -> QuantizeOptions {
    QuantizeOptions { dynamic: DynamicScales::Exact, ..QuantizeOptions::default() }
}

/// Models of which something is computed in reals: how many of their outputs, the first ones, are exact nevertheless, and how far the
/// others may be off, as a part of their range.
const THEN_REALS: &[(&str, usize, f64)] =
    &[("then_normalized_s8", 1, 0.02), ("then_sigmoid_u8", 0, 0.002), ("then_softmax_s8", 1, 0.002)];

fn run(program: &Program, input: &Tensor) -> Vec<f64> {
    run_all(program, input)[0].data.to_vec()
}

fn run_all(program: &Program, input: &Tensor) -> Vec<Tensor> {
    let quantized = quantize_inputs(program, std::slice::from_ref(input)).expect("the input fits");
    let trace = circuits::reference::run(program, &quantized.values).expect("every input has a result");
    dequantize_outputs(program, &trace.outputs(program))
}

fn graph_of(case: &Case) -> FloatGraph {
    import(&case.models[0], &ImportOptions::default()).expect("it is a model")
}

#[test]
fn dynamic_scales_are_the_runtimes() {
    let mut failures = Vec::new();
    let cases = dynamic_cases().into_iter();
    for (name, case) in cases.filter(|(name, _)| THEN_REALS.iter().all(|(other, ..)| other != name)) {
        let graph = graph_of(&case);
        let (inputs, expected) = (rows(&case.arrays["in0"]), rows(&case.arrays["out0"]));
        let (calibration, _) = inputs.split_at(inputs.len() / 2);
        let compiled = match compile(&graph, Some(&samples_of(calibration)), &exactly()) {
            Ok(compiled) => compiled,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut differ = [0; 2];
        for (input, expected) in inputs.iter().zip(&expected) {
            let float = evaluate_outputs(&graph, std::slice::from_ref(input)).unwrap();
            let integer = run(&compiled.program, input);
            for (found, differ) in [float[0].data.to_vec(), integer].iter().zip(&mut differ) {
                let (found, expected) = (bits(found), bits(&expected.data));
                *differ += found.iter().zip(&expected).filter(|(a, b)| a != b).count();
            }
        }
        println!("{name}: {} nodes, {:?}", compiled.program.nodes.len(), compiled.report.warnings);
        if differ != [0; 2] {
            failures.push(format!("{name}: graph and program differ in {differ:?} numbers"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_is_followed_is_exact_beside_and_before_reals() {
    let cases = dynamic_cases();
    for &(name, exact, tolerance) in THEN_REALS {
        let case = &cases[name];
        let graph = graph_of(case);
        let inputs = rows(&case.arrays["in0"]);
        let expected: Vec<Vec<Tensor>> =
            (0..graph.outputs.len()).map(|output| rows(&case.arrays[&format!("out{output}")])).collect();
        let compiled = compile(&graph, Some(&samples_of(&inputs)), &QuantizeOptions::default()).unwrap();
        let told = compiled.report.warnings.join("\n");
        assert!(told.contains("computed in reals with calibrated scales"), "{name}: {told}");
        for (sample, input) in inputs.iter().enumerate() {
            let float = evaluate_outputs(&graph, std::slice::from_ref(input)).unwrap();
            let integer = run_all(&compiled.program, input);
            for (output, expected) in expected.iter().enumerate() {
                let largest = expected.iter().flat_map(|row| row.data.iter()).fold(0f64, |most, v| most.max(v.abs()));
                let expected = &expected[sample];
                for found in [&float[output], &integer[output]] {
                    if output < exact {
                        assert_eq!(bits(&found.data), bits(&expected.data), "{name}, output {output}, sample {sample}");
                    }
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * largest;
                    assert!(
                        found.data.iter().zip(expected.data.iter()).all(near),
                        "{name}, output {output}: {found:?} {expected:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn exact_scales_are_refused_where_one_is_not_followed() {
    let cases = dynamic_cases();
    let compiled = |name: &str| {
        let inputs = rows(&cases[name].arrays["in0"]);
        compile(&graph_of(&cases[name]), Some(&samples_of(&inputs)), &exactly())
    };
    compiled("then_softmax_s8").expect("all scales are followed");
    let error = compiled("then_normalized_s8").expect_err("the second scale is that of reals").to_string();
    assert!(error.contains("LayerNormalization"), "{error}");
}

#[test]
fn a_trained_model_equals_the_runtime_on_all_samples() {
    let Some(corpus) = corpus() else {
        println!("skipped: no model corpus");
        return;
    };
    let folder = corpus.join("dynamic_int8_mlp");
    let graph = import_file(&folder.join("model.onnx"), &ImportOptions::default()).unwrap();
    let samples = Samples::read(folder.join("test.npz")).unwrap();
    let recorded = read_npz(&folder.join("test.npz"))["ort0"].data.to_vec();
    let compiled = compile(&graph, Some(&samples), &exactly()).unwrap();
    let specs = InputSpec::of_graph(&graph);
    let count = samples.count(&specs).unwrap();
    for (row, expected) in recorded.chunks_exact(recorded.len() / count).enumerate() {
        let inputs = samples.inputs(&specs, row).unwrap();
        assert_eq!(bits(&evaluate_outputs(&graph, &inputs).unwrap()[0].data), bits(expected), "graph, sample {row}");
        assert_eq!(bits(&run(&compiled.program, &inputs[0])), bits(expected), "program, sample {row}");
    }
}

#[test]
fn inputs_beyond_what_calibration_saw_have_a_result() {
    let cases = dynamic_cases();
    let case = &cases["mlp_u8_signed"];
    let graph = graph_of(case);
    let inputs = rows(&case.arrays["in0"]);
    let (calibration, _) = inputs.split_at(inputs.len() / 2);
    let compiled = compile(&graph, Some(&samples_of(calibration)), &exactly()).unwrap();
    for factor in [1e-30, 1e-9, 1e-6, 1e-3, 1e3, 1e30] {
        for input in &inputs {
            let scaled = input.data.iter().map(|v| v * factor).collect();
            run(&compiled.program, &Tensor::new(input.shape.clone(), scaled));
        }
    }
}
