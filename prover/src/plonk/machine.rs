//! The tensor machine as something to prove: small integers in the first phase, a second phase that follows from it by a recipe, and
//! fixed columns of small integers but for those that hold constants of a hash.

use std::collections::BTreeMap;

use circuits::machine::{Assignment, FixedCells, MachineCircuit, Placement, Skeleton};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};

use super::circuit::sigma_columns;
use super::key::Preprocessed;
use super::permutation::{PermutationAssembly, PermutationError};
use super::prove::{PlonkError, Take, Witness};
use crate::engine::{Column, KnownCommitment, Values};

/// The constraint system of a machine and the columns that do not depend on a witness: those of the skeleton, as they are.
///
/// # Errors
/// The permutation argument has more cells than any engine takes.
pub fn preprocess(skeleton: &Skeleton) -> Result<(ConstraintSystem<Fr>, Preprocessed), PermutationError> {
    let mut system = ConstraintSystem::default();
    let config = MachineCircuit::configure_with_params(&mut system, skeleton.params);
    let fixed = config.placement().fixed_columns(skeleton);
    let fixed = fixed.into_iter().map(|cells| match cells {
        FixedCells::Integers(integers) => Column::integers(integers.into_owned()),
        FixedCells::Elements(elements) => Column::new(Values::Field(elements)),
    });
    let fixed = fixed.collect();
    let mut permutation = PermutationAssembly::new(skeleton.params.k, &system.permutation().get_columns())?;
    for &(source, destination) in &skeleton.copies {
        let [(left, left_row), (right, right_row)] =
            [source, destination].map(|cell| config.place(&skeleton.regions, cell));
        permutation.copy(left, left_row, right, right_row)?;
    }
    Ok((
        system,
        Preprocessed { fixed, sigma: sigma_columns(&permutation), recipe: Some(skeleton.second_phase().recipe) },
    ))
}

/// What the prover knows of a column's last rows, because it has to open them later.
#[derive(Clone, Debug, Default)]
pub struct OwnRows {
    /// The last rows, drawn anew for each proof.
    pub tail: Vec<Fr>,
    /// A commitment to the same column with other last rows.
    pub known: Option<KnownCommitment>,
}

/// A machine's witness: the assignment, from which the second phase follows by the key's recipe.
pub struct MachineWitness {
    assignment: Assignment,
    placement: Placement,
    own: BTreeMap<usize, OwnRows>,
}

impl MachineWitness {
    /// The witness of an assignment. `own` has those of the first phase's columns, by their index, that are opened later.
    pub fn new(assignment: Assignment, own: BTreeMap<usize, OwnRows>) -> Self {
        Self { placement: Placement::new(&assignment.skeleton.params), assignment, own }
    }
}

impl Witness for MachineWitness {
    fn columns(&mut self, phase: u8, _: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError> {
        if phase != 0 {
            return Err(PlonkError::Witness { phase, reason: "the columns follow from the first phase's".into() });
        }
        let columns = self.placement.first_phase_columns(&self.assignment).into_iter().enumerate();
        columns.into_iter().try_for_each(|(index, integers)| {
            let OwnRows { tail, known } = self.own.get(&index).cloned().unwrap_or_default();
            take(index, Column { tail, known, ..Column::integers(integers.into_owned()) })
        })
    }
}
