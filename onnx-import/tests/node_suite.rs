//! The node cases of ONNX's own backend suite, and cases whose outputs onnxruntime gave (older operator sets, window
//! geometry, linear models; names `ort_…`, made by `make_runtime_cases.py`), in the float evaluator.
//!
//! `expectations.toml` says for each case whether it passes or why it is refused; no case may give a wrong answer. The
//! whole suite is found through `ZKINFER_ONNX_SUITE`, a folder with `<case>/model.onnx`, perhaps `<case>/model_const.onnx`
//! (operands that real models hold as constants turned into initializers), `<case>/io.npz` and `cases.json`. A selection
//! in `cases.zip` is always run, and so are trees and kernel machines in `ml_cases.zip` (`make_ml_cases.py`). With `ZKINFER_UPDATE_EXPECTATIONS` set, the file is written anew.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::{import, ImportOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::cases::{ml_cases, selected_cases, Case};

/// Relative tolerance of cases in float16: the suite's outputs are rounded to 11 bits after every step, ours are not.
const HALF_TOLERANCE: f64 = 4e-3;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Pass,
    /// With the integers and booleans among its inputs as constants.
    PassWithConstants,
    Refused(String),
    Wrong(String),
}

/// A case passes when one of its models does; none may be wrong.
fn run(case: &Case) -> Outcome {
    let mut outcomes: Vec<Outcome> = case.models.iter().map(|model| run_model(case, model)).collect();
    if !outcomes.contains(&Outcome::Pass) {
        match case.with_constant_integers().map(|model| run_model(case, &model)) {
            Some(Outcome::Pass) => outcomes.push(Outcome::PassWithConstants),
            Some(Outcome::Wrong(difference)) => outcomes.push(Outcome::Wrong(difference)),
            _ => {}
        }
    }
    let wrong = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Wrong(_)));
    let pass = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Pass | Outcome::PassWithConstants));
    wrong.or(pass).or(outcomes.last()).expect("a case has a model").clone()
}

fn run_model(case: &Case, model: &[u8]) -> Outcome {
    let graph = match import(model, &ImportOptions::default()) {
        Ok(graph) => graph,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let inputs: Vec<Tensor> =
        case.input_positions(model).into_iter().map(|index| case.arrays[&format!("in{index}")].clone()).collect();
    let outputs = match evaluate_outputs(&graph, &inputs) {
        Ok(outputs) => outputs,
        Err(error) => return Outcome::Wrong(error.to_string()),
    };
    let differences = outputs.iter().enumerate().filter_map(|(index, output)| {
        let expected = &case.arrays[&format!("out{index}")];
        support::difference(output, expected, case.rtol, case.atol).map(|text| format!("output {index}: {text}"))
    });
    differences.map(Outcome::Wrong).next().unwrap_or(Outcome::Pass)
}

fn expectations_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expectations.toml")
}

/// What is expected of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expectation {
    operator: String,
    state: String,
}

/// The cases stand under the operator that they are about.
fn expectations() -> BTreeMap<String, Expectation> {
    let text = std::fs::read_to_string(expectations_path()).unwrap_or_default();
    let mut operator = String::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]")) {
            header.clone_into(&mut operator);
        } else if let Some((name, state)) = line.split_once(" = ") {
            let state = state.trim_matches('"').to_owned();
            found.insert(name.to_owned(), Expectation { operator: operator.clone(), state });
        }
    }
    found
}

fn state(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "pass".into(),
        Outcome::PassWithConstants => "pass with constant integers".into(),
        Outcome::Refused(reason) => format!("refused: {}", reason.replace(['"', '\n'], "'")),
        Outcome::Wrong(difference) => format!("WRONG: {difference}"),
    }
}

fn compare(found: &BTreeMap<String, Outcome>) -> Vec<String> {
    let expected = expectations();
    let state_of = |name: &String| expected.get(name).map(|expectation| &expectation.state);
    found
        .iter()
        .filter(|(name, outcome)| matches!(outcome, Outcome::Wrong(_)) || state_of(name) != Some(&state(outcome)))
        .map(|(name, outcome)| format!("{name}: {}, expected {:?}", state(outcome), state_of(name)))
        .collect()
}

fn by_operator(expectations: &BTreeMap<String, Expectation>) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut operators: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (name, Expectation { operator, state }) in expectations {
        operators.entry(operator).or_default().push((name, state));
    }
    operators
}

fn write_expectations(found: BTreeMap<String, Expectation>) {
    let head = "# Cases of the ONNX backend suite and what comes of them; written by the test `node_suite`.\n";
    let mut states = expectations();
    states.extend(found);
    let mut text = head.to_owned();
    for (operator, cases) in by_operator(&states) {
        text += &format!("\n[\"{operator}\"]\n");
        cases.iter().for_each(|(name, state)| text += &format!("{name} = \"{state}\"\n"));
    }
    std::fs::write(expectations_path(), text).expect("the file is writable");
    std::fs::write(document_path(), document()).expect("the file is writable");
}

fn document_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md")
}

/// The document that tells what works, from the expectations.
fn document() -> String {
    let expectations = expectations();
    let count = |cases: &[(&str, &str)], wanted: &str| cases.iter().filter(|(_, state)| *state == wanted).count();
    let mut rows = String::new();
    for (operator, cases) in by_operator(&expectations) {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for (_, state) in cases.iter().filter(|(_, state)| !state.starts_with("pass")) {
            *reasons.entry(reason(state)).or_default() += 1;
        }
        let reasons: Vec<_> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        let operator = operator.replace('|', ", ");
        let (plain, constant) = (count(&cases, "pass"), count(&cases, "pass with constant integers"));
        rows += &format!("| {operator} | {plain} | {constant} | {} | {} |\n", cases.len(), reasons.join("<br>"));
    }
    let inexact: String = support::cases::INEXACT
        .iter()
        .map(|(name, error, why)| format!("| `{name}` | {} % | {why} |\n", (100.0 * error).round()))
        .collect();
    let passed = expectations.values().filter(|expectation| expectation.state.starts_with("pass")).count();
    format!(
        "# Operators\n\n\
         What comes of the cases of the ONNX backend suite, and of cases whose outputs onnxruntime gave (`ort_…`), in the \
         importer and the\nfloat evaluator: {passed} of {} pass, none is wrong, the others are refused with the reason. \
         Written by the test `node_suite` of\n`onnx-import`, which also checks that it is in step with \
         `tests/expectations.toml`; cases are listed there by name. Operators of the suite that\nstand for small graphs \
         bear the name of the graph. Where indices, axes or lengths are inputs of a case, it \
         counts apart if it passes with these as constants, as most\nmodels have them.\n\n\
         | operator | pass | with constants | cases | refused, and why |\n| --- | ---: | ---: | ---: | --- |\n{rows}\n\
         ## In fixed point\n\n\
         A selection of the cases is compiled and run as an integer program of 12 bits (`tests/quantize_cases.rs`): outputs \
         are within 3 % of their\nrange, but for these.\n\n\
         | case | error | why |\n| --- | ---: | --- |\n{inexact}",
        expectations.len()
    )
}

/// A reason without the names of a case, and numbers of operator sets.
fn reason(state: &str) -> String {
    let text = state.trim_start_matches("refused: ");
    let text = match text.strip_prefix("node `").and_then(|rest| rest.split_once("): ")) {
        Some((node, reason)) => match node.split_once("` (") {
            Some((_, operator)) => format!("{operator}: {reason}"),
            None => reason.to_owned(),
        },
        None => text.to_owned(),
    };
    let text = match text.split_once(" (operator set ") {
        Some((before, _)) => before.to_owned(),
        None => text,
    };
    // Names between backticks differ from case to case.
    let parts: Vec<&str> = text.split('`').collect();
    let named = |(at, part): (usize, &&str)| if at % 2 == 1 && part.len() > 12 { "…" } else { part }.to_owned();
    let text: Vec<String> = parts.iter().enumerate().map(named).collect();
    text.join("`").replace('|', "\\|")
}

#[test]
fn the_document_of_operators_is_in_step() {
    let written = std::fs::read_to_string(document_path()).unwrap_or_default();
    let update = "run this test with ZKINFER_ONNX_SUITE and ZKINFER_UPDATE_EXPECTATIONS set";
    assert!(written == document(), "docs/operators.md does not say what tests/expectations.toml does; {update}");
}

#[test]
fn whole_suite_is_as_expected() {
    let Some(folder) = std::env::var_os("ZKINFER_ONNX_SUITE").map(PathBuf::from) else {
        println!("skipped: no ONNX suite (set ZKINFER_ONNX_SUITE)");
        return;
    };
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("the suite has cases.json");
    let index: serde_json::Value = serde_json::from_str(&text).expect("cases.json is JSON");
    let (mut found, mut operators) = (BTreeMap::new(), BTreeMap::new());
    let mut per_operator: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in index["cases"].as_array().expect("a list of cases") {
        let name = entry["name"].as_str().expect("a name").to_owned();
        let models = ["model.onnx", "model_const.onnx"]
            .iter()
            .filter_map(|file| std::fs::read(folder.join(&name).join(file)).ok())
            .collect();
        let tolerance = |key: &str| entry[key].as_f64().expect("a tolerance");
        let arrays = support::read_npz(&folder.join(&name).join("io.npz"));
        let half =
            entry["outputs"].as_array().is_some_and(|list| list.iter().any(|output| output["dtype"] == "float16"));
        let rtol = if half { tolerance("rtol").max(HALF_TOLERANCE) } else { tolerance("rtol") };
        let case = Case { models, arrays, rtol, atol: tolerance("atol").max(1e-6) };
        let outcome = run(&case);
        if entry["class"] != "other" && entry["kind"] == "node" {
            let count = per_operator.entry(entry["op"].as_str().unwrap_or("?").to_owned()).or_default();
            count.0 += usize::from(outcome == Outcome::Pass);
            count.1 += 1;
        }
        let operator = entry["op"].as_str().unwrap_or("?").to_owned();
        operators.insert(name.clone(), Expectation { operator, state: state(&outcome) });
        found.insert(name, outcome);
    }
    for (operator, (passed, all)) in &per_operator {
        println!("{operator} {passed}/{all}");
    }
    let pass = |outcome: &&Outcome| matches!(outcome, Outcome::Pass | Outcome::PassWithConstants);
    let passed = found.values().filter(pass).count();
    println!("{passed} of {} cases pass", found.len());
    let wrong: Vec<_> = found.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Wrong(_))).collect();
    assert!(wrong.is_empty(), "wrong answers: {wrong:#?}");
    if std::env::var_os("ZKINFER_UPDATE_EXPECTATIONS").is_some() {
        write_expectations(operators);
    }
    let differences = compare(&found);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn selected_cases_are_as_expected() {
    let cases = selected_cases();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    let cases = cases.into_iter().chain(ml_cases());
    let found = cases.map(|(name, case)| (name, run(&case))).collect();
    let differences = compare(&found);
    assert!(differences.is_empty(), "{differences:#?}");
}
