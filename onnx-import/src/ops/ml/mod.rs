//! The linear part of `ai.onnx.ml`: linear models, scalers, encoders and their helpers.

mod features;
mod labels;
mod linear;

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::registry::{ml, since, Operator, VARIADIC};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    ml("LinearClassifier", &[since(1, 1, 1, 2)], linear::classifier),
    ml("LinearRegressor", &[since(1, 1, 1, 1)], linear::regressor),
    ml("Scaler", &[since(1, 1, 1, 1)], features::scaler),
    ml("Normalizer", &[since(1, 1, 1, 1)], features::normalizer),
    ml("Binarizer", &[since(1, 1, 1, 1)], features::binarizer),
    ml("Imputer", &[since(1, 1, 1, 1)], features::imputer),
    ml("FeatureVectorizer", &[since(1, 1, VARIADIC, 1)], features::vectorizer),
    ml("OneHotEncoder", &[since(1, 1, 1, 1)], features::one_hot),
    ml("ArrayFeatureExtractor", &[since(1, 2, 2, 1)], features::extractor),
    ml("ZipMap", &[since(1, 1, 1, 1)], labels::zip_map),
];

/// A table of samples, `[N, F]`, in float32; one sample without a batch axis gets one.
fn samples(call: &mut Call, index: usize) -> Result<ValueId> {
    let input = call.input(index)?;
    let shape = match call.shape(input)[..] {
        [features] => vec![1, features],
        [samples, features] => vec![samples, features],
        ref shape => return Err(NodeError::shape(format!("its operand has shape {shape:?}, not [N, F]"))),
    };
    let table = call.builder.reshape(input, shape)?;
    call.builder.retype(table, DType::Float32)
}
