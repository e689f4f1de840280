//! A skeleton's fixed columns, looked up once.

use super::super::rows::RowForm;
use super::super::tables::ZERO_TAG;
use crate::machine::{FixedColumn, Integers, Skeleton};

/// Fixed columns by kind; those that the member lacks read as zero.
pub(super) struct Columns<'a> {
    shared: Vec<Option<&'a Integers>>,
    value_tags: Vec<Option<&'a Integers>>,
    value_switches: Vec<Option<&'a Integers>>,
    limb_switches: Vec<Option<&'a Integers>>,
    /// The columns of weights, the first lane first.
    pub(super) weights: Vec<Option<&'a Integers>>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(skeleton: &'a Skeleton) -> Self {
        let mut shared = vec![None; FixedColumn::OPTIONAL as usize];
        for (column, cells) in &skeleton.fixed {
            if let Some(bit) = column.optional_bit() {
                shared[bit as usize] = Some(cells);
            }
        }
        let params = skeleton.params;
        let lanes = |count: u32, column: fn(u32) -> FixedColumn| {
            (0..count).map(|lane| skeleton.fixed.get(&column(lane))).collect()
        };
        Self {
            shared,
            value_tags: lanes(params.units, FixedColumn::ValueTag),
            value_switches: lanes(params.units, FixedColumn::ValueSwitch),
            limb_switches: lanes(params.units, FixedColumn::LimbSwitch),
            weights: lanes(params.weights, FixedColumn::Weight),
        }
    }

    /// A cell that the lanes of a row share.
    pub(super) fn shared(&self, column: FixedColumn, row: u32) -> i64 {
        let bit = column.optional_bit().expect("the lanes share optional columns");
        read(self.shared[bit as usize], row)
    }

    /// The form of a row.
    pub(super) fn form(&self, row: u32) -> RowForm {
        let on = |column| self.shared(column, row);
        let saturates = on(FixedColumn::Saturate) != 0;
        RowForm {
            value: on(FixedColumn::ValueCoefficient),
            pre: on(FixedColumn::PreCoefficient),
            low: on(FixedColumn::LowCoefficient),
            high: on(FixedColumn::HighCoefficient),
            constant: on(FixedColumn::Constant),
            next_value: on(FixedColumn::NextValueCoefficient),
            next_pre: on(FixedColumn::NextPreCoefficient),
            product: on(FixedColumn::Product),
            pointwise: on(FixedColumn::Pointwise) != 0,
            low_tag: on(FixedColumn::LowTag),
            high_tag: on(FixedColumn::HighTag),
            saturate: saturates.then(|| (on(FixedColumn::SaturateLow), on(FixedColumn::SaturateHigh))),
        }
    }

    pub(super) fn value_tag(&self, lane: u32, row: u32) -> i64 {
        read(self.value_tags[lane as usize], row)
    }

    pub(super) fn value_switch(&self, lane: u32, row: u32) -> i64 {
        read(self.value_switches[lane as usize], row)
    }

    pub(super) fn limb_switch(&self, lane: u32, row: u32) -> i64 {
        read(self.limb_switches[lane as usize], row)
    }

    /// Whether the `value` of a lane is looked up in the ZERO table.
    pub(super) fn is_zero(&self, lane: u32, row: u32) -> bool {
        self.value_switch(lane, row) == 1 && self.value_tag(lane, row) == ZERO_TAG
    }

    /// Per row, which of the shared cells are not zero: bit `i` for the optional column with bit `i`.
    pub(super) fn masks(&self, rows: usize) -> Vec<u64> {
        let mut masks = vec![0; rows];
        for (bit, column) in self.shared.iter().enumerate() {
            let Some(column) = column else { continue };
            masks.iter_mut().zip(column.iter()).for_each(|(mask, cell)| *mask |= u64::from(cell != 0) << bit);
        }
        masks
    }
}

/// The bit of a shared column in [`Columns::masks`].
pub(super) fn mask_of(column: FixedColumn) -> u64 {
    1 << column.optional_bit().expect("the lanes share optional columns")
}

fn read(column: Option<&Integers>, row: u32) -> i64 {
    column.map_or(0, |cells| cells.get(row as usize))
}
