//! The form in float32 arithmetic of a model with dynamic quantization, as far as its operators have one.

mod averages;

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::ViewElement;

use super::builder::Builder;
use crate::dtype::DType;
use crate::float::evaluate::{strides_for, window_taps, Odometer};
use crate::float::float32::{Float32Form, Float32Graph, Float32Id, Float32Node, Float32Op};
use crate::float::graph::{BinaryFunction, FloatGraph, FloatOp, FloatPort, UnaryFunction, ValueId, Window};

/// Most elements of its constants, views and values together; larger models are beyond what is proved so anyway.
const MAX_ELEMENTS: usize = 1 << 24;
/// What a node takes beside its elements and its label, in elements.
const NODE_ELEMENTS: usize = 16;

/// What a value is in the new form.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    /// Float32 numbers.
    Numbers(Float32Id),
    /// Integers that were quantized from a value of the builder; the node has them without their zero point.
    Raw(Float32Id, ValueId),
    /// Integers without their zero point.
    Centered(Float32Id),
    /// The zero point of a value.
    Zero(ValueId),
    /// Exact sums.
    Sums(Float32Id),
}

/// Which result of DynamicQuantizeLinear a value is.
#[derive(Clone, Copy, Debug)]
enum Part {
    Integers,
    Scale,
    Zero,
}

/// Makes the form of a model in reals, whose values are those of the builder; or says which node is not followed first, and why, where no
/// dynamic quantization is.
pub(super) fn form(builder: &Builder, reals: FloatGraph) -> Result<Float32Form, String> {
    let mut former = Former {
        builder,
        parts: parts(builder),
        meanings: BTreeMap::new(),
        graph: Float32Graph::default(),
        elements_left: MAX_ELEMENTS,
    };
    let mut reasons = Vec::new();
    for value in former.order(&reals.outputs) {
        let starts_here = former.operands(value).iter().all(|&operand| former.has_meaning(operand));
        if !starts_here {
            continue;
        }
        match former.meaning(value) {
            Ok(meaning) => drop(former.meanings.insert(value, meaning)),
            Err(what) => reasons.push(format!("node {:?}: {what}", builder.label_of(value))),
        }
    }
    let numbers = |&value: &ValueId| match former.meanings.get(&builder.exact(value)) {
        Some(&Meaning::Numbers(id)) => Some((value, id)),
        _ => None,
    };
    let values = (0..reals.nodes.len()).map(ValueId);
    former.graph.values = values.filter_map(|value| numbers(&value)).collect();
    // An output that is integers of dynamic quantization, or their sums, is one of the results that are not followed.
    let mut approximations = builder.approximations().clone();
    for port in &reals.outputs {
        let meaning = former.meanings.get(&builder.exact(port.value));
        if meaning.is_some_and(|meaning| !matches!(meaning, Meaning::Numbers(_))) {
            approximations.insert(port.value);
            reasons.push(format!("output {:?} has integers of dynamic quantization", port.name));
        }
    }
    let form = Float32Form::new(reals, approximations, former.graph, reasons);
    match form.split.quantizes() {
        true => Ok(form),
        false => {
            Err(form.split.reasons.into_iter().next().unwrap_or_else(|| "nothing depends on what is followed".into()))
        }
    }
}

/// The results of dynamic quantization, with the value that was quantized.
fn parts(builder: &Builder) -> BTreeMap<ValueId, (ValueId, Part)> {
    let mut parts = BTreeMap::new();
    for [integers, real, scale, zero_point] in builder.dynamic_integers() {
        parts.insert(integers, (real, Part::Integers));
        parts.insert(scale, (real, Part::Scale));
        parts.insert(zero_point, (real, Part::Zero));
    }
    parts
}

struct Former<'a> {
    builder: &'a Builder,
    parts: BTreeMap<ValueId, (ValueId, Part)>,
    meanings: BTreeMap<ValueId, Meaning>,
    graph: Float32Graph,
    elements_left: usize,
}

type Formed<T = Meaning> = Result<T, String>;

impl Former<'_> {
    /// What outputs depend on, constants left out, in order.
    fn order(&self, outputs: &[FloatPort]) -> Vec<ValueId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut waiting: Vec<ValueId> = outputs.iter().map(|port| self.builder.exact(port.value)).collect();
        while let Some(value) = waiting.pop() {
            if self.builder.tensor(value).is_none() && seen.insert(value) {
                waiting.extend(self.operands(value));
            }
        }
        // An output that is a constant is one all the same.
        outputs.iter().map(|port| port.value).filter(|&value| self.builder.tensor(value).is_some()).for_each(|value| {
            seen.insert(value);
        });
        seen.into_iter().collect()
    }

    /// Whether a value is followed, or a constant.
    fn has_meaning(&self, value: ValueId) -> bool {
        self.meanings.contains_key(&value) || self.builder.tensor(value).is_some()
    }

    fn operands(&self, value: ValueId) -> Vec<ValueId> {
        let operands = match self.parts.get(&value) {
            Some(&(real, _)) => vec![real],
            None => self.builder.op(value).operands(),
        };
        operands.into_iter().map(|operand| self.builder.exact(operand)).collect()
    }

    fn spend(&mut self, elements: usize) -> Formed<()> {
        let left = self.elements_left.checked_sub(elements);
        self.elements_left = left.ok_or("the model is too large to follow float32 element by element")?;
        Ok(())
    }

    fn push(&mut self, value: ValueId, op: Float32Op, elements: usize) -> Formed<Float32Id> {
        let label = self.builder.label_of(value);
        self.spend(elements.saturating_add(NODE_ELEMENTS + label.len()))?;
        self.graph.nodes.push(Float32Node { label, op, elements });
        Ok(self.graph.nodes.len() - 1)
    }

    fn numbers(&mut self, value: ValueId, op: Float32Op, elements: usize) -> Formed {
        Ok(Meaning::Numbers(self.push(value, op, elements)?))
    }

    /// The meaning of an operand; constants are made when they are read.
    fn read(&mut self, operand: ValueId) -> Formed {
        let operand = self.builder.exact(operand);
        if let Some(&meaning) = self.meanings.get(&operand) {
            return Ok(meaning);
        }
        self.constant(operand)
    }

    fn constant(&mut self, value: ValueId) -> Formed {
        let tensor = self.builder.tensor(value).ok_or("an operand has no form in float32 arithmetic")?;
        if self.builder.dtype(value) != DType::Float32 {
            return Err(format!("a constant of type {} is read as a number", self.builder.dtype(value).name()));
        }
        let data: Vec<f32> = tensor.data.iter().map(|&x| x as f32).collect();
        if data.iter().any(|x| !x.is_finite()) {
            return Err("a constant is not finite".into());
        }
        // Such as the factors of a BatchNormalization, which the runtime rounds step by step.
        if tensor.data.iter().zip(&data).any(|(&exact, &rounded)| exact != f64::from(rounded)) {
            return Err("a constant is computed from others, more finely than float32 has it".into());
        }
        let (count, op) = (data.len(), Float32Op::Constant(data.into()));
        self.numbers(value, op, count)
    }

    /// An operand that has numbers.
    fn read_numbers(&mut self, operand: ValueId) -> Formed<Float32Id> {
        match self.read(operand)? {
            Meaning::Numbers(id) => Ok(id),
            _ => Err("integers of dynamic quantization are read other than by a product".into()),
        }
    }

    /// An operand of numbers, repeated to the shape of a result.
    fn spread(&mut self, value: ValueId, operand: ValueId) -> Formed<Float32Id> {
        let id = self.read_numbers(operand)?;
        let (from, to) = (self.builder.shape(operand).to_vec(), self.builder.shape(value).to_vec());
        if self.builder.elements(operand) == self.builder.elements(value) {
            return Ok(id);
        }
        let strides = strides_for(&from, &to);
        let map = positions(&to, strides);
        self.push(value, Float32Op::View { sources: vec![id], map }, self.builder.elements(value))
    }

    fn meaning(&mut self, value: ValueId) -> Formed {
        if let Some(&(real, part)) = self.parts.get(&value) {
            return self.part(value, real, part);
        }
        let elements = self.builder.elements(value);
        let dtype = self.builder.dtype(value);
        match self.builder.op(value) {
            FloatOp::Constant(_) => self.constant(value),
            &FloatOp::Input(number) if dtype == DType::Float32 || dtype.is_integer() => {
                self.numbers(value, Float32Op::Input(number), elements)
            }
            &FloatOp::Binary { function, operands } => self.binary(value, function, operands),
            op if !dtype.is_float() && !is_move(op) && !matches!(op, FloatOp::MatMul(..) | FloatOp::Conv { .. }) => {
                Err("arithmetic of integers".into())
            }
            &FloatOp::Reshape(input) => self.retyped(value, input),
            FloatOp::Transpose { input, permutation } => {
                let shape = self.builder.shape(*input);
                let strides = strides_for(shape, shape);
                let moved = permutation.iter().map(|&axis| strides[axis]).collect();
                self.view(value, *input, positions(self.builder.shape(value), moved))
            }
            FloatOp::Reindex { input, map, fill } => {
                if map.iter().any(Option::is_none) && *fill != 0.0 {
                    return Err("padding with other numbers than zero".into());
                }
                let map = map.iter().map(|from| from.map_or(ViewElement::Zero, |index| element(0, index as usize)));
                self.view(value, *input, map.collect())
            }
            FloatOp::Concat { inputs, axis } => self.concat(value, &inputs.clone(), *axis),
            &FloatOp::Unary { input, function } => self.unary(value, input, function),
            FloatOp::Reduce { input, kind, axes } => self.reduced(value, *input, *kind, &axes.clone()),
            &FloatOp::AveragePool { input, window, count_padding } => {
                self.average_pool(value, input, window, count_padding)
            }
            &FloatOp::MaxPool { input, window } => self.max_pool(value, input, window),
            &FloatOp::MatMul(a, b) => self.matmul(value, [a, b]),
            &FloatOp::Conv { input, weights, bias: None, window, groups } => {
                self.convolution(value, input, weights, window, groups)
            }
            _ => Err("an operator whose float32 arithmetic is not followed".into()),
        }
    }

    fn part(&mut self, value: ValueId, real: ValueId, part: Part) -> Formed {
        let operand = self.read_numbers(real)?;
        Ok(match part {
            Part::Integers => {
                let elements = self.builder.elements(value);
                Meaning::Raw(self.push(value, Float32Op::Centered(operand), elements)?, self.builder.exact(real))
            }
            Part::Scale => Meaning::Numbers(self.push(value, Float32Op::Scale(operand), 1)?),
            Part::Zero => Meaning::Zero(self.builder.exact(real)),
        })
    }

    /// The same elements under another shape or type.
    fn retyped(&mut self, value: ValueId, input: ValueId) -> Formed {
        let (meaning, dtype) = (self.read(input)?, self.builder.dtype(value));
        let from = self.builder.dtype(self.builder.exact(input));
        let elements = self.builder.elements(value);
        match meaning {
            Meaning::Sums(sums) | Meaning::Centered(sums) if dtype == DType::Float32 => {
                self.numbers(value, Float32Op::Float(sums), elements)
            }
            Meaning::Numbers(_) if dtype != DType::Float32 && !(from.is_integer() && dtype.is_integer()) => {
                Err(format!("a conversion to {}", dtype.name()))
            }
            Meaning::Raw(..) | Meaning::Zero(_) if dtype.is_float() => {
                Err("integers of dynamic quantization are read as numbers".into())
            }
            meaning => Ok(meaning),
        }
    }

    fn view(&mut self, value: ValueId, input: ValueId, map: Arc<[ViewElement]>) -> Formed {
        let meaning = self.read(input)?;
        let filled = map.contains(&ViewElement::Zero);
        let elements = map.len();
        let op = |source| Float32Op::View { sources: vec![source], map };
        Ok(match meaning {
            Meaning::Numbers(id) => Meaning::Numbers(self.push(value, op(id), elements)?),
            Meaning::Raw(id, real) if !filled => Meaning::Raw(self.push(value, op(id), elements)?, real),
            Meaning::Centered(id) => Meaning::Centered(self.push(value, op(id), elements)?),
            Meaning::Sums(id) => Meaning::Sums(self.push(value, op(id), elements)?),
            Meaning::Zero(real) if !filled => Meaning::Zero(real),
            _ => return Err("integers of dynamic quantization are padded".into()),
        })
    }

    fn concat(&mut self, value: ValueId, inputs: &[ValueId], axis: usize) -> Formed {
        let sources = inputs.iter().map(|&input| self.read_numbers(input)).collect::<Formed<Vec<_>>>()?;
        let to = self.builder.shape(value);
        let outer: usize = to[..axis].iter().product();
        let inner: usize = to[axis + 1..].iter().product();
        let mut map = Vec::with_capacity(self.builder.elements(value));
        for block in 0..outer {
            for (source, &input) in inputs.iter().enumerate() {
                let length = self.builder.shape(input)[axis] * inner;
                map.extend((block * length..(block + 1) * length).map(|index| element(source, index)));
            }
        }
        let elements = map.len();
        self.numbers(value, Float32Op::View { sources, map: map.into() }, elements)
    }

    fn unary(&mut self, value: ValueId, input: ValueId, function: UnaryFunction) -> Formed {
        let operand = self.read_numbers(input)?;
        let elements = self.builder.elements(value);
        let op = match function {
            UnaryFunction::Relu => Float32Op::Relu(operand),
            UnaryFunction::Clip { lo, hi } => clip(operand, lo, hi),
            UnaryFunction::Neg => Float32Op::Negated(operand),
            UnaryFunction::Abs => Float32Op::Magnitude(operand),
            UnaryFunction::LeakyRelu(slope) => Float32Op::Leaky([operand, self.repeated(value, slope, elements)?]),
            UnaryFunction::HardSigmoid { alpha, beta } => {
                let slope = self.repeated(value, alpha, elements)?;
                let scaled = self.push(value, Float32Op::Product([operand, slope]), elements)?;
                let offset = self.repeated(value, beta, elements)?;
                let line = Float32Op::Sum { operands: [scaled, offset], subtracts: false };
                clip(self.push(value, line, elements)?, 0.0, 1.0)
            }
            _ => return Err("a function whose float32 arithmetic is not followed".into()),
        };
        self.numbers(value, op, elements)
    }

    /// A number of the model, repeated.
    fn repeated(&mut self, value: ValueId, number: f64, count: usize) -> Formed<Float32Id> {
        let number = number as f32;
        if !number.is_finite() {
            return Err("a number of the model is not finite".into());
        }
        self.push(value, Float32Op::Constant(vec![number; count].into()), count)
    }

    fn binary(&mut self, value: ValueId, function: BinaryFunction, [a, b]: [ValueId; 2]) -> Formed {
        let elements = self.builder.elements(value);
        if function == BinaryFunction::Sub && !self.builder.dtype(value).is_float() {
            return match [self.read(a)?, self.read(b)?] {
                [Meaning::Raw(id, real), Meaning::Zero(own)] if real == own && self.builder.elements(a) == elements => {
                    Ok(Meaning::Centered(id))
                }
                _ => Err("a difference of integers that is no dynamic quantization's".into()),
            };
        }
        if !self.builder.dtype(value).is_float() {
            return Err("arithmetic of integers".into());
        }
        let operands = [self.spread(value, a)?, self.spread(value, b)?];
        let op = match function {
            BinaryFunction::Div => Float32Op::Quotient(operands),
            BinaryFunction::Max | BinaryFunction::Min => {
                return self.of_pairs(value, operands, function == BinaryFunction::Min);
            }
            BinaryFunction::Add => Float32Op::Sum { operands, subtracts: false },
            BinaryFunction::Sub => Float32Op::Sum { operands, subtracts: true },
            BinaryFunction::Mul => Float32Op::Product(operands),
            _ => return Err("a function whose float32 arithmetic is not followed".into()),
        };
        self.numbers(value, op, elements)
    }

    /// The larger, or the smaller, of each pair of elements.
    fn of_pairs(&mut self, value: ValueId, operands: [Float32Id; 2], smaller: bool) -> Formed {
        let elements = self.builder.elements(value);
        let map = (0..elements).flat_map(|i| [element(0, i), element(1, i)]).collect();
        let pairs = self.push(value, Float32Op::View { sources: operands.to_vec(), map }, 2 * elements)?;
        self.extremum(value, pairs, (0..2 * elements as u32).collect(), 2, smaller)
    }

    fn max_pool(&mut self, value: ValueId, input: ValueId, window: Window) -> Formed {
        let operand = self.read_numbers(input)?;
        let (from, to) = (self.builder.shape(input).to_vec(), self.builder.shape(value).to_vec());
        let size = window.kernel[0] * window.kernel[1];
        let mut windows = Vec::new();
        self.spend(self.builder.elements(value).saturating_mul(size))?;
        for plane in 0..to[0] * to[1] {
            for y in 0..to[2] {
                for x in 0..to[3] {
                    let inside = [(0, y, from[2]), (1, x, from[3])].map(|(axis, at, size)| {
                        let place = |tap| at * window.stride[axis] + tap * window.dilation[axis] - window.padding[axis];
                        window_taps(&window, axis, at, size).map(place).collect::<Vec<usize>>()
                    });
                    let [rows, columns] = &inside;
                    let index = |y: usize, x: usize| ((plane * from[2] + y) * from[3] + x) as u32;
                    let first = windows.len();
                    windows.extend(rows.iter().flat_map(|&y| columns.iter().map(move |&x| index(y, x))));
                    // What lies in the padding never wins: another element stands there twice.
                    let Some(&some) = windows.get(first) else { return Err("a window in the padding alone".into()) };
                    windows.resize(first + size, some);
                }
            }
        }
        let op = Float32Op::Largest { input: operand, windows: windows.into(), size };
        self.numbers(value, op, self.builder.elements(value))
    }

    /// The constant integers that a product takes.
    fn weights(&self, value: ValueId) -> Formed<Vec<i32>> {
        let value = self.builder.exact(value);
        let tensor = self.builder.tensor(value).ok_or("a product of two tensors of data")?;
        Ok(tensor.data.iter().map(|&w| w as i32).collect())
    }

    fn centered(&mut self, operand: ValueId) -> Formed<Float32Id> {
        match self.read(operand)? {
            Meaning::Centered(id) => Ok(id),
            _ => Err("a product that is not of dynamically quantized integers".into()),
        }
    }

    /// A product of centered integers `[…, M, K]` by constant ones `[K, N]`, as a 1 × 1 convolution of `K` channels.
    fn matmul(&mut self, value: ValueId, [a, b]: [ValueId; 2]) -> Formed {
        let input = self.centered(a)?;
        let [inner, columns] = self.builder.shape(b)[..] else {
            return Err("a stack of weight matrices".into());
        };
        let matrix = self.weights(b)?;
        self.spend(matrix.len())?;
        let weights = (0..columns).flat_map(|n| (0..inner).map(move |k| (k, n))).map(|(k, n)| matrix[k * columns + n]);
        let weights: Arc<[i32]> = weights.collect();
        let rows = self.builder.elements(a) / inner;
        let turned = |rows: usize, columns: usize| positions(&[columns, rows], vec![1, columns]);
        let input = match rows {
            1 => input,
            _ => {
                let map = turned(rows, inner);
                self.push(value, Float32Op::View { sources: vec![input], map }, rows * inner)?
            }
        };
        let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
        let op = Float32Op::Convolution {
            input,
            shape: [inner, rows, 1],
            weights,
            outputs: [columns, rows, 1],
            window,
            groups: 1,
        };
        let sums = self.push(value, op, columns * rows)?;
        Ok(Meaning::Sums(match rows {
            1 => sums,
            _ => {
                let map = turned(columns, rows);
                self.push(value, Float32Op::View { sources: vec![sums], map }, rows * columns)?
            }
        }))
    }

    fn convolution(
        &mut self,
        value: ValueId,
        input: ValueId,
        weights: ValueId,
        window: Window,
        groups: usize,
    ) -> Formed {
        let centered = self.centered(input)?;
        let (from, to) = (self.builder.shape(input).to_vec(), self.builder.shape(value).to_vec());
        if from[0] != 1 {
            return Err("a convolution of several pictures".into());
        }
        let weights: Arc<[i32]> = self.weights(weights)?.into();
        self.spend(weights.len())?;
        let (shape, outputs) = ([from[1], from[2], from[3]], [to[1], to[2], to[3]]);
        let op = Float32Op::Convolution { input: centered, shape, weights, outputs, window, groups };
        Ok(Meaning::Sums(self.push(value, op, outputs.iter().product())?))
    }
}

/// A clip as float32 numbers; bounds that are infinite are the largest numbers.
fn clip(input: Float32Id, lo: f64, hi: f64) -> Float32Op {
    let [lo, hi] = [lo, hi].map(|bound| (bound as f32).clamp(f32::MIN, f32::MAX));
    Float32Op::Clip { input, lo: lo.min(hi), hi }
}

/// Whether an operator only moves elements.
fn is_move(op: &FloatOp) -> bool {
    matches!(op, FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { .. } | FloatOp::Concat { .. })
}

fn element(source: usize, index: usize) -> ViewElement {
    ViewElement::Element { source: source as u32, index: index as u32 }
}

/// For each position of a shape the element of the only source that strides lead to.
fn positions(shape: &[usize], strides: Vec<usize>) -> Arc<[ViewElement]> {
    Odometer::new(shape, [strides]).map(|[at]| element(0, at)).collect()
}
