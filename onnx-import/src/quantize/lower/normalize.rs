//! Normalization over axes, in rows.

use super::Lowering;
use crate::float::graph::ValueId;
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
}
