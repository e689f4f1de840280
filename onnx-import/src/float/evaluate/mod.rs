//! The plain evaluator of the float graph, in `f64`.
//!
//! It defines what a float graph means: constant folding, calibration and accuracy figures all go through it.

mod contract;
mod elementwise;
mod pool;
mod reduce;
mod views;

use super::graph::{FloatGraph, FloatOp, ReduceKind, Tensor, ValueId};
use super::quantized::{IntegerRule, Requantization};
use super::stored::StorageError;

pub(crate) use elementwise::{broadcast_shape, strides_for, Odometer};
pub(crate) use pool::taps as window_taps;

/// Why inputs could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Wrong number of inputs.
    #[error("the model has {expected} inputs, {found} were given")]
    InputCount {
        /// Inputs of the model.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
    /// An input has the wrong shape.
    #[error("input `{name}` has shape {expected:?}, {found:?} was given")]
    InputShape {
        /// Name of the input.
        name: String,
        /// Its shape in the model.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A constant is not what it was when the model was read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The outputs of the model on these inputs, one tensor per input of the graph in its order.
///
/// # Errors
///
/// When the number of inputs or a shape is wrong, or a file with constants changed after the model was read.
pub fn evaluate_outputs(graph: &FloatGraph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvaluateError> {
    check_inputs(graph, inputs)?;
    match in_float32(graph, inputs) {
        Some(outputs) => {
            graph.check_storage()?;
            outputs
        }
        None => evaluate_with(graph, inputs, |_, _| {}),
    }
}

/// The value of every node on these inputs, in the order of the nodes.
///
/// # Errors
///
/// When the number of inputs or a shape is wrong, or a file with constants changed after the model was read.
pub fn evaluate_all(graph: &FloatGraph, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvaluateError> {
    let mut values = Vec::with_capacity(graph.nodes.len());
    evaluate_with(graph, inputs, |_, value| values.push(value.clone()))?;
    Ok(values)
}

/// The outputs of the model, in float32 arithmetic where the graph has that form; `observe` sees the value of every node in order, so that a calibration needs no more
/// memory than the live values.
///
/// # Errors
///
/// When the number of inputs or a shape is wrong, or a file with constants changed after the model was read.
pub fn evaluate_with(
    graph: &FloatGraph,
    inputs: &[Tensor],
    mut observe: impl FnMut(ValueId, &Tensor),
) -> Result<Vec<Tensor>, EvaluateError> {
    check_inputs(graph, inputs)?;
    let last_use = last_uses(graph);
    let mut values: Vec<Option<Tensor>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let operands = node.op.operands();
        let value = match &node.op {
            FloatOp::Input(number) => inputs[*number].clone(),
            FloatOp::Constant(tensor) => {
                // Seen as reals by a clone that is dropped: the one that stays is converted when it is read.
                observe(ValueId(index), &tensor.clone());
                tensor.clone()
            }
            op => {
                let tensors: Vec<&Tensor> =
                    operands.iter().map(|id| values[id.0].as_ref().expect("operands precede their use")).collect();
                apply(op, &node.shape, &tensors)
            }
        };
        if !matches!(node.op, FloatOp::Constant(_)) {
            observe(ValueId(index), &value);
        }
        values[index] = Some(value);
        for id in operands.iter().chain([&ValueId(index)]) {
            if last_use[id.0] <= index {
                values[id.0] = None;
            }
        }
    }
    graph.check_storage()?;
    if let Some(outputs) = in_float32(graph, inputs) {
        return outputs;
    }
    Ok(graph.outputs.iter().map(|port| values[port.value.0].clone().expect("outputs are kept")).collect())
}

/// The outputs of a model that is followed in float32 arithmetic, in reals behind what is followed.
fn in_float32(graph: &FloatGraph, inputs: &[Tensor]) -> Option<Result<Vec<Tensor>, EvaluateError>> {
    let form = graph.float32.as_ref()?.as_ref().ok()?;
    let shapes: Vec<_> = graph.outputs.iter().map(|port| graph.node(port.value).shape.clone()).collect();
    Some(form.split.evaluate(inputs, &shapes))
}

fn check_inputs(graph: &FloatGraph, inputs: &[Tensor]) -> Result<(), EvaluateError> {
    if graph.inputs.len() != inputs.len() {
        return Err(EvaluateError::InputCount { expected: graph.inputs.len(), found: inputs.len() });
    }
    for (port, tensor) in graph.inputs.iter().zip(inputs) {
        let expected = &graph.node(port.value).shape;
        if *expected != tensor.shape || tensor.data.len() != expected.iter().product::<usize>() {
            return Err(EvaluateError::InputShape {
                name: port.name.clone(),
                expected: expected.clone(),
                found: tensor.shape.clone(),
            });
        }
    }
    Ok(())
}

/// For each value the index of the last node that reads it; outputs are read at the end.
fn last_uses(graph: &FloatGraph) -> Vec<usize> {
    let mut last = vec![0; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for id in node.op.operands() {
            last[id.0] = index;
        }
    }
    for port in &graph.outputs {
        last[port.value.0] = usize::MAX;
    }
    last
}

/// One operator on the values of its operands; `shape` is the shape of the result.
///
/// # Panics
///
/// On [`FloatOp::Input`], and when shapes do not fit: the builder of the graph checks them.
pub(crate) fn apply(op: &FloatOp, shape: &[usize], operands: &[&Tensor]) -> Tensor {
    let data = match op {
        FloatOp::Input(number) => unreachable!("input {number} has no operands to apply"),
        FloatOp::Constant(tensor) => return tensor.clone(),
        FloatOp::Reshape(_) => return Tensor { shape: shape.to_vec(), data: operands[0].data.clone() },
        FloatOp::Transpose { permutation, .. } => views::transpose(operands[0], permutation),
        FloatOp::Reindex { map, fill, .. } => views::reindex(operands[0], map, *fill),
        FloatOp::Concat { axis, .. } => views::concat(operands, *axis),
        FloatOp::MatMul(..) => contract::matmul(operands[0], operands[1]),
        FloatOp::Conv { window, groups, .. } => {
            contract::conv(operands[0], operands[1], operands.get(2).copied(), window, *groups, shape)
        }
        FloatOp::ConvTranspose { window, groups, .. } => {
            contract::conv_transpose(operands[0], operands[1], operands.get(2).copied(), window, *groups, shape)
        }
        FloatOp::MaxPool { window, .. } => pool::max(operands[0], window, shape),
        FloatOp::AveragePool { window, count_padding, .. } => pool::average(operands[0], window, *count_padding, shape),
        FloatOp::Unary { function, .. } => operands[0].data.iter().map(|&v| function.evaluate(v)).collect(),
        FloatOp::Curve { curve, .. } => operands[0].data.iter().map(|&v| curve.evaluate(v)).collect(),
        FloatOp::Binary { function, .. } => elementwise::binary(*function, operands[0], operands[1], shape),
        FloatOp::Select { .. } => elementwise::select(operands[0], operands[1], operands[2], shape),
        FloatOp::Reduce { kind, axes, .. } => reduce::reduce(operands[0], *kind, axes),
        FloatOp::ArgExtremum { axis, smallest, last, .. } => reduce::arg(operands[0], *axis, *smallest, *last),
        FloatOp::TopIndices { count, smallest, .. } => reduce::top_indices(operands[0], *count, *smallest),
        FloatOp::Gather { axis, .. } => views::gather(operands[0], operands[1], *axis),
        FloatOp::Softmax { axis, .. } => reduce::softmax(operands[0], *axis, false),
        FloatOp::MaskedSoftmax { axis, kept, .. } => reduce::masked_softmax(operands[0], *axis, kept),
        FloatOp::GatedSoftmax { axis, shared, .. } => {
            reduce::gated_softmax(operands[0], operands[1], *axis, shared.as_deref())
        }
        FloatOp::Normalize { axes, centered, epsilon, .. } => reduce::normalize(operands[0], axes, *centered, *epsilon),
        FloatOp::TreeLeaves { trees, .. } => trees.indicators(&operands[0].data, operands[0].shape[1]),
        FloatOp::Quantize { quantizer, .. } => operands[0].data.iter().map(|&v| quantizer.quantize(v)).collect(),
        FloatOp::Dequantize { quantizer, .. } => operands[0].data.iter().map(|&v| quantizer.dequantize(v)).collect(),
        FloatOp::QuantizedConv { window, groups, requantization, .. } => {
            let sums = contract::conv(operands[0], operands[1], Some(operands[2]), window, *groups, shape);
            requantized(&sums, requantization, shape)
        }
        FloatOp::QuantizedConvTranspose { window, groups, requantization, .. } => {
            let sums = contract::conv_transpose(operands[0], operands[1], Some(operands[2]), window, *groups, shape);
            requantized(&sums, requantization, shape)
        }
        FloatOp::QuantizedNormalize { axes, normalization, .. } => {
            let (centered, epsilon) = (normalization.centered, normalization.epsilon);
            normalization.apply(&reduce::normalize(operands[0], axes, centered, epsilon))
        }
        FloatOp::QuantizedAverage { average, .. } => reduce::quantized_average(operands[0], average),
        FloatOp::QuantizedSoftmax { axis, softmax, .. } => reduce::quantized_softmax(operands[0], *axis, softmax),
        FloatOp::QuantizedAdd { sum, .. } => {
            let pairs = operands[0].data.iter().zip(operands[1].data.iter());
            pairs.map(|(&a, &b)| sum.apply(a as i64, b as i64) as f64).collect()
        }
        FloatOp::QuantizedMul { requantization, .. } => {
            let pairs = operands[0].data.iter().zip(operands[1].data.iter());
            pairs.map(|(a, b)| requantization.apply(0, (a * b) as i64) as f64).collect()
        }
        FloatOp::QuantizedMatMul { requantization, .. } => {
            let sums = contract::matmul(operands[0], operands[1]);
            sums.iter().map(|&sum| requantization.apply(0, sum as i64) as f64).collect()
        }
        FloatOp::QuantizedPairs { table, .. } => {
            let pairs = operands[0].data.iter().zip(operands[1].data.iter());
            pairs.map(|(&a, &b)| table.apply(a as i64, b as i64) as f64).collect()
        }
        FloatOp::Integers { rule, .. } => match rule {
            IntegerRule::Sum(axes) => reduce::reduce(operands[0], ReduceKind::Sum, axes),
            IntegerRule::Combination([a, b]) => {
                let pairs = operands[0].data.iter().zip(operands[1].data.iter());
                pairs.map(|(x, y)| *a as f64 * x + *b as f64 * y).collect()
            }
            IntegerRule::Product => operands[0].data.iter().zip(operands[1].data.iter()).map(|(a, b)| a * b).collect(),
        },
        FloatOp::QuantizedMap { table, .. } => operands[0].data.iter().map(|&v| table.apply(v as i64) as f64).collect(),
        FloatOp::LogSoftmax { axis, .. } => reduce::softmax(operands[0], *axis, true),
    };
    Tensor { shape: shape.to_vec(), data: data.into() }
}

/// Accumulators `[N, C, H, W]`, requantized by channel.
fn requantized(sums: &[f64], requantization: &Requantization, shape: &[usize]) -> Vec<f64> {
    let plane = shape[2] * shape[3];
    let one = |(i, &sum): (usize, &f64)| requantization.apply(i / plane % shape[1], sum as i64) as f64;
    sums.iter().enumerate().map(one).collect()
}

/// Splits a shape at an axis: product of the sizes before it, its size, product of the sizes after it.
fn around_axis(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}
