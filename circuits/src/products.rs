//! Sums of products of integers by weights, over the narrowest numbers that hold them.
//!
//! Sums that fit 32 bits, of factors of 16, are computed several times as fast as those of 64 bits; of a quantized model that is nearly
//! all of them.

/// What sums of products are computed over.
pub(crate) trait Numbers {
    /// A weight, or what it is multiplied with.
    type Factor: Copy + Default + PartialEq;
    /// A sum.
    type Sum: Copy;

    /// `sum + weight·value`
    fn add_product(sum: Self::Sum, weight: Self::Factor, value: Self::Factor) -> Self::Sum;
}

/// Factors of 16 bits and sums of 32, none of which may overflow.
pub(crate) enum Narrow {}

/// Factors and sums modulo `2^64`.
pub(crate) enum Wide {}

impl Numbers for Narrow {
    type Factor = i16;
    type Sum = i32;

    fn add_product(sum: i32, weight: i16, value: i16) -> i32 {
        sum + i32::from(weight) * i32::from(value)
    }
}

impl Numbers for Wide {
    type Factor = i64;
    type Sum = i64;

    fn add_product(sum: i64, weight: i64, value: i64) -> i64 {
        sum.wrapping_add(weight.wrapping_mul(value))
    }
}

/// Factors in 16 bits, where all of them fit.
pub(crate) fn narrow<T: Copy>(factors: &[T]) -> Option<Vec<i16>>
where
    i16: TryFrom<T>,
{
    factors.iter().map(|&factor| i16::try_from(factor).ok()).collect()
}

/// What no sum of some products of these weights, by values up to `largest`, and of `bias` exceeds in magnitude.
pub(crate) fn bound(weights: &[i32], largest: u64, bias: i64) -> u128 {
    let weight = weights.iter().map(|weight| u128::from(weight.unsigned_abs())).sum::<u128>();
    weight.saturating_mul(largest.into()).saturating_add(bias.unsigned_abs().into())
}

/// The largest magnitude, 0 where there are no values.
pub(crate) fn largest<'a>(values: impl IntoIterator<Item = &'a i64>) -> u64 {
    values.into_iter().map(|value| value.unsigned_abs()).max().unwrap_or(0)
}

/// Adds to each sum the products of the weights by the values in its place, which are as many as sums.
pub(crate) fn add_products<'a, N: Numbers>(
    sums: &mut [N::Sum],
    terms: impl IntoIterator<Item = (N::Factor, &'a [N::Factor])>,
) where
    N::Factor: 'a,
{
    let mut terms = terms.into_iter().filter(|(weight, _)| *weight != N::Factor::default());
    // Four at a time, so that sums are read and written once for four products.
    while let Some(first) = terms.next() {
        match [terms.next(), terms.next(), terms.next()] {
            [Some(second), Some(third), Some(fourth)] => add_four::<N>(sums, [first, second, third, fourth]),
            fewer => [Some(first)].into_iter().chain(fewer).flatten().for_each(|(weight, values)| {
                let sums = sums.iter_mut().zip(values);
                sums.for_each(|(sum, value)| *sum = N::add_product(*sum, weight, *value));
            }),
        }
    }
}

fn add_four<N: Numbers>(sums: &mut [N::Sum], terms: [(N::Factor, &[N::Factor]); 4]) {
    let [a, b, c, d] = terms.map(|(_, values)| &values[..sums.len()]);
    let [wa, wb, wc, wd] = terms.map(|(weight, _)| weight);
    for (i, sum) in sums.iter_mut().enumerate() {
        let two = N::add_product(N::add_product(*sum, wa, a[i]), wb, b[i]);
        *sum = N::add_product(N::add_product(two, wc, c[i]), wd, d[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_numbers_give_the_same_sums() {
        for rows in 0..10 {
            let weights: Vec<i32> = (0..rows).map(|row| (row * row * 37 + 1) % 11 - 5).collect();
            let values: Vec<i64> = (0..rows as i64 * 7).map(|at| at * at * 31 % 251 - 125).collect();
            let expected: Vec<i64> = (0..7)
                .map(|at| weights.iter().zip(values.chunks(7)).map(|(w, row)| i64::from(*w) * row[at]).sum::<i64>() - 3)
                .collect();
            let wide: Vec<i64> = weights.iter().map(|weight| i64::from(*weight)).collect();
            let mut sums = [-3i64; 7];
            add_products::<Wide>(&mut sums, wide.iter().copied().zip(values.chunks(7)));
            assert_eq!(sums[..], expected);
            let (weights, values) =
                (narrow(&weights).expect("they are small"), narrow(&values).expect("they are small"));
            let mut sums = [-3i32; 7];
            add_products::<Narrow>(&mut sums, weights.iter().copied().zip(values.chunks(7)));
            assert_eq!(sums.map(i64::from)[..], expected);
        }
    }

    #[test]
    fn bounds_hold_and_what_does_not_fit_is_not_narrow() {
        assert_eq!(bound(&[3, -4], 10, -5), 75);
        assert_eq!(bound(&[i32::MIN], u64::MAX, i64::MIN), (1u128 << 31) * u128::from(u64::MAX) + (1 << 63));
        assert_eq!(largest(&[3, -7, 5]), 7);
        assert_eq!(largest(&[]), 0);
        assert_eq!(narrow(&[1i64, 1 << 15]), None);
        assert_eq!(narrow(&[-(1i32 << 15)]), Some(vec![i16::MIN]));
    }
}
