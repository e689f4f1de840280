//! LRN: each element divided by a power of the mean square of the channels around it.

use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId, Window};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("LRN", &[since(1, 1, 1, 1)], lrn)];

/// `x / (bias + alpha/size · Σ x²)^beta`, the sum over `size` channels, those beyond the first and last being zeros.
fn lrn(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let size = call.attributes.int("size")?.ok_or_else(|| NodeError::attribute("size", "it is missing"))?;
    let (alpha, beta) = (call.attributes.float_or("alpha", 1e-4)?, call.attributes.float_or("beta", 0.75)?);
    let bias = call.attributes.float_or("bias", 1.0)?;
    let (shape, dtype) = (call.shape(input), call.dtype(input));
    if shape.len() < 3 || !dtype.is_float() {
        return Err(NodeError::shape(format!("its operand, {} of shape {shape:?}, has no channels", dtype.name())));
    }
    let size = usize::try_from(size).ok().filter(|&size| (1..=1 << 20).contains(&size));
    let size = size.ok_or_else(|| NodeError::attribute("size", "it is not a positive number of channels"))?;
    let square = call.builder.binary(BinaryFunction::Mul, input, input)?;
    // Channels are the rows of a picture whose columns are positions.
    let (batch, channels) = (shape[0], shape[1]);
    let picture = vec![batch, 1, channels, shape[2..].iter().product()];
    let square = call.builder.reshape(square, picture.clone())?;
    let before = (size - 1) / 2;
    let window =
        Window { kernel: [size, 1], stride: [1, 1], dilation: [1, 1], padding: [before, 0, size - 1 - before, 0] };
    let op = FloatOp::AveragePool { input: square, window, count_padding: true };
    let mean = call.builder.emit(op, picture, dtype)?;
    let divisor = call.builder.affine(mean, alpha, bias)?;
    let factor = call.builder.unary(UnaryFunction::Power(-beta), divisor)?;
    let factor = call.builder.reshape(factor, shape)?;
    Ok(vec![call.builder.binary(BinaryFunction::Mul, input, factor)?])
}
