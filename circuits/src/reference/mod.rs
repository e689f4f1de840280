//! The reference interpreter: plain loops over `i128`. Its result is the definition of a program.
//!
//! No cleverness lives here, but that the output channels of a large convolution are computed side by side, and in the fewest bits that no sum of
//! some of their terms leaves. The circuit's witness, every engine and the contract must agree with it exactly.

use std::ops::Range;

use rayon::prelude::*;
use thiserror::Error;

use crate::graph::{ConvGeometry, Limits, Op, Program, Requantize, Step, TensorId, ViewElement, Weights};
use crate::significant::round_significant;

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

    /// Whether there are as many tensors as the program has, each with as many elements.
    pub fn has_shape_of(&self, program: &Program) -> bool {
        let lengths = self.tensors.iter().map(Vec::len);
        lengths.eq(program.nodes.iter().map(|node| node.elements()))
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
    /// A division by a value below 1.
    #[error("node {node:?} divides by a value below 1")]
    Divisor {
        /// Name of the node.
        node: String,
    },
    /// A quotient of a value below 0.
    #[error("node {node:?} divides a value below 0")]
    Dividend {
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
/// Inputs of the wrong number, length or range; a divisor below 1, a dividend or square root of less than 0.
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
            Op::RoundSignificant { input, bits } => {
                let round = |&v: &i64| i64::try_from(round_significant(v.into(), *bits)).map_err(|_| self.overflow());
                self.trace.tensor(*input).iter().map(round).collect()
            }
            Op::Steps { operands, first, shift, steps } => {
                let [a, b] = operands.map(|operand| self.trace.tensor(operand));
                let step = |(&a, &b): (&i64, &i64)| match b >= 1 {
                    true => Ok(first + steps_below(steps, *shift, a.into(), b.into()) as i64),
                    false => Err(self.divisor()),
                };
                a.iter().zip(b).map(step).collect()
            }
            Op::Quotient { operands } => {
                let [a, b] = operands.map(|operand| self.trace.tensor(operand));
                let divide = |(&a, &b): (&i64, &i64)| match (a, b) {
                    (_, ..1) => Err(self.divisor()),
                    (..0, _) => Err(RunError::Dividend { node: self.node.into() }),
                    _ => Ok(a / b),
                };
                a.iter().zip(b).map(divide).collect()
            }
            Op::SquareRoot { input } => {
                let root = |&v: &i64| v.checked_isqrt().ok_or_else(|| self.root());
                self.trace.tensor(*input).iter().map(root).collect()
            }
        }
    }

    fn overflow(&self) -> RunError {
        RunError::Overflow { node: self.node.into() }
    }

    fn divisor(&self) -> RunError {
        RunError::Divisor { node: self.node.into() }
    }

    fn matmul(&self, operands: [TensorId; 2]) -> Result<Vec<i128>, RunError> {
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
                    sums.push(sum.ok_or_else(|| self.overflow())?);
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
        sums.map(|sum| match requantize {
            None => i64::try_from(sum).map_err(|_| self.overflow()),
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

/// How many of some steps `a·2^shift` reaches: those with `factor·b + strict ≤ a·2^shift`, for `b ≥ 1`. Their left sides increase.
pub(crate) fn steps_below(steps: &[Step], shift: u32, a: i128, b: i128) -> usize {
    let reached = |step: &Step| i128::from(step.factor) * b + i128::from(step.strict) <= a << shift;
    steps.partition_point(reached)
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
    let (groups, outputs) = (geometry.groups as usize, output_shape[0]);
    let largest = input.iter().map(|value| value.unsigned_abs()).max().unwrap_or(0);
    let per_output = weights.len() / outputs;
    let conv = Convolution {
        input,
        picture: [input_shape[1], input_shape[2]],
        output: [output_shape[1], output_shape[2]],
        geometry,
        in_per_group: input_shape[0] / groups,
        out_per_group: outputs / groups,
        weights,
        bias,
        large: weights.len().saturating_mul(output_shape[1] * output_shape[2]) >= LARGE,
    };
    // By outputs, the largest magnitude that a sum of some of its terms can have, and whether 32 bits hold it and 16 each weight.
    let bound = |output: usize| {
        let weights = weights.slice(output * per_output..(output + 1) * per_output);
        let weight = weights.iter().map(|weight| u128::from(weight.unsigned_abs())).sum::<u128>();
        let bound = weight.saturating_mul(largest.into()).saturating_add(bias[output].unsigned_abs().into());
        (bound, bound <= i32::MAX as u128 && weights.iter().all(|&weight| i16::try_from(weight).is_ok()))
    };
    let bounds: Vec<(u128, bool)> = match conv.large {
        true => (0..outputs).into_par_iter().map(bound).collect(),
        false => (0..outputs).map(bound).collect(),
    };
    let worthwhile = conv.out_per_group >= PATCHED_OUTPUTS && bounds.iter().all(|&(_, short)| short);
    let short = |&value: &i64| i16::try_from(value).ok();
    match worthwhile.then(|| input.iter().map(short).collect::<Option<Vec<i16>>>()).flatten() {
        Some(input) => conv.short_sums(&input),
        None => conv.wide_sums(&bounds),
    }
}

/// Fewest products of a convolution that are shared out among threads: of fewer, handing them out would take most of the time, above all on a
/// machine that is busy.
const LARGE: usize = 1 << 17;
/// Fewest outputs that read the same inputs for which these are brought into the order of the weights.
const PATCHED_OUTPUTS: usize = 4;
/// Most inputs in the order of the weights that are held at a time.
const PATCHED_INPUTS: usize = 1 << 21;

/// A convolution on one input.
struct Convolution<'a> {
    input: &'a [i64],
    picture: [usize; 2],
    output: [usize; 2],
    geometry: &'a ConvGeometry,
    in_per_group: usize,
    out_per_group: usize,
    weights: &'a Weights,
    bias: &'a [i64],
    /// Whether it has [`LARGE`] products.
    large: bool,
}

impl Convolution<'_> {
    fn taps(&self) -> [usize; 2] {
        self.geometry.kernel.map(|size| size as usize)
    }

    /// Weights of an output.
    fn per_output(&self) -> usize {
        self.in_per_group * self.taps().iter().product::<usize>()
    }

    fn positions(&self) -> usize {
        self.output.iter().product()
    }

    /// Does something with each chunk and its number, side by side where there is enough to do.
    fn for_chunks<T: Send>(&self, all: &mut [T], size: usize, work: impl Fn((usize, &mut [T])) + Send + Sync) {
        match self.large {
            true => all.par_chunks_mut(size).enumerate().for_each(work),
            false => all.chunks_mut(size).enumerate().for_each(work),
        }
    }

    /// The position read along an axis by output `o` through tap `t`, or `None` in the padding.
    fn position(&self, axis: usize, o: usize, t: usize) -> Option<usize> {
        let Self { geometry, picture, .. } = self;
        (o * geometry.stride[axis] as usize + t * geometry.dilation[axis] as usize)
            .checked_sub(geometry.padding[axis] as usize)
            .filter(|&position| position < picture[axis])
    }

    /// The sums of products of integers of 16 bits, none of which leaves 32 bits whatever terms it lacks. The inputs of each position are
    /// brought into the order of the weights, for as many positions at a time as there is room for.
    fn short_sums(&self, input: &[i16]) -> Vec<i128> {
        let (per_output, positions) = (self.per_output(), self.positions());
        let tile = (PATCHED_INPUTS / per_output).clamp(1, positions);
        let mut sums = vec![0; self.bias.len() * positions];
        for (group, sums) in sums.chunks_mut(self.out_per_group * positions).enumerate() {
            let first_output = group * self.out_per_group;
            for first in (0..positions).step_by(tile) {
                let patches = self.patches(input, group, first..(first + tile).min(positions));
                self.for_chunks(sums, positions, |(output, sums)| {
                    let output = first_output + output;
                    let weights = self.weights.slice(output * per_output..(output + 1) * per_output);
                    let weights: Vec<i16> = weights.into_iter().map(|weight| weight as i16).collect();
                    let bias = self.bias[output] as i32;
                    for (sum, patch) in sums[first..].iter_mut().zip(patches.chunks(per_output)) {
                        *sum = bias.wrapping_add(short_product(&weights, patch)).into();
                    }
                });
            }
        }
        sums
    }

    /// What the weights of an output of a group are multiplied by, position by position.
    fn patches(&self, input: &[i16], group: usize, positions: Range<usize>) -> Vec<i16> {
        let ([height, width], [taps_y, taps_x]) = (self.picture, self.taps());
        let mut patches = vec![0; positions.len() * self.per_output()];
        self.for_chunks(&mut patches, self.per_output(), |(number, patch)| {
            let position = positions.start + number;
            let [y, x] = [position / self.output[1], position % self.output[1]];
            let columns: Vec<_> = (0..taps_x).map(|tap| self.position(1, x, tap)).collect();
            for (channel, patch) in patch.chunks_mut(taps_y * taps_x).enumerate() {
                let plane = &input[(group * self.in_per_group + channel) * height * width..][..height * width];
                for (tap, patch) in patch.chunks_mut(taps_x).enumerate() {
                    let Some(row) = self.position(0, y, tap) else { continue };
                    for (value, column) in patch.iter_mut().zip(&columns) {
                        *value = column.map_or(0, |column| plane[row * width + column]);
                    }
                }
            }
        });
        patches
    }

    /// The sums in 64 bits, or where their bounds ask for it in 128.
    fn wide_sums(&self, bounds: &[(u128, bool)]) -> Vec<i128> {
        let mut sums = vec![0; self.bias.len() * self.positions()];
        self.for_chunks(&mut sums, self.positions(), |(output, sums)| match i64::try_from(bounds[output].0) {
            Ok(_) => {
                let narrow = self.sums_of::<i64>(output);
                sums.iter_mut().zip(narrow).for_each(|(sum, narrow)| *sum = narrow.into());
            }
            Err(_) => sums.copy_from_slice(&self.sums_of::<i128>(output)),
        });
        sums
    }

    /// The sums of an output, in a type that holds all sums of some of their terms.
    fn sums_of<T: SumOfProducts>(&self, output: usize) -> Vec<T> {
        let ([height, width], [_, kernel_width]) = (self.picture, self.taps());
        let first_channel = output / self.out_per_group * self.in_per_group;
        let planes = &self.input[first_channel * height * width..][..self.in_per_group * height * width];
        let weights = self.weights.slice(output * self.per_output()..(output + 1) * self.per_output());
        let mut sums = vec![T::from(self.bias[output]); self.positions()];
        let kernels = weights.chunks(self.taps().iter().product());
        for (plane, kernel) in planes.chunks(height * width).zip(kernels) {
            for (tap, &weight) in kernel.iter().enumerate().filter(|(_, &weight)| weight != 0) {
                if *self.geometry == (ConvGeometry { groups: self.geometry.groups, ..ConvGeometry::POINTWISE }) {
                    sums.iter_mut().zip(plane).for_each(|(sum, &value)| sum.add_product(weight, value));
                    continue;
                }
                for (y, sums) in sums.chunks_mut(self.output[1]).enumerate() {
                    let Some(row) = self.position(0, y, tap / kernel_width) else { continue };
                    for (x, sum) in sums.iter_mut().enumerate() {
                        let Some(column) = self.position(1, x, tap % kernel_width) else { continue };
                        sum.add_product(weight, plane[row * width + column]);
                    }
                }
            }
        }
        sums
    }
}

/// Sums that are bounded before they are made: nothing overflows, and nothing looks whether it does.
trait SumOfProducts: Copy + From<i64> {
    fn add_product(&mut self, weight: i32, value: i64);
}

impl SumOfProducts for i64 {
    fn add_product(&mut self, weight: i32, value: i64) {
        *self = self.wrapping_add(i64::from(weight).wrapping_mul(value));
    }
}

impl SumOfProducts for i128 {
    fn add_product(&mut self, weight: i32, value: i64) {
        *self = self.wrapping_add(i128::from(weight).wrapping_mul(value.into()));
    }
}

/// `Σ a_i·b_i`, which fits 32 bits.
fn short_product(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a).wrapping_mul(b.into())).fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of a convolution, term by term.
    fn plain(conv: &Convolution<'_>) -> Vec<i128> {
        let ([height, width], [taps_y, taps_x]) = (conv.picture, conv.taps());
        let sum = |index: usize| {
            let (output, position) = (index / conv.positions(), index % conv.positions());
            let (y, x) = (position / conv.output[1], position % conv.output[1]);
            let terms = (0..conv.per_output()).filter_map(|weight| {
                let (channel, tap) = (weight / (taps_y * taps_x), weight % (taps_y * taps_x));
                let channel = output / conv.out_per_group * conv.in_per_group + channel;
                let (row, column) = (conv.position(0, y, tap / taps_x)?, conv.position(1, x, tap % taps_x)?);
                let weight = i128::from(conv.weights.get(output * conv.per_output() + weight));
                Some(weight * i128::from(conv.input[(channel * height + row) * width + column]))
            });
            i128::from(conv.bias[output]) + terms.sum::<i128>()
        };
        (0..conv.bias.len() * conv.positions()).map(sum).collect()
    }

    #[test]
    fn sums_are_those_of_the_definition_at_every_width() {
        // Inputs of 16 bits with sums of 32, just beyond either, of 64 bits and beyond them.
        for (input, weight) in
            [(127, 127), (32_767, 300), (32_768, 3), (127, 40_000), (1 << 40, 1 << 20), (1 << 62, 1 << 30)]
        {
            for (groups, outputs, stride, dilation, kernel) in [
                (1, 8, [1, 1], [1, 1], [1, 1]),
                (1, 5, [2, 1], [1, 2], [2, 3]),
                (2, 8, [1, 2], [1, 1], [3, 2]),
                (4, 4, [1, 1], [1, 1], [3, 3]),
            ] {
                let geometry = ConvGeometry { kernel, stride, dilation, padding: [1, 0, 2, 1], groups };
                let (channels, picture) = (4, [6, 7]);
                let size = |axis: usize| {
                    let reach = (dilation[axis] * (kernel[axis] - 1) + 1) as usize;
                    let padding = (geometry.padding[axis] + geometry.padding[axis + 2]) as usize;
                    (picture[axis] + padding - reach) / stride[axis] as usize + 1
                };
                let output = [size(0), size(1)];
                let per_output = channels / groups as usize * (kernel[0] * kernel[1]) as usize;
                let sign = |i: usize| if i % 3 == 1 { -1 } else { 1 };
                let values: Vec<i64> =
                    (0..channels * 42).map(|i| sign(i) * (input - (i as i64 * 7919 % 5).min(input))).collect();
                let weights: Weights =
                    (0..outputs * per_output).map(|i| sign(i / 2) as i32 * (weight - i as i32 * 31 % 4)).collect();
                let bias: Vec<i64> = (0..outputs as i64).map(|i| i * 1000 - 3000).collect();
                let conv = Convolution {
                    input: &values,
                    picture,
                    output,
                    geometry: &geometry,
                    in_per_group: channels / groups as usize,
                    out_per_group: outputs / groups as usize,
                    weights: &weights,
                    bias: &bias,
                    large: true,
                };
                let shapes = [[channels, picture[0], picture[1]], [outputs, output[0], output[1]]];
                let sums = super::conv(&values, &shapes[0], &shapes[1], &geometry, &weights, &bias);
                assert_eq!(sums, plain(&conv), "{input} {weight} {geometry:?}");
                let bounds = vec![(u128::MAX, false); outputs];
                assert_eq!(sums, conv.wide_sums(&bounds), "side by side: {input} {weight} {geometry:?}");
            }
        }
    }
}
