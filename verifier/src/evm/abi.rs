//! Calldata of the verifier's functions.

use halo2_proofs::halo2curves::bn256::Fr;

use super::{EvmAddress, Hash};
use crate::encoding::encode_scalar;

/// `verifyProof(bytes,uint256[])`
pub const VERIFY_PROOF: [u8; 4] = [0x1e, 0x8e, 0x1e, 0x13];
/// `verifyProof(address,bytes32,bytes,uint256[])`
pub const VERIFY_PROOF_OF: [u8; 4] = [0x08, 0xcc, 0xff, 0x63];

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

fn word(number: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(number as u64).to_be_bytes());
    word
}
