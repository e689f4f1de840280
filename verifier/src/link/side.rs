//! A side of a link: columns, and what they stand in.

use std::ops::Range;

use circuits::graph::PortKind;
use circuits::machine::Placement;
use halo2_proofs::halo2curves::bn256::G1Affine;
use sha3::{Digest as _, Keccak256};

use super::LinkedPort;
use crate::encoding::{decode_point, encode_scalar, POINT_BYTES};
use crate::{Digest, Proof, Refusal, Registration, VerifyingKey};

/// Opens the hash of what the columns of a port of a proof belong to.
const PORT_TAG: &[u8] = b"zkinfer link 1: a port of a proof";
/// Opens the hash of what the private weights of a proof belong to.
const WEIGHTS_TAG: &[u8] = b"zkinfer link 1: weights of a proof";
/// Opens the hash of what registered columns belong to.
const REGISTRATION_TAG: &[u8] = b"zkinfer link 1: a registration";

/// Committed columns with what is known of their values, and a hash of all that they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub(super) srs: Digest,
    pub(super) k: u32,
    pub(super) blinded_rows: usize,
    pub(super) content: Content,
    pub(super) points: Vec<G1Affine>,
    pub(super) context: [u8; 32],
}

/// What the columns of a side hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// The values of a port, one after the other.
    Port {
        /// Number of values.
        elements: usize,
        /// The reals that the integers stand for are multiples of it.
        scale: f64,
        /// What the numbers are.
        kind: PortKind,
    },
    /// Weights of a proof, in all rows but the blinded ones.
    Weights,
    /// Registered weights, in all rows but the blinded ones.
    Registered,
}

/// What can be linked of the proofs under a key: their private weights, or a committed port.
#[derive(Clone, Debug, PartialEq)]
pub struct Linkable {
    /// The port's position in the interface, or [`LinkedPort::WEIGHTS`].
    pub port: u32,
    /// What the columns hold.
    pub content: Content,
    /// The columns, and so the places of their commitments among a proof's points: those of the first phase come first, in the order
    /// of the columns.
    pub columns: Range<usize>,
}

impl Linkable {
    /// All that can be linked of proofs under `key`: the private weights first, then the committed ports in their order.
    pub fn of(key: &VerifyingKey) -> Vec<Self> {
        let params = key.description().params;
        let placement = Placement::new(&params);
        let weights = (params.private_weight_columns() != 0).then(|| Self {
            port: LinkedPort::WEIGHTS,
            content: Content::Weights,
            columns: placement.weight_columns(),
        });
        let ports = key.interface().committed(params.k).map(|(index, port, columns)| Self {
            port: index as u32,
            content: Content::Port { elements: port.elements(), scale: port.scale, kind: port.kind },
            columns: placement.port_column(columns.start as u32)..placement.port_column(columns.end as u32),
        });
        weights.into_iter().chain(ports).collect()
    }

    /// The weights, or the port, of a proof under the key.
    fn of_proof(self, key: &VerifyingKey, proof: &Proof) -> Result<Side, Refusal> {
        let (tag, port) = match self.port {
            LinkedPort::WEIGHTS => (WEIGHTS_TAG, 0),
            port => (PORT_TAG, port.into()),
        };
        Ok(Side {
            srs: key.description().srs.digest(),
            k: key.description().params.k,
            blinded_rows: key.description().params.blinded_rows(),
            content: self.content,
            points: commitments(proof, self.columns),
            context: context(tag, key, proof, port)?,
        })
    }
}

impl Side {
    /// A committed port of a proof, by its position in the interface; `None` where no committed port is there. The proof is to be
    /// verified apart.
    ///
    /// # Errors
    /// The proof is for another key, or does not have the form of its proofs.
    pub fn of_proof(key: &VerifyingKey, proof: &Proof, port: usize) -> Result<Option<Self>, Refusal> {
        let is_port =
            |linkable: &Linkable| linkable.content != Content::Weights && usize::try_from(linkable.port) == Ok(port);
        Self::find(key, proof, is_port)
    }

    /// The private weights of a proof; `None` where its key's weights are public. The proof is to be verified apart.
    ///
    /// # Errors
    /// The proof is for another key, or does not have the form of its proofs.
    pub fn of_weights(key: &VerifyingKey, proof: &Proof) -> Result<Option<Self>, Refusal> {
        Self::find(key, proof, |linkable| linkable.content == Content::Weights)
    }

    fn find(key: &VerifyingKey, proof: &Proof, is_it: impl Fn(&Linkable) -> bool) -> Result<Option<Self>, Refusal> {
        check_form(key, proof)?;
        Linkable::of(key).into_iter().find(is_it).map(|linkable| linkable.of_proof(key, proof)).transpose()
    }

    /// The columns of a registration, which is to be verified apart.
    pub fn of_registration(registration: &Registration) -> Self {
        let hash = Keccak256::new().chain_update(REGISTRATION_TAG).chain_update(registration.digest().0);
        Self {
            srs: registration.terms().srs,
            k: registration.terms().k,
            blinded_rows: registration.blinded_rows(),
            content: Content::Registered,
            points: registration.points().to_vec(),
            context: hash.finalize().into(),
        }
    }

    /// The SRS.
    pub fn srs(&self) -> Digest {
        self.srs
    }

    /// The columns have `2^k` rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The last rows, in which the columns are blinded.
    pub fn blinded_rows(&self) -> usize {
        self.blinded_rows
    }

    /// What the columns hold.
    pub fn content(&self) -> Content {
        self.content
    }

    /// The commitments, one for each column.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }

    /// Keccak-256 of what the columns belong to.
    pub fn context(&self) -> &[u8; 32] {
        &self.context
    }
}

fn check_form(key: &VerifyingKey, proof: &Proof) -> Result<(), Refusal> {
    if proof.key != key.digest() {
        return Err(Refusal::KeyDigest { expected: key.digest(), found: proof.key });
    }
    Ok(key.proof_shape().check(&proof.words.0)?)
}

/// The commitments to some columns of the first phase in a proof whose form has been checked.
fn commitments(proof: &Proof, columns: Range<usize>) -> Vec<G1Affine> {
    let point = |index: usize| {
        let bytes = proof.words.0[POINT_BYTES * index..][..POINT_BYTES].try_into().expect("a point has that size");
        decode_point(bytes).expect("the form has been checked")
    };
    columns.map(point).collect()
}

/// Keccak-256 of the key's digest, the instance words, the words of the proof, and the port.
fn context(tag: &[u8], key: &VerifyingKey, proof: &Proof, port: u64) -> Result<[u8; 32], Refusal> {
    let instances = crate::verify::instances(key, &proof.public)?;
    let words = instances.iter().fold(Keccak256::new(), |hash, word| hash.chain_update(encode_scalar(word))).finalize();
    let hash = Keccak256::new().chain_update(tag).chain_update(key.digest().0).chain_update(words);
    let hash = hash.chain_update(Keccak256::digest(&proof.words.0)).chain_update(port.to_be_bytes());
    Ok(hash.finalize().into())
}
