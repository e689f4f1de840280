//! Programs built at random: the circuit accepts what the interpreter computes, and nothing else.

#[path = "support/check.rs"]
mod check;
mod support;

use std::sync::Arc;

use check::{refuses_changes, Case};
use circuits::graph::{ConvGeometry, Op, Requantize, Step, Table, TensorId, ViewElement, Visibility, Weights};
use circuits::layout::{compile, Fold, LayoutError, LayoutOptions};
use circuits::machine::FixedColumn;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
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
    SquareRoot,
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
        .prop_map(
            |((kernel, stride, dilation, padding), (groups, outputs_per_group, density, zero_bias, shift, narrow))| {
                Shape {
                    kernel,
                    stride,
                    dilation,
                    padding,
                    groups,
                    outputs_per_group,
                    density,
                    zero_bias,
                    shift,
                    narrow,
                }
            },
        )
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        4 => Just(Between::Nothing),
        1 => Just(Between::Transpose),
        1 => Just(Between::Scramble),
        1 => Just(Between::Maximum),
        1 => Just(Between::Double),
        1 => Just(Between::Reciprocal),
        1 => Just(Between::SquareRoot),
    ]
}

fn units() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 1u32..=5, 1 => 6u32..=32]
}

fn network() -> impl Strategy<Value = Network> {
    (
        any::<u64>(),
        units(),
        (1usize..=4, 1usize..=6, 1usize..=6),
        prop_oneof![3 => Just(-4i64), 1 => Just(3)],
        prop::collection::vec((between(), shape()), 1..=3),
        prop::option::weighted(0.3, shape()),
    )
        .prop_map(|(seed, units, (c, h, w), lo, layers, sibling)| Network {
            seed,
            units,
            input: [c, h, w],
            lo,
            layers,
            sibling,
        })
}

/// Adds a convolution, or nothing where the kernel does not fit.
fn convolve(b: &mut ProgramBuilder, input: TensorId, shape: &Shape, last: bool) -> Option<TensorId> {
    let [channels, height, width]: [usize; 3] = b.program.node(input).shape.clone().try_into().expect("rank 3");
    let divisors: Vec<usize> = (1..=channels).filter(|d| channels % d == 0).collect();
    let groups = divisors[shape.groups % divisors.len()];
    let outputs = groups * shape.outputs_per_group;
    let output = |axis: usize, size: usize| {
        let padded = size + (shape.padding[axis] + shape.padding[axis + 2]) as usize;
        let reach = (shape.dilation[axis] * (shape.kernel[axis] - 1)) as usize + 1;
        Some(padded.checked_sub(reach)? / shape.stride[axis] as usize + 1)
    };
    let size = [output(0, height)?, output(1, width)?];
    let count = outputs * channels / groups * (shape.kernel[0] * shape.kernel[1]) as usize;
    let weights: Weights =
        (0..count).map(|_| if b.random(0, 7) < shape.density as i64 { b.random(-3, 3) as i32 } else { 0 }).collect();
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
                .map(|_| {
                    if b.random(0, 4) == 0 {
                        ViewElement::Zero
                    } else {
                        element(b.random(0, i64::from(elements) - 1) as u32)
                    }
                })
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
            b.node(Op::Reciprocal { input: positive, numerator: 35 }, &shape)
        }
        Between::SquareRoot => {
            let square = b.node(Op::Product { operands: [input; 2], requantize: None }, &shape);
            let larger = Op::Affine { operands: [square, input], factors: [1, 1], constant: 1, requantize: None };
            let larger = b.node(larger, &shape);
            b.node(Op::SquareRoot { input: larger }, &shape)
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

/// Runs a property on as many cases as `PROPTEST_CASES` says, or on `cases`; the cases are the same each time.
fn check_property<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { cases };
    let config = Config { cases, max_global_rejects: 1 << 20, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(strategy, property) {
        panic!("{error}");
    }
}

/// Every second machine is folded, in one of some ways.
fn arranged(units: u32, seed: u64) -> check::Shape {
    match seed % 8 {
        fold @ 0..4 => check::Shape::folded(units, None, [1, 3, 8, 16][fold as usize]),
        _ => units.into(),
    }
}

#[test]
fn random_convolutions() {
    let saturating = std::cell::Cell::new(0);
    check_property(60, &network(), |network| {
        let Some((builder, inputs)) = build(&network) else { return Err(TestCaseError::reject("it does not fit")) };
        let case = Case::with_inputs("network", builder, inputs, arranged(network.units, network.seed));
        saturating.set(saturating.get() + usize::from(case.layout.params().has(FixedColumn::Saturate)));
        refuses_changes(&case, 12, network.seed);
        Ok(())
    });
    println!("{} networks saturate by the gadget", saturating.get());
}

/// A tensor of the given shape from elements of what is there, some of them twice, some zero.
fn gather(b: &mut ProgramBuilder, tensors: &[TensorId], shape: &[usize]) -> TensorId {
    let straight = b.random(0, 1) == 0;
    let sources: Vec<TensorId> =
        (0..b.random(1, 2)).map(|_| tensors[b.random(0, tensors.len() as i64 - 1) as usize]).collect();
    let map = (0..shape.iter().product::<usize>())
        .map(|i| {
            let source = b.random(0, sources.len() as i64 - 1) as u32;
            let elements = b.program.node(sources[source as usize]).elements();
            if !straight && b.random(0, 9) == 0 {
                return ViewElement::Zero;
            }
            let index = if straight { i % elements } else { b.random(0, elements as i64 - 1) as usize } as u32;
            ViewElement::Element { source, index }
        })
        .collect();
    b.view(&sources, map, shape)
}

/// A function with values in `[−8, 7]` on a random interval, or none.
fn requantize(b: &mut ProgramBuilder) -> Option<Requantize> {
    let (shift, reach) = (b.random(0, 5) as u32, b.random(0, 12));
    let values = (0..=2 * reach).map(|_| b.random(-8, 7) as i32).collect();
    let lo = -reach - b.random(0, 2);
    let table = b.table(Table::new("random", lo, values).expect("not empty"));
    Some(Requantize { shift, table })
}

/// Adds an operator of exact floating-point arithmetic.
fn float_operator(b: &mut ProgramBuilder, tensors: &[TensorId], shape: &[usize]) -> TensorId {
    let input = gather(b, tensors, shape);
    let values = (0..b.random(1, 9)).map(|_| b.random(1, 30) as i32).collect();
    let table = b.table(Table::new("positive", -4, values).expect("not empty"));
    let divisor = b.node(Op::Lookup { input, table }, shape);
    let dividend = gather(b, tensors, shape);
    match b.random(0, 2) {
        0 => {
            let bits = b.random(1, 6) as u32;
            b.node(Op::RoundSignificant { input: dividend, bits }, shape)
        }
        1 => {
            let mut factor = b.random(-9, 0);
            let mut step = || {
                factor += b.random(1, 9);
                Step { factor, strict: b.random(0, 1) == 1 }
            };
            let steps = (0..4).map(|_| step()).collect();
            let (first, shift) = (b.random(-3, 3), b.random(0, 4) as u32);
            b.node(Op::Steps { operands: [dividend, divisor], first, shift, steps }, shape)
        }
        _ => {
            let square = b.node(Op::Product { operands: [dividend; 2], requantize: None }, shape);
            b.node(Op::Quotient { operands: [square, divisor] }, shape)
        }
    }
}

/// Adds a random operator on some of the tensors; every result is small.
fn operator(b: &mut ProgramBuilder, tensors: &[TensorId]) -> TensorId {
    let shape = [b.random(1, 3) as usize, b.random(1, 4) as usize];
    let window = [shape[0], shape[1], b.random(1, 5) as usize];
    let kind = b.random(0, 9);
    let exact = b.random(0, 3) == 0;
    let finish = |b: &mut ProgramBuilder| if exact { None } else { requantize(b) };
    match kind {
        0 => {
            let operands = [gather(b, tensors, &shape), gather(b, tensors, &shape)];
            let factors = [b.random(-5, 5), b.random(-5, 5)];
            let (constant, requantize) = (b.random(-9, 9), finish(b));
            b.node(Op::Affine { operands, factors, constant, requantize }, &shape)
        }
        1 => {
            let operands = [gather(b, tensors, &shape), gather(b, tensors, &shape)];
            let requantize = requantize(b);
            b.node(Op::Product { operands, requantize }, &shape)
        }
        2 => {
            let input = gather(b, tensors, &window);
            let (factor, requantize) = (b.random(-3, 3), finish(b));
            b.node(Op::Sum { input, factor, requantize }, &shape)
        }
        3 => {
            let input = gather(b, tensors, &window);
            b.node(Op::Max { input }, &shape)
        }
        4 => {
            let input = gather(b, tensors, &window);
            b.node(Op::ArgMax { input }, &shape)
        }
        5 => {
            let input = gather(b, tensors, &shape);
            let table = requantize(b).expect("it has a table").table;
            b.node(Op::Lookup { input, table }, &shape)
        }
        6 => {
            let input = gather(b, tensors, &shape);
            let values = (0..b.random(1, 9)).map(|_| b.random(1, 30) as i32).collect();
            let lo = b.random(-4, 0);
            let table = b.table(Table::new("positive", lo, values).expect("not empty"));
            let positive = b.node(Op::Lookup { input, table }, &shape);
            match b.random(0, 1) {
                0 => b.node(Op::SquareRoot { input: positive }, &shape),
                _ => {
                    let numerator = b.random(1, 600);
                    b.node(Op::Reciprocal { input: positive, numerator }, &shape)
                }
            }
        }
        7 => {
            let [stack, rows, inner, columns] = [2, 4, 3, 4].map(|most| b.random(1, most) as usize);
            let operands = [gather(b, tensors, &[stack, rows, inner]), gather(b, tensors, &[stack, inner, columns])];
            let requantize = finish(b);
            b.node(Op::MatMul { operands, requantize }, &[stack, rows, columns])
        }
        8 => float_operator(b, tensors, &shape),
        _ => {
            let image = [b.random(1, 2) as usize, b.random(1, 4) as usize, b.random(1, 4) as usize];
            let input = gather(b, tensors, &image);
            let (outputs, requantize) = (b.random(1, 4) as usize, requantize(b));
            let kernel = [0, 1].map(|axis| b.random(1, image[axis + 1] as i64) as u32);
            let geometry = ConvGeometry { kernel, ..ConvGeometry::POINTWISE };
            b.conv(input, outputs, geometry, requantize)
        }
    }
}

fn random_program(seed: u64, operators: usize) -> (ProgramBuilder, Vec<Vec<i64>>) {
    let mut b = ProgramBuilder::new(seed);
    let mut tensors = Vec::new();
    let mut inputs = Vec::new();
    for _ in 0..b.random(1, 2) {
        let visibility = if b.random(0, 1) == 0 { Visibility::Public } else { Visibility::Private };
        let elements = b.random(1, 9) as usize;
        let input = b.input(&[elements], visibility);
        let (lo, width) = if b.random(0, 7) == 0 { (-40, 1 << 12) } else { (b.random(-9, 3), b.random(0, 9)) };
        b.program.nodes[input.0 as usize].op = Op::Input { lo, hi: lo + width };
        inputs.push((0..elements).map(|_| b.random(lo, lo + width)).collect());
        tensors.push(input);
    }
    for _ in 0..operators {
        let result = operator(&mut b, &tensors);
        tensors.push(result);
    }
    for _ in 0..b.random(1, 3) {
        let visibility = if b.random(0, 3) == 0 { Visibility::Private } else { Visibility::Public };
        let tensor = tensors[b.random(0, tensors.len() as i64 - 1) as usize];
        b.output(tensor, visibility);
    }
    b.output(*tensors.last().expect("there are inputs"), Visibility::Public);
    (b, inputs)
}

#[test]
fn random_operators() {
    let tried = std::cell::Cell::new([0, 0]);
    check_property(60, &(any::<u64>(), 1usize..=7, units()), |(seed, operators, units)| {
        let (builder, inputs) = random_program(seed, operators);
        let shape = arranged(units, seed);
        let options = LayoutOptions { units: Some(units), fold: Some(shape.fold), ..LayoutOptions::default() };
        let [compiled, refused] = tried.get();
        // Exact results of exact results may grow beyond what is compared or overflows: a typed error.
        if compile(&builder.program, &options).is_err() {
            tried.set([compiled, refused + 1]);
            return Ok(());
        }
        tried.set([compiled + 1, refused]);
        refuses_changes(&Case::with_inputs("program", builder, inputs, shape), 12, seed);
        Ok(())
    });
    let [compiled, refused] = tried.get();
    println!("{compiled} programs, {refused} without a layout");
    assert!(compiled > 4 * refused);
}

/// What the operands of a random product of matrices are.
#[derive(Clone, Copy, Debug)]
enum Operand {
    /// A convolution of the tokens, as it lies or transposed.
    Projected,
    /// A function of the first operand's source.
    Shared,
    /// Elements from anywhere.
    Scrambled,
    /// The result of another product.
    Product,
    /// One element for each row, or each column.
    Repeated,
}

fn operand_of_product() -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => Just(Operand::Projected),
        1 => Just(Operand::Shared),
        1 => Just(Operand::Scrambled),
        2 => Just(Operand::Product),
        1 => Just(Operand::Repeated),
    ]
}

/// An operand `[stack, rows, columns]`, from tokens `[channels, tokens, 1]`.
fn product_operand(b: &mut ProgramBuilder, x: TensorId, [stack, rows, columns]: [usize; 3], kind: Operand) -> TensorId {
    let tokens = b.program.node(x).shape[1];
    let clamp = b.table(Table::identity(-8, 7));
    let requantize = Some(Requantize { shift: 2, table: clamp });
    match kind {
        Operand::Projected if rows == tokens => {
            let y = b.conv(x, stack * columns, ConvGeometry::POINTWISE, requantize);
            b.transposed(y, [stack, columns, rows])
        }
        Operand::Projected => {
            let padding = [0, 0, columns.saturating_sub(tokens) as u32, 0];
            let kernel = [(tokens + padding[2] as usize - columns) as u32 + 1, 1];
            let y = b.conv(x, stack * rows, ConvGeometry { kernel, padding, ..ConvGeometry::POINTWISE }, requantize);
            b.reshape(y, &[stack, rows, columns])
        }
        Operand::Shared => {
            let taken = gather(b, &[x], &[stack, rows, columns]);
            b.node(Op::Lookup { input: taken, table: clamp }, &[stack, rows, columns])
        }
        Operand::Scrambled => gather(b, &[x], &[stack, rows, columns]),
        Operand::Repeated => {
            let by_rows = b.random(0, 1) == 1;
            let some = gather(b, &[x], &[stack, if by_rows { rows } else { columns }, 1]);
            let at = |i: usize| if by_rows { i / columns } else { i / (rows * columns) * columns + i % columns };
            let map = (0..stack * rows * columns).map(|i| ViewElement::Element { source: 0, index: at(i) as u32 });
            b.view(&[some], map.collect(), &[stack, rows, columns])
        }
        Operand::Product => {
            let inner = b.random(1, 3) as usize;
            let operands = [gather(b, &[x], &[stack, rows, inner]), gather(b, &[x], &[stack, inner, columns])];
            b.node(Op::MatMul { operands, requantize }, &[stack, rows, columns])
        }
    }
}

/// Products of matrices whose operands lie in the rows in all ways: read where they are, with zeros before and behind, or
/// copied.
#[test]
fn random_products_of_matrices() {
    let size = (1usize..=2, 1usize..=5, 1usize..=3, 1usize..=5, 1usize..=5);
    let kinds = (operand_of_product(), operand_of_product(), any::<bool>(), prop::option::of(0u32..=6));
    let read_in_place = std::cell::Cell::new(0);
    check_property(60, &(any::<u64>(), units(), size, kinds), |(seed, units, size, kinds)| {
        let (stack, rows, inner, columns, tokens) = size;
        let (left, right, narrow, shift) = kinds;
        let mut b = ProgramBuilder::new(seed);
        let x = b.input(&[2, tokens, 1], Visibility::Private);
        let a = product_operand(&mut b, x, [stack, rows, inner], left);
        let c = product_operand(&mut b, x, [stack, inner, columns], right);
        let table = b.table(Table::identity(if narrow { -2 } else { -40 }, if narrow { 1 } else { 39 }));
        let y = b.matmul(a, c, shift.map(|shift| Requantize { shift, table }));
        let y = b.transposed(y, [stack, rows, columns]);
        let y = b.reshape(y, &[stack * columns, rows, 1]);
        let z = b.conv(y, 2, ConvGeometry::POINTWISE, None);
        b.output(z, Visibility::Public);
        let case = Case::new("products", b, arranged(units, seed));
        let copied = case.layout.skeleton().copies.iter().any(|&(a, b)| check::copy_kind(a, b) == "COPY-ELEMENT");
        read_in_place.set(read_in_place.get() + usize::from(!copied));
        refuses_changes(&case, 12, seed);
        Ok(())
    });
    println!("{} programs without a copy", read_in_place.get());
}

/// Stacks of single rows, whose matrices are the positions of what reads them.
#[test]
fn random_stacks_of_rows() {
    let size = (2usize..=5, 1usize..=3, 2usize..=5, 1usize..=5);
    let kinds = (operand_of_product(), operand_of_product(), any::<bool>(), prop::option::of(0u32..=6));
    check_property(40, &(any::<u64>(), units(), size, kinds), |(seed, units, size, kinds)| {
        let (stack, inner, columns, tokens) = size;
        let (left, right, narrow, shift) = kinds;
        let mut b = ProgramBuilder::new(seed);
        let x = b.input(&[2, tokens, 1], Visibility::Private);
        let a = product_operand(&mut b, x, [stack, 1, inner], left);
        let c = product_operand(&mut b, x, [stack, inner, columns], right);
        let table = b.table(Table::identity(if narrow { -2 } else { -40 }, if narrow { 1 } else { 39 }));
        let y = b.matmul(a, c, shift.map(|shift| Requantize { shift, table }));
        let y = b.transposed(y, [1, stack, columns]);
        let y = b.reshape(y, &[columns, stack, 1]);
        let z = b.conv(y, 2, ConvGeometry::POINTWISE, None);
        b.output(z, Visibility::Public);
        refuses_changes(&Case::new("stacks of rows", b, arranged(units, seed)), 12, seed);
        Ok(())
    });
}

/// A reciprocal's elements do not lie in the first of its rows: a plane must not be read there.
#[test]
fn planes_of_reciprocals() {
    for units in [1, 2, 3] {
        let mut b = ProgramBuilder::new(1);
        let x = b.input(&[2, 6, 1], Visibility::Public);
        let factors = Op::Affine { operands: [x, x], factors: [1, 1], constant: 20, requantize: None };
        let positive = b.node(factors, &[2, 6, 1]);
        let inverse = b.node(Op::Reciprocal { input: positive, numerator: 250 }, &[2, 6, 1]);
        let y = b.conv(inverse, 2, ConvGeometry::POINTWISE, None);
        b.output(y, Visibility::Public);
        refuses_changes(&Case::new("reciprocals", b, units), 40, 7);
    }
}

/// Border cells hold sums of some of an accumulator's terms: where the terms are large and cancel in the accumulators, the
/// borders are what must fit.
#[test]
fn borders_of_accumulators_that_cancel() {
    for (bits, fits) in [(40, true), (59, false)] {
        let mut b = ProgramBuilder::new(1);
        let x = b.input(&[1, 1, 4], Visibility::Private);
        b.program.nodes[0].op = Op::Input { lo: 1 << bits, hi: (1 << bits) + 3 };
        let (weights, bias) = (vec![1 << 18, -(1 << 18)].into(), Arc::new([0]));
        let geometry = ConvGeometry { kernel: [1, 2], ..ConvGeometry::POINTWISE };
        let y = b.node(Op::Conv { input: x, geometry, weights, bias, requantize: None }, &[1, 1, 3]);
        b.output(y, Visibility::Public);
        match fits {
            true => {
                let inputs = vec![vec![1 << bits, (1 << bits) + 3, (1 << bits) + 1, 1 << bits]];
                refuses_changes(&Case::with_inputs("borders", b, inputs, 2), 20, 1);
            }
            false => {
                let error = compile(&b.program, &LayoutOptions::default()).expect_err("the borders do not fit");
                assert!(matches!(error, LayoutError::Accumulator { bits: 79, .. }), "{error}");
            }
        }
    }
}

#[test]
fn widths_that_the_machine_does_not_have() {
    for (units, weights) in [(Some(0), None), (Some(33), None), (None, Some(0)), (None, Some(1 << 20))] {
        let options = LayoutOptions { units, weights, ..LayoutOptions::default() };
        let refused = compile(&support::mlp(1).program, &options);
        assert!(matches!(refused, Err(LayoutError::Params(_))), "{options:?}");
    }
    for rows in [0, 32] {
        let options = LayoutOptions { fold: Some(Fold::Rows(rows)), ..LayoutOptions::default() };
        let refused = compile(&support::mlp(1).program, &options);
        assert!(matches!(refused, Err(LayoutError::Params(_))), "{options:?}");
    }
}

/// Taps that reach far beyond a picture set its rows far apart; what does not fit is refused before it is laid out.
#[test]
fn taps_that_reach_far() {
    let picture = |height: usize, reach: u32| {
        let mut b = ProgramBuilder::new(1);
        let x = b.input(&[1, height, 3], Visibility::Private);
        let (dilation, padding) = ([1, 2 * reach], [0, reach, 0, reach]);
        let geometry = ConvGeometry { kernel: [1, 2], dilation, padding, ..ConvGeometry::POINTWISE };
        let (weights, bias) = (vec![2, -1].into(), Arc::new([1]));
        let y = b.node(Op::Conv { input: x, geometry, weights, bias, requantize: None }, &[1, height, 3]);
        b.output(y, Visibility::Public);
        b
    };
    refuses_changes(&Case::new("far", picture(2, 40), 2), 20, 1);
    let refused = |height: usize, reach: u32| compile(&picture(height, reach).program, &LayoutOptions::default());
    assert!(matches!(refused(1 << 10, 1 << 19), Err(LayoutError::TooLarge { .. })));
    assert!(matches!(refused(2, 1 << 29), Err(LayoutError::Program(_))));
}
