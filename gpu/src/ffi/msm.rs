//! Commitments.

use halo2_proofs::halo2curves::bn256::{Fq, G1Affine};

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

/// The points that commitments are sums of, in a device's memory: the Lagrange basis, 64 bytes a row, and as many again for each list
/// of multiples that is kept beside it, where this makes sums cheaper by an eighth and takes a quarter of the free memory at most.
#[derive(Debug)]
pub struct DeviceBases {
    k: u32,
    points: DeviceBuffer<[Fq; 2]>,
    raw: RawBases,
}

/// Coordinates; zeros at infinity, as the curve library has them.
fn coordinates(point: &G1Affine) -> [Fq; 2] {
    [point.x, point.y]
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
        let count = lagrange.len() + closed.len();
        let mut raw = RawBases { points: 0, count: count as u64, levels: 1, width: 0, sets: 0 };
        // SAFETY: `raw` has the header's layout, and only its last numbers are written.
        device.call(|tables, context| unsafe { (tables.msm.zkinfer_choose_multiples)(context, &mut raw) })?;
        let mut points = device.buffer(count * raw.levels as usize)?;
        points.upload(0, &lagrange.iter().chain(&closed).map(coordinates).collect::<Vec<_>>())?;
        raw.points = points.address_on(device);
        // SAFETY: there is room for as many lists, and the first one is there.
        device.call(|tables, context| unsafe { (tables.msm.zkinfer_make_multiples)(context, &raw) })?;
        Ok(Self { k: lagrange.len().ilog2(), points, raw })
    }

    /// Lists of points: that of the basis, and those of its multiples.
    pub fn lists(&self) -> usize {
        self.raw.levels as usize
    }

    /// Bytes of the device's memory.
    pub fn bytes(&self) -> usize {
        self.points.bytes()
    }
}

impl DeviceDomain {
    /// The commitments `Σ_i c_i·[ℓ_i(τ)]₁` to columns. Takes as much scratch memory as there is, up to some GiB; where memory is short,
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
        let raw: Vec<_> = columns.iter().map(|column| RawColumn::new(device, column)).collect();
        let raw_bases = RawBases { points: bases.points.address_on(device), ..bases.raw };
        let mut commitments = vec![[Fq::zero(); 2]; columns.len()];
        // SAFETY: the points, the tables of `k` and the columns' buffers are there, as long as they say; two coordinates are written for
        // each column.
        device.call(|tables, context| unsafe {
            let (count, to) = (raw.len() as u64, commitments.as_mut_ptr());
            (tables.msm.zkinfer_commit)(context, &raw_bases, self.address(), self.k(), raw.as_ptr(), count, to)
        })?;
        Ok(commitments.into_iter().map(|[x, y]| G1Affine { x, y }).collect())
    }
}
