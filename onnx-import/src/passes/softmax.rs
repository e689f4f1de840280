//! Softmax that is spelled out becomes one operator.
//!
//! | result | forms, with `s = Σ exp e` along one axis |
//! | --- | --- |
//! | softmax | `exp e / s`, `exp e · (1/s)`, `exp` of the logarithm of softmax |
//! | its logarithm | `e − log s`; `x − (log s + m)` where `e = x − m` |
//!
//! Of `e = x − m`, where `m` is one number along the axis (such as the largest element), the softmax is that of `x`. Exponentials, their
//! sum and its logarithm would each have to be quantized.

use super::rebuild::{joined, rebuild, Output};
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, ReduceKind, UnaryFunction, ValueId,
};

/// Puts [`FloatOp::Softmax`] and [`FloatOp::LogSoftmax`] in the place of what means the same.
pub(super) fn recognize(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, node| {
        let softmax = of_quotient(output, &node).or_else(|| of_exponential(output, &node));
        match softmax.or_else(|| of_logarithm(output, &node)) {
            Some(softmax) if node.element == Element::Real => output.push(softmax),
            _ => output.push(node),
        }
    })
}

/// The sum of exponentials along an axis.
struct ExponentialSum {
    /// What the exponentials are of.
    exponents: ValueId,
    axis: usize,
    names: Vec<Vec<String>>,
}

impl ExponentialSum {
    /// Reads a value, which an operator sees under broadcasting to that shape, as such a sum.
    fn of(output: &Output, value: ValueId, shape: &[usize]) -> Option<Self> {
        let (value, reshaped) = without_reshapes(output, value);
        let node = output.node(value);
        let FloatOp::Reduce { input, kind: ReduceKind::Sum, axes } = &node.op else { return None };
        let (&[axis], exponentials) = (axes.as_slice(), output.node(*input)) else { return None };
        let FloatOp::Unary { input: exponents, function: UnaryFunction::Exp } = exponentials.op else { return None };
        let names = vec![exponentials.provenance.clone(), node.provenance.clone()];
        let own = output.node(exponents).shape.as_slice();
        let seen = reshaped.unwrap_or(&node.shape);
        (own == shape && is_one_along(seen, shape, axis)).then_some(Self { exponents, axis, names })
    }

    /// Softmax or its logarithm in the place of a node, of these exponents less whatever is one number along the axis.
    fn replace(self, output: &Output, node: &FloatNode, logarithm: bool) -> FloatNode {
        let (mut input, axis, mut names) = (self.exponents, self.axis, self.names);
        while let FloatOp::Binary { function: BinaryFunction::Sub, operands: [elements, offset] } =
            output.node(input).op
        {
            let (shape, offsets) = (&output.node(elements).shape, &output.node(offset).shape);
            if *shape != node.shape || !is_one_along(offsets, shape, axis) {
                break;
            }
            names.insert(0, output.node(input).provenance.clone());
            input = elements;
        }
        let lists: Vec<&[String]> = names.iter().chain([&node.provenance]).map(Vec::as_slice).collect();
        let op = if logarithm { FloatOp::LogSoftmax { input, axis } } else { FloatOp::Softmax { input, axis } };
        FloatNode { provenance: joined(&lists), op, shape: node.shape.clone(), element: node.element }
    }
}

/// A value before it was reshaped, and its shape after that where it was.
fn without_reshapes(output: &Output, mut value: ValueId) -> (ValueId, Option<&[usize]>) {
    let mut seen = None;
    while let FloatOp::Reshape(input) = output.node(value).op {
        seen = seen.or(Some(output.node(value).shape.as_slice()));
        value = input;
    }
    (value, seen)
}

/// Whether a tensor of that shape, under broadcasting to another one, has one number along an axis and all of them along the others.
fn is_one_along(shape: &[usize], broadcast: &[usize], axis: usize) -> bool {
    let Some(missing) = broadcast.len().checked_sub(shape.len()) else { return false };
    let padded = std::iter::repeat_n(&1, missing).chain(shape);
    padded.zip(broadcast).enumerate().all(|(at, (&own, &size))| own == if at == axis { 1 } else { size })
}

/// `exp e / s`, or `exp e · (1/s)`.
fn of_quotient(output: &Output, node: &FloatNode) -> Option<FloatNode> {
    let FloatOp::Binary { function, operands: [a, b] } = node.op else { return None };
    // What the node sees as the divisor, or as its inverse, and the divisor.
    let pairs = match function {
        BinaryFunction::Div => vec![(a, b, b)],
        BinaryFunction::Mul => {
            let inverse = |value: ValueId| {
                let (value, _) = without_reshapes(output, value);
                match output.node(value).op {
                    FloatOp::Unary { input, function: UnaryFunction::Reciprocal } => Some(input),
                    _ => None,
                }
            };
            [(a, b), (b, a)].into_iter().filter_map(|(a, b)| Some((a, b, inverse(b)?))).collect()
        }
        _ => return None,
    };
    pairs.into_iter().find_map(|(exponentials, seen, sum)| {
        let FloatOp::Unary { input: exponents, function: UnaryFunction::Exp } = output.node(exponentials).op else {
            return None;
        };
        let sum = ExponentialSum::of(output, sum, &node.shape).filter(|sum| sum.exponents == exponents)?;
        // The inverse may have been reshaped after its sum.
        is_one_along(&output.node(seen).shape, &node.shape, sum.axis).then(|| sum.replace(output, node, false))
    })
}

/// `exp` of the logarithm of softmax.
fn of_exponential(output: &Output, node: &FloatNode) -> Option<FloatNode> {
    let FloatOp::Unary { input, function: UnaryFunction::Exp } = node.op else { return None };
    let logarithm = output.node(input);
    let FloatOp::LogSoftmax { input, axis } = logarithm.op else { return None };
    let provenance = joined(&[&logarithm.provenance, &node.provenance]);
    Some(FloatNode { provenance, op: FloatOp::Softmax { input, axis }, ..node.clone() })
}

/// `e − log s`, or `x − (log s + m)` where `e = x − m`.
fn of_logarithm(output: &Output, node: &FloatNode) -> Option<FloatNode> {
    let FloatOp::Binary { function: BinaryFunction::Sub, operands: [elements, subtracted] } = node.op else {
        return None;
    };
    let (value, reshaped) = without_reshapes(output, subtracted);
    let subtrahend = output.node(value);
    let seen = reshaped.unwrap_or(&subtrahend.shape);
    let (logarithm, offset) = match subtrahend.op {
        // Added element by element, so that a reshape before or behind the sum moves none to another row.
        FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } => {
            match [a, b].iter().all(|&operand| output.node(operand).shape == subtrahend.shape) {
                true if is_logarithm(output, a) => (a, Some(b)),
                true => (b, Some(a)),
                false => return None,
            }
        }
        _ => (value, None),
    };
    let (logarithm, _) = without_reshapes(output, logarithm);
    let FloatOp::Unary { input: sum, function: UnaryFunction::Log } = output.node(logarithm).op else { return None };
    let mut sum = ExponentialSum::of(output, sum, &node.shape)?;
    let matches = match (offset, &output.node(sum.exponents).op) {
        (None, _) => sum.exponents == elements,
        (Some(offset), FloatOp::Binary { function: BinaryFunction::Sub, operands }) => {
            *operands == [elements, offset] && is_one_along(&output.node(offset).shape, &node.shape, sum.axis)
        }
        _ => false,
    };
    if !matches || !is_one_along(seen, &node.shape, sum.axis) {
        return None;
    }
    sum.names.extend([output.node(logarithm).provenance.clone(), subtrahend.provenance.clone()]);
    Some(sum.replace(output, node, true))
}

fn is_logarithm(output: &Output, value: ValueId) -> bool {
    let (value, _) = without_reshapes(output, value);
    matches!(output.node(value).op, FloatOp::Unary { function: UnaryFunction::Log, .. })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::recognize;
    use crate::float::graph::{BinaryFunction as B, FloatOp, ReduceKind, UnaryFunction as U, ValueId};

    const ROWS: &[usize] = &[2, 3];
    const KEPT: &[usize] = &[2, 1];

    fn unary(input: usize, function: U) -> FloatOp {
        FloatOp::Unary { input: ValueId(input), function }
    }

    fn binary(a: usize, function: B, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    fn reduce(input: usize, kind: ReduceKind) -> FloatOp {
        FloatOp::Reduce { input: ValueId(input), kind, axes: vec![1] }
    }

    fn reshape(input: usize) -> FloatOp {
        FloatOp::Reshape(ValueId(input))
    }

    /// `x`, its maximum, `x − max`, its exponentials and their sum: values 2, 3, 4 and 6.
    fn stable() -> Vec<(FloatOp, &'static [usize])> {
        vec![
            (reduce(0, ReduceKind::Max), &[2]),
            (reshape(1), KEPT),
            (binary(0, B::Sub, 2), ROWS),
            (unary(3, U::Exp), ROWS),
            (reduce(4, ReduceKind::Sum), &[2]),
            (reshape(5), KEPT),
        ]
    }

    #[test]
    fn quotients_are_softmax() {
        let quotient = [stable(), vec![(binary(4, B::Div, 6), ROWS)]].concat();
        let found = check(graph(ROWS, quotient), recognize);
        assert_eq!(found.nodes[1].op, FloatOp::Softmax { input: ValueId(0), axis: 1 });
        let product = [stable(), vec![(unary(6, U::Reciprocal), KEPT), (binary(7, B::Mul, 4), ROWS)]].concat();
        assert_eq!(check(graph(ROWS, product), recognize).nodes.len(), 2);
        let plain = vec![
            (unary(0, U::Exp), ROWS),
            (reduce(1, ReduceKind::Sum), &[2][..]),
            (reshape(2), KEPT),
            (binary(1, B::Div, 3), ROWS),
        ];
        assert_eq!(check(graph(ROWS, plain), recognize).nodes.len(), 2);
    }

    #[test]
    fn differences_of_logarithms_are_logarithms_of_softmax() {
        let shifted = [stable(), vec![(unary(6, U::Log), KEPT), (binary(3, B::Sub, 7), ROWS)]].concat();
        assert_eq!(check(graph(ROWS, shifted), recognize).nodes.len(), 2);
        let whole = [
            stable(),
            vec![(unary(6, U::Log), KEPT), (binary(7, B::Add, 2), KEPT), (binary(0, B::Sub, 8), ROWS)],
            vec![(unary(9, U::Exp), ROWS)],
        ];
        let found = check(graph(ROWS, whole.concat()), recognize);
        assert_eq!(found.nodes[1].op, FloatOp::Softmax { input: ValueId(0), axis: 1 });
    }

    #[test]
    fn other_quotients_stay() {
        // by the sums of columns
        let columns =
            vec![(unary(0, U::Exp), &[3, 3][..]), (reduce(1, ReduceKind::Sum), &[3]), (binary(1, B::Div, 2), &[3, 3])];
        assert_eq!(check(graph(&[3, 3], columns), recognize).nodes.len(), 4);
        // by the sums of rows, reshaped to columns behind their inverses
        const SQUARE: &[usize] = &[3, 3];
        let moved = vec![
            (unary(0, U::Exp), SQUARE),
            (reduce(1, ReduceKind::Sum), &[3][..]),
            (reshape(2), &[3, 1]),
            (unary(3, U::Reciprocal), &[3, 1]),
            (reshape(4), &[3]),
            (binary(1, B::Mul, 5), SQUARE),
        ];
        assert_eq!(check(graph(SQUARE, moved), recognize).nodes.len(), 7);
        // less the maxima of rows as columns have them
        let crossed = vec![
            (reduce(0, ReduceKind::Max), &[3][..]),
            (binary(0, B::Sub, 1), SQUARE),
            (unary(2, U::Exp), SQUARE),
            (reduce(3, ReduceKind::Sum), &[3]),
            (reshape(4), &[3, 1]),
            (unary(5, U::Log), &[3, 1]),
            (reshape(6), &[3]),
            (binary(7, B::Add, 1), &[3]),
            (reshape(8), &[3, 1]),
            (binary(0, B::Sub, 9), SQUARE),
        ];
        assert_eq!(check(graph(SQUARE, crossed), recognize).nodes.len(), 11);
        // by the sum of other exponentials
        let other = [stable(), vec![(unary(0, U::Exp), ROWS), (binary(7, B::Div, 6), ROWS)]].concat();
        assert_eq!(check(graph(ROWS, other), recognize).nodes.len(), 9);
    }
}
