//! Normalization: by the statistics of training (`scale·(x − mean)/√(var + epsilon) + bias` per channel), or by those of the
//! data itself, over the axes of each operator.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::lower::call::{resolve_axes, resolve_axis};
use crate::lower::Call;
use crate::registry::{microsoft, onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("BatchNormalization", &[since(6, 5, 5, 5), since(14, 5, 5, 3)], batch_normalization),
    onnx("LayerNormalization", &[since(1, 2, 3, 3)], |call| layer_normalization(call, true)),
    // The runtime has it in this domain from operator set 1 on; the standard does not.
    onnx("SimplifiedLayerNormalization", &[since(1, 2, 2, 2)], |call| layer_normalization(call, false)),
    onnx("RMSNormalization", &[since(23, 2, 2, 1)], |call| layer_normalization(call, false)),
    onnx("InstanceNormalization", &[since(6, 3, 3, 1)], instance_normalization),
    onnx("GroupNormalization", &[since(18, 3, 3, 1)], group_normalization),
    onnx("MeanVarianceNormalization", &[since(9, 1, 1, 1)], mean_variance_normalization),
    onnx("LpNormalization", &[since(1, 1, 1, 1)], lp_normalization),
    microsoft("SkipLayerNormalization", &[since(1, 3, 5, 4)], |call| skip_layer_normalization(call, true)),
    microsoft("SkipSimplifiedLayerNormalization", &[since(1, 3, 4, 4)], |call| skip_layer_normalization(call, false)),
];

fn batch_normalization(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let epsilon = call.attributes.float_or("epsilon", 1e-5)?;
    call.attributes.float("momentum")?;
    if call.version < 7 && !call.attributes.flag("is_test", false)? {
        return Err(NodeError::unsupported("training mode is not supported", "export the model for inference"));
    }
    if call.version < 9 && !call.attributes.flag("spatial", true)? {
        return Err(NodeError::unsupported("statistics per position are not supported", "export with spatial = 1"));
    }
    if call.version >= 14 && call.attributes.flag("training_mode", false)? {
        return Err(NodeError::unsupported("training mode is not supported", "export the model for inference"));
    }
    let shape = call.shape(input);
    let channels = *shape.get(1).ok_or_else(|| NodeError::shape(format!("no channels in shape {shape:?}")))?;
    let mut parameters = [input; 4];
    for (index, parameter) in parameters.iter_mut().enumerate() {
        *parameter = call.input(index + 1)?;
        if call.shape(*parameter) != [channels] {
            let found = call.shape(*parameter);
            return Err(NodeError::shape(format!("a parameter of shape {found:?} for {channels} channels")));
        }
    }
    let (factor, offset) = factor_and_offset(call, parameters, epsilon)?;
    let result = scaled_by_channels(call, input, factor, offset)?;
    if let Some([factor, offset]) = rounded_stepwise(call, parameters, epsilon)? {
        let exact = scaled_by_channels(call, input, factor, offset)?;
        call.builder.note_exact(result, exact);
    }
    Ok(vec![result])
}

/// `factor·x + offset` of each channel.
fn scaled_by_channels(call: &mut Call, input: ValueId, factor: ValueId, offset: ValueId) -> Result<ValueId> {
    let shape = call.shape(input);
    let mut wide = vec![1; shape.len()];
    wide[1] = shape[1];
    let factor = call.builder.reshape(factor, wide.clone())?;
    let offset = call.builder.reshape(offset, wide)?;
    let scaled = call.builder.binary(BinaryFunction::Mul, input, factor)?;
    call.builder.binary(BinaryFunction::Add, scaled, offset)
}

/// The factor and the offset that the runtime has in float32, where all parameters are known: `1/√(var + epsilon)` times the scale, and the bias
/// less the mean times that, each operation rounded.
fn rounded_stepwise(call: &mut Call, parameters: [ValueId; 4], epsilon: f64) -> Result<Option<[ValueId; 2]>> {
    let builder = &mut *call.builder;
    if parameters.iter().any(|&parameter| builder.dtype(parameter) != DType::Float32) {
        return Ok(None);
    }
    let known = parameters.map(|value| builder.tensor(value).map(|tensor| tensor.data.clone()));
    let [Some(scale), Some(bias), Some(mean), Some(variance)] = known else { return Ok(None) };
    let single = |data: &[f64], c: usize| data[c] as f32;
    let factors: Vec<f32> =
        (0..scale.len()).map(|c| 1.0 / (single(&variance, c) + epsilon as f32).sqrt() * single(&scale, c)).collect();
    let offsets = (0..factors.len()).map(|c| f64::from(single(&bias, c) - single(&mean, c) * factors[c])).collect();
    let factors = factors.iter().map(|&factor| f64::from(factor)).collect();
    let shape = vec![scale.len()];
    let factor = builder.constant(shape.clone(), factors, DType::Float32)?;
    Ok(Some([factor, builder.constant(shape, offsets, DType::Float32)?]))
}

/// `scale/√(var + epsilon)` and `bias − mean·scale/√(var + epsilon)`, without rounding in between where all are known.
fn factor_and_offset(
    call: &mut Call,
    [scale, bias, mean, variance]: [ValueId; 4],
    epsilon: f64,
) -> Result<(ValueId, ValueId)> {
    let builder = &mut *call.builder;
    let known = [scale, bias, mean, variance].map(|value| builder.tensor(value).map(|tensor| tensor.data.clone()));
    if let [Some(scale_data), Some(bias_data), Some(mean_data), Some(variance_data)] = known {
        let factor: Vec<f64> =
            scale_data.iter().zip(variance_data.iter()).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let offset = (0..factor.len()).map(|c| bias_data[c] - mean_data[c] * factor[c]).collect();
        let (shape, dtype) = (vec![factor.len()], builder.dtype(scale));
        return Ok((builder.constant(shape.clone(), factor, dtype)?, builder.constant(shape, offset, dtype)?));
    }
    let shifted = builder.affine(variance, 1.0, epsilon)?;
    let deviation = builder.unary(UnaryFunction::Sqrt, shifted)?;
    let factor = builder.binary(BinaryFunction::Div, scale, deviation)?;
    let moved = builder.binary(BinaryFunction::Mul, mean, factor)?;
    let offset = builder.binary(BinaryFunction::Sub, bias, moved)?;
    Ok((factor, offset))
}

/// `c / √(mean c² + epsilon)` over some axes.
fn normalize(call: &mut Call, input: ValueId, axes: Vec<usize>, centered: bool, epsilon: f64) -> Result<ValueId> {
    let (shape, dtype) = (call.shape(input), call.dtype(input));
    if !dtype.is_float() {
        return Err(NodeError::data_type(format!("its operand is {}; it must be a float", dtype.name())));
    }
    if epsilon.is_nan() || epsilon < 0.0 {
        return Err(NodeError::attribute("epsilon", format!("{epsilon} is negative")));
    }
    call.builder.emit(FloatOp::Normalize { input, axes, centered, epsilon }, shape, dtype)
}

/// The epsilon of an operator, as the float32 number that it is.
fn epsilon(call: &Call, default: f64) -> Result<f64> {
    call.attributes.float_or("epsilon", default)
}

/// `scale·v + bias` under broadcasting to `v`.
fn scale_and_bias(
    call: &mut Call,
    mut value: ValueId,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
) -> Result<ValueId> {
    let shape = call.shape(value);
    for (function, parameter) in [(BinaryFunction::Mul, scale), (BinaryFunction::Add, bias)] {
        let Some(parameter) = parameter else { continue };
        // The statistics may be of another float type than the parameters.
        let parameter = call.builder.retype(parameter, call.dtype(value))?;
        value = call.builder.binary(function, value, parameter)?;
    }
    if call.shape(value) != shape {
        return Err(NodeError::shape(format!("its scale or bias does not broadcast to {shape:?}")));
    }
    Ok(value)
}

/// Over all axes from `axis` on. The mean and the inverse deviation, if read, are computed beside.
fn layer_normalization(call: &mut Call, centered: bool) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let (scale, bias) = (call.input(1)?, call.optional(2));
    let rank = call.rank(input);
    let axes: Vec<usize> = (call.axis(-1, rank)?..rank).collect();
    let epsilon = epsilon(call, 1e-5)?;
    call.attributes.int("stash_type")?;
    let value = normalize(call, input, axes.clone(), centered, epsilon)?;
    let mut results = vec![scale_and_bias(call, value, Some(scale), bias)?];
    let used = |index: usize| call.used_outputs.get(index) == Some(&true);
    if used(1) || used(2) {
        results.extend(statistics(call, input, &axes, centered, epsilon)?);
    }
    Ok(results)
}

/// The mean, if taken off, and the inverse deviation.
fn statistics(call: &mut Call, input: ValueId, axes: &[usize], centered: bool, epsilon: f64) -> Result<Vec<ValueId>> {
    let builder = &mut *call.builder;
    let (mut results, mut elements) = (Vec::new(), input);
    if centered {
        let mean = builder.reduce(input, ReduceKind::Mean, axes, true)?;
        elements = builder.binary(BinaryFunction::Sub, input, mean)?;
        results.push(mean);
    }
    let squares = builder.binary(BinaryFunction::Mul, elements, elements)?;
    let variance = builder.reduce(squares, ReduceKind::Mean, axes, true)?;
    let shifted = builder.affine(variance, 1.0, epsilon)?;
    let deviation = builder.unary(UnaryFunction::Sqrt, shifted)?;
    results.push(builder.unary(UnaryFunction::Reciprocal, deviation)?);
    Ok(results)
}

/// Number of channels of an operand `[N, C, …]`.
fn channels(call: &Call, input: ValueId) -> Result<usize> {
    let shape = call.shape(input);
    match shape[..] {
        [_, channels, _, ..] => Ok(channels),
        _ => Err(NodeError::shape(format!("shape {shape:?} has no positions behind its channels"))),
    }
}

/// A parameter for each of `count` channels, to be broadcast to a tensor with so many axes.
fn along_channels(call: &mut Call, index: usize, count: usize, rank: usize) -> Result<ValueId> {
    let parameter = call.input(index)?;
    if call.shape(parameter) != [count] {
        let found = call.shape(parameter);
        return Err(NodeError::shape(format!("a parameter of shape {found:?} for {count} channels or groups")));
    }
    let mut shape = vec![1; rank];
    shape[1] = count;
    call.builder.reshape(parameter, shape)
}

fn instance_normalization(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let (count, rank) = (channels(call, input)?, call.rank(input));
    let epsilon = epsilon(call, 1e-5)?;
    let value = normalize(call, input, (2..rank).collect(), true, epsilon)?;
    let (scale, bias) = (along_channels(call, 1, count, rank)?, along_channels(call, 2, count, rank)?);
    Ok(vec![scale_and_bias(call, value, Some(scale), Some(bias))?])
}

/// Over the channels of each group and all positions. Scale and bias are by group before operator set 21, then by channel.
fn group_normalization(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let (count, shape) = (channels(call, input)?, call.shape(input));
    let groups =
        call.attributes.int("num_groups")?.ok_or_else(|| NodeError::attribute("num_groups", "it is missing"))?;
    let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0 && count % groups == 0);
    let groups =
        groups.ok_or_else(|| NodeError::attribute("num_groups", format!("it does not divide {count} channels")))?;
    let epsilon = epsilon(call, 1e-5)?;
    call.attributes.int("stash_type")?;
    let grouped = vec![shape[0], groups, shape[1..].iter().product::<usize>() / groups];
    let by_group = call.builder.reshape(input, grouped)?;
    let mut value = normalize(call, by_group, vec![2], true, epsilon)?;
    let (parameters, rank) = if call.version < 21 { (groups, 3) } else { (count, shape.len()) };
    if call.version >= 21 {
        value = call.builder.reshape(value, shape.clone())?;
    }
    let (scale, bias) = (along_channels(call, 1, parameters, rank)?, along_channels(call, 2, parameters, rank)?);
    let value = scale_and_bias(call, value, Some(scale), Some(bias))?;
    Ok(vec![call.builder.reshape(value, shape)?])
}

/// The standard adds 10⁻⁹ to the deviation, which is next to nothing; a constant row gives zeros here too.
fn mean_variance_normalization(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let axes = call.attributes.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let mut axes = resolve_axes(&axes, call.rank(input))?;
    axes.sort_unstable();
    Ok(vec![normalize(call, input, axes, true, 0.0)?])
}

/// `v / (Σ abs(v)^p)^(1/p)` along an axis for `p` of 1 or 2.
fn lp_normalization(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let axis = resolve_axis(call.attributes.int_or("axis", -1)?, call.rank(input))?;
    let size = call.shape(input)[axis];
    match call.attributes.int_or("p", 2)? {
        2 => {
            let value = normalize(call, input, vec![axis], false, 0.0)?;
            Ok(vec![call.builder.affine(value, 1.0 / (size as f64).sqrt(), 0.0)?])
        }
        1 => {
            let magnitude = call.builder.unary(UnaryFunction::Abs, input)?;
            let sum = call.builder.reduce(magnitude, ReduceKind::Sum, &[axis], true)?;
            Ok(vec![call.builder.binary(BinaryFunction::Div, input, sum)?])
        }
        other => Err(NodeError::attribute("p", format!("{other} is neither 1 nor 2"))),
    }
}

/// Layer normalization of `input + skip + bias`, which is the fourth output.
fn skip_layer_normalization(call: &mut Call, centered: bool) -> Result<Vec<ValueId>> {
    let (input, skip, scale) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (shift, bias) = match centered {
        true => (call.optional(3), call.optional(4)),
        false => (None, call.optional(3)),
    };
    let epsilon = epsilon(call, 1e-12)?;
    if call.used_outputs.iter().skip(1).take(2).any(|&used| used) {
        return Err(NodeError::unsupported(
            "its mean and inverse deviation are not supported",
            "remove what reads them",
        ));
    }
    let shape = call.shape(input);
    let mut sum = call.builder.binary(BinaryFunction::Add, input, skip)?;
    if let Some(bias) = bias {
        sum = call.builder.binary(BinaryFunction::Add, sum, bias)?;
    }
    if call.shape(sum) != shape || shape.is_empty() {
        return Err(NodeError::shape(format!("its operands do not add up to {shape:?}")));
    }
    let value = normalize(call, sum, vec![shape.len() - 1], centered, epsilon)?;
    let value = scale_and_bias(call, value, Some(scale), shift)?;
    // The outputs between are not read.
    Ok(vec![value, value, value, sum])
}
