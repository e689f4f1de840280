//! The verifier contract in an in-process EVM, against the proof library's verifier.

mod common;
mod onchain;

use circuits::machine::{AdviceColumn, ColumnSet, FixedColumn, MachineParams};
use onchain::{OnChain, Subject};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn all_optional() -> ColumnSet {
    let mut set = ColumnSet::default();
    (0..FixedColumn::OPTIONAL).for_each(|bit| set.insert(bit));
    set
}

#[test]
fn simulated_proofs_of_members_are_accepted() {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let small = MachineParams { k: 5, units: 1, weights: 1, tables: 1, ..MachineParams::default() };
    for params in [
        small,
        MachineParams { k: 17, weights: 4, optional: all_optional(), ..small },
        MachineParams { k: 12, units: 5, weights: 17, optional: all_optional(), ..small },
    ] {
        for words in [0, 1, 3, 30] {
            let subject = Subject::random(params, words, &mut random);
            let proof = subject.simulate(&mut random);
            assert!(subject.accepts(&proof, &subject.instances), "the library accepts");
            let mut chain = OnChain::new(&subject);
            let outcome = chain.verify(&proof, &subject.instances);
            println!("{params:?} {words}: gas {} {:?} N {} code {}", outcome.gas, outcome.boolean(), chain.model.commitments(), chain.model.runtime_code(&[0;20]).len());
            if let Ok(dir) = std::env::var("DUMP") { let hex = |b: &[u8]| b.iter().map(|x| format!("{x:02x}")).collect::<String>(); std::fs::write(format!("{dir}/model.hex"), hex(&chain.model.runtime_code(&[0x22;20]))).unwrap(); std::fs::write(format!("{dir}/call.hex"), hex(&verifier::evm::abi::verify_proof(&proof, &subject.instances))).unwrap(); return; }
            assert!(outcome.is_true());
        }
    }
    let _ = AdviceColumn::first_phase(&small);
}
