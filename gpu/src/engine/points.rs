//! The points of the SRS: on the device, or on the host where memory is short.
//!
//! Where they are on the host, a commitment is a sum of sums over some rows each: the points of these come to the device while the sum
//! before is computed, and the parts are added on the host. They come back as a whole when there is room for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halo2_proofs::halo2curves::bn256::{Fq, G1Affine, G1};
use halo2_proofs::halo2curves::group::{Curve, Group};

use super::GpuEngine;
use crate::ffi::DevicePoints;
use crate::{Device, DeviceBases, DeviceColumn, DeviceCommitments, DeviceError};

/// Rows whose points come at a time, at least.
const LEAST_ROWS: usize = 1 << 8;

/// The points of the SRS.
pub(super) struct Points {
    k: u32,
    ends: Arc<DevicePoints>,
    place: Mutex<Place>,
}

#[derive(Clone)]
pub(super) enum Place {
    Device(Arc<DeviceBases>),
    Host(Arc<Vec<[Fq; 2]>>),
}

impl Points {
    /// Puts the Lagrange basis and `[τ]₁` onto the device, with multiples where these fit; or keeps the basis on the host.
    pub(super) fn new(device: &Device, lagrange: &[G1Affine], tau: G1Affine) -> Result<Self, DeviceError> {
        let k = lagrange.len().ilog2();
        match DeviceBases::new(device, lagrange, tau) {
            Ok(bases) => {
                let ends = bases.shared_ends().clone();
                Ok(Self { k, ends, place: Mutex::new(Place::Device(Arc::new(bases))) })
            }
            Err(DeviceError::OutOfMemory(_)) => {
                let ends = DeviceBases::ends(device, lagrange, tau)?;
                let points = lagrange.iter().map(|point| [point.x, point.y]).collect();
                Ok(Self { k, ends, place: Mutex::new(Place::Host(Arc::new(points))) })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the points off the device, beside its work, unless sums over them are being begun; whether that was so.
    pub(super) fn leave(&self, device: &Device) -> Result<bool, DeviceError> {
        let mut place = self.place();
        let Place::Device(bases) = &mut *place else { return Ok(false) };
        let Some(bases) = Arc::get_mut(bases) else { return Ok(false) };
        let points = Arc::new(bases.fetch(device)?);
        *place = Place::Host(points);
        Ok(true)
    }

    /// Where the points are; on the device if there is room for as much again beside them.
    fn found(&self, device: &Device) -> Result<Place, DeviceError> {
        let mut place = self.place();
        let Place::Host(points) = &*place else { return Ok(place.clone()) };
        let room = device.buffer::<[Fq; 2]>(2 * points.len());
        match room.map(drop).and_then(|()| DeviceBases::of_rows(device, self.k, 0, points, &self.ends)) {
            Ok(bases) => *place = Place::Device(Arc::new(bases)),
            Err(DeviceError::OutOfMemory(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(place.clone())
    }
}

impl GpuEngine {
    /// Sums over the points with the values of columns that are on the device.
    pub(super) fn sums(&self, columns: &[&DeviceColumn]) -> Result<Vec<G1Affine>, DeviceError> {
        let points = match self.points.found(&self.device)? {
            Place::Host(points) => points,
            Place::Device(bases) => {
                let sums = self.with_room_of_columns(|| self.domain.commit(&bases, columns));
                drop(bases);
                match sums {
                    Err(DeviceError::OutOfMemory(_)) if self.points.leave(&self.device)? => {}
                    sums => return sums,
                }
                match &*self.points.place() {
                    Place::Host(points) => points.clone(),
                    // Another proof has brought them back meanwhile.
                    Place::Device(_) => return Err(DeviceError::OutOfMemory("the points are in use".into())),
                }
            }
        };
        self.sums_in_parts(&points, columns)
    }

    /// The same by the points of some rows at a time, as many as there is room for twice: those of a part come while the sums over the part before
    /// are computed.
    fn sums_in_parts(&self, points: &[[Fq; 2]], columns: &[&DeviceColumn]) -> Result<Vec<G1Affine>, DeviceError> {
        let mut sums = vec![G1::identity(); columns.len()];
        let mut add = |parts: Vec<G1Affine>| sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        let (mut first, mut rows) = (0, points.len().div_ceil(2));
        let mut before: Option<(DeviceBases, DeviceCommitments)> = None;
        while first < points.len() {
            let part = &points[first..points.len().min(first + rows)];
            let begin = || {
                let bases = DeviceBases::of_rows(&self.device, self.domain.k(), first, part, &self.points.ends)?;
                let mut begun = self.domain.begin_commit(&bases, columns)?;
                begun.start()?;
                Ok((bases, begun))
            };
            let begun = if rows > LEAST_ROWS { begin() } else { self.with_room_of_columns(begin) };
            match (begun, before.take()) {
                (Ok(begun), done) => {
                    first += part.len();
                    before = Some(begun);
                    done.map_or(Ok(()), |(_, done)| done.end().map(&mut add))?;
                }
                (Err(DeviceError::OutOfMemory(_)), done) if rows > LEAST_ROWS => {
                    rows /= 2;
                    before = done;
                }
                (Err(DeviceError::OutOfMemory(_)), Some((_, done))) => add(done.end()?),
                (Err(error), _) => return Err(error),
            }
        }
        before.map_or(Ok(()), |(_, last)| last.end().map(&mut add))?;
        Ok(sums.iter().map(Curve::to_affine).collect())
    }
}
