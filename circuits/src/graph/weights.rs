//! Weights, as narrow as the widest of them asks for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::machine::Integers;

/// Integers of 32 bits and a sign, most of which take one byte or two. Clones share them. A file has them as a list of `i32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights(Integers);

impl Weights {
    /// Number of weights.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A weight.
    ///
    /// # Panics
    /// There is no such weight.
    pub fn get(&self, index: usize) -> i32 {
        self.0.get(index) as i32
    }

    /// All weights in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i32> + '_ {
        self.0.iter().map(|weight| weight as i32)
    }

    /// Some weights in order.
    ///
    /// # Panics
    /// There are not as many.
    pub fn slice(&self, range: Range<usize>) -> Vec<i32> {
        match &self.0 {
            Integers::I8(cells) => cells[range].iter().map(|cell| (*cell).into()).collect(),
            Integers::I16(cells) => cells[range].iter().map(|cell| (*cell).into()).collect(),
            Integers::I32(cells) => cells[range].to_vec(),
            Integers::I64(cells) => cells[range].iter().map(|cell| *cell as i32).collect(),
        }
    }

    /// The smallest and the largest one; zeros where there are none.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        let bounds = self.iter().map(|weight| (weight, weight)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        bounds.map_or((0, 0), |(lo, hi)| (lo.into(), hi.into()))
    }

    /// Where they lie: clones lie in the same place, and other weights in another as long as these exist.
    pub(crate) fn address(&self) -> usize {
        match &self.0 {
            Integers::I8(cells) => cells.as_ptr() as usize,
            Integers::I16(cells) => cells.as_ptr() as usize,
            Integers::I32(cells) => cells.as_ptr() as usize,
            Integers::I64(cells) => cells.as_ptr() as usize,
        }
    }

    /// The weights cut into lists of one length, the last of which may be shorter.
    ///
    /// # Panics
    /// The length is zero.
    pub fn chunks(&self, length: usize) -> impl ExactSizeIterator<Item = Vec<i32>> + '_ {
        (0..self.len().div_ceil(length)).map(move |at| self.slice(at * length..((at + 1) * length).min(self.len())))
    }
}

/// Equal weights have the same width: the least that holds them.
impl Hash for Weights {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Integers::I8(cells) => cells.hash(state),
            Integers::I16(cells) => cells.hash(state),
            Integers::I32(cells) => cells.hash(state),
            Integers::I64(cells) => cells.hash(state),
        }
    }
}

impl FromIterator<i32> for Weights {
    fn from_iter<I: IntoIterator<Item = i32>>(weights: I) -> Self {
        let mut list = List::default();
        weights.into_iter().for_each(|weight| list.push(weight));
        list.finish()
    }
}

/// Weights whose number is not known before the last one, and which are narrowed many at a time.
#[derive(Default)]
struct List {
    integers: Option<Integers>,
    waiting: Vec<i64>,
}

impl List {
    /// Weights that are narrowed at a time.
    const PIECE: usize = 1 << 12;

    fn push(&mut self, weight: i32) {
        self.waiting.push(weight.into());
        if self.waiting.len() == Self::PIECE {
            self.narrow();
        }
    }

    fn narrow(&mut self) {
        self.integers.get_or_insert_with(|| Integers::zeros(0)).extend(&self.waiting);
        self.waiting.clear();
    }

    fn finish(mut self) -> Weights {
        self.narrow();
        let mut integers = self.integers.expect("what waited was narrowed");
        integers.shrink_to_fit();
        Weights(integers)
    }
}

impl From<&[i32]> for Weights {
    fn from(weights: &[i32]) -> Self {
        weights.iter().copied().collect()
    }
}

impl From<Vec<i32>> for Weights {
    fn from(weights: Vec<i32>) -> Self {
        weights.into_iter().collect()
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Integers::I8(cells) => serializer.collect_seq(cells.iter().map(|cell| i32::from(*cell))),
            Integers::I16(cells) => serializer.collect_seq(cells.iter().map(|cell| i32::from(*cell))),
            Integers::I32(_) | Integers::I64(_) => serializer.collect_seq(self.iter()),
        }
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(WeightsVisitor)
    }
}

struct WeightsVisitor;

impl<'de> Visitor<'de> for WeightsVisitor {
    type Value = Weights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of weights")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Weights, A::Error> {
        // What the list says of its length is not believed.
        // What the list says of its length is not believed.
        let mut weights = List::default();
        while let Some(weight) = list.next_element::<i32>()? {
            weights.push(weight);
        }
        Ok(weights.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_they_were_made_of() {
        for weights in [vec![], vec![1, -128, 127], vec![0, 300, -5, 7], vec![i32::MAX, 0, i32::MIN]] {
            let narrow = Weights::from(weights.clone());
            assert_eq!(narrow.iter().collect::<Vec<_>>(), weights);
            assert_eq!((narrow.len(), narrow.is_empty()), (weights.len(), weights.is_empty()));
            assert_eq!(narrow.chunks(2).collect::<Vec<_>>(), weights.chunks(2).collect::<Vec<_>>());
            assert_eq!(Weights::from(&weights[..]), narrow);
        }
    }

    #[test]
    fn long_lists_are_narrowed_piece_by_piece() {
        for wide in [0, List::PIECE - 1, List::PIECE, 3 * List::PIECE] {
            let weight = |i: usize| if i == wide { -70_000 } else { (i * 7919 % 255) as i32 - 127 };
            let weights: Vec<i32> = (0..3 * List::PIECE + 1).map(weight).collect();
            assert_eq!(Weights::from(&weights[..]).iter().collect::<Vec<_>>(), weights);
            assert_eq!(Weights::from(&weights[..wide]), Weights(weights[..wide].iter().map(|&w| w.into()).collect()));
        }
    }
}
