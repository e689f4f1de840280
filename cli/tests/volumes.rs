//! Three spatial axes, from the model to an accepted proof.

mod common;

use std::fs;

use common::{onnx, text, zkinfer};

const SIZE: usize = 4;

/// Kernels of `2 × 2 × 2` for two channels.
fn weights() -> Vec<f32> {
    (0..16).map(|i| (i * 7 % 16) as f32 / 8.0 - 0.9375).collect()
}

fn volume() -> Vec<f64> {
    (0..SIZE.pow(3)).map(|i| (i * 29 % 64) as f64 / 32.0 - 1.0).collect()
}

/// The model of [`onnx::volumes`], written out.
fn expected(volume: &[f64], weights: &[f32]) -> Vec<f64> {
    let at = |place: [usize; 3]| match place.iter().all(|&p| (1..=SIZE).contains(&p)) {
        true => volume[((place[0] - 1) * SIZE + place[1] - 1) * SIZE + place[2] - 1],
        false => 0.0,
    };
    let cube = || (0..8).map(|i| [i / 4, i / 2 % 2, i % 2]);
    let plus = |a: [usize; 3], b: [usize; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
    let convolved = |channel: usize, from: [usize; 3]| -> f64 {
        let terms = cube().enumerate().map(|(i, tap)| f64::from(weights[channel * 8 + i]) * at(plus(from, tap)));
        terms.sum::<f64>().max(0.0)
    };
    let pooled = |channel: usize, window: [usize; 3]| {
        cube().map(|tap| convolved(channel, plus(window.map(|w| 2 * w), tap))).fold(0.0, f64::max)
    };
    (0..2).flat_map(|channel| cube().map(move |window| (channel, window))).map(|(c, w)| pooled(c, w)).collect()
}

#[test]
fn volumes_are_convolved_and_pooled_in_a_proof() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let (model, input) = (file("volumes.onnx"), file("x.json"));
    fs::write(&model, onnx::volumes(&weights())).expect("writable");
    fs::write(&input, serde_json::json!({ "x": volume() }).to_string()).expect("writable");
    let proved = zkinfer(&["prove", &model, "--input", &input, "-o", &text(folder.path()), "--json"]).done().json();
    let found: Vec<f64> = proved["outputs"][0]["values"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| value.as_f64().expect("a number"))
        .collect();
    let expected = expected(&volume(), &weights());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 0.1, "{found} for {expected}");
    }
    let (vk, proof) = (file("model.vk"), file("proof.zkp"));
    zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--input", &input]).done();
    fs::write(&input, serde_json::json!({ "x": vec![0.0; 64] }).to_string()).expect("writable");
    zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--input", &input]).fails(1, &[]);
}
