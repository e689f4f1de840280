//! Files of links, commitments and registrations, whoever made them: a typed refusal, or what was written.

use proptest::prelude::*;
use verifier::container::{encode, frame, Bytes, Kind};
use verifier::link::{verify_chain, Content};
use verifier::registration::RegistrationTerms;
use verifier::srs::SrsMark;
use verifier::{Commitment, Link, Policy, Registration};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_a_commitment_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        let file = frame(Kind::Commitment, &payload).expect("the payload is small");
        if let Ok(commitment) = Commitment::from_file(file) {
            let holds_values = matches!(commitment.side().content(), Content::Port { elements: 1.., .. });
            prop_assert!(holds_values);
        }
    }

    /// Terms of all kinds, with proofs of all lengths: what is read has the form that its terms ask for, and shows nothing.
    #[test]
    fn any_terms_are_a_registration_or_refused(
        (k, columns) in (0u32..40, 0u32..6000),
        name in ".{0,210}",
        proofs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..3),
    ) {
        let srs = SrsMark::development();
        let terms = RegistrationTerms { srs: srs.digest(), k, columns, name };
        let proofs: Vec<_> = proofs.into_iter().map(Bytes).collect();
        let file = encode(Kind::Registration, &(terms, proofs)).expect("it is small");
        if let Ok(registration) = Registration::from_file(file) {
            prop_assert!(registration.verify(&srs).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_registration_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..900)) {
        let file = frame(Kind::Registration, &payload).expect("the payload is small");
        if let Ok(registration) = Registration::from_file(file) {
            prop_assert!(registration.verify(&SrsMark::development()).is_err());
        }
    }

    /// A link between files that are not there links nothing, whatever it says.
    #[test]
    fn any_bytes_are_a_link_of_nothing_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..900)) {
        let file = frame(Kind::Link, &payload).expect("the payload is small");
        if let Ok(link) = Link::from_file(&file) {
            prop_assert!(verify_chain(Policy::AcceptMarked, &[], &[], &[], &[link]).is_err());
        }
    }
}
