//! Geometry of sliding windows: kernel, strides, dilations, padding, as attributes give them.
//!
//! One spatial axis is brought to two by a height of 1. Of three the first is a window of its own.

use crate::error::NodeError;
use crate::float::graph::{ValueId, Window};
use crate::lower::{Call, Dequantized};

type Result<T> = std::result::Result<T, NodeError>;

/// Largest size in a window; keeps sums of sizes far from overflow.
const MAX_SIZE: i64 = 1 << 28;

/// How padding is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AutoPad {
    NotSet,
    Valid,
    SameUpper,
    SameLower,
}

/// A window as attributes give it, in two dimensions.
pub(super) struct Geometry {
    /// The window with the declared padding.
    pub(super) window: Window,
    /// How padding is chosen.
    pub(super) auto_pad: AutoPad,
}

/// Brings `[N, C, W]` to `[N, C, 1, W]`; `[N, C, H, W]` stays.
pub(super) fn lift(call: &mut Call, value: ValueId) -> Result<ValueId> {
    let mut shape = call.shape(value);
    match shape.len() {
        4 => Ok(value),
        3 => {
            shape.insert(2, 1);
            let lifted = call.builder.reshape(value, shape.clone())?;
            if let Some(source) = call.builder.dequantized(value).filter(|source| source.axis < 2).cloned() {
                let centered = call.builder.reshape(source.centered, shape)?;
                call.builder.note_dequantized(lifted, Dequantized { centered, ..source });
            }
            Ok(lifted)
        }
        5 => Err(NodeError::unsupported("three spatial axes are not supported here", "use a model over one or two")),
        _ => Err(NodeError::shape(format!("its operand has shape {shape:?}, not [N, C, W] or [N, C, H, W]"))),
    }
}

/// Undoes [`lift`] for a model with that many spatial axes.
pub(super) fn lower(call: &mut Call, value: ValueId, axes: usize) -> Result<ValueId> {
    let mut shape = call.shape(value);
    if axes == 1 {
        shape.remove(2);
    }
    call.builder.reshape(value, shape)
}

/// Sizes of a window as attributes give them, one for each axis; twice as many for padding.
struct Sizes {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    padding: Vec<usize>,
    auto_pad: AutoPad,
}

impl Sizes {
    /// The kernel is `kernel`, or the attribute where that is `None`; where both are given they must agree. `dilated` says
    /// whether the operator has dilations in that operator set.
    fn read(call: &Call, axes: usize, kernel: Option<&[usize]>, dilated: bool) -> Result<Self> {
        let declared = list(call, "kernel_shape", axes, 1)?;
        let kernel = match (kernel, declared) {
            (Some(kernel), Some(declared)) if kernel != declared => {
                let reason = format!("{declared:?} differs from the weights' {kernel:?}");
                return Err(NodeError::attribute("kernel_shape", reason));
            }
            (Some(kernel), _) => kernel.to_vec(),
            (None, declared) => declared.ok_or_else(|| NodeError::attribute("kernel_shape", "it is missing"))?,
        };
        let sizes = |name| Ok(list(call, name, axes, 1)?.unwrap_or_else(|| vec![1; axes]));
        let stride = sizes("strides")?;
        let dilation = if dilated { sizes("dilations")? } else { vec![1; axes] };
        let pads = list(call, "pads", 2 * axes, 0)?;
        let auto_pad = match call.attributes.string_or("auto_pad", "NOTSET")?.as_str() {
            "NOTSET" | "" => AutoPad::NotSet,
            "VALID" => AutoPad::Valid,
            "SAME_UPPER" => AutoPad::SameUpper,
            "SAME_LOWER" => AutoPad::SameLower,
            other => return Err(NodeError::attribute("auto_pad", format!("`{other}` is unknown"))),
        };
        if auto_pad != AutoPad::NotSet && pads.iter().flatten().any(|&size| size != 0) {
            return Err(NodeError::attribute("pads", "it contradicts auto_pad"));
        }
        Ok(Self { kernel, stride, dilation, padding: pads.unwrap_or_else(|| vec![0; 2 * axes]), auto_pad })
    }

    /// The window over some of the axes.
    fn geometry(&self, axes: std::ops::Range<usize>) -> Geometry {
        let all = self.kernel.len();
        let of = |sizes: &[usize], default| pair(&sizes[axes.clone()], default);
        let ([top, left], [bottom, right]) = (of(&self.padding[..all], 0), of(&self.padding[all..], 0));
        let window = Window {
            kernel: of(&self.kernel, 1),
            stride: of(&self.stride, 1),
            dilation: of(&self.dilation, 1),
            padding: [top, left, bottom, right],
        };
        Geometry { window, auto_pad: self.auto_pad }
    }
}

/// Reads the attributes of a window over `axes` spatial axes, one or two. The kernel is `kernel`, brought to two axes, or the
/// attribute where that is `None`; where both are given they must agree. `dilated` says whether the operator has dilations
/// in that operator set.
pub(super) fn read(call: &Call, axes: usize, kernel: Option<[usize; 2]>, dilated: bool) -> Result<Geometry> {
    let own = kernel.as_ref().map(|kernel| &kernel[2usize.saturating_sub(axes)..]);
    Ok(Sizes::read(call, axes, own, dilated)?.geometry(0..axes))
}

/// The same for three spatial axes: a window over the first (of width 1 and that height 1), and one over the others.
pub(super) fn read_volume(call: &Call, kernel: Option<&[usize]>, dilated: bool) -> Result<[Geometry; 2]> {
    let sizes = Sizes::read(call, 3, kernel, dilated)?;
    Ok([sizes.geometry(0..1), sizes.geometry(1..3)])
}

/// A list of as many sizes as said, each at least `least`.
pub(super) fn list(call: &Call, name: &str, count: usize, least: i64) -> Result<Option<Vec<usize>>> {
    let Some(values) = call.attributes.ints(name)? else { return Ok(None) };
    if values.len() != count || values.iter().any(|size| !(least..=MAX_SIZE).contains(size)) {
        let reason = format!("{values:?} must be {count} sizes from {least} to {MAX_SIZE}");
        return Err(NodeError::attribute(name, reason));
    }
    Ok(Some(values.iter().map(|&size| size as usize).collect()))
}

/// Sizes of one or two axes as sizes of two.
pub(super) fn pair(sizes: &[usize], default: usize) -> [usize; 2] {
    match *sizes {
        [height, width] => [height, width],
        [width] => [default, width],
        _ => unreachable!("windows have one or two axes"),
    }
}

impl Geometry {
    /// Extent of the dilated kernel along an axis.
    pub(super) fn extent(&self, axis: usize) -> usize {
        self.window.dilation[axis] * (self.window.kernel[axis] - 1) + 1
    }

    /// Chooses automatic padding for an input of that size and gives the size of the result. With `ceil` a last window
    /// that only partly overlaps the padded input counts too; the padding at the end then grows to hold it.
    pub(super) fn resolve(&mut self, input: [usize; 2], ceil: bool) -> Result<[usize; 2]> {
        let mut outputs = [0; 2];
        for axis in 0..2 {
            outputs[axis] = self.resolve_axis(axis, input[axis], ceil)?;
        }
        Ok(outputs)
    }

    fn resolve_axis(&mut self, axis: usize, size: usize, ceil: bool) -> Result<usize> {
        let (extent, stride) = (self.extent(axis), self.window.stride[axis]);
        if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
            let output = size.div_ceil(stride);
            let total = (output.saturating_sub(1) * stride + extent).saturating_sub(size);
            let smaller = total / 2;
            let before = if self.auto_pad == AutoPad::SameUpper { smaller } else { total - smaller };
            self.window.padding[axis] = before;
            self.window.padding[axis + 2] = total - before;
            return Ok(output);
        }
        let (before, after) = (self.window.padding[axis], self.window.padding[axis + 2]);
        let room = (size + before + after).checked_sub(extent).ok_or_else(|| {
            NodeError::shape(format!("a window of extent {extent} over an axis of {size} padded by {before}, {after}"))
        })?;
        let mut output = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
        // The last window must start inside the input or the padding before it.
        if ceil && (output - 1) * stride >= size + before {
            output -= 1;
        }
        self.window.padding[axis + 2] = after.max(((output - 1) * stride + extent).saturating_sub(size + before));
        Ok(output)
    }
}
