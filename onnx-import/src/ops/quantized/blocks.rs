//! MatMulNBits of onnxruntime: a product by weights of few bits, in blocks along their rows.

use super::Result;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, Tensor, ValueId};
use crate::lower::Call;
use crate::ops::matrix;

/// Sizes of the weights `[N, K]`.
struct Blocks {
    rows: usize,
    columns: usize,
    bits: usize,
    /// Elements of a block.
    size: usize,
}

impl Blocks {
    fn read(call: &Call) -> Result<Self> {
        let size = |name: &str| {
            let value = call.attributes.int(name)?.ok_or_else(|| NodeError::attribute(name, "it is missing"))?;
            let size = usize::try_from(value).ok().filter(|size| (1..1 << 28).contains(size));
            size.ok_or_else(|| NodeError::attribute(name, format!("{value} is no size")))
        };
        let bits = call.attributes.int_or("bits", 4)?;
        if !matches!(bits, 2 | 4 | 8) {
            return Err(NodeError::attribute("bits", format!("{bits} is not 2, 4 or 8")));
        }
        // How precise a kernel is inside.
        call.attributes.int("accuracy_level")?;
        Ok(Self { rows: size("N")?, columns: size("K")?, bits: bits as usize, size: size("block_size")? })
    }

    /// Blocks of a row.
    fn count(&self) -> usize {
        self.columns.div_ceil(self.size)
    }

    /// Bytes of a block.
    fn bytes(&self) -> usize {
        (self.size * self.bits).div_ceil(8)
    }

    /// Integer number `index` of a row of bytes, the lowest bits first.
    fn integer(&self, bytes: &[f64], index: usize) -> i32 {
        let at = index * self.bits;
        let byte = bytes.get(at / 8).map_or(0, |&byte| byte as u32);
        (byte >> (at % 8) & ((1 << self.bits) - 1)) as i32
    }

    /// A constant operand with that many elements.
    fn operand(&self, call: &Call, value: ValueId, what: &'static str, elements: usize) -> Result<Tensor> {
        let tensor = call.constant(value, what)?;
        if tensor.data.len() != elements {
            let found = tensor.shape;
            return Err(NodeError::shape(format!("{what} of shape {found:?}, which must have {elements} elements")));
        }
        Ok(tensor)
    }

    /// The zero point of each block.
    fn zeros(&self, call: &Call) -> Result<Vec<f32>> {
        let blocks = self.rows * self.count();
        let Some(value) = call.optional(3) else { return Ok(vec![(1u32 << (self.bits - 1)) as f32; blocks]) };
        if call.dtype(value).is_float() {
            let tensor = self.operand(call, value, "the zero points", blocks)?;
            return Ok(tensor.data.iter().map(|&zero| zero as f32).collect());
        }
        let stride = (self.count() * self.bits).div_ceil(8);
        let tensor = self.operand(call, value, "the zero points", self.rows * stride)?;
        let rows = tensor.data.chunks(stride);
        Ok(rows.flat_map(|row| (0..self.count()).map(|block| self.integer(row, block) as f32)).collect())
    }
}

/// `A · W' + bias` with `W[n, k] = (q − zero)·scale`.
pub(super) fn matmul_n_bits(call: &mut Call) -> Result<Vec<ValueId>> {
    let blocks = Blocks::read(call)?;
    if call.optional(4).is_some() {
        return Err(NodeError::unsupported("a reordering of blocks (g_idx)", "quantize the model without one"));
    }
    let (a, stored, scales) = (call.input(0)?, call.input(1)?, call.input(2)?);
    if call.dtype(stored) != DType::Uint8 {
        return Err(NodeError::data_type(format!("its weights are {}, not uint8", call.dtype(stored).name())));
    }
    let per_row = blocks.count() * blocks.bytes();
    let packed = blocks.operand(call, stored, "the weight tensor", blocks.rows * per_row)?;
    let scales = blocks.operand(call, scales, "the scale", blocks.rows * blocks.count())?;
    let zeros = blocks.zeros(call)?;
    call.builder.check_room((blocks.rows * blocks.columns) as u64)?;
    let weight = |i: usize| {
        let (k, n) = (i / blocks.rows, i % blocks.rows);
        let block = n * blocks.count() + k / blocks.size;
        let bytes = &packed.data[block * blocks.bytes()..(block + 1) * blocks.bytes()];
        let integer = blocks.integer(bytes, k % blocks.size) as f32;
        f64::from((integer - zeros[block]) * scales.data[block] as f32)
    };
    let data = (0..blocks.columns * blocks.rows).map(weight).collect();
    let dtype = call.dtype(a);
    let weights = call.builder.constant(vec![blocks.columns, blocks.rows], data, dtype)?;
    let product = matrix::product(call, a, weights)?;
    match call.optional(5) {
        Some(bias) => Ok(vec![call.builder.binary(BinaryFunction::Add, product, bias)?]),
        None => Ok(vec![product]),
    }
}
