//! Reductions over axes and the index of an extremum.

use super::linear::product_range;
use super::{elements, strides, walk, Lowering};
use crate::float::graph::{ReduceKind, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{element, PlanId, PlanOp, Range};

/// Most factors of a product over an axis.
const MAX_FACTORS: usize = 64;

impl Lowering<'_> {
    pub(super) fn reduce(
        &mut self,
        value: ValueId,
        input: ValueId,
        kind: ReduceKind,
        axes: &[usize],
    ) -> Result<PlanId, QuantizeError> {
        let rows = self.rows(value, input, axes)?;
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        let range = self.range(value);
        let sum = |factor: f64| PlanOp::Sum { input: rows, factor, exact: false };
        match kind {
            _ if size == 1 => Ok(rows),
            ReduceKind::Sum => Ok(self.push(value, sum(1.0), vec![count], range)),
            ReduceKind::Mean => Ok(self.push(value, sum(1.0 / size as f64), vec![count], range)),
            ReduceKind::Max => Ok(self.maximum(value, rows, range)),
            ReduceKind::Min => {
                let negated = self.negated(value, rows);
                let largest = self.maximum(value, negated, Range { lo: -range.hi, hi: -range.lo });
                Ok(self.negated(value, largest))
            }
            ReduceKind::Product if size <= MAX_FACTORS => Ok(self.row_products(value, rows, count, size)),
            ReduceKind::Product => self.unsupported(value, format!("a product of {size} factors"), "use at most 64"),
        }
    }

    pub(super) fn maximum(&mut self, value: ValueId, rows: PlanId, range: Range) -> PlanId {
        let node = self.plan.node(rows);
        let (shape, integer) = (node.shape[..node.shape.len() - 1].to_vec(), node.integer);
        let id = self.push(value, PlanOp::Max { input: rows }, shape, range);
        self.plan.nodes[id.0].integer = integer;
        id
    }

    fn row_products(&mut self, value: ValueId, rows: PlanId, count: usize, size: usize) -> PlanId {
        let column = |lowering: &mut Self, j: usize| {
            let map = (0..count).map(|i| element(i * size + j)).collect();
            lowering.view_of(value, rows, vec![count], map)
        };
        let mut product = column(self, 0);
        for j in 1..size {
            let factor = column(self, j);
            let partial = product_range(self.plan.node(product).range, self.plan.node(factor).range);
            let range = if j + 1 == size { self.range(value) } else { partial };
            product = self.product(value, [product, factor], range);
        }
        product
    }

    pub(super) fn arg_extremum(
        &mut self,
        value: ValueId,
        input: ValueId,
        axis: usize,
        smallest: bool,
        last: bool,
    ) -> Result<PlanId, QuantizeError> {
        let mut rows = self.rows(value, input, &[axis])?;
        let [count, size] = self.plan.node(rows).shape[..] else { unreachable!("rows have two axes") };
        if smallest {
            // The result is an index, the operand need not be.
            rows = self.negated(value, rows);
        }
        if last {
            let map = (0..count * size).map(|i| element(i / size * size + size - 1 - i % size)).collect();
            rows = self.view_of(value, rows, vec![count, size], map);
        }
        let range = Range { lo: 0.0, hi: (size - 1) as f64 };
        let mut index = self.push(value, PlanOp::ArgMax { input: rows }, vec![count], range);
        self.plan.nodes[index.0].integer = true;
        if last {
            index = self.combine(value, [index, index], [-1.0, 0.0], range, true);
            let node = &mut self.plan.nodes[index.0];
            node.integer = true;
            if let PlanOp::Combine { constant, .. } = &mut node.op {
                *constant = (size - 1) as f64;
            }
        }
        Ok(index)
    }

    /// `input` as `[rest, reduced]`: the reduced axes last, in order.
    pub(super) fn rows(&mut self, value: ValueId, input: ValueId, axes: &[usize]) -> Result<PlanId, QuantizeError> {
        let source = self.data(input)?;
        let shape = self.node(input).shape.clone();
        let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
        let order: Vec<_> = kept.chain(axes.iter().copied()).collect();
        let size: usize = axes.iter().map(|&axis| shape[axis]).product();
        let rows = vec![shape.iter().product::<usize>() / size, size];
        Ok(self.permuted(value, source, &shape, &order, rows))
    }

    /// For each element of [`Lowering::rows`] its position in a tensor of that shape.
    pub(super) fn row_order(&self, shape: &[usize], axes: &[usize]) -> Vec<usize> {
        let own = strides(shape);
        let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
        let order: Vec<_> = kept.chain(axes.iter().copied()).collect();
        let sizes: Vec<_> = order.iter().map(|&axis| shape[axis]).collect();
        walk(&sizes, &order.iter().map(|&axis| own[axis]).collect::<Vec<_>>())
    }

    /// Rows as [`Lowering::rows`] makes them, put back to the shape that they were made of.
    pub(super) fn unrolled(&mut self, value: ValueId, rows: PlanId, shape: &[usize], axes: &[usize]) -> PlanId {
        let moved: Vec<_> = (0..shape.len()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect();
        let sizes: Vec<_> = moved.iter().map(|&axis| shape[axis]).collect();
        let position = |axis| moved.iter().position(|&m| m == axis).expect("a permutation");
        let order: Vec<_> = (0..shape.len()).map(position).collect();
        self.permuted(value, rows, &sizes, &order, shape.to_vec())
    }

    /// `source` of shape `shape` with its axes in `order`, under the shape `to`.
    pub(super) fn permuted(
        &mut self,
        value: ValueId,
        source: PlanId,
        shape: &[usize],
        order: &[usize],
        to: Vec<usize>,
    ) -> PlanId {
        let own = strides(shape);
        let sizes: Vec<_> = order.iter().map(|&axis| shape[axis]).collect();
        let steps: Vec<_> = order.iter().map(|&axis| own[axis]).collect();
        let map = walk(&sizes, &steps);
        if map.iter().enumerate().all(|(i, &j)| i == j) {
            return self.plan.reshape(source, to);
        }
        self.view_of(value, source, to, elements(map))
    }
}
