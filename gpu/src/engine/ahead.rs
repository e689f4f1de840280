//! Commitments that are begun before they are asked for: while a witness comes to the device column by column, sums over the columns that are
//! there go on beside the copies.
//!
//! Columns are begun in groups. What the sums of a group depend on is found by the stream of copies, behind the columns themselves; the
//! sums are started when the next group is begun, so that the host waits for copies that are long done, and never for a sum. Where there is
//! no room, columns are committed to when that is asked for, as all others are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::points::Place;
use super::{GpuColumn, GpuEngine};
use crate::{DeviceBases, DeviceColumn, DeviceCommitments, DeviceError};

/// Cells of a group at least: a sum of so many takes longer than the launches that it is made of.
const GROUP: usize = 1 << 20;

/// What was begun, and what is to be begun next.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Rows of the domain times columns, at least, of a group.
    group: usize,
    groups: Mutex<Groups>,
}

#[derive(Debug, Default)]
struct Groups {
    waiting: Vec<GpuColumn>,
    begun: Vec<Group>,
}

/// Columns whose commitments were begun.
#[derive(Debug)]
struct Group {
    columns: Vec<GpuColumn>,
    /// What stays on the device until the sums are started.
    held: Option<(Vec<Arc<DeviceColumn>>, Arc<DeviceBases>)>,
    commitments: DeviceCommitments,
}

impl Ahead {
    pub(super) fn new(group: Option<usize>) -> Self {
        Self { group: group.unwrap_or(GROUP), groups: Mutex::default() }
    }

    /// The same for another proof.
    pub(super) fn again(&self) -> Self {
        Self::new(Some(self.group))
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    /// Starts the sums of the last group; where there is no room for them, they are given up.
    fn start_last(&mut self) -> Result<(), DeviceError> {
        let Some(last) = self.begun.last_mut().filter(|group| group.held.is_some()) else { return Ok(()) };
        match last.commitments.start() {
            Ok(()) => last.held = None,
            Err(DeviceError::OutOfMemory(_)) => drop(self.begun.pop()),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl GpuEngine {
    /// Takes note that a column is committed to next; begins to where enough of them are on their way.
    pub(super) fn commit_ahead(&self, column: &GpuColumn) -> Result<(), DeviceError> {
        if !column.is_sent_by(&self.device) {
            return Ok(());
        }
        let mut groups = self.ahead.groups();
        groups.waiting.push(column.same());
        if groups.waiting.len() * self.rows() < self.ahead.group {
            return Ok(());
        }
        groups.start_last()?;
        let columns = std::mem::take(&mut groups.waiting);
        let Place::Device(bases) = self.points.place().clone() else { return Ok(()) };
        let begun = self.bring_all(&columns.iter().collect::<Vec<_>>()).and_then(|held| {
            let commitments = self.domain.begin_commit(&bases, &held.iter().map(Arc::as_ref).collect::<Vec<_>>())?;
            Ok(Group { columns, held: Some((held, bases)), commitments })
        });
        match begun {
            Ok(group) => groups.begun.push(group),
            Err(DeviceError::OutOfMemory(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits for what was begun: the columns know their commitments then.
    pub(super) fn end_ahead(&self) -> Result<(), DeviceError> {
        let mut groups = self.ahead.groups();
        groups.waiting.clear();
        groups.start_last()?;
        for group in std::mem::take(&mut groups.begun) {
            for (column, commitment) in group.columns.iter().zip(group.commitments.end()?) {
                // Whoever asks twice is told the same.
                let _ = column.commitment().set(commitment);
            }
        }
        Ok(())
    }
}
