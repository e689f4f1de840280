//! Functions of one value.
//!
//! Those that the float graph has are taken over; PRelu, Celu, ThresholdedRelu, Mish, Swish and Shrink are composed.

use super::arithmetic::check_wrap;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction as Function, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result = std::result::Result<Vec<ValueId>, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Sigmoid", &[since(6, 1, 1, 1)], |call| real(call, Function::Sigmoid)),
    onnx("Tanh", &[since(6, 1, 1, 1)], |call| real(call, Function::Tanh)),
    onnx("Softplus", &[since(1, 1, 1, 1)], |call| real(call, Function::Softplus)),
    onnx("Softsign", &[since(1, 1, 1, 1)], |call| real(call, Function::Softsign)),
    onnx("HardSwish", &[since(14, 1, 1, 1)], |call| real(call, Function::HardSwish)),
    onnx("Erf", &[since(9, 1, 1, 1)], |call| real(call, Function::Erf)),
    onnx("Exp", &[since(6, 1, 1, 1)], |call| real(call, Function::Exp)),
    onnx("Log", &[since(6, 1, 1, 1)], |call| real(call, Function::Log)),
    onnx("Sqrt", &[since(6, 1, 1, 1)], |call| real(call, Function::Sqrt)),
    onnx("Sin", &[since(7, 1, 1, 1)], |call| real(call, Function::Sin)),
    onnx("Cos", &[since(7, 1, 1, 1)], |call| real(call, Function::Cos)),
    onnx("Tan", &[since(7, 1, 1, 1)], |call| real(call, Function::Tan)),
    onnx("Asin", &[since(7, 1, 1, 1)], |call| real(call, Function::Asin)),
    onnx("Acos", &[since(7, 1, 1, 1)], |call| real(call, Function::Acos)),
    onnx("Atan", &[since(7, 1, 1, 1)], |call| real(call, Function::Atan)),
    onnx("Sinh", &[since(9, 1, 1, 1)], |call| real(call, Function::Sinh)),
    onnx("Cosh", &[since(9, 1, 1, 1)], |call| real(call, Function::Cosh)),
    onnx("Asinh", &[since(9, 1, 1, 1)], |call| real(call, Function::Asinh)),
    onnx("Acosh", &[since(9, 1, 1, 1)], |call| real(call, Function::Acosh)),
    onnx("Atanh", &[since(9, 1, 1, 1)], |call| real(call, Function::Atanh)),
    onnx("Reciprocal", &[since(6, 1, 1, 1)], |call| real(call, Function::Reciprocal)),
    onnx("Floor", &[since(6, 1, 1, 1)], |call| real(call, Function::Floor)),
    onnx("Ceil", &[since(6, 1, 1, 1)], |call| real(call, Function::Ceil)),
    onnx("Round", &[since(11, 1, 1, 1)], |call| real(call, Function::Round)),
    onnx("Relu", &[since(6, 1, 1, 1)], |call| number(call, Function::Relu)),
    onnx("Sign", &[since(9, 1, 1, 1)], |call| number(call, Function::Sign)),
    onnx("Abs", &[since(6, 1, 1, 1)], wrapping_abs),
    onnx("Neg", &[since(6, 1, 1, 1)], wrapping_neg),
    onnx("LeakyRelu", &[since(6, 1, 1, 1)], leaky_relu),
    onnx("Elu", &[since(6, 1, 1, 1)], elu),
    onnx("Selu", &[since(6, 1, 1, 1)], selu),
    onnx("HardSigmoid", &[since(6, 1, 1, 1)], hard_sigmoid),
    onnx("Gelu", &[since(20, 1, 1, 1)], gelu),
    onnx("Clip", &[since(6, 1, 1, 1), since(11, 1, 3, 1)], clip),
    onnx("PRelu", &[since(6, 2, 2, 1)], prelu),
    onnx("Celu", &[since(12, 1, 1, 1)], celu),
    onnx("ThresholdedRelu", &[since(10, 1, 1, 1)], thresholded_relu),
    onnx("Mish", &[since(18, 1, 1, 1)], mish),
    onnx("Swish", &[since(24, 1, 1, 1)], swish),
    onnx("SwiGLU", &[since(28, 2, 2, 1)], swiglu),
    onnx("Shrink", &[since(9, 1, 1, 1)], shrink),
    onnx("IsNaN", &[since(9, 1, 1, 1)], |call| test(call, Function::IsNan)),
    onnx("IsInf", &[since(10, 1, 1, 1)], is_infinite),
];

/// A function of reals.
fn real(call: &mut Call, function: Function) -> Result {
    let input = real_input(call, 0)?;
    Ok(vec![call.builder.unary(function, input)?])
}

/// A function of reals and integers.
fn number(call: &mut Call, function: Function) -> Result {
    let input = call.input(0)?;
    Ok(vec![call.builder.unary(function, input)?])
}

fn real_input(call: &Call, index: usize) -> std::result::Result<ValueId, NodeError> {
    let input = call.input(index)?;
    if call.dtype(input).is_float() {
        return Ok(input);
    }
    Err(NodeError::data_type(format!("its operand is {}; it must be a float", call.dtype(input).name())))
}

/// A question about a real. No fixed-point value is infinite or no number, so in integers the answer is no.
fn test(call: &mut Call, function: Function) -> Result {
    let input = real_input(call, 0)?;
    let shape = call.shape(input);
    Ok(vec![call.builder.emit(FloatOp::Unary { input, function }, shape, DType::Bool)?])
}

fn is_infinite(call: &mut Call) -> Result {
    let positive = call.attributes.flag("detect_positive", true)?;
    let negative = call.attributes.flag("detect_negative", true)?;
    test(call, Function::IsInfinite { positive, negative })
}

fn wrapping_abs(call: &mut Call) -> Result {
    check_wrap(call, &[call.input(0)?])?;
    number(call, Function::Abs)
}

fn wrapping_neg(call: &mut Call) -> Result {
    check_wrap(call, &[call.input(0)?])?;
    number(call, Function::Neg)
}

fn leaky_relu(call: &mut Call) -> Result {
    let slope = call.attributes.float_or("alpha", 0.01)?;
    real(call, Function::LeakyRelu(slope))
}

fn elu(call: &mut Call) -> Result {
    let alpha = call.attributes.float_or("alpha", 1.0)?;
    real(call, Function::Elu(alpha))
}

fn selu(call: &mut Call) -> Result {
    let alpha = call.attributes.float_or("alpha", 1.673_263_192_176_818_8)?;
    let gamma = call.attributes.float_or("gamma", 1.050_701_022_148_132_3)?;
    real(call, Function::Selu { alpha, gamma })
}

fn hard_sigmoid(call: &mut Call) -> Result {
    let alpha = call.attributes.float_or("alpha", 0.2)?;
    let beta = call.attributes.float_or("beta", 0.5)?;
    real(call, Function::HardSigmoid { alpha, beta })
}

fn gelu(call: &mut Call) -> Result {
    match call.attributes.string_or("approximate", "none")?.as_str() {
        "none" => real(call, Function::Gelu),
        "tanh" => real(call, Function::GeluTanh),
        other => Err(NodeError::attribute("approximate", format!("`{other}` is unknown"))),
    }
}

/// Bounds are attributes before operator set 11, then constant operands. A bound that depends on the input becomes
/// a maximum or minimum of two values.
fn clip(call: &mut Call) -> Result {
    let input = call.input(0)?;
    if call.version < 11 {
        let lo = call.attributes.float_or("min", f64::NEG_INFINITY)?;
        let hi = call.attributes.float_or("max", f64::INFINITY)?;
        return clamp(call, input, lo, hi);
    }
    let bounds = [call.optional(1), call.optional(2)];
    let known = |bound: Option<ValueId>, default: f64| match bound {
        None => Some(default),
        Some(bound) => call.builder.tensor(bound).and_then(|tensor| tensor.data.first().copied()),
    };
    for bound in bounds.into_iter().flatten() {
        call.builder.same_type(&[input, bound])?;
        if call.builder.elements(bound) != 1 {
            return Err(NodeError::shape("a bound is not one number"));
        }
    }
    if let (Some(lo), Some(hi)) = (known(bounds[0], f64::NEG_INFINITY), known(bounds[1], f64::INFINITY)) {
        return clamp(call, input, lo, hi);
    }
    let mut value = input;
    for (bound, function) in bounds.into_iter().zip([BinaryFunction::Max, BinaryFunction::Min]) {
        if let Some(bound) = bound {
            let bound = call.builder.reshape(bound, vec![])?;
            value = call.builder.binary(function, value, bound)?;
        }
    }
    Ok(vec![value])
}

fn clamp(call: &mut Call, input: ValueId, lo: f64, hi: f64) -> Result {
    if lo == f64::NEG_INFINITY && hi == f64::INFINITY {
        return Ok(vec![input]);
    }
    Ok(vec![call.builder.unary(Function::Clip { lo, hi }, input)?])
}

/// `max(v, 0) − slope·max(−v, 0)`, the slope broadcast to the operand.
fn prelu(call: &mut Call) -> Result {
    let (input, mut slope) = (real_input(call, 0)?, call.input(1)?);
    if call.version < 7 && call.rank(slope) == 1 && call.rank(input) > 1 {
        // One slope for each channel, not for each position of the last axis.
        let mut shape = vec![1; call.rank(input) - 1];
        shape[0] = call.builder.elements(slope);
        slope = call.builder.reshape(slope, shape)?;
    }
    let builder = &mut *call.builder;
    if let Some(&[slope]) = builder.tensor(slope).map(|tensor| &tensor.data[..]) {
        return Ok(vec![builder.unary(Function::LeakyRelu(slope), input)?]);
    }
    if builder.broadcast_of(&[input, slope])? != builder.shape(input) {
        return Err(NodeError::shape("its slope does not broadcast to its operand"));
    }
    let positive = builder.unary(Function::Relu, input)?;
    let turned = builder.unary(Function::Neg, input)?;
    let negative = builder.unary(Function::Relu, turned)?;
    let scaled = builder.binary(BinaryFunction::Mul, negative, slope)?;
    Ok(vec![builder.binary(BinaryFunction::Sub, positive, scaled)?])
}

/// `max(0, v) + min(0, alpha·(e^(v/alpha) − 1))`, which is `alpha·elu(v/alpha)` for a positive alpha.
fn celu(call: &mut Call) -> Result {
    let (input, alpha) = (real_input(call, 0)?, call.attributes.float_or("alpha", 1.0)?);
    if alpha <= 0.0 {
        return Err(NodeError::attribute("alpha", format!("{alpha} is not positive")));
    }
    if alpha == 1.0 {
        return real(call, Function::Elu(1.0));
    }
    let scaled = call.builder.affine(input, 1.0 / alpha, 0.0)?;
    let value = call.builder.unary(Function::Elu(1.0), scaled)?;
    Ok(vec![call.builder.affine(value, alpha, 0.0)?])
}

fn thresholded_relu(call: &mut Call) -> Result {
    let (input, alpha) = (real_input(call, 0)?, call.attributes.float_or("alpha", 1.0)?);
    Ok(vec![threshold(call, input, alpha)?])
}

/// `v > alpha ? v : 0`
pub(super) fn threshold(call: &mut Call, input: ValueId, alpha: f64) -> std::result::Result<ValueId, NodeError> {
    let (threshold, zero) =
        (call.builder.scalar(alpha, call.dtype(input))?, call.builder.scalar(0.0, call.dtype(input))?);
    let above = call.builder.binary(BinaryFunction::Less, threshold, input)?;
    call.builder.select(above, input, zero)
}

/// `v·tanh(ln(1 + e^v))`
fn mish(call: &mut Call) -> Result {
    let input = real_input(call, 0)?;
    let softplus = call.builder.unary(Function::Softplus, input)?;
    let gate = call.builder.unary(Function::Tanh, softplus)?;
    Ok(vec![call.builder.binary(BinaryFunction::Mul, input, gate)?])
}

/// `a·sigmoid(alpha·a)·b` for operands of one shape.
fn swiglu(call: &mut Call) -> Result {
    let (gate, linear) = (real_input(call, 0)?, real_input(call, 1)?);
    if call.shape(gate) != call.shape(linear) {
        return Err(NodeError::shape(format!("{:?} is not {:?}", call.shape(gate), call.shape(linear))));
    }
    let opened = swish(call)?[0];
    Ok(vec![call.builder.binary(BinaryFunction::Mul, opened, linear)?])
}

/// `v·sigmoid(alpha·v)`
fn swish(call: &mut Call) -> Result {
    let (input, alpha) = (real_input(call, 0)?, call.attributes.float_or("alpha", 1.0)?);
    let scaled = call.builder.affine(input, alpha, 0.0)?;
    let gate = call.builder.unary(Function::Sigmoid, scaled)?;
    Ok(vec![call.builder.binary(BinaryFunction::Mul, input, gate)?])
}

/// `v < −lambd ? v + bias : v > lambd ? v − bias : 0`
fn shrink(call: &mut Call) -> Result {
    let input = real_input(call, 0)?;
    let (bias, lambd) = (call.attributes.float_or("bias", 0.0)?, call.attributes.float_or("lambd", 0.5)?);
    let dtype = call.dtype(input);
    let builder = &mut *call.builder;
    let (low, high, zero) =
        (builder.scalar(-lambd, dtype)?, builder.scalar(lambd, dtype)?, builder.scalar(0.0, dtype)?);
    let (below, above) =
        (builder.binary(BinaryFunction::Less, input, low)?, builder.binary(BinaryFunction::Less, high, input)?);
    let (raised, lowered) = (builder.affine(input, 1.0, bias)?, builder.affine(input, 1.0, -bias)?);
    let upper = builder.select(above, lowered, zero)?;
    Ok(vec![builder.select(below, raised, upper)?])
}
