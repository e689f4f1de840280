//! Comparisons of an input with constants become trees of one branch each.
//!
//! Features of very different size have no common step that a table of their differences from a constant could have. Trees compare
//! inputs of up to 40 bits, at bounds of their own (`docs/trees.md`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rebuild::{positions, rebuild, Output};
use crate::float::graph::{BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, ValueId};
use crate::float::trees::{Branch, Child, Test, Trees};

/// Most comparisons of one operator.
const MOST_COMPARISONS: usize = 1 << 12;

/// The inputs of reals that are compared with constants.
pub(crate) fn compared_inputs(graph: &FloatGraph) -> BTreeSet<usize> {
    let node_of = |value: ValueId| graph.node(value);
    graph.nodes.iter().filter_map(|node| Comparison::of(&node_of, node)).map(|comparison| comparison.port).collect()
}

/// Makes the comparisons of these inputs trees.
pub(crate) fn compare_by_trees(graph: FloatGraph, ports: &BTreeSet<usize>) -> FloatGraph {
    rebuild(graph, |output, _, node| {
        let comparison = Comparison::of(&|value| output.node(value), &node);
        match comparison.filter(|comparison| ports.contains(&comparison.port)) {
            Some(comparison) => comparison.push(output, node),
            None => output.push(node),
        }
    })
}

struct Comparison {
    /// The input, and a view of it.
    port: usize,
    operand: ValueId,
    /// The element of the view that each comparison looks at, and what is asked of it.
    tests: Vec<(u32, Test)>,
}

impl Comparison {
    fn of<'a>(node_of: &dyn Fn(ValueId) -> &'a FloatNode, node: &FloatNode) -> Option<Self> {
        let FloatOp::Binary { function, operands: [a, b] } = node.op else { return None };
        let constant = |value: ValueId| match &node_of(value).op {
            FloatOp::Constant(tensor) => Some(tensor),
            _ => None,
        };
        let (operand, bounds, first) = match (constant(a), constant(b)) {
            (None, Some(bounds)) => (a, bounds, true),
            (Some(bounds), None) => (b, bounds, false),
            _ => return None,
        };
        let test = match (function, first) {
            (BinaryFunction::Less, true) => Test::Below,
            (BinaryFunction::Less, false) => Test::Above,
            (BinaryFunction::LessOrEqual, true) => Test::AtMost,
            (BinaryFunction::LessOrEqual, false) => Test::AtLeast,
            (BinaryFunction::Equal, _) => Test::Equal,
            _ => return None,
        };
        let port = input_behind(node_of, operand)?;
        let count = node.shape.iter().product::<usize>();
        if count > MOST_COMPARISONS || !bounds.data.is_finite() || node_of(operand).element != Element::Real {
            return None;
        }
        let elements = positions(&node_of(operand).shape, &node.shape);
        let bounds = positions(&bounds.shape, &node.shape).into_iter().map(|at| bounds.data[at]);
        let tests = elements.into_iter().map(|element| element as u32).zip(bounds.map(test)).collect();
        Some(Self { port, operand, tests })
    }

    fn push(self, output: &mut Output, node: FloatNode) -> ValueId {
        let elements = output.node(self.operand).shape.iter().product();
        let mut push =
            |op, shape, element| output.push(FloatNode { provenance: node.provenance.clone(), op, shape, element });
        let features = push(FloatOp::Reshape(self.operand), vec![1, elements], Element::Real);
        let count = self.tests.len();
        let branch = |(number, (feature, test)): (u32, (u32, Test))| Branch {
            feature,
            test,
            children: [Child::Leaf(2 * number), Child::Leaf(2 * number + 1)],
            missing_passes: false,
        };
        let branches = (0u32..).zip(self.tests).map(branch).collect();
        let trees = Trees { branches, roots: (0..count as u32).collect(), leaves: 2 * count, single: false };
        let leaves = FloatOp::TreeLeaves { input: features, trees: Arc::new(trees) };
        let leaves = push(leaves, vec![1, 2 * count], Element::Real);
        let map = (0..count as u32).map(|number| Some(2 * number)).collect();
        push(FloatOp::Reindex { input: leaves, map, fill: 0.0 }, node.shape.clone(), node.element)
    }
}

/// The input that a value is a view of.
fn input_behind<'a>(node_of: &dyn Fn(ValueId) -> &'a FloatNode, value: ValueId) -> Option<usize> {
    match &node_of(value).op {
        FloatOp::Input(port) => Some(*port),
        FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } => input_behind(node_of, *input),
        FloatOp::Reindex { input, map, .. } if map.iter().all(Option::is_some) => input_behind(node_of, *input),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::{check, graph};
    use super::{compare_by_trees, compared_inputs};
    use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, Tensor, ValueId};

    fn by_trees(graph: FloatGraph) -> FloatGraph {
        let ports = compared_inputs(&graph);
        assert_eq!(ports, BTreeSet::from([0]));
        compare_by_trees(graph, &ports)
    }

    #[test]
    fn comparisons_with_constants_are_trees_of_one_branch() {
        let constant = |data: &[f64]| FloatOp::Constant(Tensor::new(vec![data.len()], data.to_vec()));
        for function in [BinaryFunction::Less, BinaryFunction::LessOrEqual, BinaryFunction::Equal] {
            for operands in [[1, 2], [2, 1]] {
                let compare = FloatOp::Binary { function, operands: operands.map(ValueId) };
                let nodes = vec![
                    (FloatOp::Reshape(ValueId(0)), &[3, 1][..]),
                    (constant(&[-0.5, 0.25]), &[2]),
                    (compare, &[3, 2]),
                ];
                let found = check(graph(&[1, 3], nodes), by_trees);
                assert!(found.nodes.iter().any(|node| matches!(node.op, FloatOp::TreeLeaves { .. })));
            }
        }
    }
}
