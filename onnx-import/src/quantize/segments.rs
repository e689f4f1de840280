//! Functions by segments: what a table of many entries gives is computed from two tables of few.
//!
//! An operand `v` is the table's argument, or an accumulator with `2^u` integers to one ([`Operand`]), and a segment has `2^m` arguments. With
//! `s = u + m`
//!
//! ```text
//! h = ⌊(v + 2^(s−1)) / 2^s⌋
//! x = clamp(⌊(slope(h)·v + 2^(s+1−p)·offset(h) + 2^s) / 2^(s+1)⌋)
//! ```
//!
//! so slopes are in half steps of the result by segment, offsets in `2^−p` steps. Neither depends on `u`. The line before it is rounded
//! is within [`TOLERANCE`] of the function at every argument that the table has an entry for; this is checked one by one when the segments are
//! chosen. Beyond the arguments the first and the last line go on to the end of their segment, and are constant from there.

use std::collections::BTreeSet;

use circuits::graph::{Op, Requantize, Table, TableId, TensorId};

use super::calibrate::Calibration;
use super::plan::PlanId;
use super::widths::{self, Widths};
use super::{
    accumulators_fit, affordable, compile_at, fidelity, work, Chosen, QuantizeError, QuantizeOptions, SegmentedFunction,
};
use super::{AUTO_LEAST_SAMPLES, AUTO_WORK};
use crate::float::graph::FloatGraph;

/// How far a line may be from the function, in steps of the result.
const TOLERANCE: f64 = 0.25;
/// Bits of the arguments of a segment: of the shortest, and of the longest.
const SEGMENT_BITS: [u32; 2] = [3, 14];
/// Fewest entries of a table that segments take the place of.
const LEAST_ENTRIES: i64 = 1 << 9;
/// Fewest entries of a table for each segment that takes its place; each takes two entries of its own.
const LEAST_SAVED: i64 = 8;
/// Most bits behind the point of an offset.
const MOST_PLACES: u32 = 12;
/// Fewest bits of activations for which segments are tried: with fewer, tables are short.
const LEAST_BITS: u32 = 9;
/// Most programs that are tried.
const MOST_TRIALS: u64 = 12;
/// Multiply-adds that all of them may take, as a multiple of what the choice of a width may.
const WORK_FACTOR: u64 = 1;
/// What a program with segments may cost at most to be taken, as a part of what that with tables does.
const WORTHWHILE: f64 = 0.95;

/// What segments are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// The exact accumulator: nothing is rounded before, and shifts are long.
    Accumulator,
    /// The argument that a table would have, rounded and clamped.
    Argument,
}

impl Operand {
    const ALL: [Self; 2] = [Self::Accumulator, Self::Argument];
}

/// A function by segments of equal length.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segments {
    /// Bits of the arguments of a segment.
    pub bits: u32,
    /// Bits behind the point of an offset.
    pub places: u32,
    /// Number of the first segment, which lies before all arguments, as the last one lies behind them.
    first: i64,
    slopes: Vec<i32>,
    offsets: Vec<i32>,
}

/// A line over a segment, around its middle.
struct Line {
    /// In half steps of the result by segment.
    slope: f64,
    /// In the middle.
    value: f64,
}

impl Line {
    /// The line with a whole slope that is nearest to values at places of a segment (from −½ to ½), and how far it is at most.
    fn nearest(samples: &[(f64, f64)]) -> (Self, f64) {
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        let chord = if last.0 > first.0 { 2.0 * (last.1 - first.1) / (last.0 - first.0) } else { 0.0 };
        let fitted = [chord.floor(), chord.ceil()].map(|slope| {
            let rest = samples.iter().map(|(at, value)| value - 0.5 * slope * at);
            let (least, most) =
                rest.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (v.min(least), v.max(most)));
            (Self { slope, value: 0.5 * (least + most) }, 0.5 * (most - least))
        });
        let [down, up] = fitted;
        if up.1 < down.1 {
            up
        } else {
            down
        }
    }
}

impl Segments {
    /// The fewest segments for the function that gives the result, in steps, for each argument from `lo` to `hi`; `None` where they would
    /// not be far fewer than the arguments.
    pub(super) fn choose(value: impl Fn(i64) -> f64, lo: i64, hi: i64) -> Option<Self> {
        if hi - lo < LEAST_ENTRIES {
            return None;
        }
        let values: Vec<f64> = (lo..=hi).map(value).collect();
        let [shortest, longest] = SEGMENT_BITS;
        let few = |bits: u32| LEAST_SAVED * (((hi - lo) >> bits) + 3) <= hi - lo + 1;
        (shortest..=longest).rev().filter(|&bits| few(bits)).find_map(|bits| Self::of_length(&values, lo, bits))
    }

    /// Segments of `2^bits` arguments, if they are near enough.
    fn of_length(values: &[f64], lo: i64, bits: u32) -> Option<Self> {
        let (length, half) = (1i64 << bits, 1i64 << (bits - 1));
        let hi = lo + values.len() as i64 - 1;
        let numbers = (lo + half) >> bits..=(hi + half) >> bits;
        let mut lines = Vec::with_capacity(values.len() / length as usize + 2);
        for number in numbers.clone() {
            let middle = number * length;
            // Both ends, as finer operands have arguments between those of two segments.
            let arguments = (middle - half).max(lo)..=(middle + half).min(hi);
            let samples: Vec<_> = arguments
                .map(|argument| ((argument - middle) as f64 / length as f64, values[(argument - lo) as usize]))
                .collect();
            let (line, distance) = Line::nearest(&samples);
            if distance.is_nan() || distance > TOLERANCE {
                return None;
            }
            lines.push(line);
        }
        // Before and behind all others, where these end.
        let end = |line: &Line, side: f64| Line { slope: 0.0, value: line.value + 0.25 * side * line.slope };
        let (before, behind) = (end(&lines[0], -1.0), end(&lines[lines.len() - 1], 1.0));
        let lines: Vec<Line> = [before].into_iter().chain(lines).chain([behind]).collect();
        let first = numbers.start() - 1;
        let offset = |(number, line): (i64, &Line)| line.value - 0.5 * line.slope * number as f64;
        let offsets: Vec<f64> = (first..).zip(&lines).map(offset).collect();
        let largest = lines.iter().map(|line| line.slope.abs()).fold(0.0, f64::max);
        if largest > f64::from(i32::MAX) {
            return None;
        }
        let fits = |places: &u32| {
            let scale = f64::from(*places).exp2();
            offsets.iter().all(|offset| (offset * scale).abs() < f64::from(i32::MAX))
        };
        let places = (0..=MOST_PLACES.min(bits + 1)).rev().find(fits)?;
        let scale = f64::from(places).exp2();
        let segments = Self {
            bits,
            places,
            first,
            slopes: lines.iter().map(|line| line.slope as i32).collect(),
            offsets: offsets.iter().map(|offset| (offset * scale).round() as i32).collect(),
        };
        // With offsets of so many places, too.
        let near = |(argument, value): (i64, &f64)| (segments.line(argument) - value).abs() <= TOLERANCE;
        (lo..).zip(values).all(near).then_some(segments)
    }

    /// The result for an argument before it is rounded, in steps.
    fn line(&self, argument: i64) -> f64 {
        let length = 1i64 << self.bits;
        let segment = ((argument + length / 2) >> self.bits) - self.first;
        let segment = segment.clamp(0, self.slopes.len() as i64 - 1) as usize;
        let offset = f64::from(self.offsets[segment]) / f64::from(self.places).exp2();
        0.5 * f64::from(self.slopes[segment]) * (argument as f64 / length as f64) + offset
    }

    /// Number of the segments.
    pub(super) fn count(&self) -> usize {
        self.slopes.len()
    }

    /// The tables of slopes and of offsets, for a function of this name.
    pub(super) fn tables(&self, function: &str) -> [Table; 2] {
        let table = |what: &str, values: &[i32]| {
            let values = values.to_vec();
            Table::new(format!("{what} of {function}"), self.first, values).expect("there are segments")
        };
        [table("slopes", &self.slopes), table("offsets", &self.offsets)]
    }

    /// The shift of an operand to its segment, where it has `2^finer` integers to an argument.
    pub(super) fn shift(&self, finer: u32) -> u32 {
        finer + self.bits
    }

    /// `slope(h)·v + 2^(s+1−p)·offset(h)`, and how it is requantized through a table of what a result can be.
    pub(super) fn operators(&self, finer: u32, of: Operands, clamp: TableId) -> Op {
        let shift = self.shift(finer);
        Op::Affine {
            operands: [of.product, of.offset],
            factors: [1, 1 << (shift + 1 - self.places)],
            constant: 0,
            requantize: Some(Requantize { shift: shift + 1, table: clamp }),
        }
    }
}

/// What a result by segments is made of.
pub(super) struct Operands {
    /// The slope times the operand.
    pub product: TensorId,
    /// The offset.
    pub offset: TensorId,
}

/// Functions of equal arguments and results, by the same segments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segmented {
    /// Name of the function.
    pub function: String,
    /// Those of the plan.
    pub maps: BTreeSet<PlanId>,
    /// Entries of the table that they take the place of.
    pub entries: usize,
    /// Number of the segments.
    pub segments: usize,
}

/// The program with those functions by segments with which it is cheapest; `None` where that is not worth it, or not as good.
pub(super) fn cheaper(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    start: &Chosen,
) -> Result<Option<Chosen>, QuantizeError> {
    let weigh = 2 * widths::entries(&start.program) > widths::elements(&start.program);
    let samples = affordable(&start.program, AUTO_LEAST_SAMPLES, calibration.samples.len()) as u64;
    let afford = (WORK_FACTOR * AUTO_WORK) / (work(&start.program) * samples).max(1);
    if start.widths.most() < LEAST_BITS || !weigh || afford == 0 {
        return Ok(None);
    }
    let tried = |widths: Widths| {
        let chosen = trial(graph, calibration, options, start, widths)?;
        // A function without segments keeps its table.
        if chosen.steps.segmented.is_empty() {
            return None;
        }
        Some((widths::cost_of(&chosen.program), chosen))
    };
    let all = Operand::ALL.into_iter().filter_map(|operand| tried(start.widths.by_segments(operand)));
    let Some((mut cost, mut best)) = all.min_by(|a, b| a.0.total_cmp(&b.0)) else { return Ok(None) };
    // Those that save least are most likely to be dearer.
    let mut groups = best.steps.segmented.clone();
    groups.sort_by_key(|group| (group.entries, group.maps.first().copied()));
    for group in groups.iter().take(afford.min(MOST_TRIALS) as usize) {
        match tried(best.widths.spelled_out(&group.maps)) {
            Some((own, spelled)) if own <= cost => (cost, best) = (own, spelled),
            _ => {}
        }
    }
    if cost > WORTHWHILE * widths::cost_of(&start.program) {
        return Ok(None);
    }
    let own = fidelity(graph, &best.program, calibration)?;
    let before = start.tried.last().map(|(_, fidelity)| fidelity);
    let good = options.bits.is_good(&own) || before.is_some_and(|before| own.kept() >= before.kept());
    best.tried = vec![(best.widths.most(), own)];
    Ok(good.then_some(best))
}

/// The program of these widths, if it has a layout.
fn trial(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    start: &Chosen,
    widths: Widths,
) -> Option<Chosen> {
    let (program, origins, steps) = compile_at(graph, calibration, &widths, options, None).ok()?;
    accumulators_fit(&program).then(|| Chosen { widths, program, origins, steps, tried: start.tried.clone() })
}

/// The functions that are computed by segments, for people.
pub(super) fn report(segmented: &[Segmented]) -> Vec<SegmentedFunction> {
    let told = |group: &Segmented| SegmentedFunction {
        function: group.function.clone(),
        segments: group.segments,
        entries: group.entries,
    };
    segmented.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of the integers for an operand with `2^finer` to an argument, before it is clamped.
    fn result(segments: &Segments, operand: i64, finer: u32) -> i64 {
        let [slopes, offsets] = segments.tables("a function");
        let shift = segments.shift(finer);
        let h = (operand + (1 << (shift - 1))) >> shift;
        let line = slopes.apply(h) * operand + (offsets.apply(h) << (shift + 1 - segments.places));
        (line + (1 << shift)) >> (shift + 1)
    }

    /// A function with a name, and the ends of its arguments.
    type Case = (&'static str, fn(f64) -> f64, f64, f64);

    fn sigmoid(v: f64) -> f64 {
        1.0 / (1.0 + (-v).exp())
    }

    #[test]
    fn every_argument_has_a_result_within_the_tolerance() {
        let functions: [Case; 5] = [
            ("sigmoid", sigmoid, -11.0, 11.0),
            ("tanh", f64::tanh, -5.0, 6.0),
            ("exp", f64::exp, -11.0, 0.0),
            ("silu", |v| v * sigmoid(v), -4.0, 7.0),
            ("square", |v| v * v, -1.0, 1.5),
        ];
        for (name, function, lo, hi) in functions {
            for bits in [10u32, 12, 15] {
                let (pre_step, steps) = ((hi - lo) / f64::from(bits + 2).exp2(), f64::from(bits).exp2());
                let [first, last] = [lo, hi].map(|end| (end / pre_step).round() as i64);
                let value = |argument: i64| steps * function(argument as f64 * pre_step);
                let segments = Segments::choose(value, first, last).expect(name);
                assert!(segments.count() as i64 * LEAST_SAVED <= last - first + 1);
                for argument in first..=last {
                    let distance = (result(&segments, argument, 0) as f64 - value(argument)).abs();
                    assert!(distance <= 0.5 + TOLERANCE, "{name}, {bits} bits, {argument}: {distance}");
                }
                // Finer operands have no other results at whole arguments, and beyond them all nothing grows.
                for argument in (first..=last).step_by(37) {
                    assert_eq!(result(&segments, argument << 9, 9), result(&segments, argument, 0));
                }
                for beyond in [first - (1 << 20), last + (1 << 20)] {
                    let end = value(beyond.clamp(first, last));
                    let growth = value(last) - value(last - (1 << segments.bits));
                    let distance = (result(&segments, beyond, 0) as f64 - end).abs();
                    assert!(distance <= 1.0 + growth.abs(), "{name}, {bits} bits: {distance} beyond the arguments");
                }
            }
        }
    }

    #[test]
    fn functions_with_jumps_or_without_values_have_no_segments() {
        let none = |value: fn(f64) -> f64| assert_eq!(Segments::choose(|v| value(v as f64), -20_000, 20_000), None);
        none(|v| f64::from(v >= 0.0));
        none(|v| (v / 777.0).floor());
        none(f64::ln);
        none(|v| if v == 4096.0 { f64::INFINITY } else { 0.0 });
        // Short tables are as short as segments.
        assert_eq!(Segments::choose(|v| v as f64 / 4.0, -20, 20), None);
    }

    proptest! {
        /// Whatever the function and wherever its arguments begin, the results are within the tolerance.
        #[test]
        fn smooth_functions_are_followed(
            waves in proptest::collection::vec((-1.0f64..1.0, 0.1f64..3.0, -3.0f64..3.0), 1..5),
            bits in 8u32..15,
            first in -40_000i64..40_000,
            arguments in 2_000i64..50_000,
        ) {
            let pre_step = 8.0 / arguments as f64;
            let value = |argument: i64| {
                let v = argument as f64 * pre_step;
                f64::from(bits).exp2() * waves.iter().map(|(size, speed, at)| size * (speed * v + at).sin()).sum::<f64>()
            };
            if let Some(segments) = Segments::choose(value, first, first + arguments) {
                for argument in first..=first + arguments {
                    let distance = (result(&segments, argument, 0) as f64 - value(argument)).abs();
                    prop_assert!(distance <= 0.5 + TOLERANCE, "{argument}: {distance}");
                }
            }
        }
    }
}
