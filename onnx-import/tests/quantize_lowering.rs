//! Every lowering against the float evaluator: small graphs with random weights, compiled at several widths and run on the
//! samples they were calibrated on; the outputs differ by a few steps at most.

use std::sync::Arc;

use circuits::analysis::ranges;
use circuits::graph::{Op, PortKind, ViewElement, Visibility};
use circuits::layout::{self, LayoutOptions};
use circuits::reference;
use onnx_import::accuracy::worst_nodes;
use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::{
    BinaryFunction, Element, FloatGraph, FloatNode, FloatOp, FloatPort, ReduceKind, Tensor, UnaryFunction, ValueId,
    Window,
};
use onnx_import::float::trees::{Branch, Child, Test, Trees};
use onnx_import::quantize::{
    compile, compile_like, dequantize_outputs, quantize_inputs, Bits, Compiled, InputError, QuantizeError,
    QuantizeOptions,
};
use onnx_import::samples::{InputSpec, Samples};
use proptest::prelude::*;

const SAMPLES: usize = 24;

/// Reproducible numbers in [−1, 1].
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>();
        Tensor::new(shape.to_vec(), (0..count).map(|_| self.next()).collect())
    }
}

/// Builds graphs whose shapes the caller states.
struct Builder {
    graph: FloatGraph,
    numbers: Numbers,
}

impl Builder {
    fn new() -> Self {
        let graph = FloatGraph {
            name: "test".into(),
            source_digest: [0; 32],
            nodes: vec![],
            inputs: vec![],
            outputs: vec![],
            remarks: vec![],
            float32: None,
            integers: Default::default(),
        };
        Self { graph, numbers: Numbers(7) }
    }

    fn node(&mut self, op: FloatOp, shape: &[usize], element: Element) -> ValueId {
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(FloatNode { provenance: vec![name], op, shape: shape.to_vec(), element });
        ValueId(self.graph.nodes.len() - 1)
    }

    fn real(&mut self, op: FloatOp, shape: &[usize]) -> ValueId {
        self.node(op, shape, Element::Real)
    }

    fn input(&mut self, shape: &[usize], element: Element) -> ValueId {
        let number = self.graph.inputs.len();
        let value = self.node(FloatOp::Input(number), shape, element);
        self.graph.inputs.push(FloatPort { name: format!("x{number}"), value, range: None, nullable: false });
        value
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let shape = tensor.shape.clone();
        self.real(FloatOp::Constant(tensor), &shape)
    }

    fn random(&mut self, shape: &[usize]) -> ValueId {
        let tensor = self.numbers.tensor(shape);
        self.constant(tensor)
    }

    fn unary(&mut self, input: ValueId, function: UnaryFunction) -> ValueId {
        let shape = self.graph.nodes[input.0].shape.clone();
        self.real(FloatOp::Unary { input, function }, &shape)
    }

    fn binary(&mut self, function: BinaryFunction, operands: [ValueId; 2], shape: &[usize]) -> ValueId {
        self.real(FloatOp::Binary { function, operands }, shape)
    }

    /// A dense layer `[1, inputs] → [1, outputs]`.
    fn dense(&mut self, input: ValueId, inputs: usize, outputs: usize) -> ValueId {
        let weights = self.random(&[inputs, outputs]);
        let product = self.real(FloatOp::MatMul(input, weights), &[1, outputs]);
        let bias = self.random(&[outputs]);
        self.binary(BinaryFunction::Add, [product, bias], &[1, outputs])
    }

    fn output(&mut self, value: ValueId) {
        let name = format!("y{}", self.graph.outputs.len());
        self.graph.outputs.push(FloatPort { name, value, range: None, nullable: false });
    }

    fn finish(mut self, output: ValueId) -> FloatGraph {
        self.output(output);
        self.graph
    }
}

fn samples(graph: &FloatGraph) -> Samples {
    let mut numbers = Numbers(99);
    let batches = InputSpec::of_graph(graph).into_iter().map(|spec| {
        let tensor = numbers.tensor(&[&[SAMPLES], &spec.shape[..]].concat());
        if !spec.integer {
            return tensor;
        }
        let data = tensor.data.iter().map(|v| ((v + 1.0) * 2.0).floor().min(3.0)).collect();
        Tensor::new(tensor.shape, data)
    });
    Samples::from_batches(batches.collect())
}

fn compile_on(graph: &FloatGraph, samples: &Samples, bits: u32) -> Compiled {
    let options = QuantizeOptions { bits: Bits::Fixed(bits), ..QuantizeOptions::default() };
    compile(graph, Some(samples), &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Largest difference of any output on any sample, as a part of the output's range.
fn error_of(graph: &FloatGraph, compiled: &Compiled, samples: &Samples) -> f64 {
    let specs = InputSpec::of_graph(graph);
    let outputs = graph.outputs.len();
    let (mut difference, mut lo, mut hi) = (vec![0f64; outputs], vec![f64::MAX; outputs], vec![f64::MIN; outputs]);
    for sample in 0..samples.count(&specs).unwrap() {
        let inputs = samples.inputs(&specs, sample).unwrap();
        let float = evaluate_outputs(graph, &inputs).unwrap();
        let quantized = quantize_inputs(&compiled.program, &inputs).unwrap();
        assert_eq!(quantized.clamped, 0, "calibration samples are within range");
        let trace = reference::run(&compiled.program, &quantized.values).unwrap();
        let integer = dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program));
        for (j, (a, b)) in float.iter().zip(&integer).enumerate() {
            assert_eq!(a.shape, b.shape);
            for (a, b) in a.data.iter().zip(b.data.iter()) {
                difference[j] = difference[j].max((a - b).abs());
                (lo[j], hi[j]) = (lo[j].min(*a), hi[j].max(*a));
            }
        }
    }
    let relative = |j: usize| difference[j] / (hi[j] - lo[j]).max(lo[j].abs()).max(1e-9);
    (0..outputs).map(relative).fold(0.0, f64::max)
}

/// Compiles at several widths, checks the outputs, and hands the program of 8 bits back, in which functions have their tables.
fn check(graph: &FloatGraph) -> Compiled {
    let samples = samples(graph);
    let at = |bits: u32, tolerance: f64| {
        let compiled = compile_on(graph, &samples, bits);
        ranges(&compiled.program).unwrap_or_else(|error| panic!("{error}"));
        let error = error_of(graph, &compiled, &samples);
        assert!(error < tolerance, "with {bits} bits the outputs are off by {error} of their range");
        compiled
    };
    at(15, 0.003);
    at(12, 0.006);
    at(8, 0.09)
}

fn count(compiled: &Compiled, wanted: fn(&Op) -> bool) -> usize {
    compiled.program.nodes.iter().filter(|node| wanted(&node.op)).count()
}

fn relu(b: &mut Builder, x: ValueId) -> ValueId {
    b.unary(x, UnaryFunction::Relu)
}

#[test]
fn dense_layers_end_in_the_exact_accumulator() {
    let mut b = Builder::new();
    let x = b.input(&[1, 8], Element::Real);
    let hidden = b.dense(x, 8, 16);
    let hidden = relu(&mut b, hidden);
    let y = b.dense(hidden, 16, 3);
    let compiled = check(&b.finish(y));
    // Bias and activation are part of the convolutions.
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 2);
    assert_eq!(compiled.program.nodes.len(), 3);
    assert!(matches!(compiled.program.nodes[2].op, Op::Conv { requantize: None, .. }));
    assert_eq!(compiled.program.tables.len(), 1);
}

#[test]
fn matrix_products_of_every_form() {
    for (left, right, out, constant_left) in [
        (vec![5, 4], vec![4, 3], vec![5, 3], false),
        (vec![4], vec![4, 3], vec![3], false),
        (vec![2, 5, 4], vec![4], vec![2, 5], false),
        (vec![3, 4], vec![4, 6], vec![3, 6], true),
        (vec![3, 4], vec![2, 4, 6], vec![2, 3, 6], true),
        (vec![2, 3, 4], vec![2, 4, 6], vec![2, 3, 6], true),
        (vec![2, 1, 3, 4], vec![3, 4, 2], vec![2, 3, 3, 2], true),
        (vec![2, 3, 4], vec![4, 2], vec![2, 3, 2], true),
        (vec![2, 3, 4], vec![2, 4, 5], vec![2, 3, 5], false),
        (vec![3, 4], vec![2, 4, 5], vec![2, 3, 5], false),
    ] {
        let mut b = Builder::new();
        let (a, c) = if constant_left {
            let weights = b.random(&left);
            (weights, b.input(&right, Element::Real))
        } else {
            let x = b.input(&left, Element::Real);
            (x, b.random(&right))
        };
        let y = b.real(FloatOp::MatMul(a, c), &out);
        let y = relu(&mut b, y);
        check(&b.finish(y));
    }
}

/// `steps` steps of `h' = tanh(x·W + h·R + b)` over the rows of an input, the state zero at first.
fn recurrence(steps: usize) -> FloatGraph {
    const INPUTS: usize = 3;
    const HIDDEN: usize = 5;
    let mut b = Builder::new();
    let x = b.input(&[steps, INPUTS], Element::Real);
    let (weights, recurrent) = (b.random(&[INPUTS, HIDDEN]), b.random(&[HIDDEN, HIDDEN]));
    let bias = b.random(&[HIDDEN]);
    let mut state: Option<ValueId> = None;
    for step in 0..steps {
        let map = (0..INPUTS).map(|i| Some((step * INPUTS + i) as u32)).collect();
        let row = b.real(FloatOp::Reindex { input: x, map, fill: 0.0 }, &[1, INPUTS]);
        let own = b.real(FloatOp::MatMul(row, weights), &[1, HIDDEN]);
        let own = b.binary(BinaryFunction::Add, [own, bias], &[1, HIDDEN]);
        let sum = match state {
            None => own,
            Some(state) => {
                let other = b.real(FloatOp::MatMul(state, recurrent), &[1, HIDDEN]);
                b.binary(BinaryFunction::Add, [own, other], &[1, HIDDEN])
            }
        };
        state = Some(b.unary(sum, UnaryFunction::Tanh));
    }
    b.finish(state.expect("there are steps"))
}

#[test]
fn steps_of_a_recurrence_have_the_same_integer_weights() {
    let compiled = check(&recurrence(6));
    // One layer per step, of input and state, with the function in its requantization.
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 6);
    assert_eq!(count(&compiled, |op| matches!(op, Op::Affine { .. } | Op::Lookup { .. })), 0);
    assert_eq!(compiled.program.tables.len(), 1);
    let layers = compiled.program.nodes.iter().filter_map(|node| match &node.op {
        Op::Conv { weights, bias, requantize, .. } => Some((weights, bias, requantize)),
        _ => None,
    });
    let layers: Vec<_> = layers.collect();
    assert!(layers[1..].iter().all(|layer| *layer == layers[1]));
    // The first step has the part of the input.
    let columns = |layer: usize, width: usize| (0..15).map(move |i| (layer, i / 3 * width + i % 3));
    let value = |(layer, index): (usize, usize)| layers[layer].0.get(index);
    assert!(columns(0, 3).map(value).eq(columns(1, 8).map(value)));
    assert_eq!(layers[0].1, layers[1].1);
}

#[test]
fn long_recurrences_compile() {
    let graph = recurrence(1000);
    let compiled = compile_on(&graph, &samples(&graph), 8);
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 1000);
    assert_eq!(compiled.program.tables.len(), 1);
}

/// Sums of sums that nobody else reads are not rounded on the way, though not at any depth; factors of factors become one, with the names
/// of the last ones.
#[test]
fn long_chains_compile() {
    const LENGTH: usize = 20_000;
    let chain = |next: &dyn Fn(&mut Builder, ValueId, ValueId) -> ValueId| {
        let mut b = Builder::new();
        let (x, y) = (b.input(&[1, 2], Element::Real), b.input(&[1, 2], Element::Real));
        let sum = (0..LENGTH).fold(x, |sum, _| next(&mut b, sum, y));
        b.output(y);
        let graph = b.finish(sum);
        compile_on(&graph, &samples(&graph), 8)
    };
    chain(&|b, sum, y| b.binary(BinaryFunction::Add, [sum, y], &[1, 2]));
    let compiled = chain(&|b, sum, _| {
        let little = b.constant(Tensor::new(vec![1, 2], vec![1e-4, 2e-4]));
        b.binary(BinaryFunction::Add, [sum, little], &[1, 2])
    });
    assert!(compiled.program.nodes.iter().all(|node| node.name.len() < 64 * 16));
}

#[test]
fn operands_of_one_layer_need_no_common_scale() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let small = b.dense(x, 4, 4);
    let small = b.unary(small, UnaryFunction::Tanh);
    let weights = b.numbers.tensor(&[4, 4]).data.iter().map(|weight| 4000.0 * weight).collect();
    let weights = b.constant(Tensor::new(vec![4, 4], weights));
    let large = b.real(FloatOp::MatMul(x, weights), &[1, 4]);
    let large = relu(&mut b, large);
    let both = b.real(FloatOp::Concat { inputs: vec![small, large], axis: 1 }, &[1, 8]);
    let mut weights = b.numbers.tensor(&[8, 3]).data.to_vec();
    weights[12..].iter_mut().for_each(|weight| *weight /= 4000.0);
    let weights = b.constant(Tensor::new(vec![8, 3], weights));
    let y = b.real(FloatOp::MatMul(both, weights), &[1, 3]);
    check(&b.finish(y));
}

#[test]
fn product_of_two_data_matrices() {
    let mut b = Builder::new();
    let x = b.input(&[2, 3, 4], Element::Real);
    let z = b.input(&[2, 4, 5], Element::Real);
    let y = b.real(FloatOp::MatMul(x, z), &[2, 3, 5]);
    let y = b.unary(y, UnaryFunction::Tanh);
    let compiled = check(&b.finish(y));
    assert_eq!(count(&compiled, |op| matches!(op, Op::MatMul { requantize: Some(_), .. })), 1, "the function joins it");
    assert_eq!(compiled.program.nodes.len(), 3);
}

/// Stacks, and stacks of one matrix for all, rows and columns.
#[test]
fn products_of_data_matrices_of_every_form() {
    for (left, right, out) in [
        (vec![3, 4], vec![4, 5], vec![3, 5]),
        (vec![4], vec![4, 3], vec![3]),
        (vec![5, 4], vec![4], vec![5]),
        (vec![2, 1, 3, 4], vec![3, 4, 2], vec![2, 3, 3, 2]),
        (vec![3, 4], vec![2, 4, 5], vec![2, 3, 5]),
    ] {
        let mut b = Builder::new();
        let x = b.input(&left, Element::Real);
        let z = b.input(&right, Element::Real);
        let y = b.real(FloatOp::MatMul(x, z), &out);
        let compiled = check(&b.finish(y));
        assert_eq!(count(&compiled, |op| matches!(op, Op::MatMul { requantize: None, .. })), 1);
    }
}

/// Attention of two heads: no multiplication takes a cell of its own but those of the softmax, and the scale of the scores
/// takes nothing.
#[test]
fn attention() {
    let (tokens, heads, size) = (4, 2, 3);
    for scale_operand in [false, true] {
        let mut b = Builder::new();
        let x = b.input(&[tokens, heads * size], Element::Real);
        let projected = |b: &mut Builder, axes: [usize; 3], shape: [usize; 3]| {
            let weights = b.random(&[heads * size, heads * size]);
            let y = b.real(FloatOp::MatMul(x, weights), &[tokens, heads * size]);
            let y = b.real(FloatOp::Reshape(y), &[tokens, heads, size]);
            b.real(FloatOp::Transpose { input: y, permutation: axes.to_vec() }, &shape)
        };
        let mut queries = projected(&mut b, [1, 0, 2], [heads, tokens, size]);
        let keys = projected(&mut b, [1, 2, 0], [heads, size, tokens]);
        let values = projected(&mut b, [1, 0, 2], [heads, tokens, size]);
        let scale = b.constant(Tensor::new(vec![1], vec![0.6]));
        let scaled =
            |b: &mut Builder, value: ValueId, shape: &[usize]| b.binary(BinaryFunction::Mul, [value, scale], shape);
        if scale_operand {
            queries = scaled(&mut b, queries, &[heads, tokens, size]);
        }
        let mut scores = b.real(FloatOp::MatMul(queries, keys), &[heads, tokens, tokens]);
        if !scale_operand {
            scores = scaled(&mut b, scores, &[heads, tokens, tokens]);
        }
        let weights = b.real(FloatOp::Softmax { input: scores, axis: 2 }, &[heads, tokens, tokens]);
        let mixed = b.real(FloatOp::MatMul(weights, values), &[heads, tokens, size]);
        let mixed = b.real(FloatOp::Transpose { input: mixed, permutation: vec![1, 0, 2] }, &[tokens, heads, size]);
        let mixed = b.real(FloatOp::Reshape(mixed), &[tokens, heads * size]);
        let back = b.random(&[heads * size, heads * size]);
        let y = b.real(FloatOp::MatMul(mixed, back), &[tokens, heads * size]);
        let compiled = check(&b.finish(y));
        assert_eq!(count(&compiled, |op| matches!(op, Op::MatMul { .. })), 2);
        assert_eq!(
            count(&compiled, |op| matches!(op, Op::Conv { .. })),
            5,
            "four projections, and the sums of the softmax"
        );
        assert_eq!(count(&compiled, |op| matches!(op, Op::Product { .. })), 1, "that of the softmax");
        assert_eq!(count(&compiled, |op| matches!(op, Op::Lookup { .. })), 0);
    }
}

fn window() -> impl Strategy<Value = Window> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    (pair(1..4), pair(1..4), pair(1..3), [0usize..3, 0usize..3, 0usize..3, 0usize..3])
        .prop_map(|(kernel, stride, dilation, padding)| Window { kernel, stride, dilation, padding })
}

fn pooled(window: &Window, size: [usize; 2]) -> Option<[usize; 2]> {
    let axis = |axis: usize| {
        let padded = size[axis] + window.padding[axis] + window.padding[axis + 2];
        let reach = window.dilation[axis] * (window.kernel[axis] - 1) + 1;
        padded.checked_sub(reach).map(|rest| rest / window.stride[axis] + 1)
    };
    Some([axis(0)?, axis(1)?])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions(window in window(), groups in 1usize..3, size in [4usize..7, 4usize..7], batch in 1usize..3) {
        let Some(out) = pooled(&window, size) else { return Ok(()) };
        let mut b = Builder::new();
        let input = b.input(&[batch, 2 * groups, size[0], size[1]], Element::Real);
        let weights = b.random(&[3 * groups, 2, window.kernel[0], window.kernel[1]]);
        let bias = Some(b.random(&[3 * groups]));
        let op = FloatOp::Conv { input, weights, bias, window, groups };
        let y = b.real(op, &[batch, 3 * groups, out[0], out[1]]);
        let y = relu(&mut b, y);
        check(&b.finish(y));
    }

    #[test]
    fn transposed_convolutions(
        kernel in [1usize..5, 1usize..5], stride in [1usize..4, 1usize..4], dilation in [1usize..3, 1usize..3],
        padding in [0usize..2, 0usize..2, 0usize..2, 0usize..2], extra in [0usize..2, 0usize..2], groups in 1usize..3,
    ) {
        let window = Window { kernel, stride, dilation, padding };
        let extra = [extra[0].min(stride[0] - 1), extra[1].min(stride[1] - 1)];
        let size = [3usize, 4];
        let axis = |i: usize| {
            let full = stride[i] * (size[i] - 1) + extra[i] + dilation[i] * (kernel[i] - 1) + 1;
            full.checked_sub(padding[i] + padding[i + 2]).filter(|&n| n > 0)
        };
        let (Some(height), Some(width)) = (axis(0), axis(1)) else { return Ok(()) };
        let mut b = Builder::new();
        let input = b.input(&[1, 2 * groups, size[0], size[1]], Element::Real);
        let weights = b.random(&[2 * groups, 3, kernel[0], kernel[1]]);
        let bias = Some(b.random(&[3 * groups]));
        let op = FloatOp::ConvTranspose { input, weights, bias, window, output_padding: extra, groups };
        let y = b.real(op, &[1, 3 * groups, height, width]);
        let y = relu(&mut b, y);
        check(&b.finish(y));
    }

    #[test]
    fn pools(window in window(), count_padding in any::<bool>(), size in [4usize..7, 4usize..7]) {
        // A pooling pads less than its kernel reaches, so that each window reads something.
        let mut window = window;
        for i in 0..4 {
            window.padding[i] = window.padding[i].min(window.kernel[i % 2] / 2);
        }
        window.dilation = [1, 1];
        let Some(out) = pooled(&window, size) else { return Ok(()) };
        for largest in [false, true] {
            let mut b = Builder::new();
            let input = b.input(&[1, 2, size[0], size[1]], Element::Real);
            let op = match largest {
                true => FloatOp::MaxPool { input, window },
                false => FloatOp::AveragePool { input, window, count_padding },
            };
            let y = b.real(op, &[1, 2, out[0], out[1]]);
            let y = b.unary(y, UnaryFunction::Sigmoid);
            check(&b.finish(y));
        }
    }

    #[test]
    fn reductions(axes in proptest::sample::subsequence(vec![0usize, 1, 2], 1..=3), kind in 0usize..5) {
        let kind = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min, ReduceKind::Product][kind];
        let shape = [2, 3, 2];
        let mut b = Builder::new();
        let x = b.input(&shape, Element::Real);
        let x = b.unary(x, UnaryFunction::Affine { factor: 0.5, offset: 1.0 });
        let kept: Vec<_> = (0..3).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect();
        let y = b.real(FloatOp::Reduce { input: x, kind, axes }, &kept);
        let graph = b.finish(y);
        let samples = samples(&graph);
        let error = error_of(&graph, &compile_on(&graph, &samples, 12), &samples);
        // Each factor of a product is rounded.
        prop_assert!(error < if kind == ReduceKind::Product { 0.03 } else { 0.006 }, "{kind:?}: {error}");
    }
}

#[test]
fn functions_of_one_value_become_one_table() {
    let functions = [
        UnaryFunction::Relu,
        UnaryFunction::LeakyRelu(0.1),
        UnaryFunction::Elu(1.0),
        UnaryFunction::Selu { alpha: 1.67, gamma: 1.05 },
        UnaryFunction::Sigmoid,
        UnaryFunction::Tanh,
        UnaryFunction::Softplus,
        UnaryFunction::Softsign,
        UnaryFunction::HardSigmoid { alpha: 0.2, beta: 0.5 },
        UnaryFunction::HardSwish,
        UnaryFunction::Gelu,
        UnaryFunction::GeluTanh,
        UnaryFunction::Erf,
        UnaryFunction::Exp,
        UnaryFunction::Abs,
        UnaryFunction::Neg,
        UnaryFunction::Sin,
        UnaryFunction::Cos,
        UnaryFunction::Clip { lo: -0.5, hi: 1.0 },
        UnaryFunction::Power(2.0),
    ];
    for function in functions {
        let mut b = Builder::new();
        let x = b.input(&[1, 6], Element::Real);
        let y = b.dense(x, 6, 9);
        let y = b.unary(y, function);
        let compiled = check(&b.finish(y));
        assert_eq!(count(&compiled, |op| matches!(op, Op::Lookup { .. })), 0, "{function:?} joins the dense layer");
    }
}

#[test]
fn networks_of_elementwise_nodes_become_one_table() {
    // GELU by erf: 0.5·x·(1 + erf(x/√2)), five nodes; and softsign as x / (1 + |x|).
    let mut b = Builder::new();
    let x = b.input(&[1, 6], Element::Real);
    let x = b.dense(x, 6, 9);
    let root = b.constant(Tensor::scalar(2f64.sqrt()));
    let scaled = b.binary(BinaryFunction::Div, [x, root], &[1, 9]);
    let erf = b.unary(scaled, UnaryFunction::Erf);
    let one = b.constant(Tensor::scalar(1.0));
    let shifted = b.binary(BinaryFunction::Add, [erf, one], &[1, 9]);
    let product = b.binary(BinaryFunction::Mul, [x, shifted], &[1, 9]);
    let half = b.constant(Tensor::scalar(0.5));
    let gelu = b.binary(BinaryFunction::Mul, [product, half], &[1, 9]);
    let dense = b.dense(gelu, 9, 4);
    let magnitude = b.unary(dense, UnaryFunction::Abs);
    let divisor = b.binary(BinaryFunction::Add, [magnitude, one], &[1, 4]);
    let softsign = b.binary(BinaryFunction::Div, [dense, divisor], &[1, 4]);
    let compiled = check(&b.finish(softsign));
    assert_eq!(compiled.program.nodes.len(), 3);
    assert_eq!(compiled.program.tables.len(), 2);
}

#[test]
fn constant_operands_fold_into_weights() {
    // Input normalization, batch normalization behind a convolution, a scale before the next layer.
    let mut b = Builder::new();
    let input = b.input(&[1, 2, 4, 4], Element::Real);
    let scale = b.random(&[2, 1, 1]);
    let input = b.binary(BinaryFunction::Mul, [input, scale], &[1, 2, 4, 4]);
    let weights = b.random(&[3, 2, 3, 3]);
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let conv = b.real(FloatOp::Conv { input, weights, bias: None, window, groups: 1 }, &[1, 3, 2, 2]);
    let gain = b.random(&[1, 3, 1, 1]);
    let scaled = b.binary(BinaryFunction::Mul, [conv, gain], &[1, 3, 2, 2]);
    let offset = b.random(&[1, 3, 1, 1]);
    let shifted = b.binary(BinaryFunction::Add, [scaled, offset], &[1, 3, 2, 2]);
    let y = relu(&mut b, shifted);
    let flat = b.real(FloatOp::Reshape(y), &[1, 12]);
    let mean = b.random(&[12]);
    let centered = b.binary(BinaryFunction::Sub, [flat, mean], &[1, 12]);
    let y = b.dense(centered, 12, 2);
    let compiled = check(&b.finish(y));
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 2);
    assert_eq!(count(&compiled, |op| matches!(op, Op::Lookup { .. } | Op::Affine { .. } | Op::Product { .. })), 0);
}

#[test]
fn two_data_operands() {
    use BinaryFunction::{Add, Div, Less, Max, Min, Mul, Sub};
    for function in [Add, Sub, Mul, Div, Max, Min, Less] {
        let mut b = Builder::new();
        let x = b.input(&[2, 3], Element::Real);
        let z = b.input(&[3], Element::Real);
        let z = b.unary(z, UnaryFunction::Affine { factor: 0.4, offset: 1.0 });
        let y = b.binary(function, [x, z], &[2, 3]);
        if function == Less {
            b.graph.nodes[y.0].element = Element::Bool;
        }
        let graph = b.finish(y);
        let compiled = check(&graph);
        let kind = if function == Less { PortKind::Index } else { PortKind::Real };
        assert_eq!(compiled.program.outputs[0].kind, kind);
    }
}

#[test]
fn a_residual_sum_takes_the_convolution_exactly() {
    let mut b = Builder::new();
    let input = b.input(&[1, 2, 4, 4], Element::Real);
    let weights = b.random(&[2, 2, 1, 1]);
    let window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let conv = b.real(FloatOp::Conv { input, weights, bias: None, window, groups: 1 }, &[1, 2, 4, 4]);
    let sum = b.binary(BinaryFunction::Add, [conv, input], &[1, 2, 4, 4]);
    let y = relu(&mut b, sum);
    let compiled = check(&b.finish(y));
    assert!(compiled.program.nodes.iter().any(|node| matches!(node.op, Op::Conv { requantize: None, .. })));
    assert!(compiled.program.nodes.iter().any(|node| matches!(node.op, Op::Affine { requantize: Some(_), .. })));
}

#[test]
fn selections() {
    let mut b = Builder::new();
    let x = b.input(&[2, 3], Element::Real);
    let z = b.input(&[2, 3], Element::Real);
    let condition =
        b.node(FloatOp::Binary { function: BinaryFunction::Less, operands: [x, z] }, &[2, 3], Element::Bool);
    let chosen = b.real(FloatOp::Select { condition, then: x, otherwise: z }, &[2, 3]);
    let mask = b.constant(Tensor::new(vec![3], vec![1.0, 0.0, 1.0]));
    let seven = b.constant(Tensor::scalar(0.7));
    let y = b.real(FloatOp::Select { condition: mask, then: chosen, otherwise: seven }, &[2, 3]);
    check(&b.finish(y));
}

#[test]
fn views_of_all_kinds() {
    let mut b = Builder::new();
    let x = b.input(&[2, 3], Element::Real);
    let t = b.real(FloatOp::Transpose { input: x, permutation: vec![1, 0] }, &[3, 2]);
    let map: Arc<[Option<u32>]> = [Some(5), None, Some(0), Some(0)].into();
    let picked = b.real(FloatOp::Reindex { input: t, map, fill: 0.25 }, &[2, 2]);
    let constant = b.random(&[2, 1]);
    let y = b.real(FloatOp::Concat { inputs: vec![picked, constant, picked], axis: 1 }, &[2, 5]);
    let y = b.real(FloatOp::Reshape(y), &[10]);
    check(&b.finish(y));
}

#[test]
fn softmax_over_any_axis() {
    for axis in 0..3 {
        for logarithm in [false, true] {
            let mut b = Builder::new();
            let x = b.input(&[2, 3, 2], Element::Real);
            let x = b.unary(x, UnaryFunction::Affine { factor: 4.0, offset: 0.0 });
            let op = match logarithm {
                false => FloatOp::Softmax { input: x, axis },
                true => FloatOp::LogSoftmax { input: x, axis },
            };
            let y = b.real(op, &[2, 3, 2]);
            check(&b.finish(y));
        }
    }
}

#[test]
fn softmax_inside_a_model() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let logits = b.dense(x, 4, 6);
    let gate = b.real(FloatOp::Softmax { input: logits, axis: 1 }, &[1, 6]);
    let y = b.dense(gate, 6, 3);
    check(&b.finish(y));
}

/// Shares of long rows of nearly equal scores are as fine as activations: a reciprocal that is rounded down takes a part of all of them.
#[test]
fn shares_of_long_rows_gain_by_bits() {
    for gated in [false, true] {
        let (rows, size) = (2, 48);
        let mut b = Builder::new();
        let scores = b.input(&[rows, size], Element::Real);
        let shares = match gated {
            false => b.real(FloatOp::Softmax { input: scores, axis: 1 }, &[rows, size]),
            true => {
                let gate = b.input(&[rows, size], Element::Bool);
                b.real(FloatOp::GatedSoftmax { input: scores, gate, axis: 1, shared: None }, &[rows, size])
            }
        };
        // The sums of all shares, which are 1, and other mixtures.
        let values = b.numbers.tensor(&[size, 3]);
        let values = values.data.iter().enumerate().map(|(i, &value)| if i % 3 == 0 { 1.0 } else { value }).collect();
        let values = b.constant(Tensor::new(vec![size, 3], values));
        let mixed = b.real(FloatOp::MatMul(shares, values), &[rows, 3]);
        let graph = b.finish(mixed);
        let mut samples = samples(&graph);
        if gated {
            let mut numbers = Numbers(5);
            let scores = numbers.tensor(&[SAMPLES, rows, size]);
            let open = numbers.tensor(&[SAMPLES, rows, size]);
            let open = open.data.iter().map(|&v| f64::from(u8::from(v > -0.9))).collect();
            samples = Samples::from_batches(vec![scores, Tensor::new(vec![SAMPLES, rows, size], open)]);
        }
        for bits in [8, 12, 15] {
            let compiled = compile_on(&graph, &samples, bits);
            ranges(&compiled.program).expect("every product fits");
            let error = error_of(&graph, &compiled, &samples);
            assert!(error < 2.0 / f64::from(bits).exp2(), "{bits} bits, gated: {gated}: {error}");
        }
    }
}

#[test]
fn softmax_of_some_elements() {
    for (axis, shape) in [(0, [3, 4]), (1, [3, 4]), (1, [4, 4])] {
        let mut b = Builder::new();
        let x = b.input(&shape, Element::Real);
        let x = b.unary(x, UnaryFunction::Affine { factor: 4.0, offset: 0.0 });
        // In each row along the axis the diagonal is kept, and all before it.
        let kept = (0..shape[0] * shape[1]).map(|i| {
            if axis == 1 {
                i % shape[1] <= i / shape[1]
            } else {
                i % shape[1] >= i / shape[1] || i / shape[1] == 0
            }
        });
        let kept: Arc<[bool]> = kept.collect();
        let taking_part = kept.iter().filter(|kept| **kept).count();
        let y = b.real(FloatOp::MaskedSoftmax { input: x, axis, kept }, &shape);
        let compiled = check(&b.finish(y));
        let masked = |op: &Op| matches!(op, Op::View { map, .. } if map.contains(&ViewElement::Zero));
        assert!(count(&compiled, masked) > 0, "masked elements are zero by themselves");
        let maxima = compiled.program.nodes.iter().filter_map(|node| match node.op {
            Op::Max { input } => Some(compiled.program.node(input).elements()),
            _ => None,
        });
        assert_eq!(maxima.sum::<usize>(), taking_part, "maxima are taken over the elements that take part");
    }
}

/// Gates by the data, in one row for all scores or in each, rows without an open one, and elements that have no share even of those.
#[test]
fn softmax_of_elements_that_the_data_choose() {
    for (shape, gate, axis) in [([3, 6], [1, 6], 1), ([3, 6], [3, 6], 1), ([6, 3], [6, 1], 0)] {
        // The last case leaves the first row without any share.
        let some: Vec<bool> = (0..18).map(|i| i % 5 != 0 && if axis == 1 { i >= 6 } else { i % 3 != 0 }).collect();
        for shared in [None, Some(vec![true; 18]), Some(some)] {
            let mut b = Builder::new();
            let x = b.input(&shape, Element::Real);
            let x = b.unary(x, UnaryFunction::Affine { factor: 4.0, offset: 0.0 });
            let mut gates = b.input(&gate, Element::Bool);
            if let Some(shared) = &shared {
                let source = |i: usize| (i / shape[1] % gate[0] * gate[1] + i % shape[1] % gate[1]) as u32;
                let map = shared.iter().enumerate().map(|(i, &shared)| shared.then_some(source(i))).collect();
                gates = b.node(FloatOp::Reindex { input: gates, map, fill: 0.0 }, &shape, Element::Bool);
            }
            let uniform = shared.as_ref().is_some_and(|shared| !shared.contains(&false));
            let shared = shared.map(Into::into);
            let y = b.real(FloatOp::GatedSoftmax { input: x, gate: gates, axis, shared }, &shape);
            let graph = b.finish(y);
            let mut numbers = Numbers(3);
            let scores = numbers.tensor(&[&[SAMPLES], &shape[..]].concat());
            let closed = gate.iter().product::<usize>();
            // No gate of the first sample is open.
            let open = numbers.tensor(&[&[SAMPLES], &gate[..]].concat());
            let open =
                open.data.iter().enumerate().map(|(i, &v)| f64::from(u8::from(i >= closed && v > -0.2))).collect();
            let samples = Samples::from_batches(vec![scores, Tensor::new([&[SAMPLES], &gate[..]].concat(), open)]);
            for bits in [8, 12] {
                let compiled = compile_on(&graph, &samples, bits);
                ranges(&compiled.program).expect("every divisor is positive");
                let error = error_of(&graph, &compiled, &samples);
                assert!(error < 6.0 / f64::from(bits).exp2(), "{bits} bits, {gate:?}: {error}");
                assert_closed_are_zero(&graph, &compiled, &samples, uniform);
            }
        }
    }
}

/// What takes no part has no share, to the last bit.
fn assert_closed_are_zero(graph: &FloatGraph, compiled: &Compiled, samples: &Samples, uniform: bool) {
    let specs = InputSpec::of_graph(graph);
    for sample in 0..SAMPLES {
        let inputs = samples.inputs(&specs, sample).unwrap();
        let float = evaluate_outputs(graph, &inputs).unwrap();
        let values = quantize_inputs(&compiled.program, &inputs).unwrap().values;
        let trace = reference::run(&compiled.program, &values).unwrap();
        let integer = trace.outputs(&compiled.program);
        for (share, integer) in float[0].data.iter().zip(&integer[0]) {
            assert!(*share != 0.0 || *integer == 0, "{integer} for a closed element (uniform: {uniform})");
        }
    }
}

/// Samples of integers in the given ranges, one for each input.
fn integers(graph: &FloatGraph, ranges: &[(f64, f64)]) -> Samples {
    let mut numbers = Numbers(17);
    let batches = InputSpec::of_graph(graph).into_iter().zip(ranges).map(|(spec, &(lo, hi))| {
        let tensor = numbers.tensor(&[&[SAMPLES], &spec.shape[..]].concat());
        let data = tensor.data.iter().map(|v| (lo + (v + 1.0) / 2.0 * (hi - lo)).round()).collect();
        Tensor::new(tensor.shape, data)
    });
    Samples::from_batches(batches.collect())
}

#[test]
fn integers_by_integers_are_exact() {
    use BinaryFunction::{Add, Mul, Quotient, Remainder, Sub};
    for divisor in [(1.0, 9.0), (-7.0, -2.0), (3.0, 300.0)] {
        for dividend in [(0.0, 300.0), (-120.0, 120.0), (-50.0, 0.0)] {
            for function in [Quotient, Remainder, Add, Sub, Mul] {
                let mut b = Builder::new();
                let x = b.input(&[2, 8], Element::Integer);
                let y = b.input(&[2, 8], Element::Integer);
                let op = FloatOp::Binary { function, operands: [x, y] };
                let z = b.node(op, &[2, 8], Element::Integer);
                let graph = b.finish(z);
                let samples = integers(&graph, &[dividend, divisor]);
                let compiled = compile_on(&graph, &samples, 8);
                assert_eq!(error_of(&graph, &compiled, &samples), 0.0, "{function:?} of {dividend:?} and {divisor:?}");
            }
        }
    }
}

#[test]
fn a_sum_that_wraps_around_is_exact() {
    let mut b = Builder::new();
    let x = b.input(&[40], Element::Integer);
    let y = b.input(&[40], Element::Integer);
    let op = FloatOp::Binary { function: BinaryFunction::Add, operands: [x, y] };
    let sum = b.node(op, &[40], Element::Integer);
    let mut wrapped = sum;
    for function in [
        UnaryFunction::Affine { factor: 1.0, offset: 128.0 },
        UnaryFunction::Remainder { divisor: 256.0, truncated: false },
        UnaryFunction::Affine { factor: 1.0, offset: -128.0 },
    ] {
        wrapped = b.node(FloatOp::Unary { input: wrapped, function }, &[40], Element::Integer);
    }
    let graph = b.finish(wrapped);
    let samples = integers(&graph, &[(-128.0, 127.0); 2]);
    assert_eq!(error_of(&graph, &compile_on(&graph, &samples, 8), &samples), 0.0);
}

#[test]
fn remainders_of_integers_that_are_held_rounded_are_refused() {
    let compiled = |factors: [f64; 4]| {
        let mut b = Builder::new();
        let x = b.input(&[4], Element::Integer);
        let factors = b.constant(Tensor::new(vec![4], factors.to_vec()));
        let op = FloatOp::Binary { function: BinaryFunction::Mul, operands: [x, factors] };
        let product = b.node(op, &[4], Element::Integer);
        b.output(product);
        let function = UnaryFunction::Remainder { divisor: 7.0, truncated: false };
        let rest = b.node(FloatOp::Unary { input: product, function }, &[4], Element::Integer);
        let graph = b.finish(rest);
        let samples = integers(&graph, &[(0.0, 9.0)]);
        compile(&graph, Some(&samples), &QuantizeOptions::default())
    };
    let refused = compiled([1.0, 30.0, 200.0, 3000.0]);
    assert!(matches!(&refused, Err(QuantizeError::Unsupported { what, .. }) if what.contains("rounded integers")));
    assert!(compiled([1.0, 2.0, 5.0, 11.0]).is_ok());
}

#[test]
fn divisors_that_may_be_zero_are_refused() {
    let mut b = Builder::new();
    let (x, y) = (b.input(&[4], Element::Integer), b.input(&[4], Element::Integer));
    let op = FloatOp::Binary { function: BinaryFunction::Quotient, operands: [x, y] };
    let z = b.node(op, &[4], Element::Integer);
    let graph = b.finish(z);
    // No sample divides by zero, but one between them would.
    let samples = Samples::from_batches(vec![
        Tensor::new(vec![2, 4], vec![3.0; 8]),
        Tensor::new(vec![2, 4], vec![-1.0, 2.0, 1.0, -2.0, 3.0, 1.0, -1.0, 1.0]),
    ]);
    let refused = compile(&graph, Some(&samples), &QuantizeOptions::default());
    assert!(matches!(refused, Err(QuantizeError::Divisor { .. })));
}

#[test]
fn positions_of_the_largest_of_long_rows() {
    for smallest in [false, true] {
        let mut b = Builder::new();
        let x = b.input(&[2, 150], Element::Real);
        let op = FloatOp::TopIndices { input: x, count: 4, smallest };
        let y = b.node(op, &[2, 4], Element::Integer);
        let graph = b.finish(y);
        let mut numbers = Numbers(5);
        // Distinct numbers, so that no rounding makes them equal.
        let mut rows = Vec::new();
        for _ in 0..2 * SAMPLES {
            let mut row: Vec<f64> = (0..150).map(|i| f64::from(i) - 75.0).collect();
            (1..150).rev().for_each(|i| row.swap(i, ((numbers.next() + 1.0) / 2.0 * i as f64) as usize));
            rows.extend(row);
        }
        let samples = Samples::from_batches(vec![Tensor::new(vec![SAMPLES, 2, 150], rows)]);
        let compiled = compile_on(&graph, &samples, 10);
        ranges(&compiled.program).unwrap();
        assert_eq!(error_of(&graph, &compiled, &samples), 0.0);
    }
}

#[test]
fn normalizations_over_any_axes() {
    for (shape, axes) in [
        (vec![2, 6], vec![1]),
        (vec![2, 6], vec![0]),
        (vec![1, 4, 3, 2], vec![2, 3]),
        (vec![3, 5, 2], vec![0, 2]),
        (vec![4, 1], vec![1]),
    ] {
        for (centered, epsilon) in [(true, 1e-5), (false, 1e-5), (true, 0.25), (false, 0.0)] {
            let mut b = Builder::new();
            let x = b.input(&shape, Element::Real);
            let op = FloatOp::Normalize { input: x, axes: axes.clone(), centered, epsilon };
            let y = b.real(op, &shape);
            check(&b.finish(y));
        }
    }
}

/// So many elements that the squares of their exact deviations from the mean do not fit.
#[test]
fn normalizations_of_long_rows() {
    let mut b = Builder::new();
    let x = b.input(&[1, 1800], Element::Real);
    let y = b.real(FloatOp::Normalize { input: x, axes: vec![1], centered: true, epsilon: 1e-5 }, &[1, 1800]);
    let graph = b.finish(y);
    check(&graph);
    let compiled = compile_on(&graph, &samples(&graph), 12);
    let shifted = |op: &Op| matches!(op, Op::Affine { requantize: Some(_), .. });
    assert_eq!(count(&compiled, shifted), 1);
}

/// A scale and an offset for each feature, beside a residual connection, and a dense layer behind both.
#[test]
fn normalization_inside_a_model() {
    let mut b = Builder::new();
    let x = b.input(&[5, 8], Element::Real);
    let normalized = b.real(FloatOp::Normalize { input: x, axes: vec![1], centered: true, epsilon: 1e-5 }, &[5, 8]);
    let (scale, offset) = (b.random(&[8]), b.random(&[8]));
    let scaled = b.binary(BinaryFunction::Mul, [normalized, scale], &[5, 8]);
    let scaled = b.binary(BinaryFunction::Add, [scaled, offset], &[5, 8]);
    let weights = b.random(&[8, 8]);
    let dense = b.real(FloatOp::MatMul(scaled, weights), &[5, 8]);
    let y = b.binary(BinaryFunction::Add, [dense, scaled], &[5, 8]);
    check(&b.finish(y));
}

/// Rows that hardly vary are not blown up by their own rounding.
#[test]
fn normalization_of_rows_that_hardly_vary() {
    let mut b = Builder::new();
    let x = b.input(&[2, 8], Element::Real);
    let scale = b.constant(Tensor::new(vec![2, 1], vec![1.0, 1e-4]));
    let x = b.binary(BinaryFunction::Mul, [x, scale], &[2, 8]);
    let y = b.real(FloatOp::Normalize { input: x, axes: vec![1], centered: true, epsilon: 1e-3 }, &[2, 8]);
    let graph = b.finish(y);
    let samples = samples(&graph);
    assert!(error_of(&graph, &compile_on(&graph, &samples, 12), &samples) < 0.01);
}

#[test]
fn indices_of_extrema() {
    for (smallest, last) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut b = Builder::new();
        let x = b.input(&[3, 5], Element::Integer);
        let op = FloatOp::ArgExtremum { input: x, axis: 1, smallest, last };
        let y = b.node(op, &[3, 1], Element::Integer);
        let graph = b.finish(y);
        let samples = samples(&graph);
        let compiled = compile_on(&graph, &samples, 12);
        assert_eq!(error_of(&graph, &compiled, &samples), 0.0, "ties are common here");
        assert_eq!(compiled.program.outputs[0].kind, PortKind::Index);
    }
}

#[test]
fn rows_of_a_table_picked_by_an_input() {
    for (shape, axis, out) in [(vec![4, 3], 0, vec![2, 3]), (vec![3, 4], 1, vec![3, 2]), (vec![4], 0, vec![2])] {
        let mut b = Builder::new();
        let indices = b.input(&[2], Element::Integer);
        let input = b.random(&shape);
        let y = b.real(FloatOp::Gather { input, indices, axis }, &out);
        let compiled = check(&b.finish(y));
        assert!(matches!(compiled.program.nodes[0].op, Op::Input { lo: 0, hi: 3 }));
    }
}

/// A vocabulary too large for a table of all its entries: every token has an indicator for each word.
#[test]
fn rows_of_a_large_table_are_picked_by_indicators() {
    let mut b = Builder::new();
    let indices = b.input(&[3], Element::Integer);
    let input = b.random(&[700, 190]);
    let picked = b.real(FloatOp::Gather { input, indices, axis: 0 }, &[3, 190]);
    let compiled = check(&b.finish(picked));
    let program = &compiled.program;
    assert!(matches!(program.nodes[0].op, Op::Input { lo: 0, hi: 699 }));
    assert!(program.tables.iter().all(|table| table.values().len() < 700 * 190), "no table has the entries");
    // The first and the last word, and words whose digits differ in one place.
    for words in [[0, 699, 31], [32, 33, 64], [672, 698, 1]] {
        let trace = reference::run(program, &[words.to_vec()]).expect("the words are in range");
        let picked = trace.outputs(program).swap_remove(0);
        let rows: Vec<&[i64]> = picked.chunks(190).collect();
        let again = reference::run(program, &[vec![words[1]; 3]]).expect("the word is in range");
        assert_eq!(rows[1], &again.outputs(program)[0][..190], "a row depends on its word alone");
        assert!(rows[0] != rows[1] && rows[1] != rows[2]);
    }
}

/// Where many rows of a large table are picked, they are gathered by a table whose entries hold several of its.
#[test]
fn rows_of_a_large_table_are_gathered_for_many_indices() {
    let mut b = Builder::new();
    let indices = b.input(&[20], Element::Integer);
    let input = b.random(&[700, 190]);
    let picked = b.real(FloatOp::Gather { input, indices, axis: 0 }, &[20, 190]);
    let graph = b.finish(picked);
    let compiled = check(&graph);
    assert_eq!(count(&compiled, |op| matches!(op, Op::Gather { .. })), 1);
    let words: Vec<i64> = (0..20).map(|i| i * 699 / 19).collect();
    let trace = reference::run(&compiled.program, std::slice::from_ref(&words)).expect("the words are in range");
    let Op::Gather { entries, .. } = &compiled.program.nodes[1].op else { panic!("the rows are gathered") };
    for (&word, row) in words.iter().zip(trace.outputs(&compiled.program)[0].chunks(190)) {
        let first = word as usize * 190;
        assert!(row.iter().copied().eq(entries.slice(first..first + 190).into_iter().map(i64::from)));
    }
    let private = QuantizeOptions { private_weights: true, bits: Bits::Fixed(12), ..QuantizeOptions::default() };
    let private = compile(&graph, None, &private).expect("the graph compiles");
    assert_eq!(count(&private, |op| matches!(op, Op::Gather { .. })), 0, "its entries would be public");
}

#[test]
fn labels_from_an_index() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let scores = b.dense(x, 4, 3);
    let op = FloatOp::ArgExtremum { input: scores, axis: 1, smallest: false, last: false };
    let indices = b.node(op, &[1], Element::Integer);
    let input = b.constant(Tensor::new(vec![3], vec![-5.0, 100.0, 7.0]));
    let label = b.node(FloatOp::Gather { input, indices, axis: 0 }, &[1], Element::Integer);
    b.output(label);
    let graph = b.finish(scores);
    let samples = samples(&graph);
    let compiled = compile_on(&graph, &samples, 12);
    assert_eq!(compiled.program.outputs[0].kind, PortKind::Index);
    let inputs = samples.inputs(&InputSpec::of_graph(&graph), 0).unwrap();
    let trace =
        reference::run(&compiled.program, &quantize_inputs(&compiled.program, &inputs).unwrap().values).unwrap();
    let expected = evaluate_outputs(&graph, &inputs).unwrap();
    assert_eq!(trace.outputs(&compiled.program)[0], [expected[0].data[0] as i64]);
}

#[test]
fn parts_of_a_layer_with_functions_of_their_own() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let hidden = b.dense(x, 4, 6);
    let functions = [UnaryFunction::Relu, UnaryFunction::Tanh, UnaryFunction::Softplus];
    let parts = functions.iter().enumerate().map(|(i, &function)| {
        let map: Arc<[Option<u32>]> = [Some(2 * i as u32), Some(2 * i as u32 + 1)].into();
        let part = b.real(FloatOp::Reindex { input: hidden, map, fill: 0.0 }, &[1, 2]);
        b.unary(part, function)
    });
    let inputs = parts.collect();
    let joined = b.real(FloatOp::Concat { inputs, axis: 1 }, &[1, 6]);
    let y = b.dense(joined, 6, 2);
    let compiled = check(&b.finish(y));
    assert_eq!(count(&compiled, |op| matches!(op, Op::Lookup { .. })), 0, "each part joins its function");
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 4);
}

#[test]
fn a_logit_and_its_probability() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let logit = b.dense(x, 4, 1);
    let probability = b.unary(logit, UnaryFunction::Sigmoid);
    b.output(logit);
    let compiled = check(&b.finish(probability));
    assert_eq!(count(&compiled, |op| matches!(op, Op::Conv { .. })), 1, "the weights are read once");
}

#[test]
fn normalization_over_an_axis() {
    // (x − mean) / sqrt(var + ε) · γ + β, then a function.
    let mut b = Builder::new();
    let x = b.input(&[3, 8], Element::Real);
    let mean = b.real(FloatOp::Reduce { input: x, kind: ReduceKind::Mean, axes: vec![1] }, &[3, 1]);
    let centered = b.binary(BinaryFunction::Sub, [x, mean], &[3, 8]);
    let square = b.binary(BinaryFunction::Mul, [centered, centered], &[3, 8]);
    let variance = b.real(FloatOp::Reduce { input: square, kind: ReduceKind::Mean, axes: vec![1] }, &[3, 1]);
    let epsilon = b.constant(Tensor::scalar(1e-5));
    let variance = b.binary(BinaryFunction::Add, [variance, epsilon], &[3, 1]);
    let deviation = b.unary(variance, UnaryFunction::Sqrt);
    let normal = b.binary(BinaryFunction::Div, [centered, deviation], &[3, 8]);
    let gain = b.random(&[8]);
    let scaled = b.binary(BinaryFunction::Mul, [normal, gain], &[3, 8]);
    let offset = b.random(&[8]);
    let shifted = b.binary(BinaryFunction::Add, [scaled, offset], &[3, 8]);
    let y = relu(&mut b, shifted);
    check(&b.finish(y));
}

#[test]
fn integers_beside_reals_do_not_coarsen_them() {
    let mut b = Builder::new();
    let x = b.input(&[1, 3], Element::Real);
    let label = b.input(&[1, 1], Element::Integer);
    let joined = b.real(FloatOp::Concat { inputs: vec![x, label], axis: 1 }, &[1, 4]);
    let y = b.dense(joined, 4, 2);
    let compiled = check(&b.finish(y));
    assert_eq!(compiled.program.inputs[1].kind, PortKind::Index);
}

#[test]
fn the_worst_nodes_come_first() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let hidden = b.dense(x, 4, 6);
    let hidden = b.unary(hidden, UnaryFunction::Gelu);
    let y = b.dense(hidden, 6, 2);
    let graph = b.finish(y);
    let samples = samples(&graph);
    let compiled = compile_on(&graph, &samples, 8);
    let worst = worst_nodes(&graph, &compiled, &samples, 10).unwrap();
    assert_eq!(worst.len(), compiled.program.nodes.len());
    assert!(worst.windows(2).all(|pair| pair[0].difference.relative() >= pair[1].difference.relative()));
    assert!(worst.iter().all(|node| node.difference.relative() < 0.02));
}

#[test]
fn hostile_geometry_is_refused_before_it_is_expanded() {
    let mut b = Builder::new();
    let input = b.input(&[1, 1, 2, 2], Element::Real);
    let window = Window { kernel: [60_000, 60_000], stride: [1, 1], dilation: [1, 1], padding: [30_000; 4] };
    let y = b.real(FloatOp::MaxPool { input, window }, &[1, 1, 3, 3]);
    let graph = b.finish(y);
    let error = compile(&graph, None, &QuantizeOptions::default());
    assert!(matches!(error, Err(QuantizeError::Unsupported { .. })));
}

#[test]
fn refusals_name_the_node_and_the_way_out() {
    let refuse =
        |graph: &FloatGraph, options: &QuantizeOptions| compile(graph, Some(&samples(graph)), options).unwrap_err();
    let default = QuantizeOptions::default();

    let mut b = Builder::new();
    let x = b.input(&[4], Element::Real);
    let z = b.input(&[4], Element::Real);
    let y = b.binary(BinaryFunction::Div, [x, z], &[4]);
    assert!(matches!(refuse(&b.finish(y), &default), QuantizeError::Divisor { node, .. } if node == "n2"));

    let mut b = Builder::new();
    let x = b.input(&[4], Element::Real);
    let infinite = b.constant(Tensor::new(vec![4], vec![0.0, f64::NEG_INFINITY, 0.0, 0.0]));
    let y = b.binary(BinaryFunction::Add, [x, infinite], &[4]);
    assert!(matches!(refuse(&b.finish(y), &default), QuantizeError::NotFinite { node, .. } if node == "n2"));

    let mut b = Builder::new();
    let x = b.input(&[4], Element::Real);
    let y = b.unary(x, UnaryFunction::Log);
    assert!(matches!(refuse(&b.finish(y), &default), QuantizeError::Calibration { node, .. } if node == "n1"));

    let mut b = Builder::new();
    let x = b.input(&[1, 1, 3, 3], Element::Real);
    let weights = b.input(&[1, 1, 2, 2], Element::Real);
    let window = Window { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], padding: [0; 4] };
    let y = b.real(FloatOp::Conv { input: x, weights, bias: None, window, groups: 1 }, &[1, 1, 2, 2]);
    let graph = b.finish(y);
    assert!(matches!(refuse(&graph, &default), QuantizeError::Unsupported { node, .. } if node == "n2"));
    let narrow = QuantizeOptions { bits: Bits::Fixed(4), ..default.clone() };
    assert!(matches!(refuse(&graph, &narrow), QuantizeError::Option { option: "bits", .. }));
    let ports = [("nothing".to_owned(), Visibility::Private)].into();
    let unknown = QuantizeOptions { ports, ..default };
    assert!(matches!(refuse(&graph, &unknown), QuantizeError::NoSuchPort { name, .. } if name == "nothing"));
}

#[test]
fn inputs_are_rounded_clamped_and_checked() {
    let mut b = Builder::new();
    let x = b.input(&[1, 2], Element::Real);
    let indices = b.input(&[1], Element::Integer);
    let y = b.dense(x, 2, 2);
    let input = b.random(&[4, 2]);
    let row = b.real(FloatOp::Gather { input, indices, axis: 0 }, &[1, 2]);
    let y = b.binary(BinaryFunction::Add, [y, row], &[1, 2]);
    let compiled = check(&b.finish(y));
    let program = &compiled.program;
    let real = |a: f64, b: f64| Tensor::new(vec![1, 2], vec![a, b]);
    let index = |v: f64| Tensor::new(vec![1], vec![v]);
    assert_eq!(quantize_inputs(program, &[real(0.0, 1e6), index(3.0)]).unwrap().clamped, 1);
    let refuse = |inputs: &[Tensor]| quantize_inputs(program, inputs).unwrap_err();
    assert!(matches!(refuse(&[real(0.0, f64::NAN), index(0.0)]), InputError::NotFinite { index: 1, .. }));
    assert!(matches!(refuse(&[real(0.0, 0.0), index(4.0)]), InputError::Index { hi: 3, .. }));
    assert!(matches!(refuse(&[real(0.0, 0.0), index(0.5)]), InputError::Index { .. }));
    assert!(matches!(refuse(&[real(0.0, 0.0)]), InputError::Count { expected: 2, found: 1 }));
    assert!(matches!(refuse(&[index(0.0), index(0.0)]), InputError::Shape { .. }));
}

#[test]
fn programs_are_reproducible_and_ports_keep_their_visibility() {
    let build = || {
        let mut b = Builder::new();
        let x = b.input(&[1, 8], Element::Real);
        let hidden = b.dense(x, 8, 16);
        let hidden = b.unary(hidden, UnaryFunction::Gelu);
        let y = b.dense(hidden, 16, 3);
        b.finish(y)
    };
    let options = QuantizeOptions { input: Visibility::Private, ..QuantizeOptions::default() };
    let first = compile(&build(), None, &options).unwrap();
    let second = compile(&build(), None, &options).unwrap();
    assert_eq!(first.program, second.program);
    assert_eq!(first.program.inputs[0].visibility, Visibility::Private);
    assert_eq!(first.program.outputs[0].visibility, Visibility::Public);
    assert!(first.report.warnings.iter().any(|warning| warning.contains("no calibration samples")));
}

/// A dense network; a `factor` other than 1 is what further training did to its weights.
fn trained(factor: f64, function: UnaryFunction) -> FloatGraph {
    let mut b = Builder::new();
    let x = b.input(&[1, 8], Element::Real);
    let hidden = b.dense(x, 8, 16);
    let hidden = b.unary(hidden, function);
    let y = b.dense(hidden, 16, 3);
    let mut graph = b.finish(y);
    graph.source_digest = [factor.to_bits() as u8 ^ 1; 32];
    for node in &mut graph.nodes {
        if let FloatOp::Constant(tensor) = &mut node.op {
            let moved = tensor.data.iter().enumerate().map(|(i, v)| if i % 3 == 0 { v * factor } else { *v });
            *tensor = Tensor::new(tensor.shape.clone(), moved.collect());
        }
    }
    graph
}

/// A network whose functions need more arguments than its sums need levels.
fn powers() -> FloatGraph {
    let mut b = Builder::new();
    let x = b.input(&[1, 8], Element::Real);
    let hidden = b.dense(x, 8, 16);
    let cubes = b.unary(hidden, UnaryFunction::Power(3.0));
    let hidden = b.dense(cubes, 16, 16);
    let hidden = b.unary(hidden, UnaryFunction::Gelu);
    let y = b.dense(hidden, 16, 3);
    b.finish(y)
}

#[test]
fn tables_lose_bits_that_the_accuracy_does_not_need() {
    let graph = powers();
    let samples = samples(&graph);
    let at = |bits| compile(&graph, Some(&samples), &QuantizeOptions { bits, ..QuantizeOptions::default() }).unwrap();
    let target = 0.9995;
    let narrowed = at(Bits::Keeping(target));
    let uniform = at(Bits::Fixed(narrowed.report.bits));
    let entries = |compiled: &Compiled| compiled.program.tables.iter().map(|table| table.values().len()).sum::<usize>();
    assert!(narrowed.report.bits > 8 && uniform.report.narrower.is_empty());
    assert!(2 * entries(&narrowed) < entries(&uniform), "{} of {}", entries(&narrowed), entries(&uniform));
    let (_, fidelity) = narrowed.report.tried.last().unwrap();
    assert!(fidelity.kept() >= target, "{fidelity}");
    // What is told is what the program has.
    for table in &narrowed.report.narrower {
        let named = |name: &String| narrowed.program.nodes.iter().any(|node| node.name == *name);
        assert!(table.fewer_bits > 0 && !table.nodes.is_empty() && table.nodes.iter().all(named), "{table:?}");
        assert!(narrowed.program.tables.iter().any(|own| own.values().len() == table.entries));
    }
    assert!(!narrowed.report.narrower.is_empty());
    // The same model, samples and options give the same program, and one that was trained further the same tables.
    assert_eq!(at(Bits::Keeping(target)).program, narrowed.program);
    let options = QuantizeOptions { bits: Bits::Keeping(target), ..QuantizeOptions::default() };
    let like = compile_like(&graph, &graph, Some(&samples), &options).unwrap();
    assert_eq!(like.program, narrowed.program);
    assert_eq!(like.report.narrower, narrowed.report.narrower);
    layout::compile(&narrowed.program, &LayoutOptions::default()).unwrap();
}

/// Long tables become segments, with results as near as before, in programs for one sample and for several, and of private weights.
#[test]
fn long_tables_become_segments() {
    let graph = recurrence(6);
    let samples = samples(&graph);
    assert!(compile_on(&graph, &samples, 8).report.segmented.is_empty());
    for bits in [12, 13, 15] {
        let compiled = compile_on(&graph, &samples, bits);
        let program = &compiled.program;
        let [ref told] = compiled.report.segmented[..] else { panic!("{:?}", compiled.report.segmented) };
        assert!(told.function.starts_with("tanh") && 8 * told.segments <= told.entries, "{told:?}");
        // What is told is what the program has: a table of slopes and one of offsets, and what a result can be.
        let of_segments = program.tables.iter().filter(|table| table.values().len() == told.segments).count();
        assert_eq!(of_segments, 2);
        assert_eq!(count(&compiled, |op| matches!(op, Op::Product { requantize: None, .. })), 6);
        // A quarter of a step beside the half step of rounding, in each of six steps.
        let error = error_of(&graph, &compiled, &samples);
        assert!(
            error < 4.0 * f64::from(bits).exp2().recip(),
            "with {bits} bits the outputs are off by {error} of their range"
        );
        let own = ranges(program).unwrap();
        for (node, range) in program.nodes.iter().zip(&own) {
            if let (Op::Affine { requantize: Some(requantize), .. }, Some(argument)) = (&node.op, range.argument) {
                let table = program.table(requantize.table);
                let (lo, hi) = (i128::from(table.lo()), i128::from(table.hi()));
                let beyond = (lo - argument.lo).max(argument.hi - hi);
                assert!(beyond < 1 << 10, "{}: {beyond} beyond the table", node.name);
            }
        }
        assert_eq!(compile_on(&graph, &samples, bits).program, *program);
        layout::compile(program, &LayoutOptions::default()).unwrap();
        let like = compile_like(
            &graph,
            &graph,
            Some(&samples),
            &QuantizeOptions { bits: Bits::Fixed(bits), ..QuantizeOptions::default() },
        );
        assert_eq!(like.unwrap().program, *program);
        let private = program.clone().with_private_weights().unwrap();
        layout::compile(&private, &LayoutOptions::default()).unwrap();
    }
}

#[test]
fn models_trained_further_keep_the_scales_of_the_first() {
    let (first, tuned) = (trained(1.0, UnaryFunction::Relu), trained(-0.75, UnaryFunction::Relu));
    let samples = samples(&first);
    let options = QuantizeOptions::default();
    let base = compile(&first, Some(&samples), &options).unwrap().program;
    assert_eq!(compile_like(&first, &first, Some(&samples), &options).unwrap().program, base);
    let like = compile_like(&first, &tuned, Some(&samples), &options).unwrap();
    assert!(like.report.tried[0].1.is_good(), "{}", like.report.tried[0].1);
    assert_ne!(compile(&tuned, Some(&samples), &options).unwrap().program.nodes, like.program.nodes);
    assert!(like.program != base && like.program.source_digest == tuned.source_digest);
    // All but the weights is as it was, so that private weights have one key.
    let family = base.clone().with_private_weights().unwrap();
    let member = family.with_weights_of(&like.program).unwrap();
    assert_eq!(member.family(), family.family());

    let refused = |graph: &FloatGraph| compile_like(&first, graph, Some(&samples), &options).unwrap_err();
    let other = refused(&trained(1.0, UnaryFunction::Tanh));
    assert!(matches!(&other, QuantizeError::Unlike { what } if what.contains("another operator")), "{other}");
    let mut shorter = tuned.clone();
    shorter.nodes.pop();
    assert!(matches!(refused(&shorter), QuantizeError::Unlike { .. }));
    let large = refused(&trained(1e12, UnaryFunction::Relu));
    assert!(matches!(large, QuantizeError::TooLarge { .. }), "{large}");
}

/// A random forest whose bounds are multiples of an eighth of the size of their feature.
fn forest(numbers: &mut Numbers, sizes: &[f64], trees: usize, branches: usize) -> Trees {
    let mut forest = Trees { branches: vec![], roots: vec![], leaves: 0, single: false };
    for _ in 0..trees {
        let first = forest.branches.len() as u32;
        forest.roots.push(first);
        // Every branch but the first takes the place of a leaf of those before it.
        let mut open: Vec<(u32, usize)> = vec![];
        for own in first..first + branches as u32 {
            if own > first {
                let place = ((numbers.next() + 1.0) / 2.0 * open.len() as f64) as usize;
                let (parent, side) = open.swap_remove(place.min(open.len() - 1));
                forest.branches[parent as usize].children[side] = Child::Branch(own);
            }
            let feature = ((numbers.next() + 1.0) / 2.0 * sizes.len() as f64) as usize % sizes.len();
            let mut bound = || (numbers.next() * 8.0).round() / 8.0 * sizes[feature];
            let bounds = [bound(), bound(), bound()];
            let members: std::collections::BTreeSet<_> = bounds.iter().map(|bound| (bound + 0.0).to_bits()).collect();
            let test = match (numbers.next() * 100.0).abs() as usize % 7 {
                0 => Test::AtMost(bounds[0]),
                1 => Test::Below(bounds[0]),
                2 => Test::AtLeast(bounds[0]),
                3 => Test::Above(bounds[0]),
                4 => Test::Equal(bounds[0]),
                5 => Test::Unequal(bounds[0]),
                _ => Test::Member(members.into_iter().map(f64::from_bits).collect()),
            };
            let children = [Child::Leaf(0); 2];
            forest.branches.push(Branch { feature: feature as u32, test, children, missing_passes: false });
            open.extend([(own, 0), (own, 1)]);
        }
        for (parent, side) in open {
            forest.branches[parent as usize].children[side] = Child::Leaf(forest.leaves as u32);
            forest.leaves += 1;
        }
    }
    forest
}

/// Numbers that often equal bounds of [`forest`].
fn near_bounds(numbers: &mut Numbers, sizes: &[f64], rows: usize) -> Tensor {
    let data = (0..rows * sizes.len()).map(|i| (numbers.next() * 8.0).round() / 8.0 * sizes[i % sizes.len()]);
    Tensor::new(vec![rows, sizes.len()], data.collect())
}

#[test]
fn trees_take_the_branches_of_the_model() {
    let mut numbers = Numbers(11);
    // The last feature never decides by more than a thousandth of the first.
    let sizes = [1000.0, 3.0, 0.1, 1.0];
    for (trees, branches, rows) in [(1, 1, 1), (3, 6, 1), (2, 90, 1), (2, 20, 2)] {
        let mut b = Builder::new();
        let x = b.input(&[rows, 4], Element::Real);
        let trees = Arc::new(forest(&mut numbers, &sizes, trees, branches));
        let leaves = trees.leaves;
        let y = b.real(FloatOp::TreeLeaves { input: x, trees: trees.clone() }, &[rows, leaves]);
        let graph = b.finish(y);
        let data = near_bounds(&mut numbers, &sizes, 40 * rows);
        let samples = Samples::from_batches(vec![Tensor { shape: vec![40, rows, 4], data: data.data }]);
        let compiled = compile_on(&graph, &samples, 8);
        ranges(&compiled.program).unwrap();
        assert_eq!(error_of(&graph, &compiled, &samples), 0.0);
        // Beyond what was calibrated the ways are those of the end of the range.
        let far = Tensor::new(vec![rows, 4], vec![1e9; 4 * rows]);
        let quantized = quantize_inputs(&compiled.program, std::slice::from_ref(&far)).unwrap();
        let trace = reference::run(&compiled.program, &quantized.values).unwrap();
        assert_eq!(quantized.clamped, 4 * rows);
        let reached = trace.outputs(&compiled.program)[0].iter().sum::<i64>();
        assert_eq!(reached, (trees.roots.len() * rows) as i64, "every tree reaches one leaf");
    }
}

#[test]
fn inputs_of_trees_reach_the_bounds_and_not_what_marks_that_all_passes() {
    let mut b = Builder::new();
    let x = b.input(&[1, 2], Element::Real);
    let branch = |(number, feature, bound): (u32, u32, f64)| {
        let children = [Child::Leaf(2 * number), Child::Leaf(2 * number + 1)];
        Branch { feature, test: Test::AtMost(bound), children, missing_passes: false }
    };
    let bounds = [(0, 0, 0.5), (1, 0, 40.0), (2, 0, -3.0), (3, 1, f64::from(f32::MAX))];
    let branches = bounds.into_iter().map(branch).collect();
    let trees = Arc::new(Trees { branches, roots: vec![0, 1, 2, 3], leaves: 8, single: false });
    let y = b.real(FloatOp::TreeLeaves { input: x, trees }, &[1, 8]);
    let graph = b.finish(y);
    let samples = |data: &[f64]| Samples::from_batches(vec![Tensor::new(vec![data.len() / 2, 1, 2], data.to_vec())]);
    let compiled = compile_on(&graph, &samples(&[0.75, 0.125, 0.5, 0.25]), 8);
    let others = samples(&[0.499, 0.1, 0.501, 1.0, 39.9, 0.5, 40.1, 0.25, -2.9, 0.125, -3.1, 0.5]);
    assert_eq!(error_of(&graph, &compiled, &others), 0.0);
}

/// Bounds of trees are biases beside weights that are all 1: they are private where weights are.
#[test]
fn bounds_of_trees_are_private() {
    let mut numbers = Numbers(11);
    for rows in [1, 2] {
        let mut b = Builder::new();
        let x = b.input(&[rows, 4], Element::Real);
        let trees = Arc::new(forest(&mut numbers, &[1000.0, 3.0, 0.1, 1.0], 2, 20));
        let leaves = trees.leaves;
        let y = b.real(FloatOp::TreeLeaves { input: x, trees }, &[rows, leaves]);
        let graph = b.finish(y);
        let data = near_bounds(&mut numbers, &[1000.0, 3.0, 0.1, 1.0], 40 * rows);
        let samples = Samples::from_batches(vec![Tensor { shape: vec![40, rows, 4], data: data.data }]);
        let program = compile_on(&graph, &samples, 8).program.with_private_weights().unwrap();
        for node in program.family().nodes {
            assert!(!matches!(&node.op, Op::Conv { bias, .. } if bias.iter().any(|&bound| bound != 0)), "{node:?}");
        }
        circuits::layout::compile(&program, &Default::default()).unwrap();
    }
}

/// Embeddings are weights where weights are private: nothing public depends on them.
#[test]
fn embeddings_are_private_weights() {
    let model = |seed: u64, columns: usize| {
        let mut b = Builder::new();
        let indices = b.input(&[3], Element::Integer);
        let mut numbers = Numbers(seed);
        // The largest is the same, so that the scales are.
        let entries = (0..12 * columns).map(|i| if i == 0 { 1.0 } else { numbers.next() * 0.9 }).collect();
        let input = b.constant(Tensor::new(vec![12, columns], entries));
        let picked = b.real(FloatOp::Gather { input, indices, axis: 0 }, &[3, columns]);
        b.finish(picked)
    };
    for columns in [1, 5] {
        let (first, tuned) = (model(3, columns), model(4, columns));
        let public = QuantizeOptions { bits: Bits::Fixed(8), ..QuantizeOptions::default() };
        let options = QuantizeOptions { private_weights: true, ..public.clone() };
        let base = compile(&first, None, &options).unwrap().program.with_private_weights().unwrap();
        let like = compile_like(&first, &tuned, None, &options).unwrap().program;
        let member = base.with_weights_of(&like).unwrap();
        assert_eq!(member.family(), base.family());
        circuits::layout::compile(&base, &Default::default()).unwrap();
        let by_table = compile(&first, None, &public).unwrap().program;
        let outputs = |program: &circuits::graph::Program| {
            let trace = reference::run(program, &[vec![0, 7, 11]]).unwrap();
            trace.outputs(program)[0].to_vec()
        };
        assert_eq!(outputs(&base), outputs(&by_table));
        assert_ne!(outputs(&member), outputs(&base), "the entries are those of the model");
    }
}

#[test]
fn a_scale_before_trees_moves_into_their_bounds() {
    let mut numbers = Numbers(5);
    let mut b = Builder::new();
    let x = b.input(&[1, 3], Element::Real);
    let factors = b.constant(Tensor::new(vec![3], vec![0.5, 2.0, 4.0]));
    let offsets = b.constant(Tensor::new(vec![3], vec![1.0, -1.0, 0.25]));
    let shifted = b.binary(BinaryFunction::Sub, [x, offsets], &[1, 3]);
    let scaled = b.binary(BinaryFunction::Mul, [shifted, factors], &[1, 3]);
    let trees = Arc::new(forest(&mut numbers, &[1.0; 3], 2, 15));
    let leaves = trees.leaves;
    let y = b.real(FloatOp::TreeLeaves { input: scaled, trees }, &[1, leaves]);
    let graph = b.finish(y);
    let data = (0..120).map(|i| {
        let bound = (numbers.next() * 8.0).round() / 8.0;
        bound / [0.5, 2.0, 4.0][i % 3] + [1.0, -1.0, 0.25][i % 3]
    });
    let samples = Samples::from_batches(vec![Tensor::new(vec![40, 1, 3], data.collect())]);
    let compiled = compile_on(&graph, &samples, 8);
    assert_eq!(error_of(&graph, &compiled, &samples), 0.0);
    let bits = |node: &circuits::graph::Node| matches!(&node.op, Op::Input { lo, hi } if hi - lo > 1 << 16);
    assert!(bits(&compiled.program.nodes[0]), "the input has the resolution that the trees ask for");
    assert_eq!(count(&compiled, |op| matches!(op, Op::Affine { .. } | Op::Product { .. })), 0);
}

/// Rows of numbers near the bounds of trees, some of them missing.
fn with_holes(numbers: &mut Numbers, sizes: &[f64], rows: usize) -> Tensor {
    let Tensor { shape, data } = near_bounds(numbers, sizes, rows);
    let data = data.iter().map(|&v| if numbers.next() < -0.6 { f64::NAN } else { v }).collect::<Vec<_>>();
    Tensor::new(shape, data)
}

#[test]
fn trees_send_missing_values_where_the_model_does() {
    let mut numbers = Numbers(13);
    let sizes = [1000.0, 3.0, 0.1, 1.0];
    for (trees, branches, scaled) in [(1, 1, false), (3, 6, false), (2, 90, true)] {
        let mut b = Builder::new();
        let x = b.input(&[1, 4], Element::Real);
        let mut forest = forest(&mut numbers, &sizes, trees, branches);
        forest.branches.iter_mut().for_each(|branch| branch.missing_passes = numbers.next() > 0.0);
        let factors = b.constant(Tensor::new(vec![4], vec![if scaled { 0.5 } else { 1.0 }; 4]));
        let features = if scaled { b.binary(BinaryFunction::Mul, [x, factors], &[1, 4]) } else { x };
        let leaves = forest.leaves;
        let y = b.real(FloatOp::TreeLeaves { input: features, trees: Arc::new(forest) }, &[1, leaves]);
        let graph = b.finish(y);
        let doubled = if scaled { sizes.map(|size| 2.0 * size) } else { sizes };
        let data = with_holes(&mut numbers, &doubled, 60);
        let samples = Samples::from_batches(vec![Tensor { shape: vec![60, 1, 4], data: data.data }]);
        let compiled = compile_on(&graph, &samples, 8);
        let port = &compiled.program.inputs[0];
        let Op::Input { lo, .. } = compiled.program.node(port.tensor).op else { panic!("it is an input") };
        assert_eq!(port.kind.missing(lo), Some(lo));
        assert_eq!(error_of(&graph, &compiled, &samples), 0.0);
        circuits::layout::compile(&compiled.program, &Default::default()).unwrap();
    }
}

/// `fill` where a value of `x` is missing.
fn imputed(b: &mut Builder, x: ValueId, fill: &[f64]) -> ValueId {
    let shape = b.graph.nodes[x.0].shape.clone();
    let condition = b.node(FloatOp::Unary { input: x, function: UnaryFunction::IsNan }, &shape, Element::Bool);
    let then = b.constant(Tensor::new(shape.clone(), fill.to_vec()));
    b.real(FloatOp::Select { condition, then, otherwise: x }, &shape)
}

#[test]
fn numbers_take_the_place_of_missing_values() {
    // Features of one size, and of sizes that are narrowed one by one.
    for sizes in [[1.0, 1.0, 1.0, 1.0], [1000.0, 1.0, 0.1, 1.0]] {
        let mut b = Builder::new();
        let x = b.input(&[1, 4], Element::Real);
        let there = imputed(&mut b, x, &[0.25 * sizes[0], -0.5, 0.05, 0.0]);
        let weights = (0..12).map(|i| b.numbers.next() / sizes[i / 3]).collect();
        let weights = b.constant(Tensor::new(vec![4, 3], weights));
        let y = b.real(FloatOp::MatMul(there, weights), &[1, 3]);
        let y = b.unary(y, UnaryFunction::Tanh);
        let graph = b.finish(y);
        let mut numbers = Numbers(17);
        let data = with_holes(&mut numbers, &sizes, 60);
        let samples = Samples::from_batches(vec![Tensor { shape: vec![60, 1, 4], data: data.data }]);
        let compiled = compile_on(&graph, &samples, 10);
        let error = error_of(&graph, &compiled, &samples);
        assert!(error < 0.02, "{error}");
        circuits::layout::compile(&compiled.program, &Default::default()).unwrap();
    }
}

#[test]
fn missing_values_are_asked_for() {
    let model = || {
        let mut b = Builder::new();
        let x = b.input(&[1, 2], Element::Real);
        let there = imputed(&mut b, x, &[1.0, -1.0]);
        let asks = FloatOp::Unary { input: x, function: UnaryFunction::IsNan };
        let missing = b.node(asks, &[1, 2], Element::Bool);
        b.output(missing);
        b.finish(there)
    };
    let graph = model();
    let whole = Samples::from_batches(vec![Tensor::new(vec![3, 1, 2], vec![0.5, -0.25, 0.75, 1.0, -1.0, 0.0])]);
    let nan = Tensor::new(vec![1, 2], vec![f64::NAN, 0.5]);
    // Samples without NaN, and no word of it: NaN is refused.
    let compiled = compile_on(&graph, &whole, 8);
    assert_eq!(compiled.program.inputs[0].kind, PortKind::Real);
    let refused = quantize_inputs(&compiled.program, std::slice::from_ref(&nan)).unwrap_err();
    assert!(refused.to_string().contains("--missing \"x0\""), "{refused}");
    let options = QuantizeOptions { bits: Bits::Fixed(8), missing: ["x0".to_owned()].into(), ..Default::default() };
    let compiled = compile(&graph, Some(&whole), &options).unwrap();
    let values = quantize_inputs(&compiled.program, std::slice::from_ref(&nan)).unwrap().values;
    let outputs = reference::run(&compiled.program, &values).unwrap().outputs(&compiled.program);
    let reals = dequantize_outputs(&compiled.program, &outputs);
    assert_eq!(&reals[0].data[..], [1.0, 0.0]);
    assert!((reals[1].data[0] - 1.0).abs() < 0.02 && (reals[1].data[1] - 0.5).abs() < 0.02, "{reals:?}");
    // A number is never taken for what is missing, however far below the range.
    let low = quantize_inputs(&compiled.program, &[Tensor::new(vec![1, 2], vec![-1e9, 0.5])]).unwrap();
    let trace = reference::run(&compiled.program, &low.values).unwrap();
    assert_eq!(trace.outputs(&compiled.program)[0], [0, 0]);
    // Beyond an operator that has no answer to it.
    let mut b = Builder::new();
    let x = b.input(&[1, 2], Element::Real);
    let y = b.dense(x, 2, 2);
    let refused = compile(&b.finish(y), Some(&whole), &options).unwrap_err();
    assert!(matches!(&refused, QuantizeError::Unsettled { input, .. } if input == "x0"), "{refused}");
    let unknown = QuantizeOptions { missing: ["z".to_owned()].into(), ..options };
    assert!(matches!(compile(&graph, Some(&whole), &unknown), Err(QuantizeError::NoSuchPort { .. })));
}

/// A polynomial of degree three: a linear layer on products of features.
#[test]
fn products_before_a_layer_that_goes_out_are_exact() {
    let mut b = Builder::new();
    let x = b.input(&[1, 3], Element::Real);
    let column = |b: &mut Builder, map: Vec<u32>| {
        let map = map.into_iter().map(Some).collect();
        b.real(FloatOp::Reindex { input: x, map, fill: 0.0 }, &[1, 3])
    };
    let (first, second) = (column(&mut b, vec![0, 0, 1]), column(&mut b, vec![1, 2, 2]));
    let squares = b.binary(BinaryFunction::Mul, [first, second], &[1, 3]);
    let cubes = b.binary(BinaryFunction::Mul, [squares, x], &[1, 3]);
    let features = b.real(FloatOp::Concat { inputs: vec![x, squares, cubes], axis: 1 }, &[1, 9]);
    let y = b.dense(features, 9, 2);
    let graph = b.finish(y);
    let samples = samples(&graph);
    let compiled = compile_on(&graph, &samples, 8);
    assert_eq!(count(&compiled, |op| matches!(op, Op::Product { requantize: Some(_), .. })), 0);
    let error = error_of(&graph, &compiled, &samples);
    assert!(error < 0.003, "{error}");
    // Beyond what was calibrated a product is that of its factors.
    let far = Tensor::new(vec![1, 3], vec![1.2, -1.2, 1.2]);
    let values = quantize_inputs(&compiled.program, std::slice::from_ref(&far)).unwrap().values;
    let outputs = reference::run(&compiled.program, &values).unwrap().outputs(&compiled.program);
    let (integer, float) = (dequantize_outputs(&compiled.program, &outputs), evaluate_outputs(&graph, &[far]).unwrap());
    let off = (0..2).map(|i| (integer[0].data[i] - float[0].data[i]).abs()).fold(0.0, f64::max);
    assert!(off < 0.05, "{off}");
    circuits::layout::compile(&compiled.program, &Default::default()).unwrap();
}

#[test]
fn weights_of_very_different_size_are_held_in_two_parts() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let squares = b.binary(BinaryFunction::Mul, [x, x], &[1, 4]);
    let both = b.real(FloatOp::Concat { inputs: vec![squares, x], axis: 1 }, &[1, 8]);
    // The square of the first element decides nearly always, and the others where it is zero.
    let rows = [[2e9, -3e8], [-3.0, 1.5], [2.5, -2.0], [0.5, 4.0], [0.0, 0.0], [1.0, -0.75], [-2.0, 0.25], [3.0, 1.0]];
    let weights = b.constant(Tensor::new(vec![8, 2], rows.concat()));
    let product = b.real(FloatOp::MatMul(both, weights), &[1, 2]);
    let clipped = b.unary(product, UnaryFunction::Clip { lo: -16.0, hi: 16.0 });
    let graph = b.finish(clipped);
    let mut numbers = Numbers(5);
    let sixteenth = |v: f64| (v * 16.0).round() / 16.0;
    let row = |sample: usize| {
        let first = if sample.is_multiple_of(4) { sixteenth(numbers.next()) } else { 0.0 };
        [first, sixteenth(numbers.next()), sixteenth(numbers.next()), sixteenth(numbers.next())]
    };
    let data: Vec<f64> = (0..SAMPLES * 4).flat_map(row).collect();
    let samples = Samples::from_batches(vec![Tensor::new(vec![SAMPLES * 4, 1, 4], data)]);
    let compiled = compile_on(&graph, &samples, 8);
    let error = error_of(&graph, &compiled, &samples);
    assert!(error < 0.01, "{error}");
    let in_parts = |op: &Op| matches!(op, Op::Affine { factors: [65_536, 1], .. });
    assert_eq!(count(&compiled, in_parts), 1);
}

#[test]
fn functions_that_grow_have_room_beyond_the_samples() {
    let mut b = Builder::new();
    let x = b.input(&[1, 4], Element::Real);
    let inner = b.dense(x, 4, 4);
    let cube = b.unary(inner, UnaryFunction::Power(3.0));
    let output = b.dense(cube, 4, 1);
    let graph = b.finish(output);
    let count = 4 * SAMPLES;
    let tensor = Numbers(11).tensor(&[count, 1, 4]);
    let compiled = compile_on(&graph, &Samples::from_batches(vec![tensor.clone()]), 12);
    let outputs = |inputs: &[Tensor]| {
        let quantized = quantize_inputs(&compiled.program, inputs).unwrap();
        let trace = reference::run(&compiled.program, &quantized.values).unwrap();
        let integer = dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program));
        (evaluate_outputs(&graph, inputs).unwrap()[0].data[0], integer[0].data[0])
    };
    let (mut largest, mut difference) = (0f64, 0f64);
    for sample in tensor.data.chunks(4) {
        let further: Vec<f64> = sample.iter().map(|v| 1.1 * v).collect();
        let (float, integer) = outputs(&[Tensor::new(vec![1, 4], further)]);
        (largest, difference) = (largest.max(float.abs()), difference.max((float - integer).abs()));
    }
    assert!(difference < 0.02 * largest, "{difference} of {largest}");
}

#[test]
fn one_sample_shows_how_far_points_may_be_that_it_is_near() {
    let mut b = Builder::new();
    let x = b.input(&[1, 3], Element::Real);
    let corners = [[0.8, -0.7, 0.3], [-0.9, 0.8, -0.2], [-0.1, 0.9, 0.9], [0.7, 0.6, -0.9], [-0.6, -0.8, 0.5]];
    let distance = |b: &mut Builder, corner: [f64; 3]| {
        let point = b.constant(Tensor::new(vec![1, 3], corner.to_vec()));
        let difference = b.binary(BinaryFunction::Sub, [x, point], &[1, 3]);
        let square = b.binary(BinaryFunction::Mul, [difference, difference], &[1, 3]);
        b.real(FloatOp::Reduce { input: square, kind: ReduceKind::Sum, axes: vec![1] }, &[1, 1])
    };
    let inputs = corners.map(|corner| distance(&mut b, corner)).to_vec();
    let distances = b.real(FloatOp::Concat { inputs, axis: 1 }, &[1, 5]);
    let square = b.binary(BinaryFunction::Mul, [x, x], &[1, 3]);
    let norm = b.real(FloatOp::Reduce { input: square, kind: ReduceKind::Sum, axes: vec![1] }, &[1, 1]);
    b.output(norm);
    let graph = b.finish(distances);
    let others = Samples::from_batches(vec![Numbers(5).tensor(&[SAMPLES, 1, 3])]);
    // Near the first point, and near the middle, where the norm is small.
    for sample in [[0.75, -0.72, 0.35], [0.35, -0.34, 0.35]] {
        let one = Samples::from_batches(vec![Tensor::new(vec![1, 1, 3], sample.to_vec())]);
        let error = error_of(&graph, &compile_on(&graph, &one, 10), &others);
        assert!(error < 0.03, "{error} from {sample:?}");
    }
}

/// Of few features that happen to have one sign in the sample, others may have the other one; what they are compared with says nothing here.
#[test]
fn few_features_of_one_sample_do_not_show_their_signs() {
    let mut b = Builder::new();
    let x = b.input(&[1, 3], Element::Real);
    let weights = b.constant(Tensor::new(vec![3, 2], vec![0.8, -0.7, 0.3, 0.9, -0.8, 0.2]));
    let scores = b.real(FloatOp::MatMul(x, weights), &[1, 2]);
    let graph = b.finish(scores);
    let others = Samples::from_batches(vec![Numbers(7).tensor(&[SAMPLES, 1, 3])]);
    let one = Samples::from_batches(vec![Tensor::new(vec![1, 1, 3], vec![-0.5, -0.45, -0.6])]);
    let error = error_of(&graph, &compile_on(&graph, &one, 10), &others);
    assert!(error < 0.03, "{error}");
}
