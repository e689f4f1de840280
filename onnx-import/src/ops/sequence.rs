//! Sequences of tensors. Their lengths, and the positions at which they are read, are known when the model is imported, so
//! that nothing is left of them but their elements.

use super::cast::target_type;
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator, VARIADIC};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("SequenceEmpty", &[since(11, 0, 0, 1)], empty),
    onnx("SequenceConstruct", &[since(11, 1, VARIADIC, 1)], construct),
    onnx("SequenceInsert", &[since(11, 2, 3, 1)], insert),
    onnx("SequenceErase", &[since(11, 1, 2, 1)], erase),
    onnx("SequenceAt", &[since(11, 2, 2, 1)], at),
    onnx("SequenceLength", &[since(11, 1, 1, 1)], length),
    onnx("ConcatFromSequence", &[since(11, 1, 1, 1)], concat),
    onnx("SplitToSequence", &[since(11, 1, 2, 1)], split),
];

/// Whether an operator may be applied to a sequence.
pub(crate) fn takes_sequences(operator: &str) -> bool {
    let own = OPERATORS.iter().any(|known| known.name == operator);
    operator == "Identity" || (own && !matches!(operator, "SequenceConstruct" | "SplitToSequence"))
}

/// The elements of the first operand, which must be a sequence.
fn elements(call: &Call) -> Result {
    let sequence = call.input(0)?;
    let elements = call.builder.sequence(sequence).map(<[ValueId]>::to_vec);
    elements.ok_or_else(|| NodeError::data_type("its operand is a tensor, not a sequence"))
}

/// A position that a constant operand gives, of `count` elements, or with `end` behind the last; it may count from the end.
fn position(call: &Call, index: usize, count: usize, end: bool) -> Result<Option<usize>> {
    let Some(given) = call.integers(index, "position")? else { return Ok(None) };
    match given[..] {
        [position] if end && position == count as i64 => Ok(Some(count)),
        [position] => resolve_axis(position, count)
            .map(Some)
            .map_err(|_| NodeError::shape(format!("position {position} of a sequence of {count}"))),
        _ => Err(NodeError::shape("its position is not one number")),
    }
}

fn empty(call: &mut Call) -> Result {
    if let Some(code) = call.attributes.int("dtype")? {
        target_type(code, "dtype")?;
    }
    Ok(vec![call.builder.new_sequence(vec![])?])
}

fn construct(call: &mut Call) -> Result {
    let elements = call.all_inputs()?;
    Ok(vec![call.builder.new_sequence(elements)?])
}

/// Puts a tensor before the position, or at the end.
fn insert(call: &mut Call) -> Result {
    let (mut elements, tensor) = (elements(call)?, call.input(1)?);
    if call.builder.sequence(tensor).is_some() {
        return Err(NodeError::data_type("it puts a sequence into a sequence"));
    }
    let place = position(call, 2, elements.len(), true)?;
    elements.insert(place.unwrap_or(elements.len()), tensor);
    Ok(vec![call.builder.new_sequence(elements)?])
}

/// Leaves out the element at the position, or the last.
fn erase(call: &mut Call) -> Result {
    let mut elements = elements(call)?;
    let last = elements.len().checked_sub(1).ok_or_else(|| NodeError::shape("the sequence is empty"))?;
    elements.remove(position(call, 1, elements.len(), false)?.unwrap_or(last));
    Ok(vec![call.builder.new_sequence(elements)?])
}

fn at(call: &mut Call) -> Result {
    let elements = elements(call)?;
    let place = position(call, 1, elements.len(), false)?;
    place.map(|place| vec![elements[place]]).ok_or_else(|| NodeError::shape("no position"))
}

fn length(call: &mut Call) -> Result {
    let count = elements(call)?.len();
    Ok(vec![call.builder.scalar(count as f64, crate::dtype::DType::Int64)?])
}

fn concat(call: &mut Call) -> Result {
    let mut elements = elements(call)?;
    let new_axis = call.attributes.flag("new_axis", false)?;
    let axis = call.attributes.int("axis")?.ok_or_else(|| NodeError::attribute("axis", "it is missing"))?;
    let first = *elements.first().ok_or_else(|| NodeError::shape("the sequence is empty"))?;
    let axis = resolve_axis(axis, call.rank(first) + usize::from(new_axis))?;
    if new_axis {
        for element in &mut elements {
            let mut shape = call.shape(*element);
            if axis > shape.len() {
                return Err(NodeError::shape(format!("axis {axis} of elements of shape {shape:?}")));
            }
            shape.insert(axis, 1);
            *element = call.builder.reshape(*element, shape)?;
        }
    }
    Ok(vec![call.builder.concat(&elements, axis)?])
}

/// Parts along an axis: of given sizes, of one size (the last may be smaller), or each position without its axis.
fn split(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let axis = call.axis(0, call.rank(input))?;
    let size = call.shape(input)[axis];
    let scalar = call.optional(1).is_some_and(|split| call.rank(split) == 0);
    let sizes = match call.integers(1, "sizes of the parts")? {
        None => vec![1; size],
        Some(given) if scalar => {
            let part = given.first().and_then(|&part| usize::try_from(part).ok()).filter(|&part| part > 0);
            let part = part.ok_or_else(|| NodeError::shape(format!("parts of sizes {given:?}")))?;
            (0..size).step_by(part).map(|start| part.min(size - start)).collect()
        }
        Some(given) => {
            let sizes: Vec<usize> = given.iter().filter_map(|&part| usize::try_from(part).ok()).collect();
            let total = sizes.iter().try_fold(0usize, |sum, &part| sum.checked_add(part));
            if sizes.len() != given.len() || total != Some(size) {
                return Err(NodeError::shape(format!("parts of sizes {given:?} of an axis of {size}")));
            }
            sizes
        }
    };
    let keeps = call.optional(1).is_some() | call.attributes.flag("keepdims", true)?;
    let (mut parts, mut start) = (vec![], 0);
    for part in sizes {
        let picked = call.builder.pick_axis(input, axis, start..start + part)?;
        let mut shape = call.shape(picked);
        if !keeps {
            shape.remove(axis);
        }
        parts.push(call.builder.reshape(picked, shape)?);
        start += part;
    }
    Ok(vec![call.builder.new_sequence(parts)?])
}
