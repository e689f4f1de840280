//! Sums of points with scalars, `Σ s_i·P_i`, over the group G1 of BN254.
//!
//! **Method** (Pippenger, *On the evaluation of powers and monomials*, 1980, with signed digits). Each scalar becomes a sign
//! and a magnitude, whichever of `s` and `r − s` is shorter; a magnitude becomes signed digits in windows of `c` bits
//! (`windows`). In each window, points are sorted by the absolute value of their digit and summed up in *buckets*, and
//! the buckets with their values as weights (`buckets`); Horner's rule puts the windows together. Points are added in
//! affine coordinates, many at once (`addition`): six products an addition.
//!
//! For `n` scalars that are not zero and `W` windows, that is at most `n·W + 2·Σ_w 2^(c−1)` additions; `c` is chosen to make it
//! least, and `W` follows from the largest magnitude, so that small integers take one window or two. Zero scalars and
//! zero digits cost no addition.
//!
//! **Work and memory.** A column is cut into tasks by windows and, where that is not enough for the threads, by rows. A
//! task holds the buckets of its windows, and the digits and sorted entries of a block of rows: at most 128 bytes a row, up to
//! 8 MiB; with the arena and the lists of additions that is below 10 MiB a thread, whatever the number of rows. Buckets go on from block
//! to block, so cutting rows into blocks costs no additions. Field elements are turned into integers anew in each
//! task, which is a product for about fifty.
//!
//! **Outcome.** Counted: `2^18` full scalars take 17 windows of 15 bits, so 18 additions a scalar; `2^12` take 26 windows of 10
//! bits, 29 additions. At six products each, where a product by IFMA takes 6.5 ns and one of the curve library 20 (a busy Zen 4
//! of two cores, one thread), that is 0.70 and 1.13 µs a scalar; measured are 1.15 and 1.69, the rest being gathers, sorting,
//! and inversions (2 µs for up to 4096 additions). Against `best_multiexp` on the same values this is 4 and 6 times as fast;
//! columns of 8, 16 and 32 bits are more than 25 times as fast.
//!
//! **Timing** depends on the scalars; see [`crate::field`].

mod addition;
mod bases;
mod buckets;
mod fixed;
mod scalars;
mod tasks;
mod windows;

#[cfg(test)]
mod tests;

use halo2_proofs::halo2curves::bn256::G1;

use crate::field::Instructions;

pub use bases::Bases;
pub use fixed::FixedBases;
pub use scalars::Scalars;

/// `Σ s_i·P_i` over the scalars there are. Uses all threads of the current pool.
///
/// # Panics
/// There are more scalars than bases, a row of sparse ones is not that of a base, or these have not as many rows as values.
pub fn multi_scalar(instructions: Instructions, bases: &Bases, scalars: &Scalars<'_>) -> G1 {
    multi_scalar_batch(instructions, bases, &[*scalars])[0]
}

/// [`multi_scalar`] of several columns. Uses all threads of the current pool, whether the columns are many or large.
///
/// # Panics
/// As [`multi_scalar`].
pub fn multi_scalar_batch(instructions: Instructions, bases: &Bases, columns: &[Scalars<'_>]) -> Vec<G1> {
    for column in columns {
        assert!(column.fits(bases.len()), "a base for each scalar");
    }
    tasks::run(instructions, bases, columns)
}
