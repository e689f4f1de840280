//! Sampling at positions that the data give: AffineGrid and GridSample.
//!
//! A sample between elements is a sum of elements by weights that are a function of their distance, and the weights of several
//! axes multiply. So along the last axis a sample is a product of matrices, and along the others elements are multiplied by
//! their weights and summed:
//!
//! ```text
//! y[c, p] = Σ_i w_1(p, i) · Σ_j w_2(p, j) · x[c, i, j]        w(p, i) = kernel(position(p) − i)
//! ```

use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] =
    &[onnx("AffineGrid", &[since(20, 2, 2, 1)], affine_grid), onnx("GridSample", &[since(16, 2, 2, 1)], grid_sample)];

/// The positions of a picture's elements from −1 to 1, turned by a matrix `[N, axes, axes + 1]` for each picture.
fn affine_grid(call: &mut Call) -> Result<Vec<ValueId>> {
    let matrices = call.input(0)?;
    let corners = call.attributes.flag("align_corners", false)?;
    let sizes = call.integers(1, "size")?.unwrap_or_default();
    let shape = crate::parse::tensor::shape(&sizes).map_err(NodeError::Shape)?;
    let axes = shape.len().saturating_sub(2);
    if !(2..=3).contains(&axes) || call.shape(matrices) != [shape[0], axes, axes + 1] || shape.contains(&0) {
        let found = call.shape(matrices);
        return Err(NodeError::shape(format!("matrices of shape {found:?} for pictures of shape {shape:?}")));
    }
    let picture = &shape[2..];
    let count = picture.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(usize::MAX);
    call.builder.check_room((count as u64).saturating_mul(axes as u64 + 1))?;
    let along = |axis: usize, at: usize| match (corners, picture[axis]) {
        (true, 1) => -1.0,
        (true, size) => 2.0 * at as f64 / (size - 1) as f64 - 1.0,
        (false, size) => (2 * at + 1) as f64 / size as f64 - 1.0,
    };
    // The last axis of a picture is the first coordinate; behind the coordinates stands a one.
    let mut positions = Vec::with_capacity((axes + 1) * count);
    for axis in (0..axes).rev() {
        let inner: usize = picture[axis + 1..].iter().product();
        positions.extend((0..count).map(|index| along(axis, index / inner % picture[axis])));
    }
    positions.extend(std::iter::repeat_n(1.0, count));
    let dtype = call.dtype(matrices);
    let positions = call.builder.constant(vec![axes + 1, count], positions, dtype)?;
    let turned = call.builder.matmul(matrices, positions)?;
    let turned = call.builder.transpose(turned, &[0, 2, 1])?;
    Ok(vec![call.builder.reshape(turned, [&shape[..1], picture, &[axes]].concat())?])
}

/// What weighs elements by their distance from a position.
#[derive(Clone, Copy, PartialEq)]
enum Kernel {
    Nearest,
    Linear,
    Cubic,
}

/// What lies beyond the elements.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    Zeros,
    Border,
    Reflection,
}

/// `Y[n, c, p] = X[n, c, ·]` at the position `grid[n, p, ·]`, whose first coordinate is that of the last axis.
fn grid_sample(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, grid) = (call.input(0)?, call.input(1)?);
    let sampler = Sampler::read(call)?;
    let (from, to) = (call.shape(input), call.shape(grid));
    let axes = from.len().saturating_sub(2);
    if axes == 0 || to.len() != axes + 2 || to[0] != from[0] || to[axes + 1] != axes || from.contains(&0) {
        return Err(NodeError::shape(format!("a grid of shape {to:?} over an input of shape {from:?}")));
    }
    let (images, channels, picture) = (from[0], from[1], &from[2..]);
    let samples: usize = to[1..=axes].iter().product();
    if samples == 0 {
        return Err(NodeError::shape(format!("a grid of shape {to:?} has no positions")));
    }
    let dtype = call.dtype(input);
    if !dtype.is_float() || call.dtype(grid) != dtype {
        return Err(NodeError::data_type("its input and grid are not floats of one type"));
    }
    let grid = call.builder.reshape(grid, vec![images, samples, axes])?;
    let mut padded = input;
    let mut weights = vec![];
    for (axis, &size) in picture.iter().enumerate() {
        padded = sampler.extended(call, padded, axis + 2)?;
        let coordinate = call.builder.pick_axis(grid, 2, [axes - 1 - axis])?;
        let position = sampler.position(call, coordinate, size)?;
        weights.push(sampler.weights(call, position, size)?);
    }
    let sizes = call.shape(padded)[2..].to_vec();
    let mut rows: usize = sizes[..axes - 1].iter().product();
    let flat = call.builder.reshape(padded, vec![images, channels * rows, sizes[axes - 1]])?;
    let last = call.builder.transpose(weights[axes - 1], &[0, 2, 1])?;
    let mut sampled = call.builder.matmul(flat, last)?;
    for axis in (0..axes - 1).rev() {
        rows /= sizes[axis];
        let wide = call.builder.reshape(sampled, vec![images, channels * rows, sizes[axis], samples])?;
        let own = call.builder.transpose(weights[axis], &[0, 2, 1])?;
        let own = call.builder.reshape(own, vec![images, 1, sizes[axis], samples])?;
        let weighted = call.builder.binary(BinaryFunction::Mul, wide, own)?;
        sampled = call.builder.reduce(weighted, ReduceKind::Sum, &[2], false)?;
    }
    Ok(vec![call.builder.reshape(sampled, [&from[..2], &to[1..=axes]].concat())?])
}

/// How a position is found and what is taken there.
struct Sampler {
    kernel: Kernel,
    beyond: Beyond,
    corners: bool,
}

/// Elements beyond an end of an axis that a cubic kernel reads.
const CUBIC_REACH: usize = 2;
/// The free parameter of the cubic kernel.
const CUBIC_SLOPE: f64 = -0.75;

impl Sampler {
    fn read(call: &Call) -> Result<Self> {
        let mode = call.attributes.string_or("mode", if call.version < 20 { "bilinear" } else { "linear" })?;
        let kernel = match (mode.as_str(), call.version) {
            ("bilinear", ..20) | ("linear", 20..) => Kernel::Linear,
            ("bicubic", ..20) | ("cubic", 20..) => Kernel::Cubic,
            ("nearest", _) => Kernel::Nearest,
            _ => return Err(NodeError::attribute("mode", format!("`{mode}` is unknown"))),
        };
        let beyond = match call.attributes.string_or("padding_mode", "zeros")?.as_str() {
            "zeros" => Beyond::Zeros,
            "border" => Beyond::Border,
            "reflection" => Beyond::Reflection,
            other => return Err(NodeError::attribute("padding_mode", format!("`{other}` is unknown"))),
        };
        Ok(Self { kernel, beyond, corners: call.attributes.flag("align_corners", false)? })
    }

    /// Elements that are put before and behind an axis.
    fn reach(&self) -> usize {
        match (self.kernel, self.beyond) {
            (_, Beyond::Zeros) | (Kernel::Nearest | Kernel::Linear, _) => 0,
            (Kernel::Cubic, _) => CUBIC_REACH,
        }
    }

    /// The ends of an axis of that size.
    fn ends(&self, size: usize) -> (f64, f64) {
        match self.corners {
            true => (0.0, size as f64 - 1.0),
            false => (-0.5, size as f64 - 0.5),
        }
    }

    /// An axis with what lies beyond it, as far as the kernel reaches.
    fn extended(&self, call: &mut Call, input: ValueId, axis: usize) -> Result<ValueId> {
        let (size, reach) = (call.shape(input)[axis] as i64, self.reach() as i64);
        if reach == 0 {
            return Ok(input);
        }
        // Reflected about the ends: about the last element, or behind it.
        let (period, shift) = if self.corners { (2 * (size - 1), 0) } else { (2 * size, 1) };
        let source = |at: i64| match (self.beyond, period) {
            (Beyond::Reflection, 1..) => {
                let folded = at.rem_euclid(period);
                if folded < size {
                    folded
                } else {
                    period - shift - folded
                }
            }
            _ => at.clamp(0, size - 1),
        };
        call.builder.pick_axis(input, axis, (-reach..size + reach).map(|at| source(at) as usize))
    }

    /// Coordinates from −1 to 1 as positions among the elements, those beyond the ends brought back.
    fn position(&self, call: &mut Call, coordinate: ValueId, size: usize) -> Result<ValueId> {
        let builder = &mut *call.builder;
        let (lo, hi) = self.ends(size);
        let half = (hi - lo) / 2.0;
        let mut position = builder.affine(coordinate, half, lo + half)?;
        if self.kernel == Kernel::Nearest {
            position = builder.unary(UnaryFunction::Round, position)?;
        }
        let inside = UnaryFunction::Clip { lo: 0.0, hi: size as f64 - 1.0 };
        match self.beyond {
            Beyond::Zeros => Ok(position),
            // An element further out all that is read is the element at the end.
            Beyond::Border if self.kernel == Kernel::Cubic => {
                builder.unary(UnaryFunction::Clip { lo: -1.0, hi: size as f64 }, position)
            }
            Beyond::Border => builder.unary(inside, position),
            Beyond::Reflection => {
                let length = hi - lo;
                let folded = match length > 0.0 {
                    true => {
                        let from_end = builder.affine(position, 1.0, -lo)?;
                        let divisor = 2.0 * length;
                        let wave = UnaryFunction::Remainder { divisor, truncated: false };
                        let wave = builder.unary(wave, from_end)?;
                        let wave = builder.affine(wave, 1.0, -length)?;
                        let wave = builder.unary(UnaryFunction::Abs, wave)?;
                        builder.affine(wave, -1.0, hi)?
                    }
                    false => builder.affine(position, 0.0, lo)?,
                };
                match self.kernel {
                    Kernel::Cubic => Ok(folded),
                    _ => builder.unary(inside, folded),
                }
            }
        }
    }

    /// `[N, samples, elements]`: what each element of an axis counts at positions `[N, samples, 1]`.
    fn weights(&self, call: &mut Call, position: ValueId, size: usize) -> Result<ValueId> {
        let (dtype, builder) = (call.dtype(position), &mut *call.builder);
        let reach = self.reach() as f64;
        let count = size + 2 * self.reach();
        let elements = (0..count).map(|element| element as f64 - reach).collect();
        let elements = builder.constant(vec![1, 1, count], elements, dtype)?;
        let difference = builder.binary(BinaryFunction::Sub, position, elements)?;
        let distance = builder.unary(UnaryFunction::Abs, difference)?;
        match self.kernel {
            Kernel::Nearest => {
                let half = builder.scalar(0.5, dtype)?;
                let near = builder.binary(BinaryFunction::Less, distance, half)?;
                builder.retype(near, dtype)
            }
            Kernel::Linear => {
                let falling = builder.affine(distance, -1.0, 1.0)?;
                builder.unary(UnaryFunction::Relu, falling)
            }
            Kernel::Cubic => {
                let mut polynomial = |coefficients: [f64; 4]| {
                    let mut value = builder.affine(distance, coefficients[0], coefficients[1])?;
                    for coefficient in &coefficients[2..] {
                        let next = builder.binary(BinaryFunction::Mul, value, distance)?;
                        value = builder.affine(next, 1.0, *coefficient)?;
                    }
                    Ok::<_, NodeError>(value)
                };
                let a = CUBIC_SLOPE;
                let near = polynomial([a + 2.0, -(a + 3.0), 0.0, 1.0])?;
                let far = polynomial([a, -5.0 * a, 8.0 * a, -4.0 * a])?;
                let [one, two, zero] =
                    [builder.scalar(1.0, dtype)?, builder.scalar(2.0, dtype)?, builder.scalar(0.0, dtype)?];
                let is_near = builder.binary(BinaryFunction::Less, distance, one)?;
                let is_far = builder.binary(BinaryFunction::Less, distance, two)?;
                let outer = builder.select(is_far, far, zero)?;
                builder.select(is_near, near, outer)
            }
        }
    }
}
