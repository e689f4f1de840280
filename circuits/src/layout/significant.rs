//! Rounding to significant bits, by products, two short tables and range chains.

use super::builder::{range_rows, Builder};
use super::fill::{Element, Fill};
use super::rows::{Lane, Place, RowForm};
use super::tables::OwnFunction;
use super::LayoutError;
use crate::graph::TensorId;
use crate::significant::exponent;

/// The rows of a rounding.
///
/// | row | `value`, `pre` | form |
/// | --- | --- | --- |
/// | 0 | `P`, `e` | `(e, 2^e)` is looked up; `e = pre₊` |
/// | 1 | `B`, `e` | `(e, 2^(bits − 1 + e))`, or `(0, 0)`, is looked up |
/// | 2 | `x`, – | `x = q·S` |
/// | 3 | `q`, `S` | `S = σ·P` |
/// | 4 | `σ`, `P` | `σ = 2·low − 1`, `low` a bit |
/// | 5 | `g`, `B` | `g = σ·v − B` |
/// | 6 | `σ`, `v` | |
/// | 7 | `w`, – | `w = P − low`, `low` a bit |
/// | 8 | `P`, `q` | `2^bits − q = 2·c + (P − w)` |
/// | 9 … | limbs of `c`; `value` of the first is `w` | see [`Builder::range_chains`] |
/// | then | `v`, `x` | `t = w − 2·(v − x)` |
/// | then … | limbs of `t`; `value` of the first is `w` | |
/// | then | `v`, `x` | `t' = w + 2·(v − x)` |
/// | then … | limbs of `t'`; `value` of the first is `w` | |
/// | then … | limbs of `g` | |
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundingRows {
    pub(super) bits: u32,
    /// Rows of the chain of `c`.
    pub(super) rest: u32,
    /// Rows of the chains of `t` and `t'`.
    pub(super) room: u32,
    /// Rows of the chain of `g`.
    pub(super) above: u32,
}

impl RoundingRows {
    /// Before the range chains.
    const HEAD: u32 = 9;

    /// Of roundings of magnitudes up to `largest`.
    fn new(bits: u32, largest: u128) -> Self {
        Self {
            bits,
            rest: range_rows(bits),
            room: range_rows(exponent(largest, bits) + 2),
            above: range_rows(u128::BITS - largest.leading_zeros()),
        }
    }

    /// The chain of `c`.
    pub(super) fn rest_at(&self) -> u32 {
        Self::HEAD
    }

    /// The rows before the chains of `t` and `t'`.
    fn heads(&self) -> [u32; 2] {
        let first = Self::HEAD + self.rest;
        [first, first + 1 + self.room]
    }

    /// The chains of `t` and `t'`.
    pub(super) fn rooms_at(&self) -> [u32; 2] {
        self.heads().map(|head| head + 1)
    }

    /// The chain of `g`.
    pub(super) fn above_at(&self) -> u32 {
        self.heads()[1] + 1 + self.room
    }

    fn len(&self) -> u32 {
        self.above_at() + self.above
    }

    /// The forms of the rows that are none of a chain's, and of these the ones with a limb of a bit.
    fn forms(&self) -> [(u32, RowForm); 9] {
        let form = RowForm { pointwise: true, ..RowForm::default() };
        let [first, second] = self.heads();
        let room = RowForm { value: -2, pre: 2, next_value: 1, next_pre: -1, ..form };
        [
            (0, RowForm { pre: 1, next_pre: -1, ..form }),
            (2, RowForm { value: 1, product: -1, ..form }),
            (3, RowForm { pre: 1, product: -1, ..form }),
            (4, RowForm { value: 1, low: -2, constant: 1, low_tag: 1, ..form }),
            (5, RowForm { value: 1, pre: 1, product: -1, ..form }),
            (7, RowForm { value: 1, low: 1, next_value: -1, low_tag: 1, ..form }),
            (8, RowForm { value: 1, pre: 1, next_value: -1, next_pre: 2, constant: -(1 << self.bits), ..form }),
            (first, room),
            (second, RowForm { value: 2, pre: -2, ..room }),
        ]
    }
}

impl Builder<'_> {
    /// M-ROUND: see [`RoundingRows`].
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn round_significant(
        &mut self,
        tensor: TensorId,
        input: TensorId,
        bits: u32,
    ) -> Result<(), LayoutError> {
        let rows = RoundingRows::new(bits, self.ranges[input.0 as usize].value.magnitude().unsigned_abs());
        let mut operands = self.elements(input);
        let chains = self.chains(operands.len(), rows.len() as usize)?;
        let block = chains.block();
        self.tables.limb(1);
        rows.forms().iter().for_each(|(step, form)| self.rows.set_forms(block.rows(*step), form));
        for (first, length) in
            [(rows.rest_at(), rows.rest), (rows.rooms_at()[0], rows.room), (rows.rooms_at()[1], rows.room)]
        {
            self.range_chains(block, first, length);
        }
        self.range_chains(block, rows.above_at(), rows.above);
        // Lanes without an operand round a zero.
        let places: Vec<_> = (0..chains.slots()).map(|slot| chains.place(slot)).collect();
        let elements = operands.len();
        operands.resize(places.len(), None);
        for (&place, &operand) in places.iter().zip(&operands) {
            self.rounding(place, operand, &rows);
        }
        self.settle(tensor, places[..elements].iter().map(|place| place.below(2)).collect());
        self.fills.push(Fill::RoundSignificant { operands, rows, places });
        Ok(())
    }

    /// The lanes and copies of a rounding.
    fn rounding(&mut self, place: Place, operand: Element, rows: &RoundingRows) {
        let [power, binade] = [OwnFunction::Power, OwnFunction::Binade { bits: rows.bits }]
            .map(|function| Lane::Function(self.tables.own(function)));
        (0..rows.len()).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
        self.rows.set_lane(place, power);
        self.rows.set_lane(place.below(1), binade);
        let operand = self.element_cell(operand);
        let at = |step: u32| place.below(step);
        self.copies.extend([
            (at(8).pre(), at(3).value()),
            (place.value(), at(4).pre()),
            (at(1).value(), at(5).pre()),
            (at(4).value(), at(6).value()),
            (operand, at(6).pre()),
            (place.value(), at(8).value()),
            (at(7).value(), at(rows.rest_at()).value()),
            (at(5).value(), at(rows.above_at()).pre()),
        ]);
        for head in rows.heads() {
            self.copies.extend([
                (operand, at(head).value()),
                (at(2).value(), at(head).pre()),
                (at(7).value(), at(head + 1).value()),
            ]);
        }
    }
}
