//! Gemm and MatMul.

use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::{Call, MatrixProduct};
use crate::ops::arithmetic::check_wrap;
use crate::registry::{onnx, since, Operator};

type Result = std::result::Result<Vec<ValueId>, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("Gemm", &[since(6, 3, 3, 1), since(11, 2, 3, 1)], gemm), onnx("MatMul", &[since(1, 2, 2, 1)], matmul)];

/// `alpha·A'·B' + beta·C`
pub(super) fn gemm(call: &mut Call) -> Result {
    let [first, second] = [call.input(0)?, call.input(1)?];
    let alpha = call.attributes.float_or("alpha", 1.0)?;
    let beta = call.attributes.float_or("beta", 1.0)?;
    if call.version < 7 {
        // Without it C has the shape of the product, which broadcasts to itself.
        call.attributes.flag("broadcast", false)?;
    }
    let mut operands = [call.input(0)?, call.input(1)?];
    for (operand, name) in operands.iter_mut().zip(["transA", "transB"]) {
        if call.rank(*operand) != 2 {
            return Err(NodeError::shape(format!("its operand has shape {:?}, not a matrix", call.shape(*operand))));
        }
        if call.attributes.int_or(name, 0)? != 0 {
            *operand = call.builder.transpose(*operand, &[1, 0])?;
        }
    }
    check_wrap(call, &operands)?;
    let product = call.builder.matmul(operands[0], operands[1])?;
    let product = call.builder.affine(product, alpha, 0.0)?;
    let plain = alpha == 1.0 && beta == 1.0 && call.attributes.int_or("transA", 0)? == 0;
    let transposed = call.attributes.int_or("transB", 0)? != 0;
    let origin = MatrixProduct { a: first, b: second, bias: call.optional(2), transposed };
    let Some(bias) = call.optional(2) else {
        if plain {
            call.builder.note_product(product, origin);
        }
        return Ok(vec![product]);
    };
    let bias = call.builder.affine(bias, beta, 0.0)?;
    let sum = call.builder.binary(BinaryFunction::Add, product, bias)?;
    if call.shape(sum) != call.shape(product) {
        return Err(NodeError::shape(format!("C of shape {:?} does not broadcast to the product", call.shape(bias))));
    }
    if plain {
        call.builder.note_product(sum, origin);
    }
    Ok(vec![sum])
}

/// NumPy `matmul`: an operand with one axis is a row on the left, a column on the right.
fn matmul(call: &mut Call) -> Result {
    let (a, b) = (call.input(0)?, call.input(1)?);
    Ok(vec![product(call, a, b)?])
}

/// The product that [`matmul`] gives.
pub(super) fn product(call: &mut Call, mut a: ValueId, mut b: ValueId) -> std::result::Result<ValueId, NodeError> {
    check_wrap(call, &[a, b])?;
    let (left, right) = (call.shape(a), call.shape(b));
    if left.is_empty() || right.is_empty() {
        return Err(NodeError::shape("an operand is a scalar"));
    }
    if left.len() == 1 {
        a = call.builder.reshape(a, vec![1, left[0]])?;
    }
    if right.len() == 1 {
        b = call.builder.reshape(b, vec![right[0], 1])?;
    }
    let product = call.builder.matmul(a, b)?;
    if left.len() == 2 && right.len() == 2 {
        call.builder.note_product(product, MatrixProduct { a, b, bias: None, transposed: false });
    }
    let mut shape = call.shape(product);
    if right.len() == 1 {
        shape.pop();
    }
    if left.len() == 1 {
        shape.remove(shape.len() - if right.len() == 1 { 1 } else { 2 });
    }
    call.builder.reshape(product, shape)
}
