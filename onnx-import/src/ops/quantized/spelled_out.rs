//! Normalizations that are spelled out between DequantizeLinear and QuantizeLinear, with nothing quantized inside.
//!
//! | part | forms |
//! | --- | --- |
//! | elements `c` | `x`, or `x − mean x` over some axes |
//! | their squares' sum or mean `m` | of `c·c` or `c²`, over the same axes |
//! | the root | `√m`, `√(m + ε)`, or the greater of `√m` and a number below every root but zero |
//! | the result | `c / root` or `c·(1 / root)`; the root may be brought to the shape of `c` before |
//!
//! A tensor that is read by several operators may be dequantized for each of them: copies of one are the same.

use super::fusion::{activation, operand};
use super::Result;
use crate::float::evaluate::{strides_for, Odometer};
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::lower::Call;

/// Most operators on the way to the squares.
const MAX_STEPS: usize = 16;
/// What no root of a quantized tensor exceeds.
const MOST: f64 = 1e30;

/// `c / √(factor·(Σ c² + added))`.
pub(super) struct Normalization {
    /// The quantized tensor.
    pub(super) input: ValueId,
    /// The axes, ascending.
    pub(super) axes: Vec<usize>,
    /// Whether its mean is taken off.
    pub(super) centered: bool,
    /// What sums of squares are multiplied by.
    pub(super) factor: f64,
    /// What is added to sums of squares.
    pub(super) added: f64,
}

impl Normalization {
    /// The normalization of a quantized tensor that a value is.
    pub(super) fn of(call: &mut Call, value: ValueId) -> Result<Option<Self>> {
        let FloatOp::Binary { function, operands: [a, b] } = *call.builder.op(value) else { return Ok(None) };
        let candidates = match function {
            BinaryFunction::Div => vec![(a, Some(b))],
            BinaryFunction::Mul => vec![(a, inverted(call, b)), (b, inverted(call, a))],
            _ => return Ok(None),
        };
        for (elements, root) in candidates {
            let Some(root) = root.filter(|_| call.shape(elements) == call.shape(value)) else { continue };
            let Some(root) = Root::of(call, elements, root) else { continue };
            let (input, centered) = match without_mean(call, elements, &root.axes) {
                Some(input) => (input, true),
                None => (elements, false),
            };
            let Some(source) = operand(call, input)? else { continue };
            let least = f64::from(source.scales[0]) * root.factor.sqrt();
            // Zeros over a bound are zeros; without one they are no numbers.
            let harmless = if root.added > 0.0 { root.bound <= 0.0 } else { root.bound > 0.0 && root.bound < least };
            if harmless && !(centered && root.added <= 0.0) {
                let Root { axes, factor, added, .. } = root;
                return Ok(Some(Self { input, axes, centered, factor, added: added / factor }));
            }
        }
        Ok(None)
    }
}

/// What a value is the reciprocal of.
fn inverted(call: &Call, value: ValueId) -> Option<ValueId> {
    match *call.builder.op(value) {
        FloatOp::Unary { input, function: UnaryFunction::Reciprocal } => Some(input),
        FloatOp::Binary { function: BinaryFunction::Div, operands: [one, divisor] }
            if number(call, one) == Some(1.0) =>
        {
            Some(divisor)
        }
        _ => None,
    }
}

fn number(call: &Call, value: ValueId) -> Option<f64> {
    call.builder.tensor(value)?.uniform()
}

/// Whether two values are the same, or copies of one dequantized tensor.
fn is_same(call: &Call, a: ValueId, b: ValueId) -> bool {
    let copies = || match (activation(call, a), activation(call, b)) {
        (Some(a), Some(b)) => a.centered == b.centered && a.scales == b.scales,
        _ => false,
    };
    let alike = || match (call.builder.op(a), call.builder.op(b)) {
        (
            FloatOp::Binary { function: BinaryFunction::Sub, operands: first },
            FloatOp::Binary { function: BinaryFunction::Sub, operands: second },
        ) => {
            first[1] == second[1]
                && match (activation(call, first[0]), activation(call, second[0])) {
                    (Some(a), Some(b)) => a.centered == b.centered && a.scales == b.scales,
                    _ => false,
                }
        }
        _ => false,
    };
    a == b || copies() || alike()
}

/// `x` of `x − mean x` over some axes.
fn without_mean(call: &Call, value: ValueId, axes: &[usize]) -> Option<ValueId> {
    let FloatOp::Binary { function: BinaryFunction::Sub, operands: [whole, mean] } = *call.builder.op(value) else {
        return None;
    };
    let kept: Vec<usize> = kept_shape(&call.shape(whole), axes);
    let mut mean = (call.shape(mean) == kept).then_some(mean)?;
    if let FloatOp::Reshape(input) = *call.builder.op(mean) {
        mean = input;
    }
    match call.builder.op(mean) {
        FloatOp::Reduce { input, kind: ReduceKind::Mean, axes: over } => {
            (over == axes && is_same(call, *input, whole)).then_some(whole)
        }
        _ => None,
    }
}

fn kept_shape(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect()
}

/// The root of a sum of squares.
struct Root {
    axes: Vec<usize>,
    /// The least that it is taken for.
    bound: f64,
    factor: f64,
    added: f64,
}

impl Root {
    /// A value as the root that belongs to elements, brought to a shape at which each meets its own.
    fn of(call: &Call, elements: ValueId, mut root: ValueId) -> Option<Self> {
        let (shape, mut bound) = (call.shape(elements), 0.0);
        let strides = strides_for(&call.shape(root), &shape);
        let mut places: Vec<usize> = Odometer::new(&shape, [strides]).map(|[i]| i).collect();
        for _ in 0..MAX_STEPS {
            match *call.builder.op(root) {
                FloatOp::Reshape(input) => root = input,
                FloatOp::Reindex { input, ref map, .. } => {
                    let moved = |place: &usize| map[*place].map(|from| from as usize);
                    (root, places) = (input, places.iter().map(moved).collect::<Option<_>>()?);
                }
                FloatOp::Unary { input, function: UnaryFunction::Clip { lo, hi } } if hi > MOST && bound == 0.0 => {
                    (root, bound) = (input, lo);
                }
                FloatOp::Binary { function: BinaryFunction::Max, operands: [a, b] }
                    if bound == 0.0 && call.shape(a) == call.shape(root) =>
                {
                    (root, bound) = (a, number(call, b)?);
                }
                FloatOp::Unary { input, function: UnaryFunction::Sqrt | UnaryFunction::Power(0.5) } => {
                    let found = Self::of_squares(call, elements, input, bound)?;
                    let strides = strides_for(&kept_shape(&shape, &found.axes), &shape);
                    let own = Odometer::new(&shape, [strides]).map(|[i]| i);
                    return own.eq(places).then_some(found);
                }
                _ => return None,
            }
        }
        None
    }

    /// The root of squares of elements, to which a number may be added.
    fn of_squares(call: &Call, elements: ValueId, mut squares: ValueId, bound: f64) -> Option<Self> {
        let mut added = 0.0;
        for _ in 0..MAX_STEPS {
            match call.builder.op(squares) {
                FloatOp::Reshape(input) => squares = *input,
                FloatOp::Unary { input, function: UnaryFunction::Affine { factor: 1.0, offset } } => {
                    added += offset;
                    squares = *input;
                }
                &FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] }
                    if call.shape(a) == call.shape(squares) =>
                {
                    added += number(call, b)?;
                    squares = a;
                }
                FloatOp::Reduce { input, kind: kind @ (ReduceKind::Sum | ReduceKind::Mean), axes } => {
                    let base = match *call.builder.op(*input) {
                        FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if is_same(call, a, b) => a,
                        FloatOp::Unary { input, function: UnaryFunction::Power(2.0) } => input,
                        _ => return None,
                    };
                    let shape = call.shape(*input);
                    let size: usize = axes.iter().map(|&axis| shape[axis]).product();
                    let factor = if *kind == ReduceKind::Mean { 1.0 / size as f64 } else { 1.0 };
                    let fits = is_same(call, base, elements) && added >= 0.0 && size > 0;
                    return fits.then(|| Self { axes: axes.clone(), bound, factor, added });
                }
                _ => return None,
            }
        }
        None
    }
}
