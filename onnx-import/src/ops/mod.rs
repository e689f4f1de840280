//! The meaning of each operator of ONNX, one family per file.

mod activation;
mod arithmetic;
mod attention;
mod bits;
mod cast;
mod causal;
mod columns;
mod compare;
mod concat;
mod constant;
mod conv;
mod conv_transpose;
mod cumulate;
mod depth;
mod dynamic;
mod einsum;
mod expand;
mod extremum;
mod fourier;
mod fused;
mod gather;
mod linear_attention;
mod local_response;
mod loss;
mod matrix;
mod ml;
mod ngrams;
mod normalization;
mod one_hot;
mod pad;
mod pool;
mod quantized;
mod recurrent;
mod reduce;
mod refused;
mod resize;
mod reverse;
mod sample;
mod scatter;
mod sequence;
mod shape;
mod slice;
mod softmax;
mod top_k;
mod window;

use crate::registry::Operator;

pub(crate) use sequence::takes_sequences;

/// Every operator that can be imported.
pub(crate) const ALL: &[&[Operator]] = &[
    activation::OPERATORS,
    arithmetic::OPERATORS,
    attention::OPERATORS,
    bits::OPERATORS,
    cast::OPERATORS,
    causal::OPERATORS,
    columns::OPERATORS,
    compare::OPERATORS,
    concat::OPERATORS,
    constant::OPERATORS,
    conv::OPERATORS,
    conv_transpose::OPERATORS,
    cumulate::OPERATORS,
    depth::OPERATORS,
    dynamic::OPERATORS,
    einsum::OPERATORS,
    expand::OPERATORS,
    extremum::OPERATORS,
    fourier::OPERATORS,
    fused::OPERATORS,
    gather::OPERATORS,
    linear_attention::OPERATORS,
    local_response::OPERATORS,
    loss::OPERATORS,
    matrix::OPERATORS,
    ml::OPERATORS,
    ngrams::OPERATORS,
    normalization::OPERATORS,
    one_hot::OPERATORS,
    pad::OPERATORS,
    pool::OPERATORS,
    quantized::OPERATORS,
    recurrent::OPERATORS,
    reduce::OPERATORS,
    resize::OPERATORS,
    refused::OPERATORS,
    reverse::OPERATORS,
    sample::OPERATORS,
    scatter::OPERATORS,
    sequence::OPERATORS,
    shape::OPERATORS,
    slice::OPERATORS,
    softmax::OPERATORS,
    top_k::OPERATORS,
];
