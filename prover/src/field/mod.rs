//! Field arithmetic on several elements side by side, on the instructions that the processor has.
//!
//! Both fields of BN254 have a modulus `p` of 254 bits; elements are kept as the curve library keeps them: four 64-bit
//! words, the Montgomery residue `a·2^256 mod p`. A *kernel* is code that is generic over [`Lanes`], the arithmetic on
//! [`Lanes::COUNT`] elements at once; [`run`] compiles it twice and picks at run time:
//!
//! | instructions | elements at once | form inside a kernel |
//! | --- | --- | --- |
//! | [`Instructions::Portable`] | 1 | the curve library's own arithmetic |
//! | [`Instructions::Ifma`] | 8 | five limbs of 52 bits, residues below `2p`, products by AVX-512 IFMA |
//!
//! Whatever leaves a kernel is a canonical residue, so both give the same bytes. The portable arithmetic is the scalar twin
//! that the other is tested against.
//!
//! **Product in radix `2^52`** (Montgomery, *Modular multiplication without trial division*, 1985; Gueron and Krasnov,
//! *Software implementation of modular exponentiation using AVX-512 IFMA*, 2012 and 2016). With `a, b < 2p` in five limbs, four
//! rounds clear 52 bits each and the fifth clears 48, so that the divisor is `2^256` and no change of form is needed:
//! `(a·b + m·p)/2^256 < p·(4p/2^256 + 1) < 2p`, since `p < 0.19·2^256`. 45 + 5 + 50 multiply-adds, for eight products.
//!
//! **Chains of butterflies** reduce lazily: a [`Lanes::Loose`] holds up to `84p < 2^260`, and a product by a prepared
//! [`Factor`] takes 75 multiply-adds and gives less than `11p`, so that [`LOOSE_STEPS`] of them may follow each other.
//!
//! **Timing.** Additions, subtractions and products take no branches that depend on values and look nothing up, on either
//! set of instructions. What is built on them does: zero digits are skipped in sums over points, rare cases of the curve's
//! addition law are handled apart. The prover runs on the machine of whoever knows the witness; what is promised about
//! timing is stated in `docs/engine.md`.
//!
//! All `unsafe` code of this crate is in this module: in `ifma` (the instructions) and in `words` and `words_mut` (the
//! view of elements as words).

mod canonical;
mod factor;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod lanes;
mod pair;
mod portable;
mod vector;

use std::sync::OnceLock;

use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use halo2_proofs::halo2curves::ff::PrimeField;

pub(crate) use canonical::canonical_words;
pub use factor::{Factor, Halvings};
pub use lanes::{Lanes, LOOSE_STEPS, SUM_TERMS};
pub use pair::Pair;
pub use vector::*;

/// A prime field of BN254 whose elements are four words, a Montgomery residue.
pub trait Residue: PrimeField + Copy + Send + Sync {
    /// The modulus, least significant word first.
    const MODULUS_WORDS: [u64; 4];
}

impl Residue for Fr {
    const MODULUS_WORDS: [u64; 4] =
        [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}

impl Residue for Fq {
    const MODULUS_WORDS: [u64; 4] =
        [0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}

/// The generator `ω` of the domain of `2^k` points, as the proof library has it.
///
/// # Panics
/// `k` is above 28: the field has no such root.
pub fn root_of_unity(k: u32) -> Fr {
    assert!(k <= Fr::S, "the field has roots of unity of order 2^28 at most");
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square())
}

/// `1, base, base², …`
pub fn powers_of(base: Fr) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::one()), move |power| Some(power * base))
}

/// Sets of instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Instructions {
    /// What every processor has.
    Portable,
    /// AVX-512 with integer fused multiply-add.
    Ifma,
}

impl Instructions {
    /// The best set that this processor has. Setting the environment variable `ZKINFER_PORTABLE` to anything but `0` keeps to
    /// the portable one.
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Instructions> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let portable = std::env::var_os("ZKINFER_PORTABLE").is_some_and(|value| value != "0");
            match Self::available().last() {
                Some(best) if !portable => *best,
                _ => Self::Portable,
            }
        })
    }

    /// The sets that this processor has, the best one last.
    pub fn available() -> &'static [Self] {
        if has_ifma() {
            &[Self::Portable, Self::Ifma]
        } else {
            &[Self::Portable]
        }
    }
}

impl std::fmt::Display for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Ifma => "AVX-512 IFMA",
        })
    }
}

/// Code that is compiled for every set of instructions.
///
/// `run` and what it calls with `lanes` must be `#[inline(always)]`: the instructions are switched on for the one function
/// that everything is inlined into. What is not inlined is right, and slow.
pub trait Kernel {
    /// What the kernel gives.
    type Output;
    /// Runs the kernel.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Runs a kernel on a set of instructions; on the portable one where the processor lacks the set.
pub fn run<K: Kernel>(instructions: Instructions, kernel: K) -> K::Output {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Ifma if has_ifma() => ifma::run(kernel),
        _ => kernel.run(portable::Portable),
    }
}

#[cfg(target_arch = "x86_64")]
fn has_ifma() -> bool {
    ifma::is_available()
}

#[cfg(not(target_arch = "x86_64"))]
fn has_ifma() -> bool {
    false
}

/// Elements as the words of their residues.
#[allow(unsafe_code)]
pub(crate) fn words<F: Residue>(elements: &[F]) -> &[[u64; 4]] {
    const { assert!(size_of::<F>() == 32 && align_of::<F>() == 8) };
    // SAFETY: `Residue` is implemented for `Fr` and `Fq` alone, each a struct whose only field is `[u64; 4]`; the sizes are
    // equal, so the field is at offset 0, and every bit pattern is a valid `[u64; 4]`.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) }
}

/// Elements as the words of their residues. Only residues below the modulus may be written.
#[allow(unsafe_code)]
pub(super) fn words_mut<F: Residue>(elements: &mut [F]) -> &mut [[u64; 4]] {
    const { assert!(size_of::<F>() == 32 && align_of::<F>() == 8) };
    // SAFETY: as for `words`; every `[u64; 4]` is a valid value of the field's type as far as the language is concerned.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}
