//! Links on a chain: what the contracts of `contracts/src/LinkVerifier.sol` and its users are told.

use circuits::graph::PortKind;

use super::abi::{exact_scale, word};
use super::call::{bytes, call, tuple, Argument};
use super::{keccak, Hash};
use crate::encoding::{encode_point, encode_point2, PointError};
use crate::link::{Content, Link, Linkable, Side};
use crate::srs::SrsMark;
use crate::{Digest, VerifyingKey};

/// `verifyLink(Side,Side,bytes,bytes)`
const VERIFY_LINK: &str = "verifyLink((bytes32,uint8,uint16,uint256,bytes32,bytes),\
                           (bytes32,uint8,uint16,uint256,bytes32,bytes),bytes,bytes)";
/// `certifyBases(bytes32,uint8,bytes,bytes)`
const CERTIFY_BASES: &str = "certifyBases(bytes32,uint8,bytes,bytes)";

/// The call of the link verifier: `verifyLink(from, to, tau, link)`.
///
/// # Errors
/// A point of a side has no encoding.
pub fn verify_link(srs: &SrsMark, from: &Side, to: &Side, link: &Link) -> Result<Vec<u8>, PointError> {
    let arguments = [side(from)?, side(to)?, bytes(&encode_point2(&srs.tau_g2())?), bytes(&link.words.0)];
    Ok(call(VERIFY_LINK, &arguments.map(Argument::Dynamic)))
}

/// The call by which bases are certified once for all links over them: `certifyBases(srs, k, tau, bases)`, of the bases with their
/// certificate that a link of columns of `2^k` rows starts with.
///
/// # Errors
/// A point of the SRS has no encoding.
pub fn certify_bases(srs: &SrsMark, k: u32, bases: &[u8]) -> Result<Vec<u8>, PointError> {
    let arguments = [
        Argument::Word(srs.digest().0),
        Argument::Word(word(k as usize)),
        Argument::Dynamic(bytes(&encode_point2(&srs.tau_g2())?)),
        Argument::Dynamic(bytes(bases)),
    ];
    Ok(call(CERTIFY_BASES, &arguments))
}

/// The bytes of a link over `rows` blinded rows that are the bases and their certificate.
pub fn bases_of(link: &Link, rows: usize) -> &[u8] {
    let bytes = (rows + 1) * crate::encoding::POINT_BYTES;
    &link.words.0[..bytes.min(link.words.0.len())]
}

/// The name that contracts keep of a side: Keccak-256 of its ABI encoding.
///
/// # Errors
/// A point of the side has no encoding.
pub fn side_hash(of: &Side) -> Result<Hash, PointError> {
    Ok(keccak(&tuple(&[Argument::Dynamic(side(of)?)])))
}

/// What columns hold as one word, by which contracts compare sides: 0 for weights of a proof, 1 for registered ones; for a port its kind
/// plus 1, its number of values, and its scale.
pub fn values_word(content: Content) -> [u8; 32] {
    let low: u128 = match content {
        Content::Weights => 0,
        Content::Registered => 1,
        Content::Port { elements, scale, kind } => {
            let (mantissa, exponent) = exact_scale(scale);
            kind_word(kind) << 112 | (elements as u128) << 80 | u128::from(mantissa) << 16 | u128::from(exponent as u16)
        }
    };
    let mut word = [0; 32];
    word[16..].copy_from_slice(&low.to_be_bytes());
    word
}

/// The kind of a port in such a word. Nullable ports are not committed to, so no side has the 3; contracts number all kinds.
fn kind_word(kind: PortKind) -> u128 {
    match kind {
        PortKind::Real => 1,
        PortKind::Index => 2,
        PortKind::Nullable => 3,
    }
}

/// A `Part` as words: what a contract pins of the columns that can be linked.
pub fn part(key: &VerifyingKey, of: &Linkable) -> Vec<u8> {
    let description = key.description();
    let Digest(digest) = key.digest();
    let numbers = [
        description.params.k as usize,
        description.params.blinded_rows(),
        of.columns.start,
        of.columns.len(),
        of.port as usize,
    ];
    let words = [digest, description.srs.digest().0, values_word(of.content)];
    words.into_iter().chain(numbers.map(word)).flatten().collect()
}

/// A `Side` as the ABI encodes it, a tuple with one dynamic member.
fn side(of: &Side) -> Result<Vec<u8>, PointError> {
    let points = of.points().iter().map(encode_point).collect::<Result<Vec<_>, _>>()?.concat();
    Ok(tuple(&[
        Argument::Word(of.srs().0),
        Argument::Word(word(of.k() as usize)),
        Argument::Word(word(of.blinded_rows())),
        Argument::Word(values_word(of.content())),
        Argument::Word(*of.context()),
        Argument::Dynamic(bytes(&points)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that `Sides.valuesOf` makes, by hand.
    #[test]
    fn values_are_packed_as_the_contracts_pack_them() {
        assert_eq!(values_word(Content::Weights), [0; 32]);
        assert_eq!(values_word(Content::Registered)[..], [[0; 16], 1u128.to_be_bytes()].concat());
        let port = |kind| Content::Port { elements: 10, scale: 0.375, kind };
        let expected = |kind: u128| {
            let packed = kind << 112 | 10 << 80 | 3 << 16 | u128::from(-3i16 as u16);
            [[0; 16], packed.to_be_bytes()].concat()
        };
        assert_eq!(values_word(port(PortKind::Real))[..], expected(1));
        assert_eq!(values_word(port(PortKind::Index))[..], expected(2));
        assert_eq!(values_word(port(PortKind::Nullable))[..], expected(3));
    }
}
