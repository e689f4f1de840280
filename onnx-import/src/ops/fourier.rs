//! Discrete Fourier transforms as products with constant matrices, and the windows that go with them.

use super::cast::target_type;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};
use std::f64::consts::TAU;

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("DFT", &[since(17, 1, 2, 1), since(20, 1, 3, 1)], dft),
    onnx("STFT", &[since(17, 2, 4, 1)], stft),
    onnx("HannWindow", &[since(17, 1, 1, 1)], |call| window(call, [0.5, 0.5, 0.0])),
    onnx("HammingWindow", &[since(17, 1, 1, 1)], |call| window(call, [25.0 / 46.0, 21.0 / 46.0, 0.0])),
    onnx("MelWeightMatrix", &[since(17, 5, 5, 1)], mel_weights),
    onnx("BlackmanWindow", &[since(17, 1, 1, 1)], |call| window(call, [0.42, 0.5, 0.08])),
];

/// Longest transform and longest window.
const MAX_LENGTH: usize = 1 << 12;

/// What a transform does along an axis.
struct Transform {
    /// Samples, those beyond the operand being zeros.
    length: usize,
    inverse: bool,
    /// Only the first half of the results, which for real operands says all.
    onesided: bool,
}

impl Transform {
    fn bins(&self) -> usize {
        if self.onesided {
            self.length / 2 + 1
        } else {
            self.length
        }
    }

    /// Transforms `[…, samples, parts]`, the parts real and perhaps imaginary, to `[…, bins, 2]`.
    fn apply(&self, call: &mut Call, value: ValueId) -> Result<ValueId> {
        let mut shape = call.shape(value);
        let dtype = call.dtype(value);
        let (Some(parts), Some(samples)) = (shape.pop(), shape.pop()) else {
            return Err(NodeError::shape("it has no axis of samples"));
        };
        if !(1..=2).contains(&parts) || !dtype.is_float() {
            return Err(NodeError::shape(format!("its operand, {} of {parts} parts, is not complex", dtype.name())));
        }
        let (used, bins) = (samples.min(self.length), self.bins());
        let sign = if self.inverse { 1.0 } else { -1.0 };
        let factor = if self.inverse { 1.0 / self.length as f64 } else { 1.0 };
        call.builder.check_room((samples * parts * bins * 2) as u64)?;
        let entry = |i: usize| {
            let (row, column) = (i / (2 * bins), i % (2 * bins));
            let (sample, imaginary) = (row / parts, row % parts == 1);
            if sample >= used {
                return 0.0;
            }
            // The product of sample and bin stays exact, as an angle in full turns.
            let turns = (sample * (column / 2)) % self.length;
            let angle = sign * TAU * turns as f64 / self.length as f64;
            factor
                * match (imaginary, column % 2 == 1) {
                    (false, false) | (true, true) => angle.cos(),
                    (false, true) => angle.sin(),
                    (true, false) => -angle.sin(),
                }
        };
        let matrix = (0..samples * parts * bins * 2).map(entry).collect();
        let matrix = call.builder.constant(vec![samples * parts, bins * 2], matrix, dtype)?;
        let rows = shape.iter().product();
        let value = call.builder.reshape(value, vec![rows, samples * parts])?;
        let result = call.builder.matmul(value, matrix)?;
        shape.extend([bins, 2]);
        call.builder.reshape(result, shape)
    }
}

fn positive(length: f64) -> Result<usize> {
    let fits = length >= 1.0 && length <= MAX_LENGTH as f64 && length.fract() == 0.0;
    if fits {
        return Ok(length as usize);
    }
    Err(NodeError::shape(format!("a length of {length}, which is not in 1 to {MAX_LENGTH}")))
}

fn dft(call: &mut Call) -> Result {
    let input = call.input(0)?;
    let rank = call.rank(input);
    let axis = match call.version {
        ..20 => call.attributes.int_or("axis", 1)?,
        _ => call.number(2, "axis")?.unwrap_or(-2.0) as i64,
    };
    let axis = resolve_axis(axis, rank)?;
    if axis + 1 == rank {
        return Err(NodeError::shape("its axis is that of real and imaginary parts"));
    }
    let length = match call.number(1, "length")? {
        Some(length) => positive(length)?,
        None => positive(call.shape(input)[axis] as f64)?,
    };
    let inverse = call.attributes.flag("inverse", false)?;
    let onesided = call.attributes.flag("onesided", false)?;
    if inverse && onesided {
        return Err(NodeError::unsupported("an inverse transform of half the bins", "give all bins"));
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis, rank - 2);
    let moved = call.builder.transpose(input, &order)?;
    let result = Transform { length, inverse, onesided }.apply(call, moved)?;
    Ok(vec![call.builder.transpose(result, &order)?])
}

/// Transforms of overlapping frames of a signal, `[batch, samples, parts]` to `[batch, frames, bins, 2]`.
fn stft(call: &mut Call) -> Result {
    let signal = call.input(0)?;
    let step = positive(call.number(1, "step")?.unwrap_or(0.0))?;
    let window = call.optional(2);
    let length = match (call.number(3, "frame length")?, window) {
        (Some(length), _) => positive(length)?,
        (None, Some(window)) => positive(call.builder.elements(window) as f64)?,
        (None, None) => return Err(NodeError::shape("neither a frame length nor a window")),
    };
    let mut shape = call.shape(signal);
    if shape.len() == 2 {
        shape.push(1);
    }
    let signal = call.builder.reshape(signal, shape.clone())?;
    let [batch, samples, parts] = shape[..] else {
        return Err(NodeError::shape(format!("a signal of shape {shape:?}")));
    };
    let Some(rest) = samples.checked_sub(length) else {
        return Err(NodeError::shape(format!("frames of {length} in {samples} samples")));
    };
    let onesided = call.attributes.flag("onesided", true)? && parts == 1;
    let frames = rest / step + 1;
    let mut framed = call.builder.view(signal, vec![batch, frames, length, parts], 0.0, |at| {
        Some((at[0] * samples + at[1] * step + at[2]) * parts + at[3])
    })?;
    if let Some(window) = window {
        let window = call.builder.reshape(window, vec![length, 1])?;
        framed = call.builder.binary(BinaryFunction::Mul, framed, window)?;
    }
    Ok(vec![Transform { length, inverse: false, onesided }.apply(call, framed)?])
}

/// `a − b·cos(2πn/N) + c·cos(4πn/N)`
fn window(call: &mut Call, [a, b, c]: [f64; 3]) -> Result {
    let size = positive(call.number(0, "size")?.unwrap_or(0.0))?;
    let periodic = call.attributes.flag("periodic", true)?;
    let dtype = match call.attributes.int("output_datatype")? {
        Some(code) => target_type(code, "output_datatype")?,
        None => DType::Float32,
    };
    let period = if periodic { size } else { size.max(2) - 1 } as f64;
    let angle = |n: usize| TAU * n as f64 / period;
    let data = (0..size).map(|n| a - b * angle(n).cos() + c * (2.0 * angle(n)).cos()).collect();
    Ok(vec![call.builder.constant(vec![size], data, dtype)?])
}
/// Triangles over the bins of a spectrum, evenly spaced in mels: `mel(f) = 2595·log10(1 + f/700)`. Constant operands alone.
fn mel_weights(call: &mut Call) -> Result {
    let dtype = target_type(call.attributes.int_or("output_datatype", 1)?, "output_datatype")?;
    let names = ["number of bins", "length", "sample rate", "lower edge", "upper edge"];
    let mut operands = [0.0; 5];
    for (index, name) in names.into_iter().enumerate() {
        operands[index] = call.number(index, name)?.ok_or_else(|| NodeError::shape(format!("no {name}")))?;
    }
    let [bins, length, rate, lower, upper] = operands;
    let in_range = |value: f64| value >= 1.0 && value <= MAX_LENGTH as f64;
    if !in_range(bins) || !in_range(length) || rate <= 0.0 || lower < 0.0 || upper <= lower {
        return Err(NodeError::shape(format!("{bins} bins of {length} from {lower} to {upper} at a rate of {rate}")));
    }
    let (bins, rows) = (bins as usize, length as usize / 2 + 1);
    let mel = |frequency: f64| 2595.0 * (1.0 + frequency / 700.0).log10();
    let step = (mel(upper) - mel(lower)) / (bins + 2) as f64;
    let edge = |index: usize| {
        let frequency = 700.0 * (10f64.powf((mel(lower) + index as f64 * step) / 2595.0) - 1.0);
        ((length + 1.0) * frequency / rate).floor() as usize
    };
    let edges: Vec<usize> = (0..bins + 2).map(edge).collect();
    if edges.iter().any(|&edge| edge >= rows) {
        return Err(NodeError::shape(format!("an upper edge of {upper} lies beyond the spectrum")));
    }
    let weight = |row: usize, bin: usize| {
        let (left, center, right) = (edges[bin], edges[bin + 1], edges[bin + 2]);
        match row {
            // A triangle without width is its peak.
            _ if row == center => 1.0,
            _ if (left..center).contains(&row) => (row - left) as f64 / (center - left) as f64,
            _ if (center..right).contains(&row) => (right - row) as f64 / (right - center) as f64,
            _ => 0.0,
        }
    };
    let data = (0..rows * bins).map(|index| weight(index / bins, index % bins)).collect();
    Ok(vec![call.builder.constant(vec![rows, bins], data, dtype)?])
}
