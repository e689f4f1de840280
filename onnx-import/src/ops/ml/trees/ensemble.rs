//! TreeEnsemble of operator set 5: branches and leaves in lists of their own.

use super::forest::{check_count, feature, Forest, Listed};
use super::scores::{regression, target_count, Aggregate, Leaves};
use super::{is_single, samples, Result};
use crate::error::NodeError;
use crate::float::graph::{Tensor, ValueId};
use crate::float::trees::Test;
use crate::lower::Call;

/// Refuses a list of another length.
fn expect_length(name: &str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(NodeError::attribute(name, format!("{found} entries, {expected} are expected"))),
    }
}

fn missing(name: &str) -> NodeError {
    NodeError::attribute(name, "it is missing")
}

fn integers(call: &Call, name: &str, expected: Option<usize>) -> Result<Vec<i64>> {
    let list = call.attributes.ints(name)?.ok_or_else(|| missing(name))?;
    expected.map_or(Ok(()), |expected| expect_length(name, list.len(), expected))?;
    Ok(list)
}

fn tensor(call: &Call, name: &str) -> Result<Tensor> {
    Ok(call.attributes.tensor(name)?.ok_or_else(|| missing(name))?.tensor)
}

/// A score for each target, from leaves that have one target each.
pub(in super::super) fn ensemble(call: &mut Call) -> Result<Vec<ValueId>> {
    let targets = call.attributes.int("n_targets")?.unwrap_or(1);
    let targets = target_count(call, "n_targets", targets)?;
    let aggregate = match call.attributes.int_or("aggregate_function", 1)? {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Least,
        3 => Aggregate::Largest,
        other => return Err(NodeError::attribute("aggregate_function", format!("{other} is unknown"))),
    };
    let transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
    let transform = call.attributes.int_or("post_transform", 0)?;
    let transform = usize::try_from(transform)
        .ok()
        .and_then(|number| transforms.get(number))
        .ok_or_else(|| NodeError::attribute("post_transform", format!("{transform} is unknown")))?;
    let input = samples(call, 0)?;
    let weights = tensor(call, "leaf_weights")?;
    let leaf_targets = integers(call, "leaf_targetids", Some(weights.data.len()))?;
    let scores = leaf_targets.iter().zip(weights.data.iter()).map(|(&target, &weight)| {
        let known = usize::try_from(target).ok().filter(|&target| target < targets);
        let target = known.ok_or_else(|| {
            NodeError::attribute("leaf_targetids", format!("{target} is not one of {targets} numbers from 0"))
        })?;
        Ok(vec![(target, weight)])
    });
    let scores = scores.collect::<Result<Vec<_>>>()?;
    let forest = read(call, input, scores.len())?;
    let leaves = Leaves { forest, scores };
    let result = leaves.aggregated(call, input, targets, aggregate, &[])?;
    if targets > 1 && matches!(*transform, "SOFTMAX" | "LOGISTIC") {
        return Err(NodeError::unsupported(
            "a post_transform of several targets, whose numbers 1 and 2 mean the opposite in onnxruntime and in the standard",
            "export raw scores (post_transform 0) and apply the function as an operator of ai.onnx",
        ));
    }
    Ok(vec![regression(call, result, transform)?])
}

/// The forest: positions are those of the branches, then those of the leaves.
fn read(call: &Call, input: ValueId, leaves: usize) -> Result<Forest> {
    let features = call.builder.shape(input)[1];
    let splits = call.attributes.tensor_with_missing("nodes_splits")?.ok_or_else(|| missing("nodes_splits"))?.tensor;
    let count = splits.data.len();
    check_count(count.saturating_add(leaves))?;
    let tested = integers(call, "nodes_featureids", Some(count))?;
    let modes = tensor(call, "nodes_modes")?;
    expect_length("nodes_modes", modes.data.len(), count)?;
    let ways =
        [("nodes_truenodeids", "nodes_trueleafs"), ("nodes_falsenodeids", "nodes_falseleafs")].map(|(to, is_leaf)| {
            Ok::<_, NodeError>((to, integers(call, to, Some(count))?, integers(call, is_leaf, Some(count))?))
        });
    let [passing, failing] = ways;
    let ways = [passing?, failing?];
    let tracks = call.attributes.ints("nodes_missing_value_tracks_true")?.filter(|list| !list.is_empty());
    if let Some(tracks) = &tracks {
        expect_length("nodes_missing_value_tracks_true", tracks.len(), count)?;
    }
    // How often training took each way; it says nothing about the result.
    call.attributes.tensor("nodes_hitrates")?;
    let mut members = Members::new(call)?;
    let mut listed = Vec::with_capacity(count + leaves);
    for position in 0..count {
        let child = |side: usize| {
            let (name, to, is_leaf) = &ways[side];
            let (limit, start) = if is_leaf[position] != 0 { (leaves, count) } else { (count, 0) };
            let known = usize::try_from(to[position]).ok().filter(|&child| child < limit);
            known.map(|child| start + child).ok_or_else(|| {
                NodeError::attribute(name, format!("{} is not one of {limit} numbers from 0", to[position]))
            })
        };
        let bound = splits.data[position];
        let mode = modes.data[position] as i64;
        if bound.is_nan() && mode != 6 {
            return Err(NodeError::attribute("nodes_splits", format!("element {position} is not a number (NaN)")));
        }
        let test = match mode {
            0 => Test::AtMost(bound),
            1 => Test::Below(bound),
            2 => Test::AtLeast(bound),
            3 => Test::Above(bound),
            4 => Test::Equal(bound),
            5 => Test::Unequal(bound),
            6 => Test::Member(members.next()?.into()),
            other => return Err(NodeError::attribute("nodes_modes", format!("{other} is unknown"))),
        };
        listed.push(Listed::Branch {
            feature: feature("nodes_featureids", tested[position], features)?,
            test,
            children: [child(0)?, child(1)?],
            missing_passes: tracks.as_ref().is_some_and(|tracks| tracks[position] != 0),
        });
    }
    members.finish()?;
    listed.extend((0..leaves).map(Listed::Leaf));
    let roots = integers(call, "tree_roots", None)?;
    let root = |&root: &i64| {
        let known = usize::try_from(root).ok().filter(|&root| root < count);
        let known = known.ok_or_else(|| {
            NodeError::attribute("tree_roots", format!("{root} is not one of {count} numbers from 0"))
        })?;
        // A tree that is a leaf is written as a branch with the same leaf on both sides.
        Ok(match &listed[known] {
            Listed::Branch { children: [a, b], .. } if a == b && matches!(listed[*a], Listed::Leaf(_)) => *a,
            _ => known,
        })
    };
    let roots = roots.iter().map(root).collect::<Result<Vec<_>>>()?;
    Forest::new(&listed, &roots, is_single(call)?)
}

/// The sets of members, one for each branch that asks for one, with a NaN behind each.
struct Members {
    values: Vec<f64>,
    at: usize,
}

impl Members {
    fn new(call: &Call) -> Result<Self> {
        let tensor = call.attributes.tensor_with_missing("membership_values")?;
        Ok(Self { values: tensor.map(|literal| literal.tensor.data.to_vec()).unwrap_or_default(), at: 0 })
    }

    fn next(&mut self) -> Result<Vec<f64>> {
        let rest = &self.values[self.at.min(self.values.len())..];
        if rest.is_empty() {
            return Err(NodeError::attribute("membership_values", "it has fewer sets than branches ask for"));
        }
        let length = rest.iter().position(|value| value.is_nan()).unwrap_or(rest.len());
        let mut set = rest[..length].to_vec();
        self.at += length + 1;
        set.sort_by(f64::total_cmp);
        set.dedup();
        Ok(set)
    }

    fn finish(&self) -> Result<()> {
        match self.at >= self.values.len() {
            true => Ok(()),
            false => Err(NodeError::attribute("membership_values", "it has more sets than branches ask for")),
        }
    }
}
