//! TfIdfVectorizer: how often sequences of integers occur in a row, those that constants list.

use std::collections::HashSet;

use crate::dtype::{integer_to_f64, DType};
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ReduceKind, UnaryFunction, ValueId};
use crate::lower::Call;
use crate::registry::{onnx, since, Operator};

type Result<T> = std::result::Result<T, NodeError>;

pub(super) const OPERATORS: &[Operator] = &[onnx("TfIdfVectorizer", &[since(9, 1, 1, 1)], vectorizer)];

/// Sequences of one length.
struct Grams {
    length: usize,
    /// Each with its column in the result.
    list: Vec<(Vec<i64>, usize)>,
}

/// `[length]` or `[rows, length]` of integers to counts, weighted ones, or the weights of what occurs at all.
fn vectorizer(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    if !call.dtype(input).is_integer() {
        return Err(NodeError::unsupported("its operand is no tensor of integers", "encode tokens as integers before"));
    }
    let shape = call.shape(input);
    let (rows, length) = match shape[..] {
        [length] => (1, length),
        [rows, length] => (rows, length),
        _ => return Err(NodeError::shape(format!("its operand has shape {shape:?}"))),
    };
    let columns = columns(call)?;
    let width = columns.len();
    let grams = grams(call, &columns)?;
    let skips = call.attributes.int_or("max_skip_count", 0)?;
    let skips = usize::try_from(skips).map_err(|_| NodeError::attribute("max_skip_count", "it is negative"))?;
    let table = call.builder.reshape(input, vec![rows, length, 1])?;
    let (mut counts, mut places) = (Vec::new(), Vec::new());
    for grams in grams.iter().filter(|grams| !grams.list.is_empty()) {
        // Single integers have nothing between them.
        let most = if grams.length == 1 { 1 } else { skips.saturating_add(1) };
        for step in 1..=most.min(length) {
            let span = step * (grams.length - 1);
            if span < length {
                let found = found(call, table, grams, step)?;
                counts.push(call.builder.reduce(found, ReduceKind::Sum, &[1], false)?);
                places.extend(grams.list.iter().map(|&(_, column)| column));
            }
        }
    }
    let counted = if counts.is_empty() {
        call.builder.constant(vec![rows, width], vec![0.0; rows * width], DType::Float32)?
    } else {
        let counts = call.builder.concat(&counts, 1)?;
        let mut matrix = vec![0.0; places.len() * width];
        places.iter().enumerate().for_each(|(row, &column)| matrix[row * width + column] = 1.0);
        let matrix = call.builder.constant(vec![places.len(), width], matrix, DType::Float32)?;
        call.builder.matmul(counts, matrix)?
    };
    let result = weighted(call, counted, &columns)?;
    let shape = if shape.len() == 1 { vec![width] } else { vec![rows, width] };
    Ok(vec![call.builder.reshape(result, shape)?])
}

/// The column of each sequence: every column once.
fn columns(call: &Call) -> Result<Vec<usize>> {
    let name = "ngram_indexes";
    let list = call.attributes.ints(name)?.unwrap_or_default();
    let columns: Vec<usize> = list.iter().filter_map(|&column| usize::try_from(column).ok()).collect();
    let distinct: HashSet<_> = columns.iter().collect();
    let complete = columns.len() == list.len() && distinct.len() == list.len();
    if list.is_empty() || !complete || columns.iter().any(|&column| column >= list.len()) {
        return Err(NodeError::unsupported(
            "several sequences for one column of the result, or none for some",
            "give each its own column (ngram_indexes)",
        ));
    }
    Ok(columns)
}

/// The sequences that are counted, by their length.
fn grams(call: &Call, columns: &[usize]) -> Result<Vec<Grams>> {
    if call.attributes.strings("pool_strings")?.is_some_and(|count| count > 0) {
        return Err(NodeError::unsupported("sequences of strings", "encode tokens as integers before the model"));
    }
    let missing = |name: &'static str| move || NodeError::attribute(name, "it is missing");
    let pool = call.attributes.ints("pool_int64s")?.ok_or_else(missing("pool_int64s"))?;
    let starts = call.attributes.ints("ngram_counts")?.ok_or_else(missing("ngram_counts"))?;
    let lengths = ["min_gram_length", "max_gram_length"].map(|name| {
        let length = call.attributes.int(name)?.and_then(|length| usize::try_from(length).ok());
        length.filter(|&length| length > 0).ok_or_else(|| NodeError::attribute(name, "it is no positive number"))
    });
    let [least, most] = lengths;
    let (least, most) = (least?, most?);
    let misfit = || NodeError::attribute("ngram_counts", format!("{starts:?} do not cut a list of {}", pool.len()));
    let mut grams = Vec::with_capacity(starts.len());
    let mut columns = columns.iter().copied();
    for (index, &start) in starts.iter().enumerate() {
        let length = index + 1;
        let end = starts.get(index + 1).copied().unwrap_or(pool.len() as i64);
        let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let part =
            bounds.and_then(|(start, end)| pool.get(start..end)).filter(|part| part.len().is_multiple_of(length));
        let mut list = Vec::new();
        for gram in part.ok_or_else(misfit)?.chunks(length) {
            list.push((gram.to_vec(), columns.next().ok_or_else(misfit)?));
        }
        if (least..=most).contains(&length) {
            grams.push(Grams { length, list });
        }
    }
    match columns.next() {
        None => Ok(grams),
        Some(_) => Err(misfit()),
    }
}

/// `[rows, places, sequences]`: 1 where a sequence begins, whose integers lie `step` apart.
fn found(call: &mut Call, table: ValueId, grams: &Grams, step: usize) -> Result<ValueId> {
    let length = call.shape(table)[1];
    let places = length - step * (grams.length - 1);
    let dtype = call.dtype(table);
    let mut found: Option<ValueId> = None;
    for offset in 0..grams.length {
        let wanted = grams.list.iter().map(|(gram, _)| integer_to_f64(gram[offset].into()));
        let wanted: Option<Vec<f64>> = wanted.collect();
        let wanted = wanted.ok_or_else(|| NodeError::attribute("pool_int64s", "an integer exceeds 2^53"))?;
        let wanted = call.builder.constant(vec![1, 1, wanted.len()], wanted, dtype)?;
        let first = offset * step;
        let there = call.builder.pick_axis(table, 1, first..first + places)?;
        let equal = call.builder.binary(BinaryFunction::Equal, there, wanted)?;
        let equal = call.builder.retype(equal, DType::Float32)?;
        found = Some(match found {
            Some(found) => call.builder.binary(BinaryFunction::Mul, found, equal)?,
            None => equal,
        });
    }
    found.ok_or_else(|| NodeError::attribute("ngram_counts", "sequences of no length"))
}

/// What the mode makes of counts.
fn weighted(call: &mut Call, counts: ValueId, columns: &[usize]) -> Result<ValueId> {
    let mode = call.attributes.string_or("mode", "")?;
    let weights = call.attributes.floats("weights")?.filter(|weights| !weights.is_empty());
    if weights.as_ref().is_some_and(|weights| weights.len() != columns.len()) {
        return Err(NodeError::attribute("weights", format!("{} columns", columns.len())));
    }
    let counts = match mode.as_str() {
        "TF" => return Ok(counts),
        "IDF" => call.builder.unary(UnaryFunction::Clip { lo: 0.0, hi: 1.0 }, counts)?,
        "TFIDF" => counts,
        other => return Err(NodeError::attribute("mode", format!("`{other}` is unknown"))),
    };
    let Some(weights) = weights else { return Ok(counts) };
    if columns.iter().enumerate().any(|(index, &column)| index != column) {
        return Err(NodeError::unsupported(
            "runtimes differ on weights of sequences whose columns are in another order",
            "list the sequences in the order of their columns",
        ));
    }
    let weights = call.builder.constant(vec![1, columns.len()], weights, DType::Float32)?;
    call.builder.binary(BinaryFunction::Mul, counts, weights)
}
