//! Slices of field elements.
//!
//! Each function works on the calling thread and takes the instructions to use; results are canonical and do not depend on
//! them. What is left over when a length is no multiple of the lanes is done by the scalar twin.
//!
//! **Recurrences** (running products, division by `X − x`) are each a chain that vectors cannot take as it stands. The slice
//! is cut into as many blocks of equal length as there are lanes, a block for each lane. A first round finds what each block
//! does to the value that enters it; those few values are chained; and a second round runs all blocks at once, each from the
//! value that enters it. That is twice the products, eight at a time.

use super::portable::Portable;
use super::{run, Factor, Instructions, Kernel, Lanes, Residue, SUM_TERMS};

/// As many lanes as the widest vectors have.
const WIDEST: usize = 8;

/// What is done to each pair of elements, and replaces the first of them.
trait Operation<F: Residue> {
    fn apply<L: Lanes>(&self, lanes: L, a: L::Vector<F>, b: L::Vector<F>) -> L::Vector<F>;
}

/// An operation on two slices of one length.
struct Elementwise<'a, F, O>(&'a mut [F], &'a [F], O);

impl<F: Residue, O: Operation<F>> Kernel for Elementwise<'_, F, O> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self(a, b, operation) = self;
        let (mut a, mut b) = (a.chunks_exact_mut(L::COUNT), b.chunks_exact(L::COUNT));
        for (a, b) in (&mut a).zip(&mut b) {
            lanes.store(operation.apply(lanes, lanes.load(a), lanes.load(b)), a);
        }
        for (a, b) in a.into_remainder().iter_mut().zip(b.remainder()) {
            *a = operation.apply(Portable, *a, *b);
        }
    }
}

fn elementwise<F: Residue>(instructions: Instructions, a: &mut [F], b: &[F], operation: impl Operation<F>) {
    assert_eq!(a.len(), b.len());
    run(instructions, Elementwise(a, b, operation));
}

/// `a[i] ← a[i]·b[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn multiply<F: Residue>(instructions: Instructions, a: &mut [F], b: &[F]) {
    struct Multiply;
    impl<F: Residue> Operation<F> for Multiply {
        #[inline(always)]
        fn apply<L: Lanes>(&self, lanes: L, a: L::Vector<F>, b: L::Vector<F>) -> L::Vector<F> {
            lanes.mul(a, b)
        }
    }
    elementwise(instructions, a, b, Multiply);
}

/// `a[i] ← a[i] + b[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn add<F: Residue>(instructions: Instructions, a: &mut [F], b: &[F]) {
    struct Add;
    impl<F: Residue> Operation<F> for Add {
        #[inline(always)]
        fn apply<L: Lanes>(&self, lanes: L, a: L::Vector<F>, b: L::Vector<F>) -> L::Vector<F> {
            lanes.add(a, b)
        }
    }
    elementwise(instructions, a, b, Add);
}

/// `a[i] ← a[i] − b[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn subtract<F: Residue>(instructions: Instructions, a: &mut [F], b: &[F]) {
    struct Subtract;
    impl<F: Residue> Operation<F> for Subtract {
        #[inline(always)]
        fn apply<L: Lanes>(&self, lanes: L, a: L::Vector<F>, b: L::Vector<F>) -> L::Vector<F> {
            lanes.sub(a, b)
        }
    }
    elementwise(instructions, a, b, Subtract);
}

/// `accumulator[i] ← accumulator[i] + factor·column[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn add_scaled<F: Residue>(instructions: Instructions, accumulator: &mut [F], column: &[F], factor: F) {
    struct AddScaled<F>(Factor<F>);
    impl<F: Residue> Operation<F> for AddScaled<F> {
        #[inline(always)]
        fn apply<L: Lanes>(&self, lanes: L, a: L::Vector<F>, b: L::Vector<F>) -> L::Vector<F> {
            lanes.tighten(lanes.butterfly(lanes.loosen(a), lanes.loosen(b), &self.0).0)
        }
    }
    elementwise(instructions, accumulator, column, AddScaled(Factor::new(factor)));
}

/// `values[i] ← factor·values[i]`
pub fn scale<F: Residue>(instructions: Instructions, values: &mut [F], factor: F) {
    struct Scale<'a, F>(&'a mut [F], Factor<F>);
    impl<F: Residue> Kernel for Scale<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let mut chunks = self.0.chunks_exact_mut(L::COUNT);
            for chunk in &mut chunks {
                let product = times(lanes, lanes.loosen(lanes.load(chunk)), &self.1);
                lanes.store(lanes.tighten(product), chunk);
            }
            chunks.into_remainder().iter_mut().for_each(|value| *value *= self.1.element());
        }
    }
    run(instructions, Scale(values, Factor::new(factor)));
}

/// `factor·a`, below `13p`.
#[inline(always)]
fn times<L: Lanes, F: Residue>(lanes: L, a: L::Loose<F>, factor: &Factor<F>) -> L::Loose<F> {
    lanes.butterfly(lanes.loosen(lanes.splat(F::ZERO)), a, factor).0
}

/// The elements of a vector, in the first [`Lanes::COUNT`] places.
#[inline(always)]
fn elements<L: Lanes, F: Residue>(lanes: L, vector: L::Vector<F>) -> [F; WIDEST] {
    let mut elements = [F::ZERO; WIDEST];
    lanes.store(vector, &mut elements[..L::COUNT]);
    elements
}

/// `base^exponent`, by as many squarings as the exponent has bits.
fn power<F: Residue>(base: F, exponent: usize) -> F {
    let bits = usize::BITS - exponent.leading_zeros();
    (0..bits).rev().fold(F::ONE, |power, bit| {
        let square = power.square();
        if exponent >> bit & 1 == 1 {
            square * base
        } else {
            square
        }
    })
}

/// Chains that are in flight at once, where each waits for its own last product.
const CHAINS: usize = 4;

/// Powers side by side: the chains of `start·base^i`, and the factor from each vector of a chain to its next.
#[inline(always)]
fn chains_of_powers<L: Lanes, F: Residue>(lanes: L, base: F, start: F) -> ([L::Loose<F>; CHAINS], Factor<F>) {
    let mut first = [start; CHAINS * WIDEST];
    for i in 1..CHAINS * L::COUNT {
        first[i] = first[i - 1] * base;
    }
    let mut chains = [lanes.loosen(lanes.splat(F::ZERO)); CHAINS];
    for (chain, first) in chains.iter_mut().zip(first.chunks_exact(L::COUNT)) {
        *chain = lanes.loosen(lanes.load(first));
    }
    (chains, Factor::new(power(base, CHAINS * L::COUNT)))
}

/// `values[i] ← start·base^i`, for one product each.
pub fn powers<F: Residue>(instructions: Instructions, base: F, start: F, values: &mut [F]) {
    struct Powers<'a, F>(F, F, &'a mut [F]);
    impl<F: Residue> Kernel for Powers<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let Self(base, start, values) = self;
            let (mut chains, step) = chains_of_powers(lanes, base, start);
            let mut chunks = values.chunks_exact_mut(CHAINS * L::COUNT);
            for chunk in &mut chunks {
                for (chain, places) in chains.iter_mut().zip(chunk.chunks_exact_mut(L::COUNT)) {
                    lanes.store(lanes.tighten(*chain), places);
                    *chain = times(lanes, *chain, &step);
                }
            }
            for (chain, places) in chains.into_iter().zip(chunks.into_remainder().chunks_mut(L::COUNT)) {
                places.copy_from_slice(&elements(lanes, lanes.tighten(chain))[..places.len()]);
            }
        }
    }
    run(instructions, Powers(base, start, values));
}

/// `values[i] ← values[i]·start·base^i`, for two products each.
pub fn multiply_by_powers<F: Residue>(instructions: Instructions, values: &mut [F], base: F, start: F) {
    struct Multiply<'a, F>(F, F, &'a mut [F]);
    impl<F: Residue> Kernel for Multiply<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let Self(base, start, values) = self;
            let (mut chains, step) = chains_of_powers(lanes, base, start);
            let mut chunks = values.chunks_exact_mut(CHAINS * L::COUNT);
            for chunk in &mut chunks {
                for (chain, places) in chains.iter_mut().zip(chunk.chunks_exact_mut(L::COUNT)) {
                    lanes.store(lanes.mul(lanes.load(places), lanes.tighten(*chain)), places);
                    *chain = times(lanes, *chain, &step);
                }
            }
            for (chain, places) in chains.into_iter().zip(chunks.into_remainder().chunks_mut(L::COUNT)) {
                let powers = elements(lanes, lanes.tighten(chain));
                places.iter_mut().zip(powers).for_each(|(place, power)| *place *= power);
            }
        }
    }
    run(instructions, Multiply(base, start, values));
}

/// `Σ_i coefficients[i]·x^i`, for one product each.
pub fn evaluate_polynomial<F: Residue>(instructions: Instructions, coefficients: &[F], x: F) -> F {
    struct Evaluate<'a, F>(&'a [F], F);
    impl<F: Residue> Kernel for Evaluate<'_, F> {
        type Output = F;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> F {
            evaluate(lanes, self.0, self.1, &horner_factors::<L, F>(self.1))
        }
    }
    run(instructions, Evaluate(coefficients, x))
}

/// `x` to the powers that [`evaluate`] steps by: from one vector to the next, and over all of those side by side.
fn horner_factors<L: Lanes, F: Residue>(x: F) -> [Factor<F>; 2] {
    [L::COUNT, CHAINS * L::COUNT].map(|exponent| Factor::new(power(x, exponent)))
}

/// Horner's rule on `CHAINS` vectors side by side.
#[inline(always)]
fn evaluate<L: Lanes, F: Residue>(lanes: L, coefficients: &[F], x: F, [step, stride]: &[Factor<F>; 2]) -> F {
    let chunks = coefficients.chunks_exact(CHAINS * L::COUNT);
    let mut highest = [F::ZERO; CHAINS * WIDEST];
    highest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    let mut chains = [lanes.loosen(lanes.splat(F::ZERO)); CHAINS];
    for (chain, highest) in chains.iter_mut().zip(highest.chunks_exact(L::COUNT)) {
        *chain = lanes.loosen(lanes.load(highest));
    }
    for chunk in chunks.rev() {
        for (chain, coefficients) in chains.iter_mut().zip(chunk.chunks_exact(L::COUNT)) {
            *chain = lanes.butterfly(lanes.loosen(lanes.load(coefficients)), *chain, stride).0;
        }
    }
    let mut value = lanes.loosen(lanes.splat(F::ZERO));
    for chain in chains.into_iter().rev() {
        value = lanes.butterfly(chain, value, step).0;
    }
    let elements = elements(lanes, lanes.tighten(value));
    elements[..L::COUNT].iter().rev().fold(F::ZERO, |value, element| value * x + element)
}

/// `Σ_i a[i]·b[i]`
///
/// # Panics
/// The slices have different lengths.
pub fn dot<F: Residue>(instructions: Instructions, a: &[F], b: &[F]) -> F {
    struct Dot<'a, F>(&'a [F], &'a [F]);
    impl<F: Residue> Kernel for Dot<'_, F> {
        type Output = F;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> F {
            let (a, b) = (self.0.chunks_exact(L::COUNT), self.1.chunks_exact(L::COUNT));
            let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| *a * b).sum::<F>();
            let mut total = lanes.splat(F::ZERO);
            for (a, b) in a.zip(b) {
                total = lanes.add(total, lanes.mul(lanes.load(a), lanes.load(b)));
            }
            elements(lanes, total).into_iter().sum::<F>() + rest
        }
    }
    assert_eq!(a.len(), b.len());
    run(instructions, Dot(a, b))
}

/// Inverts elements in place; zeros stay zero. Three products for each and one inversion (Montgomery's trick, with a chain in
/// each lane); scratch memory of up to 40 bytes for each.
pub fn batch_invert<F: Residue>(instructions: Instructions, values: &mut [F]) {
    struct Invert<'a, F>(&'a mut [F]);
    impl<F: Residue> Kernel for Invert<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let one = lanes.splat(F::ONE);
            let mut chunks = self.0.chunks_exact_mut(L::COUNT);
            let mut product = one;
            let mut products = Vec::with_capacity(chunks.len());
            for chunk in &mut chunks {
                let value = lanes.load(chunk);
                products.push(product);
                product = lanes.mul(product, lanes.select(lanes.is_zero(value), one, value));
            }
            let rest = chunks.into_remainder();
            let whole = products.len() * L::COUNT;
            // The products of all lanes and what is left over share the inversion.
            let mut few = [F::ZERO; 2 * WIDEST];
            lanes.store(product, &mut few[..L::COUNT]);
            few[L::COUNT..][..rest.len()].copy_from_slice(rest);
            invert_few(&mut few);
            rest.copy_from_slice(&few[L::COUNT..][..rest.len()]);
            let mut inverse = lanes.load(&few);
            for (chunk, product) in self.0[..whole].chunks_exact_mut(L::COUNT).zip(products).rev() {
                let value = lanes.load(chunk);
                let zeros = lanes.is_zero(value);
                lanes.store(lanes.select(zeros, value, lanes.mul(inverse, product)), chunk);
                inverse = lanes.mul(inverse, lanes.select(zeros, one, value));
            }
        }
    }
    run(instructions, Invert(values));
}

/// Montgomery's trick on a few elements.
fn invert_few<F: Residue>(values: &mut [F; 2 * WIDEST]) {
    let mut products = [F::ONE; 2 * WIDEST];
    let mut product = F::ONE;
    for (before, value) in products.iter_mut().zip(values.iter()) {
        *before = product;
        if !value.is_zero_vartime() {
            product *= value;
        }
    }
    let mut inverse = product.invert().expect("not zero");
    for (before, value) in products.iter().zip(values.iter_mut()).rev() {
        if !value.is_zero_vartime() {
            (inverse, *value) = (inverse * *value, inverse * before);
        }
    }
}

mod sealed {
    /// No integers but those below are small.
    pub trait Sealed {}
}

/// Integers that a product with an element costs ten multiply-adds for, or twenty.
pub trait SmallInteger: Copy + Into<i64> + Send + Sync + sealed::Sealed {
    /// The width.
    const BITS: u32;
    /// Digits of 32 bits.
    const DIGITS: usize;
}

macro_rules! small_integers {
    ($($integer:ty: $digits:literal),*) => {$(
        impl sealed::Sealed for $integer {}
        impl SmallInteger for $integer {
            const BITS: u32 = <$integer>::BITS;
            const DIGITS: usize = $digits;
        }
    )*};
}
small_integers!(i8: 1, i16: 1, i32: 1, i64: 2);

/// Some integers, each with `2^(BITS − 1)` added: then none is negative. One digit of each.
#[inline(always)]
fn digits<T: SmallInteger>(integers: &[T], digit: usize, digits: &mut [u32]) {
    for (place, integer) in digits.iter_mut().zip(integers) {
        let integer: i64 = (*integer).into();
        *place = ((integer as u64).wrapping_add(1 << (T::BITS - 1)) >> (32 * digit)) as u32;
    }
}

/// What [`digits`] adds to each integer.
fn offset<T: SmallInteger, F: Residue>() -> F {
    F::from(1 << (T::BITS - 1))
}

/// An integer as an element.
fn element<T: SmallInteger, F: Residue>(integer: T) -> F {
    let integer: i64 = integer.into();
    let magnitude = F::from(integer.unsigned_abs());
    if integer < 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Vectors of rows that [`add_scaled_integers`] keeps sums of.
const ROWS_AT_ONCE: usize = 4;

/// `accumulator[row] ← accumulator[row] + Σ_j factors[j]·columns[j][row]`
///
/// Eight cells cost ten multiply-adds (twenty where integers have two digits): products of limbs with integers are summed as
/// they are, and reduced once for up to [`SUM_TERMS`] of them.
///
/// # Panics
/// There are not as many columns as factors, or columns of another length than the accumulator.
pub fn add_scaled_integers<T: SmallInteger, F: Residue>(
    instructions: Instructions,
    accumulator: &mut [F],
    factors: &[F],
    columns: &[&[T]],
) {
    struct AddIntegers<'a, T, F>(&'a mut [F], &'a [F], &'a [&'a [T]]);
    impl<T: SmallInteger, F: Residue> Kernel for AddIntegers<'_, T, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let Self(accumulator, factors, columns) = self;
            let stride = ROWS_AT_ONCE * L::COUNT;
            let whole = accumulator.len() / stride * stride;
            for (factors, columns) in factors.chunks(SUM_TERMS / 2).zip(columns.chunks(SUM_TERMS / 2)) {
                let correction = lanes.splat(-offset::<T, F>() * factors.iter().sum::<F>());
                let two_to_32 = F::from(1 << 32);
                let mut digit_factors = Vec::with_capacity(factors.len());
                for factor in factors {
                    digit_factors.push([lanes.splat(*factor), lanes.splat(*factor * two_to_32)]);
                }
                for (index, places) in accumulator[..whole].chunks_exact_mut(stride).enumerate() {
                    let mut sums = [lanes.sum::<F>(); ROWS_AT_ONCE];
                    for (factor, column) in digit_factors.iter().zip(columns) {
                        let cells = &column[index * stride..][..stride];
                        for (digit, factor) in factor[..T::DIGITS].iter().enumerate() {
                            let mut small = [0; ROWS_AT_ONCE * WIDEST];
                            digits(cells, digit, &mut small[..stride]);
                            for (row, sum) in sums.iter_mut().enumerate() {
                                lanes.sum_add(sum, *factor, &small[row * L::COUNT..]);
                            }
                        }
                    }
                    for (sum, places) in sums.into_iter().zip(places.chunks_exact_mut(L::COUNT)) {
                        let sum = lanes.add(lanes.sum_reduce(sum), correction);
                        lanes.store(lanes.add(lanes.load(places), sum), places);
                    }
                }
            }
            for (row, place) in accumulator.iter_mut().enumerate().skip(whole) {
                *place += factors.iter().zip(columns).map(|(f, column)| *f * element::<T, F>(column[row])).sum::<F>();
            }
        }
    }
    assert_eq!(factors.len(), columns.len());
    assert!(columns.iter().all(|column| column.len() == accumulator.len()));
    run(instructions, AddIntegers(accumulator, factors, columns));
}

/// `Σ_i weights[i]·integers[i]`, as [`dots_integers`] of one column.
///
/// # Panics
/// The slices have different lengths.
pub fn dot_integers<T: SmallInteger, F: Residue>(instructions: Instructions, weights: &[F], integers: &[T]) -> F {
    dots_integers(instructions, weights, &[integers])[0]
}

/// Vectors of weights (of 320 bytes) that the first cache holds while they are used for all columns.
const WEIGHTS_AT_ONCE: usize = 64;

/// `Σ_i weights[i]·column[i]` for each column. Eight cells cost ten multiply-adds, or twenty, as in [`add_scaled_integers`].
///
/// # Panics
/// Columns have another length than the weights.
pub fn dots_integers<T: SmallInteger, F: Residue>(
    instructions: Instructions,
    weights: &[F],
    columns: &[&[T]],
) -> Vec<F> {
    struct Dots<'a, T, F>(&'a [F], &'a [&'a [T]]);
    impl<T: SmallInteger, F: Residue> Kernel for Dots<'_, T, F> {
        type Output = Vec<F>;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Vec<F> {
            let Self(weights, columns) = self;
            let whole = weights.len() / L::COUNT * L::COUNT;
            let zero = lanes.splat(F::ZERO);
            let mut totals = vec![[zero; 2]; columns.len()];
            let mut sum_of_weights = zero;
            let ones = [1; WIDEST];
            let mut block = Vec::with_capacity(WEIGHTS_AT_ONCE);
            let mut sums = Vec::with_capacity(columns.len());
            for (part, weights) in weights[..whole].chunks(SUM_TERMS * L::COUNT).enumerate() {
                sums.clear();
                sums.resize(columns.len(), [lanes.sum::<F>(); 2]);
                let mut weights_here = lanes.sum::<F>();
                for (index, weights) in weights.chunks(WEIGHTS_AT_ONCE * L::COUNT).enumerate() {
                    block.clear();
                    for weights in weights.chunks_exact(L::COUNT) {
                        let weight = lanes.load(weights);
                        lanes.sum_add(&mut weights_here, weight, &ones);
                        block.push(weight);
                    }
                    let first = (part * SUM_TERMS + index * WEIGHTS_AT_ONCE) * L::COUNT;
                    for (column, sums) in columns.iter().zip(&mut sums) {
                        for (digit, kept) in sums[..T::DIGITS].iter_mut().enumerate() {
                            let mut sum = *kept;
                            let cells = column[first..][..weights.len()].chunks_exact(L::COUNT);
                            for (weight, cells) in block.iter().zip(cells) {
                                let mut small = [0; WIDEST];
                                digits(cells, digit, &mut small[..L::COUNT]);
                                lanes.sum_add(&mut sum, *weight, &small);
                            }
                            *kept = sum;
                        }
                    }
                }
                sum_of_weights = lanes.add(sum_of_weights, lanes.sum_reduce(weights_here));
                for (totals, sums) in totals.iter_mut().zip(&sums) {
                    for (total, sum) in totals.iter_mut().zip(&sums[..T::DIGITS]) {
                        *total = lanes.add(*total, lanes.sum_reduce(*sum));
                    }
                }
            }
            let correction = -offset::<T, F>() * elements(lanes, sum_of_weights).into_iter().sum::<F>();
            let mut dots = Vec::with_capacity(columns.len());
            for (totals, column) in totals.into_iter().zip(columns) {
                let mut dot = correction;
                for (digit, total) in totals[..T::DIGITS].iter().enumerate() {
                    dot += elements(lanes, *total).into_iter().sum::<F>() * F::from(1 << (32 * digit));
                }
                for (weight, integer) in weights[whole..].iter().zip(&column[whole..]) {
                    dot += *weight * element::<T, F>(*integer);
                }
                dots.push(dot);
            }
            dots
        }
    }
    assert!(columns.iter().all(|column| column.len() == weights.len()));
    run(instructions, Dots(weights, columns))
}

/// Length of the blocks, one for each lane, that a recurrence is cut into: zero where there is but one lane, which gains
/// nothing. An odd multiple of the lanes, so that blocks are whole tiles and the places that are read together are not at the
/// same place of a page, which caches do not like. What is over is less than twice the square of the lanes.
#[inline(always)]
fn block_length<L: Lanes>(length: usize) -> usize {
    let tiles = length / (L::COUNT * L::COUNT);
    if L::COUNT == 1 || tiles == 0 {
        0
    } else {
        (tiles - 1 + tiles % 2) * L::COUNT
    }
}

/// The elements at one place of all blocks.
#[inline(always)]
fn load_across<L: Lanes, F: Residue>(lanes: L, values: &[F], block: usize, place: usize) -> L::Vector<F> {
    let mut positions = [0; WIDEST];
    for (lane, position) in positions[..L::COUNT].iter_mut().enumerate() {
        *position = (lane * block + place) as u32;
    }
    lanes.gather(values, &positions)
}

/// Writes a tile, of `COUNT` vectors, to neighbouring places of all blocks.
#[inline(always)]
fn store_across<L: Lanes, F: Residue>(tile: &[F], values: &mut [F], block: usize, place: usize) {
    for lane in 0..L::COUNT {
        let places = &mut values[lane * block + place..][..L::COUNT];
        for (index, place) in places.iter_mut().enumerate() {
            *place = tile[index * L::COUNT + lane];
        }
    }
}

/// Divides `p(X) − p(point)` by `X − point` in place, from `p`'s coefficients to the quotient's (the highest of which is zero),
/// and returns `p(point)`. Two products for each coefficient.
pub fn divide_by_linear<F: Residue>(instructions: Instructions, coefficients: &mut [F], point: F) -> F {
    struct Divide<'a, F>(&'a mut [F], F);
    impl<F: Residue> Kernel for Divide<'_, F> {
        type Output = F;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> F {
            let Self(coefficients, point) = self;
            let block = block_length::<L>(coefficients.len());
            let (blocks, rest) = coefficients.split_at_mut(L::COUNT * block);
            let mut value = F::ZERO;
            for coefficient in rest.iter_mut().rev() {
                let next = value * point + *coefficient;
                *coefficient = value;
                value = next;
            }
            if block == 0 {
                return value;
            }
            // What enters each block is the polynomial that begins after it, at the point.
            let across = power(point, block);
            let factors = horner_factors::<L, F>(point);
            let mut entering = [F::ZERO; WIDEST];
            for (entering, coefficients) in entering[..L::COUNT].iter_mut().zip(blocks.chunks_exact(block)).rev() {
                *entering = value;
                value = value * across + evaluate(lanes, coefficients, point, &factors);
            }
            let point = Factor::new(point);
            let mut values = lanes.loosen(lanes.load(&entering));
            let mut tile = [F::ZERO; WIDEST * WIDEST];
            for first in (0..block).step_by(L::COUNT).rev() {
                for index in (0..L::COUNT).rev() {
                    let coefficient = lanes.loosen(load_across(lanes, blocks, block, first + index));
                    lanes.store(lanes.tighten(values), &mut tile[index * L::COUNT..]);
                    values = lanes.butterfly(coefficient, values, &point).0;
                }
                store_across::<L, F>(&tile, blocks, block, first);
            }
            value
        }
    }
    run(instructions, Divide(coefficients, point))
}

/// `values[i] ← start·Π_(j < i) values[j]`; returns `start` times the product of all. Two products for each value.
pub fn running_products<F: Residue>(instructions: Instructions, values: &mut [F], start: F) -> F {
    struct Products<'a, F>(&'a mut [F], F);
    impl<F: Residue> Kernel for Products<'_, F> {
        type Output = F;
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> F {
            let Self(values, start) = self;
            let block = block_length::<L>(values.len());
            let (blocks, rest) = values.split_at_mut(L::COUNT * block);
            let mut products = lanes.splat(F::ONE);
            for place in 0..block {
                products = lanes.mul(products, load_across(lanes, blocks, block, place));
            }
            let mut entering = elements(lanes, products);
            let mut value = start;
            for entering in &mut entering[..L::COUNT] {
                (*entering, value) = (value, value * *entering);
            }
            let mut products = lanes.load(&entering);
            let mut tile = [F::ZERO; WIDEST * WIDEST];
            for first in (0..block).step_by(L::COUNT) {
                for index in 0..L::COUNT {
                    let next = lanes.mul(products, load_across(lanes, blocks, block, first + index));
                    lanes.store(products, &mut tile[index * L::COUNT..]);
                    products = next;
                }
                store_across::<L, F>(&tile, blocks, block, first);
            }
            for place in rest {
                (*place, value) = (value, value * *place);
            }
            value
        }
    }
    run(instructions, Products(values, start))
}

/// `terms[i] ← acc_i`, where `acc_i = acc_(i−1)·steps[i] + terms[i]` and the first one begins from zero. Three products for
/// each term.
///
/// # Panics
/// The slices have different lengths.
pub fn running_affine<F: Residue>(instructions: Instructions, steps: &[F], terms: &mut [F]) {
    struct Affine<'a, F>(&'a [F], &'a mut [F]);
    impl<F: Residue> Kernel for Affine<'_, F> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) {
            let Self(steps, terms) = self;
            let block = block_length::<L>(terms.len());
            let (blocks, rest) = terms.split_at_mut(L::COUNT * block);
            let (mut products, mut values) = (lanes.splat(F::ONE), lanes.splat(F::ZERO));
            for place in 0..block {
                let step = load_across(lanes, steps, block, place);
                products = lanes.mul(products, step);
                values = lanes.add(lanes.mul(values, step), load_across(lanes, blocks, block, place));
            }
            let (products, mut entering) = (elements(lanes, products), elements(lanes, values));
            let mut value = F::ZERO;
            for (entering, product) in entering[..L::COUNT].iter_mut().zip(products) {
                (*entering, value) = (value, value * product + *entering);
            }
            let mut values = lanes.load(&entering);
            let mut tile = [F::ZERO; WIDEST * WIDEST];
            for first in (0..block).step_by(L::COUNT) {
                for index in 0..L::COUNT {
                    let step = load_across(lanes, steps, block, first + index);
                    values = lanes.add(lanes.mul(values, step), load_across(lanes, blocks, block, first + index));
                    lanes.store(values, &mut tile[index * L::COUNT..]);
                }
                store_across::<L, F>(&tile, blocks, block, first);
            }
            for (term, step) in rest.iter_mut().zip(&steps[L::COUNT * block..]) {
                value = value * step + *term;
                *term = value;
            }
        }
    }
    assert_eq!(steps.len(), terms.len());
    run(instructions, Affine(steps, terms));
}

#[cfg(test)]
mod tests {
    use super::super::{words, Halvings};
    use super::*;
    use halo2_proofs::halo2curves::bn256::{Fq, Fr};
    use halo2_proofs::halo2curves::ff::Field;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Applies each operation of the lanes to `COUNT` elements and lists the results.
    struct Operations<'a, F>(&'a [F], &'a [F], &'a [u32]);

    impl<F: Residue> Kernel for Operations<'_, F> {
        type Output = (Vec<Vec<F>>, Vec<Vec<bool>>);

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Self::Output {
            let Operations(a, b, small) = self;
            let mut results = vec![Vec::new(); 12];
            let mut zeros = vec![Vec::new(); 3];
            let reversed: Vec<u32> = (0..L::COUNT as u32).rev().collect();
            for i in (0..a.len()).step_by(L::COUNT) {
                let (x, y) = (lanes.load(&a[i..]), lanes.load(&b[i..]));
                let mut sum = lanes.sum();
                for _ in 0..super::super::lanes::SUM_TERMS / 2 {
                    lanes.sum_add(&mut sum, x, &small[i..]);
                    lanes.sum_add(&mut sum, y, &small[i..]);
                }
                let odd = lanes.mask(0b1010_1010);
                let backwards = lanes.gather(&a[i..], &reversed);
                let outcomes = [
                    lanes.add(x, y),
                    lanes.sub(x, y),
                    lanes.neg(x),
                    lanes.mul(x, y),
                    lanes.square(x),
                    lanes.splat(b[0]),
                    lanes.sum_reduce(sum),
                    lanes.mul(lanes.sub(lanes.add(x, x), y), lanes.neg(lanes.sub(y, x))),
                    lanes.add(lanes.mul(x, y), lanes.mul(y, y)),
                    lanes.neg(lanes.sub(x, x)),
                ];
                for (result, outcome) in results.iter_mut().zip(outcomes) {
                    let mut stored = vec![F::ZERO; L::COUNT];
                    lanes.store(outcome, &mut stored);
                    result.extend(stored);
                }
                let mut stored = vec![F::ZERO; L::COUNT];
                lanes.store(backwards, &mut stored);
                stored.reverse();
                results[10].extend(stored);
                let mut stored = vec![F::ZERO; L::COUNT];
                lanes.store(lanes.select(odd, x, y), &mut stored);
                assert_eq!(lanes.bits(odd) & 1, 0);
                for (k, element) in stored.into_iter().enumerate() {
                    assert_eq!(element, if k % 2 == 1 { a[i + k] } else { b[i + k] });
                }
                for (zeros, vector) in zeros.iter_mut().zip([x, lanes.sub(x, y), lanes.sub(x, x)]) {
                    let bits = lanes.bits(lanes.is_zero(vector));
                    zeros.extend((0..L::COUNT).map(|k| bits >> k & 1 == 1));
                }
            }
            (results, zeros)
        }
    }

    fn edges<F: Residue>() -> Vec<F> {
        let powers = [0, 1, 51, 52, 53, 103, 104, 156, 207, 208, 209, 252, 253].map(|e| F::from(2).pow_vartime([e]));
        let mut elements = vec![F::ZERO];
        for power in powers {
            elements.extend([power, power - F::ONE, -power, F::ONE - power]);
        }
        // Elements whose *residues* are extreme: 1, 2, p − 1, p − 2.
        let residue_one = F::from(2).pow_vartime([256]).invert().expect("not zero");
        elements.extend([residue_one, residue_one.double(), -residue_one, -residue_one.double()]);
        elements
    }

    fn twins_agree<F: Residue>(a: &[F], b: &[F], small: &[u32]) {
        let (expected, expected_zeros) = run(Instructions::Portable, Operations(a, b, small));
        assert_eq!(expected[0][0], a[0] + b[0]);
        for &instructions in Instructions::available() {
            let (results, zeros) = run(instructions, Operations(a, b, small));
            for (which, (result, expected)) in results.iter().zip(&expected).enumerate() {
                assert_eq!(words(result), words(expected), "operation {which} on {instructions}");
            }
            assert_eq!(zeros, expected_zeros, "zeros on {instructions}");
        }
    }

    fn all_pairs<F: Residue>() {
        let edges = edges::<F>();
        let (mut a, mut b): (Vec<F>, Vec<F>) = edges.iter().flat_map(|x| edges.iter().map(move |y| (*x, *y))).unzip();
        while a.len() % 8 != 0 {
            a.push(F::ZERO);
            b.push(F::ONE);
        }
        let small: Vec<u32> = (0..a.len() as u32).map(|i| [0, 1, u32::MAX, i][i as usize % 4]).collect();
        twins_agree(&a, &b, &small);
    }

    #[test]
    fn vectors_equal_scalars_on_edges() {
        all_pairs::<Fr>();
        all_pairs::<Fq>();
    }

    proptest! {
        #[test]
        fn vectors_equal_scalars(seed: [u8; 32], small in prop::collection::vec(any::<u32>(), 64)) {
            let mut rng = ChaCha20Rng::from_seed(seed);
            let mut fr = || (0..64).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
            twins_agree(&fr(), &fr(), &small);
            let mut rng = ChaCha20Rng::from_seed(seed);
            let mut fq = || (0..64).map(|_| Fq::random(&mut rng)).collect::<Vec<_>>();
            twins_agree(&fq(), &fq(), &small);
        }

        #[test]
        fn elementwise_operations_equal_the_loop(seed: [u8; 32], length in 0usize..40) {
            let (a, b) = (random(seed, 0, length), random(seed, 1, length));
            let factor = random(seed, 2, 1)[0];
            let zipped = |operation: &dyn Fn(Fr, Fr) -> Fr| -> Vec<Fr> {
                a.iter().zip(&b).map(|(a, b)| operation(*a, *b)).collect()
            };
            for &instructions in Instructions::available() {
                let ours = |operation: &dyn Fn(&mut [Fr])| {
                    let mut values = a.clone();
                    operation(&mut values);
                    values
                };
                prop_assert_eq!(ours(&|a| multiply(instructions, a, &b)), zipped(&|a, b| a * b));
                prop_assert_eq!(ours(&|a| add(instructions, a, &b)), zipped(&|a, b| a + b));
                prop_assert_eq!(ours(&|a| subtract(instructions, a, &b)), zipped(&|a, b| a - b));
                prop_assert_eq!(ours(&|a| add_scaled(instructions, a, &b, factor)), zipped(&|a, b| a + factor * b));
                prop_assert_eq!(ours(&|a| scale(instructions, a, factor)), zipped(&|a, _| factor * a));
                prop_assert_eq!(dot(instructions, &a, &b), zipped(&|a, b| a * b).into_iter().sum::<Fr>());
            }
        }

        #[test]
        fn powers_and_polynomials_equal_the_loop(seed: [u8; 32], length in 0usize..200) {
            let [base, start] = random(seed, 0, 2)[..] else { unreachable!() };
            let coefficients = random(seed, 1, length);
            let expected: Vec<Fr> = (0..length as u64).map(|i| start * base.pow_vartime([i])).collect();
            let value = coefficients.iter().rev().fold(Fr::ZERO, |value, coefficient| value * base + coefficient);
            for &instructions in Instructions::available() {
                let mut ours = vec![Fr::ZERO; length];
                powers(instructions, base, start, &mut ours);
                prop_assert_eq!(&ours, &expected);
                let mut ours = coefficients.clone();
                multiply_by_powers(instructions, &mut ours, base, start);
                let products = coefficients.iter().zip(&expected).map(|(coefficient, power)| coefficient * power);
                prop_assert!(products.eq(ours));
                prop_assert_eq!(evaluate_polynomial(instructions, &coefficients, base), value);
                let mut quotient = coefficients.clone();
                prop_assert_eq!(divide_by_linear(instructions, &mut quotient, base), value);
                // p(X) = q(X)·(X − x) + p(x)
                for i in 0..length {
                    let below = if i == 0 { value } else { quotient[i - 1] };
                    prop_assert_eq!(coefficients[i], below - base * quotient[i]);
                }
            }
        }

        #[test]
        fn inverses_and_recurrences_equal_the_loop(seed: [u8; 32], length in 0usize..200, zeros: u64) {
            let mut values = random(seed, 0, length);
            values.iter_mut().enumerate().filter(|(i, _)| zeros >> (i % 64) & 1 == 1).for_each(|(_, v)| *v = Fr::ZERO);
            let steps = random(seed, 1, length);
            let inverses: Vec<Fr> = values.iter().map(|v| v.invert().unwrap_or(Fr::ZERO)).collect();
            let start = Fr::from(3);
            let (mut product, mut products) = (start, Vec::new());
            for step in &steps {
                products.push(product);
                product *= step;
            }
            let (mut sum, mut sums) = (Fr::ZERO, Vec::new());
            for (step, value) in steps.iter().zip(&values) {
                sum = sum * step + value;
                sums.push(sum);
            }
            for &instructions in Instructions::available() {
                let mut ours = values.clone();
                batch_invert(instructions, &mut ours);
                prop_assert_eq!(&ours, &inverses);
                let mut ours = steps.clone();
                prop_assert_eq!(running_products(instructions, &mut ours, start), product);
                prop_assert_eq!(&ours, &products);
                let mut ours = values.clone();
                running_affine(instructions, &steps, &mut ours);
                prop_assert_eq!(&ours, &sums);
            }
        }

        #[test]
        fn sums_with_integers_equal_the_loop(
            seed: [u8; 32],
            length in 0usize..80,
            columns in 0usize..4,
            integers in prop::collection::vec(any::<i64>(), 240),
        ) {
            fn check<T: SmallInteger>(seed: [u8; 32], length: usize, columns: usize, integers: &[i64], cast: fn(i64) -> T) {
                let integers: Vec<T> = integers.iter().map(|integer| cast(*integer)).collect();
                let columns: Vec<&[T]> = integers.chunks(80).map(|column| &column[..length]).take(columns).collect();
                integer_sums_are_right(&random(seed, 0, length), &random(seed, 1, columns.len()), &columns);
            }
            check(seed, length, columns, &integers, |integer| integer as i8);
            check(seed, length, columns, &integers, |integer| integer as i16);
            check(seed, length, columns, &integers, |integer| integer as i32);
            check(seed, length, columns, &integers, |integer| integer);
        }
    }

    fn random(seed: [u8; 32], stream: u64, length: usize) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        rng.set_stream(stream);
        (0..length).map(|_| Fr::random(&mut rng)).collect()
    }

    /// Sums of columns by factors and of rows by weights.
    fn integer_sums_are_right<T: SmallInteger>(weights: &[Fr], factors: &[Fr], columns: &[&[T]]) {
        let dots: Vec<Fr> = columns
            .iter()
            .map(|column| weights.iter().zip(*column).map(|(weight, cell)| weight * element::<T, Fr>(*cell)).sum())
            .collect();
        let mut sums = weights.to_vec();
        for (factor, column) in factors.iter().zip(columns) {
            sums.iter_mut().zip(*column).for_each(|(sum, cell)| *sum += *factor * element::<T, Fr>(*cell));
        }
        for &instructions in Instructions::available() {
            assert_eq!(dots_integers(instructions, weights, columns), dots);
            if let [column, ..] = columns {
                assert_eq!(dot_integers(instructions, weights, column), dots[0]);
            }
            let mut ours = weights.to_vec();
            add_scaled_integers(instructions, &mut ours, factors, columns);
            assert_eq!(ours, sums);
        }
    }

    #[test]
    fn more_terms_than_a_sum_takes_are_right() {
        fn check<T: SmallInteger>(extremes: [T; 2]) {
            let rows = SUM_TERMS * 8 + 37;
            let weights: Vec<Fr> = (0..rows).map(|i| if i % 5 == 0 { Fr::from(i as u64) } else { -Fr::ONE }).collect();
            let [low, high] = extremes.map(|extreme| vec![extreme; rows]);
            integer_sums_are_right(&weights, &[-Fr::ONE; 2], &[&low, &high]);
            let columns: Vec<&[T]> =
                (0..SUM_TERMS + 3).map(|j| if j % 3 == 0 { &low[..33] } else { &high[..33] }).collect();
            integer_sums_are_right(&weights[..33], &vec![-Fr::ONE; columns.len()], &columns);
        }
        check([i8::MIN, i8::MAX]);
        check([i16::MIN, i16::MAX]);
        check([i32::MIN, i32::MAX]);
        check([i64::MIN, i64::MAX]);
    }

    /// Chains of as many butterflies as a loose element takes, on the paths where it grows most.
    struct Chains<'a, F>(&'a [F], &'a [F], &'a [Factor<F>], &'a [Halvings<F>]);

    impl<F: Residue> Kernel for Chains<'_, F> {
        type Output = Vec<F>;

        #[inline(always)]
        fn run<L: Lanes>(self, lanes: L) -> Vec<F> {
            let Self(a, b, factors, halvings) = self;
            let mut results = Vec::new();
            let mut keep = |vector| results.extend_from_slice(&elements(lanes, lanes.tighten(vector))[..L::COUNT]);
            for factors in factors.windows(7) {
                for (a, b) in a.chunks_exact(L::COUNT).zip(b.chunks_exact(L::COUNT)) {
                    let (a, b) = (lanes.loosen(lanes.load(a)), lanes.loosen(lanes.load(b)));
                    let mut sum = a;
                    for _ in 0..4 {
                        let (twice, zero) = lanes.plain_butterfly(sum, sum);
                        keep(zero);
                        sum = twice;
                    }
                    let (mut sum, mut difference) = lanes.plain_butterfly(a, b);
                    for factor in &factors[1..] {
                        let looser = difference;
                        sum = lanes.butterfly(sum, looser, factor).0;
                        difference = lanes.butterfly(difference, looser, factor).1;
                    }
                    keep(sum);
                    keep(difference);
                    keep(lanes.butterfly(a, difference, &factors[0]).1);
                    for halvings in halvings {
                        keep(lanes.loosen(lanes.halve(difference, halvings)));
                    }
                }
            }
            results
        }
    }

    #[test]
    fn chains_of_butterflies_equal_scalars() {
        fn check<F: Residue>() {
            let edges = edges::<F>();
            let mut factors: Vec<_> = edges.iter().map(|edge| Factor::new(*edge)).collect();
            factors.extend(
                [F::ONE, -F::ONE, F::ROOT_OF_UNITY].iter().map(|element| Factor::new(*element)).cycle().take(21),
            );
            assert!(factors.iter().zip(&edges).all(|(factor, edge)| factor.element() == *edge));
            let mut a = edges.clone();
            a.resize(64, -F::ONE);
            let b: Vec<_> = a.iter().rev().copied().collect();
            let halvings = [0, 1, 6, 7, 20, 28, 32].map(Halvings::new);
            let expected = run(Instructions::Portable, Chains(&a, &b, &factors, &halvings));
            for &instructions in Instructions::available() {
                // Vectors come in another order; sorted, each run has the same ones.
                let mut ours = run(instructions, Chains(&a, &b, &factors, &halvings));
                let mut expected = expected.clone();
                ours.sort_by_key(|element| words(std::slice::from_ref(element))[0]);
                expected.sort_by_key(|element| words(std::slice::from_ref(element))[0]);
                assert_eq!(words(&ours), words(&expected), "{instructions}");
            }
        }
        check::<Fr>();
        check::<Fq>();
    }
}
