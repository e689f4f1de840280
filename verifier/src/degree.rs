use thiserror::Error;

/// The environment variable through which the proof library would change the degree of every constraint system.
const VARIABLE: &str = "MAX_DEGREE";

/// The environment asks the proof library for another degree, under which keys and proofs would not be those of this
/// format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the environment variable {VARIABLE} is set; it changes the proof system: unset it")]
pub struct DegreeOverride;

/// Refuses to go on where the environment changes the proof system. Whoever builds a constraint system calls it first.
///
/// # Errors
/// The variable `MAX_DEGREE` is set, to whatever value.
pub fn refuse_degree_override() -> Result<(), DegreeOverride> {
    match std::env::var_os(VARIABLE) {
        Some(_) => Err(DegreeOverride),
        None => Ok(()),
    }
}
