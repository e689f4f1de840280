//! Factors and offsets after a convolution or a matrix product become part of its weights and bias, as batch
//! normalization does. Subtraction and division of constants become addition and multiplication first.

use super::rebuild::{joined, rebuild, use_counts, Output};
use crate::float::graph::{BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, Tensor, UnaryFunction, ValueId};
use std::collections::HashSet;

/// Folds what comes after linear operators into them.
pub(super) fn fold(graph: FloatGraph) -> FloatGraph {
    let uses = use_counts(&graph);
    // What several nodes read stays: otherwise it would have to be computed twice.
    let mut shared: HashSet<ValueId> = HashSet::new();
    rebuild(graph, |output, index, mut node| {
        canonicalize(output, &mut node);
        let folded = Step::of(output, &node).and_then(|step| step.fold(output, &node, &shared));
        let value = folded.unwrap_or_else(|| output.push(node));
        if uses[index] > 1 {
            shared.insert(value);
        }
        value
    })
}

/// `x − c` becomes `x + (−c)`, and `x / c` becomes `x · (1/c)`; a constant that may come second does.
fn canonicalize(output: &mut Output, node: &mut FloatNode) {
    let FloatOp::Binary { function, operands: [x, c] } = node.op else { return };
    if node.element != Element::Real {
        return;
    }
    let commutes = matches!(function, BinaryFunction::Add | BinaryFunction::Mul);
    if commutes && output.tensor(x).is_some() && output.tensor(c).is_none() {
        node.op = FloatOp::Binary { function, operands: [c, x] };
        return;
    }
    let Some(tensor) = output.tensor(c).cloned() else { return };
    let (function, convert): (_, fn(f64) -> f64) = match function {
        BinaryFunction::Sub => (BinaryFunction::Add, |c| -c),
        BinaryFunction::Div => (BinaryFunction::Mul, |c| 1.0 / c),
        _ => return,
    };
    let data: Vec<f64> = tensor.data.iter().map(|&value| convert(value)).collect();
    if data.iter().any(|value| !value.is_finite()) {
        return;
    }
    let names = output.node(c).provenance.clone();
    let c = output.push_constant(Tensor::new(tensor.shape, data), &names);
    node.op = FloatOp::Binary { function, operands: [x, c] };
}

/// `factor·x + offset` with constants that broadcast to `x`.
struct Step {
    x: ValueId,
    factor: Tensor,
    offset: Tensor,
}

impl Step {
    fn of(output: &Output, node: &FloatNode) -> Option<Self> {
        let (x, factor, offset) = match node.op {
            FloatOp::Unary { input, function: UnaryFunction::Affine { factor, offset } } => {
                (input, Tensor::scalar(factor), Tensor::scalar(offset))
            }
            FloatOp::Unary { input, function: UnaryFunction::Neg } => {
                (input, Tensor::scalar(-1.0), Tensor::scalar(0.0))
            }
            FloatOp::Binary { function, operands: [a, b] } => {
                let (x, c) = match (output.tensor(a), output.tensor(b)) {
                    (None, Some(c)) => (a, c.clone()),
                    (Some(c), None) => (b, c.clone()),
                    _ => return None,
                };
                match function {
                    BinaryFunction::Add => (x, Tensor::scalar(1.0), c),
                    BinaryFunction::Mul => (x, c, Tensor::scalar(0.0)),
                    BinaryFunction::Sub if x == b => (x, Tensor::scalar(-1.0), c),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let keeps = output.node(x).shape == node.shape && output.node(x).element == node.element;
        keeps.then_some(Self { x, factor, offset })
    }

    /// The folded operator, if what is before the step is linear and the constants go along its output channels.
    fn fold(&self, output: &mut Output, node: &FloatNode, shared: &HashSet<ValueId>) -> Option<ValueId> {
        let source = output.node(self.x).clone();
        let before = source.op.operands().first().copied();
        let keeps = |value: ValueId| shared.contains(&value);
        let through = matches!(source.op, FloatOp::Reshape(_) | FloatOp::Binary { .. });
        if keeps(self.x) || (through && before.is_some_and(keeps)) {
            return None;
        }
        let names = joined(&[&source.provenance, &node.provenance]);
        match source.op {
            FloatOp::Conv { .. } | FloatOp::ConvTranspose { .. } => self.fold_conv(output, &source, names),
            FloatOp::Reshape(inner) => self.fold_below_reshape(output, inner, &source, names),
            FloatOp::MatMul(a, weights) => self.fold_matmul(output, [a, weights], None, &source, names),
            FloatOp::Binary { function: BinaryFunction::Add, operands: [product, bias] } => {
                let FloatOp::MatMul(a, weights) = output.node(product).op else { return None };
                let bias = output.tensor(bias)?.clone();
                self.fold_matmul(output, [a, weights], Some(bias), &source, names)
            }
            _ => None,
        }
    }

    /// The constants as one number per position of an axis of `x`; `None` where they vary along another one.
    fn along(&self, shape: &[usize], axis: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        Some((along(&self.factor, shape, axis)?, along(&self.offset, shape, axis)?))
    }

    fn fold_conv(&self, output: &mut Output, source: &FloatNode, names: Vec<String>) -> Option<ValueId> {
        let (factor, offset) = self.along(&source.shape, 1)?;
        let mut op = source.op.clone();
        let (FloatOp::Conv { weights, bias, groups, .. } | FloatOp::ConvTranspose { weights, bias, groups, .. }) =
            &mut op
        else {
            return None;
        };
        let transposed = matches!(source.op, FloatOp::ConvTranspose { .. });
        let old = output.tensor(*weights)?.clone();
        let old_bias = match *bias {
            Some(bias) => output.tensor(bias)?.data.to_vec(),
            None => vec![0.0; factor.len()],
        };
        // The channel of the result that each weight belongs to.
        let kernel: usize = old.shape[2..].iter().product();
        let channel = |index: usize| {
            if transposed {
                let (input, inner) = (index / (old.shape[1] * kernel), index / kernel % old.shape[1]);
                input / (old.shape[0] / *groups) * old.shape[1] + inner
            } else {
                index / (old.shape[1] * kernel)
            }
        };
        let data = old.data.iter().enumerate().map(|(index, weight)| weight * factor[channel(index)]).collect();
        let new_bias: Vec<f64> = (0..factor.len()).map(|c| old_bias[c] * factor[c] + offset[c]).collect();
        *weights = output.push_constant(Tensor::new(old.shape.clone(), data), &names);
        *bias = Some(output.push_constant(Tensor::new(vec![factor.len()], new_bias), &names));
        Some(output.push(FloatNode { provenance: names, op, ..source.clone() }))
    }

    /// A one-dimensional convolution is a two-dimensional one with a reshape after it.
    fn fold_below_reshape(
        &self,
        output: &mut Output,
        inner: ValueId,
        source: &FloatNode,
        names: Vec<String>,
    ) -> Option<ValueId> {
        let conv = output.node(inner).clone();
        let is_conv = matches!(conv.op, FloatOp::Conv { .. } | FloatOp::ConvTranspose { .. });
        if !is_conv || source.shape.len() < 2 || conv.shape[..2] != source.shape[..2] {
            return None;
        }
        let (factor, offset) = self.along(&source.shape, 1)?;
        let wide = |values: Vec<f64>| Tensor::new(vec![values.len(), 1, 1], values);
        let step = Self { x: inner, factor: wide(factor), offset: wide(offset) };
        let conv_names = joined(&[&conv.provenance, &names]);
        let folded = step.fold_conv(output, &conv, conv_names)?;
        Some(output.push(FloatNode { provenance: names, op: FloatOp::Reshape(folded), ..source.clone() }))
    }

    /// `factor·(a·W + bias) + offset = a·(W·factor) + (factor·bias + offset)`, along the columns.
    fn fold_matmul(
        &self,
        output: &mut Output,
        [a, weights]: [ValueId; 2],
        bias: Option<Tensor>,
        source: &FloatNode,
        names: Vec<String>,
    ) -> Option<ValueId> {
        let old = output.tensor(weights)?.clone();
        let last = source.shape.len().checked_sub(1)?;
        let (factor, mut offset) = self.along(&source.shape, last)?;
        let columns = factor.len();
        let scales = factor.iter().any(|&factor| factor != 1.0);
        if old.shape.last() != Some(&columns) || (!scales && bias.is_none()) {
            return None;
        }
        if let Some(bias) = bias {
            let bias = along(&bias, &source.shape, last)?;
            offset.iter_mut().enumerate().for_each(|(column, offset)| *offset += factor[column] * bias[column]);
        }
        let data = old.data.iter().enumerate().map(|(index, weight)| weight * factor[index % columns]).collect();
        let weights = output.push_constant(Tensor::new(old.shape.clone(), data), &names);
        let node = |op: FloatOp| FloatNode { provenance: names.clone(), op, ..source.clone() };
        let product = output.push(node(FloatOp::MatMul(a, weights)));
        if offset.iter().all(|&offset| offset == 0.0) {
            return Some(product);
        }
        let offset = output.push_constant(Tensor::new(vec![columns], offset), &names);
        let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [product, offset] };
        Some(output.push(node(op)))
    }
}

/// A constant that broadcasts to `shape` as one number per position of an axis; `None` where it varies along another.
fn along(tensor: &Tensor, shape: &[usize], axis: usize) -> Option<Vec<f64>> {
    let size = shape[axis];
    if let [value] = tensor.data[..] {
        return Some(vec![value; size]);
    }
    let lead = shape.len().checked_sub(tensor.shape.len())?;
    let varies = |(at, &size): (usize, &usize)| size != 1 && at + lead != axis;
    if tensor.shape.iter().enumerate().any(varies) {
        return None;
    }
    (tensor.data.len() == size).then(|| tensor.data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, constant, graph};
    use super::fold;
    use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId, Window};

    fn binary(function: BinaryFunction, a: usize, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    const WINDOW: Window = Window { kernel: [2, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };

    #[test]
    fn batch_normalization_moves_into_a_convolution() {
        for transposed in [false, true] {
            let (input, weights, bias) = (ValueId(0), ValueId(1), None);
            let (op, kernel, size): (_, &[usize], &[usize]) = if transposed {
                let padding = [0; 2];
                let op =
                    FloatOp::ConvTranspose { input, weights, bias, window: WINDOW, output_padding: padding, groups: 2 };
                (op, &[4, 3, 2, 1], &[1, 6, 4, 2])
            } else {
                let op = FloatOp::Conv { input, weights, bias, window: WINDOW, groups: 2 };
                (op, &[6, 2, 2, 1], &[1, 6, 2, 2])
            };
            let nodes = vec![
                (constant(kernel), kernel),
                (op, size),
                (constant(&[1, 6, 1, 1]), &[1, 6, 1, 1][..]),
                (binary(BinaryFunction::Mul, 2, 3), size),
                (binary(BinaryFunction::Sub, 4, 3), size),
                (FloatOp::Unary { input: ValueId(5), function: UnaryFunction::Neg }, size),
            ];
            let graph = check(graph(&[1, 4, 3, 2], nodes), fold);
            assert_eq!(graph.nodes.len(), 4);
            assert_eq!(graph.nodes[3].provenance, ["n2", "n4", "n5", "n6"]);
        }
    }

    #[test]
    fn a_reshape_between_does_not_matter() {
        let op = FloatOp::Conv { input: ValueId(0), weights: ValueId(1), bias: None, window: WINDOW, groups: 1 };
        let nodes = vec![
            (constant(&[3, 2, 2, 1]), &[3, 2, 2, 1][..]),
            (op, &[1, 3, 4, 1]),
            (FloatOp::Reshape(ValueId(2)), &[1, 3, 4]),
            (constant(&[3, 1]), &[3, 1]),
            (binary(BinaryFunction::Mul, 3, 4), &[1, 3, 4]),
        ];
        assert_eq!(check(graph(&[1, 2, 5, 1], nodes), fold).nodes.len(), 5);
    }

    #[test]
    fn factors_and_offsets_move_into_a_matrix_product() {
        let nodes = vec![
            (constant(&[3, 4]), &[3, 4][..]),
            (FloatOp::MatMul(ValueId(0), ValueId(1)), &[2, 4]),
            (constant(&[4]), &[4]),
            (binary(BinaryFunction::Add, 2, 3), &[2, 4]),
            (binary(BinaryFunction::Mul, 3, 4), &[2, 4]),
            (
                FloatOp::Unary { input: ValueId(5), function: UnaryFunction::Affine { factor: 2.0, offset: 1.0 } },
                &[2, 4],
            ),
        ];
        assert_eq!(check(graph(&[2, 3], nodes), fold).nodes.len(), 5);
    }

    #[test]
    fn a_product_that_others_read_stays() {
        let nodes = vec![
            (constant(&[3, 4]), &[3, 4][..]),
            (FloatOp::MatMul(ValueId(0), ValueId(1)), &[2, 4]),
            (constant(&[4]), &[4]),
            (binary(BinaryFunction::Mul, 2, 3), &[2, 4]),
            (binary(BinaryFunction::Add, 4, 2), &[2, 4]),
        ];
        assert_eq!(check(graph(&[2, 3], nodes), fold).nodes.len(), 6);
    }
}
