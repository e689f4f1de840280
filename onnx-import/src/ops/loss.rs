//! NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, as an evaluation of a model has them.

use super::one_hot::indicators;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("NegativeLogLikelihoodLoss", &[since(12, 2, 3, 1)], negative_log_likelihood),
    onnx("SoftmaxCrossEntropyLoss", &[since(12, 2, 3, 2)], softmax_cross_entropy),
];

fn negative_log_likelihood(call: &mut Call) -> Result {
    let scores = call.input(0)?;
    Ok(vec![loss(call, scores)?])
}

/// The second output are the logarithms of the probabilities.
fn softmax_cross_entropy(call: &mut Call) -> Result {
    let scores = call.input(0)?;
    let (shape, dtype) = (call.shape(scores), call.dtype(scores));
    if shape.len() < 2 {
        return Err(NodeError::shape(format!("scores of shape {shape:?}, without classes")));
    }
    let logarithms = call.builder.emit(FloatOp::LogSoftmax { input: scores, axis: 1 }, shape, dtype)?;
    Ok(vec![loss(call, logarithms)?, logarithms])
}

/// `−w[label]·scores[label]` of scores `[N, classes, …]` and labels `[N, …]`, summed, divided by the sum of the weights, or
/// neither. A label that is to be ignored has no weight.
fn loss(call: &mut Call, scores: ValueId) -> Result<ValueId> {
    let labels = call.input(1)?;
    let (shape, wanted, dtype) = (call.shape(scores), call.shape(labels), call.dtype(scores));
    let fits = shape.len() >= 2 && wanted[..] == [&shape[..1], &shape[2..]].concat() && call.dtype(labels).is_integer();
    if !fits {
        return Err(NodeError::shape(format!("labels of shape {wanted:?} for scores of shape {shape:?}")));
    }
    let classes = shape[1];
    let ignored = call.attributes.int("ignore_index")?;
    let mut chosen = indicators(call, labels, classes, false, dtype)?;
    let weighted = call.optional(2);
    if let Some(weights) = weighted {
        if call.shape(weights) != [classes] {
            return Err(NodeError::shape(format!("weights of shape {:?} for {classes} classes", call.shape(weights))));
        }
        chosen = call.builder.binary(BinaryFunction::Mul, chosen, weights)?;
    }
    if let Some(ignored) = ignored {
        let kept = (0..classes).map(|class| f64::from(u8::from(class as i64 != ignored))).collect();
        let kept = call.builder.constant(vec![classes], kept, dtype)?;
        chosen = call.builder.binary(BinaryFunction::Mul, chosen, kept)?;
    }
    let order: Vec<usize> = std::iter::once(0).chain(2..shape.len()).chain([1]).collect();
    let scores = call.builder.transpose(scores, &order)?;
    let product = call.builder.binary(BinaryFunction::Mul, chosen, scores)?;
    let last = wanted.len();
    let losses = call.builder.reduce(product, ReduceKind::Sum, &[last], false)?;
    let losses = call.builder.affine(losses, -1.0, 0.0)?;
    let all: Vec<usize> = (0..last).collect();
    match call.attributes.string_or("reduction", "mean")?.as_str() {
        "none" => Ok(losses),
        "sum" => call.builder.reduce(losses, ReduceKind::Sum, &all, false),
        "mean" if weighted.is_none() && ignored.is_none() => call.builder.reduce(losses, ReduceKind::Mean, &all, false),
        "mean" => {
            let total = call.builder.reduce(losses, ReduceKind::Sum, &all, false)?;
            let weights: Vec<usize> = (0..=last).collect();
            let weight = call.builder.reduce(chosen, ReduceKind::Sum, &weights, false)?;
            call.builder.binary(BinaryFunction::Div, total, weight)
        }
        other => Err(NodeError::attribute("reduction", format!("`{other}` is unknown"))),
    }
}
