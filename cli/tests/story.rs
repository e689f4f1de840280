//! The whole path on the small example model: what is made, reused, accepted and refused.

mod common;

use std::fs;
use std::path::Path;

use common::{example, text, zkinfer};
use serde_json::Value;

const KEYS: [&str; 13] = [
    "k",
    "rows_used",
    "advice_columns",
    "fixed_columns",
    "commitments",
    "prove_cpu_seconds",
    "setup_cpu_seconds",
    "verify_ms",
    "peak_rss_bytes",
    "proof_bytes",
    "proving_key_bytes",
    "verifying_key_bytes",
    "outputs",
];

fn prove(folder: &Path, more: &[&str]) -> Value {
    let (model, input) = (example("medical/model.onnx"), example("medical/patient.json"));
    let (calibration, out) = (example("medical/calibration.npz"), text(folder));
    let arguments = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out, "--json"];
    zkinfer(&[&arguments[..], more].concat()).done().json()
}

#[test]
fn one_command_does_everything_and_the_next_reuses_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let report = prove(folder.path(), &[]);
    for key in KEYS {
        assert!(!report[key].is_null(), "{key}: {report}");
    }
    let result: Value =
        serde_json::from_str(&fs::read_to_string(file("result.json")).expect("readable")).expect("JSON");
    assert_eq!(result["outputs"], report["outputs"]);
    assert_eq!(report["proving_key_bytes"], fs::metadata(file("model.pk")).expect("there").len());

    let made = ["program.zki", "model.pk", "model.vk"].map(|name| fs::read(file(name)).expect("readable"));
    let proof = fs::read(file("proof.zkp")).expect("readable");
    let again = prove(folder.path(), &[]);
    assert_eq!((again["program_reused"].clone(), again["keys_reused"].clone()), (true.into(), true.into()));
    assert_eq!(again["outputs"], report["outputs"]);
    assert_ne!(fs::read(file("proof.zkp")).expect("readable"), proof, "proofs are randomised");

    let private = prove(folder.path(), &["--input-visibility", "private"]);
    assert_eq!((private["program_reused"].clone(), private["keys_reused"].clone()), (false.into(), false.into()));
    prove(folder.path(), &[]);
    let remade = ["program.zki", "model.pk", "model.vk"].map(|name| fs::read(file(name)).expect("readable"));
    assert!(made == remade, "programs and keys are the same bytes every time");
}

#[test]
fn verbs_one_by_one_and_what_a_verifier_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let (model, calibration) = (example("medical/model.onnx"), example("medical/calibration.npz"));
    let (program, vk, proof, out) = (file("program.zki"), file("model.vk"), file("proof.zkp"), text(folder.path()));
    let patient = example("medical/patient.json");

    let compile = ["compile", &model, "-o", &program, "--calibration", &calibration, "--input", "private"];
    zkinfer(&compile).done();
    zkinfer(&["setup", &program, "-o", &out]).done();
    let proved = zkinfer(&["prove", &program, "--input", &patient, "-o", &out, "--json"]).done().json();
    assert_eq!(proved["keys_reused"], true);
    let run = zkinfer(&["run", &program, "--input", &patient, "--json"]).done().json();
    assert_eq!(proved["outputs"], run["outputs"], "the proof speaks of the interpreter's outputs");
    assert!(run["outputs"][0]["values"][0].as_f64().is_some_and(|p| (0.5..=1.01).contains(&p)), "{run}");

    let verify = |vk: &str, proof: &str| zkinfer(&["verify", "--vk", vk, "--proof", proof]);
    let accepted = verify(&vk, &proof).done();
    assert!(accepted.stdout.starts_with("ACCEPTED") && accepted.stdout.contains("private"), "{}", accepted.stdout);
    assert!(accepted.stderr.contains("INSECURE"), "a development SRS is named: {}", accepted.stderr);
    zkinfer(&["verify", "--require-secure", "--vk", &vk, "--proof", &proof]).fails(1, &["REFUSED", "development"]);

    for (artifact, kind) in
        [(&program, "program"), (&vk, "verifying"), (&proof, "proof"), (&file("model.pk"), "proving")]
    {
        let text = zkinfer(&["inspect", artifact]).done().stdout;
        assert!(text.contains(kind), "{text}");
        assert_eq!(zkinfer(&["inspect", artifact, "--json"]).done().json()["command"], "inspect");
    }

    let good = fs::read(&proof).expect("readable");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(file("flipped.zkp"), &flipped).expect("writable");
    verify(&vk, &file("flipped.zkp")).fails(1, &["REFUSED"]);
    for length in [good.len() - 7, 30, 0] {
        fs::write(file("cut.zkp"), &good[..length]).expect("writable");
        verify(&vk, &file("cut.zkp")).fails(2, &["cut.zkp", "the file is cut off"]);
    }
    verify(&vk, &patient).fails(2, &["no file of zkinfer"]);

    let other = tempfile::tempdir().expect("a folder");
    prove(other.path(), &["--bits", "9"]);
    verify(&text(&other.path().join("model.vk")), &proof).fails(1, &["REFUSED", "key"]);

    let check = ["verify-key", &model, "--vk", &vk, "--program", &program];
    zkinfer(&[&check[..], &["--calibration", &calibration]].concat()).done();
    zkinfer(&check).fails(2, &["--calibration"]);
    zkinfer(&["verify-key", &program, "--vk", &vk]).done();
    let foreign = text(&other.path().join("model.vk"));
    zkinfer(&["verify-key", &program, "--vk", &foreign]).fails(1, &["REFUSED"]);
    zkinfer(&["verify-key", &model, "--vk", &foreign, "--calibration", &calibration]).fails(1, &["REFUSED"]);
    zkinfer(&["verify-key", &model, "--vk", &foreign, "--calibration", &calibration, "--bits", "9"]).done();
}

#[test]
fn scores_are_those_of_the_float_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let (model, calibration) = (example("medical/model.onnx"), example("medical/calibration.npz"));
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &calibration]).done();
    let data = example("medical/test.npz");
    let report = zkinfer(&["evaluate", &program, "--data", &data, "--json"]).done().json();
    assert_eq!(report["samples"], 200);
    let (float, integer) = (report["float_score"].as_f64(), report["integer_score"].as_f64());
    let (float, integer) = (float.expect("a score"), integer.expect("a score"));
    assert!((float - 0.965).abs() < 1e-9 && (float - integer).abs() <= 0.005, "{report}");
    let proved = zkinfer(&["evaluate", &program, "--data", &data, "--limit", "5", "--prove", "2", "--json"]);
    let report = proved.done().json();
    assert_eq!((report["samples"].clone(), report["proofs"].clone()), (5.into(), 2.into()));
}

#[test]
fn bits_follow_from_the_accuracy_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let (model, calibration) = (example("medical/model.onnx"), example("medical/calibration.npz"));
    let compile = |more: &[&str]| {
        let fixed = ["compile", &model, "-o", &program, "--calibration", &calibration, "--json"];
        zkinfer(&[&fixed[..], more].concat()).done().json()["quantization"].clone()
    };
    let mut last = 0;
    for part in ["0.9", "0.999", "0.9999"] {
        let report = compile(&["--accuracy", part, "--ranges", "least-error"]);
        let kept = report["kept"].as_f64().expect("a number");
        assert!(kept >= part.parse().expect("a number"), "{report}");
        let bits = report["bits"].as_u64().expect("a number");
        assert!(bits >= last, "{report}");
        last = bits;
        assert!(!report["worst_nodes"].as_array().expect("a list").is_empty(), "{report}");
    }
    assert!(last > 8);
    // What was asked for is recorded, so that the program can be made again.
    let options = zkinfer(&["inspect", &program, "--json"]).done().json();
    assert_eq!(options["bits"], last, "{options}");
}

#[test]
fn the_digit_is_seen_and_classified() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let model = example("digits/model.onnx");
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &example("digits/calibration.npz")]).done();
    let run = zkinfer(&["run", &program, "--input", &example("digits/seven.json")]).done().stdout;
    assert!(run.contains("class 7") && run.contains('█'), "{run}");
    let estimate = zkinfer(&["estimate", &program, "--json"]).done().json();
    assert!(estimate["k"].as_u64().is_some_and(|k| (10..=16).contains(&k)), "{estimate}");
}

#[test]
fn development_strings_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let srs = text(&folder.path().join("dev.srs"));
    let made = zkinfer(&["srs", "new", "--k", "6", "-o", &srs]).done();
    assert!(made.stderr.to_lowercase().contains("insecure"), "{}", made.stderr);
    let info = zkinfer(&["srs", "info", &srs, "--json"]).done().json();
    assert_eq!((info["k"].clone(), info["insecure"].clone()), (6.into(), true.into()));
    assert!(zkinfer(&["inspect", &srs]).done().stdout.contains("development"));
}

#[test]
fn ceremonies_are_imported_and_must_be_large_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let ptau = text(&common::root().join("prover/tests/data/power6.ptau"));
    let (srs, program) = (file("ceremony.srs"), file("program.zki"));
    let imported = zkinfer(&["srs", "import", &ptau, "-o", &srs, "--json"]).done().json();
    assert_eq!((imported["k"].clone(), imported["insecure"].clone()), (6.into(), false.into()));
    let smaller = zkinfer(&["srs", "import", &ptau, "--k", "5", "-o", &file("smaller.srs"), "--json"]).done().json();
    assert_eq!((smaller["k"].clone(), smaller["digest"].clone()), (5.into(), imported["digest"].clone()));
    let larger = file("larger.srs");
    zkinfer(&["srs", "import", &ptau, "--k", "7", "-o", &larger]).fails(2, &["power6.ptau", "2^7 are needed"]);

    let (model, calibration) = (example("medical/model.onnx"), example("medical/calibration.npz"));
    zkinfer(&["compile", &model, "-o", &program, "--calibration", &calibration]).done();
    zkinfer(&["setup", &program, "-o", &text(folder.path()), "--srs", &srs]).fails(2, &["ceremony.srs", "are needed"]);
}
