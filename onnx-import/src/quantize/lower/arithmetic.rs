//! Functions of two values and selection, where fusion did not make them a function of one.

use std::sync::Arc;

use circuits::graph::ViewElement;

use super::linear::product_range;
use super::{broadcast, shared, Lowering};
use crate::float::graph::{BinaryFunction, Tensor, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{PlanId, PlanOp, Range};

impl Lowering<'_> {
    pub(super) fn binary(
        &mut self,
        value: ValueId,
        function: BinaryFunction,
        operands: [ValueId; 2],
    ) -> Result<PlanId, QuantizeError> {
        let constants = operands.map(|operand| self.graph.constant(operand).cloned());
        match (function, constants) {
            (BinaryFunction::Add, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0, c)),
            (BinaryFunction::Add, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (1.0, c)),
            (BinaryFunction::Sub, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0, -c)),
            (BinaryFunction::Sub, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (-1.0, c)),
            (BinaryFunction::Mul, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (c, 0.0)),
            (BinaryFunction::Mul, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (c, 0.0)),
            (BinaryFunction::Div, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0 / c, 0.0)),
            (BinaryFunction::Div, _) => self.quotient(value, operands),
            (BinaryFunction::Pow, _) => {
                self.unsupported(value, "a power with several exponents", "use one constant exponent")
            }
            _ => {
                let shape = self.node(value).shape.clone();
                let a = self.broadcast_to(value, operands[0], &shape)?;
                let b = self.broadcast_to(value, operands[1], &shape)?;
                self.of_two(value, function, a, b)
            }
        }
    }

    fn of_two(
        &mut self,
        value: ValueId,
        function: BinaryFunction,
        a: PlanId,
        b: PlanId,
    ) -> Result<PlanId, QuantizeError> {
        let range = self.range(value);
        match function {
            BinaryFunction::Add => Ok(self.combine(value, [a, b], [1.0, 1.0], range, false)),
            BinaryFunction::Sub => Ok(self.combine(value, [a, b], [1.0, -1.0], range, false)),
            BinaryFunction::Mul => Ok(self.product(value, [a, b], range)),
            BinaryFunction::Max => Ok(self.larger(value, [a, b], range)),
            BinaryFunction::Min => {
                let negated = Range { lo: -range.hi, hi: -range.lo };
                let operands = [a, b].map(|operand| self.negated(value, operand));
                let larger = self.larger(value, operands, negated);
                Ok(self.negated(value, larger))
            }
            BinaryFunction::Equal | BinaryFunction::Less | BinaryFunction::LessOrEqual => {
                let difference = self.difference(value, [a, b]);
                let zero = Arc::new(Function::Constant(0.0));
                let test = Function::Binary(function, Arc::new(Function::Argument), zero);
                Ok(self.map(value, difference, test, Range { lo: 0.0, hi: 1.0 }))
            }
            BinaryFunction::Div | BinaryFunction::Pow => unreachable!("these have rules of their own"),
        }
    }

    /// `factor(c)·x + offset(c)` for a constant operand `c` under broadcasting.
    fn with_constant(
        &mut self,
        value: ValueId,
        data: ValueId,
        constant: &Tensor,
        coefficients: impl Fn(f64) -> (f64, f64),
    ) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let input = self.broadcast_to(value, data, &shape)?;
        let spread = broadcast(&constant.shape, &shape);
        let (factors, offsets) = spread.into_iter().map(|i| coefficients(constant.data[i])).unzip();
        self.scaled(value, input, factors, offsets)
    }

    /// `a / b` as `a · (1/b)`; the reciprocal fuses with the function that the divisor is.
    fn quotient(&mut self, value: ValueId, operands: [ValueId; 2]) -> Result<PlanId, QuantizeError> {
        let [dividend, divisor] = operands;
        let range = self.range(divisor);
        if range.lo <= 0.0 && range.hi >= 0.0 {
            return Err(QuantizeError::Divisor { node: self.label(value), lo: range.lo, hi: range.hi });
        }
        let reciprocal = Function::unary(UnaryFunction::Reciprocal);
        let (root, function) = match self.fusion.resolve(divisor).cloned() {
            Some(choice) => (self.value(choice.root), reciprocal.after(&choice.function)),
            None => (self.value(divisor), reciprocal),
        };
        let inverse_range = Range { lo: 1.0 / range.hi, hi: 1.0 / range.lo };
        let inverse = self.map(value, root, function, inverse_range);
        let shape = self.node(value).shape.clone();
        let from = self.node(divisor).shape.clone();
        let inverse = if self.plan.node(inverse).elements() == self.node(value).elements() {
            inverse
        } else {
            self.view_of(value, inverse, shape.clone(), super::elements(broadcast(&from, &shape)))
        };
        if let Some(constant) = self.graph.constant(dividend).cloned() {
            let factors = broadcast(&constant.shape, &shape).into_iter().map(|i| constant.data[i]).collect();
            let count = self.node(value).elements();
            return self.scaled(value, inverse, factors, vec![0.0; count]);
        }
        let dividend = self.broadcast_to(value, dividend, &shape)?;
        Ok(self.product(value, [dividend, inverse], self.range(value)))
    }

    pub(super) fn combine(
        &mut self,
        value: ValueId,
        operands: [PlanId; 2],
        factors: [f64; 2],
        range: Range,
        lattice: bool,
    ) -> PlanId {
        let shape = self.plan.node(operands[0]).shape.clone();
        self.push(value, PlanOp::Combine { operands, factors, constant: 0.0, lattice }, shape, range)
    }

    /// `a − b` with operands of one step, exactly.
    pub(super) fn difference(&mut self, value: ValueId, operands: [PlanId; 2]) -> PlanId {
        let operands = self.alike_two(value, operands);
        let [a, b] = operands.map(|operand| self.plan.node(operand).range);
        self.combine(value, operands, [1.0, -1.0], Range { lo: a.lo - b.hi, hi: a.hi - b.lo }, true)
    }

    pub(super) fn product(&mut self, value: ValueId, operands: [PlanId; 2], range: Range) -> PlanId {
        let shape = self.plan.node(operands[0]).shape.clone();
        self.push(value, PlanOp::Product { operands }, shape, range)
    }

    pub(super) fn negated(&mut self, value: ValueId, operand: PlanId) -> PlanId {
        let Range { lo, hi } = self.plan.node(operand).range;
        let integer = self.plan.node(operand).integer;
        let id = self.map(value, operand, Function::unary(UnaryFunction::Neg), Range { lo: -hi, hi: -lo });
        if let PlanOp::Map { rules, .. } = &mut self.plan.nodes[id.0].op {
            rules.step = integer.then_some(1.0);
        }
        self.plan.nodes[id.0].integer = integer;
        id
    }

    fn alike_two(&mut self, value: ValueId, operands: [PlanId; 2]) -> [PlanId; 2] {
        let alike = self.alike(value, operands.to_vec());
        [alike[0], alike[1]]
    }

    fn larger(&mut self, value: ValueId, operands: [PlanId; 2], range: Range) -> PlanId {
        let operands = self.alike_two(value, operands);
        let count = self.plan.node(operands[0]).elements();
        let entry = |i: usize| ViewElement::Element { source: (i % 2) as u32, index: (i / 2) as u32 };
        let map = shared((0..2 * count).map(entry).collect());
        let [a, b] = operands.map(|operand| self.plan.node(operand));
        let (both, integer) = (a.range.union(b.range), a.integer && b.integer);
        let pairs = self.push(value, PlanOp::View { sources: operands.to_vec(), map }, vec![count, 2], both);
        let max = self.push(value, PlanOp::Max { input: pairs }, vec![count], range);
        for id in [pairs, max] {
            self.plan.nodes[id.0].integer = integer;
        }
        max
    }

    /// `condition·then + (1 − condition)·otherwise`; with a constant condition a mere view.
    pub(super) fn select(
        &mut self,
        value: ValueId,
        condition: ValueId,
        then: ValueId,
        otherwise: ValueId,
    ) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        if let Some(mask) = self.graph.constant(condition).cloned() {
            let mask = broadcast(&mask.shape, &shape).into_iter().map(|i| mask.data[i] != 0.0).collect::<Vec<_>>();
            return self.masked(value, &mask, [then, otherwise]);
        }
        let condition = self.broadcast_to(value, condition, &shape)?;
        let complement = Function::affine(-1.0, 1.0);
        let complement = self.map(value, condition, complement, Range { lo: 0.0, hi: 1.0 });
        let first = self.gated(value, condition, then)?;
        let second = self.gated(value, complement, otherwise)?;
        Ok(self.combine(value, [first, second], [1.0, 1.0], self.range(value), false))
    }

    /// `gate · operand` for a gate of zeros and ones.
    fn gated(&mut self, value: ValueId, gate: PlanId, operand: ValueId) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        if let Some(constant) = self.finite_constant(value, operand, "a selected constant")? {
            let factors = broadcast(&constant.shape, &shape).into_iter().map(|i| constant.data[i]).collect();
            let count = self.node(value).elements();
            return self.scaled(value, gate, factors, vec![0.0; count]);
        }
        let operand = self.broadcast_to(value, operand, &shape)?;
        let range = product_range(self.plan.node(gate).range, self.plan.node(operand).range);
        Ok(self.product(value, [gate, operand], range))
    }

    /// `mask ? then : otherwise` for a constant mask.
    fn masked(&mut self, value: ValueId, mask: &[bool], operands: [ValueId; 2]) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let mut sources = Vec::new();
        let mut maps = Vec::new();
        let mut offsets = vec![0.0; mask.len()];
        for (operand, wanted) in operands.into_iter().zip([true, false]) {
            let spread = broadcast(&self.node(operand).shape, &shape);
            match self.finite_constant(value, operand, "a selected constant")? {
                Some(constant) => {
                    for (i, offset) in offsets.iter_mut().enumerate().filter(|(i, _)| mask[*i] == wanted) {
                        *offset = constant.data[spread[i]];
                    }
                    maps.push(None);
                }
                None => {
                    maps.push(Some((sources.len() as u32, spread)));
                    sources.push(self.value(operand));
                }
            }
        }
        let sources = self.alike(value, sources);
        let entry = |i: usize| match &maps[usize::from(!mask[i])] {
            Some((source, spread)) => ViewElement::Element { source: *source, index: spread[i] as u32 },
            None => ViewElement::Zero,
        };
        let map = shared((0..mask.len()).map(entry).collect());
        let view = self.push(value, PlanOp::View { sources, map }, shape, self.range(value));
        if offsets.iter().all(|&offset| offset == 0.0) {
            return Ok(view);
        }
        self.scaled(value, view, vec![1.0; mask.len()], offsets)
    }
}
