//! Interval analysis: what each tensor and each accumulator of a program can be at most, whatever the inputs.
//!
//! Exact integers throughout. The bounds decide table domains, where saturation needs its gadget, how many bits a public
//! value takes, and that no identity can wrap around the field.

mod quotients;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::quotients::Quotients;
use crate::graph::{ConvGeometry, Limits, Op, Program, Requantize, TensorId, Weights};
use crate::reference::shift_half_up;

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

    /// Number of integers in it, minus one.
    pub fn width(self) -> i128 {
        self.hi - self.lo
    }

    /// Largest magnitude.
    pub fn magnitude(self) -> i128 {
        self.hi.abs().max(self.lo.abs())
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
        let nearest = if self.lo <= 0 && self.hi >= 0 { 0 } else { self.lo.abs().min(self.hi.abs()) };
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
}

impl NodeRange {
    fn plain(value: Interval) -> Self {
        Self { value, accumulator: None, argument: None }
    }
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
}

/// Bits of an element at most, so that elements fit `i64` with room.
const ELEMENT_BITS: u32 = 61;

/// The ranges of all nodes of a validated program.
///
/// # Errors
/// A node whose numbers may grow too large.
pub fn ranges(program: &Program) -> Result<Vec<NodeRange>, AnalysisError> {
    let mut ranges: Vec<NodeRange> = Vec::with_capacity(program.nodes.len());
    let quotients = Quotients::of(program);
    for (index, node) in program.nodes.iter().enumerate() {
        let range = Analysis { program, ranges: &ranges, quotients: &quotients }.node(index);
        let wide = |interval: Interval, what, limit| {
            let bits = 128 - interval.magnitude().leading_zeros();
            match bits <= limit {
                true => Ok(()),
                false => Err(AnalysisError::TooWide { node: node.name.clone(), what, bits, limit }),
            }
        };
        if let Some(accumulator) = range.accumulator {
            wide(accumulator, "the accumulator", Limits::MAX_VALUE_BITS)?;
        }
        wide(range.value, "an element", ELEMENT_BITS)?;
        ranges.push(range);
    }
    Ok(ranges)
}

struct Analysis<'a> {
    program: &'a Program,
    ranges: &'a [NodeRange],
    quotients: &'a Quotients<'a>,
}

impl Analysis<'_> {
    fn node(&self, index: usize) -> NodeRange {
        let node = &self.program.nodes[index];
        match &node.op {
            Op::Input { lo, hi } => NodeRange::plain(Interval::new(*lo, *hi)),
            Op::View { sources, map } => {
                let mut used = vec![false; sources.len()];
                let mut range: Option<Interval> = None;
                let mut join = |interval: Interval| {
                    range = Some(range.map_or(interval, |range| range.union(interval)));
                };
                for element in map.iter() {
                    match *element {
                        crate::graph::ViewElement::Zero => join(Interval::new(0, 0)),
                        crate::graph::ViewElement::Element { source, .. } => {
                            if !std::mem::replace(&mut used[source as usize], true) {
                                join(self.value(sources[source as usize]));
                            }
                        }
                    }
                }
                NodeRange::plain(range.unwrap_or(Interval::new(0, 0)))
            }
            Op::Conv { input, geometry, weights, bias, requantize } => {
                let accumulator = conv(self.value(*input), geometry, weights, bias);
                self.finish(accumulator, requantize)
            }
            Op::Affine { operands, factors, constant, requantize } => {
                let [a, b] = [0, 1].map(|i| self.value(operands[i]).scaled(factors[i]));
                self.finish(a.plus(b).plus(Interval::new(*constant, *constant)), requantize)
            }
            Op::Product { operands: [a, b], requantize } => {
                let product = match a == b {
                    true => self.value(*a).squared(),
                    false => self.value(*a).times(self.value(*b)),
                };
                let bound = self.quotients.bound([*a, *b], |tensor| self.value(tensor));
                self.finish(bound.map_or(product, |bound| product.intersection(bound)), requantize)
            }
            Op::MatMul { operands, requantize } => {
                let terms =
                    *self.program.node(operands[0]).shape.last().expect("validated operands have an axis") as i64;
                let product = self.value(operands[0]).times(self.value(operands[1]));
                self.finish(product.scaled(terms), requantize)
            }
            Op::Sum { input, factor, requantize } => {
                let terms = *self.program.node(*input).shape.last().expect("validated operands have an axis") as i64;
                self.finish(self.value(*input).scaled(terms).scaled(*factor), requantize)
            }
            Op::Max { input } => NodeRange::plain(self.value(*input)),
            Op::ArgMax { input } => {
                let count = *self.program.node(*input).shape.last().expect("validated operands have an axis") as i128;
                NodeRange::plain(Interval::new(0, count - 1))
            }
            Op::Lookup { input, table } => {
                let argument = self.value(*input);
                NodeRange { value: self.image(*table, argument), accumulator: None, argument: Some(argument) }
            }
            Op::Reciprocal { input, numerator } => {
                let operand = self.value(*input);
                let numerator = i128::from(*numerator);
                NodeRange::plain(Interval::new(numerator / operand.hi.max(1), numerator / operand.lo.max(1)))
            }
            Op::SquareRoot { input } => {
                let operand = self.value(*input);
                NodeRange::plain(Interval::new(operand.lo.max(0).isqrt(), operand.hi.max(0).isqrt()))
            }
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
            None => NodeRange { value: accumulator, accumulator: Some(accumulator), argument: None },
            Some(Requantize { shift, table }) => {
                let argument =
                    Interval::new(shift_half_up(accumulator.lo, *shift), shift_half_up(accumulator.hi, *shift));
                NodeRange {
                    value: self.image(*table, argument),
                    accumulator: Some(accumulator),
                    argument: Some(argument),
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
        Interval {
            lo: positive * input.lo + negative * input.hi + bias,
            hi: positive * input.hi + negative * input.lo + bias,
        }
    });
    outputs.reduce(Interval::union).expect("a convolution has an output channel")
}
