//! Reshape, transpose, re-indexing, concatenation.

use circuits::graph::ViewElement;

use super::{broadcast, elements, shared, strides, walk, Lowering};
use crate::float::graph::{FloatOp, ValueId};
use crate::quantize::error::QuantizeError;
use crate::quantize::plan::{element, PlanId, PlanOp};

impl Lowering<'_> {
    pub(super) fn view(&mut self, value: ValueId) -> Result<PlanId, QuantizeError> {
        let graph = self.graph;
        let node = graph.node(value);
        match &node.op {
            FloatOp::Reshape(input) => {
                let source = self.data(*input)?;
                let map = (0..node.elements()).map(element).collect();
                Ok(self.view_of(value, source, node.shape.clone(), map))
            }
            FloatOp::Transpose { input, permutation } => {
                let source = self.data(*input)?;
                let own = strides(&graph.node(*input).shape);
                let permuted: Vec<_> = permutation.iter().map(|&axis| own[axis]).collect();
                Ok(self.view_of(value, source, node.shape.clone(), elements(walk(&node.shape, &permuted))))
            }
            FloatOp::Reindex { input, map, fill } => self.reindex(value, *input, map, *fill),
            FloatOp::Concat { inputs, axis } => self.concat(value, inputs, *axis),
            _ => unreachable!("only views come here"),
        }
    }

    fn reindex(
        &mut self,
        value: ValueId,
        input: ValueId,
        map: &[Option<u32>],
        fill: f64,
    ) -> Result<PlanId, QuantizeError> {
        let source = self.data(input)?;
        let shape = self.node(value).shape.clone();
        let entry = |index: &Option<u32>| index.map_or(ViewElement::Zero, |index| element(index as usize));
        let view = self.view_of(value, source, shape, map.iter().map(entry).collect());
        if fill == 0.0 || map.iter().all(Option::is_some) {
            return Ok(view);
        }
        let offsets = map.iter().map(|index| if index.is_some() { 0.0 } else { fill }).collect();
        self.scaled(value, view, vec![1.0; map.len()], offsets)
    }

    fn concat(&mut self, value: ValueId, inputs: &[ValueId], axis: usize) -> Result<PlanId, QuantizeError> {
        let shape = self.node(value).shape.clone();
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let sources = inputs.iter().map(|&input| self.data(input)).collect::<Result<Vec<_>, _>>()?;
        let sources = self.alike(value, sources);
        let rows: Vec<_> = inputs.iter().map(|&input| self.node(input).shape[axis] * inner).collect();
        let mut map = Vec::with_capacity(self.node(value).elements());
        for block in 0..outer {
            for (source, &row) in rows.iter().enumerate() {
                let entry = |i: usize| ViewElement::Element { source: source as u32, index: (block * row + i) as u32 };
                map.extend((0..row).map(entry));
            }
        }
        let integer = sources.iter().all(|&source| self.plan.node(source).integer);
        let range = self.range(value);
        let id = self.push(value, PlanOp::View { sources, map: shared(map) }, shape, range);
        self.plan.nodes[id.0].integer = integer;
        Ok(id)
    }

    /// `operand` broadcast to `shape` under NumPy's rules; itself where nothing changes.
    pub(super) fn broadcast_to(
        &mut self,
        value: ValueId,
        operand: ValueId,
        shape: &[usize],
    ) -> Result<PlanId, QuantizeError> {
        let source = self.data(operand)?;
        let from = self.node(operand).shape.clone();
        if from.iter().product::<usize>() == shape.iter().product::<usize>() {
            return Ok(source);
        }
        Ok(self.view_of(value, source, shape.to_vec(), elements(broadcast(&from, shape))))
    }
}
