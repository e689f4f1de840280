//! The environment variable that would change the proof system. A process of its own: the environment is shared.

mod common;

use common::{public, Fixture, StandIn, WEIGHTS};
use verifier::srs::SrsOrigin;
use verifier::{verify, KeyError, Refusal, VerifyingKey};

#[test]
fn degree_override() {
    let fixture = Fixture::new(WEIGHTS, SrsOrigin::Development);
    let proof = fixture.prove([1, 2, 3]);
    verify(&fixture.key, &public([1, 2, 3]), &proof).expect("it is true");
    for value in ["5", "4", "", "nonsense"] {
        std::env::set_var("MAX_DEGREE", value);
        let result = verify(&fixture.key, &public([1, 2, 3]), &proof);
        assert!(matches!(result, Err(Refusal::DegreeOverride(_))), "{result:?}");
        let result = VerifyingKey::from_file_for::<StandIn>(fixture.key.file().to_vec());
        assert!(matches!(result, Err(KeyError::DegreeOverride(_))), "{result:?}");
    }
}
