//! Views by constant operands: ReverseSequence, Compress and CenterCropPad.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::{resolve_axes, resolve_axis};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("ReverseSequence", &[since(10, 2, 2, 1)], reverse_sequence),
    onnx("Compress", &[since(9, 2, 2, 1)], compress),
    onnx("CenterCropPad", &[since(18, 2, 2, 1)], center_crop_pad),
];

/// Turns the first elements of each sequence around, as many as its length says.
fn reverse_sequence(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let shape = call.shape(input);
    let axis = |name, default| call.attributes.int_or(name, default);
    let (batch, time) = (axis("batch_axis", 1)?, axis("time_axis", 0)?);
    let (batch, time) = (resolve_axis(batch, shape.len())?, resolve_axis(time, shape.len())?);
    let lengths = call.integers(1, "sequence lengths")?.unwrap_or_default();
    let known: Vec<usize> =
        lengths.iter().filter_map(|&v| usize::try_from(v).ok().filter(|&v| v <= shape[time])).collect();
    if batch == time || lengths.len() != shape[batch] || known.len() != lengths.len() {
        return Err(NodeError::shape(format!("sequence lengths {lengths:?} along axis {time} of {shape:?}")));
    }
    let from = shape.clone();
    Ok(vec![call.builder.view(input, shape, 0.0, |at| {
        let length = known[at[batch]];
        let place = |axis: usize| match axis == time && at[axis] < length {
            true => length - 1 - at[axis],
            false => at[axis],
        };
        Some((0..from.len()).fold(0, |flat, axis| flat * from[axis] + place(axis)))
    })?])
}

/// Keeps the positions of an axis, or of the flattened operand, where a constant condition is true.
fn compress(call: &mut Call) -> Result {
    let mut input = call.input(0)?;
    let condition = call.constant(call.input(1)?, "condition")?;
    let axis = match call.attributes.int("axis")? {
        Some(axis) => resolve_axis(axis, call.rank(input))?,
        None => {
            input = call.builder.reshape(input, vec![call.builder.elements(input)])?;
            0
        }
    };
    let size = call.shape(input)[axis];
    if condition.data.len() > size {
        return Err(NodeError::shape(format!("{} conditions for {size} positions", condition.data.len())));
    }
    let kept: Vec<usize> = (0..condition.data.len()).filter(|&at| condition.data[at] != 0.0).collect();
    Ok(vec![call.builder.pick_axis(input, axis, kept)?])
}

/// Cuts from both sides of axes, or puts zeros there, to the given sizes; where they cannot be equal the end has one more.
fn center_crop_pad(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let from = call.shape(input);
    let sizes = call.integers(1, "target shape")?.unwrap_or_default();
    let axes = match call.attributes.ints("axes")? {
        Some(axes) => resolve_axes(&axes, from.len())?,
        None => (0..from.len()).collect(),
    };
    if axes.len() != sizes.len() {
        return Err(NodeError::shape(format!("{} sizes for {} axes", sizes.len(), axes.len())));
    }
    let mut picked: Vec<Vec<Option<usize>>> = from.iter().map(|&size| (0..size).map(Some).collect()).collect();
    for (&axis, &size) in axes.iter().zip(&sizes) {
        let size = usize::try_from(size).map_err(|_| NodeError::shape(format!("a size of {size}")))?;
        call.builder.check_room(size as u64)?;
        // Position `at` of the result is position `at + cut − padding` of the operand.
        let (cut, padding) = (from[axis].saturating_sub(size) / 2, size.saturating_sub(from[axis]) / 2);
        let source = |at: usize| (at + cut).checked_sub(padding).filter(|&at| at < from[axis]);
        picked[axis] = (0..size).map(source).collect();
    }
    Ok(vec![call.builder.pick(input, &picked, 0.0)?])
}
