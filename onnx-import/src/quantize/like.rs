//! A model that was trained further, with the scales of the model that it was before.
//!
//! Keys of private weights depend on shapes, scales, shifts, tables and declared widths. Calibration, rounding and declaring would choose
//! others for each set of weights; here they are chosen for the first model, and the other's weights are rounded to the steps that follow.
//! Where weights are private, what comes of it is the first model's program with these weights, of its family by the way it is made, or it is
//! refused. Where they are public it has the first one's nodes and scales, and its own constants.

use circuits::analysis;
use circuits::graph::{Node, Program};

use super::calibrate::{self, Calibration};
use super::{check_options, declared, default_shift, take, worst_nodes, QuantizeOptions};
use super::{
    choose_bits, compile_at, exact, fidelity, float32, of_rest, reported, segments, warnings, widths, Chosen,
    CompileReport, Compiled, Exactness, QuantizeError,
};
use crate::float::float32::Float32Form;
use crate::float::graph::{FloatGraph, FloatOp, ValueId};
use crate::samples::Samples;

/// Compiles `graph` to the program of `first` with other weights: its nodes and scales are those that [`compile`](super::compile) gives
/// `first`, with the same samples and options. Where weights are private, both programs are of one family.
///
/// # Errors
/// What keeps `first` from being compiled; a model of another form; weights that are too large for the steps of the first; and where weights
/// are private, numbers that are public and others than those of the first, or that take more bits than it declares.
pub fn compile_like(
    first: &FloatGraph,
    graph: &FloatGraph,
    calibration: Option<&Samples>,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let compiled = compile_constants_like(first, graph, calibration, options);
    first.check_storage()?;
    graph.check_storage()?;
    compiled
}

/// [`compile_like`] of constants that are believed to be those of the models.
fn compile_constants_like(
    first: &FloatGraph,
    graph: &FloatGraph,
    calibration: Option<&Samples>,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    check_options(first, options)?;
    let [samples, own_samples] = [first, graph].map(|graph| take(graph, calibration, options));
    compile_taken_like((first, samples?), (graph, own_samples?), options)
}

/// [`compile_constants_like`] with samples that were taken from a file, those of each model.
fn compile_taken_like(
    (first, samples): (&FloatGraph, Option<calibrate::Taken>),
    (graph, own_samples): (&FloatGraph, Option<calibrate::Taken>),
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let first = &*calibrate::settled(first, samples.as_ref(), options)?;
    let graph = &*calibrate::settled(graph, own_samples.as_ref(), options)?;
    check_form(first, graph)?;
    let mut calibrated = calibrate::calibrate(first, samples, options.ranges, options.room)?;
    for (port, statistics) in first.inputs.iter().zip(&mut calibrated.inputs) {
        statistics.given = options.steps.get(&port.name).copied();
    }
    // How good it is, is seen beside its own float model.
    let own = calibrate::calibrate(graph, own_samples, options.ranges, options.room)?;
    let calibrated_because = match exact(first, &calibrated, options)? {
        Exactness::Exact(compiled) => {
            return exactly_like((first, &calibrated), &compiled.program, (graph, &own), options)
        }
        Exactness::Calibrated(reason) => reason,
    };
    let Chosen { widths, program, origins, steps, .. } = choose_bits(first, &calibrated, options)?;
    let (rounded, ..) = compile_at(graph, &calibrated, &widths, options, Some(&steps))?;
    let narrower = widths::report(&widths, &program, &steps.entries);
    let program = member(declared(program, &steps, options)?, rounded)?;
    let bits = widths.most();
    let tried = vec![(bits, fidelity(graph, &program, &own)?)];
    let beyond = CutOff::of(&program, &origins, &own)?;
    let report = CompileReport {
        bits,
        narrower,
        segmented: segments::report(&steps.segmented),
        shift: options.shift.unwrap_or_else(|| default_shift(bits)),
        calibration_samples: own.samples.len(),
        worst: worst_nodes(graph, &program, &origins, &own, options.worst_nodes)?,
        warnings: warnings(graph, &own, options, &tried)
            .into_iter()
            .chain(beyond.map(|beyond| beyond.told()))
            .chain(calibrated_because)
            .collect(),
        tried,
    };
    Ok(Compiled { program, origins, report })
}

/// The program of a model with dynamic scales in float32 arithmetic, as that of the first is: in units for the scales that the samples give in the
/// first, and with the first one's calibrated scales in what is not followed.
fn exactly_like(
    (first, calibrated): (&FloatGraph, &Calibration),
    compiled: &Program,
    (graph, own): (&FloatGraph, &Calibration),
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let inexact = |what| QuantizeError::Inexact { what };
    let unlike = || QuantizeError::Unlike {
        what: "other operators than the first computes in float32 arithmetic; compile both with calibrated scales"
            .into(),
    };
    let (Some(Ok(of_first)), Some(Ok(form))) = (&first.float32, &graph.float32) else { return Err(unlike()) };
    let kinds = |form: &Float32Form| {
        let nodes = form.split.followed.nodes.iter();
        nodes.map(|node| (std::mem::discriminant(&node.op), node.elements)).collect::<Vec<_>>()
    };
    if kinds(of_first) != kinds(form) {
        return Err(unlike());
    }
    let seen = float32::seen(&of_first.split.followed, calibrated);
    let held_first = float32::hold(first, of_first, calibrated, &seen, options).map_err(inexact)?;
    let held = float32::hold(graph, form, calibrated, &seen, options).map_err(inexact)?;
    let split = held.split.clone();
    let rest = match (&held_first.split.rest, &split.rest) {
        (None, None) => None,
        (Some(rest_of_first), Some(rest)) => {
            let taken = |samples| Some(calibrate::Taken::new(samples, own.labels.clone()));
            let (samples, own_samples) = (taken(held_first.samples(calibrated)), taken(held.samples(own)));
            Some(compile_taken_like((rest_of_first, samples), (rest, own_samples), &of_rest(options))?)
        }
        _ => return Err(unlike()),
    };
    let joined = held.join(graph, rest.as_ref().map(|rest| &rest.program), options).map_err(inexact)?;
    let own_seen = float32::seen(&form.split.followed, own);
    if let Some(node) = float32::leaving(&form.split.followed, &seen, &own_seen, joined.room) {
        let what = format!("node {node:?}: its scales on the samples leave those that the first model is computed for");
        return Err(inexact(what));
    }
    check_units(compiled, &joined.program)?;
    reported(graph, joined, &split, rest, own, options)
}

/// Refuses a program in float32 arithmetic whose inputs or outputs have other units than those of the first.
fn check_units(first: &Program, program: &Program) -> Result<(), QuantizeError> {
    let ports = |program: &Program| program.inputs.iter().chain(&program.outputs).cloned().collect::<Vec<_>>();
    let differs = ports(first).into_iter().zip(ports(program)).find(|(a, b)| a.scale.to_bits() != b.scale.to_bits());
    let unlike = |port: &str| QuantizeError::Unlike {
        what: format!(
            "numbers of another unit at {port:?}, computed in float32 arithmetic; compile both with calibrated scales"
        ),
    };
    differs.map_or(Ok(()), |(port, _)| Err(unlike(&port.name)))
}

/// Models of one form differ in the numbers of constants alone.
fn check_form(first: &FloatGraph, graph: &FloatGraph) -> Result<(), QuantizeError> {
    let unlike = |what: String| Err(QuantizeError::Unlike { what });
    if (&first.inputs, &first.outputs) != (&graph.inputs, &graph.outputs) && first.nodes.len() == graph.nodes.len() {
        return unlike("other inputs or outputs".into());
    }
    let differs = first.nodes.iter().zip(&graph.nodes).find(|(first, other)| {
        let same = match (&first.op, &other.op) {
            (FloatOp::Constant(_), FloatOp::Constant(_)) => true,
            (first, other) => is_alike(first, other),
        };
        !same || first.shape != other.shape || first.element != other.element
    });
    match differs {
        Some((_, other)) => {
            unlike(format!("another operator, or one with other attributes, at node {:?}", other.provenance.join(", ")))
        }
        None if first.nodes.len() != graph.nodes.len() => {
            unlike(format!("{} operators where the first has {}", graph.nodes.len(), first.nodes.len()))
        }
        None => Ok(()),
    }
}

/// Whether operators are equal but for the multipliers of quantized convolutions, which become part of their weights and biases.
fn is_alike(first: &FloatOp, other: &FloatOp) -> bool {
    let (FloatOp::QuantizedConv { requantization: own, .. }
    | FloatOp::QuantizedConvTranspose { requantization: own, .. }) = first
    else {
        return first == other;
    };
    let mut other = other.clone();
    if let FloatOp::QuantizedConv { requantization, .. } | FloatOp::QuantizedConvTranspose { requantization, .. } =
        &mut other
    {
        if requantization.multipliers.len() == own.multipliers.len() {
            (requantization.multipliers, requantization.offsets) = (own.multipliers.clone(), own.offsets.clone());
        }
    }
    *first == other
}

/// The program of the first model with the weights of another one, which was rounded to the same steps.
fn member(first: Program, rounded: Program) -> Result<Program, QuantizeError> {
    check_same_steps(&first, &rounded)?;
    if !first.has_private_weights() {
        return Ok(rounded);
    }
    let member = first.with_weights_of(&rounded)?;
    // Weights within their limbs may still give more than accumulators are declared for.
    analysis::ranges(&member).map_err(QuantizeError::Outgrown)?;
    Ok(member)
}

/// Refuses a program that came out with other nodes or scales than the first.
fn check_same_steps(first: &Program, rounded: &Program) -> Result<(), QuantizeError> {
    let unlike = |what: String| Err(QuantizeError::Unlike { what });
    let other_form = |(first, other): &(&Node, &Node)| {
        first.shape != other.shape || std::mem::discriminant(&first.op) != std::mem::discriminant(&other.op)
    };
    let pairs = || first.nodes.iter().zip(&rounded.nodes);
    if let Some((_, other)) = pairs().find(other_form) {
        return unlike(format!("another form at node {:?} once it is quantized", other.name));
    }
    if first.nodes.len() != rounded.nodes.len() {
        return unlike("other nodes once it is quantized".into());
    }
    match pairs().find(|(first, other)| first.scale.to_bits() != other.scale.to_bits()) {
        Some((_, other)) => unlike(format!("another scale at node {:?}", other.name)),
        None => Ok(()),
    }
}

/// Values of a model that leave the range which the first one's program has for them: they are cut off at its ends.
struct CutOff<'a> {
    /// How many.
    count: usize,
    /// The node whose values leave it farthest.
    farthest: &'a Node,
    /// Their magnitude in multiples of that of the end which they leave it at.
    ratio: f64,
}

impl<'a> CutOff<'a> {
    /// What calibration on the model's own values shows, if some leave their ranges by more than a step.
    fn of(program: &'a Program, origins: &[Option<ValueId>], own: &Calibration) -> Result<Option<Self>, QuantizeError> {
        let ranges = analysis::ranges(program).map_err(QuantizeError::Outgrown)?;
        let mut all: Option<Self> = None;
        for ((node, range), origin) in program.nodes.iter().zip(ranges).zip(origins) {
            let (Some(origin), Some(_)) = (origin, node.op.table()) else { continue };
            let seen = own.seen(*origin);
            let (lo, hi) = (range.value.lo as f64 * node.scale, range.value.hi as f64 * node.scale);
            let ratio = [(hi, seen.hi), (-lo, -seen.lo)]
                .into_iter()
                .filter(|(end, seen)| *seen > end + node.scale)
                .map(|(end, seen)| seen / end.max(node.scale))
                .fold(0.0, f64::max);
            if ratio == 0.0 {
                continue;
            }
            let (count, farthest) = all.map_or((0, None), |all| (all.count, Some((all.farthest, all.ratio))));
            let (farthest, ratio) = farthest.filter(|&(_, most)| most >= ratio).unwrap_or((node, ratio));
            all = Some(Self { count: count + 1, farthest, ratio });
        }
        Ok(all)
    }

    /// For people.
    fn told(&self) -> String {
        let Self { count, farthest, ratio } = self;
        let values = if *count == 1 {
            "the values of a node leave".into()
        } else {
            format!("the values of {count} nodes leave")
        };
        format!(
            "{values} the ranges of the first model on the calibration samples, and are cut off there: those of {:?} reach {ratio:.2} times \
             as far; the accuracy tells what that costs",
            farthest.name
        )
    }
}
