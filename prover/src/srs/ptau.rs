//! Import of `.ptau` files, the form in which ceremonies publish powers of tau for BN254 (made by `snarkjs`).
//!
//! A file is a list of sections. Of them these are read:
//!
//! | id | content |
//! | --- | --- |
//! | 1 | size of a coordinate (32), modulus, power, power of the ceremony |
//! | 2 | `[τ^i]₁` for `i` below `2·2^power − 1` |
//! | 3 | `[τ^i]₂` for `i` below `2^power` |
//! | 12 | Lagrange bases of 1, 2, 4, … points; in files prepared for phase 2 |
//!
//! Coordinates are Montgomery residues in little-endian order. A Lagrange basis is in the order of the powers of the
//! root of unity of `snarkjs`, which is another than that of the proof library: the points are the same, and are put in
//! our order. Where the section is missing, the basis is computed, which takes long for large sizes.
//!
//! What the import checks: that all points are on the curve and that `[τ]₂` is in the group of order `r`, and, by a
//! pairing over a random combination of all powers, that they are the powers of one `τ` other than 1. What it can't
//! check is the ceremony itself: that somebody who contributed has forgotten a secret. `snarkjs powersoftau verify`
//! checks the contributions.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{Fq, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use thiserror::Error;
use verifier::encoding::PointError;
use verifier::srs::{SrsMarkError, SrsOrigin};

use super::{check_k, montgomery_point, montgomery_point2, Srs, SrsError, POINT, POINT2};

/// Most sections of a file; `snarkjs` writes at most 11.
const MAX_SECTIONS: u32 = 64;
/// Largest power of a ceremony: the order of the roots of unity of the scalar field.
const MAX_POWER: u32 = 28;

const HEADER: u32 = 1;
const TAU_G1: u32 = 2;
const TAU_G2: u32 = 3;
const LAGRANGE_G1: u32 = 12;

/// Why a `.ptau` file is not imported.
#[derive(Debug, Error)]
pub enum PtauError {
    /// The file can't be read.
    #[error("the .ptau file can't be read: {0}")]
    Io(#[from] io::Error),
    /// The bytes do not begin as a `.ptau` file does.
    #[error("this is no .ptau file of version 1")]
    Magic,
    /// Sections that do not fit the file or one another.
    #[error("the .ptau file is malformed at byte {offset}: {what}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Powers in the groups of another curve.
    #[error("the .ptau file is for another curve than BN254")]
    Curve,
    /// A section of another size than the power asks for.
    #[error("section {section} of the .ptau file has {found} bytes, and must have {expected}")]
    SectionSize {
        /// The section.
        section: u32,
        /// Bytes that the power asks for.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// A point that is none.
    #[error("point {index} of section {section} of the .ptau file: {error}")]
    Point {
        /// The section.
        section: u32,
        /// Which point.
        index: u64,
        /// What is wrong with it.
        error: PointError,
    },
    /// The SRS is not acceptable.
    #[error(transparent)]
    Srs(#[from] SrsError),
}

impl From<SrsMarkError> for PtauError {
    fn from(error: SrsMarkError) -> Self {
        PtauError::Srs(error.into())
    }
}

/// A `.ptau` file whose header and sections have been read.
pub struct Ptau {
    reader: BufReader<File>,
    power: u32,
    tau_g1: u64,
    tau_g2: u64,
    lagrange: Option<u64>,
}

impl Ptau {
    /// Opens a file.
    ///
    /// # Errors
    /// The file can't be read, or is no `.ptau` file for BN254.
    pub fn open(path: &Path) -> Result<Self, PtauError> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let sections = Sections::read(&mut reader, bytes)?;
        let power = read_header(&mut reader, sections.get(HEADER)?)?;
        let points = 1u64 << power;
        let tau_g1 = sections.get(TAU_G1)?.expect_size((2 * points - 1) * POINT as u64)?;
        let tau_g2 = sections.get(TAU_G2)?.expect_size(points * POINT2 as u64)?;
        // Bases for all sizes up to twice the number of powers in G2.
        let lagrange = match sections.find(LAGRANGE_G1) {
            Some(section) => Some(section.expect_size((4 * points - 1) * POINT as u64)?),
            None => None,
        };
        Ok(Self { reader, power, tau_g1, tau_g2, lagrange })
    }

    /// The file can give an SRS of up to `2^power` powers.
    pub fn power(&self) -> u32 {
        self.power
    }

    /// Makes an SRS of `2^k` powers.
    ///
    /// # Errors
    /// The file is too small, or its points are not the powers of one `τ`.
    pub fn import(mut self, k: u32) -> Result<Srs, PtauError> {
        check_k(k)?;
        if k > self.power {
            return Err(SrsError::TooSmall { needed: k, found: self.power }.into());
        }
        // One power more than 2^k: with k at most the file's power, and that at least 1, it is there.
        let powers = self.points(TAU_G1, self.tau_g1, 0, (1 << k) + 1)?;
        let tau_g2 = self.tau_g2()?;
        // The bases of 1, 2, 4, … points before the one of 2^k have 2^k − 1 points together.
        let lagrange =
            self.lagrange.map(|offset| self.points(LAGRANGE_G1, offset, (1 << k) - 1, 1 << k)).transpose()?;
        let lagrange = lagrange.map(|points| in_our_order(k, &points));
        let srs = Srs::from_powers(k, powers, lagrange, SrsOrigin::Imported, tau_g2)?;
        srs.check()?;
        Ok(srs)
    }

    /// `count` points of the section at `offset`, from the `first` one on.
    fn points(&mut self, section: u32, offset: u64, first: u64, count: u64) -> Result<Vec<G1Affine>, PtauError> {
        self.reader.seek(SeekFrom::Start(offset + first * POINT as u64))?;
        let mut points = Vec::with_capacity(count as usize);
        for index in first..first + count {
            let mut bytes = [0; POINT];
            self.reader.read_exact(&mut bytes)?;
            points.push(montgomery_point(&bytes).map_err(|error| PtauError::Point { section, index, error })?);
        }
        Ok(points)
    }

    fn tau_g2(&mut self) -> Result<G2Affine, PtauError> {
        self.reader.seek(SeekFrom::Start(self.tau_g2))?;
        let mut point = |index| {
            let mut bytes = [0; POINT2];
            self.reader.read_exact(&mut bytes)?;
            montgomery_point2(&bytes).map_err(|error| PtauError::Point { section: TAU_G2, index, error })
        };
        if point(0)? != G2Affine::generator() {
            return Err(SrsError::Inconsistent("the first power in G2 is not the generator").into());
        }
        point(1)
    }
}

/// Where a section lies.
#[derive(Clone, Copy, Debug)]
struct Section {
    id: u32,
    offset: u64,
    size: u64,
}

impl Section {
    /// The offset of a section of `expected` bytes.
    fn expect_size(self, expected: u64) -> Result<u64, PtauError> {
        if self.size == expected {
            Ok(self.offset)
        } else {
            Err(PtauError::SectionSize { section: self.id, expected, found: self.size })
        }
    }
}

struct Sections {
    list: Vec<Section>,
    file_bytes: u64,
}

impl Sections {
    fn read(reader: &mut BufReader<File>, file_bytes: u64) -> Result<Self, PtauError> {
        let mut head = [0; 12];
        reader.read_exact(&mut head).map_err(|_| PtauError::Magic)?;
        if head[..8] != *b"ptau\x01\0\0\0" {
            return Err(PtauError::Magic);
        }
        let count = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
        let malformed = |offset, what| PtauError::Malformed { offset, what };
        if count > MAX_SECTIONS {
            return Err(malformed(8, "too many sections"));
        }
        let mut sections = Self { list: Vec::new(), file_bytes };
        let mut offset = head.len() as u64;
        for _ in 0..count {
            let section = Self::next(reader, offset)?;
            offset = section
                .offset
                .checked_add(section.size)
                .filter(|&end| end <= file_bytes)
                .ok_or_else(|| malformed(offset, "a section goes on after the end of the file"))?;
            if sections.list.iter().any(|other| other.id == section.id) {
                return Err(malformed(section.offset, "a section comes twice"));
            }
            sections.list.push(section);
            reader.seek(SeekFrom::Start(offset))?;
        }
        match offset == file_bytes {
            true => Ok(sections),
            false => Err(malformed(offset, "there are bytes after the last section")),
        }
    }

    fn next(reader: &mut BufReader<File>, offset: u64) -> Result<Section, PtauError> {
        let mut head = [0; 12];
        reader.read_exact(&mut head).map_err(|_| PtauError::Malformed { offset, what: "a section is missing" })?;
        Ok(Section {
            id: u32::from_le_bytes(head[..4].try_into().expect("four bytes")),
            offset: offset + head.len() as u64,
            size: u64::from_le_bytes(head[4..].try_into().expect("eight bytes")),
        })
    }

    fn find(&self, id: u32) -> Option<Section> {
        self.list.iter().find(|section| section.id == id).copied()
    }

    fn get(&self, id: u32) -> Result<Section, PtauError> {
        self.find(id).ok_or(PtauError::Malformed { offset: self.file_bytes, what: "a section is missing" })
    }
}

/// Puts a Lagrange basis from the order of the powers of `snarkjs`'s root of unity into that of ours.
fn in_our_order(k: u32, points: &[G1Affine]) -> Vec<G1Affine> {
    let logarithm = our_root_by_theirs(k);
    // k is at most 26, and so is the number of bits of the logarithm.
    (0..points.len()).map(|index| points[index * logarithm % points.len()]).collect()
}

/// The logarithm of our `2^k`-th root of unity to the base of theirs, bit by bit from the lowest.
fn our_root_by_theirs(k: u32) -> usize {
    // Theirs is a power of 5, the smallest non-residue; the exponent is the odd part of r − 1.
    let group_order = (-Fr::ONE).to_repr();
    let limb = |i: usize| u64::from_le_bytes(group_order[8 * i..][..8].try_into().expect("eight bytes"));
    let odd_part: [u64; 4] = std::array::from_fn(|i| {
        let above = if i == 3 { 0 } else { limb(i + 1) << (64 - Fr::S) };
        limb(i) >> Fr::S | above
    });
    let of_order = |root: Fr| (k..Fr::S).fold(root, |root, _| root.square());
    let (theirs, ours) = (of_order(Fr::from(5).pow(odd_part)), of_order(Fr::ROOT_OF_UNITY));
    let inverse = theirs.invert().expect("a root of unity is not zero");
    (0..k).fold(0, |logarithm: usize, bit| {
        let rest = ours * inverse.pow([logarithm as u64]);
        let is_set = rest.pow([1 << (k - 1 - bit)]) != Fr::ONE;
        logarithm | usize::from(is_set) << bit
    })
}

/// The power that the header tells.
fn read_header(reader: &mut BufReader<File>, section: Section) -> Result<u32, PtauError> {
    let offset = section.expect_size(44)?;
    reader.seek(SeekFrom::Start(offset))?;
    let mut header = [0; 44];
    reader.read_exact(&mut header)?;
    // q − 1 is even, so adding one to its lowest byte gives q.
    let mut modulus = (-Fq::ONE).to_repr();
    modulus[0] += 1;
    if header[..4] != 32u32.to_le_bytes() || header[4..36] != modulus {
        return Err(PtauError::Curve);
    }
    let power = u32::from_le_bytes(header[36..40].try_into().expect("four bytes"));
    if (1..=MAX_POWER).contains(&power) {
        Ok(power)
    } else {
        Err(PtauError::Malformed { offset: offset + 36, what: "the power is out of bounds" })
    }
}
