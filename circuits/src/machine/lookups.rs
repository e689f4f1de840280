//! How often each table entry is looked up.

use std::ops::Range;

use rayon::prelude::*;

use super::assignment::{table_columns, Assignment, Skeleton};
use super::columns::{AdviceColumn, FixedColumn, Region};
use super::integers::Integers;

/// An entry of a table and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: i64,
    key: i64,
    image: i64,
    /// Its table times the number of rows, plus its row.
    slot: u32,
}

/// All entries of a machine's tables, in order; of equal ones the first.
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// Which entries belong to a tag.
    tags: Vec<(i64, Range<usize>)>,
}

impl Entries {
    pub(super) fn new(skeleton: &Skeleton) -> Self {
        let rows = skeleton.regions.rows(Region::Tables);
        let mut entries = Vec::new();
        // Row by row, since entries are dealt out over the tables: this is nearly their order.
        let tables: Vec<[&Integers; 3]> = (0..skeleton.params.tables)
            .map(|table| table_columns(table).map(|column| &skeleton.fixed[&column]))
            .collect();
        for row in 0..rows {
            for (table, columns) in tables.iter().enumerate() {
                let [key, image, tag] = columns.map(|column| column.get(row));
                // Rows behind a table's last entry repeat its first.
                let repeats = row > 0 && [key, image, tag] == columns.map(|column| column.get(0));
                if !repeats {
                    entries.push(Entry { tag, key, image, slot: (table * rows + row) as u32 });
                }
            }
        }
        entries.sort_unstable();
        entries.dedup_by_key(|entry| (entry.tag, entry.key, entry.image));
        let mut tags = Vec::new();
        let mut first = 0;
        for of_tag in entries.chunk_by(|a, b| a.tag == b.tag) {
            tags.push((of_tag[0].tag, first..first + of_tag.len()));
            first += of_tag.len();
        }
        Self { entries, tags }
    }

    /// The entries of a tag.
    fn of_tag(&self, tag: i64) -> &[Entry] {
        match self.tags.binary_search_by_key(&tag, |&(tag, _)| tag) {
            Ok(found) => &self.entries[self.tags[found].1.clone()],
            Err(_) => &[],
        }
    }
}

/// The slot of an entry among those of its tag.
fn find(entries: &[Entry], key: i64, image: i64) -> Option<u32> {
    // Keys follow one another, as a rule.
    let guess = key.checked_sub(entries.first()?.key).and_then(|index| usize::try_from(index).ok());
    match guess.and_then(|index| entries.get(index)) {
        Some(entry) if (entry.key, entry.image) == (key, image) => Some(entry.slot),
        _ => {
            let found = entries.binary_search_by_key(&(key, image), |entry| (entry.key, entry.image));
            found.ok().map(|index| entries[index].slot)
        }
    }
}

/// The entries of the tag that was asked for last; neighbouring rows look up the same table.
struct Current<'a> {
    entries: &'a Entries,
    tag: i64,
    of_tag: &'a [Entry],
}

impl<'a> Current<'a> {
    fn new(entries: &'a Entries) -> Self {
        Self { entries, tag: 0, of_tag: entries.of_tag(0) }
    }

    fn find(&mut self, key: i64, image: i64, tag: i64) -> Option<u32> {
        if tag != self.tag {
            (self.tag, self.of_tag) = (tag, self.entries.of_tag(tag));
        }
        find(self.of_tag, key, image)
    }
}

impl Assignment {
    /// How often each slot is looked up, the tables one after the other. A lookup that no entry equals is not counted.
    pub(super) fn lookup_counts(&self, entries: &Entries) -> Vec<i64> {
        let rows = self.skeleton.regions.rows(Region::Units);
        let slots = self.skeleton.regions.rows(Region::Tables) * self.skeleton.params.tables as usize;
        let part = rows.div_ceil(rayon::current_num_threads());
        let parts: Vec<_> = (0..rows).step_by(part).map(|first| first..rows.min(first + part)).collect();
        let none = || vec![0i64; slots];
        let counts = parts.into_par_iter().map(|part| {
            let mut counts = none();
            self.count_part(entries, part, &mut counts);
            counts
        });
        counts
            .reduce_with(|mut sum, counts| {
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                sum
            })
            .unwrap_or_else(none)
    }

    fn count_part(&self, entries: &Entries, part: Range<usize>, counts: &mut [i64]) {
        let skeleton = &self.skeleton;
        let fixed = |column| skeleton.fixed.get(&column);
        let at = |column: Option<&Integers>, row: usize| column.map_or(0, |cells| cells.get(row));
        let (low_tag, high_tag) = (fixed(FixedColumn::LowTag), fixed(FixedColumn::HighTag));
        let [mut value_entries, mut low_entries, mut high_entries] = [(); 3].map(|()| Current::new(entries));
        let mut count = |slot: Option<u32>| {
            if let Some(slot) = slot {
                counts[slot as usize] += 1;
            }
        };
        for lane in 0..skeleton.params.units {
            let [value, pre, low, high] =
                [AdviceColumn::Value(lane), AdviceColumn::Pre(lane), AdviceColumn::Low(lane), AdviceColumn::High(lane)]
                    .map(|column| &self.first_phase[&column]);
            let [tag, looked_up, limbs] =
                [FixedColumn::ValueTag(lane), FixedColumn::ValueSwitch(lane), FixedColumn::LimbSwitch(lane)].map(fixed);
            for row in part.clone() {
                if at(looked_up, row) != 0 {
                    count(value_entries.find(pre.get(row), value.get(row), at(tag, row)));
                }
                if at(limbs, row) != 0 {
                    count(low_entries.find(low.get(row), 0, at(low_tag, row)));
                    count(high_entries.find(high.get(row), 0, at(high_tag, row)));
                }
            }
        }
    }
}
