//! `ai.onnx.ml`: linear models, trees, kernel machines, scalers, encoders and their helpers.

mod features;
mod kernels;
mod labels;
mod linear;
mod trees;

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
    ml("SVMClassifier", &[since(1, 1, 1, 2)], kernels::classifier),
    ml("SVMRegressor", &[since(1, 1, 1, 1)], kernels::regressor),
    ml("TreeEnsembleClassifier", &[since(1, 1, 1, 2)], trees::classifier),
    ml("TreeEnsembleRegressor", &[since(1, 1, 1, 1)], trees::regressor),
    ml("TreeEnsemble", &[since(5, 1, 1, 1)], trees::ensemble),
    ml("LabelEncoder", &[since(2, 1, 1, 1)], labels::encoder),
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
