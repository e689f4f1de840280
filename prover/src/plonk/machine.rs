//! The tensor machine as something to prove: small integers in the first phase, derived field elements in the second, and
//! fixed columns of small integers but for those that hold constants of a hash.

use std::collections::BTreeMap;

use circuits::machine::{
    AdviceColumn, Arrangement, Assignment, Challenges, FieldKernels, FixedCells, MachineCircuit, Placement, Skeleton,
};
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
    Ok((system, Preprocessed { fixed, sigma: sigma_columns(&permutation) }))
}

/// What the prover knows of a column's last rows, because it has to open them later.
#[derive(Clone, Debug, Default)]
pub struct OwnRows {
    /// The last rows, drawn anew for each proof.
    pub tail: Vec<Fr>,
    /// A commitment to the same column with other last rows.
    pub known: Option<KnownCommitment>,
}

/// A machine's witness: the assignment, and the second phase that follows from it.
pub struct MachineWitness<'a> {
    assignment: Assignment,
    placement: Placement,
    own: BTreeMap<usize, OwnRows>,
    kernels: &'a dyn FieldKernels,
    one_by_one: bool,
}

impl<'a> MachineWitness<'a> {
    /// The witness of an assignment; `kernels` do the arithmetic of the second phase. `own` has those of the first phase's columns,
    /// by their index, that are opened later.
    pub fn new(assignment: Assignment, own: BTreeMap<usize, OwnRows>, kernels: &'a dyn FieldKernels) -> Self {
        Self { placement: Placement::new(&assignment.skeleton.params), assignment, own, kernels, one_by_one: false }
    }

    /// Makes the columns of the second phase one after the other, where each is handed out before the next one is made: slower,
    /// and with little memory where they do not stay in memory.
    pub fn one_by_one(self, one_by_one: bool) -> Self {
        Self { one_by_one, ..self }
    }

    fn first_phase(&self, take: &mut Take<'_>) -> Result<(), PlonkError> {
        let columns = self.placement.first_phase_columns(&self.assignment).into_iter().enumerate();
        columns.into_iter().try_for_each(|(index, integers)| {
            let OwnRows { tail, known } = self.own.get(&index).cloned().unwrap_or_default();
            take(index, Column { tail, known, ..Column::integers(integers.into_owned()) })
        })
    }

    fn second_phase(&self, challenges: &Challenges, take: &mut Take<'_>) -> Result<(), PlonkError> {
        let params = &self.assignment.skeleton.params;
        let first = self.placement.counts().first_phase;
        let mut take = |index, elements| take(first + index, Column::new(Values::Field(elements)));
        if self.one_by_one && params.arrangement == Arrangement::Parallel {
            let names = AdviceColumn::second_phase(params);
            return self.assignment.derive_each(challenges, self.kernels, &mut |name, elements| {
                take(names.iter().position(|other| *other == name).expect("it is of the second phase"), elements)
            });
        }
        // Columns of folded machines hold cells of several logical ones.
        let second = self.assignment.derive_with(challenges, self.kernels);
        let columns = self.placement.second_phase_columns(&self.assignment.skeleton.regions, second);
        columns.into_iter().enumerate().try_for_each(|(index, elements)| take(index, elements))
    }
}

impl Witness for MachineWitness<'_> {
    fn columns(&mut self, phase: u8, challenges: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError> {
        if phase == 0 {
            return self.first_phase(take);
        }
        let known: Vec<Fr> = challenges.iter().copied().flatten().collect();
        let [chi, rho, alpha, beta] = known[..] else {
            return Err(PlonkError::Witness { phase, reason: "a machine has four challenges".into() });
        };
        self.second_phase(&Challenges { chi, rho, alpha, beta }, take)
    }
}
