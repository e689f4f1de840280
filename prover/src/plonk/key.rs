//! What a prover holds of a circuit: its fixed columns and permutation on an engine, and the compiled constraints.

use std::collections::{BTreeMap, BTreeSet};

use circuits::machine::Integers;
use circuits::recipe::{Recipe, Source};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::plonk::{ConstraintSystem, VerifyingKey};

use thiserror::Error;

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
    /// The columns of a phase, where they follow from those before it.
    pub recipe: Option<Recipe>,
}

/// A phase whose columns follow from those before it.
pub(super) struct DerivedPhase<E: Engine> {
    pub(super) phase: u8,
    /// The columns of the recipe, by their index among the advice columns.
    pub(super) columns: Vec<usize>,
    pub(super) recipe: E::Recipe,
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
        let mut commitments = engine.commit(&fixed.iter().chain(&sigma).collect::<Vec<_>>())?;
        let permutation = commitments.split_off(fixed.len());
        Ok(PreprocessedCommitments { fixed: commitments, permutation })
    }
}

/// Why a circuit can't be put onto an engine.
#[derive(Debug, Error)]
pub enum CircuitError {
    /// The system has selectors of the library, which its own keys replace.
    #[error("the constraint system has {found} selectors; only systems without are taken")]
    Selectors {
        /// How many.
        found: usize,
    },
    /// A constraint of a degree that the system does not declare; the library caps what it declares by itself.
    #[error("{constraint} has degree {found}, and the system declares {limit}: set its minimum degree")]
    Degree {
        /// The constraint.
        constraint: String,
        /// The system's degree.
        limit: usize,
        /// The constraint's degree.
        found: usize,
    },
    /// A rotation beyond the domain, or two of one column that are the same there.
    #[error("a column is read at rotation {rotation}, which in a domain of {rows} rows is out of range or another one's twin")]
    Rotation {
        /// The rotation.
        rotation: i32,
        /// Rows of the domain.
        rows: usize,
    },
    /// Another number of columns than the system has.
    #[error("the constraint system has {expected} {what} columns, and {found} are given")]
    Columns {
        /// Fixed or permutation.
        what: &'static str,
        /// Columns of the system.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// A recipe that fills other columns than those of one phase, or reads what is not there before it.
    #[error("the recipe fills other columns than those of one phase, or reads what is not there before it")]
    Recipe,
    /// The engine gives up.
    #[error(transparent)]
    Engine(#[from] EngineError),
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
    pub(super) derived: Option<DerivedPhase<E>>,
}

impl<E: Engine> CircuitKey<E> {
    /// Puts a circuit onto an engine.
    ///
    /// # Errors
    /// The system is not one that proofs can be made for, the columns are not its own, or the engine fails.
    pub fn new(engine: &E, key: &VerifyingKey<G1Affine>, preprocessed: Preprocessed) -> Result<Self, CircuitError> {
        let system = key.cs().clone();
        check_columns(&system, &preprocessed)?;
        check_rotations(&system, 1 << engine.k())?;
        let rows = 1u32 << engine.k();
        let last = rows - system.blinding_factors() as u32 - 1;
        let constraints = Constraints::new(&system, &usable_columns(&preprocessed.fixed, last as usize));
        check_degrees(&system, &constraints)?;
        let plan = QuotientPlan::new(&constraints, system.degree() - 1, engine.quotient_room());
        let mut held = BTreeMap::new();
        for (index, column) in preprocessed.fixed.into_iter().enumerate() {
            held.insert(constraints::Column::Fixed(index), engine.column(column)?);
        }
        let derived = preprocessed.recipe.map(|recipe| {
            let phase = derived_phase(&system, &recipe, last as usize).ok_or(CircuitError::Recipe)?;
            let columns = recipe.columns.iter().map(|target| target.advice).collect();
            Ok::<_, CircuitError>(DerivedPhase { phase, columns, recipe: engine.recipe(recipe)? })
        });
        let derived = derived.transpose()?;
        let sigma = preprocessed.sigma;
        for (index, sigma) in sigma.iter().cloned().enumerate() {
            held.insert(constraints::Column::Sigma(index), engine.column(Column::new(Values::Sigma(sigma)))?);
        }
        let mark = |marked: std::ops::Range<u32>| {
            let integers = (0..rows).map(|row| i64::from(marked.contains(&row))).collect::<Vec<_>>();
            engine.column(Column::integers(Integers::from(integers)))
        };
        held.insert(constraints::Column::First, mark(0..1)?);
        held.insert(constraints::Column::Last, mark(last..last + 1)?);
        held.insert(constraints::Column::Usable, mark(0..last)?);
        Ok(Self { system, digest: key.transcript_repr(), constraints, plan, sigma, columns: held, derived })
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

/// The phase whose columns a recipe fills: all of them and no others, in usable rows, from columns that are there before.
fn derived_phase(system: &ConstraintSystem<Fr>, recipe: &Recipe, usable: usize) -> Option<u8> {
    let phases = system.advice_column_phase();
    let phase = *phases.get(recipe.columns.first()?.advice)?;
    let of_phase = (0..phases.len()).filter(|index| phases[*index] == phase);
    let mut filled: Vec<usize> = recipe.columns.iter().map(|target| target.advice).collect();
    filled.sort_unstable();
    let is_there = |source: Source| match source {
        Source::Fixed(index) => index < system.num_fixed_columns(),
        Source::Advice(index) => phases.get(index).is_some_and(|before| *before < phase),
        Source::Instance(index) => index < system.num_instance_columns(),
    };
    let read = recipe.inputs.iter().all(|input| is_there(input.source) && input.rows.end() <= usable);
    let copied = recipe.scalars.iter().flat_map(|unit| &unit.sources).all(|source| is_there(*source));
    let fits = recipe.columns.iter().all(|target| target.rows <= usable);
    (of_phase.eq(filled) && read && copied && fits).then_some(phase)
}

/// The fixed columns that are 1 on the usable rows and 0 behind them.
fn usable_columns(fixed: &[Column], usable: usize) -> BTreeSet<usize> {
    let marks = |column: &Column| match &column.values {
        Values::Integers(integers) => column.tail.is_empty() && marks_usable_rows(integers, usable),
        _ => false,
    };
    fixed.iter().enumerate().filter(|(_, column)| marks(column)).map(|(index, _)| index).collect()
}

/// Whether integers are 1 in so many rows, and 0 in those behind them.
pub(crate) fn marks_usable_rows(integers: &Integers, usable: usize) -> bool {
    integers.len() >= usable && integers.iter().enumerate().all(|(row, value)| value == i64::from(row < usable))
}

fn check_columns(system: &ConstraintSystem<Fr>, preprocessed: &Preprocessed) -> Result<(), CircuitError> {
    if system.num_selectors() != 0 {
        return Err(CircuitError::Selectors { found: system.num_selectors() });
    }
    let members = system.permutation().get_columns().len();
    for (what, expected, found) in [
        ("fixed", system.num_fixed_columns(), preprocessed.fixed.len()),
        ("permutation", members, preprocessed.sigma.len()),
    ] {
        if expected != found {
            return Err(CircuitError::Columns { what, expected, found });
        }
    }
    Ok(())
}

/// Every column is read at different points: the verifier takes no column twice at one.
fn check_rotations(system: &ConstraintSystem<Fr>, rows: usize) -> Result<(), CircuitError> {
    let advice = system.advice_queries().iter().map(|(column, at)| ((0, column.index()), at.0));
    let fixed = system.fixed_queries().iter().map(|(column, at)| ((1, column.index()), at.0));
    let instance = system.instance_queries().iter().map(|(column, at)| ((2, column.index()), at.0));
    let mut seen = std::collections::BTreeSet::new();
    for (column, rotation) in advice.chain(fixed).chain(instance) {
        let turn = i64::from(rotation).rem_euclid(rows as i64);
        if rotation.unsigned_abs() as usize >= rows || !seen.insert((column, turn)) {
            return Err(CircuitError::Rotation { rotation, rows });
        }
    }
    Ok(())
}

fn check_degrees(system: &ConstraintSystem<Fr>, constraints: &Constraints) -> Result<(), CircuitError> {
    let limit = system.degree();
    match constraints.list.iter().find(|constraint| constraint.degree > limit) {
        Some(constraint) => {
            Err(CircuitError::Degree { constraint: constraint.name.clone(), limit, found: constraint.degree })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::plonk::Expression;
    use halo2_proofs::poly::Rotation;

    fn system(rotations: [i32; 2], degree: usize) -> ConstraintSystem<Fr> {
        let mut system = ConstraintSystem::default();
        let (fixed, advice) = (system.fixed_column(), system.advice_column());
        system.create_gate("gate", |cells| {
            let [one, other] = rotations.map(|rotation| cells.query_advice(advice, Rotation(rotation)));
            let power = (1..degree).fold(one, |power, _| power * other.clone());
            vec![(
                "power",
                cells.query_fixed(fixed, Rotation::cur()) * Expression::Sum(Box::new(power.clone()), Box::new(power)),
            )]
        });
        system
    }

    #[test]
    fn systems_that_no_proof_can_be_made_for_are_refused() {
        assert!(check_rotations(&system([0, 1], 2), 8).is_ok());
        for rotations in [[0, 8], [-9, 0], [3, -5]] {
            let refused = check_rotations(&system(rotations, 2), 8);
            assert!(matches!(refused, Err(CircuitError::Rotation { rows: 8, .. })), "{rotations:?}");
        }
        let high = system([0, 1], 9);
        let refused = check_degrees(&high, &Constraints::new(&high, &BTreeSet::new()));
        assert!(matches!(refused, Err(CircuitError::Degree { found: 10, .. })), "{refused:?}");
        let empty = Preprocessed { fixed: vec![], sigma: vec![], recipe: None };
        let refused = check_columns(&system([0, 1], 2), &empty);
        assert!(matches!(refused, Err(CircuitError::Columns { what: "fixed", expected: 1, found: 0 })));
        let mut selecting = ConstraintSystem::<Fr>::default();
        selecting.selector();
        assert!(matches!(check_columns(&selecting, &empty), Err(CircuitError::Selectors { found: 1 })));
    }
}
