//! Operations on the host: columns come from the device, and results go back.

use std::collections::btree_map::{BTreeMap, Entry};

use circuits::recipe::{Derivation, Recipe};
use halo2_proofs::halo2curves::bn256::Fr;
use prover::engine::{
    derive_on_host, permute_pair, Column, EngineError, Ingredients, TakeColumn, Values, VectorKernels,
};
use prover::field::Instructions;

use super::{GpuColumn, GpuEngine};

impl GpuEngine {
    /// The permuted columns of a lookup, sorted on the host. Tensor machines have no such lookups.
    pub(super) fn host_permute_pair(
        &self,
        input: &GpuColumn,
        table: &GpuColumn,
        tails: [Vec<Fr>; 2],
    ) -> Result<[GpuColumn; 2], EngineError> {
        let [input, table] = [self.full_values(input)?.download()?, self.full_values(table)?.download()?];
        let [input, table] = permute_pair(&input, &table, tails)?;
        let upload = |elements| self.upload(&Column::new(Values::Field(elements)));
        Ok([upload(input)?, upload(table)?])
    }

    /// The columns of a recipe, computed on the host, a few of them at a time.
    pub(super) fn host_derive(
        &self,
        recipe: &Recipe,
        ingredients: &Ingredients<'_, GpuColumn>,
        take: &mut TakeColumn<'_, GpuColumn>,
    ) -> Result<(), EngineError> {
        let read = recipe.inputs.iter().filter(|input| input.integers.is_none()).map(|input| input.source);
        let copied = recipe.scalars.iter().flat_map(|unit| unit.sources.iter().copied());
        let mut held = BTreeMap::new();
        for source in read.chain(copied) {
            if let Entry::Vacant(place) = held.entry(source) {
                let column = self.fetched((ingredients.columns)(source))?;
                let Values::Integers(integers) = column.values else { return Err(EngineError::NoIntegers(source)) };
                place.insert(integers);
            }
        }
        let (sources, kernels) = (|source| &*held[&source], VectorKernels(Instructions::detected()));
        let challenges = ingredients.challenges;
        let derivation = Derivation { recipe, challenges, sources: &sources, kernels: &kernels, at_once: 2 };
        derive_on_host(&derivation, &mut |target, elements| {
            let tail = ingredients.tails[target].clone();
            take(target, self.upload(&Column { tail, ..Column::new(Values::Field(elements)) })?);
            Ok(())
        })
    }
}
