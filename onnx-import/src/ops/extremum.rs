//! ArgMax, ArgMin and Hardmax.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ValueId};
use crate::lower::emit::reduced_shape;
use crate::lower::Call;
use crate::ops::softmax::along_axis;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("ArgMax", &[since(1, 1, 1, 1)], |call| arg(call, false)),
    onnx("ArgMin", &[since(1, 1, 1, 1)], |call| arg(call, true)),
    onnx("Hardmax", &[since(1, 1, 1, 1)], hardmax),
];

fn arg(call: &mut Call, smallest: bool) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let axis = call.axis(0, call.rank(input))?;
    let keep = call.attributes.flag("keepdims", true)?;
    let last = call.version >= 12 && call.attributes.flag("select_last_index", false)?;
    Ok(vec![extremum(call, input, axis, keep, smallest, last)?])
}

/// The index of the largest or smallest element along an axis, as int64.
pub(super) fn extremum(
    call: &mut Call,
    input: ValueId,
    axis: usize,
    keep: bool,
    smallest: bool,
    last: bool,
) -> Result<ValueId> {
    let from = call.shape(input);
    if from[axis] == 0 {
        return Err(NodeError::shape("the extremum of an empty axis"));
    }
    let shape = reduced_shape(&from, &[axis], keep);
    if from[axis] == 1 {
        let zeros = vec![0.0; shape.iter().product()];
        return call.builder.constant(shape, zeros, DType::Int64);
    }
    call.builder.emit(FloatOp::ArgExtremum { input, axis, smallest, last }, shape, DType::Int64)
}

/// 1 at the first largest element, 0 elsewhere.
fn hardmax(call: &mut Call) -> Result<Vec<ValueId>> {
    along_axis(call, |call, input, axis| {
        let index = extremum(call, input, axis, true, false, false)?;
        let mut shape = vec![1; call.rank(input)];
        shape[axis] = call.shape(input)[axis];
        let positions = call.builder.integers(0..shape[axis])?;
        let positions = call.builder.reshape(positions, shape)?;
        let equal = call.builder.binary(BinaryFunction::Equal, index, positions)?;
        let dtype = call.dtype(input);
        call.builder.retype(equal, dtype)
    })
}
