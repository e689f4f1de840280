//! The elements of a tensor: reals to whoever looks at them, as narrow as the model has them while nobody does.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::stored::{Blocks, Loaded, StorageError, Stored};

/// From how many elements on a constant is held in the form of its type.
pub(crate) const LARGE: usize = 1 << 14;

/// Elements of a tensor. Clones share them.
///
/// A large constant lies in memory, or in a file, in the model's own type. As a slice it is converted whole, once for each
/// clone, and stays so as long as that clone does. Therefore who reads a constant of a graph clones it first, and drops the clone.
pub struct Reals {
    source: Source,
    slice: OnceLock<Arc<[f64]>>,
}

#[derive(Clone)]
enum Source {
    Double(Arc<[f64]>),
    Single(Arc<[f32]>),
    Stored(Arc<Stored>),
}

impl Reals {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Double(reals) => reals.len(),
            Source::Single(reals) => reals.len(),
            Source::Stored(stored) => stored.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why the elements that were seen may not be those of the model, where a file changed after the model was read.
    pub fn fault(&self) -> Option<&StorageError> {
        match &self.source {
            Source::Stored(stored) => stored.fault(),
            Source::Double(_) | Source::Single(_) => None,
        }
    }

    /// The elements of a constant: large ones that are singles are held as such.
    pub(crate) fn constant(reals: Vec<f64>) -> Self {
        let single = |real: &f64| f64::from(*real as f32).to_bits() == real.to_bits();
        match reals.len() >= LARGE && reals.iter().all(single) {
            true => Source::Single(reals.iter().map(|real| *real as f32).collect()).into(),
            false => reals.into(),
        }
    }

    /// As a model's file has them.
    pub(crate) fn stored(stored: Stored) -> Self {
        Source::Stored(Arc::new(stored)).into()
    }

    /// The elements in memory, without a slice of all of them.
    pub(crate) fn load(&self) -> Loaded {
        match (self.slice.get(), &self.source) {
            (Some(reals), _) | (None, Source::Double(reals)) => Loaded::Double(reals.clone()),
            (None, Source::Single(reals)) => Loaded::Single(reals.clone()),
            (None, Source::Stored(stored)) => stored.load(),
        }
    }

    /// The elements in order, without a slice of all of them.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = f64> {
        let loaded = self.load();
        Blocks::new(self.len(), move |start, block| loaded.fill(start, block))
    }

    /// The first elements, some of them at least.
    pub(crate) fn head(&self) -> Vec<f64> {
        let head = 0..self.len().min(Stored::HEAD);
        match &self.source {
            Source::Double(reals) => reals[head].to_vec(),
            Source::Single(reals) => reals[head].iter().map(|&real| real.into()).collect(),
            Source::Stored(stored) => stored.head().to_vec(),
        }
    }

    /// Whether no element is NaN or an infinity.
    pub(crate) fn is_finite(&self) -> bool {
        match &self.source {
            Source::Stored(stored) => stored.is_finite(),
            Source::Double(_) | Source::Single(_) => self.values().all(f64::is_finite),
        }
    }

    /// Whether they are held in another form than as reals of 64 bits.
    pub(crate) fn is_narrow(&self) -> bool {
        !matches!(self.source, Source::Double(_))
    }

    /// Has the slice at hand, in later clones too.
    pub(crate) fn convert(&self) {
        self.slice();
    }

    /// Forgets the slice.
    pub(crate) fn release(&mut self) {
        self.slice.take();
    }

    fn slice(&self) -> &Arc<[f64]> {
        match &self.source {
            Source::Double(reals) => reals,
            Source::Single(_) | Source::Stored(_) => self.slice.get_or_init(|| self.values().collect()),
        }
    }
}

impl Deref for Reals {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.slice()
    }
}

impl Clone for Reals {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), slice: self.slice.clone() }
    }
}

impl PartialEq for Reals {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.head() == other.head() && self.values().eq(other.values())
    }
}

impl std::fmt::Debug for Reals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.len() {
            few @ 0..LARGE => f.debug_list().entries(self.values().take(few)).finish(),
            many => write!(f, "[{many} elements]"),
        }
    }
}

impl From<Source> for Reals {
    fn from(source: Source) -> Self {
        Self { source, slice: OnceLock::new() }
    }
}

impl From<Vec<f64>> for Reals {
    fn from(reals: Vec<f64>) -> Self {
        Source::Double(reals.into()).into()
    }
}

impl From<Arc<[f64]>> for Reals {
    fn from(reals: Arc<[f64]>) -> Self {
        Source::Double(reals).into()
    }
}

impl From<&[f64]> for Reals {
    fn from(reals: &[f64]) -> Self {
        Source::Double(reals.into()).into()
    }
}

impl<const N: usize> From<[f64; N]> for Reals {
    fn from(reals: [f64; N]) -> Self {
        Source::Double(reals.into()).into()
    }
}

impl FromIterator<f64> for Reals {
    fn from_iter<I: IntoIterator<Item = f64>>(reals: I) -> Self {
        Source::Double(reals.into_iter().collect()).into()
    }
}
