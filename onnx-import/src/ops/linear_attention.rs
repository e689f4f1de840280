//! LinearAttention: a state of keys and values for each head, which every position changes and reads.

use super::attention::by_head;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("LinearAttention", &[since(27, 3, 6, 2)], linear_attention)];

/// What a position does to the state.
struct Update {
    /// By how much the state is taken down first, `e^decay`: `[batch, heads, positions, 1 or key size]`.
    kept: Option<ValueId>,
    /// How far what the state has for the key is replaced by the value: `[batch, 1 or heads, positions, 1]`.
    rate: Option<ValueId>,
}

/// `S ← e^g·S + kᵀ·v`, or with a rate `β` that `S ← e^g·S + kᵀ·β·(v − k·e^g·S)`; then `scale·q·S`, position by position.
fn linear_attention(call: &mut Call) -> Result<Vec<ValueId>> {
    let packed = [call.input(0)?, call.input(1)?, call.input(2)?];
    call.builder.same_type(&packed)?;
    let (queries, heads) = (call.attributes.int("q_num_heads")?, call.attributes.int("kv_num_heads")?);
    // How many positions are computed at once does not matter.
    call.attributes.int("chunk_size")?;
    if let Some(&operand) = packed.iter().find(|&&operand| call.rank(operand) != 3) {
        return Err(NodeError::shape(format!("an operand of shape {:?}, not of three axes", call.shape(operand))));
    }
    let [query, key, value] =
        [by_head(call, packed[0], queries)?, by_head(call, packed[1], heads)?, by_head(call, packed[2], heads)?];
    let [q, k, v] = [query, key, value].map(|operand| call.shape(operand));
    if q[0] != k[0] || q[2..] != k[2..] || k[..3] != v[..3] || !q[1].is_multiple_of(k[1]) {
        return Err(NodeError::shape(format!("queries {q:?}, keys {k:?} and values {v:?} do not fit")));
    }
    let (batch, heads, positions, group) = (k[0], k[1], k[2], q[1] / k[1]);
    let update = update(call, &k, heads)?;
    let scale = call.attributes.float_or("scale", 0.0)?;
    let scale = if scale == 0.0 { 1.0 / (k[3] as f64).sqrt() } else { scale };
    let dtype = call.dtype(query);
    let mut state = match call.optional(3) {
        Some(past) if call.shape(past) == [batch, heads, k[3], v[3]] => Some(call.builder.retype(past, dtype)?),
        Some(past) => return Err(NodeError::shape(format!("a state of shape {:?}", call.shape(past)))),
        None => None,
    };
    let mut given = Vec::with_capacity(positions);
    for position in 0..positions {
        let [query, key, value] = [at(call, query, position)?, at(call, key, position)?, at(call, value, position)?];
        let next = next_state(call, state, [key, value], &update, position)?;
        // Queries that share a state are its rows.
        let rows = call.builder.reshape(query, vec![batch, heads, group, k[3]])?;
        let read = call.builder.matmul(rows, next)?;
        let read = call.builder.reshape(read, vec![batch, heads * group, 1, v[3]])?;
        given.push(call.builder.affine(read, scale, 0.0)?);
        state = Some(next);
    }
    let Some(state) = state else { return Err(NodeError::shape("it has no positions")) };
    let result = call.builder.concat(&given, 2)?;
    let result = call.builder.transpose(result, &[0, 2, 1, 3])?;
    Ok(vec![call.builder.reshape(result, vec![batch, positions, heads * group * v[3]])?, state])
}

fn update(call: &mut Call, keys: &[usize], heads: usize) -> Result<Update> {
    let rule = call.attributes.string_or("update_rule", "gated_delta")?;
    let (gated, delta) = match rule.as_str() {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(NodeError::attribute("update_rule", format!("`{other}` is unknown"))),
    };
    let dtype = call.dtype(call.input(0)?);
    let mut operand = |index: usize, of_keys: bool| -> Result<ValueId> {
        let operand = call.input(index)?;
        let shape = call.shape(operand);
        let widths = if of_keys { [heads, heads * keys[3]] } else { [heads, 1] };
        if shape.len() != 3 || shape[..2] != [keys[0], keys[2]] || !widths.contains(&shape[2]) {
            return Err(NodeError::shape(format!("input {index} has shape {shape:?}")));
        }
        let operand = call.builder.retype(operand, dtype)?;
        let count = if shape[2] == 1 { 1 } else { heads };
        by_head(call, operand, Some(count as i64))
    };
    let kept = match gated {
        true => {
            let decay = operand(4, true)?;
            Some(decay)
        }
        false => None,
    };
    let rate = match delta {
        true => Some(operand(5, false)?),
        false => None,
    };
    let kept = match kept {
        Some(decay) => Some(call.builder.unary(UnaryFunction::Exp, decay)?),
        None => None,
    };
    Ok(Update { kept, rate })
}

/// A position of `[batch, heads, positions, size]`.
fn at(call: &mut Call, value: ValueId, position: usize) -> Result<ValueId> {
    call.builder.pick_axis(value, 2, [position])
}

/// The state behind a position; without one before it, it was zero.
fn next_state(
    call: &mut Call,
    state: Option<ValueId>,
    [key, value]: [ValueId; 2],
    update: &Update,
    position: usize,
) -> Result<ValueId> {
    let kept = match (state, update.kept) {
        (Some(state), Some(kept)) => {
            let factor = at(call, kept, position)?;
            let factor = call.builder.transpose(factor, &[0, 1, 3, 2])?;
            Some(call.builder.binary(BinaryFunction::Mul, state, factor)?)
        }
        (state, _) => state,
    };
    let mut written = value;
    if let (Some(rate), Some(kept)) = (update.rate, kept) {
        let known = call.builder.matmul(key, kept)?;
        written = call.builder.binary(BinaryFunction::Sub, value, known)?;
        let rate = at(call, rate, position)?;
        written = call.builder.binary(BinaryFunction::Mul, written, rate)?;
    } else if let Some(rate) = update.rate {
        let rate = at(call, rate, position)?;
        written = call.builder.binary(BinaryFunction::Mul, written, rate)?;
    }
    let column = call.builder.transpose(key, &[0, 1, 3, 2])?;
    let outer = call.builder.matmul(column, written)?;
    match kept {
        Some(kept) => call.builder.binary(BinaryFunction::Add, kept, outer),
        None => Ok(outer),
    }
}
