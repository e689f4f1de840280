//! Rounding to a number of significant bits, as floating-point arithmetic does it: [`Op::RoundSignificant`](crate::graph::Op).

/// A magnitude as a multiple of the last significant bit that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Significand {
    /// The least `e` with a magnitude below `2^(bits + e)`.
    pub(crate) exponent: u32,
    /// The magnitude over `2^e`, rounded to the nearest integer, of two the even one; at most `2^bits`.
    pub(crate) integer: u128,
}

impl Significand {
    /// Rounds a magnitude below `2^127` to so many significant bits.
    pub(crate) fn of(magnitude: u128, bits: u32) -> Self {
        let exponent = exponent(magnitude, bits);
        let (floor, rest) = (magnitude >> exponent, magnitude & ((1 << exponent) - 1));
        let half = (1u128 << exponent) >> 1;
        let up = rest > half || rest == half && half > 0 && floor % 2 == 1;
        Self { exponent, integer: floor + u128::from(up) }
    }
}

/// The exponent of the last bit that is kept of so many of a magnitude.
pub(crate) fn exponent(magnitude: u128, bits: u32) -> u32 {
    (u128::BITS - magnitude.leading_zeros()).saturating_sub(bits)
}

/// The nearest integer of so many significant bits, of two the one whose last kept bit is 0.
pub(crate) fn round_significant(value: i128, bits: u32) -> i128 {
    let Significand { exponent, integer } = Significand::of(value.unsigned_abs(), bits);
    value.signum() * ((integer << exponent) as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 24 bits, the conversion to float32.
    #[test]
    fn twenty_four_bits_are_those_of_float32() {
        let mut value: u64 = 0x9e37_79b9_7f4a_7c15;
        for shift in (0..64).cycle().take(20_000) {
            value = value.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let drawn = (value as i64) >> shift;
            for value in [drawn, drawn & !((1 << (shift / 2)) - 1), drawn | ((1 << (shift / 2)) - 1)] {
                assert_eq!(round_significant(value.into(), 24), (value as f32) as i128, "{value}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_even_one() {
        let rounded = |value| round_significant(value, 2);
        let expected = [0, 1, 2, 3, 4, 4, 6, 8, 8, 8, 8, 12, 12, 12, 16, 16, 16];
        for (value, &expected) in (0..).zip(&expected) {
            assert_eq!((rounded(value), rounded(-value)), (expected, -expected), "{value}");
        }
        assert_eq!(round_significant(3, 1), 4);
    }
}
