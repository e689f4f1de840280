//! The tensor machine as something to prove: small integers in the first phase, derived field elements in the second, and
//! fixed columns of small integers but for those that hold constants of a hash.

use circuits::machine::{
    AdviceColumn, Assignment, Cell, Challenges, FieldKernels, FixedColumn, MachineCircuit, MachineConfig, Skeleton,
};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Any, Circuit, Column as PlonkColumn, ConstraintSystem};

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
    let fixed =
        FixedColumn::all(&skeleton.params).into_iter().map(|name| match skeleton.elements.contains_key(&name) {
            true => Column::new(Values::Field(skeleton.column(name))),
            false => Column::integers(skeleton.fixed[&name].clone()),
        });
    let fixed = fixed.collect();
    let mut permutation = PermutationAssembly::new(skeleton.params.k, &system.permutation().get_columns())?;
    for &(source, destination) in &skeleton.copies {
        let [(left, left_row), (right, right_row)] = [source, destination].map(|cell| place(&config, cell));
        permutation.copy(left, left_row, right, right_row)?;
    }
    Ok((system, Preprocessed { fixed, sigma: sigma_columns(&permutation) }))
}

fn place(config: &MachineConfig, cell: Cell) -> (PlonkColumn<Any>, usize) {
    match cell {
        Cell::Advice(column, row) => (config.advice(column).into(), row as usize),
        Cell::Instance(row) => (config.instance().into(), row as usize),
    }
}

/// A machine's witness: the assignment, and the second phase that follows from it.
pub struct MachineWitness<'a> {
    assignment: Assignment,
    kernels: &'a dyn FieldKernels,
}

impl<'a> MachineWitness<'a> {
    /// The witness of an assignment; `kernels` do the arithmetic of the second phase.
    pub fn new(assignment: Assignment, kernels: &'a dyn FieldKernels) -> Self {
        Self { assignment, kernels }
    }

    fn first_phase(&self) -> Vec<(usize, Column)> {
        let names = AdviceColumn::first_phase(&self.assignment.skeleton.params);
        let column = |name: &AdviceColumn| Column::integers(self.assignment.first_phase[name].clone());
        names.iter().map(column).enumerate().collect()
    }

    fn second_phase(&self, challenges: &[Option<Fr>]) -> Result<Vec<(usize, Column)>, String> {
        let known: Vec<Fr> = challenges.iter().copied().collect::<Option<_>>().ok_or("a challenge is missing")?;
        let [chi, rho, alpha, beta] = known[..] else { return Err("a machine has four challenges".into()) };
        let mut columns = self.assignment.derive_with(&Challenges { chi, rho, alpha, beta }, self.kernels);
        let params = &self.assignment.skeleton.params;
        let first = AdviceColumn::first_phase(params).len();
        let names = AdviceColumn::second_phase(params).into_iter();
        Ok((first..)
            .zip(names)
            .map(|(index, name)| {
                let elements = columns.remove(&name).expect("the second phase is derived whole");
                (index, Column::new(Values::Field(elements)))
            })
            .collect())
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
