//! Committing to values outside of proofs, and linking commitments: the prover's side of [`verifier::link`].
//!
//! `docs/linking.md` has the protocol. An [`Opening`] is as secret as its values.

use std::path::Path;

use circuits::interface::port_rows;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::{Curve, Group};
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use verifier::container::{self, Bytes, ContainerError, Kind};
use verifier::encoding::{decode_scalar, encode_scalar, PointError, SCALAR_BYTES};
use verifier::link::{
    blinded_rows, check_sides, BlindingBases, CertificateChallenges, Commitment, CommitmentError, CommittedTensor,
    Content, Link, LinkProof, LinkRefusal, LinkTranscript, LinkedPort, Side, COMMITMENT_BLINDED_ROWS,
};
use verifier::srs::SrsMark;
use verifier::Digest;

use crate::engine::{Column, CpuEngine, CpuOptions, Dividend, Engine, EngineError, Values};
use crate::plonk::randomness::Randomness;
use crate::secret::{wipe, Key, SecretBytes, Tails};
use crate::srs::Srs;

/// Why there is no commitment or link. No message holds a private value.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The SRS has another size than the columns.
    #[error("the columns have 2^{needed} rows, and the SRS 2^{found} powers")]
    SrsSize {
        /// The `k` of the columns.
        needed: u32,
        /// The `k` of the SRS.
        found: u32,
    },
    /// Not as many values as the shape has.
    #[error("the shape has {expected} elements, and {found} values are given")]
    Values {
        /// Elements of the shape.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The values are not the same.
    #[error("the sides hold different values, from element {index} on")]
    Differ {
        /// The first that differs.
        index: usize,
    },
    /// An opening whose blinding is not that of the columns.
    #[error("the opening is not one of these columns")]
    Opening,
    /// The parts of a commitment do not go together.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// The sides can't be compared, or the link that was made is not accepted, because an opening is another commitment's.
    #[error(transparent)]
    Refused(#[from] LinkRefusal),
    /// A point of the link is the one at infinity.
    #[error(transparent)]
    Point(#[from] PointError),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    Entropy(rand_core::Error),
    /// The engine gives up.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What opens a commitment, written over when it is dropped. `Debug` tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The values, row-major.
    pub values: Vec<i64>,
    /// The last rows of each column.
    pub blinding: Tails,
}

impl Drop for Opening {
    fn drop(&mut self) {
        wipe(&mut self.values);
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

/// The openings that belong to a file: a proof or a commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Openings {
    /// SHA-256 of that file.
    pub artifact: Digest,
    /// Of each committed port, by its position in the interface; a commitment has one, at 0.
    pub ports: Vec<(u32, Opening)>,
}

/// The payload of the file of openings.
#[derive(Serialize, Deserialize)]
struct OpeningsFile {
    artifact: Digest,
    ports: Vec<PortFile>,
}

#[derive(Serialize, Deserialize)]
struct PortFile {
    port: u32,
    values: Vec<i64>,
    blinding: Vec<Bytes>,
}

impl Drop for PortFile {
    fn drop(&mut self) {
        wipe(&mut self.values);
        wipe_encoded(&mut self.blinding);
    }
}

/// Why a file holds no openings.
#[derive(Debug, Error)]
pub enum OpeningsError {
    /// The file is not a whole and undamaged one.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A scalar that is none.
    #[error("the blinding of port {port} is no list of scalars")]
    Blinding {
        /// The port.
        port: u32,
    },
}

impl Openings {
    /// Reads a file of openings.
    ///
    /// # Errors
    /// The file can't be read or holds none.
    pub fn read(path: &Path) -> Result<Self, OpeningsError> {
        let file = SecretBytes(container::read_file(Kind::Opening, path)?);
        let content: OpeningsFile = container::decode(Kind::Opening, &file.0)?;
        let ports = content.ports.into_iter().map(|mut port| {
            let blinding = decode_tails(&port.blinding).ok_or(OpeningsError::Blinding { port: port.port })?;
            Ok((port.port, Opening { values: std::mem::take(&mut port.values), blinding }))
        });
        Ok(Self { artifact: content.artifact, ports: ports.collect::<Result<_, OpeningsError>>()? })
    }

    /// Writes the file, for its owner alone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        let port = |(port, opening): &(u32, Opening)| PortFile {
            port: *port,
            values: opening.values.clone(),
            blinding: encode_tails(&opening.blinding),
        };
        let content = OpeningsFile { artifact: self.artifact, ports: self.ports.iter().map(port).collect() };
        container::write_private(path, &SecretBytes(container::encode(Kind::Opening, &content)?).0)
    }

    /// The opening of a port.
    pub fn of(&self, port: u32) -> Option<&Opening> {
        self.ports.iter().find(|(index, _)| *index == port).map(|(_, opening)| opening)
    }
}

/// The last rows of columns as secret files hold them: a column's scalars one after the other, 32 bytes each.
pub(crate) fn encode_tails(tails: &[Vec<Fr>]) -> Vec<Bytes> {
    tails.iter().map(|tail| Bytes(tail.iter().flat_map(encode_scalar).collect())).collect()
}

/// What [`encode_tails`] was given; `None` where bytes are no scalars.
pub(crate) fn decode_tails(tails: &[Bytes]) -> Option<Tails> {
    let scalar = |bytes: &[u8]| decode_scalar(bytes.try_into().ok()?);
    tails.iter().map(|bytes| bytes.0.chunks(SCALAR_BYTES).map(scalar).collect()).collect()
}

/// Writes over what [`encode_tails`] gave.
pub(crate) fn wipe_encoded(tails: &mut [Bytes]) {
    tails.iter_mut().for_each(|tail| wipe(&mut tail.0));
}

/// The columns of `2^k` rows that values are committed to in, one for each tail.
fn columns(k: u32, values: &[i64], tails: &[Vec<Fr>]) -> Vec<Column> {
    let rows = values.chunks(port_rows(k)).zip(tails);
    rows.map(|(values, tail)| Column { tail: tail.clone(), ..Column::integers(values.iter().copied().collect()) })
        .collect()
}

fn engine(srs: &Srs) -> CpuEngine {
    CpuEngine::new(srs.lagrange(), srs.powers()[1], CpuOptions::default())
}

/// Commits to the values of a tensor on all rows of an SRS.
///
/// # Errors
/// Not as many values as the shape has, or a shape, a scale or a number of rows that can't be.
pub fn commit(srs: &Srs, tensor: CommittedTensor, values: &[i64]) -> Result<(Commitment, Opening), LinkError> {
    let expected =
        tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(usize::MAX);
    if values.len() != expected {
        return Err(LinkError::Values { expected, found: values.len() });
    }
    let k = srs.k();
    Commitment::check_rows(k)?;
    let mut randomness = randomness(b"zkinfer commitment", |hash| {
        hash.update(srs.mark().digest().0);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    })?;
    let tails = values.chunks(port_rows(k)).map(|_| randomness.elements(COMMITMENT_BLINDED_ROWS));
    let opening = Opening { values: values.to_vec(), blinding: tails.collect() };
    let points = commitments(srs, &opening)?;
    Ok((Commitment::new(srs.mark().digest(), k, tensor, &points)?, opening))
}

/// The commitments that an opening opens.
///
/// # Errors
/// The opening does not fit the columns of the SRS.
pub fn commitments(srs: &Srs, opening: &Opening) -> Result<Vec<G1Affine>, LinkError> {
    let engine = engine(srs);
    let columns = columns(srs.k(), &opening.values, &opening.blinding).into_iter().map(|column| engine.column(column));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(engine.commit(&columns.iter().collect::<Vec<_>>())?)
}

/// The bases of the last rows of an SRS with their certificate. Takes one sum over all its points.
///
/// # Errors
/// The engine fails, or a point is the one at infinity.
pub fn blinding_bases(srs: &Srs, rows: usize) -> Result<BlindingBases, LinkError> {
    bases_on(&engine(srs), srs.mark(), rows)
}

/// [`blinding_bases`] of the SRS that an engine holds.
fn bases_on<E: Engine>(engine: &E, srs: &SrsMark, rows: usize) -> Result<BlindingBases, LinkError> {
    let unit = |row: usize| {
        let tail = (0..rows).map(|other| if other == row { Fr::ONE } else { Fr::ZERO }).collect();
        engine.column(Column { tail, ..Column::new(Values::ZERO) })
    };
    let units = (0..rows).map(unit).collect::<Result<Vec<_>, _>>()?;
    let points = engine.commit(&units.iter().collect::<Vec<_>>())?;
    let challenges = CertificateChallenges::new(srs.digest(), engine.k(), &points);
    let value = challenges.combined_value(engine.k(), rows).ok_or(LinkRefusal::Bases)?;
    let tail = crate::field::powers_of(challenges.mu).take(rows).collect();
    let combined = engine.column(Column { tail, ..Column::new(Values::ZERO) })?;
    let dividend =
        Dividend { column: &combined, remainder: vec![value], points: vec![challenges.zeta], scale: Fr::ONE };
    let quotient = engine.divide(&[dividend])?;
    Ok(BlindingBases::new(points, engine.commit(&[&quotient])?[0]))
}

/// A side of a link with what opens it.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The name that the link has for it.
    pub port: LinkedPort,
    /// The columns.
    pub side: &'a Side,
    /// Their values and blinding.
    pub opening: &'a Opening,
}

/// Links two sides.
///
/// # Errors
/// The sides can't be compared, hold different values, or an opening is not that of its side.
pub fn link<'a>(srs: &Srs, from: Opened<'a>, to: Opened<'a>) -> Result<Link, LinkError> {
    check_sides(srs.mark(), from.side, to.side)?;
    if srs.k() != from.side.k() {
        return Err(LinkError::SrsSize { needed: from.side.k(), found: srs.k() });
    }
    check_opening(&from)?;
    check_opening(&to)?;
    if let Some(index) = from.opening.values.iter().zip(&to.opening.values).position(|(from, to)| from != to) {
        return Err(LinkError::Differ { index });
    }
    let blinded =
        |opened: &Opened<'a>| Blinded { port: opened.port, side: opened.side, blinding: &opened.opening.blinding };
    link_blinded(&engine(srs), srs.mark(), blinded(&from), blinded(&to))
}

/// A side of a link with its last rows. The other rows are known to be those of the other side.
#[derive(Clone, Copy)]
pub(crate) struct Blinded<'a> {
    /// The name that the link has for it.
    pub(crate) port: LinkedPort,
    /// The columns.
    pub(crate) side: &'a Side,
    /// The last rows of each, as many as the side says.
    pub(crate) blinding: &'a [Vec<Fr>],
}

/// Links two sides on an engine that holds the SRS.
///
/// # Errors
/// The sides can't be compared, or hold different values in a row but the last.
pub(crate) fn link_blinded<E: Engine>(
    engine: &E,
    srs: &SrsMark,
    from: Blinded<'_>,
    to: Blinded<'_>,
) -> Result<Link, LinkError> {
    check_sides(srs, from.side, to.side)?;
    let bases = bases_on(engine, srs, blinded_rows(from.side, to.side))?;
    let words = LinkProof::to_words(&represent(bases, &from, &to)?)?;
    let link = Link { from: from.port, to: to.port, words: Bytes(words) };
    link.verify(srs, from.side, to.side)?;
    Ok(link)
}

fn check_opening(opened: &Opened<'_>) -> Result<(), LinkError> {
    let Opened { side, opening, .. } = opened;
    let fits = matches!(side.content(), Content::Port { elements, .. } if elements == opening.values.len())
        && opening.blinding.len() == side.points().len()
        && opening.blinding.iter().all(|tail| tail.len() == side.blinded_rows());
    fits.then_some(()).ok_or(LinkError::Opening)
}

/// The proof of knowledge of `d` with `D = Σ d_t·G_t`.
fn represent(bases: BlindingBases, from: &Blinded<'_>, to: &Blinded<'_>) -> Result<LinkProof, LinkError> {
    let rows = bases.points().len();
    let transcript = LinkTranscript::new(from.side, to.side, bases.points());
    let mut difference = vec![Fr::ZERO; rows];
    for ((from, to), power) in from.blinding.iter().zip(to.blinding).zip(crate::field::powers_of(transcript.gamma())) {
        add_last(&mut difference, to, power);
        add_last(&mut difference, from, -power);
    }
    let mut randomness = randomness(b"zkinfer link", |hash| {
        [from, to].iter().for_each(|blinded| hash.update(blinded.side.context()));
        difference.iter().for_each(|coordinate| hash.update(encode_scalar(coordinate)));
    })?;
    let mut nonces = randomness.elements(rows);
    let announced = bases.points().iter().zip(&nonces).fold(G1::identity(), |sum, (base, nonce)| sum + *base * nonce);
    let announcement = announced.to_affine();
    let challenge = transcript.challenge(&announcement);
    let responses = nonces.iter().zip(&difference).map(|(nonce, coordinate)| nonce + challenge * coordinate).collect();
    // A nonce would give the difference away, and that the blinding.
    wipe(&mut nonces);
    wipe(&mut difference);
    Ok(LinkProof { bases, announcement, responses })
}

/// Adds a multiple of the last rows of a column, which may be fewer.
fn add_last(sums: &mut [Fr], tail: &[Fr], factor: Fr) {
    let first = sums.len() - tail.len();
    sums[first..].iter_mut().zip(tail).for_each(|(sum, element)| *sum += factor * element);
}

/// Randomness from the system, hedged with what it is used for: an announcement that came twice with different challenges would
/// give the blinding away.
pub(crate) fn randomness(purpose: &[u8], context: impl FnOnce(&mut Sha256)) -> Result<Randomness, LinkError> {
    let mut system = Key([0; 32]);
    OsRng.try_fill_bytes(&mut system.0).map_err(LinkError::Entropy)?;
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update(system.0);
    context(&mut hash);
    Ok(Randomness::new(hash.finalize().into()))
}
