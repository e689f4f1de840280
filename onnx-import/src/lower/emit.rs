//! Shape-checked operators on a [`Builder`].

use super::Builder;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::evaluate::broadcast_shape;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId};

impl Builder {
    /// A scalar constant.
    pub(crate) fn scalar(&mut self, value: f64, dtype: DType) -> Result<ValueId, NodeError> {
        self.constant(vec![], vec![value], dtype)
    }

    /// A one-dimensional int64 constant.
    pub(crate) fn integers(&mut self, values: impl IntoIterator<Item = usize>) -> Result<ValueId, NodeError> {
        let data: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
        self.constant(vec![data.len()], data, DType::Int64)
    }

    /// The same elements as another type; the caller knows that every value is one of that type.
    pub(crate) fn retype(&mut self, input: ValueId, dtype: DType) -> Result<ValueId, NodeError> {
        if self.dtype(input) == dtype {
            return Ok(input);
        }
        let shape = self.shape(input).to_vec();
        self.emit(FloatOp::Reshape(input), shape, dtype)
    }

    /// Another shape with as many elements.
    pub(crate) fn reshape(&mut self, input: ValueId, shape: Vec<usize>) -> Result<ValueId, NodeError> {
        if self.shape(input) == shape {
            return Ok(input);
        }
        let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if elements != Some(self.elements(input)) {
            return Err(NodeError::shape(format!("cannot reshape {:?} to {shape:?}", self.shape(input))));
        }
        self.emit(FloatOp::Reshape(input), shape, self.dtype(input))
    }

    /// Axes permuted; `permutation` is one.
    pub(crate) fn transpose(&mut self, input: ValueId, permutation: &[usize]) -> Result<ValueId, NodeError> {
        if permutation.iter().enumerate().all(|(axis, &from)| axis == from) {
            return Ok(input);
        }
        let shape = permutation.iter().map(|&axis| self.shape(input)[axis]).collect();
        let op = FloatOp::Transpose { input, permutation: permutation.to_vec() };
        let result = self.emit(op, shape, self.dtype(input))?;
        if permutation == [1, 0] && self.dequantized(input).is_some() {
            self.note_transposed(result, input);
        }
        Ok(result)
    }

    /// A view given by a function from positions of the result to positions of the operand; `None` is `fill`.
    pub(crate) fn view(
        &mut self,
        input: ValueId,
        shape: Vec<usize>,
        fill: f64,
        mut source: impl FnMut(&[usize]) -> Option<usize>,
    ) -> Result<ValueId, NodeError> {
        let elements = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
        let elements = elements.unwrap_or(u64::MAX);
        self.materialize(elements)?;
        let mut map = Vec::with_capacity(elements as usize);
        let mut position = vec![0; shape.len()];
        for _ in 0..elements {
            map.push(source(&position).map(|index| index as u32));
            for axis in (0..shape.len()).rev() {
                position[axis] += 1;
                if position[axis] < shape[axis] {
                    break;
                }
                position[axis] = 0;
            }
        }
        let identity = map.len() == self.elements(input)
            && map.iter().enumerate().all(|(index, from)| *from == Some(index as u32));
        if identity {
            return self.reshape(input, shape);
        }
        self.emit(FloatOp::Reindex { input, map: map.into(), fill }, shape, self.dtype(input))
    }

    /// A view that picks, along each axis, the listed positions; `None` is `fill`.
    pub(crate) fn pick(
        &mut self,
        input: ValueId,
        axes: &[Vec<Option<usize>>],
        fill: f64,
    ) -> Result<ValueId, NodeError> {
        let from = self.shape(input).to_vec();
        let shape = axes.iter().map(Vec::len).collect();
        self.view(input, shape, fill, |position| {
            position.iter().enumerate().try_fold(0, |index, (axis, &at)| Some(index * from[axis] + axes[axis][at]?))
        })
    }

    /// A view that picks positions along one axis.
    pub(crate) fn pick_axis(
        &mut self,
        input: ValueId,
        axis: usize,
        positions: impl IntoIterator<Item = usize>,
    ) -> Result<ValueId, NodeError> {
        let mut axes: Vec<Vec<Option<usize>>> =
            self.shape(input).iter().map(|&size| (0..size).map(Some).collect()).collect();
        axes[axis] = positions.into_iter().map(Some).collect();
        self.pick(input, &axes, 0.0)
    }

    /// The operand repeated along axes of size 1 to the given shape, which it broadcasts to.
    pub(crate) fn broadcast(&mut self, input: ValueId, shape: &[usize]) -> Result<ValueId, NodeError> {
        let from = self.shape(input).to_vec();
        if broadcast_shape(&from, shape).as_deref() != Some(shape) {
            return Err(NodeError::shape(format!("{from:?} does not broadcast to {shape:?}")));
        }
        let strides = crate::float::evaluate::strides_for(&from, shape);
        self.view(input, shape.to_vec(), 0.0, |position| {
            Some(position.iter().zip(&strides).map(|(&at, &stride)| at * stride).sum())
        })
    }

    /// Concatenation along an axis of values that agree on the others.
    pub(crate) fn concat(&mut self, inputs: &[ValueId], axis: usize) -> Result<ValueId, NodeError> {
        let first = self.shape(inputs[0]).to_vec();
        let mut shape = first.clone();
        shape[axis] = 0;
        for &input in inputs {
            let other = self.shape(input);
            let fits = other.len() == first.len()
                && other.iter().zip(&first).enumerate().all(|(at, (a, b))| at == axis || a == b);
            if !fits {
                return Err(NodeError::shape(format!("cannot concatenate {other:?} to {first:?} along axis {axis}")));
            }
            shape[axis] += other[axis];
        }
        self.same_type(inputs)?;
        let parts: Vec<ValueId> = inputs.iter().copied().filter(|input| self.elements(*input) > 0).collect();
        let dtype = self.dtype(inputs[0]);
        match parts[..] {
            [only] if self.shape(only) == shape => Ok(only),
            _ => self.emit(FloatOp::Concat { inputs: parts, axis }, shape, dtype),
        }
    }

    /// A function of each element.
    pub(crate) fn unary(&mut self, function: UnaryFunction, input: ValueId) -> Result<ValueId, NodeError> {
        let shape = self.shape(input).to_vec();
        self.emit(FloatOp::Unary { input, function }, shape, self.dtype(input))
    }

    /// `factor·v + offset` of each element.
    pub(crate) fn affine(&mut self, input: ValueId, factor: f64, offset: f64) -> Result<ValueId, NodeError> {
        if (factor, offset) == (1.0, 0.0) {
            return Ok(input);
        }
        self.unary(UnaryFunction::Affine { factor, offset }, input)
    }

    /// A function of two values of one type, with broadcasting. Comparisons give booleans.
    pub(crate) fn binary(&mut self, function: BinaryFunction, a: ValueId, b: ValueId) -> Result<ValueId, NodeError> {
        self.same_type(&[a, b])?;
        let shape = self.broadcast_of(&[a, b])?;
        let dtype = match function {
            BinaryFunction::Equal | BinaryFunction::Less | BinaryFunction::LessOrEqual => DType::Bool,
            _ => self.dtype(a),
        };
        self.emit(FloatOp::Binary { function, operands: [a, b] }, shape, dtype)
    }

    /// `condition ? then : otherwise`, with broadcasting.
    pub(crate) fn select(
        &mut self,
        condition: ValueId,
        then: ValueId,
        otherwise: ValueId,
    ) -> Result<ValueId, NodeError> {
        self.same_type(&[then, otherwise])?;
        let shape = self.broadcast_of(&[condition, then, otherwise])?;
        self.emit(FloatOp::Select { condition, then, otherwise }, shape, self.dtype(then))
    }

    /// NumPy `matmul` of operands with at least two axes.
    pub(crate) fn matmul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId, NodeError> {
        self.same_type(&[a, b])?;
        let (left, right) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let misfit = || NodeError::shape(format!("cannot multiply matrices {left:?} and {right:?}"));
        let (Some(rows), Some(columns)) = (left.len().checked_sub(2), right.len().checked_sub(2)) else {
            return Err(misfit());
        };
        let mut shape = broadcast_shape(&left[..rows], &right[..columns]).ok_or_else(misfit)?;
        if left[rows + 1] != right[columns] {
            return Err(misfit());
        }
        shape.extend([left[rows], right[columns + 1]]);
        if left[rows + 1] == 0 {
            let elements = shape.iter().product();
            return self.constant(shape, vec![0.0; elements], self.dtype(a));
        }
        self.emit(FloatOp::MatMul(a, b), shape, self.dtype(a))
    }

    /// A reduction over axes, kept with size 1 or removed.
    pub(crate) fn reduce(
        &mut self,
        input: ValueId,
        kind: ReduceKind,
        axes: &[usize],
        keep: bool,
    ) -> Result<ValueId, NodeError> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let from = self.shape(input).to_vec();
        let count: usize = axes.iter().map(|&axis| from[axis]).product();
        let shape = reduced_shape(&from, &axes, keep);
        if count == 1 {
            return self.reshape(input, shape);
        }
        if count == 0 {
            return Err(NodeError::shape(format!("reduces over an empty axis of {from:?}")));
        }
        self.emit(FloatOp::Reduce { input, kind, axes }, shape, self.dtype(input))
    }

    /// The shape that values broadcast to.
    pub(crate) fn broadcast_of(&self, values: &[ValueId]) -> Result<Vec<usize>, NodeError> {
        let mut shape = vec![];
        for &value in values {
            let other = self.shape(value);
            shape = broadcast_shape(&shape, other)
                .ok_or_else(|| NodeError::shape(format!("shapes {shape:?} and {other:?} do not broadcast")))?;
        }
        Ok(shape)
    }

    /// Refuses values of different element types.
    pub(crate) fn same_type(&self, values: &[ValueId]) -> Result<(), NodeError> {
        let first = self.dtype(values[0]);
        match values.iter().map(|&value| self.dtype(value)).find(|&dtype| dtype != first) {
            None => Ok(()),
            Some(other) => Err(NodeError::data_type(format!("its operands are {} and {}", first.name(), other.name()))),
        }
    }
}

/// The shape after a reduction.
pub(crate) fn reduced_shape(shape: &[usize], axes: &[usize], keep: bool) -> Vec<usize> {
    let sizes = shape.iter().enumerate();
    if keep {
        sizes.map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect()
    } else {
        sizes.filter(|(axis, _)| !axes.contains(axis)).map(|(_, &size)| size).collect()
    }
}
