//! OneHot, and picking by indices that depend on the inputs: ones where an index equals a position.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("OneHot", &[since(9, 3, 3, 1)], one_hot)];

/// Most elements that comparisons with every position are made for.
const MAX_COMPARISONS: usize = 1 << 20;
/// Most positions that differ by more than fixed point rounds.
const MAX_ROUNDED: usize = 128;

/// `[…, positions]`: 1 where the index, an integer held as whatever type, is that position, else 0, as `dtype`. With
/// `from_end`, negative indices count from the end.
pub(super) fn indicators(
    call: &mut Call,
    index: ValueId,
    positions: usize,
    from_end: bool,
    dtype: DType,
) -> Result<ValueId> {
    let mut shape = call.shape(index);
    if call.builder.elements(index).saturating_mul(positions) > MAX_COMPARISONS {
        return Err(NodeError::unsupported(
            format!("{} indices of {positions} positions that depend on the inputs", call.builder.elements(index)),
            "use fewer indices or positions, or constant indices",
        ));
    }
    shape.push(1);
    let index = call.builder.reshape(index, shape)?;
    if positions > MAX_ROUNDED && call.dtype(index).is_integer() {
        let index = match from_end {
            true => wrapped(call, index, positions)?,
            false => index,
        };
        let numbers = (0..positions).map(|position| position as f64).collect();
        let numbers = call.builder.constant(vec![positions], numbers, call.dtype(index))?;
        let equal = call.builder.binary(BinaryFunction::Equal, index, numbers)?;
        return call.builder.retype(equal, dtype);
    }
    // Indices are compared as reals to within a half, which rounding in fixed point does not reach.
    let index = call.builder.retype(index, DType::Float32)?;
    let index = match from_end {
        true => wrapped(call, index, positions)?,
        false => index,
    };
    let numbers = (0..positions).map(|position| position as f64).collect();
    let numbers = call.builder.constant(vec![positions], numbers, DType::Float32)?;
    let difference = call.builder.binary(BinaryFunction::Sub, index, numbers)?;
    let distance = call.builder.unary(UnaryFunction::Abs, difference)?;
    let half = call.builder.scalar(0.5, DType::Float32)?;
    let equal = call.builder.binary(BinaryFunction::Less, distance, half)?;
    call.builder.retype(equal, dtype)
}

/// Indices that may count from the end of an axis of that size.
pub(super) fn wrapped(call: &mut Call, index: ValueId, size: usize) -> Result<ValueId> {
    call.builder.unary(UnaryFunction::Remainder { divisor: size as f64, truncated: false }, index)
}

/// Elements of `data` along its last axis that `indices` name: `[…, positions]` and `[…, picks]` give `[…, picks]`, where
/// the axes before the last are the same.
pub(super) fn pick_by_data(call: &mut Call, data: ValueId, indices: ValueId) -> Result<ValueId> {
    let (mut shape, dtype) = (call.shape(data), call.dtype(data));
    let positions = *shape.last().ok_or_else(|| NodeError::shape("a scalar has no positions"))?;
    let chosen = indicators(call, indices, positions, true, dtype)?;
    shape.insert(shape.len() - 1, 1);
    let data = call.builder.reshape(data, shape)?;
    let gated = call.builder.binary(BinaryFunction::Mul, chosen, data)?;
    let last = call.rank(gated) - 1;
    call.builder.reduce(gated, ReduceKind::Sum, &[last], false)
}

/// The two values are for positions that an index does not and does name; an index beyond the depth names none.
fn one_hot(call: &mut Call) -> Result<Vec<ValueId>> {
    let (indices, values) = (call.input(0)?, call.input(2)?);
    let depth = call.number(1, "depth")?.ok_or_else(|| NodeError::shape("no depth"))?;
    if depth < 1.0 || depth > f64::from(1 << 28) {
        return Err(NodeError::shape(format!("a depth of {depth}")));
    }
    let depth = depth as usize;
    let rank = call.rank(indices) + 1;
    let axis = resolve_axis(call.attributes.int_or("axis", -1)?, rank)?;
    let dtype = call.dtype(values);
    let ends = call.constant(values, "values")?;
    let [off, on] = ends.data[..] else { return Err(NodeError::shape("its values are not two numbers")) };
    // Indices that are reals stand for their integer parts.
    let indices = match call.dtype(indices).is_integer() {
        true => indices,
        false => call.builder.unary(UnaryFunction::Quotient(1.0), indices)?,
    };
    let positive = indicators(call, indices, depth, false, DType::Float32)?;
    let shifted = call.builder.retype(indices, DType::Float32)?;
    let shifted = call.builder.affine(shifted, 1.0, depth as f64)?;
    let negative = indicators(call, shifted, depth, false, DType::Float32)?;
    let either = call.builder.binary(BinaryFunction::Add, positive, negative)?;
    let result = call.builder.affine(either, on - off, off)?;
    let result = call.builder.retype(result, dtype)?;
    let order: Vec<usize> = (0..axis).chain([rank - 1]).chain(axis..rank - 1).collect();
    Ok(vec![call.builder.transpose(result, &order)?])
}
