#![doc = include_str!("../README.md")]

mod atomic;
pub mod container;
mod degree;
pub mod digest;
pub mod encoding;
pub mod evm;
pub mod key;
pub mod link;
pub mod printable;
pub mod proof;
pub mod registration;
pub mod shape;
pub mod srs;
pub mod statement;
pub mod transcript;
mod verify;

pub use circuits::interface::PublicData;
pub use degree::{refuse_degree_override, DegreeOverride};
pub use digest::Digest;
pub use key::{KeyError, VerifyingKey};
pub use link::{Commitment, Link, LinkRefusal};
pub use printable::printable;
pub use proof::{Proof, Randomness};
pub use registration::{Registration, RegistrationError};
pub use statement::Statement;
pub use verify::{verify, verify_file, verify_under, Policy, Refusal};
