//! The node cases of ONNX's own backend suite, and cases whose outputs onnxruntime gave (older operator sets, window
//! geometry, linear models; names `ort_…`, made by `make_runtime_cases.py`), in the float evaluator and as integer programs.
//!
//! `expectations.toml` says for each case what comes of it in the evaluator and, where that passes, as a program that is
//! calibrated on the inputs of the case and held against its recorded outputs; no case may give a wrong answer, and no error
//! of a program may grow. The whole suite is found through `ZKINFER_ONNX_SUITE`, a folder that `make_node_suite.py` makes. A
//! selection in `cases.zip` is always run, and so are trees and kernel machines in `ml_cases.zip` (`make_ml_cases.py`). With
//! `ZKINFER_UPDATE_EXPECTATIONS` set, the file is written anew, and with it the documents that say the same.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::{import, ImportOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::cases::{ml_cases, selected_cases, Case};
use support::expectations::{Expectation, States, INEXACT};
use support::programs::{program_of, ProgramOutcome, WIDTHS};

/// Relative tolerances of cases in float16 and bfloat16: the suite's outputs are rounded to 11 or 8 bits after every step, ours
/// are not.
const HALF_TOLERANCES: [(&str, f64); 2] = [("float16", 4e-3), ("bfloat16", 1e-2)];

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Pass,
    /// With the integers and booleans among its inputs as constants.
    PassWithConstants,
    /// It is imported; its values are text or sequences, which the test cannot feed.
    NotRun,
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
    let Some(inputs) = case.inputs_of(model) else { return Outcome::NotRun };
    if !(0..graph.outputs.len()).all(|index| case.arrays.contains_key(&format!("out{index}"))) {
        return Outcome::NotRun;
    }
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

/// What came of a case in the float evaluator, and of one that passes as a program.
struct Found {
    float: Outcome,
    program: Option<ProgramOutcome>,
}

fn judge(case: &Case) -> Found {
    let float = run(case);
    let passes = matches!(float, Outcome::Pass | Outcome::PassWithConstants);
    Found { float, program: passes.then(|| program_of(case).0) }
}

/// Judges cases side by side.
fn judge_all(cases: Vec<(String, Case)>) -> BTreeMap<String, Found> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let taken = std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed)));
        taken.map(|(name, case)| (name.clone(), judge(case))).collect::<Vec<_>>()
    };
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no case panics")).collect()
    })
}

fn expectations_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expectations.toml")
}

fn states_of(found: &Found) -> States {
    States { float: float_state(&found.float), program: found.program.as_ref().map(program_state) }
}

/// Whether a case is as expected; errors may be smaller.
fn meets(found: &States, expected: &States) -> bool {
    let program = match (found.error(), expected.error()) {
        (Some(found), Some(expected)) => found <= expected,
        _ => found.program == expected.program,
    };
    program && found.float == expected.float
}

fn expectations() -> BTreeMap<String, Expectation> {
    support::expectations::read(&std::fs::read_to_string(expectations_path()).unwrap_or_default())
}

fn refused(reason: &str) -> String {
    format!("refused: {}", reason.replace(['"', '\n'], "'"))
}

fn float_state(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "pass".into(),
        Outcome::PassWithConstants => "pass with constant integers".into(),
        Outcome::NotRun => "not run: its values are text or sequences".into(),
        Outcome::Refused(reason) => refused(reason),
        Outcome::Wrong(difference) => format!("WRONG: {difference}"),
    }
}

fn program_state(outcome: &ProgramOutcome) -> String {
    match outcome {
        ProgramOutcome::Pass { bits, constants } => {
            let constants = if *constants { " with constants" } else { "" };
            let width = if *bits == WIDTHS[0] { String::new() } else { format!(" at {bits} bits") };
            format!("pass{constants}{width}")
        }
        // Rounded up.
        ProgramOutcome::Inexact(error) => format!("{INEXACT}{:.2}", (100.0 * error).ceil() / 100.0),
        ProgramOutcome::Constant => "constant".into(),
        ProgramOutcome::Refused(reason) => refused(reason),
    }
}

fn compare(found: &BTreeMap<String, Found>) -> Vec<String> {
    let expected = expectations();
    let expected_of = |name: &String| expected.get(name).map(|expectation| &expectation.states);
    found
        .iter()
        .filter(|(name, found)| {
            let wrong = matches!(found.float, Outcome::Wrong(_));
            wrong || !expected_of(name).is_some_and(|expected| meets(&states_of(found), expected))
        })
        .map(|(name, found)| format!("{name}: {:?}, expected {:?}", states_of(found), expected_of(name)))
        .collect()
}

fn by_operator(expectations: &BTreeMap<String, Expectation>) -> BTreeMap<&str, Vec<(&str, &States)>> {
    let mut operators: BTreeMap<&str, Vec<(&str, &States)>> = BTreeMap::new();
    for (name, Expectation { operator, states }) in expectations {
        operators.entry(operator).or_default().push((name, states));
    }
    operators
}

fn write_expectations(found: &BTreeMap<String, Expectation>) {
    let head = "# Cases of the ONNX backend suite and what comes of them, in the float evaluator and as integer programs; written by \
                the test `node_suite`.\n";
    let mut text = head.to_owned();
    for (operator, cases) in by_operator(found) {
        text += &format!("\n[\"{operator}\"]\n");
        for (name, States { float, program }) in cases {
            let program = program.as_ref().map(|program| format!(", \"{program}\"")).unwrap_or_default();
            text += &format!("{name} = [\"{float}\"{program}]\n");
        }
    }
    std::fs::write(expectations_path(), text).expect("the file is writable");
    std::fs::write(document_path(), document()).expect("the file is writable");
    let readme = std::fs::read_to_string(readme_path()).expect("the file is readable");
    let [before, _, after] = around_operators(&readme);
    std::fs::write(readme_path(), [before, &operator_lists(), after].concat()).expect("the file is writable");
}

fn readme_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")
}

/// The README before the lists of operators, they themselves, and what follows.
fn around_operators(readme: &str) -> [&str; 3] {
    let (start, end) = ("<!-- operators: written by the test node_suite -->\n", "<!-- end of operators -->\n");
    let from = readme.find(start).expect("the README has a place for operators") + start.len();
    let to = from + readme[from..].find(end).expect("the place has an end");
    [&readme[..from], &readme[from..to], &readme[to..]]
}

/// The operators of the suite by what comes of their cases, as paragraphs of the README.
fn operator_lists() -> String {
    let expectations = expectations();
    let all = by_operator(&expectations);
    // Other headers stand for graphs of several operators, and for networks.
    let single = all.iter().filter(|(operator, _)| !operator.contains(['|', '?']) && !operator.starts_with("light_"));
    let (mut proved, mut partly, mut never) = (vec![], vec![], vec![]);
    for (operator, cases) in single {
        let programs = cases.iter().filter(|(_, states)| states.is_program()).count();
        // Nothing is left to prove of a constant.
        let constant = cases.iter().filter(|(_, states)| states.program.as_deref() == Some("constant")).count();
        match (programs, programs + constant == cases.len()) {
            (_, true) => proved.push(operator.to_string()),
            (0, _) => never.push(operator.to_string()),
            _ => partly.push(format!("{operator} ({programs} of {})", cases.len())),
        }
    }
    let paragraph = |head: String, list: Vec<String>| wrapped(&format!("{head}: {}.", list.join(", ")));
    [
        paragraph(format!("**Every case becomes a program that gives its outputs** ({} operators)", proved.len()), proved),
        paragraph(
            format!("**Some of the cases** ({} operators; the others are refused, or less exact)", partly.len()),
            partly,
        ),
        paragraph(
            format!(
                "**None of the cases** ({} operators: training, random numbers, text, sequences; infinite inputs, which IsInf and \
                 IsNaN are tried on; jumps at values of the case, as of Round)",
                never.len()
            ),
            never,
        ),
    ]
    .join("\n")
}

/// A paragraph in lines of the README's width.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > 130 {
            lines += &line;
            lines.push('\n');
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &line + "\n"
}

fn document_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators.md")
}

/// The document that tells what works, from the expectations.
fn document() -> String {
    let expectations = expectations();
    let mut rows = String::new();
    for (operator, cases) in by_operator(&expectations) {
        let count = |wanted: fn(&States) -> bool| cases.iter().filter(|(_, states)| wanted(states)).count();
        let counts = [
            cases.len(),
            count(|states| states.float == "pass"),
            count(|states| states.float == "pass with constant integers"),
            count(|states| states.is_program() && !states.has_constants()),
            count(|states| states.is_program() && states.has_constants()),
            count(|states| states.error().is_some()),
        ];
        let counts: String = counts.iter().map(|count| format!(" {count} |")).collect();
        rows += &format!("| {} |{counts} {} |\n", operator.replace('|', ", "), remarks(&cases).join("<br>"));
    }
    let inexact: String = by_operator(&expectations)
        .into_values()
        .flatten()
        .filter_map(|(name, states)| Some(format!("| `{name}` | {:.0} % | {} |\n", 100.0 * states.error()?, why(name))))
        .collect();
    let all = || expectations.values().map(|expectation| &expectation.states);
    let passed = all().filter(|states| states.float.starts_with("pass")).count();
    let programs = all().filter(|states| states.is_program()).count();
    format!(
        "# Operators\n\n\
         What comes of the cases of the ONNX backend suite, and of cases whose outputs onnxruntime gave (`ort_…`).\n\n\
         * **float**: in the importer and the float evaluator {passed} of {} pass, none is wrong, the others are refused with the \
         reason. Where indices,\n  axes or lengths are inputs of a case, it counts apart if it passes with these as constants, as \
         most models have them.\n\
         * **program**: {programs} of these also become an integer program, which is what can be proved. It is calibrated on the \
         inputs of the case, has\n  activations of 12 bits (or as many as is said), and its outputs are within 3 % of the range of \
         the recorded ones. It counts apart\n  if operands that models have as weights have to be constants for that. Some \
         programs are known to be less exact: the errors are below.\n\n\
         Written by the test `node_suite` of `onnx-import`, which also checks that it is in step with \
         `tests/expectations.toml`; cases are listed there by\nname. Operators of the suite that stand for small graphs bear the \
         name of the graph. `make_node_suite.py FOLDER`, beside the test, exports the suite\nfrom the package `onnx`; \
         `ZKINFER_ONNX_SUITE=FOLDER cargo test --release -p zkinfer-onnx-import --test node_suite` runs all of it.\n\n\
         | operator | cases | float | with constants | program | with constants | inexact | refused, and why |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n{rows}\n\
         ## Known to be inexact\n\n\
         Errors as a part of the range of an output; of integers and booleans the share that is wrong.\n\n\
         | case | error | why |\n| --- | ---: | --- |\n{inexact}",
        expectations.len()
    )
}

/// What is refused and why, and what else is to be said of the cases of an operator; each with the number of cases.
fn remarks(cases: &[(&str, &States)]) -> Vec<String> {
    let mut remarks: BTreeMap<String, usize> = BTreeMap::new();
    for (_, states) in cases {
        let remark = match &states.program {
            None => reason(&states.float),
            Some(program) if program.starts_with("refused") => format!("no program: {}", reason(program)),
            Some(program) if program == "constant" => "nothing depends on an input".into(),
            Some(program) => match program.split_once(" at ") {
                Some((_, bits)) => format!("with {bits}"),
                None => continue,
            },
        };
        *remarks.entry(remark).or_default() += 1;
    }
    remarks.iter().map(|(remark, count)| format!("{count}: {remark}")).collect()
}

/// Why a case is inexact.
fn why(name: &str) -> &'static str {
    WHY.iter().find(|(inexact, _)| *inexact == name).map_or("", |(_, why)| why)
}

const EXPONENTIALS: &str = "exponentials of numbers from 1 to 60, from which no largest one is taken off";

/// Why cases are inexact.
const WHY: &[(&str, &str)] = &[
    ("ort_features_1", "compares reals with a constant for equality"),
    ("ort_one_hot_of_reals_0", "takes integer parts of reals that are whole numbers"),
    ("ort_one_hot_of_reals_1", "takes integer parts of reals that are whole numbers"),
    ("test_onehot_with_axis", "takes integer parts of reals that are whole numbers"),
    ("test_onehot_with_negative_axis", "takes integer parts of reals that are whole numbers"),
    ("test_round", "jumps at values of the case"),
    ("test_attention_4d_softcap_neginf_mask_poison_expanded", "masked values are a thousand times the others"),
    (
        "test_lppool_2d_same_lower",
        "the fourth root of a sum of fourth powers, some of which are a millionth of the others",
    ),
    ("test_reduce_log_sum_exp_do_not_keepdims_example_expanded", EXPONENTIALS),
    ("test_reduce_log_sum_exp_keepdims_example_expanded", EXPONENTIALS),
    ("test_reduce_log_sum_exp_negative_axes_keepdims_example_expanded", EXPONENTIALS),
];

/// A reason without the names of a case, and numbers of operator sets.
fn reason(state: &str) -> String {
    let text = state.trim_start_matches("refused: ");
    let text = match text.strip_prefix("node `").and_then(|rest| rest.split_once("): ")) {
        Some((node, reason)) => match node.split_once("` (") {
            Some((_, operator)) => format!("{operator}: {reason}"),
            None => reason.to_owned(),
        },
        // Errors of compiling name a node and no operator.
        None => match text.strip_prefix("node '").and_then(|rest| rest.split_once('\'')) {
            Some((_, reason)) => reason.trim_start_matches([':', ' ']).to_owned(),
            None => text.to_owned(),
        },
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
fn the_documents_of_operators_are_in_step() {
    let written = std::fs::read_to_string(document_path()).unwrap_or_default();
    let update = "run this test with ZKINFER_ONNX_SUITE and ZKINFER_UPDATE_EXPECTATIONS set";
    assert!(written == document(), "docs/operators.md does not say what tests/expectations.toml does; {update}");
    let readme = std::fs::read_to_string(readme_path()).expect("the file is readable");
    assert!(around_operators(&readme)[1] == operator_lists(), "nor does the README; {update}");
}

#[test]
fn whole_suite_is_as_expected() {
    let Some(folder) = std::env::var_os("ZKINFER_ONNX_SUITE").map(PathBuf::from) else {
        println!("skipped: no ONNX suite (set ZKINFER_ONNX_SUITE)");
        return;
    };
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("the suite has cases.json");
    let index: serde_json::Value = serde_json::from_str(&text).expect("cases.json is JSON");
    let (mut cases, mut operators) = (vec![], BTreeMap::new());
    for entry in index["cases"].as_array().expect("a list of cases") {
        let name = entry["name"].as_str().expect("a name").to_owned();
        let models = ["model.onnx", "model_const.onnx"]
            .iter()
            .filter_map(|file| std::fs::read(folder.join(&name).join(file)).ok())
            .collect();
        let tolerance = |key: &str| entry[key].as_f64().expect("a tolerance");
        let arrays = support::read_npz(&folder.join(&name).join("io.npz"));
        let outputs = entry["outputs"].as_array().expect("a list of outputs");
        let half = HALF_TOLERANCES.iter().filter(|(dtype, _)| outputs.iter().any(|output| output["dtype"] == *dtype));
        let rtol = half.map(|(_, tolerance)| *tolerance).fold(tolerance("rtol"), f64::max);
        operators.insert(name.clone(), entry["op"].as_str().unwrap_or("?").to_owned());
        cases.push((name, Case { models, arrays, rtol, atol: tolerance("atol").max(1e-6) }));
    }
    if std::env::var_os("ZKINFER_UPDATE_EXPECTATIONS").is_none() {
        return assert_expected(&judge_all(cases));
    }
    // Those of the archives as well: they are under the operators where they were before.
    let known = expectations();
    for (name, case) in selected_cases().into_iter().chain(ml_cases()) {
        if let (false, Some(expectation)) = (operators.contains_key(&name), known.get(&name)) {
            operators.insert(name.clone(), expectation.operator.clone());
            cases.push((name, case));
        }
    }
    let found = judge_all(cases);
    let states = |(name, found): (&String, &Found)| {
        (name.clone(), Expectation { operator: operators[name].clone(), states: states_of(found) })
    };
    write_expectations(&found.iter().map(states).collect());
    assert_expected(&found);
}

/// Tells how many cases pass, and fails where one is not as expected.
fn assert_expected(found: &BTreeMap<String, Found>) {
    let passed = found.values().filter(|found| found.program.is_some()).count();
    let programs = found.values().filter(|found| matches!(found.program, Some(ProgramOutcome::Pass { .. }))).count();
    println!("{passed} of {} cases pass, {programs} as programs", found.len());
    let differences = compare(found);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn selected_cases_are_as_expected() {
    let cases: Vec<_> = selected_cases().into_iter().chain(ml_cases()).collect();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    assert_expected(&judge_all(cases));
}
