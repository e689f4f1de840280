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
//! for `f ≥ 1` and `c ≥ 0`. The second: for `e_i ≠ 0`, `d ≥ floor(√(f·e_i²)) ≥ floor(√f)·abs(e_i)`. The squares may be summed by a
//! product of matrices.
//!
//! An element less the mean of its row of `n` is written without division, and its squares without subtraction. With `S = Σ e_i`,
//! `Q = Σ e_i²` and `c_i = n·e_i − S`,
//!
//! ```text
//! b·(n·Q − S²) = (b / n)·Σ c_i²
//! ```
//!
//! so a *variance* `b·n·Q − b·S² + c` is at least `c`, and `abs(c_i)·floor(N / floor(√variance)) ≤ N / floor(√(b / n))`. The left side
//! is recognised as `(n·r)·e_i + r·(−S)`, a product of matrices with `r = floor(N / …)`.

use std::cell::Cell;
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
    /// How many more summands may be compared. Where none is left nothing is said of a product, which is no error: the bound is wider.
    comparisons: Cell<usize>,
}

/// Most comparisons of summands for an element of the program. A model's own sums are compared a few times each; views can repeat one sum as
/// often as they have elements.
const COMPARISONS: usize = 64;

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

/// `factor·(n·Σ e_i² − (Σ e_i)²)`, plus something that is not negative.
struct Variance {
    factor: i128,
    /// The `n` elements.
    elements: HashSet<Origin>,
    /// Their sum, or its negation.
    sum: Origin,
    /// Whether it is the sum that was negated.
    negated: bool,
}

/// A quotient with the variance under its root, and its numerator.
struct Deviation {
    quotient: Origin,
    numerator: i128,
    variance: Variance,
}

impl<'a> Quotients<'a> {
    /// Looks a program over.
    pub(super) fn of(program: &'a Program) -> Self {
        let divides = program.nodes.iter().any(|node| matches!(node.op, Op::Reciprocal { .. }));
        let elements = program.nodes.iter().map(|node| node.elements());
        let comparisons = elements.fold(0, usize::saturating_add).saturating_mul(COMPARISONS);
        Self {
            program,
            origins: if divides { origins(program) } else { Vec::new() },
            comparisons: Cell::new(comparisons),
        }
    }

    /// Takes comparisons of summands from what is left, if that many are.
    fn compare(&self, summands: usize) -> Option<()> {
        self.comparisons.set(self.comparisons.get().checked_sub(summands)?);
        Some(())
    }

    /// A bound of all products of two tensors' elements, if each is an element over a divisor that grows with it.
    pub(super) fn bound(&self, [a, b]: [TensorId; 2], range: impl Fn(TensorId) -> Interval) -> Option<Interval> {
        if self.origins.is_empty() {
            return None;
        }
        [(a, b), (b, a)].into_iter().find_map(|(element, reciprocal)| self.bound_of(element, reciprocal, &range))
    }

    /// A bound of all elements of a product of matrices, if each is an element, or an element less the mean, over a divisor that
    /// grows with it.
    pub(super) fn bound_of_matrices(
        &self,
        operands: [TensorId; 2],
        range: impl Fn(TensorId) -> Interval,
    ) -> Option<Interval> {
        if self.origins.is_empty() {
            return None;
        }
        let [a, b] = operands.map(|operand| &self.program.node(operand).shape[..]);
        let &[stack, 1, inner @ (1 | 2)] = a else { return None };
        let columns = b[2];
        let mut bound = Interval::new(0, 0);
        for matrix in 0..stack {
            let left = |k: usize| self.origin(operands[0], matrix * inner + k);
            let right = |k: usize| {
                let first = (matrix * inner + k) * columns;
                (first..first + columns).map(move |index| self.origin(operands[1], index))
            };
            bound = bound.union(match inner {
                1 => self.bound_of_row(left(0), right(0), &range)?,
                _ => self.bound_of_deviations([left(0), left(1)], right(0), &mut right(1))?,
            });
        }
        Some(bound)
    }

    /// A bound of elements times one quotient.
    fn bound_of_row(
        &self,
        quotient: Origin,
        mut elements: impl Iterator<Item = Origin>,
        range: &impl Fn(TensorId) -> Interval,
    ) -> Option<Interval> {
        if quotient.is_zero() {
            return Some(Interval::new(0, 0));
        }
        let divisor = self.divisor(quotient, range)?;
        elements.all(|element| element.is_zero() || divisor.summands.contains(&element)).then(|| divisor.bound())
    }

    /// A bound of `(n·r)·e_i + r·(−S)` for the elements `e_i` and the quotient `r`.
    fn bound_of_deviations(
        &self,
        [multiple, quotient]: [Origin; 2],
        mut elements: impl Iterator<Item = Origin>,
        sums: &mut impl Iterator<Item = Origin>,
    ) -> Option<Interval> {
        let Deviation { quotient, numerator, variance } = self.deviation(quotient)?;
        let Op::Affine { operands, factors: [factor, 0], constant: 0, requantize: None } = self.operator(multiple)?
        else {
            return None;
        };
        let count = variance.elements.len() as i128;
        let same = self.origin(operands[0], multiple.index as usize) == quotient && i128::from(*factor) == count;
        let deviations = same
            && variance.negated
            && elements.all(|element| variance.elements.contains(&element))
            && sums.all(|sum| sum == variance.sum);
        let factor = variance.factor / count;
        if !deviations || factor < 1 {
            return None;
        }
        let largest = numerator / factor.isqrt();
        Some(Interval::new(-largest, largest))
    }

    fn deviation(&self, quotient: Origin) -> Option<Deviation> {
        let Op::Reciprocal { input, numerator } = self.operator(quotient)? else { return None };
        let root = self.origin(*input, quotient.index as usize);
        let Op::SquareRoot { input } = self.operator(root)? else { return None };
        let variance = self.variance(self.origin(*input, root.index as usize))?;
        Some(Deviation { quotient, numerator: (*numerator).into(), variance })
    }

    /// What the elements of an affine node are at least, if all are variances.
    pub(super) fn least_variance(&self, tensor: TensorId) -> Option<i128> {
        let Op::Affine { constant, .. } = self.program.node(tensor).op else { return None };
        let is_variance = |index: usize| self.variance(self.origin(tensor, index)).is_some();
        let all = !self.origins.is_empty() && (0..self.program.node(tensor).elements()).all(is_variance);
        all.then_some(constant.into())
    }

    /// An element as a variance plus something that is not negative.
    fn variance(&self, element: Origin) -> Option<Variance> {
        let Op::Affine { operands, factors: [of_squares, of_sum], constant: 0.., requantize: None } =
            self.operator(element)?
        else {
            return None;
        };
        if *of_sum >= 0 {
            return None;
        }
        let [squares, square] = operands.map(|operand| self.origin(operand, element.index as usize));
        let squared = self.squares_of_a_product(squares)?;
        let sum = self.squared(square)?;
        let Op::Sum { input, factor: factor @ (1 | -1), requantize: None } = self.operator(sum)? else { return None };
        let terms = self.program.node(*input).shape.last()?;
        self.compare(*terms)?;
        let summed = (sum.index as usize * terms..(sum.index as usize + 1) * terms).map(|i| self.origin(*input, i));
        let elements: HashSet<_> = squared.iter().copied().collect();
        let count = elements.len();
        // All are different, none is zero, and both sums have each once.
        let alike = squared.len() == count
            && *terms == count
            && !elements.contains(&Origin::ZERO)
            && summed.collect::<HashSet<_>>() == elements;
        let factor_of_sum = -i128::from(*of_sum);
        let exact = i128::from(*of_squares) == factor_of_sum * count as i128;
        (alike && exact).then_some(Variance { factor: factor_of_sum, elements, sum, negated: *factor == -1 })
    }

    /// The elements whose squares a product of matrices sums up.
    fn squares_of_a_product(&self, element: Origin) -> Option<Vec<Origin>> {
        let Op::MatMul { operands, requantize: None } = self.operator(element)? else { return None };
        let [a, b] = operands.map(|operand| &self.program.node(operand).shape);
        let (rows, inner, columns) = (a[1], a[2], b[2]);
        self.compare(inner)?;
        let (row, column) = (element.index as usize / columns, element.index as usize % columns);
        let pair = |k: usize| {
            let left = self.origin(operands[0], row * inner + k);
            (left == self.origin(operands[1], (row / rows * inner + k) * columns + column)).then_some(left)
        };
        (0..inner).map(pair).collect()
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
            Op::SquareRoot { input } => {
                let squares = self.origin(*input, divisor.index as usize);
                if let Some((summands, factor)) = self.sum_of_squares(squares) {
                    return Some(Divisor { numerator: numerator.into(), factor, summands, root: true });
                }
                (self.sum(squares)?, true)
            }
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

    /// An element as a factor of at least 1 times a sum of squares by a product of matrices, plus something that is not negative.
    fn sum_of_squares(&self, element: Origin) -> Option<(HashSet<Origin>, i128)> {
        let (squares, factor) = match self.operator(element)? {
            Op::Affine { operands, factors: [factor, 0], constant: 0.., requantize: None } if *factor >= 1 => {
                (self.origin(operands[0], element.index as usize), (*factor).into())
            }
            _ => (element, 1),
        };
        Some((self.squares_of_a_product(squares)?.into_iter().collect(), factor))
    }

    /// An element as a sum times a factor of at least 1, plus something that is not negative.
    fn sum(&self, mut element: Origin) -> Option<Sum> {
        let mut multiple = 1i128;
        // Each step counts as a comparison, so that a long chain is not gone along for each of many elements.
        while let Op::Affine { operands, factors: [factor, 0], constant: 0.., requantize: None } =
            self.operator(element)?
        {
            self.compare(1)?;
            multiple = multiple.checked_mul((*factor >= 1).then_some(*factor)?.into())?;
            element = self.origin(operands[0], element.index as usize);
        }
        let sum = self.bare_sum(element)?;
        Some(Sum { factor: sum.factor.checked_mul(multiple)?, ..sum })
    }

    /// An element as a sum times a factor of at least 1, plus a bias that is not negative.
    fn bare_sum(&self, element: Origin) -> Option<Sum> {
        match self.operator(element)? {
            Op::Sum { input, factor, requantize: None } if *factor >= 1 => {
                let (row, last) = (element.index as usize, *self.program.node(*input).shape.last()?);
                self.compare(last)?;
                Some(Sum { input: *input, terms: (row * last..(row + 1) * last).collect(), factor: (*factor).into() })
            }
            Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias, requantize: None }
                if self.program.private_weights_of(element.tensor).is_none() =>
            {
                let positions = self.program.node(element.tensor).elements() / bias.len();
                let (output, position) = (element.index as usize / positions, element.index as usize % positions);
                let channels = weights.len() / bias.len();
                self.compare(channels)?;
                let own = weights.slice(output * channels..(output + 1) * channels);
                let factor = *own.first()?;
                let same = factor >= 1 && own.iter().all(|&weight| weight == factor) && bias[output] >= 0;
                let terms = (0..channels).map(|channel| channel * positions + position).collect();
                same.then_some(Sum { input: *input, terms, factor: factor.into() })
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

    /// Rows of three elements less their mean over the root of the variance, whose sum is made with `factor` and multiplied by `of_sum`.
    fn deviations(factor: i64, of_sum: i64) -> Program {
        let at = |source, index: usize| ViewElement::Element { source, index: index as u32 };
        let view = |sources: &[u32], map: Vec<ViewElement>| Op::View {
            sources: sources.iter().map(|&source| TensorId(source)).collect(),
            map: map.into(),
        };
        let variance = Op::Affine {
            operands: [TensorId(3), TensorId(5)],
            factors: [9 * 12, of_sum],
            constant: 7,
            requantize: None,
        };
        let nodes = vec![
            (Op::Input { lo: -100, hi: 100 }, vec![2, 1, 3]),
            (view(&[0], (0..6).map(|i| at(0, i)).collect()), vec![2, 3, 1]),
            (Op::MatMul { operands: [TensorId(0), TensorId(1)], requantize: None }, vec![2, 1, 1]),
            (view(&[2], vec![at(0, 0), at(0, 1)]), vec![2]),
            (Op::Sum { input: TensorId(0), factor, requantize: None }, vec![2, 1]),
            (Op::Product { operands: [TensorId(4); 2], requantize: None }, vec![2, 1]),
            (variance, vec![2, 1]),
            (Op::SquareRoot { input: TensorId(6) }, vec![2, 1]),
            (Op::Reciprocal { input: TensorId(7), numerator: 1000 }, vec![2, 1]),
            (Op::Affine { operands: [TensorId(8); 2], factors: [3, 0], constant: 0, requantize: None }, vec![2, 1]),
            (view(&[9, 8], vec![at(0, 0), at(1, 0), at(0, 1), at(1, 1)]), vec![2, 1, 2]),
            (
                view(
                    &[0, 4],
                    (0..12).map(|i| if i / 3 % 2 == 0 { at(0, i / 6 * 3 + i % 3) } else { at(1, i / 6) }).collect(),
                ),
                vec![2, 2, 3],
            ),
            (Op::MatMul { operands: [TensorId(10), TensorId(11)], requantize: None }, vec![2, 1, 3]),
        ];
        let mut program = program(vec![]);
        let node = |(op, shape)| Node { name: "n".into(), op, shape, scale: 1.0 };
        program.nodes = nodes.into_iter().map(node).collect();
        program
    }

    #[test]
    fn an_element_less_the_mean_over_the_root_of_the_variance() {
        let exact = deviations(-1, -36);
        let ranges = ranges(&exact).unwrap();
        // 12·Σ (3·x − Σ x)² + 7, whose root is at least 3·abs(3·x − Σ x).
        assert_eq!(ranges[6].value.lo, 7);
        assert_eq!(accumulator(&exact), (-333, 333));
        // A sum that is not negated is added; another factor makes something else than a variance.
        assert!(accumulator(&deviations(1, -36)).1 > 333);
        for of_sum in [-35, -37, 36] {
            assert!(super::super::ranges(&deviations(-1, of_sum)).map_or(true, |ranges| ranges[6].value.lo != 7));
        }
    }

    /// One sum of many elements, which a view repeats as often, would be compared for hours.
    #[test]
    fn sums_that_a_view_repeats_are_compared_a_bounded_number_of_times() {
        let count = 1 << 12;
        let nodes = vec![
            (Op::Input { lo: 1, hi: 2 }, vec![count]),
            (Op::Sum { input: TensorId(0), factor: 1, requantize: None }, vec![1]),
            (repeated(1, count).0, vec![count]),
            (Op::Reciprocal { input: TensorId(2), numerator: 1 << 24 }, vec![count]),
            (Op::Product { operands: [TensorId(0), TensorId(3)], requantize: None }, vec![count]),
        ];
        let mut program = program(vec![]);
        let node = |(op, shape)| Node { name: "n".into(), op, shape, scale: 1.0 };
        program.nodes = nodes.into_iter().map(node).collect();
        let quotients = super::Quotients::of(&program);
        let all = quotients.comparisons.get();
        // Each element of the reciprocal is a quotient of its own: the comparisons run out, and the product has the bound of its factors.
        assert_eq!(quotients.bound([TensorId(0), TensorId(3)], |_| super::Interval::new(1, 2)), None);
        assert_eq!(all, 4 * count * super::COMPARISONS + super::COMPARISONS);
        assert!(quotients.comparisons.get() < count);
    }

    /// A chain as long as a program can be, which would overflow the stack if each of its nodes called the next.
    #[test]
    fn a_chain_of_a_million_multiples_of_a_sum_is_gone_along_without_a_stack() {
        let length = 1_000_000;
        let affine =
            |operand| Op::Affine { operands: [TensorId(operand); 2], factors: [1, 0], constant: 0, requantize: None };
        let mut nodes =
            vec![(Op::Input { lo: 1, hi: 100 }, 3), (Op::Sum { input: TensorId(0), factor: 4, requantize: None }, 1)];
        nodes.extend((0..length).map(|step| (affine(step + 1), 1)));
        nodes.push((Op::Reciprocal { input: TensorId(length + 1), numerator: 1000 }, 1));
        nodes.push(repeated(length + 2, 3));
        nodes.push((Op::Product { operands: [TensorId(length + 3), TensorId(0)], requantize: None }, 3));
        assert_eq!(accumulator(&program(nodes)), (0, 250));
    }

    /// Factors whose product no integer holds are no bound, and no overflow.
    #[test]
    fn multiples_beyond_every_integer_are_not_multiplied() {
        let factors = [1i64 << 48; 3];
        let node = |(op, size): (Op, usize)| Node { name: "n".into(), op, shape: vec![size], scale: 1.0 };
        let mut nodes =
            vec![(Op::Input { lo: 1, hi: 1 }, 1), (Op::Sum { input: TensorId(0), factor: 1, requantize: None }, 1)];
        nodes.extend(factors.iter().enumerate().map(|(step, &factor)| {
            let operands = [TensorId(step as u32 + 1); 2];
            (Op::Affine { operands, factors: [factor, 0], constant: 0, requantize: None }, 1)
        }));
        nodes.push((Op::Reciprocal { input: TensorId(4), numerator: 1 }, 1));
        let program = Program { nodes: nodes.into_iter().map(node).collect(), ..program(vec![]) };
        let quotients = super::Quotients::of(&program);
        let element = |tensor| super::Origin { tensor: TensorId(tensor), index: 0 };
        assert_eq!(quotients.sum(element(3)).map(|sum| sum.factor), Some(1 << 96));
        assert!(quotients.sum(element(4)).is_none());
    }
}
