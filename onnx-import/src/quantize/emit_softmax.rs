//! Emission of the softmax of a quantized tensor: quotients of exponentials, rounded exactly.
//!
//! With `d = c − max c` of a row of centered integers and `u` units that stand for 1, all integers:
//!
//! | tensor | definition |
//! | --- | --- |
//! | `e` | `max(1, ⌊2^B·exp(d·scale)⌉)`, a table |
//! | `S` | `Σ e` |
//! | `r` | `⌊u·2^B / S⌋` |
//! | `q` | `⌊e·r / 2^B⌉`, which is the rounded quotient `⌊e·u / S⌉` or one less: `e·r / 2^B` falls short of `e·u / S` by less than 1 |
//! | `b` | `[2·u·e ≥ (2·q + 1)·S]`, whether it is one less |
//! | result | `clamp(q + b)` |
//!
//! So the quotient is rounded exactly (halves up), and the exponentials alone are rounded: each by half a unit of `2^−B`.

use circuits::graph::{Op, Requantize, Table};

use super::emit::Emitter;
use super::emit_normalize::RowSums;
use super::plan::{PlanId, PlanNode};
use crate::float::quantized::QuantizedSoftmax;

/// `B`: the exponentials are as fine as float32 numbers at 1, and the limbs of the quotient's remainder have half as many bits.
const EXPONENTIAL_BITS: u32 = 24;

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
        let exponential = |d: i64| (one * (d as f64 * f64::from(softmax.scale)).exp()).round().max(1.0) as i32;
        let table = Table::new("exponential".to_owned(), lo - hi, (lo - hi..=0).map(exponential).collect());
        let requantize = Some(Requantize { shift: 0, table: self.store(table.expect("ranges are not empty")) });
        let op = Op::Affine { operands: [operand, largest], factors: [1, -1], constant: 0, requantize };
        let exponentials = self.emit(&node, op, shape.clone(), 1.0, (1, one as i64));
        let sums = self.row_sums(&node, exponentials, &RowSums { size, factor: 1, constant: 0, step: 1.0 });
        let numerator = units << EXPONENTIAL_BITS;
        let reciprocal = self.emit(&node, Op::Reciprocal { input: sums, numerator }, vec![count], 1.0, (0, numerator));
        let [sums, reciprocals] = [sums, reciprocal].map(|rows| self.repeated(&node, rows, size, 1.0));
        // `2·q + 1`, by a table of `q`.
        let table = Table::new("twice and one".to_owned(), 0, (0..=units as i32).map(|q| 2 * q + 1).collect());
        let requantize = Requantize { shift: EXPONENTIAL_BITS, table: self.store(table.expect("it is not empty")) };
        let op = Op::Product { operands: [exponentials, reciprocals], requantize: Some(requantize) };
        let below = self.emit(&node, op, shape.clone(), 1.0, (1, 2 * units + 1));
        let op = Op::Product { operands: [below, sums], requantize: None };
        let tie = self.emit(&node, op, shape.clone(), 1.0, (0, 0));
        let reached = self.is_reached();
        let op = Op::Affine {
            operands: [exponentials, tie],
            factors: [2 * units, -1],
            constant: 0,
            requantize: Some(Requantize { shift: 0, table: reached }),
        };
        let more = self.emit(&node, op, shape.clone(), 1.0, (0, 1));
        let result = |key: i64| ((key - 1) / 2).clamp(softmax.lo.into(), softmax.hi.into()) as i32;
        let table = Table::new("rounded quotient".to_owned(), 1, (1..=2 * units + 3).map(result).collect());
        let table = table.expect("it is not empty");
        let bounds = table.image(1, 2 * units + 3);
        let requantize = Some(Requantize { shift: 0, table: self.store(table) });
        let op = Op::Affine { operands: [below, more], factors: [1, 2], constant: 0, requantize };
        self.emit_small(id, op, shape, bounds);
    }
}
