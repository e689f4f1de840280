//! SVMClassifier and SVMRegressor: sums of kernels over support vectors.
//!
//! With `K(x, s)` the kernel, `S` the support vectors in the order of their classes, and a row of coefficients for each class
//! but one:
//!
//! ```text
//! score of classes i < j   Σ_{s in i} c_(j−1),s·K(x, s) + Σ_{s in j} c_i,s·K(x, s) + rho_ij         for i = 0, 1, …, then j
//! votes of a class         how many of its scores it wins; a score above zero is won by the first of the two
//! label                    the first class with the most votes
//! ```
//!
//! The conventions are those of onnxruntime 1.32, found by running it.

use super::linear::{refuse_transform, transformed};
use super::{labels, samples, Result};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::ops::extremum::extremum;

/// A kernel of two vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    /// `x·s`
    Linear,
    /// `(gamma·(x·s) + offset)^degree`
    Polynomial { gamma: f64, offset: f64, degree: f64 },
    /// `exp(−gamma·‖x − s‖²)`
    Radial { gamma: f64 },
    /// `tanh(gamma·(x·s) + offset)`
    Sigmoid { gamma: f64, offset: f64 },
}

impl Kernel {
    fn read(call: &Call) -> Result<Self> {
        let parameters = call.attributes.floats("kernel_params")?.unwrap_or_default();
        let kind = call.attributes.string_or("kernel_type", "LINEAR")?;
        if kind == "LINEAR" {
            return Ok(Self::Linear);
        }
        let [gamma, offset, degree] = parameters[..] else {
            return Err(NodeError::attribute("kernel_params", format!("{} numbers, not 3", parameters.len())));
        };
        match kind.as_str() {
            "POLY" => Ok(Self::Polynomial { gamma, offset, degree }),
            "RBF" => Ok(Self::Radial { gamma }),
            "SIGMOID" => Ok(Self::Sigmoid { gamma, offset }),
            other => Err(NodeError::attribute("kernel_type", format!("`{other}` is unknown"))),
        }
    }

    /// The kernel of each row of `[N, features]` with each of `count` vectors: `[N, count]`.
    fn of(self, call: &mut Call, input: ValueId, vectors: &[f64], count: usize) -> Result<ValueId> {
        let features = call.shape(input)[1];
        let builder = &mut *call.builder;
        // ‖x − s‖² = ‖x‖² − 2·x·s + ‖s‖²
        let factor = if matches!(self, Self::Radial { .. }) { -2.0 } else { 1.0 };
        builder.check_room(vectors.len() as u64)?;
        let transposed = (0..vectors.len()).map(|i| factor * vectors[i % count * features + i / count]).collect();
        let matrix = builder.constant(vec![features, count], transposed, DType::Float32)?;
        let product = builder.matmul(input, matrix)?;
        match self {
            Self::Linear => Ok(product),
            Self::Polynomial { gamma, offset, degree } => {
                let base = builder.affine(product, gamma, offset)?;
                builder.unary(UnaryFunction::Power(degree), base)
            }
            Self::Sigmoid { gamma, offset } => {
                let argument = builder.affine(product, gamma, offset)?;
                builder.unary(UnaryFunction::Tanh, argument)
            }
            Self::Radial { gamma } => {
                let norms = vectors.chunks(features).map(|s| s.iter().map(|v| v * v).sum()).collect();
                let norms = builder.constant(vec![count], norms, DType::Float32)?;
                let shifted = builder.binary(BinaryFunction::Add, product, norms)?;
                let squares = builder.binary(BinaryFunction::Mul, input, input)?;
                let norm = builder.reduce(squares, ReduceKind::Sum, &[1], true)?;
                let distance = builder.binary(BinaryFunction::Add, shifted, norm)?;
                let argument = builder.affine(distance, -gamma, 0.0)?;
                builder.unary(UnaryFunction::Exp, argument)
            }
        }
    }
}

/// Numbers that must be given.
fn floats(call: &Call, name: &str) -> Result<Vec<f64>> {
    let list = call.attributes.floats(name)?.unwrap_or_default();
    match list.is_empty() {
        true => Err(NodeError::attribute(name, "it is missing")),
        false => Ok(list),
    }
}

/// Refuses a list of another length.
fn expect_length(name: &str, found: usize, expected: Option<usize>) -> Result<()> {
    match expected == Some(found) {
        true => Ok(()),
        false => {
            let expected = expected.map_or("too many".to_owned(), |expected| expected.to_string());
            Err(NodeError::attribute(name, format!("{found} numbers, {expected} are expected")))
        }
    }
}

/// A number of vectors, positive and small enough to be held.
fn vector_count(name: &str, number: i64) -> Result<usize> {
    const MOST: i64 = 1 << 28;
    match number {
        0..=MOST => Ok(number as usize),
        _ => Err(NodeError::attribute(name, format!("{number} vectors"))),
    }
}

/// `Σ c_s·K(x, s) + rho`, or its sign for a model of one class.
pub(super) fn regressor(call: &mut Call) -> Result<Vec<ValueId>> {
    let kernel = Kernel::read(call)?;
    let count = vector_count("n_supports", call.attributes.int_or("n_supports", 0)?)?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    let one_class = call.attributes.flag("one_class", false)?;
    let coefficients = floats(call, "coefficients")?;
    let rho = floats(call, "rho")?;
    expect_length("rho", rho.len(), Some(1))?;
    let input = samples(call, 0)?;
    let features = call.shape(input)[1];
    // Without support vectors the coefficients are the only one, and the kernel is linear.
    let (kernel, vectors, weights) = if count == 0 {
        expect_length("coefficients", coefficients.len(), Some(features))?;
        call.attributes.floats("support_vectors")?;
        (Kernel::Linear, coefficients, vec![1.0])
    } else {
        expect_length("coefficients", coefficients.len(), Some(count))?;
        (kernel, floats(call, "support_vectors")?, coefficients)
    };
    expect_length("support_vectors", vectors.len(), weights.len().checked_mul(features))?;
    let kernels = kernel.of(call, input, &vectors, weights.len())?;
    let weights = call.builder.constant(vec![weights.len(), 1], weights, DType::Float32)?;
    let sum = call.builder.matmul(kernels, weights)?;
    let sum = call.builder.affine(sum, 1.0, rho[0])?;
    if transform != "NONE" {
        return Err(refuse_transform(&transform));
    }
    if !one_class {
        return Ok(vec![sum]);
    }
    let zero = call.builder.scalar(0.0, DType::Float32)?;
    let inside = call.builder.binary(BinaryFunction::Less, zero, sum)?;
    let inside = call.builder.retype(inside, DType::Float32)?;
    Ok(vec![call.builder.affine(inside, 2.0, -1.0)?])
}

/// The attributes of a classifier.
struct Machine {
    classes: usize,
    /// Support vectors of each class.
    counts: Vec<usize>,
    /// One row for each class but one, one column for each vector.
    coefficients: Vec<f64>,
    /// One for each pair of classes.
    rho: Vec<f64>,
}

impl Machine {
    fn read(call: &Call, classes: usize) -> Result<Self> {
        if classes < 2 {
            return Err(NodeError::unsupported("it has fewer than two classes", "give both classes"));
        }
        let counts = call.attributes.ints("vectors_per_class")?.filter(|counts| !counts.is_empty());
        let Some(counts) = counts else {
            return Err(NodeError::unsupported("it has no support vectors", "export a LinearClassifier"));
        };
        expect_length("vectors_per_class", counts.len(), Some(classes))?;
        let counts =
            counts.iter().map(|&count| vector_count("vectors_per_class", count)).collect::<Result<Vec<_>>>()?;
        let rho = floats(call, "rho")?;
        expect_length("rho", rho.len(), classes.checked_mul(classes - 1).map(|pairs| pairs / 2))?;
        let coefficients = floats(call, "coefficients")?;
        let vectors = counts.iter().sum::<usize>();
        expect_length("coefficients", coefficients.len(), vectors.checked_mul(classes - 1))?;
        Ok(Self { classes, counts, coefficients, rho })
    }

    fn vectors(&self) -> usize {
        self.counts.iter().sum()
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let classes = self.classes;
        (0..classes).flat_map(move |i| (i + 1..classes).map(move |j| (i, j)))
    }

    /// The score of each pair of classes from the kernels: `[N, vectors] → [N, pairs]`.
    fn scores(&self, call: &mut Call, kernels: ValueId) -> Result<ValueId> {
        let (vectors, pairs) = (self.vectors(), self.rho.len());
        call.builder.check_room((vectors as u64).saturating_mul(pairs as u64))?;
        let starts: Vec<usize> = self
            .counts
            .iter()
            .scan(0, |start, &count| {
                *start += count;
                Some(*start - count)
            })
            .collect();
        let mut weights = vec![0.0; vectors * pairs];
        for (pair, (i, j)) in self.pairs().enumerate() {
            for (class, row) in [(i, j - 1), (j, i)] {
                for vector in starts[class]..starts[class] + self.counts[class] {
                    weights[vector * pairs + pair] = self.coefficients[row * vectors + vector];
                }
            }
        }
        let weights = call.builder.constant(vec![vectors, pairs], weights, DType::Float32)?;
        let rho = call.builder.constant(vec![pairs], self.rho.clone(), DType::Float32)?;
        let sums = call.builder.matmul(kernels, weights)?;
        call.builder.binary(BinaryFunction::Add, sums, rho)
    }

    /// The number of the first class with the most votes.
    fn winner(&self, call: &mut Call, scores: ValueId) -> Result<ValueId> {
        let zero = call.builder.scalar(0.0, DType::Float32)?;
        if self.classes == 2 {
            let second = call.builder.binary(BinaryFunction::LessOrEqual, scores, zero)?;
            let rows = call.shape(second)[0];
            let second = call.builder.reshape(second, vec![rows])?;
            return call.builder.retype(second, DType::Int64);
        }
        let first = call.builder.binary(BinaryFunction::Less, zero, scores)?;
        let first = call.builder.retype(first, DType::Float32)?;
        let pairs = self.rho.len();
        let mut votes = vec![0.0; pairs * self.classes];
        let mut given = vec![0.0; self.classes];
        for (pair, (i, j)) in self.pairs().enumerate() {
            votes[pair * self.classes + i] = 1.0;
            votes[pair * self.classes + j] = -1.0;
            given[j] += 1.0;
        }
        let votes = call.builder.constant(vec![pairs, self.classes], votes, DType::Float32)?;
        let given = call.builder.constant(vec![self.classes], given, DType::Float32)?;
        let sums = call.builder.matmul(first, votes)?;
        let sums = call.builder.binary(BinaryFunction::Add, sums, given)?;
        extremum(call, sums, 1, false, false, false)
    }
}

/// Label and scores: those of all pairs, or for two classes those of both.
pub(super) fn classifier(call: &mut Call) -> Result<Vec<ValueId>> {
    let labels = labels::Labels::read(call, "classlabels_ints", "classlabels_strings")?;
    let kernel = Kernel::read(call)?;
    let transform = call.attributes.string_or("post_transform", "NONE")?;
    let machine = Machine::read(call, labels.count())?;
    let probabilities = Probabilities::read(call, &machine)?;
    let vectors = floats(call, "support_vectors")?;
    let input = samples(call, 0)?;
    expect_length("support_vectors", vectors.len(), machine.vectors().checked_mul(call.shape(input)[1]))?;
    let kernels = kernel.of(call, input, &vectors, machine.vectors())?;
    let scores = machine.scores(call, kernels)?;
    let label = if call.used_outputs.first() == Some(&true) {
        let index = machine.winner(call, scores)?;
        labels.of(call, index)?
    } else {
        scores
    };
    if call.used_outputs.get(1) != Some(&true) {
        return Ok(vec![label]);
    }
    let shown = match (probabilities, machine.classes) {
        (Some(probabilities), 2) => probabilities.of_two(call, scores, &transform)?,
        (Some(probabilities), _) => probabilities.of_several(call, &machine, scores, &transform)?,
        (None, 2) => both(call, scores, &transform)?,
        (None, _) => transformed(call, scores, &transform)?,
    };
    Ok(vec![label, shown])
}

/// The scores of both classes from that of their pair.
fn both(call: &mut Call, score: ValueId, transform: &str) -> Result<ValueId> {
    let builder = &mut *call.builder;
    let (first, second) = match transform {
        "NONE" => (builder.unary(UnaryFunction::Neg, score)?, score),
        "LOGISTIC" => {
            let turned = builder.unary(UnaryFunction::Neg, score)?;
            (builder.unary(UnaryFunction::Sigmoid, turned)?, builder.unary(UnaryFunction::Sigmoid, score)?)
        }
        "SOFTMAX" | "SOFTMAX_ZERO" => (builder.affine(score, -1.0, 1.0)?, score),
        other => return Err(refuse_transform(other)),
    };
    builder.concat(&[first, second], 1)
}

/// Where the coupling of probabilities is flattest: a random pair of classes has 1/2, a class that wins clearly less.
const LEAST_CURVATURE: f64 = 1.0 / 6.0;

/// Steps of the coupling of probabilities: on pairs of 3 to 15 classes, random ones and those of trained models, the result is within 0.002
/// of the optimum, and on average within 0.0001. The runtime is within 0.003.
fn coupling_steps(classes: usize) -> usize {
    12 + 3 * classes
}

/// Step and momentum of the heavy-ball method for the coupling.
fn heavy_ball(classes: usize) -> (f64, f64) {
    let (steep, flat) = (((classes - 1) as f64).sqrt(), LEAST_CURVATURE.sqrt());
    (4.0 / (steep + flat).powi(2), ((steep - flat) / (steep + flat)).powi(2))
}

/// The matrix of a step of [`Probabilities::of_several`], row by row, from the probabilities of pairs and their squares: it is affine in
/// these, with weights `[2·pairs, classes²]` and a bias.
fn coupling(classes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> (Vec<f64>, Vec<f64>) {
    let size = classes * classes;
    let even = 1.0 / classes as f64;
    let (rate, momentum) = heavy_ball(classes);
    // What an entry of `Q` in row `i` and column `j` adds to the matrix `(1 + μ) − η·(1 − J/k)·Q − J/k`, with `J` all ones.
    let add = |to: &mut [f64], (i, j): (usize, usize), entry: f64| {
        for row in 0..classes {
            to[row * classes + j] -= rate * entry * (f64::from(u8::from(row == i)) - even);
        }
    };
    let mut bias = vec![-even; size];
    (0..classes).for_each(|class| bias[class * (classes + 1)] += 1.0 + momentum);
    let mut linear = Vec::new();
    let mut quadratic = Vec::new();
    for (i, j) in pairs {
        let (mut of_first, mut of_square) = (vec![0.0; size], vec![0.0; size]);
        // With `r = r_ij`: Q_jj has r², Q_ii has (1 − r)², Q_ij and Q_ji are −r·(1 − r).
        add(&mut of_square, (j, j), 1.0);
        add(&mut bias, (i, i), 1.0);
        add(&mut of_first, (i, i), -2.0);
        add(&mut of_square, (i, i), 1.0);
        for place in [(i, j), (j, i)] {
            add(&mut of_first, place, -1.0);
            add(&mut of_square, place, 1.0);
        }
        linear.extend(of_first);
        quadratic.extend(of_square);
    }
    linear.extend(quadratic);
    (linear, bias)
}

/// From the score of a pair of classes to the probability of the first: `1/(1 + exp(a·score + b))`.
struct Probabilities {
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Probabilities {
    fn read(call: &Call, machine: &Machine) -> Result<Option<Self>> {
        let a = call.attributes.floats("prob_a")?.unwrap_or_default();
        let b = call.attributes.floats("prob_b")?.unwrap_or_default();
        if a.is_empty() && b.is_empty() {
            return Ok(None);
        }
        expect_length("prob_a", a.len(), Some(machine.rho.len()))?;
        expect_length("prob_b", b.len(), Some(machine.rho.len()))?;
        Ok(Some(Self { a, b }))
    }

    /// The probabilities `p` that fit those of the pairs, `r_ij = P(i | i or j)`, best (Wu, Lin, Weng, *Probability estimates for
    /// multi-class classification by pairwise coupling*, 2004, their second approach): of sum 1, with the least
    ///
    /// ```text
    /// pᵀ·Q·p = Σ_{i < j} (r_ji·p_i − r_ij·p_j)²        Q_ii = Σ_j r_ji²,  Q_ij = −r_ji·r_ij
    /// ```
    ///
    /// The runtime goes towards it class by class, and stops where `Q·p` is even to within 0.005 over the number of classes. Here it is
    /// `p ← p + μ·(p − p') − η·(Q·p − mean) + (1 − Σ p)/k`, with `p'` the one before, that is a matrix of the data times `p`, less `μ·p'`,
    /// and a constant, a fixed number of times: errors of `p` shrink, and nothing is divided by data. It is the heavy-ball method (Polyak
    /// 1964), with `η` and `μ` for eigenvalues between [`LEAST_CURVATURE`] and `k − 1`, which bounds the sums of rows of `|Q|`.
    fn of_several(&self, call: &mut Call, machine: &Machine, scores: ValueId, transform: &str) -> Result<ValueId> {
        if transform != "NONE" {
            return Err(refuse_transform(transform));
        }
        let (classes, pairs) = (machine.classes, machine.rho.len());
        let rows = call.shape(scores)[0];
        let builder = &mut *call.builder;
        builder.check_room((2 * pairs as u64).saturating_mul((classes * classes) as u64))?;
        let factors = builder.constant(vec![pairs], self.a.iter().map(|a| -a).collect(), DType::Float32)?;
        let offsets = builder.constant(vec![pairs], self.b.iter().map(|b| -b).collect(), DType::Float32)?;
        let arguments = builder.binary(BinaryFunction::Mul, scores, factors)?;
        let arguments = builder.binary(BinaryFunction::Add, arguments, offsets)?;
        let first = builder.unary(UnaryFunction::Sigmoid, arguments)?;
        let squares = builder.unary(UnaryFunction::Power(2.0), first)?;
        let terms = builder.concat(&[first, squares], 1)?;
        let (weights, bias) = coupling(classes, machine.pairs());
        let weights = builder.constant(vec![2 * pairs, classes * classes], weights, DType::Float32)?;
        let bias = builder.constant(vec![classes * classes], bias, DType::Float32)?;
        let matrix = builder.matmul(terms, weights)?;
        let matrix = builder.binary(BinaryFunction::Add, matrix, bias)?;
        let matrix = builder.reshape(matrix, vec![rows, classes, classes])?;
        let (even, (_, momentum)) = (1.0 / classes as f64, heavy_ball(classes));
        let mut result = builder.constant(vec![rows, classes, 1], vec![even; rows * classes], DType::Float32)?;
        let mut before = result;
        for _ in 0..coupling_steps(classes) {
            let product = builder.matmul(matrix, result)?;
            let kept = builder.affine(before, -momentum, even)?;
            before = result;
            result = builder.binary(BinaryFunction::Add, product, kept)?;
        }
        builder.reshape(result, vec![rows, classes])
    }

    fn of_two(&self, call: &mut Call, score: ValueId, transform: &str) -> Result<ValueId> {
        if transform != "NONE" {
            return Err(refuse_transform(transform));
        }
        let argument = call.builder.affine(score, -self.a[0], -self.b[0])?;
        let first = call.builder.unary(UnaryFunction::Sigmoid, argument)?;
        let first = call.builder.unary(UnaryFunction::Coupled, first)?;
        let second = call.builder.affine(first, -1.0, 1.0)?;
        call.builder.concat(&[first, second], 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The iteration on exact probabilities of pairs.
    fn coupled(pairs: &[(usize, usize)], classes: usize, first: &[f64]) -> Vec<f64> {
        let (weights, bias) = coupling(classes, pairs.iter().copied());
        let size = classes * classes;
        let terms: Vec<f64> = first.iter().copied().chain(first.iter().map(|r| r * r)).collect();
        let entry =
            |at: usize| bias[at] + terms.iter().enumerate().map(|(t, v)| v * weights[t * size + at]).sum::<f64>();
        let matrix: Vec<f64> = (0..size).map(entry).collect();
        let mut p = vec![1.0 / classes as f64; classes];
        let mut before = p.clone();
        let (_, momentum) = heavy_ball(classes);
        for _ in 0..coupling_steps(classes) {
            let row = |i: usize| (0..classes).map(|j| matrix[i * classes + j] * p[j]).sum::<f64>();
            let next = (0..classes).map(|i| row(i) - momentum * before[i] + 1.0 / classes as f64).collect();
            before = std::mem::replace(&mut p, next);
        }
        p
    }

    #[test]
    fn coupling_finds_the_probabilities_that_pairs_come_from() {
        for wanted in [vec![0.7, 0.2, 0.1], vec![0.02, 0.49, 0.49], vec![0.25; 4], vec![0.9, 0.02, 0.03, 0.04, 0.01]] {
            let classes = wanted.len();
            let pairs: Vec<_> = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
            let first: Vec<f64> = pairs.iter().map(|&(i, j)| wanted[i] / (wanted[i] + wanted[j])).collect();
            let found = coupled(&pairs, classes, &first);
            let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-3, "{found:?} for {wanted:?}");
        }
    }
}
