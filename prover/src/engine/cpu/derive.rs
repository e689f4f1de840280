//! Columns of recipes: computed by [`Derivation`] on this engine's kernels, and laid into the columns of the circuit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use circuits::machine::Integers;
use circuits::recipe::{Derivation, Output, Recipe, ScalarOperand, Source};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

use super::super::{Column, Engine, EngineError, Ingredients, SourceLookup, TakeColumn, Values};
use super::column::{CpuColumn, Place};
use super::{CpuEngine, VectorKernels};

/// Derived columns that are computed at the same time where columns do not stay in memory.
const FEW: usize = 2;

/// Columns of the circuit that derived columns are laid into, one after the other.
struct Targets<'a> {
    recipe: &'a Recipe,
    outputs: Vec<&'a Output>,
    /// Those that have begun.
    begun: BTreeMap<usize, Vec<Fr>>,
    /// Derived columns that each is still to take.
    missing: Vec<usize>,
}

impl<'a> Targets<'a> {
    fn new(recipe: &'a Recipe) -> Self {
        let outputs: Vec<&Output> = recipe.outputs().collect();
        let mut missing = vec![0; recipe.columns.len()];
        outputs.iter().flat_map(|output| &output.places).for_each(|place| missing[place.column] += 1);
        Self { recipe, outputs, begun: BTreeMap::new(), missing }
    }

    /// Takes a derived column; returns the columns that are complete by it.
    fn take(&mut self, number: usize, column: Vec<Fr>) -> Vec<(usize, Vec<Fr>)> {
        let output = self.outputs[number];
        if let Some(target) =
            output.whole().filter(|target| self.missing[*target] == 1 && !self.begun.contains_key(target))
        {
            self.missing[target] = 0;
            return vec![(target, column)];
        }
        let mut complete = Vec::new();
        let mut cells = column.into_iter();
        for place in &output.places {
            let rows = self.recipe.columns[place.column].rows;
            let target = self.begun.entry(place.column).or_insert_with(|| vec![Fr::ZERO; rows]);
            for (row, cell) in (0..place.rows.count).zip(&mut cells) {
                target[place.rows.place(row)] = cell;
            }
            self.missing[place.column] -= 1;
            if self.missing[place.column] == 0 {
                complete.extend(self.begun.remove(&place.column).map(|target| (place.column, target)));
            }
        }
        complete
    }
}

/// Hands out the columns of a recipe, without their last rows, as soon as they are complete.
///
/// # Errors
/// `take` gives up.
pub fn derive_on_host(
    derivation: &Derivation<'_>,
    take: &mut dyn FnMut(usize, Vec<Fr>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut targets = Targets::new(derivation.recipe);
    derivation.run(&mut |number, column| {
        targets.take(number, column).into_iter().try_for_each(|(target, elements)| take(target, elements))
    })
}

/// Rows of a column that a recipe reads: up to the last one.
fn rows_read(recipe: &Recipe, source: Source) -> usize {
    let inputs = recipe.inputs.iter().filter(|input| input.source == source).map(|input| input.rows.end());
    let copied = recipe.scalars.iter().flat_map(|unit| {
        let is_read = move |operand: &&ScalarOperand| match **operand {
            ScalarOperand::Source(column, _) => unit.sources[column as usize] == source,
            _ => false,
        };
        unit.operands.iter().flatten().filter(is_read).map(|operand| match operand {
            ScalarOperand::Source(_, row) => *row as usize + 1,
            _ => 0,
        })
    });
    inputs.chain(copied).max().unwrap_or(0)
}

impl CpuEngine {
    /// The columns that a recipe reads and that are not at hand. Those of long tails are held as elements; their integers are found again.
    fn integers<'a>(
        &self,
        recipe: &Recipe,
        columns: &SourceLookup<'a, CpuColumn>,
    ) -> Result<BTreeMap<Source, Cow<'a, Integers>>, EngineError> {
        let read = recipe.inputs.iter().filter(|input| input.integers.is_none()).map(|input| input.source);
        let copied = recipe.scalars.iter().flat_map(|unit| unit.sources.iter().copied());
        let mut held = BTreeMap::new();
        for source in read.chain(copied) {
            if held.contains_key(&source) {
                continue;
            }
            let integers = match &columns(source).values {
                Place::Memory(Values::Integers(integers)) => Cow::Borrowed(&**integers),
                Place::Memory(Values::Field(elements)) => Cow::Owned(leading_integers(elements)),
                Place::Disk(stored) => Cow::Owned(leading_integers(&self.fetch(stored)?)),
                Place::Memory(_) => return Err(EngineError::NoIntegers(source)),
            };
            if matches!(integers, Cow::Owned(_)) && integers.len() < rows_read(recipe, source) {
                return Err(EngineError::NoIntegers(source));
            }
            held.insert(source, integers);
        }
        Ok(held)
    }

    pub(super) fn derive_columns(
        &self,
        recipe: &Recipe,
        ingredients: Ingredients<'_, CpuColumn>,
        take: &mut TakeColumn<'_, CpuColumn>,
    ) -> Result<(), EngineError> {
        let Ingredients { challenges, columns, mut tails } = ingredients;
        let integers = self.integers(recipe, columns)?;
        let derivation = Derivation {
            recipe,
            challenges,
            sources: &|source| &integers[&source],
            kernels: &VectorKernels(self.instructions()),
            at_once: if self.spill.is_some() { FEW } else { usize::MAX },
        };
        derive_on_host(&derivation, &mut |target, elements| {
            let tail = std::mem::take(&mut tails[target]);
            take(target, self.column(Column { tail, ..Column::new(Values::Field(elements)) })?);
            Ok(())
        })
    }
}

/// The elements as integers, up to the first that is no integer of 64 bits.
fn leading_integers(elements: &[Fr]) -> Integers {
    elements.iter().map_while(integer).collect()
}

/// An element as an integer of 64 bits.
fn integer(element: &Fr) -> Option<i64> {
    let magnitude = |element: Fr| {
        let bytes = element.to_bytes();
        let (low, high) = bytes.split_at(8);
        let magnitude = u64::from_le_bytes(low.try_into().expect("eight bytes"));
        high.iter().all(|byte| *byte == 0).then_some(magnitude)
    };
    let positive = magnitude(*element).and_then(|magnitude| i64::try_from(magnitude).ok());
    let negative = || magnitude(-*element).and_then(|magnitude| 0i64.checked_sub_unsigned(magnitude));
    positive.or_else(negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::machine::to_field;
    use halo2_proofs::halo2curves::ff::PrimeField;

    #[test]
    fn elements_are_integers_again() {
        for value in [0, 1, -1, 255, -256, 1 << 40, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(integer(&to_field(value)), Some(value));
        }
        for element in
            [to_field(i64::MAX) + Fr::ONE, to_field(i64::MIN) - Fr::ONE, Fr::from(2).invert().expect("not zero")]
        {
            assert_eq!(integer(&element), None);
        }
        let integers = leading_integers(&[Fr::ONE, -Fr::from(7), Fr::TWO_INV, Fr::ONE]);
        assert_eq!(integers, Integers::from(vec![1, -7]));
    }
}
