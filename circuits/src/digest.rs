//! The salted digest of a hashed port: one public word for all of its values.
//!
//! With `P` the two-to-one hash [`poseidon::compress`], for the packed words `w_0 … w_(n−1)` of the port
//! ([`crate::interface`]) and a salt of 128 bits:
//!
//! ```text
//! h_0 = P(tag·2^64 + n, salt)        tag = the sixteen ASCII bytes of "zkinfer digest 1" as a number, the first the highest
//! h_(i+1) = P(h_i, w_i)              digest = h_n
//! ```
//!
//! *Binding*: two different openings `(n, salt, words)` of one digest are, walked back from the end, a collision of `P` or
//! a hash that equals a number `tag·2^64 + n`. *Hiding*: `h_0` is random to whoever does not know the salt, and so is the
//! digest, however few values the port may have. Both take `P` for a random function; see `docs/soundness.md`.
//!
//! Assumes that the words are what their port packs: the digest names words, and the port says which values they are.

use std::fmt;
use std::str::FromStr;

use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::poseidon;

/// What sets these digests apart from other uses of the hash.
const TAG: u128 = u128::from_be_bytes(*b"zkinfer digest 1");

/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;

/// What hides the values behind a digest: 128 bits that only the prover knows. `Debug` does not tell them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(u128);

/// The salted digest of a port's values, a field element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortDigest(Fr);

/// Why text is no salt or digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HexError {
    /// Not as many hexadecimal digits as it takes, or others.
    #[error("{digits} hexadecimal digits are expected")]
    Digits {
        /// Digits that it takes.
        digits: usize,
    },
    /// A number that is no field element.
    #[error("the number is not below the order of the scalar field")]
    Modulus,
}

impl Salt {
    /// Bytes of a salt.
    pub const BYTES: usize = 16;
    /// Bits of a limb, of which the circuit makes the salt.
    pub const LIMB_BITS: u32 = 16;
    /// Limbs of a salt.
    pub const LIMBS: usize = Self::BYTES * 8 / Self::LIMB_BITS as usize;

    /// The salt of bytes that were drawn at random; the first is the highest.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The bytes. They are as secret as the values.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// The limbs, the lowest first.
    pub fn limbs(self) -> [i64; Self::LIMBS] {
        std::array::from_fn(|limb| (self.0 >> (Self::LIMB_BITS as usize * limb)) as u16 as i64)
    }

    /// The text that [`Salt::from_str`] reads. It is as secret as the values.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl FromStr for Salt {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self::from_bytes)
    }
}

/// `tag·2^64 + n`: the first input of a digest of `n` words.
pub fn header(words: usize) -> Fr {
    Fr::from_u128(TAG) * Fr::from_u128(1 << 64) + Fr::from(words as u64)
}

impl PortDigest {
    /// The digest of packed words under a salt.
    pub fn of(words: &[Fr], salt: Salt) -> Self {
        let first = poseidon::compress(header(words.len()), Fr::from_u128(salt.0));
        Self(words.iter().fold(first, |hash, &word| poseidon::compress(hash, word)))
    }

    /// A digest that comes from elsewhere.
    pub fn from_word(word: Fr) -> Self {
        Self(word)
    }

    /// The instance word.
    pub fn word(self) -> Fr {
        self.0
    }

    /// The bytes, the highest first, as contracts have the word.
    pub fn to_bytes(self) -> [u8; DIGEST_BYTES] {
        let mut bytes = self.0.to_repr();
        bytes.reverse();
        bytes
    }

    /// The digest of bytes, the highest first; `None` where the number is no field element.
    pub fn from_bytes(mut bytes: [u8; DIGEST_BYTES]) -> Option<Self> {
        bytes.reverse();
        Option::from(Fr::from_repr(bytes)).map(Self)
    }
}

impl fmt::Display for PortDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PortDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortDigest({self})")
    }
}

impl FromStr for PortDigest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        Self::from_bytes(parse_hex(text)?).ok_or(HexError::Modulus)
    }
}

/// Text for people, bytes for files.
impl Serialize for PortDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.to_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PortDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => {
                let bytes = <[u8; DIGEST_BYTES]>::deserialize(deserializer)?;
                Self::from_bytes(bytes).ok_or_else(|| D::Error::custom(HexError::Modulus))
            }
        }
    }
}

/// Exactly `2·N` digits, with or without `0x`.
fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let mut bytes = [0; N];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| HexError::Digits { digits: 2 * N })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ff::Field;

    use super::*;

    const SALT: Salt = Salt(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

    #[test]
    fn the_chain_is_the_documented_one() {
        let words = [5, 6, 7].map(Fr::from);
        let salt = Fr::from_u128(SALT.0);
        let tag: Fr =
            b"zkinfer digest 1".iter().fold(Fr::ZERO, |tag, &byte| tag * Fr::from(256) + Fr::from(byte as u64));
        let mut hash = poseidon::compress(tag * Fr::from(2).pow([64]) + Fr::from(3), salt);
        for word in words {
            hash = poseidon::compress(hash, word);
        }
        assert_eq!(PortDigest::of(&words, SALT).word(), hash);
        let limbs =
            SALT.limbs().iter().rev().fold(Fr::ZERO, |sum, &limb| sum * Fr::from(1 << 16) + Fr::from(limb as u64));
        assert_eq!(limbs, salt);
    }

    #[test]
    fn everything_counts() {
        let words = [5, 6, 0].map(Fr::from);
        let digest = PortDigest::of(&words, SALT);
        let others = [
            PortDigest::of(&words, Salt(SALT.0 + 1)),
            PortDigest::of(&words[..2], SALT),
            PortDigest::of(&[5, 0, 6].map(Fr::from), SALT),
            PortDigest::of(&[], SALT),
        ];
        assert!(others.iter().all(|other| *other != digest));
    }

    #[test]
    fn text_is_read_back_and_other_text_refused() {
        let digest = PortDigest::of(&[Fr::ONE], SALT);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(SALT.to_hex().parse(), Ok(SALT));
        assert_eq!("0x0123456789ABCDEF0011223344556677".parse(), Ok(SALT));
        assert_eq!(format!("{SALT:?}"), "Salt");
        let order = "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
        assert_eq!(order.parse::<PortDigest>(), Err(HexError::Modulus));
        assert_eq!(order.replace("01", "00").parse::<PortDigest>().map(|_| ()), Ok(()));
        for text in ["", "0x", "0123", "g123456789abcdef0011223344556677", "+123456789abcdef0011223344556677"] {
            assert_eq!(text.parse::<Salt>(), Err(HexError::Digits { digits: 32 }), "{text}");
        }
    }
}
