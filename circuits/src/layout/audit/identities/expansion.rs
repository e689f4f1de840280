//! The right side of an identity as terms: what the scalar unit makes of the readers' results, row by row.

use std::collections::HashMap;
use std::rc::Rc;

use super::residue;
use super::terms::{Polynomial, Sum, Term};
use super::{Identities, UNKNOWN_KIND};
use crate::machine::{AdviceColumn, Cell, FixedColumn};

/// The expansion of one right side.
pub(super) struct Expansion<'a> {
    pub(super) identities: &'a Identities<'a>,
    /// Results of the scalar unit with few terms.
    pub(super) small: HashMap<u32, Rc<Polynomial>>,
}

/// Most terms of a result that is kept: powers of challenges, not chains of products, which are used once.
const SMALL: usize = 64;

impl Expansion<'_> {
    fn on(&self, column: FixedColumn, row: u32) -> i64 {
        self.identities.columns.shared(column, row)
    }

    /// Adds the result of a row of the scalar unit, times a term.
    ///
    /// Chains are followed from their last row up, each row's summands added where all later steps take them, so that no
    /// intermediate result is held; results that occur as the larger factor of a product with a single term wait on a list.
    pub(super) fn add_scalar(&mut self, row: u32, factor: Term, sum: &mut impl Sum) {
        let mut waiting = vec![(row, factor)];
        while let Some((row, factor)) = waiting.pop() {
            if self.identities.has_elements(row) {
                // No identity takes up a hash, whose coefficients are no small integers.
                sum.add(Term { coefficient: self.unknown(row), ..factor });
                continue;
            }
            let constant = self.on(FixedColumn::ScalarConstant, row);
            if constant != 0 {
                sum.add(factor.scaled(constant));
            }
            let operand = self.on(FixedColumn::ScalarOperand, row);
            if operand != 0 {
                self.add_operand(row, factor.scaled(operand), sum, &mut waiting);
            }
            let product = self.on(FixedColumn::ScalarProduct, row);
            if product != 0 {
                self.add_product(row, factor.scaled(product), sum, &mut waiting);
            }
            for (column, step) in [
                (FixedColumn::ScalarPrevious, Term::ONE),
                (FixedColumn::ScalarRho, Term { rho: 1, ..Term::ONE }),
                (FixedColumn::ScalarChi, Term { chi: 1, ..Term::ONE }),
            ] {
                let step_factor = self.on(column, row);
                if step_factor != 0 && row > 0 {
                    waiting.push((row - 1, factor.times(step).scaled(step_factor)));
                }
            }
        }
    }

    /// Adds the operands' product in a row, times a term.
    fn add_product(&mut self, row: u32, factor: Term, sum: &mut impl Sum, waiting: &mut Vec<(u32, Term)>) {
        let right = self.operand(row, 1);
        if let [term] = right[..] {
            self.add_operand(row, factor.times(term), sum, waiting);
            return;
        }
        sum.add_products(factor, &self.operand(row, 0), &right);
    }

    /// Adds the first operand of a row, times a term.
    fn add_operand(&mut self, row: u32, factor: Term, sum: &mut impl Sum, waiting: &mut Vec<(u32, Term)>) {
        match self.identities.operands[row as usize][0] {
            Some(Cell::Advice(AdviceColumn::ScalarC, source)) if source < row => waiting.push((source, factor)),
            _ => self.operand(row, 0).iter().for_each(|&term| sum.add(factor.times(term))),
        }
    }

    /// The first or second operand of a row. One that can't be read stands for something unknown.
    fn operand(&mut self, row: u32, which: usize) -> Rc<Polynomial> {
        let result = AdviceColumn::weight_result(&self.identities.skeleton.params);
        match self.identities.operands[row as usize][which] {
            Some(Cell::Advice(AdviceColumn::ScalarC, source)) if source < row => self.scalar(source),
            Some(Cell::Advice(AdviceColumn::Value(lane), row)) => {
                Rc::new(vec![Term { coefficient: self.value(row, lane), ..Term::ONE }])
            }
            Some(Cell::Advice(AdviceColumn::Plane, row)) => Rc::new(self.plane(row)),
            Some(Cell::Advice(column, row)) if column == result => Rc::new(self.weights(row)),
            // Row 0 of the scalar unit reads itself, and is zero.
            Some(Cell::Advice(AdviceColumn::ScalarC, 0)) => Rc::new(Polynomial::new()),
            _ => Rc::new(vec![Term { coefficient: self.unknown(row), ..Term::ONE }]),
        }
    }

    /// The result of a row of the scalar unit.
    fn scalar(&mut self, row: u32) -> Rc<Polynomial> {
        if let Some(known) = self.small.get(&row) {
            return Rc::clone(known);
        }
        let mut sum = HashMap::new();
        self.add_scalar(row, Term::ONE, &mut sum);
        let terms = sum.into_iter().filter(|&(_, coefficient)| coefficient != 0);
        let result: Vec<_> =
            terms.map(|((chi, rho, loose), coefficient)| Term { chi, rho, coefficient, loose }).collect();
        let result = Rc::new(result);
        if result.len() <= SMALL {
            self.small.insert(row, Rc::clone(&result));
        }
        result
    }

    fn unknown(&self, cell: u32) -> u64 {
        self.identities.randomness.residue(UNKNOWN_KIND, cell)
    }

    fn value(&self, row: u32, lane: u32) -> u64 {
        let slot = row * self.identities.skeleton.params.units + lane;
        self.identities.known_value(row, lane).unwrap_or_else(|| self.unknown(slot))
    }

    fn plane(&self, mut row: u32) -> Polynomial {
        let units = self.identities.skeleton.params.units;
        let mut polynomial = Polynomial::new();
        let mut before = Term::ONE;
        loop {
            let power = |exponent: u32| match self.on(FixedColumn::PlaneRho, row) {
                0 => Term { chi: exponent.into(), ..Term::ONE },
                _ => Term { rho: exponent.into(), ..Term::ONE },
            };
            if self.on(FixedColumn::PlaneRead, row) != 0 {
                polynomial.extend((0..units).map(|lane| {
                    let monomial = before.times(power(units - 1 - lane));
                    Term { coefficient: self.value(row, lane), ..monomial }
                }));
            }
            if self.on(FixedColumn::PlaneStep, row) != 0 {
                before = before.times(power(units));
            } else if self.on(FixedColumn::PlaneKeep, row) == 0 {
                return polynomial;
            }
            row -= 1;
        }
    }

    fn weights(&self, mut row: u32) -> Polynomial {
        let mut polynomial = Polynomial::new();
        if !self.identities.skeleton.params.reads_planes() {
            self.bracket(row, 0, &mut polynomial);
            return polynomial;
        }
        let mut chi = 0;
        loop {
            if self.on(FixedColumn::WeightAbsorb, row) != 0 {
                self.bracket(row, chi, &mut polynomial);
            }
            if self.on(FixedColumn::WeightOuterStep, row) != 0 {
                chi += 1;
            } else if self.on(FixedColumn::WeightOuterKeep, row) == 0 {
                return polynomial;
            }
            row -= 1;
        }
    }

    fn bracket(&self, mut row: u32, chi: u64, polynomial: &mut Polynomial) {
        let identities = self.identities;
        let lanes = identities.skeleton.params.weights;
        let mut first_rho = 0;
        loop {
            let mut add = |lane: u32, coefficient: u64, loose: bool| {
                if coefficient != 0 {
                    let rho = first_rho + u64::from(lanes - 1 - lane);
                    polynomial.push(Term { chi, rho, coefficient, loose });
                }
            };
            for (lane, column) in (0..lanes).zip(&identities.columns.weights) {
                add(lane, residue::of_cell(column.map_or(0, |cells| cells.get(row as usize))), false);
            }
            let private = match (self.on(FixedColumn::WeightPrivate, row), self.on(FixedColumn::WeightSingle, row)) {
                (0, 0) => lanes..lanes,
                (0, _) => lanes - 1..lanes,
                _ => 0..lanes,
            };
            for lane in private {
                match identities.weights.cells.get(&(row, lane)) {
                    Some(&residue) => add(lane, residue, false),
                    None => add(lane, self.unknown(row * lanes + lane), true),
                }
            }
            first_rho += match (self.on(FixedColumn::WeightStep, row), self.on(FixedColumn::WeightSingleStep, row)) {
                (0, 0) => return,
                (0, _) => 1,
                _ => u64::from(lanes),
            };
            row -= 1;
        }
    }
}
