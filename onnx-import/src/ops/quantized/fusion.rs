//! Operators between DequantizeLinear and QuantizeLinear, on integers.
//!
//! Rounding never decreases, so it may be done before whatever only moves or compares elements. A function of one
//! quantized tensor, however it is composed, is a table of its at most 256 integers. Products and sums of two have rules of
//! their own.

use super::{expressions, interpolation, products, scaled, wide};
use super::{is_byte, small_range, Parameters, Result};
use crate::dtype::DType;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId};
use crate::float::quantized::{
    IntegerRule, QuantizedPairs, QuantizedSoftmax, QuantizedSum, QuantizedTable, Quantizer, Requantization, Rounding,
};
use crate::lower::{Call, Dequantized};

/// Most values that are looked at for one QuantizeLinear: shared operands count each time, of which there may be exponentially many.
pub(super) const MAX_VISITS: usize = 256;

/// Most units that stand for 1 in the result of a softmax; its largest table has four times as many entries.
const MAX_UNITS: f32 = 65_536.0;

/// Most entries of a table for all channels.
const MAX_ENTRIES: usize = 65_536;

/// Bits behind the point of functions of quantized tensors that are summed or multiplied before they are rounded.
const FIXED_POINT_BITS: u32 = 20;

/// Most operators that move elements between an operand and where it was dequantized.
pub(super) const MAX_MOVES: usize = 64;

/// The centered integers of a real value, computed in integers as onnxruntime does; `None` where it is computed in reals.
pub(super) fn integers(call: &mut Call, value: ValueId, to: &Parameters) -> Result<Option<ValueId>> {
    Search { to, visits: MAX_VISITS }.find(call, value)
}

/// A dequantized tensor of bytes with one scale and one zero point.
pub(super) fn activation(call: &Call, value: ValueId) -> Option<Dequantized> {
    of_either_width(call, value).filter(|source| is_byte(call.dtype(source.raw)))
}

/// A dequantized tensor of bytes or of 16 bits, with one scale and one zero point.
pub(super) fn of_either_width(call: &Call, value: ValueId) -> Option<Dequantized> {
    let source = call.builder.dequantized(value)?;
    let one = source.scales.len() == 1 && source.zero_point.is_some() && small_range(call.dtype(source.raw)).is_ok();
    one.then(|| source.clone())
}

/// [`activation`], also where what only moves elements lies between.
pub(super) fn operand(call: &mut Call, value: ValueId) -> Result<Option<Dequantized>> {
    behind_moves(call, value, |call, value| Ok(activation(call, value)))
}

/// How a tensor is known as dequantized.
pub(super) type Reading = fn(&Call, ValueId) -> Option<Dequantized>;

/// How a tensor is found to be dequantized, with operators that this takes.
pub(super) type Finding = fn(&mut Call, ValueId) -> Result<Option<Dequantized>>;

/// What is found, also where what only moves elements lies between, which are then moves of integers.
pub(super) fn behind_moves(call: &mut Call, value: ValueId, find: Finding) -> Result<Option<Dequantized>> {
    behind(call, value, find, MAX_MOVES)
}

fn behind(call: &mut Call, value: ValueId, find: Finding, moves: usize) -> Result<Option<Dequantized>> {
    if let Some(source) = find(call, value)? {
        return Ok(Some(source));
    }
    let op = call.builder.op(value).clone();
    let moved = match op {
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, fill: 0.0, .. } => input,
        _ => return Ok(None),
    };
    let Some(left) = moves.checked_sub(1) else { return Ok(None) };
    let Some(source) = behind(call, moved, find, left)? else { return Ok(None) };
    let centered = call.builder.emit(op.clone_with(|_| source.centered), call.shape(value), DType::Int32)?;
    Ok(Some(Dequantized { centered, ..source }))
}

/// A function of quantized tensors as fixed-point integers, multiples of `unit/2^`[`FIXED_POINT_BITS`]: a function of one, by a table, or
/// sums, differences and positive parts of such.
///
/// A result that `saturates` is only multiplied by an integer and rounded to a type of bytes, so that a function too large for fixed-point
/// numbers may be held at their end: any other product than 0 lies beyond the type either way. What is added to others must be what it is.
pub(super) fn fixed_point(call: &mut Call, value: ValueId, unit: f64, saturates: bool) -> Result<Option<ValueId>> {
    let scale = f64::from(FIXED_POINT_BITS).exp2() / unit;
    let found = FixedPoint { scale, visits: MAX_VISITS, saturates }.find(call, value, MAX_MOVES)?;
    if found.is_some() {
        call.builder.note_float32();
    }
    Ok(found.map(|found| found.0))
}

/// The search for fixed-point numbers, multiples of `1/scale`.
struct FixedPoint {
    scale: f64,
    visits: usize,
    /// Whether a function that is too large may be held at the largest number: nothing is added to it.
    saturates: bool,
}

impl FixedPoint {
    /// Largest integer: products of it with bytes fit what the circuit carries.
    const MOST: f64 = (1u64 << 30) as f64;

    /// The integers and their largest magnitude.
    fn find(&mut self, call: &mut Call, value: ValueId, depth: usize) -> Result<Option<(ValueId, f64)>> {
        let (Some(visits), Some(depth)) = (self.visits.checked_sub(1), depth.checked_sub(1)) else { return Ok(None) };
        self.visits = visits;
        if let Some((source, values)) = values_of(call, value)? {
            return self.of_function(call, &source, &values);
        }
        if call.dtype(value) != DType::Float32 {
            return Ok(None);
        }
        let (op, shape) = (call.builder.op(value).clone(), call.shape(value));
        let found = match op {
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, fill: 0.0, .. } => {
                let Some((integers, largest)) = self.find(call, input, depth)? else { return Ok(None) };
                Some((call.builder.emit(op.clone_with(|_| integers), shape, DType::Int32)?, largest))
            }
            FloatOp::Binary { function: function @ (BinaryFunction::Add | BinaryFunction::Sub), operands: [a, b] } => {
                // All that is looked at from here on is a part of this sum, which may be small where its parts are not.
                self.saturates = false;
                let Some(a) = self.find(call, a, depth)? else { return Ok(None) };
                let Some(b) = self.find(call, b, depth)? else { return Ok(None) };
                let sign = if function == BinaryFunction::Add { 1 } else { -1 };
                Some(combined(call, [a, b], [1, sign], &shape)?)
            }
            FloatOp::Unary { input, function: UnaryFunction::Relu } => match self.find(call, input, depth)? {
                Some(found) => Some(excess(call, found, 0)?),
                None => None,
            },
            FloatOp::Unary { input, function: UnaryFunction::Clip { lo: 0.0, hi } } if hi > 0.0 => {
                let Some(found) = self.find(call, input, depth)? else { return Ok(None) };
                let (below, bound) = (excess(call, found, 0)?, (hi * self.scale).round());
                if bound >= found.1 {
                    return Ok(Some(below));
                }
                let above = excess(call, found, bound as i32)?;
                Some((combined(call, [below, above], [1, -1], &shape)?.0, bound))
            }
            _ => None,
        };
        Ok(found.filter(|found| found.1 <= Self::MOST))
    }

    /// A function of one quantized tensor, by a table; `None` where it is too large and may not be held at the largest number.
    fn of_function(&self, call: &mut Call, source: &Source, values: &[f32]) -> Result<Option<(ValueId, f64)>> {
        if values.iter().any(|value| value.is_nan()) {
            return Ok(None);
        }
        let most = Self::MOST;
        let scaled: Vec<f64> = values.iter().map(|&v| (f64::from(v) * self.scale).round()).collect();
        if !self.saturates && scaled.iter().any(|v| v.abs() > most) {
            return Ok(None);
        }
        let integers: Vec<i32> = scaled.iter().map(|v| v.clamp(-most, most) as i32).collect();
        let largest = integers.iter().fold(0f64, |largest, &v| largest.max(f64::from(v).abs()));
        Ok(Some((table(call, source.centered, source.range.0, integers)?, largest)))
    }
}

/// Integers times factors, added; with the largest magnitude.
fn combined(
    call: &mut Call,
    [a, b]: [(ValueId, f64); 2],
    factors: [i64; 2],
    shape: &[usize],
) -> Result<(ValueId, f64)> {
    let operands = vec![call.builder.broadcast(a.0, shape)?, call.builder.broadcast(b.0, shape)?];
    let op = FloatOp::Integers { operands, rule: IntegerRule::Combination(factors) };
    Ok((call.builder.emit(op, shape.to_vec(), DType::Int32)?, a.1 + b.1))
}

/// `max(x − bound, 0)`, by a bit that tells whether it is positive.
fn excess(call: &mut Call, (integers, largest): (ValueId, f64), bound: i32) -> Result<(ValueId, f64)> {
    let is_above = table(call, integers, bound - 1, vec![0, 0, 1])?;
    let shape = call.shape(integers);
    let op = FloatOp::Integers { operands: vec![integers, is_above], rule: IntegerRule::Product };
    let kept = call.builder.emit(op, shape.clone(), DType::Int32)?;
    match bound {
        0 => Ok((kept, largest)),
        _ => combined(call, [(kept, largest), (is_above, 0.0)], [1, -i64::from(bound)], &shape),
    }
}

/// A quantized tensor that a value of its shape is a function of, and the function's values.
pub(super) fn values_of(call: &mut Call, value: ValueId) -> Result<Option<(Source, Vec<f32>)>> {
    values(call, value, Arguments::new(1))
}

/// [`values_of`], of a tensor of bytes or of 16 bits.
pub(super) fn wide_values_of(call: &mut Call, value: ValueId) -> Result<Option<(Source, Vec<f32>)>> {
    values(call, value, Arguments { read: of_either_width, ..Arguments::new(1) })
}

fn values(call: &mut Call, value: ValueId, mut arguments: Arguments) -> Result<Option<(Source, Vec<f32>)>> {
    let Some(Image::Values(_, values)) = arguments.image(call, value)? else { return Ok(None) };
    let source = arguments.sources.pop().filter(|source| call.shape(source.centered) == call.shape(value));
    Ok(source.map(|source| (source, values)))
}

/// The rule by which accumulators of [`fixed_point`] numbers become results.
pub(super) fn fixed_point_rule(to: &Parameters, channels: usize) -> Requantization {
    let multiplier = (-f64::from(FIXED_POINT_BITS)).exp2();
    Requantization { rounding: Rounding::FixedPoint, ..products::rule(vec![multiplier; channels].into(), to, 0) }
}

struct Search<'a> {
    to: &'a Parameters,
    visits: usize,
}

impl Search<'_> {
    fn find(&mut self, call: &mut Call, value: ValueId) -> Result<Option<ValueId>> {
        let Some(left) = self.visits.checked_sub(1) else { return Ok(None) };
        self.visits = left;
        let source = call.builder.dequantized(value).filter(|source| self.to.are_those_of(source, call.builder));
        if let Some(source) = source {
            return Ok(Some(source.centered));
        }
        let (shape, op) = (call.shape(value), call.builder.op(value).clone());
        if matches!(op, FloatOp::Constant(_)) && call.dtype(value).is_float() {
            let op = FloatOp::Quantize { input: value, quantizer: self.to.quantizer() };
            return call.builder.emit(op, shape, DType::Int32).map(Some);
        }
        if let Some(moved) = self.moved(call, &op, shape.clone())? {
            return Ok(Some(moved));
        }
        let found = match is_byte(self.to.dtype) {
            true => self.bytes(call, value, op.clone(), &shape)?,
            false => match op {
                FloatOp::Unary { input, function } => self.clipped(call, input, function)?,
                _ => None,
            },
        };
        match found {
            None => wide::integers(call, value, &op, self.to),
            found => Ok(found),
        }
    }

    /// What quantized tensors of bytes are made of.
    fn bytes(&mut self, call: &mut Call, value: ValueId, op: FloatOp, shape: &[usize]) -> Result<Option<ValueId>> {
        if let FloatOp::Binary { function, operands } = op {
            if let Some(result) = self.pair(call, function, operands, shape)? {
                return Ok(Some(result));
            }
        }
        if let Some(result) = self.function(call, value)? {
            return Ok(Some(result));
        }
        if let Some(product) = call.builder.product(value).cloned() {
            return products::matrices(call, &product, self.to);
        }
        match self.kernel(call, value, op, shape)? {
            None if call.dtype(value) == DType::Float32 => match expressions::integers(call, value, self.to, false)? {
                None => match self.function_by_channels(call, value, shape)? {
                    None => match self.function_of_two(call, value)? {
                        None => self.linear(call, value, shape),
                        found => Ok(found),
                    },
                    found => Ok(found),
                },
                rounded => Ok(rounded),
            },
            found => Ok(found),
        }
    }

    /// What one operator with a rule of its own makes of quantized tensors.
    fn kernel(&mut self, call: &mut Call, value: ValueId, op: FloatOp, shape: &[usize]) -> Result<Option<ValueId>> {
        match op {
            FloatOp::Unary { input, function } => self.clipped(call, input, function),
            FloatOp::Conv { input, weights, bias, window, groups } => {
                products::convolution(call, [Some(input), Some(weights), bias], window, groups, self.to)
            }
            FloatOp::ConvTranspose { input, weights, bias, window, groups, .. } => products::transposed_convolution(
                call,
                [Some(input), Some(weights), bias],
                (window, groups),
                shape,
                self.to,
            ),
            FloatOp::Softmax { input, axis } => self.softmax(call, input, axis, shape.to_vec()),
            FloatOp::MatMul(a, b) => match products::stacks(call, [a, b], shape, self.to)? {
                None => interpolation::integers(call, [a, b], shape, self.to),
                product => Ok(product),
            },
            FloatOp::Reduce { input, kind: ReduceKind::Mean, axes } => {
                products::mean(call, value, (input, &axes), shape.to_vec(), self.to)
            }
            FloatOp::AveragePool { input, window, count_padding } => {
                products::average(call, input, window, count_padding, shape, self.to)
            }
            FloatOp::Binary { function, operands } => match self.gated(call, function, operands, shape)? {
                None => scaled::integers(call, value, self.to),
                gated => Ok(gated),
            },
            FloatOp::Normalize { .. } => scaled::integers(call, value, self.to),
            _ => Ok(None),
        }
    }

    /// What only moves elements, takes the largest or chooses, of the integers of its operands.
    fn moved(&mut self, call: &mut Call, op: &FloatOp, shape: Vec<usize>) -> Result<Option<ValueId>> {
        let moves = matches!(
            op,
            FloatOp::Reshape(_)
                | FloatOp::Transpose { .. }
                | FloatOp::Reindex { .. }
                | FloatOp::Concat { .. }
                | FloatOp::MaxPool { .. }
                | FloatOp::Reduce { kind: ReduceKind::Max, .. }
                | FloatOp::Gather { .. }
                | FloatOp::Select { .. }
        );
        let mut operands = op.operands();
        match op {
            FloatOp::Gather { .. } => operands.truncate(1),
            FloatOp::Select { .. } => drop(operands.remove(0)),
            _ => {}
        }
        if !moves || operands.iter().any(|&operand| !call.dtype(operand).is_float()) {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(operands.len());
        for &operand in &operands {
            let Some(integers) = self.find(call, operand)? else { return Ok(None) };
            found.push(integers);
        }
        let mut moved = op.clone_with(|operand| {
            operands.iter().position(|&known| known == operand).map_or(operand, |position| found[position])
        });
        if let FloatOp::Reindex { fill, .. } = &mut moved {
            *fill = self.to.quantizer().quantize(*fill);
        }
        call.builder.emit(moved, shape, DType::Int32).map(Some)
    }

    /// A function that clips, of the integers of its operand.
    fn clipped(&mut self, call: &mut Call, input: ValueId, function: UnaryFunction) -> Result<Option<ValueId>> {
        let (lo, hi) = match function {
            UnaryFunction::Relu => (0.0, f64::INFINITY),
            UnaryFunction::Clip { lo, hi } => (lo, hi),
            _ => return Ok(None),
        };
        let Some(integers) = self.find(call, input)? else { return Ok(None) };
        let quantizer = self.to.quantizer();
        let [lo, hi] = [lo, hi].map(|bound| quantizer.quantize(bound) as i32);
        let values = (quantizer.lo..=quantizer.hi).map(|c| c.min(hi).max(lo)).collect();
        table(call, integers, quantizer.lo, values).map(Some)
    }

    /// The shares of a quantized tensor, at a scale of which at most [`MAX_UNITS`] units stand for 1.
    fn softmax(&self, call: &mut Call, input: ValueId, axis: usize, shape: Vec<usize>) -> Result<Option<ValueId>> {
        let Some(source) = operand(call, input)? else { return Ok(None) };
        let Quantizer { scale, lo, hi } = self.to.quantizer();
        let units = (1.0 / scale).floor();
        if !(1.0..=MAX_UNITS).contains(&units) {
            return Ok(None);
        }
        call.builder.note_float32();
        let softmax = QuantizedSoftmax { scale: source.scales[0], units, lo, hi, wide: false };
        let op = FloatOp::QuantizedSoftmax { input: source.centered, axis, softmax };
        call.builder.emit(op, shape, DType::Int32).map(Some)
    }

    /// A sum, difference or product of two quantized tensors.
    fn pair(
        &self,
        call: &mut Call,
        function: BinaryFunction,
        operands: [ValueId; 2],
        shape: &[usize],
    ) -> Result<Option<ValueId>> {
        let [Some(a), Some(b)] = operands.map(|operand| activation(call, operand)) else { return Ok(None) };
        let zero = |source: &Dequantized| source.zero_point.expect("activations have one");
        let to = self.to;
        let rule = match function {
            BinaryFunction::Add | BinaryFunction::Sub => Rule::Sum(QuantizedSum {
                scales: [a.scales[0], b.scales[0], to.scale],
                zero_points: [zero(&a), zero(&b), to.zero],
                lo: to.lo,
                hi: to.hi,
                subtracts: function == BinaryFunction::Sub,
                wide: false,
            }),
            BinaryFunction::Mul => {
                let multipliers = products::multipliers(a.scales[0], &b.scales, to.scale, 1)?;
                Rule::Product(products::rule(multipliers, to, to.zero))
            }
            _ => return Ok(None),
        };
        // One number for all elements makes it a function of the other operand.
        for (source, other, first) in [(&a, &b, true), (&b, &a, false)] {
            let number = call.builder.tensor(other.centered).and_then(|tensor| tensor.uniform());
            let Some(number) = number.filter(|_| call.shape(source.centered) == shape) else { continue };
            let range = call.dtype(source.raw).integer_range().expect("integer types have a range");
            let (lo, hi) = (range.0 as i32 - zero(source), range.1 as i32 - zero(source));
            let one = |c: i32| match first {
                true => rule.apply(c.into(), number as i64) as i32,
                false => rule.apply(number as i64, c.into()) as i32,
            };
            return table(call, source.centered, lo, (lo..=hi).map(one).collect()).map(Some);
        }
        let a = call.builder.broadcast(a.centered, shape)?;
        let b = call.builder.broadcast(b.centered, shape)?;
        let op = match rule {
            Rule::Sum(sum) => FloatOp::QuantizedAdd { operands: [a, b], sum },
            Rule::Product(requantization) => FloatOp::QuantizedMul { operands: [a, b], requantization },
        };
        call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
    }

    /// A quantized tensor times a function of another, or divided by one.
    fn gated(
        &self,
        call: &mut Call,
        function: BinaryFunction,
        operands: [ValueId; 2],
        shape: &[usize],
    ) -> Result<Option<ValueId>> {
        let is_tensor = operands.map(|operand| activation(call, operand).is_some());
        let (a, gate) = match (function, is_tensor) {
            (BinaryFunction::Mul, [true, false]) | (BinaryFunction::Div, [true, _]) => (operands[0], operands[1]),
            (BinaryFunction::Mul, [false, true]) => (operands[1], operands[0]),
            _ => return Ok(None),
        };
        if call.builder.tensor(gate).is_some() {
            return Ok(None);
        }
        let gate = match function {
            BinaryFunction::Div => call.builder.unary(UnaryFunction::Reciprocal, gate)?,
            _ => gate,
        };
        let Some(a) = activation(call, a) else { return Ok(None) };
        let unit = f64::from(self.to.scale) / f64::from(a.scales[0]);
        let Some(gate) = fixed_point(call, gate, unit, true)? else { return Ok(None) };
        let requantization = fixed_point_rule(self.to, 1);
        let operands = [call.builder.broadcast(a.centered, shape)?, call.builder.broadcast(gate, shape)?];
        let op = FloatOp::QuantizedMul { operands, requantization };
        call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
    }

    /// A function of one quantized tensor.
    fn function(&self, call: &mut Call, value: ValueId) -> Result<Option<ValueId>> {
        let Some((source, values)) = values_of(call, value)? else { return Ok(None) };
        let values = values.iter().map(|&value| self.rounded(value)).collect();
        table(call, source.centered, source.range.0, values).map(Some)
    }

    /// A function of one quantized tensor for each position of an axis, by constants: one table of all of them.
    fn function_by_channels(&self, call: &mut Call, value: ValueId, shape: &[usize]) -> Result<Option<ValueId>> {
        for axis in 1..shape.len() {
            let count = shape[axis];
            let (mut key, mut values) = (None, Vec::new());
            for position in 0..count {
                let mut arguments = Arguments::new(1);
                arguments.channel = Some(Channel { shape: shape.to_vec(), axis, position });
                let Some(Image::Values(_, own)) = arguments.image(call, value)? else { break };
                let Some(source) = arguments.sources.pop() else { break };
                if call.shape(source.centered) != shape || count * own.len() > MAX_ENTRIES {
                    break;
                }
                values.extend(own.iter().map(|&value| self.rounded(value)));
                key = Some(source);
            }
            let Some(source) = key else { continue };
            let width = (source.range.1 - source.range.0) as usize + 1;
            if values.len() == count * width {
                return self.table_by_channels(call, &source, (shape, axis), values).map(Some);
            }
        }
        Ok(None)
    }

    /// The table, by the sum of an integer and the place of its channel's first entry.
    fn table_by_channels(
        &self,
        call: &mut Call,
        source: &Source,
        (shape, axis): (&[usize], usize),
        values: Vec<i32>,
    ) -> Result<ValueId> {
        let (count, last) = (shape[axis], values.len() as i32 - 1);
        let width = f64::from(source.range.1 - source.range.0 + 1);
        let places = (0..count).map(|channel| channel as f64 * width - f64::from(source.range.0)).collect();
        let rule = Requantization {
            multipliers: vec![1.0; count].into(),
            lo: 0,
            hi: last,
            within: 0,
            offsets: [].into(),
            rounding: Rounding::Float32,
        };
        let keys = scaled::over_channels(call, source.centered, axis, (vec![1.0; count], places), rule)?;
        let op = FloatOp::QuantizedMap {
            input: keys,
            table: QuantizedTable { first: 0, values: values.into(), reals: [].into() },
        };
        call.builder.emit(op, shape.to_vec(), DType::Int32)
    }

    /// Sums, differences and positive parts of functions of quantized tensors, in fixed-point numbers.
    fn linear(&self, call: &mut Call, value: ValueId, shape: &[usize]) -> Result<Option<ValueId>> {
        let sums = matches!(
            call.builder.op(value),
            FloatOp::Binary { function: BinaryFunction::Add | BinaryFunction::Sub, .. }
        );
        if !sums {
            return Ok(None);
        }
        let Some(integers) = fixed_point(call, value, f64::from(self.to.scale), false)? else { return Ok(None) };
        let result = products::rounded(call, (integers, 1.0), fixed_point_rule(self.to, 1))?;
        call.builder.reshape(result, shape.to_vec()).map(Some)
    }

    /// A function of two quantized tensors, by a table of all pairs.
    fn function_of_two(&self, call: &mut Call, value: ValueId) -> Result<Option<ValueId>> {
        let mut arguments = Arguments::new(2);
        let Some(Image::Pairs(values)) = arguments.image(call, value)? else { return Ok(None) };
        let [a, b] = &arguments.sources[..] else { return Ok(None) };
        let shape = call.shape(value);
        let values = values.iter().map(|&value| self.rounded(value)).collect();
        let table = QuantizedPairs { ranges: [a.range, b.range], values };
        let operands = [call.builder.broadcast(a.centered, &shape)?, call.builder.broadcast(b.centered, &shape)?];
        call.builder.emit(FloatOp::QuantizedPairs { operands, table }, shape, DType::Int32).map(Some)
    }

    /// The centered integer of a float32 number; that of no number is the smallest, as processors with SSE have it.
    fn rounded(&self, value: f32) -> i32 {
        let quantizer = self.to.quantizer();
        match value.is_nan() {
            true => quantizer.lo,
            false => quantizer.quantize(value.into()) as i32,
        }
    }
}

enum Rule {
    Sum(QuantizedSum),
    Product(Requantization),
}

impl Rule {
    fn apply(&self, a: i64, b: i64) -> i64 {
        match self {
            Self::Sum(sum) => sum.apply(a, b),
            Self::Product(requantization) => requantization.apply(0, a * b),
        }
    }
}

/// A table of centered integers; nothing at all where it changes none.
pub(super) fn table(call: &mut Call, input: ValueId, first: i32, values: Vec<i32>) -> Result<ValueId> {
    if values.iter().enumerate().all(|(i, &value)| value == first + i as i32) {
        return Ok(input);
    }
    let (shape, table) = (call.shape(input), QuantizedTable { first, values: values.into(), reals: [].into() });
    call.builder.emit(FloatOp::QuantizedMap { input, table }, shape, DType::Int32)
}

/// What an expression is for the integers of the quantized tensors that it is a function of.
#[derive(Clone)]
pub(super) enum Image {
    /// One number whatever the tensors.
    Number(f32),
    /// For each integer of one of them, by its number.
    Values(usize, Vec<f32>),
    /// For each pair of integers, those of the first tensor's smallest first.
    Pairs(Vec<f32>),
}

impl Image {
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let all = |values: Vec<f32>| values.into_iter().map(&f).collect();
        match self {
            Self::Number(number) => Self::Number(f(number)),
            Self::Values(source, values) => Self::Values(source, all(values)),
            Self::Pairs(values) => Self::Pairs(all(values)),
        }
    }

    /// How many numbers it has.
    fn len(&self) -> u64 {
        match self {
            Self::Number(_) => 1,
            Self::Values(_, values) | Self::Pairs(values) => values.len() as u64,
        }
    }

    /// The number at integers that are the `a`-th and `b`-th of their ranges; `width` is the size of the second range.
    fn at(&self, [a, b]: [usize; 2], width: usize) -> f32 {
        match self {
            Self::Number(number) => *number,
            Self::Values(source, values) => values[[a, b][*source]],
            Self::Pairs(values) => values[a * width + b],
        }
    }
}

/// A quantized tensor that an expression is a function of.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) centered: ValueId,
    /// The integers as the model has them.
    pub(super) raw: ValueId,
    scale: f32,
    /// Its smallest and largest centered integer.
    pub(super) range: (i32, i32),
}

/// The quantized tensors that an expression is a function of.
pub(super) struct Arguments {
    pub(super) sources: Vec<Source>,
    /// How many there may be.
    most: usize,
    /// How one tensor alone is known.
    read: Reading,
    visits: usize,
    /// The axis of the expression's shape and the position at which constants are read; `None` for constants of one number alone.
    channel: Option<Channel>,
}

/// A position of an axis of some shape.
#[derive(Clone)]
struct Channel {
    shape: Vec<usize>,
    axis: usize,
    position: usize,
}

impl Channel {
    /// The only number that a constant has there.
    fn number(&self, tensor: &Tensor) -> Option<f64> {
        let lead = self.shape.len().checked_sub(tensor.shape.len())?;
        let along = self.axis.checked_sub(lead).filter(|&axis| tensor.shape[axis] > 1);
        let inner = along.map_or(1, |axis| tensor.shape[axis + 1..].iter().product());
        let size = along.map_or(1, |axis| tensor.shape[axis]);
        if size != 1 && size != self.shape[self.axis] {
            return None;
        }
        let position = if size == 1 { 0 } else { self.position };
        let mut numbers = tensor.data.iter().enumerate().filter(|(i, _)| i / inner % size == position).map(|(_, v)| *v);
        let first = numbers.next()?;
        numbers.all(|number| number == first).then_some(first)
    }
}

impl Arguments {
    pub(super) fn new(most: usize) -> Self {
        Self { sources: Vec::new(), most, read: activation, visits: MAX_VISITS, channel: None }
    }

    /// The expression in float32, step by step; `None` where it is no function of so few quantized tensors alone.
    pub(super) fn image(&mut self, call: &mut Call, value: ValueId) -> Result<Option<Image>> {
        let Some(left) = self.visits.checked_sub(1) else { return Ok(None) };
        self.visits = left;
        if let Some(tensor) = call.builder.tensor(value) {
            let number = tensor.uniform().or_else(|| self.channel.as_ref()?.number(tensor));
            return Ok(number.map(|number| Image::Number(number as f32)));
        }
        if !matches!(call.dtype(value), DType::Float32 | DType::Bool) {
            return Ok(None);
        }
        let source = if self.most == 1 { (self.read)(call, value) } else { operand(call, value)? };
        if let Some(source) = source {
            let image = self.values(call, source);
            call.builder.spend(image.as_ref().map_or(0, Image::len))?;
            return Ok(image);
        }
        let op = call.builder.op(value).clone();
        let mut images = Vec::new();
        match op {
            FloatOp::Unary { .. } | FloatOp::Binary { .. } | FloatOp::Select { .. } => {
                for operand in op.operands() {
                    let Some(image) = self.image(call, operand)? else { return Ok(None) };
                    images.push(image);
                }
            }
            _ => return Ok(None),
        }
        let image = match (op, &images[..]) {
            (FloatOp::Unary { function, .. }, _) => images.remove(0).map(|v| function.evaluate(v.into()) as f32),
            (FloatOp::Binary { function, .. }, [a, b]) => {
                self.joined([a, b], |[a, b]| function.evaluate(a.into(), b.into()) as f32)
            }
            (_, [condition, then, otherwise]) => {
                self.joined([condition, then, otherwise], |[c, a, b]| if c != 0.0 { a } else { b })
            }
            _ => return Ok(None),
        };
        call.builder.spend(image.len())?;
        Ok(Some(image))
    }

    fn joined<const N: usize>(&self, images: [&Image; N], f: impl Fn([f32; N]) -> f32) -> Image {
        let size = |source: usize| self.sources.get(source).map_or(1, |s| (s.range.1 - s.range.0) as usize + 1);
        let (height, width) = (size(0), size(1));
        let at = |place: [usize; 2]| f(images.map(|image| image.at(place, width)));
        let depends = |source: usize| {
            images.iter().any(|image| match image {
                Image::Number(_) => false,
                Image::Values(own, _) => *own == source,
                Image::Pairs(_) => true,
            })
        };
        match [depends(0), depends(1)] {
            [false, false] => Image::Number(at([0, 0])),
            [true, false] => Image::Values(0, (0..height).map(|a| at([a, 0])).collect()),
            [false, true] => Image::Values(1, (0..width).map(|b| at([0, b])).collect()),
            [true, true] => Image::Pairs((0..height * width).map(|i| at([i / width, i % width])).collect()),
        }
    }

    fn values(&mut self, call: &Call, source: Dequantized) -> Option<Image> {
        let known = self.sources.iter().position(|known| known.centered == source.centered);
        let number = match known {
            Some(number) => number,
            None if self.sources.len() == self.most => return None,
            None => {
                let (range, zero) = (call.dtype(source.raw).integer_range()?, source.zero_point?);
                let range = (range.0 as i32 - zero, range.1 as i32 - zero);
                self.sources.push(Source {
                    centered: source.centered,
                    raw: source.raw,
                    scale: source.scales[0],
                    range,
                });
                self.sources.len() - 1
            }
        };
        let Source { scale, range: (lo, hi), .. } = self.sources[number];
        Some(Image::Values(number, (lo..=hi).map(|c| c as f32 * scale).collect()))
    }
}
