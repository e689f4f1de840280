//! Registrations: commitments to the weights of a model, and proofs that these are integers of 16 bits.
//!
//! A proof under a key with private weights shows that *some* weights give its outputs. A registration names weights without telling
//! them; with a link from a proof to it, the proof is about the registered ones. `docs/soundness.md`, section 15, states what a
//! registration says and argues why, `docs/linking.md` what a link does.
//!
//! The columns are dealt out over proofs of [`RegistrationParams::MAX_COLUMNS`] each. The commitments are those that the proofs
//! themselves make to their first columns: they stand nowhere else.

use std::path::Path;

use circuits::registration::{RegistrationParams, RegistrationParamsError, BLINDED_ROWS};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::plonk::{self, permutation};
use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Keccak256};
use thiserror::Error;

use crate::container::{self, Bytes, ContainerError, Kind};
use crate::encoding::{decode_point, POINT_BYTES};
use crate::key::{domain_without_tables, srs_for_verifying};
use crate::shape::{ProofShape, ShapeError};
use crate::srs::SrsMark;
use crate::transcript::KeccakTranscript;
use crate::verify::check_equation;
use crate::{refuse_degree_override, DegreeOverride, Digest};

/// Opens the hash of what a registration's proofs belong to.
const TAG: &[u8] = b"zkinfer registration 1: terms";

/// What the proofs of a registration belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationTerms {
    /// The SRS.
    pub srs: Digest,
    /// The columns have `2^k` rows.
    pub k: u32,
    /// Columns of weights.
    pub columns: u32,
    /// What the registrant calls the model.
    pub name: String,
}

/// Why a registration is not accepted.
#[derive(Debug, Error)]
pub enum RegistrationError {
    /// The file is not a whole and undamaged registration.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The environment would change the proof system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// Sizes that no registration has.
    #[error(transparent)]
    Params(#[from] RegistrationParamsError),
    /// A number of columns that no registration has.
    #[error("a registration has 1 to {} columns, and this one {found}", RegistrationTerms::MAX_COLUMNS)]
    Columns {
        /// Its columns.
        found: u32,
    },
    /// A name that is empty, too long, or has characters that do not print.
    #[error("the name of a registration has 1 to {} printable characters", RegistrationTerms::MAX_NAME)]
    Name,
    /// Another number of proofs than the columns take.
    #[error("the registration has {found} proofs, and must have {expected}")]
    Proofs {
        /// Proofs that the columns take.
        expected: usize,
        /// Proofs that there are.
        found: usize,
    },
    /// A proof that has not the form of its like.
    #[error("proof {index} of the registration: {error}")]
    Shape {
        /// Which proof.
        index: usize,
        /// What is wrong with it.
        error: ShapeError,
    },
    /// The registration is on another SRS than the one at hand.
    #[error("the registration is on the SRS {found}, and the one at hand is {expected}")]
    Srs {
        /// The SRS at hand.
        expected: Digest,
        /// That of the registration.
        found: Digest,
    },
    /// A proof does not show that its columns are in range, or is another registration's.
    #[error("proof {index} of the registration does not show that the weights are in range: its equation fails")]
    Equation {
        /// Which proof.
        index: usize,
    },
}

impl RegistrationError {
    /// A name of the reason for programs; one for each variant.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Container(_) => "file",
            Self::DegreeOverride(_) => "degree-override",
            Self::Params(_) => "registration-rows",
            Self::Columns { .. } => "registration-columns",
            Self::Name => "registration-name",
            Self::Proofs { .. } => "registration-proofs",
            Self::Shape { .. } => "registration-shape",
            Self::Srs { .. } => "registration-srs",
            Self::Equation { .. } => "registration-equation",
        }
    }
}

impl RegistrationTerms {
    /// Most columns.
    pub const MAX_COLUMNS: u32 = 1 << 12;
    /// Most characters of a name.
    pub const MAX_NAME: usize = 200;

    /// Checks that there are such registrations.
    ///
    /// # Errors
    /// The first term that is out of place.
    pub fn validate(&self) -> Result<(), RegistrationError> {
        if !(1..=Self::MAX_COLUMNS).contains(&self.columns) {
            return Err(RegistrationError::Columns { found: self.columns });
        }
        self.params().try_for_each(|params| params.validate())?;
        let printable = self.name.chars().all(|character| !character.is_control());
        let fits = (1..=Self::MAX_NAME).contains(&self.name.chars().count());
        (printable && fits).then_some(()).ok_or(RegistrationError::Name)
    }

    /// The sizes of the proofs, in order.
    pub fn params(&self) -> impl Iterator<Item = RegistrationParams> {
        RegistrationParams::of_all(self.k, self.columns as usize)
    }

    /// The transcript of a proof, by its place among the others. It begins with the terms.
    pub fn transcript<S>(&self, index: usize, proof: S) -> KeccakTranscript<S> {
        let mut hash = Keccak256::new().chain_update(TAG).chain_update(self.srs.0);
        for number in [self.k.into(), self.columns.into(), index as u64, self.name.len() as u64] {
            hash.update(number.to_be_bytes());
        }
        hash.update(&self.name);
        let mut transcript = KeccakTranscript::new(proof);
        transcript.absorb(&hash.finalize());
        transcript
    }
}

/// The key of proofs about registered columns. It follows from their sizes: the system has no fixed columns and no copies.
///
/// # Errors
/// The environment would change the proof system.
pub fn registration_key(params: RegistrationParams) -> Result<plonk::VerifyingKey<G1Affine>, DegreeOverride> {
    refuse_degree_override()?;
    let system = params.constraint_system();
    Ok(plonk::VerifyingKey::from_parts(
        domain_without_tables(system.degree(), params.k),
        Vec::new(),
        permutation::VerifyingKey::from_commitments(Vec::new()),
        system,
        Vec::new(),
        false,
    ))
}

/// Commitments to weights that are registered, with proofs about them. Reading one verifies nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    terms: RegistrationTerms,
    proofs: Vec<Bytes>,
    points: Vec<G1Affine>,
    file: Vec<u8>,
}

/// The payload of the file.
#[derive(Serialize, Deserialize)]
struct RegistrationFile {
    terms: RegistrationTerms,
    proofs: Vec<Bytes>,
}

impl Registration {
    /// A registration by its proofs.
    ///
    /// # Errors
    /// The parts do not go together.
    pub fn new(terms: RegistrationTerms, proofs: Vec<Vec<u8>>) -> Result<Self, RegistrationError> {
        let proofs = proofs.into_iter().map(Bytes).collect();
        Self::from_file(container::encode(Kind::Registration, &RegistrationFile { terms, proofs })?)
    }

    /// Reads the bytes of a registration's file. Nothing is verified but the form.
    ///
    /// # Errors
    /// The bytes are no registration.
    pub fn from_file(file: Vec<u8>) -> Result<Self, RegistrationError> {
        refuse_degree_override()?;
        let RegistrationFile { terms, proofs } = container::decode(Kind::Registration, &file)?;
        terms.validate()?;
        let (expected, found) = (terms.params().count(), proofs.len());
        if expected != found {
            return Err(RegistrationError::Proofs { expected, found });
        }
        let mut points = Vec::with_capacity(terms.columns as usize);
        for (index, (params, proof)) in terms.params().zip(&proofs).enumerate() {
            let shape = ProofShape::of(&params.constraint_system());
            shape.check(&proof.0).map_err(|error| RegistrationError::Shape { index, error })?;
            let first = proof.0.chunks_exact(POINT_BYTES).take(params.columns as usize);
            points.extend(first.map(|bytes| {
                decode_point(bytes.try_into().expect("a point has that size")).expect("the form has been checked")
            }));
        }
        Ok(Self { terms, proofs, points, file })
    }

    /// Reads a registration's file. Nothing is verified but the form.
    ///
    /// # Errors
    /// The file can't be read or is no registration.
    pub fn read(path: &Path) -> Result<Self, RegistrationError> {
        Self::from_file(container::read_file(Kind::Registration, path)?)
    }

    /// Writes the registration's file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        container::write_atomic(path, &self.file)
    }

    /// Verifies that all weights are in range.
    ///
    /// # Errors
    /// The registration is on another SRS, or the first of its proofs that is refused.
    pub fn verify(&self, srs: &SrsMark) -> Result<(), RegistrationError> {
        let (expected, found) = (srs.digest(), self.terms.srs);
        if expected != found {
            return Err(RegistrationError::Srs { expected, found });
        }
        let srs = srs_for_verifying(self.terms.k, srs);
        for (index, (params, proof)) in self.terms.params().zip(&self.proofs).enumerate() {
            let [first, table] = params.instances();
            let instances: [&[Fr]; 2] = [&first, &table];
            let transcript = self.terms.transcript(index, &proof.0[..]);
            check_equation(&srs, &registration_key(params)?, &instances, transcript)
                .map_err(|_| RegistrationError::Equation { index })?;
        }
        Ok(())
    }

    /// What its proofs belong to.
    pub fn terms(&self) -> &RegistrationTerms {
        &self.terms
    }

    /// Its proofs, in order.
    pub fn proofs(&self) -> impl Iterator<Item = &[u8]> {
        self.proofs.iter().map(|proof| &proof.0[..])
    }

    /// The commitments, one for each column.
    pub fn points(&self) -> &[G1Affine] {
        &self.points
    }

    /// Rows at the end of its columns that are blinded.
    pub fn blinded_rows(&self) -> usize {
        BLINDED_ROWS
    }

    /// The bytes of the file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// SHA-256 of the file; links name it by that.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.file)
    }
}
