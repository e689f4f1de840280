//! Maxima of values too far apart for a table of their differences, by range chains and a product of the scalar unit.

use super::builder::{range_rows, Builder};
use super::fill::{Element, Fill};
use super::rows::{Lane, Place, RowForm};
use super::scalar::{Operand, Previous, ScalarRef};
use super::tables::MAX_LIMB;
use crate::graph::TensorId;

impl Builder<'_> {
    /// Whether the differences of a tensor's elements take more bits than a limb's table has.
    pub(super) fn is_wide_maximum(&self, input: TensorId) -> bool {
        self.ranges[input.0 as usize].value.width() >= 1 << MAX_LIMB
    }

    /// M-MAX-WIDE: the maximum is not below any operand, and the product of the differences is zero.
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | the product of all `d`, – | looked up as zero |
    /// | 1 | `x`, the first operand `v` | `x − v = d` |
    /// | 2 … | limbs of `d` | see [`Builder::range_chains`] |
    /// | then … | the same for each further operand; `x` is a copy | |
    pub(super) fn wide_maximum(&mut self, tensor: TensorId, windows: Vec<Vec<Element>>, bits: u32) {
        let chain = range_rows(bits);
        let length = windows[0].len() as u32;
        let chains = self.chains(windows.len(), (1 + length * (1 + chain)) as usize);
        let block = chains.block();
        let difference = RowForm { value: 1, pre: -1, next_pre: -1, pointwise: true, ..RowForm::default() };
        for step in (0..length).map(|index| 1 + index * (1 + chain)) {
            self.rows.set_forms(block.rows(step), &difference);
            self.range_chains(block, step + 1, chain);
        }
        let places: Vec<_> = (0..windows.len()).map(|slot| chains.place(slot)).collect();
        for (window, &place) in windows.iter().zip(&places) {
            (1..block.stride).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
            let heads = (0..length).map(|index| place.below(1 + index * (1 + chain)));
            for (&element, head) in window.iter().zip(heads.clone()) {
                self.copies.push((self.element_cell(element), head.pre()));
            }
            self.copies.extend(heads.clone().skip(1).map(|head| (place.below(1).value(), head.value())));
            let product = self.product_of(heads.map(|head| head.below(1)));
            self.copies.push((product.cell(), place.value()));
        }
        self.settle(tensor, places.iter().map(|place| place.below(1)).collect());
        self.fills.push(Fill::WideMaximum { windows, chain, places });
    }

    /// A chain of scalar rows that multiplies the `pre` of some places.
    fn product_of(&mut self, mut places: impl Iterator<Item = Place>) -> ScalarRef {
        let first = Operand::Cell(places.next().expect("windows are not empty").pre());
        let first = self.scalar.add(Previous::Drop, 1, first, 0);
        places.fold(first, |product, place| {
            self.scalar.multiply(Previous::Drop, Operand::Scalar(product), Operand::Cell(place.pre()))
        })
    }
}
