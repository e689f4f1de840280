//! The numerator of the quotient, `Σ_i y^(N−1−i)·e_i`, as a sum of products of linear forms.
//!
//! Constraints are written as people think of them; what the quotient costs is the columns that it transforms. So constraints are
//! multiplied out, as far as that stays small, into `Σ s·Π_j L_j`, where `s` is a scalar and every `L_j` is linear:
//! `Σ factor·cell + factor·X + constant`. Then
//!
//! * products that have all factors but one in common are added up, `s·A·L + s'·A·L' = A·(s·L + s'·L')`, across all constraints;
//!   the lanes of a machine, which share their switches, become one;
//! * the cells of a form at one rotation, if there are several, become one [`Column::Combination`], taken before any transform;
//! * each product may be computed apart from the others ([`super::quotient`]), so that few columns are in memory at a time.
//!
//! **Levels.** Only whole constraints vanish on the domain, so only the sum of whole constraints is divisible by `X^n − 1`. A level
//! is such a sum, with the number of cosets that its highest degree needs; a column that only constraints of a low degree read is
//! not transformed to more cosets than these need. Of the partitions into levels the one of least cost is taken.
//!
//! **The rows of the argument.** `Usable`, `Last` and fixed columns that are `Usable` (the machine has one) are sums of
//! `First` at some rotations: `ℓ_i(X) = ℓ_0(ω^(−i)·X)`. `First` takes no transform, since `ℓ_0(x) = (x^n − 1)/(n·(x − 1))`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::constraints::{Column, Constraint, Graph, Node, NodeId};
use super::program::columns_of;
use super::quotient::TRANSFORM;
use super::scalar::{ScalarId, Scalars};

/// Products that two sums may be multiplied out to, unless one of them is a single product.
const EXPANSION: usize = 16;
/// Different numbers of cosets up to which all partitions into levels are tried; no system in use has more.
const SEARCHED_NEEDS: usize = 10;

/// Constraints that are computed on the same cosets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Number of cosets: the first ones of the list.
    pub cosets: usize,
    /// What is summed up.
    pub terms: Vec<Term>,
}

/// `factor·node`, a product of the numerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The product.
    pub node: NodeId,
    /// What it is multiplied with.
    pub factor: ScalarId,
    /// The columns that it reads, in increasing order.
    pub columns: Vec<Column>,
}

/// What is known about the rows of the argument.
pub(super) struct Rows<'a> {
    /// Rows behind the last usable one.
    pub(super) hidden: i32,
    /// Fixed columns that are 1 on the usable rows and 0 behind them.
    pub(super) usable: &'a BTreeSet<usize>,
}

/// The levels of a list of constraints, in decreasing order of their cosets. New nodes go into `graph`.
pub(super) fn levels(graph: &mut Graph, list: &[Constraint], rows: &Rows<'_>) -> Vec<Level> {
    let mut expander = Expander { graph, usable: rows.usable, factors: Factors::default(), sums: HashMap::new() };
    expander.expand_all(list.iter().map(|constraint| constraint.node));
    let mut by_need: BTreeMap<usize, Sum> = BTreeMap::new();
    for constraint in list {
        let sum = &expander.sums[&constraint.node];
        by_need.entry(cosets(constraint)).or_default().add(expander.graph, sum, constraint.y_power);
    }
    let Expander { graph, mut factors, .. } = expander;
    let needs: Vec<(usize, Sum)> = by_need.into_iter().collect();
    // The level of each run of needs, which takes the cosets of the last one.
    let mut runs = BTreeMap::new();
    for first in 0..needs.len() {
        let mut sum = Sum::default();
        for (last, (cosets, more)) in needs.iter().enumerate().skip(first) {
            sum.add(graph, more, Scalars::ONE);
            let mut level = sum.clone();
            level.merge_products(graph, &mut factors);
            runs.insert((first, last), (level.cost(&factors, *cosets), *cosets, level));
        }
    }
    let cost = |partition: &Vec<(usize, usize)>| partition.iter().map(|run| runs[run].0).sum::<usize>();
    let best = partitions(needs.len()).into_iter().min_by_key(cost).unwrap_or_default();
    let lower = |run: &(usize, usize)| {
        let (_, cosets, level) = &runs[run];
        Level { cosets: *cosets, terms: level.lower(graph, &factors, rows) }
    };
    best.iter().rev().map(lower).collect()
}

/// Cosets that a constraint needs at least.
fn cosets(constraint: &Constraint) -> usize {
    constraint.degree.max(2) - 1
}

/// The ways to cut a list into runs, each with its first and its last place.
fn partitions(length: usize) -> Vec<Vec<(usize, usize)>> {
    let Some(gaps) = length.checked_sub(1) else { return Vec::new() };
    let choices = if length <= SEARCHED_NEEDS { 1u32 << gaps } else { 1 };
    let cut = |choice: u32| {
        let mut runs = vec![(0, 0)];
        for place in 1..length {
            match choice >> (place - 1) & 1 {
                1 => runs.push((place, place)),
                _ => runs.last_mut().expect("there is a run").1 = place,
            }
        }
        runs
    };
    (0..choices).map(cut).collect()
}

/// A cell: its rotation and its column.
type Cell = (i32, Column);

/// `Σ factor·cell + identity·X + constant`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Linear {
    cells: BTreeMap<Cell, ScalarId>,
    identity: ScalarId,
    constant: ScalarId,
}

/// A factor of a product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Factor {
    Linear(Linear),
    /// A sum that is not multiplied out.
    Opaque(NodeId),
}

/// A factor's place in the list of all.
type FactorId = usize;

/// All factors, each once.
#[derive(Debug, Default)]
struct Factors {
    list: Vec<Factor>,
    known: HashMap<Factor, FactorId>,
}

impl Factors {
    fn intern(&mut self, factor: Factor) -> FactorId {
        let next = self.list.len();
        let id = *self.known.entry(factor.clone()).or_insert(next);
        if id == next {
            self.list.push(factor);
        }
        id
    }

    /// A form as a factor, and what is taken out of it: a cell alone has the factor 1.
    fn linear(&mut self, mut form: Linear) -> (FactorId, ScalarId) {
        let mut out = Scalars::ONE;
        if let (1, Scalars::ZERO, Scalars::ZERO) = (form.cells.len(), form.identity, form.constant) {
            form.cells.values_mut().for_each(|scalar| out = std::mem::replace(scalar, Scalars::ONE));
        }
        (self.intern(Factor::Linear(form)), out)
    }

    fn form(&self, id: FactorId) -> Option<&Linear> {
        match &self.list[id] {
            Factor::Linear(form) => Some(form),
            Factor::Opaque(_) => None,
        }
    }
}

/// Factors in order.
type Product = Vec<FactorId>;

/// `Σ scalar·product + linear`. Products have two factors at least, or one that is opaque.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    products: BTreeMap<Product, ScalarId>,
    linear: Linear,
}

impl Default for Linear {
    fn default() -> Self {
        Self::constant(Scalars::ZERO)
    }
}

impl Linear {
    fn constant(constant: ScalarId) -> Self {
        Self { cells: BTreeMap::new(), identity: Scalars::ZERO, constant }
    }

    fn cell(column: Column, rotation: i32) -> Self {
        Self { cells: BTreeMap::from([((rotation, column), Scalars::ONE)]), ..Self::default() }
    }

    /// The constant, if the form is none but that.
    fn as_scalar(&self) -> Option<ScalarId> {
        (self.cells.is_empty() && self.identity == Scalars::ZERO).then_some(self.constant)
    }

    fn add(&mut self, graph: &mut Graph, other: &Self, factor: ScalarId) {
        let scalars = graph.scalars_mut();
        for (cell, scalar) in &other.cells {
            let scaled = scalars.multiply(*scalar, factor);
            let slot = self.cells.entry(*cell).or_insert(Scalars::ZERO);
            *slot = scalars.add(*slot, scaled);
            if *slot == Scalars::ZERO {
                self.cells.remove(cell);
            }
        }
        for (slot, scalar) in [(&mut self.identity, other.identity), (&mut self.constant, other.constant)] {
            let scaled = scalars.multiply(scalar, factor);
            *slot = scalars.add(*slot, scaled);
        }
    }

    /// The cells at each rotation that are columns of their own; the rows of the argument are not.
    fn groups(&self) -> BTreeMap<i32, Group> {
        let mut groups: BTreeMap<i32, Group> = BTreeMap::new();
        for ((rotation, column), scalar) in self.cells.iter().filter(|((_, column), _)| !is_of_rows(*column)) {
            groups.entry(*rotation).or_default().insert(*column, *scalar);
        }
        groups
    }

    fn lower(&self, graph: &mut Graph, rows: &Rows<'_>, groups: &BTreeSet<Group>) -> NodeId {
        let mut sum = graph.scalar(self.constant);
        for ((rotation, column), factor) in self.cells.iter().filter(|((_, column), _)| is_of_rows(*column)) {
            let cell = rows.cell(graph, *column, *rotation);
            let scaled = graph.scale(cell, *factor);
            sum = graph.add(sum, scaled);
        }
        for (rotation, group) in self.groups() {
            for part in parts(group, groups) {
                let bracket = graph.bracket(part.into_iter().collect(), rotation);
                sum = graph.add(sum, bracket);
            }
        }
        let identity = graph.identity();
        let identity = graph.scale(identity, self.identity);
        graph.add(sum, identity)
    }
}

/// Columns with their factors, at some rotation.
type Group = BTreeMap<Column, ScalarId>;

/// Whether a column speaks of rows alone.
fn is_of_rows(column: Column) -> bool {
    matches!(column, Column::First | Column::Last | Column::Usable)
}

/// A group as the sum of smaller ones, if it is the sum of those that there are, and otherwise whole.
fn parts(group: Group, groups: &BTreeSet<Group>) -> Vec<Group> {
    let mut left = group.clone();
    let mut parts = Vec::new();
    for part in groups.iter().filter(|part| part.len() < group.len()) {
        if part.iter().all(|(column, factor)| left.get(column) == Some(factor)) {
            left.retain(|column, _| !part.contains_key(column));
            parts.push(part.clone());
        }
    }
    if left.is_empty() && !parts.is_empty() {
        parts
    } else {
        vec![group]
    }
}

impl Rows<'_> {
    /// A column of rows by `First`: `ℓ_i` is `ℓ_0` some rotations on, around the end.
    fn cell(&self, graph: &mut Graph, column: Column, rotation: i32) -> NodeId {
        match column {
            Column::Usable => {
                let mut cell = graph.scalar(Scalars::ONE);
                for behind in 1..=self.hidden {
                    let row = graph.cell(Column::First, rotation + behind);
                    cell = graph.subtract(cell, row);
                }
                cell
            }
            Column::Last => graph.cell(Column::First, rotation + self.hidden),
            column => graph.cell(column, rotation),
        }
    }
}

impl Sum {
    fn linear(linear: Linear) -> Self {
        Self { products: BTreeMap::new(), linear }
    }

    fn add(&mut self, graph: &mut Graph, other: &Self, factor: ScalarId) {
        for (product, scalar) in &other.products {
            let scaled = graph.scalars_mut().multiply(*scalar, factor);
            self.add_product(graph, product.clone(), scaled);
        }
        self.linear.add(graph, &other.linear, factor);
    }

    fn add_product(&mut self, graph: &mut Graph, product: Product, scalar: ScalarId) {
        let slot = self.products.entry(product.clone()).or_insert(Scalars::ZERO);
        *slot = graph.scalars_mut().add(*slot, scalar);
        if *slot == Scalars::ZERO {
            self.products.remove(&product);
        }
    }

    /// The scalar, if the sum is none but that.
    fn as_scalar(&self) -> Option<ScalarId> {
        if self.products.is_empty() {
            self.linear.as_scalar()
        } else {
            None
        }
    }

    /// The sum's products, the linear part as one of them.
    fn parts(&self, factors: &mut Factors) -> Vec<(Product, ScalarId)> {
        let mut parts: Vec<_> = self.products.iter().map(|(product, scalar)| (product.clone(), *scalar)).collect();
        if self.linear != Linear::default() {
            let (factor, scalar) = factors.linear(self.linear.clone());
            parts.push((vec![factor], scalar));
        }
        parts
    }

    /// Adds up products that have all factors but one in common, those first that most have in common.
    fn merge_products(&mut self, graph: &mut Graph, factors: &mut Factors) {
        while let Some(common) = self.best_merge(factors) {
            let mut merged = Linear::default();
            let members: Vec<_> =
                self.products.keys().filter_map(|p| Some((p.clone(), left_out(p, &common)?))).collect();
            for (product, factor) in members {
                let Some(form) = factors.form(factor) else { continue };
                let scalar = self.products.remove(&product).expect("it is a member");
                merged.add(graph, form, scalar);
            }
            match (merged.as_scalar(), &common[..]) {
                (None, _) => {
                    let (factor, scalar) = factors.linear(merged);
                    self.add_product(graph, with(&common, factor), scalar);
                }
                (Some(scalar), &[factor]) if factors.form(factor).is_some() => {
                    self.linear.add(graph, factors.form(factor).expect("it is one"), scalar);
                }
                (Some(scalar), _) => self.add_product(graph, common, scalar),
            }
        }
    }

    /// What products have in common that are worth to be added up: three of them, or two of which one reads a column that no other
    /// product reads.
    fn best_merge(&self, factors: &Factors) -> Option<Product> {
        let mut readers: HashMap<Column, usize> = HashMap::new();
        for product in self.products.keys() {
            let forms = product.iter().filter_map(|factor| factors.form(*factor));
            let columns: BTreeSet<Column> =
                forms.flat_map(|form| form.cells.keys().map(|(_, column)| *column)).collect();
            columns.into_iter().for_each(|column| *readers.entry(column).or_default() += 1);
        }
        let alone = |form: &Linear| form.cells.keys().any(|(_, column)| !is_of_rows(*column) && readers[column] == 1);
        let mut found: BTreeMap<Product, (usize, bool)> = BTreeMap::new();
        for product in self.products.keys() {
            for (place, factor) in product.iter().enumerate() {
                // Of equal factors one is left out.
                let Some(form) = factors.form(*factor).filter(|_| place == 0 || product[place - 1] != *factor) else {
                    continue;
                };
                let entry = found.entry(without(product, place)).or_default();
                *entry = (entry.0 + 1, entry.1 | alone(form));
            }
        }
        let worth = found.into_iter().filter(|(_, (count, alone))| *count > 2 || (*count == 2 && *alone));
        worth.max_by_key(|(_, (count, _))| *count).map(|(common, _)| common)
    }

    /// All groups of the forms of the sum.
    fn groups(&self, factors: &Factors) -> BTreeSet<Group> {
        let forms = self.products.keys().flatten().filter_map(|factor| factors.form(*factor));
        forms.chain([&self.linear]).flat_map(|form| form.groups().into_values()).collect()
    }

    /// Products for a row, roughly: transforms, and one for each factor.
    fn cost(&self, factors: &Factors, cosets: usize) -> usize {
        // A column has one group of its own, whatever the factor.
        let columns: BTreeSet<Vec<(Column, Option<ScalarId>)>> = self
            .groups(factors)
            .iter()
            .map(|group| {
                let factor = |scalar: &ScalarId| (group.len() > 1).then_some(*scalar);
                group.iter().map(|(column, scalar)| (*column, factor(scalar))).collect()
            })
            .collect();
        let products: usize = self.products.keys().map(Vec::len).sum();
        TRANSFORM * (columns.len() * (1 + cosets) + cosets) + cosets * products
    }

    /// The sum as terms.
    fn lower(&self, graph: &mut Graph, factors: &Factors, rows: &Rows<'_>) -> Vec<Term> {
        let groups = self.groups(factors);
        let mut terms = Vec::new();
        for (product, factor) in &self.products {
            let nodes: Vec<NodeId> = product
                .iter()
                .map(|factor| match &factors.list[*factor] {
                    Factor::Linear(form) => form.lower(graph, rows, &groups),
                    Factor::Opaque(node) => *node,
                })
                .collect();
            let node = nodes.into_iter().reduce(|a, b| graph.multiply(a, b)).expect("a product has factors");
            terms.push((node, *factor));
        }
        if self.linear != Linear::default() {
            terms.push((self.linear.lower(graph, rows, &groups), Scalars::ONE));
        }
        terms.into_iter().map(|(node, factor)| Term { node, factor, columns: columns_of(graph, [node]) }).collect()
    }
}

fn without(product: &Product, place: usize) -> Product {
    [&product[..place], &product[place + 1..]].concat()
}

fn with(product: &Product, factor: FactorId) -> Product {
    let place = product.partition_point(|other| *other < factor);
    [&product[..place], &[factor], &product[place..]].concat()
}

/// The factor that a product has beside `common`, if it has these and one more.
fn left_out(product: &Product, common: &Product) -> Option<FactorId> {
    let place = product.iter().zip(common).take_while(|(a, b)| a == b).count();
    (product.len() == common.len() + 1 && without(product, place) == *common).then(|| product[place])
}

/// Multiplies nodes out, each once.
struct Expander<'a> {
    graph: &'a mut Graph,
    usable: &'a BTreeSet<usize>,
    factors: Factors,
    sums: HashMap<NodeId, Sum>,
}

impl Expander<'_> {
    fn expand_all(&mut self, roots: impl IntoIterator<Item = NodeId>) {
        for node in self.graph.reachable(roots) {
            let sum = self.expand(node);
            self.sums.insert(node, sum);
        }
    }

    fn expand(&mut self, node: NodeId) -> Sum {
        let minus_one = self.graph.scalars_mut().negate(Scalars::ONE);
        match self.graph.nodes()[node.index()] {
            Node::Scalar(scalar) => Sum::linear(Linear::constant(scalar)),
            Node::Identity => Sum::linear(Linear { identity: Scalars::ONE, ..Linear::default() }),
            Node::Cell(Column::Combination(index), rotation) => {
                let mut form = Linear::default();
                for (column, factor) in self.graph.combinations()[index].clone() {
                    form.add(self.graph, &Linear::cell(self.named(column), rotation), factor);
                }
                Sum::linear(form)
            }
            Node::Cell(column, rotation) => Sum::linear(Linear::cell(self.named(column), rotation)),
            Node::Add(a, b) => self.sum(a, b, Scalars::ONE),
            Node::Subtract(a, b) => self.sum(a, b, minus_one),
            Node::Multiply(a, b) => self.product(a, b),
        }
    }

    fn named(&self, column: Column) -> Column {
        match column {
            Column::Fixed(index) if self.usable.contains(&index) => Column::Usable,
            column => column,
        }
    }

    fn sum(&mut self, a: NodeId, b: NodeId, factor: ScalarId) -> Sum {
        let mut sum = self.sums[&a].clone();
        sum.add(self.graph, &self.sums[&b], factor);
        sum
    }

    /// A product, multiplied out where that is small.
    fn product(&mut self, a: NodeId, b: NodeId) -> Sum {
        let mut sum = Sum::default();
        for (one, other) in [(a, b), (b, a)] {
            if let Some(scalar) = self.sums[&one].as_scalar() {
                sum.add(self.graph, &self.sums[&other], scalar);
                return sum;
            }
        }
        let [mut left, mut right] = [a, b].map(|node| self.sums[&node].parts(&mut self.factors));
        if left.len().min(right.len()) > 1 && left.len() * right.len() > EXPANSION {
            let (longer, node) = if left.len() > right.len() { (&mut left, a) } else { (&mut right, b) };
            *longer = vec![(vec![self.factors.intern(Factor::Opaque(node))], Scalars::ONE)];
        }
        for (left, left_scalar) in &left {
            for (right, right_scalar) in &right {
                let product = right.iter().fold(left.clone(), |product, factor| with(&product, *factor));
                let scalar = self.graph.scalars_mut().multiply(*left_scalar, *right_scalar);
                sum.add_product(self.graph, product, scalar);
            }
        }
        sum
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;

    use halo2_proofs::halo2curves::bn256::Fr;
    use halo2_proofs::halo2curves::ff::Field;
    use halo2_proofs::plonk::{ConstraintSystem, Expression};
    use halo2_proofs::poly::Rotation;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::constraints::{last_rotation, Constraints};
    use super::super::scalar::{Challenges, ScalarValues};
    use super::*;

    /// Four lanes that share switches, one of them `usable`; a product that is not multiplied out; a permutation and a lookup.
    pub(in super::super) fn system() -> ConstraintSystem<Fr> {
        let mut system = ConstraintSystem::default();
        let [usable, switch, table] = [(); 3].map(|()| system.fixed_column());
        let advice = [(); 4].map(|()| system.advice_column());
        advice.iter().for_each(|column| system.enable_equality(*column));
        system.create_gate("lanes", |cells| {
            let [usable, switch] = [usable, switch].map(|column| cells.query_fixed(column, Rotation::cur()));
            let lanes = advice.map(|column| {
                let [here, next] =
                    [Rotation::cur(), Rotation::next()].map(|rotation| cells.query_advice(column, rotation));
                switch.clone() * (here + next)
            });
            let [a, b, c, d] = advice.map(|column| cells.query_advice(column, Rotation::cur()));
            let sum = |x: &Expression<Fr>| x.clone() * a.clone() + b.clone() * x.clone() + c.clone() * d.clone();
            let long = (0..2).fold(sum(&a), |product, _| product * sum(&d));
            lanes
                .into_iter()
                .chain([usable.clone() * (a.clone() - b.clone()) * c.clone(), usable * long])
                .collect::<Vec<_>>()
        });
        system.lookup_any("pairs", |cells| {
            let [input, table] =
                [cells.query_advice(advice[0], Rotation::cur()), cells.query_fixed(table, Rotation::cur())];
            vec![(input, table)]
        });
        system.set_minimum_degree(9);
        system
    }

    /// Random cells in which rows are what they are made of.
    struct Cells<'a> {
        graph: &'a Graph,
        scalars: &'a ScalarValues,
        hidden: i32,
        usable: &'a BTreeSet<usize>,
        identity: Fr,
        drawn: RefCell<(BTreeMap<Cell, Fr>, ChaCha20Rng)>,
    }

    impl Cells<'_> {
        fn cell(&self, rotation: i32, column: Column) -> Fr {
            match column {
                Column::Fixed(index) if self.usable.contains(&index) => self.cell(rotation, Column::Usable),
                Column::Usable => {
                    let hidden = 1..=self.hidden;
                    Fr::ONE - hidden.map(|behind| self.cell(rotation + behind, Column::First)).sum::<Fr>()
                }
                Column::Last => self.cell(rotation + self.hidden, Column::First),
                Column::Combination(index) => {
                    let terms = self.graph.combinations()[index].iter();
                    terms.map(|(column, factor)| self.cell(rotation, *column) * self.scalars.get(*factor)).sum()
                }
                _ => {
                    let (drawn, rng) = &mut *self.drawn.borrow_mut();
                    *drawn.entry((rotation, column)).or_insert_with(|| Fr::random(rng))
                }
            }
        }

        fn node(&self, node: NodeId) -> Fr {
            match self.graph.nodes()[node.index()] {
                Node::Scalar(scalar) => self.scalars.get(scalar),
                Node::Identity => self.identity,
                Node::Cell(column, rotation) => self.cell(rotation, column),
                Node::Add(a, b) => self.node(a) + self.node(b),
                Node::Subtract(a, b) => self.node(a) - self.node(b),
                Node::Multiply(a, b) => self.node(a) * self.node(b),
            }
        }
    }

    #[test]
    fn levels_are_the_sums_of_their_constraints() {
        let system = system();
        for usable in [BTreeSet::new(), BTreeSet::from([0])] {
            let constraints = Constraints::new(&system, &usable);
            let [theta, beta, gamma, y, identity] = [3u64, 5, 7, 11, 13].map(|base| Fr::from(base).pow_vartime([99]));
            let scalars = constraints.graph.scalars().values(&Challenges { gates: vec![], theta, beta, gamma, y });
            let drawn = RefCell::new((BTreeMap::new(), ChaCha20Rng::seed_from_u64(4)));
            let hidden = -last_rotation(&system);
            let cells =
                Cells { graph: &constraints.graph, scalars: &scalars, hidden, usable: &usable, identity, drawn };
            let mut below = usize::MAX;
            let mut all = Fr::ZERO;
            for level in &constraints.levels {
                let found = level.terms.iter().map(|term| cells.node(term.node) * scalars.get(term.factor)).sum::<Fr>();
                // Levels come by decreasing need: a constraint belongs to the last one that has enough cosets.
                let next =
                    constraints.levels.iter().map(|level| level.cosets).filter(|more| *more < level.cosets).max();
                let mine = |constraint: &&Constraint| {
                    (next.map_or(0, |next| next + 1)..=level.cosets).contains(&cosets(constraint))
                };
                let members = constraints.list.iter().filter(mine);
                let expected = members.map(|constraint| cells.node(constraint.node) * scalars.get(constraint.y_power));
                assert_eq!(found, expected.sum::<Fr>(), "the level of {} cosets", level.cosets);
                assert!(level.cosets < below, "levels come by decreasing number of cosets");
                (below, all) = (level.cosets, all + found);
            }
            let expected = constraints.list.iter().map(|c| cells.node(c.node) * scalars.get(c.y_power)).sum::<Fr>();
            assert_eq!(all, expected);
        }
    }

    #[test]
    fn lanes_that_share_a_switch_are_read_as_one() {
        let constraints = Constraints::new(&system(), &BTreeSet::from([0]));
        let terms = || constraints.levels.iter().flat_map(|level| &level.terms);
        let switched = terms().filter(|term| term.columns.contains(&Column::Fixed(1)));
        let columns: Vec<usize> = switched.map(|term| term.columns.len()).collect();
        assert_eq!(columns, [2], "the switch, and one combination at both rotations");
        let rows = [Column::Usable, Column::Last, Column::Fixed(0)];
        assert!(terms().any(|term| term.columns.contains(&Column::First)));
        let opaque = |term: &&Term| rows.iter().any(|column| term.columns.contains(column));
        assert_eq!(terms().find(opaque), None, "rows are read by the first one");
    }
}
