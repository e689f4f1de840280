//! Calibration: the float model on sample inputs, and the range of every value.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::error::QuantizeError;
use super::plan::Range;
use super::ranges::{Observer, Presumed, Ranges};
use super::{forests, siblings, InputStep, QuantizeOptions};
use crate::float::evaluate::evaluate_with;
use crate::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatOp, FloatPort, ReduceKind, Tensor, UnaryFunction, ValueId,
};
use crate::passes::{self, Unsettled};
use crate::samples::{InputSpec, SampleError, Samples};

/// Samples drawn where no file is given.
const RANDOM_SAMPLES: usize = 64;

/// What the float model does on the calibration samples.
#[derive(Debug)]
pub(super) struct Calibration {
    /// What was seen of each node of the graph.
    observers: Vec<Observer>,
    /// For each value that trees read, the range of each element.
    pub features: BTreeMap<ValueId, Vec<Range>>,
    /// One per input of the graph.
    pub inputs: Vec<InputStatistics>,
    /// The inputs of each sample.
    pub samples: Vec<Vec<Tensor>>,
    /// The outputs of each sample.
    pub outputs: Vec<Vec<Tensor>>,
    /// The labels of each sample, where the file has them.
    pub labels: Vec<Tensor>,
    /// Whether the samples are random because no file was given.
    pub random: bool,
    /// Whether there is a single sample, of which ranges are presumed that reach further.
    pub presumes: bool,
}

impl Calibration {
    /// What the samples show of a value, without room for others.
    pub(super) fn seen(&self, value: ValueId) -> Range {
        self.observers[value.0].extremes()
    }

    /// The range of each node of the graph by a rule, for activations of so many bits; `[0, 0]` where nothing finite was seen.
    pub(super) fn ranges(&self, graph: &FloatGraph, rule: Ranges, bits: u32) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::with_capacity(graph.nodes.len());
        let forests = self.presumes.then(|| forests::ranges(graph));
        for (node, observer) in graph.nodes.iter().zip(&self.observers) {
            let range = match node.op {
                FloatOp::Input(_) | FloatOp::Constant(_) => observer.extremes(),
                // One sample shows neither the elements that others pick nor how far a function goes that has bounds.
                FloatOp::Gather { input, .. } if self.presumes => ranges[input.0],
                FloatOp::Unary { function, .. } if self.presumes && saturates(function) => image(&node.op),
                FloatOp::Unary { input, function: UnaryFunction::Exp }
                    if self.presumes && ranges[input.0].hi <= 0.0 =>
                {
                    Range { lo: 0.0, hi: 1.0 }
                }
                // Nor which leaves they reach.
                _ if forests.as_ref().is_some_and(|forests| forests[ranges.len()].is_some()) => {
                    let forests = forests.as_ref().expect("there is a single sample");
                    forests[ranges.len()].expect("it has a range")
                }
                // Nor does it show how many elements others count.
                FloatOp::Reduce { input, kind: ReduceKind::Sum, .. }
                    if self.presumes && graph.node(input).element == Element::Bool =>
                {
                    Range { lo: 0.0, hi: (graph.node(input).elements() / node.elements().max(1)) as f64 }
                }
                _ if node.element != Element::Real => observer.extremes(),
                // Where a square is cut off and the same value elsewhere is not, distances would shrink for far points.
                FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if a == b => {
                    let base = match graph.node(a).op {
                        FloatOp::Input(port) if self.presumes => self.inputs[port].reach,
                        _ => ranges[a.0],
                    };
                    let (range, base) = (observer.range(rule, bits), base.magnitude());
                    Range { lo: range.lo.max(0.0), hi: range.hi.max(base * base) }
                }
                // A sum of squares grows as its squares do, the faster the further their base reaches.
                FloatOp::Reduce { input, kind: ReduceKind::Sum | ReduceKind::Mean, .. }
                    if self.presumes && is_square(&graph.node(input).op) =>
                {
                    let (seen, square) = (observer.extremes().hi, self.observers[input.0].extremes().hi);
                    let growth = if square > 0.0 { ranges[input.0].hi / square } else { 1.0 };
                    let range = observer.range(rule, bits);
                    Range { lo: range.lo.max(0.0), hi: range.hi.max(seen * growth) }
                }
                _ => within(observer.range(rule, bits), image(&node.op)),
            };
            ranges.push(range);
        }
        ranges
    }
}

/// So many elements of one sign show that others have it: if both were as likely, fewer than one sample in a hundred would.
const SIGN_SHOWN: usize = 8;

/// Which values are sums of products with weights, which may have any sign whatever one sample shows, or so [few](SIGN_SHOWN) inputs or differences
/// that it does not show their signs; but for those that are [of one sign](of_one_sign).
fn of_any_sign(graph: &FloatGraph) -> Vec<bool> {
    let mut signed = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        let constant = |value: ValueId| graph.constant(value).is_some();
        signed[index] = match node.op {
            FloatOp::MatMul(_, weights) | FloatOp::Conv { weights, .. } => constant(weights),
            FloatOp::Input(_) | FloatOp::Binary { function: BinaryFunction::Sub, .. } => node.elements() < SIGN_SHOWN,
            FloatOp::Unary { function: UnaryFunction::Affine { offset, .. }, .. } => {
                offset != 0.0 && node.elements() < SIGN_SHOWN
            }
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } => signed[input.0],
            FloatOp::Binary { function: BinaryFunction::Add, operands: [a, b] } => {
                (signed[a.0] || signed[b.0]) && [a, b].iter().all(|&value| signed[value.0] || constant(value))
            }
            _ => false,
        };
    }
    for (signed, of_one_sign) in signed.iter_mut().zip(of_one_sign(graph)) {
        *signed &= !of_one_sign;
    }
    signed
}

/// Which values are read, as they are or moved, by what is not defined for zero and for both signs.
fn of_one_sign(graph: &FloatGraph) -> Vec<bool> {
    let mut found = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        match node.op {
            FloatOp::Binary { function: BinaryFunction::Div, operands: [_, divisor] } => found[divisor.0] = true,
            FloatOp::Binary { function: BinaryFunction::Pow, operands: [base, _] } => found[base.0] = true,
            FloatOp::Unary { input, function } if is_of_one_sign(function) => found[input.0] = true,
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                found[input.0] |= found[index];
            }
            _ => {}
        }
    }
    found
}

/// Whether an operator computes with the integers of a quantized model.
fn is_quantized(op: &FloatOp) -> bool {
    matches!(
        op,
        FloatOp::Quantize { .. }
            | FloatOp::Dequantize { .. }
            | FloatOp::QuantizedConv { .. }
            | FloatOp::QuantizedConvTranspose { .. }
            | FloatOp::QuantizedSoftmax { .. }
            | FloatOp::QuantizedAverage { .. }
            | FloatOp::QuantizedNormalize { .. }
            | FloatOp::QuantizedAdd { .. }
            | FloatOp::QuantizedMul { .. }
            | FloatOp::QuantizedMatMul { .. }
            | FloatOp::QuantizedMap { .. }
            | FloatOp::QuantizedPairs { .. }
    )
}

/// Whether a function is not defined for all numbers.
fn is_of_one_sign(function: UnaryFunction) -> bool {
    use UnaryFunction::{Acosh, Log, Power, Quotient, Reciprocal, Sqrt};
    matches!(function, Log | Sqrt | Reciprocal | Quotient(_) | Power(_) | Acosh)
}

/// A range cut to what an operator can give.
fn within(range: Range, image: Range) -> Range {
    Range { lo: range.lo.max(image.lo), hi: range.hi.min(image.hi) }
}

/// For each value whose elements index the rows of a constant, their number.
fn rows_indexed(graph: &FloatGraph) -> Vec<Option<usize>> {
    let mut indexed: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let (value, rows) = match node.op {
            FloatOp::Gather { input, indices, axis } if graph.constant(input).is_some() => {
                (indices, Some(graph.node(input).shape[axis]))
            }
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } => (input, indexed[index]),
            _ => continue,
        };
        let own = &mut indexed[value.0];
        *own = [*own, rows.filter(|&rows| rows > 0)].into_iter().flatten().min();
    }
    indexed
}

/// Whether an operator multiplies a value by itself.
fn is_square(op: &FloatOp) -> bool {
    matches!(op, FloatOp::Binary { function: BinaryFunction::Mul, operands: [a, b] } if a == b)
}

/// Whether a function has bounds by its nature.
fn saturates(function: UnaryFunction) -> bool {
    use UnaryFunction::{Erf, HardSigmoid, Sigmoid, Softsign, Tanh};
    matches!(function, Sigmoid | HardSigmoid { .. } | Tanh | Erf | Softsign)
}

/// The values that an operator can give whatever its operands, where its form says so.
fn image(op: &FloatOp) -> Range {
    let everything = Range { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
    match op {
        FloatOp::Softmax { .. } | FloatOp::MaskedSoftmax { .. } => Range { lo: 0.0, hi: 1.0 },
        FloatOp::Unary { function, .. } => match *function {
            UnaryFunction::Sigmoid | UnaryFunction::HardSigmoid { .. } => Range { lo: 0.0, hi: 1.0 },
            UnaryFunction::Tanh
            | UnaryFunction::Erf
            | UnaryFunction::Softsign
            | UnaryFunction::Sin
            | UnaryFunction::Cos
            | UnaryFunction::Sign => Range { lo: -1.0, hi: 1.0 },
            UnaryFunction::Clip { lo, hi } => Range { lo, hi },
            _ => everything,
        },
        _ => everything,
    }
}

/// What calibration knows about an input beyond its range.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InputStatistics {
    pub range: Range,
    /// What further samples may be expected to have.
    pub reach: Range,
    /// All values are integer multiples of this, and few enough levels occur for that to be no accident.
    pub grid: Option<f64>,
    /// Whether the largest magnitude was met several times, as with a bounded sensor; then nothing larger is expected.
    pub bounded: bool,
    /// `log2` of the ratio between the largest feature and the median one, where features differ a lot.
    pub spread_bits: u32,
    /// The integers that the input takes, where they were not left to calibration.
    pub given: Option<InputStep>,
    /// Whether elements may be missing.
    pub nullable: bool,
}

/// The samples of a file that a model is calibrated on.
#[derive(Debug)]
pub(super) struct Taken {
    /// The inputs of each.
    inputs: Vec<Vec<Tensor>>,
    /// The label of each, where the file has them.
    labels: Vec<Tensor>,
}

impl Taken {
    /// The inputs of each sample, and its label where there are as many.
    pub(super) fn new(inputs: Vec<Vec<Tensor>>, labels: Vec<Tensor>) -> Self {
        Self { inputs, labels }
    }

    /// At most `limit` samples of the file, spread evenly over it.
    ///
    /// # Errors
    /// Samples that do not fit the model, or none.
    pub(super) fn of(graph: &FloatGraph, samples: &Samples, limit: usize) -> Result<Self, SampleError> {
        let specs = InputSpec::of_graph(graph);
        let taken: Vec<usize> = spread(samples.count(&specs)?, limit).collect();
        if taken.is_empty() {
            return Err(SampleError::NoSuchSample { sample: 0, count: 0 });
        }
        let inputs = taken.iter().map(|&sample| samples.inputs(&specs, sample)).collect::<Result<_, _>>()?;
        let labels = samples.labels();
        let labels = match taken.iter().all(|&sample| sample < labels.len()) {
            true => taken.iter().map(|&sample| labels[sample].clone()).collect(),
            false => vec![],
        };
        Ok(Self { inputs, labels })
    }
}

/// Runs the float model on the samples, or on random ones where no file was given. With `room` a single sample is no measure of what others
/// may bring.
///
/// # Errors
/// Indices beyond what they select from; NaN computed by the model.
pub(super) fn calibrate(
    graph: &FloatGraph,
    samples: Option<Taken>,
    rule: Ranges,
    room: bool,
) -> Result<Calibration, QuantizeError> {
    let random = samples.is_none();
    let random_samples = || Taken { inputs: random_inputs(graph, &InputSpec::of_graph(graph)), labels: vec![] };
    let Taken { inputs, labels } = samples.unwrap_or_else(random_samples);
    check_indices(graph, &inputs)?;
    let may_be_missing = passes::may_be_missing(graph);
    let mut observers = vec![Observer::default(); graph.nodes.len()];
    let mut features = tree_operands(graph);
    let mut outputs = Vec::with_capacity(inputs.len());
    for (sample, tensors) in inputs.iter().enumerate() {
        let mut failure = None;
        outputs.push(evaluate_with(graph, tensors, |value, tensor| {
            if matches!(graph.nodes[value.0].op, FloatOp::Constant(_)) && sample > 0 {
                return;
            }
            let nan = tensor.data.iter().copied().find(|v| v.is_nan() && !may_be_missing[value.0]);
            if let (Some(value_found), None) = (nan, &failure) {
                let node = graph.nodes[value.0].provenance.join("+");
                failure = Some(QuantizeError::Calibration { node, sample, value: value_found });
            }
            observers[value.0].observe(&tensor.data, rule);
            if let Some(ranges) = features.get_mut(&value) {
                for (range, &v) in ranges.iter_mut().zip(tensor.data.iter()).filter(|(_, v)| v.is_finite()) {
                    *range = range.union(Range { lo: v, hi: v });
                }
            }
        })?);
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    // The ranges of quantized models are their own, whatever samples show.
    let presumes = room && inputs.len() == 1 && !graph.nodes.iter().any(|node| is_quantized(&node.op));
    let one_sign = of_one_sign(graph);
    let statistics: Vec<InputStatistics> = (0..graph.inputs.len())
        .map(|j| {
            let FloatPort { nullable, value, .. } = graph.inputs[j];
            let samples = inputs.iter().map(|tensors| &tensors[j]).collect::<Vec<_>>();
            let same = if one_sign[value.0] { Presumed::SameSign } else { Presumed::FromZero };
            let counts = graph.node(value).element == Element::Real;
            InputStatistics { nullable, ..InputStatistics::of(&samples, presumes.then_some(same), counts) }
        })
        .collect();
    // Reals that are integers without a bound: those of other samples may be larger, and what is computed from them.
    let is_count = |(port, own): (&FloatPort, &InputStatistics)| {
        let integral = own.range.lo.fract() == 0.0 && own.range.hi.fract() == 0.0;
        graph.node(port.value).element == Element::Real && integral && own.reach != own.range
    };
    let counts = presumes && graph.inputs.iter().zip(&statistics).any(is_count);
    if presumes {
        for group in siblings::groups(graph) {
            let union = group.iter().fold(Observer::default(), |union, value| union.or(&observers[value.0]));
            group.iter().for_each(|value| observers[value.0].share(&union));
        }
        for (observer, rows) in observers.iter_mut().zip(rows_indexed(graph)) {
            let Some(rows) = rows else { continue };
            let mut every = Observer::default();
            every.observe(&[0.0, (rows - 1) as f64], Ranges::Extremes);
            let union = every.or(observer);
            observer.share(&union);
        }
        for ((observer, signed), one_sign) in observers.iter_mut().zip(of_any_sign(graph)).zip(&one_sign) {
            let same = if *one_sign { Presumed::SameSign } else { Presumed::FromZero };
            observer.presume(if signed { Presumed::AnySign } else { same }, counts);
        }
    }
    Ok(Calibration { observers, features, inputs: statistics, samples: inputs, outputs, labels, random, presumes })
}

/// The graph, settled for the inputs whose elements may be missing: those that are named, and those of which samples have NaN.
///
/// # Errors
/// Names of inputs that the model does not have, or that are no reals; NaN that would reach an operator without an answer to it.
pub(super) fn settled<'a>(
    graph: &'a FloatGraph,
    samples: Option<&Taken>,
    options: &QuantizeOptions,
) -> Result<Cow<'a, FloatGraph>, QuantizeError> {
    let mut nullable = BTreeSet::new();
    for name in &options.missing {
        let port = graph.inputs.iter().position(|port| port.name == *name);
        let port = port.ok_or_else(|| QuantizeError::NoSuchPort { direction: "input", name: name.clone() })?;
        nullable.insert(port);
    }
    for inputs in samples.iter().flat_map(|samples| &samples.inputs) {
        let found = inputs.iter().enumerate().filter(|(_, tensor)| tensor.data.iter().any(|v| v.is_nan()));
        nullable.extend(found.map(|(port, _)| port));
    }
    for &port in &nullable {
        let FloatPort { name, value, .. } = &graph.inputs[port];
        if graph.node(*value).element != Element::Real || options.steps.contains_key(name) {
            return Err(QuantizeError::Missing { input: name.clone() });
        }
    }
    let seen = samples.map_or(&[][..], |samples| &samples.inputs);
    let settled = match passes::draw(graph, seen, &nullable, options.private_weights) {
        Cow::Borrowed(graph) => passes::settle(graph, &nullable),
        Cow::Owned(graph) => passes::settle(&graph, &nullable).map(|settled| Cow::Owned(settled.into_owned())),
    };
    let settled = settled.map_err(|Unsettled { node, input }| QuantizeError::Unsettled { node, input })?;
    Ok(compared(settled, samples, &nullable, options))
}

/// The graph in which inputs of features of very different size are compared with constants as trees compare them.
fn compared<'a>(
    graph: Cow<'a, FloatGraph>,
    samples: Option<&Taken>,
    nullable: &BTreeSet<usize>,
    options: &QuantizeOptions,
) -> Cow<'a, FloatGraph> {
    let mut ports = passes::compared_inputs(&graph);
    ports.retain(|port| !nullable.contains(port) && !options.steps.contains_key(&graph.inputs[*port].name));
    let Some(Taken { inputs, .. }) = samples else { return graph };
    ports.retain(|&port| spread_bits(&inputs.iter().map(|tensors| &tensors[port]).collect::<Vec<_>>()) > 0);
    match ports.is_empty() {
        true => graph,
        false => Cow::Owned(passes::compare_by_trees(graph.into_owned(), &ports)),
    }
}

/// At most `limit` of so many samples: files are often sorted, by class or by time.
fn spread(count: usize, limit: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(limit);
    (0..taken).map(move |i| (i as u128 * count as u128 / taken as u128) as usize)
}

/// The values that trees read, and no range yet for any of their elements.
fn tree_operands(graph: &FloatGraph) -> BTreeMap<ValueId, Vec<Range>> {
    let operand = |op: &FloatOp| match op {
        FloatOp::TreeLeaves { input, .. } => Some(*input),
        _ => None,
    };
    let nothing = Range { lo: f64::INFINITY, hi: f64::NEG_INFINITY };
    let operands = graph.nodes.iter().filter_map(|node| operand(&node.op));
    operands.map(|value| (value, vec![nothing; graph.node(value).elements()])).collect()
}

/// Inputs that index a table stay within it.
fn check_indices(graph: &FloatGraph, samples: &[Vec<Tensor>]) -> Result<(), QuantizeError> {
    for (port, input) in graph.inputs.iter().enumerate() {
        let Some(rows) = index_levels(graph, port) else { continue };
        for (sample, tensors) in samples.iter().enumerate() {
            let outside = tensors[port].data.iter().find(|&&v| v < 0.0 || v >= rows as f64);
            if let Some(&value) = outside {
                return Err(QuantizeError::Index { input: input.name.clone(), sample, value, rows });
            }
        }
    }
    Ok(())
}

/// Where integers end that are taken to be bytes.
const BYTES: std::ops::RangeInclusive<f64> = 128.0..=255.0;

/// Below this, positive integers are taken to start at one.
const SMALL_INTEGERS: f64 = 256.0;

impl InputStatistics {
    /// The range of an input of integers. Those outside are refused rather than clamped, so flags have both values, and small counts and
    /// lengths start at one where few samples do not. Zero is left out where no sample has it: it may be a divisor.
    pub(super) fn integers(&self) -> Range {
        let (seen, Range { lo, hi }) = (self.range, self.reach);
        let lo = match seen.lo {
            negative if negative < 0.0 => lo.floor(),
            zero if zero == 0.0 || seen.hi <= 1.0 => 0.0,
            _ if hi < SMALL_INTEGERS => 1.0,
            _ => lo.floor().max(1.0),
        };
        let hi = if seen.hi < 0.0 { hi.ceil().min(-1.0) } else { hi.ceil() };
        Range { lo: lo.min(seen.lo), hi: hi.max(seen.hi) }
    }

    /// What samples show; of one, what is `presumed` of others, also of integers if they may be `counts`.
    fn of(samples: &[&Tensor], presumed: Option<Presumed>, counts: bool) -> Self {
        let mut observer = Observer::default();
        samples.iter().for_each(|tensor| observer.observe(&tensor.data, Ranges::Extremes));
        let range = observer.extremes();
        let largest = range.magnitude();
        let attained = samples.iter().flat_map(|tensor| tensor.data.iter()).filter(|v| v.abs() == largest).count();
        let bounded = attained >= 3;
        let bytes = range.lo >= 0.0 && BYTES.contains(&range.hi);
        let integral = range.lo.fract() == 0.0 && range.hi.fract() == 0.0;
        let few = samples.iter().map(|tensor| tensor.data.len()).sum::<usize>() < SIGN_SHOWN;
        if let Some(presumed) = presumed {
            let any = few && !integral && presumed == Presumed::FromZero;
            let presumed = if any { Presumed::AnySign } else { presumed };
            observer.presume(presumed, counts && !bounded && !bytes);
        }
        Self {
            range,
            reach: observer.reach(),
            grid: grid(samples),
            bounded,
            spread_bits: spread_bits(samples),
            given: None,
            nullable: false,
        }
    }
}

/// The smallest positive magnitude, if every value is a multiple of it and the levels recur.
fn grid(samples: &[&Tensor]) -> Option<f64> {
    let values = || samples.iter().flat_map(|tensor| tensor.data.iter().map(|v| v.abs())).filter(|v| !v.is_nan());
    let step = values().filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
    let largest = values().fold(0.0, f64::max);
    let levels = (largest / step).round();
    let recurring = levels >= 1.0 && (values().count() as f64) >= 16.0 * levels;
    let on_grid = |v: f64| (v / step - (v / step).round()).abs() < 1e-4;
    (recurring && values().all(on_grid)).then_some(largest / levels)
}

fn spread_bits(samples: &[&Tensor]) -> u32 {
    let Some(first) = samples.first() else { return 0 };
    let mut features = vec![0f64; first.data.len()];
    for tensor in samples {
        for (feature, value) in features.iter_mut().zip(tensor.data.iter()) {
            *feature = feature.max(value.abs());
        }
    }
    features.retain(|&feature| feature > 0.0);
    features.sort_by(f64::total_cmp);
    match (features.get(features.len() / 2), features.last()) {
        // A factor of 16 is within what one step size serves.
        (Some(median), Some(largest)) if largest / median >= 16.0 => (largest / median).log2().ceil() as u32,
        _ => 0,
    }
}

/// Reproducible inputs: reals uniform in [−1, 1], integers in the range that their use admits.
fn random_inputs(graph: &FloatGraph, specs: &[InputSpec]) -> Vec<Vec<Tensor>> {
    let mut state = 0x5eed_u64;
    // SplitMix64: the values only need to be spread out and the same everywhere.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    };
    let levels: Vec<_> = (0..specs.len()).map(|port| index_levels(graph, port)).collect();
    let mut one = |port: usize| {
        let count = specs[port].shape.iter().product::<usize>();
        let boolean = graph.nodes[graph.inputs[port].value.0].element == Element::Bool;
        let mut value = || match (specs[port].integer, levels[port]) {
            (true, _) if boolean => next().round(),
            (true, None) if graph.inputs[port].range.is_some() => {
                let (lo, hi) = graph.inputs[port].range.unwrap_or_default();
                (lo as f64 + next() * (hi - lo) as f64).round()
            }
            (true, levels) => (next() * (levels.unwrap_or(10) - 1) as f64).round(),
            (false, _) => 2.0 * next() - 1.0,
        };
        let data = (0..count).map(|_| value()).collect::<Vec<_>>();
        Tensor { shape: specs[port].shape.clone(), data: data.into() }
    };
    (0..RANDOM_SAMPLES).map(|_| (0..specs.len()).map(&mut one).collect()).collect()
}

/// The rows of the smallest table that input `port` indexes (directly or re-indexed), if any.
pub(super) fn index_levels(graph: &FloatGraph, port: usize) -> Option<usize> {
    let mut derived = vec![false; graph.nodes.len()];
    let mut levels: Option<usize> = None;
    for (index, node) in graph.nodes.iter().enumerate() {
        match &node.op {
            FloatOp::Input(number) => derived[index] = *number == port,
            FloatOp::Reshape(input) | FloatOp::Transpose { input, .. } | FloatOp::Reindex { input, .. } => {
                derived[index] = derived[input.0];
            }
            FloatOp::Gather { input, indices, axis } if derived[indices.0] => {
                let rows = graph.nodes[input.0].shape[*axis];
                levels = Some(levels.map_or(rows, |levels| levels.min(rows)));
            }
            _ => {}
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data: &[f64]) -> Tensor {
        Tensor { shape: vec![data.len()], data: data.into() }
    }

    #[test]
    fn grids_are_found_only_where_levels_recur() {
        let pixels: Vec<f64> = (0..640).map(|i| f64::from(i % 17) / 16.0).collect();
        let found = grid(&[&tensor(&pixels)]).unwrap();
        assert!((found - 1.0 / 16.0).abs() < 1e-9);
        let reals: Vec<f64> = (0..640).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(grid(&[&tensor(&reals)]), None);
    }

    #[test]
    fn samples_are_spread_over_the_file() {
        assert_eq!(spread(3, 8).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(0, 4).count(), 0);
    }

    #[test]
    fn uneven_features_are_noticed() {
        let uneven = tensor(&[1000.0, 0.5, 0.25]);
        assert_eq!(spread_bits(&[&uneven]), 11);
        assert_eq!(spread_bits(&[&tensor(&[1.0, 0.5, 0.25])]), 0);
    }
}
