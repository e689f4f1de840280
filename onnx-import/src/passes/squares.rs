//! Weighted squares become squares of weighted values: `w·v² = (√w·v)²` for positive constants `w`.
//!
//! Squared distances over variances, as naive Bayes and mixtures have them, are sums over features of very different size. Where the
//! squares come first, all of them share one step, and those of small features vanish in it.

use super::rebuild::{joined, rebuild, Output};
use crate::float::graph::{BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, Tensor, ValueId};

/// Moves positive constants that differ from element to element below squares.
pub(super) fn weigh(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, node| match WeightedSquare::of(output, &node) {
        Some(square) => square.push(output, node),
        None => output.push(node),
    })
}

struct WeightedSquare {
    /// What is squared.
    value: ValueId,
    /// The roots of the weights.
    roots: Tensor,
    names: Vec<String>,
}

impl WeightedSquare {
    fn of(output: &Output, node: &FloatNode) -> Option<Self> {
        let FloatOp::Binary { function, operands: [a, b] } = node.op else { return None };
        let (square, weights) = match function {
            BinaryFunction::Mul if output.tensor(a).is_some() => (b, a),
            BinaryFunction::Mul | BinaryFunction::Div => (a, b),
            _ => return None,
        };
        let (square, weights) = (output.node(square), output.tensor(weights)?);
        let FloatOp::Binary { function: BinaryFunction::Mul, operands: [value, again] } = square.op else {
            return None;
        };
        let alike = weights.data.iter().all(|&weight| weight == weights.data[0]);
        let positive = weights.data.iter().all(|&weight| weight > 0.0 && weight.is_finite());
        let real = node.element == Element::Real && output.node(value).element == Element::Real;
        if value != again || alike || !positive || !real || square.shape != node.shape {
            return None;
        }
        let root = |weight: &f64| if function == BinaryFunction::Div { 1.0 / weight.sqrt() } else { weight.sqrt() };
        let roots = Tensor::new(weights.shape.clone(), weights.data.iter().map(root).collect());
        let names = joined(&[&square.provenance, &node.provenance]);
        roots.data.is_finite().then_some(Self { value, roots, names })
    }

    fn push(self, output: &mut Output, node: FloatNode) -> ValueId {
        let roots = output.push_constant(self.roots, &self.names);
        let binary = |operands| FloatOp::Binary { function: BinaryFunction::Mul, operands };
        let weighted = FloatNode { provenance: self.names.clone(), op: binary([self.value, roots]), ..node.clone() };
        let weighted = output.push(weighted);
        output.push(FloatNode { provenance: self.names, op: binary([weighted, weighted]), ..node })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::weigh;
    use crate::float::graph::{BinaryFunction, FloatOp, Tensor, ValueId};

    #[test]
    fn weights_go_below_squares() {
        let binary = |function, a, b| FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] };
        let weighted = |weights: [f64; 3], function| {
            let weights = FloatOp::Constant(Tensor::new(vec![1, 3], weights.to_vec()));
            let nodes = vec![
                (binary(BinaryFunction::Mul, 0, 0), &[2, 3][..]),
                (weights, &[1, 3]),
                (binary(function, 1, 2), &[2, 3]),
            ];
            check(graph(&[2, 3], nodes), weigh)
        };
        for function in [BinaryFunction::Mul, BinaryFunction::Div] {
            let last = weighted([4.0, 0.25, 100.0], function).nodes.pop().unwrap().op;
            assert!(matches!(last, FloatOp::Binary { operands: [a, b], .. } if a == b), "{last:?}");
            for kept in [[4.0, 0.0, 1.0], [4.0, -1.0, 1.0], [2.0; 3]] {
                if function == BinaryFunction::Div && kept[1] == 0.0 {
                    continue;
                }
                let last = weighted(kept, function).nodes.pop().unwrap().op;
                assert!(matches!(last, FloatOp::Binary { operands: [a, b], .. } if a != b), "{last:?}");
            }
        }
    }
}
