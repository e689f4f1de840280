//! What trees give whatever they read: of each tree the smallest leaf and the largest. A single sample shows one leaf of each.

use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, Tensor, UnaryFunction, ValueId};
use crate::float::trees::Trees;
use crate::quantize::plan::Range;

/// For each value that is a sum of leaves and constants, or moved from such sums, its range over one leaf of each tree, whichever.
pub(super) fn ranges(graph: &FloatGraph) -> Vec<Option<Range>> {
    let mut ranges: Vec<Option<Range>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let own = |value: ValueId| ranges[value.0];
        let range = match &node.op {
            FloatOp::MatMul(leaves, weights) => match (&graph.node(*leaves).op, graph.constant(*weights)) {
                (FloatOp::TreeLeaves { trees, .. }, Some(weights)) => of_leaves(trees, weights),
                _ => None,
            },
            FloatOp::Unary { input, function: UnaryFunction::Affine { factor, offset } } => own(*input).map(|range| {
                let [a, b] = [range.lo, range.hi].map(|end| factor * end + offset);
                Range { lo: a.min(b), hi: a.max(b) }
            }),
            FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } => {
                let part = |value: ValueId| own(value).or_else(|| graph.constant(value).and_then(of_constant));
                let known = own(*a).is_some() || own(*b).is_some();
                known.then(|| part(*a).zip(part(*b))).flatten().map(|(a, b)| Range { lo: a.lo + b.lo, hi: a.hi + b.hi })
            }
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } => own(*input),
            FloatOp::Reindex { input, map, .. } if !map.contains(&None) => own(*input),
            FloatOp::Concat { inputs, .. } => {
                let parts: Option<Vec<Range>> = inputs.iter().map(|&input| own(input)).collect();
                parts.and_then(|parts| parts.into_iter().reduce(Range::union))
            }
            _ => None,
        };
        ranges.push(range.filter(|range| range.lo.is_finite() && range.hi.is_finite()));
    }
    ranges
}

fn of_constant(tensor: &Tensor) -> Option<Range> {
    tensor.data.values().map(|value| Range { lo: value, hi: value }).reduce(Range::union)
}

/// The least and the largest sum of one leaf of each tree, over all columns of `[leaves, columns]`.
fn of_leaves(trees: &Trees, weights: &Tensor) -> Option<Range> {
    let [leaves, columns] = weights.shape[..] else { return None };
    if leaves != trees.leaves || leaves == 0 || trees.roots.is_empty() {
        return None;
    }
    let of_leaves = trees.tree_of_leaves();
    let nothing = Range { lo: f64::INFINITY, hi: f64::NEG_INFINITY };
    let mut parts = vec![nothing; trees.roots.len() * columns];
    for (place, value) in weights.data.values().enumerate() {
        let part = &mut parts[of_leaves[place / columns] * columns + place % columns];
        *part = part.union(Range { lo: value, hi: value });
    }
    let sum = |column: usize| {
        let own = parts.iter().skip(column).step_by(columns);
        own.fold(Range { lo: 0.0, hi: 0.0 }, |sum, part| Range { lo: sum.lo + part.lo, hi: sum.hi + part.hi })
    };
    (0..columns).map(sum).reduce(Range::union)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::float::graph::{Element, FloatNode, FloatPort};
    use crate::float::trees::{Branch, Child, Test};

    /// Two stumps whose leaves are worth 1 and 5, and −2 and 0.5.
    fn stumps() -> Arc<Trees> {
        let branch = |first: u32| Branch {
            feature: 0,
            test: Test::AtMost(0.0),
            children: [Child::Leaf(first), Child::Leaf(first + 1)],
            missing_passes: false,
        };
        Arc::new(Trees { branches: vec![branch(0), branch(2)], roots: vec![0, 1], leaves: 4, single: false })
    }

    #[test]
    fn sums_of_leaves_reach_from_the_least_to_the_largest_of_each_tree() {
        let constant = |shape: &[usize], data: &[f64]| FloatOp::Constant(Tensor::new(shape.to_vec(), data.to_vec()));
        let ops: Vec<(FloatOp, &[usize])> = vec![
            (FloatOp::Input(0), &[1, 1]),
            (FloatOp::TreeLeaves { input: ValueId(0), trees: stumps() }, &[1, 4]),
            (constant(&[4, 1], &[1.0, 5.0, -2.0, 0.5]), &[4, 1]),
            (FloatOp::MatMul(ValueId(1), ValueId(2)), &[1, 1]),
            (constant(&[1, 1], &[10.0]), &[1, 1]),
            (FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(3), ValueId(4)] }, &[1, 1]),
            (
                FloatOp::Unary { input: ValueId(5), function: UnaryFunction::Affine { factor: -2.0, offset: 1.0 } },
                &[1, 1],
            ),
            (FloatOp::Concat { inputs: vec![ValueId(3), ValueId(6)], axis: 1 }, &[1, 2]),
        ];
        let node = |(op, shape): (FloatOp, &[usize])| FloatNode {
            provenance: vec![],
            op,
            shape: shape.to_vec(),
            element: Element::Real,
        };
        let port = |value| FloatPort { name: "p".into(), value: ValueId(value), range: None, nullable: false };
        let graph = FloatGraph {
            name: "stumps".into(),
            source_digest: [0; 32],
            inputs: vec![port(0)],
            outputs: vec![port(7)],
            nodes: ops.into_iter().map(node).collect(),
            remarks: vec![],
            float32: None,
            integers: Default::default(),
        };
        let found = ranges(&graph);
        assert_eq!(found[..3], [None, None, None]);
        assert_eq!(found[3], Some(Range { lo: -1.0, hi: 5.5 }));
        assert_eq!(found[5], Some(Range { lo: 9.0, hi: 15.5 }));
        assert_eq!(found[6], Some(Range { lo: -30.0, hi: -17.0 }));
        assert_eq!(found[7], Some(Range { lo: -30.0, hi: 5.5 }));
    }
}
