//! Going through a graph while building the next one.

use crate::float::evaluate::{apply, strides_for};
use crate::float::graph::{Element, FloatGraph, FloatNode, FloatOp, FloatPort, Tensor, ValueId};

/// The graph that a pass builds.
#[derive(Default)]
pub(super) struct Output {
    nodes: Vec<FloatNode>,
}

impl Output {
    /// The nodes.
    pub(super) fn into_nodes(self) -> Vec<FloatNode> {
        self.nodes
    }

    /// The node that defines a value.
    pub(super) fn node(&self, value: ValueId) -> &FloatNode {
        &self.nodes[value.0]
    }

    /// The tensor of a value that is a constant.
    pub(super) fn tensor(&self, value: ValueId) -> Option<&Tensor> {
        match &self.node(value).op {
            FloatOp::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Appends a node, evaluated where all that it reads is known.
    pub(super) fn push(&mut self, mut node: FloatNode) -> ValueId {
        let operands = node.op.operands();
        let tensors: Option<Vec<Tensor>> = operands.iter().map(|&operand| self.tensor(operand).cloned()).collect();
        if let Some(tensors) = tensors.filter(|tensors| !tensors.is_empty()) {
            let known = apply(&node.op, &node.shape, &tensors.iter().collect::<Vec<_>>());
            node.op = FloatOp::Constant(Tensor::constant(known.shape, known.data.to_vec()));
        }
        self.nodes.push(node);
        ValueId(self.nodes.len() - 1)
    }

    /// Appends a constant real.
    pub(super) fn push_constant(&mut self, tensor: Tensor, provenance: &[String]) -> ValueId {
        let shape = tensor.shape.clone();
        let op = FloatOp::Constant(tensor);
        self.push(FloatNode { provenance: provenance.to_vec(), op, shape, element: Element::Real })
    }
}

/// Builds a new graph. `step` is given each node in order, its operands renamed, with its index in the old graph; it
/// appends what the node becomes and gives the value.
pub(super) fn rebuild(graph: FloatGraph, mut step: impl FnMut(&mut Output, usize, FloatNode) -> ValueId) -> FloatGraph {
    let mut output = Output::default();
    let mut renamed: Vec<ValueId> = Vec::with_capacity(graph.nodes.len());
    for (index, mut node) in graph.nodes.into_iter().enumerate() {
        node.op = node.op.clone_with(|operand| renamed[operand.0]);
        let value = step(&mut output, index, node);
        renamed.push(value);
    }
    let port = |port: FloatPort| FloatPort { value: renamed[port.value.0], ..port };
    FloatGraph {
        nodes: output.nodes,
        inputs: graph.inputs.into_iter().map(port).collect(),
        outputs: graph.outputs.into_iter().map(port).collect(),
        name: graph.name,
        source_digest: graph.source_digest,
        remarks: graph.remarks,
        float32: graph.float32,
        integers: graph.integers,
    }
}

/// For each position of a shape the element that a tensor of another one has there under broadcasting.
pub(super) fn positions(from: &[usize], to: &[usize]) -> Vec<usize> {
    let strides = strides_for(from, to);
    to.iter().zip(strides).fold(vec![0], |places, (&size, stride)| {
        places.into_iter().flat_map(|place| (0..size).map(move |i| place + i * stride)).collect()
    })
}

/// For each position of what a reshape, a transposition or a re-indexing without filling makes of a tensor of a shape, where it lies in that.
pub(super) fn places(op: &FloatOp, from: &[usize], to: &[usize]) -> Vec<usize> {
    let indices = Tensor::new(from.to_vec(), (0..from.iter().product()).map(|place: usize| place as f64).collect());
    apply(op, to, &[&indices]).data.iter().map(|&place| place as usize).collect()
}

/// How often each value is read, by nodes and as an output.
pub(super) fn use_counts(graph: &FloatGraph) -> Vec<usize> {
    let mut counts = vec![0; graph.nodes.len()];
    let operands = graph.nodes.iter().flat_map(|node| node.op.operands());
    for value in operands.chain(graph.outputs.iter().map(|port| port.value)) {
        counts[value.0] += 1;
    }
    counts
}

/// Most names of a node that others became a part of; the last ones are kept.
pub(crate) const MAX_NAMES: usize = 64;

/// The names of several nodes in order, each once, the last ones where they are too many.
pub(super) fn joined(lists: &[&[String]]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for name in lists.iter().flat_map(|list| list.iter()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names.drain(..names.len().saturating_sub(MAX_NAMES));
    names
}
