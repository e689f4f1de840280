//! What can go wrong between the float graph and the integer program.

use circuits::analysis::AnalysisError;
use circuits::graph::{FamilyError, ProgramError};
use circuits::reference::RunError;
use thiserror::Error;

use crate::float::evaluate::EvaluateError;
use crate::float::stored::StorageError;
use crate::samples::SampleError;

/// Why a float graph can't be turned into an integer program. `node` names the model's nodes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// An operator that has no integer form yet.
    #[error("node {node:?}: {what} can't be proved; {remedy}")]
    Unsupported {
        /// The node.
        node: String,
        /// What is asked for.
        what: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A constant of the model that is NaN or infinite where a number is needed.
    #[error("node {node:?}: {what} is {value}; replace it in the model by a finite number")]
    NotFinite {
        /// The node.
        node: String,
        /// Which constant.
        what: &'static str,
        /// The value.
        value: f64,
    },
    /// The float model itself computes NaN or an infinity on a calibration sample.
    #[error("node {node:?} computes {value} on calibration sample {sample}; check the samples and the model")]
    Calibration {
        /// The node.
        node: String,
        /// The sample.
        sample: usize,
        /// The value.
        value: f64,
    },
    /// A calibration sample that indexes beyond a table.
    #[error("input {input:?} of calibration sample {sample} is {value}, and indexes a table of {rows} rows")]
    Index {
        /// The input.
        input: String,
        /// The sample.
        sample: usize,
        /// The index.
        value: f64,
        /// Rows of the table.
        rows: usize,
    },
    /// A function that is not defined anywhere on the values that reach it.
    #[error("node {node:?}: {function} is not defined on the values [{lo}, {hi}] that reach it")]
    Undefined {
        /// The node.
        node: String,
        /// The function.
        function: String,
        /// Smallest argument.
        lo: f64,
        /// Largest argument.
        hi: f64,
    },
    /// A divisor that is zero, or changes its sign, on the calibration samples.
    #[error("node {node:?} divides by values in [{lo}, {hi}]; a divisor must stay away from zero on the samples")]
    Divisor {
        /// The node.
        node: String,
        /// Smallest divisor.
        lo: f64,
        /// Largest divisor.
        hi: f64,
    },
    /// An input whose step the model fixes.
    #[error(
        "input {input:?}: the model itself says that its integers stand for multiples of {scale:e}; \
         have the other program give its output at that scale"
    )]
    InputStep {
        /// The input.
        input: String,
        /// Its scale.
        scale: f64,
    },
    /// Missing values where an input can't have them.
    #[error(
        "input {input:?} can't have missing values (NaN): it takes integers, or the step of another program's output; leave NaN out \
         of its samples and --missing"
    )]
    Missing {
        /// The input.
        input: String,
    },
    /// NaN would reach an operator that does not say what becomes of it.
    #[error(
        "node {node:?} gives NaN where a value of input {input:?} is missing; put a number in its place before (an imputer, or Where \
         behind IsNaN), or leave NaN out of the samples"
    )]
    Unsettled {
        /// The node.
        node: String,
        /// The input.
        input: String,
    },
    /// A number that does not fit the integer program.
    #[error("node {node:?}: {what} does not fit the integer program; {remedy}")]
    TooLarge {
        /// The node.
        node: String,
        /// Which number.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Integers that may leave the type which the model gives them, where they would wrap around.
    #[error(
        "node {node:?}: its {data_type} results may lie anywhere in [{lo}, {hi}], and wrap around beyond {data_type}; \
         calibrate with the integers that occur, for inputs of a smaller range, or have the model compute in a wider type"
    )]
    WrapsAround {
        /// The node.
        node: String,
        /// Their type.
        data_type: &'static str,
        /// Smallest value by the ranges of the inputs.
        lo: f64,
        /// Largest value by the ranges of the inputs.
        hi: f64,
    },
    /// An option outside what is supported.
    #[error("{option} is {value}, and must lie in {admissible}")]
    Option {
        /// The option.
        option: &'static str,
        /// The value given.
        value: String,
        /// What is admissible.
        admissible: &'static str,
    },
    /// A port that the model does not have.
    #[error("the model has no {direction} named {name:?}")]
    NoSuchPort {
        /// Input or output.
        direction: &'static str,
        /// The name.
        name: String,
    },
    /// A model that is to take another one's scales, and is of another form.
    #[error("the model can't take the scales of the first: it has {what}")]
    Unlike {
        /// What differs.
        what: String,
    },
    /// A model that was trained further, and whose program is no member of the family of the first one's.
    #[error("the model can't be proved under the key of the first: {0}")]
    Family(#[from] FamilyError),
    /// A model that was trained further, and whose accumulators are wider than the first one's program declares.
    #[error("the model can't be proved under the key of the first: {0}")]
    Outgrown(AnalysisError),
    /// Weights that can't be declared private, as numbers may grow too large.
    #[error("the weights can't be private: {0}")]
    Private(#[from] AnalysisError),
    /// A model whose dynamic scales can't be computed exactly, as was asked.
    #[error("dynamic scales can't be computed as the runtime does: {what}; compile with calibrated scales")]
    Inexact {
        /// What stands against it.
        what: String,
    },
    /// The calibration file does not fit the model.
    #[error(transparent)]
    Samples(#[from] SampleError),
    /// The float model can't be run on the samples.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A constant of the float model is not what it was when the model was read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The program violates an invariant of its type.
    #[error("the compiled program is not well formed: {0}")]
    Program(#[from] ProgramError),
    /// The program can't be run on the calibration samples.
    #[error("the compiled program can't be run: {0}")]
    Run(#[from] RunError),
}
