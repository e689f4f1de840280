//! What provers write who claim a result of a rounding or of steps, in the rows of [`targets::rounded`] and [`targets::stepped`] with one
//! unit a row, where each chain of limbs takes one row.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use circuits::graph::Step;
use circuits::machine::{AdviceColumn as A, Assignment};

use crate::targets::{ROUNDED_BITS, STEPPED_FIRST, STEPPED_SHIFT};

/// Values and `pre` cells of one unit, from a row on.
struct Rows<'a> {
    assignment: &'a mut Assignment,
    first: usize,
}

impl Rows<'_> {
    fn value(&mut self, row: usize, value: i64) {
        self.assignment.set(A::Value(0), self.first + row, value);
    }

    fn pre(&mut self, row: usize, value: i64) {
        self.assignment.set(A::Pre(0), self.first + row, value);
    }

    fn low(&mut self, row: usize, value: i64) {
        self.assignment.set(A::Low(0), self.first + row, value);
    }

    /// A number with its limbs; those of a negative one are no bytes.
    fn chain(&mut self, row: usize, value: i64) {
        self.pre(row, value);
        self.low(row, value & 0xff);
        self.assignment.set(A::High(0), self.first + row, value >> 8);
    }
}

/// A claim that a number is `sign·integer·2^exponent`, rounded.
#[derive(Clone, Copy, Debug)]
pub struct Rounding {
    pub sign: i64,
    pub exponent: u32,
    pub integer: i64,
    /// Whether the integer is odd, as the prover says.
    pub odd: i64,
}

impl Rounding {
    /// From the first row of a rounding to the element.
    pub const HOME: usize = 2;

    pub fn new(sign: i64, exponent: u32, integer: i64) -> Self {
        Self { sign, exponent, integer, odd: integer & 1 }
    }

    pub fn result(&self) -> i64 {
        self.sign * self.integer * (1 << self.exponent)
    }

    /// Writes everything that follows from the claim.
    pub fn write(&self, assignment: &mut Assignment, first: usize, operand: i64) {
        let Self { sign, exponent, integer, odd } = *self;
        let (power, result) = (1i64 << exponent, self.result());
        let binade = if exponent == 0 { 0 } else { power << (ROUNDED_BITS - 1) };
        let mut rows = Rows { assignment, first };
        for row in 0..2 {
            rows.pre(row, exponent.into());
        }
        for (row, value, pre) in [
            (0, power, exponent.into()),
            (1, binade, exponent.into()),
            (2, result, 0),
            (3, integer, sign * power),
            (4, sign, power),
            (5, sign * operand - binade, binade),
            (6, sign, operand),
            (7, power - odd, 0),
            (8, power, integer),
            (10, operand, result),
            (12, operand, result),
        ] {
            rows.value(row, value);
            rows.pre(row, pre);
        }
        rows.low(4, (sign + 1) / 2);
        rows.low(7, odd);
        let difference = 2 * (operand - result);
        for (row, value) in [
            (9, ((1 << ROUNDED_BITS) - integer - odd).div_euclid(2)),
            (11, power - odd - difference),
            (13, power - odd + difference),
        ] {
            rows.value(row, power - odd);
            rows.chain(row, value);
        }
        rows.chain(14, sign * operand - binade);
    }
}

/// A claim that a quotient is so many steps up.
#[derive(Clone, Copy, Debug)]
pub struct Stepping {
    pub reached: usize,
    /// What is added to the distances from the two steps, so that they are not negative.
    pub overflows: [i64; 2],
}

impl Stepping {
    /// From the first row of a result to the element.
    pub const HOME: usize = 2;

    /// Writes everything that follows from the claim.
    pub fn write(&self, assignment: &mut Assignment, first: usize, [dividend, divisor]: [i64; 2], steps: &[Step]) {
        let result = STEPPED_FIRST + self.reached as i64;
        let step = |index: Option<usize>| index.and_then(|index| steps.get(index)).copied();
        let sides = [step(self.reached.checked_sub(1)), step(Some(self.reached))];
        let mut rows = Rows { assignment, first };
        for (side, step) in sides.into_iter().enumerate() {
            let Step { factor, strict } = step.unwrap_or(Step { factor: 0, strict: false });
            let (at, is_next, strict) = (6 + 6 * side, side as i64, i64::from(strict));
            let least = factor * divisor + strict - is_next;
            let multiple = if side == 1 { least >> STEPPED_SHIFT } else { -(-least >> STEPPED_SHIFT) };
            let difference = (multiple << STEPPED_SHIFT) - factor * divisor;
            let distance = if side == 1 { multiple - dividend } else { dividend - multiple };
            for (row, value, pre) in [
                (side, factor, result + is_next),
                (2 + side, result, self.overflows[side]),
                (4 + side, strict, result + is_next),
                (at, multiple, difference),
                (at + 1, factor, divisor),
                (at + 2, difference, strict),
                (at + 4, self.overflows[side], multiple),
                (at + 5, dividend, 0),
            ] {
                rows.value(row, value);
                rows.pre(row, pre);
            }
            rows.chain(at + 3, ((multiple << STEPPED_SHIFT) - least).abs());
            rows.chain(at + 5, distance + self.overflows[side]);
        }
    }
}
