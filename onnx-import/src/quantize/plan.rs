//! The plan: the operators of the integer program, still with real weights and functions.
//!
//! Lowering makes a plan from the float graph, [`super::rewrite`] simplifies it, [`super::scales`] chooses the steps,
//! [`super::emit`] rounds. Each node carries the range of reals that calibration saw on it.

use std::sync::Arc;

use circuits::graph::{ConvGeometry, ViewElement};

use super::function::Function;
use super::kernel::Kernel;
use crate::float::graph::ValueId;
use crate::float::quantized::{
    IntegerRule, QuantizedAverage, QuantizedNormalization, QuantizedPairs, QuantizedSoftmax, QuantizedSum,
    QuantizedTable, Quantizer, Requantization,
};
use crate::float::trees::Trees;

/// Names a node of a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlanId(pub usize);

/// An interval of reals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub lo: f64,
    pub hi: f64,
}

impl Range {
    /// The smallest interval that holds both.
    pub(super) fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    pub(super) fn width(self) -> f64 {
        self.hi - self.lo
    }

    /// Largest magnitude.
    pub(super) fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }
}

/// What a table of a [`PlanOp::Map`] has to obey beyond its function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct MapRules {
    /// The step of the result, where it is not free.
    pub step: Option<f64>,
    /// Smallest value of the table, where its consumer needs one (a divisor of at least 1).
    pub floor: Option<i32>,
}

/// An operator of the plan; shapes are those of the integer operator it becomes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PlanOp {
    /// Input number `port`; with a quantizer its step and range are the model's own. Elements of a nullable one may be missing, which
    /// the integer below all others of its class stands for.
    Input { port: usize, quantizer: Option<Quantizer>, nullable: bool },
    /// Whether each element of a nullable input, or of a view of some, is missing.
    Missing { input: PlanId },
    /// A nullable input, or a view of some, with these numbers where elements are missing.
    Impute { input: PlanId, fills: Vec<f64> },
    /// A re-indexing.
    View { sources: Vec<PlanId>, map: Arc<[ViewElement]> },
    /// A convolution with constant weights and bias.
    Linear { input: PlanId, geometry: ConvGeometry, weights: Kernel, bias: Vec<f64> },
    /// `factor_i · x_i + offset_i`, elementwise with coefficients for each element.
    Scale { input: PlanId, factors: Vec<f64>, offsets: Vec<f64> },
    /// `factors[0]·a + factors[1]·b + constant`; with `lattice` the operands have one step and so has the result.
    Combine { operands: [PlanId; 2], factors: [f64; 2], constant: f64, lattice: bool },
    /// `a · b`.
    Product { operands: [PlanId; 2] },
    /// `factor · a·b` for stacks of matrices `[s, i, k]` and `[s, k, j]`, with a positive factor.
    MatMul { operands: [PlanId; 2], factor: f64 },
    /// `factor · Σ` over the last axis; with `exact` never requantized.
    Sum { input: PlanId, factor: f64, exact: bool },
    /// Maximum over the last axis.
    Max { input: PlanId },
    /// First index of the maximum over the last axis.
    ArgMax { input: PlanId },
    /// A function of each element.
    Map { input: PlanId, function: Function, rules: MapRules },
    /// `factor·c / √(mean c² + epsilon)` over the last axis, where `c` is the operand, less its mean if it is centered; the
    /// factor is positive.
    Normalize { input: PlanId, centered: bool, epsilon: f64, factor: f64 },
    /// `1 / x` for positive integers, as `floor(2^bits / x)`; the integers are made larger by `lift`, which keeps those that may
    /// be zero from it and is nothing beside others.
    Reciprocal { input: PlanId, numerator_bits: u32, lift: i64 },
    /// The integer part of `a / b` for integers `a ≥ 0` and `b ≥ 1` whose product is below `2^bits`.
    Quotient { operands: [PlanId; 2], bits: u32 },
    /// The integers that stand for the values of an input, whose step is `scale`.
    Quantize { input: PlanId },
    /// Integers read as multiples of `scale`.
    Dequantize { input: PlanId, scale: f64 },
    /// A convolution of integers, requantized exactly.
    QuantizedConv {
        input: PlanId,
        geometry: ConvGeometry,
        weights: Vec<i32>,
        bias: Vec<i64>,
        requantization: Requantization,
    },
    /// Softmax over the last axis of integers `[count, size]`, requantized.
    QuantizedSoftmax { input: PlanId, softmax: QuantizedSoftmax },
    /// Averages over the last axis of integers `[count, size]`, requantized exactly.
    QuantizedAverage { input: PlanId, average: QuantizedAverage },
    /// A normalization over the last axis of integers `[count, size]`, scaled and requantized.
    QuantizedNormalize { input: PlanId, normalization: QuantizedNormalization },
    /// A sum of integers, requantized exactly.
    QuantizedAdd { operands: [PlanId; 2], sum: QuantizedSum },
    /// A product of integers, element by element, requantized exactly.
    QuantizedMul { operands: [PlanId; 2], requantization: Requantization },
    /// Products of stacks of integer matrices `[s, i, k]` and `[s, k, j]`, requantized exactly.
    QuantizedMatMul { operands: [PlanId; 2], requantization: Requantization },
    /// A table of integers.
    QuantizedMap { input: PlanId, table: QuantizedTable },
    /// A table of pairs of integers.
    QuantizedPairs { operands: [PlanId; 2], table: QuantizedPairs },
    /// Exact arithmetic of integers.
    Integers { operands: Vec<PlanId>, rule: IntegerRule },
    /// Which leaf each tree reaches from each row of `[N, features]`: 1 there and 0 at the other leaves. `resolution` is the
    /// widest step that serves a feature.
    Leaves { input: PlanId, trees: Arc<Trees>, resolution: Vec<f64> },
    /// `x − offset` for each feature `x` of an input, with the widest step that is the input's times a power of two and no wider than
    /// `resolution`.
    Narrow { input: PlanId, offsets: Vec<f64>, resolution: f64 },
    /// Rows of a constant table `[n, columns]`: `[…] → […, columns]`.
    Pick { input: PlanId, columns: usize, values: Kernel },
}

impl PlanOp {
    /// The nodes it reads.
    pub(super) fn operands(&self) -> Vec<PlanId> {
        match self {
            Self::Input { .. } => vec![],
            Self::View { sources: operands, .. } | Self::Integers { operands, .. } => operands.clone(),
            Self::Combine { operands, .. }
            | Self::Product { operands }
            | Self::Quotient { operands, .. }
            | Self::MatMul { operands, .. }
            | Self::QuantizedAdd { operands, .. }
            | Self::QuantizedMul { operands, .. }
            | Self::QuantizedPairs { operands, .. }
            | Self::QuantizedMatMul { operands, .. } => operands.to_vec(),
            Self::Linear { input, .. }
            | Self::Scale { input, .. }
            | Self::Sum { input, .. }
            | Self::Max { input }
            | Self::ArgMax { input }
            | Self::Map { input, .. }
            | Self::Normalize { input, .. }
            | Self::Reciprocal { input, .. }
            | Self::Quantize { input }
            | Self::Dequantize { input, .. }
            | Self::QuantizedConv { input, .. }
            | Self::QuantizedMap { input, .. }
            | Self::QuantizedSoftmax { input, .. }
            | Self::QuantizedAverage { input, .. }
            | Self::QuantizedNormalize { input, .. }
            | Self::Leaves { input, .. }
            | Self::Missing { input }
            | Self::Impute { input, .. }
            | Self::Narrow { input, .. }
            | Self::Pick { input, .. } => vec![*input],
        }
    }

    /// Whether it computes an accumulator, which may be kept exact or requantized through a table.
    pub(super) fn accumulates(&self) -> bool {
        matches!(
            self,
            Self::Linear { .. }
                | Self::Combine { .. }
                | Self::Product { .. }
                | Self::MatMul { .. }
                | Self::Sum { .. }
                | Self::Normalize { .. }
        )
    }
}

/// A node of the plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlanNode {
    pub op: PlanOp,
    pub shape: Vec<usize>,
    /// Names of the model's nodes behind it.
    pub names: Vec<String>,
    /// The reals that calibration saw.
    pub range: Range,
    /// Whether the values are integers that stand for themselves.
    pub integer: bool,
    /// The value of the float graph that it equals, element by element.
    pub origin: Option<ValueId>,
}

impl PlanNode {
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an operator is of the same kind, with the same operands and shapes.
    fn has_form_of(&self, other: &Self) -> bool {
        let same = match (&self.op, &other.op) {
            (PlanOp::View { map, .. }, PlanOp::View { map: others, .. }) => map == others,
            (PlanOp::Map { function, rules, .. }, PlanOp::Map { function: other, rules: other_rules, .. }) => {
                function.keeps_steps() == other.keeps_steps() && rules == other_rules
            }
            (PlanOp::Linear { geometry, weights, .. }, PlanOp::Linear { geometry: other, weights: others, .. }) => {
                (geometry, weights.len()) == (other, others.len())
            }
            (PlanOp::Combine { lattice, .. }, PlanOp::Combine { lattice: other, .. }) => lattice == other,
            (PlanOp::Sum { exact, .. }, PlanOp::Sum { exact: other, .. }) => exact == other,
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        };
        same && self.op.operands() == other.op.operands()
            && (&self.shape, self.integer) == (&other.shape, other.integer)
    }

    /// The names for messages.
    pub(super) fn label(&self) -> String {
        self.names.join("+")
    }
}

/// A program with real weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub nodes: Vec<PlanNode>,
    /// One per output of the model.
    pub outputs: Vec<PlanId>,
}

impl Plan {
    pub(super) fn node(&self, id: PlanId) -> &PlanNode {
        &self.nodes[id.0]
    }

    pub(super) fn push(&mut self, node: PlanNode) -> PlanId {
        self.nodes.push(node);
        PlanId(self.nodes.len() - 1)
    }

    /// The same values of `source` under another shape or order, as a view with provenance and range of its source.
    pub(super) fn view(&mut self, source: PlanId, shape: Vec<usize>, map: Vec<ViewElement>) -> PlanId {
        let of = self.node(source);
        let (names, range, integer) = (of.names.clone(), of.range, of.integer);
        let range = if map.contains(&ViewElement::Zero) { range.union(Range { lo: 0.0, hi: 0.0 }) } else { range };
        let op = PlanOp::View { sources: vec![source], map: map.into() };
        self.push(PlanNode { op, shape, names, range, integer, origin: None })
    }

    /// `source` under another shape; `source` itself where the shape is its own.
    pub(super) fn reshape(&mut self, source: PlanId, shape: Vec<usize>) -> PlanId {
        if self.node(source).shape == shape {
            return source;
        }
        let map = (0..self.node(source).elements()).map(element).collect();
        self.view(source, shape, map)
    }

    /// The nodes in an order in which operands come first, from the outputs and the inputs; the rest is dead.
    pub(super) fn order(&self) -> Vec<PlanId> {
        let mut done = vec![false; self.nodes.len()];
        let mut order = Vec::new();
        let inputs = (0..self.nodes.len()).filter(|&i| matches!(self.nodes[i].op, PlanOp::Input { .. })).map(PlanId);
        // Inputs first: they are part of the interface even where nothing reads them.
        for root in inputs.chain(self.outputs.iter().copied()) {
            let mut stack = vec![(root, false)];
            while let Some((id, ready)) = stack.pop() {
                if done[id.0] {
                    continue;
                }
                if ready {
                    done[id.0] = true;
                    order.push(id);
                    continue;
                }
                stack.push((id, true));
                stack.extend(self.node(id).op.operands().into_iter().rev().map(|operand| (operand, false)));
            }
        }
        order
    }
}

impl Plan {
    /// A node of this plan that has another form in another one, if there is one: without any, both have the same live nodes, and differ in numbers
    /// alone.
    pub(super) fn differing(&self, other: &Self) -> Option<PlanId> {
        let (own, others) = (self.order(), other.order());
        let differs = |(a, b): &(&PlanId, &PlanId)| a != b || !self.node(**a).has_form_of(other.node(**b));
        let at = own.iter().zip(&others).find(differs).map(|(a, _)| *a);
        let longer = || (own.len() != others.len()).then(|| own.last().copied()).flatten();
        let outputs = || (self.outputs != other.outputs).then(|| self.outputs.first().copied()).flatten();
        at.or_else(longer).or_else(outputs)
    }

    /// Which elements of a node may be missing, by the inputs that it views.
    pub(super) fn missable(&self, id: PlanId) -> Vec<bool> {
        let node = self.node(id);
        match &node.op {
            PlanOp::Input { nullable, .. } => vec![*nullable; node.elements()],
            PlanOp::View { sources, map } => {
                let sources: Vec<_> = sources.iter().map(|&source| self.missable(source)).collect();
                let of = |entry: &ViewElement| match *entry {
                    ViewElement::Zero => false,
                    ViewElement::Element { source, index } => sources[source as usize][index as usize],
                };
                map.iter().map(of).collect()
            }
            _ => vec![false; node.elements()],
        }
    }

    /// The first node that reads what may be missing and has no answer to it, if there is one: whatever is no view, no question
    /// whether it is missing, no number in its place, and no trees.
    pub(super) fn unsettled(&self) -> Option<PlanId> {
        let mut carries = vec![false; self.nodes.len()];
        for id in self.order() {
            let op = &self.node(id).op;
            let reads = op.operands().iter().any(|operand| carries[operand.0]);
            carries[id.0] = match op {
                PlanOp::Input { nullable, .. } => *nullable,
                PlanOp::View { .. } => reads,
                PlanOp::Missing { .. } | PlanOp::Impute { .. } | PlanOp::Leaves { .. } => false,
                _ if reads => return Some(id),
                _ => false,
            };
        }
        None
    }
}

/// Element `index` of the only source of a view.
pub(super) fn element(index: usize) -> ViewElement {
    ViewElement::Element { source: 0, index: index as u32 }
}

/// Whether a view of one source repeats it unchanged.
pub(super) fn is_identity(sources: usize, map: &[ViewElement], source_elements: usize) -> bool {
    sources == 1 && map.len() == source_elements && map.iter().enumerate().all(|(i, &e)| e == element(i))
}
