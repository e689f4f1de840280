//! Maxima of windows are taken before what never decreases: products by a positive scale, biases, roundings, Relu, and bounds.
//!
//! Float32's roundings never decrease, so the largest of some results is the result of the largest operand, to the bit, as long as all
//! elements of a window have the same scale and bias. Pooling behind a convolution is then of its exact sums, and what follows is computed
//! for the elements that are left.

use std::sync::Arc;

use circuits::graph::ViewElement;

use super::{Float32Graph, Float32Id, Float32Node, Float32Op};

/// Takes each maximum as early as that goes.
pub(crate) fn take_early(graph: Float32Graph) -> Float32Graph {
    let mut uses = vec![0usize; graph.nodes.len()];
    let operands = graph.nodes.iter().flat_map(|node| node.op.operands());
    operands.chain(graph.outputs.iter().copied()).for_each(|id| uses[id] += 1);
    let mut out = Float32Graph::default();
    let mut renamed: Vec<Float32Id> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let id = match &node.op {
            Float32Op::Largest { input, windows, size } => {
                let (steps, start) = steps_behind(&graph, &uses, *input, windows, *size);
                let op = Float32Op::Largest { input: renamed[start], windows: windows.clone(), size: *size };
                let mut value = push(&mut out, &node.label, op, node.elements);
                for step in steps.iter().rev() {
                    value = applied(&graph, &mut out, &renamed, *step, value, windows, *size);
                }
                value
            }
            op => push(&mut out, &node.label, op.renamed(|operand| renamed[operand]), node.elements),
        };
        renamed.push(id);
    }
    out.outputs = graph.outputs.iter().map(|&output| renamed[output]).collect();
    out.values = graph.values.iter().map(|(&value, &id)| (value, renamed[id])).collect();
    out.without_dead()
}

fn push(out: &mut Float32Graph, label: &str, op: Float32Op, elements: usize) -> Float32Id {
    out.nodes.push(Float32Node { label: label.to_owned(), op, elements });
    out.nodes.len() - 1
}

/// An operator that never decreases with one operand, and the other one, which is the same within windows.
#[derive(Clone, Copy, Debug)]
struct Step {
    node: Float32Id,
    other: Option<Float32Id>,
}

/// The operators from `from` back that never decrease and that nothing else reads, the last first, and what they start from.
fn steps_behind(
    graph: &Float32Graph,
    uses: &[usize],
    from: Float32Id,
    windows: &[u32],
    size: usize,
) -> (Vec<Step>, Float32Id) {
    let (mut steps, mut at) = (Vec::new(), from);
    while uses[at] == 1 {
        let same = |id: Float32Id| is_same_within(graph, id, windows, size);
        let (next, other) = match graph.nodes[at].op {
            Float32Op::Relu(input) | Float32Op::Clip { input, .. } | Float32Op::Float(input) => (input, None),
            Float32Op::Sum { operands: [a, b], .. } if same(b) => (a, Some(b)),
            Float32Op::Product([a, b]) if same(b) && is_scale(graph, b) => (a, Some(b)),
            Float32Op::Product([a, b]) if same(a) && is_scale(graph, a) => (b, Some(a)),
            _ => break,
        };
        steps.push(Step { node: at, other });
        at = next;
    }
    (steps, at)
}

/// Whether a value is the scale of dynamic quantization, or that times positive constants, or elements of these.
pub(crate) fn is_scale(graph: &Float32Graph, id: Float32Id) -> bool {
    match &graph.nodes[id].op {
        Float32Op::Scale(_) => true,
        Float32Op::View { sources, map } => {
            !map.contains(&ViewElement::Zero) && sources.iter().all(|&source| is_scale(graph, source))
        }
        Float32Op::Constant(values) => values.iter().all(|&value| value > 0.0),
        Float32Op::Product([a, b]) => is_scale(graph, *a) && is_scale(graph, *b),
        _ => false,
    }
}

/// Whether all elements of each window are the same one of a view, or equal constants.
fn is_same_within(graph: &Float32Graph, id: Float32Id, windows: &[u32], size: usize) -> bool {
    let same = |equal: &dyn Fn(usize, usize) -> bool| {
        windows.chunks_exact(size).all(|window| window.iter().all(|&at| equal(at as usize, window[0] as usize)))
    };
    match &graph.nodes[id].op {
        Float32Op::Constant(values) => same(&|a, b| values[a].to_bits() == values[b].to_bits()),
        Float32Op::View { map, .. } => same(&|a, b| map[a] == map[b]),
        _ => false,
    }
}

/// A step on the largest elements of windows.
fn applied(
    graph: &Float32Graph,
    out: &mut Float32Graph,
    renamed: &[Float32Id],
    step: Step,
    value: Float32Id,
    windows: &[u32],
    size: usize,
) -> Float32Id {
    let node = &graph.nodes[step.node];
    let elements = windows.len() / size;
    let other = step.other.map(|other| {
        let firsts = || windows.chunks_exact(size).map(|window| window[0] as usize);
        let op = match &graph.nodes[other].op {
            Float32Op::Constant(values) => Float32Op::Constant(firsts().map(|at| values[at]).collect()),
            Float32Op::View { sources, map } => {
                let map: Arc<[ViewElement]> = firsts().map(|at| map[at]).collect();
                Float32Op::View { sources: sources.iter().map(|&source| renamed[source]).collect(), map }
            }
            _ => unreachable!("what is the same within windows is a constant or a view"),
        };
        push(out, &graph.nodes[other].label, op, elements)
    });
    let op = match (&node.op, other) {
        (&Float32Op::Sum { subtracts, .. }, Some(other)) => Float32Op::Sum { operands: [value, other], subtracts },
        (Float32Op::Product(_), Some(other)) => Float32Op::Product([value, other]),
        (op, _) => op.renamed(|_| value),
    };
    push(out, &node.label, op, elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::graph::{Tensor, Window};

    /// `max over pairs (float(conv(centered(x)))·(scale·0.01) + bias)`, the bias by pairs or by elements.
    fn graph(bias: &[f32]) -> Float32Graph {
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
        let convolution = Float32Op::Convolution {
            input: 1,
            shape: [1, 4, 1],
            weights: vec![3].into(),
            outputs: [1, 4, 1],
            window,
            groups: 1,
        };
        let element = |index| ViewElement::Element { source: 0, index };
        let ops = vec![
            (Float32Op::Input(0), 4),
            (Float32Op::Centered(0), 4),
            (Float32Op::Scale(0), 1),
            (Float32Op::Constant(vec![0.01].into()), 1),
            (Float32Op::Product([2, 3]), 1),
            (convolution, 4),
            (Float32Op::Float(5), 4),
            (Float32Op::View { sources: vec![4], map: vec![element(0); 4].into() }, 4),
            (Float32Op::Product([6, 7]), 4),
            (Float32Op::Constant(bias.into()), 4),
            (Float32Op::Sum { operands: [8, 9], subtracts: false }, 4),
            (Float32Op::Relu(10), 4),
            (Float32Op::Largest { input: 11, windows: vec![0, 1, 2, 3].into(), size: 2 }, 2),
        ];
        let node = |(op, elements)| Float32Node { label: "n".into(), op, elements };
        Float32Graph { nodes: ops.into_iter().map(node).collect(), outputs: vec![12], ..Float32Graph::default() }
    }

    fn place_of_maximum(graph: &Float32Graph) -> &Float32Op {
        let maximum = graph.nodes.iter().find_map(|node| match node.op {
            Float32Op::Largest { input, .. } => Some(input),
            _ => None,
        });
        &graph.nodes[maximum.expect("there is one")].op
    }

    #[test]
    fn maxima_are_those_of_sums() {
        for (bias, by_sums) in [([0.1, 0.1, -0.3, -0.3], true), ([0.1, 0.2, -0.3, -0.3], false)] {
            let before = graph(&bias);
            let after = take_early(before.clone());
            assert_eq!(matches!(place_of_maximum(&after), Float32Op::Convolution { .. }), by_sums);
            for x in [[0.3, -0.7, 0.11, 0.09], [1.0, 2.0, -4.0, 0.0], [0.0; 4]] {
                let inputs = [Tensor::new(vec![4], x.to_vec())];
                assert_eq!(before.evaluate(&inputs, |_, _| {}), after.evaluate(&inputs, |_, _| {}));
            }
        }
    }
}
