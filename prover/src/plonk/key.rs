//! What a prover holds of a circuit: its fixed columns and permutation on an engine, and the compiled constraints.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::plonk::{ConstraintSystem, VerifyingKey};

use super::constraints::{self, Constraints};
use super::quotient::QuotientPlan;
use crate::engine::{Column, Engine, EngineError, SigmaColumn, Values};

/// The columns of a circuit that do not depend on a witness.
#[derive(Clone, Debug)]
pub struct Preprocessed {
    /// The fixed columns, in the order of the constraint system.
    pub fixed: Vec<Column>,
    /// The permutation columns, in the order of the argument.
    pub sigma: Vec<SigmaColumn>,
}

/// Commitments to preprocessed columns: what a verifying key is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreprocessedCommitments {
    /// To the fixed columns.
    pub fixed: Vec<G1Affine>,
    /// To the permutation columns.
    pub permutation: Vec<G1Affine>,
}

impl Preprocessed {
    /// Commits to all columns.
    ///
    /// # Errors
    /// The engine fails.
    pub fn commit<E: Engine>(&self, engine: &E) -> Result<PreprocessedCommitments, EngineError> {
        let fixed = self.fixed.iter().map(|column| engine.column(column.clone())).collect::<Result<Vec<_>, _>>()?;
        let sigma = self.sigma.iter().map(|sigma| engine.column(Column::new(Values::Sigma(sigma.clone()))));
        let sigma = sigma.collect::<Result<Vec<_>, _>>()?;
        let mut all: Vec<_> = fixed.iter().chain(&sigma).collect();
        let commitments = engine.commit(&all)?;
        let permutation = commitments[fixed.len()..].to_vec();
        all.truncate(fixed.len());
        Ok(PreprocessedCommitments { fixed: commitments[..fixed.len()].to_vec(), permutation })
    }
}

/// A circuit on an engine, ready for proofs.
pub struct CircuitKey<E: Engine> {
    pub(super) system: ConstraintSystem<Fr>,
    /// What the transcript starts with.
    pub(super) digest: Fr,
    pub(super) constraints: Constraints,
    pub(super) plan: QuotientPlan,
    /// The permutation columns, in the order of the argument.
    pub(super) sigma: Vec<SigmaColumn>,
    /// Fixed and permutation columns and those of the rows: all that constraints speak about before a proof.
    pub(super) columns: BTreeMap<constraints::Column, E::Column>,
}

impl<E: Engine> CircuitKey<E> {
    /// Puts a circuit onto an engine.
    ///
    /// # Errors
    /// The engine fails.
    pub fn new(engine: &E, key: &VerifyingKey<G1Affine>, preprocessed: Preprocessed) -> Result<Self, EngineError> {
        let system = key.cs().clone();
        let constraints = Constraints::new(&system);
        let plan = QuotientPlan::new(&constraints, system.degree() - 1, engine.columns_at_once());
        let rows = 1u32 << engine.k();
        let last = rows - system.blinding_factors() as u32 - 1;
        let mut held = BTreeMap::new();
        for (index, column) in preprocessed.fixed.into_iter().enumerate() {
            held.insert(constraints::Column::Fixed(index), engine.column(column)?);
        }
        let sigma = preprocessed.sigma;
        for (index, sigma) in sigma.iter().cloned().enumerate() {
            held.insert(constraints::Column::Sigma(index), engine.column(Column::new(Values::Sigma(sigma)))?);
        }
        let mark = |marked: std::ops::Range<u32>| {
            let integers = (0..rows).map(|row| i64::from(marked.contains(&row))).collect::<Vec<_>>();
            engine.column(Column::integers(circuits::machine::Integers::from(integers)))
        };
        held.insert(constraints::Column::First, mark(0..1)?);
        held.insert(constraints::Column::Last, mark(last..last + 1)?);
        held.insert(constraints::Column::Usable, mark(0..last)?);
        Ok(Self { system, digest: key.transcript_repr(), constraints, plan, sigma, columns: held })
    }

    /// The constraint system.
    pub fn system(&self) -> &ConstraintSystem<Fr> {
        &self.system
    }

    /// How the quotient is computed.
    pub fn plan(&self) -> &QuotientPlan {
        &self.plan
    }

    /// Rows that hold a witness.
    pub(super) fn usable_rows(&self, engine: &E) -> usize {
        (1 << engine.k()) - self.system.blinding_factors() - 1
    }
}
