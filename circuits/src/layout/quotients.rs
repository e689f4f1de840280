//! Quotients and square roots with their remainders, by products and range chains.

use super::builder::{range_rows, Builder};
use super::fill::{Dividends, Fill};
use super::rows::{Lane, Place, RowForm};
use super::LayoutError;
use crate::graph::TensorId;

/// Rows before the range chains.
const HEAD: u32 = 4;
/// Range chains: what the remainder leaves, the remainder, the quotient.
const CHAINS: u32 = 3;

/// The forms of the two rows that say something; each reads the row below it.
struct Forms {
    /// Row 0: `value`, `pre = r`, and below it the factors.
    division: RowForm,
    /// Row 2: `pre = t`, and below it `value = v`, `pre = r`.
    room: RowForm,
}

impl Builder<'_> {
    /// M-RECIPROCAL: `q·d + r = N` with `q`, `r` and `d − 1 − r` in range.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | –, `r` | `r + q·d = N` |
    /// | 1 | `q`, `d` | |
    /// | 2 | –, `t` | `t = d − 1 − r` |
    /// | 3 | `d`, `r` | |
    /// | 4 … | limbs of `t`, of `r`, of `q` | see [`Builder::range_chains`] |
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn reciprocal(&mut self, tensor: TensorId, input: TensorId, numerator: i64) -> Result<(), LayoutError> {
        let division =
            RowForm { pre: 1, low: 1, constant: -numerator, product: 1, pointwise: true, ..RowForm::default() };
        let (chain, places) = self.divisions(tensor, input, division)?;
        let (dividends, divisors) = (Dividends::Constant(numerator), self.elements(input));
        self.fills.push(Fill::Quotient { dividends, divisors, chain, places });
        Ok(())
    }

    /// M-QUOTIENT: `q·d + r = v` with `q`, `r` and `d − 1 − r` in range.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | `v`, `r` | `r + q·d = v` |
    /// | 1 | `q`, `d` | |
    /// | 2 | –, `t` | `t = d − 1 − r` |
    /// | 3 | `d`, `r` | |
    /// | 4 … | limbs of `t`, of `r`, of `q` | see [`Builder::range_chains`] |
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn quotient(&mut self, tensor: TensorId, [dividend, divisor]: [TensorId; 2]) -> Result<(), LayoutError> {
        let form = RowForm { value: -1, pre: 1, low: 1, product: 1, pointwise: true, ..RowForm::default() };
        let operands = [dividend, divisor].map(|operand| self.elements(operand));
        let (chain, places) = self.divisions(tensor, divisor, form)?;
        for (&place, &dividend) in places.iter().zip(&operands[0]) {
            self.copies.push((self.element_cell(dividend), place.value()));
        }
        let [dividends, divisors] = operands;
        self.fills.push(Fill::Quotient { dividends: Dividends::Elements(dividends), divisors, chain, places });
        Ok(())
    }

    /// Rows of divisions by the elements of a tensor, whose first row has this form; returns the rows of a chain, and the first place of each.
    fn divisions(
        &mut self,
        tensor: TensorId,
        divisor: TensorId,
        division: RowForm,
    ) -> Result<(u32, Vec<Place>), LayoutError> {
        let largest = self.ranges[divisor.0 as usize].value.hi.max(self.ranges[tensor.0 as usize].value.hi);
        let room =
            RowForm { pre: 1, low: 1, constant: 1, next_value: -1, next_pre: 1, pointwise: true, ..RowForm::default() };
        let divisors = self.elements(divisor);
        let (chain, places) = self.quotient_rows(divisors.len(), largest, &Forms { division, room })?;
        for (&place, &divisor) in places.iter().zip(&divisors) {
            let divisor = self.element_cell(divisor);
            self.copies.extend([(divisor, place.below(1).pre()), (divisor, place.below(3).value())]);
        }
        self.settle(tensor, places.iter().map(|place| place.below(1)).collect());
        Ok((chain, places))
    }

    /// M-ROOT: `s² + r = v` with `s`, `r` and `2·s − r` in range.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | `v`, `r` | `r + s·s = v` |
    /// | 1 | `s`, `s` | |
    /// | 2 | –, `t` | `t = 2·s − r` |
    /// | 3 | `s`, `r` | |
    /// | 4 … | limbs of `t`, of `r`, of `s` | see [`Builder::range_chains`] |
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn square_root(&mut self, tensor: TensorId, input: TensorId) -> Result<(), LayoutError> {
        let largest = 2 * self.ranges[tensor.0 as usize].value.hi;
        let form = RowForm { pre: 1, low: 1, pointwise: true, ..RowForm::default() };
        let forms = Forms {
            division: RowForm { value: -1, product: 1, ..form },
            room: RowForm { next_value: -2, next_pre: 1, ..form },
        };
        let operands = self.elements(input);
        let (chain, places) = self.quotient_rows(operands.len(), largest, &forms)?;
        for (&place, &operand) in places.iter().zip(&operands) {
            let root = place.below(1).value();
            self.copies.extend([
                (self.element_cell(operand), place.value()),
                (root, place.below(1).pre()),
                (root, place.below(3).value()),
            ]);
        }
        self.settle(tensor, places.iter().map(|place| place.below(1)).collect());
        self.fills.push(Fill::SquareRoot { operands, chain, places });
        Ok(())
    }

    /// Rows for `count` quotients none of whose ranged numbers exceeds `largest`; returns the rows of a chain, and the
    /// first place of each quotient. Copies of the remainder and to the chains are made.
    fn quotient_rows(&mut self, count: usize, largest: i128, forms: &Forms) -> Result<(u32, Vec<Place>), LayoutError> {
        let chain = range_rows(128 - largest.leading_zeros());
        let chains = self.chains(count, (HEAD + CHAINS * chain) as usize)?;
        let forms = [(0, &forms.division), (2, &forms.room)];
        forms.iter().for_each(|&(step, form)| self.rows.set_forms(chains.block().rows(step), form));
        (0..CHAINS).for_each(|index| self.range_chains(chains.block(), HEAD + index * chain, chain));
        for place in (count..chains.slots()).map(|slot| chains.place(slot)) {
            // No operand: `value = pre = 0` throughout, and the free `low` makes up for the constants.
            for (step, form) in forms {
                self.rows.set_lane(place.below(step), Lane::Border);
                self.fills.push(Fill::Borders { places: vec![place.below(step)], constant: form.constant });
            }
        }
        let places: Vec<_> = (0..count).map(|slot| chains.place(slot)).collect();
        for place in &places {
            (0..HEAD + CHAINS * chain).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
            let [room, remainder, quotient] = [0, 1, 2].map(|index| place.below(HEAD + index * chain).pre());
            self.copies.extend([
                (place.pre(), place.below(3).pre()),
                (place.below(2).pre(), room),
                (place.pre(), remainder),
                (place.below(1).value(), quotient),
            ]);
        }
        Ok((chain, places))
    }
}
