//! Tests for every engine, written once: each operation against [`NaiveEngine`], on columns of all kinds.
//!
//! An implementor of [`Engine`] calls [`check`] from its own tests. Columns are drawn from a seed; a failure names the operation.

use circuits::machine::Integers;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{ConstraintSystem, Expression, FirstPhase};
use halo2_proofs::poly::Rotation;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::{
    Column, Dividend, Engine, EngineError, Environment, Factor, GrandProduct, KnownCommitment, NaiveEngine,
    SigmaColumn, Values,
};
use crate::plonk::constraints::{Column as Name, Constraints};
use crate::plonk::quotient::{QuotientPlan, Room};
use crate::plonk::scalar::Challenges;

/// An SRS whose `τ` is known, for tests.
pub struct KnownSrs {
    /// `[ℓ_i(τ)]₁`
    pub lagrange: Vec<G1Affine>,
    /// `[τ]₁`
    pub tau: G1Affine,
}

impl KnownSrs {
    /// For the domain of `2^k` points.
    pub fn new(k: u32) -> Self {
        let tau = Fr::from(0x1234_5678_9abc_def1).pow_vartime([5]);
        let omega = crate::field::root_of_unity(k);
        let n = Fr::from(1 << k);
        let scale = (tau.pow_vartime([1 << k]) - Fr::ONE) * n.invert().expect("not zero");
        let point =
            |root: Fr| G1Affine::generator() * (scale * root * (tau - root).invert().expect("no root of unity"));
        let roots = crate::field::powers_of(omega).take(1 << k);
        Self {
            lagrange: roots.map(|root| point(root).to_affine()).collect(),
            tau: (G1Affine::generator() * tau).to_affine(),
        }
    }
}

/// Draws columns.
struct Draw {
    rng: ChaCha20Rng,
    rows: usize,
}

/// Rows at the end of a column that hide the others.
const TAIL: usize = 6;

impl Draw {
    fn element(&mut self) -> Fr {
        Fr::random(&mut self.rng)
    }

    fn elements(&mut self, count: usize) -> Vec<Fr> {
        (0..count).map(|_| self.element()).collect()
    }

    fn integers(&mut self, bits: u32, rows: usize) -> Vec<i64> {
        (0..rows).map(|_| (self.rng.next_u64() as i64) >> (64 - bits)).collect()
    }

    fn cells(&mut self, columns: u32, count: usize) -> Vec<(u32, u32)> {
        let rows = self.rows as u32;
        (0..count).map(|_| (self.rng.next_u32() % columns, self.rng.next_u32() % rows)).collect()
    }

    /// One column of every kind, with and without a tail, of every width, short, empty and extreme.
    fn columns(&mut self) -> Vec<Column> {
        let (rows, usable) = (self.rows, self.rows - TAIL);
        let mut columns: Vec<_> = [8, 16, 31, 63]
            .into_iter()
            .map(|bits| Column { tail: self.elements(TAIL), ..Column::integers(self.integers(bits, usable).into()) })
            .collect();
        let extreme = |least: i64, most: i64| {
            Integers::from((0..usable).map(|row| [least, most, 0, -1][row % 4]).collect::<Vec<_>>())
        };
        columns.extend([
            Column::integers(extreme(i8::MIN.into(), i8::MAX.into())),
            Column::integers(extreme(i16::MIN.into(), i16::MAX.into())),
            Column::integers(extreme(i32::MIN.into(), i32::MAX.into())),
            Column::integers(extreme(i64::MIN, i64::MAX)),
            Column::integers(Integers::repeat(1, rows)),
            Column::integers(Integers::repeat(-7, 3)),
            Column::integers(Integers::zeros(0)),
            Column::new(Values::Field(self.elements(rows))),
            Column { tail: self.elements(TAIL), ..Column::new(Values::Field(self.elements(usable))) },
            Column::new(Values::Field(vec![-Fr::ONE; rows])),
            Column::new(Values::Field(vec![])),
            Column::new(Values::Constant(self.element())),
            Column { tail: self.elements(1), ..Column::new(Values::ZERO) },
            Column { tail: self.elements(rows.min(20)), ..Column::new(Values::ZERO) },
        ]);
        let filled: Vec<u32> = (0..usable as u32).step_by(5).collect();
        let values = self.elements(filled.len());
        let sparse = Values::Sparse { rows: filled, values };
        columns.push(Column { tail: self.elements(TAIL - 1), ..Column::new(sparse) });
        let moved: Vec<u32> = (0..rows as u32).filter(|row| row % 3 != 1).collect();
        let images = self.cells(4, moved.len());
        columns.push(Column::new(Values::Sigma(SigmaColumn { column: 2, rows: moved.into(), images: images.into() })));
        let still = SigmaColumn { column: 0, rows: [].into(), images: [].into() };
        columns.push(Column::new(Values::Sigma(still)));
        columns
    }
}

/// The same columns on both engines.
struct Bench<'a, E: Engine> {
    engine: &'a E,
    naive: NaiveEngine,
    draw: Draw,
    columns: Vec<E::Column>,
    expected: Vec<Vec<Fr>>,
}

/// Compares every operation of an engine with the naive one's.
///
/// # Panics
/// They differ.
pub fn check<E: Engine>(engine: &E, srs: &KnownSrs, seed: u64) {
    let naive = NaiveEngine::new(srs.lagrange.clone());
    assert_eq!(engine.k(), naive.k());
    let mut draw = Draw { rng: ChaCha20Rng::seed_from_u64(seed), rows: srs.lagrange.len() };
    let drawn = draw.columns();
    let take = |column: &Column| engine.column(column.clone()).expect("it fits");
    let columns = drawn.iter().map(take).collect();
    let expected = drawn.iter().map(|column| naive.column(column.clone()).expect("it fits")).collect();
    let mut bench = Bench { engine, naive, draw, columns, expected };
    bench.holds_columns();
    bench.refuses_long_columns();
    bench.commits();
    bench.commits_by_known_commitments();
    bench.evaluates();
    bench.combines();
    bench.divides();
    bench.multiplies();
    bench.permutes();
    bench.computes_quotients();
}

impl<E: Engine> Bench<'_, E> {
    fn same(&self, found: &E::Column, expected: &[Fr], what: &str) {
        assert!(self.engine.values(found).expect("values") == expected, "{what}");
    }

    fn holds_columns(&self) {
        for (index, (column, expected)) in self.columns.iter().zip(&self.expected).enumerate() {
            self.same(column, expected, &format!("values of column {index}"));
        }
    }

    fn refuses_long_columns(&self) {
        let long = Column::integers(Integers::zeros(self.draw.rows + 1));
        assert!(matches!(self.engine.column(long), Err(EngineError::ColumnLength { .. })), "a column that is too long");
    }

    fn commits(&self) {
        let found = self.engine.commit(&self.columns.iter().collect::<Vec<_>>()).expect("commitments");
        let expected = self.naive.commit(&self.expected.iter().collect::<Vec<_>>()).expect("commitments");
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "the commitment to column {index}");
        }
        assert!(self.engine.commit(&[]).expect("none").is_empty());
    }

    /// Columns of which a commitment with other last rows is known, as many of them as there are, fewer, or more.
    fn commits_by_known_commitments(&mut self) {
        let rows = self.draw.rows;
        for (own, other) in [(TAIL, TAIL), (TAIL, 2), (2, TAIL), (rows.min(12), TAIL)] {
            let values = Integers::from(self.draw.integers(16, rows - own.max(other)));
            let column = |tail: Vec<Fr>| Column { tail, ..Column::integers(values.clone()) };
            let naive = |column: Column| {
                let elements = self.naive.column(column).expect("it fits");
                (self.naive.commit(&[&elements]).expect("a point")[0], elements)
            };
            let (before, tail) = (self.draw.elements(other), self.draw.elements(own));
            let (point, _) = naive(column(before.clone()));
            let (expected, elements) = naive(column(tail.clone()));
            let known = Some(KnownCommitment { point, tail: before });
            let found = self.engine.column(Column { known, ..column(tail) }).expect("it fits");
            self.same(&found, &elements, "a column whose commitment is known");
            // Beside a column of which nothing is known.
            let found = self.engine.commit(&[&self.columns[0], &found, &self.columns[12]]).expect("points");
            let others = self.naive.commit(&[&self.expected[0], &self.expected[12]]).expect("points");
            assert_eq!(found, [others[0], expected, others[1]], "a commitment from a known one");
        }
    }

    fn evaluates(&mut self) {
        let x = self.draw.element();
        let places: Vec<_> =
            (0..self.columns.len()).flat_map(|at| [-7, -1, 0, 1, 3].map(|rotation| (at, rotation))).collect();
        let found: Vec<_> = places.iter().map(|(at, rotation)| (&self.columns[*at], *rotation)).collect();
        let expected: Vec<_> = places.iter().map(|(at, rotation)| (&self.expected[*at], *rotation)).collect();
        let found = self.engine.evaluate(x, &found).expect("values");
        let expected = self.naive.evaluate(x, &expected).expect("values");
        for (place, (found, expected)) in places.iter().zip(found.iter().zip(&expected)) {
            assert_eq!(found, expected, "evaluation of column {} at rotation {}", place.0, place.1);
        }
        assert!(self.engine.evaluate(x, &[]).expect("none").is_empty());
    }

    fn combines(&mut self) {
        let (factors, constant) = (self.draw.elements(self.columns.len()), self.draw.element());
        let found: Vec<_> = self.columns.iter().zip(factors.iter().copied()).collect();
        let expected: Vec<_> = self.expected.iter().zip(factors.iter().copied()).collect();
        let found = self.engine.combine(&found, constant).expect("a column");
        self.same(&found, &self.naive.combine(&expected, constant).expect("a column"), "a combination");
        let alone = self.engine.combine(&[], constant).expect("a column");
        self.same(&alone, &vec![constant; self.draw.rows], "a constant");
    }

    fn divides(&mut self) {
        let remainders = [self.draw.elements(3), vec![], self.draw.elements(1)];
        let points = [self.draw.elements(3), self.draw.elements(1), self.draw.elements(1)];
        let scales = self.draw.elements(3);
        let dividend = |part: usize| (remainders[part].clone(), points[part].clone(), scales[part]);
        fn of<C>((remainder, points, scale): (Vec<Fr>, Vec<Fr>, Fr), column: &C) -> Dividend<'_, C> {
            Dividend { column, remainder, points, scale }
        }
        let found: Vec<_> = (0..3).map(|part| of(dividend(part), &self.columns[part * 5])).collect();
        let expected: Vec<_> = (0..3).map(|part| of(dividend(part), &self.expected[part * 5])).collect();
        let found = self.engine.divide(&found).expect("a column");
        self.same(&found, &self.naive.divide(&expected).expect("a column"), "quotients of the opening");
    }

    fn multiplies(&mut self) {
        let scalars = self.draw.elements(12);
        let (start, tail) = (self.draw.element(), self.draw.elements(TAIL + 3));
        fn product<'a, C>(columns: &'a [C], scalars: &[Fr], start: Fr, tail: Vec<Fr>) -> GrandProduct<'a, C> {
            let factor = |first: usize, terms: &[usize], identity| Factor {
                terms: terms.iter().map(|term| (&columns[*term], scalars[first + term % 2])).collect(),
                identity,
                constant: scalars[first + 2],
            };
            let last = columns.len() - 1;
            GrandProduct {
                numerators: vec![factor(0, &[0], scalars[9]), factor(3, &[12, 17], scalars[10])],
                denominators: vec![factor(0, &[0, last], Fr::ZERO), factor(3, &[12, last - 1], Fr::ZERO)],
                start,
                tail,
            }
        }
        let found = self.engine.grand_product(product(&self.columns, &scalars, start, tail.clone()));
        let expected = self.naive.grand_product(product(&self.expected, &scalars, start, tail));
        let ((found, last), (expected, expected_last)) = (found.expect("a column"), expected.expect("a column"));
        self.same(&found, &expected, "a running product");
        let (point, expected_point) = (self.engine.commit(&[&found]), self.naive.commit(&[&expected]));
        assert_eq!(point.expect("a point"), expected_point.expect("a point"), "the commitment to a running product");
        assert_eq!(last, expected_last, "the last value of a running product");
    }

    fn permutes(&mut self) {
        let rows = self.draw.rows;
        let table: Vec<i64> = (0..rows as i64).map(|row| row % 11 - 5).collect();
        let mut input: Vec<i64> = table.iter().rev().map(|value| value / 2).collect();
        let pair = |input: &[i64]| [input, &table].map(|integers| Column::integers(integers.to_vec().into()));
        let tails = [self.draw.elements(TAIL), self.draw.elements(TAIL)];
        let run = |columns: [Column; 2]| {
            let [input, table] = columns.each_ref().map(|column| self.engine.column(column.clone()).expect("it fits"));
            self.engine.permute_pair(&input, &table, tails.clone())
        };
        let [naive_input, naive_table] = pair(&input).map(|column| self.naive.column(column).expect("it fits"));
        let expected = self.naive.permute_pair(&naive_input, &naive_table, tails.clone()).expect("all are there");
        for (found, expected) in run(pair(&input)).expect("all are there").iter().zip(&expected) {
            self.same(found, expected, "a permuted column");
        }
        input[2] = 99;
        assert!(
            matches!(run(pair(&input)), Err(EngineError::NotInTable { row: 2 })),
            "a value that is not in the table"
        );
    }

    /// The quotient of a small system; its constraints need not vanish for the engines to agree on cosets, but only where they
    /// do is the quotient a polynomial of the plan's degree.
    fn computes_quotients(&mut self) {
        let system = vanishing_system();
        let constraints = Constraints::new(&system, &std::collections::BTreeSet::new());
        let rows = self.draw.rows;
        let usable = rows - TAIL;
        let a = self.draw.integers(9, usable);
        let b = self.draw.integers(12, usable);
        let next = |row: usize| a[(row + 1) % usable.max(1)];
        let on: Vec<i64> = (0..rows).map(|row| i64::from(row + 1 < usable)).collect();
        let (chi, weight) = (self.draw.element(), self.draw.integers(7, rows));
        let challenges = Challenges {
            gates: vec![chi],
            theta: Fr::ZERO,
            beta: self.draw.element(),
            gamma: self.draw.element(),
            y: self.draw.element(),
        };
        let field = circuits::machine::to_field;
        let c: Vec<Fr> =
            (0..usable).map(|row| field(a[row]) * field(b[row]) * field(next(row)) * field(a[row])).collect();
        let d: Vec<Fr> = (0..usable).map(|row| field(weight[row]) * chi + field(on[row]) + field(b[row])).collect();
        let drawn = [
            (Name::Fixed(0), Column::integers(on.into())),
            (Name::Fixed(1), Column::integers(weight.into())),
            (Name::Advice(0), Column { tail: self.draw.elements(TAIL), ..Column::integers(a.into()) }),
            (Name::Advice(1), Column { tail: self.draw.elements(TAIL), ..Column::integers(b.into()) }),
            (Name::Advice(2), Column { tail: self.draw.elements(TAIL), ..Column::new(Values::Field(c)) }),
            (Name::Advice(3), Column { tail: self.draw.elements(TAIL), ..Column::new(Values::Field(d)) }),
        ];
        let scalars = constraints.graph.scalars().values(&challenges);
        let held: std::collections::BTreeMap<_, _> =
            drawn.iter().map(|(name, column)| (*name, self.engine.column(column.clone()).expect("it fits"))).collect();
        let naive: std::collections::BTreeMap<_, _> =
            drawn.iter().map(|(name, column)| (*name, self.naive.column(column.clone()).expect("it fits"))).collect();
        let (find, find_naive) = (|name| &held[&name], |name| &naive[&name]);
        let environment = Environment { graph: &constraints.graph, scalars: &scalars, columns: &find };
        let naive_environment = Environment { graph: &constraints.graph, scalars: &scalars, columns: &find_naive };
        for constraint in &constraints.list {
            let found = self.engine.pointwise(constraint.node, &environment).expect("a column");
            let expected = self.naive.pointwise(constraint.node, &naive_environment).expect("a column");
            self.same(&found, &expected, &constraint.name);
            assert!(expected.iter().all(|value| *value == Fr::ZERO), "{} does not vanish", constraint.name);
        }
        for columns in [usize::MAX, 3, 1] {
            let room = Room { columns, ..self.engine.quotient_room() };
            let plan = QuotientPlan::new(&constraints, system.degree() - 1, room);
            let found = self.engine.quotient(&plan, &environment).expect("pieces");
            let expected = self.naive.quotient(&plan, &naive_environment).expect("pieces");
            assert_eq!(found.len(), expected.len());
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                self.same(found, expected, &format!("piece {index} of the quotient, {columns} columns at once"));
            }
        }
    }
}

/// `on·(a·b·a₊·a − c)` and `on·(d − χ·weight − on − b)`.
fn vanishing_system() -> ConstraintSystem<Fr> {
    let mut system = ConstraintSystem::default();
    let (on, weight) = (system.fixed_column(), system.fixed_column());
    let [a, b, c, d] = [(); 4].map(|()| system.advice_column());
    let chi = system.challenge_usable_after(FirstPhase);
    system.create_gate("products", |cells| {
        let on = cells.query_fixed(on, Rotation::cur());
        let [a_here, b, c] = [a, b, c].map(|column| cells.query_advice(column, Rotation::cur()));
        let next = cells.query_advice(a, Rotation::next());
        vec![on * (a_here.clone() * b * next * a_here - c)]
    });
    system.create_gate("brackets", |cells| {
        let on = cells.query_fixed(on, Rotation::cur());
        let weight = cells.query_fixed(weight, Rotation::cur());
        let [b, d] = [b, d].map(|column| cells.query_advice(column, Rotation::cur()));
        let bracket: Expression<Fr> = cells.query_challenge(chi) * weight + on.clone();
        vec![on * (d - bracket - b)]
    });
    system
}
