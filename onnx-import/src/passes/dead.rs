//! Dead code: values that no output depends on. Inputs stay.

use crate::float::graph::{FloatGraph, FloatOp, FloatPort, ValueId};

/// Keeps what the outputs depend on, and the inputs.
pub(super) fn remove(graph: FloatGraph) -> FloatGraph {
    let mut live = vec![false; graph.nodes.len()];
    for port in &graph.outputs {
        live[port.value.0] = true;
    }
    for index in (0..graph.nodes.len()).rev() {
        let op = &graph.nodes[index].op;
        live[index] |= matches!(op, FloatOp::Input(_));
        if live[index] {
            op.operands().iter().for_each(|operand| live[operand.0] = true);
        }
    }
    let mut renamed = vec![ValueId(usize::MAX); graph.nodes.len()];
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for (index, mut node) in graph.nodes.into_iter().enumerate().filter(|(index, _)| live[*index]) {
        node.op = node.op.clone_with(|operand| renamed[operand.0]);
        renamed[index] = ValueId(nodes.len());
        nodes.push(node);
    }
    let port = |port: FloatPort| FloatPort { value: renamed[port.value.0], ..port };
    FloatGraph {
        nodes,
        inputs: graph.inputs.into_iter().map(port).collect(),
        outputs: graph.outputs.into_iter().map(port).collect(),
        ..graph
    }
}
