//! Values that are committed to outside of proofs.

use std::path::Path;

use circuits::graph::{Limits, PortKind};
use circuits::interface::{port_columns, port_rows};
use circuits::machine::MachineParams;
use halo2_proofs::halo2curves::bn256::G1Affine;
use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Keccak256};
use thiserror::Error;

use super::{Content, Side};
use crate::container::{self, Bytes, ContainerError, Kind};
use crate::encoding::{decode_point, encode_point, PointError, POINT_BYTES};
use crate::Digest;

/// Rows at the end of a column by which a commitment outside of proofs is blinded. No key has fewer.
pub const COMMITMENT_BLINDED_ROWS: usize = 6;

/// Opens the hash of what a commitment's columns belong to.
const TAG: &[u8] = b"zkinfer link 1: a commitment";

/// Why a file is no commitment.
#[derive(Debug, Error)]
pub enum CommitmentError {
    /// The file is not a whole and undamaged commitment.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A number of rows that no machine has, or that leaves no room for the blinding.
    #[error("a commitment on 2^{found} rows is not possible; k lies between 6 and {}", MachineParams::K.end())]
    Rows {
        /// The `k`.
        found: u32,
    },
    /// No values, more than a tensor may have, or a scale that is no positive number.
    #[error("the commitment's shape or scale is out of place")]
    Port,
    /// Another number of points than the values take columns.
    #[error("the commitment has {found} bytes of points, and must have {expected}")]
    Points {
        /// Bytes that the shape asks for.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// A point that is none.
    #[error("point {index} of the commitment: {error}")]
    Point {
        /// Which point.
        index: usize,
        /// What is wrong with it.
        error: PointError,
    },
}

/// A hiding commitment to the values of a tensor, in the form in which proofs commit to the values of a port.
#[derive(Clone, Debug, PartialEq)]
pub struct Commitment {
    content: CommitmentFile,
    points: Vec<G1Affine>,
    file: Vec<u8>,
}

/// What a commitment says about its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommittedTensor {
    /// The shape.
    pub shape: Vec<usize>,
    /// `real = scale · q`.
    pub scale: f64,
    /// What the numbers are.
    pub kind: PortKind,
}

/// The payload of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CommitmentFile {
    srs: Digest,
    k: u32,
    tensor: CommittedTensor,
    points: Bytes,
}

impl Commitment {
    /// A commitment on `2^k` rows of an SRS, by the commitments to its columns.
    ///
    /// # Errors
    /// The parts do not go together.
    pub fn new(srs: Digest, k: u32, tensor: CommittedTensor, points: &[G1Affine]) -> Result<Self, CommitmentError> {
        let mut bytes = Vec::with_capacity(points.len() * POINT_BYTES);
        for (index, point) in points.iter().enumerate() {
            bytes.extend(encode_point(point).map_err(|error| CommitmentError::Point { index, error })?);
        }
        let content = CommitmentFile { srs, k, tensor, points: Bytes(bytes) };
        Self::from_file(container::encode(Kind::Commitment, &content)?)
    }

    /// Checks that columns of `2^k` rows can be committed to.
    ///
    /// # Errors
    /// No machine has so many rows, or the blinding finds no room in them.
    pub fn check_rows(k: u32) -> Result<(), CommitmentError> {
        let possible = MachineParams::K.contains(&k) && COMMITMENT_BLINDED_ROWS <= (1 << k) - port_rows(k);
        possible.then_some(()).ok_or(CommitmentError::Rows { found: k })
    }

    /// Reads the bytes of a commitment's file.
    ///
    /// # Errors
    /// The bytes are no commitment.
    pub fn from_file(file: Vec<u8>) -> Result<Self, CommitmentError> {
        let content: CommitmentFile = container::decode(Kind::Commitment, &file)?;
        Self::check_rows(content.k)?;
        let tensor = &content.tensor;
        let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let elements = elements.filter(|elements| (1..=Limits::MAX_ELEMENTS).contains(elements));
        let scaled = tensor.scale.is_finite() && tensor.scale > 0.0;
        let elements = elements.filter(|_| scaled).ok_or(CommitmentError::Port)?;
        let (expected, found) = (port_columns(elements, content.k) * POINT_BYTES, content.points.0.len());
        if found != expected {
            return Err(CommitmentError::Points { expected, found });
        }
        let point = |(index, bytes): (usize, &[u8])| {
            let bytes = bytes.try_into().expect("the chunks have that size");
            decode_point(bytes).map_err(|error| CommitmentError::Point { index, error })
        };
        let points = content.points.0.chunks_exact(POINT_BYTES).enumerate().map(point).collect::<Result<_, _>>()?;
        Ok(Self { content, points, file })
    }

    /// Reads a commitment's file.
    ///
    /// # Errors
    /// The file can't be read or is no commitment.
    pub fn read(path: &Path) -> Result<Self, CommitmentError> {
        Self::from_file(container::read_file(Kind::Commitment, path)?)
    }

    /// Writes the commitment's file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        container::write_atomic(path, &self.file)
    }

    /// The SRS.
    pub fn srs(&self) -> Digest {
        self.content.srs
    }

    /// The columns have `2^k` rows.
    pub fn k(&self) -> u32 {
        self.content.k
    }

    /// What it says about its values.
    pub fn tensor(&self) -> &CommittedTensor {
        &self.content.tensor
    }

    /// SHA-256 of the file; links name it by that.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.file)
    }

    /// The commitment as a side of a link.
    pub fn side(&self) -> Side {
        let CommittedTensor { shape, scale, kind } = &self.content.tensor;
        Side {
            srs: self.content.srs,
            k: self.content.k,
            blinded_rows: COMMITMENT_BLINDED_ROWS,
            content: Content::Port { elements: shape.iter().product(), scale: *scale, kind: *kind },
            points: self.points.clone(),
            context: Keccak256::new().chain_update(TAG).chain_update(self.digest().0).finalize().into(),
        }
    }
}
