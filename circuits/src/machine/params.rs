//! The widths that tell the members of the machine's family apart.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Optional parts of the machine. A part that a program does not use is not configured: its columns would be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features {
    /// The plane reader and weight taps (convolutions with a spatial extent).
    pub planes: bool,
    /// Products of two cells.
    pub products: bool,
    /// The running-maximum gate.
    pub maximum: bool,
    /// The arg-max gate.
    pub arg_max: bool,
    /// The saturation gadget.
    pub saturation: bool,
}

/// One member of the family of constraint systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineParams {
    /// The circuit has `2^k` rows.
    pub k: u32,
    /// Units (activations) per row.
    pub units: u32,
    /// Weights per row.
    pub weights: u32,
    /// Lookup tables side by side.
    pub tables: u32,
    /// Optional parts.
    pub features: Features,
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
    /// Rows at the end of each column that carry blinding (the last usable row is before them).
    pub const BLINDED_ROWS: usize = 6;
    /// Smallest and largest `k`.
    pub const K: std::ops::RangeInclusive<u32> = 5..=25;

    /// Checks that the widths are ones that the family admits; key parsers call it before anything is allocated.
    ///
    /// # Errors
    /// Names the width.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let checks = [
            ("k", self.k, *Self::K.start(), *Self::K.end()),
            ("the number of units per row", self.units, 1, 32),
            ("the number of weights per row", self.weights, 1, 512),
            ("the number of tables", self.tables, 1, 16),
        ];
        match checks.iter().find(|(_, value, lo, hi)| !(lo..=hi).contains(&value)) {
            Some(&(what, found, ..)) => Err(ParamsError { what, found }),
            None => Ok(()),
        }
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
