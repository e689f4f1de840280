//! Models that were trained further, where weights are private: their programs are of the family of the first one's, so that they have its
//! key, or they are refused with the node that stands against it.

mod support;

use circuits::analysis::Headroom;
use circuits::graph::Program;
use circuits::reference::run;
use onnx_import::float::evaluate::evaluate_outputs;
use onnx_import::float::graph::Tensor;
use onnx_import::quantize::{
    compile, compile_like, dequantize_outputs, quantize_inputs, Bits, QuantizeError, QuantizeOptions,
};
use onnx_import::samples::Samples;
use onnx_import::{import, ImportOptions};
use support::cases::{dynamic_cases, weights_of};

/// What training does to weights, and what it hardly does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    /// By a few percent each.
    Small,
    /// To at most twice as much.
    UpToDouble,
    /// All to twice as much.
    Double,
    /// All to a half.
    Half,
    /// Some signs are others.
    Signs,
    /// Some become zero.
    Zeros,
    /// All of a tensor become one number.
    One,
    /// One of each tensor is the next power of two or a little more.
    Power,
    /// All are eight times as large.
    Large,
}

const CHANGES: [Change; 9] = [
    Change::Small,
    Change::UpToDouble,
    Change::Double,
    Change::Half,
    Change::Signs,
    Change::Zeros,
    Change::One,
    Change::Power,
    Change::Large,
];

/// Reproducible numbers in [0, 1).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Change {
    fn of(self, weights: &mut [f32], numbers: &mut Numbers) {
        let largest = weights.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
        // Variances and the like keep their sign.
        let signed = weights.iter().any(|weight| *weight < 0.0);
        let mean = weights.iter().sum::<f32>() / weights.len() as f32;
        for weight in weights.iter_mut() {
            let random = numbers.next() as f32;
            *weight *= match self {
                Self::Small => 0.95 + 0.1 * random,
                Self::UpToDouble => 0.5 + 1.5 * random,
                Self::Double => 2.0,
                Self::Half => 0.5,
                Self::Signs if random < 0.3 && signed => -1.0,
                Self::Zeros if random < 0.3 => 0.0,
                Self::Large => 8.0,
                _ => 1.0,
            };
            if self == Self::One {
                *weight = mean;
            }
        }
        if self == Self::Power && largest > 0.0 {
            let at = (numbers.next() * weights.len() as f64) as usize;
            weights[at] = largest.log2().ceil().exp2() * if numbers.next() < 0.5 { 1.0 } else { 1.001 };
        }
    }
}

/// The model with other weights: all of its constants with several elements are changed, the integers of quantized models too.
fn changed(model: &[u8], change: Change, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut model = model.to_vec();
    for (element, place) in weights_of(&model) {
        let bytes = &mut model[place];
        let four = |bytes: &[u8]| -> [u8; 4] { bytes.try_into().expect("four bytes") };
        let mut weights: Vec<f32> = match element {
            2 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            3 => bytes.iter().map(|&byte| f32::from(byte as i8)).collect(),
            6 => bytes.chunks_exact(4).map(|bytes| i32::from_le_bytes(four(bytes)) as f32).collect(),
            _ => bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(four(bytes))).collect(),
        };
        change.of(&mut weights, &mut numbers);
        for (bytes, weight) in bytes.chunks_exact_mut(if matches!(element, 2 | 3) { 1 } else { 4 }).zip(weights) {
            match element {
                2 => bytes[0] = weight.round() as u8,
                3 => bytes[0] = weight.round() as i8 as u8,
                6 => bytes.copy_from_slice(&(weight.round() as i32).to_le_bytes()),
                _ => bytes.copy_from_slice(&weight.to_le_bytes()),
            }
        }
    }
    model
}

/// Whether a refusal is one of those that say what stands against the key, and names a node.
fn names_a_node(error: &QuantizeError) -> bool {
    use QuantizeError::{Divisor, Family, Outgrown, TooLarge, Undefined, Unlike};
    let kind =
        matches!(error, Divisor { .. } | Family(_) | Outgrown(_) | TooLarge { .. } | Undefined { .. } | Unlike { .. });
    kind && error.to_string().contains("node \"")
}

/// Compiles the model with other weights to the first one's program: how many became members of its family, and how many were refused.
fn members(
    name: &str,
    model: &[u8],
    import_options: &ImportOptions,
    samples: Option<&Samples>,
    options: &QuantizeOptions,
) -> [usize; 2] {
    let first = import(model, import_options).unwrap();
    let base = compile(&first, samples, options).unwrap().program;
    assert!(base.has_private_weights(), "{name}");
    let family = base.family();
    let [mut members, mut refused] = [0; 2];
    for (seed, change) in (1..).zip(CHANGES) {
        // Constants that give sizes are among the weights.
        let Ok(other) = import(&changed(model, change, seed), import_options) else { continue };
        match compile_like(&first, &other, samples, options) {
            Ok(compiled) => {
                assert!(compiled.program.family() == family, "{name} {change:?}: another family");
                members += 1;
            }
            Err(error) => {
                println!("{name} {change:?}: {error}");
                assert!(names_a_node(&error), "{name} {change:?}: {error}");
                refused += 1;
            }
        }
    }
    println!("{name}: {members} of {}", members + refused);
    [members, refused]
}

/// Models of all kinds: dense, convolutional, recurrent, with attention, normalizations, embeddings, and quantized ones.
const MODELS: [&str; 12] = [
    "mlp_acts_digits",
    "keras_mlp_digits",
    "cnn_batchnorm_8",
    "norms_cnn_8",
    "lstm_digits",
    "gru_digits",
    "transformer_encoder_digits",
    "gpt_char",
    "sk_scaler_pca_logreg_cancer",
    "qdq_int8_cnn_16",
    "qdq_uint8_cnn_16",
    "qoperator_cnn_16",
];

#[test]
fn trained_models_keep_their_family() {
    let Some(corpus) = support::corpus() else {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    };
    // All models of the corpus take some minutes.
    let all = std::env::var_os("ZKINFER_FAMILY_ALL").is_some();
    for name in if all { support::corpus_models() } else { MODELS.to_vec() } {
        let folder = corpus.join(name);
        let import_options = support::options_of(&support::meta(&folder));
        let model = std::fs::read(folder.join("model.onnx")).unwrap();
        let samples = Samples::read(folder.join("test.npz")).unwrap();
        for (bits, headroom) in [(8, Headroom::default()), (11, Headroom::of_all(2))] {
            let options = QuantizeOptions {
                bits: Bits::Fixed(bits),
                private_weights: true,
                headroom,
                calibration_limit: 8,
                ..QuantizeOptions::default()
            };
            members(name, &model, &import_options, Some(&samples), &options);
        }
    }
}

/// The bits that the first model's accuracy asks for serve the other one, too, with the tables that lost some.
#[test]
fn families_of_chosen_widths_are_kept() {
    let Some(corpus) = support::corpus() else {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    };
    for (name, bits) in [("mlp_tanh_wine", Bits::Keeping(0.9995)), ("mlp_gelu_digits", Bits::Auto)] {
        let folder = corpus.join(name);
        let import_options = support::options_of(&support::meta(&folder));
        let model = std::fs::read(folder.join("model.onnx")).unwrap();
        let samples = Samples::read(folder.join("test.npz")).unwrap();
        let options =
            QuantizeOptions { bits, private_weights: true, calibration_limit: 8, ..QuantizeOptions::default() };
        let [kept, _] = members(name, &model, &import_options, Some(&samples), &options);
        assert!(kept > 4, "{name}");
    }
}

/// Where the first model's dynamic scales are computed in float32 arithmetic, those of the other are: its outputs are those of its own
/// float32 graph to the bit, in the units of the first.
#[test]
fn exact_dynamic_scales_follow_the_first() {
    let mut kept = 0;
    for (name, case) in dynamic_cases() {
        let model = &case.models[0];
        let first = import(model, &ImportOptions::default()).unwrap();
        let samples = Samples::from_batches(vec![case.arrays["in0"].clone()]);
        let options = QuantizeOptions::default();
        let base = compile(&first, Some(&samples), &options).unwrap();
        let same = compile_like(&first, &first, Some(&samples), &options).unwrap();
        assert!(same.program == base.program && same.report.warnings == base.report.warnings, "{name}");
        for (seed, change) in (1..).zip([Change::Small, Change::Half, Change::Signs, Change::Zeros]) {
            let other = import(&changed(model, change, seed), &ImportOptions::default()).unwrap();
            let like = match compile_like(&first, &other, Some(&samples), &options) {
                Ok(like) => like,
                Err(error) => {
                    let refused = matches!(error, QuantizeError::Inexact { .. } | QuantizeError::Unlike { .. });
                    assert!(refused, "{name} {change:?}: {error}");
                    println!("{name} {change:?}: {error}");
                    continue;
                }
            };
            kept += 1;
            let units = |program: &Program| program.outputs.iter().map(|port| port.scale.to_bits()).collect::<Vec<_>>();
            assert_eq!(units(&like.program), units(&base.program), "{name} {change:?}");
            let told = like.report.warnings.join(" ");
            if !told.contains("outputs are onnxruntime's to the bit") {
                continue;
            }
            let input = &case.arrays["in0"];
            let size = input.data.len() / input.shape[0];
            for sample in input.data.to_vec().chunks_exact(size) {
                let input = [Tensor::new(input.shape[1..].to_vec(), sample.to_vec())];
                let quantized = quantize_inputs(&like.program, &input).unwrap();
                let trace = run(&like.program, &quantized.values).unwrap();
                let integer = dequantize_outputs(&like.program, &trace.outputs(&like.program));
                let float = evaluate_outputs(&other, &input).unwrap();
                let bits = |values: &[f64]| values.iter().map(|&v| (v as f32 + 0.0).to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&integer[0].data), bits(&float[0].data), "{name} {change:?}");
            }
        }
    }
    assert!(kept > 8, "{kept} models took the scales of the first");
}

/// A model whose scales leave those that the first one is computed for is not said to be exact.
#[test]
fn scales_beyond_those_of_the_first_are_refused() {
    let case = &dynamic_cases()["mlp_s8"];
    let samples = Samples::from_batches(vec![case.arrays["in0"].clone()]);
    let first = import(&case.models[0], &ImportOptions::default()).unwrap();
    let other = import(&changed(&case.models[0], Change::Large, 1), &ImportOptions::default()).unwrap();
    let like = |first, other| compile_like(first, other, Some(&samples), &QuantizeOptions::default());
    let error = like(&first, &other).expect_err("its scales are eight times as large").to_string();
    assert!(error.contains("first model is computed for"), "{error}");
}
