//! Finds the first violated constraint of a witness, so that a fault of a circuit has a name and a row instead of a proof that is
//! refused.
//!
//! Gates are evaluated in every row; copies are compared cell by cell. Lookups need no check of their own: what is not in
//! its table is noticed when columns are permuted.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use thiserror::Error;

use super::constraints::{any_column, Column as Name};
use super::key::CircuitKey;
use super::prove::PlonkError;
use crate::engine::{Engine, Environment};

/// A constraint that a witness violates. It tells no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    /// A gate.
    #[error("{constraint} is violated in row {row}")]
    Gate {
        /// Names of gate and constraint.
        constraint: String,
        /// The first row.
        row: usize,
    },
    /// A copy.
    #[error("the cells in row {row} of {column:?} and in row {other_row} of {other_column:?} are copies, and differ")]
    Copy {
        /// The column of the first cell.
        column: Name,
        /// The row of the first cell.
        row: usize,
        /// The column of the other cell.
        other_column: Name,
        /// The row of the other cell.
        other_row: usize,
    },
}

/// Looks at all gates in order, and then at all copies.
pub(super) fn check<E: Engine>(
    engine: &E,
    key: &CircuitKey<E>,
    environment: &Environment<'_, E::Column>,
) -> Result<(), PlonkError> {
    for constraint in &key.constraints.list[..key.constraints.gates] {
        let values = engine.values(&engine.pointwise(constraint.node, environment)?)?;
        if let Some(row) = values.iter().position(|value| *value != Fr::ZERO) {
            return Err(Violation::Gate { constraint: constraint.name.clone(), row }.into());
        }
    }
    let names: Vec<Name> = key.system.permutation().get_columns().iter().map(any_column).collect();
    let values = names.iter().map(|name| engine.values((environment.columns)(*name))).collect::<Result<Vec<_>, _>>()?;
    for (sigma, name) in key.sigma.iter().zip(&names) {
        for (&row, &(image_column, image_row)) in sigma.rows.iter().zip(sigma.images.iter()) {
            let (row, other_row, other) = (row as usize, image_row as usize, image_column as usize);
            if values[sigma.column as usize][row] != values[other][other_row] {
                let (column, other_column) = (*name, names[other]);
                return Err(Violation::Copy { column, row, other_column, other_row }.into());
            }
        }
    }
    Ok(())
}
