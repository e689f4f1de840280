//! Field arithmetic on columns, which a caller may supply in a faster form.

use ff::{BatchInvert, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;

use super::integers::Integers;

/// The two pieces of field arithmetic that the second phase spends its time in.
///
/// Both give exact field elements, so any two implementations give the same.
pub trait FieldKernels: Sync {
    /// Inverts every element that is not zero, and leaves zeros. Called on parts of a column, from several threads.
    fn batch_invert(&self, elements: &mut [Fr]);

    /// `sums[i] += Σ_j factors[j]·columns[j][first + i]`, with as many columns as factors; behind its end a column is zero. Called
    /// on parts of columns, from several threads.
    fn combine(&self, columns: &[&Integers], factors: &[Fr], first: usize, sums: &mut [Fr]);
}

/// The arithmetic of the curve library.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainKernels;

/// Rows that are combined at once, so that their sums stay in the processor's nearest cache.
const BLOCK: usize = 256;

impl FieldKernels for PlainKernels {
    fn batch_invert(&self, elements: &mut [Fr]) {
        elements.iter_mut().batch_invert();
    }

    fn combine(&self, columns: &[&Integers], factors: &[Fr], first: usize, sums: &mut [Fr]) {
        assert_eq!(columns.len(), factors.len(), "every column has a factor");
        if columns.is_empty() {
            return;
        }
        let correction = correction(columns, factors);
        let factors: Vec<_> = factors.iter().map(Factor::new).collect();
        sums.chunks_mut(BLOCK).enumerate().for_each(|(block, sums)| {
            combine_block(first + block * BLOCK, sums, columns, &factors);
            sums.iter_mut().for_each(|sum| *sum -= correction);
        });
    }
}

/// What the offsets of all columns add to each row: integers are made non-negative by half the range of their width.
fn correction(columns: &[&Integers], factors: &[Fr]) -> Fr {
    columns.iter().zip(factors).map(|(column, factor)| Fr::from(1 << (8 * column.width() - 1)) * factor).sum()
}

/// A factor as an integer, and its multiple by `2^32` for the upper halves of 64-bit integers.
struct Factor {
    lower: [u64; 4],
    upper: [u64; 4],
}

impl Factor {
    fn new(factor: &Fr) -> Self {
        Self { lower: words(factor), upper: words(&(*factor * Fr::from(1 << 32))) }
    }
}

/// An element as an integer of four words, the lowest first.
fn words(element: &Fr) -> [u64; 4] {
    let repr = element.to_repr();
    let bytes: &[u8] = repr.as_ref();
    std::array::from_fn(|word| u64::from_le_bytes(bytes[8 * word..][..8].try_into().expect("eight bytes")))
}

/// Adds a block of rows with all offsets still in them.
///
/// Sums are kept as integers, one wide word for each word of the factors: cells of 32 bits times words of 64, of as many
/// columns as there are, leave it far from full. They are reduced once a row.
fn combine_block(first: usize, sums: &mut [Fr], columns: &[&Integers], factors: &[Factor]) {
    let mut wide = [[0u128; 4]; BLOCK];
    let wide = &mut wide[..sums.len()];
    for (&column, factor) in columns.iter().zip(factors) {
        let rows = first.min(column.len())..(first + sums.len()).min(column.len());
        let behind = std::iter::repeat(0);
        match column {
            Integers::I8(cells) => {
                let cells = cells[rows].iter().copied().chain(behind.map(|zero| zero as i8));
                add_scaled(wide, cells.map(|cell| (cell as u8 ^ 1 << 7).into()), &factor.lower);
            }
            Integers::I16(cells) => {
                let cells = cells[rows].iter().copied().chain(behind.map(|zero| zero as i16));
                add_scaled(wide, cells.map(|cell| (cell as u16 ^ 1 << 15).into()), &factor.lower);
            }
            Integers::I32(cells) => {
                let cells = cells[rows].iter().copied().chain(behind);
                add_scaled(wide, cells.map(|cell| cell as u32 ^ 1 << 31), &factor.lower);
            }
            Integers::I64(cells) => {
                let cells = cells[rows].iter().copied().chain(behind.map(i64::from));
                let cells = cells.map(|cell| cell as u64 ^ 1 << 63);
                add_scaled(wide, cells.clone().map(|cell| cell as u32), &factor.lower);
                add_scaled(wide, cells.map(|cell| (cell >> 32) as u32), &factor.upper);
            }
        }
    }
    sums.iter_mut().zip(wide).for_each(|(sum, wide)| *sum += reduce(wide));
}

/// `wide += cells·words`.
#[inline]
fn add_scaled(wide: &mut [[u128; 4]], cells: impl Iterator<Item = u32>, words: &[u64; 4]) {
    for (wide, cell) in wide.iter_mut().zip(cells) {
        for (wide, &word) in wide.iter_mut().zip(words) {
            *wide = wide.wrapping_add(u128::from(word).wrapping_mul(cell.into()));
        }
    }
}

/// `Σ wide[i]·2^(64·i)` in the field.
fn reduce(wide: &[u128; 4]) -> Fr {
    let mut carried = [0u64; 6];
    let mut carry = 0u128;
    for (digit, &wide) in carried.iter_mut().zip(wide) {
        let sum = wide + carry;
        *digit = sum as u64;
        carry = sum >> 64;
    }
    carried[4] = carry as u64;
    carried[5] = (carry >> 64) as u64;
    let [a, b, c, d, e, f] = carried;
    Fr::from_raw([a, b, c, d]) + Fr::from_raw([e, f, 0, 0]) * TWO_256
}

/// `2^256`.
const TWO_256: Fr = {
    // 2^256 − 5·p, which is below p.
    Fr::from_raw([0xac96_341c_4fff_fffb, 0x36fc_7695_9f60_cd29, 0x666e_a36f_7879_462e, 0x0e0a_77c1_9a07_df2f])
};

#[cfg(test)]
mod tests {
    use ff::Field;
    use halo2_proofs::halo2curves::bn256::Fr;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::{FieldKernels, PlainKernels, TWO_256};
    use crate::machine::{to_field, Integers};

    #[test]
    fn two_to_the_256th() {
        assert_eq!(TWO_256, Fr::from(2).pow([256]));
    }

    #[test]
    fn combines_columns_of_every_width() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for (rows, count) in [(1, 1), (255, 3), (700, 40)] {
            let columns: Vec<Integers> = (0..count)
                .map(|j| {
                    let bits = [7, 8, 15, 16, 31, 32, 63, 2][j % 8];
                    let ends = [1i64 << (bits - 1), -(1i64 << (bits - 1))];
                    (0..rows)
                        .map(|row| ends.get(row).copied().unwrap_or(rng.next_u64() as i64 >> (64 - bits)))
                        .collect()
                })
                .collect();
            let factors: Vec<Fr> = (0..count).map(|j| if j == 2 { -Fr::ONE } else { Fr::random(&mut rng) }).collect();
            let expected: Vec<Fr> = (0..rows)
                .map(|row| columns.iter().zip(&factors).map(|(column, f)| to_field(column.get(row)) * f).sum())
                .collect();
            let columns: Vec<&Integers> = columns.iter().collect();
            for (first, count) in [(0, rows), (rows / 3, rows - rows / 3), (rows / 2, rows)] {
                let mut sums = vec![Fr::ONE; count];
                PlainKernels.combine(&columns, &factors, first, &mut sums);
                let row = |row: usize| expected.get(first + row).copied().unwrap_or(Fr::ZERO) + Fr::ONE;
                assert!(sums.iter().enumerate().all(|(i, sum)| *sum == row(i)), "{count} rows from {first} on");
            }
        }
    }

    #[test]
    fn inverts_around_zeros() {
        let mut elements = [3, 0, 7].map(Fr::from);
        PlainKernels.batch_invert(&mut elements);
        assert_eq!([elements[0] * Fr::from(3), elements[1], elements[2] * Fr::from(7)], [1, 0, 1].map(Fr::from));
    }
}
