//! Eight elements at a time, in radix `2^52`, with AVX-512 IFMA.
//!
//! A vector is five registers; register `i` holds limb `i` of eight residues. Limbs are below `2^52` and residues below `2p`
//! between operations.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::factor::{limbs, negative_inverse, LIMB, LIMB_MASK};
use super::{words, words_mut, Factor, Halvings, Kernel, Lanes, Pair, Residue};

/// Bits that the last round of a product clears: `4·52 + 48 = 256`.
const LAST: u32 = 48;

/// Shows that the processor has the instructions: [`run`] alone makes it.
#[derive(Clone, Copy)]
pub(super) struct Ifma(PhantomData<()>);

/// Eight elements.
#[derive(Clone, Copy)]
pub(super) struct Vector<F>([__m512i; 5], PhantomData<F>);

/// Eight elements below `84p < 2^260`, limbs below `2^52`.
#[derive(Clone, Copy)]
pub(super) struct Loose<F>([__m512i; 5], PhantomData<F>);

/// Limb products, low and high halves by weight: `Σ_i limbs[i]·2^(52·i)`, limbs of up to 64 bits.
#[derive(Clone, Copy)]
pub(super) struct Sum<F>([__m512i; 6], PhantomData<F>);

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
}

/// Runs a kernel with the instructions switched on. The caller has asked [`is_available`].
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    assert!(is_available());
    // SAFETY: the processor has the instructions.
    unsafe { run_with_instructions(kernel) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl,avx512bw")]
unsafe fn run_with_instructions<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Ifma(PhantomData))
}

/// A small multiple, carried; the value must be below `2^260`.
const fn times(limbs: [u64; 5], small: u64) -> [u64; 5] {
    let mut multiple = [0; 5];
    let (mut i, mut carry) = (0, 0);
    while i < 5 {
        let limb = small * limbs[i] + carry;
        multiple[i] = limb & LIMB_MASK;
        carry = limb >> LIMB;
        i += 1;
    }
    multiple
}

/// `2^260 − value`, for a value that is neither zero nor has a lowest limb of zero.
const fn complement(limbs: [u64; 5]) -> [u64; 5] {
    let mut complement = [0; 5];
    complement[0] = LIMB_MASK + 1 - limbs[0];
    let mut i = 1;
    while i < 5 {
        complement[i] = LIMB_MASK - limbs[i];
        i += 1;
    }
    complement
}

/// `2^exponent mod p`, by doubling.
const fn power_of_two(exponent: u32, p: [u64; 4]) -> [u64; 4] {
    let mut value = [1u64, 0, 0, 0];
    let mut step = 0;
    while step < exponent {
        // Doubled, `value` is below 2p, which fits into 256 bits; then p is taken off where it fits.
        let (mut double, mut less) = ([0u64; 4], [0u64; 4]);
        let (mut carry, mut borrow) = (0, false);
        let mut i = 0;
        while i < 4 {
            double[i] = value[i] << 1 | carry;
            carry = value[i] >> 63;
            let (once, first) = double[i].overflowing_sub(p[i]);
            let (twice, second) = once.overflowing_sub(borrow as u64);
            less[i] = twice;
            borrow = first | second;
            i += 1;
        }
        value = if borrow { double } else { less };
        step += 1;
    }
    value
}

/// Constants of a field.
struct Constants<F>(PhantomData<F>);

impl<F: Residue> Constants<F> {
    const P: [u64; 5] = limbs(F::MODULUS_WORDS);
    const TWO_P: [u64; 5] = times(Self::P, 2);
    /// Above what [`factor_product`] gives.
    const PRODUCT_BOUND: [u64; 5] = times(Self::P, 11);
    /// Above what [`Lanes::plain_butterfly`] subtracts.
    const PLAIN_BOUND: [u64; 5] = times(Self::P, 16);
    /// `2^260 − p`
    const NEGATIVE_P: [u64; 5] = complement(Self::P);
    /// `2^266/p`, rounded down.
    const QUOTIENT_WEIGHT: u64 = ((1 << 74) / (F::MODULUS_WORDS[3] as u128 + 1)) as u64;
    const NEGATIVE_INVERSE: u64 = negative_inverse(F::MODULUS_WORDS[0]);
    /// The residue of `2^254`.
    const SUM_WEIGHT: [u64; 5] = limbs(power_of_two(254 + 256, F::MODULUS_WORDS));
}

// SAFETY of all below: an `Ifma` exists, so the processor has the instructions; the pointers that are read and written come
// from slices whose length has been checked.

#[inline(always)]
fn set(value: u64) -> __m512i {
    unsafe { _mm512_set1_epi64(value as i64) }
}

#[inline(always)]
fn zero() -> __m512i {
    unsafe { _mm512_setzero_si512() }
}

#[inline(always)]
fn and(a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_and_si512(a, b) }
}

#[inline(always)]
fn or(a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_or_si512(a, b) }
}

#[inline(always)]
fn plus(a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_add_epi64(a, b) }
}

#[inline(always)]
fn minus(a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_sub_epi64(a, b) }
}

#[inline(always)]
fn left<const N: u32>(a: __m512i) -> __m512i {
    unsafe { _mm512_slli_epi64::<N>(a) }
}

#[inline(always)]
fn right<const N: u32>(a: __m512i) -> __m512i {
    unsafe { _mm512_srli_epi64::<N>(a) }
}

#[inline(always)]
fn right_signed<const N: u32>(a: __m512i) -> __m512i {
    unsafe { _mm512_srai_epi64::<N>(a) }
}

/// `sum + low 52 bits of a·b`
#[inline(always)]
fn mul_low(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_madd52lo_epu64(sum, a, b) }
}

/// `sum + (a·b >> 52)`
#[inline(always)]
fn mul_high(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    unsafe { _mm512_madd52hi_epu64(sum, a, b) }
}

/// Carries limbs of up to 63 bits up, keeping signs; the top limb keeps what is left.
#[inline(always)]
fn carry(mut t: [__m512i; 5]) -> [__m512i; 5] {
    let mask = set(LIMB_MASK);
    let mut i = 0;
    while i < 4 {
        t[i + 1] = plus(t[i + 1], right_signed::<LIMB>(t[i]));
        t[i] = and(t[i], mask);
        i += 1;
    }
    t
}

/// Adds `m` to residues that are negative, and carries. Limbs may have signs.
#[inline(always)]
fn make_positive(t: [__m512i; 5], m: [u64; 5]) -> [__m512i; 5] {
    let mut t = carry(t);
    let negative = unsafe { _mm512_movepi64_mask(t[4]) };
    let mut i = 0;
    while i < 5 {
        t[i] = unsafe { _mm512_mask_add_epi64(t[i], negative, t[i], set(m[i])) };
        i += 1;
    }
    carry(t)
}

/// Words, one register for each, as limbs.
#[inline(always)]
fn to_limbs(w: [__m512i; 4]) -> [__m512i; 5] {
    let mask = set(LIMB_MASK);
    [
        and(w[0], mask),
        and(or(right::<52>(w[0]), left::<12>(w[1])), mask),
        and(or(right::<40>(w[1]), left::<24>(w[2])), mask),
        and(or(right::<28>(w[2]), left::<36>(w[3])), mask),
        right::<16>(w[3]),
    ]
}

/// Limbs as words.
#[inline(always)]
fn to_words(l: [__m512i; 5]) -> [__m512i; 4] {
    [
        or(l[0], left::<52>(l[1])),
        or(right::<12>(l[1]), left::<40>(l[2])),
        or(right::<24>(l[2]), left::<28>(l[3])),
        or(right::<36>(l[3]), left::<16>(l[4])),
    ]
}

#[inline(always)]
fn permute(a: __m512i, b: __m512i, indices: [i64; 8]) -> __m512i {
    unsafe {
        let [i0, i1, i2, i3, i4, i5, i6, i7] = indices;
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(i0, i1, i2, i3, i4, i5, i6, i7), b)
    }
}

const FIRST_WORDS: [i64; 8] = [0, 4, 8, 12, 1, 5, 9, 13];
const LAST_WORDS: [i64; 8] = [2, 6, 10, 14, 3, 7, 11, 15];
const LOW_HALVES: [i64; 8] = [0, 1, 2, 3, 8, 9, 10, 11];
const HIGH_HALVES: [i64; 8] = [4, 5, 6, 7, 12, 13, 14, 15];
const LOW_PAIRS: [i64; 8] = [0, 4, 8, 12, 1, 5, 9, 13];
const HIGH_PAIRS: [i64; 8] = [2, 6, 10, 14, 3, 7, 11, 15];

/// Registers with two elements each to registers with one word of each element.
#[inline(always)]
fn transpose(z: [__m512i; 4]) -> [__m512i; 4] {
    let (a, b) = (permute(z[0], z[1], FIRST_WORDS), permute(z[0], z[1], LAST_WORDS));
    let (c, d) = (permute(z[2], z[3], FIRST_WORDS), permute(z[2], z[3], LAST_WORDS));
    [permute(a, c, LOW_HALVES), permute(a, c, HIGH_HALVES), permute(b, d, LOW_HALVES), permute(b, d, HIGH_HALVES)]
}

/// The inverse of [`transpose`].
#[inline(always)]
fn transpose_back(w: [__m512i; 4]) -> [__m512i; 4] {
    let (a, b) = (permute(w[0], w[1], LOW_HALVES), permute(w[0], w[1], HIGH_HALVES));
    let (c, d) = (permute(w[2], w[3], LOW_HALVES), permute(w[2], w[3], HIGH_HALVES));
    [permute(a, c, LOW_PAIRS), permute(a, c, HIGH_PAIRS), permute(b, d, LOW_PAIRS), permute(b, d, HIGH_PAIRS)]
}

/// Two registers with four words in each half as two registers, one of the low halves and one of the high ones.
#[inline(always)]
fn halves(a: __m512i, b: __m512i) -> [__m512i; 2] {
    unsafe { [_mm512_shuffle_i64x2::<0b01_00_01_00>(a, b), _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b)] }
}

/// Words of one element of each of the pairs at eight positions: of the first for `HALF` zero, else of the second.
#[inline(always)]
fn gather_half<const HALF: usize, F: Residue>(pairs: &[Pair<F>], positions: &[u32]) -> [__m512i; 5] {
    let positions = &positions[..8];
    let one = |i: usize| unsafe { _mm256_load_si256((&raw const pairs[positions[i] as usize].0[HALF]).cast()) };
    let two = |i: usize| unsafe { _mm512_inserti64x4::<1>(_mm512_castsi256_si512(one(2 * i)), one(2 * i + 1)) };
    to_limbs(transpose([two(0), two(1), two(2), two(3)]))
}

/// The words of the canonical residues, two elements to a register.
#[inline(always)]
fn canonical_rows<F: Residue>(residues: [__m512i; 5]) -> [__m512i; 4] {
    let p = Constants::<F>::P;
    // Negated residues have limbs with signs.
    let residues = carry(residues);
    let mut t = residues;
    let mut i = 0;
    while i < 5 {
        t[i] = minus(t[i], set(p[i]));
        i += 1;
    }
    t = carry(t);
    let below = unsafe { _mm512_movepi64_mask(t[4]) };
    i = 0;
    while i < 5 {
        t[i] = unsafe { _mm512_mask_mov_epi64(t[i], below, residues[i]) };
        i += 1;
    }
    transpose_back(to_words(t))
}

/// One round of a product: clears the lowest limb of `t + a·b` by a multiple of `p`, and shifts by a limb. `t[5]` is zero
/// before and after.
#[inline(always)]
fn round<F: Residue>(mut t: [__m512i; 5], a: &[__m512i; 5], b: __m512i) -> [__m512i; 5] {
    let p = Constants::<F>::P;
    let mask = set(LIMB_MASK);
    let mut i = 0;
    while i < 5 {
        t[i] = mul_low(t[i], a[i], b);
        i += 1;
    }
    let m = mul_low(zero(), t[0], set(Constants::<F>::NEGATIVE_INVERSE));
    // The lowest limb and that of m·p add up to 0 or 2^52 modulo 2^53.
    let carry = right::<LIMB>(plus(t[0], mask));
    let mut next = [plus(t[1], carry), t[2], t[3], t[4], zero()];
    i = 1;
    while i < 5 {
        next[i - 1] = mul_low(next[i - 1], set(p[i]), m);
        i += 1;
    }
    i = 0;
    while i < 5 {
        next[i] = mul_high(next[i], a[i], b);
        next[i] = mul_high(next[i], set(p[i]), m);
        i += 1;
    }
    next
}

/// The last round, which clears 48 bits, and the carries.
#[inline(always)]
fn last_round<F: Residue>(mut t: [__m512i; 5], a: &[__m512i; 5], b: __m512i) -> [__m512i; 5] {
    let p = Constants::<F>::P;
    let mut i = 0;
    while i < 5 {
        t[i] = mul_low(t[i], a[i], b);
        i += 1;
    }
    let m = and(mul_low(zero(), t[0], set(Constants::<F>::NEGATIVE_INVERSE)), set((1 << LAST) - 1));
    let mut high = [zero(); 5];
    i = 0;
    while i < 5 {
        t[i] = mul_low(t[i], set(p[i]), m);
        high[i] = mul_high(high[i], a[i], b);
        high[i] = mul_high(high[i], set(p[i]), m);
        i += 1;
    }
    let shift = |limb| left::<{ LIMB - LAST }>(limb);
    carry([
        plus(right::<LAST>(t[0]), shift(plus(t[1], high[0]))),
        shift(plus(t[2], high[1])),
        shift(plus(t[3], high[2])),
        shift(plus(t[4], high[3])),
        shift(high[4]),
    ])
}

#[inline(always)]
fn product<F: Residue>(a: &[__m512i; 5], b: &[__m512i; 5]) -> [__m512i; 5] {
    let mut t = [zero(); 5];
    let mut i = 0;
    while i < 4 {
        t = round::<F>(t, a, b[i]);
        i += 1;
    }
    last_round::<F>(t, a, b[4])
}

/// Carries, and drops what is above `2^260`.
#[inline(always)]
fn carry_modulo(t: [__m512i; 5]) -> [__m512i; 5] {
    let mut t = carry(t);
    t[4] = and(t[4], set(LIMB_MASK));
    t
}

/// The lowest five limbs of `sum + a·b`, not carried.
#[inline(always)]
fn low_product(mut sum: [__m512i; 5], a: &[__m512i; 5], b: &[u64; 5]) -> [__m512i; 5] {
    let mut i = 0;
    while i < 5 {
        let mut j = 0;
        while i + j < 5 {
            sum[i + j] = mul_low(sum[i + j], a[i], set(b[j]));
            if i + j < 4 {
                sum[i + j + 1] = mul_high(sum[i + j + 1], a[i], set(b[j]));
            }
            j += 1;
        }
        i += 1;
    }
    sum
}

/// A product by a factor modulo `2^260`, not carried: below `11p`. 75 multiply-adds.
///
/// Of the product with the factor's quotient, the limbs from the sixth on are the estimated quotient `q`. What the limbs below
/// would carry is left out: at most nine terms below one unit each, and less than another one from those below. With the
/// rounding of the factor's quotient, which costs less than `x/2^260 < 1`, the product less `q·p` is below `11p`.
#[inline(always)]
fn factor_product<F: Residue>(a: &[__m512i; 5], factor: &Factor<F>) -> [__m512i; 5] {
    let mut quotient = [zero(); 5];
    let mut i = 0;
    while i < 5 {
        let mut j = 4 - i;
        while j < 5 {
            if i + j > 4 {
                quotient[i + j - 5] = mul_low(quotient[i + j - 5], a[i], set(factor.quotient[j]));
            }
            quotient[i + j - 4] = mul_high(quotient[i + j - 4], a[i], set(factor.quotient[j]));
            j += 1;
        }
        i += 1;
    }
    let product = low_product([zero(); 5], a, &factor.limbs);
    low_product(product, &carry(quotient), &Constants::<F>::NEGATIVE_P)
}

/// `(a + b, a + bound − b)`, carried, modulo `2^260`.
#[inline(always)]
fn sum_and_difference(a: &[__m512i; 5], b: &[__m512i; 5], bound: [u64; 5]) -> ([__m512i; 5], [__m512i; 5]) {
    let (mut sum, mut difference) = (*a, *a);
    let mut i = 0;
    while i < 5 {
        sum[i] = plus(a[i], b[i]);
        difference[i] = minus(plus(a[i], set(bound[i])), b[i]);
        i += 1;
    }
    (carry_modulo(sum), carry_modulo(difference))
}

/// A product by itself: its 15 different limb products are formed first, then reduced as in [`round`] and [`last_round`]. 30 + 5
/// + 45 multiply-adds.
#[inline(always)]
fn squared<F: Residue>(a: &[__m512i; 5]) -> [__m512i; 5] {
    let p = Constants::<F>::P;
    let mask = set(LIMB_MASK);
    let mut t = [zero(); 10];
    let mut i = 0;
    while i < 5 {
        let mut j = i + 1;
        while j < 5 {
            t[i + j] = mul_low(t[i + j], a[i], a[j]);
            t[i + j + 1] = mul_high(t[i + j + 1], a[i], a[j]);
            j += 1;
        }
        i += 1;
    }
    i = 0;
    while i < 5 {
        t[2 * i] = mul_low(plus(t[2 * i], t[2 * i]), a[i], a[i]);
        t[2 * i + 1] = mul_high(plus(t[2 * i + 1], t[2 * i + 1]), a[i], a[i]);
        i += 1;
    }
    let mut k = 0;
    while k < 4 {
        let m = mul_low(zero(), t[k], set(Constants::<F>::NEGATIVE_INVERSE));
        t[k + 1] = plus(t[k + 1], right::<LIMB>(plus(t[k], mask)));
        t[k + 1] = mul_high(t[k + 1], set(p[0]), m);
        i = 1;
        while i < 5 {
            t[k + i] = mul_low(t[k + i], set(p[i]), m);
            t[k + i + 1] = mul_high(t[k + i + 1], set(p[i]), m);
            i += 1;
        }
        k += 1;
    }
    let m = and(mul_low(zero(), t[4], set(Constants::<F>::NEGATIVE_INVERSE)), set((1 << LAST) - 1));
    i = 0;
    while i < 5 {
        t[4 + i] = mul_low(t[4 + i], set(p[i]), m);
        t[5 + i] = mul_high(t[5 + i], set(p[i]), m);
        i += 1;
    }
    let shift = |limb| left::<{ LIMB - LAST }>(limb);
    carry([plus(right::<LAST>(t[4]), shift(t[5])), shift(t[6]), shift(t[7]), shift(t[8]), shift(t[9])])
}

impl Lanes for Ifma {
    const COUNT: usize = 8;
    type Vector<F: Residue> = Vector<F>;
    type Mask = u8;
    type Sum<F: Residue> = Sum<F>;
    type Loose<F: Residue> = Loose<F>;

    #[inline(always)]
    fn splat<F: Residue>(self, element: F) -> Vector<F> {
        Vector(limbs(words(std::slice::from_ref(&element))[0]).map(set), PhantomData)
    }

    #[inline(always)]
    fn load<F: Residue>(self, elements: &[F]) -> Vector<F> {
        let from = words(&elements[..8]).as_ptr().cast::<u64>();
        let two = |i: usize| unsafe { _mm512_loadu_si512(from.add(8 * i).cast()) };
        Vector(to_limbs(transpose([two(0), two(1), two(2), two(3)])), PhantomData)
    }

    #[inline(always)]
    fn gather<F: Residue>(self, elements: &[F], positions: &[u32]) -> Vector<F> {
        let from = words(elements);
        let positions = &positions[..8];
        // A loop, since a closure in a closure may stay a call.
        let mut pairs = [zero(); 4];
        let mut i = 0;
        while i < 4 {
            let (one, other) = (from[positions[2 * i] as usize].as_ptr(), from[positions[2 * i + 1] as usize].as_ptr());
            pairs[i] = unsafe {
                let one = _mm512_castsi256_si512(_mm256_loadu_si256(one.cast()));
                _mm512_inserti64x4::<1>(one, _mm256_loadu_si256(other.cast()))
            };
            i += 1;
        }
        Vector(to_limbs(transpose(pairs)), PhantomData)
    }

    #[inline(always)]
    fn store<F: Residue>(self, vector: Vector<F>, elements: &mut [F]) {
        let rows = canonical_rows::<F>(vector.0);
        let to = words_mut(&mut elements[..8]).as_mut_ptr().cast::<u64>();
        for (i, row) in rows.into_iter().enumerate() {
            unsafe { _mm512_storeu_si512(to.add(8 * i).cast(), row) };
        }
    }

    #[inline(always)]
    fn gather_first<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> Vector<F> {
        Vector(gather_half::<0, F>(pairs, positions), PhantomData)
    }

    #[inline(always)]
    fn gather_second<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> Vector<F> {
        Vector(gather_half::<1, F>(pairs, positions), PhantomData)
    }

    #[inline(always)]
    fn gather_pairs<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> [Vector<F>; 2] {
        let positions = &positions[..8];
        let row = |i: usize| unsafe { _mm512_load_si512((&raw const pairs[positions[i] as usize]).cast()) };
        let [a, e] = halves(row(0), row(1));
        let [b, f] = halves(row(2), row(3));
        let [c, g] = halves(row(4), row(5));
        let [d, h] = halves(row(6), row(7));
        let (first, second) = (to_limbs(transpose([a, b, c, d])), to_limbs(transpose([e, f, g, h])));
        [Vector(first, PhantomData), Vector(second, PhantomData)]
    }

    #[inline(always)]
    fn prefetch_pairs<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) {
        for &position in &positions[..8] {
            // A prefetch reads nothing as far as the language is concerned, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(pairs.as_ptr().wrapping_add(position as usize).cast()) };
        }
    }

    #[inline(always)]
    fn scatter_pairs<F: Residue>(self, vectors: [Vector<F>; 2], pairs: &mut [Pair<F>], positions: &[u32]) {
        let positions = &positions[..8];
        let first = canonical_rows::<F>(vectors[0].0);
        let second = canonical_rows::<F>(vectors[1].0);
        let mut i = 0;
        while i < 4 {
            let [even, odd] = halves(first[i], second[i]);
            unsafe {
                _mm512_store_si512((&raw mut pairs[positions[2 * i] as usize]).cast(), even);
                _mm512_store_si512((&raw mut pairs[positions[2 * i + 1] as usize]).cast(), odd);
            }
            i += 1;
        }
    }

    #[inline(always)]
    fn add<F: Residue>(self, a: Vector<F>, b: Vector<F>) -> Vector<F> {
        let two_p = Constants::<F>::TWO_P;
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = minus(plus(t[i], b.0[i]), set(two_p[i]));
            i += 1;
        }
        Vector(make_positive(t, two_p), PhantomData)
    }

    #[inline(always)]
    fn sub<F: Residue>(self, a: Vector<F>, b: Vector<F>) -> Vector<F> {
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = minus(t[i], b.0[i]);
            i += 1;
        }
        Vector(make_positive(t, Constants::<F>::TWO_P), PhantomData)
    }

    #[inline(always)]
    fn neg<F: Residue>(self, a: Vector<F>) -> Vector<F> {
        self.sub(Vector([zero(); 5], PhantomData), a)
    }

    #[inline(always)]
    fn mul<F: Residue>(self, a: Vector<F>, b: Vector<F>) -> Vector<F> {
        Vector(product::<F>(&a.0, &b.0), PhantomData)
    }

    #[inline(always)]
    fn square<F: Residue>(self, a: Vector<F>) -> Vector<F> {
        Vector(squared::<F>(&a.0), PhantomData)
    }

    #[inline(always)]
    fn sub_loaded<F: Residue>(self, a: Vector<F>, b: Vector<F>) -> Vector<F> {
        // Both are below p, or between 0 and p: with p more, the difference is not negative and below 2p.
        let p = Constants::<F>::P;
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = plus(minus(t[i], b.0[i]), set(p[i]));
            i += 1;
        }
        Vector(carry(t), PhantomData)
    }

    #[inline(always)]
    fn negate_loaded<F: Residue>(self, mask: u8, a: Vector<F>) -> Vector<F> {
        let p = Constants::<F>::P;
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = unsafe { _mm512_mask_sub_epi64(t[i], mask, set(p[i]), t[i]) };
            i += 1;
        }
        Vector(t, PhantomData)
    }

    #[inline(always)]
    fn sub_both<F: Residue>(self, a: Vector<F>, b: Vector<F>, c: Vector<F>) -> Vector<F> {
        // b + c is at most 2p.
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = minus(minus(t[i], b.0[i]), c.0[i]);
            i += 1;
        }
        Vector(make_positive(t, Constants::<F>::TWO_P), PhantomData)
    }

    #[inline(always)]
    fn is_zero<F: Residue>(self, a: Vector<F>) -> u8 {
        // Residues are below 2p: zero is 0 or p.
        let p = Constants::<F>::P;
        let (mut any, mut other) = (zero(), zero());
        let mut i = 0;
        while i < 5 {
            any = or(any, a.0[i]);
            other = or(other, unsafe { _mm512_xor_si512(a.0[i], set(p[i])) });
            i += 1;
        }
        unsafe { _mm512_testn_epi64_mask(any, any) | _mm512_testn_epi64_mask(other, other) }
    }

    #[inline(always)]
    fn mask(self, bits: u8) -> u8 {
        bits
    }

    #[inline(always)]
    fn bits(self, mask: u8) -> u8 {
        mask
    }

    #[inline(always)]
    fn select<F: Residue>(self, mask: u8, a: Vector<F>, b: Vector<F>) -> Vector<F> {
        let mut t = b.0;
        let mut i = 0;
        while i < 5 {
            t[i] = unsafe { _mm512_mask_blend_epi64(mask, b.0[i], a.0[i]) };
            i += 1;
        }
        Vector(t, PhantomData)
    }

    #[inline(always)]
    fn sum<F: Residue>(self) -> Sum<F> {
        Sum([zero(); 6], PhantomData)
    }

    #[inline(always)]
    fn sum_add<F: Residue>(self, sum: &mut Sum<F>, a: Vector<F>, small: &[u32]) {
        let small = unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(small[..8].as_ptr().cast())) };
        let mut i = 0;
        while i < 5 {
            sum.0[i] = mul_low(sum.0[i], a.0[i], small);
            sum.0[i + 1] = mul_high(sum.0[i + 1], a.0[i], small);
            i += 1;
        }
    }

    #[inline(always)]
    fn sum_reduce<F: Residue>(self, sum: Sum<F>) -> Vector<F> {
        // Below 2^11 terms of 32 and 255 bits: the value is below 2^298. Its low 254 bits are below 2p; the rest, below 2^44,
        // takes a product with 2^254.
        let mask = set(LIMB_MASK);
        let mut t = sum.0;
        let mut i = 0;
        while i < 5 {
            t[i + 1] = plus(t[i + 1], right::<LIMB>(t[i]));
            t[i] = and(t[i], mask);
            i += 1;
        }
        let high = or(right::<46>(t[4]), left::<6>(t[5]));
        let low = Vector([t[0], t[1], t[2], t[3], and(t[4], set((1 << 46) - 1))], PhantomData);
        let high = Vector([high, zero(), zero(), zero(), zero()], PhantomData);
        let weight = Vector(Constants::<F>::SUM_WEIGHT.map(set), PhantomData);
        self.add(low, self.mul(high, weight))
    }

    #[inline(always)]
    fn loosen<F: Residue>(self, a: Vector<F>) -> Loose<F> {
        Loose(a.0, PhantomData)
    }

    #[inline(always)]
    fn tighten<F: Residue>(self, a: Loose<F>) -> Vector<F> {
        // The quotient by p from the top limb: 64 times as large first, so that its rounding is below 1 + 2^−6 + 2^−45.
        let quotient = right::<6>(mul_high(zero(), a.0[4], set(Constants::<F>::QUOTIENT_WEIGHT)));
        let mut t = a.0;
        let mut i = 0;
        while i < 5 {
            t[i] = mul_low(t[i], quotient, set(Constants::<F>::NEGATIVE_P[i]));
            if i < 4 {
                t[i + 1] = mul_high(t[i + 1], quotient, set(Constants::<F>::NEGATIVE_P[i]));
            }
            i += 1;
        }
        Vector(carry_modulo(t), PhantomData)
    }

    #[inline(always)]
    fn halve<F: Residue>(self, a: Loose<F>, halvings: &Halvings<F>) -> Vector<F> {
        // As in a product's round: the multiple of p that clears the lowest bits is added, and they are dropped. What is below
        // 84p ends below p + 84p/2^count, which must be below 2p.
        let a = if halvings.count < 7 { self.tighten(a).0 } else { a.0 };
        let lowest = set((1 << halvings.count) - 1);
        let m = and(mul_low(zero(), a[0], set(Constants::<F>::NEGATIVE_INVERSE)), lowest);
        let mut t = [a[0], a[1], a[2], a[3], a[4], zero()];
        let mut i = 0;
        while i < 5 {
            t[i] = mul_low(t[i], m, set(Constants::<F>::P[i]));
            t[i + 1] = mul_high(t[i + 1], m, set(Constants::<F>::P[i]));
            i += 1;
        }
        let (down, up) = (set(halvings.count.into()), set((LIMB - halvings.count).into()));
        let mut result = [zero(); 5];
        i = 0;
        while i < 5 {
            t[i + 1] = plus(t[i + 1], right::<LIMB>(t[i]));
            t[i] = and(t[i], set(LIMB_MASK));
            i += 1;
        }
        i = 0;
        while i < 5 {
            let (low, high) = unsafe { (_mm512_srlv_epi64(t[i], down), _mm512_sllv_epi64(t[i + 1], up)) };
            result[i] = and(or(low, high), set(LIMB_MASK));
            i += 1;
        }
        Vector(result, PhantomData)
    }

    #[inline(always)]
    fn butterfly<F: Residue>(self, a: Loose<F>, b: Loose<F>, factor: &Factor<F>) -> (Loose<F>, Loose<F>) {
        let product = factor_product(&b.0, factor);
        let (sum, difference) = sum_and_difference(&a.0, &product, Constants::<F>::PRODUCT_BOUND);
        (Loose(sum, PhantomData), Loose(difference, PhantomData))
    }

    #[inline(always)]
    fn plain_butterfly<F: Residue>(self, a: Loose<F>, b: Loose<F>) -> (Loose<F>, Loose<F>) {
        let (sum, difference) = sum_and_difference(&a.0, &b.0, Constants::<F>::PLAIN_BOUND);
        (Loose(sum, PhantomData), Loose(difference, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::halo2curves::bn256::{Fq, Fr};

    #[test]
    fn constants_are_those_of_the_fields() {
        fn check<F: Residue>() {
            let minus_one = words(&[-F::ONE])[0];
            let one = words(&[F::ONE])[0];
            // The residues of 1 and −1 add up to the modulus.
            let mut carry = 0;
            for (i, expected) in F::MODULUS_WORDS.into_iter().enumerate() {
                let sum = u128::from(minus_one[i]) + u128::from(one[i]) + carry;
                assert_eq!(sum as u64, expected);
                carry = sum >> 64;
            }
            let p = Constants::<F>::P;
            assert_eq!(p[0].wrapping_mul(Constants::<F>::NEGATIVE_INVERSE) & LIMB_MASK, LIMB_MASK);
        }
        check::<Fr>();
        check::<Fq>();
    }
}
