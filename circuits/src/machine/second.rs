//! The second phase: the machine run on a first phase, once the challenges are known.
//!
//! Every second-phase cell is a function of the first phase, the fixed cells and the challenges, so nothing here is
//! particular to a program. All columns are computed in parallel:
//!
//! * What a row *reads* (brackets of weights, linear forms, planes) is a sum of columns of small integers times powers of a
//!   challenge: [`FieldKernels::combine`].
//! * An *accumulator* `acc_i = acc_(i−1)·step_i + read_i` is a scan: each part of the rows from zero, then the few rows that
//!   the part before leads into.
//! * A *helper* is a quotient: [`FieldKernels::batch_invert`].
//!
//! Columns are elements of full width, most of them helpers. Who has no memory for all of them at once takes them one by one
//! ([`Derivation::each`]).

use std::convert::Infallible;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::assignment::{table_columns, to_field, Assignment, Cell, Challenges, SecondPhase};
use super::columns::{AdviceColumn, FixedColumn, Region};
use super::integers::Integers;
use super::kernels::FieldKernels;

/// Rows of a part that one thread works on.
const PART: usize = 1 << 10;

/// Helpers that are computed at the same time where memory is short: their rows are divided among threads as well.
const FEW: usize = 2;

/// A first phase, the challenges, and the arithmetic.
#[derive(Clone, Copy)]
pub(super) struct Derivation<'a> {
    pub(super) assignment: &'a Assignment,
    pub(super) challenges: &'a Challenges,
    pub(super) kernels: &'a dyn FieldKernels,
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

/// `count` powers of a challenge, from the highest down to 1.
fn falling_powers(base: Fr, count: u32) -> Vec<Fr> {
    let mut powers: Vec<Fr> =
        std::iter::successors(Some(Fr::ONE), |power| Some(*power * base)).take(count as usize).collect();
    powers.reverse();
    powers
}

/// The step of an accumulator in a row: `Σ switch·step` over its switches.
type Steps<'a> = Vec<(Option<&'a Integers>, Fr)>;

/// `acc_i = acc_(i−1)·step_i + read_i`, from 0 before row 0, in place of what is read.
fn accumulate(steps: &Steps<'_>, reads: &mut [Fr]) {
    let step = |row: usize| {
        let terms = steps.iter().filter_map(|&(switch, step)| Some(scaled(step, switch?.get(row))));
        terms.fold(Fr::ZERO, |sum, term| sum + term)
    };
    // Each part from zero, and what it makes of what the part before hands over.
    let factors: Vec<Fr> = reads
        .par_chunks_mut(PART)
        .enumerate()
        .map(|(part, reads)| {
            let (mut sum, mut factor) = (Fr::ZERO, Fr::ONE);
            for (row, read) in (part * PART..).zip(reads) {
                let step = step(row);
                if !bool::from(step.is_zero()) {
                    *read += sum * step;
                }
                if !bool::from(factor.is_zero()) {
                    factor *= step;
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
            carry *= step(row);
            *sum += carry;
        }
    });
}

/// Sums of the lanes of each first-phase column with falling powers of a base.
struct LaneSums {
    /// `Σ_l base^(U−1−l)`.
    ones: Fr,
    value: Vec<Fr>,
    pre: Vec<Fr>,
    low: Vec<Fr>,
    high: Vec<Fr>,
}

/// The coefficients of a row's linear forms.
struct Coefficients<'a> {
    value: Option<&'a Integers>,
    pre: Option<&'a Integers>,
    low: Option<&'a Integers>,
    high: Option<&'a Integers>,
    constant: Option<&'a Integers>,
    next_value: Option<&'a Integers>,
    next_pre: Option<&'a Integers>,
    saturate: Option<&'a Integers>,
    lanes_rho: Option<&'a Integers>,
}

fn at(column: Option<&Integers>, row: usize) -> i64 {
    column.map_or(0, |cells| cells.get(row))
}

impl LaneSums {
    /// `Σ_l base^(U−1−l)·L_l` in a row; the row behind the last one is zero.
    fn linear_form(&self, c: &Coefficients<'_>, row: usize) -> Fr {
        let term = |sums: &[Fr], column, row: usize| match sums.get(row) {
            Some(&sum) => scaled(sum, column),
            None => Fr::ZERO,
        };
        let pre = at(c.pre, row);
        let mut form = scaled(self.ones, at(c.constant, row))
            + term(&self.value, at(c.value, row), row)
            + term(&self.pre, pre, row)
            + term(&self.low, at(c.low, row), row)
            + term(&self.high, at(c.high, row), row)
            + term(&self.value, at(c.next_value, row), row + 1)
            + term(&self.pre, at(c.next_pre, row), row + 1);
        let saturate = at(c.saturate, row);
        if saturate != 0 {
            form += scaled(term(&self.low, pre, row + 1) - term(&self.high, pre, row + 1), saturate);
        }
        form
    }
}

impl<'a> Derivation<'a> {
    pub(super) fn run(&self) -> SecondPhase {
        let (mut columns, lookups) = rayon::join(
            || self.readers_and_scalars(),
            || {
                let mut columns = SecondPhase::new();
                let Ok(()) = self.lookups(usize::MAX, &mut |name, column| {
                    columns.insert(name, column);
                    Ok::<_, Infallible>(())
                });
                columns
            },
        );
        columns.extend(lookups);
        columns
    }

    /// Hands out column by column, and keeps few beside it.
    pub(super) fn each<E>(&self, take: &mut dyn FnMut(AdviceColumn, Vec<Fr>) -> Result<(), E>) -> Result<(), E> {
        self.readers_and_scalars().into_iter().try_for_each(|(name, column)| take(name, column))?;
        self.lookups(FEW, take)
    }

    fn readers_and_scalars(&self) -> SecondPhase {
        let mut columns = self.readers();
        self.scalars(&mut columns);
        columns
    }

    fn rows(&self, region: Region) -> usize {
        self.assignment.skeleton.regions.rows(region)
    }

    fn fixed(&self, column: FixedColumn) -> Option<&'a Integers> {
        self.assignment.skeleton.fixed.get(&column)
    }

    fn first(&self, column: AdviceColumn) -> &'a Integers {
        &self.assignment.first_phase[&column]
    }

    fn steps<const N: usize>(&self, steps: [(FixedColumn, Fr); N]) -> Steps<'a> {
        steps.into_iter().map(|(switch, step)| (self.fixed(switch), step)).collect()
    }

    // --- readers and weights -------------------------------------------------------------------------------------

    fn readers(&self) -> SecondPhase {
        let (identities, weights) = rayon::join(|| self.identity_reader(), || self.weights());
        identities.into_iter().chain(weights).collect()
    }

    /// The identity reader and, where there are planes, the plane reader: both read sums of lanes.
    fn identity_reader(&self) -> SecondPhase {
        let params = self.assignment.skeleton.params;
        let Challenges { chi, rho, .. } = *self.challenges;
        let (chi_units, rho_units) = (chi.pow([params.units.into()]), rho.pow([params.units.into()]));
        let mut columns = SecondPhase::new();
        let coefficients = self.coefficients();
        let mut inner = vec![Fr::ZERO; self.rows(Region::Units)];
        // Sums of one base at a time; planes take the lanes' values of both.
        let [mut by_chi, mut by_rho] = [None, None];
        for (rho, base, values) in [(false, chi, &mut by_chi), (true, rho, &mut by_rho)] {
            if !self.lanes_are_read_by(&coefficients, rho) {
                continue;
            }
            let sums = self.lane_sums(base);
            inner.par_iter_mut().enumerate().for_each(|(row, inner)| {
                if (at(coefficients.lanes_rho, row) != 0) == rho {
                    *inner = sums.linear_form(&coefficients, row);
                }
            });
            if params.reads_planes() {
                *values = Some(sums.value);
            }
        }
        let steps = self.steps([
            (FixedColumn::IdentityStepChi, chi_units),
            (FixedColumn::IdentityStepRho, rho_units),
            (FixedColumn::IdentityKeep, Fr::ONE),
        ]);
        accumulate(&steps, &mut inner);
        if params.reads_planes() {
            let mut outer = self.absorbed(FixedColumn::IdentityAbsorb, &inner);
            let steps = [(FixedColumn::IdentityOuterKeep, Fr::ONE), (FixedColumn::IdentityOuterStep, rho)];
            accumulate(&self.steps(steps), &mut outer);
            columns.insert(AdviceColumn::IdentityOuter, outer);
            let by_chi = by_chi.expect("planes are read by powers of the position");
            columns.insert(AdviceColumn::Plane, self.planes(by_chi, by_rho));
        }
        columns.insert(AdviceColumn::IdentityInner, inner);
        columns
    }

    /// The plane reader, from the sums of the lanes' values with powers of `χ` and, where there are such planes, of `ρ`.
    fn planes(&self, by_chi: Vec<Fr>, by_rho: Option<Vec<Fr>>) -> Vec<Fr> {
        let units = self.assignment.skeleton.params.units.into();
        let Challenges { chi, rho, .. } = *self.challenges;
        let [read, step, keep, with_rho] =
            [FixedColumn::PlaneRead, FixedColumn::PlaneStep, FixedColumn::PlaneKeep, FixedColumn::PlaneRho]
                .map(|column| self.fixed(column));
        let mut planes = by_chi;
        planes.par_iter_mut().enumerate().for_each(|(row, sum)| {
            if let (Some(by_rho), true) = (&by_rho, at(with_rho, row) != 0) {
                *sum = by_rho[row];
            }
            *sum = scaled(*sum, at(read, row));
        });
        let with_base = |rho: bool| -> Integers {
            let switched = |row| if (at(with_rho, row) != 0) == rho { at(step, row) } else { 0 };
            (0..planes.len()).map(switched).collect()
        };
        let [chi_steps, rho_steps] = [with_base(false), with_base(true)];
        let steps = vec![(Some(&chi_steps), chi.pow([units])), (Some(&rho_steps), rho.pow([units])), (keep, Fr::ONE)];
        accumulate(&steps, &mut planes);
        planes
    }

    fn coefficients(&self) -> Coefficients<'a> {
        Coefficients {
            value: self.fixed(FixedColumn::ValueCoefficient),
            pre: self.fixed(FixedColumn::PreCoefficient),
            low: self.fixed(FixedColumn::LowCoefficient),
            high: self.fixed(FixedColumn::HighCoefficient),
            constant: self.fixed(FixedColumn::Constant),
            next_value: self.fixed(FixedColumn::NextValueCoefficient),
            next_pre: self.fixed(FixedColumn::NextPreCoefficient),
            saturate: self.fixed(FixedColumn::Saturate),
            lanes_rho: self.fixed(FixedColumn::IdentityLanesRho),
        }
    }

    /// Whether some row reads its lanes with powers of `ρ` (or, else, of `χ`).
    fn lanes_are_read_by(&self, c: &Coefficients<'_>, rho: bool) -> bool {
        let params = self.assignment.skeleton.params;
        let planes = params.reads_planes() && (!rho || params.has(FixedColumn::PlaneRho));
        let forms = [c.value, c.pre, c.low, c.high, c.constant, c.next_value, c.next_pre];
        let reads = |row: usize| forms.iter().any(|&column| at(column, row) != 0);
        planes || (0..self.rows(Region::Units)).any(|row| (at(c.lanes_rho, row) != 0) == rho && reads(row))
    }

    fn lane_sums(&self, base: Fr) -> LaneSums {
        let units = self.assignment.skeleton.params.units;
        let powers = falling_powers(base, units);
        let sums = |column: fn(u32) -> AdviceColumn| {
            let lanes: Vec<_> = (0..units).map(|lane| self.first(column(lane))).collect();
            self.kernels.combine(&lanes, &powers)
        };
        LaneSums {
            ones: powers.iter().sum(),
            value: sums(AdviceColumn::Value),
            pre: sums(AdviceColumn::Pre),
            low: sums(AdviceColumn::Low),
            high: sums(AdviceColumn::High),
        }
    }

    /// An inner accumulator where the outer one takes it up.
    fn absorbed(&self, switch: FixedColumn, inner: &[Fr]) -> Vec<Fr> {
        let switch = self.fixed(switch);
        inner.par_iter().enumerate().map(|(row, &inner)| scaled(inner, at(switch, row))).collect()
    }

    fn weights(&self) -> SecondPhase {
        let params = self.assignment.skeleton.params;
        let Challenges { chi, rho, .. } = *self.challenges;
        let mut inner = self.brackets(rho);
        let steps = [(FixedColumn::WeightStep, rho.pow([params.weights.into()])), (FixedColumn::WeightSingleStep, rho)];
        accumulate(&self.steps(steps), &mut inner);
        let mut columns = SecondPhase::new();
        if params.reads_planes() {
            let mut outer = self.absorbed(FixedColumn::WeightAbsorb, &inner);
            let steps = [(FixedColumn::WeightOuterKeep, Fr::ONE), (FixedColumn::WeightOuterStep, chi)];
            accumulate(&self.steps(steps), &mut outer);
            columns.insert(AdviceColumn::WeightOuter, outer);
        }
        columns.insert(AdviceColumn::WeightInner, inner);
        columns
    }

    /// The bracket of each row's weights.
    fn brackets(&self, rho: Fr) -> Vec<Fr> {
        let params = self.assignment.skeleton.params;
        let powers = falling_powers(rho, params.weights);
        let lanes: Vec<_> = (0..params.weights).filter_map(|lane| self.fixed(FixedColumn::Weight(lane))).collect();
        if !params.weight_lanes.has_private() {
            return self.kernels.combine(&lanes, &powers);
        }
        let mut brackets = match lanes.is_empty() {
            true => vec![Fr::ZERO; self.rows(Region::Weights)],
            false => self.kernels.combine(&lanes, &powers),
        };
        let private: Vec<_> = (0..params.weights).map(|lane| self.first(AdviceColumn::Weight(lane))).collect();
        let sums = self.kernels.combine(&private, &powers);
        let last = private[private.len() - 1];
        let switches = [FixedColumn::WeightPrivate, FixedColumn::WeightSingle].map(|column| self.fixed(column));
        brackets.par_iter_mut().zip(sums).enumerate().for_each(|(row, (bracket, sum))| {
            *bracket += scaled(sum, at(switches[0], row));
            if at(switches[1], row) != 0 {
                *bracket += to_field(last.get(row) * at(switches[1], row));
            }
        });
        brackets
    }

    // --- the scalar unit -----------------------------------------------------------------------------------------

    /// What the operands of each row of the scalar unit are copied from.
    fn operands(&self) -> Vec<[Option<Cell>; 2]> {
        let mut operands = vec![[None; 2]; self.rows(Region::Scalars)];
        for &(source, destination) in &self.assignment.skeleton.copies {
            match destination {
                Cell::Advice(AdviceColumn::ScalarA, row) => operands[row as usize][0] = Some(source),
                Cell::Advice(AdviceColumn::ScalarB, row) => operands[row as usize][1] = Some(source),
                _ => {}
            }
        }
        operands
    }

    /// Row by row, since operands are results of earlier rows; most rows are a sum and do not wait for their product, which
    /// is computed beforehand wherever both operands are known by then.
    fn scalars(&self, columns: &mut SecondPhase) {
        let operands = self.operands();
        let known = |row: usize, cell: Option<Cell>| match cell {
            None => Some(Fr::ZERO),
            // Most unused operands are copies of row 0, which has none itself.
            Some(Cell::Advice(AdviceColumn::ScalarC, 0)) if row > 0 => Some(self.scalar_term(0, Fr::ZERO, Fr::ZERO)),
            Some(Cell::Advice(AdviceColumn::ScalarA | AdviceColumn::ScalarB | AdviceColumn::ScalarC, _)) => None,
            Some(cell) => Some(self.assignment.cell(cell, columns)),
        };
        // What is known stands where the results will: operands, and the products of those that both are known.
        let [mut left, mut right, mut results] = [(); 3].map(|()| vec![Fr::ZERO; operands.len()]);
        let slots = left.par_iter_mut().zip(&mut right).zip(&mut results);
        let early: Vec<_> = (operands.par_iter().zip(slots).enumerate())
            .map(|(row, (cells, ((left, right), result)))| {
                let [a, b] = cells.map(|cell| known(row, cell));
                (*left, *right) = (a.unwrap_or(Fr::ZERO), b.unwrap_or(Fr::ZERO));
                if let (Some(a), Some(b)) = (a, b) {
                    *result = self.scalar_term(row, a, b);
                }
                [a.is_some(), b.is_some()]
            })
            .collect();
        let steps = self.steps([
            (FixedColumn::ScalarPrevious, Fr::ONE),
            (FixedColumn::ScalarRho, self.challenges.rho),
            (FixedColumn::ScalarChi, self.challenges.chi),
        ]);
        let mut previous = Fr::ZERO;
        for (row, (&cells, [a_known, b_known])) in operands.iter().zip(early).enumerate() {
            let late = |cell: Option<Cell>| match cell {
                Some(Cell::Advice(AdviceColumn::ScalarA, row)) => left[row as usize],
                Some(Cell::Advice(AdviceColumn::ScalarB, row)) => right[row as usize],
                Some(Cell::Advice(AdviceColumn::ScalarC, row)) => results[row as usize],
                _ => unreachable!("all other operands are known"),
            };
            let a = if a_known { left[row] } else { late(cells[0]) };
            let b = if b_known { right[row] } else { late(cells[1]) };
            let mut result = if a_known && b_known { results[row] } else { self.scalar_term(row, a, b) };
            for &(switch, step) in &steps {
                match at(switch, row) {
                    0 => {}
                    1 if step == Fr::ONE => result += previous,
                    factor => result += scaled(previous * step, factor),
                }
            }
            if let Some(factor) = self.element(FixedColumn::ScalarPrevious, row) {
                result += previous * factor;
            }
            (left[row], right[row], results[row], previous) = (a, b, result, result);
        }
        columns.insert(AdviceColumn::ScalarA, left);
        columns.insert(AdviceColumn::ScalarB, right);
        columns.insert(AdviceColumn::ScalarC, results);
    }

    /// What a row of the scalar unit adds to the result of the row before.
    fn scalar_term(&self, row: usize, a: Fr, b: Fr) -> Fr {
        let q = |column| at(self.fixed(column), row);
        let mut term = scaled(Fr::ONE, q(FixedColumn::ScalarConstant)) + scaled(a, q(FixedColumn::ScalarOperand));
        let product = q(FixedColumn::ScalarProduct);
        if product != 0 {
            term += scaled(a * b, product);
        }
        if !self.assignment.skeleton.elements.is_empty() {
            let q = |column| self.element(column, row).unwrap_or(Fr::ZERO);
            term += q(FixedColumn::ScalarConstant)
                + a * (q(FixedColumn::ScalarOperand) + b * q(FixedColumn::ScalarProduct));
        }
        term
    }

    /// A fixed cell that is no small integer.
    fn element(&self, column: FixedColumn, row: usize) -> Option<Fr> {
        self.assignment.skeleton.elements.get(&column)?.get(&row).copied()
    }

    // --- lookups -------------------------------------------------------------------------------------------------

    /// Hands out helpers, of which so many are computed at the same time, and the sum of their fractions.
    fn lookups<E>(
        &self,
        at_once: usize,
        take: &mut dyn FnMut(AdviceColumn, Vec<Fr>) -> Result<(), E>,
    ) -> Result<(), E> {
        let params = self.assignment.skeleton.params;
        let mut sum = vec![Fr::ZERO; self.assignment.skeleton.rows_of(AdviceColumn::LookupSum)];
        for lanes in (0..params.units).collect::<Vec<_>>().chunks(at_once) {
            let helpers: Vec<_> = lanes.par_iter().map(|lane| self.lookup_helper(*lane)).collect();
            self.add_fractions(&mut sum, Region::Units, &helpers, |sum, fraction| *sum += fraction);
            let names = lanes.iter().copied().map(AdviceColumn::LookupHelper);
            names.zip(helpers).try_for_each(|(name, helper)| take(name, helper))?;
        }
        for tables in (0..params.tables).collect::<Vec<_>>().chunks(at_once) {
            let helpers: Vec<_> = tables.par_iter().map(|table| self.table_helper(*table)).collect();
            self.add_fractions(&mut sum, Region::Tables, &helpers, |sum, fraction| *sum -= fraction);
            let names = tables.iter().copied().map(AdviceColumn::TableHelper);
            names.zip(helpers).try_for_each(|(name, helper)| take(name, helper))?;
        }
        let ones = Integers::repeat(1, sum.len());
        accumulate(&vec![(Some(&ones), Fr::ONE)], &mut sum);
        take(AdviceColumn::LookupSum, sum)
    }

    /// Adds columns of fractions of a region to the rows of the sum that lie there.
    fn add_fractions(&self, sum: &mut [Fr], region: Region, columns: &[Vec<Fr>], add: fn(&mut Fr, Fr)) {
        let first = self.assignment.skeleton.regions.first_row(AdviceColumn::LookupSum.regions(), region);
        let rows = &mut sum[first..first + self.rows(region)];
        rows.par_iter_mut().enumerate().for_each(|(row, sum)| columns.iter().for_each(|column| add(sum, column[row])));
    }

    /// `1/(α + entry)` for entries of some columns with their factors.
    fn fractions(&self, columns: &[Option<&Integers>], factors: &[Fr]) -> Vec<Fr> {
        let present = columns.iter().zip(factors).filter_map(|(&column, &factor)| Some((column?, factor)));
        let (columns, factors): (Vec<_>, Vec<_>) = present.unzip();
        let mut fractions = self.kernels.combine(&columns, &factors);
        fractions.par_chunks_mut(PART).for_each(|fractions| {
            fractions.iter_mut().for_each(|fraction| *fraction += self.challenges.alpha);
            self.kernels.batch_invert(fractions);
        });
        fractions
    }

    fn lookup_helper(&self, lane: u32) -> Vec<Fr> {
        let beta = self.challenges.beta;
        let beta_squared = beta * beta;
        let pre_and_value = [AdviceColumn::Pre(lane), AdviceColumn::Value(lane)].map(|column| Some(self.first(column)));
        let columns = [pre_and_value[0], pre_and_value[1], self.fixed(FixedColumn::ValueTag(lane))];
        let value = self.fractions(&columns, &[Fr::ONE, beta, beta_squared]);
        let limb = |limb, tag| self.fractions(&[Some(self.first(limb)), self.fixed(tag)], &[Fr::ONE, beta_squared]);
        let low = limb(AdviceColumn::Low(lane), FixedColumn::LowTag);
        let high = limb(AdviceColumn::High(lane), FixedColumn::HighTag);
        let switches = [FixedColumn::ValueSwitch(lane), FixedColumn::LimbSwitch(lane)].map(|column| self.fixed(column));
        let mut helper = value;
        helper.par_iter_mut().enumerate().for_each(|(row, helper)| {
            *helper = scaled(*helper, at(switches[0], row)) + scaled(low[row] + high[row], at(switches[1], row));
        });
        helper
    }

    fn table_helper(&self, table: u32) -> Vec<Fr> {
        let beta = self.challenges.beta;
        let columns = table_columns(table).map(|column| self.fixed(column));
        let mut fractions = self.fractions(&columns, &[Fr::ONE, beta, beta * beta]);
        let multiplicities = self.first(AdviceColumn::Multiplicity(table));
        let counted = fractions.par_iter_mut().enumerate();
        counted.for_each(|(row, fraction)| *fraction = scaled(*fraction, multiplicities.get(row)));
        fractions
    }
}
