//! A model in float32 arithmetic, operation by operation, as a runtime computes it where scales depend on the data.
//!
//! Beside the graph of reals, which takes a product of dynamically quantized integers for the product of what they approximate, a model
//! has this form as far as its operators are among those below ([`Float32Form`]). Every value is a list of float32 numbers, or of integers; shapes have become
//! views. Evaluation is onnxruntime's to the bit: additions, products and quotients of float32 rounded to nearest, ties to even, and
//!
//! ```text
//! scale = (max(x, 0) − min(x, 0)) / 255, or 1 where that is zero        zero = ⌊clamp(−(min(x, 0) / scale))⌉
//! q = clamp(⌊x / scale⌉ + zero)
//! ```
//!
//! Source: `GetQuantizationParameter` and `MlasQuantizeLinear` of onnxruntime 1.32; its `MatMulIntegerToFloat` and `DynamicQuantizeMatMul`
//! multiply the scales first, then the sum, and add the bias last, as the operators do that they replace.

mod form;
mod maxima;

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::graph::ViewElement;

use super::graph::{Tensor, ValueId, Window};

pub use form::{End, Float32Form, Split, Start};
pub(crate) use maxima::{is_scale, take_early};

/// Names a value of a [`Float32Graph`]: the index of its node.
pub type Float32Id = usize;

/// Largest integer of dynamic quantization, which is to uint8.
pub const LARGEST: f32 = 255.0;

/// An operator on float32 numbers, and on the integers of dynamic quantization.
#[derive(Clone, Debug, PartialEq)]
pub enum Float32Op {
    /// Input number `n` of the model.
    Input(usize),
    /// A constant.
    Constant(Arc<[f32]>),
    /// Elements of other values, or zero; of numbers or of centered integers.
    View {
        /// Where elements are taken from.
        sources: Vec<Float32Id>,
        /// One entry per element.
        map: Arc<[ViewElement]>,
    },
    /// The integers of dynamic quantization, less their zero point.
    Centered(Float32Id),
    /// The scale of dynamic quantization.
    Scale(Float32Id),
    /// The exact sums of a convolution of centered integers `[C, H, W]` by constant integers.
    Convolution {
        /// Centered integers.
        input: Float32Id,
        /// `[C, H, W]`.
        shape: [usize; 3],
        /// `[O, C / groups, kernel height, kernel width]`.
        weights: Arc<[i32]>,
        /// Outputs `[O, height, width]`.
        outputs: [usize; 3],
        /// The window.
        window: Window,
        /// Channel groups.
        groups: usize,
    },
    /// Integers as float32 numbers, rounded.
    Float(Float32Id),
    /// `a + b`, or `a − b`, of lists of one length.
    Sum {
        /// The operands.
        operands: [Float32Id; 2],
        /// Whether the second is taken off.
        subtracts: bool,
    },
    /// `a · b` of lists of one length.
    Product([Float32Id; 2]),
    /// `a / b` of lists of one length.
    Quotient([Float32Id; 2]),
    /// `−x`.
    Negated(Float32Id),
    /// `|x|`.
    Magnitude(Float32Id),
    /// `max(x, 0)`.
    Relu(Float32Id),
    /// `x`, or where it is negative `x · slope`, of lists of one length.
    Leaky([Float32Id; 2]),
    /// `min(max(x, lo), hi)`, `lo ≤ hi`.
    Clip {
        /// The operand.
        input: Float32Id,
        /// Lower bound.
        lo: f32,
        /// Upper bound.
        hi: f32,
    },
    /// The largest of each `size` elements that follow one another in `windows`, which names elements of the operand: numbers or sums.
    Largest {
        /// The operand.
        input: Float32Id,
        /// Indices into the operand.
        windows: Arc<[u32]>,
        /// How many make up a window; at least 1.
        size: usize,
    },
}

impl Float32Op {
    /// The values that it reads.
    pub fn operands(&self) -> Vec<Float32Id> {
        match self {
            Self::Input(_) | Self::Constant(_) => vec![],
            Self::View { sources, .. } => sources.clone(),
            Self::Sum { operands, .. } | Self::Product(operands) | Self::Quotient(operands) | Self::Leaky(operands) => {
                operands.to_vec()
            }
            Self::Centered(input)
            | Self::Scale(input)
            | Self::Convolution { input, .. }
            | Self::Float(input)
            | Self::Relu(input)
            | Self::Negated(input)
            | Self::Magnitude(input)
            | Self::Clip { input, .. }
            | Self::Largest { input, .. } => vec![*input],
        }
    }

    /// The operator with other operands.
    fn renamed(&self, rename: impl Fn(Float32Id) -> Float32Id) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Input(_) | Self::Constant(_) => {}
            Self::View { sources, .. } => sources.iter_mut().for_each(|source| *source = rename(*source)),
            Self::Sum { operands, .. } | Self::Product(operands) | Self::Quotient(operands) | Self::Leaky(operands) => {
                *operands = operands.map(rename)
            }
            Self::Centered(input)
            | Self::Scale(input)
            | Self::Convolution { input, .. }
            | Self::Float(input)
            | Self::Relu(input)
            | Self::Negated(input)
            | Self::Magnitude(input)
            | Self::Clip { input, .. }
            | Self::Largest { input, .. } => *input = rename(*input),
        }
        op
    }
}

/// A node: an operator, and the model's node behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Float32Node {
    /// Name of the model's node.
    pub label: String,
    /// The operator.
    pub op: Float32Op,
    /// Number of elements of the result.
    pub elements: usize,
}

/// A model in float32 arithmetic, or what is followed of it. Nodes are in order; inputs are those of the graph of reals beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Float32Graph {
    /// The nodes; each reads earlier ones alone.
    pub nodes: Vec<Float32Node>,
    /// The values that are asked for.
    pub outputs: Vec<Float32Id>,
    /// The nodes with numbers that values of the graph of reals are.
    pub values: BTreeMap<ValueId, Float32Id>,
}

/// What dynamic quantization makes of numbers: scale and zero point.
fn parameters(numbers: &[f32]) -> (f32, f32) {
    let most = numbers.iter().fold(0f32, |most, &x| most.max(x));
    let least = numbers.iter().fold(0f32, |least, &x| least.min(x));
    let scale = if most == least { 1.0 } else { (most - least) / LARGEST };
    (scale, (0.0 - least / scale).clamp(0.0, LARGEST).round_ties_even())
}

/// Values of a node.
#[derive(Clone, Debug)]
enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Values {
    fn floats(&self) -> &[f32] {
        match self {
            Self::Floats(values) => values,
            Self::Integers(_) => unreachable!("what reads numbers is given numbers when the graph is made"),
        }
    }

    fn integers(&self) -> &[i64] {
        match self {
            Self::Integers(values) => values,
            Self::Floats(_) => unreachable!("what reads integers is given integers when the graph is made"),
        }
    }
}

impl Float32Graph {
    /// Without the nodes that no output needs.
    fn without_dead(self) -> Self {
        let mut live = vec![false; self.nodes.len()];
        self.outputs.iter().for_each(|&output| live[output] = true);
        for id in (0..self.nodes.len()).rev() {
            if live[id] {
                self.nodes[id].op.operands().into_iter().for_each(|operand| live[operand] = true);
            }
        }
        let mut renamed = Vec::with_capacity(self.nodes.len());
        let mut nodes = Vec::new();
        for (node, &live) in self.nodes.into_iter().zip(&live) {
            renamed.push(nodes.len());
            if live {
                nodes.push(Float32Node { op: node.op.renamed(|operand| renamed[operand]), ..node });
            }
        }
        let values = self.values.into_iter().filter(|&(_, id)| live[id]).map(|(value, id)| (value, renamed[id]));
        Self {
            nodes,
            outputs: self.outputs.into_iter().map(|output| renamed[output]).collect(),
            values: values.collect(),
        }
    }

    /// The outputs for the inputs of the model, each as float32 numbers; `observe` sees the numbers of every node that has some.
    ///
    /// # Panics
    /// Inputs of another number or size than the model's.
    pub fn evaluate(&self, inputs: &[Tensor], mut observe: impl FnMut(Float32Id, &[f32])) -> Vec<Vec<f32>> {
        let mut last_use: Vec<usize> = (0..self.nodes.len()).collect();
        for (id, node) in self.nodes.iter().enumerate() {
            node.op.operands().into_iter().for_each(|operand| last_use[operand] = id);
        }
        self.outputs.iter().for_each(|&output| last_use[output] = usize::MAX);
        let mut values: Vec<Option<Values>> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.nodes.iter().enumerate() {
            let of = |operand: Float32Id| values[operand].as_ref().expect("operands are kept until their last use");
            let value = node.evaluate(inputs, &of);
            if let Values::Floats(numbers) = &value {
                observe(id, numbers);
            }
            values.push(Some(value));
            for operand in node.op.operands().into_iter().filter(|&operand| last_use[operand] == id) {
                values[operand] = None;
            }
        }
        self.outputs.iter().map(|&output| values[output].as_ref().expect("it is kept").floats().to_vec()).collect()
    }
}

impl Float32Node {
    fn evaluate<'a>(&self, inputs: &[Tensor], of: &dyn Fn(Float32Id) -> &'a Values) -> Values {
        let each = |input: Float32Id, function: &dyn Fn(f32) -> f32| {
            Values::Floats(of(input).floats().iter().map(|&x| function(x)).collect())
        };
        let both = |[a, b]: [Float32Id; 2], function: fn(f32, f32) -> f32| {
            Values::Floats(of(a).floats().iter().zip(of(b).floats()).map(|(&a, &b)| function(a, b)).collect())
        };
        match &self.op {
            Float32Op::Input(number) => Values::Floats(inputs[*number].data.iter().map(|&x| x as f32).collect()),
            Float32Op::Constant(values) => Values::Floats(values.to_vec()),
            Float32Op::View { sources, map } => match of(sources[0]) {
                Values::Floats(_) => Values::Floats(viewed(map, |source| of(sources[source]).floats())),
                Values::Integers(_) => Values::Integers(viewed(map, |source| of(sources[source]).integers())),
            },
            Float32Op::Centered(input) => {
                let numbers = of(*input).floats();
                let (scale, zero) = parameters(numbers);
                let centered = |&x: &f32| (x / scale).round_ties_even().clamp(-zero, LARGEST - zero) as i64;
                Values::Integers(numbers.iter().map(centered).collect())
            }
            Float32Op::Scale(input) => Values::Floats(vec![parameters(of(*input).floats()).0]),
            Float32Op::Convolution { input, .. } => Values::Integers(self.convolution(of(*input).integers())),
            Float32Op::Float(input) => Values::Floats(of(*input).integers().iter().map(|&v| v as f32).collect()),
            Float32Op::Sum { operands, subtracts: false } => both(*operands, |a, b| a + b),
            Float32Op::Sum { operands, subtracts: true } => both(*operands, |a, b| a - b),
            Float32Op::Product(operands) => both(*operands, |a, b| a * b),
            Float32Op::Quotient(operands) => both(*operands, |a, b| a / b),
            Float32Op::Leaky(operands) => both(*operands, |x, slope| if x < 0.0 { x * slope } else { x }),
            Float32Op::Negated(input) => each(*input, &|x| -x),
            Float32Op::Magnitude(input) => each(*input, &f32::abs),
            Float32Op::Relu(input) => each(*input, &|x| if x > 0.0 { x } else { 0.0 }),
            Float32Op::Clip { input, lo, hi } => each(*input, &|x| x.max(*lo).min(*hi)),
            Float32Op::Largest { input, windows, size } => match of(*input) {
                Values::Floats(numbers) => Values::Floats(largest(numbers, windows, *size, f32::max)),
                Values::Integers(sums) => Values::Integers(largest(sums, windows, *size, i64::max)),
            },
        }
    }

    /// The sums of a convolution.
    fn convolution(&self, input: &[i64]) -> Vec<i64> {
        let Float32Op::Convolution { shape: [channels, height, width], weights, outputs, window, groups, .. } =
            &self.op
        else {
            unreachable!("it is asked of convolutions");
        };
        let [out_channels, out_height, out_width] = *outputs;
        let (per_group, [rows, columns]) = (channels / groups, window.kernel);
        let taps = per_group * rows * columns;
        let mut sums = Vec::with_capacity(out_channels * out_height * out_width);
        let at = |from: usize, tap: usize, axis: usize, size: usize| {
            let place = (from * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis])?;
            (place < size).then_some(place)
        };
        for (channel, kernel) in weights.chunks_exact(taps).enumerate() {
            let first = channel / (out_channels / groups) * per_group;
            for y in 0..out_height {
                for x in 0..out_width {
                    let mut sum = 0i64;
                    for (i, row) in (0..rows).filter_map(|i| Some((i, at(y, i, 0, *height)?))) {
                        for (j, column) in (0..columns).filter_map(|j| Some((j, at(x, j, 1, *width)?))) {
                            for c in 0..per_group {
                                let weight = i64::from(kernel[(c * rows + i) * columns + j]);
                                sum += weight * input[((first + c) * height + row) * width + column];
                            }
                        }
                    }
                    sums.push(sum);
                }
            }
        }
        sums
    }
}

fn viewed<'a, T: Copy + Default + 'a>(map: &[ViewElement], of: impl Fn(usize) -> &'a [T]) -> Vec<T> {
    let element = |element: &ViewElement| match *element {
        ViewElement::Zero => T::default(),
        ViewElement::Element { source, index } => of(source as usize)[index as usize],
    };
    map.iter().map(element).collect()
}

/// The largest of each window of elements.
fn largest<T: Copy>(values: &[T], windows: &[u32], size: usize, larger: fn(T, T) -> T) -> Vec<T> {
    let of = |window: &[u32]| {
        let elements = window.iter().map(|&index| values[index as usize]);
        elements.reduce(larger).expect("windows are not empty")
    };
    windows.chunks_exact(size).map(of).collect()
}
