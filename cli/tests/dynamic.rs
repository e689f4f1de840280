//! Dynamic scales, from the model to what a proof says: the numbers of float32 arithmetic, to the bit.

mod common;

use std::fs;

use common::onnx::{dynamic, DynamicLayer};
use common::{text, zkinfer};

/// A layer as onnxruntime computes it.
fn computed(layer: &DynamicLayer, x: &[f32]) -> Vec<f32> {
    let most = x.iter().fold(0f32, |most, &x| most.max(x));
    let least = x.iter().fold(0f32, |least, &x| least.min(x));
    let scale = if most == least { 1.0 } else { (most - least) / 255.0 };
    let zero = (0.0 - least / scale).clamp(0.0, 255.0).round_ties_even();
    let centered: Vec<i32> =
        x.iter().map(|x| (x / scale).round_ties_even().clamp(-zero, 255.0 - zero) as i32).collect();
    let columns = layer.sizes[1];
    let column = |n: usize| {
        let sum: i32 = centered.iter().enumerate().map(|(k, c)| c * i32::from(layer.weights[k * columns + n])).sum();
        sum as f32 * (scale * layer.scale) + layer.bias[n]
    };
    (0..columns).map(column).collect()
}

const LAYERS: [DynamicLayer; 2] = [
    DynamicLayer {
        sizes: [3, 4],
        weights: &[17, -90, 64, 3, 127, 5, -44, 81, -12, 33, 99, -70],
        scale: 0.0123,
        bias: &[0.1, -0.25, 0.3, 0.05],
    },
    DynamicLayer { sizes: [4, 2], weights: &[55, -61, 7, 120, -101, 44, 90, -3], scale: 0.0071, bias: &[-0.2, 0.4] },
];

/// What the layers make of an input.
fn expected(x: &[f32]) -> Vec<f32> {
    let hidden: Vec<f32> = computed(&LAYERS[0], x).into_iter().map(|y| y.max(0.0)).collect();
    computed(&LAYERS[1], &hidden)
}

/// The values of an output that a report shows.
fn values(report: &serde_json::Value, output: usize) -> Vec<f32> {
    let values = report["outputs"][output]["values"].as_array().expect("some values");
    values.iter().map(|value| value.as_f64().expect("a number") as f32).collect()
}

/// Proves the model with exact scales and verifies; gives the report of the proof.
fn proved(shares: bool, x: &[f32]) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let [model, input, calibration, out] = [file("model.onnx"), file("x.json"), file("calibration.json"), file("out")];
    fs::write(&model, dynamic(&LAYERS, shares)).expect("writable");
    fs::write(&input, format!(r#"{{"x": [{x:?}]}}"#)).expect("writable");
    fs::write(&calibration, r#"{"x": [[1.0, -1.0, 0.5]]}"#).expect("writable");
    let prove = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out, "--json"];
    let report = zkinfer(&[&prove[..], &["--dynamic", "exact"]].concat()).done().json();
    let (vk, proof) = (file("out/model.vk"), file("out/proof.zkp"));
    zkinfer(&["verify", "--vk", &vk, "--proof", &proof]).done();
    // The same key follows from the options that the program records.
    let program = file("out/program.zki");
    let fitted = ["--calibration", &calibration];
    zkinfer(&[&["verify-key", &model, "--vk", &vk, "--program", &program], &fitted[..]].concat()).done();
    report
}

#[test]
fn dynamic_scales_are_proved_to_the_bit() {
    let x = [0.7f32, -0.33, 0.4177];
    assert_eq!(values(&proved(false, &x), 0), expected(&x));
}

#[test]
fn shares_of_exact_scores_are_proved() {
    let x = [0.7f32, -0.33, 0.4177];
    let report = proved(true, &x);
    let scores = expected(&x);
    assert_eq!(values(&report, 0), scores);
    let exponentials: Vec<f32> = scores.iter().map(|score| score.exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    for (found, exponential) in values(&report, 1).iter().zip(&exponentials) {
        assert!((found - exponential / sum).abs() < 0.01, "{found}, not {}", exponential / sum);
    }
}

#[test]
fn inputs_that_are_not_taken_as_they_are_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let [model, input, calibration, out] = [file("model.onnx"), file("x.json"), file("calibration.json"), file("out")];
    fs::write(&model, dynamic(&LAYERS, false)).expect("writable");
    fs::write(&calibration, r#"{"x": [[1.0, -1.0, 0.5]]}"#).expect("writable");
    fs::write(&input, r#"{"x": [[0.5, 77.125, 0.5]]}"#).expect("writable");
    let prove = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out, "--dynamic", "exact"];
    let refused = zkinfer(&prove).fails(2, &["\"x\"", "element 1", "--dynamic calibrated"]);
    assert!(!refused.stderr.contains("77.125"), "{}", refused.stderr);
}
