//! The integer program of a model in float32 arithmetic, whose results are the runtime's to the bit.
//!
//! A float32 tensor is held in fixed point, as integers of at most [`VALUE_BITS`] bits in units of `2^−exponent`; that is exact as long as no
//! element has a bit below the unit. Sums and products of such integers are exact, and float32's rounding of them is
//! [`Op::RoundSignificant`] to 24 bits, at whatever exponent each element has. So one unit serves for a tensor, although float32's own moves
//! with the data.
//!
//! ```text
//! scale     R = ⌊w·2^p / 255⌋ + ⌈w·2^p / 255⌉     twice the quotient, its last bit telling that something is left; rounded to 24 bits
//! integers  n = #{k : h_k·R ≤ x·2^t}              the thresholds h_k of the rounded float32 quotient, exact
//! product   Σ q·w − zero·Σ w                      a convolution of which the zero point is one channel more
//! result    f32(f32(acc)·f32(scale·scale_w))      units chosen so that exact products fit
//! ```
//!
//! The units follow from the ranges of scales that calibration saw. A scale above [`ABOVE`] times the largest of these is cut off there,
//! and one below what the unit resolves loses its last bits: then the result is what the program says, and no longer the runtime's.

mod exact;
mod factors;
mod join;
mod thresholds;

use std::borrow::Cow;
use std::collections::BTreeMap;

use circuits::graph::{Op, Port, PortKind, Program, TensorId};

use self::exact::Emitter;
use super::calibrate::Calibration;
use super::QuantizeOptions;
use crate::float::float32::{is_scale, End, Float32Form, Float32Graph, Float32Id, Float32Op, Split, Start};
use crate::float::graph::{Element, FloatGraph, FloatPort, Tensor};

/// Every value stays below `2^VALUE_BITS`.
const VALUE_BITS: u32 = 61;
/// Bits of scales before they are multiplied by those of weights.
const SCALE_BITS: u32 = 36;
/// Significant bits of float32.
const SIGNIFICANT: u32 = 24;
/// What largest scale is admitted, in multiples of the largest one that calibration saw.
pub(super) const ABOVE: f64 = 4.0;
/// By how many powers of two scales must at least be free to be smaller than those that calibration saw.
const LEAST_ROOM: f64 = 1.0;

/// What is told of that at most.
const MOST_ROOM: f64 = 30.0;

/// What calibration saw of the magnitudes of a node that are not zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    least: f64,
    most: f64,
}

/// What of a model is held in integers, to which the rest is still to be added.
pub(super) struct Exact<'a> {
    emitter: Emitter<'a>,
    /// How the model is split.
    pub split: Cow<'a, Split>,
}

/// A program, and for which data it is exact.
pub(super) struct Joined {
    pub program: Program,
    /// Scales of the data may be smaller than those of the samples by so many powers of two.
    pub room: u32,
}

/// Holds what can be held of what is followed, or says why no dynamic quantization is.
///
/// # Errors
/// What can't be held exactly, with the node.
pub(super) fn hold<'a>(
    graph: &FloatGraph,
    form: &'a Float32Form,
    calibration: &Calibration,
    seen: &'a [Option<Seen>],
    options: &QuantizeOptions,
) -> Result<Exact<'a>, String> {
    if options.private_weights {
        return Err("with private weights activations are calibrated".into());
    }
    if let Some(name) = options.steps.keys().next() {
        return Err(format!("input {name:?} takes the step of another program"));
    }
    if let Some(port) = graph.inputs.iter().find(|port| port.nullable) {
        return Err(format!("input {:?} has missing values", port.name));
    }
    let (emitter, reasons) = exact::emit(graph, &form.split.followed, calibration, seen)?;
    let split = match form.split.followed.outputs.iter().all(|&joint| emitter.has_numbers(joint)) {
        true => Cow::Borrowed(&form.split),
        false => Cow::Owned(form.split_where(|id| emitter.has_numbers(id), reasons)),
    };
    match split.quantizes() {
        true => Ok(Exact { emitter, split }),
        false => Err(split
            .into_owned()
            .reasons
            .into_iter()
            .next()
            .unwrap_or_else(|| "nothing depends on what is followed".into())),
    }
}

impl Exact<'_> {
    /// The inputs of the rest on the calibration samples.
    pub(super) fn samples(&self, calibration: &Calibration) -> Vec<Vec<Tensor>> {
        let of = |inputs: &Vec<Tensor>| {
            let joints = self.split.followed.evaluate(inputs, |_, _| {});
            self.split.starts_of(inputs, &joints)
        };
        calibration.samples.iter().map(of).collect()
    }

    /// The program of all, of that of the rest where there is one.
    ///
    /// # Errors
    /// Joints whose units lie too far from the steps of the rest; what the program does not admit.
    pub(super) fn join(
        mut self,
        graph: &FloatGraph,
        rest: Option<&Program>,
        options: &QuantizeOptions,
    ) -> Result<Joined, String> {
        let joints =
            self.split.followed.outputs.iter().map(|&id| self.emitter.joint(id)).collect::<Result<Vec<_>, _>>()?;
        let mut starts: BTreeMap<TensorId, TensorId> = BTreeMap::new();
        for (start, port) in self.split.starts.iter().zip(rest.iter().flat_map(|rest| &rest.inputs)) {
            let rest = rest.expect("its ports are being read");
            let numbers = match *start {
                Start::Joint(joint) => Some(joints[joint]),
                Start::Input(number) => self.emitter.input_numbers(number),
            };
            if let (Some(numbers), &Op::Input { lo, hi }) = (numbers, &rest.node(port.tensor).op) {
                if port.kind == PortKind::Index && (numbers.lo < lo.into() || numbers.hi > hi.into()) {
                    return Err(format!("input {:?} of what follows has fewer integers than are followed", port.name));
                }
                let tensor = join::start(&mut self.emitter, numbers, port.scale, [lo, hi])?;
                let shape = rest.node(port.tensor).shape.clone();
                starts.insert(port.tensor, self.emitter.reshaped(tensor, shape));
            }
        }
        let exact::Emitted { mut nodes, mut tables, inputs, room } = self.emitter.out;
        let renamed = match rest {
            Some(rest) => join::append(&mut nodes, &mut tables, rest, |tensor| starts.get(&tensor).copied()),
            None => Vec::new(),
        };
        let of_rest = |port: &Port| Port { tensor: renamed[port.tensor.0 as usize], ..port.clone() };
        let exact = |port: &FloatPort, tensor, exponent: i32, default| Port {
            name: port.name.clone(),
            tensor,
            shape: graph.node(port.value).shape.clone(),
            scale: f64::from(-exponent).exp2(),
            kind: if graph.node(port.value).element == Element::Real { PortKind::Real } else { PortKind::Index },
            visibility: options.ports.get(&port.name).copied().unwrap_or(default),
        };
        let input = |(number, port): (usize, &FloatPort)| match (inputs.get(&number), rest) {
            (Some(&(tensor, exponent)), _) => Ok(exact(port, tensor, exponent, options.input)),
            (None, Some(rest)) => {
                let start = self.split.starts.iter().position(|start| *start == Start::Input(number));
                let start = start.ok_or_else(|| format!("input {:?} is not read", port.name))?;
                Ok(of_rest(&rest.inputs[start]))
            }
            (None, None) => Err(format!("input {:?} is not read", port.name)),
        };
        let inputs = graph.inputs.iter().enumerate().map(input).collect::<Result<Vec<Port>, String>>()?;
        let output = |(end, port): (&End, &FloatPort)| match (*end, rest) {
            (End::Joint(joint), _) => exact(port, joints[joint].tensor, joints[joint].exponent, options.output),
            (End::Rest(output), Some(rest)) => of_rest(&rest.outputs[output]),
            (End::Rest(_), None) => unreachable!("outputs of a rest have one"),
        };
        let outputs: Vec<Port> = self.split.ends.iter().zip(&graph.outputs).map(output).collect();
        let ports = inputs.iter().chain(&outputs).map(|port| port.tensor);
        let (nodes, left) = join::without_dead(nodes, ports);
        let moved = |port: Port| Port { tensor: left[port.tensor.0 as usize].expect("ports are live"), ..port };
        let program = Program {
            name: graph.name.clone(),
            source_digest: graph.source_digest,
            options: BTreeMap::new(),
            private_weights: BTreeMap::new(),
            tables,
            nodes,
            inputs: inputs.into_iter().map(moved).collect(),
            outputs: outputs.into_iter().map(moved).collect(),
        };
        program.validate().map_err(|error| error.to_string())?;
        circuits::analysis::ranges(&program).map_err(|error| error.to_string())?;
        Ok(Joined { program, room: room.min(MOST_ROOM).floor() as u32 })
    }
}

/// Which inputs of a program are held exactly: those that a rounding to float32's significant bits depends on. Only nodes of what is followed
/// are such roundings; inputs that are calibrated are read by the rest alone, whatever their steps.
pub(super) fn held_inputs(program: &Program) -> Vec<bool> {
    let mut is_rounded = vec![false; program.nodes.len()];
    for (index, node) in program.nodes.iter().enumerate().rev() {
        if is_rounded[index] || matches!(node.op, Op::RoundSignificant { .. }) {
            let mut op = node.op.clone();
            join::operands(&mut op).into_iter().for_each(|operand| is_rounded[operand.0 as usize] = true);
        }
    }
    program.inputs.iter().map(|port| is_rounded[port.tensor.0 as usize]).collect()
}

/// Rows of the circuit that a program takes, roughly: those of its operators on wide integers, by element.
pub(super) fn rows(program: &Program) -> usize {
    let of = |node: &circuits::graph::Node| {
        let each = match node.op {
            Op::RoundSignificant { .. } => 24,
            Op::Steps { .. } => 16,
            Op::Max { input } => return 6 * program.node(input).elements(),
            Op::Quotient { .. } => 16,
            Op::Affine { .. } | Op::Product { .. } => 2,
            _ => 1,
        };
        each * node.elements()
    };
    program.nodes.iter().map(of).sum()
}

/// The magnitudes of scales, and of their products, on the calibration samples.
pub(super) fn seen(float32: &Float32Graph, calibration: &Calibration) -> Vec<Option<Seen>> {
    let mut seen: Vec<Option<Seen>> = vec![None; float32.nodes.len()];
    for inputs in &calibration.samples {
        float32.evaluate(inputs, |id, numbers| {
            if !matches!(float32.nodes[id].op, Float32Op::Scale(_) | Float32Op::Product(_)) {
                return;
            }
            for magnitude in numbers.iter().map(|x| f64::from(x.abs())).filter(|&x| x > 0.0) {
                let Seen { least, most } = seen[id].get_or_insert(Seen { least: magnitude, most: magnitude });
                (*least, *most) = (least.min(magnitude), most.max(magnitude));
            }
        });
    }
    seen
}

/// A node whose scales `own` leave those that others were `seen` to have by more than a program in units for the latter admits, if there is one.
pub(super) fn leaving<'a>(
    float32: &'a Float32Graph,
    seen: &[Option<Seen>],
    own: &[Option<Seen>],
    room: u32,
) -> Option<&'a str> {
    let leaves = |id: Float32Id| match (seen[id], own[id]) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(seen), Some(own)) => {
            let is_above = matches!(float32.nodes[id].op, Float32Op::Scale(_)) && own.most > ABOVE * seen.most;
            is_above || own.least * f64::from(room).exp2() < seen.least
        }
    };
    let found = (0..float32.nodes.len()).find(|&id| is_scale(float32, id) && leaves(id));
    found.map(|id| &*float32.nodes[id].label)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use circuits::graph::ViewElement;

    use super::*;
    use crate::float::evaluate::evaluate_outputs;
    use crate::float::float32::Float32Node;
    use crate::float::graph::{Element, FloatNode, FloatOp, ReduceKind, ValueId};
    use crate::quantize::{compile, dequantize_outputs, quantize_inputs, DynamicScales};
    use crate::samples::Samples;

    /// The largest of each two of four dequantized numbers.
    fn largest_of_pairs() -> FloatGraph {
        let node = |op, shape: &[usize]| {
            let provenance = vec!["n".into()];
            FloatNode { provenance, op, shape: shape.to_vec(), element: Element::Real }
        };
        let port = |name: &str, value| FloatPort { name: name.into(), value, range: None, nullable: false };
        let maximum = FloatOp::Reduce { input: ValueId(1), kind: ReduceKind::Max, axes: vec![1] };
        let reals = FloatGraph {
            name: String::new(),
            source_digest: [0; 32],
            nodes: vec![
                node(FloatOp::Input(0), &[4]),
                node(FloatOp::Reshape(ValueId(0)), &[2, 2]),
                node(maximum, &[2, 1]),
            ],
            inputs: vec![port("x", ValueId(0))],
            outputs: vec![port("y", ValueId(2))],
            remarks: vec![],
            float32: None,
            integers: Default::default(),
        };
        let first = ViewElement::Element { source: 0, index: 0 };
        let ops = [
            (Float32Op::Input(0), 4),
            (Float32Op::Centered(0), 4),
            (Float32Op::Float(1), 4),
            (Float32Op::Scale(0), 1),
            (Float32Op::View { sources: vec![3], map: vec![first; 4].into() }, 4),
            (Float32Op::Product([2, 4]), 4),
            (Float32Op::Largest { input: 5, windows: vec![0, 1, 2, 3].into(), size: 2 }, 2),
        ];
        let nodes = ops.map(|(op, elements)| Float32Node { label: "n".into(), op, elements }).to_vec();
        let values = BTreeMap::from([(ValueId(0), 0), (ValueId(1), 5), (ValueId(2), 6)]);
        let followed = Float32Graph { nodes, outputs: vec![], values };
        let form = Float32Form::new(reals.clone(), BTreeSet::from([ValueId(1)]), followed, vec![]);
        FloatGraph { float32: Some(Ok(Arc::new(form))), ..reals }
    }

    /// Maxima are taken of the quantized integers themselves, as their one scale is positive.
    #[test]
    fn maxima_of_dequantized_numbers_are_exact() {
        let graph = largest_of_pairs();
        let inputs: Vec<Vec<f64>> = vec![
            vec![3.0, -3.0, 0.5, 0.625],
            vec![-0.75, -0.125, 1.0, 0.875],
            vec![0.0; 4],
            vec![-1.0, -2.0, -0.5, -0.25],
        ];
        let samples = Samples::from_batches(vec![Tensor::new(vec![4, 4], inputs.concat())]);
        let options = QuantizeOptions { dynamic: DynamicScales::Exact, ..QuantizeOptions::default() };
        let program = compile(&graph, Some(&samples), &options).expect("everything is held").program;
        for input in inputs {
            let input = [Tensor::new(vec![4], input)];
            let integers = quantize_inputs(&program, &input).expect("the input fits").values;
            let trace = circuits::reference::run(&program, &integers).expect("every input has a result");
            let expected = evaluate_outputs(&graph, &input).expect("it has outputs");
            assert_eq!(dequantize_outputs(&program, &trace.outputs(&program)), expected);
        }
    }
}
