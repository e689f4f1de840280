//! Committed inputs and outputs: a commitment that comes first, and two models of which one takes what the other gives.

mod common;

use std::fs;

use common::{onnx, text, zkinfer};
use serde_json::{json, Value};

/// Two models in a folder: `features` of four measurements, and a `score` of three features.
struct Story {
    folder: tempfile::TempDir,
}

impl Story {
    fn new() -> Self {
        let story = Self { folder: tempfile::tempdir().expect("a folder") };
        let features: Vec<f32> = (0..12).map(|i| (i * 7 % 11) as f32 / 8.0 - 0.5).collect();
        let score = [0.5, -0.25, 1.0, 0.75, 0.5, -0.5];
        story.write("features.onnx", &onnx::layer("x", "features", [4, 3], &features));
        story.write("score.onnx", &onnx::layer("features", "scores", [3, 2], &score));
        story.write_json("x.json", &json!({ "x": [[0.5, 0.75, -0.25, 1.0]] }));
        story
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).expect("writable");
    }

    fn write_json(&self, name: &str, value: &Value) {
        self.write(name, value.to_string().as_bytes());
    }

    fn prove(&self, model: &str, input: &str, out: &str, more: &[&str]) -> common::Run {
        let (model, input, out) = (self.file(model), self.file(input), self.file(out));
        zkinfer(&[&["prove", &model, "--input", &input, "-o", &out, "--rows", "12"], more].concat())
    }

    /// The features that a proof's folder tells to the prover, as an input of the second model.
    fn features(&self, from: &str, name: &str, change: f64) {
        let result = fs::read_to_string(self.file(&format!("{from}/result.json"))).expect("readable");
        let result: Value = serde_json::from_str(&result).expect("JSON");
        let mut values = result["outputs"][0]["values"].clone();
        if change != 0.0 {
            values[0] = json!(values[0].as_f64().expect("a number") + change);
        }
        self.write_json(name, &json!({ "features": [values] }));
    }

    fn link(&self, from: &str, to: &str, out: &str, more: &[&str]) -> common::Run {
        let (from, to, out) = (self.file(from), self.file(to), self.file(out));
        zkinfer(&[&["link", "--from", &from, "--to", &to, "-o", &out], more].concat())
    }

    fn verify(&self, folders: &[&str], link: &str, more: &[&str]) -> common::Run {
        let files: Vec<_> = folders
            .iter()
            .flat_map(|folder| {
                let (vk, proof) = (self.file(&format!("{folder}/model.vk")), self.file(&format!("{folder}/proof.zkp")));
                ["--vk".to_owned(), vk, "--proof".to_owned(), proof]
            })
            .collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let link = self.file(link);
        zkinfer(&[&["verify"], &files[..], &["--link", &link], more].concat())
    }
}

#[test]
fn the_output_of_one_proof_is_the_input_of_the_next() {
    let story = Story::new();
    let proved = story.prove("features.onnx", "x.json", "one", &["--output-visibility", "committed"]).done();
    assert!(proved.stdout.contains("committed to in the proof") && proved.stdout.contains("proof.zkp.opening"));
    story.features("one", "features.json", 0.0);
    let like = story.file("one/model.vk");
    let committed = ["--input-visibility", "committed", "--input-like", &like];
    story.prove("score.onnx", "features.json", "two", &committed).done();
    let linked = story.link("one/proof.zkp", "two/proof.zkp", "chain.zkl", &[]).done();
    assert!(linked.stdout.contains("output \"features\"") && linked.stdout.contains("the same 3 values"));

    let accepted = story.verify(&["one", "two"], "chain.zkl", &[]).done();
    let told = "output \"features\" of proof 1 = input \"features\" of proof 2";
    assert!(accepted.stdout.contains(told), "{}", accepted.stdout);
    let report = story.verify(&["two", "one"], "chain.zkl", &["--json"]).done().json();
    assert_eq!(report["chain"]["links"][0][0]["port"]["proof"], 1, "{report}");
    assert_eq!(report["chain"]["statements"].as_array().map(Vec::len), Some(2));
    let port = &report["chain"]["statements"][0]["ports"][0];
    assert!(port["values"].is_null() && port["commitment"].is_string(), "{port}");

    // A contract is told the same.
    let files = ["one/model.vk", "one/proof.zkp", "two/model.vk", "two/proof.zkp", "chain.zkl", "chain"]
        .map(|name| story.file(name));
    let [first_key, first, second_key, second, link, chain] = files.each_ref().map(String::as_str);
    let export = ["evm", "link", "--vk", first_key, "--proof", first, "--vk", second_key, "--proof", second];
    let export = [&export[..], &["--link", link, "-o", chain, "--force", "--json"]].concat();
    assert_eq!(zkinfer(&export).done().json()["corrupted_refused"], 22);
    let written: Value =
        serde_json::from_slice(&fs::read(format!("{chain}/link.json")).expect("readable")).expect("JSON");
    assert_eq!(
        (&written["from"]["part"]["is"], &written["to"]["part"]["is"]),
        (&json!("features"), &json!("features"))
    );
    assert_eq!(written["from"]["side"]["values"], written["to"]["side"]["values"]);
    assert!(written["registration"].is_null() && !fs::exists(format!("{chain}/registration.hex")).expect("readable"));

    // The values may be taken from the opening as they are.
    story.prove("score.onnx", "one/proof.zkp.opening", "taken", &committed).done();
    story.link("one/proof.zkp", "taken/proof.zkp", "taken.zkl", &[]).done();
    story.verify(&["one", "taken"], "taken.zkl", &[]).done();
    story.prove("features.onnx", "one/proof.zkp.opening", "wrong", &[]).fails(2, &["4 values"]);

    // A key is what its program gives, with what it took from the other key.
    let (model, program, vk) = (story.file("score.onnx"), story.file("two/program.zki"), story.file("two/model.vk"));
    zkinfer(&["verify-key", &model, "--vk", &vk, "--program", &program]).done();
    for file in ["chain.zkl", "one/proof.zkp.opening", "two/model.vk"] {
        zkinfer(&["inspect", &story.file(file)]).done();
    }

    let (vk, proof) = (story.file("one/model.vk"), story.file("one/proof.zkp"));
    let twice = ["verify", "--vk", &vk, "--vk", &vk, "--proof", &proof];
    zkinfer(&twice).fails(2, &["one --vk for each --proof"]);

    // Other features, within the range that the first ones were calibrated to: there is no link, and the one that there is does not fit.
    story.features("one", "other.json", -0.5);
    story.prove("score.onnx", "other.json", "three", &committed).done();
    story.link("one/proof.zkp", "three/proof.zkp", "no.zkl", &[]).fails(1, &["different values"]);
    story.verify(&["one", "three"], "chain.zkl", &[]).fails(1, &["REFUSED", "neither a proof nor a commitment"]);
    // Nor is the opening of one proof that of another.
    let opening = story.file("two/proof.zkp.opening");
    let wrong = ["--to-opening", opening.as_str()];
    story.link("one/proof.zkp", "three/proof.zkp", "no.zkl", &wrong).fails(2, &["not what opens"]);
    assert!(!fs::exists(story.file("no.zkl")).expect("readable"));
}

#[test]
fn what_can_not_be_compared_is_told_with_a_way_out() {
    let story = Story::new();
    story.prove("features.onnx", "x.json", "one", &["--output-visibility", "committed"]).done();
    story.features("one", "features.json", 0.0);
    story.prove("score.onnx", "features.json", "two", &["--input-visibility", "committed"]).done();
    story.link("one/proof.zkp", "two/proof.zkp", "no.zkl", &[]).fails(1, &["--input-like"]);
    let (model, input, out) = (story.file("score.onnx"), story.file("features.json"), story.file("large"));
    let like = story.file("one/model.vk");
    let larger = ["--rows", "13", "--input-visibility", "committed", "--input-like", &like];
    zkinfer(&[&["prove", &model, "--input", &input, "-o", &out], &larger[..]].concat()).done();
    story.link("one/proof.zkp", "large/proof.zkp", "no.zkl", &[]).fails(1, &["--rows 13"]);
    story.prove("score.onnx", "features.json", "open", &[]).done();
    story.link("one/proof.zkp", "open/proof.zkp", "no.zkl", &[]).fails(2, &["proof.zkp.opening"]);
    let stock = ["--input-visibility", "committed", "--engine", "stock"];
    story.prove("score.onnx", "features.json", "stock", &stock).fails(1, &["use the native engine"]);
}

#[test]
fn a_commitment_may_come_first() {
    let story = Story::new();
    story.prove("features.onnx", "x.json", "one", &["--input-visibility", "committed"]).done();
    let (vk, input, out) = (story.file("one/model.vk"), story.file("x.json"), story.file("x.zkc"));
    let committed = zkinfer(&["commit", &vk, "--input", &input, "-o", &out, "--json"]).done().json();
    let digest = committed["commitment"].as_str().expect("a digest").to_owned();
    story.link("x.zkc", "one/proof.zkp", "x.zkl", &[]).done();
    let accepted = story.verify(&["one"], "x.zkl", &["--commitment", &out]).done();
    assert!(accepted.stdout.contains(&digest), "{}", accepted.stdout);
    story.verify(&["one"], "x.zkl", &[]).fails(1, &["REFUSED", "neither a proof nor a commitment"]);
    assert!(zkinfer(&["inspect", &out]).done().stdout.contains(&digest));
    #[cfg(unix)]
    for secret in ["x.zkc.opening", "one/proof.zkp.opening"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(story.file(secret)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads {secret}");
    }
    // One input, two models: both say so.
    story.write_json("other.json", &json!({ "x": [[0.5, 0.75, -0.25, 0.5]] }));
    story.prove("features.onnx", "other.json", "other", &["--input-visibility", "committed"]).done();
    story.link("x.zkc", "other/proof.zkp", "no.zkl", &[]).fails(1, &["different values"]);
}
