//! How well an integer program does what the float model does, on samples.
//!
//! Scores are those of the task (accuracy, R², mean squared error) where the samples are labelled; differences are
//! absolute differences of outputs.

use std::fmt;

use circuits::graph::{PortKind, Program, TensorId};
use circuits::reference::{self, RunError, Trace};
use thiserror::Error;

use crate::decisions;
use crate::float::evaluate::{evaluate_all, evaluate_outputs, EvaluateError};
use crate::float::graph::{FloatGraph, Tensor, ValueId};
use crate::quantize::{dequantize_outputs, quantize_inputs, quantize_sample, Compiled, InputError};
use crate::samples::{sample_shape, InputSpec, SampleError, Samples};

/// What a score measures; output 0 of the model against the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Share of samples whose largest output has the label's index.
    Argmax,
    /// Share of positions whose largest output has the label's index: labels `[…, T]`, output `[…, T, V]`.
    Tokens,
    /// Share of samples whose output is the label.
    Label,
    /// Share of samples where `output > 0.5` is the label.
    Sigmoid,
    /// Share of samples where `output > 0` is the label.
    Logit,
    /// Coefficient of determination.
    RSquared,
    /// Mean squared error.
    MeanSquaredError,
}

impl Metric {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argmax => "argmax0",
            Self::Tokens => "tokens0",
            Self::Label => "label0",
            Self::Sigmoid => "sigmoid0",
            Self::Logit => "logit0",
            Self::RSquared => "r2_0",
            Self::MeanSquaredError => "mse0",
        }
    }

    /// What it is, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Argmax => "right classes (largest score)",
            Self::Tokens => "right tokens (largest score)",
            Self::Label => "right labels",
            Self::Sigmoid => "right answers (score above 0.5)",
            Self::Logit => "right answers (score above 0)",
            Self::RSquared => "R²",
            Self::MeanSquaredError => "mean squared error",
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Argmax, Self::Tokens, Self::Label, Self::Sigmoid, Self::Logit, Self::RSquared, Self::MeanSquaredError]
            .into_iter()
            .find(|metric| metric.name() == name)
    }

    /// The metric that fits labels and float outputs, `None` without labels. `index` says that output 0 is a label.
    fn choose(labels: &[Tensor], outputs: &[Vec<Tensor>], index: bool) -> Option<Self> {
        let (label, output) = (labels.first()?, outputs.first()?.first()?);
        let binary = || labels.iter().all(|label| label.data.iter().all(|&v| v == 0.0 || v == 1.0));
        let probability = || outputs.iter().all(|outputs| (0.0..=1.0).contains(&outputs[0].data[0]));
        Some(match (label.data.len(), output.data.len()) {
            (1, 1) if index => Self::Label,
            (1, 1) if binary() && probability() => Self::Sigmoid,
            (1, 1) if binary() => Self::Logit,
            (1, 1) => Self::RSquared,
            (1, _) => Self::Argmax,
            _ if names_tokens(labels, output) => Self::Tokens,
            _ => Self::MeanSquaredError,
        })
    }

    /// The score of outputs against labels.
    fn score(self, outputs: &[Vec<Tensor>], labels: &[Tensor]) -> f64 {
        let pairs = || outputs.iter().map(|outputs| &outputs[0].data).zip(labels.iter().map(|label| &label.data));
        let count = pairs().count().max(1) as f64;
        let share = |hit: &dyn Fn(&[f64], f64) -> bool| pairs().filter(|(o, l)| hit(o, l[0])).count() as f64 / count;
        let squares = || pairs().flat_map(|(o, l)| o.iter().zip(l.iter()).map(|(o, l)| (o - l).powi(2)));
        match self {
            Self::Argmax => share(&|output, label| argmax(output) as f64 == label),
            Self::Tokens => {
                let hits = pairs().flat_map(|(output, labels)| {
                    let positions = output.chunks((output.len() / labels.len()).max(1));
                    positions.zip(labels.iter()).map(|(position, &label)| argmax(position) as f64 == label)
                });
                hits.clone().filter(|&hit| hit).count() as f64 / hits.count().max(1) as f64
            }
            Self::Label => share(&|output, label| output[0] == label),
            Self::Sigmoid => share(&|output, label| f64::from(u8::from(output[0] > 0.5)) == label),
            Self::Logit => share(&|output, label| f64::from(u8::from(output[0] > 0.0)) == label),
            Self::MeanSquaredError => squares().sum::<f64>() / squares().count().max(1) as f64,
            Self::RSquared => {
                let mean = pairs().map(|(_, l)| l[0]).sum::<f64>() / count;
                1.0 - squares().sum::<f64>() / pairs().map(|(_, l)| (l[0] - mean).powi(2)).sum::<f64>()
            }
        }
    }
}

/// Whether labels are indices of the last axis of an output, one for each position before it.
fn names_tokens(labels: &[Tensor], output: &Tensor) -> bool {
    let last = output.shape.last().copied().unwrap_or(1);
    let index = |&v: &f64| v.fract() == 0.0 && (0.0..last as f64).contains(&v);
    let fits = |label: &Tensor| label.data.len() * last == output.data.len() && label.data.iter().all(index);
    last > 1 && labels.iter().all(fits)
}

pub(crate) fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// A lead of the largest element over the next, as a part of the range of outputs, that counts as a decision.
const DECISIVE_MARGIN: f64 = 0.05;

/// How much smaller than the largest element one may be, as a part of the range of outputs, that is as good a choice: between such elements
/// rounding decides at any precision.
pub(crate) const NEAR_TIE: f64 = 0.0002;

/// Whether the largest element of a program's output is one of the largest of the float model's.
fn agrees(float: &[f64], integer: &[f64], width: f64) -> bool {
    float[argmax(integer)] >= float[argmax(float)] - NEAR_TIE * width
}

/// The lead of the largest element; 0 for less than two.
fn margin(values: &[f64]) -> f64 {
    let best = argmax(values);
    let rest = values.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, &v)| v).fold(f64::NEG_INFINITY, f64::max);
    if rest.is_finite() {
        values[best] - rest
    } else {
        0.0
    }
}

/// How far one output is off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest absolute difference.
    pub largest: f64,
    /// Root of the mean square of the differences.
    pub rms: f64,
    /// Width of the range of the float outputs; their magnitude, where they do not vary, as a number of one sample doesn't.
    pub width: f64,
    /// Share of elements that differ by a half or more: for labels and indices, those that are wrong.
    pub wrong: f64,
}

/// What a [`Difference`] is made from, tensor by tensor.
#[derive(Clone, Debug)]
struct Differences {
    largest: f64,
    squares: f64,
    count: usize,
    wrong: usize,
    lo: f64,
    hi: f64,
}

impl Default for Differences {
    fn default() -> Self {
        Self { largest: 0.0, squares: 0.0, count: 0, wrong: 0, lo: f64::INFINITY, hi: f64::NEG_INFINITY }
    }
}

impl Differences {
    fn add(&mut self, float: &[f64], integer: impl IntoIterator<Item = f64>) {
        for (&a, b) in float.iter().zip(integer) {
            self.largest = self.largest.max((a - b).abs());
            self.squares += (a - b).powi(2);
            self.count += 1;
            self.wrong += usize::from((a - b).abs() >= 0.5);
            (self.lo, self.hi) = (self.lo.min(a), self.hi.max(a));
        }
    }

    fn all(&self) -> Difference {
        let count = self.count.max(1) as f64;
        Difference {
            largest: self.largest,
            rms: (self.squares / count).sqrt(),
            width: match self.hi == self.lo {
                true => self.hi.abs(),
                false => (self.hi - self.lo).max(0.0),
            },
            wrong: self.wrong as f64 / count,
        }
    }
}

impl Difference {
    fn of<'a>(pairs: impl Iterator<Item = (&'a Tensor, &'a Tensor)>) -> Self {
        let mut sums = Differences::default();
        pairs.for_each(|(float, integer)| sums.add(&float.data, integer.data.iter().copied()));
        sums.all()
    }

    /// The root mean square as a part of the range.
    pub fn relative(&self) -> f64 {
        if self.width > 0.0 {
            self.rms / self.width
        } else {
            0.0
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let relative = 100.0 * self.relative();
        write!(
            f,
            "off by {:.3e} (root mean square), {relative:.2} % of its range; largest {:.3e}",
            self.rms, self.largest
        )
    }
}

/// Closeness of a program to its float model, and whether that is close enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// Samples compared.
    pub samples: usize,
    /// Scores of the float model and of the program, where the samples are labelled.
    pub scores: Option<(Metric, f64, f64)>,
    /// Share of samples on which output 0 has the same largest element, near ties aside, where the float model usually decides
    /// clearly between its elements, as classifiers do.
    pub agreement: Option<f64>,
    /// The share of decisions that are expected to be others on further samples, by how narrowly the float model decides and how far
    /// leads are off on these; where it decides, as above or by the scores of a label that it gives, and there are samples enough to tell.
    pub flips: Option<f64>,
    /// The least part of the variance of a real output that the program keeps, where the model does not decide: 1 less the mean square
    /// of the differences over that of the float outputs from their means over the samples, element by element. As much of the
    /// coefficient of determination is kept of a model that predicts well.
    pub explained: Option<f64>,
    /// One per output.
    pub differences: Vec<Difference>,
    /// Which outputs are labels or indices.
    pub indices: Vec<bool>,
}

impl Fidelity {
    /// Largest part of the variance of outputs that is lost where nothing else judges them: the R² of a model that explains half of what it
    /// predicts, scored on 200 samples, loses more than 0.005 by that once in two hundred times.
    const LOST: f64 = 0.0005;
    /// Largest share of samples with another decision, and of labels that are others.
    const CHANGED: f64 = 0.005;
    /// Largest share of decisions that are expected to be others on further samples: half a sample of 200.
    const FLIPS: f64 = 0.002;
    /// Largest root mean square of the differences, as a part of the range.
    const RELATIVE: f64 = 0.02;

    /// Whether the program agrees with the float model. Labels have no say: a program that is chosen by a score has a better one on these
    /// samples than on others.
    pub fn is_good(&self) -> bool {
        // Shares of counts are off by a rounding.
        self.excess() <= 1.0 + 1e-9
    }

    /// How far the program is from the float model, as a multiple of what is [good](Self::is_good): the largest of what each of the
    /// measures is of what it may be.
    pub(crate) fn excess(&self) -> f64 {
        let outputs = self.differences.iter().zip(&self.indices).map(|(difference, &index)| match index {
            true => difference.wrong / Self::CHANGED,
            false => difference.relative() / Self::RELATIVE,
        });
        let changed = self.agreement.map(|share| (1.0 - share) / Self::CHANGED);
        let lost = self.explained.map(|part| (1.0 - part) / Self::LOST);
        let flips = self.flips.map(|share| share / Self::FLIPS);
        let measures = [changed, lost, flips].into_iter().flatten().chain(outputs);
        measures.map(|measure| if measure.is_nan() { f64::INFINITY } else { measure }).fold(0.0, f64::max)
    }

    /// The share of samples with the same decision: the same label, where outputs are labels, or else the same largest element.
    pub fn same_decisions(&self) -> Option<f64> {
        let labels = self.differences.iter().zip(&self.indices).filter(|(_, &index)| index);
        labels.map(|(difference, _)| 1.0 - difference.wrong).reduce(f64::min).or(self.agreement)
    }

    /// The largest difference of an output that is neither a label nor an index, if there is one.
    pub fn largest(&self) -> Option<f64> {
        let reals = self.differences.iter().zip(&self.indices).filter(|(_, &index)| !index);
        reals.map(|(difference, _)| difference.largest).reduce(f64::max)
    }

    /// How much of the float model's accuracy the program keeps, 1 for all of it: the least of what is kept of the score and of
    /// every output. Of a share of right answers and of the inverse of a mean squared error that is the ratio, of R² what is
    /// not lost, of the outputs what the root mean square of the differences leaves of the range, and of labels the share
    /// that is the same. Without labels the share of samples with the same decision stands for the score.
    pub fn kept(&self) -> f64 {
        let ratio = |kept: f64, of: f64| if of > 0.0 { kept / of } else { 1.0 };
        let scored = match self.scores {
            Some((Metric::RSquared, float, integer)) => 1.0 - (float - integer),
            Some((Metric::MeanSquaredError, float, integer)) => ratio(float, integer),
            Some((_, float, integer)) => ratio(integer, float),
            None => self.agreement.unwrap_or(1.0),
        };
        let outputs = self.differences.iter().zip(&self.indices).map(|(difference, &index)| match index {
            true => 1.0 - difference.wrong,
            false => 1.0 - difference.relative(),
        });
        outputs.fold(scored, f64::min).clamp(0.0, 1.0)
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some((metric, float, integer)) = self.scores {
            write!(f, "{}: {float:.5} in float, {integer:.5} in integers; ", metric.description())?;
        }
        if let Some(same) = self.same_decisions() {
            write!(f, "{:.1} % of decisions are the same", 100.0 * same)?;
            match self.flips {
                Some(flips) => write!(f, ", {:.2} % of others are expected to differ; ", 100.0 * flips)?,
                None => f.write_str("; ")?,
            }
        } else if let Some(explained) = self.explained {
            write!(f, "{:.2} % of the variance of outputs is kept; ", 100.0 * explained)?;
        }
        match self.largest() {
            Some(largest) => write!(f, "largest difference {largest:.3e} on {} samples", self.samples),
            None => write!(f, "{} samples", self.samples),
        }
    }
}

/// Compares outputs sample by sample; `indices[j]` says that output `j` is a label or an index.
pub(crate) fn fidelity(
    float: &[Vec<Tensor>],
    integer: &[Vec<Tensor>],
    indices: &[bool],
    labels: &[Tensor],
) -> Fidelity {
    let labels = &labels[..labels.len().min(float.len())];
    fidelity_by(choose_metric(labels, float, indices), float, integer, indices, labels)
}

/// The metric for labels that fit the outputs.
fn choose_metric(labels: &[Tensor], float: &[Vec<Tensor>], indices: &[bool]) -> Option<Metric> {
    if labels.len() < float.len() {
        return None;
    }
    let index = indices.first().copied().unwrap_or(false);
    Metric::choose(labels, float, index).filter(|&metric| fits(metric, labels, float))
}

fn fidelity_by(
    metric: Option<Metric>,
    float: &[Vec<Tensor>],
    integer: &[Vec<Tensor>],
    indices: &[bool],
    labels: &[Tensor],
) -> Fidelity {
    let outputs = float.first().map_or(0, Vec::len);
    let pairs = |j: usize| float.iter().zip(integer).map(move |(a, b)| (&a[j], &b[j]));
    let differences: Vec<_> = (0..outputs).map(|j| Difference::of(pairs(j))).collect();
    let width = differences.first().map_or(0.0, |difference| difference.width);
    let decided = float.iter().filter(|outputs| margin(&outputs[0].data) > DECISIVE_MARGIN * width).count();
    let same = || pairs(0).filter(|(a, b)| agrees(&a.data, &b.data, width)).count();
    let agreement = (2 * decided > float.len()).then(|| same() as f64 / float.len() as f64);
    let explained = (0..outputs).filter(|&j| agreement.is_none() && !indices.get(j).is_some_and(|&index| index));
    let explained = explained.filter_map(|j| explained_part(float, j, differences[j].rms)).reduce(f64::min);
    Fidelity {
        samples: float.len(),
        explained,
        scores: metric.map(|metric| (metric, metric.score(float, labels), metric.score(integer, labels))),
        agreement,
        flips: decisions::expected_flips(float, integer, indices, agreement.is_some()),
        differences,
        indices: indices.to_vec(),
    }
}

/// The part of the variance of output `j` that differences of that root mean square leave; `None` where it does not vary or there are too few
/// samples to tell.
fn explained_part(float: &[Vec<Tensor>], j: usize, rms: f64) -> Option<f64> {
    const FEWEST: usize = 8;
    let elements = float.first().map_or(0, |outputs| outputs[j].data.len());
    if float.len() < FEWEST || elements == 0 {
        return None;
    }
    let count = float.len() as f64;
    let mut means = vec![0.0; elements];
    for outputs in float {
        means.iter_mut().zip(outputs[j].data.iter()).for_each(|(mean, value)| *mean += value / count);
    }
    let square = |outputs: &Vec<Tensor>| {
        outputs[j].data.iter().zip(&means).map(|(value, mean)| (value - mean).powi(2)).sum::<f64>()
    };
    let variance = float.iter().map(square).sum::<f64>() / (count * elements as f64);
    (variance > 0.0).then(|| 1.0 - rms.powi(2) / variance)
}

/// Where float outputs come from.
#[derive(Clone, Copy, Debug)]
pub enum FloatReference<'a> {
    /// The float model is run.
    Graph(&'a FloatGraph),
    /// The sample file holds them.
    Recorded,
}

/// Which samples to run and how to score them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccuracyOptions {
    /// Most samples; `None` runs all.
    pub limit: Option<usize>,
    /// The metric; `None` chooses by the labels and outputs.
    pub metric: Option<Metric>,
    /// Samples that the program takes at once, one without it. The last ones are run with the last one repeated.
    pub batch: Option<usize>,
}

/// The result of running labelled samples.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracyReport {
    /// Scores and differences.
    pub fidelity: Fidelity,
    /// Input values, over all samples, that lay outside the calibrated range.
    pub clamped: usize,
}

/// Why samples can't be evaluated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccuracyError {
    /// The sample file does not fit.
    #[error(transparent)]
    Samples(#[from] SampleError),
    /// A sample is no input of the program.
    #[error("sample {sample}: {source}")]
    Input {
        /// Number of the sample.
        sample: usize,
        /// Why.
        source: InputError,
    },
    /// The float model can't be run.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The program can't be run.
    #[error("sample {sample}: {source}")]
    Run {
        /// Number of the sample.
        sample: usize,
        /// Why.
        source: RunError,
    },
    /// The file records no outputs, or some of another size.
    #[error("sample {sample}: the file records no output {output} of {expected} elements; give the float model too")]
    Recorded {
        /// Number of the sample.
        sample: usize,
        /// Number of the output.
        output: usize,
        /// Elements of the output.
        expected: usize,
    },
    /// Labels of another size than outputs ask for.
    #[error("the labels do not fit metric {metric}")]
    Labels {
        /// The metric.
        metric: &'static str,
    },
}

/// Runs samples through the float reference and the integer program and compares.
///
/// # Errors
/// Samples that fit neither; see [`AccuracyError`].
pub fn evaluate(
    reference: FloatReference,
    program: &Program,
    samples: &Samples,
    options: &AccuracyOptions,
) -> Result<AccuracyReport, AccuracyError> {
    let batch = options.batch.unwrap_or(1);
    let specs = InputSpec::of_sample(program, batch);
    let count = samples.count(&specs)?.min(options.limit.unwrap_or(usize::MAX));
    let (mut float, mut integer, mut clamped) = (Vec::new(), Vec::new(), 0);
    let mut waiting: Vec<Vec<Vec<i64>>> = Vec::with_capacity(batch);
    for sample in 0..count {
        let inputs = samples.inputs(&specs, sample)?;
        // First, because it checks the inputs.
        let quantized =
            quantize_sample(program, batch, &inputs).map_err(|source| AccuracyError::Input { sample, source })?;
        clamped += quantized.clamped;
        float.push(float_outputs(reference, program, samples, (sample, batch), &inputs)?);
        waiting.push(quantized.values);
        if waiting.len() == batch || sample + 1 == count {
            let outputs = run_batch(program, batch, &waiting);
            integer.extend(outputs.map_err(|source| AccuracyError::Run { sample, source })?);
            waiting.clear();
        }
    }
    let labels = samples.labels();
    let labels = &labels[..labels.len().min(count)];
    let indices: Vec<_> = program.outputs.iter().map(|port| port.kind == PortKind::Index).collect();
    let metric = match options.metric {
        Some(metric) if labels.len() < count || !fits(metric, labels, &float) => {
            return Err(AccuracyError::Labels { metric: metric.name() });
        }
        Some(metric) => Some(metric),
        None => choose_metric(labels, &float, &indices),
    };
    Ok(AccuracyReport { fidelity: fidelity_by(metric, &float, &integer, &indices, labels), clamped })
}

fn fits(metric: Metric, labels: &[Tensor], outputs: &[Vec<Tensor>]) -> bool {
    labels.iter().zip(outputs).all(|(label, outputs)| match metric {
        Metric::MeanSquaredError => label.data.len() == outputs[0].data.len(),
        Metric::Tokens => {
            let last = outputs[0].shape.last().copied().unwrap_or(1);
            label.data.len() * last == outputs[0].data.len()
        }
        _ => label.data.len() == 1 && !outputs[0].data.is_empty(),
    })
}

/// The outputs of a program for `batch` samples at once, sample by sample; there is one at least, and `batch` at most.
fn run_batch(program: &Program, batch: usize, samples: &[Vec<Vec<i64>>]) -> Result<Vec<Vec<Tensor>>, RunError> {
    let all = || (0..batch).map(|sample| &samples[sample.min(samples.len() - 1)]);
    let inputs: Vec<Vec<i64>> =
        (0..program.inputs.len()).map(|port| all().flat_map(|sample| &sample[port]).copied().collect()).collect();
    let outputs = dequantize_outputs(program, &reference::run(program, &inputs)?.outputs(program));
    let part = |output: &Tensor, sample: usize| {
        let elements = output.data.len() / batch;
        let data = output.data[sample * elements..(sample + 1) * elements].into();
        Tensor { shape: sample_shape(&output.shape, batch), data }
    };
    Ok((0..samples.len()).map(|sample| outputs.iter().map(|output| part(output, sample)).collect()).collect())
}

/// The outputs of a sample of a program that takes `batch` of them at once.
fn float_outputs(
    reference: FloatReference,
    program: &Program,
    samples: &Samples,
    (sample, batch): (usize, usize),
    inputs: &[Tensor],
) -> Result<Vec<Tensor>, AccuracyError> {
    let graph = match reference {
        FloatReference::Graph(graph) => {
            let shaped = InputSpec::of_graph(graph).into_iter().zip(inputs);
            let shaped = shaped.map(|(spec, input)| Tensor { shape: spec.shape, data: input.data.clone() });
            return Ok(evaluate_outputs(graph, &shaped.collect::<Vec<_>>())?);
        }
        FloatReference::Recorded => samples.recorded_outputs(sample),
    };
    for (output, port) in program.outputs.iter().enumerate() {
        let expected = port.shape.iter().product::<usize>() / batch;
        if graph.get(output).is_none_or(|tensor| tensor.data.len() != expected) {
            return Err(AccuracyError::Recorded { sample, output, expected });
        }
    }
    Ok(graph)
}

/// How far a node of a program is from the value that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDifference {
    /// Name of the node.
    pub name: String,
    /// The tensor.
    pub tensor: TensorId,
    /// The difference.
    pub difference: Difference,
}

/// The nodes that stand for a value of the float model, the farthest off (relative to the value's range) first.
///
/// # Errors
/// Samples that do not fit; see [`AccuracyError`].
pub fn worst_nodes(
    graph: &FloatGraph,
    compiled: &Compiled,
    samples: &Samples,
    limit: usize,
) -> Result<Vec<NodeDifference>, AccuracyError> {
    let specs = InputSpec::of_graph(graph);
    let mut nodes = NodeDifferences::new(graph, &compiled.program, &compiled.origins);
    for sample in 0..samples.count(&specs)?.min(limit) {
        let inputs = samples.inputs(&specs, sample)?;
        let quantized =
            quantize_inputs(&compiled.program, &inputs).map_err(|source| AccuracyError::Input { sample, source })?;
        let trace = reference::run(&compiled.program, &quantized.values)
            .map_err(|source| AccuracyError::Run { sample, source })?;
        nodes.add(&inputs, &trace)?;
    }
    Ok(nodes.worst())
}

/// The differences of all nodes that stand for a value of the float model, as samples are added.
pub(crate) struct NodeDifferences<'a> {
    graph: &'a FloatGraph,
    program: &'a Program,
    /// That of [`Compiled`].
    origins: &'a [Option<ValueId>],
    sums: Vec<Differences>,
}

impl<'a> NodeDifferences<'a> {
    pub(crate) fn new(graph: &'a FloatGraph, program: &'a Program, origins: &'a [Option<ValueId>]) -> Self {
        Self { graph, program, origins, sums: vec![Differences::default(); program.nodes.len()] }
    }

    /// Takes a sample in: its inputs, and what the program does on them.
    pub(crate) fn add(&mut self, inputs: &[Tensor], trace: &Trace) -> Result<(), EvaluateError> {
        let values = evaluate_all(self.graph, inputs)?;
        for (index, origin) in self.origins.iter().enumerate() {
            let Some(origin) = origin else { continue };
            let scale = self.program.nodes[index].scale;
            let reals = trace.tensor(TensorId(index as u32)).iter().map(|&q| q as f64 * scale);
            self.sums[index].add(&values[origin.0].data, reals);
        }
        Ok(())
    }

    /// The nodes, the farthest off first.
    pub(crate) fn worst(&self) -> Vec<NodeDifference> {
        let seen = self.sums.iter().enumerate().filter(|(_, sums)| sums.count > 0);
        let mut nodes: Vec<_> = seen
            .map(|(index, sums)| NodeDifference {
                name: self.program.nodes[index].name.clone(),
                tensor: TensorId(index as u32),
                difference: sums.all(),
            })
            .collect();
        nodes.sort_by(|a, b| b.difference.relative().total_cmp(&a.difference.relative()));
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fidelity_of(scores: Option<(Metric, f64, f64)>, agreement: Option<f64>, rms: f64, wrong: f64) -> Fidelity {
        let real = Difference { largest: rms, rms, width: 2.0, wrong: 0.0 };
        let label = Difference { wrong, ..real };
        Fidelity {
            samples: 10,
            scores,
            agreement,
            flips: None,
            explained: None,
            differences: vec![real, label],
            indices: vec![false, true],
        }
    }

    #[test]
    fn outputs_that_nothing_else_judges_keep_their_variance() {
        let samples = |shift: f64| -> Vec<Vec<Tensor>> {
            (0..10)
                .map(|i| vec![Tensor::new(vec![1, 1], vec![f64::from(i % 2) + shift * f64::from(1 - i % 3)])])
                .collect()
        };
        let fidelity = |shift, labels: &[Tensor]| fidelity(&samples(0.0), &samples(shift), &[false], labels);
        assert!(fidelity(0.01, &[]).is_good());
        let far = fidelity(0.05, &[]);
        assert!(!far.is_good() && far.explained.is_some_and(|part| part > 0.99 && part < 0.9995), "{far:?}");
        let labels: Vec<_> = samples(0.0).into_iter().flatten().collect();
        let scored = fidelity(0.05, &labels);
        assert!(scored.scores.is_some() && !scored.is_good(), "{scored:?}");
        assert_eq!(scored.explained, far.explained);
    }

    #[test]
    fn a_number_of_one_sample_is_held_against_its_magnitude() {
        let one = |value: f64| vec![vec![Tensor::new(vec![1, 1], vec![value])]];
        assert!(fidelity(&one(-14.0), &one(-14.1), &[false], &[]).is_good());
        assert!(!fidelity(&one(-14.0), &one(-13.0), &[false], &[]).is_good());
        assert!(fidelity(&one(0.0), &one(0.0), &[false], &[]).is_good());
    }

    #[test]
    fn labels_have_no_say_in_what_is_good() {
        for integer in [0.2, 0.8, 1.0] {
            let scores = Some((Metric::Argmax, 0.8, integer));
            assert!(fidelity_of(scores, Some(0.995), 0.01, 0.0).is_good());
            assert!(!fidelity_of(scores, Some(0.99), 0.01, 0.0).is_good());
        }
    }

    #[test]
    fn differences_of_labels_are_none_of_numbers() {
        let scores = Some((Metric::Label, 0.8, 0.75));
        let mut fidelity = Fidelity { flips: Some(0.001), ..fidelity_of(scores, None, 0.5, 0.125) };
        fidelity.differences[1].largest = 7.0;
        assert_eq!(fidelity.largest(), Some(0.5));
        assert_eq!(
            fidelity.to_string(),
            "right labels: 0.80000 in float, 0.75000 in integers; 87.5 % of decisions are the same, 0.10 % of others are expected \
             to differ; largest difference 5.000e-1 on 10 samples"
        );
        fidelity.indices = vec![true, true];
        assert!(fidelity.largest().is_none() && fidelity.to_string().ends_with("; 10 samples"), "{fidelity}");
        let real = Fidelity { explained: Some(0.999), ..fidelity_of(None, None, 0.5, 0.0) };
        let real = Fidelity { indices: vec![false, false], ..real };
        assert_eq!(
            real.to_string(),
            "99.90 % of the variance of outputs is kept; largest difference 5.000e-1 on 10 samples"
        );
    }

    #[test]
    fn flips_to_come_count_where_none_was_seen() {
        let fidelity = |flips| Fidelity { flips, ..fidelity_of(None, Some(1.0), 0.01, 0.0) };
        assert!(fidelity(None).is_good() && fidelity(Some(Fidelity::FLIPS)).is_good());
        assert!(!fidelity(Some(1.1 * Fidelity::FLIPS)).is_good() && !fidelity(Some(f64::NAN)).is_good());
        assert_eq!(fidelity(Some(2.0 * Fidelity::FLIPS)).excess(), 2.0);
    }

    #[test]
    fn what_is_kept_is_the_least_of_score_and_outputs() {
        let kept = |scores, agreement, rms, wrong| fidelity_of(scores, agreement, rms, wrong).kept();
        assert_eq!(kept(None, None, 0.0, 0.0), 1.0);
        assert_eq!(kept(None, None, 0.5, 0.0), 0.75);
        assert_eq!(kept(None, None, 0.5, 0.5), 0.5);
        assert_eq!(kept(None, Some(0.25), 0.5, 0.5), 0.25);
        assert_eq!(kept(Some((Metric::Argmax, 0.8, 0.4)), None, 0.0, 0.0), 0.5);
        // A score that the rounding happens to raise is kept whole.
        assert_eq!(kept(Some((Metric::Argmax, 0.8, 0.9)), None, 0.0, 0.0), 1.0);
        assert_eq!(kept(Some((Metric::RSquared, 0.75, 0.5)), None, 0.0, 0.0), 0.75);
        assert_eq!(kept(Some((Metric::MeanSquaredError, 1.0, 4.0)), None, 0.0, 0.0), 0.25);
    }
}
