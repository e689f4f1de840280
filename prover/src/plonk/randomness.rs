//! The randomness of a proof: a stream from a seed of 32 bytes, the same whatever the number of threads.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, FromUniformBytes};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// Elements that one stream gives: a large request is dealt out to streams, which threads draw side by side.
const STREAM_ELEMENTS: usize = 1 << 12;

/// Draws field elements, uniform up to a bias below `2^−250`.
pub struct Randomness {
    seed: [u8; 32],
    rng: ChaCha20Rng,
    /// Streams in use; stream 0 is `rng`.
    streams: u64,
}

impl Randomness {
    /// The randomness of a seed. Whoever knows the seed can undo the hiding.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, rng: ChaCha20Rng::from_seed(seed), streams: 1 }
    }

    /// A few elements.
    pub fn elements(&mut self, count: usize) -> Vec<Fr> {
        (0..count).map(|_| element(&mut self.rng)).collect()
    }

    /// Many elements, drawn on all threads.
    pub fn many(&mut self, count: usize) -> Vec<Fr> {
        let (seed, first) = (self.seed, self.streams);
        self.streams += count.div_ceil(STREAM_ELEMENTS) as u64;
        let mut elements = vec![Fr::ZERO; count];
        elements.par_chunks_mut(STREAM_ELEMENTS).enumerate().for_each(|(index, chunk)| {
            let mut rng = ChaCha20Rng::from_seed(seed);
            rng.set_stream(first + index as u64);
            chunk.iter_mut().for_each(|slot| *slot = element(&mut rng));
        });
        elements
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
    fn draws_do_not_repeat_and_do_not_depend_on_threads() {
        let draw = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let mut randomness = Randomness::new([7; 32]);
                let mut all = randomness.elements(3);
                all.extend(randomness.many(2 * STREAM_ELEMENTS + 5));
                all.extend(randomness.elements(2));
                all.extend(randomness.many(4));
                all
            })
        };
        let first = draw(1);
        assert_eq!(first, draw(3));
        let mut sorted = first.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), first.len());
    }
}
