//! Operators on the bits of integers, by what they have in common: `a | b = a + b − a & b` and `a ^ b = a + b − 2·(a & b)`. A shift
//! is a quotient or a product by a power of two.

use super::arithmetic::{integer_division, wrapping};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("BitwiseAnd", &[since(18, 2, 2, 1)], |call| common(call, None)),
    onnx("BitwiseOr", &[since(18, 2, 2, 1)], |call| common(call, Some(1.0))),
    onnx("BitwiseXor", &[since(18, 2, 2, 1)], |call| common(call, Some(2.0))),
    onnx("BitwiseNot", &[since(18, 1, 1, 1)], opposite),
    onnx("BitShift", &[since(11, 2, 2, 1)], shift),
];

/// The common bits, or the sum less them so often.
fn common(call: &mut Call, taken_off: Option<f64>) -> Result<Vec<ValueId>> {
    let (a, b) = (integer(call, 0)?, integer(call, 1)?);
    let common = call.builder.binary(BinaryFunction::BitAnd, a, b)?;
    let Some(times) = taken_off else { return Ok(vec![common]) };
    let sum = call.builder.binary(BinaryFunction::Add, a, b)?;
    let part = call.builder.affine(common, times, 0.0)?;
    Ok(vec![call.builder.binary(BinaryFunction::Sub, sum, part)?])
}

/// All bits turned: `−1 − v`, or `max − v` without a sign.
fn opposite(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = integer(call, 0)?;
    let most = match call.dtype(input).integer_range() {
        Some((0.0, hi)) => hi,
        _ => -1.0,
    };
    if most > crate::dtype::EXACT {
        return Err(NodeError::unsupported("the opposite of 64 bits without a sign", "use a narrower type"));
    }
    Ok(vec![call.builder.affine(input, -1.0, most)?])
}

/// By so many bits as the second operand says.
fn shift(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, amount) = (integer(call, 0)?, integer(call, 1)?);
    let direction = call.attributes.string("direction")?;
    let dtype = call.dtype(input);
    let Some((lo, hi)) = dtype.integer_range() else { unreachable!("an integer type has a range") };
    let two = call.builder.scalar(2.0, dtype)?;
    // As many bits as the type has leave nothing, and more do not either.
    let width = 4.0 * dtype.bytes(2) as f64;
    let clipped = |call: &mut Call| call.builder.unary(UnaryFunction::Clip { lo: 0.0, hi: width }, amount);
    match direction.as_deref() {
        Some("LEFT") if lo < 0.0 => {
            Err(NodeError::unsupported("a shift to the left of integers with a sign", "multiply by a power of two"))
        }
        Some("LEFT") => {
            let amount = clipped(call)?;
            let power = call.builder.binary(BinaryFunction::Pow, two, amount)?;
            Ok(vec![wrapping(call, BinaryFunction::Mul, input, power)?])
        }
        Some("RIGHT") if lo == 0.0 => {
            let amount = clipped(call)?;
            let power = call.builder.binary(BinaryFunction::Pow, two, amount)?;
            Ok(vec![integer_division(call, BinaryFunction::Quotient, input, power)?])
        }
        Some("RIGHT") => {
            let known = call.builder.tensor(amount).and_then(|tensor| tensor.uniform());
            let known = known.filter(|amount| (0.0..=hi.log2()).contains(amount)).ok_or_else(|| {
                NodeError::unsupported("a shift of integers with a sign by several amounts", "shift by one constant")
            })?;
            let scaled = call.builder.retype(input, DType::Float64)?;
            let scaled = call.builder.affine(scaled, (-known).exp2(), 0.0)?;
            let whole = call.builder.unary(UnaryFunction::Floor, scaled)?;
            Ok(vec![call.builder.retype(whole, dtype)?])
        }
        other => Err(NodeError::attribute("direction", format!("`{}` is unknown", other.unwrap_or("")))),
    }
}

fn integer(call: &Call, index: usize) -> Result<ValueId> {
    let input = call.input(index)?;
    match call.dtype(input).is_integer() {
        true => Ok(input),
        false => Err(NodeError::data_type(format!("its operand is {}, no integer", call.dtype(input).name()))),
    }
}
