//! Trees of hand-made models: what the attributes say, and which malformed ones are refused by name.

use super::*;

const INTS: [(&str, [i64; 3]); 6] = [
    ("nodes_treeids", [0, 0, 0]),
    ("nodes_nodeids", [0, 1, 2]),
    ("nodes_featureids", [1, 0, 0]),
    ("nodes_truenodeids", [1, 0, 0]),
    ("nodes_falsenodeids", [2, 0, 0]),
    ("nodes_missing_value_tracks_true", [0, 0, 0]),
];

fn float_list(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto { name: name.into(), kind: attribute_kind::FLOATS, floats: values.to_vec(), ..Default::default() }
}

fn texts(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|text| text.as_bytes().to_vec().into()).collect();
    AttributeProto { name: name.into(), kind: attribute_kind::STRINGS, strings, ..Default::default() }
}

/// `x₁ ≤ 1/2 ? 3 : 5`
fn stump() -> Vec<AttributeProto> {
    let mut attributes: Vec<_> = INTS.iter().map(|(name, values)| ints(name, values)).collect();
    attributes.extend([
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        float_list("nodes_values", &[0.5, 0.0, 0.0]),
        ints("target_treeids", &[0, 0]),
        ints("target_nodeids", &[1, 2]),
        ints("target_ids", &[0, 0]),
        float_list("target_weights", &[3.0, 5.0]),
    ]);
    attributes
}

fn forest(operator: &str, attributes: Vec<AttributeProto>) -> ModelProto {
    let tree = NodeProto { domain: "ai.onnx.ml".into(), ..with(node(operator, &["x"], &["y"]), attributes) };
    let mut model = model(graph(vec![tree], vec![]));
    model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: 3 });
    model
}

/// The stump with one attribute replaced.
fn changed(attribute: AttributeProto) -> Result<FloatGraph, ImportError> {
    let mut attributes = stump();
    attributes.retain(|known| known.name != attribute.name);
    attributes.push(attribute);
    run(&forest("TreeEnsembleRegressor", attributes))
}

fn refusal(result: Result<FloatGraph, ImportError>) -> String {
    match result {
        Err(ImportError::Node { node, error, .. }) => format!("{node}: {error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stump_is_what_its_attributes_say() {
    let graph = run(&forest("TreeEnsembleRegressor", stump())).unwrap();
    assert_eq!(outputs(&graph, &[9.0, 0.5]), [3.0]);
    assert_eq!(outputs(&graph, &[-9.0, 0.75]), [5.0]);
    let greater = changed(texts("nodes_modes", &["BRANCH_GT", "LEAF", "LEAF"])).unwrap();
    assert_eq!((outputs(&greater, &[0.0, 0.5]), outputs(&greater, &[0.0, 0.75])), (vec![5.0], vec![3.0]));
}

#[test]
fn malformed_attributes_are_refused_by_name() {
    for (name, values) in INTS {
        let refused = refusal(changed(ints(name, &values[..2])));
        // The list of trees says how many nodes there are, so the next one differs from it.
        let blamed = if name == "nodes_treeids" { "nodes_nodeids" } else { name };
        assert!(refused.contains(blamed), "{name}: {refused}");
    }
    let cases = [
        ints("nodes_nodeids", &[0, 1, 1]),
        ints("nodes_featureids", &[2, 0, 0]),
        ints("nodes_featureids", &[-1, 0, 0]),
        ints("nodes_truenodeids", &[7, 0, 0]),
        ints("nodes_falsenodeids", &[i64::MIN, 0, 0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "TWIG"]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF"]),
        float_list("nodes_values", &[f32::NAN, 0.0, 0.0]),
        float_list("nodes_values", &[0.5]),
        ints("target_ids", &[0, 1]),
        ints("target_ids", &[0, -1]),
        ints("target_nodeids", &[1, 0]),
        ints("target_nodeids", &[1, 9]),
        float_list("target_weights", &[3.0]),
        float_list("base_values", &[1.0, 2.0]),
        string("aggregate_function", "MEDIAN"),
        string("post_transform", "PROBIT"),
        int("n_targets", 0),
        int("n_targets", i64::MAX),
        ints("nodes_values", &[1, 2, 3]),
    ];
    for case in cases {
        let name = case.name.clone();
        let refused = refusal(changed(case));
        assert!(refused.contains(&name) || name == "n_targets", "{name}: {refused}");
    }
    let mut twice = stump();
    twice.push(ints("nodes_treeids", &[0, 0, 0]));
    assert!(refusal(run(&forest("TreeEnsembleRegressor", twice))).contains("twice"));
    let mut unknown = stump();
    unknown.push(int("depth", 3));
    assert!(refusal(run(&forest("TreeEnsembleRegressor", unknown))).contains("depth"));
}

#[test]
fn cycles_and_two_ways_in_are_refused() {
    let cycle = changed(ints("nodes_truenodeids", &[0, 0, 0]));
    assert!(refusal(cycle).contains("two ways in"));
}

#[test]
fn a_million_nodes_are_refused_before_they_are_built() {
    let count = (1 << 20) + 1;
    let list = |name: &str| ints(name, &vec![0; count]);
    let mut attributes: Vec<_> = INTS.iter().map(|(name, _)| list(name)).collect();
    attributes.push(texts("nodes_modes", &vec!["LEAF"; count]));
    let refused = refusal(run(&forest("TreeEnsembleRegressor", attributes)));
    assert!(refused.contains("exceeds the limit"), "{refused}");
}

/// A classifier from the stump.
fn classifier(ids: &[i64], weights: &[f32], more: Vec<AttributeProto>) -> Result<FloatGraph, ImportError> {
    let mut attributes = stump();
    attributes.retain(|attribute| !attribute.name.starts_with("target"));
    attributes.extend([
        ints("class_treeids", &[0, 0]),
        ints("class_nodeids", &[1, 2]),
        ints("class_ids", ids),
        float_list("class_weights", weights),
    ]);
    attributes.extend(more);
    let mut model = forest("TreeEnsembleClassifier", attributes);
    let graph = model.graph.as_mut().unwrap();
    graph.node[0].output = vec!["label".into(), "y".into()];
    graph.output = vec![value("label", &[]), value("y", &[])];
    run(&model)
}

#[test]
fn what_runtimes_combine_in_their_own_ways_is_refused() {
    let labels = |list: &[i64]| ints("classlabels_int64s", list);
    assert!(classifier(&[0, 0], &[0.25, 0.75], vec![labels(&[4, 9])]).is_ok());
    assert!(classifier(&[0, 1], &[0.25, 0.75], vec![labels(&[0, 1])]).is_ok());
    let bases = |count: usize| float_list("base_values", &vec![0.5; count]);
    let cases = [
        classifier(&[0, 0], &[0.25, 0.75], vec![labels(&[4])]),
        classifier(&[0, 0], &[0.25, 0.75], vec![labels(&[4, 9]), bases(2)]),
        classifier(&[1, 1], &[0.25, 0.75], vec![labels(&[0, 1])]),
        classifier(&[0, 1], &[0.25, 0.75], vec![labels(&[0, 1]), bases(1)]),
        classifier(&[0, 1], &[0.25, 0.75], vec![labels(&[4, 9])]),
        classifier(&[0, 1], &[-0.25, 0.75], vec![labels(&[4, 9, 16])]),
        classifier(&[0, 0], &[0.25, 0.75], vec![labels(&[0, 1]), string("post_transform", "PROBIT")]),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let refused = refusal(case);
        assert!(!refused.is_empty(), "{number}");
    }
}
