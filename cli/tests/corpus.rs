//! Every model of the corpus that compiles is proved by the native engine, and accepted by the library's verifier
//! and by the contract in an EVM, in the layout for time and in the one for gas.

mod common;

use std::path::PathBuf;

use common::{text, zkinfer};

fn corpus() -> PathBuf {
    let given = std::env::var_os("ZKINFER_CORPUS").map(PathBuf::from);
    given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models").into())
}

/// The models of the bench's definition: a name a line with options of the compiler, and comments.
fn models() -> Vec<Vec<&'static str>> {
    let definition = include_str!("../../benches/definitions/corpus.txt");
    let lines = definition.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn every_model_is_proved_and_accepted() {
    let corpus = corpus();
    if !corpus.is_dir() {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    }
    let models = models();
    assert!(models.len() >= 70);
    for model in models {
        let (name, options) = (model[0], &model[1..]);
        let folder = tempfile::tempdir().expect("a folder");
        let file = |file: &str| text(&corpus.join(name).join(file));
        let (model, input, calibration) = (file("model.onnx"), file("io.npz"), file("test.npz"));
        let out = text(folder.path());
        for objective in ["time", "gas"] {
            let arguments = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out, "--json"];
            let report = zkinfer(&[&arguments[..], options, &["--optimize", objective]].concat()).done().json();
            assert!(report["proof_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{name}: {report}");
            // The proof on disk, judged by a process of its own.
            let (key, proof) = (format!("{out}/model.vk"), format!("{out}/proof.zkp"));
            zkinfer(&["verify", "--vk", &key, "--proof", &proof]).done();
            let contracts = format!("{out}/chain");
            let export = ["evm", "export", "--vk", &key, "--proof", &proof, "-o", &contracts, "--force", "--json"];
            let report = zkinfer(&export).done().json();
            let gas = report["verify_gas"].as_u64().expect("a number");
            assert!(objective == "time" || gas < 500_000, "{name}: {report}");
        }
    }
}
