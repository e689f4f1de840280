//! Missing values, from the file of samples to what a proof says.

mod common;

use std::fs;

use common::{onnx, text, zkinfer};

#[test]
fn a_missing_value_is_proved_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let [model, input, calibration, out] = [file("model.onnx"), file("x.json"), file("calibration.json"), file("out")];
    fs::write(&model, onnx::imputed(&[0.75, -0.5], [2, 2], &[1.0, 0.0, 0.0, 1.0])).expect("writable");
    fs::write(&input, r#"{"x": [[null, 0.25]]}"#).expect("writable");
    fs::write(&calibration, r#"{"x": [[1.0, -1.0]]}"#).expect("writable");
    let fitted = ["--calibration", &calibration];
    let prove = [&["prove", &model, "--input", &input, "--bits", "10", "-o", &out, "--json"], &fitted[..]].concat();
    zkinfer(&prove).fails(2, &["NaN", "--missing \"x\""]);
    zkinfer(&[&prove[..], &["--missing", "z"]].concat()).fails(2, &["no input", "z"]);
    let report = zkinfer(&[&prove[..], &["--missing", "x"]].concat()).done().json();
    let output = report["outputs"][0]["values"].as_array().expect("two values").clone();
    for (value, expected) in output.iter().zip([0.75, 0.25]) {
        let value = value.as_f64().expect("a number");
        assert!((value - expected).abs() < 0.01, "{value}, not {expected}");
    }
    let (vk, proof) = (file("out/model.vk"), file("out/proof.zkp"));
    let report = zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--json"]).done().json();
    let port = &report["statement"]["ports"][0];
    assert_eq!(port["kind"], "nullable");
    assert!(port["reals"][0].is_null() && port["reals"][1].is_f64(), "{port}");
    assert_eq!(port["values"][0], port["lo"]);
    // The same key follows from the options that the program records.
    let program = file("out/program.zki");
    zkinfer(&[&["verify-key", &model, "--vk", &vk, "--program", &program], &fitted[..]].concat()).done();
}
