//! Nodes in the order in which they depend on one another.
//!
//! ONNX asks for that order in the file. Some tools append what they insert (the converter to half floats, for one), and runtimes sort.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::proto::{GraphProto, NodeProto};

/// Sorts the nodes of a graph, and those of the graphs within it, where one reads what a later one defines. Of nodes that may follow, the
/// first in the file does. A cycle is left for whoever reads the nodes.
pub(super) fn sort(graph: &mut GraphProto) {
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.g.as_mut().into_iter().for_each(sort);
    }
    let Some(order) = order(&graph.node) else { return };
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().map(|index| nodes[index].take().expect("an order names each node once")).collect();
}

/// The order to bring nodes to; `None` where they are in order, or none is.
fn order(nodes: &[NodeProto]) -> Option<Vec<usize>> {
    let mut makers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            makers.entry(name.as_str()).or_insert(index);
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut readers = vec![vec![]; nodes.len()];
    let mut sorted = true;
    for (index, node) in nodes.iter().enumerate() {
        let mut names = vec![];
        reads(node, &mut names);
        for &maker in names.iter().filter_map(|name| makers.get(name)) {
            waits[index] += 1;
            readers[maker].push(index);
            sorted &= maker < index;
        }
    }
    if sorted {
        return None;
    }
    let mut ready: BinaryHeap<_> = (0..nodes.len()).filter(|&index| waits[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            waits[reader] -= 1;
            if waits[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    (order.len() == nodes.len()).then_some(order)
}

/// What a node reads, graphs within it included.
fn reads<'a>(node: &'a NodeProto, names: &mut Vec<&'a str>) {
    names.extend(node.input.iter().map(String::as_str).filter(|name| !name.is_empty()));
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
        // What the graph defines itself is not read from around it.
        let mut inner = vec![];
        graph.node.iter().for_each(|node| reads(node, &mut inner));
        inner.extend(graph.output.iter().map(|output| output.name.as_str()));
        let own: std::collections::HashSet<&str> = (graph.node.iter().flat_map(|node| &node.output))
            .map(String::as_str)
            .chain(graph.input.iter().map(|input| input.name.as_str()))
            .chain(graph.initializer.iter().map(|tensor| tensor.name.as_str()))
            .collect();
        names.extend(inner.into_iter().filter(|name| !own.contains(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{attribute_kind, AttributeProto};

    fn node(inputs: &[&str], output: &str) -> NodeProto {
        let input = inputs.iter().map(|name| (*name).to_owned()).collect();
        NodeProto { input, output: vec![output.into()], op_type: "Sum".into(), ..NodeProto::default() }
    }

    fn outputs(graph: &GraphProto) -> Vec<&str> {
        graph.node.iter().map(|node| node.output[0].as_str()).collect()
    }

    #[test]
    fn nodes_follow_what_they_read() {
        let nodes = vec![node(&["b", "x"], "c"), node(&["x"], "a"), node(&["a"], "b"), node(&["c"], "d")];
        let mut graph = GraphProto { node: nodes, ..GraphProto::default() };
        sort(&mut graph);
        assert_eq!(outputs(&graph), ["a", "b", "c", "d"]);
        // in a graph within, which reads from around it too
        let body = GraphProto { node: vec![node(&["q", "late"], "p"), node(&["x"], "q")], ..GraphProto::default() };
        let branch = AttributeProto {
            name: "then".into(),
            kind: attribute_kind::GRAPH,
            g: Some(body),
            ..AttributeProto::default()
        };
        let outer = NodeProto { attribute: vec![branch], ..node(&["x"], "chosen") };
        let mut graph = GraphProto { node: vec![outer, node(&["x"], "late")], ..GraphProto::default() };
        sort(&mut graph);
        assert_eq!(outputs(&graph), ["late", "chosen"]);
        assert_eq!(outputs(graph.node[1].attribute[0].g.as_ref().unwrap()), ["q", "p"]);
    }

    #[test]
    fn what_has_no_other_order_stays() {
        for nodes in [vec![node(&["b"], "a"), node(&["a"], "b")], vec![node(&["x"], "b"), node(&["x"], "a")]] {
            let mut graph = GraphProto { node: nodes.clone(), ..GraphProto::default() };
            sort(&mut graph);
            assert_eq!(graph.node, nodes);
        }
    }
}
