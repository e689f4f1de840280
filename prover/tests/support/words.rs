//! Words of proofs and links in other forms.

use halo2_proofs::halo2curves::ff::PrimeField;

/// Adds the modulus of a field to a number of 32 bytes.
pub(crate) fn plus<F: PrimeField<Repr = [u8; 32]>>(bytes: &mut [u8]) {
    let minus_one = (-F::ONE).to_repr();
    let mut carry = 1u16;
    for (index, byte) in bytes.iter_mut().rev().enumerate() {
        let sum = u16::from(*byte) + u16::from(minus_one[index]) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "it has 256 bits");
}
