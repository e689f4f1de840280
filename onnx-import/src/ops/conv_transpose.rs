//! ConvTranspose over one or two spatial axes.

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
    let (input, weights) = (window::lift(call, operands[0])?, window::lift(call, operands[1])?);
    let (from, kernel) = (call.shape(input), call.shape(weights));
    let groups = groups(call, from[1], from[1])?;
    if kernel[0] != from[1] {
        return Err(NodeError::shape(format!("weights {kernel:?} over an input {from:?}")));
    }
    let channels = kernel[1]
        .checked_mul(groups)
        .filter(|&channels| channels > 0)
        .ok_or_else(|| NodeError::shape("no channels"))?;
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
