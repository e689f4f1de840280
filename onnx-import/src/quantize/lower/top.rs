//! Positions of the largest elements of rows, one after the other.

use std::sync::Arc;

use circuits::graph::ViewElement;

use super::{shared, Lowering};
use crate::float::graph::{BinaryFunction, Tensor, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{element, PlanId, PlanOp, Range};

/// Room on both sides of the calibrated range of the elements, as a part of its width; one that was taken out lies below all of it.
const HEADROOM: f64 = 0.125;
/// Least width of the range of the elements, as a part of their magnitude.
const LEAST_WIDTH: f64 = 1e-3;

impl Lowering<'_> {
    /// An element `v` of `[lo, hi]` becomes `v − lo`, which is positive, and 0 once it was the largest.
    pub(super) fn top_indices(
        &mut self,
        value: ValueId,
        input: ValueId,
        count: usize,
        smallest: bool,
    ) -> Result<PlanId, QuantizeError> {
        let mut rows = self.rows(value, input, &[1])?;
        if smallest {
            rows = self.negated(value, rows);
        }
        let (shape, range) = (self.plan.node(rows).shape.clone(), self.plan.node(rows).range);
        let [lines, size] = shape[..] else { unreachable!("rows have two axes") };
        let width = range.width().max(range.magnitude() * LEAST_WIDTH).max(f64::MIN_POSITIVE);
        let (lo, hi) = (range.lo - HEADROOM * width, range.hi + HEADROOM * width);
        let lifted = Function::Unary(
            UnaryFunction::Affine { factor: 1.0, offset: HEADROOM * width - lo },
            Arc::new(Function::unary(UnaryFunction::Clip { lo, hi })),
        );
        let top = hi - lo + HEADROOM * width;
        let lifted = self.plan_map(value, rows, lifted, Range { lo: HEADROOM * width, hi: top });
        let mut left = lifted;
        let numbers = Tensor::new(vec![size], (0..size).map(|index| index as f64).collect());
        let positions = self.constant(value, &numbers)?;
        let positions =
            self.view_of(value, positions, shape.clone(), (0..lines * size).map(|i| element(i % size)).collect());
        let mut found = Vec::with_capacity(count);
        for place in 0..count {
            let indices = Range { lo: 0.0, hi: (size - 1) as f64 };
            let index = self.push(value, PlanOp::ArgMax { input: left }, vec![lines], indices);
            self.plan.nodes[index.0].integer = true;
            found.push(index);
            if place + 1 == count {
                break;
            }
            let wide =
                self.view_of(value, index, shape.clone(), (0..lines * size).map(|i| element(i / size)).collect());
            let distance = self.exact_sum(value, [wide, positions], -1.0);
            let zero = Arc::new(Function::Constant(0.0));
            let is_found = Function::Binary(BinaryFunction::Equal, Arc::new(Function::Argument), zero);
            let others = Function::Unary(UnaryFunction::Affine { factor: -1.0, offset: 1.0 }, Arc::new(is_found));
            let others = self.map(value, distance, others, Range { lo: 0.0, hi: 1.0 });
            left = self.product(value, [left, others], Range { lo: 0.0, hi: top });
        }
        let entry = |i: usize| ViewElement::Element { source: (i % count) as u32, index: (i / count) as u32 };
        let map = shared((0..lines * count).map(entry).collect());
        let id = self.push(value, PlanOp::View { sources: found, map }, vec![lines, count], self.range(value));
        self.plan.nodes[id.0].integer = true;
        Ok(id)
    }

    /// A function of each element whose results are reals, whatever the value is that they are part of.
    fn plan_map(&mut self, value: ValueId, input: PlanId, function: Function, range: Range) -> PlanId {
        let shape = self.plan.node(input).shape.clone();
        let op = PlanOp::Map { input, function, rules: crate::quantize::plan::MapRules::default() };
        self.push(value, op, shape, range)
    }
}
