//! TopK: the rank of an element is the number of elements before it, so comparisons of all pairs, a sum and a comparison
//! with each rank give values and indices. Of long rows the largest element is found and taken out, again and again.

use super::one_hot::{indicators, pick_by_data};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("TopK", &[since(1, 1, 1, 2), since(10, 2, 2, 2)], top_k)];

/// Most elements of an axis whose ranks are computed. A rank must be exact to within a half in eight bits and two more.
const MAX_RANKED: usize = 128;
/// Most elements of longer rows times results of each.
const MAX_TAKEN: usize = 1 << 18;

/// Of equal elements the one of the lower index comes first. Where the order of the results is left open, they are sorted.
fn top_k(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let rank = call.rank(input);
    let axis = call.axis(-1, rank)?;
    let count = match call.version {
        ..10 => call.attributes.int("k")?.map(|k| k as f64),
        _ => call.number(1, "number of results")?,
    };
    let (mut largest, size) = (true, call.shape(input)[axis]);
    if call.version >= 11 {
        largest = call.attributes.flag("largest", true)?;
        call.attributes.flag("sorted", true)?;
    }
    let count = count.filter(|&count| count >= 1.0 && count <= size as f64 && count.fract() == 0.0);
    let count = count.ok_or_else(|| NodeError::shape(format!("the number of results is not in 1 to {size}")))? as usize;
    let mut order: Vec<usize> = (0..rank).filter(|&at| at != axis).collect();
    order.push(axis);
    let moved = call.builder.transpose(input, &order)?;
    let mut shape = call.shape(moved);
    let rows = shape.iter().product::<usize>() / size;
    let moved = call.builder.reshape(moved, vec![rows, size])?;
    let [values, indices] = match size <= MAX_RANKED {
        true => by_rank(call, moved, count, largest)?,
        false => one_by_one(call, moved, count, largest)?,
    };
    if let Some(last) = shape.last_mut() {
        *last = count;
    }
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    let mut results = vec![];
    for value in [values, indices] {
        let value = call.builder.reshape(value, shape.clone())?;
        results.push(call.builder.transpose(value, &back)?);
    }
    results[1] = call.builder.retype(results[1], DType::Int64)?;
    Ok(results)
}

/// Values and indices of the first `count` of each row by their ranks.
fn by_rank(call: &mut Call, rows: ValueId, count: usize, largest: bool) -> Result<[ValueId; 2]> {
    let (shape, dtype) = (call.shape(rows), call.dtype(rows));
    let size = shape[1];
    let ranks = ranks(call, rows, size, largest)?;
    // [rows, size, ranks] to [rows, ranks, size].
    let chosen = indicators(call, ranks, count, false, DType::Float32)?;
    let chosen = call.builder.transpose(chosen, &[0, 2, 1])?;
    let numbers = (0..size).map(|index| index as f64).collect();
    let numbers = call.builder.constant(vec![size, 1], numbers, DType::Float32)?;
    let indices = call.builder.matmul(chosen, numbers)?;
    let chosen = call.builder.retype(chosen, dtype)?;
    let wide = call.builder.reshape(rows, vec![shape[0], 1, size])?;
    let gated = call.builder.binary(BinaryFunction::Mul, chosen, wide)?;
    Ok([call.builder.reduce(gated, ReduceKind::Sum, &[2], false)?, indices])
}

/// Values and indices of the first `count` of each row, found one after the other.
fn one_by_one(call: &mut Call, rows: ValueId, count: usize, largest: bool) -> Result<[ValueId; 2]> {
    let shape = call.shape(rows);
    if call.builder.elements(rows).saturating_mul(count) > MAX_TAKEN {
        return Err(NodeError::unsupported(
            format!("the {count} largest of each of {} rows of {} elements", shape[0], shape[1]),
            "take fewer, reduce the axis to 128 elements, or use ArgMax",
        ));
    }
    let op = FloatOp::TopIndices { input: rows, count, smallest: !largest };
    let indices = call.builder.emit(op, vec![shape[0], count], DType::Int64)?;
    Ok([pick_by_data(call, rows, indices)?, indices])
}

/// For each element of a row, how many others come before it.
fn ranks(call: &mut Call, input: ValueId, size: usize, largest: bool) -> Result<ValueId> {
    let rows = call.shape(input)[0];
    let pairs: Vec<(usize, usize)> = (0..size).flat_map(|later| (0..later).map(move |first| (first, later))).collect();
    if pairs.is_empty() {
        return call.builder.constant(vec![rows, 1], vec![0.0; rows], DType::Float32);
    }
    let first = call.builder.pick_axis(input, 1, pairs.iter().map(|pair| pair.0))?;
    let later = call.builder.pick_axis(input, 1, pairs.iter().map(|pair| pair.1))?;
    // Whether the element of the lower index is not behind the other.
    let (a, b) = if largest { (later, first) } else { (first, later) };
    let before = call.builder.binary(BinaryFunction::LessOrEqual, a, b)?;
    let before = call.builder.retype(before, DType::Float32)?;
    let behind = call.builder.affine(before, -1.0, 1.0)?;
    let both = call.builder.concat(&[before, behind], 1)?;
    let pair = |first: usize, later: usize| later * (later - 1) / 2 + first;
    let beaten = call.builder.view(both, vec![rows, size, size - 1], 0.0, |at| {
        // The other elements in order, the element itself left out.
        let (element, other) = (at[1], at[2] + usize::from(at[2] >= at[1]));
        let column = if other < element { pair(other, element) } else { pairs.len() + pair(element, other) };
        Some(at[0] * 2 * pairs.len() + column)
    })?;
    call.builder.reduce(beaten, ReduceKind::Sum, &[2], false)
}
