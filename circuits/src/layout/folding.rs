//! The strides of a folded machine.
//!
//! The units decide how many physical columns there are, since they have most logical ones: with `φ` rows for a row of units,
//! `⌈fixed/φ⌉` and so on, and perhaps a few fixed columns more, which hold more weights per row. The other regions then make
//! the most of these columns: each takes the stride with which its entries take fewest rows. Whatever does not change `k`
//! is then made as small as it can be, because every cell of a logical row is an evaluation in the proof.

use super::cost::least;
use super::tables::TableSizes;
use super::{Draft, LayoutOptions, Widths};
use crate::machine::{AdviceColumn, Arrangement, FixedColumn, MachineParams, Region, Strides};

/// Fixed columns beyond those that the units ask for that are tried.
const FURTHER_COLUMNS: usize = 2;
/// The largest stride that is tried for tables and weights.
const WIDEST: u32 = 16;

/// A draft that is folded with `rows` rows for a row of units.
pub(super) struct Folding<'a> {
    pub(super) draft: &'a Draft<'a>,
    pub(super) options: &'a LayoutOptions,
    pub(super) units: u32,
    pub(super) sizes: TableSizes,
    pub(super) rows: u32,
}

/// Physical columns that regions share, selectors aside.
#[derive(Clone, Copy)]
struct Columns {
    fixed: usize,
    first: usize,
    second: usize,
}

/// Entries per logical row of a region, its stride, and the rows of the circuit that it takes.
#[derive(Clone, Copy)]
struct Choice {
    entries: u32,
    stride: u32,
    rows: usize,
}

impl Folding<'_> {
    /// Widths for each number of fixed columns that is tried.
    pub(super) fn plans(&self) -> Vec<Widths> {
        (0..=FURTHER_COLUMNS).filter_map(|further| self.plan(further)).collect()
    }

    fn plan(&self, further: usize) -> Option<Widths> {
        let optional = self.draft.optional(1);
        let params = MachineParams {
            k: *MachineParams::K.end(),
            units: self.units,
            weights: 1,
            weight_lanes: self.draft.builder.weights.lanes(),
            tables: 1,
            port_columns: 0,
            optional,
            arrangement: Arrangement::Folded(Strides([self.rows; Region::ALL.len()])),
        };
        let stride = self.rows as usize;
        let columns = Columns {
            fixed: fixed_of(&params, Region::Units).div_ceil(stride) + further,
            first: advice_of(&AdviceColumn::first_phase(&params), Region::Units).div_ceil(stride),
            second: advice_of(&AdviceColumn::second_phase(&params), Region::Units).div_ceil(stride),
        };
        let weights = self.weights(&params, columns);
        let tables = self.tables(&params, columns);
        let scalars = self.scalars(&params, columns)?;
        let widths = |k: u32, weights: Choice, tables: Choice| Widths {
            k,
            units: self.units,
            weights: weights.entries,
            tables: tables.entries,
            max_table: self.sizes.max_table,
            max_clamp: self.sizes.max_clamp,
            arrangement: Arrangement::Folded(Strides([self.rows, tables.stride, weights.stride, scalars])),
        };
        let fewest = |choices: &[Choice]| choices.iter().copied().min_by_key(|choice| (choice.rows, choice.stride));
        let (best_weights, best_tables) = (fewest(&weights)?, fewest(&tables)?);
        let k = self.least_k(&widths(0, best_weights, best_tables))?;
        // The narrowest that still fit.
        let fits = |weights, tables| self.least_k(&widths(0, weights, tables)) == Some(k);
        let weights = weights.into_iter().find(|&weights| fits(weights, best_tables))?;
        let tables = tables.into_iter().find(|&tables| fits(weights, tables))?;
        Some(widths(k, weights, tables))
    }

    /// The least machine that has rows enough.
    fn least_k(&self, widths: &Widths) -> Option<u32> {
        let largest = Widths { k: *MachineParams::K.end(), ..*widths };
        let params = self.draft.params(&largest);
        params.validate().ok()?;
        let rows = self.draft.rows(widths.weights, widths.tables).used(widths.arrangement) + params.blinded_rows();
        let enough = |k: &u32| {
            let params = MachineParams { k: *k, port_columns: self.draft.subject.port_columns(*k), ..params };
            rows < 1 << k && params.validate().is_ok()
        };
        MachineParams::K.filter(|&k| self.options.k.is_none_or(|asked| asked == k)).find(enough)
    }

    /// Weights per row for each stride, the narrowest first.
    fn weights(&self, params: &MachineParams, columns: Columns) -> Vec<Choice> {
        let public = params.weight_lanes.has_public();
        let flags = fixed_of(params, Region::Weights) - usize::from(public);
        let results = advice_of(&AdviceColumn::second_phase(params), Region::Weights);
        let widest = self.draft.widest().clamp(1, MachineParams::MAX_WEIGHTS as usize);
        let rows = |entries: u32| self.draft.rows(entries, 1).weights;
        let choice = |stride: u32| {
            let spare = (columns.fixed * stride as usize).checked_sub(flags)?;
            let fixed = if public { spare } else { usize::MAX };
            let first = if params.weight_lanes.has_private() { PRIVATE_COLUMNS * stride as usize } else { usize::MAX };
            let room = fixed.min(first).min(widest) as u32;
            if room == 0 || columns.second * (stride as usize) < results {
                return None;
            }
            let entries = match self.options.weights {
                Some(asked) => Some(asked).filter(|&asked| asked as usize <= fixed),
                None => least(room, |entries| rows(entries) <= rows(room)),
            }?;
            Some(Choice { entries, stride, rows: rows(entries) * stride as usize })
        };
        (1..=Strides::MAX)
            .filter_map(choice)
            .filter(|choice| choice.stride <= WIDEST || self.options.weights.is_some())
            .collect()
    }

    /// Entries of tables per row for each stride, the narrowest first.
    fn tables(&self, params: &MachineParams, columns: Columns) -> Vec<Choice> {
        let flags = fixed_of(params, Region::Tables) - ENTRY_COLUMNS;
        let rows = |entries: u32| self.draft.rows(1, entries).tables;
        let choice = |stride: u32| {
            let cells = stride as usize;
            let room = [
                (columns.fixed * cells).checked_sub(flags)? / ENTRY_COLUMNS,
                columns.first * cells,
                columns.second * cells - 1,
                MachineParams::MAX_TABLES as usize,
            ];
            let room = room.into_iter().min().filter(|&room| room > 0)? as u32;
            let entries = least(room, |entries| rows(entries) <= rows(room))?;
            Some(Choice { entries, stride, rows: rows(entries) * cells })
        };
        (1..=WIDEST).filter_map(choice).collect()
    }

    /// The stride of the scalar unit: its three cells lie in one column, which is one permuted column.
    fn scalars(&self, params: &MachineParams, columns: Columns) -> Option<u32> {
        let cells = advice_of(&AdviceColumn::second_phase(params), Region::Scalars) as u32;
        let stride = (fixed_of(params, Region::Scalars).div_ceil(columns.fixed) as u32).max(cells);
        Some(stride).filter(|&stride| stride <= Strides::MAX)
    }
}

/// Columns of private weights that are tried: each is a commitment that holds nothing else.
const PRIVATE_COLUMNS: usize = 1;
/// Fixed cells of a table's entry.
const ENTRY_COLUMNS: usize = 3;

/// Logical fixed columns of a region, selectors aside.
fn fixed_of(params: &MachineParams, region: Region) -> usize {
    let selectors = [FixedColumn::UnitSelector, FixedColumn::OtherSelector];
    let columns = FixedColumn::all(params).into_iter();
    columns.filter(|column| column.regions().contains(&region) && !selectors.contains(column)).count()
}

/// Logical advice columns of a region among some.
fn advice_of(columns: &[AdviceColumn], region: Region) -> usize {
    columns.iter().filter(|column| column.regions().contains(&region)).count()
}
