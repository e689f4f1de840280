//! Gather and its kin. Constant indices give a view; Gather takes indices that depend on the inputs too.

use crate::error::NodeError;
use crate::float::graph::{FloatOp, Tensor, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Gather", &[since(1, 2, 2, 1)], gather),
    onnx("GatherElements", &[since(11, 2, 2, 1)], gather_elements),
    onnx("GatherND", &[since(11, 2, 2, 1)], gather_nd),
];

fn gather(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(0, call.rank(input))?;
    Ok(vec![gather_along(call, input, indices, axis)?])
}

/// Gathers along an axis: a view where the indices are known.
pub(super) fn gather_along(call: &mut Call, input: ValueId, indices: ValueId, axis: usize) -> Result<ValueId> {
    if !call.dtype(indices).is_integer() {
        return Err(NodeError::data_type("its indices are no integers"));
    }
    let (from, picked) = (call.shape(input), call.shape(indices));
    if from[axis] == 0 {
        return Err(NodeError::shape("its table is empty"));
    }
    let shape: Vec<usize> = from[..axis].iter().chain(&picked).chain(&from[axis + 1..]).copied().collect();
    match call.builder.tensor(indices).cloned() {
        Some(tensor) => {
            let positions = resolve_indices(&tensor, from[axis])?;
            let flat = call.builder.pick_axis(input, axis, positions)?;
            call.builder.reshape(flat, shape)
        }
        None if is_identity(call, input, indices) => {
            let dtype = call.dtype(input);
            let indices = call.builder.reshape(indices, shape)?;
            call.builder.retype(indices, dtype)
        }
        None => {
            let dtype = call.dtype(input);
            call.builder.emit(FloatOp::Gather { input, indices, axis }, shape, dtype)
        }
    }
}

/// Whether the table holds its own positions, as the labels 0, 1, … of a classifier do, and the indices are those of
/// largest elements, which never lie outside or count from the end.
fn is_identity(call: &Call, table: ValueId, indices: ValueId) -> bool {
    let counts = |tensor: &Tensor| tensor.data.iter().enumerate().all(|(index, &label)| label == index as f64);
    let mut origin = indices;
    while let FloatOp::Reshape(inner) = call.builder.op(origin) {
        origin = *inner;
    }
    let in_range = match call.builder.op(origin) {
        FloatOp::ArgExtremum { input, axis, .. } => call.builder.shape(*input)[*axis] <= call.builder.elements(table),
        _ => false,
    };
    in_range && call.builder.tensor(table).is_some_and(counts)
}

/// Indices of an axis of that size, which may count from the end.
fn resolve_indices(indices: &Tensor, size: usize) -> Result<Vec<usize>> {
    indices.data.iter().map(|&index| resolve_axis(index as i64, size).map_err(|_| out_of_range(index, size))).collect()
}

fn out_of_range(index: f64, size: usize) -> NodeError {
    NodeError::shape(format!("index {index} of an axis of size {size}"))
}

/// `out[i, j, …] = in[index[i, j, …], j, …]` for axis 0.
fn gather_elements(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let from = call.shape(input);
    let axis = call.axis(0, from.len())?;
    let indices = integer_constant(call, indices)?;
    let fits = indices.shape.len() == from.len()
        && indices.shape.iter().zip(&from).enumerate().all(|(at, (a, b))| at == axis || a <= b);
    if !fits {
        return Err(NodeError::shape(format!("indices of shape {:?} into {from:?}", indices.shape)));
    }
    let positions = resolve_indices(&indices, from[axis])?;
    let mut next = positions.into_iter();
    let view = call.builder.view(input, indices.shape.clone(), 0.0, |position| {
        let index = next.next()?;
        Some((0..from.len()).fold(0, |flat, at| flat * from[at] + if at == axis { index } else { position[at] }))
    })?;
    Ok(vec![view])
}

/// The last axis of the indices names a position in the axes after the batch axes.
fn gather_nd(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let batch = if call.version >= 12 { call.attributes.int_or("batch_dims", 0)? } else { 0 };
    let (from, indices) = (call.shape(input), integer_constant(call, indices)?);
    let misfit = || NodeError::shape(format!("indices of shape {:?} into {from:?}, {batch} batch axes", indices.shape));
    let batch = usize::try_from(batch).map_err(|_| misfit())?;
    let (&depth, outer) = indices.shape.split_last().ok_or_else(misfit)?;
    let fits = batch <= outer.len() && batch + depth <= from.len() && outer[..batch] == from[..batch];
    if !fits {
        return Err(misfit());
    }
    let inner = &from[batch + depth..];
    let shape: Vec<usize> = outer.iter().chain(inner).copied().collect();
    let mut resolved = vec![];
    for (at, &index) in indices.data.iter().enumerate() {
        let size = from[batch + at % depth];
        resolved.push(resolve_axis(index as i64, size).map_err(|_| out_of_range(index, size))?);
    }
    let view = call.builder.view(input, shape, 0.0, |position| {
        let row = position[..outer.len()].iter().zip(outer).fold(0, |flat, (&at, &size)| flat * size + at);
        let place =
            position[..batch].iter().chain(&resolved[row * depth..(row + 1) * depth]).chain(&position[outer.len()..]);
        Some(place.zip(&from).fold(0, |flat, (&at, &size)| flat * size + at))
    })?;
    Ok(vec![view])
}

fn integer_constant(call: &Call, value: ValueId) -> Result<Tensor> {
    if !call.dtype(value).is_integer() {
        return Err(NodeError::data_type("its indices are no integers"));
    }
    call.constant(value, "indices")
}
