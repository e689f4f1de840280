//! The file of a compiled program. Its SHA-256 is the program's digest, by which keys name it.

use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use circuits::graph::{Program, ProgramError};
use thiserror::Error;
use verifier::container::{self, ContainerError, Decoded, EncodedFile, Encoding, Kind, Source};
use verifier::Digest;

/// Why a file holds no program.
#[derive(Debug, Error)]
pub enum ProgramFileError {
    /// The file is not a whole and undamaged program.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The program is not well formed.
    #[error("the program is not well formed: {0}")]
    Program(#[from] ProgramError),
}

/// A program and the file that it was read from.
#[derive(Clone, Debug)]
pub struct ProgramFile {
    /// The program.
    pub program: Program,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Bytes of the file.
    pub bytes: u64,
}

/// The bytes of a program's file; a function of the program.
///
/// # Errors
/// The program is larger than a file may be.
pub fn to_file(program: &Program) -> Result<Vec<u8>, ContainerError> {
    container::encode(Kind::Program, program)
}

/// A program's file in the making, which is never held.
///
/// # Errors
/// The program is larger than a file may be.
pub fn encoding(program: &Program) -> Result<Encoding<'_, Program>, ContainerError> {
    Encoding::new(Kind::Program, program)
}

/// Reads and validates the bytes of a program's file.
///
/// # Errors
/// The bytes are no valid program.
pub fn from_file(file: &[u8]) -> Result<Program, ProgramFileError> {
    Ok(from_source(&mut Source::of(file), &(0..file.len() as u64))?.program)
}

/// Reads and validates the program whose file is a part of another one.
///
/// # Errors
/// The part can't be read or holds no valid program.
pub fn from_source<R: Read + Seek>(source: &mut Source<R>, part: &Range<u64>) -> Result<ProgramFile, ProgramFileError> {
    let Decoded { value: program, digest, .. } = source.decode::<Program>(Kind::Program, part)?;
    program.validate()?;
    Ok(ProgramFile { program, digest, bytes: part.end - part.start })
}

/// The digest of a program: the SHA-256 of its file.
///
/// # Errors
/// The program is larger than a file may be.
pub fn digest(program: &Program) -> Result<Digest, ContainerError> {
    Ok(encoding(program)?.digest())
}

/// The digest by which keys name a program whose file has the digest `file`: that one, or, where weights are private, the digest of the
/// program's family.
///
/// # Errors
/// The program is larger than a file may be.
pub fn key_digest(program: &Program, file: Digest) -> Result<Digest, ContainerError> {
    match program.has_private_weights() {
        true => digest(&program.family()),
        false => Ok(file),
    }
}

/// Reads a program's file and validates the program.
///
/// # Errors
/// The file can't be read or holds no valid program.
pub fn read(path: &Path) -> Result<Program, ProgramFileError> {
    Ok(open(path)?.program)
}

/// Reads a program's file piece by piece and validates the program; tells what names the file.
///
/// # Errors
/// The file can't be read or holds no valid program.
pub fn open(path: &Path) -> Result<ProgramFile, ProgramFileError> {
    let mut source = Source::open(path)?;
    let whole = source.whole()?;
    from_source(&mut source, &whole)
}

/// Writes a program's file, for its owner alone where the program has private weights.
///
/// # Errors
/// The program is too large, or the system refuses.
pub fn write(program: &Program, path: &Path) -> Result<(), ContainerError> {
    write_file(program, path, &encoding(program)?)
}

/// Writes a file that holds this program, for its owner alone where the program has private weights.
///
/// # Errors
/// The system refuses.
pub fn write_file(program: &Program, path: &Path, file: &dyn EncodedFile) -> Result<(), ContainerError> {
    container::write_encoded(path, file, program.has_private_weights()).map(|_| ())
}
