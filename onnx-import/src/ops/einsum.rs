//! Einsum: sums of products of any operands by the letters of their axes.
//!
//! Operands are combined from left to right. Of two the axes fall into four kinds: those of both that stay, those of both
//! that are summed, and those of one of them; that is a stack of matrix products, or without summed axes a product by
//! broadcasting. Letters that only one operand has, and nothing after it, are summed first.

use super::arithmetic::check_wrap;
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator, VARIADIC};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("Einsum", &[since(12, 1, VARIADIC, 1)], einsum)];

/// Most operands.
const MAX_OPERANDS: usize = 26;

/// The name of an axis: a letter, or a position of the ellipsis counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(std::cmp::Reverse<usize>),
    Letter(char),
}

/// A value with a name for each axis, no name twice.
struct Named {
    value: ValueId,
    labels: Vec<Label>,
}

fn einsum(call: &mut Call) -> Result<Vec<ValueId>> {
    let text: String = call.attributes.string("equation")?.unwrap_or_default().split_whitespace().collect();
    let malformed = |reason: &str| NodeError::attribute("equation", format!("`{text}`: {reason}"));
    let inputs = call.all_inputs()?;
    check_wrap(call, &inputs)?;
    call.builder.same_type(&inputs)?;
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (&text[..], None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != inputs.len() || terms.len() > MAX_OPERANDS {
        return Err(malformed(&format!("{} terms for {} operands", terms.len(), inputs.len())));
    }
    let (mut operands, mut named) = (vec![], vec![]);
    for (term, &value) in terms.iter().zip(&inputs) {
        let rank = call.rank(value);
        let letters = term.replace("...", "").chars().count();
        let ellipsis = rank.checked_sub(letters).filter(|&rest| rest == 0 || term.contains("..."));
        let ellipsis = ellipsis.ok_or_else(|| malformed(&format!("`{term}` does not name {rank} axes")))?;
        let labels = labels(term, ellipsis).ok_or_else(|| malformed("only letters and one ellipsis name axes"))?;
        named.extend(labels.iter().copied());
        operands.push(diagonal(call, value, labels)?);
    }
    let dots = |named: &Named| named.labels.iter().filter(|label| matches!(label, Label::Ellipsis(_))).count();
    let widest = operands.iter().map(dots).max().unwrap_or(0);
    let output = match right {
        Some(right) => labels(right, widest).ok_or_else(|| malformed("only letters and one ellipsis name axes"))?,
        None => implicit_output(named, widest),
    };
    let known = |label: &Label| operands.iter().any(|operand| operand.labels.contains(label));
    let twice = output.iter().enumerate().any(|(at, label)| output[..at].contains(label));
    if twice || !output.iter().all(|label| known(label) || matches!(label, Label::Ellipsis(_))) {
        return Err(malformed("an axis of the result is named twice, or by no operand"));
    }
    let mut operands = operands.into_iter();
    let mut total = operands.next().ok_or_else(|| malformed("no operand"))?;
    let rest: Vec<Named> = operands.collect();
    for (at, next) in rest.iter().enumerate() {
        let later = |label: &Label| output.contains(label) || rest[at + 1..].iter().any(|o| o.labels.contains(label));
        total = contract(call, &total, next, &later)?;
    }
    let total = keep(call, total, &|label| output.contains(label))?;
    let order: Vec<usize> =
        output.iter().filter_map(|label| total.labels.iter().position(|other| other == label)).collect();
    Ok(vec![call.builder.transpose(total.value, &order)?])
}

/// The labels of a term whose ellipsis stands for that many axes.
fn labels(term: &str, ellipsis: usize) -> Option<Vec<Label>> {
    let dots = (0..ellipsis).rev().map(|at| Label::Ellipsis(std::cmp::Reverse(at)));
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    let letter = |c: char| c.is_ascii_alphabetic().then_some(Label::Letter(c));
    let letters = |text: &str| text.chars().map(letter).collect::<Option<Vec<Label>>>();
    let mut list = letters(before)?;
    if let Some(after) = after {
        list.extend(dots);
        list.extend(letters(after)?);
    }
    Some(list)
}

/// Without an arrow: the ellipsis, then the letters that occur once, in order of the alphabet.
fn implicit_output(mut letters: Vec<Label>, ellipsis: usize) -> Vec<Label> {
    letters.retain(|label| matches!(label, Label::Letter(_)));
    letters.sort_unstable();
    let once = |label: &Label| letters.iter().filter(|other| *other == label).count() == 1;
    let dots = (0..ellipsis).rev().map(|at| Label::Ellipsis(std::cmp::Reverse(at)));
    dots.chain(letters.iter().copied().filter(once)).collect()
}

/// A letter that names several axes of an operand takes their diagonal.
fn diagonal(call: &mut Call, value: ValueId, labels: Vec<Label>) -> Result<Named> {
    let from = call.shape(value);
    let mut unique: Vec<Label> = vec![];
    labels.iter().for_each(|label| {
        if !unique.contains(label) {
            unique.push(*label);
        }
    });
    if unique.len() == labels.len() {
        return Ok(Named { value, labels });
    }
    let axis_of = |label: &Label| labels.iter().position(|other| other == label).unwrap_or(0);
    let sizes: Vec<usize> = unique.iter().map(|label| from[axis_of(label)]).collect();
    let place = |label: &Label| unique.iter().position(|other| other == label).unwrap_or(0);
    let places: Vec<usize> = labels.iter().map(place).collect();
    if places.iter().zip(&from).any(|(&place, &size)| sizes[place] != size) {
        return Err(NodeError::shape(format!("axes of one letter differ in size: {from:?}")));
    }
    let value = call.builder.view(value, sizes, 0.0, |at| {
        Some(places.iter().zip(&from).fold(0, |flat, (&place, &size)| flat * size + at[place]))
    })?;
    Ok(Named { value, labels: unique })
}

/// Sums the axes that nothing asks for.
fn keep(call: &mut Call, named: Named, wanted: &dyn Fn(&Label) -> bool) -> Result<Named> {
    let axes: Vec<usize> = (0..named.labels.len()).filter(|&axis| !wanted(&named.labels[axis])).collect();
    if axes.is_empty() {
        return Ok(named);
    }
    let value = call.builder.reduce(named.value, ReduceKind::Sum, &axes, false)?;
    Ok(Named { value, labels: named.labels.into_iter().filter(|label| wanted(label)).collect() })
}

/// The sum of products of two operands over the axes of both that nothing later asks for.
fn contract(call: &mut Call, a: &Named, b: &Named, later: &dyn Fn(&Label) -> bool) -> Result<Named> {
    let copy = |named: &Named| Named { value: named.value, labels: named.labels.clone() };
    let a = keep(call, copy(a), &|label| later(label) || b.labels.contains(label))?;
    let b = keep(call, copy(b), &|label| later(label) || a.labels.contains(label))?;
    let size = |call: &Call, named: &Named, label: &Label| {
        let axis = named.labels.iter().position(|other| other == label);
        axis.map_or(1, |axis| call.shape(named.value)[axis])
    };
    let mut kinds: [Vec<Label>; 4] = Default::default();
    for label in a.labels.iter().chain(b.labels.iter().filter(|label| !a.labels.contains(label))) {
        let (left, right) = (size(call, &a, label), size(call, &b, label));
        let both = a.labels.contains(label) && b.labels.contains(label);
        if both && left != right && left != 1 && right != 1 {
            return Err(NodeError::shape(format!("axes of one letter have sizes {left} and {right}")));
        }
        let kind = match (both, later(label), a.labels.contains(label)) {
            (true, true, _) => 0,
            (true, false, _) => 1,
            (false, _, true) => 2,
            (false, _, false) => 3,
        };
        kinds[kind].push(*label);
    }
    let [batch, summed, left, right] = kinds;
    // An axis of size 1 beside a larger one is repeated.
    let a = arrange(call, &a, &b, &[&batch[..], &left, &summed].concat())?;
    let b = arrange(
        call,
        &b,
        &Named { value: a, labels: [&batch[..], &left, &summed].concat() },
        &[&batch[..], &summed, &right].concat(),
    )?;
    let (from_a, from_b) = (call.shape(a), call.shape(b));
    let sizes_batch = from_a[..batch.len()].to_vec();
    let sizes_left = from_a[batch.len()..batch.len() + left.len()].to_vec();
    let sizes_right = from_b[batch.len() + summed.len()..].to_vec();
    let shape = [&sizes_batch[..], &sizes_left, &sizes_right].concat();
    let total = |sizes: &[usize]| sizes.iter().product::<usize>();
    let labels = [batch, left, right].concat();
    let (count, rows, columns) = (total(&sizes_batch), total(&sizes_left), total(&sizes_right));
    let inner = call.builder.elements(a) / (count * rows).max(1);
    let value = if summed.is_empty() {
        let a = call.builder.reshape(a, [&sizes_batch[..], &sizes_left, &vec![1; sizes_right.len()]].concat())?;
        let b = call.builder.reshape(b, [&sizes_batch[..], &vec![1; sizes_left.len()], &sizes_right].concat())?;
        call.builder.binary(BinaryFunction::Mul, a, b)?
    } else {
        let (mut left, mut right) = (vec![count, rows, inner], vec![count, inner, columns]);
        if count == 1 {
            left.remove(0);
            right.remove(0);
        }
        let a = call.builder.reshape(a, left)?;
        let b = call.builder.reshape(b, right)?;
        call.builder.matmul(a, b)?
    };
    Ok(Named { value: call.builder.reshape(value, shape)?, labels })
}

/// An operand with its axes in that order, those of size 1 repeated to the size that the other one has.
fn arrange(call: &mut Call, named: &Named, other: &Named, order: &[Label]) -> Result<ValueId> {
    let axes: Vec<usize> =
        order.iter().filter_map(|label| named.labels.iter().position(|known| known == label)).collect();
    let value = call.builder.transpose(named.value, &axes)?;
    let from = call.shape(value);
    let other_shape = call.shape(other.value);
    let size = |(label, &size): (&Label, &usize)| {
        let there = other.labels.iter().position(|known| known == label).map(|axis| other_shape[axis]);
        there.filter(|_| size == 1).unwrap_or(size)
    };
    let to: Vec<usize> = order.iter().zip(&from).map(size).collect();
    if to == from {
        Ok(value)
    } else {
        call.builder.broadcast(value, &to)
    }
}
