//! The constraints of a system as one list of polynomials that vanish on the domain, in the verifier's order.
//!
//! A constraint is a node of a [`Graph`]: sums, differences and products of cells (a column at a rotation), of the identity
//! polynomial `X` and of [scalars](super::scalar) that are known once the challenges are. Equal nodes are the same node.
//!
//! **Brackets.** What is linear in fixed columns at one rotation, `Σ_j s_j·f_j`, with scalars `s_j`, becomes a cell of a
//! [`Column::Combination`]: the combination is taken before any transform, so that a thousand weight columns cost one.
//!
//! The order is that of the library's verifier: gates; the permutation argument (`ℓ_0·(1 − z_0)`, `ℓ_last·(z_l² − z_l)`,
//! `ℓ_0·(z_i − z_(i−1)(ω^last X))`, the products); lookups (five each).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk::{Any, ConstraintSystem, Expression};

use super::numerator::{self, Level, Rows};
use super::scalar::{ScalarId, Scalars};

/// A column that constraints speak about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// A fixed column.
    Fixed(usize),
    /// An advice column.
    Advice(usize),
    /// An instance column.
    Instance(usize),
    /// A permutation column `σ_j`, in the order of the argument.
    Sigma(usize),
    /// A product column of the permutation argument.
    Product(usize),
    /// The permuted input of a lookup.
    LookupInput(usize),
    /// The permuted table of a lookup.
    LookupTable(usize),
    /// The product column of a lookup.
    LookupProduct(usize),
    /// 1 on the first row.
    First,
    /// 1 on the row behind the last usable one.
    Last,
    /// 1 on the usable rows.
    Usable,
    /// A linear combination of columns, by its place in [`Graph::combinations`].
    Combination(usize),
}

/// A node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The node's place in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A polynomial made from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A constant polynomial.
    Scalar(ScalarId),
    /// `X`
    Identity,
    /// A column at a rotation.
    Cell(Column, i32),
    /// A sum.
    Add(NodeId, NodeId),
    /// A difference.
    Subtract(NodeId, NodeId),
    /// A product.
    Multiply(NodeId, NodeId),
}

impl Node {
    /// What the node is made of.
    pub(super) fn operands(self) -> [Option<NodeId>; 2] {
        match self {
            Self::Add(a, b) | Self::Subtract(a, b) | Self::Multiply(a, b) => [Some(a), Some(b)],
            Self::Scalar(_) | Self::Identity | Self::Cell(..) => [None, None],
        }
    }
}

/// A linear combination of columns.
pub type Combination = Vec<(Column, ScalarId)>;

/// One polynomial that vanishes on the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The polynomial.
    pub node: NodeId,
    /// Its degree in units of `n − 1`.
    pub degree: usize,
    /// Power of `y` that it is multiplied with.
    pub y_power: ScalarId,
    /// What it is, for people.
    pub name: String,
}

/// Polynomials and what they are made of.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    degrees: Vec<usize>,
    known: HashMap<Node, NodeId>,
    combinations: Vec<Combination>,
    known_combinations: HashMap<Combination, usize>,
    scalars: Scalars,
}

impl Graph {
    /// The nodes; each is made from earlier ones.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The combinations that stand for columns.
    pub fn combinations(&self) -> &[Combination] {
        &self.combinations
    }

    /// The scalars.
    pub fn scalars(&self) -> &Scalars {
        &self.scalars
    }

    pub(super) fn scalars_mut(&mut self) -> &mut Scalars {
        &mut self.scalars
    }

    /// The nodes that `roots` are made of, each behind those that it is made of.
    pub(super) fn reachable(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut reached = vec![false; self.nodes.len()];
        roots.into_iter().for_each(|root| reached[root.index()] = true);
        for index in (0..self.nodes.len()).rev() {
            if reached[index] {
                self.nodes[index].operands().into_iter().flatten().for_each(|node| reached[node.index()] = true);
            }
        }
        (0..self.nodes.len()).filter(|index| reached[*index]).map(|index| NodeId(index as u32)).collect()
    }

    fn intern(&mut self, node: Node) -> NodeId {
        let next = NodeId(self.nodes.len() as u32);
        let id = *self.known.entry(node).or_insert(next);
        if id == next {
            let degree = |id: NodeId| self.degrees[id.index()];
            self.degrees.push(match node {
                Node::Scalar(_) => 0,
                Node::Identity | Node::Cell(..) => 1,
                Node::Add(a, b) | Node::Subtract(a, b) => degree(a).max(degree(b)),
                Node::Multiply(a, b) => degree(a) + degree(b),
            });
            self.nodes.push(node);
        }
        id
    }

    pub(super) fn cell(&mut self, column: Column, rotation: i32) -> NodeId {
        self.intern(Node::Cell(column, rotation))
    }

    pub(super) fn scalar(&mut self, scalar: ScalarId) -> NodeId {
        self.intern(Node::Scalar(scalar))
    }

    pub(super) fn identity(&mut self) -> NodeId {
        self.intern(Node::Identity)
    }

    fn as_scalar(&self, id: NodeId) -> Option<ScalarId> {
        match self.nodes[id.index()] {
            Node::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        match (self.as_scalar(a), self.as_scalar(b)) {
            (Some(Scalars::ZERO), _) => b,
            (_, Some(Scalars::ZERO)) => a,
            (Some(x), Some(y)) => {
                let sum = self.scalars.add(x, y);
                self.scalar(sum)
            }
            _ => self.intern(Node::Add(a.min(b), a.max(b))),
        }
    }

    pub(super) fn subtract(&mut self, a: NodeId, b: NodeId) -> NodeId {
        match (self.as_scalar(a), self.as_scalar(b)) {
            (_, Some(Scalars::ZERO)) => a,
            _ if a == b => self.scalar(Scalars::ZERO),
            (Some(x), Some(y)) => {
                let negative = self.scalars.negate(y);
                let difference = self.scalars.add(x, negative);
                self.scalar(difference)
            }
            _ => self.intern(Node::Subtract(a, b)),
        }
    }

    pub(super) fn multiply(&mut self, a: NodeId, b: NodeId) -> NodeId {
        match (self.as_scalar(a), self.as_scalar(b)) {
            (Some(Scalars::ZERO), _) | (_, Some(Scalars::ZERO)) => self.scalar(Scalars::ZERO),
            (Some(Scalars::ONE), _) => b,
            (_, Some(Scalars::ONE)) => a,
            (Some(x), Some(y)) => {
                let product = self.scalars.multiply(x, y);
                self.scalar(product)
            }
            _ => self.intern(Node::Multiply(a.min(b), a.max(b))),
        }
    }

    pub(super) fn scale(&mut self, a: NodeId, factor: ScalarId) -> NodeId {
        let factor = self.scalar(factor);
        self.multiply(a, factor)
    }

    /// A linear combination of columns at a rotation.
    pub(super) fn bracket(&mut self, terms: Combination, rotation: i32) -> NodeId {
        if let [(column, factor)] = terms[..] {
            let cell = self.cell(column, rotation);
            return self.scale(cell, factor);
        }
        let next = self.combinations.len();
        let index = *self.known_combinations.entry(terms.clone()).or_insert(next);
        if index == next {
            self.combinations.push(terms);
        }
        self.cell(Column::Combination(index), rotation)
    }

    /// An expression of the library as a node.
    fn expression(&mut self, expression: &Expression<Fr>) -> NodeId {
        let form = Form::of(self, expression);
        form.node(self)
    }
}

/// A polynomial in parts: what is general, what is linear in fixed columns, and a constant.
struct Form {
    general: Option<NodeId>,
    /// By rotation and column.
    linear: BTreeMap<(i32, usize), ScalarId>,
    constant: ScalarId,
}

impl Form {
    fn scalar(constant: ScalarId) -> Self {
        Self { general: None, linear: BTreeMap::new(), constant }
    }

    fn general(node: NodeId) -> Self {
        Self { general: Some(node), ..Self::scalar(Scalars::ZERO) }
    }

    fn of(graph: &mut Graph, expression: &Expression<Fr>) -> Self {
        match expression {
            Expression::Constant(value) => Self::scalar(graph.scalars.constant(*value)),
            Expression::Challenge(challenge) => Self::scalar(graph.scalars.challenge(challenge.index())),
            Expression::Selector(_) => unreachable!("systems with selectors are refused"),
            Expression::Fixed(query) => {
                let linear = BTreeMap::from([((query.rotation().0, query.column_index()), Scalars::ONE)]);
                Self { linear, ..Self::scalar(Scalars::ZERO) }
            }
            Expression::Advice(query) => {
                Self::general(graph.cell(Column::Advice(query.column_index()), query.rotation().0))
            }
            Expression::Instance(query) => {
                Self::general(graph.cell(Column::Instance(query.column_index()), query.rotation().0))
            }
            Expression::Negated(inner) => {
                let minus_one = graph.scalars.constant(-Fr::ONE);
                Self::of(graph, inner).scaled(graph, minus_one)
            }
            Expression::Scaled(inner, factor) => {
                let factor = graph.scalars.constant(*factor);
                Self::of(graph, inner).scaled(graph, factor)
            }
            Expression::Sum(a, b) => match &**b {
                Expression::Negated(b) => {
                    let (a, b) = (Self::of(graph, a), Self::of(graph, b));
                    a.minus(graph, b)
                }
                b => {
                    let (a, b) = (Self::of(graph, a), Self::of(graph, b));
                    a.plus(graph, b)
                }
            },
            Expression::Product(a, b) => {
                let (a, b) = (Self::of(graph, a), Self::of(graph, b));
                a.times(graph, b)
            }
        }
    }

    fn is_scalar(&self) -> bool {
        self.general.is_none() && self.linear.is_empty()
    }

    fn scaled(self, graph: &mut Graph, factor: ScalarId) -> Self {
        let linear = self.linear.into_iter().map(|(at, s)| (at, graph.scalars.multiply(s, factor))).collect();
        Self {
            general: self.general.map(|node| graph.scale(node, factor)),
            linear,
            constant: graph.scalars.multiply(self.constant, factor),
        }
    }

    fn merge_linear(graph: &mut Graph, into: &mut Self, linear: BTreeMap<(i32, usize), ScalarId>, constant: ScalarId) {
        for (at, factor) in linear {
            let slot = into.linear.entry(at).or_insert(Scalars::ZERO);
            *slot = graph.scalars.add(*slot, factor);
        }
        into.constant = graph.scalars.add(into.constant, constant);
    }

    fn plus(mut self, graph: &mut Graph, other: Self) -> Self {
        Self::merge_linear(graph, &mut self, other.linear, other.constant);
        self.general = match (self.general, other.general) {
            (Some(a), Some(b)) => Some(graph.add(a, b)),
            (a, b) => a.or(b),
        };
        self
    }

    fn minus(mut self, graph: &mut Graph, other: Self) -> Self {
        let minus_one = graph.scalars.constant(-Fr::ONE);
        let general = match (self.general, other.general) {
            (Some(a), Some(b)) => Some(graph.subtract(a, b)),
            (None, Some(b)) => Some(graph.scale(b, minus_one)),
            (a, None) => a,
        };
        let negated = Self { general: None, ..other }.scaled(graph, minus_one);
        Self::merge_linear(graph, &mut self, negated.linear, negated.constant);
        self.general = general;
        self
    }

    fn times(self, graph: &mut Graph, other: Self) -> Self {
        match (self.is_scalar(), other.is_scalar()) {
            (_, true) => self.scaled(graph, other.constant),
            (true, _) => other.scaled(graph, self.constant),
            _ => {
                let (a, b) = (self.node(graph), other.node(graph));
                Self::general(graph.multiply(a, b))
            }
        }
    }

    fn node(self, graph: &mut Graph) -> NodeId {
        let mut brackets: BTreeMap<i32, Combination> = BTreeMap::new();
        for ((rotation, column), factor) in self.linear {
            if factor != Scalars::ZERO {
                brackets.entry(rotation).or_default().push((Column::Fixed(column), factor));
            }
        }
        let mut sum = graph.scalar(self.constant);
        for (rotation, terms) in brackets {
            let bracket = graph.bracket(terms, rotation);
            sum = graph.add(sum, bracket);
        }
        match self.general {
            Some(general) => graph.add(general, sum),
            None => sum,
        }
    }
}

/// The compressed expressions of a lookup: `Σ θ^(m−1−i)·e_i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupExpressions {
    /// What is looked up.
    pub input: NodeId,
    /// The table.
    pub table: NodeId,
}

/// All constraints of a system.
#[derive(Clone, Debug)]
pub struct Constraints {
    /// What they are made of.
    pub graph: Graph,
    /// In the verifier's order.
    pub list: Vec<Constraint>,
    /// The library's lookups, in order.
    pub lookups: Vec<LookupExpressions>,
    /// How many of `list` are gates; they come first.
    pub gates: usize,
    /// Their sum with powers of `y`, in decreasing order of cosets.
    pub levels: Vec<Level>,
}

impl Constraints {
    /// The constraints of `system`, which has no selectors. The fixed columns `usable` are 1 on the usable rows and 0 behind them.
    pub fn new(system: &ConstraintSystem<Fr>, usable: &BTreeSet<usize>) -> Self {
        let mut builder = Builder { graph: Graph::default(), list: Vec::new() };
        for gate in system.gates() {
            for (index, polynomial) in gate.polynomials().iter().enumerate() {
                let node = builder.graph.expression(polynomial);
                let constraint = gate.constraint_name(index);
                builder.push(node, format!("gate {:?}, constraint {constraint:?}", gate.name()));
            }
        }
        let gates = builder.list.len();
        builder.permutation(system);
        let lookups = builder.lookups(system);
        let Builder { mut graph, list } = builder;
        let count = list.len();
        let list: Vec<_> = (0..)
            .zip(list)
            .map(|(index, (node, name))| {
                let y_power = graph.scalars.y_power(count - 1 - index);
                Constraint { node, degree: graph.degrees[node.index()], y_power, name }
            })
            .collect();
        let levels = numerator::levels(&mut graph, &list, &Rows { hidden: -last_rotation(system), usable });
        Self { graph, list, lookups, gates, levels }
    }
}

/// Columns of the permutation argument that share a product column.
pub fn permutation_chunk(system: &ConstraintSystem<Fr>) -> usize {
    system.degree() - 2
}

/// The rotation that leads from row 0 to the row behind the last usable one.
pub fn last_rotation(system: &ConstraintSystem<Fr>) -> i32 {
    -(system.blinding_factors() as i32 + 1)
}

struct Builder {
    graph: Graph,
    list: Vec<(NodeId, String)>,
}

impl Builder {
    fn push(&mut self, node: NodeId, name: String) {
        self.list.push((node, name));
    }

    /// `switch·(1 − z)`
    fn starts_at_one(&mut self, product: NodeId, name: String) {
        let first = self.graph.cell(Column::First, 0);
        let one = self.graph.scalar(Scalars::ONE);
        let difference = self.graph.subtract(one, product);
        let node = self.graph.multiply(difference, first);
        self.push(node, name);
    }

    /// `ℓ_last·(z² − z)`
    fn ends_at_a_bit(&mut self, product: NodeId, name: String) {
        let last = self.graph.cell(Column::Last, 0);
        let square = self.graph.multiply(product, product);
        let difference = self.graph.subtract(square, product);
        let node = self.graph.multiply(difference, last);
        self.push(node, name);
    }

    fn permutation(&mut self, system: &ConstraintSystem<Fr>) {
        let columns = system.permutation().get_columns();
        if columns.is_empty() {
            return;
        }
        let chunk = permutation_chunk(system);
        let sets = columns.len().div_ceil(chunk);
        let product = |graph: &mut Graph, set| graph.cell(Column::Product(set), 0);
        let first = product(&mut self.graph, 0);
        self.starts_at_one(first, "permutation, start".into());
        let last = product(&mut self.graph, sets - 1);
        self.ends_at_a_bit(last, "permutation, end".into());
        for set in 1..sets {
            let here = product(&mut self.graph, set);
            let before = self.graph.cell(Column::Product(set - 1), last_rotation(system));
            let difference = self.graph.subtract(here, before);
            let switch = self.graph.cell(Column::First, 0);
            let node = self.graph.multiply(difference, switch);
            self.push(node, format!("permutation, link to set {set}"));
        }
        for (set, members) in columns.chunks(chunk).enumerate() {
            let node = self.permutation_step(set, set * chunk, members);
            self.push(node, format!("permutation, step of set {set}"));
        }
    }

    /// `usable·(z(ωX)·Π (p_j + β·σ_j + γ) − z·Π (p_j + β·δ^j·X + γ))`
    fn permutation_step(&mut self, set: usize, first: usize, members: &[halo2_proofs::plonk::Column<Any>]) -> NodeId {
        let graph = &mut self.graph;
        let (beta, gamma) = (graph.scalars.beta(), graph.scalars.gamma());
        let gamma = graph.scalar(gamma);
        let mut left = graph.cell(Column::Product(set), 1);
        let mut right = graph.cell(Column::Product(set), 0);
        for (index, member) in (first..).zip(members) {
            let value = graph.cell(any_column(member), 0);
            let shifted = graph.add(value, gamma);
            let sigma = graph.cell(Column::Sigma(index), 0);
            let sigma = graph.scale(sigma, beta);
            let factor = graph.add(shifted, sigma);
            left = graph.multiply(left, factor);
            let delta = graph.scalars.constant(Fr::DELTA.pow_vartime([index as u64]));
            let step = graph.scalars.multiply(beta, delta);
            let identity = graph.identity();
            let identity = graph.scale(identity, step);
            let factor = graph.add(shifted, identity);
            right = graph.multiply(right, factor);
        }
        let difference = graph.subtract(left, right);
        let usable = graph.cell(Column::Usable, 0);
        graph.multiply(difference, usable)
    }

    fn lookups(&mut self, system: &ConstraintSystem<Fr>) -> Vec<LookupExpressions> {
        (0..)
            .zip(system.lookups())
            .map(|(index, lookup)| {
                let input = self.compressed(lookup.input_expressions());
                let table = self.compressed(lookup.table_expressions());
                self.lookup(index, input, table);
                LookupExpressions { input, table }
            })
            .collect()
    }

    fn compressed(&mut self, expressions: &[Expression<Fr>]) -> NodeId {
        let theta = self.graph.scalars.theta();
        let mut sum = Form::scalar(Scalars::ZERO);
        for expression in expressions {
            let term = Form::of(&mut self.graph, expression);
            sum = sum.scaled(&mut self.graph, theta).plus(&mut self.graph, term);
        }
        sum.node(&mut self.graph)
    }

    fn lookup(&mut self, index: usize, input: NodeId, table: NodeId) {
        let product = self.graph.cell(Column::LookupProduct(index), 0);
        self.starts_at_one(product, format!("lookup {index}, start"));
        self.ends_at_a_bit(product, format!("lookup {index}, end"));
        let graph = &mut self.graph;
        let (beta, gamma) = (graph.scalars.beta(), graph.scalars.gamma());
        let (beta, gamma) = (graph.scalar(beta), graph.scalar(gamma));
        let permuted_input = graph.cell(Column::LookupInput(index), 0);
        let permuted_table = graph.cell(Column::LookupTable(index), 0);
        let usable = graph.cell(Column::Usable, 0);
        let next = graph.cell(Column::LookupProduct(index), 1);
        let mut sides = [(next, permuted_input, permuted_table), (product, input, table)].map(|(z, a, s)| {
            let (a, s) = (graph.add(a, beta), graph.add(s, gamma));
            let factors = graph.multiply(a, s);
            graph.multiply(z, factors)
        });
        let difference = graph.subtract(sides[0], sides[1]);
        sides[0] = graph.multiply(difference, usable);
        let step = sides[0];
        let apart = graph.subtract(permuted_input, permuted_table);
        let first = graph.cell(Column::First, 0);
        let head = graph.multiply(apart, first);
        let before = graph.cell(Column::LookupInput(index), -1);
        let moved = graph.subtract(permuted_input, before);
        let either = graph.multiply(apart, moved);
        let neighbours = graph.multiply(either, usable);
        self.push(step, format!("lookup {index}, step"));
        self.push(head, format!("lookup {index}, first row"));
        self.push(neighbours, format!("lookup {index}, neighbours"));
    }
}

/// A column of the permutation argument.
pub fn any_column(column: &halo2_proofs::plonk::Column<Any>) -> Column {
    match column.column_type() {
        Any::Advice(_) => Column::Advice(column.index()),
        Any::Fixed => Column::Fixed(column.index()),
        Any::Instance => Column::Instance(column.index()),
    }
}
