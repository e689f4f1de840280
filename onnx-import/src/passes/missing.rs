//! Missing values: inputs whose elements may be NaN.
//!
//! NaN is followed from the inputs to the operators that settle it: `IsNaN`, a choice by it, comparisons (which it fails), and trees,
//! each branch of which says where it goes. Where it would reach anything else, the model gives NaN, and is refused. In the graph
//! that results nothing but these operators, and views and scales before trees, ever reads NaN; of inputs that are never missing
//! nothing is left that asks.
//!
//! | before | after |
//! | --- | --- |
//! | trees of features that constants took the place of where they are missing | trees of the features, with branches that send NaN where the constants went |
//! | an operator on elements one by one, then a choice of something else where they are missing | the operator on elements that are 0 where they are missing |
//! | a question whether a computed number is NaN | no |

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::rebuild::Output;
use crate::float::evaluate::apply;
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, FloatPort, Tensor, UnaryFunction, ValueId,
};
use crate::float::trees::Trees;

/// An operator that NaN would reach and that has no answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// The names of the node.
    pub node: String,
    /// An input that it may come from.
    pub input: String,
}

/// A value as the passes before it have left it.
#[derive(Clone)]
enum Value {
    /// It is never NaN.
    Number(ValueId),
    /// It is NaN where something is missing.
    Missable(Missable),
    /// A constant stands where something is missing.
    Imputed { number: ValueId, raw: ValueId, fill: Tensor, from: usize },
}

/// A value that may be NaN.
#[derive(Clone)]
struct Missable {
    /// With NaN in it.
    raw: ValueId,
    /// Whether each element is missing.
    missing: ValueId,
    /// The value with 0 in the place of what is missing, or what operators make of that.
    number: ValueId,
    /// Whether `raw` has elements of inputs as they are.
    pure: bool,
    /// An input that NaN comes from.
    from: usize,
}

impl Value {
    /// The input that NaN comes from, where there may be one.
    fn missable(&self) -> Option<usize> {
        match self {
            Self::Missable(value) => Some(value.from),
            _ => None,
        }
    }

    /// The value, NaN where it is missing.
    fn raw(&self) -> ValueId {
        match self {
            Self::Number(value) | Self::Imputed { number: value, .. } => *value,
            Self::Missable(value) => value.raw,
        }
    }

    /// The value with numbers where it is missing.
    fn number(&self) -> ValueId {
        match self {
            Self::Number(value) | Self::Imputed { number: value, .. } => *value,
            Self::Missable(value) => value.number,
        }
    }
}

/// Which values of a graph that was [settled](settle) may be NaN.
pub(crate) fn may_be_missing(graph: &FloatGraph) -> Vec<bool> {
    let mut known = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        known[index] = match &node.op {
            FloatOp::Input(port) => graph.inputs[*port].nullable,
            FloatOp::Unary { function: UnaryFunction::IsNan, .. } | FloatOp::TreeLeaves { .. } => false,
            FloatOp::Select { condition, then, otherwise } => {
                let excluded = matches!(graph.node(*condition).op,
                    FloatOp::Unary { input, function: UnaryFunction::IsNan } if input == *otherwise);
                known[then.0] || (known[otherwise.0] && !excluded)
            }
            op => op.operands().iter().any(|operand| known[operand.0]),
        };
    }
    known
}

/// Whether a graph asks whether anything is NaN.
fn asks(graph: &FloatGraph) -> bool {
    let asks = |node: &FloatNode| matches!(node.op, FloatOp::Unary { function: UnaryFunction::IsNan, .. });
    graph.nodes.iter().any(asks)
}

/// The graph in which elements of the `nullable` inputs may be missing, and those of no other input.
///
/// # Errors
/// NaN would reach an operator that does not settle it, or an output.
pub(crate) fn settle<'a>(graph: &'a FloatGraph, nullable: &BTreeSet<usize>) -> Result<Cow<'a, FloatGraph>, Unsettled> {
    if nullable.is_empty() && !asks(graph) {
        return Ok(Cow::Borrowed(graph));
    }
    let mut pass = Pass { graph, output: Output::default(), nullable, values: Vec::with_capacity(graph.nodes.len()) };
    for node in &graph.nodes {
        let value = pass.node(node)?;
        pass.values.push(value);
    }
    let Pass { output, values, .. } = pass;
    if let Some((port, from)) = graph.outputs.iter().find_map(|port| Some((port, values[port.value.0].missable()?))) {
        return Err(Unsettled {
            node: graph.node(port.value).provenance.join("+"),
            input: graph.inputs[from].name.clone(),
        });
    }
    let input = |(number, port): (usize, &FloatPort)| FloatPort {
        value: values[port.value.0].raw(),
        nullable: nullable.contains(&number),
        ..port.clone()
    };
    let inputs = graph.inputs.iter().enumerate().map(input).collect();
    let port = |port: &FloatPort| FloatPort { value: values[port.value.0].number(), ..port.clone() };
    let outputs = graph.outputs.iter().map(port).collect();
    let FloatGraph { name, source_digest, remarks, .. } = graph;
    let (name, remarks, integers) = (name.clone(), remarks.clone(), graph.integers.clone());
    let (nodes, source_digest) = (output.into_nodes(), *source_digest);
    let settled = FloatGraph { nodes, inputs, outputs, name, source_digest, remarks, float32: None, integers };
    Ok(Cow::Owned(super::simplify(settled)))
}

struct Pass<'a> {
    graph: &'a FloatGraph,
    output: Output,
    nullable: &'a BTreeSet<usize>,
    /// What each node of the graph became.
    values: Vec<Value>,
}

impl Pass<'_> {
    fn node(&mut self, node: &FloatNode) -> Result<Value, Unsettled> {
        match &node.op {
            FloatOp::Input(port) => {
                let raw = self.output.push(node.clone());
                Ok(if self.nullable.contains(port) { self.missable(node, raw, *port) } else { Value::Number(raw) })
            }
            FloatOp::Unary { input, function: UnaryFunction::IsNan } => {
                Ok(Value::Number(match &self.values[input.0] {
                    Value::Missable(value) => value.missing,
                    _ => self.constant(node, 0.0),
                }))
            }
            FloatOp::Select { condition, then, otherwise } => self.choice(node, [*condition, *then, *otherwise]),
            FloatOp::TreeLeaves { input, trees } => Ok(self.leaves(node, *input, trees)),
            op => {
                let operands: Vec<Value> = op.operands().iter().map(|operand| self.values[operand.0].clone()).collect();
                if operands.iter().all(|operand| matches!(operand, Value::Number(_))) {
                    return Ok(Value::Number(self.push_with(node, op, Value::number)));
                }
                self.operator(node, &operands)
            }
        }
    }

    /// An operator on operands that are or were missing here and there.
    fn operator(&mut self, node: &FloatNode, operands: &[Value]) -> Result<Value, Unsettled> {
        let from = operands.iter().find_map(Value::missable);
        let number = |pass: &mut Self| Value::Number(pass.push_with(node, &node.op, Value::number));
        match (&node.op, from) {
            (FloatOp::Binary { function, .. }, Some(from)) if is_comparison(*function) => {
                let result = self.push_with(node, &node.op, Value::number);
                let missing = self.any_missing(node, operands, from)?;
                let zero = self.constant(node, 0.0);
                let op = FloatOp::Select { condition: missing, then: zero, otherwise: result };
                Ok(Value::Number(self.output.push(FloatNode { op, ..node.clone() })))
            }
            (FloatOp::Unary { function: UnaryFunction::IsInfinite { .. }, .. }, _) => Ok(number(self)),
            (op, Some(from)) if is_view(op) || is_elementwise(op) => {
                let missing = match is_view(op) {
                    true => self.view_of_missing(node, operands),
                    false => self.any_missing(node, operands, from)?,
                };
                let raw = self.push_with(node, op, Value::raw);
                let inputs_alone = |operand: &Value| matches!(operand, Value::Missable(value) if value.pure);
                let pure = is_view(op) && operands.iter().all(inputs_alone);
                let number = match pure {
                    true => self.filled(node, raw, missing),
                    false => self.push_with(node, op, Value::number),
                };
                Ok(Value::Missable(Missable { raw, missing, number, pure, from }))
            }
            (op, None) if is_view(op) || is_elementwise(op) => Ok(self.of_imputed(node, operands)),
            (_, None) => Ok(number(self)),
            (_, Some(from)) => self.refuse(node, from),
        }
    }

    /// What a node is, of which constants stand where an operand is missing: the operator on both. Each element of a view is one of one
    /// operand. Of other operators a second operand with such constants may lack other elements than the first, and where one of them
    /// is there the result is none of two constants: it is a number, and no longer known as one that was missing.
    fn of_imputed(&mut self, node: &FloatNode, operands: &[Value]) -> Value {
        let number = self.push_with(node, &node.op, Value::number);
        let imputed = operands.iter().filter(|operand| matches!(operand, Value::Imputed { .. })).count();
        if imputed > 1 && !is_view(&node.op) {
            return Value::Number(number);
        }
        let mut fills = Vec::with_capacity(operands.len());
        let mut origin = None;
        for (operand, value) in node.op.operands().into_iter().zip(operands) {
            let fill = match value {
                Value::Imputed { fill, from, .. } => {
                    origin = Some(*from);
                    Some(fill.clone())
                }
                // Where it is never missing, what stands there does not matter.
                value => match self.output.tensor(value.number()) {
                    Some(tensor) => Some(tensor.clone()),
                    None if is_view(&node.op) => {
                        let shape = self.graph.node(operand).shape.clone();
                        let count = shape.iter().product();
                        Some(Tensor::new(shape, vec![0.0; count]))
                    }
                    None => None,
                },
            };
            let Some(fill) = fill else { return Value::Number(number) };
            fills.push(fill);
        }
        let Some(from) = origin else { return Value::Number(number) };
        let raw = |value: &Value| match value {
            Value::Imputed { raw, .. } => *raw,
            other => other.number(),
        };
        let raw = self.push_with(node, &node.op, raw);
        let fill = apply(&node.op, &node.shape, &fills.iter().collect::<Vec<_>>());
        Value::Imputed { number, raw, fill, from }
    }

    fn choice(&mut self, node: &FloatNode, operands: [ValueId; 3]) -> Result<Value, Unsettled> {
        let [condition, then, otherwise] = operands.map(|operand| self.values[operand.0].clone());
        if let Some(from) = condition.missable() {
            return self.refuse(node, from);
        }
        let asked = condition.number();
        if let Some(known) = self.output.tensor(asked).and_then(Tensor::uniform) {
            let taken = if known != 0.0 { &then } else { &otherwise };
            if self.output.node(taken.raw()).shape == node.shape {
                return Ok(taken.clone());
            }
        }
        let (asked, [then, otherwise]) = match self.complement(asked) {
            Some(missing) => (missing, [otherwise, then]),
            None => (asked, [then, otherwise]),
        };
        let same = |value: ValueId, pass: &Self| pass.output.node(value).shape == node.shape;
        match (&then, &otherwise) {
            // The value itself wherever it is not missing.
            (_, Value::Missable(value)) if value.missing == asked && then.missable().is_none() && same(asked, self) => {
                let value = value.clone();
                let constant = self.output.tensor(then.number()).is_some();
                let number = if value.pure && constant { value.raw } else { value.number };
                let op = FloatOp::Select { condition: asked, then: then.number(), otherwise: number };
                let number = self.output.push(FloatNode { op, ..node.clone() });
                Ok(match self.output.tensor(then.number()).cloned() {
                    Some(fill) => {
                        let fill = broadcast(&fill, &node.shape);
                        Value::Imputed { number, raw: value.raw, fill, from: value.from }
                    }
                    None => Value::Number(number),
                })
            }
            _ => match then.missable().or(otherwise.missable()) {
                None => {
                    let op = FloatOp::Select { condition: asked, then: then.number(), otherwise: otherwise.number() };
                    Ok(Value::Number(self.output.push(FloatNode { op, ..node.clone() })))
                }
                Some(from) => self.refuse(node, from),
            },
        }
    }

    /// The value that a condition is the opposite of.
    fn complement(&self, condition: ValueId) -> Option<ValueId> {
        let is_missing = |value: &ValueId| {
            matches!(self.output.node(*value).op, FloatOp::Unary { function: UnaryFunction::IsNan, .. })
        };
        match self.output.node(condition).op {
            FloatOp::Unary { input, function: UnaryFunction::Affine { factor, offset } } => {
                Some(input).filter(|_| (factor, offset) == (-1.0, 1.0)).filter(is_missing)
            }
            _ => None,
        }
    }

    /// Trees read what is missing itself.
    fn leaves(&mut self, node: &FloatNode, input: ValueId, trees: &Arc<Trees>) -> Value {
        let (input, trees) = match &self.values[input.0] {
            Value::Imputed { raw, fill, .. } => match imputed(trees, fill) {
                Some(moved) => (*raw, Arc::new(moved)),
                None => (self.values[input.0].number(), trees.clone()),
            },
            value => (value.raw(), trees.clone()),
        };
        Value::Number(self.output.push(FloatNode { op: FloatOp::TreeLeaves { input, trees }, ..node.clone() }))
    }

    /// The value of an input, or of a view of inputs, that may be missing.
    fn missable(&mut self, node: &FloatNode, raw: ValueId, from: usize) -> Value {
        let op = FloatOp::Unary { input: raw, function: UnaryFunction::IsNan };
        let missing = self.output.push(FloatNode { op, element: Element::Bool, ..node.clone() });
        let number = self.filled(node, raw, missing);
        Value::Missable(Missable { raw, missing, number, pure: true, from })
    }

    /// A value with 0 where it is missing.
    fn filled(&mut self, node: &FloatNode, raw: ValueId, missing: ValueId) -> ValueId {
        let zero = self.constant(node, 0.0);
        let op = FloatOp::Select { condition: missing, then: zero, otherwise: raw };
        self.output.push(FloatNode { op, ..node.clone() })
    }

    /// Which elements of a view are missing.
    fn view_of_missing(&mut self, node: &FloatNode, operands: &[Value]) -> ValueId {
        let pure = |operand: &Value| matches!(operand, Value::Missable(value) if value.pure);
        if operands.iter().all(pure) {
            let raw = self.push_with(node, &node.op, Value::raw);
            let op = FloatOp::Unary { input: raw, function: UnaryFunction::IsNan };
            return self.output.push(FloatNode { op, element: Element::Bool, ..node.clone() });
        }
        let missing: Vec<ValueId> = operands
            .iter()
            .map(|operand| match operand {
                Value::Missable(value) => value.missing,
                other => {
                    let of = self.output.node(other.number()).clone();
                    self.constant(&FloatNode { element: Element::Bool, ..of }, 0.0)
                }
            })
            .collect();
        let mut operands = missing.into_iter();
        let mut op = node.op.clone_with(|_| operands.next().expect("one for each"));
        if let FloatOp::Reindex { fill, .. } = &mut op {
            *fill = 0.0;
        }
        self.output.push(FloatNode { op, element: Element::Bool, ..node.clone() })
    }

    /// Where an operand of an operator on elements one by one is missing, in the shape of the result.
    fn any_missing(&mut self, node: &FloatNode, operands: &[Value], from: usize) -> Result<ValueId, Unsettled> {
        let missing = |operand: &Value| match operand {
            Value::Missable(value) => Some(value.missing),
            _ => None,
        };
        let mut found: Vec<ValueId> = operands.iter().filter_map(missing).collect();
        found.dedup();
        if found.iter().any(|&missing| self.output.node(missing).shape != node.shape) {
            return self.refuse(node, from);
        }
        let either = |a: ValueId, b: ValueId| {
            let op = FloatOp::Binary { function: BinaryFunction::Max, operands: [a, b] };
            self.output.push(FloatNode { op, element: Element::Bool, ..node.clone() })
        };
        Ok(found.into_iter().reduce(either).expect("an operand is missing somewhere"))
    }

    /// A node with an operator whose operands are parts of the values that they have become.
    fn push_with(&mut self, node: &FloatNode, op: &FloatOp, part: impl Fn(&Value) -> ValueId) -> ValueId {
        let op = op.clone_with(|operand| part(&self.values[operand.0]));
        self.output.push(FloatNode { op, ..node.clone() })
    }

    /// A constant of the shape of a node.
    fn constant(&mut self, node: &FloatNode, value: f64) -> ValueId {
        let count = node.shape.iter().product();
        let op = FloatOp::Constant(Tensor::new(node.shape.clone(), vec![value; count]));
        self.output.push(FloatNode { op, ..node.clone() })
    }

    fn refuse<T>(&self, node: &FloatNode, from: usize) -> Result<T, Unsettled> {
        Err(Unsettled { node: node.provenance.join("+"), input: self.graph.inputs[from].name.clone() })
    }
}

/// Operators whose elements are those of their operands.
fn is_view(op: &FloatOp) -> bool {
    matches!(op, FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { .. } | FloatOp::Concat { .. })
}

/// Operators that give NaN exactly for elements that are.
fn is_elementwise(op: &FloatOp) -> bool {
    match op {
        FloatOp::Unary { .. } => true,
        FloatOp::Binary { function, .. } => !is_comparison(*function),
        _ => false,
    }
}

fn is_comparison(function: BinaryFunction) -> bool {
    matches!(function, BinaryFunction::Equal | BinaryFunction::Less | BinaryFunction::LessOrEqual)
}

/// Trees that send what is missing where the constant in its place would go; `None` where rows differ in it.
fn imputed(trees: &Trees, fill: &Tensor) -> Option<Trees> {
    let features = *fill.shape.last()?;
    let row = fill.data.get(..features)?;
    if fill.data.chunks(features).any(|other| other != row) {
        return None;
    }
    let mut moved = trees.clone();
    for branch in &mut moved.branches {
        let value = row[branch.feature as usize];
        let value = if trees.single { f64::from(value as f32) } else { value };
        // A test that NaN passes by itself is one that it is not kept from passing.
        if branch.test.holds(f64::NAN) && !branch.test.holds(value) {
            return None;
        }
        branch.missing_passes = branch.test.holds(value);
    }
    Some(moved)
}

/// A constant under the shape that it is broadcast to.
fn broadcast(tensor: &Tensor, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let zeros = Tensor::new(shape.to_vec(), vec![0.0; count]);
    let add = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), ValueId(1)] };
    apply(&add, shape, &[tensor, &zeros])
}

#[cfg(test)]
mod tests {
    use super::super::tests::graph;
    use super::*;
    use crate::float::evaluate::evaluate_outputs;
    use crate::float::trees::{Branch, Child, Test};

    fn unary(function: UnaryFunction, input: usize) -> FloatOp {
        FloatOp::Unary { input: ValueId(input), function }
    }

    fn select(condition: usize, then: usize, otherwise: usize) -> FloatOp {
        FloatOp::Select { condition: ValueId(condition), then: ValueId(then), otherwise: ValueId(otherwise) }
    }

    fn row(values: &[f64]) -> Tensor {
        Tensor::new(vec![1, values.len()], values.to_vec())
    }

    fn stump(feature: u32, missing_passes: bool) -> Trees {
        let children = [Child::Leaf(0), Child::Leaf(1)];
        let branch = Branch { feature, test: Test::AtMost(0.5), children, missing_passes };
        Trees { branches: vec![branch], roots: vec![0], leaves: 2, single: true }
    }

    /// The settled graph, which gives what the graph gives, whatever is missing.
    fn check(graph: &FloatGraph) -> FloatGraph {
        let settled = settle(graph, &[0].into()).unwrap().into_owned();
        assert!(settled.inputs[0].nullable);
        let missing = may_be_missing(&settled);
        assert!(settled.outputs.iter().all(|port| !missing[port.value.0]));
        let nan = f64::NAN;
        for input in [[1.0, -2.0, 0.25], [nan, 0.5, 3.0], [0.75, nan, nan], [nan; 3]] {
            let input = row(&input);
            let before = evaluate_outputs(graph, std::slice::from_ref(&input)).unwrap();
            assert_eq!(before, evaluate_outputs(&settled, &[input]).unwrap());
        }
        settled
    }

    fn imputer(fill: &[f64]) -> Vec<(FloatOp, &'static [usize])> {
        vec![
            (unary(UnaryFunction::IsNan, 0), &[1, 3][..]),
            (FloatOp::Constant(row(fill)), &[1, 3]),
            (select(1, 2, 0), &[1, 3]),
        ]
    }

    #[test]
    fn constants_take_the_place_of_what_is_missing() {
        let mut nodes = imputer(&[4.0, -1.0, 0.5]);
        nodes.push((unary(UnaryFunction::Affine { factor: 2.0, offset: 1.0 }, 3), &[1, 3]));
        check(&graph(&[1, 3], nodes));
    }

    #[test]
    fn trees_send_what_is_missing_where_its_substitute_goes() {
        for fill in [0.25, 0.75] {
            let mut nodes = imputer(&[9.0, fill, 9.0]);
            nodes.push((unary(UnaryFunction::Affine { factor: 2.0, offset: 0.0 }, 3), &[1, 3]));
            let trees = Arc::new(stump(1, fill < 0.5));
            nodes.push((FloatOp::TreeLeaves { input: ValueId(4), trees }, &[1, 2]));
            let settled = check(&graph(&[1, 3], nodes));
            assert!(settled.nodes.iter().all(|node| !matches!(node.op, FloatOp::Select { .. })));
        }
    }

    /// Of the sum of two features, of which one is there and one a constant, trees are not told that it is missing.
    #[test]
    fn sums_of_two_that_lack_other_elements_are_numbers() {
        let element = |at: u32| FloatOp::Reindex { input: ValueId(0), map: [Some(at)].into(), fill: 0.0 };
        let mut nodes = vec![(element(0), &[1, 1][..]), (element(1), &[1, 1])];
        for at in [1, 2] {
            nodes.push((unary(UnaryFunction::IsNan, at), &[1, 1]));
            nodes.push((FloatOp::Constant(row(&[0.25])), &[1, 1]));
            nodes.push((select(nodes.len() - 1, nodes.len(), at), &[1, 1]));
        }
        nodes.push((FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(5), ValueId(8)] }, &[1, 1]));
        nodes.push((FloatOp::TreeLeaves { input: ValueId(9), trees: Arc::new(stump(0, true)) }, &[1, 2]));
        check(&graph(&[1, 3], nodes));
    }

    #[test]
    fn comparisons_fail_and_questions_are_answered() {
        let zero = FloatOp::Constant(row(&[0.0; 3]));
        let less = FloatOp::Binary { function: BinaryFunction::Less, operands: [ValueId(1), ValueId(0)] };
        check(&graph(&[1, 3], vec![(zero.clone(), &[1, 3]), (less, &[1, 3])]));
        check(&graph(&[1, 3], vec![(unary(UnaryFunction::IsNan, 0), &[1, 3])]));
        // A choice by the opposite, behind a function.
        let nodes = vec![
            (unary(UnaryFunction::IsNan, 0), &[1, 3][..]),
            (unary(UnaryFunction::Affine { factor: -1.0, offset: 1.0 }, 1), &[1, 3]),
            (unary(UnaryFunction::Tanh, 0), &[1, 3]),
            (zero, &[1, 3]),
            (select(2, 3, 4), &[1, 3]),
        ];
        check(&graph(&[1, 3], nodes));
    }

    #[test]
    fn nan_reaches_no_other_operator() {
        let sum = FloatOp::Reduce { input: ValueId(0), kind: crate::float::graph::ReduceKind::Sum, axes: vec![1] };
        let refused = |nodes| settle(&graph(&[1, 3], nodes), &[0].into()).map(drop).unwrap_err();
        assert_eq!(refused(vec![(sum, &[1])]), Unsettled { node: "n1".into(), input: "x".into() });
        assert_eq!(refused(vec![(unary(UnaryFunction::Tanh, 0), &[1, 3])]).node, "n1");
    }

    #[test]
    fn inputs_that_are_never_missing_are_asked_nothing() {
        let mut nodes = imputer(&[4.0, -1.0, 0.5]);
        nodes.push((unary(UnaryFunction::Tanh, 3), &[1, 3]));
        let graph = graph(&[1, 3], nodes);
        let settled = settle(&graph, &BTreeSet::new()).unwrap();
        assert_eq!(settled.nodes.len(), 2);
        assert!(!settled.inputs[0].nullable);
    }
}
