//! Attacks by name: for every constraint of the machine, provers who break it and nothing else.
//!
//! A prover fills the second phase knowing the challenges. Those here choose a wrong first phase, count their lookups anew
//! and either follow the machine from there, or break it in one cell that they solve for, so that all that comes after
//! fits again. What is then violated is exactly what stands between them and a wrong result.

#[path = "support/check.rs"]
mod check;
#[path = "support/float_claims.rs"]
mod float_claims;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::cell::Cell as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use check::{Case, Cells, Equations, Shape, System, Violations};
use circuits::graph::{Op, Requantize, Visibility};
use circuits::machine::{AdviceColumn as A, Assignment, Cell, FixedColumn as F};
use circuits::reference::run;
use ff::Field;
use float_claims::{Rounding, Stepping};
use halo2_proofs::halo2curves::bn256::Fr;
use support::ProgramBuilder;

/// The arrangements under attack, one unit per row.
const SHAPES: [Shape; 4] =
    [Shape::parallel(1, None), Shape::folded(1, None, 1), Shape::folded(1, None, 4), Shape::folded(1, None, 8)];

thread_local! {
    /// The arrangement that victims are laid out in.
    static SHAPE: Slot<Shape> = const { Slot::new(SHAPES[0]) };
}

/// A machine under attack.
struct Victim {
    case: Case,
    system: System,
    equations: Equations,
    honest: Cells,
}

impl Victim {
    fn new(builder: ProgramBuilder, inputs: &[&[i64]]) -> Self {
        let inputs = inputs.iter().map(|values| values.to_vec()).collect();
        let case = Case::with_inputs("victim", builder, inputs, SHAPE.get());
        let system = case.system(0xbad);
        let honest = system.derived(&case.assignment);
        assert!(system.violations(&honest).none());
        Self { equations: system.equations(), honest, system, case }
    }

    fn assignment(&self) -> Assignment {
        self.case.assignment.clone()
    }

    /// The prover counts the lookups and follows the machine; the result must say something that is not true, or be
    /// reached in a way that is not the machine's.
    fn follow(&self, mut assignment: Assignment) -> Cells {
        assignment.count_lookups();
        let cells = self.system.derived(&assignment);
        assert_ne!(cells, self.honest, "the attack changes something");
        cells
    }

    fn refuses(&self, assignment: Assignment) -> Violations {
        self.system.violations(&self.follow(assignment))
    }

    /// The rows on which a fixed column is not zero.
    fn rows(&self, column: F) -> Vec<usize> {
        let skeleton = &self.system.skeleton;
        (0..skeleton.regions.rows_through(column.regions())).filter(|&row| skeleton.fixed(column, row) != 0).collect()
    }

    /// The homes of the public values, in their order.
    fn public(&self) -> Vec<usize> {
        let skeleton = &self.system.skeleton;
        let operand = |row: u32| {
            let copy = skeleton.copies.iter().find(|(_, to)| *to == Cell::Advice(A::ScalarA, row));
            match copy.expect("every operand is copied").0 {
                Cell::Advice(A::Value(0), row) => row as usize,
                other => panic!("a public value at {other:?}"),
            }
        };
        let mut homes = Vec::new();
        for &(source, destination) in &skeleton.copies {
            if let (Cell::Advice(A::ScalarC, mut row), Cell::Instance(_)) = (source, destination) {
                homes.push(operand(row));
                while skeleton.fixed(F::ScalarPrevious, row as usize) != 0 {
                    row -= 1;
                    homes.push(operand(row));
                }
            }
        }
        homes
    }

    /// Puts the next argument and its image in a unit that looks up [`targets::doubled`].
    fn step(assignment: &mut Assignment, row: usize, by: i64) {
        assignment.set(A::Pre(0), row, assignment.get(A::Pre(0), row) + by);
        assignment.set(A::Value(0), row, assignment.get(A::Value(0), row) + 2 * by);
    }

    /// A prover with a wrong first phase breaks the machine in one cell of `column`, on some row, so that a check that it
    /// would fail is met.
    fn forge(&self, column: A, wrong: &Cells, check: (Cell, Option<Cell>)) -> Violations {
        self.forge_where(column, wrong, check, |_| true)
    }

    /// [`Victim::forge`] on one of some rows.
    fn forge_where(
        &self,
        column: A,
        wrong: &Cells,
        check: (Cell, Option<Cell>),
        may: impl Fn(usize) -> bool,
    ) -> Violations {
        let mismatch = |cells: &Cells| {
            self.system.get(cells, check.0) - check.1.map_or(Fr::ZERO, |other| self.system.get(cells, other))
        };
        assert_ne!(mismatch(wrong), Fr::ZERO, "without the forged cell the check fails");
        let expected = expected_of(column);
        for row in (0..self.system.skeleton.rows_of(column)).filter(|&row| may(row)) {
            let with = |value: Fr| {
                let mut cells = wrong.clone();
                self.system.solve(&self.equations, &mut cells, &BTreeMap::from([((column, row), value)]));
                self.system.claim_what_comes_out(&mut cells);
                cells
            };
            let start = mismatch(&with(Fr::ZERO));
            let slope = mismatch(&with(Fr::ONE)) - start;
            let Some(inverse) = Option::<Fr>::from(slope.invert()) else { continue };
            let cells = with(-start * inverse);
            assert_eq!(mismatch(&cells), Fr::ZERO);
            let violations = self.system.violations(&cells);
            assert!(violations.names.contains(expected), "{column:?} on row {row}: {violations:?}");
            if violations.only(expected) {
                assert_eq!(violations.gates.len() + violations.copies.len(), 1, "one constraint on one row");
                return violations;
            }
        }
        panic!("no cell of {column:?} reaches the check");
    }

    /// The identity that a wrong first phase fails.
    fn failed_identity(&self, wrong: &Cells) -> (Cell, Option<Cell>) {
        let violations = self.system.violations(wrong);
        assert!(violations.only("COPY-IDENTITY") && violations.copies.len() == 1, "{violations:?}");
        let (right, left) = violations.copies[0];
        (left, Some(right))
    }

    fn lookup_end(&self) -> (Cell, Option<Cell>) {
        (Cell::Advice(A::LookupSum, self.system.skeleton.rows_of(A::LookupSum) as u32 - 1), None)
    }
}

fn expected_of(column: A) -> &'static str {
    match column {
        A::LookupHelper(_) => "M-HELPER",
        A::TableHelper(_) => "M-TABLE",
        A::LookupSum => "M-SUM",
        A::IdentityInner => "M-ID-INNER",
        A::IdentityOuter => "M-ID-OUTER",
        A::Plane => "M-PLANE",
        A::WeightInner => "M-W-INNER",
        A::WeightOuter => "M-W-OUTER",
        A::ScalarC => "M-SCALAR",
        A::ScalarA => "COPY-OPERAND-A",
        A::ScalarB => "COPY-OPERAND-B",
        first_phase => panic!("{first_phase:?} is of the first phase"),
    }
}

fn dense() -> Victim {
    Victim::new(targets::dense(), &[&[3, -1, 2]])
}

fn borders() -> Victim {
    Victim::new(targets::borders(), &[&[1, -2, 0, 1, -1, 1, 0, 1, -2]])
}

fn saturating() -> Victim {
    Victim::new(targets::saturating(), &[&[2, -2, 0]])
}

/// `[2, 5]` scores; the attacks are on the first row.
fn scores(first: [i64; 5]) -> Victim {
    let row = first.iter().chain(&[0, 1, 2, 3, -4]).copied().collect::<Vec<_>>();
    Victim::new(targets::arg_maximum(Visibility::Private), &[&row])
}

fn windows(first: [i64; 3]) -> Victim {
    let row = first.iter().chain(&[0, 1, 2, 3, -4, 3]).copied().collect::<Vec<_>>();
    Victim::new(targets::pool(), &[&row])
}

/// The last output of a dense network one too large; the public word says so.
fn wrong_score(victim: &Victim) -> Cells {
    let mut assignment = victim.assignment();
    let home = *victim.public().last().expect("it has outputs");
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 1);
    victim.follow(assignment)
}

/// An element of a convolution one step too small or too large.
fn wrong_pixel(victim: &Victim) -> Cells {
    let mut assignment = victim.assignment();
    let home = victim.public()[1];
    let by = if assignment.get(A::Pre(0), home) > 0 { -1 } else { 1 };
    Victim::step(&mut assignment, home, by);
    victim.follow(assignment)
}

// --- values -------------------------------------------------------------------------------------------------------

fn one_activation() -> Violations {
    let victim = dense();
    let mut assignment = victim.assignment();
    let hidden = victim.rows(F::PreCoefficient);
    let row = *hidden.iter().find(|&&row| assignment.get(A::Pre(0), row) >= 0).expect("a unit is not cut off");
    for column in [A::Pre(0), A::Value(0)] {
        assignment.set(column, row, assignment.get(column, row) + 1);
    }
    victim.refuses(assignment)
}

fn one_exact_output() -> Violations {
    let victim = dense();
    victim.system.violations(&wrong_score(&victim))
}

/// The proof commits to another value than the one that goes in, or that comes out.
fn committed_to_another_value(column: u32) -> Violations {
    let victim = Victim::new(targets::committed(), &[&[3, -1, 2]]);
    let mut assignment = victim.assignment();
    assignment.set(A::Port(column), 1, assignment.get(A::Port(column), 1) + 1);
    victim.refuses(assignment)
}

fn one_committed_input() -> Violations {
    committed_to_another_value(0)
}

fn one_committed_output() -> Violations {
    committed_to_another_value(1)
}

fn one_multiplicity() -> Violations {
    let victim = dense();
    let mut assignment = victim.assignment();
    assignment.set(A::Multiplicity(0), 2, assignment.get(A::Multiplicity(0), 2) + 1);
    victim.system.violations(&victim.system.derived(&assignment))
}

/// Another model of the same shape.
fn dense_with_another_weight() -> Victim {
    let mut builder = targets::dense();
    for node in &mut builder.program.nodes {
        if let Op::Conv { weights, requantize: None, .. } = &mut node.op {
            let mut changed: Vec<i32> = weights.iter().collect();
            changed[1] += 1;
            *weights = changed.into();
        }
    }
    Victim::new(builder, &[&[3, -1, 2]])
}

/// The values of a model with another weight, by a prover who follows the machine.
fn one_weight() -> Violations {
    let (victim, other) = (dense(), dense_with_another_weight());
    assert_ne!(victim.honest.instance, other.honest.instance);
    let mut assignment = victim.assignment();
    assignment.first_phase = other.assignment().first_phase;
    victim.refuses(assignment)
}

/// The whole proof of a model with another weight.
fn one_weight_throughout() -> Violations {
    let (victim, other) = (dense(), dense_with_another_weight());
    assert_eq!(victim.system.skeleton.copies, other.system.skeleton.copies);
    victim.system.violations(&other.honest)
}

fn private_weights() -> Victim {
    let shape = SHAPE.get();
    SHAPE.set(Shape { weights: Some(4), ..shape });
    let victim = Victim::new(targets::private_weights(), &[&[3, 1, 2, 1, 2, 3]]);
    SHAPE.set(shape);
    victim
}

/// The first phase of the victim with the weight columns of another model.
fn with_weights(victim: &Victim, weights: impl Fn(&mut Vec<i32>), biases: impl Fn(&mut Vec<i64>)) -> Assignment {
    let mut program = victim.case.builder.program.clone();
    for &tensor in victim.case.builder.program.private_weights.keys() {
        if let Op::Conv { weights: w, bias: b, .. } = &mut program.nodes[tensor.0 as usize].op {
            let (mut changed, mut biased) = (w.iter().collect(), b.to_vec());
            weights(&mut changed);
            biases(&mut biased);
            (*w, *b) = (changed.into(), biased.into());
        }
    }
    victim.case.layout.assign(&program, &victim.case.trace, &[])
}

/// The cells with a limb of a private weight, or those in which anything may stand beside them.
fn weight_cells(victim: &Victim, weights: bool) -> Vec<(A, usize)> {
    let filled = with_weights(victim, |weights| weights.fill(1), |biases| biases.fill(1 + (1 << 16)));
    let lanes = victim.system.params().weights;
    let rows = victim.rows(F::WeightPrivate).into_iter();
    let cells = rows.flat_map(|row| (0..lanes).map(move |lane| (A::Weight(lane), row)));
    cells.filter(|&(column, row)| (filled.get(column, row) != 0) == weights).collect()
}

/// A weight of another model than the accumulators were made with: each of them.
fn one_private_weight() -> Violations {
    let victim = private_weights();
    let mut all = Violations::default();
    for (column, row) in weight_cells(&victim, true) {
        let mut assignment = victim.assignment();
        assignment.set(column, row, assignment.get(column, row) + 1);
        let violations = victim.refuses(assignment);
        assert!(!violations.none(), "{column:?} on row {row}");
        all.names.extend(violations.names);
    }
    all
}

/// The two limbs of each bias exchanged.
fn limbs_in_each_others_place() -> Violations {
    let victim = private_weights();
    let exchanged = |bias: i64| {
        let low = i64::from(bias as i16);
        (low << 16) + ((bias - low) >> 16)
    };
    let biases = |biases: &mut Vec<i64>| biases.iter_mut().for_each(|bias| *bias = exchanged(*bias));
    victim.refuses(with_weights(&victim, |_| (), biases))
}

/// Something in a lane that no weight stands in, which no monomial of an element takes up.
fn weight_in_a_spare_lane() -> Violations {
    let victim = private_weights();
    let (column, row) = *weight_cells(&victim, false).first().expect("some strip leaves a lane free");
    let mut assignment = victim.assignment();
    assignment.set(column, row, 1);
    victim.refuses(assignment)
}

/// The bracket of a row with private weights is another one.
fn forged_private_weights() -> Violations {
    let victim = private_weights();
    let mut assignment = victim.assignment();
    let (column, row) = weight_cells(&victim, true)[0];
    assignment.set(column, row, assignment.get(column, row) + 1);
    let wrong = victim.follow(assignment);
    victim.forge(A::WeightInner, &wrong, victim.failed_identity(&wrong))
}

fn one_public_value() -> Violations {
    let victim = dense();
    let mut cells = victim.honest.clone();
    cells.instance[1] += Fr::ONE;
    victim.system.violations(&cells)
}

/// An element and a border cell beside it change by opposite amounts.
fn one_border_cell() -> Violations {
    let victim = borders();
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    let is_border = |row: &usize| victim.system.skeleton.fixed(F::LimbSwitch(0), *row) == 0;
    let border = (home..).find(is_border).expect("a border follows");
    assignment.set(A::Low(0), border, assignment.get(A::Low(0), border) - 1);
    let low = assignment.get(A::Low(0), home);
    assignment.set(A::Low(0), home, if low == 0 { 1 } else { low - 1 });
    victim.refuses(assignment)
}

/// A value in a border cell of a plane that the next layer reads as its padding.
fn value_in_the_padding() -> Violations {
    let victim = borders();
    let mut assignment = victim.assignment();
    let is_border = |row: &usize| victim.system.skeleton.fixed(F::LimbSwitch(0), *row) == 0;
    let border = victim.rows(F::PlaneRead).into_iter().find(is_border).expect("a plane has borders");
    assignment.set(A::Value(0), border, 1);
    let violations = victim.refuses(assignment);
    assert!(violations.names.contains("M-SUM-END"));
    violations
}

fn input_out_of_range() -> Violations {
    let mut wide = targets::dense();
    wide.program.nodes[0].op = Op::Input { lo: -4, hi: 4 };
    let victim = dense();
    let trace = run(&wide.program, &[vec![4, -1, 2]]).expect("admissible in the other model");
    let assignment = victim.case.layout.assign(&victim.case.builder.program, &trace, &victim.case.salts);
    victim.refuses(assignment)
}

/// An input beyond the end of a range that is proved by limbs.
fn wide_input_out_of_range() -> Violations {
    let mut wider = targets::wide_input();
    wider.program.nodes[0].op = Op::Input { lo: -3000, hi: 3000 };
    let victim = Victim::new(targets::wide_input(), &[&[2999, -1]]);
    let trace = run(&wider.program, &[vec![3000, -1]]).expect("admissible in the other model");
    victim.refuses(victim.case.layout.assign(&victim.case.builder.program, &trace, &victim.case.salts))
}

// --- requantization -----------------------------------------------------------------------------------------------

/// `y` off by one, and a remainder that makes up for it.
fn remainder(by: i64) -> Violations {
    let victim = borders();
    let mut assignment = victim.assignment();
    let home = victim.public()[1];
    assert_eq!(victim.system.skeleton.fixed(F::HighCoefficient, home), 4);
    Victim::step(&mut assignment, home, by);
    assignment.set(A::High(0), home, assignment.get(A::High(0), home) - 2 * by);
    victim.refuses(assignment)
}

fn remainder_too_small() -> Violations {
    remainder(1)
}

fn remainder_too_large() -> Violations {
    remainder(-1)
}

/// The same remainder in limbs that are not those of its digits.
fn limb_too_wide() -> Violations {
    let victim = borders();
    let mut assignment = victim.assignment();
    let home = victim.public()[1];
    assignment.set(A::Low(0), home, assignment.get(A::Low(0), home) + 4);
    assignment.set(A::High(0), home, assignment.get(A::High(0), home) - 1);
    victim.refuses(assignment)
}

/// Rewrites a saturating lookup: the argument, the overflow and the underflow claimed.
fn saturation(operand: i64, argument: i64, over: i64, under: i64) -> Violations {
    let victim = saturating();
    let mut assignment = victim.assignment();
    let pointwise: BTreeSet<usize> = victim.rows(F::Pointwise).into_iter().collect();
    let rows = victim.rows(F::Saturate).into_iter().filter(|row| pointwise.contains(row));
    let row = rows.into_iter().find(|&row| assignment.get(A::Value(0), row + 1) == operand).expect("it is looked up");
    assert_eq!(argument + over - under, operand);
    assignment.set(A::Pre(0), row, argument);
    assignment.set(A::Value(0), row, 2 * argument + 1);
    assignment.set(A::Low(0), row + 1, over);
    assignment.set(A::High(0), row + 1, under);
    victim.refuses(assignment)
}

fn overflow_claimed_inside() -> Violations {
    saturation(0, -1, 1, 0)
}

fn underflow_claimed_inside() -> Violations {
    saturation(0, 1, 0, 1)
}

fn saturated_at_the_wrong_end() -> Violations {
    saturation(2, -1, 3, 0)
}

fn saturated_at_the_other_wrong_end() -> Violations {
    saturation(-2, 1, 0, 3)
}

fn negative_overflow() -> Violations {
    saturation(0, 1, -1, 0)
}

fn saturation_left_out() -> Violations {
    saturation(2, 2, 0, 0)
}

/// Rewrites the first saturating lookup of [`targets::wide`]: the argument kept, the overflow and the underflow.
fn wide_saturation(argument: impl Fn(i64) -> i64, parts: impl Fn(i64) -> [i64; 2]) -> Violations {
    let victim = Victim::new(targets::wide(), &[&[3, 0]]);
    let mut assignment = victim.assignment();
    // The second output, of the two elements 210003 and 0.
    let home = victim.public()[3];
    let operand = assignment.get(A::Value(0), home + 1);
    let argument = argument(operand);
    let [over, under] = parts(operand);
    assignment.set(A::Pre(0), home, argument);
    assignment.set(A::Value(0), home, 2 * argument + 1);
    assignment.set(A::Pre(0), home + 1, over - under);
    for (column, row, value) in [
        (A::Value(0), 2, over),
        (A::Pre(0), 2, under),
        (A::Value(0), 3, over),
        (A::Pre(0), 3, argument),
        (A::Value(0), 4, under),
        (A::Pre(0), 4, argument),
    ] {
        assignment.set(column, home + row, value);
    }
    for (first, value) in [(5, over), (7, under)] {
        for step in 0..2 {
            let rest = value >> (16 * step);
            assignment.set(A::Pre(0), home + first + step, rest);
            assignment.set(A::Low(0), home + first + step, rest & 0xff);
            assignment.set(A::High(0), home + first + step, if step == 0 { rest >> 8 & 0xff } else { rest >> 8 });
        }
    }
    victim.refuses(assignment)
}

fn wide_overflow_claimed_inside() -> Violations {
    wide_saturation(|_| -1, |operand| [operand + 1, 0])
}

fn wide_underflow_claimed_inside() -> Violations {
    wide_saturation(|_| 1, |operand| [0, 1 - operand])
}

fn wide_overflow_is_negative() -> Violations {
    wide_saturation(|_| 1, |operand| [operand - 1, 0])
}

// --- clamps without tables ----------------------------------------------------------------------------------------

/// What stands in the rows of an element of [`targets::clamped`]'s lookup, clamped to `[0, 1200]`, which a prover chooses.
struct ClampedElement {
    victim: Victim,
    home: usize,
    operand: i64,
    factor: i64,
}

/// A result, its overflows, and the two ranges.
#[derive(Clone, Copy)]
struct Claim {
    result: i64,
    over: i64,
    under: i64,
    below: i64,
    above: i64,
}

impl ClampedElement {
    const ENDS: [i64; 2] = [0, 1200];

    /// The first element of the lookup, which is of 38 or of 1499.
    fn new(inputs: [i64; 3]) -> Self {
        let victim = Victim::new(targets::clamped(), &[&inputs]);
        assert!(victim.case.layout.widths().max_clamp.is_some());
        let home = victim.public()[11];
        let skeleton = &victim.system.skeleton;
        let factor = skeleton.fixed(F::LowCoefficient, home + 1);
        let ends = [F::SaturateLow, F::SaturateHigh].map(|end| skeleton.fixed(end, home));
        assert_eq!(ends, Self::ENDS, "the clamp of the lookup");
        let operand = victim.assignment().get(A::Value(0), home + 1);
        Self { victim, home, operand, factor }
    }

    fn inside() -> Self {
        Self::new([2, 3, 1])
    }

    fn beyond() -> Self {
        Self::new([49, -50, 49])
    }

    /// A claim that its forms admit.
    fn claim(result: i64, over: i64, under: i64) -> Claim {
        let [lo, hi] = Self::ENDS;
        Claim { result, over, under, below: result - lo + under, above: hi - result + over }
    }

    fn with(&self, claim: Claim) -> Assignment {
        let mut assignment = self.victim.assignment();
        let (home, Claim { result, over, under, below, above }) = (self.home, claim);
        let joint = result + under + self.factor * (Self::ENDS[1] - result + over);
        for (column, row, value) in [
            (A::Value(0), 0, result),
            (A::Pre(0), 0, result),
            (A::Low(0), 1, over),
            (A::High(0), 1, under),
            (A::Value(0), 2, result),
            (A::Pre(0), 2, joint),
            (A::Low(0), 2, below & 0xff),
            (A::High(0), 2, below >> 8),
            (A::Value(0), 3, above),
            (A::Pre(0), 3, above),
            (A::Low(0), 3, above & 0xff),
            (A::High(0), 3, above >> 8),
        ] {
            assignment.set(column, home + row, value);
        }
        assignment
    }

    fn refuses(&self, claim: Claim) -> Violations {
        self.victim.refuses(self.with(claim))
    }
}

fn clamp_overflow_claimed_inside() -> Violations {
    let element = ClampedElement::inside();
    let result = element.operand - 1;
    element.refuses(ClampedElement::claim(result, 1, 0))
}

fn clamp_underflow_claimed_inside() -> Violations {
    let element = ClampedElement::inside();
    let result = element.operand + 1;
    element.refuses(ClampedElement::claim(result, 0, 1))
}

fn clamp_at_its_end_inside() -> Violations {
    let element = ClampedElement::inside();
    let [_, hi] = ClampedElement::ENDS;
    element.refuses(ClampedElement::claim(hi, element.operand - hi, 0))
}

fn clamp_left_beyond_its_end() -> Violations {
    let element = ClampedElement::beyond();
    assert!(element.operand > ClampedElement::ENDS[1]);
    element.refuses(ClampedElement::claim(element.operand, 0, 0))
}

fn clamp_at_the_wrong_end() -> Violations {
    let element = ClampedElement::beyond();
    let [lo, _] = ClampedElement::ENDS;
    element.refuses(ClampedElement::claim(lo, 0, lo - element.operand))
}

/// Both overflows are one larger.
fn clamp_with_both_overflows() -> Violations {
    let element = ClampedElement::beyond();
    let [_, hi] = ClampedElement::ENDS;
    element.refuses(ClampedElement::claim(hi, element.operand - hi + 1, 1))
}

fn clamp_off_by_one() -> Violations {
    let element = ClampedElement::inside();
    element.refuses(ClampedElement::claim(element.operand + 1, 0, 0))
}

/// The joint range falls apart another way.
fn clamp_with_a_borrowed_range() -> Violations {
    let element = ClampedElement::inside();
    let claim = ClampedElement::claim(element.operand, 0, 0);
    let (below, above) = (claim.below + element.factor, claim.above - 1);
    element.refuses(Claim { below, above, ..claim })
}

fn clamp_with_a_range_of_another_result() -> Violations {
    let element = ClampedElement::inside();
    let mut assignment = element.with(ClampedElement::claim(element.operand + 1, 0, 0));
    for column in [A::Value(0), A::Pre(0)] {
        assignment.set(column, element.home, element.operand);
    }
    element.victim.refuses(assignment)
}

/// The joint range takes up another number than the one that is shown to be in range.
fn clamp_with_a_range_of_another_number() -> Violations {
    let element = ClampedElement::beyond();
    let [_, hi] = ClampedElement::ENDS;
    let mut assignment = element.with(ClampedElement::claim(element.operand, 0, 0));
    for (column, value) in [(A::Pre(0), 0), (A::Low(0), 0), (A::High(0), 0)] {
        assignment.set(column, element.home + 3, value);
    }
    assert!(element.operand > hi);
    element.victim.refuses(assignment)
}

// --- functions by segments ----------------------------------------------------------------------------------------

/// The first element of a function by segments, and where what it is made of lies.
struct Segmented {
    victim: Victim,
    /// The number that tells the segment.
    operand: i64,
    slope: usize,
    offset: usize,
    product: usize,
    line: usize,
}

impl Segmented {
    /// Of the slopes and offsets, that of the first number. What lies beyond the tables has the slope and the offset of their ends.
    const FIRST: i64 = -2;
    const SLOPES: [i64; 5] = [0, 2, 3, 1, 0];
    const OFFSETS: [i64; 5] = [-3, 1, 2, 4, 7];

    fn new(inputs: [i64; 2]) -> Self {
        let victim = Victim::new(targets::segments(), &[&inputs]);
        let line = victim.public()[0];
        let source = |column: A, row: usize| {
            let to = Cell::Advice(column, row as u32);
            let copy = victim.system.skeleton.copies.iter().find(|(_, cell)| *cell == to);
            match copy.expect("operands are copied").0 {
                Cell::Advice(A::Value(0), row) => row as usize,
                other => panic!("an operand at {other:?}"),
            }
        };
        let (product, offset) = (source(A::Value(0), line + 1), source(A::Pre(0), line + 1));
        let slope = source(A::Value(0), product + 1);
        let operand = victim.assignment().get(A::Value(0), slope + 1);
        Self { operand, slope, offset, product, line, victim }
    }

    /// One whose result the segment two before would change.
    fn inside() -> Self {
        let segmented = Self::new([3, 0]);
        assert_eq!((segmented.operand, segmented.segment()), (15, 2));
        segmented
    }

    /// The segment that the operand lies in.
    fn segment(&self) -> i64 {
        (self.operand + 4) >> 3
    }

    /// An entry of the slopes or the offsets.
    fn entry(entries: [i64; 5], segment: i64) -> i64 {
        entries[(segment - Self::FIRST) as usize]
    }

    /// A prover who claims that slope and offset are those of some segments, each with its remainder, and computes the rest from what
    /// is found in the tables there.
    fn with(&self, [of_slope, of_offset]: [i64; 2]) -> Assignment {
        let claim = |entries, segment| (segment, Self::entry(entries, segment));
        self.with_entries(claim(Self::SLOPES, of_slope), claim(Self::OFFSETS, of_offset))
    }

    /// The same with entries of its own, as pairs of a segment and what is said to be found there.
    fn with_entries(&self, slope: (i64, i64), offset: (i64, i64)) -> Assignment {
        let mut assignment = self.victim.assignment();
        for (home, (segment, entry)) in [(self.slope, slope), (self.offset, offset)] {
            let remainder = self.operand + 4 - 8 * segment;
            assignment.set(A::Pre(0), home, segment);
            assignment.set(A::Value(0), home, entry);
            assignment.set(A::Low(0), home, remainder & 3);
            assignment.set(A::High(0), home, remainder >> 2);
        }
        let product = slope.1 * self.operand;
        assignment.set(A::Value(0), self.product, product);
        assignment.set(A::Value(0), self.product + 1, slope.1);
        assignment.set(A::Value(0), self.line + 1, product);
        assignment.set(A::Pre(0), self.line + 1, offset.1);
        let sum = product + 4 * offset.1 + 8;
        self.put_result(&mut assignment, sum >> 4, sum & 15);
        assignment
    }

    /// The argument of the last table with its image, and the remainder that is left.
    fn put_result(&self, assignment: &mut Assignment, argument: i64, remainder: i64) {
        assignment.set(A::Pre(0), self.line, argument);
        assignment.set(A::Value(0), self.line, 2 * argument + 1);
        assignment.set(A::Low(0), self.line, remainder & 3);
        assignment.set(A::High(0), self.line, remainder >> 2);
    }
}

fn segment_of_another_argument() -> Violations {
    let segmented = Segmented::inside();
    let assignment = segmented.with([0, 0]);
    let result = |assignment: &Assignment| assignment.get(A::Value(0), segmented.line);
    assert_ne!(result(&assignment), result(&segmented.victim.assignment()), "the result is another one");
    segmented.victim.refuses(assignment)
}

/// The first number of a segment in the one before.
fn segment_that_ended() -> Violations {
    let segmented = Segmented::new([2, 2]);
    assert_eq!((segmented.operand, segmented.segment()), (4, 1));
    segmented.victim.refuses(segmented.with([0, 0]))
}

/// The last number of a segment in the next one.
fn segment_that_did_not_begin() -> Violations {
    let segmented = Segmented::new([0, -1]);
    assert_eq!((segmented.operand, segmented.segment()), (3, 0));
    segmented.victim.refuses(segmented.with([1, 1]))
}

/// Another segment with the remainder that the right one leaves.
fn segment_with_a_remainder_of_another() -> Violations {
    let segmented = Segmented::inside();
    let mut assignment = segmented.with([1, 1]);
    for home in [segmented.slope, segmented.offset] {
        for limb in [A::Low(0), A::High(0)] {
            assignment.set(limb, home, segmented.victim.assignment().get(limb, home));
        }
    }
    segmented.victim.refuses(assignment)
}

fn slope_of_the_neighbouring_segment() -> Violations {
    let segmented = Segmented::inside();
    let slope = (2, Segmented::entry(Segmented::SLOPES, 1));
    segmented.victim.refuses(segmented.with_entries(slope, (2, Segmented::entry(Segmented::OFFSETS, 2))))
}

fn offset_of_the_neighbouring_segment() -> Violations {
    let segmented = Segmented::inside();
    let offset = (2, Segmented::entry(Segmented::OFFSETS, 1));
    segmented.victim.refuses(segmented.with_entries((2, Segmented::entry(Segmented::SLOPES, 2)), offset))
}

fn slope_and_offset_of_two_segments() -> Violations {
    let segmented = Segmented::inside();
    segmented.victim.refuses(segmented.with([2, 1]))
}

/// What the operand is multiplied by is not the slope that was looked up.
fn product_by_another_slope() -> Violations {
    let segmented = Segmented::inside();
    let mut assignment = segmented.with_entries((2, -1), (2, Segmented::entry(Segmented::OFFSETS, 2)));
    assignment.set(A::Value(0), segmented.slope, Segmented::entry(Segmented::SLOPES, 2));
    segmented.victim.refuses(assignment)
}

/// The result before, with the remainder that the line leaves.
fn line_off_by_one() -> Violations {
    let segmented = Segmented::inside();
    let mut assignment = segmented.with([2, 2]);
    let limb = |limb| assignment.get(limb, segmented.line);
    let remainder = limb(A::Low(0)) + 4 * limb(A::High(0));
    let argument = assignment.get(A::Pre(0), segmented.line);
    segmented.put_result(&mut assignment, argument - 1, remainder);
    segmented.victim.refuses(assignment)
}

/// The result before, which leaves more than a step.
fn line_with_a_remainder_too_large() -> Violations {
    let segmented = Segmented::inside();
    let mut assignment = segmented.with([2, 2]);
    let limb = |limb| assignment.get(limb, segmented.line);
    let remainder = limb(A::Low(0)) + 4 * limb(A::High(0));
    let argument = assignment.get(A::Pre(0), segmented.line);
    segmented.put_result(&mut assignment, argument - 1, remainder + 16);
    segmented.victim.refuses(assignment)
}

// --- pointwise operators ------------------------------------------------------------------------------------------

fn affine() -> Victim {
    let mut b = ProgramBuilder::new(9);
    let table = targets::doubled(&mut b, -8, 7);
    let requantize = Some(Requantize { shift: 1, table });
    let x = targets::input(&mut b, &[2], [-2, 1], Visibility::Private);
    let y = b.node(Op::Affine { operands: [x, x], factors: [1, 2], constant: 0, requantize }, &[2]);
    b.output(y, Visibility::Public);
    Victim::new(b, &[&[0, -2]])
}

fn affine_off_by_one() -> Violations {
    let victim = affine();
    let mut assignment = victim.assignment();
    Victim::step(&mut assignment, victim.public()[0], 1);
    victim.refuses(assignment)
}

/// The operand is not the element that it is a copy of; the result fits the operand.
fn affine_of_another_operand() -> Violations {
    let victim = affine();
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    // 1·a + 2·b: two of the first operand are one step of the result.
    assignment.set(A::Value(0), home + 1, assignment.get(A::Value(0), home + 1) + 2);
    Victim::step(&mut assignment, home, 1);
    victim.refuses(assignment)
}

fn product_off_by_one() -> Violations {
    let mut b = ProgramBuilder::new(10);
    let x = targets::input(&mut b, &[2], [-2, 1], Visibility::Private);
    let y = b.node(Op::Product { operands: [x, x], requantize: None }, &[2]);
    b.output(y, Visibility::Public);
    let victim = Victim::new(b, &[&[1, -2]]);
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 1);
    victim.refuses(assignment)
}

fn sum() -> Victim {
    let mut b = ProgramBuilder::new(11);
    let x = targets::input(&mut b, &[2, 3], [-2, 1], Visibility::Private);
    let y = b.node(Op::Sum { input: x, factor: 3, requantize: None }, &[2]);
    b.output(y, Visibility::Public);
    Victim::new(b, &[&[1, -2, 0, 1, 1, 1]])
}

/// The sum in the first phase is not what the scalar unit adds up.
fn sum_off_by_one() -> Violations {
    let victim = sum();
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    assignment.set(A::Value(0), home + 1, assignment.get(A::Value(0), home + 1) + 1);
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 3);
    victim.refuses(assignment)
}

fn missing() -> Victim {
    Victim::new(targets::missing(), &[&[-9, 5]])
}

/// A missing value is said to be there, and one that is there to be missing.
fn missing_bits_turned() -> Violations {
    let victim = missing();
    let mut all = Violations::default();
    for &home in &victim.public()[..2] {
        let mut assignment = victim.assignment();
        assignment.set(A::Value(0), home, 1 - assignment.get(A::Value(0), home));
        let violations = victim.refuses(assignment);
        assert!(!violations.none(), "row {home}");
        all.names.extend(violations.names);
    }
    all
}

/// Another number in the place of a missing value than the program says.
fn another_number_for_a_missing_value() -> Violations {
    let victim = missing();
    let mut assignment = victim.assignment();
    let home = victim.public()[2];
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 1);
    victim.refuses(assignment)
}

fn gathered() -> Victim {
    Victim::new(targets::gathered(), &[&[1, 2]])
}

impl Victim {
    /// The cells where groups of gathered rows are looked up.
    fn groups(&self) -> Vec<usize> {
        let key = |&(source, destination): &(Cell, Cell)| match (source, destination) {
            (Cell::Advice(A::ScalarC, _), Cell::Advice(A::Pre(0), row)) => Some(row as usize),
            _ => None,
        };
        self.system.skeleton.copies.iter().filter_map(key).collect()
    }
}

/// Puts an element of a gathered row `by` further, where its range is looked up too.
fn move_element(assignment: &mut Assignment, row: usize, by: i64) {
    for column in [A::Value(0), A::Pre(0)] {
        assignment.set(column, row, assignment.get(column, row) + by);
    }
}

fn one_gathered_element() -> Violations {
    let victim = gathered();
    let mut assignment = victim.assignment();
    move_element(&mut assignment, victim.public()[0], 1);
    victim.refuses(assignment)
}

/// An element and the image that holds it, under the key of the row that it is not of.
fn gathered_image_of_no_row() -> Violations {
    let victim = gathered();
    let mut assignment = victim.assignment();
    move_element(&mut assignment, victim.public()[0], 1);
    // The first element is the lowest digit of the first image.
    let group = victim.groups()[0];
    assignment.set(A::Value(0), group, assignment.get(A::Value(0), group) + 1);
    victim.refuses(assignment)
}

/// Two digits that make the same image, one of them beyond its range.
fn gathered_digit_out_of_range() -> Violations {
    let victim = gathered();
    let mut assignment = victim.assignment();
    let homes = victim.public();
    move_element(&mut assignment, homes[0], 1 << 8);
    move_element(&mut assignment, homes[1], -1);
    victim.refuses(assignment)
}

/// The rows of the two indices, each in the place of the other.
fn rows_of_each_others_index() -> Violations {
    let victim = gathered();
    let mut assignment = victim.assignment();
    let (homes, groups) = (victim.public(), victim.groups());
    let pairs = homes[..9].iter().zip(&homes[9..]).chain(groups[..2].iter().zip(&groups[2..]));
    for (&here, &there) in pairs {
        for column in [A::Value(0), A::Pre(0)] {
            let (one, other) = (assignment.get(column, here), assignment.get(column, there));
            assignment.set(column, here, other);
            assignment.set(column, there, one);
        }
    }
    victim.refuses(assignment)
}

fn two_functions() -> Victim {
    let mut b = ProgramBuilder::new(12);
    let doubled = targets::doubled(&mut b, -2, 1);
    let clamp = b.table(circuits::graph::Table::identity(-2, 1));
    let x = targets::input(&mut b, &[2], [-2, 1], Visibility::Private);
    let y = b.node(Op::Lookup { input: x, table: doubled }, &[2]);
    let z = b.node(Op::Lookup { input: x, table: clamp }, &[2]);
    b.output(y, Visibility::Public);
    b.output(z, Visibility::Public);
    Victim::new(b, &[&[1, -2]])
}

fn lookup_of_another_operand() -> Violations {
    let victim = two_functions();
    let mut assignment = victim.assignment();
    Victim::step(&mut assignment, victim.public()[1], 1);
    victim.refuses(assignment)
}

/// The other function's value.
fn another_function() -> (Victim, Assignment) {
    let victim = two_functions();
    let mut assignment = victim.assignment();
    let [first, other] = [victim.public()[0], victim.public()[2]];
    assignment.set(A::Value(0), first, assignment.get(A::Value(0), other));
    (victim, assignment)
}

fn function_of_another_tag() -> Violations {
    let (victim, assignment) = another_function();
    victim.refuses(assignment)
}

/// The helpers and counts are those of a machine in which the two tags are swapped.
fn swapped_tags() -> Violations {
    let (victim, mut assignment) = another_function();
    let [first, other] = [victim.public()[0], victim.public()[2]];
    let mut swapped = (**victim.case.layout.skeleton()).clone();
    let tags = swapped.fixed.get_mut(&F::ValueTag(0)).expect("it has tags");
    tags.set(first, tags.get(other));
    assignment.skeleton = Arc::new(swapped);
    victim.refuses(assignment)
}

// --- reciprocals --------------------------------------------------------------------------------------------------

/// A division in the rows of [`targets::reciprocal`], or the root in those of [`targets::square_root`]: the remainder, the
/// quotient, what it is multiplied with, and the number that shows that the remainder is not too large; each of the three
/// that must not be negative has its limbs.
struct Division {
    victim: Victim,
    assignment: Assignment,
    first: usize,
    divisor: i64,
    quotient: i64,
}

impl Division {
    fn new() -> Self {
        let division = Self::of(Victim::new(targets::reciprocal(), &[&[5, 3, 7]]));
        assert_eq!((division.quotient, division.divisor), (64 / 5, 5));
        division
    }

    fn root() -> Self {
        let root = Self::of(Victim::new(targets::square_root(), &[&[20, 9, 30]]));
        assert_eq!((root.quotient, root.divisor), (4, 4));
        root
    }

    fn of(victim: Victim) -> Self {
        let first = victim.public()[0] - 1;
        let assignment = victim.assignment();
        let (quotient, divisor) = (assignment.get(A::Value(0), first + 1), assignment.get(A::Pre(0), first + 1));
        Self { victim, assignment, first, divisor, quotient }
    }

    /// A number with its limbs; the chain of a negative one has its digits modulo 2¹⁶.
    fn chain(&mut self, index: usize, value: i64) {
        let row = self.first + 4 + index;
        self.assignment.set(A::Pre(0), row, value);
        self.assignment.set(A::Low(0), row, value & 0xff);
        self.assignment.set(A::High(0), row, value >> 8);
    }

    fn quotient(&mut self, quotient: i64) {
        self.assignment.set(A::Value(0), self.first + 1, quotient);
        self.chain(2, quotient);
    }

    fn remainder(&mut self, remainder: i64) {
        self.assignment.set(A::Pre(0), self.first, remainder);
        self.assignment.set(A::Pre(0), self.first + 3, remainder);
        self.chain(1, remainder);
    }

    fn excess(&mut self, excess: i64) {
        self.assignment.set(A::Pre(0), self.first + 2, excess);
        self.chain(0, excess);
    }

    /// Everything that follows from the quotient of `numerator`.
    fn claim_quotient(&mut self, numerator: i64, quotient: i64) {
        let remainder = numerator - quotient * self.divisor;
        self.quotient(quotient);
        self.remainder(remainder);
        self.excess(self.divisor - 1 - remainder);
    }

    /// Everything that follows from the root of `square`.
    fn claim_root(&mut self, square: i64, root: i64) {
        let remainder = square - root * root;
        self.quotient(root);
        self.assignment.set(A::Pre(0), self.first + 1, root);
        self.assignment.set(A::Value(0), self.first + 3, root);
        self.remainder(remainder);
        self.excess(2 * root - remainder);
    }

    fn refuses(self) -> Violations {
        self.victim.refuses(self.assignment)
    }
}

/// A quotient that is off, with the remainder that belongs to it.
fn quotient(by: i64) -> Violations {
    let mut division = Division::new();
    division.claim_quotient(64, division.quotient + by);
    division.refuses()
}

fn quotient_too_small() -> Violations {
    quotient(-1)
}

fn quotient_too_large() -> Violations {
    quotient(1)
}

/// The remainder is the larger one, and the number that should show otherwise is not that of its row's form.
fn remainder_as_large_as_the_divisor() -> Violations {
    let mut division = Division::new();
    let quotient = division.quotient - 1;
    let remainder = 64 - quotient * division.divisor;
    division.quotient(quotient);
    division.remainder(remainder);
    division.refuses()
}

/// The remainder that is ranged is not the one of the division.
fn remainder_of_another_division() -> Violations {
    let mut division = Division::new();
    let quotient = division.quotient + 1;
    division.quotient(quotient);
    let remainder = 64 - quotient * division.divisor;
    division.assignment.set(A::Pre(0), division.first, remainder);
    division.refuses()
}

/// The quotient of the number behind, by the same divisor.
fn quotient_of_another_dividend() -> Violations {
    let mut division = Division::of(Victim::new(targets::quotient(), &[&[33, 40, 0], &[5, 3, 7]]));
    assert_eq!((division.quotient, division.divisor), (6, 5));
    division.assignment.set(A::Value(0), division.first, 40);
    division.claim_quotient(40, 8);
    division.refuses()
}

/// A root that is another number, with the remainder that belongs to it.
fn root(claimed: i64) -> Violations {
    let mut root = Division::root();
    root.claim_root(20, claimed);
    root.refuses()
}

fn root_too_small() -> Violations {
    root(3)
}

fn root_too_large() -> Violations {
    root(5)
}

fn root_is_negative() -> Violations {
    root(-4)
}

/// The remainder is larger than twice the root, and the number that should show otherwise is not that of its row's form.
fn remainder_larger_than_twice_the_root() -> Violations {
    let mut root = Division::root();
    root.claim_root(20, 3);
    root.excess(0);
    root.refuses()
}

/// The factors of the square are 5 and 4, and the remainder is zero.
fn root_of_two_factors() -> Violations {
    let mut root = Division::root();
    root.claim_root(20, 5);
    root.assignment.set(A::Pre(0), root.first + 1, 4);
    root.remainder(0);
    root.excess(10);
    root.refuses()
}

/// The root of the number behind.
fn root_of_another_operand() -> Violations {
    let mut root = Division::root();
    root.assignment.set(A::Value(0), root.first, 9);
    root.claim_root(9, 3);
    root.refuses()
}

// --- roundings and steps ------------------------------------------------------------------------------------------

/// Who claims that a number is rounded so, to two significant bits; 11 becomes 12, `3·2^2`.
struct Rounded {
    victim: Victim,
    assignment: Assignment,
    first: usize,
}

impl Rounded {
    fn new(operand: i64, claim: Rounding) -> Self {
        let victim = Victim::new(targets::rounded(), &[&[operand, 3, -7]]);
        let (mut assignment, first) = (victim.assignment(), victim.public()[0] - Rounding::HOME);
        claim.write(&mut assignment, first, operand);
        Self { victim, assignment, first }
    }

    fn refuses(self) -> Violations {
        self.victim.refuses(self.assignment)
    }
}

fn rounding_of_a_larger_exponent() -> Violations {
    Rounded::new(11, Rounding::new(1, 3, 1)).refuses()
}

fn rounding_of_a_smaller_exponent() -> Violations {
    Rounded::new(11, Rounding::new(1, 1, 6)).refuses()
}

fn rounding_to_the_farther_one() -> Violations {
    Rounded::new(11, Rounding::new(1, 2, 2)).refuses()
}

/// 10 lies between `2·4` and `3·4`.
fn tie_to_the_odd_one() -> Violations {
    Rounded::new(10, Rounding::new(1, 2, 3)).refuses()
}

/// The same, and the prover says that three is even.
fn tie_to_an_odd_one_called_even() -> Violations {
    Rounded::new(10, Rounding { odd: 0, ..Rounding::new(1, 2, 3) }).refuses()
}

fn rounding_of_the_other_sign() -> Violations {
    Rounded::new(11, Rounding::new(-1, 2, 3)).refuses()
}

/// The sign is 3, of a limb that is no bit, so that 4 is rounded to 12.
fn sign_that_is_none() -> Violations {
    Rounded::new(11, Rounding::new(3, 2, 1)).refuses()
}

/// The power is not that of the exponent.
fn power_of_another_exponent() -> Violations {
    let mut rounded = Rounded::new(11, Rounding::new(1, 2, 3));
    rounded.assignment.set(A::Pre(0), rounded.first, 3);
    rounded.assignment.set(A::Pre(0), rounded.first + 1, 3);
    rounded.refuses()
}

/// The least magnitude is that of a smaller exponent than the power.
fn binade_of_another_exponent() -> Violations {
    let claim = Rounding::new(1, 3, 1);
    let mut rounded = Rounded::new(11, claim);
    let (assignment, first) = (&mut rounded.assignment, rounded.first);
    assignment.set(A::Pre(0), first + 1, 2);
    for (column, row, value) in [(A::Value(0), 1, 8), (A::Pre(0), 5, 8), (A::Value(0), 5, 3), (A::Pre(0), 14, 3)] {
        assignment.set(column, first + row, value);
    }
    assignment.set(A::Low(0), first + 14, 3);
    assignment.set(A::High(0), first + 14, 0);
    rounded.refuses()
}

/// The number behind, rounded.
fn rounding_of_another_operand() -> Violations {
    let mut rounded = Rounded::new(11, Rounding::new(1, 2, 3));
    Rounding::new(1, 0, 3).write(&mut rounded.assignment, rounded.first, 3);
    rounded.refuses()
}

/// Who claims that twice a quotient is so many steps up.
struct Stepped {
    victim: Victim,
    assignment: Assignment,
    first: usize,
}

impl Stepped {
    fn new([dividend, divisor]: [i64; 2], claim: Stepping) -> Self {
        let victim = Victim::new(targets::stepped(), &[&[dividend, 3, -7], &[divisor, 2, 5]]);
        let (mut assignment, first) = (victim.assignment(), victim.public()[0] - Stepping::HOME);
        claim.write(&mut assignment, first, [dividend, divisor], &targets::stepped_steps());
        Self { victim, assignment, first }
    }

    fn refuses(self) -> Violations {
        self.victim.refuses(self.assignment)
    }
}

/// `2·5 / 3` lies between 3 and 4: three steps are reached.
fn step(reached: usize, overflows: [i64; 2]) -> Violations {
    Stepped::new([5, 3], Stepping { reached, overflows }).refuses()
}

fn one_step_too_few() -> Violations {
    step(2, [0, 0])
}

fn one_step_too_many() -> Violations {
    step(4, [0, 9])
}

fn no_step_at_all() -> Violations {
    step(0, [0, 0])
}

/// The distance from a step that is not reached is made up for where there is one.
fn step_too_many_made_up_for() -> Violations {
    step(4, [5, 9])
}

fn step_too_few_made_up_for() -> Violations {
    step(2, [0, 5])
}

/// `2·6 / 4` is 3, and that step is strict.
fn strict_step_called_reached() -> Violations {
    Stepped::new([6, 4], Stepping { reached: 3, overflows: [0, 0] }).refuses()
}

/// The strictness is that of another step.
fn strictness_of_another_step() -> Violations {
    let mut stepped = Stepped::new([6, 4], Stepping { reached: 3, overflows: [0, 0] });
    let (assignment, first) = (&mut stepped.assignment, stepped.first);
    let result = assignment.get(A::Pre(0), first);
    // That of the last step but one, with which the bound is reached.
    for (row, key, strict) in [(4, result + 1, 0), (5, result + 2, 0)] {
        assignment.set(A::Pre(0), first + row, key);
        assignment.set(A::Value(0), first + row, strict);
    }
    for (row, strict) in [(8, 0), (14, 0)] {
        assignment.set(A::Pre(0), first + row, strict);
    }
    for (column, row, value) in
        [(A::Value(0), 6, 6), (A::Pre(0), 10, 6), (A::Pre(0), 6, 0), (A::Value(0), 8, 0), (A::Pre(0), 11, 0)]
    {
        assignment.set(column, first + row, value);
    }
    for row in [9, 11] {
        assignment.set(A::Pre(0), first + row, 0);
        assignment.set(A::Low(0), first + row, 0);
        assignment.set(A::High(0), first + row, 0);
    }
    stepped.refuses()
}

/// The next step but one is not reached, nor is that.
fn steps_that_are_no_neighbours() -> Violations {
    let (few, many) = (Stepping { reached: 2, overflows: [0, 0] }, Stepping { reached: 3, overflows: [0, 0] });
    let mut stepped = Stepped::new([5, 3], few);
    let lower = stepped.assignment.clone();
    let first = stepped.first;
    many.write(&mut stepped.assignment, first, [5, 3], &targets::stepped_steps());
    // The upper step of the larger claim, and the lower one and the result of the smaller.
    for row in [0, 2, 3, 4].into_iter().chain(6..12) {
        for column in [A::Value(0), A::Pre(0), A::Low(0), A::High(0)] {
            stepped.assignment.set(column, first + row, lower.get(column, first + row));
        }
    }
    stepped.refuses()
}

/// The quotient of another pair of numbers.
fn steps_of_other_operands() -> Violations {
    let mut stepped = Stepped::new([5, 3], Stepping { reached: 3, overflows: [0, 0] });
    let first = stepped.first;
    Stepping { reached: 2, overflows: [0, 0] }.write(&mut stepped.assignment, first, [3, 2], &targets::stepped_steps());
    stepped.refuses()
}

/// Of all quotients and roots of small numbers, each with the remainder that belongs to it, the right one alone passes.
#[test]
fn all_small_quotients_and_roots() {
    let outcome = |mut division: Division, right: bool| {
        division.assignment.count_lookups();
        let cells = division.victim.system.derived(&division.assignment);
        assert_eq!(division.victim.system.violations(&cells).none(), right);
    };
    for divisor in 1..=7 {
        for claimed in -2..=66 {
            let mut division = Division::of(Victim::new(targets::reciprocal(), &[&[divisor, 3, 7]]));
            division.claim_quotient(64, claimed);
            outcome(division, claimed == 64 / divisor);
        }
        for dividend in [0, 1, divisor - 1, divisor, 3 * divisor - 1, 40] {
            for claimed in -1..=41 {
                let victim = Victim::new(targets::quotient(), &[&[dividend, 40, 0], &[divisor, 3, 7]]);
                let mut division = Division::of(victim);
                division.claim_quotient(dividend, claimed);
                outcome(division, claimed == dividend / divisor);
            }
        }
    }
    for square in 0i64..=30 {
        for claimed in -6..=7 {
            let mut root = Division::of(Victim::new(targets::square_root(), &[&[square, 9, 30]]));
            root.claim_root(square, claimed);
            outcome(root, claimed == square.isqrt());
        }
    }
}

// --- maxima -------------------------------------------------------------------------------------------------------

/// Claims running maxima for the first window of three, and the differences `[low, high]` of each step.
fn maximum(window: [i64; 3], values: [i64; 2], differences: [[i64; 2]; 2]) -> Violations {
    let victim = windows(window);
    let mut assignment = victim.assignment();
    let first = victim.public()[0];
    for step in 0..2 {
        assignment.set(A::Value(0), first + step, values[step]);
        assignment.set(A::Low(0), first + step, differences[step][0]);
        assignment.set(A::High(0), first + step, differences[step][1]);
    }
    victim.refuses(assignment)
}

fn maximum_below_an_operand() -> Violations {
    maximum([1, 3, 2], [2, 2], [[1, 0], [0, 0]])
}

fn maximum_below_the_running_one() -> Violations {
    maximum([1, 2, 3], [2, 2], [[1, 0], [0, 0]])
}

fn maximum_not_attained() -> Violations {
    maximum([1, 3, 2], [4, 3], [[3, 1], [0, 1]])
}

fn maximum_with_a_negative_difference() -> Violations {
    maximum([1, 3, 2], [2, 2], [[1, 0], [-1, 0]])
}

/// Claims that the largest of three numbers, as many times `2^20` and 1, is so much, with the differences from these that follow.
fn wide_maximum(window: [i64; 3], maximum: i64, operands: [i64; 3]) -> Violations {
    let far = |value: i64| (value << 20) + 1;
    let row: Vec<_> = window.iter().chain(&[0, 1, 2]).copied().collect();
    let victim = Victim::new(targets::wide_maximum(), &[&row]);
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    assignment.set(A::Value(0), home, far(maximum));
    let copies = &victim.system.skeleton.copies;
    let first = copies.iter().find_map(|&(from, to)| match (from, to) {
        (Cell::Advice(A::Value(0), first), Cell::Advice(A::Value(0), row)) if row as usize == home => {
            Some(first as usize)
        }
        _ => None,
    });
    for (head, operand) in (first.expect("it is a copy")..).step_by(3).zip(operands) {
        assignment.set(A::Value(0), head, far(maximum));
        assignment.set(A::Pre(0), head, far(operand));
        let difference = far(maximum) - far(operand);
        for (row, value) in [(head + 1, difference), (head + 2, difference >> 16)] {
            assignment.set(A::Pre(0), row, value);
            assignment.set(A::Low(0), row, value & 0xff);
            assignment.set(A::High(0), row, (value >> 8) & 0xff);
        }
    }
    victim.refuses(assignment)
}

fn wide_maximum_below_an_operand() -> Violations {
    wide_maximum([1, 3, 2], 2, [1, 3, 2])
}

fn wide_maximum_not_attained() -> Violations {
    wide_maximum([1, 3, 2], 4, [1, 3, 2])
}

fn wide_maximum_of_another_operand() -> Violations {
    wide_maximum([1, 3, 2], 2, [1, 0, 2])
}

/// Claims that the largest of five scores is `maximum`, with these bits; distances follow unless given.
fn arg_maximum(scores_: [i64; 5], maximum: i64, bits: [i64; 5], distances: &[(usize, i64)]) -> Violations {
    let victim = scores(scores_);
    let mut assignment = victim.assignment();
    let first = victim.rows(F::ArgMaximum)[0];
    assignment.set(A::Low(0), first, maximum - 1);
    for (i, bit) in bits.into_iter().enumerate() {
        assignment.set(A::Value(0), first + 1 + i, bit);
        assignment.set(A::Low(0), first + 1 + i, maximum - 1 - scores_[i] + bit);
    }
    for &(i, distance) in distances {
        assignment.set(A::Low(0), first + 1 + i, distance);
    }
    let index = 5 - bits.iter().sum::<i64>();
    assert_ne!(victim.case.trace.outputs(&victim.case.builder.program)[0][0], index, "the index is wrong");
    assignment.set(A::Value(0), victim.public()[0], index);
    victim.refuses(assignment)
}

fn second_largest() -> Violations {
    arg_maximum([1, 3, 2, 0, 0], 2, [0, 0, 1, 1, 1], &[(1, 0)])
}

fn second_largest_with_a_negative_distance() -> Violations {
    arg_maximum([1, 3, 2, 0, 0], 2, [0, 0, 1, 1, 1], &[])
}

fn tie_to_the_later() -> Violations {
    arg_maximum([1, 3, 3, 0, 0], 3, [0, 0, 1, 1, 1], &[])
}

fn arg_maximum_not_attained() -> Violations {
    arg_maximum([1, 3, 2, 0, 0], 4, [0, 0, 0, 0, 1], &[])
}

fn arg_maximum_bits_fall() -> Violations {
    arg_maximum([3, 2, 3, 0, 0], 3, [1, 0, 1, 1, 1], &[])
}

fn arg_maximum_bit_is_none() -> Violations {
    arg_maximum([0, 1, 3, 0, 0], 3, [0, -1, 1, 1, 1], &[])
}

fn arg_maximum_never_reached() -> Violations {
    arg_maximum([1, 3, 2, 0, 0], 4, [0, 0, 0, 0, 0], &[])
}

fn index_of_another_sum() -> Violations {
    let victim = scores([1, 3, 2, 0, 0]);
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 1);
    victim.refuses(assignment)
}

// --- the second phase ---------------------------------------------------------------------------------------------

/// A wrong lookup, and a cell of the lookup argument that hides it.
fn forged_lookup(column: A) -> Violations {
    let victim = dense();
    let mut assignment = victim.assignment();
    let home = victim.rows(F::PreCoefficient)[0];
    // The same remainder in limbs that are in no table.
    assignment.set(A::High(0), home, assignment.get(A::High(0), home) + 7);
    assignment.set(A::Low(0), home, assignment.get(A::Low(0), home) - 14);
    let wrong = victim.follow(assignment);
    victim.forge(column, &wrong, victim.lookup_end())
}

fn forged_helper() -> Violations {
    forged_lookup(A::LookupHelper(0))
}

fn forged_table_fraction() -> Violations {
    forged_lookup(A::TableHelper(0))
}

fn lookup_sum_not_started_at_zero() -> Violations {
    let violations = forged_lookup(A::LookupSum);
    assert_eq!(violations.gates.iter().next().expect("one constraint").1, 0, "the first row");
    violations
}

/// The sum would end at zero if it started at the value in the last blinded row.
fn lookup_sum_started_on_a_blinded_row() -> Violations {
    let victim = dense();
    let mut assignment = victim.assignment();
    assignment.set(A::Multiplicity(0), 3, assignment.get(A::Multiplicity(0), 3) + 2);
    let mut cells = victim.system.derived(&assignment);
    let (end, _) = victim.lookup_end();
    let excess = victim.system.get(&cells, end);
    let last = victim.system.params().rows() - 1;
    let (column, _) = victim.system.place(A::LookupSum, 0);
    cells.advice[column][last] = -excess;
    victim.system.violations(&cells)
}

/// A wrong result, and a cell of an accumulator, operand or scalar that hides it.
fn forged_dense(column: A) -> Violations {
    let victim = dense();
    let wrong = wrong_score(&victim);
    victim.forge(column, &wrong, victim.failed_identity(&wrong))
}

fn forged_planes(column: A) -> Violations {
    let victim = borders();
    let wrong = wrong_pixel(&victim);
    victim.forge(column, &wrong, victim.failed_identity(&wrong))
}

fn forged_identity() -> Violations {
    forged_dense(A::IdentityInner)
}

/// The identity reader of the second layer starts from something else than zero.
fn accumulator_not_reset() -> Violations {
    let victim = dense();
    let wrong = wrong_score(&victim);
    let (left, right) = victim.failed_identity(&wrong);
    let violations = victim.forge(A::IdentityInner, &wrong, (left, right));
    let row = violations.gates.iter().next().expect("one constraint").1;
    let row = victim.system.logical_row("M-ID-INNER", row);
    assert_eq!(victim.system.skeleton.fixed(F::IdentityStepRho, row), 0, "the first row of the block");
    violations
}

fn forged_weights() -> Violations {
    forged_dense(A::WeightInner)
}

fn forged_scalar() -> Violations {
    forged_dense(A::ScalarC)
}

fn forged_first_operand() -> Violations {
    forged_dense(A::ScalarA)
}

fn forged_second_operand() -> Violations {
    forged_dense(A::ScalarB)
}

fn forged_channel_sum() -> Violations {
    forged_planes(A::IdentityOuter)
}

fn forged_channel() -> Violations {
    forged_planes(A::IdentityInner)
}

fn forged_plane() -> Violations {
    forged_planes(A::Plane)
}

fn forged_taps() -> Violations {
    forged_planes(A::WeightOuter)
}

fn forged_tap() -> Violations {
    forged_planes(A::WeightInner)
}

// --- products of matrices -----------------------------------------------------------------------------------------

fn matrices() -> Victim {
    Victim::new(targets::matrices(), &[&[1, -2, 0, 1, -1, -2]])
}

/// An element of a product one too large.
fn wrong_element(victim: &Victim) -> Cells {
    wrong_score(victim)
}

fn one_element_of_a_product() -> Violations {
    let victim = matrices();
    victim.system.violations(&wrong_element(&victim))
}

fn one_requantized_element_of_a_product() -> Violations {
    let victim = matrices();
    let mut assignment = victim.assignment();
    let scores: Vec<usize> = victim.rows(F::PreCoefficient);
    let row = *scores.iter().find(|&&row| assignment.get(A::Pre(0), row) < 2).expect("not all are largest");
    Victim::step(&mut assignment, row, 1);
    let copies: Vec<_> = victim.system.skeleton.copies.clone();
    for (from, to) in copies {
        if let (Cell::Advice(A::Value(0), from), Cell::Advice(A::Value(0), to)) = (from, to) {
            if from as usize == row {
                assignment.set(A::Value(0), to as usize, assignment.get(A::Value(0), row));
            }
        }
    }
    let violations = victim.refuses(assignment);
    assert!(!violations.copies.is_empty());
    violations
}

/// Two rows of a product, each in the other's place.
fn swapped_rows_of_a_product() -> Violations {
    let victim = matrices();
    let mut assignment = victim.assignment();
    let homes = victim.public();
    for (&here, &there) in homes[..3].iter().zip(&homes[3..]) {
        let (one, other) = (assignment.get(A::Value(0), here), assignment.get(A::Value(0), there));
        assignment.set(A::Value(0), here, other);
        assignment.set(A::Value(0), there, one);
    }
    victim.refuses(assignment)
}

/// A batch of two samples of a dense network; its public values are the samples' inputs, then their outputs.
fn batch() -> Victim {
    Victim::new(targets::batch(), &[&[3, -1, 2, -4, 0, 1]])
}

/// What one sample gives is said of the other.
fn samples_with_swapped_outputs() -> Violations {
    let victim = batch();
    let mut assignment = victim.assignment();
    let homes = victim.public();
    let homes = &homes[homes.len() - 4..];
    for (&here, &there) in homes[..2].iter().zip(&homes[2..]) {
        let (one, other) = (assignment.get(A::Value(0), here), assignment.get(A::Value(0), there));
        assert_ne!(one, other);
        assignment.set(A::Value(0), here, other);
        assignment.set(A::Value(0), there, one);
    }
    victim.refuses(assignment)
}

/// One sample's output is another than its input gives, and the other sample is as it should be.
fn one_sample_with_another_output() -> Violations {
    let victim = batch();
    let mut assignment = victim.assignment();
    let home = *victim.public().last().expect("outputs are public");
    assignment.set(A::Value(0), home, assignment.get(A::Value(0), home) + 1);
    victim.refuses(assignment)
}

/// One sample's input is another, and all else stays.
fn one_sample_with_another_input() -> Violations {
    let victim = batch();
    let mut assignment = victim.assignment();
    let home = victim.public()[0];
    let other = assignment.get(A::Value(0), home) - 1;
    assignment.set(A::Value(0), home, other);
    assignment.set(A::Pre(0), home, other);
    victim.refuses(assignment)
}

/// The product of an operand that is no copy of its element, by a prover who computes it as it should be.
fn product_of_another_element() -> Violations {
    let mut b = ProgramBuilder::new(17);
    let x = targets::input(&mut b, &[1, 1, 2], [-2, 1], Visibility::Private);
    let column = b.transposed(x, [1, 1, 2]);
    let y = b.matmul(column, x, None);
    b.output(y, Visibility::Public);
    let victim = Victim::new(b, &[&[1, -2]]);
    let mut assignment = victim.assignment();
    let copy = victim.system.skeleton.copies.iter().find_map(|&(from, to)| match (from, to) {
        (Cell::Advice(A::Value(0), _), Cell::Advice(A::Value(0), row)) => Some(row as usize),
        _ => None,
    });
    let copied = copy.expect("one of the two readings is of copies");
    // Of x·y the element that is copied first is in a row and in a column; one of the two is claimed for another value.
    let operand = assignment.get(A::Value(0), copied);
    assignment.set(A::Value(0), copied, operand + 1);
    let by_rho = victim.system.skeleton.fixed(F::PlaneRho, copied) != 0;
    let homes = victim.public();
    let [first, second] = [1, -2];
    let changed = if by_rho { [0, 1] } else { [0, 2] };
    for (index, other) in changed.into_iter().zip([first, second]) {
        assignment.set(A::Value(0), homes[index], assignment.get(A::Value(0), homes[index]) + other);
    }
    victim.refuses(assignment)
}

/// A plane of the one challenge or of the other, on its first row or behind it.
fn forged_vector(by_rho: bool, first: bool) -> Violations {
    let victim = matrices();
    let wrong = wrong_element(&victim);
    let fixed = |column, row| victim.system.skeleton.fixed(column, row);
    let is_such = |row: usize| {
        fixed(F::PlaneRead, row) != 0
            && (fixed(F::PlaneRho, row) != 0) == by_rho
            && (fixed(F::PlaneStep, row) == 0) == first
    };
    victim.forge_where(A::Plane, &wrong, victim.failed_identity(&wrong), is_such)
}

fn forged_channels() -> Violations {
    forged_vector(true, false)
}

fn forged_positions() -> Violations {
    forged_vector(false, false)
}

fn channels_not_started_at_zero() -> Violations {
    forged_vector(true, true)
}

fn positions_not_started_at_zero() -> Violations {
    forged_vector(false, true)
}

/// The running sum of products of planes.
fn forged_sum_of_products() -> Violations {
    let victim = matrices();
    let wrong = wrong_element(&victim);
    let is_product = |row: usize| victim.system.skeleton.fixed(F::ScalarProduct, row) != 0;
    victim.forge_where(A::ScalarC, &wrong, victim.failed_identity(&wrong), is_product)
}

fn forged_factor(column: A) -> Violations {
    let victim = matrices();
    let wrong = wrong_element(&victim);
    victim.forge(column, &wrong, victim.failed_identity(&wrong))
}

fn forged_first_factor() -> Violations {
    forged_factor(A::ScalarA)
}

fn forged_second_factor() -> Violations {
    forged_factor(A::ScalarB)
}

fn forged_row_of_a_product() -> Violations {
    forged_factor(A::IdentityInner)
}

fn forged_rows_of_a_product() -> Violations {
    forged_factor(A::IdentityOuter)
}

/// The planes that another key would make, which reads those of the channels with powers of the other challenge.
fn channels_by_the_other_challenge() -> Violations {
    let victim = matrices();
    let mut assignment = victim.assignment();
    let mut skeleton = (**victim.case.layout.skeleton()).clone();
    let flags = skeleton.fixed.get_mut(&F::PlaneRho).expect("it has planes of channels");
    (0..flags.len()).for_each(|row| flags.set(row, 0));
    assignment.skeleton = Arc::new(skeleton);
    victim.refuses(assignment)
}

/// An operand that no term reads.
fn unused_operand() -> Violations {
    let victim = dense();
    let mut cells = victim.honest.clone();
    victim.system.set(&mut cells, A::ScalarB, victim.system.skeleton.rows_of(A::ScalarB) - 1, Fr::ONE);
    victim.system.violations(&cells)
}

/// What an attack breaks, all of it.
struct Attack {
    name: &'static str,
    breaks: &'static [&'static str],
    run: fn() -> Violations,
}

macro_rules! attacks {
    ($($name:ident => [$($breaks:literal),+],)+) => {
        const ATTACKS: &[Attack] =
            &[$(Attack { name: stringify!($name), breaks: &[$($breaks),+], run: $name }),+];

        mod refused {
            $(#[test] fn $name() { super::refused(stringify!($name)); })+
        }
    };
}

attacks! {
    one_activation => ["COPY-IDENTITY"],
    one_exact_output => ["COPY-IDENTITY"],
    one_committed_input => ["COPY-PORT"],
    one_committed_output => ["COPY-PORT"],
    one_multiplicity => ["M-SUM-END"],
    one_weight => ["COPY-IDENTITY"],
    one_weight_throughout => ["M-W-INNER"],
    one_private_weight => ["COPY-IDENTITY"],
    limbs_in_each_others_place => ["COPY-IDENTITY"],
    weight_in_a_spare_lane => ["COPY-IDENTITY"],
    forged_private_weights => ["M-W-INNER"],
    one_public_value => ["COPY-PUBLIC"],
    one_border_cell => ["COPY-IDENTITY"],
    value_in_the_padding => ["COPY-IDENTITY", "M-SUM-END"],
    input_out_of_range => ["M-SUM-END"],
    wide_input_out_of_range => ["M-POINT"],
    remainder_too_small => ["M-SUM-END"],
    remainder_too_large => ["M-SUM-END"],
    limb_too_wide => ["M-SUM-END"],
    overflow_claimed_inside => ["M-SAT-HIGH"],
    underflow_claimed_inside => ["M-SAT-LOW"],
    saturated_at_the_wrong_end => ["M-SAT-HIGH"],
    saturated_at_the_other_wrong_end => ["M-SAT-LOW"],
    negative_overflow => ["M-SUM-END"],
    saturation_left_out => ["M-SUM-END"],
    wide_overflow_claimed_inside => ["M-POINT"],
    wide_underflow_claimed_inside => ["M-POINT"],
    wide_overflow_is_negative => ["M-SUM-END"],
    clamp_overflow_claimed_inside => ["M-SAT-HIGH"],
    clamp_underflow_claimed_inside => ["M-SAT-LOW"],
    clamp_at_its_end_inside => ["M-SUM-END"],
    clamp_left_beyond_its_end => ["M-SUM-END"],
    clamp_at_the_wrong_end => ["M-SUM-END"],
    clamp_with_both_overflows => ["M-SAT-LOW"],
    clamp_off_by_one => ["M-POINT"],
    clamp_with_a_borrowed_range => ["M-SUM-END"],
    clamp_with_a_range_of_another_result => ["COPY-ELEMENT"],
    clamp_with_a_range_of_another_number => ["COPY-ELEMENT"],
    affine_off_by_one => ["M-POINT"],
    segment_of_another_argument => ["M-SUM-END"],
    segment_that_ended => ["M-SUM-END"],
    segment_that_did_not_begin => ["M-SUM-END"],
    segment_with_a_remainder_of_another => ["M-POINT"],
    slope_of_the_neighbouring_segment => ["M-SUM-END"],
    offset_of_the_neighbouring_segment => ["M-SUM-END"],
    slope_and_offset_of_two_segments => ["M-SUM-END"],
    product_by_another_slope => ["COPY-ELEMENT"],
    line_off_by_one => ["M-POINT"],
    line_with_a_remainder_too_large => ["M-SUM-END"],
    affine_of_another_operand => ["COPY-ELEMENT"],
    product_off_by_one => ["M-POINT"],
    sum_off_by_one => ["COPY-SCALAR"],
    missing_bits_turned => ["M-POINT"],
    another_number_for_a_missing_value => ["M-POINT"],
    one_gathered_element => ["COPY-SCALAR"],
    gathered_image_of_no_row => ["M-SUM-END"],
    gathered_digit_out_of_range => ["M-SUM-END"],
    rows_of_each_others_index => ["COPY-SCALAR"],
    lookup_of_another_operand => ["COPY-ELEMENT"],
    function_of_another_tag => ["M-SUM-END"],
    swapped_tags => ["M-HELPER"],
    quotient_too_small => ["M-SUM-END"],
    quotient_too_large => ["M-SUM-END"],
    remainder_as_large_as_the_divisor => ["M-POINT"],
    remainder_of_another_division => ["COPY-ELEMENT"],
    quotient_of_another_dividend => ["COPY-ELEMENT"],
    root_too_small => ["M-SUM-END"],
    root_too_large => ["M-SUM-END"],
    root_is_negative => ["M-SUM-END"],
    remainder_larger_than_twice_the_root => ["M-POINT"],
    root_of_two_factors => ["COPY-ELEMENT"],
    root_of_another_operand => ["COPY-ELEMENT"],
    rounding_of_a_larger_exponent => ["M-SUM-END"],
    rounding_of_a_smaller_exponent => ["M-SUM-END"],
    rounding_to_the_farther_one => ["M-SUM-END"],
    tie_to_the_odd_one => ["M-SUM-END"],
    tie_to_an_odd_one_called_even => ["M-POINT"],
    rounding_of_the_other_sign => ["M-SUM-END"],
    sign_that_is_none => ["M-SUM-END"],
    power_of_another_exponent => ["M-SUM-END"],
    binade_of_another_exponent => ["M-POINT"],
    rounding_of_another_operand => ["COPY-ELEMENT"],
    one_step_too_few => ["M-SUM-END"],
    one_step_too_many => ["M-SUM-END"],
    no_step_at_all => ["M-SUM-END"],
    step_too_many_made_up_for => ["M-POINT"],
    step_too_few_made_up_for => ["M-POINT"],
    strict_step_called_reached => ["M-SUM-END"],
    strictness_of_another_step => ["COPY-ELEMENT"],
    steps_that_are_no_neighbours => ["M-POINT"],
    steps_of_other_operands => ["COPY-ELEMENT"],
    maximum_below_an_operand => ["M-MAX-OPERAND"],
    maximum_below_the_running_one => ["M-MAX-RUNNING"],
    maximum_not_attained => ["M-MAX-ATTAINED"],
    maximum_with_a_negative_difference => ["M-SUM-END"],
    wide_maximum_below_an_operand => ["M-POINT"],
    wide_maximum_not_attained => ["COPY-SCALAR"],
    wide_maximum_of_another_operand => ["COPY-ELEMENT"],
    second_largest => ["M-ARG-SAME"],
    second_largest_with_a_negative_distance => ["M-SUM-END"],
    tie_to_the_later => ["M-SUM-END"],
    arg_maximum_not_attained => ["M-ARG-ATTAINED"],
    arg_maximum_bits_fall => ["M-ARG-MONOTONE"],
    arg_maximum_bit_is_none => ["M-ARG-BIT"],
    arg_maximum_never_reached => ["COPY-SCALAR"],
    index_of_another_sum => ["COPY-SCALAR"],
    forged_helper => ["M-HELPER"],
    forged_table_fraction => ["M-TABLE"],
    lookup_sum_not_started_at_zero => ["M-SUM"],
    lookup_sum_started_on_a_blinded_row => ["M-SUM-END"],
    forged_identity => ["M-ID-INNER"],
    accumulator_not_reset => ["M-ID-INNER"],
    forged_weights => ["M-W-INNER"],
    forged_scalar => ["M-SCALAR"],
    forged_first_operand => ["COPY-OPERAND-A"],
    forged_second_operand => ["COPY-OPERAND-B"],
    forged_channel_sum => ["M-ID-OUTER"],
    forged_channel => ["M-ID-INNER"],
    forged_plane => ["M-PLANE"],
    forged_taps => ["M-W-OUTER"],
    forged_tap => ["M-W-INNER"],
    unused_operand => ["COPY-OPERAND-B"],
    one_element_of_a_product => ["COPY-IDENTITY"],
    one_requantized_element_of_a_product => ["COPY-IDENTITY"],
    swapped_rows_of_a_product => ["COPY-IDENTITY"],
    samples_with_swapped_outputs => ["COPY-IDENTITY"],
    one_sample_with_another_output => ["COPY-IDENTITY"],
    one_sample_with_another_input => ["COPY-IDENTITY"],
    product_of_another_element => ["COPY-ELEMENT"],
    forged_channels => ["M-PLANE"],
    forged_positions => ["M-PLANE"],
    channels_not_started_at_zero => ["M-PLANE"],
    positions_not_started_at_zero => ["M-PLANE"],
    forged_sum_of_products => ["M-SCALAR"],
    forged_first_factor => ["COPY-OPERAND-A"],
    forged_second_factor => ["COPY-OPERAND-B"],
    forged_row_of_a_product => ["M-ID-INNER"],
    forged_rows_of_a_product => ["M-ID-OUTER"],
    channels_by_the_other_challenge => ["COPY-IDENTITY", "M-PLANE"],
}

fn refused(name: &str) {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).expect("it is listed");
    for shape in SHAPES {
        SHAPE.set(shape);
        let names = (attack.run)().names;
        assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), attack.breaks, "{name}, {shape:?}");
    }
}

/// The attacks above cover all constraints of the system: each is the only one that stands in the way of some attack.
/// What each attack breaks is asserted by its own test.
#[test]
fn attacks_cover_all_constraints() {
    let mut programs = targets::all();
    programs.extend([("mlp", support::mlp(1)), ("cnn", support::cnn(1)), ("zoo", support::zoo(1))]);
    let mut names = BTreeSet::new();
    for (_, builder) in programs {
        let options = circuits::layout::LayoutOptions { units: Some(2), ..Default::default() };
        let layout = circuits::layout::compile(&builder.program, &options).expect("it has a layout");
        let system = System::new(layout.skeleton(), check::challenges(1));
        names.extend(system.constraints().map(|(_, name, _)| name));
        names.extend(layout.skeleton().copies.iter().map(|&(a, b)| check::copy_kind(a, b).to_string()));
    }
    for name in &names {
        let breaks = |attack: &&Attack| attack.breaks.contains(&name.as_str());
        let all: Vec<_> = ATTACKS.iter().filter(breaks).collect();
        let alone: Vec<_> = all.iter().filter(|attack| attack.breaks.len() == 1).map(|attack| attack.name).collect();
        println!("{name:16} {:2} attacks, {:2} on it alone: {}", all.len(), alone.len(), alone.join(", "));
        assert!(!alone.is_empty(), "no attack is stopped by {name} alone");
    }
    let listed: BTreeSet<_> = ATTACKS.iter().flat_map(|attack| attack.breaks).map(|name| name.to_string()).collect();
    assert_eq!(listed, names, "no attack names a constraint that does not exist");
}
