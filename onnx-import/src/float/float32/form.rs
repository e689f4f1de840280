//! What of a model is followed in float32 arithmetic, and where the rest in reals starts.
//!
//! Whatever float32 arithmetic does not follow, a softmax for instance, is computed in reals, and so is all that depends on it. The rest
//! starts from *joints*, numbers that are followed, and from inputs of the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{take_early, Float32Graph, Float32Id, Float32Op};
use crate::float::evaluate::{evaluate_outputs, EvaluateError};
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, FloatPort, Tensor, ValueId};
use crate::passes;

/// A model with dynamic scales: what is followed, and the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Float32Form {
    /// How the model is split where everything followed is held.
    pub split: Split,
    /// All of the model in reals, as it was lowered.
    reals: FloatGraph,
    /// The values of `reals` that stand for results of dynamic quantization.
    approximations: BTreeSet<ValueId>,
}

/// A model split into what is followed and the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What is followed, and perhaps more; its outputs are the joints.
    pub followed: Float32Graph,
    /// The rest in reals, if any, with the outputs of the model that are not followed in their order.
    pub rest: Option<FloatGraph>,
    /// Where each input of the rest comes from.
    pub starts: Vec<Start>,
    /// Where each output of the model comes from.
    pub ends: Vec<End>,
    /// The first nodes of the rest, each with the reason why it is not followed.
    pub reasons: Vec<String>,
    /// How many results of dynamic quantization the rest has.
    pub approximated: usize,
}

/// Where an input of the rest comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A joint.
    Joint(usize),
    /// An input of the model, which what is followed may read too.
    Input(usize),
}

/// Where an output of the model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A joint.
    Joint(usize),
    /// An output of the rest.
    Rest(usize),
}

impl Float32Form {
    /// The form of a model in reals of which `followed` is what float32 arithmetic follows, and `reasons` why it is no more.
    pub(crate) fn new(
        reals: FloatGraph,
        approximations: BTreeSet<ValueId>,
        followed: Float32Graph,
        reasons: Vec<String>,
    ) -> Self {
        let mut split = Split::of(&reals, &approximations, followed, |_| true, reasons);
        split.followed = take_early(split.followed);
        Self { split, reals, approximations }
    }

    /// The model split anew where only some of what is followed is held; `reasons` tell why it is not all.
    pub(crate) fn split_where(&self, is_held: impl Fn(Float32Id) -> bool, reasons: Vec<String>) -> Split {
        let reasons = reasons.into_iter().chain(self.split.reasons.iter().cloned()).collect();
        Split::of(&self.reals, &self.approximations, self.split.followed.clone(), is_held, reasons)
    }
}

impl Split {
    fn of(
        reals: &FloatGraph,
        approximations: &BTreeSet<ValueId>,
        followed: Float32Graph,
        is_held: impl Fn(Float32Id) -> bool,
        reasons: Vec<String>,
    ) -> Self {
        let held = |value: ValueId| followed.values.get(&value).copied().filter(|&id| is_held(id));
        let mut cut = Cut { reals, joints: vec![], starts: vec![], renamed: BTreeMap::new(), nodes: vec![] };
        // Constants and inputs of the model are what they are, held or not.
        let starts = |value: ValueId| matches!(reals.node(value).op, FloatOp::Constant(_) | FloatOp::Input(_));
        let joint = |value: ValueId| held(value).filter(|_| !starts(value));
        // Outputs that are held are joints themselves.
        let mut visited = BTreeSet::new();
        let mut waiting: Vec<ValueId> = reals.outputs.iter().map(|port| port.value).collect();
        waiting.retain(|&output| held(output).is_none());
        while let Some(value) = waiting.pop() {
            if visited.insert(value) && joint(value).is_none() {
                waiting.extend(reals.node(value).op.operands());
            }
        }
        for &value in &visited {
            match joint(value) {
                Some(id) => cut.joint(value, id),
                None => cut.node(value),
            }
        }
        let mut outputs: Vec<FloatPort> = Vec::new();
        let mut ends = Vec::with_capacity(reals.outputs.len());
        for port in &reals.outputs {
            ends.push(match held(port.value) {
                Some(id) => End::Joint(cut.number_of(id)),
                None => {
                    outputs.push(FloatPort { value: cut.renamed[&port.value], ..port.clone() });
                    End::Rest(outputs.len() - 1)
                }
            });
        }
        let approximated = visited.iter().filter(|value| approximations.contains(value) && held(**value).is_none());
        let approximated = approximated.count();
        let rest = (!outputs.is_empty()).then(|| passes::simplify(cut.graph(outputs)));
        let followed = Float32Graph { outputs: cut.joints, ..followed };
        Self { followed, rest, starts: cut.starts, ends, reasons, approximated }
    }

    /// Whether any joint depends on dynamic quantization.
    pub(crate) fn quantizes(&self) -> bool {
        let followed = Float32Graph { values: BTreeMap::new(), ..self.followed.clone() }.without_dead();
        followed.nodes.iter().any(|node| matches!(node.op, Float32Op::Centered(_)))
    }

    /// The inputs of the rest, of those of the model and the joints.
    pub(crate) fn starts_of(&self, inputs: &[Tensor], joints: &[Vec<f32>]) -> Vec<Tensor> {
        let Some(rest) = &self.rest else { return Vec::new() };
        let start = |(start, port): (&Start, &FloatPort)| match *start {
            Start::Joint(joint) => tensor(rest.node(port.value).shape.clone(), &joints[joint]),
            Start::Input(number) => inputs[number].clone(),
        };
        self.starts.iter().zip(&rest.inputs).map(start).collect()
    }

    /// The outputs of the model, which have these shapes.
    ///
    /// # Errors
    /// A file with constants changed after the model was read.
    ///
    /// # Panics
    /// Inputs of another number or size than the model's.
    pub fn evaluate(&self, inputs: &[Tensor], shapes: &[Vec<usize>]) -> Result<Vec<Tensor>, EvaluateError> {
        let joints = self.followed.evaluate(inputs, |_, _| {});
        let rest = match &self.rest {
            Some(rest) => evaluate_outputs(rest, &self.starts_of(inputs, &joints))?,
            None => Vec::new(),
        };
        let end = |(end, shape): (&End, &Vec<usize>)| match *end {
            End::Joint(joint) => tensor(shape.clone(), &joints[joint]),
            End::Rest(output) => rest[output].clone(),
        };
        Ok(self.ends.iter().zip(shapes).map(end).collect())
    }
}

fn tensor(shape: Vec<usize>, numbers: &[f32]) -> Tensor {
    Tensor::new(shape, numbers.iter().map(|&number| f64::from(number)).collect())
}

/// The rest while it is made.
struct Cut<'a> {
    reals: &'a FloatGraph,
    joints: Vec<Float32Id>,
    starts: Vec<Start>,
    /// The values of the rest, by those of the model.
    renamed: BTreeMap<ValueId, ValueId>,
    nodes: Vec<FloatNode>,
}

impl Cut<'_> {
    fn push(&mut self, value: ValueId, op: FloatOp) {
        self.renamed.insert(value, ValueId(self.nodes.len()));
        self.nodes.push(FloatNode { op, ..self.reals.node(value).clone() });
    }

    fn start(&mut self, value: ValueId, start: Start) {
        self.push(value, FloatOp::Input(self.starts.len()));
        self.starts.push(start);
    }

    fn number_of(&mut self, id: Float32Id) -> usize {
        let known = self.joints.iter().position(|&joint| joint == id);
        known.unwrap_or_else(|| {
            self.joints.push(id);
            self.joints.len() - 1
        })
    }

    fn joint(&mut self, value: ValueId, id: Float32Id) {
        let joint = self.number_of(id);
        self.start(value, Start::Joint(joint));
    }

    fn node(&mut self, value: ValueId) {
        match &self.reals.node(value).op {
            &FloatOp::Input(number) => self.start(value, Start::Input(number)),
            op => {
                let op = op.clone_with(|operand| self.renamed[&operand]);
                self.push(value, op);
            }
        }
    }

    fn graph(&self, outputs: Vec<FloatPort>) -> FloatGraph {
        let names = self.renamed.iter().filter_map(|(value, own)| match self.nodes[own.0].op {
            FloatOp::Input(number) => Some((number, *value, *own)),
            _ => None,
        });
        let mut inputs: Vec<(usize, FloatPort)> =
            names.map(|(number, value, own)| (number, self.port(number, value, own))).collect();
        inputs.sort_by_key(|(number, _)| *number);
        FloatGraph {
            name: self.reals.name.clone(),
            source_digest: self.reals.source_digest,
            nodes: self.nodes.clone(),
            inputs: inputs.into_iter().map(|(_, port)| port).collect(),
            outputs,
            remarks: vec![],
            float32: None,
            integers: Default::default(),
        }
    }

    /// The port of an input of the rest: that of the model's input, or one with the name of the joint's node.
    fn port(&self, number: usize, value: ValueId, own: ValueId) -> FloatPort {
        match self.starts[number] {
            Start::Input(input) => FloatPort { value: own, ..self.reals.inputs[input].clone() },
            Start::Joint(_) => {
                let name = self.reals.node(value).provenance.first().cloned().unwrap_or_default();
                FloatPort { name, value: own, range: None, nullable: false }
            }
        }
    }
}
