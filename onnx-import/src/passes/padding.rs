//! Explicit zero padding in front of a convolution becomes part of its window.

use super::rebuild::{joined, rebuild, Output};
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, ValueId};

/// Folds padding into the convolutions that read it.
pub(super) fn fold(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, mut node| {
        if let FloatOp::Conv { input, window, .. } = &mut node.op {
            if let Some((source, padding, names)) = zero_padding(output, *input) {
                *input = source;
                window.padding.iter_mut().zip(padding).for_each(|(total, extra)| *total += extra);
                node.provenance = joined(&[&names, &node.provenance]);
            }
        }
        output.push(node)
    })
}

/// What a value pads with zeros, by how much on each side, and the names of the padding.
fn zero_padding(output: &Output, value: ValueId) -> Option<(ValueId, [usize; 4], Vec<String>)> {
    let FloatNode { op: FloatOp::Reindex { input, map, fill }, shape: padded, provenance, .. } = output.node(value)
    else {
        return None;
    };
    let [batch, channels, height, width] = output.node(*input).shape[..] else { return None };
    if *fill != 0.0 || padded[..2] != [batch, channels] || padded[2] < height || padded[3] < width {
        return None;
    }
    let first = map.iter().position(Option::is_some)?;
    let (top, left) = (first / padded[3] % padded[2], first % padded[3]);
    if top + height > padded[2] || left + width > padded[3] {
        return None;
    }
    let expected = |index: usize| {
        let (plane, row, column) = (index / (padded[2] * padded[3]), index / padded[3] % padded[2], index % padded[3]);
        let inside = (top..top + height).contains(&row) && (left..left + width).contains(&column);
        inside.then(|| (plane * height + row - top) * width + column - left)
    };
    let matches = map.iter().enumerate().all(|(index, from)| from.map(|from| from as usize) == expected(index));
    let padding = [top, left, padded[2] - height - top, padded[3] - width - left];
    matches.then(|| (*input, padding, provenance.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::fold;
    use crate::float::graph::{FloatGraph, FloatOp, ValueId, Window};

    fn padded(map: Vec<Option<u32>>, fill: f64) -> FloatGraph {
        let window = Window { kernel: [1, 2], stride: [1, 1], dilation: [1, 1], padding: [0, 0, 0, 1] };
        let reindex = FloatOp::Reindex { input: ValueId(0), map: map.into(), fill };
        let conv = FloatOp::Conv { input: ValueId(1), weights: ValueId(2), bias: None, window, groups: 1 };
        let nodes = vec![(reindex, &[1, 1, 2, 4][..]), (constant(&[1, 1, 1, 2]), &[1, 1, 1, 2]), (conv, &[1, 1, 2, 4])];
        graph(&[1, 1, 1, 2], nodes)
    }

    #[test]
    fn zero_padding_moves_into_the_window() {
        let map = vec![None, None, None, None, None, Some(0), Some(1), None];
        let graph = check(padded(map, 0.0), fold);
        assert_eq!(graph.nodes.len(), 3);
        let FloatOp::Conv { window, .. } = &graph.nodes[2].op else { panic!("a convolution") };
        assert_eq!(window.padding, [1, 1, 0, 2]);
        assert_eq!(graph.nodes[2].provenance, ["n1", "n3"]);
    }

    #[test]
    fn other_views_stay() {
        let map = vec![None, None, None, None, None, Some(0), Some(1), None];
        assert_eq!(check(padded(map, 1.0), fold).nodes.len(), 4);
        let turned = vec![None, None, None, None, None, Some(1), Some(0), None];
        assert_eq!(check(padded(turned, 0.0), fold).nodes.len(), 4);
    }
}
