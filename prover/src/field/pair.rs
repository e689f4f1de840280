//! Elements in pairs, and what kernels do with them.

/// Two elements side by side in one line of the cache, such as the coordinates of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Pair<F>(pub [F; 2]);

#[cfg(test)]
mod tests {
    use super::super::{run, words, Instructions, Kernel, Lanes, Residue};
    use super::*;
    use halo2_proofs::halo2curves::bn256::{Fq, Fr};
    use halo2_proofs::halo2curves::ff::Field;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Operations on vectors of pairs at given positions: what each of them scatters.
    struct Operations<'a, F>(&'a [Pair<F>], &'a [u32]);

    impl<F: Residue> Kernel for Operations<'_, F> {
        type Output = Vec<Vec<Pair<F>>>;

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Self::Output {
            let Operations(pairs, positions) = self;
            let mut results = vec![vec![Pair([F::ZERO; 2]); pairs.len()]; 6];
            for (i, at) in positions.chunks_exact(L::COUNT).enumerate() {
                lanes.prefetch_pairs(pairs, at);
                let [x, y] = lanes.gather_pairs(pairs, at);
                // The first, third, … element of all.
                let mask = lanes.mask(if L::COUNT == 1 { u8::from(i % 2 == 0) } else { 0b0101_0101 });
                let negated_x = lanes.negate_loaded(mask, x);
                let square = lanes.square(lanes.add(x, y));
                let outcomes = [
                    [lanes.gather_second(pairs, at), lanes.gather_first(pairs, at)],
                    [lanes.sub_loaded(x, y), lanes.sub_loaded(y, x)],
                    [negated_x, y],
                    [lanes.sub_loaded(negated_x, y), lanes.sub_loaded(y, negated_x)],
                    [lanes.sub_both(square, negated_x, y), lanes.sub(square, negated_x)],
                    [lanes.square(lanes.sub_loaded(x, y)), square],
                ];
                for (result, outcome) in results.iter_mut().zip(outcomes) {
                    lanes.scatter_pairs(outcome, result, at);
                }
            }
            results
        }
    }

    fn expected<F: Residue>(pairs: &[Pair<F>], positions: &[u32]) -> Vec<Vec<Pair<F>>> {
        let mut results = vec![vec![Pair([F::ZERO; 2]); pairs.len()]; 6];
        for (i, &at) in positions.iter().enumerate() {
            let Pair([x, y]) = pairs[at as usize];
            let negated_x = if i % 2 == 0 { -x } else { x };
            let square = (x + y) * (x + y);
            let outcomes = [
                [y, x],
                [x - y, y - x],
                [negated_x, y],
                [negated_x - y, y - negated_x],
                [square - negated_x - y, square - negated_x],
                [(x - y) * (x - y), square],
            ];
            results.iter_mut().zip(outcomes).for_each(|(result, outcome)| result[at as usize] = Pair(outcome));
        }
        results
    }

    fn operations_are_right<F: Residue>(pairs: &[Pair<F>], positions: &[u32]) {
        let expected = expected(pairs, positions);
        for &instructions in Instructions::available() {
            let results = run(instructions, Operations(pairs, positions));
            for (which, (result, expected)) in results.iter().zip(&expected).enumerate() {
                for (result, expected) in result.iter().zip(expected) {
                    assert_eq!(words(&result.0), words(&expected.0), "operation {which} on {instructions}");
                }
            }
        }
    }

    fn all_pairs_of_edges<F: Residue>() {
        let residue_one = F::from(2).pow_vartime([256]).invert().expect("not zero");
        let mut edges = Vec::new();
        for element in
            [F::ONE, F::from(2), F::TWO_INV, residue_one, residue_one.double(), F::from(2).pow_vartime([208])]
        {
            edges.extend([element, -element]);
        }
        // Zero is not for `negate_loaded`, which takes the first element.
        let seconds: Vec<_> = edges.iter().copied().chain([F::ZERO]).collect();
        let mut pairs: Vec<_> = edges.iter().flat_map(|x| seconds.iter().map(|y| Pair([*x, *y]))).collect();
        pairs.resize(pairs.len().next_multiple_of(8), pairs[0]);
        let positions: Vec<u32> = (0..pairs.len() as u32).rev().collect();
        operations_are_right(&pairs, &positions);
    }

    #[test]
    fn edges() {
        all_pairs_of_edges::<Fr>();
        all_pairs_of_edges::<Fq>();
    }

    proptest! {
        #[test]
        fn pairs_at_random(seed: [u8; 32], positions in prop::collection::vec(0u32..40, 32)) {
            let mut rng = ChaCha20Rng::from_seed(seed);
            let fq: Vec<_> = (0..40).map(|_| Pair([Fq::random(&mut rng), Fq::random(&mut rng)])).collect();
            let fr: Vec<_> = (0..40).map(|_| Pair([Fr::random(&mut rng), Fr::random(&mut rng)])).collect();
            // Signs depend on the place, so each position takes part once.
            let mut distinct = Vec::new();
            for position in positions.into_iter().chain(0..40) {
                if !distinct.contains(&position) {
                    distinct.push(position);
                }
            }
            operations_are_right(&fq, &distinct);
            operations_are_right(&fr, &distinct);
        }
    }
}
