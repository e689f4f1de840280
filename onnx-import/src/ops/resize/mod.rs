//! Resize and Upsample: interpolation along each axis on its own.
//!
//! Nearest neighbours are a view. Linear and cubic interpolation, with or without antialiasing, is a product with a
//! constant matrix along each axis that changes, which is exact because the interpolation is separable.

mod coordinates;
mod kernel;

use super::quantized::cut_off;
use crate::error::NodeError;
use crate::float::graph::{Tensor, ValueId};
use crate::lower::call::resolve_axes;
use crate::lower::{Builder, Call};
use crate::registry::{onnx, since, Operator};
use coordinates::{Axis, Coordinates, Precision, Rounding};
use kernel::Kernel;

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Resize", &[since(10, 2, 2, 1), since(11, 3, 4, 1), since(13, 1, 4, 1)], resize),
    onnx("Upsample", &[since(7, 1, 1, 1), since(9, 2, 2, 1)], upsample),
];

/// Largest size of an axis of the result.
const MAX_SIZE: f64 = (1 << 28) as f64;

fn upsample(call: &mut Call) -> Result<Vec<ValueId>> {
    if call.version >= 10 {
        return Err(NodeError::UnknownOperator { version: call.version });
    }
    let scales = if call.version < 9 { call.attributes.floats("scales")? } else { numbers(call, 1, "scales")? };
    first_generation(call, scales)
}

/// Operator set 10 and before: coordinates scale from the corner, and nearest is the one before. What nearest means for
/// a smaller result was not said.
fn first_generation(call: &mut Call, scales: Option<Vec<f64>>) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let mode = call.attributes.string_or("mode", "nearest")?;
    let scales = scales.ok_or_else(|| NodeError::shape("no scales"))?;
    let axes = by_scales(&call.shape(input), &scales, &(0..call.rank(input)).collect::<Vec<_>>())?;
    match mode.as_str() {
        "nearest" if scales.iter().any(|&scale| scale < 1.0) => Err(NodeError::unsupported(
            "nearest neighbours of a smaller result are not defined before operator set 11",
            "export the model with a later one",
        )),
        "nearest" => nearest(call.builder, input, &axes, Coordinates::Asymmetric, Rounding::Floor, 0.0),
        "linear" => interpolate(call, input, &axes, Coordinates::Asymmetric, Kernel::LINEAR, 0.0),
        other => Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    }
}

fn resize(call: &mut Call) -> Result<Vec<ValueId>> {
    if call.version < 11 {
        let scales = numbers(call, 1, "scales")?;
        return first_generation(call, scales);
    }
    let input = call.input(0)?;
    let attributes = &call.attributes;
    let mode = attributes.string_or("mode", "nearest")?;
    let coordinates =
        Coordinates::read(&attributes.string_or("coordinate_transformation_mode", "half_pixel")?, call.version)?;
    let rounding = Rounding::read(&attributes.string_or("nearest_mode", "round_prefer_floor")?)?;
    let cubic = attributes.float_or("cubic_coeff_a", -0.75)?;
    let exclude_outside = attributes.flag("exclude_outside", false)?;
    let extrapolation = attributes.float_or("extrapolation_value", 0.0)?;
    let antialias = call.version >= 18 && attributes.flag("antialias", false)?;
    let axes = axes(call, input, coordinates)?;
    let kernel = match mode.as_str() {
        "nearest" if antialias => return Err(NodeError::attribute("antialias", "nearest neighbours have none")),
        "nearest" => return nearest(call.builder, input, &axes, coordinates, rounding, extrapolation),
        "linear" => Kernel { antialias, ..Kernel::LINEAR },
        "cubic" => Kernel { cubic: Some(cubic), antialias, exclude_outside },
        other => return Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    };
    interpolate(call, input, &axes, coordinates, kernel, extrapolation)
}

/// A constant operand of numbers, `None` where it is left out or empty.
fn numbers(call: &Call, index: usize, operand: &'static str) -> Result<Option<Vec<f64>>> {
    let Some(value) = call.optional(index) else { return Ok(None) };
    let values = call.constant(value, operand)?.data.to_vec();
    Ok(if values.is_empty() { None } else { Some(values) })
}

/// How each axis changes, from scales or sizes, and the region of interest.
fn axes(call: &Call, input: ValueId, coordinates: Coordinates) -> Result<Vec<Axis>> {
    let shape = call.shape(input);
    let chosen = match if call.version >= 18 { call.attributes.ints("axes")? } else { None } {
        Some(axes) => resolve_axes(&axes, shape.len())?,
        None => (0..shape.len()).collect(),
    };
    let policy = match call.version {
        18.. => call.attributes.string_or("keep_aspect_ratio_policy", "stretch")?,
        _ => "stretch".into(),
    };
    let mut axes = match (numbers(call, 2, "scales")?, numbers(call, 3, "sizes")?) {
        (Some(scales), None) => by_scales(&shape, &scales, &chosen)?,
        (None, Some(sizes)) => by_sizes(&shape, &sizes, &chosen, &policy)?,
        _ => return Err(NodeError::shape("exactly one of scales and sizes must be given")),
    };
    if coordinates == Coordinates::CropAndResize {
        let region = numbers(call, 1, "region of interest")?.unwrap_or_default();
        if region.len() != 2 * chosen.len() {
            let expected = 2 * chosen.len();
            return Err(NodeError::shape(format!("a region of interest of {} numbers, not {expected}", region.len())));
        }
        for (index, &axis) in chosen.iter().enumerate() {
            axes[axis].region = [region[index], region[chosen.len() + index]];
        }
        check_crop(&axes)?;
    }
    Ok(axes)
}

/// Runtimes leave an axis alone whose size stays, even where a part of it is asked for, and treat leading axes differently.
fn check_crop(axes: &[Axis]) -> Result<()> {
    let (leading, image) = axes.split_at(axes.len().saturating_sub(2));
    let kept_in_part = |axis: &Axis| axis.input == axis.output && axis.region != [0.0, 1.0];
    if leading.iter().any(|axis| !axis.is_unchanged()) || image.iter().any(kept_in_part) {
        return Err(NodeError::unsupported(
            "runtimes differ on this use of tf_crop_and_resize",
            "crop with Slice and use another coordinate transformation",
        ));
    }
    Ok(())
}

fn by_scales(shape: &[usize], scales: &[f64], chosen: &[usize]) -> Result<Vec<Axis>> {
    if scales.len() != chosen.len() || scales.iter().any(|scale| !scale.is_finite() || *scale <= 0.0) {
        return Err(NodeError::shape(format!("scales {scales:?} of {} axes", chosen.len())));
    }
    let mut axes: Vec<Axis> = shape.iter().map(|&size| Axis::unchanged(size)).collect();
    for (&axis, &scale) in chosen.iter().zip(scales) {
        // In single precision, as runtimes do: 0.6 · 5 is 3 there.
        let output = f64::from((scale as f32 * shape[axis] as f32).floor());
        if output > MAX_SIZE {
            return Err(NodeError::TooLarge { what: "size of an axis", found: output as u64, limit: MAX_SIZE as u64 });
        }
        axes[axis] = Axis { output: output as usize, scale, ..axes[axis] };
    }
    Ok(axes)
}

/// With `not_larger` and `not_smaller` all axes take the smallest or largest of the scales that the sizes give.
fn by_sizes(shape: &[usize], sizes: &[f64], chosen: &[usize], policy: &str) -> Result<Vec<Axis>> {
    let possible = |size: &f64| (1.0..=MAX_SIZE).contains(size);
    if sizes.len() != chosen.len() || !sizes.iter().all(possible) || chosen.iter().any(|&axis| shape[axis] == 0) {
        return Err(NodeError::shape(format!("sizes {sizes:?} of axes {chosen:?} of {shape:?}")));
    }
    let ratios = chosen.iter().zip(sizes).map(|(&axis, &size)| size / shape[axis] as f64);
    let common = match policy {
        "stretch" => None,
        "not_larger" => Some(ratios.clone().fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios.clone().fold(0.0, f64::max)),
        other => return Err(NodeError::attribute("keep_aspect_ratio_policy", format!("`{other}` is unknown"))),
    };
    let mut axes: Vec<Axis> = shape.iter().map(|&size| Axis::unchanged(size)).collect();
    for ((&axis, &size), ratio) in chosen.iter().zip(sizes).zip(ratios) {
        let scale = common.unwrap_or(ratio);
        let output = common.map_or(size, |scale| (scale * shape[axis] as f64 + 0.5).floor());
        axes[axis] = Axis { output: output as usize, scale, by_size: true, ..axes[axis] };
    }
    Ok(axes)
}

fn nearest(
    builder: &mut Builder,
    input: ValueId,
    axes: &[Axis],
    coordinates: Coordinates,
    rounding: Rounding,
    extrapolation: f64,
) -> Result<Vec<ValueId>> {
    let elements = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.output));
    if elements.is_none_or(|elements| elements as f64 > MAX_SIZE) || axes.iter().any(|axis| axis.input == 0) {
        return Err(NodeError::shape("its result is empty or too large"));
    }
    // Of the index map, and of the positions along the longest axis.
    let elements = elements.into_iter().chain(axes.iter().map(|axis| axis.output)).max().unwrap_or(0);
    builder.check_room(elements as u64)?;
    let picked = axes.iter().map(|axis| neighbours(axis, coordinates, rounding)).collect::<Result<Vec<_>>>()?;
    Ok(vec![builder.pick(input, &picked, extrapolation)?])
}

/// The nearest neighbour of each position. With scales or a region, which are single-precision numbers, runtimes may round
/// ties one way or the other; where it matters the node is refused.
fn neighbours(axis: &Axis, coordinates: Coordinates, rounding: Rounding) -> Result<Vec<Option<usize>>> {
    let of = |precision| -> Result<Vec<Option<usize>>> {
        let held = |at: f64| (rounding.apply(at).max(0.0) as usize).min(axis.input - 1);
        Ok(coordinates.of_axis(axis, precision)?.into_iter().map(|at| at.map(held)).collect())
    };
    let picked = of(Precision::Double)?;
    let exact = axis.by_size && coordinates != Coordinates::CropAndResize;
    if !exact && picked != of(Precision::Single)? {
        return Err(NodeError::unsupported(
            format!("with a scale of {} of {} elements, runtimes round ties differently", axis.scale, axis.input),
            "give sizes instead of scales",
        ));
    }
    Ok(picked)
}

fn interpolate(
    call: &mut Call,
    input: ValueId,
    axes: &[Axis],
    coordinates: Coordinates,
    kernel: Kernel,
    extrapolation: f64,
) -> Result<Vec<ValueId>> {
    if !call.dtype(input).is_float() {
        return interpolate_integers(call, input, axes, coordinates, kernel);
    }
    let builder = &mut *call.builder;
    let mut value = input;
    let mut outside: Vec<Vec<bool>> = vec![];
    for (index, axis) in axes.iter().enumerate() {
        if axis.is_unchanged() {
            outside.push(vec![false; axis.output]);
            continue;
        }
        builder.check_room((axis.output as u64).saturating_mul(axis.input.max(1) as u64))?;
        let positions = coordinates.of_axis(axis, Precision::Double)?;
        if axis.output == 1 && coordinates == Coordinates::PytorchHalfPixel && kernel.is_wide() {
            return Err(NodeError::unsupported(
                "runtimes differ on cubic or antialiased interpolation to a single element",
                "use another coordinate transformation",
            ));
        }
        if kernel.antialias && axis.input == axis.output {
            return Err(NodeError::unsupported(
                format!("runtimes differ on antialiasing with a scale of {} and the same size", axis.scale),
                "give sizes instead of scales",
            ));
        }
        outside.push(positions.iter().map(Option::is_none).collect());
        let weights = kernel.matrix(axis, &positions);
        value = apply_along(builder, value, index, axis, weights)?;
    }
    if outside.iter().flatten().any(|&is_outside| is_outside) {
        let shape = builder.shape(value).to_vec();
        let mut flat = 0..;
        value = builder.view(value, shape, extrapolation, |position| {
            let index = flat.next();
            let is_outside = position.iter().zip(&outside).any(|(&at, axis)| axis[at]);
            index.filter(|_| !is_outside)
        })?;
    }
    Ok(vec![value])
}

/// Linear interpolation of integers of 8 bits with weights of few binary places, cut off towards zero as onnxruntime does.
fn interpolate_integers(
    call: &mut Call,
    input: ValueId,
    axes: &[Axis],
    coordinates: Coordinates,
    kernel: Kernel,
) -> Result<Vec<ValueId>> {
    let refused =
        || NodeError::unsupported("interpolation of integers with such weights", "cast to a float type first");
    if kernel.is_wide() {
        return Err(refused());
    }
    let mut matrices = Vec::new();
    for (index, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.is_unchanged()) {
        call.builder.check_room((axis.output as u64).saturating_mul(axis.input.max(1) as u64))?;
        let positions = coordinates.of_axis(axis, Precision::Double)?;
        if positions.contains(&None) {
            return Err(refused());
        }
        matrices.push((index, Tensor::new(vec![axis.output, axis.input], kernel.matrix(axis, &positions))));
    }
    let result = cut_off(call, input, &matrices)?.ok_or_else(refused)?;
    Ok(vec![result])
}

/// Multiplies by an `output × input` matrix along an axis.
fn apply_along(builder: &mut Builder, value: ValueId, index: usize, axis: &Axis, weights: Vec<f64>) -> Result<ValueId> {
    let mut shape = builder.shape(value).to_vec();
    let (outer, inner): (usize, usize) = (shape[..index].iter().product(), shape[index + 1..].iter().product());
    let matrix = builder.constant(vec![axis.output, axis.input], weights, builder.dtype(value))?;
    let product = if inner == 1 {
        let rows = builder.reshape(value, vec![outer, axis.input])?;
        let turned = builder.transpose(matrix, &[1, 0])?;
        builder.matmul(rows, turned)?
    } else {
        let blocks = builder.reshape(value, vec![outer, axis.input, inner])?;
        builder.matmul(matrix, blocks)?
    };
    shape[index] = axis.output;
    builder.reshape(product, shape)
}
