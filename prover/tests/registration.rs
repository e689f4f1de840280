//! Registrations: true ones are accepted, and each way to be wrong is refused.

use std::sync::LazyLock;

use circuits::machine::Integers;
use circuits::registration::{RegistrationParams, WeightsError, WEIGHT_BITS};
use prover::registration::{register, RegisterError, RegisteredWeights};
use prover::srs::Srs;
use verifier::container::{frame, unframe, Kind};
use verifier::registration::RegistrationTerms;
use verifier::shape::ShapeError;
use verifier::srs::{SrsMark, SrsOrigin};
use verifier::{Digest, Registration, RegistrationError};

const K: u32 = 9;

fn srs() -> &'static Srs {
    static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::development(K).expect("a possible size"));
    &SRS
}

/// Columns of all lengths, the ends of the range among the weights, in more than one proof.
fn columns(count: usize) -> Vec<Integers> {
    let half = 1i64 << (WEIGHT_BITS - 1);
    let rows = (1usize << K) - 6;
    let weight = |column: usize, row: usize| ((row * row * 97 + column * 7919) as i64) % (2 * half) - half;
    let column = |column: usize| (0..rows - 30 * column.min(16)).map(|row| weight(column, row)).collect();
    (0..count).map(column).collect()
}

fn registered() -> &'static RegisteredWeights {
    static REGISTERED: LazyLock<RegisteredWeights> =
        LazyLock::new(|| register(srs(), "a model", &columns(18), &|_| ()).expect("they are in range"));
    &REGISTERED
}

/// The parts of a registration's file.
fn proofs(registration: &Registration) -> Vec<Vec<u8>> {
    let payload = unframe(Kind::Registration, registration.file()).expect("it is whole");
    let terms = postcard_terms(registration.terms());
    // Behind the terms come the number of proofs and, for each, its length and its bytes.
    let mut rest = &payload[terms + 1..];
    let mut proofs = Vec::new();
    for _ in 0..payload[terms] {
        let length = usize::from(rest[0] & 0x7f) | usize::from(rest[1]) << 7;
        proofs.push(rest[2..][..length].to_vec());
        rest = &rest[2 + length..];
    }
    assert!(rest.is_empty());
    proofs
}

/// Bytes of the terms: the SRS, three small numbers, the name.
fn postcard_terms(terms: &RegistrationTerms) -> usize {
    32 + 1 + 1 + 1 + terms.name.len()
}

fn verdict(terms: RegistrationTerms, proofs: Vec<Vec<u8>>) -> Result<(), RegistrationError> {
    Registration::new(terms, proofs)?.verify(srs().mark())
}

#[test]
fn weights_in_range_are_registered() {
    let registration = registered().registration();
    registration.verify(srs().mark()).expect("it is true");
    assert_eq!((registration.points().len(), registration.terms().columns), (18, 18));
    assert_eq!(Registration::from_file(registration.file().to_vec()).expect("it was just written"), *registration);
    let bytes: Vec<_> = proofs(registration).iter().map(Vec::len).collect();
    assert_eq!(bytes, [16 * 288 + 736, 2 * 288 + 736], "288 bytes a column");
    let again = register(srs(), "a model", &columns(18), &|_| ()).expect("they are in range");
    assert_ne!(again.registration().points()[0], registration.points()[0], "commitments hide");
    assert!(registered().is_of(&columns(18)) && !registered().is_of(&columns(17)));
    let mut other = columns(18);
    other[17].set(0, 1);
    assert!(!registered().is_of(&other));
}

#[test]
fn few_rows_take_smaller_limbs() {
    let srs = Srs::development(6).expect("a possible size");
    let columns = [Integers::from(vec![-32_768, 32_767, 0, 5]), Integers::zeros(0)];
    let registered = register(&srs, "small", &columns, &|_| ()).expect("they are in range");
    registered.registration().verify(srs.mark()).expect("it is true");
}

/// The columns' last rows are those that the prover keeps: without them, other commitments can't be made from these.
#[test]
fn known_commitments_are_those_of_the_columns() {
    use prover::engine::{Column, CpuEngine, CpuOptions, Engine};
    let engine = CpuEngine::new(srs().lagrange(), srs().powers()[1], CpuOptions::default());
    for (known, column) in registered().known().zip(columns(18)) {
        let column = Column { tail: known.tail.clone(), ..Column::integers(column) };
        let point = engine.commit(&[&engine.column(column).expect("it fits")]).expect("a point")[0];
        assert_eq!(point, known.point);
    }
}

#[test]
fn what_is_out_of_range_is_not_registered() {
    let refused = |columns: &[Integers], name: &str| register(srs(), name, columns, &|_| ()).expect_err("out of place");
    assert!(matches!(refused(&[], "m"), RegisterError::NoWeights));
    let mut large = columns(17);
    large[16].set(3, 1 << 15);
    let error = refused(&large, "m");
    assert!(matches!(error, RegisterError::Weights(WeightsError::Range { column: 0, row: 3 })), "{error}");
    assert!(!error.to_string().contains("32768"), "{error}");
    let long = [Integers::zeros((1 << K) - 5)];
    assert!(matches!(refused(&long, "m"), RegisterError::Weights(WeightsError::Rows { .. })));
    for name in ["", "two\nlines", &"n".repeat(201)] {
        assert!(matches!(refused(&columns(1), name), RegisterError::Registration(RegistrationError::Name)));
    }
}

/// Each proof belongs to the terms and to its place.
#[test]
fn registrations_of_other_terms_are_refused() {
    let registration = registered().registration();
    let (terms, proofs) = (registration.terms().clone(), proofs(registration));
    verdict(terms.clone(), proofs.clone()).expect("nothing is changed");
    let renamed = RegistrationTerms { name: "another".into(), ..terms.clone() };
    assert!(matches!(verdict(renamed, proofs.clone()), Err(RegistrationError::Equation { index: 0 })));
    let first = RegistrationTerms { columns: 16, ..terms.clone() };
    assert!(matches!(verdict(first, proofs[..1].to_vec()), Err(RegistrationError::Equation { index: 0 })));
    let elsewhere = RegistrationTerms { srs: Digest([7; 32]), ..terms.clone() };
    assert!(matches!(verdict(elsewhere, proofs.clone()), Err(RegistrationError::Srs { .. })));
    let other = SrsMark::new(SrsOrigin::Imported, {
        use halo2_proofs::halo2curves::bn256::{Fr, G2Affine};
        use halo2_proofs::halo2curves::group::Curve;
        (G2Affine::generator() * Fr::from(11)).to_affine()
    });
    assert!(matches!(registration.verify(&other.expect("another tau")), Err(RegistrationError::Srs { .. })));
    // Two proofs of equal size in each other's place.
    let twice = register(srs(), "a model", &columns(32), &|_| ()).expect("they are in range");
    let mut swapped = self::proofs(twice.registration());
    swapped.swap(0, 1);
    let terms = twice.registration().terms().clone();
    assert!(matches!(verdict(terms, swapped), Err(RegistrationError::Equation { index: 0 })));
}

#[test]
fn registrations_of_another_form_are_refused() {
    let registration = registered().registration();
    let (terms, proofs) = (registration.terms().clone(), proofs(registration));
    let with =
        |terms: RegistrationTerms, proofs: &[Vec<u8>]| verdict(terms, proofs.to_vec()).expect_err("out of place");
    let of = |change: &dyn Fn(&mut RegistrationTerms)| {
        let mut terms = terms.clone();
        change(&mut terms);
        with(terms, &proofs)
    };
    assert!(matches!(of(&|terms| terms.k = 4), RegistrationError::Params(_)));
    assert!(matches!(of(&|terms| terms.k = 63), RegistrationError::Params(_)));
    assert!(matches!(of(&|terms| terms.columns = 0), RegistrationError::Columns { found: 0 }));
    assert!(matches!(of(&|terms| terms.columns = u32::MAX), RegistrationError::Columns { .. }));
    assert!(matches!(of(&|terms| terms.name.clear()), RegistrationError::Name));
    assert!(matches!(of(&|terms| terms.columns = 40), RegistrationError::Proofs { expected: 3, found: 2 }));
    assert!(matches!(
        of(&|terms| terms.columns = 19),
        RegistrationError::Shape { index: 1, error: ShapeError::Length { .. } }
    ));
    let mut changed = proofs.clone();
    changed[1][..64].fill(0);
    assert!(matches!(
        with(terms.clone(), &changed),
        RegistrationError::Shape { index: 1, error: ShapeError::Point { .. } }
    ));
    // Any word of any proof.
    for (index, proof) in proofs.iter().enumerate() {
        for word in (0..proof.len() / 32).step_by(7) {
            let mut changed = proofs.clone();
            changed[index][32 * word + 31] ^= 1;
            assert!(matches!(
                with(terms.clone(), &changed),
                RegistrationError::Equation { index: found } | RegistrationError::Shape { index: found, .. } if found == index
            ));
        }
    }
    let mut moved = proofs.clone();
    let [first, second] = [0, 64].map(|at| proofs[0][at..at + 64].to_vec());
    moved[0][..64].copy_from_slice(&second);
    moved[0][64..128].copy_from_slice(&first);
    assert!(matches!(with(terms, &moved), RegistrationError::Equation { index: 0 }));
}

#[test]
fn what_opens_a_registration_is_read_back_by_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.weights");
    registered().write(&path).expect("writable");
    assert_eq!(RegisteredWeights::read(&path).expect("it was just written"), *registered());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads it");
    }
    let text = format!("{:?}", registered());
    assert!(text.ends_with(", .. }") && text.len() < 150, "{text}");
    let file = std::fs::read(&path).expect("readable");
    let payload = unframe(Kind::Weights, &file).expect("it is whole");
    for index in (0..payload.len()).step_by(131) {
        let mut changed = payload.to_vec();
        changed[index] ^= 0x41;
        for changed in [frame(Kind::Weights, &changed), frame(Kind::Weights, &payload[..index])] {
            std::fs::write(&path, changed.expect("it is small")).expect("writable");
            assert!(RegisteredWeights::read(&path).map_or(true, |read| read != *registered()));
        }
    }
}

#[test]
fn sizes_follow_from_the_columns() {
    let sizes: Vec<_> = registered().registration().terms().params().collect();
    assert_eq!(sizes, [RegistrationParams { k: K, columns: 16 }, RegistrationParams { k: K, columns: 2 }]);
}
