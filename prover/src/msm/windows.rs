//! The windows that magnitudes are cut into.
//!
//! A magnitude of `b` bits is written as `Σ_w d_w·2^(c·w)`, with `−2^(c−1) < d_w ≤ 2^(c−1)` below the top window and
//! `0 ≤ d ≤ 2^rest` there. Adding the bias `Σ_w (2^(c−1) − 1)·2^(c·w)`, over the windows below the top one, moves their digits
//! into `[0, 2^c)`; so the digits are windows of one sum, less the bias, and no carry is passed on.

use super::scalars::{Survey, Words};

/// The widest window: `2^15` buckets, or `2^16` in the top one.
const WIDEST: u32 = 16;
/// What an addition into a bucket costs in sorting, in additions.
const SORTING: f64 = 0.2;
/// Additions that a bucket costs when buckets are summed up.
const SUMMING: f64 = 2.0;

/// How magnitudes are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// Bits of a window below the top one.
    pub(super) width: u32,
    /// How many windows there are.
    pub(super) count: u32,
    /// Bits of the top window, before the carry from below.
    rest: u32,
    bias: Words,
}

impl Windows {
    /// The cheapest windows for so many scalars of so many bits.
    pub(super) fn cheapest(survey: Survey) -> Self {
        let bits = survey.bits.max(1);
        let candidates = (2..=WIDEST).flat_map(|width| {
            // Where the width divides the bits, a top window for the carry alone may be cheaper than a full one.
            let least = bits.div_ceil(width);
            (least..=least + 1)
                .filter(move |count| width * (count - 1) <= bits)
                .map(move |count| Self::new(bits, width, count))
        });
        candidates.min_by(|a, b| a.cost(survey.count).total_cmp(&b.cost(survey.count))).expect("there are widths")
    }

    fn new(bits: u32, width: u32, count: u32) -> Self {
        let mut bias = [0; 4];
        for window in 0..count - 1 {
            (0..width - 1).for_each(|bit| set_bit(&mut bias, width * window + bit));
        }
        Self { width, count, rest: bits - width * (count - 1), bias }
    }

    /// Windows of a given width for all magnitudes of so many bits.
    pub(super) fn of_width(bits: u32, width: u32) -> Self {
        Self::new(bits, width, bits.div_ceil(width))
    }

    /// What a multi-scalar multiplication costs, in additions.
    pub(super) fn cost(&self, scalars: usize) -> f64 {
        let buckets: usize = (0..self.count).map(|window| self.buckets(window)).sum();
        (1.0 + SORTING) * scalars as f64 * f64::from(self.count) + SUMMING * buckets as f64
    }

    /// The largest digit of a window: a power of two.
    pub(super) fn buckets(&self, window: u32) -> usize {
        1 << if window + 1 == self.count { self.rest } else { self.width - 1 }
    }

    /// A magnitude with the bias.
    #[inline(always)]
    pub(super) fn biased(&self, magnitude: Words) -> Words {
        let mut sum = [0; 4];
        let mut carry = false;
        for i in 0..4 {
            let (once, first) = magnitude[i].overflowing_add(self.bias[i]);
            let (twice, second) = once.overflowing_add(carry.into());
            (sum[i], carry) = (twice, first | second);
        }
        sum
    }

    /// The digit in a window of what [`Self::biased`] gave.
    #[inline(always)]
    pub(super) fn digit(&self, biased: &Words, window: u32) -> i32 {
        let bit = self.width * window;
        let (word, shift) = ((bit / 64) as usize, bit % 64);
        let low = biased[word & 3] >> shift;
        // A shift by one and then by the others, for `shift` may be zero.
        let high = if word < 3 { biased[word + 1] << 1 << (63 - shift) } else { 0 };
        let bits = low | high;
        if window + 1 == self.count {
            // Nothing lies above.
            bits as i32
        } else {
            (bits & ((1 << self.width) - 1)) as i32 - ((1 << (self.width - 1)) - 1)
        }
    }
}

fn set_bit(words: &mut Words, bit: u32) {
    words[(bit / 64) as usize] |= 1 << (bit % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::bn256::Fr;
    use halo2_proofs::halo2curves::ff::Field;
    use proptest::prelude::*;

    fn element(words: Words) -> Fr {
        words.iter().rev().fold(Fr::ZERO, |sum, word| sum * Fr::from(2).pow_vartime([64]) + Fr::from(*word))
    }

    fn digits_add_up(windows: &Windows, magnitude: Words) {
        let biased = windows.biased(magnitude);
        let mut sum = Fr::ZERO;
        for window in (0..windows.count).rev() {
            let digit = windows.digit(&biased, window);
            assert!(digit.unsigned_abs() as usize <= windows.buckets(window), "{windows:?}");
            let absolute = Fr::from(u64::from(digit.unsigned_abs()));
            sum = sum * Fr::from(1 << windows.width) + if digit < 0 { -absolute } else { absolute };
        }
        assert_eq!(sum, element(magnitude), "{windows:?}");
    }

    fn of_bits(mut words: Words, bits: u32) -> Words {
        for bit in bits..256 {
            words[(bit / 64) as usize] &= !(1 << (bit % 64));
        }
        words
    }

    #[test]
    fn small_integers_take_few_windows() {
        let count = |count, bits| Windows::cheapest(Survey { count, bits }).count;
        assert_eq!(count(1 << 12, 8), 1);
        assert_eq!(count(1 << 12, 16), 2);
        assert_eq!(count(1 << 18, 16), 1);
        assert_eq!(count(0, 0), 1);
    }

    proptest! {
        #[test]
        fn digits_of_magnitudes(words: Words, bits in 1u32..254, width in 2u32..17, count in 0usize..1 << 20) {
            for magnitude in [of_bits(words, bits), of_bits([u64::MAX; 4], bits), [0; 4]] {
                digits_add_up(&Windows::of_width(bits, width), magnitude);
                digits_add_up(&Windows::cheapest(Survey { count, bits }), magnitude);
            }
        }
    }
}
