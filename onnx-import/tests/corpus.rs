//! The trained models of the corpus: those whose operators are covered give the recorded outputs, the others are refused
//! by an error that names a node.

mod support;

use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::{import_file, ImportError};
use std::path::Path;

/// Models that must import and agree with the recorded outputs.
const COVERED: &[&str] = &[
    "autoencoder_convtranspose_8",
    "autoencoder_resize_16",
    "autoencoder_vae_dense",
    "bilstm_2layer_digits",
    "cnn_batchnorm_8",
    "cnn_dynamo_16",
    "cnn_tiny_8",
    "conv1d_rows_8",
    "gpt_char",
    "gpt_char_dynamo",
    "gru_digits",
    "keras_attention_digits",
    "keras_gru_digits",
    "keras_lstm_digits",
    "lenet_28",
    "lenet_tanh_avgpool_28",
    "lgbm_cancer",
    "lgbm_diabetes",
    "lgbm_digits",
    "llama_char",
    "lstm_digits",
    "lstm_dynamo_digits",
    "mlp_acts_digits",
    "mlp_dynbatch_digits",
    "mlp_gelu_digits",
    "mlp_gelu_erf_digits",
    "mlp_relu_diabetes",
    "mlp_relu_digits",
    "mlp_sigmoid_cancer",
    "mlp_tanh_wine",
    "mobilenet_block_16",
    "nn_transformer_layer_digits",
    "norms_cnn_8",
    "qdq_int8_cnn_16",
    "qdq_uint8_cnn_16",
    "qoperator_cnn_16",
    "resnet_gap_16",
    "rnn_tanh_digits",
    "sk_extratrees_wine",
    "sk_forest_diabetes",
    "sk_forest_digits",
    "sk_forest_iris",
    "sk_gaussiannb_wine",
    "sk_gboost_cancer",
    "sk_gboost_wine",
    "sk_kmeans_iris",
    "sk_lasso_diabetes",
    "sk_linearsvc_cancer",
    "sk_logreg_cancer",
    "sk_logreg_iris",
    "sk_mlp_digits",
    "sk_poly_logreg_iris",
    "sk_ridge_diabetes",
    "sk_scaler_pca_logreg_cancer",
    "sk_svc_linear_iris",
    "sk_svc_poly_cancer",
    "sk_svc_rbf_wine",
    "sk_svr_diabetes",
    "sk_tree_iris",
    "transformer_encoder_digits",
    "transformer_encoder_dynamo_digits",
    "two_inputs_verify_digits",
    "vit_16",
    "xgb_cancer",
    "xgb_diabetes",
    "xgb_wine",
];

/// Compares all recorded samples of a model; gives the first difference.
fn check(folder: &Path) -> Result<Result<(), String>, ImportError> {
    let graph = import_file(&folder.join("model.onnx"), &support::options_of(&support::meta(folder)))?;
    let arrays = support::read_npz(&folder.join("io.npz"));
    for sample in 0..3 {
        let inputs: Vec<_> =
            (0..graph.inputs.len()).map(|index| arrays[&format!("in{sample}_{index}")].clone()).collect();
        let outputs = match evaluate_outputs(&graph, &inputs) {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for (index, output) in outputs.iter().enumerate() {
            let expected = &arrays[&format!("out{sample}_{index}")];
            if let Some(difference) = support::difference(output, expected, 1e-3, 1e-5) {
                return Ok(Err(format!("sample {sample}, output {index}: {difference}")));
            }
        }
    }
    Ok(Ok(()))
}

#[test]
fn covered_models_agree_and_others_are_refused_by_name() {
    let Some(corpus) = support::corpus() else {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    };
    let mut names: Vec<String> = std::fs::read_dir(corpus.as_path())
        .expect("the corpus is readable")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| corpus.join(name).join("model.onnx").is_file())
        .collect();
    names.sort();
    let mut failures = vec![];
    for name in &names {
        let outcome = check(&corpus.join(name));
        println!(
            "{name}: {}",
            match &outcome {
                Ok(Ok(())) => "agrees".to_owned(),
                Ok(Err(difference)) => difference.clone(),
                Err(error) => error.to_string(),
            }
        );
        let fine = match outcome {
            Ok(agreement) => agreement.is_ok(),
            Err(ImportError::Node { .. }) => !COVERED.contains(&name.as_str()),
            Err(_) => false,
        };
        if !fine {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "failed: {failures:?}");
}
