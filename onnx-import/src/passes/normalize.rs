//! Normalizations that exporters spell out become one operator.
//!
//! | part | forms |
//! | --- | --- |
//! | centered elements `c` | `x − mean x`, or `x` itself |
//! | their square sum `m` | mean or sum of `c·c` over the same axes, kept with size 1 |
//! | `v = f·m + ε` | additions and multiplications by positive numbers, in any order |
//! | result | `c / √v`, `c·(1/√v)`, `c·v^(−1/2)`, factors of which may be regrouped as `c·(γ/√v)` |
//! | result, regrouped | `x·w + (β − mean x·w)` for `w = γ/√v` of centered elements |
//!
//! A variance of its own intermediate results would have to be quantized, and with it all small variances.

use super::rebuild::{joined, rebuild, Output};
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId,
};

/// Puts [`FloatOp::Normalize`] in the place of what means the same.
pub(super) fn recognize(graph: FloatGraph) -> FloatGraph {
    rebuild(graph, |output, _, node| {
        let replaced = Quotient::of(output, &node)
            .and_then(|quotient| quotient.normalized(output, &node))
            .or_else(|| regrouped(output, &node));
        replaced.unwrap_or_else(|| output.push(node))
    })
}

/// `v^(−1/2)`, where `v = factor·m + offset` and `m` is the mean or the sum of squares of elements.
struct InverseDeviation {
    /// The elements that are squared.
    elements: ValueId,
    axes: Vec<usize>,
    /// `v = factor·mean + epsilon`.
    factor: f64,
    epsilon: f64,
    names: Vec<Vec<String>>,
}

impl InverseDeviation {
    /// Reads a value as an inverse deviation of elements of some shape.
    fn of(output: &Output, value: ValueId, shape: &[usize]) -> Option<Self> {
        let node = output.node(value);
        let names = vec![node.provenance.clone()];
        match node.op {
            FloatOp::Unary { input, function: UnaryFunction::Reciprocal } => Self::of_root(output, input, shape, names),
            FloatOp::Unary { input, function: UnaryFunction::Power(-0.5) } => {
                Self::of_variance(output, input, shape, names)
            }
            FloatOp::Unary { input, function: UnaryFunction::Sqrt } => {
                let FloatOp::Unary { input, function: UnaryFunction::Reciprocal } = output.node(input).op else {
                    return None;
                };
                Self::of_variance(output, input, shape, names)
            }
            FloatOp::Binary { function: BinaryFunction::Div, operands: [one, root] }
                if number(output, one) == Some(1.0) =>
            {
                Self::of_root(output, root, shape, names)
            }
            _ => None,
        }
    }

    fn of_root(output: &Output, root: ValueId, shape: &[usize], mut names: Vec<Vec<String>>) -> Option<Self> {
        let node = output.node(root);
        names.push(node.provenance.clone());
        match node.op {
            FloatOp::Unary { input, function: UnaryFunction::Sqrt } => Self::of_variance(output, input, shape, names),
            FloatOp::Unary { input, function: UnaryFunction::Power(0.5) } => {
                Self::of_variance(output, input, shape, names)
            }
            _ => None,
        }
    }

    fn of_variance(output: &Output, value: ValueId, shape: &[usize], mut names: Vec<Vec<String>>) -> Option<Self> {
        let (mut value, mut factor, mut epsilon) = (value, 1.0, 0.0);
        let (input, kind, axes) = loop {
            let node = output.node(value);
            names.push(node.provenance.clone());
            let (inner, f, offset) = match &node.op {
                FloatOp::Reduce { input, kind, axes } => break (*input, *kind, axes.clone()),
                FloatOp::Unary { input, function: UnaryFunction::Affine { factor, offset } } => {
                    (*input, *factor, *offset)
                }
                FloatOp::Binary { function, operands: [a, b] } => {
                    let (inner, constant) = match (number(output, *a), number(output, *b)) {
                        (None, Some(constant)) => (*a, constant),
                        (Some(constant), None) if *function != BinaryFunction::Div => (*b, constant),
                        _ => return None,
                    };
                    match function {
                        BinaryFunction::Add => (inner, 1.0, constant),
                        BinaryFunction::Mul => (inner, constant, 0.0),
                        BinaryFunction::Div => (inner, 1.0 / constant, 0.0),
                        _ => return None,
                    }
                }
                _ => return None,
            };
            if output.node(inner).shape != node.shape {
                return None;
            }
            epsilon += factor * offset;
            factor *= f;
            value = inner;
        };
        let size: usize = axes.iter().map(|&axis| shape.get(axis).copied().unwrap_or(0)).product();
        let factor = match kind {
            ReduceKind::Mean => factor,
            ReduceKind::Sum => factor * size as f64,
            _ => return None,
        };
        names.push(output.node(input).provenance.clone());
        let elements = square_of(output, input)?;
        let kept = output.node(value).shape == kept_shape(shape, &axes) && output.node(elements).shape == shape;
        let valid = factor > 0.0 && factor.is_finite() && epsilon >= 0.0 && epsilon.is_finite();
        names.reverse();
        (kept && valid && size > 0).then_some(Self { elements, axes, factor, epsilon, names })
    }

    /// The normalized elements, appended.
    fn push_normalized(&self, output: &mut Output, node: &FloatNode, provenance: Vec<String>) -> ValueId {
        let (input, centered) = match centered(output, self.elements, &self.axes) {
            Some(input) => (input, true),
            None => (self.elements, false),
        };
        let epsilon = self.epsilon / self.factor;
        let op = FloatOp::Normalize { input, axes: self.axes.clone(), centered, epsilon };
        let shape = output.node(input).shape.clone();
        let value = output.push(FloatNode { provenance: provenance.clone(), op, shape: shape.clone(), ..node.clone() });
        let factor = 1.0 / self.factor.sqrt();
        if (factor - 1.0).abs() < 1e-12 {
            return value;
        }
        let op = FloatOp::Unary { input: value, function: UnaryFunction::Affine { factor, offset: 0.0 } };
        output.push(FloatNode { provenance, op, shape, ..node.clone() })
    }

    fn names(&self, output: &Output, node: &FloatNode) -> Vec<String> {
        let elements = output.node(self.elements);
        let mut lists: Vec<&[String]> = Vec::new();
        if centered(output, self.elements, &self.axes).is_some() {
            lists.push(&elements.provenance);
        }
        lists.extend(self.names.iter().map(Vec::as_slice));
        lists.push(&node.provenance);
        joined(&lists)
    }
}

/// `c / √v` in whatever form, perhaps times something.
struct Quotient {
    deviation: InverseDeviation,
    /// What else the quotient is multiplied by.
    rest: Option<ValueId>,
}

impl Quotient {
    fn of(output: &Output, node: &FloatNode) -> Option<Self> {
        let FloatOp::Binary { function, operands: [a, b] } = node.op else { return None };
        if node.element != Element::Real {
            return None;
        }
        match function {
            BinaryFunction::Div => {
                let deviation = InverseDeviation::of_root(output, b, &node.shape, vec![])?;
                (deviation.elements == a).then_some(Self { deviation, rest: None })
            }
            BinaryFunction::Mul => [(a, b), (b, a)].into_iter().find_map(|(elements, inverse)| {
                let (deviation, rest) = scaled_inverse(output, inverse, &node.shape)?;
                (deviation.elements == elements).then_some(Self { deviation, rest })
            }),
            _ => None,
        }
    }

    fn normalized(&self, output: &mut Output, node: &FloatNode) -> Option<ValueId> {
        if output.node(self.deviation.elements).shape != node.shape {
            return None;
        }
        let names = self.deviation.names(output, node);
        let value = self.deviation.push_normalized(output, node, names.clone());
        Some(match self.rest {
            None => value,
            Some(rest) => push_binary(output, BinaryFunction::Mul, [value, rest], node, names),
        })
    }
}

/// `x·w + (β − mean x·w)`, or with its terms in another order.
fn regrouped(output: &mut Output, node: &FloatNode) -> Option<ValueId> {
    let FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } = node.op else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(scaled, shift)| {
        let (x, w) = factors(output, scaled, |x, _| output.node(x).shape == node.shape)?;
        let (deviation, rest) = scaled_inverse(output, w, &node.shape)?;
        if centered(output, deviation.elements, &deviation.axes) != Some(x) {
            return None;
        }
        let is_moved = |value: ValueId| {
            factors(output, value, |mean, factor| factor == w && is_mean(output, mean, x, &deviation.axes)).is_some()
        };
        let offset = match output.node(shift).op {
            FloatOp::Binary { function: BinaryFunction::Sub, operands: [offset, moved] } if is_moved(moved) => offset,
            _ => return None,
        };
        let names = deviation.names(output, node);
        let mut value = deviation.push_normalized(output, node, names.clone());
        if let Some(rest) = rest {
            value = push_binary(output, BinaryFunction::Mul, [value, rest], node, names.clone());
        }
        Some(push_binary(output, BinaryFunction::Add, [value, offset], node, names))
    })
}

fn push_binary(
    output: &mut Output,
    function: BinaryFunction,
    operands: [ValueId; 2],
    node: &FloatNode,
    provenance: Vec<String>,
) -> ValueId {
    output.push(FloatNode { provenance, op: FloatOp::Binary { function, operands }, ..node.clone() })
}

/// The factors of a product, in the order in which they are `as_wanted`.
fn factors(
    output: &Output,
    value: ValueId,
    as_wanted: impl Fn(ValueId, ValueId) -> bool,
) -> Option<(ValueId, ValueId)> {
    let FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } = output.node(value).op else {
        return None;
    };
    [(a, b), (b, a)].into_iter().find(|&(a, b)| as_wanted(a, b))
}

/// An inverse deviation, perhaps times a constant.
fn scaled_inverse(output: &Output, value: ValueId, shape: &[usize]) -> Option<(InverseDeviation, Option<ValueId>)> {
    if let Some(deviation) = InverseDeviation::of(output, value, shape) {
        return Some((deviation, None));
    }
    let (inverse, constant) = factors(output, value, |_, constant| output.tensor(constant).is_some())?;
    let mut deviation = InverseDeviation::of(output, inverse, shape)?;
    deviation.names.push(output.node(value).provenance.clone());
    Some((deviation, Some(constant)))
}

/// The value whose square this is.
fn square_of(output: &Output, value: ValueId) -> Option<ValueId> {
    match output.node(value).op {
        FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if a == b => Some(a),
        FloatOp::Unary { input, function: UnaryFunction::Power(2.0) } => Some(input),
        _ => None,
    }
}

/// `x`, if a value is `x` less its mean over the axes.
fn centered(output: &Output, value: ValueId, axes: &[usize]) -> Option<ValueId> {
    let FloatOp::Binary { function: BinaryFunction::Sub, operands: [x, mean] } = output.node(value).op else {
        return None;
    };
    is_mean(output, mean, x, axes).then_some(x)
}

/// Whether a value is the mean of `x` over the axes, which are kept.
fn is_mean(output: &Output, value: ValueId, x: ValueId, axes: &[usize]) -> bool {
    let node = output.node(value);
    let mean = matches!(&node.op, FloatOp::Reduce { input, kind: ReduceKind::Mean, axes: over }
        if *input == x && over == axes);
    mean && node.shape == kept_shape(&output.node(x).shape, axes)
}

fn kept_shape(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect()
}

/// The only number of a constant.
fn number(output: &Output, value: ValueId) -> Option<f64> {
    output.tensor(value).and_then(Tensor::uniform)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::recognize;
    use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId};

    fn binary(function: BinaryFunction, a: usize, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    fn unary(function: UnaryFunction, input: usize) -> FloatOp {
        FloatOp::Unary { function, input: ValueId(input) }
    }

    fn mean(input: usize) -> FloatOp {
        FloatOp::Reduce { input: ValueId(input), kind: ReduceKind::Mean, axes: vec![1] }
    }

    const EPSILON: UnaryFunction = UnaryFunction::Affine { factor: 1.0, offset: 1e-3 };

    /// `x`, its mean, what it is less that, the variance and a bit; then the end.
    fn spelled_out(end: Vec<(FloatOp, &'static [usize])>) -> FloatGraph {
        let mut nodes = vec![
            (mean(0), &[2, 1][..]),
            (binary(BinaryFunction::Sub, 0, 1), &[2, 5]),
            (binary(BinaryFunction::Mul, 2, 2), &[2, 5]),
            (mean(3), &[2, 1]),
            (unary(EPSILON, 4), &[2, 1]),
        ];
        nodes.extend(end);
        graph(&[2, 5], nodes)
    }

    fn normalizations(graph: &FloatGraph) -> Vec<bool> {
        let centered = |op: &FloatOp| match op {
            FloatOp::Normalize { centered, .. } => Some(*centered),
            _ => None,
        };
        graph.nodes.iter().filter_map(|node| centered(&node.op)).collect()
    }

    #[test]
    fn forms_of_the_root() {
        let ends: [Vec<(FloatOp, &'static [usize])>; 4] = [
            vec![(unary(UnaryFunction::Sqrt, 5), &[2, 1]), (binary(BinaryFunction::Div, 2, 6), &[2, 5])],
            vec![
                (unary(UnaryFunction::Sqrt, 5), &[2, 1]),
                (unary(UnaryFunction::Reciprocal, 6), &[2, 1]),
                (binary(BinaryFunction::Mul, 7, 2), &[2, 5]),
            ],
            vec![(unary(UnaryFunction::Power(-0.5), 5), &[2, 1]), (binary(BinaryFunction::Mul, 2, 6), &[2, 5])],
            vec![
                (unary(UnaryFunction::Sqrt, 5), &[2, 1]),
                (FloatOp::Constant(Tensor::scalar(1.0)), &[]),
                (binary(BinaryFunction::Div, 7, 6), &[2, 1]),
                (binary(BinaryFunction::Mul, 2, 8), &[2, 5]),
            ],
        ];
        for end in ends {
            let graph = check(spelled_out(end), recognize);
            assert_eq!((normalizations(&graph), graph.nodes.len()), (vec![true], 2));
            assert_eq!(graph.nodes[1].provenance[..4], ["n2", "n3", "n4", "n5"]);
        }
    }

    #[test]
    fn a_product_regrouped_around_the_mean() {
        let end: Vec<(FloatOp, &'static [usize])> = vec![
            (unary(UnaryFunction::Power(-0.5), 5), &[2, 1]),
            (constant(&[5]), &[5]),
            (binary(BinaryFunction::Mul, 6, 7), &[2, 5]),
            (binary(BinaryFunction::Mul, 0, 8), &[2, 5]),
            (binary(BinaryFunction::Mul, 1, 8), &[2, 5]),
            (constant(&[2, 5]), &[2, 5]),
            (binary(BinaryFunction::Sub, 11, 10), &[2, 5]),
            (binary(BinaryFunction::Add, 9, 12), &[2, 5]),
        ];
        let graph = check(spelled_out(end), recognize);
        assert_eq!((normalizations(&graph), graph.nodes.len()), (vec![true], 6));
    }

    #[test]
    fn elements_that_are_not_centered_and_sums_of_their_squares() {
        let sum = FloatOp::Reduce { input: ValueId(1), kind: ReduceKind::Sum, axes: vec![1] };
        let nodes = vec![
            (binary(BinaryFunction::Mul, 0, 0), &[2, 5][..]),
            (sum, &[2, 1]),
            (unary(UnaryFunction::Sqrt, 2), &[2, 1]),
            (binary(BinaryFunction::Div, 0, 3), &[2, 5]),
        ];
        let graph = check(graph(&[2, 5], nodes), recognize);
        assert_eq!((normalizations(&graph), graph.nodes.len()), (vec![false], 3));
    }

    #[test]
    fn another_dividend_is_no_normalization() {
        let end: Vec<(FloatOp, &'static [usize])> =
            vec![(unary(UnaryFunction::Sqrt, 5), &[2, 1]), (binary(BinaryFunction::Div, 0, 6), &[2, 5])];
        assert_eq!(normalizations(&check(spelled_out(end), recognize)), Vec::<bool>::new());
    }
}
