//! Scalars, and their signs and magnitudes.

use std::ops::Range;

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

use crate::field::{canonical_words, Instructions, Residue};

/// Words of a magnitude, least significant first.
pub(super) type Words = [u64; 4];

/// Elements that are turned into integers at once: 32 KiB of them.
const AT_ONCE: usize = 1024;

/// Scalars of a column, for the first rows of the bases in order unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Scalars<'a> {
    /// Integers of 8 bits.
    I8(&'a [i8]),
    /// Integers of 16 bits.
    I16(&'a [i16]),
    /// Integers of 32 bits.
    I32(&'a [i32]),
    /// Integers of 64 bits.
    I64(&'a [i64]),
    /// Field elements. Those near zero from below cost as little as those near it from above.
    Field(&'a [Fr]),
    /// Field elements for some of the rows; rows may repeat.
    Sparse {
        /// The row of each value.
        rows: &'a [u32],
        /// The values, as many as rows.
        values: &'a [Fr],
    },
}

impl Scalars<'_> {
    /// How many scalars there are.
    pub fn len(&self) -> usize {
        match self {
            Self::I8(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Field(values) | Self::Sparse { values, .. } => values.len(),
        }
    }

    /// Whether there are no scalars.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all rows are those of so many bases.
    pub(super) fn fits(&self, bases: usize) -> bool {
        match self {
            Self::Sparse { rows, values } => {
                rows.len() == values.len() && rows.iter().all(|row| (*row as usize) < bases)
            }
            _ => self.len() <= bases,
        }
    }

    /// Calls `visit(row, negative, magnitude)` for the scalars in a range of places that are not zero, in order.
    pub(super) fn for_each(
        &self,
        instructions: Instructions,
        range: Range<usize>,
        mut visit: impl FnMut(u32, bool, Words),
    ) {
        let mut visit_integer = |place: usize, value: i64| {
            if value != 0 {
                visit(place as u32, value < 0, [value.unsigned_abs(), 0, 0, 0]);
            }
        };
        match *self {
            Self::I8(values) => range.for_each(|place| visit_integer(place, values[place].into())),
            Self::I16(values) => range.for_each(|place| visit_integer(place, values[place].into())),
            Self::I32(values) => range.for_each(|place| visit_integer(place, values[place].into())),
            Self::I64(values) => range.for_each(|place| visit_integer(place, values[place])),
            Self::Field(values) => for_each_element(instructions, values, range, |place| place as u32, visit),
            Self::Sparse { rows, values } => for_each_element(instructions, values, range, |place| rows[place], visit),
        }
    }

    /// How many scalars in a range of places are not zero, and how many bits their magnitudes have.
    pub(super) fn survey(&self, instructions: Instructions, range: Range<usize>) -> Survey {
        let (mut count, mut all) = (0, [0; 4]);
        self.for_each(instructions, range, |_, _, magnitude| {
            count += 1;
            (0..4).for_each(|i| all[i] |= magnitude[i]);
        });
        Survey { count, bits: bit_length(all) }
    }
}

/// What decides on the windows of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Scalars that are not zero.
    pub(super) count: usize,
    /// Bits of the largest magnitude.
    pub(super) bits: u32,
}

impl Survey {
    /// The survey of two ranges.
    pub(super) fn joined(self, other: Self) -> Self {
        Self { count: self.count + other.count, bits: self.bits.max(other.bits) }
    }
}

fn bit_length(words: Words) -> u32 {
    (0..4).rev().find(|i| words[*i] != 0).map_or(0, |i| 64 * i as u32 + 64 - words[i].leading_zeros())
}

fn for_each_element(
    instructions: Instructions,
    values: &[Fr],
    range: Range<usize>,
    row: impl Fn(usize) -> u32,
    mut visit: impl FnMut(u32, bool, Words),
) {
    let mut room = [Fr::ZERO; AT_ONCE];
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + AT_ONCE);
        let integers = canonical_words(instructions, &values[start..end], &mut room[..end - start]);
        for (place, words) in (start..end).zip(integers) {
            if *words != [0; 4] {
                let (negative, magnitude) = sign_and_magnitude(*words);
                visit(row(place), negative, magnitude);
            }
        }
        start = end;
    }
}

/// An integer `v` below the group's order `r` as `v` or, if that is less, as `−(r − v)`.
#[inline]
fn sign_and_magnitude(words: Words) -> (bool, Words) {
    let mut opposite = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        (opposite[i], borrow) = borrowing_sub(Fr::MODULUS_WORDS[i], words[i], borrow);
    }
    // Most values are decided by their top words.
    let negative = opposite.iter().rev().lt(words.iter().rev());
    (negative, if negative { opposite } else { words })
}

#[inline(always)]
fn borrowing_sub(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (once, first) = a.overflowing_sub(b);
    let (twice, second) = once.overflowing_sub(borrow.into());
    (twice, first | second)
}
