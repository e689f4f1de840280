//! Integer types: results that may wrap around are refused by name, and what is known of reals is found in time.

use super::*;
use crate::float::typed::Bounds;
use crate::quantize::{compile, DynamicScales, QuantizeError, QuantizeOptions};
use crate::samples::Samples;

const INT32: i32 = 6;
const INT64: i32 = 7;

fn typed(name: &str, dims: &[i64], elem_type: i32) -> ValueInfoProto {
    let mut value = value(name, dims);
    value.r#type.as_mut().and_then(|of| of.tensor_type.as_mut()).expect("it is a tensor").elem_type = elem_type;
    value
}

fn constant(name: &str, data_type: i32, value: i64) -> TensorProto {
    match data_type {
        INT32 => TensorProto { name: name.into(), data_type, int32_data: vec![value as i32], ..Default::default() },
        _ => TensorProto { name: name.into(), data_type, int64_data: vec![value], ..Default::default() },
    }
}

/// A model of an input `[1, 4]` of that type.
fn integers_of(data_type: i32, nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> ModelProto {
    let graph = GraphProto { input: vec![typed("x", &[1, 4], data_type)], ..graph(nodes, stored) };
    model(graph)
}

/// The node that may wrap around for inputs from `lo` to `hi`, and its type.
fn verdict(model: &ModelProto, lo: f64, hi: f64) -> Option<(String, &'static str)> {
    let graph = run(model).expect("it is imported");
    graph.integers.beyond(|_| Bounds { lo, hi }).map(|beyond| (beyond.node, beyond.data_type))
}

/// [`verdict`] of what compiles a model that is calibrated with such inputs.
fn compiled(model: &ModelProto, lo: f64, hi: f64) -> Option<(String, &'static str)> {
    let graph = run(model).expect("it is imported");
    let samples = Samples::from_batches(vec![Tensor::new(vec![1, 4], vec![lo, hi, lo, hi])]);
    match compile(&graph, Some(&samples), &QuantizeOptions::default()) {
        Ok(_) => None,
        Err(QuantizeError::WrapsAround { node, data_type, .. }) => Some((node, data_type)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn products_that_may_leave_int32_are_refused_by_the_ranges_of_inputs() {
    let nodes = vec![node("Mul", &["x", "c"], &["h"]), node("Mul", &["h", "c"], &["y"])];
    let squared = integers_of(INT32, nodes, vec![constant("c", INT32, 1000)]);
    assert_eq!(compiled(&squared, 0.0, 2147.0), None);
    assert_eq!(compiled(&squared, 0.0, 2148.0), Some(("y".into(), "int32")));
    assert_eq!(compiled(&squared, -2148.0, 0.0), Some(("y".into(), "int32")));
    // A result between that is merged with what follows is judged too.
    let nodes = vec![node("Mul", &["x", "c"], &["h"]), node("Div", &["h", "c"], &["y"])];
    let there_and_back = integers_of(INT32, nodes, vec![constant("c", INT32, 1_000_000)]);
    assert_eq!(compiled(&there_and_back, 0.0, 2147.0), None);
    assert_eq!(compiled(&there_and_back, 0.0, 2148.0), Some(("h".into(), "int32")));
}

/// Of a model part of which is computed in float32 arithmetic, the integers of the rest are judged too.
#[test]
fn integers_beside_exact_dynamic_scales_are_judged() {
    const FLOAT: i64 = 1;
    let nodes = vec![
        node("DynamicQuantizeLinear", &["f"], &["q", "scale", "zero"]),
        node("MatMulInteger", &["q", "w", "zero"], &["sums"]),
        with(node("Cast", &["sums"], &["real"]), [int("to", FLOAT)]),
        node("Mul", &["real", "scale"], &["exact"]),
        node("Mul", &["x", "c"], &["h"]),
        node("Mul", &["h", "c"], &["y"]),
    ];
    let weights =
        TensorProto { name: "w".into(), data_type: 3, dims: vec![4, 2], int32_data: vec![3; 8], ..Default::default() };
    let graph = graph(nodes, vec![weights, constant("c", INT32, 1000)]);
    let graph = GraphProto {
        input: vec![value("f", &[1, 4]), typed("x", &[1, 4], INT32)],
        output: vec![value("exact", &[1, 2]), typed("y", &[1, 4], INT32)],
        ..graph
    };
    let graph = run(&model(graph)).expect("it is imported");
    let compiled = |most: f64| {
        let tensor = |data: [f64; 4]| Tensor::new(vec![1, 1, 4], data.to_vec());
        let samples = Samples::from_batches(vec![tensor([0.5, -0.25, 1.0, 0.75]), tensor([0.0, most, 1.0, 2.0])]);
        compile(&graph, Some(&samples), &QuantizeOptions { dynamic: DynamicScales::Exact, ..Default::default() })
    };
    compiled(2147.0).expect("nothing wraps around");
    let refused = compiled(2148.0).expect_err("a product may wrap around");
    assert!(matches!(&refused, QuantizeError::WrapsAround { node, .. } if node == "y"), "{refused}");
}

#[test]
fn sums_casts_and_opposites_that_may_leave_int32_are_refused() {
    const MOST: f64 = 2_147_483_647.0;
    let double = integers_of(INT32, vec![node("Add", &["x", "x"], &["y"])], vec![]);
    assert_eq!((verdict(&double, 0.0, 1e9), verdict(&double, 0.0, 1.1e9)), (None, Some(("y".into(), "int32"))));
    let sum = integers_of(INT32, vec![with(node("ReduceSum", &["x"], &["y"]), [int("keepdims", 1)])], vec![]);
    assert_eq!((verdict(&sum, 0.0, 5e8), verdict(&sum, 0.0, 6e8)), (None, Some(("y".into(), "int32"))));
    let cast = with(node("Cast", &["x"], &["y"]), [int("to", INT32.into())]);
    let cast = integers_of(INT64, vec![cast], vec![]);
    assert_eq!((verdict(&cast, 0.0, MOST), verdict(&cast, 0.0, MOST + 1.0)), (None, Some(("y".into(), "int32"))));
    let opposite = integers_of(INT32, vec![node("Neg", &["x"], &["y"])], vec![]);
    assert_eq!((verdict(&opposite, -MOST, 0.0), verdict(&opposite, -MOST - 1.0, 0.0).is_some()), (None, true));
    // What no output depends on wraps around as it likes.
    let unread = vec![node("Add", &["x", "x"], &["h"]), node("Max", &["x", "x"], &["y"])];
    assert_eq!(verdict(&integers_of(INT32, unread, vec![]), 0.0, MOST), None);
}

#[test]
fn integers_of_64_bits_have_room() {
    let nodes = vec![node("Mul", &["x", "c"], &["h"]), node("Mul", &["h", "c"], &["y"])];
    let squared = integers_of(INT64, nodes, vec![constant("c", INT64, 1_000_000)]);
    assert_eq!(verdict(&squared, 0.0, 2148.0), None);
    let nodes = vec![node("Mul", &["x", "x"], &["h"]), node("Mul", &["h", "h"], &["y"])];
    let fourth = integers_of(INT64, nodes, vec![]);
    assert_eq!(verdict(&fourth, 0.0, 55_000.0), None);
    assert_eq!(verdict(&fourth, 0.0, 56_000.0), Some(("y".into(), "int64")));
}

#[test]
fn the_refusal_says_what_to_do() {
    let model = integers_of(INT32, vec![node("Mul", &["x", "c"], &["y"])], vec![constant("c", INT32, 2_000_000)]);
    let graph = run(&model).expect("it is imported");
    let samples = Samples::from_batches(vec![Tensor::new(vec![1, 4], vec![0.0, 2000.0, 0.0, 1.0])]);
    let refusal = compile(&graph, Some(&samples), &QuantizeOptions::default()).expect_err("it may wrap around");
    let text = refusal.to_string();
    assert!(text.contains("node \"y\"") && text.contains("[0, 4000000000]") && text.contains("calibrate"), "{text}");
}

/// Joined with itself and halved again, a real has `2^64` ways back to where it was rounded.
#[test]
fn integers_among_reals_are_found_in_time() {
    let cast = |from: &str| with(node("Cast", &[from], &["y"]), [int("to", INT64.into())]);
    let mut nodes = vec![node("Floor", &["x"], &["h0"])];
    for depth in 0..64 {
        let (from, joined, to) = (format!("h{depth}"), format!("c{depth}"), format!("h{}", depth + 1));
        nodes.push(with(node("Concat", &[&from, &from], &[&joined]), [int("axis", 1)]));
        nodes.push(node("Slice", &[&joined, "zero", "two", "one"], &[&to]));
    }
    nodes.push(cast("h64"));
    let stored = vec![integers("zero", &[0]), integers("two", &[2]), integers("one", &[1])];
    let graph = run(&model(GraphProto { output: vec![value("y", &[])], ..super::graph(nodes, stored) })).unwrap();
    assert_eq!(outputs(&graph, &[1.5, -2.5]), [1.0, -3.0]);

    // A chain as long as this would overflow the stack if each of its nodes called the next.
    let length = 50_000;
    let mut nodes = vec![node("Floor", &["x"], &["h0"])];
    nodes.extend((0..length).map(|step| node("Relu", &[&format!("h{step}")], &[&format!("h{}", step + 1)])));
    nodes.push(cast(&format!("h{length}")));
    let graph = run(&model(super::graph(nodes, vec![]))).unwrap();
    assert_eq!(outputs(&graph, &[1.5, -2.5]), [1.0, 0.0]);
}
