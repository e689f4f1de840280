//! Which lookup tables a program needs, and their entries.
//!
//! | tag | entries | use |
//! | --- | --- | --- |
//! | 0 | `(0, 0)` | pins unused units and limbs to zero |
//! | `w` in 1 … 30 | `(v, 0)`, `0 ≤ v < 2^w` | limbs of exactly `w` bits |
//! | from 32 | `(y, f(y))` | functions, and ranges of inputs and of entries (the identity) |
//! | then | `(groups·r + g, digits)` | rows of a matrix that are gathered, several entries an image |
//! | then | see [`OwnFunction`] | what operators look up besides the program's tables |
//!
//! A function's table covers every argument that interval analysis finds possible, with the saturated values spelled out
//! beyond the function's own domain, as far as the plan allows: it covers the uses with the fewest arguments as long as it stays
//! short enough, and its own domain. The other uses saturate by the gadget.
//!
//! A function that is a clamp, the identity between two ends and constant beyond them, needs no table: where the plan says so, its
//! results are shown to be in range by limbs (M-CLAMP, [`ClampUse`]).

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;

use super::clamp::ClampUse;
use crate::analysis::{Interval, NodeRange};
use crate::graph::{Op, Program, Requantize, Table, TableId, TensorId, Weights};
use crate::significant::exponent;

/// First tag of a function.
pub(super) const FIRST_FUNCTION: i64 = 32;
/// Widest limb.
pub(super) const MAX_LIMB: u32 = 20;

/// Tag 0: the table with the one entry `(0, 0)`.
pub(super) const ZERO_TAG: i64 = 0;

/// How a use of a function saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Saturation {
    /// Ends of the table.
    pub(super) lo: i64,
    /// Ends of the table.
    pub(super) hi: i64,
    /// Bits of the largest overflow.
    pub(super) bits: u32,
    /// Whether an overflow takes several limbs, since a table of one would be longer than the plan allows.
    pub(super) wide: bool,
}

/// How a node looks up its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionUse {
    /// Tag of the table.
    pub(super) tag: i64,
    /// The gadget, where arguments may leave the table.
    pub(super) saturation: Option<Saturation>,
}

/// How the rows of a matrix stand in a table: the entries of a row in groups, each group's digits `entry − lo` in one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GatherPlan {
    /// Tag of the table.
    pub(super) tag: i64,
    /// The smallest and the largest entry.
    pub(super) lo: i64,
    pub(super) hi: i64,
    /// Bits of a digit.
    pub(super) bits: u32,
    /// Columns of the matrix.
    pub(super) columns: usize,
    /// Digits of an image, but for the last of a row.
    pub(super) digits: usize,
    /// Images of a row.
    pub(super) groups: usize,
}

/// Bits of an image.
const IMAGE_BITS: u32 = 62;

impl GatherPlan {
    fn new(tag: i64, entries: &Weights, columns: usize) -> Self {
        let (lo, hi) = entries.bounds();
        let bits = (u64::BITS - hi.abs_diff(lo).leading_zeros()).max(1);
        let digits = (IMAGE_BITS / bits) as usize;
        Self { tag, lo, hi, bits, columns, digits, groups: columns.div_ceil(digits) }
    }

    /// The columns of a group.
    pub(super) fn group(&self, group: usize) -> Range<usize> {
        group * self.digits..self.columns.min((group + 1) * self.digits)
    }

    /// The image of a group of a row's elements.
    pub(super) fn image(&self, row: &[i64], group: usize) -> i64 {
        row[self.group(group)].iter().rev().fold(0, |image, entry| (image << self.bits) + (entry - self.lo))
    }

    /// The image of a key.
    pub(super) fn entry(&self, entries: &Weights, key: usize) -> i64 {
        let columns = self.group(key % self.groups);
        let first = key / self.groups * self.columns;
        let row = entries.slice(first + columns.start..first + columns.end);
        row.iter().rev().fold(0, |image, &entry| (image << self.bits) + (i64::from(entry) - self.lo))
    }

    fn len(&self, entries: &Weights) -> usize {
        entries.len() / self.columns * self.groups
    }
}

/// The matrices whose rows are gathered, found by where they lie or, equal ones elsewhere, by a hash.
#[derive(Default)]
struct Matrices<'a> {
    lying: HashMap<(usize, usize), GatherPlan>,
    hashed: HashMap<(usize, u64), Vec<(GatherPlan, &'a Weights)>>,
    hashes: RandomState,
}

impl<'a> Matrices<'a> {
    fn hash(&self, columns: usize, entries: &Weights) -> (usize, u64) {
        let mut hasher = self.hashes.build_hasher();
        entries.iter().for_each(|entry| entry.hash(&mut hasher));
        (columns, hasher.finish())
    }

    /// The plan of a matrix of so many columns.
    fn known(&mut self, columns: usize, entries: &Weights) -> Option<GatherPlan> {
        let place = (columns, entries.address());
        if let Some(&plan) = self.lying.get(&place) {
            return Some(plan);
        }
        let alike = self.hashed.get(&self.hash(columns, entries))?;
        let plan = alike.iter().find(|(_, others)| *others == entries)?.0;
        self.lying.insert(place, plan);
        Some(plan)
    }

    fn add(&mut self, plan: GatherPlan, entries: &'a Weights) {
        self.lying.insert((plan.columns, entries.address()), plan);
        self.hashed.entry(self.hash(plan.columns, entries)).or_default().push((plan, entries));
    }
}

/// A function that operators look up though the program has no table of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum OwnFunction {
    /// `2^e` for exponents from 0 on.
    Power,
    /// The least magnitude of exponent `e` where so many bits are kept: `2^(bits − 1 + e)`, and 0 for `e = 0`.
    Binade {
        /// Bits that are kept.
        bits: u32,
    },
    /// The factor of the step that leads to a result of [`Op::Steps`], and 0 for the first one and for what is one above the last.
    Factor(TensorId),
    /// Whether that step is strict, 1 or 0.
    Strict(TensorId),
}

impl OwnFunction {
    /// Whether a key may be in its table.
    pub(super) fn has_key(self, program: &Program, key: i64) -> bool {
        match self {
            Self::Power => (0..62).contains(&key),
            Self::Binade { bits } => (0..62 - i64::from(bits)).contains(&key),
            Self::Factor(tensor) | Self::Strict(tensor) => match &program.node(tensor).op {
                Op::Steps { first, steps, .. } => (*first..=first + steps.len() as i64 + 1).contains(&key),
                _ => false,
            },
        }
    }

    /// The image of a key of its table.
    pub(super) fn image(self, program: &Program, key: i64) -> i64 {
        let step = |tensor| match &program.node(tensor).op {
            Op::Steps { first, steps, .. } => steps.get(usize::try_from(key - first - 1).ok()?),
            _ => None,
        };
        match self {
            Self::Power => 1 << key,
            Self::Binade { bits } => {
                if key == 0 {
                    0
                } else {
                    1 << (i64::from(bits) - 1 + key)
                }
            }
            Self::Factor(tensor) => step(tensor).map_or(0, |step| step.factor),
            Self::Strict(tensor) => step(tensor).map_or(0, |step| i64::from(step.strict)),
        }
    }
}

/// The tag of a function and the ends of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OwnPlan {
    tag: i64,
    lo: i64,
    hi: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FunctionPlan {
    tag: i64,
    lo: i64,
    hi: i64,
    /// Whether some of its uses may leave the table.
    saturates: bool,
}

impl FunctionPlan {
    /// The table of a function with the domain `own`, of the uses with these arguments.
    fn new(tag: i64, own: Interval, mut arguments: Vec<Interval>, max_entries: i128) -> Self {
        arguments.sort_by_key(|argument| (argument.width(), argument.lo));
        let most = max_entries.max(own.width() + 1);
        let covers = |domain: Interval| domain.width() < most || own.lo <= domain.lo && domain.hi <= own.hi;
        let mut covered: Option<Interval> = None;
        let mut saturates = false;
        for argument in arguments {
            let joint = covered.map_or(argument, |covered| covered.union(argument));
            match covers(joint) {
                true => covered = Some(joint),
                false => saturates = true,
            }
        }
        let domain = match covered {
            Some(covered) if !saturates => covered,
            // What saturates needs the ends of the function's own domain, which may lie far from the other uses.
            Some(covered) if covered.union(own).width() < most => covered.union(own),
            _ => own,
        };
        Self { tag, lo: domain.lo as i64, hi: domain.hi as i64, saturates }
    }
}

/// Which functions are spelled out how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableSizes {
    /// Entries up to which a function's table may grow before its uses saturate by a gadget.
    pub(super) max_table: i64,
    /// Entries of the longest clamp that has a table; `None` where all have.
    pub(super) max_clamp: Option<u32>,
}

/// The tables of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TablePlan {
    functions: BTreeMap<TableId, FunctionPlan>,
    /// The ends of the clamps that have no table.
    clamps: BTreeMap<TableId, (i64, i64)>,
    ranges: BTreeMap<(i64, i64), i64>,
    limbs: BTreeSet<u32>,
    /// Bits of the largest overflow that takes one limb.
    overflow_bits: u32,
    /// The matrices whose rows are gathered; equal ones have one table.
    gathers: BTreeMap<TensorId, GatherPlan>,
    /// Entries of their tables.
    gathered: usize,
    /// What operators look up besides.
    own: BTreeMap<OwnFunction, OwnPlan>,
    /// By operators that count steps, the first one with the same.
    steps: BTreeMap<TensorId, TensorId>,
}

/// Bits up to which an overflow takes one limb, however short tables are to be.
const LEAST_OVERFLOW_BITS: u32 = 10;

/// Most values of an input range that stands in a table; longer ones are proved by limbs.
const LONGEST_INPUT_TABLE: u64 = 1 << 12;

/// The range of an input that stands in a table.
fn tabled_input(op: &Op) -> Option<(i64, i64)> {
    match *op {
        Op::Input { lo, hi } if hi.abs_diff(lo) < LONGEST_INPUT_TABLE => Some((lo, hi)),
        _ => None,
    }
}

/// The uses of each function: the shifts and arguments of their nodes.
fn uses(program: &Program, ranges: &[NodeRange]) -> BTreeMap<TableId, Vec<(u32, Interval)>> {
    let mut uses: BTreeMap<TableId, Vec<_>> = BTreeMap::new();
    for (node, range) in program.nodes.iter().zip(ranges) {
        if let (Some(Requantize { shift, table }), Some(argument)) = (node.op.applies(), range.argument) {
            uses.entry(table).or_default().push((shift, argument));
        }
    }
    uses
}

/// The ends of a function that may be shown by limbs. With private weights accumulators may be larger than what is laid out for, and
/// only tables hold for all.
fn clamp_ends(program: &Program, table: &Table, uses: &[(u32, Interval)]) -> Option<(i64, i64)> {
    match program.has_private_weights() {
        true => None,
        false => ClampUse::ends(table, uses),
    }
}

/// The entries of the clamps of a program that may be shown by limbs, each by its own domain: what their tables take at least.
pub(super) fn clamp_entries(program: &Program, ranges: &[NodeRange]) -> Vec<u64> {
    let mut entries = Vec::new();
    for (id, uses) in uses(program, ranges) {
        let table = program.table(id);
        entries.extend(clamp_ends(program, table, &uses).map(|_| table.hi().abs_diff(table.lo()) + 1));
    }
    entries
}

impl TablePlan {
    /// Plans the tables of a program. A function's table may grow to so many entries before its uses saturate by the gadget; a clamp
    /// whose own domain is longer than so many is shown by limbs.
    pub(super) fn new(program: &Program, ranges: &[NodeRange], sizes: TableSizes) -> Self {
        let max_entries = i128::from(sizes.max_table);
        let mut functions = BTreeMap::new();
        let mut clamps = BTreeMap::new();
        let mut next_tag = FIRST_FUNCTION;
        for (id, uses) in uses(program, ranges) {
            let table = program.table(id);
            let is_long = |most: u32| table.hi().abs_diff(table.lo()) >= most.into();
            let ends = || clamp_ends(program, table, &uses);
            if let Some(ends) = sizes.max_clamp.filter(|&most| is_long(most)).and_then(|_| ends()) {
                clamps.insert(id, ends);
                continue;
            }
            let own = Interval::new(table.lo(), table.hi());
            let arguments = uses.into_iter().map(|(_, argument)| argument).collect();
            functions.insert(id, FunctionPlan::new(next_tag, own, arguments, max_entries));
            next_tag += 1;
        }
        let overflow_bits = match functions.values().any(|function| function.saturates) {
            true => LEAST_OVERFLOW_BITS.max(max_entries.max(1).ilog2().min(MAX_LIMB)),
            false => LEAST_OVERFLOW_BITS,
        };
        let mut plan = Self {
            functions,
            clamps,
            ranges: BTreeMap::new(),
            limbs: Default::default(),
            overflow_bits,
            gathers: BTreeMap::new(),
            gathered: 0,
            own: BTreeMap::new(),
            steps: BTreeMap::new(),
        };
        let range = |plan: &mut Self, next_tag: &mut i64, lo, hi| {
            plan.ranges.entry((lo, hi)).or_insert_with(|| {
                *next_tag += 1;
                *next_tag - 1
            });
        };
        let mut matrices = Matrices::default();
        for (tensor, node) in (0..).map(TensorId).zip(&program.nodes) {
            if let Some((lo, hi)) = tabled_input(&node.op) {
                range(&mut plan, &mut next_tag, lo, hi);
            }
            if let Op::Gather { entries, .. } = &node.op {
                let columns = *node.shape.last().expect("validated results have columns");
                let gather = match matrices.known(columns, entries) {
                    Some(known) => known,
                    None => {
                        let gather = GatherPlan::new(next_tag, entries, columns);
                        next_tag += 1;
                        plan.gathered += gather.len(entries);
                        range(&mut plan, &mut next_tag, gather.lo, gather.hi);
                        matrices.add(gather, entries);
                        gather
                    }
                };
                plan.gathers.insert(tensor, gather);
            }
        }
        plan.plan_own(program, ranges, next_tag);
        plan
    }

    /// Plans the tables of [`OwnFunction`], from this tag on.
    fn plan_own(&mut self, program: &Program, ranges: &[NodeRange], first_tag: i64) {
        let mut known = HashMap::new();
        let mut domains: BTreeMap<OwnFunction, (i64, i64)> = BTreeMap::new();
        for (tensor, node) in (0..).map(TensorId).zip(&program.nodes) {
            match &node.op {
                Op::RoundSignificant { input, bits } => {
                    let largest = ranges[input.0 as usize].value.magnitude().unsigned_abs();
                    let most = i64::from(exponent(largest, *bits));
                    for function in [OwnFunction::Power, OwnFunction::Binade { bits: *bits }] {
                        let (_, hi) = domains.entry(function).or_insert((0, most));
                        *hi = most.max(*hi);
                    }
                }
                Op::Steps { first, steps, .. } => {
                    let same = *known.entry((first, steps)).or_insert(tensor);
                    self.steps.insert(tensor, same);
                    let domain = (*first, first + steps.len() as i64 + 1);
                    domains.extend([(OwnFunction::Factor(same), domain), (OwnFunction::Strict(same), domain)]);
                }
                _ => {}
            }
        }
        let plans = (first_tag..).zip(domains).map(|(tag, (function, (lo, hi)))| (function, OwnPlan { tag, lo, hi }));
        self.own = plans.collect();
    }

    /// The tag of a function of its operators.
    pub(super) fn own(&self, function: OwnFunction) -> i64 {
        self.own[&function].tag
    }

    /// The functions that say what the steps of an operator are: their factors, and which are strict.
    pub(super) fn steps(&self, tensor: TensorId) -> [OwnFunction; 2] {
        let same = self.steps[&tensor];
        [OwnFunction::Factor(same), OwnFunction::Strict(same)]
    }

    /// How the rows of a gathered matrix stand in their table.
    pub(super) fn gather(&self, tensor: TensorId) -> GatherPlan {
        self.gathers[&tensor]
    }

    /// Tag of the identity on a declared input range, or `None` where it would be too long.
    pub(super) fn input_range(&self, lo: i64, hi: i64) -> Option<i64> {
        self.ranges.get(&(lo, hi)).copied()
    }

    /// The tag of limbs of exactly `width` bits, which is then in the plan. Width 0 is the ZERO table.
    pub(super) fn limb(&mut self, width: u32) -> i64 {
        if width > 0 {
            self.limbs.insert(width);
        }
        i64::from(width)
    }

    /// How a function without a table is shown for accumulators with a shift and arguments in `argument`; `None` for others.
    pub(super) fn clamp(&self, table: TableId, shift: u32, argument: Interval) -> Option<ClampUse> {
        let &ends = self.clamps.get(&table)?;
        Some(ClampUse::new(ends, shift, argument).expect("clamps are planned where all uses have room"))
    }

    /// How a function is looked up for arguments in `argument`.
    pub(super) fn function(&self, table: TableId, argument: Interval) -> FunctionUse {
        let FunctionPlan { tag, lo, hi, .. } = self.functions[&table];
        let overflow = (argument.hi - i128::from(hi)).max(i128::from(lo) - argument.lo);
        if overflow <= 0 {
            return FunctionUse { tag, saturation: None };
        }
        let bits = 128 - overflow.leading_zeros();
        FunctionUse { tag, saturation: Some(Saturation { lo, hi, bits, wide: bits > self.overflow_bits }) }
    }

    /// All entries `(key, image, tag)`.
    pub(super) fn entries(&self, program: &Program) -> Vec<(i64, i64, i64)> {
        let mut entries = vec![(0, 0, ZERO_TAG)];
        for &width in &self.limbs {
            entries.extend((0..1i64 << width).map(|v| (v, 0, i64::from(width))));
        }
        for (&id, function) in &self.functions {
            let table = program.table(id);
            entries.extend((function.lo..=function.hi).map(|y| (y, table.apply(y), function.tag)));
        }
        for (&(lo, hi), &tag) in &self.ranges {
            entries.extend((lo..=hi).map(|v| (v, v, tag)));
        }
        let mut seen = BTreeSet::new();
        for (&tensor, gather) in self.gathers.iter().filter(|(_, gather)| seen.insert(gather.tag)) {
            let Op::Gather { entries: own, .. } = &program.node(tensor).op else { continue };
            entries.extend((0..gather.len(own)).map(|key| (key as i64, gather.entry(own, key), gather.tag)));
        }
        for (function, &OwnPlan { tag, lo, hi }) in &self.own {
            entries.extend((lo..=hi).map(|key| (key, function.image(program, key), tag)));
        }
        entries
    }

    /// Tag and domain of each function.
    pub(super) fn functions(&self) -> BTreeMap<TableId, (i64, i64, i64)> {
        self.functions.iter().map(|(&id, function)| (id, (function.tag, function.lo, function.hi))).collect()
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        let limbs: usize = self.limbs.iter().map(|&width| 1usize << width).sum();
        let functions: i64 = self.functions.values().map(|function| function.hi - function.lo + 1).sum();
        let ranges: i64 = self.ranges.keys().map(|(lo, hi)| hi - lo + 1).sum();
        let own: i64 = self.own.values().map(|own| own.hi - own.lo + 1).sum();
        1 + limbs + functions as usize + ranges as usize + own as usize + self.gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A narrow use far from the function's own domain does not make the table as long as the distance.
    #[test]
    fn tables_stay_within_the_plan_where_a_use_lies_far_away() {
        let own = Interval::new(-100, 100);
        let plan = |arguments: &[(i128, i128)]| {
            let arguments = arguments.iter().map(|&(lo, hi)| Interval::new(lo, hi)).collect();
            let FunctionPlan { lo, hi, saturates, .. } = FunctionPlan::new(FIRST_FUNCTION, own, arguments, 1 << 10);
            (lo, hi, saturates)
        };
        assert_eq!(plan(&[(5000, 5010)]), (5000, 5010, false));
        assert_eq!(plan(&[(-90, 300), (-100_000, 100_000)]), (-100, 300, true));
        assert_eq!(plan(&[(5000, 5010), (-100_000, 100_000)]), (-100, 100, true));
        assert_eq!(plan(&[(-100_000, 100_000)]), (-100, 100, true));
    }
}
