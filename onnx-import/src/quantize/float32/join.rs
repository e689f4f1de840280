//! The program of what is followed, continued by that of the rest.
//!
//! The rest has calibrated steps. A joint, an exact number `n` in units of `2^−E`, is cut to what the input of the rest admits and rounded to
//! its step `d = step·2^E`:
//!
//! ```text
//! m = ⌊(clamp(n) − least) / 2^k⌋        q = ⌊(2^(l+1)·m + D) / 2D⌋ + lo        D = ⌊2^(l−k)·d⌉, at least 2^20
//! ```

use circuits::graph::{Node, Op, Program, Requantize, Table, TableId, TensorId};

use super::exact::{Emitter, Numbers};

/// Bits that a joint is rounded from at most.
const JOINT_BITS: i32 = 44;
/// Fewest bits of a step, so that rounding it moves no joint by more than a few hundredths of a step.
const STEP_BITS: i32 = 20;

/// Appends the nodes and tables of the rest, whose input `j` is node `starts(j)` already; gives the tensor that each of its nodes is.
pub(super) fn append(
    nodes: &mut Vec<Node>,
    tables: &mut Vec<Table>,
    rest: &Program,
    starts: impl Fn(TensorId) -> Option<TensorId>,
) -> Vec<TensorId> {
    let first_table = tables.len() as u32;
    tables.extend(rest.tables.iter().cloned());
    let mut renamed: Vec<TensorId> = Vec::with_capacity(rest.nodes.len());
    for (tensor, node) in (0..).map(TensorId).zip(&rest.nodes) {
        renamed.push(starts(tensor).unwrap_or_else(|| {
            let mut node = node.clone();
            rename(&mut node.op, |operand| renamed[operand.0 as usize], |table| TableId(table.0 + first_table));
            nodes.push(node);
            TensorId((nodes.len() - 1) as u32)
        }));
    }
    renamed
}

/// The nodes that some tensors depend on, in order; gives the new name of each tensor that is left.
pub(super) fn without_dead(
    nodes: Vec<Node>,
    kept: impl Iterator<Item = TensorId>,
) -> (Vec<Node>, Vec<Option<TensorId>>) {
    let mut live = vec![false; nodes.len()];
    kept.for_each(|tensor| live[tensor.0 as usize] = true);
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    for index in (0..nodes.len()).rev() {
        match nodes[index].as_mut().filter(|_| live[index]) {
            Some(node) => operands(&mut node.op).into_iter().for_each(|operand| live[operand.0 as usize] = true),
            None => nodes[index] = None,
        }
    }
    let mut renamed = Vec::with_capacity(nodes.len());
    let mut left: Vec<Node> = Vec::new();
    for node in nodes {
        renamed.push(node.as_ref().map(|_| TensorId(left.len() as u32)));
        if let Some(mut node) = node {
            rename(&mut node.op, |operand| renamed[operand.0 as usize].expect("operands are live"), |table| table);
            left.push(node);
        }
    }
    (left, renamed)
}

/// Names the operands and tables of an operator anew.
fn rename(op: &mut Op, tensor: impl Fn(TensorId) -> TensorId, table: impl Fn(TableId) -> TableId) {
    operands(op).into_iter().for_each(|operand| *operand = tensor(*operand));
    match op {
        Op::Lookup { table: own, .. } => *own = table(*own),
        Op::Conv { requantize: Some(Requantize { table: own, .. }), .. }
        | Op::Affine { requantize: Some(Requantize { table: own, .. }), .. }
        | Op::Product { requantize: Some(Requantize { table: own, .. }), .. }
        | Op::Sum { requantize: Some(Requantize { table: own, .. }), .. }
        | Op::MatMul { requantize: Some(Requantize { table: own, .. }), .. } => *own = table(*own),
        _ => {}
    }
}

pub(super) fn operands(op: &mut Op) -> Vec<&mut TensorId> {
    match op {
        Op::Input { .. } => vec![],
        Op::View { sources, .. } => sources.iter_mut().collect(),
        Op::Affine { operands, .. }
        | Op::Product { operands, .. }
        | Op::MatMul { operands, .. }
        | Op::Steps { operands, .. }
        | Op::Quotient { operands } => operands.iter_mut().collect(),
        Op::Conv { input, .. }
        | Op::Sum { input, .. }
        | Op::Max { input }
        | Op::ArgMax { input }
        | Op::Lookup { input, .. }
        | Op::Reciprocal { input, .. }
        | Op::SquareRoot { input }
        | Op::Gather { input, .. }
        | Op::RoundSignificant { input, .. } => vec![input],
    }
}

/// A joint as an input of the rest, with integers `lo ..= hi` of a step.
///
/// # Errors
/// Steps too far from the joint's unit.
pub(super) fn start(
    emitter: &mut Emitter<'_>,
    joint: Numbers,
    step: f64,
    [lo, hi]: [i64; 2],
) -> Result<TensorId, String> {
    let far = || "the unit of exact numbers and the step of what follows lie too far apart".to_owned();
    let steps = |count: i64| count as f64 * step * f64::from(joint.exponent).exp2();
    let reach = [lo, hi].map(steps);
    if step <= 0.0 || reach.iter().any(|end| end.is_nan() || end.abs() >= 60f64.exp2()) {
        return Err(far());
    }
    let [least, most] = [reach[0].round() as i64, reach[1].round() as i64];
    let mut tensor = joint.tensor;
    if joint.hi > i128::from(most) {
        tensor = emitter.at_most(tensor, most);
    }
    if joint.lo < i128::from(least) {
        tensor = emitter.at_least(tensor, least);
    }
    if steps(1) == 1.0 {
        return Ok(tensor);
    }
    let count = emitter.elements(tensor);
    let offsets = emitter.integers(&vec![least; count]);
    let tensor = emitter.affine([tensor, offsets], [1, -1], 0);
    // The bits of the width and of a step, once it is cut and lifted.
    let width = (most as f64 - least as f64).max(1.0).log2().ceil() as i32;
    let cut = (width - JOINT_BITS).max(0);
    let step = steps(1) * f64::from(-cut).exp2();
    let lift = (STEP_BITS - step.log2().floor() as i32).max(0);
    if lift > 40 || width - cut + lift > 58 {
        return Err(far());
    }
    let tensor = match cut {
        0 => tensor,
        _ => {
            let divisors = emitter.integers(&vec![1 << cut; count]);
            emitter.quotient(tensor, divisors)
        }
    };
    let step = (step * f64::from(lift).exp2()).round() as i64;
    let doubled = emitter.line(tensor, 1 << (lift + 1), step);
    let divisors = emitter.integers(&vec![2 * step; count]);
    let quotient = emitter.quotient(doubled, divisors);
    // A step that was rounded down may give one more than the last.
    let quotient = emitter.at_most(quotient, hi - lo);
    Ok(emitter.line(quotient, 1, lo))
}
