//! Hashed ports: the instance word is the digest of the definition, and a prover who changes one thing on the way to it is
//! refused.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::collections::BTreeMap;

use check::{broken_copy, Case, Cells, Equations, Shape, System};
use circuits::digest::PortDigest;
use circuits::graph::{Op, Visibility};
use circuits::machine::{AdviceColumn, Assignment, Cell, FixedColumn};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use proptest::prelude::*;
use support::ProgramBuilder;

/// The words that come out of the circuit.
fn derived_words(case: &Case) -> Vec<Fr> {
    case.assignment.instance(&case.assignment.derive(&check::challenges(9)))
}

/// `elements` hashed inputs of `bits` bits in two rows, and their two maxima.
fn maxima(elements: usize, bits: u32, output: Visibility) -> (ProgramBuilder, Vec<Vec<i64>>) {
    let mut b = ProgramBuilder::new(elements as u64);
    let (lo, hi) = (-3, (1i64 << bits) - 4);
    let x = targets::input(&mut b, &[2, elements], [lo, hi], Visibility::Hashed);
    let y = b.node(Op::Max { input: x }, &[2]);
    b.output(y, output);
    let values = (0..2 * elements).map(|_| b.random(lo, hi)).collect();
    (b, vec![values])
}

/// The digest of a hashed port's values, from the words that the port packs.
fn reference(case: &Case) -> Vec<Fr> {
    let program = &case.builder.program;
    let ports = program.inputs.iter().chain(&program.outputs);
    let mut salts = case.salts.iter();
    let mut words = Vec::new();
    for (port, described) in ports.zip(&case.layout.interface().ports) {
        let packed = described.pack(case.trace.tensor(port.tensor)).expect("in range");
        match described.visibility {
            Visibility::Public => words.extend(packed),
            Visibility::Hashed => words.push(PortDigest::of(&packed, *salts.next().expect("a salt")).word()),
            Visibility::Private | Visibility::Committed => {}
        }
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn words_of_any_length(elements in 1usize..60, bits in 1u32..12, units in 1u32..5, hashed_output: bool) {
        let output = if hashed_output { Visibility::Hashed } else { Visibility::Public };
        let (builder, inputs) = maxima(elements, bits, output);
        let case = Case::with_inputs("maxima", builder, inputs, units);
        prop_assert_eq!(derived_words(&case), reference(&case));
        prop_assert_eq!(case.words(), reference(&case));
    }
}

#[test]
fn one_word_two_words_and_twenty_seven() {
    for (elements, words) in [(15, 1), (16, 2), (31 * 27 / 2, 27)] {
        let (builder, inputs) = maxima(elements, 8, Visibility::Private);
        let case = Case::with_inputs("maxima", builder, inputs, 2);
        assert_eq!(case.layout.interface().ports[0].packed_words(), words);
        assert_eq!(derived_words(&case), reference(&case));
        assert!(case.layout.statistics().rows.scalars >= 384 * words + 381);
    }
}

#[test]
fn equal_values_under_other_salts_have_other_words() {
    let one = Case::with_inputs("hashed", targets::hashed(), vec![vec![3, -4, 1]], 1);
    let mut bytes = one.salts[0].to_bytes();
    bytes[15] ^= 1;
    let salts = [circuits::digest::Salt::from_bytes(bytes)];
    let other = one.layout.public_data(&one.builder.program, &one.trace, &salts);
    let words = one.layout.interface().pack(&other).expect("in range");
    assert_ne!(words[0], one.words()[0]);
    assert_eq!(words[1..], one.words()[1..]);
}

/// A hashed program under attack.
struct Victim {
    case: Case,
    system: System,
    equations: Equations,
    honest: Cells,
}

/// Attacks a parallel machine, and a folded one.
fn each(attack: impl Fn(&Victim)) {
    for shape in [Shape::from(1), Shape::folded(1, None, 4)] {
        attack(&Victim::new(shape));
    }
}

impl Victim {
    fn new(shape: Shape) -> Self {
        let case = Case::with_inputs("hashed", targets::hashed(), vec![vec![3, -4, 1]], shape);
        let system = case.system(0xbad);
        let honest = system.derived(&case.assignment);
        let violations = system.violations(&honest);
        assert!(violations.none(), "{violations:?}");
        Self { equations: system.equations(), honest, system, case }
    }

    /// The cells of a prover who follows the machine, and claims the honest words.
    fn follow(&self, mut assignment: Assignment) -> Cells {
        assignment.count_lookups();
        let cells = self.system.derived(&assignment);
        Cells { instance: self.honest.instance.clone(), ..cells }
    }

    /// What the prover breaks, all of it.
    fn breaks(&self, cells: &Cells) -> Vec<String> {
        self.system.violations(cells).names.into_iter().collect()
    }

    /// The rows of the `pre` cells that the salt is packed from.
    fn salt_rows(&self) -> Vec<usize> {
        let copies = self.system.skeleton.copies.iter();
        let rows = copies.filter_map(|&(from, to)| match (from, to) {
            (Cell::Advice(AdviceColumn::Pre(0), row), Cell::Advice(AdviceColumn::ScalarA, _)) => Some(row as usize),
            _ => None,
        });
        rows.collect()
    }

    /// The rows of the hash: from the first to the last with a constant of it.
    fn hash_rows(&self) -> Vec<usize> {
        let rows = self.system.skeleton.elements.values().flat_map(|cells| cells.keys().copied());
        let (first, last) = rows.fold((usize::MAX, 0), |(first, last), row| (row.min(first), row.max(last)));
        (first..=last).collect()
    }
}

#[test]
fn another_word() {
    each(|victim| {
        let mut cells = victim.honest.clone();
        cells.instance[0] += Fr::ONE;
        assert_eq!(victim.breaks(&cells), ["COPY-PUBLIC"]);
    });
}

#[test]
fn another_value() {
    each(|victim| {
        let program = &victim.case.builder.program;
        // The outputs are the same: only the digest tells the inputs apart.
        let inputs = [vec![2, -4, 0], vec![-1, -2, 3]];
        let outputs = |values: &[i64]| {
            let trace = circuits::reference::run(program, &[values.to_vec()]).expect("admissible");
            (trace.outputs(program), trace)
        };
        let honest = outputs(&[3, -4, 1]).0;
        let all = (0..512).map(|i: i64| [i / 64 - 4, i / 8 % 8 - 4, i % 8 - 4]);
        let same = all.filter(|values| *values != [3, -4, 1] && outputs(values).0 == honest).map(Vec::from);
        let collisions: Vec<_> = same.collect();
        for values in inputs.iter().chain(&collisions) {
            let trace = outputs(values).1;
            let cells = victim.follow(victim.case.layout.assign(program, &trace, &victim.case.salts));
            assert_eq!(victim.breaks(&cells), ["COPY-PUBLIC"], "{values:?}");
        }
    });
}

#[test]
fn another_salt() {
    each(|victim| {
        let rows = victim.salt_rows();
        assert_eq!(rows.len(), 8);
        for row in rows {
            let mut assignment = victim.case.assignment.clone();
            let [pre, low] = [AdviceColumn::Pre(0), AdviceColumn::Low(0)].map(|column| assignment.get(column, row));
            let by = if low == 255 { -1 } else { 1 };
            assignment.set(AdviceColumn::Pre(0), row, pre + by);
            assert_eq!(victim.breaks(&victim.follow(assignment.clone())), ["COPY-PUBLIC", "M-POINT"]);
            assignment.set(AdviceColumn::Low(0), row, low + by);
            assert_eq!(victim.breaks(&victim.follow(assignment)), ["COPY-PUBLIC"]);
        }
    });
}

#[test]
fn a_limb_of_the_salt_out_of_range() {
    each(|victim| {
        let row = victim.salt_rows()[0];
        let mut assignment = victim.case.assignment.clone();
        for column in [AdviceColumn::Pre(0), AdviceColumn::High(0)] {
            let by = if column == AdviceColumn::Pre(0) { 1 << 16 } else { 1 << 8 };
            assignment.set(column, row, assignment.get(column, row) + by);
        }
        assignment.count_lookups();
        assert_eq!(victim.breaks(&victim.system.derived(&assignment)), ["M-SUM-END"]);
    });
}

/// A prover who leaves the machine in one row of the hash, follows it from there on, and claims what comes out.
#[test]
fn every_row_of_the_hash() {
    each(|victim| {
        let rows = victim.hash_rows();
        assert_eq!(rows.len(), 381 + 384);
        for &row in rows.iter().step_by(23).chain(rows.last()) {
            let mut cells = victim.honest.clone();
            let column = AdviceColumn::ScalarC;
            let (index, place) = victim.system.place(column, row);
            let forged = victim.honest.advice[index][place] + Fr::ONE;
            victim.system.solve(&victim.equations, &mut cells, &BTreeMap::from([((column, row), forged)]));
            victim.system.claim_what_comes_out(&mut cells);
            assert_ne!(cells.instance[0], victim.honest.instance[0], "row {row} counts");
            let violations = victim.system.violations(&cells);
            assert!(violations.only("M-SCALAR") && violations.gates.len() == 1, "row {row}: {violations:?}");
        }
    });
}

/// Every cell of the scalar unit, changed alone.
#[test]
fn every_cell_of_the_scalar_unit() {
    each(|victim| {
        let mut cells = victim.honest.clone();
        for column in [AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC] {
            let rows = victim.system.skeleton.rows_of(column);
            for (index, row) in (0..rows).map(|row| victim.system.place(column, row)) {
                let honest = cells.advice[index][row];
                cells.advice[index][row] = honest + Fr::ONE;
                let accepted = broken_copy(&victim.system, &cells).is_none()
                    && victim.equations.breaks(&victim.honest, &cells).is_none();
                assert!(!accepted, "{column:?} on row {row}");
                cells.advice[index][row] = honest;
            }
        }
    });
}

/// Rows of the hash take no challenge, so that the word is a function of the first phase.
#[test]
fn no_challenge_in_the_hash() {
    each(|victim| {
        let skeleton = &victim.system.skeleton;
        for row in victim.hash_rows() {
            for column in [FixedColumn::ScalarChi, FixedColumn::ScalarRho] {
                assert_eq!(skeleton.fixed(column, row), 0);
            }
        }
        let other = victim.case.system(0xf00d).derived(&victim.case.assignment);
        assert_eq!(other.instance, victim.honest.instance);
    });
}
