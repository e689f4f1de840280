//! Softmax and its logarithm: `e^(v − max v)` from a table that is exact on the grid of `v`, then a sum.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::{Limits, ViewElement};

use super::Lowering;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{element, MapRules, PlanId, PlanOp, Range};

/// Bits of the exponentials where the quotient leaves the program as it is.
const OUTPUT_EXPONENTIAL_BITS: u32 = 14;
/// Bits of the numerator beyond those of the exponentials where the quotient leaves the program as it is.
const OUTPUT_QUOTIENT_BITS: u32 = 16;
/// Bits of the exponentials beyond those of activations.
const EXPONENTIAL_BITS: u32 = 4;
/// Bits of the reciprocal of the largest sum beyond those of activations: as many as shares have, which are finer by as many bits.
const RECIPROCAL_BITS: u32 = 2;
/// Least bits of the numerator beyond those of the exponentials.
const LEAST_QUOTIENT_BITS: u32 = 12;

/// Different lengths of rows, at most, whose maxima are taken apart.
const MAXIMA: usize = 8;

/// Bits of gated elements beyond those of activations: two for differences, and one for the margin below them.
const GATED_BITS: u32 = 3;
/// Room on both sides of the calibrated range of gated elements, as a part of its width.
const HEADROOM: f64 = 0.125;
/// Between the smallest difference of open elements and the largest of a closed and an open one, as a part of their width.
const GAP: f64 = 0.125;
/// Least width of the range of gated elements, as a part of their magnitude.
const LEAST_WIDTH: f64 = 1e-3;

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
        let exponentials = self.exponentials(value, &shifted, self.exponential_bits(value));
        Ok(self.shares(value, input, axis, &shifted, exponentials, 0))
    }

    /// Bits of the exponentials.
    fn exponential_bits(&self, value: ValueId) -> u32 {
        match self.only_leaves(value) {
            true => OUTPUT_EXPONENTIAL_BITS,
            false => self.bits + EXPONENTIAL_BITS,
        }
    }

    /// Bits of the numerator that a sum of so many exponentials divides. The reciprocal is rounded down, and all shares of a row with it by one
    /// part: the largest sum, of equal elements, has to leave it as many bits as shares have.
    fn numerator_bits(&self, value: ValueId, size: usize) -> u32 {
        let quotient_bits = match self.only_leaves(value) {
            true => OUTPUT_QUOTIENT_BITS,
            false => (size.max(1).next_power_of_two().ilog2() + self.bits + RECIPROCAL_BITS).max(LEAST_QUOTIENT_BITS),
        };
        (self.exponential_bits(value) + quotient_bits).min(Limits::MAX_NUMERATOR.ilog2())
    }

    /// `e / (Σe + lift)`, in the order of the operand.
    fn shares(
        &mut self,
        value: ValueId,
        input: ValueId,
        axis: usize,
        shifted: &Shifted,
        exponentials: PlanId,
        lift: i64,
    ) -> PlanId {
        let numerator_bits = self.numerator_bits(value, shifted.size);
        let sum = self.row_sums(value, shifted, exponentials, true);
        let reciprocal = PlanOp::Reciprocal { input: sum, numerator_bits, lift };
        let range = Range { lo: 1.0 / shifted.size as f64, hi: 1.0 };
        let reciprocal = self.push(value, reciprocal, vec![shifted.count], range);
        let reciprocal = self.repeated(value, reciprocal, shifted);
        let quotient = self.product(value, [exponentials, reciprocal], Range { lo: 0.0, hi: 1.0 });
        let rows = self.in_rows(value, quotient, shifted, &shifted.shown);
        self.unrolled(value, rows, &self.node(input).shape.clone(), &[axis])
    }

    /// Softmax of the elements whose `gate` is 1. An element `v` of `[lo, hi]` with a closed gate becomes 0, one with an open gate
    /// `u = v − lo + margin`, where the margin is more than `hi − lo`: no difference `u − max u` of two open ones is as small as that
    /// of a closed and an open one, and the table of the exponential is 0 from there on. A row without an open gate has
    /// equal elements, so those that are `shared` have equal shares, as others have no exponential; where all are to be 0, the
    /// maximum is taken to be no less than any open one, and every difference is one of a closed element.
    ///
    /// One step is added to the sums, so that a row of zeros has a divisor; beside others it is less than their rounding.
    pub(super) fn gated_softmax(
        &mut self,
        value: ValueId,
        input: ValueId,
        gate: ValueId,
        axis: usize,
        shared: Option<&[bool]>,
    ) -> Result<PlanId, QuantizeError> {
        let shape = self.node(input).shape.clone();
        let rows = self.rows(value, input, &[axis])?;
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        let gate = self.broadcast_to(value, gate, &shape)?;
        let order: Vec<_> = (0..shape.len()).filter(|&at| at != axis).chain([axis]).collect();
        let gate = self.permuted(value, gate, &shape, &order, vec![count, size]);
        let range = self.plan.node(rows).range;
        let width = range.width().max(range.magnitude() * LEAST_WIDTH).max(f64::MIN_POSITIVE);
        let (lo, hi) = (range.lo - HEADROOM * width, range.hi + HEADROOM * width);
        let width = hi - lo;
        let margin = (1.0 + GAP) * width;
        let top = width + margin;
        let step = top / f64::from(self.bits + GATED_BITS).exp2();
        let open = Function::Unary(
            UnaryFunction::Affine { factor: 1.0, offset: margin - lo },
            Arc::new(Function::unary(UnaryFunction::Clip { lo, hi })),
        );
        let lifted = self.map(value, rows, open, Range { lo: margin, hi: top });
        self.stepped(lifted, step, None);
        let gated = self.product(value, [lifted, gate], Range { lo: 0.0, hi: top });
        let largest = self.maximum(value, gated, Range { lo: 0.0, hi: top });
        // An open element at least, where a row of closed ones is to be zero.
        let least = if shared.is_some() { 0.0 } else { margin };
        let bounded = Function::unary(UnaryFunction::Clip { lo: least, hi: top });
        let largest = self.map(value, largest, bounded, Range { lo: least, hi: top });
        self.stepped(largest, step, None);
        let inner: usize = shape[axis + 1..].iter().product();
        let has_share = |position: &usize| {
            let (row, at) = (position / size, position % size);
            shared.is_none_or(|shared| shared[(row / inner * size + at) * inner + row % inner])
        };
        let positions: Vec<_> = (0..count * size).filter(has_share).collect();
        let difference = match positions.len() == count * size {
            true => gated,
            false => {
                let compact = positions.iter().map(|&position| element(position)).collect();
                self.view_of(value, gated, vec![positions.len()], compact)
            }
        };
        let shown = vec![true; positions.len()];
        let shifted = self.below_maximum(value, largest, Shifted { difference, positions, shown, count, size });
        let bits = self.exponential_bits(value);
        let least_share = (-f64::from(bits)).exp2();
        let is_open = Function::Binary(
            BinaryFunction::Less,
            Arc::new(Function::Constant(-(1.0 + 0.5 * GAP) * width)),
            Arc::new(Function::Argument),
        );
        let share = Function::Binary(
            BinaryFunction::Max,
            Arc::new(Function::unary(UnaryFunction::Exp)),
            Arc::new(Function::Constant(least_share)),
        );
        let share = Function::Select(Arc::new(is_open), Arc::new(share), Arc::new(Function::Constant(0.0)));
        let exponentials = self.map(value, shifted.difference, share, Range { lo: 0.0, hi: 1.0 });
        self.stepped(exponentials, least_share, None);
        Ok(self.shares(value, input, axis, &shifted, exponentials, 1))
    }

    /// Gives the table of a function a step, and perhaps a least value.
    fn stepped(&mut self, map: PlanId, step: f64, floor: Option<i32>) {
        if let PlanOp::Map { rules, .. } = &mut self.plan.nodes[map.0].op {
            *rules = MapRules { step: Some(step), floor };
        }
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
        let mut waiting = vec![value];
        while let Some(next) = waiting.pop() {
            let readers = self.uses.readers(next);
            if !readers.iter().all(|&reader| matches!(self.node(reader).op, FloatOp::Reshape(_))) {
                return false;
            }
            // A reshape has one operand: none is met twice.
            waiting.extend(readers);
        }
        true
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
        let largest = self.maxima_of(value, rows, &positions);
        let compact = positions.iter().map(|&position| element(position)).collect();
        let difference = self.view_of(value, rows, vec![positions.len()], compact);
        Ok(self.below_maximum(value, largest, Shifted { difference, positions, shown, count, size }))
    }

    /// The maximum of each row of `[count, size]` over the positions that take part, of which each row has one. Rows of about as many are
    /// taken together, so that short ones, such as the first ones under a causal mask, take few cells; the first position stands in
    /// for those that a row lacks.
    fn maxima_of(&mut self, value: ValueId, rows: PlanId, positions: &[usize]) -> PlanId {
        let (range, integer) = (self.plan.node(rows).range, self.plan.node(rows).integer);
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        let step = size.div_ceil(MAXIMA);
        let mut windows: BTreeMap<usize, Vec<&[usize]>> = BTreeMap::new();
        for row in positions.chunk_by(|a, b| a / size == b / size) {
            windows.entry((row.len().div_ceil(step) * step).min(size)).or_default().push(row);
        }
        let mut map = vec![ViewElement::Zero; count];
        let mut sources = Vec::new();
        for (source, (length, rows_of_length)) in (0..).zip(windows) {
            for (index, row) in (0..).zip(&rows_of_length) {
                map[row[0] / size] = ViewElement::Element { source, index };
            }
            let window =
                |row: &&[usize]| (0..length).map(|at| element(*row.get(at).unwrap_or(&row[0]))).collect::<Vec<_>>();
            let elements = rows_of_length.iter().flat_map(window).collect();
            let window = self.view_of(value, rows, vec![rows_of_length.len(), length], elements);
            sources.push(self.maximum(value, window, range));
        }
        if let [largest] = sources[..] {
            return largest;
        }
        let largest = self.push(value, PlanOp::View { sources, map: map.into() }, vec![count], range);
        self.plan.nodes[largest.0].integer = integer;
        largest
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
        self.stepped(id, (-f64::from(bits)).exp2(), Some(1));
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
