//! Commitments.

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::{Fq, G1Affine};
use halo2_proofs::halo2curves::group::Curve;

use super::columns::RawColumn;
use super::transform::DeviceDomain;
use super::{Device, DeviceBuffer, DeviceError, RawContext};
use crate::column::DeviceColumn;

functions! {
    /// Sums over points.
    Functions {
        fn zkinfer_choose_multiples(context: *mut RawContext, bases: *mut RawBases) -> i32;
        fn zkinfer_make_multiples(context: *mut RawContext, bases: *const RawBases) -> i32;
        fn zkinfer_commit(
            context: *mut RawContext,
            bases: *const RawBases,
            ends: *const RawBases,
            domain: u64,
            k: u32,
            columns: *const RawColumn,
            count: u64,
            commitments: *mut [Fq; 2],
        ) -> i32;
        fn zkinfer_begin_commit(
            context: *mut RawContext,
            bases: *const RawBases,
            ends: *const RawBases,
            domain: u64,
            k: u32,
            columns: *const RawColumn,
            count: u64,
            commitments: *mut *mut RawCommitments,
        ) -> i32;
        fn zkinfer_start_commit(context: *mut RawContext, commitments: *mut RawCommitments) -> i32;
        fn zkinfer_end_commit(
            context: *mut RawContext,
            commitments: *mut RawCommitments,
            points: *mut [Fq; 2],
        ) -> i32;
    }
}

/// Commitments of the library that are on their way.
#[repr(C)]
pub(crate) struct RawCommitments {
    _opaque: [u8; 0],
}

/// Points as the library takes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBases {
    points: u64,
    count: u64,
    first: u64,
    levels: u32,
    width: u32,
    sets: u32,
}

/// Points of a list, and lists of their multiples.
#[derive(Debug)]
pub(crate) struct DevicePoints {
    points: DeviceBuffer<[Fq; 2]>,
    raw: RawBases,
}

/// Rows whose points have tables of their own: tails of so many rows at most cost a few additions.
const ENDS: usize = 8;

/// Points behind those of the rows: their sum, and that with the powers of `ω`.
const CLOSED: usize = 2;

/// A list for each byte of a scalar.
const BY_BYTES: RawBases = RawBases { points: 0, count: 0, first: 0, levels: 32, width: 8, sets: 1 };

/// Points without multiples.
const SINGLE: RawBases = RawBases { points: 0, count: 0, first: 0, levels: 1, width: 0, sets: 0 };

/// The points that commitments are sums of, in a device's memory: the Lagrange basis, 64 bytes a row, and as many again for each list
/// of multiples that is kept beside it, where this makes sums cheaper by an eighth and takes a quarter of the free memory at most; and
/// tables of the last rows' points.
#[derive(Debug)]
pub struct DeviceBases {
    k: u32,
    /// The points of all rows, or of some neighbouring ones.
    all: DevicePoints,
    ends: Arc<DevicePoints>,
}

/// Coordinates; zeros at infinity, as the curve library has them.
fn coordinates(point: &G1Affine) -> [Fq; 2] {
    [point.x, point.y]
}

impl DevicePoints {
    /// Points with the multiples that `raw` tells.
    fn new(device: &Device, points: &[[Fq; 2]], raw: RawBases) -> Result<Self, DeviceError> {
        let mut buffer = device.buffer(points.len() * raw.levels as usize)?;
        buffer.upload(0, points)?;
        let raw = RawBases { points: buffer.address_on(device), count: points.len() as u64, ..raw };
        // SAFETY: there is room for as many lists, and the first one is there.
        device.call(|tables, context| unsafe { (tables.msm.zkinfer_make_multiples)(context, &raw) })?;
        Ok(Self { points: buffer, raw })
    }

    /// The points of `device`, for as long as they are there.
    fn raw_on(&self, device: &Device) -> RawBases {
        RawBases { points: self.points.address_on(device), ..self.raw }
    }
}

impl DeviceBases {
    /// The Lagrange basis `[ℓ_i(τ)]₁` of a domain, and `[τ]₁`.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// The number of points is no power of two.
    pub fn new(device: &Device, lagrange: &[G1Affine], tau: G1Affine) -> Result<Self, DeviceError> {
        assert!(lagrange.len().is_power_of_two(), "a point for each row of a domain");
        let ends = Self::ends(device, lagrange, tau)?;
        let points: Vec<_> = lagrange.iter().map(coordinates).collect();
        let mut raw = RawBases { count: points.len() as u64, ..SINGLE };
        // SAFETY: `raw` has the header's layout, and only its last numbers are written.
        device.call(|tables, context| unsafe { (tables.msm.zkinfer_choose_multiples)(context, &mut raw) })?;
        let all = DevicePoints::new(device, &points, raw)?;
        Ok(Self { k: lagrange.len().ilog2(), all, ends })
    }

    /// The tables of the last rows' points, and of what constants and permutations are summed over.
    pub(crate) fn ends(
        device: &Device,
        lagrange: &[G1Affine],
        tau: G1Affine,
    ) -> Result<Arc<DevicePoints>, DeviceError> {
        let closed = [G1Affine::generator(), tau];
        let last = lagrange[lagrange.len().saturating_sub(ENDS)..].iter().chain(&closed);
        Ok(Arc::new(DevicePoints::new(device, &last.map(coordinates).collect::<Vec<_>>(), BY_BYTES)?))
    }

    /// The points of `points.len()` rows from `first` on, of `2^k`, for the part of a sum over these; without multiples. They come beside the
    /// work. What belongs to no row is a part of the sum over the first rows.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// There are not so many rows.
    pub(crate) fn of_rows(
        device: &Device,
        k: u32,
        first: usize,
        points: &[[Fq; 2]],
        ends: &Arc<DevicePoints>,
    ) -> Result<Self, DeviceError> {
        assert!(first < 1 << k && points.len() <= (1 << k) - first, "rows beyond the domain");
        let raw = RawBases { count: points.len() as u64, first: first as u64, ..SINGLE };
        Ok(Self { k, all: DevicePoints { points: device.upload(points)?, raw }, ends: ends.clone() })
    }

    /// The points of the rows on the host, copied beside the work of `device`.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn fetch(&self, device: &Device) -> Result<Vec<[Fq; 2]>, DeviceError> {
        // The multiples behind them were made by the work, and are not wanted.
        let mut points = self.all.points.fetch(device, None)?;
        points.truncate(1 << self.k);
        Ok(points)
    }

    pub(crate) fn shared_ends(&self) -> &Arc<DevicePoints> {
        &self.ends
    }

    /// Points of which sums are wanted, and nothing beside them: a power of two, and two that belong to no row. Columns of constants, of
    /// permutations, and with a tail have other sums than they should.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    ///
    /// # Panics
    /// The number of points is none that is allowed.
    pub fn plain(points: DeviceBuffer<[Fq; 2]>) -> Result<Self, DeviceError> {
        let rows = points.len().saturating_sub(CLOSED);
        assert!(rows.is_power_of_two(), "a point for each row of a domain");
        let device = points.device().clone();
        let raw = RawBases { count: points.len() as u64, ..SINGLE };
        let none = RawBases { count: CLOSED as u64, ..BY_BYTES };
        let mut ends = device.buffer(CLOSED * BY_BYTES.levels as usize)?;
        ends.clear()?;
        let ends = Arc::new(DevicePoints { points: ends, raw: none });
        Ok(Self { k: rows.ilog2(), all: DevicePoints { points, raw }, ends })
    }

    /// Lists of points: that of the basis, and those of its multiples.
    pub fn lists(&self) -> usize {
        self.all.raw.levels as usize
    }

    /// Bytes of the device's memory.
    pub fn bytes(&self) -> usize {
        self.all.points.bytes() + self.ends.points.bytes()
    }
}

impl DeviceDomain {
    /// The commitments `Σ_i c_i·[ℓ_i(τ)]₁` to columns; where one is known but for the last rows, the sum is over these alone. Takes as
    /// much scratch memory as there is, up to some GiB; where memory is short, more passes.
    ///
    /// # Errors
    /// There is not the memory for the least pass, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// The points are those of another domain, or a column or they are another device's.
    pub fn commit(&self, bases: &DeviceBases, columns: &[&DeviceColumn]) -> Result<Vec<G1Affine>, DeviceError> {
        assert_eq!(self.k(), bases.k, "points of another domain");
        let device = self.device();
        let raw: Vec<_> = columns.iter().map(|column| RawColumn::new(device, column.summed())).collect();
        let (all, ends) = (bases.all.raw_on(device), bases.ends.raw_on(device));
        let mut sums = vec![[Fq::zero(); 2]; columns.len()];
        // SAFETY: the points, the tables of `k` and the columns' buffers are there, as long as they say; two coordinates are written for
        // each column.
        device.call(|tables, context| unsafe {
            let (count, to) = (raw.len() as u64, sums.as_mut_ptr());
            (tables.msm.zkinfer_commit)(context, &all, &ends, self.address(), self.k(), raw.as_ptr(), count, to)
        })?;
        Ok(with_known(sums, &known_of(columns)))
    }

    /// Begins commitments, which are waited for later: to columns that are on their way to the device, or are there; or the parts of them that
    /// are sums over some rows. The columns stay until [`DeviceCommitments::start`] has been called.
    ///
    /// # Errors
    /// There is no memory, a column is longer than the domain, or the device fails.
    ///
    /// # Panics
    /// The points are those of another domain, or a column or they are another device's.
    pub fn begin_commit(
        &self,
        bases: &DeviceBases,
        columns: &[&DeviceColumn],
    ) -> Result<DeviceCommitments, DeviceError> {
        assert_eq!(self.k(), bases.k, "points of another domain");
        let device = self.device();
        let raw: Vec<_> = columns.iter().map(|column| RawColumn::new(device, column.summed())).collect();
        let (all, ends) = (bases.all.raw_on(device), bases.ends.raw_on(device));
        let mut begun = std::ptr::null_mut();
        // SAFETY: as for `commit`; `begun` is written alone. What it holds on to is freed by itself, or is the caller's to keep.
        device.call(|tables, context| unsafe {
            let (count, to) = (raw.len() as u64, &mut begun);
            (tables.msm.zkinfer_begin_commit)(context, &all, &ends, self.address(), self.k(), raw.as_ptr(), count, to)
        })?;
        let known = if all.first == 0 { known_of(columns) } else { vec![None; columns.len()] };
        Ok(DeviceCommitments { device: device.clone(), begun, known })
    }
}

/// What is known of commitments but for the last rows.
fn known_of(columns: &[&DeviceColumn]) -> Vec<Option<G1Affine>> {
    columns.iter().map(|column| column.known.as_ref().map(|known| known.point)).collect()
}

fn with_known(sums: Vec<[Fq; 2]>, known: &[Option<G1Affine>]) -> Vec<G1Affine> {
    let sums = sums.into_iter().map(|[x, y]| G1Affine { x, y });
    sums.zip(known).map(|(sum, known)| known.map_or(sum, |known| (known + sum).to_affine())).collect()
}

/// Commitments that were begun. They are given up when dropped.
#[derive(Debug)]
pub struct DeviceCommitments {
    device: Device,
    begun: *mut RawCommitments,
    known: Vec<Option<G1Affine>>,
}

// SAFETY: the library takes it from any thread; calls wait for one another.
unsafe impl Send for DeviceCommitments {}

impl DeviceCommitments {
    /// Starts the sums, once it is known what the columns are like. The columns and points may be dropped then. May be tried again
    /// where memory is refused.
    ///
    /// # Errors
    /// There is not the memory for the least pass, or the device fails.
    pub fn start(&mut self) -> Result<(), DeviceError> {
        // SAFETY: it was begun with this context, and has not ended.
        self.device.call(|tables, context| unsafe { (tables.msm.zkinfer_start_commit)(context, self.begun) })
    }

    /// Waits for the commitments, one for each column.
    ///
    /// # Errors
    /// They were not started, or the device fails.
    pub fn end(mut self) -> Result<Vec<G1Affine>, DeviceError> {
        let begun = std::mem::replace(&mut self.begun, std::ptr::null_mut());
        let mut sums = vec![[Fq::zero(); 2]; self.known.len()];
        // SAFETY: it was begun with this context, and ends here; two coordinates are written for each column.
        self.device
            .call(|tables, context| unsafe { (tables.msm.zkinfer_end_commit)(context, begun, sums.as_mut_ptr()) })?;
        Ok(with_known(sums, &self.known))
    }
}

impl Drop for DeviceCommitments {
    fn drop(&mut self) {
        if self.begun.is_null() {
            return;
        }
        // SAFETY: it was begun with this context, and ends here. What the device says changes nothing.
        let _ = self.device.call(|tables, context| unsafe {
            (tables.msm.zkinfer_end_commit)(context, self.begun, std::ptr::null_mut())
        });
    }
}
