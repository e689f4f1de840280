//! Operators between DequantizeLinear and QuantizeLinear, on integers.
//!
//! Rounding never decreases, so it may be done before whatever only moves or compares elements. A function of one
//! quantized tensor, however it is composed, is a table of its at most 256 integers. Products and sums of two have rules of
//! their own.

use super::{interpolation, products, scaled};
use super::{is_byte, Parameters, Result};
use crate::dtype::DType;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};
use crate::float::quantized::{QuantizedSoftmax, QuantizedSum, QuantizedTable, Quantizer, Requantization};
use crate::lower::{Call, Dequantized};

/// Most values that are looked at for one QuantizeLinear.
const MAX_VISITS: usize = 256;

/// Most units that stand for 1 in the result of a softmax; two tables have twice as many entries.
const MAX_UNITS: f32 = 65_536.0;

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
    let source = call.builder.dequantized(value)?;
    let one = source.scales.len() == 1 && source.zero_point.is_some() && is_byte(call.dtype(source.raw));
    one.then(|| source.clone())
}

/// [`activation`], also where what only moves elements lies between.
pub(super) fn operand(call: &mut Call, value: ValueId) -> Result<Option<Dequantized>> {
    behind(call, value, MAX_MOVES)
}

fn behind(call: &mut Call, value: ValueId, moves: usize) -> Result<Option<Dequantized>> {
    if let Some(source) = activation(call, value) {
        return Ok(Some(source));
    }
    let op = call.builder.op(value).clone();
    let moved = match op {
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, fill: 0.0, .. } => input,
        _ => return Ok(None),
    };
    let Some(left) = moves.checked_sub(1) else { return Ok(None) };
    let Some(source) = behind(call, moved, left)? else { return Ok(None) };
    let centered = call.builder.emit(op.clone_with(|_| source.centered), call.shape(value), DType::Int32)?;
    Ok(Some(Dequantized { centered, ..source }))
}

/// A function of a quantized tensor as fixed-point integers: multiples of `unit/2^`[`FIXED_POINT_BITS`].
pub(super) fn fixed_point(call: &mut Call, value: ValueId, unit: f64) -> Result<Option<ValueId>> {
    /// Largest integer: products of it with bytes fit what the circuit carries.
    const MOST: f64 = (1u64 << 30) as f64;
    let mut argument = Argument { source: None, visits: MAX_VISITS };
    let Some(Image::Values(values)) = argument.image(call, value) else { return Ok(None) };
    let Some((source, first)) = argument.source.filter(|(source, _)| call.shape(source.centered) == call.shape(value))
    else {
        return Ok(None);
    };
    if values.iter().any(|value| value.is_nan()) {
        return Ok(None);
    }
    call.builder.note_float32();
    let scale = f64::from(FIXED_POINT_BITS).exp2() / unit;
    let integer = |&value: &f32| (f64::from(value) * scale).round().clamp(-MOST, MOST) as i32;
    table(call, source.centered, first, values.iter().map(integer).collect()).map(Some)
}

/// The rule by which accumulators of [`fixed_point`] numbers become results.
pub(super) fn fixed_point_rule(to: &Parameters, channels: usize) -> Requantization {
    let multiplier = (-f64::from(FIXED_POINT_BITS)).exp2() as f32;
    Requantization { fixed_point: true, ..products::rule(vec![multiplier; channels].into(), to, 0) }
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
        if !is_byte(self.to.dtype) {
            return Ok(None);
        }
        if let FloatOp::Binary { function, operands } = op {
            if let Some(result) = self.pair(call, function, operands, &shape)? {
                return Ok(Some(result));
            }
        }
        if let Some(result) = self.function(call, value)? {
            return Ok(Some(result));
        }
        if let Some(product) = call.builder.product(value).cloned() {
            return products::matrices(call, &product, self.to);
        }
        match op {
            FloatOp::Unary { input, function } => self.clipped(call, input, function),
            FloatOp::Conv { input, weights, bias, window, groups } => {
                products::convolution(call, [Some(input), Some(weights), bias], window, groups, self.to)
            }
            FloatOp::ConvTranspose { input, weights, bias, window, groups, .. } => products::transposed_convolution(
                call,
                [Some(input), Some(weights), bias],
                (window, groups),
                &shape,
                self.to,
            ),
            FloatOp::Softmax { input, axis } => self.softmax(call, input, axis, shape),
            FloatOp::MatMul(a, b) => match products::stacks(call, [a, b], &shape, self.to)? {
                None => interpolation::integers(call, [a, b], &shape, self.to),
                product => Ok(product),
            },
            FloatOp::Reduce { input, kind: ReduceKind::Mean, axes } => {
                products::mean(call, input, &axes, shape, self.to)
            }
            FloatOp::AveragePool { input, window, count_padding } => {
                products::average(call, input, window, count_padding, &shape, self.to)
            }
            FloatOp::Binary { function, operands } => match self.gated(call, function, operands, &shape)? {
                None => scaled::integers(call, value, self.to),
                gated => Ok(gated),
            },
            FloatOp::Normalize { .. } => scaled::integers(call, value, self.to),
            _ => Ok(None),
        }
    }

    /// What only moves elements or takes the largest, of the integers of its operands.
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
        );
        let mut operands = op.operands();
        if let FloatOp::Gather { .. } = op {
            operands.truncate(1);
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
        let softmax = QuantizedSoftmax { scale: source.scales[0], units, lo, hi };
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
            (BinaryFunction::Mul | BinaryFunction::Div, [true, false]) => (operands[0], operands[1]),
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
        let Some(gate) = fixed_point(call, gate, unit)? else { return Ok(None) };
        let requantization = fixed_point_rule(self.to, 1);
        let operands = [call.builder.broadcast(a.centered, shape)?, call.builder.broadcast(gate, shape)?];
        let op = FloatOp::QuantizedMul { operands, requantization };
        call.builder.emit(op, shape.to_vec(), DType::Int32).map(Some)
    }

    /// A function of one quantized tensor.
    fn function(&self, call: &mut Call, value: ValueId) -> Result<Option<ValueId>> {
        let mut argument = Argument { source: None, visits: MAX_VISITS };
        let Some(Image::Values(values)) = argument.image(call, value) else { return Ok(None) };
        let Some((source, first)) =
            argument.source.filter(|(source, _)| call.shape(source.centered) == call.shape(value))
        else {
            return Ok(None);
        };
        if values.iter().any(|value| value.is_nan()) {
            return Ok(None);
        }
        let quantizer = self.to.quantizer();
        let values = values.iter().map(|&value| quantizer.quantize(value.into()) as i32).collect();
        table(call, source.centered, first, values).map(Some)
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
fn table(call: &mut Call, input: ValueId, first: i32, values: Vec<i32>) -> Result<ValueId> {
    if values.iter().enumerate().all(|(i, &value)| value == first + i as i32) {
        return Ok(input);
    }
    let (shape, table) = (call.shape(input), QuantizedTable { first, values: values.into() });
    call.builder.emit(FloatOp::QuantizedMap { input, table }, shape, DType::Int32)
}

/// What an expression is for each integer of the quantized tensor that it is a function of.
#[derive(Clone)]
enum Image {
    /// One number whatever the tensor.
    Number(f32),
    Values(Vec<f32>),
}

impl Image {
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        match self {
            Self::Number(number) => Self::Number(f(number)),
            Self::Values(values) => Self::Values(values.into_iter().map(f).collect()),
        }
    }

    fn with(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        match (self, other) {
            (Self::Number(a), b) => b.map(|b| f(a, b)),
            (a, Self::Number(b)) => a.map(|a| f(a, b)),
            (Self::Values(a), Self::Values(b)) => Self::Values(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect()),
        }
    }
}

/// The quantized tensor that an expression is a function of.
struct Argument {
    /// It, and its smallest centered integer.
    source: Option<(Dequantized, i32)>,
    visits: usize,
}

impl Argument {
    /// The expression in float32, step by step; `None` where it is no function of one quantized tensor alone.
    fn image(&mut self, call: &Call, value: ValueId) -> Option<Image> {
        self.visits = self.visits.checked_sub(1)?;
        if let Some(tensor) = call.builder.tensor(value) {
            return tensor.uniform().map(|number| Image::Number(number as f32));
        }
        if call.dtype(value) != DType::Float32 {
            return None;
        }
        if let Some(source) = activation(call, value) {
            return self.values(call, source);
        }
        match *call.builder.op(value) {
            FloatOp::Unary { input, function } => {
                let image = self.image(call, input)?;
                Some(image.map(|v| function.evaluate(v.into()) as f32))
            }
            FloatOp::Binary { function, operands: [a, b] } => {
                let (a, b) = (self.image(call, a)?, self.image(call, b)?);
                Some(a.with(b, |a, b| function.evaluate(a.into(), b.into()) as f32))
            }
            _ => None,
        }
    }

    fn values(&mut self, call: &Call, source: Dequantized) -> Option<Image> {
        if self.source.as_ref().is_some_and(|(known, _)| known.centered != source.centered) {
            return None;
        }
        let (lo, hi) = call.dtype(source.raw).integer_range()?;
        let zero = source.zero_point?;
        let (lo, hi, scale) = (lo as i32 - zero, hi as i32 - zero, source.scales[0]);
        self.source = Some((source, lo));
        Some(Image::Values((lo..=hi).map(|c| c as f32 * scale).collect()))
    }
}
