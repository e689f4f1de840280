//! Links: that columns of two commitments hold the same values, and nothing else about these.
//!
//! A proof commits anew to the columns of its committed ports; so does whoever commits to values outside of proofs. The blinding of
//! two such commitments to the same values differs in the last rows alone, and a [`Link`] is a proof of knowledge of the difference
//! in the basis of these rows. `docs/linking.md` states what that shows and argues why.
//!
//! | item | content |
//! | --- | --- |
//! | [`Side`] | columns, and what they stand in |
//! | [`Linkable`] | what can be a side, of the proofs under a key |
//! | [`Commitment`] | columns outside of proofs, and their file |
//! | [`BlindingBases`] | the basis of the last rows, which nobody has to be trusted for |
//! | [`LinkTranscript`] | the challenges, for both parties |
//! | [`Link`] | the proof of knowledge, and its file |
//! | [`verify_model`] | a proof whose weights are those of a registration |
//! | [`verify_chain`] | several proofs, and the links between them |

mod bases;
mod chain;
mod commitment;
mod model;
mod side;

use std::path::Path;

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Group;
use halo2_proofs::transcript::{EncodedChallenge, Transcript};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::container::{self, Bytes, ContainerError, Kind};
use crate::encoding::{
    decode_point, decode_scalar, encode_point, encode_scalar, PointError, POINT_BYTES, SCALAR_BYTES,
};
use crate::srs::SrsMark;
use crate::transcript::KeccakTranscript;
use crate::Digest;

pub use bases::{BlindingBases, CertificateChallenges};
pub use chain::{sides_of, verify_chain, Chain, ChainRefusal, LinkedSide, Member};
pub use commitment::{Commitment, CommitmentError, CommittedTensor, COMMITMENT_BLINDED_ROWS};
pub use model::{verify_model, Model, ModelRefusal};
pub use side::{Content, Linkable, Side};

/// Opens the hash of a link's challenges.
const TAG: [u8; 32] = *b"zkinfer link 1: same values     ";

/// Points of a link beside the bases: the certificate and the announcement.
const OWN_POINTS: usize = 2;

/// Why a link is refused. `from` and `to` are its two sides.
#[derive(Debug, Error)]
pub enum LinkRefusal {
    /// The bytes are no whole and undamaged link file.
    #[error(transparent)]
    File(#[from] ContainerError),
    /// A side is on another SRS than the one at hand.
    #[error("the link is on the SRS {expected}, and a side on {found}: only commitments on one SRS can be compared")]
    Srs {
        /// The SRS at hand.
        expected: Digest,
        /// That of the side.
        found: Digest,
    },
    /// The sides have different numbers of rows.
    #[error(
        "one side has 2^{from} rows and the other 2^{to}, and only equal ones can be compared: \
         lay both out on 2^{} rows (--rows {})",
        from.max(to),
        from.max(to)
    )]
    Domain {
        /// `k` of one side.
        from: u32,
        /// `k` of the other.
        to: u32,
    },
    /// The sides have different numbers of values.
    #[error("one side has {from} values, and the other {to}")]
    Elements {
        /// Values of one side.
        from: usize,
        /// Values of the other.
        to: usize,
    },
    /// The integers of the sides stand for different reals.
    #[error(
        "one side's integers stand for multiples of {from:e}, the other's of {to:e}: \
         compile the second program with --input-like, so that its input has the scale of what it takes"
    )]
    Scale {
        /// Scale of one side.
        from: f64,
        /// Scale of the other.
        to: f64,
    },
    /// One side holds reals and the other indices.
    #[error("one side holds real numbers, and the other indices")]
    NumberKind,
    /// One side is a port and the other weights.
    #[error("one side holds the values of a port, and the other weights")]
    Content,
    /// The sides have different numbers of columns.
    #[error("one side has {from} columns, and the other {to}")]
    Columns {
        /// Columns of one side.
        from: usize,
        /// Columns of the other.
        to: usize,
    },
    /// A proof has weights in rows that a link between the sides says nothing about.
    #[error(
        "the weights of a proof fill all of its rows but the last {found}, and the other side's all but the last {compared}: \
         lay both programs out alike, or link each proof to a registration"
    )]
    BlindedRows {
        /// Blinded rows of the proof.
        found: usize,
        /// Blinded rows of the other side, which the link does not compare.
        compared: usize,
    },
    /// Another number of bytes than a link of these sides has.
    #[error("the link has {found} bytes, and must have {expected}")]
    Length {
        /// Bytes that the sides ask for.
        expected: usize,
        /// Bytes of this link.
        found: usize,
    },
    /// A point of the link is none.
    #[error("point {index} of the link: {error}")]
    Point {
        /// Which of its points.
        index: usize,
        /// What is wrong with it.
        error: PointError,
    },
    /// A scalar of the link is none.
    #[error("scalar {index} of the link is not below the group order")]
    Scalar {
        /// Which of its scalars.
        index: usize,
    },
    /// The bases are not those of the last rows.
    #[error("the link's bases are not those of the blinded rows")]
    Bases,
    /// The columns differ, or the link is for other ones.
    #[error("the link does not show that the sides are equal: its equation fails")]
    Equation,
}

impl LinkRefusal {
    /// A name of the reason for programs; one for each variant.
    pub fn code(&self) -> &'static str {
        match self {
            LinkRefusal::File(_) => "file",
            LinkRefusal::Srs { .. } => "link-srs",
            LinkRefusal::Domain { .. } => "link-domain",
            LinkRefusal::Elements { .. } => "link-elements",
            LinkRefusal::Scale { .. } => "link-scale",
            LinkRefusal::NumberKind => "link-kind",
            LinkRefusal::Content => "link-content",
            LinkRefusal::Columns { .. } => "link-columns",
            LinkRefusal::BlindedRows { .. } => "link-blinded-rows",
            LinkRefusal::Length { .. } => "link-length",
            LinkRefusal::Point { .. } => "link-point",
            LinkRefusal::Scalar { .. } => "link-scalar",
            LinkRefusal::Bases => "link-bases",
            LinkRefusal::Equation => "link-equation",
        }
    }
}

/// Which port of which file a link speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkedPort {
    /// SHA-256 of the file of a proof, a commitment or a registration.
    pub artifact: Digest,
    /// The port's position in the interface of the proof's key; 0 for a commitment, [`Self::WEIGHTS`] for private weights and for
    /// a registration of some.
    pub port: u32,
}

impl LinkedPort {
    /// Stands for weights in the place of a port.
    pub const WEIGHTS: u32 = u32::MAX;

    /// The weights of a proof or of a registration.
    pub fn weights(artifact: Digest) -> Self {
        Self { artifact, port: Self::WEIGHTS }
    }
}

/// A link as it is handed out. The sides in it are named for those who look for them; what counts are the sides that it is
/// verified against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// One side.
    pub from: LinkedPort,
    /// The other.
    pub to: LinkedPort,
    /// The words of a [`LinkProof`].
    pub words: Bytes,
}

impl Link {
    /// The bytes of the link's file.
    ///
    /// # Errors
    /// More bytes than a link may have.
    pub fn to_file(&self) -> Result<Vec<u8>, ContainerError> {
        container::encode(Kind::Link, self)
    }

    /// Reads the bytes of a link's file. Nothing is verified yet.
    ///
    /// # Errors
    /// The bytes are no whole and undamaged link file.
    pub fn from_file(file: &[u8]) -> Result<Self, ContainerError> {
        container::decode(Kind::Link, file)
    }

    /// Reads a link's file. Nothing is verified yet.
    ///
    /// # Errors
    /// The file can't be read or is no whole and undamaged link.
    pub fn read(path: &Path) -> Result<Self, ContainerError> {
        Self::from_file(&container::read_file(Kind::Link, path)?)
    }

    /// Writes the link's file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        container::write_atomic(path, &self.to_file()?)
    }

    /// Verifies that the sides hold the same values. What a side of a proof is worth depends on the proof, which is to be verified
    /// apart.
    ///
    /// # Errors
    /// The reason why the link is refused.
    pub fn verify(&self, srs: &SrsMark, from: &Side, to: &Side) -> Result<(), LinkRefusal> {
        check_sides(srs, from, to)?;
        LinkProof::from_words(&self.words.0, blinded_rows(from, to))?.verify(srs, from, to)
    }
}

/// The rows in which two sides may differ: the last ones, as many as the side with more blinded rows has.
pub fn blinded_rows(from: &Side, to: &Side) -> usize {
    from.blinded_rows().max(to.blinded_rows())
}

/// Checks that sides can be compared.
///
/// # Errors
/// What keeps them from being compared.
pub fn check_sides(srs: &SrsMark, from: &Side, to: &Side) -> Result<(), LinkRefusal> {
    let expected = srs.digest();
    if let Some(found) = [from.srs(), to.srs()].into_iter().find(|&found| found != expected) {
        return Err(LinkRefusal::Srs { expected, found });
    }
    if from.k() != to.k() {
        return Err(LinkRefusal::Domain { from: from.k(), to: to.k() });
    }
    check_contents(from.content(), to.content())?;
    check_blinded_rows(from, to)?;
    match (from.points().len(), to.points().len()) {
        (from, to) if from != to => Err(LinkRefusal::Columns { from, to }),
        _ => Ok(()),
    }
}

/// A port lies above the blinded rows of every machine. Weights reach down to those of their own, and what is not compared of a
/// registration no proof has.
fn check_blinded_rows(from: &Side, to: &Side) -> Result<(), LinkRefusal> {
    let compared = blinded_rows(from, to);
    let is_cut = |side: &&&Side| side.content() == Content::Weights && side.blinded_rows() < compared;
    match [from, to].iter().find(is_cut) {
        Some(side) => Err(LinkRefusal::BlindedRows { found: side.blinded_rows(), compared }),
        None => Ok(()),
    }
}

fn check_contents(from: Content, to: Content) -> Result<(), LinkRefusal> {
    use Content::{Port, Registered, Weights};
    match (from, to) {
        (Weights | Registered, Weights | Registered) => Ok(()),
        (Port { .. }, Weights | Registered) | (Weights | Registered, Port { .. }) => Err(LinkRefusal::Content),
        (Port { elements: from, .. }, Port { elements: to, .. }) if from != to => {
            Err(LinkRefusal::Elements { from, to })
        }
        (Port { kind: from, .. }, Port { kind: to, .. }) if from != to => Err(LinkRefusal::NumberKind),
        (Port { scale: from, .. }, Port { scale: to, .. }) if from.to_bits() != to.to_bits() => {
            Err(LinkRefusal::Scale { from, to })
        }
        (Port { .. }, Port { .. }) => Ok(()),
    }
}

/// A proof of knowledge of the difference of two sides in the basis of the last rows.
///
/// | words | content |
/// | --- | --- |
/// | `R` points | the bases `G_t`, by increasing rows |
/// | 1 point | their certificate `Q` |
/// | 1 point | the announcement `P` |
/// | `R` scalars | the answers `z_t` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProof {
    /// The bases and their certificate.
    pub bases: BlindingBases,
    /// `P`
    pub announcement: G1Affine,
    /// `z_t`
    pub responses: Vec<Fr>,
}

impl LinkProof {
    /// The words.
    ///
    /// # Errors
    /// A point is the one at infinity.
    pub fn to_words(&self) -> Result<Vec<u8>, PointError> {
        let mut words = Vec::with_capacity(words_bytes(self.responses.len()));
        for point in self.bases.points().iter().chain([self.bases.certificate(), &self.announcement]) {
            words.extend(encode_point(point)?);
        }
        self.responses.iter().for_each(|response| words.extend(encode_scalar(response)));
        Ok(words)
    }

    /// Reads the words of a link over `rows` blinded rows.
    ///
    /// # Errors
    /// Another number of words, or a word that is none.
    pub fn from_words(words: &[u8], rows: usize) -> Result<Self, LinkRefusal> {
        let expected = words_bytes(rows);
        if words.len() != expected {
            return Err(LinkRefusal::Length { expected, found: words.len() });
        }
        let (points, scalars) = words.split_at((rows + OWN_POINTS) * POINT_BYTES);
        let point = |(index, bytes): (usize, &[u8])| {
            let bytes = bytes.try_into().expect("the chunks have that size");
            decode_point(bytes).map_err(|error| LinkRefusal::Point { index, error })
        };
        let mut points = points.chunks_exact(POINT_BYTES).enumerate().map(point).collect::<Result<Vec<_>, _>>()?;
        let scalar = |(index, bytes): (usize, &[u8])| {
            let bytes = bytes.try_into().expect("the chunks have that size");
            decode_scalar(bytes).ok_or(LinkRefusal::Scalar { index })
        };
        let responses = scalars.chunks_exact(SCALAR_BYTES).enumerate().map(scalar).collect::<Result<_, _>>()?;
        let own = points.split_off(rows);
        Ok(Self { bases: BlindingBases::new(points, own[0]), announcement: own[1], responses })
    }

    /// Whether `Σ z_t·G_t = P + e·D` over certified bases. The sides can be compared, and there are as many answers as bases.
    fn verify(&self, srs: &SrsMark, from: &Side, to: &Side) -> Result<(), LinkRefusal> {
        if !self.bases.are_certified(srs, from.k()) {
            return Err(LinkRefusal::Bases);
        }
        let transcript = LinkTranscript::new(from, to, self.bases.points());
        let difference = transcript.combined_difference(from, to);
        let challenge = transcript.challenge(&self.announcement);
        let answered = linear_combination(self.bases.points(), &self.responses);
        match answered == difference * challenge + self.announcement {
            true => Ok(()),
            false => Err(LinkRefusal::Equation),
        }
    }
}

fn words_bytes(rows: usize) -> usize {
    (rows + OWN_POINTS) * POINT_BYTES + rows * SCALAR_BYTES
}

/// `Σ scalar·point`
fn linear_combination(points: &[G1Affine], scalars: &[Fr]) -> G1 {
    points.iter().zip(scalars).fold(G1::identity(), |sum, (point, scalar)| sum + *point * scalar)
}

/// The hash that the challenges of a link come from: what is linked, then the announcement.
pub struct LinkTranscript {
    hash: KeccakTranscript<()>,
    gamma: Fr,
}

impl LinkTranscript {
    /// Absorbs two sides and the bases, and squeezes `γ`. The sides have equal numbers of columns.
    pub fn new(from: &Side, to: &Side, bases: &[G1Affine]) -> Self {
        let mut hash = KeccakTranscript::of_nothing();
        hash.absorb(&TAG);
        for number in [u64::from(from.k()), bases.len() as u64, from.points().len() as u64] {
            hash.absorb(&encode_scalar(&Fr::from(number)));
        }
        hash.absorb(&from.srs().0);
        [from, to].iter().for_each(|side| hash.absorb(side.context()));
        for point in [from.points(), to.points(), bases].concat() {
            absorb_point(&mut hash, point);
        }
        let gamma = hash.squeeze_challenge().get_scalar();
        Self { hash, gamma }
    }

    /// `γ`
    pub fn gamma(&self) -> Fr {
        self.gamma
    }

    /// `D = Σ γ^j·(B_j − A_j)`
    fn combined_difference(&self, from: &Side, to: &Side) -> G1 {
        let pairs = from.points().iter().zip(to.points()).rev();
        pairs.fold(G1::identity(), |sum, (from, to)| sum * self.gamma + *to - *from)
    }

    /// Absorbs the announcement and squeezes `e`.
    pub fn challenge(mut self, announcement: &G1Affine) -> Fr {
        absorb_point(&mut self.hash, *announcement);
        self.hash.squeeze_challenge().get_scalar()
    }
}

/// Absorbs a point; the one at infinity, which no side and no link holds once it is read, as zeros.
fn absorb_point(hash: &mut KeccakTranscript<()>, point: G1Affine) {
    hash.absorb(&encode_point(&point).unwrap_or([0; POINT_BYTES]));
}

/// `Σ_j base^j·terms_j`
fn powers_sum(base: Fr, terms: impl DoubleEndedIterator<Item = Fr>) -> Fr {
    terms.rev().fold(Fr::ZERO, |sum, term| sum * base + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(content: Content, blinded_rows: usize) -> Side {
        Side { srs: Digest([0; 32]), k: 10, blinded_rows, content, points: vec![], context: [0; 32] }
    }

    /// The last rows of the one proof that the other's machine blinds may hold weights of which the link would say nothing.
    #[test]
    fn weights_of_proofs_with_other_blinded_rows_are_not_compared() {
        let port = Content::Port { elements: 3, scale: 1.0, kind: circuits::graph::PortKind::Real };
        for (contents, rows, refused) in [
            ([Content::Weights; 2], [6, 6], None),
            ([Content::Weights; 2], [6, 9], Some((6, 9))),
            ([Content::Weights; 2], [9, 6], Some((6, 9))),
            ([Content::Registered, Content::Weights], [6, 9], None),
            ([Content::Weights, Content::Registered], [6, 9], Some((6, 9))),
            ([port; 2], [6, 9], None),
        ] {
            let [from, to] = [0, 1].map(|index| side(contents[index], rows[index]));
            let found = match check_blinded_rows(&from, &to) {
                Ok(()) => None,
                Err(LinkRefusal::BlindedRows { found, compared }) => Some((found, compared)),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, refused, "{contents:?} {rows:?}");
        }
    }
}
