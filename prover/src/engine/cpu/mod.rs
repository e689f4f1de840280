//! The engine of the processor: vector kernels on all threads.
//!
//! Columns stay in the form that the protocol hands over: integers of 1 to 8 bytes, cells of the permutation, elements. They
//! are expanded block by block where a kernel needs elements, and nowhere kept so but in the quotient.
//!
//! | file | operations |
//! | --- | --- |
//! | `block.rs` | a column's values in some rows; sums of columns |
//! | `commitment.rs` | [`Engine::commit`] |
//! | `interpreter.rs` | straight-line programs over rows; [`Engine::pointwise`] |
//! | `kernels.rs` | the arithmetic of a machine's second phase |
//! | `sigma.rs` | values of permutation columns |
//! | `product.rs` | [`Engine::grand_product`] |
//! | `quotient.rs` | [`Engine::quotient`] |
//! | `opening.rs` | [`Engine::evaluate`], [`Engine::combine`], [`Engine::divide`] |

mod block;
mod commitment;
mod interpreter;
mod kernels;
mod opening;
mod product;
mod quotient;
mod sigma;
mod work;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

use self::block::SmallElements;
use super::lookup::permute_pair;
use super::{Column, Dividend, Engine, EngineError, Environment, GrandProduct, Values};
use crate::field::{self, Instructions};
use crate::msm::{Bases, FixedBases};
use crate::plonk::constraints::NodeId;
use crate::plonk::quotient::QuotientPlan;
use crate::transform::Domain;

pub use kernels::VectorKernels;
use work::Counters;
pub use work::Work;

/// Rows that a task takes at once: a block of elements and what is made of it stays in the second cache.
const BLOCK: usize = 1 << 10;

/// Rows at the end of a column that a tail may cover: the most that tables are made for.
const TAIL: usize = 8;

/// How the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOptions {
    /// The instructions that kernels use.
    pub instructions: Instructions,
    /// Bytes that the quotient may take beyond the columns themselves; without a limit it takes what is fastest.
    pub quotient_bytes: Option<u64>,
}

impl Default for CpuOptions {
    fn default() -> Self {
        Self { instructions: Instructions::detected(), quotient_bytes: None }
    }
}

/// The processor as an engine.
pub struct CpuEngine {
    options: CpuOptions,
    domain: Domain,
    /// `1, ω, ω², …`
    points: Vec<Fr>,
    /// `[ℓ_i(τ)]₁`
    lagrange: Bases,
    /// Those of the last rows, the last row first.
    tail: FixedBases,
    /// `[τ]₁`
    tau: G1Affine,
    small: SmallElements,
    counters: Counters,
}

impl CpuEngine {
    /// An engine for the domain of `lagrange.len()` points, a power of two and 8 at least, with the Lagrange basis
    /// `[ℓ_i(τ)]₁` and `[τ]₁`.
    pub fn new(lagrange: &[G1Affine], tau: G1Affine, options: CpuOptions) -> Self {
        let domain = Domain::new(lagrange.len().ilog2());
        let mut points = vec![Fr::ZERO; domain.size()];
        points.par_chunks_mut(BLOCK).enumerate().for_each(|(block, points)| {
            let start = domain.omega().pow_vartime([(block * BLOCK) as u64]);
            field::powers(options.instructions, domain.omega(), start, points);
        });
        let last: Vec<_> = lagrange.iter().rev().take(TAIL).copied().collect();
        Self {
            tail: FixedBases::new(options.instructions, &last),
            lagrange: Bases::new(lagrange),
            tau,
            small: SmallElements::new(),
            points,
            domain,
            options,
            counters: Counters::default(),
        }
    }

    /// What has been done so far, by count.
    pub fn work(&self) -> Work {
        self.counters.total()
    }

    fn rows(&self) -> usize {
        self.domain.size()
    }

    fn instructions(&self) -> Instructions {
        self.options.instructions
    }

    /// A new column whose blocks `fill` writes, from their first row on.
    fn fill_blocks(&self, fill: impl Fn(usize, &mut [Fr]) + Sync) -> Column {
        let mut elements = vec![Fr::ZERO; self.rows()];
        elements.par_chunks_mut(BLOCK).enumerate().for_each(|(block, elements)| fill(block * BLOCK, elements));
        Column::new(Values::Field(elements))
    }
}

impl Engine for CpuEngine {
    type Column = Column;

    fn k(&self) -> u32 {
        self.domain.k()
    }

    fn quotient_limit(&self) -> usize {
        let column = 32 * self.rows() as u64;
        self.options.quotient_bytes.map_or(usize::MAX, |bytes| (bytes / column) as usize)
    }

    fn column(&self, column: Column) -> Result<Column, EngineError> {
        match column.rows() {
            found if found > self.rows() => Err(EngineError::ColumnLength { rows: self.rows(), found }),
            _ if column.tail.len() > TAIL => Ok(Column::new(Values::Field(self.elements(&column)))),
            _ => Ok(column),
        }
    }

    fn commit(&self, columns: &[&Column]) -> Result<Vec<G1Affine>, EngineError> {
        Ok(self.commitments(columns))
    }

    fn pointwise(&self, node: NodeId, environment: &Environment<'_, Column>) -> Result<Column, EngineError> {
        Ok(self.node_values(node, environment))
    }

    fn permute_pair(&self, input: &Column, table: &Column, tails: [Vec<Fr>; 2]) -> Result<[Column; 2], EngineError> {
        let [input, table] = [input, table].map(|column| self.elements(column));
        Ok(permute_pair(&input, &table, tails)?.map(|elements| Column::new(Values::Field(elements))))
    }

    fn grand_product(&self, product: GrandProduct<'_, Column>) -> Result<(Column, Fr), EngineError> {
        let (column, last) = self.running_product(product);
        Ok((self.column(column)?, last))
    }

    fn quotient(&self, plan: &QuotientPlan, environment: &Environment<'_, Column>) -> Result<Vec<Column>, EngineError> {
        Ok(self.quotient_pieces(plan, environment))
    }

    fn evaluate(&self, x: Fr, queries: &[(&Column, i32)]) -> Result<Vec<Fr>, EngineError> {
        Ok(self.evaluations(x, queries))
    }

    fn combine(&self, terms: &[(&Column, Fr)], constant: Fr) -> Result<Column, EngineError> {
        Ok(self.combination(terms, constant))
    }

    fn divide(&self, dividends: &[Dividend<'_, Column>]) -> Result<Column, EngineError> {
        Ok(self.divided(dividends))
    }

    fn values(&self, column: &Column) -> Result<Vec<Fr>, EngineError> {
        Ok(self.elements(column))
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::{check, KnownSrs};
    use super::*;

    #[test]
    fn every_operation_is_the_naive_one() {
        for k in [4, 5, 7, 11] {
            let srs = KnownSrs::new(k);
            for &instructions in Instructions::available() {
                let options = CpuOptions { instructions, ..CpuOptions::default() };
                check(&CpuEngine::new(&srs.lagrange, srs.tau, options), &srs, u64::from(k));
            }
        }
    }
}
