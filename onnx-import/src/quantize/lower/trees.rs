//! Trees: which leaf each row of an operand reaches.

use std::sync::Arc;

use super::Lowering;
use crate::float::graph::{FloatOp, ValueId};
use crate::float::trees::{Test, Trees};
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{PlanId, PlanOp, Range};

/// Into how many parts the calibrated range of a feature is cut at least.
const RESOLUTION: f64 = 65_536.0;
/// Into how many parts it is cut at most, so that samples are on their side of all bounds: float32 numbers around one differ by as much.
const FINEST: f64 = (1u64 << 27) as f64;

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
        let values = self.feature_values(input, features);
        let mut resolution = vec![f64::INFINITY; features];
        for branch in &trees.branches {
            let feature = branch.feature as usize;
            let of_rows = seen.iter().skip(feature).step_by(features).copied().reduce(Range::union);
            let width = of_rows.map_or(0.0, Range::width);
            let bounds = branch.test.bounds().iter().filter(|bound| bound.is_finite() && **bound != 0.0);
            // A feature that never varied is told by its bounds.
            let fallback = bounds.fold(f64::INFINITY, |least, bound| least.min(bound.abs()));
            let wanted = if width > 0.0 { width } else { fallback } / RESOLUTION;
            let told_apart = distance(&values[feature], &branch.test).max(width / FINEST);
            resolution[feature] = resolution[feature].min(wanted).min(told_apart);
        }
        let op = PlanOp::Leaves { input: operand, trees: trees.clone(), resolution };
        Ok(self.integers(value, op, shape))
    }

    /// What the calibration samples have of each feature, in order, where trees read an input of the model as it is.
    fn feature_values(&self, input: ValueId, features: usize) -> Vec<Vec<f64>> {
        let mut values = vec![Vec::new(); features];
        if let FloatOp::Input(port) = self.node(input).op {
            for tensors in &self.calibration.samples {
                for (place, &value) in tensors[port].data.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                    values[place % features].push(value);
                }
            }
        }
        values.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
        values
    }
}

/// How far the bound of a comparison is from the nearest value, in order, that is on the other side of it and not equal. A bound is
/// rounded as values are, so what is nearer than a step is taken for equal to it.
fn distance(values: &[f64], test: &Test) -> f64 {
    let nearest = match *test {
        Test::AtMost(bound) | Test::Above(bound) => {
            values.get(values.partition_point(|&value| value <= bound)).map(|value| value - bound)
        }
        Test::Below(bound) | Test::AtLeast(bound) => {
            let below = values.partition_point(|&value| value < bound);
            below.checked_sub(1).map(|last| bound - values[last])
        }
        Test::Equal(_) | Test::Unequal(_) | Test::Member(_) => None,
    };
    nearest.unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_keep_off_the_values_beyond_them() {
        let values = [1.0, 2.0, 2.0, 2.5];
        let at = |test: fn(f64) -> Test, bound| distance(&values, &test(bound));
        assert_eq!([at(Test::AtMost, 2.0), at(Test::Above, 1.75), at(Test::AtMost, 2.5)], [0.5, 0.25, f64::INFINITY]);
        assert_eq!([at(Test::Below, 2.0), at(Test::AtLeast, 2.25), at(Test::Below, 1.0)], [1.0, 0.25, f64::INFINITY]);
        assert_eq!(at(Test::Equal, 1.5), f64::INFINITY);
    }
}
