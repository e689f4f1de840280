//! Trees: which leaf each row of an operand reaches.

use std::sync::Arc;

use super::Lowering;
use crate::float::graph::ValueId;
use crate::float::trees::Trees;
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{PlanId, PlanOp, Range};

/// Into how many parts the calibrated range of a feature is cut at least.
const RESOLUTION: f64 = 65_536.0;

impl Lowering<'_> {
    pub(super) fn tree_leaves(
        &mut self,
        value: ValueId,
        input: ValueId,
        trees: &Arc<Trees>,
    ) -> Result<PlanId, QuantizeError> {
        let operand = self.data(input)?;
        let shape = self.node(value).shape.clone();
        let features = self.node(input).shape[1];
        self.within_budget(value, &[shape[0], trees.branches.len()])?;
        let seen = &self.calibration.features[&input];
        let mut resolution = vec![f64::INFINITY; features];
        for branch in &trees.branches {
            let feature = branch.feature as usize;
            let of_rows = seen.iter().skip(feature).step_by(features).copied().reduce(Range::union);
            let width = of_rows.map_or(0.0, Range::width);
            let bounds = branch.test.bounds().iter().filter(|bound| bound.is_finite() && **bound != 0.0);
            // A feature that never varied is told by its bounds.
            let fallback = bounds.fold(f64::INFINITY, |least, bound| least.min(bound.abs()));
            let wanted = if width > 0.0 { width } else { fallback } / RESOLUTION;
            resolution[feature] = resolution[feature].min(wanted);
        }
        let op = PlanOp::Leaves { input: operand, trees: trees.clone(), resolution };
        Ok(self.integers(value, op, shape))
    }
}
