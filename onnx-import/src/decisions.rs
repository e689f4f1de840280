//! How many decisions of a model the roundings of its program change, as far as few samples tell it.
//!
//! A classifier decides by the largest of its scores, by the smallest of its distances, or by the side of a bound on which its one score
//! lies. Let a decision lead by `m ≥ 0` in the float model, and let the program be off by `e` in that lead: it decides otherwise where
//! `m + e < 0`. Few samples have such small leads, and whether one of them flips is luck. What they do show is how dense leads are near
//! zero, and how large errors are there; with a density `d`, and errors of either sign alike,
//!
//! ```text
//! P[m + e < 0] = ∫ d(m)·P[e < −m] dm ≈ d(0)·E[max(−e, 0)] = d(0)·E|e| / 2
//! ```
//!
//! The density is that of the samples with the least leads, and so are the errors: where probabilities are near 0 and 1, they are hardly off.

use std::collections::BTreeMap;

use crate::accuracy::{argmax, NEAR_TIE};
use crate::float::graph::Tensor;

/// The part of the samples, those with the least leads, that tells how dense leads are near zero, and how many these are at least.
const NARROW: f64 = 0.1;
const FEWEST_NARROW: usize = 3;
/// How many samples tell how large errors are: so many times as many, and at least.
const ERRORS: usize = 2;
const FEWEST_ERRORS: usize = 8;
/// Bounds that single scores are compared with: those of probabilities, and of logarithms of odds and distances from planes.
const BOUNDS: [f64; 2] = [0.0, 0.5];

/// How a decision follows from scores.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Largest,
    Smallest,
    Above(f64),
}

impl Rule {
    /// All rules for so many scores.
    fn of(scores: usize) -> Vec<Self> {
        match scores {
            0 => vec![],
            1 => BOUNDS.map(Self::Above).to_vec(),
            _ => vec![Self::Largest, Self::Smallest],
        }
    }

    /// Scores of which the largest decides.
    fn oriented(self, scores: &[f64]) -> Vec<f64> {
        match self {
            Self::Largest => scores.to_vec(),
            Self::Smallest => scores.iter().map(|score| -score).collect(),
            Self::Above(bound) => vec![0.0, scores[0] - bound],
        }
    }

    /// By how much the float model's decision leads over its closest rival: in its own scores, and in those of the program.
    fn lead(self, float: &[f64], integer: &[f64]) -> (f64, f64) {
        let (float, integer) = (self.oriented(float), self.oriented(integer));
        let best = argmax(&float);
        let others = (0..float.len()).filter(|&other| other != best);
        let rival = others.max_by(|&a, &b| float[a].total_cmp(&float[b])).unwrap_or(best);
        (float[best] - float[rival], integer[best] - integer[rival])
    }

    /// Whether each decision goes with one label, and there are several.
    fn explains(self, scores: &[&Tensor], labels: &[f64]) -> bool {
        let mut label_of = BTreeMap::new();
        let decisions = scores.iter().map(|scores| argmax(&self.oriented(&scores.data)));
        decisions.zip(labels).all(|(decision, &label)| *label_of.entry(decision).or_insert(label) == label)
            && label_of.len() > 1
    }
}

/// The share of decisions that are expected to be others on further samples: of output 0, where its largest element `decides`, or of the
/// scores that a label follows from. `None` where there are none, or too few samples.
pub(crate) fn expected_flips(
    float: &[Vec<Tensor>],
    integer: &[Vec<Tensor>],
    indices: &[bool],
    decides: bool,
) -> Option<f64> {
    let of = |output: usize, rule: Rule| {
        let leads =
            float.iter().zip(integer).map(|(float, integer)| rule.lead(&float[output].data, &integer[output].data));
        let scores = || float.iter().flat_map(|outputs| outputs[output].data.iter().copied());
        let width = scores().fold(f64::NEG_INFINITY, f64::max) - scores().fold(f64::INFINITY, f64::min);
        flips(leads.collect(), NEAR_TIE * width)
    };
    let label = |output: &usize| indices[*output] && float.iter().all(|outputs| outputs[*output].data.len() == 1);
    let Some(label) = (0..indices.len()).find(label) else {
        return decides.then(|| of(0, Rule::Largest)).flatten();
    };
    let labels: Vec<f64> = float.iter().map(|outputs| outputs[label].data[0]).collect();
    let scores = (0..indices.len()).filter(|&output| !indices[output]);
    let explained = scores.filter_map(|output| {
        let scores: Vec<&Tensor> = float.iter().map(|outputs| &outputs[output]).collect();
        let rule = Rule::of(scores.first()?.data.len()).into_iter().find(|rule| rule.explains(&scores, &labels))?;
        of(output, rule)
    });
    explained.reduce(f64::max)
}

/// The expected share of flips, by pairs of leads in float and in integers; those of up to `tie` are ties, which are decided by rounding at any
/// precision.
fn flips(mut leads: Vec<(f64, f64)>, tie: f64) -> Option<f64> {
    let count = leads.len();
    leads.retain(|(float, _)| *float > tie);
    if leads.len() < FEWEST_ERRORS {
        return None;
    }
    leads.sort_by(|a, b| a.0.total_cmp(&b.0));
    let narrow = ((NARROW * count as f64).ceil() as usize).clamp(FEWEST_NARROW, leads.len());
    let density = narrow as f64 / count as f64 / leads[narrow - 1].0;
    let errors = &leads[..(ERRORS * narrow).clamp(FEWEST_ERRORS, leads.len())];
    let error = errors.iter().map(|(float, integer)| (integer - float).abs()).sum::<f64>() / errors.len() as f64;
    Some(density * error / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(samples: usize, of: impl Fn(f64) -> Vec<Vec<f64>>) -> Vec<Vec<Tensor>> {
        let tensors = |i| of(i as f64).into_iter().map(|data| Tensor::new(vec![data.len()], data)).collect();
        (0..samples).map(tensors).collect()
    }

    #[test]
    fn flips_are_what_leads_and_errors_let_expect() {
        // Leads are dense to one in [0, 1), and errors ±e: e/2 of all flip.
        for (samples, error) in [(1000, 0.01), (100, 0.04)] {
            let leads = (0..samples).map(|i| (f64::from(i) + 0.5) / f64::from(samples));
            let sign = |i: usize| if i.is_multiple_of(2) { error } else { -error };
            let pairs: Vec<_> = leads.enumerate().map(|(i, lead)| (lead, lead + sign(i))).collect();
            let expected = flips(pairs.clone(), 0.0).unwrap();
            let counted = pairs.iter().filter(|(_, integer)| *integer < 0.0).count() as f64 / f64::from(samples);
            assert!((expected - counted).abs() <= 0.05 * error, "{expected} {counted}");
        }
        assert_eq!(flips(vec![(1.0, 0.0); FEWEST_ERRORS - 1], 0.0), None);
        assert_eq!(flips(vec![(1.0, 0.0); 16], 2.0), None);
    }

    #[test]
    fn labels_are_told_by_the_scores_that_they_follow_from() {
        let near = |i: f64| ((i * 0.37).fract(), (i * 0.73).fract());
        let float = outputs(64, |i| {
            let (a, b) = near(i);
            vec![vec![f64::from(u8::from(a > b))], vec![a, b]]
        });
        let integer = outputs(64, |i| {
            let (a, b) = near(i);
            vec![vec![f64::from(u8::from(a > b))], vec![a + 0.01, b]]
        });
        // The label is that of the smaller one.
        let found = expected_flips(&float, &integer, &[true, false], false).unwrap();
        assert!((0.001..0.02).contains(&found), "{found}");
        assert_eq!(expected_flips(&float, &integer, &[true, true], false), None);
        // A score that has nothing to do with the label says nothing.
        let other = outputs(64, |i| vec![vec![i % 3.0], vec![near(i).0, near(i).1]]);
        assert_eq!(expected_flips(&other, &integer, &[true, false], false), None);
    }

    #[test]
    fn single_scores_are_compared_with_a_bound() {
        let float = outputs(40, |i| vec![vec![i / 40.0], vec![f64::from(u8::from(i > 20.0))]]);
        let integer = outputs(40, |i| vec![vec![i / 40.0 + 0.01], vec![f64::from(u8::from(i > 20.0))]]);
        let found = expected_flips(&float, &integer, &[false, true], false).unwrap();
        assert!((0.003..0.02).contains(&found), "{found}");
        assert_eq!(Rule::Above(0.5).lead(&[0.3], &[0.4]), (0.2, 0.09999999999999998));
    }

    #[test]
    fn without_a_label_output_0_decides_or_nothing() {
        let float = outputs(20, |i| vec![vec![i, 10.0, -3.0]]);
        assert_eq!(expected_flips(&float, &float, &[false], true), Some(0.0));
        assert_eq!(expected_flips(&float, &float, &[false], false), None);
    }
}
