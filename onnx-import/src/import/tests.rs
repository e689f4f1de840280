//! Models built by hand: what is accepted, and what is refused with which error.

use super::*;
use crate::error::NodeError;
use crate::float::evaluate::evaluate_outputs;
use crate::float::graph::{FloatOp, Tensor};
use crate::proto::*;
use prost::Message;
use sha2::{Digest, Sha256};

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| DimensionProto { dim_value: Some(size), dim_param: None };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: 1, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn named_dimension(name: &str, dimension: &str) -> ValueInfoProto {
    let mut input = value(name, &[1, 2]);
    let shape = input.r#type.as_mut().and_then(|t| t.tensor_type.as_mut()).and_then(|t| t.shape.as_mut());
    shape.expect("a shape").dim[0] = DimensionProto { dim_value: None, dim_param: Some(dimension.into()) };
    input
}

fn floats(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: 1,
        dims: dims.to_vec(),
        float_data: data.to_vec(),
        ..Default::default()
    }
}

fn integers(name: &str, data: &[i64]) -> TensorProto {
    let dims = vec![data.len() as i64];
    TensorProto { name: name.into(), data_type: 7, dims, int64_data: data.to_vec(), ..Default::default() }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: outputs.iter().map(|&name| name.into()).collect(),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), kind: attribute_kind::INT, i: Some(value), ..Default::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), kind: attribute_kind::INTS, ints: values.to_vec(), ..Default::default() }
}

fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        kind: attribute_kind::STRING,
        s: Some(value.as_bytes().to_vec().into()),
        ..Default::default()
    }
}

fn with(mut node: NodeProto, attributes: impl IntoIterator<Item = AttributeProto>) -> NodeProto {
    node.attribute.extend(attributes);
    node
}

fn graph(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        node: nodes,
        name: "test".into(),
        initializer,
        input: vec![value("x", &[1, 2])],
        output: vec![value("y", &[])],
        ..Default::default()
    }
}

fn model(graph: GraphProto) -> ModelProto {
    let set = OperatorSetIdProto { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, graph: Some(graph), opset_import: vec![set], functions: vec![] }
}

fn run(model: &ModelProto) -> Result<FloatGraph, ImportError> {
    import(&model.encode_to_vec(), &ImportOptions::default())
}

/// Why the only questionable node of a model is refused.
fn node_error(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> NodeError {
    match run(&model(graph(nodes, initializer))) {
        Err(ImportError::Node { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

fn dense() -> ModelProto {
    let nodes =
        vec![NodeProto { name: "fc".into(), ..node("Gemm", &["x", "w", "b"], &["h"]) }, node("Relu", &["h"], &["y"])];
    let stored = vec![floats("w", &[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.5, 0.25]), floats("b", &[3], &[0.0, 1.0, -9.0])];
    model(graph(nodes, stored))
}

fn outputs(graph: &FloatGraph, input: &[f64]) -> Vec<f64> {
    let tensor = Tensor::new(vec![1, input.len()], input.to_vec());
    evaluate_outputs(graph, &[tensor]).expect("the input fits")[0].data.to_vec()
}

#[test]
fn a_dense_layer_is_imported_with_names() {
    let graph = run(&dense()).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 2.0]), [0.0, 4.0, 0.0]);
    let names: Vec<_> = graph.nodes.iter().map(|node| node.provenance.join("+")).collect();
    assert_eq!(names, ["x", "w", "b", "fc", "fc", "y"]);
    assert_eq!((graph.name.as_str(), graph.inputs.len(), graph.outputs.len()), ("test", 1, 1));
}

#[test]
fn every_shorter_file_is_refused() {
    let bytes = dense().encode_to_vec();
    for length in 0..bytes.len() {
        assert!(import(&bytes[..length], &ImportOptions::default()).is_err(), "{length} bytes");
    }
}

#[test]
fn what_is_no_model_is_refused() {
    for bytes in [&b""[..], b"hello", b"\x89PNG\r\n\x1a\n", &[0xff; 64], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
        assert!(matches!(import(bytes, &ImportOptions::default()), Err(ImportError::NotOnnx { .. })), "{bytes:?}");
    }
    let without_graph = ModelProto { graph: None, ..dense() };
    assert!(matches!(run(&without_graph), Err(ImportError::NotOnnx { .. })));
    assert!(matches!(run(&ModelProto { opset_import: vec![], ..dense() }), Err(ImportError::NotOnnx { .. })));
}

#[test]
fn initializers_may_be_listed_as_inputs() {
    let mut model = dense();
    model.graph.as_mut().unwrap().input.push(value("w", &[2, 3]));
    assert_eq!(run(&model).unwrap().inputs.len(), 1);
}

#[test]
fn dynamic_dimensions_are_one_unless_given() {
    let mut model = dense();
    model.graph.as_mut().unwrap().input[0] = named_dimension("x", "batch");
    let graph = run(&model).unwrap();
    assert_eq!(graph.node(graph.outputs[0].value).shape, [1, 3]);
    let options = |name: &str| ImportOptions { dims: [(name.to_owned(), 4)].into() };
    let graph = import(&model.encode_to_vec(), &options("batch")).unwrap();
    assert_eq!(graph.node(graph.outputs[0].value).shape, [4, 3]);
    let error = import(&model.encode_to_vec(), &options("length")).unwrap_err();
    assert!(matches!(error, ImportError::UnknownDimension { known, .. } if known == "batch"));
}

#[test]
fn shape_arithmetic_folds_away() {
    // reshape(x, concat(shape(x)[0:1], [-1, 1]))
    let nodes = vec![
        node("Shape", &["x"], &["s"]),
        node("Gather", &["s", "zero"], &["n"]),
        node("Concat", &["n", "rest"], &["t"]),
        with(node("Concat", &["n", "rest"], &["t2"]), [int("axis", 0)]),
        node("Reshape", &["x", "t2"], &["y"]),
    ];
    let mut nodes = nodes;
    nodes.remove(2);
    nodes[1].attribute.push(int("axis", 0));
    let mut model = model(graph(nodes, vec![integers("zero", &[0]), integers("rest", &[-1, 1])]));
    let graph = run(&model).unwrap();
    assert_eq!(graph.node(graph.outputs[0].value).shape, [1, 2, 1]);
    assert_eq!(graph.nodes.len(), 2);
    // The axis is required.
    model.graph.as_mut().unwrap().node[2].attribute.clear();
    assert!(matches!(run(&model), Err(ImportError::Node { error: NodeError::Attribute { .. }, .. })));
}

#[test]
fn operators_attributes_domains_and_arity_are_checked() {
    let relu = || node("Relu", &["x"], &["y"]);
    assert!(matches!(
        node_error(vec![node("Frob", &["x"], &["y"])], vec![]),
        NodeError::UnknownOperator { version: 17 }
    ));
    let unknown = node_error(vec![with(relu(), [int("alpha", 1)])], vec![]);
    assert_eq!(unknown, NodeError::UnknownAttribute { attribute: "alpha".into(), version: 17 });
    let other = NodeProto { domain: "com.example".into(), ..relu() };
    assert_eq!(node_error(vec![other], vec![]), NodeError::UnknownDomain { domain: "com.example".into() });
    let two = node_error(vec![node("Relu", &["x", "x"], &["y"])], vec![]);
    assert_eq!(two, NodeError::Arity { what: "inputs", expected: "1".into(), found: 2 });
    assert!(matches!(node_error(vec![node("Relu", &[""], &["y"])], vec![]), NodeError::Arity { .. }));
    let twice = with(node("LeakyRelu", &["x"], &["y"]), [int("alpha", 1), int("alpha", 1)]);
    assert!(matches!(node_error(vec![twice], vec![]), NodeError::Attribute { .. }));
    let wrong_type = with(node("LeakyRelu", &["x"], &["y"]), [int("alpha", 1)]);
    assert!(matches!(node_error(vec![wrong_type], vec![]), NodeError::Attribute { .. }));
    for version in [0, 29, i64::MIN] {
        let mut model = dense();
        model.opset_import[0].version = version;
        assert!(matches!(run(&model), Err(ImportError::OperatorSet { .. })), "{version}");
    }
}

#[test]
fn an_unknown_operator_that_nothing_needs_does_not_matter() {
    let nodes = vec![node("Frob", &["x"], &["dead"]), node("Relu", &["x"], &["y"])];
    assert!(run(&model(graph(nodes, vec![]))).is_ok());
}

#[test]
fn cycles_missing_values_and_double_definitions_are_refused() {
    let cycle = vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["b"]), node("Relu", &["b"], &["y"])];
    assert_eq!(node_error(cycle, vec![]), NodeError::Undefined { value: "b".into() });
    let missing = vec![node("Relu", &["nowhere"], &["y"])];
    assert_eq!(node_error(missing, vec![]), NodeError::Undefined { value: "nowhere".into() });
    let no_output = run(&model(graph(vec![], vec![])));
    assert!(matches!(no_output, Err(ImportError::Output { .. })));
    for nodes in [
        vec![node("Relu", &["x"], &["y"]), node("Tanh", &["x"], &["y"])],
        vec![node("Relu", &["x"], &["x"]), node("Tanh", &["x"], &["y"])],
    ] {
        assert!(matches!(run(&model(graph(nodes, vec![]))), Err(ImportError::Graph { .. })));
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_name() {
    let mut model = dense();
    model.graph.as_mut().unwrap().initializer[0].float_data[4] = f32::NAN;
    assert!(matches!(run(&model), Err(ImportError::Tensor { name, .. }) if name == "w"));
    model.graph.as_mut().unwrap().initializer[0].float_data[4] = f32::INFINITY;
    assert!(matches!(run(&model), Err(ImportError::NotFinite { name, .. }) if name.contains('w')));
}

#[test]
fn infinities_that_fold_away_are_allowed() {
    let nodes = vec![node("Clip", &["x", "lo", "hi"], &["y"])];
    let stored = vec![floats("lo", &[], &[f32::NEG_INFINITY]), floats("hi", &[], &[1.0])];
    let graph = run(&model(graph(nodes, stored))).unwrap();
    assert_eq!(outputs(&graph, &[-5.0, 5.0]), [-5.0, 1.0]);
}

#[test]
fn absurd_sizes_are_refused_at_once() {
    for dims in [&[i64::MAX][..], &[1 << 40, 1 << 40], &[0], &[-1], &[1 << 20, 1 << 20]] {
        let mut model = dense();
        model.graph.as_mut().unwrap().input[0] = value("x", dims);
        assert!(matches!(run(&model), Err(ImportError::Input { .. })), "{dims:?}");
    }
    let huge = 1i64 << 40;
    let cases: Vec<(NodeProto, TensorProto)> = vec![
        (node("Expand", &["x", "c"], &["y"]), integers("c", &[huge, 1, 2])),
        (node("Expand", &["x", "c"], &["y"]), integers("c", &[1 << 14, 1 << 14, 2])),
        (node("Tile", &["x", "c"], &["y"]), integers("c", &[huge, 1])),
        (node("Pad", &["x", "c"], &["y"]), integers("c", &[0, huge, 0, 0])),
        (node("Pad", &["x", "c"], &["y"]), integers("c", &[1 << 27, 0, 0, 1 << 27])),
        (node("Pad", &["x", "c"], &["y"]), integers("c", &[i64::MIN, i64::MIN, i64::MIN, i64::MIN])),
        (node("Reshape", &["x", "c"], &["y"]), integers("c", &[huge, huge])),
        (node("ConstantOfShape", &["c"], &["y"]), integers("c", &[huge])),
        (node("ConstantOfShape", &["c"], &["y"]), integers("c", &[1 << 15, 1 << 15])),
        (node("Resize", &["x", "", "c"], &["y"]), floats("c", &[2], &[1e30, 1.0])),
        (node("Resize", &["x", "", "c"], &["y"]), floats("c", &[2], &[1.0, 1e8])),
        // Interpolation is a product by a matrix: it is refused before the matrix is made.
        (with(node("Resize", &["x", "", "c"], &["y"]), [string("mode", "linear")]), floats("c", &[2], &[1.0, 1e8])),
        (node("Slice", &["x", "c", "c", "c", "c"], &["y"]), integers("c", &[i64::MIN])),
        (with(node("Split", &["x", "c"], &["y"]), [int("axis", 1)]), integers("c", &[i64::MAX])),
        (node("Unsqueeze", &["x", "c"], &["y"]), integers("c", &[i64::MIN, 7])),
    ];
    for (node, stored) in cases {
        let name = node.op_type.clone();
        let result = run(&model(graph(vec![node], vec![stored])));
        assert!(matches!(result, Err(ImportError::Node { .. })), "{name}: {result:?}");
    }
}

#[test]
fn absurd_windows_are_refused() {
    let image = value("x", &[1, 1, 4, 4]);
    let pool = |attributes: Vec<AttributeProto>| {
        let mut graph = graph(vec![with(node("MaxPool", &["x"], &["y"]), attributes)], vec![]);
        graph.input[0] = image.clone();
        run(&model(graph))
    };
    assert!(pool(vec![ints("kernel_shape", &[2, 2])]).is_ok());
    for attributes in [
        vec![],
        vec![ints("kernel_shape", &[0, 2])],
        vec![ints("kernel_shape", &[2])],
        vec![ints("kernel_shape", &[5, 5])],
        vec![ints("kernel_shape", &[i64::MAX, 1])],
        vec![ints("kernel_shape", &[2, 2]), ints("strides", &[0, 1])],
        vec![ints("kernel_shape", &[2, 2]), ints("dilations", &[1 << 28, 1])],
        vec![ints("kernel_shape", &[2, 2]), ints("pads", &[1 << 27, 0, 0, 0])],
        vec![ints("kernel_shape", &[2, 2]), ints("pads", &[2, 0, 0, 0])],
        vec![ints("kernel_shape", &[2, 2]), ints("pads", &[-1, 0, 0, 0])],
    ] {
        assert!(matches!(pool(attributes.clone()), Err(ImportError::Node { .. })), "{attributes:?}");
    }
}

#[test]
fn memory_for_folding_is_bounded_over_the_whole_model() {
    let mut nodes = vec![];
    for index in 0..64 {
        nodes.push(node("Expand", &["x", "c"], &[&format!("e{index}")]));
    }
    let names: Vec<String> = (0..64).map(|index| format!("e{index}")).collect();
    nodes.push(node("Sum", &names.iter().map(String::as_str).collect::<Vec<_>>(), &["y"]));
    let error = node_error(nodes, vec![integers("c", &[1 << 11, 1 << 11, 2])]);
    assert!(matches!(error, NodeError::TooLarge { .. }), "{error:?}");
}

#[test]
fn work_for_folding_is_bounded() {
    let nodes = vec![
        node("ConstantOfShape", &["c"], &["m"]),
        node("MatMul", &["m", "m"], &["p"]),
        node("MatMul", &["p", "m"], &["q"]),
        node("ReduceSum", &["q"], &["s"]),
        node("Add", &["x", "s"], &["y"]),
    ];
    let error = node_error(nodes, vec![integers("c", &[4096, 4096])]);
    assert!(
        matches!(
            error,
            NodeError::TooLarge { what: "multiply-adds to fold constants and evaluations of functions by tables", .. }
        ),
        "{error:?}"
    );
}

#[test]
fn functions_are_inlined_with_their_attributes() {
    let mut model = dense();
    let reference = AttributeProto {
        name: "alpha".into(),
        kind: attribute_kind::FLOAT,
        ref_attr_name: "slope".into(),
        ..Default::default()
    };
    model.functions.push(FunctionProto {
        name: "Bend".into(),
        domain: "local".into(),
        input: vec!["a".into()],
        output: vec!["r".into()],
        attribute: vec!["slope".into()],
        node: vec![with(node("LeakyRelu", &["a"], &["r"]), [reference])],
        opset_import: model.opset_import.clone(),
        ..Default::default()
    });
    let slope =
        AttributeProto { name: "slope".into(), kind: attribute_kind::FLOAT, f: Some(0.5), ..Default::default() };
    let call = NodeProto { domain: "local".into(), name: "bend".into(), ..with(node("Bend", &["x"], &["y"]), [slope]) };
    model.graph.as_mut().unwrap().node = vec![call.clone()];
    let imported = run(&model).unwrap();
    assert_eq!(outputs(&imported, &[-4.0, 4.0]), [-2.0, 4.0]);
    assert_eq!(imported.nodes[1].provenance, ["bend/r"]);
    let strange = with(call.clone(), [int("other", 1)]);
    model.graph.as_mut().unwrap().node = vec![strange];
    assert!(matches!(run(&model), Err(ImportError::Node { error: NodeError::Attribute { .. }, .. })));
    // A function that calls itself, and one whose calls multiply.
    for calls in 1..=2 {
        let body = (0..calls).map(|index| {
            let output = if index == 0 { "r" } else { "s" };
            NodeProto { domain: "local".into(), ..node("Bend", &[if index == 0 { "s" } else { "a" }], &[output]) }
        });
        let mut body: Vec<_> = body.collect();
        body.reverse();
        if calls == 1 {
            body[0].input = vec!["a".into()];
        }
        model.functions[0].node = body;
        model.graph.as_mut().unwrap().node = vec![call.clone()];
        assert!(matches!(run(&model), Err(ImportError::Node { error: NodeError::TooLarge { .. }, .. })));
    }
}

/// A branch of an `If`: a function of `x`.
fn branch(op: &str, name: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        kind: attribute_kind::GRAPH,
        g: Some(GraphProto {
            node: vec![node(op, &["x"], &["r"])],
            output: vec![value("r", &[])],
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_constant_condition_chooses_a_branch() {
    let choice = with(node("If", &["c"], &["y"]), [branch("Neg", "then_branch"), branch("Frob", "else_branch")]);
    let condition = |value: i32| TensorProto {
        name: "c".into(),
        data_type: 9,
        int32_data: vec![value],
        dims: vec![],
        ..Default::default()
    };
    let graph_of = |value| model(graph(vec![choice.clone()], vec![condition(value)]));
    assert_eq!(outputs(&run(&graph_of(1)).unwrap(), &[1.0, 2.0]), [-1.0, -2.0]);
    assert!(matches!(run(&graph_of(0)), Err(ImportError::Node { node, .. }) if node == "y/r"));
}

#[test]
fn a_condition_by_data_chooses_between_the_results_of_both_branches() {
    let by_data = |otherwise: &str| {
        let choice = with(node("If", &["c"], &["y"]), [branch("Neg", "then_branch"), branch(otherwise, "else_branch")]);
        let keep = with(node("ReduceSum", &["x"], &["s"]), [int("keepdims", 0)]);
        let nodes = vec![keep, node("Greater", &["s", "zero"], &["c"]), choice];
        (nodes, vec![floats("zero", &[], &[0.0])])
    };
    let (nodes, stored) = by_data("Relu");
    let both = run(&model(graph(nodes, stored))).unwrap();
    assert_eq!(outputs(&both, &[1.0, 2.0]), [-1.0, -2.0]);
    assert_eq!(outputs(&both, &[1.0, -2.0]), [1.0, 0.0]);
    // Results of different shapes are none.
    let (nodes, stored) = by_data("Shape");
    assert!(matches!(node_error(nodes, stored), NodeError::Unsupported { .. }));
}

fn body(name: &str, inputs: &[&str], nodes: Vec<NodeProto>, outputs: &[&str]) -> AttributeProto {
    let named = |names: &[&str]| names.iter().map(|name| value(name, &[])).collect();
    let graph = GraphProto { node: nodes, input: named(inputs), output: named(outputs), ..Default::default() };
    AttributeProto { name: name.into(), kind: attribute_kind::GRAPH, g: Some(graph), ..Default::default() }
}

fn scalar(name: &str, data_type: i32, number: i64) -> TensorProto {
    let mut tensor = TensorProto { name: name.into(), data_type, dims: vec![], ..Default::default() };
    match data_type {
        9 => tensor.int32_data = vec![number as i32],
        _ => tensor.int64_data = vec![number],
    }
    tensor
}

/// `y` of a Loop that doubles `x` in each iteration while the condition `c` holds.
fn doubling(limit: i64, condition: NodeProto) -> ModelProto {
    let nodes = vec![node("Add", &["h", "h"], &["next"]), condition];
    let body = body("body", &["i", "going", "h"], nodes, &["c", "next", "next"]);
    let stored = vec![scalar("limit", 7, limit), scalar("three", 7, 3)];
    model(graph(vec![with(node("Loop", &["limit", "", "x"], &["y", "all"]), [body])], stored))
}

#[test]
fn loops_are_unrolled_as_often_as_constants_say() {
    let always = || node("Identity", &["going"], &["c"]);
    assert_eq!(outputs(&run(&doubling(4, always())).unwrap(), &[1.0, 2.0]), [16.0, 32.0]);
    assert_eq!(outputs(&run(&doubling(0, always())).unwrap(), &[1.0, 2.0]), [1.0, 2.0]);
    // Iterations 0 to 3, after which the condition no longer holds.
    let early = node("Less", &["i", "three"], &["c"]);
    assert_eq!(outputs(&run(&doubling(100, early)).unwrap(), &[1.0, 2.0]), [16.0, 32.0]);
    let mut stacked = doubling(3, always());
    stacked.graph.as_mut().unwrap().output[0].name = "all".into();
    assert_eq!(outputs(&run(&stacked).unwrap(), &[1.0, 2.0]), [2.0, 4.0, 4.0, 8.0, 8.0, 16.0]);
}

#[test]
fn loops_without_a_known_or_reasonable_end_are_refused() {
    let refused = |model: &ModelProto| match run(model) {
        Err(ImportError::Node { error, .. }) => error,
        other => panic!("{other:?}"),
    };
    let endless = doubling(i64::MAX, node("Identity", &["going"], &["c"]));
    assert!(matches!(refused(&endless), NodeError::TooLarge { .. }));
    let mut empty = doubling(i64::MAX, node("Identity", &["going"], &["c"]));
    let repeated = &mut empty.graph.as_mut().unwrap().node[0];
    repeated.output.pop();
    let graph = repeated.attribute[0].g.as_mut().unwrap();
    graph.node.clear();
    graph.output = ["going", "h"].iter().map(|name| value(name, &[])).collect();
    assert!(matches!(refused(&empty), NodeError::TooLarge { .. }));
    let by_data = doubling(4, node("Less", &["h", "next"], &["c"]));
    assert!(matches!(refused(&by_data), NodeError::Shape(_)), "two booleans are no condition");
    let mut by_input = doubling(4, node("Identity", &["going"], &["c"]));
    by_input.graph.as_mut().unwrap().node[0].input[0] = "x".into();
    assert_eq!(refused(&by_input), NodeError::NotConstant { operand: "trip count" });
}

#[test]
fn scans_go_along_any_axis_in_either_direction() {
    let scan = |attributes: Vec<AttributeProto>| {
        let nodes = vec![node("Add", &["s", "e"], &["t"]), node("Mul", &["t", "s"], &["u"])];
        let body = body("body", &["s", "e"], nodes, &["t", "t"]);
        let all = [vec![body, int("num_scan_inputs", 1)], attributes].concat();
        model(graph(vec![with(node("Scan", &["zero", "x"], &["last", "y"]), all)], vec![floats("zero", &[1], &[0.0])]))
    };
    let given = |attributes| outputs(&run(&scan(attributes)).unwrap(), &[1.0, 2.0]);
    assert_eq!(given(vec![ints("scan_input_axes", &[1])]), [1.0, 3.0]);
    let backwards = [ints("scan_input_axes", &[-1]), ints("scan_input_directions", &[1])];
    assert_eq!(given(backwards.to_vec()), [2.0, 3.0]);
    let both = [&backwards[..], &[ints("scan_output_directions", &[1]), ints("scan_output_axes", &[-1])]].concat();
    assert_eq!(given(both), [3.0, 2.0]);
    assert!(run(&scan(vec![ints("scan_input_axes", &[2])])).is_err());
    assert!(run(&scan(vec![ints("scan_input_axes", &[0, 0])])).is_err());
    assert!(run(&scan(vec![ints("scan_input_directions", &[2])])).is_err());
}

#[test]
fn recurrences_are_checked() {
    let lstm = |attributes: Vec<AttributeProto>, weights: &[i64]| {
        let count = weights.iter().product::<i64>() as usize;
        let stored = vec![
            integers("shape", &[2, 1, 1]),
            floats("w", weights, &vec![0.5; count]),
            floats("r", &[1, 8, 2], &[0.25; 16]),
        ];
        let nodes =
            vec![node("Reshape", &["x", "shape"], &["s"]), with(node("LSTM", &["s", "w", "r"], &["y"]), attributes)];
        run(&model(graph(nodes, stored)))
    };
    assert!(lstm(vec![int("hidden_size", 2)], &[1, 8, 1]).is_ok());
    let strings = |names: &[&str]| AttributeProto {
        name: "activations".into(),
        kind: attribute_kind::STRINGS,
        strings: names.iter().map(|name| name.as_bytes().to_vec().into()).collect(),
        ..Default::default()
    };
    assert!(lstm(vec![strings(&["SIGMOID", "tanh", "Relu"])], &[1, 8, 1]).is_ok());
    for refused in [
        lstm(vec![int("hidden_size", 3)], &[1, 8, 1]),
        lstm(vec![], &[2, 8, 1]),
        lstm(vec![], &[1, 8, 2]),
        lstm(vec![string("direction", "sideways")], &[1, 8, 1]),
        lstm(vec![strings(&["Sigmoid"])], &[1, 8, 1]),
        lstm(vec![strings(&["Sigmoid", "Tanh", "Gelu"])], &[1, 8, 1]),
        lstm(vec![strings(&["Sigmoid", "Tanh", "Affine"])], &[1, 8, 1]),
        lstm(vec![int("layout", 2)], &[1, 8, 1]),
    ] {
        assert!(matches!(refused, Err(ImportError::Node { .. })), "{refused:?}");
    }
}

#[test]
fn external_data_needs_a_file() {
    let mut model = dense();
    let weights = &mut model.graph.as_mut().unwrap().initializer[0];
    let data: Vec<u8> = weights.float_data.drain(..).flat_map(f32::to_le_bytes).collect();
    weights.data_location = 1;
    weights.external_data = vec![StringStringEntryProto { key: "location".into(), value: "w.bin".into() }];
    assert!(matches!(run(&model), Err(ImportError::ExternalData { name, .. }) if name == "w"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), model.encode_to_vec()).unwrap();
    let read = || import_file(&folder.path().join("model.onnx"), &ImportOptions::default());
    assert!(matches!(read(), Err(ImportError::ExternalData { .. })));
    std::fs::write(folder.path().join("w.bin"), data).unwrap();
    assert_eq!(read().unwrap().nodes.len(), run(&dense()).unwrap().nodes.len());
    assert!(matches!(import_file(folder.path(), &ImportOptions::default()), Err(ImportError::File { .. })));
}

/// `y = x · w` with a matrix of 256 × 128 weights, in the model's file or from byte 12 on of another one.
fn large_layer(folder: &std::path::Path, external: bool) -> Vec<f32> {
    let weights: Vec<f32> = (0..256 * 128).map(|i| (i * 37 % 1009) as f32 / 512.0 - 1.0).collect();
    let raw: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let mut stored = TensorProto { name: "w".into(), data_type: 1, dims: vec![256, 128], ..Default::default() };
    if external {
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
        stored.data_location = 1;
        stored.external_data = vec![entry("location", "w.bin"), entry("offset", "12")];
        std::fs::write(folder.join("w.bin"), [&[9; 12][..], &raw].concat()).unwrap();
    } else {
        stored.raw_data = Some(raw.into());
    }
    let nodes = vec![node("MatMul", &["x", "w"], &["y"])];
    let model = model(GraphProto { input: vec![value("x", &[1, 256])], ..graph(nodes, vec![stored]) });
    std::fs::write(folder.join("model.onnx"), model.encode_to_vec()).unwrap();
    weights
}

#[test]
fn the_source_is_the_model_with_all_files_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let sources = || {
        let source = ModelSource::of(&path).unwrap();
        assert_eq!(import_file(&path, &ImportOptions::default()).unwrap().source_digest, source.digest);
        source
    };
    large_layer(folder.path(), false);
    let whole = Sha256::digest(std::fs::read(&path).unwrap());
    assert_eq!(sources(), ModelSource { digest: whole.into(), files: vec![] });

    large_layer(folder.path(), true);
    let (model, data) = (std::fs::read(&path).unwrap(), std::fs::read(folder.path().join("w.bin")).unwrap());
    let tag = b"zkinfer source 1: a model and its external data";
    let name = [&5u64.to_be_bytes()[..], b"w.bin"].concat();
    let parts = [&tag[..], &Sha256::digest(model), &name, &Sha256::digest(&data)].concat();
    assert_eq!(sources(), ModelSource { digest: Sha256::digest(parts).into(), files: vec!["w.bin".into()] });

    // Also where no tensor lies.
    let before = sources();
    std::fs::write(folder.path().join("w.bin"), [&data[..], b"more"].concat()).unwrap();
    assert_ne!(sources().digest, before.digest);
    std::fs::remove_file(folder.path().join("w.bin")).unwrap();
    assert_ne!(ModelSource::of(&path).unwrap().digest, before.digest);
}

#[test]
fn files_that_graphs_within_graphs_and_functions_name_belong_to_the_source() {
    let stored = |location: &str| TensorProto {
        data_location: 1,
        external_data: vec![StringStringEntryProto { key: "location".into(), value: location.into() }],
        ..Default::default()
    };
    let constant = |location: &str| {
        let value = AttributeProto { name: "value".into(), t: Some(stored(location)), ..Default::default() };
        NodeProto { attribute: vec![value], ..Default::default() }
    };
    let inner = graph(vec![constant("c")], vec![stored("b"), stored("a")]);
    let branch = AttributeProto { name: "then_branch".into(), g: Some(inner), ..Default::default() };
    let outer = graph(vec![NodeProto { attribute: vec![branch], ..Default::default() }], vec![stored("a")]);
    let function = FunctionProto { name: "f".into(), node: vec![constant("d")], ..Default::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, ModelProto { functions: vec![function], ..model(outer) }.encode_to_vec()).unwrap();
    assert_eq!(ModelSource::of(&path).unwrap().files, ["a", "b", "c", "d"]);
}

#[test]
fn large_constants_are_read_when_they_are_needed() {
    let input = Tensor::new(vec![1, 256], (0..256).map(|i| f64::from(i % 17) - 8.0).collect());
    for external in [false, true] {
        for kept in [0, 1 << 20] {
            let folder = tempfile::tempdir().unwrap();
            let weights = large_layer(folder.path(), external);
            let column = |j: usize| (0..256).map(|i| input.data[i] * f64::from(weights[i * 128 + j])).sum::<f64>();
            let path = folder.path().join("model.onnx");
            let graph = import_file_keeping(kept, &path, &ImportOptions::default()).unwrap();
            let found = evaluate_outputs(&graph, std::slice::from_ref(&input)).unwrap();
            let expected: Vec<f64> = (0..128).map(column).collect();
            assert_eq!(found[0].data[..], expected);
            assert_eq!(import(&std::fs::read(&path).unwrap(), &ImportOptions::default()).is_ok(), !external);
        }
    }
}

#[test]
fn a_file_that_changes_after_it_was_read_is_refused_by_tensor_and_range() {
    use crate::float::evaluate::EvaluateError;
    use crate::quantize::{compile, QuantizeError, QuantizeOptions};
    let input = Tensor::new(vec![1, 256], vec![0.5; 256]);
    let change: [fn(&mut Vec<u8>); 2] = [|bytes| *bytes.last_mut().unwrap() ^= 1, |bytes| bytes.truncate(100)];
    for (external, name) in [(false, "model.onnx"), (true, "w.bin")] {
        for change in change {
            let folder = tempfile::tempdir().unwrap();
            large_layer(folder.path(), external);
            let graph = import_file_keeping(0, &folder.path().join("model.onnx"), &ImportOptions::default()).unwrap();
            assert!(evaluate_outputs(&graph, std::slice::from_ref(&input)).is_ok());
            let mut bytes = std::fs::read(folder.path().join(name)).unwrap();
            let at = bytes.windows(4).position(|window| window == (-1f32).to_le_bytes()).unwrap() as u64;
            if name == "model.onnx" {
                // The last bytes of the file are no weights.
                bytes.truncate(at as usize + 4 * 256 * 128);
            }
            change(&mut bytes);
            std::fs::write(folder.path().join(name), bytes).unwrap();
            let expected = |fault: &crate::float::stored::StorageError| {
                (&fault.tensor[..], &fault.location[..], fault.offset, fault.bytes) == ("w", name, at, 4 * 256 * 128)
            };
            match compile(&graph, None, &QuantizeOptions::default()) {
                Err(QuantizeError::Storage(fault)) if expected(&fault) => {}
                other => panic!("{other:?}"),
            }
            match evaluate_outputs(&graph, std::slice::from_ref(&input)) {
                Err(EvaluateError::Storage(fault)) if expected(&fault) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn external_data_that_is_cut_off_is_refused_by_tensor_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    large_layer(folder.path(), true);
    let bytes = std::fs::read(folder.path().join("w.bin")).unwrap();
    std::fs::write(folder.path().join("w.bin"), &bytes[..bytes.len() - 1]).unwrap();
    let refused = import_file(&folder.path().join("model.onnx"), &ImportOptions::default()).unwrap_err().to_string();
    for part in ["`w`", "w.bin", "131083 bytes", "131072 are needed from 12 on"] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn casts_to_integers_take_the_integer_part() {
    let nodes = vec![with(node("Cast", &["x"], &["y"]), [int("to", 7)])];
    assert_eq!(outputs(&run(&model(graph(nodes, vec![]))).unwrap(), &[1.75, -2.5]), [1.0, -2.0]);
    let nodes = vec![node("Floor", &["x"], &["f"]), with(node("Cast", &["f"], &["y"]), [int("to", 7)])];
    assert_eq!(outputs(&run(&model(graph(nodes, vec![]))).unwrap(), &[1.75, -2.5]), [1.0, -3.0]);
}

#[test]
fn the_logarithm_of_zero_may_be_discarded() {
    // As the buckets of relative positions are computed: Where(small, position, Min(8 + int(log position), 15)).
    let nodes = vec![
        node("Log", &["positions"], &["l"]),
        with(node("Cast", &["l"], &["i"]), [int("to", 7)]),
        node("Add", &["i", "eight"], &["a"]),
        node("Min", &["a", "most"], &["m"]),
        with(node("Cast", &["positions"], &["p"]), [int("to", 7)]),
        node("Less", &["positions", "one"], &["small"]),
        node("Where", &["small", "p", "m"], &["bucket"]),
        with(node("Cast", &["bucket"], &["b"]), [int("to", 1)]),
        node("Add", &["x", "b"], &["y"]),
    ];
    let positions = floats("positions", &[2], &[0.0, 1.0]);
    let stored = vec![positions, floats("one", &[1], &[1.0]), integers("eight", &[8]), integers("most", &[15])];
    assert_eq!(outputs(&run(&model(graph(nodes, stored))).unwrap(), &[0.0, 0.0]), [0.0, 8.0]);
}

#[test]
fn sequences_are_their_elements() {
    let places = || vec![integers("first", &[0]), integers("last", &[-1])];
    let nodes = |insert: &[&str]| {
        vec![
            node("Neg", &["x"], &["n"]),
            node("SequenceConstruct", &["x", "n", "x"], &["s"]),
            node("SequenceErase", &["s", "first"], &["e"]),
            node("SequenceInsert", insert, &["i"]),
            with(node("ConcatFromSequence", &["i"], &["y"]), [int("axis", 1)]),
        ]
    };
    // A position from the end is one of those that were there before.
    let before_last = run(&model(graph(nodes(&["e", "n", "last"]), places()))).unwrap();
    assert_eq!(outputs(&before_last, &[1.0, 2.0]), [-1.0, -2.0, -1.0, -2.0, 1.0, 2.0]);
    let behind = run(&model(graph(nodes(&["e", "x"]), places()))).unwrap();
    assert_eq!(outputs(&behind, &[1.0, 2.0]), [-1.0, -2.0, 1.0, 2.0, 1.0, 2.0]);
    let tensor = node_error(vec![node("SequenceLength", &["x"], &["y"])], vec![]).to_string();
    assert!(tensor.contains("not a sequence"), "{tensor}");
    let used = vec![node("SequenceConstruct", &["x"], &["s"]), node("Relu", &["s"], &["y"])];
    let error = node_error(used, vec![]).to_string();
    assert!(error.contains("a sequence, not a tensor"), "{error}");
    let whole = vec![node("SequenceConstruct", &["x"], &["y"])];
    assert!(matches!(run(&model(graph(whole, vec![]))), Err(ImportError::Output { .. })));
}

#[test]
fn softmax_takes_all_later_axes_before_operator_set_13() {
    let nodes = vec![with(node("Softmax", &["x"], &["y"]), [int("axis", 1)])];
    let mut model = model(graph(nodes, vec![]));
    model.graph.as_mut().unwrap().input[0] = value("x", &[1, 2, 2]);
    let sum = |model: &ModelProto| {
        let graph = run(model).unwrap();
        let outputs = evaluate_outputs(&graph, &[Tensor::new(vec![1, 2, 2], vec![0.0; 4])]).unwrap();
        outputs[0].data.iter().sum::<f64>()
    };
    assert_eq!(sum(&model), 2.0);
    model.opset_import[0].version = 11;
    assert_eq!(sum(&model), 1.0);
}

#[test]
fn attention_with_a_large_finite_mask_beside_lengths_by_data_is_refused() {
    let found = |least: f32| {
        let nodes = vec![node("Attention", &["x", "x", "x", "m", "", "", "n"], &["y"])];
        let mut model = model(graph(nodes, vec![floats("m", &[2, 2], &[0.0, least, 0.0, 0.0])]));
        model.opset_import[0].version = 24;
        let mut lengths = value("n", &[1]);
        lengths.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 7;
        model.graph.as_mut().unwrap().input = vec![value("x", &[1, 1, 2, 1]), lengths];
        run(&model).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!([found(f32::NEG_INFINITY), found(-2.0)], [Ok(()), Ok(())]);
    for least in [-1e4, f32::MIN] {
        assert!(found(least).unwrap_err().contains("with booleans or with −∞"));
    }
}

#[test]
fn texts_are_given_by_their_numbers() {
    let strings = |name: &str| AttributeProto {
        name: name.into(),
        kind: attribute_kind::STRINGS,
        strings: vec![b"no".as_slice().into(), b"yes".as_slice().into()],
        ..Default::default()
    };
    let list = |name: &str, data: &[f32]| AttributeProto {
        name: name.into(),
        kind: attribute_kind::FLOATS,
        floats: data.to_vec(),
        ..Default::default()
    };
    let attributes =
        [list("coefficients", &[1.0, 2.0, -1.0, 0.5]), list("intercepts", &[0.0, 1.0]), strings("classlabels_strings")];
    let classifier = |outputs: &[&str]| NodeProto {
        domain: "ai.onnx.ml".into(),
        ..with(node("LinearClassifier", &["x"], outputs), attributes.clone())
    };
    let ml = |nodes| {
        let mut model = model(graph(nodes, vec![]));
        model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: 1 });
        model
    };
    let graph = run(&ml(vec![classifier(&["label", "y"])])).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 2.0]), [5.0, 1.0]);
    let graph = run(&ml(vec![classifier(&["y", "scores"])])).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 2.0]), [0.0]);
    assert_eq!(outputs(&graph, &[-1.0, 0.0]), [1.0]);
    let remark = "output `y` holds texts, which the program gives as numbers: 0 is \"no\", 1 is \"yes\"";
    assert_eq!(graph.remarks, [remark]);

    // texts of a constant, picked by data, and encoded
    let names = TensorProto {
        name: "names".into(),
        data_type: 8,
        dims: vec![3],
        string_data: ["cat", "", "dog"].map(|text| text.as_bytes().into()).to_vec(),
        ..Default::default()
    };
    let numbers = AttributeProto {
        name: "values_int64s".into(),
        kind: attribute_kind::INTS,
        ints: vec![7, 5],
        ..Default::default()
    };
    let encoder =
        with(node("LabelEncoder", &["name"], &["y"]), [strings("keys_strings"), numbers, int("default_int64", 3)]);
    let encoded = |last: NodeProto, names: TensorProto| {
        let pick =
            NodeProto { domain: "ai.onnx.ml".into(), ..node("ArrayFeatureExtractor", &["names", "best"], &["name"]) };
        let best = with(node("ArgMax", &["x"], &["best"]), [int("axis", 1)]);
        let nodes = vec![best, pick, last];
        let mut model = self::model(self::graph(nodes, vec![names]));
        model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: 2 });
        run(&model)
    };
    let encoder = NodeProto { domain: "ai.onnx.ml".into(), ..encoder };
    let yes =
        TensorProto { string_data: ["no", "yes", "dog"].map(|text| text.as_bytes().into()).to_vec(), ..names.clone() };
    let graph = encoded(encoder, yes.clone()).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 2.0]), [5.0]);
    assert!(graph.remarks.is_empty());
    let graph = encoded(node("Identity", &["name"], &["y"]), names.clone()).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 2.0]), [1.0]);
    let sum = encoded(node("Add", &["name", "name"], &["y"]), names.clone()).unwrap_err().to_string();
    assert!(sum.contains("an operand holds texts"), "{sum}");
    let short = TensorProto { dims: vec![4], ..names };
    assert!(encoded(node("Identity", &["name"], &["y"]), short).unwrap_err().to_string().contains("3 texts"));
}

#[test]
fn constants_of_the_model_are_evaluated_once() {
    let nodes = vec![node("Exp", &["c"], &["e"]), node("Mul", &["x", "e"], &["y"])];
    let graph = run(&model(graph(nodes, vec![floats("c", &[2], &[0.0, 1.0])]))).unwrap();
    let constants = graph.nodes.iter().filter(|node| matches!(node.op, FloatOp::Constant(_))).count();
    assert_eq!((graph.nodes.len(), constants), (3, 1));
}

proptest::proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = import(&bytes, &ImportOptions::default());
    }

    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((0usize..4096, proptest::prelude::any::<u8>()), 1..6)) {
        let mut bytes = dense().encode_to_vec();
        for (position, value) in changes {
            let length = bytes.len();
            bytes[position % length] = value;
        }
        let _ = import(&bytes, &ImportOptions::default());
    }
}

fn bytes(name: &str, data: &[u8]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![],
        data_type: 2,
        raw_data: Some(data.to_vec().into()),
        ..TensorProto::default()
    }
}

/// Sums and differences of one another double the ways to read them with each pair.
#[test]
fn shared_operands_of_quantized_expressions_are_read_a_bounded_number_of_times() {
    let mut nodes = vec![
        node("QuantizeLinear", &["x", "scale", "zero"], &["q"]),
        node("DequantizeLinear", &["q", "scale", "zero"], &["a0"]),
        node("Neg", &["a0"], &["b0"]),
    ];
    for pair in 0..30 {
        let [a, b] = [format!("a{pair}"), format!("b{pair}")];
        nodes.push(node("Add", &[&a, &b], &[&format!("a{}", pair + 1)]));
        nodes.push(node("Sub", &[&a, &b], &[&format!("b{}", pair + 1)]));
    }
    nodes.push(node("QuantizeLinear", &["a30", "scale", "zero"], &["r"]));
    nodes.push(node("DequantizeLinear", &["r", "scale", "zero"], &["y"]));
    let constants = vec![floats("scale", &[], &[0.5]), bytes("zero", &[3])];
    let found = run(&model(graph(nodes, constants))).unwrap();
    assert!(found.nodes.len() < 5_000, "{}", found.nodes.len());
}

#[test]
fn scales_and_zero_points_are_checked() {
    let quantize = |scale: TensorProto, zero: TensorProto| {
        node_error(vec![node("QuantizeLinear", &["x", "scale", "zero"], &["y"])], vec![scale, zero])
    };
    for scale in [0.0, -1.0, f32::INFINITY] {
        let error = quantize(floats("scale", &[1], &[scale]), bytes("zero", &[3]));
        assert!(matches!(error, NodeError::Unsupported { .. }), "{scale}: {error}");
    }
    let several = quantize(floats("scale", &[2], &[1.0, 2.0]), bytes("zero", &[3]));
    assert!(matches!(several, NodeError::Unsupported { .. }), "{several}");
    let square = quantize(floats("scale", &[2, 1], &[1.0, 1.0]), bytes("zero", &[3]));
    assert!(matches!(square, NodeError::Unsupported { .. }), "{square}");
    let wide = quantize(floats("scale", &[1], &[1.0]), integers("zero", &[3]));
    assert!(matches!(wide, NodeError::DataType(_)), "{wide}");
}

/// `Cast` of `x` to a type of integers.
fn cast(data_type: i64, output: &str) -> NodeProto {
    with(node("Cast", &["x"], &[output]), [int("to", data_type)])
}

#[test]
fn of_updates_by_data_that_replace_one_element_the_last_counts() {
    let stored =
        || vec![floats("data", &[3], &[1.0, 2.0, 3.0]), floats("updates", &[2], &[10.0, 20.0]), integers("two", &[2])];
    let elements = vec![
        cast(7, "i"),
        node("Reshape", &["i", "two"], &["places"]),
        node("ScatterElements", &["data", "places", "updates"], &["y"]),
    ];
    let rows = vec![
        cast(7, "i"),
        node("Reshape", &["i", "column"], &["places"]),
        node("ScatterND", &["data", "places", "updates"], &["y"]),
    ];
    for nodes in [elements, rows] {
        let stored = [stored(), vec![integers("column", &[2, 1])]].concat();
        let graph = run(&model(graph(nodes, stored))).unwrap();
        assert_eq!(outputs(&graph, &[1.0, 1.0]), [1.0, 20.0, 3.0]);
        assert_eq!(outputs(&graph, &[-1.0, 2.0]), [1.0, 2.0, 20.0]);
        assert_eq!(outputs(&graph, &[2.0, 0.0]), [20.0, 2.0, 10.0]);
    }
}

#[test]
fn a_maximum_of_two_windows_is_put_back_once() {
    let nodes = vec![
        node("Reshape", &["x", "line"], &["maxima"]),
        cast(7, "i"),
        node("Reshape", &["i", "line"], &["places"]),
        with(node("MaxUnpool", &["maxima", "places"], &["y"]), [ints("kernel_shape", &[2]), ints("strides", &[1])]),
    ];
    let graph = run(&model(graph(nodes, vec![integers("line", &[1, 1, 2])]))).unwrap();
    assert_eq!(outputs(&graph, &[1.0, 1.0]), [0.0, 1.0, 0.0]);
    assert_eq!(outputs(&graph, &[2.0, 1.0]), [0.0, 1.0, 2.0]);
}

/// A model whose input has that element type.
fn typed(data_type: i32, nodes: Vec<NodeProto>, stored: Vec<TensorProto>) -> ModelProto {
    let mut graph = graph(nodes, stored);
    let input = graph.input[0].r#type.as_mut().and_then(|t| t.tensor_type.as_mut());
    input.expect("a tensor").elem_type = data_type;
    model(graph)
}

#[test]
fn updates_that_meet_are_found_where_no_sample_had_them() {
    let nodes =
        vec![node("Reshape", &["x", "column"], &["places"]), node("ScatterND", &["data", "places", "updates"], &["y"])];
    let stored = vec![
        floats("data", &[3], &[1.0, 2.0, 3.0]),
        floats("updates", &[2], &[10.0, 20.0]),
        integers("column", &[2, 1]),
    ];
    let graph = run(&typed(7, nodes, stored)).unwrap();
    let samples = vec![0.0, 1.0, 2.0, 0.0, 1.0, 2.0];
    let samples = crate::samples::Samples::from_batches(vec![Tensor::new(vec![3, 1, 2], samples)]);
    let compiled = crate::quantize::compile(&graph, Some(&samples), &Default::default()).unwrap();
    for place in [0.0, 1.0, 2.0] {
        let input = [Tensor::new(vec![1, 2], vec![place; 2])];
        let values = crate::quantize::quantize_inputs(&compiled.program, &input).unwrap().values;
        let trace = circuits::reference::run(&compiled.program, &values).unwrap();
        let found = crate::quantize::dequantize_outputs(&compiled.program, &trace.outputs(&compiled.program)).remove(0);
        let expected = evaluate_outputs(&graph, &input).unwrap().remove(0);
        assert_eq!(expected.data[place as usize], 20.0);
        for (found, expected) in found.data.iter().zip(expected.data.iter()) {
            assert!((found - expected).abs() < 0.3, "{found}, not {expected}, at {place}");
        }
    }
}

#[test]
fn narrow_integers_that_are_added_by_data_are_refused() {
    let data = TensorProto { dims: vec![1, 2], ..bytes("data", &[200, 0]) };
    let scatter =
        with(node("ScatterElements", &["data", "places", "x"], &["y"]), [string("reduction", "add"), int("axis", 1)]);
    match run(&typed(2, vec![cast(7, "places"), scatter], vec![data])) {
        Err(ImportError::Node { operator, error: NodeError::Unsupported { reason, .. }, .. }) => {
            assert!(operator == "ScatterElements" && reason.contains("may wrap around"), "{operator}: {reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn shifts_by_more_bits_than_there_are_leave_nothing() {
    let three = TensorProto { dims: vec![1], ..bytes("three", &[3]) };
    for (direction, expected) in [("LEFT", [6.0, 0.0]), ("RIGHT", [1.0, 0.0])] {
        let shift = with(node("BitShift", &["three", "x"], &["y"]), [string("direction", direction)]);
        let graph = run(&typed(2, vec![shift], vec![three.clone()])).unwrap();
        assert_eq!(outputs(&graph, &[1.0, 200.0]), expected);
    }
}

#[test]
fn cubic_samples_beyond_the_border_read_the_elements_at_the_end() {
    let row = [1.0, 2.0, 4.0, 8.0, 16.0];
    let image = floats("image", &[1, 1, 5, 5], &[row; 5].concat());
    let sample = with(
        node("GridSample", &["image", "grid"], &["y"]),
        [string("mode", "bicubic"), string("padding_mode", "border"), int("align_corners", 0)],
    );
    let nodes = vec![node("Reshape", &["x", "shape"], &["grid"]), sample];
    let graph = run(&model(graph(nodes, vec![image, integers("shape", &[1, 1, 1, 2])]))).unwrap();
    // As onnxruntime: three quarters before the first element, which three of the four taps read.
    for (x, expected) in [(-1.1, 0.96484375), (-9.0, 1.0), (9.0, 16.0), (0.0, 4.0)] {
        let found = outputs(&graph, &[x, 0.0])[0];
        assert!((found - expected).abs() < 1e-4, "{x}: {found}, not {expected}");
    }
}

mod quantized;
mod trees;
mod types;
