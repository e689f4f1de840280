//! The widths that tell the members of the machine's family apart.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::columns::FixedColumn;

/// Which optional fixed columns a member has.
///
/// A fixed column that would be zero in every row is not configured (its commitment would be the identity, and it would
/// cost time and gas for nothing); the terms of the gates that it switches vanish with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnSet(u64);

impl ColumnSet {
    /// Adds a column.
    pub fn insert(&mut self, bit: u32) {
        self.0 |= 1 << bit;
    }

    /// Whether the column is there.
    pub fn contains(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// Whether only the first `count` bits are used.
    pub fn within(self, count: u32) -> bool {
        self.0 >> count == 0
    }
}

/// One member of the family of constraint systems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineParams {
    /// The circuit has `2^k` rows.
    pub k: u32,
    /// Units (activations) per row.
    pub units: u32,
    /// Weights per row.
    pub weights: u32,
    /// Lookup tables side by side.
    pub tables: u32,
    /// Optional fixed columns.
    pub optional: ColumnSet,
}

/// Widths outside what the family admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} is {found}, which the machine does not admit")]
pub struct ParamsError {
    /// Which width.
    pub what: &'static str,
    /// What was asked for.
    pub found: u32,
}

impl MachineParams {
    /// Rows at the end of each column that carry blinding.
    pub const BLINDED_ROWS: usize = 6;
    /// Smallest and largest `k`.
    pub const K: std::ops::RangeInclusive<u32> = 5..=25;
    /// Most units per row.
    pub const MAX_UNITS: u32 = 32;
    /// Most weights per row.
    pub const MAX_WEIGHTS: u32 = 512;
    /// Most tables side by side.
    pub const MAX_TABLES: u32 = 16;

    /// Checks that the widths are ones that the family admits; key parsers call it before anything is allocated.
    ///
    /// # Errors
    /// Names the width.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let checks = [
            ("k", self.k, *Self::K.start(), *Self::K.end()),
            ("the number of units per row", self.units, 1, Self::MAX_UNITS),
            ("the number of weights per row", self.weights, 1, Self::MAX_WEIGHTS),
            ("the number of tables", self.tables, 1, Self::MAX_TABLES),
        ];
        if let Some(&(what, found, ..)) = checks.iter().find(|(_, value, lo, hi)| !(lo..=hi).contains(&value)) {
            return Err(ParamsError { what, found });
        }
        if !self.optional.within(FixedColumn::OPTIONAL) {
            return Err(ParamsError { what: "the set of optional columns", found: u32::MAX });
        }
        Ok(())
    }

    /// Number of rows, blinded ones included.
    pub fn rows(&self) -> usize {
        1 << self.k
    }

    /// Number of rows that a program can use.
    pub fn usable_rows(&self) -> usize {
        self.rows() - Self::BLINDED_ROWS
    }
}
