//! From the plan and its steps to the integer program: rounding, shifts, tables.
//!
//! An accumulator of a convolution, a combination, a sum or a normalization has the step `pre_step / 2^shift`; real weights are rounded to
//! multiples of it, so the multiplier of the requantization is part of the weights. The shift is the same for the whole
//! program unless rounding weights that coarsely would be felt in the result, or finer weights would not fit 32 bits. Where both holds, as
//! for weights of very different size in one layer, each weight is `2^16·h + l`, and the layer is the sum of two.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use circuits::graph::{ConvGeometry, Limits, Node, Op, Requantize, Table, TableId, TensorId, ViewElement, Weights};

use super::emit_quantized::ChannelPlan;
use super::error::QuantizeError;
use super::function::Function;
use super::kernel::{Channels, Kernel};
use super::plan::{element, is_identity, MapRules, Plan, PlanId, PlanNode, PlanOp, Range};
use super::scales::{Class, Scales, Storage};
use super::segments::{Operand, Operands, Segmented, Segments};
use super::Steps;
use crate::float::graph::ValueId;
use crate::float::quantized::QuantizedTable;

/// Largest estimated error by rounded weights, in steps of the result, before a finer shift is taken.
const WEIGHT_ERROR: f64 = 0.25;
/// Standard deviation of a rounding error.
const ROUNDING_ERROR: f64 = 0.289;
/// Fewest rows whose sums are one convolution.
pub(super) const LEAST_ROWS: usize = 4;
/// Bits of the lower part of weights that don't fit 32 bits.
const LOWER_BITS: u32 = 16;
/// Largest magnitude of weights in two parts, and of their accumulators.
const MAX_WIDE_WEIGHT: f64 = (1u64 << 46) as f64;
const MAX_WIDE_ACCUMULATOR: f64 = (1u64 << 58) as f64;
/// Largest magnitude of factors and biases.
pub(super) const MAX_FACTOR: f64 = (1u64 << 48) as f64;

/// Fewest bits of an accumulator behind the point of an argument, where its function is computed by segments.
const LEAST_SEGMENT_SHIFT: u32 = 8;

/// Entries up to which rows of a table are picked by lookups of its entries, each of which takes a row of the circuit; beyond
/// that several entries share one, or there is an indicator for each row of the table.
const MAX_ADDRESSED: usize = 1 << 17;
/// Bits of the entries that share a row of the circuit.
const SHARED_ENTRY_BITS: u32 = 62;

/// An integer tensor and what its unit stands for.
#[derive(Clone, Copy, Debug)]
struct Stored {
    tensor: TensorId,
    step: f64,
}

/// What emission hands back: the parts of a program, and for each output its tensor and step.
pub(super) struct Emitted {
    pub nodes: Vec<Node>,
    pub tables: Vec<Table>,
    /// The value of the float graph that each node equals, element by element.
    pub origins: Vec<Option<ValueId>>,
    /// By number of the input.
    pub inputs: BTreeMap<usize, TensorId>,
    pub outputs: Vec<(TensorId, f64)>,
    /// The shift of each accumulator of the plan that has one of its own.
    pub shifts: Vec<Option<u32>>,
    /// How the channels of quantized convolutions are requantized, where weights are private.
    pub channels: BTreeMap<PlanId, ChannelPlan>,
    /// Bits that private weights of quantized convolutions have by their type.
    pub weight_bits: BTreeMap<TensorId, u32>,
    /// The tables whose entries are as many as bits say, and whose bits these are.
    pub entries: Vec<(TableId, EntriesOf)>,
    /// The functions that are computed by segments.
    pub segmented: Vec<Segmented>,
}

/// Whose bits the number of entries of a table follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EntriesOf {
    /// Those of the small integers of this node's class.
    Class(PlanId),
    /// Those of the argument of this function, which is no tensor.
    Argument(PlanId),
}

/// Emits all live nodes; `shift` is the shift to use where nothing speaks against it, or what was chosen for a plan of the same form is `given`.
/// With `private_weights` the entries of constant tables become weights.
///
/// # Errors
/// Numbers that fit no integer program, functions that are nowhere defined.
pub(super) fn emit(
    plan: &Plan,
    scales: &Scales,
    shift: u32,
    given: Option<&Steps>,
    private_weights: bool,
) -> Result<Emitted, QuantizeError> {
    let count = plan.nodes.len();
    let mut emitter = Emitter {
        plan,
        scales,
        private_weights,
        given,
        shifts: vec![None; count],
        largest: vec![OnceCell::new(); count],
        steps: vec![0.0; count],
        small: vec![None; count],
        exact: vec![None; count],
        bounds: Vec::new(),
        reads: reads(plan),
        reshaped: BTreeMap::new(),
        present: BTreeMap::new(),
        views: HashMap::new(),
        segments: Vec::new(),
        out: Emitted {
            nodes: Vec::new(),
            tables: Vec::new(),
            origins: Vec::new(),
            inputs: BTreeMap::new(),
            outputs: Vec::new(),
            shifts: Vec::new(),
            channels: BTreeMap::new(),
            weight_bits: BTreeMap::new(),
            entries: Vec::new(),
            segmented: Vec::new(),
        },
    };
    if let Some(id) = plan.unsettled() {
        return Err(QuantizeError::Unsupported {
            node: plan.node(id).label(),
            what: "a missing value (NaN) behind an operator other than a view, or a scale with positive factors before trees,".into(),
            remedy: "put a number in its place before (an imputer, or Where behind IsNaN)",
        });
    }
    let order = plan.order();
    emitter.choose_shifts(&order, shift)?;
    for &id in &order {
        emitter.node(id)?;
    }
    for &output in &plan.outputs {
        let stored = emitter.leaf(output);
        emitter.out.outputs.push((stored.tensor, stored.step));
    }
    drop_unused_tables(&mut emitter.out);
    emitter.out.shifts = emitter.shifts;
    Ok(emitter.out)
}

/// The table that an operator looks up.
fn table_of(op: &mut Op) -> Option<&mut TableId> {
    match op {
        Op::Conv { requantize, .. }
        | Op::Affine { requantize, .. }
        | Op::Product { requantize, .. }
        | Op::Sum { requantize, .. }
        | Op::MatMul { requantize, .. } => requantize.as_mut().map(|requantize| &mut requantize.table),
        Op::Lookup { table, .. } => Some(table),
        _ => None,
    }
}

/// Requantizes the results of an operator that accumulates.
fn requantized(op: &mut Op, with: Requantize) {
    match op {
        Op::Conv { requantize, .. }
        | Op::Affine { requantize, .. }
        | Op::Product { requantize, .. }
        | Op::MatMul { requantize, .. }
        | Op::Sum { requantize, .. } => *requantize = Some(with),
        _ => unreachable!("only accumulating operators are requantized"),
    }
}

/// Tables that a fused function replaced may be read by nothing.
fn drop_unused_tables(out: &mut Emitted) {
    let mut used = vec![false; out.tables.len()];
    let tables = out.nodes.iter_mut().filter_map(|node| table_of(&mut node.op));
    tables.for_each(|table| used[table.0 as usize] = true);
    let before = |id: usize| used[..id].iter().filter(|used| **used).count() as u32;
    let renamed: Vec<_> = (0..used.len()).map(before).collect();
    let tables = out.nodes.iter_mut().filter_map(|node| table_of(&mut node.op));
    tables.for_each(|table| *table = TableId(renamed[table.0 as usize]));
    out.entries.retain(|(table, _)| used[table.0 as usize]);
    out.entries.iter_mut().for_each(|(table, _)| *table = TableId(renamed[table.0 as usize]));
    let mut is_used = used.into_iter();
    out.tables.retain(|_| is_used.next().expect("one for each"));
}

fn largest_magnitude(values: &[f64]) -> f64 {
    values.iter().fold(0f64, |largest, value| largest.max(value.abs()))
}

/// How often each node is read, by nodes that an output needs and as an output.
fn reads(plan: &Plan) -> Vec<usize> {
    let mut counts = vec![0; plan.nodes.len()];
    let operands = plan.order().into_iter().flat_map(|id| plan.node(id).op.operands());
    operands.chain(plan.outputs.iter().copied()).for_each(|id| counts[id.0] += 1);
    counts
}

pub(super) struct Emitter<'a> {
    pub(super) plan: &'a Plan,
    pub(super) scales: &'a Scales,
    /// Whether the entries of constant tables are to be weights, which can be private, rather than tables.
    pub(super) private_weights: bool,
    /// What was chosen for a plan of the same form.
    pub(super) given: Option<&'a Steps>,
    /// The shift of each accumulator that has one of its own.
    shifts: Vec<Option<u32>>,
    /// The largest weight of each convolution times the step of its channel, once it is known.
    largest: Vec<OnceCell<f64>>,
    /// The step of each adjustable accumulator.
    steps: Vec<f64>,
    small: Vec<Option<TensorId>>,
    exact: Vec<Option<Stored>>,
    /// Smallest and largest value of the tensors that may be looked up.
    pub(super) bounds: Vec<(i64, i64)>,
    /// How often each node of the plan is read.
    reads: Vec<usize>,
    reshaped: BTreeMap<(TensorId, Vec<usize>), TensorId>,
    /// Which elements of a tensor are there, 1, or missing, 0.
    pub(super) present: BTreeMap<TensorId, TensorId>,
    /// Views that were emitted, by sources and shape.
    views: HashMap<(Vec<TensorId>, Vec<usize>), Vec<TensorId>>,
    /// The functions that were asked whether they can be computed by segments, and the answers.
    segments: Vec<KnownSegments>,
    pub(super) out: Emitted,
}

/// Whether equal functions of equal arguments are computed by segments.
struct KnownSegments {
    /// One of them.
    map: PlanId,
    pre_step: f64,
    domain: (i64, i64),
    segments: Option<Rc<Segments>>,
    /// Its place in [`Emitted::segmented`], once it is used.
    used: Option<usize>,
}

// Shifts and accumulator steps.
impl Emitter<'_> {
    /// From the outputs backwards: an accumulator that another one takes in exactly has that one's step.
    fn choose_shifts(&mut self, order: &[PlanId], default: u32) -> Result<(), QuantizeError> {
        // Layers with the same weights have one shift.
        let mut shared: HashMap<usize, u32> = HashMap::new();
        for &id in order.iter().rev() {
            if !self.is_adjustable(id) || self.steps[id.0] != 0.0 {
                continue;
            }
            let pre = self.scales.pre_step(id);
            let step = |shift: u32| pre / f64::from(shift).exp2();
            if let Some(shift) = self.given.and_then(|given| given.shifts[id.0]) {
                if !self.fits(id, step(shift)) && !self.fits_in_parts(id, step(shift)) {
                    return Err(self.too_large(id, "a weight", "it is too large for the steps of the first model"));
                }
                self.shifts[id.0] = Some(shift);
                self.set_step(id, step(shift));
                continue;
            }
            let segments = self.segments_behind(id);
            // The limbs of a segment are those of an argument and of the shift together.
            let most = Limits::MAX_SHIFT - segments.as_ref().map_or(0, |segments| segments.shift(1));
            let mut shift = match &segments {
                Some(segments) => default.min(LEAST_SEGMENT_SHIFT + (segments.bits + 1) % 2),
                None => default,
            };
            while shift > 0 && !self.fits(id, step(shift)) {
                shift -= shift.min(2);
            }
            if !self.fits(id, step(shift)) {
                return Err(self.too_large(id, "a weight", "use fewer --bits, or rescale the layer"));
            }
            let coarse = |shift: u32| self.rounding(id, step(shift)) > WEIGHT_ERROR * pre;
            let known = self.scales.group(id).and_then(|group| shared.get(&group).copied());
            match known.filter(|&known| self.fits(id, step(known))) {
                Some(known) => shift = known,
                None => {
                    while coarse(shift) && shift + 2 <= most && self.fits(id, step(shift + 2)) {
                        shift += 2;
                    }
                    while coarse(shift) && shift + 2 <= most && self.fits_in_parts(id, step(shift + 2)) {
                        shift += 2;
                    }
                }
            }
            if let Some(group) = self.scales.group(id) {
                shared.insert(group, shift);
            }
            self.shifts[id.0] = Some(shift);
            self.set_step(id, step(shift));
        }
        Ok(())
    }

    /// Gives a sum its step, and those that it alone takes in exactly the steps that follow: at most `scales::MAX_EXACT_SUMS` of them, one
    /// of the other.
    fn set_step(&mut self, id: PlanId, step: f64) {
        self.steps[id.0] = step;
        for (operand, factor) in self.exact_operands(id) {
            self.set_step(operand, step / factor.abs());
        }
    }

    /// Whether the step of the accumulator is free to choose.
    fn is_adjustable(&self, id: PlanId) -> bool {
        match self.plan.node(id).op {
            PlanOp::Linear { .. } | PlanOp::Normalize { .. } => true,
            PlanOp::Combine { lattice, .. } => !lattice,
            PlanOp::Sum { exact, .. } => !exact,
            _ => false,
        }
    }

    /// The operands that are taken in exactly at a step of our choice, with their factors.
    fn exact_operands(&self, id: PlanId) -> Vec<(PlanId, f64)> {
        let operands = match self.plan.node(id).op {
            PlanOp::Combine { operands, factors, lattice: false, .. } => {
                vec![(operands[0], factors[0]), (operands[1], factors[1])]
            }
            PlanOp::Sum { input, factor, exact: false } => vec![(input, factor)],
            _ => vec![],
        };
        let exact = |id: PlanId| self.is_adjustable(id) && *self.scales.storage(id) == Storage::Exact;
        operands.into_iter().filter(|&(operand, factor)| factor != 0.0 && exact(operand)).collect()
    }

    fn terms(&self, id: PlanId) -> Vec<(PlanId, f64)> {
        match self.plan.node(id).op {
            PlanOp::Combine { operands, factors, .. } => vec![(operands[0], factors[0]), (operands[1], factors[1])],
            PlanOp::Sum { input, factor, .. } => vec![(input, factor)],
            _ => vec![],
        }
    }

    /// Whether weights and factors fit when the accumulator has this step.
    fn fits(&self, id: PlanId, step: f64) -> bool {
        if let PlanOp::Linear { input, weights, bias, .. } = &self.plan.node(id).op {
            let largest = self.largest(id, *input, weights) / step;
            return largest < f64::from(i32::MAX) && largest_magnitude(bias) / step < MAX_FACTOR;
        }
        if let Some(normalization) = self.normalization(id) {
            return normalization.fits(step);
        }
        let exact = self.exact_operands(id);
        let constant = match self.plan.node(id).op {
            PlanOp::Combine { constant, .. } => constant,
            _ => 0.0,
        };
        constant.abs() / step < MAX_FACTOR
            && self.terms(id).iter().all(|&(operand, factor)| match exact.iter().any(|e| e.0 == operand) {
                true => self.fits(operand, step / factor.abs()),
                false => factor.abs() * self.operand_step(operand) / step < MAX_FACTOR,
            })
    }

    /// Whether the weights of a layer, each in two parts, and its accumulators fit at this step.
    fn fits_in_parts(&self, id: PlanId, step: f64) -> bool {
        let PlanOp::Linear { input, weights, bias, .. } = &self.plan.node(id).op else { return false };
        let largest = self.largest(id, *input, weights) / step;
        let operands = self.sources(*input).into_iter().map(|source| self.scales.class(source));
        let magnitude = operands.map(|class| class.hi.max(-class.lo)).max().unwrap_or(0) as f64;
        let terms = (weights.len() / bias.len()) as f64;
        let most_bias = largest_magnitude(bias) / step;
        let accumulator = largest * magnitude * terms + most_bias;
        largest < MAX_WIDE_WEIGHT && most_bias < MAX_FACTOR && accumulator < MAX_WIDE_ACCUMULATOR
    }

    /// The values that a convolution reads, each with a step of its own.
    fn sources(&self, input: PlanId) -> Vec<PlanId> {
        match &self.plan.node(input).op {
            PlanOp::View { sources, .. } if self.scales.is_loose_view(input) => sources.clone(),
            _ => vec![input],
        }
    }

    /// The largest weight of a convolution times the step of its channel, computed once.
    fn largest(&self, id: PlanId, input: PlanId, weights: &Kernel) -> f64 {
        *self.largest[id.0].get_or_init(|| self.largest_weight(id, input, weights))
    }

    fn largest_weight(&self, id: PlanId, input: PlanId, weights: &Kernel) -> f64 {
        let steps = self.scales.channel_steps(self.plan, input);
        let scaled = weights.clone().scaled(self.weight_channels(id, steps.len()), steps);
        let loaded = scaled.load();
        loaded.iter().fold(0f64, |largest, w| largest.max(w.abs()))
    }

    /// The operand's channel that each weight of a convolution multiplies.
    fn weight_channels(&self, id: PlanId, channels: usize) -> Channels {
        let PlanOp::Linear { geometry, bias, .. } = &self.plan.node(id).op else { unreachable!("it is a convolution") };
        let groups = geometry.groups as usize;
        let taps = (geometry.kernel[0] * geometry.kernel[1]) as usize;
        Channels::Inputs { taps, inputs: channels / groups, outputs: bias.len() / groups }
    }

    /// Estimated standard error of the result by rounding weights and factors to this step.
    fn rounding(&self, id: PlanId, step: f64) -> f64 {
        if let PlanOp::Linear { input, weights, bias, .. } = &self.plan.node(id).op {
            let terms = (weights.len() / bias.len()) as f64;
            let magnitude =
                self.sources(*input).into_iter().map(|source| self.operand_magnitude(source)).fold(0.0, f64::max);
            return ROUNDING_ERROR * step * magnitude * terms.sqrt();
        }
        if let Some(normalization) = self.normalization(id) {
            return normalization.rounding(step, self.plan.node(id).range.magnitude());
        }
        let exact = self.exact_operands(id);
        let count = match self.plan.node(id).op {
            PlanOp::Sum { input, .. } => self.plan.node(input).shape.last().copied().unwrap_or(1) as f64,
            _ => 1.0,
        };
        let term = |&(operand, factor): &(PlanId, f64)| match exact.iter().any(|e| e.0 == operand) {
            true => factor.abs() * count.sqrt() * self.rounding(operand, step / factor.abs()),
            false if factor == 0.0 => 0.0,
            false => ROUNDING_ERROR * step * self.operand_magnitude(operand) * count,
        };
        self.terms(id).iter().map(term).sum()
    }

    /// The step of an operand that is not adjusted to its reader.
    fn operand_step(&self, id: PlanId) -> f64 {
        match &self.plan.node(id).op {
            PlanOp::MatMul { operands, factor } if *self.scales.storage(id) == Storage::Exact => {
                factor * self.scales.class(operands[0]).step * self.scales.class(operands[1]).step
            }
            PlanOp::Product { operands } if *self.scales.storage(id) == Storage::Exact => {
                self.scales.class(operands[0]).step * self.scales.class(operands[1]).step
            }
            PlanOp::Sum { input, exact: true, .. } => self.scales.class(*input).step,
            _ => self.scales.class(id).step,
        }
    }

    /// The largest integer that calibration puts into an operand.
    fn operand_magnitude(&self, id: PlanId) -> f64 {
        self.plan.node(id).range.magnitude() / self.operand_step(id)
    }
}

// Nodes.
impl Emitter<'_> {
    fn node(&mut self, id: PlanId) -> Result<(), QuantizeError> {
        let node = self.plan.node(id);
        match &node.op {
            PlanOp::Input { port, nullable, .. } => self.input(id, *port, *nullable),
            PlanOp::Missing { input } => self.missing(id, *input),
            PlanOp::Impute { input, fills } => self.impute(id, *input, fills),
            PlanOp::Quantize { input } | PlanOp::Dequantize { input, .. } => {
                let tensor = self.read(*input);
                self.small[id.0] = Some(tensor);
            }
            PlanOp::QuantizedConv { .. }
            | PlanOp::QuantizedAdd { .. }
            | PlanOp::QuantizedMul { .. }
            | PlanOp::QuantizedMatMul { .. }
            | PlanOp::QuantizedMap { .. }
            | PlanOp::QuantizedPairs { .. }
            | PlanOp::Integers { .. }
            | PlanOp::QuantizedNormalize { .. }
            | PlanOp::QuantizedAverage { .. }
            | PlanOp::QuantizedSoftmax { .. } => self.quantized(id)?,
            PlanOp::View { sources, map } => self.view(id, sources, map),
            PlanOp::Max { input } => {
                let (operand, shape) = self.rows(*input);
                let bounds = self.bounds[operand.0 as usize];
                self.emit_small(id, Op::Max { input: operand }, shape, bounds)
            }
            PlanOp::ArgMax { input } => {
                let (operand, shape) = self.rows(*input);
                let last = *self.plan.node(*input).shape.last().expect("rows have an axis") as i64;
                self.emit_small(id, Op::ArgMax { input: operand }, shape, (0, last - 1))
            }
            PlanOp::Map { input, function, rules } => {
                if self.small[id.0].is_none() {
                    self.lookup(id, *input, function, *rules)?;
                }
            }
            PlanOp::Reciprocal { input, numerator_bits, lift } => {
                let sum = self.exact[input.0].expect("divisors are exact sums").tensor;
                let operand = if *lift == 0 { sum } else { self.lifted(id, sum, *lift) };
                let op = Op::Reciprocal { input: operand, numerator: 1 << numerator_bits };
                self.emit_small(id, op, node.shape.clone(), (0, 1 << numerator_bits));
            }
            PlanOp::Quotient { operands, bits } => self.quotient(id, *operands, *bits),
            PlanOp::Leaves { input, trees, .. } => self.tree_leaves(id, *input, trees)?,
            PlanOp::Narrow { input, offsets, .. } => self.narrowed(id, *input, offsets),
            PlanOp::Pick { input, columns, values } => self.pick(id, *input, *columns, values)?,
            PlanOp::Linear { .. }
            | PlanOp::Combine { .. }
            | PlanOp::Product { .. }
            | PlanOp::MatMul { .. }
            | PlanOp::Sum { .. }
            | PlanOp::Normalize { .. } => self.accumulator(id)?,
            PlanOp::Scale { .. } => unreachable!("rewriting settles all scales"),
        }
        Ok(())
    }

    /// `⌊a / b⌋ = ⌊a·(⌊2^bits / b⌋ + 1) / 2^bits⌋`: the product is between `a / b` and `a / b + a / 2^bits`, which is less than
    /// `1 / b` more, and no integer lies between.
    fn quotient(&mut self, id: PlanId, operands: [PlanId; 2], bits: u32) {
        let [dividend, divisor] = operands.map(|operand| self.read(operand));
        let shape = self.out.nodes[dividend.0 as usize].shape.clone();
        let divisor = self.reshape(divisor, shape.clone());
        let numerator = 1i64 << bits;
        let inverse = Op::Reciprocal { input: divisor, numerator };
        let inverse = self.auxiliary(id, inverse, shape.clone(), (0, numerator));
        let inverse = self.lifted(id, inverse, 1);
        let product = Op::Product { operands: [dividend, inverse], requantize: None };
        let product = self.auxiliary(id, product, shape.clone(), (0, 0));
        // Requantization rounds to the nearest; half a unit less rounds down.
        let largest = self.plan.node(id).range.hi as i32;
        let table = self.store(Table::new("clamp".to_owned(), 0, (0..=largest).collect()).expect("not empty"));
        let op = Op::Affine {
            operands: [product; 2],
            factors: [1, 0],
            constant: -(numerator / 2),
            requantize: Some(Requantize { shift: bits, table }),
        };
        self.emit_small(id, op, shape, (0, largest.into()));
    }

    /// Integers made larger by a constant.
    fn lifted(&mut self, id: PlanId, operand: TensorId, lift: i64) -> TensorId {
        let shape = self.out.nodes[operand.0 as usize].shape.clone();
        let op = Op::Affine { operands: [operand; 2], factors: [1, 0], constant: lift, requantize: None };
        self.auxiliary(id, op, shape, (0, 0))
    }

    fn input(&mut self, id: PlanId, port: usize, nullable: bool) {
        let node = self.plan.node(id);
        let class = self.scales.class(id);
        let (lo, hi) = if node.integer {
            (node.range.lo.floor() as i64, node.range.hi.ceil() as i64)
        } else {
            (class.lo - i64::from(nullable), class.hi)
        };
        self.emit_small(id, Op::Input { lo, hi }, node.shape.clone(), (lo, hi));
        self.out.inputs.insert(port, self.read(id));
    }

    fn view(&mut self, id: PlanId, sources: &[PlanId], map: &Arc<[ViewElement]>) {
        let shape = self.plan.node(id).shape.clone();
        let exact = self.exact[sources[0].0].filter(|_| self.scales.is_leaf_view(id));
        let tensors: Vec<_> = match exact {
            Some(stored) => vec![stored.tensor],
            None => sources.iter().map(|&source| self.read(source)).collect(),
        };
        let zero = if map.contains(&ViewElement::Zero) { Some((0, 0)) } else { None };
        let bounds = tensors.iter().map(|tensor| self.bounds[tensor.0 as usize]).chain(zero);
        let bounds = bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0));
        let loose = self.scales.is_loose_view(id);
        // With sources of several steps there is no step of all, nor a value of the float graph; the first is for people.
        let step =
            exact.map_or_else(|| self.scales.class(if loose { sources[0] } else { id }).step, |stored| stored.step);
        let source = &self.out.nodes[tensors[0].0 as usize];
        let key = (tensors, shape);
        let tensor = if source.shape == key.1 && is_identity(key.0.len(), map, source.elements()) {
            key.0[0]
        } else if let Some(known) = self.known_view(&key, map) {
            known
        } else {
            let mut node = self.plan.node(id).clone();
            node.origin = node.origin.filter(|_| !loose);
            let op = Op::View { sources: key.0.clone(), map: map.clone() };
            let tensor = self.emit(&node, op, key.1.clone(), step, bounds);
            self.views.entry(key).or_default().push(tensor);
            tensor
        };
        match exact {
            Some(stored) => self.exact[id.0] = Some(Stored { tensor, step: stored.step }),
            None => self.small[id.0] = Some(tensor),
        }
    }

    /// A view that was emitted before with the same elements and shape.
    fn known_view(&self, key: &(Vec<TensorId>, Vec<usize>), elements: &[ViewElement]) -> Option<TensorId> {
        let same = |tensor: &&TensorId| match &self.out.nodes[tensor.0 as usize].op {
            Op::View { map, .. } => map[..] == *elements,
            _ => false,
        };
        self.views.get(key)?.iter().find(same).copied()
    }

    fn lookup(&mut self, id: PlanId, input: PlanId, function: &Function, rules: MapRules) -> Result<(), QuantizeError> {
        let operand = self.read(input);
        let bounds = self.bounds[operand.0 as usize];
        let pre_step = self.scales.class(input).step;
        let shape = self.out.nodes[operand.0 as usize].shape.clone();
        if let Some(known) = self.known_segments(id, pre_step, bounds) {
            return self.by_segments(id, known, operand, 0, shape);
        }
        let request = TableRequest { map: id, function, rules, pre_step, domain: bounds };
        let table = self.function_table(&request)?;
        self.out.entries.push((table, EntriesOf::Class(self.scales.class_of(input))));
        let image = self.out.tables[table.0 as usize].image(bounds.0, bounds.1);
        self.emit_small(id, Op::Lookup { input: operand, table }, shape, image);
        Ok(())
    }

    /// Row `i` of a constant table: the address `columns·i + j` from a convolution, then one table for all entries; the gathering of
    /// a row where there are too many of them; or a product with a matrix of weights where few rows are picked of many, or where
    /// they are to be private.
    fn pick(&mut self, id: PlanId, input: PlanId, columns: usize, values: &Kernel) -> Result<(), QuantizeError> {
        let Class { step, lo, hi, .. } = self.scales.class(id);
        let entries: Weights = values.load().iter().map(|v| ((v / step).round() as i64).clamp(lo, hi) as i32).collect();
        let operand = self.read(input);
        let count = self.plan.node(input).elements();
        // Results that span more than a table, as labels can, have no other way.
        let bounded = hi.abs_diff(lo) < Limits::MAX_TABLE as u64;
        let as_weights = self.private_weights && bounded || columns > 1 && entries.len() > MAX_ADDRESSED;
        // Of private entries nothing is said, not even by the domains of later tables.
        let bounds = match self.private_weights && as_weights {
            true => (lo, hi),
            false => entries.iter().fold((i64::MAX, i64::MIN), |(lo, hi), v| (lo.min(v.into()), hi.max(v.into()))),
        };
        if as_weights && self.is_gathered(operand, columns, &entries) {
            let op = Op::Gather { input: operand, entries };
            self.emit_small(id, op, vec![count, columns], bounds);
            return Ok(());
        }
        if columns == 1 && !as_weights {
            let table = self.entries(id, &entries);
            self.emit_small(id, Op::Lookup { input: operand, table }, vec![count], bounds);
            return Ok(());
        }
        let op = match as_weights {
            true => self.picked_by_indicators(id, operand, columns, &entries, (lo, hi)),
            false => self.picked_by_address(id, operand, columns, &entries),
        };
        let node = self.plan.node(id);
        let picked = self.emit(node, op, vec![columns, count, 1], step, bounds);
        if count == 1 {
            self.small[id.0] = Some(picked);
            return Ok(());
        }
        // Its elements are not in the order of the value.
        self.out.origins[picked.0 as usize] = None;
        let map = (0..count * columns).map(|i| element(i % columns * count + i / columns)).collect();
        self.emit_small(id, Op::View { sources: vec![picked], map }, node.shape.clone(), bounds);
        Ok(())
    }

    /// Whether rows of a public table are gathered: indices are in range, and the table takes less than an indicator for each of its
    /// rows and each index, which are two units. An entry of a table costs half a unit.
    fn is_gathered(&self, operand: TensorId, columns: usize, entries: &Weights) -> bool {
        let rows = entries.len() / columns;
        let (lo, hi) = self.bounds[operand.0 as usize];
        let least = entries.iter().min().unwrap_or(0);
        let width = entries.iter().max().map_or(0, |most| most.abs_diff(least));
        let end = 1 << (Limits::ENTRY_BITS - 1);
        let narrow = entries.iter().all(|entry| (-end..end).contains(&entry));
        let images = columns.div_ceil((SHARED_ENTRY_BITS / (u32::BITS - width.leading_zeros()).max(1)) as usize);
        let count = self.elements(operand);
        !self.private_weights && narrow && lo >= 0 && hi < rows as i64 && 4 * count >= images
    }

    fn entries(&mut self, id: PlanId, entries: &Weights) -> TableId {
        self.store(
            Table::new(format!("entries of {}", self.label(id)), 0, entries.iter().collect()).expect("not empty"),
        )
    }

    /// Entries of a table by their addresses `columns·index + column`.
    fn picked_by_address(&mut self, id: PlanId, operand: TensorId, columns: usize, entries: &Weights) -> Op {
        let table = self.entries(id, entries);
        let count = self.out.nodes[operand.0 as usize].elements();
        Op::Conv {
            input: self.reshape(operand, vec![1, count, 1]),
            geometry: ConvGeometry::POINTWISE,
            weights: vec![columns as i32; columns].into(),
            bias: (0..columns as i64).collect(),
            requantize: Some(Requantize { shift: 0, table }),
        }
    }

    /// Rows of a table that is too long for a lookup, or private, as the product of the table and one indicator for each of its rows:
    /// `[index = r] = [⌊index / 2^b⌋ = ⌊r / 2^b⌋] · [index mod 2^b = r mod 2^b]`, so that a token takes one product for
    /// each row of the table, and tables of half the digits. The table is a matrix of weights like any other.
    fn picked_by_indicators(
        &mut self,
        id: PlanId,
        operand: TensorId,
        columns: usize,
        entries: &Weights,
        (lo, hi): (i64, i64),
    ) -> Op {
        let rows = entries.len() / columns;
        let count = self.out.nodes[operand.0 as usize].elements();
        let bits = (usize::BITS - (rows - 1).leading_zeros()).div_ceil(2);
        let digits: [&dyn Fn(usize) -> usize; 2] = [&|row| row >> bits, &|row| row & ((1 << bits) - 1)];
        let digits = digits.map(|digit| {
            let indicators = self.indicators(id, operand, &(0..rows).map(digit).collect::<Vec<_>>());
            let map = (0..rows * count).map(|i| element(digit(i / count) * count + i % count)).collect();
            self.auxiliary(id, Op::View { sources: vec![indicators], map }, vec![rows, count, 1], (0, 1))
        });
        let picks = Op::Product { operands: digits, requantize: None };
        let input = self.auxiliary(id, picks, vec![rows, count, 1], (0, 1));
        // Exactly one indicator is 1, which the analysis of intervals does not see.
        let name = format!("bounds of {}", self.label(id));
        let table = self.store(Table::new(name, lo, (lo..=hi).map(|v| v as i32).collect()).expect("not empty"));
        Op::Conv {
            input,
            geometry: ConvGeometry::POINTWISE,
            weights: (0..entries.len()).map(|i| entries.get(i % rows * columns + i / rows)).collect(),
            bias: vec![0; columns].into(),
            requantize: Some(Requantize { shift: 0, table }),
        }
    }

    /// `[digit of the index = d]` for each digit `d`, as `[digits, count, 1]`; `digits` holds the digit of each index.
    fn indicators(&mut self, id: PlanId, operand: TensorId, digits: &[usize]) -> TensorId {
        let count = self.out.nodes[operand.0 as usize].elements();
        let most = digits.iter().max().copied().unwrap_or(0) as i64;
        let label = self.label(id);
        let table = digits.iter().map(|&digit| digit as i32).collect();
        let table = self.store(Table::new(format!("digits of {label}"), 0, table).expect("not empty"));
        let digit = self.auxiliary(id, Op::Lookup { input: operand, table }, vec![count], (0, most));
        let zero = (-most..=most).map(|difference| i32::from(difference == 0)).collect();
        let table = self.store(Table::new(format!("indicator of {label}"), -most, zero).expect("not empty"));
        let differences = Op::Conv {
            input: self.reshape(digit, vec![1, count, 1]),
            geometry: ConvGeometry::POINTWISE,
            weights: vec![1; most as usize + 1].into(),
            bias: (0..=most).map(|digit| -digit).collect(),
            requantize: Some(Requantize { shift: 0, table }),
        };
        self.auxiliary(id, differences, vec![most as usize + 1, count, 1], (0, 1))
    }

    /// Integers on the way to a node, which stand for no value of the float model.
    fn auxiliary(&mut self, id: PlanId, op: Op, shape: Vec<usize>, bounds: (i64, i64)) -> TensorId {
        let tensor = self.emit(self.plan.node(id), op, shape, 1.0, bounds);
        self.out.origins[tensor.0 as usize] = None;
        tensor
    }

    fn accumulator(&mut self, id: PlanId) -> Result<(), QuantizeError> {
        let (op, shape, natural) = self.accumulation(id)?;
        let node = self.plan.node(id);
        match self.scales.storage(id).clone() {
            Storage::Exact => {
                let bounds = self.difference_bounds(&op);
                let tensor = self.emit(node, op, shape, natural, bounds);
                self.exact[id.0] = Some(Stored { tensor, step: natural });
                if matches!(node.op, PlanOp::Combine { lattice: true, .. }) || self.scales.is_exact_product(id) {
                    self.small[id.0] = Some(tensor);
                }
            }
            Storage::Raw => {
                let requantize = self.requantize(id, None, natural)?;
                self.emit_requantized(id, id, op, shape, requantize);
            }
            Storage::Fused(map) => {
                let shift = self.argument_shift(id, natural);
                if let Some(known) = self.known_segments_of(id, map, natural, shift) {
                    if self.scales.segments(map) == Some(Operand::Argument) {
                        let tensor = self.argument(id, known, op, shape.clone(), shift);
                        return self.by_segments(map, known, tensor, 0, shape);
                    }
                    let tensor = self.emit(node, op, shape.clone(), natural, (0, 0));
                    return self.by_segments(map, known, tensor, shift, shape);
                }
                let requantize = self.requantize(id, Some(map), natural)?;
                self.emit_requantized(id, map, op, shape, requantize);
            }
            Storage::ExactAnd { raw, maps } => {
                let tensor = self.emit(node, op, shape.clone(), natural, (0, 0));
                self.exact[id.0] = Some(Stored { tensor, step: natural });
                let shift = self.argument_shift(id, natural);
                // With a plain value at hand, functions look that up.
                let targets = if raw { vec![None] } else { maps.into_iter().map(Some).collect() };
                for map in targets {
                    let segments = map.and_then(|map| Some((map, self.known_segments_of(id, map, natural, shift)?)));
                    let again = Op::Affine { operands: [tensor; 2], factors: [1, 0], constant: 0, requantize: None };
                    if let Some((map, known)) = segments {
                        let (operand, finer) = match self.scales.segments(map) {
                            Some(Operand::Argument) => (self.argument(id, known, again, shape.clone(), shift), 0),
                            _ => (tensor, shift),
                        };
                        self.by_segments(map, known, operand, finer, shape.clone())?;
                        continue;
                    }
                    let requantize = self.requantize(id, map, natural)?;
                    self.emit_requantized(id, map.unwrap_or(id), again, shape.clone(), requantize);
                }
            }
        }
        Ok(())
    }

    /// The operator without requantization, its shape, and the step of its accumulator.
    fn accumulation(&mut self, id: PlanId) -> Result<(Op, Vec<usize>, f64), QuantizeError> {
        let node = self.plan.node(id);
        let step = self.steps[id.0];
        match &node.op {
            PlanOp::Linear { input, geometry, weights, bias } => {
                let operand = self.shaped(*input);
                let steps = self.scales.channel_steps(self.plan, *input);
                let factors = steps.iter().map(|own| own / step).collect();
                let scaled = weights.clone().scaled(self.weight_channels(id, steps.len()), factors);
                let offsets: Arc<[i64]> = bias.iter().map(|b| (b / step).round() as i64).collect();
                let size = conv_size(geometry, &self.plan.node(*input).shape);
                let shape = vec![bias.len(), size[0], size[1]];
                if !self.fits(id, step) {
                    let op = self.layer_in_parts(id, operand, &scaled, offsets, &shape);
                    return Ok((op, shape, step));
                }
                let (bias, weights) = (offsets, scaled.load().iter().map(|w| w.round() as i32).collect());
                Ok((Op::Conv { input: operand, geometry: *geometry, weights, bias, requantize: None }, shape, step))
            }
            PlanOp::Combine { operands, factors, constant, lattice } => {
                let step = if *lattice { self.scales.class(id).step } else { step };
                let stored = operands.map(|operand| self.exactly(operand));
                let factor = |side: usize| (factors[side] * stored[side].step / step).round() as i64;
                let op = Op::Affine {
                    operands: stored.map(|stored| stored.tensor),
                    factors: [factor(0), factor(1)],
                    constant: (constant / step).round() as i64,
                    requantize: None,
                };
                Ok((op, node.shape.clone(), step))
            }
            PlanOp::Product { operands } => {
                let stored = operands.map(|operand| self.read(operand));
                let steps = operands.map(|operand| self.scales.class(operand).step);
                Ok((Op::Product { operands: stored, requantize: None }, node.shape.clone(), steps[0] * steps[1]))
            }
            PlanOp::MatMul { operands, factor } => {
                let [a, b] = operands.map(|operand| &self.plan.node(operand).shape);
                let shape = vec![a[0], a[1], b[2]];
                let stored = operands.map(|operand| self.shaped(operand));
                let steps = operands.map(|operand| self.scales.class(operand).step);
                Ok((Op::MatMul { operands: stored, requantize: None }, shape, factor * steps[0] * steps[1]))
            }
            PlanOp::Sum { input, factor, exact } => {
                let stored = if *exact {
                    Stored { tensor: self.read(*input), step: self.scales.class(*input).step }
                } else {
                    self.exactly(*input)
                };
                let step = if *exact { stored.step } else { step };
                let mut shape = self.plan.node(*input).shape.clone();
                let factor = (factor * stored.step / step).round() as i64;
                let terms = shape.pop().expect("rows have an axis");
                let rows: usize = shape.iter().product();
                // Zeros take no part in a sum, and would be cells of a convolution's operand.
                let masked = match &self.out.nodes[stored.tensor.0 as usize].op {
                    Op::View { map, .. } => map.contains(&ViewElement::Zero),
                    _ => false,
                };
                let planes = rows >= LEAST_ROWS && terms > 1 && !masked;
                if let (true, Ok(weight)) = (planes, i32::try_from(factor)) {
                    return Ok((self.sum_of_planes(stored.tensor, [rows, terms], weight, 0), vec![1, rows, 1], step));
                }
                let operand = self.reshape(stored.tensor, [&shape[..], &[terms]].concat());
                Ok((Op::Sum { input: operand, factor, requantize: None }, non_scalar(shape), step))
            }
            PlanOp::Normalize { .. } => {
                let normalization = self.normalization(id).expect("it is one");
                let op = self.normalized(id, &normalization, step);
                let shape = match op {
                    Op::MatMul { operands, .. } => {
                        let [a, b] = operands.map(|operand| &self.out.nodes[operand.0 as usize].shape);
                        vec![a[0], a[1], b[2]]
                    }
                    _ => node.shape.clone(),
                };
                Ok((op, shape, step))
            }
            _ => unreachable!("only accumulating operators come here"),
        }
    }

    /// A layer whose weights don't fit 32 bits: the sum of one for the upper parts of the weights and one for the lower ones.
    fn layer_in_parts(
        &mut self,
        id: PlanId,
        input: TensorId,
        weights: &Kernel,
        bias: Arc<[i64]>,
        shape: &[usize],
    ) -> Op {
        let PlanOp::Linear { geometry, .. } = self.plan.node(id).op else { unreachable!("it is a convolution") };
        let whole: Vec<i64> = weights.load().iter().map(|w| w.round() as i64).collect();
        let half = 1i64 << (LOWER_BITS - 1);
        let upper = |weight: i64| (weight + half) >> LOWER_BITS;
        let lower = |weight: i64| weight - (upper(weight) << LOWER_BITS);
        let none: Arc<[i64]> = vec![0; bias.len()].into();
        let mut layer = |part: &dyn Fn(i64) -> i64, bias| {
            let weights: Weights = whole.iter().map(|&weight| part(weight) as i32).collect();
            let op = Op::Conv { input, geometry, weights, bias, requantize: None };
            self.auxiliary(id, op, shape.to_vec(), (0, 0))
        };
        let operands = [layer(&upper, none), layer(&lower, bias)];
        Op::Affine { operands, factors: [1 << LOWER_BITS, 1], constant: 0, requantize: None }
    }

    /// The sums of many rows as one convolution, whose channels are the columns: an identity, where each term of a sum by
    /// itself takes a row.
    pub(super) fn sum_of_planes(&mut self, tensor: TensorId, [rows, terms]: [usize; 2], weight: i32, bias: i64) -> Op {
        let map: Arc<[_]> = (0..rows * terms).map(|i| element(i % rows * terms + i / rows)).collect();
        let key = (vec![tensor], vec![terms, rows, 1]);
        let input = self.known_view(&key, &map).unwrap_or_else(|| {
            let Node { name, scale, .. } = &self.out.nodes[tensor.0 as usize];
            let op = Op::View { sources: key.0.clone(), map };
            self.out.nodes.push(Node { name: name.clone(), op, shape: key.1.clone(), scale: *scale });
            self.out.origins.push(None);
            self.bounds.push(self.bounds[tensor.0 as usize]);
            let view = TensorId((self.out.nodes.len() - 1) as u32);
            self.views.entry(key).or_default().push(view);
            view
        });
        let weights = vec![weight; terms].into();
        Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias: [bias].into(), requantize: None }
    }

    /// Bounds of an exact difference of small values; other accumulators are never looked up.
    fn difference_bounds(&self, op: &Op) -> (i64, i64) {
        let Op::Affine { operands, factors, constant, .. } = op else { return (0, 0) };
        let term = |side: usize| {
            let (lo, hi) = self.bounds[operands[side].0 as usize];
            let (a, b) = (lo.saturating_mul(factors[side]), hi.saturating_mul(factors[side]));
            (a.min(b), a.max(b))
        };
        let (a, b) = (term(0), term(1));
        (a.0.saturating_add(b.0).saturating_add(*constant), a.1.saturating_add(b.1).saturating_add(*constant))
    }

    /// Bits of accumulator `id` of step `natural` behind the point of its table's argument.
    fn argument_shift(&self, id: PlanId, natural: f64) -> u32 {
        let wanted = self.scales.pre_step(id);
        match (self.shifts[id.0], &self.plan.node(id).op) {
            (Some(shift), _) => shift,
            (None, PlanOp::Combine { .. }) => 0,
            // Neither has a product of matrices, whose table is long where the shift is even for the sake of few limbs.
            (None, PlanOp::MatMul { .. }) => {
                (((wanted / natural).log2().max(0.0) + 1e-9) as u32).min(Limits::MAX_SHIFT)
            }
            // A product has no factor to adjust: the largest even shift that does not lose precision.
            // The tolerance is for steps that were chosen to make it a power of two.
            (None, _) => (((wanted / natural).log2().max(0.0) + 1e-9) as u32 / 2 * 2).min(Limits::MAX_SHIFT),
        }
    }

    /// The arguments of step `pre_step` that accumulator `id` has for a function with a table of its own steps.
    fn argument_domain(&self, id: PlanId, pre_step: f64) -> (i64, i64) {
        let Range { lo, hi } = match self.plan.node(id).op {
            PlanOp::Combine { lattice: true, .. } => self.plan.node(id).range,
            _ => self.scales.arguments(id),
        };
        let (lo, hi) = ((lo / pre_step).floor() as i64, (hi / pre_step).ceil() as i64);
        match self.plan.node(id).op {
            PlanOp::Combine { lattice: true, .. } => (lo - 1, hi.max(0)),
            _ => (lo, hi),
        }
    }

    /// How accumulator `id` of step `natural` becomes the argument of the table of `map`, or of its own clamp.
    fn requantize(&mut self, id: PlanId, map: Option<PlanId>, natural: f64) -> Result<Requantize, QuantizeError> {
        let shift = self.argument_shift(id, natural);
        let pre_step = natural * f64::from(shift).exp2();
        let Some(map) = map else {
            let class = self.scales.class(id);
            // One more step on both sides: the ends of the clamp must be reached. Integers have no clamp but what
            // calibration saw, twice.
            let reach = |bound: i64| bound as f64 * class.step / pre_step;
            let clamp = (reach(class.lo).floor() as i64 - 1, reach(class.hi).ceil() as i64 + 1);
            let largest = 2 * (self.plan.node(id).range.magnitude() / pre_step).ceil() as i64 + 1;
            let integer = self.plan.node(id).integer || class.hi == i64::from(i32::MAX);
            let domain = if integer { (-largest, largest) } else { clamp };
            let (function, rules) = (&Function::Argument, MapRules::default());
            let table = self.function_table(&TableRequest { map: id, function, rules, pre_step, domain })?;
            self.out.entries.push((table, EntriesOf::Class(self.scales.class_of(id))));
            return Ok(Requantize { shift, table });
        };
        let PlanOp::Map { function, rules, .. } = &self.plan.node(map).op else { unreachable!("maps are maps") };
        let class = self.scales.class(map);
        let mut entries = EntriesOf::Class(self.scales.class_of(map));
        let domain = if matches!(self.plan.node(id).op, PlanOp::Combine { lattice: true, .. }) {
            entries = EntriesOf::Class(self.scales.class_of(id));
            self.argument_domain(id, pre_step)
        } else if function.keeps_steps() {
            // Powers of two, so that layers of different ranges still share the table.
            let limit = 1i64 << (self.scales.bits(map) + 3);
            let (lo, hi) = self.argument_domain(id, pre_step);
            let round = |v: i64| (v.unsigned_abs().next_power_of_two() as i64).min(limit);
            // Integers are not clamped to a class.
            let integer = self.plan.node(map).integer;
            let (least, most) = if integer { (lo, hi) } else { (class.lo, class.hi) };
            (if lo < 0 { -round(lo) } else { 0 }.min(least), round(hi.max(1)).max(most))
        } else {
            entries = EntriesOf::Argument(map);
            self.argument_domain(id, pre_step)
        };
        let table = self.function_table(&TableRequest { map, function, rules: *rules, pre_step, domain })?;
        self.out.entries.push((table, entries));
        Ok(Requantize { shift, table })
    }

    fn emit_requantized(&mut self, id: PlanId, result: PlanId, mut op: Op, shape: Vec<usize>, with: Requantize) {
        requantized(&mut op, with);
        let bounds = self.out.tables[with.table.0 as usize].image(i64::MIN, i64::MAX);
        let step = self.scales.class(result).step;
        let mut node = self.plan.node(result).clone();
        if result != id {
            let own = self.plan.node(id).names.iter().filter(|name| !node.names.contains(name)).cloned();
            node.names = own.chain(node.names.iter().cloned()).collect();
        }
        let tensor = self.emit(&node, op, shape, step, bounds);
        self.small[result.0] = Some(tensor);
    }
}

// Tensors.
impl Emitter<'_> {
    pub(super) fn emit(
        &mut self,
        node: &PlanNode,
        op: Op,
        shape: Vec<usize>,
        scale: f64,
        bounds: (i64, i64),
    ) -> TensorId {
        self.out.nodes.push(Node { name: node.label(), op, shape: non_scalar(shape), scale });
        self.out.origins.push(node.origin);
        self.bounds.push(bounds);
        TensorId((self.out.nodes.len() - 1) as u32)
    }

    /// The class of a node that holds small integers.
    pub(super) fn class(&self, id: PlanId) -> Class {
        self.scales.class(id)
    }

    /// Makes `tensor` the small integers of a node.
    pub(super) fn keep(&mut self, id: PlanId, tensor: TensorId) {
        self.small[id.0] = Some(tensor);
    }

    pub(super) fn emit_small(&mut self, id: PlanId, op: Op, shape: Vec<usize>, bounds: (i64, i64)) {
        let step = self.scales.class(id).step;
        let tensor = self.emit(self.plan.node(id), op, shape, step, bounds);
        self.small[id.0] = Some(tensor);
    }

    /// The small integers of a node.
    pub(super) fn read(&self, id: PlanId) -> TensorId {
        self.small[id.0].expect("operands are stored before they are read")
    }

    /// The exact accumulator of a node that is kept so for its reader, the small integers otherwise.
    fn exactly(&self, id: PlanId) -> Stored {
        let alone = self.plan.node(id).op.accumulates() && *self.scales.storage(id) == Storage::Exact;
        match self.exact[id.0] {
            Some(stored) if alone => stored,
            _ => Stored { tensor: self.read(id), step: self.scales.class(id).step },
        }
    }

    /// What an output shows: the exact accumulator where there is one.
    fn leaf(&self, id: PlanId) -> Stored {
        self.exact[id.0].unwrap_or_else(|| Stored { tensor: self.read(id), step: self.scales.class(id).step })
    }

    /// An operand under the shape that the plan gives it.
    pub(super) fn shaped(&mut self, id: PlanId) -> TensorId {
        self.reshape(self.read(id), self.plan.node(id).shape.clone())
    }

    /// An operand of a reduction and the shape of its result.
    fn rows(&mut self, input: PlanId) -> (TensorId, Vec<usize>) {
        let mut shape = self.plan.node(input).shape.clone();
        let operand = self.shaped(input);
        shape.pop();
        (operand, shape)
    }

    pub(super) fn reshape(&mut self, tensor: TensorId, shape: Vec<usize>) -> TensorId {
        let node = &self.out.nodes[tensor.0 as usize];
        if node.shape == shape {
            return tensor;
        }
        if let Some(&known) = self.reshaped.get(&(tensor, shape.clone())) {
            return known;
        }
        let map = (0..node.elements()).map(element).collect();
        let (name, scale) = (node.name.clone(), node.scale);
        self.out.nodes.push(Node { name, op: Op::View { sources: vec![tensor], map }, shape: shape.clone(), scale });
        self.out.origins.push(self.out.origins[tensor.0 as usize]);
        self.bounds.push(self.bounds[tensor.0 as usize]);
        let id = TensorId((self.out.nodes.len() - 1) as u32);
        self.reshaped.insert((tensor, shape), id);
        id
    }

    /// Number of elements of a tensor.
    pub(super) fn elements(&self, tensor: TensorId) -> usize {
        self.out.nodes[tensor.0 as usize].elements()
    }

    /// Whether one node alone, or one output, reads a node of the plan.
    pub(super) fn is_read_once(&self, id: PlanId) -> bool {
        self.reads[id.0] == 1
    }

    /// Puts a function behind the table of a requantized tensor, which becomes that of the node `map`; `false` where the
    /// tensor is not requantized.
    pub(super) fn replace_clamp(&mut self, tensor: TensorId, map: PlanId, function: &QuantizedTable) -> bool {
        let node = self.plan.node(map).clone();
        let own = &self.out.nodes[tensor.0 as usize];
        let requantize = match own.op {
            Op::Conv { requantize, .. } | Op::Affine { requantize, .. } => requantize,
            _ => None,
        };
        let Some(Requantize { shift, table }) = requantize else { return false };
        let (names, before) = (own.name.clone(), &self.out.tables[table.0 as usize]);
        let values = before.values().iter().map(|&value| function.apply(value.into()) as i32).collect();
        let composed = Table::new("quantized function".to_owned(), before.lo(), values).expect("it is not empty");
        let with = Some(Requantize { shift, table: self.store(composed) });
        let own = &mut self.out.nodes[tensor.0 as usize];
        match &mut own.op {
            Op::Conv { requantize, .. } | Op::Affine { requantize, .. } => *requantize = with,
            _ => unreachable!("it was found above"),
        }
        own.name = format!("{names}+{}", node.label());
        self.out.origins[tensor.0 as usize] = node.origin;
        true
    }

    fn label(&self, id: PlanId) -> String {
        self.plan.node(id).label()
    }

    pub(super) fn too_large(&self, id: PlanId, what: &'static str, remedy: &'static str) -> QuantizeError {
        QuantizeError::TooLarge { node: self.label(id), what, remedy }
    }
}

// Functions by segments.
impl Emitter<'_> {
    /// The segments of the functions of an accumulator itself that alone read it.
    fn segments_behind(&mut self, id: PlanId) -> Option<Rc<Segments>> {
        let maps = match self.scales.storage(id).clone() {
            Storage::Fused(map) => vec![map],
            Storage::ExactAnd { raw: false, maps } => maps,
            _ => return None,
        };
        let pre_step = self.scales.pre_step(id);
        let own = maps.into_iter().map(|map| match self.scales.segments(map) {
            Some(Operand::Accumulator) => self.known_segments_of(id, map, pre_step, 0),
            _ => None,
        });
        let own: Option<Vec<usize>> = own.collect();
        own?.into_iter().filter_map(|known| self.segments[known].segments.clone()).max_by_key(|own| own.bits)
    }

    /// Which segments serve a function of an accumulator of step `natural`, which has `2^shift` of it to an argument.
    fn known_segments_of(&mut self, id: PlanId, map: PlanId, natural: f64, shift: u32) -> Option<usize> {
        let pre_step = natural * f64::from(shift).exp2();
        let domain = self.argument_domain(id, pre_step);
        let known = self.known_segments(map, pre_step, domain)?;
        let segments = self.segments[known].segments.as_ref().expect("it has segments");
        (segments.shift(shift) < Limits::MAX_SHIFT).then_some(known)
    }

    /// Which segments serve a function of arguments of step `pre_step` in a domain, if it is to be computed by some and can be. What keeps
    /// the steps of its argument has corners, and integers are exact.
    fn known_segments(&mut self, map: PlanId, pre_step: f64, (lo, hi): (i64, i64)) -> Option<usize> {
        let PlanOp::Map { function, .. } = &self.plan.node(map).op else { unreachable!("maps are maps") };
        let free = !function.keeps_steps() && !self.plan.node(map).integer && !self.scales.is_exact_product(map);
        let class = self.scales.class(map);
        let wide = |end: i64| i32::try_from(end).is_err();
        let long = |lo: i64, hi: i64| hi.abs_diff(lo) >= Limits::MAX_TABLE as u64 || wide(lo) || wide(hi);
        if self.scales.segments(map).is_none() || !free || long(lo, hi) || long(class.lo, class.hi) {
            return None;
        }
        let same = |known: &KnownSegments| {
            let PlanOp::Map { function: other, .. } = &self.plan.node(known.map).op else { return false };
            let steps = (known.pre_step, known.domain) == (pre_step, (lo, hi));
            steps && other == function && self.scales.class(known.map).step == class.step
        };
        let found = self.segments.iter().position(same).unwrap_or_else(|| {
            let value = |argument: i64| function.evaluate(argument as f64 * pre_step) / class.step;
            let segments = Segments::choose(value, lo, hi).map(Rc::new);
            self.segments.push(KnownSegments { map, pre_step, domain: (lo, hi), segments, used: None });
            self.segments.len() - 1
        });
        self.segments[found].segments.is_some().then_some(found)
    }

    /// The argument that a table would have: an accumulator less `shift` bits, in the domain of its segments.
    fn argument(&mut self, id: PlanId, known: usize, mut op: Op, shape: Vec<usize>, shift: u32) -> TensorId {
        let (lo, hi) = self.segments[known].domain;
        let table = Table::new("clamp", lo, (lo..=hi).map(|argument| argument as i32).collect());
        let table = self.store(table.expect("domains are not empty"));
        requantized(&mut op, Requantize { shift, table });
        self.auxiliary(id, op, shape, (lo, hi))
    }

    /// The small integers of a function: of an operand with `2^finer` integers to an argument, by segments.
    fn by_segments(
        &mut self,
        map: PlanId,
        known: usize,
        operand: TensorId,
        finer: u32,
        shape: Vec<usize>,
    ) -> Result<(), QuantizeError> {
        let PlanOp::Map { function, rules, .. } = &self.plan.node(map).op else { unreachable!("maps are maps") };
        let KnownSegments { domain, segments, used, .. } = &mut self.segments[known];
        let segments = segments.clone().expect("it has segments");
        let used = *used.get_or_insert_with(|| {
            self.out.segmented.push(Segmented {
                function: function.name(),
                maps: Default::default(),
                entries: domain.1.abs_diff(domain.0) as usize + 1,
                segments: segments.count(),
            });
            self.out.segmented.len() - 1
        });
        self.out.segmented[used].maps.insert(map);
        let [slope, offset] = segments.tables(&function.name()).map(|table| {
            let bounds = table.image(i64::MIN, i64::MAX);
            let table = self.store(table);
            let requantize = Some(Requantize { shift: segments.shift(finer), table });
            let op = Op::Affine { operands: [operand; 2], factors: [1, 0], constant: 0, requantize };
            self.auxiliary(map, op, shape.clone(), bounds)
        });
        let product = Op::Product { operands: [slope, operand], requantize: None };
        let product = self.auxiliary(map, product, shape.clone(), (0, 0));
        let class = self.scales.class(map);
        let (step, domain) = (class.step, (self.smallest(map, *rules), class.hi));
        let request = TableRequest { map, function: &Function::Argument, rules: *rules, pre_step: step, domain };
        let clamp = self.function_table(&request)?;
        self.out.entries.push((clamp, EntriesOf::Class(self.scales.class_of(map))));
        let op = segments.operators(finer, Operands { product, offset }, clamp);
        self.emit_small(map, op, shape, domain);
        Ok(())
    }

    /// The smallest integer that the table of a function may have.
    fn smallest(&self, map: PlanId, rules: MapRules) -> i64 {
        let class = self.scales.class(map);
        rules.floor.map_or(class.lo, |floor| class.lo.max(i64::from(floor)))
    }
}

/// A table to make: `function` of arguments of step `pre_step` in `domain`, for the result of `map`.
struct TableRequest<'a> {
    map: PlanId,
    function: &'a Function,
    rules: MapRules,
    pre_step: f64,
    domain: (i64, i64),
}

// Tables.
impl Emitter<'_> {
    fn function_table(&mut self, request: &TableRequest) -> Result<TableId, QuantizeError> {
        let TableRequest { map, function, rules, pre_step, domain: (lo, hi) } = *request;
        let class = self.scales.class(map);
        if hi.abs_diff(lo) >= Limits::MAX_TABLE as u64 || lo.unsigned_abs() > 1 << 40 {
            // Integers of the model have as many bits as they have.
            let integer = self.plan.node(map).integer || class.hi == i64::from(i32::MAX);
            let remedy = if integer { "give integers of fewer bits" } else { "use fewer --bits" };
            return Err(self.too_large(map, "the domain of a table", remedy));
        }
        let floor = self.smallest(map, rules);
        let value = |y: i64| {
            let value = function.evaluate(y as f64 * pre_step) / class.step;
            // Half up, as everywhere else; the clamp takes infinities in.
            (!value.is_nan()).then(|| ((value + 0.5).floor() as i64).clamp(floor, class.hi) as i32)
        };
        let values: Vec<_> = (lo..=hi).map(value).collect();
        let Some(values) = fill_gaps(&values) else {
            return Err(QuantizeError::Undefined {
                node: self.label(map),
                function: function.name(),
                lo: lo as f64 * pre_step,
                hi: hi as f64 * pre_step,
            });
        };
        let (first, values) = trim(&values);
        let name = match function {
            Function::Argument => "clamp".to_owned(),
            function => function.name(),
        };
        Ok(self.store(Table::new(name, lo + first as i64, values.to_vec()).expect("trimming leaves a value")))
    }

    /// The table, or the equal one that is there already.
    pub(super) fn store(&mut self, table: Table) -> TableId {
        let same = |known: &Table| known.lo() == table.lo() && known.values() == table.values();
        let position = self.out.tables.iter().position(same).unwrap_or_else(|| {
            self.out.tables.push(table);
            self.out.tables.len() - 1
        });
        TableId(position as u32)
    }
}

/// Where a function is not defined it takes the value of the nearest argument where it is.
fn fill_gaps(values: &[Option<i32>]) -> Option<Vec<i32>> {
    let known: Vec<_> = values.iter().enumerate().filter_map(|(i, v)| v.map(|v| (i, v))).collect();
    if known.len() == values.len() {
        return Some(known.into_iter().map(|(_, v)| v).collect());
    }
    let nearest = |i: usize| {
        let after = known.partition_point(|&(at, _)| at < i);
        let candidates = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|k| known.get(k));
        candidates.min_by_key(|(at, _)| at.abs_diff(i)).map(|&(_, v)| v)
    };
    (0..values.len()).map(nearest).collect()
}

/// Drops repeated values at both ends, which saturation supplies: equal functions become equal tables.
fn trim(values: &[i32]) -> (usize, &[i32]) {
    let repeats = |values: &mut dyn Iterator<Item = &i32>, end: i32| values.take_while(|&&v| v == end).count();
    let first = repeats(&mut values.iter(), values[0]) - 1;
    let rest = &values[first..];
    let last = repeats(&mut rest.iter().rev(), rest[rest.len() - 1]) - 1;
    (first, &rest[..rest.len() - last])
}

/// A scalar is `[1]` in the integer program.
fn non_scalar(shape: Vec<usize>) -> Vec<usize> {
    if shape.is_empty() {
        vec![1]
    } else {
        shape
    }
}

pub(super) fn conv_size(geometry: &ConvGeometry, input: &[usize]) -> [usize; 2] {
    [0, 1].map(|axis| {
        let padded = input[axis + 1] + (geometry.padding[axis] + geometry.padding[axis + 2]) as usize;
        let reach = (geometry.dilation[axis] * (geometry.kernel[axis] - 1)) as usize;
        (padded - reach - 1) / geometry.stride[axis] as usize + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_trimmed_to_where_they_change() {
        assert_eq!(trim(&[0, 0, 0, 1, 2, 2]), (2, &[0, 1, 2][..]));
        assert_eq!(trim(&[5, 5]), (1, &[5][..]));
        assert_eq!(trim(&[5]), (0, &[5][..]));
    }

    #[test]
    fn gaps_take_the_nearest_value() {
        assert_eq!(fill_gaps(&[None, None, Some(4), None, Some(9)]), Some(vec![4, 4, 4, 4, 9]));
        assert_eq!(fill_gaps(&[None]), None);
    }
}
