//! Slice: a range with a step along each axis.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::resolve_axes;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("Slice", &[since(1, 1, 1, 1), since(10, 3, 5, 1)], slice)];

/// Starts, ends and axes are attributes before operator set 10, then operands, with steps.
fn slice(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let shape = call.shape(input);
    let missing = |what: &'static str| NodeError::attribute(what, "it is missing");
    let (starts, ends, axes, steps) = if call.version < 10 {
        let attributes = &call.attributes;
        (attributes.ints("starts")?, attributes.ints("ends")?, attributes.ints("axes")?, None)
    } else {
        (call.integers(1, "start")?, call.integers(2, "end")?, call.integers(3, "axes")?, call.integers(4, "step")?)
    };
    let (starts, ends) = (starts.ok_or_else(|| missing("starts"))?, ends.ok_or_else(|| missing("ends"))?);
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(NodeError::shape("starts, ends, axes and steps differ in number"));
    }
    let mut picked: Vec<Vec<Option<usize>>> = shape.iter().map(|&size| (0..size).map(Some).collect()).collect();
    for (index, axis) in resolve_axes(&axes, shape.len())?.into_iter().enumerate() {
        let positions = positions(shape[axis], starts[index], ends[index], steps[index])?;
        picked[axis] = positions.into_iter().map(Some).collect();
    }
    Ok(vec![call.builder.pick(input, &picked, 0.0)?])
}

/// The positions from `start` on, by `step`, before `end`; both count from the end where negative and are held to the
/// axis.
fn positions(size: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>> {
    let size = size as i64;
    let from_end = |position: i64| if position < 0 { position.saturating_add(size) } else { position };
    let (start, end) = (from_end(start), from_end(end));
    let mut positions = vec![];
    match step {
        0 => return Err(NodeError::shape("a step of 0")),
        1.. => {
            let mut at = start.clamp(0, size);
            while at < end.clamp(0, size) {
                positions.push(at as usize);
                at = at.saturating_add(step);
            }
        }
        _ if end == i64::MAX || start < 0 => {
            return Err(NodeError::unsupported(
                "runtimes differ on a negative step from before the start or to beyond the end",
                "give bounds inside the axis",
            ));
        }
        _ => {
            let mut at = start.min(size - 1);
            while at > end.clamp(-1, size - 1) {
                positions.push(at as usize);
                at = at.saturating_add(step);
            }
        }
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::positions;

    #[test]
    fn ranges_are_held_to_the_axis() {
        assert_eq!(positions(5, 1, i64::MAX, 2).unwrap(), [1, 3]);
        assert_eq!(positions(5, -2, 9, 1).unwrap(), [3, 4]);
        assert_eq!(positions(5, -1, i64::MIN, -2).unwrap(), [4, 2, 0]);
        assert_eq!(positions(5, 9, 2, -1).unwrap(), [4, 3]);
        assert_eq!(positions(5, 3, 1, 1).unwrap(), [0usize; 0]);
        assert_eq!(positions(0, 0, 5, 1).unwrap(), [0usize; 0]);
        assert!(positions(5, 0, 5, 0).is_err());
        assert!(positions(5, 2, i64::MAX, -1).is_err());
        assert!(positions(5, -9, i64::MIN, -1).is_err());
    }
}
