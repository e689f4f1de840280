//! The gates as straight-line arithmetic for the contract.
//!
//! A contract that had the gates in its code would serve one constraint system. Here they are data: a list of instructions
//! `next = a·b + c`, where `a`, `b`, `c` are constants, challenges, evaluations or earlier results. Equal instructions are
//! computed once. The last result is `Σ y^(m−1−i)·g_i`, the random combination of the `m` constraints.

use std::collections::HashMap;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Any, Column, ColumnType, ConstraintSystem, Expression};
use halo2_proofs::poly::Rotation;

/// Instructions to a word of the data.
pub(super) const INSTRUCTIONS_PER_WORD: usize = 7;

/// What an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Operand {
    /// 0
    Zero,
    /// 1
    One,
    /// `r − 1`
    MinusOne,
    /// A constant of the gates, by its place in [`Arithmetic::constants`].
    Constant(usize),
    /// A challenge of the constraint system.
    Challenge(usize),
    /// The challenge `y` that combines the constraints.
    Combiner,
    /// An evaluation of an advice column, by its query.
    Advice(usize),
    /// An evaluation of a fixed column, by its query.
    Fixed(usize),
    /// The evaluation of the instance column.
    Instance,
    /// The result of an earlier instruction.
    Result(usize),
}

/// `factors[0]·factors[1] + term`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Instruction {
    pub(super) factors: [Operand; 2],
    pub(super) term: Operand,
}

/// The gates of a constraint system.
#[derive(Clone, Debug, Default)]
pub(super) struct Arithmetic {
    pub(super) instructions: Vec<Instruction>,
    pub(super) constants: Vec<Fr>,
    /// Where the combination of all gates stands.
    pub(super) value: Option<Operand>,
}

impl Arithmetic {
    /// Compiles the gates of `system`, which has no selectors.
    pub(super) fn new(system: &ConstraintSystem<Fr>) -> Self {
        let mut compiler = Compiler { system, compiled: Self::default(), results: HashMap::new() };
        let polynomials = system.gates().iter().flat_map(|gate| gate.polynomials());
        let value = polynomials.fold(Operand::Zero, |sum, polynomial| {
            let value = compiler.expression(polynomial);
            compiler.multiply_add(sum, Operand::Combiner, value)
        });
        compiler.compiled.value = Some(value);
        compiler.compiled
    }

    /// Words that the instructions take.
    pub(super) fn words(&self) -> usize {
        self.instructions.len().div_ceil(INSTRUCTIONS_PER_WORD)
    }
}

struct Compiler<'a> {
    system: &'a ConstraintSystem<Fr>,
    compiled: Arithmetic,
    results: HashMap<Instruction, Operand>,
}

impl Compiler<'_> {
    fn expression(&mut self, expression: &Expression<Fr>) -> Operand {
        match expression {
            Expression::Constant(value) => self.constant(*value),
            Expression::Selector(_) => unreachable!("selectors have been replaced by fixed columns"),
            Expression::Fixed(query) => {
                Operand::Fixed(query_index(self.system.fixed_queries(), query.column_index(), query.rotation()))
            }
            Expression::Advice(query) => {
                Operand::Advice(query_index(self.system.advice_queries(), query.column_index(), query.rotation()))
            }
            Expression::Instance(_) => Operand::Instance,
            Expression::Challenge(challenge) => Operand::Challenge(challenge.index()),
            Expression::Negated(inner) => {
                let inner = self.expression(inner);
                self.multiply_add(inner, Operand::MinusOne, Operand::Zero)
            }
            Expression::Sum(left, right) => self.sum(left, right),
            Expression::Product(left, right) => {
                let factors = [left, right].map(|factor| self.expression(factor));
                self.multiply_add(factors[0], factors[1], Operand::Zero)
            }
            Expression::Scaled(inner, factor) => {
                let (inner, factor) = (self.expression(inner), self.constant(*factor));
                self.multiply_add(inner, factor, Operand::Zero)
            }
        }
    }

    /// A sum with a product in it takes one instruction for both.
    fn sum(&mut self, left: &Expression<Fr>, right: &Expression<Fr>) -> Operand {
        let (product, term) = match (left, right) {
            (_, Expression::Product(..) | Expression::Scaled(..) | Expression::Negated(_)) => (right, left),
            _ => (left, right),
        };
        let term = self.expression(term);
        let factors = match product {
            Expression::Product(left, right) => [left, right].map(|factor| self.expression(factor)),
            Expression::Scaled(inner, factor) => [self.expression(inner), self.constant(*factor)],
            Expression::Negated(inner) => [self.expression(inner), Operand::MinusOne],
            other => [self.expression(other), Operand::One],
        };
        self.multiply_add(factors[0], factors[1], term)
    }

    fn constant(&mut self, value: Fr) -> Operand {
        match value {
            _ if value == Fr::ZERO => Operand::Zero,
            _ if value == Fr::ONE => Operand::One,
            _ if value == -Fr::ONE => Operand::MinusOne,
            _ => {
                let constants = &mut self.compiled.constants;
                let known = constants.iter().position(|&constant| constant == value);
                Operand::Constant(known.unwrap_or_else(|| {
                    constants.push(value);
                    constants.len() - 1
                }))
            }
        }
    }

    /// `a·b + c`, as an operand that stands for it already or by a new instruction.
    fn multiply_add(&mut self, a: Operand, b: Operand, c: Operand) -> Operand {
        let factors = if a <= b { [a, b] } else { [b, a] };
        match (factors, c) {
            ([Operand::Zero, _], term) => return term,
            ([Operand::One, factor], Operand::Zero) => return factor,
            _ => {}
        }
        let instruction = Instruction { factors, term: c };
        if let Some(&result) = self.results.get(&instruction) {
            return result;
        }
        let result = Operand::Result(self.compiled.instructions.len());
        self.compiled.instructions.push(instruction);
        self.results.insert(instruction, result);
        result
    }
}

/// The values at `x` of the columns of the permutation argument, in its order.
pub(super) fn permuted(system: &ConstraintSystem<Fr>) -> Vec<Operand> {
    let operand = |column: &Column<Any>| match column.column_type() {
        Any::Instance => Operand::Instance,
        Any::Fixed => Operand::Fixed(query_index(system.fixed_queries(), column.index(), Rotation::cur())),
        Any::Advice(_) => Operand::Advice(query_index(system.advice_queries(), column.index(), Rotation::cur())),
    };
    system.permutation().get_columns().iter().map(operand).collect()
}

/// The place of a query among those of its kind. Whatever gates and the permutation argument read is queried.
pub(super) fn query_index<C: ColumnType>(
    queries: &[(Column<C>, Rotation)],
    column: usize,
    rotation: Rotation,
) -> usize {
    let place = queries.iter().position(|(queried, at)| (queried.index(), *at) == (column, rotation));
    place.expect("what is read has been queried")
}
