//! Whole proofs of machines: with the same seed the device makes those of the processor, to the byte.

#[path = "../../circuits/tests/support/mod.rs"]
mod programs;
#[path = "support/provers.rs"]
mod provers;
mod support;

use circuits::digest::Salt;
use circuits::graph::Visibility;
use circuits::layout::{Fold, LayoutOptions};
use circuits::machine::Placement;
use gpu::{DevicePlan, GpuEngine};
use programs::ProgramBuilder;
use prover::engine::CpuOptions;
use prover::memory::MemoryPlan;
use prover::srs::Srs;
use prover::{EngineOptions, Entropy, Plan, ProveError, ProveOptions, Prover, ProvingKey};
use provers::{prover_on, set_up};
use support::device;
use verifier::Proof;

const SEEDED: ProveOptions = ProveOptions { entropy: Entropy::Seed([3; 32]), check: true, verify: true };

fn proofs_are_the_same(mut builder: ProgramBuilder, options: LayoutOptions) {
    let Some(device) = device(None) else { return };
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, options);
    let host = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    let prover = prover_on(&device, &key, &srs, CpuOptions::default());
    let salts: Vec<_> = key.verifying_key().interface().hashed().map(|_| Salt::from_bytes([5; Salt::BYTES])).collect();
    for seed in [SEEDED, ProveOptions { entropy: Entropy::Seed([4; 32]), ..SEEDED }] {
        let expected = host.prove_salted(&inputs, &salts, &seed, &()).expect("the inputs are admissible");
        let found = prover.prove_salted(&inputs, &salts, &seed, &()).expect("the inputs are admissible");
        assert!(found.proof == expected.proof, "the proofs differ");
    }
    drop(prover);
    assert_eq!(device.memory().expect("counts").0, 0, "memory that is not given back");
}

#[test]
fn memory_is_planned_and_the_plan_is_kept() {
    let mut builder = programs::cnn(2);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let layout = key.plan().layout();
    let least = MemoryPlan::on_device(layout, 0).expect_err("nothing fits").needed;
    assert!(MemoryPlan::on_device(layout, least - 4).is_err());
    for limit in [least, 2 * least] {
        let planned = MemoryPlan::on_device(layout, limit).expect("it fits");
        assert!(planned.total() <= limit);
        let Some(device) = device(Some(limit)) else { return };
        let options = CpuOptions { quotient_bytes: Some(planned.quotient), ..CpuOptions::default() };
        let prover = prover_on(&device, &key, &srs, options);
        prover.prove(&inputs, &SEEDED, &()).expect("it fits");
        let (_, peak) = device.memory().expect("counts");
        println!("{limit} bytes allowed, {} planned, {peak} taken at most", planned.total());
        assert!(peak <= limit);
    }
}

/// A proof, and the bytes that came from the device meanwhile; the device has `limit` bytes.
fn prove_within(
    limit: u64,
    key: &ProvingKey,
    srs: &Srs,
    inputs: &[Vec<i64>],
) -> Option<Result<(Proof, u64), ProveError>> {
    let device = device(Some(limit))?;
    let make = |srs: &Srs| {
        let engine = GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], CpuOptions::default())?;
        Ok(engine.sparing())
    };
    let proved = Prover::on_engine(key, srs, make, &()).and_then(|prover| prover.prove(inputs, &SEEDED, &()));
    let (_, peak) = device.memory().expect("counts");
    assert!(peak <= limit, "{peak} bytes taken, and {limit} allowed");
    let downloaded = device.counts().expect("counts").downloaded_bytes;
    Some(proved.map(|proved| (proved.proof, downloaded)))
}

#[test]
fn columns_leave_a_device_that_is_too_small_for_them() {
    let mut builder = programs::cnn(2);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let host = Prover::new(&key, &srs, &EngineOptions::default(), &()).expect("the SRS fits");
    let expected = host.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible").proof;
    let planned = MemoryPlan::on_device(key.plan().layout(), 0).expect_err("nothing fits").needed;
    let mut within = Vec::new();
    for limit in [2 * planned, planned * 3 / 4, planned / 2, planned / 3, planned / 4, planned / 8, planned / 16] {
        match prove_within(limit, &key, &srs, &inputs) {
            None => return,
            Some(Ok((proof, downloaded))) => {
                println!("{limit} bytes allowed: {downloaded} came from the device");
                assert!(proof == expected, "the proofs differ within {limit} bytes");
                within.push((limit, downloaded));
            }
            Some(Err(error)) => {
                println!("{limit} bytes allowed: {error}");
                assert!(error.to_string().contains("memory does not suffice"), "{error}");
                break;
            }
        }
    }
    let least = DevicePlan::least(key.plan().layout());
    let proved = prove_within(least, &key, &srs, &inputs).expect("a twin");
    assert!(proved.expect("the least plan suffices").0 == expected, "the proofs differ within {least} bytes");
    let [(_, least), .., (limit, most)] = within[..] else { panic!("there is no proof within less than is planned") };
    assert!(limit < planned && most > 2 * least, "columns did not leave the device within {limit} bytes");
}

#[test]
fn proofs_in_flight_share_what_is_resident() {
    let Some(device) = device(None) else { return };
    let mut builder = programs::mlp(1);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let prover = prover_on(&device, &key, &srs, CpuOptions::default());
    let uploaded = || device.counts().expect("counts").uploaded_bytes;
    let before = uploaded();
    let expected = prover.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible").proof;
    let alone = uploaded() - before;
    for provers in [2, 4] {
        let before = uploaded();
        std::thread::scope(|scope| {
            let prove = || prover.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible").proof;
            let running: Vec<_> = (0..provers).map(|_| scope.spawn(prove)).collect();
            for thread in running {
                assert!(thread.join().expect("no panic") == expected, "the proofs differ");
            }
        });
        assert_eq!(uploaded() - before, provers * alone, "what is resident is there already");
    }
}

/// Proofs of a key within so much memory beside what they share that so many are in flight; one that takes what is left has it to itself.
#[test]
fn proofs_in_flight_share_the_memory() {
    let Some(free) = device(None) else { return };
    let mut builder = programs::mlp(1);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions::default());
    let alone = prover_on(&free, &key, &srs, CpuOptions::default());
    let (resident, _) = free.memory().expect("counts");
    let expected = alone.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible").proof;
    let (_, peak) = free.memory().expect("counts");
    let of_proof = peak - resident;
    for (limit, proof_bytes) in
        [(resident + 2 * of_proof, Some(of_proof)), (resident + of_proof * 3 / 2, Some(of_proof / 2)), (peak, None)]
    {
        let device = device(Some(limit)).expect("a twin");
        let make = |srs: &Srs| {
            let engine = GpuEngine::new(device.clone(), srs.lagrange(), srs.powers()[1], CpuOptions::default())?;
            Ok(match proof_bytes {
                Some(bytes) => engine.of_proof_bytes(bytes),
                None => engine,
            })
        };
        let prover = Prover::on_engine(&key, &srs, make, &()).expect("the SRS fits");
        for provers in [2, 4] {
            std::thread::scope(|scope| {
                let prove = || prover.prove(&inputs, &SEEDED, &()).expect("the inputs are admissible").proof;
                let running: Vec<_> = (0..provers).map(|_| scope.spawn(prove)).collect();
                for thread in running {
                    assert!(thread.join().expect("no panic") == expected, "the proofs differ");
                }
            });
            let (_, peak) = device.memory().expect("counts");
            assert!(peak <= limit, "{peak} bytes taken, and {limit} allowed");
        }
    }
}

/// Bytes that come to the device and leave it in a proof of a machine with `2^k` rows, but for the witness as small integers.
fn transferred_beside_the_witness(k: u32) -> Option<[u64; 2]> {
    let device = device(None)?;
    let mut builder = programs::cnn(2);
    let inputs = builder.inputs();
    let (srs, key) = set_up(builder.program, LayoutOptions { k: Some(k), ..LayoutOptions::default() });
    let prover = prover_on(&device, &key, &srs, CpuOptions::default());
    let before = device.counts().expect("counts");
    let proved = prover.prove(&inputs, &ProveOptions { check: false, ..SEEDED }, &()).expect("a proof");
    let counts = device.counts().expect("counts") - before;
    let layout = key.plan().layout();
    let assignment = layout.assign(key.plan().program(), &proved.trace, &[]);
    let columns = Placement::new(&layout.params()).first_phase_columns(&assignment);
    let witness: usize = columns.iter().map(|integers| integers.bytes()).sum();
    println!("2^{k} rows, the witness in {witness} bytes: {counts:?}");
    Some([counts.uploaded_bytes - witness as u64, counts.downloaded_bytes])
}

/// The witness comes to the device once, as small integers. What comes beside it, last rows and lists of what is to be done, and what goes
/// back do not grow with the rows, so no column of elements is among them.
#[test]
fn a_witness_comes_as_small_integers_and_no_column_goes_back() {
    let [Some(short), Some(long)] = [10, 13].map(transferred_beside_the_witness) else { return };
    let column = 32 << 13;
    assert!(long[0] < short[0] + column / 8, "{short:?} {long:?}");
    assert!(long[0] < column && long[1] < column / 8, "{long:?}");
}

#[test]
fn of_a_dense_network() {
    proofs_are_the_same(programs::mlp(1), LayoutOptions::default());
}

#[test]
fn of_a_convolution() {
    proofs_are_the_same(programs::cnn(2), LayoutOptions::default());
}

#[test]
fn of_a_folded_machine() {
    let folded = LayoutOptions { units: Some(1), fold: Some(Fold::Rows(4)), ..LayoutOptions::default() };
    proofs_are_the_same(programs::mlp(1), folded);
}

/// The processor holds columns of so many last rows as elements, also those of the first phase.
#[test]
fn of_a_folded_machine_with_long_tails() {
    let folded = LayoutOptions { units: Some(1), fold: Some(Fold::Rows(8)), ..LayoutOptions::default() };
    let plan = Plan::new(programs::cnn(2).program, folded).expect("the program has a layout");
    assert!(plan.layout().params().blinded_rows() > 8);
    proofs_are_the_same(programs::cnn(2), folded);
}

#[test]
fn of_a_program_with_every_operator_and_a_hashed_output() {
    let mut builder = programs::zoo(3);
    builder.program.outputs[0].visibility = Visibility::Hashed;
    proofs_are_the_same(builder, LayoutOptions::default());
}
