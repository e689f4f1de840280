//! Reading verifying keys: only what a setup writes is a key.

mod common;

use std::sync::LazyLock;

use circuits::graph::{PortKind, Visibility};
use circuits::machine::MachineParams;
use common::{params, Fixture, StandIn, WEIGHTS};
use halo2_proofs::halo2curves::bn256::G1Affine;
use halo2_proofs::halo2curves::group::prime::PrimeCurveAffine;
use proptest::prelude::*;
use verifier::container::{frame, unframe, ContainerError, Kind};
use verifier::encoding::PointError;
use verifier::key::{KeyDescription, KeyError, PortFault};
use verifier::srs::{SrsMarkError, SrsOrigin};
use verifier::VerifyingKey;

fn fixture() -> &'static Fixture {
    static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| Fixture::new(WEIGHTS, SrsOrigin::Development));
    &FIXTURE
}

fn read(file: Vec<u8>) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_file_for::<StandIn>(file)
}

/// The key's file with `payload` in place of its own.
fn with_payload(payload: &[u8]) -> Vec<u8> {
    frame(Kind::VerifyingKey, payload).expect("it is small")
}

/// Puts the parts of the fixture's key together again after a change.
fn assembled(
    change: impl FnOnce(&mut KeyDescription, &mut Vec<G1Affine>, &mut Vec<G1Affine>),
) -> Result<VerifyingKey, KeyError> {
    let fixture = fixture();
    let mut description = fixture.key.description().clone();
    let mut fixed = fixture.key.plonk().fixed_commitments().clone();
    let mut permutation = fixture.key.plonk().permutation().commitments().clone();
    change(&mut description, &mut fixed, &mut permutation);
    VerifyingKey::assemble_for::<StandIn>(description, fixed, permutation)
}

#[test]
fn keys_are_deterministic() {
    assert_eq!(Fixture::new(WEIGHTS, SrsOrigin::Development).key.file(), fixture().key.file());
    let same = assembled(|_, _, _| ()).expect("nothing was changed");
    assert_eq!(same.digest(), fixture().key.digest());
}

#[test]
fn every_changed_bit_of_the_file_is_refused() {
    let file = fixture().key.file().to_vec();
    for bit in 0..8 * file.len() {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read(bad).is_err(), "bit {bit}");
    }
    for length in 0..file.len() {
        assert!(read(file[..length].to_vec()).is_err(), "{length} bytes");
    }
    assert!(read([&file[..], &[0]].concat()).is_err());
}

/// With the checksum made right again, a changed byte gives another key or none, and never the same digest.
#[test]
fn every_changed_byte_of_the_payload_is_another_key_or_none() {
    let key = &fixture().key;
    let payload = unframe(Kind::VerifyingKey, key.file()).expect("whole").to_vec();
    for offset in 0..payload.len() {
        let mut bad = payload.clone();
        bad[offset] ^= 1 << (offset % 8);
        if let Ok(other) = read(with_payload(&bad)) {
            assert_ne!(other.digest(), key.digest(), "byte {offset}");
        }
    }
    for length in 0..payload.len() {
        assert!(read(with_payload(&payload[..length])).is_err(), "{length} bytes of payload");
    }
    let longer = [&payload[..], &[0]].concat();
    assert!(matches!(read(with_payload(&longer)), Err(KeyError::Container(ContainerError::NotCanonical(_)))));
}

#[test]
fn widths_outside_the_family_are_refused_before_anything_is_built() {
    for params in [
        MachineParams { k: 4, ..params() },
        MachineParams { k: u32::MAX, ..params() },
        MachineParams { units: 0, ..params() },
        MachineParams { weights: 1 << 30, ..params() },
    ] {
        let result = assembled(|description, _, _| description.params = params);
        assert!(matches!(result, Err(KeyError::Params(_))), "{params:?}");
    }
}

#[test]
fn wrong_numbers_of_commitments_are_refused() {
    let result = assembled(|_, fixed, _| fixed.truncate(3));
    assert!(matches!(result, Err(KeyError::Commitments { what: "fixed", expected: 256, found: 192 })));
    let result = assembled(|_, _, permutation| permutation.push(G1Affine::generator()));
    assert!(matches!(result, Err(KeyError::Commitments { what: "permutation", expected: 128, found: 192 })));
}

#[test]
fn columns_of_zeros_are_refused() {
    let result = assembled(|_, fixed, _| fixed[2] = G1Affine::identity());
    let identity = PointError::Identity;
    assert!(matches!(result, Err(KeyError::Commitment { what: "fixed", index: 2, error }) if error == identity));
}

#[test]
fn commitments_off_the_curve_are_refused() {
    let file = &fixture().key;
    let mut payload = unframe(Kind::VerifyingKey, file.file()).expect("whole").to_vec();
    *payload.last_mut().expect("not empty") ^= 1;
    let result = read(with_payload(&payload));
    let off = PointError::OffCurve;
    assert!(matches!(result, Err(KeyError::Commitment { what: "permutation", index: 1, error }) if error == off));
}

#[test]
fn impossible_ports_are_refused() {
    let fault_of = |change: fn(&mut circuits::interface::InterfacePort)| match assembled(|description, _, _| {
        change(&mut description.interface.ports[0])
    }) {
        Err(KeyError::Port { port, fault }) if port == "a" => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault_of(|port| port.shape = vec![usize::MAX, usize::MAX]), PortFault::Shape);
    assert_eq!(fault_of(|port| port.shape = vec![1, 0]), PortFault::Shape);
    assert_eq!(fault_of(|port| (port.lo, port.hi) = (1, 0)), PortFault::Range);
    assert_eq!(fault_of(|port| port.scale = f64::NAN), PortFault::Scale);
    assert_eq!(fault_of(|port| port.scale = -1.0), PortFault::Scale);
    assert_eq!(fault_of(|port| port.kind = PortKind::Index), PortFault::Scale);
    // What stands for a missing value depends on the range, which links do not compare.
    let committed = |port: &mut circuits::interface::InterfacePort| {
        (port.kind, port.visibility) = (PortKind::Nullable, Visibility::Committed);
    };
    assert_eq!(fault_of(committed), PortFault::Missing);
    let result = assembled(|description, _, _| description.interface.ports[0].shape = vec![1000]);
    assert!(matches!(result, Err(KeyError::Instances { words: 31, rows: 26 })), "{result:?}");
}

#[test]
fn the_development_srs_can_not_be_passed_off_as_another() {
    let file = fixture().key.file().to_vec();
    let payload = unframe(Kind::VerifyingKey, &file).expect("whole");
    let marked = payload.iter().enumerate().filter(|(_, &byte)| byte == SrsOrigin::Development as u8);
    let unmarked = marked.filter_map(|(offset, _)| {
        let mut payload = payload.to_vec();
        payload[offset] = SrsOrigin::Imported as u8;
        read(with_payload(&payload)).err()
    });
    assert!(unmarked.into_iter().any(|error| matches!(error, KeyError::Srs(SrsMarkError::KnownTau))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_a_key_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(with_payload(&payload));
    }

    #[test]
    fn any_changes_to_a_key_make_another_or_none(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
        let key = &fixture().key;
        let payload = unframe(Kind::VerifyingKey, key.file()).expect("whole");
        let mut bad = payload.to_vec();
        for (offset, byte) in changes {
            let offset = usize::from(offset) % bad.len();
            bad[offset] = byte;
        }
        prop_assume!(bad != payload);
        if let Ok(other) = read(with_payload(&bad)) {
            prop_assert_ne!(other.digest(), key.digest());
        }
    }
}
