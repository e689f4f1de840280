//! Columns as this engine holds them: in memory, or those of elements on disk.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;

use super::super::{Column, EngineError, KnownCommitment, Values};
use super::disk::Stored;
use super::CpuEngine;

/// A column of a [`CpuEngine`].
pub struct CpuColumn {
    pub(super) values: Place,
    /// The last rows.
    pub(super) tail: Vec<Fr>,
    /// What its commitment is known to be.
    pub(super) known: Option<KnownSum>,
}

/// A commitment that is the sum of a known one and multiples of the bases of the last rows.
pub(super) struct KnownSum {
    pub(super) point: G1Affine,
    /// The multiples, up to the last row.
    pub(super) differences: Vec<Fr>,
}

impl KnownSum {
    /// For a column with the last rows `tail`.
    pub(super) fn new(known: KnownCommitment, tail: &[Fr]) -> Self {
        Self { differences: known.differences(tail), point: known.point }
    }
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
        let Column { values, tail, known } = self.joined(column);
        let known = known.map(|known| KnownSum::new(known, &tail));
        let values = match (values, &self.spill) {
            (Values::Field(elements), Some(spill)) => {
                let stored = spill.disk.column(elements.len(), self.rows());
                stored.write_all(&elements)?;
                Place::Disk(stored)
            }
            (values, _) => Place::Memory(values),
        };
        Ok(CpuColumn { values, tail, known })
    }

    /// Last rows behind elements in all others are elements like them: a sum over points takes them along for less than tables do.
    fn joined(&self, column: Column) -> Column {
        match column {
            Column { values: Values::Field(mut elements), tail, known: None }
                if elements.len() + tail.len() == self.rows() =>
            {
                elements.reserve_exact(tail.len());
                elements.extend(tail);
                Column::new(Values::Field(elements))
            }
            column => column,
        }
    }

    /// The elements of a column on disk, for as long as something is done with them.
    pub(super) fn fetch(&self, stored: &Stored) -> Result<Vec<Fr>, EngineError> {
        let mut elements = vec![Fr::ZERO; stored.rows()];
        stored.read_all(&mut elements)?;
        Ok(elements)
    }
}
