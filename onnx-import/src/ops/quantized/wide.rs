//! Operators that tensors of 16 bits have part in, as operands, weights or results: exact integers, rounded once.
//!
//! The runtime has no integer kernels for such tensors: between DequantizeLinear and QuantizeLinear it computes in float32. Sums of many
//! products are rounded there step by step, in an order that depends on the processor; here they are exact. With `u = s_x·s_w/s_y`
//!
//! ```text
//! products, sums of elements    c = clamp(⌊u·Σ c_x·c_w + offset⌉)           offset: the bias in units of the result
//! sums of two tensors           c = clamp(⌊(c_a·s_a ± c_b·s_b) / s_y⌉)
//! functions of one tensor       c = clamp(⌊f(c_x·s_x) / s_y⌉)
//! ```
//!
//! Where rounding is done by an integer line, that is within a small part of a unit of what is rounded (`quantize/emit_wide.rs`).

use super::fusion::{behind_moves, of_either_width, table, wide_values_of};
use super::{expressions, is_byte, products, scaled, Parameters, Result};
use crate::dtype::DType;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, ValueId, Window};
use crate::float::quantized::{QuantizedSoftmax, QuantizedSum, QuantizedTable, Quantizer, Requantization, Rounding};
use crate::lower::{Call, Dequantized, MatrixProduct};

/// How far a function may be from a line to be taken for one, in units of the result.
const STRAIGHT: f64 = 1.0 / 64.0;
/// Integers of a type of bytes.
const BYTE_VALUES: usize = 1 << u8::BITS;
/// Units of the largest value of a function that nothing quantizes.
const OWN_UNITS: f32 = (1 << 18) as f32;
/// Most units that stand for 1 in the result of a softmax.
const MAX_UNITS: f32 = (1 << 17) as f32;

/// The centered integers of a value that a tensor of 16 bits has part in; `None` where it is computed in reals.
pub(super) fn integers(call: &mut Call, value: ValueId, op: &FloatOp, to: &Parameters) -> Result<Option<ValueId>> {
    if !call.dtype(value).is_float() {
        return Ok(None);
    }
    let found = match contraction(call, value, op, to)? {
        None => match function(call, value, to)? {
            None => match scaled::wide_integers(call, value, to)? {
                None if call.dtype(value) == DType::Float32 => expressions::integers(call, value, to, true)?,
                found => found,
            },
            found => found,
        },
        found => found,
    };
    if found.is_some() {
        call.builder.note_wide_integers();
    }
    Ok(found)
}

/// What one operator makes of one or two tensors.
fn contraction(call: &mut Call, value: ValueId, op: &FloatOp, to: &Parameters) -> Result<Option<ValueId>> {
    let shape = call.shape(value);
    if let Some(product) = call.builder.product(value).cloned() {
        if let Some(found) = matrices(call, &product, to)? {
            return Ok(Some(found));
        }
    }
    match *op {
        FloatOp::Conv { input, weights, bias, ref window, groups } => {
            convolution(call, [input, weights], (bias, &[]), (*window, groups), (&shape, to))
        }
        FloatOp::ConvTranspose { input, weights, bias, ref window, groups, .. } => {
            transposed(call, [input, weights], bias, (*window, groups), (&shape, to))
        }
        FloatOp::MatMul(a, b) => stacks(call, [a, b], &[], &shape, to),
        FloatOp::Binary { function, operands } => pair(call, function, operands, &shape, to),
        FloatOp::Reduce { input, kind: kind @ (ReduceKind::Sum | ReduceKind::Mean), ref axes } => {
            total(call, (input, axes), kind, &shape, to)
        }
        FloatOp::AveragePool { input, ref window, count_padding } => {
            average(call, input, window, count_padding, (&shape, to))
        }
        FloatOp::Softmax { input, axis } => softmax(call, input, axis, &shape, to),
        _ => Ok(None),
    }
}

/// Whether 16 bits have part in it.
pub(super) fn is_wide(call: &Call, sources: &[&Dequantized], to: &Parameters) -> bool {
    !is_byte(to.dtype) || sources.iter().any(|source| !is_byte(call.dtype(source.raw)))
}

/// A dequantized tensor, or a function of one that nothing quantizes, in units of its own that are finer than 16 bits; perhaps moved.
pub(super) fn operand(call: &mut Call, value: ValueId) -> Result<Option<Dequantized>> {
    behind_moves(call, value, |call, value| match of_either_width(call, value) {
        Some(source) => Ok(Some(source)),
        None => unquantized(call, value),
    })
}

/// A function of one tensor, in units of which its largest value has [`OWN_UNITS`].
fn unquantized(call: &mut Call, value: ValueId) -> Result<Option<Dequantized>> {
    if call.builder.tensor(value).is_some() {
        return Ok(None);
    }
    let Some((source, values)) = wide_values_of(call, value)? else { return Ok(None) };
    let largest = values.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    let unit = largest / OWN_UNITS;
    if values.iter().any(|v| !v.is_finite()) || !unit.is_normal() {
        return Ok(None);
    }
    let reals: Vec<f32> = values.iter().map(|value| value / unit).collect();
    let rounded = reals.iter().map(|v| v.round_ties_even() as i32).collect::<Vec<_>>();
    let (first, is_long) = (source.range.0, values.len() > BYTE_VALUES);
    let reals = if is_long { reals } else { vec![] };
    let (shape, table) = (call.shape(value), QuantizedTable { first, values: rounded.into(), reals: reals.into() });
    let centered = call.builder.emit(FloatOp::QuantizedMap { input: source.centered, table }, shape, DType::Int32)?;
    Ok(Some(Dequantized { raw: source.raw, centered, scales: [unit].into(), axis: 0, zero_point: Some(0) }))
}

/// What channels are multiplied by and what is added, in units of the result, where a unit of each accumulator and the factor and offset
/// behind it are given; `None` where they are no numbers that a line can have.
pub(super) fn rule(units: &[f64], lines: &[(f64, f64)], to: &Parameters) -> Option<Requantization> {
    let Quantizer { scale, lo, hi } = to.quantizer();
    let scale = f64::from(scale);
    let multipliers: Vec<f64> = units.iter().zip(lines).map(|(unit, line)| unit * line.0 / scale).collect();
    let offsets: Vec<f64> = lines.iter().map(|line| line.1 / scale).collect();
    let fits = multipliers.iter().all(|m| m.is_normal()) && offsets.iter().all(|offset| offset.is_finite());
    fits.then(|| Requantization {
        multipliers: multipliers.into(),
        lo,
        hi,
        within: 0,
        offsets: offsets.into(),
        rounding: Rounding::Near,
    })
}

/// A factor and an offset behind each channel and its bias: those of lines, or of biases alone.
fn behind(bias: &[f64], lines: &[(f64, f64)]) -> Vec<(f64, f64)> {
    match lines {
        [] => bias.iter().map(|&bias| (1.0, bias)).collect(),
        lines => lines.iter().zip(bias).map(|((factor, offset), bias)| (*factor, factor * bias + offset)).collect(),
    }
}

/// Dequantized constant weights of up to 16 bits whose scales, if several, go along axis `axis`.
fn weights(call: &Call, value: ValueId, axis: usize) -> Option<Dequantized> {
    products::constant_weights(call, value, axis, is_small)
}

/// Whether integers of a type are as small as weights may be.
fn is_small(dtype: DType) -> bool {
    dtype != DType::Int32
}

/// What a unit of each channel's accumulator stands for.
fn units(x: &Dequantized, w: &Dequantized, channels: usize) -> Vec<f64> {
    let scale = |channel: usize| f64::from(w.scales[if w.scales.len() == 1 { 0 } else { channel }]);
    (0..channels).map(|channel| f64::from(x.scales[0]) * scale(channel)).collect()
}

/// A constant bias of each channel in reals, zeros where there is none; `None` for one that is no such thing.
fn bias(call: &Call, value: Option<ValueId>, channels: usize) -> Option<Vec<f64>> {
    let Some(value) = value else { return Some(vec![0.0; channels]) };
    let tensor = call.builder.tensor(value)?;
    let number = tensor.uniform().map(|number| vec![number; channels]);
    let row = tensor.data.len() == channels && tensor.shape.last() == Some(&channels);
    if row {
        Some(tensor.data.to_vec())
    } else {
        number
    }
}

/// Zeros in the place of integer biases.
fn zeros(call: &mut Call, channels: usize) -> Result<ValueId> {
    call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32)
}

/// A convolution; its channels may be scaled and shifted by lines.
pub(super) fn convolution(
    call: &mut Call,
    [input, kernel]: [ValueId; 2],
    (offset, lines): (Option<ValueId>, &[(f64, f64)]),
    (window, groups): (Window, usize),
    (shape, to): (&[usize], &Parameters),
) -> Result<Option<ValueId>> {
    let (Some(x), Some(w)) = (operand(call, input)?, weights(call, kernel, 0)) else { return Ok(None) };
    let (channels, size) = (shape[1], [shape[2], shape[3]]);
    let Some(bias) = bias(call, offset, channels).filter(|_| is_wide(call, &[&x, &w], to)) else { return Ok(None) };
    let Some(rule) = rule(&units(&x, &w, channels), &behind(&bias, lines), to) else { return Ok(None) };
    let none = zeros(call, channels)?;
    products::convolve(call, [x.centered, w.centered, none], (window, groups), size, rule).map(Some)
}

fn transposed(
    call: &mut Call,
    [input, kernel]: [ValueId; 2],
    offset: Option<ValueId>,
    (window, groups): (Window, usize),
    (shape, to): (&[usize], &Parameters),
) -> Result<Option<ValueId>> {
    let (Some(x), Some(w)) = (operand(call, input)?, weights(call, kernel, 1)) else { return Ok(None) };
    let channels = shape[1];
    // Several scales go along the outputs of a group.
    if w.scales.len() != 1 && w.scales.len() != channels {
        return Ok(None);
    }
    let Some(bias) = bias(call, offset, channels).filter(|_| is_wide(call, &[&x, &w], to)) else { return Ok(None) };
    let lines = behind(&bias, &[]);
    let Some(requantization) = rule(&units(&x, &w, channels), &lines, to) else { return Ok(None) };
    let bias = zeros(call, channels)?;
    let (input, weights) = (x.centered, w.centered);
    let op = FloatOp::QuantizedConvTranspose { input, weights, bias, window, groups, requantization };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// `A·B + C` of matrices, with constant `B`.
fn matrices(call: &mut Call, product: &MatrixProduct, to: &Parameters) -> Result<Option<ValueId>> {
    let columns = usize::from(!product.transposed);
    let Some(b) = weights(call, product.b, columns) else { return Ok(None) };
    let Some(a) = operand(call, product.a)? else { return Ok(None) };
    let channels = call.shape(product.b)[columns];
    let Some(bias) = bias(call, product.bias, channels).filter(|_| is_wide(call, &[&a, &b], to)) else {
        return Ok(None);
    };
    let Some(rule) = rule(&units(&a, &b, channels), &behind(&bias, &[]), to) else { return Ok(None) };
    let none = zeros(call, channels)?;
    products::multiply(call, [a.centered, b.centered, none], product.transposed, rule).map(Some)
}

/// NumPy `matmul` by a constant matrix, whose columns may be scaled and shifted by lines, or of two tensors.
pub(super) fn stacks(
    call: &mut Call,
    [left, right]: [ValueId; 2],
    lines: &[(f64, f64)],
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let Some(a) = operand(call, left)? else { return Ok(None) };
    if let (Some(b), 2) = (products::column_weights(call, right, is_small)?, call.rank(right)) {
        let channels = call.shape(right)[1];
        let from = call.shape(a.centered);
        let Some((&inner, rows)) = from.split_last().filter(|_| is_wide(call, &[&a, &b], to)) else { return Ok(None) };
        let lines = behind(&vec![0.0; channels], lines);
        let Some(rule) = rule(&units(&a, &b, channels), &lines, to) else { return Ok(None) };
        let flat = call.builder.reshape(a.centered, vec![rows.iter().product(), inner])?;
        let none = zeros(call, channels)?;
        let result = products::multiply(call, [flat, b.centered, none], false, rule)?;
        return call.builder.reshape(result, shape.to_vec()).map(Some);
    }
    if !lines.is_empty() {
        return Ok(None);
    }
    let Some(b) = operand(call, right)?.filter(|b| is_wide(call, &[&a, b], to)) else { return Ok(None) };
    let Some(requantization) = rule(&units(&a, &b, 1), &[(1.0, 0.0)], to) else { return Ok(None) };
    let op = FloatOp::QuantizedMatMul { operands: [a.centered, b.centered], requantization };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// A sum, difference or product of two tensors.
fn pair(
    call: &mut Call,
    function: BinaryFunction,
    operands: [ValueId; 2],
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    if !matches!(function, BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul) {
        return Ok(None);
    }
    // With a number it is a function of one tensor.
    let number = |value: ValueId| call.builder.tensor(value).is_some_and(|tensor| tensor.uniform().is_some());
    if operands.into_iter().any(number) {
        return Ok(None);
    }
    let (Some(a), Some(b)) = (operand(call, operands[0])?, operand(call, operands[1])?) else {
        return Ok(None);
    };
    if !is_wide(call, &[&a, &b], to) {
        return Ok(None);
    }
    let zero = |source: &Dequantized| source.zero_point.unwrap_or(0);
    let operands = [call.builder.broadcast(a.centered, shape)?, call.builder.broadcast(b.centered, shape)?];
    let op = match function {
        BinaryFunction::Mul => match rule(&units(&a, &b, 1), &[(1.0, 0.0)], to) {
            Some(requantization) => FloatOp::QuantizedMul { operands, requantization },
            None => return Ok(None),
        },
        _ => {
            let sum = QuantizedSum {
                scales: [a.scales[0], b.scales[0], to.scale],
                zero_points: [zero(&a), zero(&b), to.zero],
                lo: to.lo,
                hi: to.hi,
                subtracts: function == BinaryFunction::Sub,
                wide: true,
            };
            if sum.slopes().iter().any(|slope| !slope.is_normal()) {
                return Ok(None);
            }
            FloatOp::QuantizedAdd { operands, sum }
        }
    };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// The sum or the mean of a tensor over some axes.
fn total(
    call: &mut Call,
    (input, axes): (ValueId, &[usize]),
    kind: ReduceKind,
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let Some(source) = operand(call, input)?.filter(|source| is_wide(call, &[source], to)) else {
        return Ok(None);
    };
    let from = call.shape(input);
    let kept = || (0..from.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept().chain(axes.iter().copied()).collect();
    let (places, count): (usize, usize) =
        (kept().map(|axis| from[axis]).product(), axes.iter().map(|&axis| from[axis]).product());
    let unit = f64::from(source.scales[0]) / if kind == ReduceKind::Mean { count as f64 } else { 1.0 };
    let Some(rule) = rule(&[unit], &[(1.0, 0.0)], to) else { return Ok(None) };
    let rows = call.builder.transpose(source.centered, &order)?;
    let rows = call.builder.reshape(rows, vec![1, 1, places, count])?;
    let window = Window { kernel: [1, count], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let ones = call.builder.constant(vec![1, 1, 1, count], vec![1.0; count], DType::Int32)?;
    let none = zeros(call, 1)?;
    let sums = products::convolve(call, [rows, ones, none], (window, 1), [places, 1], rule)?;
    call.builder.reshape(sums, shape.to_vec()).map(Some)
}

/// Averages of windows that all count the same number of elements.
fn average(
    call: &mut Call,
    input: ValueId,
    window: &Window,
    count_padding: bool,
    (shape, to): (&[usize], &Parameters),
) -> Result<Option<ValueId>> {
    if !count_padding && window.padding != [0; 4] {
        return Ok(None);
    }
    let Some(source) = operand(call, input)?.filter(|source| is_wide(call, &[source], to)) else {
        return Ok(None);
    };
    let (channels, [height, width]) = (shape[1], window.kernel);
    let count = height * width;
    let unit = f64::from(source.scales[0]) / count as f64;
    let Some(rule) = rule(&vec![unit; channels], &vec![(1.0, 0.0); channels], to) else { return Ok(None) };
    let ones = call.builder.constant(vec![channels, 1, height, width], vec![1.0; channels * count], DType::Int32)?;
    let none = zeros(call, channels)?;
    let size = [shape[2], shape[3]];
    products::convolve(call, [source.centered, ones, none], (*window, channels), size, rule).map(Some)
}

/// The shares of a tensor along an axis.
fn softmax(call: &mut Call, input: ValueId, axis: usize, shape: &[usize], to: &Parameters) -> Result<Option<ValueId>> {
    let Some(source) = operand(call, input)?.filter(|source| is_wide(call, &[source], to)) else {
        return Ok(None);
    };
    let (Quantizer { lo, hi, .. }, units) = (to.quantizer(), 1.0 / to.scale);
    if !(1.0..=MAX_UNITS).contains(&units) {
        return Ok(None);
    }
    let softmax = QuantizedSoftmax { scale: source.scales[0], units, lo, hi, wide: true };
    let op = FloatOp::QuantizedSoftmax { input: source.centered, axis, softmax };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// A function of one tensor: a line where it is one between two ends, else its values.
fn function(call: &mut Call, value: ValueId, to: &Parameters) -> Result<Option<ValueId>> {
    let Some((source, values)) = wide_values_of(call, value)? else { return Ok(None) };
    if values.iter().any(|value| value.is_nan()) {
        return Ok(None);
    }
    let quantizer = to.quantizer();
    let rounded = values.iter().map(|&value| quantizer.quantize(value.into()) as i32).collect::<Vec<_>>();
    let is_long = values.len() > BYTE_VALUES;
    if !is_long {
        return if is_byte(to.dtype) {
            Ok(None)
        } else {
            table(call, source.centered, source.range.0, rounded).map(Some)
        };
    }
    let reals: Vec<f32> = values.iter().map(|value| value / to.scale).collect();
    let first = source.range.0;
    if let Some(line) = Line::of(&reals, &quantizer) {
        return line.requantized(call, (source.centered, first), &quantizer).map(Some);
    }
    let (shape, table) = (call.shape(value), QuantizedTable { first, values: rounded.into(), reals: reals.into() });
    call.builder.emit(FloatOp::QuantizedMap { input: source.centered, table }, shape, DType::Int32).map(Some)
}

/// A function that is a line, but for two ends that it stays at.
struct Line {
    slope: f64,
    /// At the first argument.
    value: f64,
    ends: (f64, f64),
}

impl Line {
    /// The line that values in units of the result follow.
    fn of(reals: &[f32], quantizer: &Quantizer) -> Option<Self> {
        let clamped = |v: f32| f64::from(v).clamp(f64::from(quantizer.lo), f64::from(quantizer.hi));
        let ends = reals.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &v| {
            (least.min(clamped(v)), most.max(clamped(v)))
        });
        let inside = |v: &f32| clamped(*v) > ends.0 && clamped(*v) < ends.1;
        let first = reals.iter().position(inside)?;
        let last = reals.len() - 1 - reals.iter().rev().position(inside)?;
        if first == last {
            return None;
        }
        let slope = (f64::from(reals[last]) - f64::from(reals[first])) / (last - first) as f64;
        let value = f64::from(reals[first]) - slope * first as f64;
        let near =
            |(i, &v): (usize, &f32)| ((value + slope * i as f64).clamp(ends.0, ends.1) - clamped(v)).abs() <= STRAIGHT;
        let line = Self { slope, value, ends };
        (slope.abs().is_normal() && reals.iter().enumerate().all(near)).then_some(line)
    }

    /// The integers on the line; those of the tensor itself where they stay what they are.
    fn requantized(self, call: &mut Call, (centered, first): (ValueId, i32), quantizer: &Quantizer) -> Result<ValueId> {
        let offset = self.value - self.slope * f64::from(first);
        let end = |v: f64| (v.round_ties_even() as i32).clamp(quantizer.lo, quantizer.hi);
        let rule = Requantization {
            multipliers: [self.slope].into(),
            lo: end(self.ends.0),
            hi: end(self.ends.1),
            within: 0,
            offsets: [offset].into(),
            rounding: Rounding::Near,
        };
        let shape = call.shape(centered);
        let result = products::rounded(call, (centered, 1.0), rule)?;
        call.builder.reshape(result, shape)
    }
}
