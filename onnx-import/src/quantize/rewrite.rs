//! Simplification of a plan: rewrites that keep its real meaning and save cells, lookups and roundings.
//!
//! | before | after |
//! | --- | --- |
//! | view of a view | one view |
//! | function of a function | one function |
//! | function of a view, of a maximum | view, maximum of the function, which then joins the producer's requantization |
//! | scale beside a convolution, sum, combination or product of matrices | folded into its weights and bias, or factors |
//! | scale of the features of trees | folded into their bounds |
//! | product of two constant matrices around data | one matrix, where that is no larger |
//! | sum of two dense layers | one dense layer of all their operands |
//! | views that split a convolution by channels | one convolution for each part |
//!
//! Every rule replaces a node in place, so what reads it is unaffected; [`Plan::order`] sorts at the end. A node keeps its
//! shape even where the operator it becomes has another one with the same elements in the same order; emission puts the
//! reshape in where it matters.

use std::collections::HashMap;
use std::sync::Arc;

use circuits::graph::{ConvGeometry, ViewElement};

use super::function::Function;
use super::kernel::Channels;
use super::plan::{is_identity, MapRules, Plan, PlanId, PlanNode, PlanOp};
use crate::float::trees::Trees;
use crate::passes::MAX_NAMES;

/// Applies all rules until none applies.
pub(super) fn rewrite(plan: &mut Plan) {
    while pass(plan, &RULES) {}
    // What is left of scales becomes a table or a depthwise convolution; then the same rules clean up.
    while pass(plan, &[settle_scale]) {}
    while pass(plan, &RULES) {}
}

/// Largest expression that functions of functions are merged into.
const MAX_FUNCTION: usize = 2048;

type Rule = fn(&mut Plan, PlanId, &Readers) -> bool;

const RULES: [Rule; 18] = [
    compose_views,
    skip_reshape,
    absorb_reshape,
    drop_neutral_scale,
    merge_scales,
    scale_into_linear,
    scale_through_view,
    scale_into_accumulator,
    scale_into_reader,
    scale_into_weights,
    scale_into_product,
    scale_into_bounds,
    map_of_map,
    map_through_view,
    map_through_maximum,
    multiply_matrices,
    add_matrices,
    split_channels,
];

fn pass(plan: &mut Plan, rules: &[Rule]) -> bool {
    let mut changed = false;
    let mut readers = Readers::of(plan);
    for id in plan.order() {
        for rule in rules {
            if rule(plan, id, &readers) {
                changed = true;
                readers.update(plan, id);
            }
        }
    }
    changed
}

/// Who reads each node, of those that an output or an input needs; an output counts as a reader without a name.
struct Readers {
    nodes: Vec<Vec<PlanId>>,
    outputs: Vec<usize>,
    /// What each node is known to read; `None` for one that nothing needs.
    operands: Vec<Option<Vec<PlanId>>>,
}

impl Readers {
    fn of(plan: &Plan) -> Self {
        let count = plan.nodes.len();
        let mut readers = Self { nodes: vec![Vec::new(); count], outputs: vec![0; count], operands: vec![None; count] };
        plan.outputs.iter().for_each(|output| readers.outputs[output.0] += 1);
        for id in plan.order() {
            let operands = plan.node(id).op.operands();
            operands.iter().for_each(|operand| readers.nodes[operand.0].push(id));
            readers.operands[id.0] = Some(operands);
        }
        readers
    }

    fn single(&self, id: PlanId) -> bool {
        self.nodes[id.0].len() + self.outputs[id.0] == 1
    }

    /// Follows a rule that has changed a node, perhaps an operand of it, and appended others.
    fn update(&mut self, plan: &Plan, id: PlanId) {
        self.nodes.resize(plan.nodes.len(), Vec::new());
        self.outputs.resize(plan.nodes.len(), 0);
        self.operands.resize(plan.nodes.len(), None);
        for operand in plan.node(id).op.operands() {
            if self.operands[operand.0].is_some() {
                self.relink(plan, operand);
            }
        }
        self.relink(plan, id);
    }

    /// Notes what a node reads now: whatever is read for the first time becomes needed, and what nobody reads no longer is.
    fn relink(&mut self, plan: &Plan, id: PlanId) {
        let before = self.operands[id.0].replace(plan.node(id).op.operands()).unwrap_or_default();
        // New links first, so that what stays needed is never taken for unneeded.
        let mut needed = vec![id];
        while let Some(reader) = needed.pop() {
            for operand in plan.node(reader).op.operands() {
                self.nodes[operand.0].push(reader);
                if self.operands[operand.0].is_none() {
                    self.operands[operand.0] = Some(plan.node(operand).op.operands());
                    needed.push(operand);
                }
            }
        }
        let mut unlinked: Vec<_> = before.into_iter().map(|operand| (id, operand)).collect();
        while let Some((reader, operand)) = unlinked.pop() {
            let list = &mut self.nodes[operand.0];
            list.swap_remove(list.iter().position(|&known| known == reader).expect("links go both ways"));
            let input = matches!(plan.node(operand).op, PlanOp::Input { .. });
            if list.is_empty() && self.outputs[operand.0] == 0 && !input {
                let lost = self.operands[operand.0].take().unwrap_or_default();
                unlinked.extend(lost.into_iter().map(|lower| (operand, lower)));
            }
        }
    }
}

/// Adds the names of an absorbed node, the last of them where they are too many.
fn absorb_names(plan: &mut Plan, id: PlanId, from: &[String]) {
    let names = &mut plan.nodes[id.0].names;
    let new: Vec<_> = from.iter().filter(|name| !names.contains(name)).cloned().collect();
    names.splice(0..0, new);
    names.drain(..names.len().saturating_sub(MAX_NAMES));
}

fn compose_views(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::View { sources, map } = &plan.node(id).op else { return false };
    if !sources.iter().any(|&source| matches!(plan.node(source).op, PlanOp::View { .. })) {
        return false;
    }
    let mut flat: Vec<PlanId> = Vec::new();
    let mut numbers: HashMap<PlanId, u32> = HashMap::new();
    let mut number = |of: PlanId| {
        *numbers.entry(of).or_insert_with(|| {
            flat.push(of);
            (flat.len() - 1) as u32
        })
    };
    let composed = map
        .iter()
        .map(|&entry| {
            let ViewElement::Element { source, index } = entry else { return entry };
            let source = sources[source as usize];
            match &plan.node(source).op {
                PlanOp::View { sources, map } => match map[index as usize] {
                    ViewElement::Zero => ViewElement::Zero,
                    ViewElement::Element { source, index } => {
                        ViewElement::Element { source: number(sources[source as usize]), index }
                    }
                },
                _ => ViewElement::Element { source: number(source), index },
            }
        })
        .collect();
    // A view of nothing but zeros still needs a source to be well formed.
    if flat.is_empty() {
        return false;
    }
    plan.nodes[id.0].op = PlanOp::View { sources: flat, map: composed };
    true
}

/// Elementwise operators read through a mere reshape.
fn skip_reshape(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let elementwise = matches!(
        plan.node(id).op,
        PlanOp::Scale { .. }
            | PlanOp::Map { .. }
            | PlanOp::Combine { .. }
            | PlanOp::Product { .. }
            | PlanOp::QuantizedMap { .. }
    );
    let through = |operand: PlanId| match &plan.node(operand).op {
        PlanOp::View { sources, map } if is_identity(sources.len(), map, plan.node(sources[0]).elements()) => {
            let same = plan.node(operand).shape == plan.node(sources[0]).shape;
            (elementwise || same).then_some(sources[0])
        }
        _ => None,
    };
    let operands = plan.node(id).op.operands();
    if matches!(plan.node(id).op, PlanOp::View { .. }) || !operands.iter().any(|&operand| through(operand).is_some()) {
        return false;
    }
    let renamed: Vec<_> = operands.iter().map(|&operand| through(operand).unwrap_or(operand)).collect();
    match &mut plan.nodes[id.0].op {
        PlanOp::Combine { operands, .. }
        | PlanOp::Product { operands }
        | PlanOp::Quotient { operands, .. }
        | PlanOp::MatMul { operands, .. }
        | PlanOp::QuantizedAdd { operands, .. }
        | PlanOp::QuantizedMul { operands, .. }
        | PlanOp::QuantizedPairs { operands, .. }
        | PlanOp::QuantizedMatMul { operands, .. } => {
            *operands = [renamed[0], renamed[1]];
        }
        PlanOp::Integers { operands, .. } => *operands = renamed,
        PlanOp::Linear { input, .. }
        | PlanOp::Scale { input, .. }
        | PlanOp::Sum { input, .. }
        | PlanOp::Max { input }
        | PlanOp::ArgMax { input }
        | PlanOp::Map { input, .. }
        | PlanOp::Normalize { input, .. }
        | PlanOp::Reciprocal { input, .. }
        | PlanOp::Quantize { input }
        | PlanOp::Dequantize { input, .. }
        | PlanOp::QuantizedConv { input, .. }
        | PlanOp::QuantizedMap { input, .. }
        | PlanOp::QuantizedSoftmax { input, .. }
        | PlanOp::QuantizedAverage { input, .. }
        | PlanOp::QuantizedNormalize { input, .. }
        | PlanOp::Leaves { input, .. }
        | PlanOp::Missing { input }
        | PlanOp::Impute { input, .. }
        | PlanOp::Narrow { input, .. }
        | PlanOp::Pick { input, .. } => *input = renamed[0],
        PlanOp::Input { .. } | PlanOp::View { .. } => unreachable!("they have no operands to skip"),
    }
    true
}

/// An operator whose result may have any shape takes the one that its only reader, a reshape, wants.
fn absorb_reshape(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::View { sources, map } = &plan.node(id).op else { return false };
    let (source, shape) = (sources[0], plan.node(id).shape.clone());
    let reshape = is_identity(sources.len(), map, plan.node(source).elements());
    if !reshape || plan.node(source).shape == shape || !readers.single(source) {
        return false;
    }
    match plan.node(source).op {
        PlanOp::Input { .. } | PlanOp::Combine { .. } | PlanOp::Product { .. } | PlanOp::Map { .. } => {}
        PlanOp::Sum { input, .. } | PlanOp::Max { input } | PlanOp::ArgMax { input } => {
            let last = plan.node(input).shape.last().copied().expect("rows have an axis");
            let rows = plan.reshape(input, [&shape[..], &[last]].concat());
            match &mut plan.nodes[source.0].op {
                PlanOp::Sum { input, .. } | PlanOp::Max { input } | PlanOp::ArgMax { input } => *input = rows,
                _ => unreachable!("matched above"),
            }
        }
        _ => return false,
    }
    plan.nodes[source.0].shape = shape;
    true
}

fn drop_neutral_scale(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { return false };
    if factors.iter().any(|&f| f != 1.0) || offsets.iter().any(|&o| o != 0.0) {
        return false;
    }
    let (input, count) = (*input, factors.len());
    let map = (0..count).map(super::plan::element).collect();
    plan.nodes[id.0].op = PlanOp::View { sources: vec![input], map };
    true
}

fn merge_scales(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { return false };
    let PlanOp::Scale { input: base, factors: inner_factors, offsets: inner_offsets } = &plan.node(*input).op else {
        return false;
    };
    let merged = PlanOp::Scale {
        input: *base,
        offsets: (0..factors.len()).map(|i| factors[i] * inner_offsets[i] + offsets[i]).collect(),
        factors: factors.iter().zip(inner_factors).map(|(a, b)| a * b).collect(),
    };
    let names = plan.node(*input).names.clone();
    plan.nodes[id.0].op = merged;
    absorb_names(plan, id, &names);
    true
}

/// One value for each block of `values`, if each block has one.
fn per_block(values: &[f64], blocks: usize) -> Option<Vec<f64>> {
    let size = values.len() / blocks;
    values.chunks(size).map(|block| block.iter().all(|&v| v == block[0]).then_some(block[0])).collect()
}

fn uniform(values: &[f64]) -> Option<f64> {
    per_block(values, 1).map(|values| values[0])
}

/// A scale of a convolution's result goes into its weights, where it is constant over each channel.
fn scale_into_linear(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { return false };
    let producer = *input;
    let PlanOp::Linear { input, geometry, weights, bias } = &plan.node(producer).op else { return false };
    let (Some(factors), Some(offsets)) = (per_block(factors, bias.len()), per_block(offsets, bias.len())) else {
        return false;
    };
    if !readers.single(producer) {
        return false;
    }
    let per_channel = weights.len() / bias.len();
    let op = PlanOp::Linear {
        input: *input,
        geometry: *geometry,
        bias: bias.iter().enumerate().map(|(i, b)| b * factors[i] + offsets[i]).collect(),
        weights: weights.clone().scaled(Channels::Outputs { length: per_channel }, factors),
    };
    let names = plan.node(producer).names.clone();
    plan.nodes[id.0].op = op;
    absorb_names(plan, id, &names);
    true
}

/// How often a view reads each element of each source.
fn reading_counts(plan: &Plan, sources: &[PlanId], map: &[ViewElement]) -> Vec<Vec<u32>> {
    let mut counts: Vec<_> = sources.iter().map(|&source| vec![0; plan.node(source).elements()]).collect();
    for entry in map {
        if let ViewElement::Element { source, index } = entry {
            counts[*source as usize][*index as usize] += 1;
        }
    }
    counts
}

/// A scale of a permuting view goes to the view's sources, where a convolution or a scale can take it in.
fn scale_through_view(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Scale { input: view, factors, offsets } = &plan.node(id).op else { return false };
    let PlanOp::View { sources, map } = &plan.node(*view).op else { return false };
    let zero_moves = map.iter().zip(offsets).any(|(entry, &offset)| *entry == ViewElement::Zero && offset != 0.0);
    let once = || reading_counts(plan, sources, map).iter().flatten().all(|&count| count == 1);
    if zero_moves || !readers.single(*view) || !sources.iter().all(|&source| readers.single(source)) || !once() {
        return false;
    }
    let mut parts: Vec<_> = sources.iter().map(|&source| vec![(1.0, 0.0); plan.node(source).elements()]).collect();
    for (i, entry) in map.iter().enumerate() {
        if let ViewElement::Element { source, index } = entry {
            parts[*source as usize][*index as usize] = (factors[i], offsets[i]);
        }
    }
    let parts: Vec<(Vec<f64>, Vec<f64>)> = parts.into_iter().map(|part| part.into_iter().unzip()).collect();
    let taken_in = sources.iter().zip(&parts).all(|(&source, (factors, offsets))| match &plan.node(source).op {
        PlanOp::Scale { .. } => true,
        PlanOp::Linear { bias, .. } => {
            per_block(factors, bias.len()).is_some() && per_block(offsets, bias.len()).is_some()
        }
        _ => false,
    });
    if !taken_in {
        return false;
    }
    let (sources, map, names) = (sources.clone(), map.clone(), plan.node(id).names.clone());
    let range = plan.node(id).range;
    let scaled = sources.iter().zip(parts).map(|(&input, (factors, offsets))| {
        let shape = plan.node(input).shape.clone();
        let op = PlanOp::Scale { input, factors, offsets };
        plan.push(PlanNode { op, shape, names: names.clone(), range, integer: false, origin: None })
    });
    let sources = scaled.collect();
    plan.nodes[id.0].op = PlanOp::View { sources, map };
    true
}

/// A uniform scale of a combination, of a sum, of a product of matrices or of a normalization goes into its factors.
fn scale_into_accumulator(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { return false };
    let (Some(scale), Some(offset)) = (uniform(factors), uniform(offsets)) else { return false };
    let producer = *input;
    if !readers.single(producer) {
        return false;
    }
    let op = match plan.node(producer).op {
        PlanOp::Combine { operands, factors, constant, lattice: false } => PlanOp::Combine {
            operands,
            factors: factors.map(|factor| factor * scale),
            constant: constant * scale + offset,
            lattice: false,
        },
        PlanOp::Sum { input, factor, exact: false } if offset == 0.0 => {
            PlanOp::Sum { input, factor: factor * scale, exact: false }
        }
        PlanOp::MatMul { operands, factor } if offset == 0.0 && scale > 0.0 => {
            PlanOp::MatMul { operands, factor: factor * scale }
        }
        PlanOp::Normalize { input, centered, epsilon, factor } if offset == 0.0 && scale > 0.0 => {
            PlanOp::Normalize { input, centered, epsilon, factor: factor * scale }
        }
        _ => return false,
    };
    let names = plan.node(producer).names.clone();
    plan.nodes[id.0].op = op;
    absorb_names(plan, id, &names);
    true
}

/// A function, a combination or a sum of a uniform scale takes it in.
fn scale_into_reader(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let of = |operand: PlanId| {
        let PlanOp::Scale { input, factors, offsets } = &plan.node(operand).op else { return None };
        Some((*input, uniform(factors)?, uniform(offsets)?))
    };
    let op = match &plan.node(id).op {
        PlanOp::Map { input, function, rules } => {
            let Some((base, factor, offset)) = of(*input) else { return false };
            PlanOp::Map { input: base, function: function.after(&Function::affine(factor, offset)), rules: *rules }
        }
        PlanOp::Combine { operands, factors, constant, lattice: false } => {
            let found = operands.map(of);
            if found.iter().all(Option::is_none) {
                return false;
            }
            let mut result = (*operands, *factors, *constant);
            for (side, found) in found.into_iter().enumerate() {
                if let Some((base, factor, offset)) = found {
                    result.0[side] = base;
                    result.2 += factors[side] * offset;
                    result.1[side] *= factor;
                }
            }
            PlanOp::Combine { operands: result.0, factors: result.1, constant: result.2, lattice: false }
        }
        _ => return false,
    };
    let operands = plan.node(id).op.operands().into_iter().map(|operand| plan.node(operand));
    let scales = operands.filter(|operand| matches!(operand.op, PlanOp::Scale { .. }));
    let names: Vec<_> = scales.flat_map(|scale| scale.names.clone()).collect();
    plan.nodes[id.0].op = op;
    absorb_names(plan, id, &names);
    true
}

/// A scale of a convolution's operand, possibly behind a view, goes into the weights.
fn scale_into_weights(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::Linear { input, geometry, weights, bias } = &plan.node(id).op else { return false };
    let Some(operand) = ScaledOperand::of(plan, *input) else { return false };
    let channels = plan.node(*input).shape[0];
    let padded = geometry.padding != [0; 4];
    let Some(coefficients) = operand.per_channel(channels, padded) else { return false };
    let groups = geometry.groups as usize;
    let taps = (geometry.kernel[0] * geometry.kernel[1]) as usize;
    let (inputs, outputs) = (channels / groups, bias.len() / groups);
    let channels = Channels::Inputs { taps, inputs, outputs };
    let (factors, offsets): (Vec<f64>, Vec<f64>) = coefficients.into_iter().unzip();
    let mut new_bias = bias.clone();
    if offsets.iter().any(|&offset| offset != 0.0) {
        let products = weights.clone().scaled(channels, offsets);
        let loaded = products.load();
        let mut products = loaded.iter();
        new_bias.iter_mut().for_each(|bias| products.by_ref().take(inputs * taps).for_each(|product| *bias += product));
    }
    let new_weights = weights.clone().scaled(channels, factors);
    let geometry = *geometry;
    let (shape, view) = (plan.node(*input).shape.clone(), plan.node(*input).clone());
    let input = operand.rebuild(plan, view, shape);
    plan.nodes[id.0].op = PlanOp::Linear { input, geometry, weights: new_weights, bias: new_bias };
    true
}

/// A positive scale that all elements of a matrix have in common, possibly behind a view, goes into the factor of its product.
fn scale_into_product(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::MatMul { operands, factor } = plan.node(id).op else { return false };
    for (side, operand) in operands.into_iter().enumerate() {
        let Some(scaled) = ScaledOperand::of(plan, operand) else { continue };
        let Some(scale) = scaled.uniform_factor().filter(|&scale| scale > 0.0) else { continue };
        let node = plan.node(operand).clone();
        let shape = node.shape.clone();
        let mut operands = operands;
        operands[side] = scaled.rebuild(plan, node, shape);
        plan.nodes[id.0].op = PlanOp::MatMul { operands, factor: factor * scale };
        return true;
    }
    false
}

/// A scale of the features of trees goes into the bounds of their branches, where it keeps the order of all that are tested.
fn scale_into_bounds(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::Leaves { input: scaled, trees, resolution } = &plan.node(id).op else { return false };
    let PlanOp::Scale { input, factors, offsets } = &plan.node(*scaled).op else { return false };
    let features = resolution.len();
    let same = |list: &[f64]| list.chunks(features).all(|row| row == &list[..features]);
    let ascends = |feature: usize| factors[feature] > 0.0 || resolution[feature].is_infinite();
    if !same(factors) || !same(offsets) || !(0..features).all(ascends) {
        return false;
    }
    let mut moved = Trees::clone(trees);
    for branch in &mut moved.branches {
        let feature = branch.feature as usize;
        branch.test = branch.test.moved(|bound| (bound - offsets[feature]) / factors[feature]);
    }
    let resolution = resolution.iter().zip(factors).map(|(r, factor)| r / factor.abs()).collect();
    let names = plan.node(*scaled).names.clone();
    plan.nodes[id.0].op = PlanOp::Leaves { input: *input, trees: Arc::new(moved), resolution };
    absorb_names(plan, id, &names);
    true
}

/// An operand that is a scale, or a view with scales among its sources.
struct ScaledOperand {
    sources: Vec<PlanId>,
    map: Arc<[ViewElement]>,
    /// `None` for the zeros of the view.
    coefficients: Vec<Option<(f64, f64)>>,
}

impl ScaledOperand {
    fn of(plan: &Plan, operand: PlanId) -> Option<Self> {
        let (sources, map) = match &plan.node(operand).op {
            PlanOp::Scale { .. } => {
                (vec![operand], (0..plan.node(operand).elements()).map(super::plan::element).collect())
            }
            PlanOp::View { sources, map } => (sources.clone(), map.clone()),
            _ => return None,
        };
        let scale = |source: PlanId| match &plan.node(source).op {
            PlanOp::Scale { input, factors, offsets } => Some((*input, factors, offsets)),
            _ => None,
        };
        if !sources.iter().any(|&source| scale(source).is_some()) {
            return None;
        }
        let coefficients = map
            .iter()
            .map(|entry| match *entry {
                ViewElement::Zero => None,
                ViewElement::Element { source, index } => Some(match scale(sources[source as usize]) {
                    Some((_, factors, offsets)) => (factors[index as usize], offsets[index as usize]),
                    None => (1.0, 0.0),
                }),
            })
            .collect();
        let bases = sources.iter().map(|&source| scale(source).map_or(source, |(input, ..)| input)).collect();
        Some(Self { sources: bases, map, coefficients })
    }

    /// The factor of all elements, where it is one and none has an offset.
    fn uniform_factor(&self) -> Option<f64> {
        let (first, _) = self.coefficients.iter().flatten().next()?;
        self.coefficients.iter().flatten().all(|c| c == &(*first, 0.0)).then_some(*first)
    }

    /// One factor and offset for each channel; offsets can't pass padding or the zeros of a view.
    fn per_channel(&self, channels: usize, padded: bool) -> Option<Vec<(f64, f64)>> {
        self.coefficients
            .chunks(self.coefficients.len() / channels)
            .map(|plane| {
                let first = plane.iter().find_map(|&c| c).unwrap_or((1.0, 0.0));
                let zeros = padded || plane.iter().any(Option::is_none);
                let same = plane.iter().flatten().all(|&c| c == first);
                (same && (first.1 == 0.0 || !zeros)).then_some(first)
            })
            .collect()
    }

    /// The operand without its scales.
    fn rebuild(self, plan: &mut Plan, like: PlanNode, shape: Vec<usize>) -> PlanId {
        let source = self.sources[0];
        if is_identity(self.sources.len(), &self.map, plan.node(source).elements()) {
            return plan.reshape(source, shape);
        }
        // Two scales of one tensor leave two mentions of it, which views may have.
        let range = self.sources.iter().map(|&s| plan.node(s).range).reduce(|a, b| a.union(b));
        let op = PlanOp::View { sources: self.sources, map: self.map };
        plan.push(PlanNode { op, shape, range: range.unwrap_or(like.range), origin: None, ..like })
    }
}

fn map_of_map(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Map { input, function, rules } = &plan.node(id).op else { return false };
    let inner_id = *input;
    let PlanOp::Map { input, function: inner, rules: inner_rules } = &plan.node(inner_id).op else { return false };
    let too_large = function.size() * inner.size() > MAX_FUNCTION;
    if *inner_rules != MapRules::default() || !readers.single(inner_id) || too_large {
        return false;
    }
    let op = PlanOp::Map { input: *input, function: function.after(inner), rules: *rules };
    let names = plan.node(inner_id).names.clone();
    plan.nodes[id.0].op = op;
    absorb_names(plan, id, &names);
    true
}

/// Whether a function on top of `source` can join it: it accumulates and nothing else reads it.
fn joins(plan: &Plan, source: PlanId, readers: &Readers) -> bool {
    let op = &plan.node(source).op;
    let joinable = op.accumulates() && !matches!(op, PlanOp::Sum { exact: true, .. });
    (joinable || matches!(op, PlanOp::Map { .. })) && readers.single(source)
}

fn map_through_view(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Map { input: view, function, rules } = &plan.node(id).op else { return false };
    let PlanOp::View { sources, map } = &plan.node(*view).op else { return false };
    if !readers.single(*view) || !sources.iter().all(|&source| joins(plan, source, readers)) {
        return false;
    }
    let zeros_stay = function.evaluate(0.0) == 0.0 || !map.contains(&ViewElement::Zero);
    let covered = || reading_counts(plan, sources, map).iter().flatten().all(|&count| count >= 1);
    if !zeros_stay || !covered() {
        return false;
    }
    let (sources, map, function, rules) = (sources.clone(), map.clone(), function.clone(), *rules);
    let PlanNode { names, range, integer, .. } = plan.node(id).clone();
    let mapped = sources.iter().map(|&input| {
        let shape = plan.node(input).shape.clone();
        let op = PlanOp::Map { input, function: function.clone(), rules };
        plan.push(PlanNode { op, shape, names: names.clone(), range, integer, origin: None })
    });
    let sources = mapped.collect();
    plan.nodes[id.0].op = PlanOp::View { sources, map };
    true
}

/// A function that never decreases commutes with a maximum over windows; below it, it joins the producer.
fn map_through_maximum(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Map { input: max, function, rules } = &plan.node(id).op else { return false };
    let PlanOp::Max { input: windows } = plan.node(*max).op else { return false };
    let PlanOp::View { sources, map } = &plan.node(windows).op else { return false };
    let [source] = sources[..] else { return false };
    let single = readers.single(*max) && readers.single(windows) && joins(plan, source, readers);
    let covered = || reading_counts(plan, sources, map).iter().flatten().all(|&count| count >= 1);
    if !function.is_monotone() || !single || map.contains(&ViewElement::Zero) || !covered() {
        return false;
    }
    let (map, function, rules) = (map.clone(), function.clone(), *rules);
    let PlanNode { names, range, integer, .. } = plan.node(id).clone();
    let like =
        |op: PlanOp, shape: Vec<usize>| PlanNode { op, shape, names: names.clone(), range, integer, origin: None };
    let shape = plan.node(source).shape.clone();
    let mapped = plan.push(like(PlanOp::Map { input: source, function, rules }, shape));
    let shape = plan.node(windows).shape.clone();
    let windows = plan.push(like(PlanOp::View { sources: vec![mapped], map }, shape));
    plan.nodes[id.0].op = PlanOp::Max { input: windows };
    true
}

/// Two dense layers without anything between them become one, where that takes no more weights.
fn multiply_matrices(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Linear { input: operand, geometry, weights: outer, bias: outer_bias } = &plan.node(id).op else {
        return false;
    };
    let inner_id = match &plan.node(*operand).op {
        PlanOp::View { sources, map } if is_identity(sources.len(), map, plan.node(sources[0]).elements()) => {
            sources[0]
        }
        _ => *operand,
    };
    let PlanOp::Linear { input, geometry: inner_geometry, weights: inner, bias: inner_bias } = &plan.node(inner_id).op
    else {
        return false;
    };
    let pointwise = *geometry == ConvGeometry::POINTWISE && *inner_geometry == ConvGeometry::POINTWISE;
    let (outputs, middle) = (outer_bias.len(), inner_bias.len());
    let inputs = inner.len() / middle;
    let single = readers.single(inner_id) && readers.single(*operand);
    // The channels of one are those of the other, whatever reshapes lie between.
    let aligned = plan.node(*operand).shape[0] == middle;
    if !pointwise || !aligned || !single || outputs * inputs > outer.len() + inner.len() {
        return false;
    }
    let (outer, inner) = (outer.load(), inner.load());
    let dot = |o: usize, at: &dyn Fn(usize) -> f64| (0..middle).map(|m| outer.get(o * middle + m) * at(m)).sum::<f64>();
    let weights = (0..outputs * inputs).map(|i| dot(i / inputs, &|m| inner.get(m * inputs + i % inputs))).collect();
    let bias = (0..outputs).map(|o| outer_bias[o] + dot(o, &|m| inner_bias[m])).collect();
    let op = PlanOp::Linear { input: *input, geometry: *geometry, weights, bias };
    let names = plan.node(inner_id).names.clone();
    plan.nodes[id.0].op = op;
    absorb_names(plan, id, &names);
    true
}

/// The sum of two dense layers that nothing else reads, as a recurrent cell has of its input and its state, is one dense
/// layer of the operands of both: it takes as many weights and no cells for the two sums.
fn add_matrices(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let PlanOp::Combine { operands, factors, constant, lattice: false } = plan.node(id).op else { return false };
    let dense = |operand: PlanId| match &plan.node(operand).op {
        PlanOp::Linear { input, geometry, weights, bias } => {
            let fits = *geometry == ConvGeometry::POINTWISE && plan.node(operand).elements() == bias.len();
            (fits && readers.single(operand)).then_some((*input, weights, bias))
        }
        _ => None,
    };
    let (Some(first), Some(second)) = (dense(operands[0]), dense(operands[1])) else { return false };
    let parts = [first, second];
    let outputs = parts[0].2.len();
    let widths = parts.map(|(_, weights, _)| weights.len() / outputs);
    let loaded = parts.map(|(_, weights, _)| weights.load());
    let row = |o: usize| {
        let scaled = |side: usize| {
            let row = o * widths[side]..(o + 1) * widths[side];
            row.map(|i| factors[side] * loaded[side].get(i)).collect::<Vec<_>>()
        };
        [scaled(0), scaled(1)].concat()
    };
    let weights = (0..outputs).flat_map(row).collect();
    let sum = |o: usize| factors[0] * parts[0].2[o] + factors[1] * parts[1].2[o] + constant;
    let bias = (0..outputs).map(sum).collect();
    let sources = parts.map(|(input, ..)| input);
    let names = operands.map(|operand| plan.node(operand).names.clone());
    let entry = |source: usize, index: usize| ViewElement::Element { source: source as u32, index: index as u32 };
    let map = (0..2).flat_map(|side| (0..widths[side]).map(move |i| entry(side, i))).collect();
    let [a, b] = sources.map(|source| plan.node(source).clone());
    let joined = PlanNode {
        op: PlanOp::View { sources: sources.to_vec(), map },
        shape: vec![widths[0] + widths[1], 1, 1],
        names: plan.node(id).names.clone(),
        range: a.range.union(b.range),
        integer: a.integer && b.integer,
        origin: None,
    };
    let input = plan.push(joined);
    plan.nodes[id.0].op = PlanOp::Linear { input, geometry: ConvGeometry::POINTWISE, weights, bias };
    names.iter().for_each(|names| absorb_names(plan, id, names));
    true
}

/// Views that each take some channels of a convolution become convolutions of their own, so that the function behind
/// each can join it.
fn split_channels(plan: &mut Plan, id: PlanId, readers: &Readers) -> bool {
    let Some((source, channels)) = channels_taken(plan, id) else { return false };
    let PlanOp::Linear { input, geometry, weights, bias } = &plan.node(source).op else { return false };
    let parts = &readers.nodes[source.0];
    let taken: usize = parts.iter().filter_map(|&part| channels_taken(plan, part)).map(|(_, list)| list.len()).sum();
    let all_split = parts.iter().all(|&part| channels_taken(plan, part).is_some());
    let whole = channels.iter().copied().eq(0..bias.len());
    if !all_split || readers.outputs[source.0] > 0 || taken > bias.len() || whole || geometry.groups != 1 {
        return false;
    }
    let per_channel = weights.len() / bias.len();
    let op = PlanOp::Linear {
        input: *input,
        geometry: *geometry,
        weights: weights.clone().rows(&channels, per_channel),
        bias: channels.iter().map(|&c| bias[c]).collect(),
    };
    let shape = vec![channels.len(), plan.node(source).elements() / bias.len()];
    let names = plan.node(source).names.clone();
    // The view keeps its shape for what reads it; the part is a node before it.
    let PlanNode { range, integer, .. } = *plan.node(id);
    let part = plan.push(PlanNode { op, shape, names: names.clone(), range, integer, origin: None });
    absorb_names(plan, part, &plan.node(id).names.clone());
    let map = (0..plan.node(id).elements()).map(super::plan::element).collect();
    plan.nodes[id.0].op = PlanOp::View { sources: vec![part], map };
    true
}

/// The whole channels of a convolution that a view lines up.
fn channels_taken(plan: &Plan, id: PlanId) -> Option<(PlanId, Vec<usize>)> {
    let PlanOp::View { sources, map } = &plan.node(id).op else { return None };
    let [source] = sources[..] else { return None };
    let PlanOp::Linear { bias, .. } = &plan.node(source).op else { return None };
    let plane = plan.node(source).elements() / bias.len();
    if map.len() % plane != 0 {
        return None;
    }
    let channel = |entries: &[ViewElement]| match entries[0] {
        ViewElement::Element { index, .. } if (index as usize).is_multiple_of(plane) => {
            let first = index as usize;
            let lined_up = entries.iter().enumerate().all(|(i, &entry)| entry == super::plan::element(first + i));
            lined_up.then_some(first / plane)
        }
        _ => None,
    };
    map.chunks(plane).map(channel).collect::<Option<Vec<_>>>().map(|channels| (source, channels))
}

/// A scale that found no weights: a function where it is uniform, a depthwise convolution otherwise.
fn settle_scale(plan: &mut Plan, id: PlanId, _: &Readers) -> bool {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { return false };
    let input = *input;
    if let (Some(factor), Some(offset)) = (uniform(factors), uniform(offsets)) {
        let function = Function::affine(factor, offset);
        plan.nodes[id.0].op = PlanOp::Map { input, function, rules: MapRules::default() };
        return true;
    }
    let count = factors.len();
    let blocks = (1..=count).filter(|blocks| count % blocks == 0);
    let fits = |&blocks: &usize| per_block(factors, blocks).is_some() && per_block(offsets, blocks).is_some();
    let blocks = blocks.into_iter().find(fits).expect("single elements always fit");
    let periods = (1..blocks).filter(|period| count % period == 0);
    let repeats = |values: &[f64], period: usize| values.iter().zip(&values[period..]).all(|(a, b)| a == b);
    let period = periods.into_iter().find(|&period| repeats(factors, period) && repeats(offsets, period));
    if let Some(period) = period {
        settle_features(plan, id, period);
        return true;
    }
    let weights = per_block(factors, blocks).expect("checked above").into();
    let bias = per_block(offsets, blocks).expect("checked above");
    let shape = vec![blocks, count / blocks, 1];
    let geometry = ConvGeometry { groups: blocks as u32, ..ConvGeometry::POINTWISE };
    let input = plan.reshape(input, shape);
    plan.nodes[id.0].op = PlanOp::Linear { input, geometry, weights, bias };
    true
}

/// A scale that repeats for each row of features: the features become the channels of a depthwise convolution.
fn settle_features(plan: &mut Plan, id: PlanId, features: usize) {
    let PlanOp::Scale { input, factors, offsets } = &plan.node(id).op else { unreachable!("the node is a scale") };
    let (input, rows) = (*input, factors.len() / features);
    let (weights, bias) = (factors[..features].to_vec().into(), offsets[..features].to_vec());
    let by_feature = (0..features * rows).map(|i| super::plan::element(i % rows * features + i / rows)).collect();
    let shape = vec![features, rows, 1];
    let view = plan.view(input, shape.clone(), by_feature);
    let geometry = ConvGeometry { groups: features as u32, ..ConvGeometry::POINTWISE };
    let op = PlanOp::Linear { input: view, geometry, weights, bias };
    let linear = plan.push(PlanNode { op, shape, origin: None, ..plan.node(id).clone() });
    let back = (0..features * rows).map(|i| super::plan::element(i % features * rows + i / features)).collect();
    plan.nodes[id.0].op = PlanOp::View { sources: vec![linear], map: back };
}

#[cfg(test)]
mod tests {
    use super::super::plan::{element, Range};
    use super::*;
    use crate::float::graph::UnaryFunction;

    fn push(plan: &mut Plan, op: PlanOp, shape: &[usize]) -> PlanId {
        let range = Range { lo: -1.0, hi: 1.0 };
        plan.push(PlanNode { op, shape: shape.to_vec(), names: vec![], range, integer: false, origin: None })
    }

    fn dense(plan: &mut Plan, input: PlanId) -> PlanId {
        let weights = vec![0.5; plan.node(input).elements() * 4].into();
        let op = PlanOp::Linear { input, geometry: ConvGeometry::POINTWISE, weights, bias: vec![0.25; 4] };
        push(plan, op, &[4, 1, 1])
    }

    /// A state that starts as the input, `steps` times a function of two layers of it with scales between.
    fn chain(steps: usize) -> Plan {
        let mut plan = Plan::default();
        let input = push(&mut plan, PlanOp::Input { port: 0, quantizer: None, nullable: false }, &[4]);
        let mut state = input;
        for _ in 0..steps {
            let column = plan.reshape(state, vec![4, 1, 1]);
            let operands = [dense(&mut plan, column), dense(&mut plan, column)];
            let op = PlanOp::Combine { operands, factors: [1.0, 2.0], constant: 0.0, lattice: false };
            let sum = push(&mut plan, op, &[4, 1, 1]);
            let scale = PlanOp::Scale { input: sum, factors: vec![2.0; 4], offsets: vec![0.0, 1.0, 2.0, 3.0] };
            let scaled = push(&mut plan, scale, &[4, 1, 1]);
            let map = (0..4).map(|i| element(3 - i)).collect();
            let turned = push(&mut plan, PlanOp::View { sources: vec![scaled], map }, &[4]);
            let function = Function::unary(UnaryFunction::Tanh);
            let rules = MapRules::default();
            state = push(&mut plan, PlanOp::Map { input: turned, function, rules }, &[4]);
        }
        plan.outputs.push(state);
        plan
    }

    #[test]
    fn readers_are_followed_from_change_to_change() {
        let mut plan = chain(5);
        for rules in [&RULES[..], &[settle_scale], &RULES[..]] {
            let mut readers = Readers::of(&plan);
            for id in plan.order() {
                for rule in rules {
                    if rule(&mut plan, id, &readers) {
                        readers.update(&plan, id);
                        let sorted = |mut readers: Readers| {
                            readers.nodes.iter_mut().for_each(|list| list.sort_unstable());
                            (readers.nodes, readers.outputs, readers.operands)
                        };
                        let (nodes, outputs, operands) = sorted(Readers::of(&plan));
                        readers.nodes.iter_mut().for_each(|list| list.sort_unstable());
                        assert_eq!((&readers.nodes, &readers.outputs), (&nodes, &outputs));
                        assert_eq!(readers.operands, operands);
                    }
                }
            }
        }
    }

    #[test]
    fn cells_of_a_recurrence_become_one_layer_each() {
        let mut plan = chain(3);
        rewrite(&mut plan);
        let order = plan.order();
        let count = |wanted: fn(&PlanOp) -> bool| order.iter().filter(|&&id| wanted(&plan.node(id).op)).count();
        assert_eq!(count(|op| matches!(op, PlanOp::Linear { .. })), 3);
        assert_eq!(count(|op| matches!(op, PlanOp::Combine { .. } | PlanOp::Scale { .. })), 0);
    }
}
