//! What the prover asks of the hardware.
//!
//! The protocol ([`crate::plonk`]) speaks of columns alone: values on the domain `H` of `n = 2^k` points. Everything that an
//! [`Engine`] does with them starts and ends with columns that the engine owns, in whatever memory it has; commitments (a point),
//! evaluations (a scalar) and the last value of a running product are all that comes back. Coefficients exist only within
//! [`Engine::quotient`].
//!
//! | step of the protocol | operation |
//! | --- | --- |
//! | witness | [`Engine::column`], [`Engine::derive`], [`Engine::commit`] |
//! | permutation and lookup products | [`Engine::pointwise`], [`Engine::permute_pair`], [`Engine::grand_product`] |
//! | quotient | [`Engine::quotient`] |
//! | evaluations | [`Engine::evaluate`] |
//! | opening (SHPLONK) | [`Engine::combine`], [`Engine::divide`] |
//!
//! Why no coefficients: evaluations are dot products with `ℓ_i(x)` (one vector for all rotations, since
//! `ℓ_i(ω^r·x) = ℓ_(i−r)(x)`), which for columns of small integers take no field product at all; the quotients of the opening,
//! `(p(X) − r(X))/Z(X)`, have degree below `n` and are determined by their values on `H`, where `Z` has no zero; commitments
//! take the Lagrange basis throughout. So a weight stays 1 to 4 bytes from the key to the proof.
//!
//! [`CpuEngine`] is the fast one; [`NaiveEngine`] does each operation in the plainest way, and tests hold every engine against
//! it ([`suite`]). All engines give the same columns, points and scalars.

mod column;
mod cpu;
mod dividends;
mod lookup;

mod naive;
pub mod suite;

use circuits::recipe::{Recipe, Source};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use thiserror::Error;

use crate::plonk::constraints::{self, Graph, NodeId};
use crate::plonk::quotient::{QuotientPlan, Room};
use crate::plonk::scalar::{ScalarId, ScalarValues};

pub use column::{Column, KnownCommitment, SigmaColumn, Values};
pub use cpu::{derive_on_host, CpuColumn, CpuEngine, CpuOptions, Disk, DiskError, VectorKernels, Work};
pub use dividends::{divisors, Divisor};
pub use lookup::permute_pair;
pub use naive::NaiveEngine;

/// Why an engine gives up.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A column is longer than the domain.
    #[error("a column of {found} rows does not fit into a domain of {rows}")]
    ColumnLength {
        /// Rows of the domain.
        rows: usize,
        /// Rows of the column.
        found: usize,
    },
    /// What is looked up is not in the table.
    #[error("row {row} looks up a value that is not in the table")]
    NotInTable {
        /// The first such row.
        row: usize,
    },
    /// A recipe reads a column that is not one of small integers.
    #[error("{0:?} is read by a recipe, and is no column of small integers")]
    NoIntegers(Source),
    /// A column can't be kept in a temporary file.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The device of an engine outside of this crate fails.
    #[error(transparent)]
    Device(Box<dyn std::error::Error + Send + Sync>),
}

/// A factor of a [`Engine::grand_product`]: `Σ scalar·column + identity·X + constant` in every row.
pub struct Factor<'a, C> {
    /// Columns with their coefficients.
    pub terms: Vec<(&'a C, Fr)>,
    /// Coefficient of the point `ω^i` that row `i` stands for.
    pub identity: Fr,
    /// The constant.
    pub constant: Fr,
}

/// What a running product runs over.
pub struct GrandProduct<'a, C> {
    /// Factors above the line.
    pub numerators: Vec<Factor<'a, C>>,
    /// Factors below the line; none is zero in a usable row, but with negligible probability.
    pub denominators: Vec<Factor<'a, C>>,
    /// The value in row 0.
    pub start: Fr,
    /// The values of the last rows, which hide the others.
    pub tail: Vec<Fr>,
}

/// A part of an opening: `scale·(column − remainder)/Z`, with `Z` the product of `X − point`.
pub struct Dividend<'a, C> {
    /// The column.
    pub column: &'a C,
    /// Coefficients of the polynomial that the column agrees with at the points; as many as points at most.
    pub remainder: Vec<Fr>,
    /// The points, none of them in the domain.
    pub points: Vec<Fr>,
    /// The factor.
    pub scale: Fr,
}

/// Columns by their name in the constraints.
pub type ColumnLookup<'a, C> = dyn Fn(constraints::Column) -> &'a C + Sync + 'a;

/// The columns, scalars and nodes that an expression is evaluated with.
pub struct Environment<'a, C> {
    /// What nodes are made of.
    pub graph: &'a Graph,
    /// The values of the graph's scalars.
    pub scalars: &'a ScalarValues,
    /// Every column but the combinations, which the engine makes from theirs.
    pub columns: &'a ColumnLookup<'a, C>,
}

/// What a recipe is evaluated with.
pub struct Ingredients<'a, C> {
    /// The challenges, in the order of the recipe's exponents.
    pub challenges: &'a [Fr],
    /// The columns that it reads; their last rows are not read.
    pub columns: &'a SourceLookup<'a, C>,
    /// The values of the last rows of each of its columns, which hide the others.
    pub tails: Vec<Vec<Fr>>,
}

/// Columns by what a recipe calls them.
pub type SourceLookup<'a, C> = dyn Fn(Source) -> &'a C + Sync + 'a;

/// Takes a column that was made, by its number in the recipe.
pub type TakeColumn<'a, C> = dyn FnMut(usize, C) + 'a;

/// The operations of the prover on columns of a domain.
pub trait Engine: Sync {
    /// A column that the engine holds.
    type Column: Send + Sync;

    /// A recipe that is ready for many proofs.
    type Recipe: Send + Sync;

    /// The domain has `2^k` points.
    fn k(&self) -> u32;

    /// What the quotient may take.
    fn quotient_room(&self) -> Room;

    /// Takes a column over.
    ///
    /// # Errors
    /// The column is too long, or there is no memory for it.
    fn column(&self, column: Column) -> Result<Self::Column, EngineError>;

    /// Takes a recipe over.
    ///
    /// # Errors
    /// There is no memory for it.
    fn recipe(&self, recipe: Recipe) -> Result<Self::Recipe, EngineError>;

    /// The columns of a recipe, handed out in any order.
    ///
    /// # Errors
    /// It reads a column that is not of small integers, or the engine fails.
    fn derive(
        &self,
        recipe: &Self::Recipe,
        ingredients: Ingredients<'_, Self::Column>,
        take: &mut TakeColumn<'_, Self::Column>,
    ) -> Result<(), EngineError>;

    /// An engine for one proof of several that are in flight, on what this one holds; `None` where this one serves them all.
    ///
    /// # Errors
    /// The engine fails.
    fn for_proof(&self) -> Result<Option<Self>, EngineError>
    where
        Self: Sized,
    {
        Ok(None)
    }

    /// Says that a column will be committed to, before further columns come, so that an engine may begin; [`Self::commit`] waits for
    /// it.
    ///
    /// # Errors
    /// The engine fails.
    fn begin_commit(&self, _column: &Self::Column) -> Result<(), EngineError> {
        Ok(())
    }

    /// The commitments `Σ_i c_i·[ℓ_i(τ)]₁`.
    ///
    /// # Errors
    /// The engine fails.
    fn commit(&self, columns: &[&Self::Column]) -> Result<Vec<G1Affine>, EngineError>;

    /// The column of a node's values in every row.
    ///
    /// # Errors
    /// The engine fails.
    fn pointwise(&self, node: NodeId, environment: &Environment<'_, Self::Column>)
        -> Result<Self::Column, EngineError>;

    /// For a lookup: the input's usable rows with equal values together, and a table beside it that has the input's value in the
    /// first row of each run, and in the other rows what is left of the table (Bowe, Grigg, Hopwood, *The halo2 book*,
    /// "Lookup argument"). Runs come by increasing value. The tails are the last rows of both.
    ///
    /// # Errors
    /// A value is not in the table.
    fn permute_pair(
        &self,
        input: &Self::Column,
        table: &Self::Column,
        tails: [Vec<Fr>; 2],
    ) -> Result<[Self::Column; 2], EngineError>;

    /// `z_0 = start`, `z_(i+1) = z_i·Π numerators / Π denominators` up to the tail; also the value in the row before the tail.
    ///
    /// # Errors
    /// The engine fails.
    fn grand_product(&self, product: GrandProduct<'_, Self::Column>) -> Result<(Self::Column, Fr), EngineError>;

    /// The pieces of the quotient, by their values on the domain, as many as the plan says. See [`QuotientPlan`].
    ///
    /// # Errors
    /// The engine fails.
    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, Self::Column>,
    ) -> Result<Vec<Self::Column>, EngineError>;

    /// The polynomials of columns at `ω^rotation·x`; `x` does not lie in the domain.
    ///
    /// # Errors
    /// The engine fails.
    fn evaluate(&self, x: Fr, queries: &[(&Self::Column, i32)]) -> Result<Vec<Fr>, EngineError>;

    /// `constant + Σ factor·column` in every row.
    ///
    /// # Errors
    /// The engine fails.
    fn combine(&self, terms: &[(&Self::Column, Fr)], constant: Fr) -> Result<Self::Column, EngineError>;

    /// The sum of dividends, each a polynomial below degree `n`.
    ///
    /// # Errors
    /// The engine fails.
    fn divide(&self, dividends: &[Dividend<'_, Self::Column>]) -> Result<Self::Column, EngineError>;

    /// The values of a column, for tests.
    ///
    /// # Errors
    /// The engine fails.
    fn values(&self, column: &Self::Column) -> Result<Vec<Fr>, EngineError>;

    /// What has been done so far, where the engine counts it.
    fn work(&self) -> Work {
        Work::default()
    }

    /// Bytes of a disk that columns have taken so far, at most, where they lie on one while nothing is done with them.
    fn spilled_bytes(&self) -> u64 {
        0
    }
}

/// The terms of a combination.
pub fn combination_terms<'a, C>(
    environment: &Environment<'a, C>,
    terms: &[(constraints::Column, ScalarId)],
) -> Vec<(&'a C, Fr)> {
    let column = |&(column, factor): &(constraints::Column, ScalarId)| {
        ((environment.columns)(column), environment.scalars.get(factor))
    };
    terms.iter().map(column).collect()
}
