//! The meaning of each operator of ONNX, one family per file.

mod activation;
mod arithmetic;
mod cast;
mod compare;
mod concat;
mod constant;
mod conv;
mod conv_transpose;
mod depth;
mod expand;
mod extremum;
mod gather;
mod matrix;
mod ml;
mod normalization;
mod pad;
mod pool;
mod quantized;
mod recurrent;
mod reduce;
mod resize;
mod shape;
mod slice;
mod softmax;
mod window;

use crate::registry::Operator;

/// Every operator that can be imported.
pub(crate) const ALL: &[&[Operator]] = &[
    activation::OPERATORS,
    arithmetic::OPERATORS,
    cast::OPERATORS,
    compare::OPERATORS,
    concat::OPERATORS,
    constant::OPERATORS,
    conv::OPERATORS,
    conv_transpose::OPERATORS,
    depth::OPERATORS,
    expand::OPERATORS,
    extremum::OPERATORS,
    gather::OPERATORS,
    matrix::OPERATORS,
    ml::OPERATORS,
    normalization::OPERATORS,
    pad::OPERATORS,
    pool::OPERATORS,
    quantized::OPERATORS,
    recurrent::OPERATORS,
    reduce::OPERATORS,
    resize::OPERATORS,
    shape::OPERATORS,
    slice::OPERATORS,
    softmax::OPERATORS,
];
