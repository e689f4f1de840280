//! Programs on the machine: the mock prover accepts what the reference interpreter computes.

mod support;

use circuits::layout::{compile, LayoutOptions};
use circuits::machine::MachineCircuit;
use circuits::reference::run;
use halo2_proofs::dev::MockProver;
use support::ProgramBuilder;

fn accepts(mut builder: ProgramBuilder, options: LayoutOptions) {
    let inputs = builder.inputs();
    let program = builder.program;
    let layout = compile(&program, &options).expect("the program has a layout");
    let trace = run(&program, &inputs).expect("the inputs are admissible");
    let assignment = layout.assign(&program, &trace);
    let words = layout.interface().pack(&layout.public_values(&program, &trace)).expect("the values are in range");
    let k = layout.params().k;
    println!("{:?}", layout.statistics());
    let prover = MockProver::run(k, &MachineCircuit::with_witness(assignment), vec![words]).expect("it runs");
    if let Err(failures) = prover.verify() {
        for failure in failures.iter().take(10) {
            println!("{failure}");
        }
        panic!("{} failures", failures.len());
    }
}

fn widths() -> impl Iterator<Item = LayoutOptions> {
    [1, 2, 3, 5].into_iter().map(|units| LayoutOptions { units: Some(units), ..LayoutOptions::default() })
}

#[test]
fn dense_networks() {
    widths().for_each(|options| accepts(support::mlp(1), options));
}

#[test]
fn convolutional_networks() {
    widths().for_each(|options| accepts(support::cnn(2), options));
}

#[test]
fn every_operator() {
    widths().for_each(|options| accepts(support::zoo(3), options));
}

#[test]
fn values_of_several_limbs() {
    widths().for_each(|options| accepts(support::wide(4), options));
}
