//! Class labels: integers only.

use super::Result;
use crate::dtype::{integer_to_f64, DType};
use crate::error::NodeError;
use crate::float::graph::ValueId;
use crate::lower::Call;
use crate::ops::gather::gather_along;

/// The labels of a classifier.
pub(super) enum Labels {
    /// Integers.
    Integers(Vec<f64>),
    /// So many strings, which no output may need.
    Strings(usize),
}

impl Labels {
    /// Reads the attribute that is there. Strings are allowed as long as nothing reads the label.
    pub(super) fn read(call: &Call, integers: &str, strings: &str) -> Result<Self> {
        let numbers = call.attributes.ints(integers)?.filter(|list| !list.is_empty());
        let texts = call.attributes.strings(strings)?.filter(|count| *count > 0);
        match (numbers, texts) {
            (Some(list), None) => list
                .iter()
                .map(|&label| integer_to_f64(label.into()))
                .collect::<Option<Vec<f64>>>()
                .map(Self::Integers)
                .ok_or_else(|| NodeError::attribute(integers, "a label exceeds 2^53")),
            (None, Some(count)) => Ok(Self::Strings(count)),
            _ => Err(NodeError::attribute(integers, "exactly one kind of labels must be given")),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Integers(list) => list.len(),
            Self::Strings(count) => *count,
        }
    }

    /// The label with that index.
    pub(super) fn of(&self, call: &mut Call, index: ValueId) -> Result<ValueId> {
        let Self::Integers(list) = self else {
            return Err(NodeError::unsupported(
                "labels are strings",
                "train with integer labels, or export with zipmap off and the scores as the only output",
            ));
        };
        if list.iter().enumerate().all(|(position, &label)| label == position as f64) {
            return Ok(index);
        }
        let table = call.builder.constant(vec![list.len()], list.clone(), DType::Int64)?;
        gather_along(call, table, index, 0)
    }
}

/// Pairs scores with labels for dictionaries of a programming language; the scores alone remain.
pub(super) fn zip_map(call: &mut Call) -> Result<Vec<ValueId>> {
    Labels::read(call, "classlabels_int64s", "classlabels_strings")?;
    Ok(vec![call.input(0)?])
}
