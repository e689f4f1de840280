//! Views composed into one, and transpositions moved towards the outputs past what works element by element, so that those
//! around the convolutions of a channels-last model meet and cancel. Reshapes move down too, past what they do not change.

use super::rebuild::{joined, places, rebuild, Output};
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, ValueId};
use std::sync::Arc;

/// Composes views and moves transpositions down.
pub(super) fn compose(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, node| place(output, node))
}

/// Appends a node, or what it amounts to.
fn place(output: &mut Output, node: FloatNode) -> ValueId {
    match node.op {
        FloatOp::Reshape(input) => reshape(output, input, node),
        FloatOp::Transpose { input, ref permutation } => {
            let permutation = permutation.clone();
            transpose(output, input, &permutation, node)
        }
        FloatOp::Reindex { input, ref map, fill } => {
            let map = map.clone();
            reindex(output, input, map, fill, node)
        }
        _ => {
            if let Some((inner, permutation)) = below_transpose(output, &node) {
                return place_view(output, node, inner, |input| FloatOp::Transpose { input, permutation });
            }
            match below_reshape(output, &node) {
                Some(inner) => place_view(output, node, inner, FloatOp::Reshape),
                None => output.push(node),
            }
        }
    }
}

/// Appends a view of `inner` that is what `node` is.
fn place_view(
    output: &mut Output,
    node: FloatNode,
    inner: FloatNode,
    view: impl FnOnce(ValueId) -> FloatOp,
) -> ValueId {
    let input = output.push(inner);
    place(output, FloatNode { op: view(input), ..node })
}

/// An elementwise node on values that were all reshaped in the same way, as the same node before that.
fn below_reshape(output: &Output, node: &FloatNode) -> Option<FloatNode> {
    if !matches!(node.op, FloatOp::Unary { .. } | FloatOp::Binary { .. }) {
        return None;
    }
    let source = |operand: ValueId| match output.node(operand).op {
        FloatOp::Reshape(inner) => Some(inner),
        _ => None,
    };
    let operands = node.op.operands();
    let shape = output.node(operands.iter().find_map(|&operand| source(operand))?).shape.clone();
    let movable = |&operand: &ValueId| match source(operand) {
        Some(inner) => {
            let (before, after) = (output.node(inner), output.node(operand));
            before.shape == shape && before.element == after.element && after.shape == node.shape
        }
        None => output.tensor(operand).is_some_and(|tensor| tensor.data.len() == 1 && tensor.shape.is_empty()),
    };
    if !operands.iter().all(movable) {
        return None;
    }
    let op = node.op.clone_with(|operand| source(operand).unwrap_or(operand));
    Some(FloatNode { op, shape, ..node.clone() })
}

fn reshape(output: &mut Output, input: ValueId, mut node: FloatNode) -> ValueId {
    let source = output.node(input);
    if source.shape == node.shape && source.element == node.element {
        return input;
    }
    if source.element != node.element {
        return output.push(node);
    }
    node.provenance = joined(&[&source.provenance, &node.provenance]);
    match &source.op {
        FloatOp::Reshape(inner) if output.node(*inner).element == node.element => {
            let inner = *inner;
            node.op = FloatOp::Reshape(inner);
            reshape(output, inner, node)
        }
        FloatOp::Reindex { input, map, fill } => {
            node.op = FloatOp::Reindex { input: *input, map: map.clone(), fill: *fill };
            output.push(node)
        }
        _ => {
            node.provenance = joined(&[&node.provenance]);
            output.push(node)
        }
    }
}

fn transpose(output: &mut Output, input: ValueId, permutation: &[usize], mut node: FloatNode) -> ValueId {
    let source = output.node(input);
    if permutation.iter().enumerate().all(|(axis, &from)| axis == from) {
        return input;
    }
    // Axes of size 1 may move freely.
    let moving: Vec<usize> = permutation.iter().copied().filter(|&axis| source.shape[axis] != 1).collect();
    if moving.windows(2).all(|pair| pair[0] < pair[1]) {
        node.op = FloatOp::Reshape(input);
        return reshape(output, input, node);
    }
    match &source.op {
        FloatOp::Transpose { input: inner, permutation: first } => {
            let (inner, combined): (_, Vec<usize>) = (*inner, permutation.iter().map(|&axis| first[axis]).collect());
            node.provenance = joined(&[&source.provenance, &node.provenance]);
            node.op = FloatOp::Transpose { input: inner, permutation: combined.clone() };
            transpose(output, inner, &combined, node)
        }
        FloatOp::Reindex { input: inner, map, fill } => {
            let order = positions(&source.shape, permutation);
            node.provenance = joined(&[&source.provenance, &node.provenance]);
            let map = order.iter().map(|&at| map[at]).collect();
            node.op = FloatOp::Reindex { input: *inner, map, fill: *fill };
            output.push(node)
        }
        _ => output.push(node),
    }
}

fn reindex(output: &mut Output, input: ValueId, map: Arc<[Option<u32>]>, fill: f64, mut node: FloatNode) -> ValueId {
    let source = output.node(input);
    let (inner, map, fill) = match &source.op {
        FloatOp::Reshape(inner) if output.node(*inner).element == node.element => (*inner, map, fill),
        FloatOp::Transpose { input: inner, permutation } => {
            let order = positions(&output.node(*inner).shape, permutation);
            let through = |from: &Option<u32>| from.map(|from| order[from as usize] as u32);
            (*inner, map.iter().map(through).collect(), fill)
        }
        FloatOp::Reindex { input: inner, map: first, fill: first_fill } => {
            let composed: Arc<[Option<u32>]> =
                map.iter().map(|from| from.and_then(|from| first[from as usize])).collect();
            // Both kinds of filling must agree, unless one of them does not show.
            let own = map.iter().any(Option::is_none);
            let inherited = map.iter().flatten().any(|&from| first[from as usize].is_none());
            match (own, inherited) {
                (true, true) if fill != *first_fill => return output.push(node),
                (false, _) => (*inner, composed, *first_fill),
                _ => (*inner, composed, fill),
            }
        }
        _ => return output.push(node),
    };
    node.provenance = joined(&[&source.provenance, &node.provenance]);
    node.op = FloatOp::Reindex { input: inner, map: map.clone(), fill };
    reindex(output, inner, map, fill, node)
}

/// For each position of a transposed tensor, in order, where it lies in the original of that shape.
fn positions(shape: &[usize], permutation: &[usize]) -> Vec<usize> {
    let op = FloatOp::Transpose { input: ValueId(0), permutation: permutation.to_vec() };
    let turned: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
    places(&op, shape, &turned)
}

/// The transposition that defines a value.
fn transposition(output: &Output, value: ValueId) -> Option<(ValueId, &[usize])> {
    match &output.node(value).op {
        FloatOp::Transpose { input, permutation } => Some((*input, permutation)),
        _ => None,
    }
}

/// A node on transposed operands as the same node on the operands before, and the transposition of its result.
fn below_transpose(output: &mut Output, node: &FloatNode) -> Option<(FloatNode, Vec<usize>)> {
    let operands = node.op.operands();
    let permutation = operands.iter().find_map(|&operand| transposition(output, operand))?.1.to_vec();
    let rank = permutation.len();
    let mut op = node.op.clone();
    match &mut op {
        FloatOp::Unary { .. } => {}
        FloatOp::Binary { .. } | FloatOp::Select { .. } if node.shape.len() == rank => {}
        FloatOp::Softmax { axis, .. } | FloatOp::LogSoftmax { axis, .. } | FloatOp::Concat { axis, .. } => {
            *axis = permutation[*axis];
        }
        FloatOp::Reduce { axes, .. } if node.shape.len() == rank => {
            axes.iter_mut().for_each(|axis| *axis = permutation[*axis]);
            axes.sort_unstable();
        }
        FloatOp::ArgExtremum { axis, .. } if node.shape.len() == rank => *axis = permutation[*axis],
        _ => return None,
    }
    let movable = |operand: ValueId| match transposition(output, operand) {
        Some((_, other)) => other == permutation,
        None => output.tensor(operand).is_some(),
    };
    if !operands.iter().all(|&operand| movable(operand)) {
        return None;
    }
    let op = op.clone_with(|operand| match transposition(output, operand) {
        Some((inner, _)) => inner,
        None => untransposed(output, operand, &permutation),
    });
    let mut shape = vec![0; rank];
    for (axis, &from) in permutation.iter().enumerate() {
        shape[from] = node.shape[axis];
    }
    Some((FloatNode { op, shape, ..node.clone() }, permutation))
}

/// A constant whose transposition broadcasts as the given constant does.
fn untransposed(output: &mut Output, value: ValueId, permutation: &[usize]) -> ValueId {
    let source = output.node(value).clone();
    if source.elements() == 1 && source.shape.is_empty() {
        return value;
    }
    let mut wide = vec![1; permutation.len() - source.shape.len()];
    wide.extend(&source.shape);
    let mut inverse = vec![0; permutation.len()];
    for (axis, &from) in permutation.iter().enumerate() {
        inverse[from] = axis;
    }
    let shape = inverse.iter().map(|&axis| wide[axis]).collect();
    let input = output.push(FloatNode { op: FloatOp::Reshape(value), shape: wide, ..source.clone() });
    output.push(FloatNode { op: FloatOp::Transpose { input, permutation: inverse }, shape, ..source })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::compose;
    use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, ReduceKind, UnaryFunction, ValueId};

    fn transpose(input: usize, permutation: &[usize]) -> FloatOp {
        FloatOp::Transpose { input: ValueId(input), permutation: permutation.to_vec() }
    }

    fn binary(function: BinaryFunction, a: usize, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    fn count(graph: &FloatGraph, test: fn(&FloatOp) -> bool) -> usize {
        graph.nodes.iter().filter(|node| test(&node.op)).count()
    }

    fn transpositions(graph: &FloatGraph) -> usize {
        count(graph, |op| matches!(op, FloatOp::Transpose { .. }))
    }

    #[test]
    fn channels_last_transpositions_cancel() {
        let nodes = vec![
            (transpose(0, &[0, 2, 3, 1]), &[1, 3, 4, 2][..]),
            (constant(&[2]), &[2]),
            (binary(BinaryFunction::Add, 1, 2), &[1, 3, 4, 2]),
            (FloatOp::Unary { input: ValueId(3), function: UnaryFunction::Relu }, &[1, 3, 4, 2]),
            (FloatOp::Reduce { input: ValueId(4), kind: ReduceKind::Max, axes: vec![1, 2] }, &[1, 1, 1, 2]),
            (binary(BinaryFunction::Mul, 4, 5), &[1, 3, 4, 2]),
            (FloatOp::Concat { inputs: vec![ValueId(6), ValueId(3)], axis: 3 }, &[1, 3, 4, 4]),
            (transpose(7, &[0, 3, 1, 2]), &[1, 4, 3, 4]),
        ];
        // The maximum becomes a reshape, which stands in the way of the product; without it all cancel.
        let kept = check(graph(&[1, 2, 3, 4], nodes.clone()), compose);
        assert!(transpositions(&kept) > 0);
        let mut plain = nodes;
        plain[5].0 = binary(BinaryFunction::Mul, 4, 3);
        assert_eq!(transpositions(&check(graph(&[1, 2, 3, 4], plain), compose)), 0);
    }

    #[test]
    fn reshapes_around_an_activation_cancel() {
        let nodes = vec![
            (FloatOp::Reshape(ValueId(0)), &[2, 3][..]),
            (FloatOp::Unary { input: ValueId(1), function: UnaryFunction::Relu }, &[2, 3]),
            (binary(BinaryFunction::Mul, 2, 1), &[2, 3]),
            (FloatOp::Reshape(ValueId(3)), &[1, 6]),
        ];
        let graph = check(graph(&[1, 6], nodes), compose);
        assert_eq!(count(&graph, |op| matches!(op, FloatOp::Reshape(_))), 0);
    }

    #[test]
    fn moving_axes_of_size_one_is_a_reshape() {
        let nodes = vec![(transpose(0, &[2, 0, 1]), &[1, 2, 3][..])];
        let graph = check(graph(&[2, 3, 1], nodes), compose);
        assert_eq!(transpositions(&graph), 0);
    }

    #[test]
    fn chains_of_views_become_one() {
        let reindex =
            |input, map: &[Option<u32>], fill| FloatOp::Reindex { input: ValueId(input), map: map.into(), fill };
        let nodes = vec![
            (FloatOp::Reshape(ValueId(0)), &[2, 3][..]),
            (transpose(1, &[1, 0]), &[3, 2]),
            (reindex(2, &[Some(1), None, Some(4), Some(5)], 0.0), &[4]),
            (FloatOp::Reshape(ValueId(3)), &[2, 2]),
            (transpose(4, &[1, 0]), &[2, 2]),
            (reindex(5, &[Some(0), None, Some(2)], 0.0), &[3]),
        ];
        let graph = check(graph(&[6], nodes.clone()), compose);
        assert_eq!(graph.nodes.len(), 2);
        let mut different = nodes;
        different[5].0 = reindex(5, &[Some(0), None, Some(2)], 1.0);
        assert_eq!(check(super::super::tests::graph(&[6], different), compose).nodes.len(), 3);
    }
}
