//! Quantized operators: QuantizeLinear, DequantizeLinear, QLinearConv, QLinearMatMul and those of onnxruntime.
//!
//! Quantized tensors become *centered* integers (see [`crate::float::quantized`]). A tensor that the model sees has its zero
//! point added again; where the next operator subtracts it, both vanish. As onnxruntime does, an operator between
//! DequantizeLinear and QuantizeLinear becomes the operator on integers.

mod blocks;
mod expressions;
mod fusion;
mod interpolation;
mod products;
mod qlinear;
mod scaled;
mod spelled_out;
mod wide;

pub(super) use interpolation::cut_off;

use super::{cast, dynamic};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{FloatOp, Tensor, UnaryFunction, ValueId};
use crate::float::quantized::Quantizer;
use crate::lower::{Builder, Call, Dequantized};
use crate::registry::{microsoft, onnx, since, Operator, VARIADIC};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("QuantizeLinear", &[since(10, 2, 3, 1)], quantize_linear),
    onnx("DequantizeLinear", &[since(10, 2, 3, 1)], dequantize_linear),
    microsoft("QuantizeLinear", &[since(1, 2, 3, 1)], |call| as_of_onnx(call, quantize_linear)),
    microsoft("DequantizeLinear", &[since(1, 2, 3, 1)], |call| as_of_onnx(call, dequantize_linear)),
    onnx("QLinearConv", &[since(10, 8, 9, 1)], qlinear::conv),
    onnx("QLinearMatMul", &[since(10, 8, 8, 1)], qlinear::matmul),
    microsoft("QLinearConv", &[since(1, 8, 9, 1)], qlinear::conv_of_either_order),
    microsoft("NhwcMaxPool", &[since(1, 1, 1, 1)], qlinear::max_pool_channels_last),
    microsoft("QGemm", &[since(1, 6, 9, 1)], qlinear::gemm),
    microsoft("QLinearAdd", &[since(1, 7, 8, 1)], qlinear::add),
    microsoft("QLinearMul", &[since(1, 7, 8, 1)], qlinear::mul),
    microsoft("QLinearSigmoid", &[since(1, 4, 5, 1)], qlinear::sigmoid),
    microsoft("QLinearLeakyRelu", &[since(1, 4, 5, 1)], qlinear::leaky_relu),
    microsoft("QLinearSoftmax", &[since(1, 5, 5, 1)], qlinear::softmax),
    microsoft("QLinearConcat", &[since(1, 5, VARIADIC, 1)], qlinear::concat),
    microsoft("QLinearWhere", &[since(1, 9, 9, 1)], qlinear::select),
    microsoft("QLinearAveragePool", &[since(1, 4, 5, 1)], qlinear::average_pool),
    microsoft("QLinearGlobalAveragePool", &[since(1, 5, 5, 1)], qlinear::global_average_pool),
    microsoft("MatMulNBits", &[since(1, 3, 6, 1)], blocks::matmul_n_bits),
    microsoft("QLinearReduceMean", &[since(1, 4, 5, 1)], qlinear::reduce_mean),
];

/// Those of `com.microsoft` are older copies, for types that the operators of ONNX had not yet.
fn as_of_onnx(call: &mut Call, lower: fn(&mut Call) -> Result<Vec<ValueId>>) -> Result<Vec<ValueId>> {
    call.version = 21;
    lower(call)
}

/// Scale, zero point and type of a tensor with one scale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Parameters {
    scale: f32,
    zero: i32,
    lo: i32,
    hi: i32,
    dtype: DType,
    /// What onnxruntime adds to the integers to compute with them as uint8, as it does on x86 with int8 between DequantizeLinear and
    /// QuantizeLinear.
    shift: i32,
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
        Ok(Self { scale: *scale, zero: *zero, lo, hi, dtype, shift: 0 })
    }

    /// The scale that operand 1 of QuantizeLinear holds, with a zero point of zero.
    fn of_type(call: &Call, dtype: DType) -> Result<Self> {
        let (lo, hi) = small_range(dtype)?;
        match scales(call, call.input(1)?)?[..] {
            [scale] => Ok(Self { scale, zero: 0, lo, hi, dtype, shift: 0 }),
            _ => Err(NodeError::shape("its scale must be one number")),
        }
    }

    fn quantizer(&self) -> Quantizer {
        Quantizer { scale: self.scale, lo: self.lo - self.zero, hi: self.hi - self.zero }
    }

    /// Reads operands `index` to `index + 2`: a tensor, its scale and zero point; gives the reals that it stands for.
    fn real(call: &mut Call, index: usize) -> Result<ValueId> {
        let (value, parameters) = (call.input(index)?, Self::read(call, index + 1)?);
        check_type(call, value, parameters.dtype)?;
        dequantize(call, value, &Scales::one(parameters.scale, parameters.zero), DType::Float32)
    }

    /// The integers of a real tensor, as the model has them.
    fn quantize(&self, call: &mut Call, real: ValueId) -> Result<Vec<ValueId>> {
        let found = fusion::integers(call, real, self)?;
        let in_reals = found.is_none() && !is_byte(self.dtype) && !is_input(call, real);
        let centered = match found {
            Some(centered) => {
                // The runtime rounds to the model's type in between.
                let narrow = matches!(call.dtype(real), DType::Float16 | DType::Bfloat16);
                if narrow && call.builder.tensor(real).is_none() {
                    call.builder.note_reals();
                }
                centered
            }
            None => {
                if is_byte(self.dtype) && !is_input(call, real) {
                    call.builder.note_reals();
                }
                let (shape, quantizer) = (call.shape(real), self.quantizer());
                call.builder.emit(FloatOp::Quantize { input: real, quantizer }, shape, DType::Int32)?
            }
        };
        let integers = raw(call, centered, self.zero, self.dtype)?;
        if in_reals {
            // A table to 16 bits would be long. The ends of the type may stand for a function that was left out of the model.
            let Quantizer { scale, lo, hi } = self.quantizer();
            let [lo, hi] = [lo, hi].map(|end| f64::from(end as f32 * scale));
            let clipped = call.builder.unary(UnaryFunction::Clip { lo, hi }, real)?;
            call.builder.note_wide(integers, clipped, self.scale, self.zero);
        }
        Ok(vec![integers])
    }

    /// Whether a real tensor was dequantized with these parameters.
    fn are_those_of(&self, source: &Dequantized, builder: &Builder) -> bool {
        source.scales[..] == [self.scale]
            && source.zero_point == Some(self.zero)
            && builder.dtype(source.raw) == self.dtype
    }
}

/// Whether a value is an input of the model, perhaps moved.
fn is_input(call: &Call, mut value: ValueId) -> bool {
    loop {
        match call.builder.op(value) {
            FloatOp::Input(_) => return true,
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                value = *input
            }
            _ => return false,
        }
    }
}

fn small_range(dtype: DType) -> Result<(i32, i32)> {
    match dtype.integer_range() {
        Some((lo, hi)) if is_byte(dtype) || matches!(dtype, DType::Int16 | DType::Uint16) => Ok((lo as i32, hi as i32)),
        _ => Err(NodeError::data_type(format!("it quantizes to {}, which is no type of 4 to 16 bits", dtype.name()))),
    }
}

/// From int8 to uint8.
const UNSIGNED_SHIFT: i32 = 128;

/// Whether a type has 8 bits or fewer: functions of it are small tables.
fn is_byte(dtype: DType) -> bool {
    matches!(dtype, DType::Int8 | DType::Uint8 | DType::Int4 | DType::Uint4)
}

/// The scales that a value holds, each positive and finite.
pub(super) fn scales(call: &Call, value: ValueId) -> Result<Vec<f32>> {
    if !matches!(call.dtype(value), DType::Float32 | DType::Float16 | DType::Bfloat16) {
        return Err(NodeError::data_type(format!("its scale is {}, not a float type", call.dtype(value).name())));
    }
    let tensor = call.constant(value, "the scale")?;
    match tensor.data.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
        Some(scale) => Err(NodeError::unsupported(
            format!("a scale of {scale} is not positive and finite"),
            "quantize the model again",
        )),
        None if tensor.data.is_empty() => Err(NodeError::shape("it has no scales")),
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
    if tensor.data.is_empty() {
        return Err(NodeError::shape("it has no zero points"));
    }
    Ok(tensor.data.iter().map(|&zero| zero as i32).collect())
}

fn check_type(call: &Call, value: ValueId, dtype: DType) -> Result<()> {
    if call.dtype(value) == dtype {
        return Ok(());
    }
    let (found, expected) = (call.dtype(value).name(), dtype.name());
    Err(NodeError::data_type(format!("its operand is {found}, and its zero point {expected}")))
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
    centered_behind(call, value, zero, fusion::MAX_MOVES)
}

fn centered_behind(call: &mut Call, value: ValueId, zero: i32, moves: usize) -> Result<ValueId> {
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
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::MaxPool { input, .. } if moves > 0 => {
            let input = centered_behind(call, input, zero, moves - 1)?;
            return call.builder.emit(op.clone_with(|_| input), shape, DType::Int32);
        }
        FloatOp::Reindex { input, map, fill } if moves > 0 => {
            let (input, fill) = (centered_behind(call, input, zero, moves - 1)?, fill - f64::from(zero));
            return call.builder.emit(FloatOp::Reindex { input, map, fill }, shape, DType::Int32);
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

/// Scales and zero points of a tensor: one for all, one for each position of an axis, or one for each block of positions.
struct Scales {
    scales: Vec<f32>,
    zeros: Vec<i32>,
    axis: usize,
    /// Positions of a block, and the shape of the scales, where they go by blocks.
    blocks: Option<(usize, Vec<usize>)>,
}

impl Scales {
    fn one(scale: f32, zero: i32) -> Self {
        Self { scales: vec![scale], zeros: vec![zero], axis: 0, blocks: None }
    }

    /// Reads operands 1 and 2 of QuantizeLinear or DequantizeLinear for a tensor, with zero points of a type.
    fn read(call: &Call, value: ValueId, dtype: DType) -> Result<Self> {
        let rank = call.rank(value) as i64;
        let axis = if call.version >= 13 { call.attributes.int_or("axis", 1)? } else { 1 };
        let axis = if axis < 0 { axis + rank } else { axis };
        let axis = usize::try_from(axis).map_err(|_| NodeError::attribute("axis", format!("{axis} of {rank} axes")))?;
        let block = if call.version >= 21 { call.attributes.int_or("block_size", 0)? } else { 0 };
        let (scale, zero) = (call.input(1)?, call.optional(2));
        let (scales, zeros) = (scales(call, scale)?, zeros(call, zero, dtype)?);
        if zeros.len() != 1 && zeros.len() != scales.len() {
            return Err(NodeError::shape(format!("{} zero points for {} scales", zeros.len(), scales.len())));
        }
        let blocks = match usize::try_from(block).map_err(|_| NodeError::attribute("block_size", "it is negative"))? {
            0 if call.rank(scale) > 1 => return Err(NodeError::attribute("block_size", "it is missing")),
            0 => None,
            block => Some((block, call.shape(scale))),
        };
        Ok(Self { scales, zeros, axis, blocks })
    }

    /// Which scale and which zero point each element of a tensor has.
    fn places(&self, tensor: &Tensor) -> Result<Vec<[usize; 2]>> {
        let count = tensor.data.len();
        let Some((block, of)) = &self.blocks else {
            let at = [along(tensor, self.axis, self.scales.len())?, along(tensor, self.axis, self.zeros.len())?];
            return Ok((0..count).map(|i| [at[0](i), at[1](i)]).collect());
        };
        let fits = |(axis, (&size, &blocks)): (usize, (&usize, &usize))| {
            blocks == if axis == self.axis { size.div_ceil(*block) } else { size }
        };
        let same_rank = of.len() == tensor.shape.len() && self.axis < of.len();
        if !same_rank || !tensor.shape.iter().zip(of).enumerate().all(fits) {
            return Err(NodeError::shape(format!("scales {of:?} in blocks of {block} for {:?}", tensor.shape)));
        }
        let inner: usize = tensor.shape[self.axis + 1..].iter().product();
        let (size, blocks) = (tensor.shape[self.axis], of[self.axis]);
        let place = |i: usize| (i / (inner * size) * blocks + i / inner % size / block) * inner + i % inner;
        Ok((0..count).map(|i| [place(i), if self.zeros.len() == 1 { 0 } else { place(i) }]).collect())
    }
}

fn quantize_linear(call: &mut Call) -> Result<Vec<ValueId>> {
    if call.version >= 13 {
        call.attributes.int_or("axis", 1)?;
    }
    if call.version >= 19 {
        call.attributes.int_or("saturate", 1)?;
    }
    let (mut dtype, mut block) = (None, 0);
    if call.version >= 21 {
        block = call.attributes.int_or("block_size", 0)?;
        dtype = Some(call.attributes.int_or("output_dtype", 0)?).filter(|&code| code != 0);
    }
    if call.version >= 23 && call.attributes.int_or("precision", 0)? != 0 {
        return Err(NodeError::attribute("precision", "leave it out"));
    }
    let input = call.input(0)?;
    if scales(call, call.input(1)?)?.len() > 1 || block != 0 {
        return quantize_weights(call, input, dtype);
    }
    let parameters = match (dtype, call.optional(2)) {
        (Some(code), None) => Parameters::of_type(call, cast::target_type(code, "output_dtype")?)?,
        _ => Parameters::read(call, 1)?,
    };
    if !call.dtype(input).is_float() {
        return Err(NodeError::data_type(format!("its operand is {}, not a float type", call.dtype(input).name())));
    }
    let shift = if parameters.dtype == DType::Int8 { UNSIGNED_SHIFT } else { 0 };
    Parameters { shift, ..parameters }.quantize(call, input)
}

/// Constants with several scales, which training with quantization leaves in floats.
fn quantize_weights(call: &mut Call, input: ValueId, dtype: Option<i64>) -> Result<Vec<ValueId>> {
    let Some(tensor) = call.builder.tensor(input).cloned() else {
        return Err(NodeError::unsupported("activations with several scales", "quantize activations per tensor"));
    };
    let dtype = match (dtype, call.optional(2)) {
        (_, Some(zero)) => call.dtype(zero),
        (Some(code), None) => cast::target_type(code, "output_dtype")?,
        (None, None) => DType::Uint8,
    };
    let (lo, hi) = small_range(dtype)?;
    let parameters = Scales::read(call, input, dtype)?;
    let places = parameters.places(&tensor)?;
    let integer = |(&value, place): (&f64, &[usize; 2])| {
        let zero = parameters.zeros[place[1]];
        let quantizer = Quantizer { scale: parameters.scales[place[0]], lo: lo - zero, hi: hi - zero };
        quantizer.quantize(value) + f64::from(zero)
    };
    let data = tensor.data.iter().zip(&places).map(integer).collect();
    Ok(vec![call.builder.constant(tensor.shape.clone(), data, dtype)?])
}

fn dequantize_linear(call: &mut Call) -> Result<Vec<ValueId>> {
    let value = call.input(0)?;
    let operands = [0, 1, 2].map(|index| call.optional(index));
    if let Some(real) = dynamic::dequantized(call, operands)? {
        return Ok(vec![real]);
    }
    let dtype = call.dtype(value);
    if !is_byte(dtype) && !matches!(dtype, DType::Int16 | DType::Uint16 | DType::Int32) {
        return Err(NodeError::data_type(format!("it dequantizes {}", dtype.name())));
    }
    let parameters = Scales::read(call, value, dtype)?;
    let real = call.dtype(call.input(1)?);
    Ok(vec![dequantize(call, value, &parameters, real)?])
}

/// The reals of a type that integers stand for, with a note of where they come from.
fn dequantize(call: &mut Call, value: ValueId, parameters: &Scales, real: DType) -> Result<ValueId> {
    let Scales { scales, zeros, axis, blocks } = parameters;
    let zero_point = zeros.iter().all(|&zero| zero == zeros[0]).then_some(zeros[0]);
    let (result, centered) = if let Some(tensor) = call.builder.tensor(value).cloned() {
        let places = parameters.places(&tensor)?;
        let centered = |(&q, place): (&f64, &[usize; 2])| q - f64::from(zeros[place[1]]);
        let integers: Vec<f64> = tensor.data.iter().zip(&places).map(centered).collect();
        let reals = integers.iter().zip(&places).map(|(&c, place)| f64::from(c as f32 * scales[place[0]])).collect();
        let result = call.builder.constant(tensor.shape.clone(), reals, real)?;
        if blocks.is_some() {
            return Ok(result);
        }
        (result, call.builder.constant(tensor.shape, integers, DType::Int32)?)
    } else {
        let ([scale], Some(zero), None) = (&scales[..], zero_point, blocks) else {
            return Err(NodeError::unsupported("activations with several scales", "quantize activations per tensor"));
        };
        if let Some(real) = call.builder.wide(value, *scale, zero) {
            return Ok(real);
        }
        let (lo, hi) = call.dtype(value).integer_range().expect("integer types have a range");
        let quantizer = Quantizer { scale: *scale, lo: lo as i32 - zero, hi: hi as i32 - zero };
        let (centered, shape) = (centered(call, value, zero)?, call.shape(value));
        (call.builder.emit(FloatOp::Dequantize { input: centered, quantizer }, shape, real)?, centered)
    };
    let from = Dequantized { raw: value, centered, scales: scales[..].into(), axis: *axis, zero_point };
    call.builder.note_dequantized(result, from);
    Ok(result)
}
