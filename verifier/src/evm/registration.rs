//! Registrations on a chain: what `contracts/src/WeightsRegistry.sol` is told.

use circuits::machine::MachineParams;
use circuits::registration::RegistrationParams;
use thiserror::Error;

use super::abi::word;
use super::call::{bytes, call, tuple, Argument};
use crate::encoding::{encode_point2, encode_scalar, PointError};
use crate::registration::registration_key;
use crate::srs::SrsMark;
use crate::{DegreeOverride, Registration};

/// `register(Terms,bytes[],bytes)`
const REGISTER: &str = "register((bytes32,uint256,uint256,string),bytes[],bytes)";

/// Why a registration can't be told to the registry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// The name has characters that the registry does not take.
    #[error("on a chain, names have 1 to 200 characters of ASCII that print, and this one is {name:?}; register under another name")]
    Name {
        /// The name.
        name: String,
    },
    /// The SRS has no encoding.
    #[error(transparent)]
    Point(#[from] PointError),
}

/// The call of the registry of weights: `register(terms, proofs, tau)`. The registration is on the SRS.
///
/// # Errors
/// The registry does not take such names.
pub fn register(srs: &SrsMark, registration: &Registration) -> Result<Vec<u8>, RegisterError> {
    let terms = registration.terms();
    if !terms.name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(RegisterError::Name { name: terms.name.clone() });
    }
    let numbers = [terms.k as usize, terms.columns as usize].map(|number| Argument::Word(word(number)));
    let [k, columns] = numbers;
    let terms = tuple(&[Argument::Word(terms.srs.0), k, columns, Argument::Dynamic(bytes(terms.name.as_bytes()))]);
    let proofs: Vec<_> = registration.proofs().map(|proof| Argument::Dynamic(bytes(proof))).collect();
    let proofs = [&word(proofs.len())[..], &tuple(&proofs)].concat();
    let tau = bytes(&encode_point2(&srs.tau_g2())?);
    Ok(call(REGISTER, &[terms, proofs, tau].map(Argument::Dynamic)))
}

/// The words by which the transcripts of a registration's proofs name their keys, 32 bytes each: for each `k` of a machine, in
/// order, those for 1 to 16 columns. They stand in the registry's code, `contracts/src/RegistrationKeys.sol`.
///
/// # Errors
/// The environment would change the proof system.
pub fn registration_keys() -> Result<Vec<u8>, DegreeOverride> {
    let sizes = MachineParams::K.flat_map(|k| (1..=RegistrationParams::MAX_COLUMNS).map(move |columns| (k, columns)));
    let keys = sizes.map(|(k, columns)| registration_key(RegistrationParams { k, columns }));
    let words = keys.map(|key| Ok(encode_scalar(&key?.transcript_repr())));
    Ok(words.collect::<Result<Vec<_>, _>>()?.concat())
}
