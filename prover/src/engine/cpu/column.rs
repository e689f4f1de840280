//! Columns as this engine holds them: in memory, or those of elements on disk.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

use super::super::{Column, EngineError, Values};
use super::disk::Stored;
use super::CpuEngine;

/// A column of a [`CpuEngine`].
pub struct CpuColumn {
    pub(super) values: Place,
    /// The last rows.
    pub(super) tail: Vec<Fr>,
}

/// Where the first rows of a column are.
pub(super) enum Place {
    Memory(Values),
    /// Elements that nothing is done with at the moment.
    Disk(Stored),
}

impl CpuEngine {
    /// Takes a column over: elements go to the disk where columns do.
    pub(super) fn hold(&self, column: Column) -> Result<CpuColumn, EngineError> {
        let Column { values, tail } = column;
        let values = match (values, &self.spill) {
            (Values::Field(elements), Some(spill)) => {
                let stored = spill.disk.column(elements.len(), self.rows());
                stored.write_all(&elements)?;
                Place::Disk(stored)
            }
            (values, _) => Place::Memory(values),
        };
        Ok(CpuColumn { values, tail })
    }

    /// The elements of a column on disk, for as long as something is done with them.
    pub(super) fn fetch(&self, stored: &Stored) -> Result<Vec<Fr>, EngineError> {
        let mut elements = vec![Fr::ZERO; stored.rows()];
        stored.read_all(&mut elements)?;
        Ok(elements)
    }
}
