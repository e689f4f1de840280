//! `zkinfer evm export`, as scripts use it.

mod common;

use std::fs;
use std::path::Path;

use common::{example, text, zkinfer};
use serde_json::Value;
use verifier::{Proof, Randomness};

/// Proves the example for gas, and gives the key and the proof.
fn proven(folder: &Path) -> [String; 2] {
    let out = text(folder);
    let (model, input) = (example("digits/model.onnx"), example("digits/seven.json"));
    let calibration = example("digits/calibration.npz");
    let prove = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out, "--optimize", "gas"];
    zkinfer(&[&prove[..], &["--input-visibility", "hashed"]].concat()).done();
    [format!("{out}/model.vk"), format!("{out}/proof.zkp")]
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the file is there")).expect("JSON")
}

#[test]
fn contracts_are_exported_after_a_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let [key, proof] = proven(folder.path());
    let out = folder.path().join("chain");
    let chain = text(&out);
    let export = ["evm", "export", "--vk", &key, "-o", &chain];

    // A development SRS is refused, and nothing is written.
    zkinfer(&export).fails(1, &["insecure", "--force"]);
    assert!(!out.exists());

    // Without a proof, one is simulated.
    let report = zkinfer(&[&export[..], &["--force", "--json"]].concat()).done().json();
    assert_eq!(report["simulated_proof"], true);
    assert!(!out.join("proof.json").exists());
    for figure in
        ["verify_gas", "deploy_gas", "register_gas", "code_bytes", "vk_bytes", "calldata_bytes", "commitments"]
    {
        assert!(report[figure].as_u64().is_some_and(|figure| figure > 0), "{figure}: {report}");
    }

    let given = zkinfer(&[&export[..], &["--force", "--json", "--proof", &proof]].concat()).done();
    assert!(given.stderr.contains("INSECURE"), "{}", given.stderr);
    let report = given.json();
    assert_eq!(report["simulated_proof"], false);
    assert!(report["verify_gas"].as_u64().is_some_and(|gas| gas < 450_000), "{report}");
    assert!(report["register_gas"].as_u64().is_some_and(|gas| gas < 600_000), "{report}");

    let manifest = json(&out.join("manifest.json"));
    assert_eq!(manifest["insecure"], true);
    assert_eq!(manifest["gas"]["verify"], report["verify_gas"]);
    assert_eq!(manifest["interface"]["ports"][0]["visibility"], "hashed");
    let words = json(&out.join("proof.json"))["instances"].as_array().map(Vec::len);
    assert_eq!(manifest["interface"]["words"].as_u64(), words.map(|words| words as u64));
    let calldata = fs::read_to_string(out.join("calldata.hex")).expect("the file is there");
    assert_eq!((calldata.trim().len() - 2) as u64 / 2, report["calldata_bytes"].as_u64().expect("a number"));
    assert!(calldata.starts_with("0x1e8e1e13"));

    // The same key gives the same contract, wherever the proof came from.
    let model = fs::read(out.join("model.bin")).expect("the file is there");
    zkinfer(&[&export[..], &["--force"]].concat()).done();
    assert!(!out.join("proof.json").exists() && !out.join("calldata.hex").exists(), "of an earlier export");
    assert_eq!(fs::read(out.join("model.bin")).expect("the file is there"), model);
    // Another verifier, another contract.
    let elsewhere = "0x00000000000000000000000000000000000fffff";
    zkinfer(&[&export[..], &["--force", "--verifier", elsewhere]].concat()).done();
    assert_ne!(fs::read(out.join("model.bin")).expect("the file is there"), model);
    let manifest = json(&out.join("manifest.json"));
    assert_eq!(manifest["verifier"]["address"], elsewhere);
    assert!(manifest["verifier"]["salt"].is_null(), "no factory puts it there");
}

#[test]
fn a_proof_under_another_key_is_not_exported() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let [key, _] = proven(first.path());
    let out = text(second.path());
    let (model, input) = (example("digits/model.onnx"), example("digits/seven.json"));
    zkinfer(&["prove", &model, "--input", &input, "-o", &out, "--bits", "9"]).done();
    let proof = format!("{out}/proof.zkp");
    let chain = second.path().join("chain");
    let export = ["evm", "export", "--vk", &key, "--proof", &proof, "-o", &text(&chain), "--force"];
    zkinfer(&export).fails(1, &["not one under this key"]);
    assert!(!chain.exists());
}

/// A proof that may give its private values away is not put where everybody reads it.
#[test]
fn a_seeded_proof_is_not_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let [key, path] = proven(folder.path());
    let mut proof = Proof::read(Path::new(&path)).expect("it was just made");
    proof.randomness = Randomness::Seeded;
    proof.write(Path::new(&path)).expect("writable");
    // Under a key on the development SRS, which is told first.
    let chain = folder.path().join("chain");
    let export = ["evm", "export", "--vk", &key, "--proof", &path, "-o", &text(&chain)];
    zkinfer(&export).fails(1, &["insecure"]);
    assert!(!chain.exists());
    let forced = zkinfer(&[&export[..], &["--force"]].concat()).done();
    assert!(forced.stderr.contains("seeded randomness"), "{}", forced.stderr);
    assert_eq!(json(&chain.join("manifest.json"))["seeded"], true);
}

/// What is estimated before any setup is what the contracts then take.
#[test]
fn gas_is_estimated_before_any_setup() {
    let folder = tempfile::tempdir().expect("a folder");
    let [key, proof] = proven(folder.path());
    let program = text(&folder.path().join("program.zki"));
    let estimated = zkinfer(&["estimate", &program, "--json"]).done().json();
    let chain = text(&folder.path().join("chain"));
    let export = ["evm", "export", "--vk", &key, "--proof", &proof, "-o", &chain, "--force", "--json"];
    let found = zkinfer(&export).done().json();
    for (figure, percent) in
        [("verify_gas", 1), ("deploy_gas", 2), ("register_gas", 5), ("vk_bytes", 0), ("calldata_bytes", 0)]
    {
        let [estimated, found] = [&estimated, &found].map(|report| report[figure].as_u64().expect("a number"));
        assert!(estimated.abs_diff(found) * 100 <= found * percent, "{figure}: {estimated}, {found}");
    }
}
