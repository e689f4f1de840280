//! The contracts as they are shipped: compiled by `contracts/build.mjs` from `contracts/src`, reproducible to the byte.

use serde::Deserialize;
use sha3::{Digest as _, Keccak256};

use super::gas::deployment;
use super::{EvmAddress, Hash};

const VERIFIER: &str = include_str!("../../artifacts/ZkinferVerifier.json");
const REGISTRY: &str = include_str!("../../artifacts/ModelRegistry.json");
const WEIGHTS_REGISTRY: &str = include_str!("../../artifacts/WeightsRegistry.json");
const LINK_VERIFIER: &str = include_str!("../../artifacts/LinkVerifier.json");

/// The factory through which anybody can deploy the verifier at the same address on every chain
/// (<https://github.com/Arachnid/deterministic-deployment-proxy>).
pub const DEPLOYER: EvmAddress = [
    0x4e, 0x59, 0xb4, 0x48, 0x47, 0xb3, 0x79, 0x57, 0x85, 0x88, 0x92, 0x0c, 0xa7, 0x8f, 0xbf, 0x26, 0xc0, 0xb4, 0x95,
    0x6c,
];

/// A contract of this release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedContract {
    /// What a transaction deploys it with.
    pub creation_code: Vec<u8>,
    /// What lies on the chain.
    pub runtime_code: Vec<u8>,
    /// The compiler that it was made with.
    pub compiler: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    compiler: String,
    creation_code: String,
    runtime_code: String,
}

/// The verifier of all models.
pub fn verifier_contract() -> ShippedContract {
    ShippedContract::read(VERIFIER)
}

/// The registry of models.
pub fn registry_contract() -> ShippedContract {
    ShippedContract::read(REGISTRY)
}

/// The verifier of links.
pub fn link_verifier_contract() -> ShippedContract {
    ShippedContract::read(LINK_VERIFIER)
}

/// The registry of private weights.
pub fn weights_registry_contract() -> ShippedContract {
    ShippedContract::read(WEIGHTS_REGISTRY)
}

impl ShippedContract {
    fn read(artifact: &str) -> Self {
        let artifact: Artifact = serde_json::from_str(artifact).expect("the artifacts of this crate are well formed");
        Self {
            creation_code: bytes(&artifact.creation_code),
            runtime_code: bytes(&artifact.runtime_code),
            compiler: artifact.compiler,
        }
    }

    /// Keccak-256 of the code on the chain.
    pub fn code_hash(&self) -> Hash {
        keccak(&self.runtime_code)
    }

    /// Gas of deploying it, about.
    pub fn deploy_gas(&self) -> u64 {
        deployment(self.runtime_code.len())
    }

    /// Where [`DEPLOYER`] puts it, with a salt of zeros.
    pub fn address(&self) -> EvmAddress {
        create2_address(&DEPLOYER, &[0; 32], &self.creation_code)
    }
}

/// The address of a contract that `deployer` makes by CREATE2 (EIP-1014).
pub fn create2_address(deployer: &EvmAddress, salt: &Hash, creation_code: &[u8]) -> EvmAddress {
    let hash = keccak(&[&[0xff], &deployer[..], salt, &keccak(creation_code)].concat());
    hash[12..].try_into().expect("20 of 32 bytes")
}

/// Keccak-256.
pub fn keccak(bytes: &[u8]) -> Hash {
    Keccak256::digest(bytes).into()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).expect("the artifacts are hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second example of EIP-1014.
    #[test]
    fn create2_addresses_are_those_of_the_standard() {
        let mut deployer = [0; 20];
        deployer[..4].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        let address = create2_address(&deployer, &[0; 32], &[0]);
        let expected = [
            0xb9, 0x28, 0xf6, 0x9b, 0xb1, 0xd9, 0x1c, 0xd6, 0x52, 0x74, 0xe3, 0xc7, 0x9d, 0x89, 0x86, 0x36, 0x29, 0x84,
            0xfd, 0xa3,
        ];
        assert_eq!(address, expected);
    }

    #[test]
    fn the_verifier_has_room_below_the_limit_of_code() {
        assert!(verifier_contract().runtime_code.len() <= 12_288);
    }
}
