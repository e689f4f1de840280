//! Passes over the float graph: smaller graphs with the same meaning.
//!
//! Each is exact in real arithmetic, up to [`differences`], by which a softmax may be off by `e^−16` a class, and to largest values of rows in
//! which an infinite mask leaves nothing ([`mask`]). A pass goes through the
//! nodes once, in order, and appends what each becomes to a new list; what is no longer read falls to [`dead`].

mod common;
mod comparisons;
mod curves;
mod dead;
mod differences;
mod extremum;
mod finite;
mod leaves;
mod linear;
mod mask;
mod missing;
mod normalize;
mod padding;
mod rebuild;
mod softmax;
mod squares;
mod unread;
mod views;

use crate::float::graph::FloatGraph;

pub(crate) use comparisons::{compare_by_trees, compared_inputs};
pub(crate) use curves::draw;
pub(crate) use finite::check_finite;
pub(crate) use mask::NEGLIGIBLE;
pub(crate) use missing::{may_be_missing, settle, Unsettled};
pub(crate) use rebuild::MAX_NAMES;

/// Runs all passes.
pub(crate) fn simplify(graph: FloatGraph) -> FloatGraph {
    let passes = [
        dead::remove,
        common::merge,
        leaves::fold,
        softmax::recognize,
        mask::fold,
        normalize::recognize,
        extremum::pass_softmax,
        differences::take,
        padding::fold,
        squares::weigh,
        views::compose,
        dead::remove,
        unread::remove,
        views::compose,
        linear::fold,
        views::compose,
        common::merge,
        dead::remove,
    ];
    passes.into_iter().fold(graph, |graph, pass| pass(graph))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::evaluate::evaluate_outputs;
    use crate::float::graph::{Element, FloatNode, FloatOp, FloatPort, Tensor, ValueId};

    /// A graph over one input of that shape; each further node is an operator with the shape of its result.
    pub(super) fn graph(input: &[usize], nodes: Vec<(FloatOp, &[usize])>) -> FloatGraph {
        let first = (FloatOp::Input(0), input);
        let nodes: Vec<FloatNode> = std::iter::once(first)
            .chain(nodes)
            .enumerate()
            .map(|(index, (op, shape))| FloatNode {
                provenance: vec![format!("n{index}")],
                op,
                shape: shape.to_vec(),
                element: Element::Real,
            })
            .collect();
        let last = ValueId(nodes.len() - 1);
        FloatGraph {
            name: "test".into(),
            source_digest: [0; 32],
            inputs: vec![FloatPort { name: "x".into(), value: ValueId(0), range: None, nullable: false }],
            outputs: vec![FloatPort { name: "y".into(), value: last, range: None, nullable: false }],
            nodes,
            remarks: vec![],
            float32: None,
            integers: Default::default(),
        }
    }

    /// A constant with distinct small values.
    pub(super) fn constant(shape: &[usize]) -> FloatOp {
        FloatOp::Constant(counting(shape))
    }

    fn counting(shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        Tensor::new(shape.to_vec(), (0..count).map(|index| ((index * 5 + 2) % 13) as f64 / 4.0 - 1.0).collect())
    }

    /// Runs a pass and dead code removal; the outputs must stay the same. Gives the new graph.
    pub(super) fn check(graph: FloatGraph, pass: fn(FloatGraph) -> FloatGraph) -> FloatGraph {
        let input = counting(&graph.nodes[0].shape);
        let before = evaluate_outputs(&graph, std::slice::from_ref(&input)).unwrap();
        let graph = dead::remove(pass(graph));
        let after = evaluate_outputs(&graph, &[input]).unwrap();
        for (a, b) in before.iter().zip(&after) {
            assert_eq!(a.shape, b.shape);
            assert!(a.data.iter().zip(b.data.iter()).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
        }
        graph
    }
}
