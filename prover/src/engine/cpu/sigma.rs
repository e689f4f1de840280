//! Values of permutation columns: `δ^j·ω^i` for the cell `(j, i)` that a cell is mapped to.

use std::ops::Range;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

use super::super::SigmaColumn;
use super::CpuEngine;
use crate::field::{self, Instructions, Kernel, Lanes};

/// Moved cells that are worked on at a time.
const CHUNK: usize = 256;

/// `differences[i] = δ^(image column)·ω^(image row) − δ^column·ω^row`
struct Differences<'a> {
    points: &'a [Fr],
    /// Powers of `δ`.
    deltas: &'a [Fr],
    delta: Fr,
    rows: &'a [u32],
    image_columns: &'a [u32],
    image_rows: &'a [u32],
    differences: &'a mut [Fr],
}

impl Kernel for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let delta = lanes.splat(self.delta);
        let mut place = 0;
        while place < self.rows.len() {
            let power = lanes.gather(self.deltas, &self.image_columns[place..]);
            let image = lanes.mul(power, lanes.gather(self.points, &self.image_rows[place..]));
            let own = lanes.mul(delta, lanes.gather(self.points, &self.rows[place..]));
            lanes.store(lanes.sub(image, own), &mut self.differences[place..]);
            place += L::COUNT;
        }
    }
}

/// What the permutation adds to the polynomial `δ^j·X` in some of the rows that it moves.
pub(super) struct Moved<'a> {
    /// The rows.
    pub(super) rows: &'a [u32],
    /// `σ_i − δ^j·ω^i` there.
    pub(super) differences: Vec<Fr>,
}

impl Moved<'_> {
    /// The rows with their differences.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Fr)> {
        self.rows.iter().map(|row| *row as usize).zip(&self.differences)
    }
}

impl CpuEngine {
    /// The moved cells at some places of the list of a column.
    pub(super) fn moved<'a>(&self, sigma: &'a SigmaColumn, places: Range<usize>) -> Moved<'a> {
        let (rows, images) = (&sigma.rows[places.clone()], &sigma.images[places]);
        let last = images.iter().map(|(column, _)| *column).max().unwrap_or(0).max(sigma.column);
        let deltas: Vec<Fr> = field::powers_of(Fr::DELTA).take(last as usize + 1).collect();
        let mut differences = vec![Fr::ZERO; rows.len()];
        let chunks = rows.chunks(CHUNK).zip(images.chunks(CHUNK)).zip(differences.chunks_mut(CHUNK));
        for ((rows, images), differences) in chunks {
            let mut image_columns = [0; CHUNK];
            let mut image_rows = [0; CHUNK];
            for (place, (column, row)) in images.iter().enumerate() {
                (image_columns[place], image_rows[place]) = (*column, *row);
            }
            // What does not fill the widest vectors is left to the portable ones.
            let whole = rows.len() / 8 * 8;
            for (instructions, part) in [(self.instructions(), 0..whole), (Instructions::Portable, whole..rows.len())] {
                let kernel = Differences {
                    points: &self.points,
                    deltas: &deltas,
                    delta: deltas[sigma.column as usize],
                    rows: &rows[part.clone()],
                    image_columns: &image_columns[part.clone()],
                    image_rows: &image_rows[part.clone()],
                    differences: &mut differences[part],
                };
                field::run(instructions, kernel);
            }
        }
        Moved { rows, differences }
    }
}
