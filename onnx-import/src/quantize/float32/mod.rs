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
mod thresholds;

use std::collections::BTreeMap;

use circuits::graph::{Op, Port, PortKind, Program};

use super::calibrate::Calibration;
use super::QuantizeOptions;
use crate::float::float32::{Float32Graph, Float32Op};
use crate::float::graph::FloatGraph;

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
struct Seen {
    least: f64,
    most: f64,
}

/// A program, and for which data it is exact.
pub(super) struct Exact {
    pub program: Program,
    /// Scales of the data may be smaller than those of the samples by so many powers of two.
    pub room: u32,
}

/// The program, or why there is none of this model.
///
/// # Errors
/// What can't be held exactly, with the node.
pub(super) fn compile(
    graph: &FloatGraph,
    float32: &Float32Graph,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<Exact, String> {
    if options.private_weights {
        return Err("with private weights activations are calibrated".into());
    }
    if let Some(name) = options.steps.keys().next() {
        return Err(format!("input {name:?} takes the step of another program"));
    }
    let seen = seen(float32, calibration);
    let emitted = exact::emit(graph, float32, calibration, &seen)?;
    let visibility = |name: &str, default| options.ports.get(name).copied().unwrap_or(default);
    let port = |(port, (tensor, exponent)): (&crate::float::graph::FloatPort, &(_, i32)), default| Port {
        name: port.name.clone(),
        tensor: *tensor,
        shape: graph.node(port.value).shape.clone(),
        scale: f64::from(-exponent).exp2(),
        kind: PortKind::Real,
        visibility: visibility(&port.name, default),
    };
    let inputs = graph.inputs.iter().zip(&emitted.inputs).map(|pair| port(pair, options.input)).collect();
    let outputs = graph.outputs.iter().zip(&emitted.outputs).map(|pair| port(pair, options.output)).collect();
    let program = Program {
        name: graph.name.clone(),
        source_digest: graph.source_digest,
        options: BTreeMap::new(),
        private_weights: BTreeMap::new(),
        tables: emitted.tables,
        nodes: emitted.nodes,
        inputs,
        outputs,
    };
    program.validate().map_err(|error| error.to_string())?;
    circuits::analysis::ranges(&program).map_err(|error| error.to_string())?;
    Ok(Exact { program, room: emitted.room.min(MOST_ROOM).floor() as u32 })
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
fn seen(float32: &Float32Graph, calibration: &Calibration) -> Vec<Option<Seen>> {
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
