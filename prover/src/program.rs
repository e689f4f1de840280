//! The file of a compiled program. Its SHA-256 is the program's digest, by which keys name it.

use std::path::Path;

use circuits::graph::{Program, ProgramError};
use thiserror::Error;
use verifier::container::{self, ContainerError, Kind};
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

/// The bytes of a program's file; a function of the program.
///
/// # Errors
/// The program is larger than a file may be.
pub fn to_file(program: &Program) -> Result<Vec<u8>, ContainerError> {
    container::encode(Kind::Program, program)
}

/// Reads and validates the bytes of a program's file.
///
/// # Errors
/// The bytes are no valid program.
pub fn from_file(file: &[u8]) -> Result<Program, ProgramFileError> {
    let program: Program = container::decode(Kind::Program, file)?;
    program.validate()?;
    Ok(program)
}

/// The digest of a program: the SHA-256 of its file.
///
/// # Errors
/// The program is larger than a file may be.
pub fn digest(program: &Program) -> Result<Digest, ContainerError> {
    Ok(Digest::of(&to_file(program)?))
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
    from_file(&container::read_file(Kind::Program, path)?)
}

/// Writes a program's file, for its owner alone where the program has private weights.
///
/// # Errors
/// The program is too large, or the system refuses.
pub fn write(program: &Program, path: &Path) -> Result<(), ContainerError> {
    write_file(program, path, &to_file(program)?)
}

/// Writes a file that holds this program, for its owner alone where the program has private weights.
///
/// # Errors
/// The system refuses.
pub fn write_file(program: &Program, path: &Path, file: &[u8]) -> Result<(), ContainerError> {
    match program.has_private_weights() {
        true => container::write_private(path, file),
        false => container::write_atomic(path, file),
    }
}
