//! Every cell, one at a time: no cell of a proof can be changed, whatever the prover makes follow from it.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use check::{broken_copy, small, Case, Cells, Equations, Shape, System};
use circuits::graph::Op;
use circuits::machine::{AdviceColumn, Arrangement, Assignment, Cell, FixedColumn};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use support::ProgramBuilder;

/// Inputs in the ranges that the program declares.
fn admissible(b: &mut ProgramBuilder) -> Vec<Vec<i64>> {
    let ports = b.program.inputs.clone();
    let mut inputs = Vec::new();
    for port in &ports {
        let node = b.program.node(port.tensor);
        let (Op::Input { lo, hi }, elements) = (&node.op, node.elements()) else { unreachable!("an input port") };
        let (lo, hi) = (*lo, *hi);
        inputs.push((0..elements).map(|_| b.random(lo, hi)).collect());
    }
    inputs
}

/// What the targets are laid out as.
const SHAPES: [Shape; 6] = [
    Shape::parallel(1, None),
    Shape::folded(2, None, 8),
    Shape::parallel(2, Some(1)),
    Shape::folded(1, None, 4),
    Shape::parallel(3, None),
    Shape::folded(1, Some(1), 1),
];

/// In how many of the shapes a target is attacked. Programs with wide limbs have long tables, hence many rows that are all
/// alike.
fn shapes_of(name: &str) -> usize {
    match name {
        "wide" | "wide input" | "clamped" | "tree" => 2,
        "reciprocal" | "quotient" | "rounded" | "stepped" | "wide maximum" => 3,
        _ => SHAPES.len(),
    }
}

fn cases() -> impl Iterator<Item = Case> {
    SHAPES.into_iter().enumerate().flat_map(|(index, shape)| {
        let programs = targets::all().into_iter().filter(move |(name, _)| index < shapes_of(name));
        programs.map(move |(name, mut builder)| {
            let inputs = admissible(&mut builder);
            // Strips of private weights that fill their rows, and such that do not.
            let weights = if name == "private weights" { Some([4, 2, 3, 5, 1, 4][index]) } else { shape.weights };
            let shape = Shape { weights, ..shape };
            Case::with_inputs(name, builder, inputs, shape)
        })
    })
}

/// A case with its equations and its honest cells.
struct Target {
    system: System,
    equations: Equations,
    honest: Cells,
}

impl Target {
    fn new(case: &Case) -> Self {
        let system = case.system(0x5eed);
        let honest = system.derived(&case.assignment);
        let violations = system.violations(&honest);
        assert!(violations.none(), "{}: {violations:?}", case.name);
        assert_eq!(&honest.instance[..case.words().len()], case.words(), "{}", case.name);
        Self { equations: system.equations(), honest, system }
    }

    fn accepts(&self, cells: &Cells) -> bool {
        broken_copy(&self.system, cells).is_none() && self.equations.breaks(&self.honest, cells).is_none()
    }

    /// The cells of a prover who starts from `assignment`; `counted`: who counts the lookups anew.
    fn follow(&self, mut assignment: Assignment, counted: bool) -> Cells {
        if counted {
            assignment.count_lookups();
        }
        self.system.derived(&assignment)
    }

    /// The row behind the last block of a parallel machine, where a tag may stand so that its column is not zero.
    fn is_spare(&self, column: AdviceColumn, row: usize) -> bool {
        let AdviceColumn::Pre(lane) = column else { return false };
        row + 1 == self.system.skeleton.rows_of(column)
            && self.system.skeleton.fixed(FixedColumn::ValueTag(lane), row) != 0
    }
}

/// The cells that a cell is copied to, copies of copies included, as far as they are first-phase.
fn copies_of(assignment: &Assignment, column: AdviceColumn, row: usize) -> Vec<(AdviceColumn, usize)> {
    let mut reached = BTreeSet::from([(column, row)]);
    for &(source, destination) in &assignment.skeleton.copies {
        if let (Cell::Advice(from, from_row), Cell::Advice(to, to_row)) = (source, destination) {
            if reached.contains(&(from, from_row as usize)) && assignment.first_phase.contains_key(&to) {
                reached.insert((to, to_row as usize));
            }
        }
    }
    reached.into_iter().collect()
}

/// The programs reach what they are for.
#[test]
fn targets_use_every_part() {
    let mut parts = BTreeSet::new();
    let mut saturating_shapes = BTreeMap::from([(true, 0), (false, 0)]);
    for case in cases() {
        parts.extend(case.layout.skeleton().fixed.keys().filter(|column| column.optional_bit().is_some()).copied());
        let copied = case.layout.skeleton().copies.iter().any(|&(a, b)| check::copy_kind(a, b) == "COPY-ELEMENT");
        if case.name.starts_with("borders, 1") {
            assert!(!copied, "{}: the second convolution takes its input where it is", case.name);
        }
        if case.name.starts_with("saturating") && case.layout.params().has(FixedColumn::Saturate) {
            *saturating_shapes.entry(case.layout.params().arrangement == Arrangement::Parallel).or_default() += 1;
            let overflows = |column: fn(u32) -> AdviceColumn| {
                (0..case.layout.params().units).any(|lane| {
                    let saturating = |row| case.layout.skeleton().fixed(FixedColumn::Saturate, row) == 1;
                    let cells = &case.assignment.first_phase[&column(lane)];
                    (1..cells.len()).any(|row| saturating(row - 1) && cells.get(row) > 0)
                })
            };
            assert!(overflows(AdviceColumn::Low) && overflows(AdviceColumn::High), "{}: both ends", case.name);
        }
    }
    assert!(saturating_shapes.values().all(|&shapes| shapes > 1), "{saturating_shapes:?}");
    assert_eq!(parts.len() as u32, FixedColumn::OPTIONAL, "every optional column occurs: {parts:?}");
}

#[test]
fn every_first_phase_cell() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases() {
        let target = Target::new(&case);
        let unread = target.equations.unread(&target.system);
        let used = case.layout.statistics().rows.units + 1;
        for (&column, cells) in &case.assignment.first_phase {
            let is_count = matches!(column, AdviceColumn::Multiplicity(_));
            for row in 0..cells.len() {
                let changes = [1, -1, 2 + i64::from(rng.next_u32() % 30), -((rng.next_u64() >> 24) as i64) - 100];
                // Rows behind the last block are alike: one change each.
                let some = if row < used || is_count { &changes[..] } else { &changes[row % 4..][..1] };
                for change in some {
                    let mut assignment = case.assignment.clone();
                    assignment.set(column, row, cells.get(row) + change);
                    let cells = target.follow(assignment, !is_count);
                    let accepted = target.accepts(&cells);
                    let harmless = unread.contains(&(column, row));
                    if accepted {
                        assert_eq!(cells.instance, target.honest.instance, "{}: {column:?} row {row}", case.name);
                    }
                    if target.is_spare(column, row) {
                        *tally.entry("spare").or_default() += 1;
                    } else {
                        assert_eq!(accepted, harmless, "{}: {column:?} on row {row} by {change}", case.name);
                        *tally.entry(if harmless { "unread" } else { "refused" }).or_default() += 1;
                    }
                }
            }
        }
    }
    println!("{tally:?}");
}

#[test]
fn every_element_with_its_copies() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut refused = 0;
    for case in cases() {
        let target = Target::new(&case);
        for (&column, cells) in &case.assignment.first_phase {
            for row in 0..cells.len() {
                let copies = copies_of(&case.assignment, column, row);
                if copies.len() < 2 {
                    continue;
                }
                for change in [1, -1, small(&mut rng) | 1] {
                    let mut assignment = case.assignment.clone();
                    for &(column, row) in &copies {
                        assignment.set(column, row, assignment.get(column, row) + change);
                    }
                    assert!(!target.accepts(&target.follow(assignment, true)), "{}: {column:?} row {row}", case.name);
                    refused += 1;
                }
            }
        }
    }
    println!("{refused} refused");
}

#[test]
fn every_second_phase_cell() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut refused = 0;
    for case in cases() {
        let target = Target::new(&case);
        let params = target.system.params();
        let mut cells = target.honest.clone();
        for column in AdviceColumn::second_phase(&params) {
            for row in 0..target.system.skeleton.rows_of(column) {
                let (index, row) = target.system.place(column, row);
                let honest = cells.advice[index][row];
                for change in [Fr::ONE, -honest, Fr::random(&mut rng)] {
                    if change == Fr::ZERO {
                        continue;
                    }
                    cells.advice[index][row] = honest + change;
                    assert!(!target.accepts(&cells), "{}: {column:?} on row {row}", case.name);
                    refused += 1;
                }
                cells.advice[index][row] = honest;
            }
        }
    }
    println!("{refused} refused");
}

/// The blinded rows, and in folded machines the rows behind the regions and the places between columns: nothing is said
/// about them, and nothing elsewhere reads them.
#[test]
fn blinded_rows_are_read_by_nobody() {
    for case in cases() {
        let target = Target::new(&case);
        assert!(target.equations.speak_of_regions_only(), "{}", case.name);
    }
}

/// Honest runs with random blinded rows, by the evaluator that looks at every row.
#[test]
fn honest_runs() {
    let parallel = [1, 2, 3, 5].map(Shape::from);
    let folded = [(1, 1), (1, 5), (2, 3), (2, 8), (3, 16)].map(|(units, rows)| Shape::folded(units, None, rows));
    for shape in parallel.into_iter().chain(folded) {
        for (name, program) in [
            ("mlp", support::mlp(11)),
            ("cnn", support::cnn(11)),
            ("zoo", support::zoo(11)),
            ("attention", support::attention(11, [3, 4, 2])),
        ] {
            let case = Case::new(name, program, shape);
            let system = case.system(12);
            let violations = system.violations(&system.derived(&case.assignment));
            assert!(violations.none(), "{}: {violations:?}", case.name);
        }
    }
}
