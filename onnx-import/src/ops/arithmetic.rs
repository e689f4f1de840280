//! Arithmetic with broadcasting. Integers of a model are held as exact reals. Sums and products of run-time integers of up to 16 bits
//! wrap around as their type does; where others could, the node is refused.

use super::dynamic;
use crate::dtype::{DType, UNBOUNDED};
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

/// Types of fewer integers have sums that a table can hold.
const MOST_SUMMANDS: f64 = 65_536.0;
/// Types of fewer integers have products that a table can hold.
const MOST_FACTORS: f64 = 256.0;
/// Largest exponent that is taken as repeated multiplication.
const MOST_REPEATED: f64 = 16.0;

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

/// Whether constants are added of which one has integers at an end of their type and the other none: the sums are held as that end too,
/// or refused where they are too far from it.
fn is_near_an_end(call: &Call, operands: [ValueId; 2]) -> bool {
    let at_end = |operand| call.builder.tensor(operand).map(|tensor| tensor.data.iter().any(|v| v.abs() == UNBOUNDED));
    matches!(operands.map(at_end), [Some(a), Some(b)] if a != b)
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
    Ok(vec![wrapping(call, function, a, b)?])
}

/// A sum, difference or product; of run-time integers whose results a table can bring back into their type, as it wraps around.
pub(super) fn wrapping(call: &mut Call, function: BinaryFunction, a: ValueId, b: ValueId) -> Result<ValueId> {
    let known = [a, b].iter().all(|&operand| call.builder.tensor(operand).is_some());
    let range = call.dtype(a).integer_range().filter(|_| call.dtype(a).may_wrap() && !known);
    let most = if function == BinaryFunction::Mul { MOST_FACTORS } else { MOST_SUMMANDS };
    match range {
        Some((lo, hi)) if hi - lo < most => {
            let exact = call.builder.binary(function, a, b)?;
            wrapped(call, exact, lo, hi)
        }
        _ => {
            if function != BinaryFunction::Add || !is_near_an_end(call, [a, b]) {
                check_wrap(call, &[a, b])?;
            }
            call.builder.binary(function, a, b)
        }
    }
}

/// An integer brought back into `[lo, hi]` as a type of that range wraps around.
fn wrapped(call: &mut Call, value: ValueId, lo: f64, hi: f64) -> Result<ValueId> {
    let shifted = call.builder.affine(value, 1.0, -lo)?;
    let function = UnaryFunction::Remainder { divisor: hi - lo + 1.0, truncated: false };
    let rest = call.builder.unary(function, shifted)?;
    call.builder.affine(rest, 1.0, lo)
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
        if both_known(call, a, b) {
            return fold_integers(call, a, b, |a, b| a.checked_div(b));
        }
        return Ok(vec![integer_division(call, BinaryFunction::Quotient, a, b)?]);
    }
    binary(call, BinaryFunction::Div)
}

fn both_known(call: &Call, a: ValueId, b: ValueId) -> bool {
    [a, b].iter().all(|&operand| call.builder.tensor(operand).is_some())
}

/// A quotient or remainder of integers that depend on the inputs. The smallest of a signed type over −1 wraps around.
pub(super) fn integer_division(call: &mut Call, function: BinaryFunction, a: ValueId, b: ValueId) -> Result<ValueId> {
    if let Some(tensor) = call.builder.tensor(b).filter(|tensor| tensor.data.contains(&0.0)) {
        return Err(NodeError::shape(format!("it divides by zero, in a divisor of shape {:?}", tensor.shape)));
    }
    let result = call.builder.binary(function, a, b)?;
    match call.dtype(a).integer_range() {
        Some((lo, hi)) if function == BinaryFunction::Quotient && lo < 0.0 && hi - lo < MOST_SUMMANDS => {
            wrapped(call, result, lo, hi)
        }
        _ => Ok(result),
    }
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
    if call.dtype(a).is_integer() && both_known(call, a, b) {
        return fold_integers(call, a, b, move |a, b| {
            let remainder = a.checked_rem(b)?;
            Some(if !fmod && remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
        });
    }
    if call.dtype(a).is_integer() {
        let remainder = integer_division(call, BinaryFunction::Remainder, a, b)?;
        if fmod {
            return Ok(vec![remainder]);
        }
        // One divisor more has the divisor's sign, and leaves the same.
        let signed = call.builder.binary(BinaryFunction::Add, remainder, b)?;
        return Ok(vec![integer_division(call, BinaryFunction::Remainder, signed, b)?]);
    }
    if !fmod && call.version < 28 {
        return Err(NodeError::attribute("fmod", "it must be 1 for floats"));
    }
    if both_known(call, a, b) {
        return fold(call, a, b, |a, b| Ok(if fmod { a % b } else { a - (a / b).floor() * b }));
    }
    if !fmod {
        return Err(NodeError::unsupported(
            "the remainder of floats with the sign of a divisor that depends on the inputs",
            "use fmod = 1, or a constant divisor",
        ));
    }
    Ok(vec![call.builder.binary(BinaryFunction::Remainder, a, b)?])
}

fn fold_integers(call: &mut Call, a: ValueId, b: ValueId, f: impl Fn(i64, i64) -> Option<i64>) -> Result {
    fold(call, a, b, |a, b| {
        if a.abs() == UNBOUNDED || b.abs() == UNBOUNDED {
            return Err(NodeError::Inexact { value: a, data_type: "int64" });
        }
        f(a as i64, b as i64).map(|value| value as f64).ok_or_else(|| NodeError::shape("it divides by zero"))
    })
}

/// Applies a function that the float graph does not have to two constants.
fn fold(call: &mut Call, a: ValueId, b: ValueId, f: impl Fn(f64, f64) -> Result<f64>) -> Result {
    call.builder.same_type(&[a, b])?;
    let shape = call.builder.broadcast_of(&[a, b])?;
    let (left, right) = (call.constant(a, "dividend")?, call.constant(b, "divisor")?);
    call.builder.materialize(shape.iter().product::<usize>() as u64)?;
    let positions = Odometer::new(&shape, [strides_for(&left.shape, &shape), strides_for(&right.shape, &shape)]);
    let data = positions.map(|[i, j]| f(left.data[i], right.data[j])).collect::<Result<Vec<f64>>>()?;
    let dtype = call.dtype(a);
    Ok(vec![call.builder.constant(shape, data, dtype)?])
}

/// Small whole exponents of run-time integers, or several of them, as repeated multiplication: element `i` is a product of as many
/// factors as its exponent says.
fn repeated(call: &mut Call, base: ValueId, exponent: ValueId) -> Result<Option<ValueId>> {
    let (dtype, tensor) = (call.dtype(base), call.builder.tensor(exponent).cloned());
    let Some(tensor) = tensor.filter(|_| call.builder.tensor(base).is_none()) else { return Ok(None) };
    let whole = |value: &f64| value.fract() == 0.0 && (0.0..=MOST_REPEATED).contains(value);
    let several = tensor.uniform().is_none();
    if !tensor.data.iter().all(whole) || tensor.data.is_empty() || !(several || dtype.is_integer()) {
        return Ok(None);
    }
    let shape = call.builder.broadcast_of(&[base, exponent])?;
    let base = call.builder.broadcast(base, &shape)?;
    let most = tensor.data.iter().fold(0.0f64, |most, &value| most.max(value)) as usize;
    let one = call.builder.scalar(1.0, dtype)?;
    let mut product = None;
    for factor in 0..most.max(1) {
        let taken = tensor.data.iter().map(|&exponent| f64::from(u8::from(exponent > factor as f64))).collect();
        let taken = call.builder.constant(tensor.shape.clone(), taken, DType::Bool)?;
        let taken = call.builder.broadcast(taken, &shape)?;
        let factor = call.builder.select(taken, base, one)?;
        product = Some(match product {
            None => factor,
            Some(product) => call.builder.binary(BinaryFunction::Mul, product, factor)?,
        });
    }
    Ok(product)
}

/// A constant exponent gives a function of one value; the type is that of the base.
fn pow(call: &mut Call) -> Result {
    let (base, exponent) = two_operands(call)?;
    let dtype = call.dtype(base);
    let known = call.builder.tensor(exponent).filter(|tensor| tensor.data.len() == 1).map(|tensor| tensor.data[0]);
    let keeps_shape = call.builder.broadcast_of(&[base, exponent])? == call.builder.shape(base);
    check_wrap(call, &[base])?;
    if let Some(result) = repeated(call, base, exponent)? {
        return Ok(vec![result]);
    }
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
