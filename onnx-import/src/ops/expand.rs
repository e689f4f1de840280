//! Expand, Tile and Trilu.

use crate::error::NodeError;
use crate::float::evaluate::broadcast_shape;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Expand", &[since(8, 2, 2, 1)], expand),
    onnx("Tile", &[since(6, 2, 2, 1)], tile),
    onnx("Trilu", &[since(14, 1, 2, 1)], trilu),
];

fn sizes(call: &Call, operand: &'static str) -> Result<Vec<usize>> {
    let sizes = call.integers(1, operand)?.unwrap_or_default();
    sizes
        .iter()
        .map(|&size| usize::try_from(size).ok().filter(|size| *size <= 1 << 28))
        .collect::<Option<Vec<usize>>>()
        .ok_or_else(|| NodeError::shape(format!("{operand} {sizes:?} is out of range")))
}

/// Broadcasting in both directions.
fn expand(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let (from, wanted) = (call.shape(input), sizes(call, "target shape")?);
    let shape = broadcast_shape(&from, &wanted)
        .ok_or_else(|| NodeError::shape(format!("{from:?} does not broadcast to {wanted:?}")))?;
    Ok(vec![call.builder.broadcast(input, &shape)?])
}

fn tile(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let (from, repeats) = (call.shape(input), sizes(call, "repeats")?);
    if repeats.len() != from.len() {
        return Err(NodeError::shape(format!("repeats {repeats:?} of a tensor of shape {from:?}")));
    }
    let shape = from.iter().zip(&repeats).map(|(&size, &count)| size.saturating_mul(count)).collect();
    let view = call.builder.view(input, shape, 0.0, |position| {
        Some(position.iter().zip(&from).fold(0, |index, (&at, &size)| index * size + at % size))
    })?;
    Ok(vec![view])
}

/// Keeps the triangle above (`upper`) or below the `k`-th diagonal of each matrix.
fn trilu(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let upper = call.attributes.flag("upper", true)?;
    let k = call.number(1, "diagonal")?.unwrap_or(0.0);
    let shape = call.shape(input);
    if shape.len() < 2 {
        return Err(NodeError::shape(format!("its operand has shape {shape:?}, not matrices")));
    }
    let rank = shape.len();
    let view = call.builder.view(input, shape.clone(), 0.0, |position| {
        let offset = position[rank - 1] as f64 - position[rank - 2] as f64;
        let kept = if upper { offset >= k } else { offset <= k };
        kept.then(|| position.iter().zip(&shape).fold(0, |index, (&at, &size)| index * size + at))
    })?;
    Ok(vec![view])
}
