//! Operators whose results have no fixed shape, or no value that a proof could be about: refused with the way out.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("NonMaxSuppression", &[since(10, 2, 5, 1)], suppression),
    onnx("Unique", &[since(11, 1, 1, 4)], distinct),
    onnx("RandomNormal", &[since(1, 0, 0, 1)], random),
    onnx("RandomNormalLike", &[since(1, 1, 1, 1)], random),
    onnx("RandomUniform", &[since(1, 0, 0, 1)], random),
    onnx("RandomUniformLike", &[since(1, 1, 1, 1)], random),
    onnx("Bernoulli", &[since(15, 1, 1, 1)], random),
    onnx("Multinomial", &[since(7, 1, 1, 1)], random),
];

fn suppression(_: &mut Call) -> Result<Vec<ValueId>> {
    Err(NodeError::unsupported(
        "how many boxes it keeps depends on the inputs",
        "cut the model before it, with boxes and scores as outputs, which anybody can select from after the proof",
    ))
}

fn distinct(_: &mut Call) -> Result<Vec<ValueId>> {
    Err(NodeError::unsupported("how many distinct values there are depends on the inputs", "cut the model before it"))
}

fn random(_: &mut Call) -> Result<Vec<ValueId>> {
    Err(NodeError::unsupported(
        "a proof can't be about random numbers that the model draws",
        "export the model for inference, or make the random numbers an input of it",
    ))
}
