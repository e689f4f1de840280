//! Arithmetic with broadcasting. Integers of a model are held as exact reals; where run-time integers could wrap around
//! their type, or division would have to truncate, the node is refused.

use super::dynamic;
use crate::dtype::UNBOUNDED;
use crate::error::NodeError;
use crate::float::evaluate::{strides_for, Odometer};
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator, VARIADIC};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Add", &[since(6, 2, 2, 1)], |call| binary(call, BinaryFunction::Add)),
    onnx("Sub", &[since(6, 2, 2, 1)], |call| binary(call, BinaryFunction::Sub)),
    onnx("Mul", &[since(6, 2, 2, 1)], mul),
    onnx("Div", &[since(6, 2, 2, 1)], div),
    onnx("Mod", &[since(10, 2, 2, 1)], modulo),
    onnx("Pow", &[since(6, 2, 2, 1)], pow),
    onnx("Max", &[since(6, 1, VARIADIC, 1)], |call| variadic(call, BinaryFunction::Max)),
    onnx("Min", &[since(6, 1, VARIADIC, 1)], |call| variadic(call, BinaryFunction::Min)),
    onnx("Sum", &[since(6, 1, VARIADIC, 1)], |call| variadic(call, BinaryFunction::Add)),
    onnx("Mean", &[since(6, 1, VARIADIC, 1)], mean),
];

/// Refuses arithmetic on run-time integers of a narrow or unsigned type, and on the largest 64-bit integers.
pub(super) fn check_wrap(call: &Call, operands: &[ValueId]) -> Result<()> {
    let dtype = call.dtype(operands[0]);
    let constants = operands.iter().filter_map(|&operand| call.builder.tensor(operand));
    if let Some(value) = constants.flat_map(|tensor| tensor.data.iter()).find(|value| value.abs() == UNBOUNDED) {
        if dtype.is_integer() {
            return Err(NodeError::Inexact { value: *value, data_type: dtype.name() });
        }
    }
    let known = operands.iter().all(|&operand| call.builder.tensor(operand).is_some());
    if !known && dtype.may_wrap() {
        return Err(NodeError::unsupported(
            format!("arithmetic on {} data may wrap around", dtype.name()),
            "cast to int32 or a float type first",
        ));
    }
    if !dtype.is_float() && !dtype.is_integer() {
        return Err(NodeError::data_type("its operands are booleans"));
    }
    Ok(())
}

/// The two operands. Before operator set 7 shapes are the same, or the second is repeated where `broadcast` says so: its
/// axes are those of the first from `axis` on, the last ones unless it is given.
pub(super) fn two_operands(call: &mut Call) -> Result<(ValueId, ValueId)> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if call.version >= 7 {
        return Ok((a, b));
    }
    let (broadcast, axis) = (call.attributes.flag("broadcast", false)?, call.attributes.int("axis")?);
    let (from, mut shape) = (call.shape(a), call.shape(b));
    let misfit = || NodeError::shape(format!("{:?} does not broadcast to {from:?}", call.shape(b)));
    if !broadcast {
        return if from == shape { Ok((a, b)) } else { Err(misfit()) };
    }
    let last = from.len().checked_sub(shape.len()).ok_or_else(misfit)?;
    let axis = match axis {
        Some(axis) if axis < 0 => axis.checked_add(from.len() as i64).unwrap_or(-1),
        Some(axis) => axis,
        None => last as i64,
    };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= last).ok_or_else(misfit)?;
    shape.resize(from.len() - axis, 1);
    let b = call.builder.reshape(b, shape)?;
    Ok((a, b))
}

fn binary(call: &mut Call, function: BinaryFunction) -> Result {
    let (a, b) = two_operands(call)?;
    check_wrap(call, &[a, b])?;
    Ok(vec![call.builder.binary(function, a, b)?])
}

/// A product of an exact accumulator and the dynamic scales of its operands is the real that it stands for.
fn mul(call: &mut Call) -> Result {
    let (a, b) = two_operands(call)?;
    match dynamic::product(call, a, b)? {
        Some(result) => Ok(vec![result]),
        None => binary(call, BinaryFunction::Mul),
    }
}

fn variadic(call: &mut Call, function: BinaryFunction) -> Result {
    let inputs = call.all_inputs()?;
    if function == BinaryFunction::Add {
        check_wrap(call, &inputs)?;
    }
    let mut total = inputs[0];
    for &input in &inputs[1..] {
        total = call.builder.binary(function, total, input)?;
    }
    Ok(vec![total])
}

fn mean(call: &mut Call) -> Result {
    let count = call.inputs.len() as f64;
    let total = variadic(call, BinaryFunction::Add)?[0];
    Ok(vec![call.builder.affine(total, 1.0 / count, 0.0)?])
}

/// One number that all of a constant's elements are, where it is known and not zero.
fn divisor(call: &Call, value: ValueId) -> Option<f64> {
    let tensor = call.builder.tensor(value)?;
    let first = *tensor.data.first()?;
    // The smallest integer of a narrow type has no negative in it.
    let wraps = first == -1.0 && call.dtype(value).may_wrap();
    let usable = first != 0.0 && first.is_finite() && first.abs() != UNBOUNDED && !wraps;
    (usable && tensor.data.iter().all(|&value| value == first)).then_some(first)
}

/// A function of the first operand alone, where the second is one number that it keeps its shape with.
fn by_number(call: &mut Call, operands: [ValueId; 2], function: impl Fn(f64) -> UnaryFunction) -> Option<Result> {
    let [a, b] = operands;
    let known = call.builder.tensor(a).is_some();
    let divisor = divisor(call, b).filter(|_| !known && call.builder.same_type(&operands).is_ok())?;
    let keeps_shape = call.builder.broadcast_of(&operands).is_ok_and(|shape| shape == call.builder.shape(a));
    keeps_shape.then(|| call.builder.unary(function(divisor), a).map(|value| vec![value]))
}

fn div(call: &mut Call) -> Result {
    if call.dtype(call.input(0)?).is_integer() {
        let (a, b) = two_operands(call)?;
        if let Some(result) = by_number(call, [a, b], UnaryFunction::Quotient) {
            return result;
        }
        return fold_integers(call, a, b, "integer division truncates", |a, b| a.checked_div(b));
    }
    binary(call, BinaryFunction::Div)
}

/// `fmod` keeps the sign of the dividend, otherwise the result has the sign of the divisor.
fn modulo(call: &mut Call) -> Result {
    let (a, b, fmod) = (call.input(0)?, call.input(1)?, call.attributes.flag("fmod", false)?);
    let allowed = call.dtype(a).is_integer() || fmod || call.version >= 28;
    if allowed {
        let function = |divisor| UnaryFunction::Remainder { divisor, truncated: fmod };
        if let Some(result) = by_number(call, [a, b], function) {
            return result;
        }
    }
    if call.dtype(a).is_integer() {
        return fold_integers(call, a, b, "the remainder of integers", move |a, b| {
            let remainder = a.checked_rem(b)?;
            Some(if !fmod && remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
        });
    }
    if !fmod && call.version < 28 {
        return Err(NodeError::attribute("fmod", "it must be 1 for floats"));
    }
    fold(call, a, b, "the remainder of floats", |a, b| Ok(if fmod { a % b } else { a - (a / b).floor() * b }))
}

fn fold_integers(call: &mut Call, a: ValueId, b: ValueId, what: &str, f: impl Fn(i64, i64) -> Option<i64>) -> Result {
    fold(call, a, b, what, |a, b| {
        if a.abs() == UNBOUNDED || b.abs() == UNBOUNDED {
            return Err(NodeError::Inexact { value: a, data_type: "int64" });
        }
        f(a as i64, b as i64).map(|value| value as f64).ok_or_else(|| NodeError::shape("it divides by zero"))
    })
}

/// Applies a function that the float graph does not have to two constants.
fn fold(call: &mut Call, a: ValueId, b: ValueId, what: &str, f: impl Fn(f64, f64) -> Result<f64>) -> Result {
    call.builder.same_type(&[a, b])?;
    let shape = call.builder.broadcast_of(&[a, b])?;
    let (Some(left), Some(right)) = (call.builder.tensor(a).cloned(), call.builder.tensor(b).cloned()) else {
        return Err(NodeError::unsupported(
            format!("{what} of data that depends on the inputs is not supported"),
            "compute it before the model, or in floats",
        ));
    };
    call.builder.materialize(shape.iter().product::<usize>() as u64)?;
    let positions = Odometer::new(&shape, [strides_for(&left.shape, &shape), strides_for(&right.shape, &shape)]);
    let data = positions.map(|[i, j]| f(left.data[i], right.data[j])).collect::<Result<Vec<f64>>>()?;
    let dtype = call.dtype(a);
    Ok(vec![call.builder.constant(shape, data, dtype)?])
}

/// A constant exponent gives a function of one value; the type is that of the base.
fn pow(call: &mut Call) -> Result {
    let (base, exponent) = two_operands(call)?;
    let dtype = call.dtype(base);
    let known = call.builder.tensor(exponent).filter(|tensor| tensor.data.len() == 1).map(|tensor| tensor.data[0]);
    let keeps_shape = call.builder.broadcast_of(&[base, exponent])? == call.builder.shape(base);
    check_wrap(call, &[base])?;
    if let (Some(exponent), true) = (known, keeps_shape) {
        let builder = &mut *call.builder;
        let result = if exponent == 1.0 {
            base
        } else if exponent == 2.0 {
            builder.binary(BinaryFunction::Mul, base, base)?
        } else if dtype.is_integer() && builder.tensor(base).is_none() {
            return Err(integer_power());
        } else if exponent == 0.5 {
            builder.unary(UnaryFunction::Sqrt, base)?
        } else if exponent == -1.0 {
            builder.unary(UnaryFunction::Reciprocal, base)?
        } else {
            builder.unary(UnaryFunction::Power(exponent), base)?
        };
        return Ok(vec![result]);
    }
    let all_known = call.builder.tensor(base).is_some() && call.builder.tensor(exponent).is_some();
    if dtype.is_integer() && !all_known {
        return Err(integer_power());
    }
    let exponent = call.builder.retype(exponent, dtype)?;
    Ok(vec![call.builder.binary(BinaryFunction::Pow, base, exponent)?])
}

fn integer_power() -> NodeError {
    NodeError::unsupported("powers of integers that depend on the inputs are not supported", "cast the base to a float")
}
