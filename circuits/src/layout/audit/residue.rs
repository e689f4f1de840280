//! Residues modulo the prime `2^61 − 1`, in which the audit computes.

use std::hash::{BuildHasher, RandomState};

/// The modulus.
pub(super) const MODULUS: u64 = (1 << 61) - 1;

/// A number below `2^122` as a residue.
fn fold(value: u128) -> u64 {
    let folded = (value as u64 & MODULUS) + (value >> 61) as u64;
    let folded = (folded & MODULUS) + (folded >> 61);
    if folded >= MODULUS {
        folded - MODULUS
    } else {
        folded
    }
}

/// An integer as a residue.
pub(super) fn of(value: i128) -> u64 {
    value.rem_euclid(MODULUS.into()) as u64
}

/// A cell as a residue.
pub(super) fn of_cell(value: i64) -> u64 {
    match u64::try_from(value) {
        Ok(value) => value % MODULUS,
        // Without the remainder where it is not needed: most cells are weights.
        Err(_) if value > -(MODULUS as i64) => MODULUS - value.unsigned_abs(),
        Err(_) => of(value.into()),
    }
}

/// The sum of two residues.
pub(super) fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= MODULUS {
        sum - MODULUS
    } else {
        sum
    }
}

/// The product of two residues.
pub(super) fn multiply(a: u64, b: u64) -> u64 {
    fold(u128::from(a) * u128::from(b))
}

/// Random residues by name, drawn anew for every audit.
#[derive(Clone, Debug, Default)]
pub(super) struct Randomness(RandomState);

impl Randomness {
    /// The residue that stands for number `index` of `kind`.
    pub(super) fn residue(&self, kind: u32, index: u32) -> u64 {
        self.0.hash_one((kind, index)) % MODULUS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let modulus = i128::from(MODULUS);
        let samples = [0, 1, 2, 12_345_678_901, modulus / 2, modulus - 2, modulus - 1];
        for a in samples {
            for b in samples {
                assert_eq!(add(of(a), of(b)), of(a + b));
                assert_eq!(multiply(of(a), of(b)), of(a * b));
                assert_eq!(of(-a), of(modulus - a));
            }
        }
    }
}
