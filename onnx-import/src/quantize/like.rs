//! A model that was trained further, with the scales of the model that it was before.
//!
//! Keys of private weights depend on shapes, scales, shifts and tables. Calibration and rounding would choose others for each set of
//! weights; here they are chosen for the first model, and the other's weights are rounded to the steps that follow.

use circuits::graph::{Op, Program};

use super::{
    calibrate, choose_bits, compile_at, fidelity, segments, warnings, widths, Chosen, CompileReport, Compiled,
    QuantizeError,
};
use super::{check_options, default_shift, take, worst_nodes, QuantizeOptions};
use crate::float::graph::{FloatGraph, FloatOp};
use crate::samples::Samples;

/// Compiles `graph` to the program of `first` with other weights: all else is as [`compile`](super::compile) makes it of `first`,
/// with the same samples and options.
///
/// # Errors
/// What keeps `first` from being compiled; a model of another form; or weights that are too large for the steps of the first.
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
    let (samples, own_samples) = (samples?, own_samples?);
    let first = &*calibrate::settled(first, samples.as_ref(), options)?;
    let graph = &*calibrate::settled(graph, own_samples.as_ref(), options)?;
    check_form(first, graph)?;
    let mut calibrated = calibrate::calibrate(first, samples, options.ranges, options.room)?;
    for (port, statistics) in first.inputs.iter().zip(&mut calibrated.inputs) {
        statistics.given = options.steps.get(&port.name).copied();
    }
    let Chosen { widths, program, origins, steps, .. } = choose_bits(first, &calibrated, options)?;
    let (rounded, ..) = compile_at(graph, &calibrated, &widths, options, Some(&steps))?;
    let mut program = graft(program, &rounded)?;
    program.source_digest = graph.source_digest;
    // How good it is, is seen beside its own float model.
    let own = calibrate::calibrate(graph, own_samples, options.ranges, options.room)?;
    let bits = widths.most();
    let tried = vec![(bits, fidelity(graph, &program, &own)?)];
    let report = CompileReport {
        bits,
        narrower: widths::report(&widths, &program, &steps.entries),
        segmented: segments::report(&steps.segmented),
        shift: options.shift.unwrap_or_else(|| default_shift(bits)),
        calibration_samples: own.samples.len(),
        worst: worst_nodes(graph, &program, &origins, &own, options.worst_nodes)?,
        warnings: warnings(graph, &own, options, &tried),
        tried,
    };
    Ok(Compiled { program, origins, report })
}

/// Models of one form differ in the numbers of constants alone.
fn check_form(first: &FloatGraph, graph: &FloatGraph) -> Result<(), QuantizeError> {
    let unlike = |what: String| Err(QuantizeError::Unlike { what });
    if first.nodes.len() != graph.nodes.len() {
        return unlike(format!("{} operators where the first has {}", graph.nodes.len(), first.nodes.len()));
    }
    if (&first.inputs, &first.outputs) != (&graph.inputs, &graph.outputs) {
        return unlike("other inputs or outputs".into());
    }
    let differs = first.nodes.iter().zip(&graph.nodes).find(|(first, other)| {
        let same = match (&first.op, &other.op) {
            (FloatOp::Constant(_), FloatOp::Constant(_)) => true,
            (first, other) => first == other,
        };
        !same || first.shape != other.shape || first.element != other.element
    });
    match differs {
        Some((_, other)) => unlike(format!("another operator at node {:?}", other.provenance.join(", "))),
        None => Ok(()),
    }
}

/// A program with the weights of another one that has the same steps.
fn graft(mut program: Program, other: &Program) -> Result<Program, QuantizeError> {
    let unlike = |what: &str| Err(QuantizeError::Unlike { what: what.to_owned() });
    if program.nodes.len() != other.nodes.len() {
        return unlike("other nodes once it is quantized");
    }
    for (node, other) in program.nodes.iter_mut().zip(&other.nodes) {
        let (Op::Conv { weights, bias, .. }, Op::Conv { weights: others, bias: other_bias, .. }) =
            (&mut node.op, &other.op)
        else {
            continue;
        };
        if node.scale.to_bits() != other.scale.to_bits()
            || weights.len() != others.len()
            || bias.len() != other_bias.len()
        {
            return unlike(&format!("other scales at node {:?}", node.name));
        }
        (*weights, *bias) = (others.clone(), other_bias.clone());
    }
    program.validate()?;
    Ok(program)
}
