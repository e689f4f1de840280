//! One element at a time, by the curve library: the scalar twin of the vector kernels.

use super::{Factor, Halvings, Lanes, Pair, Residue};

/// The portable arithmetic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Lanes for Portable {
    const COUNT: usize = 1;
    type Vector<F: Residue> = F;
    type Mask = bool;
    type Sum<F: Residue> = F;
    type Loose<F: Residue> = F;

    #[inline(always)]
    fn splat<F: Residue>(self, element: F) -> F {
        element
    }

    #[inline(always)]
    fn load<F: Residue>(self, elements: &[F]) -> F {
        elements[0]
    }

    #[inline(always)]
    fn gather<F: Residue>(self, elements: &[F], positions: &[u32]) -> F {
        elements[positions[0] as usize]
    }

    #[inline(always)]
    fn store<F: Residue>(self, vector: F, elements: &mut [F]) {
        elements[0] = vector;
    }

    #[inline(always)]
    fn gather_first<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> F {
        pairs[positions[0] as usize].0[0]
    }

    #[inline(always)]
    fn gather_second<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> F {
        pairs[positions[0] as usize].0[1]
    }

    #[inline(always)]
    fn gather_pairs<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> [F; 2] {
        pairs[positions[0] as usize].0
    }

    #[inline(always)]
    fn prefetch_pairs<F: Residue>(self, _: &[Pair<F>], _: &[u32]) {}

    #[inline(always)]
    fn scatter_pairs<F: Residue>(self, vectors: [F; 2], pairs: &mut [Pair<F>], positions: &[u32]) {
        pairs[positions[0] as usize] = Pair(vectors);
    }

    #[inline(always)]
    fn add<F: Residue>(self, a: F, b: F) -> F {
        a + b
    }

    #[inline(always)]
    fn sub<F: Residue>(self, a: F, b: F) -> F {
        a - b
    }

    #[inline(always)]
    fn neg<F: Residue>(self, a: F) -> F {
        -a
    }

    #[inline(always)]
    fn mul<F: Residue>(self, a: F, b: F) -> F {
        a * b
    }

    #[inline(always)]
    fn square<F: Residue>(self, a: F) -> F {
        a.square()
    }

    #[inline(always)]
    fn sub_loaded<F: Residue>(self, a: F, b: F) -> F {
        a - b
    }

    #[inline(always)]
    fn negate_loaded<F: Residue>(self, mask: bool, a: F) -> F {
        if mask {
            -a
        } else {
            a
        }
    }

    #[inline(always)]
    fn sub_both<F: Residue>(self, a: F, b: F, c: F) -> F {
        a - b - c
    }

    #[inline(always)]
    fn is_zero<F: Residue>(self, a: F) -> bool {
        a.is_zero_vartime()
    }

    #[inline(always)]
    fn mask(self, bits: u8) -> bool {
        bits & 1 == 1
    }

    #[inline(always)]
    fn bits(self, mask: bool) -> u8 {
        mask.into()
    }

    #[inline(always)]
    fn select<F: Residue>(self, mask: bool, a: F, b: F) -> F {
        if mask {
            a
        } else {
            b
        }
    }

    #[inline(always)]
    fn sum<F: Residue>(self) -> F {
        F::ZERO
    }

    #[inline(always)]
    fn sum_add<F: Residue>(self, sum: &mut F, a: F, small: &[u32]) {
        // Ones are for sums of the elements themselves.
        *sum += if small[0] == 1 { a } else { a * F::from(u64::from(small[0])) };
    }

    #[inline(always)]
    fn sum_reduce<F: Residue>(self, sum: F) -> F {
        sum
    }
    #[inline(always)]
    fn loosen<F: Residue>(self, a: F) -> F {
        a
    }

    #[inline(always)]
    fn tighten<F: Residue>(self, a: F) -> F {
        a
    }

    #[inline(always)]
    fn halve<F: Residue>(self, a: F, halvings: &Halvings<F>) -> F {
        a * halvings.inverse
    }

    #[inline(always)]
    fn butterfly<F: Residue>(self, a: F, b: F, factor: &Factor<F>) -> (F, F) {
        self.plain_butterfly(a, b * factor.element)
    }

    #[inline(always)]
    fn plain_butterfly<F: Residue>(self, a: F, b: F) -> (F, F) {
        (a + b, a - b)
    }
}
