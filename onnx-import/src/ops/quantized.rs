//! Quantized operators: QuantizeLinear, DequantizeLinear, QLinearConv, QLinearMatMul and those of onnxruntime.
//!
//! Quantized tensors become *centered* integers (see [`crate::float::quantized`]). A tensor that the model sees has its zero
//! point added again; where the next operator subtracts it, both vanish. As onnxruntime does, an operator between
//! DequantizeLinear and QuantizeLinear becomes the operator on integers.

use super::{conv, dynamic, window};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId, Window};
use crate::float::quantized::{QuantizedSum, Quantizer, Requantization};
use crate::lower::{Builder, Call, Dequantized, MatrixProduct};
use crate::registry::{microsoft, onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("QuantizeLinear", &[since(10, 2, 3, 1)], quantize_linear),
    onnx("DequantizeLinear", &[since(10, 2, 3, 1)], dequantize_linear),
    onnx("QLinearConv", &[since(10, 8, 9, 1)], qlinear_conv),
    onnx("QLinearMatMul", &[since(10, 8, 8, 1)], qlinear_matmul),
    microsoft("QGemm", &[since(1, 6, 9, 1)], qgemm),
    microsoft("QLinearAdd", &[since(1, 7, 8, 1)], qlinear_add),
    microsoft("QLinearGlobalAveragePool", &[since(1, 5, 5, 1)], qlinear_global_average_pool),
];

/// Scale, zero point and type of a tensor with one scale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Parameters {
    scale: f32,
    zero: i32,
    lo: i32,
    hi: i32,
    dtype: DType,
}

impl Parameters {
    /// Reads operands `scale` and `scale + 1`.
    fn read(call: &Call, scale: usize) -> Result<Self> {
        let dtype = match call.optional(scale + 1) {
            Some(zero) => call.dtype(zero),
            None => DType::Uint8,
        };
        let (scales, zeros) = (scales(call, call.input(scale)?)?, zeros(call, call.optional(scale + 1), dtype)?);
        let ([scale], [zero]) = (&scales[..], &zeros[..]) else {
            return Err(NodeError::shape("its scale and zero point must be one number each"));
        };
        let (lo, hi) = small_range(dtype)?;
        Ok(Self { scale: *scale, zero: *zero, lo, hi, dtype })
    }

    fn quantizer(&self) -> Quantizer {
        Quantizer { scale: self.scale, lo: self.lo - self.zero, hi: self.hi - self.zero }
    }

    /// Whether a real tensor was dequantized with these parameters.
    fn are_those_of(&self, source: &Dequantized, builder: &Builder) -> bool {
        source.scales[..] == [self.scale]
            && source.zero_point == Some(self.zero)
            && builder.dtype(source.raw) == self.dtype
    }
}

fn small_range(dtype: DType) -> Result<(i32, i32)> {
    match dtype {
        DType::Int8 | DType::Uint8 | DType::Int16 | DType::Uint16 => {
            let (lo, hi) = dtype.integer_range().expect("integer types have a range");
            Ok((lo as i32, hi as i32))
        }
        _ => Err(NodeError::data_type(format!("it quantizes to {}, which is no type of 8 or 16 bits", dtype.name()))),
    }
}

/// The scales that a value holds, each positive and finite.
pub(super) fn scales(call: &Call, value: ValueId) -> Result<Vec<f32>> {
    if call.dtype(value) != DType::Float32 {
        return Err(NodeError::data_type(format!("its scale is {}, and must be float32", call.dtype(value).name())));
    }
    let tensor = call.constant(value, "the scale")?;
    match tensor.data.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
        Some(scale) => Err(NodeError::unsupported(
            format!("a scale of {scale} is not positive and finite"),
            "quantize the model again",
        )),
        None if tensor.data.is_empty() || tensor.shape.len() > 1 => Err(NodeError::unsupported(
            format!("a scale of shape {:?}", tensor.shape),
            "quantize per tensor or per axis, not in blocks",
        )),
        None => Ok(tensor.data.iter().map(|&scale| scale as f32).collect()),
    }
}

/// The zero points that a value holds, zero where there is none.
pub(super) fn zeros(call: &Call, value: Option<ValueId>, dtype: DType) -> Result<Vec<i32>> {
    let Some(value) = value else { return Ok(vec![0]) };
    if call.dtype(value) != dtype {
        let (found, expected) = (call.dtype(value).name(), dtype.name());
        return Err(NodeError::data_type(format!("its zero point is {found}, and its tensor {expected}")));
    }
    let tensor = call.constant(value, "the zero point")?;
    if tensor.data.is_empty() || tensor.shape.len() > 1 {
        return Err(NodeError::shape(format!("a zero point of shape {:?}", tensor.shape)));
    }
    Ok(tensor.data.iter().map(|&zero| zero as i32).collect())
}

/// The integers that a model sees: zero point added.
fn raw(call: &mut Call, centered: ValueId, zero: i32, dtype: DType) -> Result<ValueId> {
    let shape = call.shape(centered);
    if zero == 0 {
        return call.builder.emit(FloatOp::Reshape(centered), shape, dtype);
    }
    let function = UnaryFunction::Affine { factor: 1.0, offset: f64::from(zero) };
    call.builder.emit(FloatOp::Unary { input: centered, function }, shape, dtype)
}

/// The integers without their zero point; operators that only move elements or compare them are passed.
fn centered(call: &mut Call, value: ValueId, zero: i32) -> Result<ValueId> {
    let shape = call.shape(value);
    let op = call.builder.op(value).clone();
    match op {
        FloatOp::Unary { input, function: UnaryFunction::Affine { factor: 1.0, offset } }
            if offset == f64::from(zero) && call.dtype(input) == DType::Int32 =>
        {
            return Ok(input);
        }
        FloatOp::Reshape(input) if zero == 0 && call.dtype(input) == DType::Int32 && call.shape(input) == shape => {
            return Ok(input);
        }
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::MaxPool { input, .. } => {
            let input = centered(call, input, zero)?;
            return call.builder.emit(op.clone_with(|_| input), shape, DType::Int32);
        }
        _ => {}
    }
    if zero == 0 {
        return call.builder.emit(FloatOp::Reshape(value), shape, DType::Int32);
    }
    let function = UnaryFunction::Affine { factor: 1.0, offset: -f64::from(zero) };
    call.builder.emit(FloatOp::Unary { input: value, function }, shape, DType::Int32)
}

/// Constant integers without their zero points, one for all or one for each position of an axis.
fn centered_weights(call: &mut Call, value: ValueId, zeros: &[i32], axis: usize) -> Result<ValueId> {
    let tensor = call.constant(value, "the weight tensor")?;
    let at = along(&tensor, axis, zeros.len())?;
    let data = tensor.data.iter().enumerate().map(|(i, q)| q - f64::from(zeros[at(i)])).collect();
    call.builder.constant(tensor.shape.clone(), data, DType::Int32)
}

/// Which of `count` parameters along `axis` each element has.
fn along(tensor: &Tensor, axis: usize, count: usize) -> Result<impl Fn(usize) -> usize> {
    let size = tensor.shape.get(axis).copied().unwrap_or(1);
    if count != 1 && count != size {
        return Err(NodeError::shape(format!("{count} scales or zero points along axis {axis} of {:?}", tensor.shape)));
    }
    let inner: usize = tensor.shape.iter().skip(axis + 1).product();
    Ok(move |i: usize| if count == 1 { 0 } else { i / inner % size })
}

fn refuse_blocks(call: &Call) -> Result<()> {
    if call.version >= 21 && call.attributes.int_or("block_size", 0)? != 0 {
        return Err(NodeError::unsupported("quantization in blocks", "quantize per tensor or per axis"));
    }
    Ok(())
}

fn quantize_linear(call: &mut Call) -> Result<Vec<ValueId>> {
    refuse_blocks(call)?;
    if call.version >= 13 {
        call.attributes.int_or("axis", 1)?;
    }
    if call.version >= 19 {
        call.attributes.int_or("saturate", 1)?;
    }
    for (name, version) in [("output_dtype", 21), ("precision", 23)] {
        if call.version >= version && call.attributes.int_or(name, 0)? != 0 {
            return Err(NodeError::attribute(name, "give the type by the zero point"));
        }
    }
    if scales(call, call.input(1)?)?.len() > 1 {
        return Err(NodeError::unsupported("activations with a scale per axis", "quantize activations per tensor"));
    }
    let parameters = Parameters::read(call, 1)?;
    let input = call.input(0)?;
    if call.dtype(input) != DType::Float32 {
        return Err(NodeError::data_type(format!("its operand is {}, not float32", call.dtype(input).name())));
    }
    let shape = call.shape(input);
    let centered = match fused(call, input, &parameters)? {
        Some(centered) => centered,
        None => {
            call.builder.emit(FloatOp::Quantize { input, quantizer: parameters.quantizer() }, shape, DType::Int32)?
        }
    };
    Ok(vec![raw(call, centered, parameters.zero, parameters.dtype)?])
}

fn dequantize_linear(call: &mut Call) -> Result<Vec<ValueId>> {
    refuse_blocks(call)?;
    let value = call.input(0)?;
    let operands = [0, 1, 2].map(|index| call.optional(index));
    if let Some(real) = dynamic::dequantized(call, operands) {
        return Ok(vec![real]);
    }
    let rank = call.rank(value);
    let axis = if call.version >= 13 { call.attributes.int_or("axis", 1)? } else { 1 };
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let axis = usize::try_from(axis).map_err(|_| NodeError::attribute("axis", format!("{axis} of {rank} axes")))?;
    let dtype = call.dtype(value);
    if !matches!(dtype, DType::Int8 | DType::Uint8 | DType::Int16 | DType::Uint16 | DType::Int32) {
        return Err(NodeError::data_type(format!("it dequantizes {}", dtype.name())));
    }
    let (scales, zeros) = (scales(call, call.input(1)?)?, zeros(call, call.optional(2), dtype)?);
    if zeros.len() != 1 && zeros.len() != scales.len() {
        return Err(NodeError::shape(format!("{} zero points for {} scales", zeros.len(), scales.len())));
    }
    let zero_point = zeros.iter().all(|&zero| zero == zeros[0]).then_some(zeros[0]);
    let (result, centered) = if let Some(tensor) = call.builder.tensor(value).cloned() {
        let centered = centered_weights(call, value, &zeros, axis)?;
        let at = along(&tensor, axis, scales.len())?;
        let integers = call.constant(centered, "the tensor")?;
        let real = |(i, &c): (usize, &f64)| f64::from(c as f32 * scales[at(i)]);
        let data = integers.data.iter().enumerate().map(real).collect();
        (call.builder.constant(tensor.shape, data, DType::Float32)?, centered)
    } else {
        let ([scale], Some(zero)) = (&scales[..], zero_point) else {
            return Err(NodeError::unsupported("activations with a scale per axis", "quantize activations per tensor"));
        };
        let (lo, hi) = dtype.integer_range().expect("integer types have a range");
        let quantizer = Quantizer { scale: *scale, lo: lo as i32 - zero, hi: hi as i32 - zero };
        let (centered, shape) = (centered(call, value, zero)?, call.shape(value));
        let op = FloatOp::Dequantize { input: centered, quantizer };
        (call.builder.emit(op, shape, DType::Float32)?, centered)
    };
    let from = Dequantized { raw: value, centered, scales: scales.into(), axis, zero_point };
    call.builder.note_dequantized(result, from);
    Ok(vec![result])
}

/// The centered integers of a real value that is computed from dequantized ones in a way that onnxruntime fuses.
fn fused(call: &mut Call, value: ValueId, to: &Parameters) -> Result<Option<ValueId>> {
    if let Some(source) = call.builder.dequantized(value).filter(|source| to.are_those_of(source, call.builder)) {
        return Ok(Some(source.centered));
    }
    if let Some(product) = call.builder.product(value).cloned() {
        return fused_product(call, &product, to);
    }
    let shape = call.shape(value);
    match call.builder.op(value).clone() {
        // A zero point at the bottom of the type saturates as the function does.
        FloatOp::Unary { input, function: UnaryFunction::Relu } if to.zero == to.lo => fused(call, input, to),
        FloatOp::Conv { input, weights, bias, window, groups } => {
            fused_conv(call, [Some(input), Some(weights), bias], window, groups, to)
        }
        ref op @ (FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::MaxPool { input, .. }) => {
            let source = call.builder.dequantized(input).filter(|source| to.are_those_of(source, call.builder));
            let Some(source) = source.map(|source| source.centered) else { return Ok(None) };
            call.builder.emit(op.clone_with(|_| source), shape, DType::Int32).map(Some)
        }
        FloatOp::Reduce { input, kind: ReduceKind::Mean, axes } => {
            let Some(source) = activation(call, input) else { return Ok(None) };
            let from = call.shape(input);
            if from.len() != 4 || axes != [2, 3] {
                return Ok(None);
            }
            let average = global_average(call, source.centered, source.scales[0], to)?;
            call.builder.reshape(average, shape).map(Some)
        }
        FloatOp::Binary { function: BinaryFunction::Add, operands } => {
            let (Some(a), Some(b)) = (activation(call, operands[0]), activation(call, operands[1])) else {
                return Ok(None);
            };
            if call.shape(operands[0]) != call.shape(operands[1]) || !is_byte(to.dtype) {
                return Ok(None);
            }
            let zero = |source: &Dequantized| source.zero_point.expect("activations have one");
            let zero_points = [zero(&a), zero(&b), to.zero];
            let ratios = [a.scales[0] / to.scale, b.scales[0] / to.scale];
            let sum = QuantizedSum { ratios, zero_points, lo: to.lo, hi: to.hi };
            let op = FloatOp::QuantizedAdd { operands: [a.centered, b.centered], sum };
            call.builder.emit(op, shape, DType::Int32).map(Some)
        }
        _ => Ok(None),
    }
}

fn is_byte(dtype: DType) -> bool {
    matches!(dtype, DType::Int8 | DType::Uint8)
}

/// A dequantized tensor of bytes with one scale and one zero point.
fn activation(call: &Call, value: ValueId) -> Option<Dequantized> {
    let source = call.builder.dequantized(value)?;
    let one = source.scales.len() == 1 && source.zero_point.is_some() && is_byte(call.dtype(source.raw));
    one.then(|| source.clone())
}

/// Dequantized constant weights whose scales, if several, go along axis `axis`.
fn weights(call: &Call, value: ValueId, axis: usize) -> Option<Dequantized> {
    let source = call.builder.dequantized(value)?;
    let constant = call.builder.tensor(source.centered).is_some() && is_byte(call.dtype(source.raw));
    (constant && (source.scales.len() == 1 || source.axis == axis)).then(|| source.clone())
}

/// The integers of a dequantized bias, or zeros; `None` for a bias that is no such thing.
fn bias(call: &mut Call, value: Option<ValueId>, channels: usize) -> Result<Option<ValueId>> {
    match value {
        None => call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32).map(Some),
        Some(value) => {
            let source = call.builder.dequantized(value).map(|source| (source.centered, source.raw));
            let fits = |&(c, raw): &(ValueId, ValueId)| {
                call.dtype(raw) == DType::Int32 && call.builder.tensor(c).is_some() && call.shape(c) == [channels]
            };
            Ok(source.filter(fits).map(|(centered, _)| centered))
        }
    }
}

fn multipliers(x: f32, w: &[f32], y: f32, channels: usize) -> Result<std::sync::Arc<[f32]>> {
    let list: Vec<f32> = (0..channels).map(|c| x * w[if w.len() == 1 { 0 } else { c }] / y).collect();
    match list.iter().find(|m| !(m.is_normal() && **m > 0.0)) {
        Some(m) => Err(NodeError::unsupported(format!("a requantization by {m}"), "quantize the model again")),
        None => Ok(list.into()),
    }
}

/// The convolution itself, on centered operands of two spatial axes whose shapes fit.
fn convolve(
    call: &mut Call,
    [input, weights, bias]: [ValueId; 3],
    (window, groups): (Window, usize),
    size: [usize; 2],
    multipliers: std::sync::Arc<[f32]>,
    to: &Parameters,
) -> Result<ValueId> {
    let Quantizer { lo, hi, .. } = to.quantizer();
    let requantization = Requantization { multipliers, lo, hi };
    let shape = vec![call.shape(input)[0], call.shape(weights)[0], size[0], size[1]];
    let op = FloatOp::QuantizedConv { input, weights, bias, window, groups, requantization };
    call.builder.emit(op, shape, DType::Int32)
}

fn fused_conv(
    call: &mut Call,
    [input, kernel, offset]: [Option<ValueId>; 3],
    window: Window,
    groups: usize,
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let (Some(input), Some(kernel)) = (input, kernel) else { return Ok(None) };
    let (Some(x), Some(w)) = (activation(call, input), weights(call, kernel, 0)) else { return Ok(None) };
    let channels = call.shape(kernel)[0];
    let Some(b) = bias(call, offset, channels)? else { return Ok(None) };
    if !is_byte(to.dtype) {
        return Ok(None);
    }
    let from = call.shape(input);
    let size = [0, 1].map(|axis| {
        let padded = from[axis + 2] + window.padding[axis] + window.padding[axis + 2];
        (padded - window.dilation[axis] * (window.kernel[axis] - 1) - 1) / window.stride[axis] + 1
    });
    let multipliers = multipliers(x.scales[0], &w.scales, to.scale, channels)?;
    convolve(call, [x.centered, w.centered, b], (window, groups), size, multipliers, to).map(Some)
}

fn fused_product(call: &mut Call, product: &MatrixProduct, to: &Parameters) -> Result<Option<ValueId>> {
    let columns = usize::from(!product.transposed);
    let (Some(a), Some(b)) = (activation(call, product.a), weights(call, product.b, columns)) else {
        return Ok(None);
    };
    let channels = call.shape(product.b)[columns];
    let Some(bias) = bias(call, product.bias, channels)? else { return Ok(None) };
    if !is_byte(to.dtype) {
        return Ok(None);
    }
    let multipliers = multipliers(a.scales[0], &b.scales, to.scale, channels)?;
    multiply(call, [a.centered, b.centered, bias], product.transposed, multipliers, to).map(Some)
}

/// `A·B + bias` as a pointwise convolution with the rows of `A` as positions.
fn multiply(
    call: &mut Call,
    [a, b, bias]: [ValueId; 3],
    transposed: bool,
    multipliers: std::sync::Arc<[f32]>,
    to: &Parameters,
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
    let result = convolve(call, [input, weights, bias], (POINT, 1), [rows, 1], multipliers, to)?;
    if rows == 1 {
        return call.builder.reshape(result, vec![1, columns]);
    }
    let result = call.builder.reshape(result, vec![columns, rows])?;
    call.builder.transpose(result, &[1, 0])
}

const POINT: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };

/// The average over the plane of each channel: a sum, requantized.
fn global_average(call: &mut Call, input: ValueId, scale: f32, to: &Parameters) -> Result<ValueId> {
    let from = call.shape(input);
    let [_, channels, height, width] = from[..] else {
        return Err(NodeError::shape(format!("its operand has shape {from:?}, not [N, C, H, W]")));
    };
    let count = height * width;
    let weights = call.builder.constant(vec![channels, 1, height, width], vec![1.0; channels * count], DType::Int32)?;
    let bias = call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32)?;
    let divisor = to.scale * count as f32;
    let multipliers = multipliers(scale, &[1.0], divisor, channels)?;
    let window = Window { kernel: [height, width], ..POINT };
    convolve(call, [input, weights, bias], (window, channels), [1, 1], multipliers, to)
}

fn qlinear_conv(call: &mut Call) -> Result<Vec<ValueId>> {
    let (from, to) = (Parameters::read(call, 1)?, Parameters::read(call, 6)?);
    let (value, kernel) = (call.input(0)?, call.input(3)?);
    check_type(call, value, from.dtype)?;
    let scales = scales(call, call.input(4)?)?;
    let zeros = zeros(call, call.optional(5), call.dtype(kernel))?;
    let centered_kernel = centered_weights(call, kernel, &zeros, 0)?;
    let x = centered(call, value, from.zero)?;
    let axes = call.rank(x).saturating_sub(2);
    if call.rank(kernel) != axes + 2 {
        return Err(NodeError::shape(format!("weights of shape {:?} over {axes} axes", call.shape(kernel))));
    }
    let (input, weights) = (window::lift(call, x)?, window::lift(call, centered_kernel)?);
    let (shape, size) = (call.shape(input), call.shape(weights));
    let groups = conv::groups(call, shape[1], size[0])?;
    if size[1] * groups != shape[1] {
        return Err(NodeError::shape(format!("weights {size:?} in {groups} groups over an input {shape:?}")));
    }
    if scales.len() != 1 && scales.len() != size[0] {
        return Err(NodeError::shape(format!("{} scales for {} channels", scales.len(), size[0])));
    }
    let mut geometry = window::read(call, axes, Some([size[2], size[3]]), true)?;
    let output = geometry.resolve([shape[2], shape[3]], false)?;
    let bias = integer_bias(call, 8, size[0])?;
    let multipliers = multipliers(from.scale, &scales, to.scale, size[0])?;
    let result = convolve(call, [input, weights, bias], (geometry.window, groups), output, multipliers, &to)?;
    let result = window::lower(call, result, axes)?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
}

fn check_type(call: &Call, value: ValueId, dtype: DType) -> Result<()> {
    if call.dtype(value) == dtype {
        return Ok(());
    }
    let (found, expected) = (call.dtype(value).name(), dtype.name());
    Err(NodeError::data_type(format!("its operand is {found}, and its zero point {expected}")))
}

/// The int32 bias that operand `index` holds, zeros where there is none.
fn integer_bias(call: &mut Call, index: usize, channels: usize) -> Result<ValueId> {
    let Some(value) = call.optional(index) else {
        return call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32);
    };
    if call.dtype(value) != DType::Int32 || call.shape(value).iter().product::<usize>() != channels {
        return Err(NodeError::shape(format!("a bias of shape {:?} for {channels} channels", call.shape(value))));
    }
    call.constant(value, "the bias")?;
    call.builder.reshape(value, vec![channels])
}

fn qlinear_matmul(call: &mut Call) -> Result<Vec<ValueId>> {
    let (from, to) = (Parameters::read(call, 1)?, Parameters::read(call, 6)?);
    matrix_product(call, from, to, false, None)
}

fn qgemm(call: &mut Call) -> Result<Vec<ValueId>> {
    if call.attributes.float_or("alpha", 1.0)? != 1.0 || call.attributes.flag("transA", false)? {
        return Err(NodeError::unsupported("a factor or a transposed left operand", "fold it into the model's scales"));
    }
    let transposed = call.attributes.flag("transB", false)?;
    if call.optional(7).is_none() {
        return Err(NodeError::unsupported("a product that is not requantized", "give the result a scale"));
    }
    let (from, to) = (Parameters::read(call, 1)?, Parameters::read(call, 7)?);
    matrix_product(call, from, to, transposed, Some(6))
}

fn matrix_product(
    call: &mut Call,
    from: Parameters,
    to: Parameters,
    transposed: bool,
    bias: Option<usize>,
) -> Result<Vec<ValueId>> {
    let (a, b) = (call.input(0)?, call.input(3)?);
    check_type(call, a, from.dtype)?;
    let axis = usize::from(!transposed);
    let Some(&channels) = call.shape(b).get(axis) else {
        return Err(NodeError::shape(format!("weights of shape {:?}, not a matrix", call.shape(b))));
    };
    let scales = scales(call, call.input(4)?)?;
    if scales.len() != 1 && scales.len() != channels {
        return Err(NodeError::shape(format!("{} scales for {channels} columns", scales.len())));
    }
    let zeros = zeros(call, call.optional(5), call.dtype(b))?;
    let weights = centered_weights(call, b, &zeros, axis)?;
    let bias = match bias {
        Some(index) => integer_bias(call, index, channels)?,
        None => call.builder.constant(vec![channels], vec![0.0; channels], DType::Int32)?,
    };
    let input = centered(call, a, from.zero)?;
    let multipliers = multipliers(from.scale, &scales, to.scale, channels)?;
    let result = multiply(call, [input, weights, bias], transposed, multipliers, &to)?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
}

fn qlinear_add(call: &mut Call) -> Result<Vec<ValueId>> {
    let (a, b) = (Parameters::read(call, 1)?, Parameters::read(call, 4)?);
    let to = Parameters::read(call, 6)?;
    let values = [call.input(0)?, call.input(3)?];
    check_type(call, values[0], a.dtype)?;
    check_type(call, values[1], b.dtype)?;
    let shape = call.shape(values[0]);
    if shape != call.shape(values[1]) {
        return Err(NodeError::unsupported(
            format!("operands of shapes {shape:?} and {:?}", call.shape(values[1])),
            "expand the smaller operand",
        ));
    }
    let operands = [centered(call, values[0], a.zero)?, centered(call, values[1], b.zero)?];
    let ratios = [a.scale / to.scale, b.scale / to.scale];
    let sum = QuantizedSum { ratios, zero_points: [a.zero, b.zero, to.zero], lo: to.lo, hi: to.hi };
    let result = call.builder.emit(FloatOp::QuantizedAdd { operands, sum }, shape, DType::Int32)?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
}

fn qlinear_global_average_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    if call.attributes.flag("channels_last", false)? {
        return Err(NodeError::unsupported("channels in the last axis", "export the model with channels first"));
    }
    let (from, to) = (Parameters::read(call, 1)?, Parameters::read(call, 3)?);
    let value = call.input(0)?;
    check_type(call, value, from.dtype)?;
    let input = centered(call, value, from.zero)?;
    let result = global_average(call, input, from.scale, &to)?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
}
