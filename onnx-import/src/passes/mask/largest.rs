//! Largest elements among those that a mask keeps: what is put in the place of the others is as good as `−∞`, and would leave a step as
//! coarse as it is large to those that are kept.
//!
//! | what is read | in the place of masked elements |
//! | --- | --- |
//! | the largest value | the smallest of the row, `l` |
//! | the position of the largest value, or of the largest ones | `2l − h`, with `h` the largest of the row |
//!
//! In a row without an element that is kept, the result is what the model does not mask there, too, instead of the mask's number: where that is
//! asked for, by a comparison or as an infinity, the masks stay. So do those that are added as finite numbers.

use std::collections::BTreeSet;

use super::gate::{added, both, without};
use super::Masked;
use crate::float::evaluate::Odometer;
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId,
};
use crate::passes::rebuild::Output;

/// The values that are compared, or asked whether they are numbers, as they are or moved.
pub(super) fn questioned(graph: &FloatGraph) -> BTreeSet<usize> {
    use BinaryFunction::{Equal, Less, LessOrEqual};
    let mut questioned = BTreeSet::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let asks = match &node.op {
            FloatOp::Binary { function, .. } => matches!(function, Equal | Less | LessOrEqual),
            FloatOp::Unary { function, .. } => {
                matches!(function, UnaryFunction::IsInfinite { .. } | UnaryFunction::IsNan)
            }
            FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { .. } => questioned.contains(&index),
            _ => false,
        };
        if asks {
            questioned.extend(node.op.operands().iter().map(|operand| operand.0));
        }
    }
    questioned
}

/// The operator on elements of which the masked ones are no larger than any other, if it looks for the largest and some are masked.
pub(super) fn fold(output: &mut Output, node: &FloatNode) -> Option<ValueId> {
    let (input, axes, position) = match node.op {
        FloatOp::Reduce { input, kind: ReduceKind::Max, ref axes } => (input, axes.clone(), false),
        FloatOp::ArgExtremum { input, axis, smallest: false, .. } => (input, vec![axis], true),
        FloatOp::TopIndices { input, smallest: false, .. } => (input, vec![1], true),
        _ => return None,
    };
    let masked = Masked::of(output, input, None);
    let shape = output.node(input).shape.clone();
    let is_masked = !masked.gates.is_empty() || masked.kept.contains(&false);
    if !is_masked || masked.adds || !rows_keep_some(&shape, &axes, &masked.kept) {
        return None;
    }
    let provenance = node.provenance.clone();
    let real = |op, shape: &[usize]| FloatNode {
        provenance: provenance.clone(),
        op,
        shape: shape.to_vec(),
        element: Element::Real,
    };
    let scores = masked.rests.iter().fold(masked.source, |sum, &rest| added(output, [sum, rest], node));
    let row: Vec<usize> =
        shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let extreme = |kind| real(FloatOp::Reduce { input: scores, kind, axes: axes.clone() }, &row);
    let mut least = output.push(extreme(ReduceKind::Min));
    if position {
        let largest = output.push(extreme(ReduceKind::Max));
        let below = |operands| real(FloatOp::Binary { function: BinaryFunction::Sub, operands }, &row);
        let width = output.push(below([largest, least]));
        least = output.push(below([least, width]));
    }
    let open = masked.gates.iter().map(|gate| gate.open).reduce(|a, b| both(output, [a, b], node));
    let open = match open {
        Some(open) if masked.kept.contains(&false) => without(output, open, &masked.kept, shape.clone(), node),
        Some(open) => open,
        None => {
            let kept = masked.kept.iter().map(|&kept| f64::from(u8::from(kept))).collect();
            let op = FloatOp::Constant(Tensor::new(shape.clone(), kept));
            output.push(FloatNode { element: Element::Bool, ..real(op, &shape) })
        }
    };
    let chosen = output.push(real(FloatOp::Select { condition: open, then: scores, otherwise: least }, &shape));
    let op = node.op.clone_with(|_| chosen);
    Some(output.push(FloatNode { op, ..node.clone() }))
}

/// Whether constant masks keep an element of each row along the axes.
fn rows_keep_some(shape: &[usize], axes: &[usize], kept: &[bool]) -> bool {
    if !kept.contains(&false) {
        return true;
    }
    let mut strides = vec![0; shape.len()];
    let mut rows = 1;
    for axis in (0..shape.len()).rev().filter(|axis| !axes.contains(axis)) {
        (strides[axis], rows) = (rows, rows * shape[axis]);
    }
    let mut found = vec![false; rows];
    for ([row], &kept) in Odometer::new(shape, [strides]).zip(kept) {
        found[row] |= kept;
    }
    found.into_iter().all(|found| found)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{check, graph};
    use super::super::fold;
    use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, ReduceKind, Tensor, ValueId};

    /// What reads a choice between the input and a fill where a comparison of the input with −0.4 does not hold: it hides the first and the
    /// last element of `[2, 3]`.
    fn masked(fill: f64, reader: FloatOp, shape: &[usize]) -> FloatGraph {
        let constant = |value| (FloatOp::Constant(Tensor::new(vec![1], vec![value])), &[1][..]);
        let less = FloatOp::Binary { function: BinaryFunction::Less, operands: [ValueId(1), ValueId(0)] };
        let select = FloatOp::Select { condition: ValueId(3), then: ValueId(0), otherwise: ValueId(2) };
        graph(&[2, 3], vec![constant(-0.4), constant(fill), (less, &[2, 3]), (select, &[2, 3]), (reader, shape)])
    }

    fn has_fill(graph: &FloatGraph, fill: f64) -> bool {
        graph
            .nodes
            .iter()
            .any(|node| matches!(&node.op, FloatOp::Constant(tensor) if tensor.data.values().any(|v| v == fill)))
    }

    #[test]
    fn no_masks_number_is_left_where_the_largest_is_looked_for() {
        let readers = [
            (FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![1] }, &[2][..]),
            (FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![0, 1] }, &[]),
            (FloatOp::ArgExtremum { input: ValueId(4), axis: 1, smallest: false, last: false }, &[2]),
            (FloatOp::TopIndices { input: ValueId(4), count: 1, smallest: false }, &[2, 1]),
        ];
        for (reader, shape) in readers {
            for fill in [-1e4, -1e9, f64::NEG_INFINITY] {
                assert!(!has_fill(&check(masked(fill, reader.clone(), shape), fold), fill), "{reader:?} {fill}");
            }
        }
    }

    #[test]
    fn numbers_that_may_be_results_stay() {
        let largest = FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![1] };
        assert!(has_fill(&check(masked(-5.0, largest.clone(), &[2]), fold), -5.0));
        // A comparison asks whether there was nothing but masked elements.
        let mut asked = masked(-1e4, largest, &[2]);
        let question = FloatOp::Binary { function: BinaryFunction::Less, operands: [ValueId(1), ValueId(5)] };
        let last = asked.nodes[5].clone();
        asked.nodes.push(crate::float::graph::FloatNode { op: question, ..last });
        asked.outputs[0].value = ValueId(6);
        assert!(has_fill(&check(asked, fold), -1e4));
        let smallest = FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Min, axes: vec![1] };
        assert!(has_fill(&check(masked(-1e4, smallest, &[2]), fold), -1e4));
    }
}
