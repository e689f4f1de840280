//! Loop and Scan, unrolled: the body is lowered again for each iteration, with what is known of its operands.
//!
//! The number of iterations must follow from constants, or a constant trip count bound it: then the values of an iteration are taken
//! where the condition still holds, and the body is lowered as often as it may run. What a body computes from neither its operands nor the iteration
//! is lowered once. Every node of every iteration counts against the number of nodes that a model may have.

use super::{check_depth, check_single_assignment, collect_reads, needed, operator_name, result, Needed, Walk};
use crate::dtype::DType;
use crate::error::{ImportError, NodeError};
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::attributes::Attributes;
use crate::lower::call::resolve_axis;
use crate::lower::scope::Scope;
use crate::proto::{GraphProto, NodeProto};
use std::collections::HashSet;

/// A node with a body, as it is applied.
pub(super) struct Application<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) inputs: &'a [Option<ValueId>],
    pub(super) used_outputs: &'a [bool],
    pub(super) label: &'a str,
    pub(super) version: i64,
}

impl Application<'_> {
    fn error(&self, error: NodeError) -> ImportError {
        ImportError::Node { node: self.label.to_owned(), operator: operator_name(self.node), error }
    }

    /// Operands from `first` on, all of which must be there.
    fn operands(&self, first: usize) -> Result<Vec<ValueId>, ImportError> {
        let given = self.inputs.iter().skip(first);
        let missing =
            || NodeError::Arity { what: "inputs", expected: "no gaps among the".into(), found: self.inputs.len() };
        given.map(|operand| operand.ok_or_else(|| self.error(missing()))).collect()
    }
}

/// Whether a loop runs.
#[derive(Clone, Copy, PartialEq)]
enum Running {
    Always,
    Done,
    /// Where a boolean that depends on the inputs is 1.
    While(ValueId),
}

/// The body of a loop.
struct Body<'g> {
    graph: &'g GraphProto,
    outputs: Vec<&'g str>,
    /// What is lowered once, and what for each iteration.
    once: Needed,
    each: Needed,
}

impl<'g> Body<'g> {
    /// A body with `inputs` operands, of whose outputs some are wanted.
    fn new(graph: &'g GraphProto, inputs: usize, wanted: impl Fn(usize) -> bool) -> Result<Self, NodeError> {
        if graph.input.len() != inputs {
            let expected = format!("{inputs} of the body");
            return Err(NodeError::Arity { what: "inputs", expected, found: graph.input.len() });
        }
        let names = graph.output.iter().map(|output| output.name.as_str()).enumerate();
        let outputs: Vec<&str> = names.filter(|(index, _)| wanted(*index)).map(|(_, name)| name).collect();
        let all = needed(&graph.node, &outputs);
        let mut varying: HashSet<String> = graph.input.iter().map(|input| input.name.clone()).collect();
        let mut varies = Vec::with_capacity(graph.node.len());
        for node in &graph.node {
            let mut reads = HashSet::new();
            collect_reads(node, &mut reads);
            let found = reads.iter().any(|name| varying.contains(name));
            if found {
                varying.extend(node.output.iter().cloned());
            }
            varies.push(found);
        }
        let part = |wanted: bool| Needed {
            nodes: all.nodes.iter().zip(&varies).map(|(&needed, &varies)| needed && varies == wanted).collect(),
            names: all.names.clone(),
        };
        Ok(Self { graph, outputs, once: part(false), each: part(true) })
    }
}

impl<'m> Walk<'m> {
    /// Loop: at most so many iterations, while a condition holds. The outputs are the values carried from one to the next,
    /// and what the iterations gave, stacked.
    pub(super) fn repeat(&mut self, at: &Application, scope: &Scope) -> Result<Vec<Option<ValueId>>, ImportError> {
        let refuse = |error| at.error(error);
        check_depth(scope).map_err(refuse)?;
        let graph = self.body_of(at)?;
        // Counts beyond 2^53 are not exact, and are never reached.
        let limit = self.known(at, 0, "trip count").map_err(refuse)?.map(|limit| limit.max(0.0) as u64);
        let mut running = self.running(at).map_err(refuse)?;
        let mut carried = at.operands(2)?;
        let stacked = graph.output.len().checked_sub(1 + carried.len());
        let Some(stacked) = stacked.filter(|&count| at.used_outputs.len() <= carried.len() + count) else {
            let expected = format!("at least {} of the body", 1 + carried.len());
            return Err(refuse(NodeError::Arity { what: "outputs", expected, found: graph.output.len() }));
        };
        let used = |output: usize| at.used_outputs.get(output).copied().unwrap_or(false);
        let wanted = |output: usize| output <= carried.len() || used(output - 1);
        let body = Body::new(graph, 2 + carried.len(), wanted).map_err(refuse)?;
        let mut collected = vec![Vec::new(); (0..stacked).filter(|&i| used(carried.len() + i)).count()];
        let mut base = Scope::inside(scope, format!("{}/", at.label));
        let mut iteration = 0u64;
        while running != Running::Done && limit.is_none_or(|limit| iteration < limit) {
            if let (Running::While(_), true) = (running, limit.is_none() || !collected.is_empty()) {
                return Err(refuse(NodeError::unsupported(
                    "a number of iterations that depends on the inputs, without a bound or with stacked outputs",
                    "give a constant trip count, and carry values from one iteration to the next",
                )));
            }
            let counter = self.builder.scalar(iteration as f64, DType::Int64).map_err(refuse)?;
            let condition = self.builder.scalar(1.0, DType::Bool).map_err(refuse)?;
            let inputs: Vec<_> = [counter, condition].into_iter().chain(carried.iter().copied()).collect();
            let results = self.iteration(at, &body, &mut base, iteration, &inputs)?;
            iteration += 1;
            let (next, outputs) = results.split_at(1 + carried.len());
            carried = match running {
                Running::While(condition) => {
                    let options = |values: &[ValueId]| values.iter().copied().map(Some).collect::<Vec<_>>();
                    let chosen = self.chosen(condition, &options(&next[1..]), &options(&carried)).map_err(refuse)?;
                    chosen.into_iter().flatten().collect()
                }
                _ => next[1..].to_vec(),
            };
            // Behind the last iteration the condition does not matter.
            if limit != Some(iteration) {
                running = self.still_running(running, next[0]).map_err(refuse)?;
            }
            collected.iter_mut().zip(outputs).for_each(|(list, &value)| list.push(value));
        }
        let mut collected = collected.into_iter();
        let mut results: Vec<_> = carried.into_iter().map(Some).collect();
        for output in results.len()..results.len() + stacked {
            let stacked = match used(output).then(|| collected.next()).flatten() {
                Some(values) => Some(self.stack(&values, 0).map_err(refuse)?),
                None => None,
            };
            results.push(stacked);
        }
        Ok(results)
    }

    /// Scan: one iteration for each position along an axis of some operands.
    pub(super) fn scan(&mut self, at: &Application, scope: &Scope) -> Result<Vec<Option<ValueId>>, ImportError> {
        let refuse = |error| at.error(error);
        check_depth(scope).map_err(refuse)?;
        if at.version < 9 {
            return Err(refuse(NodeError::unsupported(
                "the batched form of operator set 8 is not supported",
                "export the model with operator set 9 or newer",
            )));
        }
        let attributes = Attributes::new(&at.node.attribute, self.external).map_err(refuse)?;
        let plan = ScanPlan::read(self, at, &attributes).map_err(refuse)?;
        let graph = attributes.graph("body").and_then(|graph| graph.ok_or_else(no_body)).map_err(refuse)?;
        check_read(&attributes, at.version).map_err(refuse)?;
        let (mut states, scanned) = (plan.states.clone(), plan.scanned.clone());
        let stacked = graph.output.len().checked_sub(states.len()).ok_or_else(|| {
            let expected = format!("at least {} of the body", states.len());
            refuse(NodeError::Arity { what: "outputs", expected, found: graph.output.len() })
        })?;
        let outputs = plan.output_axes(stacked).map_err(refuse)?;
        let body = Body::new(graph, states.len() + scanned.len(), |_| true).map_err(refuse)?;
        let mut base = Scope::inside(scope, format!("{}/", at.label));
        let mut collected = vec![Vec::new(); stacked];
        for step in 0..plan.steps {
            let mut inputs = states.clone();
            for (&value, &(axis, backwards)) in scanned.iter().zip(&plan.axes) {
                let position = if backwards { plan.steps - 1 - step } else { step };
                inputs.push(self.slice(value, axis, position).map_err(refuse)?);
            }
            let results = self.iteration(at, &body, &mut base, step as u64, &inputs)?;
            let (next, given) = results.split_at(states.len());
            states = next.to_vec();
            collected.iter_mut().zip(given).for_each(|(list, &value)| list.push(value));
        }
        let mut results: Vec<_> = states.into_iter().map(Some).collect();
        for (mut values, (axis, backwards)) in collected.into_iter().zip(outputs) {
            if backwards {
                values.reverse();
            }
            let axis = match values.first() {
                Some(&value) => resolve_axis(axis, self.builder.shape(value).len() + 1).map_err(refuse)?,
                None => 0,
            };
            results.push(Some(self.stack(&values, axis).map_err(refuse)?));
        }
        Ok(results)
    }

    /// Whether a loop begins to run.
    fn running(&self, at: &Application) -> Result<Running, NodeError> {
        match at.inputs.get(1).copied().flatten() {
            None => Ok(Running::Always),
            Some(condition) => self.condition(condition),
        }
    }

    fn condition(&self, condition: ValueId) -> Result<Running, NodeError> {
        if self.builder.elements(condition) != 1 {
            return Err(NodeError::shape("its condition is not one boolean"));
        }
        Ok(match self.builder.tensor(condition).map(|tensor| tensor.data[0] != 0.0) {
            Some(true) => Running::Always,
            Some(false) => Running::Done,
            None => Running::While(condition),
        })
    }

    /// Whether a loop that ran goes on where a further condition holds.
    fn still_running(&mut self, running: Running, condition: ValueId) -> Result<Running, NodeError> {
        match (running, self.condition(condition)?) {
            (Running::While(before), Running::While(now)) => {
                let [before, now] = [self.builder.reshape(before, vec![])?, self.builder.reshape(now, vec![])?];
                Ok(Running::While(self.builder.binary(BinaryFunction::Min, before, now)?))
            }
            (Running::While(before), Running::Always) => Ok(Running::While(before)),
            (_, now) => Ok(now),
        }
    }

    fn body_of<'n>(&self, at: &Application<'n>) -> Result<&'n GraphProto, ImportError>
    where
        'm: 'n,
    {
        let attributes = Attributes::new(&at.node.attribute, self.external).map_err(|error| at.error(error))?;
        let graph = attributes.graph("body").and_then(|graph| graph.ok_or_else(no_body));
        let graph = graph.map_err(|error| at.error(error))?;
        check_read(&attributes, at.version).map_err(|error| at.error(error))?;
        Ok(graph)
    }

    /// An operand that must be one known number, if given.
    fn known(&self, at: &Application, index: usize, operand: &'static str) -> Result<Option<f64>, NodeError> {
        let Some(value) = at.inputs.get(index).copied().flatten() else { return Ok(None) };
        match self.builder.tensor(value).map(|tensor| &tensor.data[..]) {
            Some([number]) => Ok(Some(*number)),
            Some(_) => Err(NodeError::shape(format!("its {operand} is not one number"))),
            None => Err(NodeError::NotConstant { operand }),
        }
    }

    /// Lowers a body once more; the wanted outputs.
    fn iteration(
        &mut self,
        at: &Application,
        body: &Body,
        base: &mut Scope,
        number: u64,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>, ImportError> {
        // An empty body is work too.
        self.spend_node().map_err(|error| at.error(error))?;
        if number == 0 {
            if !body.graph.sparse_initializer.is_empty() {
                return Err(ImportError::Graph { reason: "sparse initializers are not supported".into() });
            }
            check_single_assignment(&body.graph.node, &body.graph.initializer, base)?;
            self.stored(body.graph, &body.once, base)?;
            self.nodes(&body.graph.node, &body.once, base)?;
        }
        let mut inner = Scope::inside(base, format!("{}{number}/", base.prefix));
        for (input, &value) in body.graph.input.iter().zip(inputs) {
            inner.define(&input.name, Some(value));
        }
        self.nodes(&body.graph.node, &body.each, &mut inner)?;
        let value = |name: &&str| {
            let found =
                result(&inner, name).and_then(|found| found.ok_or(NodeError::Undefined { value: (*name).into() }));
            found.map_err(|error| at.error(error))
        };
        body.outputs.iter().map(value).collect()
    }

    /// Position `position` of an axis, which falls away.
    fn slice(&mut self, value: ValueId, axis: usize, position: usize) -> Result<ValueId, NodeError> {
        let mut shape = self.builder.shape(value).to_vec();
        shape.remove(axis);
        let picked = self.builder.pick_axis(value, axis, [position])?;
        self.builder.reshape(picked, shape)
    }

    /// Values along a new axis.
    fn stack(&mut self, values: &[ValueId], axis: usize) -> Result<ValueId, NodeError> {
        if values.is_empty() {
            return Err(NodeError::unsupported(
                "a loop without iterations has outputs of no shape",
                "leave the loop out",
            ));
        }
        let mut wide = vec![];
        for &value in values {
            let mut shape = self.builder.shape(value).to_vec();
            shape.insert(axis, 1);
            wide.push(self.builder.reshape(value, shape)?);
        }
        self.builder.concat(&wide, axis)
    }
}

fn no_body() -> NodeError {
    NodeError::attribute("body", "it is missing")
}

fn check_read(attributes: &Attributes, version: i64) -> Result<(), NodeError> {
    match attributes.unread() {
        Some(attribute) => Err(NodeError::UnknownAttribute { attribute: attribute.to_owned(), version }),
        None => Ok(()),
    }
}

/// How a Scan goes over its operands.
struct ScanPlan {
    states: Vec<ValueId>,
    scanned: Vec<ValueId>,
    /// For each scanned operand its axis, and whether it is read from the end.
    axes: Vec<(usize, bool)>,
    steps: usize,
    output_directions: Option<Vec<i64>>,
    output_axes: Option<Vec<i64>>,
}

impl ScanPlan {
    fn read(walk: &Walk, at: &Application, attributes: &Attributes) -> Result<Self, NodeError> {
        let given: Vec<_> = at.inputs.iter().copied().flatten().collect();
        let count = attributes.int("num_scan_inputs")?;
        let count = count.ok_or_else(|| NodeError::attribute("num_scan_inputs", "it is missing"))?;
        let count = usize::try_from(count).ok().filter(|&count| (1..=given.len()).contains(&count));
        let misfit = || NodeError::attribute("num_scan_inputs", format!("there are {} inputs", given.len()));
        let (states, scanned) = given.split_at(given.len() - count.ok_or_else(misfit)?);
        let axes = list(attributes.ints("scan_input_axes")?, "scan_input_axes", scanned.len())?;
        let directions = list(attributes.ints("scan_input_directions")?, "scan_input_directions", scanned.len())?;
        let mut resolved = vec![];
        for ((&value, axis), direction) in scanned.iter().zip(axes).zip(directions) {
            resolved.push((resolve_axis(axis, walk.builder.shape(value).len())?, is_backwards(direction)?));
        }
        let lengths = scanned.iter().zip(&resolved).map(|(&value, &(axis, _))| walk.builder.shape(value)[axis]);
        let lengths: Vec<usize> = lengths.collect();
        if lengths.iter().any(|&length| length != lengths[0]) {
            return Err(NodeError::shape(format!("it scans axes of sizes {lengths:?}")));
        }
        Ok(Self {
            states: states.to_vec(),
            scanned: scanned.to_vec(),
            axes: resolved,
            steps: lengths[0],
            output_directions: attributes.ints("scan_output_directions")?,
            output_axes: attributes.ints("scan_output_axes")?,
        })
    }

    /// For each stacked output its new axis, and whether it is stacked from the end.
    fn output_axes(&self, count: usize) -> Result<Vec<(i64, bool)>, NodeError> {
        let axes = list(self.output_axes.clone(), "scan_output_axes", count)?;
        let directions = list(self.output_directions.clone(), "scan_output_directions", count)?;
        axes.into_iter().zip(directions).map(|(axis, direction)| Ok((axis, is_backwards(direction)?))).collect()
    }
}

/// An attribute with one number for each of `count` operands; zeros where it is left out.
fn list(given: Option<Vec<i64>>, name: &str, count: usize) -> Result<Vec<i64>, NodeError> {
    match given {
        None => Ok(vec![0; count]),
        Some(list) if list.len() == count => Ok(list),
        Some(list) => Err(NodeError::attribute(name, format!("{} numbers for {count} operands", list.len()))),
    }
}

fn is_backwards(direction: i64) -> Result<bool, NodeError> {
    match direction {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(NodeError::shape(format!("direction {other} is neither 0 nor 1"))),
    }
}
