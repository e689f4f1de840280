//! The engine of the processor: vector kernels on all threads.
//!
//! Columns stay in the form that the protocol hands over: integers of 1 to 8 bytes, cells of the permutation, elements. They
//! are expanded block by block where a kernel needs elements, and nowhere kept so but in the quotient. Where memory is short,
//! those of elements lie in a temporary file, and are read block by block as well ([`CpuEngine::spill`]).
//!
//! | file | operations |
//! | --- | --- |
//! | `block.rs` | a column's values in some rows; sums of columns |
//! | `column.rs`, `disk.rs` | columns in memory and on disk |
//! | `derive.rs` | [`Engine::derive`] |
//! | `commitment.rs` | [`Engine::commit`] |
//! | `interpreter.rs` | straight-line programs over rows; [`Engine::pointwise`] |
//! | `kernels.rs` | the arithmetic of a machine's second phase |
//! | `sigma.rs` | values of permutation columns |
//! | `product.rs` | [`Engine::grand_product`] |
//! | `quotient.rs` | [`Engine::quotient`] |
//! | `opening.rs` | [`Engine::evaluate`], [`Engine::combine`], [`Engine::divide`] |

mod block;
mod column;
mod commitment;
mod derive;
mod disk;
mod interpreter;
mod kernels;
mod opening;
mod product;
mod quotient;
mod sigma;
mod work;

use std::sync::{Arc, OnceLock};

use circuits::recipe::Recipe;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

use super::lookup::permute_pair;
use super::{Column, Dividend, Engine, EngineError, Environment, GrandProduct, Ingredients, TakeColumn, Values};
use crate::field::{self, Instructions};
use crate::msm::{Bases, FixedBases};
use crate::plonk::constraints::NodeId;
use crate::plonk::quotient::{QuotientPlan, Room};
use crate::transform::Domain;

use block::SmallElements;
pub use column::CpuColumn;
use column::{KnownSum, Place};
pub use derive::derive_on_host;
pub use disk::{Disk, DiskError};
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

/// Where columns are that are not worked on.
struct Spill {
    disk: Arc<Disk>,
    /// Whether what the quotient is made from is there, too.
    quotient: bool,
}

/// The processor as an engine.
pub struct CpuEngine {
    options: CpuOptions,
    spill: Option<Spill>,
    domain: Domain,
    /// `1, ω, ω², …`
    points: Vec<Fr>,
    /// `[ℓ_i(τ)]₁`
    lagrange: Bases,
    /// Those of the last rows, the last row first.
    last: Vec<G1Affine>,
    /// Their tables, made when the first sum asks for them.
    tables: OnceLock<FixedBases>,
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
        Self {
            last: lagrange.iter().rev().take(TAIL).copied().collect(),
            tables: OnceLock::new(),
            lagrange: Bases::new(lagrange),
            tau,
            small: SmallElements::new(),
            points,
            domain,
            options,
            spill: None,
            counters: Counters::default(),
        }
    }

    /// Keeps columns of elements on a disk from now on while nothing is done with them; with `quotient` also the coefficients,
    /// numerators and pieces of the quotient, all but one at a time. Proofs take longer, and are the same.
    pub fn spill(self, disk: Disk, quotient: bool) -> Self {
        Self { spill: Some(Spill { disk: Arc::new(disk), quotient }), ..self }
    }

    fn rows(&self) -> usize {
        self.domain.size()
    }

    fn instructions(&self) -> Instructions {
        self.options.instructions
    }

    /// A new column whose blocks `fill` writes, from their first row on.
    fn fill_blocks(
        &self,
        fill: impl Fn(usize, &mut [Fr]) -> Result<(), EngineError> + Sync,
    ) -> Result<CpuColumn, EngineError> {
        let mut elements = vec![Fr::ZERO; self.rows()];
        let blocks = elements.par_chunks_mut(BLOCK).enumerate();
        blocks.map(|(block, elements)| fill(block * BLOCK, elements)).collect::<Result<(), _>>()?;
        self.hold(Column::new(Values::Field(elements)))
    }
}

impl Engine for CpuEngine {
    type Column = CpuColumn;
    type Recipe = Recipe;

    fn k(&self) -> u32 {
        self.domain.k()
    }

    fn quotient_room(&self) -> Room {
        let column = 32 * self.rows() as u64;
        Room {
            columns: self.options.quotient_bytes.map_or(usize::MAX, |bytes| (bytes / column) as usize),
            elsewhere: self.spill.as_ref().is_some_and(|spill| spill.quotient),
        }
    }

    fn column(&self, column: Column) -> Result<CpuColumn, EngineError> {
        match column.rows() {
            found if found > self.rows() => Err(EngineError::ColumnLength { rows: self.rows(), found }),
            _ if column.tail.len() > TAIL => {
                let Column { values, tail, known } = column;
                // Its last rows become values, so that the differences from the known ones are taken now.
                let known = known.map(|known| KnownSum::new(known, &tail));
                let column = CpuColumn { values: Place::Memory(values), tail, known: None };
                let filled = self.fill_blocks(|first, values| self.fill(&column, first, values))?;
                Ok(CpuColumn { known, ..filled })
            }
            _ => self.hold(column),
        }
    }

    fn recipe(&self, recipe: Recipe) -> Result<Recipe, EngineError> {
        Ok(recipe)
    }

    fn derive(
        &self,
        recipe: &Recipe,
        ingredients: Ingredients<'_, CpuColumn>,
        take: &mut TakeColumn<'_, CpuColumn>,
    ) -> Result<(), EngineError> {
        self.derive_columns(recipe, ingredients, take)
    }

    fn commit(&self, columns: &[&CpuColumn]) -> Result<Vec<G1Affine>, EngineError> {
        self.commitments(columns)
    }

    fn pointwise(&self, node: NodeId, environment: &Environment<'_, CpuColumn>) -> Result<CpuColumn, EngineError> {
        self.node_values(node, environment)
    }

    fn permute_pair(
        &self,
        input: &CpuColumn,
        table: &CpuColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[CpuColumn; 2], EngineError> {
        let [input, table] = permute_pair(&self.elements(input)?, &self.elements(table)?, tails)?;
        Ok([self.hold(Column::new(Values::Field(input)))?, self.hold(Column::new(Values::Field(table)))?])
    }

    fn grand_product(&self, product: GrandProduct<'_, CpuColumn>) -> Result<(CpuColumn, Fr), EngineError> {
        let (column, last) = self.running_product(product)?;
        Ok((self.column(column)?, last))
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, CpuColumn>,
    ) -> Result<Vec<CpuColumn>, EngineError> {
        self.quotient_pieces(plan, environment)
    }

    fn evaluate(&self, x: Fr, queries: &[(&CpuColumn, i32)]) -> Result<Vec<Fr>, EngineError> {
        self.evaluations(x, queries)
    }

    fn combine(&self, terms: &[(&CpuColumn, Fr)], constant: Fr) -> Result<CpuColumn, EngineError> {
        self.combination(terms, constant)
    }

    fn divide(&self, dividends: &[Dividend<'_, CpuColumn>]) -> Result<CpuColumn, EngineError> {
        self.divided(dividends)
    }

    fn values(&self, column: &CpuColumn) -> Result<Vec<Fr>, EngineError> {
        self.elements(column)
    }

    fn work(&self) -> Work {
        self.counters.total()
    }

    fn spilled_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, |spill| spill.disk.most_columns() * 32 * self.rows() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::{check, KnownSrs};
    use super::super::KnownCommitment;
    use super::*;

    #[test]
    fn every_operation_is_the_naive_one() {
        for k in [4, 5, 7, 11] {
            let srs = KnownSrs::new(k);
            for &instructions in Instructions::available() {
                let options = CpuOptions { instructions, ..CpuOptions::default() };
                let engine = || CpuEngine::new(&srs.lagrange, srs.tau, options);
                check(&engine(), &srs, u64::from(k));
                for quotient in [false, true] {
                    let disk = Disk::new(&std::env::temp_dir(), 0).expect("a folder for temporary files");
                    let engine = engine().spill(disk, quotient);
                    check(&engine, &srs, u64::from(k));
                    assert!(engine.spilled_bytes() > 0);
                }
            }
        }
    }

    #[test]
    fn known_commitments_take_no_sums_over_values() {
        let srs = KnownSrs::new(7);
        let engine = CpuEngine::new(&srs.lagrange, srs.tau, CpuOptions::default());
        let tail = |first: u64| (first..first + 6).map(Fr::from).collect::<Vec<_>>();
        let column = || Column::integers((0..100).map(|row| 300 * row - 15_000).collect());
        let before = Column { tail: tail(1), ..column() };
        let point = engine.commit(&[&engine.column(before).expect("it fits")]).expect("a point")[0];
        let spent = engine.work();
        assert_eq!(spent.additions, 200);
        let known = Some(KnownCommitment { point, tail: tail(1) });
        let after = engine.column(Column { tail: tail(9), known, ..column() }).expect("it fits");
        engine.commit(&[&after]).expect("a point");
        assert_eq!(engine.work(), spent);
    }
}
