//! Largest elements among those that a mask keeps: what is put in the place of the others is as good as `−∞`, and would leave a step as
//! coarse as it is large to those that are kept.
//!
//! | what is read | what it is read from |
//! | --- | --- |
//! | the largest value, `m` | the row with its smallest element in the place of masked ones |
//! | the position of the largest value | 1 where an element is kept and is at least `m`, 0 elsewhere: no tie leads to a masked element |
//!
//! In a row without an element that is kept the first (or last) position is the largest one's, here as in the model. Its largest value is the
//! mask's number, if that is finite, and is chosen then; of an infinite mask, which leaves no number, it is the smallest element. Masks stay
//! where the largest value is compared or asked for an infinity, where they are added as finite numbers, and where more than one position is
//! looked for.

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

/// The operator on elements without the mask's numbers, if it looks for the largest and some are masked.
pub(super) fn fold(output: &mut Output, node: &FloatNode) -> Option<ValueId> {
    let (input, axes, position) = match node.op {
        FloatOp::Reduce { input, kind: ReduceKind::Max, ref axes } => (input, axes.clone(), false),
        FloatOp::ArgExtremum { input, axis, smallest: false, .. } => (input, vec![axis], true),
        FloatOp::TopIndices { input, count: 1, smallest: false } => (input, vec![1], true),
        _ => return None,
    };
    let masked = Masked::of(output, input, None);
    let shape = output.node(input).shape.clone();
    let is_masked = !masked.gates.is_empty() || masked.kept.contains(&false);
    if !is_masked || masked.adds || !rows_keep_some(&shape, &axes, &masked.kept) {
        return None;
    }
    let scores = masked.rests.iter().fold(masked.source, |sum, &rest| added(output, [sum, rest], node));
    let depends_on_data = !masked.gates.is_empty();
    let finite = masked.gates.iter().all(|gate| gate.finite) && !masked.infinite.contains(&true);
    let open = masked.open(output, &shape, node);
    let mut push = |op, shape: &[usize], element| {
        output.push(FloatNode { provenance: node.provenance.clone(), op, shape: shape.to_vec(), element })
    };
    let row: Vec<usize> =
        shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let largest_of = |input| FloatOp::Reduce { input, kind: ReduceKind::Max, axes: axes.clone() };
    let least = push(FloatOp::Reduce { input: scores, kind: ReduceKind::Min, axes: axes.clone() }, &row, Element::Real);
    let chosen = FloatOp::Select { condition: open, then: scores, otherwise: least };
    let chosen = push(chosen, &shape, Element::Real);
    if position {
        let largest = push(largest_of(chosen), &row, Element::Real);
        let reaches = FloatOp::Binary { function: BinaryFunction::LessOrEqual, operands: [largest, scores] };
        let reaches = push(reaches, &shape, Element::Bool);
        let kept = FloatOp::Binary { function: BinaryFunction::Min, operands: [open, reaches] };
        let kept = push(kept, &shape, Element::Bool);
        return Some(push(node.op.clone_with(|_| kept), &node.shape, node.element));
    }
    let largest = push(node.op.clone_with(|_| chosen), &node.shape, node.element);
    if !(depends_on_data && finite) {
        return Some(largest);
    }
    let some_is_open = push(largest_of(open), &node.shape, Element::Bool);
    let unmasked = push(node.op.clone(), &node.shape, node.element);
    let either = FloatOp::Select { condition: some_is_open, then: largest, otherwise: unmasked };
    Some(push(either, &node.shape, node.element))
}

impl Masked {
    /// 1 where an element takes part, in the shape of the masked value.
    fn open(&self, output: &mut Output, shape: &[usize], node: &FloatNode) -> ValueId {
        match self.gates.iter().map(|gate| gate.open).reduce(|a, b| both(output, [a, b], node)) {
            Some(open) => without(output, open, &self.kept, shape.to_vec(), node),
            None => {
                let kept = self.kept.iter().map(|&kept| f64::from(u8::from(kept))).collect();
                let op = FloatOp::Constant(Tensor::new(shape.to_vec(), kept));
                let provenance = node.provenance.clone();
                output.push(FloatNode { provenance, op, shape: shape.to_vec(), element: Element::Bool })
            }
        }
    }
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
    use crate::float::evaluate::evaluate_outputs;
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
            (FloatOp::ArgExtremum { input: ValueId(4), axis: 1, smallest: false, last: false }, &[2][..]),
            (FloatOp::ArgExtremum { input: ValueId(4), axis: 1, smallest: false, last: true }, &[2]),
            (FloatOp::TopIndices { input: ValueId(4), count: 1, smallest: false }, &[2, 1]),
        ];
        for (reader, shape) in readers {
            for fill in [-1e4, -1e9, f64::NEG_INFINITY] {
                assert!(!has_fill(&check(masked(fill, reader.clone(), shape), fold), fill), "{reader:?} {fill}");
            }
        }
        let largest = FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![1] };
        let infinite = f64::NEG_INFINITY;
        assert!(!has_fill(&check(masked(infinite, largest, &[2]), fold), infinite));
    }

    #[test]
    fn rows_of_nothing_but_masked_elements_are_the_masks_number() {
        let largest = FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![1] };
        let before = masked(-1e4, largest, &[2]);
        let after = fold(before.clone());
        let input = Tensor::new(vec![2, 3], vec![-1.0, -0.5, -0.6, 0.3, -2.0, 0.1]);
        let of = |graph| evaluate_outputs(graph, std::slice::from_ref(&input)).unwrap()[0].data.to_vec();
        assert_eq!(of(&after), of(&before));
        assert_eq!(of(&after), [-1e4, 0.3]);
    }

    /// Of a row whose scores are all equal, the position is that of an element that is kept.
    #[test]
    fn equal_scores_do_not_lead_to_a_masked_position() {
        let kept = |index: usize| f64::from(u8::from(!index.is_multiple_of(3)));
        let condition = Tensor::new(vec![2, 3], (0..6).map(kept).collect());
        let fill = (FloatOp::Constant(Tensor::new(vec![1], vec![-1e9])), &[1][..]);
        let select = FloatOp::Select { condition: ValueId(1), then: ValueId(0), otherwise: ValueId(2) };
        let position = FloatOp::ArgExtremum { input: ValueId(3), axis: 1, smallest: false, last: false };
        let nodes = vec![(FloatOp::Constant(condition), &[2, 3][..]), fill, (select, &[2, 3]), (position, &[2])];
        let graph = fold(graph(&[2, 3], nodes));
        let equal = Tensor::new(vec![2, 3], vec![1.0; 6]);
        assert_eq!(evaluate_outputs(&graph, &[equal]).unwrap()[0].data.to_vec(), [1.0, 1.0]);
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
