//! The proof file: the proof, its public values and digests, and the key that it is for.

use std::path::Path;

use circuits::interface::PublicData;
use serde::{Deserialize, Serialize};

use crate::container::{self, Bytes, ContainerError, Kind};
use crate::Digest;

/// Where the prover's randomness was from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Randomness {
    /// The operating system.
    System,
    /// A seed. For tests alone: whoever guesses the private values and the seed can make the same proof and compare,
    /// so such a proof hides nothing. The mark is the prover's word.
    Seeded,
}

/// A proof as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Digest of the verifying key's file.
    pub key: Digest,
    /// The values and digests that the proof speaks about.
    pub public: PublicData,
    /// Where the prover's randomness was from.
    pub randomness: Randomness,
    /// The points and scalars that [`ProofShape`](crate::shape::ProofShape) describes.
    pub words: Bytes,
}

impl Proof {
    /// The bytes of the proof's file.
    ///
    /// # Errors
    /// More public values than a file may hold.
    pub fn to_file(&self) -> Result<Vec<u8>, ContainerError> {
        container::encode(Kind::Proof, self)
    }

    /// Reads the bytes of a proof's file. Nothing is verified yet.
    ///
    /// # Errors
    /// The bytes are no whole and undamaged proof file.
    pub fn from_file(file: &[u8]) -> Result<Self, ContainerError> {
        container::decode(Kind::Proof, file)
    }

    /// Reads a proof's file. Nothing is verified yet.
    ///
    /// # Errors
    /// The file can't be read or is no whole and undamaged proof.
    pub fn read(path: &Path) -> Result<Self, ContainerError> {
        Self::from_file(&container::read_file(Kind::Proof, path)?)
    }

    /// Writes the proof's file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        container::write_atomic(path, &self.to_file()?)
    }
}
