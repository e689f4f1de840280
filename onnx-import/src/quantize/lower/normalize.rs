//! Normalization over axes, in rows.

use super::Lowering;
use crate::float::graph::ValueId;
use crate::float::quantized::QuantizedNormalization;
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{PlanId, PlanOp};

impl Lowering<'_> {
    /// `c / √(mean c² + epsilon)` over the axes; `c` is less its mean if it is centered.
    pub(super) fn normalize(
        &mut self,
        value: ValueId,
        input: ValueId,
        axes: &[usize],
        centered: bool,
        epsilon: f64,
    ) -> Result<PlanId, QuantizeError> {
        let rows = self.rows(value, input, axes)?;
        let shape = self.plan.node(rows).shape.clone();
        let op = PlanOp::Normalize { input: rows, centered, epsilon, factor: 1.0 };
        let normalized = self.push(value, op, shape, self.range(value));
        Ok(self.unrolled(value, normalized, &self.node(input).shape.clone(), axes))
    }

    /// A normalization of integers; its factors and offsets are put into the order of the rows.
    pub(super) fn quantized_normalize(
        &mut self,
        value: ValueId,
        input: ValueId,
        axes: &[usize],
        normalization: &QuantizedNormalization,
    ) -> Result<PlanId, QuantizeError> {
        let rows = self.rows(value, input, axes)?;
        let (shape, from) = (self.plan.node(rows).shape.clone(), self.node(input).shape.clone());
        let order = self.row_order(&from, axes);
        let in_rows = |list: &[f64]| order.iter().map(|&index| list[index]).collect();
        let normalization = QuantizedNormalization {
            factors: in_rows(&normalization.factors),
            offsets: in_rows(&normalization.offsets),
            ..normalization.clone()
        };
        let normalized = self.integers(value, PlanOp::QuantizedNormalize { input: rows, normalization }, shape);
        Ok(self.unrolled(value, normalized, &from, axes))
    }
}
