//! The permuted columns of the library's lookups, the same for all engines.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::EngineError;

/// [`Engine::permute_pair`](super::Engine::permute_pair) on the host, with all values of both columns.
///
/// # Errors
/// A value is not in the table.
pub fn permute_pair(
    input: &[Fr],
    table: &[Fr],
    [input_tail, table_tail]: [Vec<Fr>; 2],
) -> Result<[Vec<Fr>; 2], EngineError> {
    let usable = input.len() - input_tail.len();
    let mut left = BTreeMap::new();
    table[..usable].iter().for_each(|value| *left.entry(*value).or_insert(0usize) += 1);
    let mut sorted = input[..usable].to_vec();
    sorted.par_sort_unstable();
    let mut permuted_table = vec![None; usable];
    for row in 0..usable {
        if row == 0 || sorted[row] != sorted[row - 1] {
            let row_of = |value| input.iter().position(|input| *input == value).expect("it is an input");
            let count =
                left.get_mut(&sorted[row]).ok_or_else(|| EngineError::NotInTable { row: row_of(sorted[row]) })?;
            *count -= 1;
            permuted_table[row] = Some(sorted[row]);
        }
    }
    let mut rest = left.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count));
    let permuted_table =
        permuted_table.into_iter().map(|value| value.or_else(|| rest.next()).expect("as many as rows"));
    let permuted_table = permuted_table.chain(table_tail).collect();
    sorted.extend(input_tail);
    Ok([sorted, permuted_table])
}
