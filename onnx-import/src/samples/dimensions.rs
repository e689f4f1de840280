//! Sizes of dynamic dimensions, as samples have them.

use std::collections::BTreeMap;

use super::{InputSpec, Layout, Samples};
use crate::declared::{dynamic_dimensions, DeclaredInput, DeclaredSize, DynamicDimension};

impl Samples {
    /// The sizes that samples have along the dynamic dimensions of a model's inputs, by the dimensions' names. Left out is what the file does not
    /// tell: the size of a first axis that may as well count the samples, and all of an array that does not fit its input.
    pub fn dimensions(&self, inputs: &[DeclaredInput]) -> BTreeMap<String, usize> {
        let dimensions = dynamic_dimensions(inputs);
        let ones = BTreeMap::new();
        let specs: Vec<InputSpec> = inputs.iter().map(|input| InputSpec::of_declared(input, &ones)).collect();
        let mut sizes = BTreeMap::new();
        for (position, input) in inputs.iter().enumerate() {
            let Ok(array) = self.find(&specs, position, 0) else { continue };
            let Some(told) = self.sizes_of_sample(input, &array.shape, &dimensions) else { continue };
            for (declared, size) in input.shape.iter().zip(told) {
                if let (DeclaredSize::Dynamic(name), Some(size)) = (declared, size) {
                    sizes.entry(name.clone()).or_insert(size);
                }
            }
        }
        sizes
    }

    /// The size of each axis of a sample in an array of that shape, as far as it is certain; `None` where the array does not fit the input.
    fn sizes_of_sample(
        &self,
        input: &DeclaredInput,
        array: &[usize],
        dimensions: &[DynamicDimension],
    ) -> Option<Vec<Option<usize>>> {
        let rank = input.shape.len();
        let certain = |sizes: &[usize]| sizes.iter().map(|&size| Some(size)).collect::<Vec<_>>();
        let sample = if self.layout == Layout::Batched { array.get(1..)? } else { array };
        let sizes = match sample.len() {
            found if found == rank => {
                let mut sizes = certain(sample);
                let whole = matches!(self.layout, Layout::Batched | Layout::Numbered(_));
                if let Some(first) = sizes.first_mut().filter(|_| !whole && first_counts(input, dimensions)) {
                    *first = None;
                }
                sizes
            }
            found if found == rank + 1 && self.layout != Layout::Batched => certain(&sample[1..]),
            found if found + 1 == rank => [vec![Some(1)], certain(sample)].concat(),
            _ => return None,
        };
        let fits = |(axis, (declared, size)): (usize, (&DeclaredSize, &Option<usize>))| match (declared, size) {
            (_, Some(0)) => false,
            // Samples may be entries of a first axis.
            (DeclaredSize::Fixed(expected), Some(size)) => axis == 0 || expected == size,
            _ => true,
        };
        input.shape.iter().zip(&sizes).enumerate().all(fits).then_some(sizes)
    }
}

/// Whether samples may be counted along the first axis of an input.
fn first_counts(input: &DeclaredInput, dimensions: &[DynamicDimension]) -> bool {
    match input.shape.first() {
        Some(DeclaredSize::Dynamic(name)) => dimensions.iter().any(|known| known.name == *name && known.counts_samples),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::float::graph::Tensor;
    use crate::samples::Array;

    fn input(name: &str, sizes: &[&str]) -> DeclaredInput {
        let size = |size: &&str| match size.parse() {
            Ok(size) => DeclaredSize::Fixed(size),
            Err(_) => DeclaredSize::Dynamic((*size).to_owned()),
        };
        DeclaredInput { name: name.into(), shape: sizes.iter().map(size).collect() }
    }

    fn array(shape: &[usize]) -> Array {
        Array { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()].into() }
    }

    /// The dimensions of one input in an array under its name.
    fn named(sizes: &[&str], shape: &[usize]) -> BTreeMap<String, usize> {
        let samples = Samples { layout: Layout::Named, arrays: [("x".to_owned(), array(shape))].into() };
        samples.dimensions(&[input("x", sizes)])
    }

    fn sizes<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
        expected.map(|(name, size)| (name.to_owned(), size)).into()
    }

    #[test]
    fn axes_behind_the_first_are_told() {
        assert_eq!(named(&["1", "seq"], &[1, 16]), sizes([("seq", 16)]));
        assert_eq!(named(&["1", "seq"], &[16]), sizes([("seq", 16)]));
        assert_eq!(named(&["N", "3", "H", "W"], &[20, 3, 8, 9]), sizes([("H", 8), ("W", 9)]), "N may count samples");
        assert_eq!(named(&["N", "3", "H", "W"], &[20, 2, 3, 8, 9]), sizes([("H", 8), ("N", 2), ("W", 9)]));
        assert_eq!(named(&["N", "3", "H", "W"], &[3, 8, 9]), sizes([("H", 8), ("N", 1), ("W", 9)]));
        assert_eq!(named(&["N", "3", "H", "W"], &[20, 8, 9, 3]), sizes([]), "the channels are elsewhere");
        assert_eq!(named(&["N", "seq"], &[20, 0]), sizes([]));
        assert_eq!(named(&["N"], &[20]), sizes([]));
        assert_eq!(named(&["seq"], &[20]), sizes([("seq", 20)]));
        assert_eq!(named(&["seq", "N", "4"], &[20, 1, 4]), sizes([("N", 1), ("seq", 20)]));
    }

    #[test]
    fn files_that_count_samples_apart_tell_first_axes() {
        let batches = Samples::from_batches(vec![Tensor::new(vec![5, 2, 3], vec![0.0; 30])]);
        assert_eq!(batches.dimensions(&[input("x", &["N", "seq"])]), sizes([("N", 2), ("seq", 3)]));
        assert_eq!(batches.dimensions(&[input("x", &["N", "2", "seq"])]), sizes([("N", 1), ("seq", 3)]));
        let arrays = [("in0_0".to_owned(), array(&[2, 3])), ("in0_1".to_owned(), array(&[1, 7]))].into();
        let numbered = Samples { layout: Layout::Numbered(1), arrays };
        let inputs = [input("x", &["N", "seq"]), input("z", &["1", "past"])];
        assert_eq!(numbered.dimensions(&inputs), sizes([("N", 2), ("past", 7), ("seq", 3)]));
    }

    #[test]
    fn what_is_not_in_the_file_is_left_open() {
        let value = serde_json::from_str(r#"{"a": [[1, 2, 3]]}"#).expect("JSON");
        let samples = Samples::from_json(&value, Path::new("x.json")).expect("samples");
        let inputs = [input("a", &["1", "seq"]), input("b", &["1", "past"])];
        assert_eq!(samples.dimensions(&inputs), sizes([("seq", 3)]));
    }
}
