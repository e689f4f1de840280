//! What a network of elementwise operators makes of one feature becomes one function of it.
//!
//! Transformers of features are exported as operators on all features with a number for each: powers whose exponents are those of the
//! features, a search through a table of quantiles. On the way they compute what is no number (`x/x` as a one, logarithms
//! that nothing keeps), and replace it at the end; read operator by operator they would be refused. Every element of the result is a
//! function of one element of the operand, whose [steps](Curve) are those of the model.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::dead;
use super::rebuild::{joined, places, positions, rebuild, Output};
use crate::float::curves::{Curve, Step};
use crate::float::evaluate::evaluate_with;
use crate::float::graph::{BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, Tensor, UnaryFunction, ValueId};

/// Most elements of a value that is looked at.
const MOST_ELEMENTS: usize = 1 << 12;
/// Most steps of all functions of a value together.
const MOST_STEPS: usize = 1 << 20;

/// The graph in which values that contain a search or a quotient of a value by itself, and are functions of the elements of one value, are
/// such functions, where something is no number on the way for one of the samples (the tensors of the inputs), or there are none. Where all are
/// numbers, operators that features have in common take fewer rows. What depends on a `nullable` input stays: an element that is missing is no
/// argument. Functions are public, so with `private` tables a search in one stays what it is.
pub(crate) fn draw<'a>(
    graph: &'a FloatGraph,
    samples: &[Vec<Tensor>],
    nullable: &BTreeSet<usize>,
    private: bool,
) -> Cow<'a, FloatGraph> {
    let particular = || graph.nodes.iter().any(|node| is_particular(graph, node, private));
    if !particular() || (!samples.is_empty() && samples.iter().all(|inputs| computes_numbers(graph, inputs))) {
        return Cow::Borrowed(graph);
    }
    let regions = Regions::of(graph, private);
    let missable = reached(graph, nullable);
    let known = |end: &usize| regions.of[*end].as_ref().is_some_and(|region| !missable[region.root.0]);
    let drawn = regions.ends(graph).filter(known).filter_map(|end| Some((end, regions.drawn(graph, end)?))).collect();
    Cow::Owned(dead::remove(rebuild_with(graph.clone(), drawn)))
}

/// The values that depend on one of the inputs.
fn reached(graph: &FloatGraph, ports: &BTreeSet<usize>) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        reached[index] = match &node.op {
            FloatOp::Input(port) => ports.contains(port),
            op => op.operands().iter().any(|operand| reached[operand.0]),
        };
    }
    reached
}

/// Whether no value of the graph is infinite or not a number, for these inputs.
fn computes_numbers(graph: &FloatGraph, inputs: &[Tensor]) -> bool {
    let mut numbers = true;
    let evaluated = evaluate_with(graph, inputs, |_, value| numbers &= value.data.is_finite());
    // What can't be evaluated is refused where it is calibrated.
    numbers || evaluated.is_err()
}

/// Whether a node is what this pass is there for: a quotient of a value by itself, or an entry of a table, if that is not `private`, that is chosen
/// by data.
fn is_particular(graph: &FloatGraph, node: &FloatNode, private: bool) -> bool {
    match node.op {
        FloatOp::Binary { function: BinaryFunction::Div, operands: [a, b] } => a == b,
        FloatOp::Gather { input, axis: 0, .. } => {
            !private && graph.constant(input).is_some_and(|table| table.shape.len() == 1)
        }
        _ => false,
    }
}

/// A value each element of which is a function of one element of `root`.
#[derive(Clone)]
struct Region {
    root: ValueId,
    /// For each element the one of the root.
    at: Arc<[u32]>,
    /// Whether something [particular](is_particular) is on the way.
    particular: bool,
    /// Whether its elements are those of the root.
    is_view: bool,
}

struct Regions {
    of: Vec<Option<Region>>,
    /// Whether entries of tables are private.
    private: bool,
}

impl Regions {
    fn of(graph: &FloatGraph, private: bool) -> Self {
        let mut regions = Self { of: Vec::with_capacity(graph.nodes.len()), private };
        for node in &graph.nodes {
            let region = if node.elements() <= MOST_ELEMENTS { regions.region(graph, node) } else { None };
            regions.of.push(region);
        }
        regions
    }

    /// A value as its own region where it is in no other.
    fn read(&self, graph: &FloatGraph, value: ValueId) -> Option<Region> {
        match &self.of[value.0] {
            Some(region) => Some(region.clone()),
            None => {
                let elements = graph.node(value).elements();
                let at = (elements <= MOST_ELEMENTS).then(|| (0..elements as u32).collect())?;
                Some(Region { root: value, at, particular: false, is_view: true })
            }
        }
    }

    fn region(&self, graph: &FloatGraph, node: &FloatNode) -> Option<Region> {
        match &node.op {
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                if graph.constant(*input).is_some()
                    || matches!(&node.op, FloatOp::Reindex { map, .. } if map.contains(&None))
                {
                    return None;
                }
                let region = self.read(graph, *input)?;
                let places = places(&node.op, &graph.node(*input).shape, &node.shape);
                Some(Region { at: places.into_iter().map(|place| region.at[place]).collect(), ..region })
            }
            // Whether an element is missing is asked of inputs; a choice of a value or itself is none.
            FloatOp::Unary { input, function: UnaryFunction::IsNan } if self.read(graph, *input)?.is_view => None,
            FloatOp::Select { then, otherwise, .. }
                if then == otherwise && graph.node(*then).shape == node.shape && graph.constant(*then).is_none() =>
            {
                self.read(graph, *then)
            }
            FloatOp::Gather { input, indices, .. } if is_particular(graph, node, self.private) => {
                let region = self.of[indices.0].clone().filter(|region| !region.is_view)?;
                let of_reals =
                    graph.node(region.root).element == Element::Real && graph.node(*input).element == Element::Real;
                of_reals.then_some(Region { particular: true, ..region })
            }
            FloatOp::Unary { .. } | FloatOp::Binary { .. } | FloatOp::Select { .. } => {
                let data = node.op.operands().into_iter().filter(|&operand| graph.constant(operand).is_none());
                let mut found: Option<Region> = None;
                for operand in data {
                    let region = self.read(graph, operand)?;
                    let places = positions(&graph.node(operand).shape, &node.shape);
                    let at: Arc<[u32]> = places.into_iter().map(|place| region.at[place]).collect();
                    let particular = region.particular || is_particular(graph, node, self.private);
                    match &mut found {
                        None => found = Some(Region { root: region.root, at, particular, is_view: false }),
                        Some(first) if first.root == region.root && first.at == at => first.particular |= particular,
                        Some(_) => return None,
                    }
                }
                found
            }
            _ => None,
        }
    }

    /// The values with something particular on the way that others read than functions of the same root.
    fn ends<'a>(&'a self, graph: &'a FloatGraph) -> impl Iterator<Item = usize> + 'a {
        let root = |value: usize| self.of[value].as_ref().map(|region| region.root);
        let mut read = vec![false; graph.nodes.len()];
        graph.outputs.iter().for_each(|port| read[port.value.0] = true);
        for (index, node) in graph.nodes.iter().enumerate() {
            for operand in node.op.operands() {
                read[operand.0] |= root(index).is_none() || root(index) != root(operand.0);
            }
        }
        let particular = |index: &usize| self.of[*index].as_ref().is_some_and(|region| region.particular);
        let is_real = |index: &usize| graph.nodes[*index].element == Element::Real;
        (0..graph.nodes.len()).filter(move |index| read[*index]).filter(particular).filter(is_real)
    }

    /// The functions of a value; `None` where they have too many steps.
    fn drawn(&self, graph: &FloatGraph, value: usize) -> Option<Drawn> {
        let region = self.of[value].as_ref()?;
        let mut drawn = Drawn { root: region.root, curves: Vec::new() };
        let mut steps = 0;
        let (mut tables, mut places) = (HashMap::new(), HashMap::new());
        for (element, &at) in region.at.iter().enumerate() {
            let mut pen = Pen {
                graph,
                root: region.root,
                curve: Curve::default(),
                known: HashMap::new(),
                tables: &mut tables,
                places: &mut places,
            };
            let result = pen.result(ValueId(value), element)?;
            let curve = pen.curve.ending_in(result);
            steps += curve.size();
            if steps > MOST_STEPS {
                return None;
            }
            match drawn.curves.iter_mut().find(|(other, _)| **other == curve) {
                Some((_, elements)) => elements.push((element, at)),
                None => drawn.curves.push((Arc::new(curve), vec![(element, at)])),
            }
        }
        Some(drawn)
    }
}

/// Follows one element of a value back to the root.
struct Pen<'a> {
    graph: &'a FloatGraph,
    root: ValueId,
    curve: Curve,
    /// Results by value and element.
    known: HashMap<(ValueId, usize), usize>,
    /// Tables by value.
    tables: &'a mut HashMap<ValueId, Arc<[f64]>>,
    /// By value and number of an operand, the element of that which each element of the value is made of.
    places: &'a mut HashMap<(ValueId, usize), Vec<usize>>,
}

impl Pen<'_> {
    /// The element of an operand that an element of a value is made of.
    fn place(&mut self, value: ValueId, element: usize, (number, operand): (usize, ValueId)) -> usize {
        let (node, from) = (self.graph.node(value), &self.graph.node(operand).shape);
        let found = self.places.entry((value, number)).or_insert_with(|| match &node.op {
            FloatOp::Transpose { .. } | FloatOp::Reindex { .. } => places(&node.op, from, &node.shape),
            _ => positions(from, &node.shape),
        });
        found[element]
    }

    fn result(&mut self, value: ValueId, element: usize) -> Option<usize> {
        if value == self.root {
            return Some(0);
        }
        if let Some(&known) = self.known.get(&(value, element)) {
            return Some(known);
        }
        let node = self.graph.node(value);
        let result = match &node.op {
            FloatOp::Constant(tensor) => self.curve.push(Step::Constant(tensor.data[element])),
            FloatOp::Reshape(input) => self.result(*input, element)?,
            FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                let place = self.place(value, element, (0, *input));
                self.result(*input, place)?
            }
            FloatOp::Select { then, otherwise, .. }
                if then == otherwise && self.graph.node(*then).shape == node.shape =>
            {
                self.result(*then, element)?
            }
            FloatOp::Gather { input, indices, .. } => {
                let index = self.result(*indices, element)?;
                let table = self.graph.constant(*input)?;
                let table = self.tables.entry(*input).or_insert_with(|| table.data.to_vec().into());
                let step = Step::Entry(Arc::clone(table), index);
                self.curve.push(step)
            }
            op => {
                let operands = op.operands();
                let numbered = operands.iter().copied().enumerate();
                let results = numbered.map(|operand| {
                    let place = self.place(value, element, operand);
                    self.result(operand.1, place)
                });
                let results = results.collect::<Option<Vec<_>>>()?;
                let step = match (op, &results[..]) {
                    (FloatOp::Unary { function, .. }, &[a]) => Step::Unary(*function, a),
                    (FloatOp::Binary { function, .. }, &[a, b]) => Step::Binary(*function, [a, b]),
                    (FloatOp::Select { .. }, &[condition, then, otherwise]) => {
                        Step::Select([condition, then, otherwise])
                    }
                    _ => return None,
                };
                self.curve.push(step)
            }
        };
        self.known.insert((value, element), result);
        Some(result)
    }
}

/// The functions of a value: each with the elements that it gives, and those of the root that it takes for them.
struct Drawn {
    root: ValueId,
    curves: Vec<(Arc<Curve>, Vec<Place>)>,
}

/// An element of a value, and the one of the root that it is a function of.
type Place = (usize, u32);

fn rebuild_with(graph: FloatGraph, drawn: HashMap<usize, Drawn>) -> FloatGraph {
    let mut renamed: Vec<ValueId> = Vec::with_capacity(graph.nodes.len());
    rebuild(graph, |output, index, node| {
        let value = match drawn.get(&index) {
            Some(drawn) => drawn.push(output, renamed[drawn.root.0], node),
            None => output.push(node),
        };
        renamed.push(value);
        value
    })
}

impl Drawn {
    /// Appends the functions in the place of a node.
    fn push(&self, output: &mut Output, root: ValueId, node: FloatNode) -> ValueId {
        let provenance = joined(&[&output.node(root).provenance, &node.provenance]);
        let real = |op, size: usize| FloatNode {
            provenance: provenance.clone(),
            op,
            shape: vec![size],
            element: Element::Real,
        };
        let mut parts = Vec::with_capacity(self.curves.len());
        let mut places = vec![None; node.elements()];
        let mut count = 0;
        for (curve, elements) in &self.curves {
            let map = elements.iter().map(|&(_, at)| Some(at)).collect();
            let operand = output.push(real(FloatOp::Reindex { input: root, map, fill: 0.0 }, elements.len()));
            parts.push(output.push(real(FloatOp::Curve { input: operand, curve: Arc::clone(curve) }, elements.len())));
            for (number, &(element, _)) in elements.iter().enumerate() {
                places[element] = Some((count + number) as u32);
            }
            count += elements.len();
        }
        let all = output.push(real(FloatOp::Concat { inputs: parts, axis: 0 }, count));
        output.push(FloatNode { op: FloatOp::Reindex { input: all, map: places.into(), fill: 0.0 }, ..node })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, graph};
    use super::*;

    fn drawn(graph: FloatGraph) -> FloatGraph {
        draw(&graph, &[], &BTreeSet::new(), false).into_owned()
    }

    fn binary(function: BinaryFunction, a: usize, b: usize) -> FloatOp {
        FloatOp::Binary { function, operands: [ValueId(a), ValueId(b)] }
    }

    fn numbers(data: &[f64]) -> FloatOp {
        FloatOp::Constant(Tensor::new(vec![data.len()], data.to_vec()))
    }

    fn curves(graph: &FloatGraph) -> usize {
        graph.nodes.iter().filter(|node| matches!(node.op, FloatOp::Curve { .. })).count()
    }

    #[test]
    fn powers_by_features_are_functions_of_them() {
        let unary = |function, input| FloatOp::Unary { function, input: ValueId(input) };
        let select = FloatOp::Select { condition: ValueId(6), then: ValueId(7), otherwise: ValueId(5) };
        let nodes = vec![
            (binary(BinaryFunction::Div, 0, 0), &[2, 3][..]),
            (binary(BinaryFunction::Add, 0, 1), &[2, 3]),
            (numbers(&[0.5, -0.25, 0.5]), &[3]),
            (binary(BinaryFunction::Pow, 2, 3), &[2, 3]),
            (binary(BinaryFunction::Sub, 4, 1), &[2, 3]),
            // At 0, and where the base is negative.
            (unary(UnaryFunction::IsNan, 5), &[2, 3]),
            (FloatOp::Constant(Tensor::new(vec![], vec![0.0])), &[]),
            (select, &[2, 3]),
        ];
        let found = check(graph(&[2, 3], nodes), drawn);
        assert_eq!(curves(&found), 2, "a function for each exponent");
        assert!(found.nodes.iter().all(|node| !matches!(node.op, FloatOp::Binary { .. })));
    }

    #[test]
    fn searches_through_tables_are_functions() {
        let nodes = vec![
            (numbers(&[0.25]), &[1][..]),
            (binary(BinaryFunction::LessOrEqual, 1, 0), &[1, 3]),
            (numbers(&[0.0, 2.0, 4.0]), &[3]),
            (binary(BinaryFunction::Add, 2, 3), &[1, 3]),
            (numbers(&[5.0, 6.0, 7.0, 8.0, 9.0, 10.0]), &[6]),
            (FloatOp::Gather { input: ValueId(5), indices: ValueId(4), axis: 0 }, &[1, 3]),
            (binary(BinaryFunction::Mul, 6, 0), &[1, 3]),
        ];
        let found = check(graph(&[1, 3], nodes.clone()), drawn);
        assert_eq!(curves(&found), 3);
        let private = |graph: FloatGraph| draw(&graph, &[], &BTreeSet::new(), true).into_owned();
        assert_eq!(curves(&check(graph(&[1, 3], nodes), private)), 0, "functions would show the entries");
    }

    #[test]
    fn choices_of_one_value_that_is_broadcast_are_followed() {
        let unary = |function, input| FloatOp::Unary { function, input: ValueId(input) };
        let select = FloatOp::Select { condition: ValueId(2), then: ValueId(3), otherwise: ValueId(3) };
        let nodes = vec![
            (binary(BinaryFunction::Div, 0, 0), &[1, 3][..]),
            (unary(UnaryFunction::IsNan, 1), &[1, 3]),
            (numbers(&[0.5]), &[1]),
            (select, &[1, 3]),
            (binary(BinaryFunction::Add, 4, 0), &[1, 3]),
        ];
        assert_eq!(curves(&check(graph(&[1, 3], nodes), drawn)), 1);
    }

    #[test]
    fn values_of_two_elements_stay() {
        let turned = FloatOp::Reindex { input: ValueId(0), map: [Some(1), Some(0)].into(), fill: 0.0 };
        let nodes = vec![
            (turned, &[2][..]),
            (binary(BinaryFunction::Div, 0, 0), &[2]),
            (binary(BinaryFunction::Mul, 1, 2), &[2]),
        ];
        let graph = graph(&[2], nodes);
        assert!(Regions::of(&graph, false).of[3].is_none());
        let nodes = vec![(binary(BinaryFunction::Mul, 0, 0), &[2][..]), (binary(BinaryFunction::Add, 1, 0), &[2])];
        assert_eq!(curves(&check(super::super::tests::graph(&[2], nodes), drawn)), 0, "nothing particular");
    }
}
