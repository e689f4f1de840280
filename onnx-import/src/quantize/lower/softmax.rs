//! Softmax and its logarithm: `e^(v − max v)` from a table that is exact on the grid of `v`, then a sum.

use circuits::graph::ViewElement;

use super::Lowering;
use crate::float::graph::{FloatOp, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{element, MapRules, PlanId, PlanOp, Range};

/// Bits of the exponentials where the quotient leaves the program as it is.
const OUTPUT_EXPONENTIAL_BITS: u32 = 14;
/// Bits that a quotient keeps beyond those of the exponentials, for the largest sum to divide well.
const QUOTIENT_BITS: u32 = 16;

/// `v − max` of the elements that take part, and where they came from.
struct Shifted {
    /// One after the other, row by row.
    difference: PlanId,
    /// Their positions in the rows.
    positions: Vec<usize>,
    /// Whether they are part of the result: a row without elements has one that only stands in.
    shown: Vec<bool>,
    count: usize,
    size: usize,
}

impl Lowering<'_> {
    /// `e / Σe` among the elements that are `kept`, all of them by default; the others are zero. Every exponential is at
    /// least one step, so the divisor is positive whatever the input.
    pub(super) fn softmax(
        &mut self,
        value: ValueId,
        input: ValueId,
        axis: usize,
        kept: Option<&[bool]>,
    ) -> Result<PlanId, QuantizeError> {
        let shifted = self.shifted(value, input, axis, kept)?;
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
        let rows = self.in_rows(value, quotient, &shifted, &shifted.shown);
        Ok(self.unrolled(value, rows, &self.node(input).shape.clone(), &[axis]))
    }

    /// `(v − max) − ln Σe`.
    pub(super) fn log_softmax(&mut self, value: ValueId, input: ValueId, axis: usize) -> Result<PlanId, QuantizeError> {
        let shifted = self.shifted(value, input, axis, None)?;
        let exponentials = self.exponentials(value, &shifted, OUTPUT_EXPONENTIAL_BITS);
        let sum = self.row_sums(value, &shifted, exponentials, false);
        let range = Range { lo: 0.0, hi: (shifted.size as f64).ln() };
        let logarithm = self.map(value, sum, Function::unary(UnaryFunction::Log), range);
        let logarithm = self.repeated(value, logarithm, &shifted);
        let result = self.combine(value, [shifted.difference, logarithm], [1.0, -1.0], self.range(value), false);
        Ok(self.unrolled(value, result, &self.node(input).shape.clone(), &[axis]))
    }

    /// Whether nothing but outputs of the model reads the value, through reshapes at most.
    fn only_leaves(&self, value: ValueId) -> bool {
        self.graph.nodes.iter().enumerate().all(|(index, node)| {
            !node.op.operands().contains(&value)
                || (matches!(node.op, FloatOp::Reshape(_)) && self.only_leaves(ValueId(index)))
        })
    }

    fn shifted(
        &mut self,
        value: ValueId,
        input: ValueId,
        axis: usize,
        kept: Option<&[bool]>,
    ) -> Result<Shifted, QuantizeError> {
        let rows = self.rows(value, input, &[axis])?;
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        let Some(kept) = kept else {
            let largest = self.maximum(value, rows, self.plan.node(rows).range);
            let (positions, shown) = ((0..count * size).collect(), vec![true; count * size]);
            let shifted = Shifted { difference: rows, positions, shown, count, size };
            return Ok(self.below_maximum(value, largest, shifted));
        };
        let inner: usize = self.node(input).shape[axis + 1..].iter().product();
        let is_kept = |position: &usize| {
            let (row, at) = (position / size, position % size);
            kept[(row / inner * size + at) * inner + row % inner]
        };
        let first = |row: usize| (row * size..(row + 1) * size).find(is_kept).unwrap_or(row * size);
        let first: Vec<_> = (0..count).map(first).collect();
        let takes_part = |&position: &usize| is_kept(&position) || first[position / size] == position;
        let positions: Vec<_> = (0..count * size).filter(takes_part).collect();
        let shown = positions.iter().map(is_kept).collect();
        // A masked element's place in the maximum is taken by one that takes part.
        let instead = |position: usize| if is_kept(&position) { position } else { first[position / size] };
        let windows = (0..count * size).map(|position| element(instead(position))).collect();
        let windows = self.view_of(value, rows, vec![count, size], windows);
        let largest = self.maximum(value, windows, self.plan.node(rows).range);
        let compact = positions.iter().map(|&position| element(position)).collect();
        let difference = self.view_of(value, rows, vec![positions.len()], compact);
        Ok(self.below_maximum(value, largest, Shifted { difference, positions, shown, count, size }))
    }

    /// Elements less the maximum of their row.
    fn below_maximum(&mut self, value: ValueId, largest: PlanId, mut shifted: Shifted) -> Shifted {
        let largest = self.repeated(value, largest, &shifted);
        shifted.difference = self.difference(value, [shifted.difference, largest]);
        let range = &mut self.plan.nodes[shifted.difference.0].range;
        range.hi = 0.0;
        shifted
    }

    fn exponentials(&mut self, value: ValueId, shifted: &Shifted, bits: u32) -> PlanId {
        let range = Range { lo: 0.0, hi: 1.0 };
        let id = self.map(value, shifted.difference, Function::unary(UnaryFunction::Exp), range);
        if let PlanOp::Map { rules, .. } = &mut self.plan.nodes[id.0].op {
            *rules = MapRules { step: Some((-f64::from(bits)).exp2()), floor: Some(1) };
        }
        id
    }

    fn row_sums(&mut self, value: ValueId, shifted: &Shifted, elements: PlanId, exact: bool) -> PlanId {
        let range = Range { lo: 1.0, hi: shifted.size as f64 };
        let rows = self.in_rows(value, elements, shifted, &vec![true; shifted.positions.len()]);
        self.push(value, PlanOp::Sum { input: rows, factor: 1.0, exact }, vec![shifted.count], range)
    }

    /// Elements in rows, with zeros for those that do not take part or are not `shown`.
    fn in_rows(&mut self, value: ValueId, elements: PlanId, shifted: &Shifted, shown: &[bool]) -> PlanId {
        let Shifted { positions, count, size, .. } = shifted;
        if positions.len() == count * size && !shown.contains(&false) {
            return self.plan.reshape(elements, vec![*count, *size]);
        }
        let mut map = vec![ViewElement::Zero; count * size];
        let shown = positions.iter().enumerate().filter(|(index, _)| shown[*index]);
        shown.for_each(|(index, &position)| map[position] = element(index));
        self.view_of(value, elements, vec![*count, *size], map)
    }

    /// One value per row, repeated for the elements that take part.
    fn repeated(&mut self, value: ValueId, source: PlanId, shifted: &Shifted) -> PlanId {
        let map = shifted.positions.iter().map(|position| element(position / shifted.size)).collect();
        let shape = self.plan.node(shifted.difference).shape.clone();
        self.view_of(value, source, shape, map)
    }
}
