//! Interval analysis: what each tensor and each accumulator of a program can be at most, whatever the inputs.
//!
//! Exact integers throughout. The bounds decide table domains, where saturation needs its gadget, how many bits a public
//! value takes, and that no identity can wrap around the field.
//!
//! Of private weights only the limbs are proved to be in range; that they are as narrow as a program declares is their owner's
//! business, who could not prove some inputs otherwise. So there are two bounds where weights are private: one for what is laid out
//! (tables, limbs, saturation), and one for what every accepted proof guarantees ([`NodeRange::proven`]).

mod quotients;
mod segments;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::quotients::Quotients;
use crate::graph::{
    fits, largest_of_limbs, ConvGeometry, Limits, Node, Op, Program, Requantize, Step, TensorId, ViewElement,
    WeightDeclaration, Weights, LIMB_BITS,
};
use crate::reference::shift_half_up;
use crate::significant::round_significant;

/// A closed interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Smallest value.
    pub lo: i128,
    /// Largest value.
    pub hi: i128,
}

impl Interval {
    /// `[lo, hi]`.
    pub fn new(lo: impl Into<i128>, hi: impl Into<i128>) -> Self {
        let (lo, hi) = (lo.into(), hi.into());
        debug_assert!(lo <= hi);
        Self { lo, hi }
    }

    /// The smallest interval with both.
    pub fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// Number of integers in it, minus one; the largest integer stands for any that is larger.
    pub fn width(self) -> i128 {
        self.hi.saturating_sub(self.lo)
    }

    /// Largest magnitude; the largest integer stands for any that is larger.
    pub fn magnitude(self) -> i128 {
        self.hi.saturating_abs().max(self.lo.saturating_abs())
    }

    /// The integers in both, of which there is at least one.
    fn intersection(self, other: Self) -> Self {
        Self::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }

    fn plus(self, other: Self) -> Self {
        Self { lo: self.lo.saturating_add(other.lo), hi: self.hi.saturating_add(other.hi) }
    }

    fn times(self, other: Self) -> Self {
        let products = [
            self.lo.saturating_mul(other.lo),
            self.lo.saturating_mul(other.hi),
            self.hi.saturating_mul(other.lo),
            self.hi.saturating_mul(other.hi),
        ];
        Self { lo: *products.iter().min().expect("four products"), hi: *products.iter().max().expect("four products") }
    }

    fn squared(self) -> Self {
        let nearest =
            if self.lo <= 0 && self.hi >= 0 { 0 } else { self.lo.saturating_abs().min(self.hi.saturating_abs()) };
        let farthest = self.magnitude();
        Self { lo: nearest.saturating_mul(nearest), hi: farthest.saturating_mul(farthest) }
    }

    fn scaled(self, factor: i64) -> Self {
        self.times(Self::new(factor, factor))
    }
}

/// What one node can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRange {
    /// Its elements.
    pub value: Interval,
    /// The accumulator, for operators that have one.
    pub accumulator: Option<Interval>,
    /// The accumulator after the shift and before the table saturates it; for [`Op::Lookup`] the operand.
    pub argument: Option<Interval>,
    /// What its elements are in whatever proof is accepted. It is `value` unless there are private weights.
    pub proven: Interval,
}

impl NodeRange {
    fn plain(value: Interval) -> Self {
        Self { value, accumulator: None, argument: None, proven: value }
    }
}

/// What is taken for a bound of private weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// What the program declares of their accumulators.
    Declared,
    /// What their limbs can be.
    Limbs,
}

/// A program whose numbers may grow beyond what the circuit can carry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnalysisError {
    /// A value or accumulator may exceed [`Limits::MAX_VALUE_BITS`] or, as an element, 62 bits.
    #[error(
        "node {node:?}: {what} may reach {bits} bits, of which {limit} are admitted; use fewer bits or a smaller shift"
    )]
    TooWide {
        /// The node.
        node: String,
        /// Which quantity.
        what: &'static str,
        /// Bits it may take.
        bits: u32,
        /// Bits it may take at most.
        limit: u32,
    },
    /// An operand of a division that may be smaller than the division is defined for.
    #[error("node {node:?}: {what} may be {lo}, and has to be proven to be at least {least}; take the larger of it and {least}")]
    Least {
        /// The node.
        node: String,
        /// Which operand.
        what: &'static str,
        /// Least value that is admitted.
        least: i64,
        /// Smallest value that it may have.
        lo: i128,
    },
    /// An index that may be no row of the matrix that it picks from.
    #[error("node {node:?}: its indices may be from {lo} to {hi}, and its matrix has {rows} rows; bound the indices")]
    Index {
        /// The node.
        node: String,
        /// Smallest index.
        lo: i128,
        /// Largest index.
        hi: i128,
        /// Rows of the matrix.
        rows: usize,
    },
    /// Private weights with which an accumulator may take more bits than are declared.
    #[error(
        "node {node:?}: with these weights its accumulator may take {bits} bits, and {declared} are declared; compile a program \
         of its own for them, or the first one with more head-room"
    )]
    Declared {
        /// The node.
        node: String,
        /// Bits it may take.
        bits: u32,
        /// Bits that are declared.
        declared: u32,
    },
}

/// Bits of an element at most, so that elements fit `i64` with room.
const ELEMENT_BITS: u32 = 61;

/// The ranges of all nodes of a validated program.
///
/// # Errors
/// A node whose numbers may grow too large, or private weights that do not fit what is declared of them.
pub fn ranges(program: &Program) -> Result<Vec<NodeRange>, AnalysisError> {
    let mut ranges = ranges_by(program, Trust::Declared)?;
    if program.has_private_weights() {
        let proven = ranges_by(program, Trust::Limbs)?;
        ranges.iter_mut().zip(proven).for_each(|(range, proven)| range.proven = proven.value);
    }
    Ok(ranges)
}

/// By how many bits the numbers of a model that is trained further may outgrow those of the model that declares them. Weights and
/// biases have whole limbs whatever is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Bits of weights and biases.
    pub weights: u32,
    /// Bits of accumulators.
    pub accumulators: u32,
}

impl Headroom {
    /// Most bits that can be asked for: one more limb for each weight.
    pub const MAX: u32 = 16;

    /// So many bits for all.
    pub fn of_all(bits: u32) -> Self {
        Self { weights: bits, accumulators: bits }
    }
}

/// What costs no limb: weights that are trained further seldom double.
impl Default for Headroom {
    fn default() -> Self {
        Self { weights: 0, accumulators: 1 }
    }
}

/// Declares the weights of some convolutions of a validated program private, those of others public. An accumulator is declared as
/// wide as the program's own weights ask for, and `headroom` bits more, for weights that are trained further; weights and biases as many
/// limbs wide as they take, one at least. `shared` names convolutions with the weights of an earlier one.
///
/// # Errors
/// A node whose numbers may grow too large.
pub fn declare_private(
    program: &mut Program,
    convolutions: impl IntoIterator<Item = TensorId>,
    shared: &BTreeMap<TensorId, TensorId>,
    headroom: u32,
) -> Result<(), AnalysisError> {
    let headroom = Headroom { accumulators: headroom, ..Headroom::default() };
    declare(program, convolutions, shared, headroom, &BTreeMap::new())
}

/// [`declare_private`] with room for weights and biases, too, and of some convolutions with so many bits of weights at least.
fn declare(
    program: &mut Program,
    convolutions: impl IntoIterator<Item = TensorId>,
    shared: &BTreeMap<TensorId, TensorId>,
    headroom: Headroom,
    least: &BTreeMap<TensorId, u32>,
) -> Result<(), AnalysisError> {
    program.private_weights.clear();
    for tensor in convolutions {
        let Op::Conv { weights, bias, .. } = &program.node(tensor).op else { continue };
        let owner = shared.get(&tensor).copied().unwrap_or(tensor);
        let weight_bits = bits_of(weights.iter()).max(least.get(&owner).copied().unwrap_or(0)) + headroom.weights;
        let bias_bits = bits_of(bias.iter().copied()) + headroom.weights;
        let declaration = WeightDeclaration {
            weight_bits: whole_limbs(weight_bits, WeightDeclaration::MAX_WEIGHT_BITS),
            bias_bits: whole_limbs(bias_bits, WeightDeclaration::MAX_BIAS_BITS),
            accumulator_bits: WeightDeclaration::MAX_ACCUMULATOR_BITS,
            shared_with: shared.get(&tensor).copied(),
        };
        program.private_weights.insert(tensor, declaration);
    }
    // From the first node on: a later one takes in what the earlier ones declare.
    let (quotients, budget) = (Quotients::of(program), Budget::of(program));
    let mut ranges: Vec<NodeRange> = Vec::with_capacity(program.nodes.len());
    let mut declared = program.private_weights.clone();
    for (index, tensor) in (0..program.nodes.len()).map(|index| (index, TensorId(index as u32))) {
        let trust = Trust::Declared;
        let analysis = Analysis { program, ranges: &ranges, quotients: &quotients, budget: &budget, trust };
        let range = match (&program.nodes[index].op, declared.get_mut(&tensor)) {
            (Op::Conv { input, geometry, weights, bias, requantize }, Some(declaration)) => {
                let own = conv(analysis.value(*input), geometry, weights, bias);
                let most = limbs_interval(analysis.value(*input), weights.len() / bias.len(), declaration);
                declaration.accumulator_bits = (signed_bits(own) + headroom.accumulators).min(signed_bits(most));
                analysis.finish(declared_interval(declaration).intersection(most), requantize)
            }
            _ => analysis.node(index)?,
        };
        check_width(&program.nodes[index].name, &range, Trust::Declared)?;
        ranges.push(range);
    }
    program.private_weights = declared;
    Ok(())
}

/// Bits of a signed integer that holds each of some.
fn bits_of(integers: impl Iterator<Item = impl Into<i128>>) -> u32 {
    let ends = integers.map(Into::into).fold((0, 0), |(lo, hi): (i128, i128), v| (lo.min(v), hi.max(v)));
    signed_bits(Interval::new(ends.0, ends.1))
}

/// Bits of the fewest limbs that hold integers of so many bits, `most` at most.
fn whole_limbs(bits: u32, most: u32) -> u32 {
    let mut widths = (1..).map(|limbs| if limbs == 1 { LIMB_BITS } else { LIMB_BITS * limbs - 1 });
    widths.find(|&width| width >= bits.min(most)).expect("limbs hold any number of bits").min(most)
}

/// Fewest weights of layers that are taken for one layer which is used several times.
const LEAST_SHARED: usize = 16;

impl Program {
    /// The program, which must be validated, with private weights; see [`declare_private`].
    ///
    /// Public remain the convolutions whose weights, two at least, all are one number other than zero, and whose biases all are one number:
    /// they are sums and averages, and belong to the form of the model. Biases that differ are trained, as are the constants that a model
    /// adds and the bounds of trees, whatever the weights beside them. Pointwise layers with the same shapes, weights and biases, of many
    /// weights that are not all one number, are one layer that is used several times, as in the steps of a recurrence: they are declared
    /// to share their weights.
    ///
    /// # Errors
    /// A node whose numbers may grow too large.
    pub fn with_private_weights(self) -> Result<Self, AnalysisError> {
        self.with_private_weights_and(Headroom::default(), &BTreeMap::new())
    }

    /// [`with_private_weights`](Self::with_private_weights) with another head-room for weights that are trained further; the weights of the
    /// convolutions in `weight_bits` have so many bits at least, whatever their values.
    ///
    /// # Errors
    /// A node whose numbers may grow too large.
    pub fn with_private_weights_and(
        mut self,
        headroom: Headroom,
        weight_bits: &BTreeMap<TensorId, u32>,
    ) -> Result<Self, AnalysisError> {
        let mut convolutions = Vec::new();
        let mut shared = BTreeMap::new();
        for (tensor, node) in (0..).map(TensorId).zip(&self.nodes) {
            let Op::Conv { input, geometry, weights, bias, .. } = &node.op else { continue };
            if is_sum(weights, bias) {
                continue;
            }
            let shapes = |node: &Node, input: TensorId| (node.shape.clone(), self.node(input).shape.clone());
            let is_same = |other: &TensorId| match &self.node(*other).op {
                Op::Conv { input: other_input, geometry: g, weights: w, bias: b, .. } => {
                    (g, w, b) == (geometry, weights, bias)
                        && shapes(self.node(*other), *other_input) == shapes(node, *input)
                }
                _ => false,
            };
            if *geometry == ConvGeometry::POINTWISE && weights.len() >= LEAST_SHARED && !is_uniform(weights) {
                let owners = convolutions.iter().filter(|owner| !shared.contains_key(*owner));
                if let Some(&owner) = owners.into_iter().find(|owner| is_same(owner)) {
                    shared.insert(tensor, owner);
                }
            }
            convolutions.push(tensor);
        }
        declare(&mut self, convolutions, &shared, headroom, weight_bits)?;
        Ok(self)
    }
}

fn is_uniform(weights: &Weights) -> bool {
    weights.iter().all(|weight| weight == weights.get(0))
}

/// Whether a convolution is a sum or an average, perhaps with an offset such as that of a normalization.
fn is_sum(weights: &Weights, bias: &[i64]) -> bool {
    let offset = bias.iter().all(|offset| *offset == bias[0]);
    weights.len() > 1 && weights.get(0) != 0 && is_uniform(weights) && offset
}

fn ranges_by(program: &Program, trust: Trust) -> Result<Vec<NodeRange>, AnalysisError> {
    let mut ranges: Vec<NodeRange> = Vec::with_capacity(program.nodes.len());
    let (quotients, budget) = (Quotients::of(program), Budget::of(program));
    for (index, node) in program.nodes.iter().enumerate() {
        let range = Analysis { program, ranges: &ranges, quotients: &quotients, budget: &budget, trust }.node(index)?;
        check_width(&node.name, &range, trust)?;
        ranges.push(range);
    }
    Ok(ranges)
}

fn check_bits(node: &str, interval: Interval, what: &'static str, limit: u32) -> Result<(), AnalysisError> {
    let bits = 128 - interval.hi.unsigned_abs().max(interval.lo.unsigned_abs()).leading_zeros();
    match bits <= limit {
        true => Ok(()),
        false => Err(AnalysisError::TooWide { node: node.to_owned(), what, bits, limit }),
    }
}

fn check_width(node: &str, range: &NodeRange, trust: Trust) -> Result<(), AnalysisError> {
    if let Some(accumulator) = range.accumulator {
        check_bits(node, accumulator, "the accumulator", Limits::MAX_VALUE_BITS)?;
    }
    // What no honest run holds need not fit its arithmetic.
    let limit = if trust == Trust::Declared { ELEMENT_BITS } else { Limits::MAX_VALUE_BITS };
    check_bits(node, range.value, "an element", limit)
}

/// Bits of a signed integer that holds all of an interval.
fn signed_bits(interval: Interval) -> u32 {
    (1..i128::BITS).find(|&bits| fits(interval.lo, bits) && fits(interval.hi, bits)).unwrap_or(i128::BITS)
}

fn declared_interval(declared: &WeightDeclaration) -> Interval {
    let end = 1i128 << (declared.accumulator_bits - 1);
    Interval::new(-end, end - 1)
}

/// The accumulators of a convolution with so many weights for an output, whatever their limbs.
fn limbs_interval(input: Interval, weights: usize, declared: &WeightDeclaration) -> Interval {
    let product = largest_of_limbs(declared.weight_limbs()).saturating_mul(input.magnitude());
    let sum = product.saturating_mul(weights as i128).saturating_add(largest_of_limbs(declared.bias_limbs()));
    Interval::new(-sum, sum)
}

/// The work that one analysis may still do where it looks closer than interval arithmetic does; without it bounds are wider, and as true.
struct Budget {
    /// Steps through views.
    view_steps: Cell<usize>,
    /// Segments of functions.
    segments: Cell<usize>,
}

impl Budget {
    /// Steps through views for each element of a program: for a maximum, each of its operands is gone after to where it is computed. A
    /// program with a long chain of views, or with many maxima over one view, could take days otherwise.
    const VIEW_STEPS: usize = 64;
    /// Segments in all. A program of many nodes on one long table would take hours.
    const SEGMENTS: usize = 1 << 26;

    fn of(program: &Program) -> Self {
        let elements = program.nodes.iter().map(|node| node.elements()).fold(0, usize::saturating_add);
        let view_steps = elements.saturating_mul(Self::VIEW_STEPS);
        Self { view_steps: Cell::new(view_steps), segments: Cell::new(Self::SEGMENTS) }
    }

    /// Takes so much of a part of the budget; `None` where less is left.
    fn spend(left: &Cell<usize>, work: usize) -> Option<()> {
        left.set(left.get().checked_sub(work)?);
        Some(())
    }
}

struct Analysis<'a> {
    program: &'a Program,
    ranges: &'a [NodeRange],
    quotients: &'a Quotients<'a>,
    budget: &'a Budget,
    trust: Trust,
}

impl Analysis<'_> {
    fn node(&self, index: usize) -> Result<NodeRange, AnalysisError> {
        let node = &self.program.nodes[index];
        Ok(match &node.op {
            Op::Input { lo, hi } => NodeRange::plain(Interval::new(*lo, *hi)),
            Op::View { sources, map } => {
                let mut used = vec![false; sources.len()];
                let mut range: Option<Interval> = None;
                let mut join = |interval: Interval| {
                    range = Some(range.map_or(interval, |range| range.union(interval)));
                };
                for element in map.iter() {
                    match *element {
                        ViewElement::Zero => join(Interval::new(0, 0)),
                        ViewElement::Element { source, .. } => {
                            if !std::mem::replace(&mut used[source as usize], true) {
                                join(self.value(sources[source as usize]));
                            }
                        }
                    }
                }
                NodeRange::plain(range.unwrap_or(Interval::new(0, 0)))
            }
            Op::Conv { input, geometry, weights, bias, requantize } => {
                let own = conv(self.value(*input), geometry, weights, bias);
                let accumulator = match self.program.private_weights.get(&TensorId(index as u32)) {
                    None => own,
                    Some(declared) => {
                        let limbs = limbs_interval(self.value(*input), weights.len() / bias.len(), declared);
                        match self.trust {
                            Trust::Limbs => limbs,
                            Trust::Declared => self.declared(&node.name, own, declared)?.intersection(limbs),
                        }
                    }
                };
                self.finish(accumulator, requantize)
            }
            Op::Affine { operands, factors, constant, requantize } => {
                let [a, b] = [0, 1].map(|i| self.value(operands[i]).scaled(factors[i]));
                let mut sum = a.plus(b).plus(Interval::new(*constant, *constant));
                if let Some(least) = self.quotients.least_variance(TensorId(index as u32)) {
                    sum.lo = sum.lo.max(least);
                }
                let by_segments =
                    segments::line(self.program, *operands, *factors, *constant, &self.budget.segments, |t| {
                        self.value(t)
                    });
                if let Some(bound) = by_segments {
                    sum = sum.intersection(bound);
                }
                self.finish(sum, requantize)
            }
            Op::Product { operands: [a, b], requantize } => {
                let product = match a == b {
                    true => self.value(*a).squared(),
                    false => self.value(*a).times(self.value(*b)),
                };
                let by_segments =
                    segments::product(self.program, [*a, *b], &self.budget.segments, |tensor| self.value(tensor));
                let bound = self.quotients.bound([*a, *b], |tensor| self.value(tensor)).or(by_segments);
                self.finish(bound.map_or(product, |bound| product.intersection(bound)), requantize)
            }
            Op::MatMul { operands, requantize } => {
                let terms =
                    *self.program.node(operands[0]).shape.last().expect("validated operands have an axis") as i64;
                let product = self.value(operands[0]).times(self.value(operands[1])).scaled(terms);
                let bound = self.quotients.bound_of_matrices(*operands, |tensor| self.value(tensor));
                self.finish(bound.map_or(product, |bound| product.intersection(bound)), requantize)
            }
            Op::Sum { input, factor, requantize } => {
                let terms = *self.program.node(*input).shape.last().expect("validated operands have an axis") as i64;
                self.finish(self.value(*input).scaled(terms).scaled(*factor), requantize)
            }
            Op::Max { input } => NodeRange::plain(self.maximum(*input)),
            Op::ArgMax { input } => {
                let count = *self.program.node(*input).shape.last().expect("validated operands have an axis") as i128;
                NodeRange::plain(Interval::new(0, count - 1))
            }
            Op::Lookup { input, table } => {
                let argument = self.value(*input);
                NodeRange { argument: Some(argument), ..NodeRange::plain(self.image(*table, argument)) }
            }
            Op::Reciprocal { input, numerator } => {
                let operand = self.value(*input);
                let numerator = i128::from(*numerator);
                NodeRange::plain(Interval::new(numerator / operand.hi.max(1), numerator / operand.lo.max(1)))
            }
            Op::Gather { input, entries } => self.gather(node, *input, entries)?,
            Op::RoundSignificant { input, bits } => {
                let operand = self.value(*input);
                NodeRange::plain(Interval::new(
                    round_significant(operand.lo, *bits),
                    round_significant(operand.hi, *bits),
                ))
            }
            Op::Steps { operands, first, shift, steps } => self.steps(node, *operands, *first, *shift, steps)?,
            Op::Quotient { operands } => self.quotient(node, *operands)?,
            Op::SquareRoot { input } => {
                let operand = self.value(*input);
                NodeRange::plain(Interval::new(operand.lo.max(0).isqrt(), operand.hi.max(0).isqrt()))
            }
        })
    }

    /// Refuses an operand of a division that may be too small for it.
    fn check_least(&self, node: &Node, what: &'static str, operand: TensorId, least: i64) -> Result<(), AnalysisError> {
        let Interval { lo, .. } = self.value(operand);
        match lo < least.into() {
            true => Err(AnalysisError::Least { node: node.name.clone(), what, least, lo }),
            false => Ok(()),
        }
    }

    fn quotient(&self, node: &Node, [a, b]: [TensorId; 2]) -> Result<NodeRange, AnalysisError> {
        if self.trust == Trust::Declared {
            // With other weights the proof itself says so.
            self.check_least(node, "a dividend", a, 0)?;
            self.check_least(node, "a divisor", b, 1)?;
        }
        let (dividend, Interval { lo, hi }) = (self.value(a), self.value(b));
        let divisor = Interval::new(lo.max(1), hi.max(1));
        let [lo, hi] = [dividend.lo / divisor.hi, dividend.hi / divisor.lo].map(|end| end.max(0));
        Ok(NodeRange::plain(Interval::new(lo, hi)))
    }

    /// The steps that are reached wherever the operands lie, and those that are reached somewhere.
    fn steps(
        &self,
        node: &Node,
        [a, b]: [TensorId; 2],
        first: i64,
        shift: u32,
        steps: &[Step],
    ) -> Result<NodeRange, AnalysisError> {
        self.check_least(node, "a divisor", b, 1)?;
        if self.trust == Trust::Limbs {
            // The results are looked up, whatever the operands are.
            return Ok(NodeRange::plain(Interval::new(first, first + steps.len() as i64)));
        }
        let (dividend, divisor) = (self.value(a).scaled(1 << shift), self.value(b));
        let bounds = Interval::new(steps[0].factor, steps[steps.len() - 1].factor).times(divisor);
        check_bits(&node.name, dividend, "a dividend", Limits::MAX_VALUE_BITS)?;
        check_bits(&node.name, bounds, "a bound", Limits::MAX_VALUE_BITS)?;
        let bound = |step: &Step| {
            let strict = Interval::new(step.strict, step.strict);
            Interval::new(step.factor, step.factor).times(divisor).plus(strict)
        };
        let always = steps.partition_point(|step| bound(step).hi <= dividend.lo);
        let somewhere = steps.partition_point(|step| bound(step).lo <= dividend.hi);
        Ok(NodeRange::plain(Interval::new(first + always as i64, first + somewhere as i64)))
    }

    /// The interval of an element: views are seen through, as long as steps are left.
    fn element(&self, mut tensor: TensorId, mut index: usize) -> Option<Interval> {
        while let Op::View { sources, map } = &self.program.node(tensor).op {
            Budget::spend(&self.budget.view_steps, 1)?;
            match map[index] {
                ViewElement::Zero => return Some(Interval::new(0, 0)),
                ViewElement::Element { source, index: next } => {
                    (tensor, index) = (sources[source as usize], next as usize);
                }
            }
        }
        Some(self.value(tensor))
    }

    /// The interval of maxima over the last axis: each is at least the least that any of its operands can be. Where no steps through
    /// views are left, that of all operands.
    fn maximum(&self, input: TensorId) -> Interval {
        self.maximum_through_views(input).unwrap_or_else(|| self.value(input))
    }

    fn maximum_through_views(&self, input: TensorId) -> Option<Interval> {
        let operand = self.program.node(input);
        if !matches!(operand.op, Op::View { .. }) {
            return None;
        }
        let length = *operand.shape.last().expect("validated operands have an axis");
        let window = |first: usize| {
            let mut elements = (first..first + length).map(|index| self.element(input, index));
            let least = elements.next().expect("windows are not empty")?;
            elements.try_fold(least, |a, b| b.map(|b| Interval::new(a.lo.max(b.lo), a.hi.max(b.hi))))
        };
        let mut windows = (0..operand.elements()).step_by(length).map(window);
        let first = windows.next().expect("validated operands have elements")?;
        windows.try_fold(first, |all, window| window.map(|window| all.union(window)))
    }

    fn gather(&self, node: &Node, input: TensorId, entries: &Weights) -> Result<NodeRange, AnalysisError> {
        let rows = entries.len() / node.shape.last().expect("validated results have columns");
        let Interval { lo, hi } = self.value(input);
        if lo < 0 || hi >= rows as i128 {
            return Err(AnalysisError::Index { node: node.name.clone(), lo, hi, rows });
        }
        let (lo, hi) = entries.bounds();
        Ok(NodeRange::plain(Interval::new(lo, hi)))
    }

    /// What is declared of an accumulator, which its own weights must not leave.
    fn declared(&self, node: &str, own: Interval, declared: &WeightDeclaration) -> Result<Interval, AnalysisError> {
        let (bits, most) = (signed_bits(own), declared.accumulator_bits);
        match bits <= most {
            true => Ok(declared_interval(declared)),
            false => Err(AnalysisError::Declared { node: node.to_owned(), bits, declared: most }),
        }
    }

    fn value(&self, tensor: TensorId) -> Interval {
        self.ranges[tensor.0 as usize].value
    }

    fn image(&self, table: crate::graph::TableId, argument: Interval) -> Interval {
        let bound = i128::from(i64::MAX);
        let clip = |v: i128| v.clamp(-bound, bound) as i64;
        let (lo, hi) = self.program.table(table).image(clip(argument.lo), clip(argument.hi));
        Interval::new(lo, hi)
    }

    fn finish(&self, accumulator: Interval, requantize: &Option<Requantize>) -> NodeRange {
        match requantize {
            None => NodeRange { accumulator: Some(accumulator), ..NodeRange::plain(accumulator) },
            Some(Requantize { shift, table }) => {
                let argument =
                    Interval::new(shift_half_up(accumulator.lo, *shift), shift_half_up(accumulator.hi, *shift));
                NodeRange {
                    accumulator: Some(accumulator),
                    argument: Some(argument),
                    ..NodeRange::plain(self.image(*table, argument))
                }
            }
        }
    }
}

fn conv(input: Interval, geometry: &ConvGeometry, weights: &Weights, bias: &[i64]) -> Interval {
    let padded = geometry.padding.iter().any(|&padding| padding > 0);
    let input = if padded { input.union(Interval::new(0, 0)) } else { input };
    let per_output = weights.len() / bias.len();
    let outputs = weights.chunks(per_output).zip(bias).map(|(weights, &bias)| {
        let (mut positive, mut negative) = (0i128, 0i128);
        for weight in weights {
            match weight {
                0.. => positive += i128::from(weight),
                _ => negative += i128::from(weight),
            }
        }
        let bias = i128::from(bias);
        let end = |of_positive: i128, of_negative: i128| {
            let products = positive.saturating_mul(of_positive).saturating_add(negative.saturating_mul(of_negative));
            products.saturating_add(bias)
        };
        Interval { lo: end(input.lo, input.hi), hi: end(input.hi, input.lo) }
    });
    outputs.reduce(Interval::union).expect("a convolution has an output channel")
}
