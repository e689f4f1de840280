//! Small secrets, written over when they are dropped.
//!
//! What is kept so opens commitments, or would undo what hides the values of a proof: the last rows of columns, the nonces of links, seeds and the
//! key of a temporary file. `docs/soundness.md`, 9, says why the witness itself is not. It is done as well as the language
//! allows without unsafe code: nothing is known of copies that a compiler made, and of what a page file holds.

use std::ops::{Deref, DerefMut};

use halo2_proofs::halo2curves::bn256::Fr;

/// Overwrites with zeros, which the compiler is kept from leaving out.
pub(crate) fn wipe<T: Copy + Default>(items: &mut [T]) {
    items.fill(T::default());
    std::hint::black_box(items);
}

/// The last rows of columns, one list for each, which blind the commitments to them. `Debug` tells nothing of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tails(Vec<Vec<Fr>>);

impl From<Vec<Vec<Fr>>> for Tails {
    fn from(tails: Vec<Vec<Fr>>) -> Self {
        Self(tails)
    }
}

impl FromIterator<Vec<Fr>> for Tails {
    fn from_iter<I: IntoIterator<Item = Vec<Fr>>>(tails: I) -> Self {
        Self(tails.into_iter().collect())
    }
}

impl Deref for Tails {
    type Target = Vec<Vec<Fr>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Tails {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl std::fmt::Debug for Tails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tails")
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|tail| wipe(tail));
    }
}

/// A key or a seed.
pub(crate) struct Key(pub(crate) [u8; 32]);

impl Drop for Key {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wiped_is_zero() {
        let mut secret = [Fr::from(3), Fr::from(4)];
        wipe(&mut secret);
        assert_eq!(secret, [Fr::default(); 2]);
        assert_eq!(format!("{:?}", Tails::from(vec![vec![Fr::from(7)]])), "Tails");
    }
}
