//! Softmax over elements some of which are masked: what is added to them, or put in their place, is as good as `−∞`.
//!
//! | before the softmax | masked |
//! | --- | --- |
//! | a choice by a constant condition between data and a number, as a view with a fill or as a selection | where the number is |
//! | a constant added to data | where it is at most [`NEGLIGIBLE`] |
//! | a choice by data between data and a number that is at most [`NEGLIGIBLE`] | where the number is chosen |
//! | a mask that depends on the data ([`gate`]) added to data | where its gate is closed |
//!
//! A masked element's share is exactly zero in the float types, so it is here. A row without any other element is not
//! defined in the standard, or is what it is without the mask; such a softmax of a constant mask stays as it is, unless the model
//! puts zeros in the place of what is then no number. Where the mask depends on the data, such a row is zero if the mask
//! is infinite. If it is finite, the elements that constant masks keep have equal shares, or, where both kinds put numbers in the
//! place of scores, all have; none has that an infinite constant masks. That is what sums with −3.4·10³⁸ give in float32, in which
//! the scores are lost; sums with numbers such as −10⁴ would leave the shares that the scores have.

mod gate;
mod largest;

use std::collections::HashMap;

use self::gate::{added, both, opposite, without, Budget, Gate};
use super::rebuild::{joined, rebuild, Output};
use crate::float::evaluate::strides_for;
use crate::float::evaluate::Odometer;
use crate::float::graph::{BinaryFunction, FloatGraph, FloatNode, FloatOp, ReduceKind, Tensor, UnaryFunction, ValueId};

/// What is added at least to mask an element, the least in use being −10⁴: its exponential beside any other is zero.
pub(crate) const NEGLIGIBLE: f64 = -9e3;

/// Most nodes that are looked at for the masks of one softmax.
const MAX_LOOKED_AT: usize = 1024;

/// Puts [`FloatOp::MaskedSoftmax`] and [`FloatOp::GatedSoftmax`] in the place of a softmax of masked elements, and small numbers in the place
/// of those that are masked where the [largest] is looked for.
pub(super) fn fold(graph: FloatGraph) -> FloatGraph {
    let mut stripped = Stripped::new();
    let questioned = largest::questioned(&graph);
    rebuild(graph, |output, index, node| match node.op {
        FloatOp::Reduce { .. } | FloatOp::ArgExtremum { .. } | FloatOp::TopIndices { .. } => {
            let masked = (!questioned.contains(&index)).then(|| largest::fold(output, &node)).flatten();
            masked.unwrap_or_else(|| output.push(node))
        }
        FloatOp::Softmax { input, axis } => {
            let masked = Masked::of(output, input, None);
            masked.softmax(output, node, axis, false, &mut stripped)
        }
        FloatOp::MaskedSoftmax { input, axis, ref kept } => {
            let masked = Masked::of(output, input, Some(kept.to_vec()));
            masked.softmax(output, node, axis, true, &mut stripped)
        }
        FloatOp::Select { condition, then, otherwise } => {
            match without_nan(output, [condition, then, otherwise], &mut stripped) {
                Some(value) if output.node(value).shape == node.shape => value,
                _ => output.push(node),
            }
        }
        FloatOp::Binary { function: BinaryFunction::Equal, operands } => {
            let node = without_infinity(output, operands, node);
            output.push(node)
        }
        _ => output.push(node),
    })
}

/// For each softmax the values that are `−∞` only where what it is of is: masked sums, and masks that were added.
type Stripped = HashMap<ValueId, Vec<ValueId>>;

/// A comparison with an infinity, as the question whether a value is infinite.
fn without_infinity(output: &Output, [a, b]: [ValueId; 2], mut node: FloatNode) -> FloatNode {
    let infinity = |value: ValueId| output.tensor(value)?.uniform().filter(|number| number.is_infinite());
    let found = [(a, b), (b, a)].into_iter().find_map(|(input, other)| Some((input, infinity(other)?)));
    if let Some((input, infinity)) = found.filter(|(input, _)| output.node(*input).shape == node.shape) {
        let function = UnaryFunction::IsInfinite { positive: infinity > 0.0, negative: infinity < 0.0 };
        node.op = FloatOp::Unary { input, function };
    }
    node
}

/// A softmax in which zeros take the place of what is not a number: rows without an element that takes part, as they are found by
/// their results, or by the largest of what a mask adds to them.
fn without_nan(
    output: &mut Output,
    [condition, then, otherwise]: [ValueId; 3],
    stripped: &mut Stripped,
) -> Option<ValueId> {
    if output.tensor(then)?.uniform() != Some(0.0) {
        return None;
    }
    let node = output.node(otherwise).clone();
    match node.op {
        FloatOp::MaskedSoftmax { axis, .. } | FloatOp::GatedSoftmax { axis, shared: None, .. } => {
            let masks = stripped.get(&otherwise).map_or(&[][..], Vec::as_slice);
            finds_nothing(output, condition, otherwise, axis, masks).then_some(otherwise)
        }
        FloatOp::Softmax { input, axis } => {
            let masked = Masked::of(output, input, None);
            let found = finds_nothing(output, condition, otherwise, axis, &masked.stripped);
            (found && (!masked.gates.is_empty() || masked.kept.contains(&false)))
                .then(|| masked.softmax(output, node, axis, true, stripped))
        }
        _ => None,
    }
}

/// Whether a condition finds rows of a softmax without an element that takes part: by its results, or by the largest of one of its
/// `masks` along its axis.
fn finds_nothing(output: &Output, condition: ValueId, softmax: ValueId, axis: usize, masks: &[ValueId]) -> bool {
    let largest = match output.node(condition).op {
        FloatOp::Unary { input, function: UnaryFunction::IsNan } => return input == softmax,
        FloatOp::Unary { input, function: UnaryFunction::IsInfinite { negative: true, positive: false } } => input,
        _ => return false,
    };
    let FloatOp::Reduce { input, kind: ReduceKind::Max, ref axes, .. } = output.node(largest).op else { return false };
    let rank = output.node(input).shape.len();
    let from_last = output.node(softmax).shape.len() - axis;
    let along = matches!(axes[..], [reduced] if rank - reduced == from_last);
    along && output.node(largest).shape.len() == rank && masks.contains(&input)
}

/// A value some of whose elements are masked.
struct Masked {
    /// The value without the mask.
    source: ValueId,
    /// Which elements are kept by constant masks.
    kept: Vec<bool>,
    /// The masks that depend on the data.
    gates: Vec<Gate>,
    /// What masks add to elements that they keep.
    rests: Vec<ValueId>,
    /// Which elements infinite constants mask.
    infinite: Vec<bool>,
    /// Whether finite numbers that mask are added, rather than put in the place of elements.
    adds: bool,
    /// Masked values and masks that are `−∞` only where what the softmax is of is.
    stripped: Vec<ValueId>,
    /// Whether numbers have been put in the place of elements, so that values further inside say nothing of the softmax's.
    replaced: bool,
    budget: Budget,
    names: Vec<Vec<String>>,
}

impl Masked {
    /// The masked value behind a value, of which some elements are masked already.
    fn of(output: &mut Output, value: ValueId, kept: Option<Vec<bool>>) -> Self {
        let kept = kept.unwrap_or_else(|| vec![true; output.node(value).elements()]);
        let mut masked = Self {
            source: value,
            infinite: kept.iter().map(|kept| !kept).collect(),
            kept,
            gates: Vec::new(),
            rests: Vec::new(),
            adds: false,
            stripped: Vec::new(),
            replaced: false,
            budget: Budget(MAX_LOOKED_AT),
            names: Vec::new(),
        };
        while masked.budget.0 > 0 {
            let (outermost, source) = (!masked.replaced, masked.source);
            if masked.strip(output).is_none() {
                break;
            }
            masked.budget.0 = masked.budget.0.saturating_sub(1);
            masked.stripped.extend(outermost.then_some(source));
        }
        masked
    }

    /// The softmax of what is left, or `node` itself where nothing is masked, or a constant mask leaves rows `empty` that must not be.
    fn softmax(
        mut self,
        output: &mut Output,
        mut node: FloatNode,
        axis: usize,
        empty: bool,
        stripped: &mut Stripped,
    ) -> ValueId {
        let shape = &node.shape;
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let row = |first: usize| (0..size).any(|at| self.kept[first + at * inner]);
        let mut firsts = (0..self.kept.len()).filter(|index| index / inner % size == 0);
        let is_masked = self.kept.contains(&false);
        if self.gates.is_empty() && (!is_masked || !empty && !firsts.all(row)) {
            return output.push(node);
        }
        let names: Vec<&[String]> = self.names.iter().map(Vec::as_slice).chain([&node.provenance[..]]).collect();
        node.provenance = joined(&names);
        let input = self.rests.iter().fold(self.source, |sum, &rest| added(output, [sum, rest], &node));
        let masks = std::mem::take(&mut self.stripped);
        node.op = match self.gates.is_empty() {
            true => FloatOp::MaskedSoftmax { input, axis, kept: self.kept.into() },
            false => self.gated(output, &node, input, axis),
        };
        let softmax = output.push(node);
        stripped.insert(softmax, masks);
        softmax
    }

    /// All gates together, with zeros where constant masks are.
    fn gated(self, output: &mut Output, node: &FloatNode, input: ValueId, axis: usize) -> FloatOp {
        let shared = self.shared(&node.shape, axis);
        let opens: Vec<ValueId> = self.gates.iter().map(|gate| gate.open).collect();
        let mut gate = opens.into_iter().reduce(|a, b| both(output, [a, b], node)).expect("there are gates");
        if self.kept.contains(&false) {
            gate = without(output, gate, &self.kept, node.shape.clone(), node);
        }
        FloatOp::GatedSoftmax { input, gate, axis, shared: shared.map(Into::into) }
    }

    /// Which elements have equal shares of a row in which none takes part, unless such rows are zero.
    fn shared(&self, shape: &[usize], axis: usize) -> Option<Vec<bool>> {
        let mut shared: Vec<bool> = self.infinite.iter().map(|infinite| !infinite).collect();
        if !self.gates.iter().all(|gate| gate.finite) || !shared.contains(&true) {
            return None;
        }
        if !self.adds {
            return Some(shared);
        }
        let (size, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        for first in (0..shared.len()).filter(|index| index / inner % size == 0) {
            let row = || (0..size).map(|at| first + at * inner);
            if row().any(|index| self.kept[index]) {
                row().for_each(|index| shared[index] = self.kept[index]);
            }
        }
        Some(shared)
    }

    /// Notes a mask that is added.
    fn see(&mut self, mask: ValueId) {
        if !self.replaced {
            self.stripped.push(mask);
        }
    }

    /// Masks elements by what constants add to them, or put in their place.
    fn close(&mut self, levels: impl IntoIterator<Item = f64>) {
        for ((kept, infinite), level) in self.kept.iter_mut().zip(&mut self.infinite).zip(levels) {
            *kept &= level > NEGLIGIBLE;
            *infinite |= level == f64::NEG_INFINITY;
        }
    }

    /// Takes the outermost mask off.
    fn strip(&mut self, output: &mut Output) -> Option<()> {
        let node = output.node(self.source).clone();
        let (source, levels): (_, Vec<f64>) = match &node.op {
            FloatOp::Reindex { input, map, fill } if *fill <= NEGLIGIBLE => {
                let levels = map.iter().map(|from| from.map_or(*fill, |_| 0.0)).collect();
                let straight = |(index, from): (usize, &Option<u32>)| from.is_none_or(|from| from as usize == index);
                let same = output.node(*input).shape == node.shape && map.iter().enumerate().all(straight);
                let op = FloatOp::Reindex { input: *input, map: map.clone(), fill: 0.0 };
                self.replaced = true;
                (if same { *input } else { output.push(FloatNode { op, ..node.clone() }) }, levels)
            }
            FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } => {
                let (data, mask) = match (output.tensor(*a), output.tensor(*b)) {
                    (None, Some(_)) => (*a, *b),
                    (Some(_), None) => (*b, *a),
                    _ => return self.strip_gate(output, &node, [*a, *b]),
                };
                let levels = spread(output.tensor(mask)?, &node.shape);
                self.rests.extend(Self::of_constant(output, data, &levels, &node)?);
                self.adds |= levels.iter().any(|level| level.is_finite() && *level <= NEGLIGIBLE);
                self.see(mask);
                (data, levels)
            }
            FloatOp::Select { condition, then, otherwise } if output.tensor(*condition).is_none() => {
                return self.strip_choice(output, &node, [*condition, *then, *otherwise]);
            }
            FloatOp::Select { condition, then, otherwise } => {
                let condition = spread(output.tensor(*condition)?, &node.shape);
                let (data, constant, when) = match (output.tensor(*then), output.tensor(*otherwise)) {
                    (None, Some(constant)) => (*then, constant, 1.0),
                    (Some(constant), None) => (*otherwise, constant, 0.0),
                    _ => return None,
                };
                let kept: Vec<bool> = condition.iter().map(|&value| value == when).collect();
                let fills = spread(constant, &node.shape);
                let negligible = fills.iter().zip(&kept).all(|(&fill, &kept)| kept || fill <= NEGLIGIBLE);
                let levels = fills.iter().zip(&kept).map(|(&fill, &kept)| if kept { 0.0 } else { fill }).collect();
                self.replaced = true;
                (negligible && output.node(data).shape == node.shape).then_some((data, levels))?
            }
            _ => return None,
        };
        self.close(levels);
        self.source = source;
        self.names.insert(0, node.provenance);
        Some(())
    }

    /// What a constant that masks some elements of data adds to the others.
    fn of_constant(output: &mut Output, data: ValueId, constant: &[f64], node: &FloatNode) -> Option<Option<ValueId>> {
        if output.node(data).shape != node.shape || constant.iter().all(|&value| value > NEGLIGIBLE) {
            return None;
        }
        let rest: Vec<f64> = constant.iter().map(|&value| if value > NEGLIGIBLE { value } else { 0.0 }).collect();
        let adds = rest.iter().any(|&value| value != 0.0);
        Some(adds.then(|| output.push_constant(Tensor::new(node.shape.clone(), rest), &node.provenance)))
    }

    /// Takes off the fill of a view that is added: what the view shows besides is added still.
    fn strip_fill(&mut self, output: &mut Output, node: &FloatNode, data: ValueId, view: ValueId) -> Option<()> {
        let shown = output.node(view).clone();
        let FloatOp::Reindex { input, map, fill } = shown.op else { return None };
        if fill > NEGLIGIBLE || !map.contains(&None) || output.node(data).shape != node.shape {
            return None;
        }
        let strides = strides_for(&shown.shape, &node.shape);
        self.close(Odometer::new(&node.shape, [strides]).map(|[index]| map[index].map_or(fill, |_| 0.0)));
        self.adds |= fill.is_finite();
        self.see(view);
        let op = FloatOp::Reindex { input, map, fill: 0.0 };
        self.rests.push(output.push(FloatNode { op, ..shown }));
        self.source = data;
        self.names.insert(0, node.provenance.clone());
        Some(())
    }

    /// Takes off a mask that depends on the data, as one of two operands that are added.
    fn strip_gate(&mut self, output: &mut Output, node: &FloatNode, operands: [ValueId; 2]) -> Option<()> {
        let [a, b] = operands;
        let found = [(a, b), (b, a)].into_iter().find_map(|(data, mask)| {
            let whole = output.node(data).shape == node.shape;
            whole.then(|| Gate::of(output, mask, &mut self.budget)).flatten().map(|gate| (data, mask, gate))
        });
        let Some((data, mask, gate)) = found else {
            return self.strip_fill(output, node, a, b).or_else(|| self.strip_fill(output, node, b, a));
        };
        self.adds |= gate.finite;
        self.see(mask);
        self.take(data, gate, node);
        Some(())
    }

    /// Takes off a choice by data between data and a number that is as good as `−∞`.
    fn strip_choice(
        &mut self,
        output: &mut Output,
        node: &FloatNode,
        [condition, then, otherwise]: [ValueId; 3],
    ) -> Option<()> {
        let negligible = |value: ValueId| {
            let tensor = output.tensor(value)?;
            let masks = tensor.data.iter().all(|&fill| fill <= NEGLIGIBLE);
            masks.then(|| tensor.data.iter().all(|fill| fill.is_finite()))
        };
        let (data, finite, closed) = match (negligible(then), negligible(otherwise)) {
            (None, Some(finite)) => (then, finite, false),
            (Some(finite), None) => (otherwise, finite, true),
            _ => return None,
        };
        if output.tensor(data).is_some() || output.node(data).shape != node.shape {
            return None;
        }
        let open = if closed { opposite(output, condition, node) } else { condition };
        self.replaced = true;
        self.take(data, Gate { open, rest: None, finite }, node);
        Some(())
    }

    fn take(&mut self, source: ValueId, gate: Gate, node: &FloatNode) {
        self.rests.extend(gate.rest);
        self.gates.push(gate);
        self.source = source;
        self.names.insert(0, node.provenance.clone());
    }
}

/// A constant under broadcasting to a shape.
fn spread(tensor: &Tensor, shape: &[usize]) -> Vec<f64> {
    Odometer::new(shape, [strides_for(&tensor.shape, shape)]).map(|[index]| tensor.data[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::fold;
    use crate::float::evaluate::evaluate_outputs;
    use crate::float::graph::{
        BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, FloatPort, ReduceKind, Tensor, UnaryFunction, ValueId,
    };

    const SOFTMAX: FloatOp = FloatOp::Softmax { input: ValueId(1), axis: 1 };

    fn kept(graph: &FloatGraph) -> Option<Vec<bool>> {
        graph.nodes.iter().find_map(|node| match &node.op {
            FloatOp::MaskedSoftmax { kept, .. } => Some(kept.to_vec()),
            _ => None,
        })
    }

    #[test]
    fn a_view_with_a_fill() {
        for fill in [f64::NEG_INFINITY, -1e9, -1e4] {
            let map = [Some(0), None, Some(2), Some(3)];
            let reindex = FloatOp::Reindex { input: ValueId(0), map: map.into(), fill };
            let found = check(graph(&[2, 2], vec![(reindex, &[2, 2]), (SOFTMAX, &[2, 2])]), fold);
            assert_eq!(kept(&found), Some(vec![true, false, true, true]));
            assert_eq!(found.nodes.len(), 2);
        }
    }

    #[test]
    fn a_constant_that_is_added() {
        let add = |constant: [f64; 4]| {
            let nodes = vec![
                (FloatOp::Constant(Tensor::new(vec![2, 2], constant.to_vec())), &[2, 2][..]),
                (FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(1), ValueId(0)] }, &[2, 2]),
                (FloatOp::Softmax { input: ValueId(2), axis: 1 }, &[2, 2]),
            ];
            graph(&[2, 2], nodes)
        };
        let found = check(add([0.0, f64::NEG_INFINITY, 0.0, 0.0]), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, false, true, true]), 2));
        // What a constant adds besides stays.
        let found = check(add([0.5, 1.0, -1e9, 0.0]), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, true, false, true]), 4));
        // A row without elements is none.
        let found = check(add([-1e9, -1e9, 0.0, 0.0]), fold);
        assert_eq!(kept(&found), None);
        assert_eq!(kept(&check(add([1.0, 2.0, 0.0, 0.0]), fold)), None);
    }

    #[test]
    fn a_selection() {
        let nodes = vec![
            (FloatOp::Constant(Tensor::new(vec![1, 2], vec![0.0, 1.0])), &[1, 2][..]),
            (FloatOp::Constant(Tensor::new(vec![2, 1], vec![-1e9, -2e9])), &[2, 1]),
            (FloatOp::Select { condition: ValueId(1), then: ValueId(2), otherwise: ValueId(0) }, &[2, 2]),
            (FloatOp::Softmax { input: ValueId(3), axis: 1 }, &[2, 2]),
        ];
        let found = check(graph(&[2, 2], nodes), fold);
        assert_eq!((kept(&found), found.nodes.len()), (Some(vec![true, false, true, false]), 2));
    }

    /// Scores `[2, 3]` and a mask of three booleans; `build` gives what the softmax is of.
    fn gated(build: impl Fn(&mut Vec<FloatNode>) -> ValueId) -> FloatGraph {
        let mut built = graph(&[2, 3], vec![]);
        let node = |op: FloatOp, shape: &[usize], element: Element| FloatNode {
            provenance: vec!["m".into()],
            op,
            shape: shape.to_vec(),
            element,
        };
        built.nodes.push(node(FloatOp::Input(1), &[3], Element::Bool));
        built.inputs.push(FloatPort { name: "m".into(), value: ValueId(1), range: None, nullable: false });
        let input = build(&mut built.nodes);
        built.nodes.push(node(FloatOp::Softmax { input, axis: 1 }, &[2, 3], Element::Real));
        built.outputs[0].value = ValueId(built.nodes.len() - 1);
        built
    }

    fn push(nodes: &mut Vec<FloatNode>, op: FloatOp, shape: &[usize], element: Element) -> ValueId {
        nodes.push(FloatNode { provenance: vec!["m".into()], op, shape: shape.to_vec(), element });
        ValueId(nodes.len() - 1)
    }

    /// The graph after the pass gives what it gave before, and its softmax is gated; gives whether empty rows are uniform.
    fn check_gated(before: FloatGraph) -> bool {
        let scores = Tensor::new(vec![2, 3], vec![0.5, -1.0, 2.0, 1.5, 0.25, -3.0]);
        let inputs = [scores, Tensor::new(vec![3], vec![1.0, 0.0, 1.0])];
        let expected = evaluate_outputs(&before, &inputs).unwrap();
        let after = super::super::dead::remove(fold(before));
        let found = evaluate_outputs(&after, &inputs).unwrap();
        assert!(found[0].data.iter().zip(expected[0].data.iter()).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(crate::passes::check_finite(&after).is_ok(), "no infinity is left");
        let gated = after.nodes.iter().find_map(|node| match node.op {
            FloatOp::GatedSoftmax { ref shared, .. } => Some(shared.is_some()),
            _ => None,
        });
        gated.expect("the softmax is gated")
    }

    #[test]
    fn a_choice_by_data_that_is_added_to_scores() {
        for (fill, uniform) in [(f64::NEG_INFINITY, false), (-1e9, true)] {
            let found = check_gated(gated(|nodes| {
                let kept = push(nodes, FloatOp::Constant(Tensor::scalar(0.0)), &[], Element::Real);
                let masked = push(nodes, FloatOp::Constant(Tensor::scalar(fill)), &[], Element::Real);
                let op = FloatOp::Select { condition: ValueId(1), then: kept, otherwise: masked };
                let mask = push(nodes, op, &[3], Element::Real);
                let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), mask] };
                push(nodes, op, &[2, 3], Element::Real)
            }));
            assert_eq!(found, uniform);
        }
    }

    /// A choice by data between numbers that all are added and one that masks.
    #[test]
    fn a_choice_by_data_that_adds_several_numbers() {
        let uniform = check_gated(gated(|nodes| {
            let kept = Tensor::new(vec![2, 3], vec![0.5, 1.0, -2.0, 0.25, 3.0, 1.5]);
            let kept = push(nodes, FloatOp::Constant(kept), &[2, 3], Element::Real);
            let masked = push(nodes, FloatOp::Constant(Tensor::scalar(-3e38)), &[], Element::Real);
            let op = FloatOp::Select { condition: ValueId(1), then: kept, otherwise: masked };
            let mask = push(nodes, op, &[2, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), mask] };
            push(nodes, op, &[2, 3], Element::Real)
        }));
        assert!(uniform);
    }

    /// A view of other data, whose fill masks.
    #[test]
    fn the_fill_of_a_view_that_is_added() {
        let map = [Some(3), None, Some(0), Some(1)];
        let nodes = vec![
            (FloatOp::Reindex { input: ValueId(0), map: map.into(), fill: f64::NEG_INFINITY }, &[2, 2][..]),
            (FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(1), ValueId(0)] }, &[2, 2]),
            (FloatOp::Softmax { input: ValueId(2), axis: 1 }, &[2, 2]),
        ];
        let found = check(graph(&[2, 2], nodes), fold);
        assert_eq!(kept(&found), Some(vec![true, false, true, true]));
        assert!(crate::passes::check_finite(&found).is_ok());
    }

    /// A view of a mask that is wider than the condition that it is chosen by.
    #[test]
    fn a_view_of_a_choice_by_data() {
        let uniform = check_gated(gated(|nodes| {
            let kept = push(nodes, FloatOp::Constant(Tensor::new(vec![2, 1], vec![0.0; 2])), &[2, 1], Element::Real);
            let masked = push(nodes, FloatOp::Constant(Tensor::scalar(f64::NEG_INFINITY)), &[], Element::Real);
            let op = FloatOp::Select { condition: ValueId(1), then: kept, otherwise: masked };
            let mask = push(nodes, op, &[2, 3], Element::Real);
            let turned = FloatOp::Transpose { input: mask, permutation: vec![1, 0] };
            let turned = push(nodes, turned, &[3, 2], Element::Real);
            let back =
                push(nodes, FloatOp::Transpose { input: turned, permutation: vec![1, 0] }, &[2, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [back, ValueId(0)] };
            push(nodes, op, &[2, 3], Element::Real)
        }));
        assert!(!uniform);
    }

    #[test]
    fn a_choice_by_data_between_scores_and_a_number() {
        let uniform = check_gated(gated(|nodes| {
            let masked = push(nodes, FloatOp::Constant(Tensor::scalar(f64::NEG_INFINITY)), &[], Element::Real);
            let op =
                FloatOp::Unary { input: ValueId(1), function: UnaryFunction::Affine { factor: -1.0, offset: 1.0 } };
            let hidden = push(nodes, op, &[3], Element::Bool);
            let op = FloatOp::Select { condition: hidden, then: masked, otherwise: ValueId(0) };
            push(nodes, op, &[2, 3], Element::Real)
        }));
        assert!(!uniform);
    }

    #[test]
    fn a_mask_that_is_computed_beside_a_constant_one() {
        let uniform = check_gated(gated(|nodes| {
            let real = push(nodes, FloatOp::Reshape(ValueId(1)), &[1, 3], Element::Real);
            let function = UnaryFunction::Affine { factor: 1e4, offset: -1e4 };
            let mask = push(nodes, FloatOp::Unary { input: real, function }, &[1, 3], Element::Real);
            let map = [0, 1, 2, 0, 1, 2].map(Some).into();
            let wide = push(nodes, FloatOp::Reindex { input: mask, map, fill: 0.0 }, &[2, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [wide, ValueId(0)] };
            let masked = push(nodes, op, &[2, 3], Element::Real);
            let causal = Tensor::new(vec![2, 3], vec![0.0, -1e9, -1e9, 0.0, 0.0, 0.25]);
            let causal = push(nodes, FloatOp::Constant(causal), &[2, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [masked, causal] };
            push(nodes, op, &[2, 3], Element::Real)
        }));
        assert!(uniform);
    }

    /// A row that the data close has shares of the elements that a constant mask keeps; what is added by numbers that mask decides.
    #[test]
    fn rows_that_data_close_share_what_constants_keep() {
        let before = gated(|nodes| {
            let causal =
                Tensor::new(vec![2, 3], vec![0.0, f64::NEG_INFINITY, 0.0, 0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]);
            let causal = push(nodes, FloatOp::Constant(causal), &[2, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), causal] };
            let scores = push(nodes, op, &[2, 3], Element::Real);
            let real = push(nodes, FloatOp::Reshape(ValueId(1)), &[1, 3], Element::Real);
            let function = UnaryFunction::Affine { factor: 3.4e38, offset: -3.4e38 };
            let mask = push(nodes, FloatOp::Unary { input: real, function }, &[1, 3], Element::Real);
            let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [scores, mask] };
            push(nodes, op, &[2, 3], Element::Real)
        });
        let after = super::super::dead::remove(fold(before.clone()));
        let scores = Tensor::new(vec![2, 3], vec![0.5, -1.0, 2.0, 1.5, 0.25, -3.0]);
        for mask in [vec![0.0; 3], vec![0.0, 1.0, 0.0]] {
            let inputs = [scores.clone(), Tensor::new(vec![3], mask)];
            let found = evaluate_outputs(&after, &inputs).unwrap();
            assert_eq!(found[0].data[..], [0.5, 0.0, 0.5, 1.0, 0.0, 0.0]);
            assert_eq!(found, evaluate_outputs(&before, &inputs).unwrap());
        }
    }

    /// A sum of a value with itself, many times over, has more paths than can be looked at.
    #[test]
    fn sums_with_many_paths_end() {
        for is_mask in [false, true] {
            let found = fold(gated(|nodes| {
                let op = FloatOp::Reshape(ValueId(1));
                let mut sum = push(nodes, op, &[1, 3], Element::Real);
                if is_mask {
                    let function = UnaryFunction::Affine { factor: 1e4, offset: -1e4 };
                    sum = push(nodes, FloatOp::Unary { input: sum, function }, &[1, 3], Element::Real);
                }
                for _ in 0..200 {
                    let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [sum, sum] };
                    sum = push(nodes, op, &[1, 3], Element::Real);
                }
                let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), sum] };
                push(nodes, op, &[2, 3], Element::Real)
            }));
            assert!(found.nodes.len() < 10_000);
        }
    }

    /// Zeros in the place of rows that another mask closes are a choice of their own.
    #[test]
    fn zeros_are_chosen_by_the_mask_of_the_softmax_along_its_axis() {
        let build = |of_mask: bool, axis: usize| {
            let mut built = gated(|nodes| {
                let zero = push(nodes, FloatOp::Constant(Tensor::scalar(0.0)), &[], Element::Real);
                let least = push(nodes, FloatOp::Constant(Tensor::scalar(f64::NEG_INFINITY)), &[], Element::Real);
                let op = FloatOp::Select { condition: ValueId(1), then: zero, otherwise: least };
                let mask = push(nodes, op, &[1, 3], Element::Real);
                let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), mask] };
                push(nodes, op, &[2, 3], Element::Real)
            });
            let (zero, mask) = (ValueId(2), ValueId(4));
            let softmax = built.outputs[0].value;
            let input = if of_mask { mask } else { ValueId(0) };
            let rows = if of_mask { 1 } else { 2 };
            let shape = if axis == 1 { [rows, 1] } else { [1, 3] };
            let nodes = &mut built.nodes;
            let op = FloatOp::Reduce { input, kind: ReduceKind::Max, axes: vec![axis] };
            let largest = push(nodes, op, &shape, Element::Real);
            let function = UnaryFunction::IsInfinite { positive: false, negative: true };
            let nothing = push(nodes, FloatOp::Unary { input: largest, function }, &shape, Element::Bool);
            let op = FloatOp::Select { condition: nothing, then: zero, otherwise: softmax };
            built.outputs[0].value = push(nodes, op, &[2, 3], Element::Real);
            let after = fold(built);
            matches!(after.nodes[after.outputs[0].value.0].op, FloatOp::GatedSoftmax { shared: None, .. })
        };
        assert!(build(true, 1));
        assert!(!build(false, 1) && !build(true, 0));
    }

    #[test]
    fn zeros_for_what_is_not_a_number() {
        let nodes = |mask: [f64; 4]| {
            vec![
                (FloatOp::Constant(Tensor::new(vec![2, 2], mask.to_vec())), &[2, 2][..]),
                (FloatOp::Binary { function: BinaryFunction::Add, operands: [ValueId(0), ValueId(1)] }, &[2, 2]),
                (FloatOp::Softmax { input: ValueId(2), axis: 1 }, &[2, 2]),
                (FloatOp::Unary { input: ValueId(3), function: UnaryFunction::IsNan }, &[2, 2]),
                (FloatOp::Constant(Tensor::scalar(0.0)), &[]),
                (FloatOp::Select { condition: ValueId(4), then: ValueId(5), otherwise: ValueId(3) }, &[2, 2]),
            ]
        };
        let least = f64::NEG_INFINITY;
        for mask in [[0.0, least, 0.0, 0.0], [least, least, 0.0, 0.0]] {
            let found = check(graph(&[2, 2], nodes(mask)), fold);
            assert_eq!(kept(&found), Some(mask.map(|value| value == 0.0).to_vec()));
            assert_eq!(found.nodes.len(), 2);
        }
    }
}
