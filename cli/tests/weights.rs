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
    let secrets = ["out/program.zki", "out/model.pk"].map(|name| models.file(name));
    for secret in &secrets {
        assert!(proved.stdout.contains(&format!("{secret}: keep it to yourself")), "{}", proved.stdout);
        for_the_owner_alone(secret);
    }
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
    let compiled = zkinfer(&["compile", &model, "--like", &like, "--weights", "private", "-o", &program]).done();
    assert!(compiled.stdout.contains("keep it to yourself"), "{}", compiled.stdout);
    for_the_owner_alone(&program);
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
    let setup = zkinfer(&["setup", &program, "-o", &models.file("tuned")]).done();
    assert!(setup.stdout.contains("model.pk: keep it to yourself"), "{}", setup.stdout);
    for_the_owner_alone(&models.file("tuned/model.pk"));
    let chain = models.file("chain");
    let exported = zkinfer(&["evm", "export", "--vk", &vk, "--proof", &proof, "-o", &chain, "--force"]).done();
    assert!(exported.stderr.contains("ask for a link"), "{}", exported.stderr);

    // So does the judge of links, for the registration that the proof is about.
    let link = ["evm", "link", "--vk", &vk, "--proof", &proof, "-o", &chain, "--model"];
    zkinfer(&[&link[..], &[&tuned]].concat()).fails(1, &["REFUSED", "insecure", "--force"]);
    zkinfer(&[&link[..], &[&first, "--force"]].concat()).fails(1, &["REFUSED"]);
    assert!(!fs::exists(models.file("chain/link.json")).expect("readable"), "nothing is written of what is refused");
    let report = zkinfer(&[&link[..], &[&tuned, "--force", "--json"]].concat()).done().json();
    for figure in ["link_gas", "certified_link_gas", "certify_gas", "register_gas", "deploy_gas", "columns"] {
        assert!(report[figure].as_u64().is_some_and(|figure| figure > 0), "{figure}: {report}");
    }
    let read = |name: &str| -> serde_json::Value { serde_json::from_slice(&models.read(name)).expect("JSON") };
    let (written, manifest) = (read("chain/link.json"), read("chain/manifest.json"));
    assert_eq!(written["registration"]["digest"], format!("0x{}", verifier::Digest::of(&models.read("tuned.zkr"))));
    assert_eq!(written["to"]["part"], manifest["linkable"][0], "what is to be pinned");
    assert_eq!((&written["to"]["part"]["is"], &written["insecure"]), (&"weights".into(), &true.into()));
    let call = String::from_utf8(models.read("chain/registration.hex")).expect("ASCII");
    assert!(call.trim().len() > 2 + 2 * 736, "{call}");
}

#[test]
fn published_families_give_the_key() {
    let models = Models::new();
    models.prove("first.onnx", "private").done();
    let [program, family, vk] = ["out/program.zki", "family.zki", "out/model.vk"].map(|name| models.file(name));
    zkinfer(&["model", "family", &program, "-o", &family]).done();
    let permissions = |file: &str| fs::metadata(file).expect("it is there").permissions();
    assert_eq!(permissions(&family), permissions(&vk), "a family is a public file");
    zkinfer(&["verify-key", &family, "--vk", &vk]).done();
    zkinfer(&["verify-key", &program, "--vk", &vk]).done();
}

/// Tables of which some have fewer bits than others (`--accuracy`) are public, and those of a family are the same for all of its weights.
#[test]
fn programs_of_mixed_widths_are_proved_under_one_key() {
    const SIZE: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let number = |i: usize| ((i * 7919 + 104_729) * 31 % 997) as f32 / 498.5 - 1.0;
    let weights = |factor: f32| {
        [0, 1, 2].map(|layer| (0..SIZE * SIZE).map(|i| factor * number(layer * SIZE * SIZE + i)).collect::<Vec<f32>>())
    };
    for (name, factor) in [("first.onnx", 1.0), ("tuned.onnx", 0.96875)] {
        fs::write(file(name), onnx::powers(SIZE, &weights(factor))).expect("writable");
    }
    let rows =
        (0..64).map(|row| (0..SIZE).map(|i| number(5000 + row * SIZE + i).to_string()).collect::<Vec<_>>().join(","));
    fs::write(file("samples.csv"), rows.collect::<Vec<_>>().join("\n") + "\n").expect("writable");
    let [first, tuned, samples, program] = ["first.onnx", "tuned.onnx", "samples.csv", "program.zki"].map(&file);
    let accuracy = ["--calibration", &samples, "--accuracy", "0.9997"];
    let narrowed = |arguments: &[&str]| {
        let report = zkinfer(&[&["compile"], arguments, &accuracy, &["--json"]].concat()).done().json();
        let report = &report["quantization"];
        let narrower = report["narrower"].as_array().expect("a list").clone();
        assert!(!narrower.is_empty() && report["bits"].as_u64() > Some(8), "{report}");
        narrower
    };
    let judged = |proof: &str, more: &[&str]| {
        let (vk, proof) = (file(&format!("{proof}/model.vk")), file(&format!("{proof}/proof.zkp")));
        zkinfer(&[&["verify", "--vk", &vk, "--proof", &proof], more].concat()).done();
    };
    let proved = |model: &str, out: &str, more: &[&str]| {
        let out = file(out);
        zkinfer(&[&["prove", model, "--input", &samples, "-o", &out], more].concat()).done();
    };

    let of_public = narrowed(&[&first, "-o", &program]);
    proved(&first, "public", &accuracy);
    judged("public", &[]);
    let vk = file("public/model.vk");
    zkinfer(&[&["verify-key", &first, "--vk", &vk], &accuracy[..]].concat()).done();

    proved(&first, "one", &[&accuracy[..], &["--weights", "private"]].concat());
    let [pk, own, family, again, secret] =
        ["one/model.pk", "one/program.zki", "family.zki", "tuned.zkr", "tuned.zkr.weights"].map(&file);
    zkinfer(&["model", "family", &own, "-o", &family]).done();
    let of_tuned = narrowed(&[&tuned, "--like", &first, "-o", &program, "--weights", "private"]);
    assert_eq!(of_tuned, of_public, "the same tables lose bits");
    zkinfer(&["model", "register", &program, "--key", &pk, "-o", &again]).done();
    proved(&program, "two", &["--weights", &secret]);
    let keys = ["one/model.vk", "two/model.vk"].map(|name| fs::read(file(name)).expect("it is there"));
    assert_eq!(keys[0], keys[1], "one key for all weights");
    judged("one", &[]);
    judged("two", &["--model", &again]);
    zkinfer(&["verify-key", &family, "--vk", &file("two/model.vk")]).done();
}

/// What a family is follows from the first model alone, also where the other one's integers have other widths.
#[test]
fn families_follow_from_the_first_model_alone() {
    const SIZE: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| text(&folder.path().join(name));
    let number = |i: usize| ((i * 7919 + 104_729) * 31 % 997) as f32 / 498.5 - 1.0;
    let weights = |factor: f32, spread: f32| {
        [0, 1, 2].map(|layer| {
            let weight = |i: usize| factor * number(layer * SIZE * SIZE + i) * (1.0 + spread * number(i + 77));
            (0..SIZE * SIZE).map(weight).collect::<Vec<f32>>()
        })
    };
    let models = [("first", 1.0, 0.0), ("a", 0.96875, 0.0), ("b", 1.0, 0.03), ("c", 0.5, 0.1), ("d", 1.9, 0.0)];
    for (name, factor, spread) in models {
        fs::write(file(name), onnx::powers(SIZE, &weights(factor, spread))).expect("writable");
    }
    let rows =
        (0..64).map(|row| (0..SIZE).map(|i| number(5000 + row * SIZE + i).to_string()).collect::<Vec<_>>().join(","));
    fs::write(file("samples.csv"), rows.collect::<Vec<_>>().join("\n") + "\n").expect("writable");
    let (first, samples, program) = (file("first"), file("samples.csv"), file("program.zki"));
    for width in [["--accuracy", "0.9995"], ["--bits", "8"], ["--bits", "10"], ["--bits", "12"]] {
        let options = ["--calibration", &samples, "--weights", "private", "-o", &program, "--json"];
        let compile = |arguments: &[&str]| zkinfer(&[&["compile"], arguments, &width, &options].concat());
        let family = compile(&[&first]).done().json()["family_digest"].clone();
        assert!(family.is_string(), "{family}");
        for (name, ..) in &models[1..] {
            let (model, run) = (file(name), compile(&[&file(name), "--like", &first]));
            if run.status == 0 {
                assert_eq!(run.json()["family_digest"], family, "{model} {width:?}");
            } else {
                run.fails(1, &["node \"", "--like"]);
            }
        }
    }
}

/// A program that is to keep its key does not get another one, and what keeps it from the key is told with the way out.
#[test]
fn another_key_does_not_come_unnoticed() {
    let models = Models::new();
    let first: Vec<f32> = (0..12).map(|i| (i * 5 % 12) as f32 / 6.0 - 1.0).collect();
    let grown: Vec<f32> = first.iter().map(|weight| 8.0 * weight).collect();
    fs::write(models.file("grown.onnx"), onnx::layer("x", "y", [4, 3], &grown)).expect("writable");
    models.prove("first.onnx", "private").done();
    let key = models.read("out/model.vk");
    let [like, tuned, grown, program, input] =
        ["first.onnx", "tuned.onnx", "grown.onnx", "p.zki", "x.json"].map(|name| models.file(name));
    let options = ["--like", &like, "--weights", "private", "-o", &program];
    let compile = |model: &str, more: &[&str]| zkinfer(&[&["compile", model], &options[..], more].concat());

    // Other options than those of the key's program.
    compile(&tuned, &["--bits", "13"]).done();
    let prove = |out: &str| zkinfer(&["prove", &program, "--input", &input, "-o", out]);
    prove(&models.file("out")).fails(2, &["not one for this key", "another folder"]);
    assert_eq!(models.read("out/model.vk"), key, "the key is the old one");

    // Sums that need more bits than are declared.
    let fixed = ["--bits", "8", "--calibration", &input];
    compile(&grown, &fixed).fails(1, &["node \"", "declared", "--headroom"]);
    let roomy = ["--bits", "8", "--calibration", &input, "--headroom", "4"];
    let declared = compile(&grown, &roomy).done();
    assert!(declared.stderr.contains("leave the ranges of the first model"), "{}", declared.stderr);
    let out = models.file("roomy");
    let arguments = ["prove", &like, "--input", &input, "-o", &out, "--weights", "private"];
    zkinfer(&[&arguments[..], &roomy].concat()).done();
    let key = models.read("roomy/model.vk");
    prove(&out).done();
    assert_eq!(models.read("roomy/model.vk"), key, "one key for all weights");
}

/// The digests of a model and of its data would confirm a guess of them.
#[test]
fn published_families_name_no_files() {
    let models = Models::new();
    let [first, tuned, samples, program, family] =
        ["first.onnx", "tuned.onnx", "x.json", "tuned.zki", "family.zki"].map(|name| models.file(name));
    let options = ["--like", &first, "--calibration", &samples, "--weights", "private", "-o", &program];
    zkinfer(&[&["compile", tuned.as_str()], &options[..]].concat()).done();
    zkinfer(&["model", "family", &program, "-o", &family]).done();
    zkinfer(&["inspect", &family]).done();
    let [program, family] = ["tuned.zki", "family.zki"].map(|name| models.read(name));
    for name in ["first.onnx", "x.json", "tuned.onnx"] {
        let digest = verifier::Digest::of(&models.read(name));
        let digests = [digest.0.to_vec(), digest.to_string().into_bytes()];
        let names =
            |file: &[u8]| digests.iter().any(|digest| file.windows(digest.len()).any(|part| part == &digest[..]));
        assert!(names(&program) && !names(&family), "{name}");
    }
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
    for_the_owner_alone(&models.file(&format!("{registration}.weights")));
}

/// Nobody else reads a file, where the system has such modes.
fn for_the_owner_alone(file: &str) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    #[cfg(not(unix))]
    assert!(fs::exists(file).expect("readable"));
}

/// Who names a model is told of no proof that is not tied to it.
#[test]
fn a_model_that_no_link_leads_to_is_refused() {
    let models = Models::new();
    let prove = |out: &str, weights: &str| {
        let (model, input, out) = (models.file("first.onnx"), models.file("x.json"), models.file(out));
        let committed = ["--input-visibility", "committed"];
        zkinfer(&[&["prove", &model, "--input", &input, "-o", &out, "--weights", weights], &committed[..]].concat())
            .done()
    };
    prove("one", "private");
    prove("two", "private");
    let [key, first, second, x] = ["one/model.pk", "a.zkr", "b.zkr", "x.zkc"].map(|name| models.file(name));
    for registration in [&first, &second] {
        zkinfer(&["model", "register", &key, "-o", registration]).done();
    }
    let registered = models.file("a.zkr.weights");
    prove("tied", &registered);
    let files = ["one", "two", "tied"]
        .map(|folder| ["model.vk", "proof.zkp"].map(|name| models.file(&format!("{folder}/{name}"))));
    let [one, two, tied] = files.each_ref().map(|[key, proof]| ["--vk", key, "--proof", proof]);
    let (vk, input) = (models.file("one/model.vk"), models.file("x.json"));
    zkinfer(&["commit", &vk, "--input", &input, "-o", &x]).done();
    let link = |from: &str, to: &str, out: &str| {
        let (from, to, out) = (models.file(from), models.file(to), models.file(out));
        zkinfer(&["link", "--from", &from, "--to", &to, "-o", &out]).done();
        out
    };
    let ports = link("one/proof.zkp", "two/proof.zkp", "ports.zkl");
    let [to_one, to_tied] = ["one", "tied"].map(|to| link("x.zkc", &format!("{to}/proof.zkp"), &format!("{to}.zkl")));
    let verify = |parts: &[&[&str]]| zkinfer(&[&["verify"][..], &parts.concat()].concat());
    let unused = ["REFUSED", "registration 0 is not linked to the weights of any proof"];

    // One proof and two models without a link; two proofs and a model, without a link and with one between inputs.
    verify(&[&one, &["--model", &first, "--model", &second]]).fails(1, &unused);
    verify(&[&one, &two, &["--model", &first]]).fails(1, &unused);
    verify(&[&one, &two, &["--model", &first, "--link", &ports]]).fails(1, &unused);
    // A commitment, which makes a chain of one proof.
    let committed = ["--commitment", &x, "--model", &first];
    verify(&[&one, &committed, &["--link", &to_one]]).fails(1, &unused);
    verify(&[&one, &committed, &["--link", &to_one, "--json"]]).fails(1, &unused);

    let own = models.file("tied/proof.zkl");
    let accepted = verify(&[&tied, &committed, &["--link", &to_tied, "--link", &own]]).done();
    assert!(accepted.stdout.contains("the weights of the model registered as"), "{}", accepted.stdout);
    // Another proof beside it may be about any weights.
    let beside = verify(&[&tied, &two, &["--model", &first, "--link", &own]]);
    beside.fails(1, &["REFUSED", "proof 1 has private weights, and they are not linked to a registration"]);
    verify(&[&one, &two, &["--link", &ports]]).done();
    verify(&[&tied, &["--commitment", &x, "--link", &own, "--model", &first]])
        .fails(1, &["REFUSED", "commitment 0 is not what any link speaks about"]);
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
    zkinfer(&["compile", &model, "-o", &out, "--headroom", "2"]).fails(2, &["--weights private"]);
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
fn numbers_that_stay_public_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program.zki").display().to_string();
    let compile = |weights: &str| {
        let model = example("medical/model.onnx");
        zkinfer(&["compile", &model, "--bits", "8", "--weights", weights, "-o", &program]).done().stdout
    };
    let named = "stays public node \"score+sigmoid\": the numbers in its function";
    assert!(compile("private").contains(named));
    assert!(!compile("public").contains("stays public"));
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
