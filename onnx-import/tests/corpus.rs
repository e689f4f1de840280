//! The trained models of the corpus: those whose operators are covered give the recorded outputs, the others are refused
//! by an error that names a node.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::{import_file, ImportError};
use std::path::Path;

/// Tolerance where the graph has remarks: the rounding errors of activations of 8 bits.
const REMARKED: f64 = 0.2;

/// Compares all recorded samples of a model; gives the first difference.
fn check(folder: &Path) -> Result<Result<(), String>, ImportError> {
    let graph = import_file(&folder.join("model.onnx"), &support::options_of(&support::meta(folder)))?;
    let arrays = support::read_npz(&folder.join("io.npz"));
    // A remark says that the graph is not to the digit what the runtime computes.
    let (rtol, atol) = if graph.remarks.is_empty() { (1e-3, 1e-5) } else { (REMARKED, REMARKED) };
    for sample in 0..3 {
        let inputs: Vec<_> =
            (0..graph.inputs.len()).map(|index| arrays[&format!("in{sample}_{index}")].clone()).collect();
        let outputs = match evaluate_outputs(&graph, &inputs) {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for (index, output) in outputs.iter().enumerate() {
            let expected = &arrays[&format!("out{sample}_{index}")];
            if let Some(difference) = support::difference(output, expected, rtol, atol) {
                return Ok(Err(format!("sample {sample}, output {index}: {difference}")));
            }
        }
    }
    Ok(Ok(()))
}

#[test]
fn covered_models_agree_and_others_are_refused_by_name() {
    let Some(corpus) = support::corpus() else {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    };
    let mut names: Vec<String> = std::fs::read_dir(corpus.as_path())
        .expect("the corpus is readable")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| corpus.join(name).join("model.onnx").is_file())
        .collect();
    names.sort();
    let covered = support::corpus_models();
    assert!(covered.len() >= 72);
    let mut failures = vec![];
    for name in &names {
        let outcome = check(&corpus.join(name));
        println!(
            "{name}: {}",
            match &outcome {
                Ok(Ok(())) => "agrees".to_owned(),
                Ok(Err(difference)) => difference.clone(),
                Err(error) => error.to_string(),
            }
        );
        let fine = match outcome {
            Ok(agreement) => agreement.is_ok(),
            Err(ImportError::Node { .. }) => !covered.contains(&name.as_str()),
            Err(_) => false,
        };
        if !fine {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "failed: {failures:?}");
}
