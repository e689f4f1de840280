//! A proof whose weights are those of a registration.

use thiserror::Error;

use super::{Link, LinkRefusal, LinkedPort, Side};
use crate::{
    verify_under, Digest, Policy, Proof, PublicData, Refusal, Registration, RegistrationError, Statement, VerifyingKey,
};

/// What shows whose weights a proof is about.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// The registration.
    pub registration: &'a Registration,
    /// The link between it and the proof.
    pub link: &'a Link,
}

/// Why a proof is not accepted as one about a registered model.
#[derive(Debug, Error)]
pub enum ModelRefusal {
    /// The proof is refused.
    #[error(transparent)]
    Proof(#[from] Refusal),
    /// The registration is refused.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The key's weights are public, so that there is nothing to compare with a registration.
    #[error("the weights are public in the key: it says itself which model it is for")]
    PublicWeights,
    /// The link speaks about other files.
    #[error("the link is not one between the weights of this proof and this registration")]
    OtherLink,
    /// The link is refused.
    #[error(transparent)]
    Link(#[from] LinkRefusal),
}

impl ModelRefusal {
    /// A name of the reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Proof(refusal) => refusal.code(),
            Self::Registration(refusal) => refusal.code(),
            Self::PublicWeights => "public-weights",
            Self::OtherLink => "model-link",
            Self::Link(refusal) => refusal.code(),
        }
    }
}

/// Verifies that a proof shows the program of `key`, with the weights of a registered model, to give the public values and digests
/// `public`, or those that the proof tells where none are asked about. `file` is the proof's file, by which the link names it.
///
/// # Errors
/// Why the proof, the registration or the link between them is refused.
pub fn verify_model(
    policy: Policy,
    key: &VerifyingKey,
    public: Option<&PublicData>,
    file: &[u8],
    model: Model<'_>,
) -> Result<Statement, ModelRefusal> {
    let Model { registration, link } = model;
    let proof = Proof::from_file(file).map_err(Refusal::from)?;
    let statement = verify_under(policy, key, public.unwrap_or(&proof.public), &proof)?;
    let srs = &key.description().srs;
    let weights = Side::of_weights(key, &proof)?.ok_or(ModelRefusal::PublicWeights)?;
    registration.verify(srs)?;
    let registered = Side::of_registration(registration);
    let names = [registration.digest(), Digest::of(file)].map(LinkedPort::weights);
    match [link.from, link.to] {
        sides if sides == names => link.verify(srs, &registered, &weights)?,
        [to, from] if [from, to] == names => link.verify(srs, &weights, &registered)?,
        _ => return Err(ModelRefusal::OtherLink),
    }
    Ok(statement.with_registered(key, registration))
}
