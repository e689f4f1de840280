//! Slices of field elements.
//!
//! Each function works on the calling thread and takes the instructions to use; results are canonical and do not depend on
//! them.

use super::{run, Instructions, Kernel, Lanes, Residue};

/// `a[i] ← a[i]·b[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn multiply<F: Residue>(instructions: Instructions, a: &mut [F], b: &[F]) {
    struct Multiply<'a, F>(&'a mut [F], &'a [F]);
    impl<F: Residue> Kernel for Multiply<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let whole = self.0.len() / L::COUNT * L::COUNT;
            let mut i = 0;
            while i < whole {
                let product = lanes.mul(lanes.load(&self.0[i..]), lanes.load(&self.1[i..]));
                lanes.store(product, &mut self.0[i..]);
                i += L::COUNT;
            }
            self.0[whole..].iter_mut().zip(&self.1[whole..]).for_each(|(a, b)| *a *= b);
        }
    }
    assert_eq!(a.len(), b.len());
    run(instructions, Multiply(a, b));
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use halo2_proofs::halo2curves::bn256::{Fq, Fr};
    use halo2_proofs::halo2curves::ff::Field;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Applies each operation of the lanes to `COUNT` elements and lists the results.
    struct Operations<'a, F>(&'a [F], &'a [F], &'a [u32]);

    impl<F: Residue> Kernel for Operations<'_, F> {
        type Output = (Vec<Vec<F>>, Vec<Vec<bool>>);

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Self::Output {
            let Operations(a, b, small) = self;
            let mut results = vec![Vec::new(); 12];
            let mut zeros = vec![Vec::new(); 3];
            let reversed: Vec<u32> = (0..L::COUNT as u32).rev().collect();
            for i in (0..a.len()).step_by(L::COUNT) {
                let (x, y) = (lanes.load(&a[i..]), lanes.load(&b[i..]));
                let mut sum = lanes.sum();
                for _ in 0..super::super::lanes::SUM_TERMS / 2 {
                    lanes.sum_add(&mut sum, x, &small[i..]);
                    lanes.sum_add(&mut sum, y, &small[i..]);
                }
                let odd = lanes.mask(0b1010_1010);
                let backwards = lanes.gather(&a[i..], &reversed);
                let outcomes = [
                    lanes.add(x, y),
                    lanes.sub(x, y),
                    lanes.neg(x),
                    lanes.mul(x, y),
                    lanes.square(x),
                    lanes.splat(b[0]),
                    lanes.sum_reduce(sum),
                    lanes.mul(lanes.sub(lanes.add(x, x), y), lanes.neg(lanes.sub(y, x))),
                    lanes.add(lanes.mul(x, y), lanes.mul(y, y)),
                    lanes.neg(lanes.sub(x, x)),
                ];
                for (result, outcome) in results.iter_mut().zip(outcomes) {
                    let mut stored = vec![F::ZERO; L::COUNT];
                    lanes.store(outcome, &mut stored);
                    result.extend(stored);
                }
                let mut stored = vec![F::ZERO; L::COUNT];
                lanes.store(backwards, &mut stored);
                stored.reverse();
                results[10].extend(stored);
                let mut stored = vec![F::ZERO; L::COUNT];
                lanes.store(lanes.select(odd, x, y), &mut stored);
                assert_eq!(lanes.bits(odd) & 1, 0);
                for (k, element) in stored.into_iter().enumerate() {
                    assert_eq!(element, if k % 2 == 1 { a[i + k] } else { b[i + k] });
                }
                for (zeros, vector) in zeros.iter_mut().zip([x, lanes.sub(x, y), lanes.sub(x, x)]) {
                    let bits = lanes.bits(lanes.is_zero(vector));
                    zeros.extend((0..L::COUNT).map(|k| bits >> k & 1 == 1));
                }
            }
            (results, zeros)
        }
    }

    fn edges<F: Residue>() -> Vec<F> {
        let powers = [0, 1, 51, 52, 53, 103, 104, 156, 207, 208, 209, 252, 253].map(|e| F::from(2).pow_vartime([e]));
        let mut elements = vec![F::ZERO];
        for power in powers {
            elements.extend([power, power - F::ONE, -power, F::ONE - power]);
        }
        // Elements whose *residues* are extreme: 1, 2, p − 1, p − 2.
        let residue_one = F::from(2).pow_vartime([256]).invert().expect("not zero");
        elements.extend([residue_one, residue_one.double(), -residue_one, -residue_one.double()]);
        elements
    }

    fn twins_agree<F: Residue>(a: &[F], b: &[F], small: &[u32]) {
        let (expected, expected_zeros) = run(Instructions::Portable, Operations(a, b, small));
        assert_eq!(expected[0][0], a[0] + b[0]);
        for &instructions in Instructions::available() {
            let (results, zeros) = run(instructions, Operations(a, b, small));
            for (which, (result, expected)) in results.iter().zip(&expected).enumerate() {
                assert_eq!(words(result), words(expected), "operation {which} on {instructions}");
            }
            assert_eq!(zeros, expected_zeros, "zeros on {instructions}");
        }
    }

    fn all_pairs<F: Residue>() {
        let edges = edges::<F>();
        let (mut a, mut b): (Vec<F>, Vec<F>) = edges.iter().flat_map(|x| edges.iter().map(move |y| (*x, *y))).unzip();
        while a.len() % 8 != 0 {
            a.push(F::ZERO);
            b.push(F::ONE);
        }
        let small: Vec<u32> = (0..a.len() as u32).map(|i| [0, 1, u32::MAX, i][i as usize % 4]).collect();
        twins_agree(&a, &b, &small);
    }

    #[test]
    fn vectors_equal_scalars_on_edges() {
        all_pairs::<Fr>();
        all_pairs::<Fq>();
    }

    proptest! {
        #[test]
        fn vectors_equal_scalars(seed: [u8; 32], small in prop::collection::vec(any::<u32>(), 64)) {
            let mut rng = ChaCha20Rng::from_seed(seed);
            let mut fr = || (0..64).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
            twins_agree(&fr(), &fr(), &small);
            let mut rng = ChaCha20Rng::from_seed(seed);
            let mut fq = || (0..64).map(|_| Fq::random(&mut rng)).collect::<Vec<_>>();
            twins_agree(&fq(), &fq(), &small);
        }

        #[test]
        fn slices_multiply(seed: [u8; 32], length in 0usize..40) {
            let mut rng = ChaCha20Rng::from_seed(seed);
            let a: Vec<_> = (0..length).map(|_| Fr::random(&mut rng)).collect();
            let b: Vec<_> = (0..length).map(|_| Fr::random(&mut rng)).collect();
            let expected: Vec<_> = a.iter().zip(&b).map(|(a, b)| a * b).collect();
            for &instructions in Instructions::available() {
                let mut product = a.clone();
                multiply(instructions, &mut product, &b);
                prop_assert_eq!(&product, &expected);
            }
        }
    }
}
