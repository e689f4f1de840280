//! The vector kernels as arithmetic for a machine's second phase.

use circuits::machine::{FieldKernels, Integers};
use halo2_proofs::halo2curves::bn256::Fr;

use super::block::ByWidth;
use crate::field::{self, Instructions};

/// Field arithmetic on a set of instructions.
#[derive(Clone, Copy, Debug)]
pub struct VectorKernels(pub Instructions);

impl FieldKernels for VectorKernels {
    fn batch_invert(&self, elements: &mut [Fr]) {
        field::batch_invert(self.0, elements);
    }

    fn combine(&self, columns: &[&Integers], factors: &[Fr], first: usize, sums: &mut [Fr]) {
        assert_eq!(columns.len(), factors.len(), "every column has a factor");
        let rows = first..first + sums.len();
        let mut widths = ByWidth::default();
        columns.iter().zip(factors).for_each(|(column, factor)| widths.push(column, &rows, *factor));
        widths.add(self.0, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::machine::PlainKernels;
    use halo2_proofs::halo2curves::ff::Field;

    #[test]
    fn sums_of_all_widths_are_those_of_plain_arithmetic() {
        let column = |scale: i64| Integers::from((0..2500).map(|row| scale * (row - 1200)).collect::<Vec<i64>>());
        let columns = [0, 1, 25, 1 << 20, 1 << 45, 3].map(column);
        let columns: Vec<&Integers> = columns.iter().collect();
        let factors: Vec<Fr> = (1..=6u64).map(|base| Fr::from(base).pow_vartime([200 + base])).collect();
        for (first, rows) in [(0, 2500), (700, 1024), (2400, 300), (2600, 9)] {
            let mut expected = vec![Fr::ONE; rows];
            PlainKernels.combine(&columns, &factors, first, &mut expected);
            for &instructions in Instructions::available() {
                let mut found = vec![Fr::ONE; rows];
                VectorKernels(instructions).combine(&columns, &factors, first, &mut found);
                VectorKernels(instructions).combine(&[], &[], first, &mut found);
                assert_eq!(found, expected);
            }
        }
    }
}
