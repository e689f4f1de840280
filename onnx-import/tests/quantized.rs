//! Quantized models: the float graph and the integer program give onnxruntime's outputs bit for bit.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::quantize::{compile, dequantize_outputs, quantize_inputs, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import_file, ImportOptions};
use support::{corpus, read_npz};

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
