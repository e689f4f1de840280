//! Integers behind residues.
//!
//! The residue of `a` is `a·2^256 mod p`, so that of `a·2^−256` is the integer `a` itself: one product for each element.

use std::sync::OnceLock;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

use super::{run, words, Instructions, Kernel, Lanes};

/// The integers in `[0, p)` that elements stand for, least significant word first. They lie in `room`, whose old content is
/// lost. Costs a product an element, on the calling thread.
///
/// # Panics
/// `room` has another length than `elements`.
pub(crate) fn canonical_words<'a>(instructions: Instructions, elements: &[Fr], room: &'a mut [Fr]) -> &'a [[u64; 4]] {
    struct Scale<'a>(&'a [Fr], &'a mut [Fr], Fr);
    impl Kernel for Scale<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let Scale(from, to, factor) = self;
            let whole = from.len() / L::COUNT * L::COUNT;
            let factors = lanes.splat(factor);
            let mut i = 0;
            while i < whole {
                lanes.store(lanes.mul(lanes.load(&from[i..]), factors), &mut to[i..]);
                i += L::COUNT;
            }
            from[whole..].iter().zip(&mut to[whole..]).for_each(|(from, to)| *to = from * factor);
        }
    }
    static FACTOR: OnceLock<Fr> = OnceLock::new();
    let factor = *FACTOR.get_or_init(|| Fr::TWO_INV.pow_vartime([256]));
    assert_eq!(elements.len(), room.len());
    run(instructions, Scale(elements, room, factor));
    words(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn canonical_words_are_those_of_the_encoding(elements: &[Fr]) {
        for &instructions in Instructions::available() {
            let mut room = vec![Fr::ZERO; elements.len()];
            for (element, words) in elements.iter().zip(canonical_words(instructions, elements, &mut room)) {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(bytes, element.to_repr().as_ref());
            }
        }
    }

    #[test]
    fn canonical_words_of_edges() {
        let one = Fr::ONE;
        let half = Fr::TWO_INV;
        let residue_one = half.pow_vartime([256]);
        let edges = [Fr::ZERO, one, -one, one.double(), half, -half, residue_one, -residue_one, Fr::from(u64::MAX)];
        canonical_words_are_those_of_the_encoding(&edges);
        canonical_words_are_those_of_the_encoding(&[]);
    }

    proptest! {
        #[test]
        fn canonical_words_at_random(seed: [u8; 32], length in 0usize..40) {
            let mut rng = ChaCha20Rng::from_seed(seed);
            let elements: Vec<_> = (0..length).map(|_| Fr::random(&mut rng)).collect();
            canonical_words_are_those_of_the_encoding(&elements);
        }
    }
}
