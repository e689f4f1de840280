//! Columns of recipes, all of them on the device: what came there are small integers, and nothing goes back.

use std::collections::btree_map::{BTreeMap, Entry};

use circuits::machine::Integers;
use circuits::recipe::{
    Coefficient, Derived, Form as LinearForm, Operand, Output, Recipe, Rows, ScalarCells, ScalarOperand, ScalarUnit,
    Term,
};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use prover::engine::{Column, EngineError, Ingredients, TakeColumn, Values};

use super::{GpuColumn, GpuEngine};
use crate::column::Form;
use crate::ffi::{kind, Cells, Product, ScalarColumns, ScalarPlan, Wave};
use crate::{DeviceBuffer, DeviceColumn, DeviceError};

/// Rows of a wave, and rows in a run, that one block of threads takes at most.
const NARROW: usize = 1 << 12;
const SHORT_RUN: usize = 1 << 6;

/// A recipe with what of it lies on the device.
pub struct DeviceRecipe {
    recipe: Recipe,
    scalars: Option<ScalarPlan>,
}

/// The columns of a recipe while they are made.
struct Kitchen<'a, 'b> {
    engine: &'a GpuEngine,
    recipe: &'a Recipe,
    ingredients: &'a Ingredients<'b, DeviceColumn>,
}

/// A column's forms, and those whose inverses are taken, one behind the other.
struct Forms {
    values: [DeviceBuffer<Fr>; 2],
}

impl Forms {
    /// The values of a form in `rows` rows.
    fn get(&self, forms: &[LinearForm], number: usize, rows: usize) -> (&DeviceBuffer<Fr>, Rows) {
        let inverted = forms[number].inverted;
        let before = forms[..number].iter().filter(|form| form.inverted == inverted).count();
        (&self.values[usize::from(inverted)], Rows { first: before * rows, ..Rows::all(rows) })
    }
}

/// Columns of the circuit that are made; none while it is written to.
type Targets = Vec<Option<DeviceBuffer<Fr>>>;

impl GpuEngine {
    /// Puts onto the device what of a recipe is the same in every proof, unless the host makes its columns.
    pub(super) fn device_recipe(&self, recipe: Recipe) -> Result<DeviceRecipe, EngineError> {
        let scalars = recipe.scalars.as_ref().filter(|_| !self.sparing);
        let scalars = scalars.map(|unit| self.scalar_plan(&recipe, unit)).transpose()?;
        Ok(DeviceRecipe { recipe, scalars })
    }

    /// The columns on the device; where it has no room for them beside what they are made of, by the host, a few at a time.
    pub(super) fn derived_columns(
        &self,
        recipe: &DeviceRecipe,
        ingredients: &Ingredients<'_, GpuColumn>,
        take: &mut TakeColumn<'_, GpuColumn>,
    ) -> Result<(), EngineError> {
        if self.sparing {
            return self.host_derive(&recipe.recipe, ingredients, take);
        }
        match self.device_columns(recipe, ingredients) {
            Ok(columns) => columns.into_iter().enumerate().try_for_each(|(number, column)| {
                take(number, self.hold_elements(column)?);
                Ok(())
            }),
            Err(EngineError::Device(error)) if is_refused(&*error) => {
                self.host_derive(&recipe.recipe, ingredients, take)
            }
            Err(error) => Err(error),
        }
    }

    fn device_columns(
        &self,
        DeviceRecipe { recipe, scalars }: &DeviceRecipe,
        ingredients: &Ingredients<'_, GpuColumn>,
    ) -> Result<Vec<DeviceBuffer<Fr>>, EngineError> {
        let copied = recipe.scalars.iter().flat_map(|unit| unit.sources.iter().copied());
        let mut held = BTreeMap::new();
        for source in recipe.inputs.iter().map(|input| input.source).chain(copied) {
            if let Entry::Vacant(place) = held.entry(source) {
                place.insert(self.bring((ingredients.columns)(source))?);
            }
        }
        let columns = |source| &*held[&source];
        let tails = ingredients.tails.clone();
        let ingredients = Ingredients { challenges: ingredients.challenges, columns: &columns, tails };
        check_sources(recipe, &ingredients)?;
        let kitchen = Kitchen { engine: self, recipe, ingredients: &ingredients };
        let zeros = recipe.columns.iter().map(|_| Ok(Some(self.zeros()?)));
        let mut targets: Targets = zeros.collect::<Result<_, EngineError>>()?;
        for derived in &recipe.derived {
            kitchen.fill(&derived.output, &mut targets, |targets, column| kitchen.derive(derived, targets, column))?;
        }
        if let (Some(unit), Some(plan)) = (&recipe.scalars, scalars) {
            kitchen.scalars(unit, plan, &mut targets)?;
        }
        let targets = targets.into_iter().zip(&ingredients.tails).map(|(target, tail)| {
            let mut target = target.expect("nothing is written any more");
            target.upload(self.rows() - tail.len(), tail)?;
            Ok(target)
        });
        targets.collect()
    }

    fn scalar_plan(&self, recipe: &Recipe, unit: &ScalarUnit) -> Result<ScalarPlan, EngineError> {
        let (order, waves) = waves(unit);
        let used = unit.operands.len();
        let cells = |cells: &ScalarCells| DeviceColumn::upload(&self.device, &coefficients(cells, used));
        let optional = |found: &Option<ScalarCells>| match found {
            Some(found) => cells(found),
            None => DeviceColumn::upload(&self.device, &Column::integers(Integers::zeros(0))),
        };
        let steps = unit.steps.iter().map(|(found, _)| cells(found)).collect::<Result<_, _>>()?;
        Ok(ScalarPlan {
            operands: self.device.upload(&operand_cells(recipe, unit, self.rows()))?,
            order: self.device.upload(&order)?,
            waves,
            steps,
            product: optional(&unit.product)?,
            operand: optional(&unit.operand)?,
            constant: optional(&unit.constant)?,
        })
    }
}

/// Whether memory was refused.
fn is_refused(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(DeviceError::OutOfMemory(_)))
}

/// Inputs are small integers; those of fixed columns may lie in one that holds constants of a hash as well.
fn check_sources(recipe: &Recipe, ingredients: &Ingredients<'_, DeviceColumn>) -> Result<(), EngineError> {
    let inputs = recipe.inputs.iter().map(|input| (input.source, input.integers.is_some()));
    let copied = recipe.scalars.iter().flat_map(|unit| unit.sources.iter().map(|source| (*source, false)));
    for (source, known) in inputs.chain(copied) {
        match (ingredients.columns)(source).form {
            Form::Integers(_) => {}
            Form::Elements(_) if known => {}
            _ => return Err(EngineError::NoIntegers(source)),
        }
    }
    Ok(())
}

/// The coefficients of the first `used` rows.
fn coefficients(cells: &ScalarCells, used: usize) -> Column {
    let small = |row: usize| if row < cells.integers.len() { cells.integers.get(row) } else { 0 };
    if cells.elements.is_empty() {
        return Column::integers((0..used).map(small).collect());
    }
    let element = |row: usize| circuits::machine::to_field(small(row)) + cells.elements.get(&row).unwrap_or(&Fr::ZERO);
    Column::new(Values::Field((0..used).map(element).collect()))
}

/// `[kind, row]` of both operands of each row. Sources are the unit's, and then the columns of the recipe.
fn operand_cells(recipe: &Recipe, unit: &ScalarUnit, rows: usize) -> Vec<[u32; 2]> {
    let outputs: Vec<&Output> = recipe.derived.iter().map(|derived| &derived.output).collect();
    let cell = |row: usize, side: usize, operand: ScalarOperand| match operand {
        ScalarOperand::Zero => [kind::NOTHING, 0],
        ScalarOperand::Source(column, at) => {
            assert!((column as usize) < unit.sources.len() && (at as usize) < rows, "a source's row");
            [kind::SOURCE + column, at]
        }
        ScalarOperand::Derived(column, at) => {
            let place = outputs[column as usize].cell(at as usize);
            let (column, at) = place.filter(|(_, at)| *at < rows).expect("every row has a place");
            [kind::SOURCE + (unit.sources.len() + column) as u32, at as u32]
        }
        // The own row's first operand is there before the second; others of its own are not there yet.
        ScalarOperand::A(at) if (at as usize) < row || (at as usize == row && side == 1) => [kind::FIRST_OPERAND, at],
        ScalarOperand::B(at) if (at as usize) < row => [kind::SECOND_OPERAND, at],
        ScalarOperand::C(at) if (at as usize) < row => [kind::RESULT, at],
        _ => [kind::NOTHING, 0],
    };
    let rows = unit.operands.iter().enumerate();
    rows.flat_map(|(row, [a, b])| [cell(row, 0, *a), cell(row, 1, *b)]).collect()
}

/// The rows by waves: each takes results of earlier waves alone, but for that of the row before.
fn waves(unit: &ScalarUnit) -> (Vec<u32>, Vec<Wave>) {
    let steps = |row: usize| unit.steps.iter().any(|(cells, _)| cells.is_set(row));
    let mut levels: Vec<u32> = Vec::with_capacity(unit.operands.len());
    for (row, operands) in unit.operands.iter().enumerate() {
        let behind = operands.iter().map(|operand| match *operand {
            ScalarOperand::A(at) | ScalarOperand::B(at) | ScalarOperand::C(at) => {
                levels.get(at as usize).map_or(0, |level| level + 1)
            }
            _ => 0,
        });
        let before = if row > 0 && steps(row) { levels[row - 1] } else { 0 };
        levels.push(behind.max().unwrap_or(0).max(before));
    }
    let mut order: Vec<u32> = (0..levels.len() as u32).collect();
    order.sort_by_key(|row| levels[*row as usize]);
    let mut waves = Vec::new();
    for rows in order.chunk_by(|one, other| levels[*one as usize] == levels[*other as usize]) {
        let goes_on = |one: &u32, other: &u32| one + 1 == *other && steps(*other as usize);
        let longest = rows.chunk_by(goes_on).map(<[u32]>::len).max().unwrap_or(0);
        let wide = u32::from(rows.len() > NARROW || longest > SHORT_RUN);
        let first = waves.last().map_or(0, |wave: &Wave| wave.first + wave.count);
        waves.push(Wave { first, count: rows.len() as u64, wide, reserved: 0 });
    }
    (order, waves)
}

impl Kitchen<'_, '_> {
    fn cells(&self, input: usize) -> Cells<'_> {
        let input = &self.recipe.inputs[input];
        Cells { column: (self.ingredients.columns)(input.source), rows: input.rows }
    }

    /// Makes a derived column in the column of the circuit that it is, or in a buffer from which it is laid into its places.
    fn fill(
        &self,
        output: &Output,
        targets: &mut Targets,
        make: impl FnOnce(&Targets, &mut DeviceBuffer<Fr>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        if let Some(whole) = output.whole() {
            let mut column = targets[whole].take().expect("each column is written by one at a time");
            make(targets, &mut column)?;
            targets[whole] = Some(column);
            return Ok(());
        }
        let mut column = self.engine.device.buffer(output.rows)?;
        column.clear()?;
        make(targets, &mut column)?;
        self.place(output, &column, targets)
    }

    fn place(&self, output: &Output, column: &DeviceBuffer<Fr>, targets: &mut Targets) -> Result<(), EngineError> {
        let mut first = 0;
        for place in &output.places {
            let target = targets[place.column].as_mut().expect("each column is written by one at a time");
            self.engine.device.place(column, first, place.rows, target)?;
            first += place.rows.count;
        }
        Ok(())
    }

    fn derive(&self, derived: &Derived, targets: &Targets, column: &mut DeviceBuffer<Fr>) -> Result<(), EngineError> {
        let rows = derived.output.rows;
        let domain = &self.engine.domain;
        let forms = self.forms(&derived.forms, rows)?;
        let reads = derived.reads.iter().flat_map(|term| match term.operand {
            Operand::Form(number) => vec![self.product(term, Some(forms.get(&derived.forms, number, rows)), 0)],
            _ => self.products(term, targets),
        });
        let reads: Vec<_> = reads.collect();
        domain.add_products(&reads, true, rows, column)?;
        let Some(steps) = derived.steps.as_ref().filter(|steps| !steps.is_empty()) else { return Ok(()) };
        let mut factors = self.engine.device.buffer(rows)?;
        let steps: Vec<_> = steps.iter().map(|step| self.product(step, None, 0)).collect();
        domain.add_products(&steps, true, rows, &mut factors)?;
        Ok(self.engine.device.recurrence(&factors, column, rows)?)
    }

    fn forms(&self, forms: &[LinearForm], rows: usize) -> Result<Forms, EngineError> {
        let value = |coefficient: &Coefficient| coefficient.value(self.ingredients.challenges);
        let sum = |form: &LinearForm| {
            let terms = form.terms.iter().map(|(input, factor)| (self.cells(*input), value(factor)));
            (terms.collect::<Vec<_>>(), value(&form.constant))
        };
        let values = |inverted: bool| {
            let sums: Vec<_> = forms.iter().filter(|form| form.inverted == inverted).map(sum).collect();
            let mut values = self.engine.device.buffer(sums.len() * rows)?;
            self.engine.domain.sum_cells(&sums, rows, &mut values)?;
            if inverted {
                self.engine.device.invert(&mut values)?;
            }
            Ok::<_, EngineError>(values)
        };
        Ok(Forms { values: [values(false)?, values(true)?] })
    }

    /// A term as a product with an operand whose rows begin with row `first` of the derived column.
    fn product<'b>(&'b self, term: &Term, operand: Option<(&'b DeviceBuffer<Fr>, Rows)>, first: usize) -> Product<'b> {
        let gate = |switch: &circuits::recipe::Switch| {
            (self.cells(switch.input()), matches!(switch, circuits::recipe::Switch::Off(_)))
        };
        Product {
            factor: term.factor.value(self.ingredients.challenges),
            gates: term.switches.iter().map(gate).collect(),
            operand,
            shift: term.shift as i64 - first as i64,
        }
    }

    /// A term of no form: of one, or of another derived column, a product for each of its places.
    fn products<'b>(&'b self, term: &Term, targets: &'b Targets) -> Vec<Product<'b>> {
        match term.operand {
            Operand::Form(_) => Vec::new(),
            Operand::One => vec![self.product(term, None, 0)],
            Operand::Column(before) => {
                let mut first = 0;
                let places = self.recipe.derived[before].output.places.iter().map(|place| {
                    let target = targets[place.column].as_ref().expect("a column before this one is there");
                    let product = self.product(term, Some((target, place.rows)), first);
                    first += place.rows.count;
                    product
                });
                places.collect()
            }
        }
    }

    fn scalars(&self, unit: &ScalarUnit, plan: &ScalarPlan, targets: &mut Targets) -> Result<(), EngineError> {
        let whole = unit.outputs.each_ref().map(Output::whole);
        let mut columns = Vec::with_capacity(3);
        for (output, whole) in unit.outputs.iter().zip(whole) {
            columns.push(match whole {
                Some(whole) => targets[whole].take().expect("each column is written by one at a time"),
                None => {
                    let mut column = self.engine.device.buffer(output.rows)?;
                    column.clear()?;
                    column
                }
            });
        }
        let Ok(mut columns) = <[DeviceBuffer<Fr>; 3]>::try_from(columns) else { unreachable!("there are three") };
        let challenges = self.ingredients.challenges;
        self.engine.domain.scalar_rows(
            plan,
            ScalarColumns {
                sources: unit.sources.iter().map(|source| (self.ingredients.columns)(*source)).collect(),
                derived: targets.iter().map(Option::as_ref).collect(),
                factors: unit.steps.iter().map(|(_, factor)| factor.value(challenges)).collect(),
                outputs: &mut columns,
            },
        )?;
        for ((output, whole), column) in unit.outputs.iter().zip(whole).zip(columns) {
            match whole {
                Some(whole) => targets[whole] = Some(column),
                None => self.place(output, &column, targets)?,
            }
        }
        Ok(())
    }
}
