//! ScatterElements and ScatterND. With constant indices: a view of data and updates, or a few combinations of both where
//! several updates meet in one element. With indices that depend on the inputs: ones where an index is a position, times the updates;
//! of several updates that replace one element the last one counts, which the standard leaves open and onnxruntime does.

use super::arithmetic::check_wrap;
use super::gather::{flat_places, integer_constant};
use super::one_hot::{indicators, wrapped};
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::call::resolve_axis;
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Scatter", &[since(9, 3, 3, 1)], scatter_elements),
    onnx("ScatterElements", &[since(11, 3, 3, 1)], scatter_elements),
    onnx("ScatterND", &[since(11, 3, 3, 1)], scatter_nd),
    onnx("MaxUnpool", &[since(9, 2, 3, 1)], max_unpool),
];

/// Most updates of one element.
const MAX_MEETING: usize = 64;
/// Most pairs of updates by data whose positions are compared.
const MAX_PAIRS: usize = 1 << 20;
/// Positions further apart are compared as integers; rounding in fixed point does not reach a half of nearer ones.
const MAX_ROUNDED: usize = 128;

/// `out[index[i, j, …], j, …] = updates[i, j, …]` for axis 0.
fn scatter_elements(call: &mut Call) -> Result<Vec<ValueId>> {
    let (data, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let from = call.shape(data);
    let axis = call.axis(0, from.len())?;
    if call.builder.tensor(indices).is_none() {
        return elements_by_data(call, [data, indices, updates], axis);
    }
    let indices = integer_constant(call, indices)?;
    let fits = indices.shape.len() == from.len()
        && call.shape(updates) == indices.shape
        && indices.shape.iter().zip(&from).enumerate().all(|(at, (a, b))| at == axis || a <= b);
    if !fits {
        let found = call.shape(updates);
        return Err(NodeError::shape(format!("updates {found:?} at indices {:?} of {from:?}", indices.shape)));
    }
    call.builder.check_room(indices.data.len() as u64)?;
    let mut targets = Vec::with_capacity(indices.data.len());
    for (flat, &index) in indices.data.iter().enumerate() {
        let index = resolve_axis(index as i64, from[axis])?;
        let (mut rest, mut target, mut stride) = (flat, 0, 1);
        for at in (0..from.len()).rev() {
            let position = rest % indices.shape[at];
            rest /= indices.shape[at];
            target += stride * if at == axis { index } else { position };
            stride *= from[at];
        }
        targets.push(target);
    }
    scatter(call, [data, updates], &targets)
}

/// The last axis of the indices names a position in the first axes of the data.
fn scatter_nd(call: &mut Call) -> Result<Vec<ValueId>> {
    let (data, indices, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let from = call.shape(data);
    if call.builder.tensor(indices).is_none() {
        return rows_by_data(call, [data, indices, updates]);
    }
    let indices = integer_constant(call, indices)?;
    let misfit =
        || NodeError::shape(format!("updates {:?} at indices {:?} of {from:?}", call.shape(updates), indices.shape));
    let (&depth, outer) = indices.shape.split_last().ok_or_else(misfit)?;
    if depth > from.len() || [outer, &from[depth..]].concat() != call.shape(updates) {
        return Err(misfit());
    }
    let inner: usize = from[depth..].iter().product();
    call.builder.check_room(call.builder.elements(updates) as u64)?;
    let mut targets = vec![];
    for place in indices.data.chunks(depth.max(1)).take(outer.iter().product()) {
        let mut row = 0;
        for (&index, &size) in place.iter().zip(&from[..depth]) {
            row = row * size + resolve_axis(index as i64, size)?;
        }
        targets.extend((0..inner).map(|i| row * inner + i));
    }
    scatter(call, [data, updates], &targets)
}

/// Zeros, and each element of the first operand at the flat position that the second gives.
fn max_unpool(call: &mut Call) -> Result<Vec<ValueId>> {
    let (input, places) = (call.input(0)?, call.input(1)?);
    let from = call.shape(input);
    let axes = from.len().saturating_sub(2);
    let list = |name: &str, default: i64, count: usize| match call.attributes.ints(name)? {
        None => Ok(vec![default; count]),
        Some(list) if list.len() == count => Ok(list),
        Some(list) => Err(NodeError::attribute(name, format!("{} numbers for {axes} axes", list.len()))),
    };
    let (kernel, strides, pads) =
        (list("kernel_shape", 1, axes)?, list("strides", 1, axes)?, list("pads", 0, 2 * axes)?);
    let size = |axis: usize| {
        let grown = (from[axis + 2] as i64 - 1).checked_mul(strides[axis])?.checked_add(kernel[axis])?;
        grown.checked_sub(pads[axis])?.checked_sub(pads[axis + axes]).filter(|size| (1..=1 << 28).contains(size))
    };
    let misfit = || NodeError::shape(format!("positions {:?} for {from:?}", call.shape(places)));
    let sizes: Vec<usize> =
        (0..axes).map(|axis| size(axis).map(|size| size as usize)).collect::<Option<_>>().ok_or_else(misfit)?;
    if call.shape(places) != from || axes == 0 {
        return Err(misfit());
    }
    let shape = [&from[..2], &sizes[..]].concat();
    if let Some(given) = call.integers(2, "output shape")? {
        if given.iter().map(|&size| size as usize).ne(shape.iter().copied()) {
            return Err(NodeError::unsupported(
                format!("an output shape {given:?} beside {shape:?}, which the windows give"),
                "leave it out",
            ));
        }
    }
    let count = from.iter().product();
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).ok_or_else(misfit)?;
    call.builder.check_room(elements as u64)?;
    let places = call.builder.reshape(places, vec![count])?;
    let chosen = indicators(call, places, elements, false, call.dtype(input))?;
    let turned = call.builder.transpose(chosen, &[1, 0])?;
    let column = call.builder.reshape(input, vec![count, 1])?;
    // Windows that overlap may have one maximum in common.
    let column = last_ones(call, places, elements, column)?;
    let put = call.builder.matmul(turned, column)?;
    Ok(vec![call.builder.reshape(put, shape)?])
}

/// ScatterElements by data, along an axis whose other axes are those of the data.
fn elements_by_data(call: &mut Call, [data, indices, updates]: [ValueId; 3], axis: usize) -> Result<Vec<ValueId>> {
    let (from, to) = (call.shape(data), call.shape(indices));
    let same = to.len() == from.len() && to.iter().zip(&from).enumerate().all(|(at, (a, b))| at == axis || a == b);
    if !same || call.shape(updates) != to || !call.dtype(indices).is_integer() {
        return Err(NodeError::shape(format!(
            "updates {:?} at indices {to:?} of {from:?} that depend on the inputs",
            call.shape(updates)
        )));
    }
    let adds = adds(call, [data, updates])?;
    call.builder.same_type(&[data, updates])?;
    let last = from.len() - 1;
    let mut order: Vec<usize> = (0..=last).collect();
    order.swap(axis, last);
    let [data, indices, updates] = {
        let mut moved = [data, indices, updates];
        for value in &mut moved {
            *value = call.builder.transpose(*value, &order)?;
        }
        moved
    };
    // [.., updates, positions]
    let chosen = indicators(call, indices, from[axis], true, call.dtype(data))?;
    let mut wide = call.shape(updates);
    wide.push(1);
    let mut updates = call.builder.reshape(updates, wide)?;
    if !adds {
        let places = wrapped(call, indices, from[axis])?;
        updates = last_ones(call, places, from[axis], updates)?;
    }
    let gated = call.builder.binary(BinaryFunction::Mul, chosen, updates)?;
    let put = call.builder.reduce(gated, ReduceKind::Sum, &[last], false)?;
    let covered = call.builder.reduce(chosen, ReduceKind::Sum, &[last], false)?;
    let result = beside(call, data, covered, put, adds)?;
    Ok(vec![call.builder.transpose(result, &order)?])
}

/// ScatterND by data.
fn rows_by_data(call: &mut Call, [data, indices, updates]: [ValueId; 3]) -> Result<Vec<ValueId>> {
    let (from, to) = (call.shape(data), call.shape(indices));
    let depth = to.last().copied().unwrap_or(0).min(from.len());
    let outer = &to[..to.len().saturating_sub(1)];
    if [outer, &from[depth..]].concat() != call.shape(updates) {
        return Err(NodeError::shape(format!("updates {:?} at indices {to:?} of {from:?}", call.shape(updates))));
    }
    let adds = adds(call, [data, updates])?;
    call.builder.same_type(&[data, updates])?;
    let places = flat_places(call, indices, &from)?;
    let product = |sizes: &[usize]| sizes.iter().product::<usize>();
    let (rows, inner) = (product(&from[..depth]), product(&from[depth..]));
    let chosen = indicators(call, places, rows, false, call.dtype(data))?;
    let turned = call.builder.transpose(chosen, &[1, 0])?;
    let mut updates = call.builder.reshape(updates, vec![product(outer), inner])?;
    if !adds {
        updates = last_ones(call, places, rows, updates)?;
    }
    let put = call.builder.matmul(turned, updates)?;
    let covered = call.builder.reduce(turned, ReduceKind::Sum, &[1], true)?;
    let flat = call.builder.reshape(data, vec![rows, inner])?;
    let result = beside(call, flat, covered, put, adds)?;
    Ok(vec![call.builder.reshape(result, from)?])
}

/// Updates `[…, updates, inner]`, zero where a later one has the same position; the places `[…, updates]` are not negative.
fn last_ones(call: &mut Call, places: ValueId, positions: usize, updates: ValueId) -> Result<ValueId> {
    let mut shape = call.shape(places);
    let count = shape.last().copied().unwrap_or(1);
    if count < 2 {
        return Ok(updates);
    }
    let pairs = call.builder.elements(places).saturating_mul(count - 1);
    if pairs > MAX_PAIRS {
        return Err(NodeError::unsupported(
            format!("{pairs} pairs of updates whose positions depend on the inputs and may be the same"),
            "use fewer updates, or constant indices",
        ));
    }
    let whole = positions > MAX_ROUNDED && call.dtype(places).is_integer();
    let places = if whole { places } else { call.builder.retype(places, DType::Float32)? };
    // Those that come after each, and no position behind the last one.
    let wide = [&shape[..], &[count - 1]].concat();
    let later = call.builder.view(places, wide, -1.0, |at| {
        let (&step, outer) = at.split_last()?;
        let (&update, outer) = outer.split_last()?;
        let other = update + step + 1;
        let row = outer.iter().zip(&shape).fold(0, |row, (&index, &size)| row * size + index);
        (other < count).then_some(row * count + other)
    })?;
    shape.push(1);
    let own = call.builder.reshape(places, shape.clone())?;
    let same = match whole {
        true => call.builder.binary(BinaryFunction::Equal, later, own)?,
        false => {
            let difference = call.builder.binary(BinaryFunction::Sub, later, own)?;
            let distance = call.builder.unary(UnaryFunction::Abs, difference)?;
            let half = call.builder.scalar(0.5, DType::Float32)?;
            call.builder.binary(BinaryFunction::Less, distance, half)?
        }
    };
    let replaced = call.builder.reduce(same, ReduceKind::Max, &[shape.len() - 1], true)?;
    let zero = call.builder.scalar(0.0, call.dtype(updates))?;
    call.builder.select(replaced, zero, updates)
}

/// Data with updates put where they are, or added to it; `covered` says how many updates an element has.
fn beside(call: &mut Call, data: ValueId, covered: ValueId, put: ValueId, adds: bool) -> Result<ValueId> {
    let kept = match adds {
        true => data,
        false => {
            let half = call.builder.scalar(0.5, DType::Float32)?;
            let covered = call.builder.retype(covered, DType::Float32)?;
            let free = call.builder.binary(BinaryFunction::Less, covered, half)?;
            let free = call.builder.retype(free, call.dtype(data))?;
            call.builder.binary(BinaryFunction::Mul, data, free)?
        }
    };
    call.builder.binary(BinaryFunction::Add, kept, put)
}

/// Whether updates by data are added; they replace elements otherwise.
fn adds(call: &Call, operands: [ValueId; 2]) -> Result<bool> {
    let reduction = match call.version {
        ..16 => "none".to_owned(),
        _ => call.attributes.string_or("reduction", "none")?,
    };
    match reduction.as_str() {
        "none" => Ok(false),
        "add" => check_wrap(call, &operands).map(|()| true),
        other => Err(NodeError::unsupported(
            format!("reduction `{other}` at indices that depend on the inputs"),
            "use none or add, or constant indices",
        )),
    }
}

/// Puts each update into the element of that flat index.
fn scatter(call: &mut Call, [data, updates]: [ValueId; 2], targets: &[usize]) -> Result<Vec<ValueId>> {
    let reduction = match call.version {
        ..16 => "none".to_owned(),
        _ => call.attributes.string_or("reduction", "none")?,
    };
    let function = match reduction.as_str() {
        "none" => None,
        "add" => Some(BinaryFunction::Add),
        "mul" => Some(BinaryFunction::Mul),
        "max" if call.version >= 18 => Some(BinaryFunction::Max),
        "min" if call.version >= 18 => Some(BinaryFunction::Min),
        other => return Err(NodeError::attribute("reduction", format!("`{other}` is unknown"))),
    };
    if matches!(function, Some(BinaryFunction::Add | BinaryFunction::Mul)) {
        check_wrap(call, &[data, updates])?;
    }
    call.builder.same_type(&[data, updates])?;
    let (shape, count) = (call.shape(data), call.builder.elements(data));
    // The updates of each element, in order.
    let mut meeting = vec![Vec::new(); count];
    targets.iter().enumerate().for_each(|(update, &target)| meeting[target].push(update));
    let rounds = meeting.iter().map(Vec::len).max().unwrap_or(0);
    if rounds > 1 && function.is_none() {
        return Err(NodeError::unsupported("indices that name an element twice", "name each element once"));
    }
    if rounds > MAX_MEETING {
        return Err(NodeError::unsupported(format!("{rounds} updates of one element"), "use at most 64"));
    }
    let flat_updates = call.builder.reshape(updates, vec![targets.len()])?;
    let mut result = call.builder.reshape(data, vec![count])?;
    for round in 0..rounds {
        let both = call.builder.concat(&[result, flat_updates], 0)?;
        let update = |element: usize| meeting[element].get(round).map(|update| count + update);
        result = match function {
            None => call.builder.view(both, vec![count], 0.0, |at| Some(update(at[0]).unwrap_or(at[0])))?,
            Some(function) => {
                // The largest and the smallest of an element and itself are the element.
                let (fill, itself) = match function {
                    BinaryFunction::Add => (0.0, false),
                    BinaryFunction::Mul => (1.0, false),
                    _ => (0.0, true),
                };
                let other =
                    call.builder.view(both, vec![count], fill, |at| update(at[0]).or(itself.then_some(at[0])))?;
                call.builder.binary(function, result, other)?
            }
        };
    }
    Ok(vec![call.builder.reshape(result, shape)?])
}
