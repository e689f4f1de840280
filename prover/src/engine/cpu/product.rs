//! Running products.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

use super::super::{Column, EngineError, Factor, GrandProduct, Values};
use super::column::CpuColumn;
use super::{CpuEngine, BLOCK};
use crate::field;

impl CpuEngine {
    pub(super) fn running_product(&self, product: GrandProduct<'_, CpuColumn>) -> Result<(Column, Fr), EngineError> {
        let usable = self.rows() - product.tail.len();
        // A factor takes as many products as it has terms, one to be multiplied; an inverse takes three, a running product two.
        let factors = product.numerators.iter().chain(&product.denominators).map(|factor| factor.terms.len() + 1);
        self.counters.products((factors.sum::<usize>() + 6) * usable);
        let mut values = vec![Fr::ZERO; usable];
        let totals = values.par_chunks_mut(BLOCK).enumerate().map(|(block, steps)| {
            self.quotients(block * BLOCK, steps, &product)?;
            Ok::<_, EngineError>(field::running_products(self.instructions(), steps, Fr::ONE))
        });
        let totals = totals.collect::<Result<Vec<Fr>, _>>()?;
        let starts = totals.iter().scan(product.start, |start, total| {
            let here = *start;
            *start *= total;
            Some(here)
        });
        let starts: Vec<Fr> = starts.collect();
        values
            .par_chunks_mut(BLOCK)
            .zip(starts)
            .for_each(|(values, start)| field::scale(self.instructions(), values, start));
        let last = values[usable - 1];
        Ok((Column { tail: product.tail, ..Column::new(Values::Field(values)) }, last))
    }

    /// `Π numerators / Π denominators` in the rows from `first` on.
    fn quotients(
        &self,
        first: usize,
        steps: &mut [Fr],
        product: &GrandProduct<'_, CpuColumn>,
    ) -> Result<(), EngineError> {
        let mut factor = vec![Fr::ZERO; steps.len()];
        steps.fill(Fr::ONE);
        for denominator in &product.denominators {
            self.factor(first, &mut factor, denominator)?;
            field::multiply(self.instructions(), steps, &factor);
        }
        field::batch_invert(self.instructions(), steps);
        for numerator in &product.numerators {
            self.factor(first, &mut factor, numerator)?;
            field::multiply(self.instructions(), steps, &factor);
        }
        Ok(())
    }

    fn factor(&self, first: usize, values: &mut [Fr], factor: &Factor<'_, CpuColumn>) -> Result<(), EngineError> {
        values.fill(factor.constant);
        if factor.identity != Fr::ZERO {
            let points = &self.points[first..first + values.len()];
            field::add_scaled(self.instructions(), values, points, factor.identity);
        }
        self.add_columns(first, values, &factor.terms)
    }
}
