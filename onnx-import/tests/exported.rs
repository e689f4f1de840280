//! Models as the exporters of PyTorch and Keras write them: indices, lengths and positions that are inputs, sequences of tensors in
//! loops, transposed convolutions of volumes. The float evaluator gives what onnxruntime recorded, and the integer program, calibrated on a
//! dozen samples, is close to that on samples which calibration did not see.
//!
//! `exported_cases.zip` holds for each model `samples.npz`: inputs `x0`, …, of which the first half is for calibration, and the
//! runtime's outputs `ort0`, … of the second half.

mod support;

use onnx_import::accuracy::{evaluate, AccuracyOptions, FloatReference};
use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::quantize::{compile, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use onnx_import::{import, ImportOptions};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Largest root mean square of the differences on fresh samples, as a part of the range of an output.
const TOLERANCE: f64 = 0.05;

/// A model and its samples.
#[derive(Default)]
struct Exported {
    model: Vec<u8>,
    arrays: BTreeMap<String, Tensor>,
}

fn cases() -> BTreeMap<String, Exported> {
    let mut archive = zip::ZipArchive::new(Cursor::new(include_bytes!("exported_cases.zip"))).expect("a zip archive");
    let mut cases: BTreeMap<String, Exported> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("the entry exists");
        let path = entry.name().expect("the name is UTF-8").into_owned();
        let (name, file) = path.split_once('/').expect("files lie in folders");
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).expect("the entry is readable");
        let case = cases.entry(name.to_owned()).or_default();
        match file {
            "model.onnx" => case.model = bytes,
            _ => case.arrays = support::read_npz_bytes(bytes),
        }
    }
    cases
}

/// Samples `range` of an array whose first axis counts them.
fn part(tensor: &Tensor, range: std::ops::Range<usize>) -> Tensor {
    let size = tensor.data.len() / tensor.shape[0];
    let shape = [&[range.len()], &tensor.shape[1..]].concat();
    Tensor::new(shape, tensor.data[range.start * size..range.end * size].to_vec())
}

impl Exported {
    /// All inputs of some samples.
    fn samples(&self, range: std::ops::Range<usize>) -> Samples {
        let inputs = (0..).map_while(|input| self.arrays.get(&format!("x{input}")));
        Samples::from_batches(inputs.map(|input| part(input, range.clone())).collect())
    }

    /// The largest part of its range by which an output of the program is off, root mean square, on fresh samples.
    fn check(&self) -> Result<f64, String> {
        let graph = import(&self.model, &ImportOptions::default()).map_err(|error| error.to_string())?;
        let count = self.arrays["x0"].shape[0] / 2;
        let (calibration, fresh) = (self.samples(0..count), self.samples(count..2 * count));
        let specs = InputSpec::of_graph(&graph);
        for sample in 0..count {
            let inputs = fresh.inputs(&specs, sample).map_err(|error| error.to_string())?;
            let outputs = evaluate_outputs(&graph, &inputs).map_err(|error| error.to_string())?;
            for (output, found) in outputs.iter().enumerate() {
                let mut expected = part(&self.arrays[&format!("ort{output}")], sample..sample + 1);
                expected.shape.remove(0);
                if let Some(difference) = support::difference(found, &expected, 1e-3, 1e-5) {
                    return Err(format!("output {output} of sample {sample}: {difference}"));
                }
            }
        }
        let compiled = compile(&graph, Some(&calibration), &QuantizeOptions::default()).map_err(|e| e.to_string())?;
        circuits::analysis::ranges(&compiled.program).map_err(|error| error.to_string())?;
        let report = evaluate(FloatReference::Graph(&graph), &compiled.program, &fresh, &AccuracyOptions::default());
        let differences = report.map_err(|error| error.to_string())?.fidelity.differences;
        Ok(differences.iter().map(|difference| difference.relative()).fold(0.0, f64::max))
    }
}

#[test]
fn exported_models_compile_and_are_close_on_fresh_samples() {
    let mut failures = vec![];
    for (name, case) in cases() {
        let found = case.check();
        println!("{name:24} {found:?}");
        if !found.is_ok_and(|error| error <= TOLERANCE) {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}
