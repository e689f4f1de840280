//! The randomness of a proof: a stream from a seed of 32 bytes. It is drawn on one thread, in the order of the protocol, so that a
//! seed gives the same proof whatever the number of threads.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::FromUniformBytes;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::secret::{replace, Key};

/// Draws field elements, uniform up to a bias below `2^−250`. The state is written over when it is dropped.
pub struct Randomness(ChaCha20Rng);

impl Drop for Randomness {
    fn drop(&mut self) {
        replace(&mut self.0, ChaCha20Rng::from_seed([0; 32]));
    }
}

impl Randomness {
    /// The randomness of a seed. Whoever knows the seed can undo the hiding.
    pub fn new(seed: [u8; 32]) -> Self {
        let seed = Key(seed);
        Self(ChaCha20Rng::from_seed(seed.0))
    }

    /// The next elements.
    pub fn elements(&mut self, count: usize) -> Vec<Fr> {
        (0..count).map(|_| element(&mut self.0)).collect()
    }
}

fn element(rng: &mut ChaCha20Rng) -> Fr {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    Fr::from_uniform_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_with_the_seed_and_never_within_it() {
        let draw = |seed| {
            let mut randomness = Randomness::new([seed; 32]);
            [randomness.elements(3), randomness.elements(200)].concat()
        };
        let first = draw(7);
        assert_eq!(first, draw(7));
        let mut sorted = [first, draw(8)].concat();
        let count = sorted.len();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), count);
    }
}
