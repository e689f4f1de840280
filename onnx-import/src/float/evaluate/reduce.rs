//! Reductions, arg max, softmax and normalization.

use super::{around_axis, Odometer};
use crate::float::graph::{ReduceKind, Tensor};
use crate::float::quantized::{QuantizedAverage, QuantizedSoftmax};

pub(super) fn reduce(input: &Tensor, kind: ReduceKind, axes: &[usize]) -> Vec<f64> {
    let kept: Vec<usize> =
        input.shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let outputs: usize = kept.iter().product();
    let (start, combine): (f64, fn(f64, f64) -> f64) = match kind {
        ReduceKind::Sum | ReduceKind::Mean => (0.0, |a, b| a + b),
        ReduceKind::Product => (1.0, |a, b| a * b),
        ReduceKind::Max => (f64::NEG_INFINITY, f64::max),
        ReduceKind::Min => (f64::INFINITY, f64::min),
    };
    let mut data = vec![start; outputs];
    let strides = super::strides_for(&kept, &input.shape);
    for ([target], &value) in Odometer::new(&input.shape, [strides]).zip(input.data.iter()) {
        data[target] = combine(data[target], value);
    }
    if kind == ReduceKind::Mean {
        let count = axes.iter().map(|&axis| input.shape[axis]).product::<usize>() as f64;
        data.iter_mut().for_each(|value| *value /= count);
    }
    data
}

pub(super) fn arg(input: &Tensor, axis: usize, smallest: bool, last: bool) -> Vec<f64> {
    let (outer, size, inner) = around_axis(&input.shape, axis);
    let sign = if smallest { -1.0 } else { 1.0 };
    let mut data = Vec::with_capacity(outer * inner);
    for row in 0..outer {
        for column in 0..inner {
            let at = |k: usize| sign * input.data[(row * size + k) * inner + column];
            let mut best = 0;
            for k in 1..size {
                if at(k) > at(best) || (last && at(k) == at(best)) {
                    best = k;
                }
            }
            data.push(best as f64);
        }
    }
    data
}

/// Positions of the extreme elements of each row, in order.
pub(super) fn top_indices(input: &Tensor, count: usize, smallest: bool) -> Vec<f64> {
    let size = input.shape[1];
    let sign = if smallest { 1.0 } else { -1.0 };
    let ranked = |row: &[f64]| {
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| (sign * row[a]).total_cmp(&(sign * row[b])));
        order.into_iter().take(count).map(|index| index as f64).collect::<Vec<_>>()
    };
    input.data.chunks_exact(size.max(1)).flat_map(ranked).collect()
}

pub(super) fn softmax(input: &Tensor, axis: usize, logarithm: bool) -> Vec<f64> {
    let (outer, size, inner) = around_axis(&input.shape, axis);
    let mut data = input.data.to_vec();
    for row in 0..outer {
        for column in 0..inner {
            let at = |k: usize| (row * size + k) * inner + column;
            let largest = (0..size).map(|k| input.data[at(k)]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..size).map(|k| (input.data[at(k)] - largest).exp()).sum();
            for k in 0..size {
                let shifted = input.data[at(k)] - largest;
                data[at(k)] = if logarithm { shifted - sum.ln() } else { shifted.exp() / sum };
            }
        }
    }
    data
}

/// Softmax of centered integers over one axis, as centered integers.
pub(super) fn quantized_softmax(input: &Tensor, axis: usize, softmax: &QuantizedSoftmax) -> Vec<f64> {
    let (outer, size, inner) = around_axis(&input.shape, axis);
    let mut data = vec![0.0; input.data.len()];
    for first in (0..outer).flat_map(|row| (0..inner).map(move |column| row * size * inner + column)) {
        let row: Vec<i64> = (0..size).map(|k| input.data[first + k * inner] as i64).collect();
        let shares = softmax.apply(&row);
        shares.into_iter().enumerate().for_each(|(k, share)| data[first + k * inner] = share as f64);
    }
    data
}

/// Averages of centered integers over the last axis, as centered integers.
pub(super) fn quantized_average(input: &Tensor, average: &QuantizedAverage) -> Vec<f64> {
    let size = input.shape.last().copied().unwrap_or(1).max(1);
    let row = |row: &[f64]| average.apply(&row.iter().map(|&v| v as i64).collect::<Vec<_>>()) as f64;
    input.data.chunks(size).map(row).collect()
}

/// Softmax of what is kept; the rest is as good as `−∞`, and 0 where nothing is kept.
pub(super) fn masked_softmax(input: &Tensor, axis: usize, kept: &[bool]) -> Vec<f64> {
    let masked = input.data.iter().zip(kept).map(|(&v, &kept)| if kept { v } else { f64::NEG_INFINITY });
    let mut shares = softmax(&Tensor::new(input.shape.clone(), masked.collect()), axis, false);
    shares.iter_mut().zip(kept).filter(|(_, &kept)| !kept).for_each(|(share, _)| *share = 0.0);
    shares
}

/// Softmax of the elements whose gate, under broadcasting, is not 0; the rest is 0. Where there are none, all are 0, or those
/// that are `shared` have equal shares.
pub(super) fn gated_softmax(input: &Tensor, gate: &Tensor, axis: usize, shared: Option<&[bool]>) -> Vec<f64> {
    let gates = Odometer::new(&input.shape, [super::strides_for(&gate.shape, &input.shape)]);
    let kept: Vec<bool> = gates.map(|[index]| gate.data[index] != 0.0).collect();
    let mut shares = masked_softmax(input, axis, &kept);
    let Some(shared) = shared else { return shares };
    let (outer, size, inner) = around_axis(&input.shape, axis);
    for first in (0..outer * inner).map(|row| row / inner * size * inner + row % inner) {
        let row = (0..size).map(|k| first + k * inner);
        if !row.clone().any(|index| kept[index]) {
            let count = row.clone().filter(|&index| shared[index]).count() as f64;
            row.filter(|&index| shared[index]).for_each(|index| shares[index] = 1.0 / count);
        }
    }
    shares
}

/// Elements, less their mean over the axes if centered, over the root of their mean square; 0 where that is 0.
pub(super) fn normalize(input: &Tensor, axes: &[usize], centered: bool, epsilon: f64) -> Vec<f64> {
    let kept: Vec<usize> =
        input.shape.iter().enumerate().map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let strides = super::strides_for(&kept, &input.shape);
    let rows = || Odometer::new(&input.shape, [strides.clone()]).map(|[row]| row);
    let mut elements = input.data.to_vec();
    if centered {
        let means = reduce(input, ReduceKind::Mean, axes);
        elements.iter_mut().zip(rows()).for_each(|(element, row)| *element -= means[row]);
    }
    let squares = elements.iter().map(|element| element * element).collect();
    let variances = reduce(&Tensor::new(input.shape.clone(), squares), ReduceKind::Mean, axes);
    let quotient = |(&element, row): (&f64, usize)| match variances[row] + epsilon {
        0.0 => 0.0,
        variance => element / variance.sqrt(),
    };
    elements.iter().zip(rows()).map(quotient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Tensor {
        Tensor::new(vec![2, 3], vec![1.0, 5.0, 5.0, 4.0, -1.0, 0.0])
    }

    #[test]
    fn reduces_either_axis() {
        assert_eq!(reduce(&matrix(), ReduceKind::Sum, &[1]), [11.0, 3.0]);
        assert_eq!(reduce(&matrix(), ReduceKind::Mean, &[0]), [2.5, 2.0, 2.5]);
        assert_eq!(reduce(&matrix(), ReduceKind::Min, &[0, 1]), [-1.0]);
        assert_eq!(reduce(&matrix(), ReduceKind::Product, &[1]), [25.0, 0.0]);
    }

    #[test]
    fn arg_max_breaks_ties_as_asked() {
        assert_eq!(arg(&matrix(), 1, false, false), [1.0, 0.0]);
        assert_eq!(arg(&matrix(), 1, false, true), [2.0, 0.0]);
        assert_eq!(arg(&matrix(), 1, true, false), [0.0, 1.0]);
    }

    #[test]
    fn masked_elements_have_no_share() {
        let shares = masked_softmax(&matrix(), 1, &[true, false, true, true, true, true]);
        assert_eq!((shares[1], shares[0] + shares[2]), (0.0, 1.0));
        assert_eq!(shares[3..], softmax(&matrix(), 1, false)[3..]);
    }

    #[test]
    fn gates_close_elements_and_whole_rows() {
        let gate = Tensor::new(vec![2, 1], vec![0.0, 1.0]);
        let (all, two) = ([true; 6], [true, false, true, true, true, true]);
        let third = 1.0 / 3.0;
        for (shared, row) in [(None, [0.0; 3]), (Some(&all[..]), [third; 3]), (Some(&two[..]), [0.5, 0.0, 0.5])] {
            let shares = gated_softmax(&matrix(), &gate, 1, shared);
            assert_eq!(shares[..3], row);
            assert_eq!(shares[3..], softmax(&matrix(), 1, false)[3..]);
            let columns = gated_softmax(&matrix(), &gate, 0, shared);
            assert_eq!(columns, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        }
    }

    #[test]
    fn normalizes_over_either_axis() {
        let rows = normalize(&matrix(), &[1], true, 0.0);
        assert!((rows[0] + 2.0f64.sqrt()).abs() < 1e-12 && rows[..3].iter().sum::<f64>().abs() < 1e-12);
        let columns = normalize(&matrix(), &[0], false, 0.5);
        assert!((columns[0] - 1.0 / 9.0f64.sqrt()).abs() < 1e-12);
        assert_eq!(normalize(&Tensor::new(vec![2], vec![3.0, 3.0]), &[0], true, 0.0), [0.0, 0.0]);
    }

    #[test]
    fn softmax_sums_to_one_and_its_logarithm_agrees() {
        let (plain, logarithm) = (softmax(&matrix(), 1, false), softmax(&matrix(), 1, true));
        assert!((plain[..3].iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (p, l) in plain.iter().zip(&logarithm) {
            assert!((p.ln() - l).abs() < 1e-12);
        }
    }
}
