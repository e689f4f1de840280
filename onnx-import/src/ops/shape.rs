//! Operators that change the shape only, or ask for it.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::call::{resolve_axes, resolve_axis};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result = std::result::Result<Vec<ValueId>, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Reshape", &[since(5, 2, 2, 1)], reshape),
    onnx("Flatten", &[since(1, 1, 1, 1)], flatten),
    onnx("Squeeze", &[since(1, 1, 1, 1), since(13, 1, 2, 1)], squeeze),
    onnx("Unsqueeze", &[since(1, 1, 1, 1), since(13, 2, 2, 1)], unsqueeze),
    onnx("Transpose", &[since(1, 1, 1, 1)], transpose),
    onnx("Identity", &[since(1, 1, 1, 1)], |call| Ok(vec![call.input(0)?])),
    onnx("Dropout", &[since(6, 1, 1, 2), since(12, 1, 3, 2)], dropout),
    onnx("Shape", &[since(1, 1, 1, 1)], shape),
    onnx("Size", &[since(1, 1, 1, 1)], size),
];

/// A size of 0 copies that of the operand unless `allowzero`; one size may be −1 and follows from the others.
fn reshape(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let from = call.shape(input);
    let allow_zero = call.version >= 14 && call.attributes.flag("allowzero", false)?;
    let wanted = call.integers(1, "target shape")?.ok_or_else(|| NodeError::shape("no target shape"))?;
    let misfit = || NodeError::shape(format!("cannot reshape {from:?} to {wanted:?}"));
    let mut target = vec![];
    let mut free = None;
    for (axis, &size) in wanted.iter().enumerate() {
        target.push(match size {
            -1 if free.is_none() => {
                free = Some(axis);
                1
            }
            0 if !allow_zero => *from.get(axis).ok_or_else(misfit)?,
            size => usize::try_from(size).map_err(|_| misfit())?,
        });
    }
    if let Some(axis) = free {
        let known = target.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).ok_or_else(misfit)?;
        let elements = call.builder.elements(input);
        if known == 0 || !elements.is_multiple_of(known) {
            return Err(misfit());
        }
        target[axis] = elements / known;
    }
    Ok(vec![call.builder.reshape(input, target)?])
}

/// Two axes: those before `axis`, and the others.
fn flatten(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let shape = call.shape(input);
    let axis = call.attributes.int_or("axis", 1)?;
    // The axis may be the rank itself.
    let axis = if axis == shape.len() as i64 { shape.len() } else { resolve_axis(axis, shape.len())? };
    let (outer, inner) = (shape[..axis].iter().product(), shape[axis..].iter().product());
    Ok(vec![call.builder.reshape(input, vec![outer, inner])?])
}

/// Axes are an attribute before operator set 13, then an operand.
fn axes(call: &Call) -> std::result::Result<Option<Vec<i64>>, NodeError> {
    if call.version < 13 {
        call.attributes.ints("axes")
    } else {
        call.integers(1, "axes")
    }
}

fn squeeze(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let mut shape = call.shape(input);
    let axes = match axes(call)? {
        Some(axes) => resolve_axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|&&axis| shape[axis] != 1) {
        return Err(NodeError::shape(format!("axis {axis} of {shape:?} has not size 1")));
    }
    let mut index = 0;
    shape.retain(|_| {
        index += 1;
        !axes.contains(&(index - 1))
    });
    Ok(vec![call.builder.reshape(input, shape)?])
}

fn unsqueeze(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let axes = axes(call)?.ok_or_else(|| NodeError::attribute("axes", "it is missing"))?;
    let from = call.shape(input);
    let rank = from.len() + axes.len();
    let axes = resolve_axes(&axes, rank)?;
    let mut sizes = from.into_iter();
    let shape = (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { sizes.next().unwrap_or(1) }).collect();
    Ok(vec![call.builder.reshape(input, shape)?])
}

fn transpose(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let rank = call.rank(input);
    let permutation = match call.attributes.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(permutation) if permutation.len() == rank => resolve_axes(&permutation, rank)?,
        Some(other) => return Err(NodeError::attribute("perm", format!("{other:?} does not permute {rank} axes"))),
    };
    Ok(vec![call.builder.transpose(input, &permutation)?])
}

/// The identity, as in inference; the mask is all ones.
fn dropout(call: &mut Call) -> Result {
    let input = call.input(0)?;
    if call.version < 12 {
        call.attributes.float("ratio")?;
        if call.version < 7 && !call.attributes.flag("is_test", false)? {
            return Err(NodeError::unsupported("training mode is not supported", "export the model for inference"));
        }
    } else {
        call.attributes.int("seed")?;
        if call.number(2, "training mode")?.unwrap_or(0.0) != 0.0 && call.number(1, "ratio")?.unwrap_or(0.5) != 0.0 {
            return Err(NodeError::unsupported("training mode is not supported", "export the model for inference"));
        }
    }
    if call.used_outputs.get(1) != Some(&true) {
        return Ok(vec![input]);
    }
    if call.version < 12 {
        return Err(NodeError::unsupported(
            "runtimes differ on the mask before operator set 12",
            "do not read the mask",
        ));
    }
    let shape = call.shape(input);
    let ones = vec![1.0; call.builder.elements(input)];
    Ok(vec![input, call.builder.constant(shape, ones, DType::Bool)?])
}

fn shape(call: &mut Call) -> Result {
    let shape = call.shape(call.input(0)?);
    let (mut start, mut end) = (0, shape.len());
    if call.version >= 15 {
        let rank = shape.len() as i64;
        let clamp = |position: i64| {
            let position = if position < 0 { position.saturating_add(rank) } else { position };
            position.clamp(0, rank) as usize
        };
        start = clamp(call.attributes.int_or("start", 0)?);
        end = clamp(call.attributes.int_or("end", rank)?).max(start);
    }
    Ok(vec![call.builder.integers(shape[start..end].iter().copied())?])
}

fn size(call: &mut Call) -> Result {
    let elements = call.builder.elements(call.input(0)?);
    Ok(vec![call.builder.scalar(elements as f64, DType::Int64)?])
}
