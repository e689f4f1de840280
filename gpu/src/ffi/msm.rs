//! Commitments.

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
    }
}

/// Points as the library takes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBases {
    points: u64,
    count: u64,
    levels: u32,
    width: u32,
    sets: u32,
}

/// Points of a list, and lists of their multiples.
#[derive(Debug)]
struct DevicePoints {
    points: DeviceBuffer<[Fq; 2]>,
    raw: RawBases,
}

/// Rows whose points have tables of their own: tails of so many rows at most cost a few additions.
const ENDS: usize = 8;

/// Points behind those of the rows: their sum, and that with the powers of `ω`.
const CLOSED: usize = 2;

/// A list for each byte of a scalar.
const BY_BYTES: RawBases = RawBases { points: 0, count: 0, levels: 32, width: 8, sets: 1 };

/// The points that commitments are sums of, in a device's memory: the Lagrange basis, 64 bytes a row, and as many again for each list
/// of multiples that is kept beside it, where this makes sums cheaper by an eighth and takes a quarter of the free memory at most; and
/// tables of the last rows' points.
#[derive(Debug)]
pub struct DeviceBases {
    k: u32,
    all: DevicePoints,
    ends: DevicePoints,
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
        let closed = [G1Affine::generator(), tau];
        let points: Vec<_> = lagrange.iter().chain(&closed).map(coordinates).collect();
        let mut raw = RawBases { points: 0, count: points.len() as u64, levels: 1, width: 0, sets: 0 };
        // SAFETY: `raw` has the header's layout, and only its last numbers are written.
        device.call(|tables, context| unsafe { (tables.msm.zkinfer_choose_multiples)(context, &mut raw) })?;
        let all = DevicePoints::new(device, &points, raw)?;
        let last = &points[lagrange.len().saturating_sub(ENDS)..];
        Ok(Self { k: lagrange.len().ilog2(), all, ends: DevicePoints::new(device, last, BY_BYTES)? })
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
        let raw = RawBases { points: 0, count: points.len() as u64, levels: 1, width: 0, sets: 0 };
        let none = RawBases { count: CLOSED as u64, ..BY_BYTES };
        let mut ends = device.buffer(CLOSED * BY_BYTES.levels as usize)?;
        ends.clear()?;
        let ends = DevicePoints { points: ends, raw: none };
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
    /// The commitments `Σ_i c_i·[ℓ_i(τ)]₁` to columns; where one is known but for the last rows, the sum is over these alone. Takes as much scratch memory as there is, up to some GiB; where memory is short,
    /// more passes.
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
        let mut commitments = vec![[Fq::zero(); 2]; columns.len()];
        // SAFETY: the points, the tables of `k` and the columns' buffers are there, as long as they say; two coordinates are written for
        // each column.
        device.call(|tables, context| unsafe {
            let (count, to) = (raw.len() as u64, commitments.as_mut_ptr());
            (tables.msm.zkinfer_commit)(context, &all, &ends, self.address(), self.k(), raw.as_ptr(), count, to)
        })?;
        let sums = commitments.into_iter().map(|[x, y]| G1Affine { x, y });
        let known = columns.iter().map(|column| column.known.as_ref().map(|known| known.point));
        Ok(sums.zip(known).map(|(sum, known)| known.map_or(sum, |known| (known + sum).to_affine())).collect())
    }
}
