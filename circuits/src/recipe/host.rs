//! Recipes on the processor.
//!
//! Columns are computed by blocks of rows, so that forms and what is made of them stay in the second cache; a form that a block's switches
//! leave idle is left out. Accumulators are scans: each part of the rows from zero, then the few rows that the part before leads into. A
//! column that others read is added to them as soon as it is there, so that whoever takes columns one by one keeps few.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::{Derived, Operand, Recipe, ScalarCells, ScalarOperand, ScalarUnit, Source, Switch, Term};
use crate::machine::{to_field, FieldKernels, Integers};

/// Rows of a part that one thread works on.
const PART: usize = 1 << 10;

/// Columns of small integers by their source.
pub type IntegerSources<'a> = dyn Fn(Source) -> &'a Integers + Sync + 'a;

/// A recipe, the columns that it reads, the challenges, and the arithmetic.
#[derive(Clone, Copy)]
pub struct Derivation<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The challenges, in the order of the recipe's exponents.
    pub challenges: &'a [Fr],
    /// The columns that are not at hand ([`super::Input::integers`]).
    pub sources: &'a IntegerSources<'a>,
    /// The arithmetic.
    pub kernels: &'a dyn FieldKernels,
    /// Columns that are computed at the same time. With few, rows alone are divided among threads, and little memory is taken.
    pub at_once: usize,
}

/// Integers as rows read them: those behind the last one are zero.
struct Cells<'a>(Cow<'a, Integers>);

impl Cells<'_> {
    fn get(&self, row: usize) -> i64 {
        if row < self.0.len() {
            self.0.get(row)
        } else {
            0
        }
    }
}

/// A switch with its cells.
struct Gate<'a> {
    cells: &'a Cells<'a>,
    off: bool,
}

impl Gate<'_> {
    fn get(&self, row: usize) -> i64 {
        let cell = self.cells.get(row);
        if self.off {
            1 - cell
        } else {
            cell
        }
    }
}

/// A term with its cells, at known challenges.
struct Weight<'a> {
    /// The factor, 1 in place of −1.
    factor: Fr,
    negative: bool,
    gates: Vec<Gate<'a>>,
    shift: isize,
}

/// `x·factor`, which is most often 0 or ±1 times.
fn scaled(x: Fr, factor: i64) -> Fr {
    match factor {
        0 => Fr::ZERO,
        1 => x,
        -1 => -x,
        _ => x * to_field(factor),
    }
}

/// A product with an element that is most often 1.
fn times(x: Fr, factor: &Fr) -> Fr {
    if *factor == Fr::ONE {
        x
    } else {
        x * factor
    }
}

impl Weight<'_> {
    /// Whether all products of the rows vanish.
    fn is_idle(&self, mut rows: Range<usize>) -> bool {
        rows.all(|row| self.gates.iter().any(|gate| gate.get(row) == 0))
    }

    /// `factor·Π switch·x` in a row, or nothing where a switch is zero.
    fn weigh(&self, row: usize, x: impl FnOnce() -> Fr) -> Option<Fr> {
        let is_off = self.gates.iter().any(|gate| gate.get(row) == 0);
        (!is_off).then(|| {
            let product =
                self.gates.iter().fold(times(x(), &self.factor), |product, gate| scaled(product, gate.get(row)));
            if self.negative {
                -product
            } else {
                product
            }
        })
    }

    /// `factor·Π switch` in a row.
    fn product(&self, row: usize) -> Fr {
        let factor = if self.negative { -self.factor } else { self.factor };
        self.gates.iter().fold(factor, |product, gate| scaled(product, gate.get(row)))
    }

    /// The row of the operand that a row reads.
    fn operand_row(&self, row: usize) -> Option<usize> {
        row.checked_add_signed(self.shift)
    }
}

/// A form with its cells, at known challenges, and the terms that it is the operand of.
struct PreparedForm<'a> {
    columns: Vec<&'a Integers>,
    factors: Vec<Fr>,
    constant: Fr,
    inverted: bool,
    weights: Vec<Weight<'a>>,
}

/// A derived column with its cells, at known challenges.
struct Prepared<'a> {
    rows: usize,
    forms: Vec<PreparedForm<'a>>,
    /// Terms without an operand.
    bare: Vec<Weight<'a>>,
    steps: Option<Vec<Weight<'a>>>,
}

/// The inputs of some columns.
type Inputs<'a> = BTreeMap<usize, Cells<'a>>;

impl<'a> Derivation<'a> {
    /// Hands out the derived columns, with their number, in any order; those of the scalar unit are numbered behind the others.
    ///
    /// # Errors
    /// `take` gives up; then no more columns are handed out.
    pub fn run<E>(&self, take: &mut dyn FnMut(usize, Vec<Fr>) -> Result<(), E>) -> Result<(), E> {
        let derived = &self.recipe.derived;
        let mut scalars = self.recipe.scalars.as_ref().map(|unit| ScalarRows::new(unit, self));
        // What columns read of those that are there already.
        let mut begun: BTreeMap<usize, Vec<Fr>> = BTreeMap::new();
        let mut left: Vec<usize> = (0..derived.len()).collect();
        while !left.is_empty() {
            let ready = |&column: &usize| !read_by(&derived[column]).any(|before| left.contains(&before));
            let batch: Vec<usize> = left.iter().copied().filter(ready).take(self.at_once.max(1)).collect();
            assert!(!batch.is_empty(), "each derived column reads only those before it");
            left.retain(|column| !batch.contains(column));
            let sums = batch
                .iter()
                .map(|&column| begun.remove(&column).unwrap_or_else(|| vec![Fr::ZERO; derived[column].output.rows]));
            let mut columns: Vec<_> = batch.iter().copied().zip(sums).collect();
            self.fill(&mut columns);
            self.hand_on(&columns, &mut begun);
            for (number, column) in columns {
                if let Some(scalars) = &mut scalars {
                    scalars.copy_column(number, &column);
                }
                take(number, column)?;
            }
        }
        let Some(scalars) = scalars else { return Ok(()) };
        let numbered = (derived.len()..).zip(scalars.run(self.challenges));
        numbered.into_iter().try_for_each(|(number, column)| take(number, column))
    }

    /// Integers of inputs, from their rows where these are not the first of a column.
    fn inputs(&self, numbers: impl Iterator<Item = usize>) -> Inputs<'a> {
        let cells = |number: usize| {
            let input = &self.recipe.inputs[number];
            if let Some(integers) = &input.integers {
                return Cells(Cow::Borrowed(integers));
            }
            let column = (self.sources)(input.source);
            if input.rows.are_first() && column.len() <= input.rows.count {
                return Cells(Cow::Borrowed(column));
            }
            let rows = (0..input.rows.count).map(|row| input.rows.place(row)).take_while(|row| *row < column.len());
            Cells(Cow::Owned(rows.map(|row| column.get(row)).collect()))
        };
        numbers.map(|number| (number, cells(number))).collect()
    }

    /// Adds what the columns read of inputs, and accumulates.
    fn fill(&self, columns: &mut [(usize, Vec<Fr>)]) {
        let of = |number: &usize| inputs_of(&self.recipe.derived[*number]);
        let inputs = self.inputs(columns.iter().flat_map(|(number, _)| of(number)));
        let prepared: Vec<_> =
            columns.iter().map(|(number, _)| self.prepare(&self.recipe.derived[*number], &inputs)).collect();
        let tasks: Vec<_> = (prepared.iter().zip(columns.iter_mut()))
            .flat_map(|(prepared, (_, sums))| sums.chunks_mut(PART).enumerate().map(move |part| (prepared, part)))
            .collect();
        let kernels = self.kernels;
        tasks.into_par_iter().for_each_init(Vec::new, |room, (prepared, (part, sums))| {
            prepared.add_reads(kernels, part * PART, sums, room);
        });
        for (prepared, (_, sums)) in prepared.iter().zip(columns) {
            if let Some(steps) = &prepared.steps {
                accumulate(steps, sums);
            }
        }
    }

    fn prepare<'b>(&self, derived: &Derived, inputs: &'b Inputs<'b>) -> Prepared<'b> {
        let weigh = |term: &Term| self.weight(term, inputs);
        let of = |operand: Operand| derived.reads.iter().filter(move |term| term.operand == operand).map(weigh);
        let forms = derived.forms.iter().enumerate().map(|(number, form)| PreparedForm {
            columns: form.terms.iter().map(|(input, _)| &*inputs[input].0).collect(),
            factors: form.terms.iter().map(|(_, factor)| factor.value(self.challenges)).collect(),
            constant: form.constant.value(self.challenges),
            inverted: form.inverted,
            weights: of(Operand::Form(number)).collect(),
        });
        Prepared {
            rows: derived.output.rows,
            forms: forms.collect(),
            bare: of(Operand::One).collect(),
            steps: derived.steps.as_ref().map(|steps| steps.iter().map(weigh).collect()),
        }
    }

    fn weight<'b>(&self, term: &Term, inputs: &'b Inputs<'b>) -> Weight<'b> {
        let gate = |switch: &Switch| Gate { cells: &inputs[&switch.input()], off: matches!(switch, Switch::Off(_)) };
        let factor = term.factor.value(self.challenges);
        let negative = factor == -Fr::ONE;
        Weight {
            factor: if negative { Fr::ONE } else { factor },
            negative,
            gates: term.switches.iter().map(gate).collect(),
            shift: term.shift,
        }
    }

    /// Adds columns to those that read them.
    fn hand_on(&self, columns: &[(usize, Vec<Fr>)], begun: &mut BTreeMap<usize, Vec<Fr>>) {
        for (number, reader) in self.recipe.derived.iter().enumerate() {
            let read = |term: &&Term| columns.iter().any(|(column, _)| term.operand == Operand::Column(*column));
            let terms: Vec<&Term> = reader.reads.iter().filter(read).collect();
            if terms.is_empty() {
                continue;
            }
            let inputs = self.inputs(terms.iter().flat_map(|term| term.switches.iter().map(|switch| switch.input())));
            let find = |term: &Term| columns.iter().find(|(column, _)| term.operand == Operand::Column(*column));
            let weights = terms.iter().map(|term| (self.weight(term, &inputs), find(term).expect("it is there")));
            let weights: Vec<_> = weights.collect();
            let sums = begun.entry(number).or_insert_with(|| vec![Fr::ZERO; reader.output.rows]);
            sums.par_chunks_mut(PART).enumerate().for_each(|(part, sums)| {
                for (weight, (_, column)) in &weights {
                    weight.add(part * PART, sums, column, 0);
                }
            });
        }
    }
}

/// Derived columns that a column reads.
fn read_by(derived: &Derived) -> impl Iterator<Item = usize> + '_ {
    derived.reads.iter().filter_map(|term| match term.operand {
        Operand::Column(column) => Some(column),
        _ => None,
    })
}

/// Inputs that a column reads, but for those beside other derived columns.
fn inputs_of(derived: &Derived) -> impl Iterator<Item = usize> + '_ {
    let forms = derived.forms.iter().flat_map(|form| form.terms.iter().map(|(input, _)| *input));
    let reads = derived.reads.iter().filter(|term| !matches!(term.operand, Operand::Column(_)));
    let terms = reads.chain(derived.steps.iter().flatten());
    forms.chain(terms.flat_map(|term| term.switches.iter().map(|switch| switch.input())))
}

impl Weight<'_> {
    /// Adds the products with an operand whose rows are given from `start` on; the others are zero.
    fn add(&self, first: usize, sums: &mut [Fr], operand: &[Fr], start: usize) {
        for (row, sum) in (first..).zip(sums) {
            let place = self.operand_row(row).and_then(|row| row.checked_sub(start)).filter(|at| *at < operand.len());
            let Some(place) = place else { continue };
            if let Some(product) = self.weigh(row, || operand[place]) {
                *sum += product;
            }
        }
    }
}

impl Prepared<'_> {
    /// Adds what rows from `first` on read. `room` is used again from block to block.
    fn add_reads(&self, kernels: &dyn FieldKernels, first: usize, sums: &mut [Fr], room: &mut Vec<Fr>) {
        let rows = first..first + sums.len();
        for form in &self.forms {
            let weights: Vec<_> = form.weights.iter().filter(|weight| !weight.is_idle(rows.clone())).collect();
            let shifts = || weights.iter().map(|weight| weight.shift);
            let (Some(least), Some(most)) = (shifts().min(), shifts().max()) else { continue };
            let start = rows.start.saturating_add_signed(least).min(self.rows);
            let end = rows.end.saturating_add_signed(most).min(self.rows);
            room.clear();
            room.resize(end.saturating_sub(start), form.constant);
            kernels.combine(&form.columns, &form.factors, start, room);
            if form.inverted {
                kernels.batch_invert(room);
            }
            weights.iter().for_each(|weight| weight.add(first, sums, room, start));
        }
        for weight in &self.bare {
            (first..).zip(sums.iter_mut()).for_each(|(row, sum)| *sum += weight.product(row));
        }
    }
}

/// `z_i = z_(i−1)·step_i + read_i`, from 0 before row 0, in place of what is read.
fn accumulate(steps: &[Weight<'_>], reads: &mut [Fr]) {
    let step = |row: usize| steps.iter().fold(Fr::ZERO, |sum, step| sum + step.product(row));
    // Each part from zero, and what it makes of what the part before hands over.
    let factors: Vec<Fr> = reads
        .par_chunks_mut(PART)
        .enumerate()
        .map(|(part, reads)| {
            let (mut sum, mut factor) = (Fr::ZERO, Fr::ONE);
            for (row, read) in (part * PART..).zip(reads) {
                let step = step(row);
                if !bool::from(step.is_zero()) {
                    *read += times(sum, &step);
                }
                if !bool::from(factor.is_zero()) {
                    factor = times(factor, &step);
                }
                sum = *read;
            }
            factor
        })
        .collect();
    let mut carry = Fr::ZERO;
    let carries: Vec<Fr> = (reads.chunks(PART).zip(factors))
        .map(|(part, factor)| {
            let before = carry;
            carry = carry * factor + part[part.len() - 1];
            before
        })
        .collect();
    reads.par_chunks_mut(PART).zip(carries).enumerate().for_each(|(part, (sums, mut carry))| {
        for (row, sum) in (part * PART..).zip(sums) {
            if bool::from(carry.is_zero()) {
                return;
            }
            carry = times(carry, &step(row));
            *sum += carry;
        }
    });
}

/// The scalar unit with those of its operands that are known.
struct ScalarRows<'a> {
    unit: &'a ScalarUnit,
    operands: [Vec<Fr>; 2],
}

impl ScalarCells {
    /// The coefficient in a row, if it is not zero.
    fn get(&self, row: usize) -> Option<Fr> {
        let small = if row < self.integers.len() { self.integers.get(row) } else { 0 };
        let large = if self.elements.is_empty() { None } else { self.elements.get(&row) };
        match (small, large) {
            (0, large) => large.copied(),
            (small, large) => Some(scaled(Fr::ONE, small) + large.copied().unwrap_or(Fr::ZERO)),
        }
    }
}

/// A coefficient in a row, if there is one that is not zero.
fn coefficient(cells: &Option<ScalarCells>, row: usize) -> Option<Fr> {
    cells.as_ref()?.get(row)
}

impl ScalarUnit {
    /// What a row adds to the result of the row before.
    fn term(&self, row: usize, a: Fr, b: Fr) -> Fr {
        let mut term = coefficient(&self.constant, row).unwrap_or(Fr::ZERO);
        if let Some(factor) = coefficient(&self.operand, row) {
            term += times(a, &factor);
        }
        if let Some(factor) = coefficient(&self.product, row) {
            term += times(a * b, &factor);
        }
        term
    }
}

impl<'a> ScalarRows<'a> {
    /// Operands that are copies of small integers are there at once.
    fn new(unit: &'a ScalarUnit, derivation: &Derivation<'a>) -> Self {
        let columns: Vec<&Integers> = unit.sources.iter().map(|source| (derivation.sources)(*source)).collect();
        let operands = [0, 1].map(|side| {
            let value = |operands: &[ScalarOperand; 2]| match operands[side] {
                ScalarOperand::Source(column, row) => to_field(columns[column as usize].get(row as usize)),
                _ => Fr::ZERO,
            };
            unit.operands.par_iter().with_min_len(PART).map(value).collect()
        });
        Self { unit, operands }
    }

    /// Takes operands from a derived column.
    fn copy_column(&mut self, number: usize, column: &[Fr]) {
        for (side, values) in self.operands.iter_mut().enumerate() {
            values.par_iter_mut().zip(&self.unit.operands).with_min_len(PART).for_each(|(value, operands)| {
                match operands[side] {
                    ScalarOperand::Derived(found, row) if found as usize == number => *value = column[row as usize],
                    _ => {}
                }
            });
        }
    }

    /// Row by row, since operands are results of earlier rows; most rows are a sum and do not wait for their product, which is
    /// computed beforehand wherever both operands are known by then.
    fn run(self, challenges: &[Fr]) -> [Vec<Fr>; 3] {
        let is_late = |operand| matches!(operand, ScalarOperand::A(_) | ScalarOperand::B(_) | ScalarOperand::C(_));
        let early = |(row, operands): (usize, &[ScalarOperand; 2])| match operands.iter().any(|o| is_late(*o)) {
            true => Fr::ZERO,
            false => self.unit.term(row, self.operands[0][row], self.operands[1][row]),
        };
        let mut c: Vec<Fr> = self.unit.operands.par_iter().enumerate().with_min_len(PART).map(early).collect();
        let Self { unit, operands: [mut a, mut b] } = self;
        let steps: Vec<(&ScalarCells, Fr)> =
            unit.steps.iter().map(|(cells, factor)| (cells, factor.value(challenges))).collect();
        let mut previous = Fr::ZERO;
        for (row, operands) in unit.operands.iter().enumerate() {
            if operands.iter().any(|operand| is_late(*operand)) {
                let late = |operand: ScalarOperand, a: &[Fr], b: &[Fr]| match operand {
                    ScalarOperand::A(row) => Some(a[row as usize]),
                    ScalarOperand::B(row) => Some(b[row as usize]),
                    ScalarOperand::C(row) => Some(c[row as usize]),
                    _ => None,
                };
                if let Some(value) = late(operands[0], &a, &b) {
                    a[row] = value;
                }
                if let Some(value) = late(operands[1], &a, &b) {
                    b[row] = value;
                }
                c[row] = unit.term(row, a[row], b[row]);
            }
            for (cells, factor) in &steps {
                if let Some(coefficient) = cells.get(row) {
                    c[row] += times(times(previous, factor), &coefficient);
                }
            }
            previous = c[row];
        }
        let mut columns = [a, b, c];
        columns.iter_mut().zip(&unit.outputs).for_each(|(column, output)| column.resize(output.rows, Fr::ZERO));
        columns
    }
}
