//! Poseidon over the scalar field of BN254, two elements to one.
//!
//! Source: Grassi, Khovratovich, Rechberger, Roy, Schofnegger, *Poseidon: A New Hash Function for Zero-Knowledge Proof
//! Systems*, USENIX Security 2021. The instance is the one of its reference generator that contracts and circuits on
//! Ethereum have: S-box `x^5`, a state of `t = 3` elements, 8 full and 57 partial rounds. A round adds its constants, takes
//! the S-box of all elements (or of the first alone), and multiplies by a Cauchy matrix `M`. Constants and `M` come from the
//! Grain LFSR and are made once per process.
//!
//! Assumed of [`compress`]: it behaves as a random function of two elements, the paper's claim at 128 bits of security.

use std::sync::OnceLock;

use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;

/// Elements of the state.
pub const WIDTH: usize = 3;
/// Rounds with all S-boxes; half of them before the partial ones, half behind.
pub const FULL_ROUNDS: usize = 8;
/// Rounds with one S-box.
pub const PARTIAL_ROUNDS: usize = 57;
/// All rounds.
pub const ROUNDS: usize = FULL_ROUNDS + PARTIAL_ROUNDS;

/// The constants of the permutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// What each round adds.
    pub constants: [[Fr; WIDTH]; ROUNDS],
    /// `M`: element `i` of the new state is `Σ_j matrix[i][j]·x_j`.
    pub matrix: [[Fr; WIDTH]; WIDTH],
}

/// The constants of the instance.
pub fn parameters() -> &'static Parameters {
    static PARAMETERS: OnceLock<Parameters> = OnceLock::new();
    PARAMETERS.get_or_init(Parameters::generate)
}

/// The permutation of a state.
pub fn permute(mut state: [Fr; WIDTH]) -> [Fr; WIDTH] {
    let Parameters { constants, matrix } = parameters();
    for (round, constants) in constants.iter().enumerate() {
        state.iter_mut().zip(constants).for_each(|(element, constant)| *element += constant);
        let boxes = if is_full(round) { WIDTH } else { 1 };
        state[..boxes].iter_mut().for_each(|element| *element = fifth_power(*element));
        state = matrix.map(|row| row.iter().zip(&state).map(|(factor, element)| factor * element).sum());
    }
    state
}

/// Two elements to one: the first element of the permuted `(0, left, right)`.
pub fn compress(left: Fr, right: Fr) -> Fr {
    permute([Fr::ZERO, left, right])[0]
}

/// The S-box.
pub fn fifth_power(x: Fr) -> Fr {
    x.square().square() * x
}

fn is_full(round: usize) -> bool {
    !(FULL_ROUNDS / 2..FULL_ROUNDS / 2 + PARTIAL_ROUNDS).contains(&round)
}

impl Parameters {
    fn generate() -> Self {
        let mut grain = Grain::new();
        let constants = std::array::from_fn(|_| std::array::from_fn(|_| grain.element_below_modulus()));
        // The first matrix that the generator draws has no invariant subspace of those that the paper excludes.
        let [columns, rows]: [[Fr; WIDTH]; 2] = std::array::from_fn(|_| std::array::from_fn(|_| grain.element()));
        let inverse = |sum: Fr| sum.invert().expect("the drawn elements have no two opposite ones");
        Self { constants, matrix: columns.map(|x| rows.map(|y| inverse(x + y))) }
    }
}

/// The Grain LFSR of 80 bits in self-shrinking mode, as the reference generator sets it up.
struct Grain {
    /// The oldest bit first.
    bits: [bool; Self::LENGTH],
    /// Position of the oldest bit.
    oldest: usize,
}

impl Grain {
    const LENGTH: usize = 80;
    /// Distances from the oldest bit to those that are added.
    const TAPS: [usize; 6] = [62, 51, 38, 23, 13, 0];
    /// Bits that are thrown away at the start.
    const SKIPPED: usize = 160;

    /// A prime field (1), the S-box `x^α` (0), the sizes of the instance, then ones.
    fn new() -> Self {
        let fields = [
            (2, 1),
            (4, 0),
            (12, Fr::NUM_BITS as usize),
            (12, WIDTH),
            (10, FULL_ROUNDS),
            (10, PARTIAL_ROUNDS),
            (30, (1 << 30) - 1),
        ];
        let bits = fields.into_iter().flat_map(|(width, value)| (0..width).rev().map(move |bit| value >> bit & 1 == 1));
        let bits: Vec<bool> = bits.collect();
        let mut grain = Self { bits: bits.try_into().expect("the fields take 80 bits"), oldest: 0 };
        (0..Self::SKIPPED).for_each(|_| {
            grain.step();
        });
        grain
    }

    fn step(&mut self) -> bool {
        let new = Self::TAPS.iter().fold(false, |sum, tap| sum ^ self.bits[(self.oldest + tap) % Self::LENGTH]);
        self.bits[self.oldest] = new;
        self.oldest = (self.oldest + 1) % Self::LENGTH;
        new
    }

    /// Of two bits the second, where the first is 1.
    fn bit(&mut self) -> bool {
        loop {
            let [kept, bit] = [self.step(), self.step()];
            if kept {
                return bit;
            }
        }
    }

    /// As many bits as the modulus has, the highest first: as four words, the lowest first.
    fn words(&mut self) -> [u64; 4] {
        let mut words = [0; 4];
        for position in (0..Fr::NUM_BITS as usize).rev() {
            words[position / 64] |= u64::from(self.bit()) << (position % 64);
        }
        words
    }

    /// A number below the modulus; larger ones are thrown away.
    fn element_below_modulus(&mut self) -> Fr {
        loop {
            let bytes = self.words().map(u64::to_le_bytes);
            let element = Fr::from_repr(bytes.concat().try_into().expect("four words are 32 bytes"));
            if let Some(element) = Option::from(element) {
                return element;
            }
        }
    }

    /// A number modulo the modulus.
    fn element(&mut self) -> Fr {
        Fr::from_raw(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Fr {
        Fr::from_str_vartime(text).expect("a number below the modulus")
    }

    #[test]
    fn the_known_hashes() {
        let known = [
            ([1, 2], "7853200120776062878684798364095072458815029376092732009249414926327459813530"),
            ([0, 0], "14744269619966411208579211824598458697587494354926760081771325075741142829156"),
        ];
        for ([left, right], hash) in known {
            assert_eq!(compress(Fr::from(left), Fr::from(right)), decimal(hash));
        }
    }

    #[test]
    fn the_matrix_mixes() {
        let Parameters { constants, matrix } = parameters();
        assert!(matrix.iter().flatten().all(|entry| *entry != Fr::ZERO));
        let first = decimal("6745197990210204598374042828761989596302876299545964402857411729872131034734");
        assert_eq!(constants[0][0], first);
    }
}
