//! What the leaves that are reached are worth together.

use std::sync::Arc;

use super::{Forest, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, ValueId};
use crate::lower::Call;
use crate::ops::ml::linear::{refuse_transform, transformed};

/// How the scores of several trees become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    /// Their sum.
    Sum,
    /// Their sum over the number of trees.
    Average,
    /// The least of them.
    Least,
    /// The largest of them.
    Largest,
}

/// A forest and its scores: for each number of scores, targets with weights.
pub(super) struct Leaves {
    pub(super) forest: Forest,
    pub(super) scores: Vec<Vec<(usize, f64)>>,
}

/// A number of targets that can be stored.
pub(super) fn target_count(call: &Call, attribute: &str, targets: i64) -> Result<usize> {
    let targets = usize::try_from(targets).ok().filter(|&targets| targets > 0);
    let targets = targets.ok_or_else(|| NodeError::attribute(attribute, "it is not positive"))?;
    call.builder.check_room(targets as u64)?;
    Ok(targets)
}

impl Leaves {
    /// All leaves with their trees and scores: those of trees with branches, then those of trees without.
    fn all(&self) -> impl Iterator<Item = (Option<usize>, usize, &[(usize, f64)])> {
        let own = self.forest.leaves.iter().enumerate().map(|(leaf, &(tree, scores))| (Some(leaf), tree, scores));
        let constant = self.forest.constants.iter().map(|&(tree, scores)| (None, tree, scores));
        own.chain(constant).map(|(leaf, tree, scores)| (leaf, tree, &self.scores[scores][..]))
    }

    /// The weights of all leaves.
    pub(super) fn weights(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.all().flat_map(|(_, _, scores)| scores.iter().copied())
    }

    /// For each target, whether some tree has a score for it in all of its leaves.
    pub(super) fn always_scored(&self, targets: usize) -> Vec<bool> {
        let scored = self.scored_leaves();
        let mut always = vec![false; targets];
        let mut leaves = vec![0; self.forest.count];
        self.all().for_each(|(_, tree, _)| leaves[tree] += 1);
        for (&(tree, target), &count) in &scored {
            always[target] |= count == leaves[tree];
        }
        always
    }

    /// In how many leaves of a tree a target has a score.
    fn scored_leaves(&self) -> std::collections::BTreeMap<(usize, usize), usize> {
        let mut counts = std::collections::BTreeMap::new();
        for (_, tree, scores) in self.all() {
            let mut targets: Vec<_> = scores.iter().map(|(target, _)| *target).collect();
            targets.sort_unstable();
            targets.dedup();
            targets.into_iter().for_each(|target| *counts.entry((tree, target)).or_default() += 1);
        }
        counts
    }

    /// `[N, targets]`: the scores of the leaves that `input` reaches, aggregated, and the base values added.
    pub(super) fn aggregated(
        &self,
        call: &mut Call,
        input: ValueId,
        targets: usize,
        aggregate: Aggregate,
        base: &[f64],
    ) -> Result<ValueId> {
        if !base.is_empty() && base.len() != targets {
            return Err(NodeError::attribute("base_values", format!("{} numbers for {targets} targets", base.len())));
        }
        let base = if base.is_empty() { vec![0.0; targets] } else { base.to_vec() };
        match aggregate {
            Aggregate::Sum => self.sum(call, input, 1.0, base),
            Aggregate::Average => self.sum(call, input, 1.0 / self.forest.count.max(1) as f64, base),
            Aggregate::Least => self.extreme(call, input, ReduceKind::Min, base),
            Aggregate::Largest => self.extreme(call, input, ReduceKind::Max, base),
        }
    }

    fn sum(&self, call: &mut Call, input: ValueId, factor: f64, mut bias: Vec<f64>) -> Result<ValueId> {
        let targets = bias.len();
        let mut weights = self.matrix(call, targets)?;
        for (leaf, _, scores) in self.all() {
            for &(target, weight) in scores {
                match leaf {
                    Some(leaf) => weights[leaf * targets + target] += factor * weight,
                    None => bias[target] += factor * weight,
                }
            }
        }
        self.product(call, input, weights, bias)
    }

    /// The least or largest score of each target: one column for each tree that scores it.
    fn extreme(&self, call: &mut Call, input: ValueId, kind: ReduceKind, base: Vec<f64>) -> Result<ValueId> {
        let mut leaves = vec![0; self.forest.count];
        self.all().for_each(|(_, tree, _)| leaves[tree] += 1);
        let scored = self.scored_leaves();
        if let Some(((tree, target), _)) = scored.iter().find(|((tree, _), count)| **count != leaves[*tree]) {
            return Err(NodeError::unsupported(
                format!("tree {tree} scores target {target} in some of its leaves only, and an extreme is asked for"),
                "give every leaf of a tree a score for it",
            ));
        }
        // Target by target, so that the columns of one lie together.
        let mut columns: Vec<_> = scored.into_keys().map(|(tree, target)| (target, tree)).collect();
        columns.sort_unstable();
        let mut weights = self.matrix(call, columns.len())?;
        let mut bias = vec![0.0; columns.len()];
        for (leaf, tree, scores) in self.all() {
            for &(target, weight) in scores {
                let column = columns.binary_search(&(target, tree)).expect("every score has a column");
                let place = leaf.map_or(&mut bias[column], |leaf| &mut weights[leaf * columns.len() + column]);
                *place = weight;
            }
        }
        let by_tree = self.product(call, input, weights, bias)?;
        let mut parts = Vec::with_capacity(base.len());
        for (target, &base) in base.iter().enumerate() {
            let first = columns.partition_point(|column| column.0 < target);
            let last = columns.partition_point(|column| column.0 <= target);
            parts.push(if first == last {
                let rows = call.shape(input)[0];
                call.builder.constant(vec![rows, 1], vec![base; rows], DType::Float32)?
            } else {
                let own = call.builder.pick_axis(by_tree, 1, first..last)?;
                let extreme = call.builder.reduce(own, kind, &[1], true)?;
                call.builder.affine(extreme, 1.0, base)?
            });
        }
        call.builder.concat(&parts, 1)
    }

    /// Zeros for a weight of each leaf in each of so many columns.
    fn matrix(&self, call: &Call, columns: usize) -> Result<Vec<f64>> {
        let size = (self.forest.trees.leaves as u64).saturating_mul(columns as u64);
        call.builder.check_room(size)?;
        Ok(vec![0.0; size as usize])
    }

    /// The indicators of the leaves times a matrix, and a bias.
    fn product(&self, call: &mut Call, input: ValueId, weights: Vec<f64>, bias: Vec<f64>) -> Result<ValueId> {
        let (rows, leaves, columns) = (call.shape(input)[0], self.forest.trees.leaves, bias.len());
        let trees = Arc::new(self.forest.trees.clone());
        let reached = call.builder.emit(FloatOp::TreeLeaves { input, trees }, vec![rows, leaves], DType::Float32)?;
        let weights = call.builder.constant(vec![leaves, columns], weights, DType::Float32)?;
        let product = call.builder.matmul(reached, weights)?;
        if bias.iter().all(|&b| b == 0.0) {
            return Ok(product);
        }
        let bias = call.builder.constant(vec![columns], bias, DType::Float32)?;
        call.builder.binary(BinaryFunction::Add, product, bias)
    }
}

/// The function after the scores of a regressor. A single score is left as it is by all but PROBIT.
pub(super) fn regression(call: &mut Call, scores: ValueId, transform: &str) -> Result<ValueId> {
    match (call.shape(scores)[1], transform) {
        (1, "LOGISTIC" | "SOFTMAX" | "SOFTMAX_ZERO") => Ok(scores),
        (_, "NONE" | "LOGISTIC" | "SOFTMAX") => transformed(call, scores, transform),
        _ => Err(refuse_transform(transform)),
    }
}
