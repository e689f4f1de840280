//! A handful of points with tables of their multiples.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::{Curve, Group};

use super::addition::{affine, coordinates, signed, Arena, Point};
use super::buckets::Pieces;
use super::scalars::Scalars;
use super::windows::Windows;
use crate::field::Instructions;

/// Bits of a window. Wider ones save additions in each column and cost as many for the tables: of 8 points for 6 rows of 20 columns,
/// 13 000 additions with 5 bits and 37 000 with 8; that many columns only are sums apart from their last rows.
const WIDTH: u32 = 5;
/// Bits of the largest magnitude, `(r − 1)/2`.
const BITS: u32 = 253;
/// Windows of a magnitude.
const WINDOWS: u32 = BITS.div_ceil(WIDTH);
/// Multiples in a window: digits have signs.
const MULTIPLES: u32 = 1 << (WIDTH - 1);

/// Points with all multiples `j·2^(5w)·P`, for sums over few points with full scalars: 51 additions a point. For the rows
/// of a column that blind it. Takes 52 KB a point.
pub struct FixedBases {
    /// Multiples by point, window and factor, then the fillers of the additions.
    multiples: Vec<Point>,
    infinite: Vec<bool>,
    windows: Windows,
}

impl FixedBases {
    /// Tables of points. Costs 816 additions and 255 doublings a point, on the calling thread.
    pub fn new(instructions: Instructions, points: &[G1Affine]) -> Self {
        let mut arena = Arena::new(points.len() * (WINDOWS * MULTIPLES) as usize);
        for (index, powers) in (0..).zip(powers(points).chunks_exact(WIDTH as usize)) {
            for (bit, power) in powers.iter().enumerate() {
                arena.set(index * MULTIPLES + (1 << bit) - 1, Some(coordinates(power)));
            }
        }
        for bit in 1..WIDTH - 1 {
            let power = 1 << bit;
            for window in 0..points.len() as u32 * WINDOWS {
                let first = window * MULTIPLES;
                (0..power - 1).for_each(|i| arena.queue_into(first + power - 1, first + i, first + power + i));
            }
            arena.add_queued(instructions);
        }
        Self {
            multiples: arena.into_points(),
            infinite: points.iter().map(|point| point.is_identity().into()).collect(),
            windows: Windows::of_width(BITS, WIDTH),
        }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.infinite.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.infinite.is_empty()
    }

    /// `Σ s_i·P_i` of each column, over the scalars there are. Works on the calling thread; the additions of all columns share
    /// inversions.
    ///
    /// # Panics
    /// A column has more scalars than there are points.
    pub fn combine(&self, instructions: Instructions, columns: &[&[Fr]]) -> Vec<G1> {
        let (mut entries, mut ends) = (Vec::new(), Vec::new());
        for column in columns {
            assert!(column.len() <= self.len(), "a point for each scalar");
            Scalars::Field(column).for_each(instructions, 0..column.len(), |point, negative, magnitude| {
                if !self.infinite[point as usize] {
                    let biased = self.windows.biased(magnitude);
                    let digits = (0..WINDOWS).map(|window| (window, self.windows.digit(&biased, window)));
                    entries.extend(digits.filter(|(_, digit)| *digit != 0).map(|(window, digit)| {
                        let position = (point * WINDOWS + window) * MULTIPLES + digit.unsigned_abs() - 1;
                        signed(position, negative ^ (digit < 0))
                    }));
                }
            });
            ends.push(entries.len() as u32);
        }
        let mut sums = Arena::new(columns.len());
        let mut pieces = Pieces::for_entries(entries.len(), columns.len());
        pieces.add(instructions, &self.multiples, &entries, &ends, &mut sums);
        (0..columns.len() as u32).map(|i| sums.get(i).map_or_else(G1::identity, |sum| affine(sum).into())).collect()
    }
}

/// `2^i·P` for the bits of all windows, by point. The generator takes the place of points at infinity, which are never looked
/// up.
fn powers(points: &[G1Affine]) -> Vec<G1Affine> {
    let count = (WINDOWS * WIDTH) as usize;
    let powers: Vec<G1> = points
        .iter()
        .map(|point| if point.is_identity().into() { G1Affine::generator() } else { *point })
        .flat_map(|point| std::iter::successors(Some(G1::from(point)), |power| Some(power.double())).take(count))
        .collect();
    let mut normalised = vec![G1Affine::identity(); powers.len()];
    G1::batch_normalize(&powers, &mut normalised);
    normalised
}
