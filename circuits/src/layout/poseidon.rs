//! Poseidon as rows of the scalar unit: [`poseidon::compress`] in 384 rows.
//!
//! A row gives `c = q_c·c₋ + a·(q_m·b + q_a) + q_k`. An S-box is never a cell: `x^2` and `x^4` are, and wherever `y = x^5` is a
//! summand, it is the product of `x^4` and `x`.
//!
//! *Full rounds.* The first element of the new state takes three products, each further one two: it takes up the one before it
//! with the factor that makes the share of `y_2` right. The first element of the first state is zero, so its S-box is a
//! constant; of the last state one element is wanted.
//!
//! *Partial rounds.* Write `M = (m₀₀, r; m, N)` with `N` of size 2 × 2, and `u` for the elements without S-box:
//! `x_(n+1) = m₀₀·y_n + r·u_n` and `u_(n+1) = N·u_n + m·y_n`, constants aside. By the theorem of Cayley and Hamilton `N² = τ·N − δ`
//! with `τ` the trace and `δ` the determinant of `N`, and so the S-boxes' inputs follow one another without `u`:
//!
//! ```text
//! x_(n+3) = (m₀₀·y_(n+2) + τ·x_(n+2)) + ((r·m − τ·m₀₀)·y_(n+1) − δ·x_(n+1)) + det M·y_n
//! ```
//!
//! Each bracket is one row, since `m·y + q·x = x·(m·x^4 + q)`. What the round constants make of `x_n` and `u_n` where all S-boxes give
//! zero, `x̄_n` and `ū_n`, is computed beforehand; all of the above holds for the differences to it. At the end `u` is
//! regained: `r·u_n` and `r·N·u_n` are the next two `x` less what their own S-boxes contribute.
//!
//! | part | rows |
//! | --- | --- |
//! | first round | 2·2 + 4 |
//! | 6 full rounds | 3·2 + 7 each |
//! | 57 partial rounds | 2 + 3 each |
//! | `u` behind the partial rounds | 4 |
//! | last round | 3·2 + 3 |
//!
//! No challenge occurs: the result is a function of the operands and fixed cells.

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::scalar::{Operand, Previous, ScalarRef, ScalarUnit, Summand};
use crate::poseidon::{self, fifth_power, Parameters, FULL_ROUNDS, PARTIAL_ROUNDS, ROUNDS, WIDTH};

/// What is put into an S-box.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    /// A number that the program fixes.
    Constant(Fr),
    /// A cell and what is added to it.
    Cell(Operand, Fr),
}

/// What an S-box gives.
#[derive(Clone, Copy, Debug)]
enum Power {
    Constant(Fr),
    /// `(x + offset)·(x + offset)^4`
    Product {
        x: Operand,
        offset: Fr,
        fourth: Operand,
    },
}

impl Input {
    /// The sum with a round constant.
    fn plus(self, constant: Fr) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value + constant),
            Self::Cell(cell, offset) => Self::Cell(cell, offset + constant),
        }
    }
}

/// The result of [`poseidon::compress`].
pub(super) fn compress(unit: &mut ScalarUnit, left: Input, right: Input) -> ScalarRef {
    let Parameters { constants, matrix } = poseidon::parameters();
    let mut rounds = Rounds { unit, matrix };
    let mut inputs = [Input::Constant(Fr::ZERO), left, right];
    inputs.iter_mut().zip(constants[0]).for_each(|(input, constant)| *input = input.plus(constant));
    for next in &constants[1..=FULL_ROUNDS / 2] {
        inputs = rounds.full(inputs, next).map(cell);
    }
    inputs = rounds.partial(inputs, &constants[FULL_ROUNDS / 2 + 1..][..PARTIAL_ROUNDS]).map(cell);
    for next in &constants[ROUNDS - FULL_ROUNDS / 2 + 1..] {
        inputs = rounds.full(inputs, next).map(cell);
    }
    let powers = inputs.map(|input| rounds.power(input));
    rounds.sum(Fr::ZERO, powers.into_iter().zip(matrix[0]), Fr::ZERO)
}

fn cell(result: ScalarRef) -> Input {
    Input::Cell(Operand::Scalar(result), Fr::ZERO)
}

fn operand(input: Input) -> Operand {
    match input {
        Input::Cell(operand, _) => operand,
        Input::Constant(_) => unreachable!("behind the first round there are only cells"),
    }
}

/// The rounds as they are built.
struct Rounds<'a> {
    unit: &'a mut ScalarUnit,
    matrix: &'a [[Fr; WIDTH]; WIDTH],
}

impl Rounds<'_> {
    fn power(&mut self, input: Input) -> Power {
        let (x, offset) = match input {
            Input::Constant(value) => return Power::Constant(fifth_power(value)),
            Input::Cell(x, offset) => (x, offset),
        };
        let square = if offset == Fr::ZERO {
            self.unit.multiply(Previous::Drop, x, x)
        } else {
            let square = Summand { a: x, b: Some(x), product: Fr::ONE, operand: offset.double() };
            self.unit.combine(Fr::ZERO, &[square], offset.square())
        };
        let square = Operand::Scalar(square);
        let fourth = Operand::Scalar(self.unit.multiply(Previous::Drop, square, square));
        Power::Product { x, offset, fourth }
    }

    /// `previous·c₋ + Σ factor·power + constant`
    fn sum(&mut self, previous: Fr, terms: impl Iterator<Item = (Power, Fr)>, mut constant: Fr) -> ScalarRef {
        let mut summands = Vec::with_capacity(WIDTH);
        for (power, factor) in terms {
            match power {
                Power::Constant(value) => constant += factor * value,
                Power::Product { x, offset, fourth } => {
                    summands.push(Summand { a: fourth, b: Some(x), product: factor, operand: factor * offset });
                }
            }
        }
        self.unit.combine(previous, &summands, constant)
    }

    /// A full round, with the constants of the next one added.
    fn full(&mut self, inputs: [Input; WIDTH], next: &[Fr; WIDTH]) -> [ScalarRef; WIDTH] {
        let powers = inputs.map(|input| self.power(input));
        let first = self.sum(Fr::ZERO, powers.into_iter().zip(self.matrix[0]), next[0]);
        let mut state = [first; WIDTH];
        for row in 1..WIDTH {
            let [above, here] = [self.matrix[row - 1], self.matrix[row]];
            let factor = quotient(here[WIDTH - 1], above[WIDTH - 1]);
            let shares = powers.into_iter().zip((0..WIDTH - 1).map(|j| here[j] - factor * above[j]));
            state[row] = self.sum(factor, shares, next[row] - factor * next[row - 1]);
        }
        state
    }

    /// All partial rounds; `constants` are those that each of them adds behind itself.
    fn partial(&mut self, inputs: [Input; WIDTH], constants: &[[Fr; WIDTH]]) -> [ScalarRef; WIDTH] {
        let recurrence = Recurrence::new(self.matrix, constants);
        let mut boxes = vec![self.sample(inputs[0])];
        let mut next = self.first_output(&boxes, inputs, &recurrence);
        boxes.push(self.sample(cell(next)));
        next = self.second_output(&boxes, inputs, &recurrence);
        for n in 3..=constants.len() {
            boxes.push(self.sample(cell(next)));
            next = self.next_output(&boxes[n - 3..], &recurrence, n);
        }
        let [first, second] = self.regain(&boxes[constants.len() - 2..], next, &recurrence);
        [next, first, second]
    }

    fn sample(&mut self, input: Input) -> Sample {
        match self.power(input) {
            Power::Product { x, fourth, .. } => Sample { x, fourth },
            Power::Constant(_) => unreachable!("behind the first round there are only cells"),
        }
    }

    /// `x_1 = m₀₀·y_0 + r·u_0`
    fn first_output(&mut self, boxes: &[Sample], inputs: [Input; WIDTH], recurrence: &Recurrence) -> ScalarRef {
        let [_, first, second] = inputs.map(operand);
        let [to_first, to_second] = recurrence.r;
        let summands = [boxes[0].times(recurrence.m00, Fr::ZERO), linear(first, to_first), linear(second, to_second)];
        self.unit.combine(Fr::ZERO, &summands, recurrence.quiet[1][0])
    }

    /// `x_2 = m₀₀·y_1 + r·m·y_0 + r·N·u_0`, where `x_1` takes the place of the second element of `u_0`.
    fn second_output(&mut self, boxes: &[Sample], inputs: [Input; WIDTH], recurrence: &Recurrence) -> ScalarRef {
        let Recurrence { m00, r, r_n, r_m, quiet, .. } = recurrence;
        let factor = quotient(r_n[1], r[1]);
        let summands = [
            boxes[1].times(*m00, factor),
            boxes[0].times(r_m - factor * m00, Fr::ZERO),
            linear(operand(inputs[1]), r_n[0] - factor * r[0]),
        ];
        self.unit.combine(Fr::ZERO, &summands, quiet[2][0] - factor * quiet[1][0])
    }

    /// `x_n` by the S-boxes of the three rounds before.
    fn next_output(&mut self, boxes: &[Sample], recurrence: &Recurrence, n: usize) -> ScalarRef {
        let Recurrence { m00, quiet, .. } = recurrence;
        let [now, before, before_power, older_power] = recurrence.next();
        let summands =
            [boxes[0].times(older_power, Fr::ZERO), boxes[1].times(before_power, before), boxes[2].times(*m00, now)];
        let constant = quiet[n][0] - now * quiet[n - 1][0] - before * quiet[n - 2][0];
        self.unit.combine(Fr::ZERO, &summands, constant)
    }

    /// `u_n` behind the last S-box; `x_n` is the last row's result, and `boxes` are the last two.
    fn regain(&mut self, boxes: &[Sample], x: ScalarRef, recurrence: &Recurrence) -> [ScalarRef; 2] {
        let [before, now] = [2, 1].map(|back| recurrence.quiet[recurrence.quiet.len() - back]);
        let [first, second] = recurrence.regained();
        let constant = |u: Fr, shares: &Shares| u - shares[0] * now[0] - shares[1] * before[0];
        let summands = [boxes[1].times(first[2], first[1]), boxes[0].times(first[3], Fr::ZERO)];
        let regained = self.unit.combine(first[0], &summands, constant(now[1], &first));
        let factor = quotient(second[3], first[3]);
        let rest: Shares = std::array::from_fn(|i| second[i] - factor * first[i]);
        let summands = [boxes[1].times(rest[2], rest[1]), linear(Operand::Scalar(x), rest[0])];
        [regained, self.unit.combine(factor, &summands, constant(now[2] - factor * now[1], &rest))]
    }
}

/// The S-box of a partial round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    x: Operand,
    fourth: Operand,
}

impl Sample {
    /// `power·x^5 + linear·x`
    fn times(self, power: Fr, linear: Fr) -> Summand {
        Summand { a: self.x, b: Some(self.fourth), product: power, operand: linear }
    }
}

fn linear(a: Operand, factor: Fr) -> Summand {
    Summand { a, b: None, product: Fr::ZERO, operand: factor }
}

/// Coefficients of `x_n`, `x_(n−1)`, `y_(n−1)` and `y_(n−2)`.
type Shares = [Fr; 4];

/// The partial rounds as one recurrence; the letters are those of the module's head.
struct Recurrence {
    m00: Fr,
    r: [Fr; 2],
    /// `r·N`
    r_n: [Fr; 2],
    /// `r·m`
    r_m: Fr,
    /// `τ`
    trace: Fr,
    /// `δ`
    determinant: Fr,
    /// `det M`
    whole: Fr,
    /// `x̄_n` and `ū_n` for all `n`.
    quiet: Vec<[Fr; WIDTH]>,
}

impl Recurrence {
    fn new(matrix: &[[Fr; WIDTH]; WIDTH], constants: &[[Fr; WIDTH]]) -> Self {
        let [[m00, r @ ..], [m1, n1 @ ..], [m2, n2 @ ..]] = *matrix;
        let dot = |left: [Fr; 2], right: [Fr; 2]| left[0] * right[0] + left[1] * right[1];
        let times_n = |row: [Fr; 2]| [dot(row, [n1[0], n2[0]]), dot(row, [n1[1], n2[1]])];
        let mut quiet = vec![[Fr::ZERO; WIDTH]];
        for constants in constants {
            let [_, u @ ..] = quiet[quiet.len() - 1];
            let sums = [r, n1, n2].map(|row| dot(row, u));
            quiet.push(std::array::from_fn(|i| sums[i] + constants[i]));
        }
        let (trace, determinant) = (n1[0] + n2[1], n1[0] * n2[1] - n1[1] * n2[0]);
        let (r_n, r_m) = (times_n(r), dot(r, [m1, m2]));
        let whole = determinant * m00 - trace * r_m + dot(r_n, [m1, m2]);
        Self { m00, r, r_n, r_m, trace, determinant, whole, quiet }
    }

    /// `x_(n+1)` less its own S-box, `r·u_n`.
    fn next(&self) -> Shares {
        [self.trace, -self.determinant, self.r_m - self.trace * self.m00, self.whole]
    }

    /// The elements of `u_n`, from `r·u_n` and `r·N·u_n`.
    fn regained(&self) -> [Shares; 2] {
        let one = self.next();
        let two = [
            self.trace * one[0] - self.determinant,
            self.trace * one[1],
            self.trace * one[2] + self.whole,
            self.trace * one[3],
        ];
        let [[a, b], [c, d]] = [self.r, self.r_n];
        let determinant = a * d - b * c;
        let combine = |p: Fr, q: Fr| std::array::from_fn(|i| quotient(p * one[i] + q * two[i], determinant));
        [combine(d, -b), combine(-c, a)]
    }
}

fn quotient(a: Fr, b: Fr) -> Fr {
    a * b.invert().expect("the constants of the instance admit this schedule")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::machine::{to_field, AdviceColumn, Cell, FixedColumn, MachineParams};

    /// Rows of a compression of two cells.
    const ROWS: usize = 8 + 6 * 13 + 5 * PARTIAL_ROUNDS + 4 + 9;

    /// The results of all rows, with `inputs` in the first rows' `value` cells.
    fn results(unit: &ScalarUnit, inputs: &[Fr]) -> Vec<Fr> {
        let params = MachineParams { k: 10, units: 1, weights: 1, tables: 1, ..MachineParams::default() };
        let mut fixed: BTreeMap<(FixedColumn, usize), Fr> = BTreeMap::new();
        let mut copies = Vec::new();
        unit.switches(|column, row, value| {
            fixed.insert((column, row), to_field(value));
        });
        unit.copies(&params, unit.len(), |_| unreachable!("there are no weights"), &mut copies);
        fixed.extend(unit.elements().iter().map(|&(column, scalar, value)| ((column, scalar.row() as usize), value)));
        let mut results = vec![Fr::ZERO];
        for row in 1..unit.len() {
            let operand = |column| {
                let copy = copies.iter().find(|(_, to)| *to == Cell::Advice(column, row as u32));
                match copy.expect("every operand is a copy").0 {
                    Cell::Advice(AdviceColumn::ScalarC, from) => results[from as usize],
                    Cell::Advice(AdviceColumn::Value(0), from) => inputs[from as usize],
                    other => unreachable!("{other:?} is no operand here"),
                }
            };
            let q = |column| fixed.get(&(column, row)).copied().unwrap_or(Fr::ZERO);
            let [a, b] = [AdviceColumn::ScalarA, AdviceColumn::ScalarB].map(operand);
            results.push(
                results[row - 1] * q(FixedColumn::ScalarPrevious)
                    + a * b * q(FixedColumn::ScalarProduct)
                    + a * q(FixedColumn::ScalarOperand)
                    + q(FixedColumn::ScalarConstant),
            );
        }
        results
    }

    fn input(row: u32) -> Input {
        Input::Cell(Operand::Cell(Cell::Advice(AdviceColumn::Value(0), row)), Fr::ZERO)
    }

    #[test]
    fn rows_give_the_hash() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut samples = vec![[1, 2].map(Fr::from), [Fr::ZERO; 2], [-Fr::ONE, Fr::ONE]];
        samples.extend((0..8).map(|_| [(); 2].map(|()| Fr::random(&mut rng))));
        for inputs in samples {
            let mut unit = ScalarUnit::new();
            let two_cells = compress(&mut unit, input(0), input(1));
            assert_eq!(unit.len(), 1 + ROWS);
            let constant = compress(&mut unit, Input::Constant(inputs[0]), input(1));
            assert_eq!(unit.len(), 1 + 2 * ROWS - 3, "a constant saves its S-box and a share");
            let results = results(&unit, &inputs);
            let hash = poseidon::compress(inputs[0], inputs[1]);
            assert_eq!([two_cells, constant].map(|result| results[result.row() as usize]), [hash; 2]);
        }
    }
}
