//! What is scaled and shifted by constants of several values before it is quantized: a quantized tensor by channels, or a
//! normalization of one.

use std::sync::Arc;

use super::fusion::{operand, MAX_MOVES};
use super::{products, spelled_out, wide, Parameters, Result};
use crate::dtype::DType;
use crate::float::evaluate::{strides_for, Odometer};
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId, Window};
use crate::float::quantized::{QuantizedNormalization, Requantization};
use crate::lower::Call;
use crate::quantize::{normalization_fits, wide_normalization_fits};

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
            normalization(call, (input, axes), (centered, epsilon), &scaled, to, false)?
        }
        FloatOp::Binary { function: BinaryFunction::Mul | BinaryFunction::Div, .. } => {
            match spelled_out::Normalization::of(call, scaled.base)? {
                Some(found) => spelled_normalization(call, &found, &scaled, to)?,
                None => by_channels(call, &scaled, to)?,
            }
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

/// The centered integers of a value that is scaled and shifted, where tensors of 16 bits have part.
pub(super) fn wide_integers(call: &mut Call, value: ValueId, to: &Parameters) -> Result<Option<ValueId>> {
    let count = call.builder.elements(value) as u64;
    if call.builder.check_room(2 * count).is_err() {
        return Ok(None);
    }
    let scaled = Scaled::of(call, value);
    if !scaled.is_finite() {
        return Ok(None);
    }
    let shape = call.shape(scaled.base);
    let result = match call.builder.op(scaled.base).clone() {
        FloatOp::Normalize { input, axes, centered, epsilon } => {
            normalization(call, (input, axes), (centered, epsilon), &scaled, to, true)?
        }
        FloatOp::Conv { input, weights, bias, window, groups } => match channels(&shape, &scaled, 1) {
            Some((1, places)) => {
                let lines = scaled.lines(&places);
                wide::convolution(call, [input, weights], (bias, &lines), (window, groups), (&shape, to))?
            }
            _ => None,
        },
        FloatOp::MatMul(a, b) => match channels(&shape, &scaled, shape.len() - 1) {
            Some((axis, places)) if axis + 1 == shape.len() => {
                wide::stacks(call, [a, b], &scaled.lines(&places), &shape, to)?
            }
            _ => None,
        },
        _ => match (wide::operand(call, scaled.base)?, channels(&shape, &scaled, 0)) {
            (Some(source), Some((axis, places))) if wide::is_wide(call, &[&source], to) => {
                match wide::rule(&vec![source.scales[0].into(); places.len()], &scaled.lines(&places), to) {
                    Some(rule) => {
                        let ones = (vec![1.0; places.len()], vec![0.0; places.len()]);
                        Some(over_channels(call, source.centered, axis, ones, rule)?)
                    }
                    None => None,
                }
            }
            _ => None,
        },
    };
    let shape = call.shape(value);
    result.map(|result| call.builder.reshape(result, shape)).transpose()
}

/// A normalization that is spelled out, over the root of `factor·(Σ c² + added)`.
fn spelled_normalization(
    call: &mut Call,
    found: &spelled_out::Normalization,
    scaled: &Scaled,
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let shape = call.shape(found.input);
    let size: usize = found.axes.iter().map(|&axis| shape[axis]).product();
    // Of means of squares, where the operator has their sums times a factor.
    let factor = 1.0 / (found.factor * size as f64).sqrt();
    let scaled = Scaled {
        base: scaled.base,
        factors: scaled.factors.iter().map(|v| v * factor).collect(),
        offsets: scaled.offsets.clone(),
    };
    let epsilon = (found.added / size as f64).max(f64::MIN_POSITIVE);
    normalization(call, (found.input, found.axes.clone()), (found.centered, epsilon), &scaled, to, false)
}

fn normalization(
    call: &mut Call,
    (input, axes): (ValueId, Vec<usize>),
    (centered, epsilon): (bool, f64),
    scaled: &Scaled,
    to: &Parameters,
    wide: bool,
) -> Result<Option<ValueId>> {
    let source = if wide { wide::operand(call, input)? } else { operand(call, input)? };
    let Some(source) = source.filter(|source| !wide || wide::is_wide(call, &[source], to)) else { return Ok(None) };
    let (own, scale, quantizer) = (f64::from(source.scales[0]), f64::from(to.scale), to.quantizer());
    let units = |list: &[f64]| list.iter().map(|v| v / scale).collect::<Arc<[f64]>>();
    let normalization = QuantizedNormalization {
        centered,
        epsilon: epsilon / (own * own),
        factors: units(&scaled.factors),
        offsets: units(&scaled.offsets),
        lo: quantizer.lo,
        hi: quantizer.hi,
        wide,
    };
    let shape = call.shape(input);
    let size = axes.iter().map(|&axis| shape[axis]).product();
    let fits = if wide { wide_normalization_fits } else { normalization_fits };
    if !fits(size, &normalization) {
        return Ok(None);
    }
    if !wide {
        call.builder.note_float32();
    }
    let op = FloatOp::QuantizedNormalize { input: source.centered, axes, normalization };
    call.builder.emit(op, shape, DType::Int32).map(Some)
}

/// A tensor whose factors and offsets are those of the positions of one axis: a convolution of each channel with itself.
fn by_channels(call: &mut Call, scaled: &Scaled, to: &Parameters) -> Result<Option<ValueId>> {
    let Some(source) = operand(call, scaled.base)? else { return Ok(None) };
    let shape = call.shape(scaled.base);
    let Some((axis, places)) = channels(&shape, scaled, 0) else { return Ok(None) };
    let units = f64::from(source.scales[0]) / f64::from(to.scale);
    let multiplier = |&i: &usize| f64::from((scaled.factors[i].abs() * units) as f32);
    let multipliers: Arc<[f64]> = places.iter().map(multiplier).collect();
    if multipliers.iter().any(|&m| !(m as f32).is_normal()) {
        return Ok(None);
    }
    call.builder.note_float32();
    let mut rule = products::rule(multipliers, to, 0);
    rule.offsets = places.iter().map(|&i| f64::from((scaled.offsets[i] / f64::from(to.scale)) as f32)).collect();
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
