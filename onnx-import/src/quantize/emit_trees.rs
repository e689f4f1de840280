//! Emission of trees: comparisons on the integer grid of the operand, then indicators of leaves.
//!
//! ```text
//! comparison   g = [q ≥ T]                       one for each feature and integer bound T that a branch asks for
//! literal      of a branch: 1 − g for `x ≤ t` and `x < t`, g for `x ≥ t` and `x > t`, g − g' for `x = t`, and so on
//! cluster      at most 31 branches of a tree; an exit is a leaf, or a branch that another cluster begins with
//! exit         e = [Σ literals of the way to it + indicator of the cluster − their number ≥ 0]
//! ```
//!
//! A missing value is the integer below all that stand for numbers, where every `[q ≥ T]` is 0. If a branch does not send it where
//! that leads, its literal has one term more, `[q ≥ T]` for the least `T` of all, which is 1 for every number.
//!
//! Both brackets are requantizations of an exact convolution through one table, 0 below zero and 1 from there on. A
//! comparison drops as many bits as make its limbs and its table short, and rounds down, so that it is exact for every `q`.

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::{ConvGeometry, Limits, Op, Requantize, Table, TensorId, ViewElement, Weights};

use super::emit::Emitter;
use super::error::QuantizeError;
use super::interface::rounded;
use super::plan::{PlanId, PlanNode};
use super::scales::Class;
use crate::float::trees::{Branch, Child, Test, Trees};

/// Most branches of a cluster. The weights of a cluster are the product of its inputs and its exits, so that larger ones
/// have more weights a branch; smaller ones have more exits that are no leaves.
const CLUSTER: usize = 31;

/// `constant + Σ factor·[q_feature ≥ bound]`
#[derive(Clone, Debug, Default, PartialEq)]
struct Literal {
    constant: i64,
    terms: Vec<((u32, i64), i64)>,
}

impl Literal {
    fn negated(&self) -> Self {
        Self { constant: 1 - self.constant, terms: self.terms.iter().map(|&(g, factor)| (g, -factor)).collect() }
    }
}

/// The integers that an operand has.
#[derive(Clone, Copy, Debug)]
struct Grid {
    class: Class,
    lo: i64,
    hi: i64,
}

impl Grid {
    /// The least integer that stands for numbers of at least `bound`, and the least one for numbers above it.
    ///
    /// On a grid all numbers are multiples of the step, and the comparison is exact for them. Elsewhere the bound is rounded
    /// as numbers are: the comparison is exact for a number that equals the bound or is at least a step away from it.
    fn least(&self, bound: f64) -> (i64, i64) {
        // Decimal fractions are off their grid by roundings of float32.
        const TOLERANCE: f64 = 1.0 / 1024.0;
        let inside = |v: f64| v.clamp(self.lo as f64 - 2.0, self.hi as f64 + 2.0) as i64;
        if self.class.on_grid {
            let q = bound / self.class.step;
            (inside((q - TOLERANCE).ceil()), inside((q + TOLERANCE).floor()).saturating_add(1))
        } else {
            let q = inside(rounded(bound, self.class.step));
            (q, q.saturating_add(1))
        }
    }

    /// `sign·[q ≥ bound]`, a constant where all integers of the operand are on one side.
    fn add(&self, literal: &mut Literal, feature: u32, bound: i64, sign: i64) {
        if bound <= self.lo {
            literal.constant += sign;
        } else if bound <= self.hi {
            literal.terms.push(((feature, bound), sign));
        }
    }

    fn literal(&self, feature: u32, test: &Test) -> Literal {
        let mut literal = Literal::default();
        let mut equal = |bound: f64| {
            let (from, above) = self.least(bound);
            self.add(&mut literal, feature, from, 1);
            self.add(&mut literal, feature, above, -1);
        };
        match test {
            Test::Equal(bound) | Test::Unequal(bound) => equal(*bound),
            Test::Member(members) => {
                // Members that are one integer count once.
                let mut integers: Vec<_> = members.iter().map(|&member| (self.least(member), member)).collect();
                integers.dedup_by_key(|(least, _)| *least);
                integers.into_iter().for_each(|(_, member)| equal(member));
            }
            Test::AtLeast(bound) | Test::Below(bound) => self.add(&mut literal, feature, self.least(*bound).0, 1),
            Test::Above(bound) | Test::AtMost(bound) => self.add(&mut literal, feature, self.least(*bound).1, 1),
        }
        match test {
            Test::AtMost(_) | Test::Below(_) | Test::Unequal(_) => literal.negated(),
            _ => literal,
        }
    }

    /// The literal of a branch whose feature may be missing.
    fn with_missing(&self, mut literal: Literal, branch: &Branch) -> Literal {
        let passes = i64::from(branch.missing_passes || branch.test.holds(f64::NAN));
        // All comparisons are 0 there.
        let otherwise = literal.constant - passes;
        if otherwise != 0 {
            literal.constant = passes;
            literal.terms.push(((branch.feature, self.lo), otherwise));
        }
        literal
    }
}

/// Where a way out of a cluster leads, and the branches on the way with the side that is taken.
struct Exit {
    to: Child,
    way: Vec<(u32, usize)>,
}

/// Whether each branch begins a cluster: bottom up, a tree is cut below a branch where it grows too large.
fn cluster_roots(trees: &Trees) -> Vec<bool> {
    let mut begins = vec![false; trees.branches.len()];
    trees.roots.iter().for_each(|&root| begins[root as usize] = true);
    // Branches that hang together with a branch from it downwards.
    let mut sizes = vec![0; trees.branches.len()];
    for at in (0..trees.branches.len()).rev() {
        let size = |child: Child, sizes: &[usize]| match child {
            Child::Branch(branch) => sizes[branch as usize],
            Child::Leaf(_) => 0,
        };
        let mut children = trees.branches[at].children;
        children.sort_by_key(|&child| size(child, &sizes));
        let total = |sizes: &[usize]| 1 + children.iter().map(|&child| size(child, sizes)).sum::<usize>();
        for child in [children[1], children[0]] {
            if let (true, Child::Branch(branch)) = (total(&sizes) > CLUSTER, child) {
                begins[branch as usize] = true;
                sizes[branch as usize] = 0;
            }
        }
        sizes[at] = total(&sizes);
    }
    begins
}

/// The exits of the cluster that a branch begins.
fn exits(trees: &Trees, begins: &[bool], root: u32) -> Vec<Exit> {
    let mut exits = Vec::new();
    let mut stack = vec![(Child::Branch(root), Vec::new())];
    while let Some((to, way)) = stack.pop() {
        match to {
            Child::Branch(branch) if branch == root || !begins[branch as usize] => {
                for side in [1, 0] {
                    let mut next = way.clone();
                    next.push((branch, side));
                    stack.push((trees.branches[branch as usize].children[side], next));
                }
            }
            _ => exits.push(Exit { to, way }),
        }
    }
    exits
}

/// The shift that leaves the fewest entries to tables: limbs of half its bits, and what is left of `width` integers.
pub(super) fn shift_for(width: u64) -> u32 {
    let entries = |shift: &u32| (width >> shift) + if *shift > 0 { 1 << (shift / 2) } else { 0 };
    (0..=Limits::MAX_SHIFT).step_by(2).min_by_key(entries).expect("there are shifts")
}

impl Emitter<'_> {
    /// Indicators of the leaves that each row of `input` reaches.
    pub(super) fn tree_leaves(&mut self, id: PlanId, input: PlanId, trees: &Trees) -> Result<(), QuantizeError> {
        let operand = self.read(input);
        let (least, hi) = self.bounds[operand.0 as usize];
        let class = self.class(input);
        let missable = self.plan.missable(input);
        let lo = if missable.contains(&true) { least.max(class.lo) } else { least };
        let grid = Grid { class, lo, hi };
        let features = missable.len() / (self.plan.node(id).elements() / trees.leaves);
        let may_be_missing =
            |feature: u32| missable.iter().skip(feature as usize).step_by(features).any(|&missable| missable);
        let literal = |branch: &Branch| {
            let literal = grid.literal(branch.feature, &branch.test);
            match may_be_missing(branch.feature) {
                true => grid.with_missing(literal, branch),
                false => literal,
            }
        };
        let literals: Vec<_> = trees.branches.iter().map(literal).collect();
        let begins = cluster_roots(trees);
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let rows = node.elements() / trees.leaves;
        let step = self.store(Table::new("from zero".to_owned(), -1, vec![0, 1]).expect("not empty"));
        let mut sources = Vec::new();
        let mut map = Vec::with_capacity(rows * trees.leaves);
        for row in 0..rows {
            let mut emission = Row { emitter: self, node: &node, table: step, comparisons: BTreeMap::new() };
            emission.compare(operand, row * features, &literals, shift_for(hi.abs_diff(least).saturating_add(2)));
            let leaves = emission.clusters(trees, &begins, &literals);
            map.extend(leaves.into_iter().map(|(tensor, index)| {
                let source = match sources.last() {
                    Some(&last) if last == tensor => sources.len() - 1,
                    _ => sources.iter().position(|&known| known == tensor).unwrap_or_else(|| {
                        sources.push(tensor);
                        sources.len() - 1
                    }),
                };
                ViewElement::Element { source: source as u32, index }
            }));
        }
        let op = Op::View { sources, map: map.into() };
        self.emit_small(id, op, node.shape.clone(), (0, 1));
        Ok(())
    }
}

/// An element of a tensor of zeros and ones.
type Bit = (TensorId, u32);

/// The emission for one row of the operand.
struct Row<'e, 'a> {
    emitter: &'e mut Emitter<'a>,
    node: &'e PlanNode,
    table: circuits::graph::TableId,
    comparisons: BTreeMap<(u32, i64), Bit>,
}

impl Row<'_, '_> {
    /// `[acc ≥ 0]` for accumulators of a dense layer that drops `shift` bits.
    fn reaches_zero(&mut self, inputs: Vec<Bit>, weights: Weights, bias: Arc<[i64]>, shift: u32) -> TensorId {
        let mut sources: Vec<TensorId> = Vec::new();
        let map = inputs.iter().map(|&(tensor, index)| {
            let source = sources.iter().position(|&known| known == tensor).unwrap_or_else(|| {
                sources.push(tensor);
                sources.len() - 1
            });
            ViewElement::Element { source: source as u32, index }
        });
        let map = map.collect();
        let bounds = (0, 1);
        let shape = vec![inputs.len(), 1, 1];
        let input = self.emitter.emit(self.node, Op::View { sources, map }, shape, 1.0, bounds);
        let shape = vec![bias.len(), 1, 1];
        let requantize = Some(Requantize { shift, table: self.table });
        let op = Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias, requantize };
        self.emitter.emit(self.node, op, shape, 1.0, bounds)
    }

    /// All comparisons that the literals ask for: for each feature one layer with its bounds as biases.
    fn compare(&mut self, operand: TensorId, first: usize, literals: &[Literal], shift: u32) {
        let mut asked: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for ((feature, bound), _) in literals.iter().flat_map(|literal| literal.terms.iter().copied()) {
            asked.entry(feature).or_default().push(bound);
        }
        for (feature, mut bounds) in asked {
            bounds.sort_unstable();
            bounds.dedup();
            // `[(q − T) / 2^shift ≥ 0]` rounded down: the requantization rounds half up.
            let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
            let bias = bounds.iter().map(|bound| -bound - half).collect();
            let feature_bit = (operand, (first + feature as usize) as u32);
            let ones = vec![1; bounds.len()].into();
            let tensor = self.reaches_zero(vec![feature_bit], ones, bias, shift);
            let places = (0..).map(|index| (tensor, index));
            self.comparisons.extend(bounds.into_iter().map(|bound| (feature, bound)).zip(places));
        }
    }

    /// The indicators of all leaves.
    fn clusters(&mut self, trees: &Trees, begins: &[bool], literals: &[Literal]) -> Vec<Bit> {
        let mut leaves = vec![(TensorId(0), 0); trees.leaves];
        let mut entered: BTreeMap<u32, Bit> = BTreeMap::new();
        for root in (0..trees.branches.len() as u32).filter(|&branch| begins[branch as usize]) {
            let exits = exits(trees, begins, root);
            let tensor = self.cluster(&exits, literals, entered.remove(&root));
            for (exit, index) in exits.iter().zip(0..) {
                match exit.to {
                    Child::Leaf(leaf) => leaves[leaf as usize] = (tensor, index),
                    Child::Branch(next) => {
                        entered.insert(next, (tensor, index));
                    }
                }
            }
        }
        leaves
    }

    /// The indicators of the exits of a cluster that is entered where `entry` is 1.
    fn cluster(&mut self, exits: &[Exit], literals: &[Literal], entry: Option<Bit>) -> TensorId {
        let mut columns: BTreeMap<Bit, usize> = BTreeMap::new();
        let mut rows = Vec::with_capacity(exits.len());
        let mut bias = Vec::with_capacity(exits.len());
        for exit in exits {
            let mut constant = 0;
            let mut terms: Vec<(Bit, i64)> = entry.map(|bit| (bit, 1)).into_iter().collect();
            for &(branch, side) in &exit.way {
                let literal = &literals[branch as usize];
                let literal = if side == 0 { literal.clone() } else { literal.negated() };
                constant += literal.constant;
                terms.extend(literal.terms.iter().map(|(key, factor)| (self.comparisons[key], *factor)));
            }
            bias.push(constant - (exit.way.len() + usize::from(entry.is_some())) as i64);
            terms.iter().for_each(|&(bit, _)| {
                let next = columns.len();
                columns.entry(bit).or_insert(next);
            });
            rows.push(terms);
        }
        // Where all literals are known, something must still be read.
        if columns.is_empty() {
            let any = self.comparisons.values().next().copied();
            columns.insert(any.unwrap_or((TensorId(0), 0)), 0);
        }
        let mut inputs = vec![(TensorId(0), 0); columns.len()];
        columns.iter().for_each(|(&bit, &column)| inputs[column] = bit);
        let mut weights = vec![0; rows.len() * inputs.len()];
        for (row, terms) in rows.iter().enumerate() {
            terms.iter().for_each(|(bit, factor)| weights[row * inputs.len() + columns[bit]] += *factor as i32);
        }
        self.reaches_zero(inputs, weights.into(), bias.into(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::trees::Branch;

    fn grid(step: f64, on_grid: bool) -> Grid {
        Grid { class: Class { step, lo: -100, hi: 100, on_grid }, lo: -100, hi: 100 }
    }

    fn value(literal: &Literal, q: i64) -> i64 {
        let one = |&((_, bound), factor): &((u32, i64), i64)| factor * i64::from(q >= bound);
        literal.constant + literal.terms.iter().map(one).sum::<i64>()
    }

    #[test]
    fn literals_are_the_tests_on_a_grid() {
        let tests = |t: f64| {
            [
                Test::AtMost(t),
                Test::Below(t),
                Test::AtLeast(t),
                Test::Above(t),
                Test::Equal(t),
                Test::Unequal(t),
                Test::Member([t - 1.0, t, t + 2.0].into()),
            ]
        };
        for bound in [-60.0, -50.0, -0.25, 0.0, 0.5, 1.25, 49.75, 50.0, 80.0, f64::INFINITY, f64::NEG_INFINITY] {
            for test in tests(bound) {
                let literal = grid(0.5, true).literal(3, &test);
                for q in -100..=100 {
                    let expected = i64::from(test.holds(0.5 * q as f64));
                    assert_eq!(value(&literal, q), expected, "{test:?} at {q}");
                }
            }
        }
    }

    #[test]
    fn missing_values_go_where_the_branch_says() {
        let grid = grid(0.5, true);
        for bound in [-80.0, -50.0, 0.25, 50.0, 80.0] {
            for test in [Test::AtMost(bound), Test::AtLeast(bound), Test::Equal(bound), Test::Unequal(bound)] {
                for missing_passes in [false, true] {
                    let children = [Child::Leaf(0), Child::Leaf(1)];
                    let branch = Branch { feature: 3, test: test.clone(), children, missing_passes };
                    let literal = grid.with_missing(grid.literal(3, &test), &branch);
                    let expected = missing_passes || matches!(test, Test::Unequal(_));
                    assert_eq!(value(&literal, -101), i64::from(expected), "{test:?}");
                    for q in -100..=100 {
                        assert_eq!(value(&literal, q), i64::from(test.holds(0.5 * q as f64)), "{test:?} at {q}");
                    }
                }
            }
        }
    }

    #[test]
    fn off_a_grid_equal_numbers_and_distant_ones_are_compared_exactly() {
        let grid = grid(0.3, false);
        for bound in [-3.17, 0.0, 0.14, 2.9999] {
            for test in [Test::AtMost(bound), Test::Below(bound), Test::AtLeast(bound), Test::Above(bound)] {
                let literal = grid.literal(0, &test);
                for x in [bound, bound - 0.3, bound + 0.3, bound - 1.0, bound + 7.0] {
                    let q = rounded(x, 0.3) as i64;
                    assert_eq!(value(&literal, q), i64::from(test.holds(x)), "{test:?} at {x}");
                }
            }
        }
    }

    /// A tree whose branches are a chain, or complete.
    fn tree(branches: u32, complete: bool) -> Trees {
        let mut leaves = 0;
        let mut leaf = || {
            leaves += 1;
            Child::Leaf(leaves - 1)
        };
        let branch = |i: u32| {
            let next = if complete { [2 * i + 1, 2 * i + 2] } else { [u32::MAX, i + 1] };
            let children = next.map(|next| if next < branches { Child::Branch(next) } else { leaf() });
            Branch { feature: 0, test: Test::AtMost(f64::from(i)), children, missing_passes: false }
        };
        let branches = (0..branches).map(branch).collect();
        Trees { branches, roots: vec![0], leaves: leaves as usize, single: true }
    }

    #[test]
    fn clusters_are_small_and_cover_every_leaf_once() {
        for trees in [tree(1, true), tree(31, true), tree(1023, true), tree(400, false)] {
            let begins = cluster_roots(&trees);
            let mut met = vec![0; trees.leaves];
            let roots: Vec<u32> = (0..).zip(&begins).filter(|(_, begins)| **begins).map(|(root, _)| root).collect();
            for &root in &roots {
                let exits = exits(&trees, &begins, root);
                assert!(exits.len() <= CLUSTER + 1);
                for exit in exits {
                    match exit.to {
                        Child::Leaf(leaf) => met[leaf as usize] += 1,
                        Child::Branch(next) => assert!(begins[next as usize] && next > root),
                    }
                }
            }
            assert!(met.iter().all(|&times| times == 1));
            assert!(roots.len() <= 1 + trees.branches.len() / (CLUSTER / 2));
        }
    }

    #[test]
    fn shifts_leave_short_tables() {
        assert_eq!(shift_for(18), 4);
        assert!(shift_for(1 << 34) == 22 || shift_for(1 << 34) == 24);
    }
}
