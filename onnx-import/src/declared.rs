//! What a model declares of its inputs: names and shapes, some of whose sizes are left open.

use std::path::Path;

use crate::error::ImportError;
use crate::parse;
use crate::proto::{GraphProto, TensorShapeProto, ValueInfoProto};

/// Parts of names that are given to axes of sequences.
const SEQUENCES: [&str; 6] = ["seq", "len", "time", "token", "step", "frame"];

/// The size of an axis as a model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredSize {
    /// So many entries.
    Fixed(usize),
    /// Left open, by the name of the dimension: that in the model, or `INPUT#AXIS` where it has none.
    Dynamic(String),
}

/// An input as a model declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredInput {
    /// Name in the model.
    pub name: String,
    /// One size per axis.
    pub shape: Vec<DeclaredSize>,
}

/// A dimension whose size the model leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicDimension {
    /// The name by which [`ImportOptions::dims`](crate::ImportOptions::dims) gives its size.
    pub name: String,
    /// The inputs that have it, by number, and the axis in each.
    pub places: Vec<(usize, usize)>,
    /// Whether it is one that samples are counted along, so that one sample has size 1: only inputs' first axes are it, and its name is not that
    /// of a sequence.
    pub counts_samples: bool,
}

/// The inputs of a model file, without those that are stored tensors.
///
/// # Errors
/// The file can't be read, is no model, or an input is no tensor with a declared shape.
pub fn declared_inputs(path: &Path) -> Result<Vec<DeclaredInput>, ImportError> {
    let (_, bytes) = parse::read(path)?;
    let model = parse::decode(bytes)?;
    let declared = |input: &ValueInfoProto| {
        let shape = declared_shape(input).map_err(|reason| ImportError::Input { name: input.name.clone(), reason })?;
        Ok(DeclaredInput { name: input.name.clone(), shape })
    };
    fed(&model.graph).map(declared).collect()
}

/// The inputs of a graph that are no stored tensors; older models list these, too.
pub(crate) fn fed(graph: &GraphProto) -> impl Iterator<Item = &ValueInfoProto> {
    let stored: std::collections::HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    graph.input.iter().filter(move |input| !stored.contains(input.name.as_str()))
}

/// The shape that is declared of an input.
pub(crate) fn declared_shape(input: &ValueInfoProto) -> Result<Vec<DeclaredSize>, String> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).ok_or("it is no tensor")?;
    let shape: &TensorShapeProto =
        tensor.shape.as_ref().ok_or("its shape is not declared; export the model with a shape")?;
    let size = |(axis, dimension): (usize, &crate::proto::DimensionProto)| {
        let name = dimension.dim_param.as_ref().filter(|name| !name.is_empty());
        match dimension.dim_value {
            Some(size) => {
                usize::try_from(size).map(DeclaredSize::Fixed).map_err(|_| format!("size {size} is negative"))
            }
            None => Ok(DeclaredSize::Dynamic(name.cloned().unwrap_or_else(|| unnamed(&input.name, axis)))),
        }
    };
    shape.dim.iter().enumerate().map(size).collect()
}

/// The name of a dimension that has none in the model.
fn unnamed(input: &str, axis: usize) -> String {
    format!("{input}#{axis}")
}

/// The dimensions that inputs leave open, in the order in which they occur.
pub fn dynamic_dimensions(inputs: &[DeclaredInput]) -> Vec<DynamicDimension> {
    let mut dimensions: Vec<DynamicDimension> = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        for (axis, size) in input.shape.iter().enumerate() {
            let DeclaredSize::Dynamic(name) = size else { continue };
            let counts = counts_samples(name, axis, *name == unnamed(&input.name, axis));
            match dimensions.iter_mut().find(|known| known.name == *name) {
                Some(known) => {
                    known.places.push((number, axis));
                    known.counts_samples &= counts;
                }
                None => dimensions.push(DynamicDimension {
                    name: name.clone(),
                    places: vec![(number, axis)],
                    counts_samples: counts,
                }),
            }
        }
    }
    dimensions
}

/// Whether samples are counted along a dimension at this place.
fn counts_samples(name: &str, axis: usize, unnamed: bool) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains("batch") || axis == 0 && (unnamed || !SEQUENCES.iter().any(|part| lower.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_axes_count_samples_unless_they_are_called_sequences() {
        let input = |name: &str, sizes: &[&str]| {
            let size = |size: &&str| match size.parse() {
                Ok(size) => DeclaredSize::Fixed(size),
                Err(_) => DeclaredSize::Dynamic((*size).to_owned()),
            };
            DeclaredInput { name: name.to_owned(), shape: sizes.iter().map(size).collect() }
        };
        let inputs = [
            input("tokens", &["N", "length"]),
            input("tokens_2", &["tokens_2#0", "past_batch", "seq"]),
            input("times", &["seq_in", "N", "4"]),
        ];
        let found = dynamic_dimensions(&inputs);
        let found: Vec<_> = found.iter().map(|dimension| (dimension.name.as_str(), dimension.counts_samples)).collect();
        let expected = [
            ("N", false),
            ("length", false),
            ("tokens_2#0", true),
            ("past_batch", true),
            ("seq", false),
            ("seq_in", false),
        ];
        assert_eq!(found, expected, "N is the second axis of an input, too");
        assert_eq!(dynamic_dimensions(&inputs)[0].places, [(0, 0), (2, 1)]);
    }
}
