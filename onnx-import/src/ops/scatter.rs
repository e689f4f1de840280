//! ScatterElements and ScatterND with constant indices: a view of data and updates, or a few combinations of both where
//! several updates meet in one element.

use super::arithmetic::check_wrap;
use super::gather::integer_constant;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Scatter", &[since(9, 3, 3, 1)], scatter_elements),
    onnx("ScatterElements", &[since(11, 3, 3, 1)], scatter_elements),
    onnx("ScatterND", &[since(11, 3, 3, 1)], scatter_nd),
];

/// Most updates of one element.
const MAX_MEETING: usize = 64;

/// `out[index[i, j, …], j, …] = updates[i, j, …]` for axis 0.
fn scatter_elements(call: &mut Call) -> Result<Vec<ValueId>> {
    let (data, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let from = call.shape(data);
    let axis = call.axis(0, from.len())?;
    let indices = integer_constant(call, indices)?;
    let fits = indices.shape.len() == from.len()
        && call.shape(updates) == indices.shape
        && indices.shape.iter().zip(&from).enumerate().all(|(at, (a, b))| at == axis || a <= b);
    if !fits {
        let found = call.shape(updates);
        return Err(NodeError::shape(format!("updates {found:?} at indices {:?} of {from:?}", indices.shape)));
    }
    call.builder.check_room(indices.data.len() as u64)?;
    let mut targets = Vec::with_capacity(indices.data.len());
    for (flat, &index) in indices.data.iter().enumerate() {
        let index = resolve_axis(index as i64, from[axis])?;
        let (mut rest, mut target, mut stride) = (flat, 0, 1);
        for at in (0..from.len()).rev() {
            let position = rest % indices.shape[at];
            rest /= indices.shape[at];
            target += stride * if at == axis { index } else { position };
            stride *= from[at];
        }
        targets.push(target);
    }
    scatter(call, [data, updates], &targets)
}

/// The last axis of the indices names a position in the first axes of the data.
fn scatter_nd(call: &mut Call) -> Result<Vec<ValueId>> {
    let (data, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (from, indices) = (call.shape(data), integer_constant(call, indices)?);
    let misfit =
        || NodeError::shape(format!("updates {:?} at indices {:?} of {from:?}", call.shape(updates), indices.shape));
    let (&depth, outer) = indices.shape.split_last().ok_or_else(misfit)?;
    if depth > from.len() || [outer, &from[depth..]].concat() != call.shape(updates) {
        return Err(misfit());
    }
    let inner: usize = from[depth..].iter().product();
    call.builder.check_room(call.builder.elements(updates) as u64)?;
    let mut targets = vec![];
    for place in indices.data.chunks(depth.max(1)).take(outer.iter().product()) {
        let mut row = 0;
        for (&index, &size) in place.iter().zip(&from[..depth]) {
            row = row * size + resolve_axis(index as i64, size)?;
        }
        targets.extend((0..inner).map(|i| row * inner + i));
    }
    scatter(call, [data, updates], &targets)
}

/// Puts each update into the element of that flat index.
fn scatter(call: &mut Call, [data, updates]: [ValueId; 2], targets: &[usize]) -> Result<Vec<ValueId>> {
    let reduction = match call.version {
        ..16 => "none".to_owned(),
        _ => call.attributes.string_or("reduction", "none")?,
    };
    let function = match reduction.as_str() {
        "none" => None,
        "add" => Some(BinaryFunction::Add),
        "mul" => Some(BinaryFunction::Mul),
        "max" if call.version >= 18 => Some(BinaryFunction::Max),
        "min" if call.version >= 18 => Some(BinaryFunction::Min),
        other => return Err(NodeError::attribute("reduction", format!("`{other}` is unknown"))),
    };
    if matches!(function, Some(BinaryFunction::Add | BinaryFunction::Mul)) {
        check_wrap(call, &[data, updates])?;
    }
    call.builder.same_type(&[data, updates])?;
    let (shape, count) = (call.shape(data), call.builder.elements(data));
    // The updates of each element, in order.
    let mut meeting = vec![Vec::new(); count];
    targets.iter().enumerate().for_each(|(update, &target)| meeting[target].push(update));
    let rounds = meeting.iter().map(Vec::len).max().unwrap_or(0);
    if rounds > 1 && function.is_none() {
        return Err(NodeError::unsupported("indices that name an element twice", "name each element once"));
    }
    if rounds > MAX_MEETING {
        return Err(NodeError::unsupported(format!("{rounds} updates of one element"), "use at most 64"));
    }
    let flat_updates = call.builder.reshape(updates, vec![targets.len()])?;
    let mut result = call.builder.reshape(data, vec![count])?;
    for round in 0..rounds {
        let both = call.builder.concat(&[result, flat_updates], 0)?;
        let update = |element: usize| meeting[element].get(round).map(|update| count + update);
        result = match function {
            None => call.builder.view(both, vec![count], 0.0, |at| Some(update(at[0]).unwrap_or(at[0])))?,
            Some(function) => {
                // The largest and the smallest of an element and itself are the element.
                let (fill, itself) = match function {
                    BinaryFunction::Add => (0.0, false),
                    BinaryFunction::Mul => (1.0, false),
                    _ => (0.0, true),
                };
                let other =
                    call.builder.view(both, vec![count], fill, |at| update(at[0]).or(itself.then_some(at[0])))?;
                call.builder.binary(function, result, other)?
            }
        };
    }
    Ok(vec![call.builder.reshape(result, shape)?])
}
