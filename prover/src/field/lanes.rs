//! The arithmetic that kernels are written in.

use super::{Factor, Halvings, Pair, Residue};

/// Arithmetic on [`Self::COUNT`] field elements at once. A value of the type shows that the processor has the instructions.
///
/// Vectors are residues in whatever form is fastest: equal elements may have different forms until they are stored.
#[allow(clippy::missing_safety_doc)]
pub trait Lanes: Copy + Send + Sync {
    /// Elements in a vector.
    const COUNT: usize;
    /// `COUNT` elements of a field.
    type Vector<F: Residue>: Copy + Send + Sync;
    /// `COUNT` truth values.
    type Mask: Copy;
    /// Sums of products of elements with small integers, not yet reduced.
    type Sum<F: Residue>: Copy;
    /// `COUNT` elements, lazily reduced: what a chain of butterflies works on.
    type Loose<F: Residue>: Copy + Send + Sync;

    /// `COUNT` times the same element.
    fn splat<F: Residue>(self, element: F) -> Self::Vector<F>;
    /// The first `COUNT` elements.
    fn load<F: Residue>(self, elements: &[F]) -> Self::Vector<F>;
    /// The elements at `COUNT` positions.
    fn gather<F: Residue>(self, elements: &[F], positions: &[u32]) -> Self::Vector<F>;
    /// Writes canonical residues to the first `COUNT` elements.
    fn store<F: Residue>(self, vector: Self::Vector<F>, elements: &mut [F]);

    /// The first elements of the pairs at `COUNT` positions.
    fn gather_first<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> Self::Vector<F>;
    /// The second elements of the pairs at `COUNT` positions.
    fn gather_second<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> Self::Vector<F>;
    /// Both elements of the pairs at `COUNT` positions.
    fn gather_pairs<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]) -> [Self::Vector<F>; 2];
    /// Asks for the pairs at `COUNT` positions to be brought into the cache.
    fn prefetch_pairs<F: Residue>(self, pairs: &[Pair<F>], positions: &[u32]);
    /// Writes canonical residues to the pairs at `COUNT` positions; where positions are equal, the last one stays.
    fn scatter_pairs<F: Residue>(self, vectors: [Self::Vector<F>; 2], pairs: &mut [Pair<F>], positions: &[u32]);

    /// `a + b`
    fn add<F: Residue>(self, a: Self::Vector<F>, b: Self::Vector<F>) -> Self::Vector<F>;
    /// `a − b`
    fn sub<F: Residue>(self, a: Self::Vector<F>, b: Self::Vector<F>) -> Self::Vector<F>;
    /// `−a`
    fn neg<F: Residue>(self, a: Self::Vector<F>) -> Self::Vector<F>;
    /// `a·b`
    fn mul<F: Residue>(self, a: Self::Vector<F>, b: Self::Vector<F>) -> Self::Vector<F>;
    /// `a²`
    fn square<F: Residue>(self, a: Self::Vector<F>) -> Self::Vector<F>;

    /// `a − b` of vectors that were loaded or gathered, or come from [`Self::negate_loaded`]: cheaper than [`Self::sub`].
    fn sub_loaded<F: Residue>(self, a: Self::Vector<F>, b: Self::Vector<F>) -> Self::Vector<F>;
    /// `−a` where the mask is set, else `a`, of a vector that was loaded or gathered and has no zeros. The outcome is for
    /// [`Self::sub_loaded`], [`Self::sub_both`], [`Self::sub`] and [`Self::scatter_pairs`] alone.
    fn negate_loaded<F: Residue>(self, mask: Self::Mask, a: Self::Vector<F>) -> Self::Vector<F>;
    /// `a − b − c`, where `b` and `c` are as in [`Self::sub_loaded`].
    fn sub_both<F: Residue>(self, a: Self::Vector<F>, b: Self::Vector<F>, c: Self::Vector<F>) -> Self::Vector<F>;

    /// Which elements are zero.
    fn is_zero<F: Residue>(self, a: Self::Vector<F>) -> Self::Mask;
    /// A mask from its bits, the first element's lowest.
    fn mask(self, bits: u8) -> Self::Mask;
    /// The bits of a mask, the first element's lowest.
    fn bits(self, mask: Self::Mask) -> u8;
    /// `a` where the mask is set, else `b`.
    fn select<F: Residue>(self, mask: Self::Mask, a: Self::Vector<F>, b: Self::Vector<F>) -> Self::Vector<F>;

    /// No products yet.
    fn sum<F: Residue>(self) -> Self::Sum<F>;
    /// Adds `small·a`, element by element. A sum takes up to [`SUM_TERMS`] products before it must be reduced.
    fn sum_add<F: Residue>(self, sum: &mut Self::Sum<F>, a: Self::Vector<F>, small: &[u32]);
    /// The value of a sum.
    fn sum_reduce<F: Residue>(self, sum: Self::Sum<F>) -> Self::Vector<F>;

    /// The same elements, lazily reduced from here on: below `2p`.
    fn loosen<F: Residue>(self, a: Self::Vector<F>) -> Self::Loose<F>;
    /// The same elements, reduced.
    fn tighten<F: Residue>(self, a: Self::Loose<F>) -> Self::Vector<F>;
    /// `a/2^count`, reduced.
    fn halve<F: Residue>(self, a: Self::Loose<F>, halvings: &Halvings<F>) -> Self::Vector<F>;
    /// `(a + factor·b, a − factor·b)`. The results are as loose as `a` and by `11p` looser; up to `84p` fit. So between
    /// [`loosen`](Self::loosen) or [`tighten`](Self::tighten) and the next there may be [`LOOSE_STEPS`] butterflies of both
    /// kinds; how loose `b` is does not matter.
    fn butterfly<F: Residue>(
        self,
        a: Self::Loose<F>,
        b: Self::Loose<F>,
        factor: &Factor<F>,
    ) -> (Self::Loose<F>, Self::Loose<F>);
    /// `(a + b, a − b)`, where `a` and `b` are loosened elements or sums of up to eight, so below `16p`. The results are
    /// sums of twice as many and at most `32p`; the difference is as loose as `a` and by `16p` looser.
    fn plain_butterfly<F: Residue>(self, a: Self::Loose<F>, b: Self::Loose<F>) -> (Self::Loose<F>, Self::Loose<F>);
}

/// Products with small integers (below `2^32`) that a [`Lanes::Sum`] can take.
pub const SUM_TERMS: usize = 1 << 11;

/// Butterflies, one after another, that a [`Lanes::Loose`] can take: `2p`, one plain difference (`16p`) and six steps of `11p`
/// are `84p`.
pub const LOOSE_STEPS: u32 = 7;
