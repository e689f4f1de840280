//! Quantized operators, whose steps and integers are the model's own.

use std::collections::HashSet;

use circuits::graph::ConvGeometry;

use super::Lowering;
use crate::float::graph::{FloatOp, UnaryFunction, ValueId, Window};
use crate::float::quantized::{IntegerRule, Quantizer, Requantization};
use crate::quantize::error::QuantizeError;
use crate::quantize::function::Function;
use crate::quantize::plan::{PlanId, PlanOp};

/// Most operators that move the elements of an input before they are quantized.
const MAX_MOVES: usize = 16;

impl Lowering<'_> {
    /// The quantizer that every reader of an input applies to its elements, perhaps after they were moved, if they agree.
    pub(super) fn quantizer_of(&self, value: ValueId) -> Option<Quantizer> {
        self.quantizer_behind(value, MAX_MOVES)
    }

    fn quantizer_behind(&self, value: ValueId, moves: usize) -> Option<Quantizer> {
        let output = self.uses.is_output(value);
        let quantizers = self.uses.readers(value).iter().map(|&reader| match self.node(reader).op {
            FloatOp::Quantize { quantizer, .. } => Some(quantizer),
            FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { fill: 0.0, .. } => {
                self.quantizer_behind(reader, moves.checked_sub(1)?)
            }
            _ => None,
        });
        let quantizers = quantizers.collect::<Option<Vec<_>>>()?;
        let first = *quantizers.first()?;
        (!output && quantizers.iter().all(|&quantizer| quantizer == first)).then_some(first)
    }

    /// Whether a node holds the integers of an input that has the model's own scale, perhaps moved.
    fn is_quantized_input(&self, id: PlanId) -> bool {
        let mut waiting = vec![id];
        let mut seen = HashSet::new();
        while let Some(next) = waiting.pop() {
            match &self.plan.node(next).op {
                PlanOp::Input { quantizer: Some(_), .. } => {}
                PlanOp::View { sources, .. } => waiting.extend(sources.iter().filter(|&&source| seen.insert(source))),
                _ => return false,
            }
        }
        true
    }

    /// Integers of an input that is given as such, or of a computed real by a table.
    pub(super) fn quantize(
        &mut self,
        value: ValueId,
        input: ValueId,
        quantizer: &Quantizer,
    ) -> Result<PlanId, QuantizeError> {
        let operand = self.data(input)?;
        if self.is_quantized_input(operand) {
            let shape = self.plan.node(operand).shape.clone();
            return Ok(self.integers(value, PlanOp::Quantize { input: operand }, shape));
        }
        let scaled = Function::affine(1.0 / f64::from(quantizer.scale), 0.0);
        let clip = UnaryFunction::Clip { lo: f64::from(quantizer.lo), hi: f64::from(quantizer.hi) };
        let function = Function::unary(clip).after(&Function::unary(UnaryFunction::Round)).after(&scaled);
        Ok(self.map(value, operand, function, self.range(value)))
    }

    pub(super) fn quantized_conv(
        &mut self,
        value: ValueId,
        input: ValueId,
        [weights, bias]: [ValueId; 2],
        window: &Window,
        groups: usize,
        requantization: &Requantization,
    ) -> Result<PlanId, QuantizeError> {
        let integers = |tensor: ValueId| self.graph.constant(tensor).expect("quantized weights are constants");
        let weights: Vec<i32> = integers(weights).data.values().map(|w| w as i32).collect();
        let bias: Vec<i64> = integers(bias).data.iter().map(|&b| b as i64).collect();
        let geometry = ConvGeometry {
            kernel: window.kernel.map(|v| v as u32),
            stride: window.stride.map(|v| v as u32),
            dilation: window.dilation.map(|v| v as u32),
            padding: window.padding.map(|v| v as u32),
            groups: groups as u32,
        };
        let output = self.node(value).shape[1..].to_vec();
        self.per_image(value, input, |lowering, image| {
            let op = PlanOp::QuantizedConv {
                input: image,
                geometry,
                weights: weights.clone(),
                bias: bias.clone(),
                requantization: requantization.clone(),
            };
            Ok(lowering.integers(value, op, output.clone()))
        })
    }

    /// Exact arithmetic of integers.
    pub(super) fn exact_integers(
        &mut self,
        value: ValueId,
        operands: &[ValueId],
        rule: &IntegerRule,
    ) -> Result<PlanId, QuantizeError> {
        if let (IntegerRule::Sum(axes), [input]) = (rule, operands) {
            let rows = self.rows(value, *input, axes)?;
            let shape = vec![self.plan.node(rows).shape[0]];
            return Ok(self.integers(value, PlanOp::Integers { operands: vec![rows], rule: rule.clone() }, shape));
        }
        let first = self.data(operands[0])?;
        let shape = self.plan.node(first).shape.clone();
        let second = self.data(operands[1])?;
        let operands = vec![first, self.plan.reshape(second, shape.clone())];
        Ok(self.integers(value, PlanOp::Integers { operands, rule: rule.clone() }, shape))
    }

    /// A new node of integers that stand for themselves.
    pub(super) fn integers(&mut self, value: ValueId, op: PlanOp, shape: Vec<usize>) -> PlanId {
        let id = self.push(value, op, shape, self.range(value));
        self.plan.nodes[id.0].integer = true;
        id
    }
}
