//! Recipes for the first-phase witness: how the cells of each block follow from a run of the reference interpreter, and from
//! the salts of hashed ports.

use rayon::prelude::*;

use super::builder::{self, RANGE_LIMB};
use super::clamp::ClampUse;
use super::conv::Window;
use super::rows::{Block, Place};
use super::significant::RoundingRows;
use super::steps::StepRows;
use super::tables::GatherPlan;
use crate::digest::Salt;
use crate::graph::{Op, Program, Step, TableId, TensorId};
use crate::machine::{AdviceColumn, Cell, Integers, Region, Skeleton};
use crate::products::{self, Narrow, Numbers, Wide};
use crate::reference::{shift_half_up, steps_below, Trace};
use crate::significant::Significand;

/// How an accumulator becomes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finish {
    /// `None`: the accumulator is the element.
    pub(super) requantize: Option<FinishRequantize>,
    /// Constant of the row's form: what the free `low` of a border cell makes up for.
    pub(super) constant: i64,
}

/// See [`crate::graph::Requantize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FinishRequantize {
    pub(super) table: TableId,
    pub(super) shift: u32,
    pub(super) low_bits: u32,
    /// Ends of the table, where the saturation gadget is used.
    pub(super) saturation: Option<(i64, i64)>,
}

/// A convolution over planes; addresses are relative to the first cell that the plane reader reads.
#[derive(Clone, Debug)]
pub(super) struct PlaneConv {
    /// The convolution, whose weights are read in the program.
    pub(super) tensor: TensorId,
    /// Per group, per plane: the elements of `0 .. cells`.
    pub(super) groups: Vec<Vec<PlaneTaps>>,
    /// Cells of a plane.
    pub(super) cells: usize,
    /// Output channels per group.
    pub(super) outputs: usize,
    /// Cells of an output channel.
    pub(super) output_cells: usize,
    /// Which of them are elements.
    pub(super) window: Window,
    /// Where the output channels lie, one after the other.
    pub(super) block: Block,
    /// Units per row.
    pub(super) units: usize,
}

/// A plane and the taps that read it.
#[derive(Clone, Debug)]
pub(super) struct PlaneTaps {
    /// `(address, tensor, index)` of the plane's elements.
    pub(super) elements: Vec<(u32, TensorId, u32)>,
    /// `(shift of addresses, which of the weights of an output channel)`.
    pub(super) taps: Vec<(usize, usize)>,
}

/// A recipe.
#[derive(Clone, Debug)]
pub(super) enum Fill {
    /// `value` is the element; for inputs `pre` too.
    Elements { tensor: TensorId, places: Vec<Place>, input: bool },
    /// Inputs in `lo ..= hi` whose range is proved by chains of limbs.
    WideInput { tensor: TensorId, places: Vec<Place>, range: (i64, i64), chain: u32 },
    /// `value = table(pre)`, with the overflow below where the gadget is used.
    Lookup { tensor: TensorId, operands: Vec<Element>, places: Vec<Place>, saturation: Option<(i64, i64)> },
    /// `acc = Σ weights·operands + bias` of a convolution with one output position.
    Dense { tensor: TensorId, places: Vec<Place>, finish: Finish },
    /// See [`PlaneConv`].
    Planes { conv: PlaneConv, finish: Finish },
    /// `acc = factors·operands + constant`.
    Affine { operands: [Vec<Element>; 2], factors: [i64; 2], constant: i64, places: Vec<Place>, finish: Finish },
    /// `acc = a·b`.
    Product { operands: [Vec<Element>; 2], places: Vec<Place>, finish: Finish },
    /// `acc = Σ a·b` of products of matrices.
    MatMul { tensor: TensorId, places: Vec<Place>, finish: Finish },
    /// `acc = factor·Σ`.
    Sum { windows: Vec<Vec<Element>>, factor: i64, places: Vec<Place>, finish: Finish },
    /// Running maxima, the last operand at the bottom.
    Maximum { windows: Vec<Vec<Element>>, places: Vec<Place> },
    /// Maxima and, for each of their operands, the difference and its limbs.
    WideMaximum { windows: Vec<Vec<Element>>, chain: u32, heads: Vec<Place> },
    /// Bits and distances of an arg max, from the row above the first operand down.
    ArgMaximum { windows: Vec<Vec<Element>>, places: Vec<Place> },
    /// Quotients, their remainders and limbs.
    Quotient { dividends: Dividends, divisors: Vec<Element>, chain: u32, places: Vec<Place> },
    /// Roundings to significant bits.
    RoundSignificant { operands: Vec<Element>, rows: RoundingRows, places: Vec<Place> },
    /// Results of [`Op::Steps`] and the steps beside them.
    Steps { tensor: TensorId, operands: [Vec<Element>; 2], rows: StepRows, places: Vec<Place> },
    /// Square roots, their remainders and limbs.
    SquareRoot { operands: Vec<Element>, chain: u32, places: Vec<Place> },
    /// Requantization of accumulators that are there already, with overflows of several limbs.
    Wide { sources: Vec<Cell>, places: Vec<Place>, requantize: FinishRequantize, chain: u32 },
    /// Chains of clamps without tables: `places` hold elements, `spare` lanes do not; the chains begin `first` rows below.
    Clamp { places: Vec<Place>, spare: Vec<Place>, clamp: ClampUse, first: u32 },
    /// Keys and images of the groups of gathered rows.
    Gather { tensor: TensorId, indices: Vec<Element>, keys: Vec<Place>, plan: GatherPlan },
    /// The limbs of the salt of hashed port `index`.
    Salt { index: usize, places: Vec<Place> },
    /// Cells that make up for the constant of their row's form.
    Borders { places: Vec<Place>, constant: i64 },
}

/// What is divided.
#[derive(Clone, Debug)]
pub(super) enum Dividends {
    /// The same number everywhere.
    Constant(i64),
    /// An element for each divisor.
    Elements(Vec<Element>),
}

/// An element of a tensor, or zero.
pub(super) type Element = Option<(TensorId, u32)>;

/// The four first-phase cells of all units, lane by lane.
pub(super) struct UnitColumns {
    value: Vec<Integers>,
    pre: Vec<Integers>,
    low: Vec<Integers>,
    high: Vec<Integers>,
}

impl UnitColumns {
    /// Zeros.
    pub(super) fn new(skeleton: &Skeleton) -> Self {
        let zeros = || vec![Integers::zeros(skeleton.regions.rows(Region::Units)); skeleton.params.units as usize];
        Self { value: zeros(), pre: zeros(), low: zeros(), high: zeros() }
    }

    /// The columns by their names.
    pub(super) fn named(self) -> impl Iterator<Item = (AdviceColumn, Integers)> {
        let name = |column: fn(u32) -> AdviceColumn, lanes: Vec<Integers>| (0..).map(column).zip(lanes);
        name(AdviceColumn::Value, self.value)
            .chain(name(AdviceColumn::Pre, self.pre))
            .chain(name(AdviceColumn::Low, self.low))
            .chain(name(AdviceColumn::High, self.high))
    }

    /// Carries values along the copies between units; sources come before their copies.
    pub(super) fn copy(&mut self, copies: &[(Cell, Cell)]) {
        for &(source, destination) in copies {
            let Some(value) = self.get(source) else { continue };
            match destination {
                Cell::Advice(AdviceColumn::Value(lane), row) => self.value[lane as usize].set(row as usize, value),
                Cell::Advice(AdviceColumn::Pre(lane), row) => self.pre[lane as usize].set(row as usize, value),
                _ => {}
            }
        }
    }

    /// A `value` or `pre`; `None` for other cells.
    fn get(&self, cell: Cell) -> Option<i64> {
        match cell {
            Cell::Advice(AdviceColumn::Value(lane), row) => Some(self.value[lane as usize].get(row as usize)),
            Cell::Advice(AdviceColumn::Pre(lane), row) => Some(self.pre[lane as usize].get(row as usize)),
            _ => None,
        }
    }
}

/// Fills the units from a trace and the salts of hashed ports.
pub(super) struct Filler<'a> {
    pub(super) program: &'a Program,
    pub(super) trace: &'a Trace,
    pub(super) salts: &'a [Salt],
    pub(super) columns: &'a mut UnitColumns,
}

impl Filler<'_> {
    pub(super) fn run(&mut self, fill: &Fill) {
        match fill {
            Fill::Elements { tensor, places, input } => {
                for (index, &place) in places.iter().enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.value(place, value);
                    if *input {
                        self.pre(place, value);
                    }
                }
            }
            Fill::WideInput { tensor, places, range: (lo, hi), chain } => {
                for (index, &place) in places.iter().enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.value(place, value);
                    self.range_chain(place.below(1), value - lo, *chain);
                    self.range_chain(place.below(2 + chain), hi - value, *chain);
                }
            }
            Fill::Lookup { tensor, operands, places, saturation } => {
                for (index, (&operand, &place)) in operands.iter().zip(places).enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.value(place, value);
                    let operand = self.element(operand);
                    self.set_argument(place, operand, *saturation);
                }
            }
            Fill::Dense { tensor, places, finish } => {
                let sums = dense_sums(self.program, self.trace, *tensor);
                places.iter().zip(sums).for_each(|(&place, sum)| self.finish(place, sum.into(), finish));
            }
            Fill::Planes { conv, finish } => self.planes(conv, finish),
            Fill::Affine { operands, factors, constant, places, finish } => {
                for (index, &place) in places.iter().enumerate() {
                    let [a, b] = [0, 1].map(|i| i128::from(self.element(operands[i][index])) * i128::from(factors[i]));
                    self.finish(place, a + b + i128::from(*constant), finish);
                }
            }
            Fill::Product { operands, places, finish } => {
                for (index, &place) in places.iter().enumerate() {
                    let [a, b] = [0, 1].map(|i| i128::from(self.element(operands[i][index])));
                    self.finish(place, a * b, finish);
                }
            }
            Fill::MatMul { tensor, places, finish } => {
                let sums = matrix_sums(self.program, self.trace, *tensor);
                places.iter().zip(sums).for_each(|(&place, sum)| self.finish(place, sum.into(), finish));
            }
            Fill::Sum { windows, factor, places, finish } => {
                for (window, &place) in windows.iter().zip(places) {
                    let sum: i128 = window.iter().map(|&element| i128::from(self.element(element))).sum();
                    self.value(place.below(1), sum as i64);
                    self.finish(place, sum * i128::from(*factor), finish);
                }
            }
            Fill::Gather { tensor, indices, keys, plan } => {
                let rows = self.trace.tensor(*tensor).chunks(plan.columns);
                for ((&index, row), keys) in indices.iter().zip(rows).zip(keys.chunks(plan.groups)) {
                    let first = self.element(index) * plan.groups as i64;
                    for (group, &key) in keys.iter().enumerate() {
                        self.pre(key, first + group as i64);
                        self.value(key, plan.image(row, group));
                    }
                }
            }
            Fill::Maximum { windows, places } => {
                for (window, &place) in windows.iter().zip(places) {
                    self.maximum(window, place);
                }
            }
            Fill::WideMaximum { windows, chain, heads } => {
                for (window, heads) in windows.iter().zip(heads.chunks(windows[0].len())) {
                    let values: Vec<i64> = window.iter().map(|&element| self.element(element)).collect();
                    let maximum = *values.iter().max().expect("windows are not empty");
                    for (&head, value) in heads.iter().zip(values) {
                        self.value(head, maximum);
                        self.range_chain(head.below(1), maximum - value, *chain);
                    }
                }
            }
            Fill::ArgMaximum { windows, places } => {
                for (window, &place) in windows.iter().zip(places) {
                    self.arg_maximum(window, place);
                }
            }
            Fill::Quotient { dividends, divisors, chain, places } => {
                for (index, (&divisor, &place)) in divisors.iter().zip(places).enumerate() {
                    let dividend = match dividends {
                        Dividends::Constant(numerator) => *numerator,
                        Dividends::Elements(elements) => self.element(elements[index]),
                    };
                    let divisor = self.element(divisor);
                    let quotient = dividend / divisor;
                    let remainder = dividend - quotient * divisor;
                    self.quotient(quotient, remainder, divisor - 1 - remainder, *chain, place);
                }
            }
            Fill::RoundSignificant { operands, rows, places } => {
                for (&operand, &place) in operands.iter().zip(places) {
                    let operand = self.element(operand);
                    self.rounding(operand, rows, place);
                }
            }
            Fill::Steps { tensor, operands: [dividends, divisors], rows, places } => {
                let Op::Steps { steps, .. } = &self.program.node(*tensor).op else {
                    unreachable!("the node counts steps")
                };
                for ((&dividend, &divisor), &place) in dividends.iter().zip(divisors).zip(places) {
                    self.step(self.element(dividend), self.element(divisor), steps, rows, place);
                }
            }
            Fill::SquareRoot { operands, chain, places } => {
                for (&operand, &place) in operands.iter().zip(places) {
                    let operand = self.element(operand);
                    let root = operand.isqrt();
                    let remainder = operand - root * root;
                    self.quotient(root, remainder, 2 * root - remainder, *chain, place);
                }
            }
            Fill::Wide { sources, places, requantize, chain } => {
                for (&source, &place) in sources.iter().zip(places) {
                    let accumulator = self.columns.get(source).unwrap_or(0);
                    self.wide(accumulator, requantize, *chain, place);
                }
            }
            Fill::Clamp { places, spare, clamp, first } => {
                places.iter().for_each(|&place| self.clamp(place, clamp, *first));
                spare.iter().for_each(|&place| self.clamp_chains(place.below(*first), clamp.idle(), [0, 0], clamp));
            }
            Fill::Salt { index, places } => {
                for (&place, limb) in places.iter().zip(self.salts[*index].limbs()) {
                    self.range_chain(place, limb, 1);
                }
            }
            Fill::Borders { places, constant } => {
                places.iter().for_each(|&place| self.low(place, -constant));
            }
        }
    }

    fn element(&self, element: Element) -> i64 {
        element.map_or(0, |(tensor, index)| self.trace.tensor(tensor)[index as usize])
    }

    fn pre(&mut self, place: Place, value: i64) {
        self.columns.pre[place.lane as usize].set(place.row as usize, value);
    }

    fn low(&mut self, place: Place, value: i64) {
        self.columns.low[place.lane as usize].set(place.row as usize, value);
    }

    fn high(&mut self, place: Place, value: i64) {
        self.columns.high[place.lane as usize].set(place.row as usize, value);
    }

    fn value(&mut self, place: Place, value: i64) {
        self.columns.value[place.lane as usize].set(place.row as usize, value);
    }

    /// Writes the argument of a table, and its overflow below where the gadget is used.
    fn set_argument(&mut self, place: Place, argument: i64, saturation: Option<(i64, i64)>) -> i64 {
        let kept = saturation.map_or(argument, |(lo, hi)| argument.clamp(lo, hi));
        self.pre(place, kept);
        if saturation.is_some() {
            self.low(place.below(1), (argument - kept).max(0));
            self.high(place.below(1), (kept - argument).max(0));
        }
        kept
    }

    fn finish(&mut self, place: Place, accumulator: i128, finish: &Finish) {
        match &finish.requantize {
            None => self.value(place, accumulator as i64),
            Some(requantize) => {
                let shifted = shift_half_up(accumulator, requantize.shift);
                let half = if requantize.shift == 0 { 0 } else { 1i128 << (requantize.shift - 1) };
                let remainder = (accumulator + half - (shifted << requantize.shift)) as i64;
                self.low(place, remainder & ((1 << requantize.low_bits) - 1));
                self.high(place, remainder >> requantize.low_bits);
                let argument = self.set_argument(place, shifted as i64, requantize.saturation);
                self.value(place, self.program.table(requantize.table).apply(argument));
            }
        }
    }

    fn planes(&mut self, conv: &PlaneConv, finish: &Finish) {
        for (channel, sums) in plane_sums(self.program, self.trace, conv).into_iter().enumerate() {
            for (address, sum) in sums.into_iter().enumerate() {
                let place = conv.block.place(conv.units, channel * conv.output_cells + address);
                match conv.window.is_element(address) {
                    true => self.finish(place, sum.into(), finish),
                    false => self.low(place, sum - finish.constant),
                }
            }
        }
    }

    fn maximum(&mut self, window: &[Element], place: Place) {
        let last = window.len() as u32 - 1;
        let mut running = self.element(window[last as usize]);
        self.value(place.below(last), running);
        for step in (0..last).rev() {
            let operand = self.element(window[step as usize]);
            let larger = running.max(operand);
            let here = place.below(step);
            self.value(here, larger);
            self.pre(here, operand);
            self.low(here, larger - operand);
            self.high(here, larger - running);
            running = larger;
        }
    }

    fn arg_maximum(&mut self, window: &[Element], place: Place) {
        let values: Vec<i64> = window.iter().map(|&element| self.element(element)).collect();
        let maximum = *values.iter().max().expect("windows are not empty");
        self.low(place, maximum - 1);
        let mut reached = 0;
        for (row, &value) in (1..).zip(&values) {
            reached |= i64::from(value == maximum);
            let here = place.below(row);
            self.value(here, reached);
            self.pre(here, value);
            self.low(here, maximum - value - 1 + reached);
        }
    }

    /// A quotient or root, its remainder, and what the remainder leaves up to the largest; see `Builder::quotient_rows`.
    fn quotient(&mut self, quotient: i64, remainder: i64, room: i64, chain: u32, place: Place) {
        self.pre(place, remainder);
        self.value(place.below(1), quotient);
        self.pre(place.below(2), room);
        for (index, ranged) in (0..).zip([room, remainder, quotient]) {
            self.range_chain(place.below(4 + index * chain), ranged, chain);
        }
    }

    /// See [`RoundingRows`] for the rows; what is a copy is left to the copies.
    fn rounding(&mut self, operand: i64, rows: &RoundingRows, place: Place) {
        let magnitude = operand.unsigned_abs();
        let Significand { exponent, integer } = Significand::of(magnitude.into(), rows.bits);
        let (power, integer) = (1i64 << exponent, integer as i64);
        let sign = if operand < 0 { -1 } else { 1 };
        let binade = if exponent == 0 { 0 } else { power << (rows.bits - 1) };
        let above = magnitude as i64 - binade;
        let odd = integer & 1;
        let rounded = sign * (integer << exponent);
        for step in 0..2 {
            self.pre(place.below(step), exponent.into());
        }
        self.value(place, power);
        self.value(place.below(1), binade);
        self.value(place.below(2), rounded);
        self.pre(place.below(3), sign * power);
        self.value(place.below(4), sign);
        self.low(place.below(4), i64::from(sign > 0));
        self.value(place.below(5), above);
        self.value(place.below(7), power - odd);
        self.low(place.below(7), odd);
        self.pre(place.below(8), integer);
        self.range_chain(place.below(rows.rest_at()), ((1 << rows.bits) - integer) / 2, rows.rest);
        let excess = 2 * (operand - rounded);
        for (first, excess) in rows.rooms_at().into_iter().zip([-excess, excess]) {
            self.range_chain(place.below(first), power - odd + excess, rows.room);
        }
        self.range_chain(place.below(rows.above_at()), above, rows.above);
    }

    /// See [`StepRows`] for the rows; what is a copy is left to the copies.
    fn step(&mut self, dividend: i64, divisor: i64, steps: &[Step], rows: &StepRows, place: Place) {
        let reached = steps_below(steps, rows.shift, dividend.into(), divisor.into());
        let result = rows.first + reached as i64;
        let step = |index: Option<usize>| index.and_then(|index| steps.get(index)).copied();
        for (index, (side, step)) in
            (0..).zip(rows.sides.iter().zip([step(reached.checked_sub(1)), step(Some(reached))]))
        {
            let Step { factor, strict } = step.unwrap_or(Step { factor: 0, strict: false });
            let strict = i64::from(strict);
            self.pre(place.below(index), result + i64::from(index));
            self.value(place.below(index), factor);
            self.pre(place.below(4 + index), result + i64::from(index));
            self.value(place.below(4 + index), strict);
            // The least multiple of `2^shift` that is not below the step, and of the other one the largest below it.
            let bound = i128::from(factor) * i128::from(divisor);
            let is_next = index == 1;
            let least = bound + i128::from(strict) - i128::from(is_next);
            let multiple = if is_next { least >> rows.shift } else { -(-least >> rows.shift) };
            let difference = ((multiple << rows.shift) - bound) as i64;
            let (multiple, rest) = (multiple as i64, ((multiple << rows.shift) - least).unsigned_abs() as i64);
            let distance = if is_next { multiple - dividend } else { dividend - multiple };
            let overflow = if step.is_none() { (-distance).max(0) } else { 0 };
            self.value(place.below(side.at), multiple);
            self.pre(place.below(side.at), difference);
            self.range_chain(place.below(side.rest_at()), rest, side.rest);
            self.value(place.below(side.overflow_at()), overflow);
            self.range_chain(place.below(side.distance_at()), distance + overflow, side.distance);
        }
    }

    /// See `Builder::requantize_wide` for the rows.
    fn wide(&mut self, accumulator: i64, requantize: &FinishRequantize, chain: u32, place: Place) {
        let finish = Finish { requantize: Some(FinishRequantize { saturation: None, ..*requantize }), constant: 0 };
        self.finish(place, accumulator.into(), &finish);
        let shifted = shift_half_up(accumulator.into(), requantize.shift) as i64;
        let (lo, hi) = requantize.saturation.expect("a wide requantization saturates");
        let kept = shifted.clamp(lo, hi);
        self.pre(place, kept);
        self.pre(place.below(1), shifted - kept);
        self.range_chain(place.below(builder::Wide::HEAD), (shifted - kept).max(0), chain);
        self.range_chain(place.below(builder::Wide::HEAD + chain), (kept - shifted).max(0), chain);
    }

    /// The chains of an element that is there already, with its overflows in the row below.
    fn clamp(&mut self, place: Place, clamp: &ClampUse, first: u32) {
        let (lane, below) = (place.lane as usize, place.below(1).row as usize);
        let overflows = match clamp.saturates {
            true => [self.columns.low[lane].get(below), self.columns.high[lane].get(below)],
            false => [0, 0],
        };
        let result = self.columns.pre[lane].get(place.row as usize);
        self.clamp_chains(place.below(first), result, overflows, clamp);
    }

    /// See `Builder::clamp_rows` for the rows.
    fn clamp_chains(&mut self, place: Place, result: i64, [over, under]: [i64; 2], clamp: &ClampUse) {
        let below = result - clamp.lo + under;
        self.range_chain(place, below, clamp.below);
        if !clamp.saturates {
            self.pre(place, result);
            return;
        }
        let above = clamp.hi - result + over;
        self.range_chain(place.below(clamp.below), above, clamp.above);
        self.value(place, result);
        self.pre(place, below + clamp.factor() * above);
        self.value(place.below(1), above);
    }

    /// See `Builder::range_chain` for the rows.
    fn range_chain(&mut self, place: Place, value: i64, rows: u32) {
        let mask = (1 << RANGE_LIMB) - 1;
        let mut rest = value;
        for row in 0..rows {
            self.pre(place.below(row), rest);
            self.low(place.below(row), rest & mask);
            self.high(place.below(row), rest >> RANGE_LIMB & mask);
            rest >>= 2 * RANGE_LIMB;
        }
    }
}

/// The accumulators of a convolution with one output position.
///
/// Accumulators take fewer than 62 bits, so sums modulo `2^64` are exact.
fn dense_sums(program: &Program, trace: &Trace, tensor: TensorId) -> Vec<i64> {
    let Op::Conv { input, geometry, weights, bias, .. } = &program.node(tensor).op else {
        unreachable!("the node is a convolution")
    };
    let (values, shape) = (trace.tensor(*input), &program.node(*input).shape);
    let [kernel_height, kernel_width] = geometry.kernel.map(|k| k as usize);
    let channels = shape[0] / geometry.groups as usize;
    let at = |axis: usize, tap: usize| {
        let position = (tap * geometry.dilation[axis] as usize).checked_sub(geometry.padding[axis] as usize);
        position.filter(|&position| position < shape[axis + 1])
    };
    let operand = |channel: usize, tap: usize| match (at(0, tap / kernel_width), at(1, tap % kernel_width)) {
        (Some(row), Some(column)) => values[(channel * shape[1] + row) * shape[2] + column],
        _ => 0,
    };
    let taps = kernel_height * kernel_width;
    let operands: Vec<i64> = (0..shape[0] * taps).map(|i| operand(i / taps, i % taps)).collect();
    let outputs = bias.len() / geometry.groups as usize;
    let per_output = channels * taps;
    let sum = |o: usize| {
        let weights = weights.slice(o * per_output..(o + 1) * per_output);
        let operands = &operands[o / outputs * per_output..][..per_output];
        let products = weights.iter().zip(operands).map(|(&weight, &x)| i64::from(weight).wrapping_mul(x));
        products.fold(bias[o], i64::wrapping_add)
    };
    (0..bias.len()).into_par_iter().with_min_len(16).map(sum).collect()
}

/// The accumulators of products of matrices.
///
/// They take fewer than 62 bits, so sums modulo `2^64` are exact.
fn matrix_sums(program: &Program, trace: &Trace, tensor: TensorId) -> Vec<i64> {
    let Op::MatMul { operands, .. } = &program.node(tensor).op else {
        unreachable!("the node is a product of matrices")
    };
    let [a, b] = operands.map(|operand| trace.tensor(operand));
    let [a_shape, b_shape] = operands.map(|operand| &program.node(operand).shape);
    let (rows, inner, columns) = (a_shape[1], a_shape[2], b_shape[2]);
    let mut sums = vec![0i64; a_shape[0] * rows * columns];
    let products = sums.par_chunks_mut(columns).zip(a.par_chunks(inner)).enumerate();
    products.for_each(|(row, (sums, factors))| {
        let matrix = &b[row / rows * inner * columns..][..inner * columns];
        for (&factor, terms) in factors.iter().zip(matrix.chunks(columns)) {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum = sum.wrapping_add(factor.wrapping_mul(*term)));
        }
    });
    sums
}

/// The coefficients of a product of planes by kernels, per output channel.
///
/// They take fewer than 62 bits, so sums modulo `2^64` are exact.
fn plane_sums(program: &Program, trace: &Trace, conv: &PlaneConv) -> Vec<Vec<i64>> {
    let Op::Conv { weights, bias, .. } = &program.node(conv.tensor).op else {
        unreachable!("the node is a convolution")
    };
    let per_output = weights.len() / bias.len();
    let planes = conv.groups.par_iter().map(|group| {
        let values = group.iter().map(|plane| plane_values(trace, plane, conv.cells));
        values.collect::<Vec<_>>()
    });
    let planes: Vec<Vec<Vec<i64>>> = planes.collect();
    let largest = products::largest(planes.iter().flatten().flatten());
    let narrow = planes.iter().map(|group| group.iter().map(|plane| products::narrow(plane)).collect());
    let narrow: Option<Vec<Vec<Vec<i16>>>> = narrow.collect();
    let channel = |channel: usize| {
        let weights = weights.slice(channel * per_output..(channel + 1) * per_output);
        let (group, bias) = (channel / conv.outputs, bias[channel]);
        let bound = products::bound(&weights, largest, bias);
        let few_bits = narrow.as_ref().zip(i32::try_from(bound).ok().and_then(|_| products::narrow(&weights)));
        match few_bits {
            Some((planes, weights)) => {
                let sums = conv.sums::<Narrow>(group, &planes[group], &weights, bias as i32);
                sums.into_iter().map(i64::from).collect()
            }
            None => {
                let weights: Vec<i64> = weights.into_iter().map(i64::from).collect();
                conv.sums::<Wide>(group, &planes[group], &weights, bias)
            }
        }
    };
    (0..bias.len()).into_par_iter().map(channel).collect()
}

impl PlaneConv {
    /// The coefficients of one output channel of a group, of its planes and weights.
    fn sums<N: Numbers>(
        &self,
        group: usize,
        planes: &[Vec<N::Factor>],
        weights: &[N::Factor],
        bias: N::Sum,
    ) -> Vec<N::Sum> {
        let mut sums = vec![bias; self.output_cells];
        // Taps that read the same window are added up together.
        let taps = self.groups[group].iter().zip(planes);
        let mut terms: Vec<_> = taps
            .flat_map(|(plane, values)| {
                plane.taps.iter().map(|&(shift, position)| (shift, (weights[position], &values[..])))
            })
            .collect();
        terms.sort_by_key(|(shift, _)| *shift);
        for window in terms.chunk_by(|a, b| a.0 == b.0) {
            let shift = window[0].0;
            let terms = window.iter().map(|(_, term)| *term);
            products::add_products::<N>(&mut sums[shift..shift + self.cells], terms);
        }
        sums
    }
}

fn plane_values(trace: &Trace, plane: &PlaneTaps, cells: usize) -> Vec<i64> {
    let mut values = vec![0; cells];
    for &(address, tensor, index) in &plane.elements {
        values[address as usize] = trace.tensor(tensor)[index as usize];
    }
    values
}
