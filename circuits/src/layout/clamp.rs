//! M-CLAMP: requantization by a clamp whose table is not spelled out. The result is shown to be in range by limbs of eight bits, and
//! the overflows beyond its ends with it.

use super::builder::{range_rows, Accumulated, Builder, RANGE_LIMB};
use super::fill::Fill;
use super::rows::{Block, Lane, Place, RowForm};
use crate::analysis::Interval;
use crate::graph::{Table, TensorId};

/// Bits of a row of a range chain.
const CHAIN_ROW_BITS: u32 = 2 * RANGE_LIMB;
/// Bits that a joint range, its overflows and its shift may take together: the sums of a witness fit `i64`.
const ROOM: u32 = 60;

/// How a use of a clamp is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClampUse {
    /// The ends of the clamp; where no argument leaves them, the ends of the arguments.
    pub(super) lo: i64,
    /// See `lo`.
    pub(super) hi: i64,
    /// Whether arguments may leave the ends.
    pub(super) saturates: bool,
    /// Rows of the range chain of `y − lo`, or of `y − lo + o⁻`.
    pub(super) below: u32,
    /// Rows of the range chain of `hi − y + o⁺`; none where nothing saturates.
    pub(super) above: u32,
    /// The factor that joins the two is `2^gap − 1`.
    pub(super) gap: u32,
    /// The least argument, which stands in lanes without an element: of others none is known to fit the chains.
    pub(super) least: i64,
}

impl ClampUse {
    /// The ends of a table that is a clamp, if each of its uses, with a shift and arguments, can be shown by limbs.
    pub(super) fn ends(table: &Table, uses: &[(u32, Interval)]) -> Option<(i64, i64)> {
        let values = table.values();
        let (lo, hi) = (i64::from(*values.first()?), i64::from(*values.last()?));
        let is_clamp = lo < hi && (table.lo()..).zip(values).all(|(v, &image)| i64::from(image) == v.clamp(lo, hi));
        let has_room = |&(shift, argument): &(u32, Interval)| Self::new((lo, hi), shift, argument).is_some();
        (is_clamp && uses.iter().all(has_room)).then_some((lo, hi))
    }

    /// How a clamp to `[lo, hi]` is shown for accumulators with a shift and arguments; `None` where these have no room.
    pub(super) fn new((lo, hi): (i64, i64), shift: u32, argument: Interval) -> Option<Self> {
        let (least, largest) = (i64::try_from(argument.lo).ok()?, i64::try_from(argument.hi).ok()?);
        let bits = |numbers: &[i64]| {
            let largest = numbers.iter().map(|number| number.unsigned_abs()).max().unwrap_or(0);
            (u64::BITS - largest.leading_zeros()).max(1)
        };
        if bits(&[least, largest, lo, hi]) + shift > ROOM {
            return None;
        }
        if lo <= least && largest <= hi {
            let below = range_rows(bits(&[largest - least]));
            return Some(Self { lo: least, hi: largest, saturates: false, below, above: 0, gap: 0, least });
        }
        let below = range_rows(bits(&[(largest.min(hi) - lo).max(0), (lo - least).max(0)]));
        let above_bits = bits(&[(hi - least.max(lo)).max(0), (largest - hi).max(0)]);
        // What is below, be it as a prover likes, has fewer bits than the gap: see docs/soundness.md, section 5.
        let gap = (CHAIN_ROW_BITS * below).max(bits(&[least, largest, lo, hi]) + 2) + 2;
        let clamp = Self { lo, hi, saturates: true, below, above: range_rows(above_bits), gap, least };
        (gap + above_bits.max(bits(&[lo, hi])) <= ROOM).then_some(clamp)
    }

    /// Rows of its range chains.
    pub(super) fn chain(&self) -> u32 {
        self.below + self.above
    }

    /// The ends, where arguments may leave them.
    pub(super) fn saturation(&self) -> Option<(i64, i64)> {
        self.saturates.then_some((self.lo, self.hi))
    }

    /// What the range above is multiplied by where it is joined to the one below. It is odd, and one less is no multiple of four: a
    /// remainder that is none leaves a fraction in one of the two.
    pub(super) fn factor(&self) -> i64 {
        (1 << self.gap) - 1
    }

    /// The form of the row with the overflows, which reads `value = y` and `pre` of the row below:
    /// `pre₊ = (y − lo + o⁻) + factor·(hi − y + o⁺)`.
    pub(super) fn overflow_form(&self) -> RowForm {
        let factor = self.factor();
        RowForm {
            low: factor,
            high: 1,
            constant: factor * self.hi - self.lo,
            next_value: 1 - factor,
            next_pre: -1,
            pointwise: true,
            ..RowForm::default()
        }
    }

    /// The forms of the rows of its chains. The first one takes up the range above, which stands in `value` of the row below.
    pub(super) fn chain_forms(&self, tag: i64) -> Vec<RowForm> {
        let ends = [self.below, self.chain()];
        let form = |row: u32| RowForm {
            pre: 1,
            low: -1,
            high: -(1 << RANGE_LIMB),
            next_pre: if ends.contains(&(row + 1)) { 0 } else { -(1 << CHAIN_ROW_BITS) },
            next_value: if row == 0 && self.saturates { -self.factor() } else { 0 },
            constant: if row == 0 && !self.saturates { -self.lo } else { 0 },
            pointwise: true,
            low_tag: tag,
            high_tag: tag,
            ..RowForm::default()
        };
        (0..self.chain()).map(form).collect()
    }
}

/// Where the clamps of a tensor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaidClamp {
    pub(super) clamp: ClampUse,
    pub(super) block: Block,
    /// The physical row of a logical row in which its chains begin.
    pub(super) first: u32,
}

impl Builder<'_> {
    /// M-CLAMP: the rows below accumulators that a clamp without a table requantizes.
    ///
    /// | row | `value`, `pre`, `low`, `high` | form |
    /// | --- | --- | --- |
    /// | 0 | `y`, `y`, the remainder `r` | `2^s·(y + o⁺ − o⁻) + r − 2^(s−1)`, and M-SAT |
    /// | 1 | operands or nothing, then `o⁺`, `o⁻` | see [`ClampUse::overflow_form`] |
    /// | 2 … | `y`, the joint range, limbs | `pre = (y − lo + o⁻) + factor·value₊`: the range chain of the bracket |
    /// | then … | `hi − y + o⁺` and its limbs | its range chain; a copy of the first `pre` is `value` of the row below the joint range |
    ///
    /// Where nothing saturates there are no overflows, and without operands no row 1; the chain begins with `pre = y` and shows `y − lo`.
    pub(super) fn clamp_rows(&mut self, tensor: TensorId, block: Block, rows: &Accumulated, places: &[Place]) {
        let Some(clamp) = rows.clamp else { return };
        let first = block.stride - clamp.chain();
        let tag = self.tables.limb(RANGE_LIMB);
        if clamp.saturates {
            self.rows.set_forms(block.rows(1), &clamp.overflow_form());
        }
        for (step, form) in (first..).zip(clamp.chain_forms(tag)) {
            self.rows.set_forms(block.rows(step), &form);
        }
        let spare = self.spare(block, places);
        if clamp.saturates {
            places.iter().for_each(|place| self.rows.set_lane(place.below(1), Lane::Overflow));
            spare.iter().for_each(|place| self.rows.set_lane(place.below(1), Lane::Border));
        }
        for &place in places.iter().chain(&spare) {
            (first..block.stride).for_each(|step| self.rows.set_lane(place.below(step), Lane::Pinned));
        }
        if clamp.saturates {
            let above = |place: &Place| (place.below(first + clamp.below).pre(), place.below(first + 1).value());
            self.copies.extend(places.iter().chain(&spare).map(above));
        }
        for &place in places {
            let chain = place.below(first);
            self.copies.push((place.pre(), place.value()));
            self.copies.push((place.pre(), if clamp.saturates { chain.value() } else { chain.pre() }));
        }
        if clamp.saturates && !spare.is_empty() {
            let result = self.scalar.constant(clamp.idle()).cell();
            self.copies.extend(spare.iter().map(|place| (result, place.below(first).value())));
        }
        self.clamps.insert(tensor, LaidClamp { clamp, block, first });
    }

    /// The first places of a block's lanes without an element.
    pub(super) fn spare(&self, block: Block, places: &[Place]) -> Vec<Place> {
        let mut spare = vec![true; block.logical as usize * self.rows.units()];
        places.iter().for_each(|&place| spare[self.rows.address(place).1] = false);
        (0..spare.len()).filter(|&address| spare[address]).map(|address| self.rows.place(block, address)).collect()
    }

    /// How the chains of clamps are filled, when all accumulators are.
    pub(super) fn clamp_fills(&mut self) {
        for (&tensor, &LaidClamp { clamp, block, first }) in &self.clamps {
            let places = self.places[tensor.0 as usize].clone();
            let spare = self.spare(block, &places);
            self.fills.push(Fill::Clamp { places, spare, clamp, first });
        }
    }
}

impl ClampUse {
    /// The result that stands in lanes without an element: that for the least argument.
    pub(super) fn idle(&self) -> i64 {
        self.least.clamp(self.lo, self.hi)
    }
}

#[cfg(test)]
mod tests {
    use ff::Field;
    use halo2_proofs::halo2curves::bn256::Fr;

    use super::*;
    use crate::machine::to_field;
    use crate::reference::shift_half_up;

    /// The number that a field element stands for, if it is small and not negative.
    fn small(element: Fr) -> Option<u64> {
        let bytes = ff::PrimeField::to_repr(&element);
        let bytes: &[u8] = bytes.as_ref();
        bytes[8..]
            .iter()
            .all(|&byte| byte == 0)
            .then(|| u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")))
    }

    impl ClampUse {
        /// The field element `y` that a prover may go on with who takes a remainder and, of the three ways to saturate, one.
        fn accepts(&self, accumulator: i64, shift: u32, remainder: i64, way: Option<bool>) -> Option<Fr> {
            let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
            let step = to_field(1 << shift).invert().expect("a power of two is no zero");
            let quotient = to_field(accumulator + half - remainder) * step;
            let [lo, hi] = [self.lo, self.hi].map(to_field);
            let (result, over, under) = match way.filter(|_| self.saturates) {
                None => (quotient, Fr::ZERO, Fr::ZERO),
                Some(true) => (hi, quotient - hi, Fr::ZERO),
                Some(false) => (lo, Fr::ZERO, lo - quotient),
            };
            let in_chain = |number: u64, rows: u32| number >> (CHAIN_ROW_BITS * rows) == 0;
            if !self.saturates {
                return small(result - lo).filter(|&number| in_chain(number, self.below)).map(|_| result);
            }
            let joint = result - lo + under + to_field(self.factor()) * (hi - result + over);
            let joint = small(joint)?;
            let factor = self.factor() as u64;
            // Any other pair has a larger first or a negative second number.
            let pair = (joint % factor, joint / factor);
            (in_chain(pair.0, self.below) && in_chain(pair.1, self.above)).then_some(result)
        }
    }

    /// Whatever remainder a prover takes, and whichever way out of the clamp: what is accepted is the clamp, and that is accepted.
    #[test]
    fn nothing_but_the_clamp_is_accepted() {
        for shift in [0, 1, 2, 5, 9, 24, 30] {
            for (lo, hi) in [(-8, 7), (0, 7), (-4095, 4095), (100, 300)] {
                for reach in [9, 70_000, 1_000_000] {
                    let argument = Interval::new(-reach, reach);
                    let Some(clamp) = ClampUse::new((lo, hi), shift, argument) else { continue };
                    let step = 1i64 << shift;
                    let ends = [lo, hi, -reach, reach, 0].into_iter().flat_map(|end| [end - 1, end, end + 1]);
                    let accumulators =
                        ends.flat_map(|end| [-step / 2, -1, 0, 1, step / 2 - 1].map(|by| end * step + by));
                    for accumulator in accumulators {
                        let quotient = shift_half_up(accumulator.into(), shift) as i64;
                        if quotient.abs() > reach {
                            continue;
                        }
                        let expected = if clamp.saturates { quotient.clamp(lo, hi) } else { quotient };
                        let half = if shift == 0 { 0 } else { step / 2 };
                        let right = accumulator + half - (quotient << shift);
                        let others = (0..shift).flat_map(|bit| [right ^ (1 << bit), 1 << bit]);
                        let remainders = [right, 0, step - 1, step / 3].into_iter().chain(others);
                        let mut found = false;
                        for remainder in remainders.filter(|remainder| (0..step).contains(remainder)) {
                            for way in [None, Some(false), Some(true)] {
                                let accepted = clamp.accepts(accumulator, shift, remainder, way);
                                found |= accepted.is_some();
                                let wrong = accepted.filter(|&result| result != to_field(expected));
                                assert_eq!(wrong, None, "{clamp:?} {shift} {accumulator} {remainder} {way:?}");
                            }
                        }
                        assert!(found, "{clamp:?} {shift} {accumulator} is provable");
                    }
                }
            }
        }
    }

    /// Tables that are no clamps, and uses that have no room, keep their tables.
    #[test]
    fn what_is_no_clamp() {
        let table = |lo: i64, values: &[i32]| Table::new("table", lo, values.to_vec()).expect("not empty");
        let near = [(3, Interval::new(-50, 50))];
        let ends = |lo, values: &[i32]| ClampUse::ends(&table(lo, values), &near);
        assert_eq!(ends(-2, &[-2, -1, 0, 1]), Some((-2, 1)));
        assert_eq!(ends(-2, &[0, 0, 0, 1, 2, 2]), Some((0, 2)));
        assert_eq!(ends(-2, &[-2, -1, 0, 2]), None);
        assert_eq!(ends(-2, &[5, 5, 5]), None);
        assert_eq!(ends(0, &[1, 0]), None);
        assert_eq!(ends(3, &[0, 1, 2]), None);
        let far = [(3, Interval::new(-(1i64 << 50), 1i64 << 50))];
        assert_eq!(ClampUse::ends(&table(-2, &[-2, -1, 0, 1]), &far), None);
    }
}
