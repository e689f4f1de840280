//! The library's mock prover: it agrees with the evaluator that the other tests trust, and accepts a wrong result only
//! under a hostile key.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::cell::Cell as Slot;
use std::collections::BTreeSet;
use std::sync::Arc;

use check::{Case, Shape, System};
use circuits::layout::{compile, LayoutOptions};
use circuits::machine::{
    AdviceColumn, Assignment, Cell, Challenges, FixedColumn, MachineCircuit, Region, SecondPhase, Skeleton,
};
use ff::Field;
use halo2_proofs::dev::{FailureLocation, MockProver, VerifyFailure};
use halo2_proofs::halo2curves::bn256::Fr;

thread_local! {
    static SQUEEZED: Slot<Option<Challenges>> = const { Slot::new(None) };
}

type SecondPhaseOf = fn(&Assignment, &Challenges) -> SecondPhase;

fn honest(assignment: &Assignment, challenges: &Challenges) -> SecondPhase {
    SQUEEZED.set(Some(*challenges));
    assignment.derive(challenges)
}

fn altered(assignment: &Assignment, challenges: &Challenges, changes: &[(AdviceColumn, usize)]) -> SecondPhase {
    let mut second = honest(assignment, challenges);
    for &(column, row) in changes {
        let cells = second.get_mut(&column).expect("it is of the second phase");
        // A program without weights has no rows of them.
        if let Some(cell) = cells.get_mut(row) {
            *cell += Fr::ONE;
        }
    }
    second
}

/// Not on the first row nor on the last: the mock prover panics where a violated constraint reads a blinded cell.
const SECONDS: [SecondPhaseOf; 6] = [
    honest,
    |a, c| altered(a, c, &[(AdviceColumn::LookupSum, 5)]),
    |a, c| altered(a, c, &[(AdviceColumn::LookupHelper(0), 1), (AdviceColumn::TableHelper(0), 2)]),
    |a, c| altered(a, c, &[(AdviceColumn::IdentityInner, 3), (AdviceColumn::WeightInner, 2)]),
    |a, c| altered(a, c, &[(AdviceColumn::ScalarA, 4)]),
    |a, c| altered(a, c, &[(AdviceColumn::ScalarC, 3), (AdviceColumn::ScalarB, 9)]),
];

/// Constraints that the mock prover finds violated, with their rows, and whether it finds a copy that is.
fn mock(assignment: &Assignment, second: SecondPhaseOf, words: &[Fr]) -> (BTreeSet<(String, usize)>, bool) {
    let circuit = MachineCircuit::with_second_phase(assignment.clone(), second);
    let k = assignment.skeleton.params.k;
    let prover = MockProver::run(k, &circuit, vec![words.to_vec()]).expect("it runs");
    let (mut gates, mut copies) = (BTreeSet::new(), false);
    for failure in prover.verify().err().unwrap_or_default() {
        match failure {
            VerifyFailure::ConstraintNotSatisfied { constraint, location, .. } => {
                let row = match location {
                    FailureLocation::InRegion { offset, .. } => offset,
                    FailureLocation::OutsideRegion { row } => row,
                };
                gates.insert((constraint.to_string(), row));
            }
            VerifyFailure::Permutation { .. } => copies = true,
            other => panic!("{other}"),
        }
    }
    (gates, copies)
}

fn accepted(assignment: &Assignment, words: &[Fr]) -> bool {
    let (gates, copies) = mock(assignment, Assignment::derive, words);
    gates.is_empty() && !copies
}

#[test]
fn the_evaluator_agrees_with_the_mock_prover() {
    evaluator_and_mock_prover_agree(false);
}

#[test]
fn the_evaluator_agrees_with_the_mock_prover_on_folded_machines() {
    evaluator_and_mock_prover_agree(true);
}

fn evaluator_and_mock_prover_agree(folded: bool) {
    let mut violated = BTreeSet::new();
    let mut runs = 0;
    let programs = targets::all().into_iter().chain([("hashed", targets::hashed())]);
    for (index, (name, builder)) in programs.enumerate() {
        let mut builder = builder;
        let inputs = builder.program.inputs.clone();
        let inputs = inputs.iter().map(|port| {
            let circuits::graph::Op::Input { lo, hi } = builder.program.node(port.tensor).op else { unreachable!() };
            (0..port.shape.iter().product()).map(|_| builder.random(lo, hi)).collect()
        });
        let inputs = inputs.collect();
        let units = 1 + index as u32 % 3;
        let shape = if folded { Shape::folded(units, None, 4 * units) } else { units.into() };
        let case = Case::with_inputs(name, builder, inputs, shape);
        let words = case.words();
        let mut assignments = vec![case.assignment.clone()];
        for (column, row, change) in [
            (AdviceColumn::Value(0), 0, 1),
            (AdviceColumn::Pre(0), 1, -1),
            (AdviceColumn::Low(0), 2, 3),
            (AdviceColumn::High(0), 3, 1 << 40),
            (AdviceColumn::Multiplicity(0), 4, 1),
            (AdviceColumn::Value(0), usize::MAX, 1),
        ] {
            let mut assignment = case.assignment.clone();
            let row = row.min(assignment.skeleton.rows_of(column) - 1);
            assignment.set(column, row, assignment.get(column, row) + change);
            assignments.push(assignment);
        }
        for (a, assignment) in assignments.iter().enumerate() {
            for (s, &second) in SECONDS.iter().enumerate().filter(|&(s, _)| a < 2 || s < 1) {
                let (gates, copies) = mock(assignment, second, &words);
                let system =
                    System::new(&assignment.skeleton, SQUEEZED.take().expect("the second phase was asked for"));
                let columns = second(assignment, &system.challenges);
                let cells = system.cells(assignment, &columns, &words, 77);
                let violations = system.violations(&cells);
                assert_eq!((&gates, copies), (&violations.gates, !violations.copies.is_empty()), "{name} {a} {s}");
                assert_eq!(violations.none(), a == 0 && s == 0 || gates.is_empty() && !copies, "{name} {a} {s}");
                violated.extend(violations.names);
                runs += 1;
            }
        }
        let mut wrong = words.clone();
        if let Some(word) = wrong.first_mut() {
            *word += Fr::ONE;
            assert!(mock(&case.assignment, honest, &wrong).1 && !accepted(&case.assignment, &wrong));
        }
    }
    println!("{runs} assignments, in which {violated:?} were violated");
}

/// The hostile key: what a compiler would make of the program, but for one cell or copy.
struct Hostile {
    skeleton: Skeleton,
    assignment: Assignment,
}

/// A prover whose key is hostile has a wrong result accepted; under the honest key the same witness is refused, and the two
/// keys differ where a recompilation shows it.
fn is_exposed(case: &Case, hostile: Hostile) {
    let Hostile { skeleton, assignment } = hostile;
    let honest = case.layout.skeleton();
    let challenges = check::challenges(5);
    let follow = |skeleton: &Arc<Skeleton>| {
        let mut assignment = assignment.clone();
        assignment.skeleton = Arc::clone(skeleton);
        assignment.count_lookups();
        let words = assignment.instance(&assignment.derive(&challenges));
        (words, assignment)
    };
    let skeleton = Arc::new(skeleton);
    let (words, forged) = follow(&skeleton);
    assert_ne!(words, case.words(), "the result is wrong");
    assert!(accepted(&forged, &words), "the hostile key accepts it");
    let (words, refused) = follow(honest);
    assert!(!accepted(&refused, &words), "the honest key does not");
    let options = LayoutOptions { units: Some(honest.params.units), ..LayoutOptions::default() };
    let again = compile(&case.builder.program, &options).expect("it was compiled before");
    assert_eq!(**again.skeleton(), **honest, "compilation is deterministic");
    assert_ne!((&skeleton.fixed, &skeleton.copies), (&honest.fixed, &honest.copies), "the keys differ");
}

fn borders() -> (Case, usize) {
    let inputs = vec![vec![1, -2, 0, 1, -1, 1, 0, 1, -2]];
    let case = Case::with_inputs("borders", targets::borders(), inputs, 1);
    // The elements of the last convolution: the last rows whose `pre` is read by an identity.
    let skeleton = case.layout.skeleton();
    let is_element = |&row: &usize| {
        skeleton.fixed(FixedColumn::PreCoefficient, row) != 0 && skeleton.fixed(FixedColumn::LimbSwitch(0), row) != 0
    };
    let home = (0..skeleton.regions.rows(Region::Units)).rfind(is_element).expect("it has elements");
    (case, home)
}

#[test]
fn a_value_that_is_not_looked_up() {
    let (case, home) = borders();
    let mut skeleton = (**case.layout.skeleton()).clone();
    skeleton.fixed.get_mut(&FixedColumn::ValueSwitch(0)).expect("it is there").set(home, 0);
    let mut assignment = case.assignment.clone();
    assignment.set(AdviceColumn::Value(0), home, assignment.get(AdviceColumn::Value(0), home) + 1);
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn a_remainder_that_is_not_looked_up() {
    let (case, home) = borders();
    let mut skeleton = (**case.layout.skeleton()).clone();
    skeleton.fixed.get_mut(&FixedColumn::LimbSwitch(0)).expect("it is there").set(home, 0);
    let mut assignment = case.assignment.clone();
    let by = if assignment.get(AdviceColumn::Pre(0), home) > 0 { -1 } else { 1 };
    for (column, change) in
        [(AdviceColumn::Pre(0), by), (AdviceColumn::Value(0), 2 * by), (AdviceColumn::Low(0), -8 * by)]
    {
        assignment.set(column, home, assignment.get(column, home) + change);
    }
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn an_identity_that_is_not_compared() {
    let (case, home) = borders();
    let mut skeleton = (**case.layout.skeleton()).clone();
    let last = skeleton.copies.iter().rposition(|&(a, b)| check::copy_kind(a, b) == "COPY-IDENTITY");
    skeleton.copies.remove(last.expect("it has identities"));
    let mut assignment = case.assignment.clone();
    let by = if assignment.get(AdviceColumn::Pre(0), home) > 0 { -1 } else { 1 };
    for (column, change) in [(AdviceColumn::Pre(0), by), (AdviceColumn::Value(0), 2 * by)] {
        assignment.set(column, home, assignment.get(column, home) + change);
    }
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn an_element_that_no_identity_reads() {
    let (case, home) = borders();
    let mut skeleton = (**case.layout.skeleton()).clone();
    // The row's form loses its argument: only the remainder is left to be compared.
    skeleton.fixed.get_mut(&FixedColumn::PreCoefficient).expect("it is there").set(home, 0);
    let mut assignment = case.assignment.clone();
    let free = AdviceColumn::Low(0);
    let pre = assignment.get(AdviceColumn::Pre(0), home);
    // The border's cell in the hostile key: the limb takes up what the argument was.
    skeleton.fixed.get_mut(&FixedColumn::LimbSwitch(0)).expect("it is there").set(home, 0);
    assignment.set(free, home, assignment.get(free, home) + 8 * pre);
    let by = if pre > 0 { -1 } else { 1 };
    for (column, change) in [(AdviceColumn::Pre(0), by), (AdviceColumn::Value(0), 2 * by)] {
        assignment.set(column, home, assignment.get(column, home) + change);
    }
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn a_maximum_that_nothing_dominates() {
    let case = Case::with_inputs("pool", targets::pool(), vec![vec![1, 2, 3, 0, 1, 2, 3, -4, 3]], 1);
    let mut skeleton = (**case.layout.skeleton()).clone();
    let switch = skeleton.fixed.get_mut(&FixedColumn::Maximum).expect("it is there");
    let first = switch.iter().position(|on| on == 1).expect("it is on somewhere");
    switch.set(first, 0);
    let mut assignment = case.assignment.clone();
    assignment.set(AdviceColumn::Value(0), first, 7);
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn a_step_that_is_switched_off() {
    // A dense layer whose reader forgets all rows but the last: where the last weights are all that is read of the right
    // side, the other outputs are free.
    let mut b = support::ProgramBuilder::new(3);
    let x = targets::input(&mut b, &[2, 1, 1], [-4, 3], circuits::graph::Visibility::Private);
    let y = targets::conv(&mut b, x, circuits::graph::ConvGeometry::POINTWISE, &[0, 0, 1, 2], &[2, 1, 1], None);
    b.output(y, circuits::graph::Visibility::Public);
    let case = Case::with_inputs("dense", b, vec![vec![3, -1]], 1);
    let mut skeleton = (**case.layout.skeleton()).clone();
    let step = skeleton.fixed.get_mut(&FixedColumn::IdentityStepRho).expect("it is there");
    let row = step.iter().position(|on| on == 1).expect("it is on somewhere");
    step.set(row, 0);
    let mut assignment = case.assignment.clone();
    assignment.set(AdviceColumn::Value(0), row - 1, 1);
    is_exposed(&case, Hostile { skeleton, assignment });
}

#[test]
fn a_plane_that_is_read_in_part() {
    // A product of a column by a row; the reader of the column forgets its first element, and the first row is free to be zero.
    let mut b = support::ProgramBuilder::new(4);
    let x = targets::input(&mut b, &[1, 2, 1], [-4, 3], circuits::graph::Visibility::Private);
    let y = targets::input(&mut b, &[1, 1, 2], [-4, 3], circuits::graph::Visibility::Private);
    let product = b.matmul(x, y, None);
    b.output(product, circuits::graph::Visibility::Public);
    let case = Case::with_inputs("product", b, vec![vec![3, -1], vec![2, 1]], 1);
    let mut skeleton = (**case.layout.skeleton()).clone();
    let by_rho: Vec<_> = skeleton.fixed[&FixedColumn::PlaneRho].iter().collect();
    let step = skeleton.fixed.get_mut(&FixedColumn::PlaneStep).expect("it is there");
    let row = (0..step.len()).find(|&row| step.get(row) == 1 && by_rho[row] == 1).expect("it is on somewhere");
    step.set(row, 0);
    let mut assignment = case.assignment.clone();
    let elements = (0..skeleton.regions.rows(Region::Units))
        .filter(|&row| skeleton.fixed(FixedColumn::ValueCoefficient, row) == 1);
    elements.take(2).for_each(|row| assignment.set(AdviceColumn::Value(0), row, 0));
    is_exposed(&case, Hostile { skeleton, assignment });
}

/// What a public word can say: nothing but the values that the circuit admits, each in one way.
#[test]
fn public_words_name_their_values() {
    let case = Case::with_inputs("dense", targets::dense(), vec![vec![3, -1, 2]], 1);
    let interface = case.layout.interface();
    let words = case.words();
    let values = interface.unpack(&words).expect("they are those of a run");
    assert_eq!(values, case.layout.public_data(&case.builder.program, &case.trace, &case.salts));
    for (index, port) in interface.public().enumerate() {
        for beyond in [port.lo - 1, port.hi + 1, i64::MIN, i64::MAX] {
            let mut wrong = values.clone();
            wrong.values[index][0] = beyond;
            assert!(interface.pack(&wrong).is_err(), "{} takes no {beyond}", port.name);
        }
    }
    // Every single bit of a word that is set elsewhere names other values or none.
    for index in 0..words.len() {
        for bit in 0..254 {
            let mut other = words.clone();
            other[index] += Fr::from(2).pow([bit]);
            assert_ne!(interface.unpack(&other).ok().as_ref(), Some(&values), "word {index}, bit {bit}");
        }
    }
    assert!(
        interface.unpack(&words[1..]).is_err() && interface.unpack(&[words.clone(), vec![Fr::ZERO]].concat()).is_err()
    );
}

/// The instance cells behind the words are zero for the verifier; a copy from them would be to a constant.
#[test]
fn words_are_what_is_copied_to_the_instance_column() {
    for (name, builder) in [("mlp", support::mlp(1)), ("cnn", support::cnn(1)), ("zoo", support::zoo(1))] {
        let case = Case::new(name, builder, 2);
        let copied: Vec<u32> = case
            .layout
            .skeleton()
            .copies
            .iter()
            .filter_map(|&(_, to)| if let Cell::Instance(row) = to { Some(row) } else { None })
            .collect();
        assert_eq!(copied, (0..case.words().len() as u32).collect::<Vec<_>>(), "{name}");
    }
}
