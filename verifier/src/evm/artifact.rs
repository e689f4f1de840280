//! The verifier contract as it is shipped.

use serde::Deserialize;
use sha3::{Digest as _, Keccak256};

use super::{EvmAddress, Hash};

/// The compiled contract; `contracts/build.mjs` writes it from the source.
const ARTIFACT: &str = include_str!("../../artifacts/ZkinferVerifier.json");

/// The factory through which anybody can deploy the verifier at the same address on every chain
/// (<https://github.com/Arachnid/deterministic-deployment-proxy>).
pub const DEPLOYER: EvmAddress = [
    0x4e, 0x59, 0xb4, 0x48, 0x47, 0xb3, 0x79, 0x57, 0x85, 0x88, 0x92, 0x0c, 0xa7, 0x8f, 0xbf, 0x26, 0xc0, 0xb4, 0x95, 0x6c,
];

/// The verifier's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierContract {
    /// What a transaction deploys it with.
    pub creation_code: Vec<u8>,
    /// What lies on the chain.
    pub runtime_code: Vec<u8>,
    /// The compiler that it was made with.
    pub compiler: String,
}

#[derive(Deserialize)]
struct Artifact {
    compiler: String,
    #[serde(rename = "creationCode")]
    creation_code: String,
    #[serde(rename = "runtimeCode")]
    runtime_code: String,
}

/// The contract that this version ships.
///
/// # Panics
/// Never: the artifact is part of the crate, and a test reads it.
pub fn verifier_contract() -> VerifierContract {
    let artifact: Artifact = serde_json::from_str(ARTIFACT).expect("the artifact of this crate is well formed");
    VerifierContract {
        creation_code: bytes(&artifact.creation_code),
        runtime_code: bytes(&artifact.runtime_code),
        compiler: artifact.compiler,
    }
}

impl VerifierContract {
    /// Keccak-256 of the code on the chain.
    pub fn code_hash(&self) -> Hash {
        Keccak256::digest(&self.runtime_code).into()
    }

    /// Where [`DEPLOYER`] puts it, with a salt of zeros.
    pub fn address(&self) -> EvmAddress {
        create2_address(&DEPLOYER, &[0; 32], &self.creation_code)
    }
}

/// The address of a contract that `deployer` makes by CREATE2 (EIP-1014).
pub fn create2_address(deployer: &EvmAddress, salt: &Hash, creation_code: &[u8]) -> EvmAddress {
    let code: Hash = Keccak256::digest(creation_code).into();
    let hash = Keccak256::new().chain_update([0xff]).chain_update(deployer).chain_update(salt).chain_update(code);
    let hash: Hash = hash.finalize().into();
    hash[12..].try_into().expect("20 of 32 bytes")
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim_start_matches("0x").as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("the artifact is hexadecimal") as u8;
    hex.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
