//! Functions of two and three tensors, with NumPy broadcasting.

use crate::float::graph::{BinaryFunction, Tensor};

/// The shape that two shapes broadcast to, if they do.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Strides that read a tensor of shape `from` at the positions of the shape `to` that it broadcasts to.
pub(crate) fn strides_for(from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; to.len()];
    let mut step = 1;
    for (axis, &size) in from.iter().enumerate().rev() {
        if size != 1 {
            strides[axis + to.len() - from.len()] = step;
        }
        step *= size;
    }
    strides
}

/// Walks over the positions of a shape in row-major order and keeps one offset per set of strides.
pub(crate) struct Odometer<const N: usize> {
    shape: Vec<usize>,
    strides: [Vec<usize>; N],
    position: Vec<usize>,
    offsets: [usize; N],
    left: usize,
}

impl<const N: usize> Odometer<N> {
    /// Starts at the first position.
    pub(crate) fn new(shape: &[usize], strides: [Vec<usize>; N]) -> Self {
        Self {
            shape: shape.to_vec(),
            strides,
            position: vec![0; shape.len()],
            offsets: [0; N],
            left: shape.iter().product(),
        }
    }

    fn advance(&mut self) {
        for axis in (0..self.shape.len()).rev() {
            self.position[axis] += 1;
            for (offset, strides) in self.offsets.iter_mut().zip(&self.strides) {
                *offset += strides[axis];
            }
            if self.position[axis] < self.shape[axis] {
                return;
            }
            self.position[axis] = 0;
            for (offset, strides) in self.offsets.iter_mut().zip(&self.strides) {
                *offset -= strides[axis] * self.shape[axis];
            }
        }
    }
}

impl<const N: usize> Iterator for Odometer<N> {
    type Item = [usize; N];

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let current = self.offsets;
        self.left -= 1;
        self.advance();
        Some(current)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

pub(super) fn binary(function: BinaryFunction, a: &Tensor, b: &Tensor, shape: &[usize]) -> Vec<f64> {
    if a.shape == b.shape {
        return a.data.iter().zip(b.data.iter()).map(|(&x, &y)| function.evaluate(x, y)).collect();
    }
    Odometer::new(shape, [strides_for(&a.shape, shape), strides_for(&b.shape, shape)])
        .map(|[i, j]| function.evaluate(a.data[i], b.data[j]))
        .collect()
}

pub(super) fn select(condition: &Tensor, then: &Tensor, otherwise: &Tensor, shape: &[usize]) -> Vec<f64> {
    let strides = [condition, then, otherwise].map(|tensor| strides_for(&tensor.shape, shape));
    Odometer::new(shape, strides)
        .map(|[i, j, k]| if condition.data[i] != 0.0 { then.data[j] } else { otherwise.data[k] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast_shape(&[3, 1], &[2, 1, 4]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast_shape(&[], &[2]), Some(vec![2]));
        assert_eq!(broadcast_shape(&[2, 3], &[2]), None);
    }

    #[test]
    fn a_row_is_added_to_every_row() {
        let a = Tensor::new(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        let b = Tensor::new(vec![2], vec![10.0, 20.0]);
        assert_eq!(binary(BinaryFunction::Add, &a, &b, &[2, 2]), [11.0, 22.0, 13.0, 24.0]);
    }
}
