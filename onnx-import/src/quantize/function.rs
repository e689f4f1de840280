//! Functions of one real variable: what a chain of elementwise operators with a single data operand amounts to.

use std::sync::Arc;

use crate::float::curves::Curve;
use crate::float::graph::{BinaryFunction, UnaryFunction};

/// A function of one real, as an expression. Equal functions of a program share one table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Function {
    /// The argument itself.
    Argument,
    /// A constant.
    Constant(f64),
    /// A function of a function.
    Unary(UnaryFunction, Arc<Function>),
    /// A function of two functions of the same argument.
    Binary(BinaryFunction, Arc<Function>, Arc<Function>),
    /// `condition ? then : otherwise`, all functions of the same argument.
    Select(Arc<Function>, Arc<Function>, Arc<Function>),
    /// A function without a short form of a function.
    Curve(Arc<Curve>, Arc<Function>),
}

impl Function {
    /// `function(argument)`.
    pub(super) fn unary(function: UnaryFunction) -> Self {
        Self::Unary(function, Arc::new(Self::Argument))
    }

    /// `factor·argument + offset`.
    pub(super) fn affine(factor: f64, offset: f64) -> Self {
        Self::unary(UnaryFunction::Affine { factor, offset })
    }

    /// The value at `v`.
    pub(super) fn evaluate(&self, v: f64) -> f64 {
        match self {
            Self::Argument => v,
            Self::Constant(value) => *value,
            Self::Unary(function, inner) => function.evaluate(inner.evaluate(v)),
            Self::Binary(function, a, b) => function.evaluate(a.evaluate(v), b.evaluate(v)),
            Self::Select(condition, then, otherwise) => {
                if condition.evaluate(v) != 0.0 {
                    then.evaluate(v)
                } else {
                    otherwise.evaluate(v)
                }
            }
            Self::Curve(curve, inner) => curve.evaluate(inner.evaluate(v)),
        }
    }

    /// Number of nodes of the expression.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Argument | Self::Constant(_) => 1,
            Self::Unary(_, inner) => 1 + inner.size(),
            Self::Binary(_, a, b) => 1 + a.size() + b.size(),
            Self::Select(a, b, c) => 1 + a.size() + b.size() + c.size(),
            Self::Curve(_, inner) => 1 + inner.size(),
        }
    }

    /// Whether it has no short form, as a function of a feature by the steps of the model.
    pub(super) fn has_curve(&self) -> bool {
        match self {
            Self::Argument | Self::Constant(_) => false,
            Self::Unary(_, inner) => inner.has_curve(),
            Self::Binary(_, a, b) => a.has_curve() || b.has_curve(),
            Self::Select(a, b, c) => [a, b, c].into_iter().any(|part| part.has_curve()),
            Self::Curve(..) => true,
        }
    }

    /// Whether it takes an integer quotient or remainder, or, with `floors`, the integer part.
    pub(super) fn divides(&self, floors: bool) -> bool {
        match self {
            Self::Argument | Self::Constant(_) => false,
            Self::Unary(function, inner) => {
                let divides = match function {
                    UnaryFunction::Remainder { .. } | UnaryFunction::Quotient(_) => true,
                    UnaryFunction::Floor => floors,
                    _ => false,
                };
                divides || inner.divides(floors)
            }
            Self::Binary(function, a, b) => {
                let divides = matches!(function, BinaryFunction::Remainder | BinaryFunction::Quotient);
                divides || a.divides(floors) || b.divides(floors)
            }
            Self::Select(a, b, c) => [a, b, c].into_iter().any(|part| part.divides(floors)),
            Self::Curve(_, inner) => inner.divides(floors),
        }
    }

    /// `self ∘ inner`.
    pub(super) fn after(&self, inner: &Self) -> Self {
        let wrap = |function: &Arc<Self>| Arc::new(function.after(inner));
        match self {
            Self::Argument => inner.clone(),
            Self::Constant(value) => Self::Constant(*value),
            Self::Unary(function, of) => Self::Unary(*function, wrap(of)),
            Self::Binary(function, a, b) => Self::Binary(*function, wrap(a), wrap(b)),
            Self::Select(condition, then, otherwise) => Self::Select(wrap(condition), wrap(then), wrap(otherwise)),
            Self::Curve(curve, of) => Self::Curve(Arc::clone(curve), wrap(of)),
        }
    }

    /// `(factor, offset)` where the function is affine by its form.
    pub(super) fn as_affine(&self) -> Option<(f64, f64)> {
        let affine = match self {
            Self::Argument => (1.0, 0.0),
            Self::Constant(value) => (0.0, *value),
            Self::Unary(function, inner) => {
                let (factor, offset) = inner.as_affine()?;
                let (f, o) = match *function {
                    UnaryFunction::Neg => (-1.0, 0.0),
                    UnaryFunction::Affine { factor, offset } => (factor, offset),
                    _ => return None,
                };
                (f * factor, f * offset + o)
            }
            Self::Binary(function, a, b) => {
                let ((fa, oa), (fb, ob)) = (a.as_affine()?, b.as_affine()?);
                match function {
                    BinaryFunction::Add => (fa + fb, oa + ob),
                    BinaryFunction::Sub => (fa - fb, oa - ob),
                    BinaryFunction::Mul if fb == 0.0 => (fa * ob, oa * ob),
                    BinaryFunction::Mul if fa == 0.0 => (oa * fb, oa * ob),
                    BinaryFunction::Div if fb == 0.0 => (fa / ob, oa / ob),
                    _ => return None,
                }
            }
            Self::Select(..) | Self::Curve(..) => return None,
        };
        (affine.0.is_finite() && affine.1.is_finite()).then_some(affine)
    }

    /// Whether it is the square of its argument, by its form.
    pub(super) fn is_square(&self) -> bool {
        match self {
            Self::Unary(UnaryFunction::Power(exponent), inner) => **inner == Self::Argument && *exponent == 2.0,
            Self::Binary(BinaryFunction::Mul, a, b) => **a == Self::Argument && **b == Self::Argument,
            _ => false,
        }
    }

    /// Whether its table takes arguments of the step of its results.
    pub(super) fn keeps_steps(&self) -> bool {
        self.is_homogeneous() || self.has_unit_slopes()
    }

    /// Whether `f(c·v) = c·f(v)` for every positive `c`: such a table does not depend on the scale.
    fn is_homogeneous(&self) -> bool {
        match self {
            Self::Argument => true,
            Self::Constant(value) => *value == 0.0,
            Self::Unary(function, inner) => {
                let homogeneous = match *function {
                    UnaryFunction::Relu | UnaryFunction::LeakyRelu(_) | UnaryFunction::Abs | UnaryFunction::Neg => true,
                    UnaryFunction::Affine { offset, .. } => offset == 0.0,
                    UnaryFunction::Clip { lo, hi } => {
                        (lo == 0.0 || lo == f64::NEG_INFINITY) && (hi == 0.0 || hi == f64::INFINITY)
                    }
                    _ => false,
                };
                homogeneous && inner.is_homogeneous()
            }
            Self::Binary(function, a, b) => match function {
                BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Max | BinaryFunction::Min => {
                    a.is_homogeneous() && b.is_homogeneous()
                }
                BinaryFunction::Mul => {
                    let scales = |f: &Self, c: &Self| f.is_homogeneous() && matches!(c, Self::Constant(_));
                    scales(a, b) || scales(b, a)
                }
                _ => false,
            },
            Self::Select(..) | Self::Curve(..) => false,
        }
    }

    /// Whether all slopes are 0 or ±1, by the form: then the argument needs no finer steps than the result.
    fn has_unit_slopes(&self) -> bool {
        match self {
            Self::Argument | Self::Constant(_) => true,
            Self::Unary(function, inner) => {
                let unit = match *function {
                    UnaryFunction::Relu | UnaryFunction::Abs | UnaryFunction::Neg | UnaryFunction::Clip { .. } => true,
                    UnaryFunction::Affine { factor, .. } => factor.abs() == 1.0,
                    _ => false,
                };
                unit && inner.has_unit_slopes()
            }
            Self::Binary(function, a, b) => {
                matches!(function, BinaryFunction::Max | BinaryFunction::Min)
                    && a.has_unit_slopes()
                    && b.has_unit_slopes()
            }
            Self::Select(..) | Self::Curve(..) => false,
        }
    }

    /// The steepest slope between neighbouring points of a grid on `[lo, hi]`.
    pub(super) fn steepest_on(&self, lo: f64, hi: f64) -> f64 {
        const POINTS: usize = 4096;
        let step = (hi - lo) / POINTS as f64;
        let at = |i: usize| self.evaluate(lo + step * i as f64);
        let slopes = (0..POINTS).map(|i| ((at(i + 1) - at(i)) / step).abs());
        slopes.filter(|slope| slope.is_finite()).fold(0.0, f64::max)
    }

    /// Whether the function never decreases, by its form; such a function commutes with a maximum.
    pub(super) fn is_monotone(&self) -> bool {
        match self {
            Self::Argument | Self::Constant(_) => true,
            Self::Unary(function, inner) => {
                let monotone = match *function {
                    UnaryFunction::Relu
                    | UnaryFunction::Sigmoid
                    | UnaryFunction::Tanh
                    | UnaryFunction::Atan
                    | UnaryFunction::Sinh
                    | UnaryFunction::Asinh
                    | UnaryFunction::Softplus
                    | UnaryFunction::Softsign
                    | UnaryFunction::Erf
                    | UnaryFunction::Exp
                    | UnaryFunction::Clip { .. }
                    | UnaryFunction::Sign
                    | UnaryFunction::Floor
                    | UnaryFunction::Ceil
                    | UnaryFunction::Round => true,
                    UnaryFunction::LeakyRelu(slope) => slope >= 0.0,
                    UnaryFunction::Elu(alpha) => alpha >= 0.0,
                    UnaryFunction::Selu { alpha, gamma } => alpha >= 0.0 && gamma >= 0.0,
                    UnaryFunction::HardSigmoid { alpha, .. } => alpha >= 0.0,
                    UnaryFunction::Affine { factor, .. } => factor >= 0.0,
                    _ => false,
                };
                monotone && inner.is_monotone()
            }
            Self::Binary(function, a, b) => {
                matches!(function, BinaryFunction::Add | BinaryFunction::Max | BinaryFunction::Min)
                    && a.is_monotone()
                    && b.is_monotone()
            }
            Self::Select(..) | Self::Curve(..) => false,
        }
    }

    /// Whether the function is never negative on `[lo, hi]`, by sampling; it only chooses between signed and unsigned
    /// steps of the result.
    pub(super) fn is_nonnegative_on(&self, lo: f64, hi: f64) -> bool {
        const POINTS: usize = 512;
        let at = |i: usize| lo + (hi - lo) * i as f64 / POINTS as f64;
        (0..=POINTS).map(|i| self.evaluate(at(i))).all(|value| value >= 0.0 || value.is_nan())
    }

    /// A short name for tables and messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Argument => "v".into(),
            Self::Constant(value) => format!("{value}"),
            Self::Unary(function, inner) => {
                let name = format!("{function:?}");
                let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase();
                format!("{name}({})", inner.name())
            }
            Self::Binary(function, a, b) => {
                format!("{}({},{})", format!("{function:?}").to_lowercase(), a.name(), b.name())
            }
            Self::Curve(_, inner) => format!("curve({})", inner.name()),
            Self::Select(condition, a, b) => format!("select({},{},{})", condition.name(), a.name(), b.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swish() -> Function {
        let sigmoid = Arc::new(Function::unary(UnaryFunction::Sigmoid));
        Function::Binary(BinaryFunction::Mul, Arc::new(Function::Argument), sigmoid)
    }

    #[test]
    fn composition_evaluates_inside_out() {
        let f = swish().after(&Function::affine(2.0, 1.0));
        let v: f64 = 2.0 * 0.3 + 1.0;
        assert!((f.evaluate(0.3) - v / (1.0 + (-v).exp())).abs() < 1e-12);
    }

    #[test]
    fn affine_chains_are_recognised() {
        let f = Function::affine(2.0, 1.0).after(&Function::unary(UnaryFunction::Neg));
        assert_eq!(f.as_affine(), Some((-2.0, 1.0)));
        assert_eq!(swish().as_affine(), None);
    }

    #[test]
    fn properties_by_form() {
        assert!(Function::unary(UnaryFunction::LeakyRelu(0.1)).is_homogeneous());
        let relu6 = Function::unary(UnaryFunction::Clip { lo: 0.0, hi: 6.0 });
        assert!(!relu6.is_homogeneous() && relu6.has_unit_slopes());
        assert!(!Function::unary(UnaryFunction::Tanh).has_unit_slopes());
        assert!((Function::unary(UnaryFunction::Sigmoid).steepest_on(-8.0, 8.0) - 0.25).abs() < 1e-3);
        assert!(Function::unary(UnaryFunction::Tanh).is_monotone());
        assert!(!swish().is_monotone());
        assert!(Function::unary(UnaryFunction::Relu).is_nonnegative_on(-1.0, 1.0));
        assert!(!swish().is_nonnegative_on(-1.0, 1.0));
    }
}
