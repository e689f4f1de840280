//! Each operator of ONNX, from a case of the node suite to a proof: of each the smallest case whose program gives the recorded
//! outputs is laid out, its honest run satisfies every gate and copy, programs with one cell changed do not, and the proof of it is
//! accepted by the verifier. What the programs are made of is attacked operator by operator in the suites of `circuits`.

#[path = "../../circuits/tests/support/check.rs"]
mod check;
#[path = "../../onnx-import/tests/support/mod.rs"]
mod onnx;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;
#[path = "../../circuits/tests/support/targets.rs"]
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;
use std::time::Instant;

use check::{refuses_changes, Case as Laid, Shape};
use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use circuits::reference;
use onnx::cases::{ml_cases, quantized_cases, selected_cases, Case};
use onnx::programs::{compile_model, program_of, CompiledCase, WIDTHS};
use prover::srs::Srs;
use prover::{prove, Plan, ProveOptions};
use support::ProgramBuilder;
use verifier::verify;

/// Largest machine that a case is proved on here: the bits of two values take tables of their pairs.
const MOST_ROWS: u32 = 17;
/// Largest machine whose gates are looked at on every row; larger ones are proved only.
const MOST_ROWS_BY_CELL: u32 = 12;
/// Cells of each case that are changed, one at a time.
const CHANGES: usize = 6;

/// The cases of each operator that have a program, the smallest first. Headers of several operators stand for graphs.
fn cases_by_operator() -> BTreeMap<String, Vec<(String, Case)>> {
    let expectations = onnx::expectations::read(include_str!("../../onnx-import/tests/expectations.toml"));
    let mut operators: BTreeMap<String, Vec<(String, Case)>> = BTreeMap::new();
    for (name, case) in selected_cases().into_iter().chain(ml_cases()) {
        let expectation = &expectations[&name];
        if expectation.states.is_program() && !expectation.operator.contains('|') {
            operators.entry(expectation.operator.clone()).or_default().push((name, case));
        }
    }
    let size = |case: &Case| case.arrays.values().map(|array| array.data.len()).sum::<usize>() + case.models[0].len();
    operators.values_mut().for_each(|cases| cases.sort_by_key(|(_, case)| size(case)));
    operators
}

/// The first of the cases whose gates can be looked at on every row; of an operator without one, the first that can be proved.
fn smallest(cases: &[(String, Case)]) -> Option<(&str, CompiledCase, Plan)> {
    let within = |most: u32| {
        cases.iter().find_map(|(name, case)| {
            let compiled = program_of(case).1?;
            let plan = Plan::new(compiled.program.clone(), LayoutOptions::default()).ok()?;
            (plan.k() <= most).then_some((name.as_str(), compiled, plan))
        })
    };
    within(MOST_ROWS_BY_CELL).or_else(|| within(MOST_ROWS))
}

/// The gates and copies hold for the interpreter's run, and for none with a cell changed.
fn satisfies_the_gates(name: &str, compiled: &CompiledCase) {
    let mut builder = ProgramBuilder::new(1);
    builder.program = compiled.program.clone();
    refuses_changes(&Laid::with_inputs(name, builder, compiled.inputs.clone(), Shape::from(1)), CHANGES, 1);
}

/// A proof for the interpreter's outputs is accepted, and for no others.
fn is_proved(program: &Program, inputs: &[Vec<i64>], plan: &Plan, srs: &Srs) {
    let srs = srs.clone().fit(plan.k()).expect("the SRS is large enough");
    let (key, _) = plan.clone().setup(&srs, &()).expect("the SRS fits");
    let proved = prove(&key, &srs, inputs, &ProveOptions::default()).expect("the inputs are admissible");
    let trace = reference::run(program, inputs).expect("the inputs are admissible");
    let statement =
        verify(key.verifying_key(), &proved.proof.public, &proved.proof).expect("the verifier accepts the proof");
    for (port, outputs) in statement.ports.iter().rev().zip(trace.outputs(program).iter().rev()) {
        assert_eq!(port.values.as_ref(), Some(outputs), "outputs of cases are public");
    }
    let mut claimed = proved.proof.clone();
    claimed.public.values.last_mut().expect("something is public")[0] ^= 1;
    let public = claimed.public.clone();
    assert!(verify(key.verifying_key(), &public, &claimed).is_err(), "another output");
}

/// Proves the smallest case of an operator, and tells it.
///
/// # Panics
/// If something is accepted that must not be, or refused that must not be.
fn prove_one(operator: &str, cases: &[(String, Case)], srs: &Srs) {
    let start = Instant::now();
    let (name, compiled, plan) = smallest(cases).expect("a case of the operator fits a small machine");
    if plan.k() <= MOST_ROWS_BY_CELL {
        satisfies_the_gates(name, &compiled);
    }
    let gates = start.elapsed();
    is_proved(&compiled.program, &compiled.inputs, &plan, srs);
    println!("{operator}: {name}, 2^{} rows, {gates:.1?} of {:.1?} for the gates", plan.k(), start.elapsed());
}

#[test]
fn each_operator_of_the_node_suite_is_proved() {
    let operators = cases_by_operator();
    assert!(operators.len() > 150, "cases of {} operators only", operators.len());
    let srs = Srs::development(MOST_ROWS).expect("a possible size");
    let (queue, failed) = (Mutex::new(operators.iter()), Mutex::new(vec![]));
    let next = || queue.lock().expect("nobody panics with it").next();
    let worker = || {
        while let Some((operator, cases)) = next() {
            // All that fail are told.
            if catch_unwind(AssertUnwindSafe(|| prove_one(operator, cases, &srs))).is_err() {
                failed.lock().expect("nobody panics with it").push(operator);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    let failed = failed.into_inner().expect("nobody panicked with it");
    assert!(failed.is_empty(), "{failed:?}");
}

/// Those that no case of the suite is made of.
#[test]
fn operators_of_float_arithmetic_are_proved() {
    let srs = Srs::development(MOST_ROWS_BY_CELL).expect("a possible size");
    for (builder, inputs) in [
        (targets::rounded(), vec![vec![11, -10, 0]]),
        (targets::stepped(), vec![vec![5, -20, 6], vec![3, 1, 4]]),
        (targets::quotient(), vec![vec![33, 40, 0], vec![5, 3, 7]]),
        (targets::wide_maximum(), vec![vec![1, 3, 2, -4, -4, -1]]),
    ] {
        let plan = Plan::new(builder.program.clone(), LayoutOptions::default()).expect("it has a layout");
        is_proved(&builder.program, &inputs, &plan, &srs);
    }
}

/// Layers, sums, products and functions between tensors of 16 bits, and between these and bytes.
#[test]
fn quantized_models_of_16_bits_are_proved() {
    let srs = Srs::development(MOST_ROWS).expect("a possible size");
    let cases = quantized_cases();
    for name in ["wide_network_u16_0", "wide_mixed_s16_0"] {
        let case = &cases[name];
        let compiled = compile_model(case, &case.models[0], WIDTHS[0]).expect("it has a program");
        let plan = Plan::new(compiled.program.clone(), LayoutOptions::default()).expect("it has a layout");
        satisfies_the_gates(name, &compiled);
        is_proved(&compiled.program, &compiled.inputs, &plan, &srs);
    }
}

/// The integer operators, and for each a target of the suites that attack every cell (`docs/soundness.md`, section 11).
const ATTACKED: [(&str, &str); 16] = [
    ("Affine", "pointwise"),
    ("ArgMax", "arg max"),
    ("Conv", "dense"),
    ("Gather", "gathered"),
    ("Input", "wide input"),
    ("Lookup", "pointwise"),
    ("MatMul", "matrices"),
    ("Max", "pool"),
    ("Product", "pointwise"),
    ("Quotient", "quotient"),
    ("Reciprocal", "reciprocal"),
    ("RoundSignificant", "rounded"),
    ("SquareRoot", "square root"),
    ("Steps", "stepped"),
    ("Sum", "pointwise"),
    ("View", "deviations"),
];

#[test]
fn programs_are_made_of_operators_that_are_attacked() {
    let names = |program: &Program| program.nodes.iter().map(|node| node.op.name()).collect::<BTreeSet<_>>();
    let targets: BTreeMap<_, _> = targets::all().into_iter().collect();
    for (operator, target) in ATTACKED {
        assert!(names(&targets[target].program).contains(operator), "{target} has no {operator}");
    }
    for cases in cases_by_operator().values() {
        for (name, case) in cases {
            let compiled = program_of(case).1.expect("the file says that it has a program");
            let attacked = |used: &&str| ATTACKED.iter().any(|(operator, _)| operator == used);
            assert!(names(&compiled.program).iter().all(attacked), "{name}");
        }
    }
}
