//! A small closed graph of real-valued tensor operators, in single-assignment form, with concrete shapes.
//!
//! The importer folds everything that does not depend on the model's inputs into [`FloatOp::Constant`] and rewrites
//! every ONNX operator into these. Node `i` defines value `ValueId(i)` and refers to earlier values only. Every node keeps
//! the names of the ONNX nodes that it came from.

use std::sync::Arc;

use super::curves::Curve;
use super::float32::Float32Form;
use super::quantized::{
    IntegerRule, QuantizedAverage, QuantizedNormalization, QuantizedPairs, QuantizedSoftmax, QuantizedSum,
    QuantizedTable, Quantizer, Requantization,
};
use super::reals::Reals;
use super::trees::Trees;
use super::typed::TypedIntegers;

/// Names a value of a [`FloatGraph`]: the index of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// A dense row-major tensor of reals. Integers and booleans of a model (labels, indices, masks) are held as exact reals
/// (|v| ≤ 2^53), with [`Element`] beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Reals,
}

/// The element type of a value in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// float16, float32, float64: a real number.
    Real,
    /// Any integer type.
    Integer,
    /// A boolean, 0 or 1.
    Bool,
}

/// A function of one real.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum UnaryFunction {
    /// `max(v, 0)`
    Relu,
    /// `v < 0 ? slope·v : v`
    LeakyRelu(f64),
    /// `v < 0 ? alpha·(e^v − 1) : v`
    Elu(f64),
    /// `gamma·(v ≤ 0 ? alpha·(e^v − 1) : v)`
    Selu {
        /// alpha
        alpha: f64,
        /// gamma
        gamma: f64,
    },
    /// `1 / (1 + e^−v)`
    Sigmoid,
    /// `tanh v`
    Tanh,
    /// `ln(1 + e^v)`
    Softplus,
    /// `v / (1 + |v|)`
    Softsign,
    /// `clamp(alpha·v + beta, 0, 1)`
    HardSigmoid {
        /// alpha
        alpha: f64,
        /// beta
        beta: f64,
    },
    /// `v·clamp(v/6 + 1/2, 0, 1)`
    HardSwish,
    /// `v·Φ(v)`, by erf
    Gelu,
    /// the tanh approximation of [`UnaryFunction::Gelu`]
    GeluTanh,
    /// erf
    Erf,
    /// `e^v`
    Exp,
    /// natural logarithm
    Log,
    /// square root
    Sqrt,
    /// `|v|`
    Abs,
    /// `−v`
    Neg,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// tangent
    Tan,
    /// inverse sine
    Asin,
    /// inverse cosine
    Acos,
    /// inverse tangent
    Atan,
    /// hyperbolic sine
    Sinh,
    /// hyperbolic cosine
    Cosh,
    /// inverse hyperbolic sine
    Asinh,
    /// inverse hyperbolic cosine
    Acosh,
    /// inverse hyperbolic tangent
    Atanh,
    /// `1/v`
    Reciprocal,
    /// −1, 0 or 1
    Sign,
    /// largest integer not above
    Floor,
    /// smallest integer not below
    Ceil,
    /// to the nearest integer, ties to even
    Round,
    /// `clamp(v, lo, hi)`
    Clip {
        /// lower bound
        lo: f64,
        /// upper bound
        hi: f64,
    },
    /// 1 where `v` is not a number, else 0
    IsNan,
    /// 1 where `v` is an infinity of a sign that is asked for, else 0
    IsInfinite {
        /// whether `+∞` is
        positive: bool,
        /// whether `−∞` is
        negative: bool,
    },
    /// `v^exponent`
    Power(f64),
    /// the integer part of `v / divisor`, towards zero
    Quotient(f64),
    /// what division by `divisor` leaves: with its sign, or with that of `v` where the quotient is truncated
    Remainder {
        /// divisor
        divisor: f64,
        /// quotient towards zero
        truncated: bool,
    },
    /// The probability of the first of two classes from that of their pair, as the iteration of LIBSVM leaves it, which ends
    /// before it is there (Wu, Lin, Weng, *Probability estimates for multi-class classification by pairwise coupling*, 2004).
    Coupled,
    /// `factor·v + offset`
    Affine {
        /// factor
        factor: f64,
        /// offset
        offset: f64,
    },
}

/// A function of two reals, with NumPy broadcasting of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryFunction {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// the integer part of `a / b`, towards zero
    Quotient,
    /// what that leaves of `a`, with its sign
    Remainder,
    /// the bits that two integers have in common
    BitAnd,
    /// the larger
    Max,
    /// the smaller
    Min,
    /// `a^b`
    Pow,
    /// `a = b` as 0 or 1
    Equal,
    /// `a < b` as 0 or 1
    Less,
    /// `a ≤ b` as 0 or 1
    LessOrEqual,
}

/// How a reduction combines elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReduceKind {
    /// Σ
    Sum,
    /// arithmetic mean
    Mean,
    /// largest
    Max,
    /// smallest
    Min,
    /// product
    Product,
}

/// Geometry of a sliding window over one or two spatial axes (a 1-D window is `1 × n`: axis 0 has size 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Kernel `[height, width]`.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: [usize; 2],
    /// Dilation.
    pub dilation: [usize; 2],
    /// Padding `[top, left, bottom, right]`.
    pub padding: [usize; 4],
}

/// An operator of the float graph.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FloatOp {
    /// Input number `n` of the model.
    Input(usize),
    /// A constant.
    Constant(Tensor),
    /// The same elements in the same order under another shape.
    Reshape(ValueId),
    /// Axes permuted: axis `k` of the result is axis `permutation[k]` of the operand.
    Transpose {
        /// operand
        input: ValueId,
        /// permutation
        permutation: Vec<usize>,
    },
    /// Any other static re-indexing of one value (slice, pad, broadcast, nearest resize, static gather, depth to space …):
    /// element `i` of the result is element `map[i]` of the operand, or `fill` where `None`.
    Reindex {
        /// operand
        input: ValueId,
        /// one entry per element of the result
        map: Arc<[Option<u32>]>,
        /// value of the entries that are `None`
        fill: f64,
    },
    /// Concatenation along an axis.
    Concat {
        /// operands
        inputs: Vec<ValueId>,
        /// axis
        axis: usize,
    },
    /// NumPy `matmul`.
    MatMul(ValueId, ValueId),
    /// Convolution of `[N, C, H, W]` by `[O, C/groups, kh, kw]`; 1-D is brought to this form by reshapes around it.
    Conv {
        /// `[N, C, H, W]`
        input: ValueId,
        /// `[O, C/groups, kh, kw]`
        weights: ValueId,
        /// `[O]`
        bias: Option<ValueId>,
        /// window
        window: Window,
        /// channel groups
        groups: usize,
    },
    /// Transposed convolution of `[N, C, H, W]` by `[C, O/groups, kh, kw]`: output size
    /// `stride·(in − 1) + output_padding + dilation·(k − 1) + 1 − pads`.
    ConvTranspose {
        /// `[N, C, H, W]`
        input: ValueId,
        /// `[C, O/groups, kh, kw]`
        weights: ValueId,
        /// `[O]`
        bias: Option<ValueId>,
        /// window (padding is cut from the result)
        window: Window,
        /// extra size at the end of each axis
        output_padding: [usize; 2],
        /// channel groups
        groups: usize,
    },
    /// Max pooling of `[N, C, H, W]`; padding never wins.
    MaxPool {
        /// operand
        input: ValueId,
        /// window
        window: Window,
    },
    /// Average pooling of `[N, C, H, W]`.
    AveragePool {
        /// operand
        input: ValueId,
        /// window
        window: Window,
        /// whether padding counts in the denominator
        count_padding: bool,
    },
    /// A function of one value.
    Unary {
        /// operand
        input: ValueId,
        /// function
        function: UnaryFunction,
    },
    /// A function of one value that has no short form.
    Curve {
        /// operand
        input: ValueId,
        /// function of each element
        curve: Arc<Curve>,
    },
    /// A function of two values, with broadcasting.
    Binary {
        /// function
        function: BinaryFunction,
        /// operands
        operands: [ValueId; 2],
    },
    /// `condition ? a : b`, with broadcasting.
    Select {
        /// condition, 0 or 1
        condition: ValueId,
        /// value where 1
        then: ValueId,
        /// value where 0
        otherwise: ValueId,
    },
    /// Reduction over axes; the result's shape says whether they are kept.
    Reduce {
        /// operand
        input: ValueId,
        /// kind
        kind: ReduceKind,
        /// axes, ascending
        axes: Vec<usize>,
    },
    /// Index of the largest (or, with `smallest`, smallest) element along an axis; the first unless `last`.
    ArgExtremum {
        /// operand
        input: ValueId,
        /// axis
        axis: usize,
        /// smallest instead of largest
        smallest: bool,
        /// of equal ones the last
        last: bool,
    },
    /// Positions of the largest (or, with `smallest`, smallest) `count` elements of each row of `[rows, size]`, in order; of equal
    /// ones the first comes first.
    TopIndices {
        /// operand
        input: ValueId,
        /// how many
        count: usize,
        /// smallest instead of largest
        smallest: bool,
    },
    /// Rows of `input` along `axis` picked by data: `Gather` with indices that depend on an input.
    Gather {
        /// table
        input: ValueId,
        /// indices
        indices: ValueId,
        /// axis
        axis: usize,
    },
    /// Softmax over one axis.
    Softmax {
        /// operand
        input: ValueId,
        /// axis
        axis: usize,
    },
    /// Softmax over one axis among the elements that are kept; the others are 0.
    MaskedSoftmax {
        /// operand
        input: ValueId,
        /// axis
        axis: usize,
        /// for each element whether it takes part
        kept: Arc<[bool]>,
    },
    /// `c / √(mean c² + epsilon)`, the mean over the axes, and 0 where the root is; `c` is the operand, less its mean over
    /// the axes if it is centered.
    Normalize {
        /// operand
        input: ValueId,
        /// axes, ascending
        axes: Vec<usize>,
        /// whether the mean is taken off
        centered: bool,
        /// added to the mean square, not negative
        epsilon: f64,
    },
    /// Softmax over one axis among the elements whose gate is 1; the others are 0. A row without such an element is 0 too, or
    /// some of its elements have equal shares.
    GatedSoftmax {
        /// operand
        input: ValueId,
        /// for each element whether it takes part, 0 or 1, under broadcasting to the shape of the operand
        gate: ValueId,
        /// axis
        axis: usize,
        /// for each element whether it has a share of a row in which nothing takes part, where such rows are not 0; true for all
        /// whose gate can be 1
        shared: Option<Arc<[bool]>>,
    },
    /// Logarithm of softmax over one axis.
    LogSoftmax {
        /// operand
        input: ValueId,
        /// axis
        axis: usize,
    },
    /// Which leaves the trees of a forest reach: `[N, features] → [N, leaves]`, 1 at the leaf of each tree and 0 elsewhere.
    TreeLeaves {
        /// operand
        input: ValueId,
        /// the forest
        trees: Arc<Trees>,
    },
    /// The centered integers of a real tensor.
    Quantize {
        /// operand
        input: ValueId,
        /// scale and range
        quantizer: Quantizer,
    },
    /// The reals that centered integers stand for.
    Dequantize {
        /// operand
        input: ValueId,
        /// scale
        quantizer: Quantizer,
    },
    /// Convolution of centered integers by constant ones, exact, then requantized by output channel.
    QuantizedConv {
        /// `[N, C, H, W]`
        input: ValueId,
        /// `[O, C/groups, kh, kw]`
        weights: ValueId,
        /// `[O]`, at the scale of the accumulator
        bias: ValueId,
        /// window
        window: Window,
        /// channel groups
        groups: usize,
        /// from the accumulator to the result
        requantization: Requantization,
    },
    /// Transposed convolution of centered integers by constant ones, exact, then requantized by output channel.
    QuantizedConvTranspose {
        /// `[N, C, H, W]`
        input: ValueId,
        /// `[C, O/groups, kh, kw]`
        weights: ValueId,
        /// `[O]`, at the scale of the accumulator
        bias: ValueId,
        /// window (padding is cut from the result)
        window: Window,
        /// channel groups
        groups: usize,
        /// from the accumulator to the result
        requantization: Requantization,
    },
    /// Softmax of a quantized tensor over one axis, quantized.
    QuantizedSoftmax {
        /// centered integers
        input: ValueId,
        /// axis
        axis: usize,
        /// scales
        softmax: QuantizedSoftmax,
    },
    /// Averages over the last axis of a quantized tensor, quantized.
    QuantizedAverage {
        /// centered integers
        input: ValueId,
        /// what they are
        average: QuantizedAverage,
    },
    /// A normalization of a quantized tensor over some axes, scaled and quantized.
    QuantizedNormalize {
        /// centered integers
        input: ValueId,
        /// axes, ascending
        axes: Vec<usize>,
        /// what it is
        normalization: QuantizedNormalization,
    },
    /// Sum or difference of two quantized tensors of one shape.
    QuantizedAdd {
        /// centered integers
        operands: [ValueId; 2],
        /// scales and zero points
        sum: QuantizedSum,
    },
    /// Product of two quantized tensors of one shape, element by element.
    QuantizedMul {
        /// centered integers
        operands: [ValueId; 2],
        /// from the product to the result, one multiplier
        requantization: Requantization,
    },
    /// NumPy `matmul` of two quantized tensors.
    QuantizedMatMul {
        /// centered integers
        operands: [ValueId; 2],
        /// from the accumulator to the result, one multiplier
        requantization: Requantization,
    },
    /// A function of a quantized tensor.
    QuantizedMap {
        /// centered integers
        input: ValueId,
        /// the function
        table: QuantizedTable,
    },
    /// A function of two quantized tensors of one shape.
    QuantizedPairs {
        /// centered integers
        operands: [ValueId; 2],
        /// the function
        table: QuantizedPairs,
    },
    /// Exact arithmetic of integers.
    Integers {
        /// integers
        operands: Vec<ValueId>,
        /// what is done with them
        rule: IntegerRule,
    },
}

/// A node: a value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatNode {
    /// Names of the ONNX nodes behind it (the first output's name where a node has none).
    pub provenance: Vec<String>,
    /// The operator.
    pub op: FloatOp,
    /// Shape of the result.
    pub shape: Vec<usize>,
    /// Element type in the model.
    pub element: Element,
}

/// An input or output of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatPort {
    /// Name in the model.
    pub name: String,
    /// The value.
    pub value: ValueId,
    /// Smallest and largest integer of the type of an input of at most 16 bits.
    pub range: Option<(i64, i64)>,
    /// Whether elements of the input may be missing, which NaN stands for. Import leaves it open; it is chosen when a model is compiled.
    pub nullable: bool,
}

/// A model as a graph of real-valued operators.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatGraph {
    /// Name of the model.
    pub name: String,
    /// What the model is made from ([`ModelSource`](crate::ModelSource)).
    pub source_digest: [u8; 32],
    /// The nodes, topologically ordered.
    pub nodes: Vec<FloatNode>,
    /// Inputs in the order of the model.
    pub inputs: Vec<FloatPort>,
    /// Outputs in the order of the model.
    pub outputs: Vec<FloatPort>,
    /// In what the graph differs from the model by intent, for people; empty where it does not.
    pub remarks: Vec<String>,
    /// The model as far as it is followed in float32 arithmetic, which the nodes differ from, where it has dynamic scales: or why none of these
    /// is followed.
    pub float32: Option<Result<Arc<Float32Form>, String>>,
    /// The integer results that must stay within the types that the model gives them.
    pub integers: TypedIntegers,
}
