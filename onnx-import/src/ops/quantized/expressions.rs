//! Sums, means, products and quotients of quantized tensors as they are composed, with float32 between them in the runtime: such as the
//! parts of a normalization that is spelled out. Integers here, exact until they are rounded once.
//!
//! | value | integers | stand for |
//! | --- | --- | --- |
//! | a quantized tensor | `c` | `s·c` |
//! | a sum or a mean of `n` | `Σ x` | `u·x` or `(u/n)·x` |
//! | a sum or difference at units `u` and `u/k` | `k·a ± b` | `u/k` |
//! | a product, a square | `a·b` | `u·v` |
//! | a mean of squares less the mean | `n·Σ x² − (Σ x)²` | `u²/n²` |
//!
//! What is rounded is one of these, or one times a function of a quantized tensor (a division by a root, say): then the function is a
//! table of fixed-point numbers, with as many bits behind the point as its values leave.

use std::cell::Cell;

use super::fusion::{activation, of_either_width, table, values_of, wide_values_of, Reading, MAX_VISITS};
use super::{is_byte, products, Parameters, Result};
use crate::dtype::DType;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::float::quantized::{IntegerRule, QuantizedTable, Requantization, Rounding};
use crate::lower::Call;

/// Most operators of an expression, one behind another.
const MAX_DEPTH: usize = 32;
/// Largest magnitude of integers.
const MAX_INTEGER: f64 = (1u64 << 46) as f64;
/// Largest integer up to which all are float32 numbers.
const MAX_FLOAT: f64 = (1u64 << 24) as f64;
/// Largest entry of a table of fixed-point numbers.
const MAX_ENTRY: f64 = (1u64 << 30) as f64;
/// Largest magnitude of integers times such numbers.
const MAX_PRODUCT: f64 = (1u64 << 58) as f64;
/// Bits behind the point, even as shifts are.
const BITS: std::ops::RangeInclusive<u32> = 12..=38;
/// Largest part of a unit by which the rounding of a table may move a result of bytes.
const MAX_ROUNDING: f64 = 1.0 / 256.0;
/// The same of 16 bits.
const MAX_WIDE_ROUNDING: f64 = 1.0 / 16.0;

/// Integers and what a unit of them stands for.
#[derive(Clone, Copy)]
struct Exact {
    integers: ValueId,
    unit: f64,
    /// Largest magnitude.
    largest: f64,
}

impl Exact {
    fn times(self, factor: f64) -> Self {
        Self { unit: self.unit * factor, ..self }
    }
}

/// How much further an expression is read.
#[derive(Clone, Copy)]
struct Reach<'a> {
    depth: usize,
    visits: &'a Cell<usize>,
    /// Whether tensors of 16 bits have part.
    wide: bool,
}

impl<'a> Reach<'a> {
    fn new(visits: &'a Cell<usize>, wide: bool) -> Self {
        Self { depth: MAX_DEPTH, visits, wide }
    }

    /// How quantized tensors are known.
    fn read(self) -> Reading {
        if self.wide {
            of_either_width
        } else {
            activation
        }
    }

    /// What is left behind one more operand; `None` where it is too much.
    fn further(self) -> Option<Self> {
        self.visits.set(self.visits.get().checked_sub(1)?);
        Some(Self { depth: self.depth.checked_sub(1)?, ..self })
    }
}

/// The centered integers of an expression; of bytes alone, or `wide` where tensors of 16 bits have part.
pub(super) fn integers(call: &mut Call, value: ValueId, to: &Parameters, wide: bool) -> Result<Option<ValueId>> {
    let visits = Cell::new(MAX_VISITS);
    if let Some(result) = gated(call, value, to, Reach::new(&visits, wide))? {
        return Ok(Some(result));
    }
    let Some(found) = exact(call, value, Reach::new(&visits, wide))? else { return Ok(None) };
    let multiplier = (found.unit.abs() / f64::from(to.scale)) as f32;
    if !multiplier.is_normal() {
        return Ok(None);
    }
    if wide {
        let multiplier = found.unit / f64::from(to.scale);
        let rule = Requantization { rounding: Rounding::Near, ..products::rule([multiplier].into(), to, 0) };
        let (result, shape) = (products::rounded(call, (found.integers, 1.0), rule)?, call.shape(value));
        return call.builder.reshape(result, shape).map(Some);
    }
    call.builder.note_float32();
    let shape = call.shape(value);
    // What float32 holds is rounded half to even.
    let rounding = if found.largest > MAX_FLOAT { Rounding::FixedPoint } else { Rounding::Float32 };
    let rule = Requantization { rounding, ..products::rule([multiplier.into()].into(), to, 0) };
    let result = products::rounded(call, (found.integers, found.unit.signum()), rule)?;
    call.builder.reshape(result, shape).map(Some)
}

/// Exact integers times a function of a quantized tensor, or divided by one.
fn gated(call: &mut Call, value: ValueId, to: &Parameters, reach: Reach) -> Result<Option<ValueId>> {
    let FloatOp::Binary { function, operands: [left, right] } = *call.builder.op(value) else { return Ok(None) };
    let orders = match function {
        BinaryFunction::Div => vec![(left, right)],
        BinaryFunction::Mul => vec![(left, right), (right, left)],
        _ => return Ok(None),
    };
    for (factor, gate) in orders {
        if call.builder.tensor(gate).is_some() || reach.read()(call, factor).is_some() {
            continue;
        }
        let found = if reach.wide { wide_values_of(call, gate)? } else { values_of(call, gate)? };
        let Some((source, mut values)) = found else { continue };
        if function == BinaryFunction::Div {
            values.iter_mut().for_each(|v| *v = 1.0 / *v);
        }
        let Some(factor) = exact(call, factor, reach)? else { continue };
        let Some(gate) = Gate::of(&values, &factor, to) else { continue };
        let rounding = match reach.wide {
            true => Rounding::Near,
            false => Rounding::FixedPoint,
        };
        if !reach.wide {
            call.builder.note_float32();
        }
        let operands = (factor.integers, source.centered, source.range.0);
        return gate.product(call, operands, &call.shape(value), (to, rounding)).map(Some);
    }
    Ok(None)
}

/// A function of a quantized tensor that integers are multiplied by.
struct Gate {
    /// In units of the result over `2^bits`; zero where it is infinite or no number.
    entries: Vec<i32>,
    bits: u32,
    /// The signs of infinities, zero elsewhere; empty where there are none.
    infinite: Vec<i32>,
}

impl Gate {
    fn of(values: &[f32], factor: &Exact, to: &Parameters) -> Option<Self> {
        let units: Vec<f64> = values.iter().map(|&v| f64::from(v) * factor.unit / f64::from(to.scale)).collect();
        let largest = units.iter().filter(|v| v.is_finite()).fold(0f64, |largest, v| largest.max(v.abs()));
        let fits = |bits: &u32| largest * f64::from(*bits).exp2() <= MAX_ENTRY;
        let bits = BITS.rev().step_by(2).find(fits)?;
        let rounding = factor.largest / f64::from(bits + 1).exp2();
        let most = if is_byte(to.dtype) { MAX_ROUNDING } else { MAX_WIDE_ROUNDING };
        if rounding > most || factor.largest * MAX_ENTRY > MAX_PRODUCT {
            return None;
        }
        let entry = |v: &f64| if v.is_finite() { (v * f64::from(bits).exp2()).round() as i32 } else { 0 };
        let sign = |v: &f64| if v.is_infinite() { v.signum() as i32 } else { 0 };
        let mut infinite: Vec<i32> = units.iter().map(sign).collect();
        if infinite.iter().all(|&sign| sign == 0) {
            infinite.clear();
        }
        Some(Self { entries: units.iter().map(entry).collect(), bits, infinite })
    }

    /// The product with integers, rounded; what is divided by zero is as far as the type goes.
    fn product(
        self,
        call: &mut Call,
        (integers, source, first): (ValueId, ValueId, i32),
        shape: &[usize],
        (to, rounding): (&Parameters, Rounding),
    ) -> Result<ValueId> {
        let integers = call.builder.broadcast(integers, shape)?;
        let times = |call: &mut Call, entries: Vec<i32>, multiplier: f32| {
            let entries = table(call, source, first, entries)?;
            let operands = [integers, call.builder.broadcast(entries, shape)?];
            let rule = products::rule([multiplier.into()].into(), to, 0);
            let requantization = Requantization { rounding, ..rule };
            call.builder.emit(FloatOp::QuantizedMul { operands, requantization }, shape.to_vec(), DType::Int32)
        };
        let finite = times(call, self.entries, (-f64::from(self.bits)).exp2() as f32)?;
        if self.infinite.is_empty() {
            return Ok(finite);
        }
        // Whatever is divided by zero is beyond the type.
        let beyond = times(call, self.infinite, (2 * (to.hi - to.lo + 1)) as f32)?;
        let rule = IntegerRule::Combination([1, 1]);
        let op = FloatOp::Integers { operands: vec![finite, beyond], rule };
        let input = call.builder.emit(op, shape.to_vec(), DType::Int32)?;
        // One of the two is zero, so the sum is within the type, which the table tells whoever bounds it.
        let (lo, hi) = (to.quantizer().lo, to.quantizer().hi);
        let table = QuantizedTable { first: lo, values: (lo..=hi).collect(), reals: [].into() };
        call.builder.emit(FloatOp::QuantizedMap { input, table }, shape.to_vec(), DType::Int32)
    }
}

/// A value in exact integers.
fn exact(call: &mut Call, value: ValueId, reach: Reach) -> Result<Option<Exact>> {
    let Some(left) = reach.further() else { return Ok(None) };
    if let Some(source) = left.read()(call, value) {
        let (lo, hi) = call.dtype(source.raw).integer_range().expect("integer types have a range");
        let zero = f64::from(source.zero_point.unwrap_or(0));
        let largest = (lo - zero).abs().max((hi - zero).abs());
        return Ok(Some(Exact { integers: source.centered, unit: source.scales[0].into(), largest }));
    }
    if call.dtype(value) != DType::Float32 {
        return Ok(None);
    }
    let (op, shape) = (call.builder.op(value).clone(), call.shape(value));
    let found = match op {
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, fill: 0.0, .. } => {
            let Some(source) = exact(call, input, left)? else { return Ok(None) };
            let integers = call.builder.emit(op.clone_with(|_| source.integers), shape, DType::Int32)?;
            Some(Exact { integers, ..source })
        }
        FloatOp::Reduce { input, kind: kind @ (ReduceKind::Sum | ReduceKind::Mean), axes } => {
            match variance(call, input, &axes, left)? {
                Some(found) if kind == ReduceKind::Mean => {
                    let integers = call.builder.reshape(found.integers, shape)?;
                    Some(Exact { integers, ..found })
                }
                _ => match exact(call, input, left)? {
                    Some(source) => Some(sum(call, source, (kind, axes), shape)?),
                    None => None,
                },
            }
        }
        FloatOp::Unary { input, function } => {
            let Some(source) = exact(call, input, left)? else { return Ok(None) };
            match function {
                UnaryFunction::Affine { factor, offset: 0.0 } => Some(source.times(factor)),
                UnaryFunction::Neg => Some(source.times(-1.0)),
                UnaryFunction::Power(2.0) => product(call, [source; 2], shape)?,
                _ => None,
            }
        }
        FloatOp::Binary { function, operands } => return binary(call, function, operands, (shape, left)),
        _ => None,
    };
    Ok(found.filter(|found| found.largest <= MAX_INTEGER && found.unit.is_normal()))
}

/// The sum or the mean over some axes.
fn sum(call: &mut Call, source: Exact, (kind, axes): (ReduceKind, Vec<usize>), shape: Vec<usize>) -> Result<Exact> {
    let total = total(call, source, &axes)?;
    let unit = if kind == ReduceKind::Mean { source.unit * source.largest / total.largest } else { source.unit };
    let integers = call.builder.reshape(total.integers, shape)?;
    Ok(Exact { integers, unit, ..total })
}

/// The sum over some axes, which stay with one position.
fn total(call: &mut Call, source: Exact, axes: &[usize]) -> Result<Exact> {
    let mut kept = call.shape(source.integers);
    let count: usize = axes.iter().map(|&axis| kept[axis]).product();
    axes.iter().for_each(|&axis| kept[axis] = 1);
    let op = FloatOp::Integers { operands: vec![source.integers], rule: IntegerRule::Sum(axes.to_vec()) };
    let integers = call.builder.emit(op, kept, DType::Int32)?;
    Ok(Exact { integers, unit: source.unit, largest: source.largest * count as f64 })
}

/// The mean of squares `(x − mean x)²` over some axes, which stay with one position.
fn variance(call: &mut Call, squares: ValueId, axes: &[usize], reach: Reach) -> Result<Option<Exact>> {
    let deviation = match *call.builder.op(squares) {
        FloatOp::Unary { input, function: UnaryFunction::Power(2.0) } => input,
        FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if a == b => a,
        _ => return Ok(None),
    };
    let FloatOp::Binary { function: BinaryFunction::Sub, operands: [whole, mean] } = *call.builder.op(deviation) else {
        return Ok(None);
    };
    let mean = match *call.builder.op(mean) {
        FloatOp::Reshape(input) => input,
        _ => mean,
    };
    let (summed, same) = match call.builder.op(mean) {
        FloatOp::Reduce { input, kind: ReduceKind::Mean, axes: over } => (*input, over == axes),
        _ => return Ok(None),
    };
    let (Some(source), Some(other)) = (exact(call, whole, reach)?, exact(call, summed, reach)?) else {
        return Ok(None);
    };
    let shape = call.shape(deviation);
    if !same || source.integers != other.integers || call.shape(source.integers) != shape {
        return Ok(None);
    }
    let count: f64 = axes.iter().map(|&axis| shape[axis] as f64).product();
    let Some(squares) = product(call, [source; 2], shape)? else { return Ok(None) };
    let (sum, squares) = (total(call, source, axes)?, total(call, squares, axes)?);
    let kept = call.shape(sum.integers);
    let Some(square) = product(call, [sum; 2], kept.clone())? else { return Ok(None) };
    let (operands, rule) = (vec![squares.integers, square.integers], IntegerRule::Combination([count as i64, -1]));
    let integers = call.builder.emit(FloatOp::Integers { operands, rule }, kept, DType::Int32)?;
    let unit = source.unit * source.unit / (count * count);
    Ok(Some(Exact { integers, unit, largest: square.largest }))
}

fn product(call: &mut Call, factors: [Exact; 2], shape: Vec<usize>) -> Result<Option<Exact>> {
    let largest = factors[0].largest * factors[1].largest;
    if largest > MAX_INTEGER {
        return Ok(None);
    }
    let mut operands = Vec::with_capacity(2);
    for factor in factors {
        operands.push(call.builder.broadcast(factor.integers, &shape)?);
    }
    let op = FloatOp::Integers { operands, rule: IntegerRule::Product };
    let integers = call.builder.emit(op, shape, DType::Int32)?;
    Ok(Some(Exact { integers, unit: factors[0].unit * factors[1].unit, largest }))
}

fn binary(
    call: &mut Call,
    function: BinaryFunction,
    [a, b]: [ValueId; 2],
    (shape, left): (Vec<usize>, Reach),
) -> Result<Option<Exact>> {
    let number = |value: ValueId| call.builder.tensor(value).and_then(|tensor| tensor.uniform());
    let scaled = match (function, number(a), number(b)) {
        (BinaryFunction::Mul, None, Some(factor)) => Some((a, factor)),
        (BinaryFunction::Mul, Some(factor), None) => Some((b, factor)),
        (BinaryFunction::Div, None, Some(divisor)) => Some((a, 1.0 / divisor)),
        _ => None,
    };
    if let Some((input, factor)) = scaled.filter(|&(input, _)| call.shape(input) == shape) {
        let found = exact(call, input, left)?.map(|found| found.times(factor));
        return Ok(found.filter(|found| found.unit.is_normal()));
    }
    if !matches!(function, BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul) {
        return Ok(None);
    }
    let Some(first) = exact(call, a, left)? else { return Ok(None) };
    let Some(second) = (if a == b { Some(first) } else { exact(call, b, left)? }) else { return Ok(None) };
    match function {
        BinaryFunction::Mul => product(call, [first, second], shape),
        _ => combination(call, [first, second], if function == BinaryFunction::Sub { -1.0 } else { 1.0 }, shape),
    }
}

/// A sum or difference of values one of whose units is a multiple of the other.
fn combination(call: &mut Call, [a, b]: [Exact; 2], sign: f64, shape: Vec<usize>) -> Result<Option<Exact>> {
    /// As near to a whole number as double precision leaves it.
    const NEAR: f64 = 1e-12;
    let whole = |ratio: f64| (ratio.abs() >= 0.5 && (ratio / ratio.round() - 1.0).abs() < NEAR).then(|| ratio.round());
    let (factors, unit) = match (whole(a.unit / b.unit), whole(b.unit / a.unit)) {
        (Some(ratio), _) => ([ratio, sign], b.unit),
        (_, Some(ratio)) => ([1.0, sign * ratio], a.unit),
        _ => return Ok(None),
    };
    let largest = factors[0].abs() * a.largest + factors[1].abs() * b.largest;
    if largest > MAX_INTEGER {
        return Ok(None);
    }
    let operands = vec![call.builder.broadcast(a.integers, &shape)?, call.builder.broadcast(b.integers, &shape)?];
    let rule = IntegerRule::Combination(factors.map(|factor| factor as i64));
    let integers = call.builder.emit(FloatOp::Integers { operands, rule }, shape, DType::Int32)?;
    Ok(Some(Exact { integers, unit, largest }))
}
