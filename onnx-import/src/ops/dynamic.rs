//! Integer products, and dynamic quantization: DynamicQuantizeLinear, MatMulInteger, ConvInteger and those of onnxruntime.
//!
//! A dynamic scale is a function of the data:
//!
//! ```text
//! scale = (max(x, 0) − min(x, 0)) / 255      zero = clamp(⌊−min(x, 0) / scale⌉)      q = clamp(⌊x / scale⌉ + zero)
//! ```
//!
//! The product of `q − zero` by integer weights is multiplied by that scale and the weights' later on, so that the scale
//! divides and multiplies the same sum: `scale·Σ (q − zero)·w ≈ Σ x·w`. Where all of that is found, `x` takes the place of
//! its approximation, with the weights exactly as they are; the chain that ends there is read no longer but by the form in float32
//! arithmetic (`lower/float32.rs`), which follows it to the bit. A model in which it is still read otherwise is refused: it would depend
//! on how float32 rounds. Constants are folded as the formulas say.

use super::quantized::{scales, zeros};
use super::{conv, matrix, recurrent};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::float32;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::lower::{Builder, Call, Dynamic};
use crate::registry::{microsoft, onnx, since, Operator};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("DynamicQuantizeLinear", &[since(11, 1, 1, 3)], dynamic_quantize_linear),
    onnx("MatMulInteger", &[since(10, 2, 4, 1)], matmul_integer),
    onnx("ConvInteger", &[since(10, 2, 4, 1)], conv_integer),
    microsoft("MatMulIntegerToFloat", &[since(1, 4, 7, 1)], matmul_integer_to_float),
    microsoft("DynamicQuantizeMatMul", &[since(1, 3, 5, 1)], dynamic_quantize_matmul),
    microsoft("DynamicQuantizeLSTM", &[since(1, 12, 12, 3)], dynamic_quantize_lstm),
];

/// Largest value of uint8, the only type of dynamic quantization.
const LARGEST: f64 = float32::LARGEST as f64;

fn dynamic_quantize_linear(call: &mut Call) -> Result {
    let x = call.input(0)?;
    Ok(quantize(call, x)?.into())
}

/// The integers, the scale and the zero point of a tensor.
fn quantize(call: &mut Call, x: ValueId) -> Result<[ValueId; 3]> {
    if call.dtype(x) != DType::Float32 {
        return Err(NodeError::data_type(format!("its operand is {}, not float32", call.dtype(x).name())));
    }
    let axes: Vec<usize> = (0..call.rank(x)).collect();
    let builder = &mut *call.builder;
    let zero = builder.scalar(0.0, DType::Float32)?;
    let extreme = |builder: &mut Builder, kind, function| {
        let extreme = builder.reduce(x, kind, &axes, false)?;
        builder.binary(function, extreme, zero)
    };
    let most = extreme(builder, ReduceKind::Max, BinaryFunction::Max)?;
    let least = extreme(builder, ReduceKind::Min, BinaryFunction::Min)?;
    let width = builder.binary(BinaryFunction::Sub, most, least)?;
    let scale = builder.affine(width, 1.0 / LARGEST, 0.0)?;
    let rounded = |builder: &mut Builder, value| {
        let quotient = builder.binary(BinaryFunction::Div, value, scale)?;
        builder.unary(UnaryFunction::Round, quotient)
    };
    let lowest = rounded(builder, least)?;
    let zero_point = builder.unary(UnaryFunction::Neg, lowest)?;
    let steps = rounded(builder, x)?;
    let integers = builder.binary(BinaryFunction::Add, steps, zero_point)?;
    let clip = UnaryFunction::Clip { lo: 0.0, hi: LARGEST };
    let [integers, zero_point] = [integers, zero_point].map(|value| {
        let clipped = builder.unary(clip, value)?;
        builder.retype(clipped, DType::Uint8)
    });
    let (integers, zero_point) = (integers?, zero_point?);
    builder.note_dynamic(integers, Dynamic::Integers { real: x, scale, zero_point });
    builder.note_dynamic(scale, Dynamic::Scales { scales: vec![scale], factor: None });
    Ok([integers, scale, zero_point])
}

/// An operand of a product of integers.
struct Factor {
    /// The integers without their zero point.
    centered: ValueId,
    /// The reals that they approximate and their scale, where they were quantized dynamically.
    origin: Option<(ValueId, ValueId)>,
}

impl Factor {
    /// Operand `value` with the zero point that operand `zero` holds, brought to the shape that `place` makes of its own.
    fn read(call: &mut Call, value: usize, zero: usize, place: impl Fn(Vec<usize>) -> Vec<usize>) -> Result<Self> {
        let (value, zero) = (call.input(value)?, call.optional(zero));
        Self::of(call, value, zero, place)
    }

    /// [`read`](Self::read) of values.
    fn of(
        call: &mut Call,
        value: ValueId,
        zero: Option<ValueId>,
        place: impl Fn(Vec<usize>) -> Vec<usize>,
    ) -> Result<Self> {
        let dtype = call.dtype(value);
        if !matches!(dtype, DType::Int8 | DType::Uint8) {
            return Err(NodeError::data_type(format!("its operand is {}, not a type of 8 bits", dtype.name())));
        }
        let integers = call.builder.retype(value, DType::Int32)?;
        let centered = match zero {
            None => integers,
            Some(zero) if call.dtype(zero) != dtype => {
                let (found, expected) = (call.dtype(zero).name(), dtype.name());
                return Err(NodeError::data_type(format!("its zero point is {found}, and its tensor {expected}")));
            }
            Some(zero) => {
                let shape = place(call.shape(zero));
                let zero = call.builder.reshape(zero, shape)?;
                let zero = call.builder.retype(zero, DType::Int32)?;
                call.builder.binary(BinaryFunction::Sub, integers, zero)?
            }
        };
        if call.shape(centered) != call.shape(value) {
            return Err(NodeError::shape(format!("its zero points do not fit {:?}", call.shape(value))));
        }
        let origin = match call.builder.dynamic(value) {
            Some(&Dynamic::Integers { real, scale, zero_point }) if zero == Some(zero_point) => Some((real, scale)),
            _ => None,
        };
        Ok(Self { centered, origin })
    }

    /// The reals that it approximates, or its integers as reals.
    fn real(&self, call: &mut Call) -> Result<ValueId> {
        match self.origin {
            Some((real, _)) => Ok(real),
            None => call.builder.retype(self.centered, DType::Float32),
        }
    }
}

/// A product of two factors: of their integers, with a note of the product of what they approximate.
fn product_of(
    call: &mut Call,
    factors: [Factor; 2],
    multiply: impl Fn(&mut Call, ValueId, ValueId) -> Result<ValueId>,
) -> Result<ValueId> {
    let result = multiply(call, factors[0].centered, factors[1].centered)?;
    let scales: Vec<ValueId> = factors.iter().filter_map(|factor| Some(factor.origin?.1)).collect();
    if !scales.is_empty() {
        let operands = [factors[0].real(call)?, factors[1].real(call)?];
        let real = multiply(call, operands[0], operands[1])?;
        call.builder.note_dynamic(result, Dynamic::Quotient { real, scales });
    }
    Ok(result)
}

/// Zero points of the rows of a left operand.
fn of_rows(mut shape: Vec<usize>) -> Vec<usize> {
    if shape.len() == 1 && shape[0] != 1 {
        shape.push(1);
    }
    shape
}

/// Zero points of the output channels of weights.
fn of_channels(call: &Call, weights: usize) -> Result<impl Fn(Vec<usize>) -> Vec<usize>> {
    let rank = call.rank(call.input(weights)?);
    Ok(move |mut shape: Vec<usize>| {
        if shape.len() == 1 {
            shape.resize(rank.max(1), 1);
        }
        shape
    })
}

fn matmul_integer(call: &mut Call) -> Result {
    let factors = [Factor::read(call, 0, 2, of_rows)?, Factor::read(call, 1, 3, |shape| shape)?];
    Ok(vec![product_of(call, factors, matrix::product)?])
}

fn conv_integer(call: &mut Call) -> Result {
    let place = of_channels(call, 1)?;
    let factors = [Factor::read(call, 0, 2, |shape| shape)?, Factor::read(call, 1, 3, place)?];
    Ok(vec![product_of(call, factors, |call, input, weights| conv::convolve(call, input, weights, None))?])
}

/// `(A − a)·(B − b)` by the scales of both.
fn matmul_integer_to_float(call: &mut Call) -> Result {
    let factors = [Factor::read(call, 0, 4, of_rows)?, Factor::read(call, 1, 5, |shape| shape)?];
    let scales = [call.input(2)?, call.input(3)?];
    scaled_product(call, factors, scales, 6)
}

/// The product of two factors by the product of two scales, with a bias; the order is that of the runtime's roundings.
fn scaled_product(call: &mut Call, factors: [Factor; 2], scales: [ValueId; 2], bias: usize) -> Result {
    let sum = product_of(call, factors, matrix::product)?;
    let result = call.builder.retype(sum, DType::Float32)?;
    pass(call.builder, sum, result);
    let scale = times(call, scales[0], scales[1])?;
    let result = times(call, result, scale)?;
    add_bias(call, result, bias)
}

/// A product, by what dynamic scales mean where they are in it.
fn times(call: &mut Call, a: ValueId, b: ValueId) -> Result<ValueId> {
    match product(call, a, b)? {
        Some(result) => Ok(result),
        None => call.builder.binary(BinaryFunction::Mul, a, b),
    }
}

/// `A·scale·(B − b)`, `A` quantized dynamically.
fn dynamic_quantize_matmul(call: &mut Call) -> Result {
    let (a, scale) = (call.input(0)?, call.input(2)?);
    let weights = Factor::read(call, 1, 3, |shape| shape)?;
    let columns = call.shape(weights.centered).last().copied().unwrap_or(1);
    if !matches!(call.builder.elements(scale), count if count == 1 || count == columns) {
        return Err(NodeError::shape(format!("scales of shape {:?} do not fit its weights", call.shape(scale))));
    }
    let [integers, own_scale, zero_point] = quantize(call, a)?;
    let factor = Factor::of(call, integers, Some(zero_point), |shape| shape)?;
    scaled_product(call, [factor, weights], [own_scale, scale], 4)
}

fn add_bias(call: &mut Call, value: ValueId, index: usize) -> Result {
    let Some(bias) = call.optional(index) else { return Ok(vec![value]) };
    Ok(vec![call.builder.binary(BinaryFunction::Add, value, bias)?])
}

/// An LSTM by the reals that its weights stand for. They are stored transposed, `[directions, inputs, 4·hidden]`, with a
/// scale and a zero point for each direction, or for each of its columns.
fn dynamic_quantize_lstm(call: &mut Call) -> Result {
    for (weights, scale) in [(1, 8), (2, 10)] {
        let value = call.input(weights)?;
        let tensor = call.constant(value, "the weight tensor")?;
        let [directions, rows, columns] = tensor.shape[..] else {
            return Err(NodeError::shape(format!("weights of shape {:?}, not three axes", tensor.shape)));
        };
        let flat = |call: &mut Call, index: usize| -> Result<ValueId> {
            let value = call.input(index)?;
            let count = call.shape(value).iter().product();
            call.builder.reshape(value, vec![count])
        };
        let (scale_list, zero_list) = (flat(call, scale)?, flat(call, scale + 1)?);
        let scale_list = scales(call, scale_list)?;
        let zero_list = zeros(call, Some(zero_list), call.dtype(value))?;
        let one_each = [1, directions, directions * columns];
        if !one_each.contains(&scale_list.len()) || !one_each.contains(&zero_list.len()) {
            return Err(NodeError::shape(format!("{} scales for weights {:?}", scale_list.len(), tensor.shape)));
        }
        let place = |count: usize, i: usize| match count {
            1 => 0,
            count if count == directions => i / (rows * columns),
            _ => i / (rows * columns) * columns + i % columns,
        };
        let real = |(i, &q): (usize, &f64)| {
            let centered = q as i64 - i64::from(zero_list[place(zero_list.len(), i)]);
            f64::from(centered as f32 * scale_list[place(scale_list.len(), i)])
        };
        let data = tensor.data.iter().enumerate().map(real).collect();
        let stored = call.builder.constant(tensor.shape.clone(), data, DType::Float32)?;
        call.inputs[weights] = Some(call.builder.transpose(stored, &[0, 2, 1])?);
    }
    call.inputs.truncate(8);
    let results = recurrent::lstm(call)?;
    results.iter().for_each(|&result| call.builder.note_approximation(result));
    Ok(results)
}

/// What stands for something dynamic keeps its meaning as another type.
pub(super) fn pass(builder: &mut Builder, from: ValueId, to: ValueId) {
    if let Some(meaning @ Dynamic::Quotient { .. }) = builder.dynamic(from).cloned() {
        builder.note_dynamic(to, meaning);
    }
}

/// The reals that dynamic integers approximate, where these are dequantized with their own scale and zero point.
pub(super) fn dequantized(call: &mut Call, [value, scale, zero]: [Option<ValueId>; 3]) -> Result<Option<ValueId>> {
    let (Some(value), Some(scale), Some(zero)) = (value, scale, zero) else { return Ok(None) };
    let builder = &mut *call.builder;
    match builder.dynamic(value) {
        Some(&Dynamic::Integers { real, scale: own, zero_point }) if (scale, zero) == (own, zero_point) => {
            // A value of its own, as what is read before quantization is another one in float32 arithmetic.
            let shape = builder.shape(real).to_vec();
            let approximated = builder.emit(FloatOp::Reshape(real), shape, DType::Float32)?;
            builder.note_approximation(approximated);
            let [integers, zero] = [builder.retype(value, DType::Int32)?, builder.retype(zero, DType::Int32)?];
            let centered = builder.binary(BinaryFunction::Sub, integers, zero)?;
            let centered = builder.retype(centered, DType::Float32)?;
            let exact = builder.binary(BinaryFunction::Mul, centered, scale)?;
            builder.note_exact(approximated, exact);
            Ok(Some(approximated))
        }
        _ => Ok(None),
    }
}

/// A product that dynamic scales take part in: where all of them cancel, the real that is left.
pub(super) fn product(call: &mut Call, a: ValueId, b: ValueId) -> Result<Option<ValueId>> {
    let builder = &mut *call.builder;
    let meanings = [a, b].map(|value| builder.dynamic(value).cloned());
    let constant = |value: ValueId| builder.tensor(value).is_some();
    let meaning = match (meanings, [constant(a), constant(b)]) {
        ([Some(Dynamic::Scales { scales, factor: None }), None], [_, true]) => {
            Dynamic::Scales { scales, factor: Some(b) }
        }
        ([None, Some(Dynamic::Scales { scales, factor: None })], [true, _]) => {
            Dynamic::Scales { scales, factor: Some(a) }
        }
        ([Some(Dynamic::Scales { scales, factor }), Some(Dynamic::Scales { scales: more, factor: other })], _)
            if factor.is_none() || other.is_none() =>
        {
            Dynamic::Scales { scales: [scales, more].concat(), factor: factor.or(other) }
        }
        ([Some(Dynamic::Quotient { real, scales }), None], [_, true]) => {
            Dynamic::Quotient { real: builder.binary(BinaryFunction::Mul, real, b)?, scales }
        }
        ([None, Some(Dynamic::Quotient { real, scales })], [true, _]) => {
            Dynamic::Quotient { real: builder.binary(BinaryFunction::Mul, real, a)?, scales }
        }
        ([Some(Dynamic::Quotient { real, scales }), Some(Dynamic::Scales { scales: by, factor })], _)
        | ([Some(Dynamic::Scales { scales: by, factor }), Some(Dynamic::Quotient { real, scales })], _) => {
            let Some(left) = without(&scales, &by) else { return Ok(None) };
            let real = match factor {
                Some(factor) => builder.binary(BinaryFunction::Mul, real, factor)?,
                None => real,
            };
            if left.is_empty() {
                builder.note_approximation(real);
                let exact = builder.binary(BinaryFunction::Mul, a, b)?;
                builder.note_exact(real, exact);
                return Ok(Some(real));
            }
            Dynamic::Quotient { real, scales: left }
        }
        _ => return Ok(None),
    };
    let result = builder.binary(BinaryFunction::Mul, a, b)?;
    builder.note_dynamic(result, meaning);
    Ok(Some(result))
}

/// A list without the elements of another, each of which is in it.
fn without(list: &[ValueId], others: &[ValueId]) -> Option<Vec<ValueId>> {
    let mut left = list.to_vec();
    for other in others {
        let at = left.iter().position(|value| value == other)?;
        left.swap_remove(at);
    }
    Some(left)
}
