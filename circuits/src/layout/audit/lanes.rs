//! Lane accounting: every cell that something reads is pinned.

use super::clamps::Clamps;
use super::columns::{mask_of, Columns};
use super::identities::LeftSide;
use super::AuditError;
use crate::machine::{AdviceColumn, Cell, FixedColumn, Region, Skeleton};

/// Which of the four cells of a unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnitCell {
    Value,
    Pre,
    Low,
    High,
}

/// The part that a unit's `value` and `pre` play in the copies, a bit each.
const VALUE_TO: u8 = 1;
const VALUE_FROM: u8 = 2;
const PRE_TO: u8 = 4;
const PRE_FROM: u8 = 8;

/// The shared columns that decide what is read and pinned.
struct Bits {
    value: u64,
    pre: u64,
    low: u64,
    high: u64,
    next_value: u64,
    next_pre: u64,
    pointwise: u64,
    product: u64,
    maximum: u64,
    arg_maximum: u64,
    saturate: u64,
    plane_read: u64,
}

/// Lane accounting over a skeleton.
pub(super) struct Lanes<'a> {
    skeleton: &'a Skeleton,
    columns: &'a Columns<'a>,
    clamps: &'a Clamps,
    bits: Bits,
    masks: Vec<u64>,
    /// Per unit, row by row.
    copies: Vec<u8>,
    identity_rows: Vec<bool>,
}

impl<'a> Lanes<'a> {
    pub(super) fn new(skeleton: &'a Skeleton, columns: &'a Columns<'a>, clamps: &'a Clamps) -> Self {
        Self {
            skeleton,
            columns,
            clamps,
            bits: Bits {
                value: mask_of(FixedColumn::ValueCoefficient),
                pre: mask_of(FixedColumn::PreCoefficient),
                low: mask_of(FixedColumn::LowCoefficient),
                high: mask_of(FixedColumn::HighCoefficient),
                next_value: mask_of(FixedColumn::NextValueCoefficient),
                next_pre: mask_of(FixedColumn::NextPreCoefficient),
                pointwise: mask_of(FixedColumn::Pointwise),
                product: mask_of(FixedColumn::Product),
                maximum: mask_of(FixedColumn::Maximum),
                arg_maximum: mask_of(FixedColumn::ArgMaximum),
                saturate: mask_of(FixedColumn::Saturate),
                plane_read: mask_of(FixedColumn::PlaneRead),
            },
            masks: columns.masks(skeleton.regions.rows(Region::Units)),
            copies: copies_of_units(skeleton),
            identity_rows: identity_rows(skeleton, columns),
        }
    }

    /// The number of cells that something reads.
    ///
    /// # Errors
    /// One of them that nothing pins.
    pub(super) fn audit(&self) -> Result<usize, AuditError> {
        let mut read_cells = 0;
        for row in 0..self.skeleton.regions.rows(Region::Units) as u32 {
            for lane in 0..self.skeleton.params.units {
                for (cell, column) in [
                    (UnitCell::Value, "value"),
                    (UnitCell::Pre, "pre"),
                    (UnitCell::Low, "low"),
                    (UnitCell::High, "high"),
                ] {
                    if self.is_read(cell, lane, row) {
                        read_cells += 1;
                        if !self.is_pinned(cell, lane, row) {
                            return Err(AuditError::Lane { column, lane, row });
                        }
                    }
                }
            }
        }
        Ok(read_cells)
    }

    fn here(&self, row: u32, bits: u64) -> bool {
        self.masks[row as usize] & bits != 0
    }

    fn above(&self, row: u32, bits: u64) -> bool {
        row > 0 && self.here(row - 1, bits)
    }

    fn copied(&self, lane: u32, row: u32, part: u8) -> bool {
        self.copies[row as usize * self.skeleton.params.units as usize + lane as usize] & part != 0
    }

    /// Whether the row's linear form is forced, by an identity or to zero.
    fn form_holds(&self, row: u32) -> bool {
        self.identity_rows[row as usize] || self.here(row, self.bits.pointwise)
    }

    fn is_read(&self, cell: UnitCell, lane: u32, row: u32) -> bool {
        let bits = &self.bits;
        let form = |bit| self.here(row, bit) && self.form_holds(row);
        let form_above = |bit| self.above(row, bit) && self.form_holds(row - 1);
        let chain = self.here(row, bits.maximum) || self.above(row, bits.arg_maximum);
        match cell {
            UnitCell::Value => {
                self.copied(lane, row, VALUE_FROM)
                    || self.here(row, bits.plane_read)
                    || form(bits.value)
                    || form_above(bits.next_value)
                    || self.above(row, bits.product | bits.maximum)
                    || chain
            }
            UnitCell::Pre => {
                self.copied(lane, row, PRE_FROM)
                    || form(bits.pre)
                    || form_above(bits.next_pre)
                    || self.above(row, bits.product)
                    || chain
            }
            UnitCell::Low => form(bits.low) || self.above(row, bits.saturate) || chain,
            UnitCell::High => form(bits.high) || self.above(row, bits.saturate) || self.here(row, bits.maximum),
        }
    }

    fn is_pinned(&self, cell: UnitCell, lane: u32, row: u32) -> bool {
        let bits = &self.bits;
        let looked_up = || self.columns.value_switch(lane, row) != 0;
        let limbs = || self.columns.limb_switch(lane, row) != 0;
        match cell {
            UnitCell::Value => {
                looked_up()
                    || self.copied(lane, row, VALUE_TO)
                    || (self.form_holds(row) && self.here(row, bits.value))
                    || self.here(row, bits.maximum)
                    || self.above(row, bits.arg_maximum)
                    // The quotient of a reciprocal: tied by the product above, ranged through its copy.
                    || (self.above(row, bits.product)
                        && self.above(row, bits.pre)
                        && self.copied(lane, row, VALUE_FROM))
            }
            UnitCell::Pre => {
                let unit = || self.columns.shared(FixedColumn::PreCoefficient, row).abs() == 1;
                looked_up()
                    || self.copied(lane, row, PRE_TO)
                    || (self.here(row, bits.pointwise) && unit())
                    || self.clamps.shows(row, lane)
            }
            // A cell that is no limb is free: then the row is read by one identity, in a monomial of its own (checked
            // there), or its form or the arg-max gate determines it.
            UnitCell::Low => {
                limbs() || self.form_holds(row) && self.here(row, bits.low) || self.here(row, bits.arg_maximum)
            }
            UnitCell::High => limbs() || self.border(lane, row) || self.clamps.is_overflow(row),
        }
    }

    /// A border lane's `high`: it is zero in honest witnesses, and only shifts the free `low` beside it.
    fn border(&self, lane: u32, row: u32) -> bool {
        self.columns.is_zero(lane, row)
            && self.form_holds(row)
            && !self.here(row, self.bits.maximum)
            && !self.above(row, self.bits.saturate)
    }
}

fn copies_of_units(skeleton: &Skeleton) -> Vec<u8> {
    let units = skeleton.params.units as usize;
    let mut copies = vec![0; skeleton.regions.rows(Region::Units) * units];
    let mut mark = |cell: Cell, value: u8, pre: u8| match cell {
        Cell::Advice(AdviceColumn::Value(lane), row) => copies[row as usize * units + lane as usize] |= value,
        Cell::Advice(AdviceColumn::Pre(lane), row) => copies[row as usize * units + lane as usize] |= pre,
        _ => {}
    };
    for &(from, to) in &skeleton.copies {
        mark(from, VALUE_FROM, PRE_FROM);
        mark(to, VALUE_TO, PRE_TO);
    }
    copies
}

/// Rows whose linear forms an identity reads: those from which the identity reader's accumulators lead to a checked result.
fn identity_rows(skeleton: &Skeleton, columns: &Columns<'_>) -> Vec<bool> {
    let result = AdviceColumn::identity_result(&skeleton.params);
    let mut rows = vec![false; skeleton.regions.rows(Region::Units)];
    for (from, to) in &skeleton.copies {
        for cell in [from, to] {
            if let Cell::Advice(column, row) = *cell {
                if column == result {
                    for (row, ..) in (LeftSide { params: skeleton.params, columns }).rows(row) {
                        rows[row as usize] = true;
                    }
                }
            }
        }
    }
    rows
}
