//! Small secrets, written over when they are dropped.
//!
//! What is kept so opens commitments, or would undo what hides the values of a proof: the last rows of columns, the nonces of links, seeds and the
//! key of a temporary file. `docs/soundness.md`, 9, says what is not, and why. It is done as well as the language
//! allows without unsafe code: nothing is known of copies that a compiler made, and of what a page file holds.

use std::ops::{Deref, DerefMut};

use halo2_proofs::halo2curves::bn256::Fr;

/// Overwrites with zeros, which the compiler is kept from leaving out.
pub(crate) fn wipe<T: Copy + Default + PartialEq>(items: &mut [T]) {
    items.fill(T::default());
    std::hint::black_box(&mut *items);
    #[cfg(test)]
    witnessed::tell(items);
}

/// Puts a secret's place to another use, which the compiler is kept from leaving out.
pub(crate) fn replace<T: Clone + PartialEq>(secret: &mut T, blank: T) {
    secret.clone_from(&blank);
    std::hint::black_box(&mut *secret);
    #[cfg(test)]
    witnessed::tell_replaced(secret == &blank);
}

/// What was wiped, as tests see it where it happens: what was dropped can't be looked at afterwards.
#[cfg(test)]
pub(crate) mod witnessed {
    use std::cell::RefCell;

    thread_local! {
        static LENGTHS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// Notes a slice that was wiped.
    pub(super) fn tell<T: Default + PartialEq>(items: &[T]) {
        assert!(items.iter().all(|item| *item == T::default()), "it holds what it held");
        LENGTHS.with_borrow_mut(|lengths| lengths.push(items.len()));
    }

    /// Notes a secret that was replaced.
    pub(super) fn tell_replaced(is_blank: bool) {
        assert!(is_blank, "it is what it was");
        LENGTHS.with_borrow_mut(|lengths| lengths.push(1));
    }

    /// The lengths of the slices that were wiped on this thread while `work` was done.
    pub(crate) fn lengths(work: impl FnOnce()) -> Vec<usize> {
        LENGTHS.take();
        work();
        LENGTHS.take()
    }
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

/// The bytes of a file that holds secrets.
pub(crate) struct SecretBytes(pub(crate) Vec<u8>);

impl Drop for SecretBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
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
    use super::witnessed::lengths;
    use super::*;
    use crate::engine::KnownCommitment;
    use crate::link::Opening;
    use crate::plonk::randomness::Randomness;

    #[test]
    fn what_is_wiped_is_zero() {
        let mut secret = [Fr::from(3), Fr::from(4)];
        wipe(&mut secret);
        assert_eq!(secret, [Fr::default(); 2]);
    }

    #[test]
    fn secrets_are_wiped_when_they_are_dropped() {
        let tails = || Tails::from(vec![vec![Fr::from(7); 5], vec![Fr::from(8); 6]]);
        assert_eq!(format!("{:?}", tails()), "Tails");
        assert_eq!(lengths(|| drop(tails())), [5, 6]);
        assert_eq!(lengths(|| drop(Key([1; 32]))), [32]);
        // A seed that was taken over, and then the state.
        let mut randomness = None;
        assert_eq!(lengths(|| randomness = Some(Randomness::new([1; 32]))), [32]);
        assert_eq!(lengths(|| drop(randomness)), [1]);
        assert_eq!(lengths(|| drop(SecretBytes(vec![1; 9]))), [9]);
        let opening = Opening { values: vec![1; 3], blinding: tails() };
        assert_eq!(lengths(|| drop(opening)), [3, 5, 6]);
        let known = KnownCommitment { point: Default::default(), tail: vec![Fr::from(7); 4] };
        assert_eq!(lengths(|| drop(known)), [4]);
    }
}
