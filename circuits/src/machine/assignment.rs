//! What a machine holds: a program's fixed cells and copies ([`Skeleton`]), and one witness for it ([`Assignment`]).
//!
//! The second phase is computed here, by running the machine: every second-phase cell is a function of the first phase,
//! the fixed cells and the challenges, so nothing in it is particular to a program.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ff::{BatchInvert, Field};
use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::{AdviceColumn, FixedColumn};
use super::integers::Integers;
use super::MachineParams;

/// A cell of the permutation argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// A cell of an advice column.
    Advice(AdviceColumn, u32),
    /// A cell of the instance column.
    Instance(u32),
}

/// The part of a machine that does not depend on a witness: what the keys are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// The member of the family.
    pub params: MachineParams,
    /// The fixed columns that the member has, each with [`MachineParams::usable_rows`] small integers.
    pub fixed: BTreeMap<FixedColumn, Integers>,
    /// Copy constraints, `(source, destination)`; sources of scalar operands come before them.
    pub copies: Vec<(Cell, Cell)>,
}

/// The challenges of the gates, squeezed after the first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// Position within a plane.
    pub chi: Fr,
    /// Channel.
    pub rho: Fr,
    /// Pole of the lookups.
    pub alpha: Fr,
    /// Compression of the lookups.
    pub beta: Fr,
}

/// First-phase cells for a skeleton: the witness proper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The skeleton.
    pub skeleton: Arc<Skeleton>,
    /// The first-phase columns, each with [`MachineParams::usable_rows`] small integers.
    pub first_phase: BTreeMap<AdviceColumn, Integers>,
}

/// The columns of the second phase, each with [`MachineParams::usable_rows`] field elements.
pub type SecondPhase = BTreeMap<AdviceColumn, Vec<Fr>>;

/// A small signed integer as a field element.
pub fn to_field(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl Skeleton {
    /// An empty machine: all fixed columns zero but `active`.
    pub fn new(params: MachineParams) -> Self {
        let rows = params.usable_rows();
        let mut fixed: BTreeMap<_, _> =
            FixedColumn::all(&params).into_iter().map(|column| (column, Integers::zeros(rows))).collect();
        fixed.insert(FixedColumn::Active, Integers::repeat(1, rows));
        Self { params, fixed, copies: Vec::new() }
    }

    /// A fixed cell; 0 where the member lacks the column.
    pub fn fixed(&self, column: FixedColumn, row: usize) -> i64 {
        self.fixed.get(&column).map_or(0, |cells| cells.get(row))
    }
}

impl Assignment {
    /// An assignment of zeros.
    pub fn zero(skeleton: Arc<Skeleton>) -> Self {
        let rows = skeleton.params.usable_rows();
        let columns = AdviceColumn::first_phase(&skeleton.params);
        Self { first_phase: columns.into_iter().map(|column| (column, Integers::zeros(rows))).collect(), skeleton }
    }

    /// A first-phase cell; the rows from the blinded ones on read as 0.
    pub fn get(&self, column: AdviceColumn, row: usize) -> i64 {
        let cells = &self.first_phase[&column];
        if row < cells.len() {
            cells.get(row)
        } else {
            0
        }
    }

    /// Writes a first-phase cell.
    pub fn set(&mut self, column: AdviceColumn, row: usize, value: i64) {
        self.first_phase.get_mut(&column).expect("the column is of the first phase").set(row, value);
    }

    /// Counts every lookup into the multiplicity of the first table entry that it equals. A lookup that no entry equals is
    /// not counted: no multiplicities could make it true.
    pub fn count_lookups(&mut self) {
        let skeleton = Arc::clone(&self.skeleton);
        let rows = skeleton.params.usable_rows();
        let mut slots = HashMap::new();
        for table in 0..skeleton.params.tables {
            let [keys, images, tags] = table_columns(table).map(|column| &skeleton.fixed[&column]);
            for row in 0..rows {
                slots.entry((keys.get(row), images.get(row), tags.get(row))).or_insert((table, row));
            }
        }
        let mut counts = vec![vec![0i64; rows]; skeleton.params.tables as usize];
        self.for_each_lookup(|lookup| {
            if let Some(&(table, row)) = slots.get(&lookup) {
                counts[table as usize][row] += 1;
            }
        });
        for (table, counts) in (0..).zip(counts) {
            self.first_phase.insert(AdviceColumn::Multiplicity(table), counts.into());
        }
    }

    /// Calls `visit` with `(key, image, tag)` of every lookup that is switched on.
    pub fn for_each_lookup(&self, mut visit: impl FnMut((i64, i64, i64))) {
        let skeleton = &self.skeleton;
        for lane in 0..skeleton.params.units {
            for row in 0..skeleton.params.usable_rows() {
                if skeleton.fixed(FixedColumn::ValueSwitch(lane), row) != 0 {
                    let tag = skeleton.fixed(FixedColumn::ValueTag(lane), row);
                    visit((self.get(AdviceColumn::Pre(lane), row), self.get(AdviceColumn::Value(lane), row), tag));
                }
                if skeleton.fixed(FixedColumn::LimbSwitch(lane), row) != 0 {
                    visit((self.get(AdviceColumn::Low(lane), row), 0, skeleton.fixed(FixedColumn::LowTag, row)));
                    visit((self.get(AdviceColumn::High(lane), row), 0, skeleton.fixed(FixedColumn::HighTag, row)));
                }
            }
        }
    }

    /// The second phase that belongs to this first phase.
    pub fn derive(&self, challenges: &Challenges) -> SecondPhase {
        let mut columns = SecondPhase::new();
        Readers { assignment: self, challenges }.run(&mut columns);
        self.run_scalars(challenges, &mut columns);
        self.run_lookups(challenges, &mut columns);
        columns
    }

    /// The words of the instance column: what is copied to it.
    pub fn instance(&self, second: &SecondPhase) -> Vec<Fr> {
        let mut words = Vec::new();
        for (source, destination) in &self.skeleton.copies {
            if let Cell::Instance(row) = destination {
                let row = *row as usize;
                if words.len() <= row {
                    words.resize(row + 1, Fr::ZERO);
                }
                words[row] = self.cell(*source, second);
            }
        }
        words
    }

    fn cell(&self, cell: Cell, second: &SecondPhase) -> Fr {
        match cell {
            Cell::Advice(column, row) => match self.first_phase.get(&column) {
                Some(cells) => to_field(cells.get(row as usize)),
                None => second[&column][row as usize],
            },
            Cell::Instance(_) => unreachable!("no cell is copied from the instance column"),
        }
    }

    fn run_scalars(&self, challenges: &Challenges, columns: &mut SecondPhase) {
        let rows = self.skeleton.params.usable_rows();
        let mut sources: Vec<[Option<Cell>; 2]> = vec![[None; 2]; rows];
        for &(source, destination) in &self.skeleton.copies {
            match destination {
                Cell::Advice(AdviceColumn::ScalarA, row) => sources[row as usize][0] = Some(source),
                Cell::Advice(AdviceColumn::ScalarB, row) => sources[row as usize][1] = Some(source),
                _ => {}
            }
        }
        for column in [AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC] {
            columns.insert(column, vec![Fr::ZERO; rows]);
        }
        let mut previous = Fr::ZERO;
        for (row, sources) in sources.into_iter().enumerate() {
            let [a, b] = sources.map(|source| source.map_or(Fr::ZERO, |source| self.cell(source, columns)));
            let c = self.scalar_result(row, a, b, previous, challenges);
            previous = c;
            for (column, value) in [(AdviceColumn::ScalarA, a), (AdviceColumn::ScalarB, b), (AdviceColumn::ScalarC, c)]
            {
                columns.get_mut(&column).expect("just inserted")[row] = value;
            }
        }
    }

    fn scalar_result(&self, row: usize, a: Fr, b: Fr, previous: Fr, challenges: &Challenges) -> Fr {
        let q = |column| self.skeleton.fixed(column, row);
        let mut c = to_field(q(FixedColumn::ScalarConstant)) + to_field(q(FixedColumn::ScalarOperand)) * a;
        if q(FixedColumn::ScalarProduct) != 0 {
            c += to_field(q(FixedColumn::ScalarProduct)) * a * b;
        }
        let step = to_field(q(FixedColumn::ScalarPrevious))
            + to_field(q(FixedColumn::ScalarRho)) * challenges.rho
            + to_field(q(FixedColumn::ScalarChi)) * challenges.chi;
        c + step * previous
    }

    fn run_lookups(&self, challenges: &Challenges, columns: &mut SecondPhase) {
        let rows = self.skeleton.params.usable_rows();
        let mut sum = vec![Fr::ZERO; rows];
        for lane in 0..self.skeleton.params.units {
            let helper = self.lookup_helper(lane, challenges);
            sum.iter_mut().zip(&helper).for_each(|(sum, helper)| *sum += helper);
            columns.insert(AdviceColumn::LookupHelper(lane), helper);
        }
        for table in 0..self.skeleton.params.tables {
            let helper = self.table_helper(table, challenges);
            sum.iter_mut().zip(&helper).for_each(|(sum, helper)| *sum -= helper);
            columns.insert(AdviceColumn::TableHelper(table), helper);
        }
        let mut running = Fr::ZERO;
        for sum in &mut sum {
            running += *sum;
            *sum = running;
        }
        columns.insert(AdviceColumn::LookupSum, sum);
    }

    fn lookup_helper(&self, lane: u32, challenges: &Challenges) -> Vec<Fr> {
        let rows = self.skeleton.params.usable_rows();
        let Challenges { alpha, beta, .. } = *challenges;
        let beta_squared = beta * beta;
        let mut factors = Vec::with_capacity(3 * rows);
        for row in 0..rows {
            let tag = |column| beta_squared * to_field(self.skeleton.fixed(column, row));
            let [pre, value] =
                [AdviceColumn::Pre(lane), AdviceColumn::Value(lane)].map(|column| to_field(self.get(column, row)));
            factors.push(alpha + pre + beta * value + tag(FixedColumn::ValueTag(lane)));
            factors.push(alpha + to_field(self.get(AdviceColumn::Low(lane), row)) + tag(FixedColumn::LowTag));
            factors.push(alpha + to_field(self.get(AdviceColumn::High(lane), row)) + tag(FixedColumn::HighTag));
        }
        factors.iter_mut().batch_invert();
        (0..rows)
            .map(|row| {
                let on = |column| to_field(self.skeleton.fixed(column, row));
                on(FixedColumn::ValueSwitch(lane)) * factors[3 * row]
                    + on(FixedColumn::LimbSwitch(lane)) * (factors[3 * row + 1] + factors[3 * row + 2])
            })
            .collect()
    }

    fn table_helper(&self, table: u32, challenges: &Challenges) -> Vec<Fr> {
        let Challenges { alpha, beta, .. } = *challenges;
        let [keys, images, tags] = table_columns(table).map(|column| &self.skeleton.fixed[&column]);
        let entry = |row: usize| {
            alpha + to_field(keys.get(row)) + beta * (to_field(images.get(row)) + beta * to_field(tags.get(row)))
        };
        let mut fractions: Vec<_> = (0..keys.len()).map(entry).collect();
        fractions.iter_mut().batch_invert();
        let multiplicities = &self.first_phase[&AdviceColumn::Multiplicity(table)];
        fractions.iter().zip(multiplicities.iter()).map(|(fraction, count)| *fraction * to_field(count)).collect()
    }
}

fn table_columns(table: u32) -> [FixedColumn; 3] {
    [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)]
}

/// The accumulators that run down the rows.
struct Readers<'a> {
    assignment: &'a Assignment,
    challenges: &'a Challenges,
}

impl Readers<'_> {
    fn run(&self, columns: &mut SecondPhase) {
        let params = self.assignment.skeleton.params;
        let Challenges { chi, rho, .. } = *self.challenges;
        let chi_units = chi.pow([u64::from(params.units)]);
        let rho_units = rho.pow([u64::from(params.units)]);
        let rho_weights = rho.pow([u64::from(params.weights)]);
        let inner = self.accumulate(
            &[
                (FixedColumn::IdentityStepChi, chi_units),
                (FixedColumn::IdentityStepRho, rho_units),
                (FixedColumn::IdentityKeep, Fr::ONE),
            ],
            |row| self.linear_forms(row),
        );
        let weights = self.accumulate(&[(FixedColumn::WeightStep, rho_weights)], |row| self.bracket(row));
        if params.reads_planes() {
            let outer = self.accumulate(
                &[(FixedColumn::IdentityOuterKeep, Fr::ONE), (FixedColumn::IdentityOuterStep, rho)],
                |row| to_field(self.fixed(FixedColumn::IdentityAbsorb, row)) * inner[row],
            );
            columns.insert(AdviceColumn::IdentityOuter, outer);
            let plane = self
                .accumulate(&[(FixedColumn::PlaneStep, chi_units), (FixedColumn::PlaneKeep, Fr::ONE)], |row| {
                    self.plane_values(row)
                });
            columns.insert(AdviceColumn::Plane, plane);
            let outer = self
                .accumulate(&[(FixedColumn::WeightOuterKeep, Fr::ONE), (FixedColumn::WeightOuterStep, chi)], |row| {
                    to_field(self.fixed(FixedColumn::WeightAbsorb, row)) * weights[row]
                });
            columns.insert(AdviceColumn::WeightOuter, outer);
        }
        columns.insert(AdviceColumn::IdentityInner, inner);
        columns.insert(AdviceColumn::WeightInner, weights);
    }

    fn fixed(&self, column: FixedColumn, row: usize) -> i64 {
        self.assignment.skeleton.fixed(column, row)
    }

    /// `acc_i = acc_(i−1) · Σ switch_i·step + read(i)`, from 0 before row 0.
    fn accumulate(&self, steps: &[(FixedColumn, Fr)], read: impl Fn(usize) -> Fr) -> Vec<Fr> {
        let mut accumulator = Fr::ZERO;
        (0..self.assignment.skeleton.params.usable_rows())
            .map(|row| {
                let step: Fr = steps.iter().map(|&(switch, step)| to_field(self.fixed(switch, row)) * step).sum();
                accumulator = accumulator * step + read(row);
                accumulator
            })
            .collect()
    }

    fn horner(base: Fr, terms: impl Iterator<Item = i64>) -> Fr {
        terms.fold(Fr::ZERO, |sum, term| if term == 0 { sum * base } else { sum * base + to_field(term) })
    }

    fn linear_forms(&self, row: usize) -> Fr {
        let assignment = self.assignment;
        let here = [
            (FixedColumn::ValueCoefficient, 0),
            (FixedColumn::PreCoefficient, 1),
            (FixedColumn::LowCoefficient, 2),
            (FixedColumn::HighCoefficient, 3),
            (FixedColumn::NextValueCoefficient, 4),
            (FixedColumn::NextPreCoefficient, 5),
        ]
        .map(|(column, cell)| (to_field(self.fixed(column, row)), cell));
        let saturate = to_field(self.fixed(FixedColumn::Saturate, row)) * here[1].0;
        let constant = to_field(self.fixed(FixedColumn::Constant, row));
        if here.iter().all(|(coefficient, _)| coefficient.is_zero_vartime()) && constant.is_zero_vartime() {
            return Fr::ZERO;
        }
        let base = match self.fixed(FixedColumn::IdentityLanesRho, row) {
            0 => self.challenges.chi,
            _ => self.challenges.rho,
        };
        (0..assignment.skeleton.params.units).fold(Fr::ZERO, |sum, lane| {
            let cells = [
                assignment.get(AdviceColumn::Value(lane), row),
                assignment.get(AdviceColumn::Pre(lane), row),
                assignment.get(AdviceColumn::Low(lane), row),
                assignment.get(AdviceColumn::High(lane), row),
                assignment.get(AdviceColumn::Value(lane), row + 1),
                assignment.get(AdviceColumn::Pre(lane), row + 1),
            ];
            let linear: Fr = here.iter().map(|&(coefficient, cell)| coefficient * to_field(cells[cell])).sum();
            let overflow = to_field(assignment.get(AdviceColumn::Low(lane), row + 1))
                - to_field(assignment.get(AdviceColumn::High(lane), row + 1));
            sum * base + linear + constant + saturate * overflow
        })
    }

    fn plane_values(&self, row: usize) -> Fr {
        if self.fixed(FixedColumn::PlaneRead, row) == 0 {
            return Fr::ZERO;
        }
        let lanes = 0..self.assignment.skeleton.params.units;
        let values = lanes.map(|lane| self.assignment.get(AdviceColumn::Value(lane), row));
        Self::horner(self.challenges.chi, values)
    }

    fn bracket(&self, row: usize) -> Fr {
        let lanes = 0..self.assignment.skeleton.params.weights;
        Self::horner(self.challenges.rho, lanes.map(|lane| self.fixed(FixedColumn::Weight(lane), row)))
    }
}
