//! Where everything lies in the contract's memory.
//!
//! The map below `0x800` is the contract's own; from `0x800` on the model's data are copied; behind them come the
//! transcript, the challenges, the points, the numbers to invert with their prefix products, and over those the results of
//! the gates.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use super::arithmetic::{permuted, Arithmetic, Operand, INSTRUCTIONS_PER_WORD};
use super::model::{MAX_CODE_BYTES, PROXY_BYTES};
use super::openings::{opening_sets, products_of, rotations, Evaluation, Evaluations, Opened, OpeningSet};
use super::transcript::{Kind, TranscriptPlan};
use super::EvmError;

/// A byte address. Tables hold addresses of 16 bits.
pub(super) type Address = usize;

const WORD: usize = 32;
const POINT: usize = 64;
const ZERO: Address = 0x180;
const ONE: Address = 0x1a0;
const MINUS_ONE: Address = 0x1c0;
const INSTANCE: Address = 0x1e0;
const QUOTIENT_EVALUATION: Address = 0x280;
const QUOTIENT_COMMITMENT: Address = 0x2a0;
/// Points of a set for whose values there is room.
const MOST_POINTS: usize = 32;
/// Where the data start.
pub(super) const DATA: Address = 0x800;
/// Bytes of the data's header.
pub(super) const HEADER_BYTES: usize = 0x1a0;
/// The end of what tables can name.
const END: Address = 1 << 16;
/// Challenges that follow those of the constraint system: `θ, β, γ, y, x` and the opening's `y, v, u`.
const CHALLENGES: usize = 8;

/// A constraint system in the contract's memory.
#[derive(Clone, Debug)]
pub(super) struct MemoryMap {
    pub(super) arithmetic: Arithmetic,
    pub(super) sets: Vec<OpeningSet>,
    pub(super) transcript: TranscriptPlan,
    /// Fixed columns that are opened, in the order of their commitments in the data.
    pub(super) fixed: Vec<usize>,
    pub(super) instances: usize,
    pub(super) blinded_rows: usize,
    pub(super) rotations: Vec<i32>,
    /// The values of the columns of the permutation argument.
    pub(super) permuted: Vec<Operand>,
    pub(super) first_gate: Address,
    pub(super) permutation: Address,
    pub(super) openings: Address,
    pub(super) data_end: Address,
    pub(super) words: Address,
    pub(super) challenges: Address,
    pub(super) points: Address,
    pub(super) inverted: Address,
    pub(super) results: Address,
    /// Where each part of the proof lies.
    pub(super) parts: Vec<Address>,
    /// Products of the permutation argument.
    pub(super) products: usize,
    pub(super) quotient_pieces: usize,
    constants: Address,
    commitments: Address,
    evaluations: Evaluations,
}

impl MemoryMap {
    /// Lays out a system for `instances` public words.
    ///
    /// # Errors
    /// The system has parts that the contract does not know, or is too large for it.
    pub(super) fn of(system: &ConstraintSystem<Fr>, k: u32, instances: usize) -> Result<Self, EvmError> {
        check(system)?;
        let arithmetic = Arithmetic::new(system);
        let transcript = TranscriptPlan::of(system)?;
        let sets = opening_sets(system);
        let rotations = rotations(&sets);
        let blinded_rows = system.blinding_factors() + 1;
        let fixed: Vec<usize> = sets.iter().flat_map(|set| &set.polynomials).filter_map(opened_fixed).collect();
        let permuted = permuted(system);

        let constants = DATA + HEADER_BYTES;
        let commitments = constants + WORD * arithmetic.constants.len();
        let first_gate = commitments + POINT * (fixed.len() + permuted.len());
        let permutation = first_gate + WORD * arithmetic.words();
        let openings = permutation + 2 * permuted.len();
        let data_end = openings + openings_bytes(&sets);

        let words = data_end.next_multiple_of(WORD);
        let mut at = words + WORD + WORD * instances;
        let parts = transcript.parts.iter().map(|part| {
            let start = at;
            at += part.bytes() + WORD;
            start
        });
        let parts: Vec<_> = parts.collect();
        let challenges = at;
        let points = challenges + WORD * (transcript.challenges.len() + CHALLENGES);
        let inverted = points + WORD * rotations.len();
        let map = Self {
            results: inverted + WORD * inverted_numbers(&sets, blinded_rows, instances),
            evaluations: Evaluations::of(system),
            permuted,
            arithmetic,
            sets,
            transcript,
            fixed,
            instances,
            blinded_rows,
            rotations,
            first_gate,
            permutation,
            openings,
            data_end,
            words,
            challenges,
            points,
            inverted,
            parts,
            constants,
            commitments,
            products: products_of(system),
            quotient_pieces: system.degree() - 1,
        };
        map.check_size(k)?;
        Ok(map)
    }

    fn check_size(&self, k: u32) -> Result<(), EvmError> {
        let most_points = self.sets.iter().map(|set| set.rotations.len()).max().unwrap_or(0);
        let first = self.rotations.first().copied().unwrap_or(0);
        let last = self.rotations.last().copied().unwrap_or(0);
        let limits = [
            ("bytes of memory", END, self.end()),
            ("bytes of code", MAX_CODE_BYTES, PROXY_BYTES + self.data_end - DATA),
            // Points that coincide would be one for the library, and are two here.
            ("rows between the first and the last that a gate reads", (1 << k) - 1, last.abs_diff(first) as usize),
            ("points of a set", MOST_POINTS, most_points),
            ("rows before the present one", self.blinded_rows, first.min(0).unsigned_abs() as usize),
            ("rows behind the present one", 255usize.saturating_sub(self.blinded_rows), last.max(0) as usize),
        ];
        match limits.into_iter().find(|&(_, limit, found)| found > limit) {
            Some((what, limit, found)) => Err(EvmError::TooLarge { what, limit, found }),
            None => Ok(()),
        }
    }

    /// Numbers that are inverted.
    pub(super) fn inverted_numbers(&self) -> usize {
        (self.results - self.inverted) / WORD
    }

    /// The end of the memory that the contract uses: the results of the gates, those of the last word's spare instructions
    /// included, lie where the prefix products of the inversion were.
    pub(super) fn end(&self) -> Address {
        let results = INSTRUCTIONS_PER_WORD * self.arithmetic.words();
        self.results + WORD * results.max(self.inverted_numbers())
    }

    /// Lagrange polynomials that are evaluated: of the blinded rows, and of the rows with public words (one at least).
    pub(super) fn lagrange_numbers(&self) -> usize {
        self.blinded_rows + self.instances.max(1)
    }

    /// The word of an operand.
    pub(super) fn operand(&self, operand: Operand) -> Address {
        match operand {
            Operand::Zero => ZERO,
            Operand::One => ONE,
            Operand::MinusOne => MINUS_ONE,
            Operand::Constant(index) => self.constants + WORD * index,
            Operand::Challenge(index) => {
                let squeezed = self.transcript.challenges.iter().position(|&challenge| challenge == index);
                self.challenges + WORD * squeezed.expect("every challenge is squeezed")
            }
            Operand::Combiner => self.beta() + 2 * WORD,
            Operand::Advice(query) => self.evaluation(self.evaluations.advice + query),
            Operand::Fixed(query) => self.evaluation(self.evaluations.fixed + query),
            Operand::Instance => INSTANCE,
            Operand::Result(index) => self.results + WORD * index,
        }
    }

    /// The challenge `β` of the permutation argument; `γ, y, x` and the opening's `y, v, u` follow.
    pub(super) fn beta(&self) -> Address {
        self.challenges + WORD * (self.transcript.challenges.len() + 1)
    }

    /// The parts of a proof from behind: W', W, evaluations, quotient pieces, products.
    fn part_from_end(&self, index: usize) -> Address {
        self.parts[self.parts.len() - 1 - index]
    }

    pub(super) fn second_opening(&self) -> Address {
        self.part_from_end(0)
    }

    pub(super) fn first_opening(&self) -> Address {
        self.part_from_end(1)
    }

    /// An evaluation of the proof.
    pub(super) fn evaluation(&self, index: usize) -> Address {
        self.part_from_end(2) + WORD * index
    }

    pub(super) fn quotient_piece(&self, index: usize) -> Address {
        self.part_from_end(3) + POINT * index
    }

    pub(super) fn sigma_evaluations(&self) -> Address {
        self.evaluation(self.evaluations.sigma)
    }

    pub(super) fn product_evaluations(&self) -> Address {
        self.evaluation(self.evaluations.products)
    }

    /// The commitment to an opened polynomial.
    pub(super) fn commitment(&self, opened: Opened) -> Address {
        match opened {
            Opened::Advice(column) => self.advice_commitment(column),
            Opened::Product(index) => self.part_from_end(4) + POINT * index,
            Opened::Fixed(column) => {
                let place = self.fixed.iter().position(|&fixed| fixed == column);
                self.commitments + POINT * place.expect("the column is opened")
            }
            Opened::Sigma(index) => self.commitments + POINT * (self.fixed.len() + index),
            Opened::Quotient => QUOTIENT_COMMITMENT,
            Opened::Random => self.commitment(Opened::Product(self.products)),
        }
    }

    fn advice_commitment(&self, column: usize) -> Address {
        let mut place = self.transcript.advice.iter().position(|&c| c == column).expect("every column is committed to");
        for (part, &start) in self.transcript.parts.iter().zip(&self.parts) {
            if place < part.words {
                return start + POINT * place;
            }
            place -= part.words;
        }
        unreachable!("the parts hold all advice commitments")
    }

    pub(super) fn evaluation_of(&self, evaluation: Evaluation) -> Address {
        match evaluation {
            Evaluation::InProof(index) => self.evaluation(index),
            Evaluation::Quotient => QUOTIENT_EVALUATION,
        }
    }

    /// The point `x·ω^rotation`.
    pub(super) fn point(&self, rotation: i32) -> Address {
        let place = self.rotations.binary_search(&rotation).expect("the rotation occurs");
        self.points + WORD * place
    }

    /// Bytes of a proof.
    pub(super) fn proof_bytes(&self) -> usize {
        self.transcript.parts.iter().map(|part| part.bytes()).sum()
    }

    /// Evaluations in a proof.
    pub(super) fn scalars(&self) -> usize {
        let scalars = self.transcript.parts.iter().filter(|part| part.kind == Kind::Scalars);
        scalars.map(|part| part.words).sum()
    }

    /// Points in a proof.
    pub(super) fn proof_points(&self) -> usize {
        let points = self.transcript.parts.iter().filter(|part| part.kind == Kind::Points);
        points.map(|part| part.words).sum()
    }
}

fn opened_fixed((opened, _): &(Opened, Vec<Evaluation>)) -> Option<usize> {
    match opened {
        Opened::Fixed(column) => Some(*column),
        _ => None,
    }
}

/// Bytes of the table of openings: per set its sizes and points, per polynomial its commitment and evaluations.
fn openings_bytes(sets: &[OpeningSet]) -> usize {
    let bytes = |set: &OpeningSet| 2 * (2 + set.rotations.len() + set.polynomials.len() * (1 + set.rotations.len()));
    sets.iter().map(bytes).sum()
}

/// Numbers that are inverted: `x − ω^i` for the Lagrange polynomials, `x^n − 1`, and those of the sets.
fn inverted_numbers(sets: &[OpeningSet], blinded_rows: usize, instances: usize) -> usize {
    blinded_rows + instances.max(1) + 1 + sets.iter().map(|set| set.rotations.len() + 1).sum::<usize>()
}

/// Refuses what the contract has no code for.
pub(super) fn check(system: &ConstraintSystem<Fr>) -> Result<(), EvmError> {
    let rotated = system.instance_queries().iter().any(|(column, rotation)| (column.index(), rotation.0) != (0, 0));
    let faults = [
        (!system.lookups().is_empty(), "lookup arguments of the proof library"),
        (system.num_selectors() > 0, "selectors that are no fixed columns"),
        (system.num_instance_columns() != 1 || rotated, "instances other than one column, read at the present row"),
        (products_of(system) == 0, "a system without copy constraints"),
        (system.gates().iter().all(|gate| gate.polynomials().is_empty()), "a system without gates"),
    ];
    match faults.into_iter().find(|(found, _)| *found) {
        Some((_, what)) => Err(EvmError::Unsupported(what)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use halo2_proofs::plonk::{Advice, Column, Instance};
    use halo2_proofs::poly::Rotation;

    use super::*;

    const K: u32 = 9;

    /// A system with one gate, which reads an advice column at these rotations; `more` adds to it.
    fn system(
        rotations: impl IntoIterator<Item = i32>,
        more: impl FnOnce(&mut ConstraintSystem<Fr>, Column<Advice>, Column<Instance>),
    ) -> ConstraintSystem<Fr> {
        let mut system = ConstraintSystem::default();
        let (advice, instance) = (system.advice_column(), system.instance_column());
        let rotations: Vec<i32> = rotations.into_iter().collect();
        if !rotations.is_empty() {
            system.create_gate("sum", |cells| {
                let cells = rotations.iter().map(|&rotation| cells.query_advice(advice, Rotation(rotation)));
                [cells.reduce(|sum, cell| sum + cell).expect("there are rotations")]
            });
        }
        more(&mut system, advice, instance);
        system
    }

    fn copied(system: &mut ConstraintSystem<Fr>, advice: Column<Advice>, instance: Column<Instance>) {
        system.enable_equality(advice);
        system.enable_equality(instance);
    }

    fn refusal(system: &ConstraintSystem<Fr>) -> EvmError {
        MemoryMap::of(system, K, 1).expect_err("the contract has no code for it")
    }

    #[test]
    fn a_small_system_is_laid_out() {
        assert!(MemoryMap::of(&system([0, 1, -1], copied), K, 1).is_ok());
    }

    #[test]
    fn what_the_contract_does_not_know_is_named() {
        let lookup = system([0], |system, advice, instance| {
            copied(system, advice, instance);
            let table = system.lookup_table_column();
            system.lookup("table", |cells| vec![(cells.query_advice(advice, Rotation::cur()), table)]);
        });
        let two_instances = system([0], |system, advice, instance| {
            copied(system, advice, instance);
            system.instance_column();
        });
        let rotated = system([0], |system, advice, instance| {
            copied(system, advice, instance);
            system.create_gate("rotated", |cells| [cells.query_instance(instance, Rotation::next())]);
        });
        let no_copies = system([0], |_, _, _| {});
        let no_gates = system([], copied);
        let selector = system([0], |system, advice, instance| {
            copied(system, advice, instance);
            system.selector();
        });
        let no_advice = {
            let mut system = ConstraintSystem::default();
            let (fixed, instance) = (system.fixed_column(), system.instance_column());
            system.enable_equality(fixed);
            system.enable_equality(instance);
            system.create_gate("fixed", |cells| [cells.query_fixed(fixed, Rotation::cur())]);
            system
        };
        for (system, what) in [
            (lookup, "lookup arguments"),
            (two_instances, "instances other than one column"),
            (rotated, "instances other than one column"),
            (no_copies, "without copy constraints"),
            (no_gates, "without gates"),
            (selector, "selectors"),
            (no_advice, "a challenge that follows no commitment"),
        ] {
            let refusal = refusal(&system);
            assert!(matches!(refusal, EvmError::Unsupported(named) if named.contains(what)), "{what}: {refusal}");
        }
    }

    #[test]
    fn what_is_too_large_is_named() {
        let rotations = |rotations: Vec<i32>| system(rotations, copied);
        for (system, k, what) in [
            (rotations((0..=MOST_POINTS as i32).collect()), K, "points of a set"),
            (rotations(vec![0, -100]), K, "rows before the present one"),
            (rotations(vec![0, 300]), K, "rows behind the present one"),
            (rotations(vec![0, 40]), 5, "rows between the first and the last that a gate reads"),
        ] {
            let refusal = MemoryMap::of(&system, k, 1).expect_err("there is no room for it");
            assert!(matches!(refusal, EvmError::TooLarge { what: named, .. } if named == what), "{what}: {refusal}");
        }
        let refusal = MemoryMap::of(&rotations(vec![0]), 20, 5000).expect_err("there is no room for it");
        assert!(matches!(refusal, EvmError::TooLarge { what: "bytes of memory", .. }), "{refusal}");
    }
}
