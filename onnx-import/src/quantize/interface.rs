//! Between real tensors and the integers of a program's ports.

use circuits::graph::{Op, PortKind, Program};
use circuits::interface::{Interface, InterfacePort};
use thiserror::Error;

use super::float32::held_inputs;
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
    /// A number that a program in float32 arithmetic does not take as it is.
    #[error(
        "input {input:?}: element {index} is beyond the range or between the numbers that results are exact for, multiples of {unit:e} from \
         {lo} to {hi}: calibrate with samples that reach as far and are as fine, or use --dynamic calibrated"
    )]
    Inexact {
        /// The input.
        input: String,
        /// Position of the value.
        index: usize,
        /// What admissible values are multiples of.
        unit: f64,
        /// Smallest admissible value.
        lo: f64,
        /// Largest admissible value.
        hi: f64,
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

/// Part of the largest element of an input by which float32 arithmetic's results may be taken for those of rounded elements.
const NEGLIGIBLE: f64 = 1.0 / (1 << 24) as f64;

/// How many elements of real inputs that float32 arithmetic reads are rounded, by a negligible part of the largest one of their input. Other
/// inputs, of this program or another, are rounded anyway.
///
/// # Errors
/// An element that would be set to an end of its range, or rounded by more.
///
/// # Panics
/// Not as many tensors as inputs.
pub fn check_exact(program: &Program, tensors: &[Tensor]) -> Result<usize, InputError> {
    assert_eq!(tensors.len(), program.inputs.len(), "one tensor per input");
    let mut count = 0;
    for ((port, tensor), is_held) in program.inputs.iter().zip(tensors).zip(held_inputs(program)) {
        let Op::Input { lo, hi } = program.node(port.tensor).op else {
            unreachable!("validated input ports name input nodes")
        };
        if port.kind != PortKind::Real || !is_held {
            continue;
        }
        let largest = tensor.data.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        let [lo, hi] = [lo, hi].map(|end| end as f64 * port.scale);
        for (index, &value) in tensor.data.iter().enumerate() {
            let single = f64::from(value as f32);
            let error = (rounded(value, port.scale) * port.scale - single).abs();
            if single < lo || single > hi || error > NEGLIGIBLE * largest {
                let (input, unit) = (port.name.clone(), port.scale);
                return Err(InputError::Inexact { input, index, unit, lo, hi });
            }
            count += usize::from(error > 0.0);
        }
    }
    Ok(count)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use circuits::graph::{Node, Port, TensorId, Visibility};

    use super::*;

    /// Two inputs of integers from −8 to 8 in the same unit, of which the first is rounded to float32's significant bits.
    fn program() -> Program {
        let node = |op| Node { name: "n".into(), op, shape: vec![2], scale: 1.0 };
        let affine = |operand| Op::Affine { operands: [operand; 2], factors: [1, 0], constant: 0, requantize: None };
        let rounded = Op::RoundSignificant { input: TensorId(2), bits: 24 };
        let input = Op::Input { lo: -8, hi: 8 };
        let ops = [input.clone(), input, affine(TensorId(0)), rounded, affine(TensorId(1))];
        let port = |name: &str, tensor| Port {
            name: name.into(),
            tensor: TensorId(tensor),
            shape: vec![2],
            scale: 0.5,
            kind: PortKind::Real,
            visibility: Visibility::Private,
        };
        Program {
            name: String::new(),
            source_digest: [0; 32],
            options: BTreeMap::new(),
            private_weights: BTreeMap::new(),
            tables: vec![],
            nodes: ops.map(node).to_vec(),
            inputs: vec![port("held", 0), port("calibrated", 1)],
            outputs: vec![port("y", 3), port("z", 4)],
        }
    }

    #[test]
    fn only_inputs_of_float32_arithmetic_are_to_be_exact() {
        let program = program();
        program.validate().expect("a program");
        let given = |held: [f64; 2], calibrated: [f64; 2]| {
            check_exact(&program, &[held, calibrated].map(|values| Tensor::new(vec![2], values.to_vec())))
        };
        assert_eq!(given([1.5, -4.0], [0.7321, 777.0]), Ok(0));
        assert_eq!(given([4.0, 1e-9], [0.0; 2]), Ok(1));
        for value in [0.7321, 777.0] {
            let error = given([1.0, value], [0.0; 2]).expect_err("it is rounded, or set to an end");
            let expected = InputError::Inexact { input: "held".into(), index: 1, unit: 0.5, lo: -4.0, hi: 4.0 };
            assert_eq!(error, expected);
            assert!(!error.to_string().contains(&value.to_string()), "{error}");
        }
    }
}
