//! The constraint system of registered weights: every row of a column but the last ones holds a signed integer of 16 bits.
//!
//! Relation:  for each column and active row, `weight + 2^15 = Σ_i 2^(w·i)·(limb_i + 2^(w−1))` with `16/w` limbs, all of them in
//!            `[−2^(w−1), 2^(w−1))`, hence `−2^15 ≤ weight < 2^15`.
//! Lookups:   logUp (Haböck, *Multivariate lookups based on logarithmic derivatives*, 2022) in one table, which is an instance column.
//! Assumes:   the instance columns are those of [`RegistrationParams::instances`]. There is nothing else to trust: the system has no
//!            fixed columns and no copies.
//! Degree:    4.
//! Not shown: whose weights they are, and what they are used for.
//!
//! The columns and gates `R-…` are derived in `docs/arithmetization.md`, section 10; the argument is in `docs/soundness.md`, section 15.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Instance, SecondPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use thiserror::Error;

use crate::machine::{to_field, Integers, MachineParams};
use crate::recipe::{
    Coefficient, Derived, Form, Input, Operand, Output, Place, Recipe, Rows, Source, Switch, Target, Term,
};

/// Rows at the end of a column that carry blinding: as many as the proof library keeps for it.
pub const BLINDED_ROWS: usize = 6;

/// Bits of a weight, its sign among them.
pub const WEIGHT_BITS: u32 = 16;

/// Half the number of weights.
const HALF: i64 = 1 << (WEIGHT_BITS - 1);

/// Bits of a limb: the widest whose table fits the rows. Both make an even number of limbs.
const LIMB_BITS: [u32; 2] = [8, 4];

/// The sizes of a proof about registered columns. They give the constraint system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegistrationParams {
    /// The columns have `2^k` rows.
    pub k: u32,
    /// Columns of one proof.
    pub columns: u32,
}

/// Sizes that no proof about registered columns has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RegistrationParamsError {
    /// A number of rows that no machine has.
    #[error(
        "columns of 2^{k} rows can't be registered; k lies between {} and {}",
        MachineParams::K.start(),
        MachineParams::K.end()
    )]
    Rows {
        /// The `k`.
        k: u32,
    },
    /// No columns, or more than a proof is about.
    #[error("{found} columns can't be in one proof; there are 1 to {}", RegistrationParams::MAX_COLUMNS)]
    Columns {
        /// Columns of the proof.
        found: u32,
    },
}

/// Columns that can't be registered. No value is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WeightsError {
    /// Another number of columns than the sizes say.
    #[error("{found} columns are given, and {expected} are to be registered")]
    Columns {
        /// Columns of the sizes.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// A column with values in the last rows.
    #[error("column {column} has {found} rows, and {limit} can hold weights")]
    Rows {
        /// Which column.
        column: usize,
        /// Rows that hold weights.
        limit: usize,
        /// Rows of the column.
        found: usize,
    },
    /// A weight that is too large.
    #[error("the weight in row {row} of column {column} has more than {WEIGHT_BITS} bits")]
    Range {
        /// Which column.
        column: usize,
        /// Which row.
        row: usize,
    },
}

impl RegistrationParams {
    /// Most columns of one proof. It bounds the memory that a registration takes, whatever the size of a model.
    pub const MAX_COLUMNS: u32 = 16;

    /// Checks that such a system exists.
    ///
    /// # Errors
    /// The first size that is out of place.
    pub fn validate(&self) -> Result<(), RegistrationParamsError> {
        match *self {
            Self { k, .. } if !MachineParams::K.contains(&k) => Err(RegistrationParamsError::Rows { k }),
            Self { columns: found, .. } if !(1..=Self::MAX_COLUMNS).contains(&found) => {
                Err(RegistrationParamsError::Columns { found })
            }
            _ => Ok(()),
        }
    }

    /// The sizes of the proofs about `columns` columns, in order: as many as there can be in each, and what is left in the last.
    pub fn of_all(k: u32, columns: usize) -> impl Iterator<Item = Self> {
        let most = Self::MAX_COLUMNS as usize;
        let sizes = (0..columns).step_by(most).map(move |first| most.min(columns - first) as u32);
        sizes.map(move |columns| Self { k, columns })
    }

    /// Rows that hold weights: all but the last.
    pub fn active_rows(&self) -> usize {
        (1 << self.k) - BLINDED_ROWS
    }

    fn limb_bits(&self) -> u32 {
        let fitting = LIMB_BITS.into_iter().find(|bits| 1 << bits <= self.active_rows());
        fitting.expect("the fewest rows of a machine are more than 16")
    }

    /// Limbs of a weight.
    fn limbs(&self) -> usize {
        (WEIGHT_BITS / self.limb_bits()) as usize
    }

    /// The integers of a limb, in order.
    fn table(&self) -> std::ops::Range<i64> {
        let half = 1 << (self.limb_bits() - 1);
        -half..half
    }

    /// `c` with `weight = Σ_i 2^(w·i)·limb_i + c`.
    fn offset(&self) -> i64 {
        let halves = (0..self.limbs() as u32).map(|limb| 1i64 << (self.limb_bits() * limb + self.limb_bits() - 1));
        halves.sum::<i64>() - HALF
    }

    /// The instance columns: where rows begin, and the table. They do not depend on what is registered.
    pub fn instances(&self) -> [Vec<Fr>; 2] {
        [vec![Fr::ONE], self.table().map(to_field).collect()]
    }

    /// The constraint system.
    pub fn constraint_system(&self) -> ConstraintSystem<Fr> {
        let mut system = ConstraintSystem::default();
        Config::configure(&mut system, *self);
        system
    }

    /// Columns of the first phase: the weights, which come first, limbs, multiplicities.
    pub fn first_phase_columns(&self) -> usize {
        self.columns as usize * self.limbs() + 1
    }

    /// How the second phase follows from the first: a helper for each pair of limbs, the fractions of the table, and the sum of all.
    pub fn second_phase(&self) -> Recipe {
        let rows = Rows::all(self.active_rows());
        let inputs = (0..self.first_phase_columns()).map(Source::Advice).chain([Source::Instance(1)]);
        let inputs: Vec<_> = inputs.map(|source| Input { source, rows, integers: None }).collect();
        let (table, multiplicity) = (inputs.len() - 1, inputs.len() - 2);
        let mut columns = Vec::new();
        let mut derived = Vec::new();
        let mut push = |forms, reads, steps| {
            let place = Place { column: columns.len(), rows };
            columns.push(Target { advice: self.first_phase_columns() + columns.len(), rows: rows.count });
            derived.push(Derived { output: Output { rows: rows.count, places: vec![place] }, forms, reads, steps });
        };
        let one = |switches: &[Switch], operand| Term::new(Coefficient::one(), switches, operand);
        for forms in (0..self.columns as usize).flat_map(|column| self.fractions(column)) {
            push(forms.to_vec(), vec![one(&[], Operand::Form(0)), one(&[], Operand::Form(1))], None);
        }
        let entry = fraction(vec![(table, Coefficient::one())], Fr::ZERO);
        push(vec![entry], vec![one(&[Switch::On(multiplicity)], Operand::Form(0))], None);
        let fractions = self.columns as usize * self.limbs() / 2;
        let minus = Term::new(Coefficient::constant(-Fr::ONE), [], Operand::Column(fractions));
        let reads = (0..fractions).map(|helper| one(&[], Operand::Column(helper))).chain([minus]).collect();
        push(Vec::new(), reads, Some(vec![one(&[], Operand::One)]));
        Recipe { columns, inputs, derived, scalars: None }
    }

    /// `1/(α + limb)` for the limbs of a weight, in pairs.
    fn fractions(&self, column: usize) -> Vec<[Form; 2]> {
        let limbs = self.limbs();
        let limb = |limb: usize| self.columns as usize + column * (limbs - 1) + limb;
        let power = |limb: usize| Fr::from(1 << (self.limb_bits() * limb as u32));
        let constant = Coefficient::constant;
        let mut forms: Vec<_> =
            (0..limbs - 1).map(|at| fraction(vec![(limb(at), Coefficient::one())], Fr::ZERO)).collect();
        // The last one is what the others leave of the weight.
        let scale = power(limbs - 1).invert().expect("a power of two is not zero");
        let others = (0..limbs - 1).map(|at| (limb(at), constant(-power(at) * scale)));
        let rest = [(column, constant(scale))].into_iter().chain(others).collect();
        forms.push(fraction(rest, -to_field(self.offset()) * scale));
        forms.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
    }
}

/// `1/(α + constant + Σ factor·input)`
fn fraction(terms: Vec<(usize, Coefficient)>, constant: Fr) -> Form {
    Form {
        terms,
        constant: Coefficient::sum([Coefficient::power(0, 1), Coefficient::constant(constant)]),
        inverted: true,
    }
}

/// The columns of the system.
struct Config {
    params: RegistrationParams,
    weights: Vec<Column<Advice>>,
    /// The limbs of each weight but the last.
    limbs: Vec<Vec<Column<Advice>>>,
    multiplicity: Column<Advice>,
    /// The helpers of each weight.
    helpers: Vec<Vec<Column<Advice>>>,
    fraction: Column<Advice>,
    sum: Column<Advice>,
    /// `1, 0, 0, …`
    first: Column<Instance>,
    table: Column<Instance>,
    alpha: Challenge,
}

impl Config {
    fn configure(system: &mut ConstraintSystem<Fr>, params: RegistrationParams) {
        let columns = params.columns as usize;
        let (limbs, helpers) = (params.limbs() - 1, params.limbs() / 2);
        let mut first_phase = |count: usize| (0..count).map(|_| system.advice_column_in(FirstPhase)).collect();
        let weights = first_phase(columns);
        let limbs = (0..columns).map(|_| first_phase(limbs)).collect();
        let multiplicity = system.advice_column_in(FirstPhase);
        let alpha = system.challenge_usable_after(FirstPhase);
        let mut second_phase = |count: usize| (0..count).map(|_| system.advice_column_in(SecondPhase)).collect();
        let helpers = (0..columns).map(|_| second_phase(helpers)).collect();
        let [fraction, sum] = [(); 2].map(|()| system.advice_column_in(SecondPhase));
        let [first, table] = [(); 2].map(|()| system.instance_column());
        let config = Self { params, weights, limbs, multiplicity, helpers, fraction, sum, first, table, alpha };
        config.create_gates(system);
    }

    /// `e` some rows further down.
    fn first(&self, cells: &mut VirtualCells<'_, Fr>, rows: usize) -> Expression<Fr> {
        cells.query_instance(self.first, Rotation(rows as i32))
    }

    /// 1 in all rows but the last, where it is 0.
    fn active(&self, cells: &mut VirtualCells<'_, Fr>) -> Expression<Fr> {
        let one = Expression::Constant(Fr::ONE);
        (1..=BLINDED_ROWS).fold(one, |active, rows| active - self.first(cells, rows))
    }

    /// `α + limb` for all limbs of a weight.
    fn factors(&self, cells: &mut VirtualCells<'_, Fr>, column: usize) -> Vec<Expression<Fr>> {
        let mut here = |column| cells.query_advice(column, Rotation::cur());
        let step = Fr::from(1 << self.params.limb_bits());
        let mut rest = here(self.weights[column]) - Expression::Constant(to_field(self.params.offset()));
        let mut power = Fr::ONE;
        let mut limbs = Vec::with_capacity(self.params.limbs());
        for &limb in &self.limbs[column] {
            let limb = here(limb);
            rest = rest - limb.clone() * power;
            power *= step;
            limbs.push(limb);
        }
        limbs.push(rest * power.invert().expect("a power of two is not zero"));
        let alpha = cells.query_challenge(self.alpha);
        limbs.into_iter().map(|limb| alpha.clone() + limb).collect()
    }

    fn create_gates(&self, system: &mut ConstraintSystem<Fr>) {
        system.create_gate("R-HELPER", |cells| {
            let active = self.active(cells);
            let mut constraints = Vec::new();
            for (column, helpers) in self.helpers.iter().enumerate() {
                let factors = self.factors(cells, column);
                for (helper, factors) in helpers.iter().zip(factors.chunks_exact(2)) {
                    let helper = cells.query_advice(*helper, Rotation::cur());
                    let [one, other] = [&factors[0], &factors[1]].map(Expression::clone);
                    let fractions = helper * one.clone() * other.clone() - one - other;
                    constraints.push(("R-HELPER", active.clone() * fractions));
                }
            }
            constraints
        });
        system.create_gate("R-TABLE", |cells| {
            let entry = cells.query_challenge(self.alpha) + cells.query_instance(self.table, Rotation::cur());
            let [fraction, multiplicity] =
                [self.fraction, self.multiplicity].map(|column| cells.query_advice(column, Rotation::cur()));
            vec![("R-TABLE", self.active(cells) * (entry * fraction - multiplicity))]
        });
        system.create_gate("R-SUM", |cells| {
            let [sum, fraction] = [self.sum, self.fraction].map(|column| cells.query_advice(column, Rotation::cur()));
            let before = cells.query_advice(self.sum, Rotation::prev());
            let goes_on = Expression::Constant(Fr::ONE) - self.first(cells, 0);
            let added = self
                .helpers
                .iter()
                .flatten()
                .fold(goes_on * before, |sum, helper| sum + cells.query_advice(*helper, Rotation::cur()));
            vec![("R-SUM", self.active(cells) * (sum - added + fraction))]
        });
        system.create_gate("R-SUM-END", |cells| {
            let sum = cells.query_advice(self.sum, Rotation::cur());
            vec![("R-SUM-END", self.first(cells, BLINDED_ROWS + 1) * sum)]
        });
    }
}

/// Weights with their limbs: what a prover of a registration fills the columns with. `Debug` tells no weight.
#[derive(Clone)]
pub struct RegistrationWitness {
    params: RegistrationParams,
    weights: Vec<Integers>,
    /// All limbs of each weight, the last ones among them, in all active rows.
    limbs: Vec<Vec<Integers>>,
}

impl std::fmt::Debug for RegistrationWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistrationWitness").field("params", &self.params).finish_non_exhaustive()
    }
}

impl RegistrationWitness {
    /// Takes weights apart. Rows behind the end of a column are zero.
    ///
    /// # Errors
    /// Another number of columns, a column that is too long, or a weight of too many bits.
    ///
    /// # Panics
    /// The sizes have not been validated.
    pub fn new(params: RegistrationParams, weights: Vec<Integers>) -> Result<Self, WeightsError> {
        let (expected, found) = (params.columns as usize, weights.len());
        if expected != found {
            return Err(WeightsError::Columns { expected, found });
        }
        let limit = params.active_rows();
        for (column, cells) in weights.iter().enumerate() {
            if cells.len() > limit {
                return Err(WeightsError::Rows { column, limit, found: cells.len() });
            }
            if let Some(row) = cells.iter().position(|weight| !(-HALF..HALF).contains(&weight)) {
                return Err(WeightsError::Range { column, row });
            }
        }
        let limbs = weights.iter().map(|cells| limbs(&params, cells)).collect();
        Ok(Self { params, weights, limbs })
    }

    /// The sizes.
    pub fn params(&self) -> &RegistrationParams {
        &self.params
    }

    /// The columns of the first phase.
    pub fn first_phase(&self) -> Vec<Integers> {
        let but_the_last = |limbs: &Vec<Integers>| limbs[..limbs.len() - 1].to_vec();
        let limbs = self.limbs.iter().flat_map(but_the_last);
        self.weights.iter().cloned().chain(limbs).chain([self.multiplicities()]).collect()
    }

    /// How often each entry of the table is looked up.
    fn multiplicities(&self) -> Integers {
        let table = self.params.table();
        let mut counts = vec![0i64; (table.end - table.start) as usize];
        for limb in self.limbs.iter().flatten().flat_map(Integers::iter) {
            counts[(limb - table.start) as usize] += 1;
        }
        counts.into()
    }
}

/// The limbs of weights in all active rows.
fn limbs(params: &RegistrationParams, weights: &Integers) -> Vec<Integers> {
    let (bits, count) = (params.limb_bits(), params.limbs());
    let digit = |weight: i64, limb: usize| {
        let digits = (weight + HALF) >> (bits * limb as u32);
        (digits & ((1 << bits) - 1)) - (1 << (bits - 1))
    };
    let cell = |row: usize| if row < weights.len() { weights.get(row) } else { 0 };
    (0..count).map(|limb| (0..params.active_rows()).map(|row| digit(cell(row), limb)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(k: u32, columns: u32) -> RegistrationParams {
        RegistrationParams { k, columns }
    }

    #[test]
    fn systems_are_of_degree_four_with_six_blinded_rows() {
        for params in [params(5, 1), params(8, 3), params(9, 2), params(25, 16)] {
            params.validate().expect("possible sizes");
            let system = params.constraint_system();
            assert_eq!(system.degree(), 4, "{params:?}");
            assert_eq!(system.blinding_factors() + 1, BLINDED_ROWS, "{params:?}");
            assert_eq!((system.num_fixed_columns(), system.num_selectors()), (0, 0));
            assert!(system.permutation().get_columns().is_empty() && system.lookups().is_empty());
            let first = system.advice_column_phase().into_iter().filter(|phase| *phase == 0).count();
            assert_eq!(first, params.first_phase_columns());
        }
    }

    #[test]
    fn limbs_are_as_wide_as_the_rows_allow() {
        let limbs = |k| (params(k, 1).limb_bits(), params(k, 1).limbs());
        assert_eq!((limbs(9), limbs(12)), ((8, 2), (8, 2)));
        assert_eq!((limbs(5), limbs(8)), ((4, 4), (4, 4)), "256 entries and the blinded rows are more than 256");
    }

    #[test]
    fn all_weights_of_the_range_have_limbs_and_no_others() {
        let weights: Vec<i64> = (-HALF..HALF).collect();
        let columns =
            |k| weights.chunks(params(k, 1).active_rows()).map(|part| Integers::from(part.to_vec())).collect();
        for (k, parts) in [(17, 1), (8, 263)] {
            let params = params(k, parts);
            let witness = RegistrationWitness::new(params, columns(k)).expect("in range");
            for (weights, limbs) in witness.weights.iter().zip(&witness.limbs) {
                assert!(limbs.iter().all(|cells| cells.iter().all(|limb| params.table().contains(&limb))));
                for (row, weight) in weights.iter().enumerate() {
                    let power = |limb: usize| params.limb_bits() * limb as u32;
                    let sum: i64 = limbs.iter().enumerate().map(|(limb, cells)| cells.get(row) << power(limb)).sum();
                    assert_eq!(sum + params.offset(), weight);
                }
            }
        }
        for beyond in [HALF, -HALF - 1, i64::MAX, i64::MIN] {
            let refused = RegistrationWitness::new(params(9, 1), vec![vec![0, beyond].into()]).map(|_| ());
            assert_eq!(refused, Err(WeightsError::Range { column: 0, row: 1 }));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |params: RegistrationParams| params.validate().expect_err("not possible");
        assert_eq!(refused(params(4, 1)), RegistrationParamsError::Rows { k: 4 });
        assert_eq!(refused(params(26, 1)), RegistrationParamsError::Rows { k: 26 });
        assert_eq!(refused(params(9, 0)), RegistrationParamsError::Columns { found: 0 });
        assert_eq!(refused(params(9, 17)), RegistrationParamsError::Columns { found: 17 });
        let new = |weights| RegistrationWitness::new(params(5, 1), weights).map(|_| ());
        assert_eq!(new(vec![]), Err(WeightsError::Columns { expected: 1, found: 0 }));
        assert_eq!(new(vec![vec![0; 27].into()]), Err(WeightsError::Rows { column: 0, limit: 26, found: 27 }));
        let sizes: Vec<_> = RegistrationParams::of_all(9, 35).map(|params| params.columns).collect();
        assert_eq!(sizes, [16, 16, 3]);
    }

    #[test]
    fn witnesses_do_not_show_weights() {
        let witness = RegistrationWitness::new(params(5, 1), vec![vec![1234].into()]).expect("in range");
        assert!(!format!("{witness:?}").contains("1234"));
    }
}
