//! Any circuit of the library as something to prove: its preprocessed columns and its witness.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem};

use super::key::Preprocessed;
use super::permutation::PermutationAssembly;
use super::prove::{PlonkError, Take, Witness};
use super::synthesis::{assemble, CircuitWitness, SynthesisError};
use crate::engine::{Column, SigmaColumn};

/// The permutation columns of an argument.
pub fn sigma_columns(permutation: &PermutationAssembly) -> Vec<SigmaColumn> {
    (0..permutation.columns().len())
        .map(|column| {
            let moved = permutation.moved(column);
            let (rows, images): (Vec<_>, Vec<_>) = moved
                .map(|(row, (image_column, image_row))| (row as u32, (image_column as u32, image_row as u32)))
                .unzip();
            SigmaColumn { column: column as u32, rows: rows.into(), images: images.into() }
        })
        .collect()
}

/// Runs a circuit on `2^k` rows: its constraint system and the columns that do not depend on a witness.
///
/// # Errors
/// The circuit has selectors, does not fit, or fails.
pub fn preprocess<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<(ConstraintSystem<Fr>, Preprocessed), SynthesisError> {
    let (system, assembled) = assemble(k, circuit)?;
    let fixed = assembled.fixed.into_iter().map(Column::narrowest).collect();
    Ok((system, Preprocessed { fixed, sigma: sigma_columns(&assembled.permutation), recipe: None }))
}

/// A circuit's witness for given instances.
pub struct CircuitSource<'a, C: Circuit<Fr>> {
    /// The circuit.
    pub witness: CircuitWitness<'a, C>,
    /// The instance columns.
    pub instances: &'a [&'a [Fr]],
}

impl<C: Circuit<Fr>> Witness for CircuitSource<'_, C> {
    fn columns(&mut self, phase: u8, challenges: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError> {
        let usable = self.witness.usable_rows();
        let columns = self.witness.advice(phase, challenges, self.instances);
        let columns = columns.map_err(|error| PlonkError::Witness { phase, reason: error.to_string() })?;
        columns.into_iter().try_for_each(|(index, mut elements)| {
            elements.truncate(usable);
            take(index, Column::narrowest(elements))
        })
    }
}
