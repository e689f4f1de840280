//! The development SRS. Since its `τ` is known, each point is a multiple of the generator by a known scalar.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2_proofs::halo2curves::group::{Curve, Group};
use rayon::prelude::*;
use verifier::srs::{development_tau, SrsMark, SrsOrigin};

use super::Srs;

/// Points that are worked on together.
const CHUNK: usize = 1 << 10;

/// The development SRS of `2^k` powers.
pub(super) fn srs(k: u32) -> Srs {
    let tau = development_tau();
    let generator = Multiples::of_the_generator();
    let mut powers = generator.times(&scalars(tau, Fr::ONE, (1 << k) + 1));
    let next_power = powers.pop();
    let lagrange = generator.times(&lagrange(k, tau));
    let tau_g2 = (G2Affine::generator() * tau).to_affine();
    let mark = SrsMark::new(SrsOrigin::Development, tau_g2).expect("this is the development SRS");
    Srs { mark, next_power, powers, lagrange }
}

/// `start, start·ratio, …`
fn scalars(ratio: Fr, start: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(start), |scalar| Some(scalar * ratio)).take(count).collect()
}

/// `ℓ_i(τ) = (τ^n − 1)/n · ω^i/(τ − ω^i)`. No root of unity is `τ`: it would be a small-order element.
fn lagrange(k: u32, tau: Fr) -> Vec<Fr> {
    let n = 1usize << k;
    let omega = crate::field::root_of_unity(k);
    let roots = scalars(omega, Fr::ONE, n);
    let mut values: Vec<_> = roots.iter().map(|root| tau - root).collect();
    values.iter_mut().batch_invert();
    let n_inverse = (0..k).fold(Fr::ONE, |power, _| power * Fr::TWO_INV);
    let factor = (tau.pow([n as u64]) - Fr::ONE) * n_inverse;
    values.iter_mut().zip(roots).for_each(|(value, root)| *value *= factor * root);
    values
}

/// `byte · 256^window` times the generator, for multiplications by one addition per byte of the scalar.
struct Multiples {
    windows: Vec<Vec<G1Affine>>,
}

impl Multiples {
    fn of_the_generator() -> Self {
        let mut base = G1::generator();
        let windows = (0..32).map(|_| {
            let multiples: Vec<_> = std::iter::successors(Some(base), |point| Some(point + base)).take(256).collect();
            base = multiples[255];
            to_affine(&multiples[..255])
        });
        Self { windows: windows.collect() }
    }

    fn times(&self, scalars: &[Fr]) -> Vec<G1Affine> {
        let chunks = scalars.par_chunks(CHUNK);
        chunks
            .flat_map_iter(|chunk| to_affine(&chunk.iter().map(|scalar| self.multiply(scalar)).collect::<Vec<_>>()))
            .collect()
    }

    fn multiply(&self, scalar: &Fr) -> G1 {
        let bytes = scalar.to_repr();
        self.windows
            .iter()
            .zip(bytes)
            .filter(|(_, byte)| *byte != 0)
            .fold(G1::identity(), |sum, (window, byte)| sum + window[usize::from(byte) - 1])
    }
}

fn to_affine(points: &[G1]) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine
}
