//! The reference interpreter: plain loops over `i128`. Its result is the definition of a program.
//!
//! No cleverness lives here, but that the output channels of a convolution are computed side by side, and over `i64` where no sum of some of
//! their terms leaves it. The circuit's witness, every engine and the contract must agree with it exactly.

use std::ops::{AddAssign, Mul};

use rayon::prelude::*;
use thiserror::Error;

use crate::graph::{ConvGeometry, Limits, Op, Program, Requantize, TensorId, ViewElement, Weights};

/// All tensors of one run, in the order of the program's nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    tensors: Vec<Vec<i64>>,
}

impl Trace {
    /// The elements of `tensor`, row-major.
    pub fn tensor(&self, tensor: TensorId) -> &[i64] {
        &self.tensors[tensor.0 as usize]
    }

    /// The output values in the order of the program's output ports.
    pub fn outputs(&self, program: &Program) -> Vec<Vec<i64>> {
        program.outputs.iter().map(|port| self.tensor(port.tensor).to_vec()).collect()
    }
}

/// Why a program can't be run on some inputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// Not as many input tensors as the program has input ports.
    #[error("the program takes {expected} inputs, {found} were given")]
    InputCount {
        /// Ports of the program.
        expected: usize,
        /// Tensors given.
        found: usize,
    },
    /// An input of the wrong size.
    #[error("input {port:?} takes {expected} values, {found} were given")]
    InputLength {
        /// Name of the port.
        port: String,
        /// Elements of the port.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// An input value outside its declared range. The value is not told: it may be secret.
    #[error("input {port:?}: element {index} lies outside [{lo}, {hi}]")]
    InputRange {
        /// Name of the port.
        port: String,
        /// Position of the value.
        index: usize,
        /// Smallest admissible value.
        lo: i64,
        /// Largest admissible value.
        hi: i64,
    },
    /// A reciprocal of a value below 1.
    #[error("node {node:?} divides by a value below 1")]
    Divisor {
        /// Name of the node.
        node: String,
    },
    /// A square root of a value below 0.
    #[error("node {node:?} takes the square root of a value below 0")]
    Root {
        /// Name of the node.
        node: String,
    },
    /// An index that is no row of a matrix.
    #[error("node {node:?} picks a row that its matrix does not have")]
    Index {
        /// Name of the node.
        node: String,
    },
    /// A value beyond 63 bits; validated programs within the interval analysis never reach it.
    #[error("node {node:?} overflows")]
    Overflow {
        /// Name of the node.
        node: String,
    },
}

/// Runs a validated program on the values of its input ports, row-major, in order.
///
/// # Errors
/// Inputs of the wrong number, length or range; a divisor below 1, a square root of less than 0.
pub fn run(program: &Program, inputs: &[Vec<i64>]) -> Result<Trace, RunError> {
    check_inputs(program, inputs)?;
    let mut trace = Trace { tensors: Vec::with_capacity(program.nodes.len()) };
    for (index, node) in program.nodes.iter().enumerate() {
        let values = match &node.op {
            Op::Input { .. } => {
                let port = program.inputs.iter().position(|port| port.tensor.0 as usize == index);
                inputs[port.expect("every input node has a port")].clone()
            }
            op => Evaluator { program, trace: &trace, node: &node.name }.evaluate(op, &node.shape)?,
        };
        trace.tensors.push(values);
    }
    Ok(trace)
}

fn check_inputs(program: &Program, inputs: &[Vec<i64>]) -> Result<(), RunError> {
    if inputs.len() != program.inputs.len() {
        return Err(RunError::InputCount { expected: program.inputs.len(), found: inputs.len() });
    }
    for (port, values) in program.inputs.iter().zip(inputs) {
        let node = program.node(port.tensor);
        if values.len() != node.elements() {
            return Err(RunError::InputLength {
                port: port.name.clone(),
                expected: node.elements(),
                found: values.len(),
            });
        }
        if let Op::Input { lo, hi } = node.op {
            if let Some(index) = values.iter().position(|value| !(lo..=hi).contains(value)) {
                return Err(RunError::InputRange { port: port.name.clone(), index, lo, hi });
            }
        }
    }
    Ok(())
}

struct Evaluator<'a> {
    program: &'a Program,
    trace: &'a Trace,
    node: &'a str,
}

impl Evaluator<'_> {
    fn evaluate(&self, op: &Op, shape: &[usize]) -> Result<Vec<i64>, RunError> {
        match op {
            Op::Input { .. } => unreachable!("inputs are taken from the caller"),
            Op::View { sources, map } => Ok(self.view(sources, map)),
            Op::Conv { input, geometry, weights, bias, requantize } => {
                let sums =
                    conv(self.trace.tensor(*input), &self.program.node(*input).shape, shape, geometry, weights, bias);
                self.finish(sums.into_iter(), requantize)
            }
            Op::Affine { operands, factors, constant, requantize } => {
                let [a, b] = operands.map(|operand| self.trace.tensor(operand));
                let [fa, fb] = factors.map(i128::from);
                let sums =
                    a.iter().zip(b).map(|(&a, &b)| fa * i128::from(a) + fb * i128::from(b) + i128::from(*constant));
                self.finish(sums, requantize)
            }
            Op::Product { operands, requantize } => {
                let [a, b] = operands.map(|operand| self.trace.tensor(operand));
                self.finish(a.iter().zip(b).map(|(&a, &b)| i128::from(a) * i128::from(b)), requantize)
            }
            Op::MatMul { operands, requantize } => self.finish(self.matmul(*operands)?.into_iter(), requantize),
            Op::Sum { input, factor, requantize } => {
                let sums = self
                    .windows(*input)
                    .map(|window| window.iter().map(|&v| i128::from(v)).sum::<i128>() * i128::from(*factor));
                self.finish(sums, requantize)
            }
            Op::Max { input } => Ok(self.windows(*input).map(largest).collect()),
            Op::ArgMax { input } => Ok(self.windows(*input).map(first_largest).collect()),
            Op::Lookup { input, table } => {
                let table = self.program.table(*table);
                Ok(self.trace.tensor(*input).iter().map(|&v| table.apply(v)).collect())
            }
            Op::Reciprocal { input, numerator } => {
                let invert = |&v: &i64| if v >= 1 { Ok(numerator / v) } else { Err(self.divisor()) };
                self.trace.tensor(*input).iter().map(invert).collect()
            }
            Op::Gather { input, entries } => {
                self.gather(*input, entries, *shape.last().expect("validated results have columns"))
            }
            Op::SquareRoot { input } => {
                let root = |&v: &i64| v.checked_isqrt().ok_or_else(|| self.root());
                self.trace.tensor(*input).iter().map(root).collect()
            }
        }
    }

    fn divisor(&self) -> RunError {
        RunError::Divisor { node: self.node.into() }
    }

    fn matmul(&self, operands: [TensorId; 2]) -> Result<Vec<i128>, RunError> {
        let overflow = || RunError::Overflow { node: self.node.into() };
        let [a, b] = operands.map(|operand| self.trace.tensor(operand));
        let [a_shape, b_shape] = operands.map(|operand| &self.program.node(operand).shape);
        let (rows, inner, columns) = (a_shape[1], a_shape[2], b_shape[2]);
        let mut sums = Vec::with_capacity(a_shape[0] * rows * columns);
        for (a, b) in a.chunks(rows * inner).zip(b.chunks(inner * columns)) {
            for row in a.chunks(inner) {
                for column in 0..columns {
                    let terms = row.iter().zip(b[column..].iter().step_by(columns));
                    let mut products = terms.map(|(&a, &b)| i128::from(a) * i128::from(b));
                    let sum = products.try_fold(0, |sum: i128, product| sum.checked_add(product));
                    sums.push(sum.ok_or_else(overflow)?);
                }
            }
        }
        Ok(sums)
    }

    fn gather(&self, input: TensorId, entries: &Weights, columns: usize) -> Result<Vec<i64>, RunError> {
        let indices = self.trace.tensor(input);
        let mut rows = Vec::with_capacity(indices.len() * columns);
        for &index in indices {
            let first = usize::try_from(index).ok().and_then(|index| index.checked_mul(columns));
            let first = first.filter(|&first| first < entries.len());
            let first = first.ok_or_else(|| RunError::Index { node: self.node.into() })?;
            rows.extend(entries.slice(first..first + columns).into_iter().map(i64::from));
        }
        Ok(rows)
    }

    fn root(&self) -> RunError {
        RunError::Root { node: self.node.into() }
    }

    fn view(&self, sources: &[TensorId], map: &[ViewElement]) -> Vec<i64> {
        let sources: Vec<_> = sources.iter().map(|&source| self.trace.tensor(source)).collect();
        map.iter()
            .map(|element| match *element {
                ViewElement::Zero => 0,
                ViewElement::Element { source, index } => sources[source as usize][index as usize],
            })
            .collect()
    }

    fn windows(&self, input: TensorId) -> impl Iterator<Item = &[i64]> {
        let last = *self.program.node(input).shape.last().expect("validated operands of reductions have an axis");
        self.trace.tensor(input).chunks(last)
    }

    fn finish(&self, sums: impl Iterator<Item = i128>, requantize: &Option<Requantize>) -> Result<Vec<i64>, RunError> {
        let overflow = || RunError::Overflow { node: self.node.into() };
        sums.map(|sum| match requantize {
            None => i64::try_from(sum).map_err(|_| overflow()),
            Some(requantize) => {
                let shifted = shift_half_up(sum, requantize.shift);
                let bound = i128::from(i64::MAX);
                Ok(self.program.table(requantize.table).apply(shifted.clamp(-bound, bound) as i64))
            }
        })
        .collect()
    }
}

/// `floor((sum + 2^(shift−1)) / 2^shift)`, and `sum` itself for a shift of 0; sums at the end of their type stay there.
pub fn shift_half_up(sum: i128, shift: u32) -> i128 {
    debug_assert!(shift <= Limits::MAX_SHIFT);
    if shift == 0 {
        sum
    } else {
        sum.saturating_add(1 << (shift - 1)) >> shift
    }
}

fn largest(window: &[i64]) -> i64 {
    *window.iter().max().expect("validated windows are not empty")
}

fn first_largest(window: &[i64]) -> i64 {
    let max = largest(window);
    window.iter().position(|&v| v == max).expect("the maximum is attained") as i64
}

fn conv(
    input: &[i64],
    input_shape: &[usize],
    output_shape: &[usize],
    geometry: &ConvGeometry,
    weights: &Weights,
    bias: &[i64],
) -> Vec<i128> {
    let [height, width] = [input_shape[1], input_shape[2]];
    let [outputs, out_height, out_width] = [output_shape[0], output_shape[1], output_shape[2]];
    let groups = geometry.groups as usize;
    let (in_per_group, out_per_group) = (input_shape[0] / groups, outputs / groups);
    let [kernel_height, kernel_width] = geometry.kernel.map(|v| v as usize);
    let largest = input.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0);
    let mut sums = vec![0; outputs * out_height * out_width];
    sums.par_chunks_mut(out_height * out_width).enumerate().for_each(|(o, sums)| {
        let first_channel = o / out_per_group * in_per_group;
        let per_output = in_per_group * kernel_height * kernel_width;
        let weights = weights.slice(o * per_output..(o + 1) * per_output);
        let channel = OutputChannel {
            planes: &input[first_channel * height * width..][..in_per_group * height * width],
            picture: [height, width],
            output: [out_height, out_width],
            geometry,
            weights: &weights,
        };
        let weight = weights.iter().map(|weight| u128::from(weight.unsigned_abs())).sum::<u128>();
        let bound = weight.saturating_mul(largest.into()).saturating_add(bias[o].unsigned_abs().into());
        match i64::try_from(bound) {
            Ok(_) => {
                let narrow = channel.sums(bias[o]);
                sums.iter_mut().zip(narrow).for_each(|(sum, narrow)| *sum = narrow.into());
            }
            Err(_) => sums.copy_from_slice(&channel.sums(i128::from(bias[o]))),
        }
    });
    sums
}

/// What one output channel of a convolution is made of.
struct OutputChannel<'a> {
    /// The input channels that it reads.
    planes: &'a [i64],
    picture: [usize; 2],
    output: [usize; 2],
    geometry: &'a ConvGeometry,
    /// Channel by channel.
    weights: &'a [i32],
}

impl OutputChannel<'_> {
    /// Its sums, in a type that holds all sums of some of their terms.
    fn sums<T: Copy + From<i32> + From<i64> + AddAssign + Mul<Output = T>>(&self, bias: T) -> Vec<T> {
        let Self { picture: [height, width], output: [out_height, out_width], geometry, .. } = *self;
        // The position read by output `o` through tap `t`, or `None` in the padding.
        let position = |axis: usize, o: usize, t: usize, size: usize| {
            (o * geometry.stride[axis] as usize + t * geometry.dilation[axis] as usize)
                .checked_sub(geometry.padding[axis] as usize)
                .filter(|&p| p < size)
        };
        let [kernel_height, kernel_width] = geometry.kernel.map(|v| v as usize);
        let mut sums = vec![bias; out_height * out_width];
        let kernels = self.weights.chunks(kernel_height * kernel_width);
        for (plane, kernel) in self.planes.chunks(height * width).zip(kernels) {
            for (tap, &weight) in kernel.iter().enumerate().filter(|(_, &weight)| weight != 0) {
                let weight = T::from(weight);
                if *geometry == ConvGeometry::POINTWISE {
                    sums.iter_mut().zip(plane).for_each(|(sum, &value)| *sum += weight * T::from(value));
                    continue;
                }
                for (y, sums) in sums.chunks_mut(out_width).enumerate() {
                    let Some(row) = position(0, y, tap / kernel_width, height) else { continue };
                    for (x, sum) in sums.iter_mut().enumerate() {
                        let Some(column) = position(1, x, tap % kernel_width, width) else { continue };
                        *sum += weight * T::from(plane[row * width + column]);
                    }
                }
            }
        }
        sums
    }
}
