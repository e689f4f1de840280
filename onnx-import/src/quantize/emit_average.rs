//! Emission of averages that the runtime adds up in float32, to the last bit.
//!
//! A scale is `M·u`, `M` of 24 bits and `u` a power of two, so that every sum of float32 numbers `fl(c·scale)` is a whole number of units `u`:
//! `M·t + w`, where `t` is the exact sum of the integers `c`, and the *excess* `w` is what roundings have made of it. Two such sums are added
//! and rounded to a multiple of `2^k`, where `k(t)` is told by `t` alone: [`Sums::added`] looks whether it is for every excess that can be.
//! With `K` the largest `k`, and tables of `t` where so is said:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `t` | `t_a + t_b` |
//! | `z` | `w_a + w_b + (M·t mod 2^(k+1))`, a table |
//! | `Z` | `z·2^(K−k)`, a table |
//! | `h` | `⌊Z / 2^(K+1)⌋` |
//! | `R` | what brings `Z − h·2^(K+1)` to the nearest multiple of `2^K`, of two the even one; a table of that difference |
//! | `w` | `w_a + w_b + R·2^k / 2^K`, a table and an exact quotient |
//!
//! The result is one of two neighbours, which one a comparison of `w` with the least excess of the greater one tells: two tables of `t`.

use std::ops::Range;

use circuits::graph::{Op, Requantize, Table, TensorId};

use super::emit::Emitter;
use super::plan::{element, PlanId, PlanNode};
use crate::float::quantized::{QuantizedAverage, SumOrder};

/// Bits of a float32 number.
const MANTISSA: u32 = 24;
/// Most elements of an average.
const MAX_COUNT: usize = 64;

/// What is added up.
trait Summands {
    /// Sums of several elements, side by side.
    type Sum;
    /// Elements side by side.
    fn elements(&mut self, places: Range<usize>) -> Self::Sum;
    /// Some of several sums.
    fn part(&mut self, sum: &Self::Sum, places: Range<usize>) -> Self::Sum;
    /// The sums of two times as many; `None` where that can't be told.
    fn add(&mut self, a: Self::Sum, b: Self::Sum) -> Option<Self::Sum>;
}

/// The sum of `count` elements in an order.
fn in_order<S: Summands>(summands: &mut S, order: SumOrder, count: usize) -> Option<S::Sum> {
    let chain = |summands: &mut S, width: usize, end: usize| {
        let mut sum = summands.elements(0..width);
        for first in (width..end).step_by(width) {
            let next = summands.elements(first..first + width);
            sum = summands.add(sum, next)?;
        }
        Some(sum)
    };
    if order == SumOrder::Sequence {
        return chain(summands, 1, count);
    }
    let eights = count / 8 * 8;
    let mut sum = match eights {
        0 => summands.elements(0..4),
        _ => {
            let lanes = chain(summands, 8, eights)?;
            let [first, second] = [summands.part(&lanes, 0..4), summands.part(&lanes, 4..8)];
            summands.add(first, second)?
        }
    };
    if eights != 0 && eights != count {
        let last = summands.elements(eights..count);
        sum = summands.add(sum, last)?;
    }
    for half in [2, 1] {
        let [first, second] = [summands.part(&sum, 0..half), summands.part(&sum, half..2 * half)];
        sum = summands.add(first, second)?;
    }
    Some(sum)
}

/// How many elements a sum has, and which excesses it can have.
#[derive(Clone, Copy)]
struct Reach {
    count: i64,
    excess: (i64, i64),
}

/// The arithmetic of sums of a quantized tensor.
struct Sums {
    /// `M`.
    mantissa: i64,
    /// `u`.
    unit: f64,
    /// Bounds of the integers.
    range: (i64, i64),
}

impl Sums {
    fn new(scale: f32, range: (i64, i64)) -> Self {
        let bits = i64::from(scale.to_bits());
        let leading = 1i64 << (MANTISSA - 1);
        let mantissa = bits % leading + leading;
        Self { mantissa, unit: f64::from(scale) / mantissa as f64, range }
    }

    /// `k` of a number of units.
    fn grid(units: i64) -> u32 {
        (i64::BITS - units.unsigned_abs().leading_zeros()).saturating_sub(MANTISSA)
    }

    /// The excess of an element.
    fn of_element(&self, c: i64) -> i64 {
        let exact = self.mantissa * c;
        ((exact as f64 * self.unit) as f32 as f64 / self.unit) as i64 - exact
    }

    fn element(&self) -> Reach {
        let excesses = (self.range.0..=self.range.1).map(|c| self.of_element(c));
        let bounds = excesses.fold((0, 0), |(lo, hi), w| (lo.min(w), hi.max(w)));
        Reach { count: 1, excess: bounds }
    }

    /// The exact sums that so many elements can have.
    fn totals(&self, count: i64) -> std::ops::RangeInclusive<i64> {
        count * self.range.0..=count * self.range.1
    }

    /// The largest `k` of so many elements.
    fn largest_grid(&self, count: i64) -> u32 {
        let totals = self.totals(count);
        Self::grid(self.mantissa * totals.start()).max(Self::grid(self.mantissa * totals.end()))
    }

    /// The reach of a sum of two, where `k` is told by the exact sum.
    fn added(&self, a: Reach, b: Reach) -> Option<Reach> {
        let count = a.count + b.count;
        let before = (a.excess.0 + b.excess.0, a.excess.1 + b.excess.1);
        let largest = self.largest_grid(count);
        let told = |t: i64| {
            let [least, most] = [before.0, before.1].map(|w| Self::grid(self.mantissa * t + w));
            let grid = Self::grid(self.mantissa * t);
            least == grid && most == grid
        };
        if !self.totals(count).all(told) {
            return None;
        }
        let rounding = if largest == 0 { 0 } else { 1 << (largest - 1) };
        Some(Reach { count, excess: (before.0 - rounding, before.1 + rounding) })
    }

    /// The lesser result of an exact sum, and the least excess that makes it one more; `None` where there are more than two results.
    fn result(&self, t: i64, reach: Reach, average: &QuantizedAverage) -> Option<(i64, i64)> {
        let of = |w: i64| {
            let sum = (self.mantissa * t + w) as f64 * self.unit;
            average.of_sum(sum as f32, reach.count as usize)
        };
        let (least, most) = (of(reach.excess.0), of(reach.excess.1));
        if most - least > 1 {
            return None;
        }
        let (mut below, mut reaches) = (reach.excess.0, reach.excess.1 + 1);
        while most > least && reaches - below > 1 {
            let middle = below + (reaches - below) / 2;
            if of(middle) > least {
                reaches = middle;
            } else {
                below = middle;
            }
        }
        Some((least, reaches))
    }
}

/// Sums by their reach alone.
impl Summands for &Sums {
    type Sum = Reach;

    fn elements(&mut self, _: Range<usize>) -> Reach {
        self.element()
    }

    fn part(&mut self, sum: &Reach, _: Range<usize>) -> Reach {
        *sum
    }

    fn add(&mut self, a: Reach, b: Reach) -> Option<Reach> {
        self.added(a, b)
    }
}

/// Whether averages of `count` integers in a range follow the runtime's sums.
pub(crate) fn average_fits(count: usize, average: &QuantizedAverage, range: (i64, i64)) -> bool {
    let whole = (2..=MAX_COUNT).contains(&count) && (average.order == SumOrder::Sequence || count.is_multiple_of(4));
    let normal = average.scale.is_normal() && average.to.is_normal();
    // No float32 number of the sums is infinite; centered integers of bytes have at most the magnitude 255.
    let finite = (average.scale * 255.0 * count as f32).is_finite();
    if !whole || !normal || !finite {
        return false;
    }
    let sums = Sums::new(average.scale, range);
    let Some(reach) = in_order(&mut &sums, average.order, count) else { return false };
    sums.totals(reach.count).all(|t| sums.result(t, reach, average).is_some())
}

/// Sums side by side: exact sums and excesses, those of each place for all rows in turn.
struct Tensors {
    totals: TensorId,
    excesses: TensorId,
    width: usize,
    reach: Reach,
}

/// Emits the sums of rows.
struct Rows<'a, 'b> {
    emitter: &'a mut Emitter<'b>,
    node: PlanNode,
    sums: Sums,
    operand: TensorId,
    count: usize,
    size: usize,
}

impl Rows<'_, '_> {
    fn emit(&mut self, op: Op, width: usize, bounds: (i64, i64)) -> TensorId {
        self.emitter.emit(&self.node, op, vec![width * self.count], 1.0, bounds)
    }

    fn pick(&mut self, source: TensorId, width: usize, bounds: (i64, i64), at: impl Fn(usize) -> usize) -> TensorId {
        let map = (0..width * self.count).map(|i| element(at(i))).collect();
        self.emit(Op::View { sources: vec![source], map }, width, bounds)
    }

    /// A function of exact sums of `count` elements.
    fn table(&mut self, totals: TensorId, width: usize, count: i64, of: impl Fn(i64) -> i64) -> TensorId {
        let range = self.sums.totals(count);
        let (lo, hi) = (*range.start(), *range.end());
        let values: Vec<i32> = range.map(|t| of(t) as i32).collect();
        let table = Table::new("float32 sum".to_owned(), lo, values).expect("ranges are not empty");
        let bounds = table.image(lo, hi);
        let table = self.emitter.store(table);
        self.emit(Op::Lookup { input: totals, table }, width, bounds)
    }

    fn affine(&mut self, operands: [TensorId; 2], factors: [i64; 2], width: usize, bounds: (i64, i64)) -> TensorId {
        self.emit(Op::Affine { operands, factors, constant: 0, requantize: None }, width, bounds)
    }

    /// What rounding adds to the excess `before` of exact sums.
    fn rounding(
        &mut self,
        totals: TensorId,
        before: TensorId,
        (width, count): (usize, i64),
        bounds: (i64, i64),
    ) -> TensorId {
        let (mantissa, largest) = (self.sums.mantissa, self.sums.largest_grid(count));
        let grid = move |t: i64| Sums::grid(mantissa * t);
        let lowest = self.table(totals, width, count, |t| (mantissa * t).rem_euclid(2 << grid(t)));
        let bounds = (bounds.0, bounds.1 + (2 << largest));
        let offset = self.affine([before, lowest], [1, 1], width, bounds);
        let factors = self.table(totals, width, count, |t| 1 << (largest - grid(t)));
        let op = Op::Product { operands: [offset, factors], requantize: None };
        let scaled = self.emit(op, width, (bounds.0 << largest, bounds.1 << largest));
        let (unit, whole) = (1i64 << largest, 2i64 << largest);
        let requantize =
            self.emitter.clamp(largest + 1, (bounds.0 << largest).div_euclid(whole), (bounds.1 << largest) / whole);
        let op = Op::Affine { operands: [scaled; 2], factors: [1, 0], constant: -unit, requantize: Some(requantize) };
        let multiples = self.emit(op, width, (bounds.0, bounds.1));
        let nearest = |rest: i64| match (2 * rest).cmp(&unit) {
            std::cmp::Ordering::Greater if 2 * rest < 3 * unit => unit - rest,
            std::cmp::Ordering::Greater => whole - rest,
            _ => -rest,
        };
        let table = Table::new("nearest float32".to_owned(), 0, (0..whole).map(|rest| nearest(rest) as i32).collect());
        let requantize = Some(Requantize { shift: 0, table: self.emitter.store(table.expect("it is not empty")) });
        let op = Op::Affine { operands: [scaled, multiples], factors: [1, -whole], constant: 0, requantize };
        let half = unit / 2;
        let corrections = self.emit(op, width, (-half, half));
        let steps = self.table(totals, width, count, |t| 1 << grid(t));
        let requantize = Some(self.emitter.clamp(largest, -half, half));
        self.emit(Op::Product { operands: [corrections, steps], requantize }, width, (-half, half))
    }
}

impl Summands for Rows<'_, '_> {
    type Sum = Tensors;

    fn elements(&mut self, places: Range<usize>) -> Tensors {
        let (width, size, count, first) = (places.len(), self.size, self.count, places.start);
        let (operand, range, reach) = (self.operand, self.sums.range, self.sums.element());
        let totals = self.pick(operand, width, range, |i| i % count * size + first + i / count);
        let values: Vec<i64> = (range.0..=range.1).map(|c| self.sums.of_element(c)).collect();
        let excesses = self.table(totals, width, 1, |c| values[(c - range.0) as usize]);
        Tensors { totals, excesses, width, reach }
    }

    fn part(&mut self, sum: &Tensors, places: Range<usize>) -> Tensors {
        let (width, first) = (places.len(), places.start * self.count);
        let totals = self.sums.totals(sum.reach.count);
        let totals = self.pick(sum.totals, width, (*totals.start(), *totals.end()), |i| first + i);
        let excesses = self.pick(sum.excesses, width, sum.reach.excess, |i| first + i);
        Tensors { totals, excesses, width, reach: sum.reach }
    }

    fn add(&mut self, a: Tensors, b: Tensors) -> Option<Tensors> {
        let reach = self.sums.added(a.reach, b.reach)?;
        let (width, range) = (a.width, self.sums.totals(reach.count));
        let totals = self.affine([a.totals, b.totals], [1, 1], width, (*range.start(), *range.end()));
        let before = (a.reach.excess.0 + b.reach.excess.0, a.reach.excess.1 + b.reach.excess.1);
        let mut excesses = self.affine([a.excesses, b.excesses], [1, 1], width, before);
        if self.sums.largest_grid(reach.count) > 0 {
            let rounding = self.rounding(totals, excesses, (width, reach.count), before);
            excesses = self.affine([excesses, rounding], [1, 1], width, reach.excess);
        }
        Some(Tensors { totals, excesses, width, reach })
    }
}

impl Emitter<'_> {
    /// Averages of rows that [`average_fits`].
    pub(super) fn quantized_average(&mut self, id: PlanId, input: PlanId, average: &QuantizedAverage) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let rows = self.plan.node(input).shape.clone();
        let operand = self.shaped(input);
        let sums = Sums::new(average.scale, self.bounds[operand.0 as usize]);
        let (count, size) = (rows[0], rows[1]);
        let mut rows = Rows { emitter: self, node, sums, operand, count, size };
        let sum = in_order(&mut rows, average.order, size).expect("it fits");
        let results: Vec<(i64, i64)> = rows
            .sums
            .totals(sum.reach.count)
            .map(|t| rows.sums.result(t, sum.reach, average).expect("it fits"))
            .collect();
        let first = *rows.sums.totals(sum.reach.count).start();
        let lesser = rows.table(sum.totals, 1, sum.reach.count, |t| results[(t - first) as usize].0);
        let from = rows.table(sum.totals, 1, sum.reach.count, |t| results[(t - first) as usize].1);
        let requantize = Some(Requantize { shift: 0, table: rows.emitter.is_reached() });
        let op = Op::Affine { operands: [sum.excesses, from], factors: [1, -1], constant: 0, requantize };
        let more = rows.emit(op, 1, (0, 1));
        let (lo, hi) = (i64::from(average.lo), i64::from(average.hi));
        let requantize = Some(self.clamp(0, lo, hi));
        let op = Op::Affine { operands: [lesser, more], factors: [1, 1], constant: 0, requantize };
        self.emit_small(id, op, vec![count], (lo, hi));
    }
}
