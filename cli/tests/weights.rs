//! Private weights: a model that nobody sees, its registration, and a model trained further under the same key.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{example, onnx, text, zkinfer};

/// Two models of one form in a folder, the second with other weights.
struct Models {
    folder: tempfile::TempDir,
}

impl Models {
    fn new() -> Self {
        let models = Self { folder: tempfile::tempdir().expect("a folder") };
        let first: Vec<f32> = (0..12).map(|i| (i * 5 % 12) as f32 / 6.0 - 1.0).collect();
        let tuned: Vec<f32> = first.iter().enumerate().map(|(i, weight)| weight * 0.875 + i as f32 / 200.0).collect();
        for (name, weights) in [("first.onnx", first), ("tuned.onnx", tuned)] {
            let model = onnx::layer("x", "y", [4, 3], &weights);
            fs::write(models.folder.path().join(name), model).expect("writable");
        }
        fs::write(models.folder.path().join("x.json"), "[[0.5, -0.25, 0.75, 0.125]]").expect("writable");
        models
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).expect("it is there")
    }

    /// Proves a model or program in the folder `out`, with `--weights`.
    fn prove(&self, model: &str, weights: &str) -> common::Run {
        let (model, input, out) = (self.file(model), self.file("x.json"), self.file("out"));
        zkinfer(&["prove", &model, "--input", &input, "-o", &out, "--weights", weights])
    }

    /// Judges the proof in `out`, with a registration or without.
    fn verify(&self, model: Option<&str>) -> common::Run {
        let (key, proof) = (self.file("out/model.vk"), self.file("out/proof.zkp"));
        let model = model.map(|model| self.file(model));
        let model = model.iter().flat_map(|model| ["--model", model]);
        zkinfer(&["verify", "--vk", &key, "--proof", &proof].into_iter().chain(model).collect::<Vec<_>>())
    }
}

#[test]
fn a_model_trained_further_is_proved_under_the_key_of_the_first() {
    let models = Models::new();
    let proved = models.prove("first.onnx", "private").done();
    assert!(proved.stdout.contains("private, in "), "{}", proved.stdout);
    let accepted = models.verify(None).done();
    assert!(accepted.stdout.contains("which ones the prover used is not shown"), "{}", accepted.stdout);
    let key = models.read("out/model.vk");

    let [pk, first] = ["out/model.pk", "first.zkr"].map(|name| models.file(name));
    zkinfer(&["model", "register", &pk, "-o", &first, "--name", "one, April"]).done();
    models.prove("first.onnx", &models.file("first.zkr.weights")).done();
    let accepted = models.verify(Some("first.zkr")).done();
    assert!(accepted.stdout.contains("the weights of the model registered as \"one, April\""), "{}", accepted.stdout);
    nothing_is_told(&models, "first.zkr");

    // Trained further: other weights, the same key.
    let [model, like, program, tuned] =
        ["tuned.onnx", "first.onnx", "tuned.zki", "tuned.zkr"].map(|name| models.file(name));
    zkinfer(&["compile", &model, "--like", &like, "--weights", "private", "-o", &program]).done();
    zkinfer(&["model", "register", &program, "--key", &pk, "-o", &tuned, "--json"]).done();
    models.prove("tuned.zki", &models.file("first.zkr.weights")).fails(2, &["not one of the weights of this program"]);
    models.prove("tuned.zki", &models.file("tuned.zkr.weights")).done();
    assert_eq!(models.read("out/model.vk"), key, "the key is the old one");
    models.verify(Some("tuned.zkr")).done();
    models.verify(Some("first.zkr")).fails(1, &["REFUSED", "not one between the weights of this proof"]);
    // The link of another proof.
    fs::copy(models.file("out/proof.zkl"), models.file("old.zkl")).expect("it is there");
    models.prove("tuned.zki", &models.file("tuned.zkr.weights")).done();
    let (vk, proof, link) = (models.file("out/model.vk"), models.file("out/proof.zkp"), models.file("old.zkl"));
    let with_link = ["verify", "--vk", &vk, "--proof", &proof, "--model", &tuned, "--link", &link];
    zkinfer(&with_link).fails(1, &["REFUSED"]);

    // What may be published is enough to check the key, and the contract takes the proofs.
    let family = models.file("family.zki");
    zkinfer(&["model", "family", &models.file("out/program.zki"), "-o", &family]).done();
    zkinfer(&["evm", "export", "--vk", &vk, "--proof", &proof, "-o", &models.file("chain"), "--force"]).done();
}

#[test]
fn published_families_give_the_key() {
    let models = Models::new();
    models.prove("first.onnx", "private").done();
    let [program, family, vk] = ["out/program.zki", "family.zki", "out/model.vk"].map(|name| models.file(name));
    zkinfer(&["model", "family", &program, "-o", &family]).done();
    zkinfer(&["verify-key", &family, "--vk", &vk]).done();
    zkinfer(&["verify-key", &program, "--vk", &vk]).done();
}

/// The secret last rows stand in no public file.
fn nothing_is_told(models: &Models, registration: &str) {
    let secret = models.read(&format!("{registration}.weights"));
    let public: Vec<Vec<u8>> =
        ["out/proof.zkp", "out/proof.zkl", "out/model.vk", registration].iter().map(|name| models.read(name)).collect();
    // Behind the registration itself come a digest and the rows.
    let (rows, checksum) = (6 * 32, 32);
    let last = secret.len() - checksum - rows;
    for chunk in secret[last..][..rows].chunks(32).map(|scalar| &scalar[8..24]) {
        assert!(public.iter().all(|file| file.windows(16).all(|window| window != chunk)));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = models.folder.path().join(format!("{registration}.weights"));
        assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o077, 0, "nobody else reads it");
    }
}

#[test]
fn misuse_is_told() {
    let models = Models::new();
    let (model, out) = (models.file("first.onnx"), models.file("p.zki"));
    zkinfer(&["compile", &model, "-o", &out]).done();
    zkinfer(&["model", "register", &out, "-o", &models.file("m.zkr")])
        .fails(2, &["no private weights", "--weights private"]);
    zkinfer(&["model", "family", &out, "-o", &models.file("f.zki")])
        .fails(2, &["no weights of the program are private"]);
    zkinfer(&["compile", &model, "-o", &out, "--weights", "m.weights"]).fails(2, &["public or private"]);
    models.prove("first.onnx", "public").done();
    let missing = models.verify(Some("m.zkr"));
    missing.fails(2, &["proof.zkl"]);
    models.prove("first.onnx", "no.weights").fails(2, &["no.weights"]);
    models.prove("first.onnx", &models.file("x.json")).fails(2, &["no file of zkinfer"]);
}

/// Registers a model of real size, proves with it, and verifies.
fn registered(model: &Path, input: &Path, calibration: &Path, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let (model, input, calibration, out) = (text(model), text(input), text(calibration), text(folder.path()));
    let arguments = ["prove", &model, "--input", &input, "--calibration", &calibration, "-o", &out];
    let prove =
        |weights: &str| zkinfer(&[&arguments[..], more, &["--weights", weights, "--json"]].concat()).done().json();
    let first = prove("private");
    zkinfer(&["model", "register", &file("model.pk"), "-o", &file("m.zkr"), "--name", "m"]).done();
    let second = prove(&file("m.zkr.weights"));
    assert_eq!(first["outputs"], second["outputs"]);
    assert!(first["registration"].is_null() && second["registration"].is_string(), "{second}");
    let (vk, proof, registration) = (file("model.vk"), file("proof.zkp"), file("m.zkr"));
    let verify = ["verify", "--vk", &vk, "--proof", &proof, "--model", &registration, "--json"];
    let report = zkinfer(&verify).done().json();
    assert_eq!(report["statement"]["weights"]["registered"]["name"], "m");
    let input = ["--input", &input];
    zkinfer(&[&verify[..], &input].concat()).done();
}

#[test]
fn the_example_is_registered() {
    let path = |name: &str| PathBuf::from(example(&format!("medical/{name}")));
    for objective in ["time", "gas"] {
        let more = ["--optimize", objective];
        registered(&path("model.onnx"), &path("patient.json"), &path("calibration.npz"), &more);
    }
}

#[test]
fn models_of_the_corpus_are_registered() {
    let given = std::env::var_os("ZKINFER_CORPUS").map(PathBuf::from);
    let corpus = given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/models").into());
    if !corpus.is_dir() {
        println!("skipped: no model corpus (set ZKINFER_CORPUS)");
        return;
    }
    for name in ["mlp_relu_digits", "lenet_28"] {
        let file = |file: &str| corpus.join(name).join(file);
        registered(&file("model.onnx"), &file("io.npz"), &file("test.npz"), &[]);
    }
}
