//! Matrix products and convolutions, as loops over contiguous rows.

use super::{broadcast_shape, strides_for, Odometer};
use crate::float::graph::{Tensor, Window};
use crate::float::stored::Loaded;
use std::ops::Range;

/// NumPy `matmul`, one-dimensional operands included.
pub(super) fn matmul(a: &Tensor, b: &Tensor) -> Vec<f64> {
    let rows = |shape: &[usize]| if shape.len() == 1 { vec![1, shape[0]] } else { shape.to_vec() };
    let columns = |shape: &[usize]| if shape.len() == 1 { vec![shape[0], 1] } else { shape.to_vec() };
    let (left, right) = (rows(&a.shape), columns(&b.shape));
    let (left_batch, [m, k]) = split_matrix(&left);
    let (right_batch, [_, n]) = split_matrix(&right);
    let batch = broadcast_shape(left_batch, right_batch).expect("the batch axes broadcast");
    let mut data = vec![0.0; batch.iter().product::<usize>() * m * n];
    let matrices = Odometer::new(&batch, [strides_for(left_batch, &batch), strides_for(right_batch, &batch)]);
    let right = b.data.load();
    for ([i, j], target) in matrices.zip(data.chunks_exact_mut((m * n).max(1))) {
        let left = &a.data[i * m * k..(i + 1) * m * k];
        match &right {
            Loaded::Double(right) => product(left, &right[j * k * n..(j + 1) * k * n], [m, k, n], target),
            narrow => narrow_product(left, narrow, j * k * n, [m, k, n], target),
        }
    }
    data
}

/// [`product`] with a matrix that is converted row by row, from an element on; sums are added up in the same order.
fn narrow_product(a: &[f64], b: &Loaded, start: usize, [m, k, n]: [usize; 3], target: &mut [f64]) {
    let mut row = vec![0.0; n];
    for l in 0..k {
        b.fill(start + l * n, &mut row);
        (0..m).for_each(|i| add_scaled(&mut target[i * n..(i + 1) * n], a[i * k + l], &row));
    }
}

fn split_matrix(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    (batch, [matrix[0], matrix[1]])
}

fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3], target: &mut [f64]) {
    for i in 0..m {
        let row = &mut target[i * n..(i + 1) * n];
        for (l, &factor) in a[i * k..(i + 1) * k].iter().enumerate() {
            add_scaled(row, factor, &b[l * n..(l + 1) * n]);
        }
    }
}

fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t += factor * s;
    }
}

/// The output positions whose tap `k` lies inside the input along one axis, and the input position of the first.
fn inside(window: &Window, axis: usize, k: usize, size: usize, outputs: usize) -> (Range<usize>, usize) {
    let (stride, shift) = (window.stride[axis], k * window.dilation[axis]);
    let padding = window.padding[axis];
    let first = padding.saturating_sub(shift).div_ceil(stride);
    let end = (size + padding).saturating_sub(shift).div_ceil(stride).min(outputs);
    (first..end.max(first), (first * stride + shift).saturating_sub(padding))
}

pub(super) fn conv(
    input: &Tensor,
    weights: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    groups: usize,
    shape: &[usize],
) -> Vec<f64> {
    let (channels, height, width) = (input.shape[1], input.shape[2], input.shape[3]);
    let (outputs, per_group) = (weights.shape[0], channels / groups);
    let [kernel_height, kernel_width] = window.kernel;
    let plane = shape[2] * shape[3];
    let mut data = vec![0.0; shape.iter().product()];
    for (index, target) in data.chunks_exact_mut(plane.max(1)).enumerate() {
        let (batch, output) = (index / outputs, index % outputs);
        target.fill(bias.map_or(0.0, |bias| bias.data[output]));
        let group = output / (outputs / groups);
        for channel in 0..per_group {
            let source_channel = batch * channels + group * per_group + channel;
            let source = &input.data[source_channel * height * width..(source_channel + 1) * height * width];
            for ky in 0..kernel_height {
                let (rows, first_row) = inside(window, 0, ky, height, shape[2]);
                for kx in 0..kernel_width {
                    let weight =
                        weights.data[((output * per_group + channel) * kernel_height + ky) * kernel_width + kx];
                    let (columns, first_column) = inside(window, 1, kx, width, shape[3]);
                    if weight == 0.0 || columns.is_empty() {
                        continue;
                    }
                    for (step, y) in rows.clone().enumerate() {
                        let from = &source[(first_row + step * window.stride[0]) * width + first_column..];
                        let to = &mut target[y * shape[3] + columns.start..y * shape[3] + columns.end];
                        add_scaled_strided(to, weight, from, window.stride[1]);
                    }
                }
            }
        }
    }
    data
}

fn add_scaled_strided(target: &mut [f64], factor: f64, source: &[f64], stride: usize) {
    if stride == 1 {
        let length = target.len();
        add_scaled(target, factor, &source[..length]);
    } else {
        for (t, s) in target.iter_mut().zip(source.iter().step_by(stride)) {
            *t += factor * s;
        }
    }
}

pub(super) fn conv_transpose(
    input: &Tensor,
    weights: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    groups: usize,
    shape: &[usize],
) -> Vec<f64> {
    let (channels, height, width) = (input.shape[1], input.shape[2], input.shape[3]);
    let (outputs, in_group, out_group) = (shape[1], channels / groups, weights.shape[1]);
    let [kernel_height, kernel_width] = window.kernel;
    let mut data = vec![0.0; shape.iter().product()];
    for (index, target) in data.chunks_exact_mut((shape[2] * shape[3]).max(1)).enumerate() {
        let (batch, output) = (index / outputs, index % outputs);
        target.fill(bias.map_or(0.0, |bias| bias.data[output]));
        let group = output / out_group;
        for channel in group * in_group..(group + 1) * in_group {
            let start = (batch * channels + channel) * height * width;
            let source = &input.data[start..start + height * width];
            for ky in 0..kernel_height {
                // Seen from the result, the input is the output of a convolution with the same window.
                let (rows, first_row) = inside(window, 0, ky, shape[2], height);
                for kx in 0..kernel_width {
                    let weight = weights.data
                        [((channel * out_group + output % out_group) * kernel_height + ky) * kernel_width + kx];
                    let (columns, first_column) = inside(window, 1, kx, shape[3], width);
                    for (step, y) in rows.clone().enumerate() {
                        let row = (first_row + step * window.stride[0]) * shape[3] + first_column;
                        for (position, x) in columns.clone().enumerate() {
                            target[row + position * window.stride[1]] += weight * source[y * width + x];
                        }
                    }
                }
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize]) -> Tensor {
        Tensor::new(shape.to_vec(), (0..shape.iter().product()).map(|i: usize| (i * 7 % 11) as f64 - 5.0).collect())
    }

    /// The definition, tap by tap.
    fn slow_conv(input: &Tensor, weights: &Tensor, window: &Window, groups: usize, shape: &[usize]) -> Vec<f64> {
        let (c, h, w) = (input.shape[1], input.shape[2] as isize, input.shape[3] as isize);
        let (per_group, out_per_group) = (c / groups, shape[1] / groups);
        let mut data = Vec::new();
        for (o, y, x) in
            (0..shape[1]).flat_map(|o| (0..shape[2]).flat_map(move |y| (0..shape[3]).map(move |x| (o, y, x))))
        {
            let mut sum = 0.0;
            for i in 0..per_group {
                for (ky, kx) in (0..window.kernel[0]).flat_map(|a| (0..window.kernel[1]).map(move |b| (a, b))) {
                    let row = (y * window.stride[0] + ky * window.dilation[0]) as isize - window.padding[0] as isize;
                    let column = (x * window.stride[1] + kx * window.dilation[1]) as isize - window.padding[1] as isize;
                    if (0..h).contains(&row) && (0..w).contains(&column) {
                        let channel = (o / out_per_group * per_group + i) as isize;
                        sum += input.data[((channel * h + row) * w + column) as usize]
                            * weights.data[((o * per_group + i) * window.kernel[0] + ky) * window.kernel[1] + kx];
                    }
                }
            }
            data.push(sum);
        }
        data
    }

    #[test]
    fn convolution_agrees_with_its_definition() {
        for (stride, dilation, padding, groups) in
            [([1, 1], [1, 1], [0, 0, 0, 0], 1), ([2, 1], [1, 2], [1, 2, 0, 1], 2), ([3, 2], [2, 1], [4, 0, 2, 3], 4)]
        {
            let window = Window { kernel: [2, 3], stride, dilation, padding };
            let (input, weights) = (counting(&[1, 4, 7, 6]), counting(&[8, 4 / groups, 2, 3]));
            let size = |axis: usize, n: usize| {
                (n + padding[axis] + padding[axis + 2] - dilation[axis] * (window.kernel[axis] - 1) - 1) / stride[axis]
                    + 1
            };
            let shape = [1, 8, size(0, 7), size(1, 6)];
            assert_eq!(
                conv(&input, &weights, None, &window, groups, &shape),
                slow_conv(&input, &weights, &window, groups, &shape)
            );
        }
    }

    #[test]
    fn transposed_convolution_is_the_adjoint() {
        let window = Window { kernel: [3, 2], stride: [2, 3], dilation: [1, 2], padding: [1, 0, 2, 1] };
        let (weights, large) = (counting(&[4, 3, 3, 2]), [1, 6, 8, 9]);
        let small = [1, 4, (8 + 3 - 2 - 1) / 2 + 1, (9 + 1 - 2 - 1) / 3 + 1];
        let (x, y) = (counting(&large), counting(&small));
        let forward = conv(&x, &weights, None, &window, 2, &small);
        let back = conv_transpose(&y, &weights, None, &window, 2, &large);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert_eq!(dot(&forward, &y.data), dot(&back, &x.data));
    }

    #[test]
    fn matrices_multiply_over_broadcast_batches() {
        let (a, b) = (counting(&[2, 1, 2, 3]), counting(&[3, 3, 2]));
        let data = matmul(&a, &b);
        assert_eq!(data.len(), 2 * 3 * 2 * 2);
        let expected: f64 = (0..3).map(|l| a.data[6 + 3 + l] * b.data[2 * 6 + l * 2 + 1]).sum();
        assert_eq!(data[(3 + 2) * 4 + 3], expected);
    }
}
