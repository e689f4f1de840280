//! Calldata of the contracts' functions.

use circuits::graph::{PortKind, Visibility};
use circuits::interface::{Direction, InterfacePort};
use halo2_proofs::halo2curves::bn256::Fr;

use super::{keccak, EvmAddress, Hash};
use crate::encoding::encode_scalar;
use crate::VerifyingKey;

/// `verifyProof(bytes,uint256[])`
pub const VERIFY_PROOF: [u8; 4] = [0x1e, 0x8e, 0x1e, 0x13];
/// `verifyProof(address,bytes32,bytes,uint256[])`
pub const VERIFY_PROOF_OF: [u8; 4] = [0x08, 0xcc, 0xff, 0x63];

/// The functions of a model contract and of the verifier, as JSON.
pub const INTERFACE: &str = r#"[
  {
    "type": "function",
    "name": "verifyProof",
    "stateMutability": "view",
    "inputs": [{ "name": "proof", "type": "bytes" }, { "name": "instances", "type": "uint256[]" }],
    "outputs": [{ "name": "", "type": "bool" }]
  },
  {
    "type": "function",
    "name": "verifyProof",
    "stateMutability": "view",
    "inputs": [
      { "name": "model", "type": "address" },
      { "name": "codeHash", "type": "bytes32" },
      { "name": "proof", "type": "bytes" },
      { "name": "instances", "type": "uint256[]" }
    ],
    "outputs": [{ "name": "", "type": "bool" }]
  }
]
"#;

/// The call of a model contract: `verifyProof(proof, instances)`.
pub fn verify_proof(proof: &[u8], instances: &[Fr]) -> Vec<u8> {
    let mut call = VERIFY_PROOF.to_vec();
    arguments(&mut call, 2, proof, instances);
    call
}

/// The call of the verifier itself: `verifyProof(model, codeHash, proof, instances)`.
pub fn verify_proof_of(model: &EvmAddress, code_hash: &Hash, proof: &[u8], instances: &[Fr]) -> Vec<u8> {
    let mut call = VERIFY_PROOF_OF.to_vec();
    call.extend([0; 12]);
    call.extend(model);
    call.extend(code_hash);
    arguments(&mut call, 4, proof, instances);
    call
}

/// Bytes of [`verify_proof`] for a proof and instance words of these numbers.
pub fn calldata_bytes(proof_bytes: usize, instances: usize) -> usize {
    4 + 32 * 4 + proof_bytes.next_multiple_of(32) + 32 * instances
}

/// Appends the two dynamic arguments, of which the offsets come last among the `heads`.
fn arguments(call: &mut Vec<u8>, heads: usize, proof: &[u8], instances: &[Fr]) {
    let padded = proof.len().next_multiple_of(32);
    let first = 32 * heads;
    for number in [first, first + 32 + padded] {
        call.extend(word(number));
    }
    call.extend(word(proof.len()));
    call.extend(proof);
    call.resize(call.len() + padded - proof.len(), 0);
    call.extend(word(instances.len()));
    instances.iter().for_each(|instance| call.extend(encode_scalar(instance)));
}

pub(super) fn word(number: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(number as u64).to_be_bytes());
    word
}

/// What a registration says of a model besides its ports; `contracts/src/interfaces/IModelRegistry.sol` says it in full.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The verifier.
    pub verifier: EvmAddress,
    /// Hash of its code.
    pub verifier_code_hash: Hash,
    /// The model contract.
    pub model: EvmAddress,
    /// Hash of its code.
    pub model_code_hash: Hash,
    /// The key; its digest, and those of its program and model file, and its ports are part of the entry.
    pub key: &'a VerifyingKey,
}

/// `register(Entry)` of the registry.
pub fn register(entry: &Entry<'_>) -> Vec<u8> {
    let description = entry.key.description();
    let ports = &description.interface.ports;
    let mut call = keccak(REGISTER.as_bytes())[..4].to_vec();
    call.extend(word(32));
    call.extend(address(&entry.verifier));
    call.extend(entry.verifier_code_hash);
    call.extend(address(&entry.model));
    call.extend(entry.model_code_hash);
    call.extend([description.program.0, entry.key.digest().0, description.source.0].concat());
    call.extend(word(8 * 32));
    call.extend(word(ports.len()));
    ports.iter().for_each(|port| register_port(&mut call, port));
    call
}

const REGISTER: &str = "register((address,bytes32,address,bytes32,bytes32,bytes32,bytes32,\
                        (bytes32,uint8,uint8,uint8,uint32,int64,int64,uint64,int16)[]))";

fn register_port(call: &mut Vec<u8>, port: &InterfacePort) {
    let (mantissa, exponent) = exact_scale(port.scale);
    call.extend(keccak(port.name.as_bytes()));
    call.extend(word(match port.direction {
        Direction::Input => 0,
        Direction::Output => 1,
    }));
    call.extend(word(match port.visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
        Visibility::Hashed => 2,
        Visibility::Committed => 3,
    }));
    call.extend(word(match port.kind {
        PortKind::Real => 0,
        PortKind::Index => 1,
        PortKind::Nullable => 2,
    }));
    call.extend(word(port.elements()));
    call.extend(signed(port.lo));
    call.extend(signed(port.hi));
    call.extend(word(mantissa as usize));
    call.extend(signed(exponent.into()));
}

/// A positive scale as an odd mantissa and a power of two; exact.
pub fn exact_scale(scale: f64) -> (u64, i16) {
    let bits = scale.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i16, bits & ((1 << 52) - 1));
    let (mantissa, exponent) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    let twos = mantissa.trailing_zeros().min(63);
    (mantissa >> twos, exponent + twos as i16)
}

fn address(address: &EvmAddress) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    word
}

fn signed(number: i64) -> [u8; 32] {
    let mut word = [if number < 0 { 0xff } else { 0 }; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_hashes_of_signatures() {
        assert_eq!(keccak(b"verifyProof(bytes,uint256[])")[..4], VERIFY_PROOF);
        assert_eq!(keccak(b"verifyProof(address,bytes32,bytes,uint256[])")[..4], VERIFY_PROOF_OF);
    }

    #[test]
    fn scales_are_exact() {
        for scale in [1.0, 0.5, 0.1, 3.0e-7, f64::MIN_POSITIVE, 5e-324, 1.7e308] {
            let (mantissa, exponent) = exact_scale(scale);
            assert_eq!(mantissa % 2, 1);
            let half = i32::from(exponent) / 2;
            assert_eq!(mantissa as f64 * 2f64.powi(half) * 2f64.powi(i32::from(exponent) - half), scale);
        }
    }
}
