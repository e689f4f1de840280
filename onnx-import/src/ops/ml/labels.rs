//! Class labels, and encoders of labels: integers, or texts by their numbers.

use super::Result;
use crate::dtype::{integer_to_f64, DType};
use crate::error::NodeError;
use crate::float::graph::{BinaryFunction, ValueId};
use crate::lower::Call;
use crate::ops::gather::gather_along;

/// The labels of a classifier.
pub(super) enum Labels {
    /// Integers.
    Integers(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Labels {
    /// Reads the attribute that is there.
    pub(super) fn read(call: &Call, integers: &str, strings: &str) -> Result<Self> {
        let numbers = call.attributes.ints(integers)?.filter(|list| !list.is_empty());
        let texts = call.attributes.texts(strings)?.filter(|list| !list.is_empty());
        match (numbers, texts) {
            (Some(list), None) => list
                .iter()
                .map(|&label| integer_to_f64(label.into()))
                .collect::<Option<Vec<f64>>>()
                .map(Self::Integers)
                .ok_or_else(|| NodeError::attribute(integers, "a label exceeds 2^53")),
            (None, Some(list)) => Ok(Self::Texts(list)),
            _ => Err(NodeError::attribute(integers, "exactly one kind of labels must be given")),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Integers(list) => list.len(),
            Self::Texts(list) => list.len(),
        }
    }

    /// Whether the labels are 0, 1, … in order, or texts, which runtimes look up by that.
    pub(super) fn are_positions(&self) -> bool {
        match self {
            Self::Integers(list) => list.iter().enumerate().all(|(position, &label)| label == position as f64),
            Self::Texts(_) => true,
        }
    }

    /// The label with that index.
    pub(super) fn of(&self, call: &mut Call, index: ValueId) -> Result<ValueId> {
        let (list, dtype) = match self {
            Self::Integers(list) => (list.clone(), DType::Int64),
            Self::Texts(list) => (call.builder.text_numbers(list.iter().map(String::as_str)), DType::Text),
        };
        if list.iter().enumerate().all(|(position, &label)| label == position as f64) {
            return if dtype == DType::Text { call.builder.retype(index, dtype) } else { Ok(index) };
        }
        let table = call.builder.constant(vec![list.len()], list, dtype)?;
        gather_along(call, table, index, 0)
    }
}

/// The numbers of one side of an encoder: texts, integers, floats, or since operator set 4 a tensor.
fn numbers(call: &mut Call, side: &str) -> Result<(Vec<f64>, DType)> {
    let texts = call.attributes.texts(&format!("{side}_strings"))?.filter(|list| !list.is_empty());
    let integers = call.attributes.ints(&format!("{side}_int64s"))?.filter(|list| !list.is_empty());
    let floats = call.attributes.floats(&format!("{side}_floats"))?.filter(|list| !list.is_empty());
    let tensor = if call.version >= 4 { call.attributes.tensor(&format!("{side}_tensor"))? } else { None };
    match (texts, integers, floats, tensor) {
        (Some(list), None, None, None) => Ok((call.builder.text_numbers(list.iter().map(String::as_str)), DType::Text)),
        (None, Some(list), None, None) => {
            let exact = list.iter().map(|&number| integer_to_f64(number.into())).collect::<Option<Vec<f64>>>();
            let exact = exact.ok_or_else(|| NodeError::attribute(&format!("{side}_int64s"), "one exceeds 2^53"))?;
            Ok((exact, DType::Int64))
        }
        (None, None, Some(list), None) => Ok((list, DType::Float32)),
        (None, None, None, Some(literal)) => Ok((literal.tensor.data.to_vec(), literal.dtype)),
        _ => Err(NodeError::attribute(&format!("{side}_int64s"), "exactly one kind of them must be given")),
    }
}

/// Replaces each number that is a key by the value of the key, and all others by a default.
pub(super) fn encoder(call: &mut Call) -> Result<Vec<ValueId>> {
    let input = call.input(0)?;
    let ((keys, key_type), (values, value_type)) = (numbers(call, "keys")?, numbers(call, "values")?);
    // Those of other types are there with their own defaults.
    let (integer, float) =
        (call.attributes.int_or("default_int64", -1)?, call.attributes.float_or("default_float", 0.0)?);
    let text = call.attributes.string_or("default_string", "_Unused")?;
    let tensor = if call.version >= 4 { call.attributes.tensor("default_tensor")? } else { None };
    let default = match tensor.as_ref().map(|literal| &literal.tensor.data[..]) {
        Some([default]) => *default,
        Some(_) => return Err(NodeError::attribute("default_tensor", "it is not one number")),
        None if value_type == DType::Text => call.builder.text_numbers([text.as_str()])[0],
        None if value_type.is_integer() => integer as f64,
        None => float,
    };
    let mut sorted = keys.clone();
    sorted.sort_by(f64::total_cmp);
    if keys.len() != values.len() || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        let reason = format!("{} values for {} keys, which must differ", values.len(), keys.len());
        return Err(NodeError::attribute("values_int64s", reason));
    }
    if call.dtype(input) != key_type {
        return Err(NodeError::data_type(format!(
            "its keys are {}, its operand is {}",
            key_type.name(),
            call.dtype(input).name()
        )));
    }
    let (shape, count) = (call.shape(input), call.builder.elements(input));
    let builder = &mut *call.builder;
    let column = builder.reshape(input, vec![count, 1])?;
    let differences = values.iter().map(|value| value - default).collect();
    let differences = builder.constant(vec![keys.len(), 1], differences, DType::Float64)?;
    let keys = builder.constant(vec![keys.len()], keys, key_type)?;
    let equal = builder.binary(BinaryFunction::Equal, column, keys)?;
    let equal = builder.retype(equal, DType::Float64)?;
    let encoded = builder.matmul(equal, differences)?;
    let encoded = builder.affine(encoded, 1.0, default)?;
    let encoded = builder.reshape(encoded, shape)?;
    Ok(vec![builder.retype(encoded, value_type)?])
}

/// Pairs scores with labels for dictionaries of a programming language; the scores alone remain.
pub(super) fn zip_map(call: &mut Call) -> Result<Vec<ValueId>> {
    Labels::read(call, "classlabels_int64s", "classlabels_strings")?;
    Ok(vec![call.input(0)?])
}
