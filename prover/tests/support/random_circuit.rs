//! Random circuits whose constraints hold by construction, for property tests of proving engines.
//!
//! A seed gives a [`Shape`] and, with it, a constraint system, its fixed and instance values and a recipe for its witness.
//! Columns come in an order in which each depends on earlier ones alone:
//!
//! - every **gate** constraint is `q·(e − x)` (in several forms, maybe times another factor), where `q` is a fixed column that
//!   is zero near both ends of the usable rows, `e` an expression in earlier columns and `x` a column of its own that is
//!   solved for, row by row; `e` may look back at `x` itself;
//! - every **lookup** has columns of its own as inputs, solved for so that each row holds some row of the table;
//! - **copies** are between a cell that nothing else determines and an earlier cell, whose value it takes.
//!
//! Columns of the second phase may depend on challenges. Among the fixed columns are empty ones, doubles, and ones that
//! nothing queries; instance columns may be empty.
//!
//! The quotient has as many pieces as the constraint system's degree says, and some constraint is of that degree whatever
//! is drawn: pieces that are zero can't be written to a proof.

#![allow(dead_code, unreachable_pub, reason = "test programs use parts of it")]

use std::collections::BTreeSet;
use std::sync::Arc;

use halo2_proofs::circuit::{Cell, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{
    Advice, Any, Assigned, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
    Instance, SecondPhase, TableColumn, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use proptest::prelude::{any, Strategy};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Rotations go from `-REACH` to `REACH`.
const REACH: i32 = 3;

/// The degree up to which the library takes a system's degree from its constraints.
const NATURAL_DEGREE: usize = 5;

/// What a random circuit is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The binary logarithm of the number of rows, at least 5.
    pub k: u32,
    /// Fixed columns besides those that gates and lookups bring with them.
    pub fixed: usize,
    /// Advice columns of either phase, besides those that are solved for. Columns of phase 1 need one of phase 0.
    pub advice: [usize; 2],
    /// Instance columns.
    pub instances: usize,
    /// Challenges after phase 0. There are none without an advice column.
    pub challenges: usize,
    /// Gates. Where there is neither gate nor lookup, some column is in the permutation.
    pub gates: usize,
    /// Lookups.
    pub lookups: usize,
    /// The highest degree of a gate, at least 2. Above 5 it becomes the system's minimum degree.
    pub degree: usize,
    /// How many of 100 columns are in the permutation.
    pub equality: u64,
    /// How many of 100 cells that may be copies are.
    pub copies: u64,
    /// Whether the system has a column for constants.
    pub constants: bool,
    /// A minimum degree to set. Without gates none is set.
    pub minimum_degree: Option<usize>,
}

impl Shape {
    /// A shape drawn at random, with 2^5 to 2^7 rows.
    pub fn random(draw: &mut Draw) -> Self {
        let second_phase = draw.chance(50);
        Self {
            k: 5 + draw.below(3) as u32,
            fixed: draw.below(4),
            advice: [draw.below(4), if second_phase { draw.below(3) } else { 0 }],
            instances: draw.below(4),
            challenges: if draw.chance(60) { draw.below(4) } else { 0 },
            gates: if draw.chance(15) { 0 } else { 1 + draw.below(4) },
            lookups: if draw.chance(40) { 0 } else { 1 + draw.below(3) },
            degree: 2 + draw.below(5),
            equality: draw.pick(&[0, 30, 60, 100]),
            copies: draw.pick(&[0, 10, 60]),
            constants: draw.chance(25),
            minimum_degree: if draw.chance(30) { Some(1 + draw.below(8)) } else { None },
        }
    }
}

/// A source of random choices.
pub struct Draw(ChaCha20Rng);

impl Draw {
    /// The choices that `seed` stands for.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    fn chance(&mut self, of_100: u64) -> bool {
        self.0.next_u64() % 100 < of_100
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn rotation(&mut self, reach: i32) -> i32 {
        self.below(2 * reach as usize + 1) as i32 - reach
    }

    /// A value: often one of few, so that values coincide.
    fn value(&mut self) -> Fr {
        match self.below(4) {
            0 => Fr::from(self.below(3) as u64),
            1 => -Fr::from(self.below(3) as u64),
            2 => Fr::from(self.0.next_u64()),
            _ => Fr::random(&mut self.0),
        }
    }

    fn nonzero(&mut self) -> Fr {
        Fr::from(1 + self.below(1 << 20) as u64)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|last| items.swap(last, self.below(last + 1)));
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Fixed(usize),
    Instance(usize),
    Advice(usize),
}

/// A cell: column and row.
type Position = (Place, usize);

/// An expression.
#[derive(Clone, Debug)]
enum Term {
    Constant(Fr),
    Challenge(usize),
    Query(Place, i32),
    Negated(Box<Term>),
    Sum(Box<Term>, Box<Term>),
    Product(Box<Term>, Box<Term>),
    Scaled(Box<Term>, Fr),
}

impl Term {
    fn plus(self, other: Self) -> Self {
        Self::Sum(Box::new(self), Box::new(other))
    }

    fn times(self, other: Self) -> Self {
        Self::Product(Box::new(self), Box::new(other))
    }

    fn negated(self) -> Self {
        Self::Negated(Box::new(self))
    }

    fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    fn degree(&self) -> usize {
        match self {
            Self::Constant(_) | Self::Challenge(_) => 0,
            Self::Query(..) => 1,
            Self::Negated(term) | Self::Scaled(term, _) => term.degree(),
            Self::Sum(a, b) => a.degree().max(b.degree()),
            Self::Product(a, b) => a.degree() + b.degree(),
        }
    }

    fn evaluate(&self, row: usize, values: &Values) -> Fr {
        match self {
            Self::Constant(value) => *value,
            Self::Challenge(index) => values.challenges[*index],
            Self::Query(place, rotation) => {
                let column = values.column(*place);
                column[(row as i32 + rotation).rem_euclid(column.len() as i32) as usize]
            }
            Self::Negated(term) => -term.evaluate(row, values),
            Self::Sum(a, b) => a.evaluate(row, values) + b.evaluate(row, values),
            Self::Product(a, b) => a.evaluate(row, values) * b.evaluate(row, values),
            Self::Scaled(term, factor) => term.evaluate(row, values) * factor,
        }
    }

    fn expression(&self, cells: &mut VirtualCells<'_, Fr>, columns: &Columns) -> Expression<Fr> {
        match self {
            Self::Constant(value) => Expression::Constant(*value),
            Self::Challenge(index) => cells.query_challenge(columns.challenges[*index]),
            Self::Query(place, rotation) => cells.query_any(columns.column(*place), Rotation(*rotation)),
            Self::Negated(term) => -term.expression(cells, columns),
            Self::Sum(a, b) => a.expression(cells, columns) + b.expression(cells, columns),
            Self::Product(a, b) => a.expression(cells, columns) * b.expression(cells, columns),
            Self::Scaled(term, factor) => term.expression(cells, columns) * *factor,
        }
    }
}

/// Values of all columns, of all 2^k rows each; zero in the rows that can't be used.
struct Values {
    fixed: Vec<Vec<Fr>>,
    instances: Vec<Vec<Fr>>,
    advice: Vec<Vec<Fr>>,
    challenges: Vec<Fr>,
}

impl Values {
    fn column(&self, place: Place) -> &[Fr] {
        match place {
            Place::Fixed(index) => &self.fixed[index],
            Place::Instance(index) => &self.instances[index],
            Place::Advice(index) => &self.advice[index],
        }
    }

    fn column_mut(&mut self, place: Place) -> &mut [Fr] {
        match place {
            Place::Fixed(index) => &mut self.fixed[index],
            Place::Instance(index) => &mut self.instances[index],
            Place::Advice(index) => &mut self.advice[index],
        }
    }
}

/// What is in a fixed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Drawn,
    Empty,
    SameAs(usize),
    /// Switches constraints on: zero near the ends of the usable rows; 0 or 1 where `bits`.
    Switch {
        bits: bool,
    },
    /// A column of the table of the lookup.
    Table {
        lookup: usize,
    },
    /// What the floor planner puts there.
    Constants,
}

/// The rows in which a column is solved for.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// Those in which the query of a fixed column is not zero.
    Switched(usize, i32),
    Usable,
}

/// How a column is solved for: in each of the rows, the cell at `rotation` is the value of `base`, plus that of the table's
/// term in the row that is looked up.
#[derive(Clone, Debug)]
struct Solution {
    rows: Rows,
    rotation: i32,
    base: Term,
    table: Option<(usize, Term)>,
}

#[derive(Clone, Debug)]
struct Lookup {
    pairs: Vec<(Term, Term)>,
    /// Whether the table is made of the library's table columns.
    table_columns: bool,
}

/// A constraint system, and how its witness is solved for.
#[derive(Debug, Default)]
struct Structure {
    fixed: Vec<Content>,
    instances: usize,
    /// Phase and solution of each advice column.
    advice: Vec<(u8, Option<Solution>)>,
    challenges: usize,
    gates: Vec<Vec<Term>>,
    lookups: Vec<Lookup>,
    equality: Vec<Place>,
    /// Whether equality is enabled before gates are made.
    equality_first: bool,
    constants: Option<usize>,
    minimum_degree: Option<usize>,
}

impl Structure {
    fn random(shape: &Shape, draw: &mut Draw) -> Self {
        let mut structure = Self { instances: shape.instances, equality_first: draw.chance(50), ..Self::default() };
        structure.add_fixed(shape, draw);
        structure.add_advice(shape, draw);
        let mut gates = shape.gates;
        if gates + shape.lookups == 0 && shape.equality == 0 {
            gates = 1;
        }
        let mut lookup_comes: Vec<bool> =
            (0..gates.saturating_sub(1) + shape.lookups).map(|i| i < shape.lookups).collect();
        draw.shuffle(&mut lookup_comes);
        for lookup_comes in lookup_comes {
            if lookup_comes {
                structure.add_lookup(gates == 0, shape, draw);
            } else {
                structure.add_gate(shape, draw);
            }
        }
        if gates > 0 {
            structure.set_degree(shape, draw);
        }
        structure.add_equality(shape, draw);
        structure
    }

    fn add_fixed(&mut self, shape: &Shape, draw: &mut Draw) {
        for index in 0..shape.fixed {
            self.fixed.push(match draw.below(5) {
                0 => Content::Empty,
                1 if index > 0 => Content::SameAs(draw.below(index)),
                _ => Content::Drawn,
            });
        }
        if shape.constants {
            self.constants = Some(self.fixed.len());
            self.fixed.push(Content::Constants);
        }
    }

    fn add_advice(&mut self, shape: &Shape, draw: &mut Draw) {
        let [first, second] = shape.advice;
        let first = if first == 0 && (second > 0 || shape.challenges > 0) { 1 } else { first };
        let mut phases: Vec<u8> = (0..first + second).map(|index| u8::from(index >= first)).collect();
        if phases.len() > 1 {
            draw.shuffle(&mut phases[1..]);
        }
        self.advice = phases.into_iter().map(|phase| (phase, None)).collect();
        self.challenges = shape.challenges;
    }

    fn phase_for_target(&self, draw: &mut Draw) -> u8 {
        u8::from(self.advice.iter().any(|(phase, _)| *phase == 1) && draw.chance(50))
    }

    /// The columns that a column of `phase` may depend on.
    fn columns_before(&self, phase: u8) -> Vec<Place> {
        let fixed = (0..self.fixed.len()).map(Place::Fixed);
        let advice = (0..self.advice.len()).filter(|index| self.advice[*index].0 <= phase).map(Place::Advice);
        fixed.chain((0..self.instances).map(Place::Instance)).chain(advice).collect()
    }

    /// A term of at most `degree` over what a column of `phase` may depend on.
    fn term(&self, degree: usize, phase: u8, reach: i32, extra: Option<(usize, i32)>, draw: &mut Draw) -> Term {
        let mut columns = self.columns_before(phase);
        // Leans towards advice columns.
        columns.extend_from_within(self.fixed.len() + self.instances..);
        let scope = Scope { columns, challenges: if phase > 0 { self.challenges } else { 0 }, reach, extra };
        scope.term(degree, 4, draw)
    }

    fn switch(&mut self, bits: bool, draw: &mut Draw) -> (usize, i32) {
        let wanted = Content::Switch { bits };
        let old: Vec<usize> = (0..self.fixed.len()).filter(|index| self.fixed[*index] == wanted).collect();
        if old.is_empty() || draw.chance(60) {
            self.fixed.push(wanted);
            (self.fixed.len() - 1, draw.rotation(REACH))
        } else {
            (draw.pick(&old), draw.rotation(REACH))
        }
    }

    fn add_gate(&mut self, shape: &Shape, draw: &mut Draw) {
        let constraints = (0..1 + draw.below(2))
            .map(|_| {
                let form = draw.below(5);
                self.constraint(shape.degree, form, draw)
            })
            .collect();
        self.gates.push(constraints);
    }

    /// A constraint of at most `degree` with a column of its own. In the forms from 3 on it may hold for any witness.
    fn constraint(&mut self, degree: usize, form: usize, draw: &mut Draw) -> Term {
        let bits = draw.chance(50);
        let (switch, switch_rotation) = self.switch(bits, draw);
        let (phase, rotation) = (self.phase_for_target(draw), draw.rotation(REACH));
        let target = self.advice.len();
        let looks_back = (rotation > -REACH && draw.chance(40)).then_some((target, rotation));
        let base_degree = 1 + draw.below(degree - 1);
        let base = self.term(base_degree, phase, REACH, looks_back, draw);
        let solution =
            Solution { rows: Rows::Switched(switch, switch_rotation), rotation, base: base.clone(), table: None };
        self.advice.push((phase, Some(solution)));
        let switch = Term::Query(Place::Fixed(switch), switch_rotation);
        let target = Term::Query(Place::Advice(target), rotation);
        match form {
            0 => switch.times(base.minus(target)),
            1 => target.minus(base).times(switch),
            2 => switch.clone().times(base).minus(switch.times(target)),
            3 => Term::Scaled(Box::new(switch.times(target.minus(base))), draw.value()),
            _ => {
                let left = degree - 1 - base.degree().max(1);
                let factor = self.term(left, 1, REACH, None, draw);
                switch.times(base.minus(target).times(factor))
            }
        }
    }

    /// Sets the minimum degree, and adds a constraint of exactly the system's degree.
    fn set_degree(&mut self, shape: &Shape, draw: &mut Draw) {
        let gates = self.gates.iter().flatten().map(Term::degree).max().unwrap_or(0).max(shape.degree);
        let lookups = self.lookups.iter().map(lookup_degree).max().unwrap_or(0);
        let constraints = gates.max(lookups).max(3);
        self.minimum_degree = match shape.minimum_degree {
            Some(minimum) if constraints > NATURAL_DEGREE => Some(minimum.max(constraints)),
            None if constraints > NATURAL_DEGREE => Some(constraints),
            minimum => minimum,
        };
        let degree = constraints.min(NATURAL_DEGREE).max(self.minimum_degree.unwrap_or(1));
        let own = self.constraint(2, draw.below(3), draw);
        let advice: Vec<usize> = (0..self.advice.len()).collect();
        let factors = own.degree()..degree;
        let whole = factors.fold(own, |product, _| {
            let query = Term::Query(Place::Advice(draw.pick(&advice)), draw.rotation(1));
            // Shifted, since a column may be zero in the rows that count.
            product.times(query.plus(Term::Constant(draw.nonzero())))
        });
        self.gates.push(vec![whole]);
    }

    fn add_lookup(&mut self, simple: bool, shape: &Shape, draw: &mut Draw) {
        let width = 1 + draw.below(2);
        match draw.below(3) {
            0 => self.add_table_lookup(width, simple || draw.chance(50), draw),
            1 if !simple => self.add_switched_lookup(width, draw),
            _ if shape.fixed + self.advice.len() > 0 => self.add_plain_lookup(width, simple, draw),
            _ => self.add_table_lookup(width, true, draw),
        }
    }

    /// The lookup's inputs: columns of their own. Returns the input terms.
    fn inputs(
        &mut self,
        phase: u8,
        tables: &[Term],
        switch: Option<(usize, i32)>,
        shifts: &[Term],
        draw: &mut Draw,
    ) -> Vec<Term> {
        let lookup = self.lookups.len();
        let mut inputs = Vec::new();
        for (table, shift) in tables.iter().zip(shifts) {
            let rotation = if switch.is_some() { draw.rotation(REACH) } else { 0 };
            let rows = switch.map_or(Rows::Usable, |(column, rotation)| Rows::Switched(column, rotation));
            let target = Term::Query(Place::Advice(self.advice.len()), rotation);
            let table = Some((lookup, table.clone()));
            self.advice.push((phase, Some(Solution { rows, rotation, base: shift.clone(), table })));
            let input = match shift {
                Term::Constant(value) if *value == Fr::ZERO => target,
                _ => target.minus(shift.clone()),
            };
            inputs.push(match switch {
                Some((column, rotation)) => Term::Query(Place::Fixed(column), rotation).times(input),
                None => input,
            });
        }
        inputs
    }

    /// A lookup in the library's table columns, in each row or where switched on.
    fn add_table_lookup(&mut self, width: usize, everywhere: bool, draw: &mut Draw) {
        let (lookup, first) = (self.lookups.len(), self.fixed.len());
        self.fixed.extend(vec![Content::Table { lookup }; width]);
        let tables: Vec<Term> = (first..first + width).map(|index| Term::Query(Place::Fixed(index), 0)).collect();
        let phase = self.phase_for_target(draw);
        let switch = if everywhere { None } else { Some(self.switch(true, draw)) };
        let shifts: Vec<Term> = if everywhere {
            vec![Term::Constant(Fr::ZERO); width]
        } else {
            (0..width).map(|_| self.term(1, phase, REACH, None, draw)).collect()
        };
        let inputs = self.inputs(phase, &tables, switch, &shifts, draw);
        self.lookups.push(Lookup { pairs: inputs.into_iter().zip(tables).collect(), table_columns: true });
    }

    /// A lookup in each row; the table is made of queries of any columns.
    fn add_plain_lookup(&mut self, width: usize, simple: bool, draw: &mut Draw) {
        let phase = self.phase_for_target(draw);
        let columns = self.columns_before(phase);
        let tables: Vec<Term> = (0..width)
            .map(|_| match draw.pick(&columns) {
                advice @ Place::Advice(_) => Term::Query(advice, 0),
                other => Term::Query(other, draw.rotation(REACH)),
            })
            .collect();
        let shifts: Vec<Term> = (0..width)
            .map(|_| if simple { Term::Constant(Fr::ZERO) } else { self.term(1, phase, 0, None, draw) })
            .collect();
        let inputs = self.inputs(phase, &tables, None, &shifts, draw);
        self.lookups.push(Lookup { pairs: inputs.into_iter().zip(tables).collect(), table_columns: false });
    }

    /// A lookup whose inputs and table are switched on by columns of their own; where off, all are zero.
    fn add_switched_lookup(&mut self, width: usize, draw: &mut Draw) {
        let phase = self.phase_for_target(draw);
        let (table_switch, table_rotation) = self.switch(false, draw);
        let tables: Vec<Term> = (0..width)
            .map(|_| {
                let table_switch = Term::Query(Place::Fixed(table_switch), table_rotation);
                table_switch.times(self.term(1, phase, REACH, None, draw))
            })
            .collect();
        let switch = self.switch(true, draw);
        let shifts: Vec<Term> = (0..width).map(|_| self.term(1, phase, REACH, None, draw)).collect();
        let inputs = self.inputs(phase, &tables, Some(switch), &shifts, draw);
        self.lookups.push(Lookup { pairs: inputs.into_iter().zip(tables).collect(), table_columns: false });
    }

    fn add_equality(&mut self, shape: &Shape, draw: &mut Draw) {
        let mut columns = self.columns_before(1);
        draw.shuffle(&mut columns);
        self.equality = columns.iter().copied().filter(|_| draw.chance(shape.equality)).collect();
        if self.gates.is_empty() && self.lookups.is_empty() && self.equality.is_empty() && self.constants.is_none() {
            match columns.first() {
                Some(column) => self.equality.push(*column),
                None => {
                    self.instances = 1;
                    self.equality.push(Place::Instance(0));
                }
            }
        }
    }

    /// The columns of the permutation argument.
    fn in_permutation(&self) -> BTreeSet<Place> {
        self.equality.iter().copied().chain(self.constants.map(Place::Fixed)).collect()
    }

    fn configure(&self, system: &mut ConstraintSystem<Fr>) -> Columns {
        let mut columns = Columns::default();
        for content in &self.fixed {
            let table = matches!(content, Content::Table { .. }).then(|| system.lookup_table_column());
            columns.fixed.push(table.map_or_else(|| system.fixed_column(), |table| table.inner()));
            columns.tables.push(table);
        }
        columns.instances = (0..self.instances).map(|_| system.instance_column()).collect();
        for (phase, _) in &self.advice {
            columns.advice.push(match phase {
                0 => system.advice_column(),
                _ => system.advice_column_in(SecondPhase),
            });
        }
        columns.challenges = (0..self.challenges).map(|_| system.challenge_usable_after(FirstPhase)).collect();
        if self.equality_first {
            self.enable_equality(system, &columns);
        }
        for gate in &self.gates {
            system.create_gate("gate", |cells| {
                gate.iter().map(|term| term.expression(cells, &columns)).collect::<Vec<_>>()
            });
        }
        for lookup in &self.lookups {
            lookup.configure(system, &columns);
        }
        if !self.equality_first {
            self.enable_equality(system, &columns);
        }
        if let Some(degree) = self.minimum_degree {
            system.set_minimum_degree(degree);
        }
        columns
    }

    fn enable_equality(&self, system: &mut ConstraintSystem<Fr>, columns: &Columns) {
        self.equality.iter().for_each(|place| system.enable_equality(columns.column(*place)));
        if let Some(constants) = self.constants {
            system.enable_constant(columns.fixed[constants]);
        }
    }
}

impl Lookup {
    fn configure(&self, system: &mut ConstraintSystem<Fr>, columns: &Columns) {
        if self.table_columns {
            system.lookup("table", |cells| {
                let pair = |(input, table): &(Term, Term)| match table {
                    Term::Query(Place::Fixed(index), 0) => {
                        (input.expression(cells, columns), columns.tables[*index].expect("a table column"))
                    }
                    other => unreachable!("{other:?} is no table column"),
                };
                self.pairs.iter().map(pair).collect()
            });
        } else {
            system.lookup_any("any", |cells| {
                let both = |(input, table): &(Term, Term)| {
                    (input.expression(cells, columns), table.expression(cells, columns))
                };
                self.pairs.iter().map(both).collect()
            });
        }
    }
}

/// What the library takes as a lookup's degree.
fn lookup_degree(lookup: &Lookup) -> usize {
    let input = lookup.pairs.iter().map(|(input, _)| input.degree()).max().unwrap_or(1).max(1);
    let table = lookup.pairs.iter().map(|(_, table)| table.degree()).max().unwrap_or(1).max(1);
    2 + input + table
}

/// What a term may be made of.
struct Scope {
    columns: Vec<Place>,
    challenges: usize,
    reach: i32,
    /// A column that may be queried at rotations below the one given.
    extra: Option<(usize, i32)>,
}

impl Scope {
    fn term(&self, degree: usize, depth: usize, draw: &mut Draw) -> Term {
        if degree == 0 || (self.columns.is_empty() && self.extra.is_none()) {
            return self.scalar(draw);
        }
        if depth == 0 {
            return self.query(draw);
        }
        match draw.below(8) {
            0 | 1 => self.term(degree, depth - 1, draw).plus(self.term(degree, depth - 1, draw)),
            2 | 3 if degree > 1 => {
                let first = 1 + draw.below(degree - 1);
                self.term(first, depth - 1, draw).times(self.term(degree - first, depth - 1, draw))
            }
            2 => self.scalar(draw).times(self.query(draw)),
            3 => self.scalar(draw),
            4 => self.term(degree, depth - 1, draw).negated(),
            5 => Term::Scaled(Box::new(self.term(degree, depth - 1, draw)), draw.value()),
            _ => self.query(draw),
        }
    }

    fn scalar(&self, draw: &mut Draw) -> Term {
        if self.challenges > 0 && draw.chance(60) {
            Term::Challenge(draw.below(self.challenges))
        } else {
            Term::Constant(draw.value())
        }
    }

    fn query(&self, draw: &mut Draw) -> Term {
        match self.extra {
            Some((column, below)) if self.columns.is_empty() || draw.chance(30) => {
                let rotation = below - 1 - draw.below((below + REACH) as usize) as i32;
                Term::Query(Place::Advice(column), rotation)
            }
            _ => Term::Query(draw.pick(&self.columns), draw.rotation(self.reach)),
        }
    }
}

/// Where the value of a cell comes from.
#[derive(Clone, Copy, Debug)]
enum Recipe {
    Given(Fr),
    Copied(Position),
    Solved,
}

/// All about a circuit but its challenges.
#[derive(Clone)]
struct Plan {
    seed: u64,
    shape: Shape,
    structure: Arc<Structure>,
    usable: usize,
    fixed: Vec<Vec<Fr>>,
    instances: Vec<Vec<Fr>>,
    /// For each advice column, the usable cells.
    advice: Vec<Vec<Recipe>>,
    /// For each lookup, the table's row that each row holds.
    looked_up: Vec<Vec<usize>>,
    copies: Vec<(Position, Position)>,
    /// The advice cells that are constrained to be constants, in order.
    constants: Vec<Position>,
    /// Whether the last column is solved for wrongly.
    faulty: bool,
}

impl Plan {
    fn new(seed: u64, shape: Shape, draw: &mut Draw) -> Self {
        assert!(shape.k >= 5, "2^{} rows don't do", shape.k);
        let structure = Arc::new(Structure::random(&shape, draw));
        let mut system = ConstraintSystem::default();
        structure.configure(&mut system);
        let usable = (1 << shape.k) - system.blinding_factors() - 1;
        Planner::new(&shape, &structure, usable, draw).plan(seed, draw)
    }

    /// The advice columns, all rows; those of phase 1 stay zero where no challenges are given.
    fn advice(&self, challenges: Option<&[Fr]>) -> Vec<Vec<Fr>> {
        let rows = 1 << self.shape.k;
        let padded = |values: &Vec<Fr>| values.iter().copied().chain(std::iter::repeat(Fr::ZERO)).take(rows).collect();
        let mut values = Values {
            fixed: self.fixed.clone(),
            instances: self.instances.iter().map(padded).collect(),
            advice: vec![vec![Fr::ZERO; rows]; self.advice.len()],
            challenges: challenges.unwrap_or_default().to_vec(),
        };
        for phase in 0..=u8::from(challenges.is_some()) {
            for index in (0..self.advice.len()).filter(|index| self.structure.advice[*index].0 == phase) {
                self.fill(index, &mut values);
            }
        }
        values.advice
    }

    fn fill(&self, index: usize, values: &mut Values) {
        for (row, recipe) in self.advice[index].iter().enumerate() {
            values.advice[index][row] = match recipe {
                Recipe::Given(value) => *value,
                Recipe::Copied((place, row)) => values.column(*place)[*row],
                Recipe::Solved => Fr::ZERO,
            };
        }
        let Some(solution) = &self.structure.advice[index].1 else { return };
        for row in solved_rows(solution, &self.fixed, self.usable) {
            let looked_up = solution.table.as_ref().map(|(lookup, term)| {
                let table_row = self.looked_up[*lookup][row];
                term.evaluate(table_row, values)
            });
            let fault = Fr::from(u64::from(self.faulty && index + 1 == self.advice.len()));
            let value = solution.base.evaluate(row, values) + looked_up.unwrap_or(Fr::ZERO) + fault;
            values.advice[index][(row as i32 + solution.rotation) as usize] = value;
        }
    }
}

/// The rows of a solution, from first to last.
fn solved_rows(solution: &Solution, fixed: &[Vec<Fr>], usable: usize) -> Vec<usize> {
    let solved = |row: &usize| match solution.rows {
        Rows::Usable => true,
        Rows::Switched(column, rotation) => {
            let rows = fixed[column].len() as i32;
            fixed[column][(*row as i32 + rotation).rem_euclid(rows) as usize] != Fr::ZERO
        }
    };
    (0..usable).filter(solved).collect()
}

/// Draws values and recipes, column by column.
struct Planner<'a> {
    shape: &'a Shape,
    structure: &'a Arc<Structure>,
    usable: usize,
    values: Values,
    permutation: BTreeSet<Place>,
    /// The cells that later cells may be copied from.
    sources: Vec<Position>,
    copies: Vec<(Position, Position)>,
    constants: Vec<Position>,
}

impl<'a> Planner<'a> {
    fn new(shape: &'a Shape, structure: &'a Arc<Structure>, usable: usize, draw: &mut Draw) -> Self {
        let zeros = vec![Fr::ZERO; 1 << shape.k];
        let mut planner = Self {
            shape,
            structure,
            usable,
            values: Values {
                fixed: vec![zeros.clone(); structure.fixed.len()],
                instances: vec![zeros; structure.instances],
                advice: Vec::new(),
                challenges: Vec::new(),
            },
            permutation: structure.in_permutation(),
            sources: Vec::new(),
            copies: Vec::new(),
            constants: Vec::new(),
        };
        (0..structure.fixed.len()).for_each(|index| planner.draw_fixed(index, draw));
        planner
    }

    fn plan(mut self, seed: u64, draw: &mut Draw) -> Plan {
        let instances = (0..self.structure.instances).map(|index| self.draw_instance(index, draw)).collect();
        let mut advice = vec![Vec::new(); self.structure.advice.len()];
        for phase in 0..2 {
            for index in (0..advice.len()).filter(|index| self.structure.advice[*index].0 == phase) {
                advice[index] = self.draw_advice(index, draw);
            }
        }
        self.add_needless_copies(draw);
        let rows = 1 << self.shape.k;
        let looked_up = self.structure.lookups.iter();
        Plan {
            seed,
            shape: self.shape.clone(),
            structure: self.structure.clone(),
            usable: self.usable,
            fixed: self.values.fixed,
            instances,
            advice,
            looked_up: looked_up.map(|_| (0..rows).map(|_| draw.below(self.usable)).collect()).collect(),
            copies: self.copies,
            constants: self.constants,
            faulty: false,
        }
    }

    fn draw_fixed(&mut self, index: usize, draw: &mut Draw) {
        let inner = 2 * REACH as usize..self.usable - 2 * REACH as usize;
        match self.structure.fixed[index] {
            Content::Drawn => (0..self.usable).for_each(|row| {
                let value = draw.value();
                let value = self.copied((Place::Fixed(index), row), draw).unwrap_or(value);
                self.values.fixed[index][row] = value;
                self.add_source((Place::Fixed(index), row));
            }),
            // In a group with the column it equals, its cells would be free to differ.
            Content::SameAs(other) => self.values.fixed[index] = self.values.fixed[other].clone(),
            Content::Switch { bits } => inner.for_each(|row| {
                self.values.fixed[index][row] = match draw.chance(80) {
                    true if bits => Fr::ONE,
                    true => draw.nonzero(),
                    false => Fr::ZERO,
                };
            }),
            Content::Table { lookup } => {
                // The rows behind the first few are filled with the first one. One row is zero, for inputs that are
                // switched off.
                let length = 3 + lookup % 5;
                let first = draw.nonzero();
                let values = (0..self.usable).map(|row| match row {
                    1 => Fr::ZERO,
                    row if row == 0 || row >= length => first,
                    _ => draw.value(),
                });
                let values: Vec<Fr> = values.collect();
                self.values.fixed[index][..self.usable].copy_from_slice(&values);
            }
            Content::Empty | Content::Constants => {}
        }
        if !matches!(self.structure.fixed[index], Content::Drawn | Content::Constants) {
            (0..self.usable).for_each(|row| self.add_source((Place::Fixed(index), row)));
        }
    }

    fn draw_instance(&mut self, index: usize, draw: &mut Draw) -> Vec<Fr> {
        let length = match draw.below(4) {
            0 => 0,
            1 => self.usable,
            _ => draw.below(self.usable + 1),
        };
        for row in 0..self.usable {
            if row < length {
                let value = draw.value();
                let value = self.copied((Place::Instance(index), row), draw).unwrap_or(value);
                self.values.instances[index][row] = value;
            }
            self.add_source((Place::Instance(index), row));
        }
        self.values.instances[index][..length].to_vec()
    }

    fn draw_advice(&mut self, index: usize, draw: &mut Draw) -> Vec<Recipe> {
        let place = Place::Advice(index);
        let mut recipes: Vec<Recipe> = vec![Recipe::Given(Fr::ZERO); self.usable];
        if let Some(solution) = &self.structure.advice[index].1 {
            for row in solved_rows(solution, &self.values.fixed, self.usable) {
                recipes[(row as i32 + solution.rotation) as usize] = Recipe::Solved;
            }
        }
        for (row, recipe) in recipes.iter_mut().enumerate() {
            if matches!(recipe, Recipe::Given(_)) {
                *recipe = self.draw_cell((place, row), draw);
                self.add_source((place, row));
            }
        }
        for row in (0..self.usable).filter(|row| matches!(recipes[*row], Recipe::Solved)) {
            self.add_source((place, row));
        }
        recipes
    }

    fn draw_cell(&mut self, cell: Position, draw: &mut Draw) -> Recipe {
        let permuted = self.permutation.contains(&cell.0);
        if let Some(column) = self.structure.constants {
            let row = self.constants.len();
            if permuted && row < self.usable && draw.chance(5) {
                let value = draw.value();
                self.values.column_mut(Place::Fixed(column))[row] = value;
                self.constants.push(cell);
                return Recipe::Given(value);
            }
        }
        if permuted && !self.sources.is_empty() && draw.chance(self.shape.copies) {
            let source = draw.pick(&self.sources);
            self.add_copy(cell, source, draw);
            return Recipe::Copied(source);
        }
        Recipe::Given(if draw.chance(10) { Fr::ZERO } else { draw.value() })
    }

    /// The value that a fixed or instance cell takes from an earlier one, if it is to be a copy.
    fn copied(&mut self, cell: Position, draw: &mut Draw) -> Option<Fr> {
        if self.sources.is_empty() || !self.permutation.contains(&cell.0) || !draw.chance(self.shape.copies) {
            return None;
        }
        let source = draw.pick(&self.sources);
        self.add_copy(cell, source, draw);
        Some(self.values.column(source.0)[source.1])
    }

    fn add_source(&mut self, cell: Position) {
        if self.permutation.contains(&cell.0) {
            self.sources.push(cell);
        }
    }

    fn add_copy(&mut self, cell: Position, source: Position, draw: &mut Draw) {
        self.copies.push(if draw.chance(50) { (cell, source) } else { (source, cell) });
    }

    /// Adds copies that follow from others, and orders all at random.
    fn add_needless_copies(&mut self, draw: &mut Draw) {
        let needed = self.copies.clone();
        for (left, right) in needed.iter().filter(|_| draw.0.next_u64().is_multiple_of(8)) {
            self.copies.push((*right, *left));
            self.copies.push((*left, *left));
        }
        let chains = needed.iter().flat_map(|first| needed.iter().map(move |second| (first, second)));
        let chains = chains.filter(|(first, second)| first.1 == second.0).take(8);
        self.copies.extend(chains.map(|(first, second)| (first.0, second.1)));
        draw.shuffle(&mut self.copies);
    }
}

/// The columns of a configured circuit.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    fixed: Vec<Column<Fixed>>,
    tables: Vec<Option<TableColumn>>,
    instances: Vec<Column<Instance>>,
    advice: Vec<Column<Advice>>,
    challenges: Vec<Challenge>,
}

impl Columns {
    fn column(&self, place: Place) -> Column<Any> {
        match place {
            Place::Fixed(index) => self.fixed[index].into(),
            Place::Instance(index) => self.instances[index].into(),
            Place::Advice(index) => self.advice[index].into(),
        }
    }

    fn cell(&self, (place, row): Position) -> Cell {
        Cell { row_offset: row, column: self.column(place) }
    }
}

/// What the constraint system depends on.
#[derive(Clone, Default)]
pub struct RandomParams(Arc<Structure>);

/// A circuit that holds its witness.
#[derive(Clone)]
pub struct RandomCircuit {
    plan: Arc<Plan>,
}

impl std::fmt::Debug for RandomCircuit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RandomCircuit::of_shape({}, {:?})", self.plan.seed, self.plan.shape)
    }
}

/// Circuits of all shapes.
pub fn random_circuits() -> impl Strategy<Value = RandomCircuit> {
    any::<u64>().no_shrink().prop_map(RandomCircuit::new)
}

impl RandomCircuit {
    /// The circuit of a seed.
    pub fn new(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let shape = Shape::random(&mut draw);
        Self::of_shape(seed, shape)
    }

    /// A circuit of a given shape.
    pub fn of_shape(seed: u64, shape: Shape) -> Self {
        let mut draw = Draw::new(seed ^ 0x5eed);
        Self { plan: Arc::new(Plan::new(seed, shape, &mut draw)) }
    }

    /// The same with a witness that doesn't satisfy the last gate, where there is one.
    pub fn faulty(&self) -> Option<Self> {
        let gates = !self.plan.structure.gates.is_empty();
        gates.then(|| Self { plan: Arc::new(Plan { faulty: true, ..(*self.plan).clone() }) })
    }

    /// The binary logarithm of the number of rows.
    pub fn k(&self) -> u32 {
        self.plan.shape.k
    }

    /// The number of rows that can be used.
    pub fn usable_rows(&self) -> usize {
        self.plan.usable
    }

    /// The values of the instance columns.
    pub fn instances(&self) -> Vec<Vec<Fr>> {
        self.plan.instances.clone()
    }

    /// The phase of each advice column.
    pub fn phases(&self) -> Vec<u8> {
        self.plan.structure.advice.iter().map(|(phase, _)| *phase).collect()
    }

    /// The witness that goes with the challenges: for each advice column 2^k values, those behind the usable rows zero.
    pub fn advice(&self, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        self.plan.advice(Some(challenges))
    }

    fn assign_tables(&self, columns: &Columns, layouter: &mut impl Layouter<Fr>) -> Result<(), Error> {
        for lookup in 0..self.plan.structure.lookups.len() {
            let contents = self.plan.structure.fixed.iter().enumerate();
            let of_lookup = contents.filter(|(_, content)| **content == Content::Table { lookup });
            let of_lookup: Vec<usize> = of_lookup.map(|(index, _)| index).collect();
            if of_lookup.is_empty() {
                continue;
            }
            let assign = |mut table: halo2_proofs::circuit::Table<'_, Fr>| {
                for index in &of_lookup {
                    let column = columns.tables[*index].expect("a table column");
                    for (row, value) in self.plan.fixed[*index].iter().enumerate().take(3 + lookup % 5) {
                        table.assign_cell(|| "row", column, row, || Value::known(*value))?;
                    }
                }
                Ok(())
            };
            layouter.assign_table(|| "table", assign)?;
        }
        Ok(())
    }

    fn assign_fixed(&self, columns: &Columns, region: &mut Region<'_, Fr>) {
        let permutation = self.plan.structure.in_permutation();
        for (index, content) in self.plan.structure.fixed.iter().enumerate() {
            if matches!(content, Content::Table { .. } | Content::Constants) {
                continue;
            }
            for (row, value) in self.plan.fixed[index][..self.plan.usable].iter().enumerate() {
                match row % 4 {
                    // What is assigned last counts.
                    0 => {
                        region.assign_fixed(columns.fixed[index], row, Assigned::Rational(*value, Fr::from(7)));
                        region.assign_fixed(columns.fixed[index], row, *value);
                    }
                    1 if *value == Fr::ZERO => {
                        region.assign_fixed(columns.fixed[index], row, Assigned::Rational(Fr::ONE, Fr::ZERO));
                    }
                    // The mock prover takes unassigned cells for different from zero in copies.
                    2 if *value == Fr::ZERO && !permutation.contains(&Place::Fixed(index)) => {}
                    _ => {
                        region.assign_fixed(columns.fixed[index], row, fraction(row, *value));
                    }
                }
            }
        }
    }

    fn assign_advice(
        &self,
        phase: u8,
        values: Option<&[Vec<Fr>]>,
        columns: &Columns,
        region: &mut Region<'_, Fr>,
    ) -> Result<(), Error> {
        for (index, recipes) in self.plan.advice.iter().enumerate() {
            if self.plan.structure.advice[index].0 != phase {
                continue;
            }
            for (row, recipe) in recipes.iter().enumerate() {
                let value = match recipe {
                    // Unassigned cells are zero.
                    Recipe::Given(value) if *value == Fr::ZERO && row % 2 == 0 => continue,
                    Recipe::Copied((Place::Instance(instance), row))
                        if phase == 0 && *row < self.plan.instances[*instance].len() =>
                    {
                        region.instance_value(columns.instances[*instance], *row)?.map(Assigned::Trivial)
                    }
                    _ => values
                        .map_or_else(Value::unknown, |values| Value::known(values[index][row]))
                        .map(|value| fraction(row, value)),
                };
                region.assign_advice(columns.advice[index], row, value);
            }
        }
        Ok(())
    }

    fn constrain(&self, columns: &Columns, region: &mut Region<'_, Fr>) -> Result<(), Error> {
        for (left, right) in &self.plan.copies {
            region.constrain_equal(columns.cell(*left), columns.cell(*right));
        }
        if let Some(column) = self.plan.structure.constants {
            for (cell, value) in self.plan.constants.iter().zip(&self.plan.fixed[column]) {
                region.constrain_constant(columns.cell(*cell), *value)?;
            }
        }
        Ok(())
    }
}

/// The value, in every third row as a fraction.
fn fraction(row: usize, value: Fr) -> Assigned<Fr> {
    let denominator = Fr::from(2 + row as u64);
    if row.is_multiple_of(3) {
        Assigned::Rational(value * denominator, denominator)
    } else {
        Assigned::Trivial(value)
    }
}

impl Circuit<Fr> for RandomCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = RandomParams;

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn params(&self) -> RandomParams {
        RandomParams(self.plan.structure.clone())
    }

    fn configure_with_params(system: &mut ConstraintSystem<Fr>, params: RandomParams) -> Columns {
        params.0.configure(system)
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Columns {
        unreachable!("the constraint system depends on parameters")
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        self.assign_tables(&columns, &mut layouter)?;
        layouter.assign_region(
            || "first phase",
            |mut region| {
                self.assign_fixed(&columns, &mut region);
                self.assign_advice(0, Some(&self.plan.advice(None)), &columns, &mut region)
            },
        )?;
        if self.phases().contains(&1) {
            layouter.next_phase();
            let mut challenges = Some(Vec::new());
            for challenge in &columns.challenges {
                let mut known = None;
                layouter.get_challenge(*challenge).map(|value| known = Some(value));
                challenges = challenges.zip(known).map(|(challenges, value)| [challenges, vec![value]].concat());
            }
            let values = challenges.map(|challenges| self.plan.advice(Some(&challenges)));
            layouter.assign_region(
                || "second phase",
                |mut region| self.assign_advice(1, values.as_deref(), &columns, &mut region),
            )?;
        }
        layouter.assign_region(|| "copies", |mut region| self.constrain(&columns, &mut region))
    }
}
