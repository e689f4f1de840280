//! Conv over one to three spatial axes.

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
    if axes == 3 {
        return convolve_volume(call, input, weights, bias);
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

/// Over three spatial axes: the slices under the kernel at a depth are channels of a picture, and depths a batch.
fn convolve_volume(call: &mut Call, input: ValueId, weights: ValueId, bias: Option<ValueId>) -> Result<ValueId> {
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let groups = groups(call, from[1], kernel[0])?;
    if kernel[1] * groups != from[1] {
        return Err(NodeError::shape(format!("weights {kernel:?} in {groups} groups over an input {from:?}")));
    }
    let [mut depth, mut plane] = window::read_volume(call, Some(&kernel[2..]), true)?;
    let ([_, depths], [height, width]) =
        (depth.resolve([1, from[2]], false)?, plane.resolve([from[3], from[4]], false)?);
    check_bias(call, bias, kernel[0])?;
    let (taps, channels, area) = (kernel[2], from[1], from[3] * from[4]);
    let (stride, dilation, before) = (depth.window.stride[1], depth.window.dilation[1], depth.window.padding[1]);
    let slices = call.builder.view(input, vec![from[0] * depths, channels * taps, from[3], from[4]], 0.0, |at| {
        let (image, channel) = (at[0] / depths, at[1] / taps);
        let slice = (at[0] % depths * stride + at[1] % taps * dilation).checked_sub(before)?;
        let plane = (image * channels + channel) * from[2] + slice;
        (slice < from[2]).then(|| plane * area + at[2] * from[4] + at[3])
    })?;
    let weights = call.builder.reshape(weights, vec![kernel[0], kernel[1] * taps, kernel[3], kernel[4]])?;
    let op = FloatOp::Conv { input: slices, weights, bias, window: plane.window, groups };
    let dtype = call.dtype(input);
    let result = call.builder.emit(op, vec![from[0] * depths, kernel[0], height, width], dtype)?;
    let result = call.builder.reshape(result, vec![from[0], depths, kernel[0], height, width])?;
    call.builder.transpose(result, &[0, 2, 1, 3, 4])
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
