//! Maxima of values too far apart for a table of their differences, by range chains and a product of the scalar unit.

use super::builder::{range_rows, Builder};
use super::fill::{Element, Fill};
use super::rows::{Lane, Place, RowForm};
use super::scalar::{Operand, Previous, ScalarRef};
use super::LayoutError;
use crate::graph::TensorId;

impl Builder<'_> {
    /// M-MAX-WIDE: the maximum `x` is not below any operand, and the product of the differences is zero. For each operand `v`
    ///
    /// | row | `value`, `pre` | form |
    /// | --- | --- | --- |
    /// | 0 | `x`, `v` | `x − v = d` |
    /// | 1 … | limbs of `d` | see [`Builder::range_chains`] |
    ///
    /// and for the element the row `x`, `Π d`, whose form is `pre = 0`.
    ///
    /// # Errors
    /// There is no room for so many rows.
    pub(super) fn wide_maximum(
        &mut self,
        tensor: TensorId,
        windows: Vec<Vec<Element>>,
        bits: u32,
    ) -> Result<(), LayoutError> {
        let (chain, length) = (range_rows(bits), windows[0].len());
        let chains = self.chains(windows.len() * length, 1 + chain as usize)?;
        let block = chains.block();
        let difference = RowForm { value: 1, pre: -1, next_pre: -1, pointwise: true, ..RowForm::default() };
        self.rows.set_forms(block.rows(0), &difference);
        self.range_chains(block, 1, chain);
        let heads: Vec<_> = (0..windows.len() * length).map(|slot| chains.place(slot)).collect();
        let (block, places, _) = self.allocate(tensor, 1);
        self.rows.set_forms(block.rows(0), &RowForm { pre: 1, pointwise: true, ..RowForm::default() });
        for ((window, heads), &place) in windows.iter().zip(heads.chunks(length)).zip(&places) {
            for (&element, &head) in window.iter().zip(heads) {
                (0..=chain).for_each(|step| self.rows.set_lane(head.below(step), Lane::Pinned));
                self.copies.push((self.element_cell(element), head.pre()));
            }
            let copies = heads[1..].iter().chain([&place]);
            self.copies.extend(copies.map(|copy| (heads[0].value(), copy.value())));
            self.rows.set_lane(place, Lane::Pinned);
            let product = self.product_of(heads.iter().map(|head| head.below(1)));
            self.copies.push((product.cell(), place.pre()));
        }
        self.maxima.insert(tensor, heads.clone());
        self.fills.push(Fill::WideMaximum { windows, chain, heads });
        self.fills.push(Fill::Elements { tensor, places, input: false });
        Ok(())
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
