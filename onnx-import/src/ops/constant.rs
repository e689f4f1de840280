//! Operators that make constants.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{Tensor, ValueId};
use crate::lower::Call;
use crate::parse::tensor::Literal;
use crate::registry::{onnx, since, Operator};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Constant", &[since(1, 0, 0, 1)], constant),
    onnx("ConstantOfShape", &[since(9, 1, 1, 1)], constant_of_shape),
    onnx("Range", &[since(11, 3, 3, 1)], range),
    onnx("EyeLike", &[since(9, 1, 1, 1)], eye_like),
    onnx("NonZero", &[since(9, 1, 1, 1)], non_zero),
];

/// The one attribute that is there holds the value.
fn constant(call: &mut Call) -> Result {
    let literal = match call.attributes.tensor("value")? {
        Some(literal) => literal,
        None if call.version >= 12 => simple_constant(call)?,
        None => return Err(NodeError::attribute("value", "it is missing")),
    };
    let Literal { dtype, tensor } = literal;
    Ok(vec![call.builder.constant(tensor.shape, tensor.data.to_vec(), dtype)?])
}

fn simple_constant(call: &Call) -> Result<Literal> {
    let attributes = &call.attributes;
    let exact = |values: Vec<i64>, name: &str| {
        let each = |&value: &i64| crate::dtype::integer_to_f64(value.into());
        let inexact = || NodeError::attribute(name, "an integer exceeds 2^53");
        values.iter().map(each).collect::<Option<Vec<f64>>>().ok_or_else(inexact)
    };
    let list = |data: Vec<f64>, dtype| Literal { dtype, tensor: Tensor::new(vec![data.len()], data) };
    let one = |value: f64, dtype| Literal { dtype, tensor: Tensor::scalar(value) };
    if let Some(value) = attributes.float("value_float")? {
        return Ok(one(value, DType::Float32));
    }
    if let Some(values) = attributes.floats("value_floats")? {
        return Ok(list(values, DType::Float32));
    }
    if let Some(value) = attributes.int("value_int")? {
        return Ok(one(exact(vec![value], "value_int")?[0], DType::Int64));
    }
    if let Some(values) = attributes.ints("value_ints")? {
        return Ok(list(exact(values, "value_ints")?, DType::Int64));
    }
    Err(NodeError::unsupported("a constant of text or a sparse tensor is not supported", "use a dense numeric tensor"))
}

/// One value repeated; float zero where none is given.
fn constant_of_shape(call: &mut Call) -> Result {
    let wanted = call.integers(0, "shape")?.unwrap_or_default();
    let shape = crate::parse::tensor::shape(&wanted).map_err(NodeError::Shape)?;
    let (value, dtype) = match call.attributes.tensor("value")? {
        None => (0.0, DType::Float32),
        Some(Literal { dtype, tensor }) if tensor.data.len() == 1 => (tensor.data[0], dtype),
        Some(_) => return Err(NodeError::attribute("value", "it is not one number")),
    };
    let scalar = call.builder.scalar(value, dtype)?;
    if shape.contains(&0) {
        return Ok(vec![call.builder.constant(shape, vec![], dtype)?]);
    }
    Ok(vec![call.builder.broadcast(scalar, &shape)?])
}

/// `start, start + delta, …` before `limit`.
fn range(call: &mut Call) -> Result {
    let mut bounds = [0.0; 3];
    for (index, (bound, name)) in bounds.iter_mut().zip(["start", "limit", "step"]).enumerate() {
        *bound = call.number(index, name)?.ok_or_else(|| NodeError::shape(format!("no {name}")))?;
    }
    call.builder.same_type(&[call.input(0)?, call.input(1)?, call.input(2)?])?;
    if call.version >= 27 && call.attributes.int_or("stash_type", 1)? != 1 {
        return Err(NodeError::attribute("stash_type", "only 1 (float32) is supported"));
    }
    let [start, limit, delta] = bounds;
    let count = ((limit - start) / delta).ceil();
    if !count.is_finite() || count > f64::from(1 << 28) {
        return Err(NodeError::shape(format!("a range from {start} to {limit} by {delta}")));
    }
    let dtype = call.dtype(call.input(0)?);
    let count = count.max(0.0) as usize;
    call.builder.materialize(count as u64)?;
    let data: Vec<f64> = (0..count).map(|index| start + index as f64 * delta).collect();
    Ok(vec![call.builder.constant(vec![data.len()], data, dtype)?])
}

/// Ones on the `k`-th diagonal.
fn eye_like(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let k = call.attributes.int_or("k", 0)?;
    let dtype = match call.attributes.int("dtype")? {
        None => call.dtype(input),
        Some(code) => super::cast::target_type(code, "dtype")?,
    };
    let shape = call.shape(input);
    let &[rows, columns] = &shape[..] else {
        return Err(NodeError::shape(format!("its operand has shape {shape:?}, not a matrix")));
    };
    call.builder.materialize((rows * columns) as u64)?;
    let on_diagonal = |row: usize, column: usize| (row as i64).checked_add(k) == Some(column as i64);
    let data = (0..rows).flat_map(|row| (0..columns).map(move |column| f64::from(u8::from(on_diagonal(row, column)))));
    let data = data.collect();
    Ok(vec![call.builder.constant(shape, data, dtype)?])
}

/// The positions of what is not zero, one column each; its shape depends on the data, which must be known.
fn non_zero(call: &mut Call) -> Result {
    let tensor = call.constant(call.input(0)?, "operand")?;
    let found: Vec<usize> = (0..tensor.data.len()).filter(|&index| tensor.data[index] != 0.0).collect();
    let rank = tensor.shape.len();
    call.builder.materialize((rank * found.len()) as u64)?;
    let mut data = vec![];
    for axis in 0..rank {
        let inner: usize = tensor.shape[axis + 1..].iter().product();
        data.extend(found.iter().map(|&index| (index / inner % tensor.shape[axis]) as f64));
    }
    Ok(vec![call.builder.constant(vec![rank, found.len()], data, DType::Int64)?])
}
