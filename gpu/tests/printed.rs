//! Kernels that are printed for programs: they are those of the list, and give what the interpreter gives.

mod support;

use gpu::program::{parse_list, print, Action, Source, Steps};
use gpu::{DeviceBuffer, DeviceDomain, ProgramInputs};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use prover::field::{powers_of, root_of_unity};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use support::device;

const LIST: &str = include_str!("../cuda/printed/programs.txt");

const K: u32 = 5;
const ROWS: usize = 1 << K;

#[test]
fn kernels_are_those_of_the_list() {
    let programs = parse_list(LIST).expect("a list of programs");
    let printed = include_str!("../cuda/printed/kernels.hpp");
    let same = print(&programs) == printed;
    assert!(same, "`cargo run --release -p zkinfer-gpu --example print_programs` prints the kernels of the list");
}

/// What a program adds in each row, by the curve library's arithmetic.
fn expected(steps: &Steps, columns: &[Vec<Fr>], scalars: &[Fr], shift: Fr) -> Vec<Fr> {
    let points = powers_of(root_of_unity(K)).take(ROWS).map(|point| point * shift);
    let row = |(row, point): (usize, Fr)| {
        let mut registers = vec![Fr::ZERO; steps.registers as usize];
        for step in &steps.list {
            let read = |source| match source {
                Source::Register(index) => registers[index as usize],
                Source::Scalar(index) => scalars[index as usize],
                Source::Cell(slot, rotation) => {
                    columns[slot as usize][(row as i64 + i64::from(rotation)).rem_euclid(ROWS as i64) as usize]
                }
                Source::Point => point,
            };
            registers[step.to as usize] = match step.action {
                Action::Sum(a, b) => read(a) + read(b),
                Action::Difference(a, b) => read(a) - read(b),
                Action::Product(a, b) => read(a) * read(b),
                Action::Copy(a) => read(a),
                Action::SumOfProduct(a, b) => registers[step.to as usize] + read(a) * read(b),
            };
        }
        registers[steps.result as usize]
    };
    points.enumerate().map(row).collect()
}

/// Runs a program on random columns in both ways that there may be; whether there is a printed kernel.
fn agrees(domain: &DeviceDomain, steps: &Steps, rng: &mut ChaCha20Rng) -> bool {
    let mut draw = |count: u32| -> Vec<Fr> { (0..count).map(|_| Fr::random(&mut *rng)).collect() };
    let columns: Vec<Vec<Fr>> = (0..steps.slots).map(|_| draw(ROWS as u32)).collect();
    let (scalars, start, shift) = (draw(steps.scalars), draw(ROWS as u32), draw(1)[0]);
    let held = columns.iter().map(|column| domain.device().upload(column));
    let held: Vec<DeviceBuffer<Fr>> = held.collect::<Result<_, _>>().expect("memory");
    let slots: Vec<_> = held.iter().collect();
    let inputs = ProgramInputs { slots: &slots, scalars: &scalars, shift };
    let added = expected(steps, &columns, &scalars, shift);
    let expected: Vec<Fr> = start.iter().zip(added).map(|(start, added)| start + added).collect();
    let [printed, interpreted] = [false, true].map(|interpreted| {
        let mut to = domain.device().upload(&start).expect("memory");
        let printed = domain.run_program(steps, &inputs, interpreted, &mut to).expect("it runs");
        assert!(to.download().expect("values") == expected, "interpreted: {interpreted}; {steps}");
        printed
    });
    assert!(!interpreted, "it was not to be looked for");
    printed
}

#[test]
fn printed_kernels_give_what_the_interpreter_gives() {
    let Some(device) = device(None) else { return };
    let domain = device.domain(K).expect("memory");
    let mut rng = ChaCha20Rng::seed_from_u64(31);
    for steps in parse_list(LIST).expect("a list of programs") {
        assert!(agrees(&domain, &steps, &mut rng), "no kernel for {steps}");
    }
    // The same but for one rotation, one operation or the result: others.
    let steps: Steps = LIST.lines().find(|line| line.starts_with(char::is_numeric)).expect("one").parse().expect("one");
    let text = steps.to_string();
    for other in [text.replacen("@1", "@2", 1), text.replacen(" - ", " + ", 1), text.replacen(" * ", " - ", 1)] {
        assert_ne!(other, text);
        assert!(
            !agrees(&domain, &other.parse().expect("a program"), &mut rng),
            "a kernel for another program: {other}"
        );
    }
}

#[test]
fn programs_of_many_registers_are_interpreted() {
    let Some(device) = device(None) else { return };
    let domain = device.domain(K).expect("memory");
    let mut rng = ChaCha20Rng::seed_from_u64(32);
    for registers in [1u32, 2, 8, 9, 32, 33, 100] {
        let copies = (1..registers).map(|to| format!("; r{to} = c{}@{} * x", to % 3, to as i32 - 20));
        let sums = (1..registers).map(|from| format!("; r0 += r{from} * s{}", from % 2));
        let head = format!("3 columns, 2 scalars, {registers} registers, r0; r0 = c2@-33");
        let steps: Steps = (head + &copies.chain(sums).collect::<String>()).parse().expect("a program");
        assert!(!agrees(&domain, &steps, &mut rng));
    }
    for wrong in ["r0; r0 = r1", "r1; r0 = s0", "r0; r0 += s0 * s0", "r0; r0 = c1@0", "r0; r0 = s1", "r0; r2 = s0"] {
        let steps: Steps = format!("1 columns, 1 scalars, 2 registers, {wrong}").parse().expect("a program");
        let mut to = device.upload(&[Fr::ZERO; ROWS]).expect("memory");
        let column = device.upload(&[Fr::ZERO; ROWS]).expect("memory");
        let inputs = ProgramInputs { slots: &[&column], scalars: &[Fr::ONE], shift: Fr::ONE };
        assert!(domain.run_program(&steps, &inputs, false, &mut to).is_err(), "{wrong}");
    }
}
