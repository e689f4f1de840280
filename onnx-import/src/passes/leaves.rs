//! What follows from the leaf of one tree alone is a number of that leaf.
//!
//! A tree reaches one leaf, so that `f(leaves·W) = leaves·f(W)` for every `f` that takes rows one by one: the class of the largest
//! probability, its comparison with a label, a weight chosen by that. Computed after rounding, near ties between the probabilities of
//! a leaf (as boosted trees have them) would be decided by the rounding.

use std::collections::HashMap;

use super::rebuild::{joined, rebuild, Output};
use crate::float::evaluate::apply;
use crate::float::graph::{Element, FloatGraph, FloatNode, FloatOp, Tensor, ValueId};

/// Most numbers of all leaves together.
const MAX_NUMBERS: usize = 1 << 20;
/// Largest scores that differ by less than this part of the largest score at all may become equal when they are rounded.
const NEAR: f64 = 1.0 / 32.0;

/// Computes functions of single trees leaf by leaf.
pub(super) fn fold(graph: FloatGraph) -> FloatGraph {
    let mut known: HashMap<ValueId, ByLeaf> = HashMap::new();
    rebuild(graph, |output, _, node| match ByLeaf::of(output, &known, &node) {
        Some((by_leaf, first)) => {
            let value = if first { output.push(node) } else { by_leaf.push(output, node) };
            known.insert(value, by_leaf);
            value
        }
        None => output.push(node),
    })
}

/// A value of shape `[N, …]`, each row of which is chosen by the leaf that a tree reaches.
#[derive(Clone)]
struct ByLeaf {
    /// The indicators of the leaves.
    leaves: ValueId,
    /// `[leaves, …]`
    table: Tensor,
    /// What its numbers are in the model.
    element: Element,
}

impl ByLeaf {
    /// Reads a node as such a value; the second says whether it is the product that the chain begins with.
    fn of(output: &Output, known: &HashMap<ValueId, Self>, node: &FloatNode) -> Option<(Self, bool)> {
        if let FloatOp::MatMul(leaves, weights) = node.op {
            let FloatOp::TreeLeaves { trees, .. } = &output.node(leaves).op else { return None };
            let table = output.tensor(weights).filter(|table| trees.roots.len() == 1 && table.shape.len() == 2)?;
            return Some((Self { leaves, table: table.clone(), element: node.element }, true));
        }
        let operands = node.op.operands();
        let by_leaf = operands.iter().find_map(|operand| known.get(operand))?;
        let (&rows, rest) = node.shape.split_first()?;
        let leaves = by_leaf.table.shape[0];
        let shape = [&[leaves], rest].concat();
        if !is_by_rows(output, known, node, rows) || shape.iter().product::<usize>() > MAX_NUMBERS {
            return None;
        }
        let tensor = |operand: &ValueId| match known.get(operand) {
            Some(other) => (other.leaves == by_leaf.leaves).then(|| other.table.clone()),
            None => output.tensor(*operand).filter(|tensor| is_one_row(tensor, node.shape.len())).cloned(),
        };
        let tensors = operands.iter().map(tensor).collect::<Option<Vec<_>>>()?;
        let table = apply(&node.op, &shape, &tensors.iter().collect::<Vec<_>>());
        let table = Tensor::constant(table.shape, table.data.to_vec());
        let finite = table.data.is_finite();
        finite.then_some((Self { leaves: by_leaf.leaves, table, element: node.element }, false))
    }

    /// Appends the indicators times the table, in the place of a node.
    fn push(&self, output: &mut Output, node: FloatNode) -> ValueId {
        let (rows, leaves) = (node.shape[0], self.table.shape[0]);
        let columns = self.table.data.len() / leaves.max(1);
        let table = Tensor::constant(vec![leaves, columns], self.table.data.to_vec());
        let provenance = joined(&[&output.node(self.leaves).provenance, &node.provenance]);
        let weights = output.push_constant(table, &provenance);
        let product = FloatNode {
            provenance,
            op: FloatOp::MatMul(self.leaves, weights),
            shape: vec![rows, columns],
            element: Element::Real,
        };
        let product = output.push(product);
        output.push(FloatNode { op: FloatOp::Reshape(product), ..node })
    }
}

/// Whether a node treats the rows of its operands one by one, and it pays to do that by leaf.
fn is_by_rows(output: &Output, known: &HashMap<ValueId, ByLeaf>, node: &FloatNode, rows: usize) -> bool {
    let keeps_rows = |input: &ValueId| output.node(*input).shape.first() == Some(&rows);
    match &node.op {
        FloatOp::Reshape(input) | FloatOp::Unary { input, .. } => keeps_rows(input),
        FloatOp::Reduce { input, axes, .. } => keeps_rows(input) && !axes.contains(&0),
        FloatOp::ArgExtremum { input, axis, .. } => {
            keeps_rows(input) && *axis > 0 && known.get(input).is_some_and(|by_leaf| by_leaf.has_near_ties())
        }
        FloatOp::Binary { .. } | FloatOp::Select { .. } => {
            let operands = node.op.operands();
            operands
                .iter()
                .filter(|operand| known.contains_key(operand))
                .all(|operand| keeps_rows(operand) && output.node(*operand).shape.len() == node.shape.len())
        }
        _ => false,
    }
}

impl ByLeaf {
    /// Whether the largest or smallest numbers of a leaf, if they are reals, differ by little and not by nothing.
    fn has_near_ties(&self) -> bool {
        let largest = self.table.data.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        let width = self.table.data.len() / self.table.shape[0].max(1);
        let near = |row: &[f64]| {
            let mut sorted = row.to_vec();
            sorted.sort_by(f64::total_cmp);
            let ends = [1, sorted.len() - 1].map(|at| sorted[at] - sorted[at - 1]);
            ends.iter().any(|&gap| gap > 0.0 && gap < NEAR * largest)
        };
        self.element == Element::Real && width > 1 && self.table.data.chunks(width).any(near)
    }
}

/// Whether a constant is the same for all rows of a tensor with so many axes.
fn is_one_row(tensor: &Tensor, axes: usize) -> bool {
    tensor.shape.len() < axes || tensor.shape.first() == Some(&1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{check, constant, graph};
    use super::fold;
    use crate::float::graph::{BinaryFunction, FloatOp, Tensor, ValueId};
    use crate::float::trees::{Branch, Child, Test, Trees};

    /// The class of the larger of two numbers of the leaf that `x ≤ 0` decides, compared with 1 and times 3.
    fn label(scores: [f64; 4], trees: Trees) -> Vec<(FloatOp, &'static [usize])> {
        let scores = Tensor::new(vec![trees.leaves, 2], scores[..2 * trees.leaves].to_vec());
        let binary = |function, a, b| FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] };
        let scalar = |value| FloatOp::Constant(Tensor::new(vec![], vec![value]));
        vec![
            (FloatOp::TreeLeaves { input: ValueId(0), trees: Arc::new(trees) }, &[2, 2]),
            (FloatOp::Constant(scores), &[2, 2]),
            (FloatOp::MatMul(ValueId(1), ValueId(2)), &[2, 2]),
            (FloatOp::ArgExtremum { input: ValueId(3), axis: 1, smallest: false, last: false }, &[2]),
            (scalar(1.0), &[]),
            (binary(BinaryFunction::Equal, 4, 5), &[2]),
            (scalar(3.0), &[]),
            (binary(BinaryFunction::Mul, 6, 7), &[2]),
        ]
    }

    fn stump() -> Trees {
        let branch = Branch {
            feature: 0,
            test: Test::AtMost(0.0),
            children: [Child::Leaf(0), Child::Leaf(1)],
            missing_passes: false,
        };
        Trees { branches: vec![branch], roots: vec![0], leaves: 2, single: true }
    }

    #[test]
    fn functions_of_a_leaf_are_numbers_of_it() {
        let near = check(graph(&[2, 1], label([0.5001, 0.4999, 0.2, 0.8], stump())), fold);
        let products = near.nodes.iter().filter(|node| matches!(node.op, FloatOp::MatMul(..))).count();
        assert_eq!((near.nodes.len(), products), (5, 1));
        // where rounding can't decide, the scores are compared as they are
        let far = check(graph(&[2, 1], label([0.7, 0.3, 0.2, 0.8], stump())), fold);
        assert!(far.nodes.iter().any(|node| matches!(node.op, FloatOp::ArgExtremum { .. })));
    }

    #[test]
    fn rows_that_meet_stay() {
        let tree = FloatOp::TreeLeaves { input: ValueId(0), trees: Arc::new(stump()) };
        let transposed = FloatOp::Transpose { input: ValueId(3), permutation: vec![1, 0] };
        let nodes = vec![
            (tree, &[2, 2][..]),
            (constant(&[2, 2]), &[2, 2]),
            (FloatOp::MatMul(ValueId(1), ValueId(2)), &[2, 2]),
            (transposed, &[2, 2]),
        ];
        assert_eq!(check(graph(&[2, 1], nodes), fold).nodes.len(), 5);
    }
}
