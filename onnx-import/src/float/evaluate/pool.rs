//! Pooling over sliding windows.

use crate::float::graph::{Tensor, Window};
use std::ops::Range;

/// Largest element under each window; padding never wins.
pub(super) fn max(input: &Tensor, window: &Window, shape: &[usize]) -> Vec<f64> {
    pool(input, window, shape, |values, _| values.fold(f64::NEG_INFINITY, f64::max))
}

/// Mean of the elements under each window.
pub(super) fn average(input: &Tensor, window: &Window, count_padding: bool, shape: &[usize]) -> Vec<f64> {
    let area = (window.kernel[0] * window.kernel[1]) as f64;
    pool(input, window, shape, |values, inside| values.sum::<f64>() / if count_padding { area } else { inside as f64 })
}

fn pool(
    input: &Tensor,
    window: &Window,
    shape: &[usize],
    combine: impl Fn(&mut dyn Iterator<Item = f64>, usize) -> f64,
) -> Vec<f64> {
    let (height, width) = (input.shape[2], input.shape[3]);
    let mut data = Vec::with_capacity(shape.iter().product());
    for plane in input.data.chunks_exact((height * width).max(1)) {
        for y in 0..shape[2] {
            let rows = taps(window, 0, y, height);
            for x in 0..shape[3] {
                let columns = taps(window, 1, x, width);
                let inside = rows.len() * columns.len();
                let (top, left) = (origin(window, 0, y), origin(window, 1, x));
                let mut values = rows.clone().flat_map(|i| {
                    let row = (top + (i * window.dilation[0]) as isize) as usize * width;
                    columns.clone().map(move |j| plane[row + (left + (j * window.dilation[1]) as isize) as usize])
                });
                data.push(combine(&mut values, inside));
            }
        }
    }
    data
}

/// Position in the input of the first tap of output position `at`; negative in the padding.
fn origin(window: &Window, axis: usize, at: usize) -> isize {
    (at * window.stride[axis]) as isize - window.padding[axis] as isize
}

/// The kernel positions that fall inside the input.
pub(crate) fn taps(window: &Window, axis: usize, at: usize, size: usize) -> Range<usize> {
    let (start, dilation) = (origin(window, axis, at), window.dilation[axis]);
    let first = if start < 0 { start.unsigned_abs().div_ceil(dilation) } else { 0 };
    let room = size as isize - start;
    let end = if room <= 0 { 0 } else { room.unsigned_abs().div_ceil(dilation).min(window.kernel[axis]) };
    first.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(padding: [usize; 4]) -> Window {
        Window { kernel: [1, 2], stride: [1, 2], dilation: [1, 1], padding }
    }

    #[test]
    fn padding_neither_wins_nor_counts_unless_asked() {
        let input = Tensor::new(vec![1, 1, 1, 3], vec![-1.0, -2.0, -4.0]);
        assert_eq!(max(&input, &window([0, 1, 0, 0]), &[1, 1, 1, 2]), [-1.0, -2.0]);
        assert_eq!(average(&input, &window([0, 1, 0, 0]), false, &[1, 1, 1, 2]), [-1.0, -3.0]);
        assert_eq!(average(&input, &window([0, 1, 0, 0]), true, &[1, 1, 1, 2]), [-0.5, -3.0]);
    }

    #[test]
    fn dilated_taps_stay_inside() {
        let input = Tensor::new(vec![1, 1, 1, 5], vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        let dilated = Window { kernel: [1, 3], stride: [1, 1], dilation: [1, 2], padding: [0, 2, 0, 2] };
        assert_eq!(max(&input, &dilated, &[1, 1, 1, 5]), [3.0, 4.0, 5.0, 4.0, 5.0]);
    }
}
