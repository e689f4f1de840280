//! The second phase against a plain twin: the machine's gates (`docs/arithmetization.md`, section "Gates") solved for their
//! cells row by row, one field operation after the other. And the multiplicities against plain counting.

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use circuits::layout::{compile, Fold, LayoutOptions};
use circuits::machine::{
    to_field, AdviceColumn, Assignment, Cell, Challenges, FieldKernels, FixedColumn, Integers, Placement, PlainKernels,
    Region, SecondPhase, SecondPhaseRecipe,
};
use circuits::recipe::{Derivation, Source, Target};
use circuits::reference::run;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use support::ProgramBuilder;

/// The twin: cells in the order in which the gates determine them.
struct Twin<'a> {
    assignment: &'a Assignment,
    challenges: Challenges,
    columns: SecondPhase,
}

impl Twin<'_> {
    fn derive(assignment: &Assignment, challenges: Challenges) -> SecondPhase {
        let mut twin = Twin { assignment, challenges, columns: SecondPhase::new() };
        twin.readers();
        twin.scalars();
        twin.lookups();
        twin.columns
    }

    fn rows(&self, column: AdviceColumn) -> usize {
        self.assignment.skeleton.rows_of(column)
    }

    fn q(&self, column: FixedColumn, row: usize) -> Fr {
        to_field(self.assignment.skeleton.fixed(column, row))
    }

    fn first(&self, column: AdviceColumn, row: usize) -> Fr {
        to_field(self.assignment.get(column, row))
    }

    /// M-ID-INNER and its like: `acc = acc₋·step + read`.
    fn accumulate(
        &mut self,
        column: AdviceColumn,
        step: impl Fn(&Self, usize) -> Fr,
        read: impl Fn(&Self, usize) -> Fr,
    ) {
        let mut cells = Vec::new();
        for row in 0..self.rows(column) {
            let previous = cells.last().copied().unwrap_or(Fr::ZERO);
            cells.push(previous * step(self, row) + read(self, row));
        }
        self.columns.insert(column, cells);
    }

    fn readers(&mut self) {
        use FixedColumn as F;
        let params = self.assignment.skeleton.params;
        let Challenges { chi, rho, .. } = self.challenges;
        let power = |base: Fr, exponent: u32| base.pow([exponent.into()]);
        let (chi_units, rho_units) = (power(chi, params.units), power(rho, params.units));
        self.accumulate(
            AdviceColumn::IdentityInner,
            |t, row| {
                t.q(F::IdentityStepChi, row) * chi_units
                    + t.q(F::IdentityStepRho, row) * rho_units
                    + t.q(F::IdentityKeep, row)
            },
            |t, row| {
                let base = if t.q(F::IdentityLanesRho, row) == Fr::ZERO { chi } else { rho };
                (0..params.units).map(|lane| power(base, params.units - 1 - lane) * t.linear_form(lane, row)).sum()
            },
        );
        self.accumulate(
            AdviceColumn::WeightInner,
            |t, row| t.q(F::WeightStep, row) * power(rho, params.weights),
            |t, row| (0..params.weights).map(|w| power(rho, params.weights - 1 - w) * t.q(F::Weight(w), row)).sum(),
        );
        if !params.reads_planes() {
            return;
        }
        self.accumulate(
            AdviceColumn::IdentityOuter,
            |t, row| t.q(F::IdentityOuterKeep, row) + t.q(F::IdentityOuterStep, row) * rho,
            |t, row| t.q(F::IdentityAbsorb, row) * t.columns[&AdviceColumn::IdentityInner][row],
        );
        self.accumulate(
            AdviceColumn::WeightOuter,
            |t, row| t.q(F::WeightOuterKeep, row) + t.q(F::WeightOuterStep, row) * chi,
            |t, row| t.q(F::WeightAbsorb, row) * t.columns[&AdviceColumn::WeightInner][row],
        );
        self.accumulate(
            AdviceColumn::Plane,
            |t, row| {
                let units = if t.q(F::PlaneRho, row) == Fr::ZERO { chi_units } else { rho_units };
                t.q(F::PlaneStep, row) * units + t.q(F::PlaneKeep, row)
            },
            |t, row| {
                let base = if t.q(F::PlaneRho, row) == Fr::ZERO { chi } else { rho };
                let lanes = (0..params.units)
                    .map(|lane| power(base, params.units - 1 - lane) * t.first(AdviceColumn::Value(lane), row));
                t.q(F::PlaneRead, row) * lanes.sum::<Fr>()
            },
        );
    }

    fn linear_form(&self, lane: u32, row: usize) -> Fr {
        use AdviceColumn::{High, Low, Pre, Value};
        use FixedColumn as F;
        let overflow = self.first(Low(lane), row + 1) - self.first(High(lane), row + 1);
        self.q(F::ValueCoefficient, row) * self.first(Value(lane), row)
            + self.q(F::PreCoefficient, row) * self.first(Pre(lane), row)
            + self.q(F::LowCoefficient, row) * self.first(Low(lane), row)
            + self.q(F::HighCoefficient, row) * self.first(High(lane), row)
            + self.q(F::Constant, row)
            + self.q(F::NextValueCoefficient, row) * self.first(Value(lane), row + 1)
            + self.q(F::NextPreCoefficient, row) * self.first(Pre(lane), row + 1)
            + self.q(F::Saturate, row) * self.q(F::PreCoefficient, row) * overflow
    }

    fn scalars(&mut self) {
        use FixedColumn as F;
        let Challenges { chi, rho, .. } = self.challenges;
        for column in [AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC] {
            self.columns.insert(column, vec![Fr::ZERO; self.rows(column)]);
        }
        let mut previous = Fr::ZERO;
        for row in 0..self.rows(AdviceColumn::ScalarC) {
            let [a, b] = [AdviceColumn::ScalarA, AdviceColumn::ScalarB].map(|column| {
                let destination = Cell::Advice(column, row as u32);
                let copy = self.assignment.skeleton.copies.iter().find(|(_, to)| *to == destination);
                let value = match copy.expect("every operand is a copy").0 {
                    Cell::Advice(column, row) => match self.columns.get(&column) {
                        Some(cells) => cells[row as usize],
                        None => self.first(column, row as usize),
                    },
                    Cell::Instance(_) => unreachable!("nothing is copied from the instance column"),
                };
                self.columns.get_mut(&column).expect("it is there")[row] = value;
                value
            });
            let c = previous
                * (self.q(F::ScalarPrevious, row) + self.q(F::ScalarRho, row) * rho + self.q(F::ScalarChi, row) * chi)
                + self.q(F::ScalarProduct, row) * a * b
                + self.q(F::ScalarOperand, row) * a
                + self.q(F::ScalarConstant, row);
            self.columns.get_mut(&AdviceColumn::ScalarC).expect("it is there")[row] = c;
            previous = c;
        }
    }

    fn lookups(&mut self) {
        use FixedColumn as F;
        let params = self.assignment.skeleton.params;
        let Challenges { alpha, beta, .. } = self.challenges;
        let fraction = |entry: Fr| (alpha + entry).invert().expect("a random pole is none of the entries");
        let mut sums = vec![Fr::ZERO; self.rows(AdviceColumn::LookupSum)];
        // Tables beside the units, or behind them.
        let first_table_row = sums.len() - self.rows(AdviceColumn::Multiplicity(0));
        for lane in 0..params.units {
            let helper = |row| {
                let limb = |cell, tag| fraction(self.first(cell, row) + beta * beta * self.q(tag, row));
                let value = self.first(AdviceColumn::Pre(lane), row)
                    + beta * self.first(AdviceColumn::Value(lane), row)
                    + beta * beta * self.q(F::ValueTag(lane), row);
                let limbs = limb(AdviceColumn::Low(lane), F::LowTag) + limb(AdviceColumn::High(lane), F::HighTag);
                self.q(F::ValueSwitch(lane), row) * fraction(value) + self.q(F::LimbSwitch(lane), row) * limbs
            };
            let helper: Vec<Fr> = (0..self.rows(AdviceColumn::Value(lane))).map(helper).collect();
            sums.iter_mut().zip(&helper).for_each(|(sum, helper)| *sum += helper);
            self.columns.insert(AdviceColumn::LookupHelper(lane), helper);
        }
        for table in 0..params.tables {
            let helper = |row| {
                let entry = self.q(F::TableKey(table), row)
                    + beta * self.q(F::TableImage(table), row)
                    + beta * beta * self.q(F::TableTag(table), row);
                fraction(entry) * self.first(AdviceColumn::Multiplicity(table), row)
            };
            let helper: Vec<Fr> = (0..self.rows(AdviceColumn::Multiplicity(table))).map(helper).collect();
            sums[first_table_row..].iter_mut().zip(&helper).for_each(|(sum, helper)| *sum -= helper);
            self.columns.insert(AdviceColumn::TableHelper(table), helper);
        }
        self.accumulate(AdviceColumn::LookupSum, |_, _| Fr::ONE, |_, row| sums[row]);
    }
}

fn challenges(seed: u64) -> Challenges {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let [chi, rho, alpha, beta] = [(); 4].map(|()| Fr::random(&mut rng));
    Challenges { chi, rho, alpha, beta }
}

fn assignment(mut builder: ProgramBuilder, options: &LayoutOptions) -> Assignment {
    let inputs = builder.inputs();
    let layout = compile(&builder.program, options).expect("the program has a layout");
    let trace = run(&builder.program, &inputs).expect("the inputs are admissible");
    layout.assign(&builder.program, &trace, &[])
}

#[test]
fn is_what_the_gates_say() {
    let attention = |seed| support::attention(seed, [3, 4, 2]);
    let programs = [support::mlp, support::cnn, support::zoo, support::wide, attention];
    for (seed, program) in (0..).zip(programs) {
        let folds = [Fold::Parallel, Fold::Parallel, Fold::Parallel, Fold::Rows(1), Fold::Rows(8)];
        for ((units, weights), fold) in [(1, 1), (3, 2), (5, 7), (1, 2), (2, 5)].into_iter().zip(folds) {
            let (units, weights, fold) = (Some(units), Some(weights), Some(fold));
            let options = LayoutOptions { units, weights, fold, ..LayoutOptions::default() };
            let assignment = assignment(program(seed), &options);
            let challenges = challenges(seed);
            let found = assignment.derive(&challenges);
            assert_eq!(one_by_one(&assignment, &challenges), found);
            let expected = Twin::derive(&assignment, challenges);
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (column, cells) in &expected {
                let differs = (0..cells.len()).find(|&row| found[column][row] != cells[row]);
                assert_eq!(differs, None, "{column:?} of program {seed}, {options:?}");
            }
        }
    }
}

/// Hands out the columns of a recipe, few of them at a time.
fn each<E>(
    assignment: &Assignment,
    challenges: &Challenges,
    take: &mut dyn FnMut(AdviceColumn, Vec<Fr>) -> Result<(), E>,
) -> Result<(), E> {
    let SecondPhaseRecipe { recipe, names } = assignment.skeleton.second_phase();
    let columns = Placement::new(&assignment.skeleton.params).first_phase_columns(assignment);
    let sources = |source| match source {
        Source::Advice(index) => &*columns[index],
        _ => unreachable!("fixed cells are in the recipe"),
    };
    let challenges = &challenges.in_order();
    let derivation = Derivation { recipe: &recipe, challenges, sources: &sources, kernels: &PlainKernels, at_once: 2 };
    derivation.run(&mut |number, column| take(names[number], column))
}

/// The columns as they are handed out one by one, none of them twice.
fn one_by_one(assignment: &Assignment, challenges: &Challenges) -> SecondPhase {
    let mut columns = SecondPhase::new();
    let taken = each(assignment, challenges, &mut |name, column| {
        let again = columns.insert(name, column).map(|_| name);
        again.map_or(Ok(()), Err)
    });
    assert_eq!(taken, Ok(()));
    columns
}

#[test]
fn ends_when_a_column_is_not_taken() {
    let assignment = assignment(support::mlp(1), &LayoutOptions::default());
    let mut taken = 0;
    let refused = each(&assignment, &challenges(1), &mut |_, _| {
        taken += 1;
        if taken < 3 {
            Ok(())
        } else {
            Err("no")
        }
    });
    assert_eq!((refused, taken), (Err("no"), 3));
}

/// Where rows of derived columns lie in the circuit is where the machine reads them, and no two lie in one place.
#[test]
fn lie_where_the_machine_reads_them() {
    for fold in [Fold::Parallel, Fold::Rows(3)] {
        let options = LayoutOptions { units: Some(3), fold: Some(fold), ..LayoutOptions::default() };
        let skeleton = assignment(support::cnn(1), &options).skeleton;
        let placement = Placement::new(&skeleton.params);
        let SecondPhaseRecipe { recipe, names } = skeleton.second_phase();
        let mut taken = HashSet::new();
        for (output, name) in recipe.outputs().zip(&names) {
            assert_eq!(output.rows, skeleton.rows_of(*name));
            for row in 0..output.rows {
                let (column, place) = output.cell(row).expect("every row has a place");
                let Target { advice, rows } = recipe.columns[column];
                assert_eq!((advice, place), placement.advice_cell(&skeleton.regions, *name, row), "{name:?} {row}");
                assert!(place < rows && taken.insert((column, place)));
            }
            assert_eq!(output.cell(output.rows), None);
        }
    }
}

/// Arithmetic that says what it was asked for.
#[derive(Default)]
struct Counting {
    combined: Mutex<usize>,
    inverted: Mutex<usize>,
}

impl FieldKernels for Counting {
    fn batch_invert(&self, elements: &mut [Fr]) {
        *self.inverted.lock().expect("no thread panics") += elements.len();
        PlainKernels.batch_invert(elements);
    }

    fn combine(&self, columns: &[&Integers], factors: &[Fr], first: usize, sums: &mut [Fr]) {
        *self.combined.lock().expect("no thread panics") += columns.len();
        PlainKernels.combine(columns, factors, first, sums);
    }
}

#[test]
fn takes_the_arithmetic_that_it_is_given() {
    let assignment = assignment(support::cnn(1), &LayoutOptions::default());
    let (counting, challenges) = (Counting::default(), challenges(1));
    assert_eq!(assignment.derive_with(&challenges, &counting), assignment.derive(&challenges));
    let params = assignment.skeleton.params;
    // Blocks of rows that look nothing up take none.
    let most = params.usable_rows() * (3 * params.units + params.tables) as usize;
    let inverted = *counting.inverted.lock().expect("no thread panicked");
    assert!((1..=most).contains(&inverted), "{inverted} inversions");
    assert!(*counting.combined.lock().expect("no thread panicked") >= params.weights as usize);
}

/// Every lookup counted where the first equal entry stands, table by table.
fn plain_counts(assignment: &Assignment) -> Vec<Vec<i64>> {
    let skeleton = &assignment.skeleton;
    let rows = skeleton.regions.rows(Region::Tables);
    let mut slots = HashMap::new();
    for table in 0..skeleton.params.tables {
        for row in 0..rows {
            let entry = [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)]
                .map(|column| skeleton.fixed(column, row));
            slots.entry(entry).or_insert((table as usize, row));
        }
    }
    let mut counts = vec![vec![0; rows]; skeleton.params.tables as usize];
    let mut count = |entry: [i64; 3]| {
        if let Some(&(table, row)) = slots.get(&entry) {
            counts[table][row] += 1;
        }
    };
    for lane in 0..skeleton.params.units {
        for row in 0..skeleton.regions.rows(Region::Units) {
            let [pre, value, low, high] =
                [AdviceColumn::Pre, AdviceColumn::Value, AdviceColumn::Low, AdviceColumn::High]
                    .map(|column| assignment.get(column(lane), row));
            if skeleton.fixed(FixedColumn::ValueSwitch(lane), row) != 0 {
                count([pre, value, skeleton.fixed(FixedColumn::ValueTag(lane), row)]);
            }
            if skeleton.fixed(FixedColumn::LimbSwitch(lane), row) != 0 {
                count([low, 0, skeleton.fixed(FixedColumn::LowTag, row)]);
                count([high, 0, skeleton.fixed(FixedColumn::HighTag, row)]);
            }
        }
    }
    counts
}

#[test]
fn multiplicities_count_lookups() {
    for (seed, program) in (0..).zip([support::mlp, support::cnn, support::zoo, support::wide]) {
        let fold = if seed % 2 == 0 { Fold::Parallel } else { Fold::Rows(6) };
        let options = LayoutOptions { units: Some(3), fold: Some(fold), ..LayoutOptions::default() };
        let mut assignment = assignment(program(seed), &options);
        // Cells that no table holds are not counted, whether their keys are beyond a table or inside.
        for (row, value) in [(0, i64::MAX), (1, i64::MIN), (2, 1), (3, -1)] {
            assignment.set(AdviceColumn::Value(0), row, value);
            assignment.set(AdviceColumn::Pre(1), row, value);
            assignment.set(AdviceColumn::Low(2), row, value);
        }
        assignment.count_lookups();
        for (table, counts) in (0..).zip(plain_counts(&assignment)) {
            assert_eq!(assignment.first_phase[&AdviceColumn::Multiplicity(table)], counts.into());
        }
    }
}
