//! What a circuit assigns: fixed cells, copies, and the witness phase by phase.
//!
//! A circuit is a program that assigns cells through the proof library's floor planner. Keys and proofs run it and keep
//! different things:
//!
//! | | [`synthesize`], [`assemble`] | [`CircuitWitness::advice`] |
//! | --- | --- | --- |
//! | fixed cells, copies | kept | checked for their rows at most |
//! | advice cells | ignored | those of the phase asked for are kept |
//! | instance cells, challenges | unknown | what the caller gives |
//!
//! What is kept equals what the library's own key generation and prover keep. They differ in what they refuse: whatever
//! makes the library panic (rows that can't be used, unknown values) is a [`SynthesisError`] here, also where the circuit
//! ignores that an assignment failed. A circuit's own panics are its own.
//!
//! **Phases.** The library runs a circuit once, and the circuit says where a phase ends. Here it is run once for every
//! phase, and what it says about phases is ignored: a value that depends on a challenge that isn't there yet is unknown, and
//! only columns of the phase asked for need known values. So a circuit must assign the same values whenever it is run.
//!
//! **Values of assigned cells.** The library hands a reference to each assigned advice value back to the circuit, of any
//! lifetime that the circuit asks for; memory that was promised for ever can't be given back. By default the value that a
//! circuit reads from a cell it assigned is unknown. Circuits that compute with such values need
//! [`CircuitWitness::leaking_cell_values`].

use std::cell::OnceCell;
use std::collections::HashMap;

use halo2_proofs::circuit::Value;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2_proofs::plonk::{
    self, Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Fixed, FloorPlanner,
    Instance, Selector,
};
use thiserror::Error;

use super::permutation::{PermutationAssembly, PermutationError};

/// Why a circuit can't be synthesized. No message holds a value of a cell.
#[derive(Debug, Error)]
pub enum SynthesisError {
    /// There are no roots of unity for so many rows.
    #[error("2^{k} rows were asked for, and there may be 2^{most} at most", most = Fr::S)]
    TooManyRows {
        /// The binary logarithm of the number of rows asked for.
        k: u32,
    },
    /// The constraint system has no room for a usable row.
    #[error("the constraint system needs {needed} rows, and there are 2^{k}")]
    TooFewRows {
        /// The binary logarithm of the number of rows asked for.
        k: u32,
        /// The smallest number of rows.
        needed: usize,
    },
    /// The constraint system has selectors.
    #[error("the constraint system has {found} selectors, and there may be none; fixed columns do the same")]
    Selectors {
        /// The number of selectors.
        found: usize,
    },
    /// A cell is assigned, copied or read in a row that is not usable.
    #[error("the circuit uses row {row} of {column:?}, and there are {usable} usable rows")]
    Row {
        /// The column.
        column: Column<Any>,
        /// The row that the circuit uses.
        row: usize,
        /// The number of usable rows.
        usable: usize,
    },
    /// A cell is assigned or read in a column that the constraint system doesn't have.
    #[error("the circuit uses {column:?}, and there are {columns} columns of that kind")]
    Column {
        /// The column that the circuit uses.
        column: Column<Any>,
        /// The number of columns of that kind.
        columns: usize,
    },
    /// A fixed column is filled with an unknown value.
    #[error("{column:?} is filled from row {row} on with a value that is unknown; fixed values must be known")]
    UnknownFixed {
        /// The column.
        column: Column<Any>,
        /// The first row to fill.
        row: usize,
    },
    /// A value of the phase asked for is unknown.
    #[error("row {row} of {column:?} is given an unknown value in its own phase {phase}")]
    UnknownAdvice {
        /// The column.
        column: Column<Any>,
        /// The row.
        row: usize,
        /// The phase.
        phase: u8,
    },
    /// The circuit reads an instance cell that has no value.
    #[error("the circuit reads row {row} of {column:?}, and {given} values were given for that column")]
    InstanceValue {
        /// The column.
        column: Column<Any>,
        /// The row that the circuit reads.
        row: usize,
        /// The number of values that the caller gave.
        given: usize,
    },
    /// Values are given for another number of instance columns than there are.
    #[error("values were given for {found} instance columns, and there are {expected}")]
    InstanceColumns {
        /// The number of instance columns.
        expected: usize,
        /// The number of columns of which values are given.
        found: usize,
    },
    /// More values are given for an instance column than there are usable rows.
    #[error("{found} values were given for instance column {column}, and there are {usable} usable rows")]
    InstanceLength {
        /// The index of the instance column.
        column: usize,
        /// The number of usable rows.
        usable: usize,
        /// The number of values given.
        found: usize,
    },
    /// Another number of challenges is given than the constraint system has.
    #[error("{found} challenges were given, and the constraint system has {expected}")]
    Challenges {
        /// The number of challenges.
        expected: usize,
        /// The number of challenges given, known or not.
        found: usize,
    },
    /// There is no such phase.
    #[error("phase {phase} was asked for, and there are {phases} phases")]
    Phase {
        /// The phase asked for, from 0.
        phase: u8,
        /// The number of phases.
        phases: u8,
    },
    /// Cells can't be copied.
    #[error(transparent)]
    Permutation(#[from] PermutationError),
    /// The circuit itself or the floor planner fails.
    #[error("the circuit can't be synthesized: {0}")]
    Circuit(#[source] plonk::Error),
}

/// A cell: its column and its row.
pub type CellPosition = (Column<Any>, usize);

/// What keys are made of, copies as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthesis {
    /// The fixed columns by index, each of 2^k rows; zero where nothing is assigned.
    pub fixed: Vec<Vec<Fr>>,
    /// The pairs of cells that are copied, in the circuit's order, all in usable rows. Whether the columns are the
    /// permutation argument's is not checked; [`PermutationAssembly::copy`] does.
    pub copies: Vec<(CellPosition, CellPosition)>,
}

/// What keys are made of, copies as a permutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// The fixed columns by index, each of 2^k rows; zero where nothing is assigned.
    pub fixed: Vec<Vec<Fr>>,
    /// The cycles of copied cells, over the columns of the permutation argument.
    pub permutation: PermutationAssembly,
}

/// Runs `circuit` on 2^`k` rows: its constraint system, its fixed cells and the list of its copies.
///
/// # Errors
/// The constraint system has selectors or doesn't fit the rows, or the circuit fails or uses cells that it can't.
pub fn synthesize<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<(ConstraintSystem<Fr>, Synthesis), SynthesisError> {
    let configured = Configured::new(k, circuit)?;
    let mut copies = Vec::new();
    let fixed = configured.fixed(circuit, |left, right| {
        copies.push((left, right));
        Ok(())
    })?;
    Ok((configured.system, Synthesis { fixed, copies }))
}

/// Runs `circuit` on 2^`k` rows as [`synthesize`] does, and joins cycles as copies come, which takes no memory for a list.
///
/// # Errors
/// Those of [`synthesize`]; also, a copied column is not one of the permutation argument's.
pub fn assemble<C: Circuit<Fr>>(k: u32, circuit: &C) -> Result<(ConstraintSystem<Fr>, Assembled), SynthesisError> {
    let configured = Configured::new(k, circuit)?;
    let mut permutation = PermutationAssembly::new(k, &configured.system.permutation().get_columns())?;
    let fixed = configured.fixed(circuit, |left, right| {
        permutation.copy(left.0, left.1, right.0, right.1)?;
        Ok(())
    })?;
    Ok((configured.system, Assembled { fixed, permutation }))
}

/// A circuit that holds its witness, configured for a number of rows.
pub struct CircuitWitness<'a, C: Circuit<Fr>> {
    circuit: &'a C,
    configured: Configured<C>,
    cell_values: CellValues,
}

impl<'a, C: Circuit<Fr>> CircuitWitness<'a, C> {
    /// Configures `circuit` for 2^`k` rows.
    ///
    /// # Errors
    /// The constraint system has selectors or doesn't fit the rows.
    pub fn new(k: u32, circuit: &'a C) -> Result<Self, SynthesisError> {
        Ok(Self { circuit, configured: Configured::new(k, circuit)?, cell_values: CellValues::Withheld })
    }

    /// Lets the circuit read the values of advice cells that it assigned. The memory for these values (72 bytes for every
    /// assignment, in every phase) is never given back.
    #[must_use]
    pub fn leaking_cell_values(self) -> Self {
        Self { cell_values: CellValues::Leaked, ..self }
    }

    /// The circuit's constraint system.
    pub fn constraint_system(&self) -> &ConstraintSystem<Fr> {
        &self.configured.system
    }

    /// The number of phases, at least 1.
    pub fn phases(&self) -> u8 {
        self.configured.phases()
    }

    /// The number of rows that the circuit may use; the rows behind them are for blinding.
    pub fn usable_rows(&self) -> usize {
        self.configured.usable
    }

    /// Runs the circuit and gives the advice columns of `phase`, in order, each with its index. A column has all 2^k rows:
    /// zero where nothing is assigned, and in the rows behind the usable ones.
    ///
    /// `challenges` are all challenges by index, of which those that aren't drawn yet are `None`; `instances` are the values
    /// of each instance column, at most one for each usable row.
    ///
    /// # Errors
    /// There is no such phase, the numbers of challenges or instance values are wrong, or the circuit fails, uses cells that
    /// it can't or leaves a value of this phase unknown.
    pub fn advice(
        &self,
        phase: u8,
        challenges: &[Option<Fr>],
        instances: &[&[Fr]],
    ) -> Result<Vec<(usize, Vec<Fr>)>, SynthesisError> {
        self.configured.check_inputs(phase, challenges, instances)?;
        let column_phases = self.configured.system.advice_column_phase();
        let of_phase: Vec<usize> = (0..column_phases.len()).filter(|index| column_phases[*index] == phase).collect();
        let mut slots = vec![None; column_phases.len()];
        of_phase.iter().enumerate().for_each(|(slot, index)| slots[*index] = Some(slot));
        let recorder = AdviceRecorder {
            phase,
            slots,
            columns: RationalColumns::new(of_phase.len(), self.configured.rows()),
            challenges,
            instances,
            cell_values: self.cell_values,
        };
        let columns = self.configured.run(self.circuit, recorder)?.columns.into_values();
        Ok(of_phase.into_iter().zip(columns).collect())
    }
}

/// Whether circuits can read the values of advice cells that they assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellValues {
    Withheld,
    Leaked,
}

impl CellValues {
    fn hand_out<'v>(self, value: Value<Assigned<Fr>>) -> Value<&'v Assigned<Fr>> {
        match self {
            Self::Withheld => Value::unknown(),
            Self::Leaked => value.map(|value| &*Box::leak(Box::new(value))),
        }
    }
}

/// A circuit's configuration for a number of rows.
struct Configured<C: Circuit<Fr>> {
    k: u32,
    usable: usize,
    system: ConstraintSystem<Fr>,
    config: C::Config,
}

impl<C: Circuit<Fr>> Configured<C> {
    fn new(k: u32, circuit: &C) -> Result<Self, SynthesisError> {
        if k > Fr::S {
            return Err(SynthesisError::TooManyRows { k });
        }
        let mut system = ConstraintSystem::default();
        let config = C::configure_with_params(&mut system, circuit.params());
        let needed = system.minimum_rows();
        if (1 << k) < needed {
            return Err(SynthesisError::TooFewRows { k, needed });
        }
        if system.num_selectors() != 0 {
            return Err(SynthesisError::Selectors { found: system.num_selectors() });
        }
        let usable = (1 << k) - (system.blinding_factors() + 1);
        Ok(Self { k, usable, system, config })
    }

    fn rows(&self) -> usize {
        1 << self.k
    }

    fn phases(&self) -> u8 {
        self.system.advice_column_phase().into_iter().max().unwrap_or(0) + 1
    }

    fn check_inputs(&self, phase: u8, challenges: &[Option<Fr>], instances: &[&[Fr]]) -> Result<(), SynthesisError> {
        if phase >= self.phases() {
            return Err(SynthesisError::Phase { phase, phases: self.phases() });
        }
        let expected = self.system.num_challenges();
        if challenges.len() != expected {
            return Err(SynthesisError::Challenges { expected, found: challenges.len() });
        }
        let expected = self.system.num_instance_columns();
        if instances.len() != expected {
            return Err(SynthesisError::InstanceColumns { expected, found: instances.len() });
        }
        match instances.iter().position(|values| values.len() > self.usable) {
            Some(column) => {
                Err(SynthesisError::InstanceLength { column, usable: self.usable, found: instances[column].len() })
            }
            None => Ok(()),
        }
    }

    /// Runs the circuit for its fixed columns and hands its copies on.
    fn fixed(
        &self,
        circuit: &C,
        copy: impl FnMut(CellPosition, CellPosition) -> Result<(), SynthesisError>,
    ) -> Result<Vec<Vec<Fr>>, SynthesisError> {
        let columns = RationalColumns::new(self.system.num_fixed_columns(), self.rows());
        Ok(self.run(circuit, FixedRecorder { columns, copy })?.columns.into_values())
    }

    fn run<R: Recorder>(&self, circuit: &C, recorder: R) -> Result<R, SynthesisError> {
        let mut driver = Driver { k: self.k, usable: self.usable, recorder, failure: OnceCell::new() };
        let config = self.config.clone();
        let outcome = C::FloorPlanner::synthesize(&mut driver, circuit, config, self.system.constants().clone());
        match (driver.failure.into_inner(), outcome) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) => Err(SynthesisError::Circuit(error)),
            (None, Ok(())) => Ok(driver.recorder),
        }
    }
}

/// Columns of fractions whose denominators are inverted together.
struct RationalColumns {
    numerators: Vec<Vec<Fr>>,
    /// The denominators other than 1, by column and row.
    denominators: HashMap<(usize, usize), Fr>,
}

impl RationalColumns {
    fn new(columns: usize, rows: usize) -> Self {
        Self { numerators: vec![vec![Fr::ZERO; rows]; columns], denominators: HashMap::new() }
    }

    fn set(&mut self, column: usize, row: usize, value: Assigned<Fr>) {
        self.numerators[column][row] = value.numerator();
        match value.denominator() {
            Some(denominator) => {
                self.denominators.insert((column, row), denominator);
            }
            None if self.denominators.is_empty() => {}
            None => {
                self.denominators.remove(&(column, row));
            }
        }
    }

    /// The values of the fractions; those with denominator 0 are 0.
    fn into_values(mut self) -> Vec<Vec<Fr>> {
        self.denominators.values_mut().batch_invert();
        for ((column, row), inverse) in self.denominators {
            self.numerators[column][row] *= inverse;
        }
        self.numerators
    }
}

/// What a run of the circuit keeps. Rows are usable ones.
trait Recorder {
    fn fixed(&mut self, column: Column<Fixed>, row: usize, value: Assigned<Fr>) -> Result<(), SynthesisError>;

    /// Fills the rows from `row` up to `end`.
    fn fill(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        end: usize,
        value: Value<Assigned<Fr>>,
    ) -> Result<(), SynthesisError>;

    fn copy(&mut self, left: CellPosition, right: CellPosition) -> Result<(), SynthesisError>;

    fn advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        value: Value<Assigned<Fr>>,
    ) -> Result<Value<&'v Assigned<Fr>>, SynthesisError>;

    fn instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, SynthesisError>;

    fn challenge(&self, index: usize) -> Value<Fr>;
}

/// Keeps fixed cells and hands copies on.
struct FixedRecorder<F> {
    columns: RationalColumns,
    copy: F,
}

impl<F> FixedRecorder<F> {
    fn check_column(&self, column: Column<Fixed>) -> Result<usize, SynthesisError> {
        let columns = self.columns.numerators.len();
        if column.index() < columns {
            Ok(column.index())
        } else {
            Err(SynthesisError::Column { column: column.into(), columns })
        }
    }
}

impl<F: FnMut(CellPosition, CellPosition) -> Result<(), SynthesisError>> Recorder for FixedRecorder<F> {
    fn fixed(&mut self, column: Column<Fixed>, row: usize, value: Assigned<Fr>) -> Result<(), SynthesisError> {
        let index = self.check_column(column)?;
        self.columns.set(index, row, value);
        Ok(())
    }

    fn fill(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        end: usize,
        value: Value<Assigned<Fr>>,
    ) -> Result<(), SynthesisError> {
        let index = self.check_column(column)?;
        let value = known(value).ok_or(SynthesisError::UnknownFixed { column: column.into(), row })?;
        (row..end).for_each(|row| self.columns.set(index, row, value));
        Ok(())
    }

    fn copy(&mut self, left: CellPosition, right: CellPosition) -> Result<(), SynthesisError> {
        (self.copy)(left, right)
    }

    fn advice<'v>(
        &mut self,
        _: Column<Advice>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<Value<&'v Assigned<Fr>>, SynthesisError> {
        Ok(Value::unknown())
    }

    fn instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, SynthesisError> {
        Ok(Value::unknown())
    }

    fn challenge(&self, _: usize) -> Value<Fr> {
        Value::unknown()
    }
}

/// Keeps the advice cells of one phase.
struct AdviceRecorder<'a> {
    phase: u8,
    /// The place of each advice column among those of the phase, by index.
    slots: Vec<Option<usize>>,
    columns: RationalColumns,
    challenges: &'a [Option<Fr>],
    instances: &'a [&'a [Fr]],
    cell_values: CellValues,
}

impl Recorder for AdviceRecorder<'_> {
    fn fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) -> Result<(), SynthesisError> {
        Ok(())
    }

    fn fill(&mut self, _: Column<Fixed>, _: usize, _: usize, _: Value<Assigned<Fr>>) -> Result<(), SynthesisError> {
        Ok(())
    }

    fn copy(&mut self, _: CellPosition, _: CellPosition) -> Result<(), SynthesisError> {
        Ok(())
    }

    fn advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        value: Value<Assigned<Fr>>,
    ) -> Result<Value<&'v Assigned<Fr>>, SynthesisError> {
        let columns = self.slots.len();
        let slot = *self.slots.get(column.index()).ok_or(SynthesisError::Column { column: column.into(), columns })?;
        if let Some(slot) = slot {
            let phase = self.phase;
            let value = known(value).ok_or(SynthesisError::UnknownAdvice { column: column.into(), row, phase })?;
            self.columns.set(slot, row, value);
        }
        Ok(self.cell_values.hand_out(value))
    }

    fn instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, SynthesisError> {
        let columns = self.instances.len();
        let values =
            self.instances.get(column.index()).ok_or(SynthesisError::Column { column: column.into(), columns })?;
        let given = values.len();
        let value = values.get(row).ok_or(SynthesisError::InstanceValue { column: column.into(), row, given })?;
        Ok(Value::known(*value))
    }

    fn challenge(&self, index: usize) -> Value<Fr> {
        self.challenges.get(index).copied().flatten().map_or_else(Value::unknown, Value::known)
    }
}

fn known<V>(value: Value<V>) -> Option<V> {
    let mut known = None;
    value.map(|value| known = Some(value));
    known
}

/// What the floor planner assigns to: it checks rows, and keeps the first failure, since most of the library's methods
/// can't return one.
struct Driver<R> {
    k: u32,
    usable: usize,
    recorder: R,
    failure: OnceCell<SynthesisError>,
}

impl<R> Driver<R> {
    fn check_row(&self, column: impl Into<Column<Any>>, row: usize) -> Result<(), SynthesisError> {
        if row < self.usable {
            Ok(())
        } else {
            Err(SynthesisError::Row { column: column.into(), row, usable: self.usable })
        }
    }

    /// The outcome, or `None` after keeping the failure.
    fn kept<T>(&self, outcome: Result<T, SynthesisError>) -> Option<T> {
        outcome.map_err(|failure| self.failure.set(failure)).ok()
    }

    /// The outcome with the failure kept and in the library's words.
    fn told<T>(&self, outcome: Result<T, SynthesisError>) -> Result<T, plonk::Error> {
        let error = match &outcome {
            Err(SynthesisError::Row { .. }) => plonk::Error::NotEnoughRowsAvailable { current_k: self.k },
            Err(SynthesisError::UnknownFixed { .. }) => plonk::Error::Synthesis,
            _ => plonk::Error::BoundsFailure,
        };
        self.kept(outcome).ok_or(error)
    }
}

impl<R: Recorder> Assignment<Fr> for Driver<R> {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), plonk::Error> {
        // The constraint system has none, so this one is another system's.
        self.told(Err(SynthesisError::Selectors { found: 1 }))
    }

    fn query_instance(&self, column: Column<Instance>, row: usize) -> Result<Value<Fr>, plonk::Error> {
        self.told(self.check_row(column, row).and_then(|()| self.recorder.instance(column, row)))
    }

    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let outcome = self.check_row(column, row).and_then(|()| self.recorder.advice(column, row, to));
        self.kept(outcome).unwrap_or_else(Value::unknown)
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        let outcome = self.check_row(column, row).and_then(|()| self.recorder.fixed(column, row, to));
        self.kept(outcome);
    }

    fn copy(&mut self, left_column: Column<Any>, left_row: usize, right_column: Column<Any>, right_row: usize) {
        let outcome = self
            .check_row(left_column, left_row)
            .and_then(|()| self.check_row(right_column, right_row))
            .and_then(|()| self.recorder.copy((left_column, left_row), (right_column, right_row)));
        self.kept(outcome);
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Result<(), plonk::Error> {
        let outcome = self.check_row(column, row).and_then(|()| self.recorder.fill(column, row, self.usable, to));
        self.told(outcome)
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        self.recorder.challenge(challenge.index())
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::circuit::{Cell, Layouter, Region, SimpleFloorPlanner};
    use halo2_proofs::plonk::{Error, FirstPhase, SecondPhase};

    const K: u32 = 4;
    /// 16 rows, of which 5 are for blinding and one is the last.
    const USABLE: usize = 10;

    #[derive(Clone)]
    struct Columns {
        fixed: Column<Fixed>,
        instance: Column<Instance>,
        first: Column<Advice>,
        second: Column<Advice>,
        challenge: Challenge,
    }

    /// A circuit that does what a function says.
    struct Scripted {
        selectors: bool,
        script: fn(&Columns, &mut Region<'_, Fr>) -> Result<(), Error>,
    }

    impl Circuit<Fr> for Scripted {
        type Config = Columns;
        type FloorPlanner = SimpleFloorPlanner;
        type Params = bool;

        fn without_witnesses(&self) -> Self {
            Self { ..*self }
        }

        fn params(&self) -> bool {
            self.selectors
        }

        fn configure(system: &mut ConstraintSystem<Fr>) -> Columns {
            Self::configure_with_params(system, false)
        }

        fn configure_with_params(system: &mut ConstraintSystem<Fr>, selectors: bool) -> Columns {
            let columns = Columns {
                fixed: system.fixed_column(),
                instance: system.instance_column(),
                first: system.advice_column(),
                second: system.advice_column_in(SecondPhase),
                challenge: system.challenge_usable_after(FirstPhase),
            };
            if selectors {
                system.selector();
            }
            system.enable_equality(columns.first);
            columns
        }

        fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
            layouter.assign_region(|| "script", |mut region| (self.script)(&columns, &mut region))
        }
    }

    fn scripted(script: fn(&Columns, &mut Region<'_, Fr>) -> Result<(), Error>) -> Scripted {
        Scripted { selectors: false, script }
    }

    fn known(value: u64) -> Value<Fr> {
        Value::known(Fr::from(value))
    }

    fn advice(circuit: &Scripted, phase: u8, challenge: Option<u64>) -> Result<Vec<Fr>, SynthesisError> {
        let witness = CircuitWitness::new(K, circuit).expect("it can be configured");
        let instance = [7, 8].map(Fr::from);
        let mut columns = witness.advice(phase, &[challenge.map(Fr::from)], &[&instance])?;
        assert_eq!(columns.len(), 1);
        let (index, column) = columns.remove(0);
        assert_eq!((index, column.len()), (usize::from(phase), 16));
        Ok(column)
    }

    #[test]
    fn phases_are_separate() {
        let circuit = scripted(|columns, region| {
            let read = region.instance_value(columns.instance, 1)?;
            region.assign_advice(columns.first, 0, read);
            region.assign_advice(columns.first, 2, Value::known(Assigned::Rational(Fr::from(6), Fr::from(3))));
            region.assign_advice(columns.first, 3, Value::known(Assigned::Rational(Fr::ONE, Fr::ZERO)));
            region.assign_advice(columns.first, 4, Value::known(Assigned::Rational(Fr::ONE, Fr::from(5))));
            region.assign_advice(columns.first, 4, known(9));
            region.next_phase();
            let challenge = region.get_challenge(columns.challenge);
            region.assign_advice(columns.second, 1, challenge + read);
            Ok(())
        });
        let first = advice(&circuit, 0, None).expect("phase 0 depends on no challenge");
        assert_eq!(first[..6], [8, 0, 2, 0, 9, 0].map(Fr::from));
        assert!(first[6..].iter().all(|value| *value == Fr::ZERO));
        let second = advice(&circuit, 1, Some(4)).expect("the challenge is known");
        assert_eq!(second[..3], [0, 12, 0].map(Fr::from));
        let error = advice(&circuit, 1, None).expect_err("the challenge is unknown");
        assert!(matches!(error, SynthesisError::UnknownAdvice { row: 1, phase: 1, .. }), "{error}");
    }

    #[test]
    fn cell_values_are_handed_out_on_request() {
        let circuit = scripted(|columns, region| {
            let cell = region.assign_advice(columns.first, 0, known(5));
            let value = cell.value().map(|value| (*value).evaluate().double());
            region.assign_advice(columns.first, 1, value);
            Ok(())
        });
        let error = advice(&circuit, 0, None).expect_err("the value is withheld");
        assert!(matches!(error, SynthesisError::UnknownAdvice { row: 1, phase: 0, .. }), "{error}");
        let witness = CircuitWitness::new(K, &circuit).expect("it can be configured").leaking_cell_values();
        let columns = witness.advice(0, &[None], &[&[]]).expect("the value is there");
        assert_eq!(columns[0].1[..2], [5, 10].map(Fr::from));
    }

    #[test]
    fn fixed_cells_and_copies_are_kept() {
        let circuit = scripted(|columns, region| {
            region.assign_fixed(columns.fixed, 0, Assigned::Rational(Fr::from(6), Fr::from(2)));
            region.assign_fixed(columns.fixed, 1, Assigned::Rational(Fr::from(6), Fr::ZERO));
            region.assign_fixed(columns.fixed, 2, Assigned::Rational(Fr::from(6), Fr::from(5)));
            region.assign_fixed(columns.fixed, 2, Fr::ONE);
            let unknown = region.instance_value(columns.instance, 9)?;
            let cell = region.assign_advice(columns.first, 3, unknown);
            region.constrain_equal(cell.cell(), Cell { row_offset: 4, column: columns.first.into() });
            Ok(())
        });
        let (system, synthesis) = synthesize(K, &circuit).expect("all cells are there");
        assert_eq!(synthesis.fixed[0][..4], [3, 0, 1, 0].map(Fr::from));
        assert_eq!(synthesis.fixed[0].len(), 16);
        let column = system.permutation().get_columns()[0];
        assert_eq!(synthesis.copies, [((column, 3), (column, 4))]);
        let (_, assembled) = assemble(K, &circuit).expect("all cells are there");
        assert_eq!(assembled.fixed, synthesis.fixed);
        assert_eq!(assembled.permutation.moved(0).collect::<Vec<_>>(), [(3, (0, 4)), (4, (0, 3))]);
    }

    #[test]
    fn rows_that_are_not_usable_are_refused() {
        type Script = fn(&Columns, &mut Region<'_, Fr>) -> Result<(), Error>;
        let scripts: [Script; 4] = [
            |columns, region| {
                region.assign_fixed(columns.fixed, USABLE, Fr::ONE);
                Ok(())
            },
            |columns, region| {
                region.assign_advice(columns.second, USABLE, known(1));
                Ok(())
            },
            |columns, region| {
                let cell = |row| Cell { row_offset: row, column: columns.first.into() };
                region.constrain_equal(cell(0), cell(USABLE));
                Ok(())
            },
            // That the circuit goes on makes no difference.
            |columns, region| {
                assert!(region.instance_value(columns.instance, USABLE).is_err());
                Ok(())
            },
        ];
        for script in scripts {
            let error = synthesize(K, &scripted(script)).expect_err("a row is not usable");
            assert!(matches!(error, SynthesisError::Row { row: USABLE, usable: USABLE, .. }), "{error}");
            let error = advice(&scripted(script), 0, None).expect_err("a row is not usable");
            assert!(matches!(error, SynthesisError::Row { row: USABLE, usable: USABLE, .. }), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let nothing = scripted(|_, _| Ok(()));
        let error = synthesize(29, &nothing).expect_err("too many rows");
        assert!(matches!(error, SynthesisError::TooManyRows { k: 29 }), "{error}");
        let error = synthesize(2, &nothing).expect_err("too few rows");
        assert!(matches!(error, SynthesisError::TooFewRows { k: 2, needed: 8 }), "{error}");
        let selecting = Scripted { selectors: true, ..nothing };
        assert!(matches!(synthesize(K, &selecting), Err(SynthesisError::Selectors { found: 1 })));
        let failing = scripted(|_, _| Err(Error::Synthesis));
        assert!(matches!(synthesize(K, &failing), Err(SynthesisError::Circuit(Error::Synthesis))));
        let copying = scripted(|columns, region| {
            let cell = |column| Cell { row_offset: 0, column };
            region.constrain_equal(cell(columns.first.into()), cell(columns.second.into()));
            Ok(())
        });
        assert!(synthesize(K, &copying).is_ok(), "a list says nothing about the argument");
        assert!(matches!(assemble(K, &copying), Err(SynthesisError::Permutation(_))));
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let circuit = scripted(|columns, region| region.instance_value(columns.instance, 2).map(|_| ()));
        let error = advice(&circuit, 0, None).expect_err("there are two values");
        assert!(matches!(error, SynthesisError::InstanceValue { row: 2, given: 2, .. }), "{error}");
        let witness = CircuitWitness::new(K, &circuit).expect("it can be configured");
        assert_eq!((witness.phases(), witness.usable_rows()), (2, USABLE));
        assert_eq!(witness.constraint_system().num_challenges(), 1);
        let long = [Fr::ONE; USABLE + 1];
        let error = witness.advice(2, &[None], &[&[]]).expect_err("there are two phases");
        assert!(matches!(error, SynthesisError::Phase { phase: 2, phases: 2 }), "{error}");
        let error = witness.advice(0, &[], &[&[]]).expect_err("there is a challenge");
        assert!(matches!(error, SynthesisError::Challenges { expected: 1, found: 0 }), "{error}");
        let error = witness.advice(0, &[None], &[]).expect_err("there is an instance column");
        assert!(matches!(error, SynthesisError::InstanceColumns { expected: 1, found: 0 }), "{error}");
        let error = witness.advice(0, &[None], &[&long]).expect_err("there are ten usable rows");
        assert!(matches!(error, SynthesisError::InstanceLength { column: 0, usable: USABLE, found: 11 }), "{error}");
        let selector = Scripted { selectors: true, ..circuit };
        assert!(matches!(CircuitWitness::new(K, &selector), Err(SynthesisError::Selectors { found: 1 })));
    }

    #[test]
    fn columns_of_other_systems_are_refused() {
        let circuit = scripted(|_, region| {
            let mut other = ConstraintSystem::<Fr>::default();
            let _ = (other.fixed_column(), other.advice_column(), other.advice_column());
            region.assign_fixed(other.fixed_column(), 0, Fr::ONE);
            region.assign_advice(other.advice_column(), 0, known(1));
            Ok(())
        });
        let error = synthesize(K, &circuit).expect_err("there is one fixed column");
        assert!(matches!(error, SynthesisError::Column { columns: 1, .. }), "{error}");
        let error = advice(&circuit, 0, None).expect_err("there are two advice columns");
        assert!(matches!(error, SynthesisError::Column { columns: 2, .. }), "{error}");
    }
}
