//! Memory, planned and taken, and the profile of a proof.

mod common;

use std::fs;
use std::path::Path;

use common::{example, text, zkinfer, Run};
use serde_json::Value;

/// Proves the digit with these options besides.
fn prove(folder: &Path, more: &[&str]) -> Run {
    let (model, input) = (example("digits/model.onnx"), example("digits/seven.json"));
    let out = text(folder);
    // Without samples and with given bits, the program is made fast.
    zkinfer(&[&["prove", &model, "--input", &input, "--bits", "8", "-o", &out], more].concat())
}

fn bytes(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number of bytes is expected: {value}"))
}

fn parts(plan: &Value) -> u64 {
    ["process", "threads", "srs", "integers", "elements", "quotient"].iter().map(|part| bytes(&plan[part])).sum()
}

#[test]
fn folded_machines_keep_to_their_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    prove(folder.path(), &["--optimize", "gas"]).done();
    let proved = prove(folder.path(), &["--optimize", "gas", "--json"]).done().json();
    let planned = bytes(&proved["memory_plan"]["total"]);
    if let Some(peak) = proved["peak_rss_bytes"].as_u64() {
        assert!(peak <= planned && planned <= 2 * peak, "{peak} of {planned} planned");
    }
}

#[test]
fn weights_take_little_more_than_their_narrow_form() {
    const WEIGHTS: u64 = 20 << 20;
    const MIB: u64 = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| text(&folder.path().join(name));
    let weight = |layer: usize, i: usize| ((i * 7919 + layer * 104_729) % 65_521) as f32 / 1e6 - 0.0327;
    fs::write(path("model.onnx"), common::onnx::layers(20, 1024, weight)).expect("writable");
    let compile = ["compile", &path("model.onnx"), "-o", &path("program.zki"), "--bits", "8", "--json"];
    let compiled = zkinfer(&compile).done().json();
    // The file as it is imported, four bytes each, and what is kept of reals, or else the program and its layout.
    if let Some(peak) = compiled["peak_rss_bytes"].as_u64() {
        assert!(peak < 64 * MIB + 128 * MIB + 6 * WEIGHTS, "{} MiB", peak / MIB);
    }
    // A program that is read is held, and no bytes of its file.
    let inspected = zkinfer(&["estimate", &path("program.zki"), "--json"]).done().json();
    assert!(bytes(&inspected["memory_plan"]["total"]) > 0);
}

#[test]
fn a_limit_is_kept_or_refused_with_the_ways_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = prove(folder.path(), &["--max-memory", "1MiB"]);
    refused.fails(1, &["--max-memory allows 1.0 MB", "of memory at least", "help: raise --max-memory to"]);
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").path()).collect();
    left.retain(|path| *path != folder.path().join("program.zki"));
    assert!(left.is_empty(), "no keys are made that can't be used: {left:?}");

    // What compiling left behind is part of the plan of the process that compiled.
    let compiled = prove(folder.path(), &["--json"]).done().json();
    let planned = bytes(&compiled["memory_plan"]["total"]);
    if let Some(peak) = compiled["peak_rss_bytes"].as_u64() {
        assert!(peak <= planned && planned <= 3 * peak, "{peak} of {planned} planned");
    }
    let program = text(&folder.path().join("program.zki"));
    let estimate = zkinfer(&["estimate", &program, "--json"]).done().json();
    let plan = &estimate["memory_plan"];
    assert_eq!(parts(plan), bytes(&plan["total"]));
    assert_eq!(estimate["peak_rss_bytes"], plan["total"]);
    let least = bytes(&estimate["least_memory_bytes"]);
    assert!(least <= bytes(&plan["total"]));

    // In a fresh process with keys at hand the plan bounds the peak, and is near it.
    for limit in [None, Some(least.to_string())] {
        let options = limit.as_ref().map_or(vec!["--json"], |limit| vec!["--json", "--max-memory", limit]);
        let proved = prove(folder.path(), &options).done().json();
        assert_eq!((&proved["keys_reused"], &proved["engine"]), (&true.into(), &"native".into()));
        let planned = bytes(&proved["memory_plan"]["total"]);
        assert!(limit.is_none() || planned <= least, "{planned} and {least}");
        if let Some(peak) = proved["peak_rss_bytes"].as_u64() {
            assert!(peak <= planned && planned <= 2 * peak, "{peak} of {planned} planned");
        }
    }
    let below = (least - 1).to_string();
    zkinfer(&["estimate", &program, "--max-memory", &below]).fails(1, &["too little memory"]);
    let text = zkinfer(&["estimate", &program]).done().stdout;
    assert!(text.contains("the quotient") && text.contains("is the least"), "{text}");
}

#[test]
fn columns_go_to_disk_where_memory_is_short() {
    let [folder, spill] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    prove(folder.path(), &[]).done();
    let program = text(&folder.path().join("program.zki"));
    let estimate = zkinfer(&["estimate", &program, "--json"]).done().json();
    assert_eq!((&estimate["memory_plan"]["spill"], &estimate["memory_plan"]["disk"]), (&"nothing".into(), &0.into()));
    let least = bytes(&estimate["least_memory_bytes"]).to_string();
    let limited = ["--max-memory", &least, "--spill-folder", &text(spill.path())];
    let printed = zkinfer(&[&["estimate", &program][..], &limited].concat()).done().stdout;
    assert!(printed.contains("in a temporary file"), "{printed}");

    let proved = prove(folder.path(), &[&limited[..], &["--json"]].concat()).done().json();
    let plan = &proved["memory_plan"];
    assert!(plan["spill"] != "nothing" && bytes(&plan["disk"]) > 0, "{plan}");
    assert_eq!(parts(plan), bytes(&plan["total"]));
    let left = fs::read_dir(spill.path()).expect("readable").count();
    assert_eq!(left, 0, "the file never had a name");

    let missing = text(&spill.path().join("missing"));
    let nowhere = ["--max-memory", &least, "--spill-folder", &missing];
    prove(folder.path(), &nowhere)
        .fails(1, &["no temporary file can be made in", &missing, "help: ", "--spill-folder"]);
    prove(folder.path(), &["--spill-folder", &missing]).fails(2, &["--max-memory"]);
}

#[test]
fn samples_are_proved_within_a_limit_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = text(&folder.path().join("program.zki"));
    let (model, data) = (example("medical/model.onnx"), example("medical/test.npz"));
    zkinfer(&["compile", &model, "-o", &program, "--bits", "8"]).done();
    let evaluate = ["evaluate", &program, "--data", &data, "--limit", "1", "--prove", "1", "--json", "--max-memory"];
    let report = zkinfer(&[&evaluate[..], &["1GB"]].concat()).done().json();
    assert!(bytes(&report["memory_plan"]["total"]) <= 1_000_000_000, "{report}");
    zkinfer(&[&evaluate[..], &["1MB"]].concat()).fails(1, &["too little memory"]);
    zkinfer(&[&evaluate[..], &["1GB", "--engine", "stock"]].concat()).fails(2, &["--engine native"]);
}

#[test]
fn a_profile_tells_stages_rounds_and_the_floor() {
    let folder = tempfile::tempdir().expect("a folder");
    let people = prove(folder.path(), &["--profile"]).done().stdout;
    for word in ["CPU/floor", "witness", "commit phase 1", "quotient", "opening", "transforms"] {
        assert!(people.contains(word), "{word:?} is missing in: {people}");
    }
    let report = prove(folder.path(), &["--profile", "--json"]).done().json();
    let profile = &report["profile"];
    let stages: Vec<_> = profile["stages"].as_array().expect("a list").iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(stages, ["derive", "witness", "prove"]);
    let rounds = profile["rounds"].as_array().expect("a list");
    let quotient = rounds.iter().find(|round| round["round"] == "quotient").expect("it is a round");
    assert!(bytes(&quotient["products"]) > 0 && bytes(&quotient["transforms"]) > 0, "{quotient}");
    assert!(quotient["floor_cpu_seconds"].as_f64().is_some_and(|floor| floor > 0.0), "{quotient}");
    assert!(prove(folder.path(), &["--json"]).done().json().get("profile").is_none());

    // A smaller model, since the stock engine is slow.
    let (model, input) = (example("medical/model.onnx"), example("medical/patient.json"));
    let out = text(&folder.path().join("stock"));
    let stock = ["prove", &model, "--input", &input, "-o", &out, "--bits", "8", "--profile", "--json"];
    let report = zkinfer(&[&stock[..], &["--engine", "stock"]].concat()).done().json();
    assert_eq!((&report["engine"], &report["memory_plan"]), (&"stock".into(), &Value::Null));
    assert_eq!(report["profile"]["rounds"], Value::Array(vec![]));
    assert_eq!(report["profile"]["stages"].as_array().map(Vec::len), Some(3));
}
