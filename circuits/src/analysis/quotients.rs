//! Bounds of normalized elements: of a share of a sum, and of an element over the root of a sum of squares.
//!
//! An element `e` times `floor(N / d)` is at most as large as `N` allows if `d` grows with `e`. Interval arithmetic, which
//! takes the largest element by the smallest divisor, does not see that. Two shapes of `d` are recognised, whatever views
//! lie between:
//!
//! | divisor | bound |
//! | --- | --- |
//! | `f·Σ e_i + c`, all `e_i ≥ 0` | `0 ≤ e_i·floor(N / d) ≤ N / f` |
//! | `floor(√(f·Σ e_i² + c))` | `abs(e_i)·floor(N / d) ≤ N / floor(√f)` |
//!
//! for `f ≥ 1` and `c ≥ 0`. The second: for `e_i ≠ 0`, `d ≥ floor(√(f·e_i²)) ≥ floor(√f)·abs(e_i)`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Interval;
use crate::graph::{ConvGeometry, Op, Program, TensorId};
use crate::origin::{origins, Origin};

/// The reciprocals of a program and where its elements come from.
pub(super) struct Quotients<'a> {
    program: &'a Program,
    /// Empty where the program has no reciprocal.
    origins: Vec<Option<Arc<[Origin]>>>,
}

/// A divisor: `factor` times a sum, plus something that is not negative, perhaps under a root.
struct Divisor {
    /// The numerator.
    numerator: i128,
    factor: i128,
    /// The elements that are summed, or whose squares are.
    summands: HashSet<Origin>,
    /// Whether it is the root of a sum of squares.
    root: bool,
}

/// A sum times a factor, plus something that is not negative.
struct Sum {
    /// The tensor whose elements are summed.
    input: TensorId,
    /// Which of them.
    terms: Vec<usize>,
    factor: i128,
}

impl<'a> Quotients<'a> {
    /// Looks a program over.
    pub(super) fn of(program: &'a Program) -> Self {
        let divides = program.nodes.iter().any(|node| matches!(node.op, Op::Reciprocal { .. }));
        Self { program, origins: if divides { origins(program) } else { Vec::new() } }
    }

    /// A bound of all products of two tensors' elements, if each is an element over a divisor that grows with it.
    pub(super) fn bound(&self, [a, b]: [TensorId; 2], range: impl Fn(TensorId) -> Interval) -> Option<Interval> {
        if self.origins.is_empty() {
            return None;
        }
        [(a, b), (b, a)].into_iter().find_map(|(element, reciprocal)| self.bound_of(element, reciprocal, &range))
    }

    fn bound_of(
        &self,
        element: TensorId,
        reciprocal: TensorId,
        range: &impl Fn(TensorId) -> Interval,
    ) -> Option<Interval> {
        let mut divisors: HashMap<Origin, Divisor> = HashMap::new();
        let mut bound = Interval::new(0, 0);
        for index in 0..self.program.node(element).elements() {
            let (summand, quotient) = (self.origin(element, index), self.origin(reciprocal, index));
            if summand.is_zero() || quotient.is_zero() {
                continue;
            }
            let divisor = match divisors.entry(quotient) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(free) => free.insert(self.divisor(quotient, range)?),
            };
            if !divisor.summands.contains(&summand) {
                return None;
            }
            bound = bound.union(divisor.bound());
        }
        Some(bound)
    }

    fn divisor(&self, quotient: Origin, range: &impl Fn(TensorId) -> Interval) -> Option<Divisor> {
        let Op::Reciprocal { input, numerator } = self.program.node(quotient.tensor).op else { return None };
        let divisor = self.origin(input, quotient.index as usize);
        let (sum, root) = match self.operator(divisor)? {
            Op::SquareRoot { input } => (self.sum(self.origin(*input, divisor.index as usize))?, true),
            _ => (self.sum(divisor)?, false),
        };
        if !root && range(sum.input).lo < 0 {
            return None;
        }
        let terms = self.terms(&sum);
        let summands = match root {
            true => terms.map(|term| self.squared(term)).collect::<Option<_>>()?,
            false => terms.collect(),
        };
        Some(Divisor { numerator: numerator.into(), factor: sum.factor, summands, root })
    }

    /// An element as a sum times a factor of at least 1, plus something that is not negative.
    fn sum(&self, element: Origin) -> Option<Sum> {
        match self.operator(element)? {
            Op::Sum { input, factor, requantize: None } if *factor >= 1 => {
                let (row, last) = (element.index as usize, *self.program.node(*input).shape.last()?);
                Some(Sum { input: *input, terms: (row * last..(row + 1) * last).collect(), factor: (*factor).into() })
            }
            Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias, requantize: None }
                if self.program.private_weights_of(element.tensor).is_none() =>
            {
                let positions = self.program.node(element.tensor).elements() / bias.len();
                let (output, position) = (element.index as usize / positions, element.index as usize % positions);
                let channels = weights.len() / bias.len();
                let own = weights.slice(output * channels..(output + 1) * channels);
                let factor = *own.first()?;
                let same = factor >= 1 && own.iter().all(|&weight| weight == factor) && bias[output] >= 0;
                let terms = (0..channels).map(|channel| channel * positions + position).collect();
                same.then_some(Sum { input: *input, terms, factor: factor.into() })
            }
            Op::Affine { operands, factors: [factor, 0], constant: 0.., requantize: None } if *factor >= 1 => {
                let sum = self.sum(self.origin(operands[0], element.index as usize))?;
                Some(Sum { factor: sum.factor.checked_mul((*factor).into())?, ..sum })
            }
            _ => None,
        }
    }

    /// The elements that a sum adds up, but for zeros.
    fn terms<'b>(&'b self, sum: &'b Sum) -> impl Iterator<Item = Origin> + 'b {
        let terms = sum.terms.iter().map(|&index| self.origin(sum.input, index));
        terms.filter(|term| !term.is_zero())
    }

    /// The element that another one is the square of.
    fn squared(&self, square: Origin) -> Option<Origin> {
        let Op::Product { operands, requantize: None } = self.operator(square)? else { return None };
        let [a, b] = operands.map(|operand| self.origin(operand, square.index as usize));
        (a == b).then_some(a)
    }

    fn operator(&self, element: Origin) -> Option<&'a Op> {
        (!element.is_zero()).then(|| &self.program.node(element.tensor).op)
    }

    fn origin(&self, tensor: TensorId, index: usize) -> Origin {
        match &self.origins[tensor.0 as usize] {
            Some(origins) => origins[index],
            None => Origin { tensor, index: index as u32 },
        }
    }
}

impl Divisor {
    fn bound(&self) -> Interval {
        match self.root {
            true => {
                let largest = self.numerator / self.factor.isqrt();
                Interval::new(-largest, largest)
            }
            false => Interval::new(0, self.numerator / self.factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranges;
    use crate::graph::{ConvGeometry, Node, Op, Program, TensorId, ViewElement};

    fn program(nodes: Vec<(Op, usize)>) -> Program {
        let node = |(op, size): (Op, usize)| Node { name: "n".into(), op, shape: vec![size], scale: 1.0 };
        Program {
            name: "test".into(),
            source_digest: [0; 32],
            options: Default::default(),
            private_weights: Default::default(),
            tables: vec![],
            nodes: nodes.into_iter().map(node).collect(),
            inputs: vec![],
            outputs: vec![],
        }
    }

    fn repeated(source: u32, count: usize) -> (Op, usize) {
        let map = (0..count).map(|_| ViewElement::Element { source: 0, index: 0 }).collect();
        (Op::View { sources: vec![TensorId(source)], map }, count)
    }

    fn accumulator(program: &Program) -> (i128, i128) {
        let found = ranges(program).unwrap().last().unwrap().accumulator.unwrap();
        (found.lo, found.hi)
    }

    #[test]
    fn a_share_of_a_sum() {
        for (lo, factor, expected) in [(0, 1, (0, 1000)), (0, 4, (0, 250)), (-1, 1, (-1000, 100_000))] {
            let nodes = vec![
                (Op::Input { lo, hi: 100 }, 3),
                (Op::Sum { input: TensorId(0), factor, requantize: None }, 1),
                (Op::Reciprocal { input: TensorId(1), numerator: 1000 }, 1),
                repeated(2, 3),
                (Op::Product { operands: [TensorId(3), TensorId(0)], requantize: None }, 3),
            ];
            assert_eq!(accumulator(&program(nodes)), expected);
        }
    }

    #[test]
    fn a_share_of_a_sum_by_a_convolution() {
        for (weights, expected) in [([2, 2, 2], (0, 500)), ([2, 1, 2], (0, 100_000))] {
            let op = Op::Conv {
                input: TensorId(0),
                geometry: ConvGeometry::POINTWISE,
                weights: weights.to_vec().into(),
                bias: [0].into(),
                requantize: None,
            };
            let nodes = vec![
                (Op::Input { lo: 0, hi: 100 }, 3),
                (op, 1),
                (Op::Reciprocal { input: TensorId(1), numerator: 1000 }, 1),
                repeated(2, 3),
                (Op::Product { operands: [TensorId(3), TensorId(0)], requantize: None }, 3),
            ];
            assert_eq!(accumulator(&program(nodes)), expected);
        }
    }

    #[test]
    fn an_element_over_the_root_of_a_sum_of_squares() {
        let nodes = |own: bool| {
            vec![
                (Op::Input { lo: -100, hi: 100 }, 3),
                (Op::Input { lo: -100, hi: 100 }, 3),
                (Op::Product { operands: [TensorId(0); 2], requantize: None }, 3),
                (Op::Sum { input: TensorId(2), factor: 16, requantize: None }, 1),
                (Op::Affine { operands: [TensorId(3); 2], factors: [1, 0], constant: 9, requantize: None }, 1),
                (Op::SquareRoot { input: TensorId(4) }, 1),
                (Op::Reciprocal { input: TensorId(5), numerator: 1000 }, 1),
                repeated(6, 3),
                (Op::Product { operands: [TensorId(u32::from(!own)), TensorId(7)], requantize: None }, 3),
            ]
        };
        assert_eq!(accumulator(&program(nodes(true))), (-250, 250));
        // Another tensor's elements are not bounded by this root.
        assert_eq!(accumulator(&program(nodes(false))), (-33_300, 33_300));
    }
}
