//! Where the quantization of a quotient steps up, exactly.
//!
//! `⌊f32(v)⌉ ≥ y` for a real `v` and an integer `y` where `f32(v)` is at least `h = y − 1/2`, if `y` is even, since halves go to the even
//! integer; where it is above `h` otherwise. `f32(v) ≥ h` means that `v` is at least the middle between `h` and the float32 number before it:
//! a number in the middle goes to the one whose last bit is zero, which `h` is. And `f32(v) > h` means that `v` is above the middle
//! between `h` and the number behind it.

use circuits::graph::Step;

/// Bits behind the point of all middles: those of the middle below 1/2.
pub(super) const FRACTION: u32 = 26;

/// The steps up to `first + 1 ..= last`, of quotients `a / b`, as bounds of `a·2^FRACTION / b`; each factor times `2^more`.
pub(super) fn of_quotient(first: i64, last: i64, more: u32) -> Vec<Step> {
    let step = |y: i64| {
        let half = y as f32 - 0.5;
        let strict = y % 2 != 0;
        let beside = if strict { half.next_up() } else { half.next_down() };
        let middle = (f64::from(half) + f64::from(beside)) / 2.0;
        Step { factor: ((middle * f64::from(1 << FRACTION)) as i64) << more, strict }
    };
    (first + 1..=last).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step that a quotient of integers reaches.
    fn reached(first: i64, steps: &[Step], a: i128, b: i128) -> i64 {
        let below = |step: &&Step| i128::from(step.factor) * b + i128::from(step.strict) <= a << FRACTION;
        first + steps.iter().filter(below).count() as i64
    }

    #[test]
    fn steps_are_those_of_float32() {
        let steps = of_quotient(-255, 255, 0);
        assert!(steps.windows(2).all(|pair| pair[0].factor < pair[1].factor));
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        };
        for round in 0..200_000i64 {
            let scale = (1 << 23) + next() as i64 % (1 << 23);
            // Near a half, and anywhere.
            let x = match round % 3 {
                0 => (next() as i64 % 511 - 255) * scale / 2 + next() as i64 % 5 - 2,
                1 => ((next() as i64 % 511 - 255) as f64 + 0.5) as f32 as i64 * scale + next() as i64 % 3 - 1,
                _ => (next() as i64 * 300 * scale / (1 << 24)) - 150 * scale,
            };
            let x = x as f32;
            let expected = (x / scale as f32).round_ties_even().clamp(-255.0, 255.0) as i64;
            assert_eq!(reached(-255, &steps, x as i128, scale.into()), expected, "{x} / {scale}");
        }
    }
}
