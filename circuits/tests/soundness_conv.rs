//! Convolutions of all kinds, built at random: the circuit accepts what the interpreter computes, and nothing else.

#[path = "support/check.rs"]
mod check;
mod support;

use std::sync::Arc;

use check::{small, Case};
use circuits::graph::{ConvGeometry, Op, Requantize, Table, TensorId, ViewElement, Visibility};
use circuits::machine::AdviceColumn;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use support::ProgramBuilder;

/// What a random convolution is made of.
#[derive(Clone, Debug)]
struct Shape {
    kernel: [u32; 2],
    stride: [u32; 2],
    dilation: [u32; 2],
    padding: [u32; 4],
    /// Index into the divisors of the number of channels.
    groups: usize,
    outputs_per_group: usize,
    /// Weights that are not zero, of eight.
    density: u64,
    zero_bias: bool,
    shift: Option<u32>,
    /// A table so narrow that accumulators leave it.
    narrow: bool,
}

/// What happens to a tensor before its next convolution.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Transpose,
    Scramble,
    Maximum,
    Double,
    Reciprocal,
}

#[derive(Clone, Debug)]
struct Network {
    seed: u64,
    units: u32,
    input: [usize; 3],
    lo: i64,
    layers: Vec<(Between, Shape)>,
    /// A second convolution of the same tensor as the last.
    sibling: Option<Shape>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let axis = |most: u32| prop::array::uniform2(1..=most);
    (
        (axis(4), axis(3), axis(3), prop::array::uniform4(0u32..=4)),
        (0usize..4, 1usize..=3, 0u64..=8, any::<bool>(), prop::option::of(0u32..=7), prop::bool::weighted(0.2)),
    )
        .prop_map(|((kernel, stride, dilation, padding), (groups, outputs_per_group, density, zero_bias, shift, narrow))| {
            Shape { kernel, stride, dilation, padding, groups, outputs_per_group, density, zero_bias, shift, narrow }
        })
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        4 => Just(Between::Nothing),
        1 => Just(Between::Transpose),
        1 => Just(Between::Scramble),
        1 => Just(Between::Maximum),
        1 => Just(Between::Double),
        1 => Just(Between::Reciprocal),
    ]
}

fn network() -> impl Strategy<Value = Network> {
    (
        any::<u64>(),
        1u32..=5,
        (1usize..=4, 1usize..=6, 1usize..=6),
        prop_oneof![3 => Just(-4i64), 1 => Just(3)],
        prop::collection::vec((between(), shape()), 1..=3),
        prop::option::weighted(0.3, shape()),
    )
        .prop_map(|(seed, units, (c, h, w), lo, layers, sibling)| {
            Network { seed, units, input: [c, h, w], lo, layers, sibling }
        })
}

/// Adds a convolution, or nothing where the kernel does not fit.
fn convolve(b: &mut ProgramBuilder, input: TensorId, shape: &Shape, last: bool) -> Option<TensorId> {
    let [channels, height, width]: [usize; 3] = b.program.node(input).shape.clone().try_into().expect("rank 3");
    let divisors: Vec<usize> = (1..=channels).filter(|d| channels % d == 0).collect();
    let groups = divisors[shape.groups % divisors.len()];
    let outputs = groups * shape.outputs_per_group;
    let mut size = [height, width];
    for axis in 0..2 {
        let padded = size[axis] + (shape.padding[axis] + shape.padding[axis + 2]) as usize;
        let reach = (shape.dilation[axis] * (shape.kernel[axis] - 1)) as usize + 1;
        size[axis] = padded.checked_sub(reach)? / shape.stride[axis] as usize + 1;
    }
    let count = outputs * channels / groups * (shape.kernel[0] * shape.kernel[1]) as usize;
    let weights: Arc<[i32]> = (0..count)
        .map(|_| if b.random(0, 7) < shape.density as i64 { b.random(-3, 3) as i32 } else { 0 })
        .collect();
    let bias = (0..outputs).map(|_| if shape.zero_bias { 0 } else { b.random(-9, 9) }).collect();
    let requantize = shape.shift.or(if last { None } else { Some(4) }).map(|shift| {
        let reach = if shape.narrow { 2 } else { 15 };
        let values = (-reach - 1..=reach).map(|v: i32| if v < 0 { v / 2 } else { v.min(7) }).collect();
        let table = b.table(Table::new("leaky", i64::from(-reach - 1), values).expect("not empty"));
        Requantize { shift, table }
    });
    let geometry = ConvGeometry {
        kernel: shape.kernel,
        stride: shape.stride,
        dilation: shape.dilation,
        padding: shape.padding,
        groups: groups as u32,
    };
    Some(b.node(Op::Conv { input, geometry, weights, bias, requantize }, &[outputs, size[0], size[1]]))
}

fn apply(b: &mut ProgramBuilder, input: TensorId, between: Between) -> TensorId {
    let shape = b.program.node(input).shape.clone();
    let [c, h, w] = [shape[0], shape[1], shape[2]];
    let elements = (c * h * w) as u32;
    let element = |index: u32| ViewElement::Element { source: 0, index };
    match between {
        Between::Nothing => input,
        Between::Transpose => {
            let at = |i: usize| ((i / (w * h) * h + i % h) * w + i / h % w) as u32;
            let map = (0..elements as usize).map(|i| element(at(i))).collect();
            b.view(&[input], map, &[c, w, h])
        }
        Between::Scramble => {
            let map = (0..elements)
                .map(|_| if b.random(0, 4) == 0 { ViewElement::Zero } else { element(b.random(0, i64::from(elements) - 1) as u32) })
                .collect();
            b.view(&[input], map, &shape)
        }
        Between::Maximum => {
            let map = (0..elements).flat_map(|i| [element(i), element((i + 1) % elements)]).collect();
            let windows = b.view(&[input], map, &[c, h, w, 2]);
            b.node(Op::Max { input: windows }, &shape)
        }
        Between::Double => {
            let table = b.table(Table::identity(-8, 7));
            let requantize = Some(Requantize { shift: 1, table });
            b.node(Op::Affine { operands: [input, input], factors: [1, 2], constant: 1, requantize }, &shape)
        }
        Between::Reciprocal => {
            let table = b.table(Table::new("shifted", -8, (1..=16).collect()).expect("not empty"));
            let positive = b.node(Op::Lookup { input, table }, &shape);
            b.node(Op::Reciprocal { input: positive, numerator_bits: 5 }, &shape)
        }
    }
}

fn build(network: &Network) -> Option<(ProgramBuilder, Vec<Vec<i64>>)> {
    let mut b = ProgramBuilder::new(network.seed);
    let mut tensor = b.input(&network.input, Visibility::Private);
    b.program.nodes[0].op = Op::Input { lo: network.lo, hi: network.lo + 7 };
    let mut outputs = Vec::new();
    for (index, (between, shape)) in network.layers.iter().enumerate() {
        let source = apply(&mut b, tensor, *between);
        let last = index + 1 == network.layers.len();
        tensor = convolve(&mut b, source, shape, last)?;
        if b.program.node(tensor).elements() > 150 {
            return None;
        }
        if let (true, Some(sibling)) = (last, &network.sibling) {
            outputs.extend(convolve(&mut b, source, sibling, true));
        }
    }
    outputs.push(tensor);
    outputs.into_iter().for_each(|output| b.output(output, Visibility::Public));
    let count = network.input.iter().product();
    let inputs = vec![(0..count).map(|_| b.random(network.lo, network.lo + 7)).collect()];
    Some((b, inputs))
}

/// Changes some cells one at a time, each by a prover who follows the machine from there on.
fn refuses_changes(case: &Case, changes: usize, seed: u64) {
    let system = case.system(seed);
    let honest = system.derived(&case.assignment);
    let violations = system.violations(&honest);
    assert!(violations.none(), "an honest run is refused: {violations:?}");
    assert_eq!(&honest.instance[..case.words().len()], case.words(), "the interpreter's result comes out");
    let equations = system.equations();
    let unread = equations.unread(&system);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let params = system.params();
    let used = case.layout.statistics().rows.units;
    for _ in 0..changes {
        let columns = [AdviceColumn::Value, AdviceColumn::Pre, AdviceColumn::Low, AdviceColumn::High];
        let column = columns[rng.next_u32() as usize % 4](rng.next_u32() % params.units);
        let row = rng.next_u32() as usize % used;
        let mut assignment = case.assignment.clone();
        let change = match small(&mut rng) {
            0 => 1,
            other => other,
        };
        assignment.set(column, row, assignment.get(column, row) + change);
        assignment.count_lookups();
        let cells = system.derived(&assignment);
        let refused = check::broken_copy(&system, &cells).is_some() || equations.breaks(&honest, &cells).is_some();
        assert_eq!(refused, !unread.contains(&(column, row)), "{column:?} on row {row} by {change}");
        assert!(refused || cells.instance == honest.instance);
    }
}

#[test]
fn random_networks() {
    let config = Config { cases: 60, max_global_rejects: 10_000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut gadgets = 0;
    let cell = std::cell::RefCell::new(&mut gadgets);
    let result = TestRunner::new_with_rng(config, rng).run(&network(), |network| {
        let Some((builder, inputs)) = build(&network) else { return Err(TestCaseError::reject("it does not fit")) };
        let case = Case::with_inputs("network", builder, inputs, network.units);
        **cell.borrow_mut() += usize::from(case.layout.params().has(circuits::machine::FixedColumn::Saturate));
        refuses_changes(&case, 12, network.seed);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{gadgets} networks saturate by the gadget");
}

/// A reciprocal's elements do not lie in the first of its rows: a plane must not be read there.
#[test]
fn planes_of_reciprocals() {
    for units in [1, 2, 3] {
        let mut b = ProgramBuilder::new(1);
        let x = b.input(&[2, 6, 1], Visibility::Public);
        let factors = Op::Affine { operands: [x, x], factors: [1, 1], constant: 20, requantize: None };
        let positive = b.node(factors, &[2, 6, 1]);
        let inverse = b.node(Op::Reciprocal { input: positive, numerator_bits: 8 }, &[2, 6, 1]);
        let y = b.conv(inverse, 2, ConvGeometry::POINTWISE, None);
        b.output(y, Visibility::Public);
        refuses_changes(&Case::new("reciprocals", b, units), 40, 7);
    }
}
