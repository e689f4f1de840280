//! Positions that nobody reads. A model that answers by its last token, or by a token for the class, reads one position of what
//! its last layer computes; queries, shares, sums with the residual, normalizations and dense layers need no others.
//!
//! Of each value the positions that are read are found from the outputs up: of each axis those indices at which some element is
//! read. Operators that work element by element, or along other axes, are then computed there alone, and what they read is picked
//! from what is computed for others. An operator that does not work axis by axis is computed whole.
//!
//! A function of a sum of products that only it reads belongs to the sum, by whose requantization it comes for nothing: it is
//! computed wherever the sum is.

use std::sync::Arc;

use super::rebuild::{rebuild, use_counts, Output};
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, Tensor, ValueId};

/// How often functions are given back to the sums that they belong to; a graph that needs more stays as it is.
const MAX_ROUNDS: usize = 64;

/// Leaves out the positions that nobody reads. Values that nobody reads at all go, too.
pub(super) fn remove(graph: FloatGraph) -> FloatGraph {
    let Some(kept) = settled(&graph).filter(|kept| kept.iter().flatten().any(|kept| !kept.is_all())) else {
        return graph;
    };
    let sources: Vec<Vec<ValueId>> = graph.nodes.iter().map(|node| node.op.operands()).collect();
    let shapes: Vec<Vec<usize>> = graph.nodes.iter().map(|node| node.shape.clone()).collect();
    rebuild(graph, |output, index, node| {
        let Some(mine) = &kept[index] else { return ValueId(usize::MAX) };
        let shapes: Vec<&[usize]> = sources[index].iter().map(|source| &shapes[source.0][..]).collect();
        let operands = sources[index].iter().zip(&shapes).map(|(source, shape)| Operand {
            kept: kept[source.0].clone().unwrap_or_else(|| Kept::nothing(shape)),
            shape,
        });
        let operands: Vec<Operand> = operands.collect();
        shrunk(output, node, mine, &operands)
    })
}

/// The indices of each axis at which elements are read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept(Vec<Vec<bool>>);

impl Kept {
    fn nothing(shape: &[usize]) -> Self {
        Self(shape.iter().map(|&size| vec![false; size]).collect())
    }

    fn all(shape: &[usize]) -> Self {
        Self(shape.iter().map(|&size| vec![true; size]).collect())
    }

    fn is_all(&self) -> bool {
        self.0.iter().flatten().all(|kept| *kept)
    }

    fn is_nothing(&self) -> bool {
        self.0.iter().any(|axis| !axis.contains(&true))
    }

    /// Whether something has to be computed for this: elements, or a value that has none.
    fn is_needed(&self) -> bool {
        !self.is_nothing() || self.0.iter().any(Vec::is_empty)
    }

    fn all_along(&mut self, axis: usize) {
        self.0[axis].fill(true);
    }

    /// Adds the indices of a position, row-major.
    fn add_position(&mut self, mut position: usize) {
        for axis in self.0.iter_mut().rev() {
            let size = axis.len();
            axis[position % size] = true;
            position /= size;
        }
    }

    fn add(&mut self, other: &Self) {
        let cells = self.0.iter_mut().flatten().zip(other.0.iter().flatten());
        cells.for_each(|(kept, other)| *kept |= other);
    }

    /// The shape of what is kept.
    fn shape(&self) -> Vec<usize> {
        self.0.iter().map(|axis| axis.iter().filter(|kept| **kept).count()).collect()
    }

    /// The positions that are kept, row-major, in increasing order.
    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0];
        for axis in &self.0 {
            let indices = || axis.iter().enumerate().filter(|(_, kept)| **kept).map(|(index, _)| index);
            positions =
                positions.iter().flat_map(|&first| indices().map(move |index| first * axis.len() + index)).collect();
        }
        positions
    }

    /// For each position its place among those that are kept, whatever for others.
    fn places(&self) -> Vec<u32> {
        let mut places = vec![u32::MAX; self.0.iter().map(Vec::len).product()];
        (0..).zip(self.positions()).for_each(|(place, position)| places[position] = place);
        places
    }

    /// What is read of an operand that is broadcast to this.
    fn before_broadcast(&self, shape: &[usize]) -> Self {
        let axes = self.0[self.0.len() - shape.len()..].iter().zip(shape);
        Self(
            axes.map(|(axis, &size)| if size == axis.len() { axis.clone() } else { vec![axis.contains(&true); size] })
                .collect(),
        )
    }
}

/// An operand, and what is computed of it.
struct Operand<'a> {
    kept: Kept,
    shape: &'a [usize],
}

/// What is kept of each value: of those that nobody reads nothing. `None` where it takes too many rounds to settle.
fn settled(graph: &FloatGraph) -> Option<Vec<Option<Kept>>> {
    let readers = use_counts(graph);
    let mut whole = vec![false; graph.nodes.len()];
    for _ in 0..MAX_ROUNDS {
        let kept = read_positions(graph, &whole);
        let apart = (0..graph.nodes.len()).filter(|&index| leaves_its_sum(graph, &kept, &readers, index));
        let apart: Vec<usize> = apart.collect();
        if apart.is_empty() {
            return Some(kept);
        }
        apart.into_iter().for_each(|index| whole[index] = true);
    }
    None
}

/// What is read of each value, from the outputs up, where some are to be computed whole.
fn read_positions(graph: &FloatGraph, whole: &[bool]) -> Vec<Option<Kept>> {
    let mut kept: Vec<Option<Kept>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let is_port = |ports: &[crate::float::graph::FloatPort]| ports.iter().any(|port| port.value.0 == index);
        if matches!(node.op, FloatOp::Input(_)) || is_port(&graph.outputs) {
            kept[index] = Some(Kept::all(&node.shape));
        }
    }
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let Some(mut mine) = kept[index].take() else { continue };
        match whole[index] {
            true => mine = Kept::all(&node.shape),
            false => widen(graph, node, &mut mine),
        }
        let operands = node.op.operands();
        let shapes: Vec<&[usize]> = operands.iter().map(|operand| &graph.nodes[operand.0].shape[..]).collect();
        for (operand, read) in operands.iter().zip(reads(node, &shapes, &mine)).filter(|(_, read)| read.is_needed()) {
            match &mut kept[operand.0] {
                Some(known) => known.add(&read),
                unread => *unread = Some(read),
            }
        }
        kept[index] = Some(mine);
    }
    kept
}

/// Adds what can't be left out of an operator's result.
fn widen(graph: &FloatGraph, node: &FloatNode, kept: &mut Kept) {
    let is_constant = |value: &ValueId| matches!(graph.nodes[value.0].op, FloatOp::Constant(_));
    let rank = node.shape.len();
    match &node.op {
        FloatOp::Reshape(_)
        | FloatOp::Transpose { .. }
        | FloatOp::Reindex { .. }
        | FloatOp::Concat { .. }
        | FloatOp::Unary { .. }
        | FloatOp::Binary { .. }
        | FloatOp::Select { .. }
        | FloatOp::Reduce { .. } => {}
        FloatOp::Softmax { axis, .. }
        | FloatOp::MaskedSoftmax { axis, .. }
        | FloatOp::GatedSoftmax { axis, .. }
        | FloatOp::LogSoftmax { axis, .. } => kept.all_along(*axis),
        FloatOp::Normalize { axes, .. } => axes.iter().for_each(|&axis| kept.all_along(axis)),
        FloatOp::MatMul(a, b) if [a, b].iter().all(|value| graph.nodes[value.0].shape.len() > 1) => {
            // The weights of a layer stay in one piece.
            if is_constant(a) {
                kept.all_along(rank - 2);
            }
            if is_constant(b) {
                kept.all_along(rank - 1);
            }
        }
        _ => *kept = Kept::all(&node.shape),
    }
}

/// What an operator reads of its operands, of these shapes, to give what is kept of its result.
fn reads(node: &FloatNode, shapes: &[&[usize]], kept: &Kept) -> Vec<Kept> {
    let alike = || shapes.iter().map(|shape| kept.before_broadcast(shape)).collect();
    match &node.op {
        FloatOp::Reshape(_) if kept.is_all() => vec![Kept::all(shapes[0])],
        FloatOp::Reshape(_) => {
            let mut read = Kept::nothing(shapes[0]);
            kept.positions().into_iter().for_each(|position| read.add_position(position));
            vec![read]
        }
        FloatOp::Reindex { map, .. } => {
            let mut read = Kept::nothing(shapes[0]);
            let from = kept.positions().into_iter().filter_map(|position| map[position]);
            from.for_each(|position| read.add_position(position as usize));
            vec![read]
        }
        FloatOp::Transpose { permutation, .. } => {
            let mut read = Kept::nothing(shapes[0]);
            permutation.iter().zip(&kept.0).for_each(|(&from, axis)| read.0[from].clone_from(axis));
            vec![read]
        }
        FloatOp::Concat { axis, .. } => {
            let mut first = 0;
            let of_input = shapes.iter().map(|shape| {
                let mut read = kept.clone();
                read.0[*axis] = kept.0[*axis][first..first + shape[*axis]].to_vec();
                first += shape[*axis];
                read
            });
            of_input.collect()
        }
        FloatOp::Reduce { axes, .. } => {
            let mut left = kept.0.iter();
            let keeps_axes = kept.0.len() == shapes[0].len();
            let axis = |(axis, &size): (usize, &usize)| {
                let reduced = axes.contains(&axis);
                let kept = if reduced && !keeps_axes { None } else { left.next() };
                kept.filter(|_| !reduced).cloned().unwrap_or_else(|| vec![true; size])
            };
            vec![Kept(shapes[0].iter().enumerate().map(axis).collect())]
        }
        FloatOp::MatMul(..) if shapes.iter().all(|shape| shape.len() > 1) => {
            let rank = kept.0.len();
            let of_operand = |(operand, shape): (usize, &&[usize])| {
                let mut kept = kept.clone();
                // The axis that is summed over.
                let summed = shape[shape.len() - 1 - usize::from(operand == 1)];
                kept.0[rank - 1 - usize::from(operand == 1)] = vec![true; summed];
                kept.before_broadcast(shape)
            };
            shapes.iter().enumerate().map(of_operand).collect()
        }
        FloatOp::Unary { .. }
        | FloatOp::Binary { .. }
        | FloatOp::Select { .. }
        | FloatOp::Softmax { .. }
        | FloatOp::MaskedSoftmax { .. }
        | FloatOp::GatedSoftmax { .. }
        | FloatOp::LogSoftmax { .. }
        | FloatOp::Normalize { .. } => alike(),
        _ => shapes.iter().map(|shape| Kept::all(shape)).collect(),
    }
}

/// Whether a node is to be computed at fewer positions than a value that only it reads, through views or not: in its place stands
/// what the value can become in one step.
fn leaves_its_sum(graph: &FloatGraph, kept: &[Option<Kept>], readers: &[usize], index: usize) -> bool {
    let read_by = |index: usize, mine: &Kept| {
        let node = &graph.nodes[index];
        let operands = node.op.operands();
        let shapes: Vec<&[usize]> = operands.iter().map(|operand| &graph.nodes[operand.0].shape[..]).collect();
        let reads = reads(node, &shapes, mine);
        operands.into_iter().zip(reads).collect::<Vec<_>>()
    };
    let node = &graph.nodes[index];
    let Some(mine) = kept[index].as_ref().filter(|kept| !is_view(&node.op) && !kept.is_all()) else { return false };
    read_by(index, mine).into_iter().any(|(mut value, mut read)| loop {
        let source = &graph.nodes[value.0];
        if readers[value.0] > 1 || matches!(source.op, FloatOp::Input(_) | FloatOp::Constant(_)) {
            break false;
        }
        if !is_view(&source.op) {
            break kept[value.0].as_ref() != Some(&read);
        }
        (value, read) = read_by(value.0, &read).swap_remove(0);
    })
}

fn is_view(op: &FloatOp) -> bool {
    matches!(op, FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { .. })
}

/// Appends what is kept of a node; its operands are renamed, and what there is of them is told.
fn shrunk(output: &mut Output, node: FloatNode, kept: &Kept, operands: &[Operand]) -> ValueId {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.shape).collect();
    let reads = reads(&node, &shapes, kept);
    let is_whole = |(operand, read): (&Operand, &Kept)| operand.kept == *read && operand.kept.is_all();
    if kept.is_all() && operands.iter().zip(&reads).all(is_whole) {
        return output.push(node);
    }
    let shape = kept.shape();
    match &node.op {
        FloatOp::Reshape(input) => {
            let map = kept.positions().into_iter().map(Some);
            view(output, *input, map, 0.0, &operands[0], FloatNode { shape, ..node.clone() })
        }
        FloatOp::Reindex { input, map, fill } => {
            let positions = kept.positions();
            let map = positions.into_iter().map(|position| map[position].map(|from| from as usize));
            view(output, *input, map, *fill, &operands[0], FloatNode { shape, ..node.clone() })
        }
        _ => {
            let inputs = node.op.operands().into_iter().zip(operands.iter().zip(&reads));
            let inputs = inputs.filter(|(_, (_, read))| read.is_needed());
            let mut inputs = inputs.map(|(input, (operand, read))| {
                if operand.kept == *read {
                    return input;
                }
                let shape = read.shape();
                let picked = FloatNode { shape, element: output.node(input).element, ..node.clone() };
                view(output, input, read.positions().into_iter().map(Some), 0.0, operand, picked)
            });
            let op = match &node.op {
                FloatOp::Concat { axis, .. } => FloatOp::Concat { inputs: inputs.collect(), axis: *axis },
                op => op.clone_with(|_| inputs.next().expect("operators but that read of all their operands")),
            };
            let op = of_positions(op, kept);
            output.push(FloatNode { op, shape, ..node })
        }
    }
}

/// An operator with what it has for each element, at the positions that are kept.
fn of_positions(op: FloatOp, kept: &Kept) -> FloatOp {
    let picked =
        |all: &Arc<[bool]>| -> Arc<[bool]> { kept.positions().into_iter().map(|position| all[position]).collect() };
    match op {
        FloatOp::MaskedSoftmax { input, axis, kept } => match picked(&kept) {
            kept if kept.contains(&false) => FloatOp::MaskedSoftmax { input, axis, kept },
            _ => FloatOp::Softmax { input, axis },
        },
        FloatOp::GatedSoftmax { input, gate, axis, shared } => {
            FloatOp::GatedSoftmax { input, gate, axis, shared: shared.as_ref().map(picked) }
        }
        op => op,
    }
}

/// Appends a node that has these positions of a value, where some of these are there.
fn view(
    output: &mut Output,
    input: ValueId,
    map: impl Iterator<Item = Option<usize>>,
    fill: f64,
    operand: &Operand,
    node: FloatNode,
) -> ValueId {
    let places = operand.kept.places();
    let map: Arc<[Option<u32>]> = map.map(|position| position.map(|position| places[position])).collect();
    if map.iter().all(Option::is_none) {
        let filled = Tensor::constant(node.shape.clone(), vec![fill; map.len()]);
        return output.push(FloatNode { op: FloatOp::Constant(filled), ..node });
    }
    let same = output.node(input).elements() == map.len() && (0..).zip(map.iter()).all(|(at, from)| *from == Some(at));
    let op = if same { FloatOp::Reshape(input) } else { FloatOp::Reindex { input, map, fill } };
    output.push(FloatNode { op, ..node })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::*;
    use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, Window};

    fn binary(function: BinaryFunction, a: usize, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    fn add(a: usize, b: usize) -> FloatOp {
        binary(BinaryFunction::Add, a, b)
    }

    fn unary(input: usize) -> FloatOp {
        FloatOp::Unary { input: ValueId(input), function: UnaryFunction::Relu }
    }

    fn matmul(a: usize, b: usize) -> FloatOp {
        FloatOp::MatMul(ValueId(a), ValueId(b))
    }

    fn transpose(input: usize, permutation: &[usize]) -> FloatOp {
        FloatOp::Transpose { input: ValueId(input), permutation: permutation.to_vec() }
    }

    fn normalize(input: usize, axis: usize) -> FloatOp {
        FloatOp::Normalize { input: ValueId(input), axes: vec![axis], centered: true, epsilon: 1e-3 }
    }

    fn pick(input: usize, from: impl IntoIterator<Item = u32>) -> FloatOp {
        FloatOp::Reindex { input: ValueId(input), map: from.into_iter().map(Some).collect(), fill: 0.0 }
    }

    fn shapes(graph: &FloatGraph, test: impl Fn(&FloatOp) -> bool) -> Vec<Vec<usize>> {
        graph.nodes.iter().filter(|node| test(&node.op)).map(|node| node.shape.clone()).collect()
    }

    /// A layer of attention over five tokens of four numbers, of which the last one is read.
    #[test]
    fn the_last_layer_is_computed_for_the_last_token() {
        let mask: Arc<[bool]> = (0..25).map(|at| at % 5 <= at / 5).collect();
        let softmax = FloatOp::MaskedSoftmax { input: ValueId(8), axis: 1, kept: mask };
        let nodes = vec![
            (normalize(0, 1), &[5, 4][..]),
            (constant(&[4, 4]), &[4, 4]),
            (matmul(1, 2), &[5, 4]),
            (constant(&[4, 8]), &[4, 8]),
            (matmul(1, 4), &[5, 8]),
            (transpose(5, &[1, 0]), &[8, 5]),
            (pick(6, 0..20), &[4, 5]),
            (matmul(3, 7), &[5, 5]),
            (softmax, &[5, 5]),
            (pick(5, (0..5).flat_map(|row| 8 * row + 4..8 * row + 8)), &[5, 4]),
            (matmul(9, 10), &[5, 4]),
            (add(0, 11), &[5, 4]),
            (normalize(12, 1), &[5, 4]),
            (matmul(13, 2), &[5, 4]),
            (unary(14), &[5, 4]),
            (add(12, 15), &[5, 4]),
            (FloatOp::Reshape(ValueId(16)), &[1, 5, 4]),
            (pick(17, 16..20), &[1, 1, 4]),
        ];
        let found = check(graph(&[5, 4], nodes), remove);
        let products = shapes(&found, |op| matches!(op, FloatOp::MatMul(..)));
        assert_eq!(products, [&[1, 4][..], &[5, 8], &[1, 5], &[1, 4], &[1, 4]]);
        assert_eq!(shapes(&found, |op| matches!(op, FloatOp::Normalize { .. })), [[5, 4], [1, 4]]);
        assert_eq!(shapes(&found, |op| matches!(op, FloatOp::Binary { .. })), [[1, 4], [1, 4]]);
        let whole_row = shapes(&found, |op| matches!(op, FloatOp::Softmax { .. }));
        assert_eq!(whole_row, [[1, 5]], "the mask of the last token leaves nothing out");
    }

    #[test]
    fn what_belongs_to_a_sum_stays_with_it() {
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
        let conv = FloatOp::Conv { input: ValueId(0), weights: ValueId(1), bias: None, window, groups: 1 };
        let nodes = |readers: usize| {
            let mut nodes = vec![
                (constant(&[3, 2, 1, 1]), &[3, 2, 1, 1][..]),
                (conv.clone(), &[1, 3, 4, 4]),
                (FloatOp::Reshape(ValueId(2)), &[3, 16]),
                (unary(3), &[3, 16]),
                (unary(4), &[3, 16]),
                (pick(5, [3, 4]), &[2]),
            ];
            if readers > 1 {
                nodes.push((FloatOp::Reduce { input: ValueId(2), kind: ReduceKind::Sum, axes: vec![0, 1, 2, 3] }, &[]));
                nodes.push((add(6, 7), &[2]));
            }
            nodes
        };
        let rows = |readers| {
            let found = check(graph(&[1, 2, 4, 4], nodes(readers)), remove);
            shapes(&found, |op| matches!(op, FloatOp::Unary { .. }))
        };
        assert_eq!(rows(1), [[3, 16], [3, 16]]);
        assert_eq!(rows(2), [[1, 2], [1, 2]], "the sum is an element of its own");
    }

    #[test]
    fn all_that_works_along_axes_is_left_out_along_others() {
        let nodes = vec![
            (unary(0), &[3, 4][..]),
            (FloatOp::Reduce { input: ValueId(1), kind: ReduceKind::Mean, axes: vec![0] }, &[4]),
            (FloatOp::Reduce { input: ValueId(0), kind: ReduceKind::Max, axes: vec![0] }, &[1, 4]),
            (constant(&[3, 4]), &[3, 4]),
            (FloatOp::Select { condition: ValueId(4), then: ValueId(2), otherwise: ValueId(3) }, &[3, 4]),
            (FloatOp::Concat { inputs: vec![ValueId(5), ValueId(3), ValueId(1)], axis: 0 }, &[7, 4]),
            (FloatOp::LogSoftmax { input: ValueId(6), axis: 0 }, &[7, 4]),
            (FloatOp::Concat { inputs: vec![ValueId(7), ValueId(6)], axis: 1 }, &[7, 8]),
            // Of one column of the logarithms, and none of the other input.
            (pick(8, (0..7).map(|row| 8 * row + 2)), &[7]),
        ];
        let found = check(graph(&[3, 4], nodes), remove);
        assert_eq!(shapes(&found, |op| matches!(op, FloatOp::LogSoftmax { .. })), [[7, 1]]);
        assert_eq!(shapes(&found, |op| matches!(op, FloatOp::Select { .. })), [[3, 1]]);
        assert_eq!(shapes(&found, |op| matches!(op, FloatOp::Unary { .. })), [[3, 1]]);
    }

    #[test]
    fn fills_that_alone_are_read_are_constants() {
        let padded: Arc<[Option<u32>]> = [None, Some(0), Some(1), None].into();
        let nodes = vec![
            (unary(0), &[2][..]),
            (FloatOp::Reindex { input: ValueId(1), map: padded, fill: 0.5 }, &[4]),
            (pick(2, [0, 3]), &[2]),
            (add(3, 0), &[2]),
        ];
        let found = check(graph(&[2], nodes), remove);
        assert!(shapes(&found, |op| matches!(op, FloatOp::Unary { .. } | FloatOp::Reindex { .. })).is_empty());
    }

    #[test]
    fn what_is_read_whole_stays_as_it_is() {
        let nodes = vec![(unary(0), &[3][..]), (pick(1, [2, 1, 0]), &[3]), (add(1, 2), &[3])];
        let graph = graph(&[3], nodes);
        assert_eq!(remove(graph.clone()), graph);
    }
}
