//! Common subexpressions: equal operators on equal operands become one node.

use super::rebuild::rebuild;
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, ValueId};
use std::collections::hash_map::DefaultHasher;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

/// Merges nodes that compute the same.
pub(super) fn merge(graph: FloatGraph) -> FloatGraph {
    let mut known: HashMap<u64, Vec<ValueId>> = HashMap::new();
    rebuild(graph, |output, _, node| {
        if matches!(node.op, FloatOp::Input(_)) {
            return output.push(node);
        }
        let candidates = known.entry(fingerprint(&node)).or_default();
        let same = |value: &&ValueId| {
            let other = output.node(**value);
            other.op == node.op && other.shape == node.shape && other.element == node.element
        };
        if let Some(value) = candidates.iter().find(same) {
            return *value;
        }
        let value = output.push(node);
        candidates.push(value);
        value
    })
}

/// Equal nodes have equal fingerprints; of a constant only the first elements count.
fn fingerprint(node: &FloatNode) -> u64 {
    let mut hasher = DefaultHasher::new();
    discriminant(&node.op).hash(&mut hasher);
    node.op.operands().hash(&mut hasher);
    node.shape.hash(&mut hasher);
    match &node.op {
        FloatOp::Constant(tensor) => {
            // Zero has two bit patterns.
            tensor.data.head().iter().for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
        }
        FloatOp::Reindex { map, .. } => map.iter().take(8).for_each(|index| index.hash(&mut hasher)),
        _ => {}
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::merge;
    use crate::float::graph::{BinaryFunction, FloatOp, ValueId};

    #[test]
    fn equal_sums_are_computed_once() {
        let add = |a, b| FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(a), ValueId(b)] };
        let nodes = vec![
            (constant(&[3]), &[3][..]),
            (constant(&[3]), &[3]),
            (add(0, 1), &[3]),
            (add(0, 2), &[3]),
            (add(3, 4), &[3]),
        ];
        assert_eq!(check(graph(&[3], nodes), merge).nodes.len(), 4);
    }
}
