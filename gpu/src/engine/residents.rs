//! Columns between the device and the host.
//!
//! A column of the engine lies on the device as long as there is memory. Where an allocation is refused, the column that was used least
//! recently, of those that nothing is done with, goes to the host, as narrow as it is; whoever reads it next brings it back. What
//! reads several columns and finds no room for all of them reads half of them at a time. So too little memory means more passes, and an
//! operation fails only where what it can't do without does not fit.
//!
//! An operation is tried again after it was refused memory. That is allowed since all functions of the library take their memory
//! before they change anything that a caller sees.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use halo2_proofs::halo2curves::bn256::Fr;
use prover::engine::Column;

use super::GpuEngine;
use crate::column::{Form, KnownSum};
use crate::{DeviceBuffer, DeviceColumn, DeviceError};

/// A column of a [`GpuEngine`].
#[derive(Debug)]
pub struct GpuColumn {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    place: Mutex<Place>,
    /// When it was used last, by the engine's clock.
    used: AtomicU64,
}

/// Where a column is.
#[derive(Debug)]
enum Place {
    Device(Arc<DeviceColumn>),
    /// What a commitment needs no sum for is a few rows, and stays on the device.
    Host {
        column: Column,
        known: Option<Box<KnownSum>>,
    },
}

impl State {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the column off the device, unless something is done with it; whether that was so.
    fn leave(&self) -> Result<bool, DeviceError> {
        let mut place = match self.place.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(place)) => place.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        let Place::Device(held) = &mut *place else { return Ok(false) };
        let Some(held) = Arc::get_mut(held) else { return Ok(false) };
        let column = held.download()?;
        let known = held.known.take();
        *place = Place::Host { column, known };
        Ok(true)
    }

    /// Whether leaving would free anything.
    fn may_leave(&self) -> bool {
        match self.place.try_lock().as_deref() {
            Ok(Place::Device(held)) => Arc::strong_count(held) == 1 && held.own_bytes() > 0,
            _ => false,
        }
    }
}

/// The columns of an engine that may leave the device.
#[derive(Debug, Default)]
pub(super) struct Residents {
    columns: Mutex<Vec<Weak<State>>>,
    clock: AtomicU64,
}

impl Residents {
    /// Columns listed between two clearings of those that are dropped.
    const LISTED: usize = 256;

    fn listed(&self) -> MutexGuard<'_, Vec<Weak<State>>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn hold(&self, column: DeviceColumn) -> GpuColumn {
        let place = Mutex::new(Place::Device(Arc::new(column)));
        let state = Arc::new(State { place, used: AtomicU64::new(self.tick()) });
        let mut listed = self.listed();
        if listed.len() % Self::LISTED == Self::LISTED - 1 {
            listed.retain(|column| column.strong_count() > 0);
        }
        listed.push(Arc::downgrade(&state));
        GpuColumn { state }
    }

    /// Sends the column that was used least recently to the host; whether there was one.
    fn send_one(&self) -> Result<bool, DeviceError> {
        let mut there: Vec<Arc<State>> = self.listed().iter().filter_map(Weak::upgrade).collect();
        there.retain(|state| state.may_leave());
        there.sort_by_key(|state| state.used.load(Ordering::Relaxed));
        for state in there {
            if state.leave()? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl GpuEngine {
    /// Does something that takes memory; while it is refused, columns leave the device.
    pub(super) fn with_room<T>(&self, mut work: impl FnMut() -> Result<T, DeviceError>) -> Result<T, DeviceError> {
        loop {
            match work() {
                Err(DeviceError::OutOfMemory(_)) if self.residents.send_one()? => {}
                result => return result,
            }
        }
    }

    /// A new column, of anything, that stays on the device while it is worked on.
    pub(super) fn new_column(&self) -> Result<DeviceBuffer<Fr>, DeviceError> {
        self.with_room(|| self.device.buffer(self.rows()))
    }

    /// A new column of zeros.
    pub(super) fn zeros(&self) -> Result<DeviceBuffer<Fr>, DeviceError> {
        let mut column = self.new_column()?;
        column.clear()?;
        Ok(column)
    }

    /// A column that may leave the device from now on.
    pub(super) fn hold(&self, column: DeviceColumn) -> GpuColumn {
        self.residents.hold(column)
    }

    pub(super) fn hold_elements(&self, elements: DeviceBuffer<Fr>) -> GpuColumn {
        self.hold(DeviceColumn::elements(elements))
    }

    /// Takes a column over from the host.
    pub(super) fn upload(&self, column: &Column) -> Result<GpuColumn, DeviceError> {
        Ok(self.hold(self.with_room(|| DeviceColumn::upload(&self.device, column))?))
    }

    /// The column on the device, where it stays as long as the result is there.
    pub(super) fn bring(&self, column: &GpuColumn) -> Result<Arc<DeviceColumn>, DeviceError> {
        let state = &column.state;
        state.used.store(self.residents.tick(), Ordering::Relaxed);
        let mut place = state.place();
        if let Place::Host { column, known } = &mut *place {
            let there = self.with_room(|| DeviceColumn::upload(&self.device, column))?;
            *place = Place::Device(Arc::new(DeviceColumn { known: known.take(), ..there }));
        }
        match &*place {
            Place::Device(held) => Ok(held.clone()),
            Place::Host { .. } => unreachable!("it was brought"),
        }
    }

    pub(super) fn bring_all(&self, columns: &[&GpuColumn]) -> Result<Vec<Arc<DeviceColumn>>, DeviceError> {
        columns.iter().map(|column| self.bring(column)).collect()
    }

    /// The elements of a column that was held as such and that nobody else reads, to be worked on.
    pub(super) fn take_elements(&self, column: GpuColumn) -> Result<DeviceBuffer<Fr>, DeviceError> {
        drop(self.bring(&column)?);
        let zero = Arc::new(DeviceColumn::constant(Fr::zero()));
        let held = std::mem::replace(&mut *column.state.place(), Place::Device(zero));
        match held {
            Place::Device(held) => match Arc::try_unwrap(held).map(|column| column.form) {
                Ok(Form::Elements(elements)) => Ok(elements),
                _ => unreachable!("a column of elements that nobody else reads"),
            },
            // Another thread had no room.
            Place::Host { column, .. } => {
                let column = self.upload(&column)?;
                self.take_elements(column)
            }
        }
    }
}

/// Makes a result for each of some things.
type Work<'a, A, T> = dyn FnMut(&mut [A]) -> Result<Vec<T>, DeviceError> + 'a;

/// The results for some things at once; or, where memory is too short for that, for half of them at a time.
pub(super) fn in_parts<A, T>(items: &mut [A], work: &mut Work<'_, A, T>) -> Result<Vec<T>, DeviceError> {
    match work(items) {
        Err(DeviceError::OutOfMemory(_)) if items.len() > 1 => {
            let (first, second) = items.split_at_mut(items.len() / 2);
            let mut results = in_parts(first, work)?;
            results.extend(in_parts(second, work)?);
            Ok(results)
        }
        result => result,
    }
}
