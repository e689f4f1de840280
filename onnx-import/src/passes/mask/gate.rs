//! Masks that depend on the data: what a value adds to scores, as a gate that says which elements take part.
//!
//! | what is added | gate | what it adds besides |
//! | --- | --- | --- |
//! | a choice by data between constants | the condition, or its opposite | the constants that are kept; nothing, where they are one number |
//! | a choice by data between a negligible constant and a value | the condition and the value's own gate | what the value adds |
//! | a view of such a mask | the same view of its gate | the same view |
//! | a sum of masks and other values | all their gates | their sum |
//! | any function of booleans, integers and inputs in which a large constant occurs | whether it is above [`NEGLIGIBLE`] | itself, where it is |

use super::NEGLIGIBLE;
use crate::float::evaluate::{broadcast_shape, strides_for, Odometer};
use crate::float::graph::{BinaryFunction, Element, FloatNode, FloatOp, Tensor, UnaryFunction, ValueId};
use crate::passes::rebuild::Output;

/// Most nodes that are looked at for one function.
const MAX_LOOKED_AT: usize = 64;

/// How many nodes may still be looked at for the masks of one softmax. It bounds time and depth: a sum of one value and itself is as
/// many sums as it has paths.
pub(super) struct Budget(pub(super) usize);

impl Budget {
    fn spend(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// A mask that depends on the data.
pub(super) struct Gate {
    /// 1 where an element takes part, under broadcasting.
    pub(super) open: ValueId,
    /// What is added to the elements that take part, if it is not one number for all of them.
    pub(super) rest: Option<ValueId>,
    /// Whether what is added to the others is finite, so that a row of nothing else has equal shares.
    pub(super) finite: bool,
}

impl Gate {
    /// The gate that a value is, if it is one, and the budget suffices to find it.
    pub(super) fn of(output: &mut Output, value: ValueId, budget: &mut Budget) -> Option<Self> {
        budget.spend()?;
        let node = output.node(value).clone();
        if node.element != Element::Real || output.tensor(value).is_some() {
            return None;
        }
        match &node.op {
            FloatOp::Select { condition, then, otherwise } => {
                Self::of_choice(output, &node, [*condition, *then, *otherwise], budget)
            }
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                match Self::of(output, *input, budget) {
                    Some(inner) => inner.seen_through(output, &node),
                    None => Self::of_function(output, value, &node, budget),
                }
            }
            FloatOp::Binary { function: BinaryFunction::Add, operands } => {
                match operands.map(|operand| Self::of(output, operand, budget)) {
                    [None, None] => Self::of_function(output, value, &node, budget),
                    gates => Self::of_sum(output, &node, *operands, gates),
                }
            }
            _ => Self::of_function(output, value, &node, budget),
        }
    }

    /// A choice by data of which one side at least is a constant.
    fn of_choice(
        output: &mut Output,
        node: &FloatNode,
        [condition, then, otherwise]: [ValueId; 3],
        budget: &mut Budget,
    ) -> Option<Self> {
        if output.tensor(condition).is_some() {
            return None;
        }
        let sides = [then, otherwise].map(|side| output.tensor(side).map(Kept::of));
        match sides {
            [Some(of_then), Some(of_otherwise)] => {
                let finite = of_then.finite && of_otherwise.finite;
                let (open, kept, adds) = match (of_then.all, of_otherwise.all) {
                    (Some(true), Some(false)) => (condition, then, of_then.adds),
                    (Some(false), Some(true)) => (opposite(output, condition, node), otherwise, of_otherwise.adds),
                    _ => return None,
                };
                Some(Self { open, rest: adds.is_none().then_some(kept), finite })
            }
            [Some(Kept { all: Some(false), finite, .. }), None] => {
                let closed = opposite(output, condition, node);
                Some(Self::beside(output, [closed, otherwise], finite, node, budget))
            }
            [None, Some(Kept { all: Some(false), finite, .. })] => {
                Some(Self::beside(output, [condition, then], finite, node, budget))
            }
            _ => None,
        }
    }

    /// A gate in front of a value, which may have one of its own.
    fn beside(
        output: &mut Output,
        [open, value]: [ValueId; 2],
        finite: bool,
        node: &FloatNode,
        budget: &mut Budget,
    ) -> Self {
        match Self::of(output, value, budget) {
            Some(own) => {
                let open = both(output, [open, own.open], node);
                Self { open, rest: own.rest, finite: finite && own.finite }
            }
            None => Self { open, rest: Some(value), finite },
        }
    }

    /// A sum of which one operand at least has a gate.
    fn of_sum(output: &mut Output, node: &FloatNode, operands: [ValueId; 2], gates: [Option<Self>; 2]) -> Option<Self> {
        let (mut opens, mut rests, mut finite) = (Vec::new(), Vec::new(), true);
        for (operand, gate) in operands.into_iter().zip(gates) {
            match gate.or_else(|| Self::of_constant(output, operand, node)) {
                Some(gate) => {
                    opens.push(gate.open);
                    rests.extend(gate.rest);
                    finite &= gate.finite;
                }
                None => rests.push(operand),
            }
        }
        let open = opens.into_iter().reduce(|a, b| both(output, [a, b], node))?;
        let rest = rests.into_iter().reduce(|a, b| added(output, [a, b], node));
        Some(Self { open, rest, finite })
    }

    /// What a constant masks.
    fn of_constant(output: &mut Output, value: ValueId, node: &FloatNode) -> Option<Self> {
        let tensor = output.tensor(value)?.clone();
        let kept = |value: f64| value > NEGLIGIBLE;
        if tensor.data.iter().all(|&value| kept(value)) {
            return None;
        }
        let open = tensor.data.iter().map(|&value| f64::from(u8::from(kept(value)))).collect();
        let open = FloatNode {
            provenance: node.provenance.clone(),
            op: FloatOp::Constant(Tensor::new(tensor.shape.clone(), open)),
            shape: tensor.shape.clone(),
            element: Element::Bool,
        };
        let rest: Vec<f64> = tensor.data.iter().map(|&value| if kept(value) { value } else { 0.0 }).collect();
        let adds = rest.iter().any(|&value| value != 0.0);
        let rest = adds.then(|| output.push_constant(Tensor::new(tensor.shape.clone(), rest), &node.provenance));
        Some(Self { open: output.push(open), rest, finite: tensor.data.iter().all(|value| value.is_finite()) })
    }

    /// The same view of the gate and of what is added besides.
    fn seen_through(self, output: &mut Output, view: &FloatNode) -> Option<Self> {
        let fill = match view.op {
            FloatOp::Reindex { fill, ref map, .. } if map.contains(&None) => Some(fill),
            _ => None,
        };
        // What a fill adds must be what the rest adds.
        let kept_fill = fill.is_some_and(|fill| fill > NEGLIGIBLE);
        if kept_fill && fill != Some(0.0) {
            return None;
        }
        let inner = view.op.operands()[0];
        let shape = output.node(inner).shape.clone();
        let mut seen = |input: ValueId, element: Element, fill: f64| {
            let input = spread(output, input, &shape, view);
            let op = match view.op.clone_with(|_| input) {
                FloatOp::Reindex { input, map, .. } => FloatOp::Reindex { input, map, fill },
                op => op,
            };
            output.push(FloatNode { op, element, ..view.clone() })
        };
        let open = seen(self.open, Element::Bool, f64::from(u8::from(kept_fill)));
        let rest = self.rest.map(|rest| seen(rest, Element::Real, 0.0));
        Some(Self { open, rest, finite: self.finite && fill.is_none_or(f64::is_finite) })
    }

    /// A function of booleans, integers and inputs that gives large numbers.
    fn of_function(output: &mut Output, value: ValueId, node: &FloatNode, budget: &mut Budget) -> Option<Self> {
        let left = MAX_LOOKED_AT.min(budget.0);
        let mut looks = Looks { left, large: false };
        let is_function = looks.at(output, value);
        budget.0 -= left - looks.left;
        if !is_function || !looks.large {
            return None;
        }
        let bound = output.push_constant(Tensor::scalar(NEGLIGIBLE), &node.provenance);
        let op = FloatOp::Binary { function: BinaryFunction::Less, operands: [bound, value] };
        let open = output.push(FloatNode { op, element: Element::Bool, ..node.clone() });
        let zero = output.push_constant(Tensor::scalar(0.0), &node.provenance);
        let op = FloatOp::Select { condition: open, then: value, otherwise: zero };
        let rest = Some(output.push(FloatNode { op, ..node.clone() }));
        Some(Self { open, rest, finite: true })
    }
}

/// What the elements of a constant say of those that they are added to.
struct Kept {
    /// Whether all are kept, or none, if it is one of the two.
    all: Option<bool>,
    /// The number that is added to all that are kept, if it is one.
    adds: Option<f64>,
    /// Whether all are finite.
    finite: bool,
}

impl Kept {
    fn of(tensor: &Tensor) -> Self {
        let kept = |value: &&f64| **value > NEGLIGIBLE;
        let count = tensor.data.iter().filter(kept).count();
        let all = match count {
            0 => Some(false),
            _ if count == tensor.data.len() => Some(true),
            _ => None,
        };
        let mut added = tensor.data.iter().filter(kept);
        let adds = added.next().copied().filter(|first| added.all(|other| other == first));
        Self { all, adds, finite: tensor.data.iter().all(|value| value.is_finite()) }
    }
}

/// A walk over what a mask is computed from.
struct Looks {
    left: usize,
    /// Whether a constant was met that can make a number negligible.
    large: bool,
}

impl Looks {
    /// Whether a value is a function of booleans, integers and inputs, without an infinity.
    fn at(&mut self, output: &Output, value: ValueId) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let node = output.node(value);
        let mut see = |numbers: &[f64]| {
            self.large |= numbers.iter().any(|number| number.abs() >= -NEGLIGIBLE);
            numbers.iter().all(|number| number.is_finite())
        };
        let finite = match &node.op {
            FloatOp::Constant(tensor) => return see(&tensor.data),
            FloatOp::Input(_) => return true,
            FloatOp::Unary { function: UnaryFunction::Affine { factor, offset }, .. } => see(&[*factor, *offset]),
            FloatOp::Reindex { map, fill, .. } => !map.contains(&None) || see(&[*fill]),
            FloatOp::Unary { .. }
            | FloatOp::Binary { .. }
            | FloatOp::Select { .. }
            | FloatOp::Reshape(_)
            | FloatOp::Transpose { .. }
            | FloatOp::Concat { .. } => true,
            _ => return node.element != Element::Real,
        };
        finite && (node.element != Element::Real || node.op.operands().iter().all(|&operand| self.at(output, operand)))
    }
}

/// 1 where a boolean is 0.
pub(super) fn opposite(output: &mut Output, condition: ValueId, node: &FloatNode) -> ValueId {
    let shape = output.node(condition).shape.clone();
    let op = FloatOp::Unary { input: condition, function: UnaryFunction::Affine { factor: -1.0, offset: 1.0 } };
    output.push(FloatNode { provenance: node.provenance.clone(), op, shape, element: Element::Bool })
}

/// 1 where two booleans are. A constant takes elements out.
pub(super) fn both(output: &mut Output, operands: [ValueId; 2], node: &FloatNode) -> ValueId {
    let [a, b] = operands;
    let (gate, constant) = match (output.tensor(a), output.tensor(b)) {
        (None, Some(constant)) => (a, constant),
        (Some(constant), None) => (b, constant),
        _ => return combined(output, BinaryFunction::Min, operands, Element::Bool, node),
    };
    let shape = broadcast_shape(&output.node(gate).shape, &constant.shape).expect("both broadcast to the scores");
    let strides = strides_for(&constant.shape, &shape);
    let kept: Vec<bool> = Odometer::new(&shape, [strides]).map(|[index]| constant.data[index] != 0.0).collect();
    without(output, gate, &kept, shape, node)
}

/// A gate under broadcasting to a shape, closed where elements are not kept.
pub(super) fn without(
    output: &mut Output,
    gate: ValueId,
    kept: &[bool],
    shape: Vec<usize>,
    node: &FloatNode,
) -> ValueId {
    let strides = strides_for(&output.node(gate).shape, &shape);
    let sources = Odometer::new(&shape, [strides]).zip(kept);
    let map = sources.map(|([index], &kept)| kept.then_some(index as u32)).collect();
    let op = FloatOp::Reindex { input: gate, map, fill: 0.0 };
    output.push(FloatNode { provenance: node.provenance.clone(), op, shape, element: Element::Bool })
}

/// A value under broadcasting to a shape.
fn spread(output: &mut Output, value: ValueId, shape: &[usize], node: &FloatNode) -> ValueId {
    let own = output.node(value).clone();
    if own.shape == shape {
        return value;
    }
    let strides = strides_for(&own.shape, shape);
    let map = Odometer::new(shape, [strides]).map(|[index]| Some(index as u32)).collect();
    let op = FloatOp::Reindex { input: value, map, fill: 0.0 };
    output.push(FloatNode { provenance: node.provenance.clone(), op, shape: shape.to_vec(), element: own.element })
}

/// The sum of two values.
pub(super) fn added(output: &mut Output, operands: [ValueId; 2], node: &FloatNode) -> ValueId {
    combined(output, BinaryFunction::Add, operands, Element::Real, node)
}

fn combined(
    output: &mut Output,
    function: BinaryFunction,
    operands: [ValueId; 2],
    element: Element,
    node: &FloatNode,
) -> ValueId {
    let [a, b] = operands.map(|operand| output.node(operand).shape.clone());
    let shape = broadcast_shape(&a, &b).expect("both broadcast to the scores");
    let op = FloatOp::Binary { function, operands };
    output.push(FloatNode { provenance: node.provenance.clone(), op, shape, element })
}
