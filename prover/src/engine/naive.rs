//! Every operation in the plainest way: what other engines are tested against.

use std::collections::BTreeMap;

use circuits::recipe::{Coefficient, Operand, Recipe, Rows, ScalarCells, ScalarOperand, ScalarUnit, Switch, Term};
use halo2_proofs::arithmetic::{best_multiexp, eval_polynomial};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField, WithSmallOrderMulGroup};
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::poly::EvaluationDomain;

use super::lookup::permute_pair;
use super::{
    combination_terms, Column, Dividend, Engine, EngineError, Environment, Factor, GrandProduct, Ingredients,
    TakeColumn, Values,
};
use crate::field::powers_of;
use crate::plonk::constraints::{self, Node, NodeId};
use crate::plonk::quotient::{QuotientPlan, Room};

/// An engine for tests: full-width values, the library's transforms and sums, no cleverness.
pub struct NaiveEngine {
    k: u32,
    lagrange: Vec<G1Affine>,
}

impl NaiveEngine {
    /// An engine for the domain of `lagrange.len()` points, a power of two, and the Lagrange basis `[ℓ_i(τ)]₁`.
    pub fn new(lagrange: Vec<G1Affine>) -> Self {
        Self { k: lagrange.len().ilog2(), lagrange }
    }

    fn rows(&self) -> usize {
        self.lagrange.len()
    }

    /// A domain whose extension takes quotients of `pieces` pieces.
    fn domain(&self, pieces: usize) -> EvaluationDomain<Fr> {
        EvaluationDomain::new(pieces as u32 + 1, self.k)
    }

    fn coefficients(&self, values: &[Fr]) -> Vec<Fr> {
        let domain = self.domain(1);
        domain.lagrange_to_coeff(domain.lagrange_from_vec(values.to_vec())).to_vec()
    }

    fn points(&self) -> Vec<Fr> {
        powers_of(self.domain(1).get_omega()).take(self.rows()).collect()
    }

    fn factor(&self, factor: &Factor<'_, Vec<Fr>>) -> Vec<Fr> {
        let row = |(i, point): (usize, Fr)| {
            let terms: Fr = factor.terms.iter().map(|(column, scalar)| column[i] * scalar).sum();
            terms + factor.identity * point + factor.constant
        };
        self.points().into_iter().enumerate().map(row).collect()
    }

    /// The values of nodes at points, of which `step` lie between one row of the domain and the next. `values` gives a column's
    /// values there.
    fn evaluate_nodes(
        environment: &Environment<'_, Vec<Fr>>,
        roots: &[NodeId],
        points: &[Fr],
        step: usize,
        values: &dyn Fn(&Vec<Fr>) -> Vec<Fr>,
    ) -> Vec<Vec<Fr>> {
        let column = |column| match column {
            constraints::Column::Combination(index) => {
                let terms = combination_terms(environment, &environment.graph.combinations()[index]);
                let rows = terms[0].0.len();
                let row = |i: usize| terms.iter().map(|(column, factor)| column[i] * factor).sum();
                values(&(0..rows).map(row).collect())
            }
            column => values((environment.columns)(column)),
        };
        let mut columns = BTreeMap::new();
        let mut done: Vec<Option<Vec<Fr>>> = vec![None; environment.graph.nodes().len()];
        let mut stack: Vec<NodeId> = roots.to_vec();
        while let Some(&node) = stack.last() {
            let operands = match environment.graph.nodes()[node.index()] {
                Node::Add(a, b) | Node::Subtract(a, b) | Node::Multiply(a, b) => vec![a, b],
                Node::Scalar(_) | Node::Identity | Node::Cell(..) => vec![],
            };
            let missing: Vec<_> = operands.into_iter().filter(|operand| done[operand.index()].is_none()).collect();
            if !missing.is_empty() {
                stack.extend(missing);
                continue;
            }
            stack.pop();
            let binary = |a: NodeId, b: NodeId, operation: fn(Fr, Fr) -> Fr| {
                let [a, b] = [a, b].map(|operand| done[operand.index()].as_ref().expect("operands come first"));
                a.iter().zip(b).map(|(a, b)| operation(*a, *b)).collect()
            };
            let value: Vec<Fr> = match environment.graph.nodes()[node.index()] {
                Node::Scalar(scalar) => vec![environment.scalars.get(scalar); points.len()],
                Node::Identity => points.to_vec(),
                Node::Cell(name, rotation) => {
                    let cells: &mut Vec<Fr> = columns.entry(name).or_insert_with(|| column(name));
                    let shift = (rotation as i64 * step as i64).rem_euclid(points.len() as i64) as usize;
                    (0..points.len()).map(|i| cells[(i + shift) % points.len()]).collect()
                }
                Node::Add(a, b) => binary(a, b, |a, b| a + b),
                Node::Subtract(a, b) => binary(a, b, |a, b| a - b),
                Node::Multiply(a, b) => binary(a, b, |a, b| a * b),
            };
            done[node.index()] = Some(value);
        }
        roots.iter().map(|root| done[root.index()].clone().expect("all roots are done")).collect()
    }
}

/// A recipe row by row.
struct Rowwise<'a, 'b> {
    recipe: &'a Recipe,
    ingredients: &'a Ingredients<'b, Vec<Fr>>,
    /// The derived columns so far.
    derived: Vec<Vec<Fr>>,
}

impl Rowwise<'_, '_> {
    fn value(&self, coefficient: &Coefficient) -> Fr {
        coefficient.value(self.ingredients.challenges)
    }

    fn cell(&self, input: usize, row: usize) -> Fr {
        let input = &self.recipe.inputs[input];
        let cell = |rows: Rows| (self.ingredients.columns)(input.source)[rows.place(row)];
        if row < input.rows.count {
            cell(input.rows)
        } else {
            Fr::ZERO
        }
    }

    /// `factor · Π switch · operand` of a column in a row.
    fn term(&self, column: usize, term: &Term, row: usize) -> Fr {
        let switch = |switch: &Switch| match *switch {
            Switch::On(input) => self.cell(input, row),
            Switch::Off(input) => Fr::ONE - self.cell(input, row),
        };
        let at = row.checked_add_signed(term.shift).filter(|at| *at < self.rows_of(column, term.operand));
        let operand = match (term.operand, at) {
            (_, None) => Fr::ZERO,
            (Operand::One, _) => Fr::ONE,
            (Operand::Form(form), Some(at)) => {
                let form = &self.recipe.derived[column].forms[form];
                let cells = form.terms.iter().map(|(input, factor)| self.value(factor) * self.cell(*input, at));
                let sum = self.value(&form.constant) + cells.sum::<Fr>();
                match form.inverted {
                    true => sum.invert().unwrap_or(Fr::ZERO),
                    false => sum,
                }
            }
            (Operand::Column(before), Some(at)) => self.derived[before][at],
        };
        self.value(&term.factor) * term.switches.iter().map(switch).product::<Fr>() * operand
    }

    /// Rows of an operand of a column.
    fn rows_of(&self, column: usize, operand: Operand) -> usize {
        match operand {
            Operand::Column(before) => self.derived[before].len(),
            _ => self.recipe.derived[column].output.rows,
        }
    }

    fn column(&self, column: usize) -> Vec<Fr> {
        let derived = &self.recipe.derived[column];
        let sum = |terms: &[Term], row: usize| terms.iter().map(|term| self.term(column, term, row)).sum::<Fr>();
        let mut values: Vec<Fr> = Vec::with_capacity(derived.output.rows);
        for row in 0..derived.output.rows {
            let before = values.last().copied().unwrap_or(Fr::ZERO);
            let step = derived.steps.as_ref().map_or(Fr::ZERO, |steps| sum(steps, row));
            values.push(before * step + sum(&derived.reads, row));
        }
        values
    }

    /// `a`, `b` and `c` of the scalar unit.
    fn scalars(&self, unit: &ScalarUnit) -> [Vec<Fr>; 3] {
        let coefficient = |cells: &ScalarCells, row: usize| {
            let small = if row < cells.integers.len() { cells.integers.get(row) } else { 0 };
            circuits::machine::to_field(small) + cells.elements.get(&row).copied().unwrap_or(Fr::ZERO)
        };
        let optional =
            |cells: &Option<ScalarCells>, row| cells.as_ref().map_or(Fr::ZERO, |cells| coefficient(cells, row));
        let mut columns = unit.outputs.each_ref().map(|output| vec![Fr::ZERO; output.rows]);
        for (row, operands) in unit.operands.iter().enumerate() {
            for side in 0..2 {
                columns[side][row] = match operands[side] {
                    ScalarOperand::Zero => Fr::ZERO,
                    ScalarOperand::Source(column, row) => {
                        (self.ingredients.columns)(unit.sources[column as usize])[row as usize]
                    }
                    ScalarOperand::Derived(column, row) => self.derived[column as usize][row as usize],
                    ScalarOperand::A(row) => columns[0][row as usize],
                    ScalarOperand::B(row) => columns[1][row as usize],
                    ScalarOperand::C(row) => columns[2][row as usize],
                };
            }
            let (a, b) = (columns[0][row], columns[1][row]);
            let before = if row == 0 { Fr::ZERO } else { columns[2][row - 1] };
            let steps = unit.steps.iter().map(|(cells, factor)| coefficient(cells, row) * self.value(factor));
            columns[2][row] = before * steps.sum::<Fr>()
                + optional(&unit.product, row) * a * b
                + optional(&unit.operand, row) * a
                + optional(&unit.constant, row);
        }
        columns
    }
}

/// The values of a column in all rows of a domain.
pub(super) fn expand(column: &Column, rows: usize, omega: Fr) -> Vec<Fr> {
    let mut elements = match &column.values {
        Values::Integers(integers) => integers.iter().map(circuits::machine::to_field).collect(),
        Values::Sigma(sigma) => {
            let cell = |column: u32, row: u32| {
                Fr::DELTA.pow_vartime([u64::from(column)]) * omega.pow_vartime([u64::from(row)])
            };
            let mut elements: Vec<_> = (0..rows as u32).map(|row| cell(sigma.column, row)).collect();
            for (&row, &(column, image)) in sigma.rows.iter().zip(sigma.images.iter()) {
                elements[row as usize] = cell(column, image);
            }
            elements
        }
        Values::Field(elements) => elements.clone(),
        Values::Sparse { rows: filled, values } => {
            let mut elements = vec![Fr::ZERO; rows];
            filled.iter().zip(values).for_each(|(row, value)| elements[*row as usize] = *value);
            elements
        }
        Values::Constant(element) => vec![*element; rows],
    };
    elements.resize(rows, Fr::ZERO);
    elements[rows - column.tail.len()..].copy_from_slice(&column.tail);
    elements
}

impl Engine for NaiveEngine {
    type Column = Vec<Fr>;
    type Recipe = Recipe;

    fn k(&self) -> u32 {
        self.k
    }

    fn quotient_room(&self) -> Room {
        Room::UNLIMITED
    }

    fn column(&self, column: Column) -> Result<Vec<Fr>, EngineError> {
        if column.rows() > self.rows() {
            return Err(EngineError::ColumnLength { rows: self.rows(), found: column.rows() });
        }
        Ok(expand(&column, self.rows(), self.domain(1).get_omega()))
    }

    fn recipe(&self, recipe: Recipe) -> Result<Recipe, EngineError> {
        Ok(recipe)
    }

    fn derive(
        &self,
        recipe: &Recipe,
        ingredients: Ingredients<'_, Vec<Fr>>,
        take: &mut TakeColumn<'_, Vec<Fr>>,
    ) -> Result<(), EngineError> {
        let mut rowwise = Rowwise { recipe, ingredients: &ingredients, derived: Vec::new() };
        for column in 0..recipe.derived.len() {
            let values = rowwise.column(column);
            rowwise.derived.push(values);
        }
        if let Some(unit) = &recipe.scalars {
            let scalars = rowwise.scalars(unit);
            rowwise.derived.extend(scalars);
        }
        let mut columns = vec![vec![Fr::ZERO; self.rows()]; recipe.columns.len()];
        for (output, values) in recipe.outputs().zip(&rowwise.derived) {
            for (row, value) in values.iter().enumerate() {
                let (column, place) = output.cell(row).expect("every row has a place");
                columns[column][place] = *value;
            }
        }
        for (number, (mut column, tail)) in columns.into_iter().zip(&ingredients.tails).enumerate() {
            let rows = column.len();
            column[rows - tail.len()..].copy_from_slice(tail);
            take(number, column);
        }
        Ok(())
    }

    fn commit(&self, columns: &[&Vec<Fr>]) -> Result<Vec<G1Affine>, EngineError> {
        Ok(columns.iter().map(|column| best_multiexp(column, &self.lagrange).to_affine()).collect())
    }

    fn pointwise(&self, node: NodeId, environment: &Environment<'_, Vec<Fr>>) -> Result<Vec<Fr>, EngineError> {
        let values = Self::evaluate_nodes(environment, &[node], &self.points(), 1, &Vec::clone);
        Ok(values.into_iter().next().expect("one root"))
    }

    fn permute_pair(&self, input: &Vec<Fr>, table: &Vec<Fr>, tails: [Vec<Fr>; 2]) -> Result<[Vec<Fr>; 2], EngineError> {
        permute_pair(input, table, tails)
    }

    fn grand_product(&self, product: GrandProduct<'_, Vec<Fr>>) -> Result<(Vec<Fr>, Fr), EngineError> {
        let usable = self.rows() - product.tail.len();
        let mut steps = vec![Fr::ONE; self.rows()];
        for factor in &product.denominators {
            steps.iter_mut().zip(self.factor(factor)).for_each(|(step, factor)| *step *= factor);
        }
        steps.iter_mut().for_each(|step| *step = step.invert().unwrap_or(Fr::ZERO));
        for factor in &product.numerators {
            steps.iter_mut().zip(self.factor(factor)).for_each(|(step, factor)| *step *= factor);
        }
        let mut values = vec![product.start];
        for row in 1..usable {
            values.push(values[row - 1] * steps[row - 1]);
        }
        let last = values[usable - 1];
        values.extend(product.tail);
        Ok((values, last))
    }

    fn quotient(
        &self,
        plan: &QuotientPlan,
        environment: &Environment<'_, Vec<Fr>>,
    ) -> Result<Vec<Vec<Fr>>, EngineError> {
        let domain = self.domain(plan.pieces);
        let extended = domain.extended_len();
        let omega = domain.get_extended_omega();
        let points: Vec<_> =
            std::iter::successors(Some(Fr::ZETA), |point| Some(point * omega)).take(extended).collect();
        let on_coset = |values: &Vec<Fr>| {
            let polynomial = domain.lagrange_to_coeff(domain.lagrange_from_vec(values.clone()));
            domain.coeff_to_extended(&polynomial).to_vec()
        };
        let roots: Vec<_> = plan.terms.iter().map(|(node, _)| *node).collect();
        let values = Self::evaluate_nodes(environment, &roots, &points, extended / self.rows(), &on_coset);
        let mut numerator = domain.empty_extended();
        for (values, (_, factor)) in values.iter().zip(&plan.terms) {
            let factor = environment.scalars.get(*factor);
            numerator.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
        }
        let quotient = domain.extended_to_coeff(domain.divide_by_vanishing_poly(numerator));
        let pieces = quotient.chunks(self.rows()).take(plan.pieces);
        Ok(pieces.map(|piece| self.points().iter().map(|point| eval_polynomial(piece, *point)).collect()).collect())
    }

    fn evaluate(&self, x: Fr, queries: &[(&Vec<Fr>, i32)]) -> Result<Vec<Fr>, EngineError> {
        let domain = self.domain(1);
        let at = |&(column, rotation): &(&Vec<Fr>, i32)| {
            let point = domain.rotate_omega(x, halo2_proofs::poly::Rotation(rotation));
            eval_polynomial(&self.coefficients(column), point)
        };
        Ok(queries.iter().map(at).collect())
    }

    fn combine(&self, terms: &[(&Vec<Fr>, Fr)], constant: Fr) -> Result<Vec<Fr>, EngineError> {
        let row = |i: usize| terms.iter().map(|(column, factor)| column[i] * factor).sum::<Fr>() + constant;
        Ok((0..self.rows()).map(row).collect())
    }

    fn divide(&self, dividends: &[Dividend<'_, Vec<Fr>>]) -> Result<Vec<Fr>, EngineError> {
        let row = |(i, point): (usize, Fr)| {
            let part = |dividend: &Dividend<'_, Vec<Fr>>| {
                let vanishing: Fr = dividend.points.iter().map(|root| point - root).product();
                let numerator = dividend.column[i] - eval_polynomial(&dividend.remainder, point);
                dividend.scale * numerator * vanishing.invert().expect("the points are not in the domain")
            };
            dividends.iter().map(part).sum()
        };
        Ok(self.points().into_iter().enumerate().map(row).collect())
    }

    fn values(&self, column: &Vec<Fr>) -> Result<Vec<Fr>, EngineError> {
        Ok(column.clone())
    }
}
