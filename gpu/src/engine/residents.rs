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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use prover::engine::Column;

use super::GpuEngine;
use crate::column::{Form, KnownSum};
use crate::ffi::Made;
use crate::{Device, DeviceBuffer, DeviceColumn, DeviceError};

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
    /// When the work had made it; nothing for what was sent.
    made: Option<Made>,
    /// What was committed to before it was asked for.
    commitment: OnceLock<G1Affine>,
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

    /// Takes the column off the device, beside the work of `device`, unless something is done with it; whether that was so.
    fn leave(&self, device: &Device) -> Result<bool, DeviceError> {
        let mut place = match self.place.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(place)) => place.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        let Place::Device(held) = &mut *place else { return Ok(false) };
        let Some(held) = Arc::get_mut(held) else { return Ok(false) };
        let column = held.fetch(device, self.made)?;
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
    clock: Arc<AtomicU64>,
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

    /// A list of its own that goes by the same clock.
    pub(super) fn beside(&self) -> Self {
        Self { columns: Mutex::default(), clock: self.clock.clone() }
    }

    fn hold(&self, column: DeviceColumn, made: Option<Made>) -> GpuColumn {
        let place = Mutex::new(Place::Device(Arc::new(column)));
        let used = AtomicU64::new(self.tick());
        let state = Arc::new(State { place, used, made, commitment: OnceLock::new() });
        let mut listed = self.listed();
        if listed.len() % Self::LISTED == Self::LISTED - 1 {
            listed.retain(|column| column.strong_count() > 0);
        }
        listed.push(Arc::downgrade(&state));
        GpuColumn { state }
    }

    /// Those that are there and may leave.
    fn leaving(&self) -> Vec<Arc<State>> {
        let mut there: Vec<Arc<State>> = self.listed().iter().filter_map(Weak::upgrade).collect();
        there.retain(|state| state.may_leave());
        there
    }
}

impl GpuColumn {
    pub(super) fn commitment(&self) -> &OnceLock<G1Affine> {
        &self.state.commitment
    }

    /// Whether it was sent by `device` and lies there.
    pub(super) fn is_sent_by(&self, device: &Device) -> bool {
        matches!(&*self.state.place(), Place::Device(held) if held.is_sent_by(device))
    }

    /// Another hold of the same column.
    pub(super) fn same(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl GpuEngine {
    /// Sends the column that was used least recently to the host, of those of this proof and of the key; whether there was one.
    fn send_column(&self) -> Result<bool, DeviceError> {
        let mut there = self.residents.leaving();
        there.extend(self.key_residents.iter().flat_map(|residents| residents.leaving()));
        there.sort_by_key(|state| state.used.load(Ordering::Relaxed));
        for state in there {
            if state.leave(&self.device)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does something that takes memory; while it is refused, columns leave the device, and last the points of the SRS.
    pub(super) fn with_room<T>(&self, mut work: impl FnMut() -> Result<T, DeviceError>) -> Result<T, DeviceError> {
        loop {
            match work() {
                Err(DeviceError::OutOfMemory(_)) if self.send_column()? || self.points.leave(&self.device)? => {}
                result => return result,
            }
        }
    }

    /// The same where the points stay.
    pub(super) fn with_room_of_columns<T>(
        &self,
        mut work: impl FnMut() -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        loop {
            match work() {
                Err(DeviceError::OutOfMemory(_)) if self.send_column()? => {}
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
    pub(super) fn hold_elements(&self, elements: DeviceBuffer<Fr>) -> Result<GpuColumn, DeviceError> {
        let made = self.device.made()?;
        Ok(self.residents.hold(DeviceColumn::elements(elements), Some(made)))
    }

    pub(super) fn hold_constant(&self, element: Fr) -> GpuColumn {
        self.residents.hold(DeviceColumn::constant(element), None)
    }

    /// Takes a column over from the host.
    pub(super) fn upload(&self, column: &Column) -> Result<GpuColumn, DeviceError> {
        Ok(self.residents.hold(self.with_room(|| DeviceColumn::upload(&self.device, column))?, None))
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

    /// The column on the host.
    pub(super) fn fetched(&self, column: &GpuColumn) -> Result<Column, DeviceError> {
        match &*column.state.place() {
            Place::Device(held) => held.fetch(&self.device, column.state.made),
            Place::Host { column, .. } => Ok(column.clone()),
        }
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
