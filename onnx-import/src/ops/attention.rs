//! Attention and rotary embedding, by the operators that they are made of.

use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, FloatOp, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::passes::NEGLIGIBLE;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[
    onnx("Attention", &[since(23, 3, 6, 4), since(24, 3, 7, 4)], attention),
    onnx("RotaryEmbedding", &[since(23, 3, 4, 1)], rotary_embedding),
];

/// The operands as `[batch, heads, positions, head size]`.
struct Heads {
    query: ValueId,
    key: ValueId,
    value: ValueId,
    /// Whether the operands, and the result, have their heads side by side in the last axis.
    flat: bool,
}

/// What a mask does to scores `[batch, heads, queries, keys]`.
struct Mask {
    /// Which keys each query attends to.
    kept: Vec<bool>,
    /// What is added besides, if anything.
    added: Option<ValueId>,
    /// Which of them it attends to as the data say, of the shape of the scores.
    gate: Option<ValueId>,
}

/// `softmax(softcap(Q·Kᵀ·scale) + mask)·V` for each head.
fn attention(call: &mut Call) -> Result<Vec<ValueId>> {
    let mut heads = heads(call)?;
    let past = past(call, &mut heads)?;
    let (present_key, present_value) = (heads.key, heads.value);
    share_heads(call, &mut heads)?;
    let size = call.shape(heads.query)[3] as f64;
    let scale = call.attributes.float("scale")?.unwrap_or(1.0 / size.sqrt());
    let key = call.builder.transpose(heads.key, &[0, 1, 3, 2])?;
    let product = call.builder.matmul(heads.query, key)?;
    let scores = call.builder.affine(product, scale, 0.0)?;
    let softcap = call.attributes.float_or("softcap", 0.0)?;
    let capped = capped(call, scores, softcap)?;
    let mask = mask(call, call.shape(capped), past)?;
    let mask = without_padding(call, call.shape(capped), mask)?;
    // Beside a gate they would be numbers of the scores, whose range leaves nothing of the others.
    let added = mask.added.and_then(|added| call.builder.tensor(added));
    if mask.gate.is_some() && added.is_some_and(|added| added.data.iter().any(|&value| value <= NEGLIGIBLE)) {
        return Err(NodeError::unsupported(
            "a constant mask of large finite numbers is not supported beside keys that the data take out",
            "export the constant mask with booleans or with −∞",
        ));
    }
    let masked = mask.added.is_some() || mask.gate.is_some() || mask.kept.contains(&false);
    if call.version < 24 && softcap > 0.0 && masked {
        return Err(NodeError::unsupported(
            "runtimes differ on softcap and mask together before operator set 24",
            "export the model with a later one",
        ));
    }
    let biased = match mask.added {
        Some(added) => call.builder.binary(BinaryFunction::Add, capped, added)?,
        None => capped,
    };
    // What it is computed in does not matter to real numbers.
    call.attributes.int("softmax_precision")?;
    let shares = softmax(call, biased, mask)?;
    let mut result = call.builder.matmul(shares, heads.value)?;
    if heads.flat {
        let shape = call.shape(result);
        result = call.builder.transpose(result, &[0, 2, 1, 3])?;
        result = call.builder.reshape(result, vec![shape[0], shape[2], shape[1] * shape[3]])?;
    }
    let shown = match call.attributes.int_or("qk_matmul_output_mode", 0)? {
        0 => scores,
        3 => shares,
        // The standard has exchanged these two, and masked scores are no numbers.
        1 | 2 if !masked && softcap <= 0.0 || call.used_outputs.get(3) != Some(&true) => scores,
        mode @ (1 | 2) => {
            return Err(NodeError::unsupported(
                format!("the scores of mode {mode} (fourth output) are not supported beside a mask or softcap"),
                "remove what reads them",
            ))
        }
        mode => return Err(NodeError::attribute("qk_matmul_output_mode", format!("{mode} is unknown"))),
    };
    Ok(vec![result, present_key, present_value, shown])
}

/// `softcap·tanh(v / softcap)` for a positive softcap.
fn capped(call: &mut Call, scores: ValueId, softcap: f64) -> Result<ValueId> {
    if softcap <= 0.0 {
        return Ok(scores);
    }
    let inner = call.builder.affine(scores, 1.0 / softcap, 0.0)?;
    let bounded = call.builder.unary(UnaryFunction::Tanh, inner)?;
    call.builder.affine(bounded, softcap, 0.0)
}

/// Queries, keys and values by head.
fn heads(call: &mut Call) -> Result<Heads> {
    let operands = [call.input(0)?, call.input(1)?, call.input(2)?];
    call.builder.same_type(&operands)?;
    let queries = call.attributes.int("q_num_heads")?;
    let keys = call.attributes.int("kv_num_heads")?;
    let ranks = operands.map(|operand| call.rank(operand));
    let [query, key, value] = match ranks {
        [4, 4, 4] => operands,
        [3, 3, 3] => {
            let mut split = operands;
            for (operand, count) in split.iter_mut().zip([queries, keys, keys]) {
                *operand = by_head(call, *operand, count)?;
            }
            split
        }
        _ => return Err(NodeError::shape(format!("its operands have {ranks:?} axes, not all 3 or all 4"))),
    };
    let [q, k, v] = [query, key, value].map(|operand| call.shape(operand));
    if q[0] != k[0] || k[..3] != v[..3] || q[3] != k[3] {
        return Err(NodeError::shape(format!("queries {q:?}, keys {k:?} and values {v:?} do not fit")));
    }
    Ok(Heads { query, key, value, flat: ranks[0] == 3 })
}

/// `[batch, positions, heads·size]` as `[batch, heads, positions, size]`.
pub(super) fn by_head(call: &mut Call, operand: ValueId, count: Option<i64>) -> Result<ValueId> {
    let shape = call.shape(operand);
    let count = count
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0 && shape[2].is_multiple_of(count));
    let Some(count) = count else {
        return Err(NodeError::shape(format!("the number of heads does not divide the last axis of {shape:?}")));
    };
    let split = call.builder.reshape(operand, vec![shape[0], shape[1], count, shape[2] / count])?;
    call.builder.transpose(split, &[0, 2, 1, 3])
}

/// Puts the past keys and values before the new ones; returns how many positions they have.
fn past(call: &mut Call, heads: &mut Heads) -> Result<usize> {
    let (key, value) = match (call.optional(4), call.optional(5)) {
        (Some(key), Some(value)) => (key, value),
        (None, None) => return Ok(0),
        _ => return Err(NodeError::shape("past keys and past values come together")),
    };
    if call.rank(key) != 4 || call.rank(value) != 4 || call.shape(key)[..3] != call.shape(value)[..3] {
        return Err(NodeError::shape("its past keys and values do not fit"));
    }
    heads.key = call.builder.concat(&[key, heads.key], 2)?;
    heads.value = call.builder.concat(&[value, heads.value], 2)?;
    Ok(call.shape(key)[2])
}

/// Repeats each head of keys and values for the heads of queries that share it.
fn share_heads(call: &mut Call, heads: &mut Heads) -> Result<()> {
    let (count, of) = (call.shape(heads.query)[1], call.shape(heads.key)[1]);
    if count == of {
        return Ok(());
    }
    if of == 0 || count % of != 0 {
        return Err(NodeError::shape(format!("{count} heads of queries for {of} of keys")));
    }
    for operand in [&mut heads.key, &mut heads.value] {
        *operand = call.builder.pick_axis(*operand, 1, (0..count).map(|head| head / (count / of)))?;
    }
    Ok(())
}

/// The masks together, for scores of a shape behind so many past positions.
fn mask(call: &mut Call, shape: Vec<usize>, past: usize) -> Result<Mask> {
    let (queries, keys) = (shape[2], shape[3]);
    let causal = call.attributes.flag("is_causal", false)?;
    let before = call.attributes.int_or("left_window_size", -1)?;
    let after = call.attributes.int_or("right_window_size", -1)?;
    let elements: usize = shape.iter().product();
    call.builder.materialize(elements as u64)?;
    let offsets = offsets(call, shape[0], queries, past, causal || before >= 0 || after >= 0)?;
    let attended = |index: usize| {
        let query = (index / keys % queries) as i64;
        let (at, key) = (query + offsets[index / (shape[1] * queries * keys)], (index % keys) as i64);
        (!causal || key <= at) && (before < 0 || at - key <= before) && (after < 0 || key - at <= after)
    };
    let mut mask = Mask { kept: (0..elements).map(attended).collect(), added: None, gate: None };
    let Some(given) = call.optional(3) else { return Ok(mask) };
    // Keys that the mask does not reach are masked.
    let reach = call.shape(given).last().copied().unwrap_or(keys);
    mask.kept.iter_mut().enumerate().for_each(|(index, kept)| *kept &= index % keys < reach);
    let mut axes: Vec<Vec<Option<usize>>> =
        call.shape(given).iter().map(|&size| (0..size).map(Some).collect()).collect();
    if let Some(last) = axes.last_mut().filter(|_| reach < keys) {
        last.resize(keys, None);
    }
    let boolean = call.dtype(given) == DType::Bool;
    if !boolean {
        call.builder.same_type(&[call.input(0)?, given])?;
    }
    let padded = call.builder.pick(given, &axes, 0.0)?;
    let wide = call.builder.broadcast(padded, &shape)?;
    let Some(tensor) = call.builder.tensor(wide).cloned() else {
        match boolean {
            true => mask.gate = Some(wide),
            false => mask.added = Some(wide),
        }
        return Ok(mask);
    };
    let least = if boolean { 0.0 } else { f64::NEG_INFINITY };
    mask.kept.iter_mut().zip(tensor.data.iter()).for_each(|(kept, &value)| *kept &= value != least);
    let finite: Vec<f64> = tensor.data.iter().map(|&added| if added.is_finite() { added } else { 0.0 }).collect();
    if !boolean && finite.iter().any(|&added| added != 0.0) {
        mask.added = Some(call.builder.constant(shape, finite, call.dtype(given))?);
    }
    Ok(mask)
}

/// How many keys of each sample lie before its first query: past ones, or those that are neither new nor padding.
fn offsets(call: &Call, batch: usize, queries: usize, past: usize, needed: bool) -> Result<Vec<i64>> {
    let Some(lengths) = call.optional(6).filter(|_| needed && call.optional(4).is_none()) else {
        return Ok(vec![past as i64; batch]);
    };
    let lengths = call.constant(lengths, "number of keys without padding, beside a causal mask or a window,")?;
    if lengths.data.len() != batch {
        return Err(NodeError::shape(format!("{} lengths for {batch} samples", lengths.data.len())));
    }
    Ok(lengths.data.iter().map(|&length| length as i64 - queries as i64).collect())
}

/// Takes the keys out that are padding: those from a length on that each sample has.
fn without_padding(call: &mut Call, shape: Vec<usize>, mut mask: Mask) -> Result<Mask> {
    let Some(lengths) = call.optional(6) else { return Ok(mask) };
    if call.optional(4).is_some() {
        return Err(NodeError::shape("nonpad_kv_seqlen and past keys exclude each other"));
    }
    if call.builder.elements(lengths) != shape[0] {
        return Err(NodeError::shape(format!("{} lengths for {} samples", call.builder.elements(lengths), shape[0])));
    }
    let positions = (0..shape[3]).map(|key| key as f64).collect();
    let positions = call.builder.constant(vec![1, 1, 1, shape[3]], positions, call.dtype(lengths))?;
    let lengths = call.builder.reshape(lengths, vec![shape[0], 1, 1, 1])?;
    let given = call.builder.binary(BinaryFunction::Less, positions, lengths)?;
    let given = call.builder.broadcast(given, &shape)?;
    match (call.builder.tensor(given), mask.gate) {
        (Some(tensor), _) => {
            mask.kept.iter_mut().zip(tensor.data.iter()).for_each(|(kept, &given)| *kept &= given != 0.0);
        }
        (None, Some(gate)) => mask.gate = Some(call.builder.binary(BinaryFunction::Min, gate, given)?),
        (None, None) => mask.gate = Some(given),
    }
    Ok(mask)
}

/// Softmax of what takes part; a query without any key attends to nothing.
fn softmax(call: &mut Call, scores: ValueId, Mask { kept, gate, .. }: Mask) -> Result<ValueId> {
    let (shape, dtype) = (call.shape(scores), call.dtype(scores));
    let axis = shape.len() - 1;
    let op = match (gate, kept.contains(&false)) {
        (Some(gate), _) => {
            let mut index = 0..;
            let gate = call.builder.view(gate, shape.clone(), 0.0, |_| index.next().filter(|&at| kept[at]))?;
            FloatOp::GatedSoftmax { input: scores, gate, axis, shared: None }
        }
        (None, true) => FloatOp::MaskedSoftmax { input: scores, axis, kept: kept.into() },
        (None, false) => FloatOp::Softmax { input: scores, axis },
    };
    call.builder.emit(op, shape, dtype)
}

/// Pairs `(a, b)` of each head's first features, turned by the angle of their position: `(a·cos − b·sin, a·sin + b·cos)`.
fn rotary_embedding(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let interleaved = call.attributes.flag("interleaved", false)?;
    let count = call.attributes.int("num_heads")?.filter(|&count| count != 0);
    let rotated = call.attributes.int_or("rotary_embedding_dim", 0)?;
    let original = call.shape(input);
    let heads = match original.len() {
        4 => input,
        3 => by_head(call, input, count)?,
        _ => return Err(NodeError::shape(format!("its operand of shape {original:?} has neither 3 nor 4 axes"))),
    };
    let shape = call.shape(heads);
    let size = shape[3];
    let rotated = if rotated == 0 { size } else { usize::try_from(rotated).unwrap_or(usize::MAX) };
    if rotated > size || rotated % 2 != 0 {
        return Err(NodeError::attribute("rotary_embedding_dim", format!("no such pairs among {size} features")));
    }
    let half = rotated / 2;
    let (cosines, sines) = (angles(call, 1, &shape, half)?, angles(call, 2, &shape, half)?);
    let first = |pair: usize| if interleaved { 2 * pair } else { pair };
    let second = |pair: usize| if interleaved { 2 * pair + 1 } else { half + pair };
    let builder = &mut *call.builder;
    let a = builder.pick_axis(heads, 3, (0..half).map(first))?;
    let b = builder.pick_axis(heads, 3, (0..half).map(second))?;
    let mut product = |x, y| builder.binary(BinaryFunction::Mul, x, y);
    let [a_cos, b_sin, a_sin, b_cos] =
        [product(a, cosines)?, product(b, sines)?, product(a, sines)?, product(b, cosines)?];
    let real = builder.binary(BinaryFunction::Sub, a_cos, b_sin)?;
    let imaginary = builder.binary(BinaryFunction::Add, a_sin, b_cos)?;
    let rest = builder.pick_axis(heads, 3, rotated..size)?;
    let parts = builder.concat(&[real, imaginary, rest], 3)?;
    let source = |feature: usize| match interleaved && feature < rotated {
        true => feature % 2 * half + feature / 2,
        false => feature,
    };
    let turned = builder.pick_axis(parts, 3, (0..size).map(source))?;
    if original.len() == 4 {
        return Ok(vec![turned]);
    }
    let turned = builder.transpose(turned, &[0, 2, 1, 3])?;
    Ok(vec![builder.reshape(turned, original)?])
}

/// A table of cosines or sines as `[batch, 1, positions, half]`: one row per position, or rows picked by position numbers.
fn angles(call: &mut Call, index: usize, shape: &[usize], half: usize) -> Result<ValueId> {
    let cache = call.input(index)?;
    let (batch, positions) = (shape[0], shape[2]);
    let rows = match call.optional(3) {
        None => cache,
        Some(numbers) => {
            let numbers = call.constant(numbers, "position numbers")?;
            let levels = call.shape(cache).first().copied().unwrap_or(0) as f64;
            let inside = numbers.data.iter().all(|&number| (0.0..levels).contains(&number));
            if !inside || call.rank(cache) != 2 || numbers.data.len() != batch * positions {
                return Err(NodeError::shape("its position numbers do not fit the angles"));
            }
            call.builder.pick_axis(cache, 0, numbers.data.iter().map(|&number| number as usize))?
        }
    };
    if call.builder.elements(rows) != batch * positions * half {
        return Err(NodeError::shape(format!("angles of shape {:?} for {positions} positions", call.shape(cache))));
    }
    call.builder.reshape(rows, vec![batch, 1, positions, half])
}
