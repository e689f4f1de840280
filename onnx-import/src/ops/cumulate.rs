//! CumSum and CumProd: the sum or the product of all elements up to each position of an axis.
//!
//! Sums are a product with a constant triangular matrix; products are taken one after the other.

use super::arithmetic::check_wrap;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("CumSum", &[since(11, 2, 2, 1)], sum), onnx("CumProd", &[since(26, 2, 2, 1)], product)];

/// Most factors of a product.
const MAX_FACTORS: usize = 64;

/// What is accumulated, and how.
struct Cumulation {
    input: ValueId,
    axis: usize,
    /// Without the element itself.
    exclusive: bool,
    /// From the end.
    reverse: bool,
}

impl Cumulation {
    fn read(call: &Call) -> Result<Self> {
        let input = call.input(0)?;
        check_wrap(call, &[input])?;
        let axis = call.number(1, "axis")?.ok_or_else(|| NodeError::shape("no axis"))?;
        Ok(Self {
            input,
            axis: resolve_axis(axis as i64, call.rank(input))?,
            exclusive: call.attributes.flag("exclusive", false)?,
            reverse: call.attributes.flag("reverse", false)?,
        })
    }

    /// Whether position `from` is part of the result at position `to`.
    fn takes(&self, from: usize, to: usize) -> bool {
        let (near, far) = if self.reverse { (to, from) } else { (from, to) };
        near < far || (near == far && !self.exclusive)
    }
}

fn sum(call: &mut Call) -> Result<Vec<ValueId>> {
    let cumulation = Cumulation::read(call)?;
    let Cumulation { input, axis, .. } = cumulation;
    let (rank, size, dtype) = (call.rank(input), call.shape(input)[axis], call.dtype(input));
    let matrix = (0..size * size).map(|i| f64::from(u8::from(cumulation.takes(i / size, i % size)))).collect();
    call.builder.check_room((size * size) as u64)?;
    let matrix = call.builder.constant(vec![size, size], matrix, dtype)?;
    let mut swapped: Vec<usize> = (0..rank).collect();
    swapped.swap(axis, rank - 1);
    let rows = call.builder.transpose(input, &swapped)?;
    let shape = call.shape(rows);
    let count = shape.iter().product::<usize>() / size.max(1);
    let rows = call.builder.reshape(rows, vec![count, size])?;
    let sums = call.builder.matmul(rows, matrix)?;
    let sums = call.builder.reshape(sums, shape)?;
    Ok(vec![call.builder.transpose(sums, &swapped)?])
}

fn product(call: &mut Call) -> Result<Vec<ValueId>> {
    let cumulation = Cumulation::read(call)?;
    let Cumulation { input, axis, exclusive, reverse } = cumulation;
    let size = call.shape(input)[axis];
    if size > MAX_FACTORS {
        return Err(NodeError::unsupported(format!("a product of {size} factors"), "use at most 64"));
    }
    let one = call.builder.scalar(1.0, call.dtype(input))?;
    let mut shape = call.shape(input);
    shape[axis] = 1;
    let mut running = call.builder.broadcast(one, &shape)?;
    let mut parts = vec![];
    for step in 0..size {
        let factor = call.builder.pick_axis(input, axis, [if reverse { size - 1 - step } else { step }])?;
        let next = match step {
            0 => factor,
            _ => call.builder.binary(BinaryFunction::Mul, running, factor)?,
        };
        parts.push(if exclusive { running } else { next });
        running = next;
    }
    if reverse {
        parts.reverse();
    }
    Ok(vec![call.builder.concat(&parts, axis)?])
}
