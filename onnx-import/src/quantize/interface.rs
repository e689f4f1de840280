//! Between real tensors and the integers of a program's ports.

use circuits::graph::{Op, PortKind, Program};
use circuits::interface::{Interface, InterfacePort};
use thiserror::Error;

use crate::float::graph::Tensor;
use crate::samples::sample_shape;

/// Input values as the program takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizedInputs {
    /// One list per input port, row-major.
    pub values: Vec<Vec<i64>>,
    /// How many values lay outside the range of their input by more than rounding and were set to its nearest end.
    pub clamped: usize,
}

/// Why tensors can't be inputs of a program.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// Not as many tensors as inputs.
    #[error("the program takes {expected} inputs, {found} were given")]
    Count {
        /// Inputs of the program.
        expected: usize,
        /// Tensors given.
        found: usize,
    },
    /// A tensor of another size.
    #[error("input {input:?} takes shape {expected:?}, {found:?} was given")]
    Shape {
        /// The input.
        input: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// An infinity, or NaN in an input without missing values.
    #[error(
        "input {input:?}: element {index} is {value}, and only finite numbers can be proved, or NaN where the model was compiled \
         for an input with missing values (calibration samples with NaN, or --missing {input:?})"
    )]
    NotFinite {
        /// The input.
        input: String,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A fraction, or an index that the program does not admit.
    #[error("input {input:?}: element {index} is {value}, and the input takes integers in [{lo}, {hi}]")]
    Index {
        /// The input.
        input: String,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f64,
        /// Smallest admissible integer.
        lo: i64,
        /// Largest admissible integer.
        hi: i64,
    },
}

/// What quantizing needs to know of an input.
struct Input<'a> {
    name: &'a str,
    shape: &'a [usize],
    kind: PortKind,
    scale: f64,
    lo: i64,
    hi: i64,
}

/// The integers that stand for real inputs: rounded half up, and clamped to the range that was calibrated. NaN is what is missing, in
/// inputs that may have missing values.
///
/// # Errors
/// Tensors of the wrong number or shape, infinities, NaN in other inputs, and integers (labels, indices) out of range, which are never clamped.
pub fn quantize_inputs(program: &Program, tensors: &[Tensor]) -> Result<QuantizedInputs, InputError> {
    quantize_sample(program, 1, tensors)
}

/// [`quantize_inputs`] of one sample of a program that takes `batch` of them at once.
///
/// # Errors
/// Those of [`quantize_inputs`].
pub fn quantize_sample(program: &Program, batch: usize, tensors: &[Tensor]) -> Result<QuantizedInputs, InputError> {
    let shapes: Vec<_> = program.inputs.iter().map(|port| sample_shape(&port.shape, batch)).collect();
    let inputs = program.inputs.iter().zip(&shapes).map(|(port, shape)| {
        let (lo, hi) = match program.node(port.tensor).op {
            Op::Input { lo, hi } => (lo, hi),
            _ => unreachable!("validated input ports name input nodes"),
        };
        Input { name: &port.name, shape, kind: port.kind, scale: port.scale, lo, hi }
    });
    quantize(&inputs.collect::<Vec<_>>(), tensors)
}

/// [`quantize_inputs`] by what a verifying key tells of the inputs; the integers are the same.
///
/// # Errors
/// Tensors of the wrong number or shape, infinities, NaN in other inputs, and integers (labels, indices) out of range, which are never clamped.
pub fn quantize_for_interface(interface: &Interface, tensors: &[Tensor]) -> Result<QuantizedInputs, InputError> {
    let inputs = interface.inputs().map(|port| {
        let InterfacePort { name, shape, kind, scale, lo, hi, .. } = port;
        Input { name, shape, kind: *kind, scale: *scale, lo: *lo, hi: *hi }
    });
    quantize(&inputs.collect::<Vec<_>>(), tensors)
}

fn quantize(inputs: &[Input<'_>], tensors: &[Tensor]) -> Result<QuantizedInputs, InputError> {
    if tensors.len() != inputs.len() {
        return Err(InputError::Count { expected: inputs.len(), found: tensors.len() });
    }
    let mut quantized = QuantizedInputs { values: Vec::with_capacity(tensors.len()), clamped: 0 };
    for (&Input { name, shape, kind, scale, lo, hi }, tensor) in inputs.iter().zip(tensors) {
        let input = || name.to_owned();
        if tensor.data.len() != shape.iter().product::<usize>() {
            return Err(InputError::Shape { input: input(), expected: shape.to_vec(), found: tensor.shape.clone() });
        }
        let missing = kind.missing(lo);
        let (lo, hi) = kind.numbers((lo, hi));
        let one = |(index, &value): (usize, &f64)| {
            if let (true, Some(missing)) = (value.is_nan(), missing) {
                return Ok(missing);
            }
            if !value.is_finite() {
                return Err(InputError::NotFinite { input: input(), index, value });
            }
            let rounded = rounded(value, scale);
            let inside = (lo as f64 <= rounded) && (rounded <= hi as f64);
            if kind == PortKind::Index && (!inside || value.fract() != 0.0) {
                return Err(InputError::Index { input: input(), index, value, lo, hi });
            }
            quantized.clamped += usize::from(!inside);
            Ok(rounded.clamp(lo as f64, hi as f64) as i64)
        };
        let values = tensor.data.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        quantized.values.push(values);
    }
    Ok(quantized)
}

/// `value / scale` rounded. A scale that is a float32 number may be that of a QuantizeLinear: then the division is that of
/// float32 and halves go to even, as that operator has it; otherwise halves go up.
pub(super) fn rounded(value: f64, scale: f64) -> f64 {
    if f64::from(scale as f32) == scale {
        f64::from((value as f32 / scale as f32).round_ties_even())
    } else {
        (value / scale + 0.5).floor()
    }
}

/// The reals that integer outputs stand for, in the shapes of the model; labels and indices as they are.
///
/// # Panics
/// When the values are not those of this program's outputs.
pub fn dequantize_outputs(program: &Program, outputs: &[Vec<i64>]) -> Vec<Tensor> {
    assert_eq!(outputs.len(), program.outputs.len(), "one list of values per output");
    let tensor = |(port, values): (&circuits::graph::Port, &Vec<i64>)| {
        Tensor::new(port.shape.clone(), values.iter().map(|&v| v as f64 * port.scale).collect())
    };
    program.outputs.iter().zip(outputs).map(tensor).collect()
}
