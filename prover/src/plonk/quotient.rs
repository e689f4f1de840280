//! How the quotient `h = Σ_i y^(N−1−i)·e_i / (X^n − 1)` of the constraints `e_i` is computed.
//!
//! A constraint of degree `d` (in units of `n − 1`) gives a quotient below degree `(d − 1)·n`, which its values on `m = d − 1`
//! cosets `s_j·H` of the domain determine, each with `X^n = t_j = s_j^n`. Write the quotient as `Σ_(i<m) h_i·X^(n·i)`; on coset
//! `j` an inverse transform gives the coefficients of `r_j = Σ_i t_j^i·h_i`, and the `h_i` follow, coefficient by coefficient, by
//! the inverse of the Vandermonde matrix of the `t_j`. Any `m` distinct cosets will do: a degree that is no power of two
//! wastes nothing.
//!
//! **Levels** are sums of constraints that take the same cosets ([`numerator`](super::numerator)); those of most cosets come first.
//!
//! **Batches.** A level is a sum of products, and each of them may be computed apart from the others. A batch is some of them, with
//! the columns that they read in memory together. Few products at a time take little memory; a column is transformed once for
//! each batch that reads it, but for its coefficients, where the batch before has them.
//!
//! **Order.** Either each batch goes through all cosets, so that few coefficients and all numerators are held; or, where an engine
//! has another place for these than memory ([`Room::elsewhere`]), each coset sees all batches, so that all coefficients and
//! one numerator are held, and the values on a coset that two batches in succession read are computed once.
//!
//! **Memory**, in columns of elements: a batch's columns by coefficients and by their values on one coset; the values of `ℓ_0`; the
//! numerators of the level on all its cosets; and the pieces, once a level is done. Of what is elsewhere, one column is
//! in memory at a time, and the numerator.

use std::collections::BTreeSet;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};

use super::constraints::{Column, Constraints, NodeId};
use super::numerator::{Level, Term};
use super::program::Program;
use super::scalar::ScalarId;

/// What an engine gives the quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Columns of elements that may be in memory at a time.
    pub columns: usize,
    /// Whether coefficients, numerators and pieces are elsewhere while nothing is done with them.
    pub elsewhere: bool,
}

impl Room {
    /// As much memory as is wanted.
    pub const UNLIMITED: Self = Self { columns: usize::MAX, elsewhere: false };
    /// Columns in memory at a time of those that are elsewhere.
    const BROUGHT: usize = 2;

    /// Columns that are in memory for a batch: those of the batch by their values, `ℓ_0` where it is read, and, unless they are
    /// elsewhere, those of the batch by coefficients and the numerators of the level.
    fn of_batch(self, cosets: usize, columns: usize, first: bool) -> usize {
        let kept = if self.elsewhere { Self::BROUGHT } else { cosets + columns };
        columns + usize::from(first) + kept
    }

    /// Pieces that are in memory while a level of so many cosets is computed, if the first level has `most`.
    fn of_pieces(self, most: usize, cosets: usize) -> usize {
        if cosets == most || self.elsewhere {
            0
        } else {
            most
        }
    }
}

/// Products of a level that are computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of cosets: the first ones of the list.
    pub cosets: usize,
    /// The columns that are transformed, in increasing order.
    pub columns: Vec<Column>,
    /// The sum of the products.
    pub program: Program,
}

/// A plan for the quotient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotientPlan {
    /// Pieces of `n` coefficients that the protocol asks for: at least the cosets of every batch.
    pub pieces: usize,
    /// The numerator `Σ_i y^(N−1−i)·e_i`, as nodes with their factors.
    pub terms: Vec<(NodeId, ScalarId)>,
    /// What is computed one after the other, those of most cosets first.
    pub batches: Vec<Batch>,
    /// Columns of elements that are in memory at most, the pieces at the end among them.
    pub memory: usize,
    /// Whether coefficients, numerators and pieces are elsewhere, and each coset sees all batches of its level.
    pub elsewhere: bool,
}

/// By how much a plan may be dearer than the cheapest if it takes less memory, in percent.
const SLACK: usize = 16;

/// Columns of a batch that are tried; wider ones save nothing worth the memory.
const WIDTHS: std::ops::RangeInclusive<usize> = 1..=40;

/// Cost of a transform of one column in products per row: half of `log n`, and the passes over memory.
pub(super) const TRANSFORM: usize = 12;

/// Cost of `ℓ_0` on a coset in products per row.
const FIRST: usize = 4;

/// Cost of a further run over rows in products per row: numerators are read and written.
const RUN: usize = 1;

impl QuotientPlan {
    /// The plan for a system with `pieces` quotient pieces that takes least memory of those that cost little more than the cheapest;
    /// or, where that is more than there is room for, the cheapest that takes no more, if there is one, and the one that takes
    /// least otherwise.
    pub fn new(constraints: &Constraints, pieces: usize, room: Room) -> Self {
        let terms: Vec<_> = constraints.list.iter().map(|c| (c.node, c.y_power)).collect();
        let choices = choices(&constraints.levels, room);
        let cheapest = choices.iter().map(|choice| choice.cost).min().unwrap_or(0);
        // Memory grows from choice to choice, and costs fall.
        let usual = choices.iter().find(|choice| choice.cost * 100 <= cheapest * (100 + SLACK));
        let within = || choices.iter().rev().find(|choice| choice.memory <= room.columns);
        let choice = usual.filter(|choice| choice.memory <= room.columns).or_else(within).or_else(|| choices.first());
        let kept = if room.elsewhere { Room::BROUGHT } else { pieces };
        let memory = choice.map_or(0, |choice| choice.memory).max(kept);
        let packings = choice.iter().flat_map(|choice| &choice.packings).zip(&constraints.levels);
        let batches = packings.flat_map(|(packing, level)| {
            packing
                .batches
                .iter()
                .map(|batch| Batch::new(constraints, level, batch.iter().map(|term| &level.terms[*term])))
        });
        Self { pieces, terms, batches: batches.collect(), memory, elsewhere: room.elsewhere }
    }

    /// Columns that an engine keeps elsewhere at most, where it does: coefficients, and numerators, and twice as many pieces.
    pub fn kept(&self) -> usize {
        let columns: BTreeSet<_> = self.batches.iter().flat_map(|batch| &batch.columns).collect();
        let cosets = self.batches.iter().map(|batch| batch.cosets).max().unwrap_or(0);
        columns.len() + 3 * cosets.max(self.pieces)
    }

    /// The rotations that columns are read at, from the least to the most.
    pub fn rotations(&self) -> (i32, i32) {
        let rotations = self.batches.iter().map(|batch| batch.program.rotations());
        rotations.fold((0, 0), |(least, most), (a, b)| (least.min(a), most.max(b)))
    }

    /// Transforms to coefficients and to cosets, without those of the numerators.
    pub fn transforms(&self) -> usize {
        let mut held: &[Column] = &[];
        let mut count = 0;
        for batch in &self.batches {
            let new = batch.columns.iter().filter(|column| !held.contains(column)).count();
            count += of_batch(batch.cosets, batch.columns.len(), new, self.elsewhere);
            held = &batch.columns;
        }
        count
    }
}

impl Batch {
    fn new<'a>(constraints: &Constraints, level: &Level, terms: impl Iterator<Item = &'a Term>) -> Self {
        let terms: Vec<_> = terms.map(|term| (term.node, term.factor)).collect();
        let program = Program::new(&constraints.graph, &terms);
        Self { cosets: level.cosets, columns: transformed(&program.slots).collect(), program }
    }
}

/// A packing for each level.
struct Choice {
    packings: Vec<Packing>,
    cost: usize,
    memory: usize,
}

/// The choices that nothing beats in both memory and cost, by increasing memory.
fn choices(levels: &[Level], room: Room) -> Vec<Choice> {
    let most = levels.first().map_or(0, |level| level.cosets);
    let packings: Vec<Vec<Packing>> = levels.iter().map(|level| packings(level, room)).collect();
    let memory = |level: usize, packing: &Packing| room.of_pieces(most, levels[level].cosets) + packing.memory;
    let all =
        packings.iter().enumerate().flat_map(|(level, list)| list.iter().map(move |packing| memory(level, packing)));
    let bounds: BTreeSet<usize> = all.collect();
    let mut choices: Vec<Choice> = Vec::new();
    for bound in bounds {
        let within = |(level, list): (usize, &Vec<Packing>)| {
            let fitting = list.iter().filter(|packing| memory(level, packing) <= bound);
            fitting.min_by_key(|packing| packing.cost).cloned()
        };
        let Some(packings) = packings.iter().enumerate().map(within).collect::<Option<Vec<_>>>() else { continue };
        let cost = packings.iter().map(|packing| packing.cost).sum();
        if choices.last().is_none_or(|before| cost < before.cost) {
            choices.push(Choice { packings, cost, memory: bound });
        }
    }
    choices
}

/// A level dealt out to batches: terms by their place, those of a batch together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packing {
    batches: Vec<Vec<usize>>,
    /// Products for a row, without those of the programs, which are about the same in all packings.
    cost: usize,
    /// Columns that are in memory at most, without the pieces of other levels.
    memory: usize,
}

impl Packing {
    fn new(level: &Level, sets: &[ColumnSet], batches: Vec<Vec<usize>>, room: Room) -> Self {
        let batches = in_order(sets, batches);
        let (mut cost, mut memory) = (0, 0);
        let mut held = ColumnSet::default();
        for batch in &batches {
            let columns = union(sets, batch);
            let rows = batch.iter().any(|term| level.terms[*term].columns.contains(&Column::First));
            let new = columns.len() - columns.shared(&held);
            let transforms = of_batch(level.cosets, columns.len(), new, room.elsewhere);
            cost += TRANSFORM * transforms + level.cosets * if rows { RUN + FIRST } else { RUN };
            memory = memory.max(room.of_batch(level.cosets, columns.len(), rows));
            held = columns;
        }
        Self { batches, cost, memory }
    }
}

/// Transforms for a batch of so many columns, some of which the batch before does not have. Where coefficients are elsewhere all
/// of a level are there, which is counted as if the batch before had what others had.
fn of_batch(cosets: usize, columns: usize, new: usize, elsewhere: bool) -> usize {
    new + cosets * if elsewhere { new } else { columns }
}

/// Packings of a level with batches from the narrowest to wide ones.
fn packings(level: &Level, room: Room) -> Vec<Packing> {
    let mut names: Vec<Column> = level.terms.iter().flat_map(|term| transformed(&term.columns)).collect();
    names.sort_unstable();
    names.dedup();
    let place = |column: Column| names.binary_search(&column).expect("all columns are listed");
    let sets = level.terms.iter().map(|term| transformed(&term.columns).map(place).collect());
    let sets: Vec<ColumnSet> = sets.collect();
    let mut packings: Vec<Packing> = Vec::new();
    for width in WIDTHS {
        let packing = Packing::new(level, &sets, pack(&sets, width), room);
        let done = packing.batches.len() <= 1;
        if packings.last() != Some(&packing) {
            packings.push(packing);
        }
        if done {
            break;
        }
    }
    packings
}

/// The columns that are transformed.
fn transformed(columns: &[Column]) -> impl Iterator<Item = Column> + '_ {
    columns.iter().copied().filter(|column| *column != Column::First)
}

/// Deals terms out to batches of at most so many columns, or one term: again and again, the two that have most columns in common
/// become one.
fn pack(sets: &[ColumnSet], width: usize) -> Vec<Vec<usize>> {
    let mut merging = Merging::new(sets, width);
    while let Some((first, second)) = merging.best() {
        merging.merge(first, second);
    }
    merging.batches.into_iter().filter(|batch| !batch.terms.is_empty()).map(|batch| batch.terms).collect()
}

/// A batch before it is one of the last: its terms, none if it has become part of another, and their columns.
struct Merged {
    terms: Vec<usize>,
    columns: ColumnSet,
    width: usize,
    partner: Option<Partner>,
}

/// A batch before another one, by how good they are together: columns that they share, columns that they have.
type Partner = (usize, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>);

/// Batches that become fewer.
struct Merging {
    batches: Vec<Merged>,
    width: usize,
}

impl Merging {
    fn new(sets: &[ColumnSet], width: usize) -> Self {
        let single = |(term, columns): (usize, &ColumnSet)| Merged {
            terms: vec![term],
            columns: columns.clone(),
            width: columns.len(),
            partner: None,
        };
        let mut merging = Self { batches: sets.iter().enumerate().map(single).collect(), width };
        (0..sets.len()).for_each(|second| merging.batches[second].partner = merging.partner(second));
        merging
    }

    /// Two batches as partners, if they may become one.
    fn score(&self, first: usize, second: usize) -> Option<Partner> {
        let [one, other] = [first, second].map(|batch| &self.batches[batch]);
        let shared = one.columns.shared(&other.columns);
        let both = one.width + other.width - shared;
        let fits = both <= self.width.max(one.width).max(other.width);
        fits.then_some((shared, std::cmp::Reverse(both), std::cmp::Reverse(first)))
    }

    /// The best partner of a batch among those before it.
    fn partner(&self, second: usize) -> Option<Partner> {
        let there = (0..second).filter(|first| !self.batches[*first].terms.is_empty());
        there.filter_map(|first| self.score(first, second)).max()
    }

    /// The two that are best together.
    fn best(&self) -> Option<(usize, usize)> {
        let partners = self.batches.iter().enumerate().filter_map(|(second, batch)| Some((batch.partner?, second)));
        let best = partners.max_by_key(|(partner, second)| (*partner, std::cmp::Reverse(*second)));
        best.map(|((.., std::cmp::Reverse(first)), second)| (first, second))
    }

    /// Makes the second a part of the first. Of partners that others have, these two alone have changed.
    fn merge(&mut self, first: usize, second: usize) {
        let Merged { terms, columns, .. } = &mut self.batches[second];
        let (terms, columns) = (std::mem::take(terms), std::mem::take(columns));
        self.batches[second].partner = None;
        let merged = &mut self.batches[first];
        merged.terms.extend(terms);
        merged.columns.extend(&columns);
        merged.width = merged.columns.len();
        for at in first..self.batches.len() {
            let batch = &self.batches[at];
            if batch.terms.is_empty() {
                continue;
            }
            let is_stale = |(.., std::cmp::Reverse(other)): Partner| other == first || other == second;
            self.batches[at].partner = match batch.partner {
                _ if at == first => self.partner(at),
                Some(partner) if is_stale(partner) => self.partner(at),
                partner => partner.max(self.score(first, at)),
            };
        }
    }
}

/// Batches in an order in which one reads many columns of the one before, each with its terms in order.
fn in_order(sets: &[ColumnSet], mut batches: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    batches.iter_mut().for_each(|batch| batch.sort_unstable());
    batches.sort_unstable();
    let mut left: Vec<_> = batches.into_iter().map(|batch| (union(sets, &batch), batch)).collect();
    let mut ordered: Vec<Vec<usize>> = Vec::new();
    let mut held = ColumnSet::default();
    while !left.is_empty() {
        let shared = |at: &usize| left[*at].0.shared(&held);
        let next = (0..left.len()).rev().max_by_key(shared).expect("there is one");
        let (columns, batch) = left.remove(next);
        held = columns;
        ordered.push(batch);
    }
    ordered
}

fn union(sets: &[ColumnSet], batch: &[usize]) -> ColumnSet {
    let mut all = ColumnSet::default();
    batch.iter().for_each(|term| all.extend(&sets[*term]));
    all
}

/// A set of columns by their places, a bit for each.
#[derive(Clone, Debug, Default)]
struct ColumnSet(Vec<u64>);

impl ColumnSet {
    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn shared(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    fn extend(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
}

impl FromIterator<usize> for ColumnSet {
    fn from_iter<T: IntoIterator<Item = usize>>(places: T) -> Self {
        let mut set = Self::default();
        for place in places {
            set.0.resize(set.0.len().max(place / 64 + 1), 0);
            set.0[place / 64] |= 1 << (place % 64);
        }
        set
    }
}

/// The shifts of so many cosets of the domain of `2^k` points: `g·ω'^j` with `g` a generator of the field's group and `ω'` a root
/// of unity so that all cosets are different.
pub fn coset_shifts(k: u32, count: usize) -> Vec<Fr> {
    let root = crate::field::root_of_unity(k + count.next_power_of_two().ilog2());
    std::iter::successors(Some(Fr::MULTIPLICATIVE_GENERATOR), |shift| Some(shift * root)).take(count).collect()
}

/// The matrix that makes the quotient's pieces of a level's numerators, both by coefficients: it divides by `X^n − 1`, and undoes
/// `r_j = Σ_i t_j^i·h_i`, for the cosets with these shifts.
///
/// # Panics
/// A coset is the domain, or another coset.
pub fn pieces_matrix(k: u32, shifts: &[Fr]) -> Vec<Vec<Fr>> {
    let powers: Vec<Fr> = shifts.iter().map(|shift| shift.pow_vartime([1 << k])).collect();
    let mut matrix = inverse_vandermonde(&powers);
    for row in &mut matrix {
        for (weight, power) in row.iter_mut().zip(&powers) {
            *weight *= (power - Fr::ONE).invert().expect("cosets do not meet the domain");
        }
    }
    matrix
}

/// The inverse of the matrix `(t_j^i)`, rows `j` and columns `i`: row `i` of the inverse holds the coefficients of `X^i` of the
/// Lagrange polynomials of the `t_j`.
fn inverse_vandermonde(points: &[Fr]) -> Vec<Vec<Fr>> {
    let mut rows = vec![vec![Fr::ZERO; points.len()]; points.len()];
    for (j, point) in points.iter().enumerate() {
        let mut polynomial = vec![Fr::ONE];
        let mut scale = Fr::ONE;
        for (_, root) in points.iter().enumerate().filter(|(other, _)| *other != j) {
            polynomial.insert(0, Fr::ZERO);
            for degree in 1..polynomial.len() {
                let above = polynomial[degree];
                polynomial[degree - 1] -= root * above;
            }
            scale *= point - root;
        }
        let scale = scale.invert().expect("the points are different");
        polynomial.iter().enumerate().for_each(|(i, coefficient)| rows[i][j] = coefficient * scale);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::numerator::tests::system;
    use super::*;

    #[test]
    fn plans_compute_every_product_within_the_memory_that_they_tell() {
        let constraints = Constraints::new(&system(), &BTreeSet::from([0]));
        for elsewhere in [false, true] {
            computes_every_product(&constraints, |columns| {
                QuotientPlan::new(&constraints, 8, Room { columns, elsewhere })
            });
        }
        let least = |elsewhere| QuotientPlan::new(&constraints, 8, Room { columns: 0, elsewhere });
        assert!(least(true).memory < least(false).memory, "what is elsewhere takes no memory");
    }

    fn computes_every_product(constraints: &Constraints, plan: impl Fn(usize) -> QuotientPlan) {
        let (usual, least) = (plan(usize::MAX), plan(0));
        assert!(usual.elsewhere || least.memory < usual.memory && usual.transforms() < least.transforms());
        let mut cost = usize::MAX;
        for limit in least.memory..=usual.memory {
            let plan = plan(limit);
            assert!(plan.memory <= limit, "{} of {limit}", plan.memory);
            assert!(plan.elsewhere || plan.transforms() <= cost, "more memory costs no more transforms");
            cost = plan.transforms();
            for level in &constraints.levels {
                let batches = plan.batches.iter().filter(|batch| batch.cosets == level.cosets);
                let factors = |batch: &Batch| batch.program.instructions.iter().filter(|i| is_sum(i)).count();
                assert_eq!(batches.map(factors).sum::<usize>(), level.terms.len());
            }
            assert!(plan.batches.is_sorted_by(|a, b| a.cosets >= b.cosets));
        }
    }

    fn is_sum(instruction: &super::super::program::Instruction) -> bool {
        instruction.operation == super::super::program::Operation::MultiplyAdd
    }

    #[test]
    fn vandermonde_matrices_are_inverted() {
        let points: Vec<Fr> = [3u64, 7, 11, 20, 21].map(Fr::from).to_vec();
        let inverse = inverse_vandermonde(&points);
        for (i, row) in inverse.iter().enumerate() {
            for k in 0..points.len() {
                let entry: Fr =
                    row.iter().zip(&points).map(|(weight, point)| weight * point.pow_vartime([k as u64])).sum();
                assert_eq!(entry, if i == k { Fr::ONE } else { Fr::ZERO });
            }
        }
    }
}
