//! Columns as the protocol hands them to an engine: they know what they hold.

use std::fmt;
use std::sync::Arc;

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;

use crate::secret::wipe;

/// The values of a column's first rows; the rows behind them are zero. They may be a witness: `Debug` tells their form only.
#[derive(Clone, PartialEq, Eq)]
pub enum Values {
    /// Signed integers of 1 to 8 bytes.
    Integers(Arc<Integers>),
    /// A permutation column.
    Sigma(SigmaColumn),
    /// Field elements.
    Field(Vec<Fr>),
    /// Rows in increasing order with their elements; the others are zero.
    Sparse {
        /// The rows.
        rows: Vec<u32>,
        /// Their elements.
        values: Vec<Fr>,
    },
    /// The same element in all rows of the domain.
    Constant(Fr),
}

impl Values {
    /// Zeros.
    pub const ZERO: Self = Self::Sparse { rows: Vec::new(), values: Vec::new() };
}

/// A permutation column `σ_j`: cell `(j, i)` is mapped to cell `(j', i')`, which stands for `δ^j'·ω^i'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigmaColumn {
    /// `j`
    pub column: u32,
    /// The rows whose cell is not mapped to itself, in increasing order.
    pub rows: Arc<[u32]>,
    /// `(j', i')` for each of these rows.
    pub images: Arc<[(u32, u32)]>,
}

/// A column: values from row 0 on, and elements in the last rows, which hide the others. `Debug` tells its form only.
#[derive(Clone, PartialEq, Eq)]
pub struct Column {
    /// The first rows.
    pub values: Values,
    /// The last rows. Where there are any, `values` ends before them, and is no constant.
    pub tail: Vec<Fr>,
    /// A commitment to a column that differs from this one in the last rows alone, where one is known. Whoever hands the column over
    /// answers for it.
    pub known: Option<KnownCommitment>,
}

/// A commitment to a column by which a column with other last rows is committed to without a sum over its values: with `δ` the
/// differences of the last rows, the new commitment is the known one and `Σ_t δ_t·[ℓ_t(τ)]₁`.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownCommitment {
    /// The commitment.
    pub point: G1Affine,
    /// The last rows of the column that it is to.
    pub tail: Vec<Fr>,
}

/// The tail is that of a commitment that others hold, and is written over.
impl Drop for KnownCommitment {
    fn drop(&mut self) {
        wipe(&mut self.tail);
    }
}

impl KnownCommitment {
    /// What the last rows of another column have more, up to the longer of both tails.
    pub fn differences(&self, tail: &[Fr]) -> Vec<Fr> {
        let mut differences = vec![Fr::ZERO; tail.len().max(self.tail.len())];
        let last = |tail: &[Fr]| differences.len() - tail.len();
        let (own, known) = (last(tail), last(&self.tail));
        differences[own..].copy_from_slice(tail);
        differences[known..].iter_mut().zip(&self.tail).for_each(|(difference, element)| *difference -= element);
        differences
    }
}

impl fmt::Debug for KnownCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownCommitment").finish_non_exhaustive()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integers(integers) => write!(f, "{} integers", integers.len()),
            Self::Sigma(sigma) => write!(f, "permutation column {}, {} rows moved", sigma.column, sigma.rows.len()),
            Self::Field(elements) => write!(f, "{} elements", elements.len()),
            Self::Sparse { rows, .. } => write!(f, "{} elements here and there", rows.len()),
            Self::Constant(_) => f.write_str("a constant"),
        }
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({:?}, then a tail of {})", self.values, self.tail.len())
    }
}

impl Column {
    /// A column without a tail.
    pub fn new(values: Values) -> Self {
        Self { values, tail: Vec::new(), known: None }
    }

    /// A column of integers.
    pub fn integers(integers: Integers) -> Self {
        Self::new(Values::Integers(Arc::new(integers)))
    }

    /// A column of field elements, in the narrowest form: integers where all elements are at most 31 bits from zero, sparse where
    /// less than a fourth is not zero.
    pub fn narrowest(elements: Vec<Fr>) -> Self {
        let filled = elements.iter().filter(|element| !bool::from(element.is_zero())).count();
        let integers = || elements.iter().map(small_integer).collect::<Option<Vec<i64>>>();
        if let Some(integers) = integers() {
            return Self::integers(Integers::from(integers));
        }
        if 4 * filled < elements.len() {
            let filled = (0..).zip(elements).filter(|(_, element)| !bool::from(element.is_zero()));
            let (rows, values) = filled.unzip();
            return Self::new(Values::Sparse { rows, values });
        }
        Self::new(Values::Field(elements))
    }

    /// Rows that the column gives values for: the least length of its domain.
    pub fn rows(&self) -> usize {
        let values = match &self.values {
            Values::Integers(integers) => integers.len(),
            Values::Sigma(sigma) => sigma.rows.last().map_or(0, |row| *row as usize + 1),
            Values::Field(elements) => elements.len(),
            Values::Sparse { rows, .. } => rows.last().map_or(0, |row| *row as usize + 1),
            Values::Constant(_) => 0,
        };
        values + self.tail.len()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Integers(integers) => integers.bytes(),
            Values::Sigma(sigma) => 12 * sigma.rows.len(),
            Values::Field(elements) => 32 * elements.len(),
            Values::Sparse { rows, .. } => 36 * rows.len(),
            Values::Constant(_) => 32,
        };
        values + 32 * self.tail.len()
    }
}

/// An element as an integer of at most 31 bits and a sign.
fn small_integer(element: &Fr) -> Option<i64> {
    let magnitude = |element: Fr| {
        let repr = element.to_bytes();
        let small = repr[4..].iter().all(|byte| *byte == 0) && repr[3] < 0x80;
        small.then(|| i64::from(u32::from_le_bytes([repr[0], repr[1], repr[2], repr[3]])))
    };
    magnitude(*element).or_else(|| magnitude(-*element).map(|magnitude| -magnitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_take_their_narrowest_form() {
        let integers = Column::narrowest(vec![Fr::from(3), -Fr::from(7), Fr::ZERO]);
        assert_eq!(integers.values, Values::Integers(Arc::new(Integers::from(vec![3, -7, 0]))));
        assert_eq!((integers.rows(), integers.bytes()), (3, 3));
        assert_eq!(format!("{integers:?}"), "Column(3 integers, then a tail of 0)");
        let mut elements = vec![Fr::ZERO; 9];
        elements[4] = Fr::from(u64::MAX);
        elements[6] = Fr::ONE;
        let sparse = Column::narrowest(elements.clone());
        assert_eq!(sparse.values, Values::Sparse { rows: vec![4, 6], values: vec![Fr::from(u64::MAX), Fr::ONE] });
        assert_eq!(sparse.rows(), 7);
        elements[..3].fill(Fr::ONE);
        assert_eq!(Column::narrowest(elements.clone()).values, Values::Field(elements));
        let limit = Fr::from((1 << 31) - 1);
        assert_eq!(small_integer(&-limit), Some(1 - (1 << 31)));
        assert_eq!(small_integer(&(limit + Fr::ONE)), None);
    }
}
