//! What reads the values of a graph.

use std::collections::HashSet;

use crate::float::graph::{FloatGraph, ValueId};

/// The readers of each value, found once for all.
pub(super) struct Uses {
    readers: Vec<Vec<ValueId>>,
    outputs: HashSet<ValueId>,
}

impl Uses {
    /// Looks a graph over.
    pub(super) fn of(graph: &FloatGraph) -> Self {
        let mut readers = vec![vec![]; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for operand in node.op.operands() {
                let known: &mut Vec<ValueId> = &mut readers[operand.0];
                if known.last() != Some(&ValueId(index)) {
                    known.push(ValueId(index));
                }
            }
        }
        Self { readers, outputs: graph.outputs.iter().map(|port| port.value).collect() }
    }

    /// The values that are computed from this one directly, each once, in their order.
    pub(super) fn readers(&self, value: ValueId) -> &[ValueId] {
        &self.readers[value.0]
    }

    /// Whether a value is an output of the model.
    pub(super) fn is_output(&self, value: ValueId) -> bool {
        self.outputs.contains(&value)
    }
}
