//! The multi-point opening of the library: SHPLONK (Boneh, Drake, Fisch, Gabizon, *Efficient polynomial commitment schemes for
//! multiple points and polynomials*, 2020).
//!
//! Columns are grouped by the set of points that they are opened at; `i` counts sets, `j` the columns of a set, both in the order
//! of first appearance. With `R_ij` the polynomial of least degree through a column's evaluations, `Z_i` the product of
//! `X − point` over a set, and `D_i` the same over the points that are not in the set:
//!
//! ```text
//! W(X)  = Σ_i v^i·Σ_j y^j·(p_ij(X) − R_ij(X)) / Z_i(X)
//! L(X)  = Σ_i v^i·D_i(u)·Σ_j y^j·(p_ij(X) − R_ij(u)) − D_∅(u)·W(X)
//! W'(X) = L(X) / (D_0(u)·(X − u))
//! ```
//!
//! Both quotients have degree below `n`, so they are computed pointwise on the domain: the inner sums once, from whatever form the
//! columns have.

use halo2_proofs::arithmetic::{eval_polynomial, lagrange_interpolate};
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine};
use halo2_proofs::halo2curves::ff::Field;

use crate::engine::{Dividend, Engine, EngineError};
use crate::field::powers_of;

/// A column at a point.
pub(super) struct Query<'a, C> {
    /// The column; two queries for the same reference open one commitment.
    pub(super) column: &'a C,
    /// The point.
    pub(super) point: Fr,
    /// The value there.
    pub(super) value: Fr,
}

/// Columns that are opened at the same points.
struct PointSet<'a, C> {
    points: Vec<Fr>,
    /// Each column with its values at the points.
    columns: Vec<(&'a C, Vec<Fr>)>,
}

/// `Σ_j y^j·p_ij` and the combined remainder of a set.
struct Combined<C> {
    column: C,
    /// Coefficients of `Σ_j y^j·R_ij`.
    remainder: Vec<Fr>,
    points: Vec<Fr>,
}

/// The first half of an opening: `W` and what the second half needs.
pub(super) struct Opening<E: Engine> {
    sets: Vec<Combined<E::Column>>,
    v: Fr,
    quotient: E::Column,
    /// The commitment to `W`.
    pub(super) commitment: G1Affine,
}

fn point_sets<'a, C>(queries: Vec<Query<'a, C>>) -> Vec<PointSet<'a, C>> {
    let mut columns: Vec<(&'a C, Vec<(Fr, Fr)>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for query in queries {
        let place = *places.entry(std::ptr::from_ref(query.column)).or_insert(columns.len());
        if place == columns.len() {
            columns.push((query.column, Vec::new()));
        }
        columns[place].1.push((query.point, query.value));
    }
    let mut sets: Vec<PointSet<'a, C>> = Vec::new();
    for (column, mut values) in columns {
        values.sort_unstable();
        let (points, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        match sets.iter_mut().find(|set| set.points == points) {
            Some(set) => set.columns.push((column, values)),
            None => sets.push(PointSet { points, columns: vec![(column, values)] }),
        }
    }
    sets
}

/// The product of `u − point`.
fn vanishing<'a>(points: impl IntoIterator<Item = &'a Fr>, u: Fr) -> Fr {
    points.into_iter().map(|point| u - point).product()
}

impl<E: Engine> Opening<E> {
    /// Computes `W` for the challenges `y` and `v`.
    pub(super) fn new(engine: &E, queries: Vec<Query<'_, E::Column>>, y: Fr, v: Fr) -> Result<Self, EngineError> {
        let sets = point_sets(queries).into_iter().map(|set| Combined::new(engine, set, y));
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        let dividends: Vec<_> = sets
            .iter()
            .zip(powers_of(v))
            .map(|(set, scale)| Dividend {
                column: &set.column,
                remainder: set.remainder.clone(),
                points: set.points.clone(),
                scale,
            })
            .collect();
        let quotient = engine.divide(&dividends)?;
        let commitment = engine.commit(&[&quotient])?[0];
        Ok(Self { sets, v, quotient, commitment })
    }

    /// The commitment to `W'` for the challenge `u`.
    pub(super) fn finish(self, engine: &E, u: Fr) -> Result<G1Affine, EngineError> {
        let mut all: Vec<Fr> = self.sets.iter().flat_map(|set| set.points.clone()).collect();
        all.sort_unstable();
        all.dedup();
        let outside = |set: &Combined<E::Column>| vanishing(all.iter().filter(|point| !set.points.contains(point)), u);
        let scale =
            outside(&self.sets[0]).invert().expect("u is not one of the points, but with negligible probability");
        let mut dividends: Vec<_> = self
            .sets
            .iter()
            .zip(powers_of(self.v))
            .map(|(set, power)| Dividend {
                column: &set.column,
                remainder: vec![eval_polynomial(&set.remainder, u)],
                points: vec![u],
                scale: power * outside(set) * scale,
            })
            .collect();
        // The remainders stand for R_ij(u); W has none, so the numerators add up to L, which vanishes at u.
        dividends.push(Dividend {
            column: &self.quotient,
            remainder: vec![],
            points: vec![u],
            scale: -vanishing(&all, u) * scale,
        });
        let quotient = engine.divide(&dividends)?;
        Ok(engine.commit(&[&quotient])?[0])
    }
}

impl<C: Send + Sync> Combined<C> {
    fn new<E: Engine<Column = C>>(engine: &E, set: PointSet<'_, C>, y: Fr) -> Result<Self, EngineError> {
        let mut remainder = vec![Fr::ZERO; set.points.len()];
        let mut terms = Vec::with_capacity(set.columns.len());
        for ((column, values), power) in set.columns.iter().zip(powers_of(y)) {
            let interpolated = lagrange_interpolate(&set.points, values);
            remainder.iter_mut().zip(interpolated).for_each(|(sum, coefficient)| *sum += power * coefficient);
            terms.push((*column, power));
        }
        Ok(Self { column: engine.combine(&terms, Fr::ZERO)?, remainder, points: set.points })
    }
}
