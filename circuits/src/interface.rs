//! The interface of a proof: which tensors are public or hashed, and how their values are packed into instance words.
//!
//! A tensor of `n` values in `[lo, hi]` takes `bits = max(1, ⌈log2(hi − lo + 1)⌉)` bits a value, as many values to a
//! word as fit into [`WORD_BITS`], the first value in the lowest bits:
//!
//! ```text
//! word = Σ_i (value_i − lo) · 2^(bits · i)
//! ```
//!
//! The packing is injective for values in range, and the circuit proves the range; so a word names its values. The words
//! of a public tensor are instance words. Those of a hashed tensor stay with the prover, and their salted digest
//! ([`crate::digest`]) is its one instance word. The instance words of all ports follow one another, inputs first, in the
//! order of the ports, in one instance column.
//!
//! A committed tensor has no instance words. Its values fill columns of their own from row 0 on, [`port_rows`] to a column, in the
//! order of the ports; the proof's commitments to these columns are the commitment to it.

use std::ops::Range;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::{PortDigest, Salt};
use crate::graph::{PortKind, Visibility};
use crate::machine::to_field;

/// Bits of an instance word that carry values; well below the 253 that always fit a scalar.
pub const WORD_BITS: u32 = 248;

/// Rows of a column of `2^k` that hold elements of a committed port: all but an eighth, whatever the machine, so that an element's
/// place depends on `k` alone. The blinded rows of a machine with such ports are among the others.
pub fn port_rows(k: u32) -> usize {
    (1 << k) - (1 << k >> 3)
}

/// Columns of `2^k` rows that a committed port of some number of elements takes.
pub fn port_columns(elements: usize, k: u32) -> usize {
    elements.div_ceil(port_rows(k))
}

/// Whether a port goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// An input of the model.
    Input,
    /// An output of the model.
    Output,
}

impl Direction {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Input => "input",
            Direction::Output => "output",
        }
    }
}

/// A port as a verifier knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfacePort {
    /// Name in the model.
    pub name: String,
    /// In or out.
    pub direction: Direction,
    /// Shape in the model.
    pub shape: Vec<usize>,
    /// `real = scale · q`.
    pub scale: f64,
    /// What the numbers are.
    pub kind: PortKind,
    /// Who sees them.
    pub visibility: Visibility,
    /// Smallest value the circuit admits.
    pub lo: i64,
    /// Largest value the circuit admits.
    pub hi: i64,
}

impl InterfacePort {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bits a value takes in a word.
    pub fn bits(&self) -> u32 {
        let width = self.hi.abs_diff(self.lo);
        (u64::BITS - width.leading_zeros()).max(1)
    }

    /// Values to a word.
    pub fn values_per_word(&self) -> usize {
        (WORD_BITS / self.bits()) as usize
    }

    /// Words that the values are packed into.
    pub fn packed_words(&self) -> usize {
        self.elements().div_ceil(self.values_per_word())
    }

    /// Instance words that the port takes: none when private or committed.
    pub fn words(&self) -> usize {
        match self.visibility {
            Visibility::Public => self.packed_words(),
            Visibility::Hashed => 1,
            Visibility::Private | Visibility::Committed => 0,
        }
    }

    /// The words that values are packed into, whoever sees them.
    ///
    /// # Errors
    /// Not as many values as the port has, or values out of range.
    pub fn pack(&self, values: &[i64]) -> Result<Vec<Fr>, PackError> {
        check_values(self, values)?;
        Ok(values.chunks(self.values_per_word()).map(|chunk| self.pack_word(chunk)).collect())
    }

    /// The salted digest of values.
    ///
    /// # Errors
    /// Not as many values as the port has, or values out of range.
    pub fn digest(&self, values: &[i64], salt: Salt) -> Result<PortDigest, PackError> {
        Ok(PortDigest::of(&self.pack(values)?, salt))
    }

    /// The word of some values, which need not be in range.
    pub(crate) fn pack_word(&self, values: &[i64]) -> Fr {
        let step = Fr::from(2).pow([u64::from(self.bits())]);
        values.iter().rev().fold(Fr::ZERO, |word, &value| word * step + to_field(value) - to_field(self.lo))
    }
}

/// All ports of a program, inputs first, each in the order of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// The ports.
    pub ports: Vec<InterfacePort>,
}

/// Why values can't be packed, or words not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// Not as many digests as hashed ports.
    #[error("{expected} digests are expected, {found} were given")]
    DigestCount {
        /// Hashed ports.
        expected: usize,
        /// Digests given.
        found: usize,
    },
    /// Not as many tensors as public ports.
    #[error("{expected} public tensors are expected, {found} were given")]
    TensorCount {
        /// Public ports.
        expected: usize,
        /// Tensors given.
        found: usize,
    },
    /// A tensor of the wrong size.
    #[error("port {port:?} takes {expected} values, {found} were given")]
    Length {
        /// The port.
        port: String,
        /// Its elements.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A value outside its port's range.
    #[error("port {port:?}: value {index} lies outside [{lo}, {hi}]")]
    Range {
        /// The port.
        port: String,
        /// Position of the value.
        index: usize,
        /// Smallest value.
        lo: i64,
        /// Largest value.
        hi: i64,
    },
    /// Not as many words as the interface has.
    #[error("{expected} instance words are expected, {found} were given")]
    WordCount {
        /// Words of the interface.
        expected: usize,
        /// Words given.
        found: usize,
    },
    /// A word that packs no values.
    #[error("port {port:?}: instance word {index} has bits beyond its values")]
    Word {
        /// The port.
        port: String,
        /// Position of the word within the port.
        index: usize,
    },
}

/// What a proof tells of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicData {
    /// The values of the public ports, in the order of the interface, each row-major.
    pub values: Vec<Vec<i64>>,
    /// The digests of the hashed ports, in the order of the interface.
    pub digests: Vec<PortDigest>,
}

impl Interface {
    /// The input ports in order.
    pub fn inputs(&self) -> impl Iterator<Item = &InterfacePort> {
        self.ports.iter().filter(|port| port.direction == Direction::Input)
    }

    /// The public ports in order.
    pub fn public(&self) -> impl Iterator<Item = &InterfacePort> {
        self.seen_as(Visibility::Public)
    }

    /// The hashed ports in order.
    pub fn hashed(&self) -> impl Iterator<Item = &InterfacePort> {
        self.seen_as(Visibility::Hashed)
    }

    /// The committed ports in order, each with its position among all ports and the columns of `2^k` rows that hold it.
    pub fn committed(&self, k: u32) -> impl Iterator<Item = (usize, &InterfacePort, Range<usize>)> {
        let ports = self.ports.iter().enumerate().filter(|(_, port)| port.visibility == Visibility::Committed);
        ports.scan(0, move |next, (index, port)| {
            let first = *next;
            *next += port_columns(port.elements(), k);
            Some((index, port, first..*next))
        })
    }

    /// Columns of `2^k` rows that hold committed ports.
    pub fn committed_columns(&self, k: u32) -> usize {
        self.committed(k).map(|(.., columns)| columns.len()).sum()
    }

    fn seen_as(&self, visibility: Visibility) -> impl Iterator<Item = &InterfacePort> {
        self.ports.iter().filter(move |port| port.visibility == visibility)
    }

    /// Number of instance words; fixed by the key.
    pub fn words(&self) -> usize {
        self.ports.iter().map(InterfacePort::words).sum()
    }

    /// The instance words of what is told of the ports.
    ///
    /// # Errors
    /// Tensors or digests of the wrong number, tensors of the wrong length, values out of range.
    pub fn pack(&self, data: &PublicData) -> Result<Vec<Fr>, PackError> {
        let (expected, found) = (self.public().count(), data.values.len());
        if found != expected {
            return Err(PackError::TensorCount { expected, found });
        }
        let (expected, found) = (self.hashed().count(), data.digests.len());
        if found != expected {
            return Err(PackError::DigestCount { expected, found });
        }
        let (mut values, mut digests) = (data.values.iter(), data.digests.iter());
        let mut words = Vec::with_capacity(self.words());
        for port in &self.ports {
            match port.visibility {
                Visibility::Public => words.extend(port.pack(values.next().expect("one for each public port"))?),
                Visibility::Hashed => words.push(digests.next().expect("one for each hashed port").word()),
                Visibility::Private | Visibility::Committed => {}
            }
        }
        Ok(words)
    }

    /// What instance words tell of the ports; the inverse of [`Interface::pack`].
    ///
    /// # Errors
    /// A wrong number of words, or a word that no values pack to.
    pub fn unpack(&self, words: &[Fr]) -> Result<PublicData, PackError> {
        if words.len() != self.words() {
            return Err(PackError::WordCount { expected: self.words(), found: words.len() });
        }
        let mut rest = words;
        let mut data = PublicData::default();
        for port in &self.ports {
            let (mine, others) = rest.split_at(port.words());
            rest = others;
            match port.visibility {
                Visibility::Public => data.values.push(unpack_port(port, mine)?),
                Visibility::Hashed => data.digests.push(PortDigest::from_word(mine[0])),
                Visibility::Private | Visibility::Committed => {}
            }
        }
        Ok(data)
    }
}

fn check_values(port: &InterfacePort, values: &[i64]) -> Result<(), PackError> {
    if values.len() != port.elements() {
        return Err(PackError::Length { port: port.name.clone(), expected: port.elements(), found: values.len() });
    }
    match values.iter().position(|value| !(port.lo..=port.hi).contains(value)) {
        Some(index) => Err(PackError::Range { port: port.name.clone(), index, lo: port.lo, hi: port.hi }),
        None => Ok(()),
    }
}

fn unpack_port(port: &InterfacePort, words: &[Fr]) -> Result<Vec<i64>, PackError> {
    let bits = port.bits();
    let mut values = Vec::with_capacity(port.elements());
    for (index, word) in words.iter().enumerate() {
        let count = port.values_per_word().min(port.elements() - values.len());
        let refuse = || PackError::Word { port: port.name.clone(), index };
        let repr = word.to_repr();
        let bytes = repr.as_ref();
        let bit = |position: u32| bytes[(position / 8) as usize] >> (position % 8) & 1 == 1;
        if (count as u32 * bits..256).any(bit) {
            return Err(refuse());
        }
        for slot in 0..count as u32 {
            let offset = (0..bits).fold(0u64, |value, i| value | u64::from(bit(slot * bits + i)) << i);
            let value = i64::try_from(i128::from(port.lo) + i128::from(offset)).map_err(|_| refuse())?;
            if value > port.hi {
                return Err(refuse());
            }
            values.push(value);
        }
    }
    Ok(values)
}
