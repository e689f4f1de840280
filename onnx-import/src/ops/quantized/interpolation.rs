//! Products of quantized tensors with constant matrices of few binary places, such as those of linear interpolation.
//!
//! A product with such a matrix is exact in integers at a scale that is finer by a power of two, so that a chain of them, one for
//! each axis, is rounded once.

use std::sync::Arc;

use super::fusion::operand;
use super::{is_byte, products, Parameters, Result};
use crate::dtype::DType;
use crate::float::graph::{FloatOp, Tensor, ValueId};
use crate::float::quantized::{QuantizedTable, Requantization, Rounding};
use crate::lower::Call;

/// Most binary places of a matrix.
const MAX_PLACES: u32 = 8;
/// Largest magnitude of integers between two products: all of them are thresholds.
const MAX_BETWEEN: i64 = 1 << 12;
/// Most operators between two products.
const MAX_MOVES: usize = 8;

/// Integers at a scale.
struct Lattice {
    integers: ValueId,
    scale: f32,
    /// Largest magnitude.
    largest: i64,
}

/// A matrix of integers over a power of two.
struct Dyadic {
    integers: ValueId,
    places: u32,
    /// Largest sum of magnitudes of a result's weights.
    sum: i64,
}

impl Dyadic {
    /// Reads a constant matrix; its columns are those of `[inner, results]`.
    fn of(call: &mut Call, tensor: &Tensor) -> Result<Option<Self>> {
        let exact = |places: &u32| {
            let unit = f64::from(*places).exp2();
            tensor.data.iter().all(|v| v.abs() <= 16.0 && (v * unit).fract() == 0.0)
        };
        let Some(places) = (0..=MAX_PLACES).find(exact) else { return Ok(None) };
        let data: Vec<f64> = tensor.data.iter().map(|v| v * f64::from(places).exp2()).collect();
        let columns = tensor.shape[1];
        let of_column = |j: usize| data[j..].iter().step_by(columns).map(|v| v.abs() as i64).sum::<i64>();
        let sum = (0..columns).map(of_column).max().unwrap_or(0);
        let integers = call.builder.constant(tensor.shape.clone(), data, DType::Int32)?;
        Ok(Some(Self { integers, places, sum }))
    }
}

/// The product of two values, one of them a constant matrix: rows of the other one, the matrix as `[inner, results]`, and how the
/// rows of results become the value.
struct Product {
    other: ValueId,
    matrix: Tensor,
    /// Whether the other operand has its inner axis before its last.
    turned: bool,
}

impl Product {
    fn of(call: &Call, left: ValueId, right: ValueId) -> Option<Self> {
        match (call.builder.tensor(left), call.builder.tensor(right)) {
            (None, Some(matrix)) if matrix.shape.len() == 2 => {
                Some(Self { other: left, matrix: matrix.clone(), turned: false })
            }
            (Some(matrix), None) if matrix.shape.len() == 2 && call.rank(right) >= 2 => {
                let [rows, inner] = matrix.shape[..] else { return None };
                let data = (0..rows * inner).map(|i| matrix.data[i % rows * inner + i / rows]).collect();
                Some(Self { other: right, matrix: Tensor::new(vec![inner, rows], data), turned: true })
            }
            _ => None,
        }
    }
}

/// The centered integers of a product with a constant matrix.
pub(super) fn integers(
    call: &mut Call,
    [left, right]: [ValueId; 2],
    shape: &[usize],
    to: &Parameters,
) -> Result<Option<ValueId>> {
    let rule = |scale: f32, channels: usize| {
        let multipliers = products::multipliers(scale, &[1.0], to.scale, channels)?;
        Ok(products::rule(multipliers, to, 0))
    };
    let Some((result, _)) = multiplied(call, [left, right], shape, MAX_MOVES, rule)? else { return Ok(None) };
    call.builder.note_float32();
    Ok(Some(result))
}

/// The product, requantized by a rule of the scale of its sums and the number of results; and its integers as they are.
fn multiplied(
    call: &mut Call,
    [left, right]: [ValueId; 2],
    shape: &[usize],
    moves: usize,
    rule: impl Fn(f32, usize) -> Result<Requantization>,
) -> Result<Option<(ValueId, Lattice)>> {
    let Some(product) = Product::of(call, left, right) else { return Ok(None) };
    let Some(other) = exact(call, product.other, moves)? else { return Ok(None) };
    let mut order: Vec<usize> = (0..shape.len()).collect();
    if product.turned {
        order.swap(shape.len() - 2, shape.len() - 1);
    }
    let found = along(call, &other, &order, &product.matrix, rule)?;
    Ok(found.map(|lattice| (lattice.integers, lattice)))
}

/// Integers times a matrix `[inner, results]` along the last of their axes in an order, which is its own inverse.
fn along(
    call: &mut Call,
    from: &Lattice,
    order: &[usize],
    matrix: &Tensor,
    rule: impl Fn(f32, usize) -> Result<Requantization>,
) -> Result<Option<Lattice>> {
    let [inner, results] = matrix.shape[..] else { return Ok(None) };
    let Some(matrix) = Dyadic::of(call, matrix)? else { return Ok(None) };
    let scale = from.scale / f64::from(matrix.places).exp2() as f32;
    let largest = from.largest.saturating_mul(matrix.sum);
    if !scale.is_normal() || largest > i64::from(i32::MAX) {
        return Ok(None);
    }
    let rows = call.builder.transpose(from.integers, order)?;
    let mut moved = call.shape(rows);
    let count = moved.iter().product::<usize>() / inner;
    let rows = call.builder.reshape(rows, vec![count, inner])?;
    let bias = call.builder.constant(vec![results], vec![0.0; results], DType::Int32)?;
    let result = products::multiply(call, [rows, matrix.integers, bias], false, rule(scale, results)?)?;
    if let Some(last) = moved.last_mut() {
        *last = results;
    }
    let result = call.builder.reshape(result, moved)?;
    let integers = call.builder.transpose(result, order)?;
    Ok(Some(Lattice { integers, scale, largest }))
}

/// Sums that stay as they are.
fn as_is(_: f32, results: usize) -> Result<Requantization> {
    let (lo, hi) = (-MAX_BETWEEN as i32, MAX_BETWEEN as i32);
    let multipliers = vec![1.0; results].into();
    Ok(Requantization { multipliers, lo, hi, within: 0, offsets: [].into(), rounding: Rounding::Float32 })
}

/// Integers of a type of 8 bits, interpolated along axes by matrices `[results, inner]`, each sum cut off towards zero; `None` where
/// a matrix is no such one.
pub(in crate::ops) fn cut_off(
    call: &mut Call,
    input: ValueId,
    matrices: &[(usize, Tensor)],
) -> Result<Option<ValueId>> {
    let dtype = call.dtype(input);
    let Some((lo, hi)) = dtype.integer_range().filter(|_| is_byte(dtype)) else { return Ok(None) };
    let integers = call.builder.retype(input, DType::Int32)?;
    let mut lattice = Lattice { integers, scale: 1.0, largest: (lo.abs().max(hi.abs())) as i64 };
    for (axis, matrix) in matrices {
        let mut order: Vec<usize> = (0..call.rank(lattice.integers)).collect();
        let last = order.len() - 1;
        order.swap(*axis, last);
        let [results, inner] = matrix.shape[..] else { return Ok(None) };
        let data = (0..results * inner).map(|i| matrix.data[i % results * inner + i / results]).collect();
        let found = along(call, &lattice, &order, &Tensor::new(vec![inner, results], data), as_is)?;
        let Some(found) = found.filter(|lattice| lattice.largest <= MAX_BETWEEN) else { return Ok(None) };
        lattice = found;
    }
    let cut = |integer: i64| (integer as f64 * f64::from(lattice.scale)).trunc() as i32;
    let values = (-lattice.largest..=lattice.largest).map(cut).collect::<Arc<[i32]>>();
    let table = QuantizedTable { first: -lattice.largest as i32, values, reals: [].into() };
    let shape = call.shape(lattice.integers);
    let op = FloatOp::QuantizedMap { input: lattice.integers, table };
    let result = call.builder.emit(op, shape, DType::Int32)?;
    call.builder.retype(result, dtype).map(Some)
}

/// A quantized tensor, or products of one, moved; exact.
fn exact(call: &mut Call, value: ValueId, moves: usize) -> Result<Option<Lattice>> {
    let Some(left) = moves.checked_sub(1) else { return Ok(None) };
    if let Some(source) = operand(call, value)? {
        let (lo, hi) = call.dtype(source.raw).integer_range().expect("integer types have a range");
        let zero = i64::from(source.zero_point.unwrap_or(0));
        let largest = (lo as i64 - zero).abs().max((hi as i64 - zero).abs());
        return Ok(Some(Lattice { integers: source.centered, scale: source.scales[0], largest }));
    }
    let (op, shape) = (call.builder.op(value).clone(), call.shape(value));
    match op {
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, fill: 0.0, .. } => {
            let Some(source) = exact(call, input, left)? else { return Ok(None) };
            let integers = call.builder.emit(op.clone_with(|_| source.integers), shape, DType::Int32)?;
            Ok(Some(Lattice { integers, ..source }))
        }
        FloatOp::MatMul(a, b) => {
            let found = multiplied(call, [a, b], &shape, left, as_is)?;
            Ok(found.map(|(_, lattice)| lattice).filter(|lattice| lattice.largest <= MAX_BETWEEN))
        }
        _ => Ok(None),
    }
}
