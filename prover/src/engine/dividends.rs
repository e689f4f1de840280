//! Parts of an opening that are divided by the same polynomial.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;

use super::Dividend;

/// The sum of dividends that have the same points: `(Σ factor·column − remainder)/Z`.
pub struct Divisor<'a, C> {
    /// The points at which `Z` is zero.
    pub points: &'a [Fr],
    /// Columns with their factors.
    pub terms: Vec<(&'a C, Fr)>,
    /// Coefficients of the sum of the remainders.
    pub remainder: Vec<Fr>,
}

/// Dividends by what they are divided by.
pub fn divisors<'a, C>(dividends: &'a [Dividend<'_, C>]) -> Vec<Divisor<'a, C>> {
    let mut divisors: Vec<Divisor<'a, C>> = Vec::new();
    for dividend in dividends {
        let place = divisors.iter().position(|divisor| divisor.points == dividend.points).unwrap_or_else(|| {
            divisors.push(Divisor { points: &dividend.points, terms: Vec::new(), remainder: Vec::new() });
            divisors.len() - 1
        });
        let divisor = &mut divisors[place];
        divisor.terms.push((dividend.column, dividend.scale));
        let length = divisor.remainder.len().max(dividend.remainder.len());
        divisor.remainder.resize(length, Fr::ZERO);
        let sums = divisor.remainder.iter_mut().zip(&dividend.remainder);
        sums.for_each(|(sum, coefficient)| *sum += dividend.scale * coefficient);
    }
    divisors
}
