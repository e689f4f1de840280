//! Registering weights, and what opens a registration: the prover's side of [`verifier::registration`].
//!
//! `docs/linking.md`, section 8, has the protocol. [`RegisteredWeights`] are as secret as the weights.

use std::path::Path;

use circuits::machine::Integers;
use circuits::registration::{RegistrationWitness, WeightsError, BLINDED_ROWS};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use verifier::container::{self, Bytes, ContainerError, Kind};
use verifier::registration::{registration_key, RegistrationTerms};
use verifier::{DegreeOverride, Digest, Registration, RegistrationError};

use crate::engine::{Column, CpuEngine, CpuOptions, KnownCommitment};
use crate::link::{decode_tails, encode_tails, randomness, wipe_encoded, LinkError};
use crate::plonk::key::{CircuitError, CircuitKey, Preprocessed};
use crate::plonk::prove::{prove, Job, PlonkError, Take, Witness};
use crate::plonk::randomness::Randomness;
use crate::secret::{SecretBytes, Tails};
use crate::srs::Srs;

/// Why weights are not registered. No message holds a weight.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// There is nothing to register.
    #[error("the program has no private weights, so that there is nothing to register")]
    NoWeights,
    /// The weights do not fit the columns, or are too large.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The SRS ends where its rows do.
    #[error("the SRS has just 2^{k} powers, and a proof takes one more")]
    NextPower {
        /// The `k` of the SRS.
        k: u32,
    },
    /// The environment would change the proof system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// The system can't be put onto the engine.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// A proof can't be made.
    #[error(transparent)]
    Plonk(#[from] PlonkError),
    /// The operating system gives no randomness.
    #[error(transparent)]
    Randomness(#[from] LinkError),
    /// Terms that no registration has, or a registration that is not accepted once it is made.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// What opens a registration: it, and the last rows of its columns. `Debug` tells nothing of these.
#[derive(Clone, PartialEq)]
pub struct RegisteredWeights {
    registration: Registration,
    /// SHA-256 of the columns, by which other weights are noticed before a proof is made with them. It would confirm a guess of them.
    columns: Digest,
    blinding: Tails,
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct WeightsFile {
    registration: Bytes,
    columns: Digest,
    blinding: Vec<Bytes>,
}

impl Drop for WeightsFile {
    fn drop(&mut self) {
        wipe_encoded(&mut self.blinding);
    }
}

/// Why a file opens no registration.
#[derive(Debug, Error)]
pub enum RegisteredWeightsError {
    /// The file is not a whole and undamaged one.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The registration in it is none.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The last rows in it are not those of the registration's columns.
    #[error("the blinding is not that of the registration's columns")]
    Blinding,
}

impl std::fmt::Debug for RegisteredWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredWeights").field("registration", &self.registration.digest()).finish_non_exhaustive()
    }
}

impl RegisteredWeights {
    /// Reads the file. The registration in it is the prover's own, and is not verified.
    ///
    /// # Errors
    /// The file can't be read or opens no registration.
    pub fn read(path: &Path) -> Result<Self, RegisteredWeightsError> {
        let file = SecretBytes(container::read_file(Kind::Weights, path)?);
        let mut content: WeightsFile = container::decode(Kind::Weights, &file.0)?;
        let registration = Registration::from_file(std::mem::take(&mut content.registration.0))?;
        let fits = |blinding: &Tails| {
            blinding.len() == registration.points().len() && blinding.iter().all(|tail| tail.len() == BLINDED_ROWS)
        };
        let blinding = decode_tails(&content.blinding).filter(fits).ok_or(RegisteredWeightsError::Blinding)?;
        Ok(Self { registration, columns: content.columns, blinding })
    }

    /// Writes the file, for its owner alone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        let content = WeightsFile {
            registration: Bytes(self.registration.file().to_vec()),
            columns: self.columns,
            blinding: encode_tails(&self.blinding),
        };
        container::write_private(path, &SecretBytes(container::encode(Kind::Weights, &content)?).0)
    }

    /// The registration.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The last rows of its columns.
    pub fn blinding(&self) -> &[Vec<Fr>] {
        &self.blinding
    }

    /// Whether it was made of these columns.
    pub fn is_of(&self, columns: &[Integers]) -> bool {
        columns.len() == self.blinding.len() && columns_digest(columns) == self.columns
    }

    /// SHA-256 of the columns.
    pub(crate) fn columns_digest(&self) -> Digest {
        self.columns
    }

    /// The commitments, by which other commitments to the same weights take no sum over these.
    pub fn known(&self) -> impl Iterator<Item = KnownCommitment> + '_ {
        let pairs = self.registration.points().iter().zip(self.blinding.iter());
        pairs.map(|(point, tail)| KnownCommitment { point: *point, tail: tail.clone() })
    }
}

/// SHA-256 of columns of weights, which would confirm a guess of them. Rows behind the end of a column are zero, so zeros at
/// its end do not count.
pub(crate) fn columns_digest(columns: &[Integers]) -> Digest {
    let mut hash = Sha256::new();
    for column in columns {
        let rows = (1..=column.len()).rev().find(|&rows| column.get(rows - 1) != 0).unwrap_or(0);
        hash.update((rows as u64).to_le_bytes());
        column.iter().take(rows).for_each(|weight| hash.update(weight.to_le_bytes()));
    }
    Digest(hash.finalize().into())
}

/// Registers columns of weights under a name: commits to them, and proves that all weights have 16 bits. `proved` is told of each
/// proof, by the number of columns that are done.
///
/// # Errors
/// A weight is too large, a column too long, or a name can't be; or no proof could be made.
pub fn register(
    srs: &Srs,
    name: &str,
    columns: &[Integers],
    proved: &dyn Fn(usize),
) -> Result<RegisteredWeights, RegisterError> {
    if columns.is_empty() {
        return Err(RegisterError::NoWeights);
    }
    let terms = RegistrationTerms {
        srs: srs.mark().digest(),
        k: srs.k(),
        columns: u32::try_from(columns.len()).unwrap_or(u32::MAX),
        name: name.to_owned(),
    };
    terms.validate()?;
    let engine = CpuEngine::new(srs.lagrange(), srs.powers()[1], CpuOptions::default());
    let next_power = srs.next_power().ok_or(RegisterError::NextPower { k: srs.k() })?;
    let digest = columns_digest(columns);
    let (mut proofs, mut blinding) = (Vec::new(), Tails::default());
    for (index, params) in terms.params().enumerate() {
        let part = columns[blinding.len()..][..params.columns as usize].to_vec();
        let witness = RegistrationWitness::new(params, part)?;
        let key = registration_key(params)?;
        let preprocessed = Preprocessed { fixed: Vec::new(), sigma: Vec::new(), recipe: Some(params.second_phase()) };
        let key = CircuitKey::new(&engine, &key, preprocessed)?;
        let context = |hash: &mut Sha256| hash_context(hash, &terms, index, digest);
        let mut randomness = randomness(b"zkinfer registration", context)?;
        let [first, table] = params.instances();
        let job =
            Job { engine: &engine, key: &key, next_power, instances: &[&first, &table], check: cfg!(debug_assertions) };
        let mut columns = RegistrationColumns::new(witness, &mut randomness);
        let mut transcript = terms.transcript(index, Vec::new());
        prove(&job, &mut columns, &mut randomness, &mut transcript, &mut ())?;
        proofs.push(transcript.finalize());
        blinding.append(&mut columns.tails);
        proved(blinding.len());
    }
    let registration = Registration::new(terms, proofs)?;
    registration.verify(srs.mark())?;
    Ok(RegisteredWeights { registration, columns: digest, blinding })
}

/// What the randomness of a registration's proof is hedged with: the terms, the place among the proofs, and the weights by
/// their digest.
fn hash_context(hash: &mut Sha256, terms: &RegistrationTerms, index: usize, columns: Digest) {
    hash.update(terms.srs.0);
    hash.update(terms.k.to_le_bytes());
    hash.update(terms.columns.to_le_bytes());
    hash.update((terms.name.len() as u64).to_le_bytes());
    hash.update(terms.name.as_bytes());
    hash.update((index as u64).to_le_bytes());
    hash.update(columns.0);
}

/// The witness of a registration's proof, whose weight columns bring their last rows along.
struct RegistrationColumns {
    witness: RegistrationWitness,
    tails: Tails,
}

impl RegistrationColumns {
    fn new(witness: RegistrationWitness, randomness: &mut Randomness) -> Self {
        let tails = (0..witness.params().columns).map(|_| randomness.elements(BLINDED_ROWS)).collect();
        Self { witness, tails }
    }
}

impl Witness for RegistrationColumns {
    fn columns(&mut self, phase: u8, _: &[Option<Fr>], take: &mut Take<'_>) -> Result<(), PlonkError> {
        if phase == 0 {
            let columns = self.witness.first_phase().into_iter().enumerate();
            return columns.into_iter().try_for_each(|(index, integers)| {
                let tail = self.tails.get(index).cloned().unwrap_or_default();
                take(index, Column { tail, ..Column::integers(integers) })
            });
        }
        Err(PlonkError::Witness { phase, reason: "the columns follow from the first phase's".into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blinding_depends_on_everything() {
        let context = |change: &dyn Fn(&mut RegistrationTerms), index, columns| {
            let mut terms = RegistrationTerms { srs: Digest([1; 32]), k: 7, columns: 20, name: "digits".into() };
            change(&mut terms);
            let mut hash = Sha256::new();
            hash_context(&mut hash, &terms, index, Digest([columns; 32]));
            <[u8; 32]>::from(hash.finalize())
        };
        let first = context(&|_| (), 0, 2);
        assert_eq!(first, context(&|_| (), 0, 2));
        let others = [
            context(&|terms| terms.srs = Digest([3; 32]), 0, 2),
            context(&|terms| terms.k = 8, 0, 2),
            context(&|terms| terms.columns = 21, 0, 2),
            context(&|terms| terms.name = "digits, May".into(), 0, 2),
            context(&|_| (), 1, 2),
            context(&|_| (), 0, 3),
        ];
        assert!(others.iter().all(|other| *other != first));
    }
}
