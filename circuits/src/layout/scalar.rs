//! The program of the scalar unit: sums of products, powers of challenges, packed words.
//!
//! Row by row `c = c₋₁·(q_c + q_ρ·ρ + q_χ·χ) + q_m·a·b + q_a·a + q_k`. Row 0 is zero: cells that must be zero are copied
//! from it, and so are operands that a row does not use (no second-phase cell is free).

use std::collections::HashMap;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::machine::{AdviceColumn, Cell, FixedColumn, MachineParams};

/// What an operand of the scalar unit is copied from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    /// A cell whose place is known.
    Cell(Cell),
    /// The result of an earlier row of the scalar unit.
    Scalar(ScalarRef),
    /// The value of a block of weights.
    Weights(usize),
}

/// The result of a row of the scalar unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScalarRef(u32);

impl ScalarRef {
    /// The constant 0.
    pub(super) const ZERO: ScalarRef = ScalarRef(0);

    /// Its row.
    pub(super) fn row(self) -> u32 {
        self.0
    }

    /// Its cell.
    pub(super) fn cell(self) -> Cell {
        Cell::Advice(AdviceColumn::ScalarC, self.0)
    }
}

/// A challenge of which powers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Base {
    /// Position.
    Chi,
    /// Channel.
    Rho,
}

/// How a row takes up the result of the row before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Previous {
    /// Not at all.
    #[default]
    Drop,
    /// Times a constant.
    Times(i64),
    /// Times a challenge.
    Base(Base),
}

/// A row whose coefficients are small integers.
#[derive(Clone, Copy, Debug, Default)]
struct ScalarRow {
    previous: Previous,
    a: Option<Operand>,
    b: Option<Operand>,
    product: i64,
    operand: i64,
    constant: i64,
}

/// `a·(product·b + operand)` with coefficients that may be any field elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summand {
    pub(super) a: Operand,
    /// `None` where there is no product.
    pub(super) b: Option<Operand>,
    pub(super) product: Fr,
    pub(super) operand: Fr,
}

/// The rows of the scalar unit as they are built.
#[derive(Clone, Debug)]
pub(super) struct ScalarUnit {
    rows: Vec<ScalarRow>,
    powers: HashMap<(Base, u64), ScalarRef>,
    geometric: HashMap<(Base, u64), ScalarRef>,
    constants: HashMap<i64, ScalarRef>,
    /// Coefficients that are no small integers, in place of the zeros of their rows.
    elements: Vec<(FixedColumn, ScalarRef, Fr)>,
}

impl ScalarUnit {
    pub(super) fn new() -> Self {
        Self {
            rows: vec![ScalarRow::default()],
            powers: HashMap::new(),
            geometric: HashMap::new(),
            constants: HashMap::from([(0, ScalarRef::ZERO)]),
            elements: Vec::new(),
        }
    }

    /// Number of rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn push(&mut self, row: ScalarRow) -> ScalarRef {
        self.rows.push(row);
        ScalarRef(self.rows.len() as u32 - 1)
    }

    /// The constant `value`.
    pub(super) fn constant(&mut self, value: i64) -> ScalarRef {
        match self.constants.get(&value) {
            Some(&known) => known,
            None => {
                let new = self.push(ScalarRow { constant: value, ..ScalarRow::default() });
                self.constants.insert(value, new);
                new
            }
        }
    }

    /// `previous + factor·operand + constant`, where `previous` is what the last row is worth here.
    pub(super) fn add(&mut self, previous: Previous, factor: i64, operand: Operand, constant: i64) -> ScalarRef {
        self.push(ScalarRow { previous, a: Some(operand), operand: factor, constant, ..ScalarRow::default() })
    }

    /// `previous + a·b`.
    pub(super) fn multiply(&mut self, previous: Previous, a: Operand, b: Operand) -> ScalarRef {
        self.push(ScalarRow { previous, a: Some(a), b: Some(b), product: 1, ..ScalarRow::default() })
    }

    /// `previous·(the last row's result) + Σ summands + constant`: a row for each summand, and one where there are none.
    pub(super) fn combine(&mut self, previous: Fr, summands: &[Summand], constant: Fr) -> ScalarRef {
        let (first, rest) = match summands {
            [first, rest @ ..] => (self.summand(first), rest),
            [] => (self.push(ScalarRow::default()), summands),
        };
        self.coefficient(FixedColumn::ScalarPrevious, first, previous);
        self.coefficient(FixedColumn::ScalarConstant, first, constant);
        rest.iter().fold(first, |_, summand| {
            let row = self.summand(summand);
            self.coefficient(FixedColumn::ScalarPrevious, row, Fr::ONE);
            row
        })
    }

    fn summand(&mut self, &Summand { a, b, product, operand }: &Summand) -> ScalarRef {
        let row = self.push(ScalarRow { a: Some(a), b, ..ScalarRow::default() });
        self.coefficient(FixedColumn::ScalarProduct, row, product);
        self.coefficient(FixedColumn::ScalarOperand, row, operand);
        row
    }

    fn coefficient(&mut self, column: FixedColumn, row: ScalarRef, coefficient: Fr) {
        if coefficient != Fr::ZERO {
            self.elements.push((column, row, coefficient));
        }
    }

    /// The coefficients that are no small integers, with their columns and rows.
    pub(super) fn elements(&self) -> &[(FixedColumn, ScalarRef, Fr)] {
        &self.elements
    }

    /// `base^exponent`, by squaring; each power is computed once.
    pub(super) fn power(&mut self, base: Base, exponent: u64) -> ScalarRef {
        if exponent == 0 {
            return self.constant(1);
        }
        if let Some(&known) = self.powers.get(&(base, exponent)) {
            return known;
        }
        let half = self.power(base, exponent / 2);
        let mut power = self.multiply(Previous::Drop, Operand::Scalar(half), Operand::Scalar(half));
        if exponent % 2 == 1 {
            power = self.push(ScalarRow { previous: Previous::Base(base), ..ScalarRow::default() });
        }
        self.powers.insert((base, exponent), power);
        power
    }

    /// `1 + base + … + base^(count−1)`, by doubling.
    pub(super) fn geometric_sum(&mut self, base: Base, count: u64) -> ScalarRef {
        if count <= 1 {
            return self.constant(count as i64);
        }
        if let Some(&known) = self.geometric.get(&(base, count)) {
            return known;
        }
        let half = self.geometric_sum(base, count / 2);
        let power = self.power(base, count / 2);
        let factor = self.add(Previous::Drop, 1, Operand::Scalar(power), 1);
        let mut total = self.multiply(Previous::Drop, Operand::Scalar(half), Operand::Scalar(factor));
        if count % 2 == 1 {
            total = self.push(ScalarRow { previous: Previous::Base(base), constant: 1, ..ScalarRow::default() });
        }
        self.geometric.insert((base, count), total);
        total
    }

    /// Writes the fixed cells of all rows.
    pub(super) fn switches(&self, mut set: impl FnMut(FixedColumn, usize, i64)) {
        for (index, row) in self.rows.iter().enumerate() {
            match row.previous {
                Previous::Drop => {}
                Previous::Times(factor) => set(FixedColumn::ScalarPrevious, index, factor),
                Previous::Base(Base::Chi) => set(FixedColumn::ScalarChi, index, 1),
                Previous::Base(Base::Rho) => set(FixedColumn::ScalarRho, index, 1),
            }
            set(FixedColumn::ScalarProduct, index, row.product);
            set(FixedColumn::ScalarOperand, index, row.operand);
            set(FixedColumn::ScalarConstant, index, row.constant);
        }
    }

    /// Lists the copies of the operands of `rows` rows, those behind the last one included.
    ///
    /// `weights(block)` is the row where the value of a block of weights is found.
    pub(super) fn copies(
        &self,
        params: &MachineParams,
        rows: usize,
        weights: impl Fn(usize) -> u32,
        copies: &mut Vec<(Cell, Cell)>,
    ) {
        let locate = |operand: Option<Operand>| match operand {
            None => ScalarRef::ZERO.cell(),
            Some(Operand::Cell(cell)) => cell,
            Some(Operand::Scalar(scalar)) => scalar.cell(),
            Some(Operand::Weights(block)) => Cell::Advice(AdviceColumn::weight_result(params), weights(block)),
        };
        let empty = ScalarRow::default();
        for (index, row) in (0..rows as u32).zip(self.rows.iter().chain(std::iter::repeat(&empty))) {
            copies.push((locate(row.a), Cell::Advice(AdviceColumn::ScalarA, index)));
            copies.push((locate(row.b), Cell::Advice(AdviceColumn::ScalarB, index)));
        }
    }
}
