//! Import of powers of tau that `snarkjs` 0.7.6 made:
//!
//! - `power6.ptau`: `new bn128 6`, two contributions and a beacon;
//! - `power4-truncated.ptau`: that one prepared for phase 2 and truncated to power 4;
//! - `power2-without-contributions.ptau`: `new bn128 2`, whose tau is 1.

use std::path::{Path, PathBuf};

use halo2_proofs::halo2curves::ff::PrimeField;
use prover::srs::ptau::Ptau;
use prover::srs::{PtauError, Srs, SrsError, SrsInfo};
use verifier::encoding::PointError;
use verifier::srs::SrsMarkError;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn import(path: &Path, k: u32) -> Result<Srs, PtauError> {
    Ptau::open(path)?.import(k)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().rev().map(|byte| format!("{byte:02x}")).collect()
}

/// The result of importing `bytes`.
fn imported(bytes: &[u8], k: u32) -> Result<Srs, PtauError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("changed.ptau");
    std::fs::write(&path, bytes).expect("writable");
    import(&path, k)
}

#[test]
fn a_ceremony_is_imported() {
    let srs = import(&data("power6.ptau"), 6).expect("a ceremony");
    assert_eq!(srs.k(), 6);
    assert!(!srs.mark().is_insecure());
    assert!(srs.next_power().is_some());
    // Computed from the file's bytes by plain integer arithmetic.
    let tau = srs.powers()[1];
    assert_eq!(hex(tau.x.to_repr()), "2a866429d1ccf3aacea27ca78b2716e3d2f395eb3f97a27991837bbf78894ed4");
    assert_eq!(hex(tau.y.to_repr()), "2db67dab6d692ecd81a73b7b79cd39303afbd3b395ec2c42b9882e3771746a6c");
    let tau = srs.mark().tau_g2();
    assert_eq!(hex(tau.x.c0.to_repr()), "0ae3077b83a2f81245154d8e2fbfdba1954bea28e1b13626b3feda97c86da05c");
}

#[test]
fn one_ceremony_gives_one_srs_whatever_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |srs: Srs, name: &str| {
        let path = folder.path().join(name);
        srs.write(&path).expect("writable");
        std::fs::read(path).expect("readable")
    };
    let cut = import(&data("power6.ptau"), 4).expect("a ceremony");
    let truncated = import(&data("power4-truncated.ptau"), 4).expect("a ceremony");
    let fitted = import(&data("power6.ptau"), 6).expect("a ceremony").fit(4).expect("smaller");
    fitted.check().expect("consistent");
    assert_eq!(SrsInfo::from(&cut), SrsInfo::from(&truncated));
    let cut = file(cut, "cut.srs");
    assert_eq!(cut, file(truncated, "truncated.srs"));
    assert_eq!(cut, file(fitted, "fitted.srs"));
    let read = Srs::read(&folder.path().join("cut.srs")).expect("readable");
    read.check().expect("consistent");
}

#[test]
fn a_ceremony_without_contributions_is_refused() {
    let result = import(&data("power2-without-contributions.ptau"), 2);
    assert!(matches!(result, Err(PtauError::Srs(SrsError::Mark(SrsMarkError::KnownTau)))), "{result:?}");
}

#[test]
fn more_powers_than_there_are_is_refused() {
    let result = import(&data("power4-truncated.ptau"), 5);
    assert!(matches!(result, Err(PtauError::Srs(SrsError::TooSmall { needed: 5, found: 4 }))), "{result:?}");
    let result = import(&data("power4-truncated.ptau"), 0);
    assert!(matches!(result, Err(PtauError::Srs(SrsError::Size { found: 0 }))), "{result:?}");
}

#[test]
fn truncated_and_extended_files_are_refused() {
    let file = std::fs::read(data("power6.ptau")).expect("readable");
    for length in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        assert!(imported(&file[..length], 3).is_err(), "{length} bytes");
    }
    let result = imported(&[&file[..], &[0]].concat(), 3);
    assert!(matches!(result, Err(PtauError::Malformed { .. })), "{result:?}");
}

/// In `power4-truncated.ptau` section 12 is the last but three; its bases of 1, 2, 4 and 8 points precede that of 16.
#[test]
fn a_changed_lagrange_basis_is_refused() {
    let file = std::fs::read(data("power4-truncated.ptau")).expect("readable");
    let start = file.len() - (3968 + 12) - 2 * (1984 + 12) - 4032;
    assert_eq!(file[start - 12..start - 8], 12u32.to_le_bytes());
    let changed = |points: &[u8]| {
        let mut file = file.clone();
        file[start + 64 * 17..][..points.len()].copy_from_slice(points);
        imported(&file, 4)
    };
    let result = changed(&file[start + 64 * 18..][..64]);
    assert!(matches!(result, Err(PtauError::Srs(SrsError::Inconsistent(_)))), "{result:?}");
    assert!(matches!(changed(&[1; 64]), Err(PtauError::Point { section: 12, index: 17, .. })));
}

/// Offsets in `power6.ptau`: the points of section 2 start at 80, those of section 3 at 8220.
#[test]
fn changed_files_are_refused() {
    let file = std::fs::read(data("power6.ptau")).expect("readable");
    let changed = |offset: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[offset..][..bytes.len()].copy_from_slice(bytes);
        imported(&file, 6)
    };
    assert!(matches!(changed(0, b"zkey"), Err(PtauError::Magic)));
    assert!(matches!(changed(4, &[2]), Err(PtauError::Magic)));
    assert!(matches!(changed(8, &[65]), Err(PtauError::Malformed { .. })), "too many sections");
    assert!(matches!(changed(16, &[0xff; 8]), Err(PtauError::Malformed { .. })), "an endless section");
    assert!(matches!(changed(28, &[0]), Err(PtauError::Curve)), "another modulus");
    assert!(matches!(changed(60, &[5]), Err(PtauError::SectionSize { section: 2, .. })), "another power");
    assert!(matches!(changed(60, &[0]), Err(PtauError::Malformed { .. })), "no power");
    assert!(matches!(changed(60, &[64]), Err(PtauError::Malformed { .. })), "an absurd power");
    let point = |error| move |result| matches!(result, Err(PtauError::Point { error: found, .. }) if found == error);
    assert!(point(PointError::OffCurve)(changed(80 + 64 * 7, &[1])));
    assert!(point(PointError::Identity)(changed(80 + 64 * 7, &[0; 64])));
    let inconsistent = |result| matches!(result, Err(PtauError::Srs(SrsError::Inconsistent(_))));
    assert!(inconsistent(changed(80 + 64 * 7, &file[80 + 64 * 8..][..64])), "one power twice");
    assert!(inconsistent(changed(80 + 64 * 64, &file[80 + 64 * 63..][..64])), "the power after the last");
    assert!(inconsistent(changed(8220 + 128, &file[8220 + 256..][..128])), "another power in G2");
    assert!(inconsistent(changed(8220, &file[8220 + 128..][..128])), "another generator in G2");
}
