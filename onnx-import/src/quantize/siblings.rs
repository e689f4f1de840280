//! Values that are computed alike and lie side by side in one tensor, as the distances of an input to each of the points that a model
//! keeps do, or the votes for each class. What one sample shows of one of them, another sample may show of any other.

use std::collections::BTreeSet;

use crate::float::graph::{FloatGraph, FloatOp, ValueId};

/// Groups of siblings: operands of a concatenation that are of one shape and by one operator, and the operands of siblings that are so too.
pub(super) fn groups(graph: &FloatGraph) -> BTreeSet<Vec<ValueId>> {
    let concatenated = graph.nodes.iter().filter_map(|node| match &node.op {
        FloatOp::Concat { inputs, .. } => Some(distinct(inputs.iter().copied())),
        _ => None,
    });
    let mut pending: Vec<Vec<ValueId>> = concatenated.collect();
    let mut groups = BTreeSet::new();
    while let Some(values) = pending.pop() {
        if !are_alike(graph, &values) || groups.contains(&values) {
            continue;
        }
        let operands: Vec<Vec<ValueId>> = values.iter().map(|value| graph.node(*value).op.operands()).collect();
        let arity = operands.iter().map(Vec::len).min().unwrap_or(0);
        pending.extend((0..arity).map(|place| distinct(operands.iter().map(|own| own[place]))));
        groups.insert(values);
    }
    groups
}

/// The values, each once.
fn distinct(values: impl Iterator<Item = ValueId>) -> Vec<ValueId> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether there are several values, computed by one operator from whatever operands, and none of them given.
fn are_alike(graph: &FloatGraph, values: &[ValueId]) -> bool {
    let [first, others @ ..] = values else { return false };
    let first = graph.node(*first);
    if others.is_empty() || matches!(first.op, FloatOp::Input(_) | FloatOp::Constant(_)) {
        return false;
    }
    let operator = |op: &FloatOp| op.clone_with(|_| ValueId(0));
    let own = operator(&first.op);
    others.iter().map(|value| graph.node(*value)).all(|node| {
        (&node.shape, node.element) == (&first.shape, first.element)
            && std::mem::discriminant(&node.op) == std::mem::discriminant(&first.op)
            && operator(&node.op) == own
    })
}
