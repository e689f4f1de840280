//! Keys and proofs of the machine itself, through the library and through `zkinfer-verify`.

mod common;
#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use circuits::layout::{compile, LayoutOptions, Objective};
use circuits::machine::Arrangement;
use circuits::reference;
use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::plonk::{create_proof, keygen_pk, keygen_vk};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::ProverSHPLONK;
use halo2_proofs::transcript::TranscriptWriterBuffer;
use rand_core::OsRng;
use verifier::container::{frame, unframe, Bytes, Kind};
use verifier::key::KeyDescription;
use verifier::srs::{development_tau, SrsMark, SrsOrigin};
use verifier::transcript::KeccakTranscript;
use verifier::{verify, Digest, Proof, Randomness, VerifyingKey};

/// A small network's key and a proof.
struct Proven {
    key: VerifyingKey,
    proof: Proof,
}

fn proven() -> &'static Proven {
    static PROVEN: LazyLock<Proven> = LazyLock::new(|| prove(&LayoutOptions::default()));
    &PROVEN
}

fn proven_on_a_folded_machine() -> &'static Proven {
    static PROVEN: LazyLock<Proven> =
        LazyLock::new(|| prove(&LayoutOptions { objective: Objective::Gas, ..LayoutOptions::default() }));
    &PROVEN
}

fn prove(options: &LayoutOptions) -> Proven {
    let mut builder = support::cnn(2);
    let inputs = builder.inputs();
    let program = builder.program;
    let layout = compile(&program, options).expect("the program has a layout");
    let trace = reference::run(&program, &inputs).expect("the inputs are admissible");
    let srs = common::srs(layout.params().k, development_tau());
    let empty = layout.circuit_without_witness();
    let vk = keygen_vk(&srs, &empty).expect("the circuit fits");
    let description = KeyDescription {
        params: layout.params(),
        model: program.name.clone(),
        source: Digest(program.source_digest),
        program: Digest::of(b"the program"),
        interface: layout.interface().clone(),
        srs: SrsMark::new(SrsOrigin::Development, srs.s_g2()).expect("the origin is right"),
    };
    let (fixed, permutation) = (vk.fixed_commitments().clone(), vk.permutation().commitments().clone());
    let key = VerifyingKey::assemble(description, fixed, permutation).expect("the parts go together");
    let plonk = keygen_pk(&srs, vk, &empty).expect("the circuit fits");
    let public = layout.public_data(&program, &trace, &[]);
    let instances = layout.interface().pack(&public).expect("in range");
    let mut transcript = KeccakTranscript::init(Vec::new());
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<Bn256>, _, _, _, _>(
        &srs,
        &plonk,
        &[layout.circuit(&program, &trace, &[])],
        &[&[&instances]],
        OsRng,
        &mut transcript,
    )
    .expect("the witness is complete");
    let proof =
        Proof { key: key.digest(), public, randomness: Randomness::System, words: Bytes(transcript.finalize()) };
    Proven { key, proof }
}

#[test]
fn proofs_of_the_machine_are_judged() {
    is_judged(proven());
}

#[test]
fn proofs_of_a_folded_machine_are_judged() {
    let proven = proven_on_a_folded_machine();
    assert_ne!(proven.key.description().params.arrangement, Arrangement::Parallel);
    is_judged(proven);
}

fn is_judged(Proven { key, proof }: &Proven) {
    verify(key, &proof.public, proof).expect("it is true");
    let read = VerifyingKey::from_file(key.file().to_vec()).expect("it was just made");
    verify(&read, &proof.public, proof).expect("it is true");
    for offset in (0..proof.words.0.len()).step_by(31) {
        let mut other = proof.clone();
        other.words.0[offset] ^= 1 << (offset % 8);
        assert!(verify(key, &other.public, &other).is_err(), "byte {offset}");
    }
    for (tensor, values) in proof.public.values.iter().enumerate() {
        for index in 0..values.len() {
            let mut other = proof.clone();
            other.public.values[tensor][index] ^= 1;
            assert!(verify(key, &other.public, &other).is_err(), "value {index} of tensor {tensor}");
        }
    }
}

/// The widths lie at the start of a key's payload. Other widths are another constraint system, or none.
#[test]
fn keys_with_other_widths_accept_nothing() {
    other_widths_accept_nothing(proven());
    other_widths_accept_nothing(proven_on_a_folded_machine());
}

fn other_widths_accept_nothing(Proven { key, proof }: &Proven) {
    let payload = unframe(Kind::VerifyingKey, key.file()).expect("whole");
    for offset in 0..40 {
        for byte in [0, 1, 2, 3, 5, 24, 25, 26, 32, 33, 0x7f, 0x80, 0xff] {
            let mut changed = payload.to_vec();
            changed[offset] = byte;
            if changed == payload {
                continue;
            }
            let file = frame(Kind::VerifyingKey, &changed).expect("it is small");
            if let Ok(other) = VerifyingKey::from_file(file) {
                let renamed = Proof { key: other.digest(), ..proof.clone() };
                let accepted = verify(&other, &proof.public, &renamed).is_ok();
                let same_system = other.description().params == key.description().params;
                assert!(!accepted || same_system, "byte {offset} set to {byte}");
            }
        }
    }
}

/// A folder with `model.vk` and `proof.zkp`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    proven().key.write(&folder.path().join("model.vk")).expect("writable");
    proven().proof.write(&folder.path().join("proof.zkp")).expect("writable");
    folder
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zkinfer-verify"));
    command.args(arguments).env_remove("MAX_DEGREE");
    command
}

fn run(folder: &Path, more: &[&str]) -> Output {
    let (key, proof) = (folder.join("model.vk"), folder.join("proof.zkp"));
    let mut command = command(&["--vk"]);
    command.arg(key).arg("--proof").arg(proof).args(more).output().expect("the binary runs")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("it exits by itself")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn the_binary_accepts_and_tells_the_statement() {
    let folder = folder();
    let output = run(folder.path(), &[]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(text(&output.stdout).starts_with("accepted in "), "{output:?}");
    assert!(text(&output.stderr).contains("warning: INSECURE"), "{output:?}");
    let output = run(folder.path(), &["--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(told["accepted"], true);
    assert_eq!(told["statement"]["key"], proven().key.digest().to_string());
    assert_eq!(told["statement"]["insecurities"][0], "development-srs");
    assert!(told["verify_ms"].is_number());
}

#[test]
fn the_binary_refuses() {
    let folder = folder();
    let output = run(folder.path(), &["--require-secure", "--json"]);
    assert_eq!(status(&output), 1);
    assert!(text(&output.stderr).contains("development SRS"), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&told["accepted"], &told["refusal"]), (&false.into(), &"insecure-srs".into()));

    let path = folder.path().join("proof.zkp");
    let file = std::fs::read(&path).expect("readable");
    let mut changed = file.clone();
    changed[file.len() / 2] ^= 1;
    for bad in [changed, [&file[..], b"x"].concat()] {
        std::fs::write(&path, bad).expect("writable");
        let output = run(folder.path(), &[]);
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(text(&output.stderr).starts_with("refused: "), "{output:?}");
    }
    let mut other = proven().proof.clone();
    other.words.0[40] ^= 1;
    other.write(&path).expect("writable");
    assert_eq!(status(&run(folder.path(), &[])), 1);
}

#[test]
fn the_binary_tells_misuse_and_unreadable_files() {
    let folder = folder();
    let fails = |arguments: &[&str]| {
        let output = command(arguments).output().expect("the binary runs");
        assert_eq!(status(&output), 2, "{output:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{output:?}");
    };
    fails(&[]);
    fails(&["--vk", "model.vk"]);
    fails(&["--vk", "model.vk", "--proof", "proof.zkp", "--model", "model.zkr"]);
    fails(&["--vk"]);
    fails(&["--vk", "a", "--vk", "b", "--proof", "c"]);
    fails(&["--unknown"]);
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let (key, proof) = (path("model.vk").display().to_string(), path("proof.zkp").display().to_string());
    let missing = path("missing").display().to_string();
    fails(&["--vk", &missing, "--proof", &proof]);
    fails(&["--vk", &key, "--proof", &missing]);
    fails(&["--vk", &proof, "--proof", &key]);
    let file = std::fs::read(&proof).expect("readable");
    for length in [0, 10, 40, file.len() - 1] {
        std::fs::write(path("cut.zkp"), &file[..length]).expect("writable");
        fails(&["--vk", &key, "--proof", &path("cut.zkp").display().to_string()]);
    }
    let output = command(&["--vk", &key, "--proof", &proof]).env("MAX_DEGREE", "5").output().expect("the binary runs");
    assert_eq!(status(&output), 2);
    assert!(text(&output.stderr).contains("MAX_DEGREE"), "{output:?}");
    for flag in ["--help", "--version"] {
        let output = command(&[flag]).output().expect("the binary runs");
        assert_eq!(status(&output), 0);
        assert!(text(&output.stdout).contains("zkinfer"), "{output:?}");
    }
}

/// What was made by an earlier release stays valid: a key's file, and what its proofs absorb of the constraint system and of
/// the commitments, depend on no more than they did.
#[test]
fn parallel_keys_are_what_they_were() {
    let key = &proven().key;
    assert_eq!(key.digest().to_string(), "27fc641ffd5c2bebc2214eb628b89b4a5cf05ec9965be39561d96d4ae8e94629");
    assert_eq!(
        format!("{:?}", key.plonk().transcript_repr()),
        "0x0fc1425cf42cc3a1d337c1f8dadfec2cec65d7d28a212318d5434b2f1a8d7743"
    );
}
