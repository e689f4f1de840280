//! The largest element of a softmax is where the largest of its operand is.

use super::rebuild::{joined, rebuild};
use crate::float::graph::{FloatGraph, FloatOp};

/// Lets arg max look at the operand of a softmax along the same axis.
pub(super) fn pass_softmax(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, mut node| {
        if let FloatOp::ArgExtremum { input, axis, .. } = &mut node.op {
            let source = output.node(*input);
            match &source.op {
                FloatOp::Softmax { input: inner, axis: along } | FloatOp::LogSoftmax { input: inner, axis: along }
                    if along == axis =>
                {
                    node.provenance = joined(&[&source.provenance, &node.provenance]);
                    *input = *inner;
                }
                _ => {}
            }
        }
        output.push(node)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::pass_softmax;
    use crate::float::graph::{FloatOp, ValueId};

    #[test]
    fn softmax_falls_away_where_only_its_largest_element_is_read() {
        let nodes = |along| {
            let arg = FloatOp::ArgExtremum { input: ValueId(1), axis: 1, smallest: false, last: false };
            vec![(FloatOp::Softmax { input: ValueId(0), axis: along }, &[2, 3][..]), (arg, &[2])]
        };
        assert_eq!(check(graph(&[2, 3], nodes(1)), pass_softmax).nodes.len(), 2);
        assert_eq!(check(graph(&[2, 3], nodes(0)), pass_softmax).nodes.len(), 3);
    }
}
