//! Softmax and its logarithm: `e^(v − max v)` from a table that is exact on the grid of `v`, then a sum.

use super::Lowering;
use crate::float::graph::{FloatOp, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{element, MapRules, PlanId, PlanOp, Range};

/// Bits of the exponentials where the quotient leaves the program as it is.
const OUTPUT_EXPONENTIAL_BITS: u32 = 14;
/// Bits that a quotient keeps beyond those of the exponentials, for the largest sum to divide well.
const QUOTIENT_BITS: u32 = 16;

/// `v − max` over rows, and where the rows came from.
struct Shifted {
    difference: PlanId,
    shape: Vec<usize>,
    count: usize,
    size: usize,
}

impl Lowering<'_> {
    /// `e / Σe`. Every exponential is at least one step, so the divisor is positive whatever the input.
    pub(super) fn softmax(&mut self, value: ValueId, input: ValueId, axis: usize) -> Result<PlanId, QuantizeError> {
        let shifted = self.shifted(value, input, axis)?;
        let (bits, numerator_bits) = if self.only_leaves(value) {
            (OUTPUT_EXPONENTIAL_BITS, OUTPUT_EXPONENTIAL_BITS + QUOTIENT_BITS)
        } else {
            (self.bits + 4, QUOTIENT_BITS + self.bits)
        };
        let exponentials = self.exponentials(value, &shifted, bits);
        let sum = self.row_sums(value, &shifted, exponentials, true);
        let reciprocal = PlanOp::Reciprocal { input: sum, numerator_bits };
        let range = Range { lo: 1.0 / shifted.size as f64, hi: 1.0 };
        let reciprocal = self.push(value, reciprocal, vec![shifted.count], range);
        let reciprocal = self.repeated(value, reciprocal, &shifted);
        let quotient = self.product(value, [exponentials, reciprocal], Range { lo: 0.0, hi: 1.0 });
        Ok(self.back(value, quotient, &shifted, axis))
    }

    /// `(v − max) − ln Σe`.
    pub(super) fn log_softmax(&mut self, value: ValueId, input: ValueId, axis: usize) -> Result<PlanId, QuantizeError> {
        let shifted = self.shifted(value, input, axis)?;
        let exponentials = self.exponentials(value, &shifted, OUTPUT_EXPONENTIAL_BITS);
        let sum = self.row_sums(value, &shifted, exponentials, false);
        let range = Range { lo: 0.0, hi: (shifted.size as f64).ln() };
        let logarithm = self.map(value, sum, Function::unary(UnaryFunction::Log), range);
        let logarithm = self.repeated(value, logarithm, &shifted);
        let result = self.combine(value, [shifted.difference, logarithm], [1.0, -1.0], self.range(value), false);
        Ok(self.back(value, result, &shifted, axis))
    }

    /// Whether nothing but outputs of the model reads the value, through reshapes at most.
    fn only_leaves(&self, value: ValueId) -> bool {
        self.graph.nodes.iter().enumerate().all(|(index, node)| {
            !node.op.operands().contains(&value)
                || (matches!(node.op, FloatOp::Reshape(_)) && self.only_leaves(ValueId(index)))
        })
    }

    fn shifted(&mut self, value: ValueId, input: ValueId, axis: usize) -> Result<Shifted, QuantizeError> {
        let rows = self.rows(value, input, &[axis])?;
        let shape = self.node(input).shape.clone();
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        let mut shifted = Shifted { difference: rows, shape, count, size };
        let largest = self.maximum(value, rows, self.plan.node(rows).range);
        let largest = self.repeated(value, largest, &shifted);
        shifted.difference = self.difference(value, [rows, largest]);
        let range = &mut self.plan.nodes[shifted.difference.0].range;
        range.hi = 0.0;
        Ok(shifted)
    }

    fn exponentials(&mut self, value: ValueId, shifted: &Shifted, bits: u32) -> PlanId {
        let range = Range { lo: 0.0, hi: 1.0 };
        let id = self.map(value, shifted.difference, Function::unary(UnaryFunction::Exp), range);
        if let PlanOp::Map { rules, .. } = &mut self.plan.nodes[id.0].op {
            *rules = MapRules { step: Some((-f64::from(bits)).exp2()), floor: Some(1) };
        }
        id
    }

    fn row_sums(&mut self, value: ValueId, shifted: &Shifted, rows: PlanId, exact: bool) -> PlanId {
        let range = Range { lo: 1.0, hi: shifted.size as f64 };
        self.push(value, PlanOp::Sum { input: rows, factor: 1.0, exact }, vec![shifted.count], range)
    }

    /// One value per row, repeated along the row.
    fn repeated(&mut self, value: ValueId, source: PlanId, shifted: &Shifted) -> PlanId {
        let map = (0..shifted.count * shifted.size).map(|i| element(i / shifted.size)).collect();
        self.view_of(value, source, vec![shifted.count, shifted.size], map)
    }

    /// Rows put back where the axis was.
    fn back(&mut self, value: ValueId, rows: PlanId, shifted: &Shifted, axis: usize) -> PlanId {
        let rank = shifted.shape.len();
        let moved: Vec<_> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
        let sizes: Vec<_> = moved.iter().map(|&a| shifted.shape[a]).collect();
        let order: Vec<_> = (0..rank).map(|a| moved.iter().position(|&m| m == a).expect("a permutation")).collect();
        self.permuted(value, rows, &sizes, &order, shifted.shape.clone())
    }
}
