//! The points that scalars multiply.

use halo2_proofs::halo2curves::bn256::G1Affine;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;

use super::addition::{coordinates, fillers, Point};

/// Points in the order of rows, ready for [`super::multi_scalar`]. Takes 64 bytes a point.
pub struct Bases {
    /// The points, then the fillers of the additions. Where a point is at infinity there is nothing of meaning.
    points: Vec<Point>,
    /// Which points are at infinity; empty if none is.
    infinite: Vec<bool>,
}

impl Bases {
    /// Takes points over.
    ///
    /// # Panics
    /// There are `2^30` points or more.
    pub fn new(points: &[G1Affine]) -> Self {
        assert!(points.len() < 1 << 30, "positions take 31 bits");
        let infinite = if points.iter().any(|point| bool::from(point.is_identity())) {
            points.iter().map(|point| point.is_identity().into()).collect()
        } else {
            Vec::new()
        };
        Self { points: points.iter().map(coordinates).chain(fillers()).collect(), infinite }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.len() - fillers().len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The points, then the fillers.
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// Whether a point is at infinity.
    #[inline]
    pub(super) fn is_infinite(&self, row: u32) -> bool {
        self.infinite.get(row as usize).is_some_and(|infinite| *infinite)
    }
}
