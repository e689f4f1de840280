//! Why a model is refused.

use crate::float::stored::StorageError;

/// Why a model could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model.
    #[error("not an ONNX model: {reason}")]
    NotOnnx {
        /// What is wrong.
        reason: String,
    },
    /// Something exceeds its bound.
    #[error("{what}: {found} exceeds the limit of {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: String,
        /// Its size.
        found: u64,
        /// The bound.
        limit: u64,
    },
    /// The model's own operator set is missing or out of range.
    #[error("operator set of domain `{domain}` is version {version}; versions {oldest} to {newest} are supported")]
    OperatorSet {
        /// The domain; `ai.onnx` for the default one.
        domain: String,
        /// The version that the model asks for.
        version: i64,
        /// Oldest supported.
        oldest: i64,
        /// Newest supported.
        newest: i64,
    },
    /// A stored tensor is malformed or of a type that is not supported.
    #[error("tensor `{name}`: {reason}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Data in another file could not be used.
    #[error("tensor `{name}`: external data: {reason}")]
    ExternalData {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A file with tensors changed while the model was read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An input of the model is malformed or of a type that is not supported.
    #[error("input `{name}`: {reason}")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// An output of the model is not defined by it.
    #[error("output `{name}`: {reason}")]
    Output {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A dimension was given that the model does not have.
    #[error("the model has no dynamic dimension `{name}`; it has: {known}")]
    UnknownDimension {
        /// The name given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The graph is malformed.
    #[error("malformed graph: {reason}")]
    Graph {
        /// What is wrong.
        reason: String,
    },
    /// A node is refused.
    #[error("node `{node}` ({operator}): {error}")]
    Node {
        /// Its name, or that of its first output where it has none.
        node: String,
        /// The operator, with its domain unless that is `ai.onnx`.
        operator: String,
        /// Why.
        error: NodeError,
    },
    /// A number that is not finite, or an integer beyond 2^53, is part of the model that remains after folding.
    #[error("`{name}` contains {value}, which has no fixed-point value")]
    NotFinite {
        /// The tensor, or the nodes that it was folded from.
        name: String,
        /// The number.
        value: f64,
    },
}

/// Why a node is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The model does not import the domain of the operator, or it is none that is supported.
    #[error("unknown operator domain `{domain}`")]
    UnknownDomain {
        /// The domain.
        domain: String,
    },
    /// The operator does not exist in that operator set, or is not supported.
    #[error("operator not supported (operator set {version})")]
    UnknownOperator {
        /// The operator set.
        version: i64,
    },
    /// The operator has no such attribute in that operator set.
    #[error("unknown attribute `{attribute}` (operator set {version})")]
    UnknownAttribute {
        /// The attribute.
        attribute: String,
        /// The operator set.
        version: i64,
    },
    /// Wrong number of inputs or outputs.
    #[error("expected {expected} {what}, found {found}")]
    Arity {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// How many are allowed.
        expected: String,
        /// How many there are.
        found: usize,
    },
    /// An attribute is missing, of the wrong type or out of range.
    #[error("attribute `{attribute}`: {reason}")]
    Attribute {
        /// The attribute.
        attribute: String,
        /// What is wrong.
        reason: String,
    },
    /// Shapes do not fit.
    #[error("{0}")]
    Shape(String),
    /// Element types do not fit.
    #[error("{0}")]
    DataType(String),
    /// An operand that must be known at compile time depends on the model's inputs.
    #[error("{operand} must be a constant, not computed from the inputs of the model")]
    NotConstant {
        /// What the operand is.
        operand: &'static str,
    },
    /// A value is used that nothing before defines.
    #[error("uses `{value}`, which nothing before it defines (it is missing, or the graph has a cycle)")]
    Undefined {
        /// The value.
        value: String,
    },
    /// A legal use that cannot be expressed.
    #[error("{reason}; {remedy}")]
    Unsupported {
        /// What is not supported.
        reason: String,
        /// The way out.
        remedy: String,
    },
    /// A tensor or the work to fold it exceeds its bound.
    #[error("{what}: {found} exceeds the limit of {limit}")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The bound.
        limit: u64,
    },
    /// A tensor inside the node is malformed.
    #[error("tensor `{name}`: {reason}")]
    Tensor {
        /// Its name or role.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Folding met a number that its type cannot hold.
    #[error("folding gives {value}, which {data_type} cannot hold exactly")]
    Inexact {
        /// The number.
        value: f64,
        /// The type.
        data_type: &'static str,
    },
}

impl NodeError {
    /// An attribute that is missing, of the wrong type or out of range.
    pub(crate) fn attribute(attribute: &str, reason: impl Into<String>) -> Self {
        Self::Attribute { attribute: attribute.to_owned(), reason: reason.into() }
    }

    /// Shapes that do not fit.
    pub(crate) fn shape(reason: impl Into<String>) -> Self {
        Self::Shape(reason.into())
    }

    /// Element types that do not fit.
    pub(crate) fn data_type(reason: impl Into<String>) -> Self {
        Self::DataType(reason.into())
    }

    /// A legal use that cannot be expressed, with the way out.
    pub(crate) fn unsupported(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported { reason: reason.into(), remedy: remedy.into() }
    }
}
