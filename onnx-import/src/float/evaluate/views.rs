//! Operators that only move elements.

use super::{around_axis, Odometer};
use crate::float::graph::Tensor;

pub(super) fn transpose(input: &Tensor, permutation: &[usize]) -> Vec<f64> {
    let mut strides = vec![1; input.shape.len()];
    for axis in (1..input.shape.len()).rev() {
        strides[axis - 1] = strides[axis] * input.shape[axis];
    }
    let shape: Vec<usize> = permutation.iter().map(|&axis| input.shape[axis]).collect();
    let permuted = permutation.iter().map(|&axis| strides[axis]).collect();
    Odometer::new(&shape, [permuted]).map(|[offset]| input.data[offset]).collect()
}

pub(super) fn reindex(input: &Tensor, map: &[Option<u32>], fill: f64) -> Vec<f64> {
    map.iter().map(|index| index.map_or(fill, |index| input.data[index as usize])).collect()
}

pub(super) fn concat(inputs: &[&Tensor], axis: usize) -> Vec<f64> {
    let outer = around_axis(&inputs[0].shape, axis).0;
    let mut data = Vec::with_capacity(inputs.iter().map(|tensor| tensor.data.len()).sum());
    for row in 0..outer {
        for tensor in inputs {
            let width = tensor.data.len() / outer;
            data.extend_from_slice(&tensor.data[row * width..(row + 1) * width]);
        }
    }
    data
}

/// Indices count from the end where negative; those out of range are held to the table.
pub(super) fn gather(input: &Tensor, indices: &Tensor, axis: usize) -> Vec<f64> {
    let (outer, size, inner) = around_axis(&input.shape, axis);
    // A few rows of a table that may be large.
    let loaded = input.data.load();
    let mut data = Vec::with_capacity(outer * indices.data.len() * inner);
    for row in 0..outer {
        for &index in indices.data.iter() {
            let index = if index < 0.0 { index + size as f64 } else { index };
            let start = (row * size + (index.max(0.0) as usize).min(size - 1)) * inner;
            data.extend((start..start + inner).map(|position| loaded.get(position)));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Tensor {
        Tensor::new(vec![2, 3], (0..6).map(f64::from).collect())
    }

    #[test]
    fn transposes() {
        assert_eq!(transpose(&table(), &[1, 0]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn concatenates_columns() {
        let column = Tensor::new(vec![2, 1], vec![7.0, 8.0]);
        assert_eq!(concat(&[&table(), &column], 1), [0.0, 1.0, 2.0, 7.0, 3.0, 4.0, 5.0, 8.0]);
    }

    #[test]
    fn gathers_from_either_end() {
        assert_eq!(gather(&table(), &Tensor::new(vec![2], vec![-1.0, 0.0]), 1), [2.0, 0.0, 5.0, 3.0]);
    }
}
