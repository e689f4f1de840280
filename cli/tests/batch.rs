//! Many samples in one proof: what is proved of each is what is proved of it alone.

mod common;

use std::path::PathBuf;

use common::{example, text, zkinfer};
use serde_json::Value;

/// The numbers under a key of all outputs, one list for each output.
fn outputs(report: &Value, key: &str) -> Vec<Vec<f64>> {
    let list = |output: &Value| -> Vec<f64> {
        output[key].as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    report["outputs"].as_array().expect("a list").iter().map(list).collect()
}

#[test]
fn a_batch_is_proved_verified_and_told_from_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(folder.path());
    let file = |name: &str| text(&folder.path().join(name));
    let (model, calibration) = (example("digits/model.onnx"), example("digits/calibration.npz"));
    let test = example("digits/test.npz");
    let options = ["--calibration", &calibration, "--bits", "8"];
    let prove = |more: &[&str]| {
        let arguments = ["prove", &model, "--input", &test, "-o", &out, "--batch", "3", "--json"];
        zkinfer(&[&arguments[..], &options, more].concat())
    };
    let proved = prove(&["--sample", "1"]).done().json();
    assert_eq!(proved["outputs"][0]["shape"], serde_json::json!([3, 10]));
    let single = |sample: usize| {
        let sample = sample.to_string();
        let arguments = ["run", &model, "--input", &test, "--sample", &sample, "--json"];
        zkinfer(&[&arguments[..], &options].concat()).done().json()
    };
    let together: Vec<f64> = (3..6).flat_map(|sample| outputs(&single(sample), "integers").remove(0)).collect();
    assert_eq!(outputs(&proved, "integers"), [together]);

    let (vk, proof, program) = (file("model.vk"), file("proof.zkp"), file("program.zki"));
    let verify =
        |sample: &str| zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--input", &test, "--sample", sample]);
    verify("1").done();
    verify("0").fails(1, &[]);
    zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--output", &file("result.json")]).done();
    let again = prove(&["--sample", "0"]).done().json();
    assert_eq!((again["program_reused"].clone(), again["keys_reused"].clone()), (true.into(), true.into()));
    verify("0").done();
    let recompiled = ["verify-key", &model, "--vk", &vk, "--program", &program, "--calibration", &calibration];
    zkinfer(&recompiled).done();
    zkinfer(&["run", &program, "--input", &test, "--batch", "3"]).fails(2, &["--batch", "compiled already"]);
    zkinfer(&["run", &program, "--input", &example("digits/seven.json")]).fails(2, &["3 samples", "has 1"]);
}

#[test]
fn several_inputs_have_proofs_of_their_own_under_one_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(folder.path());
    let file = |name: &str| text(&folder.path().join(name));
    let (model, calibration) = (example("digits/model.onnx"), example("digits/calibration.npz"));
    let [three, seven] = ["three", "seven"].map(|name| example(&format!("digits/{name}.json")));
    let prove = ["prove", &model, "--calibration", &calibration, "--bits", "8", "-o", &out, "--input", &three];
    let visibility = ["--input-visibility", "hashed"];
    let both = [&prove[..], &["--input", &seven], &visibility].concat();
    let report = zkinfer(&[&both[..], &["--json"]].concat()).done().json();
    let of_one = |report: &Value| (report["input"].clone(), report["keys_reused"].clone(), outputs(report, "integers"));
    let [first, second] = [0, 1].map(|index| of_one(&report["proofs"][index]));
    assert_eq!((first.0, second.0), (three.as_str().into(), seven.as_str().into()));
    assert_eq!((first.1, second.1), (false.into(), false.into()));
    assert!(first.2 != second.2 && report["proofs"].as_array().is_some_and(|proofs| proofs.len() == 2));
    assert!(!folder.path().join("proof.zkp").exists());
    for (name, input, other) in [("three", &three, &seven), ("seven", &seven, &three)] {
        let (vk, proof, salt) =
            (file("model.vk"), file(&format!("{name}/proof.zkp")), file(&format!("{name}/proof.zkp.salt")));
        let verify =
            |input: &str| zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--input", input, "--salt", &salt]);
        verify(input).done();
        verify(other).fails(1, &[]);
    }
    let again = zkinfer(&both).done().stdout;
    assert_eq!(again.matches("verified ").count(), 2, "{again}");
    assert!(again.contains(&format!("{out}/seven")), "{again}");

    // One salt for both would tell whether they are the same; two files of one name would be left in one place.
    let salt = file("seven/proof.zkp.salt");
    zkinfer(&[&both[..], &["--salt", &salt]].concat()).fails(2, &["--salt"]);
    zkinfer(&[&prove[..], &["--input", &three]].concat()).fails(2, &["three", "different names"]);
    // A folder for the proof can't have the name of a file that the command writes.
    for name in ["program.zki", "proof.zkp.salt", "RESULT.json"] {
        let taken = folder.path().join(format!("{name}.json"));
        std::fs::copy(&seven, &taken).expect("it is copied");
        zkinfer(&[&prove[..], &["--input", &text(&taken)]].concat()).fails(2, &[name, "rename the input"]);
    }
}

#[test]
fn a_batch_can_have_private_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let (model, test) = (example("medical/model.onnx"), example("medical/test.npz"));
    let calibration = example("medical/calibration.npz");
    let options = ["--calibration", &calibration, "--bits", "8"];
    let private = ["--batch", "3", "--weights", "private"];
    let program = file("compiled.zki");
    zkinfer(&[&["compile", &model, "-o", &program][..], &options, &private].concat()).done();
    let prove = ["prove", &program, "--input", &test, "--sample", "1", "-o", &text(folder.path()), "--json"];
    let proved = zkinfer(&prove).done().json();
    let single = |sample: usize| {
        let run = ["run", &model, "--input", &test, "--sample", &sample.to_string(), "--json"];
        outputs(&zkinfer(&[&run[..], &options].concat()).done().json(), "integers").remove(0)
    };
    assert_eq!(outputs(&proved, "integers"), [(3..6).flat_map(single).collect::<Vec<_>>()]);
    let (vk, proof) = (file("model.vk"), file("proof.zkp"));
    let verify =
        |sample: &str| zkinfer(&["verify", "--vk", &vk, "--proof", &proof, "--input", &test, "--sample", sample]);
    let accepted = verify("1").done();
    assert!(accepted.stdout.contains("which ones the prover used is not shown"), "{}", accepted.stdout);
    verify("0").fails(1, &[]);
}

#[test]
fn scores_of_batches_are_those_of_their_samples() {
    let (model, test) = (example("medical/model.onnx"), example("medical/test.npz"));
    let calibration = example("medical/calibration.npz");
    let evaluate = |more: &[&str]| {
        let arguments = ["evaluate", &model, "--data", &test, "--calibration", &calibration, "--json"];
        zkinfer(&[&arguments[..], more].concat()).done().json()
    };
    // Seven samples are two batches of three and one that is filled up.
    let (one, batches) = (evaluate(&["--limit", "7"]), evaluate(&["--limit", "7", "--batch", "3", "--prove", "2"]));
    for key in ["samples", "metric", "float_score", "integer_score", "largest_difference", "clamped"] {
        assert_eq!(one[key], batches[key], "{key}");
    }
    assert_eq!((one["samples"].clone(), batches["proofs"].clone()), (7.into(), 2.into()));
}

#[test]
fn impossible_batches_are_refused() {
    let (model, input) = (example("medical/model.onnx"), example("medical/patient.json"));
    zkinfer(&["run", &model, "--input", &input, "--batch", "0"]).fails(2, &["--batch"]);
    zkinfer(&["run", &model, "--input", &input, "--batch", "65537"]).fails(2, &["--batch"]);
    zkinfer(&["run", &model, "--input", &input, "--batch", "2"]).fails(2, &["2 samples", "has 1"]);
    let digits = [&example("digits/model.onnx"), "--input", &example("digits/seven.json"), "--batch", "65536"];
    zkinfer(&[&["run"], &digits[..]].concat()).fails(1, &["the number of samples", "smaller --batch"]);
}

/// A dense network, one with convolutions, one with a recurrence, and trees.
#[test]
fn models_of_all_kinds_are_proved_in_batches() {
    let given = std::env::var_os("ZKINFER_CORPUS").map(PathBuf::from);
    let corpus = given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models").into());
    if !corpus.is_dir() {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    }
    for name in ["mlp_relu_digits", "cnn_tiny_8", "lstm_digits", "sk_forest_diabetes"] {
        let file = |file: &str| text(&corpus.join(name).join(file));
        let (model, test) = (file("model.onnx"), file("test.npz"));
        let folder = tempfile::tempdir().expect("a folder");
        let (out, vk) = (text(folder.path()), text(&folder.path().join("model.vk")));
        let options = ["--calibration", &test, "--bits", "8", "--input", &test, "--json"];
        let proved = zkinfer(&[&["prove", &model, "-o", &out, "--batch", "4"], &options[..]].concat()).done().json();
        zkinfer(&["verify", "--vk", &vk, "--proof", &text(&folder.path().join("proof.zkp")), "--input", &test]).done();
        let single = |sample: usize| {
            let report =
                zkinfer(&[&["run", &model, "--sample", &sample.to_string()], &options[..]].concat()).done().json();
            outputs(&report, "integers")
        };
        let singles: Vec<_> = (0..4).map(single).collect();
        let joined = |output: usize| singles.iter().flat_map(|sample| sample[output].clone()).collect::<Vec<_>>();
        let together: Vec<_> = (0..singles[0].len()).map(joined).collect();
        assert_eq!(outputs(&proved, "integers"), together, "{name}");
    }
}
