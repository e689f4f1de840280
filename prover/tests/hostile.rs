//! Files that somebody altered with care: whatever their content, they are read or refused, without a panic.

#[path = "../../circuits/tests/support/mod.rs"]
mod support;

use std::sync::LazyLock;

use circuits::graph::Program;
use circuits::layout::LayoutOptions;
use proptest::prelude::*;
use prover::srs::Srs;
use prover::{program, Plan, ProvingKey};
use verifier::container::{encode, frame, unframe, Kind};

fn payload(program: &Program) -> Vec<u8> {
    let file = program::to_file(program).expect("it is small");
    unframe(Kind::Program, &file).expect("whole").to_vec()
}

fn programs() -> &'static [Vec<u8>] {
    static PROGRAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        [support::mlp(1), support::cnn(2), support::zoo(3)].iter().map(|builder| payload(&builder.program)).collect()
    });
    &PROGRAMS
}

fn key() -> &'static [u8] {
    static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let plan = Plan::new(support::mlp(1).program, LayoutOptions::default()).expect("the program has a layout");
        let srs = Srs::development(plan.k()).expect("a possible size");
        let (key, _) = plan.setup(&srs, &()).expect("the SRS fits");
        unframe(Kind::ProvingKey, &key.to_file().expect("it is small")).expect("whole").to_vec()
    });
    &KEY
}

fn changed(payload: &[u8], changes: &[(u32, u8)]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    for &(offset, byte) in changes {
        let offset = offset as usize % payload.len();
        payload[offset] = byte;
    }
    payload
}

fn changes() -> impl Strategy<Value = Vec<(u32, u8)>> {
    proptest::collection::vec((any::<u32>(), any::<u8>()), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn programs_are_laid_out_or_refused(which in 0usize..3, changes in changes()) {
        let file = frame(Kind::Program, &changed(&programs()[which], &changes)).expect("it is small");
        if let Ok(program) = program::from_file(&file) {
            prop_assert_eq!(program::to_file(&program).expect("it is small"), file);
            let _ = Plan::new(program, LayoutOptions::default());
        }
    }

    #[test]
    fn proving_keys_are_read_or_refused(changes in changes()) {
        let file = frame(Kind::ProvingKey, &changed(key(), &changes)).expect("it is small");
        let _ = ProvingKey::from_file(&file);
    }

    #[test]
    fn any_bytes_are_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let framed = |kind| frame(kind, &payload).expect("it is small");
        let _ = program::from_file(&framed(Kind::Program));
        let _ = ProvingKey::from_file(&framed(Kind::ProvingKey));
    }
}

/// A table without values, which its constructor refuses and a file can hold.
#[test]
fn an_empty_table_is_refused() {
    let program = support::mlp(1).program;
    let table = postcard_of(&program.tables[0]);
    let empty = postcard_of(&(program.tables[0].name(), program.tables[0].lo(), Vec::<i32>::new()));
    let payload = payload(&program);
    let at = payload.windows(table.len()).position(|window| window == table).expect("the program holds it");
    let file = frame(Kind::Program, &[&payload[..at], &empty, &payload[at + table.len()..]].concat());
    assert!(program::from_file(&file.expect("it is small")).is_err());
}

fn postcard_of<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let file = encode(Kind::Program, value).expect("it is small");
    unframe(Kind::Program, &file).expect("whole").to_vec()
}
