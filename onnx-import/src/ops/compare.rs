//! Comparisons, logic, and the choice between two values.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Equal", &[since(7, 2, 2, 1)], |call| compare(call, BinaryFunction::Equal, false)),
    onnx("Less", &[since(7, 2, 2, 1)], |call| compare(call, BinaryFunction::Less, false)),
    onnx("LessOrEqual", &[since(12, 2, 2, 1)], |call| compare(call, BinaryFunction::LessOrEqual, false)),
    onnx("Greater", &[since(7, 2, 2, 1)], |call| compare(call, BinaryFunction::Less, true)),
    onnx("GreaterOrEqual", &[since(12, 2, 2, 1)], |call| compare(call, BinaryFunction::LessOrEqual, true)),
    onnx("And", &[since(7, 2, 2, 1)], |call| logic(call, BinaryFunction::Min)),
    onnx("Or", &[since(7, 2, 2, 1)], |call| logic(call, BinaryFunction::Max)),
    onnx("Xor", &[since(7, 2, 2, 1)], xor),
    onnx("Not", &[since(1, 1, 1, 1)], not),
    onnx("Where", &[since(9, 3, 3, 1)], select),
];

fn compare(call: &mut Call, function: BinaryFunction, swapped: bool) -> Result {
    let (mut a, mut b) = (call.input(0)?, call.input(1)?);
    if swapped {
        (a, b) = (b, a);
    }
    // Integers that stand for "as far as possible" may be told apart from others, but not from one another.
    let unbounded = |value: ValueId| {
        let tensor = call.builder.tensor(value).filter(|_| call.dtype(value).is_integer());
        tensor.is_some_and(|tensor| tensor.data.iter().any(|value| value.abs() == crate::dtype::UNBOUNDED))
    };
    if unbounded(a) && unbounded(b) {
        return Err(NodeError::Inexact { value: crate::dtype::UNBOUNDED, data_type: "int64" });
    }
    Ok(vec![call.builder.binary(function, a, b)?])
}

fn booleans<const N: usize>(call: &Call) -> Result<[ValueId; N]> {
    let mut operands = [ValueId(0); N];
    for (index, operand) in operands.iter_mut().enumerate() {
        *operand = call.input(index)?;
        if call.dtype(*operand) != DType::Bool {
            return Err(NodeError::data_type(format!("operand {index} is {}, not bool", call.dtype(*operand).name())));
        }
    }
    Ok(operands)
}

fn logic(call: &mut Call, function: BinaryFunction) -> Result {
    let [a, b] = booleans(call)?;
    Ok(vec![call.builder.binary(function, a, b)?])
}

fn xor(call: &mut Call) -> Result {
    let [a, b] = booleans(call)?;
    let equal = call.builder.binary(BinaryFunction::Equal, a, b)?;
    Ok(vec![call.builder.affine(equal, -1.0, 1.0)?])
}

fn not(call: &mut Call) -> Result {
    let [input] = booleans(call)?;
    Ok(vec![call.builder.affine(input, -1.0, 1.0)?])
}

/// A known condition with one known scalar branch is a view with a fill.
fn select(call: &mut Call) -> Result {
    let [condition] = booleans(call)?;
    let (then, otherwise) = (call.input(1)?, call.input(2)?);
    call.builder.same_type(&[then, otherwise])?;
    let shape = call.builder.broadcast_of(&[condition, then, otherwise])?;
    if call.builder.tensor(condition).is_some() {
        let condition = call.builder.broadcast(condition, &shape)?;
        let mask = call.constant(condition, "condition")?.data;
        for (kept, other, when) in [(then, otherwise, 1.0), (otherwise, then, 0.0)] {
            if mask.iter().all(|&value| value == when) {
                return Ok(vec![call.builder.broadcast(kept, &shape)?]);
            }
            let fill = call.builder.tensor(other).filter(|tensor| tensor.data.len() == 1).map(|tensor| tensor.data[0]);
            if let (Some(fill), None) = (fill, call.builder.tensor(kept)) {
                let wide = call.builder.broadcast(kept, &shape)?;
                let mut index = 0..;
                let view =
                    call.builder.view(wide, shape.clone(), fill, |_| index.next().filter(|&at| mask[at] == when));
                return Ok(vec![view?]);
            }
        }
    }
    Ok(vec![call.builder.select(condition, then, otherwise)?])
}
