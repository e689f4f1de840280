//! Operators of exact floating-point arithmetic: honest runs over all sizes of numbers, and every claim about small ones.

#[path = "support/check.rs"]
mod check;
#[path = "support/float_claims.rs"]
mod float_claims;
mod support;
#[path = "support/targets.rs"]
mod targets;

use check::{Case, Shape};
use circuits::graph::{ConvGeometry, Op, Step, TensorId, ViewElement, Visibility};
use circuits::machine::{AdviceColumn as A, Assignment, Cell};
use float_claims::{Rounding, Stepping};
use support::ProgramBuilder;

/// Every gate and copy holds for an honest run.
fn satisfied(name: &str, builder: ProgramBuilder, inputs: Vec<Vec<i64>>, shape: Shape) {
    let case = Case::with_inputs(name, builder, inputs, shape);
    let system = case.system(7);
    let violations = system.violations(&system.derived(&case.assignment));
    assert!(violations.none(), "{name}: {violations:?}");
}

/// `x·2^20 + y` of two inputs, up to 60 bits.
fn wide_numbers(b: &mut ProgramBuilder, values: &[i64]) -> (TensorId, Vec<Vec<i64>>) {
    let count = values.len();
    let x = b.wide_input(&[count], -(1 << 40), (1 << 40) - 1);
    let y = b.wide_input(&[count], 0, (1 << 20) - 1);
    let factors = [1 << 20, 1];
    let all = b.node(Op::Affine { operands: [x, y], factors, constant: 0, requantize: None }, &[count]);
    let inputs = vec![
        values.iter().map(|value| value >> 20).collect(),
        values.iter().map(|value| value & ((1 << 20) - 1)).collect(),
    ];
    (all, inputs)
}

/// Numbers of fewer than so many bits, in magnitude: powers of two, halves between what 24 bits hold, and their neighbours.
fn numbers(bits: u32) -> Vec<i64> {
    let near = (0..bits).flat_map(|bit| [-1, 0, 1].map(|by| (1i64 << bit) + by));
    let halves = (25..bits).flat_map(|bit| {
        let half = 1i64 << (bit - 24);
        [0, 1].into_iter().flat_map(move |odd| [-1, 0, 1].map(|by| (1i64 << bit) + odd * 2 * half + half + by))
    });
    let carries = (25..bits).map(|bit| (1i64 << bit) - (1 << (bit - 25)));
    let all = near.chain(halves).chain(carries).flat_map(|value| [value, -value]);
    all.filter(|value| value.unsigned_abs() < 1 << bits).collect()
}

#[test]
fn roundings_of_all_sizes() {
    let mut b = ProgramBuilder::new(1);
    let values = numbers(60);
    let (x, inputs) = wide_numbers(&mut b, &values);
    let y = b.node(Op::RoundSignificant { input: x, bits: 24 }, &[values.len()]);
    let z = b.node(Op::RoundSignificant { input: x, bits: 31 }, &[values.len()]);
    let one = b.node(Op::RoundSignificant { input: x, bits: 1 }, &[values.len()]);
    for tensor in [y, z, one] {
        b.output(tensor, Visibility::Private);
    }
    satisfied("roundings", b, inputs, Shape::parallel(5, None));
}

/// Quotients of numbers of up to 45 bits, times `2^shift`, by such of up to 34 bits, with bounds of up to 34 bits around them.
#[test]
fn steps_of_all_sizes() {
    for shift in [0, 1, 17, 26, 39] {
        let mut b = ProgramBuilder::new(2);
        let halves = (-20i64..=20).map(|k| ((2 * k - 1) << shift >> 1) - (1 << shift >> 20));
        let step = |(k, half)| Step { factor: half + if shift > 1 { k % 2 } else { 0 }, strict: k % 3 == 0 };
        let steps: Vec<_> = (0i64..).zip(halves).map(step).collect();
        let divisors = [1, 2, 3, 255, (1 << 20) + 7, (1 << 34) - 1];
        let mut pairs = vec![(0, 1), (0, 9), ((1 << 60) - 1, 1), (1 - (1 << 60), 1), ((1 << 60) - 1, (1 << 34) - 1)];
        for divisor in divisors {
            for Step { factor, .. } in &steps {
                let exact = (i128::from(*factor) * i128::from(divisor)) >> shift;
                pairs.extend([-1, 0, 1].map(|by| (exact as i64 + by, divisor)));
            }
        }
        let values: Vec<i64> = pairs.iter().map(|pair| pair.0).collect();
        let (x, mut inputs) = wide_numbers(&mut b, &values);
        let divisor = b.wide_input(&[values.len()], 1, (1 << 34) - 1);
        inputs.push(pairs.iter().map(|pair| pair.1).collect());
        let y = b.node(Op::Steps { operands: [x, divisor], first: -20, shift, steps: steps.into() }, &[values.len()]);
        b.output(y, Visibility::Private);
        satisfied("steps", b, inputs, Shape::parallel(5, None));
    }
}

/// Lanes without an element, where neither operand can be zero or one and the distances have no room for such.
#[test]
fn spare_lanes_of_steps() {
    let far = 1i64 << 40;
    let cases = [
        ([far - 5, far + 5], [1, 1], vec![far], 0),
        ([-far, 5 - far], [1, 1], vec![-far], 0),
        ([far - 5, far + 5], [1, 3], vec![far / 2, far], 3),
        ([100_000, 200_000], [1000, 1000], vec![100, 110, 150], 0),
        ([-200_000, -100_000], [1000, 1003], vec![-150, -110, -100], 0),
        ([7, 7], [far - 1, far], vec![-3, 5], 2),
    ];
    for (dividends, divisors, factors, shift) in cases {
        for units in [1, 2, 4] {
            for elements in [1, 3] {
                let mut b = ProgramBuilder::new(1);
                let operands = [dividends, divisors].map(|[lo, hi]| b.wide_input(&[elements], lo, hi));
                let steps: Vec<_> = factors.iter().map(|&factor| Step { factor, strict: false }).collect();
                let y = b.node(Op::Steps { operands, first: -3, shift, steps: steps.into() }, &[elements]);
                b.output(y, Visibility::Public);
                let inputs = [dividends, divisors].map(|ends| ends.into_iter().cycle().take(elements).collect());
                satisfied("spare lanes", b, inputs.to_vec(), Shape::parallel(units, None));
            }
        }
    }
}

/// Lanes without an element of the other operators with range chains, where operands are far from zero.
#[test]
fn spare_lanes_far_from_zero() {
    for [lo, hi] in [[(1i64 << 40) - 5, 1 << 40], [-(1i64 << 40), 5 - (1 << 40)]] {
        for units in [1, 2, 4] {
            let mut b = ProgramBuilder::new(1);
            let x = b.wide_input(&[3], lo, hi);
            let z = b.wide_input(&[3], -hi, -lo);
            let mut outputs = vec![b.node(Op::RoundSignificant { input: x, bits: 5 }, &[3])];
            let pair = [0, 1].map(|source| ViewElement::Element { source, index: 0 });
            let both = b.view(&[x, z], pair.to_vec(), &[1, 2]);
            outputs.push(b.node(Op::Max { input: both }, &[1]));
            if lo > 0 {
                outputs.push(b.node(Op::Quotient { operands: [x, x] }, &[3]));
                outputs.push(b.node(Op::Reciprocal { input: x, numerator: 1 << 41 }, &[3]));
                outputs.push(b.node(Op::SquareRoot { input: x }, &[3]));
            }
            outputs.into_iter().for_each(|tensor| b.output(tensor, Visibility::Public));
            let inputs = vec![vec![lo, hi, lo], vec![-hi, -lo, -hi]];
            satisfied("far from zero", b, inputs, Shape::parallel(units, None));
        }
    }
}

#[test]
fn maxima_of_all_sizes() {
    let mut b = ProgramBuilder::new(3);
    let mut values = numbers(60);
    values.truncate(values.len() / 3 * 3);
    let (x, inputs) = wide_numbers(&mut b, &values);
    let windows = b.reshape(x, &[values.len() / 3, 3]);
    let y = b.node(Op::Max { input: windows }, &[values.len() / 3]);
    let rows = b.reshape(x, &[1, values.len()]);
    let all = b.node(Op::Max { input: rows }, &[1]);
    let alone = b.reshape(x, &[values.len(), 1]);
    let same = b.node(Op::Max { input: alone }, &[values.len()]);
    for tensor in [y, all, same] {
        b.output(tensor, Visibility::Private);
    }
    satisfied("maxima", b, inputs, Shape::parallel(5, None));
}

/// Layers, products and affine forms on operands of 45 bits are exact up to 60 bits; so are those of what was rounded.
#[test]
fn exact_layers_of_wide_operands() {
    let mut b = ProgramBuilder::new(4);
    let values: Vec<i64> = numbers(44).into_iter().rev().step_by(3).take(18).collect();
    let (x, mut inputs) = wide_numbers(&mut b, &values);
    let top = b.wide_input(&[18], -(1 << 15), (1 << 15) - 1);
    inputs.push((0..18).map(|i| (i * 3641) % (1 << 15) - (1 << 14)).collect());
    let small = b.node(Op::RoundSignificant { input: top, bits: 11 }, &[18]);
    // The larger of `−v` and `−2^44 + 1`, twice, is known to have 45 bits.
    let affine = |operand, factor, constant| Op::Affine {
        operands: [operand; 2],
        factors: [factor, 0],
        constant,
        requantize: None,
    };
    let least = b.node(affine(x, 0, 1 - (1 << 44)), &[18]);
    let mut bounded = |v| {
        let negated = b.node(affine(v, -1, 0), &[18]);
        let pairs = (0..18).flat_map(|index| [0, 1].map(|source| ViewElement::Element { source, index })).collect();
        let pairs = b.view(&[negated, least], pairs, &[18, 2]);
        b.node(Op::Max { input: pairs }, &[18])
    };
    let above = bounded(x);
    let within = bounded(above);
    let product = b.node(Op::Product { operands: [within, small], requantize: None }, &[18]);
    let sum = Op::Affine { operands: [product, within], factors: [1, -3], constant: 5, requantize: None };
    let sum = b.node(sum, &[18]);
    let picture = b.reshape(within, &[2, 3, 3]);
    let geometry = ConvGeometry { kernel: [2, 2], padding: [1, 0, 0, 1], ..ConvGeometry::POINTWISE };
    let weights = (0..24).map(|i| (i * 577) % 1021 - 510).collect();
    let bias = vec![1 << 44, -5, 0].into();
    let layer = b.node(Op::Conv { input: picture, geometry, weights, bias, requantize: None }, &[3, 3, 3]);
    let flat = b.reshape(layer, &[27]);
    let rounded = b.node(Op::RoundSignificant { input: flat, bits: 24 }, &[27]);
    for tensor in [sum, rounded] {
        b.output(tensor, Visibility::Private);
    }
    let found = circuits::analysis::ranges(&b.program).expect("the numbers are small enough");
    assert_eq!(found[within.0 as usize].value.magnitude(), (1 << 44) - 1);
    satisfied("layers", b, inputs, Shape::parallel(5, None));
}

/// Whether a claim about the first element of a case is accepted; the first phase is what `write` makes of it from the first row on.
fn accepts(case: &Case, home: usize, write: impl FnOnce(&mut Assignment, usize)) -> bool {
    let system = case.system(9);
    let output = case.builder.program.outputs[0].tensor;
    let value = case.trace.tensor(output)[0];
    let mut assignment = case.assignment.clone();
    let first = first_row(case, home);
    assert_eq!(assignment.get(A::Value(0), first + home), value);
    write(&mut assignment, first);
    assignment.count_lookups();
    system.violations(&system.derived(&assignment)).none()
}

/// The first row of the first element of the only output, from which its home is so many rows away.
fn first_row(case: &Case, home: usize) -> usize {
    let skeleton = case.layout.skeleton();
    let word = skeleton.copies.iter().find_map(|copy| match copy {
        (Cell::Advice(A::ScalarC, row), Cell::Instance(0)) => Some(*row),
        _ => None,
    });
    let first = Cell::Advice(A::ScalarA, word.expect("the output is public"));
    let copy = skeleton.copies.iter().find(|(_, to)| *to == first).expect("every operand is copied");
    match copy.0 {
        Cell::Advice(A::Value(0), row) => row as usize - home,
        other => panic!("a public value at {other:?}"),
    }
}

/// Of all signs, exponents and integers of small numbers, those that make the rounded number alone pass.
#[test]
fn all_small_roundings() {
    for operand in -20i64..=20 {
        let case = Case::with_inputs("rounded", targets::rounded(), vec![vec![operand, 3, -7]], Shape::from(1));
        let right = case.trace.tensor(case.builder.program.outputs[0].tensor)[0];
        let mut accepted = 0;
        for (sign, exponent, integer) in
            [-1, 1].into_iter().flat_map(|sign| (0..=3).flat_map(move |e| (-3..=9).map(move |q| (sign, e, q))))
        {
            let mut claim = Rounding::new(sign, exponent, integer);
            for odd in [0, 1] {
                claim.odd = odd;
                let passes = accepts(&case, Rounding::HOME, |cells, first| claim.write(cells, first, operand));
                assert!(!passes || claim.result() == right, "{operand}: {claim:?}");
                accepted += usize::from(passes);
            }
        }
        assert!((1..=2).contains(&accepted), "{operand}: the right one, or two that are the same number");
    }
}

/// Of all numbers of steps the right one alone passes, whatever is added to the distances.
#[test]
fn all_small_steps() {
    let steps = targets::stepped_steps();
    for (dividend, divisor) in (-20i64..=20).flat_map(|a| (1i64..=5).map(move |b| (a, b))) {
        let inputs = vec![vec![dividend, 3, -7], vec![divisor, 2, 5]];
        let case = Case::with_inputs("stepped", targets::stepped(), inputs, Shape::from(1));
        let right = case.trace.tensor(case.builder.program.outputs[0].tensor)[0] - targets::STEPPED_FIRST;
        for reached in 0..=steps.len() {
            let passes = [[0, 0], [20, 0], [0, 21], [20, 21]].map(|overflows| {
                let claim = Stepping { reached, overflows };
                accepts(&case, Stepping::HOME, |cells, first| claim.write(cells, first, [dividend, divisor], &steps))
            });
            assert_eq!(passes.contains(&true), reached as i64 == right, "{dividend}/{divisor}: {reached}");
        }
    }
}
