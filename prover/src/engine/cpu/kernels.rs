//! The vector kernels as arithmetic for a machine's second phase.

use circuits::machine::{FieldKernels, Integers};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

use super::block::ByWidth;
use super::BLOCK;
use crate::field::{self, Instructions};

/// Field arithmetic on a set of instructions.
#[derive(Clone, Copy, Debug)]
pub struct VectorKernels(pub Instructions);

impl FieldKernels for VectorKernels {
    fn batch_invert(&self, elements: &mut [Fr]) {
        field::batch_invert(self.0, elements);
    }

    fn combine(&self, columns: &[&Integers], factors: &[Fr]) -> Vec<Fr> {
        assert_eq!(columns.len(), factors.len(), "every column has a factor");
        let rows = columns.first().map_or(0, |column| column.len());
        let mut sums = vec![Fr::ZERO; rows];
        sums.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
            let rows = block * BLOCK..block * BLOCK + sums.len();
            let mut widths = ByWidth::default();
            columns.iter().zip(factors).for_each(|(column, factor)| widths.push(column, &rows, *factor));
            widths.add(self.0, sums);
        });
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::machine::PlainKernels;

    #[test]
    fn sums_of_all_widths_are_those_of_plain_arithmetic() {
        let column = |scale: i64| Integers::from((0..2500).map(|row| scale * (row - 1200)).collect::<Vec<i64>>());
        let columns = [0, 1, 25, 1 << 20, 1 << 45, 3].map(column);
        let columns: Vec<&Integers> = columns.iter().collect();
        let factors: Vec<Fr> = (1..=6u64).map(|base| Fr::from(base).pow_vartime([200 + base])).collect();
        let expected = PlainKernels.combine(&columns, &factors);
        for &instructions in Instructions::available() {
            assert_eq!(VectorKernels(instructions).combine(&columns, &factors), expected);
            assert_eq!(VectorKernels(instructions).combine(&[], &[]), []);
        }
    }
}
