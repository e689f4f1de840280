//! Emission of operators that tensors of 16 bits have part in: lines within a small part of a unit of what is rounded.
//!
//! The thresholds of a result of 16 bits are too many for one line to meet them all, and the runtime's own sums in float32 do not either. The
//! program computes `clamp(⌊(Σ w'·c + b') / 2^s⌉)` with `w' = ⌊m·2^s·w⌉`, each weight rounded by itself, or, of an exact sum, `clamp(⌊(f·acc + b') / 2^s⌉)`
//! with `f = ⌊m·2^s⌉`. What that deviates from `m·acc + offset` at most follows from the ranges of the operands:
//!
//! ```text
//! Σ |w' − m·2^s·w|·|c| / 2^s      and      |f − m·2^s|·min(|acc|, reach / m) / 2^s
//! ```
//!
//! where beyond `reach` units the result is an end of its type either way. The least even shift is taken that keeps it below [`DEVIATION`], of
//! results of bytes below [`DEVIATION_OF_BYTES`]: the limbs of a remainder have half as many bits. Where one shift would be long ([`LONG`]), the
//! sum is rounded to a few bits behind the point first, which adds a part of a unit that is as small.
//!
//! **Softmax.** With `d = max c − c = 2^8·h + l` of a row, `u` units that stand for 1 and `B` = [`SHARE_BITS`]:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `e` | `⌊2^B·exp(−2^8·h·scale)·exp(−l·scale)⌉`, two tables of 2^8 entries and a product |
//! | `S` | `4·Σ e + 1`, at least `2^(B+2)` |
//! | `r` | `⌊u·2^(G+2) / S⌋` |
//! | result | `clamp(⌊e·r / 2^G⌉)` |
//!
//! A share is off by half a unit of `2^−B` in `e`, by as much in each term of `S`, of either sign, and by one part in `r`.
//!
//! **Normalization.** With the sums of `emit_quantized_normalize.rs`, the normalized element `a = c·r` is a sum as above, with a line for each
//! channel: `(F·√n/2^M)·a + O`. Where the squares of `c` would have more than 59 bits, it is rounded to [`SHIFTED`] first.

use circuits::graph::{ConvGeometry, Limits, Op, Requantize, Table, TensorId, Weights};

use super::emit::Emitter;
use super::emit_normalize::RowSums;
use super::emit_quantized::largest_of_type;
use super::emit_quantized_normalize::Channels;
use super::error::QuantizeError;
use super::plan::{element, PlanId, PlanNode};
use super::segments::{Operands, Segments};
use crate::float::quantized::{
    QuantizedNormalization, QuantizedSoftmax, QuantizedSum, QuantizedTable, Requantization, Rounding,
};

/// How far what is rounded to 16 bits may be from the exact number, in units of the result.
const DEVIATION: f64 = 1.0 / 16.0;
/// `B`: bits of an exponential.
const SHARE_BITS: u32 = 19;
/// Bits of each of its two factors.
const FACTOR_BITS: u32 = 24;
/// Bits of `l`.
const LOW_BITS: u32 = 8;
/// Least bits of the quotient behind the point.
const GUARD_BITS: u32 = 22;
/// `M`: bits of a normalized element.
const NORMALIZED_BITS: u32 = 37;
/// Most bits of a root behind the point.
const MAX_FRACTION_BITS: u32 = 12;
/// Largest sum of squares.
const MAX_SQUARES: f64 = (1u64 << 59) as f64;
/// Largest element that is rounded before it is squared.
const SHIFTED: f64 = ((1u64 << 19) - 1) as f64;
/// How far what is rounded to bytes may be.
const DEVIATION_OF_BYTES: f64 = 1.0 / 256.0;
/// Most results of a type of bytes.
const BYTES: i64 = 1 << 8;
/// Shifts that are tried.
const SHIFTS: std::ops::RangeInclusive<u32> = 8..=Limits::MAX_SHIFT;
/// The longest shift of a sum that is not rounded twice.
const LONG: u32 = 28;
/// Bits more than a deviation admits that may be dropped before a sum is multiplied.
const MORE_DROPPED: u32 = 2;
/// Bits that an accumulator may have.
const MOST_BITS: f64 = 58.0;
/// Most elements of a function for each entry of its table, from which on the table is looked up even where segments would serve.
const ELEMENTS_OF_TABLE: usize = 8;

/// Whether a normalization of 16 bits in rows of `size` elements fits, by its factors and offsets.
pub(crate) fn wide_normalization_fits(size: usize, rule: &QuantizedNormalization) -> bool {
    /// Most elements of a row.
    const MAX_SIZE: usize = 1 << 13;
    /// Most units of the result that a normalized element or an offset may stand for.
    const MAX_REACH: f64 = (1u64 << 24) as f64;
    let n = size as f64;
    let reach = rule.factors.iter().fold(0f64, |largest, v| largest.max(v.abs())) * n.sqrt();
    let added = rule.offsets.iter().fold(0f64, |largest, v| largest.max(v.abs()));
    let epsilon = rule.epsilon * if rule.centered { n * n * n } else { n };
    size <= MAX_SIZE && reach > 0.0 && reach.max(added) <= MAX_REACH && epsilon < MAX_SQUARES / 16.0
}

/// How far results of a rule may deviate.
fn deviation(lo: i64, hi: i64) -> f64 {
    if hi - lo < BYTES {
        DEVIATION_OF_BYTES
    } else {
        DEVIATION
    }
}

/// Weights, scaled by the multipliers of their channels and rounded one by one.
struct ScaledWeights {
    shift: u32,
    weights: Weights,
    bias: Vec<i64>,
}

impl ScaledWeights {
    /// Those of the least shift for operands within a range; `None` where no shift serves.
    fn of((weights, bias): (&[i32], &[i64]), rule: &Requantization, operand: (i64, i64)) -> Option<Self> {
        SHIFTS.step_by(2).find_map(|shift| Self::at(shift, (weights, bias), rule, operand))
    }

    fn at(shift: u32, (weights, bias): (&[i32], &[i64]), rule: &Requantization, (lo, hi): (i64, i64)) -> Option<Self> {
        let (unit, most) = (f64::from(shift).exp2(), deviation(rule.lo.into(), rule.hi.into()));
        let ends = [lo.min(0) as f64, hi.max(0) as f64];
        let mut scaled = Vec::with_capacity(weights.len());
        let mut biases = Vec::with_capacity(bias.len());
        for (channel, own) in weights.chunks(weights.len() / bias.len()).enumerate() {
            let factor = Some(rule.multipliers[channel] * unit).filter(|factor| factor.is_finite())?;
            let (mut least, mut largest, mut sum) = (0.0, 0.0, 0.0);
            for &w in own {
                let exact = f64::from(w) * factor;
                let rounded = exact.round();
                if rounded.abs() > f64::from(i32::MAX) {
                    return None;
                }
                let [a, b] = ends.map(|end| (rounded - exact) * end);
                least += a.min(b);
                largest += a.max(b);
                sum += rounded.abs() * ends[1].max(-ends[0]);
                scaled.push(rounded as i32);
            }
            // The middle of what rounding adds is taken off again.
            let added = (bias[channel] as f64 * factor + rule.offset(channel) * unit - (least + largest) / 2.0).round();
            if (largest - least) / 2.0 + 0.5 > most * unit || (sum + added.abs()).log2() > MOST_BITS {
                return None;
            }
            biases.push(added as i64);
        }
        Some(Self { shift, weights: scaled.into_iter().collect(), bias: biases })
    }
}

/// Lines of exact accumulators, one for each channel, with one shift.
struct ExactLines {
    shift: u32,
    lines: Vec<(i64, i64)>,
}

impl ExactLines {
    /// Those of the least shift for channels with a multiplier, an offset and a largest accumulator each.
    fn of(channels: &[(f64, f64, f64)], (lo, hi): (i64, i64), most: f64) -> Option<Self> {
        SHIFTS.step_by(2).find_map(|shift| Self::at(shift, channels, (lo, hi), most))
    }

    fn at(shift: u32, channels: &[(f64, f64, f64)], (lo, hi): (i64, i64), most: f64) -> Option<Self> {
        let unit = f64::from(shift).exp2();
        let line = |&(multiplier, offset, largest): &(f64, f64, f64)| {
            let (factor, added) = ((multiplier * unit).round(), (offset * unit).round());
            let reach = lo.unsigned_abs().max(hi.unsigned_abs()) as f64 + offset.abs() + 2.0;
            let off = (factor - multiplier * unit).abs() * largest.min(reach / multiplier.abs()) + 0.5;
            let fits =
                factor.abs() <= f64::from(i32::MAX) && (factor.abs() * largest + added.abs()).log2() <= MOST_BITS;
            (fits && off <= most * unit).then_some((factor as i64, added as i64))
        };
        let lines = channels.iter().map(line).collect::<Option<Vec<_>>>()?;
        Some(Self { shift, lines })
    }
}

impl Emitter<'_> {
    /// A convolution whose weights take the multipliers in; of exact sums where they would have more than 32 bits.
    pub(super) fn wide_conv(
        &mut self,
        id: PlanId,
        (operand, size): (TensorId, [usize; 2]),
        geometry: &ConvGeometry,
        (weights, bias): (&[i32], &[i64]),
        rule: &Requantization,
    ) -> Result<(), QuantizeError> {
        let (bounds, range) = ((rule.lo.into(), rule.hi.into()), self.bounds[operand.0 as usize]);
        let shape = vec![bias.len(), size[0], size[1]];
        let of_type = f64::from(largest_of_type(weights));
        if let Some(ScaledWeights { shift, weights, bias }) = ScaledWeights::of((weights, bias), rule, range) {
            let requantize = Some(self.clamp(shift, bounds.0, bounds.1));
            let op = Op::Conv { input: operand, geometry: *geometry, weights, bias: bias.into(), requantize };
            let result = self.integers(id, op, shape, bounds);
            let steepest = rule.multipliers.iter().fold(0f64, |steepest, m| steepest.max(m.abs()));
            let largest = (of_type * steepest * f64::from(shift).exp2()).ceil();
            self.declare_weights(result, largest.min(f64::from(i32::MAX)) as i64);
            self.keep(id, result);
            return Ok(());
        }
        let most = range.0.unsigned_abs().max(range.1.unsigned_abs()) as f64;
        let largest = |(own, bias): (&[i32], &i64)| {
            own.iter().map(|w| f64::from(w.unsigned_abs()) * most).sum::<f64>() + bias.unsigned_abs() as f64
        };
        let largest: Vec<f64> = weights.chunks(weights.len() / bias.len()).zip(bias).map(largest).collect();
        let (weights, bias) = (weights.iter().copied().collect(), bias.to_vec());
        let op = Op::Conv { input: operand, geometry: *geometry, weights, bias: bias.into(), requantize: None };
        let result = self.wide_line(id, op, (shape, size), &largest, rule)?;
        self.keep(id, result);
        Ok(())
    }

    /// An operator whose exact results are requantized by one rule.
    pub(super) fn wide_whole(
        &mut self,
        id: PlanId,
        op: Op,
        range: (i64, i64),
        rule: &Requantization,
    ) -> Result<(), QuantizeError> {
        let shape = self.plan.node(id).shape.clone();
        let size = [shape.iter().product(), 1];
        let largest = [range.0.unsigned_abs().max(range.1.unsigned_abs()) as f64];
        let result = self.wide_line(id, op, (shape, size), &largest, rule)?;
        self.keep(id, result);
        Ok(())
    }

    /// An operator of exact results of a shape, requantized by lines of channels whose accumulators have a largest magnitude each.
    fn wide_line(
        &mut self,
        id: PlanId,
        mut op: Op,
        (shape, size): (Vec<usize>, [usize; 2]),
        largest: &[f64],
        rule: &Requantization,
    ) -> Result<TensorId, QuantizeError> {
        let bounds @ (lo, hi) = (rule.lo.into(), rule.hi.into());
        let most = deviation(lo, hi);
        let channels: Vec<_> =
            largest.iter().enumerate().map(|(c, &largest)| (rule.multipliers[c], rule.offset(c), largest)).collect();
        let once = ExactLines::of(&channels, bounds, most);
        let once_is_short = once.as_ref().is_some_and(|lines| lines.shift <= LONG);
        let twice = if once_is_short { None } else { self.rounded_before(&channels, bounds, most) };
        let (lines, exact_bounds) = match (twice, once) {
            (Some((dropped, reach, lines)), _) => {
                let requantize = self.clamp(dropped, -reach, reach);
                set_requantize(&mut op, requantize);
                (lines, (-reach, reach))
            }
            (None, Some(lines)) => (lines, (0, 0)),
            (None, None) => {
                return Err(self.too_large(
                    id,
                    "a requantization of 16 bits",
                    "quantize the model again with other scales",
                ))
            }
        };
        let exact = self.integers(id, op, shape.clone(), exact_bounds);
        let own = self.reshape(exact, vec![lines.lines.len(), size[0], size[1]]);
        let requantize = Some(self.clamp(lines.shift, lo, hi));
        let result = self.pointwise(id, own, size, &lines.lines, requantize, bounds);
        Ok(self.reshape(result, shape))
    }

    /// Bits that all sums may drop before they are multiplied, the largest magnitude that is left, and lines for those.
    fn rounded_before(
        &self,
        channels: &[(f64, f64, f64)],
        (lo, hi): (i64, i64),
        most: f64,
    ) -> Option<(u32, i64, ExactLines)> {
        let multipliers = || channels.iter().map(|channel| channel.0.abs());
        let (least, steepest) = (multipliers().fold(f64::INFINITY, f64::min), multipliers().fold(0.0, f64::max));
        let offset = channels.iter().map(|channel| channel.1.abs()).fold(0.0, f64::max);
        let largest = channels.iter().map(|channel| channel.2).fold(0.0, f64::max);
        // Half a unit of what is left is as much as the line itself may deviate, or a few times as much where a table has no room for it.
        let first = (most / steepest).log2().floor() + 1.0;
        (0..=MORE_DROPPED).map(|more| first + f64::from(more)).find_map(|dropped| {
            let unit = dropped.exp2();
            let reach = (lo.unsigned_abs().max(hi.unsigned_abs()) as f64 + offset + 2.0) / (least * unit);
            let reach = reach.min(largest / unit + 1.0).ceil();
            if !(1.0..=f64::from(LONG)).contains(&dropped) || reach * 2.0 + 1.0 >= Limits::MAX_TABLE as f64 {
                return None;
            }
            let channels: Vec<_> =
                channels.iter().map(|&(multiplier, offset, _)| (multiplier * unit, offset, reach)).collect();
            Some((dropped as u32, reach as i64, ExactLines::of(&channels, (lo, hi), most)?))
        })
    }

    /// A sum or difference of two tensors.
    pub(super) fn wide_sum(
        &mut self,
        id: PlanId,
        operands: [TensorId; 2],
        sum: &QuantizedSum,
    ) -> Result<(), QuantizeError> {
        let (slopes, bounds @ (lo, hi)) = (sum.slopes(), sum.bounds());
        let largest = operands.map(|operand| {
            let (lo, hi) = self.bounds[operand.0 as usize];
            lo.unsigned_abs().max(hi.unsigned_abs()) as f64
        });
        let fits = |shift: &u32| {
            let unit = f64::from(*shift).exp2();
            let of = |i: usize| ((slopes[i] * unit).round() - slopes[i] * unit).abs() * largest[i];
            let size = |i: usize| (slopes[i] * unit).abs() * largest[i];
            of(0) + of(1) <= deviation(lo, hi) * unit && (size(0) + size(1)).log2() <= MOST_BITS
        };
        let Some(shift) = SHIFTS.step_by(2).find(fits) else {
            return Err(self.too_large(id, "a sum of 16 bits", "quantize the model again with other scales"));
        };
        let factors = slopes.map(|slope| (slope * f64::from(shift).exp2()).round() as i64);
        let requantize = Some(self.clamp(shift, lo, hi));
        let shape = self.plan.node(id).shape.clone();
        self.emit_small(id, Op::Affine { operands, factors, constant: 0, requantize }, shape, bounds);
        Ok(())
    }

    /// A function of a tensor of 16 bits by segments; `false` where a table is better or they do not serve.
    pub(super) fn wide_function(&mut self, id: PlanId, operand: TensorId, table: &QuantizedTable) -> bool {
        let (lo, hi) = self.bounds[operand.0 as usize];
        let shape = self.plan.node(id).shape.clone();
        let elements: usize = shape.iter().product();
        if table.reals.is_empty() || elements > table.values.len() / ELEMENTS_OF_TABLE {
            return false;
        }
        let value = |centered: i64| table.real(centered).unwrap_or(f64::NAN);
        let Some(segments) = Segments::choose(value, lo, hi) else { return false };
        let operand = self.reshape(operand, shape.clone());
        let [slope, offset] = segments.tables("a function of 16 bits").map(|table| {
            let bounds = table.image(i64::MIN, i64::MAX);
            let requantize = Some(Requantize { shift: segments.shift(0), table: self.store(table) });
            let op = Op::Affine { operands: [operand; 2], factors: [1, 0], constant: 0, requantize };
            self.integers(id, op, shape.clone(), bounds)
        });
        let op = Op::Product { operands: [slope, operand], requantize: None };
        let product = self.integers(id, op, shape.clone(), (0, 0));
        let bounds = table.bounds();
        let clamp = self.clamp(0, bounds.0, bounds.1).table;
        let op = segments.operators(0, Operands { product, offset }, clamp);
        self.emit_small(id, op, shape, bounds);
        true
    }
}

// Softmax and normalizations.
impl Emitter<'_> {
    /// The shares of rows.
    pub(super) fn wide_softmax(&mut self, id: PlanId, input: PlanId, softmax: &QuantizedSoftmax) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let (shape, operand) = (node.shape.clone(), self.shaped(input));
        let (count, size) = (shape[0], shape[1]);
        let (lo, hi) = self.bounds[operand.0 as usize];
        let largest = self.emit(&node, Op::Max { input: operand }, vec![count], 1.0, (lo, hi));
        let largest = self.repeated(&node, largest, size, 1.0);
        let affine = |operands, factors, constant, requantize| Op::Affine { operands, factors, constant, requantize };
        let distance = self.emit(&node, affine([largest, operand], [1, -1], 0, None), shape.clone(), 1.0, (0, hi - lo));
        let (low, highest) = (1i64 << LOW_BITS, (hi - lo) >> LOW_BITS);
        let floor = Some(self.clamp(LOW_BITS, 0, highest));
        let high = self.emit(&node, affine([distance; 2], [1, 0], -low / 2, floor), shape.clone(), 1.0, (0, highest));
        let one = f64::from(FACTOR_BITS).exp2();
        let factor = |d: i64| (one * (-(d as f64) * f64::from(softmax.scale)).exp()).round() as i32;
        let coarse = (0..=highest).map(|h| factor(h << LOW_BITS)).collect();
        let fine = (0..low).map(factor).collect();
        let [coarse, fine] = [coarse, fine]
            .map(|values| self.store(Table::new("exponential".to_owned(), 0, values).expect("ranges are not empty")));
        let coarse = Op::Lookup { input: high, table: coarse };
        let coarse = self.emit(&node, coarse, shape.clone(), 1.0, (0, one as i64));
        let requantize = Some(Requantize { shift: 0, table: fine });
        let fine =
            self.emit(&node, affine([distance, high], [1, -low], 0, requantize), shape.clone(), 1.0, (0, one as i64));
        let requantize = Some(self.clamp(2 * FACTOR_BITS - SHARE_BITS, 0, 1 << SHARE_BITS));
        let op = Op::Product { operands: [coarse, fine], requantize };
        let exponentials = self.emit(&node, op, shape.clone(), 1.0, (0, 1 << SHARE_BITS));
        let sums = self.row_sums(&node, exponentials, &RowSums { size, factor: 1, constant: 0, step: 1.0 });
        let sums = self.reshape(sums, vec![count]);
        let divisors = self.emit(&node, affine([sums; 2], [4, 0], 1, None), vec![count], 1.0, (0, 0));
        let guard = (GUARD_BITS + size.next_power_of_two().trailing_zeros()).next_multiple_of(2).min(LONG + 2);
        let numerator = (f64::from(softmax.units) * f64::from(guard + 2).exp2()).round() as i64;
        let op = Op::Reciprocal { input: divisors, numerator };
        let reciprocal = self.emit(&node, op, vec![count], 1.0, (0, numerator));
        let reciprocals = self.repeated(&node, reciprocal, size, 1.0);
        let bounds @ (lo, hi) = (softmax.lo.into(), softmax.hi.into());
        let requantize = Some(self.clamp(guard, lo, hi));
        let op = Op::Product { operands: [exponentials, reciprocals], requantize };
        self.emit_small(id, op, shape, bounds);
    }

    /// The normalized elements of rows, scaled and shifted by channels.
    pub(super) fn wide_normalize(
        &mut self,
        id: PlanId,
        input: PlanId,
        rule: &QuantizedNormalization,
    ) -> Result<(), QuantizeError> {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let (shape, operand) = (node.shape.clone(), self.shaped(input));
        let (count, size) = (shape[0], shape[1]);
        let channels = Channels::of(rule, count, size);
        let (elements, reciprocals) = self.wide_rows(&node, operand, rule);
        let [elements, reciprocals] = [elements, reciprocals].map(|rows| self.by_channels(&node, rows, &channels));
        let unit = (size as f64).sqrt() / f64::from(NORMALIZED_BITS).exp2();
        let line = Requantization {
            multipliers: channels.map(|i| rule.factors[i] * unit).into(),
            lo: rule.lo,
            hi: rule.hi,
            within: 0,
            offsets: channels.map(|i| rule.offsets[i]).into(),
            rounding: Rounding::Near,
        };
        let plane = [channels.positions(), 1];
        let largest = vec![f64::from(NORMALIZED_BITS).exp2(); channels.count];
        let op = Op::Product { operands: [elements, reciprocals], requantize: None };
        let results = self.wide_line(id, op, (vec![channels.count, plane[0], 1], plane), &largest, &line)?;
        let mut map = vec![element(0); channels.elements.len()];
        channels.elements.iter().enumerate().for_each(|(at, &place)| map[place] = element(at));
        let op = Op::View { sources: vec![results], map: map.into() };
        self.emit_small(id, op, shape, (rule.lo.into(), rule.hi.into()));
        Ok(())
    }

    /// `c` of rows, and `r` for each of its elements.
    fn wide_rows(&mut self, node: &PlanNode, operand: TensorId, rule: &QuantizedNormalization) -> (TensorId, TensorId) {
        let (shape, size) = (node.shape.clone(), node.shape[1]);
        let n = size as f64;
        let (lo, hi) = self.bounds[operand.0 as usize];
        let largest = match rule.centered {
            true => n * (hi - lo) as f64,
            false => lo.unsigned_abs().max(hi.unsigned_abs()) as f64,
        };
        let fits = n * largest * largest < MAX_SQUARES / 2.0;
        let shift = if fits { 0 } else { (largest / SHIFTED).log2().ceil().max(0.0) as u32 };
        let largest = largest / f64::from(shift).exp2();
        let requantize = (shift > 0).then(|| self.clamp(shift, -(SHIFTED as i64), SHIFTED as i64));
        let (operands, factors) = match rule.centered {
            true => {
                let totals = self.row_sums(node, operand, &RowSums { size, factor: 1, constant: 0, step: 1.0 });
                ([operand, self.repeated(node, totals, size, 1.0)], [size as i64, -1])
            }
            false => ([operand; 2], [1, 0]),
        };
        let op = Op::Affine { operands, factors, constant: 0, requantize };
        let elements = self.emit(node, op, shape.clone(), 1.0, (-(largest as i64), largest as i64));
        let op = Op::Product { operands: [elements; 2], requantize: None };
        let squares = self.emit(node, op, shape.clone(), 1.0, (0, 0));
        let epsilon = rule.epsilon * n * (if rule.centered { n * n } else { 1.0 }) / f64::from(2 * shift).exp2();
        let with = |e: u32| f64::from(2 * e).exp2();
        let fits = |e: &u32| with(*e) * (n * largest * largest + epsilon) < MAX_SQUARES;
        let fraction_bits = (0..=MAX_FRACTION_BITS).rev().find(fits).unwrap_or(0);
        let constant = ((with(fraction_bits) * epsilon).round() as i64).max(1);
        let sums = RowSums { size, factor: 1 << (2 * fraction_bits), constant, step: 1.0 };
        let sums = self.row_sums(node, squares, &sums);
        let root = self.emit(node, Op::SquareRoot { input: sums }, vec![shape[0]], 1.0, (0, 0));
        let numerator = 1 << (NORMALIZED_BITS + fraction_bits);
        let reciprocal = self.emit(node, Op::Reciprocal { input: root, numerator }, vec![shape[0]], 1.0, (0, 0));
        (elements, self.repeated(node, reciprocal, size, 1.0))
    }
}

/// Has an operator requantize its exact results.
fn set_requantize(op: &mut Op, with: Requantize) {
    match op {
        Op::Conv { requantize, .. }
        | Op::Affine { requantize, .. }
        | Op::Product { requantize, .. }
        | Op::MatMul { requantize, .. } => *requantize = Some(with),
        _ => unreachable!("sums and products are requantized"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    fn rule(multiplier: f64, offset: f64) -> Requantization {
        Requantization {
            multipliers: [multiplier].into(),
            lo: -32_768,
            hi: 32_767,
            within: 0,
            offsets: [offset].into(),
            rounding: Rounding::Near,
        }
    }

    /// Weights of 8 and of 16 bits: whatever the operands, what is rounded is as near as it should be.
    #[test]
    fn scaled_weights_deviate_little() {
        let mut state = 11;
        for case in 0..200 {
            let bits = if case % 2 == 0 { 7 } else { 15 };
            let count = 1 + next(&mut state) as usize % 300;
            let weights: Vec<i32> =
                (0..count).map(|_| next(&mut state) as i32 % (1 << bits) - (1 << (bits - 1))).collect();
            let bias = [next(&mut state) as i64 % 10_000];
            let rule = rule(0.9 / f64::from(1 << bits) / (count as f64).sqrt(), case as f64 * 1.7);
            let range = if case % 3 == 0 { (0, 65_535) } else { (-32_768, 32_767) };
            let scaled = ScaledWeights::of((&weights, &bias), &rule, range).expect("a shift serves");
            let drawn: Vec<i64> = (0..count).map(|_| next(&mut state) as i64 % (range.1 - range.0) + range.0).collect();
            for extreme in [-1, 0, 1] {
                let operand = |w: i32, rounded: i32, drawn: i64| {
                    let error =
                        f64::from(rounded) - f64::from(w) * rule.multipliers[0] * f64::from(scaled.shift).exp2();
                    match extreme {
                        0 => drawn,
                        _ if error * f64::from(extreme) > 0.0 => range.1,
                        _ => range.0,
                    }
                };
                let terms = || {
                    let weights = weights.iter().zip(scaled.weights.iter()).zip(&drawn);
                    weights.map(|((&w, r), &drawn)| (f64::from(w), f64::from(r), operand(w, r, drawn) as f64))
                };
                let exact: f64 = terms().map(|(w, _, x)| w * x).sum::<f64>() + bias[0] as f64;
                let line: f64 = terms().map(|(_, r, x)| r * x).sum();
                let line = (line + scaled.bias[0] as f64) / f64::from(scaled.shift).exp2();
                let off = line - exact * rule.multipliers[0] - rule.offset(0);
                assert!(off.abs() <= DEVIATION, "{count} weights of {bits} bits: {off}");
            }
        }
    }

    #[test]
    fn lines_deviate_little_within_reach() {
        for multiplier in [3.3e-6, 0.013, 0.77, 1.0, 7.0] {
            let largest = 65_536.0 * 8.0 / multiplier;
            let lines =
                ExactLines::of(&[(multiplier, 3.25, largest)], (-32_768, 32_767), DEVIATION).expect("a shift serves");
            let unit = f64::from(lines.shift).exp2();
            for part in -20..=20 {
                let accumulator = (f64::from(part) / 20.0 * 32_768.0 / multiplier).round();
                let line = (lines.lines[0].0 as f64 * accumulator + lines.lines[0].1 as f64) / unit;
                assert!((line - multiplier * accumulator - 3.25).abs() <= DEVIATION);
            }
        }
    }
}
