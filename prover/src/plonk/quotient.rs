//! How the quotient `h = Σ_i y^(N−1−i)·e_i / (X^n − 1)` of the constraints `e_i` is computed.
//!
//! A constraint of degree `d` (in units of `n − 1`) gives a quotient below degree `(d − 1)·n`, which its values on `m = d − 1`
//! cosets `s_j·H` of the domain determine, each with `X^n = t_j = s_j^n`. Write the quotient as `Σ_(i<m) h_i·X^(n·i)`; on coset
//! `j` an inverse transform gives the coefficients of `r_j = Σ_i t_j^i·h_i`, and the `h_i` follow, coefficient by coefficient, by
//! the inverse of the Vandermonde matrix of the `t_j`. Any `m` distinct cosets will do: a degree that is no power of two
//! wastes nothing.
//!
//! **Groups.** Constraints are grouped by the number of cosets that they need, so that columns that only constraints of a low
//! degree read are not transformed to all cosets. The plan takes the partition of least cost.
//!
//! **Batches.** A batch is a set of constraints whose columns are in memory together. One batch is fastest; a smaller memory
//! budget makes more of them, at the price of transforming a column once for each batch that reads it.

use super::constraints::{Column, Constraint, Constraints, NodeId};
use super::program::{columns_of, Program};
use super::scalar::ScalarId;

/// Constraints that are evaluated on the same cosets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Number of cosets: the first ones of the list.
    pub cosets: usize,
    /// `Σ y^(N−1−i)·e_i` over the constraints of the group.
    pub program: Program,
}

/// Columns that are in memory together, and what is computed from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The columns, each with the number of cosets that it is transformed to.
    pub columns: Vec<(Column, usize)>,
    /// The groups, by increasing number of cosets.
    pub groups: Vec<Group>,
}

/// A plan for the quotient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotientPlan {
    /// Pieces of `n` coefficients that the protocol asks for: at least the cosets of every group.
    pub pieces: usize,
    /// The numerator `Σ_i y^(N−1−i)·e_i`, as nodes with their factors.
    pub terms: Vec<(NodeId, ScalarId)>,
    /// What is computed one after the other.
    pub batches: Vec<Batch>,
}

/// By how much a plan may be dearer than the cheapest if it holds fewer columns in memory, in percent.
const SLACK: usize = 8;

/// Numbers of columns at once that are tried.
const WIDTHS: std::ops::RangeInclusive<usize> = 12..=256;

/// Cost of a transform of one column in products per row: half of `log n`, and the passes over memory.
const TRANSFORM: usize = 12;

impl QuotientPlan {
    /// The plan for a system with `pieces` quotient pieces in which no batch has more than `columns` columns, where that is
    /// possible: a batch has at least one constraint. Of the plans that cost little more than the cheapest, it is one that holds
    /// fewest columns at a time.
    pub fn new(constraints: &Constraints, pieces: usize, columns: usize) -> Self {
        let levels = levels(constraints);
        let read: Vec<_> = constraints.list.iter().map(|c| columns_of(&constraints.graph, [c.node])).collect();
        let terms: Vec<_> = constraints.list.iter().map(|c| (c.node, c.y_power)).collect();
        let of_members = |members: &[Vec<usize>]| {
            let batches = members.iter().map(|batch| Batch::new(constraints, batch, &levels)).collect();
            Self { pieces, terms: terms.clone(), batches }
        };
        let mut members = split(&read, columns);
        let mut best = of_members(&members);
        let affordable = best.cost() * (100 + SLACK) / 100;
        for width in WIDTHS.rev().step_by(4) {
            if width >= best.widest() {
                continue;
            }
            let narrower = split(&read, width);
            if narrower == members {
                continue;
            }
            members = narrower;
            let plan = of_members(&members);
            if plan.cost() <= affordable && plan.widest() < best.widest() {
                best = plan;
            }
        }
        best
    }

    /// Products for a row, transforms counted as [`TRANSFORM`].
    fn cost(&self) -> usize {
        let transforms = self.batches.iter().flat_map(|batch| &batch.columns).map(|(_, cosets)| cosets + 1);
        let groups = self.batches.iter().flat_map(|batch| &batch.groups);
        TRANSFORM * transforms.sum::<usize>()
            + groups.map(|group| group.cosets * group.program.products()).sum::<usize>()
    }

    /// The most columns that are in memory together.
    pub fn widest(&self) -> usize {
        self.batches.iter().map(|batch| batch.columns.len()).max().unwrap_or(0)
    }
}

/// Cosets that a constraint needs at least.
fn cosets(constraint: &Constraint) -> usize {
    constraint.degree.max(2) - 1
}

/// The numbers of cosets of the groups, increasing: the choice of least cost.
fn levels(constraints: &Constraints) -> Vec<usize> {
    let most = constraints.list.iter().map(cosets).max().unwrap_or(1);
    // Larger systems than any that is in use are not searched.
    let candidates = if most <= 10 { 1u32 << (most - 1) } else { 1 };
    let choice = |bits: u32| -> Vec<usize> { (1..most).filter(|m| bits >> (m - 1) & 1 == 1).chain([most]).collect() };
    let by_need: Vec<(usize, Vec<Column>)> = (1..=most)
        .map(|need| {
            let nodes = constraints.list.iter().filter(|c| cosets(c) == need).map(|c| c.node);
            (need, columns_of(&constraints.graph, nodes))
        })
        .collect();
    let cost = |levels: &Vec<usize>| -> usize {
        let level = |need: usize| *levels.iter().find(|level| **level >= need).expect("the last level is the most");
        let mut reach = std::collections::BTreeMap::new();
        for (need, columns) in &by_need {
            for column in columns {
                let slot = reach.entry(*column).or_insert(0);
                *slot = level(*need).max(*slot);
            }
        }
        let programs: usize = by_need.iter().map(|(need, columns)| level(*need) * 3 * columns.len()).sum();
        TRANSFORM * (reach.values().sum::<usize>() + levels.iter().sum::<usize>()) + programs
    };
    (0..candidates).map(choice).min_by_key(cost).expect("there is a candidate")
}

/// Deals the constraints out to batches, in order. `read` has the columns of each.
fn split(read: &[Vec<Column>], columns: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<(Vec<usize>, Vec<Column>)> = Vec::new();
    for (index, mine) in read.iter().enumerate() {
        if let Some((members, held)) = batches.last_mut() {
            let mut union = held.clone();
            union.extend(mine);
            union.sort_unstable();
            union.dedup();
            if union.len() <= columns {
                members.push(index);
                *held = union;
                continue;
            }
        }
        batches.push((vec![index], mine.clone()));
    }
    batches.into_iter().map(|(members, _)| members).collect()
}

impl Batch {
    fn new(constraints: &Constraints, members: &[usize], levels: &[usize]) -> Self {
        let mut groups = Vec::new();
        let mut below = 0;
        for &level in levels {
            let terms: Vec<_> = members
                .iter()
                .map(|&index| &constraints.list[index])
                .filter(|constraint| (below + 1..=level).contains(&cosets(constraint)))
                .map(|constraint| (constraint.node, constraint.y_power))
                .collect();
            below = level;
            if !terms.is_empty() {
                groups.push(Group { cosets: level, program: Program::new(&constraints.graph, &terms) });
            }
        }
        let mut columns = std::collections::BTreeMap::new();
        for group in &groups {
            // Groups come by increasing number of cosets.
            group.program.slots.iter().for_each(|&column| {
                columns.insert(column, group.cosets);
            });
        }
        Self { columns: columns.into_iter().collect(), groups }
    }
}
