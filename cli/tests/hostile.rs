//! Files that are not what they claim, and inputs that do not fit: typed errors, never a panic.

mod common;

use std::fs;
use std::path::Path;

use common::{example, text, zkinfer};

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("writable");
    text(&path)
}

/// A `.npy` file of 32-bit floats.
fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\0".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    file
}

#[test]
fn models_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = fs::read(example("medical/model.onnx")).expect("readable");
    let out = text(&folder.path().join("program.zki"));
    let files = [
        write(folder.path(), "empty.onnx", b""),
        write(folder.path(), "text.onnx", b"this is no model"),
        write(folder.path(), "cut.onnx", &model[..model.len() / 2]),
        write(folder.path(), "ones.onnx", &[0xff; 4096]),
        text(folder.path()),
    ];
    for file in files {
        let run = zkinfer(&["compile", &file, "-o", &out]).fails(2, &[&file]);
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
    assert!(!Path::new(&out).exists(), "nothing is left behind");
}

#[test]
fn damaged_artifacts_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let model = example("medical/model.onnx");
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &example("medical/calibration.npz")]).done();
    let good = fs::read(&program).expect("readable");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (name, bytes) in [("flipped", &flipped[..]), ("cut", &good[..good.len() - 1]), ("header", &good[..10])] {
        let file = write(folder.path(), name, bytes);
        zkinfer(&["inspect", &file]).fails(2, &[name]);
        zkinfer(&["run", &file, "--input", &example("medical/patient.json")]).fails(2, &[name]);
    }
    let key = zkinfer(&["verify", "--vk", &program, "--proof", &program]);
    key.fails(2, &["a verifying key is expected, and this is a compiled program"]);
}

#[test]
fn inputs_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let model = example("medical/model.onnx");
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &example("medical/calibration.npz")]).done();
    let mut nan = [0.5; 30];
    nan[7] = f32::NAN;
    let cases = [
        write(folder.path(), "short.json", b"{\"measurements\": [[1, 2, 3]]}"),
        write(folder.path(), "name.json", b"{\"other\": [[1]]}"),
        write(folder.path(), "nan.npy", &npy("(1, 30)", &nan)),
        write(folder.path(), "shape.npy", &npy("(5, 6)", &[0.0; 30])),
        write(folder.path(), "word.json", b"{\"measurements\": \"all\"}"),
    ];
    for case in &cases {
        zkinfer(&["run", &program, "--input", case]).fails(2, &["measurements"]);
    }
    for (name, bytes) in
        [("broken.json", &b"{"[..]), ("broken.npz", b"PK"), ("broken.npy", b"\x93NUMPY"), ("x.txt", b"1")]
    {
        let file = write(folder.path(), name, bytes);
        zkinfer(&["run", &program, "--input", &file]).fails(2, &[name]);
    }
    let patient = example("medical/patient.json");
    zkinfer(&["run", &program, "--input", &patient, "--sample", "3"]).fails(2, &["sample"]);
}

/// Every real input has a proof: what lies outside the calibrated range saturates, and the user is told.
#[test]
fn values_out_of_range_saturate_with_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let model = example("medical/model.onnx");
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &example("medical/calibration.npz")]).done();
    let far = write(folder.path(), "far.npy", &npy("(1, 30)", &[1e30; 30]));
    let run = zkinfer(&["run", &program, "--input", &far]).done();
    assert!(run.stderr.contains("30 input values lie outside"), "{}", run.stderr);
}

#[test]
fn options_that_name_nothing_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let model = example("medical/model.onnx");
    zkinfer(&["compile", &model, "-o", &program, "--input", "patient=private"]).fails(2, &["patient"]);
    zkinfer(&["compile", &program, "-o", &program]).fails(2, &[&program]);
}
