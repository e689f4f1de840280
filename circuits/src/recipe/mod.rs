//! How the columns of a later phase follow from those before it, once the challenges are known: plain data, which whoever holds the
//! columns evaluates where they are.
//!
//! A *derived* column is, in each row, a sum of terms
//!
//! `factor · Π switch(row) · operand(row + shift)`,
//!
//! where a factor is a polynomial in the challenges, a switch is a cell of small integers (or one minus it), and an operand is one of
//!
//! * a *linear form* `constant + Σ coefficient·cell` of small integers,
//! * the inverse of one, the quotients of lookups,
//! * the cell of a derived column that comes before.
//!
//! Where the column *accumulates*, that sum is what a row reads, and the column is `z_i = z_(i−1)·step_i + read_i` with a step that is a sum
//! of switches with factors. The *scalar unit* ([`ScalarUnit`]) is beside them: three columns whose rows take results of earlier rows.
//!
//! Rows are those of parts of the circuit's columns ([`Rows`]): one after the other, or with others between them.

mod host;

use std::collections::BTreeMap;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use crate::machine::Integers;

pub use host::{Derivation, IntegerSources};

/// Challenges that a recipe may speak of.
pub const CHALLENGES: usize = 4;

/// A column that a recipe reads, by its index in the constraint system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A fixed column.
    Fixed(usize),
    /// An advice column of an earlier phase.
    Advice(usize),
    /// An instance column.
    Instance(usize),
}

/// Every `stride`-th row from `first` on, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The first row.
    pub first: usize,
    /// From one row to the next; not zero.
    pub stride: usize,
    /// How many.
    pub count: usize,
}

impl Rows {
    /// The first rows of a column.
    pub fn all(count: usize) -> Self {
        Self { first: 0, stride: 1, count }
    }

    /// The row of the column that a row stands for.
    pub fn place(&self, row: usize) -> usize {
        self.first + self.stride * row
    }

    /// Rows that the column has at least.
    pub fn end(&self) -> usize {
        match self.count {
            0 => 0,
            count => self.place(count - 1) + 1,
        }
    }

    /// Whether they are the first rows of the column, without gaps.
    pub fn are_first(&self) -> bool {
        self.first == 0 && self.stride == 1
    }
}

/// Cells that are read: small integers. Those behind the last row are zero.
#[derive(Clone, Debug)]
pub struct Input {
    /// Their column.
    pub source: Source,
    /// Their rows.
    pub rows: Rows,
    /// The integers, where they are at hand without the column.
    pub integers: Option<Integers>,
}

/// A product of powers of challenges with a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monomial {
    /// The factor.
    pub factor: Fr,
    /// The exponent of each challenge.
    pub powers: [u32; CHALLENGES],
}

/// A polynomial in the challenges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coefficient(pub Vec<Monomial>);

impl Coefficient {
    /// The same element whatever the challenges.
    pub fn constant(factor: Fr) -> Self {
        Self(vec![Monomial { factor, powers: [0; CHALLENGES] }])
    }

    /// 1.
    pub fn one() -> Self {
        Self::constant(Fr::ONE)
    }

    /// A power of a challenge.
    pub fn power(challenge: usize, exponent: u32) -> Self {
        let mut powers = [0; CHALLENGES];
        powers[challenge] = exponent;
        Self(vec![Monomial { factor: Fr::ONE, powers }])
    }

    /// The sum of some of them.
    pub fn sum(coefficients: impl IntoIterator<Item = Self>) -> Self {
        Self(coefficients.into_iter().flat_map(|coefficient| coefficient.0).collect())
    }

    /// Its value. A challenge that is not there occurs in no monomial.
    pub fn value(&self, challenges: &[Fr]) -> Fr {
        let monomial = |monomial: &Monomial| {
            let powers = challenges.iter().zip(monomial.powers).filter(|(_, exponent)| *exponent != 0);
            powers.fold(monomial.factor, |product, (base, exponent)| product * base.pow_vartime([exponent.into()]))
        };
        self.0.iter().map(monomial).sum()
    }
}

/// `constant + Σ coefficient·input` in each row.
#[derive(Clone, Debug)]
pub struct Form {
    /// Inputs, by their number in the recipe, with their coefficients.
    pub terms: Vec<(usize, Coefficient)>,
    /// The constant.
    pub constant: Coefficient,
    /// Whether the form's inverse is taken: none is zero, but with negligible probability, and zero is its own.
    pub inverted: bool,
}

/// A small integer that a term is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// An input.
    On(usize),
    /// One minus an input.
    Off(usize),
}

impl Switch {
    /// The input.
    pub fn input(self) -> usize {
        match self {
            Self::On(input) | Self::Off(input) => input,
        }
    }
}

/// What a term takes from a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// 1.
    One,
    /// A form of the column's own.
    Form(usize),
    /// A derived column before this one.
    Column(usize),
}

/// `factor · Π switch(row) · operand(row + shift)`. Rows outside of the operand's are zero.
#[derive(Clone, Debug)]
pub struct Term {
    /// The factor.
    pub factor: Coefficient,
    /// The switches.
    pub switches: Vec<Switch>,
    /// The operand.
    pub operand: Operand,
    /// Rows further down in which the operand is read.
    pub shift: isize,
}

impl Term {
    /// An operand of the same row with a factor and switches.
    pub fn new(factor: Coefficient, switches: impl Into<Vec<Switch>>, operand: Operand) -> Self {
        Self { factor, switches: switches.into(), operand, shift: 0 }
    }
}

/// Where rows of a derived column lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The column of the circuit, by its number in the recipe.
    pub column: usize,
    /// Its rows.
    pub rows: Rows,
}

/// The rows of a derived column, and the places of their parts one after the other.
#[derive(Clone, Debug)]
pub struct Output {
    /// Rows.
    pub rows: usize,
    /// Where they lie.
    pub places: Vec<Place>,
}

impl Output {
    /// Its place, where it is a column of the circuit as it is.
    pub fn whole(&self) -> Option<usize> {
        match self.places[..] {
            [Place { column, rows }] if rows.are_first() => Some(column),
            _ => None,
        }
    }

    /// The column of the circuit, and the row there, of a row.
    pub fn cell(&self, mut row: usize) -> Option<(usize, usize)> {
        for place in &self.places {
            if row < place.rows.count {
                return Some((place.column, place.rows.place(row)));
            }
            row -= place.rows.count;
        }
        None
    }
}

/// A derived column.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Its rows and where they lie.
    pub output: Output,
    /// Its forms.
    pub forms: Vec<Form>,
    /// What a row reads.
    pub reads: Vec<Term>,
    /// The step of an accumulator, a sum of terms without operands; none where the column is what it reads.
    pub steps: Option<Vec<Term>>,
}

/// Coefficients of the scalar unit: small integers but for some rows.
#[derive(Clone, Debug)]
pub struct ScalarCells {
    /// The integers; rows behind them are zero.
    pub integers: Integers,
    /// What is added to them in some rows.
    pub elements: BTreeMap<usize, Fr>,
}

impl ScalarCells {
    /// Whether a row has a coefficient that is not zero.
    pub fn is_set(&self, row: usize) -> bool {
        (row < self.integers.len() && self.integers.get(row) != 0) || self.elements.contains_key(&row)
    }
}

/// What an operand of the scalar unit is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarOperand {
    /// Nothing: it is zero.
    Zero,
    /// A cell of small integers: a column, by its number in [`ScalarUnit::sources`], and its row.
    Source(u32, u32),
    /// A row of a derived column.
    Derived(u32, u32),
    /// The first operand of an earlier row, or the own row's for the second.
    A(u32),
    /// The second operand of an earlier row.
    B(u32),
    /// The result of an earlier row.
    C(u32),
}

/// Rows that are computed one after the other: `c_i = c_(i−1)·step_i + product_i·a_i·b_i + operand_i·a_i + constant_i`, with operands `a`, `b`
/// that are copies of cells. All rows behind those that are listed are zero.
#[derive(Clone, Debug)]
pub struct ScalarUnit {
    /// The rows and places of `a`, `b` and `c`.
    pub outputs: [Output; 3],
    /// What cells are copied from.
    pub sources: Vec<Source>,
    /// `[a, b]` of the rows.
    pub operands: Vec<[ScalarOperand; 2]>,
    /// The step: coefficients, each with a factor.
    pub steps: Vec<(ScalarCells, Coefficient)>,
    /// Coefficient of the product.
    pub product: Option<ScalarCells>,
    /// Coefficient of the first operand.
    pub operand: Option<ScalarCells>,
    /// The constant.
    pub constant: Option<ScalarCells>,
}

/// A column of the circuit that a recipe fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its index among the advice columns.
    pub advice: usize,
    /// Its rows; those that no derived column lies in are zero.
    pub rows: usize,
}

/// The columns of a phase.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What is filled.
    pub columns: Vec<Target>,
    /// What is read.
    pub inputs: Vec<Input>,
    /// The derived columns; each reads only those before it.
    pub derived: Vec<Derived>,
    /// The scalar unit, which reads all derived columns; its own are numbered behind them.
    pub scalars: Option<ScalarUnit>,
}

impl Recipe {
    /// The rows and places of all derived columns, those of the scalar unit behind the others.
    pub fn outputs(&self) -> impl Iterator<Item = &Output> {
        let scalars = self.scalars.iter().flat_map(|unit| &unit.outputs);
        self.derived.iter().map(|derived| &derived.output).chain(scalars)
    }
}
