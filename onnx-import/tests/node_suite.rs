//! The node cases of ONNX's own backend suite, and cases whose outputs onnxruntime gave (older operator sets, window
//! geometry, linear models; names `ort_…`, made by `make_runtime_cases.py`), in the float evaluator.
//!
//! `expectations.toml` says for each case whether it passes or why it is refused; no case may give a wrong answer. The
//! whole suite is found through `ZKINFER_ONNX_SUITE`, a folder with `<case>/model.onnx`, perhaps `<case>/model_const.onnx`
//! (operands that real models hold as constants turned into initializers), `<case>/io.npz` and `cases.json`. A selection
//! in `cases.zip` is always run. With `ZKINFER_UPDATE_EXPECTATIONS` set, the file is written anew.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::{import, ImportOptions};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Pass,
    Refused(String),
    Wrong(String),
}

struct Case {
    models: Vec<Vec<u8>>,
    arrays: BTreeMap<String, Tensor>,
    rtol: f64,
    atol: f64,
}

impl Case {
    /// A case passes when one of its models does; none may be wrong.
    fn run(&self) -> Outcome {
        let outcomes: Vec<Outcome> = self.models.iter().map(|model| self.run_model(model)).collect();
        let wrong = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Wrong(_)));
        let pass = outcomes.iter().find(|outcome| **outcome == Outcome::Pass);
        wrong.or(pass).or(outcomes.last()).expect("a case has a model").clone()
    }

    fn run_model(&self, model: &[u8]) -> Outcome {
        let graph = match import(model, &ImportOptions::default()) {
            Ok(graph) => graph,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let inputs: Vec<Tensor> =
            self.input_positions(model).into_iter().map(|index| self.arrays[&format!("in{index}")].clone()).collect();
        let outputs = match evaluate_outputs(&graph, &inputs) {
            Ok(outputs) => outputs,
            Err(error) => return Outcome::Wrong(error.to_string()),
        };
        let differences = outputs.iter().enumerate().filter_map(|(index, output)| {
            let expected = &self.arrays[&format!("out{index}")];
            support::difference(output, expected, self.rtol, self.atol).map(|text| format!("output {index}: {text}"))
        });
        differences.map(Outcome::Wrong).next().unwrap_or(Outcome::Pass)
    }

    /// The arrays that feed the inputs of a model: `model_const.onnx` has fewer than the first model.
    fn input_positions(&self, model: &[u8]) -> Vec<usize> {
        let names = |bytes: &[u8]| -> Vec<String> {
            let graph = import_names(bytes);
            graph.into_iter().collect()
        };
        let all = names(&self.models[0]);
        names(model).iter().map(|name| all.iter().position(|other| other == name).expect("a known input")).collect()
    }
}

/// Names of the graph inputs that are no initializers, read from the protobuf itself.
fn import_names(bytes: &[u8]) -> Vec<String> {
    let graph = fields(bytes).into_iter().find(|(number, _)| *number == 7).expect("a graph").1;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names are UTF-8");
    let name_of = |message: &[u8], number: u64| {
        fields(message).into_iter().find(|(field, _)| *field == number).map(|(_, name)| text(name)).unwrap_or_default()
    };
    let of = |field: u64, name: u64| {
        let list = fields(graph).into_iter().filter(move |(number, _)| *number == field);
        list.map(|(_, message)| name_of(message, name)).collect::<Vec<_>>()
    };
    let stored = of(5, 8);
    of(11, 1).into_iter().filter(|name| !stored.contains(name)).collect()
}

/// The length-delimited fields of a message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = bytes.split_first().expect("a complete number");
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut list = vec![];
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                varint(&mut bytes);
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            _ => 4,
        };
        let (body, rest) = bytes.split_at(length);
        if tag & 7 == 2 {
            list.push((tag >> 3, body));
        }
        bytes = rest;
    }
    list
}

fn expectations_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expectations.toml")
}

fn expectations() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(expectations_path()).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, state)| (name.to_owned(), state.trim_matches('"').to_owned()))
        .collect()
}

fn state(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "pass".into(),
        Outcome::Refused(reason) => format!("refused: {}", reason.replace(['"', '\n'], "'")),
        Outcome::Wrong(difference) => format!("WRONG: {difference}"),
    }
}

fn compare(found: &BTreeMap<String, Outcome>) -> Vec<String> {
    let expected = expectations();
    found
        .iter()
        .filter(|(name, outcome)| matches!(outcome, Outcome::Wrong(_)) || expected.get(*name) != Some(&state(outcome)))
        .map(|(name, outcome)| format!("{name}: {}, expected {:?}", state(outcome), expected.get(name)))
        .collect()
}

fn write_expectations(found: &BTreeMap<String, Outcome>) {
    let head = "# Cases of the ONNX backend suite and what comes of them; written by the test `node_suite`.\n";
    let mut states = expectations();
    states.extend(found.iter().map(|(name, outcome)| (name.clone(), state(outcome))));
    let lines = states.iter().map(|(name, state)| format!("{name} = \"{state}\"\n"));
    std::fs::write(expectations_path(), head.to_owned() + &lines.collect::<String>()).expect("the file is writable");
}

#[test]
fn whole_suite_is_as_expected() {
    let Some(folder) = std::env::var_os("ZKINFER_ONNX_SUITE").map(PathBuf::from) else {
        println!("skipped: no ONNX suite (set ZKINFER_ONNX_SUITE)");
        return;
    };
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("the suite has cases.json");
    let index: serde_json::Value = serde_json::from_str(&text).expect("cases.json is JSON");
    let mut found = BTreeMap::new();
    let mut per_operator: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in index["cases"].as_array().expect("a list of cases") {
        let name = entry["name"].as_str().expect("a name").to_owned();
        let models = ["model.onnx", "model_const.onnx"]
            .iter()
            .filter_map(|file| std::fs::read(folder.join(&name).join(file)).ok())
            .collect();
        let tolerance = |key: &str| entry[key].as_f64().expect("a tolerance");
        let arrays = support::read_npz(&folder.join(&name).join("io.npz"));
        let case = Case { models, arrays, rtol: tolerance("rtol"), atol: tolerance("atol").max(1e-6) };
        let outcome = case.run();
        if entry["class"] != "other" && entry["kind"] == "node" {
            let count = per_operator.entry(entry["op"].as_str().unwrap_or("?").to_owned()).or_default();
            count.0 += usize::from(outcome == Outcome::Pass);
            count.1 += 1;
        }
        found.insert(name, outcome);
    }
    for (operator, (passed, all)) in &per_operator {
        println!("{operator} {passed}/{all}");
    }
    let passed = found.values().filter(|outcome| **outcome == Outcome::Pass).count();
    println!("{passed} of {} cases pass", found.len());
    let wrong: Vec<_> = found.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Wrong(_))).collect();
    assert!(wrong.is_empty(), "wrong answers: {wrong:#?}");
    if std::env::var_os("ZKINFER_UPDATE_EXPECTATIONS").is_some() {
        write_expectations(&found);
    }
    let differences = compare(&found);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn selected_cases_are_as_expected() {
    let bytes = include_bytes!("cases.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).expect("the selection is a zip archive");
    let mut files: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("the entry exists");
        let path = entry.name().expect("the name is UTF-8").into_owned();
        let (case, file) = path.split_once('/').expect("files lie in the folder of their case");
        let mut content = vec![];
        entry.read_to_end(&mut content).expect("the entry is readable");
        files.entry(case.to_owned()).or_default().insert(file.to_owned(), content);
    }
    assert!(files.len() > 100, "only {} cases", files.len());
    let found = files
        .into_iter()
        .map(|(name, mut files)| {
            let arrays = support::read_npz_bytes(files.remove("io.npz").expect("each case has arrays"));
            let models = ["model.onnx", "model_const.onnx"].iter().filter_map(|file| files.remove(*file)).collect();
            (name, Case { models, arrays, rtol: 1e-3, atol: 1e-6 }.run())
        })
        .collect();
    let differences = compare(&found);
    assert!(differences.is_empty(), "{differences:#?}");
}
