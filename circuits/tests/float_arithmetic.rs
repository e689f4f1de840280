//! Operators of exact floating-point arithmetic: the interpreter against the definitions, bounds, and programs that are refused.

mod support;

use circuits::analysis::{ranges, AnalysisError, Interval};
use circuits::graph::{Op, Program, ProgramError, Step, TensorId, ViewElement, Visibility};
use circuits::reference::{run, RunError};
use support::ProgramBuilder;

/// An operator on inputs of these ranges, each of `elements` elements.
fn on_inputs(ranges: &[(i64, i64)], elements: usize, op: impl Fn(&[TensorId]) -> Op) -> Program {
    let mut b = ProgramBuilder::new(1);
    let inputs: Vec<_> = ranges.iter().map(|&(lo, hi)| b.wide_input(&[elements], lo, hi)).collect();
    let y = b.node(op(&inputs), &[elements]);
    b.output(y, Visibility::Public);
    b.program
}

fn rounding(range: (i64, i64), elements: usize, bits: u32) -> Program {
    on_inputs(&[range], elements, |inputs| Op::RoundSignificant { input: inputs[0], bits })
}

fn stepping(ranges: [(i64, i64); 2], elements: usize, first: i64, shift: u32, steps: &[Step]) -> Program {
    on_inputs(&ranges, elements, |inputs| Op::Steps {
        operands: [inputs[0], inputs[1]],
        first,
        shift,
        steps: steps.into(),
    })
}

fn dividing(ranges: [(i64, i64); 2], elements: usize) -> Program {
    on_inputs(&ranges, elements, |inputs| Op::Quotient { operands: [inputs[0], inputs[1]] })
}

fn only_output(program: &Program, inputs: &[Vec<i64>]) -> Vec<i64> {
    run(program, inputs).expect("the inputs are admissible").outputs(program)[0].clone()
}

fn steps(pairs: &[(i64, bool)]) -> Vec<Step> {
    pairs.iter().map(|&(factor, strict)| Step { factor, strict }).collect()
}

fn value_of(program: &Program) -> Interval {
    ranges(program).expect("the numbers are small enough").last().expect("there is a node").value
}

/// Numbers of all sizes, with powers of two and their neighbours.
fn numbers(bits: u32) -> Vec<i64> {
    let near = (0..bits).flat_map(|bit| [-1, 0, 1].map(|by| (1i64 << bit) + by));
    let halves = (2..bits).flat_map(|bit| [-1, 0, 1].map(|by| (1i64 << bit) + (1 << (bit / 2)) + by));
    near.chain(halves).flat_map(|value| [value, -value]).filter(|value| value.unsigned_abs() < 1 << bits).collect()
}

#[test]
fn rounding_is_that_of_floats() {
    let values = numbers(41);
    let program = rounding((-(1 << 41), (1 << 41) - 1), values.len(), 24);
    let expected: Vec<_> = values.iter().map(|&value| (value as f32) as i64).collect();
    assert_eq!(only_output(&program, &[values]), expected);
}

/// Of all numbers with so many significant bits none is nearer, and of two equally near ones the last bit that is kept is 0.
#[test]
fn rounding_takes_the_nearest() {
    for bits in 1..=5 {
        let values: Vec<i64> = (-300..=300).collect();
        let rounded = only_output(&rounding((-300, 300), values.len(), bits), std::slice::from_ref(&values));
        for (value, rounded) in values.into_iter().zip(rounded) {
            let exponent = (64 - value.unsigned_abs().leading_zeros()).saturating_sub(bits);
            let unit = 1 << exponent;
            assert_eq!(rounded % unit, 0, "{value} to {bits} bits");
            let twice = 2 * (value - rounded).abs();
            assert!(twice < unit || twice == unit && rounded / unit % 2 == 0, "{value} to {bits} bits: {rounded}");
        }
    }
}

#[test]
fn steps_are_counted() {
    let bounds = steps(&[(-9, true), (-2, false), (0, true), (1, false), (7, true), (8, false)]);
    let pairs: Vec<(i64, i64)> = (-40..=40).flat_map(|a| (1..=9).map(move |b| (a, b))).collect();
    let inputs = vec![pairs.iter().map(|pair| pair.0).collect(), pairs.iter().map(|pair| pair.1).collect::<Vec<_>>()];
    let program = stepping([(-40, 40), (1, 9)], pairs.len(), -3, 1, &bounds);
    let expected: Vec<i64> = pairs
        .iter()
        .map(|&(a, b)| {
            bounds.iter().filter(|step| step.factor * b + i64::from(step.strict) <= 2 * a).count() as i64 - 3
        })
        .collect();
    assert_eq!(only_output(&program, &inputs), expected);
}

#[test]
fn quotients_are_rounded_down() {
    let pairs: Vec<(i64, i64)> = (0..=60).flat_map(|a| (1..=9).map(move |b| (a, b))).collect();
    let inputs = vec![pairs.iter().map(|pair| pair.0).collect(), pairs.iter().map(|pair| pair.1).collect::<Vec<_>>()];
    let expected: Vec<_> = pairs.iter().map(|(a, b)| a / b).collect();
    assert_eq!(only_output(&dividing([(0, 60), (1, 9)], pairs.len()), &inputs), expected);
}

/// The intervals of results are those of what is computed, to the number.
#[test]
fn intervals_are_tight() {
    assert_eq!(value_of(&rounding((-17, 1 << 40), 1, 3)), Interval::new(-16, 1i64 << 40));
    assert_eq!(value_of(&rounding((-15, (1 << 40) - 1), 1, 3)), Interval::new(-16, 1i64 << 40));
    assert_eq!(value_of(&dividing([(7, 100), (2, 9)], 1)), Interval::new(0, 50));
    let bounds = steps(&[(-9, true), (-2, false), (0, true), (1, false), (7, true), (8, false)]);
    for (a_range, b_range) in
        [((-40, 40), (1, 9)), ((-3, 5), (2, 3)), ((4, 9), (1, 1)), ((-9, -5), (4, 6)), ((0, 0), (1, 2))]
    {
        let program = stepping([a_range, b_range], 1, -3, 1, &bounds);
        let results = (a_range.0..=a_range.1).flat_map(|a| (b_range.0..=b_range.1).map(move |b| (a, b)));
        let results = results.map(|(a, b)| only_output(&program, &[vec![a], vec![b]])[0]);
        let (lo, hi) = results.fold((i64::MAX, i64::MIN), |(lo, hi), y| (lo.min(y), hi.max(y)));
        assert_eq!(value_of(&program), Interval::new(lo, hi), "{a_range:?} {b_range:?}");
    }
}

/// The larger of an element and a constant is at least the constant, so that it can be divided by.
#[test]
fn maxima_prove_divisors() {
    let mut b = ProgramBuilder::new(1);
    let x = b.wide_input(&[2], -5, 9);
    let one = b.node(Op::Affine { operands: [x; 2], factors: [0, 0], constant: 1, requantize: None }, &[2]);
    let pairs = (0..2).flat_map(|index| [0, 1].map(|source| ViewElement::Element { source, index })).collect();
    let pairs = b.view(&[x, one], pairs, &[2, 2]);
    let divisor = b.node(Op::Max { input: pairs }, &[2]);
    let y = b.node(Op::Quotient { operands: [one, divisor] }, &[2]);
    b.output(y, Visibility::Public);
    let found = ranges(&b.program).expect("the divisor is positive");
    assert_eq!(found[divisor.0 as usize].value, Interval::new(1, 9));
    assert_eq!(found[y.0 as usize].value, Interval::new(0, 1));
}

/// Maxima over views of views of views are gone after for a bounded number of steps: the last have the interval of all elements.
#[test]
fn maxima_over_long_chains_of_views_take_bounded_work() {
    let (length, depth) = (100, 400);
    let mut b = ProgramBuilder::new(1);
    let x = b.wide_input(&[length], -5, 9);
    let one = b.node(Op::Affine { operands: [x; 2], factors: [0, 0], constant: 1, requantize: None }, &[length]);
    let halves = |index: usize| ViewElement::Element { source: (index % 2) as u32, index: index as u32 };
    let mut view = b.view(&[x, one], (0..length).map(halves).collect(), &[1, length]);
    let mut maxima = Vec::new();
    for _ in 0..depth {
        maxima.push(b.node(Op::Max { input: view }, &[1]));
        view = b.reshape(view, &[1, length]);
    }
    b.output(maxima[0], Visibility::Public);
    let found = ranges(&b.program).expect("the numbers are small");
    let of = |tensor: TensorId| found[tensor.0 as usize].value;
    assert_eq!(of(maxima[0]), Interval::new(1, 9));
    assert_eq!(of(maxima[100]), Interval::new(1, 9));
    assert_eq!(of(maxima[depth - 1]), Interval::new(-5, 9));
}

#[test]
fn divisions_that_are_not_defined() {
    let refused = |program: &Program, expected: (&str, i128)| {
        let found = ranges(program);
        assert!(matches!(&found, Err(AnalysisError::Least { what, lo, .. }) if (*what, *lo) == expected), "{found:?}");
    };
    let bounds = steps(&[(0, false)]);
    refused(&dividing([(0, 9), (0, 9)], 1), ("a divisor", 0));
    refused(&dividing([(-1, 9), (1, 9)], 1), ("a dividend", -1));
    refused(&stepping([(-1, 9), (-3, 9)], 1, 0, 0, &bounds), ("a divisor", -3));
    let errors = [
        (dividing([(0, 9), (0, 9)], 1), [3, 0]),
        (dividing([(-1, 9), (1, 9)], 1), [-1, 3]),
        (stepping([(0, 9), (0, 9)], 1, 0, 0, &bounds), [3, 0]),
    ]
    .map(|(program, inputs)| run(&program, &inputs.map(|value| vec![value])).expect_err("it is not defined"));
    assert!(matches!(errors, [RunError::Divisor { .. }, RunError::Dividend { .. }, RunError::Divisor { .. }]));
}

#[test]
fn operators_out_of_bounds() {
    let refused = |program: Program, expected: &str| {
        let found = program.validate();
        assert!(matches!(&found, Err(ProgramError::OutOfBounds { what, .. }) if *what == expected), "{found:?}");
    };
    for bits in [0, 32] {
        refused(rounding((0, 9), 1, bits), "the number of significant bits");
    }
    let operands = [(0, 9), (1, 9)];
    let one = steps(&[(0, false)]);
    refused(stepping(operands, 1, (1 << 40) + 1, 0, &one), "the first value");
    refused(stepping(operands, 1, 0, 41, &one), "the shift");
    refused(stepping(operands, 1, 0, 0, &[]), "the number of steps");
    let many: Vec<_> = (0..4097).map(|factor| Step { factor, strict: false }).collect();
    assert_eq!(stepping(operands, 1, 0, 0, &many[..4096]).validate(), Ok(()));
    refused(stepping(operands, 1, 0, 0, &many), "the number of steps");
    refused(stepping(operands, 1, 0, 0, &steps(&[(i64::MIN, false)])), "a factor");
    refused(stepping(operands, 1, 0, 0, &steps(&[(0, false), (0, true)])), "the order of the factors");
    for other in [vec![2], vec![1, 2]] {
        let mut program = stepping(operands, 1, 0, 0, &one);
        program.nodes[1].shape = other;
        assert!(matches!(program.validate(), Err(ProgramError::Shape { .. })));
    }
}

/// Numbers that grow too large are refused by the analysis: a comparison of more than 100 bits, a result of more than 61.
#[test]
fn operands_that_grow_too_large() {
    let wide = |found, expected: &str| {
        assert!(matches!(&found, Err(AnalysisError::TooWide { what, .. }) if *what == expected), "{found:?}");
    };
    let top = (1i64 << 60) - 1;
    let mut program = stepping([(top - 1, top), (1, 9)], 1, 0, 40, &steps(&[(0, false)]));
    assert!(ranges(&program).is_ok());
    program = stepping([(0, 9), (top - 1, top)], 1, 0, 0, &steps(&[(-(1 << 41), false)]));
    wide(ranges(&program), "a bound");
    program = rounding(((1 << 61) - 2, (1 << 61) - 1), 1, 24);
    wide(ranges(&program), "an element");
}

#[test]
fn stored_programs_are_read_again() {
    let bounds = steps(&[(-9, true), (8, false)]);
    for program in
        [rounding((-9, 9), 2, 3), stepping([(-9, 9), (1, 3)], 2, -1, 3, &bounds), dividing([(0, 9), (1, 3)], 2)]
    {
        let stored = serde_json::to_string(&program).expect("a program has a form");
        assert_eq!(serde_json::from_str::<Program>(&stored).expect("it was just written"), program);
    }
}
