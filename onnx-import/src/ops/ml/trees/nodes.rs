//! The attributes of TreeEnsembleClassifier and TreeEnsembleRegressor: parallel lists over all nodes of all trees.

use std::collections::HashMap;

use super::forest::{check_count, feature, Forest, Listed};
use super::{is_single, Result};
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::float::trees::Test;
use crate::lower::Call;

/// Where each node of the file stands.
pub(super) struct Nodes {
    /// Position of each pair of tree and node.
    positions: HashMap<(i64, i64), usize>,
    /// Whether the node is a leaf.
    is_leaf: Vec<bool>,
}

/// Numbers from an attribute of floats or, since operator set 3, from the tensor in its place.
pub(super) fn numbers(call: &Call, name: &str) -> Result<Option<Vec<f64>>> {
    let list = call.attributes.floats(name)?.filter(|list| !list.is_empty());
    let tensor_name = format!("{name}_as_tensor");
    let tensor = if call.version >= 3 { call.attributes.tensor(&tensor_name)? } else { None };
    match (list, tensor.filter(|literal| !literal.tensor.data.is_empty())) {
        (Some(_), Some(_)) => Err(NodeError::attribute(&tensor_name, "it is given beside the list in its place")),
        (Some(list), None) => Ok(Some(list)),
        (None, Some(literal)) => Ok(Some(literal.tensor.data.to_vec())),
        (None, None) => Ok(None),
    }
}

/// Refuses a list of another length than that of the nodes.
fn expect_length(name: &str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(NodeError::attribute(name, format!("{found} entries for {expected} nodes"))),
    }
}

/// Integers that must be given, one for each node.
fn integers(call: &Call, name: &str, expected: Option<usize>) -> Result<Vec<i64>> {
    let list = call.attributes.ints(name)?.ok_or_else(|| NodeError::attribute(name, "it is missing"))?;
    expected.map_or(Ok(()), |expected| expect_length(name, list.len(), expected))?;
    Ok(list)
}

/// The forest that the attributes describe, over the features of `input`, `[N, features]`.
pub(super) fn read(call: &Call, input: ValueId) -> Result<(Forest, Nodes)> {
    let features = call.builder.shape(input)[1];
    let trees = integers(call, "nodes_treeids", None)?;
    let count = trees.len();
    check_count(count)?;
    let ids = integers(call, "nodes_nodeids", Some(count))?;
    let tested = integers(call, "nodes_featureids", Some(count))?;
    let passing = integers(call, "nodes_truenodeids", Some(count))?;
    let failing = integers(call, "nodes_falsenodeids", Some(count))?;
    let modes =
        call.attributes.texts("nodes_modes")?.ok_or_else(|| NodeError::attribute("nodes_modes", "it is missing"))?;
    expect_length("nodes_modes", modes.len(), count)?;
    let bounds = numbers(call, "nodes_values")?.ok_or_else(|| NodeError::attribute("nodes_values", "it is missing"))?;
    expect_length("nodes_values", bounds.len(), count)?;
    let missing = call.attributes.ints("nodes_missing_value_tracks_true")?.filter(|list| !list.is_empty());
    if let Some(missing) = &missing {
        expect_length("nodes_missing_value_tracks_true", missing.len(), count)?;
    }
    // How often training took each way; it says nothing about the result.
    numbers(call, "nodes_hitrates")?;

    let mut positions = HashMap::with_capacity(count);
    let mut roots = Vec::new();
    let mut known_trees = std::collections::HashSet::new();
    for (position, key) in trees.iter().copied().zip(ids.iter().copied()).enumerate() {
        if positions.insert(key, position).is_some() {
            return Err(NodeError::attribute("nodes_nodeids", format!("tree {} has node {} twice", key.0, key.1)));
        }
        if known_trees.insert(key.0) {
            roots.push(position);
        }
    }
    let mut listed = Vec::with_capacity(count);
    for position in 0..count {
        if modes[position] == "LEAF" {
            listed.push(Listed::Leaf(position));
            continue;
        }
        let child = |attribute: &str, id: i64| {
            positions
                .get(&(trees[position], id))
                .copied()
                .ok_or_else(|| NodeError::attribute(attribute, format!("tree {} has no node {id}", trees[position])))
        };
        listed.push(Listed::Branch {
            feature: feature("nodes_featureids", tested[position], features)?,
            test: test_of(&modes[position], bounds[position])?,
            children: [child("nodes_truenodeids", passing[position])?, child("nodes_falsenodeids", failing[position])?],
            missing_passes: missing.as_ref().is_some_and(|missing| missing[position] != 0),
        });
    }
    let forest = Forest::new(&listed, &roots, is_single(call)?)?;
    let is_leaf = listed.iter().map(|node| matches!(node, Listed::Leaf(_))).collect();
    Ok((forest, Nodes { positions, is_leaf }))
}

fn test_of(mode: &str, bound: f64) -> Result<Test> {
    Ok(match mode {
        "BRANCH_LEQ" => Test::AtMost(bound),
        "BRANCH_LT" => Test::Below(bound),
        "BRANCH_GTE" => Test::AtLeast(bound),
        "BRANCH_GT" => Test::Above(bound),
        "BRANCH_EQ" => Test::Equal(bound),
        "BRANCH_NEQ" => Test::Unequal(bound),
        other => return Err(NodeError::attribute("nodes_modes", format!("`{other}` is unknown"))),
    })
}

impl Nodes {
    /// For each node its scores, pairs of target and weight, from the lists whose names begin with `kind`.
    pub(super) fn scores(&self, call: &Call, kind: &str, targets: usize) -> Result<Vec<Vec<(usize, f64)>>> {
        let name = |part: &str| format!("{kind}_{part}");
        let list = |part: &str, expected| integers(call, &name(part), expected);
        let trees = list("treeids", None)?;
        let nodes = list("nodeids", Some(trees.len()))?;
        let ids = list("ids", Some(trees.len()))?;
        let weights = numbers(call, &name("weights"))?.unwrap_or_default();
        expect_length(&name("weights"), weights.len(), trees.len())?;
        let mut scores = vec![Vec::new(); self.is_leaf.len()];
        for (index, &weight) in weights.iter().enumerate() {
            let key = (trees[index], nodes[index]);
            let position = self.positions.get(&key).copied().filter(|&position| self.is_leaf[position]);
            let position = position.ok_or_else(|| {
                NodeError::attribute(&name("nodeids"), format!("tree {} has no leaf {}", key.0, key.1))
            })?;
            let target = usize::try_from(ids[index]).ok().filter(|&target| target < targets).ok_or_else(|| {
                NodeError::attribute(&name("ids"), format!("{} is not one of {targets} numbers from 0", ids[index]))
            })?;
            scores[position].push((target, weight));
        }
        Ok(scores)
    }
}
