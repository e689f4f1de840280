//! Several proofs, and the links between them.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::{Commitment, Link, LinkRefusal, LinkedPort, Side};
use crate::srs::SrsMark;
use crate::statement::WeightsStatement;
use crate::{verify_under, Digest, Policy, Proof, Refusal, Registration, RegistrationError, Statement, VerifyingKey};

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
    /// A registration is refused.
    #[error("registration {index}: {refusal}")]
    Registration {
        /// Which registration.
        index: usize,
        /// Why.
        refusal: RegistrationError,
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
    #[error("link {index} speaks about the file {artifact}, which is neither a proof nor a commitment nor a registration at hand")]
    UnknownSide {
        /// Which link.
        index: usize,
        /// SHA-256 of the file.
        artifact: Digest,
    },
    /// A link speaks about a port that is not committed to, or weights that are not private.
    #[error("link {index} speaks about {} of the file {artifact}, and none is there", part(*port))]
    NotCommitted {
        /// Which link.
        index: usize,
        /// SHA-256 of the file.
        artifact: Digest,
        /// The port, or [`LinkedPort::WEIGHTS`].
        port: u32,
    },
    /// A registration that no proof is about.
    #[error("registration {index} is not linked to the weights of any proof")]
    UnusedRegistration {
        /// Which registration.
        index: usize,
    },
    /// A commitment that no link speaks about.
    #[error("commitment {index} is not what any link speaks about")]
    UnusedCommitment {
        /// Which commitment.
        index: usize,
    },
    /// A proof about registered weights was asked for, and nothing says which weights this one has.
    #[error("proof {index} has private weights, and they are not linked to a registration")]
    UnregisteredWeights {
        /// Which proof.
        index: usize,
    },
    /// No proof is there to say which SRS the links are on.
    #[error("no proof is given")]
    NoProof,
}

/// What a number of a port stands for.
fn part(port: u32) -> String {
    match port {
        LinkedPort::WEIGHTS => "private weights".to_owned(),
        port => format!("a committed port {port}"),
    }
}

impl ChainRefusal {
    /// A name of the reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ChainRefusal::Proof { refusal, .. } => refusal.code(),
            ChainRefusal::Registration { refusal, .. } => refusal.code(),
            ChainRefusal::Link { refusal, .. } => refusal.code(),
            ChainRefusal::UnknownSide { .. } => "link-side",
            ChainRefusal::NotCommitted { .. } => "link-port",
            ChainRefusal::UnusedRegistration { .. } => "unused-registration",
            ChainRefusal::UnusedCommitment { .. } => "unused-commitment",
            ChainRefusal::UnregisteredWeights { .. } => "unregistered-weights",
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

impl Chain {
    /// The chain, if each proof in it says which weights it is about: they are in its key, or linked to a registration directly.
    ///
    /// # Errors
    /// The first proof whose weights are private and not linked to a registration.
    pub fn require_registered(self) -> Result<Self, ChainRefusal> {
        match self.statements.iter().position(|statement| statement.weights == WeightsStatement::Private) {
            Some(index) => Err(ChainRefusal::UnregisteredWeights { index }),
            None => Ok(self),
        }
    }
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
    /// The private weights of a proof of the chain.
    Weights {
        /// Which proof, from 0.
        proof: usize,
    },
    /// Registered weights.
    Registration {
        /// What the registrant calls the model.
        name: String,
        /// SHA-256 of the registration's file.
        digest: Digest,
    },
}

impl fmt::Display for LinkedSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkedSide::Port { proof, direction, name } => write!(f, "{direction} {name:?} of proof {}", proof + 1),
            LinkedSide::Commitment(digest) => write!(f, "the values of the commitment {digest}"),
            LinkedSide::Weights { proof } => write!(f, "weights of proof {}", proof + 1),
            LinkedSide::Registration { name, digest } => write!(f, "the model registered as {name:?} in {digest}"),
        }
    }
}

/// Verifies proofs, each under its key, registrations, and links between committed ports of proofs, their private weights,
/// registrations, and commitments outside of proofs. Sides are found by the digests of the files. The statement of a proof
/// whose weights are linked to a registration says so; one whose private weights are not is accepted as being about some weights
/// ([`Chain::require_registered`] refuses it).
///
/// # Errors
/// The first proof, registration or link that is refused; else the first registration without a link to the weights of a proof,
/// or commitment without a link, since accepting it would seem to say something about it.
pub fn verify_chain(
    policy: Policy,
    members: &[Member<'_>],
    commitments: &[Commitment],
    registrations: &[Registration],
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
    for (index, registration) in registrations.iter().enumerate() {
        registration.verify(&srs).map_err(|refusal| ChainRefusal::Registration { index, refusal })?;
    }
    let at_hand = AtHand { proofs, commitments, registrations };
    let judged = links.iter().enumerate().map(|(index, link)| at_hand.judge(&srs, index, link));
    let links = judged.collect::<Result<Vec<_>, _>>()?;
    at_hand.refuse_unused(&links)?;
    for (index, statement) in statements.iter_mut().enumerate() {
        if let Some(registration) = at_hand.registration_of(index, &links) {
            *statement = statement.clone().with_registered(members[index].key, registration);
        }
    }
    Ok(Chain { links, statements })
}

/// The sides that a link speaks about, and what they are. Nothing is verified: that is for [`verify_chain`].
///
/// # Errors
/// A proof can't be read, or the link speaks about what is not at hand.
pub fn sides_of(
    members: &[Member<'_>],
    commitments: &[Commitment],
    registrations: &[Registration],
    link: &Link,
) -> Result<[(Side, LinkedSide); 2], ChainRefusal> {
    let mut proofs = Vec::with_capacity(members.len());
    for (index, member) in members.iter().enumerate() {
        let refused = |error| ChainRefusal::Proof { index, refusal: Refusal::from(error) };
        let proof = Proof::from_file(member.file).map_err(refused)?;
        proofs.push(Judged { key: member.key, proof, digest: Digest::of(member.file) });
    }
    let at_hand = AtHand { proofs, commitments, registrations };
    Ok([at_hand.find(0, link.from)?, at_hand.find(0, link.to)?])
}

/// A proof, with its key and the digest of its file.
struct Judged<'a> {
    key: &'a VerifyingKey,
    proof: Proof,
    digest: Digest,
}

/// What the sides of links are looked up in.
struct AtHand<'a> {
    proofs: Vec<Judged<'a>>,
    commitments: &'a [Commitment],
    registrations: &'a [Registration],
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

    /// Refuses registrations that no link ties to the weights of a proof, and commitments that no link speaks about.
    fn refuse_unused(&self, links: &[[LinkedSide; 2]]) -> Result<(), ChainRefusal> {
        let is_weights = |side: &LinkedSide| matches!(side, LinkedSide::Weights { .. });
        let weights = || links.iter().filter(|sides| sides.iter().any(is_weights)).flatten();
        let is_used = |registration: &Registration| {
            let used = registration.digest();
            weights().any(|side| matches!(side, LinkedSide::Registration { digest, .. } if *digest == used))
        };
        if let Some(index) = self.registrations.iter().position(|registration| !is_used(registration)) {
            return Err(ChainRefusal::UnusedRegistration { index });
        }
        let is_spoken_of = |commitment: &Commitment| {
            let side = LinkedSide::Commitment(commitment.digest());
            links.iter().flatten().any(|linked| *linked == side)
        };
        match self.commitments.iter().position(|commitment| !is_spoken_of(commitment)) {
            Some(index) => Err(ChainRefusal::UnusedCommitment { index }),
            None => Ok(()),
        }
    }

    /// The registration that the weights of a proof are linked to.
    fn registration_of(&self, proof: usize, links: &[[LinkedSide; 2]]) -> Option<&Registration> {
        let weights = LinkedSide::Weights { proof };
        links.iter().find_map(|[from, to]| {
            let other = match (*from == weights, *to == weights) {
                (true, _) => to,
                (_, true) => from,
                _ => return None,
            };
            self.registrations
                .iter()
                .find(|known| matches!(other, LinkedSide::Registration { digest, .. } if *digest == known.digest()))
        })
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
        if let Some(registration) = self.registrations.iter().find(|registration| registration.digest() == artifact) {
            let name = registration.terms().name.clone();
            return match port {
                LinkedPort::WEIGHTS => {
                    Ok((Side::of_registration(registration), LinkedSide::Registration { name, digest: artifact }))
                }
                _ => Err(not_committed),
            };
        }
        let Some(place) = self.proofs.iter().position(|judged| judged.digest == artifact) else {
            return Err(ChainRefusal::UnknownSide { index, artifact });
        };
        let Judged { key, proof, .. } = &self.proofs[place];
        let refused = |refusal| ChainRefusal::Proof { index: place, refusal };
        if port == LinkedPort::WEIGHTS {
            let side = Side::of_weights(key, proof).map_err(refused)?.ok_or(not_committed)?;
            return Ok((side, LinkedSide::Weights { proof: place }));
        }
        let side = Side::of_proof(key, proof, port as usize).map_err(refused)?.ok_or(not_committed)?;
        let described = &key.interface().ports[port as usize];
        let (direction, name) = (described.direction.name(), described.name.clone());
        Ok((side, LinkedSide::Port { proof: place, direction, name }))
    }
}
