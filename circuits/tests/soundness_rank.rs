//! The determinism rule: with the first phase and the challenges given, no second-phase cell is free.
//!
//! Some constraints *check*: they compare what the accumulators come to (the end of the lookup sum, the two sides of an
//! identity, a scalar and a first-phase cell, a scalar and a public word). All others *define*. A prover knows the
//! challenges when it fills the second phase, so a cell that only a check pins is free: the prover solves the check for it.
//! Hence the defining constraints alone must have full rank in the second-phase cells, linearised at an honest
//! assignment, and each of them must be needed.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::collections::BTreeSet;

use check::{copy_kind, Case, Cells, Equation, Equations, Shape, System};
use circuits::machine::{Cell, Region};

fn defines(equation: &Equation) -> bool {
    equation.name != "M-SUM-END"
}

fn copy_defines(&(source, destination): &(Cell, Cell)) -> bool {
    matches!(copy_kind(source, destination), "COPY-OPERAND-A" | "COPY-OPERAND-B")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let folded = Shape::folded(2, None, 8);
    for shape in [1.into(), folded, 2.into(), Shape::folded(1, None, 1), 3.into(), 5.into(), Shape::folded(1, None, 4)]
    {
        cases.push(Case::new("mlp", support::mlp(4), shape));
        cases.push(Case::with_inputs("saturating", targets::saturating(), targets::saturating_inputs(), shape));
        let mut borders = targets::borders();
        let inputs = vec![(0..9).map(|_| borders.random(-2, 1)).collect()];
        cases.push(Case::with_inputs("borders", borders, inputs, shape));
        let inputs = vec![vec![1, -2, 0, 1, -1, -2]];
        cases.push(Case::with_inputs("matrices", targets::matrices(), inputs, shape));
    }
    // Queries are read where they lie, with zeros behind them: the accumulators of the scores step past their last row.
    for shape in [2.into(), Shape::folded(2, None, 8)] {
        cases.push(Case::new("attention", support::attention(4, [3, 2, 1]), shape));
    }
    for shape in [Shape::from(1), Shape::folded(1, None, 4)] {
        cases.push(Case::with_inputs("hashed", targets::hashed(), vec![vec![3, -4, 1]], shape));
        let (inputs, shape) = (vec![vec![3, 1, 2, 1, 2, 3]], Shape { weights: Some(4), ..shape });
        cases.push(Case::with_inputs("private weights", targets::private_weights(), inputs, shape));
    }
    cases
}

fn parts(case: &Case) -> (System, Equations, Cells) {
    let system = case.system(0xface);
    let cells = system.derived(&case.assignment);
    let equations = system.equations();
    (system, equations, cells)
}

#[test]
fn no_cell_is_free() {
    for case in cases() {
        let (system, equations, cells) = parts(&case);
        let free = system.free_cells(&equations, &cells, defines, copy_defines);
        assert!(free.is_empty(), "{}: {free:?}", case.name);
    }
}

/// Every cell of the second phase is determined by constraints whose factors no other second-phase cell can change: the
/// rank is the same wherever it is taken.
#[test]
fn the_rank_does_not_depend_on_the_second_phase() {
    for case in cases().into_iter().take(8) {
        let (system, equations, honest) = parts(&case);
        let mut cells = honest.clone();
        for (column, values) in cells.advice.iter_mut().enumerate() {
            for (row, (value, other)) in values.iter_mut().zip(&honest.advice[0]).enumerate() {
                if equations.is_second_phase(equations.id((column, row))) {
                    *value = *value * *value + other;
                }
            }
        }
        let free = system.free_cells(&equations, &cells, defines, copy_defines);
        assert!(free.is_empty(), "{}: {free:?}", case.name);
    }
}

/// Each defining constraint is needed: without it the test finds a free cell.
#[test]
fn a_missing_constraint_frees_a_cell() {
    let mut names = BTreeSet::new();
    for case in cases().into_iter().take(8) {
        let (system, equations, cells) = parts(&case);
        // The rows are too many to leave out each one: every name, on the first, the last and some rows.
        let defining: Vec<usize> =
            (0..equations.equations.len()).filter(|&i| defines(&equations.equations[i])).collect();
        for &index in defining.iter().step_by(defining.len() / 40) {
            let out = &equations.equations[index];
            let free = system.free_cells(&equations, &cells, |e| defines(e) && !std::ptr::eq(e, out), copy_defines);
            assert_eq!(free.is_empty(), !determines(&equations, out), "{}: {} row {}", case.name, out.name, out.row);
            names.insert(out.name.clone());
        }
        let copies: Vec<_> = system.skeleton.copies.iter().copied().filter(copy_defines).collect();
        for copy in copies.iter().step_by(copies.len() / 20) {
            let free = system.free_cells(&equations, &cells, defines, |c| copy_defines(c) && c != copy);
            assert!(!free.is_empty(), "{}: {copy:?}", case.name);
            names.insert(copy_kind(copy.0, copy.1).into());
        }
    }
    println!("{names:?}");
    let expected = ["COPY-OPERAND-A", "COPY-OPERAND-B", "M-HELPER", "M-ID-INNER", "M-SCALAR", "M-SUM", "M-TABLE"];
    expected.iter().for_each(|&name| assert!(names.contains(name), "{name} was left out once"));
}

/// Whether a constraint reads the second phase at all: those between first-phase cells determine nothing in it.
fn determines(equations: &Equations, equation: &Equation) -> bool {
    equation.cells().into_iter().any(|cell| equations.is_second_phase(cell))
}

/// The named holes of a machine built carelessly: accumulators whose start nobody pins, operands that nobody copies.
#[test]
fn careless_machines_have_free_cells() {
    for shape in [Shape::parallel(2, None), Shape::folded(2, None, 8)] {
        is_careless(&Case::new("mlp", support::mlp(4), shape));
    }
}

fn is_careless(case: &Case) {
    let (system, equations, cells) = parts(case);
    for name in ["M-ID-INNER", "M-W-INNER", "M-SUM", "M-SCALAR", "M-HELPER", "M-TABLE"] {
        let first = equations.equations.iter().position(|equation| equation.name == name).expect("it occurs");
        let start = &equations.equations[first];
        let kept = |equation: &Equation| defines(equation) && !std::ptr::eq(equation, start);
        let free = system.free_cells(&equations, &cells, kept, copy_defines);
        assert_eq!(free.len(), 1, "without the start of {name}");
    }
    let no_copies = |copy: &(Cell, Cell)| copy_defines(copy) && copy_kind(copy.0, copy.1) != "COPY-OPERAND-B";
    let free = system.free_cells(&equations, &cells, defines, no_copies);
    assert_eq!(free.len(), system.skeleton.regions.rows(Region::Scalars), "one for every second operand, used or not");
    // A check does pin a free cell, and is then none: with it the rank is full again.
    let start = equations.equations.iter().position(|equation| equation.name == "M-SUM").expect("it occurs");
    let start = &equations.equations[start];
    let free = system.free_cells(&equations, &cells, |e| !std::ptr::eq(e, start), copy_defines);
    assert!(free.is_empty(), "the end of the sum would be solved for its start");
}
