//! RNN, GRU and LSTM, unrolled over the steps of their sequence.
//!
//! Every step multiplies its input and its state by the same weights. Quantization makes the sum of the two products one
//! layer, and the steps share scales, so that the weights stand in the circuit once whatever the number of steps
//! (`quantize::repeated`). A state that starts as zeros is left out of the first step.
//!
//! A sequence may be shorter for some elements of the batch: their state then stays as it is, and the outputs behind their
//! end are zeros. In reverse direction each element starts at its own end. Where lengths depend on the inputs, all positions are gone
//! through, and behind the end of a sequence the new state is the old one: in reverse direction these come first, and leave the state that the
//! direction starts with.

use super::activation::threshold;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};
use std::ops::Range;

type Result<T = Vec<ValueId>> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("RNN", &[since(7, 3, 6, 2)], rnn),
    onnx("GRU", &[since(7, 3, 6, 2)], gru),
    onnx("LSTM", &[since(7, 3, 8, 3)], lstm),
];

/// Most steps that a node is unrolled into, those of both directions together.
const MAX_STEPS: u64 = 1 << 14;

/// A state `[batch, hidden]`; `None` is zeros.
type State = Option<ValueId>;

/// How many steps each element of a batch has.
enum Lengths {
    /// Known when the model is imported.
    Known(Vec<usize>),
    /// `[steps, batch]`, computed from the inputs: 1 at the positions before the end of a sequence, 0 behind it.
    Data(ValueId),
}

/// What the three operators have in common.
struct Sequence {
    /// `[steps, batch, inputs]`
    x: ValueId,
    steps: usize,
    batch: usize,
    inputs: usize,
    hidden: usize,
    /// Gates of a cell, each with `hidden` rows of the weights.
    gates: usize,
    /// For each direction whether it goes from the end to the start.
    reversed: Vec<bool>,
    /// Steps of each element of the batch.
    lengths: Lengths,
    /// Whether the batch is the first axis of inputs, outputs and states.
    batch_first: bool,
    /// Bound of what activations are applied to.
    clip: Option<f64>,
    /// The activations of each direction, in the order of the operator.
    activations: Vec<Vec<Activation>>,
}

impl Sequence {
    /// Reads the operands 0 to 4 and the attributes that all three operators have. `defaults` are the activations of one
    /// direction.
    fn read(call: &mut Call, gates: usize, defaults: &[&str]) -> Result<Self> {
        let (x, weights, recurrent) = (call.input(0)?, call.input(1)?, call.input(2)?);
        call.builder.same_type(&[x, weights, recurrent])?;
        if !call.dtype(x).is_float() {
            return Err(NodeError::data_type(format!("its operand is {}; it must be a float", call.dtype(x).name())));
        }
        let batch_first = call.version >= 14 && call.attributes.flag("layout", false)?;
        let reversed = match call.attributes.string_or("direction", "forward")?.as_str() {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => return Err(NodeError::attribute("direction", format!("`{other}` is unknown"))),
        };
        if call.rank(x) != 3 {
            return Err(NodeError::shape(format!("its operand has shape {:?}, not three axes", call.shape(x))));
        }
        let x = if batch_first { call.builder.transpose(x, &[1, 0, 2])? } else { x };
        let [steps, batch, inputs] = call.shape(x)[..] else { unreachable!("the rank was checked") };
        let hidden = *call.shape(recurrent).last().unwrap_or(&0);
        if let Some(size) = call.attributes.int("hidden_size")?.filter(|&size| size != hidden as i64) {
            return Err(NodeError::attribute("hidden_size", format!("{size}, but the weights have {hidden}")));
        }
        expect_shape(call, weights, "weights", &[reversed.len(), gates * hidden, inputs])?;
        expect_shape(call, recurrent, "recurrent weights", &[reversed.len(), gates * hidden, hidden])?;
        if let Some(bias) = call.optional(3) {
            expect_shape(call, bias, "bias", &[reversed.len(), 2 * gates * hidden])?;
        }
        let lengths = Lengths::read(call, x, steps, batch)?;
        let total = (steps as u64).saturating_mul(reversed.len() as u64);
        if total > MAX_STEPS {
            return Err(NodeError::TooLarge { what: "steps of a recurrence", found: total, limit: MAX_STEPS });
        }
        let clip = call.attributes.float("clip")?;
        if let Some(clip) = clip.filter(|&clip| clip <= 0.0) {
            return Err(NodeError::attribute("clip", format!("{clip} is not positive")));
        }
        let activations = Activation::read(call, defaults, reversed.len())?;
        Ok(Self { x, steps, batch, inputs, hidden, gates, reversed, lengths, batch_first, clip, activations })
    }

    /// Rows of the weights, or of the recurrent weights, of some gates in one direction, transposed: a matrix that a row
    /// of inputs is multiplied by.
    fn matrix(&self, call: &mut Call, operand: usize, direction: usize, gates: Range<usize>) -> Result<ValueId> {
        let value = call.input(operand)?;
        let [_, all, columns] = call.shape(value)[..] else { unreachable!("shapes were checked") };
        let (first, rows) = (gates.start * self.hidden, gates.len() * self.hidden);
        call.builder
            .view(value, vec![columns, rows], 0.0, |at| Some((direction * all + first + at[1]) * columns + at[0]))
    }

    /// Part of an operand `[directions, length]`.
    fn part(call: &mut Call, operand: ValueId, direction: usize, part: Range<usize>) -> Result<ValueId> {
        let length = call.shape(operand)[1];
        let shape = vec![part.len()];
        call.builder.view(operand, shape, 0.0, |at| Some(direction * length + part.start + at[0]))
    }

    /// The bias of the input (`recurrent` false) or of the state of some gates.
    fn bias(&self, call: &mut Call, direction: usize, gates: Range<usize>, recurrent: bool) -> Result<State> {
        let Some(bias) = call.optional(3) else { return Ok(None) };
        let first = if recurrent { self.gates * self.hidden } else { 0 };
        let part = first + gates.start * self.hidden..first + gates.end * self.hidden;
        Self::part(call, bias, direction, part).map(Some)
    }

    /// What a state starts as.
    fn initial(&self, call: &mut Call, operand: usize, direction: usize) -> Result<State> {
        let Some(value) = call.optional(operand) else { return Ok(None) };
        let directions = self.reversed.len();
        let (shape, axis) = match self.batch_first {
            true => ([self.batch, directions, self.hidden], 1),
            false => ([directions, self.batch, self.hidden], 0),
        };
        expect_shape(call, value, "initial state", &shape)?;
        if call.builder.tensor(value).is_some_and(|tensor| tensor.data.iter().all(|&v| v == 0.0)) {
            return Ok(None);
        }
        let picked = call.builder.pick_axis(value, axis, [direction])?;
        call.builder.reshape(picked, vec![self.batch, self.hidden]).map(Some)
    }

    /// The position that element `b` of the batch is at in step `step`; `None` behind its end.
    fn position(&self, direction: usize, step: usize, b: usize) -> Option<usize> {
        let length = match &self.lengths {
            Lengths::Known(lengths) => lengths[b],
            Lengths::Data(_) => self.steps,
        };
        (step < length).then(|| if self.reversed[direction] { length - 1 - step } else { step })
    }

    /// The inputs `[batch, inputs]` of a step.
    fn input(&self, call: &mut Call, direction: usize, step: usize) -> Result<ValueId> {
        call.builder.view(self.x, vec![self.batch, self.inputs], 0.0, |at| {
            let position = self.position(direction, step, at[0])?;
            Some((position * self.batch + at[0]) * self.inputs + at[1])
        })
    }

    /// `new` for the elements of the batch that are not at their end, `old` for the others.
    fn advance(&self, call: &mut Call, direction: usize, step: usize, old: State, new: ValueId) -> Result<ValueId> {
        let active: Vec<bool> = match &self.lengths {
            Lengths::Known(lengths) => lengths.iter().map(|&length| step < length).collect(),
            Lengths::Data(before_end) => return self.advance_by_data(call, *before_end, direction, step, old, new),
        };
        if active.iter().all(|&active| active) {
            return Ok(new);
        }
        let builder = &mut *call.builder;
        let (both, rows) = match old {
            Some(old) => (builder.concat(&[new, old], 0)?, self.batch),
            None => (new, 0),
        };
        builder.view(both, vec![self.batch, self.hidden], 0.0, |at| {
            let row = if active[at[0]] { Some(at[0]) } else { (rows > 0).then_some(rows + at[0]) };
            row.map(|row| row * self.hidden + at[1])
        })
    }

    /// The same where lengths depend on the inputs.
    fn advance_by_data(
        &self,
        call: &mut Call,
        before_end: ValueId,
        direction: usize,
        step: usize,
        old: State,
        new: ValueId,
    ) -> Result<ValueId> {
        let position = if self.reversed[direction] { self.steps - 1 - step } else { step };
        let active = call.builder.pick_axis(before_end, 0, [position])?;
        let active = call.builder.reshape(active, vec![self.batch, 1])?;
        let Some(old) = old else { return product(call, active, new) };
        let change = call.builder.binary(BinaryFunction::Sub, new, old)?;
        let change = product(call, active, change)?;
        call.builder.binary(BinaryFunction::Add, old, change)
    }

    /// Runs a cell over the sequence in one direction: `(input, states) → states`, the first of which is the output.
    fn run(
        &self,
        call: &mut Call,
        direction: usize,
        mut states: Vec<State>,
        mut cell: impl FnMut(&mut Call, ValueId, &[State]) -> Result,
    ) -> Result<Track> {
        let mut outputs = vec![];
        let longest = match &self.lengths {
            Lengths::Known(lengths) => lengths.iter().copied().max().unwrap_or(0),
            Lengths::Data(_) => self.steps,
        };
        if longest == 0 {
            return Err(NodeError::shape("a sequence without steps"));
        }
        for step in 0..longest {
            let input = self.input(call, direction, step)?;
            let new = cell(call, input, &states)?;
            for (state, new) in states.iter_mut().zip(new) {
                *state = Some(self.advance(call, direction, step, *state, new)?);
            }
            outputs.extend(states[0]);
        }
        Ok(Track { outputs, last: states.into_iter().flatten().collect() })
    }

    /// The outputs of the operator: of all steps, and the last of each state.
    fn outputs(&self, call: &mut Call, tracks: &[Track]) -> Result {
        let states = tracks[0].last.len();
        let mut results = vec![];
        // What nobody reads is not built; its place is taken by another value.
        results.push(match call.used_outputs.first() {
            Some(true) => self.all_steps(call, tracks)?,
            _ => tracks[0].last[0],
        });
        for state in 0..states {
            let shape = vec![1, self.batch, self.hidden];
            let last = tracks.iter().map(|track| call.builder.reshape(track.last[state], shape.clone()));
            let last = last.collect::<Result<Vec<_>>>()?;
            let stacked = call.builder.concat(&last, 0)?;
            results.push(if self.batch_first { call.builder.transpose(stacked, &[1, 0, 2])? } else { stacked });
        }
        Ok(results)
    }

    /// `[steps, directions, batch, hidden]`, or with the batch first.
    fn all_steps(&self, call: &mut Call, tracks: &[Track]) -> Result<ValueId> {
        let mut parts = vec![];
        for (direction, track) in tracks.iter().enumerate() {
            let all = call.builder.concat(&track.outputs, 0)?;
            // The position in a step, read backwards, is the step at a position.
            parts.push(call.builder.view(all, vec![self.steps, 1, self.batch, self.hidden], 0.0, |at| {
                let step = self.position(direction, at[0], at[2])?;
                Some((step * self.batch + at[2]) * self.hidden + at[3])
            })?);
        }
        let mut stacked = call.builder.concat(&parts, 1)?;
        if let Lengths::Data(before_end) = self.lengths {
            let active = call.builder.reshape(before_end, vec![self.steps, 1, self.batch, 1])?;
            stacked = product(call, active, stacked)?;
        }
        match self.batch_first {
            true => call.builder.transpose(stacked, &[2, 0, 1, 3]),
            false => Ok(stacked),
        }
    }

    /// An activation of a cell, on clipped values.
    fn activate(&self, call: &mut Call, direction: usize, index: usize, value: ValueId) -> Result<ValueId> {
        let value = match self.clip {
            Some(clip) => call.builder.unary(UnaryFunction::Clip { lo: -clip, hi: clip }, value)?,
            None => value,
        };
        self.activations[direction][index].apply(call, value)
    }

    /// Gate `index` of several side by side.
    fn gate(&self, call: &mut Call, gates: ValueId, index: usize) -> Result<ValueId> {
        call.builder.pick_axis(gates, 1, index * self.hidden..(index + 1) * self.hidden)
    }
}

/// The states of one direction.
struct Track {
    /// The output after each step.
    outputs: Vec<ValueId>,
    /// The states after the last step.
    last: Vec<ValueId>,
}

/// The weights of some gates in one direction.
struct Layer {
    /// `[inputs, gates · hidden]`
    weights: ValueId,
    /// `[hidden, gates · hidden]`
    recurrent: ValueId,
    /// `[gates · hidden]`
    bias: State,
}

impl Layer {
    /// The weights of gates that take input and state; their two biases become one.
    fn read(call: &mut Call, sequence: &Sequence, direction: usize, gates: Range<usize>) -> Result<Self> {
        let biases = [
            sequence.bias(call, direction, gates.clone(), false)?,
            sequence.bias(call, direction, gates.clone(), true)?,
        ];
        Ok(Self {
            weights: sequence.matrix(call, 1, direction, gates.clone())?,
            recurrent: sequence.matrix(call, 2, direction, gates)?,
            bias: sum(call, biases)?,
        })
    }

    /// `x·W + b + h·R`
    fn apply(&self, call: &mut Call, x: ValueId, state: State) -> Result<ValueId> {
        let product = call.builder.matmul(x, self.weights)?;
        let own = sum(call, [Some(product), self.bias])?;
        let other = match state {
            Some(state) => Some(call.builder.matmul(state, self.recurrent)?),
            None => None,
        };
        Ok(sum(call, [own, other])?.unwrap_or(product))
    }
}

/// The sum of those that are there.
fn sum(call: &mut Call, operands: [State; 2]) -> Result<State> {
    match operands {
        [Some(a), Some(b)] => call.builder.binary(BinaryFunction::Add, a, b).map(Some),
        [one, other] => Ok(one.or(other)),
    }
}

fn product(call: &mut Call, a: ValueId, b: ValueId) -> Result<ValueId> {
    call.builder.binary(BinaryFunction::Mul, a, b)
}

fn expect_shape(call: &Call, value: ValueId, what: &str, expected: &[usize]) -> Result<()> {
    let found = call.shape(value);
    if found == expected {
        return Ok(());
    }
    Err(NodeError::shape(format!("its {what} have shape {found:?}, not {expected:?}")))
}

impl Lengths {
    /// The lengths of the sequences of a batch; all steps where the operand is left out.
    fn read(call: &mut Call, x: ValueId, steps: usize, batch: usize) -> Result<Self> {
        let Some(operand) = call.optional(4) else { return Ok(Self::Known(vec![steps; batch])) };
        if call.builder.tensor(operand).is_none() && call.dtype(operand).is_integer() {
            expect_shape(call, operand, "sequence lengths", &[batch])?;
            let lengths = call.builder.retype(operand, DType::Float32)?;
            let positions = (0..steps).map(|step| step as f64).collect();
            let positions = call.builder.constant(vec![steps, 1], positions, DType::Float32)?;
            let before_end = call.builder.binary(BinaryFunction::Less, positions, lengths)?;
            return Ok(Self::Data(call.builder.retype(before_end, call.dtype(x))?));
        }
        let given = call.integers(4, "sequence lengths")?.unwrap_or_default();
        let known = given.iter().filter_map(|&v| usize::try_from(v).ok().filter(|&v| v <= steps));
        let known: Vec<usize> = known.collect();
        if given.len() != batch || known.len() != batch {
            return Err(NodeError::shape(format!("sequence lengths {given:?} of {batch} sequences of {steps} steps")));
        }
        Ok(Self::Known(known))
    }
}

/// `h' = f(x·W + h·R + b)`
fn rnn(call: &mut Call) -> Result {
    let sequence = Sequence::read(call, 1, &["Tanh"])?;
    let mut tracks = vec![];
    for direction in 0..sequence.reversed.len() {
        let layer = Layer::read(call, &sequence, direction, 0..1)?;
        let initial = sequence.initial(call, 5, direction)?;
        tracks.push(sequence.run(call, direction, vec![initial], |call, x, states| {
            let sum = layer.apply(call, x, states[0])?;
            Ok(vec![sequence.activate(call, direction, 0, sum)?])
        })?);
    }
    sequence.outputs(call, &tracks)
}

/// Update gate `z`, reset gate `r` and candidate `n`: `h' = (1 − z)·n + z·h = n + z·(h − n)`.
fn gru(call: &mut Call) -> Result {
    let sequence = Sequence::read(call, 3, &["Sigmoid", "Tanh"])?;
    let reset_after = call.attributes.int_or("linear_before_reset", 0)? != 0;
    let mut tracks = vec![];
    for direction in 0..sequence.reversed.len() {
        let gates = Layer::read(call, &sequence, direction, 0..2)?;
        let candidate = Candidate::read(call, &sequence, direction, reset_after)?;
        let initial = sequence.initial(call, 5, direction)?;
        tracks.push(sequence.run(call, direction, vec![initial], |call, x, states| {
            let state = states[0];
            let both = gates.apply(call, x, state)?;
            let both = sequence.activate(call, direction, 0, both)?;
            let (update, reset) = (sequence.gate(call, both, 0)?, sequence.gate(call, both, 1)?);
            let candidate = candidate.apply(call, x, state, reset)?;
            let candidate = sequence.activate(call, direction, 1, candidate)?;
            Ok(vec![match state {
                None => {
                    let kept = call.builder.affine(update, -1.0, 1.0)?;
                    product(call, kept, candidate)?
                }
                Some(state) => {
                    let difference = call.builder.binary(BinaryFunction::Sub, state, candidate)?;
                    let change = product(call, update, difference)?;
                    call.builder.binary(BinaryFunction::Add, candidate, change)?
                }
            }])
        })?);
    }
    sequence.outputs(call, &tracks)
}

/// The candidate of a GRU, whose state is reset before or after it is multiplied.
struct Candidate {
    layer: Layer,
    /// With a reset after the product: the bias of the state.
    reset_bias: State,
    reset_after: bool,
}

impl Candidate {
    fn read(call: &mut Call, sequence: &Sequence, direction: usize, reset_after: bool) -> Result<Self> {
        let mut layer = Layer::read(call, sequence, direction, 2..3)?;
        let mut reset_bias = None;
        if reset_after {
            layer.bias = sequence.bias(call, direction, 2..3, false)?;
            reset_bias = sequence.bias(call, direction, 2..3, true)?;
        }
        Ok(Self { layer, reset_bias, reset_after })
    }

    fn apply(&self, call: &mut Call, x: ValueId, state: State, reset: ValueId) -> Result<ValueId> {
        if !self.reset_after {
            let state = match state {
                Some(state) => Some(product(call, reset, state)?),
                None => None,
            };
            return self.layer.apply(call, x, state);
        }
        let own = self.layer.apply(call, x, None)?;
        let other = match state {
            Some(state) => Some(call.builder.matmul(state, self.layer.recurrent)?),
            None => None,
        };
        match sum(call, [other, self.reset_bias])? {
            Some(other) => {
                let gated = product(call, reset, other)?;
                call.builder.binary(BinaryFunction::Add, own, gated)
            }
            None => Ok(own),
        }
    }
}

/// Input gate `i`, output gate `o`, forget gate `f` and candidate `g`: `c' = f·c + i·g`, `h' = o·act(c')`. Peepholes add
/// multiples of the cell state to the gates, to the output gate of the new one.
pub(super) fn lstm(call: &mut Call) -> Result {
    let sequence = Sequence::read(call, 4, &["Sigmoid", "Tanh", "Tanh"])?;
    let coupled = call.attributes.flag("input_forget", false)?;
    let directions = sequence.reversed.len();
    if let Some(peepholes) = call.optional(7) {
        expect_shape(call, peepholes, "peepholes", &[directions, 3 * sequence.hidden])?;
    }
    let mut tracks = vec![];
    for direction in 0..directions {
        let cell = LstmCell::read(call, &sequence, direction, coupled)?;
        let initial = vec![sequence.initial(call, 5, direction)?, sequence.initial(call, 6, direction)?];
        tracks.push(sequence.run(call, direction, initial, |call, x, states| cell.step(call, x, states))?);
    }
    sequence.outputs(call, &tracks)
}

/// An LSTM in one direction.
struct LstmCell<'a> {
    sequence: &'a Sequence,
    direction: usize,
    /// Input, output and forget gate; without the last where it is one minus the first.
    gates: Layer,
    candidate: Layer,
    /// For input, output and forget gate.
    peepholes: Option<[ValueId; 3]>,
    coupled: bool,
}

impl<'a> LstmCell<'a> {
    fn read(call: &mut Call, sequence: &'a Sequence, direction: usize, coupled: bool) -> Result<Self> {
        let gates = Layer::read(call, sequence, direction, if coupled { 0..2 } else { 0..3 })?;
        let candidate = Layer::read(call, sequence, direction, 3..4)?;
        let peepholes = match call.optional(7) {
            None => None,
            Some(value) => {
                let mut part = |gate: usize| {
                    Sequence::part(call, value, direction, gate * sequence.hidden..(gate + 1) * sequence.hidden)
                };
                Some([part(0)?, part(1)?, part(2)?])
            }
        };
        Ok(Self { sequence, direction, gates, candidate, peepholes, coupled })
    }

    fn step(&self, call: &mut Call, x: ValueId, states: &[State]) -> Result {
        let sums = self.gates.apply(call, x, states[0])?;
        // Without peepholes the gates have one function of one layer.
        let gates = match self.peepholes {
            None => self.sequence.activate(call, self.direction, 0, sums)?,
            Some(_) => sums,
        };
        let input = self.gate(call, gates, 0, states[1])?;
        let forget = match self.coupled {
            true => call.builder.affine(input, -1.0, 1.0)?,
            false => self.gate(call, gates, 2, states[1])?,
        };
        let candidate = self.candidate.apply(call, x, states[0])?;
        let candidate = self.sequence.activate(call, self.direction, 1, candidate)?;
        let added = product(call, input, candidate)?;
        let cell = match states[1] {
            Some(cell) => {
                let kept = product(call, forget, cell)?;
                call.builder.binary(BinaryFunction::Add, kept, added)?
            }
            None => added,
        };
        let output = self.gate(call, gates, 1, Some(cell))?;
        let shown = self.sequence.activations[self.direction][2].apply(call, cell)?;
        Ok(vec![product(call, output, shown)?, cell])
    }

    /// A gate, with its peephole to a cell state where there is one.
    fn gate(&self, call: &mut Call, gates: ValueId, index: usize, cell: State) -> Result<ValueId> {
        let gate = self.sequence.gate(call, gates, index)?;
        let Some(peepholes) = self.peepholes else { return Ok(gate) };
        let gate = match cell {
            Some(cell) => {
                let seen = product(call, cell, peepholes[index])?;
                call.builder.binary(BinaryFunction::Add, gate, seen)?
            }
            None => gate,
        };
        self.sequence.activate(call, self.direction, 0, gate)
    }
}

/// An activation by its name in the attribute `activations`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Activation {
    Plain(UnaryFunction),
    /// `alpha·tanh(beta·v)`
    ScaledTanh {
        alpha: f64,
        beta: f64,
    },
    /// `v > alpha ? v : 0`
    Threshold(f64),
}

impl Activation {
    /// The activations of each direction. Numbers in `activation_alpha` and `activation_beta` are for the activations that
    /// take one, in order; where the list is too short they have the defaults of the operators of these names.
    fn read(call: &Call, defaults: &[&str], directions: usize) -> Result<Vec<Vec<Self>>> {
        let attributes = &call.attributes;
        let names = match attributes.texts("activations")? {
            Some(names) => names,
            None => defaults.iter().cycle().take(defaults.len() * directions).map(|name| (*name).to_owned()).collect(),
        };
        if names.len() != defaults.len() * directions {
            let reason = format!("{} names, where {} are needed", names.len(), defaults.len() * directions);
            return Err(NodeError::attribute("activations", reason));
        }
        let mut alphas = attributes.floats("activation_alpha")?.unwrap_or_default().into_iter();
        let mut betas = attributes.floats("activation_beta")?.unwrap_or_default().into_iter();
        let list = names.iter().map(|name| Self::of(name, &mut alphas, &mut betas)).collect::<Result<Vec<_>>>()?;
        Ok(list.chunks(defaults.len()).map(<[Self]>::to_vec).collect())
    }

    fn of(name: &str, alphas: &mut dyn Iterator<Item = f64>, betas: &mut dyn Iterator<Item = f64>) -> Result<Self> {
        let missing = |attribute: &str| NodeError::attribute(attribute, format!("it is missing for {name}"));
        let mut alpha = |default: Option<f64>| alphas.next().or(default).ok_or_else(|| missing("activation_alpha"));
        let mut beta = |default: Option<f64>| betas.next().or(default).ok_or_else(|| missing("activation_beta"));
        Ok(match name.to_ascii_lowercase().as_str() {
            "relu" => Self::Plain(UnaryFunction::Relu),
            "tanh" => Self::Plain(UnaryFunction::Tanh),
            "sigmoid" => Self::Plain(UnaryFunction::Sigmoid),
            "softsign" => Self::Plain(UnaryFunction::Softsign),
            "softplus" => Self::Plain(UnaryFunction::Softplus),
            "affine" => Self::Plain(UnaryFunction::Affine { factor: alpha(None)?, offset: beta(None)? }),
            "leakyrelu" => Self::Plain(UnaryFunction::LeakyRelu(alpha(Some(0.01))?)),
            "elu" => Self::Plain(UnaryFunction::Elu(alpha(Some(1.0))?)),
            "hardsigmoid" => {
                Self::Plain(UnaryFunction::HardSigmoid { alpha: alpha(Some(0.2))?, beta: beta(Some(0.5))? })
            }
            "scaledtanh" => Self::ScaledTanh { alpha: alpha(None)?, beta: beta(None)? },
            "thresholdedrelu" => Self::Threshold(alpha(Some(1.0))?),
            _ => return Err(NodeError::attribute("activations", format!("`{name}` is unknown"))),
        })
    }

    fn apply(self, call: &mut Call, value: ValueId) -> Result<ValueId> {
        match self {
            Self::Plain(function) => call.builder.unary(function, value),
            Self::Threshold(alpha) => threshold(call, value, alpha),
            Self::ScaledTanh { alpha, beta } => {
                let scaled = call.builder.affine(value, beta, 0.0)?;
                let tanh = call.builder.unary(UnaryFunction::Tanh, scaled)?;
                call.builder.affine(tanh, alpha, 0.0)
            }
        }
    }
}
