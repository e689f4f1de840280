//! Dimensions whose sizes a model leaves open: given, taken from samples, or 1, and always told.

mod common;

use std::fs;

use common::{onnx, text, zkinfer, Run};
use serde_json::json;
use tempfile::TempDir;

/// A model of `[batch, seq, 2]`, and files of samples.
struct Story {
    folder: TempDir,
}

impl Story {
    fn new(axes: &[&str]) -> Self {
        let story = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::write(story.file("model.onnx"), onnx::open_layer(axes, [2, 2], &[1.0, -0.5, 0.25, 0.75]))
            .expect("writable");
        let rows = |count: usize| (0..count).map(|i| vec![0.5 - i as f64, 0.25 * i as f64]).collect::<Vec<_>>();
        for length in 2..5 {
            let sample = rows(length);
            fs::write(story.file(&format!("{length}.json")), json!({ "x": [sample] }).to_string()).expect("writable");
            let samples = json!({ "x": [sample, sample, sample] });
            fs::write(story.file(&format!("three_{length}.json")), samples.to_string()).expect("writable");
        }
        story
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    fn compile(&self, more: &[&str]) -> Run {
        let [model, out] = [self.file("model.onnx"), self.file("program.zki")];
        zkinfer(&[&["compile", &model, "-o", &out, "--bits", "8"], more].concat())
    }

    fn prove(&self, input: &str, more: &[&str]) -> Run {
        let [model, input, out] = [self.file("model.onnx"), self.file(input), self.file("out")];
        zkinfer(&[&["prove", &model, "--input", &input, "-o", &out, "--bits", "8"], more].concat())
    }
}

#[test]
fn a_proof_takes_the_lengths_of_its_input() {
    let story = Story::new(&["batch", "seq", "2"]);
    let run = story.prove("3.json", &[]).done();
    let told = "dimensions   batch = 1 (not given), seq = 3 (as the input has it)";
    assert!(run.stdout.contains(told), "{}", run.stdout);
    assert!(!run.stderr.contains("is taken as 1"), "{}", run.stderr);
    // The same length keeps the program, another one does not.
    let report = story.prove("3.json", &["--json"]).done().json();
    assert_eq!((&report["dimensions"], &report["program_reused"]), (&json!({ "batch": 1, "seq": 3 }), &json!(true)));
    assert_eq!(report["outputs"][0]["shape"], json!([1, 3, 2]));
    let [model, vk, program] = ["model.onnx", "out/model.vk", "out/program.zki"].map(|name| story.file(name));
    let check = ["verify-key", &model, "--vk", &vk, "--program", &program, "--calibration", &story.file("3.json")];
    zkinfer(&check).done();
    let report = story.prove("4.json", &["--json"]).done().json();
    assert_eq!((&report["dimensions"]["seq"], &report["program_reused"]), (&json!(4), &json!(false)));
    assert_eq!(report["outputs"][0]["shape"], json!([1, 4, 2]));
    // What is private has no say in the ranges, but its shape is public in the program.
    let report = story.prove("2.json", &["--input-visibility", "private", "--json"]).done().json();
    assert_eq!(report["dimensions"]["seq"], 2);
}

#[test]
fn calibration_samples_tell_lengths_and_options_say_otherwise() {
    let story = Story::new(&["batch", "seq", "2"]);
    let samples = story.file("three_3.json");
    let run = story.compile(&["--calibration", &samples]).done();
    let told = "dimensions   batch = 1 (not given), seq = 3 (as the calibration samples have it)";
    assert!(run.stdout.contains(told), "{}", run.stdout);
    let estimate = zkinfer(&["estimate", &story.file("program.zki")]).done();
    assert!(estimate.stdout.contains("dimensions   batch = 1, seq = 3\n"), "{}", estimate.stdout);
    let report = story.compile(&["--calibration", &samples, "--dim", "batch=3", "--json"]).done().json();
    assert_eq!(report["dimensions"], json!({ "batch": 3, "seq": 3 }));
    assert_eq!(report["quantization"]["calibration_samples"], 1);
    story.compile(&["--calibration", &samples, "--dim", "seq=4"]).fails(2, &["three_3.json", "[1, 4, 2]", "--dim"]);
    story.compile(&["--dim", "length=4"]).fails(2, &["no dynamic dimension `length`; it has: batch, seq"]);
    // The input that is proved goes before the samples of calibration, which then do not fit.
    story.prove("4.json", &["--calibration", &samples]).fails(2, &["three_3.json", "[1, 4, 2]", "--dim"]);
}

#[test]
fn a_length_that_nothing_tells_is_warned_of() {
    let story = Story::new(&["batch", "seq", "2"]);
    let warning = "the dimension `seq` (axis 1 of \"x\") is taken as 1";
    let run = story.compile(&[]).done();
    assert!(run.stdout.contains("dimensions   batch = 1 (not given), seq = 1 (not given)"), "{}", run.stdout);
    assert!(run.stderr.contains(warning) && run.stderr.contains("--dim seq=SIZE"), "{}", run.stderr);
    assert!(!run.stderr.contains("`batch`"), "{}", run.stderr);
    let report = story.compile(&["--json"]).done().json();
    assert!(report["quantization"]["warnings"][0].as_str().is_some_and(|text| text.contains(warning)), "{report}");
    let run = zkinfer(&["estimate", &story.file("model.onnx"), "--bits", "8", "--json"]).done();
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert_eq!(run.json()["dimensions"], json!({ "batch": 1, "seq": 1 }));
    let run = story.compile(&["--dim", "seq=4"]).done();
    assert!(run.stdout.contains("dimensions   batch = 1 (not given), seq = 4\n"), "{}", run.stdout);
    assert!(!run.stderr.contains("is taken as 1"), "{}", run.stderr);
}

#[test]
fn dimensions_without_a_name_go_by_input_and_axis() {
    let story = Story::new(&["", "", "2"]);
    let run = story.prove("3.json", &[]).done();
    assert!(run.stdout.contains("dimensions   x#0 = 1 (not given), x#1 = 3 (as the input has it)"), "{}", run.stdout);
    let report = story.compile(&["--dim", "x#1=2", "--json"]).done().json();
    assert_eq!(report["dimensions"], json!({ "x#0": 1, "x#1": 2 }));
    let fixed = Story::new(&["1", "3", "2"]);
    let run = fixed.prove("3.json", &[]).done();
    assert!(!run.stdout.contains("dimensions"), "{}", run.stdout);
    fixed.compile(&["--dim", "x#1=2"]).fails(2, &["no dynamic dimension `x#1`"]);
}
