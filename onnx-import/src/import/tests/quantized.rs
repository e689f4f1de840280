//! Operators between DequantizeLinear and QuantizeLinear: rules that hold for some of them only are not taken for others.

use super::*;
use crate::quantize::{compile, dequantize_outputs, quantize_inputs, QuantizeOptions};
use crate::samples::Samples;

/// Nodes that quantize a value to int8 and dequantize it again, by a scale.
fn quantized(from: &str, to: &str, scale: &str) -> [NodeProto; 2] {
    let between = format!("{to}_integers");
    [
        node("QuantizeLinear", &[from, scale, "zero"], &[&between]),
        node("DequantizeLinear", &[&between, scale, "zero"], &[to]),
    ]
}

/// The number 0 of type int8.
fn zero() -> TensorProto {
    TensorProto { data_type: 3, ..bytes("zero", &[0]) }
}

/// A model of inputs `x…` of one shape, each of them quantized as `q…`; `d` is quantized as the output.
fn between(
    inputs: &[(&str, &[i64])],
    nodes: Vec<NodeProto>,
    scales: [f32; 2],
    mut stored: Vec<TensorProto>,
) -> ModelProto {
    let mut all = Vec::new();
    for (name, _) in inputs {
        all.extend(quantized(name, &name.replace('x', "q"), "from"));
    }
    all.extend(nodes);
    all.extend(quantized("d", "y", "to"));
    stored.extend([floats("from", &[], &scales[..1]), floats("to", &[], &scales[1..]), zero()]);
    let input = inputs.iter().map(|(name, dims)| value(name, dims)).collect();
    model(GraphProto { input, ..graph(all, stored) })
}

/// The outputs of the float graph in steps of that size; those of the integer program are within one of them.
fn results(model: &ModelProto, inputs: &[Tensor], step: f32) -> Vec<i32> {
    let graph = run(model).expect("it is imported");
    let batches = inputs.iter().map(|input| Tensor::new([&[1], &input.shape[..]].concat(), input.data.to_vec()));
    let samples = Samples::from_batches(batches.collect());
    let program = compile(&graph, Some(&samples), &QuantizeOptions::default()).expect("it compiles").program;
    let quantized = quantize_inputs(&program, inputs).expect("the inputs fit");
    let trace = circuits::reference::run(&program, &quantized.values).expect("it runs");
    let integer = dequantize_outputs(&program, &trace.outputs(&program)).remove(0);
    let float = evaluate_outputs(&graph, inputs).expect("the inputs fit").remove(0);
    let steps = |tensor: Tensor| tensor.data.iter().map(|v| (v / f64::from(step)).round() as i32).collect::<Vec<_>>();
    let (float, integer) = (steps(float), steps(integer));
    let close = float.iter().zip(&integer).all(|(a, b)| (a - b).abs() <= 1);
    assert!(close, "{float:?} {integer:?}");
    float
}

fn elu(from: &str, to: &str) -> NodeProto {
    let alpha =
        AttributeProto { name: "alpha".into(), kind: attribute_kind::FLOAT, f: Some(100.0), ..Default::default() };
    with(node("Elu", &[from], &[to]), [alpha])
}

/// 63 and `100·(e⁻¹ − 1)` are more steps than fixed-point numbers have, and their sum is −21.
#[test]
fn large_summands_cancel() {
    let nodes = vec![elu("q", "elu"), node("GlobalAveragePool", &["elu"], &["d"])];
    let average = between(&[("x", &[1, 1, 2, 2])], nodes, [1.0, 0.01], vec![]);
    let input = Tensor::new(vec![1, 1, 2, 2], vec![63.0, -1.0, 0.0, 0.0]);
    assert_eq!(results(&average, &[input], 0.01), [-5]);
    let nodes = vec![
        elu("q0", "elu0"),
        elu("q1", "elu1"),
        elu("q2", "elu2"),
        node("Add", &["elu0", "elu1"], &["sum"]),
        node("Add", &["sum", "elu2"], &["d"]),
    ];
    let sum = between(&[("x0", &[1, 1]), ("x1", &[1, 1]), ("x2", &[1, 1])], nodes, [1.0, 0.01], vec![]);
    let inputs = [63.0, -1.0, 0.0].map(|number| Tensor::new(vec![1, 1], vec![number]));
    assert_eq!(results(&sum, &inputs, 0.01), [-21]);
}

/// A factor may be larger than fixed-point numbers are, where it is no sum: only 0 times it lies within the type.
#[test]
fn large_factors_saturate() {
    let inputs: [(&str, &[i64]); 2] = [("x0", &[1, 4]), ("x1", &[1, 4])];
    let nodes = vec![node("Exp", &["q1"], &["e"]), node("Mul", &["q0", "e"], &["d"])];
    let gated = between(&inputs, nodes, [0.5, 0.01], vec![]);
    let graph = run(&gated).unwrap();
    assert!(graph.nodes.iter().any(|node| matches!(node.op, FloatOp::QuantizedMul { .. })));
    let tensor = |data: &[f64]| Tensor::new(vec![1, 4], data.to_vec());
    let (left, right) = (tensor(&[0.0, 0.5, -0.5, 1.0]), tensor(&[60.0, 60.0, 60.0, -1.0]));
    assert_eq!(results(&gated, &[left, right], 0.01), [0, 127, -128, 37]);
}

/// The root of the first row's squares, which a bound or a number with another axis brings beside every row.
#[test]
fn norms_are_those_of_the_rows_that_they_divide() {
    let wide = |number: f32| floats("wide", &[1, 1, 2], &[number; 2]);
    let squares = [node("Mul", &["q", "q"], &["squares"]), node("ReduceSum", &["squares", "axes"], &["sums"])];
    let bounded = vec![node("Sqrt", &["sums"], &["roots"]), node("Max", &["roots", "wide"], &["several"])];
    let added = vec![node("Add", &["sums", "wide"], &["more"]), node("Sqrt", &["more"], &["several"])];
    let x = |place: usize| (place / 8 * 20 + place % 8) as f64 * 0.1;
    let norm = (0..8).map(|place| x(place).powi(2)).sum::<f64>().sqrt();
    let quotient = |place: usize| (x(place) / norm / 0.01).round().min(127.0) as i32;
    for (nodes, number) in [(bounded, 1e-12), (added, 1e-12)] {
        let picked = [
            node("Slice", &["several", "starts", "ends", "sliced"], &["first"]),
            node("Reshape", &["first", "shape"], &["divisors"]),
            node("Div", &["q", "divisors"], &["d"]),
        ];
        let stored = vec![
            wide(number),
            integers("axes", &[2]),
            integers("starts", &[0, 0]),
            integers("ends", &[1, 2]),
            integers("sliced", &[1, 2]),
            integers("shape", &[1, 2, 1]),
        ];
        let all = [&squares[..], &nodes, &picked].concat();
        let model = between(&[("x", &[1, 2, 8])], all, [0.1, 0.01], stored);
        let found = results(&model, &[Tensor::new(vec![1, 2, 8], (0..16).map(x).collect())], 0.01);
        let expected: Vec<i32> = (0..16).map(quotient).collect();
        let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1);
        assert!(close, "{found:?} {expected:?}");
    }
}

fn average_pool(kernel: i64, stride: i64) -> NodeProto {
    with(node("AveragePool", &["q"], &["d"]), [ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2])])
}

/// Sums of quantized numbers are infinite in float32, and at the second scale their number times it is.
#[test]
fn averages_at_the_largest_scales_are_no_panic() {
    let average = |scale: f32| between(&[("x", &[1, 1, 4, 4])], vec![average_pool(2, 2)], [scale; 2], vec![]);
    let input = Tensor::new(vec![1, 1, 4, 4], (0..16).map(|place| f64::from(place) * 2e37).collect());
    assert_eq!(results(&average(1e37), &[input], 1e37), [5, 9, 21, 25]);
    let refused = run(&average(3e38)).unwrap_err();
    assert!(refused.to_string().contains("a requantization by 0"), "{refused}");
}

/// Averages of windows with ties that can't be followed are a convolution, and their elements are not laid out.
#[test]
fn windows_are_laid_out_only_where_that_is_of_use() {
    let model = between(&[("x", &[1, 128, 128, 128])], vec![average_pool(13, 1)], [1.0, 2.0], vec![]);
    let graph = run(&model).unwrap();
    assert!(graph.nodes.iter().any(|node| matches!(node.op, FloatOp::QuantizedConv { .. })));
}
