//! Tests for every engine, written once: each operation against [`NaiveEngine`], on columns of all kinds.
//!
//! An implementor of [`Engine`] calls [`check`] from its own tests. Columns are drawn from a seed; a failure names the operation.

use circuits::machine::Integers;
use circuits::recipe::{
    Coefficient, Derived, Form, Input, Monomial, Operand, Output, Place, Recipe, Rows, ScalarCells, ScalarOperand,
    ScalarUnit, Source, Switch, Target, Term,
};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::plonk::{ConstraintSystem, Expression, FirstPhase};
use halo2_proofs::poly::Rotation;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::{
    Column, Dividend, Engine, EngineError, Environment, Factor, GrandProduct, Ingredients, KnownCommitment,
    NaiveEngine, SigmaColumn, Values,
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
    bench.derives();
    bench.refuses_recipes_of_elements();
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

    /// The columns of a recipe with everything that there can be in one.
    fn derives(&mut self) {
        let rows = self.draw.rows;
        for count in [rows - TAIL, rows / 2, 2, 1] {
            let recipe = recipe(count, rows - TAIL, &mut self.draw);
            let challenges = self.draw.elements(3);
            let tails: Vec<_> = (0..recipe.columns.len()).map(|_| self.draw.elements(TAIL)).collect();
            fn index(source: Source) -> usize {
                match source {
                    Source::Fixed(index) | Source::Advice(index) | Source::Instance(index) => index,
                }
            }
            let (find, find_naive) = (|s| &self.columns[index(s)], |s| &self.expected[index(s)]);
            let held = self.engine.recipe(recipe.clone()).expect("a recipe");
            let mut found = std::collections::BTreeMap::new();
            // More than once, since what is made ready serves many proofs.
            for _ in 0..2 {
                found.clear();
                let ingredients = Ingredients { challenges: &challenges, columns: &find, tails: tails.clone() };
                let mut take = |number, column| assert!(found.insert(number, column).is_none(), "a column made twice");
                self.engine.derive(&held, ingredients, &mut take).expect("columns");
            }
            let ingredients = Ingredients { challenges: &challenges, columns: &find_naive, tails };
            let mut expected = Vec::new();
            self.naive.derive(&recipe, ingredients, &mut |_, column| expected.push(column)).expect("columns");
            assert_eq!(found.len(), expected.len());
            for (number, expected) in expected.iter().enumerate() {
                self.same(&found[&number], expected, &format!("column {number} of a recipe, {count} rows"));
            }
            let columns: Vec<_> = found.values().collect();
            let points = self.engine.commit(&columns).expect("points");
            let expected = self.naive.commit(&expected.iter().collect::<Vec<_>>()).expect("points");
            assert_eq!(points, expected, "commitments to derived columns");
        }
    }

    /// The cells that recipes read are small integers.
    fn refuses_recipes_of_elements(&mut self) {
        let input = Input { source: Source::Advice(11), rows: Rows::all(3), integers: None };
        let reads = vec![Term::new(Coefficient::one(), [Switch::On(0)], Operand::One)];
        let place = Place { column: 0, rows: Rows::all(3) };
        let output = Output { rows: 3, places: vec![place] };
        let derived = vec![Derived { output, forms: vec![], reads, steps: None }];
        let columns = vec![Target { advice: 0, rows: 3 }];
        let held = self.engine.recipe(Recipe { columns, inputs: vec![input], derived, scalars: None });
        let find = |_| &self.columns[11];
        let ingredients = Ingredients { challenges: &[], columns: &find, tails: vec![vec![]] };
        let made = self.engine.derive(&held.expect("a recipe"), ingredients, &mut |_, _| {});
        assert!(matches!(made, Err(EngineError::NoIntegers(Source::Advice(11)))), "elements in a recipe");
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

/// A recipe over the drawn columns of integers. The derived columns have `count` rows, in columns of at most `usable` ones.
fn recipe(count: usize, usable: usize, draw: &mut Draw) -> Recipe {
    let input = |index: usize, rows: Rows| Input { source: Source::Advice(index), rows, integers: None };
    let spread = Rows { first: 1, stride: 2, count: count.min((usable - 1) / 2) };
    let inputs = vec![
        input(0, Rows::all(count)),
        input(1, Rows::all(count)),
        input(3, Rows::all(count)),
        input(7, spread),
        input(8, Rows::all(count)),
        input(9, Rows::all(count)),
        input(10, Rows::all(count)),
        input(2, Rows::all(count)),
        input(4, Rows { first: usable - 1, stride: 3, count: 1 }),
    ];
    let some = |draw: &mut Draw, powers| Coefficient(vec![Monomial { factor: draw.element(), powers }]);
    let form = |draw: &mut Draw, inputs: &[usize], inverted| Form {
        terms: inputs.iter().map(|input| (*input, some(draw, [*input as u32, 1, 0, 0]))).collect(),
        constant: Coefficient::sum([some(draw, [0, 0, 2, 0]), Coefficient::power(1, 3)]),
        inverted,
    };
    let (on, off) = (Switch::On, Switch::Off);
    let term = |draw: &mut Draw, switches: &[Switch], operand, shift| Term {
        shift,
        ..Term::new(some(draw, [1, 0, 2, 0]), switches, operand)
    };
    let minus = Coefficient::constant(-Fr::ONE);
    let forms = vec![form(draw, &[0, 1, 2, 3, 7], false), form(draw, &[], false), form(draw, &[2, 5], true)];
    let reads = vec![
        term(draw, &[on(0)], Operand::Form(0), 0),
        Term { shift: 1, ..Term::new(minus.clone(), [on(4), off(1)], Operand::Form(0)) },
        term(draw, &[on(5), on(7), on(1)], Operand::One, 0),
        term(draw, &[], Operand::Form(1), -3),
        Term::new(Coefficient::one(), [on(6)], Operand::Form(2)),
        Term::new(Coefficient::one(), [off(6)], Operand::Form(2)),
    ];
    let steps = vec![term(draw, &[on(4)], Operand::One, 0), term(draw, &[off(5), on(0)], Operand::One, 0)];
    let whole = |column| vec![Place { column, rows: Rows::all(count) }];
    let output = |rows, places| Output { rows, places };
    let first = Derived { output: output(count, whole(0)), forms, reads, steps: Some(steps) };
    let forms = vec![form(draw, &[0, 4], true)];
    let reads = vec![Term::new(Coefficient::one(), [on(1)], Operand::Form(0))];
    let second = Derived { output: output(count, whole(1)), forms, reads, steps: None };
    // A sum of both that runs through two parts, between the rows of another one.
    let (upper, lower) = (count.div_ceil(2), count / 2);
    let stride = if 2 * count <= usable { 2 } else { 1 };
    let part = |column, first, count| Place { column, rows: Rows { first, stride, count } };
    let places = match stride {
        2 => vec![part(2, 1, lower), part(2, 2 * lower, upper)],
        _ => vec![part(2, 0, lower), part(2, lower, upper)],
    };
    let reads = vec![
        Term::new(Coefficient::one(), [], Operand::Column(0)),
        Term { shift: -2, ..Term::new(minus, [off(4)], Operand::Column(1)) },
        term(draw, &[on(0)], Operand::Column(1), 1),
    ];
    let steps = Some(vec![Term::new(Coefficient::one(), [], Operand::One)]);
    let third = Derived { output: output(lower + upper, places), forms: vec![], reads, steps };
    let fourth = Derived { output: output(count, whole(3)), forms: vec![], reads: vec![], steps: None };
    let columns = (0..7).map(|advice| Target { advice, rows: if advice == 2 { usable } else { count } }).collect();
    let scalars = Some(scalar_unit(count, [4, 5, 6].map(whole), draw));
    Recipe { columns, inputs, derived: vec![first, second, third, fourth], scalars }
}

/// Rows whose operands are cells, of derived columns, and results, near and far.
fn scalar_unit(count: usize, places: [Vec<Place>; 3], draw: &mut Draw) -> ScalarUnit {
    let used = count - count / 4;
    let mut cells = |bits| ScalarCells {
        integers: Integers::from(draw.integers(bits, used)),
        elements: (0..used).filter(|row| row % 5 == 3).map(|row| (row, draw.element())).collect(),
    };
    let (product, operand, constant) = (cells(2), cells(9), cells(40));
    let small = |row: usize| [0, 1, 0, -1, 1, 7][row % 6];
    let step = |first: usize| Integers::from((first..first + used).map(small).collect::<Vec<_>>());
    let of = |integers| ScalarCells { integers, elements: Default::default() };
    let steps = vec![
        (of(step(0)), Coefficient::one()),
        (of(step(3)), Coefficient::power(2, 5)),
        (cells(1), Coefficient::power(0, 1)),
    ];
    let operands = (0..used).map(|row| {
        let before = |distance: usize| row.saturating_sub(distance) as u32;
        let a = match row % 7 {
            _ if row == 0 => ScalarOperand::Source(1, 0),
            0 => ScalarOperand::Zero,
            1 => ScalarOperand::Source(0, before(0)),
            2 => ScalarOperand::Derived(0, before(1)),
            3 => ScalarOperand::C(before(1)),
            4 => ScalarOperand::A(before(2)),
            5 => ScalarOperand::B(before(4)),
            _ => ScalarOperand::Derived(2, before(0)),
        };
        let b = match row % 4 {
            0 => ScalarOperand::A(before(0)),
            1 => ScalarOperand::Derived(1, before(5)),
            2 => ScalarOperand::C(before(row.div_ceil(2))),
            _ => ScalarOperand::Source(1, before(3)),
        };
        [a, b]
    });
    let outputs = places.map(|places| Output { rows: count, places });
    let sources = vec![Source::Advice(3), Source::Fixed(6)];
    ScalarUnit {
        outputs,
        sources,
        operands: operands.collect(),
        steps,
        product: Some(product),
        operand: Some(operand),
        constant: Some(constant),
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
