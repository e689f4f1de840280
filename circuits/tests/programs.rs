//! Programs on the machine: the mock prover accepts what the reference interpreter computes.

mod support;

use circuits::layout::{compile, lay_out, LayoutOptions, Widths};
use circuits::machine::MachineCircuit;
use circuits::reference::run;
use halo2_proofs::dev::MockProver;
use support::ProgramBuilder;

fn accepts(mut builder: ProgramBuilder, options: LayoutOptions) {
    let inputs = builder.inputs();
    let program = builder.program;
    let layout = compile(&program, &options).expect("the program has a layout");
    let trace = run(&program, &inputs).expect("the inputs are admissible");
    let assignment = layout.assign(&program, &trace, &[]);
    let words = layout.interface().pack(&layout.public_data(&program, &trace, &[])).expect("the values are in range");
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

#[test]
fn what_was_chosen_lays_a_program_out_again() {
    for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::wide(4)] {
        let layout = compile(&builder.program, &LayoutOptions::default()).expect("the program has a layout");
        let again = lay_out(&builder.program, &layout.widths()).expect("it was laid out so before");
        assert_eq!(again.skeleton(), layout.skeleton());
        assert_eq!(again.interface(), layout.interface());
        assert_eq!(again.statistics(), layout.statistics());
    }
}

#[test]
fn widths_that_were_not_chosen() {
    let program = support::cnn(2).program;
    let chosen = compile(&program, &LayoutOptions::default()).expect("the program has a layout").widths();
    for widths in [
        Widths { k: chosen.k - 1, ..chosen },
        Widths { k: 25, ..chosen },
        Widths { k: 26, ..chosen },
        Widths { units: 0, ..chosen },
        Widths { weights: 513, ..chosen },
        Widths { tables: 17, ..chosen },
        Widths { max_table: i64::MAX, ..chosen },
    ] {
        assert!(lay_out(&program, &widths).is_err(), "{widths:?}");
    }
}
