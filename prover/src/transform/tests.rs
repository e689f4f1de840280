use super::*;
use halo2_proofs::arithmetic::best_fft;
use halo2_proofs::halo2curves::ff::WithSmallOrderMulGroup;
use halo2_proofs::poly::{Coeff, EvaluationDomain, LagrangeCoeff, Polynomial};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn random(seed: u64, length: usize) -> Vec<Fr> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..length).map(|_| Fr::random(&mut rng)).collect()
}

/// Random elements; all minus one; zeros; a one in the first, second and last place; elements with extreme residues.
fn inputs(k: u32) -> Vec<Vec<Fr>> {
    let size = 1 << k;
    let single = |place: usize| {
        let mut values = vec![Fr::ZERO; size];
        values[place % size] = Fr::ONE;
        values
    };
    let residue_one = Fr::from(2).pow_vartime([256]).invert().expect("not zero");
    let extremes = (0..size).map(|i| if i % 3 == 0 { residue_one } else { -residue_one }).collect();
    vec![
        random(u64::from(k), size),
        vec![-Fr::ONE; size],
        vec![-residue_one; size],
        vec![Fr::ZERO; size],
        single(0),
        single(1),
        single(size - 1),
        extremes,
    ]
}

fn lagrange(domain: &EvaluationDomain<Fr>, values: &[Fr]) -> Polynomial<Fr, LagrangeCoeff> {
    domain.lagrange_from_vec(values.to_vec())
}

fn coefficients(domain: &EvaluationDomain<Fr>, values: &[Fr]) -> Polynomial<Fr, Coeff> {
    domain.coeff_from_vec(values.to_vec())
}

#[test]
fn transforms_are_those_of_halo2() {
    for k in 0..=14 {
        let (stock, domain) = (EvaluationDomain::<Fr>::new(1, k), Domain::new(k));
        assert_eq!((domain.k(), domain.size()), (k, 1 << k));
        assert_eq!((domain.omega(), domain.omega_inv()), (stock.get_omega(), stock.get_omega_inv()));
        for input in inputs(k) {
            let mut values = input.clone();
            best_fft(&mut values, stock.get_omega(), k, stock.get_fft_data(1 << k), false);
            let inverted = stock.lagrange_to_coeff(lagrange(&stock, &input));
            for &instructions in Instructions::available() {
                let mut ours = input.clone();
                domain.forward(instructions, &mut ours);
                assert_eq!(ours, values, "forward, k = {k}, {instructions}");
                domain.inverse(instructions, &mut ours);
                assert_eq!(ours, input, "there and back, k = {k}, {instructions}");
                domain.inverse(instructions, &mut ours);
                assert_eq!(ours, inverted.values(), "inverse, k = {k}, {instructions}");
            }
        }
    }
}

#[test]
fn cosets_are_those_of_halo2() {
    for k in 1..=12 {
        let (stock, domain) = (EvaluationDomain::<Fr>::new(5, k), Domain::new(k));
        let step = stock.get_extended_omega();
        for part in 0..4 {
            let coset = domain.coset(Fr::ZETA * step.pow_vartime([part]));
            for input in inputs(k) {
                let expected = stock.coeff_to_extended_part(coefficients(&stock, &input), step.pow_vartime([part]));
                for &instructions in Instructions::available() {
                    let mut ours = vec![Fr::ONE; 1 << k];
                    domain.forward_coset(instructions, &coset, &input, &mut ours);
                    assert_eq!(ours, expected.values(), "k = {k}, part {part}, {instructions}");
                    domain.inverse_coset(instructions, &coset, &mut ours);
                    assert_eq!(ours, input, "back, k = {k}, part {part}, {instructions}");
                }
            }
        }
    }
}

#[test]
fn large_transforms_are_those_of_halo2() {
    for k in [15, 17, 18] {
        let (stock, domain) = (EvaluationDomain::<Fr>::new(1, k), Domain::new(k));
        for input in &inputs(k)[..3] {
            let inverted = stock.lagrange_to_coeff(lagrange(&stock, input));
            let mut ours = input.clone();
            domain.inverse(Instructions::detected(), &mut ours);
            assert_eq!(ours, inverted.values(), "inverse, k = {k}");
            domain.forward(Instructions::detected(), &mut ours);
            assert_eq!(&ours, input, "there and back, k = {k}");
        }
    }
}

/// The sizes of passes whose columns need more steps than fit between two reductions, without the rest of the transform.
#[test]
fn long_columns_stay_within_bounds() {
    struct Column<'a>(&'a [Fr], &'a [Factor<Fr>], bool);
    impl Kernel for Column<'_> {
        type Output = Vec<Fr>;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Vec<Fr> {
            let mut data: Vec<_> = self.0.iter().map(|value| lanes.loosen(lanes.splat(*value))).collect();
            butterflies::transform(lanes, &mut data, self.1, self.2);
            let mut stored = vec![Fr::ZERO; L::COUNT];
            let mut first = |vector| {
                lanes.store(lanes.tighten(vector), &mut stored);
                stored[0]
            };
            data.into_iter().map(&mut first).collect()
        }
    }
    for k in [7, 8, 13, 14] {
        let omega = Domain::new(k).omega();
        for (shift, plain) in [(Fr::ONE, true), (Fr::ZETA, false)] {
            let factors = butterflies::node_factors(k, omega, shift);
            for input in inputs(k) {
                let expected = field::run(Instructions::Portable, Column(&input, &factors, plain));
                for &instructions in Instructions::available() {
                    assert_eq!(field::run(instructions, Column(&input, &factors, plain)), expected, "k = {k}");
                }
            }
        }
    }
}

#[test]
fn batches_are_their_columns() {
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(check_batches);
    }
}

fn check_batches() {
    for k in [3, 8, 12] {
        let domain = Domain::new(k);
        let coset = domain.coset(Fr::from(7));
        for columns in [0, 1, 2, 3, 9] {
            let inputs: Vec<_> = (0..columns).map(|column| random(column, 1 << k)).collect();
            for &instructions in Instructions::available() {
                let mut batch = inputs.clone();
                domain.forward_batch(instructions, &mut batch);
                for (input, column) in inputs.iter().zip(&batch) {
                    let mut expected = input.clone();
                    domain.forward(instructions, &mut expected);
                    assert_eq!(&expected, column);
                }
                domain.inverse_batch(instructions, &mut batch);
                assert_eq!(batch, inputs);
                domain.forward_coset_batch(instructions, &coset, &inputs, &mut batch);
                for (input, column) in inputs.iter().zip(&batch) {
                    let mut expected = vec![Fr::ZERO; 1 << k];
                    domain.forward_coset(instructions, &coset, input, &mut expected);
                    assert_eq!(&expected, column);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn polynomials_of_any_length_have_values_on_cosets(seed: u64, k in 0u32..9, length in 0usize..1500, place: usize) {
        let domain = Domain::new(k);
        let polynomial = random(seed, length);
        let shift = random(!seed, 1)[0];
        let coset = domain.coset(shift);
        prop_assert_eq!(coset.shift(), shift);
        let place = place % domain.size();
        let point = shift * domain.omega().pow_vartime([place as u64]);
        let expected = polynomial.iter().rev().fold(Fr::ZERO, |value, coefficient| value * point + coefficient);
        for &instructions in Instructions::available() {
            let mut values = vec![Fr::ONE; domain.size()];
            domain.forward_coset(instructions, &coset, &polynomial, &mut values);
            prop_assert_eq!(values[place], expected);
        }
    }

    #[test]
    fn transforms_take_any_values(seed: u64, k in 0u32..12) {
        let domain = Domain::new(k);
        let input = random(seed, domain.size());
        let mut portable = input.clone();
        domain.forward(Instructions::Portable, &mut portable);
        for &instructions in Instructions::available() {
            let mut ours = input.clone();
            domain.forward(instructions, &mut ours);
            prop_assert_eq!(&ours, &portable);
            domain.inverse(instructions, &mut ours);
            prop_assert_eq!(&ours, &input);
        }
    }
}

#[test]
#[should_panic(expected = "no root of unity")]
fn no_domain_is_larger_than_the_roots_allow() {
    Domain::new(29);
}
