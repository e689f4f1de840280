//! ConvTranspose over one to three spatial axes.

use super::conv::{check_bias, groups};
use super::window::{self, AutoPad, Geometry};
use crate::error::NodeError;
use crate::float::graph::{FloatOp, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("ConvTranspose", &[since(1, 2, 3, 1)], conv_transpose)];

fn conv_transpose(call: &mut Call) -> Result<Vec<ValueId>> {
    let operands: Vec<ValueId> =
        [Some(call.input(0)?), Some(call.input(1)?), call.optional(2)].into_iter().flatten().collect();
    call.builder.same_type(&operands)?;
    let axes = call.rank(operands[0]).saturating_sub(2);
    if call.rank(operands[1]) != axes + 2 {
        return Err(NodeError::shape(format!("weights of shape {:?} over {axes} axes", call.shape(operands[1]))));
    }
    if axes == 3 {
        return Ok(vec![convolve_volume(call, operands[0], operands[1], call.optional(2))?]);
    }
    let (input, weights) = (window::lift(call, operands[0])?, window::lift(call, operands[1])?);
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let (groups, channels) = channels(call, &from, &kernel)?;
    let mut geometry = window::read(call, axes, Some([kernel[2], kernel[3]]), true)?;
    let mut output_padding =
        window::list(call, "output_padding", axes, 0)?.map_or([0; 2], |sizes| window::pair(&sizes, 0));
    let wanted = wanted_size(call, axes, [from[2], from[3]], &geometry)?;
    let mut size = [0; 2];
    for axis in 0..2 {
        size[axis] =
            resolve_axis(&mut geometry, axis, from[axis + 2], wanted.map(|size| size[axis]), &mut output_padding)?;
    }
    let bias = call.optional(2);
    check_bias(call, bias, channels)?;
    let op = FloatOp::ConvTranspose { input, weights, bias, window: geometry.window, output_padding, groups };
    let dtype = call.dtype(input);
    let result = call.builder.emit(op, vec![from[0], channels, size[0], size[1]], dtype)?;
    Ok(vec![window::lower(call, result, axes)?])
}

/// The numbers of groups and of channels of the result.
fn channels(call: &Call, from: &[usize], kernel: &[usize]) -> Result<(usize, usize)> {
    let groups = groups(call, from[1], from[1])?;
    if kernel[0] != from[1] {
        return Err(NodeError::shape(format!("weights {kernel:?} over an input {from:?}")));
    }
    let channels = kernel[1].checked_mul(groups).filter(|&channels| channels > 0);
    Ok((groups, channels.ok_or_else(|| NodeError::shape("no channels"))?))
}

/// Over three spatial axes: the slices that meet at a depth of the result are channels of a picture, and depths a batch.
fn convolve_volume(call: &mut Call, input: ValueId, weights: ValueId, bias: Option<ValueId>) -> Result<ValueId> {
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let (groups, channels) = channels(call, &from, &kernel)?;
    let [mut depth, mut plane] = window::read_volume(call, Some(&kernel[2..]), true)?;
    let automatic = matches!(depth.auto_pad, AutoPad::SameUpper | AutoPad::SameLower);
    if automatic || call.attributes.ints("output_shape")?.is_some() {
        return Err(NodeError::unsupported(
            "padding over three spatial axes that follows from the size of the result",
            "export the model with explicit pads and output_padding",
        ));
    }
    let padding = window::list(call, "output_padding", 3, 0)?.unwrap_or_else(|| vec![0; 3]);
    let (mut behind_depth, mut behind_plane) = ([0, padding[0]], [padding[1], padding[2]]);
    let depths = resolve_axis(&mut depth, 1, from[2], None, &mut behind_depth)?;
    let height = resolve_axis(&mut plane, 0, from[3], None, &mut behind_plane)?;
    let width = resolve_axis(&mut plane, 1, from[4], None, &mut behind_plane)?;
    check_bias(call, bias, channels)?;
    let (taps, area) = (kernel[2], from[3] * from[4]);
    let (stride, dilation, before) = (depth.window.stride[1], depth.window.dilation[1], depth.window.padding[1]);
    let slices = call.builder.view(input, vec![from[0] * depths, from[1] * taps, from[3], from[4]], 0.0, |at| {
        let (image, channel) = (at[0] / depths, at[1] / taps);
        let place = (at[0] % depths + before).checked_sub(at[1] % taps * dilation)?;
        let plane = (image * from[1] + channel) * from[2] + place / stride;
        (place % stride == 0 && place / stride < from[2]).then(|| plane * area + at[2] * from[4] + at[3])
    })?;
    let weights = call.builder.transpose(weights, &[0, 2, 1, 3, 4])?;
    let weights = call.builder.reshape(weights, vec![kernel[0] * taps, kernel[1], kernel[3], kernel[4]])?;
    let op = FloatOp::ConvTranspose {
        input: slices,
        weights,
        bias,
        window: plane.window,
        output_padding: behind_plane,
        groups,
    };
    let dtype = call.dtype(input);
    let result = call.builder.emit(op, vec![from[0] * depths, channels, height, width], dtype)?;
    let result = call.builder.reshape(result, vec![from[0], depths, channels, height, width])?;
    call.builder.transpose(result, &[0, 2, 1, 3, 4])
}

/// The size of the result where it is prescribed; the padding follows from it.
fn wanted_size(call: &Call, axes: usize, input: [usize; 2], geometry: &Geometry) -> Result<Option<[usize; 2]>> {
    // Some exporters give the whole shape, with batch and channels.
    let declared = match call.attributes.ints("output_shape")? {
        Some(sizes) if sizes.len() == axes + 2 => Some(sizes[2..].to_vec()),
        Some(sizes) if sizes.len() == axes => Some(sizes),
        None => None,
        Some(sizes) => return Err(NodeError::attribute("output_shape", format!("{sizes:?} is not for {axes} axes"))),
    };
    if let Some(sizes) = declared {
        let sizes = sizes
            .iter()
            .map(|&size| usize::try_from(size).ok().filter(|size| (1..=1 << 28).contains(size)))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| NodeError::attribute("output_shape", format!("{sizes:?} is out of range")))?;
        return Ok(Some(window::pair(&sizes, 1)));
    }
    if matches!(geometry.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
        return Ok(Some([0, 1].map(|axis| input[axis].saturating_mul(geometry.window.stride[axis]))));
    }
    Ok(None)
}

/// Chooses the padding along an axis and gives the size of the result.
fn resolve_axis(
    geometry: &mut Geometry,
    axis: usize,
    input: usize,
    wanted: Option<usize>,
    output_padding: &mut [usize; 2],
) -> Result<usize> {
    let window = geometry.window;
    let full = window.stride[axis]
        .checked_mul(input.saturating_sub(1))
        .and_then(|size| size.checked_add(output_padding[axis] + geometry.extent(axis)))
        .ok_or_else(|| NodeError::shape("the size of its result overflows"))?;
    let Some(wanted) = wanted else {
        return full
            .checked_sub(window.padding[axis] + window.padding[axis + 2])
            .filter(|size| *size > 0)
            .ok_or_else(|| NodeError::shape(format!("padding cuts away all of a result of size {full}")));
    };
    if wanted > full && matches!(geometry.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
        return Err(NodeError::unsupported(
            "runtimes differ on auto_pad where the stride exceeds the kernel",
            "export the model with explicit pads and output_padding",
        ));
    }
    let total = full.saturating_sub(wanted);
    let smaller = total / 2;
    let before = if geometry.auto_pad == AutoPad::SameUpper { smaller } else { total - smaller };
    geometry.window.padding[axis] = before;
    geometry.window.padding[axis + 2] = total - before;
    output_padding[axis] += wanted.saturating_sub(full);
    Ok(wanted)
}
