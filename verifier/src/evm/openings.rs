//! What is opened where: the sets of SHPLONK, in the order of the proof library.
//!
//! Polynomials that are opened at the same points form a set. Sets, and polynomials within a set, are in the order in which
//! they are first queried; the powers of the opening's challenges follow that order.

use std::collections::BTreeSet;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

/// A polynomial that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// An advice column.
    Advice(usize),
    /// A product of the permutation argument.
    Product(usize),
    /// A fixed column.
    Fixed(usize),
    /// A column of the permutation argument.
    Sigma(usize),
    /// The quotient.
    Quotient,
    /// The random polynomial of the vanishing argument.
    Random,
}

/// An evaluation: in the proof, or that of the quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// The evaluation with this place in the proof.
    InProof(usize),
    /// What the identity asks the quotient to be.
    Quotient,
}

/// Polynomials with the same points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpeningSet {
    /// Each point is `x·ω^rotation`; in ascending order.
    pub(super) rotations: Vec<i32>,
    /// The polynomials, each with its evaluation at every point.
    pub(super) polynomials: Vec<(Opened, Vec<Evaluation>)>,
}

/// Where the evaluations of a proof start, by kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evaluations {
    pub(super) advice: usize,
    pub(super) fixed: usize,
    pub(super) random: usize,
    pub(super) sigma: usize,
    pub(super) products: usize,
    pub(super) count: usize,
}

impl Evaluations {
    pub(super) fn of(system: &ConstraintSystem<Fr>) -> Self {
        let fixed = system.advice_queries().len();
        let random = fixed + system.fixed_queries().len();
        let sigma = random + 1;
        let products = sigma + system.permutation().get_columns().len();
        let count = products + (3 * products_of(system)).saturating_sub(1);
        Self { advice: 0, fixed, random, sigma, products, count }
    }
}

/// Products of the permutation argument: each takes as many columns as the degree leaves room for.
pub(super) fn products_of(system: &ConstraintSystem<Fr>) -> usize {
    system.permutation().get_columns().len().div_ceil(system.degree() - 2)
}

/// The sets of a system without lookups.
pub(super) fn opening_sets(system: &ConstraintSystem<Fr>) -> Vec<OpeningSet> {
    let mut polynomials: Vec<(Opened, Vec<(i32, Evaluation)>)> = Vec::new();
    for (opened, rotation, evaluation) in queries(system) {
        match polynomials.iter_mut().find(|(known, _)| *known == opened) {
            Some((_, points)) => points.push((rotation, evaluation)),
            None => polynomials.push((opened, vec![(rotation, evaluation)])),
        }
    }
    let mut sets: Vec<OpeningSet> = Vec::new();
    for (opened, mut points) in polynomials {
        points.sort_by_key(|&(rotation, _)| rotation);
        let rotations: Vec<_> = points.iter().map(|&(rotation, _)| rotation).collect();
        let polynomial = (opened, points.into_iter().map(|(_, evaluation)| evaluation).collect());
        match sets.iter_mut().find(|set| set.rotations == rotations) {
            Some(set) => set.polynomials.push(polynomial),
            None => sets.push(OpeningSet { rotations, polynomials: vec![polynomial] }),
        }
    }
    sets
}

/// All rotations that occur, in ascending order.
pub(super) fn rotations(sets: &[OpeningSet]) -> Vec<i32> {
    let all: BTreeSet<_> = sets.iter().flat_map(|set| set.rotations.iter().copied()).collect();
    all.into_iter().collect()
}

/// The queries in the order of the library's verifier.
fn queries(system: &ConstraintSystem<Fr>) -> Vec<(Opened, i32, Evaluation)> {
    let first = Evaluations::of(system);
    let at = Evaluation::InProof;
    let last = -(system.blinding_factors() as i32 + 1);
    let products = products_of(system);
    let mut queries = Vec::new();
    for (index, (column, rotation)) in system.advice_queries().iter().enumerate() {
        queries.push((Opened::Advice(column.index()), rotation.0, at(first.advice + index)));
    }
    for product in 0..products {
        let evaluation = first.products + 3 * product;
        queries.push((Opened::Product(product), 0, at(evaluation)));
        queries.push((Opened::Product(product), 1, at(evaluation + 1)));
    }
    for product in (0..products).rev().skip(1) {
        queries.push((Opened::Product(product), last, at(first.products + 3 * product + 2)));
    }
    for (index, (column, rotation)) in system.fixed_queries().iter().enumerate() {
        queries.push((Opened::Fixed(column.index()), rotation.0, at(first.fixed + index)));
    }
    for column in 0..system.permutation().get_columns().len() {
        queries.push((Opened::Sigma(column), 0, at(first.sigma + column)));
    }
    queries.push((Opened::Quotient, 0, Evaluation::Quotient));
    queries.push((Opened::Random, 0, at(first.random)));
    queries
}
