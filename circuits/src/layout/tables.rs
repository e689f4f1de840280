//! Which lookup tables a program needs, and their entries.
//!
//! | tag | entries | use |
//! | --- | --- | --- |
//! | 0 | `(0, 0)` | pins unused units and limbs to zero |
//! | `w` in 1 … 30 | `(v, 0)`, `0 ≤ v < 2^w` | limbs of exactly `w` bits |
//! | from 32 | `(y, f(y))` | functions, and ranges of inputs (the identity) |
//!
//! A function's table covers every argument that interval analysis finds possible, with the saturated values spelled out
//! beyond the function's own domain. Where that would take more entries than the plan allows, the table keeps to its own
//! domain and the uses that may leave it saturate by the gadget.

use std::collections::BTreeMap;

use crate::analysis::{Interval, NodeRange};
use crate::graph::{Op, Program, Requantize, TableId};

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
}

/// How a node looks up its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FunctionUse {
    /// Tag of the table.
    pub(super) tag: i64,
    /// The gadget, where arguments may leave the table.
    pub(super) saturation: Option<Saturation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FunctionPlan {
    tag: i64,
    lo: i64,
    hi: i64,
}

/// The tables of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TablePlan {
    functions: BTreeMap<TableId, FunctionPlan>,
    ranges: BTreeMap<(i64, i64), i64>,
    limbs: std::collections::BTreeSet<u32>,
}

/// Most values of an input range that stands in a table; longer ones are proved by limbs.
const LONGEST_INPUT_TABLE: u64 = 1 << 12;

/// The range of an input that stands in a table.
fn tabled_input(op: &Op) -> Option<(i64, i64)> {
    match *op {
        Op::Input { lo, hi } if hi.abs_diff(lo) < LONGEST_INPUT_TABLE => Some((lo, hi)),
        _ => None,
    }
}

/// The table and shift of a node that applies a function.
pub(super) fn function_of(op: &Op) -> Option<TableId> {
    match op {
        Op::Conv { requantize, .. }
        | Op::Affine { requantize, .. }
        | Op::Product { requantize, .. }
        | Op::MatMul { requantize, .. }
        | Op::Sum { requantize, .. } => requantize.map(|Requantize { table, .. }| table),
        Op::Lookup { table, .. } => Some(*table),
        _ => None,
    }
}

impl TablePlan {
    /// Plans the tables of a program; a function's table may grow to `max_entries` before its uses saturate by the gadget.
    pub(super) fn new(program: &Program, ranges: &[NodeRange], max_entries: i128) -> Self {
        let mut needed: BTreeMap<TableId, Interval> = BTreeMap::new();
        for (node, range) in program.nodes.iter().zip(ranges) {
            if let (Some(table), Some(argument)) = (function_of(&node.op), range.argument) {
                needed.entry(table).and_modify(|known| *known = known.union(argument)).or_insert(argument);
            }
        }
        let mut functions = BTreeMap::new();
        let mut next_tag = FIRST_FUNCTION;
        for (id, needed) in needed {
            let table = program.table(id);
            let own = Interval::new(table.lo(), table.hi());
            let inside = own.lo <= needed.lo && needed.hi <= own.hi;
            let chosen = if inside || needed.width() < max_entries.max(own.width() + 1) { needed } else { own };
            functions.insert(id, FunctionPlan { tag: next_tag, lo: chosen.lo as i64, hi: chosen.hi as i64 });
            next_tag += 1;
        }
        let mut plan = Self { functions, ranges: BTreeMap::new(), limbs: Default::default() };
        for node in &program.nodes {
            if let Some((lo, hi)) = tabled_input(&node.op) {
                plan.ranges.entry((lo, hi)).or_insert_with(|| {
                    next_tag += 1;
                    next_tag - 1
                });
            }
        }
        plan
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

    /// How a function is looked up for arguments in `argument`.
    pub(super) fn function(&self, table: TableId, argument: Interval) -> FunctionUse {
        let FunctionPlan { tag, lo, hi } = self.functions[&table];
        let overflow = (argument.hi - i128::from(hi)).max(i128::from(lo) - argument.lo);
        if overflow <= 0 {
            return FunctionUse { tag, saturation: None };
        }
        FunctionUse { tag, saturation: Some(Saturation { lo, hi, bits: 128 - overflow.leading_zeros() }) }
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
        1 + limbs + functions as usize + ranges as usize
    }
}
