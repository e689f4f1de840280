//! BatchNormalization with the statistics of training: `scale·(x − mean)/√(var + epsilon) + bias` per channel.

use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("BatchNormalization", &[since(6, 5, 5, 5), since(14, 5, 5, 3)], batch_normalization)];

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
    let mut wide = vec![1; shape.len()];
    wide[1] = channels;
    let factor = call.builder.reshape(factor, wide.clone())?;
    let offset = call.builder.reshape(offset, wide)?;
    let scaled = call.builder.binary(BinaryFunction::Mul, input, factor)?;
    Ok(vec![call.builder.binary(BinaryFunction::Add, scaled, offset)?])
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
