//! Which values of the float graph are functions of one earlier value, and of which.
//!
//! A chain or a small network of elementwise operators that reads a single tensor, such as `x · sigmoid(x)` or the five
//! nodes of GELU, becomes one [`Function`]. A value is *kept* when something other than such a fusion reads it; functions
//! reach back to the nearest kept value.

use std::sync::Arc;

use super::function::Function;
use crate::float::graph::{BinaryFunction, FloatGraph, FloatNode, FloatOp, UnaryFunction, ValueId};

/// Largest expression that is followed; beyond it the value is kept.
const MAX_SIZE: usize = 256;
/// Most earlier values that a value is known as a function of.
const MAX_CHOICES: usize = 32;

/// The result of the analysis.
#[derive(Debug)]
pub(super) struct Fusion {
    choices: Vec<Vec<Choice>>,
    kept: Vec<bool>,
}

/// A value as `function(root)`.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub root: ValueId,
    pub function: Function,
    size: usize,
}

impl Fusion {
    /// Analyses a graph.
    pub(super) fn of(graph: &FloatGraph) -> Self {
        let mut choices: Vec<Vec<Choice>> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let found = choices_of(graph, node, &choices);
            choices.push(found);
        }
        let mut kept = vec![false; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            if !choices[index].is_empty() {
                continue;
            }
            // A divisor is read through its reciprocal, which fuses with the divisor's own function.
            let reads = match node.op {
                FloatOp::Binary { function: BinaryFunction::Div, operands } => vec![operands[0]],
                ref op => op.operands(),
            };
            reads.into_iter().for_each(|operand| kept[operand.0] = true);
        }
        graph.outputs.iter().for_each(|port| kept[port.value.0] = true);
        Self { choices, kept }
    }

    /// `value` as a function of the nearest kept or primitive value before it; `None` where it is primitive itself.
    pub(super) fn resolve(&self, value: ValueId) -> Option<&Choice> {
        let settled = |choice: &&Choice| self.kept[choice.root.0] || self.choices[choice.root.0].is_empty();
        self.choices[value.0].iter().find(settled)
    }
}

fn choices_of(graph: &FloatGraph, node: &FloatNode, known: &[Vec<Choice>]) -> Vec<Choice> {
    // Whether something is missing is asked of inputs alone, and no function of numbers.
    let asks = matches!(node.op, FloatOp::Unary { function: UnaryFunction::IsNan, .. });
    if asks
        || !matches!(
            node.op,
            FloatOp::Unary { .. } | FloatOp::Curve { .. } | FloatOp::Binary { .. } | FloatOp::Select { .. }
        )
    {
        return Vec::new();
    }
    let lists = node.op.operands().into_iter().map(|operand| options(graph, node, operand, known));
    let Some(lists) = lists.collect::<Option<Vec<_>>>() else { return Vec::new() };
    let Some(roots) = lists.iter().find_map(Options::choices) else { return Vec::new() };
    let choice = |candidate: &Choice| {
        let parts = lists.iter().map(|list| list.part(candidate.root)).collect::<Option<Vec<_>>>()?;
        let size = 1 + parts.iter().map(|(_, size)| size).sum::<usize>();
        let part = |i: usize| Arc::new(parts[i].0.clone());
        let function = match &node.op {
            FloatOp::Unary { function, .. } => Function::Unary(*function, part(0)),
            FloatOp::Curve { curve, .. } => Function::Curve(Arc::clone(curve), part(0)),
            FloatOp::Binary { function, .. } => Function::Binary(*function, part(0), part(1)),
            _ => Function::Select(part(0), part(1), part(2)),
        };
        (size <= MAX_SIZE).then_some(Choice { root: candidate.root, function, size })
    };
    roots.iter().filter_map(choice).take(MAX_CHOICES).collect()
}

/// What an operand can be read as: a number, or functions of earlier values, itself first.
enum Options {
    Constant(f64),
    Data(Vec<Choice>),
}

impl Options {
    fn choices(&self) -> Option<&[Choice]> {
        match self {
            Self::Constant(_) => None,
            Self::Data(choices) => Some(choices),
        }
    }

    /// The operand as a function of `root`, and the size of that function.
    fn part(&self, root: ValueId) -> Option<(Function, usize)> {
        match self {
            Self::Constant(value) => Some((Function::Constant(*value), 0)),
            Self::Data(choices) => {
                choices.iter().find(|choice| choice.root == root).map(|choice| (choice.function.clone(), choice.size))
            }
        }
    }
}

/// `None` where the operand is broadcast data or a constant of several values.
fn options(graph: &FloatGraph, node: &FloatNode, operand: ValueId, known: &[Vec<Choice>]) -> Option<Options> {
    match graph.constant(operand) {
        Some(tensor) => tensor.uniform().filter(|value| !value.is_nan()).map(Options::Constant),
        None if graph.node(operand).elements() != node.elements() => None,
        None => {
            let own = Choice { root: operand, function: Function::Argument, size: 1 };
            Some(Options::Data(std::iter::once(own).chain(known[operand.0].iter().cloned()).collect()))
        }
    }
}
