//! Several proofs, and the links between them.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::{Commitment, Link, LinkRefusal, LinkedPort, Side};
use crate::srs::SrsMark;
use crate::{verify_under, Digest, Policy, Proof, Refusal, Statement, VerifyingKey};

/// A proof to be judged: its key, and the bytes of its file.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The key.
    pub key: &'a VerifyingKey,
    /// The proof's file.
    pub file: &'a [u8],
}

/// Why a chain is refused. Places count from 0.
#[derive(Debug, Error)]
pub enum ChainRefusal {
    /// A proof is refused.
    #[error("proof {index}: {refusal}")]
    Proof {
        /// Which proof.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// A link is refused.
    #[error("link {index}: {refusal}")]
    Link {
        /// Which link.
        index: usize,
        /// Why.
        refusal: LinkRefusal,
    },
    /// A link speaks about a file that is not at hand.
    #[error("link {index} speaks about the file {artifact}, which is neither a proof nor a commitment at hand")]
    UnknownSide {
        /// Which link.
        index: usize,
        /// SHA-256 of the file.
        artifact: Digest,
    },
    /// A link speaks about a port that is not committed to.
    #[error("link {index} speaks about port {port} of the file {artifact}, and no committed port is there")]
    NotCommitted {
        /// Which link.
        index: usize,
        /// SHA-256 of the file.
        artifact: Digest,
        /// The port.
        port: u32,
    },
    /// No proof is there to say which SRS the links are on.
    #[error("no proof is given")]
    NoProof,
}

impl ChainRefusal {
    /// A name of the reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ChainRefusal::Proof { refusal, .. } => refusal.code(),
            ChainRefusal::Link { refusal, .. } => refusal.code(),
            ChainRefusal::UnknownSide { .. } => "link-side",
            ChainRefusal::NotCommitted { .. } => "link-port",
            ChainRefusal::NoProof => "no-proof",
        }
    }
}

/// What an accepted chain says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    /// What each proof says.
    pub statements: Vec<Statement>,
    /// What each link says: that these two hold the same values.
    pub links: Vec<[LinkedSide; 2]>,
}

/// A side of a link, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkedSide {
    /// A port of a proof of the chain.
    Port {
        /// Which proof, from 0.
        proof: usize,
        /// Whether it goes in or comes out.
        direction: &'static str,
        /// Its name.
        name: String,
    },
    /// A commitment outside of proofs, by its digest.
    Commitment(Digest),
}

impl fmt::Display for LinkedSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkedSide::Port { proof, direction, name } => write!(f, "{direction} {name:?} of proof {}", proof + 1),
            LinkedSide::Commitment(digest) => write!(f, "the values of the commitment {digest}"),
        }
    }
}

/// Verifies proofs, each under its key, and links between their committed ports and commitments outside of them. Sides are found by
/// the digests of the files.
///
/// # Errors
/// The first proof or link that is refused.
pub fn verify_chain(
    policy: Policy,
    members: &[Member<'_>],
    commitments: &[Commitment],
    links: &[Link],
) -> Result<Chain, ChainRefusal> {
    let mut proofs = Vec::with_capacity(members.len());
    let mut statements = Vec::with_capacity(members.len());
    for (index, member) in members.iter().enumerate() {
        let judge = || {
            let proof = Proof::from_file(member.file)?;
            let statement = verify_under(policy, member.key, &proof.public, &proof)?;
            Ok((proof, statement))
        };
        let (proof, statement) = judge().map_err(|refusal| ChainRefusal::Proof { index, refusal })?;
        proofs.push(Judged { key: member.key, proof, digest: Digest::of(member.file) });
        statements.push(statement);
    }
    let srs = members.first().ok_or(ChainRefusal::NoProof)?.key.description().srs;
    let at_hand = AtHand { proofs, commitments };
    let judged = links.iter().enumerate().map(|(index, link)| at_hand.judge(&srs, index, link));
    Ok(Chain { links: judged.collect::<Result<_, _>>()?, statements })
}

/// A proof that has been accepted.
struct Judged<'a> {
    key: &'a VerifyingKey,
    proof: Proof,
    digest: Digest,
}

/// What the sides of links are looked up in.
struct AtHand<'a> {
    proofs: Vec<Judged<'a>>,
    commitments: &'a [Commitment],
}

impl AtHand<'_> {
    fn judge(&self, srs: &SrsMark, index: usize, link: &Link) -> Result<[LinkedSide; 2], ChainRefusal> {
        let (from, from_side) = self.find(index, link.from)?;
        let (to, to_side) = self.find(index, link.to)?;
        match link.verify(srs, &from, &to) {
            Ok(()) => Ok([from_side, to_side]),
            Err(refusal) => Err(ChainRefusal::Link { index, refusal }),
        }
    }

    fn find(
        &self,
        index: usize,
        LinkedPort { artifact, port }: LinkedPort,
    ) -> Result<(Side, LinkedSide), ChainRefusal> {
        let not_committed = ChainRefusal::NotCommitted { index, artifact, port };
        if let Some(commitment) = self.commitments.iter().find(|commitment| commitment.digest() == artifact) {
            return match port {
                0 => Ok((commitment.side(), LinkedSide::Commitment(artifact))),
                _ => Err(not_committed),
            };
        }
        let Some(place) = self.proofs.iter().position(|judged| judged.digest == artifact) else {
            return Err(ChainRefusal::UnknownSide { index, artifact });
        };
        let Judged { key, proof, .. } = &self.proofs[place];
        let side = Side::of_proof(key, proof, port as usize)
            .map_err(|refusal| ChainRefusal::Proof { index: place, refusal })?
            .ok_or(not_committed)?;
        let described = &key.interface().ports[port as usize];
        let (direction, name) = (described.direction.name(), described.name.clone());
        Ok((side, LinkedSide::Port { proof: place, direction, name }))
    }
}
