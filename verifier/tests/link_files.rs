//! Files of links and commitments, whoever made them: a typed refusal, or what was written.

use proptest::prelude::*;
use verifier::container::{frame, Kind};
use verifier::link::{verify_chain, Content};
use verifier::{Commitment, Link, Policy};

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

    /// A link between files that are not there links nothing, whatever it says.
    #[test]
    fn any_bytes_are_a_link_of_nothing_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..900)) {
        let file = frame(Kind::Link, &payload).expect("the payload is small");
        if let Ok(link) = Link::from_file(&file) {
            prop_assert!(verify_chain(Policy::AcceptMarked, &[], &[], &[link]).is_err());
        }
    }
}
