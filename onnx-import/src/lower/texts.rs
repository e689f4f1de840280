//! Texts, such as the names of classes. A tensor of texts holds their numbers: what moves, chooses or compares texts does so with the
//! numbers, and no other operator takes them. An output of texts is therefore one of numbers, and a remark tells what they stand for.

use std::collections::HashMap;

/// Most texts that a remark lists.
const MAX_LISTED: usize = 64;
/// Most characters of a text in a remark.
const MAX_SHOWN: usize = 40;

/// The texts of a model in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Texts {
    list: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Texts {
    /// The number of a text, which gets the next one where it is new.
    pub(super) fn number(&mut self, text: &str) -> f64 {
        if let Some(&number) = self.numbers.get(text) {
            return number as f64;
        }
        let number = self.list.len();
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number as f64
    }

    /// What the numbers of an output stand for.
    pub(super) fn remark(&self, output: &str) -> String {
        let shown = |text: &String| text.chars().take(MAX_SHOWN).collect::<String>();
        let listed = self.list.iter().take(MAX_LISTED).enumerate();
        let listed =
            listed.map(|(number, text)| format!("{number} is {:?}", shown(text))).collect::<Vec<_>>().join(", ");
        let more = if self.list.len() > MAX_LISTED { ", …" } else { "" };
        format!("output `{output}` holds texts, which the program gives as numbers: {listed}{more}")
    }
}

/// Whether an operator may be applied to texts.
pub(crate) fn takes_texts(operator: &str) -> bool {
    matches!(
        operator,
        "ArrayFeatureExtractor"
            | "Cast"
            | "Concat"
            | "Equal"
            | "Expand"
            | "Flatten"
            | "Gather"
            | "GatherElements"
            | "GatherND"
            | "Identity"
            | "LabelEncoder"
            | "Reshape"
            | "Shape"
            | "Size"
            | "Slice"
            | "Split"
            | "Squeeze"
            | "Tile"
            | "Transpose"
            | "Unsqueeze"
            | "Where"
            | "ZipMap"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_numbers_of_their_first_use() {
        let mut texts = Texts::default();
        assert_eq!(["b", "a", "b", ""].map(|text| texts.number(text)), [0.0, 1.0, 0.0, 2.0]);
        assert_eq!(
            texts.remark("label"),
            "output `label` holds texts, which the program gives as numbers: 0 is \"b\", 1 is \"a\", 2 is \"\""
        );
    }
}
