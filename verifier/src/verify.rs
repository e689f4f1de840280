//! The judgement on a proof.

use circuits::interface::PackError;
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine};
use halo2_proofs::plonk::{self, verify_proof};
use halo2_proofs::poly::kzg::commitment::{KZGCommitmentScheme, ParamsKZG};
use halo2_proofs::poly::kzg::multiopen::VerifierSHPLONK;
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2_proofs::transcript::TranscriptReadBuffer;
use thiserror::Error;

use crate::container::ContainerError;
use crate::encoding::PointError;
use crate::shape::ShapeError;
use crate::statement::Insecurity;
use crate::transcript::{Challenge, KeccakTranscript};
use crate::{refuse_degree_override, DegreeOverride, Digest, Proof, PublicData, Statement, VerifyingKey};

/// What is done with proofs that are marked insecure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// They are judged like others, and the statement carries the marks.
    #[default]
    AcceptMarked,
    /// They are refused.
    RequireSecure,
}

/// Why a proof is refused. Every reason has its own variant.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The bytes are no whole and undamaged proof file.
    #[error(transparent)]
    File(#[from] ContainerError),
    /// The environment would change the proof system.
    #[error(transparent)]
    DegreeOverride(#[from] DegreeOverride),
    /// The key is made on the development SRS, under which everybody can forge, and that is not allowed.
    #[error("the key is made on the insecure development SRS, under which anybody can forge proofs")]
    InsecureSrs,
    /// The proof was made with a seed, which is not allowed.
    #[error("the proof was made with seeded randomness, so that it may give its private values away")]
    SeededRandomness,
    /// The proof is for another key.
    #[error("the proof is for the key {found}, and the key at hand is {expected}")]
    KeyDigest {
        /// The key at hand.
        expected: Digest,
        /// The key that the proof names.
        found: Digest,
    },
    /// Not as many tensors of public values as the key has public ports.
    #[error("the key has {expected} public ports, and {found} tensors of values are given")]
    PublicTensors {
        /// Public ports.
        expected: usize,
        /// Tensors.
        found: usize,
    },
    /// Not as many digests as the key has hashed ports.
    #[error("the key has {expected} hashed ports, and {found} digests are given")]
    PublicDigests {
        /// Hashed ports.
        expected: usize,
        /// Digests.
        found: usize,
    },
    /// The proof's digest is not the one that the caller asks about.
    #[error("the digest of the hashed port {port:?} is not the one that the proof speaks about")]
    DigestDiffers {
        /// The port.
        port: String,
    },
    /// A tensor of the wrong size.
    #[error("the public port {port:?} has {expected} values, and {found} are given")]
    PublicLength {
        /// The port.
        port: String,
        /// Its elements.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A value outside the range of its port.
    #[error("value {index} of the public port {port:?} lies outside [{lo}, {hi}]")]
    PublicRange {
        /// The port.
        port: String,
        /// Position of the value.
        index: usize,
        /// Smallest value.
        lo: i64,
        /// Largest value.
        hi: i64,
    },
    /// The proof's public values are not those that the caller asks about.
    #[error("value {index} of the public port {port:?} is not the one that the proof speaks about")]
    PublicDiffers {
        /// The port.
        port: String,
        /// Position of the value.
        index: usize,
    },
    /// The proof has another length than every proof under this key.
    #[error("the proof has {found} bytes, and must have {expected}")]
    ProofLength {
        /// Bytes that the key asks for.
        expected: usize,
        /// Bytes of this proof.
        found: usize,
    },
    /// A commitment in the proof is no valid point.
    #[error("point {index} of the proof: {error}")]
    Point {
        /// Which of the proof's points.
        index: usize,
        /// What is wrong with it.
        error: PointError,
    },
    /// An evaluation in the proof is no valid scalar.
    #[error("scalar {index} of the proof is not below the group order")]
    Scalar {
        /// Which of the proof's scalars.
        index: usize,
    },
    /// The proof does not show the statement: the verification equation fails.
    #[error("the proof does not show the statement: the verification equation fails")]
    Equation,
}

impl From<ShapeError> for Refusal {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::Length { expected, found } => Refusal::ProofLength { expected, found },
            ShapeError::Point { index, error } => Refusal::Point { index, error },
            ShapeError::Scalar { index } => Refusal::Scalar { index },
        }
    }
}

impl From<Insecurity> for Refusal {
    fn from(mark: Insecurity) -> Self {
        match mark {
            Insecurity::DevelopmentSrs => Refusal::InsecureSrs,
            Insecurity::SeededRandomness => Refusal::SeededRandomness,
        }
    }
}

impl Refusal {
    /// A name of the reason for programs; one for each variant.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::File(_) => "file",
            Refusal::DegreeOverride(_) => "degree-override",
            Refusal::InsecureSrs => "insecure-srs",
            Refusal::SeededRandomness => "seeded-randomness",
            Refusal::KeyDigest { .. } => "key-digest",
            Refusal::PublicTensors { .. } => "public-tensors",
            Refusal::PublicDigests { .. } => "public-digests",
            Refusal::DigestDiffers { .. } => "digest-differs",
            Refusal::PublicLength { .. } => "public-length",
            Refusal::PublicRange { .. } => "public-range",
            Refusal::PublicDiffers { .. } => "public-differs",
            Refusal::ProofLength { .. } => "proof-length",
            Refusal::Point { .. } => "point",
            Refusal::Scalar { .. } => "scalar",
            Refusal::Equation => "equation",
        }
    }
}

/// Verifies that `proof` shows the program of `key` to give the public values and digests `public`, accepting marked proofs; the
/// marks are in the statement.
///
/// # Errors
/// The reason why the proof is refused.
pub fn verify(key: &VerifyingKey, public: &PublicData, proof: &Proof) -> Result<Statement, Refusal> {
    verify_under(Policy::AcceptMarked, key, public, proof)
}

/// Reads the bytes of a proof's file and verifies that the proof shows what the file says.
///
/// # Errors
/// The reason why the proof is refused.
pub fn verify_file(policy: Policy, key: &VerifyingKey, file: &[u8]) -> Result<Statement, Refusal> {
    let proof = Proof::from_file(file)?;
    verify_under(policy, key, &proof.public, &proof)
}

/// [`verify`] under a policy of the caller's choice.
///
/// # Errors
/// The reason why the proof is refused.
pub fn verify_under(
    policy: Policy,
    key: &VerifyingKey,
    public: &PublicData,
    proof: &Proof,
) -> Result<Statement, Refusal> {
    refuse_degree_override()?;
    check_marks(policy, key, proof)?;
    if proof.key != key.digest() {
        return Err(Refusal::KeyDigest { expected: key.digest(), found: proof.key });
    }
    let instances = instances(key, public)?;
    check_same(key, public, &proof.public)?;
    key.proof_shape().check(&proof.words.0)?;
    let transcript = TranscriptReadBuffer::init(&proof.words.0[..]);
    check_equation(&key.srs(), key.plonk(), &[&instances], transcript).map_err(|_| Refusal::Equation)?;
    Ok(Statement::new(key, public, proof))
}

fn check_marks(policy: Policy, key: &VerifyingKey, proof: &Proof) -> Result<(), Refusal> {
    match (policy, Insecurity::of(key, proof.randomness).first()) {
        (Policy::RequireSecure, Some(&mark)) => Err(mark.into()),
        _ => Ok(()),
    }
}

/// The instance words of `public`. Their number is that of the key, since the transcript absorbs no lengths.
pub(crate) fn instances(key: &VerifyingKey, public: &PublicData) -> Result<Vec<Fr>, Refusal> {
    key.interface().pack(public).map_err(|error| match error {
        PackError::TensorCount { expected, found } => Refusal::PublicTensors { expected, found },
        PackError::DigestCount { expected, found } => Refusal::PublicDigests { expected, found },
        PackError::Length { port, expected, found } => Refusal::PublicLength { port, expected, found },
        PackError::Range { port, index, lo, hi } => Refusal::PublicRange { port, index, lo, hi },
        PackError::WordCount { .. } | PackError::Word { .. } => unreachable!("packing reads no words"),
    })
}

/// Refuses a proof that speaks about other values or digests. `asked` has the form of the key's interface.
fn check_same(key: &VerifyingKey, asked: &PublicData, told: &PublicData) -> Result<(), Refusal> {
    check_values(key, &asked.values, &told.values)?;
    if asked.digests.len() != told.digests.len() {
        return Err(Refusal::PublicDigests { expected: asked.digests.len(), found: told.digests.len() });
    }
    let mut digests = key.interface().hashed().zip(asked.digests.iter().zip(&told.digests));
    match digests.find(|(_, (asked, told))| asked != told) {
        Some((port, _)) => Err(Refusal::DigestDiffers { port: port.name.clone() }),
        None => Ok(()),
    }
}

fn check_values(key: &VerifyingKey, asked: &[Vec<i64>], told: &[Vec<i64>]) -> Result<(), Refusal> {
    if asked.len() != told.len() {
        return Err(Refusal::PublicTensors { expected: asked.len(), found: told.len() });
    }
    for ((port, asked), told) in key.interface().public().zip(asked).zip(told) {
        let port = || port.name.clone();
        if asked.len() != told.len() {
            return Err(Refusal::PublicLength { port: port(), expected: asked.len(), found: told.len() });
        }
        if let Some(index) = asked.iter().zip(told).position(|(asked, told)| asked != told) {
            return Err(Refusal::PublicDiffers { port: port(), index });
        }
    }
    Ok(())
}

/// Runs the proof library's verifier on a proof whose form has been checked.
///
/// With the form checked, the library can only panic where a challenge is a root of unity of the domain or where two
/// challenges coincide; challenges are hashes, so that takes about 2^220 hashes to find.
///
/// # Errors
/// The proof is not accepted; the library does not say more.
pub(crate) fn check_equation(
    srs: &ParamsKZG<Bn256>,
    key: &plonk::VerifyingKey<G1Affine>,
    instances: &[&[Fr]],
    mut transcript: KeccakTranscript<&[u8]>,
) -> Result<(), plonk::Error> {
    verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<Bn256>, Challenge, _, _>(
        srs,
        key,
        SingleStrategy::new(srs),
        &[instances],
        &mut transcript,
    )
}
