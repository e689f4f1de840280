//! The tensor machine as something to prove: small integers in the first phase, derived field elements in the second, and
//! fixed columns of small integers but for those that hold constants of a hash.

use circuits::machine::{Assignment, Challenges, FieldKernels, FixedCells, MachineCircuit, Placement, Skeleton};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};

use super::circuit::sigma_columns;
use super::key::Preprocessed;
use super::permutation::{PermutationAssembly, PermutationError};
use super::prove::Witness;
use crate::engine::{Column, Values};

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
    Ok((system, Preprocessed { fixed, sigma: sigma_columns(&permutation) }))
}

/// A machine's witness: the assignment, and the second phase that follows from it.
pub struct MachineWitness<'a> {
    assignment: Assignment,
    placement: Placement,
    kernels: &'a dyn FieldKernels,
}

impl<'a> MachineWitness<'a> {
    /// The witness of an assignment; `kernels` do the arithmetic of the second phase.
    pub fn new(assignment: Assignment, kernels: &'a dyn FieldKernels) -> Self {
        Self { placement: Placement::new(&assignment.skeleton.params), assignment, kernels }
    }

    fn first_phase(&self) -> Vec<(usize, Column)> {
        let columns = self.placement.first_phase_columns(&self.assignment).into_iter();
        columns.map(|integers| Column::integers(integers.into_owned())).enumerate().collect()
    }

    fn second_phase(&self, challenges: &[Option<Fr>]) -> Result<Vec<(usize, Column)>, String> {
        let known: Vec<Fr> = challenges.iter().copied().collect::<Option<_>>().ok_or("a challenge is missing")?;
        let [chi, rho, alpha, beta] = known[..] else { return Err("a machine has four challenges".into()) };
        let second = self.assignment.derive_with(&Challenges { chi, rho, alpha, beta }, self.kernels);
        let columns = self.placement.second_phase_columns(&self.assignment.skeleton.regions, second);
        let elements = columns.into_iter().map(|elements| Column::new(Values::Field(elements)));
        Ok((self.placement.counts().first_phase..).zip(elements).collect())
    }
}

impl Witness for MachineWitness<'_> {
    fn columns(&mut self, phase: u8, challenges: &[Option<Fr>]) -> Result<Vec<(usize, Column)>, String> {
        match phase {
            0 => Ok(self.first_phase()),
            _ => self.second_phase(challenges),
        }
    }
}
