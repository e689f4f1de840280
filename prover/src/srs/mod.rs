//! The structured reference string: powers of a secret `τ` in the groups of BN254.
//!
//! An SRS is imported from a ceremony's file ([`ptau`]), or it is the development SRS ([`Srs::development`]), whose `τ`
//! everybody knows and which is marked in its file and in every key that is made with it.
//!
//! # File
//!
//! The file has the frame of [`verifier::container`]. Its payload is, with points as Montgomery residues in little-endian
//! order (the form in which the proof library keeps them):
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | origin: 0 imported, 1 development |
//! | 1 | 1 where the power `2^k` follows, else 0 |
//! | 0 or 64 | `[τ^(2^k)]₁` |
//! | 4 | `k`, little-endian |
//! | 64 · 2^k | `[τ^i]₁` for `i` below `2^k` |
//! | 64 · 2^k | the Lagrange basis: `[ℓ_i(τ)]₁` |
//! | 128 | the generator of G2 |
//! | 128 | `[τ]₂` |
//!
//! Files are read and written piece by piece, so that an SRS is in memory once. The bytes are a function of `τ`, `k`
//! and the origin.

mod development;
pub mod ptau;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use halo2_proofs::arithmetic::{best_multiexp, g_to_lagrange};
use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use halo2_proofs::halo2curves::group::Curve;
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::poly::EvaluationDomain;
use rand_core::OsRng;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use verifier::container::{self, ContainerError, Header, Kind, CHECKSUM_BYTES, HEADER_BYTES};
use verifier::encoding::{decode_point2, encode_point2, PointError};
use verifier::srs::{library_srs, pairing_product_is_one, SrsMark, SrsMarkError, SrsOrigin};

pub use ptau::PtauError;

/// Smallest and largest `k` of an SRS.
pub const K: std::ops::RangeInclusive<u32> = 1..=26;

const POINT: usize = 64;
const POINT2: usize = 128;

/// `2^k` powers of `τ`, in both bases.
#[derive(Clone, Debug)]
pub struct Srs {
    mark: SrsMark,
    /// `[τ^(2^k)]₁`, where the source had it.
    next_power: Option<G1Affine>,
    /// `[τ^i]₁` for `i` below `2^k`.
    powers: Vec<G1Affine>,
    /// `[ℓ_i(τ)]₁`, as many.
    lagrange: Vec<G1Affine>,
}

/// Why an SRS is not accepted.
#[derive(Debug, Error)]
pub enum SrsError {
    /// The file is not a whole and undamaged SRS.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A size that is out of bounds.
    #[error("an SRS of 2^{found} powers is not possible; k lies between {} and {}", K.start(), K.end())]
    Size {
        /// The size.
        found: u32,
    },
    /// The SRS is too small.
    #[error("the SRS has 2^{found} powers, and 2^{needed} are needed: import a larger one")]
    TooSmall {
        /// The `k` that is asked for.
        needed: u32,
        /// The `k` that there is.
        found: u32,
    },
    /// A byte that is none of its possible values, or a length that does not follow from `k`.
    #[error("the SRS file is malformed: {0}")]
    Malformed(&'static str),
    /// A point that is none.
    #[error("point {index} of the SRS: {error}")]
    Point {
        /// Which point, in the order of the file.
        index: u64,
        /// What is wrong with it.
        error: PointError,
    },
    /// `[τ]₂` does not go with the origin.
    #[error(transparent)]
    Mark(#[from] SrsMarkError),
    /// The points are not the powers of one `τ`.
    #[error("the SRS is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl Srs {
    /// The development SRS: insecure, and the same for everybody.
    ///
    /// # Errors
    /// `k` is out of bounds.
    pub fn development(k: u32) -> Result<Self, SrsError> {
        check_k(k)?;
        Ok(development::srs(k))
    }

    /// Makes an SRS of `2^k` powers from `powers` (one more is kept, others are dropped). Computes the Lagrange basis where
    /// it is not given.
    fn from_powers(
        k: u32,
        mut powers: Vec<G1Affine>,
        lagrange: Option<Vec<G1Affine>>,
        origin: SrsOrigin,
        tau_g2: G2Affine,
    ) -> Result<Self, SrsMarkError> {
        let mark = SrsMark::new(origin, tau_g2)?;
        let next_power = powers.get(1 << k).copied();
        refuse_root_of_unity(next_power)?;
        powers.truncate(1 << k);
        let lagrange =
            lagrange.unwrap_or_else(|| g_to_lagrange(powers.iter().map(|power| power.to_curve()).collect(), k));
        Ok(Self { mark, next_power, powers, lagrange })
    }

    /// The SRS has `2^k` powers.
    pub fn k(&self) -> u32 {
        self.powers.len().ilog2()
    }

    /// Where the SRS is from, and `[τ]₂`.
    pub fn mark(&self) -> &SrsMark {
        &self.mark
    }

    /// A copy in the form of the proof library.
    pub fn library(&self) -> ParamsKZG<Bn256> {
        library_srs(self.k(), self.powers.clone(), Some(self.lagrange.clone()), self.mark.tau_g2())
    }

    /// The powers `[τ^i]₁` for `i` below `2^k`.
    pub fn powers(&self) -> &[G1Affine] {
        &self.powers
    }

    /// The Lagrange basis `[ℓ_i(τ)]₁` of the domain of `2^k` points.
    pub fn lagrange(&self) -> &[G1Affine] {
        &self.lagrange
    }

    /// `[τ^(2^k)]₁`, where the source had it; masking the pieces of a quotient takes it.
    pub fn next_power(&self) -> Option<G1Affine> {
        self.next_power
    }

    /// The same without `[τ^(2^k)]₁`, as files without it are read.
    pub fn without_next_power(self) -> Self {
        Self { next_power: None, ..self }
    }

    /// The SRS with `2^k` powers. A smaller one has a Lagrange basis of its own, which is computed: for an imported SRS
    /// that takes `k · 2^(k−1)` multiplications in the group (minutes from `k = 16` on), so keep the result in a file, or import
    /// the size that you need from a prepared `.ptau` file.
    ///
    /// # Errors
    /// `k` is out of bounds or larger than the SRS.
    pub fn fit(self, k: u32) -> Result<Self, SrsError> {
        check_k(k)?;
        match self.k().cmp(&k) {
            std::cmp::Ordering::Less => Err(SrsError::TooSmall { needed: k, found: self.k() }),
            std::cmp::Ordering::Equal => Ok(self),
            std::cmp::Ordering::Greater if self.mark.origin() == SrsOrigin::Development => Self::development(k),
            std::cmp::Ordering::Greater => {
                let powers = self.powers[..=1 << k].to_vec();
                let (origin, tau_g2) = (self.mark.origin(), self.mark.tau_g2());
                drop(self);
                Ok(Self::from_powers(k, powers, None, origin, tau_g2)?)
            }
        }
    }

    /// Checks with random coefficients that the points are powers of one `τ`, that `[τ]₂` belongs to them, and that the
    /// Lagrange basis is theirs. Takes four multi-exponentiations of `2^k` points.
    ///
    /// # Errors
    /// Names the part that is not consistent.
    pub fn check(&self) -> Result<(), SrsError> {
        let powers = &self.powers;
        if powers[0] != G1Affine::generator() {
            return Err(SrsError::Inconsistent("the first power is not the generator"));
        }
        let domain = EvaluationDomain::new(2, self.k());
        let values = domain.lagrange_from_vec((0..powers.len()).map(|_| Fr::random(OsRng)).collect());
        let coefficients = domain.lagrange_to_coeff(values.clone());
        if best_multiexp(&coefficients, powers) != best_multiexp(&values, &self.lagrange) {
            return Err(SrsError::Inconsistent("the Lagrange basis is not that of the powers"));
        }
        let ladder: Vec<_> = powers.iter().chain(&self.next_power).copied().collect();
        if is_geometric(&ladder, &coefficients, self.mark.tau_g2()) {
            Ok(())
        } else {
            Err(SrsError::Inconsistent("the points are not the powers of one tau"))
        }
    }

    /// Reads an SRS file.
    ///
    /// # Errors
    /// The file can't be read or is no valid SRS. That its points are powers of one `τ` is for [`Srs::check`].
    pub fn read(path: &Path) -> Result<Self, SrsError> {
        let io = |source| ContainerError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len();
        let mut reader = Hashing::new(BufReader::with_capacity(1 << 20, file));
        let srs = Decoder { reader: &mut reader, path, points: 0 }.file(found)?;
        let checksum = reader.hash.finalize();
        let mut expected = [0; CHECKSUM_BYTES];
        reader.inner.read_exact(&mut expected).map_err(io)?;
        if checksum.as_slice() != expected {
            return Err(ContainerError::Checksum.into());
        }
        Ok(srs)
    }

    /// Writes an SRS file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ContainerError> {
        let header = Header::new(Kind::Srs, payload_bytes(self.k(), self.next_power.is_some()))?;
        container::write_atomic_with(path, |file| {
            let mut writer = Hashing::new(file);
            writer.write_all(&header.to_bytes())?;
            self.write_payload(&mut writer)?;
            let checksum = writer.hash.finalize();
            writer.inner.write_all(&checksum)
        })
    }

    fn write_payload(&self, writer: &mut impl Write) -> io::Result<()> {
        let development = self.mark.origin() == SrsOrigin::Development;
        writer.write_all(&[u8::from(development), u8::from(self.next_power.is_some())])?;
        if let Some(power) = self.next_power {
            power.write_raw(writer)?;
        }
        writer.write_all(&self.k().to_le_bytes())?;
        self.powers.iter().chain(&self.lagrange).try_for_each(|point| point.write_raw(writer))?;
        [G2Affine::generator(), self.mark.tau_g2()].iter().try_for_each(|point| point.write_raw(writer))
    }
}

/// What an SRS file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsInfo {
    /// The SRS has `2^k` powers.
    pub k: u32,
    /// Where it is from, and `[τ]₂`.
    pub mark: SrsMark,
    /// Whether `[τ^(2^k)]₁` is there.
    pub has_next_power: bool,
}

impl From<&Srs> for SrsInfo {
    fn from(srs: &Srs) -> Self {
        Self { k: srs.k(), mark: *srs.mark(), has_next_power: srs.next_power.is_some() }
    }
}

/// A `τ` in the domain is one of few, and a commitment would be a single cell times the generator.
fn refuse_root_of_unity(next_power: Option<G1Affine>) -> Result<(), SrsMarkError> {
    match next_power {
        Some(power) if power == G1Affine::generator() => Err(SrsMarkError::KnownTau),
        _ => Ok(()),
    }
}

fn check_k(k: u32) -> Result<(), SrsError> {
    if K.contains(&k) {
        Ok(())
    } else {
        Err(SrsError::Size { found: k })
    }
}

fn payload_bytes(k: u32, next_power: bool) -> u64 {
    let points = (2u64 << k) + u64::from(next_power);
    2 + 4 + points * POINT as u64 + 2 * POINT2 as u64
}

/// Whether `ladder[i+1] = τ·ladder[i]` throughout, by one pairing equation over a random combination. `random` holds at
/// least one coefficient less than there are points.
fn is_geometric(ladder: &[G1Affine], random: &[Fr], tau_g2: G2Affine) -> bool {
    let steps = ladder.len() - 1;
    let [below, above] = [&ladder[..steps], &ladder[1..]].map(|points| best_multiexp(&random[..steps], points));
    pairing_product_is_one(&[(below.to_affine(), tau_g2), (-above.to_affine(), G2Affine::generator())])
}

/// Hashes what passes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new() }
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads the parts of an SRS file in order.
struct Decoder<'a, R> {
    reader: &'a mut R,
    path: &'a Path,
    points: u64,
}

impl<R: Read> Decoder<'_, R> {
    /// Reads all but the checksum of a file of `found` bytes.
    fn file(&mut self, found: u64) -> Result<Srs, SrsError> {
        let mut header = Vec::new();
        let path = PathBuf::from(self.path);
        let io = |source| ContainerError::Io { path, source };
        self.reader.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(io)?;
        let header = Header::parse(&header)?.expect(Kind::Srs)?;
        header.expect_file_bytes(found)?;
        let [development, next_power] = self.bytes()?;
        let origin = match development {
            0 => SrsOrigin::Imported,
            1 => SrsOrigin::Development,
            _ => return Err(SrsError::Malformed("the origin")),
        };
        let next_power = match next_power {
            0 => None,
            1 => Some(self.point()?),
            _ => return Err(SrsError::Malformed("the mark of the next power")),
        };
        let k = u32::from_le_bytes(self.bytes()?);
        check_k(k)?;
        if header.payload != payload_bytes(k, next_power.is_some()) {
            return Err(SrsError::Malformed("the length does not follow from k"));
        }
        let powers = self.points(1 << k)?;
        let lagrange = self.points(1 << k)?;
        if self.point2()? != G2Affine::generator() {
            return Err(SrsError::Malformed("the generator of G2"));
        }
        let tau_g2 = self.point2()?;
        let mark = SrsMark::new(origin, tau_g2)?;
        refuse_root_of_unity(next_power)?;
        Ok(Srs { mark, next_power, powers, lagrange })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], SrsError> {
        let mut bytes = [0; N];
        let path = self.path;
        self.reader.read_exact(&mut bytes).map_err(|source| ContainerError::Io { path: path.to_owned(), source })?;
        Ok(bytes)
    }

    /// `count` points. The file's length has been compared with its header's, so they are there.
    fn points(&mut self, count: usize) -> Result<Vec<G1Affine>, SrsError> {
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(self.point()?);
        }
        Ok(points)
    }

    fn point(&mut self) -> Result<G1Affine, SrsError> {
        let bytes: [u8; POINT] = self.bytes()?;
        let index = self.points;
        self.points += 1;
        montgomery_point(&bytes).map_err(|error| SrsError::Point { index, error })
    }

    fn point2(&mut self) -> Result<G2Affine, SrsError> {
        let bytes: [u8; POINT2] = self.bytes()?;
        let index = self.points;
        self.points += 1;
        montgomery_point2(&bytes).map_err(|error| SrsError::Point { index, error })
    }
}

/// A point of G1 from its coordinates' Montgomery residues, little-endian.
fn montgomery_point(bytes: &[u8; POINT]) -> Result<G1Affine, PointError> {
    match G1Affine::from_raw_bytes(bytes) {
        _ if bytes == &[0; POINT] => Err(PointError::Identity),
        Some(point) => Ok(point),
        None => Err(PointError::OffCurve),
    }
}

/// A point of G2 from its coordinates' Montgomery residues, little-endian.
fn montgomery_point2(bytes: &[u8; POINT2]) -> Result<G2Affine, PointError> {
    let point = G2Affine::from_raw_bytes(bytes).ok_or(PointError::OffCurve)?;
    // The canonical decoder checks the group, too.
    decode_point2(&encode_point2(&point)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::bn256::Fq;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn same(a: &Srs, b: &Srs) -> bool {
        let bytes = |srs: &Srs| {
            let mut bytes = Vec::new();
            srs.write_payload(&mut bytes).expect("memory takes it");
            bytes
        };
        bytes(a) == bytes(b)
    }

    #[test]
    fn residues_at_or_above_the_modulus_are_refused() {
        let mut modulus = (-Fq::ONE).to_raw_bytes();
        let one = Fq::from_raw_bytes(&modulus);
        assert_eq!(one, Some(-Fq::ONE));
        modulus.copy_from_slice(&[0xff; 32]);
        assert_eq!(Fq::from_raw_bytes(&modulus), None);
        let mut point = [0xff; POINT];
        assert_eq!(montgomery_point(&point), Err(PointError::OffCurve));
        point.fill(0);
        assert_eq!(montgomery_point(&point), Err(PointError::Identity));
        assert_eq!(montgomery_point2(&[0; POINT2]), Err(PointError::Identity));
        assert_eq!(montgomery_point2(&[0xff; POINT2]), Err(PointError::OffCurve));
    }

    #[test]
    fn the_development_srs_is_consistent_and_marked() {
        let srs = Srs::development(6).expect("a possible size");
        srs.check().expect("consistent");
        assert!(srs.mark().is_insecure());
        assert!(srs.next_power().is_some());
    }

    #[test]
    fn files_round_trip_and_are_deterministic() {
        let folder = folder();
        let path = folder.path().join("dev.srs");
        let srs = Srs::development(5).expect("a possible size");
        srs.write(&path).expect("writable");
        let read = Srs::read(&path).expect("readable");
        assert!(same(&srs, &read));
        assert_eq!(SrsInfo::from(&read), SrsInfo::from(&srs));
        let first = std::fs::read(&path).expect("readable");
        read.write(&path).expect("writable");
        assert_eq!(std::fs::read(&path).expect("readable"), first);
    }

    #[test]
    fn smaller_ones_are_cut_from_larger_ones() {
        let cut = Srs::development(7).and_then(|srs| srs.fit(5)).expect("possible sizes");
        assert!(same(&cut, &Srs::development(5).expect("a possible size")));
        // The general way gives the same points as the one that knows tau.
        let srs = Srs::development(6).expect("a possible size");
        let powers = srs.powers[..=32].to_vec();
        let general =
            Srs::from_powers(5, powers, None, SrsOrigin::Development, srs.mark.tau_g2()).expect("development");
        assert!(same(&general, &cut));
        assert!(matches!(cut.fit(6), Err(SrsError::TooSmall { needed: 6, found: 5 })));
        assert!(matches!(Srs::development(0), Err(SrsError::Size { found: 0 })));
        assert!(matches!(Srs::development(40), Err(SrsError::Size { found: 40 })));
    }

    #[test]
    fn a_tau_in_the_domain_is_refused() {
        let omega = crate::field::root_of_unity(3);
        let powers: Vec<_> = (0..=8u64).map(|i| (G1Affine::generator() * omega.pow_vartime([i])).to_affine()).collect();
        let tau_g2 = (G2Affine::generator() * omega).to_affine();
        let refused = Srs::from_powers(3, powers.clone(), None, SrsOrigin::Imported, tau_g2);
        assert_eq!(refused.map(|srs| srs.k()), Err(SrsMarkError::KnownTau));
        // Fewer powers than make it come round.
        assert!(Srs::from_powers(2, powers, None, SrsOrigin::Imported, tau_g2).is_ok());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let folder = folder();
        let path = folder.path().join("dev.srs");
        Srs::development(2).expect("a possible size").write(&path).expect("writable");
        let file = std::fs::read(&path).expect("readable");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("writable");
            Srs::read(&path).is_err()
        };
        for offset in 0..file.len() {
            let mut bad = file.clone();
            bad[offset] ^= 1 << (offset % 8);
            assert!(refused(&bad), "byte {offset}");
        }
        for length in 0..file.len() {
            assert!(refused(&file[..length]), "{length} bytes");
        }
        assert!(refused(&[&file[..], &[0]].concat()));
    }

    #[test]
    fn inconsistent_ones_are_refused() {
        let srs = Srs::development(4).expect("a possible size");
        let (powers, tau_g2) = (srs.powers.clone(), srs.mark.tau_g2());
        let of_powers = |powers: Vec<G1Affine>| {
            let lagrange = g_to_lagrange(powers.iter().map(|power| power.to_curve()).collect(), 4);
            Srs { powers, lagrange, ..srs.clone() }
        };
        let mut other = powers.clone();
        other.swap(5, 6);
        assert!(matches!(of_powers(other).check(), Err(SrsError::Inconsistent(_))), "powers exchanged");
        let foreign_basis = Srs { lagrange: powers.clone(), ..srs.clone() };
        assert!(matches!(foreign_basis.check(), Err(SrsError::Inconsistent(_))));
        let shifted = powers[1..].iter().chain(&srs.next_power).copied().collect();
        assert!(matches!(of_powers(shifted).check(), Err(SrsError::Inconsistent(_))), "does not start at one");
        let next = Srs { next_power: Some(G1Affine::generator()), ..srs.clone() };
        assert!(matches!(next.check(), Err(SrsError::Inconsistent(_))), "another next power");
        let foreign = Srs {
            mark: SrsMark::new(SrsOrigin::Imported, (tau_g2 + tau_g2).to_affine()).expect("some tau"),
            ..srs.clone()
        };
        assert!(matches!(foreign.check(), Err(SrsError::Inconsistent(_))), "another tau in G2");
    }
}
