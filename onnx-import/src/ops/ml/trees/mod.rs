//! TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble: which leaf each tree reaches, and what the leaves are worth.
//!
//! The conventions of scores and labels are those of onnxruntime 1.32, found by running it.

mod classes;
mod ensemble;
mod forest;
mod nodes;
mod scores;

use super::{samples, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use classes::Classifier;
use forest::Forest;
use scores::{Aggregate, Leaves};

pub(super) use ensemble::ensemble;

/// Whether features are float32 when they are compared: whatever is not float64 is made so.
fn is_single(call: &Call) -> Result<bool> {
    Ok(call.dtype(call.input(0)?) != DType::Float64)
}

/// The scores of all classes and the label of the best.
pub(super) fn classifier(call: &mut Call) -> Result<Vec<ValueId>> {
    let labels = super::labels::Labels::read(call, "classlabels_int64s", "classlabels_strings")?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    let input = samples(call, 0)?;
    let (forest, nodes) = nodes::read(call, input)?;
    let leaves = Leaves { scores: nodes.scores(call, "class", labels.count())?, forest };
    let base = nodes::numbers(call, "base_values")?.unwrap_or_default();
    Classifier { input, leaves: &leaves, labels: &labels, base: &base, transform: &transform }.classify(call)
}

/// A score for each target.
pub(super) fn regressor(call: &mut Call) -> Result<Vec<ValueId>> {
    let targets = call.attributes.int_or("n_targets", 1)?;
    let targets = scores::target_count(call, "n_targets", targets)?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    let aggregate = match call.attributes.string_or("aggregate_function", "SUM")?.as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Least,
        "MAX" => Aggregate::Largest,
        other => return Err(NodeError::attribute("aggregate_function", format!("`{other}` is unknown"))),
    };
    let input = samples(call, 0)?;
    let (forest, nodes) = nodes::read(call, input)?;
    let leaves = Leaves { scores: nodes.scores(call, "target", targets)?, forest };
    let base = nodes::numbers(call, "base_values")?.unwrap_or_default();
    let scores = leaves.aggregated(call, input, targets, aggregate, &base)?;
    Ok(vec![scores::regression(call, scores, &transform)?])
}
