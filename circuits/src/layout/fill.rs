//! Recipes for the first-phase witness: how the cells of each block follow from a run of the reference interpreter.

use std::sync::Arc;

use super::builder::RANGE_LIMB;
use super::rows::Place;
use crate::graph::{Program, TableId, TensorId};
use crate::machine::{AdviceColumn, Assignment, Cell};
use crate::reference::{shift_half_up, Trace};

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
    /// Per group, per plane: the elements of `0 .. cells`.
    pub(super) groups: Vec<Vec<PlaneTaps>>,
    /// Cells of a plane.
    pub(super) cells: usize,
    /// Output channels per group.
    pub(super) outputs: usize,
    /// Cells of an output channel's block.
    pub(super) output_cells: usize,
    pub(super) bias: Arc<[i64]>,
    /// Per output cell (channel by channel): its place and whether it is an element.
    pub(super) places: Vec<(Place, bool)>,
}

/// A plane and the taps that read it.
#[derive(Clone, Debug)]
pub(super) struct PlaneTaps {
    /// `(address, tensor, index)` of the plane's elements.
    pub(super) elements: Vec<(u32, TensorId, u32)>,
    /// `(shift of addresses, one weight per output of the group)`.
    pub(super) taps: Vec<(usize, Vec<i64>)>,
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
    /// `acc = Σ weights·operands + bias`, one list per element.
    Dense { groups: Vec<DenseGroup>, bias: Arc<[i64]>, places: Vec<Place>, finish: Finish },
    /// See [`PlaneConv`].
    Planes { conv: PlaneConv, finish: Finish },
    /// `acc = factors·operands + constant`.
    Affine { operands: [Vec<Element>; 2], factors: [i64; 2], constant: i64, places: Vec<Place>, finish: Finish },
    /// `acc = a·b`.
    Product { operands: [Vec<Element>; 2], places: Vec<Place>, finish: Finish },
    /// `acc = factor·Σ`.
    Sum { windows: Vec<Vec<Element>>, factor: i64, places: Vec<Place>, finish: Finish },
    /// Running maxima, the last operand at the bottom.
    Maximum { windows: Vec<Vec<Element>>, places: Vec<Place> },
    /// Bits and distances of an arg max, from the row above the first operand down.
    ArgMaximum { windows: Vec<Vec<Element>>, places: Vec<Place> },
    /// Quotient, remainder and their limbs.
    Reciprocal { operands: Vec<Element>, numerator_bits: u32, chain: u32, places: Vec<Place> },
    /// Requantization of accumulators that are there already, with overflows of several limbs.
    Wide { sources: Vec<Cell>, places: Vec<Place>, requantize: FinishRequantize, chain: u32 },
    /// Cells that make up for the constant of their row's form.
    Borders { places: Vec<Place>, constant: i64 },
}

/// An element of a tensor, or zero.
pub(super) type Element = Option<(TensorId, u32)>;

/// Output channels that share their inputs.
#[derive(Clone, Debug)]
pub(super) struct DenseGroup {
    pub(super) outputs: usize,
    /// Each input with one weight per output.
    pub(super) inputs: Vec<((TensorId, u32), Vec<i64>)>,
}

/// Fills an assignment from a trace.
pub(super) struct Filler<'a> {
    pub(super) program: &'a Program,
    pub(super) trace: &'a Trace,
    pub(super) assignment: &'a mut Assignment,
}

impl Filler<'_> {
    pub(super) fn run(&mut self, fill: &Fill) {
        match fill {
            Fill::Elements { tensor, places, input } => {
                for (index, &place) in places.iter().enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.set_value(place, value);
                    if *input {
                        self.set(AdviceColumn::Pre, place, value);
                    }
                }
            }
            Fill::WideInput { tensor, places, range: (lo, hi), chain } => {
                for (index, &place) in places.iter().enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.set_value(place, value);
                    self.range_chain(place.below(1), value - lo, *chain);
                    self.range_chain(place.below(2 + chain), hi - value, *chain);
                }
            }
            Fill::Lookup { tensor, operands, places, saturation } => {
                for (index, (&operand, &place)) in operands.iter().zip(places).enumerate() {
                    let value = self.trace.tensor(*tensor)[index];
                    self.set_value(place, value);
                    let operand = self.element(operand);
                    self.set_argument(place, operand, *saturation);
                }
            }
            Fill::Dense { groups, bias, places, finish } => self.dense(groups, bias, places, finish),
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
            Fill::Sum { windows, factor, places, finish } => {
                for (window, &place) in windows.iter().zip(places) {
                    let sum: i128 = window.iter().map(|&element| i128::from(self.element(element))).sum();
                    self.set_value(place.below(1), sum as i64);
                    self.finish(place, sum * i128::from(*factor), finish);
                }
            }
            Fill::Maximum { windows, places } => {
                for (window, &place) in windows.iter().zip(places) {
                    self.maximum(window, place);
                }
            }
            Fill::ArgMaximum { windows, places } => {
                for (window, &place) in windows.iter().zip(places) {
                    self.arg_maximum(window, place);
                }
            }
            Fill::Reciprocal { operands, numerator_bits, chain, places } => {
                for (&operand, &place) in operands.iter().zip(places) {
                    let operand = self.element(operand);
                    self.reciprocal(operand, *numerator_bits, *chain, place);
                }
            }
            Fill::Wide { sources, places, requantize, chain } => {
                for (&source, &place) in sources.iter().zip(places) {
                    let accumulator = self.value_at(source);
                    self.wide(accumulator, requantize, *chain, place);
                }
            }
            Fill::Borders { places, constant } => {
                places.iter().for_each(|&place| self.set(AdviceColumn::Low, place, -constant));
            }
        }
    }

    fn element(&self, element: Element) -> i64 {
        element.map_or(0, |(tensor, index)| self.trace.tensor(tensor)[index as usize])
    }

    fn set(&mut self, column: impl Fn(u32) -> AdviceColumn, place: Place, value: i64) {
        self.assignment.set(column(place.lane), place.row as usize, value);
    }

    fn set_value(&mut self, place: Place, value: i64) {
        self.set(AdviceColumn::Value, place, value);
    }

    /// Writes the argument of a table, and its overflow below where the gadget is used.
    fn set_argument(&mut self, place: Place, argument: i64, saturation: Option<(i64, i64)>) -> i64 {
        let kept = saturation.map_or(argument, |(lo, hi)| argument.clamp(lo, hi));
        self.set(AdviceColumn::Pre, place, kept);
        if saturation.is_some() {
            self.set(AdviceColumn::Low, place.below(1), (argument - kept).max(0));
            self.set(AdviceColumn::High, place.below(1), (kept - argument).max(0));
        }
        kept
    }

    fn finish(&mut self, place: Place, accumulator: i128, finish: &Finish) {
        match &finish.requantize {
            None => self.set_value(place, accumulator as i64),
            Some(requantize) => {
                let shifted = shift_half_up(accumulator, requantize.shift);
                let half = if requantize.shift == 0 { 0 } else { 1i128 << (requantize.shift - 1) };
                let remainder = (accumulator + half - (shifted << requantize.shift)) as i64;
                self.set(AdviceColumn::Low, place, remainder & ((1 << requantize.low_bits) - 1));
                self.set(AdviceColumn::High, place, remainder >> requantize.low_bits);
                let argument = self.set_argument(place, shifted as i64, requantize.saturation);
                self.set_value(place, self.program.table(requantize.table).apply(argument));
            }
        }
    }

    fn dense(&mut self, groups: &[DenseGroup], bias: &[i64], places: &[Place], finish: &Finish) {
        let mut first = 0;
        for group in groups {
            let mut sums: Vec<i128> = bias[first..first + group.outputs].iter().map(|&b| b.into()).collect();
            for &((tensor, index), ref weights) in &group.inputs {
                let value = i128::from(self.trace.tensor(tensor)[index as usize]);
                if value != 0 {
                    sums.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += value * i128::from(weight));
                }
            }
            for (sum, &place) in sums.iter().zip(&places[first..]) {
                self.finish(place, *sum, finish);
            }
            first += group.outputs;
        }
    }

    fn planes(&mut self, conv: &PlaneConv, finish: &Finish) {
        for (g, group) in conv.groups.iter().enumerate() {
            let planes: Vec<Vec<i64>> = group.iter().map(|plane| self.plane_values(plane, conv.cells)).collect();
            for o in 0..conv.outputs {
                let channel = g * conv.outputs + o;
                let mut sums = vec![conv.bias[channel]; conv.output_cells];
                for (plane, values) in group.iter().zip(&planes) {
                    for (shift, weights) in &plane.taps {
                        let weight = weights[o];
                        if weight != 0 {
                            let window = &mut sums[*shift..shift + conv.cells];
                            window.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
                        }
                    }
                }
                let places = &conv.places[channel * conv.output_cells..][..conv.output_cells];
                for (&(place, is_element), &sum) in places.iter().zip(&sums) {
                    match is_element {
                        true => self.finish(place, sum.into(), finish),
                        false => self.set(AdviceColumn::Low, place, sum - finish.constant),
                    }
                }
            }
        }
    }

    fn plane_values(&self, plane: &PlaneTaps, cells: usize) -> Vec<i64> {
        let mut values = vec![0; cells];
        for &(address, tensor, index) in &plane.elements {
            values[address as usize] = self.trace.tensor(tensor)[index as usize];
        }
        values
    }

    fn maximum(&mut self, window: &[Element], place: Place) {
        let last = window.len() as u32 - 1;
        let mut running = self.element(window[last as usize]);
        self.set_value(place.below(last), running);
        for step in (0..last).rev() {
            let operand = self.element(window[step as usize]);
            let larger = running.max(operand);
            let here = place.below(step);
            self.set_value(here, larger);
            self.set(AdviceColumn::Pre, here, operand);
            self.set(AdviceColumn::Low, here, larger - operand);
            self.set(AdviceColumn::High, here, larger - running);
            running = larger;
        }
    }

    fn arg_maximum(&mut self, window: &[Element], place: Place) {
        let values: Vec<i64> = window.iter().map(|&element| self.element(element)).collect();
        let maximum = *values.iter().max().expect("windows are not empty");
        self.set(AdviceColumn::Low, place, maximum - 1);
        let mut reached = 0;
        for (row, &value) in (1..).zip(&values) {
            reached |= i64::from(value == maximum);
            let here = place.below(row);
            self.set_value(here, reached);
            self.set(AdviceColumn::Pre, here, value);
            self.set(AdviceColumn::Low, here, maximum - value - 1 + reached);
        }
    }

    /// See `Builder::reciprocal` for the rows.
    fn reciprocal(&mut self, divisor: i64, numerator_bits: u32, chain: u32, place: Place) {
        let numerator = 1i64 << numerator_bits;
        let quotient = numerator / divisor;
        let remainder = numerator - quotient * divisor;
        self.set(AdviceColumn::Pre, place, remainder);
        self.set_value(place.below(1), quotient);
        self.set(AdviceColumn::Pre, place.below(2), divisor - 1 - remainder);
        for (index, ranged) in (0..).zip([divisor - 1 - remainder, remainder, quotient]) {
            self.range_chain(place.below(4 + index * chain), ranged, chain);
        }
    }

    /// See `Builder::requantize_wide` for the rows.
    fn wide(&mut self, accumulator: i64, requantize: &FinishRequantize, chain: u32, place: Place) {
        let finish = Finish { requantize: Some(FinishRequantize { saturation: None, ..*requantize }), constant: 0 };
        self.finish(place, accumulator.into(), &finish);
        let shifted = shift_half_up(accumulator.into(), requantize.shift) as i64;
        let (lo, hi) = requantize.saturation.expect("a wide requantization saturates");
        let kept = shifted.clamp(lo, hi);
        self.set(AdviceColumn::Pre, place, kept);
        self.set(AdviceColumn::Pre, place.below(1), shifted - kept);
        self.range_chain(place.below(5), (shifted - kept).max(0), chain);
        self.range_chain(place.below(5 + chain), (kept - shifted).max(0), chain);
    }

    /// See `Builder::range_chain` for the rows.
    fn range_chain(&mut self, place: Place, value: i64, rows: u32) {
        let mask = (1 << RANGE_LIMB) - 1;
        let mut rest = value;
        for row in 0..rows {
            self.set(AdviceColumn::Pre, place.below(row), rest);
            self.set(AdviceColumn::Low, place.below(row), rest & mask);
            self.set(AdviceColumn::High, place.below(row), rest >> RANGE_LIMB & mask);
            rest >>= 2 * RANGE_LIMB;
        }
    }

    /// A first-phase cell that is filled already; cells of the scalar unit that stand for zero are zero.
    fn value_at(&self, cell: Cell) -> i64 {
        match cell {
            Cell::Advice(column, row) if self.assignment.first_phase.contains_key(&column) => {
                self.assignment.get(column, row as usize)
            }
            _ => 0,
        }
    }
}
