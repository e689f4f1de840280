//! The path of a hashed input: committed to, proved, and shown to somebody who checks it.

mod common;

use std::fs;

use common::{example, text, zkinfer};
use serde_json::Value;

/// The model and what goes with it.
struct Patient {
    folder: tempfile::TempDir,
    calibration: String,
    model: String,
}

impl Patient {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            calibration: example("medical/calibration.npz"),
            model: example("medical/model.onnx"),
        }
    }

    fn file(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    /// A proof for one of the example's inputs, with these further arguments.
    fn prove(&self, input: &str, more: &[&str]) -> common::Run {
        let (input, out) = (example(input), text(self.folder.path()));
        let arguments = [
            "prove",
            &self.model,
            "--input",
            &input,
            "--calibration",
            &self.calibration,
            "-o",
            &out,
            "--input-visibility",
            "hashed",
        ];
        zkinfer(&[&arguments[..], more].concat())
    }

    fn verify(&self, more: &[&str]) -> common::Run {
        let (vk, proof) = (self.file("model.vk"), self.file("proof.zkp"));
        zkinfer(&[&["verify", "--vk", &vk, "--proof", &proof], more].concat())
    }

    fn hash(&self, more: &[&str]) -> common::Run {
        zkinfer(&[&["hash", &self.file("model.vk")], more].concat())
    }
}

fn digest(report: &Value) -> String {
    report["digests"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn a_digest_binds_what_it_hides() {
    let story = Patient::new();
    let (patient, healthy) = (example("medical/patient.json"), example("medical/healthy.json"));
    let salt = story.file("proof.zkp.salt");
    let proved = story.prove("medical/patient.json", &[]).done();
    assert!(proved.stdout.contains("salted digest") && proved.stdout.contains("proof.zkp.salt"), "{}", proved.stdout);
    assert!(is_private(&salt), "only the owner may read the salt");

    let accepted = story.verify(&["--json"]).done().json();
    let port = accepted["statement"]["ports"][0].clone();
    assert!(port["values"].is_null() && port["visibility"] == "hashed", "{port}");
    let told = port["digest"].as_str().expect("a digest").to_owned();
    assert!(told.starts_with("0x") && told.len() == 66, "{told}");
    assert!(story.verify(&[]).done().stdout.contains(&told));
    assert!(zkinfer(&["inspect", &story.file("proof.zkp")]).done().stdout.contains(&told));

    // Whoever has the values and the salt checks them.
    assert_eq!(digest(&story.hash(&["--input", &patient, "--salt", &salt, "--json"]).done().json()), told);
    assert_ne!(digest(&story.hash(&["--input", &healthy, "--salt", &salt, "--json"]).done().json()), told);
    story.verify(&["--input", &patient, "--salt", &salt]).done();
    story.verify(&["--input", &healthy, "--salt", &salt]).fails(1, &["REFUSED", "digest"]);
    story.verify(&["--input", &patient]).fails(2, &["no salt", "--salt"]);
    story.verify(&["--salt", &salt]).fails(2, &["--input"]);
    let result = story.file("result.json");
    story.verify(&["--output", &result]).done();

    // Another proof has another salt, unless it is given.
    let first = fs::read(&salt).expect("readable");
    let given = story.file("given.salt");
    fs::write(&given, &first).expect("writable");
    story.prove("medical/patient.json", &["--quiet"]).done();
    assert_ne!(fs::read(&salt).expect("readable"), first);
    story.verify(&["--input", &patient, "--salt", &given]).fails(1, &["REFUSED"]);
    story.prove("medical/patient.json", &["--quiet", "--salt", &given]).done();
    assert!(story.verify(&[]).done().stdout.contains(&told), "the same digest");
}

#[test]
fn a_digest_may_come_first() {
    let story = Patient::new();
    let (patient, program, salt) =
        (example("medical/patient.json"), story.file("program.zki"), story.file("first.salt"));
    let compile = ["compile", &story.model, "-o", &program, "--calibration", &story.calibration];
    zkinfer(&[&compile[..], &["--input", "hashed", "--output", "hashed"]].concat()).done();
    let hashed = zkinfer(&["hash", &program, "--input", &patient, "--new-salt", &salt, "--json"]).done().json();
    assert!(is_private(&salt), "only the owner may read the salt");
    assert_eq!(hashed["digests"].as_array().map(Vec::len), Some(2), "the program gives the output: {hashed}");
    let out = text(story.folder.path());
    zkinfer(&["prove", &program, "--input", &patient, "-o", &out, "--salt", &salt, "--quiet"]).done();
    let accepted = story.verify(&["--json"]).done().json();
    for (port, digest) in accepted["statement"]["ports"].as_array().expect("ports").iter().zip(0..) {
        assert_eq!(port["digest"], hashed["digests"][digest]["digest"]);
    }
    let result = story.file("result.json");
    story.verify(&["--output", &result, "--salt", &salt]).done();
    let shown = story.hash(&["--output", &result, "--salt", &salt, "--json"]).done().json();
    assert_eq!(shown["digests"][0], hashed["digests"][1]);
}

#[test]
fn misuse_is_told() {
    let story = Patient::new();
    let (patient, salt) = (example("medical/patient.json"), story.file("proof.zkp.salt"));
    story.prove("medical/patient.json", &["--salt", &salt]).fails(2, &["proof.zkp.salt"]);
    story.prove("medical/patient.json", &["--salt", &patient]).fails(2, &["no file of salts"]);
    let digits = "00112233445566778899aabbccddeeff";
    story.prove("medical/patient.json", &["--salt", digits, "--quiet"]).done();
    story.verify(&["--input", &patient, "--salt", digits]).done();
    story.verify(&["--input", &patient, "--salt", &digits.replace('0', "1")]).fails(1, &["REFUSED"]);
    story.hash(&["--input", &patient]).fails(2, &["--salt", "--new-salt"]);
    story.hash(&["--salt", digits]).fails(2, &["no values", "--output"]);

    let open = Patient::new();
    let (model, calibration, out) = (open.model.clone(), open.calibration.clone(), text(open.folder.path()));
    let prove = ["prove", &model, "--input", &patient, "--calibration", &calibration, "-o", &out, "--quiet"];
    zkinfer(&[&prove[..], &["--salt", digits]].concat()).fails(2, &["0 ports are hashed"]);
    zkinfer(&prove).done();
    assert!(!open.folder.path().join("proof.zkp.salt").exists());
    open.hash(&["--input", &patient, "--salt", digits]).fails(2, &["no port is hashed"]);
    open.verify(&["--input", &patient]).done();
    open.verify(&["--input", &example("medical/healthy.json")]).fails(1, &["REFUSED", "not the one"]);
}

#[cfg(unix)]
fn is_private(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("there").permissions().mode() & 0o777 == 0o600
}

#[cfg(not(unix))]
fn is_private(_: &str) -> bool {
    true
}
