//! Softmax over elements some of which are masked: what is added to them, or put in their place, is as good as `−∞`.
//!
//! | before the softmax | masked |
//! | --- | --- |
//! | a choice by a constant condition between data and a number, as a view with a fill or as a selection | where the number is |
//! | a constant added to data | where it is at most [`NEGLIGIBLE`] |
//!
//! A masked element's share is exactly zero in the float types, so it is here. A row without any other element is not
//! defined in the standard, or is what it is without the mask; such a softmax stays as it is.

use super::rebuild::{joined, rebuild, Output};
use crate::float::evaluate::strides_for;
use crate::float::evaluate::Odometer;
use crate::float::graph::{BinaryFunction, FloatGraph, FloatNode, FloatOp, Tensor, ValueId};

/// What is added at least to mask an element, the least in use being −10⁴: its exponential beside any other is zero.
const NEGLIGIBLE: f64 = -9e3;

/// Puts [`FloatOp::MaskedSoftmax`] in the place of a softmax of masked elements.
pub(super) fn fold(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, mut node| {
        if let FloatOp::Softmax { input, axis } = node.op {
            if let Some(Masked { source, kept, names }) = Masked::of(output, input, axis) {
                let names: Vec<&[String]> = names.iter().map(Vec::as_slice).chain([&node.provenance[..]]).collect();
                node.provenance = joined(&names);
                node.op = FloatOp::MaskedSoftmax { input: source, axis, kept: kept.into() };
            }
        }
        output.push(node)
    })
}

/// A value some of whose elements are masked.
struct Masked {
    /// The value without the mask.
    source: ValueId,
    kept: Vec<bool>,
    names: Vec<Vec<String>>,
}

impl Masked {
    /// The masked value behind a value, if each row along the axis keeps an element.
    fn of(output: &mut Output, value: ValueId, axis: usize) -> Option<Self> {
        let mut masked = Self { source: value, kept: vec![true; output.node(value).elements()], names: Vec::new() };
        while masked.strip(output).is_some() {}
        let shape = &output.node(value).shape;
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let row = |first: usize| (0..size).any(|at| masked.kept[first + at * inner]);
        let mut firsts = (0..masked.kept.len()).filter(|index| index / inner % size == 0);
        (masked.kept.contains(&false) && firsts.all(row)).then_some(masked)
    }

    /// Takes the outermost mask off.
    fn strip(&mut self, output: &mut Output) -> Option<()> {
        let node = output.node(self.source).clone();
        let (source, kept) = match &node.op {
            FloatOp::Reindex { input, map, fill } if *fill <= NEGLIGIBLE => {
                let kept = map.iter().map(Option::is_some).collect();
                let straight = |(index, from): (usize, &Option<u32>)| from.is_none_or(|from| from as usize == index);
                let same = output.node(*input).shape == node.shape && map.iter().enumerate().all(straight);
                let op = FloatOp::Reindex { input: *input, map: map.clone(), fill: 0.0 };
                (if same { *input } else { output.push(FloatNode { op, ..node.clone() }) }, kept)
            }
            FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } => {
                let (data, constant) = match (output.tensor(*a), output.tensor(*b)) {
                    (None, Some(constant)) => (*a, constant),
                    (Some(constant), None) => (*b, constant),
                    _ => return None,
                };
                without_constant(output, data, &spread(constant, &node.shape), &node)?
            }
            FloatOp::Select { condition, then, otherwise } => {
                let condition = spread(output.tensor(*condition)?, &node.shape);
                let (data, constant, when) = match (output.tensor(*then), output.tensor(*otherwise)) {
                    (None, Some(constant)) => (*then, constant, 1.0),
                    (Some(constant), None) => (*otherwise, constant, 0.0),
                    _ => return None,
                };
                let kept: Vec<bool> = condition.iter().map(|&value| value == when).collect();
                let fills = spread(constant, &node.shape);
                let negligible = fills.iter().zip(&kept).all(|(&fill, &kept)| kept || fill <= NEGLIGIBLE);
                (negligible && output.node(data).shape == node.shape).then_some((data, kept))?
            }
            _ => return None,
        };
        self.kept.iter_mut().zip(kept).for_each(|(kept, other)| *kept &= other);
        self.source = source;
        self.names.insert(0, node.provenance);
        Some(())
    }
}

/// Data without a constant that masks some of it; what the constant adds to other elements stays.
fn without_constant(
    output: &mut Output,
    data: ValueId,
    constant: &[f64],
    node: &FloatNode,
) -> Option<(ValueId, Vec<bool>)> {
    let kept: Vec<bool> = constant.iter().map(|&value| value > NEGLIGIBLE).collect();
    if output.node(data).shape != node.shape || !kept.contains(&false) {
        return None;
    }
    let rest: Vec<f64> = constant.iter().map(|&value| if value > NEGLIGIBLE { value } else { 0.0 }).collect();
    if rest.iter().all(|&value| value == 0.0) {
        return Some((data, kept));
    }
    let rest = output.push_constant(Tensor::new(node.shape.clone(), rest), &node.provenance);
    let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [data, rest] };
    Some((output.push(FloatNode { op, ..node.clone() }), kept))
}

/// A constant under broadcasting to a shape.
fn spread(tensor: &Tensor, shape: &[usize]) -> Vec<f64> {
    Odometer::new(shape, [strides_for(&tensor.shape, shape)]).map(|[index]| tensor.data[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::fold;
    use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, Tensor, ValueId};

    const SOFTMAX: FloatOp = FloatOp::Softmax { input: ValueId(1), axis: 1 };

    fn kept(graph: &FloatGraph) -> Option<Vec<bool>> {
        graph.nodes.iter().find_map(|node| match &node.op {
            FloatOp::MaskedSoftmax { kept, .. } => Some(kept.to_vec()),
            _ => None,
        })
    }

    #[test]
    fn a_view_with_a_fill() {
        for fill in [f64::NEG_INFINITY, -1e9, -1e4] {
            let map = [Some(0), None, Some(2), Some(3)];
            let reindex = FloatOp::Reindex { input: ValueId(0), map: map.into(), fill };
            let found = check(graph(&[2, 2], vec![(reindex, &[2, 2]), (SOFTMAX, &[2, 2])]), fold);
            assert_eq!(kept(&found), Some(vec![true, false, true, true]));
            assert_eq!(found.nodes.len(), 2);
        }
    }

    #[test]
    fn a_constant_that_is_added() {
        let add = |constant: [f64; 4]| {
            let nodes = vec![
                (FloatOp::Constant(Tensor::new(vec![2, 2], constant.to_vec())), &[2, 2][..]),
                (FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(1), ValueId(0)] }, &[2, 2]),
                (FloatOp::Softmax { input: ValueId(2), axis: 1 }, &[2, 2]),
            ];
            graph(&[2, 2], nodes)
        };
        let found = check(add([0.0, f64::NEG_INFINITY, 0.0, 0.0]), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, false, true, true]), 2));
        // What a constant adds besides stays.
        let found = check(add([0.5, 1.0, -1e9, 0.0]), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, true, false, true]), 4));
        // A row without elements is none.
        let found = check(add([-1e9, -1e9, 0.0, 0.0]), fold);
        assert_eq!(kept(&found), None);
        assert_eq!(kept(&check(add([1.0, 2.0, 0.0, 0.0]), fold)), None);
    }

    #[test]
    fn a_selection() {
        let nodes = vec![
            (FloatOp::Constant(Tensor::new(vec![1, 2], vec![0.0, 1.0])), &[1, 2][..]),
            (FloatOp::Constant(Tensor::new(vec![2, 1], vec![-1e9, -2e9])), &[2, 1]),
            (FloatOp::Select { condition: ValueId(1), then: ValueId(2), otherwise: ValueId(0) }, &[2, 2]),
            (FloatOp::Softmax { input: ValueId(3), axis: 1 }, &[2, 2]),
        ];
        let found = check(graph(&[2, 2], nodes), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, false, true, false]), 2));
    }
}
