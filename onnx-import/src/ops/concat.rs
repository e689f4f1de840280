//! Concat and Split.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator, VARIADIC};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Concat", &[since(4, 1, VARIADIC, 1)], concat),
    onnx("Split", &[since(2, 1, 1, VARIADIC), since(13, 1, 2, VARIADIC)], split),
];

fn concat(call: &mut Call) -> Result {
    let inputs = call.all_inputs()?;
    let axis = call.attributes.int("axis")?.ok_or_else(|| NodeError::attribute("axis", "it is missing"))?;
    let axis = resolve_axis(axis, call.rank(inputs[0]))?;
    Ok(vec![call.builder.concat(&inputs, axis)?])
}

fn split(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let axis = call.axis(0, call.rank(input))?;
    let size = call.shape(input)[axis];
    let parts = sizes(call, size)?;
    if parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part)) != Some(size) {
        return Err(NodeError::shape(format!("parts {parts:?} of an axis of size {size}")));
    }
    if parts.len() != call.used_outputs.len() {
        let expected = parts.len().to_string();
        return Err(NodeError::Arity { what: "outputs", expected, found: call.used_outputs.len() });
    }
    let mut start = 0;
    let mut results = vec![];
    for part in parts {
        results.push(call.builder.pick_axis(input, axis, start..start + part)?);
        start += part;
    }
    Ok(results)
}

/// The sizes of the parts: given as an attribute (before operator set 13) or an operand, else equal. From 18 on the last
/// of the equal parts may be smaller.
fn sizes(call: &Call, size: usize) -> Result<Vec<usize>> {
    let given = if call.version < 13 { call.attributes.ints("split")? } else { call.integers(1, "split")? };
    let declared = if call.version >= 18 { call.attributes.int("num_outputs")? } else { None };
    if let Some(parts) = given {
        return parts
            .iter()
            .map(|&part| usize::try_from(part).ok().filter(|part| *part <= size))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| NodeError::shape(format!("parts {parts:?} of an axis of size {size}")));
    }
    let outputs = call.used_outputs.len();
    if declared.is_some_and(|count| usize::try_from(count) != Ok(outputs)) {
        return Err(NodeError::attribute("num_outputs", format!("it differs from the {outputs} outputs")));
    }
    let part = size.div_ceil(outputs);
    if call.version < 18 && part * outputs != size {
        return Err(NodeError::shape(format!("an axis of size {size} does not split into {outputs} equal parts")));
    }
    (0..outputs).map(|index| Ok(part.min(size.saturating_sub(index * part)))).collect()
}
