//! Factors that are used often, with what makes products by them cheaper.
//!
//! With the whole quotient `w' = ⌊w·2^260/p⌋` at hand, `w·x mod p` needs no Montgomery reduction: `q = ⌊w'·x/2^260⌋` is the
//! quotient of `w·x` by `p`, up to a few units, and `w·x − q·p` is known from its lowest 260 bits (Shoup's method; Harvey,
//! *Faster arithmetic for number-theoretic transforms*, 2014). Here `w` is the factor itself, not its Montgomery residue:
//! `x` keeps its form.

use super::{words, Residue};

pub(super) const LIMB: u32 = 52;
pub(super) const LIMB_MASK: u64 = (1 << LIMB) - 1;

/// An element to multiply many others by, in 112 bytes. Making one costs some two products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor<F> {
    pub(super) element: F,
    /// The element as an integer below the modulus `p`.
    pub(super) limbs: [u64; 5],
    /// That integer times `2^260/p`, rounded down.
    pub(super) quotient: [u64; 5],
}

impl<F: Residue> Factor<F> {
    /// Prepares an element.
    pub fn new(element: F) -> Self {
        let mut integer = [0; 4];
        for (word, bytes) in integer.iter_mut().zip(element.to_repr().as_ref().chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
        }
        // What is left of `w·2^260` by division: the Montgomery residue of 16w, read as an integer.
        let left = words(&[element.double().double().double().double()])[0];
        Self { element, limbs: limbs(integer), quotient: exact_quotient::<F>(limbs(left)) }
    }

    /// The element.
    pub fn element(&self) -> F {
        self.element
    }
}

/// A power of two to divide many elements by, at a tenth of a product each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halvings<F> {
    pub(super) count: u32,
    /// `2^−count`
    pub(super) inverse: F,
}

impl<F: Residue> Halvings<F> {
    /// Prepares division by `2^count`.
    ///
    /// # Panics
    /// The count is above 32.
    pub fn new(count: u32) -> Self {
        assert!(count <= 32, "division by more than 2^32");
        Self { count, inverse: F::TWO_INV.pow_vartime([u64::from(count)]) }
    }
}

/// `−left/p mod 2^260`, limb by limb.
fn exact_quotient<F: Residue>(mut left: [u64; 5]) -> [u64; 5] {
    let p = limbs(F::MODULUS_WORDS);
    let negative_inverse = negative_inverse(p[0]);
    let mut quotient = [0; 5];
    for i in 0..5 {
        quotient[i] = left[i].wrapping_mul(negative_inverse) & LIMB_MASK;
        let mut carry = 0;
        for j in i..5 {
            let sum = u128::from(left[j]) + u128::from(quotient[i]) * u128::from(p[j - i]) + carry;
            left[j] = sum as u64 & LIMB_MASK;
            carry = sum >> LIMB;
        }
    }
    quotient
}

/// Four words of 64 bits as five limbs of 52.
pub(super) const fn limbs(words: [u64; 4]) -> [u64; 5] {
    [
        words[0] & LIMB_MASK,
        (words[0] >> 52 | words[1] << 12) & LIMB_MASK,
        (words[1] >> 40 | words[2] << 24) & LIMB_MASK,
        (words[2] >> 28 | words[3] << 36) & LIMB_MASK,
        words[3] >> 16,
    ]
}

/// `−1/word mod 2^52` for an odd word, by Newton's iteration.
pub(super) const fn negative_inverse(word: u64) -> u64 {
    let mut inverse = 1u64;
    let mut i = 0;
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(word.wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg() & LIMB_MASK
}
