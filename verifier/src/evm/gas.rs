//! What a verification costs, as a formula of counts.
//!
//! The contract runs the same course for every proof of a model, so its gas is a sum: of precompiled contracts, of calldata,
//! and of loops whose lengths are counts of the constraint system. The prices of the loops are fitted to transactions in an
//! EVM under the rules of the Osaka fork, over members of the machine of all shapes; a test holds the formula to one
//! percent of the EVM's figure.

use circuits::interface::Interface;
use circuits::machine::{MachineCircuit, MachineParams};
use thiserror::Error;

use super::abi;
use super::memory::{MemoryMap, DATA};
use super::model::PROXY_BYTES;
use super::EvmError;
use crate::key::{constraint_system, KeyError};

/// What the gas of a verification depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    /// Commitments of the proof and of the key.
    commitments: usize,
    /// Points in a proof.
    proof_points: usize,
    /// Evaluations in a proof.
    evaluations: usize,
    /// Public words.
    instances: usize,
    /// Products of a point by a scalar.
    products: usize,
    /// Words of instructions.
    gates: usize,
    /// Columns of the permutation argument.
    permuted: usize,
    /// Sets of points at which polynomials are opened.
    sets: usize,
    /// Points of all sets.
    points: usize,
    /// For each point, its set's points by fours.
    fours: usize,
    /// Evaluations in sets of several points.
    joint_evaluations: usize,
    /// Numbers that are inverted.
    inverted: usize,
    /// Rotations that are stepped through.
    rotations: usize,
    /// The circuit has `2^k` rows.
    k: usize,
    /// Bytes of data.
    data: usize,
    /// Words of memory.
    memory: usize,
}

impl Counts {
    fn of(map: &MemoryMap, k: u32) -> Self {
        let set_points = || map.sets.iter().map(|set| set.rotations.len());
        let opened: usize = map.sets.iter().map(|set| set.polynomials.len()).sum();
        let joint = map.sets.iter().filter(|set| set.rotations.len() > 1);
        Self {
            commitments: map.proof_points() + map.fixed.len() + map.permuted.len(),
            proof_points: map.proof_points(),
            evaluations: map.scalars(),
            instances: map.instances,
            // Every polynomial but the first; every piece of the quotient but the first; the value and the opening's points.
            products: opened - 1 + map.quotient_pieces - 1 + 3,
            gates: map.arithmetic.words(),
            permuted: map.permuted.len(),
            sets: map.sets.len(),
            points: set_points().sum(),
            fours: set_points().map(|points| points * points.div_ceil(4)).sum(),
            joint_evaluations: joint.map(|set| set.rotations.len() * set.polynomials.len()).sum(),
            inverted: map.inverted_numbers(),
            rotations: map.rotations.last().map_or(0, |last| (last + map.blinded_rows as i32 + 1) as usize),
            k: k as usize,
            data: map.data_end - DATA,
            memory: map.end().div_ceil(32),
        }
    }

    /// Gas of a verification as a transaction of its own.
    fn verify_gas(&self) -> u64 {
        let memory = 3 * self.memory + self.memory * self.memory / 512;
        let exact = TRANSACTION + PAIRING + memory + 3 * self.data.div_ceil(32);
        let fitted = [
            (CONSTANT, 1),
            (PROOF_POINT, self.proof_points),
            (EVALUATION, self.evaluations),
            (JOINT_EVALUATION, self.joint_evaluations),
            (INSTANCE, self.instances),
            (PRODUCT, self.products),
            (GATE_WORD, self.gates),
            (PERMUTED, self.permuted),
            (SET, self.sets),
            (POINT, self.points),
            (FOUR, self.fours),
            (INVERTED, self.inverted),
            (ROTATION, self.rotations),
            (SQUARING, self.k),
        ];
        let fitted: usize = fitted.iter().map(|(price, count)| price * count).sum();
        (exact + fitted + self.calldata()) as u64
    }

    /// Gas of the calldata. Four words of offsets and lengths are nearly all zeros, and of the others few bytes are.
    fn calldata(&self) -> usize {
        let words = 2 * self.proof_points + self.evaluations + self.instances;
        let heads = SELECTOR + 4 * HEAD;
        heads + words * (32 * NONZERO_BYTE) - words * ZEROS_OF_A_HUNDRED_WORDS * (NONZERO_BYTE - ZERO_BYTE) / 100
    }
}

/// Gas of a transaction before anything is done.
const TRANSACTION: usize = 21_000;
/// Gas of two pairings (EIP-1108).
const PAIRING: usize = 113_000;
/// Gas of a byte of calldata.
const NONZERO_BYTE: usize = 16;
const ZERO_BYTE: usize = 4;
/// Gas of a function's selector, and of a word with an offset or length of two bytes.
const SELECTOR: usize = 4 * NONZERO_BYTE;
const HEAD: usize = 30 * ZERO_BYTE + 2 * NONZERO_BYTE;
/// Zero bytes in a hundred random field elements.
const ZEROS_OF_A_HUNDRED_WORDS: usize = 14;

// Prices of the contract's loops, in gas.
const CONSTANT: usize = 14_412;
const PROOF_POINT: usize = 205;
const EVALUATION: usize = 63;
const JOINT_EVALUATION: usize = 94;
const INSTANCE: usize = 93;
const PRODUCT: usize = 6_583;
const GATE_WORD: usize = 678;
const PERMUTED: usize = 395;
const SET: usize = 782;
const POINT: usize = 278;
const FOUR: usize = 214;
const INVERTED: usize = 394;
const ROTATION: usize = 109;
const SQUARING: usize = 62;

/// What a key costs on a chain, known from its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvmCosts {
    /// Gas of a verification as a transaction of its own.
    pub verify_gas: u64,
    /// Gas of deploying the model contract.
    pub model_gas: u64,
    /// Gas of the entry in the registry, for as many ports.
    pub entry_gas: u64,
    /// Bytes of the model contract.
    pub model_bytes: usize,
    /// Bytes of a call of `verifyProof`.
    pub calldata_bytes: usize,
    /// Commitments of a proof and its key.
    pub commitments: usize,
}

impl EvmCosts {
    /// The costs of proofs on the machine `params` with the ports of `interface`.
    ///
    /// # Errors
    /// The machine is too large for a contract, or no member of the family.
    pub fn of(params: MachineParams, interface: &Interface) -> Result<Self, CostError> {
        let map = map(params, interface.words())?;
        Ok(Self::of_map(&map, params.k, interface.ports.len()))
    }

    pub(super) fn of_map(map: &MemoryMap, k: u32, ports: usize) -> Self {
        let counts = Counts::of(map, k);
        let model_bytes = PROXY_BYTES + counts.data;
        Self {
            verify_gas: counts.verify_gas(),
            model_gas: deployment(model_bytes),
            entry_gas: ENTRY + PORT * ports as u64,
            model_bytes,
            calldata_bytes: abi::calldata_bytes(map.proof_bytes(), map.instances),
            commitments: counts.commitments,
        }
    }
}

fn map(params: MachineParams, instances: usize) -> Result<MemoryMap, CostError> {
    Ok(MemoryMap::of(&constraint_system::<MachineCircuit>(params)?, params.k, instances)?)
}

/// Gas of an entry in the registry, and of each of its ports.
const ENTRY: u64 = 83_000;
const PORT: u64 = 8_500;

/// Why there are no costs.
#[derive(Debug, Error)]
pub enum CostError {
    /// The machine has no contract.
    #[error(transparent)]
    Evm(#[from] EvmError),
    /// The widths are not those of a machine.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The gas of a verification, as layouts are chosen by it; what no contract can verify costs more than anything.
pub fn gas_model(params: &MachineParams, instances: usize) -> u64 {
    map(*params, instances).map_or(u64::MAX, |map| Counts::of(&map, params.k).verify_gas())
}

/// Gas of deploying a contract of so many bytes: creation, the code's deposit, and its calldata, in which few bytes are zeros.
pub(super) fn deployment(bytes: usize) -> u64 {
    (53_000 + 200 * bytes + DEPLOYED_BYTE * bytes + DEPLOYMENT) as u64
}

/// Gas of a byte of creation code as calldata and for its analysis.
const DEPLOYED_BYTE: usize = 15;
/// Gas of running the creation code.
const DEPLOYMENT: usize = 4_000;
