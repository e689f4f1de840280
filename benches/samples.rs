//! Pseudo-random elements and points.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::{Curve, Group};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// Pseudo-random elements.
pub fn elements(seed: u64, n: usize) -> Vec<Fr> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    (0..n).map(|_| Fr::random(&mut random)).collect()
}

/// Different points: the sums `P_i + Q_j` of a thousand pseudo-random points each.
pub fn points(n: usize) -> Vec<G1Affine> {
    const SIDE: usize = 1 << 10;
    let mut random = ChaCha20Rng::seed_from_u64(9);
    let mut side = |count: usize| -> Vec<G1> { (0..count).map(|_| G1::random(&mut random)).collect() };
    let (rows, columns) = (side(n.div_ceil(SIDE)), side(SIDE.min(n)));
    let mut columns_affine = vec![G1Affine::default(); columns.len()];
    G1::batch_normalize(&columns, &mut columns_affine);
    let sums: Vec<G1> = rows.iter().flat_map(|row| columns_affine.iter().map(move |column| row + column)).collect();
    let mut points = vec![G1Affine::default(); sums.len()];
    G1::batch_normalize(&sums, &mut points);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_different() {
        let mut points: Vec<String> = points(1 << 11).iter().map(|point| format!("{point:?}")).collect();
        assert_eq!(points.len(), 1 << 11);
        points.sort();
        points.dedup();
        assert_eq!(points.len(), 1 << 11);
    }
}
