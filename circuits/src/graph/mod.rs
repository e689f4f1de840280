//! The integer program: a list of tensor operators over exact integers.
//!
//! A program is in single-assignment form and topologically ordered: node `i` defines tensor `TensorId(i)` and refers
//! only to tensors before it. Every tensor is dense, row-major, and stands for reals by `real = scale · q`. The scale is
//! for people and for decoding; the meaning of a program lies in its integers alone, as
//! [`reference::run`](crate::reference::run) computes them.
//!
//! The vocabulary knows nothing of ONNX. There is no batch axis: a batch is a program of its own, made from that of a sample
//! ([`crate::batch`]).
//!
//! # Requantization
//!
//! An operator that accumulates ([`Op::Conv`], [`Op::Affine`], [`Op::Product`], [`Op::Sum`], [`Op::MatMul`]) computes an
//! exact integer `acc` and either stores it as it is, or brings it back to a few bits by [`Requantize`]:
//!
//! ```text
//! y = clamp(floor((acc + 2^(shift−1)) / 2^shift), table.lo, table.hi)        (shift = 0: y = clamp(acc))
//! x = table(y)
//! ```
//!
//! so rounding is half up, saturation is part of the definition, and an activation costs nothing: it is the table.
//! A real multiplier is folded into the integer weights (they may take 16 bits and more), so no multiplier appears.

mod private;
mod stored;
mod table;
mod validate;
mod weights;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use private::{fits, largest_of_limbs};
pub use private::{limb, FamilyError, WeightDeclaration, FILE_OPTIONS, LIMB_BITS};
pub use table::{Table, TableError};
pub(crate) use validate::conv_output;
pub use validate::{Limits, ProgramError};
pub use weights::Weights;

/// Names a tensor of a [`Program`]: the index of the node that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TensorId(pub u32);

/// Names a table of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub u32);

/// How an accumulator of scale `2^-shift · scale(x)` becomes a small value; see the module head for the formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requantize {
    /// Bits dropped, 0 to [`Limits::MAX_SHIFT`].
    pub shift: u32,
    /// The function applied to the shifted accumulator; its domain is where the accumulator saturates.
    pub table: TableId,
}

/// One element of a [`Op::View`]: where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewElement {
    /// The constant 0 (padding).
    Zero,
    /// Element `index` (row-major) of source number `source` of the view.
    Element {
        /// Position in the `sources` list of the view.
        source: u32,
        /// Row-major index into that source.
        index: u32,
    },
}

/// Geometry of a convolution over `[channels, height, width]`; a 1-D convolution has height 1, a dense layer 1 × 1.
///
/// Output size per axis is `(in + pad_before + pad_after − dilation·(kernel − 1) − 1) / stride + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConvGeometry {
    /// Kernel size `[height, width]`.
    pub kernel: [u32; 2],
    /// Stride `[height, width]`, at least 1.
    pub stride: [u32; 2],
    /// Dilation `[height, width]`, at least 1.
    pub dilation: [u32; 2],
    /// Zero padding `[top, left, bottom, right]`.
    pub padding: [u32; 4],
    /// Channel groups; divides both channel counts.
    pub groups: u32,
}

impl ConvGeometry {
    /// A 1 × 1 convolution: a matrix product on each position.
    pub const POINTWISE: ConvGeometry =
        ConvGeometry { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4], groups: 1 };
}

/// An operator of the integer program. Shapes in the comments are `[channels, height, width]` unless said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// A value given from outside, each element in `[lo, hi]`; the interpreter and the circuit refuse others.
    Input {
        /// Smallest admissible value.
        lo: i64,
        /// Largest admissible value.
        hi: i64,
    },
    /// A re-indexing of other tensors: reshape, transpose, slice, concat, zero padding, static gather, broadcast.
    View {
        /// The tensors that elements are taken from.
        sources: Vec<TensorId>,
        /// One entry per element of the result, row-major.
        map: Arc<[ViewElement]>,
    },
    /// Convolution with constant weights (cross-correlation, as ONNX has it); dense layers and matrix products with
    /// constants are 1 × 1 convolutions of `[K, T, 1]` or `[K, 1, 1]`.
    Conv {
        /// `[C, H, W]`.
        input: TensorId,
        /// Geometry.
        geometry: ConvGeometry,
        /// `[O, C / groups, kernel height, kernel width]`, row-major.
        weights: Weights,
        /// One per output channel, at the scale of the accumulator.
        bias: Arc<[i64]>,
        /// `None`: the exact accumulator is the result.
        requantize: Option<Requantize>,
    },
    /// `acc = factors[0]·a + factors[1]·b + constant`, elementwise on two tensors of the shape of the result.
    Affine {
        /// The operands.
        operands: [TensorId; 2],
        /// Their integer factors.
        factors: [i64; 2],
        /// Added to each element.
        constant: i64,
        /// `None`: the exact accumulator is the result.
        requantize: Option<Requantize>,
    },
    /// `acc = a · b`, elementwise on two tensors of the shape of the result.
    Product {
        /// The operands.
        operands: [TensorId; 2],
        /// `None`: the exact product is the result.
        requantize: Option<Requantize>,
    },
    /// `acc = factor · Σ` over the last axis of the input; the result has the input's shape without its last axis.
    Sum {
        /// Shape `[…, n]`.
        input: TensorId,
        /// Multiplies each sum.
        factor: i64,
        /// `None`: the exact accumulator is the result.
        requantize: Option<Requantize>,
    },
    /// Largest value over the last axis of the input; the result has the input's shape without its last axis.
    Max {
        /// Shape `[…, n]`, `n ≥ 1`.
        input: TensorId,
    },
    /// Index of the largest value over the last axis; of equal values the first.
    ArgMax {
        /// Shape `[…, n]`, `n ≥ 1`.
        input: TensorId,
    },
    /// `x = table(clamp(v))`, elementwise; the table's domain is where the operand saturates.
    Lookup {
        /// The operand.
        input: TensorId,
        /// The function.
        table: TableId,
    },
    /// `floor(numerator / v)`, elementwise, for operands proven to be at least 1.
    Reciprocal {
        /// The operand, every value at least 1.
        input: TensorId,
        /// The numerator, 1 to [`Limits::MAX_NUMERATOR`].
        numerator: i64,
    },
    /// `floor(√v)`, elementwise, for operands proven not to be negative.
    SquareRoot {
        /// The operand, every value at least 0.
        input: TensorId,
    },
    /// `acc[s, i, j] = Σ_k a[s, i, k]·b[s, k, j]`: products of data matrices, one for each `s`; the result is `[S, I, J]`.
    MatMul {
        /// `a` of shape `[S, I, K]` and `b` of shape `[S, K, J]`.
        operands: [TensorId; 2],
        /// `None`: the exact accumulator is the result.
        requantize: Option<Requantize>,
    },
    /// `out[i, j] = entries[input[i], j]`: rows of a constant matrix, by indices that are proven to be some of its rows.
    Gather {
        /// The indices.
        input: TensorId,
        /// `[rows, columns]`, row-major, each of at most [`Limits::ENTRY_BITS`] bits; the last axis of the result has the columns.
        entries: Weights,
    },
    /// Elementwise the nearest integer of so many significant bits: `q·2^e`, where `e` is the least exponent with `|v| < 2^(bits + e)` and `q` is
    /// `v / 2^e`, rounded to the nearest integer and of two equally near ones to the even one. That is IEEE 754's roundTiesToEven for a
    /// significand of `bits` bits and exponents without bounds; with 24 bits it is float32's rounding of an exact result.
    RoundSignificant {
        /// The operand.
        input: TensorId,
        /// Significant bits that are kept, 1 to [`Limits::MAX_SIGNIFICANT_BITS`].
        bits: u32,
    },
    /// Elementwise `first + #{k : factor_k·b + strict_k ≤ a·2^shift}`: the quotient `a / b` quantized with any bounds
    /// `factor_k / 2^shift`, for `b` proven by the interval analysis to be at least 1 (the maximum of it and 1 is).
    Steps {
        /// `a` and `b`, of the shape of the result.
        operands: [TensorId; 2],
        /// The result below all bounds, at most `2^40` in magnitude.
        first: i64,
        /// `a` is compared as `a·2^shift`; at most [`Limits::MAX_SHIFT`].
        shift: u32,
        /// The bounds, their factors strictly increasing; 1 to [`Limits::MAX_STEPS`].
        steps: Arc<[Step]>,
    },
    /// `floor(a / b)`, elementwise, for `a` proven by the interval analysis not to be negative and `b` to be at least 1.
    Quotient {
        /// `a` and `b`, of the shape of the result.
        operands: [TensorId; 2],
    },
}

/// A bound of [`Op::Steps`], which counts where `factor·b + strict ≤ a·2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The bound of `a·2^shift / b`, at most [`Limits::MAX_FACTOR`] in magnitude.
    pub factor: i64,
    /// Whether the bound itself lies below the step.
    pub strict: bool,
}

impl Op {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input { .. } => "Input",
            Op::View { .. } => "View",
            Op::Conv { .. } => "Conv",
            Op::Affine { .. } => "Affine",
            Op::Product { .. } => "Product",
            Op::Sum { .. } => "Sum",
            Op::Max { .. } => "Max",
            Op::ArgMax { .. } => "ArgMax",
            Op::Lookup { .. } => "Lookup",
            Op::Reciprocal { .. } => "Reciprocal",
            Op::SquareRoot { .. } => "SquareRoot",
            Op::MatMul { .. } => "MatMul",
            Op::Gather { .. } => "Gather",
            Op::RoundSignificant { .. } => "RoundSignificant",
            Op::Steps { .. } => "Steps",
            Op::Quotient { .. } => "Quotient",
        }
    }

    /// The shift and the table that give its results, where a table does.
    pub fn applies(&self) -> Option<Requantize> {
        match self {
            Self::Conv { requantize, .. }
            | Self::Affine { requantize, .. }
            | Self::Product { requantize, .. }
            | Self::MatMul { requantize, .. }
            | Self::Sum { requantize, .. } => *requantize,
            Self::Lookup { table, .. } => Some(Requantize { shift: 0, table: *table }),
            _ => None,
        }
    }

    /// The table that gives its results, where one does.
    pub fn table(&self) -> Option<TableId> {
        self.applies().map(|requantize| requantize.table)
    }

    /// Weights of one output channel of a convolution, in all groups: its input channels by the positions of its kernel.
    fn taps(&self) -> usize {
        match self {
            Op::Conv { geometry, weights, bias, .. } => weights.len() / bias.len().max(1) * geometry.groups as usize,
            _ => 0,
        }
    }
}

/// A tensor with the operator that defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it comes from: the names of the model's nodes that were fused into it. Every message names it.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// Shape of the result, row-major; a scalar is `[1]`.
    pub shape: Vec<usize>,
    /// `real = scale · q`, for people and for decoding.
    pub scale: f64,
}

impl Node {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Who sees a tensor of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// The values are public inputs of the proof.
    Public,
    /// The values are known to the prover alone.
    Private,
    /// The values are known to the prover alone; their salted digest is a public input of the proof.
    Hashed,
    /// The values are known to the prover alone; the proof commits to them in columns of their own, which a link can compare
    /// with those of other commitments.
    Committed,
}

impl Visibility {
    /// The word for it on command lines and in files.
    pub fn name(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Private => "private",
            Visibility::Hashed => "hashed",
            Visibility::Committed => "committed",
        }
    }
}

/// An input or output of the program as its user knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Name in the model.
    pub name: String,
    /// The tensor.
    pub tensor: TensorId,
    /// Shape in the model (with its batch axis of 1); as many elements as the tensor.
    pub shape: Vec<usize>,
    /// `real = scale · q`, or for [`PortKind::Index`] the integer itself.
    pub scale: f64,
    /// What the numbers are.
    pub kind: PortKind,
    /// Who sees them.
    pub visibility: Visibility,
}

/// What the numbers of a port stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    /// A real number, `scale · q`.
    Real,
    /// An integer (a label, a token, an index); the scale is 1.
    Index,
    /// A real number, `scale · q`, or none: the least integer that the port admits stands for a value that is missing (NaN), and for
    /// no number. Inputs alone are of this kind.
    Nullable,
}

impl PortKind {
    /// Whether an input that admits `[lo, hi]` may be of this kind: where values can be missing, a number has to be admitted besides, and
    /// nothing is committed. What stands for a missing value depends on `lo`, which links do not compare, so that a value missing under
    /// one key could pass for a number under another.
    pub fn is_admitted(self, (lo, hi): (i64, i64), visibility: Visibility) -> bool {
        self != Self::Nullable || (lo < hi && visibility != Visibility::Committed)
    }

    /// The integers that stand for numbers, of a port that admits `[lo, hi]`.
    pub fn numbers(self, (lo, hi): (i64, i64)) -> (i64, i64) {
        (lo.saturating_add(i64::from(self == Self::Nullable)), hi)
    }

    /// The integer that stands for a missing value, in a port whose least integer is `lo`.
    pub fn missing(self, lo: i64) -> Option<i64> {
        (self == Self::Nullable).then_some(lo)
    }
}

/// A whole integer program. Stored, equal weights and biases of its convolutions stand there once.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Name of the model.
    pub name: String,
    /// Names what the program was made from: the SHA-256 of the model's file, or a digest of that and the files in which data of its tensors
    /// lie; zeros where nothing is named.
    pub source_digest: [u8; 32],
    /// Options that the program was made with, by name, so that whoever has the source can make it again.
    pub options: BTreeMap<String, String>,
    /// The convolutions whose weights are private, and what is said of them in public.
    pub private_weights: BTreeMap<TensorId, WeightDeclaration>,
    /// Tables of functions; equal ones are stored once.
    pub tables: Vec<Table>,
    /// The nodes in order.
    pub nodes: Vec<Node>,
    /// Inputs in the order of the model.
    pub inputs: Vec<Port>,
    /// Outputs in the order of the model.
    pub outputs: Vec<Port>,
}

impl Program {
    /// The node that defines `tensor`.
    pub fn node(&self, tensor: TensorId) -> &Node {
        &self.nodes[tensor.0 as usize]
    }

    /// The table `id`.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize]
    }
}
