//! Transforms of several columns side by side, one in each lane.
//!
//! A node `(h, m)` of the tree stands for polynomials modulo `X^m − ρ_h`, where `ρ_h = σ_h²`: one step of butterflies splits
//! it into `X^(m/2) − σ_h` and `X^(m/2) + σ_h`, the nodes `2h` and `2h + 1`, so `a + σ_h·b` and `a − σ_h·b` of its two halves.
//! The factor is one for the whole node, so for all lanes. From the root `h = 1` with `ρ_1 = 1` (or `shift^m`, for a coset)
//! the leaves are the values, in bit-reversed order.
//!
//! Two steps are done at once, on four elements in registers; once a node has up to [`LEAF`] vectors, which the first cache
//! holds, all its steps are done before the next node's.

use super::super::field::{Factor, Lanes, Residue};

/// Vectors (of 320 bytes) in a node that is finished before the next one.
const LEAF: usize = 64;

/// Passes, of two steps each, that a lazily reduced value takes.
const LOOSE_PASSES: u32 = 3;
const _: () = assert!(2 * LOOSE_PASSES + 1 == crate::field::LOOSE_STEPS);

/// Transforms a power of two of loosened elements in place, to bit-reversed order. `factors[h]` is that of node `h`; `plain`
/// says that those of nodes `1, 2, 4, …` are one. The results are as loose as they may be.
#[inline(always)]
pub(super) fn transform<L: Lanes, F: Residue>(lanes: L, data: &mut [L::Loose<F>], factors: &[Factor<F>], plain: bool) {
    let (mut block, mut pass) = (data.len(), 0);
    while block > LEAF {
        quarter_nodes(lanes, data, block, 4usize.pow(pass), pass, factors, plain);
        block /= 4;
        pass += 1;
    }
    let first_leaf = 4usize.pow(pass);
    let leaf_pass = pass;
    for (index, leaf) in data.chunks_exact_mut(block).enumerate() {
        let (mut block, mut pass, mut node) = (leaf.len(), leaf_pass, first_leaf + index);
        while block >= 4 {
            quarter_nodes(lanes, leaf, block, node, pass, factors, plain);
            block /= 4;
            pass += 1;
            node *= 4;
        }
        if block == 2 {
            for (pair, factor) in leaf.chunks_exact_mut(2).zip(&factors[node..]) {
                (pair[0], pair[1]) = lanes.butterfly(pair[0], pair[1], factor);
            }
        }
    }
}

/// Two steps of neighbouring nodes, the first of which is `first_node`.
#[inline(always)]
fn quarter_nodes<L: Lanes, F: Residue>(
    lanes: L,
    data: &mut [L::Loose<F>],
    block: usize,
    first_node: usize,
    pass: u32,
    factors: &[Factor<F>],
    plain: bool,
) {
    let tighten = pass > 0 && pass.is_multiple_of(LOOSE_PASSES);
    for (index, data) in data.chunks_exact_mut(block).enumerate() {
        let node = first_node + index;
        if plain && (node == 1 || node == 4) {
            quarter_plain(lanes, data, &factors[2 * node + 1]);
        } else {
            quarter(lanes, data, [&factors[node], &factors[2 * node], &factors[2 * node + 1]], tighten);
        }
    }
}

/// The four quarters of a slice.
#[inline(always)]
fn quarters<T>(data: &mut [T]) -> [&mut [T]; 4] {
    let (low, high) = data.split_at_mut(data.len() / 2);
    let (first, second) = low.split_at_mut(low.len() / 2);
    let (third, fourth) = high.split_at_mut(high.len() / 2);
    [first, second, third, fourth]
}

/// Two steps of a node: by its own factor, and by those of its two halves.
#[inline(always)]
fn quarter<L: Lanes, F: Residue>(lanes: L, data: &mut [L::Loose<F>], [own, low, high]: [&Factor<F>; 3], tighten: bool) {
    let [a, b, c, d] = quarters(data);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (mut a0, mut b0) = (*a, *b);
        if tighten {
            a0 = lanes.loosen(lanes.tighten(a0));
            b0 = lanes.loosen(lanes.tighten(b0));
        }
        let (a1, c1) = lanes.butterfly(a0, *c, own);
        let (b1, d1) = lanes.butterfly(b0, *d, own);
        (*a, *b) = lanes.butterfly(a1, b1, low);
        (*c, *d) = lanes.butterfly(c1, d1, high);
    }
}

/// The same, where the node's factor and that of its first half are one. Only for the first two passes: sums of up to eight
/// elements may be added so.
#[inline(always)]
fn quarter_plain<L: Lanes, F: Residue>(lanes: L, data: &mut [L::Loose<F>], high: &Factor<F>) {
    let [a, b, c, d] = quarters(data);
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (a1, c1) = lanes.plain_butterfly(*a, *c);
        let (b1, d1) = lanes.plain_butterfly(*b, *d);
        (*a, *b) = lanes.plain_butterfly(a1, b1);
        (*c, *d) = lanes.butterfly(c1, d1, high);
    }
}

/// The factors of a tree with `2^k` leaves, by node: the squares of a node's two halves' are its own and minus that.
///
/// For values at `shift·ω^i`, `ω` of order `2^k`. Node 0 has no use.
pub(super) fn node_factors<F: Residue>(k: u32, omega: F, shift: F) -> Vec<Factor<F>> {
    let mut factors = vec![Factor::new(F::ONE); 1 << k];
    // Node 2^depth + b: shift^(2^(k − 1 − depth)) times ω to the power of b's k − 1 lowest bits, reversed.
    let mut shifts: Vec<F> =
        std::iter::successors(Some(shift), |shift| Some(shift.square())).take(k as usize).collect();
    let mut omegas: Vec<F> =
        std::iter::successors(Some(omega), |omega| Some(omega.square())).take(k as usize).collect();
    shifts.reverse();
    omegas.reverse();
    // ω to the power of the reversed bits of 0, 1, …, as many as a level has nodes; each level has those of the one before.
    let mut powers = vec![F::ONE];
    for depth in 0..k as usize {
        for (factor, power) in factors[1 << depth..].iter_mut().zip(&powers) {
            *factor = Factor::new(*power * shifts[depth]);
        }
        if let Some(step) = omegas.get(depth + 1) {
            let more: Vec<F> = powers.iter().map(|power| *power * step).collect();
            powers.extend(more);
        }
    }
    factors
}
