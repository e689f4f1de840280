//! Names that are visible to a node.

use crate::float::graph::ValueId;
use crate::parse::OperatorSets;
use std::collections::HashMap;

/// The names of a graph, and through `outer` those of the graphs around it.
pub(super) struct Scope<'a> {
    /// The graph around this one; none for the model's graph and for function bodies.
    pub(super) outer: Option<&'a Scope<'a>>,
    /// Versions that the nodes of the graph refer to.
    pub(super) operator_sets: &'a OperatorSets,
    /// Put before the names of nodes.
    pub(super) prefix: String,
    /// Depth of nested graphs and functions.
    pub(super) depth: u32,
    values: HashMap<String, Option<ValueId>>,
}

impl<'a> Scope<'a> {
    /// A scope without names.
    pub(super) fn new(operator_sets: &'a OperatorSets, prefix: String, depth: u32) -> Self {
        Self { outer: None, operator_sets, prefix, depth, values: HashMap::new() }
    }

    /// A scope inside another.
    pub(super) fn inside(outer: &'a Scope<'a>, prefix: String) -> Self {
        Self {
            outer: Some(outer),
            operator_sets: outer.operator_sets,
            prefix,
            depth: outer.depth + 1,
            values: HashMap::new(),
        }
    }

    /// Defines a name; an argument that a caller left out is `None`.
    pub(super) fn define(&mut self, name: &str, value: Option<ValueId>) {
        self.values.insert(name.to_owned(), value);
    }

    /// What a name stands for, if it is defined.
    pub(super) fn find(&self, name: &str) -> Option<Option<ValueId>> {
        self.values.get(name).copied().or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}
