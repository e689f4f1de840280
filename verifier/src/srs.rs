//! What a verifier knows of the structured reference string (SRS): where it is from, and `[τ]₂`.
//!
//! Whoever knows `τ` can prove anything. The development SRS has a `τ` that this crate tells everybody; it makes keys
//! for development that are the same bytes on every machine, and is marked wherever it is used. The mark can't be
//! taken off: [`SrsMark::new`] knows the point.

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::FromUniformBytes;
use halo2_proofs::halo2curves::group::{Curve, Group};
use halo2_proofs::halo2curves::pairing::{Engine, MillerLoopResult, MultiMillerLoop};
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};
use thiserror::Error;

use crate::encoding::{encode_point2, PointError};
use crate::Digest;

/// Where an SRS is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SrsOrigin {
    /// Imported from a ceremony's file. As secure as the ceremony: its users judge that, we can't.
    Imported,
    /// The development SRS: everybody knows `τ`.
    Development,
}

/// Why an SRS is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SrsMarkError {
    /// `[τ]₂` is not a point of the group.
    #[error("the SRS: {0}")]
    Point(#[from] PointError),
    /// `τ` is public knowledge, and the SRS is not marked so.
    #[error("the SRS has a tau that everybody knows, and is not marked as a development SRS")]
    KnownTau,
    /// The SRS is marked as the development SRS and is another one.
    #[error("the SRS is marked as the development SRS, and is another one")]
    NotDevelopment,
}

/// Names an SRS: its origin and `[τ]₂` (the generators of both groups are those of EIP-197).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsMark {
    origin: SrsOrigin,
    tau_g2: G2Affine,
    digest: Digest,
}

/// The `τ` of the development SRS.
pub fn development_tau() -> Fr {
    Fr::from_uniform_bytes(&Sha512::digest("zkinfer development SRS: insecure, tau is public").into())
}

/// [`SrsMark::digest`] of the development SRS.
const DEVELOPMENT: Digest = Digest([
    0x13, 0x9c, 0x72, 0x4d, 0x79, 0xbb, 0xab, 0xd2, 0xa4, 0x9c, 0x2a, 0x49, 0xfa, 0xb6, 0xec, 0x68, 0xe4, 0x7f, 0xf8,
    0xfd, 0x8d, 0xf5, 0x01, 0x83, 0x89, 0xc0, 0xc9, 0x6b, 0x20, 0x4e, 0x58, 0x1a,
]);

impl SrsMark {
    /// Names an SRS.
    ///
    /// # Errors
    /// `tau_g2` is the point at infinity, or does not go with `origin`: the development SRS is marked as such, and
    /// `τ = 1` (a ceremony without contributions) is never accepted.
    pub fn new(origin: SrsOrigin, tau_g2: G2Affine) -> Result<Self, SrsMarkError> {
        let digest = Digest::of(&[&b"zkinfer SRS"[..], &encode_point2(&tau_g2)?].concat());
        match origin {
            _ if tau_g2 == G2Affine::generator() => Err(SrsMarkError::KnownTau),
            SrsOrigin::Imported if digest == DEVELOPMENT => Err(SrsMarkError::KnownTau),
            SrsOrigin::Development if digest != DEVELOPMENT => Err(SrsMarkError::NotDevelopment),
            _ => Ok(Self { origin, tau_g2, digest }),
        }
    }

    /// The development SRS.
    pub fn development() -> Self {
        let tau_g2 = (G2Affine::generator() * development_tau()).to_affine();
        Self::new(SrsOrigin::Development, tau_g2).expect("this is the development SRS")
    }

    /// Where the SRS is from.
    pub fn origin(&self) -> SrsOrigin {
        self.origin
    }

    /// Whether anybody can forge proofs under this SRS.
    pub fn is_insecure(&self) -> bool {
        self.origin == SrsOrigin::Development
    }

    /// `[τ]₂`.
    pub fn tau_g2(&self) -> G2Affine {
        self.tau_g2
    }

    /// Names `τ`, whatever the number of powers at hand: SHA-256 of `zkinfer SRS` and the 128 bytes of `[τ]₂`.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Whether the product of the pairings of `pairs` is 1.
pub fn pairing_product_is_one(pairs: &[(G1Affine, G2Affine)]) -> bool {
    let prepared = |other: &G2Affine| <Bn256 as MultiMillerLoop>::G2Prepared::from(*other);
    let pairs: Vec<_> = pairs.iter().map(|(point, other)| (*point, prepared(other))).collect();
    let terms: Vec<_> = pairs.iter().map(|(point, other)| (point, other)).collect();
    let product: <Bn256 as Engine>::Gt = Bn256::multi_miller_loop(&terms).final_exponentiation();
    product.is_identity().into()
}

/// An SRS of `2^k` powers in the form of the proof library. Without `lagrange` the library computes the Lagrange basis.
pub fn library_srs(
    k: u32,
    powers: Vec<G1Affine>,
    lagrange: Option<Vec<G1Affine>>,
    tau_g2: G2Affine,
) -> ParamsKZG<Bn256> {
    // The library makes an SRS from its own file format or from another SRS. So the smallest file comes first.
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let mut file = vec![0; 4];
    for part in [g1.to_raw_bytes(), g1.to_raw_bytes(), g2.to_raw_bytes(), g2.to_raw_bytes()] {
        file.extend(part);
    }
    let smallest = ParamsKZG::<Bn256>::read_custom(&mut file.as_slice(), SerdeFormat::RawBytes)
        .expect("memory holds the file whole");
    smallest.from_parts(k, powers, lagrange, g2, tau_g2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;

    fn at(tau: Fr) -> G2Affine {
        (G2Affine::generator() * tau).to_affine()
    }

    #[test]
    fn the_development_srs_can_not_hide() {
        let tau_g2 = at(development_tau());
        let mark = SrsMark::new(SrsOrigin::Development, tau_g2).expect("it is the development SRS");
        assert!(mark.is_insecure());
        assert_eq!(mark.digest(), DEVELOPMENT);
        assert_eq!(SrsMark::new(SrsOrigin::Imported, tau_g2), Err(SrsMarkError::KnownTau));
    }

    #[test]
    fn other_points_go_with_imported_alone() {
        let other = at(Fr::from(12345));
        assert!(!SrsMark::new(SrsOrigin::Imported, other).expect("any other tau").is_insecure());
        assert_eq!(SrsMark::new(SrsOrigin::Development, other), Err(SrsMarkError::NotDevelopment));
        for origin in [SrsOrigin::Imported, SrsOrigin::Development] {
            assert_eq!(SrsMark::new(origin, G2Affine::generator()), Err(SrsMarkError::KnownTau));
            assert_eq!(SrsMark::new(origin, G2Affine::identity()), Err(SrsMarkError::Point(PointError::Identity)));
        }
    }
}
