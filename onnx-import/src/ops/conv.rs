//! Conv over one or two spatial axes.

use super::window;
use crate::error::NodeError;
use crate::float::graph::{FloatOp, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("Conv", &[since(1, 2, 3, 1)], conv)];

fn conv(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, weights, bias) = (call.input(0)?, call.input(1)?, call.optional(2));
    Ok(vec![convolve(call, input, weights, bias)?])
}

/// A convolution with the window that the attributes give.
pub(super) fn convolve(call: &mut Call, input: ValueId, weights: ValueId, bias: Option<ValueId>) -> Result<ValueId> {
    let operands: Vec<ValueId> = [input, weights].into_iter().chain(bias).collect();
    call.builder.same_type(&operands)?;
    let axes = call.rank(input).saturating_sub(2);
    if call.rank(weights) != axes + 2 {
        return Err(NodeError::shape(format!("weights of shape {:?} over {axes} axes", call.shape(weights))));
    }
    let (input, weights) = (window::lift(call, input)?, window::lift(call, weights)?);
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let groups = groups(call, from[1], kernel[0])?;
    if kernel[1] * groups != from[1] {
        return Err(NodeError::shape(format!("weights {kernel:?} in {groups} groups over an input {from:?}")));
    }
    let mut geometry = window::read(call, axes, Some([kernel[2], kernel[3]]), true)?;
    let [height, width] = geometry.resolve([from[2], from[3]], false)?;
    check_bias(call, bias, kernel[0])?;
    let op = FloatOp::Conv { input, weights, bias, window: geometry.window, groups };
    let dtype = call.dtype(input);
    let result = call.builder.emit(op, vec![from[0], kernel[0], height, width], dtype)?;
    window::lower(call, result, axes)
}

/// The number of groups, which divides both channel counts.
pub(super) fn groups(call: &Call, inputs: usize, outputs: usize) -> Result<usize> {
    let groups = call.attributes.int_or("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|groups| {
            *groups >= 1
                && inputs.is_multiple_of(*groups)
                && outputs.is_multiple_of(*groups)
                && inputs > 0
                && outputs > 0
        })
        .ok_or_else(|| {
            NodeError::attribute("group", format!("{groups} does not divide {inputs} and {outputs} channels"))
        })
}

/// Refuses a bias that is not one number per output channel.
pub(super) fn check_bias(call: &Call, bias: Option<ValueId>, channels: usize) -> Result<()> {
    match bias {
        Some(bias) if call.shape(bias) != [channels] => {
            Err(NodeError::shape(format!("bias of shape {:?} for {channels} channels", call.shape(bias))))
        }
        _ => Ok(()),
    }
}
