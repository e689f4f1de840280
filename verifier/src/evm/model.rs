//! The contract of a model: a proxy to the verifier, with the model's data behind it.

use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field, PrimeField};
use halo2_proofs::plonk;

use super::arithmetic::INSTRUCTIONS_PER_WORD;
use super::memory::{Address, MemoryMap, DATA, HEADER_BYTES};
use super::transcript::Kind;
use super::{keccak, EvmAddress, EvmCosts, EvmError, Hash};
use crate::encoding::{encode_point, encode_point2, encode_scalar};
use crate::VerifyingKey;

/// What the data start with: "zkinfer evm model, format 1".
const MAGIC: &[u8; 27] = b"zkinfer evm model, format 1";
/// The largest code of a contract (EIP-170).
pub const MAX_CODE_BYTES: usize = 24_576;
/// The minimal proxy (ERC-1167) before and behind the address that it forwards to.
const PROXY: [&[u8]; 2] = [
    &[0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73],
    &[0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3],
];

/// Bytes of the proxy.
pub(super) const PROXY_BYTES: usize = 45;

/// A verifying key as a contract.
#[derive(Clone, Debug)]
pub struct EvmModel {
    map: MemoryMap,
    k: u32,
    ports: usize,
    data: Vec<u8>,
}

impl EvmModel {
    /// The contract for proofs under `key`.
    ///
    /// # Errors
    /// The key's machine is too large for a contract.
    pub fn new(key: &VerifyingKey) -> Result<Self, EvmError> {
        let model = Self::of(key.plonk(), key.interface().words(), &key.description().srs.tau_g2())?;
        Ok(Self { ports: key.interface().ports.len(), ..model })
    }

    /// The contract for a key of the proof library, proofs with `instances` public words, and an SRS.
    ///
    /// # Errors
    /// The constraint system has parts that the contract does not know, or is too large for it.
    pub fn of(key: &plonk::VerifyingKey<G1Affine>, instances: usize, tau_g2: &G2Affine) -> Result<Self, EvmError> {
        let map = MemoryMap::of(key.cs(), key.get_domain().k(), instances)?;
        let data = Data { map: &map, key }.bytes(tau_g2)?;
        Ok(Self { map, k: key.get_domain().k(), ports: 0, data })
    }

    /// The code of the contract, where the verifier is at `verifier`.
    pub fn runtime_code(&self, verifier: &EvmAddress) -> Vec<u8> {
        [PROXY[0], verifier, PROXY[1], &self.data].concat()
    }

    /// Keccak-256 of the code, by which the chain names it.
    pub fn code_hash(&self, verifier: &EvmAddress) -> Hash {
        keccak(&self.runtime_code(verifier))
    }

    /// The transaction data that deploy the contract. They revert unless the code at `verifier` has the hash
    /// `verifier_code`.
    pub fn creation_code(&self, verifier: &EvmAddress, verifier_code: &Hash) -> Vec<u8> {
        let runtime = self.runtime_code(verifier);
        let length = (runtime.len() as u16).to_be_bytes();
        let mut code = vec![0x73]; // PUSH20 verifier
        code.extend(verifier);
        code.extend([0x3f, 0x7f]); // EXTCODEHASH PUSH32 hash
        code.extend(verifier_code);
        code.extend([0x14, 0x60, 0x3e, 0x57]); // EQ PUSH1 0x3e JUMPI
        code.extend([0x3d, 0x3d, 0xfd, 0x5b]); // RETURNDATASIZE twice, which is 0, REVERT; 0x3e: JUMPDEST
        code.extend([0x61, length[0], length[1], 0x80]); // PUSH2 length DUP1
        code.extend([0x60, 0x49, 0x3d, 0x39, 0x3d, 0xf3]); // PUSH1 start 0 CODECOPY 0 RETURN
        assert_eq!((code[0x3e], code.len()), (0x5b, 0x49), "the code jumps and copies where it says");
        code.extend(runtime);
        code
    }

    /// What it costs.
    pub fn costs(&self) -> EvmCosts {
        EvmCosts::of_map(&self.map, self.k, self.ports)
    }

    /// Bytes of a proof.
    pub fn proof_bytes(&self) -> usize {
        self.map.proof_bytes()
    }

    /// Public words of a proof.
    pub fn instances(&self) -> usize {
        self.map.instances
    }
}

/// The data of a model as they are written.
struct Data<'a> {
    map: &'a MemoryMap,
    key: &'a plonk::VerifyingKey<G1Affine>,
}

impl Data<'_> {
    fn bytes(&self, tau_g2: &G2Affine) -> Result<Vec<u8>, EvmError> {
        let mut data = MAGIC.to_vec();
        data.resize(32, 0);
        data.extend(fields(&self.sizes()));
        data.extend(fields(&self.more_sizes()));
        data.extend(self.transcript_plan());
        data.extend(encode_scalar(&self.key.transcript_repr()));
        data.extend(encode_point2(&-*tau_g2).map_err(EvmError::Point)?);
        data.extend(self.domain());
        assert_eq!(data.len(), HEADER_BYTES, "the header has its length");
        self.map.arithmetic.constants.iter().for_each(|constant| data.extend(encode_scalar(constant)));
        self.commitments(&mut data)?;
        data.extend(self.gates());
        self.map.permuted.iter().for_each(|&value| data.extend(short(self.map.operand(value))));
        data.extend(self.openings());
        assert_eq!(data.len(), self.map.data_end - DATA, "the data have the length that was laid out");
        Ok(data)
    }

    fn sizes(&self) -> [Address; 16] {
        let map = self.map;
        let gates_end = map.permutation;
        let value = map.arithmetic.value.expect("the gates are combined");
        [
            map.proof_bytes(),
            map.instances,
            map.words,
            map.challenges,
            map.beta(),
            map.first_gate,
            gates_end,
            map.results,
            map.operand(value),
            map.inverted,
            map.blinded_rows,
            map.lagrange_numbers(),
            map.points,
            map.permutation,
            map.openings,
            map.openings,
        ]
    }

    fn more_sizes(&self) -> [Address; 16] {
        let map = self.map;
        let pieces = self.key.cs().degree() - 1;
        let mut sizes = [0; 16];
        sizes[..10].copy_from_slice(&[
            self.key.get_domain().k() as usize,
            map.products,
            2 * (self.key.cs().degree() - 2),
            map.sigma_evaluations(),
            map.product_evaluations(),
            map.quotient_piece(pieces - 1),
            pieces,
            map.sets.len(),
            map.first_opening(),
            map.second_opening(),
        ]);
        sizes
    }

    fn transcript_plan(&self) -> [u8; 32] {
        let mut plan = [0; 32];
        for (entry, part) in plan.chunks_exact_mut(4).zip(&self.map.transcript.parts) {
            let kind = match part.kind {
                Kind::Points => 0,
                Kind::Scalars => 1,
            };
            let [high, low] = short(part.bytes());
            entry.copy_from_slice(&[kind, part.challenges as u8, high, low]);
        }
        plan
    }

    /// `ω`, `ω^−b`, `1/n`, and which rotations occur.
    fn domain(&self) -> Vec<u8> {
        let domain = self.key.get_domain();
        let first = domain.get_omega_inv().pow([self.map.blinded_rows as u64]);
        let inverse = (0..domain.k()).fold(Fr::ONE, |value, _| value * Fr::TWO_INV);
        let mut rotations = [0u8; 32];
        for &rotation in &self.map.rotations {
            let bit = (rotation + self.map.blinded_rows as i32) as usize;
            rotations[31 - bit / 8] |= 1 << (bit % 8);
        }
        let scalars = [domain.get_omega(), first, inverse];
        scalars.iter().flat_map(encode_scalar).chain(rotations).collect()
    }

    fn commitments(&self, data: &mut Vec<u8>) -> Result<(), EvmError> {
        let fixed = self.map.fixed.iter().map(|&column| &self.key.fixed_commitments()[column]);
        for point in fixed.chain(self.key.permutation().commitments()) {
            data.extend(encode_point(point).map_err(EvmError::Point)?);
        }
        Ok(())
    }

    fn gates(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in self.map.arithmetic.instructions.chunks(INSTRUCTIONS_PER_WORD) {
            let mut packed = [0u8; 32];
            let operands =
                word.iter().flat_map(|instruction| [instruction.factors[0], instruction.factors[1], instruction.term]);
            for (place, operand) in operands.enumerate() {
                put_index(&mut packed, place, self.map.operand(operand) / 32);
            }
            bytes.extend(packed);
        }
        bytes
    }

    fn openings(&self) -> Vec<u8> {
        let map = self.map;
        let mut table = Vec::new();
        for set in &map.sets {
            table.extend([set.rotations.len(), set.polynomials.len()].map(short).concat());
            set.rotations.iter().for_each(|&rotation| table.extend(short(map.point(rotation))));
            for (opened, evaluations) in set.polynomials.iter().rev() {
                table.extend(short(map.commitment(*opened)));
                evaluations.iter().for_each(|&evaluation| table.extend(short(map.evaluation_of(evaluation))));
            }
        }
        table
    }
}

/// Writes an index of 12 bits at a place counted from the top of a word.
fn put_index(word: &mut [u8; 32], place: usize, index: usize) {
    for bit in (0..12).filter(|bit| index >> (11 - bit) & 1 == 1) {
        let position = 12 * place + bit;
        word[position / 8] |= 0x80 >> (position % 8);
    }
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("sizes were checked").to_be_bytes()
}

fn fields(numbers: &[usize; 16]) -> Vec<u8> {
    numbers.iter().flat_map(|&number| short(number)).collect()
}
