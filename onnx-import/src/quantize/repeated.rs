//! Layers with the same weights, as the steps of an unrolled recurrence have.
//!
//! An integer weight is a real one over a step that follows from the scales of operand and result. Layers whose real weights
//! are the same get the same integers, which the circuit stores once, where these scales are the same too. So they are
//! chosen for all of them together: operands that are multiplied by the same weights form one class, and results have one
//! range, that of all. It costs a bit of precision where the ranges differ by a factor of two; where they differ a lot, the
//! layers stay apart.

use std::collections::hash_map::DefaultHasher;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use circuits::graph::{ConvGeometry, ViewElement};

use super::plan::{Plan, PlanId, PlanOp, Range};
use super::scales::Storage;

/// Ranges of layers with one scale differ by at most this factor.
const RANGE_FACTOR: f64 = 16.0;

/// Layers with one scale of results.
#[derive(Debug)]
pub(super) struct Group {
    /// The accumulators that are requantized: the layers, or the sums that take them in exactly.
    pub results: Vec<PlanId>,
    /// Nodes that get one class.
    pub ties: Vec<[PlanId; 2]>,
    /// How the results are used.
    usage: Usage,
    range: Range,
    /// The first operand of each column of weights.
    columns: HashMap<u64, PlanId>,
}

/// The accumulator that a layer's result is or becomes part of, and the function behind that.
#[derive(Clone, Copy, Debug)]
struct Usage {
    result: PlanId,
    map: Option<PlanId>,
}

/// Finds the layers with the same weights among dense and pointwise ones, and gives each group the range of all its
/// members. `loose` are views whose sources need no common step.
pub(super) fn share(plan: &mut Plan, order: &[PlanId], storage: &[Option<Storage>], loose: &[bool]) -> Vec<Group> {
    let mut finder = Finder { plan, readers: single_readers(plan, order), storage, loose, groups: Vec::new() };
    let mut owners: HashMap<u64, usize> = HashMap::new();
    for &id in order {
        let Some((usage, columns)) = finder.candidate(id) else { continue };
        let mut votes: HashMap<usize, usize> = HashMap::new();
        let known = columns.iter().filter_map(|(hash, _)| owners.get(hash));
        known.for_each(|&group| *votes.entry(group).or_default() += 1);
        let best = votes.into_iter().max_by_key(|&(group, count)| (count, std::cmp::Reverse(group)));
        let joined = best.filter(|&(_, count)| 2 * count >= columns.len()).map(|(group, _)| group);
        let group = match joined.filter(|&group| finder.fits(group, &usage)) {
            Some(group) => group,
            None => finder.open(&usage),
        };
        finder.join(group, &usage, &columns);
        columns.iter().for_each(|&(hash, _)| {
            owners.entry(hash).or_insert(group);
        });
    }
    let groups: Vec<_> = finder.groups.into_iter().filter(|group| group.results.len() > 1).collect();
    for group in &groups {
        let tied = group.ties.iter().flatten().filter(|&&id| matches!(plan.node(id).op, PlanOp::Map { .. }));
        let tied: Vec<_> = tied.copied().collect();
        let of_all = |ids: &[PlanId]| ids.iter().map(|&id| plan.node(id).range).reduce(Range::union);
        let (results, maps) = (of_all(&group.results), of_all(&tied));
        group.results.iter().for_each(|id| plan.nodes[id.0].range = results.expect("groups have members"));
        if group.usage.map.is_some() {
            tied.iter().for_each(|id| plan.nodes[id.0].range = maps.expect("a function for each member"));
        }
    }
    groups
}

struct Finder<'a> {
    plan: &'a Plan,
    readers: Vec<Option<PlanId>>,
    storage: &'a [Option<Storage>],
    loose: &'a [bool],
    groups: Vec<Group>,
}

impl Finder<'_> {
    /// A layer that may share scales, with a number for each column of weights and the operand that it multiplies. Columns of
    /// zeros and operands that are zero do not matter.
    fn candidate(&self, id: PlanId) -> Option<(Usage, Vec<(u64, PlanId)>)> {
        let PlanOp::Linear { input, geometry, weights, bias } = &self.plan.node(id).op else { return None };
        if *geometry != ConvGeometry::POINTWISE {
            return None;
        }
        let usage = self.usage(id)?;
        let sources = channel_sources(self.plan, *input, self.loose[input.0]);
        let outputs = bias.len();
        let width = weights.len() / outputs;
        let weights = weights.load();
        let column = |(channel, source): (usize, &Option<PlanId>)| {
            let column = (0..outputs).map(|o| weights.get(o * width + channel));
            if column.clone().all(|weight| weight == 0.0) {
                return None;
            }
            let mut hasher = DefaultHasher::new();
            outputs.hash(&mut hasher);
            column.for_each(|weight| weight.to_bits().hash(&mut hasher));
            source.map(|source| (hasher.finish(), source))
        };
        let columns: Vec<_> = sources.iter().enumerate().filter_map(column).collect();
        (!columns.is_empty()).then_some((usage, columns))
    }

    fn usage(&self, layer: PlanId) -> Option<Usage> {
        let of = |result: PlanId| match self.storage[result.0].as_ref()? {
            Storage::Raw => Some(Usage { result, map: None }),
            Storage::Fused(map) => Some(Usage { result, map: Some(*map) }),
            Storage::Exact | Storage::ExactAnd { .. } => None,
        };
        if *self.storage[layer.0].as_ref()? != Storage::Exact {
            return of(layer);
        }
        let reader = self.readers[layer.0]?;
        matches!(self.plan.node(reader).op, PlanOp::Combine { lattice: false, .. }).then(|| of(reader)).flatten()
    }

    /// Whether a layer is used as those of a group are, on a similar range.
    fn fits(&self, group: usize, usage: &Usage) -> bool {
        let group = &self.groups[group];
        let other = &group.usage;
        let same_sum = match (&self.plan.node(usage.result).op, &self.plan.node(other.result).op) {
            (PlanOp::Combine { factors: a, .. }, PlanOp::Combine { factors: b, .. }) => a == b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        let same_function = match (usage.map, other.map) {
            (Some(a), Some(b)) => match (&self.plan.node(a).op, &self.plan.node(b).op) {
                (PlanOp::Map { function: f, rules: r, .. }, PlanOp::Map { function: g, rules: s, .. }) => {
                    f == g && r == s
                }
                _ => false,
            },
            (a, b) => a == b,
        };
        // A sum of two members joins once.
        let new = !group.results.contains(&usage.result);
        new && same_sum && same_function && similar(group.range, self.plan.node(usage.result).range)
    }

    fn open(&mut self, usage: &Usage) -> usize {
        let range = self.plan.node(usage.result).range;
        let (results, ties, columns) = (Vec::new(), Vec::new(), HashMap::new());
        self.groups.push(Group { results, ties, usage: *usage, range, columns });
        self.groups.len() - 1
    }

    fn join(&mut self, group: usize, usage: &Usage, columns: &[(u64, PlanId)]) {
        let plan = self.plan;
        let group = &mut self.groups[group];
        group.results.push(usage.result);
        group.range = group.range.union(plan.node(usage.result).range);
        match (usage.map, group.usage.map) {
            (Some(map), Some(first)) => group.ties.push([first, map]),
            _ => group.ties.push([group.usage.result, usage.result]),
        }
        for &(hash, source) in columns {
            let first = *group.columns.entry(hash).or_insert(source);
            let (a, b) = (plan.node(first), plan.node(source));
            // The steps of narrowed features are those of their inputs.
            let free = ![a, b].iter().any(|node| matches!(node.op, PlanOp::Narrow { .. }));
            if first != source && free && a.integer == b.integer && similar(a.range, b.range) {
                group.ties.push([first, source]);
            }
        }
        group.ties.dedup();
    }
}

fn similar(a: Range, b: Range) -> bool {
    let ratio = a.magnitude() / b.magnitude();
    (1.0 / RANGE_FACTOR..=RANGE_FACTOR).contains(&ratio)
}

/// The only reader of each node that has one.
fn single_readers(plan: &Plan, order: &[PlanId]) -> Vec<Option<PlanId>> {
    let mut counts = vec![0; plan.nodes.len()];
    let mut readers = vec![None; plan.nodes.len()];
    for &id in order {
        for operand in plan.node(id).op.operands() {
            counts[operand.0] += 1;
            readers[operand.0] = Some(id);
        }
    }
    plan.outputs.iter().for_each(|output| counts[output.0] += 1);
    readers.iter_mut().zip(counts).filter(|(_, count)| *count != 1).for_each(|(reader, _)| *reader = None);
    readers
}

/// Views that only convolutions read, and whose channels each come from one of several sources. The sources need no common
/// step: the weights of a channel make up for its own.
pub(super) fn loose_views(plan: &Plan, order: &[PlanId]) -> Vec<bool> {
    let mut loose: Vec<bool> = plan.nodes.iter().map(|node| matches!(node.op, PlanOp::View { .. })).collect();
    plan.outputs.iter().for_each(|output| loose[output.0] = false);
    for &id in order {
        let node = plan.node(id);
        if !matches!(node.op, PlanOp::Linear { .. }) {
            node.op.operands().into_iter().for_each(|operand| loose[operand.0] = false);
        }
        if let PlanOp::View { sources, map } = &node.op {
            let plane = node.elements() / node.shape.first().copied().unwrap_or(1).max(1);
            let several = sources.iter().any(|&source| source != sources[0]);
            loose[id.0] &= several && map.chunks(plane.max(1)).all(|channel| one_source(channel).is_some());
        }
    }
    loose
}

/// The source of a channel, `Some(None)` where it is all zeros; `None` where it has several.
fn one_source(channel: &[ViewElement]) -> Option<Option<u32>> {
    let mut found = None;
    for entry in channel {
        if let ViewElement::Element { source, .. } = entry {
            if *found.get_or_insert(*source) != *source {
                return None;
            }
        }
    }
    Some(found)
}

/// For each channel of a convolution's operand the node whose step it has; `None` where it is zero.
pub(super) fn channel_sources(plan: &Plan, input: PlanId, loose: bool) -> Vec<Option<PlanId>> {
    let node = plan.node(input);
    let channels = node.shape[0];
    let PlanOp::View { sources, map } = &node.op else { return vec![Some(input); channels] };
    let source = |channel: &[ViewElement]| match (loose, one_source(channel)) {
        (true, Some(source)) => source.map(|source| sources[source as usize]),
        (false, Some(None)) => None,
        _ => Some(input),
    };
    map.chunks(map.len() / channels).map(source).collect()
}
