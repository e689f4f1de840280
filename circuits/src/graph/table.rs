//! Tables of functions on an interval of integers.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

/// A function on the integers `lo ..= lo + values.len() − 1`; outside it saturates to the nearest end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    name: String,
    lo: i64,
    values: Arc<[i32]>,
}

/// Why a table can't be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// A table needs at least one value.
    #[error("table {0:?} has no values")]
    Empty(String),
}

impl Table {
    /// A table with `values[i] = f(lo + i)`.
    pub fn new(name: impl Into<String>, lo: i64, values: Vec<i32>) -> Result<Self, TableError> {
        let name = name.into();
        if values.is_empty() {
            return Err(TableError::Empty(name));
        }
        Ok(Self { name, lo, values: values.into() })
    }

    /// The identity on `[lo, hi]`: a plain saturating clamp.
    pub fn identity(lo: i32, hi: i32) -> Self {
        assert!(lo <= hi, "the interval of an identity table is not empty");
        Self { name: format!("clamp[{lo},{hi}]"), lo: i64::from(lo), values: (lo..=hi).collect() }
    }

    /// What the function is, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Smallest argument.
    pub fn lo(&self) -> i64 {
        self.lo
    }

    /// Largest argument.
    pub fn hi(&self) -> i64 {
        self.lo + self.values.len() as i64 - 1
    }

    /// The values from [`Table::lo`] upwards.
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// The function, saturating at both ends of the domain.
    pub fn apply(&self, argument: i64) -> i64 {
        let index = argument.clamp(self.lo, self.hi()) - self.lo;
        i64::from(self.values[index as usize])
    }

    /// Smallest and largest value taken on `[lo, hi]` after clamping.
    pub fn image(&self, lo: i64, hi: i64) -> (i64, i64) {
        let first = (lo.clamp(self.lo, self.hi()) - self.lo) as usize;
        let last = (hi.clamp(self.lo, self.hi()) - self.lo) as usize;
        let part = &self.values[first..=last.max(first)];
        let min = part.iter().min().expect("the part is not empty");
        let max = part.iter().max().expect("the part is not empty");
        (i64::from(*min), i64::from(*max))
    }
}
