//! What an operator sees when it is lowered.

use super::attributes::Attributes;
use super::Builder;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{Tensor, ValueId};

/// An application of an operator.
pub(crate) struct Call<'a> {
    /// Where the result goes.
    pub(crate) builder: &'a mut Builder,
    /// The attributes.
    pub(crate) attributes: Attributes<'a>,
    /// The operands; an optional one may be left out.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// For each output of the node, whether anything reads it.
    pub(crate) used_outputs: Vec<bool>,
    /// Version of the operator set.
    pub(crate) version: i64,
}

impl Call<'_> {
    /// Operand `index`, which must be there.
    pub(crate) fn input(&self, index: usize) -> Result<ValueId, NodeError> {
        self.optional(index).ok_or_else(|| NodeError::Arity {
            what: "inputs",
            expected: format!("input {index} among the"),
            found: self.inputs.iter().flatten().count(),
        })
    }

    /// Operand `index`, if given.
    pub(crate) fn optional(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// All operands of a variadic operator.
    pub(crate) fn all_inputs(&self) -> Result<Vec<ValueId>, NodeError> {
        (0..self.inputs.len()).map(|index| self.input(index)).collect()
    }

    /// Shape of a value.
    pub(crate) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.builder.shape(value).to_vec()
    }

    /// Number of axes of a value.
    pub(crate) fn rank(&self, value: ValueId) -> usize {
        self.builder.shape(value).len()
    }

    /// Element type of a value.
    pub(crate) fn dtype(&self, value: ValueId) -> DType {
        self.builder.dtype(value)
    }

    /// The tensor of a value that must be a constant; `operand` says in messages what it is.
    pub(crate) fn constant(&self, value: ValueId, operand: &'static str) -> Result<Tensor, NodeError> {
        self.builder.tensor(value).cloned().ok_or(NodeError::NotConstant { operand })
    }

    /// A constant operand of integers, if given.
    pub(crate) fn integers(&self, index: usize, operand: &'static str) -> Result<Option<Vec<i64>>, NodeError> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        if !self.dtype(value).is_integer() {
            return Err(NodeError::data_type(format!("its {operand} must be integers")));
        }
        // ±2^63 saturates to the ends of the type, which is what it stands for.
        Ok(Some(self.constant(value, operand)?.data.iter().map(|&value| value as i64).collect()))
    }

    /// A constant operand of one number, if given.
    pub(crate) fn number(&self, index: usize, operand: &'static str) -> Result<Option<f64>, NodeError> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        let tensor = self.constant(value, operand)?;
        match tensor.data[..] {
            [number] => Ok(Some(number)),
            _ => Err(NodeError::shape(format!("its {operand} has shape {:?}; it must be one number", tensor.shape))),
        }
    }

    /// The axis attribute as an axis of a tensor of that rank.
    pub(crate) fn axis(&self, default: i64, rank: usize) -> Result<usize, NodeError> {
        let axis = self.attributes.int_or("axis", default)?;
        resolve_axis(axis, rank)
    }
}

/// An axis that may count from the end.
pub(crate) fn resolve_axis(axis: i64, rank: usize) -> Result<usize, NodeError> {
    let resolved = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    resolved
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|axis| *axis < rank)
        .ok_or_else(|| NodeError::shape(format!("axis {axis} of a tensor with {rank} axes")))
}

/// Axes that may count from the end; no axis may be named twice.
pub(crate) fn resolve_axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, NodeError> {
    let resolved = axes.iter().map(|&axis| resolve_axis(axis, rank)).collect::<Result<Vec<usize>, _>>()?;
    let mut sorted = resolved.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(NodeError::shape(format!("axes {axes:?} name an axis twice")));
    }
    Ok(resolved)
}
