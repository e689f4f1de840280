//! Pooling over one to three spatial axes, and over all of them.

use super::window;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::evaluate::window_taps;
use crate::float::graph::{BinaryFunction, FloatOp, ReduceKind, UnaryFunction, ValueId, Window};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("MaxPool", &[since(1, 1, 1, 1), since(8, 1, 1, 2)], max_pool),
    onnx("AveragePool", &[since(1, 1, 1, 1)], average_pool),
    onnx("LpPool", &[since(2, 1, 1, 1)], lp_pool),
    onnx("GlobalLpPool", &[since(2, 1, 1, 1)], global_lp_pool),
    onnx("GlobalMaxPool", &[since(1, 1, 1, 1)], |call| global(call, ReduceKind::Max)),
    onnx("GlobalAveragePool", &[since(1, 1, 1, 1)], global_average_pool),
];

pub(super) fn max_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    // Only the second output, the positions of the maxima, depends on the storage order.
    let by_column = call.attributes.flag("storage_order", false)?;
    let shown = call.used_outputs.get(1) == Some(&true);
    if shown && is_volume(call)? {
        return Err(NodeError::unsupported(
            "the positions of maxima (second output) over three axes are not supported",
            "remove what reads them",
        ));
    }
    let dilated = call.version >= 10;
    if is_volume(call)? {
        let input = call.input(0)?;
        return Ok(vec![volume(call, input, dilated, |input, window| FloatOp::MaxPool { input, window })?]);
    }
    let pool = Pool::read(call, dilated)?;
    let positions = if shown { Some(positions(call, &pool, by_column)?) } else { None };
    let op = FloatOp::MaxPool { input: pool.input, window: pool.window };
    let mut results = pool.finish(call, op)?;
    if let Some(positions) = positions {
        let shape = call.shape(results[0]);
        results.push(call.builder.reshape(positions, shape)?);
    }
    Ok(results)
}

/// Where in the whole operand the first maximum of each window lies.
///
/// A position in the padding stands for the nearest one of the window that is in the operand. That is no other place, and since a window is
/// gone through row by row, the first maximum stays the first.
fn positions(call: &mut Call, pool: &Pool, by_column: bool) -> Result<ValueId> {
    let from = call.shape(pool.input);
    let sizes = [from[2], from[3]];
    let kernel = pool.window.kernel;
    let [rows, columns] = pool.outputs;
    let shape = vec![from[0], from[1], rows, columns];
    let wide = [&shape[..], &[kernel[0] * kernel[1]]].concat();
    let along = |axis: usize, window: usize| Along::of(&pool.window, axis, window, sizes[axis]);
    let windows = call.builder.view(pool.input, wide, 0.0, |at| {
        let (tap_y, tap_x) = (at[4] / kernel[1], at[4] % kernel[1]);
        let (y, x) = (along(0, at[2]).place(tap_y), along(1, at[3]).place(tap_x));
        Some(((at[0] * from[1] + at[1]) * sizes[0] + y) * sizes[1] + x)
    })?;
    let op = FloatOp::ArgExtremum { input: windows, axis: 4, smallest: false, last: false };
    let tap = call.builder.emit(op, shape.clone(), DType::Int64)?;
    let divisor = kernel[1] as f64;
    let taps = [
        call.builder.unary(UnaryFunction::Quotient(divisor), tap)?,
        call.builder.unary(UnaryFunction::Remainder { divisor, truncated: true }, tap)?,
    ];
    let steps = if by_column { [1, sizes[0]] } else { [sizes[1], 1] };
    let planes = (0..from[0] * from[1]).map(|plane| (plane * sizes[0] * sizes[1]) as f64).collect();
    let mut place = call.builder.constant(vec![from[0], from[1], 1, 1], planes, DType::Int64)?;
    for axis in [0, 1] {
        let windows: Vec<Along> = (0..pool.outputs[axis]).map(|window| along(axis, window)).collect();
        let at = position(call, taps[axis], axis, &windows, pool.window.dilation[axis])?;
        let far = call.builder.affine(at, steps[axis] as f64, 0.0)?;
        place = call.builder.binary(BinaryFunction::Add, far, place)?;
    }
    Ok(place)
}

/// The positions of a window along an axis.
struct Along {
    /// That of the first tap, which may lie in the padding.
    corner: i64,
    step: i64,
    /// The first and the last that lie in the operand.
    first: i64,
    last: i64,
    /// Whether all of them do.
    whole: bool,
}

impl Along {
    fn of(window: &Window, axis: usize, number: usize, size: usize) -> Self {
        let step = window.dilation[axis] as i64;
        let corner = (number * window.stride[axis]) as i64 - window.padding[axis] as i64;
        let taps = window_taps(window, axis, number, size);
        let place = |tap: usize| corner + step * tap as i64;
        let whole = taps.len() == window.kernel[axis];
        Self { corner, step, first: place(taps.start), last: place(taps.end.max(1) - 1), whole }
    }

    fn place(&self, tap: usize) -> usize {
        (self.corner + self.step * tap as i64).clamp(self.first, self.last) as usize
    }
}

/// The positions of taps of windows along an axis of `[batch, channels, rows, columns]`.
fn position(call: &mut Call, taps: ValueId, axis: usize, windows: &[Along], step: usize) -> Result<ValueId> {
    let mut shape = vec![1; 4];
    shape[axis + 2] = windows.len();
    let constant = |part: fn(&Along) -> i64, call: &mut Call| {
        let numbers = windows.iter().map(|window| part(window) as f64).collect();
        call.builder.constant(shape.clone(), numbers, DType::Int64)
    };
    let corners = constant(|window| window.corner, call)?;
    let moved = call.builder.affine(taps, step as f64, 0.0)?;
    let at = call.builder.binary(BinaryFunction::Add, moved, corners)?;
    if windows.iter().all(|window| window.whole) {
        return Ok(at);
    }
    let (first, last) = (constant(|window| window.first, call)?, constant(|window| window.last, call)?);
    let at = call.builder.binary(BinaryFunction::Max, at, first)?;
    call.builder.binary(BinaryFunction::Min, at, last)
}

pub(super) fn average_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    let count_padding = call.version >= 7 && call.attributes.flag("count_include_pad", false)?;
    if is_volume(call)? {
        let rounded_up = call.version >= 10 && call.attributes.flag("ceil_mode", false)?;
        let automatic = call.attributes.string_or("auto_pad", "NOTSET")?.starts_with("SAME");
        if (count_padding && rounded_up) || (call.version >= 19 && automatic) {
            return Err(NodeError::unsupported(
                "averages over three axes with automatic pads, or counted ones and ceil_mode",
                "export the model with explicit pads",
            ));
        }
        let input = call.input(0)?;
        let op = |input, window| FloatOp::AveragePool { input, window, count_padding };
        return Ok(vec![volume(call, input, call.version >= 19, op)?]);
    }
    let mut pool = Pool::read(call, call.version >= 19)?;
    pool.is_average = true;
    if call.version >= 19 && pool.automatic && pool.skips_the_end(call) {
        return Err(NodeError::unsupported(
            "runtimes differ on auto_pad where the stride exceeds the kernel",
            "export the model with explicit pads",
        ));
    }
    let grown = pool.window.padding != pool.declared_padding;
    if count_padding && grown {
        // Padding that only rounding up added does not count: the declared one becomes zeros of the operand.
        let shape = call.shape(pool.input);
        let axis = |axis: usize| -> Vec<Option<usize>> {
            let zeros = |count: usize| std::iter::repeat_n(None, count);
            let (before, after) = (pool.declared_padding[axis], pool.declared_padding[axis + 2]);
            zeros(before).chain((0..shape[axis + 2]).map(Some)).chain(zeros(after)).collect()
        };
        let all = |size: usize| (0..size).map(Some).collect();
        pool.input = call.builder.pick(pool.input, &[all(shape[0]), all(shape[1]), axis(0), axis(1)], 0.0)?;
        for (side, declared) in pool.declared_padding.into_iter().enumerate() {
            pool.window.padding[side] -= declared;
        }
        let op = FloatOp::AveragePool { input: pool.input, window: pool.window, count_padding: false };
        return pool.finish(call, op);
    }
    let op = FloatOp::AveragePool { input: pool.input, window: pool.window, count_padding };
    pool.finish(call, op)
}

/// `(Σ |v|^p)^(1/p)` over each window.
fn lp_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    let p = call.attributes.int_or("p", 2)?;
    if is_volume(call)? {
        let kernel = call.attributes.ints("kernel_shape")?.unwrap_or_default();
        let input = call.input(0)?;
        let powers = power(call, input, p)?;
        let op = |input, window| FloatOp::AveragePool { input, window, count_padding: true };
        let mean = volume(call, powers, call.version >= 18, op)?;
        let sum = call.builder.affine(mean, kernel.iter().map(|&size| size as f64).product(), 0.0)?;
        return Ok(vec![root(call, sum, p)?]);
    }
    let mut pool = Pool::read(call, call.version >= 18)?;
    pool.input = power(call, pool.input, p)?;
    let area = (pool.window.kernel[0] * pool.window.kernel[1]) as f64;
    let op = FloatOp::AveragePool { input: pool.input, window: pool.window, count_padding: true };
    let mean = pool.finish(call, op)?[0];
    let sum = call.builder.affine(mean, area, 0.0)?;
    Ok(vec![root(call, sum, p)?])
}

fn is_volume(call: &Call) -> Result<bool> {
    Ok(call.rank(call.input(0)?) == 5)
}

/// Pooling of `[N, C, D, H, W]`: the largest, or the mean, of planes, and of depths of these.
fn volume(call: &mut Call, input: ValueId, dilated: bool, op: impl Fn(ValueId, Window) -> FloatOp) -> Result<ValueId> {
    let ceil = call.version >= 10 && call.attributes.flag("ceil_mode", false)?;
    let [mut depth, mut plane] = window::read_volume(call, None, dilated)?;
    let [batch, channels, depths, height, width] = call.shape(input)[..] else {
        unreachable!("the caller has seen five axes")
    };
    let [rows, columns] = plane.resolve([height, width], ceil)?;
    let [_, slices] = depth.resolve([1, depths], ceil)?;
    check_windows(&plane.window, [rows, columns], [height, width])?;
    check_windows(&depth.window, [1, slices], [1, depths])?;
    let dtype = call.dtype(input);
    let planes = call.builder.reshape(input, vec![batch, channels * depths, height, width])?;
    let planes = call.builder.emit(op(planes, plane.window), vec![batch, channels * depths, rows, columns], dtype)?;
    let lines = call.builder.reshape(planes, vec![batch * channels, depths, rows * columns])?;
    let lines = call.builder.transpose(lines, &[0, 2, 1])?;
    let lines = call.builder.reshape(lines, vec![batch, channels, rows * columns, depths])?;
    let shape = vec![batch, channels, rows * columns, slices];
    let pooled = call.builder.emit(op(lines, depth.window), shape, dtype)?;
    let pooled = call.builder.transpose(pooled, &[0, 1, 3, 2])?;
    call.builder.reshape(pooled, vec![batch, channels, slices, rows, columns])
}

/// Refuses windows that lie in the padding only.
fn check_windows(window: &Window, outputs: [usize; 2], sizes: [usize; 2]) -> Result<()> {
    let is_empty = |axis: usize, at: usize| window_taps(window, axis, at, sizes[axis]).is_empty();
    match (0..2).any(|axis| (0..outputs[axis]).any(|at| is_empty(axis, at))) {
        true => Err(NodeError::shape("a window lies in the padding only")),
        false => Ok(()),
    }
}

fn global_lp_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    let p = call.attributes.int_or("p", 2)?;
    let input = call.input(0)?;
    let powers = power(call, input, p)?;
    let rank = call.rank(input);
    if rank < 3 {
        return Err(NodeError::shape(format!("its operand has shape {:?}, without spatial axes", call.shape(input))));
    }
    let sum = call.builder.reduce(powers, ReduceKind::Sum, &(2..rank).collect::<Vec<_>>(), true)?;
    Ok(vec![root(call, sum, p)?])
}

/// `|v|^p`
fn power(call: &mut Call, value: ValueId, p: i64) -> Result<ValueId> {
    match p {
        1 => call.builder.unary(UnaryFunction::Abs, value),
        2 => call.builder.binary(BinaryFunction::Mul, value, value),
        3.. => {
            let magnitude = call.builder.unary(UnaryFunction::Abs, value)?;
            call.builder.unary(UnaryFunction::Power(p as f64), magnitude)
        }
        _ => Err(NodeError::attribute("p", format!("{p} is not positive"))),
    }
}

/// `v^(1/p)`
fn root(call: &mut Call, value: ValueId, p: i64) -> Result<ValueId> {
    match p {
        1 => Ok(value),
        2 => call.builder.unary(UnaryFunction::Sqrt, value),
        _ => call.builder.unary(UnaryFunction::Power(1.0 / p as f64), value),
    }
}

struct Pool {
    input: ValueId,
    window: Window,
    declared_padding: [usize; 4],
    outputs: [usize; 2],
    axes: usize,
    automatic: bool,
    /// Whether the result is the average itself.
    is_average: bool,
}

impl Pool {
    fn read(call: &mut Call, dilated: bool) -> Result<Self> {
        let ceil = call.version >= 10 && call.attributes.flag("ceil_mode", false)?;
        let axes = call.rank(call.input(0)?).saturating_sub(2);
        let input = window::lift(call, call.input(0)?)?;
        let mut geometry = window::read(call, axes, None, dilated)?;
        let shape = call.shape(input);
        let before = geometry.window.padding;
        let automatic = matches!(geometry.auto_pad, window::AutoPad::SameUpper | window::AutoPad::SameLower);
        let outputs = geometry.resolve([shape[2], shape[3]], ceil)?;
        let window = geometry.window;
        let declared_padding = if automatic { window.padding } else { before };
        check_windows(&window, outputs, [shape[2], shape[3]])?;
        Ok(Self { input, window, declared_padding, outputs, axes, automatic, is_average: false })
    }

    /// Whether the last window ends before the operand does.
    fn skips_the_end(&self, call: &Call) -> bool {
        let shape = call.shape(self.input);
        let extent = |axis: usize| self.window.dilation[axis] * (self.window.kernel[axis] - 1) + 1;
        (0..2).any(|axis| (self.outputs[axis] - 1) * self.window.stride[axis] + extent(axis) < shape[axis + 2])
    }

    fn finish(self, call: &mut Call, op: FloatOp) -> Result<Vec<ValueId>> {
        let shape = call.shape(self.input);
        let [height, width] = self.outputs;
        let dtype = call.dtype(self.input);
        let result = call.builder.emit(op, vec![shape[0], shape[1], height, width], dtype)?;
        if self.is_average {
            call.builder.note_whole_sum(result);
        }
        Ok(vec![window::lower(call, result, self.axes)?])
    }
}

pub(super) fn global_average_pool(call: &mut Call) -> Result<Vec<ValueId>> {
    let averages = global(call, ReduceKind::Mean)?;
    call.builder.note_plane_average(averages[0]);
    Ok(averages)
}

fn global(call: &mut Call, kind: ReduceKind) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let rank = call.rank(input);
    if rank < 3 {
        return Err(NodeError::shape(format!("its operand has shape {:?}, without spatial axes", call.shape(input))));
    }
    let axes: Vec<usize> = (2..rank).collect();
    Ok(vec![call.builder.reduce(input, kind, &axes, true)?])
}
