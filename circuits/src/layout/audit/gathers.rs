//! Gathered rows: their tables, their ranges, and what the scalar unit makes of indices and elements.
//!
//! A group of a row is looked up as `(groups·index + group, Σ 2^(bits·i)·(element_i − lo))`. Both are linear forms without
//! challenges, and are compared on random values of elements. Digits are in range as the elements are, and fewer than 62 bits together,
//! so an image has one row of elements; an index is in range by the analysis, so a key has one index and group.

use std::collections::{HashMap, HashSet};

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::super::rows::Place;
use super::identities::Identities;
use super::words::Run;
use super::{AuditError, LaidGather};
use crate::graph::{Op, Weights};
use crate::machine::{to_field, Cell, FixedColumn, Region};

/// Checks all gathered rows.
///
/// # Errors
/// The first that is not what the operator asks for.
pub(super) fn audit(identities: &Identities<'_>) -> Result<(), AuditError> {
    let program = identities.program;
    let gathers = &identities.layout.gathers;
    let asked = program.nodes.iter().filter(|node| matches!(node.op, Op::Gather { .. })).count();
    if gathers.iter().map(|gather| gather.tensor).collect::<HashSet<_>>().len() != asked {
        return Err(AuditError::Frame { what: "every gathering of rows is laid out once" });
    }
    if gathers.is_empty() {
        return Ok(());
    }
    let keys: HashSet<Place> = gathers.iter().flat_map(|gather| &gather.keys).copied().collect();
    let mut sources: HashMap<Cell, Vec<Cell>> = HashMap::new();
    let is_key = keys.iter().flat_map(|key| [key.pre(), key.value()]).collect::<HashSet<_>>();
    for &(source, destination) in identities.skeleton.copies.iter().filter(|(_, to)| is_key.contains(to)) {
        sources.entry(destination).or_default().push(source);
    }
    let run = Run::new(identities);
    gathers.iter().try_for_each(|gather| {
        let node = program.node(gather.tensor);
        let refuse = |what| Err(AuditError::Gather { node: node.name.clone(), what });
        let Op::Gather { input, entries } = &node.op else { return refuse("it gathers no rows") };
        if !is_the_table(identities, gather, entries) {
            return refuse("its table holds other rows");
        }
        if !in_range(identities, gather) {
            return refuse("an element is not looked up in the range of the entries");
        }
        let plan = gather.plan;
        let rows = node.elements() / plan.columns;
        if gather.keys.len() != rows * plan.groups || node.shape.last() != Some(&plan.columns) {
            return refuse("it has not as many groups");
        }
        for (slot, key) in gather.keys.iter().enumerate() {
            let (row, group) = (slot / plan.groups, slot % plan.groups);
            let element = |column: usize| Fr::from(identities.element(gather.tensor, row * plan.columns + column));
            let index = Fr::from(identities.element(*input, row));
            let address = index * to_field(plan.groups as i64) + to_field(group as i64);
            let step = to_field(1 << plan.bits);
            let digits = plan.group(group).rev();
            let image = digits.fold(Fr::ZERO, |image, column| image * step + element(column) - to_field(plan.lo));
            for (cell, expected) in [(key.pre(), address), (key.value(), image)] {
                let found = sources.get(&cell).map_or(&[][..], Vec::as_slice);
                if !matches!(found, [source] if run.cell(*source) == Some(expected)) {
                    return refuse("a group is looked up under another key or image");
                }
            }
            if !looks_up(identities, key, plan.tag) {
                return refuse("a group is not looked up in its table");
            }
        }
        Ok(())
    })
}

fn looks_up(identities: &Identities<'_>, place: &Place, tag: i64) -> bool {
    let skeleton = identities.skeleton;
    let fixed = |column| skeleton.fixed(column, place.row as usize);
    fixed(FixedColumn::ValueSwitch(place.lane)) == 1 && fixed(FixedColumn::ValueTag(place.lane)) == tag
}

/// Whether an entry of a table with that tag is what `expected` makes of its key, for all entries.
fn holds(identities: &Identities<'_>, tag: i64, expected: impl Fn(i64) -> Option<i64>) -> bool {
    let skeleton = identities.skeleton;
    (0..skeleton.params.tables).all(|table| {
        let columns = [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)];
        (0..skeleton.regions.rows(Region::Tables)).all(|row| {
            let [key, image, found] = columns.map(|column| skeleton.fixed(column, row));
            found != tag || expected(key) == Some(image)
        })
    })
}

/// Whether the gathered matrix stands under the tag, and nothing else.
fn is_the_table(identities: &Identities<'_>, gather: &LaidGather, entries: &Weights) -> bool {
    let plan = gather.plan;
    let keys = (entries.len() / plan.columns * plan.groups) as i64;
    let fits = plan.bits as usize * plan.digits < 63 && plan.digits * plan.groups >= plan.columns;
    fits && holds(identities, plan.tag, |key| (0..keys).contains(&key).then(|| plan.entry(entries, key as usize)))
}

/// Whether every element is looked up in the identity on a range of as many values as digits have.
fn in_range(identities: &Identities<'_>, gather: &LaidGather) -> bool {
    let plan = gather.plan;
    let homes = &identities.layout.homes[gather.tensor.0 as usize];
    let Some(&first) = homes.first() else { return false };
    let tag = identities.skeleton.fixed(FixedColumn::ValueTag(first.lane), first.row as usize);
    let digits = plan.lo..plan.lo + (1 << plan.bits);
    homes.iter().all(|place| looks_up(identities, place, tag))
        && holds(identities, tag, |value| digits.contains(&value).then_some(value))
}
