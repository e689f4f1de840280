//! The basis of the last rows, with a certificate by which anybody who knows `[τ]₂` can tell it from others.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::transcript::{EncodedChallenge, Transcript};

use super::{absorb_point, linear_combination, powers_sum};
use crate::encoding::encode_scalar;
use crate::srs::{pairing_product_is_one, SrsMark};
use crate::transcript::KeccakTranscript;
use crate::Digest;

/// Opens the hash of the challenges.
const TAG: [u8; 32] = *b"zkinfer link 1: bases of the end";

/// The points `[ℓ_i(τ)]₁` of the last rows of a domain, and what shows that they are that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlindingBases {
    points: Vec<G1Affine>,
    certificate: G1Affine,
}

/// The challenges of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateChallenges {
    /// Combines the bases.
    pub mu: Fr,
    /// The point at which their combination is opened.
    pub zeta: Fr,
}

impl CertificateChallenges {
    /// The challenges for bases of a domain of `2^k` rows.
    pub fn new(srs: Digest, k: u32, points: &[G1Affine]) -> Self {
        let mut hash = KeccakTranscript::of_nothing();
        hash.absorb(&TAG);
        hash.absorb(&srs.0);
        for number in [u64::from(k), points.len() as u64] {
            hash.absorb(&encode_scalar(&Fr::from(number)));
        }
        points.iter().for_each(|point| absorb_point(&mut hash, *point));
        let mut squeeze = || hash.squeeze_challenge().get_scalar();
        Self { mu: squeeze(), zeta: squeeze() }
    }

    /// `Σ_t μ^t·ℓ_t(ζ)` over the last `count` rows; `None` if `ζ` lies in the domain, which a hash does not.
    pub fn combined_value(&self, k: u32, count: usize) -> Option<Fr> {
        let omega = root_of_unity(k);
        let rows = 1u64 << k;
        let vanishing = self.zeta.pow_vartime([rows]) - Fr::ONE;
        let scale = Option::<Fr>::from((Fr::from(rows)).invert())? * vanishing;
        let first = omega.pow_vartime([rows - count as u64]);
        let points = std::iter::successors(Some(first), |point| Some(point * omega)).take(count);
        let values = points.map(|point| Some(point * scale * Option::<Fr>::from((self.zeta - point).invert())?));
        let values = values.collect::<Option<Vec<_>>>()?;
        Some(powers_sum(self.mu, values.into_iter()))
    }
}

/// A primitive `2^k`-th root of unity: the generator of the domain.
fn root_of_unity(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

impl BlindingBases {
    /// Bases, by increasing rows, and their certificate: the opening of `Σ μ^t·G_t` at `ζ`. Nothing is checked.
    pub fn new(points: Vec<G1Affine>, certificate: G1Affine) -> Self {
        Self { points, certificate }
    }

    /// The bases, by increasing rows.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }

    /// `Q`
    pub fn certificate(&self) -> &G1Affine {
        &self.certificate
    }

    /// Whether the points are `[ℓ_i(τ)]₁` for the last rows of a domain of `2^k`:
    /// `e(Σ μ^t·G_t − v·[1]₁ + ζ·Q, [1]₂) = e(Q, [τ]₂)`.
    pub fn are_certified(&self, srs: &SrsMark, k: u32) -> bool {
        if k > Fr::S || self.points.len() >= 1 << k {
            return false;
        }
        let challenges = CertificateChallenges::new(srs.digest(), k, &self.points);
        let Some(value) = challenges.combined_value(k, self.points.len()) else { return false };
        let powers: Vec<Fr> =
            std::iter::successors(Some(Fr::ONE), |power| Some(power * challenges.mu)).take(self.points.len()).collect();
        let combined = linear_combination(&self.points, &powers);
        let left = combined - G1Affine::generator() * value + self.certificate * challenges.zeta;
        pairing_product_is_one(&[(left.to_affine(), G2Affine::generator()), (-self.certificate, srs.tau_g2())])
    }
}
