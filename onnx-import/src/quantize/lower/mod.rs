//! From the float graph to the plan: one rule per operator of the float graph.

mod arithmetic;
mod linear;
mod normalize;
mod pick;
mod pool;
mod quantized;
mod reduce;
mod softmax;
mod top;
mod trees;
mod uses;
mod views;

use std::sync::Arc;

use circuits::graph::ViewElement;

use super::calibrate::Calibration;
use super::error::QuantizeError;
use super::function::Function;
use super::fuse::{Choice, Fusion};
use super::plan::{MapRules, Plan, PlanId, PlanNode, PlanOp, Range};
use super::InputStep;
use crate::float::graph::{Element, FloatGraph, FloatNode, FloatOp, Tensor, UnaryFunction, ValueId};
use crate::float::quantized::Quantizer;
use uses::Uses;

/// Makes the plan of a calibrated graph for activations of `bits` bits; `ranges` are those of the graph's nodes.
///
/// # Errors
/// Operators without an integer form, constants that are not finite.
pub(super) fn lower(
    graph: &FloatGraph,
    calibration: &Calibration,
    ranges: &[Range],
    bits: u32,
) -> Result<Plan, QuantizeError> {
    let mut lowering = Lowering {
        graph,
        calibration,
        ranges,
        fusion: Fusion::of(graph),
        uses: Uses::of(graph),
        bits,
        plan: Plan::default(),
        values: vec![None; graph.nodes.len()],
        inputs: Vec::new(),
    };
    lowering.run()?;
    Ok(lowering.plan)
}

/// Most entries of a view or a kernel that one operator is expanded into.
const MAX_EXPANSION: usize = 1 << 27;

struct Lowering<'a> {
    graph: &'a FloatGraph,
    calibration: &'a Calibration,
    ranges: &'a [Range],
    fusion: Fusion,
    uses: Uses,
    bits: u32,
    plan: Plan,
    /// The plan node of each value that has one, its elements in the value's row-major order.
    values: Vec<Option<PlanId>>,
    /// The input nodes, for constants that need something to stand on.
    inputs: Vec<PlanId>,
}

impl Lowering<'_> {
    fn run(&mut self) -> Result<(), QuantizeError> {
        let needed = self.needed();
        for (index, needed) in needed.into_iter().enumerate() {
            let node = &self.graph.nodes[index];
            let is_input = matches!(node.op, FloatOp::Input(_));
            if (needed || is_input) && !matches!(node.op, FloatOp::Constant(_)) {
                let id = match self.fusion.resolve(ValueId(index)).cloned() {
                    Some(choice) => self.fused(ValueId(index), &choice)?,
                    None => self.primitive(ValueId(index))?,
                };
                self.finish(ValueId(index), id);
            }
        }
        for port in &self.graph.outputs {
            let output = match self.graph.constant(port.value) {
                Some(tensor) => self.constant(port.value, &tensor.clone())?,
                None => self.value(port.value),
            };
            let output = self.integer_where_declared(port.value, output);
            self.plan.outputs.push(output);
        }
        Ok(())
    }

    /// The values that need a plan node of their own.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.graph.nodes.len()];
        self.graph.outputs.iter().for_each(|port| needed[port.value.0] = true);
        for index in (0..self.graph.nodes.len()).rev() {
            if !needed[index] {
                continue;
            }
            let reads = match self.fusion.resolve(ValueId(index)) {
                Some(choice) => vec![choice.root],
                None => self.graph.nodes[index].op.operands(),
            };
            for operand in reads {
                needed[operand.0] = true;
                // A divisor is also reached through the value that its function starts from.
                if let Some(choice) = self.fusion.resolve(operand) {
                    needed[choice.root.0] = true;
                }
            }
        }
        needed
    }

    fn finish(&mut self, value: ValueId, id: PlanId) {
        // Of several values with the same elements the first names the node.
        self.plan.nodes[id.0].origin.get_or_insert(value);
        self.values[value.0] = Some(id);
    }

    fn fused(&mut self, value: ValueId, choice: &Choice) -> Result<PlanId, QuantizeError> {
        let root = self.value(choice.root);
        let node = self.node(value);
        if let (Some((factor, offset)), Element::Real) = (choice.function.as_affine(), node.element) {
            let count = node.elements();
            return self.scaled(value, root, vec![factor; count], vec![offset; count]);
        }
        let function = self.of_whole(value, choice.root, choice.function.clone())?;
        Ok(self.map(value, root, function, self.range(value)))
    }

    fn primitive(&mut self, value: ValueId) -> Result<PlanId, QuantizeError> {
        let graph = self.graph;
        match &graph.node(value).op {
            FloatOp::Input(port) => Ok(self.input(value, *port)),
            FloatOp::Constant(_) => unreachable!("constants are read where they are used"),
            FloatOp::Reshape(_) | FloatOp::Transpose { .. } | FloatOp::Reindex { .. } | FloatOp::Concat { .. } => {
                self.view(value)
            }
            FloatOp::MatMul(a, b) => self.matmul(value, *a, *b),
            FloatOp::Conv { input, weights, bias, window, groups } => {
                self.conv(value, *input, *weights, *bias, window, *groups)
            }
            FloatOp::ConvTranspose { input, weights, bias, window, groups, .. } => {
                self.conv_transpose(value, *input, *weights, *bias, window, *groups)
            }
            FloatOp::MaxPool { input, window } => self.max_pool(value, *input, window),
            FloatOp::AveragePool { input, window, count_padding } => {
                self.average_pool(value, *input, window, *count_padding)
            }
            FloatOp::Unary { input, function: UnaryFunction::IsNan } => {
                let operand = self.data(*input)?;
                let shape = graph.node(value).shape.clone();
                Ok(self.integers(value, PlanOp::Missing { input: operand }, shape))
            }
            // Unfused: the operand is broadcast, or the expression grew too large.
            FloatOp::Unary { input, function } => {
                let operand = self.data(*input)?;
                let function = match graph.constant(*input) {
                    Some(_) => Function::unary(*function),
                    None => self.of_whole(value, *input, Function::unary(*function))?,
                };
                Ok(self.map(value, operand, function, self.range(value)))
            }
            FloatOp::Curve { input, curve } => {
                let operand = self.data(*input)?;
                let function = Function::Curve(Arc::clone(curve), Arc::new(Function::Argument));
                Ok(self.map(value, operand, function, self.range(value)))
            }
            FloatOp::Binary { function, operands } => self.binary(value, *function, *operands),
            FloatOp::Select { condition, then, otherwise } => self.select(value, *condition, *then, *otherwise),
            FloatOp::Reduce { input, kind, axes } => self.reduce(value, *input, *kind, axes),
            FloatOp::ArgExtremum { input, axis, smallest, last } => {
                self.arg_extremum(value, *input, *axis, *smallest, *last)
            }
            FloatOp::TopIndices { input, count, smallest } => self.top_indices(value, *input, *count, *smallest),
            FloatOp::Gather { input, indices, axis } => self.gather(value, *input, *indices, *axis),
            FloatOp::TreeLeaves { input, trees } => self.tree_leaves(value, *input, trees),
            FloatOp::Quantize { input, quantizer } => self.quantize(value, *input, quantizer),
            FloatOp::Dequantize { input, quantizer } => {
                let input = self.data(*input)?;
                let shape = self.plan.node(input).shape.clone();
                let op = PlanOp::Dequantize { input, scale: f64::from(quantizer.scale) };
                Ok(self.push(value, op, shape, self.range(value)))
            }
            FloatOp::QuantizedConv { input, weights, bias, window, groups, requantization } => {
                self.quantized_conv(value, *input, [*weights, *bias], window, *groups, requantization)
            }
            FloatOp::QuantizedAdd { operands, sum } => {
                let operands = [self.data(operands[0])?, self.data(operands[1])?];
                let shape = self.plan.node(operands[0]).shape.clone();
                let operands = [operands[0], self.plan.reshape(operands[1], shape.clone())];
                let op = PlanOp::QuantizedAdd { operands, sum: *sum };
                Ok(self.integers(value, op, shape))
            }
            FloatOp::QuantizedMul { operands, requantization } => {
                let operands = [self.data(operands[0])?, self.data(operands[1])?];
                let shape = self.plan.node(operands[0]).shape.clone();
                let operands = [operands[0], self.plan.reshape(operands[1], shape.clone())];
                let op = PlanOp::QuantizedMul { operands, requantization: requantization.clone() };
                Ok(self.integers(value, op, shape))
            }
            FloatOp::QuantizedPairs { operands, table } => {
                let operands = [self.data(operands[0])?, self.data(operands[1])?];
                let shape = self.plan.node(operands[0]).shape.clone();
                let operands = [operands[0], self.plan.reshape(operands[1], shape.clone())];
                Ok(self.integers(value, PlanOp::QuantizedPairs { operands, table: table.clone() }, shape))
            }
            FloatOp::Integers { operands, rule } => self.exact_integers(value, operands, rule),
            FloatOp::QuantizedMatMul { operands, requantization } => {
                self.quantized_matmul(value, *operands, requantization)
            }
            FloatOp::QuantizedMap { input, table } => {
                let input = self.data(*input)?;
                let shape = self.plan.node(input).shape.clone();
                Ok(self.integers(value, PlanOp::QuantizedMap { input, table: table.clone() }, shape))
            }
            FloatOp::QuantizedConvTranspose { input, weights, bias, window, groups, requantization } => {
                self.quantized_conv_transpose(value, *input, [*weights, *bias], window, *groups, requantization)
            }
            FloatOp::QuantizedNormalize { input, axes, normalization } => {
                self.quantized_normalize(value, *input, axes, normalization)
            }
            FloatOp::QuantizedSoftmax { input, axis, softmax } => {
                let rows = self.rows(value, *input, &[*axis])?;
                let shape = self.plan.node(rows).shape.clone();
                let shares = self.integers(value, PlanOp::QuantizedSoftmax { input: rows, softmax: *softmax }, shape);
                Ok(self.unrolled(value, shares, &self.node(*input).shape.clone(), &[*axis]))
            }
            FloatOp::QuantizedAverage { input, average } => {
                let rows = self.rows(value, *input, &[self.node(*input).shape.len() - 1])?;
                let shape = vec![self.plan.node(rows).shape[0]];
                Ok(self.integers(value, PlanOp::QuantizedAverage { input: rows, average: *average }, shape))
            }
            FloatOp::Softmax { input, axis } => self.softmax(value, *input, *axis, None),
            FloatOp::MaskedSoftmax { input, axis, kept } => self.softmax(value, *input, *axis, Some(kept)),
            FloatOp::GatedSoftmax { input, gate, axis, shared } => {
                self.gated_softmax(value, *input, *gate, *axis, shared.as_deref())
            }
            FloatOp::Normalize { input, axes, centered, epsilon } => {
                self.normalize(value, *input, axes, *centered, *epsilon)
            }
            FloatOp::LogSoftmax { input, axis } => self.log_softmax(value, *input, *axis),
        }
    }

    fn input(&mut self, value: ValueId, port: usize) -> PlanId {
        let node = self.node(value);
        let integer = node.element != Element::Real;
        let mut range = self.calibration.inputs[port].range;
        if let (true, Some(levels)) = (integer, super::calibrate::index_levels(self.graph, port)) {
            range = Range { lo: 0.0, hi: (levels - 1) as f64 };
        } else if let Some((lo, hi)) = self.graph.inputs[port].range {
            range = Range { lo: lo as f64, hi: hi as f64 };
        } else if node.element == Element::Bool {
            range = Range { lo: 0.0, hi: 1.0 };
        } else if integer {
            range = self.calibration.inputs[port].integers();
        }
        let quantizer = self.quantizer_of(value);
        if let Some(Quantizer { scale, lo, hi }) = quantizer {
            range = Range { lo: f64::from(scale) * f64::from(lo), hi: f64::from(scale) * f64::from(hi) };
        }
        if let Some(InputStep { scale, lo, hi }) = self.calibration.inputs[port].given {
            range = Range { lo: scale * lo as f64, hi: scale * hi as f64 };
        }
        let nullable = self.graph.inputs[port].nullable;
        let op = PlanOp::Input { port, quantizer, nullable };
        let id = self.push(value, op, node.shape.clone(), range);
        self.plan.nodes[id.0].integer = integer;
        self.plan.nodes[id.0].names = vec![self.graph.inputs[port].name.clone()];
        self.inputs.push(id);
        id
    }

    /// An output declared as an integer tensor carries the integers themselves.
    fn integer_where_declared(&mut self, value: ValueId, id: PlanId) -> PlanId {
        if self.node(value).element == Element::Real || self.plan.node(id).integer {
            return id;
        }
        self.map(value, id, Function::unary(UnaryFunction::Round), self.range(value))
    }

    // Small helpers of the operator files.

    fn node(&self, value: ValueId) -> &FloatNode {
        self.graph.node(value)
    }

    fn range(&self, value: ValueId) -> Range {
        self.ranges[value.0]
    }

    fn label(&self, value: ValueId) -> String {
        self.node(value).provenance.join("+")
    }

    /// The plan node of a value that depends on an input.
    fn value(&self, value: ValueId) -> PlanId {
        self.values[value.0].expect("values that are read have a plan node")
    }

    /// The plan node of any operand; constants are made into nodes.
    fn data(&mut self, value: ValueId) -> Result<PlanId, QuantizeError> {
        match self.graph.constant(value) {
            Some(tensor) => self.constant(value, &tensor.clone()),
            None => Ok(self.value(value)),
        }
    }

    /// The constant operand `value`, every element finite.
    fn finite_constant(
        &self,
        at: ValueId,
        value: ValueId,
        what: &'static str,
    ) -> Result<Option<Tensor>, QuantizeError> {
        let Some(tensor) = self.graph.constant(value) else { return Ok(None) };
        if tensor.data.is_finite() {
            return Ok(Some(tensor.clone()));
        }
        let value = tensor.data.values().find(|v| !v.is_finite()).expect("not all are");
        Err(QuantizeError::NotFinite { node: self.label(at), what, value })
    }

    fn unsupported<T>(
        &self,
        value: ValueId,
        what: impl Into<String>,
        remedy: &'static str,
    ) -> Result<T, QuantizeError> {
        Err(QuantizeError::Unsupported { node: self.label(value), what: what.into(), remedy })
    }

    /// Refuses to expand an operator into more entries than a compiler should hold.
    fn within_budget(&self, value: ValueId, sizes: &[usize]) -> Result<(), QuantizeError> {
        let total = sizes.iter().try_fold(1usize, |total, &size| total.checked_mul(size));
        if total.is_some_and(|total| total <= MAX_EXPANSION) {
            return Ok(());
        }
        self.unsupported(value, format!("an expansion to {sizes:?} entries"), "use a smaller window, stride or batch")
    }

    /// Operands that a view or a comparison ties to one step: if some are reals, integers among them become reals too, or
    /// all would have the step 1.
    fn alike(&mut self, value: ValueId, operands: Vec<PlanId>) -> Vec<PlanId> {
        if operands.iter().all(|&operand| self.plan.node(operand).integer) {
            return operands;
        }
        // Of the steps that the model gives, at most one can be that of all.
        let steps: Vec<_> = operands.iter().map(|&operand| self.given_step(operand)).collect();
        let several = steps.iter().flatten().any(|step| Some(*step) != steps.iter().flatten().next().copied());
        let real = |operand: PlanId| {
            if !self.plan.node(operand).integer && (!several || self.given_step(operand).is_none()) {
                return operand;
            }
            let PlanNode { shape, range, .. } = self.plan.node(operand).clone();
            let op = PlanOp::Map { input: operand, function: Function::Argument, rules: MapRules::default() };
            self.push(value, op, shape, range)
        };
        operands.into_iter().map(real).collect()
    }

    /// The step that the model gives a real, by its scale.
    fn given_step(&self, mut id: PlanId) -> Option<f64> {
        loop {
            match &self.plan.node(id).op {
                PlanOp::Dequantize { scale, .. } => return Some(*scale),
                PlanOp::Input { quantizer: Some(quantizer), .. } => return Some(f64::from(quantizer.scale)),
                PlanOp::View { sources, .. } => id = sources[0],
                PlanOp::Max { input } => id = *input,
                _ => return None,
            }
        }
    }

    /// A new node with the provenance of `value`.
    fn push(&mut self, value: ValueId, op: PlanOp, shape: Vec<usize>, range: Range) -> PlanId {
        let names = self.node(value).provenance.clone();
        self.plan.push(PlanNode { op, shape, names, range, integer: false, origin: None })
    }

    /// A view of `source` with the provenance of `value`.
    fn view_of(&mut self, value: ValueId, source: PlanId, shape: Vec<usize>, map: Vec<ViewElement>) -> PlanId {
        let id = self.plan.view(source, shape, map);
        self.plan.nodes[id.0].names = self.node(value).provenance.clone();
        id
    }

    /// `function(input)`; integer-valued where the model declares the value an integer or a boolean.
    fn map(&mut self, value: ValueId, input: PlanId, function: Function, range: Range) -> PlanId {
        let shape = self.plan.node(input).shape.clone();
        let integer = self.node(value).element != Element::Real;
        let rules = MapRules { step: integer.then_some(1.0), floor: None };
        let id = self.push(value, PlanOp::Map { input, function, rules }, shape, range);
        self.plan.nodes[id.0].integer = integer;
        id
    }

    /// `factor_i · x_i + offset_i`.
    fn scaled(
        &mut self,
        value: ValueId,
        input: PlanId,
        factors: Vec<f64>,
        offsets: Vec<f64>,
    ) -> Result<PlanId, QuantizeError> {
        if let Some(&value_found) = factors.iter().chain(&offsets).find(|v| !v.is_finite()) {
            return Err(QuantizeError::NotFinite {
                node: self.label(value),
                what: "a constant operand",
                value: value_found,
            });
        }
        let shape = self.plan.node(input).shape.clone();
        let corners = [self.plan.node(input).range.lo, self.plan.node(input).range.hi];
        let ends = factors.iter().zip(&offsets).flat_map(|(f, o)| corners.map(|corner| f * corner + o));
        let bound = ends.fold(Range { lo: f64::INFINITY, hi: f64::NEG_INFINITY }, |range, end| {
            range.union(Range { lo: end, hi: end })
        });
        // The value itself was calibrated; a part of another operator is bounded by its operand.
        let range = if self.node(value).elements() == factors.len() { self.range(value) } else { bound };
        Ok(self.push(value, PlanOp::Scale { input, factors, offsets }, shape, range))
    }

    /// A constant as data: a convolution of anything with zero weights and the values as its bias.
    fn constant(&mut self, value: ValueId, tensor: &Tensor) -> Result<PlanId, QuantizeError> {
        let Some(&input) = self.inputs.first() else {
            return self.unsupported(value, "a model without inputs", "there is nothing to prove about a constant");
        };
        let node = self.graph.node(value);
        if tensor.data.is_empty() {
            return self.unsupported(value, "a tensor without elements", "leave it out of the exported model");
        }
        if let Some(bad) = tensor.data.values().find(|v| !v.is_finite()) {
            return Err(QuantizeError::NotFinite { node: self.label(value), what: "a constant", value: bad });
        }
        let count = tensor.data.len();
        let source = self.plan.view(input, vec![1, 1, 1], vec![super::plan::element(0)]);
        let bias = tensor.data.to_vec();
        let range = bias.iter().fold(Range { lo: bias[0], hi: bias[0] }, |r, &v| r.union(Range { lo: v, hi: v }));
        let op = PlanOp::Linear {
            input: source,
            geometry: circuits::graph::ConvGeometry::POINTWISE,
            weights: vec![0.0; count].into(),
            bias,
        };
        let names = node.provenance.clone();
        let integer = node.element != Element::Real;
        let id = self.plan.push(PlanNode { op, shape: vec![count, 1, 1], names, range, integer: false, origin: None });
        Ok(if integer { self.map(value, id, Function::Argument, range) } else { id })
    }
}

/// Row-major strides of a shape.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// For each element of `shape` in order, the sum of its coordinates times `strides`.
fn walk(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (&size, &stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|&base| (0..size).map(move |i| base + i * stride)).collect();
    }
    offsets
}

/// For each element of `to`, the row-major index of the element of `from` that NumPy broadcasting puts there.
fn broadcast(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    let lead = to.len() - from.len();
    let strides: Vec<_> =
        (0..to.len()).map(|axis| if axis < lead || from[axis - lead] == 1 { 0 } else { own[axis - lead] }).collect();
    walk(to, &strides)
}

fn elements(indices: Vec<usize>) -> Vec<ViewElement> {
    indices.into_iter().map(super::plan::element).collect()
}

fn shared(map: Vec<ViewElement>) -> Arc<[ViewElement]> {
    map.into()
}
