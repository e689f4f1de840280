//! Appends operators to a float graph; those whose operands are all constants are evaluated at once.
//!
//! This is the whole of partial evaluation: operators of ONNX are rewritten into operators of the float graph, and
//! what does not depend on an input never becomes a node. Each folded value is rounded to its ONNX type, so that a
//! chain of float32 arithmetic that ends in an integer (a size, an index) gives the integer that a runtime gets.

use super::float32;
use super::texts::Texts;
use crate::dtype::DType;
use crate::error::NodeError;
use crate::float::evaluate::apply;
use crate::float::float32::Float32Form;
use crate::float::graph::{FloatGraph, FloatNode, FloatOp, FloatPort, Tensor, UnaryFunction, ValueId};
use crate::float::typed::{Bounds, Rule, Step, TypedIntegers};
use crate::parse::tensor::Literal;
use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Most elements of one value.
const MAX_ELEMENTS: u64 = 1 << 28;
/// Multiply-adds that folding may take for a whole model.
const MAX_WORK: u64 = 1 << 33;

/// What a real tensor was dequantized from.
#[derive(Clone, Debug)]
pub(crate) struct Dequantized {
    /// The integers as the model has them.
    pub(crate) raw: ValueId,
    /// The integers, centered.
    pub(crate) centered: ValueId,
    /// One scale, or one for each position of the axis.
    pub(crate) scales: Arc<[f32]>,
    /// The axis that several scales go along.
    pub(crate) axis: usize,
    /// The zero point, where there is one for all.
    pub(crate) zero_point: Option<i32>,
}

/// A matrix product `A·B + C` as a model has it.
#[derive(Clone, Debug)]
pub(crate) struct MatrixProduct {
    /// `A`, `[M, K]`.
    pub(crate) a: ValueId,
    /// `B`, `[K, N]`, or `[N, K]` where it is transposed.
    pub(crate) b: ValueId,
    /// `C`.
    pub(crate) bias: Option<ValueId>,
    /// Whether `B` is transposed.
    pub(crate) transposed: bool,
}

/// What a tensor stands for where scales depend on the data; its own values are those of the model, as reals.
#[derive(Clone, Debug)]
pub(crate) enum Dynamic {
    /// Integers of a scale and a zero point that were computed from the reals which they approximate.
    Integers {
        /// The reals.
        real: ValueId,
        /// The scale.
        scale: ValueId,
        /// The zero point.
        zero_point: ValueId,
    },
    /// Reals over a product of scales.
    Quotient {
        /// The reals.
        real: ValueId,
        /// The scales.
        scales: Vec<ValueId>,
    },
    /// A product of scales and perhaps of a constant.
    Scales {
        /// The scales.
        scales: Vec<ValueId>,
        /// The constant.
        factor: Option<ValueId>,
    },
}

/// What decides whether a value has integers alone.
enum Integrality {
    /// Nothing else: it has, or not.
    Known(bool),
    /// Whether all of these have.
    Of(Vec<ValueId>),
}

/// A float graph under construction.
pub(crate) struct Builder {
    nodes: Vec<FloatNode>,
    dtypes: Vec<DType>,
    dequantized: HashMap<ValueId, Dequantized>,
    products: HashMap<ValueId, MatrixProduct>,
    /// Averages over the planes of channels, as one operator of the model gives them.
    plane_averages: HashSet<ValueId>,
    /// Sums and averages as one operator of the model gives them.
    whole_sums: HashSet<ValueId>,
    /// Dequantized matrices that others are the transposes of.
    transposed: HashMap<ValueId, ValueId>,
    dynamic: HashMap<ValueId, Dynamic>,
    /// What float32 arithmetic has in the place of a real product by dynamic scales.
    exact: HashMap<ValueId, ValueId>,
    /// The reals, scale and zero point of tensors that were quantized to more than 8 bits.
    wide: HashMap<ValueId, (ValueId, f32, i32)>,
    /// Which reals are integers by the way they are computed, as far as that was asked.
    integral: HashMap<ValueId, bool>,
    /// Results of the model's operators that are integers, and whether their operators can leave a type.
    integers: HashMap<ValueId, bool>,
    /// The elements of sequences; the values that name these are empty tensors.
    sequences: HashMap<ValueId, Vec<ValueId>>,
    /// The texts of the model, by number.
    texts: Texts,
    /// How many of those were taken for their reals.
    wide_taken: usize,
    /// The reals that tensors of dynamic scales were taken for.
    approximated: BTreeSet<ValueId>,
    /// How many results of operators that tensors of 16 bits have part in are exact integers, rounded once.
    wide_integers: usize,
    /// Operators on quantized tensors that the runtime computes in float32.
    in_float32: Vec<String>,
    /// Operators between quantized tensors that are computed in reals.
    in_reals: Vec<String>,
    label: String,
    /// Constants that are converted when they are read, and were looked at since the last label.
    looked_at: RefCell<Vec<ValueId>>,
    elements_left: u64,
    elements_limit: u64,
    work_left: u64,
}

impl Builder {
    /// A builder that may materialize that many elements of folded constants, index maps and tables.
    pub(crate) fn new(elements_limit: u64) -> Self {
        Self {
            nodes: vec![],
            dtypes: vec![],
            dequantized: HashMap::new(),
            products: HashMap::new(),
            plane_averages: HashSet::new(),
            whole_sums: HashSet::new(),
            transposed: HashMap::new(),
            dynamic: HashMap::new(),
            exact: HashMap::new(),
            wide: HashMap::new(),
            integral: HashMap::new(),
            integers: HashMap::new(),
            sequences: HashMap::new(),
            texts: Texts::default(),
            wide_taken: 0,
            approximated: BTreeSet::new(),
            wide_integers: 0,
            in_float32: vec![],
            in_reals: vec![],
            label: String::new(),
            looked_at: RefCell::default(),
            elements_left: elements_limit,
            elements_limit,
            work_left: MAX_WORK,
        }
    }

    /// Remembers what a real tensor was dequantized from.
    pub(crate) fn note_dequantized(&mut self, value: ValueId, from: Dequantized) {
        self.dequantized.insert(value, from);
    }

    /// What a real tensor was dequantized from, where it was.
    pub(crate) fn dequantized(&self, value: ValueId) -> Option<&Dequantized> {
        self.dequantized.get(&value)
    }

    /// Remembers that a value is a matrix product.
    pub(crate) fn note_product(&mut self, value: ValueId, product: MatrixProduct) {
        self.products.insert(value, product);
    }

    /// The matrix product that a value is, where it is one.
    pub(crate) fn product(&self, value: ValueId) -> Option<&MatrixProduct> {
        self.products.get(&value)
    }

    /// Remembers that a value is what global average pooling gives.
    pub(crate) fn note_plane_average(&mut self, value: ValueId) {
        self.plane_averages.insert(value);
    }

    /// Whether a value is what global average pooling gives.
    pub(crate) fn is_plane_average(&self, value: ValueId) -> bool {
        self.plane_averages.contains(&value)
    }

    /// Remembers that a value is a sum or average that is an operator of the model by itself.
    pub(crate) fn note_whole_sum(&mut self, value: ValueId) {
        self.whole_sums.insert(value);
    }

    /// Whether a value is a sum or average that is an operator of the model by itself.
    pub(super) fn is_whole_sum(&self, value: ValueId) -> bool {
        self.whole_sums.contains(&value)
    }

    /// Remembers that a value is the transpose of a dequantized matrix.
    pub(crate) fn note_transposed(&mut self, value: ValueId, of: ValueId) {
        self.transposed.insert(value, of);
    }

    /// The dequantized matrix that a value is the transpose of.
    pub(crate) fn transposed_weights(&self, value: ValueId) -> Option<ValueId> {
        self.transposed.get(&value).copied()
    }

    /// Remembers that a tensor of more than 8 bits was quantized from reals.
    pub(crate) fn note_wide(&mut self, value: ValueId, real: ValueId, scale: f32, zero_point: i32) {
        self.wide.insert(value, (real, scale, zero_point));
    }

    /// The reals that a tensor of more than 8 bits was quantized from, with that scale and zero point; counts them.
    pub(crate) fn wide(&mut self, value: ValueId, scale: f32, zero_point: i32) -> Option<ValueId> {
        let &(real, own, zero) = self.wide.get(&value)?;
        let same = (own, zero) == (scale, zero_point);
        self.wide_taken += usize::from(same);
        same.then_some(real)
    }

    /// Remembers what a tensor stands for.
    pub(crate) fn note_dynamic(&mut self, value: ValueId, meaning: Dynamic) {
        self.dynamic.insert(value, meaning);
    }

    /// What a tensor stands for, where dynamic scales are in it.
    pub(crate) fn dynamic(&self, value: ValueId) -> Option<&Dynamic> {
        self.dynamic.get(&value)
    }

    /// Remembers what float32 arithmetic has in the place of a real product by dynamic scales.
    pub(crate) fn note_exact(&mut self, real: ValueId, exact: ValueId) {
        self.exact.insert(real, exact);
    }

    /// What float32 arithmetic has in the place of a value: another one, or the same.
    pub(crate) fn exact(&self, value: ValueId) -> ValueId {
        self.exact.get(&value).copied().unwrap_or(value)
    }

    /// Each tensor of dynamically quantized integers with the reals, the scale and the zero point, in order.
    pub(crate) fn dynamic_integers(&self) -> Vec<[ValueId; 4]> {
        let of = |(&integers, meaning): (&ValueId, &Dynamic)| match *meaning {
            Dynamic::Integers { real, scale, zero_point } => Some([integers, real, scale, zero_point]),
            _ => None,
        };
        let mut found: Vec<_> = self.dynamic.iter().filter_map(of).collect();
        found.sort_unstable();
        found
    }

    /// The model with these ports as far as it is followed in float32 arithmetic, or why it is not; nothing without dynamic scales.
    pub(crate) fn float32(
        &self,
        inputs: &[FloatPort],
        outputs: &[FloatPort],
    ) -> Option<Result<Arc<Float32Form>, String>> {
        if self.approximated.is_empty() {
            return None;
        }
        let reals = FloatGraph {
            name: String::new(),
            source_digest: [0; 32],
            nodes: self.nodes.clone(),
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            remarks: vec![],
            float32: None,
            integers: TypedIntegers::default(),
        };
        Some(float32::form(self, reals).map(Arc::new))
    }

    /// The reals that tensors of dynamic scales were taken for.
    pub(super) fn approximations(&self) -> &BTreeSet<ValueId> {
        &self.approximated
    }

    /// Whether every element of a value is an integer by the way it is computed. Each value is looked at once, however many read it.
    pub(crate) fn is_integral(&mut self, value: ValueId) -> bool {
        let mut waiting = vec![value];
        while let Some(&next) = waiting.last() {
            let found = match self.integrality(next) {
                Integrality::Known(found) => found,
                Integrality::Of(operands) => {
                    let known = waiting.len();
                    waiting.extend(operands.iter().filter(|operand| !self.integral.contains_key(operand)));
                    if waiting.len() > known {
                        continue;
                    }
                    operands.iter().all(|operand| self.integral[operand])
                }
            };
            self.integral.insert(next, found);
            waiting.pop();
        }
        self.integral[&value]
    }

    /// What decides whether a value has integers alone.
    fn integrality(&self, value: ValueId) -> Integrality {
        use UnaryFunction as F;
        if let Some(&found) = self.integral.get(&value) {
            return Integrality::Known(found);
        }
        if !self.dtype(value).is_float() {
            return Integrality::Known(true);
        }
        match self.op(value) {
            FloatOp::Constant(tensor) => Integrality::Known(tensor.data.iter().all(|value| value.fract() == 0.0)),
            FloatOp::Reindex { fill, .. } if fill.fract() != 0.0 => Integrality::Known(false),
            FloatOp::Unary { function: F::Floor | F::Ceil | F::Round | F::Sign | F::Quotient(_), .. } => {
                Integrality::Known(true)
            }
            FloatOp::Reshape(input)
            | FloatOp::Transpose { input, .. }
            | FloatOp::MaxPool { input, .. }
            | FloatOp::Reindex { input, .. }
            | FloatOp::Gather { input, .. }
            | FloatOp::Unary { function: F::Relu | F::Abs | F::Neg, input } => Integrality::Of(vec![*input]),
            FloatOp::Concat { inputs, .. } => Integrality::Of(inputs.clone()),
            _ => Integrality::Known(false),
        }
    }

    /// The label of a node whose dynamic scale, or integers of one, `outputs` still depend on.
    pub(crate) fn dynamic_left(&self, outputs: &[FloatPort]) -> Option<&str> {
        let live = self.live(outputs);
        let is_left = |value: &&ValueId| live[value.0] && self.tensor(**value).is_none();
        let left = self.dynamic.keys().filter(is_left).min()?;
        self.nodes[left.0].provenance.first().map(String::as_str)
    }

    /// Remembers that a value is what an operator of the model gives, which can leave its type or not.
    pub(crate) fn note_integers(&mut self, value: ValueId, wraps: bool) {
        if self.dtype(value).is_integer() {
            self.integers.entry(value).or_insert(wraps);
        }
    }

    /// The integers that `outputs` depend on and that must stay within their types, with what bounds them.
    pub(crate) fn typed_integers(&self, outputs: &[FloatPort]) -> TypedIntegers {
        let live = self.live(outputs);
        let judged = |value: ValueId| {
            let wraps =
                matches!(self.dtype(value), DType::Int32 | DType::Int64) && self.integers.get(&value) == Some(&true);
            wraps && live[value.0] && self.tensor(value).is_none()
        };
        let rule = |value: ValueId| {
            let is_integer = !self.dtype(value).is_float();
            Rule::of(self.op(value), self.elements(value), |operand| self.shape(ValueId(operand)).to_vec(), is_integer)
        };
        let mut rules: HashMap<usize, Rule> = HashMap::new();
        let mut waiting: Vec<usize> = (0..self.nodes.len()).filter(|&value| judged(ValueId(value))).collect();
        while let Some(value) = waiting.pop() {
            if let Entry::Vacant(entry) = rules.entry(value) {
                waiting.extend(entry.insert(rule(ValueId(value))).operands_mut().iter().map(|operand| **operand));
            }
        }
        let mut values: Vec<usize> = rules.keys().copied().collect();
        values.sort_unstable();
        let places: HashMap<usize, usize> = values.iter().enumerate().map(|(place, &value)| (value, place)).collect();
        let step = |&value: &usize| {
            let mut rule = rules.remove(&value).expect("each value has a rule");
            rule.operands_mut().into_iter().for_each(|operand| *operand = places[operand]);
            let (id, dtype) = (ValueId(value), self.dtype(ValueId(value)));
            let ends = dtype.integer_range().map(|(lo, hi)| Bounds { lo, hi });
            let held = ends.filter(|_| self.integers.contains_key(&id) && !judged(id));
            let judged = ends.filter(|_| judged(id)).map(|ends| (self.label_of(id), dtype.name(), ends));
            Step { rule, held, judged }
        };
        TypedIntegers::new(values.iter().map(step).collect())
    }

    /// The node, or the tensor, that a value comes from.
    pub(super) fn label_of(&self, value: ValueId) -> String {
        self.nodes[value.0].provenance.first().cloned().unwrap_or_default()
    }

    /// Whether outputs depend on each value.
    fn live(&self, outputs: &[FloatPort]) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        outputs.iter().for_each(|port| live[port.value.0] = true);
        for index in (0..self.nodes.len()).rev() {
            if live[index] {
                self.nodes[index].op.operands().iter().for_each(|operand| live[operand.0] = true);
            }
        }
        live
    }

    /// Remembers reals that a tensor was taken for which approximates them.
    pub(crate) fn note_approximation(&mut self, real: ValueId) {
        self.approximated.insert(real);
    }

    /// Remembers that the present operator is exact where the runtime rounds sums in float32.
    pub(crate) fn note_float32(&mut self) {
        self.in_float32.push(self.label.clone());
    }

    /// Counts a result of an operator that tensors of 16 bits have part in, in exact integers.
    pub(crate) fn note_wide_integers(&mut self) {
        self.wide_integers += 1;
    }

    /// Remembers that what the present operator quantizes is computed in reals.
    pub(crate) fn note_reals(&mut self) {
        self.in_reals.push(self.label.clone());
    }

    /// The numbers of texts among those of the model, new ones included.
    pub(crate) fn text_numbers<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Vec<f64> {
        texts.into_iter().map(|text| self.texts.number(text)).collect()
    }

    /// In what the graph, which has these outputs, differs from the model by intent.
    pub(crate) fn remarks(&self, outputs: &[FloatPort]) -> Vec<String> {
        let dynamic = format!(
            "{} results of dynamic quantization are computed with the model's integer weights and calibrated scales of \
             activations: close to the runtime's results, not equal to the bit",
            self.approximated.len()
        );
        let wide = format!(
            "{} tensors of 16 bits that are no integer program here are taken as reals with calibrated scales: close to the runtime's results, not \
             equal to the bit",
            self.wide_taken
        );
        let once = format!(
            "{} results that tensors of 16 bits have part in are computed from integers, within a small part of a unit before they are rounded; \
             the runtime adds in float32, so that a result near a tie differs by a unit of its type, a share of a long row by a few",
            self.wide_integers
        );
        let rounded = format!(
            "computed exactly where the runtime rounds sums in float32, and equal but where a result lies within such a rounding of a \
             tie: {}",
            named(&self.in_float32)
        );
        let real = format!(
            "computed in reals between quantized tensors, within about a unit of the runtime's results, not always equal: {}",
            named(&self.in_reals)
        );
        let remarks = [
            (self.approximated.len(), dynamic),
            (self.wide_integers, once),
            (self.wide_taken, wide),
            (self.in_float32.len(), rounded),
            (self.in_reals.len(), real),
        ];
        let remarks = remarks.into_iter().filter(|(count, _)| *count > 0).map(|(_, remark)| remark);
        let texts = outputs.iter().filter(|port| self.dtype(port.value) == DType::Text);
        remarks.chain(texts.map(|port| self.texts.remark(&port.name))).collect()
    }

    /// Names the ONNX node, or the tensor, that what follows comes from. What was read of constants before is dropped.
    pub(crate) fn set_label(&mut self, label: &str) {
        label.clone_into(&mut self.label);
        for value in std::mem::take(self.looked_at.get_mut()) {
            if let FloatOp::Constant(tensor) = &mut self.nodes[value.0].op {
                tensor.data.release();
            }
        }
    }

    /// The nodes.
    pub(crate) fn into_nodes(self) -> Vec<FloatNode> {
        self.nodes
    }

    /// Shape of a value.
    pub(crate) fn shape(&self, value: ValueId) -> &[usize] {
        &self.nodes[value.0].shape
    }

    /// Number of elements of a value.
    pub(crate) fn elements(&self, value: ValueId) -> usize {
        self.nodes[value.0].elements()
    }

    /// Element type of a value.
    pub(crate) fn dtype(&self, value: ValueId) -> DType {
        self.dtypes[value.0]
    }

    /// The operator that defines a value.
    pub(crate) fn op(&self, value: ValueId) -> &FloatOp {
        &self.nodes[value.0].op
    }

    /// The tensor of a value that is a constant.
    pub(crate) fn tensor(&self, value: ValueId) -> Option<&Tensor> {
        match self.op(value) {
            FloatOp::Constant(tensor) => {
                self.note_look(value, tensor);
                Some(tensor)
            }
            _ => None,
        }
    }

    /// Has what is read of a constant dropped at the next label.
    fn note_look(&self, value: ValueId, tensor: &Tensor) {
        let mut looked_at = self.looked_at.borrow_mut();
        if tensor.data.is_narrow() && looked_at.last() != Some(&value) {
            looked_at.push(value);
        }
    }

    /// A constant that the model stores.
    pub(crate) fn literal(&mut self, literal: Literal) -> ValueId {
        let shape = literal.tensor.shape.clone();
        self.push(FloatOp::Constant(literal.tensor), shape, literal.dtype)
    }

    /// A sequence of values. What names it is no tensor: operators on tensors must not get it.
    pub(crate) fn new_sequence(&mut self, elements: Vec<ValueId>) -> Result<ValueId, NodeError> {
        self.materialize(elements.len() as u64)?;
        let name = self.push(FloatOp::Constant(Tensor::new(vec![0], vec![])), vec![0], DType::Float32);
        self.sequences.insert(name, elements);
        Ok(name)
    }

    /// The elements of a value that is a sequence.
    pub(crate) fn sequence(&self, value: ValueId) -> Option<&[ValueId]> {
        self.sequences.get(&value).map(Vec::as_slice)
    }

    /// An input of the model.
    pub(crate) fn input(&mut self, number: usize, shape: Vec<usize>, dtype: DType) -> Result<ValueId, NodeError> {
        bounded(&shape)?;
        Ok(self.push(FloatOp::Input(number), shape, dtype))
    }

    /// A constant made by lowering, rounded to its type.
    pub(crate) fn constant(&mut self, shape: Vec<usize>, data: Vec<f64>, dtype: DType) -> Result<ValueId, NodeError> {
        self.materialize(data.len() as u64)?;
        let held = data.into_iter().map(|value| hold(value, dtype)).collect::<Result<Vec<f64>, _>>()?;
        Ok(self.push(FloatOp::Constant(Tensor::constant(shape.clone(), held)), shape, dtype))
    }

    /// Refuses work that needs more memory for constants and index maps than the model may take.
    pub(crate) fn materialize(&mut self, elements: u64) -> Result<(), NodeError> {
        self.elements_left = self.room_after(elements)?;
        Ok(())
    }

    /// Refuses, before anything is allocated, what [`Builder::materialize`] would refuse.
    pub(crate) fn check_room(&self, elements: u64) -> Result<(), NodeError> {
        self.room_after(elements).map(|_| ())
    }

    fn room_after(&self, elements: u64) -> Result<u64, NodeError> {
        self.elements_left.checked_sub(elements).ok_or(NodeError::TooLarge {
            what: "elements of folded constants, index maps and tables",
            found: (self.elements_limit - self.elements_left).saturating_add(elements),
            limit: self.elements_limit,
        })
    }

    /// Appends an operator, or its value where that is known. The caller has checked that the shapes fit.
    pub(crate) fn emit(&mut self, op: FloatOp, shape: Vec<usize>, dtype: DType) -> Result<ValueId, NodeError> {
        let elements = bounded(&shape)?;
        if elements == 0 {
            return self.constant(shape, vec![], dtype);
        }
        self.materialize(table_entries(&op))?;
        let operands = op.operands();
        if operands.iter().any(|operand| self.tensor(*operand).is_none()) {
            return Ok(self.push(op, shape, dtype));
        }
        self.spend(self.work(&op, elements))?;
        if let FloatOp::Reshape(input) = op {
            // Shares the data.
            let data = self.tensor(input).expect("all operands are constants").data.clone();
            let held = dtype == self.dtype(input) || data.values().all(|value| dtype.hold(value) == Some(value));
            if held {
                return Ok(self.push(FloatOp::Constant(Tensor { shape: shape.clone(), data }), shape, dtype));
            }
        }
        let known = |operand: &ValueId| self.tensor(*operand).expect("all operands are constants").clone();
        let tensors: Vec<Tensor> = operands.iter().map(known).collect();
        let data = apply(&op, &shape, &tensors.iter().collect::<Vec<_>>()).data.to_vec();
        drop(tensors);
        self.constant(shape, data, dtype)
    }

    fn push(&mut self, op: FloatOp, shape: Vec<usize>, dtype: DType) -> ValueId {
        let provenance = vec![self.label.clone()];
        let value = ValueId(self.nodes.len());
        // A clone has what its source was read as.
        if let FloatOp::Constant(tensor) = &op {
            self.note_look(value, tensor);
        }
        self.nodes.push(FloatNode { provenance, op, shape, element: dtype.element() });
        self.dtypes.push(dtype);
        value
    }

    /// Refuses work on constants and tables of which a model has had too much.
    pub(crate) fn spend(&mut self, work: u64) -> Result<(), NodeError> {
        self.work_left = self.work_left.checked_sub(work).ok_or(NodeError::TooLarge {
            what: "multiply-adds to fold constants and evaluations of functions by tables",
            found: MAX_WORK - self.work_left + work,
            limit: MAX_WORK,
        })?;
        Ok(())
    }

    /// About how many element operations it takes to evaluate.
    fn work(&self, op: &FloatOp, elements: u64) -> u64 {
        let per_element: u64 = match op {
            FloatOp::MatMul(a, _) | FloatOp::QuantizedMatMul { operands: [a, _], .. } => {
                self.shape(*a).last().copied().unwrap_or(1) as u64
            }
            FloatOp::Conv { weights, .. } | FloatOp::QuantizedConv { weights, .. } => {
                self.shape(*weights)[1..].iter().product::<usize>() as u64
            }
            FloatOp::ConvTranspose { weights, .. } => {
                let shape = self.shape(*weights);
                (shape[0] * shape[2] * shape[3]) as u64
            }
            FloatOp::MaxPool { window, .. } | FloatOp::AveragePool { window, .. } => {
                (window.kernel[0] as u64).saturating_mul(window.kernel[1] as u64)
            }
            FloatOp::Reduce { input, .. } | FloatOp::ArgExtremum { input, .. } | FloatOp::TopIndices { input, .. } => {
                self.elements(*input) as u64 / elements.max(1) + 1
            }
            _ => 1,
        };
        elements.saturating_mul(per_element)
    }
}

/// The first of some names, and how many there are beside them.
fn named(labels: &[String]) -> String {
    const SHOWN: usize = 4;
    let (shown, more) = labels.split_at(labels.len().min(SHOWN));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!("{}{more}", shown.join(", "))
}

fn bounded(shape: &[usize]) -> Result<u64, NodeError> {
    let elements = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    let found = elements.unwrap_or(u64::MAX);
    // An empty tensor may not hide an absurd size either.
    let largest = shape.iter().map(|&size| size as u64).max().unwrap_or(0);
    if found.max(largest) > MAX_ELEMENTS {
        return Err(NodeError::TooLarge { what: "elements of a value", found, limit: MAX_ELEMENTS });
    }
    Ok(found)
}

fn hold(value: f64, dtype: DType) -> Result<f64, NodeError> {
    dtype.hold(value).ok_or(NodeError::Inexact { value, data_type: dtype.name() })
}

/// How many numbers the tables of an operator hold.
fn table_entries(op: &FloatOp) -> u64 {
    match op {
        FloatOp::QuantizedMap { table, .. } => (table.values.len() + table.reals.len()) as u64,
        FloatOp::QuantizedPairs { table, .. } => table.values.len() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_goes_over_the_constants_that_were_looked_at_since_the_last_one() {
        let mut builder = Builder::new(1 << 20);
        let tensor = Tensor::constant(vec![1 << 20], vec![0.5; 1 << 20]);
        assert!(tensor.data.is_narrow());
        let constant = builder.literal(Literal { tensor, dtype: DType::Float32 });
        builder.set_label("one");
        assert!(builder.looked_at.borrow().is_empty());
        assert_eq!(builder.tensor(constant).map(|tensor| tensor.data[7]), Some(0.5));
        assert_eq!(*builder.looked_at.borrow(), [constant]);
        builder.set_label("another");
        assert!(builder.looked_at.borrow().is_empty());
    }
}
