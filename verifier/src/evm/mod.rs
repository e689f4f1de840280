//! Verification on an Ethereum chain.
//!
//! One contract, the *verifier*, checks proofs of every model; a *model contract* is a proxy to it with the model's data
//! behind the proxy's code. The verifier's source is `contracts/src/ZkinferVerifier.sol`, its code ships with this crate
//! ([`verifier_contract`]); this module writes the data ([`EvmModel`]), the calldata, and tells the gas.
//! `docs/onchain.md` describes both.

pub mod abi;
mod arithmetic;
mod artifact;
mod call;
mod gas;
pub mod link;
mod memory;
mod model;
mod openings;
pub mod registration;
mod simulate;
mod transcript;

use thiserror::Error;

pub use artifact::{
    create2_address, keccak, link_verifier_contract, registry_contract, verifier_contract, weights_registry_contract,
    ShippedContract, DEPLOYER,
};
pub use gas::{gas_model, CostError, EvmCosts};
pub use model::{EvmModel, MAX_CODE_BYTES};
pub use simulate::{simulate_proof, SimulationError};

use crate::encoding::PointError;

/// The address of an account.
pub type EvmAddress = [u8; 20];
/// A Keccak-256 hash.
pub type Hash = [u8; 32];

/// Why a key has no contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EvmError {
    /// The constraint system has something that the verifier has no code for; the machine has not.
    #[error("the verifier contract does not know {0}")]
    Unsupported(&'static str),
    /// The constraint system is too large.
    #[error("the contract would need {found} {what}, and has room for {limit}; compile with --optimize gas")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// The most that is possible.
        limit: usize,
        /// What it takes.
        found: usize,
    },
    /// A point of the key that has no encoding.
    #[error("a point of the key: {0}")]
    Point(PointError),
}
