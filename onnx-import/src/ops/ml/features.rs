//! Operators on tables of features.

use super::{samples, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::ops::gather::gather_along;

/// One number for all features or one for each, as a row.
fn per_feature(call: &mut Call, attribute: &str, values: Vec<f64>, features: usize) -> Result<ValueId> {
    if values.len() != 1 && values.len() != features {
        return Err(NodeError::attribute(attribute, format!("{} numbers for {features} features", values.len())));
    }
    call.builder.constant(vec![values.len()], values, DType::Float32)
}

/// `(x − offset)·scale`
pub(super) fn scaler(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = samples(call, 0)?;
    let features = call.shape(input)[1];
    let mut list = |name| {
        let values = call.attributes.floats(name)?.ok_or_else(|| NodeError::attribute(name, "it is missing"))?;
        per_feature(call, name, values, features)
    };
    let (offset, scale) = (list("offset")?, list("scale")?);
    let shifted = call.builder.binary(BinaryFunction::Sub, input, offset)?;
    Ok(vec![call.builder.binary(BinaryFunction::Mul, shifted, scale)?])
}

/// Each row divided by its norm; rows without one stay zero.
pub(super) fn normalizer(call: &mut Call) -> Result<Vec<ValueId>> {
    let norm = call.attributes.string_or("norm", "MAX")?;
    let input = samples(call, 0)?;
    let builder = &mut *call.builder;
    let divisor = match norm.as_str() {
        // The entries of a softmax are positive and sum to one.
        "L1" if matches!(builder.op(input), FloatOp::Softmax { axis: 1, .. }) => return Ok(vec![input]),
        "L1" => {
            let magnitude = builder.unary(UnaryFunction::Abs, input)?;
            let sum = builder.reduce(magnitude, ReduceKind::Sum, &[1], true)?;
            at_least_tiny(call, sum)?
        }
        "L2" => {
            let square = builder.binary(BinaryFunction::Mul, input, input)?;
            let sum = builder.reduce(square, ReduceKind::Sum, &[1], true)?;
            let root = builder.unary(UnaryFunction::Sqrt, sum)?;
            at_least_tiny(call, root)?
        }
        "MAX" => {
            // The largest element may be negative; where it is zero the row stays as it is.
            let largest = builder.reduce(input, ReduceKind::Max, &[1], true)?;
            let (zero, one) = (builder.scalar(0.0, DType::Float32)?, builder.scalar(1.0, DType::Float32)?);
            let is_zero = builder.binary(BinaryFunction::Equal, largest, zero)?;
            builder.select(is_zero, one, largest)?
        }
        other => return Err(NodeError::attribute("norm", format!("`{other}` is unknown"))),
    };
    Ok(vec![call.builder.binary(BinaryFunction::Div, input, divisor)?])
}

/// Keeps a divisor off zero, so that a row of zeros divides to zeros.
fn at_least_tiny(call: &mut Call, value: ValueId) -> Result<ValueId> {
    call.builder.unary(UnaryFunction::Clip { lo: f64::from(f32::MIN_POSITIVE), hi: f64::INFINITY }, value)
}

/// 1 where an element is above the threshold, else 0.
pub(super) fn binarizer(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let threshold = call.attributes.float_or("threshold", 0.0)?;
    let dtype = call.dtype(input);
    let threshold = call.builder.scalar(threshold, dtype)?;
    let above = call.builder.binary(BinaryFunction::Less, threshold, input)?;
    Ok(vec![call.builder.retype(above, dtype)?])
}

/// Replaces one value by another. NaN is replaced where the model is compiled for inputs with missing values.
pub(super) fn imputer(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let dtype = call.dtype(input);
    let (replaced, values) = if dtype.is_integer() {
        let values = call.attributes.ints("imputed_value_int64s")?;
        let replaced = call.attributes.int_or("replaced_value_int64", 0)? as f64;
        (replaced, values.map(|list| list.iter().map(|&value| value as f64).collect::<Vec<f64>>()))
    } else {
        (
            call.attributes.float_may_be_nan("replaced_value_float")?.unwrap_or(0.0),
            call.attributes.floats("imputed_value_floats")?,
        )
    };
    let values = values.ok_or_else(|| NodeError::attribute("imputed_value_floats", "it is missing"))?;
    let shape = call.shape(input);
    if values.len() != 1 && shape.last() != Some(&values.len()) {
        return Err(NodeError::shape(format!("{} imputed values for shape {shape:?}", values.len())));
    }
    let builder = &mut *call.builder;
    let values = builder.constant(vec![values.len()], values, dtype)?;
    let is_missing = match replaced.is_nan() {
        true => builder.emit(FloatOp::Unary { input, function: UnaryFunction::IsNan }, shape, DType::Bool)?,
        false => {
            let replaced = builder.scalar(replaced, dtype)?;
            builder.binary(BinaryFunction::Equal, input, replaced)?
        }
    };
    Ok(vec![builder.select(is_missing, values, input)?])
}

/// Tables side by side.
pub(super) fn vectorizer(call: &mut Call) -> Result<Vec<ValueId>> {
    let tables = (0..call.inputs.len()).map(|index| samples(call, index)).collect::<Result<Vec<_>>>()?;
    if let Some(sizes) = call.attributes.ints("inputdimensions")? {
        let widths: Vec<i64> = tables.iter().map(|&table| call.shape(table)[1] as i64).collect();
        if sizes != widths {
            return Err(NodeError::attribute("inputdimensions", format!("{sizes:?}, the operands have {widths:?}")));
        }
    }
    Ok(vec![call.builder.concat(&tables, 1)?])
}

/// A new last axis with a 1 at the category. Unknown categories give zeros; with `zeros` = 0 a runtime would fail there.
pub(super) fn one_hot(call: &mut Call) -> Result<Vec<ValueId>> {
    call.attributes.flag("zeros", true)?;
    let input = call.input(0)?;
    if call.attributes.strings("cats_strings")?.is_some_and(|count| count > 0) {
        return Err(NodeError::unsupported("categories are strings", "encode them as integers before the model"));
    }
    let categories =
        call.attributes.ints("cats_int64s")?.ok_or_else(|| NodeError::attribute("cats_int64s", "it is missing"))?;
    if !call.dtype(input).is_integer() {
        return Err(NodeError::unsupported("categories of float data are truncated", "feed the categories as int64"));
    }
    let data = categories
        .iter()
        .map(|&category| crate::dtype::integer_to_f64(category.into()))
        .collect::<Option<Vec<f64>>>()
        .ok_or_else(|| NodeError::attribute("cats_int64s", "a category exceeds 2^53"))?;
    let mut shape = call.shape(input);
    shape.push(1);
    let dtype = call.dtype(input);
    let categories = call.builder.constant(vec![data.len()], data, dtype)?;
    let column = call.builder.reshape(input, shape)?;
    let equal = call.builder.binary(BinaryFunction::Equal, column, categories)?;
    Ok(vec![call.builder.retype(equal, DType::Float32)?])
}

/// Columns picked by index. A table without a batch axis counts as one row.
pub(super) fn extractor(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, indices) = (call.input(0)?, call.input(1)?);
    let table = match call.shape(input)[..] {
        [] => return Err(NodeError::shape("its operand is a scalar")),
        [columns] => call.builder.reshape(input, vec![1, columns])?,
        _ => input,
    };
    let count = call.builder.elements(indices);
    let indices = call.builder.reshape(indices, vec![count])?;
    let last = call.rank(table) - 1;
    Ok(vec![gather_along(call, table, indices, last)?])
}
