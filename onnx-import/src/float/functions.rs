//! What the scalar functions of the float graph compute.

use super::graph::{BinaryFunction, UnaryFunction};

impl UnaryFunction {
    /// The function at `v`.
    pub fn evaluate(self, v: f64) -> f64 {
        match self {
            Self::Relu => v.max(0.0),
            Self::LeakyRelu(slope) => negative_part(v, |v| slope * v),
            Self::Elu(alpha) => negative_part(v, |v| alpha * v.exp_m1()),
            Self::Selu { alpha, gamma } => gamma * negative_part(v, |v| alpha * v.exp_m1()),
            Self::Sigmoid => sigmoid(v),
            Self::Tanh => v.tanh(),
            Self::Softplus => v.max(0.0) + (-v.abs()).exp().ln_1p(),
            Self::Softsign => v / (1.0 + v.abs()),
            Self::HardSigmoid { alpha, beta } => (alpha * v + beta).clamp(0.0, 1.0),
            Self::HardSwish => v * (v / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Gelu => 0.5 * v * (1.0 + erf(v * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                0.5 * v * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v)).tanh())
            }
            Self::Erf => erf(v),
            Self::Exp => v.exp(),
            Self::Log => v.ln(),
            Self::Sqrt => v.sqrt(),
            Self::Abs => v.abs(),
            Self::Neg => -v,
            Self::Sin => v.sin(),
            Self::Cos => v.cos(),
            Self::Tan => v.tan(),
            Self::Asin => v.asin(),
            Self::Acos => v.acos(),
            Self::Atan => v.atan(),
            Self::Sinh => v.sinh(),
            Self::Cosh => v.cosh(),
            Self::Asinh => v.asinh(),
            Self::Acosh => v.acosh(),
            Self::Atanh => v.atanh(),
            Self::Reciprocal => 1.0 / v,
            Self::Sign => f64::from(i8::from(v > 0.0) - i8::from(v < 0.0)),
            Self::Floor => v.floor(),
            Self::Ceil => v.ceil(),
            Self::Round => v.round_ties_even(),
            // Not `clamp`: ONNX lets the upper bound win where the bounds cross.
            Self::Clip { lo, hi } => v.max(lo).min(hi),
            Self::IsNan => f64::from(u8::from(v.is_nan())),
            Self::IsInfinite { positive, negative } => {
                let asked_for = if v > 0.0 { positive } else { negative };
                f64::from(u8::from(v.is_infinite() && asked_for))
            }
            Self::Power(exponent) => v.powf(exponent),
            Self::Quotient(divisor) => (v / divisor).trunc(),
            Self::Remainder { divisor, truncated: true } => v % divisor,
            Self::Remainder { divisor, truncated: false } => {
                let remainder = v % divisor;
                let other_side = remainder != 0.0 && (remainder < 0.0) != (divisor < 0.0);
                if other_side {
                    remainder + divisor
                } else {
                    remainder
                }
            }
            Self::Coupled => coupled(v),
            Self::Affine { factor, offset } => factor * v + offset,
        }
    }
}

impl BinaryFunction {
    /// The function at `(a, b)`.
    pub fn evaluate(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Quotient => (a / b).trunc(),
            Self::Remainder => a % b,
            Self::BitAnd => ((a as i64) & (b as i64)) as f64,
            Self::Max => a.max(b),
            Self::Min => a.min(b),
            Self::Pow => a.powf(b),
            Self::Equal => f64::from(u8::from(a == b)),
            Self::Less => f64::from(u8::from(a < b)),
            Self::LessOrEqual => f64::from(u8::from(a <= b)),
        }
    }
}

fn negative_part(v: f64, f: impl Fn(f64) -> f64) -> f64 {
    if v < 0.0 {
        f(v)
    } else {
        v
    }
}

/// Pairwise coupling of two classes whose pair gives the first the probability `v`.
fn coupled(v: f64) -> f64 {
    const TOLERANCE: f64 = 0.005 / 2.0;
    let first = v.clamp(1e-7, 1.0 - 1e-7);
    let second = 1.0 - first;
    let q = [[second * second, -second * first], [-first * second, first * first]];
    let mut p = [0.5; 2];
    for _ in 0..100 {
        let mut qp = q.map(|row| row[0] * p[0] + row[1] * p[1]);
        let mut pqp = p[0] * qp[0] + p[1] * qp[1];
        if qp.iter().all(|v| (v - pqp).abs() < TOLERANCE) {
            break;
        }
        for i in 0..2 {
            let step = (pqp - qp[i]) / q[i][i];
            p[i] += step;
            pqp = (pqp + step * (step * q[i][i] + 2.0 * qp[i])) / ((1.0 + step) * (1.0 + step));
            for j in 0..2 {
                qp[j] = (qp[j] + step * q[i][j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p[0]
}

fn sigmoid(v: f64) -> f64 {
    if v >= 0.0 {
        1.0 / (1.0 + (-v).exp())
    } else {
        let e = v.exp();
        e / (1.0 + e)
    }
}

/// The error function: its power series near zero, the continued fraction of its complement farther out.
pub(crate) fn erf(v: f64) -> f64 {
    let x = v.abs();
    let value = if x < 2.0 {
        series(x)
    } else if x < 6.0 {
        1.0 - complement(x)
    } else {
        1.0
    };
    value.copysign(v)
}

/// `2/√π · Σ (−1)^n x^(2n+1) / (n!·(2n+1))`
fn series(x: f64) -> f64 {
    let mut power = x;
    let mut sum = x;
    for n in 1..60 {
        power *= -x * x / f64::from(n);
        sum += power / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// `erfc x = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + …)))`, evaluated from the inside.
fn complement(x: f64) -> f64 {
    let fraction = (1..80).rev().fold(x, |tail, n| x + 0.5 * f64::from(n) / tail);
    (-x * x).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_agrees_with_tabulated_values() {
        for (x, y) in [
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (1.999, 0.995_301_476_643_312_6),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ] {
            assert!((erf(x) - y).abs() < 2e-6, "erf {x} = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!((erf(2.0) - 0.995_322_265_018_952_7).abs() < 1e-14);
        assert!((series(2.0) - (1.0 - complement(2.0))).abs() < 1e-13);
    }

    #[test]
    fn activations_at_zero_and_far_out() {
        assert_eq!(UnaryFunction::Sigmoid.evaluate(-1000.0), 0.0);
        assert_eq!(UnaryFunction::Softplus.evaluate(1000.0), 1000.0);
        assert_eq!(UnaryFunction::Sign.evaluate(-0.0), 0.0);
        assert_eq!(UnaryFunction::Round.evaluate(2.5), 2.0);
        assert_eq!(UnaryFunction::Quotient(2.0).evaluate(-7.0), -3.0);
        assert_eq!(UnaryFunction::Remainder { divisor: 3.0, truncated: true }.evaluate(-7.0), -1.0);
        assert_eq!(UnaryFunction::Remainder { divisor: 3.0, truncated: false }.evaluate(-7.0), 2.0);
        assert_eq!(UnaryFunction::Remainder { divisor: -3.0, truncated: false }.evaluate(7.0), -2.0);
        assert_eq!(UnaryFunction::Clip { lo: 3.0, hi: 1.0 }.evaluate(2.0), 1.0);
    }
}
