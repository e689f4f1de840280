//! Col2Im: blocks of a picture that lie side by side are put back where they came from, and added where they overlap.

use crate::error::NodeError;
use crate::float::graph::{ReduceKind, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("Col2Im", &[since(18, 3, 3, 1)], col2im)];

/// `[N, C·block, positions]` to `[N, C, image]`: an element of the picture is the sum of the block elements that lie on it.
fn col2im(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let from = call.shape(input);
    let image = sizes(call.integers(1, "image shape")?.unwrap_or_default(), 1)?;
    let block = sizes(call.integers(2, "block shape")?.unwrap_or_default(), 1)?;
    let axes = image.len();
    let attribute = |name: &str, least: i64, default: usize, count: usize| match call.attributes.ints(name)? {
        None => Ok(vec![default; count]),
        Some(list) if list.len() == count => sizes(list, least),
        Some(list) => Err(NodeError::attribute(name, format!("{} numbers for {axes} axes", list.len()))),
    };
    let dilations = attribute("dilations", 1, 1, axes)?;
    let strides = attribute("strides", 1, 1, axes)?;
    let pads = attribute("pads", 0, 0, 2 * axes)?;
    let misfit = || NodeError::shape(format!("blocks {block:?} of {from:?} on a picture of {image:?}"));
    if block.len() != axes || axes == 0 || from.len() != 3 {
        return Err(misfit());
    }
    let count = |axis: usize| {
        let room = image[axis] + pads[axis] + pads[axis + axes];
        room.checked_sub(dilations[axis] * (block[axis] - 1) + 1).map(|room| room / strides[axis] + 1)
    };
    let counts: Vec<usize> = (0..axes).map(count).collect::<Option<_>>().ok_or_else(misfit)?;
    let taps = product(&block).ok_or_else(misfit)?;
    let positions = product(&counts).ok_or_else(misfit)?;
    if !from[1].is_multiple_of(taps) || from[2] != positions {
        return Err(misfit());
    }
    let shape = [&[from[0], from[1] / taps], &image[..]].concat();
    // The element of the block at each tap that lies on an element of the picture, if one does.
    let source = |at: &[usize], tap: usize| {
        let (mut rest, mut stride, mut position) = (tap, 1, 0);
        for axis in (0..axes).rev() {
            let shift = rest % block[axis] * dilations[axis];
            rest /= block[axis];
            let place = (at[2 + axis] + pads[axis]).checked_sub(shift)?;
            if !place.is_multiple_of(strides[axis]) || place / strides[axis] >= counts[axis] {
                return None;
            }
            position += place / strides[axis] * stride;
            stride *= counts[axis];
        }
        Some((at[0] * from[1] + at[1] * taps + tap) * positions + position)
    };
    let last = shape.len();
    let wide = [&shape[..], &[taps]].concat();
    let lying = call.builder.view(input, wide, 0.0, |at| source(at, at[last]))?;
    Ok(vec![call.builder.reduce(lying, ReduceKind::Sum, &[last], false)?])
}

/// Integers that are sizes of at least `least`.
fn sizes(list: Vec<i64>, least: i64) -> Result<Vec<usize>> {
    let size = |&size: &i64| usize::try_from(size).ok().filter(|_| (least..=1 << 28).contains(&size));
    list.iter().map(size).collect::<Option<_>>().ok_or_else(|| NodeError::shape(format!("sizes {list:?}")))
}

fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}
