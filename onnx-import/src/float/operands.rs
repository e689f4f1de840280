//! Walking over the operands of a node, and small helpers of tensors.

use super::graph::{FloatGraph, FloatNode, FloatOp, Tensor, ValueId};
use super::reals::Reals;
use super::stored::StorageError;

impl FloatOp {
    /// The values that the operator reads, in order.
    pub fn operands(&self) -> Vec<ValueId> {
        self.clone().operands_mut().into_iter().map(|value| *value).collect()
    }

    /// The same operator on other values: `rename` is called once for each operand, in order.
    pub(crate) fn clone_with(&self, mut rename: impl FnMut(ValueId) -> ValueId) -> FloatOp {
        let mut op = self.clone();
        for operand in op.operands_mut() {
            *operand = rename(*operand);
        }
        op
    }

    fn operands_mut(&mut self) -> Vec<&mut ValueId> {
        match self {
            Self::Input(_) | Self::Constant(_) => vec![],
            Self::Reshape(input)
            | Self::Transpose { input, .. }
            | Self::Reindex { input, .. }
            | Self::MaxPool { input, .. }
            | Self::AveragePool { input, .. }
            | Self::Unary { input, .. }
            | Self::Curve { input, .. }
            | Self::Reduce { input, .. }
            | Self::ArgExtremum { input, .. }
            | Self::TopIndices { input, .. }
            | Self::Softmax { input, .. }
            | Self::LogSoftmax { input, .. }
            | Self::MaskedSoftmax { input, .. }
            | Self::Normalize { input, .. }
            | Self::TreeLeaves { input, .. }
            | Self::Quantize { input, .. }
            | Self::QuantizedMap { input, .. }
            | Self::QuantizedSoftmax { input, .. }
            | Self::QuantizedAverage { input, .. }
            | Self::QuantizedNormalize { input, .. }
            | Self::Dequantize { input, .. } => vec![input],
            Self::Concat { inputs, .. } => inputs.iter_mut().collect(),
            Self::Integers { operands, .. } => operands.iter_mut().collect(),
            Self::MatMul(a, b) => vec![a, b],
            Self::Conv { input, weights, bias, .. } | Self::ConvTranspose { input, weights, bias, .. } => {
                [input, weights].into_iter().chain(bias).collect()
            }
            Self::QuantizedConv { input, weights, bias, .. }
            | Self::QuantizedConvTranspose { input, weights, bias, .. } => {
                vec![input, weights, bias]
            }
            Self::Binary { operands, .. }
            | Self::QuantizedAdd { operands, .. }
            | Self::QuantizedMul { operands, .. }
            | Self::QuantizedPairs { operands, .. }
            | Self::QuantizedMatMul { operands, .. } => operands.iter_mut().collect(),
            Self::Select { condition, then, otherwise } => vec![condition, then, otherwise],
            Self::Gather { input, indices, .. } => vec![input, indices],
            Self::GatedSoftmax { input, gate, .. } => vec![input, gate],
        }
    }
}

impl FloatNode {
    /// Number of elements of the value.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl FloatGraph {
    /// The node that defines `value`.
    pub fn node(&self, value: ValueId) -> &FloatNode {
        &self.nodes[value.0]
    }

    /// The tensor of a constant; who reads all of it clones it first ([`Reals`]).
    pub fn constant(&self, value: ValueId) -> Option<&Tensor> {
        match &self.node(value).op {
            FloatOp::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }
}

impl FloatGraph {
    /// Refuses what was made of the graph where one of the files that its constants lie in changed after the model was read.
    ///
    /// # Errors
    /// Names the tensor and the range of the file.
    pub fn check_storage(&self) -> Result<(), StorageError> {
        let fault = |node: &FloatNode| match &node.op {
            FloatOp::Constant(tensor) => tensor.data.fault().cloned(),
            _ => None,
        };
        self.nodes.iter().find_map(fault).map_or(Ok(()), Err)
    }

    /// Has the reals of so many elements of constants at hand, and of no others.
    pub(crate) fn keep_reals(&mut self, elements: usize) {
        let mut left = elements;
        for node in &mut self.nodes {
            let FloatOp::Constant(tensor) = &mut node.op else { continue };
            tensor.data.release();
            if tensor.data.is_narrow() && tensor.data.len() <= left {
                left -= tensor.data.len();
                tensor.data.convert();
            }
        }
    }
}

impl Tensor {
    /// A tensor of that shape.
    ///
    /// # Panics
    ///
    /// When the shape does not have as many elements as `data`.
    pub fn new(shape: Vec<usize>, data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "elements of shape {shape:?}");
        Self { shape, data: data.into() }
    }

    /// The value of all elements, if they have one.
    pub(crate) fn uniform(&self) -> Option<f64> {
        let head = self.data.head();
        let first = *head.first()?;
        (head.iter().all(|&v| v == first) && self.data.values().all(|v| v == first)).then_some(first)
    }

    /// A constant: [`Self::new`] in as few bytes as it takes.
    pub(crate) fn constant(shape: Vec<usize>, data: Vec<f64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len(), "elements of shape {shape:?}");
        Self { shape, data: Reals::constant(data) }
    }

    /// A scalar.
    pub fn scalar(value: f64) -> Self {
        Self::new(vec![], vec![value])
    }
}
