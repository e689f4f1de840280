//! Cast and CastLike.
//!
//! Constants are converted. Of run-time data an integer type takes the integer part; a cast that may wrap around is refused.

use super::dynamic;
use crate::dtype::{DType, UNBOUNDED};
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId};
use crate::lower::{Builder, Call};
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("Cast", &[since(6, 1, 1, 1)], cast), onnx("CastLike", &[since(15, 2, 2, 1)], cast_like)];

fn cast(call: &mut Call) -> Result<Vec<ValueId>> {
    const STRING: i64 = 8;
    let code = call.attributes.int("to")?.ok_or_else(|| NodeError::attribute("to", "it is missing"))?;
    let input = call.input(0)?;
    let text = call.dtype(input) == DType::Text;
    if text && code == STRING {
        return Ok(vec![input]);
    }
    if text {
        return Err(NodeError::unsupported("a cast of texts to numbers", "encode them as integers before the model"));
    }
    let to = target_type(code, "to")?;
    convert(call, to)
}

fn cast_like(call: &mut Call) -> Result<Vec<ValueId>> {
    let to = call.dtype(call.input(1)?);
    convert(call, to)
}

/// The element type that an attribute names.
pub(super) fn target_type(code: i64, attribute: &str) -> Result<DType> {
    i32::try_from(code)
        .map_err(|_| format!("number {code}"))
        .and_then(DType::from_onnx)
        .map_err(|name| NodeError::attribute(attribute, format!("element type {name} is not supported")))
}

fn convert(call: &mut Call, to: DType) -> Result<Vec<ValueId>> {
    // Both concern 8-bit floats only, which are refused.
    if call.version >= 19 {
        call.attributes.int("saturate")?;
    }
    if call.version >= 24 {
        call.attributes.string("round_mode")?;
    }
    let input = call.input(0)?;
    let from = call.dtype(input);
    if from == to {
        return Ok(vec![input]);
    }
    let result = match call.builder.tensor(input).cloned() {
        Some(tensor) => {
            let data = tensor.data.iter().map(|&value| convert_number(value, to)).collect();
            call.builder.constant(tensor.shape, data, to)?
        }
        None => {
            let result = convert_data(call.builder, input, from, to)?;
            dynamic::pass(call.builder, input, result);
            result
        }
    };
    Ok(vec![result])
}

/// Reals are truncated towards zero; what an integer type then cannot hold is refused by the builder. Infinities become the smallest
/// 64-bit integer, as processors have it: exporters leave the logarithm of zero in positions that a choice then discards.
fn convert_number(value: f64, to: DType) -> f64 {
    if to == DType::Bool {
        f64::from(u8::from(value != 0.0))
    } else if to == DType::Int64 && value.is_infinite() {
        -UNBOUNDED
    } else if to.is_integer() {
        value.trunc()
    } else {
        value
    }
}

fn convert_data(builder: &mut Builder, input: ValueId, from: DType, to: DType) -> Result<ValueId> {
    if to == DType::Bool {
        let zero = builder.scalar(0.0, from)?;
        let equal = builder.binary(BinaryFunction::Equal, input, zero)?;
        return builder.affine(equal, -1.0, 1.0);
    }
    let wraps = to.may_wrap() && from != DType::Bool && !contains(to, from);
    if wraps {
        return Err(NodeError::unsupported(
            format!("a cast of {} data to {} may wrap around", from.name(), to.name()),
            "cast to int64 instead",
        ));
    }
    if to.is_integer() && !from.is_integer() && from != DType::Bool && !builder.is_integral(input) {
        let shape = builder.shape(input).to_vec();
        return builder.emit(FloatOp::Unary { input, function: UnaryFunction::Quotient(1.0) }, shape, to);
    }
    builder.retype(input, to)
}

fn contains(outer: DType, inner: DType) -> bool {
    match (outer.integer_range(), inner.integer_range()) {
        (Some((lo, hi)), Some((least, most))) => lo <= least && most <= hi,
        _ => false,
    }
}
