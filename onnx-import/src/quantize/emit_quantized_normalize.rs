//! Emission of the normalization of a quantized tensor: scaled, and rounded once.
//!
//! With `n` centered integers `x` of a row, and for each element a factor `F` and an offset `O` in units of the result:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `c` | `n·x − Σ x`, or `x` where the mean is not taken off |
//! | `W` | `4^e·Σ c² + E`, `E = 4^e·n³·ε` (`n·ε` where the mean is not taken off) rounded, at least 1 |
//! | `r` | `⌊2^(M+e) / ⌊√W⌋⌋` |
//! | `a` | `c·r`, at most `2^M`: the normalized element is `a·√n/2^M` |
//! | `u` | `⌊a / 2^(M−b)⌉`, of few bits |
//! | `q` | `⌊F·√n/2^b·u + O⌋`, from factors of 20 bits behind the point: the rounded result or one less |
//! | `k` | `[2·A ≥ (2·q + 1 − 2·O)·2^T]` with `A = (F·√n·2^(T−M))·a`, whether it is one less |
//! | result | `clamp(q + k)` |
//!
//! The result is that of `A/2^T + O`, rounded once (halves up), as `q` is taken from a value within a half of it: `u` is off by a half
//! of its unit, which stands for at most an eighth, and `b` is chosen for that. `A` is off by less than one part in `⌊√W⌋` and one
//! in `r`, and by the rounding of its factor.

use circuits::graph::{Op, Requantize, Table, TensorId};

use super::emit::Emitter;
use super::emit_normalize::RowSums;
use super::plan::{element, PlanId, PlanNode};
use crate::float::quantized::QuantizedNormalization;

/// `M`.
const NORMALIZED_BITS: u32 = 37;
/// Most bits of the root behind the point.
const MAX_FRACTION_BITS: u32 = 12;
/// Largest `W`.
const MAX_SQUARES: f64 = (1u64 << 59) as f64;
/// Largest `E`.
const MAX_OFFSET: f64 = (1u64 << 47) as f64;
/// Fewest bits of `u` but for two; the limbs of what is cut off have half of the rest.
const LEAST_FEW_BITS: f64 = 10.0;
/// Bits behind the point of factors that a result of few bits is estimated with.
const ESTIMATE_BITS: u32 = 20;
/// Bits of `A` and of what it is compared with.
const PRECISE_BITS: f64 = 58.0;
/// Bits behind the point of offsets.
const OFFSET_BITS: u32 = 18;

/// The integers of a normalization.
struct Integers {
    /// `e`.
    fraction_bits: u32,
    /// `E`.
    offset: i64,
    /// `b`.
    few_bits: u32,
    /// `T`.
    result_bits: u32,
}

impl Integers {
    /// Those of rows of `size` elements with bounds.
    fn of(rule: &QuantizedNormalization, size: usize, (lo, hi): (i64, i64)) -> Self {
        let n = size as f64;
        let (widest, factor) = match rule.centered {
            true => (n * (hi - lo) as f64, n * n * n),
            false => (lo.unsigned_abs().max(hi.unsigned_abs()) as f64, n),
        };
        let offset = |e: u32| f64::from(2 * e).exp2() * factor * rule.epsilon;
        let fits = |e: &u32| {
            f64::from(2 * e).exp2() * n * widest * widest + offset(*e) < MAX_SQUARES && offset(*e) < MAX_OFFSET
        };
        let fraction_bits = (0..=MAX_FRACTION_BITS).rev().find(fits).unwrap_or(0);
        let largest = |list: &[f64]| list.iter().fold(0f64, |largest, v| largest.max(v.abs()));
        let (reach, added) = (largest(&rule.factors) * n.sqrt(), largest(&rule.offsets));
        let results = 2.0 * f64::from(rule.lo.unsigned_abs().max(rule.hi.unsigned_abs())) + 4.0;
        Self {
            fraction_bits,
            offset: (offset(fraction_bits).round() as i64).max(1),
            few_bits: (reach.log2().ceil().max(LEAST_FEW_BITS) as u32) + 2,
            result_bits: (PRECISE_BITS - (reach + added).max(results).log2().ceil()) as u32,
        }
    }
}

/// Whether a normalization of bytes in rows of `size` elements fits, by its factors and offsets.
pub(crate) fn normalization_fits(size: usize, rule: &QuantizedNormalization) -> bool {
    /// Most elements of a row: their squares have 59 bits.
    const MAX_SIZE: usize = 1 << 13;
    /// Most units of the result that a normalized element or an offset may stand for.
    const MAX_REACH: f64 = 16_384.0;
    let n = size as f64;
    let small = |list: &[f64], factor: f64| list.iter().all(|v| v.abs() * factor <= MAX_REACH);
    let epsilon = rule.epsilon * if rule.centered { n * n * n } else { n };
    size <= MAX_SIZE && small(&rule.factors, n.sqrt()) && small(&rule.offsets, 1.0) && epsilon < MAX_OFFSET
}

/// Where the factors of a tensor in rows are: each channel has one factor and one offset.
pub(super) struct Channels {
    pub(super) count: usize,
    /// For each channel in turn its elements, by their places in the rows.
    pub(super) elements: Vec<usize>,
}

impl Channels {
    pub(super) fn of(rule: &QuantizedNormalization, count: usize, size: usize) -> Self {
        let all = 0..count * size;
        let same = |place: &dyn Fn(usize) -> usize| {
            let of = |i: usize| (rule.factors[i], rule.offsets[i]);
            all.clone().all(|i| of(i) == of(place(i)))
        };
        if same(&|i| i / size * size) {
            return Self { count, elements: all.collect() };
        }
        if same(&|i| i % size) {
            return Self { count: size, elements: all.map(|i| i % count * size + i / count).collect() };
        }
        Self { count: count * size, elements: all.collect() }
    }

    pub(super) fn positions(&self) -> usize {
        self.elements.len() / self.count
    }

    /// What a function says of the first element of each channel.
    pub(super) fn map<T>(&self, of: impl Fn(usize) -> T) -> Vec<T> {
        self.elements.chunks(self.positions()).map(|own| of(own[0])).collect()
    }
}

impl Emitter<'_> {
    pub(super) fn quantized_normalize(&mut self, id: PlanId, input: PlanId, rule: &QuantizedNormalization) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let (shape, operand) = (node.shape.clone(), self.shaped(input));
        let (count, size) = (shape[0], shape[1]);
        let integers = Integers::of(rule, size, self.bounds[operand.0 as usize]);
        let channels = Channels::of(rule, count, size);
        let (elements, reciprocals) = self.normalized_rows(&node, operand, rule, &integers);
        let [elements, reciprocals] = [elements, reciprocals].map(|rows| self.by_channels(&node, rows, &channels));
        let plane = vec![channels.count, channels.positions(), 1];
        let few = i64::from(NORMALIZED_BITS - integers.few_bits);
        let most = (1i64 << integers.few_bits) + 1;
        let requantize = Some(self.clamp(few as u32, -most, most));
        let op = Op::Product { operands: [elements, reciprocals], requantize };
        let rough = self.emit(&node, op, plane.clone(), 1.0, (-most, most));
        let op = Op::Product { operands: [elements, reciprocals], requantize: None };
        let normalized = self.emit(&node, op, plane.clone(), 1.0, (0, 0));
        let root = (size as f64).sqrt();
        let scaled = |value: f64, bits: i32| (value * f64::from(bits).exp2()).round() as i64;
        let size = [channels.positions(), 1];
        // A half less than the estimate: rounding it half up gives its floor.
        let (estimate, few_bits) = (ESTIMATE_BITS as i32, integers.few_bits as i32);
        let line = |i: usize| {
            let offset = scaled(rule.offsets[i] - 0.5, estimate);
            (scaled(rule.factors[i] * root, estimate - few_bits), offset)
        };
        let (lo, hi) = (i64::from(rule.lo), i64::from(rule.hi));
        // `2·q + 1`, by a table of `q`.
        let table = Table::new("twice and one".to_owned(), lo - 1, (lo - 1..=hi).map(|q| (2 * q + 1) as i32).collect());
        let requantize = Requantize { shift: ESTIMATE_BITS, table: self.store(table.expect("it is not empty")) };
        let below = self.pointwise(id, rough, size, &channels.map(line), Some(requantize), (2 * lo - 1, 2 * hi + 1));
        let (bits, offset_bits) = (integers.result_bits as i32, OFFSET_BITS as i32);
        let line = |i: usize| (scaled(rule.factors[i] * root, bits - NORMALIZED_BITS as i32), 0);
        let precise = self.pointwise(id, normalized, size, &channels.map(line), None, (0, 0));
        let line = |i: usize| (1 << OFFSET_BITS, -scaled(2.0 * rule.offsets[i], offset_bits));
        let tie = self.pointwise(id, below, size, &channels.map(line), None, (0, 0));
        let op = Op::Affine {
            operands: [precise, tie],
            factors: [2, -(1 << (integers.result_bits - OFFSET_BITS))],
            constant: 0,
            requantize: Some(Requantize { shift: 0, table: self.is_reached() }),
        };
        let more = self.emit(&node, op, plane.clone(), 1.0, (0, 1));
        let first = 2 * lo - 1;
        let result = |key: i64| (key - 1).div_euclid(2).clamp(lo, hi) as i32;
        let table = Table::new("rounded sum".to_owned(), first, (first..=2 * hi + 3).map(result).collect());
        let requantize = Some(Requantize { shift: 0, table: self.store(table.expect("it is not empty")) });
        let op = Op::Affine { operands: [below, more], factors: [1, 2], constant: 0, requantize };
        let results = self.emit(&node, op, plane, 1.0, (lo, hi));
        let mut map = vec![element(0); channels.elements.len()];
        channels.elements.iter().enumerate().for_each(|(at, &place)| map[place] = element(at));
        self.emit_small(id, Op::View { sources: vec![results], map: map.into() }, shape, (lo, hi));
    }

    /// `c`, and `r` for each of its elements.
    fn normalized_rows(
        &mut self,
        node: &PlanNode,
        operand: TensorId,
        rule: &QuantizedNormalization,
        integers: &Integers,
    ) -> (TensorId, TensorId) {
        let (shape, size) = (node.shape.clone(), node.shape[1]);
        let sums = RowSums { size, factor: 1, constant: 0, step: 1.0 };
        let mut elements = operand;
        if rule.centered {
            let totals = self.row_sums(node, operand, &sums);
            let totals = self.repeated(node, totals, size, 1.0);
            let factors = [size as i64, -1];
            let op = Op::Affine { operands: [operand, totals], factors, constant: 0, requantize: None };
            elements = self.emit(node, op, shape.clone(), 1.0, (0, 0));
        }
        let op = Op::Product { operands: [elements; 2], requantize: None };
        let squares = self.emit(node, op, shape.clone(), 1.0, (0, 0));
        let sums = RowSums { factor: 1 << (2 * integers.fraction_bits), constant: integers.offset, ..sums };
        let sums = self.row_sums(node, squares, &sums);
        let root = self.emit(node, Op::SquareRoot { input: sums }, vec![shape[0]], 1.0, (0, 0));
        let numerator = 1 << (NORMALIZED_BITS + integers.fraction_bits);
        let reciprocal = self.emit(node, Op::Reciprocal { input: root, numerator }, vec![shape[0]], 1.0, (0, 0));
        (elements, self.repeated(node, reciprocal, size, 1.0))
    }

    /// A tensor in rows as `[channels, positions, 1]`.
    pub(super) fn by_channels(&mut self, node: &PlanNode, rows: TensorId, channels: &Channels) -> TensorId {
        let map = channels.elements.iter().map(|&place| element(place)).collect();
        let op = Op::View { sources: vec![rows], map };
        self.emit(node, op, vec![channels.count, channels.positions(), 1], 1.0, (0, 0))
    }
}
