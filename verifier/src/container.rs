//! The frame that every file of zkinfer has.
//!
//! | bytes | content |
//! | --- | --- |
//! | 8 | `ZKINFER` and a zero byte |
//! | 4 | the kind: `PROG`, `PKEY`, `VKEY`, `PROF`, `SRS `, `CMIT`, `OPEN`, `LINK`, `REGI`, `WGTS` |
//! | 4 | format version of that kind, little-endian |
//! | 8 | length of the payload, little-endian |
//! | length | the payload |
//! | 32 | SHA-256 of all bytes before |
//!
//! The payload of all kinds but the SRS is one value in the `postcard` encoding. A file has exactly one form: a reader
//! refuses another version, another length, bytes after the end, a wrong checksum, and payloads that are not what the
//! writer makes of the value that they decode to. So equal values are equal files, and a file's SHA-256 names it.
//!
//! Reading is bounded: a file larger than its kind allows is refused before it is read, and decoding takes memory in
//! proportion to the bytes that are really there.

mod streamed;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::atomic;
pub use crate::atomic::{abandon_writes, remove_abandoned};
use crate::Digest;
pub use streamed::{Decoded, EncodedFile, Encoding, Source};

const MAGIC: [u8; 8] = *b"ZKINFER\0";
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 24;
/// Bytes after the payload.
pub const CHECKSUM_BYTES: usize = 32;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A compiled integer program.
    Program,
    /// A proving key.
    ProvingKey,
    /// A verifying key.
    VerifyingKey,
    /// A proof with its public values.
    Proof,
    /// Powers of tau.
    Srs,
    /// A commitment to values outside of proofs.
    Commitment,
    /// What opens commitments: values and blinding. Secret.
    Opening,
    /// A proof that two commitments are to the same values.
    Link,
    /// Commitments to the weights of a model, with proofs that they are in range.
    Registration,
    /// What opens a registration. Secret.
    Weights,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 10] = [
        Kind::Program,
        Kind::ProvingKey,
        Kind::VerifyingKey,
        Kind::Proof,
        Kind::Srs,
        Kind::Commitment,
        Kind::Opening,
        Kind::Link,
        Kind::Registration,
        Kind::Weights,
    ];

    /// The format version that this release writes, and the only one that it reads.
    pub fn version(self) -> u32 {
        match self {
            // 2: the widths that were chosen are in the file. 4: the program is of version 2. 5: the options hold a number of rows.
            // 6: the program is of version 3.
            Kind::ProvingKey => 6,
            // 2: the digests of hashed ports stand beside the public values.
            Kind::Proof => 2,
            // 2: reciprocals have any numerator. 3: equal weights stand there once.
            Kind::Program => 3,
            Kind::VerifyingKey
            | Kind::Srs
            | Kind::Commitment
            | Kind::Opening
            | Kind::Link
            | Kind::Registration
            | Kind::Weights => 1,
        }
    }

    /// Most bytes of a payload of this kind.
    pub fn max_payload(self) -> u64 {
        match self {
            Kind::Program | Kind::ProvingKey => 8 << 30,
            Kind::VerifyingKey | Kind::Commitment | Kind::Registration | Kind::Weights => 4 << 20,
            Kind::Proof | Kind::Opening => 256 << 20,
            Kind::Link => 1 << 20,
            Kind::Srs => 32 << 30,
        }
    }

    fn tag(self) -> [u8; 4] {
        *match self {
            Kind::Program => b"PROG",
            Kind::ProvingKey => b"PKEY",
            Kind::VerifyingKey => b"VKEY",
            Kind::Proof => b"PROF",
            Kind::Srs => b"SRS ",
            Kind::Commitment => b"CMIT",
            Kind::Opening => b"OPEN",
            Kind::Link => b"LINK",
            Kind::Registration => b"REGI",
            Kind::Weights => b"WGTS",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Program => "a compiled program",
            Kind::ProvingKey => "a proving key",
            Kind::VerifyingKey => "a verifying key",
            Kind::Proof => "a proof",
            Kind::Srs => "an SRS",
            Kind::Commitment => "a commitment",
            Kind::Opening => "an opening of commitments",
            Kind::Link => "a link",
            Kind::Registration => "a registration of a model",
            Kind::Weights => "an opening of registered weights",
        })
    }
}

/// Why a file is not what it should be.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// The file can't be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes do not begin as a file of zkinfer does.
    #[error("this is no file of zkinfer")]
    Magic,
    /// A kind that this release does not know.
    #[error("the kind {0:?} is not known to this release")]
    UnknownKind([u8; 4]),
    /// A file of another kind.
    #[error("{expected} is expected, and this is {found}")]
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// What the file is.
        found: Kind,
    },
    /// A version that this release does not read.
    #[error("{kind} of format version {found}; this release reads version {supported}")]
    Version {
        /// What the file is.
        kind: Kind,
        /// Its version.
        found: u32,
        /// The version that is read.
        supported: u32,
    },
    /// More bytes than the kind allows.
    #[error("{kind} may have {limit} bytes, and this one has {found}")]
    TooLarge {
        /// What the file is.
        kind: Kind,
        /// Most bytes of a payload.
        limit: u64,
        /// Bytes of this payload.
        found: u64,
    },
    /// The file ends early.
    #[error("the file is cut off: {expected} bytes are announced, and there are {found}")]
    Truncated {
        /// Bytes of the whole file.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Bytes after the end.
    #[error("the file goes on after its end: {expected} bytes are announced, and there are {found}")]
    TrailingBytes {
        /// Bytes of the whole file.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// The file was damaged or altered.
    #[error("the checksum is wrong: the file is damaged")]
    Checksum,
    /// The payload does not decode to a value of its type.
    #[error("the content of {0} can't be decoded")]
    Payload(Kind),
    /// The payload decodes, but the writer would have written other bytes.
    #[error("the content of {0} is not in its canonical form")]
    NotCanonical(Kind),
}

impl ContainerError {
    /// Whether the file is none to judge: of another making (no file of zkinfer, of another kind or version), cut off, or not
    /// to be read at all. Any other is a whole file of the expected kind that was altered.
    pub fn is_unreadable(&self) -> bool {
        use ContainerError::*;
        matches!(self, Io { .. } | Magic | UnknownKind(_) | WrongKind { .. } | Version { .. } | Truncated { .. })
    }
}

/// What the first [`HEADER_BYTES`] of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the file is.
    pub kind: Kind,
    /// Bytes of the payload.
    pub payload: u64,
}

impl Header {
    /// The header of a file of the current version.
    ///
    /// # Errors
    /// The payload is larger than its kind allows.
    pub fn new(kind: Kind, payload: u64) -> Result<Self, ContainerError> {
        match kind.max_payload() {
            limit if payload > limit => Err(ContainerError::TooLarge { kind, limit, found: payload }),
            _ => Ok(Self { kind, payload }),
        }
    }

    /// The bytes of the header.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.kind.tag());
        bytes[12..16].copy_from_slice(&self.kind.version().to_le_bytes());
        bytes[16..].copy_from_slice(&self.payload.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of `bytes`, of whatever kind.
    ///
    /// # Errors
    /// The bytes are the start of no file that this release reads.
    pub fn parse(bytes: &[u8]) -> Result<Self, ContainerError> {
        if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
            return Err(ContainerError::Magic);
        }
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(ContainerError::Truncated { expected: HEADER_BYTES as u64, found: bytes.len() as u64 });
        };
        let field = |range: std::ops::Range<usize>| -> [u8; 4] { bytes[range].try_into().expect("four bytes") };
        let tag = field(8..12);
        let kind = Kind::ALL.into_iter().find(|kind| kind.tag() == tag).ok_or(ContainerError::UnknownKind(tag))?;
        let found = u32::from_le_bytes(field(12..16));
        if found != kind.version() {
            return Err(ContainerError::Version { kind, found, supported: kind.version() });
        }
        Self::new(kind, u64::from_le_bytes(bytes[16..].try_into().expect("eight bytes")))
    }

    /// Refuses another kind than `expected`.
    ///
    /// # Errors
    /// Names both kinds.
    pub fn expect(self, expected: Kind) -> Result<Self, ContainerError> {
        if self.kind == expected {
            Ok(self)
        } else {
            Err(ContainerError::WrongKind { expected, found: self.kind })
        }
    }

    /// Bytes of the whole file.
    pub fn file_bytes(self) -> u64 {
        self.payload + (HEADER_BYTES + CHECKSUM_BYTES) as u64
    }

    /// Refuses a file of another size than this header announces.
    ///
    /// # Errors
    /// The file is cut off or goes on.
    pub fn expect_file_bytes(self, found: u64) -> Result<(), ContainerError> {
        let expected = self.file_bytes();
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(ContainerError::Truncated { expected, found }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(ContainerError::TrailingBytes { expected, found }),
        }
    }
}

/// The file that holds `payload`.
///
/// # Errors
/// The payload is larger than its kind allows.
pub fn frame(kind: Kind, payload: &[u8]) -> Result<Vec<u8>, ContainerError> {
    let header = Header::new(kind, payload.len() as u64)?;
    let mut file = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECKSUM_BYTES);
    file.extend_from_slice(&header.to_bytes());
    file.extend_from_slice(payload);
    let checksum = Sha256::digest(&file);
    file.extend_from_slice(&checksum);
    Ok(file)
}

/// The payload of a file.
///
/// # Errors
/// The file is not a whole, undamaged one of `kind`.
pub fn unframe(kind: Kind, file: &[u8]) -> Result<&[u8], ContainerError> {
    let header = Header::parse(file)?.expect(kind)?;
    header.expect_file_bytes(file.len() as u64)?;
    let (content, checksum) = file.split_at(file.len() - CHECKSUM_BYTES);
    if Sha256::digest(content).as_slice() != checksum {
        return Err(ContainerError::Checksum);
    }
    Ok(&content[HEADER_BYTES..])
}

/// The file that holds `value`.
///
/// # Errors
/// The encoding is larger than its kind allows.
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, ContainerError> {
    let payload = postcard::to_stdvec(value).map_err(|_| ContainerError::Payload(kind))?;
    frame(kind, &payload)
}

/// The value that a file holds.
///
/// # Errors
/// The file is not a whole, undamaged one of `kind`, or not the one that [`encode`] makes of its value.
pub fn decode<T: Serialize + DeserializeOwned>(kind: Kind, file: &[u8]) -> Result<T, ContainerError> {
    let payload = unframe(kind, file)?;
    let value = postcard::from_bytes(payload).map_err(|_| ContainerError::Payload(kind))?;
    match postcard::serialize_with_flavor(&value, Comparison { rest: payload }) {
        Ok(true) => Ok(value),
        _ => Err(ContainerError::NotCanonical(kind)),
    }
}

/// Takes an encoding and compares it with bytes at hand, without a second copy.
struct Comparison<'a> {
    rest: &'a [u8],
}

impl postcard::ser_flavors::Flavor for Comparison<'_> {
    type Output = bool;

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.try_extend(&[data])
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.rest = self.rest.strip_prefix(data).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.rest.is_empty())
    }
}

/// Reads a whole file of `kind`, and no more bytes than the kind allows.
///
/// # Errors
/// The file can't be read, or its size or header is not that of a file of `kind`.
pub fn read_file(kind: Kind, path: &Path) -> Result<Vec<u8>, ContainerError> {
    let io = |source| ContainerError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(io)?;
    let header = Header::parse(&bytes)?.expect(kind)?;
    // One byte more than announced is enough to see that there are trailing ones.
    file.take(header.file_bytes() - HEADER_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    header.expect_file_bytes(bytes.len() as u64)?;
    Ok(bytes)
}

/// Writes a file so that `path` holds either what it held before or all of `bytes`, never a part.
///
/// # Errors
/// The system refuses; then nothing is left behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), ContainerError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// [`write_atomic`] for content that is written piece by piece.
///
/// # Errors
/// `write` fails or the system refuses; then nothing is left behind.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<(), ContainerError> {
    let written = atomic::write(path, atomic::Readers::Umask, write);
    written.map_err(|source| ContainerError::Io { path: path.to_owned(), source })
}

/// [`write_atomic`] for secrets: only the owner of the file may read it, where the system has such modes.
///
/// # Errors
/// The system refuses; then nothing is left behind.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), ContainerError> {
    let written = atomic::write(path, atomic::Readers::Owner, |file| file.write_all(bytes));
    written.map_err(|source| ContainerError::Io { path: path.to_owned(), source })
}

/// Writes a file in the making, for its owner alone where it is `secret`, and tells its SHA-256.
///
/// # Errors
/// The system refuses; then nothing is left behind.
pub fn write_encoded(path: &Path, file: &dyn EncodedFile, secret: bool) -> Result<Digest, ContainerError> {
    let readers = if secret { atomic::Readers::Owner } else { atomic::Readers::Umask };
    let mut digest = Digest([0; 32]);
    let written = atomic::write(path, readers, |writer| {
        digest = file.write_to(writer)?;
        Ok(())
    });
    written.map(|()| digest).map_err(|source| ContainerError::Io { path: path.to_owned(), source })
}

/// Bytes that are encoded as one block and not element by element.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({} bytes)", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    type Value = (u32, Vec<Vec<u64>>, String, Bytes);

    fn value() -> Value {
        (300, vec![vec![1, 2, 1 << 40], vec![]], "name".into(), Bytes(vec![7; 40]))
    }

    fn file() -> Vec<u8> {
        encode(Kind::Proof, &value()).expect("it is small")
    }

    fn decoded(file: &[u8]) -> Result<Value, ContainerError> {
        decode(Kind::Proof, file)
    }

    #[test]
    fn round_trip() {
        assert_eq!(decoded(&file()).expect("whole"), value());
        assert_eq!(file(), file(), "the bytes are a function of the value");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let file = file();
        for bit in 0..8 * file.len() {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_and_any_extension_is_noticed() {
        let file = file();
        for length in 0..file.len() {
            let error = decoded(&file[..length]).expect_err("it is cut off");
            assert!(matches!(error, ContainerError::Truncated { .. }) && error.is_unreadable(), "{length} bytes");
        }
        let longer = [&file[..], &[0]].concat();
        let error = decoded(&longer).expect_err("it is altered");
        assert!(matches!(error, ContainerError::TrailingBytes { .. }) && !error.is_unreadable());
    }

    #[test]
    fn foreign_files_are_named() {
        assert!(matches!(decoded(b"\x7fELF and so on, for long enough"), Err(ContainerError::Magic)));
        let with = |offset: usize, bytes: &[u8]| {
            let mut file = file();
            file[offset..][..bytes.len()].copy_from_slice(bytes);
            decoded(&file)
        };
        assert!(matches!(with(8, b"NONE"), Err(ContainerError::UnknownKind(tag)) if &tag == b"NONE"));
        let key = frame(Kind::ProvingKey, &[1]).expect("it is small");
        assert!(matches!(decoded(&key), Err(ContainerError::WrongKind { found: Kind::ProvingKey, .. })));
        assert!(matches!(with(12, &[1]), Err(ContainerError::Version { found: 1, supported: 2, .. })));
        assert!(matches!(with(16, &[0xff; 8]), Err(ContainerError::TooLarge { .. })));
        assert!(with(12, &[1]).is_err_and(|error| error.is_unreadable()));
        assert!(with(30, &[0xee]).is_err_and(|error| !error.is_unreadable()));
    }

    #[test]
    fn payloads_in_another_form_are_refused() {
        let framed = |payload: &[u8]| frame(Kind::Program, payload).expect("it is small");
        let number: u32 = decode(Kind::Program, &framed(&[1])).expect("canonical");
        assert_eq!(number, 1);
        let result: Result<u32, _> = decode(Kind::Program, &framed(&[0x81, 0]));
        assert!(matches!(result, Err(ContainerError::NotCanonical(_))), "an overlong number: {result:?}");
        let result: Result<u32, _> = decode(Kind::Program, &framed(&[1, 1]));
        assert!(matches!(result, Err(ContainerError::NotCanonical(_))), "bytes after the value: {result:?}");
        let result: Result<u32, _> = decode(Kind::Program, &framed(&[]));
        assert!(matches!(result, Err(ContainerError::Payload(_))), "no value: {result:?}");
    }

    /// Lengths that no byte stands behind must fail before anything is allocated for them.
    #[test]
    fn absurd_lengths_are_refused() {
        let mut huge = postcard::to_stdvec(&u64::MAX).expect("a number");
        huge.extend([0; 8]);
        let file = frame(Kind::Program, &huge).expect("it is small");
        assert!(decode::<Vec<u64>>(Kind::Program, &file).is_err());
        assert!(decode::<Vec<Vec<u8>>>(Kind::Program, &file).is_err());
        assert!(decode::<String>(Kind::Program, &file).is_err());
        assert!(decode::<Bytes>(Kind::Program, &file).is_err());
    }

    #[test]
    fn files_are_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("proof.zkp");
        write_atomic(&path, &file()).expect("writable");
        assert_eq!(read_file(Kind::Proof, &path).expect("readable"), file());
        write_atomic(&path, b"shorter").expect("an older file is replaced");
        assert_eq!(fs::read(&path).expect("readable"), b"shorter");

        let failed = write_atomic_with(&path, |file| {
            file.write_all(&[0; 1 << 17])?;
            Err(io::Error::other("full"))
        });
        assert!(matches!(failed, Err(ContainerError::Io { .. })));
        assert_eq!(fs::read(&path).expect("readable"), b"shorter", "the older file stays");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "nothing is left behind");
    }

    #[test]
    fn files_of_another_size_are_not_read_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("proof.zkp");
        fs::write(&path, [file(), vec![0; 1 << 20]].concat()).expect("writable");
        let result = read_file(Kind::Proof, &path);
        let read = file().len() as u64 + 1;
        assert!(matches!(result, Err(ContainerError::TrailingBytes { found, .. }) if found == read), "{result:?}");
        assert!(matches!(read_file(Kind::Srs, &path), Err(ContainerError::WrongKind { .. })));
        assert!(matches!(read_file(Kind::Proof, folder.path()), Err(ContainerError::Io { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let file = frame(Kind::Proof, &payload).expect("it is small");
            if let Ok(value) = decoded(&file) {
                prop_assert_eq!(encode(Kind::Proof, &value).expect("it is small"), file);
            }
        }

        #[test]
        fn any_file_is_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decoded(&file);
        }
    }
}
