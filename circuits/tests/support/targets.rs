//! One small program per family of operators, to be attacked cell by cell.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::collections::BTreeMap;

use circuits::analysis::declare_private as declare;
use circuits::batch::Merging;
use circuits::graph::{
    ConvGeometry, Op, PortKind, Requantize, Step, Table, TableId, TensorId, ViewElement, Visibility,
};

use crate::support::{geometry, ProgramBuilder};

/// A table that changes with every argument, so that no two arguments can be exchanged: `v → 2·v + 1`.
pub fn doubled(b: &mut ProgramBuilder, lo: i64, hi: i64) -> TableId {
    b.table(Table::new("doubled", lo, (lo..=hi).map(|v| (2 * v + 1) as i32).collect()).expect("not empty"))
}

pub fn input(b: &mut ProgramBuilder, shape: &[usize], range: [i64; 2], visibility: Visibility) -> TensorId {
    let tensor = b.input(shape, visibility);
    b.program.nodes[tensor.0 as usize].op = Op::Input { lo: range[0], hi: range[1] };
    tensor
}

/// A convolution with the given weights and without bias.
pub fn conv(
    b: &mut ProgramBuilder,
    input: TensorId,
    geometry: ConvGeometry,
    weights: &[i32],
    shape: &[usize],
    requantize: Option<Requantize>,
) -> TensorId {
    let op = Op::Conv { input, geometry, weights: weights.into(), bias: vec![0; shape[0]].into(), requantize };
    b.node(op, shape)
}

/// dense 3 → 3 with relu → dense 2, exact; all public.
pub fn dense() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(1);
    let relu = b.relu(-12, 11);
    let x = input(&mut b, &[3, 1, 1], [-4, 3], Visibility::Public);
    let requantize = Some(Requantize { shift: 2, table: relu });
    let hidden = conv(&mut b, x, ConvGeometry::POINTWISE, &[1, -2, 3, 2, 1, -1, -3, 2, 2], &[3, 1, 1], requantize);
    let y = conv(&mut b, hidden, ConvGeometry::POINTWISE, &[1, 2, -1, 3, -2, 1], &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    b
}

/// convolution 3 × 3 with borders, exact → convolution 2 × 2 of it in place, requantized; private in, public out.
pub fn borders() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(2);
    let table = doubled(&mut b, -8, 7);
    let x = input(&mut b, &[1, 3, 3], [-2, 1], Visibility::Private);
    let weights = [1, 0, -1, 2, 1, -2, 0, 1, 1];
    let first = conv(&mut b, x, geometry(3, 1, 1), &weights, &[1, 3, 3], None);
    let requantize = Some(Requantize { shift: 3, table });
    let second = conv(&mut b, first, geometry(2, 1, 0), &[1, -1, 2, 1], &[1, 2, 2], requantize);
    b.output(second, Visibility::Public);
    b
}

/// strided convolution of two channels in two groups; public in, private out.
pub fn strided() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(3);
    let x = input(&mut b, &[2, 3, 4], [-2, 1], Visibility::Public);
    let geometry = ConvGeometry { groups: 2, stride: [2, 1], ..geometry(2, 1, 1) };
    let weights = [1, 2, -1, 1, 3, -1, 1, 2, 0, 1, 1, -2, 2, 0, -1, 1];
    let y = conv(&mut b, x, geometry, &weights, &[4, 2, 5], None);
    b.output(y, Visibility::Private);
    b
}

/// Maxima of windows of three.
pub fn pool() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(4);
    let x = input(&mut b, &[3, 3], [-4, 3], Visibility::Private);
    let y = b.node(Op::Max { input: x }, &[3]);
    b.output(y, Visibility::Public);
    b
}

/// Maxima of windows of three numbers that lie far apart.
pub fn wide_maximum() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(24);
    let x = input(&mut b, &[2, 3], [-4, 3], Visibility::Private);
    let far = Op::Affine { operands: [x, x], factors: [1 << 20, 0], constant: 1, requantize: None };
    let far = b.node(far, &[2, 3]);
    let y = b.node(Op::Max { input: far }, &[2]);
    b.output(y, Visibility::Public);
    b
}

/// Index of the largest of five.
pub fn arg_maximum(visibility: Visibility) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(5);
    let x = input(&mut b, &[2, 5], [-4, 3], visibility);
    let y = b.node(Op::ArgMax { input: x }, &[2]);
    b.output(y, Visibility::Public);
    b
}

/// Sums of products of affine forms, all requantized, and a lookup.
pub fn pointwise() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(6);
    let table = doubled(&mut b, -4, 4);
    let requantize = Some(Requantize { shift: 1, table });
    let x = input(&mut b, &[2, 2], [-2, 1], Visibility::Private);
    let y = input(&mut b, &[2, 2], [0, 3], Visibility::Public);
    let mixed = b.node(Op::Affine { operands: [x, y], factors: [2, -1], constant: 1, requantize }, &[2, 2]);
    let product = b.node(Op::Product { operands: [x, y], requantize: None }, &[2, 2]);
    let looked_up = b.node(Op::Lookup { input: x, table }, &[2, 2]);
    let map = (0..4).flat_map(|i| [0, 1, 2].map(|source| ViewElement::Element { source, index: i })).collect();
    let all = b.view(&[mixed, product, looked_up], map, &[4, 3]);
    let sums = b.node(Op::Sum { input: all, factor: 2, requantize: None }, &[4]);
    b.output(sums, Visibility::Public);
    b.output(mixed, Visibility::Private);
    b
}

/// Reciprocals of three numbers.
pub fn reciprocal() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(7);
    let x = input(&mut b, &[3], [1, 7], Visibility::Private);
    let y = b.node(Op::Reciprocal { input: x, numerator: 64 }, &[3]);
    b.output(y, Visibility::Public);
    b
}

/// Quotients of three pairs of numbers.
pub fn quotient() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(21);
    let x = input(&mut b, &[3], [0, 40], Visibility::Private);
    let y = input(&mut b, &[3], [1, 7], Visibility::Private);
    let z = b.node(Op::Quotient { operands: [x, y] }, &[3]);
    b.output(z, Visibility::Public);
    b
}

/// Significant bits that [`rounded`] keeps.
pub const ROUNDED_BITS: u32 = 2;
/// The result of [`stepped`] below all steps.
pub const STEPPED_FIRST: i64 = -2;
/// Its shift.
pub const STEPPED_SHIFT: u32 = 1;

/// Numbers rounded to two significant bits.
pub fn rounded() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(22);
    let x = input(&mut b, &[3], [-20, 20], Visibility::Private);
    let y = b.node(Op::RoundSignificant { input: x, bits: ROUNDED_BITS }, &[3]);
    b.output(y, Visibility::Public);
    b
}

/// The steps of [`stepped`].
pub fn stepped_steps() -> [Step; 4] {
    [(-5, true), (-1, false), (3, true), (4, false)].map(|(factor, strict)| Step { factor, strict })
}

/// Quotients of three pairs of numbers by halves, quantized by four steps, of which two are strict.
pub fn stepped() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(23);
    let x = input(&mut b, &[3], [-20, 20], Visibility::Private);
    let y = input(&mut b, &[3], [1, 5], Visibility::Private);
    let steps = stepped_steps().into();
    let z = b.node(Op::Steps { operands: [x, y], first: STEPPED_FIRST, shift: STEPPED_SHIFT, steps }, &[3]);
    b.output(z, Visibility::Public);
    b
}

/// Square roots of three numbers.
pub fn square_root() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(16);
    let x = input(&mut b, &[3], [0, 30], Visibility::Private);
    let y = b.node(Op::SquareRoot { input: x }, &[3]);
    b.output(y, Visibility::Public);
    b
}

/// Elements over the root of the sum of their squares.
pub fn normalized() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(17);
    let x = input(&mut b, &[2, 2], [-4, 3], Visibility::Private);
    let squares = b.node(Op::Product { operands: [x; 2], requantize: None }, &[2, 2]);
    let sums = b.node(Op::Sum { input: squares, factor: 16, requantize: None }, &[2]);
    let shifted = Op::Affine { operands: [sums; 2], factors: [1, 0], constant: 5, requantize: None };
    let shifted = b.node(shifted, &[2]);
    let root = b.node(Op::SquareRoot { input: shifted }, &[2]);
    let inverse = b.node(Op::Reciprocal { input: root, numerator: 300 }, &[2]);
    let map = (0..4).map(|i| ViewElement::Element { source: 0, index: i / 2 }).collect();
    let repeated = b.view(&[inverse], map, &[2, 2]);
    let table = doubled(&mut b, -19, 19);
    let requantize = Some(Requantize { shift: 2, table });
    let y = b.node(Op::Product { operands: [x, repeated], requantize }, &[2, 2]);
    b.output(y, Visibility::Public);
    b
}

/// Elements less the mean of their row over the root of the variance, by products of matrices, read along the rows by a convolution.
pub fn deviations() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(19);
    let (rows, n) = (2, 3);
    let x = input(&mut b, &[rows, 1, n], [-4, 3], Visibility::Private);
    let column = b.reshape(x, &[rows, n, 1]);
    let squares = b.matmul(x, column, None);
    let squares = b.reshape(squares, &[rows]);
    let row = b.reshape(x, &[rows, n]);
    let sum = b.node(Op::Sum { input: row, factor: -1, requantize: None }, &[rows]);
    let square = b.node(Op::Product { operands: [sum; 2], requantize: None }, &[rows]);
    let (all, one) = (4 * (n * n) as i64, 4 * n as i64);
    let variance = Op::Affine { operands: [squares, square], factors: [all, -one], constant: 5, requantize: None };
    let variance = b.node(variance, &[rows]);
    let root = b.node(Op::SquareRoot { input: variance }, &[rows]);
    let inverse = b.node(Op::Reciprocal { input: root, numerator: 300 }, &[rows]);
    let multiple = Op::Affine { operands: [inverse; 2], factors: [n as i64, 0], constant: 0, requantize: None };
    let multiple = b.node(multiple, &[rows]);
    let of = |source: usize, index: usize| ViewElement::Element { source: source as u32, index: index as u32 };
    let pairs = (0..2 * rows).map(|i| of(i % 2, i / 2)).collect();
    let factors = b.view(&[multiple, inverse], pairs, &[rows, 1, 2]);
    let both = |i: usize| match i / n % 2 {
        0 => of(0, i / (2 * n) * n + i % n),
        _ => of(1, i / (2 * n)),
    };
    let both = b.view(&[row, sum], (0..2 * rows * n).map(both).collect(), &[rows, 2, n]);
    let table = doubled(&mut b, -38, 38);
    let y = b.matmul(factors, both, Some(Requantize { shift: 2, table }));
    let channels = b.view(&[y], (0..rows * n).map(|i| of(0, i % rows * n + i / rows)).collect(), &[n, rows, 1]);
    let z = conv(&mut b, channels, ConvGeometry::POINTWISE, &[1, -2, 3], &[1, rows, 1], None);
    b.output(z, Visibility::Public);
    b
}

/// Two rows of a matrix of three, whose columns take two images.
pub fn gathered() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(20);
    let x = input(&mut b, &[2], [0, 2], Visibility::Private);
    let entries = (0..27).map(|i| i * 53 % 201 - 100).collect();
    let rows = b.node(Op::Gather { input: x, entries }, &[2, 9]);
    b.output(rows, Visibility::Public);
    b
}

/// A dense layer, a lookup and a convolution, all of which leave their tables: the overflow is a cell. They leave them so far that tables of all
/// arguments would take more rows.
pub fn saturating() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(8);
    let mut requantize = || Some(Requantize { shift: 1, table: doubled(&mut b, -2, 1) });
    let (first, second) = (requantize(), requantize());
    let x = input(&mut b, &[3, 1, 1], [-4, 3], Visibility::Private);
    let weights = [70, -140, 210, 140, 70, -70, -210, 140, 140];
    let hidden = conv(&mut b, x, ConvGeometry::POINTWISE, &weights, &[3, 1, 1], first);
    let clamp = doubled(&mut b, -1, 1);
    let clamped = b.node(Op::Lookup { input: x, table: clamp }, &[3, 1, 1]);
    let wide = b.reshape(hidden, &[1, 1, 3]);
    let row = ConvGeometry { kernel: [1, 2], ..ConvGeometry::POINTWISE };
    let y = conv(&mut b, wide, row, &[300, -200], &[1, 1, 2], second);
    b.output(y, Visibility::Public);
    b.output(clamped, Visibility::Public);
    b
}

/// A dense layer and a lookup whose overflows take chains of limbs, of one row and of two.
pub fn wide() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(13);
    let table = doubled(&mut b, -2, 1);
    let x = input(&mut b, &[2, 1, 1], [-4, 3], Visibility::Private);
    let requantize = Some(Requantize { shift: 3, table });
    let y = conv(&mut b, x, ConvGeometry::POINTWISE, &[2000, -1, 1, 3000], &[2, 1, 1], requantize);
    let clamp = doubled(&mut b, -1, 1);
    let scaled =
        b.node(Op::Affine { operands: [x, x], factors: [1, 70_000], constant: 0, requantize: None }, &[2, 1, 1]);
    let clamped = b.node(Op::Lookup { input: scaled, table: clamp }, &[2, 1, 1]);
    b.output(y, Visibility::Public);
    b.output(clamped, Visibility::Public);
    b
}

/// Clamps that are longer than what shows their results by limbs, by every operator that has a function: a dense layer, a product and a
/// lookup whose arguments leave the clamp, sums of two and a convolution whose arguments don't.
pub fn clamped() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(22);
    let clamp = b.table(Table::new("clamp", -1500, (-1500..=1499).collect()).expect("not empty"));
    let ramp = b.relu(-700, 1200);
    let by = |shift, table| Some(Requantize { shift, table });
    let x = input(&mut b, &[3, 1, 1], [-50, 49], Visibility::Private);
    let weights = [90, -20, 30, 120, 10, -10, -30, 200, 20];
    let hidden = conv(&mut b, x, ConvGeometry::POINTWISE, &weights, &[3, 1, 1], by(2, clamp));
    let affine = |factors, table| Op::Affine { operands: [x, hidden], factors, constant: 1, requantize: by(1, table) };
    let within = b.node(affine([1, 1], clamp), &[3, 1, 1]);
    let mixed = b.node(Op::Product { operands: [x, hidden], requantize: by(5, clamp) }, &[3, 1, 1]);
    let row = b.reshape(within, &[1, 1, 3]);
    let pairs = ConvGeometry { kernel: [1, 2], ..ConvGeometry::POINTWISE };
    let differences = conv(&mut b, row, pairs, &[1, -1], &[1, 1, 2], by(1, clamp));
    let above_zero = b.node(Op::Lookup { input: hidden, table: ramp }, &[3, 1, 1]);
    let all = b.view(
        &[hidden, within],
        (0..2).flat_map(|source| (0..3).map(move |index| ViewElement::Element { source, index })).collect(),
        &[2, 3],
    );
    let sums = b.node(Op::Sum { input: all, factor: 300, requantize: by(4, ramp) }, &[2]);
    for tensor in [hidden, within, mixed, differences, above_zero, sums] {
        b.output(tensor, Visibility::Public);
    }
    b
}

/// A function by segments of an exact dense layer: a slope and an offset of its upper bits, and the requantized line, which leaves its
/// table where the interval of the line does not.
pub fn segments() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(23);
    let x = input(&mut b, &[2, 1, 1], [-4, 3], Visibility::Private);
    let v = conv(&mut b, x, ConvGeometry::POINTWISE, &[5, -3, 2, 7], &[2, 1, 1], None);
    let upper = |b: &mut ProgramBuilder, name: &str, values: Vec<i32>| {
        let table = b.table(Table::new(name, -2, values).expect("it is not empty"));
        let requantize = Some(Requantize { shift: 3, table });
        b.node(Op::Affine { operands: [v, v], factors: [1, 0], constant: 0, requantize }, &[2, 1, 1])
    };
    let slope = upper(&mut b, "slopes", vec![0, 2, 3, 1, 0]);
    let offset = upper(&mut b, "offsets", vec![-3, 1, 2, 4, 7]);
    let product = b.node(Op::Product { operands: [slope, v], requantize: None }, &[2, 1, 1]);
    let clamp = doubled(&mut b, -1, 3);
    let requantize = Some(Requantize { shift: 4, table: clamp });
    let line = Op::Affine { operands: [product, offset], factors: [1, 4], constant: 0, requantize };
    let y = b.node(line, &[2, 1, 1]);
    b.output(y, Visibility::Public);
    b
}

/// Inputs from a range that is proved by limbs.
pub fn wide_input() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(14);
    let x = input(&mut b, &[2, 1, 1], [-3000, 2999], Visibility::Public);
    let y = conv(&mut b, x, ConvGeometry::POINTWISE, &[1, -2, 1, 3], &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    b
}

/// The products of the columns of a matrix `[2, 3]`, requantized, and the matrix times these: its rows are read with powers of
/// the one challenge and of the other.
pub fn matrices() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(16);
    let table = doubled(&mut b, -2, 4);
    let x = input(&mut b, &[1, 2, 3], [-2, 1], Visibility::Private);
    let columns = b.transposed(x, [1, 2, 3]);
    let scores = b.matmul(columns, x, Some(Requantize { shift: 1, table }));
    let y = b.matmul(x, scores, None);
    b.output(y, Visibility::Public);
    b
}

/// A tree of two branches: an input of 20 bits is compared with two bounds, and each leaf has an indicator.
pub fn tree() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(17);
    let table = b.table(Table::new("from zero", -1, vec![0, 1]).expect("not empty"));
    let x = input(&mut b, &[1, 1, 1], [-(1 << 19), (1 << 19) - 1], Visibility::Private);
    let mut from_zero = |input, weights: &[i32], bias: &[i64], shift| {
        let requantize = Some(Requantize { shift, table });
        let shape = [bias.len(), 1, 1];
        let op = Op::Conv {
            input,
            geometry: ConvGeometry::POINTWISE,
            weights: weights.into(),
            bias: bias.into(),
            requantize,
        };
        b.node(op, &shape)
    };
    let half = 1 << 13;
    let compared = from_zero(x, &[1, 1], &[70_000 - half, -5 - half], 14);
    let leaves = from_zero(compared, &[-1, 0, 1, -1, 1, 1], &[0, -1, -2], 0);
    b.output(leaves, Visibility::Public);
    b
}

/// Two values that may be missing, which −9 stands for: which are, and the values with numbers in the place of those.
pub fn missing() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(21);
    let table = b.table(Table::new("from zero", -1, vec![0, 1]).expect("not empty"));
    let x = input(&mut b, &[2], [-9, 7], Visibility::Private);
    b.program.inputs[0].kind = PortKind::Nullable;
    let half = 1 << 1;
    let requantize = Some(Requantize { shift: 2, table });
    let affine = |operands, factors, constant, requantize| Op::Affine { operands, factors, constant, requantize };
    let present = b.node(affine([x; 2], [1, 0], 8 - half, requantize), &[2]);
    let is_missing = b.node(affine([present; 2], [-1, 0], 1, None), &[2]);
    // 3 where it is missing.
    let imputed = b.node(affine([x, present], [1, -12], 12, None), &[2]);
    b.output(is_missing, Visibility::Public);
    b.output(imputed, Visibility::Public);
    b
}

/// The program of a target for two samples.
fn two_samples(mut b: ProgramBuilder, merging: Merging) -> ProgramBuilder {
    b.program = b.program.batched(2, merging).expect("two samples are few");
    b
}

/// [`dense`] for two samples, each layer one identity.
pub fn batch() -> ProgramBuilder {
    two_samples(dense(), Merging::Dense)
}

/// [`strided`] for two samples, one below the other.
pub fn stacked_batch() -> ProgramBuilder {
    two_samples(strided(), Merging::Everything)
}

/// dense 3 → 2, exact; hashed in, public out. Not among [`all`]: its rows are many, and most are rows of the hash.
pub fn hashed() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(15);
    let x = input(&mut b, &[3, 1, 1], [-4, 3], Visibility::Hashed);
    let y = conv(&mut b, x, ConvGeometry::POINTWISE, &[1, 2, -1, 3, -2, 1], &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    b
}

/// dense 3 → 2, exact; committed in and out.
pub fn committed() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(16);
    let x = input(&mut b, &[3, 1, 1], [-4, 3], Visibility::Committed);
    let y = conv(&mut b, x, ConvGeometry::POINTWISE, &[1, 2, -1, 3, -2, 1], &[2, 1, 1], None);
    b.output(y, Visibility::Committed);
    b
}

/// A convolution in two groups of three outputs and a dense layer of it, with private weights, the biases of two limbs; then a dense
/// layer with public ones. No input is zero.
pub fn private_weights() -> ProgramBuilder {
    let mut b = ProgramBuilder::new(18);
    let x = input(&mut b, &[2, 1, 3], [1, 3], Visibility::Private);
    let geometry = ConvGeometry { kernel: [1, 2], groups: 2, ..ConvGeometry::POINTWISE };
    let op = Op::Conv {
        input: x,
        geometry,
        weights: vec![1, -2, 3, 0, -1, 2, 2, 2, -3, 1, 0, 0].into(),
        bias: vec![70_000, 0, -5, 40_000, -70_000, 1].into(),
        requantize: None,
    };
    let hidden = b.node(op, &[6, 1, 2]);
    let flat = b.reshape(hidden, &[12, 1, 1]);
    let weights: Vec<i32> = (0..24).map(|i| (i * 7 % 11) - 5).collect();
    let mixed = conv(&mut b, flat, ConvGeometry::POINTWISE, &weights, &[2, 1, 1], None);
    let y = conv(&mut b, mixed, ConvGeometry::POINTWISE, &[1, 1, 1, -1], &[2, 1, 1], None);
    b.output(y, Visibility::Public);
    declare_private(&mut b, &[hidden, mixed]);
    b
}

/// Declares the weights of some convolutions private.
pub fn declare_private(b: &mut ProgramBuilder, convolutions: &[TensorId]) {
    declare(&mut b.program, convolutions.iter().copied(), &BTreeMap::new(), 1).expect("no number is too large");
}

/// The saturating layers with inputs that leave the tables on both sides, and stay inside.
pub fn saturating_inputs() -> Vec<Vec<i64>> {
    vec![vec![3, -4, 0]]
}

/// All of them.
pub fn all() -> Vec<(&'static str, ProgramBuilder)> {
    vec![
        ("dense", dense()),
        ("borders", borders()),
        ("strided", strided()),
        ("pool", pool()),
        ("wide maximum", wide_maximum()),
        ("arg max", arg_maximum(Visibility::Private)),
        ("pointwise", pointwise()),
        ("reciprocal", reciprocal()),
        ("quotient", quotient()),
        ("rounded", rounded()),
        ("stepped", stepped()),
        ("square root", square_root()),
        ("normalized", normalized()),
        ("deviations", deviations()),
        ("gathered", gathered()),
        ("saturating", saturating()),
        ("wide", wide()),
        ("segments", segments()),
        ("wide input", wide_input()),
        ("clamped", clamped()),
        ("matrices", matrices()),
        ("tree", tree()),
        ("missing", missing()),
        ("batch", batch()),
        ("stacked batch", stacked_batch()),
        ("committed", committed()),
        ("private weights", private_weights()),
    ]
}
