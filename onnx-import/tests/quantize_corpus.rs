//! Trained models, compiled: the integer program keeps the accuracy of the float model, and batches give what their samples give.

mod support;

use circuits::batch::Merging;
use circuits::graph::Program;
use circuits::reference::run;
use onnx_import::accuracy::{evaluate, AccuracyOptions, FloatReference, Metric};
use onnx_import::float::graph::Tensor;
use onnx_import::import_file;
use onnx_import::quantize::{compile, quantize_inputs, Compiled, QuantizeOptions};
use onnx_import::samples::{InputSpec, Samples};
use support::corpus;

/// Rows of the test file that calibration sees.
const CALIBRATION_ROWS: usize = 100;

/// The first rows of every input, with their labels left out: calibration by inputs alone is the harder case.
fn calibration(samples: &Samples, specs: &[InputSpec]) -> Samples {
    let rows = samples.count(specs).unwrap().min(CALIBRATION_ROWS);
    let mut batches = vec![Vec::new(); specs.len()];
    for row in 0..rows {
        for (batch, tensor) in batches.iter_mut().zip(samples.inputs(specs, row).unwrap()) {
            batch.extend_from_slice(&tensor.data);
        }
    }
    let shape = |spec: &InputSpec| [&[rows], &spec.shape[..]].concat();
    let tensors = specs.iter().zip(batches).map(|(spec, data)| Tensor::new(shape(spec), data));
    Samples::from_batches(tensors.collect())
}

struct Row {
    name: &'static str,
    compiled: Compiled,
    metric: Metric,
    float: f64,
    integer: f64,
    largest: f64,
    relative: f64,
    clamped: usize,
}

impl Row {
    fn is_good(&self) -> bool {
        match self.metric {
            Metric::RSquared => self.integer >= self.float - 0.005,
            Metric::MeanSquaredError => self.integer <= self.float * 1.02,
            _ => self.integer >= self.float - 0.005,
        }
    }
}

fn row(name: &'static str) -> Result<Row, String> {
    let folder = corpus().expect("checked before").join(name);
    let meta = support::meta(&folder);
    let metric = Metric::from_name(meta["metric"].as_str().unwrap()).unwrap();
    let graph = import_file(&folder.join("model.onnx"), &support::options_of(&meta)).map_err(|e| e.to_string())?;
    let samples = Samples::read(folder.join("test.npz")).map_err(|e| e.to_string())?;
    let calibration = calibration(&samples, &InputSpec::of_graph(&graph));
    let compiled = compile(&graph, Some(&calibration), &QuantizeOptions::default()).map_err(|e| e.to_string())?;
    circuits::analysis::ranges(&compiled.program).map_err(|e| e.to_string())?;
    let options = AccuracyOptions { metric: Some(metric), ..AccuracyOptions::default() };
    let report =
        evaluate(FloatReference::Recorded, &compiled.program, &samples, &options).map_err(|e| e.to_string())?;
    let (_, float, integer) = report.fidelity.scores.unwrap();
    batches_compute_what_their_samples_compute(name, &compiled.program, &samples);
    let recorded = meta["ort_score"].as_f64().unwrap();
    assert!((float - recorded).abs() < 1e-3, "{name}: scored {float}, the corpus says {recorded}");
    let differences = &report.fidelity.differences;
    Ok(Row {
        name,
        compiled,
        metric,
        float,
        integer,
        largest: differences.iter().map(|d| d.largest).fold(0.0, f64::max),
        relative: differences.iter().map(|d| d.relative()).fold(0.0, f64::max),
        clamped: report.clamped,
    })
}

fn batches_compute_what_their_samples_compute(name: &str, program: &Program, samples: &Samples) {
    let outputs = |program: &Program, sample: usize| {
        let inputs = samples.inputs(&InputSpec::of_program(program), sample).unwrap();
        let inputs = quantize_inputs(program, &inputs).unwrap();
        run(program, &inputs.values).unwrap().outputs(program)
    };
    let singles: Vec<_> = (2..4).map(|sample| outputs(program, sample)).collect();
    let joined = |output: usize| singles.iter().flat_map(|outputs| outputs[output].clone()).collect::<Vec<_>>();
    let expected: Vec<_> = (0..program.outputs.len()).map(joined).collect();
    for merging in Merging::ALL {
        let batch = program.batched(2, merging).unwrap();
        assert_eq!(outputs(&batch, 1), expected, "{name} {merging:?}");
    }
}

#[test]
fn trained_models_keep_their_accuracy() {
    if corpus().is_none() {
        println!("skipped: no model corpus");
        return;
    }
    println!(
        "{:28} {:>4} {:>5} {:>6} {:>8} {:>8} {:>8} {:>9} {:>7} {:>5}",
        "model", "bits", "nodes", "tables", "entries", "float", "integer", "largest", "rel", "clamp"
    );
    let mut failures = Vec::new();
    for name in support::corpus_models() {
        match row(name) {
            Ok(row) => {
                let program = &row.compiled.program;
                println!(
                    "{:28} {:4} {:5} {:6} {:8} {:8.5} {:8.5} {:9.2e} {:7.4} {:5}",
                    row.name,
                    row.compiled.report.bits,
                    program.nodes.len(),
                    program.tables.len(),
                    program.tables.iter().map(|table| table.values().len()).sum::<usize>(),
                    row.float,
                    row.integer,
                    row.largest,
                    row.relative,
                    row.clamped
                );
                if !row.is_good() {
                    failures.push(format!("{name}: {} {} against {}", row.metric.name(), row.integer, row.float));
                }
            }
            Err(error) => {
                println!("{name:28} {error}");
                failures.push(format!("{name}: {error}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
