//! What is scaled and shifted by constants of several values before it is quantized: a quantized tensor by channels, or a
//! normalization of one.

use std::sync::Arc;

use super::fusion::{operand, MAX_MOVES};
use super::{products, Parameters, Result};
use crate::dtype::DType;
use crate::float::evaluate::{strides_for, Odometer};
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId, Window};
use crate::float::quantized::{QuantizedNormalization, Requantization};
use crate::lower::Call;
use crate::quantize::normalization_fits;

/// `factor·base + offset`, element by element; the base may have another shape.
struct Scaled {
    base: ValueId,
    factors: Vec<f64>,
    offsets: Vec<f64>,
}

impl Scaled {
    /// A value as what it is made of by sums and products with constants; reshapes are passed.
    fn of(call: &Call, value: ValueId) -> Self {
        let count = call.shape(value).iter().product();
        let mut scaled = Self { base: value, factors: vec![1.0; count], offsets: vec![0.0; count] };
        for _ in 0..MAX_MOVES {
            if !scaled.step(call) {
                break;
            }
        }
        scaled
    }

    /// Takes one operator off the base.
    fn step(&mut self, call: &Call) -> bool {
        let shape = call.shape(self.base);
        match *call.builder.op(self.base) {
            FloatOp::Reshape(input) if call.dtype(input) == DType::Float32 => self.base = input,
            FloatOp::Unary { input, function: UnaryFunction::Affine { factor, offset } } => {
                let count = self.factors.len();
                self.take(input, &vec![factor; count], &vec![offset; count]);
            }
            FloatOp::Unary { input, function: UnaryFunction::Neg } => {
                let count = self.factors.len();
                self.take(input, &vec![-1.0; count], &vec![0.0; count]);
            }
            FloatOp::Binary { function, operands: [a, b] } => {
                let (input, constant, first) = match (call.builder.tensor(a), call.builder.tensor(b)) {
                    (None, Some(tensor)) => (a, tensor, false),
                    (Some(tensor), None) => (b, tensor, true),
                    _ => return false,
                };
                if call.shape(input) != shape {
                    return false;
                }
                let strides = strides_for(&constant.shape, &shape);
                let values: Vec<f64> = Odometer::new(&shape, [strides]).map(|[i]| constant.data[i]).collect();
                let all = |value: f64| vec![value; values.len()];
                let (factors, offsets) = match (function, first) {
                    (BinaryFunction::Add, _) => (all(1.0), values),
                    (BinaryFunction::Sub, false) => (all(1.0), values.iter().map(|v| -v).collect()),
                    (BinaryFunction::Sub, true) => (all(-1.0), values),
                    (BinaryFunction::Mul, _) => (values.clone(), all(0.0)),
                    (BinaryFunction::Div, false) => (values.iter().map(|v| 1.0 / v).collect(), all(0.0)),
                    _ => return false,
                };
                self.take(input, &factors, &offsets);
            }
            _ => return false,
        }
        true
    }

    /// The base as `factors·input + offsets`.
    fn take(&mut self, input: ValueId, factors: &[f64], offsets: &[f64]) {
        for (i, (factor, offset)) in factors.iter().zip(offsets).enumerate() {
            self.offsets[i] += self.factors[i] * offset;
            self.factors[i] *= factor;
        }
        self.base = input;
    }

    /// The factor and the offset of some elements.
    fn lines(&self, places: &[usize]) -> Vec<(f64, f64)> {
        places.iter().map(|&i| (self.factors[i], self.offsets[i])).collect()
    }

    fn is_finite(&self) -> bool {
        self.factors.iter().chain(&self.offsets).all(|v| v.is_finite())
    }
}

/// The centered integers of a value that is a scaled normalization of a quantized tensor, or a tensor scaled by channels.
pub(super) fn integers(call: &mut Call, value: ValueId, to: &Parameters) -> Result<Option<ValueId>> {
    let count = call.builder.elements(value) as u64;
    if call.dtype(value) != DType::Float32 || call.builder.check_room(2 * count).is_err() {
        return Ok(None);
    }
    let scaled = Scaled::of(call, value);
    if !scaled.is_finite() {
        return Ok(None);
    }
    let result = match call.builder.op(scaled.base).clone() {
        FloatOp::Normalize { input, axes, centered, epsilon } => {
            normalization(call, (input, axes), (centered, epsilon), &scaled, to)?
        }
        FloatOp::Conv { input, weights, bias, window, groups } => {
            let Some((1, places)) = channels(&call.shape(scaled.base), &scaled, 1) else { return Ok(None) };
            let lines = scaled.lines(&places);
            products::scaled_convolution(call, ([input, weights], bias), (window, groups), &lines, to)?
        }
        FloatOp::MatMul(a, b) => {
            let shape = call.shape(scaled.base);
            match channels(&shape, &scaled, shape.len() - 1) {
                Some((axis, places)) if axis + 1 == shape.len() => {
                    products::scaled_product(call, [a, b], &scaled.lines(&places), to)?
                }
                _ => None,
            }
        }
        _ => by_channels(call, &scaled, to)?,
    };
    let shape = call.shape(value);
    result.map(|result| call.builder.reshape(result, shape)).transpose()
}

fn normalization(
    call: &mut Call,
    (input, axes): (ValueId, Vec<usize>),
    (centered, epsilon): (bool, f64),
    scaled: &Scaled,
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let Some(source) = operand(call, input)? else { return Ok(None) };
    let (own, scale, quantizer) = (f64::from(source.scales[0]), f64::from(to.scale), to.quantizer());
    let units = |list: &[f64]| list.iter().map(|v| v / scale).collect::<Arc<[f64]>>();
    let normalization = QuantizedNormalization {
        centered,
        epsilon: epsilon / (own * own),
        factors: units(&scaled.factors),
        offsets: units(&scaled.offsets),
        lo: quantizer.lo,
        hi: quantizer.hi,
    };
    let shape = call.shape(input);
    if !normalization_fits(axes.iter().map(|&axis| shape[axis]).product(), &normalization) {
        return Ok(None);
    }
    call.builder.note_float32();
    let op = FloatOp::QuantizedNormalize { input: source.centered, axes, normalization };
    call.builder.emit(op, shape, DType::Int32).map(Some)
}

/// A quantized tensor over its own norm along some axes, `x / max(‖x‖, b)` or `x / √(Σ x² + ε)`: a normalization of which the mean stays.
pub(super) fn over_norm(
    call: &mut Call,
    [dividend, divisor]: [ValueId; 2],
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let Some(norm) = Norm::of(call, dividend, divisor) else { return Ok(None) };
    let Some(source) = operand(call, dividend)? else { return Ok(None) };
    let own = f64::from(source.scales[0]);
    // A bound below the least norm but zero cuts nothing off: zeros over it are zeros.
    if norm.bound > own || (norm.bound <= 0.0 && norm.added <= 0.0) || call.shape(dividend) != shape {
        return Ok(None);
    }
    let from = call.shape(dividend);
    let size: usize = norm.axes.iter().map(|&axis| from[axis]).product();
    let (count, quantizer) = (call.builder.elements(dividend), to.quantizer());
    let normalization = QuantizedNormalization {
        centered: false,
        epsilon: (norm.added / (own * own * size as f64)).max(LEAST_EPSILON),
        factors: vec![1.0 / ((size as f64).sqrt() * f64::from(to.scale)); count].into(),
        offsets: vec![0.0; count].into(),
        lo: quantizer.lo,
        hi: quantizer.hi,
    };
    if !normalization_fits(size, &normalization) {
        return Ok(None);
    }
    call.builder.note_float32();
    let op = FloatOp::QuantizedNormalize { input: source.centered, axes: norm.axes, normalization };
    call.builder.emit(op, from, DType::Int32).map(Some)
}

/// What is added to mean squares of integers that nothing is added to: it keeps zeros from being divided by zero and changes nothing else.
const LEAST_EPSILON: f64 = 1e-12;

/// The root of a sum of squares.
struct Norm {
    axes: Vec<usize>,
    /// The least that it is taken for.
    bound: f64,
    /// What is added to the squares.
    added: f64,
}

impl Norm {
    /// The norm of a value that another is, brought to a shape at which each element meets its own norm.
    fn of(call: &Call, value: ValueId, mut norm: ValueId) -> Option<Self> {
        let shape = call.shape(value);
        let strides = strides_for(&call.shape(norm), &shape);
        let mut places: Vec<usize> = Odometer::new(&shape, [strides]).map(|[i]| i).collect();
        /// What no norm of a quantized tensor exceeds.
        const MOST: f64 = 1e30;
        let mut bound = 0.0;
        for _ in 0..MAX_MOVES {
            match *call.builder.op(norm) {
                FloatOp::Reshape(input) => norm = input,
                FloatOp::Reindex { input, ref map, .. } => {
                    let moved = |place: &usize| map[*place].map(|from| from as usize);
                    (norm, places) = (input, places.iter().map(moved).collect::<Option<_>>()?);
                }
                FloatOp::Unary { input, function: UnaryFunction::Clip { lo, hi } } if hi > MOST && bound == 0.0 => {
                    (norm, bound) = (input, lo);
                }
                FloatOp::Binary { function: BinaryFunction::Max, operands: [a, b] } if bound == 0.0 => {
                    let number = call.builder.tensor(b).and_then(|tensor| tensor.uniform());
                    (norm, bound) = (a, number?);
                }
                FloatOp::Unary { input, function: UnaryFunction::Sqrt } => {
                    return Self::of_squares(call, value, input, bound).filter(|norm| norm.places(&shape) == places);
                }
                _ => return None,
            }
        }
        None
    }

    /// Which norm each element of a tensor of that shape has.
    fn places(&self, shape: &[usize]) -> Vec<usize> {
        let size = |axis: usize| if self.axes.contains(&axis) { 1 } else { shape[axis] };
        let kept: Vec<usize> = (0..shape.len()).map(size).collect();
        Odometer::new(shape, [strides_for(&kept, shape)]).map(|[i]| i).collect()
    }

    /// The norm whose square is given.
    fn of_squares(call: &Call, value: ValueId, mut squares: ValueId, bound: f64) -> Option<Self> {
        let mut added = 0.0;
        for _ in 0..MAX_MOVES {
            match call.builder.op(squares) {
                FloatOp::Reshape(input) => squares = *input,
                FloatOp::Unary { input, function: UnaryFunction::Affine { factor: 1.0, offset } } if *offset >= 0.0 => {
                    added += offset;
                    squares = *input;
                }
                FloatOp::Reduce { input, kind: ReduceKind::Sum, axes } => {
                    let of_value = match *call.builder.op(*input) {
                        FloatOp::Binary { function: BinaryFunction::Mul, operands } => operands == [value; 2],
                        FloatOp::Unary { input, function: UnaryFunction::Power(2.0) } => input == value,
                        _ => false,
                    };
                    return of_value.then(|| Self { axes: axes.clone(), bound, added });
                }
                _ => return None,
            }
        }
        None
    }
}

/// A tensor whose factors and offsets are those of the positions of one axis: a convolution of each channel with itself.
fn by_channels(call: &mut Call, scaled: &Scaled, to: &Parameters) -> Result<Option<ValueId>> {
    let Some(source) = operand(call, scaled.base)? else { return Ok(None) };
    let shape = call.shape(scaled.base);
    let Some((axis, places)) = channels(&shape, scaled, 0) else { return Ok(None) };
    let units = f64::from(source.scales[0]) / f64::from(to.scale);
    let multipliers: Arc<[f32]> = places.iter().map(|&i| (scaled.factors[i].abs() * units) as f32).collect();
    if multipliers.iter().any(|m| !m.is_normal()) {
        return Ok(None);
    }
    call.builder.note_float32();
    let mut rule = products::rule(multipliers, to, 0);
    rule.offsets = places.iter().map(|&i| (scaled.offsets[i] / f64::from(to.scale)) as f32).collect();
    let signs = places.iter().map(|&i| scaled.factors[i].signum()).collect();
    over_channels(call, source.centered, axis, (signs, vec![0.0; places.len()]), rule).map(Some)
}

/// A convolution of each channel of integers with itself: a weight and a bias for each position of an axis.
pub(super) fn over_channels(
    call: &mut Call,
    integers: ValueId,
    axis: usize,
    (weights, bias): (Vec<f64>, Vec<f64>),
    rule: Requantization,
) -> Result<ValueId> {
    const POINT: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let (rank, count) = (call.rank(integers), weights.len());
    let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
    let first = call.builder.transpose(integers, &order)?;
    let moved = call.shape(first);
    let positions = moved[1..].iter().product();
    let input = call.builder.reshape(first, vec![1, count, positions, 1])?;
    let weights = call.builder.constant(vec![count, 1, 1, 1], weights, DType::Int32)?;
    let bias = call.builder.constant(vec![count], bias, DType::Int32)?;
    let result = products::convolve(call, [input, weights, bias], (POINT, count), [positions, 1], rule)?;
    let result = call.builder.reshape(result, moved)?;
    let back: Vec<usize> =
        (0..rank).map(|axis| order.iter().position(|&from| from == axis).expect("a permutation")).collect();
    call.builder.transpose(result, &back)
}

/// The axis whose positions alone tell factors and offsets apart, and an element of each of them; `preferred` where it is one.
fn channels(shape: &[usize], scaled: &Scaled, preferred: usize) -> Option<(usize, Vec<usize>)> {
    let of = |i: usize| (scaled.factors[i], scaled.offsets[i]);
    std::iter::once(preferred).chain(0..shape.len()).find_map(|axis| {
        let inner: usize = shape[axis + 1..].iter().product();
        let place = |i: usize| i / inner % shape[axis] * inner;
        let places = (0..shape[axis]).map(|position| position * inner).collect();
        (0..scaled.factors.len()).all(|i| of(i) == of(place(i))).then_some((axis, places))
    })
}
