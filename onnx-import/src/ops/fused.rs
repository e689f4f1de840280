//! What onnxruntime writes when it saves an optimised graph: operators of `com.microsoft` that stand for several of ONNX.

use super::activation::threshold;
use super::conv::convolve;
use super::matrix::{gemm, product};
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{microsoft, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    microsoft("Gelu", &[since(1, 1, 1, 1)], |call| biased(call, UnaryFunction::Gelu)),
    microsoft("BiasGelu", &[since(1, 2, 2, 1)], |call| biased(call, UnaryFunction::Gelu)),
    microsoft("FastGelu", &[since(1, 1, 2, 1)], |call| biased(call, UnaryFunction::GeluTanh)),
    microsoft("QuickGelu", &[since(1, 1, 1, 1)], quick_gelu),
    microsoft("FusedConv", &[since(1, 2, 4, 1)], fused_conv),
    microsoft("FusedGemm", &[since(1, 2, 3, 1)], fused_gemm),
    microsoft("FusedMatMul", &[since(1, 2, 2, 1)], fused_matmul),
    microsoft("TransposeMatMul", &[since(1, 2, 2, 1)], fused_matmul),
];

/// A function of the sum of both operands, or of the only one.
fn biased(call: &mut Call, function: UnaryFunction) -> Result<Vec<ValueId>> {
    let input = real(call, call.input(0)?)?;
    let sum = match call.optional(1) {
        Some(bias) => call.builder.binary(BinaryFunction::Add, input, bias)?,
        None => input,
    };
    if call.shape(sum) != call.shape(input) {
        return Err(NodeError::shape("its bias does not broadcast to its operand"));
    }
    Ok(vec![call.builder.unary(function, sum)?])
}

fn real(call: &Call, value: ValueId) -> Result<ValueId> {
    let dtype = call.dtype(value);
    if dtype.is_float() {
        return Ok(value);
    }
    Err(NodeError::data_type(format!("its operand is {}; it must be a float", dtype.name())))
}

/// `x·σ(alpha·x)`
fn quick_gelu(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = real(call, call.input(0)?)?;
    let alpha = call.attributes.float_or("alpha", 1.702)?;
    let scaled = call.builder.affine(input, alpha, 0.0)?;
    let gate = call.builder.unary(UnaryFunction::Sigmoid, scaled)?;
    Ok(vec![call.builder.binary(BinaryFunction::Mul, input, gate)?])
}

/// A convolution, to which another tensor is added, and a function of that.
fn fused_conv(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, weights, bias) = (call.input(0)?, call.input(1)?, call.optional(2));
    let mut result = convolve(call, input, weights, bias)?;
    if let Some(added) = call.optional(3) {
        if call.shape(added) != call.shape(result) {
            let (found, expected) = (call.shape(added), call.shape(result));
            return Err(NodeError::shape(format!("a tensor of shape {found:?} is added to one of shape {expected:?}")));
        }
        result = call.builder.binary(BinaryFunction::Add, result, added)?;
    }
    let parameters = call.attributes.floats("activation_params")?.unwrap_or_default();
    let name = call.attributes.string_or("activation", "")?;
    Ok(vec![activate(call, &name, result, |index, _| Ok(parameters.get(index).copied()))?])
}

/// `f(alpha·A'·B' + beta·C)`
fn fused_gemm(call: &mut Call) -> Result<Vec<ValueId>> {
    let [sum] = gemm(call)?[..] else { unreachable!("Gemm has one result") };
    let names = ["activation_alpha", "activation_beta", "activation_gamma"];
    let parameters = names.map(|name| call.attributes.float(name)).into_iter().collect::<Result<Vec<_>>>()?;
    let name = call.attributes.string_or("activation", "")?;
    let activated = activate(call, &name, sum, |_, name| {
        Ok(match name {
            Parameter::Alpha => parameters[0],
            Parameter::Beta => parameters[1],
            Parameter::Gamma => parameters[2],
        })
    });
    Ok(vec![activated?])
}

/// Parameters of functions, by the names that they have as attributes.
#[derive(Clone, Copy)]
enum Parameter {
    Alpha,
    Beta,
    Gamma,
}

/// The function of that name; the parameters are given by position and name, and have the defaults of ONNX.
fn activate(
    call: &mut Call,
    name: &str,
    value: ValueId,
    parameter: impl Fn(usize, Parameter) -> Result<Option<f64>>,
) -> Result<ValueId> {
    use Parameter::{Alpha, Beta, Gamma};
    let first = |default: f64| parameter(0, Alpha).map(|given| given.unwrap_or(default));
    let second = |name, default: f64| parameter(1, name).map(|given| given.unwrap_or(default));
    let function = match name {
        "" => return Ok(value),
        "Relu" => UnaryFunction::Relu,
        "Tanh" => UnaryFunction::Tanh,
        "Sigmoid" => UnaryFunction::Sigmoid,
        "Softplus" => UnaryFunction::Softplus,
        "Softsign" => UnaryFunction::Softsign,
        "LeakyRelu" => UnaryFunction::LeakyRelu(first(0.01)?),
        "Elu" => UnaryFunction::Elu(first(1.0)?),
        "Selu" => UnaryFunction::Selu {
            alpha: first(1.673_263_192_176_818_8)?,
            gamma: second(Gamma, 1.050_701_022_148_132_3)?,
        },
        "HardSigmoid" => UnaryFunction::HardSigmoid { alpha: first(0.2)?, beta: second(Beta, 0.5)? },
        "Clip" => UnaryFunction::Clip { lo: first(f64::NEG_INFINITY)?, hi: second(Beta, f64::INFINITY)? },
        "ThresholdedRelu" => return threshold(call, value, first(1.0)?),
        other => return Err(NodeError::attribute("activation", format!("`{other}` is not supported"))),
    };
    call.builder.unary(function, value)
}

/// `alpha·A'·B'`, where the first axis of an operand may go before its last one, and its last two axes be swapped then.
fn fused_matmul(call: &mut Call) -> Result<Vec<ValueId>> {
    let mut operands = [call.input(0)?, call.input(1)?];
    for (operand, [swap, batch]) in operands.iter_mut().zip([["transA", "transBatchA"], ["transB", "transBatchB"]]) {
        let (swap, batch) = (call.attributes.flag(swap, false)?, call.attributes.flag(batch, false)?);
        let rank = call.rank(*operand);
        if rank < 2 {
            continue;
        }
        let mut permutation: Vec<usize> = (0..rank).collect();
        if batch {
            permutation[..rank - 1].rotate_left(1);
        }
        if swap {
            permutation.swap(rank - 2, rank - 1);
        }
        *operand = call.builder.transpose(*operand, &permutation)?;
    }
    let alpha = call.attributes.float_or("alpha", 1.0)?;
    let product = product(call, operands[0], operands[1])?;
    Ok(vec![call.builder.affine(product, alpha, 0.0)?])
}
