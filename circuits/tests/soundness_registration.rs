//! Registered weights: a prover who departs from the protocol in one thing is refused, by the constraint that is named.

use std::collections::BTreeSet;

use circuits::machine::{to_field, Integers, PlainKernels};
use circuits::recipe::{Derivation, Source};
use circuits::registration::{RegistrationParams, RegistrationWitness, BLINDED_ROWS, WEIGHT_BITS};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;
use halo2_proofs::poly::Rotation;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Four limbs of a weight, and two.
const CASES: [RegistrationParams; 3] = [
    RegistrationParams { k: 5, columns: 1 },
    RegistrationParams { k: 6, columns: 3 },
    RegistrationParams { k: 9, columns: 2 },
];

/// `2^15`
const HALF: i64 = 1 << (WEIGHT_BITS - 1);

/// All cells of a prover, and the challenge.
#[derive(Clone)]
struct Cells {
    params: RegistrationParams,
    alpha: Fr,
    advice: Vec<Vec<Fr>>,
}

impl Cells {
    /// An honest prover of random weights. The blinded rows are random.
    fn honest(params: RegistrationParams, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut weights = || -> Vec<i64> {
            (0..params.active_rows()).map(|_| (rng.next_u64() as i64) >> (64 - WEIGHT_BITS)).collect()
        };
        let mut weights: Vec<_> = (0..params.columns).map(|_| weights()).collect();
        let last = params.active_rows() - 1;
        (weights[0][0], weights[0][last]) = (-HALF, HALF - 1);
        let witness =
            RegistrationWitness::new(params, weights.into_iter().map(Into::into).collect()).expect("in range");
        let alpha = Fr::random(&mut rng);
        let first = witness.first_phase();
        let mut advice: Vec<Vec<Fr>> = first.iter().map(|column| column.iter().map(to_field).collect()).collect();
        let half = params.instances()[1].len() as i64 / 2;
        let table = Integers::from((-half..half).collect::<Vec<_>>());
        let sources = |source| match source {
            Source::Advice(index) => &first[index],
            _ => &table,
        };
        let recipe = params.second_phase();
        let (challenges, kernels) = (&[alpha], &PlainKernels);
        let derivation = Derivation { recipe: &recipe, challenges, sources: &sources, kernels, at_once: usize::MAX };
        let taken = derivation.run(&mut |number, cells| {
            assert_eq!(recipe.columns[number].advice, advice.len(), "columns come in order");
            advice.push(cells);
            Ok::<_, ()>(())
        });
        taken.expect("all are taken");
        for column in &mut advice {
            column.resize(params.active_rows(), Fr::ZERO);
            column.extend((0..BLINDED_ROWS).map(|_| Fr::random(&mut rng)));
        }
        Self { params, alpha, advice }
    }

    fn rows(&self) -> usize {
        1 << self.params.k
    }

    /// The rows that are attacked: all, but of many rows the ends and some between.
    fn attacked(&self) -> impl Iterator<Item = usize> {
        let (last, step) = (self.params.active_rows() - 1, self.rows() / 32);
        (0..last).step_by(step).chain([1, last - 1, last])
    }

    fn columns(&self) -> usize {
        self.params.columns as usize
    }

    fn limbs(&self) -> usize {
        (self.multiplicities()) / self.columns()
    }

    fn limb_bits(&self) -> u32 {
        WEIGHT_BITS / self.limbs() as u32
    }

    /// The place of the multiplicities.
    fn multiplicities(&self) -> usize {
        self.params.first_phase_columns() - 1
    }

    fn sum(&self) -> usize {
        self.advice.len() - 1
    }

    /// The place of a limb that is a cell.
    fn limb(&self, column: usize, limb: usize) -> usize {
        self.columns() + column * (self.limbs() - 1) + limb
    }

    /// All limbs of a weight, the last one as it follows from the others.
    fn limbs_at(&self, column: usize, row: usize) -> Vec<Fr> {
        let step = Fr::from(1 << self.limb_bits());
        let half = Fr::from(1 << (self.limb_bits() - 1));
        let mut rest = self.advice[column][row] + to_field(HALF);
        let mut power = Fr::ONE;
        let mut limbs = Vec::new();
        for limb in 0..self.limbs() - 1 {
            limbs.push(self.advice[self.limb(column, limb)][row]);
            rest -= (limbs[limb] + half) * power;
            power *= step;
        }
        limbs.push(rest * power.invert().expect("not zero") - half);
        limbs
    }

    /// The integers of a limb.
    fn table(&self) -> Vec<Fr> {
        let half = 1i64 << (self.limb_bits() - 1);
        (-half..half).map(to_field).collect()
    }

    /// Counts anew what is looked up and is in the table.
    fn count(&mut self) {
        let table = self.table();
        let place = self.multiplicities();
        self.advice[place][..self.params.active_rows()].fill(Fr::ZERO);
        for row in 0..self.params.active_rows() {
            let limbs: Vec<Fr> = (0..self.columns()).flat_map(|column| self.limbs_at(column, row)).collect();
            for limb in limbs {
                if let Some(entry) = table.iter().position(|entry| *entry == limb) {
                    self.advice[place][entry] += Fr::ONE;
                }
            }
        }
    }

    /// The second phase that follows from the first.
    fn derive(&mut self) {
        let (first, fraction, sum) = (self.params.first_phase_columns(), self.sum() - 1, self.sum());
        let mut table = self.table();
        table.resize(self.params.active_rows(), Fr::ZERO);
        let inverse = |element: Fr| element.invert().expect("a random pole");
        let mut total = Fr::ZERO;
        for (row, entry) in table.into_iter().enumerate() {
            let mut place = first;
            for column in 0..self.columns() {
                for limbs in self.limbs_at(column, row).chunks(2) {
                    let helper = limbs.iter().map(|limb| inverse(self.alpha + limb)).sum();
                    self.advice[place][row] = helper;
                    total += helper;
                    place += 1;
                }
            }
            assert_eq!(place, fraction);
            self.advice[fraction][row] = self.advice[self.multiplicities()][row] * inverse(self.alpha + entry);
            total -= self.advice[fraction][row];
            self.advice[sum][row] = total;
        }
    }

    /// The constraints that are violated, in whatever row.
    fn violated(&self) -> BTreeSet<String> {
        let system: ConstraintSystem<Fr> = self.params.constraint_system();
        let mut instances = self.params.instances();
        instances.iter_mut().for_each(|column| column.resize(self.rows(), Fr::ZERO));
        let mut violated = BTreeSet::new();
        for row in 0..self.rows() {
            let at = |column: &[Fr], rotation: Rotation| {
                column[(row as i32 + rotation.0).rem_euclid(column.len() as i32) as usize]
            };
            for gate in system.gates() {
                for polynomial in gate.polynomials() {
                    let value = polynomial.evaluate(
                        &|constant| constant,
                        &|_| unreachable!("there are no selectors"),
                        &|_| unreachable!("there are no fixed columns"),
                        &|query| at(&self.advice[query.column_index()], query.rotation()),
                        &|query| at(&instances[query.column_index()], query.rotation()),
                        &|_| self.alpha,
                        &|value| -value,
                        &|a, b| a + b,
                        &|a, b| a * b,
                        &|a, factor| a * factor,
                    );
                    if value != Fr::ZERO {
                        violated.insert(gate.name().to_owned());
                    }
                }
            }
        }
        violated
    }

    fn refused_by(&self, names: &[&str]) {
        let violated = self.violated();
        assert_eq!(violated, names.iter().map(|name| (*name).to_owned()).collect(), "{:?}", self.params);
    }
}

#[test]
fn honest_runs_are_accepted_whatever_the_blinded_rows_hold() {
    for (seed, params) in (0..).zip(CASES) {
        let mut cells = Cells::honest(params, seed);
        cells.refused_by(&[]);
        let derived = cells.clone();
        cells.count();
        cells.derive();
        assert_eq!(cells.advice, derived.advice, "the test counts and derives as the prover does");
    }
}

/// A weight that is another integer than its limbs make.
#[test]
fn every_weight_changed_alone() {
    for (seed, params) in (10..).zip(CASES) {
        let honest = Cells::honest(params, seed);
        for (column, row) in (0..honest.columns()).flat_map(|column| honest.attacked().map(move |row| (column, row))) {
            let mut cells = honest.clone();
            cells.advice[column][row] += Fr::ONE;
            cells.derive();
            cells.refused_by(&["R-SUM-END"]);
        }
    }
}

/// A weight out of range, with limbs as good as there are, and all that is in the table counted.
#[test]
fn weights_out_of_range() {
    for (seed, params) in (20..).zip(CASES) {
        let honest = Cells::honest(params, seed);
        let fraction = Fr::from(3).invert().expect("not zero");
        for row in [0, 1, params.active_rows() / 2, params.active_rows() - 1] {
            for weight in [to_field(HALF), to_field(-HALF - 1), to_field(1 << 40), -Fr::from(1 << 40), fraction] {
                let mut cells = honest.clone();
                cells.advice[0][row] = weight;
                cells.count();
                cells.derive();
                cells.refused_by(&["R-SUM-END"]);
            }
            // A limb out of the table, and another that makes up for it.
            let mut cells = honest.clone();
            let place = cells.limb(0, 0);
            cells.advice[place][row] += Fr::from(1 << honest.limb_bits());
            cells.count();
            cells.derive();
            cells.refused_by(&["R-SUM-END"]);
        }
        let mut behind = honest.clone();
        behind.advice[0][params.active_rows()] = to_field(HALF);
        behind.refused_by(&[]);
    }
}

#[test]
fn multiplicities_changed_alone() {
    for (seed, params) in (30..).zip(CASES) {
        let honest = Cells::honest(params, seed);
        let place = honest.multiplicities();
        for row in honest.attacked() {
            let mut cells = honest.clone();
            cells.advice[place][row] -= Fr::ONE;
            cells.derive();
            cells.refused_by(&["R-SUM-END"]);
        }
        // Rows behind the table's entries are further entries 0.
        let (zero, behind) = (1 << (honest.limb_bits() - 1), params.active_rows() - 1);
        assert!(behind >= honest.table().len());
        let mut cells = honest;
        cells.advice[place][zero] -= Fr::ONE;
        cells.advice[place][behind] += Fr::ONE;
        cells.derive();
        cells.refused_by(&[]);
    }
}

/// Every second-phase cell is pinned: changed alone it violates a constraint of its own row or the next.
#[test]
fn every_second_phase_cell_changed_alone() {
    for (seed, params) in (40..).zip(CASES) {
        let honest = Cells::honest(params, seed);
        let (fraction, sum) = (honest.sum() - 1, honest.sum());
        for place in params.first_phase_columns()..honest.advice.len() {
            for row in honest.attacked() {
                let mut cells = honest.clone();
                cells.advice[place][row] += Fr::from(7);
                match place {
                    _ if place == sum && row + 1 == params.active_rows() => cells.refused_by(&["R-SUM", "R-SUM-END"]),
                    _ if place == sum => cells.refused_by(&["R-SUM"]),
                    _ if place == fraction => cells.refused_by(&["R-SUM", "R-TABLE"]),
                    _ => cells.refused_by(&["R-HELPER", "R-SUM"]),
                }
            }
        }
    }
}

/// A weight out of range, hidden after the challenge by one forged cell: the helper, the table's fraction, the sum, its start.
#[test]
fn forgeries_after_the_challenge() {
    for (seed, params) in (50..).zip(CASES) {
        let mut false_run = Cells::honest(params, seed);
        false_run.advice[0][1] = to_field(1 << WEIGHT_BITS);
        false_run.count();
        false_run.derive();
        let last = params.active_rows() - 1;
        let missing = false_run.advice[false_run.sum()][last];
        assert_ne!(missing, Fr::ZERO);
        let forge = |place: usize, row: usize, change: Fr, named: &str| {
            let mut cells = false_run.clone();
            cells.advice[place][row] += change;
            let sum = cells.sum();
            cells.advice[sum][row..=last].iter_mut().for_each(|sum| *sum -= missing);
            cells.refused_by(&[named]);
        };
        forge(params.first_phase_columns(), 1, -missing, "R-HELPER");
        forge(false_run.sum() - 1, 3, missing, "R-TABLE");
        forge(false_run.sum(), 4, Fr::ZERO, "R-SUM");
        forge(false_run.sum(), 0, Fr::ZERO, "R-SUM");
        // The row before the first is a blinded one, and is not read there.
        let mut cells = false_run.clone();
        let sum = cells.sum();
        let rows = cells.rows();
        cells.advice[sum][rows - 1] = -missing;
        cells.advice[sum][..=last].iter_mut().for_each(|sum| *sum -= missing);
        cells.refused_by(&["R-SUM"]);
    }
}
