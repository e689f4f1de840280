//! What a proof does not tell is for its prover alone, and what files tell is no more than text.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{onnx, text, zkinfer};
use serde_json::Value;

/// A model with such names, and an input for it.
fn layer(folder: &Path, input: &str, output: &str) -> [String; 2] {
    let weights: Vec<f32> = (0..12).map(|i| (i * 7 % 11) as f32 / 8.0 - 0.5).collect();
    let [model, x] = ["model.onnx", "x.json"].map(|name| folder.join(name));
    fs::write(&model, onnx::layer(input, output, [4, 3], &weights)).expect("writable");
    fs::write(&x, serde_json::json!({ input: [[0.5, 0.75, -0.25, 1.0]] }).to_string()).expect("writable");
    [text(&model), text(&x)]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path()).collect()
}

fn others_may_read(path: &Path) -> bool {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o077 != 0
}

#[test]
fn outputs_that_a_proof_does_not_tell_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, x] = layer(folder.path(), "x", "y");
    let out = folder.path().join("out");
    let result = out.join("result.json");
    // The folder is used again: what was open to others before is closed, and the other way round.
    for (visibility, secret) in
        [("public", false), ("private", true), ("hashed", true), ("committed", true), ("public", false)]
    {
        let arguments =
            ["prove", &model, "--input", &x, "-o", &text(&out), "--output-visibility", visibility, "--rows", "12"];
        let told = zkinfer(&arguments).done().stdout;
        assert_eq!(others_may_read(&result), !secret, "{visibility}");
        let line = format!("{}: keep it to yourself", result.display());
        assert_eq!(told.contains(&line), secret, "{visibility}: {told}");

        let content = fs::read_to_string(&result).expect("readable");
        let content: Value = serde_json::from_str(&content).expect("JSON");
        let values: Vec<i64> = serde_json::from_value(content["outputs"][0]["integers"].clone()).expect("integers");
        assert!(values.len() == 3 && values.iter().any(|value| value.unsigned_abs() > 99), "{values:?}");
        let shown = values.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let words: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for path in files(&out).iter().filter(|path| secret && others_may_read(path)) {
            let bytes = fs::read(path).expect("readable");
            let letters: String = bytes.iter().map(|&byte| char::from(byte)).filter(|c| !c.is_whitespace()).collect();
            assert!(!letters.contains(&shown), "{visibility}: {}", path.display());
            assert!(!bytes.windows(words.len()).any(|window| window == words), "{visibility}: {}", path.display());
        }
    }
}

/// Names that would begin a line, hide what follows, and turn its order.
#[test]
fn names_from_files_are_text_within_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = "y\nACCEPTED in 1 ms\r\u{1b}[8m\u{9b}2J\u{202e}\u{2028}";
    let [model, x] = layer(folder.path(), "x\n  model        trusted", output);
    let out = folder.path().join("out");
    let shown = zkinfer(&["prove", &model, "--input", &x, "-o", &text(&out), "--rows", "12"]).done();
    let mut runs = vec![shown, zkinfer(&["estimate", &text(&out.join("program.zki"))]).done()];
    let [key, proof] = ["model.vk", "proof.zkp"].map(|name| text(&out.join(name)));
    let accepted = zkinfer(&["verify", "--vk", &key, "--proof", &proof]).done();
    assert_eq!(accepted.stdout.lines().filter(|line| line.starts_with("ACCEPTED")).count(), 1, "{}", accepted.stdout);
    assert_eq!(accepted.stdout.lines().filter(|line| line.starts_with("  model ")).count(), 1, "{}", accepted.stdout);
    runs.push(accepted);
    for name in ["program.zki", "model.pk", "model.vk", "proof.zkp"] {
        runs.push(zkinfer(&["inspect", &text(&out.join(name))]).done());
    }
    // Names are in errors too.
    runs.push(zkinfer(&["compile", &model, "-o", &text(&folder.path().join("p.zki")), "--output", "z=private"]));
    runs.push(zkinfer(&["run", &text(&out.join("program.zki")), "--input", &text(&out.join("result.json"))]));
    for common::Run { stdout, stderr, .. } in runs {
        for text in [stdout, stderr] {
            let obeyed = |c: &char| (c.is_control() && *c != '\n') || matches!(*c, '\u{202e}' | '\u{2028}');
            assert_eq!(text.chars().find(obeyed), None, "{text:?}");
            assert!(
                !text.lines().any(|line| line.contains("ACCEPTED in 1 ms") && line.starts_with("ACCEPTED")),
                "{text}"
            );
            assert!(!text.lines().any(|line| line == "  model        trusted"), "{text}");
        }
    }
}

#[test]
fn an_srs_of_others_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = text(&folder.path().join("5.srs"));
    zkinfer(&["srs", "new", "--k", "5", "-o", &path]).done();
    let checked = zkinfer(&["srs", "info", &path, "--check"]).done();
    assert!(checked.stdout.contains("powers of one secret"), "{}", checked.stdout);
    assert!(!zkinfer(&["srs", "info", &path]).done().stdout.contains("powers of one secret"));
}
