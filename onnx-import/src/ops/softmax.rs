//! Softmax and LogSoftmax.

use crate::error::NodeError;
use crate::float::graph::{FloatOp, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Softmax", &[since(1, 1, 1, 1)], softmax),
    onnx("LogSoftmax", &[since(1, 1, 1, 1)], |call| {
        along_axis(call, |call, input, axis| apply(call, input, FloatOp::LogSoftmax { input, axis }))
    }),
];

pub(super) fn softmax(call: &mut Call) -> Result<Vec<ValueId>> {
    along_axis(call, |call, input, axis| apply(call, input, FloatOp::Softmax { input, axis }))
}

fn apply(call: &mut Call, input: ValueId, op: FloatOp) -> Result<ValueId> {
    let (shape, dtype) = (call.shape(input), call.dtype(input));
    if !dtype.is_float() {
        return Err(NodeError::data_type(format!("its operand is {}; it must be a float", dtype.name())));
    }
    call.builder.emit(op, shape, dtype)
}

/// From operand set 13 on the function goes along one axis (the last by default). Before, the operand is taken as a
/// matrix whose rows hold all axes from `axis` on (1 by default).
pub(super) fn along_axis(
    call: &mut Call,
    function: impl FnOnce(&mut Call, ValueId, usize) -> Result<ValueId>,
) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let shape = call.shape(input);
    let axis = call.attributes.int_or("axis", if call.version < 13 { 1 } else { -1 })?;
    if call.version >= 13 {
        let axis = resolve_axis(axis, shape.len())?;
        return Ok(vec![function(call, input, axis)?]);
    }
    let axis = if axis == shape.len() as i64 { shape.len() } else { resolve_axis(axis, shape.len())? };
    if axis + 1 == shape.len() {
        return Ok(vec![function(call, input, axis)?]);
    }
    let matrix = vec![shape[..axis].iter().product(), shape[axis..].iter().product()];
    let rows = call.builder.reshape(input, matrix)?;
    let result = function(call, rows, 1)?;
    Ok(vec![call.builder.reshape(result, shape)?])
}
