//! Where proofs are computed: the choice, what is told about it, and the same proof on the host twin of the device's kernels.

mod common;

use std::path::Path;

use common::{command, example, text, zkinfer};
use gpu::twin::{self, Twin};
use serde_json::Value;

#[test]
fn the_doctor_tells_what_there_is() {
    let report = zkinfer(&["doctor", "--json"]).done().json();
    assert!(report["threads"].as_u64().is_some_and(|threads| threads > 0), "{report}");
    let instructions = report["known_instructions"].as_array().expect("a list");
    assert!(instructions.contains(&report["instructions"]) || report["instructions"] == "portable", "{report}");
    let devices = report["devices"].as_array().expect("a list").len();
    assert_eq!(devices == 0, report["no_device"].is_string(), "{report}");
    let text = zkinfer(&["doctor"]).done().stdout;
    for label in ["processor", "instructions", "memory", "device"] {
        assert!(text.contains(label), "{label}: {text}");
    }
}

#[test]
fn a_library_that_is_none_is_told() {
    let run = |arguments: &[&str]| {
        let output =
            command().args(arguments).env("ZKINFER_CUDA_LIB", "nothing.so").output().expect("the command starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, stdout) = run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&stdout).expect("an object");
    assert_eq!(status, Some(0));
    assert!(report["no_device"].as_str().is_some_and(|reason| reason.contains("nothing.so")), "{report}");
}

fn prove<'a>(arguments: &[&'a str], out: &'a str) -> Vec<String> {
    let model = [example("digits/model.onnx"), example("digits/seven.json"), example("digits/calibration.npz")];
    let named = ["prove", &model[0], "--input", &model[1], "--calibration", &model[2], "-o", out];
    named.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect()
}

#[test]
fn a_device_that_is_asked_for_and_not_there_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(folder.path());
    let refused = |arguments: &[&str], status, words: &[&str]| {
        let output = command().args(prove(arguments, &out)).env("ZKINFER_CUDA_LIB", "nothing.so").output();
        let output = output.expect("the command starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        words.iter().for_each(|word| assert!(stderr.contains(word), "{word}: {stderr}"));
    };
    refused(&["--device", "cuda"], 1, &["nothing.so", "zkinfer doctor", "--device auto"]);
    refused(&["--device", "cuda", "--engine", "stock"], 2, &["stock engine"]);
    refused(&["--device", "cuda", "--max-memory", "1GiB"], 2, &["--max-device-memory"]);
    refused(&["--max-device-memory", "1GiB", "--max-memory", "1GiB"], 2, &["--max-memory"]);
}

#[test]
fn proofs_are_made_on_the_host_twin() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("device");
    let library = match twin::build(&folder).expect("the twin can be built") {
        Twin::Built(file) => file,
        Twin::NoCompiler => return twin::skip("no C++ compiler, so no host twin"),
    };
    let out = tempfile::tempdir().expect("a folder");
    for (arguments, device) in
        [(&["--device", "cuda"][..], "host-twin"), (&[], "host-twin"), (&["--device", "cpu"], "cpu")]
    {
        let mut command = command();
        command.args(prove(arguments, &text(out.path()))).arg("--json").env("ZKINFER_CUDA_LIB", &library);
        let output = command.output().expect("the command starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        assert_eq!(report["device"], device);
    }
    for (size, device) in [("128KiB", "cpu"), ("64MiB", "host-twin")] {
        let mut command = command();
        command.args(prove(&["--max-device-memory", size], &text(out.path()))).arg("--json");
        let output = command.env("ZKINFER_CUDA_LIB", &library).output().expect("the command starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        assert_eq!(report["device"], device, "{size}");
    }
    let [key, proof] = ["model.vk", "proof.zkp"].map(|name| text(&out.path().join(name)));
    zkinfer(&["verify", "--vk", &key, "--proof", &proof]).done();
}
