//! The range of a value, from what calibration saw of it.
//!
//! A range decides the step of a value: what lies beyond saturates, and what lies within is rounded. Three rules are
//! offered. The extremes lose nothing of the samples, and have room for what further samples may bring. A percentile cuts outliers. The least error weighs both: of the cuts at
//! magnitudes `c` it takes the one with the least
//!
//! ```text
//! Σ_{|v| > c} (|v| − c)² + n · step(c)² / 12        step(c) = (width of [lo, hi] cut at ±c) / 2^bits
//! ```
//!
//! the squared error of saturating and that of rounding, which is uniform in a step.
//!
//! **Room.** Few samples do not show the extremes of a value. How far a further sample goes follows from how the extremes of single
//! samples spread: with mean `μ` and deviation `σ` of the largest elements of the samples, a Gumbel distribution of these moments
//! passes `μ + 4σ` once in about 300 samples. Where a few samples did not reach it, the range goes on to there; the more samples there
//! are, the less room is added to what they show, and none from 64 on. Samples of many elements have extremes that hardly spread; a
//! value that saturates by its nature, as a bounded sensor or a sigmoid does, has no spread at all. A single sample shows no spread: half of
//! its extremes, where these are no integers, is [presumed](Observer::presume) to be one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::plan::Range;

/// How ranges of inner values are found. Inputs always have their extremes: whoever gives an input expects it to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Ranges {
    /// From the smallest value that calibration saw to the largest, and on to what a further sample may be expected to have.
    #[default]
    Extremes,
    /// What is left when this percentile, above 50 and below 100, cuts both ends.
    Percentile(f64),
    /// Cut where saturation and rounding together do the least harm.
    LeastError,
}

impl Ranges {
    /// Whether more is needed than the extremes.
    fn reads_distribution(self) -> bool {
        self != Self::Extremes
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extremes => f.write_str("extremes"),
            Self::Percentile(percentile) => write!(f, "{percentile}"),
            Self::LeastError => f.write_str("least-error"),
        }
    }
}

impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "extremes" => Ok(Self::Extremes),
            "least-error" => Ok(Self::LeastError),
            _ => match text.parse() {
                Ok(percentile) if percentile > 50.0 && percentile < 100.0 => Ok(Self::Percentile(percentile)),
                _ => Err("expected extremes, least-error, or a percentile above 50 and below 100".to_owned()),
            },
        }
    }
}

/// Values kept per tensor and sample for the distribution; larger tensors are thinned evenly.
const KEPT_PER_SAMPLE: usize = 4096;
/// Bits of the mantissa by which values are told apart: bins are 2^-6 of a value wide.
const BIN_BITS: u32 = 6;
/// Cuts that are tried, per halving and in all.
const CUTS_PER_HALVING: f64 = 8.0;
const CUTS: u32 = 48;
/// Deviations of the extremes of samples from their mean that a range has room for.
const ROOM: f64 = 4.0;
/// The deviation of the extremes of which there is one sample, as a part of them.
const PRESUMED_DEVIATION: f64 = 0.5;
/// So many samples show how far a value goes.
const MANY_SAMPLES: f64 = 64.0;
/// Part of its smallest magnitude that a range without zero keeps off it.
const LEAST_DISTANCE: f64 = 0.5;

/// What calibration saw of one value.
#[derive(Clone, Debug)]
pub(super) struct Observer {
    lo: f64,
    hi: f64,
    /// The smallest and the largest values of single samples.
    ends: [Moments; 2],
    /// How many values fell into each bin; see [`bin`].
    bins: BTreeMap<i64, u64>,
    /// What is presumed of further samples where there is only one.
    presumed: Option<Presumed>,
}

/// What is presumed of the samples that were not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presumed {
    /// Their values have the sign of those that were seen, if these have but one, and keep off zero.
    SameSign,
    /// As before, and they may come down to zero.
    FromZero,
    /// They may have any sign.
    AnySign,
}

impl Default for Observer {
    fn default() -> Self {
        let bins = BTreeMap::new();
        Self { lo: f64::INFINITY, hi: f64::NEG_INFINITY, ends: Default::default(), bins, presumed: None }
    }
}

/// Mean and sum of squared differences from it (Welford, *Note on a method for calculating corrected sums of squares and
/// products*, 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }

    /// The standard deviation; 0 for fewer than two values.
    fn deviation(&self) -> f64 {
        match self.count > 1.0 {
            true => (self.squares / (self.count - 1.0)).sqrt(),
            false => 0.0,
        }
    }
}

/// The bin of a finite value: its sign, exponent and first bits. The order of bins is that of their values.
fn bin(value: f64) -> i64 {
    let magnitude = (value.abs().to_bits() >> (f64::MANTISSA_DIGITS - 1 - BIN_BITS)) as i64;
    match value < 0.0 {
        true => -1 - magnitude,
        false => magnitude,
    }
}

/// The middle of a bin.
fn value_of(bin: i64) -> f64 {
    let shift = f64::MANTISSA_DIGITS - 1 - BIN_BITS;
    let magnitude = |bin: i64| match bin {
        0 => 0.0,
        _ => f64::from_bits(((bin as u64) << shift) | 1 << (shift - 1)),
    };
    match bin < 0 {
        true => -magnitude(-1 - bin),
        false => magnitude(bin),
    }
}

impl Observer {
    /// Takes the values of a sample in; those that are not finite are passed over.
    pub(super) fn observe(&mut self, values: &[f64], rule: Ranges) {
        let finite = values.iter().filter(|value| value.is_finite());
        let (lo, hi) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        if lo <= hi {
            (self.lo, self.hi) = (self.lo.min(lo), self.hi.max(hi));
            self.ends[0].add(lo);
            self.ends[1].add(hi);
        }
        if rule.reads_distribution() {
            let stride = values.len().div_ceil(KEPT_PER_SAMPLE).max(1);
            for &value in values.iter().step_by(stride).filter(|value| value.is_finite()) {
                *self.bins.entry(bin(value)).or_default() += 1;
            }
        }
    }

    /// Has ranges reach as if the extremes of samples deviated, of which there is only one. Integers, as labels and pixels are, are what
    /// they are, but for those that `count`; flags are so in any case.
    pub(super) fn presume(&mut self, presumed: Presumed, count: bool) {
        let integral = self.lo.fract() == 0.0 && self.hi.fract() == 0.0;
        let magnitude = self.lo.abs().max(self.hi.abs());
        if self.lo <= self.hi && (!integral || count && magnitude > 1.0) {
            self.presumed = Some(presumed);
        }
    }

    /// What either saw, as if in one sample; without the distribution.
    pub(super) fn or(mut self, other: &Self) -> Self {
        if other.lo <= other.hi {
            (self.lo, self.hi) = (self.lo.min(other.lo), self.hi.max(other.hi));
            self.ends = [self.lo, self.hi].map(|mean| Moments { count: 1.0, mean, squares: 0.0 });
        }
        self
    }

    /// Has the extremes of the `union` of what values of its kind had in a sample.
    pub(super) fn share(&mut self, union: &Self) {
        (self.lo, self.hi, self.ends) = (union.lo, union.hi, union.ends);
    }

    /// From the smallest value to the largest; `[0, 0]` where nothing finite was seen.
    pub(super) fn extremes(&self) -> Range {
        match self.lo > self.hi {
            true => Range { lo: 0.0, hi: 0.0 },
            false => Range { lo: self.lo, hi: self.hi },
        }
    }

    /// The extremes, with room for what further samples may bring. The sign of a value that had but one is kept, unless it is presumed to
    /// have both.
    pub(super) fn reach(&self) -> Range {
        let Range { lo, hi } = self.extremes();
        let [lowest, highest] = self.ends;
        let room = |ends: Moments| {
            let deviation = self.presumed.map_or(ends.deviation(), |_| PRESUMED_DEVIATION * ends.mean.abs());
            ROOM * (1.0 - (ends.count / MANY_SAMPLES).powi(2)).max(0.0) * deviation
        };
        let further = Range { lo: lo.min(lowest.mean - room(lowest)), hi: hi.max(highest.mean + room(highest)) };
        let distance = match self.presumed {
            Some(Presumed::AnySign) => return further,
            Some(Presumed::FromZero) => 0.0,
            Some(Presumed::SameSign) | None => LEAST_DISTANCE,
        };
        Range {
            lo: if lo >= 0.0 { further.lo.max(distance * lo) } else { further.lo },
            hi: if hi <= 0.0 { further.hi.min(distance * hi) } else { further.hi },
        }
    }

    /// The range by a rule, for integers of so many bits.
    pub(super) fn range(&self, rule: Ranges, bits: u32) -> Range {
        let extremes = self.extremes();
        match rule {
            Ranges::Extremes => self.reach(),
            _ if self.bins.is_empty() => extremes,
            Ranges::Percentile(percentile) => {
                let part = percentile / 100.0;
                let (lo, hi) = (self.quantile(1.0 - part), self.quantile(part));
                Range { lo: lo.max(extremes.lo), hi: hi.min(extremes.hi) }
            }
            Ranges::LeastError => self.least_error(extremes, bits),
        }
    }

    /// The value below which this part of all values lies.
    fn quantile(&self, part: f64) -> f64 {
        let count = self.bins.values().sum::<u64>();
        let rank = (part * (count - 1) as f64).round() as u64;
        let mut below = 0;
        let found = self.bins.iter().find(|(_, &count)| {
            below += count;
            below > rank
        });
        value_of(*found.expect("the ranks end with the last bin").0)
    }

    fn least_error(&self, extremes: Range, bits: u32) -> Range {
        let cut = |limit: f64| Range { lo: extremes.lo.max(-limit), hi: extremes.hi.min(limit) };
        let count = self.bins.values().sum::<u64>() as f64;
        let error = |range: Range| {
            let beyond = |value: f64| (range.lo - value).max(value - range.hi).max(0.0);
            let cut: f64 = self.bins.iter().map(|(&bin, &count)| count as f64 * beyond(value_of(bin)).powi(2)).sum();
            let step = range.width() / f64::from(bits).exp2();
            cut + count * step * step / 12.0
        };
        let cuts = (0..=CUTS).map(|i| cut(extremes.magnitude() * (f64::from(i) / -CUTS_PER_HALVING).exp2()));
        let best = cuts.map(|range| (error(range), range)).min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(extremes, |(_, range)| range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observer(values: &[f64]) -> Observer {
        let mut observer = Observer::default();
        observer.observe(values, Ranges::LeastError);
        observer
    }

    #[test]
    fn bins_are_ordered_and_narrow() {
        let values = [-3e8, -1.5, -1.0, -1e-3, 0.0, 1e-300, 0.7, 1.0, 1.03, 2e9];
        assert!(values.windows(2).all(|pair| bin(pair[0]) < bin(pair[1])));
        for value in values {
            assert!((value_of(bin(value)) - value).abs() <= value.abs() / 64.0 + 1e-300, "{value}");
        }
        assert_eq!(bin(-0.0), bin(0.0));
    }

    #[test]
    fn percentiles_cut_outliers() {
        let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
        values.push(1e9);
        let observer = observer(&values);
        assert_eq!(observer.range(Ranges::Extremes, 8).hi, 1e9);
        assert!(observer.range(Ranges::Percentile(99.5), 8).hi < 1010.0);
    }

    #[test]
    fn the_least_error_cuts_a_rare_outlier_and_no_uniform_values() {
        let uniform: Vec<f64> = (-2000..=2000).map(|i| f64::from(i) / 2000.0).collect();
        assert_eq!(observer(&uniform).range(Ranges::LeastError, 8), Range { lo: -1.0, hi: 1.0 });
        let mut outlier = uniform.clone();
        outlier.push(20.0);
        let found = observer(&outlier).range(Ranges::LeastError, 4);
        assert!(found.lo == -1.0 && (1.0..20.0).contains(&found.hi), "{found:?}");
        // The more bits there are, the less it costs to keep it.
        assert!(observer(&outlier).range(Ranges::LeastError, 12).hi > found.hi);
        let zeros = observer(&[0.0; 4]);
        assert_eq!(zeros.range(Ranges::LeastError, 8), Range { lo: 0.0, hi: 0.0 });
        assert_eq!(Observer::default().range(Ranges::LeastError, 8), Range { lo: 0.0, hi: 0.0 });
    }

    #[test]
    fn few_samples_leave_room_and_many_none() {
        let reach = |samples: &[&[f64]]| {
            let mut observer = Observer::default();
            samples.iter().for_each(|values| observer.observe(values, Ranges::Extremes));
            (observer.extremes(), observer.range(Ranges::Extremes, 8))
        };
        let (seen, few) = reach(&[&[-1.0, 2.0], &[-1.5, 3.0], &[-1.0, 2.5]]);
        assert!(few.lo < seen.lo && few.hi > seen.hi && few.hi < 2.0 * seen.hi, "{few:?}");
        let values: Vec<[f64; 2]> = (0..64).map(|i| [-1.0 - f64::from(i) / 64.0, f64::from(i)]).collect();
        let many: Vec<&[f64]> = values.iter().map(|pair| &pair[..]).collect();
        let (seen, range) = reach(&many);
        assert_eq!(range, seen);
        // What saturates has no spread, and what has but one sign keeps it.
        let (seen, range) = reach(&[&[0.0, 1.0], &[0.0, 1.0]]);
        assert_eq!(range, seen);
        let (_, positive) = reach(&[&[0.1], &[5.0], &[2.0]]);
        assert!(positive.lo > 0.0 && positive.hi > 5.0, "{positive:?}");
    }

    #[test]
    fn a_single_sample_is_presumed_to_deviate() {
        let reach = |values: &[f64], presumed, count| {
            let mut observer = observer(values);
            observer.presume(presumed, count);
            observer.reach()
        };
        let same = reach(&[1.5, 4.5], Presumed::SameSign, false);
        assert!(same.lo == 0.75 && (13.0..=13.5).contains(&same.hi), "{same:?}");
        assert_eq!(reach(&[1.5, 4.5], Presumed::FromZero, false), Range { lo: 0.0, ..same });
        let any = reach(&[4.5], Presumed::AnySign, false);
        assert!((-4.5..=-4.0).contains(&any.lo) && (13.0..=13.5).contains(&any.hi), "{any:?}");
        assert_eq!(reach(&[0.0, 255.0], Presumed::AnySign, false), Range { lo: 0.0, hi: 255.0 });
        assert_eq!(reach(&[f64::NAN], Presumed::AnySign, false), Range { lo: 0.0, hi: 0.0 });
        // Counts go on, flags do not.
        assert!(reach(&[0.0, 4.0], Presumed::FromZero, true).hi > 11.0);
        assert_eq!(reach(&[0.0, 1.0], Presumed::FromZero, true), Range { lo: 0.0, hi: 1.0 });
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rule in [Ranges::Extremes, Ranges::LeastError, Ranges::Percentile(99.9)] {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        for text in ["", "50", "100", "nan", "minmax"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}
