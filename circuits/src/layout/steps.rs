//! Quotients that are quantized by steps: two neighbouring steps are looked up, one of which is reached and the other one not.

use super::builder::{range_rows, Builder};
use super::fill::Fill;
use super::rows::{Lane, Place, RowForm};
use super::LayoutError;
use crate::analysis::Interval;
use crate::graph::{Op, Step, TensorId};
use crate::machine::Cell;

/// The rows of a result `y` of [`Op::Steps`], whose step is `F·b + s` and the next one `F'·b + s'`.
///
/// | row | `value`, `pre` | form |
/// | --- | --- | --- |
/// | 0 | `F`, `y` | `(y, F)` is looked up; `y + 1 = pre₊` |
/// | 1 | `F'`, `y + 1` | `(y + 1, F')` is looked up; `y·o = first·o` |
/// | 2 | `y`, `o` | `y·o' = last·o'` |
/// | 3 | `y`, `o'` | |
/// | 4 | `s`, `y` | `(y, s)` is looked up; `y + 1 = pre₊` |
/// | 5 | `s'`, `y + 1` | `(y + 1, s')` is looked up |
/// | 6 … | the step, which is reached: see [`SideRows`] | |
/// | then … | the next one, which is not | |
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRows {
    pub(super) first: i64,
    pub(super) shift: u32,
    /// The step that is reached, and the one that is not.
    pub(super) sides: [SideRows; 2],
}

/// The rows of a comparison of `a·2^shift` with a step.
///
/// | row | `value`, `pre` | form, for the step that is reached | for the other one |
/// | --- | --- | --- | --- |
/// | 0 | `p`, `u` | `2^shift·p = F·b + u` | the same |
/// | 1 | `F`, `b` | | |
/// | 2 | `u`, `s` | `u = s + rest` | `u = s − 1 − rest` |
/// | 3 … | limbs of `rest` | see [`Builder::range_chains`] | |
/// | then | `o`, `p` | `a − p + o = distance` | `p − a + o = distance` |
/// | then … | limbs of `distance`; `value` of the first is `a` | | |
#[derive(Clone, Copy, Debug)]
pub(super) struct SideRows {
    pub(super) at: u32,
    /// Rows of the chain of `rest`.
    pub(super) rest: u32,
    /// Rows of the chain of `distance`.
    pub(super) distance: u32,
}

impl SideRows {
    pub(super) fn rest_at(&self) -> u32 {
        self.at + 3
    }

    /// The row before the chain of `distance`.
    pub(super) fn overflow_at(&self) -> u32 {
        self.rest_at() + self.rest
    }

    pub(super) fn distance_at(&self) -> u32 {
        self.overflow_at() + 1
    }

    fn end(&self) -> u32 {
        self.distance_at() + self.distance
    }
}

/// The largest distances between `a` and a step that is reached, and one that is not, in units of `a`: of each to its end where no step is.
pub(super) fn largest_distances([a, b]: [Interval; 2], shift: u32, steps: &[Step]) -> [i128; 2] {
    let (lowest, highest) = (i128::from(steps[0].factor), i128::from(steps[steps.len() - 1].factor));
    let gaps = steps.windows(2).map(|pair| i128::from(pair[1].factor) - i128::from(pair[0].factor));
    let between = gaps.max().unwrap_or(0) * b.hi;
    let above = (a.hi << shift) - (highest * b.lo).min(highest * b.hi);
    let below = (lowest * b.lo).max(lowest * b.hi) - (a.lo << shift);
    // Where there is no step, the distance is that from zero.
    [((between.max(above)) >> shift).max(a.hi), ((between.max(below)) >> shift).max(-a.lo)].map(|most| most.max(0) + 1)
}

impl StepRows {
    /// Rows before the comparisons.
    const HEAD: u32 = 6;

    fn new(first: i64, shift: u32, distances: [i128; 2]) -> Self {
        let [below, above] = distances.map(|most| range_rows(128 - most.leading_zeros()));
        let reached = SideRows { at: Self::HEAD, rest: range_rows(shift), distance: below };
        let next = SideRows { at: reached.end(), rest: range_rows(shift), distance: above };
        Self { first, shift, sides: [reached, next] }
    }

    fn len(&self) -> u32 {
        self.sides[1].end()
    }

    /// The forms of the rows that are none of a chain's.
    fn forms(&self, last: i64) -> Vec<(u32, RowForm)> {
        let form = RowForm { pointwise: true, ..RowForm::default() };
        let neighbour = RowForm { pre: 1, next_pre: -1, constant: 1, ..form };
        let mut forms = vec![
            (0, neighbour),
            (1, RowForm { product: 1, next_pre: -self.first, ..form }),
            (2, RowForm { product: 1, next_pre: -last, ..form }),
            (4, neighbour),
        ];
        let scaled = RowForm { value: 1 << self.shift, pre: -1, product: -1, ..form };
        for (side, rest, overflow) in [
            (
                self.sides[0],
                RowForm { value: 1, pre: -1, next_pre: -1, ..form },
                RowForm { value: 1, pre: -1, next_value: 1, next_pre: -1, ..form },
            ),
            (
                self.sides[1],
                RowForm { value: 1, pre: -1, next_pre: 1, constant: 1, ..form },
                RowForm { value: 1, pre: 1, next_value: -1, next_pre: -1, ..form },
            ),
        ] {
            forms.extend([(side.at, scaled), (side.at + 2, rest), (side.overflow_at(), overflow)]);
        }
        forms
    }
}

impl Builder<'_> {
    /// M-STEPS: see [`StepRows`].
    pub(super) fn steps(&mut self, tensor: TensorId) -> Result<(), LayoutError> {
        let node = self.program.node(tensor);
        let Op::Steps { operands, first, shift, steps } = &node.op else { unreachable!("the node counts steps") };
        let ranges = operands.map(|operand| self.ranges[operand.0 as usize].value);
        let distances = largest_distances(ranges, *shift, steps);
        for distance in distances {
            self.check_width(node, Interval::new(0, distance))?;
        }
        let rows = StepRows::new(*first, *shift, distances);
        let mut operands = operands.map(|operand| self.elements(operand));
        let chains = self.chains(node.elements(), rows.len() as usize)?;
        let block = chains.block();
        let last = first + steps.len() as i64;
        rows.forms(last).iter().for_each(|(step, form)| self.rows.set_forms(block.rows(*step), form));
        for side in &rows.sides {
            self.range_chains(block, side.rest_at(), side.rest);
            self.range_chains(block, side.distance_at(), side.distance);
        }
        // Lanes without an element repeat the first one: no other operands are known to keep the distances.
        let places: Vec<_> = (0..chains.slots()).map(|slot| chains.place(slot)).collect();
        operands.iter_mut().for_each(|operand| operand.resize(places.len(), operand[0]));
        let tags = self.tables.steps(tensor).map(|function| Lane::Function(self.tables.own(function)));
        for (index, &place) in places.iter().enumerate() {
            let cells = [0, 1].map(|side| self.element_cell(operands[side][index]));
            self.step(place, cells, tags, &rows);
        }
        self.settle(tensor, places[..node.elements()].iter().map(|place| place.below(2)).collect());
        self.fills.push(Fill::Steps { tensor, operands, rows, places });
        Ok(())
    }

    /// The lanes and copies of a result.
    fn step(&mut self, place: Place, [dividend, divisor]: [Cell; 2], [factor, strict]: [Lane; 2], rows: &StepRows) {
        (0..rows.len()).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
        for step in 0..2 {
            self.rows.set_lane(place.below(step), factor);
            self.rows.set_lane(place.below(4 + step), strict);
        }
        let at = |step: u32| place.below(step);
        let result = place.pre();
        self.copies.extend([(result, at(2).value()), (result, at(3).value()), (result, at(4).pre())]);
        for (index, side) in (0..).zip(&rows.sides) {
            self.copies.extend([
                (at(index).value(), at(side.at + 1).value()),
                (divisor, at(side.at + 1).pre()),
                (at(side.at).pre(), at(side.at + 2).value()),
                (at(4 + index).value(), at(side.at + 2).pre()),
                (at(side.at).value(), at(side.overflow_at()).pre()),
                (at(side.overflow_at()).value(), at(2 + index).pre()),
                (dividend, at(side.distance_at()).value()),
            ]);
        }
    }
}
