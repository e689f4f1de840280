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
//! subtract        c = clamp(⌊(c_a·scale_a − c_b·scale_b) / scale_y⌉)     and sums too, where tensors of 16 bits have part
//! function        c = clamp(⌊f(c_x·scale_x) / scale_y⌉)      a table
//! normalize       c = clamp(⌊f_i·n_i + o_i⌉)                  n = (c_x − mean c_x) / √(variance + ε/scale_x²), in reals
//! softmax         c = clamp(⌊e_i·⌊1 / scale_y⌋ / Σ e⌉)        e = exp((c_x − max c_x)·scale_x + shift), summed in order
//! ```
//!
//! Source: `MlasQuantizeLinear`, `MlasRequantizeOutput`, `MlasQLinearAdd`, `MlasQLinearMul` and `QLinearSoftmax` of onnxruntime
//! 1.32, checked by running them.

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

/// How accumulators become results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Accumulators of 32 bits in float32, halves to even: to the bit.
    Float32,
    /// Accumulators of fixed-point numbers, which are neither wrapped around nor rounded before the result is, halves up.
    FixedPoint,
    /// The same, where tensors of 16 bits have part: a program may be off by a small part of a unit before it rounds.
    Near,
}

/// From exact accumulators back to a quantized type.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantization {
    /// One multiplier for each channel: a positive number of float32 where the arithmetic is that, a finite one of any sign where rounding is
    /// [`Rounding::Near`].
    pub multipliers: Arc<[f64]>,
    /// Smallest centered integer.
    pub lo: i32,
    /// Largest centered integer.
    pub hi: i32,
    /// A zero point that is added before the result is rounded, and taken off behind; it decides about ties.
    pub within: i32,
    /// What is added before the result is rounded, for each channel in units of the result; empty where nothing is.
    pub offsets: Arc<[f64]>,
    /// How results are rounded.
    pub rounding: Rounding,
}

impl Requantization {
    /// What is added to a channel.
    pub fn offset(&self, channel: usize) -> f64 {
        self.offsets.get(channel).copied().unwrap_or(0.0)
    }

    /// The centered integer of an accumulator; it never decreases with the accumulator where the multiplier is positive.
    pub fn apply(&self, channel: usize, accumulator: i64) -> i64 {
        if self.rounding != Rounding::Float32 {
            let real = accumulator as f64 * self.multipliers[channel] + self.offset(channel);
            return ((real + 0.5).floor() as i64).clamp(self.lo.into(), self.hi.into());
        }
        let within = self.within as f32;
        let real = accumulator as i32 as f32 * self.multipliers[channel] as f32 + self.offset(channel) as f32;
        let scaled = (real + within).round_ties_even() - within;
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
    /// What the values of a long table were rounded from, in units of the result, so that it may be followed by segments; empty where every
    /// value is looked up.
    pub reals: Arc<[f32]>,
}

impl QuantizedTable {
    /// The number that the result of a centered integer is rounded from, where those are known; that of the nearest end beyond the table.
    pub fn real(&self, centered: i64) -> Option<f64> {
        let last = self.reals.len().checked_sub(1)? as i64;
        Some(self.reals[(centered - i64::from(self.first)).clamp(0, last) as usize].into())
    }

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

/// A function of two quantized tensors, by its values.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedPairs {
    /// Smallest and largest centered integer of each operand.
    pub ranges: [(i32, i32); 2],
    /// The centered integers of all pairs, those of the first operand's smallest integer first.
    pub values: Arc<[i32]>,
}

impl QuantizedPairs {
    /// The value of two centered integers; beyond their ranges that of the nearest ends.
    pub fn apply(&self, a: i64, b: i64) -> i64 {
        let [a, b] = [(a, self.ranges[0]), (b, self.ranges[1])]
            .map(|(c, (lo, hi))| c.clamp(lo.into(), hi.into()) - i64::from(lo));
        let width = i64::from(self.ranges[1].1 - self.ranges[1].0) + 1;
        i64::from(self.values[(a * width + b) as usize])
    }

    /// Smallest and largest value.
    pub fn bounds(&self) -> (i64, i64) {
        let (least, most) = (self.values.iter().min(), self.values.iter().max());
        (least.map_or(0, |&v| v.into()), most.map_or(0, |&v| v.into()))
    }
}

/// Arithmetic of integers that stand for themselves, never rounded.
#[derive(Clone, Debug, PartialEq)]
pub enum IntegerRule {
    /// The sum of one operand over some axes, ascending, which stay with one position; in a plan over the last axis.
    Sum(Vec<usize>),
    /// Two operands of one shape, each times a factor, added.
    Combination([i64; 2]),
    /// The product of two operands of one shape.
    Product,
}

/// Softmax of a quantized tensor, quantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedSoftmax {
    /// Scale of the operand.
    pub scale: f32,
    /// Units of the result that stand for 1, at least 1: the whole part of the reciprocal of its scale, or that itself where tensors of 16 bits
    /// have part.
    pub units: f32,
    /// Smallest centered integer of the result.
    pub lo: i32,
    /// Largest centered integer of the result.
    pub hi: i32,
    /// Whether tensors of 16 bits have part: shares are reals, rounded once.
    pub wide: bool,
}

impl QuantizedSoftmax {
    /// The centered shares of a row of centered integers.
    pub fn apply(&self, row: &[i64]) -> Vec<i64> {
        /// The runtime shifts exponents up so that sums come near the largest number, but for this.
        const ROOM: f64 = 5.0;
        let largest = row.iter().copied().max().unwrap_or(0);
        let scale = f64::from(self.scale);
        if self.wide {
            let exponentials: Vec<f64> = row.iter().map(|&c| ((c - largest) as f64 * scale).exp()).collect();
            let units = f64::from(self.units) / exponentials.iter().sum::<f64>();
            let share = |e: &f64| (e * units).round_ties_even().clamp(self.lo.into(), self.hi.into());
            return exponentials.iter().map(|e| share(e) as i64).collect();
        }
        let shift = (f64::from(f32::MAX / row.len() as f32).ln() - ROOM).max(0.0) / scale;
        let exponentials = row.iter().map(|&c| (((c - largest) as f64 + shift) * scale).exp() as f32);
        let exponentials: Vec<f32> = exponentials.collect();
        let sum = exponentials.iter().fold(0f32, |sum, e| sum + e);
        let share = |e: &f32| (e * self.units / sum).round_ties_even().clamp(self.lo as f32, self.hi as f32);
        exponentials.iter().map(|e| share(e) as i64).collect()
    }
}

/// A normalization of a quantized tensor, scaled and quantized; the runtime computes it in float32.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNormalization {
    /// Whether the mean is taken off.
    pub centered: bool,
    /// Added to the mean square of the centered integers, not negative.
    pub epsilon: f64,
    /// For each element what a normalized one is multiplied by, in units of the result.
    pub factors: Arc<[f64]>,
    /// For each element what is added, in units of the result.
    pub offsets: Arc<[f64]>,
    /// Smallest centered integer of the result.
    pub lo: i32,
    /// Largest centered integer of the result.
    pub hi: i32,
    /// Whether tensors of 16 bits have part: a program may be off by a small part of a unit before it rounds.
    pub wide: bool,
}

impl QuantizedNormalization {
    /// The centered integers of normalized elements.
    pub fn apply(&self, normalized: &[f64]) -> Vec<f64> {
        let scaled = normalized.iter().zip(self.factors.iter().zip(self.offsets.iter()));
        let rounded = scaled.map(|(n, (factor, offset))| (n * factor + offset).round_ties_even());
        // A zero without a sign.
        rounded.map(|v| v.clamp(self.lo.into(), self.hi.into()) + 0.0).collect()
    }
}

/// In which order float32 numbers are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumOrder {
    /// One behind another.
    Sequence,
    /// Eight behind one another at a time while there are that many, the first four to the last four, then four more if there are; of the
    /// four sums the third to the first and the fourth to the second, and these. As Eigen adds up a row of a multiple of 4 numbers.
    Lanes,
}

/// An average of elements of a quantized tensor, quantized; the runtime adds them up in float32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizedAverage {
    /// Scale of the operand.
    pub scale: f32,
    /// Scale of the result.
    pub to: f32,
    /// A zero point that is added before the result is rounded, and taken off behind; it decides about ties.
    pub within: i32,
    /// The order of the elements' sum.
    pub order: SumOrder,
    /// Smallest centered integer of the result.
    pub lo: i32,
    /// Largest centered integer of the result.
    pub hi: i32,
}

/// The float32 sum of numbers, one behind another.
fn in_sequence<'a>(numbers: impl Iterator<Item = &'a f32>) -> f32 {
    numbers.fold(0.0, |sum, number| sum + number)
}

impl QuantizedAverage {
    /// The centered average of centered integers.
    pub fn apply(&self, row: &[i64]) -> i64 {
        let reals: Vec<f32> = row.iter().map(|&c| c as f32 * self.scale).collect();
        let sum = match self.order {
            SumOrder::Sequence => in_sequence(reals.iter()),
            SumOrder::Lanes => {
                let (eights, last) = reals.split_at(reals.len() / 8 * 8);
                let lane = |at: usize| {
                    let [first, second] = [at, at + 4].map(|from| in_sequence(eights.iter().skip(from).step_by(8)));
                    first + second + last.get(at).copied().unwrap_or(0.0)
                };
                (lane(0) + lane(2)) + (lane(1) + lane(3))
            }
        };
        self.of_sum(sum, row.len())
    }

    /// The centered average of `count` elements by their float32 sum; it never decreases with the sum.
    pub fn of_sum(&self, sum: f32, count: usize) -> i64 {
        let within = self.within as f32;
        let rounded = (sum / count as f32 / self.to + within).round_ties_even() - within;
        rounded.clamp(self.lo as f32, self.hi as f32) as i64
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
    /// Whether tensors of 16 bits have part, for which the runtime adds in float32 what they stand for.
    pub wide: bool,
}

impl QuantizedSum {
    /// The centered sum of centered operands.
    pub fn apply(&self, a: i64, b: i64) -> i64 {
        let (lo, hi) = self.bounds();
        match self.subtracts || self.wide {
            true => self.in_float32(a, b).clamp(lo as f32, hi as f32) as i64,
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

    fn in_float32(&self, a: i64, b: i64) -> f32 {
        let [scale_a, scale_b, scale_y] = self.scales;
        let (a, b) = (a as f32 * scale_a, b as f32 * scale_b);
        ((if self.subtracts { a - b } else { a + b }) / scale_y).round_ties_even()
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
