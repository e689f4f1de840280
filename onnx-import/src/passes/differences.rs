//! Scores that are weighted squared distances become differences from the largest of them, where only these matter.
//!
//! Naive Bayes scores class `c` by `L_c = k_c − Σ_j a_cj·(x_j − μ_cj)²`. A feature that hardly varies within one class has a weight `a_cj`
//! that is millions of times as large as in another one, so that scores reach billions where differences of a unit decide. A softmax and
//! the index of the largest element look at differences alone, and at those far below the largest not at all:
//!
//! ```text
//! softmax(L) = softmax(r)        r_c = −max(0, max_k clip(L_k − L_c, −W, W))        W = 16: e^−16 is nothing beside 1
//! ```
//!
//! Where more is seen of the scores (their values, or a logarithm of the softmax) they stay as they are.
//!
//! A difference of two scores is one layer on `x²` and `x`, whose weights are differences too: features of equal weights fall away.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::rebuild::{joined, positions, rebuild, Output};
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId,
};

/// Most scores: their differences are half as many as their squares.
const MOST_SCORES: usize = 32;
/// Most terms of all elements of a value.
const MOST_TERMS: usize = 1 << 16;
/// How much a class may lose at the center of another one until scores become differences: four times what is told apart.
const FAR: f64 = 64.0;
/// Ratio of the largest feature to the median one from which on one step does not serve all of them: their squares keep steps of their own.
const UNEVEN: f64 = 16.0;
/// Differences beyond this count as this.
const WINDOW: f64 = 16.0;

/// Lets softmax and the index of the largest element look at differences of scores of classes that are far from each other.
pub(super) fn take(graph: FloatGraph) -> FloatGraph {
    let mut forms = Forms::default();
    let mut taken: HashMap<ValueId, Option<ValueId>> = HashMap::new();
    rebuild(graph, |output, _, mut node| {
        if let Some((scores, _)) = contest(&node.op) {
            let differences = *taken.entry(scores).or_insert_with(|| {
                let scores = Scores::of(output, &mut forms, scores, &node)?;
                Some(scores.push(output))
            });
            if let Some(differences) = differences {
                node.op = node.op.clone_with(|_| differences);
            }
        }
        output.push(node)
    })
}

/// What an operator looks at, and along which axis, where differences from the largest element are all that it sees.
fn contest(op: &FloatOp) -> Option<(ValueId, usize)> {
    match op {
        FloatOp::Softmax { input, axis } | FloatOp::ArgExtremum { input, axis, smallest: false, .. } => {
            Some((*input, *axis))
        }
        _ => None,
    }
}

/// `constant + Σ_j square_j·x_j² + slope_j·x_j`, by the number of the element `x_j` of an input.
#[derive(Clone, Debug, Default)]
struct Quadratic {
    constant: f64,
    /// `[square, slope]`
    terms: BTreeMap<usize, [f64; 2]>,
}

impl Quadratic {
    fn constant(constant: f64) -> Self {
        Self { constant, terms: BTreeMap::new() }
    }

    /// `self + factor·other`
    fn plus(mut self, other: &Self, factor: f64) -> Self {
        self.constant += factor * other.constant;
        for (&element, own) in &other.terms {
            let sum = self.terms.entry(element).or_default();
            (0..2).for_each(|i| sum[i] += factor * own[i]);
        }
        self
    }

    fn scaled(&self, factor: f64) -> Self {
        Self::default().plus(self, factor)
    }

    /// Where it is largest as a function of an element, if its square is negative.
    fn center(&self, element: usize) -> Option<f64> {
        let [square, slope] = self.terms.get(&element).copied()?;
        (square < 0.0).then_some(-slope / (2.0 * square))
    }

    /// The square of a number, or of a function of one element that has no square.
    fn squared(&self) -> Option<Self> {
        let own = self.constant;
        let mut terms = BTreeMap::new();
        for (&element, &[square, slope]) in &self.terms {
            if square != 0.0 || !terms.is_empty() {
                return None;
            }
            terms.insert(element, [slope * slope, 2.0 * slope * own]);
        }
        Some(Self { constant: own * own, terms })
    }
}

/// A value, element by element, as functions of an input.
struct Form {
    /// The input; `None` for constants.
    input: Option<ValueId>,
    elements: Vec<Quadratic>,
}

/// The forms of values that were asked for.
#[derive(Default)]
struct Forms(HashMap<ValueId, Option<Rc<Form>>>);

impl Forms {
    fn of(&mut self, output: &Output, value: ValueId) -> Option<Rc<Form>> {
        if let Some(known) = self.0.get(&value) {
            return known.clone();
        }
        let form = self
            .read(output, value)
            .filter(|form| form.elements.iter().map(|element| 1 + element.terms.len()).sum::<usize>() <= MOST_TERMS);
        let form = form.map(Rc::new);
        self.0.insert(value, form.clone());
        form
    }

    fn read(&mut self, output: &Output, value: ValueId) -> Option<Form> {
        let node = output.node(value);
        if node.element != Element::Real || node.shape.iter().product::<usize>() > MOST_TERMS {
            return None;
        }
        let each = |form: Rc<Form>, of: &dyn Fn(&Quadratic) -> Option<Quadratic>| {
            let elements = form.elements.iter().map(of).collect::<Option<Vec<_>>>()?;
            Some(Form { input: form.input, elements })
        };
        match &node.op {
            FloatOp::Input(_) => {
                let element = |j| Quadratic { constant: 0.0, terms: BTreeMap::from([(j, [0.0, 1.0])]) };
                let elements = (0..node.shape.iter().product()).map(element).collect();
                Some(Form { input: Some(value), elements })
            }
            FloatOp::Constant(tensor) => {
                let elements = tensor.data.iter().map(|&number| Quadratic::constant(number)).collect();
                tensor.data.is_finite().then_some(Form { input: None, elements })
            }
            FloatOp::Reshape(input) => each(self.of(output, *input)?, &|element| Some(element.clone())),
            FloatOp::Unary { input, function } => {
                let form = self.of(output, *input)?;
                match *function {
                    UnaryFunction::Neg => each(form, &|element| Some(element.scaled(-1.0))),
                    UnaryFunction::Affine { factor, offset } => {
                        each(form, &|element| Some(Quadratic::constant(offset).plus(element, factor)))
                    }
                    UnaryFunction::Power(2.0) => each(form, &Quadratic::squared),
                    _ => None,
                }
            }
            FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if a == b => {
                each(self.of(output, *a)?, &Quadratic::squared)
            }
            FloatOp::Binary { function, operands } => self.binary(output, node, *function, *operands),
            FloatOp::Reduce { input, kind: ReduceKind::Sum, axes } => {
                let form = self.of(output, *input)?;
                let shape = &output.node(*input).shape;
                let kept: Vec<usize> =
                    (0..shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect();
                let mut elements = vec![Quadratic::default(); kept.iter().product()];
                for (element, at) in form.elements.iter().zip(positions(&kept, shape)) {
                    elements[at] = std::mem::take(&mut elements[at]).plus(element, 1.0);
                }
                Some(Form { input: form.input, elements })
            }
            _ => None,
        }
    }

    fn binary(
        &mut self,
        output: &Output,
        node: &FloatNode,
        function: BinaryFunction,
        operands: [ValueId; 2],
    ) -> Option<Form> {
        let [a, b] = operands.map(|operand| self.of(output, operand));
        let (a, b) = (a?, b?);
        let input = match (a.input, b.input) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        let [left, right] = operands.map(|operand| positions(&output.node(operand).shape, &node.shape));
        let number = |form: &Form, at: usize| form.input.is_none().then(|| form.elements[at].constant);
        let element = |(left, right): (usize, usize)| {
            let (one, other) = (&a.elements[left], &b.elements[right]);
            Some(match function {
                BinaryFunction::Add => one.clone().plus(other, 1.0),
                BinaryFunction::Sub => one.clone().plus(other, -1.0),
                BinaryFunction::Mul => match (number(&a, left), number(&b, right)) {
                    (_, Some(number)) => one.scaled(number),
                    (Some(number), _) => other.scaled(number),
                    _ => return None,
                },
                BinaryFunction::Div => one.scaled(1.0 / number(&b, right).filter(|&number| number != 0.0)?),
                _ => return None,
            })
        };
        let elements = left.into_iter().zip(right).map(element).collect::<Option<Vec<_>>>()?;
        Some(Form { input, elements })
    }
}

/// Scores of classes that become differences.
struct Scores {
    input: ValueId,
    classes: Vec<Quadratic>,
    shape: Vec<usize>,
    names: Vec<String>,
}

impl Scores {
    /// The scores that an operator looks at, where classes are far from each other.
    fn of(output: &Output, forms: &mut Forms, scores: ValueId, reader: &FloatNode) -> Option<Self> {
        let (node, (_, axis)) = (output.node(scores), contest(&reader.op)?);
        let count = node.shape.iter().product::<usize>();
        if !(2..=MOST_SCORES).contains(&count) || node.shape[axis] != count {
            return None;
        }
        let form = forms.of(output, scores)?;
        let classes = form.elements.clone();
        let names = joined(&[&node.provenance, &reader.provenance]);
        let scores = Self { input: form.input?, classes, shape: node.shape.clone(), names };
        (scores.are_far() && scores.are_even()).then_some(scores)
    }

    /// Whether the centers of classes say that features are of like size.
    fn are_even(&self) -> bool {
        let size = |element: usize| {
            let centers = self.classes.iter().filter_map(|class| class.center(element));
            centers.fold(0.0, |largest: f64, center| largest.max(center.abs()))
        };
        let mut sizes: Vec<f64> = self.elements().into_iter().map(size).filter(|&size| size > 0.0).collect();
        sizes.sort_by(f64::total_cmp);
        match (sizes.get(sizes.len().saturating_sub(1) / 2), sizes.last()) {
            (Some(median), Some(largest)) => *largest < UNEVEN * median,
            _ => true,
        }
    }

    /// Whether the centers of some classes are so far from each other, as the scores have it, that one step serves no scores.
    fn are_far(&self) -> bool {
        let loss = |class: &Quadratic, other: &Quadratic| {
            let lost = |(&element, term): (&usize, &[f64; 2])| {
                let (own, other) = (class.center(element)?, other.center(element)?);
                Some(-term[0] * (own - other).powi(2))
            };
            class.terms.iter().filter_map(lost).sum::<f64>()
        };
        let losses = self.classes.iter().flat_map(|class| self.classes.iter().map(move |other| loss(class, other)));
        losses.fold(0.0, f64::max) >= FAR
    }

    /// Appends the differences from the largest score.
    fn push(&self, output: &mut Output) -> ValueId {
        let names = &self.names;
        let mut push = |op, shape: Vec<usize>| {
            output.push(FloatNode { provenance: names.clone(), op, shape, element: Element::Real })
        };
        let (pairs, elements) = (self.pairs(), self.elements());
        let read: Arc<[_]> = elements.iter().map(|&element| Some(element as u32)).collect();
        let count = elements.len();
        let x = push(FloatOp::Reindex { input: self.input, map: read, fill: 0.0 }, vec![1, count]);
        let function = BinaryFunction::Mul;
        let squares = push(FloatOp::Binary { function, operands: [x, x] }, vec![1, count]);
        let both = push(FloatOp::Concat { inputs: vec![squares, x], axis: 1 }, vec![1, 2 * count]);
        let mut weights = vec![0.0; 2 * count * pairs.len()];
        for (pair, difference) in pairs.iter().enumerate() {
            for (place, element) in elements.iter().enumerate() {
                let [square, slope] = difference.terms.get(element).copied().unwrap_or_default();
                weights[place * pairs.len() + pair] = square;
                weights[(count + place) * pairs.len() + pair] = slope;
            }
        }
        let constants = pairs.iter().map(|difference| difference.constant).collect();
        let constant = |tensor: Tensor| (tensor.shape.clone(), FloatOp::Constant(tensor));
        let (shape, weights) = constant(Tensor::new(vec![2 * count, pairs.len()], weights));
        let weights = push(weights, shape);
        let (shape, constants) = constant(Tensor::new(vec![1, pairs.len()], constants));
        let constants = push(constants, shape);
        let product = push(FloatOp::MatMul(both, weights), vec![1, pairs.len()]);
        let operands = [product, constants];
        let sums = push(FloatOp::Binary { function: BinaryFunction::Add, operands }, vec![1, pairs.len()]);
        let clip = UnaryFunction::Clip { lo: -WINDOW, hi: WINDOW };
        let upper = push(FloatOp::Unary { input: sums, function: clip }, vec![1, pairs.len()]);
        let lower = push(FloatOp::Unary { input: upper, function: UnaryFunction::Neg }, vec![1, pairs.len()]);
        let all = push(FloatOp::Concat { inputs: vec![upper, lower], axis: 1 }, vec![1, 2 * pairs.len()]);
        let classes = self.classes.len();
        let map = self.leads(pairs.len()).into();
        let leads = push(FloatOp::Reindex { input: all, map, fill: 0.0 }, vec![classes, classes]);
        let largest = FloatOp::Reduce { input: leads, kind: ReduceKind::Max, axes: vec![1] };
        let largest = push(largest, vec![classes]);
        let behind = push(FloatOp::Unary { input: largest, function: UnaryFunction::Neg }, vec![classes]);
        push(FloatOp::Reshape(behind), self.shape.clone())
    }

    /// `L_k − L_c` for `c < k`, in order.
    fn pairs(&self) -> Vec<Quadratic> {
        let of = |c: usize| (c + 1..self.classes.len()).map(move |k| (c, k));
        let pairs = (0..self.classes.len()).flat_map(of);
        pairs.map(|(c, k)| self.classes[k].clone().plus(&self.classes[c], -1.0)).collect()
    }

    /// The elements of the input that a score reads.
    fn elements(&self) -> Vec<usize> {
        let read: BTreeMap<usize, ()> =
            self.classes.iter().flat_map(|class| class.terms.keys().map(|&element| (element, ()))).collect();
        read.into_keys().collect()
    }

    /// Row `c` has `L_k − L_c` for all `k`, from the differences and their negatives; its own is 0.
    fn leads(&self, pairs: usize) -> Vec<Option<u32>> {
        let classes = self.classes.len();
        let pair = |c: usize, k: usize| c * (2 * classes - c - 1) / 2 + k - c - 1;
        let entry = |c: usize, k: usize| match c.cmp(&k) {
            std::cmp::Ordering::Less => Some(pair(c, k) as u32),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some((pairs + pair(k, c)) as u32),
        };
        (0..classes * classes).map(|at| entry(at / classes, at % classes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::take;
    use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, Tensor, ValueId};

    /// Naive Bayes of three classes on two features, of which one hardly varies in the first class, and one is of some size.
    fn scores(variance: f64, size: f64) -> Vec<(FloatOp, &'static [usize])> {
        let binary = |function, a, b| FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] };
        let constant = |shape: &[usize], data: &[f64]| FloatOp::Constant(Tensor::new(shape.to_vec(), data.to_vec()));
        let means = constant(&[1, 3, 2], &[-0.5, 0.0, 0.25, size, -1.0, 0.5 * size]);
        let variances = constant(&[1, 3, 2], &[variance, 1.0, 1.0, 2.0, 0.5, 1.0]);
        vec![
            (FloatOp::Reshape(ValueId(0)), &[1, 1, 2]),
            (means, &[1, 3, 2]),
            (binary(BinaryFunction::Sub, 1, 2), &[1, 3, 2]),
            (binary(BinaryFunction::Mul, 3, 3), &[1, 3, 2]),
            (variances, &[1, 3, 2]),
            (binary(BinaryFunction::Div, 4, 5), &[1, 3, 2]),
            (FloatOp::Reduce { input: ValueId(6), kind: ReduceKind::Sum, axes: vec![2] }, &[1, 3]),
            (constant(&[1, 3], &[3.0, 1.0, -1.0]), &[1, 3]),
            (binary(BinaryFunction::Sub, 8, 7), &[1, 3]),
            (FloatOp::Softmax { input: ValueId(9), axis: 1 }, &[1, 3]),
        ]
    }

    #[test]
    fn scores_of_far_classes_become_differences() {
        let found = check(graph(&[1, 2], scores(1e-8, 1.0)), take);
        assert!(found.nodes.iter().any(|node| matches!(node.op, FloatOp::Reduce { kind: ReduceKind::Max, .. })));
        let product = found.nodes.iter().find(|node| matches!(node.op, FloatOp::MatMul(..))).unwrap();
        assert_eq!(product.shape, [1, 3]);
    }

    #[test]
    fn logarithms_of_a_softmax_see_how_far_scores_are() {
        let mut nodes = scores(1e-8, 1.0);
        nodes.last_mut().unwrap().0 = FloatOp::LogSoftmax { input: ValueId(9), axis: 1 };
        let same = check(graph(&[1, 2], nodes), take);
        assert!(!same.nodes.iter().any(|node| matches!(node.op, FloatOp::MatMul(..))));
    }

    #[test]
    fn scores_of_near_classes_of_uneven_features_and_products_of_elements_stay() {
        for (variance, size) in [(0.25, 1.0), (1e-8, 100.0)] {
            let same = check(graph(&[1, 2], scores(variance, size)), take);
            assert!(!same.nodes.iter().any(|node| matches!(node.op, FloatOp::MatMul(..))));
        }
        let crossed = vec![
            (FloatOp::Reindex { input: ValueId(0), map: [Some(1), Some(0)].into(), fill: 0.0 }, &[1, 2][..]),
            (FloatOp::Binary { function: BinaryFunction::Mul, operands: [ValueId(0), ValueId(1)] }, &[1, 2]),
            (FloatOp::Softmax { input: ValueId(2), axis: 1 }, &[1, 2]),
        ];
        assert_eq!(check(graph(&[1, 2], crossed), take).nodes.len(), 4);
    }
}
