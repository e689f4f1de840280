//! Bits of activations, and tensors that get along with fewer.
//!
//! All activations have one width at first. What grows with it is the tables: those that tensors of one width share, and those of
//! single functions. They weigh alike on the rows of a circuit, and on the result they do not; so the longest table loses a bit, with all
//! whose bits its entries follow from, as long as the program [stays good](super::Bits), and then what is the longest then.

use std::collections::{BTreeMap, BTreeSet};

use circuits::graph::{Program, TableId};
use circuits::layout::{cost, least_cost, LayoutOptions};

use super::calibrate::Calibration;
use super::emit::EntriesOf;
use super::plan::PlanId;
use super::segments::Operand;
use super::{
    accumulators_fit, affordable, compile_at, fidelity, work, Chosen, NarrowerTable, QuantizeError, QuantizeOptions,
};
use super::{AUTO_LEAST_SAMPLES, AUTO_WORK};
use crate::float::graph::FloatGraph;

/// Most programs that are tried from one width on.
const MOST_TRIALS: u64 = 48;
/// Multiply-adds that all of them may take, as a multiple of what the choice of a width may.
const WORK_FACTOR: u64 = 4;
/// Most bits that a tensor or an argument loses.
const MOST_FEWER: u32 = 6;
/// Fewest bits that are left.
const LEAST_BITS: u32 = 6;
/// What a narrower program may cost at most to be taken, as a part of what that of one width does.
const WORTHWHILE: f64 = 0.95;

/// Bits of activations: those of all, and what some have less.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Widths {
    most: u32,
    fewer: BTreeMap<PlanId, u32>,
    coarser: BTreeMap<PlanId, u32>,
    /// What functions are computed by segments of, where they can be.
    segments: Option<Operand>,
    /// The functions that are not.
    spelled_out: BTreeSet<PlanId>,
}

impl Widths {
    /// So many bits for all.
    pub(super) fn uniform(bits: u32) -> Self {
        Self { most: bits, ..Self::default() }
    }

    /// Bits of whatever has no fewer.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// How many bits less than others the class of a node has, by this node.
    pub(super) fn fewer(&self, id: PlanId) -> u32 {
        self.fewer.get(&id).copied().unwrap_or(0)
    }

    /// The nodes whose classes have fewer bits, and how many.
    pub(super) fn narrowed(&self) -> impl Iterator<Item = (PlanId, u32)> + '_ {
        self.fewer.iter().map(|(&id, &fewer)| (id, fewer))
    }

    /// How many bits coarser the arguments of a function are than others.
    pub(super) fn coarser(&self, map: PlanId) -> u32 {
        self.coarser.get(&map).copied().unwrap_or(0)
    }

    /// What a function is computed by segments of, if it can be.
    pub(super) fn segments(&self, map: PlanId) -> Option<Operand> {
        self.segments.filter(|_| !self.spelled_out.contains(&map))
    }

    /// These with all functions by segments that can be computed so.
    pub(super) fn by_segments(&self, of: Operand) -> Self {
        Self { segments: Some(of), spelled_out: BTreeSet::new(), ..self.clone() }
    }

    /// These with tables for some functions.
    pub(super) fn spelled_out(&self, maps: &BTreeSet<PlanId>) -> Self {
        let mut widths = self.clone();
        widths.spelled_out.extend(maps);
        widths
    }

    /// These with one bit less for a group; `None` where it has no bits to lose.
    fn narrower(&self, group: &Group) -> Option<Self> {
        let mut widths = self.clone();
        for &of in &group.of {
            let fewer = match of {
                EntriesOf::Class(id) => widths.fewer.entry(id).or_insert(0),
                EntriesOf::Argument(map) => widths.coarser.entry(map).or_insert(0),
            };
            *fewer += 1;
            if *fewer > MOST_FEWER.min(self.most - LEAST_BITS) {
                return None;
            }
        }
        Some(widths)
    }
}

/// Tables whose entries grow and shrink together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    /// Whose bits the entries follow from.
    of: BTreeSet<EntriesOf>,
    tables: BTreeSet<TableId>,
}

impl Group {
    fn entries(&self, program: &Program) -> usize {
        self.tables.iter().map(|&table| program.table(table).values().len()).sum()
    }
}

/// Tables that share what their entries follow from are one group.
fn groups(entries: &[(TableId, EntriesOf)]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for &(table, of) in entries {
        let mut joint = Group { of: [of].into(), tables: [table].into() };
        groups.retain(|group| {
            let apart = !group.of.contains(&of) && !group.tables.contains(&table);
            if !apart {
                joint.of.extend(&group.of);
                joint.tables.extend(&group.tables);
            }
            apart
        });
        groups.push(joint);
    }
    groups
}

/// Entries of all tables of a program.
pub(super) fn entries(program: &Program) -> usize {
    program.tables.iter().map(|table| table.values().len()).sum()
}

/// Elements of all tensors of a program.
pub(super) fn elements(program: &Program) -> usize {
    program.nodes.iter().map(|node| node.elements()).sum()
}

/// What a proof of a program is expected to cost; infinitely much without a layout.
pub(super) fn cost_of(program: &Program) -> f64 {
    least_cost(program, &LayoutOptions::default(), cost::least_gas).unwrap_or(f64::INFINITY)
}

/// The cheapest of what good programs of one width become when tables lose bits; `None` where that is not worth it beside the first
/// one.
pub(super) fn cheapest(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    uniform: Vec<Chosen>,
) -> Result<Option<Chosen>, QuantizeError> {
    let mut best: Option<(f64, Chosen)> = None;
    let most = WORTHWHILE * uniform.first().map_or(0.0, |chosen| cost_of(&chosen.program));
    for start in uniform {
        let Some(narrowed) = narrowed(graph, calibration, options, start)? else { continue };
        let cost = cost_of(&narrowed.program);
        if cost <= most && best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, narrowed));
        }
    }
    Ok(best.map(|(_, chosen)| chosen))
}

/// The program when its tables have lost the bits that it can do without; `None` where they weigh nothing, or can't lose any.
fn narrowed(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    start: Chosen,
) -> Result<Option<Chosen>, QuantizeError> {
    let samples = affordable(&start.program, AUTO_LEAST_SAMPLES, calibration.samples.len()) as u64;
    let afford = (WORK_FACTOR * AUTO_WORK) / (work(&start.program) * samples).max(1);
    let mut trials = afford.min(MOST_TRIALS);
    let mut current = start;
    let mut blocked: Vec<Group> = Vec::new();
    let mut found = false;
    while trials > 0 && 2 * entries(&current.program) > elements(&current.program) {
        let of = |group: &Group| group.entries(&current.program);
        let free = groups(&current.steps.entries).into_iter().filter(|group| !blocked.contains(group));
        let Some(group) = free.max_by_key(|group| (of(group), std::cmp::Reverse(group.tables.first().copied()))) else {
            break;
        };
        trials -= 1;
        match trial(graph, calibration, options, &current, &group)? {
            Some(better) => {
                current = better;
                found = true;
            }
            None => blocked.push(group),
        }
    }
    Ok(found.then_some(current))
}

/// The program with one bit less for a group, if that has fewer entries and is good.
fn trial(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    current: &Chosen,
    group: &Group,
) -> Result<Option<Chosen>, QuantizeError> {
    let Some(widths) = current.widths.narrower(group) else { return Ok(None) };
    let Ok((program, origins, steps)) = compile_at(graph, calibration, &widths, options, None) else {
        return Ok(None);
    };
    if entries(&program) >= entries(&current.program) || !accumulators_fit(&program) {
        return Ok(None);
    }
    let fidelity = fidelity(graph, &program, calibration)?;
    let good = options.bits.is_good(&fidelity);
    Ok(good.then(|| Chosen { widths, program, origins, steps, tried: vec![(current.widths.most, fidelity)] }))
}

/// The tables of a program that lost bits.
pub(super) fn report(widths: &Widths, program: &Program, entries: &[(TableId, EntriesOf)]) -> Vec<NarrowerTable> {
    let mut fewer: BTreeMap<TableId, u32> = BTreeMap::new();
    for &(table, of) in entries {
        let lost = match of {
            EntriesOf::Class(id) => widths.fewer(id),
            EntriesOf::Argument(map) => widths.coarser(map),
        };
        fewer.entry(table).and_modify(|most| *most = lost.max(*most)).or_insert(lost);
    }
    let told = |(id, fewer_bits): (TableId, u32)| {
        let table = program.table(id);
        let nodes = program.nodes.iter().filter(|node| node.op.table() == Some(id)).map(|node| node.name.clone());
        NarrowerTable {
            function: table.name().to_owned(),
            nodes: nodes.collect(),
            fewer_bits,
            entries: table.values().len(),
        }
    };
    fewer.into_iter().filter(|&(_, fewer)| fewer > 0).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_share_a_class_are_one_group() {
        let class = |id| EntriesOf::Class(PlanId(id));
        let argument = |id| EntriesOf::Argument(PlanId(id));
        let [a, b, c, d] = [0, 1, 2, 3].map(TableId);
        let entries = [(a, class(1)), (b, argument(2)), (c, class(3)), (d, class(4)), (c, class(1))];
        let joint = Group { of: [class(1), class(3)].into(), tables: [a, c].into() };
        let groups = groups(&entries);
        assert_eq!(groups.len(), 3);
        assert!(groups.contains(&joint), "{groups:?}");
    }

    #[test]
    fn bits_are_lost_one_by_one_and_not_all() {
        let group =
            Group { of: [EntriesOf::Class(PlanId(1)), EntriesOf::Argument(PlanId(2))].into(), ..Group::default() };
        let mut widths = Widths::uniform(9);
        let mut lost = 0;
        while let Some(narrower) = widths.narrower(&group) {
            widths = narrower;
            lost += 1;
        }
        assert_eq!(lost, 9 - LEAST_BITS);
        assert_eq!((widths.fewer(PlanId(1)), widths.coarser(PlanId(2)), widths.fewer(PlanId(2))), (lost, lost, 0));
    }
}
