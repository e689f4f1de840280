//! LinearClassifier and LinearRegressor: `X·coefficientsᵀ + intercepts`.

use super::{labels, samples, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::ops::extremum::extremum;

/// `X·coefficientsᵀ + intercepts` for a table of samples, with one row of coefficients per class or target.
fn scores(call: &mut Call, rows: usize, intercepts: Option<Vec<f64>>) -> Result<ValueId> {
    let input = samples(call, 0)?;
    let features = call.shape(input)[1];
    let coefficients =
        call.attributes.floats("coefficients")?.ok_or_else(|| NodeError::attribute("coefficients", "it is missing"))?;
    if rows.checked_mul(features) != Some(coefficients.len()) {
        let reason = format!("{} numbers for {rows} rows of {features} features", coefficients.len());
        return Err(NodeError::attribute("coefficients", reason));
    }
    let weights = call.builder.constant(vec![rows, features], coefficients, DType::Float32)?;
    let weights = call.builder.transpose(weights, &[1, 0])?;
    let product = call.builder.matmul(input, weights)?;
    match intercepts {
        None => Ok(product),
        Some(intercepts) if intercepts.len() == rows => {
            let intercepts = call.builder.constant(vec![rows], intercepts, DType::Float32)?;
            call.builder.binary(BinaryFunction::Add, product, intercepts)
        }
        Some(intercepts) => {
            Err(NodeError::attribute("intercepts", format!("{} numbers for {rows} rows", intercepts.len())))
        }
    }
}

/// Scores of each target. A function after that is applied differently by runtimes, and refused.
pub(super) fn regressor(call: &mut Call) -> Result<Vec<ValueId>> {
    let targets = call.attributes.int_or("targets", 1)?;
    let targets = usize::try_from(targets).map_err(|_| NodeError::attribute("targets", "it is negative"))?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    if transform != "NONE" {
        return Err(refuse_transform(&transform));
    }
    let intercepts = call.attributes.floats("intercepts")?;
    Ok(vec![scores(call, targets, intercepts)?])
}

/// Label and scores. One row of coefficients with two labels is a binary classifier whose other score is implied.
pub(super) fn classifier(call: &mut Call) -> Result<Vec<ValueId>> {
    let labels = labels::Labels::read(call, "classlabels_ints", "classlabels_strings")?;
    // It says how the model was trained; runtimes do not read it.
    call.attributes.flag("multi_class", false)?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    let intercepts =
        call.attributes.floats("intercepts")?.ok_or_else(|| NodeError::attribute("intercepts", "it is missing"))?;
    let rows = intercepts.len();
    let scores = scores(call, rows, Some(intercepts))?;
    let binary = rows == 1 && labels.count() == 2;
    if !binary && labels.count() != rows {
        let reason = format!("{} labels for {rows} rows of coefficients", labels.count());
        return Err(NodeError::attribute("classlabels_ints", reason));
    }
    let label = if call.used_outputs.first() == Some(&true) {
        let index = if binary { is_positive(call, scores)? } else { extremum(call, scores, 1, false, false, false)? };
        labels.of(call, index)?
    } else {
        scores
    };
    let scores = if binary { both(call, scores, &transform)? } else { transformed(call, scores, &transform)? };
    Ok(vec![label, scores])
}

/// 1 where the only score is above zero.
fn is_positive(call: &mut Call, scores: ValueId) -> Result<ValueId> {
    let zero = call.builder.scalar(0.0, DType::Float32)?;
    let above = call.builder.binary(BinaryFunction::Less, zero, scores)?;
    let samples = call.shape(above)[0];
    let above = call.builder.reshape(above, vec![samples])?;
    call.builder.retype(above, DType::Int64)
}

/// The scores of both classes from that of the second.
fn both(call: &mut Call, score: ValueId, transform: &str) -> Result<ValueId> {
    let builder = &mut *call.builder;
    let (first, second) = match transform {
        "NONE" => (builder.affine(score, -1.0, 1.0)?, score),
        "LOGISTIC" => {
            let turned = builder.unary(UnaryFunction::Neg, score)?;
            (builder.unary(UnaryFunction::Sigmoid, turned)?, builder.unary(UnaryFunction::Sigmoid, score)?)
        }
        other => return Err(refuse_transform(other)),
    };
    builder.concat(&[first, second], 1)
}

/// The function after the scores of several classes.
pub(super) fn transformed(call: &mut Call, scores: ValueId, transform: &str) -> Result<ValueId> {
    match transform {
        "NONE" => Ok(scores),
        "LOGISTIC" => call.builder.unary(UnaryFunction::Sigmoid, scores),
        "SOFTMAX" => {
            let shape = call.shape(scores);
            call.builder.emit(FloatOp::Softmax { input: scores, axis: 1 }, shape, DType::Float32)
        }
        other => Err(refuse_transform(other)),
    }
}

pub(super) fn refuse_transform(transform: &str) -> NodeError {
    NodeError::unsupported(
        format!("post_transform {transform} is not supported here"),
        "export raw scores (post_transform NONE) and apply the function as an operator of ai.onnx",
    )
}
