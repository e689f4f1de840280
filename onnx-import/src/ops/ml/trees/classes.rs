//! Labels and scores of a classifier, by the conventions of onnxruntime.
//!
//! | classes | class ids in the leaves | label | scores |
//! | --- | --- | --- | --- |
//! | 2 | one, no weight below 0 | second where `s > 1/2` | `(1 − s, s)`; LOGISTIC `(σ(−s), σ(s))` |
//! | 2 | one, some weight below 0 | second where `s > 0` | `(−s, s)`; LOGISTIC `(σ(−s), σ(s))` |
//! | 2 | both | 1 where `s₁ > 0`, else 0, whatever the labels are called | transformed elementwise or by softmax |
//! | more | any | the first of the largest | likewise |

use super::scores::{Aggregate, Leaves};
use super::Result;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::ops::extremum::extremum;
use crate::ops::ml::labels::Labels;
use crate::ops::ml::linear::{refuse_transform, transformed};

/// An ensemble that scores classes.
pub(super) struct Classifier<'a> {
    /// The samples, `[N, features]`.
    pub(super) input: ValueId,
    /// The trees, and the scores of their leaves by class.
    pub(super) leaves: &'a Leaves,
    /// What the classes are called.
    pub(super) labels: &'a Labels,
    /// Added to the scores, one for each of them; or none.
    pub(super) base: &'a [f64],
    /// The attribute `post_transform`.
    pub(super) transform: &'a str,
}

impl Classifier<'_> {
    /// Label and scores.
    pub(super) fn classify(&self, call: &mut Call) -> Result<Vec<ValueId>> {
        match self.labels.count() {
            0 | 1 => Err(NodeError::unsupported(
                "it has fewer than two classes",
                "a model of one class has nothing to prove; give both classes",
            )),
            2 => self.binary(call),
            _ => self.several(call),
        }
    }

    fn binary(&self, call: &mut Call) -> Result<Vec<ValueId>> {
        let scored = |class: usize| self.leaves.weights().any(|(target, _)| target == class);
        match (scored(0), scored(1), self.base.len()) {
            (true, false, 0 | 1) => self.one_score(call),
            (true, true, 0) => self.two_scores(call),
            _ => Err(NodeError::unsupported(
                "two classes, with base values or class ids that runtimes combine in their own ways",
                "score class 0 alone (which stands for the second class), or both classes without base values",
            )),
        }
    }

    /// The only score, of class 0 by its number, stands for the second class.
    fn one_score(&self, call: &mut Call) -> Result<Vec<ValueId>> {
        let positive = self.leaves.weights().all(|(_, weight)| weight >= 0.0);
        // The second column of scores would be empty.
        let score = self.leaves.aggregated(call, self.input, 1, Aggregate::Sum, self.base)?;
        let label = if wants_label(call) {
            let index = exceeds(call, score, if positive { 0.5 } else { 0.0 })?;
            self.labels.of(call, index)?
        } else {
            score
        };
        let first = match self.transform {
            "LOGISTIC" => {
                let turned = call.builder.unary(UnaryFunction::Neg, score)?;
                call.builder.unary(UnaryFunction::Sigmoid, turned)?
            }
            "NONE" | "SOFTMAX" | "SOFTMAX_ZERO" => {
                call.builder.affine(score, -1.0, if positive { 1.0 } else { 0.0 })?
            }
            other => return Err(refuse_transform(other)),
        };
        let second = match self.transform {
            "LOGISTIC" => call.builder.unary(UnaryFunction::Sigmoid, score)?,
            _ => score,
        };
        Ok(vec![label, call.builder.concat(&[first, second], 1)?])
    }

    fn two_scores(&self, call: &mut Call) -> Result<Vec<ValueId>> {
        let scores = self.leaves.aggregated(call, self.input, 2, Aggregate::Sum, &[])?;
        let label = if wants_label(call) {
            if !self.labels.are_positions() {
                return Err(NodeError::unsupported(
                    "two classes that both have scores, and labels other than 0 and 1, which onnxruntime would not give",
                    "score the second class alone, or use the labels 0 and 1",
                ));
            }
            let second = call.builder.pick_axis(scores, 1, [1])?;
            let index = exceeds(call, second, 0.0)?;
            self.labels.of(call, index)?
        } else {
            scores
        };
        Ok(vec![label, transformed(call, scores, self.transform)?])
    }

    fn several(&self, call: &mut Call) -> Result<Vec<ValueId>> {
        let classes = self.labels.count();
        // A class without a score is never chosen, though it shows a zero.
        let all_scored = !self.base.is_empty() || self.leaves.always_scored(classes).into_iter().all(|always| always);
        let scores = self.leaves.aggregated(call, self.input, classes, Aggregate::Sum, self.base)?;
        let label = if wants_label(call) {
            if !all_scored && !self.leaves.weights().all(|(_, weight)| weight > 0.0) {
                return Err(NodeError::unsupported(
                    "a class has a score in some leaves only, and weights are not all positive",
                    "give base values, or every leaf of some tree a score for each class",
                ));
            }
            let index = extremum(call, scores, 1, false, false, false)?;
            self.labels.of(call, index)?
        } else {
            scores
        };
        Ok(vec![label, transformed(call, scores, self.transform)?])
    }
}

/// Whether anything reads the label.
fn wants_label(call: &Call) -> bool {
    call.used_outputs.first() == Some(&true)
}

/// 1 where a score, `[N, 1]`, exceeds a bound: `[N]`.
fn exceeds(call: &mut Call, score: ValueId, bound: f64) -> Result<ValueId> {
    let bound = call.builder.scalar(bound, DType::Float32)?;
    let above = call.builder.binary(BinaryFunction::Less, bound, score)?;
    let rows = call.shape(above)[0];
    let above = call.builder.reshape(above, vec![rows])?;
    call.builder.retype(above, DType::Int64)
}
