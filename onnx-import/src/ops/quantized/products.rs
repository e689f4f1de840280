//! Convolutions, matrix products and averages of quantized tensors.

use super::fusion::{fixed_point, fixed_point_rule, operand};
use super::{along, is_byte, Parameters, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{FloatOp, UnaryFunction, ValueId, Window};
use crate::float::quantized::{QuantizedAverage, Quantizer, Requantization, Rounding, SumOrder};
use crate::lower::{Call, Dequantized, MatrixProduct};
use crate::quantize::average_fits;
use std::sync::Arc;

/// Most sums that are looked at for ties.
const MAX_TIES: u64 = 1 << 22;

const POINT: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };

/// Dequantized constant weights of types that are admitted, whose scales, if several, go along axis `axis`.
pub(super) fn constant_weights(
    call: &Call,
    value: ValueId,
    axis: usize,
    admits: fn(DType) -> bool,
) -> Option<Dequantized> {
    let source = call.builder.dequantized(value)?;
    let constant = call.builder.tensor(source.centered).is_some() && admits(call.dtype(source.raw));
    (constant && (source.scales.len() == 1 || source.axis == axis)).then(|| source.clone())
}

/// [`constant_weights`] of a matrix whose scales, if several, are those of columns; perhaps transposed.
pub(super) fn column_weights(
    call: &mut Call,
    value: ValueId,
    admits: fn(DType) -> bool,
) -> Result<Option<Dequantized>> {
    if let Some(found) = constant_weights(call, value, 1, admits) {
        return Ok(Some(found));
    }
    let Some(input) = call.builder.transposed_weights(value) else { return Ok(None) };
    let Some(found) = constant_weights(call, input, 0, admits) else { return Ok(None) };
    let centered = call.builder.transpose(found.centered, &[1, 0])?;
    Ok(Some(Dequantized { centered, axis: 1, ..found }))
}

/// [`constant_weights`] of bytes.
fn weights(call: &Call, value: ValueId, axis: usize) -> Option<Dequantized> {
    constant_weights(call, value, axis, is_byte)
}

/// A bias at the scale of the accumulator of each channel: the integers of a dequantized one, or those that onnxruntime makes
/// of a constant one; zeros where there is none, and `None` for a bias that is no such thing.
fn bias(call: &mut Call, value: Option<ValueId>, x: f32, w: &[f32], channels: usize) -> Result<Option<ValueId>> {
    let Some(value) = value else {
        return call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32).map(Some);
    };
    let source = call.builder.dequantized(value).map(|source| (source.centered, source.raw));
    let fits = |&(c, raw): &(ValueId, ValueId)| {
        call.dtype(raw) == DType::Int32 && call.builder.tensor(c).is_some() && call.shape(c) == [channels]
    };
    if let Some((centered, _)) = source.filter(fits) {
        return Ok(Some(centered));
    }
    let Some(tensor) = call.builder.tensor(value).filter(|tensor| tensor.shape == [channels]).cloned() else {
        return Ok(None);
    };
    let scale = |channel: usize| x * w[if w.len() == 1 { 0 } else { channel }];
    let rounded = |(channel, &v): (usize, &f64)| f64::from((v as f32 / scale(channel)).round_ties_even());
    let data: Vec<f64> = tensor.data.iter().enumerate().map(rounded).collect();
    if data.iter().any(|v| v.is_nan() || v.abs() > f64::from(i32::MAX)) {
        return Ok(None);
    }
    call.builder.constant(vec![channels], data, DType::Int32).map(Some)
}

/// `x·w / y` for each channel.
pub(super) fn multipliers(x: f32, w: &[f32], y: f32, channels: usize) -> Result<Arc<[f64]>> {
    let list: Vec<f32> = (0..channels).map(|c| x * w[if w.len() == 1 { 0 } else { c }] / y).collect();
    match list.iter().find(|m| !(m.is_normal() && **m > 0.0)) {
        Some(m) => Err(NodeError::unsupported(format!("a requantization by {m}"), "quantize the model again")),
        None => Ok(list.into_iter().map(f64::from).collect()),
    }
}

/// A requantization to some parameters; `within` is added before the result is rounded.
pub(super) fn rule(multipliers: Arc<[f64]>, to: &Parameters, within: i32) -> Requantization {
    let Quantizer { lo, hi, .. } = to.quantizer();
    Requantization { multipliers, lo, hi, within, offsets: [].into(), rounding: Rounding::Float32 }
}

/// The convolution itself, on centered operands of two spatial axes whose shapes fit.
pub(super) fn convolve(
    call: &mut Call,
    [input, weights, bias]: [ValueId; 3],
    (window, groups): (Window, usize),
    size: [usize; 2],
    requantization: Requantization,
) -> Result<ValueId> {
    let shape = vec![call.shape(input)[0], call.shape(weights)[0], size[0], size[1]];
    let op = FloatOp::QuantizedConv { input, weights, bias, window, groups, requantization };
    call.builder.emit(op, shape, DType::Int32)
}

/// Integers times a sign, requantized by a rule of one channel, in a column.
pub(super) fn rounded(call: &mut Call, (integers, sign): (ValueId, f64), rule: Requantization) -> Result<ValueId> {
    let count = call.builder.elements(integers);
    let column = call.builder.reshape(integers, vec![1, 1, count, 1])?;
    let weights = call.builder.constant(vec![1, 1, 1, 1], vec![sign], DType::Int32)?;
    let bias = call.builder.constant(vec![1], vec![0.0], DType::Int32)?;
    convolve(call, [column, weights, bias], (POINT, 1), [count, 1], rule)
}

pub(super) fn convolution(
    call: &mut Call,
    [input, kernel, offset]: [Option<ValueId>; 3],
    window: Window,
    groups: usize,
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let (Some(input), Some(kernel)) = (input, kernel) else { return Ok(None) };
    let (Some(x), Some(w)) = (operand(call, input)?, weights(call, kernel, 0)) else { return Ok(None) };
    let channels = call.shape(kernel)[0];
    let Some(b) = bias(call, offset, x.scales[0], &w.scales, channels)? else { return Ok(None) };
    let size = output_size(&call.shape(input), &window);
    let rule = rule(multipliers(x.scales[0], &w.scales, to.scale, channels)?, to, 0);
    convolve(call, [x.centered, w.centered, b], (window, groups), size, rule).map(Some)
}

/// A constant bias of each channel, zeros where there is none; `None` for one that is no constant.
fn constant_bias(call: &Call, value: Option<ValueId>, channels: usize) -> Option<Vec<f64>> {
    let Some(value) = value else { return Some(vec![0.0; channels]) };
    let tensor = call.builder.tensor(value).filter(|tensor| tensor.data.len() == channels)?;
    Some(tensor.data.to_vec())
}

/// Channels of a product of quantized tensors, each scaled and shifted before it is quantized, in float32 in the runtime.
struct Lines {
    multipliers: Arc<[f64]>,
    signs: Vec<f64>,
    bias: ValueId,
    offsets: Arc<[f64]>,
}

impl Lines {
    /// Of accumulators at scales `x·w` with a bias in reals; a factor and an offset for each channel.
    fn of(
        call: &mut Call,
        (x, w): (f32, &[f32]),
        bias: &[f64],
        lines: &[(f64, f64)],
        to: &Parameters,
    ) -> Result<Option<Self>> {
        let scale = |channel: usize| f64::from(x) * f64::from(w[if w.len() == 1 { 0 } else { channel }]);
        let all = || lines.iter().enumerate();
        let multiplier = |(c, (factor, _)): (usize, &(f64, f64))| factor.abs() * scale(c) / f64::from(to.scale);
        let multipliers: Arc<[f64]> = all().map(|line| f64::from(multiplier(line) as f32)).collect();
        if multipliers.iter().any(|&m| !(m as f32).is_normal()) {
            return Ok(None);
        }
        let signs: Vec<f64> = lines.iter().map(|(factor, _)| factor.signum()).collect();
        let reals: Vec<f64> = all().map(|(c, (factor, offset))| factor * bias[c] + offset).collect();
        let Some((bias, offsets)) = real_bias(call, &reals, &multipliers, to)? else { return Ok(None) };
        call.builder.note_float32();
        Ok(Some(Self { multipliers, signs, bias, offsets }))
    }

    /// Weights times the signs of their channels, which are positions of an axis.
    fn signed(&self, call: &mut Call, weights: ValueId, axis: usize) -> Result<ValueId> {
        if self.signs.iter().all(|&sign| sign == 1.0) {
            return Ok(weights);
        }
        let tensor = call.constant(weights, "the weight tensor")?;
        let at = along(&tensor, axis, self.signs.len())?;
        let data = tensor.data.iter().enumerate().map(|(i, w)| w * self.signs[at(i)]).collect();
        call.builder.constant(tensor.shape.clone(), data, DType::Int32)
    }

    fn rule(&self, to: &Parameters) -> Requantization {
        Requantization { offsets: self.offsets.clone(), ..rule(self.multipliers.clone(), to, 0) }
    }
}

/// A convolution whose channels are scaled and shifted before they are quantized.
pub(super) fn scaled_convolution(
    call: &mut Call,
    ([input, kernel], bias): ([ValueId; 2], Option<ValueId>),
    (window, groups): (Window, usize),
    lines: &[(f64, f64)],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let (Some(x), Some(w)) = (operand(call, input)?, weights(call, kernel, 0)) else { return Ok(None) };
    let Some(bias) = constant_bias(call, bias, lines.len()) else { return Ok(None) };
    let Some(lines) = Lines::of(call, (x.scales[0], &w.scales), &bias, lines, to)? else { return Ok(None) };
    let size = output_size(&call.shape(input), &window);
    let own = lines.signed(call, w.centered, 0)?;
    convolve(call, [x.centered, own, lines.bias], (window, groups), size, lines.rule(to)).map(Some)
}

/// A product by a constant matrix whose columns are scaled and shifted before they are quantized.
pub(super) fn scaled_product(
    call: &mut Call,
    [left, right]: [ValueId; 2],
    lines: &[(f64, f64)],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let (Some(a), Some(b)) = (operand(call, left)?, column_weights(call, right, is_byte)?) else { return Ok(None) };
    let from = call.shape(a.centered);
    let (Some((&inner, rows)), true) = (from.split_last(), call.rank(b.centered) == 2) else { return Ok(None) };
    let zeros = vec![0.0; lines.len()];
    let Some(lines) = Lines::of(call, (a.scales[0], &b.scales), &zeros, lines, to)? else { return Ok(None) };
    let flat = call.builder.reshape(a.centered, vec![rows.iter().product(), inner])?;
    let own = lines.signed(call, b.centered, 1)?;
    let result = multiply(call, [flat, own, lines.bias], false, lines.rule(to))?;
    call.builder.reshape(result, [rows, &[lines.signs.len()]].concat()).map(Some)
}

/// Rows and columns of what a convolution gives.
fn output_size(from: &[usize], window: &Window) -> [usize; 2] {
    [0, 1].map(|axis| {
        let padded = from[axis + 2] + window.padding[axis] + window.padding[axis + 2];
        (padded - window.dilation[axis] * (window.kernel[axis] - 1) - 1) / window.stride[axis] + 1
    })
}

/// A bias in reals as integers at the scale of each channel's accumulator, and what they lack in units of the result; `None` for one
/// that is not finite.
fn real_bias(
    call: &mut Call,
    reals: &[f64],
    multipliers: &[f64],
    to: &Parameters,
) -> Result<Option<(ValueId, Arc<[f64]>)>> {
    let channels = multipliers.len();
    let reals: Vec<f64> = reals.iter().map(|v| v / f64::from(to.scale)).collect();
    let integers: Vec<f64> = reals.iter().zip(multipliers).map(|(v, &m)| (v / m).round()).collect();
    if integers.iter().any(|v| v.is_nan() || v.abs() > f64::from(i32::MAX)) {
        return Ok(None);
    }
    let lack = |((v, &m), integer): ((&f64, &f64), &f64)| f64::from((v - m * integer) as f32);
    let offsets = reals.iter().zip(multipliers).zip(&integers).map(lack).collect();
    let bias = call.builder.constant(vec![channels], integers, DType::Int32)?;
    Ok(Some((bias, offsets)))
}

/// A transposed convolution, whose sums the runtime takes in float32.
pub(super) fn transposed_convolution(
    call: &mut Call,
    [input, kernel, offset]: [Option<ValueId>; 3],
    (window, groups): (Window, usize),
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let (Some(input), Some(kernel)) = (input, kernel) else { return Ok(None) };
    let (Some(x), Some(w)) = (operand(call, input)?, weights(call, kernel, 1)) else { return Ok(None) };
    let channels = shape[1];
    // Several scales go along the outputs of a group.
    if w.scales.len() != 1 && w.scales.len() != channels {
        return Ok(None);
    }
    let multipliers = multipliers(x.scales[0], &w.scales, to.scale, channels)?;
    let Some(reals) = constant_bias(call, offset, channels) else { return Ok(None) };
    let Some((bias, offsets)) = real_bias(call, &reals, &multipliers, to)? else { return Ok(None) };
    call.builder.note_float32();
    let requantization = Requantization { offsets, ..rule(multipliers, to, 0) };
    let op = FloatOp::QuantizedConvTranspose {
        input: x.centered,
        weights: w.centered,
        bias,
        window,
        groups,
        requantization,
    };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// `A·B + C` of matrices, with constant `B`.
pub(super) fn matrices(call: &mut Call, product: &MatrixProduct, to: &Parameters) -> Result<Option<ValueId>> {
    let columns = usize::from(!product.transposed);
    let a = operand(call, product.a)?;
    let (Some(a), Some(b)) = (a, weights(call, product.b, columns)) else {
        if product.bias.is_some() || product.transposed {
            return Ok(None);
        }
        let shape = vec![call.shape(product.a)[0], call.shape(product.b)[1]];
        return stacks(call, [product.a, product.b], &shape, to);
    };
    let channels = call.shape(product.b)[columns];
    let offset = match product.bias {
        Some(bias) => Some(row(call, bias, channels)?),
        None => None,
    };
    let Some(bias) = bias(call, offset, a.scales[0], &b.scales, channels)? else { return Ok(None) };
    let rule = rule(multipliers(a.scales[0], &b.scales, to.scale, channels)?, to, 0);
    multiply(call, [a.centered, b.centered, bias], product.transposed, rule).map(Some)
}

/// A bias `[1, N]` as `[N]`; others stay as they are.
fn row(call: &mut Call, bias: ValueId, channels: usize) -> Result<ValueId> {
    if call.builder.dequantized(bias).is_some() || call.shape(bias) != [1, channels] {
        return Ok(bias);
    }
    call.builder.reshape(bias, vec![channels])
}

/// NumPy `matmul` of quantized tensors of any number of axes.
pub(super) fn stacks(
    call: &mut Call,
    [left, right]: [ValueId; 2],
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let Some(a) = operand(call, left)? else { return Ok(None) };
    let from = call.shape(a.centered);
    let by_matrix = call.rank(right) == 2 && from.len() > 2;
    if let Some(b) = weights(call, right, 1).filter(|_| by_matrix) {
        let (inner, channels) = (from[from.len() - 1], call.shape(right)[1]);
        let rows = from[..from.len() - 1].iter().product();
        let flat = call.builder.reshape(a.centered, vec![rows, inner])?;
        let bias = call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32)?;
        let rule = rule(multipliers(a.scales[0], &b.scales, to.scale, channels)?, to, 0);
        let result = multiply(call, [flat, b.centered, bias], false, rule)?;
        return call.builder.reshape(result, shape.to_vec()).map(Some);
    }
    let Some(b) = operand(call, right)? else { return Ok(None) };
    let requantization = rule(multipliers(a.scales[0], &b.scales, to.scale, 1)?, to, 0);
    let op = FloatOp::QuantizedMatMul { operands: [a.centered, b.centered], requantization };
    call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
}

/// `A·B + bias` as a pointwise convolution with the rows of `A` as positions.
pub(super) fn multiply(
    call: &mut Call,
    [a, b, bias]: [ValueId; 3],
    transposed: bool,
    rule: Requantization,
) -> Result<ValueId> {
    let (left, right) = (call.shape(a), call.shape(b));
    let inner = usize::from(transposed);
    if left.len() != 2 || right.len() != 2 || left[1] != right[inner] {
        return Err(NodeError::shape(format!("cannot multiply matrices {left:?} and {right:?}")));
    }
    let (rows, columns) = (left[0], right[1 - inner]);
    let weights = if transposed { b } else { call.builder.transpose(b, &[1, 0])? };
    let weights = call.builder.reshape(weights, vec![columns, left[1], 1, 1])?;
    let across = if rows == 1 { a } else { call.builder.transpose(a, &[1, 0])? };
    let input = call.builder.reshape(across, vec![1, left[1], rows, 1])?;
    let result = convolve(call, [input, weights, bias], (POINT, 1), [rows, 1], rule)?;
    if rows == 1 {
        return call.builder.reshape(result, vec![1, columns]);
    }
    let result = call.builder.reshape(result, vec![columns, rows])?;
    call.builder.transpose(result, &[1, 0])
}

/// The mean `value` over some axes.
pub(super) fn mean(
    call: &mut Call,
    value: ValueId,
    (input, axes): (ValueId, &[usize]),
    shape: Vec<usize>,
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let from = call.shape(input);
    let count: usize = axes.iter().map(|&axis| from[axis]).product();
    let Some(summands) = Summands::of(call, input, count, to)? else { return Ok(None) };
    if from.len() == 4 && axes == [2, 3] && call.builder.is_plane_average(value) {
        let average = overall(call, summands, to)?;
        return call.builder.reshape(average, shape).map(Some);
    }
    let kept = || (0..from.len()).filter(|axis| !axes.contains(axis));
    let permutation: Vec<usize> = kept().chain(axes.iter().copied()).collect();
    let rows = call.builder.transpose(summands.integers, &permutation)?;
    let places = kept().map(|axis| from[axis]).product();
    let order = mean_order(&from, axes);
    let rows = call.builder.reshape(rows, vec![places, count])?;
    if let Some(average) = float32_average(call, &summands, count, order, (to, 0)) {
        let average = averages(call, rows, average)?;
        return call.builder.reshape(average, shape).map(Some);
    }
    let integers = call.builder.reshape(rows, vec![1, places, 1, count])?;
    let average = overall(call, Summands { integers, ..summands }, to)?;
    call.builder.reshape(average, shape).map(Some)
}

/// The order in which onnxruntime adds up a mean over some axes: what lies side by side in lanes, rows of what is kept one behind another.
fn mean_order(from: &[usize], axes: &[usize]) -> Option<SumOrder> {
    let wide: Vec<bool> = (0..from.len()).filter(|&axis| from[axis] != 1).map(|axis| axes.contains(&axis)).collect();
    let changes = wide.windows(2).filter(|pair| pair[0] != pair[1]).count();
    match (wide.first(), changes) {
        (Some(true), 1) => Some(SumOrder::Sequence),
        (Some(false), 1) => Some(SumOrder::Lanes),
        _ => None,
    }
}

/// How the runtime adds up an average whose ties are decided by that; tells of them where it can't be followed.
fn float32_average(
    call: &mut Call,
    summands: &Summands,
    count: usize,
    order: Option<SumOrder>,
    (to, within): (&Parameters, i32),
) -> Option<QuantizedAverage> {
    if !has_ties(summands, count, to) {
        return None;
    }
    let Quantizer { lo, hi, .. } = to.quantizer();
    let told = order.zip(summands.scale).zip(summands.range);
    let average =
        told.map(|((order, scale), range)| (QuantizedAverage { scale, to: to.scale, within, order, lo, hi }, range));
    let fits = average.filter(|(average, range)| average_fits(count, average, *range));
    if fits.is_none() {
        call.builder.note_float32();
    }
    fits.map(|(average, _)| average)
}

/// Averages of the last axis.
fn averages(call: &mut Call, rows: ValueId, average: QuantizedAverage) -> Result<ValueId> {
    let mut shape = call.shape(rows);
    shape.pop();
    call.builder.emit(FloatOp::QuantizedAverage { input: rows, average }, shape, DType::Int32)
}

/// What is summed for an average: a quantized tensor of a scale, or fixed-point numbers that are divided already.
struct Summands {
    integers: ValueId,
    scale: Option<f32>,
    /// Bounds of the integers of a quantized tensor.
    range: Option<(i64, i64)>,
    /// Whether a quantized tensor is cut off between QuantizeLinear and DequantizeLinear, so that the runtime leaves its type as it is.
    is_clipped: bool,
}

impl Summands {
    /// Those of an average of `count` elements.
    fn of(call: &mut Call, input: ValueId, count: usize, to: &Parameters) -> Result<Option<Self>> {
        if let Some(source) = operand(call, input)? {
            let zero = i64::from(source.zero_point.unwrap_or(0));
            let range = call.dtype(source.raw).integer_range().map(|(lo, hi)| (lo as i64 - zero, hi as i64 - zero));
            let is_clipped = matches!(
                call.builder.op(source.raw),
                FloatOp::Unary { function: UnaryFunction::Clip { .. }, .. } | FloatOp::Binary { .. }
            );
            return Ok(Some(Self { integers: source.centered, scale: Some(source.scales[0]), range, is_clipped }));
        }
        let integers = fixed_point(call, input, f64::from(to.scale) * count as f64, false)?;
        Ok(integers.map(|integers| Self { integers, scale: None, range: None, is_clipped: false }))
    }
}

/// The average over the plane of each channel: a sum, requantized.
fn overall(call: &mut Call, summands: Summands, to: &Parameters) -> Result<ValueId> {
    let from = call.shape(summands.integers);
    let [_, _, height, width] = from[..] else {
        return Err(NodeError::shape(format!("its operand has shape {from:?}, not [N, C, H, W]")));
    };
    sum(call, summands, Window { kernel: [height, width], ..POINT }, [1, 1], (to, 0))
}

/// Averages of windows that all count the same number of elements.
pub(super) fn average(
    call: &mut Call,
    input: ValueId,
    window: Window,
    count_padding: bool,
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    if !count_padding && window.padding != [0; 4] {
        return Ok(None);
    }
    let count = window.kernel[0] * window.kernel[1];
    let Some(summands) = Summands::of(call, input, count, to)? else { return Ok(None) };
    if window.kernel[..] == call.shape(input)[2..] && window.padding == [0; 4] && window.dilation == [1, 1] {
        // The runtime takes the kernel of global average pooling.
        return overall(call, summands, to).map(Some);
    }
    let size = [shape[2], shape[3]];
    let within = to.zero + if summands.is_clipped { 0 } else { to.shift };
    if let Some(average) = float32_average(call, &summands, count, Some(SumOrder::Sequence), (to, within)) {
        // Only now: they are as many times the image as a window has elements.
        let rows = windows(call, summands.integers, &window, shape)?;
        if to.shift != 0 {
            // Where the runtime takes one of the two int8 tensors as uint8 alone, it adds up otherwise.
            call.builder.note_float32();
        }
        return averages(call, rows, average).map(Some);
    }
    sum(call, summands, window, size, (to, within)).map(Some)
}

/// The elements of each window, with zeros where it lies in the padding.
fn windows(call: &mut Call, input: ValueId, window: &Window, shape: &[usize]) -> Result<ValueId> {
    let from = call.shape(input);
    let Window { kernel, stride, dilation, padding } = *window;
    let wide = [shape, &[kernel[0] * kernel[1]]].concat();
    call.builder.view(input, wide, 0.0, |at| {
        let tap = [at[4] / kernel[1], at[4] % kernel[1]];
        let place = |axis: usize| {
            let place = (at[axis + 2] * stride[axis] + tap[axis] * dilation[axis]).checked_sub(padding[axis])?;
            (place < from[axis + 2]).then_some(place)
        };
        Some(((at[0] * from[1] + at[1]) * from[2] + place(0)?) * from[3] + place(1)?)
    })
}

/// Whether results of an average that the runtime adds up in float32 lie as near to a tie as such sums are rounded.
fn has_ties(summands: &Summands, count: usize, to: &Parameters) -> bool {
    /// What a sum of float32 numbers is off by, as a part of it; more than it is off for few numbers.
    const ROUNDING: f64 = 1.0 / (1u64 << 21) as f64;
    /// The largest centered integer.
    const MOST: u64 = 255;
    let Some(scale) = summands.scale else { return false };
    let step = f64::from(scale) / (f64::from(to.scale) * count as f64);
    let is_tie = |sum: u64| {
        let result = sum as f64 * step;
        (result.fract() - 0.5).abs() <= result * ROUNDING
    };
    // Results beyond the type are cut off.
    let reach = (count as u64).saturating_mul(MOST).min((MOST as f64 / step) as u64);
    reach > MAX_TIES || (1..=reach).any(is_tie)
}

/// The sum of each window, requantized by the number of its elements.
fn sum(
    call: &mut Call,
    summands: Summands,
    window: Window,
    size: [usize; 2],
    (to, within): (&Parameters, i32),
) -> Result<ValueId> {
    let channels = call.shape(summands.integers)[1];
    let [height, width] = window.kernel;
    let count = height * width;
    let weights = call.builder.constant(vec![channels, 1, height, width], vec![1.0; channels * count], DType::Int32)?;
    let bias = call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32)?;
    let rule = match summands.scale {
        Some(scale) => rule(multipliers(scale, &[1.0], to.scale * count as f32, channels)?, to, within),
        None => fixed_point_rule(to, channels),
    };
    convolve(call, [summands.integers, weights, bias], (window, channels), size, rule)
}
