//! CausalConvWithState: a depthwise convolution of each position with those before it, and the positions that the next call needs.

use super::conv::check_bias;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId, Window};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("CausalConvWithState", &[since(27, 2, 4, 2)], causal_convolution)];

/// `[batch, channels, length]` behind a state of the `k − 1` positions before, zeros unless it is given, by `[channels, 1, k]`.
fn causal_convolution(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, weights, bias) = (call.input(0)?, call.input(1)?, call.optional(2));
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let ([batch, channels, length], &[_, 1, taps]) = (&from[..], &kernel[..]) else {
        return Err(NodeError::shape(format!("weights {kernel:?} over an input {from:?}")));
    };
    let (batch, channels, length) = (*batch, *channels, *length);
    if kernel[0] != channels || taps == 0 {
        return Err(NodeError::shape(format!("weights {kernel:?} over an input {from:?}")));
    }
    let operands: Vec<ValueId> = [input, weights].into_iter().chain(bias).collect();
    call.builder.same_type(&operands)?;
    check_bias(call, bias, channels)?;
    let state = [batch, channels, taps - 1];
    let behind = match call.optional(3) {
        Some(past) if call.shape(past) == state => call.builder.concat(&[past, input], 2)?,
        Some(past) => {
            return Err(NodeError::shape(format!("a state of shape {:?}, not {state:?}", call.shape(past))));
        }
        None => call.builder.view(input, vec![batch, channels, taps - 1 + length], 0.0, |at| {
            at[2].checked_sub(taps - 1).map(|position| (at[0] * channels + at[1]) * length + position)
        })?,
    };
    let wide = call.builder.reshape(behind, vec![batch, channels, 1, taps - 1 + length])?;
    let weights = call.builder.reshape(weights, vec![channels, 1, 1, taps])?;
    let window = Window { kernel: [1, taps], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let op = FloatOp::Conv { input: wide, weights, bias, window, groups: channels };
    let dtype = call.dtype(input);
    let result = call.builder.emit(op, vec![batch, channels, 1, length], dtype)?;
    let mut result = call.builder.reshape(result, from)?;
    match call.attributes.string_or("activation", "none")?.as_str() {
        "none" => {}
        "silu" | "swish" => {
            let gate = call.builder.unary(UnaryFunction::Sigmoid, result)?;
            result = call.builder.binary(BinaryFunction::Mul, result, gate)?;
        }
        other => return Err(NodeError::attribute("activation", format!("`{other}` is unknown"))),
    }
    let present = call.builder.pick_axis(behind, 2, length..length + taps - 1)?;
    Ok(vec![result, present])
}
