//! Operators on quantized tensors: QLinearConv, QLinearMatMul and those of onnxruntime.
//!
//! Most are the operator between DequantizeLinear and QuantizeLinear.

use super::{centered, centered_weights, check_type, products, raw, scales, zeros, Parameters, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::call::{resolve_axes, resolve_axis};
use crate::lower::Call;
use crate::ops::{conv as convolutions, pool, softmax as softmaxes, window};

pub(super) fn conv(call: &mut Call) -> Result<Vec<ValueId>> {
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
    let groups = convolutions::groups(call, shape[1], size[0])?;
    if size[1] * groups != shape[1] {
        return Err(NodeError::shape(format!("weights {size:?} in {groups} groups over an input {shape:?}")));
    }
    if scales.len() != 1 && scales.len() != size[0] {
        return Err(NodeError::shape(format!("{} scales for {} channels", scales.len(), size[0])));
    }
    let mut geometry = window::read(call, axes, Some([size[2], size[3]]), true)?;
    let output = geometry.resolve([shape[2], shape[3]], false)?;
    let bias = integer_bias(call, 8, size[0])?;
    let rule = products::rule(products::multipliers(from.scale, &scales, to.scale, size[0])?, &to, 0);
    let result = products::convolve(call, [input, weights, bias], (geometry.window, groups), output, rule)?;
    let result = window::lower(call, result, axes)?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
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

pub(super) fn matmul(call: &mut Call) -> Result<Vec<ValueId>> {
    let weights = call.input(3)?;
    let per_channel = call.shape(call.input(4)?).iter().product::<usize>() > 1;
    let constant = call.builder.tensor(weights).is_some() && call.rank(weights) == 2;
    if constant && (per_channel || call.rank(call.input(0)?) == 2) {
        let (from, to) = (Parameters::read(call, 1)?, Parameters::read(call, 6)?);
        return matrix_product(call, from, to, false, None);
    }
    binary(call, crate::ops::matrix::product)
}

pub(super) fn gemm(call: &mut Call) -> Result<Vec<ValueId>> {
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
    let shape = call.shape(input);
    let (Some((&inner, rows)), Some(&size)) = (shape.split_last(), call.shape(weights).get(1 - axis)) else {
        return Err(NodeError::shape(format!("cannot multiply {shape:?} by {:?}", call.shape(b))));
    };
    if inner != size {
        return Err(NodeError::shape(format!("cannot multiply {shape:?} by {:?}", call.shape(b))));
    }
    let flat = call.builder.reshape(input, vec![rows.iter().product(), inner])?;
    let rule = products::rule(products::multipliers(from.scale, &scales, to.scale, channels)?, &to, 0);
    let result = products::multiply(call, [flat, weights, bias], transposed, rule)?;
    let result = call.builder.reshape(result, [rows, &[channels]].concat())?;
    Ok(vec![raw(call, result, to.zero, to.dtype)?])
}

/// An operator on operands 0 and 3, each before its scale and zero point; those of the result follow.
fn binary(call: &mut Call, operator: impl Fn(&mut Call, ValueId, ValueId) -> Result<ValueId>) -> Result<Vec<ValueId>> {
    let operands = [Parameters::real(call, 0)?, Parameters::real(call, 3)?];
    let result = operator(call, operands[0], operands[1])?;
    Parameters::read(call, 6)?.quantize(call, result)
}

pub(super) fn add(call: &mut Call) -> Result<Vec<ValueId>> {
    binary(call, |call, a, b| call.builder.binary(BinaryFunction::Add, a, b))
}

pub(super) fn mul(call: &mut Call) -> Result<Vec<ValueId>> {
    binary(call, |call, a, b| call.builder.binary(BinaryFunction::Mul, a, b))
}

/// An operator on operand 0; scale and zero point of the result are operands 3 and 4.
fn unary(call: &mut Call, operator: impl Fn(&mut Call, ValueId) -> Result<ValueId>) -> Result<Vec<ValueId>> {
    let (operand, to) = (Parameters::real(call, 0)?, Parameters::read(call, 3)?);
    let result = operator(call, operand)?;
    to.quantize(call, result)
}

pub(super) fn sigmoid(call: &mut Call) -> Result<Vec<ValueId>> {
    unary(call, |call, x| call.builder.unary(UnaryFunction::Sigmoid, x))
}

pub(super) fn leaky_relu(call: &mut Call) -> Result<Vec<ValueId>> {
    let alpha = call.attributes.float_or("alpha", 0.01)?;
    unary(call, |call, x| call.builder.unary(UnaryFunction::LeakyRelu(alpha), x))
}

pub(super) fn softmax(call: &mut Call) -> Result<Vec<ValueId>> {
    let version = call.attributes.int("opset")?.ok_or_else(|| NodeError::attribute("opset", "it is missing"))?;
    let to = Parameters::read(call, 3)?;
    let operand = Parameters::real(call, 0)?;
    call.inputs = vec![Some(operand)];
    call.version = version;
    let result = softmaxes::softmax(call)?[0];
    to.quantize(call, result)
}

/// Scale and zero point of the result come first, then each operand with its own.
pub(super) fn concat(call: &mut Call) -> Result<Vec<ValueId>> {
    let to = Parameters::read(call, 0)?;
    let operands =
        (2..call.inputs.len()).step_by(3).map(|index| Parameters::real(call, index)).collect::<Result<Vec<_>>>()?;
    let axis = call.attributes.int("axis")?.ok_or_else(|| NodeError::attribute("axis", "it is missing"))?;
    let axis = resolve_axis(axis, call.rank(operands[0]))?;
    let result = call.builder.concat(&operands, axis)?;
    to.quantize(call, result)
}

pub(super) fn select(call: &mut Call) -> Result<Vec<ValueId>> {
    let condition = call.input(0)?;
    if call.dtype(condition) != DType::Bool {
        return Err(NodeError::data_type(format!("its condition is {}, not bool", call.dtype(condition).name())));
    }
    let (then, otherwise) = (Parameters::real(call, 1)?, Parameters::real(call, 4)?);
    let result = call.builder.select(condition, then, otherwise)?;
    Parameters::read(call, 7)?.quantize(call, result)
}

/// An operator whose operand 0 and result have channels in the last axis where the model says so, as onnxruntime saves models that it
/// optimized for a processor.
fn either_order(call: &mut Call, operator: fn(&mut Call) -> Result<Vec<ValueId>>) -> Result<Vec<ValueId>> {
    match call.attributes.flag("channels_last", false)? {
        true => channels_last(call, operator),
        false => operator(call),
    }
}

/// An operator on channels in the last axis, by the one on channels in the second.
fn channels_last(call: &mut Call, operator: fn(&mut Call) -> Result<Vec<ValueId>>) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let rank = call.rank(input);
    if rank < 3 {
        return Err(NodeError::shape(format!("its operand has shape {:?}, without spatial axes", call.shape(input))));
    }
    let first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let last: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    call.inputs[0] = Some(call.builder.transpose(input, &first)?);
    let results = operator(call)?;
    results.into_iter().map(|result| call.builder.transpose(result, &last)).collect()
}

/// QLinearConv of `com.microsoft`, whose weights have the order of ONNX in either case.
pub(super) fn conv_of_either_order(call: &mut Call) -> Result<Vec<ValueId>> {
    either_order(call, conv)
}

/// MaxPool of quantized tensors with channels in the last axis.
pub(super) fn max_pool_channels_last(call: &mut Call) -> Result<Vec<ValueId>> {
    /// The first operator set whose windows have all attributes.
    const VERSION: i64 = 12;
    call.version = VERSION;
    channels_last(call, pool::max_pool)
}

pub(super) fn average_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    /// The last operator set before windows of averages had dilations.
    const VERSION: i64 = 11;
    either_order(call, |call| {
        let to = Parameters::read(call, 3)?;
        let operand = Parameters::real(call, 0)?;
        call.inputs = vec![Some(operand)];
        call.version = VERSION;
        let result = pool::average_pool(call)?[0];
        to.quantize(call, result)
    })
}

pub(super) fn global_average_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    either_order(call, |call| {
        unary(call, |call, x| {
            call.inputs = vec![Some(x)];
            Ok(pool::global_average_pool(call)?[0])
        })
    })
}

pub(super) fn reduce_mean(call: &mut Call) -> Result<Vec<ValueId>> {
    let keep = call.attributes.flag("keepdims", true)?;
    let axes = call.attributes.ints("axes")?;
    unary(call, |call, x| {
        let rank = call.rank(x);
        let axes = match &axes {
            Some(axes) => resolve_axes(axes, rank)?,
            None => (0..rank).collect(),
        };
        call.builder.reduce(x, ReduceKind::Mean, &axes, keep)
    })
}
