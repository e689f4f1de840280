//! Quantization: from the float graph to the integer program that is proved.
//!
//! ```text
//! float graph ─► calibrate ─► lower ─► rewrite ─► scales ─► emit ─► integer program
//!                ranges       plan     plan       steps     rounding, tables
//! ```
//!
//! Every tensor is symmetric fixed point, `real = scale · q`. The multiplier that brings an accumulator to the scale of its
//! result is part of the integer weights; so each output channel has its own for free. What goes straight to an
//! output of the model stays an exact accumulator. Nothing depends on time, threads or hash order: the same model,
//! samples and options give the same program.

mod calibrate;
mod emit;
mod emit_average;
mod emit_missing;
mod emit_normalize;
mod emit_quantized;
mod emit_quantized_normalize;
mod emit_softmax;
mod emit_trees;
mod emit_wide;
mod error;
mod float32;
mod forests;
mod function;
mod fuse;
mod interface;
mod kernel;
mod like;
mod lower;
mod narrow;
mod plan;
mod ranges;
mod repeated;
mod rewrite;
mod scales;
mod segments;
mod siblings;
mod thresholds;
mod widths;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use circuits::analysis::{self, Headroom, Interval};
use circuits::graph::{Op, Port, PortKind, Program, TableId, TensorId, Visibility};
use circuits::layout::ACCUMULATOR_BITS;
use circuits::reference::Trace;

pub(crate) use emit_average::average_fits;
pub(crate) use emit_quantized_normalize::normalization_fits;
pub(crate) use emit_wide::wide_normalization_fits;
pub use error::QuantizeError;
pub use interface::{
    check_exact, dequantize_outputs, quantize_for_interface, quantize_inputs, quantize_sample, InputError,
    QuantizedInputs,
};
pub use like::compile_like;
pub use ranges::Ranges;

use crate::accuracy::{self, Fidelity, NodeDifference, NodeDifferences};
use crate::float::float32::Split;
use crate::float::graph::{Element, FloatGraph, Tensor, ValueId};
use crate::float::typed::{Beyond, Bounds};
use crate::samples::{SampleError, Samples};
use calibrate::Calibration;
use plan::{Plan, PlanId};
use widths::Widths;

/// Widths that are tried, in this order, where none is given; with a target, of those that are left out the one below the first that is
/// good.
const WIDTHS: [u32; 7] = [8, 9, 10, 11, 12, 14, 16];
/// The largest width that is taken where none is good: wider ones cost more than they help.
const FALLBACK: u32 = 12;
/// How much closer to the float model a wider program must be there to be taken.
const CLOSER: f64 = 0.8;
/// Multiply-adds that the choice of a width may take; large models are judged on fewer samples.
const AUTO_WORK: u64 = 1 << 29;
/// Fewest samples that a width is judged on.
const AUTO_LEAST_SAMPLES: usize = 4;

/// Samples that the worst nodes are found on.
const WORST_SAMPLES: usize = 4;

/// How many bits activations have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Bits {
    /// The fewest of 8 to 12, 14 and 16 that agree with the float model on the calibration samples ([`Fidelity::is_good`]), whose
    /// labels have no say; if none does, the fewest up to 12 that come about as close as any.
    #[default]
    Auto,
    /// The fewest of 8 to 16 for which [`Fidelity::kept`] is at least this, above 0 and at most 1; if for none, as above. Where they are
    /// more than 8, tables lose the bits that this does not take.
    Keeping(f64),
    /// So many for all, 8 to 16.
    Fixed(u32),
}

impl Bits {
    /// The widths to try until one is [good](Self::is_good).
    fn candidates(self) -> Vec<u32> {
        match self {
            Self::Auto | Self::Keeping(_) => WIDTHS.to_vec(),
            Self::Fixed(bits) => vec![bits],
        }
    }

    fn is_good(self, fidelity: &Fidelity) -> bool {
        match self {
            Self::Auto => fidelity.is_good(),
            Self::Keeping(target) => fidelity.kept() >= target,
            Self::Fixed(_) => true,
        }
    }

    /// How far from the float model a program is that is not good.
    fn distance(self, fidelity: &Fidelity) -> f64 {
        match self {
            Self::Auto => fidelity.excess(),
            Self::Keeping(_) | Self::Fixed(_) => 1.0 - fidelity.kept(),
        }
    }
}

/// How a model with dynamic scales is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamicScales {
    /// Exactly where that is possible and takes at most [`MAX_EXACT_ROWS`] rows, else calibrated.
    #[default]
    Auto,
    /// In float32 arithmetic, with the runtime's results to the bit.
    Exact,
    /// In reals with calibrated scales.
    Calibrated,
}

/// Rows, by a rough count of those of operators on wide integers, up to which float32 arithmetic is followed where nothing else is asked for.
pub const MAX_EXACT_ROWS: usize = 1 << 19;

/// What can be chosen when a model is compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizeOptions {
    /// Bits of activations.
    pub bits: Bits,
    /// Bits dropped by requantization, even, 8 to 32; `None` chooses by the bits. Single nodes may need another shift.
    pub shift: Option<u32>,
    /// Who sees the inputs that are not in `ports`.
    pub input: Visibility,
    /// Who sees the outputs that are not in `ports`.
    pub output: Visibility,
    /// Who sees single inputs and outputs, by name.
    pub ports: BTreeMap<String, Visibility>,
    /// How the ranges of inner values are found.
    pub ranges: Ranges,
    /// Whether ranges that a single sample shows reach further, for other samples; without it they fit that sample alone.
    pub room: bool,
    /// Most samples of the calibration file that are used.
    pub calibration_limit: usize,
    /// How many of the worst nodes are reported; finding them takes further runs of the model and the program.
    pub worst_nodes: usize,
    /// The integers that single inputs take, by name, where calibration is not to choose them: those of an output of another program,
    /// which then can be what this one takes.
    pub steps: BTreeMap<String, InputStep>,
    /// The inputs whose elements may be missing (NaN), besides those of which a calibration sample has NaN.
    pub missing: BTreeSet<String>,
    /// Whether the weights are to be private, as [`Program::with_private_weights_and`] declares them; the entries of constant tables that are
    /// picked from, such as embeddings, then become weights, too, rather than tables, which are public.
    pub private_weights: bool,
    /// By how much private weights may be outgrown by those of a model that is trained further.
    pub headroom: Headroom,
    /// How dynamic scales are computed, where the model has some.
    pub dynamic: DynamicScales,
}

/// The integers that an input takes, and what they stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputStep {
    /// `real = scale · q`; positive and finite.
    pub scale: f64,
    /// Smallest integer.
    pub lo: i64,
    /// Largest integer.
    pub hi: i64,
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            bits: Bits::Auto,
            shift: None,
            input: Visibility::Public,
            output: Visibility::Public,
            ports: BTreeMap::new(),
            ranges: Ranges::Extremes,
            room: true,
            calibration_limit: 256,
            worst_nodes: 0,
            steps: BTreeMap::new(),
            missing: BTreeSet::new(),
            private_weights: false,
            headroom: Headroom::default(),
            dynamic: DynamicScales::Auto,
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The integer program, well formed.
    pub program: Program,
    /// For each node of the program the value of the float graph that it stands for, element by element, where there is
    /// one.
    pub origins: Vec<Option<ValueId>>,
    /// How it came about.
    pub report: CompileReport,
}

/// A table that lost bits, as the program keeps its accuracy without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarrowerTable {
    /// Name of the function.
    pub function: String,
    /// Names of the nodes whose results it gives.
    pub nodes: Vec<String>,
    /// How many bits less than others its arguments have.
    pub fewer_bits: u32,
    /// Its entries.
    pub entries: usize,
}

/// A function that is computed by segments, since its table would weigh more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentedFunction {
    /// Name of the function.
    pub function: String,
    /// Number of the segments, each with a slope and an offset.
    pub segments: usize,
    /// Entries of the table that they take the place of.
    pub entries: usize,
}

/// What the compiler chose and how well it does.
#[derive(Clone, Debug)]
pub struct CompileReport {
    /// Bits of activations, but for what [`narrower`](Self::narrower) tells.
    pub bits: u32,
    /// The tables that have fewer entries than so many bits ask for.
    pub narrower: Vec<NarrowerTable>,
    /// The functions that are computed by segments.
    pub segmented: Vec<SegmentedFunction>,
    /// The common shift.
    pub shift: u32,
    /// Samples used for calibration.
    pub calibration_samples: usize,
    /// How close the program is to the float model on calibration samples, for each width that was tried, the chosen one
    /// last; where tables are narrower, that is once more the width that most has.
    pub tried: Vec<(u32, Fidelity)>,
    /// The nodes of the program that are farthest off, relative to their range, the worst first; as many as were asked for.
    pub worst: Vec<NodeDifference>,
    /// Things to know about, for people.
    pub warnings: Vec<String>,
}

impl CompileReport {
    /// The report of a program in which nothing was chosen.
    fn empty() -> Self {
        Self {
            bits: FLOAT32_BITS,
            narrower: Vec::new(),
            segmented: Vec::new(),
            shift: 0,
            calibration_samples: 0,
            tried: Vec::new(),
            worst: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Compiles a float graph into an integer program.
///
/// Without a calibration file the ranges come from random inputs, which is rarely what a trained model expects; the
/// report then warns.
///
/// # Errors
/// Operators without an integer form, samples that do not fit, options out of range, files with constants that changed after the
/// model was read; see [`QuantizeError`].
pub fn compile(
    graph: &FloatGraph,
    calibration: Option<&Samples>,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let compiled = compile_constants(graph, calibration, options);
    // Whatever else is wrong, it may come of that.
    graph.check_storage()?;
    compiled
}

/// [`compile`] of constants that are believed to be those of the model.
fn compile_constants(
    graph: &FloatGraph,
    calibration: Option<&Samples>,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    check_options(graph, options)?;
    compile_taken(graph, take(graph, calibration, options)?, options)
}

/// [`compile_constants`] with samples that were taken from a file.
fn compile_taken(
    graph: &FloatGraph,
    samples: Option<calibrate::Taken>,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let settled = calibrate::settled(graph, samples.as_ref(), options)?;
    let graph = &*settled;
    let mut calibrated = calibrate::calibrate(graph, samples, options.ranges, options.room)?;
    for (port, statistics) in graph.inputs.iter().zip(&mut calibrated.inputs) {
        statistics.given = options.steps.get(&port.name).copied();
    }
    let calibrated_because = match exact(graph, &calibrated, options)? {
        Exactness::Exact(compiled) => return Ok(*compiled),
        Exactness::Calibrated(reason) => reason,
    };
    let Chosen { widths, program, origins, tried, steps } = choose_bits(graph, &calibrated, options)?;
    let program = declared(program, &steps, options)?;
    let worst = worst_nodes(graph, &program, &origins, &calibrated, options.worst_nodes)?;
    let bits = widths.most();
    let report = CompileReport {
        bits,
        narrower: widths::report(&widths, &program, &steps.entries),
        segmented: segments::report(&steps.segmented),
        shift: options.shift.unwrap_or_else(|| default_shift(bits)),
        calibration_samples: calibrated.samples.len(),
        worst,
        warnings: warnings(graph, &calibrated, options, &tried).into_iter().chain(calibrated_because).collect(),
        tried,
    };
    Ok(Compiled { program, origins, report })
}

/// A program with its weights private, where they are to be.
fn declared(program: Program, steps: &Steps, options: &QuantizeOptions) -> Result<Program, QuantizeError> {
    match options.private_weights {
        true => Ok(program.with_private_weights_and(options.headroom, &steps.weight_bits)?),
        false => Ok(program),
    }
}

/// Whether a model has a program in float32 arithmetic.
enum Exactness {
    /// This one.
    Exact(Box<Compiled>),
    /// None is made, and if the model has dynamic scales, why.
    Calibrated(Option<String>),
}

/// Significant bits of activations in float32 arithmetic.
const FLOAT32_BITS: u32 = 24;

/// Refuses a program that nobody asked for and that the circuit does not have, or in many rows.
fn check_affordable(program: &Program, asked: DynamicScales) -> Result<(), String> {
    if asked == DynamicScales::Exact {
        return Ok(());
    }
    let rows = float32::rows(program);
    if rows > MAX_EXACT_ROWS {
        return Err(format!("that would take about {rows} rows, more than {MAX_EXACT_ROWS}; ask for exact dynamic scales if that is worth it"));
    }
    circuits::layout::compile(program, &Default::default()).map_err(|error| error.to_string())?;
    Ok(())
}

/// The program in float32 arithmetic, for models with dynamic scales, with calibrated scales where these are not followed.
fn exact(graph: &FloatGraph, calibration: &Calibration, options: &QuantizeOptions) -> Result<Exactness, QuantizeError> {
    let Some(form) = &graph.float32 else { return Ok(Exactness::Calibrated(None)) };
    if options.dynamic == DynamicScales::Calibrated {
        return Ok(Exactness::Calibrated(None));
    }
    let refused = |what: String| match options.dynamic {
        DynamicScales::Exact => Err(QuantizeError::Inexact { what }),
        _ => {
            let reason = format!("dynamic scales are calibrated, not computed as the runtime does: {what}");
            Ok(Exactness::Calibrated(Some(reason)))
        }
    };
    let form = match form {
        Ok(form) => form,
        Err(reason) => return refused(reason.clone()),
    };
    let seen = float32::seen(&form.split.followed, calibration);
    let held = match float32::hold(graph, form, calibration, &seen, options) {
        Ok(held) => held,
        Err(reason) => return refused(reason),
    };
    let split = held.split.clone();
    if options.dynamic == DynamicScales::Exact && split.approximated > 0 {
        return refused(split.reasons.first().cloned().unwrap_or_default());
    }
    let rest = match &split.rest {
        Some(rest) => Some(compile_rest(rest, held.samples(calibration), calibration, options)?),
        None => None,
    };
    let program = held.join(graph, rest.as_ref().map(|rest| &rest.program), options);
    let joined = program.and_then(|joined| check_affordable(&joined.program, options.dynamic).map(|()| joined));
    match joined {
        Ok(joined) => Ok(Exactness::Exact(Box::new(reported(graph, joined, &split, rest, calibration, options)?))),
        Err(reason) => refused(reason),
    }
}

/// A program in float32 arithmetic, that of the rest taken in, with what is told of it.
fn reported(
    graph: &FloatGraph,
    joined: float32::Joined,
    split: &Split,
    rest: Option<Compiled>,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let float32::Joined { program, room } = joined;
    check_integers(graph, |number| {
        let port = &program.inputs[number];
        (&program.node(port.tensor).op, port.scale)
    })?;
    let told = told(&program, room, split);
    let whole = fidelity(graph, &program, calibration)?;
    let (bits, mut tried) =
        rest.as_ref().map_or((FLOAT32_BITS, vec![]), |rest| (rest.report.bits, rest.report.tried.clone()));
    tried.pop();
    tried.push((bits, whole));
    let mut remarks = warnings(graph, calibration, options, &tried);
    remarks.retain(|remark| !graph.remarks.contains(remark));
    let rest_report = rest.map(|rest| rest.report);
    let report = CompileReport {
        bits,
        calibration_samples: calibration.samples.len(),
        warnings: remarks.into_iter().chain([told]).collect(),
        tried,
        ..rest_report.unwrap_or_else(CompileReport::empty)
    };
    let origins = vec![None; program.nodes.len()];
    Ok(Compiled { program, origins, report })
}

/// The program of what is not followed, with calibrated scales.
fn compile_rest(
    rest: &FloatGraph,
    samples: Vec<Vec<Tensor>>,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<Compiled, QuantizeError> {
    let taken = calibrate::Taken::new(samples, calibration.labels.clone());
    compile_taken(rest, Some(taken), &of_rest(options))
}

/// The options for what is not followed.
fn of_rest(options: &QuantizeOptions) -> QuantizeOptions {
    QuantizeOptions { dynamic: DynamicScales::Calibrated, missing: BTreeSet::new(), ..options.clone() }
}

/// For which inputs and how far a program is exact, for people.
fn told(program: &Program, room: u32, split: &Split) -> String {
    let held = format!(
        "for inputs that are {}, as long as the range of every tensor inside that is quantized is at most {} times the largest one on the \
         samples and at least 1/{} of the smallest",
        admitted(program),
        float32::ABOVE,
        1u64 << room
    );
    if split.rest.is_none() {
        return format!(
            "dynamic scales are computed in float32 arithmetic: outputs are onnxruntime's to the bit {held}"
        );
    }
    let calibrated = match split.approximated {
        0 => String::new(),
        count => format!(" ({count} results of dynamic quantization are among it)"),
    };
    format!(
        "dynamic scales are computed in float32 arithmetic as far as that is followed, and what is is onnxruntime's to the bit {held}; what \
         depends on the following is computed in reals with calibrated scales{calibrated}: {}",
        first_of(&split.reasons)
    )
}

/// The first of some reasons, and how many there are beside them.
fn first_of(reasons: &[String]) -> String {
    const SHOWN: usize = 3;
    let (shown, more) = reasons.split_at(reasons.len().min(SHOWN));
    let more = if more.is_empty() { String::new() } else { format!("; and {} more nodes", more.len()) };
    format!("{}{more}", shown.join("; "))
}

/// Which inputs a program takes as they are, for people: others are rounded, or set to an end.
fn admitted(program: &Program) -> String {
    let of_port = |port: &Port| {
        let Op::Input { lo, hi } = program.node(port.tensor).op else {
            unreachable!("ports of inputs name input nodes")
        };
        let [lo, hi] = [lo, hi].map(|end| end as f64 * port.scale);
        format!("multiples of {:e} from {lo} to {hi} ({:?})", port.scale, port.name)
    };
    program.inputs.iter().map(of_port).collect::<Vec<_>>().join(" and ")
}

/// The samples of a file that a model is calibrated on; its inputs are those of the graph when it is settled, too.
fn take(
    graph: &FloatGraph,
    calibration: Option<&Samples>,
    options: &QuantizeOptions,
) -> Result<Option<calibrate::Taken>, SampleError> {
    calibration.map(|samples| calibrate::Taken::of(graph, samples, options.calibration_limit)).transpose()
}

/// A program of the widths that were chosen.
#[derive(Clone)]
struct Chosen {
    widths: Widths,
    program: Program,
    origins: Vec<Option<ValueId>>,
    steps: Steps,
    /// That of [`CompileReport`].
    tried: Vec<(u32, Fidelity)>,
}

/// What is chosen for a model beside its rounded weights.
#[derive(Clone)]
struct Steps {
    scales: scales::Scales,
    /// What they are for.
    plan: Arc<Plan>,
    /// Of each node of the plan.
    shifts: Vec<Option<u32>>,
    /// Of quantized convolutions.
    channels: BTreeMap<PlanId, emit_quantized::ChannelPlan>,
    /// Bits that private weights of quantized convolutions have by their type.
    weight_bits: BTreeMap<TensorId, u32>,
    /// What the entries of tables follow from.
    entries: Vec<(TableId, emit::EntriesOf)>,
    /// What is computed by segments.
    segmented: Vec<segments::Segmented>,
}

/// The first width that is good enough, or else the narrowest up to the [fallback](FALLBACK) beside which wider ones are hardly closer.
fn choose_bits(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<Chosen, QuantizeError> {
    let mut tried: Vec<(u32, Fidelity)> = Vec::new();
    let mut fallback: Option<(f64, Chosen)> = None;
    for (number, bits) in options.bits.candidates().into_iter().enumerate() {
        let (chosen, fidelity) = match at_width(graph, calibration, options, bits) {
            // Wider integers may not fit where narrower ones did.
            Err(_) if fallback.is_some() => break,
            Ok((chosen, _)) if fallback.is_some() && !accumulators_fit(&chosen.program) => break,
            compiled => compiled?,
        };
        let (good, distance) = (options.bits.is_good(&fidelity), options.bits.distance(&fidelity));
        tried.push((bits, fidelity));
        if good {
            // Where the narrowest width is good, tables are short. Without a target it stays at one width: of many programs that are
            // good on a few samples, the cheapest is good by chance.
            return match (number, options.bits) {
                (1.., Bits::Keeping(_)) => narrower(graph, calibration, options, chosen, tried),
                _ => by_segments(graph, calibration, options, Chosen { tried, ..chosen }),
            };
        }
        if fallback.as_ref().is_none_or(|(least, _)| bits <= FALLBACK && distance <= CLOSER * least) {
            fallback = Some((distance, chosen));
        }
    }
    let (_, fallback) = fallback.expect("the narrowest width is tried, and good or a fallback");
    let chosen = tried.iter().position(|(width, _)| *width == fallback.widths.most()).expect("it was tried");
    tried[chosen..].rotate_left(1);
    by_segments(graph, calibration, options, Chosen { tried, ..fallback })
}

/// A program, with functions by segments where that is cheaper.
fn by_segments(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    chosen: Chosen,
) -> Result<Chosen, QuantizeError> {
    Ok(match segments::cheaper(graph, calibration, options, &chosen)? {
        Some(cheaper) => Chosen { tried: chosen.tried.into_iter().chain(cheaper.tried).collect(), ..cheaper },
        None => chosen,
    })
}

/// The program of one width, and how close it is to the float model.
fn at_width(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    bits: u32,
) -> Result<(Chosen, Fidelity), QuantizeError> {
    let widths = Widths::uniform(bits);
    let (program, origins, steps) = compile_at(graph, calibration, &widths, options, None)?;
    let fidelity = fidelity(graph, &program, calibration)?;
    Ok((Chosen { widths, program, origins, steps, tried: Vec::new() }, fidelity))
}

/// The cheapest of the first good program and those that become of it: of one bit less, where that was left out, with functions by segments, and
/// where tables lose bits, from these widths on or from one bit more.
fn narrower(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    mut chosen: Chosen,
    mut tried: Vec<(u32, Fidelity)>,
) -> Result<Chosen, QuantizeError> {
    let bits = chosen.widths.most();
    let mut wider = None;
    let left_out = tried.iter().all(|&(other, _)| other + 1 != bits);
    let less = left_out.then(|| at_width(graph, calibration, options, bits - 1).ok()).flatten();
    if let Some((less, fidelity)) = less {
        if options.bits.is_good(&fidelity) {
            tried.push((bits - 1, fidelity));
            wider = Some(std::mem::replace(&mut chosen, less));
        } else {
            tried.insert(tried.len() - 1, (bits - 1, fidelity));
        }
    }
    if wider.is_none() && bits < WIDTHS[WIDTHS.len() - 1] {
        let more = at_width(graph, calibration, options, bits + 1).ok();
        wider = more.map(|(more, _)| more).filter(|more| accumulators_fit(&more.program));
    }
    let segmented = |chosen: &Chosen| segments::cheaper(graph, calibration, options, chosen);
    let by_segments = segmented(&chosen)?;
    let wider = match wider {
        Some(wider) => Some(segmented(&wider)?.unwrap_or(wider)),
        None => None,
    };
    let chosen = Chosen { tried, ..chosen };
    let starts = [Some(chosen.clone()), by_segments.clone(), wider].into_iter().flatten().collect();
    let narrowed = widths::cheapest(graph, calibration, options, starts)?;
    let of = |chosen: &Chosen| widths::cost_of(&chosen.program);
    let cheapest = narrowed.into_iter().chain(by_segments).min_by(|a, b| of(a).total_cmp(&of(b)));
    Ok(match cheapest {
        Some(cheaper) => Chosen { tried: chosen.tried.into_iter().chain(cheaper.tried).collect(), ..cheaper },
        None => chosen,
    })
}

/// Whether the circuit admits all accumulators.
fn accumulators_fit(program: &Program) -> bool {
    let fits = |interval: Interval| interval.magnitude() < 1 << ACCUMULATOR_BITS;
    analysis::ranges(program).is_ok_and(|ranges| ranges.iter().filter_map(|range| range.accumulator).all(fits))
}

fn check_options(graph: &FloatGraph, options: &QuantizeOptions) -> Result<(), QuantizeError> {
    let refuse = |option, value: String, admissible| Err(QuantizeError::Option { option, value, admissible });
    match options.bits {
        Bits::Fixed(bits) if !(8..=16).contains(&bits) => return refuse("bits", bits.to_string(), "8 to 16"),
        Bits::Keeping(target) if !(target > 0.0 && target <= 1.0) => {
            return refuse("accuracy", target.to_string(), "numbers above 0 and at most 1");
        }
        _ => {}
    }
    let Headroom { weights, accumulators } = options.headroom;
    if weights.max(accumulators) > Headroom::MAX {
        return refuse("head-room", weights.max(accumulators).to_string(), "0 to 16");
    }
    match options.shift {
        Some(shift) if !(8..=32).contains(&shift) || shift % 2 == 1 => {
            return refuse("shift", shift.to_string(), "the even numbers from 8 to 32");
        }
        _ => {}
    }
    match options.ranges {
        Ranges::Percentile(percentile) if !(percentile > 50.0 && percentile < 100.0) => {
            return refuse("percentile", percentile.to_string(), "the open interval from 50 to 100");
        }
        _ => {}
    }
    if options.calibration_limit == 0 {
        return refuse("calibration limit", "0".into(), "the positive integers");
    }
    let possible = |step: &InputStep| step.scale.is_finite() && step.scale > 0.0 && step.lo <= step.hi;
    if let Some((_, step)) = options.steps.iter().find(|(_, step)| !possible(step)) {
        return refuse("input step", format!("{step:?}"), "positive scales with a range");
    }
    let is_input = |name: &String| graph.inputs.iter().any(|port| port.name == *name);
    if let Some(name) = options.steps.keys().find(|name| !is_input(name)) {
        return Err(QuantizeError::NoSuchPort { direction: "input", name: name.clone() });
    }
    let known = |name: &String| graph.inputs.iter().chain(&graph.outputs).any(|port| port.name == *name);
    match options.ports.keys().find(|name| !known(name)) {
        Some(name) => Err(QuantizeError::NoSuchPort { direction: "input or output", name: name.clone() }),
        None => Ok(()),
    }
}

/// Limb tables have half as many bits; more bits of activation need finer weights.
fn default_shift(bits: u32) -> u32 {
    match bits {
        ..=10 => 16,
        11..=12 => 18,
        _ => 20,
    }
}

/// Compiles at a width, with steps of its own or those that were chosen for a model of the same form.
fn compile_at(
    graph: &FloatGraph,
    calibration: &Calibration,
    widths: &Widths,
    options: &QuantizeOptions,
    given: Option<&Steps>,
) -> Result<(Program, Vec<Option<ValueId>>, Steps), QuantizeError> {
    let bits = widths.most();
    let ranges = calibration.ranges(graph, options.ranges, bits);
    let mut plan = lower::lower(graph, calibration, &ranges, bits)?;
    rewrite::rewrite(&mut plan);
    narrow::narrow(&mut plan, calibration, bits);
    let shift = options.shift.unwrap_or_else(|| default_shift(bits));
    let own = scales::Scales::choose(&mut plan, calibration, widths, shift);
    if let Some(id) = given.and_then(|given| plan.differing(&given.plan)) {
        let what = format!("another form at node {:?} once its constants are taken in", plan.node(id).label());
        return Err(QuantizeError::Unlike { what });
    }
    let scales = given.map_or(own, |given| given.scales.clone());
    let mut emitted = emit::emit(&plan, &scales, shift, given, options.private_weights)?;
    check_integers(graph, |number| {
        let node = &emitted.nodes[emitted.inputs[&number].0 as usize];
        (&node.op, node.scale)
    })?;
    let steps = Steps {
        scales,
        plan: Arc::new(plan),
        shifts: std::mem::take(&mut emitted.shifts),
        channels: std::mem::take(&mut emitted.channels),
        weight_bits: std::mem::take(&mut emitted.weight_bits),
        entries: std::mem::take(&mut emitted.entries),
        segmented: std::mem::take(&mut emitted.segmented),
    };
    let visibility = |name: &str, default| options.ports.get(name).copied().unwrap_or(default);
    let input = |(number, port): (usize, &crate::float::graph::FloatPort)| {
        let tensor = emitted.inputs[&number];
        let node = graph.node(port.value);
        let step = emitted.nodes[tensor.0 as usize].scale;
        let visibility = visibility(&port.name, options.input);
        let kind = if port.nullable { PortKind::Nullable } else { kind_of(node.element, step) };
        Port { name: port.name.clone(), tensor, shape: node.shape.clone(), scale: step, kind, visibility }
    };
    let output = |(port, &(tensor, step)): (&crate::float::graph::FloatPort, &_)| {
        let node = graph.node(port.value);
        let visibility = visibility(&port.name, options.output);
        let kind = kind_of(node.element, step);
        Port { name: port.name.clone(), tensor, shape: node.shape.clone(), scale: step, kind, visibility }
    };
    let inputs: Vec<Port> = graph.inputs.iter().enumerate().map(input).collect();
    check_steps(&inputs, options)?;
    let outputs = graph.outputs.iter().zip(&emitted.outputs).map(output).collect();
    let program = Program {
        name: graph.name.clone(),
        source_digest: graph.source_digest,
        options: BTreeMap::new(),
        private_weights: BTreeMap::new(),
        inputs,
        outputs,
        tables: emitted.tables,
        nodes: emitted.nodes,
    };
    program.validate()?;
    Ok((program, emitted.origins, steps))
}

/// Refuses integers that may wrap around in the model for inputs that the program takes, since those of the program do not. `input` gives the
/// operator and the scale of an input of the model in the program.
fn check_integers<'a>(graph: &FloatGraph, input: impl Fn(usize) -> (&'a Op, f64)) -> Result<(), QuantizeError> {
    let bounds = |number| {
        let (&Op::Input { lo, hi }, scale) = input(number) else { unreachable!("ports of inputs name input nodes") };
        Bounds { lo: lo as f64 * scale, hi: hi as f64 * scale }
    };
    match graph.integers.beyond(bounds) {
        Some(Beyond { node, data_type, lo, hi }) => Err(QuantizeError::WrapsAround { node, data_type, lo, hi }),
        None => Ok(()),
    }
}

/// An input with a quantizer of its own, or of integers, has the step that the model says.
fn check_steps(inputs: &[Port], options: &QuantizeOptions) -> Result<(), QuantizeError> {
    let other = |port: &&Port| {
        let given = options.steps.get(&port.name);
        given.is_some_and(|step| step.scale.to_bits() != port.scale.to_bits() || port.kind != PortKind::Real)
    };
    match inputs.iter().find(other) {
        Some(port) => Err(QuantizeError::InputStep { input: port.name.clone(), scale: port.scale }),
        None => Ok(()),
    }
}

fn kind_of(element: Element, step: f64) -> PortKind {
    if element != Element::Real && step == 1.0 {
        PortKind::Index
    } else {
        PortKind::Real
    }
}

/// Multiply-adds of one run.
fn work(program: &Program) -> u64 {
    let of = |node: &circuits::graph::Node| match &node.op {
        Op::Conv { weights, bias, .. } => (weights.len() / bias.len().max(1)) as u64 * node.elements() as u64,
        _ => node.elements() as u64,
    };
    program.nodes.iter().map(of).sum()
}

/// Samples out of the first `most` that may be run in the time that there is for choices.
fn affordable(program: &Program, least: usize, most: usize) -> usize {
    ((AUTO_WORK / work(program).max(1)) as usize).max(least).min(most)
}

fn worst_nodes(
    graph: &FloatGraph,
    program: &Program,
    origins: &[Option<ValueId>],
    calibration: &Calibration,
    most: usize,
) -> Result<Vec<NodeDifference>, QuantizeError> {
    if most == 0 {
        return Ok(Vec::new());
    }
    let mut differences = NodeDifferences::new(graph, program, origins);
    let count = affordable(program, 1, WORST_SAMPLES.min(calibration.samples.len()));
    for inputs in &calibration.samples[..count] {
        differences.add(inputs, &run(program, inputs)?)?;
    }
    let mut worst = differences.worst();
    worst.truncate(most);
    Ok(worst)
}

fn run(program: &Program, inputs: &[Tensor]) -> Result<Trace, QuantizeError> {
    let quantized = quantize_inputs(program, inputs).expect("calibration samples fit the model and are finite");
    Ok(circuits::reference::run(program, &quantized.values)?)
}

fn fidelity(graph: &FloatGraph, program: &Program, calibration: &Calibration) -> Result<Fidelity, QuantizeError> {
    let count = affordable(program, AUTO_LEAST_SAMPLES, calibration.samples.len());
    let mut integer = Vec::with_capacity(count);
    for inputs in &calibration.samples[..count] {
        integer.push(dequantize_outputs(program, &run(program, inputs)?.outputs(program)));
    }
    let indices = graph.outputs.iter().map(|port| graph.node(port.value).element != Element::Real).collect::<Vec<_>>();
    let labels = &calibration.labels[..calibration.labels.len().min(count)];
    Ok(accuracy::fidelity(&calibration.outputs[..count], &integer, &indices, labels))
}

fn warnings(
    graph: &FloatGraph,
    calibration: &Calibration,
    options: &QuantizeOptions,
    tried: &[(u32, Fidelity)],
) -> Vec<String> {
    let mut warnings = graph.remarks.clone();
    if calibration.random {
        warnings.push(format!(
            "no calibration samples were given: ranges come from {} random inputs in [-1, 1]; give a sample file for an \
             accurate program",
            calibration.samples.len()
        ));
    }
    for (port, statistics) in graph.inputs.iter().zip(&calibration.inputs) {
        if statistics.spread_bits > 0 {
            warnings.push(format!(
                "input {:?}: features differ by a factor of 2^{}, so the input takes that many bits more; scale the \
                 features to like ranges for a smaller circuit",
                port.name, statistics.spread_bits
            ));
        }
    }
    if let Some((_, fidelity)) = tried.last().filter(|(_, fidelity)| !options.bits.is_good(fidelity)) {
        let most = tried.iter().map(|(bits, _)| bits).max().expect("a width was tried");
        warnings.push(format!("even {most} bits do not keep the accuracy of the float model: {fidelity}"));
    }
    warnings
}
