//! Gathered rows: their tables, their ranges, and what the scalar unit makes of indices and elements.
//!
//! A group of a row is looked up as `(groups·index + group, Σ 2^(bits·i)·(element_i − lo))`. Both are linear forms without
//! challenges, and are compared on random values of elements. Digits are in range as the elements are, and fewer than 62 bits together,
//! so an image has one row of elements; an index is in range by the analysis, so a key has one index and group.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::super::rows::Place;
use super::identities::Identities;
use super::words::Run;
use super::{table_entries, AuditError, LaidGather};
use crate::graph::{Op, Weights};
use crate::machine::{to_field, Cell, FixedColumn};

/// Checks all gathered rows.
///
/// # Errors
/// The first that is not what the operator asks for.
pub(super) fn audit(run: &Run<'_>) -> Result<(), AuditError> {
    let identities = run.identities;
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
    Promises::of(identities)?.are_kept()?;
    gathers.iter().try_for_each(|gather| {
        let node = program.node(gather.tensor);
        let refuse = |what| Err(AuditError::Gather { node: node.name.clone(), what });
        let Op::Gather { input, .. } = &node.op else { return refuse("it gathers no rows") };
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

/// What the entries of tables with a tag have to be.
#[derive(Default)]
struct Promise<'a> {
    /// The rows of a matrix, for this node.
    rows: Option<(&'a LaidGather, &'a Weights)>,
    /// The identity on a part of these numbers, for this node.
    range: Option<(&'a LaidGather, Range<i64>)>,
}

/// The promises of all tags that gathered rows rely on. Nodes that gather the same rows have one, and each entry is looked at once.
struct Promises<'a> {
    identities: &'a Identities<'a>,
    by_tag: HashMap<i64, Promise<'a>>,
}

impl<'a> Promises<'a> {
    fn of(identities: &'a Identities<'a>) -> Result<Self, AuditError> {
        let mut by_tag: HashMap<i64, Promise<'a>> = HashMap::new();
        // Where matrices lie that are known to be those of their tags.
        let mut compared: HashSet<(i64, usize)> = HashSet::new();
        for gather in &identities.layout.gathers[..] {
            let node = identities.program.node(gather.tensor);
            let refuse = |what| Err(AuditError::Gather { node: node.name.clone(), what });
            let Op::Gather { entries, .. } = &node.op else { return refuse("it gathers no rows") };
            let plan = gather.plan;
            let own = by_tag.entry(plan.tag).or_default();
            let fits = plan.bits as usize * plan.digits < 63 && plan.digits * plan.groups >= plan.columns;
            let is_new = compared.insert((plan.tag, entries.address()));
            let (first, known) = *own.rows.get_or_insert((gather, entries));
            if !fits || first.plan != plan || is_new && known != entries {
                return refuse("its table holds other rows");
            }
            let Some(tag) = range_of(identities, gather) else {
                return refuse("an element is not looked up in the range of the entries");
            };
            let digits = plan.lo..plan.lo + (1 << plan.bits);
            let (_, range) = by_tag.entry(tag).or_default().range.get_or_insert((gather, digits.clone()));
            *range = range.start.max(digits.start)..range.end.min(digits.end);
        }
        Ok(Self { identities, by_tag })
    }

    fn are_kept(&self) -> Result<(), AuditError> {
        for [key, image, tag] in table_entries(self.identities.skeleton) {
            if let Some(promise) = self.by_tag.get(&tag) {
                self.is_kept(promise, key, image)?;
            }
        }
        Ok(())
    }

    fn is_kept(&self, promise: &Promise<'_>, key: i64, image: i64) -> Result<(), AuditError> {
        let refuse = |gather: &LaidGather, what| {
            Err(AuditError::Gather { node: self.identities.program.node(gather.tensor).name.clone(), what })
        };
        if let Some((gather, entries)) = promise.rows {
            let keys = (entries.len() / gather.plan.columns * gather.plan.groups) as i64;
            if !(0..keys).contains(&key) || gather.plan.entry(entries, key as usize) != image {
                return refuse(gather, "its table holds other rows");
            }
        }
        match &promise.range {
            Some((gather, range)) if !range.contains(&key) || key != image => {
                refuse(gather, "an element is not looked up in the range of the entries")
            }
            _ => Ok(()),
        }
    }
}

/// The tag under which all elements of gathered rows are looked up.
fn range_of(identities: &Identities<'_>, gather: &LaidGather) -> Option<i64> {
    let homes = &identities.layout.homes[gather.tensor.0 as usize];
    let first = homes.first()?;
    let tag = identities.skeleton.fixed(FixedColumn::ValueTag(first.lane), first.row as usize);
    homes.iter().all(|place| looks_up(identities, place, tag)).then_some(tag)
}
