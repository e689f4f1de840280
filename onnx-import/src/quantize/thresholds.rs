//! Integers that reproduce a float32 requantization exactly.
//!
//! A requantization `f` never decreases, so over a range of accumulators it is given by its thresholds: for each result `y`
//! the smallest accumulator `T_y` with `f(T_y) ≥ y`. The integer program computes `clamp(⌊(m·acc + offset) / 2^s⌋)`. The two
//! agree on every accumulator in range exactly if
//!
//! ```text
//! m·T_y + offset ≥ y·2^s      and      m·(T_y − 1) + offset < y·2^s
//! ```
//!
//! for every threshold in range, with the first alone for results that the smallest accumulator exceeds and the second alone
//! for those that the largest does not reach. That is an interval of offsets; `s` grows until it is not empty.

use circuits::graph::Limits;

use crate::float::quantized::{QuantizedSum, Requantization};

/// The bounds on the offset that thresholds leave.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Offsets {
    least: i128,
    most: i128,
}

impl Offsets {
    const ALL: Self = Self { least: i128::MIN, most: i128::MAX };

    /// `value + offset ≥ y·2^shift`
    fn reach(&mut self, value: i128, y: i64, shift: u32) {
        self.least = self.least.max((i128::from(y) << shift) - value);
    }

    /// `value + offset < y·2^shift`
    fn stay_below(&mut self, value: i128, y: i64, shift: u32) {
        self.most = self.most.min((i128::from(y) << shift) - 1 - value);
    }

    fn middle(self) -> Option<i64> {
        let offset = match (self.least == i128::MIN, self.most == i128::MAX) {
            (true, true) => 0,
            (true, false) => self.most,
            (false, true) => self.least,
            (false, false) => (self.least + self.most).div_euclid(2),
        };
        (self.least <= self.most).then(|| i64::try_from(offset).ok()).flatten()
    }
}

/// The thresholds of a channel: `(y, T_y)` for each result that occurs above the smallest.
pub(super) fn thresholds(rule: &Requantization, channel: usize, lo: i64, hi: i64) -> Vec<(i64, i64)> {
    let (first, last) = (rule.apply(channel, lo), rule.apply(channel, hi));
    let mut from = lo;
    let mut list = Vec::with_capacity((last - first) as usize);
    for y in first + 1..=last {
        let (mut below, mut reaches) = (from - 1, hi);
        while reaches - below > 1 {
            let middle = below + (reaches - below) / 2;
            if rule.apply(channel, middle) >= y {
                reaches = middle;
            } else {
                below = middle;
            }
        }
        list.push((y, reaches));
        from = reaches;
    }
    list
}

/// The lines `m·acc + offset` that reproduce the requantization of one channel over a range of accumulators.
///
/// A line has to reach `y` at some points and stay below `y` at others. Eliminating the offset from each pair of such
/// conditions leaves an open interval of slopes, for each of which there is an offset.
pub(super) struct Lines {
    /// `(acc, y)`: at least `y` there.
    reach: Vec<(i64, i64)>,
    /// `(acc, y)`: less than `y` there.
    below: Vec<(i64, i64)>,
    slopes: (f64, f64),
}

impl Lines {
    /// The conditions of a channel whose accumulators lie in `[lo, hi]`.
    pub(super) fn of(rule: &Requantization, channel: usize, (lo, hi): (i64, i64)) -> Self {
        let list = thresholds(rule, channel, lo, hi);
        let (first, last) = (rule.apply(channel, lo), rule.apply(channel, hi));
        let mut reach: Vec<_> = list.iter().map(|&(y, threshold)| (threshold, y)).collect();
        let mut below: Vec<_> = list.iter().map(|&(y, threshold)| (threshold - 1, y)).collect();
        // Where nothing is below the smallest result or above the largest, the clamp takes care of it.
        if first > i64::from(rule.lo) {
            reach.push((lo, first));
        }
        if last < i64::from(rule.hi) {
            below.push((hi, last + 1));
        }
        let mut slopes = (0.0f64, f64::INFINITY);
        for &(at, y) in &reach {
            for &(other, limit) in &below {
                let slope = (limit - y) as f64 / (other - at) as f64;
                if other > at {
                    slopes.1 = slopes.1.min(slope);
                } else {
                    slopes.0 = slopes.0.max(slope);
                }
            }
        }
        Self { reach, below, slopes }
    }

    /// The least factor and offset with which the shift `s` gives a line, checked at every point in integers.
    pub(super) fn at(&self, shift: u32) -> Option<(i64, i64)> {
        let unit = f64::from(shift).exp2();
        let upper = if self.slopes.1.is_finite() { self.slopes.1 } else { self.slopes.0 };
        let middle = ((self.slopes.0 + upper) / 2.0 * unit).round() as i64;
        let ends = [middle, (self.slopes.0 * unit).ceil() as i64, (upper * unit).floor() as i64];
        ends.into_iter().find_map(|factor| self.offset(factor, shift).map(|offset| (factor, offset)))
    }

    fn offset(&self, factor: i64, shift: u32) -> Option<i64> {
        let value = |accumulator: i64| i128::from(factor) * i128::from(accumulator);
        let mut offsets = Offsets::ALL;
        self.reach.iter().for_each(|&(at, y)| offsets.reach(value(at), y, shift));
        self.below.iter().for_each(|&(at, y)| offsets.stay_below(value(at), y, shift));
        offsets.middle()
    }
}

/// A line beside a requantization, and where the two differ.
pub(super) struct Nearest {
    pub factor: i64,
    pub offset: i64,
    /// `(acc, d)`: the requantization is the line's result plus `d`.
    pub corrections: Vec<(i64, i64)>,
}

/// Most accumulators at which a line may differ from the requantization.
const MAX_CORRECTIONS: i64 = 8;

/// The line of the multiplier itself that rounds half up, if it differs at few accumulators of `[lo, hi]`.
pub(super) fn nearest(rule: &Requantization, channel: usize, (lo, hi): (i64, i64), shift: u32) -> Option<Nearest> {
    let factor = (rule.multipliers[channel] * f64::from(shift).exp2()).round() as i64;
    let added = rule.offset(channel) * f64::from(shift).exp2();
    let offset = (1i64 << (shift - 1)) + added.round() as i64;
    if factor <= 0 {
        return None;
    }
    let mut corrections = Vec::new();
    for y in i64::from(rule.lo) + 1..=i64::from(rule.hi) {
        let reaches = |accumulator: i64| rule.apply(channel, accumulator) >= y;
        // The smallest accumulator at which the line reaches `y`.
        let scaled = (i128::from(y) << shift) - i128::from(offset) + i128::from(factor) - 1;
        let line = scaled.div_euclid(i128::from(factor)).clamp(i128::from(lo), i128::from(hi) + 1) as i64;
        let before = (lo.max(line - MAX_CORRECTIONS)..line).rev().take_while(|&at| reaches(at)).map(|at| (at, 1));
        let after = (line..hi.saturating_add(1).min(line + MAX_CORRECTIONS)).take_while(|&at| !reaches(at));
        corrections.extend(before.chain(after.map(|at| (at, -1))));
        if corrections.len() as i64 >= MAX_CORRECTIONS {
            return None;
        }
    }
    Some(Nearest { factor, offset, corrections })
}

/// Most pieces of a broken line.
const MAX_PIECES: usize = 24;

/// A line `⌊(factor·acc + offset) / 2^shift⌋` whose offset changes where a threshold would be missed.
#[derive(Clone, Debug)]
pub(super) struct BrokenLine {
    pub factor: i64,
    /// `(acc, offset)`: the offset from that accumulator on; the first from the smallest on.
    pub pieces: Vec<(i64, i64)>,
}

impl BrokenLine {
    /// The line of the multiplier itself, broken as seldom as may be; checked on both sides of every threshold and of every
    /// break. `None` where it has many pieces.
    pub(super) fn of(rule: &Requantization, channel: usize, (lo, hi): (i64, i64), shift: u32) -> Option<Self> {
        let factor = (rule.multipliers[channel] * f64::from(shift).exp2()).round() as i64;
        if factor <= 0 || i32::try_from(factor).is_err() {
            return None;
        }
        let list = thresholds(rule, channel, lo, hi);
        let value = |accumulator: i64| i128::from(factor) * i128::from(accumulator);
        let mut pieces: Vec<(i64, i64)> = Vec::new();
        let (mut start, mut offsets) = (lo, Offsets::ALL);
        let mut last = lo;
        for &(y, threshold) in &list {
            let before = offsets;
            offsets.reach(value(threshold), y, shift);
            offsets.stay_below(value(threshold - 1), y, shift);
            if offsets.middle().is_none() {
                pieces.push((start, before.middle()?));
                // In the middle between two thresholds both lines are far from one.
                start = last + (threshold - last) / 2;
                offsets = Offsets::ALL;
                offsets.reach(value(threshold), y, shift);
                offsets.stay_below(value(threshold - 1), y, shift);
            }
            if pieces.len() >= MAX_PIECES {
                return None;
            }
            last = threshold;
        }
        pieces.push((start, offsets.middle()?));
        if pieces.windows(2).any(|pair| i32::try_from(pair[1].1 - pair[0].1).is_err()) {
            return None;
        }
        let line = Self { factor, pieces };
        let edges = list.iter().map(|threshold| threshold.1).chain(line.pieces.iter().map(|piece| piece.0));
        let points = edges.flat_map(|edge| [edge - 1, edge]).chain([lo, hi]).filter(|at| (lo..=hi).contains(at));
        let agrees = |at: i64| line.apply(at, shift, rule) == rule.apply(channel, at);
        points.into_iter().all(agrees).then_some(line)
    }

    fn apply(&self, accumulator: i64, shift: u32, rule: &Requantization) -> i64 {
        let piece = self.pieces.partition_point(|piece| piece.0 <= accumulator).saturating_sub(1);
        let sum = i128::from(self.factor) * i128::from(accumulator) + i128::from(self.pieces[piece].1);
        ((sum >> shift) as i64).clamp(rule.lo.into(), rule.hi.into())
    }
}

/// The requantization of one channel as a table over the accumulators where it changes, from the first on; `None` where
/// they are too many for a table.
pub(super) fn threshold_table(rule: &Requantization, channel: usize, (lo, hi): (i64, i64)) -> Option<(i64, Vec<i32>)> {
    let list = thresholds(rule, channel, lo, hi);
    let first = list.first().map_or(lo, |&(_, threshold)| threshold - 1);
    let last = list.last().map_or(lo, |&(_, threshold)| threshold);
    let fits = last - first < Limits::MAX_TABLE as i64;
    fits.then(|| (first, (first..=last).map(|accumulator| rule.apply(channel, accumulator) as i32).collect()))
}

/// Factors and an offset with which the shift `s` gives a sum, checked on every pair of operands in their ranges.
pub(super) fn solve_sum(sum: &QuantizedSum, bounds: [(i64, i64); 2], shift: u32) -> Option<([i64; 2], i64)> {
    let factors = sum.slopes().map(|slope| (slope * f64::from(shift).exp2()).round() as i64);
    let (lo, hi) = sum.bounds();
    let mut offsets = Offsets::ALL;
    for a in bounds[0].0..=bounds[0].1 {
        for b in bounds[1].0..=bounds[1].1 {
            let value = i128::from(factors[0]) * i128::from(a) + i128::from(factors[1]) * i128::from(b);
            let y = sum.apply(a, b);
            if y > lo {
                offsets.reach(value, y, shift);
            }
            if y < hi {
                offsets.stay_below(value, y + 1, shift);
            }
        }
    }
    offsets.middle().map(|offset| (factors, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::quantized::Rounding;

    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    /// `clamp(⌊(m·acc + offset) / 2^s⌋)`
    fn integer(factor: i64, offset: i64, shift: u32, accumulator: i64, rule: &Requantization) -> i64 {
        let y = (i128::from(factor) * i128::from(accumulator) + i128::from(offset)) >> shift;
        (y as i64).clamp(i64::from(rule.lo), i64::from(rule.hi))
    }

    fn beside_a_line(rule: &Requantization, range: (i64, i64)) -> Box<dyn Fn(i64) -> i64> {
        let near = (12..=40).step_by(2).find_map(|shift| nearest(rule, 0, range, shift).map(|near| (shift, near)));
        match near {
            Some((shift, Nearest { factor, offset, corrections })) => {
                let rule = rule.clone();
                Box::new(move |accumulator| {
                    let line = integer(factor, offset, shift, accumulator, &rule);
                    line + corrections.iter().filter(|c| c.0 == accumulator).map(|c| c.1).sum::<i64>()
                })
            }
            None => {
                let (first, values) = threshold_table(rule, 0, range).expect("the range is small");
                let last = first + values.len() as i64 - 1;
                Box::new(move |accumulator| i64::from(values[(accumulator.clamp(first, last) - first) as usize]))
            }
        }
    }

    #[test]
    fn broken_lines_reproduce_small_multipliers_on_wide_ranges() {
        for (multiplier, hi) in [(1.69e-4, 1_900_000), (6.13e-5, 4_000_000), (0.0017, 200_000)] {
            let rule = Requantization {
                multipliers: [multiplier].into(),
                lo: -128,
                hi: 127,
                within: 0,
                offsets: [].into(),
                rounding: Rounding::Float32,
            };
            let line = BrokenLine::of(&rule, 0, (-hi, hi), Limits::MAX_SHIFT).expect("it has few pieces");
            assert!(line.pieces.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for accumulator in (-hi..=hi).step_by(7) {
                assert_eq!(line.apply(accumulator, Limits::MAX_SHIFT, &rule), rule.apply(0, accumulator));
            }
        }
    }

    #[test]
    fn every_accumulator_is_reproduced() {
        let mut state = 7;
        for case in 0..400 {
            // Powers of two put many accumulators on ties.
            let multiplier = match case % 4 {
                0 => 1.0 / (1 << (case % 11)) as f32,
                1 => 3.0 / (1 << (case % 13)) as f32,
                _ => (next(&mut state) as f32 / 2f32.powi(31)) * 2f32.powi(-(case % 12)) + 1e-5,
            };
            let zero = (next(&mut state) % 256) as i32;
            let rule = Requantization {
                multipliers: [f64::from(multiplier)].into(),
                lo: -zero,
                hi: 255 - zero,
                within: zero * (case % 2),
                offsets: [f64::from(((case % 3) * (case % 7)) as f32 * 1.37)].into(),
                rounding: if case % 5 == 0 { Rounding::FixedPoint } else { Rounding::Float32 },
            };
            let (lo, hi) = (-(next(&mut state) as i64 % 60_000), next(&mut state) as i64 % 60_000);
            let lines = Lines::of(&rule, 0, (lo, hi));
            let found = (12..=40).step_by(2).find_map(|s| lines.at(s).map(|line| (s, line)));
            let given: Box<dyn Fn(i64) -> i64> = match found {
                Some((shift, (factor, offset))) => {
                    let rule = rule.clone();
                    Box::new(move |accumulator| integer(factor, offset, shift, accumulator, &rule))
                }
                None => beside_a_line(&rule, (lo, hi)),
            };
            for accumulator in lo..=hi {
                let expected = rule.apply(0, accumulator);
                assert_eq!(given(accumulator), expected, "multiplier {multiplier}, accumulator {accumulator}");
            }
        }
    }
}
