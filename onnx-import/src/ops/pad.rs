//! Pad: by a constant, or from the operand itself. Negative amounts cut.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::resolve_axes;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("Pad", &[since(2, 1, 1, 1), since(11, 2, 3, 1), since(18, 2, 4, 1)], pad)];

/// Largest amount along one axis.
const MAX_PAD: i64 = 1 << 28;

#[derive(Clone, Copy)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

fn pad(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let shape = call.shape(input);
    let mode = match call.attributes.string_or("mode", "constant")?.as_str() {
        "constant" => Mode::Constant,
        "reflect" => Mode::Reflect,
        "edge" => Mode::Edge,
        // In the standard from 19 on; exporters write it one version earlier.
        "wrap" if call.version >= 18 => Mode::Wrap,
        other => return Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    };
    let (amounts, fill) = if call.version < 11 {
        (call.attributes.ints("pads")?, call.attributes.float_or("value", 0.0)?)
    } else {
        (call.integers(1, "amount of padding")?, call.number(2, "fill")?.unwrap_or(0.0))
    };
    let amounts = amounts.ok_or_else(|| NodeError::attribute("pads", "it is missing"))?;
    let axes = match if call.version >= 18 { call.integers(3, "axes")? } else { None } {
        Some(axes) => resolve_axes(&axes, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    if amounts.len() != 2 * axes.len() || amounts.iter().any(|amount| !(-MAX_PAD..=MAX_PAD).contains(amount)) {
        return Err(NodeError::shape(format!("padding {amounts:?} of axes {axes:?} of {shape:?}")));
    }
    let mut picked: Vec<Vec<Option<usize>>> = shape.iter().map(|&size| (0..size).map(Some).collect()).collect();
    let mut needed = 1u64;
    for (index, &axis) in axes.iter().enumerate() {
        let (before, after) = (amounts[index], amounts[axes.len() + index]);
        needed = needed.saturating_mul((shape[axis] as i64 + before + after).max(0) as u64);
        // Checked before the positions are listed: they take memory too.
        if needed > MAX_PAD as u64 {
            return Err(NodeError::TooLarge { what: "elements of a value", found: needed, limit: MAX_PAD as u64 });
        }
        picked[axis] = positions(shape[axis], before, after, mode)?;
    }
    Ok(vec![call.builder.pick(input, &picked, fill)?])
}

/// Where each position of the padded axis comes from.
fn positions(size: usize, before: i64, after: i64, mode: Mode) -> Result<Vec<Option<usize>>> {
    let size = size as i64;
    if size + before + after < 0 {
        return Err(NodeError::shape(format!("padding {before}, {after} cuts more than an axis of size {size}")));
    }
    let source = |at: i64| match mode {
        _ if (0..size).contains(&at) => Ok(Some(at)),
        Mode::Constant => Ok(None),
        _ if size == 0 => Err(NodeError::shape("padding an empty axis with its own elements")),
        Mode::Edge => Ok(Some(at.clamp(0, size - 1))),
        Mode::Wrap => Ok(Some(at.rem_euclid(size))),
        Mode::Reflect if size == 1 => Ok(Some(0)),
        Mode::Reflect => {
            let period = 2 * (size - 1);
            let at = at.rem_euclid(period);
            Ok(Some(at.min(period - at)))
        }
    };
    (-before..size + after).map(|at| Ok(source(at)?.map(|at| at as usize))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(size: usize, before: i64, after: i64, mode: Mode) -> Vec<Option<usize>> {
        positions(size, before, after, mode).unwrap()
    }

    #[test]
    fn each_mode_finds_its_sources() {
        assert_eq!(list(2, 1, 1, Mode::Constant), [None, Some(0), Some(1), None]);
        assert_eq!(list(3, 2, 2, Mode::Reflect), [2, 1, 0, 1, 2, 1, 0].map(Some));
        assert_eq!(list(2, 2, 1, Mode::Edge), [0, 0, 0, 1, 1].map(Some));
        assert_eq!(list(3, 2, 1, Mode::Wrap), [1, 2, 0, 1, 2, 0].map(Some));
        assert_eq!(list(3, -1, 0, Mode::Constant), [1, 2].map(Some));
        assert!(positions(2, -3, 0, Mode::Edge).is_err());
        assert!(positions(0, 1, 0, Mode::Edge).is_err());
    }
}
