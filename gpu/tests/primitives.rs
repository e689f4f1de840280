//! Every primitive against the processor's arithmetic.

mod support;

use gpu::{DeviceError, DeviceField, ElementOperation};
use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use halo2_proofs::halo2curves::ff::{Field, PrimeField, WithSmallOrderMulGroup};
use prover::field::Instructions;
use prover::transform::Domain;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use support::device;

/// Edges of the field first, then random elements; many small ones among them.
fn elements<F: PrimeField>(seed: u64, count: usize) -> Vec<F> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let radix = F::from(2).pow_vartime([256]);
    let inverse_radix = radix.invert().expect("not zero");
    // Also residues of few bits, and residues next to the modulus.
    let edges = [F::ZERO, F::ONE, -F::ONE, F::TWO_INV, radix, inverse_radix, -inverse_radix, F::from(u64::MAX)];
    let mut elements: Vec<F> = edges.into_iter().take(count).collect();
    while elements.len() < count {
        elements.push(match rng.next_u32() % 4 {
            0 => F::from(rng.next_u64() >> 40) * inverse_radix,
            1 => -F::from(rng.next_u64() >> 40) * inverse_radix,
            _ => F::random(&mut rng),
        });
    }
    elements
}

/// All pairs of edges are among the operands.
fn operands<F: PrimeField>(seed: u64, count: usize) -> (Vec<F>, Vec<F>) {
    let edges: Vec<F> = elements(seed, 12);
    let pairs = edges.iter().flat_map(|a| edges.iter().map(move |b| (*a, *b)));
    let random = elements::<F>(seed + 1, count).into_iter().zip(elements(seed + 2, count));
    pairs.chain(random).unzip()
}

fn computes_in<F: PrimeField + DeviceField>() {
    let Some(device) = device(None) else { return };
    let (a, b) = operands::<F>(7, 3000);
    let scalar = F::random(ChaCha20Rng::seed_from_u64(8));
    type Expected<'a, F> = dyn Fn(F, F) -> F + 'a;
    let operations: [(ElementOperation<F>, &Expected<'_, F>); 5] = [
        (ElementOperation::Add, &|a, b| a + b),
        (ElementOperation::Subtract, &|a, b| a - b),
        (ElementOperation::Multiply, &|a, b| a * b),
        (ElementOperation::AddScaled(scalar), &|a, b| a + scalar * b),
        (ElementOperation::Scale(scalar), &|a, _| scalar * a),
    ];
    for (operation, expected) in operations {
        let mut found = device.upload(&a).expect("memory");
        let other = device.upload(&b).expect("memory");
        device.elementwise(operation, &mut found, &other).expect("it runs");
        let expected: Vec<F> = a.iter().zip(&b).map(|(a, b)| expected(*a, *b)).collect();
        assert!(found.download().expect("values") == expected, "{operation:?}");
    }
    let mut found = device.upload(&a).expect("memory");
    device.invert(&mut found).expect("it runs");
    let expected: Vec<F> = a.iter().map(|a| a.invert().unwrap_or(F::ZERO)).collect();
    assert!(found.download().expect("values") == expected, "inverses");
}

#[test]
fn scalars_are_those_of_the_curve_library() {
    computes_in::<Fr>();
}

#[test]
fn coordinates_are_those_of_the_curve_library() {
    computes_in::<Fq>();
}

#[test]
fn lists_of_every_length() {
    let Some(device) = device(None) else { return };
    for length in [0, 1, 2, 127, 128, 129, 255, 256, 257, 2049] {
        let a: Vec<Fr> = elements(length as u64, length);
        let mut found = device.upload(&a).expect("memory");
        let same = found.duplicate().expect("memory");
        device.elementwise(ElementOperation::Add, &mut found, &same).expect("it runs");
        assert_eq!(found.download().expect("values"), a.iter().map(Fr::double).collect::<Vec<_>>());
        device.invert(&mut found).expect("it runs");
        let inverses: Vec<Fr> = a.iter().map(|a| a.double().invert().unwrap_or(Fr::ZERO)).collect();
        assert_eq!(found.download().expect("values"), inverses);
    }
}

#[test]
fn transforms_are_those_of_the_processor() {
    let Some(device) = device(None) else { return };
    let instructions = Instructions::detected();
    for k in (0..=13).chain([16, 17]) {
        let domain = Domain::new(k);
        let on_device = device.domain(k).expect("a domain");
        let coefficients: Vec<Fr> = elements(k.into(), 1 << k);
        let mut expected = coefficients.clone();
        domain.forward(instructions, &mut expected);
        let mut found = device.upload(&coefficients).expect("memory");
        on_device.forward(None, &mut found).expect("it runs");
        assert!(found.download().expect("values") == expected, "forward, 2^{k}");
        on_device.inverse(None, &mut found).expect("it runs");
        assert!(found.download().expect("values") == coefficients, "inverse, 2^{k}");
        let shift = Fr::ZETA * Fr::from(11);
        let coset = on_device.coset(shift).expect("a coset");
        domain.forward_coset(instructions, &domain.coset(shift), &coefficients, &mut expected);
        on_device.forward(Some(&coset), &mut found).expect("it runs");
        assert!(found.download().expect("values") == expected, "forward over a coset, 2^{k}");
        on_device.inverse(Some(&coset), &mut found).expect("it runs");
        assert!(found.download().expect("values") == coefficients, "inverse over a coset, 2^{k}");
    }
    assert!(matches!(device.domain(29), Err(DeviceError::Invalid(_))));
}

#[test]
fn columns_are_transformed_together() {
    let Some(device) = device(None) else { return };
    for k in [0, 3, 8, 9] {
        let domain = Domain::new(k);
        let on_device = device.domain(k).expect("a domain");
        let mut expected: Vec<Fr> = elements(20, 5 << k);
        let mut found = device.upload(&expected).expect("memory");
        on_device.inverse(None, &mut found).expect("it runs");
        expected.chunks_mut(1 << k).for_each(|column| domain.inverse(Instructions::detected(), column));
        assert!(found.download().expect("values") == expected, "2^{k}");
    }
}

#[test]
fn memory_is_counted_and_limited() {
    let Some(device) = device(Some(1 << 20)) else { return };
    let first = device.buffer::<Fr>(1 << 14).expect("half of it");
    assert_eq!(device.memory().expect("counts"), (1 << 19, 1 << 19));
    let refused = device.buffer::<Fr>((1 << 14) + 1);
    assert!(matches!(refused, Err(DeviceError::OutOfMemory(_))), "{refused:?}");
    drop(first);
    assert_eq!(device.memory().expect("counts"), (0, 1 << 19));
    let whole = device.buffer::<u8>(1 << 20).expect("what was given back is there again");
    assert!(matches!(device.buffer::<u8>(1), Err(DeviceError::OutOfMemory(_))));
    drop(whole);
    // A transform's scratch memory counts, too.
    let domain = device.domain(14).expect("a domain");
    let mut column = device.upload(&vec![Fr::ONE; 1 << 14]).expect("memory");
    assert!(matches!(domain.forward(None, &mut column), Err(DeviceError::OutOfMemory(_))));
    let mut zeros = device.upload(&[1u32, 2, 3]).expect("memory");
    zeros.upload(1, &[9]).expect("it fits");
    assert_eq!(zeros.download().expect("values"), [1, 9, 3]);
    zeros.clear().expect("it runs");
    assert_eq!(zeros.download().expect("values"), [0; 3]);
}
