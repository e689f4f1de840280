//! Emission of normalizations: centered elements, the sum of their squares, the root, its reciprocal, products.
//!
//! With `n` elements `x` of step `s` in a row, all integers:
//!
//! | tensor | definition | step |
//! | --- | --- | --- |
//! | `S` | `Σ x` | `s` |
//! | `c` | `n·x − S`, shifted by `k` bits only where its squares would not fit | `t = s·2^k/n` |
//! | `W` | `4^e·Σ c² + E`, `E = 4^e·n·ε/t²` rounded, at least 1 | |
//! | `q` | `floor(√W)`, about `2^e·√(n·(variance + ε))/t` | |
//! | `r` | `floor(N / q)` | |
//! | `acc` | `c·r` | `√n·2^e·factor/N` |
//!
//! Elements that are not centered are `c` themselves, of step `t = s`. Nothing is rounded before the root where `k = 0`. Then, and where
//! there are rows enough, the same integers follow without a tensor of `c` or of squares, from products of matrices, whose terms take no
//! cells:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `S'`, `Q` | `−Σ x`, `Σ x²` |
//! | `W` | `4^e·n·(n·Q − S'²) + E` |
//! | `acc` | `(n·r)·x + r·S'` |
//!
//! `q` falls short of the real root by less than one part in `q`, `r` of the quotient by less than one part in `r`; so the
//! result `y` is off by less than `abs(y)·(1/q + 1/r)` and half a step. `E ≥ 1` keeps the divisor positive, and as `ε` is at the
//! scale of the squares, rows with next to no variance are not blown up. `e` is as large as 61 bits allow, up to
//! [`MAX_FRACTION_BITS`], so that `q` is large for such rows too.

use circuits::graph::{Limits, Op, Requantize, Table, TensorId, ViewElement};

use super::emit::{Emitter, LEAST_ROWS, MAX_FACTOR};
use super::plan::{element, PlanId, PlanNode, PlanOp};
use super::scales::Class;

/// Most bits of the root behind the point.
const MAX_FRACTION_BITS: u32 = 8;
/// Largest `W`, with room below what the circuit carries.
const MAX_SQUARES: f64 = (1u64 << 59) as f64;
/// Largest `E`.
const MAX_OFFSET: f64 = (1u64 << 47) as f64;
/// Largest magnitude of centered elements that are shifted.
const SHIFTED: f64 = (1u64 << 12) as f64;

/// The integers of a normalization.
pub(super) struct Normalization {
    /// Elements of a row.
    size: usize,
    centered: bool,
    factor: f64,
    /// `k`.
    shift: u32,
    /// `t`.
    step: f64,
    /// `e`.
    fraction_bits: u32,
    /// `E`.
    offset: i64,
    /// Largest `abs(c)`.
    largest: i64,
    /// The largest `abs(c)` that calibration saw, about.
    seen: f64,
}

impl Normalization {
    /// The numerator for accumulators of a step.
    fn numerator(&self, step: f64) -> f64 {
        (self.size as f64).sqrt() * f64::from(self.fraction_bits).exp2() * self.factor / step
    }

    fn rounded_numerator(&self, step: f64) -> i64 {
        self.numerator(step).round() as i64
    }

    /// Whether the numerator and the accumulators fit.
    pub(super) fn fits(&self, step: f64) -> bool {
        let numerator = self.numerator(step);
        let accumulator = numerator / f64::from(self.fraction_bits).exp2();
        numerator >= 1.0 && numerator <= Limits::MAX_NUMERATOR as f64 && accumulator < MAX_SQUARES
    }

    /// Whether nothing is rounded before the root, and what products of matrices take in its place is no longer than tensors admit.
    fn is_exact(&self, step: f64) -> bool {
        let n = self.size as f64;
        let scale = f64::from(2 * self.fraction_bits).exp2();
        // `r` is largest where all elements are alike.
        let multiple = n * self.numerator(step) / (self.offset as f64).sqrt().floor();
        self.shift == 0 && self.size > 1 && scale * n * n < MAX_FACTOR && multiple < MAX_SQUARES
    }

    /// The error of the result by rounding the reciprocal, where accumulators have that step.
    pub(super) fn rounding(&self, step: f64, magnitude: f64) -> f64 {
        let root = f64::from(self.fraction_bits).exp2() * (self.size as f64).sqrt() * self.seen / 2.0;
        magnitude * root / self.numerator(step) / 2.0
    }
}

/// A normalization by products of matrices.
struct Products<'a> {
    node: &'a PlanNode,
    normalization: &'a Normalization,
    /// The operand as `[rows, 1, n]`.
    row: TensorId,
    rows: usize,
    /// The step of the result's accumulator.
    step: f64,
}

/// What sums of rows are.
pub(super) struct RowSums {
    /// Elements of a row.
    pub size: usize,
    pub factor: i32,
    /// Added to each sum.
    pub constant: i64,
    /// The step of the sums.
    pub step: f64,
}

impl Emitter<'_> {
    /// The integers of a node that is a normalization.
    pub(super) fn normalization(&self, id: PlanId) -> Option<Normalization> {
        let PlanOp::Normalize { input, centered, epsilon, factor } = self.plan.node(id).op else { return None };
        let operand = self.plan.node(input);
        let size = *operand.shape.last().expect("rows have an axis");
        let n = size as f64;
        let Class { step, lo, hi, .. } = self.scales.class(input);
        let (unit, widest, seen) = match centered {
            true => (step / n, n * (hi - lo) as f64, operand.range.width()),
            false => (step, lo.unsigned_abs().max(hi.unsigned_abs()) as f64, operand.range.magnitude()),
        };
        let of_shift = |shift: u32| {
            let scale = f64::from(shift).exp2();
            let step = unit * scale;
            let largest = (widest / scale).ceil() + f64::from(u8::from(shift > 0));
            let offset = n * epsilon / (step * step);
            let fits = |e: &u32| {
                let scale = f64::from(2 * e).exp2();
                scale * (n * largest * largest + offset) < MAX_SQUARES && scale * offset < MAX_OFFSET
            };
            let fraction_bits = (0..=MAX_FRACTION_BITS).rev().find(fits)?;
            let offset = ((offset * f64::from(2 * fraction_bits).exp2()).round() as i64).max(1);
            let (largest, seen) = (largest as i64, seen / step);
            Some(Normalization { size, centered, factor, shift, step, fraction_bits, offset, largest, seen })
        };
        // Elements that are shifted take a table, which should not be long.
        let enough = (widest / SHIFTED).log2().ceil().max(1.0) as u32;
        of_shift(0).or_else(|| (enough..=Limits::MAX_SHIFT).find_map(of_shift))
    }

    /// Everything but the requantization of the result.
    pub(super) fn normalized(&mut self, id: PlanId, normalization: &Normalization, step: f64) -> Op {
        let PlanOp::Normalize { input, .. } = self.plan.node(id).op else {
            unreachable!("the node is a normalization")
        };
        // What lies between is no value of the model.
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let (shape, rows) = (node.shape.clone(), vec![node.elements() / normalization.size]);
        let operand = self.shaped(input);
        if rows[0] >= LEAST_ROWS && normalization.is_exact(step) {
            let row = self.reshape(operand, vec![rows[0], 1, normalization.size]);
            return self.by_products(&Products { node: &node, normalization, row, rows: rows[0], step });
        }
        let elements = match normalization.centered {
            true => self.centered(&node, operand, normalization),
            false => operand,
        };
        let t = normalization.step;
        let fraction = f64::from(normalization.fraction_bits).exp2();
        let squares = Op::Product { operands: [elements; 2], requantize: None };
        let squares = self.emit(&node, squares, shape.clone(), t * t, (0, 0));
        let square_step = t * t / (fraction * fraction);
        let factor = 1 << (2 * normalization.fraction_bits);
        let sums = RowSums { size: normalization.size, factor, constant: normalization.offset, step: square_step };
        let sums = self.row_sums(&node, squares, &sums);
        let root = self.emit(&node, Op::SquareRoot { input: sums }, rows.clone(), t / fraction, (0, 0));
        let reciprocal = Op::Reciprocal { input: root, numerator: normalization.rounded_numerator(step) };
        let reciprocal = self.emit(&node, reciprocal, rows, step / t, (0, 0));
        let repeated = self.repeated(&node, reciprocal, normalization.size, step / t);
        Op::Product { operands: [elements, repeated], requantize: None }
    }

    /// Everything but the requantization of the result, by products of matrices.
    fn by_products(&mut self, products: &Products<'_>) -> Op {
        let &Products { node, normalization, row, rows, step } = products;
        let Normalization { size, centered, step: t, fraction_bits, offset, .. } = *normalization;
        let fraction = f64::from(fraction_bits).exp2();
        let scale = 1i64 << (2 * fraction_bits);
        let unit = t * if centered { size as f64 } else { 1.0 };
        let column = self.reshape(row, vec![rows, size, 1]);
        let squares = Op::MatMul { operands: [row, column], requantize: None };
        let squares = self.emit(node, squares, vec![rows, 1, 1], unit * unit, (0, 0));
        let squares = self.reshape(squares, vec![rows]);
        let sum = centered.then(|| {
            let input = self.reshape(row, vec![rows, size]);
            self.emit(node, Op::Sum { input, factor: -1, requantize: None }, vec![rows], unit, (0, 0))
        });
        let (operands, factors) = match sum {
            Some(sum) => {
                let square = Op::Product { operands: [sum; 2], requantize: None };
                let square = self.emit(node, square, vec![rows], unit * unit, (0, 0));
                let n = size as i64;
                ([squares, square], [scale * n * n, -scale * n])
            }
            None => ([squares; 2], [scale, 0]),
        };
        let variance = Op::Affine { operands, factors, constant: offset, requantize: None };
        let variance = self.emit(node, variance, vec![rows], t * t / (fraction * fraction), (0, 0));
        let root = self.emit(node, Op::SquareRoot { input: variance }, vec![rows], t / fraction, (0, 0));
        let reciprocal = Op::Reciprocal { input: root, numerator: normalization.rounded_numerator(step) };
        let reciprocal = self.emit(node, reciprocal, vec![rows], step / t, (0, 0));
        let Some(sum) = sum else {
            let factor = self.reshape(reciprocal, vec![rows, 1, 1]);
            return Op::MatMul { operands: [factor, row], requantize: None };
        };
        let multiple =
            Op::Affine { operands: [reciprocal; 2], factors: [size as i64, 0], constant: 0, requantize: None };
        let multiple = self.emit(node, multiple, vec![rows], step / unit, (0, 0));
        let of = |source: u32, index: usize| ViewElement::Element { source, index: index as u32 };
        let pairs = (0..2 * rows).map(|i| of(i as u32 % 2, i / 2)).collect();
        let factors = Op::View { sources: vec![multiple, reciprocal], map: pairs };
        let factors = self.emit(node, factors, vec![rows, 1, 2], step / t, (0, 0));
        let both = (0..2 * rows * size).map(|i| match i / size % 2 {
            0 => of(0, i / (2 * size) * size + i % size),
            _ => of(1, i / (2 * size)),
        });
        let both = Op::View { sources: vec![row, sum], map: both.collect() };
        let both = self.emit(node, both, vec![rows, 2, size], unit, (0, 0));
        Op::MatMul { operands: [factors, both], requantize: None }
    }

    /// `n·x − Σ x`, shifted where it must be.
    fn centered(&mut self, node: &PlanNode, operand: TensorId, normalization: &Normalization) -> TensorId {
        let Normalization { size, shift, step, largest, .. } = *normalization;
        let unshifted = step / f64::from(shift).exp2();
        let sums = self.row_sums(node, operand, &RowSums { size, factor: 1, constant: 0, step: unshifted });
        let sums = self.repeated(node, sums, size, unshifted);
        let requantize = (shift > 0).then(|| {
            let table = Table::identity(-largest as i32, largest as i32);
            Requantize { shift, table: self.store(table) }
        });
        let op = Op::Affine { operands: [operand, sums], factors: [size as i64, -1], constant: 0, requantize };
        self.emit(node, op, node.shape.clone(), step, (-largest, largest))
    }

    /// The sums of the rows of a tensor: one convolution where there are rows enough.
    pub(super) fn row_sums(&mut self, node: &PlanNode, input: TensorId, sums: &RowSums) -> TensorId {
        let RowSums { size, factor, constant, step } = *sums;
        let rows = node.elements() / size;
        if rows >= LEAST_ROWS && size > 1 {
            let op = self.sum_of_planes(input, [rows, size], factor, constant);
            return self.emit(node, op, vec![1, rows, 1], step, (0, 0));
        }
        let op = Op::Sum { input, factor: factor.into(), requantize: None };
        let sums = self.emit(node, op, vec![rows], step, (0, 0));
        if constant == 0 {
            return sums;
        }
        let op = Op::Affine { operands: [sums; 2], factors: [1, 0], constant, requantize: None };
        self.emit(node, op, vec![rows], step, (0, 0))
    }

    /// One value per row, repeated along the row.
    pub(super) fn repeated(&mut self, node: &PlanNode, values: TensorId, size: usize, step: f64) -> TensorId {
        let map = (0..node.elements()).map(|index| element(index / size)).collect();
        let op = Op::View { sources: vec![values], map };
        self.emit(node, op, node.shape.clone(), step, (0, 0))
    }
}
