//! Functions of two values and selection, where fusion did not make them a function of one.

use std::sync::Arc;

use circuits::graph::ViewElement;

use super::linear::product_range;
use super::{broadcast, shared, Lowering};
use crate::float::graph::{BinaryFunction, Element, FloatOp, Tensor, UnaryFunction, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{PlanId, PlanOp, Range};

/// Largest magnitude of products of integers that are exact; twice as many on both sides are the entries of a table.
const MOST_EXACT: f64 = 262_143.0;
/// Most bits of a dividend and a divisor together; half as many have the limbs of the remainder.
const MOST_QUOTIENT_BITS: u32 = 30;
/// Most bits of integers whose bits are looked at, that of the sign among them.
const MOST_BITS: i32 = 18;
/// Widest range of integers all of which are looked at.
const MOST_TAKEN: f64 = 255.0;
/// Largest magnitude of integers that are known to the nearest one where they are held rounded to 8 bits.
const MOST_ROUNDED: f64 = 127.0;

impl Lowering<'_> {
    pub(super) fn binary(
        &mut self,
        value: ValueId,
        function: BinaryFunction,
        operands: [ValueId; 2],
    ) -> Result<PlanId, QuantizeError> {
        let constants = operands.map(|operand| self.graph.constant(operand).cloned());
        if let (BinaryFunction::Add, [None, None]) = (function, &constants) {
            for (data, other) in [(operands[0], operands[1]), (operands[1], operands[0])] {
                if let Some(number) = self.settled(other) {
                    return self.with_constant(value, data, &Tensor::scalar(number), |c| (1.0, c));
                }
            }
        }
        if self.adds_integers(value, function, operands, &constants) {
            let shape = self.node(value).shape.clone();
            let [a, b] =
                [self.broadcast_to(value, operands[0], &shape)?, self.broadcast_to(value, operands[1], &shape)?];
            return self.of_two(value, function, a, b);
        }
        match (function, constants) {
            (BinaryFunction::Add, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0, c)),
            (BinaryFunction::Add, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (1.0, c)),
            (BinaryFunction::Sub, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0, -c)),
            (BinaryFunction::Sub, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (-1.0, c)),
            (BinaryFunction::Mul, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (c, 0.0)),
            (BinaryFunction::Mul, [Some(c), None]) => self.with_constant(value, operands[1], &c, |c| (c, 0.0)),
            (BinaryFunction::Div, [None, Some(c)]) => self.with_constant(value, operands[0], &c, |c| (1.0 / c, 0.0)),
            (BinaryFunction::Div, _) => self.quotient(value, operands),
            (BinaryFunction::Remainder, _) if self.node(value).element == Element::Real => {
                self.real_remainder(value, operands)
            }
            (BinaryFunction::Quotient | BinaryFunction::Remainder, _) => {
                self.integer_division(value, operands, function == BinaryFunction::Remainder)
            }
            (BinaryFunction::Pow, _) => self.power(value, operands),
            _ => {
                let shape = self.node(value).shape.clone();
                let a = self.broadcast_to(value, operands[0], &shape)?;
                let b = self.broadcast_to(value, operands[1], &shape)?;
                self.of_two(value, function, a, b)
            }
        }
    }

    /// The number that a value is whatever the inputs: a function that has one value at all booleans, or at all integers that
    /// an input takes, as what a mask adds to the elements that it keeps; and whether an integer is infinite or no number.
    fn settled(&self, value: ValueId) -> Option<f64> {
        match &self.node(value).op {
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } => self.settled(*input),
            FloatOp::Reindex { input, map, fill } => {
                let number = self.settled(*input)?;
                (*fill == number || map.iter().all(Option::is_some)).then_some(number)
            }
            FloatOp::Unary { function: UnaryFunction::IsInfinite { .. }, .. } => Some(0.0),
            _ => {
                let choice = self.fusion.resolve(value)?;
                let (lo, hi) = match self.node(choice.root).element {
                    Element::Bool => (0, 1),
                    _ => self.taken(self.value(choice.root))?,
                };
                let mut values = (lo..=hi).map(|integer| choice.function.evaluate(integer as f64));
                let first = values.next()?;
                (first.is_finite() && values.all(|other| other == first)).then_some(first)
            }
        }
    }

    /// The integers that an input, or a view of one, is held to, if they are few.
    fn taken(&self, id: PlanId) -> Option<(i64, i64)> {
        let node = self.plan.node(id);
        match &node.op {
            PlanOp::Input { .. } if node.integer && node.range.width() <= MOST_TAKEN => {
                Some((node.range.lo.floor() as i64, node.range.hi.ceil() as i64))
            }
            PlanOp::View { sources, map } if !map.contains(&ViewElement::Zero) && sources.len() == 1 => {
                self.taken(sources[0])
            }
            _ => None,
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
            BinaryFunction::Add if self.are_integers(value, [a, b]) => Ok(self.exact_sum(value, [a, b], 1.0)),
            BinaryFunction::Sub if self.are_integers(value, [a, b]) => Ok(self.exact_sum(value, [a, b], -1.0)),
            BinaryFunction::Add => Ok(self.combine(value, [a, b], [1.0, 1.0], range, false)),
            BinaryFunction::Sub => Ok(self.combine(value, [a, b], [1.0, -1.0], range, false)),
            BinaryFunction::Mul => Ok(self.integer_product(value, [a, b], range)),
            BinaryFunction::BitAnd => self.common_bits(value, [a, b]),
            // Of booleans the smaller is the product.
            BinaryFunction::Min if self.node(value).element == Element::Bool => {
                let product = self.product(value, [a, b], range);
                self.plan.nodes[product.0].integer = true;
                Ok(product)
            }
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
            BinaryFunction::Div | BinaryFunction::Pow | BinaryFunction::Quotient | BinaryFunction::Remainder => {
                unreachable!("these have rules of their own")
            }
        }
    }

    /// Whether a value and its operands are integers that stand for themselves.
    fn are_integers(&self, value: ValueId, operands: [PlanId; 2]) -> bool {
        self.node(value).element == Element::Integer && operands.iter().all(|&operand| self.plan.node(operand).integer)
    }

    /// The sum or difference of integers, exactly.
    pub(super) fn exact_sum(&mut self, value: ValueId, operands: [PlanId; 2], sign: f64) -> PlanId {
        let [a, b] = operands.map(|operand| self.plan.node(operand).range);
        let b = if sign < 0.0 { Range { lo: -b.hi, hi: -b.lo } } else { b };
        let sum = self.combine(value, operands, [1.0, sign], Range { lo: a.lo + b.lo, hi: a.hi + b.hi }, true);
        self.plan.nodes[sum.0].integer = true;
        sum
    }

    /// A product; of small integers exactly.
    fn integer_product(&mut self, value: ValueId, operands: [PlanId; 2], range: Range) -> PlanId {
        let [a, b] = operands.map(|operand| self.plan.node(operand).range);
        let interval = product_range(a, b);
        let exact = self.are_integers(value, operands) && interval.magnitude() <= MOST_EXACT;
        let product = self.product(value, operands, if exact { interval } else { range });
        self.plan.nodes[product.0].integer = exact;
        product
    }

    /// Quotient and remainder of integers, exactly: of their magnitudes, and then with the sign that they have.
    fn integer_division(
        &mut self,
        value: ValueId,
        operands: [ValueId; 2],
        remainder: bool,
    ) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let mut integers = [PlanId(0); 2];
        for (integer, operand) in integers.iter_mut().zip(operands) {
            *integer = self.broadcast_to(value, operand, &shape)?;
            if !self.plan.node(*integer).integer {
                let range = self.plan.node(*integer).range;
                if self.graph.constant(operand).is_none() {
                    self.check_rounded(value, range)?;
                }
                *integer = self.map(value, *integer, Function::unary(UnaryFunction::Round), range);
            }
        }
        let [dividend, divisor] = integers;
        let [a, b] = integers.map(|operand| self.plan.node(operand).range);
        if b.lo <= 0.0 && b.hi >= 0.0 {
            return Err(QuantizeError::Divisor { node: self.label(value), lo: b.lo, hi: b.hi });
        }
        let (largest, least) = (a.magnitude().max(1.0), b.lo.abs().min(b.hi.abs()));
        let bits = (largest * b.magnitude()).log2().floor() as u32 + 1;
        if largest > MOST_EXACT || bits > MOST_QUOTIENT_BITS {
            let what = format!("a quotient of integers in [{}, {}] by integers in [{}, {}]", a.lo, a.hi, b.lo, b.hi);
            return self.unsupported(value, what, "give inputs of a smaller range, or divide in floats");
        }
        let numerator = match a.lo < 0.0 {
            true => self.map(value, dividend, Function::unary(UnaryFunction::Abs), Range { lo: 0.0, hi: largest }),
            false => dividend,
        };
        let denominator = if b.hi < 0.0 { self.negated(value, divisor) } else { divisor };
        let most = (largest / least).floor();
        let op = PlanOp::Quotient { operands: [numerator, denominator], bits };
        let mut quotient = self.push(value, op, shape, Range { lo: 0.0, hi: most });
        self.plan.nodes[quotient.0].integer = true;
        if a.lo < 0.0 {
            let sign = Function::unary(UnaryFunction::Sign);
            let sign = self.map(value, dividend, sign, Range { lo: -1.0, hi: 1.0 });
            quotient = self.integer_product(value, [sign, quotient], Range { lo: -most, hi: most });
        }
        if b.hi < 0.0 {
            quotient = self.negated(value, quotient);
        }
        if !remainder {
            return Ok(quotient);
        }
        // What is taken off is no larger than what it is taken from.
        let whole = self.product(value, [quotient, divisor], Range { lo: a.lo.min(0.0), hi: a.hi.max(0.0) });
        self.plan.nodes[whole.0].integer = true;
        let rest = self.exact_sum(value, [dividend, whole], -1.0);
        let end = b.magnitude() - 1.0;
        self.plan.nodes[rest.0].range =
            Range { lo: if a.lo < 0.0 { -end } else { 0.0 }, hi: if a.hi > 0.0 { end } else { 0.0 } };
        Ok(rest)
    }

    /// A function of a value as one of the plan node that stands for it: where it takes quotients or remainders of an integer that is held
    /// rounded, of the nearest integer, as far as that is known.
    pub(super) fn of_whole(
        &self,
        value: ValueId,
        root: ValueId,
        function: Function,
    ) -> Result<Function, QuantizeError> {
        let node = self.plan.node(self.value(root));
        let [result, of] = [value, root].map(|value| self.node(value).element);
        if of != Element::Integer || node.integer || !function.divides(result == Element::Integer) {
            return Ok(function);
        }
        self.check_rounded(value, node.range)?;
        Ok(function.after(&Function::unary(UnaryFunction::Round)))
    }

    /// Refuses to divide integers of a range whose rounding leaves open which they are.
    fn check_rounded(&self, value: ValueId, range: Range) -> Result<(), QuantizeError> {
        if range.magnitude() <= MOST_ROUNDED {
            return Ok(());
        }
        let what = format!("a quotient or remainder of rounded integers in [{}, {}]", range.lo, range.hi);
        self.unsupported(value, what, "give inputs of a smaller range, or divide in floats")
    }

    /// `a − b·trunc(a / b)` for reals, as exactly as the quotient is known.
    fn real_remainder(&mut self, value: ValueId, operands: [ValueId; 2]) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let quotient = match self.graph.constant(operands[1]).cloned() {
            Some(divisor) => self.with_constant(value, operands[0], &divisor, |c| (1.0 / c, 0.0))?,
            None => self.quotient(value, operands)?,
        };
        let [a, b] = operands.map(|operand| self.range(operand));
        let ends = [a.lo / b.lo, a.lo / b.hi, a.hi / b.lo, a.hi / b.hi];
        let range =
            ends.iter().fold(Range { lo: ends[0], hi: ends[0] }, |range, &end| range.union(Range { lo: end, hi: end }));
        self.plan.nodes[quotient.0].range = range;
        let whole = Range { lo: range.lo.trunc(), hi: range.hi.trunc() };
        let whole = self.map(value, quotient, Function::unary(UnaryFunction::Quotient(1.0)), whole);
        let [dividend, divisor] =
            [self.broadcast_to(value, operands[0], &shape)?, self.broadcast_to(value, operands[1], &shape)?];
        let taken = self.product(value, [whole, divisor], a);
        Ok(self.combine(value, [dividend, taken], [1.0, -1.0], self.range(value), false))
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

    /// The bits that two integers have in common, bit by bit; the highest stands for the sign.
    fn common_bits(&mut self, value: ValueId, operands: [PlanId; 2]) -> Result<PlanId, QuantizeError> {
        let ranges = operands.map(|operand| self.plan.node(operand).range);
        let signed = ranges.iter().any(|range| range.lo < 0.0);
        let largest = ranges.iter().map(|range| range.hi.max(-range.lo - 1.0)).fold(1.0, f64::max);
        let bits = largest.log2().floor() as i32 + 1 + i32::from(signed);
        if bits > MOST_BITS || !self.are_integers(value, operands) {
            return self.unsupported(
                value,
                format!("bits of two values of {bits} bits"),
                "give integers of at most 17 bits",
            );
        }
        let mut sum: Option<PlanId> = None;
        for bit in (0..bits).rev() {
            let ones = operands.map(|operand| {
                let shifted = UnaryFunction::Affine { factor: f64::from(-bit).exp2(), offset: 0.0 };
                let whole = Function::unary(UnaryFunction::Floor).after(&Function::unary(shifted));
                let rest = Function::unary(UnaryFunction::Remainder { divisor: 2.0, truncated: false });
                self.map(value, operand, rest.after(&whole), Range { lo: 0.0, hi: 1.0 })
            });
            let both = self.integer_product(value, ones, Range { lo: 0.0, hi: 1.0 });
            let is_sign = signed && bit + 1 == bits;
            sum = Some(match sum {
                None if is_sign => self.negated(value, both),
                None => both,
                Some(sum) => {
                    let Range { lo, hi } = self.plan.node(sum).range;
                    let range = Range { lo: 2.0 * lo, hi: 2.0 * hi + 1.0 };
                    let next = self.combine(value, [sum, both], [2.0, 1.0], range, true);
                    self.plan.nodes[next.0].integer = true;
                    next
                }
            });
        }
        Ok(sum.expect("there is a bit"))
    }

    /// Whether several known integers are added to integers that stand for themselves.
    fn adds_integers(
        &self,
        value: ValueId,
        function: BinaryFunction,
        operands: [ValueId; 2],
        constants: &[Option<Tensor>; 2],
    ) -> bool {
        let adds = matches!(function, BinaryFunction::Add | BinaryFunction::Sub);
        let several = |constant: &Option<Tensor>| constant.as_ref().is_some_and(|tensor| tensor.uniform().is_none());
        let integer =
            |operand: ValueId| self.graph.constant(operand).is_some() || self.plan.node(self.value(operand)).integer;
        let known = constants.iter().flatten().count() == 1;
        adds && known
            && constants.iter().any(several)
            && self.node(value).element == Element::Integer
            && operands.into_iter().all(integer)
    }

    /// `a^b` as `e^(b·ln a)`, for a base that is positive on the samples.
    fn power(&mut self, value: ValueId, operands: [ValueId; 2]) -> Result<PlanId, QuantizeError> {
        let [base, exponent] = operands;
        let range = self.range(base);
        if self.graph.constant(base).is_some() || range.lo <= 0.0 {
            let what = format!("a power of values in [{}, {}] by several exponents", range.lo, range.hi);
            return self.unsupported(
                value,
                what,
                "use one constant exponent, or a base that is positive on the samples",
            );
        }
        let shape = self.node(value).shape.clone();
        let base = self.broadcast_to(value, base, &shape)?;
        let logarithms = Range { lo: range.lo.ln(), hi: range.hi.ln() };
        let logarithm = self.map(value, base, Function::unary(UnaryFunction::Log), logarithms);
        let product = match self.graph.constant(exponent).cloned() {
            Some(constant) => {
                let factors =
                    broadcast(&constant.shape, &shape).into_iter().map(|i| constant.data[i]).collect::<Vec<_>>();
                let count = factors.len();
                let id = self.scaled(value, logarithm, factors, vec![0.0; count])?;
                self.plan.nodes[id.0].range = self.exponent_range(value);
                id
            }
            None => {
                let exponent = self.broadcast_to(value, exponent, &shape)?;
                self.product(value, [logarithm, exponent], self.exponent_range(value))
            }
        };
        Ok(self.map(value, product, Function::unary(UnaryFunction::Exp), self.range(value)))
    }

    /// The range of the logarithm of a positive value.
    fn exponent_range(&self, value: ValueId) -> Range {
        let Range { lo, hi } = self.range(value);
        Range { lo: lo.max(f64::MIN_POSITIVE).ln(), hi: hi.max(f64::MIN_POSITIVE).ln() }
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
        if let Some(imputed) = self.imputed(value, condition, then, otherwise)? {
            return Ok(imputed);
        }
        if let Some(number) = self.settled(condition) {
            return self.broadcast_to(value, if number != 0.0 { then } else { otherwise }, &shape);
        }
        let condition = self.broadcast_to(value, condition, &shape)?;
        let complement = Function::affine(-1.0, 1.0);
        let complement = self.map(value, condition, complement, Range { lo: 0.0, hi: 1.0 });
        let first = self.gated(value, condition, then)?;
        let second = self.gated(value, complement, otherwise)?;
        if self.are_integers(value, [first, second]) {
            return Ok(self.exact_sum(value, [first, second], 1.0));
        }
        Ok(self.combine(value, [first, second], [1.0, 1.0], self.range(value), false))
    }

    /// A value with constants where it is missing, if that is what a choice is.
    fn imputed(
        &mut self,
        value: ValueId,
        condition: ValueId,
        then: ValueId,
        otherwise: ValueId,
    ) -> Result<Option<PlanId>, QuantizeError> {
        let missing = FloatOp::Unary { input: otherwise, function: UnaryFunction::IsNan };
        let shape = self.node(value).shape.clone();
        if self.node(condition).op != missing || self.node(otherwise).shape != shape {
            return Ok(None);
        }
        let Some(fill) = self.finite_constant(value, then, "a number in the place of missing values")? else {
            return Ok(None);
        };
        let fills = broadcast(&fill.shape, &shape).into_iter().map(|index| fill.data[index]).collect();
        let input = self.data(otherwise)?;
        let range = self.range(value);
        Ok(Some(self.push(value, PlanOp::Impute { input, fills }, shape, range)))
    }

    /// `gate · operand` for a gate of zeros and ones.
    fn gated(&mut self, value: ValueId, gate: PlanId, operand: ValueId) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let integer = self.node(value).element == Element::Integer;
        if let Some(constant) = self.finite_constant(value, operand, "a selected constant")?.filter(|_| !integer) {
            let factors = broadcast(&constant.shape, &shape).into_iter().map(|i| constant.data[i]).collect();
            let count = self.node(value).elements();
            return self.scaled(value, gate, factors, vec![0.0; count]);
        }
        let operand = self.broadcast_to(value, operand, &shape)?;
        let range = product_range(self.plan.node(gate).range, self.plan.node(operand).range);
        Ok(self.integer_product(value, [gate, operand], range))
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
