//! Points and scalars as bytes: one encoding for each value, the one that the precompiled contracts of Ethereum read.
//!
//! | value | bytes |
//! | --- | --- |
//! | scalar | 32, big-endian, below the group order `r` |
//! | point of G1 | `x`, `y`: 64, each coordinate big-endian and below the field's modulus `q` |
//! | point of G2 | `x₁`, `x₀`, `y₁`, `y₀` for coordinates `x₀ + x₁·i`: 128 (EIP-197) |
//!
//! The point at infinity is never valid: no commitment of an honest key or proof is it, and contracts refuse it.

use halo2_proofs::halo2curves::bn256::{Fq, Fq2, Fr, G1Affine, G2Affine, G2};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::halo2curves::group::cofactor::CofactorGroup;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::CurveAffine;
use thiserror::Error;

/// Bytes of a scalar, and of a coordinate.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of a point of G1.
pub const POINT_BYTES: usize = 64;
/// Bytes of a point of G2.
pub const POINT2_BYTES: usize = 128;

/// Why bytes are no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PointError {
    /// A coordinate at or above the modulus of its field.
    #[error("a coordinate is not below the field's modulus")]
    Coordinate,
    /// The point at infinity.
    #[error("the point is at infinity")]
    Identity,
    /// Coordinates that do not satisfy the equation of the curve.
    #[error("the point is not on the curve")]
    OffCurve,
    /// A point of the curve of G2 outside the group of order `r`.
    #[error("the point is not in the group")]
    OutsideGroup,
}

/// A scalar, or `None` where the number is not below `r`.
pub fn decode_scalar(bytes: &[u8; SCALAR_BYTES]) -> Option<Fr> {
    Fr::from_repr(reversed(bytes)).into()
}

/// The bytes of a scalar.
pub fn encode_scalar(scalar: &Fr) -> [u8; SCALAR_BYTES] {
    reversed(&scalar.to_repr())
}

/// A point of G1 other than infinity.
///
/// # Errors
/// The bytes are no such point.
pub fn decode_point(bytes: &[u8; POINT_BYTES]) -> Result<G1Affine, PointError> {
    let (x, y) = (decode_coordinate(&bytes[..32])?, decode_coordinate(&bytes[32..])?);
    if bool::from(x.is_zero() & y.is_zero()) {
        return Err(PointError::Identity);
    }
    Option::from(G1Affine::from_xy(x, y)).ok_or(PointError::OffCurve)
}

/// The bytes of a point of G1.
///
/// # Errors
/// The point at infinity has none.
pub fn encode_point(point: &G1Affine) -> Result<[u8; POINT_BYTES], PointError> {
    if bool::from(point.is_identity()) {
        return Err(PointError::Identity);
    }
    let mut bytes = [0; POINT_BYTES];
    bytes[..32].copy_from_slice(&encode_coordinate(&point.x));
    bytes[32..].copy_from_slice(&encode_coordinate(&point.y));
    Ok(bytes)
}

/// A point of G2 other than infinity.
///
/// # Errors
/// The bytes are no point of the group of order `r`.
pub fn decode_point2(bytes: &[u8; POINT2_BYTES]) -> Result<G2Affine, PointError> {
    let coordinate = |index: usize| decode_coordinate(&bytes[32 * index..][..32]);
    let x = Fq2 { c0: coordinate(1)?, c1: coordinate(0)? };
    let y = Fq2 { c0: coordinate(3)?, c1: coordinate(2)? };
    if bool::from(x.is_zero() & y.is_zero()) {
        return Err(PointError::Identity);
    }
    let point: G2Affine = Option::from(G2Affine::from_xy(x, y)).ok_or(PointError::OffCurve)?;
    if bool::from(G2::from(point).is_torsion_free()) {
        Ok(point)
    } else {
        Err(PointError::OutsideGroup)
    }
}

/// The bytes of a point of G2.
///
/// # Errors
/// The point at infinity has none.
pub fn encode_point2(point: &G2Affine) -> Result<[u8; POINT2_BYTES], PointError> {
    if bool::from(point.is_identity()) {
        return Err(PointError::Identity);
    }
    let mut bytes = [0; POINT2_BYTES];
    for (index, coordinate) in [point.x.c1, point.x.c0, point.y.c1, point.y.c0].iter().enumerate() {
        bytes[32 * index..][..32].copy_from_slice(&encode_coordinate(coordinate));
    }
    Ok(bytes)
}

fn decode_coordinate(bytes: &[u8]) -> Result<Fq, PointError> {
    let bytes: &[u8; 32] = bytes.try_into().expect("a coordinate has 32 bytes");
    Option::from(Fq::from_repr(reversed(bytes))).ok_or(PointError::Coordinate)
}

fn encode_coordinate(coordinate: &Fq) -> [u8; 32] {
    reversed(&coordinate.to_repr())
}

fn reversed(bytes: &[u8; 32]) -> [u8; 32] {
    let mut bytes = *bytes;
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::group::Curve;

    /// `q` and `r`, as EIP-197 states them in decimal, written in hexadecimal.
    const Q: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
    const R: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..][..2], 16).expect("hexadecimal"))
    }

    fn less_one(mut bytes: [u8; 32]) -> [u8; 32] {
        bytes[31] -= 1;
        bytes
    }

    #[test]
    fn scalars_are_below_r() {
        assert_eq!(decode_scalar(&hex(R)), None);
        assert_eq!(decode_scalar(&[0xff; 32]), None);
        let largest = decode_scalar(&less_one(hex(R))).expect("r - 1 is a scalar");
        assert_eq!(largest, -Fr::ONE);
        assert_eq!(encode_scalar(&largest), less_one(hex(R)));
    }

    #[test]
    fn the_generator_of_g1_is_one_two() {
        let mut bytes = [0; 64];
        bytes[31] = 1;
        bytes[63] = 2;
        assert_eq!(decode_point(&bytes), Ok(G1Affine::generator()));
        assert_eq!(encode_point(&G1Affine::generator()), Ok(bytes));
    }

    #[test]
    fn points_with_a_fault_are_refused() {
        let generator = encode_point(&G1Affine::generator()).expect("not at infinity");
        assert_eq!(decode_point(&[0; 64]), Err(PointError::Identity));
        let with = |offset: usize, value: [u8; 32]| {
            let mut bytes = generator;
            bytes[offset..][..32].copy_from_slice(&value);
            decode_point(&bytes)
        };
        assert_eq!(with(0, hex(Q)), Err(PointError::Coordinate));
        assert_eq!(with(32, [0xff; 32]), Err(PointError::Coordinate));
        assert_eq!(with(0, less_one(hex(Q))), Err(PointError::OffCurve));
        assert_eq!(encode_point(&G1Affine::identity()), Err(PointError::Identity));
    }

    #[test]
    fn the_generator_of_g2_is_that_of_eip_197() {
        let bytes = encode_point2(&G2Affine::generator()).expect("not at infinity");
        let x1 = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2";
        assert_eq!(bytes[..32], hex(x1));
        assert_eq!(decode_point2(&bytes), Ok(G2Affine::generator()));
    }

    #[test]
    fn points_of_g2_with_a_fault_are_refused() {
        let generator = encode_point2(&G2Affine::generator()).expect("not at infinity");
        assert_eq!(decode_point2(&[0; 128]), Err(PointError::Identity));
        let mut bytes = generator;
        bytes[127] ^= 1;
        assert_eq!(decode_point2(&bytes), Err(PointError::OffCurve));
        bytes[..32].copy_from_slice(&hex(Q));
        assert_eq!(decode_point2(&bytes), Err(PointError::Coordinate));
        assert_eq!(encode_point2(&G2Affine::identity()), Err(PointError::Identity));
    }

    /// The curve of G2 has a cofactor: most of its points lie outside the group.
    #[test]
    fn points_outside_the_group_are_refused() {
        let b = (G2Affine::generator().y.square()) - G2Affine::generator().x.square() * G2Affine::generator().x;
        let point = (1u64..)
            .find_map(|x| {
                let x = Fq2 { c0: Fq::from(x), c1: Fq::ZERO };
                let y: Option<Fq2> = (x.square() * x + b).sqrt().into();
                y.map(|y| G2Affine { x, y })
            })
            .expect("some small number is the abscissa of a point");
        let bytes = encode_point2(&point).expect("not at infinity");
        assert_eq!(decode_point2(&bytes), Err(PointError::OutsideGroup));
        let inside = (G2::from(point).clear_cofactor()).to_affine();
        let bytes = encode_point2(&inside).expect("not at infinity");
        assert_eq!(decode_point2(&bytes), Ok(inside));
    }
}
