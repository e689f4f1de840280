//! Emission of the softmax of a quantized tensor: quotients of exponentials, rounded exactly.
//!
//! With `d = c − max c` of a row of centered integers and `u` units that stand for 1, all integers:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `e` | `⌊2^B·exp(d·scale)⌉`, a table |
//! | `S` | `Σ e`, at least `2^B` |
//! | `r` | `⌊u·2^(B+G) / (S + 1)⌋`; what is added keeps divisors positive whatever the elements |
//! | `q` | `⌊e·r / 2^(B+G)⌉`, which is the rounded quotient `⌊e·u / S⌉` or one less |
//! | `b` | the order of `2·u·e` and `(2·q + 1)·S`: 0 if less, 1 if equal, 2 if more |
//! | result | `clamp(q + [b = 2 or b = 1 and q odd])` |
//!
//! `e·r / 2^(B+G)` is not more than `e·u / S` and falls short of it by less than `e / 2^(B+G) + e·u / (S·(S + 1)) ≤ 2^−G + u / 2^B`,
//! which is less than 1 as `u ≤ 2^16`. So the quotient is rounded exactly, half to even as the runtime does, and the exponentials alone
//! are rounded: each by half a unit of `2^−B`. Scores that are masked have none, and leave equal scores their equal shares, which may be ties.

use circuits::graph::{Op, Requantize, Table};

use super::emit::Emitter;
use super::emit_normalize::RowSums;
use super::plan::{PlanId, PlanNode};
use crate::float::quantized::QuantizedSoftmax;

/// `B`: the exponentials are as fine as float32 numbers at 1, and the limbs of the quotient's remainder have half as many bits.
const EXPONENTIAL_BITS: u32 = 24;
/// `G`.
const GUARD_BITS: u32 = 2;

impl Emitter<'_> {
    pub(super) fn quantized_softmax(&mut self, id: PlanId, input: PlanId, softmax: &QuantizedSoftmax) {
        let node = PlanNode { origin: None, ..self.plan.node(id).clone() };
        let (shape, operand) = (node.shape.clone(), self.shaped(input));
        let (count, size) = (shape[0], shape[1]);
        let (lo, hi) = self.bounds[operand.0 as usize];
        let units = softmax.units as i64;
        let largest = self.emit(&node, Op::Max { input: operand }, vec![count], 1.0, (lo, hi));
        let largest = self.repeated(&node, largest, size, 1.0);
        let one = f64::from(EXPONENTIAL_BITS).exp2();
        let exponential = |d: i64| (one * (d as f64 * f64::from(softmax.scale)).exp()).round() as i32;
        let table = Table::new("exponential".to_owned(), lo - hi, (lo - hi..=0).map(exponential).collect());
        let requantize = Some(Requantize { shift: 0, table: self.store(table.expect("ranges are not empty")) });
        let op = Op::Affine { operands: [operand, largest], factors: [1, -1], constant: 0, requantize };
        let exponentials = self.emit(&node, op, shape.clone(), 1.0, (0, one as i64));
        let sums = self.row_sums(&node, exponentials, &RowSums { size, factor: 1, constant: 0, step: 1.0 });
        let sums = self.reshape(sums, vec![count]);
        let op = Op::Affine { operands: [sums; 2], factors: [1, 0], constant: 1, requantize: None };
        let divisors = self.emit(&node, op, vec![count], 1.0, (0, 0));
        let numerator = units << (EXPONENTIAL_BITS + GUARD_BITS);
        let op = Op::Reciprocal { input: divisors, numerator };
        let reciprocal = self.emit(&node, op, vec![count], 1.0, (0, numerator));
        let [sums, reciprocals] = [sums, reciprocal].map(|rows| self.repeated(&node, rows, size, 1.0));
        // `2·q + 1`, by a table of `q`.
        let table = Table::new("twice and one".to_owned(), 0, (0..=units as i32).map(|q| 2 * q + 1).collect());
        let requantize =
            Requantize { shift: EXPONENTIAL_BITS + GUARD_BITS, table: self.store(table.expect("it is not empty")) };
        let op = Op::Product { operands: [exponentials, reciprocals], requantize: Some(requantize) };
        let below = self.emit(&node, op, shape.clone(), 1.0, (1, 2 * units + 1));
        let op = Op::Product { operands: [below, sums], requantize: None };
        let tie = self.emit(&node, op, shape.clone(), 1.0, (0, 0));
        let order = self.store(Table::new("order".to_owned(), -1, vec![0, 1, 2]).expect("it is not empty"));
        let op = Op::Affine {
            operands: [exponentials, tie],
            factors: [2 * units, -1],
            constant: 0,
            requantize: Some(Requantize { shift: 0, table: order }),
        };
        let order = self.emit(&node, op, shape.clone(), 1.0, (0, 2));
        // The key is `4·q + 2 + b`.
        let result = |key: i64| {
            let (q, order) = ((key - 2).div_euclid(4), (key - 2).rem_euclid(4));
            (q + i64::from(order >= 2 || (order == 1 && q % 2 == 1))).clamp(softmax.lo.into(), softmax.hi.into()) as i32
        };
        let last = 4 * units + 4;
        let table = Table::new("rounded quotient".to_owned(), 2, (2..=last).map(result).collect());
        let table = table.expect("it is not empty");
        let bounds = table.image(2, last);
        let requantize = Some(Requantize { shift: 0, table: self.store(table) });
        let op = Op::Affine { operands: [below, order], factors: [2, 1], constant: 0, requantize };
        self.emit_small(id, op, shape, bounds);
    }
}
