//! Float32 products and quotients of numbers by constants, and numbers in coarser units.
//!
//! A number has up to [`VALUE_BITS`] bits, of which 24 are significant, and a constant has 24; their exact product would have more than there
//! is room for. Its upper bits are enough for its float32 rounding, with a last bit that tells whether anything is left below, as a sticky bit
//! does:
//!
//! ```text
//! coarser    2·x/2^c  ≈  ⌊x/2^c⌋ + ⌈x/2^c⌉
//! product    x = H·2^c + L:   2·x·f/2^c  ≈  2·H·f + ⌊L·f/2^c⌋ + ⌈L·f/2^c⌉
//! quotient   x = H·d + R:     2·x·2^p/d  ≈  2^(p+1)·H + ⌊R·2^p/d⌋ + ⌈R·2^p/d⌉
//! ```
//!
//! Each is odd where it is not exact, so that it rounds to 24 bits as the real number does, as long as it has 26 bits. Numbers with fewer,
//! those below 2^−33 of the largest that are admitted, are off by less than a unit.

use std::collections::BTreeMap;

use circuits::graph::{TensorId, ViewElement};

use super::exact::{bits, in_one_unit, Emitter, Numbers, Result};
use super::{SIGNIFICANT, VALUE_BITS};
use crate::quantize::plan::element;

/// Most bits of a constant in the unit of all constants that take part.
const MAX_CONSTANT_BITS: u32 = 31;
/// Bits of numbers that take part in a sum, where they have to be cut.
const SUMMAND_BITS: u32 = VALUE_BITS - 2;
/// Most divisors of a quotient.
const MAX_DIVISORS: usize = 256;
/// Most bits of what numbers are raised by beyond their least.
const DIVISOR_BITS: u32 = 40;

/// Constants as integers in units of `2^−exponent`, and their signs.
struct Constants {
    magnitudes: Vec<i64>,
    negative: Vec<bool>,
    exponent: i32,
    /// Bits of the largest one.
    bits: u32,
}

impl Constants {
    /// Constants in the coarsest unit that holds all of them.
    fn of(values: &[f32]) -> Result<Self> {
        let (integers, exponent) = in_one_unit(values, MAX_CONSTANT_BITS)?;
        let magnitudes: Vec<i64> = integers.into_iter().map(i64::abs).collect();
        let bits = magnitudes.iter().map(|&magnitude| bits(magnitude.into())).max().unwrap_or(0);
        Ok(Self { magnitudes, negative: values.iter().map(|value| *value < 0.0).collect(), exponent, bits })
    }
}

/// Whether numbers may be raised above zero.
fn has_room(numbers: &Numbers) -> bool {
    2 * numbers.magnitude() + (1 << DIVISOR_BITS) < 1 << VALUE_BITS
}

impl Emitter<'_> {
    /// In units that are by so many powers of two coarser, doubled, odd where that is not exact.
    pub(super) fn coarser(&mut self, numbers: Numbers, shift: u32) -> Numbers {
        let numbers = self.settled(numbers);
        let shift = shift.min(VALUE_BITS - 1);
        if numbers.lo < 0 && !has_room(&numbers) {
            // Raised above zero they would take too many bits.
            let negative = self.line(numbers.tensor, -1, 0);
            let below = Numbers { tensor: negative, lo: -numbers.hi, hi: -numbers.lo, positive: true, ..numbers };
            let [above, below] = [Numbers { positive: true, ..numbers }, below].map(|part| self.coarser(part, shift));
            let tensor = self.affine([above.tensor, below.tensor], [1, -1], 0);
            return Numbers { tensor, lo: -below.hi, ..above };
        }
        let base = numbers.lo.min(0) >> shift;
        let tensor = self.plus(numbers.tensor, -(base << shift) as i64);
        let doubled = self.halves_of_quotient(tensor, &vec![1 << shift; self.elements(tensor)]);
        let tensor = self.plus(doubled, 2 * base as i64);
        let exponent = numbers.exponent - shift as i32 + 1;
        let (lo, hi) = (2 * (numbers.lo >> shift), 2 * -(-numbers.hi >> shift));
        Numbers { tensor, exponent, lo, hi, positive: false }
    }

    /// With as few bits as it takes to raise them above zero.
    fn with_room(&mut self, numbers: Numbers) -> Numbers {
        let numbers = self.settled(numbers);
        match numbers.lo >= 0 || has_room(&numbers) {
            true => numbers,
            false => self.coarser(numbers, bits(numbers.magnitude()) + 1 - SUMMAND_BITS + 1),
        }
    }

    /// In a common unit in which none has more bits than summands may have.
    ///
    /// # Errors
    /// Units that lie too far apart.
    pub(super) fn aligned(&mut self, parts: Vec<Numbers>) -> Result<Vec<Numbers>> {
        let room = |part: &Numbers| part.exponent + SUMMAND_BITS as i32 - bits(part.magnitude()) as i32;
        let finest = parts.iter().map(room).min().unwrap_or(0);
        let cut = |part: Numbers| match u32::try_from(part.exponent - finest) {
            Ok(shift @ 1..) => self.coarser(part, shift + 1),
            _ => part,
        };
        let parts: Vec<Numbers> = parts.into_iter().map(cut).collect();
        let exponent = parts.iter().map(|part| part.exponent).max().unwrap_or(0);
        parts.into_iter().map(|part| self.in_unit(part, exponent)).collect()
    }

    /// Twice the quotients of integers that are not negative, odd where they are no integers.
    fn halves_of_quotient(&mut self, numerator: TensorId, divisors: &[i64]) -> TensorId {
        let above: Vec<i64> = divisors.iter().map(|divisor| divisor - 1).collect();
        let above = self.integers(&above);
        let above = self.affine([numerator, above], [1, 1], 0);
        self.floor_and_ceiling(numerator, above, divisors)
    }

    /// `⌊numerator/divisor⌋ + ⌊above/divisor⌋`: with `above` the numerator and the divisor less one, the second is the first one's ceiling.
    pub(super) fn floor_and_ceiling(&mut self, numerator: TensorId, above: TensorId, divisors: &[i64]) -> TensorId {
        let divisors = self.integers(divisors);
        let (floor, ceiling) = (self.quotient(numerator, divisors), self.quotient(above, divisors));
        self.affine([floor, ceiling], [1, 1], 0)
    }

    /// `x + constant`.
    fn plus(&mut self, tensor: TensorId, constant: i64) -> TensorId {
        if constant == 0 {
            return tensor;
        }
        let constants = self.integers(&vec![constant; self.elements(tensor)]);
        self.affine([tensor, constants], [1, 1], 0)
    }

    /// `⌊x / divisor⌋`, and what is left.
    fn divided(&mut self, numbers: Numbers, divisors: &[i64]) -> [TensorId; 2] {
        let least = divisors.iter().copied().min().unwrap_or(1);
        let steps = (-numbers.lo.min(0) + i128::from(least) - 1) / i128::from(least);
        // By so many divisors numbers are raised first, so that none is negative.
        let raised: Vec<i64> = divisors.iter().map(|divisor| (steps * i128::from(*divisor)) as i64).collect();
        let divisor = self.integers(divisors);
        let quotient = match steps {
            0 => self.quotient(numbers.tensor, divisor),
            _ => {
                let raised = self.integers(&raised);
                let numerator = self.affine([numbers.tensor, raised], [1, 1], 0);
                let quotient = self.quotient(numerator, divisor);
                self.plus(quotient, -(steps as i64))
            }
        };
        let taken = self.multiplied_by(quotient, divisors);
        let rest = self.affine([numbers.tensor, taken], [1, -1], 0);
        // Which it is by itself; the interval analysis has to see it.
        let rest = self.at_least(rest, 0);
        let most: Vec<i64> = divisors.iter().map(|divisor| divisor - 1).collect();
        [quotient, self.at_most_each(rest, &most)]
    }

    /// Integers times constants, element by element.
    fn multiplied_by(&mut self, tensor: TensorId, factors: &[i64]) -> TensorId {
        match factors.first() {
            Some(&first) if factors.iter().all(|&factor| factor == first) => self.line(tensor, first, 0),
            _ => {
                let factors = self.integers(factors);
                self.product_of([tensor, factors])
            }
        }
    }

    /// With the signs of constants.
    fn signed(&mut self, numbers: Numbers, negative: &[bool]) -> Numbers {
        if !negative.contains(&true) {
            return numbers;
        }
        let signs: Vec<i64> = negative.iter().map(|&negative| if negative { -1 } else { 1 }).collect();
        let tensor = self.multiplied_by(numbers.tensor, &signs);
        let most = numbers.magnitude();
        Numbers { tensor, lo: -most, hi: most, ..numbers }
    }

    /// The float32 products of numbers and constants, in a unit of at most `2^−finest` where one is given.
    pub(super) fn times(&mut self, numbers: Numbers, factors: &[f32], finest: Option<i32>) -> Result<Numbers> {
        let numbers = self.with_room(numbers);
        let constants = Constants::of(factors)?;
        let factors = &constants.magnitudes;
        let exact = numbers.exponent + constants.exponent;
        let product = |bound: i128| bound * i128::from(factors.iter().copied().max().unwrap_or(0));
        if factors.iter().all(|&factor| factor == 1) && finest.is_none_or(|finest| exact <= finest) {
            return Ok(self.signed(Numbers { exponent: exact, ..numbers }, &constants.negative));
        }
        let own = bits(numbers.magnitude());
        let too_many = (own + constants.bits).saturating_sub(VALUE_BITS - 1) as i32;
        let too_fine = finest.map_or(0, |finest| exact + 1 - finest);
        let cut = too_many.max(too_fine).max(0) as u32;
        if own + constants.bits <= VALUE_BITS && too_fine <= 1 {
            let tensor = self.multiplied_by(numbers.tensor, factors);
            let (lo, hi) = (product(numbers.lo.min(0)), product(numbers.hi.max(0)));
            let products = self.rounded_numbers(Numbers { tensor, exponent: exact, lo, hi, positive: false });
            return Ok(self.signed(products, &constants.negative));
        }
        if cut + constants.bits > VALUE_BITS - 1 || !(1..DIVISOR_BITS).contains(&cut) {
            return Err("a product by a constant that reaches too far below its unit".into());
        }
        let count = self.elements(numbers.tensor);
        let [upper, lower] = self.divided(numbers, &vec![1 << cut; count]);
        let upper = self.multiplied_by(upper, factors);
        let lower = self.multiplied_by(lower, factors);
        let lower = self.halves_of_quotient(lower, &vec![1 << cut; count]);
        let tensor = self.affine([upper, lower], [2, 1], 0);
        let exponent = exact - cut as i32 + 1;
        let doubled = |bound: i128| product(bound) >> (cut - 1);
        let (lo, hi) = (doubled(numbers.lo.min(0)) - 2, doubled(numbers.hi.max(0)) + 2);
        let products = self.rounded_numbers(Numbers { tensor, exponent, lo, hi, positive: false });
        Ok(self.signed(products, &constants.negative))
    }

    /// The float32 quotients of numbers and constants.
    pub(super) fn over(&mut self, numbers: Numbers, divisors: &[f32]) -> Result<Numbers> {
        if divisors.contains(&0.0) {
            return Err("a division by zero".into());
        }
        let numbers = self.with_room(numbers);
        if divisors.iter().any(|divisor| divisor.to_bits() != divisors[0].to_bits()) {
            return self.over_several(numbers, divisors);
        }
        let constants = Constants::of(divisors)?;
        let divisors = &constants.magnitudes;
        let exact = numbers.exponent - constants.exponent;
        if divisors.iter().all(|&divisor| divisor == 1) {
            return Ok(self.signed(Numbers { exponent: exact, ..numbers }, &constants.negative));
        }
        let least = divisors.iter().copied().min().unwrap_or(1);
        let upper_bits = bits(numbers.magnitude() / i128::from(least) + 1);
        let more =
            (VALUE_BITS - 2).saturating_sub(upper_bits).min(VALUE_BITS - 1 - constants.bits).min(SIGNIFICANT + 16);
        let [upper, rest] = self.divided(numbers, divisors);
        let rest = self.line(rest, 1 << more, 0);
        let rest = self.halves_of_quotient(rest, divisors);
        let tensor = self.affine([upper, rest], [2 << more, 1], 0);
        let doubled = |bound: i128| (bound << (more + 1)) / i128::from(least);
        let (lo, hi) = (doubled(numbers.lo.min(0)) - 2, doubled(numbers.hi.max(0)) + 2);
        let exponent = exact + more as i32 + 1;
        let quotients = self.rounded_numbers(Numbers { tensor, exponent, lo, hi, positive: false });
        Ok(self.signed(quotients, &constants.negative))
    }

    /// [`over`](Self::over) of several divisors, each by itself: the interval analysis knows one of them at a time.
    fn over_several(&mut self, numbers: Numbers, divisors: &[f32]) -> Result<Numbers> {
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        divisors.iter().enumerate().for_each(|(i, divisor)| classes.entry(divisor.to_bits()).or_default().push(i));
        if classes.len() > MAX_DIVISORS {
            return Err(format!("a division by more than {MAX_DIVISORS} different numbers"));
        }
        let mut map = vec![ViewElement::Zero; divisors.len()];
        let mut parts = Vec::with_capacity(classes.len());
        for (source, (divisor, places)) in (0..).zip(classes) {
            for (index, &place) in (0..).zip(&places) {
                map[place] = ViewElement::Element { source, index };
            }
            let count = places.len();
            let tensor = self.view(numbers.tensor, places.into_iter().map(element).collect());
            parts.push(self.over(Numbers { tensor, ..numbers }, &vec![f32::from_bits(divisor); count])?);
        }
        let parts = self.aligned(parts)?;
        let (lo, hi) = parts.iter().fold((0, 0), |(lo, hi), part| (part.lo.min(lo), part.hi.max(hi)));
        let tensors: Vec<TensorId> = parts.iter().map(|part| part.tensor).collect();
        let shape = vec![map.len()];
        Ok(Numbers { tensor: self.view_as(&tensors, map, shape), lo, hi, ..parts[0] })
    }

    /// Numbers that are not negative, and the float32 products of others by constants.
    pub(super) fn leaky(&mut self, numbers: Numbers, slopes: &[f32]) -> Result<Numbers> {
        let numbers = self.settled(numbers);
        if numbers.lo >= 0 {
            return Ok(numbers);
        }
        let negative = self.line(numbers.tensor, -1, 0);
        let below = Numbers { tensor: negative, lo: -numbers.hi, hi: -numbers.lo, positive: true, ..numbers };
        let above = self.settled(Numbers { positive: true, ..numbers });
        let finest = above.exponent + (VALUE_BITS as i32 - 1 - bits(above.magnitude()) as i32).max(0);
        let below = self.times(below, slopes, Some(finest))?;
        let exponent = above.exponent.max(below.exponent);
        let (above, below) = (self.in_unit(above, exponent)?, self.in_unit(below, exponent)?);
        let tensor = self.affine([above.tensor, below.tensor], [1, -1], 0);
        let (lo, hi) = (above.lo.min(-below.hi), above.hi.max(-below.lo));
        Ok(Numbers { tensor, exponent, lo, hi, positive: false })
    }
}
