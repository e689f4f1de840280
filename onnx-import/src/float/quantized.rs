//! Quantized arithmetic as onnxruntime's processor kernels define it, to the last bit of float32.
//!
//! A quantized tensor holds integers `q` of a small type and stands for `scale·(q − zero point)`. The float graph holds the
//! *centered* integers `c = q − zero point`, so that padding is zero. With `⌊·⌉` rounding half to even, and every operation
//! rounded to float32:
//!
//! ```text
//! quantize        c = clamp(⌊x / scale⌉)
//! requantize      c = clamp(⌊float32(acc) · m⌉)              m = (scale_x · scale_w) / scale_y
//! multiply        c = clamp(⌊float32(acc) · m + zero_y⌉ − zero_y)
//! add             q = clamp(⌊fma(q_a, r_a, fma(q_b, r_b, f))⌉)   r = scale / scale_y,
//!                                                            f = zero_y − fma(r_a, zero_a, r_b·zero_b)
//! subtract        c = clamp(⌊(c_a·scale_a − c_b·scale_b) / scale_y⌉)
//! function        c = clamp(⌊f(c_x·scale_x) / scale_y⌉)      a table
//! ```
//!
//! Source: `MlasQuantizeLinear`, `MlasRequantizeOutput`, `MlasQLinearAdd` and `MlasQLinearMul` of onnxruntime 1.32, checked by
//! running them.

use std::sync::Arc;

/// From reals to centered integers of a quantized type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// What a unit stands for; positive and finite.
    pub scale: f32,
    /// Smallest centered integer.
    pub lo: i32,
    /// Largest centered integer.
    pub hi: i32,
}

impl Quantizer {
    /// The centered integer that stands for a real.
    pub fn quantize(&self, value: f64) -> f64 {
        f64::from((value as f32 / self.scale).round_ties_even()).clamp(f64::from(self.lo), f64::from(self.hi))
    }

    /// The real that a centered integer stands for.
    pub fn dequantize(&self, value: f64) -> f64 {
        f64::from(value as f32 * self.scale)
    }
}

/// From exact 32-bit accumulators back to a quantized type.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantization {
    /// One multiplier for each channel; positive and finite.
    pub multipliers: Arc<[f32]>,
    /// Smallest centered integer.
    pub lo: i32,
    /// Largest centered integer.
    pub hi: i32,
    /// A zero point that is added before the result is rounded, and taken off behind; it decides about ties.
    pub within: i32,
}

impl Requantization {
    /// The centered integer of an accumulator; it never decreases with the accumulator.
    pub fn apply(&self, channel: usize, accumulator: i64) -> i64 {
        let within = self.within as f32;
        let scaled = (accumulator as i32 as f32 * self.multipliers[channel] + within).round_ties_even() - within;
        scaled.clamp(self.lo as f32, self.hi as f32) as i64
    }
}

/// A function of a quantized tensor, by its values.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedTable {
    /// The centered integer that the first value belongs to; those behind belong to the next ones.
    pub first: i32,
    /// Centered integers; not empty.
    pub values: Arc<[i32]>,
}

impl QuantizedTable {
    /// The value of a centered integer; that of the nearest end beyond the table.
    pub fn apply(&self, centered: i64) -> i64 {
        let last = self.values.len() as i64 - 1;
        i64::from(self.values[(centered - i64::from(self.first)).clamp(0, last) as usize])
    }

    /// Smallest and largest value.
    pub fn bounds(&self) -> (i64, i64) {
        let (least, most) = (self.values.iter().min(), self.values.iter().max());
        (least.map_or(0, |&v| v.into()), most.map_or(0, |&v| v.into()))
    }
}

/// The sum or difference of two quantized tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedSum {
    /// Scales of the operands and the result.
    pub scales: [f32; 3],
    /// Zero points of the operands and the result.
    pub zero_points: [i32; 3],
    /// Smallest integer of the result's type.
    pub lo: i32,
    /// Largest integer of the result's type.
    pub hi: i32,
    /// Whether it is the difference.
    pub subtracts: bool,
}

impl QuantizedSum {
    /// The centered sum of centered operands.
    pub fn apply(&self, a: i64, b: i64) -> i64 {
        let (lo, hi) = self.bounds();
        match self.subtracts {
            true => self.difference(a, b).clamp(lo as f32, hi as f32) as i64,
            false => self.sum(a, b).clamp(self.lo as f32, self.hi as f32) as i64 - i64::from(self.zero_points[2]),
        }
    }

    fn sum(&self, a: i64, b: i64) -> f32 {
        let [zero_a, zero_b, zero_y] = self.zero_points.map(|zero| zero as f32);
        let [ratio_a, ratio_b] = self.ratios();
        let fixed = zero_y - ratio_a.mul_add(zero_a, ratio_b * zero_b);
        let raw = |centered: i64, zero: i32| (centered + i64::from(zero)) as f32;
        let inner = raw(b, self.zero_points[1]).mul_add(ratio_b, fixed);
        raw(a, self.zero_points[0]).mul_add(ratio_a, inner).round_ties_even()
    }

    fn difference(&self, a: i64, b: i64) -> f32 {
        let [scale_a, scale_b, scale_y] = self.scales;
        ((a as f32 * scale_a - b as f32 * scale_b) / scale_y).round_ties_even()
    }

    fn ratios(&self) -> [f32; 2] {
        [self.scales[0] / self.scales[2], self.scales[1] / self.scales[2]]
    }

    /// What a unit of each operand adds to the result, before rounding.
    pub fn slopes(&self) -> [f64; 2] {
        let [a, b] = self.ratios().map(f64::from);
        [a, if self.subtracts { -b } else { b }]
    }

    /// Smallest and largest centered result.
    pub fn bounds(&self) -> (i64, i64) {
        (i64::from(self.lo - self.zero_points[2]), i64::from(self.hi - self.zero_points[2]))
    }
}
