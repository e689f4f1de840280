//! Steps: how much one unit of each integer stands for, and which accumulators are stored exactly.
//!
//! Values that views, maxima or exact differences tie together form a *class* with one step; so do those that the same
//! weights multiply ([`repeated`]). A class takes as many levels as the activation bits allow, more where an index of a
//! maximum, a softmax or a normalization reads it or a softmax writes it, and 16 bits where tables alone
//! write it and only outputs read it: entries of a table cost nothing by their size.
//!
//! An accumulator has a *pre-step*, the step of its shifted value, which is the argument of its table. Functions that are
//! the same on similar ranges share pre-step and step, hence the table.

use circuits::graph::ConvGeometry;

use super::calibrate::Calibration;
use super::function::Function;
use super::kernel::LoadedKernel;
use super::narrow;
use super::plan::{MapRules, Plan, PlanId, PlanOp, Range};
use super::repeated::{self, Group};
use super::segments::Operand;
use super::widths::Widths;
use super::InputStep;

/// Extra bits of classes whose order or differences decide.
const FINE_BITS: u32 = 2;
/// Bits of table results that go straight to an output.
const OUTPUT_BITS: u32 = 16;
/// Extra bits of the argument of a table that is no mere clamp.
const TABLE_BITS: u32 = 2;
/// Extra bits of what functions that grow faster than their argument give to layers: most results are small beside the largest ones, and
/// entries of a table cost nothing by their size. One of them is for room.
const STEEP_BITS: u32 = 5;
/// Extra bits of inputs that are neither bounded nor on a grid.
const OUTLIER_BITS: u32 = 2;
/// Most bits of an input of trees: features that differ in size by some orders of magnitude keep their resolution.
const TREE_INPUT_BITS: u32 = 40;
/// Most bits of other operands of trees; tables have as many entries.
const TREE_BITS: u32 = 14;
/// Bounds of trees beyond so many times what calibration saw of their operand are no values of it: some exporters write the largest float
/// for what always passes.
const FARTHEST_BOUND: f64 = 1024.0;
/// How far inputs of trees reach beyond the bounds.
const BEYOND_BOUNDS: f64 = 1.0 + 1.0 / 64.0;
/// Most bits of an input.
const MAX_INPUT_BITS: u32 = 20;
/// Room beyond the calibrated range of an input that is not known to be bounded.
const INPUT_HEADROOM: f64 = 1.25;
/// Room beyond the calibrated argument range of a table.
const ARGUMENT_HEADROOM: f64 = 0.125;
/// Tables and classes are shared between uses whose ranges are within this factor.
const SHARING_FACTOR: f64 = 2.0;

/// How an accumulating node is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Storage {
    /// The exact accumulator alone.
    Exact,
    /// Requantized to the step of its class; functions look it up.
    Raw,
    /// Requantized through the table of this function, its only reader.
    Fused(PlanId),
    /// The exact accumulator, and requantizations of it for the other readers.
    ExactAnd {
        /// Whether something reads the plain value.
        raw: bool,
        /// The functions that read it.
        maps: Vec<PlanId>,
    },
}

/// A set of nodes with one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Class {
    pub step: f64,
    /// Smallest and largest integer that tables write.
    pub lo: i64,
    pub hi: i64,
    /// Whether the values are multiples of the step by their nature.
    pub on_grid: bool,
}

/// The choices for a plan.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    classes: Vec<Option<Class>>,
    parents: Vec<usize>,
    storage: Vec<Option<Storage>>,
    /// Step of the argument of an accumulator's table.
    pre_steps: Vec<f64>,
    /// The arguments that an accumulator's table covers.
    arguments: Vec<Range>,
    /// Views of one source that only outputs read; they pass exact accumulators on.
    leaf_views: Vec<bool>,
    /// Views of several sources, each with a step of its own, that only convolutions read.
    loose_views: Vec<bool>,
    /// The number of the group of layers with the same weights that an accumulator belongs to.
    groups: Vec<Option<usize>>,
    /// Products that stay exact and are read so by layers that go straight to outputs; their step is that of their accumulator.
    exact_products: Vec<bool>,
    /// The bits that the activations have.
    widths: Widths,
}

impl Scales {
    /// Chooses everything that does not depend on rounded weights. Layers with the same weights get a common range.
    pub(super) fn choose(plan: &mut Plan, calibration: &Calibration, widths: &Widths, shift: u32) -> Self {
        let order = plan.order();
        let loose_views = repeated::loose_views(plan, &order);
        let reads = Reads::of(plan, &order, &loose_views);
        let exact_products = exact_products(plan, calibration, &order, &reads, &loose_views, widths);
        let storage = order_storage(plan, &order, &reads, &exact_products);
        let groups = repeated::share(plan, &order, &storage, &loose_views);
        let plan = &*plan;
        let mut scales = Self {
            classes: vec![None; plan.nodes.len()],
            parents: (0..plan.nodes.len()).collect(),
            storage,
            pre_steps: vec![0.0; plan.nodes.len()],
            arguments: vec![Range { lo: 0.0, hi: 0.0 }; plan.nodes.len()],
            leaf_views: reads.leaf_views(plan),
            loose_views,
            groups: vec![None; plan.nodes.len()],
            exact_products,
            widths: widths.clone(),
        };
        scales.tie(plan, &order);
        scales.tie_repeated(&groups);
        scales.requantize_tied(plan, &order);
        let facts = Facts::of(plan, calibration, &order, &reads, &scales);
        scales.share_functions(plan, &order, &facts);
        let facts = Facts::of(plan, calibration, &order, &reads, &scales);
        scales.set_steps(plan, &order, &facts);
        scales.set_gates(plan, &order, &facts, shift);
        scales.set_pre_steps(plan, &order);
        scales
    }

    /// The class of a node that holds small integers.
    pub(super) fn class(&self, id: PlanId) -> Class {
        self.classes[self.root(id)].expect("nodes that are read as small integers have a class")
    }

    /// The bits of the activations of a node's class.
    pub(super) fn bits(&self, id: PlanId) -> u32 {
        let root = self.root(id);
        let narrowed = self.widths.narrowed().filter(|&(member, _)| self.root(member) == root);
        self.widths.most() - narrowed.map(|(_, fewer)| fewer).max().unwrap_or(0)
    }

    /// The least member of a node's class, by which classes are told apart.
    pub(super) fn class_of(&self, id: PlanId) -> PlanId {
        PlanId(self.root(id))
    }

    /// How an accumulating node is stored.
    pub(super) fn storage(&self, id: PlanId) -> &Storage {
        self.storage[id.0].as_ref().expect("live accumulating nodes have a storage")
    }

    /// Whether a view hands its source to outputs and nothing else.
    pub(super) fn is_leaf_view(&self, id: PlanId) -> bool {
        self.leaf_views[id.0]
    }

    /// Whether a view has sources of different steps.
    pub(super) fn is_loose_view(&self, id: PlanId) -> bool {
        self.loose_views[id.0]
    }

    /// The group of layers with the same weights that an accumulator belongs to.
    pub(super) fn group(&self, id: PlanId) -> Option<usize> {
        self.groups[id.0]
    }

    /// The step of each channel of a convolution's operand; where a channel is zero any will do.
    pub(super) fn channel_steps(&self, plan: &Plan, input: PlanId) -> Vec<f64> {
        let sources = repeated::channel_sources(plan, input, self.is_loose_view(input));
        sources.into_iter().map(|source| source.map_or(1.0, |source| self.class(source).step)).collect()
    }

    /// What a function is computed by segments of, if it can be.
    pub(super) fn segments(&self, map: PlanId) -> Option<Operand> {
        self.widths.segments(map)
    }

    /// The step of the argument of an accumulator's table.
    pub(super) fn pre_step(&self, id: PlanId) -> f64 {
        self.pre_steps[id.0]
    }

    /// The arguments that the table behind an accumulator covers; beyond them it saturates.
    pub(super) fn arguments(&self, id: PlanId) -> Range {
        self.arguments[id.0]
    }

    fn root(&self, id: PlanId) -> usize {
        let mut root = id.0;
        while self.parents[root] != root {
            root = self.parents[root];
        }
        root
    }

    fn unite(&mut self, a: PlanId, b: PlanId) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller index wins, so the result does not depend on the order of unions.
        self.parents[a.max(b)] = a.min(b);
    }

    /// Ties what shares a step by its nature.
    fn tie(&mut self, plan: &Plan, order: &[PlanId]) {
        for &id in order {
            match &plan.node(id).op {
                PlanOp::View { .. } if self.is_loose_view(id) => {}
                PlanOp::View { sources, .. } => sources.iter().for_each(|&source| self.unite(id, source)),
                PlanOp::Max { input } | PlanOp::Impute { input, .. } => self.unite(id, *input),
                PlanOp::Combine { operands, lattice: true, .. } => {
                    self.unite(id, operands[0]);
                    self.unite(id, operands[1]);
                }
                _ => {}
            }
        }
    }

    /// Ties operands and results of layers with the same weights.
    fn tie_repeated(&mut self, groups: &[Group]) {
        for (number, group) in groups.iter().enumerate() {
            group.results.iter().for_each(|result| self.groups[result.0] = Some(number));
            group.ties.iter().for_each(|&[a, b]| self.unite(a, b));
        }
    }

    /// Unites the result classes of equal functions on similar ranges, so that their tables can be the same; so the classes
    /// of their arguments where these are stored and looked up.
    fn share_functions(&mut self, plan: &Plan, order: &[PlanId], facts: &Facts) {
        let mut seen: Vec<PlanId> = Vec::new();
        for &id in order {
            let PlanOp::Map { input, function, rules } = &plan.node(id).op else { continue };
            if *rules != MapRules::default() || function.keeps_steps() || !plan.node(*input).op.accumulates() {
                continue;
            }
            let argument = self.stored_argument(id, *input);
            let shares = |a: PlanId, b: PlanId| facts.0[self.root(a)].shares_with(&facts.0[self.root(b)]);
            let same = seen.iter().copied().find(|&other| {
                let PlanOp::Map { function: known, input, .. } = &plan.node(other).op else { return false };
                let arguments = match (argument, self.stored_argument(other, *input)) {
                    (Some(a), Some(b)) => shares(a, b),
                    (a, b) => a == b,
                };
                known == function && shares(id, other) && arguments
            });
            match same {
                Some(other) => {
                    self.unite(id, other);
                    if let (Some(argument), PlanOp::Map { input, .. }) = (argument, &plan.node(other).op) {
                        self.unite(argument, *input);
                    }
                }
                None => seen.push(id),
            }
        }
    }

    /// The argument of a function, where it is stored as small integers.
    fn stored_argument(&self, map: PlanId, input: PlanId) -> Option<PlanId> {
        match self.storage(input) {
            Storage::Raw | Storage::ExactAnd { raw: true, .. } => Some(input),
            Storage::Fused(own) => (*own != map).then_some(input),
            Storage::Exact | Storage::ExactAnd { .. } => None,
        }
    }

    /// Products that share their step with anything but views of themselves are requantized after all.
    fn requantize_tied(&mut self, plan: &Plan, order: &[PlanId]) {
        let mut members = vec![0; plan.nodes.len()];
        let own = |id: &&PlanId| !matches!(plan.node(**id).op, PlanOp::View { .. });
        order.iter().filter(own).for_each(|&id| members[self.root(id)] += 1);
        for &id in order {
            if self.exact_products[id.0] && members[self.root(id)] > 1 {
                self.exact_products[id.0] = false;
                if plan.node(id).op.accumulates() {
                    self.storage[id.0] = Some(Storage::Raw);
                }
            }
        }
    }

    /// Whether a product is read as the exact integers that it is.
    pub(super) fn is_exact_product(&self, id: PlanId) -> bool {
        self.exact_products[id.0]
    }

    fn set_steps(&mut self, plan: &Plan, order: &[PlanId], facts: &Facts) {
        for &id in order {
            let root = self.root(id);
            // The step of a narrowed feature follows from its operand, which comes before it.
            if let PlanOp::Narrow { input, resolution, .. } = plan.node(id).op {
                let step = self.class(input).step;
                let (step, limit) =
                    (step * f64::from(narrow::dropped(step, resolution)).exp2(), narrow::limit(self.widths.most()));
                self.classes[root] = Some(Class { step, lo: -limit, hi: limit - 1, on_grid: false });
                continue;
            }
            // So does that of a product that stays exact.
            if let (PlanOp::Product { operands }, true) = (&plan.node(id).op, self.exact_products[id.0]) {
                let [a, b] = operands.map(|operand| self.class(operand));
                let ends = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
                let (lo, hi) = ends.iter().fold((0, 0), |(lo, hi), &end| (end.min(lo), end.max(hi)));
                self.classes[root] = Some(Class { step: a.step * b.step, lo, hi, on_grid: false });
                continue;
            }
            // So does that of an exact square.
            if let (PlanOp::Map { input, .. }, true) = (&plan.node(id).op, self.exact_products[id.0]) {
                let Class { step, lo, hi, .. } = self.class(*input);
                let most = lo.abs().max(hi.abs()).pow(2);
                self.classes[root] = Some(Class { step: step * step, lo: 0, hi: most, on_grid: false });
                continue;
            }
            // So does that of a reciprocal.
            if let PlanOp::Reciprocal { input, numerator_bits, .. } = plan.node(id).op {
                let PlanOp::Sum { input: summed, .. } = plan.node(input).op else {
                    unreachable!("reciprocals are taken of exact sums")
                };
                let step = 1.0 / (f64::from(numerator_bits).exp2() * self.class(summed).step);
                self.classes[root] = Some(Class { step, lo: 0, hi: 1 << numerator_bits, on_grid: false });
            } else if self.classes[root].is_none() {
                self.classes[root] = Some(facts.0[root].class(self.widths.most() - facts.0[root].fewer));
            }
        }
    }

    /// Where a table alone writes one operand of a product, and nothing else reads it, its step makes the product's
    /// accumulator shift by the common `shift` to the step of the result: no other shift, no rescaling table.
    fn set_gates(&mut self, plan: &Plan, order: &[PlanId], facts: &Facts, shift: u32) {
        let uses = ClassUses::of(plan, order, self);
        for &id in order {
            let PlanOp::Product { operands } = plan.node(id).op else { continue };
            let result = match self.storage(id) {
                Storage::Raw => id,
                Storage::Fused(map) => *map,
                _ => continue,
            };
            let unit = match &plan.node(result).op {
                PlanOp::Map { function, .. } => function.keeps_steps(),
                _ => true,
            };
            let gate = operands.into_iter().find(|&operand| {
                let root = self.root(operand);
                facts.0[root].forced.is_none() && root != self.root(id) && uses.is_gate(root, id)
            });
            let (true, Some(gate)) = (unit, gate) else { continue };
            let other = if operands[0] == gate { operands[1] } else { operands[0] };
            let wanted = self.class(result).step / (self.class(other).step * f64::from(shift).exp2());
            let range = facts.0[self.root(gate)].range.unwrap_or(plan.node(gate).range);
            // Finer than before, and of no more bits than table results for outputs may have.
            if wanted <= self.class(gate).step && range.magnitude() / wanted < f64::from(OUTPUT_BITS + 2).exp2() {
                let (lo, hi) = ((range.lo / wanted).floor() as i64, (range.hi / wanted).ceil() as i64);
                let root = self.root(gate);
                self.classes[root] = Some(Class { step: wanted, lo, hi, on_grid: false });
            }
        }
    }

    fn set_pre_steps(&mut self, plan: &Plan, order: &[PlanId]) {
        let mut groups: Vec<TableGroup> = Vec::new();
        for &id in order {
            let Some(storage) = self.storage[id.0].clone() else { continue };
            let maps = match storage {
                Storage::Exact => vec![],
                Storage::Raw | Storage::ExactAnd { raw: true, .. } => {
                    self.pre_steps[id.0] = self.class(id).step;
                    continue;
                }
                Storage::Fused(map) => vec![map],
                Storage::ExactAnd { maps, .. } => maps,
            };
            let range = plan.node(id).range;
            match maps[..] {
                [] => self.pre_steps[id.0] = positive(range.magnitude() / f64::from(self.widths.most() - 1).exp2()),
                [map] => self.join_group(plan, id, map, &mut groups),
                _ => {
                    let arguments = widened(range);
                    self.arguments[id.0] = arguments;
                    // One value on all samples has the room around it as its range.
                    let width = if range.hi > range.lo { range.hi - range.lo } else { arguments.width() };
                    let coarser = maps.iter().map(|&map| self.widths.coarser(map)).min().unwrap_or(0);
                    let bits = maps.iter().map(|&map| self.bits(map)).max().expect("there are several") + TABLE_BITS;
                    self.pre_steps[id.0] = positive(width / f64::from(bits - coarser).exp2());
                }
            }
        }
        for group in groups {
            let step = group.pre_step();
            for id in group.members {
                self.pre_steps[id.0] = step;
                self.arguments[id.0] = group.arguments;
            }
        }
    }

    /// Puts an accumulator with one function to those that share its table, if it needs a table of its own steps.
    fn join_group<'a>(&mut self, plan: &'a Plan, id: PlanId, map: PlanId, groups: &mut Vec<TableGroup<'a>>) {
        let PlanOp::Map { function, .. } = &plan.node(map).op else { unreachable!("maps are maps") };
        let class = self.class(map);
        let range = widened(plan.node(id).range);
        self.arguments[id.0] = range;
        if function.keeps_steps() {
            self.pre_steps[id.0] = class.step;
            return;
        }
        let arguments = active_range(function, range, class.step);
        let coarser = self.widths.coarser(map);
        let fits = |group: &&mut TableGroup| {
            let joint = group.arguments.union(arguments);
            let narrowest = group.narrowest.min(arguments.width());
            *group.function == *function
                && group.class == class
                && group.coarser == coarser
                && joint.width() <= SHARING_FACTOR * narrowest
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.arguments = group.arguments.union(arguments);
                group.narrowest = group.narrowest.min(arguments.width());
                group.members.push(id);
            }
            None => {
                let narrowest = arguments.width();
                let bits = self.bits(map) + TABLE_BITS;
                groups.push(TableGroup { function, class, bits, coarser, arguments, narrowest, members: vec![id] });
            }
        }
    }
}

/// How the classes are written and read, by their roots.
struct ClassUses {
    /// Whether tables alone write it.
    written_freely: Vec<bool>,
    /// The only operand that reads it, views within the class and outputs aside; `Err` for several.
    reader: Vec<Result<Option<PlanId>, Several>>,
}

/// More than one operand.
#[derive(Clone, Copy)]
struct Several;

impl ClassUses {
    fn of(plan: &Plan, order: &[PlanId], scales: &Scales) -> Self {
        let mut uses = Self { written_freely: vec![true; plan.nodes.len()], reader: vec![Ok(None); plan.nodes.len()] };
        for &id in order {
            let node = plan.node(id);
            let root = scales.root(id);
            uses.written_freely[root] &= matches!(node.op, PlanOp::Map { .. } | PlanOp::View { .. });
            let view = matches!(node.op, PlanOp::View { .. });
            for operand in node.op.operands().into_iter().map(|operand| scales.root(operand)) {
                if !(view && operand == root) {
                    let reader = &mut uses.reader[operand];
                    *reader = if matches!(reader, Ok(None)) { Ok(Some(id)) } else { Err(Several) };
                }
            }
        }
        plan.outputs.iter().for_each(|&output| uses.reader[scales.root(output)] = Err(Several));
        uses
    }

    /// Whether a class is written by tables alone and read by one operand of `product` alone.
    fn is_gate(&self, root: usize, product: PlanId) -> bool {
        self.written_freely[root] && matches!(self.reader[root], Ok(Some(reader)) if reader == product)
    }
}

/// Accumulators that share a table.
struct TableGroup<'a> {
    function: &'a Function,
    class: Class,
    /// Most bits of an argument.
    bits: u32,
    /// How many bits coarser the arguments are than the result asks for.
    coarser: u32,
    /// The arguments of all members together.
    arguments: Range,
    /// Width of the arguments of the member with the fewest.
    narrowest: f64,
    members: Vec<PlanId>,
}

impl TableGroup<'_> {
    /// Two arguments to a step of the result at the steepest point, or as many as a table may have. Where the function is all but
    /// constant an argument still has its place: that of a coarser step would be the function's value at zero.
    fn pre_step(&self) -> f64 {
        let Range { lo, hi } = self.arguments;
        let coarsest = self.arguments.magnitude() / f64::from(LEAST_ARGUMENTS);
        let wanted = (0.5 * self.class.step / self.function.steepest_on(lo, hi)).min(coarsest);
        let finest = self.arguments.width() / f64::from(self.bits).exp2();
        positive(f64::from(self.coarser).exp2() * if wanted.is_finite() { finest.max(wanted) } else { finest })
    }
}

/// Steps must be positive; a range of a single zero has any.
fn positive(step: f64) -> f64 {
    if step > f64::MIN_POSITIVE {
        step
    } else {
        1.0
    }
}

/// A calibrated range with room for what calibration did not see.
fn widened(range: Range) -> Range {
    let room = ARGUMENT_HEADROOM * (range.hi - range.lo).max(range.magnitude() * 1e-3);
    Range { lo: range.lo - room, hi: range.hi + room }
}

/// The part of `range` outside which the function is flat to within half a step.
fn active_range(function: &Function, range: Range, step: f64) -> Range {
    const POINTS: usize = 4096;
    // However flat the function is elsewhere, the argument is not cut finer than this.
    const LEAST_PART: f64 = 1.0 / 64.0;
    let width = range.hi - range.lo;
    let at = |i: usize| range.lo + width * i as f64 / POINTS as f64;
    let close = |a: f64, b: f64| (a - b).abs() <= 0.5 * step || a == b || (a.is_nan() && b.is_nan());
    let (first, last) = (function.evaluate(range.lo), function.evaluate(range.hi));
    let low = (0..POINTS).find(|&i| !close(function.evaluate(at(i + 1)), first)).unwrap_or(0);
    let high = (low..POINTS).rev().find(|&i| !close(function.evaluate(at(i)), last)).map_or(POINTS, |i| i + 1);
    let (lo, hi) = (at(low), at(high));
    let lack = (LEAST_PART * width - (hi - lo)).max(0.0) / 2.0;
    Range { lo: (lo - lack).max(range.lo), hi: (hi + lack).min(range.hi) }
}

/// Who reads a node and how.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    /// Outputs, directly or through a view of nothing else.
    ports: usize,
    /// Readers of small integers other than functions.
    raw: usize,
    /// Those of them that are views of the same step.
    views: usize,
    /// Functions.
    maps: Vec<PlanId>,
    /// Sums and combinations, which can take an exact accumulator.
    exactable: usize,
    /// Whether an index of a maximum or a normalization reads it.
    fine: bool,
}

impl Read {
    fn only_ports(&self) -> bool {
        self.raw == 0 && self.maps.is_empty() && self.exactable == 0
    }
}

struct Reads(Vec<Read>);

impl Reads {
    fn leaf_views(&self, plan: &Plan) -> Vec<bool> {
        let leaf = |(node, read): (&super::plan::PlanNode, &Read)| {
            matches!(&node.op, PlanOp::View { sources, .. } if sources.len() == 1) && read.only_ports()
        };
        plan.nodes.iter().zip(&self.0).map(leaf).collect()
    }

    fn of(plan: &Plan, order: &[PlanId], loose_views: &[bool]) -> Self {
        let mut reads = vec![Read::default(); plan.nodes.len()];
        plan.outputs.iter().for_each(|output| reads[output.0].ports += 1);
        for &id in order.iter().rev() {
            match &plan.node(id).op {
                PlanOp::View { sources, .. } => {
                    let own = reads[id.0].clone();
                    let leaves = own.only_ports() && sources.len() == 1;
                    for source in sources {
                        let read = &mut reads[source.0];
                        if leaves {
                            read.ports += 1;
                        } else {
                            read.raw += 1;
                            // A view with the step of its sources answers for itself.
                            read.views += usize::from(!loose_views[id.0]);
                        }
                        read.fine |= own.fine;
                    }
                }
                PlanOp::Map { input, .. } => reads[input.0].maps.push(id),
                PlanOp::Combine { operands, lattice: false, .. } => {
                    operands.iter().for_each(|operand| reads[operand.0].exactable += 1);
                }
                PlanOp::Sum { input, exact: false, .. } => reads[input.0].exactable += 1,
                PlanOp::ArgMax { input } | PlanOp::Normalize { input, .. } => {
                    reads[input.0].raw += 1;
                    reads[input.0].fine = true;
                }
                op => {
                    for operand in op.operands() {
                        reads[operand.0].raw += 1;
                        reads[operand.0].fine |= matches!(op, PlanOp::Max { .. }) && reads[id.0].fine;
                    }
                }
            }
        }
        reads.iter_mut().for_each(|read| read.maps.sort());
        Self(reads)
    }
}

/// Fewest steps between zero and the largest argument of a table.
const LEAST_ARGUMENTS: u32 = 32;

/// Most sums, one of the other, between which nothing is rounded. What follows them from one to the next is as deep.
const MAX_EXACT_SUMS: usize = 256;

/// Most bits of a product that stays exact.
const EXACT_PRODUCT_BITS: u32 = 40;
/// Those of a square, whose table has an entry for each operand.
const EXACT_SQUARE_BITS: u32 = 28;

/// Error of a layer's result by rounded products, in steps of the result, from which on they stay exact; so by rounded values of functions, from
/// which on these have more bits.
const FELT: f64 = 8.0;
/// Most bits more that values of functions have which layers feel.
const MOST_FELT_BITS: u32 = 10;
/// Standard deviation of a rounding error.
const ROUNDING_ERROR: f64 = 0.289;

/// Products of few bits that nothing reads but layers that go straight to outputs, or that would feel their rounding, directly, by views, or as
/// factors of further ones: the layer takes in exactly what they are, without a rounding, a range or a table between.
fn exact_products(
    plan: &Plan,
    calibration: &Calibration,
    order: &[PlanId],
    reads: &Reads,
    loose_views: &[bool],
    chosen: &Widths,
) -> Vec<bool> {
    // Tensors that become narrower take no more.
    let bits = chosen.most();
    let mut widths = vec![bits + FINE_BITS; plan.nodes.len()];
    let widest = |width: u32| width.min(u32::from(u8::MAX));
    for &id in order {
        widths[id.0] = match &plan.node(id).op {
            PlanOp::Map { input, .. } if is_square(plan, id) => widest(2 * widths[input.0]),
            // An input may spread without a bound.
            PlanOp::Input { port, .. } => {
                widest(bits.saturating_add(calibration.inputs[*port].spread_bits.max(OUTLIER_BITS)))
            }
            PlanOp::View { sources, .. } => sources.iter().map(|source| widths[source.0]).max().unwrap_or(bits),
            PlanOp::Product { operands } => widest(operands.iter().map(|operand| widths[operand.0]).sum()),
            _ => widths[id.0],
        };
    }
    let mut exact = vec![false; plan.nodes.len()];
    // Whether something reads a node, and all that does can take it in exactly.
    let mut read = vec![false; plan.nodes.len()];
    let mut taken = vec![true; plan.nodes.len()];
    plan.outputs.iter().for_each(|output| taken[output.0] = false);
    for &id in order.iter().rev() {
        let op = &plan.node(id).op;
        let fits = read[id.0] && taken[id.0];
        let takes = match op {
            PlanOp::Linear { .. } => {
                let own = &reads.0[id.0];
                own.ports > 0 && own.only_ports() || feels_products(plan, id, own, loose_views, bits)
            }
            PlanOp::View { sources, .. } => fits && (sources.len() == 1 || loose_views[id.0]),
            PlanOp::Product { .. } => {
                exact[id.0] = fits && widths[id.0] <= EXACT_PRODUCT_BITS && !plan.node(id).integer;
                exact[id.0]
            }
            PlanOp::Map { .. } if is_square(plan, id) => {
                exact[id.0] = fits && widths[id.0] <= EXACT_SQUARE_BITS && !plan.node(id).integer;
                false
            }
            _ => false,
        };
        for operand in op.operands() {
            read[operand.0] = true;
            taken[operand.0] &= takes;
        }
    }
    exact
}

/// Whether rounding products to so many bits would be felt in the result of a layer that reads some.
fn feels_products(plan: &Plan, id: PlanId, read: &Read, loose_views: &[bool], bits: u32) -> bool {
    let PlanOp::Linear { input, geometry, weights, bias } = &plan.node(id).op else { return false };
    let sources = repeated::channel_sources(plan, *input, loose_views[input.0]);
    if *geometry != ConvGeometry::POINTWISE || sources.is_empty() {
        return false;
    }
    let product = |source: Option<PlanId>| source.map(|id| behind_views(plan, id)).filter(|&id| is_product(plan, id));
    let rounding = |id: PlanId| ROUNDING_ERROR * step_of(plan.node(id).range, bits);
    let errors: Vec<f64> = sources.iter().map(|&source| product(source).map_or(0.0, rounding)).collect();
    if errors.iter().all(|&error| error == 0.0) {
        return false;
    }
    // What clamps the result says how much of its range matters.
    let clamped = |&map: &PlanId| match &plan.node(map).op {
        PlanOp::Map { function, .. } if function.keeps_steps() => Some(plan.node(map).range.magnitude()),
        _ => None,
    };
    let maps = (read.raw + read.ports + read.exactable == 0).then(|| read.maps.iter().map(clamped));
    let clamped = maps.and_then(|maps| maps.collect::<Option<Vec<f64>>>());
    let range = clamped.and_then(|ranges| ranges.into_iter().reduce(f64::max));
    let step = range.unwrap_or(plan.node(id).range.magnitude()) / f64::from(bits - 1).exp2();
    felt_by(&weights.load(), bias.len(), &errors) > FELT * step
}

/// What views of one source look at.
fn behind_views(plan: &Plan, mut id: PlanId) -> PlanId {
    while let PlanOp::View { sources, .. } = &plan.node(id).op {
        match sources[..] {
            [source] => id = source,
            _ => break,
        }
    }
    id
}

fn is_product(plan: &Plan, id: PlanId) -> bool {
    matches!(plan.node(id).op, PlanOp::Product { .. }) || is_square(plan, id)
}

/// Whether a table gives the squares of small integers.
fn is_square(plan: &Plan, id: PlanId) -> bool {
    match &plan.node(id).op {
        PlanOp::Map { input, function, rules } => {
            *rules == MapRules::default() && !plan.node(*input).op.accumulates() && function.is_square()
        }
        _ => false,
    }
}

fn order_storage(plan: &Plan, order: &[PlanId], reads: &Reads, exact_products: &[bool]) -> Vec<Option<Storage>> {
    let mut storage = vec![None; plan.nodes.len()];
    // How many sums that are not rounded lead up to a node, itself included.
    let mut sums = vec![0; plan.nodes.len()];
    for &id in order {
        let op = &plan.node(id).op;
        if !op.accumulates() {
            continue;
        }
        let exact = |operand: &PlanId| storage[operand.0] == Some(Storage::Exact);
        let before = op.operands().into_iter().filter(exact).map(|operand| sums[operand.0]).max().unwrap_or(0);
        sums[id.0] = before + 1;
        let read = &reads.0[id.0];
        let lattice = matches!(op, PlanOp::Combine { lattice: true, .. });
        let alone = read.raw + read.maps.len() == 0;
        let chosen = if matches!(op, PlanOp::Sum { exact: true, .. }) || exact_products[id.0] {
            Storage::Exact
        } else if lattice {
            match (&read.maps[..], read.raw + read.ports + read.exactable) {
                (&[map], 0) => Storage::Fused(map),
                // An exact difference is small by itself.
                _ => Storage::Exact,
            }
        } else if alone
            && (read.exactable == 0 || (read.exactable == 1 && read.ports == 0 && sums[id.0] < MAX_EXACT_SUMS))
        {
            Storage::Exact
        } else if read.ports > 0 {
            Storage::ExactAnd { raw: read.raw + read.exactable > 0, maps: read.maps.clone() }
        } else if read.raw + read.exactable > 0 {
            Storage::Raw
        } else if let [map] = read.maps[..] {
            Storage::Fused(map)
        } else if matches!(op, PlanOp::Product { .. } | PlanOp::MatMul { .. }) {
            Storage::Raw
        } else {
            Storage::ExactAnd { raw: false, maps: read.maps.clone() }
        };
        storage[id.0] = Some(chosen);
    }
    storage
}

/// What is known about a class before its step is chosen.
#[derive(Clone, Debug)]
struct ClassFacts {
    range: Option<Range>,
    nonnegative: bool,
    forced: Option<f64>,
    integer: bool,
    fine: bool,
    /// Whether it has up to twice the range that calibration saw.
    roomy: bool,
    /// Whether layers alone read it.
    layers: bool,
    /// Written by tables alone and read by outputs alone.
    leaves: bool,
    /// The widest step that serves the trees that read it, and its narrowest feature.
    resolution: f64,
    /// The largest magnitude that the trees that read it compare with, but for [those too far](FARTHEST_BOUND).
    compared: f64,
    /// Whether it consists of inputs, and only views, trees and convolutions read them: then no table has its values.
    plain: bool,
    /// Whether elements of some of its inputs may be missing.
    nullable: bool,
    input: Option<InputFacts>,
    /// How many bits less than others it has.
    fewer: u32,
    /// How many bits more it has, since layers would feel its rounding.
    felt: u32,
}

#[derive(Clone, Copy, Debug)]
struct InputFacts {
    bits: u32,
    reach: f64,
    grid: Option<f64>,
    bounded: bool,
}

impl ClassFacts {
    fn shares_with(&self, other: &Self) -> bool {
        let (Some(a), Some(b)) = (self.range, other.range) else { return false };
        let ratio = a.magnitude() / b.magnitude();
        let free = |facts: &Self| facts.forced.is_none() && facts.input.is_none();
        free(self)
            && free(other)
            && (self.nonnegative, self.fine, self.leaves, self.roomy, self.layers, self.felt)
                == (other.nonnegative, other.fine, other.leaves, other.roomy, other.layers, other.felt)
            && (1.0 / SHARING_FACTOR..=SHARING_FACTOR).contains(&ratio)
    }

    fn class(&self, bits: u32) -> Class {
        let range = self.range.unwrap_or(Range { lo: 0.0, hi: 0.0 });
        if self.integer {
            // Labels and indices are never clamped.
            return Class { step: 1.0, lo: i64::from(i32::MIN), hi: i64::from(i32::MAX), on_grid: true };
        }
        if let Some(step) = self.forced {
            let (lo, hi) = ((range.lo / step).floor() as i64, (range.hi / step).ceil() as i64);
            return Class { step, lo, hi, on_grid: false };
        }
        let bits = match self.input {
            Some(input) => input.bits.max(bits + u32::from(self.fine) * FINE_BITS),
            None if self.leaves => bits.max(OUTPUT_BITS),
            // Room beyond what calibration saw costs no resolution: a bit more is twice the range.
            None if self.roomy && self.layers => {
                bits + u32::from(self.fine) * FINE_BITS + STEEP_BITS.max(1 + self.felt)
            }
            None => bits + u32::from(self.fine) * FINE_BITS + u32::from(self.roomy) + self.felt,
        };
        // What trees compare with is a value that inputs have, or near one; what is larger must be told from it.
        let compared = self.input.map_or(0.0, |_| BEYOND_BOUNDS * self.compared);
        let bits = bits.max(self.resolution_bits(range.magnitude().max(compared)));
        // The integer below all others stands for what is missing: with it they are as many.
        let reserved = i64::from(self.nullable);
        let (lo, hi) = match self.nonnegative {
            true => (0, (1i64 << bits) - 1 - reserved),
            false => (-(1i64 << (bits - 1)) + reserved, (1i64 << (bits - 1)) - 1),
        };
        let largest = match self.input.filter(|input| !input.bounded) {
            Some(input) => (range.magnitude() * INPUT_HEADROOM).max(input.reach),
            None => range.magnitude(),
        };
        let largest = largest.max(compared);
        let (step, on_grid) = match self.input.and_then(|input| input.grid) {
            // As fine as the levels allow while every value of the grid stays exact.
            Some(grid) if hi as f64 * grid >= range.magnitude() * (1.0 - 1e-9) => {
                (grid / (hi as f64 * grid / range.magnitude() + 1e-9).floor().max(1.0), true)
            }
            _ => (positive(largest / hi as f64), false),
        };
        Class { step, lo, hi, on_grid }
    }
}

/// Facts by class root.
struct Facts(Vec<ClassFacts>);

impl Facts {
    fn of(plan: &Plan, calibration: &Calibration, order: &[PlanId], reads: &Reads, scales: &Scales) -> Self {
        let empty = ClassFacts {
            range: None,
            nonnegative: true,
            forced: None,
            integer: false,
            fine: false,
            roomy: false,
            layers: true,
            leaves: true,
            resolution: f64::INFINITY,
            compared: 0.0,
            plain: true,
            nullable: false,
            input: None,
            fewer: 0,
            felt: 0,
        };
        let mut facts = vec![empty; plan.nodes.len()];
        let nonnegative = nonnegative(plan, order);
        for &id in order {
            let node = plan.node(id);
            let class = &mut facts[scales.root(id)];
            class.fewer = class.fewer.max(scales.widths.fewer(id));
            let read = &reads.0[id.0];
            let lattice = matches!(node.op, PlanOp::Combine { lattice: true, .. });
            // The difference itself may be larger than what it is a difference of.
            if !lattice {
                let own = room_behind(plan, id);
                class.roomy |= own != node.range;
                class.range = Some(class.range.map_or(own, |range| range.union(own)));
                class.nonnegative &= nonnegative[id.0];
            }
            class.fine |= lattice || read.fine || is_share(plan, id);
            let written_freely = matches!(node.op, PlanOp::Map { .. } | PlanOp::View { .. });
            class.leaves &= written_freely && read.raw == read.views && read.maps.is_empty() && read.exactable == 0;
            class.plain &= matches!(node.op, PlanOp::Input { .. } | PlanOp::View { .. } | PlanOp::Impute { .. });
            class.nullable |= matches!(node.op, PlanOp::Input { nullable: true, .. });
            if node.integer {
                class.forced = Some(1.0);
                class.integer = true;
            }
            match &node.op {
                PlanOp::Map { rules: MapRules { step: Some(step), .. }, .. } => class.forced = Some(*step),
                // Its argument has the same step, and so would as many levels as the result.
                PlanOp::Map { function, .. } if function.keeps_steps() => {
                    class.leaves = false;
                    class.fine |= read.ports > 0;
                }
                PlanOp::Input { quantizer: Some(quantizer), .. } => class.forced = Some(f64::from(quantizer.scale)),
                PlanOp::Input { port, quantizer: None, .. } => match calibration.inputs[*port].given {
                    Some(InputStep { scale, .. }) => class.forced = Some(scale),
                    None => class.add_input(&calibration.inputs[*port], scales.widths.most()),
                },
                PlanOp::Dequantize { scale, .. } => class.forced = Some(*scale),
                _ => {}
            }
        }
        for &id in order {
            let op = &plan.node(id).op;
            let plain = matches!(
                op,
                PlanOp::View { .. }
                    | PlanOp::Leaves { .. }
                    | PlanOp::Narrow { .. }
                    | PlanOp::Linear { .. }
                    | PlanOp::Missing { .. }
                    | PlanOp::Impute { .. }
            );
            for operand in op.operands() {
                let class = &mut facts[scales.root(operand)];
                class.plain &= plain;
                class.layers &= matches!(op, PlanOp::Linear { .. } | PlanOp::View { .. });
                if let PlanOp::Leaves { resolution, trees, .. } = op {
                    class.resolution = resolution.iter().copied().fold(class.resolution, f64::min);
                    let farthest = FARTHEST_BOUND * class.range.map_or(0.0, |range| range.magnitude());
                    let bounds = || trees.branches.iter().flat_map(|branch| branch.test.bounds());
                    let bounds = || bounds().filter(|bound| bound.abs() <= farthest);
                    class.compared = bounds().fold(class.compared, |largest, bound| largest.max(bound.abs()));
                    // Values below zero that few samples did not show are compared too.
                    class.nonnegative &= bounds().all(|&bound| bound >= 0.0);
                }
                if let PlanOp::Narrow { resolution, .. } = op {
                    class.resolution = class.resolution.min(*resolution);
                }
            }
        }
        plan.outputs.iter().for_each(|&output| facts[scales.root(output)].layers = false);
        let mut facts = Self(facts);
        facts.feel(plan, order, scales);
        facts
    }

    /// Gives what tables alone write and layers alone read as many bits more as the layers would feel of its rounding: sums of kernels that
    /// all but cancel. A table has as many entries whatever its values.
    fn feel(&mut self, plan: &Plan, order: &[PlanId], scales: &Scales) {
        let mut free = vec![true; plan.nodes.len()];
        plan.outputs.iter().for_each(|output| free[scales.root(*output)] = false);
        for &id in order {
            let op = &plan.node(id).op;
            free[scales.root(id)] &= match op {
                PlanOp::Map { input, function, rules } => {
                    *rules == MapRules::default() && !function.keeps_steps() && plan.node(*input).op.accumulates()
                }
                PlanOp::View { .. } => true,
                _ => false,
            };
            let keeps = matches!(op, PlanOp::Linear { .. } | PlanOp::View { .. });
            op.operands().into_iter().for_each(|operand| free[scales.root(operand)] &= keeps);
        }
        let bits = scales.widths.most();
        for &id in order {
            let PlanOp::Linear { input, geometry: ConvGeometry::POINTWISE, weights, bias } = &plan.node(id).op else {
                continue;
            };
            let sources = repeated::channel_sources(plan, *input, scales.is_loose_view(*input));
            let roots: Vec<_> = sources.iter().map(|source| source.map(|source| scales.root(source))).collect();
            if sources.is_empty() || !roots.iter().flatten().any(|&root| free[root]) {
                continue;
            }
            let rounding = |root: &Option<usize>| {
                let range = root.filter(|&root| free[root]).and_then(|root| self.0[root].range);
                range.map_or(0.0, |range| ROUNDING_ERROR * step_of(range, bits))
            };
            let errors: Vec<f64> = roots.iter().map(rounding).collect();
            let felt = felt_by(&weights.load(), bias.len(), &errors) / step_of(plan.node(id).range, bits);
            if felt > FELT && felt.is_finite() {
                let more = (felt.log2().ceil() as u32).min(MOST_FELT_BITS);
                let felt = roots.iter().flatten().filter(|&&root| free[root]);
                felt.for_each(|&root| self.0[root].felt = self.0[root].felt.max(more));
            }
        }
    }
}

/// The step of so many bits for a range.
fn step_of(range: Range, bits: u32) -> f64 {
    range.magnitude() / f64::from(bits - 1).exp2()
}

/// The largest error of a layer's results whose operand's channels have these errors, independent of each other.
fn felt_by(weights: &LoadedKernel, outputs: usize, errors: &[f64]) -> f64 {
    let square = |output: usize| {
        let first = output * errors.len();
        errors.iter().enumerate().map(|(i, error)| (weights.get(first + i) * error).powi(2)).sum::<f64>()
    };
    (0..outputs).map(square).fold(0.0, f64::max).sqrt()
}

impl ClassFacts {
    /// Bits that the trees ask for that read the class, whose values reach so far.
    fn resolution_bits(&self, magnitude: f64) -> u32 {
        // The levels of a grid are told apart as they are.
        let grid = self.input.is_some_and(|input| input.grid.is_some());
        if grid || !self.resolution.is_finite() || self.resolution <= 0.0 {
            return 0;
        }
        let room = if self.input.is_some_and(|input| !input.bounded) { INPUT_HEADROOM } else { 1.0 };
        let levels = (room * magnitude / self.resolution + 1.0).log2().ceil().max(0.0);
        let most = if self.plain { TREE_INPUT_BITS } else { TREE_BITS };
        (levels as u32 + u32::from(!self.nonnegative)).min(most)
    }

    fn add_input(&mut self, statistics: &super::calibrate::InputStatistics, bits: u32) {
        // Measured quantities have outliers, which leave few levels to the bulk of the values.
        let outliers = if statistics.bounded || statistics.grid.is_some() { 0 } else { OUTLIER_BITS };
        let own = InputFacts {
            bits: bits.saturating_add(statistics.spread_bits.max(outliers)).min(MAX_INPUT_BITS),
            reach: statistics.reach.magnitude(),
            grid: statistics.grid,
            bounded: statistics.bounded,
        };
        self.input = Some(match self.input {
            None => own,
            Some(other) => InputFacts {
                bits: own.bits.max(other.bits),
                reach: own.reach.max(other.reach),
                grid: own.grid.filter(|_| own.grid == other.grid),
                bounded: own.bounded && other.bounded,
            },
        });
    }
}

/// How much a range must grow where the argument grows by a quarter; powers above the second and exponentials do.
const LEAST_GROWTH: f64 = 1.75;
/// Most that the range of a function's results grows beyond what calibration saw: a bit of it.
const MOST_GROWTH: f64 = 2.0;

/// The range of a node; that of a function that grows faster than its argument has room for the results on what the argument has room for.
fn room_behind(plan: &Plan, id: PlanId) -> Range {
    let Range { lo, hi } = plan.node(id).range;
    let PlanOp::Map { input, function, .. } = &plan.node(id).op else { return Range { lo, hi } };
    if function.keeps_steps() || !plan.node(*input).op.accumulates() {
        return Range { lo, hi };
    }
    let arguments = widened(plan.node(*input).range);
    let ends = [arguments.lo, arguments.hi].map(|end| function.evaluate(end)).into_iter().filter(|end| end.is_finite());
    let grown = ends.fold(Range { lo, hi }, |range, end| range.union(Range { lo: end, hi: end }));
    if grown.width() < LEAST_GROWTH * (hi - lo) {
        return Range { lo, hi };
    }
    Range { lo: grown.lo.max(lo.min(MOST_GROWTH * lo)), hi: grown.hi.min(hi.max(MOST_GROWTH * hi)) }
}

/// Whether a node holds shares of sums, as a softmax does: most of them are small beside the largest.
fn is_share(plan: &Plan, id: PlanId) -> bool {
    let PlanOp::Product { operands } = plan.node(id).op else { return false };
    let reciprocal = |id: PlanId| matches!(plan.node(id).op, PlanOp::Reciprocal { .. });
    operands.into_iter().any(|operand| match &plan.node(operand).op {
        PlanOp::View { sources, .. } => sources.iter().any(|&source| reciprocal(source)),
        _ => reciprocal(operand),
    })
}

/// Which nodes can't be negative whatever the input, by their operators.
fn nonnegative(plan: &Plan, order: &[PlanId]) -> Vec<bool> {
    let mut known = vec![false; plan.nodes.len()];
    for &id in order {
        let node = plan.node(id);
        known[id.0] = match &node.op {
            PlanOp::Input { .. } => node.range.lo >= 0.0,
            PlanOp::View { sources, .. } => sources.iter().all(|source| known[source.0]),
            PlanOp::Linear { input, weights, bias, .. } => {
                known[input.0] && bias.iter().all(|&b| b >= 0.0) && weights.load().iter().all(|w| w >= 0.0)
            }
            PlanOp::Combine { operands, factors, constant, .. } => {
                *constant >= 0.0 && (0..2).all(|i| factors[i] == 0.0 || (factors[i] > 0.0 && known[operands[i].0]))
            }
            PlanOp::Product { operands } | PlanOp::MatMul { operands, .. } => {
                operands.iter().all(|operand| known[operand.0])
            }
            PlanOp::Sum { input, factor, .. } => *factor >= 0.0 && known[input.0],
            PlanOp::Max { input } => known[input.0],
            PlanOp::Map { input, function, .. } => {
                // Beyond what calibration saw on the side where the argument may go on.
                let Range { lo, hi } = plan.node(*input).range;
                let far = (hi - lo).max(1.0);
                let lo = if known[input.0] { 0.0 } else { lo - far };
                function.is_nonnegative_on(lo, hi.max(0.0) + far)
            }
            PlanOp::Impute { input, fills } => known[input.0] && fills.iter().all(|&fill| fill >= 0.0),
            PlanOp::Missing { .. } => true,
            PlanOp::ArgMax { .. } | PlanOp::Reciprocal { .. } | PlanOp::Quotient { .. } | PlanOp::Leaves { .. } => true,
            PlanOp::Pick { values, .. } => values.load().iter().all(|v| v >= 0.0),
            PlanOp::Quantize { input } | PlanOp::Dequantize { input, .. } => known[input.0],
            PlanOp::QuantizedConv { requantization, .. }
            | PlanOp::QuantizedMul { requantization, .. }
            | PlanOp::QuantizedMatMul { requantization, .. } => requantization.lo >= 0,
            PlanOp::QuantizedMap { table, .. } => table.bounds().0 >= 0,
            PlanOp::QuantizedPairs { table, .. } => table.bounds().0 >= 0,
            PlanOp::Integers { .. } => false,
            PlanOp::QuantizedSoftmax { softmax, .. } => softmax.lo >= 0,
            PlanOp::QuantizedAverage { average, .. } => average.lo >= 0,
            PlanOp::QuantizedNormalize { normalization, .. } => normalization.lo >= 0,
            PlanOp::QuantizedAdd { sum, .. } => sum.bounds().0 >= 0,
            PlanOp::Scale { .. } | PlanOp::Normalize { .. } | PlanOp::Narrow { .. } => false,
        };
    }
    known
}
