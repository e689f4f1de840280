//! DepthToSpace and SpaceToDepth.

use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("DepthToSpace", &[since(1, 1, 1, 1)], depth_to_space),
    onnx("SpaceToDepth", &[since(1, 1, 1, 1)], space_to_depth),
];

fn block(call: &Call) -> Result<(ValueId, [usize; 4], usize)> {
    let input = call.input(0)?;
    let shape: [usize; 4] = call
        .shape(input)
        .try_into()
        .map_err(|shape| NodeError::shape(format!("its operand has shape {shape:?}, not [N, C, H, W]")))?;
    let block = call.attributes.int("blocksize")?.ok_or_else(|| NodeError::attribute("blocksize", "it is missing"))?;
    match usize::try_from(block) {
        Ok(block @ 1..=65536) => Ok((input, shape, block)),
        _ => Err(NodeError::attribute("blocksize", format!("{block} is out of range"))),
    }
}

/// Channels to blocks of pixels: column-row-depth or depth-column-row order of the channels.
fn depth_to_space(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, [n, c, h, w], b) = block(call)?;
    let mode = if call.version >= 11 { call.attributes.string_or("mode", "DCR")? } else { "DCR".into() };
    if c % (b * b) != 0 {
        return Err(NodeError::shape(format!("{c} channels are no multiple of {b}²")));
    }
    let depth = c / (b * b);
    let (split, order) = match mode.as_str() {
        "DCR" => ([n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    };
    let blocks = call.builder.reshape(input, split.to_vec())?;
    let turned = call.builder.transpose(blocks, &order)?;
    Ok(vec![call.builder.reshape(turned, vec![n, depth, h * b, w * b])?])
}

/// Blocks of pixels to channels, in depth-column-row or (from operator set 28 on) column-row-depth order.
fn space_to_depth(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, [n, c, h, w], b) = block(call)?;
    if h % b != 0 || w % b != 0 {
        return Err(NodeError::shape(format!("{h} × {w} pixels do not split into blocks of {b}")));
    }
    let mode = if call.version >= 28 { call.attributes.string_or("mode", "DCR")? } else { "DCR".into() };
    let order = match mode.as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    };
    let blocks = call.builder.reshape(input, vec![n, c, h / b, b, w / b, b])?;
    let turned = call.builder.transpose(blocks, &order)?;
    Ok(vec![call.builder.reshape(turned, vec![n, c * b * b, h / b, w / b])?])
}
