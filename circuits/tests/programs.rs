//! Programs on the machine: the mock prover accepts what the reference interpreter computes.

mod support;

use circuits::digest::{PortDigest, Salt};
use circuits::graph::{ConvGeometry, Op, Port, Program, ProgramError, Requantize, Table, TensorId, Visibility};
use circuits::interface::{PackError, PublicData};
use circuits::layout::{compile, lay_out, Fold, LayoutOptions, Widths};
use circuits::machine::{MachineCircuit, Placement};
use circuits::reference::{run, RunError};
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use support::ProgramBuilder;

fn accepts(mut builder: ProgramBuilder, options: LayoutOptions) {
    let inputs = builder.inputs();
    accepts_inputs(builder, &inputs, options);
}

fn accepts_inputs(builder: ProgramBuilder, inputs: &[Vec<i64>], options: LayoutOptions) {
    let program = builder.program;
    let layout = compile(&program, &options).expect("the program has a layout");
    let trace = run(&program, inputs).expect("the inputs are admissible");
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
fn products_of_matrices() {
    for size in [[5, 6, 2], [4, 4, 1], [3, 6, 3], [1, 4, 2], [3, 2, 2]] {
        widths().for_each(|options| accepts(support::attention(7, size), options));
    }
    for fold in [1, 4, 8] {
        let options = LayoutOptions { fold: Some(Fold::Rows(fold)), units: Some(2), ..LayoutOptions::default() };
        accepts(support::attention(7, [5, 6, 2]), options);
    }
}

#[test]
fn values_of_several_limbs() {
    widths().for_each(|options| accepts(support::wide(4), options));
}

/// The widest input there may be, compared with a bound: on both sides of it, and at the ends of the range.
#[test]
fn the_widest_inputs_are_compared_exactly() {
    let (lo, hi) = (-(1i64 << 41), (1 << 41) - 1);
    let bound = 987_654_321_012;
    for x in [lo, bound - 1, bound, hi] {
        let mut b = ProgramBuilder::new(1);
        let table = b.table(Table::new("from zero", -1, vec![0, 1]).expect("not empty"));
        let input = b.wide_input(&[1, 1, 1], lo, hi);
        let (weights, bias) = (vec![1].into(), vec![-bound - (1 << 29)].into());
        let requantize = Some(Requantize { shift: 30, table });
        let op = Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias, requantize };
        let compared = b.node(op, &[1, 1, 1]);
        b.output(compared, Visibility::Public);
        let trace = run(&b.program, &[vec![x]]).expect("the input is admissible");
        assert_eq!(trace.tensor(compared), [i64::from(x >= bound)]);
        if x == bound {
            accepts_inputs(b, &[vec![x]], LayoutOptions::default());
        }
    }
    let mut wider = ProgramBuilder::new(1);
    let input = wider.wide_input(&[1], lo, hi + 1);
    wider.output(input, Visibility::Public);
    assert!(wider.program.validate().is_err());
}

/// A file may ask for more tables than there are entries.
#[test]
fn tables_without_entries() {
    let mut b = ProgramBuilder::new(6);
    let x = b.wide_input(&[1, 1, 1], 0, 1);
    b.output(x, Visibility::Private);
    for fold in [Fold::Parallel, Fold::Rows(8)] {
        let options = LayoutOptions { fold: Some(fold), ..LayoutOptions::default() };
        let widths = compile(&b.program, &options).expect("the program has a layout").widths();
        assert!(lay_out(&b.program, &LayoutOptions::default(), &widths).is_ok());
        assert!(lay_out(&b.program, &LayoutOptions::default(), &Widths { tables: 16, ..widths }).is_err());
    }
}

/// Nothing is looked up but limbs, whose entries have no images: no column of the key may be zero nonetheless.
#[test]
fn programs_with_limbs_alone() {
    let builder = || {
        let mut b = ProgramBuilder::new(5);
        let x = b.wide_input(&[3, 1, 1], -(1 << 17), 1 << 17);
        let y = b.conv(x, 2, support::geometry(1, 1, 0), None);
        b.output(y, Visibility::Private);
        b
    };
    for fold in [Fold::Parallel, Fold::Rows(4)] {
        let options = LayoutOptions { fold: Some(fold), ..LayoutOptions::default() };
        let layout = compile(&builder().program, &options).expect("the program has a layout");
        let columns = Placement::new(&layout.params()).fixed_columns(layout.skeleton());
        for (index, column) in columns.into_iter().enumerate() {
            assert!(column.into_elements().iter().any(|cell| *cell != Fr::ZERO), "column {index} is zero");
        }
        accepts(builder(), options);
    }
}

#[test]
fn what_was_chosen_lays_a_program_out_again() {
    for builder in
        [support::mlp(1), support::cnn(2), support::zoo(3), support::wide(4), support::attention(5, [3, 4, 2])]
    {
        let layout = compile(&builder.program, &LayoutOptions::default()).expect("the program has a layout");
        let again =
            lay_out(&builder.program, &LayoutOptions::default(), &layout.widths()).expect("it was laid out so before");
        assert_eq!(again.skeleton(), layout.skeleton());
        assert_eq!(again.interface(), layout.interface());
        assert_eq!(again.statistics(), layout.statistics());
    }
}

/// Each of so many taps reads a phase of its own of the padded input; all but one read padding.
#[test]
fn kernels_with_a_phase_for_every_tap_are_laid_out() {
    let taps = 1 << 18;
    let mut b = ProgramBuilder::new(1);
    let input = b.input(&[1, 1, 1], Visibility::Public);
    let geometry = ConvGeometry {
        kernel: [1, taps],
        stride: [1, taps],
        padding: [0, taps / 2, 0, taps / 2],
        ..ConvGeometry::POINTWISE
    };
    let convolution = b.conv(input, 1, geometry, None);
    b.output(convolution, Visibility::Public);
    accepts(b, LayoutOptions::default());
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
        assert!(lay_out(&program, &LayoutOptions::default(), &widths).is_err(), "{widths:?}");
    }
}

/// Programs that refer to what is not there, or whose ports are not those of their inputs.
#[test]
fn programs_that_do_not_hang_together_are_refused() {
    let refused = |change: fn(&mut Program)| {
        let mut program = support::mlp(1).program;
        change(&mut program);
        program.validate().expect_err("it was changed")
    };
    let no_outputs = refused(|program| program.outputs.clear());
    assert_eq!(no_outputs, ProgramError::NoOutputs);
    let no_table = refused(|program| program.tables.clear());
    assert!(matches!(no_table, ProgramError::NoSuchTable { table: 0, .. }), "{no_table:?}");
    for no_input in [
        refused(|program| program.inputs.clear()),
        refused(|program| program.inputs.push(program.inputs[0].clone())),
        refused(|program| {
            let (tensor, shape) = (program.outputs[0].tensor, program.outputs[0].shape.clone());
            program.inputs.push(Port { tensor, shape, ..program.inputs[0].clone() });
        }),
    ] {
        assert!(matches!(no_input, ProgramError::InputPort { .. }), "{no_input:?}");
    }
    let scale = refused(|program| program.inputs[0].scale = 0.0);
    assert!(matches!(scale, ProgramError::Scale { .. }), "{scale:?}");
    let undefined = refused(|program| program.outputs[0].tensor = TensorId(1 << 20));
    assert!(matches!(undefined, ProgramError::Undefined { tensor: 0x10_0000, .. }), "{undefined:?}");
}

/// Values, words and tensors of another number than a program's ports have.
#[test]
fn other_numbers_of_values_are_refused() {
    let builder = support::mlp(1);
    let program = builder.program.clone();
    let layout = compile(&program, &LayoutOptions::default()).expect("the program has a layout");
    let interface = layout.interface();
    let inputs = { builder }.inputs();
    let trace = run(&program, &inputs).expect("the inputs are admissible");
    let public = layout.public_data(&program, &trace, &[]);
    let refused = |change: fn(&mut PublicData)| {
        let mut changed = public.clone();
        change(&mut changed);
        interface.pack(&changed).expect_err("it was changed")
    };
    let fewer = refused(|public| drop(public.values.pop()));
    assert!(matches!(fewer, PackError::TensorCount { .. }), "{fewer:?}");
    let digests = refused(|public| public.digests.push(PortDigest::of(&[], Salt::from_bytes([0; 16]))));
    assert!(matches!(digests, PackError::DigestCount { .. }), "{digests:?}");
    let shorter = refused(|public| public.values[0].truncate(1));
    assert!(matches!(shorter, PackError::Length { .. }), "{shorter:?}");
    let beyond = refused(|public| public.values[0][0] = i64::MAX);
    assert!(matches!(beyond, PackError::Range { .. }), "{beyond:?}");
    let words = interface.pack(&public).expect("the values are in range");
    let count = interface.unpack(&words[1..]);
    assert!(matches!(count, Err(PackError::WordCount { .. })), "{count:?}");
    let word = interface.unpack(&words.iter().map(|_| -Fr::ONE).collect::<Vec<_>>());
    assert!(matches!(word, Err(PackError::Word { index: 0, .. })), "{word:?}");
    let mut input = inputs.clone();
    input[0].pop();
    let run_of_fewer = run(&program, &input);
    assert!(matches!(run_of_fewer, Err(RunError::InputLength { .. })), "{run_of_fewer:?}");
}
