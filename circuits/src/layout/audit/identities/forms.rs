//! What the program's operators ask for: the form of each element, and sums of such forms.

use rayon::prelude::*;

use super::{residue, Identities};
use crate::graph::{ConvGeometry, Op, TensorId, Weights};

impl Identities<'_> {
    /// The forms of a tensor's elements, linear or bilinear, from the operator's definition.
    pub(super) fn expected(&self, tensor: TensorId) -> Vec<u64> {
        match &self.program.node(tensor).op {
            Op::Conv { input, geometry, weights, bias, .. } => match self.program.private_weights_of(tensor) {
                None => self.expected_conv(tensor, *input, geometry, weights, bias),
                Some((declared, owner)) => {
                    let value = |is_bias: bool, limbs: u32| {
                        move |index: usize| self.weights.value(owner, is_bias, index, limbs)
                    };
                    let weights: Vec<_> = (0..weights.len()).map(value(false, declared.weight_limbs())).collect();
                    let bias: Vec<_> = (0..bias.len()).map(value(true, declared.bias_limbs())).collect();
                    self.expected_private_conv(tensor, *input, geometry, &weights, &bias)
                }
            },
            Op::MatMul { operands, .. } => self.expected_matmul(*operands),
            _ => Vec::new(),
        }
    }

    fn expected_matmul(&self, operands: [TensorId; 2]) -> Vec<u64> {
        let [a_shape, b_shape] = operands.map(|operand| &self.program.node(operand).shape);
        let (rows, inner, columns) = (a_shape[1], a_shape[2], b_shape[2]);
        let residues = |operand: TensorId| -> Vec<u64> {
            (0..self.program.node(operand).elements()).map(|index| self.element(operand, index)).collect()
        };
        let [a, b] = operands.map(residues);
        let form = |index: usize| {
            let (row, column) = (index / columns, index % columns);
            let terms = (0..inner).map(|k| (a[row * inner + k], b[(row / rows * inner + k) * columns + column]));
            terms.fold(0, |sum, (a, b)| residue::add(sum, residue::multiply(a, b)))
        };
        (0..a_shape[0] * rows * columns).into_par_iter().map(form).collect()
    }

    fn expected_conv(
        &self,
        tensor: TensorId,
        input: TensorId,
        geometry: &ConvGeometry,
        weights: &Weights,
        bias: &[i64],
    ) -> Vec<u64> {
        let per_output = weights.len() / bias.len();
        let start = |output: usize| i128::from(bias[output]);
        let kernels = |output: usize| weights.slice(output * per_output..(output + 1) * per_output);
        let add = |sum: &mut i128, weight: i32, x: u64| *sum += i128::from(weight) * i128::from(x);
        self.conv_forms(ConvForms { tensor, input, geometry, outputs: bias.len() }, start, kernels, add, residue::of)
    }

    /// The same with residues for weights and biases.
    fn expected_private_conv(
        &self,
        tensor: TensorId,
        input: TensorId,
        geometry: &ConvGeometry,
        weights: &[u64],
        bias: &[u64],
    ) -> Vec<u64> {
        let per_output = weights.len() / bias.len();
        let kernels = |output: usize| weights[output * per_output..(output + 1) * per_output].to_vec();
        let add = |sum: &mut u64, weight: u64, x: u64| *sum = residue::add(*sum, residue::multiply(weight, x));
        let conv = ConvForms { tensor, input, geometry, outputs: bias.len() };
        self.conv_forms(conv, |output| bias[output], kernels, add, |sum| sum)
    }

    /// Sums from `start`, to which `add` adds each weight of `kernels` times what it is applied to.
    fn conv_forms<S: Copy + Send, W: Copy + Default + PartialEq>(
        &self,
        conv: ConvForms<'_>,
        start: impl Fn(usize) -> S + Sync,
        kernels: impl Fn(usize) -> Vec<W> + Sync,
        add: impl Fn(&mut S, W, u64) + Sync,
        residue: impl Fn(S) -> u64 + Sync,
    ) -> Vec<u64> {
        let ConvForms { tensor, input, geometry, outputs } = conv;
        let node = self.program.node(tensor);
        let source = self.program.node(input);
        let inputs: Vec<u64> = (0..source.elements()).map(|index| self.element(input, index)).collect();
        let positions = node.shape[1] * node.shape[2];
        let per_group = outputs / geometry.groups as usize;
        let channels = source.shape[0] / geometry.groups as usize;
        let mut forms = vec![0; outputs * positions];
        forms.par_chunks_mut(positions).enumerate().for_each(|(o, forms)| {
            let mut sums = vec![start(o); positions];
            let weights = kernels(o);
            let kernels = weights.chunks(weights.len() / channels);
            for (channel, weights) in (o / per_group * channels..).zip(kernels) {
                let plane = &inputs[channel * source.shape[1] * source.shape[2]..];
                let picture = [source.shape[1], source.shape[2]];
                add_channel(&mut sums, plane, weights, geometry, picture, node.shape[2], &add);
            }
            forms.iter_mut().zip(sums).for_each(|(form, sum)| *form = residue(sum));
        });
        forms
    }

    /// For each output of a convolution the sum of its forms, each times the factor of its position.
    pub(super) fn collapsed_conv(
        &self,
        tensor: TensorId,
        input: TensorId,
        geometry: &ConvGeometry,
        weights: &Weights,
        bias: &[i64],
        factors: &[u64],
    ) -> Vec<u64> {
        let (source, width) = (self.program.node(input), self.program.node(tensor).shape[2]);
        let picture = [source.shape[1], source.shape[2]];
        let taps: Vec<_> = (0..geometry.kernel[0] * geometry.kernel[1]).map(|tap| tap as usize).collect();
        let kernel_width = geometry.kernel[1] as usize;
        // What a weight of a channel is multiplied by, over all positions.
        let of_channel = |channel: usize| {
            let first = channel * picture[0] * picture[1];
            let plane: Vec<u64> = (first..first + picture[0] * picture[1]).map(|i| self.element(input, i)).collect();
            let sum = |tap: &usize| {
                let terms = factors.iter().enumerate().filter_map(|(position, &factor)| {
                    let row = read_at(geometry, 0, position / width, tap / kernel_width, picture[0])?;
                    let column = read_at(geometry, 1, position % width, tap % kernel_width, picture[1])?;
                    Some(residue::multiply(factor, plane[row * picture[1] + column]))
                });
                terms.fold(0, residue::add)
            };
            taps.iter().map(sum).collect::<Vec<u64>>()
        };
        let sums: Vec<u64> = (0..source.shape[0]).into_par_iter().flat_map_iter(of_channel).collect();
        let all = factors.iter().copied().fold(0, residue::add);
        let (per_output, groups) = (weights.len() / bias.len(), geometry.groups as usize);
        let of_output = |output: usize| {
            let first = output / (bias.len() / groups) * per_output;
            let weights = weights.slice(output * per_output..(output + 1) * per_output);
            let terms = weights.iter().zip(&sums[first..first + per_output]);
            // Each summand has less than 93 bits, and a program has fewer weights than 2^34.
            let sum = terms.fold(0i128, |sum, (&weight, &of)| {
                sum.wrapping_add(i128::from(i64::from(weight)).wrapping_mul(i128::from(of)))
            });
            residue::add(residue::of(sum), residue::multiply(residue::of(bias[output].into()), all))
        };
        (0..bias.len()).into_par_iter().map(of_output).collect()
    }
}

/// A convolution whose forms are asked for.
struct ConvForms<'a> {
    tensor: TensorId,
    input: TensorId,
    geometry: &'a ConvGeometry,
    /// Output channels.
    outputs: usize,
}

/// Adds what one input channel gives to the sums of an output channel whose rows are `width` long.
fn add_channel<S, W: Copy + Default + PartialEq>(
    sums: &mut [S],
    plane: &[u64],
    weights: &[W],
    geometry: &ConvGeometry,
    picture: [usize; 2],
    width: usize,
    add: &impl Fn(&mut S, W, u64),
) {
    let at = |axis: usize, out: usize, tap: usize| read_at(geometry, axis, out, tap, picture[axis]);
    let kernel_width = geometry.kernel[1] as usize;
    for (tap, &weight) in weights.iter().enumerate().filter(|(_, &weight)| weight != W::default()) {
        for (y, sums) in sums.chunks_mut(width).enumerate() {
            let Some(row) = at(0, y, tap / kernel_width) else { continue };
            for (x, sum) in sums.iter_mut().enumerate() {
                if let Some(column) = at(1, x, tap % kernel_width) {
                    add(sum, weight, plane[row * picture[1] + column]);
                }
            }
        }
    }
}

/// Where along an axis an output reads its input through a tap; `None` in the padding.
fn read_at(geometry: &ConvGeometry, axis: usize, out: usize, tap: usize, size: usize) -> Option<usize> {
    (out * geometry.stride[axis] as usize + tap * geometry.dilation[axis] as usize)
        .checked_sub(geometry.padding[axis] as usize)
        .filter(|&position| position < size)
}
