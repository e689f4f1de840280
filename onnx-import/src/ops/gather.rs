//! Gather and its kin. Constant indices give a view; Gather takes indices that depend on the inputs too.

use super::one_hot::{indicators, pick_by_data, wrapped};
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, Tensor, ValueId};
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
        None if call.builder.tensor(input).is_some() => {
            let dtype = call.dtype(input);
            call.builder.emit(FloatOp::Gather { input, indices, axis }, shape, dtype)
        }
        None => {
            let rows = rows_by_data(call, input, indices, axis)?;
            call.builder.reshape(rows, shape)
        }
    }
}

/// Rows of a table that depends on the inputs, picked by indices that do: a product with ones where an index is a position.
fn rows_by_data(call: &mut Call, input: ValueId, indices: ValueId, axis: usize) -> Result<ValueId> {
    let (from, dtype) = (call.shape(input), call.dtype(input));
    let size = |axes: &[usize]| axes.iter().product::<usize>();
    let table = call.builder.reshape(input, vec![size(&from[..axis]), from[axis], size(&from[axis + 1..])])?;
    let indices = call.builder.reshape(indices, vec![call.builder.elements(indices)])?;
    let chosen = indicators(call, indices, from[axis], true, dtype)?;
    call.builder.matmul(chosen, table)
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
    if call.builder.tensor(indices).is_none() && call.dtype(indices).is_integer() {
        return elements_by_data(call, input, indices, axis);
    }
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

/// GatherElements by indices that depend on the inputs: a comparison with every position of the axis.
fn elements_by_data(call: &mut Call, input: ValueId, indices: ValueId, axis: usize) -> Result<Vec<ValueId>> {
    let (from, to) = (call.shape(input), call.shape(indices));
    let fits = to.len() == from.len() && to.iter().zip(&from).enumerate().all(|(at, (a, b))| at == axis || a <= b);
    if !fits {
        return Err(NodeError::shape(format!("indices of shape {to:?} into {from:?}")));
    }
    // Along the other axes only the first positions are read.
    let read = |at: usize| (0..if at == axis { from[at] } else { to[at] }).map(Some).collect();
    let axes: Vec<Vec<Option<usize>>> = (0..from.len()).map(read).collect();
    let input = call.builder.pick(input, &axes, 0.0)?;
    let mut swapped: Vec<usize> = (0..from.len()).collect();
    swapped.swap(axis, from.len() - 1);
    let (input, indices) = (call.builder.transpose(input, &swapped)?, call.builder.transpose(indices, &swapped)?);
    let picked = pick_by_data(call, input, indices)?;
    Ok(vec![call.builder.transpose(picked, &swapped)?])
}

/// The last axis of the indices names a position in the axes after the batch axes.
fn gather_nd(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let batch = if call.version >= 12 { call.attributes.int_or("batch_dims", 0)? } else { 0 };
    let from = call.shape(input);
    if call.builder.tensor(indices).is_none() && batch == 0 {
        let (depth, outer) = (call.shape(indices).last().copied().unwrap_or(0), call.rank(indices).saturating_sub(1));
        let places = flat_places(call, indices, &from)?;
        let rows = [&[from[..depth].iter().product()], &from[depth..]].concat();
        let shape = [&call.shape(indices)[..outer], &from[depth..]].concat();
        let table = call.builder.reshape(input, rows)?;
        let picked = gather_along(call, table, places, 0)?;
        return Ok(vec![call.builder.reshape(picked, shape)?]);
    }
    let indices = integer_constant(call, indices)?;
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

/// Indices `[…, depth]` into the first axes of a shape, by data, as one position for each: `[…]` in one axis.
pub(super) fn flat_places(call: &mut Call, indices: ValueId, from: &[usize]) -> Result<ValueId> {
    let shape = call.shape(indices);
    let misfit = || NodeError::shape(format!("indices of shape {shape:?} into {from:?}"));
    let (&depth, outer) = shape.split_last().ok_or_else(misfit)?;
    if !call.dtype(indices).is_integer() {
        return Err(NodeError::data_type("its indices are no integers"));
    }
    if depth == 0 || depth > from.len() {
        return Err(misfit());
    }
    let count = outer.iter().product();
    let last = shape.len() - 1;
    let mut place = None;
    for (axis, &size) in from[..depth].iter().enumerate() {
        let index = call.builder.pick_axis(indices, last, [axis])?;
        let index = call.builder.reshape(index, vec![count])?;
        let index = wrapped(call, index, size)?;
        let stride: usize = from[axis + 1..depth].iter().product();
        let step = call.builder.affine(index, stride as f64, 0.0)?;
        place = Some(match place {
            None => step,
            Some(place) => call.builder.binary(BinaryFunction::Add, place, step)?,
        });
    }
    place.ok_or_else(misfit)
}

pub(super) fn integer_constant(call: &Call, value: ValueId) -> Result<Tensor> {
    if !call.dtype(value).is_integer() {
        return Err(NodeError::data_type("its indices are no integers"));
    }
    call.constant(value, "indices")
}
