//! Batches: what the program of a batch computes of a sample is what the program of one sample computes, on the machine too.

mod support;
#[path = "support/targets.rs"]
mod targets;

use circuits::analysis::ranges;
use circuits::batch::Merging;
use circuits::graph::{ConvGeometry, Op, Program, ProgramError, Requantize, Table, Visibility};
use circuits::layout::{self, compile, cost, Fold, Layout, LayoutOptions};
use circuits::machine::MachineCircuit;
use circuits::reference::run;
use halo2_proofs::dev::MockProver;
use proptest::prelude::*;
use support::ProgramBuilder;

/// A recurrence of three steps with the same weights, whose state is zero at first, and the last state's scores.
fn recurrence(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let table = b.table(Table::identity(-32, 31));
    let requantize = Some(Requantize { shift: 5, table });
    let x = b.input(&[3, 4], Visibility::Private);
    let mut state = None;
    let mut first = None;
    for step in 0..3u32 {
        let element = |source, index| circuits::graph::ViewElement::Element { source, index };
        let own = (0..4).map(|i| element(0, step * 4 + i));
        let map: Vec<_> = match state {
            None => own.chain((0..5).map(|_| circuits::graph::ViewElement::Zero)).collect(),
            Some(_) => own.chain((0..5).map(|i| element(1, i))).collect(),
        };
        let sources: Vec<_> = std::iter::once(x).chain(state).collect();
        let operand = b.view(&sources, map, &[9, 1, 1]);
        let next = match first {
            None => b.conv(operand, 5, ConvGeometry::POINTWISE, requantize),
            Some(first) => {
                let node: &circuits::graph::Node = b.program.node(first);
                let Op::Conv { geometry, weights, bias, requantize, .. } = node.op.clone() else { unreachable!() };
                b.node(Op::Conv { input: operand, geometry, weights, bias, requantize }, &[5, 1, 1])
            }
        };
        first = first.or(Some(next));
        state = Some(next);
    }
    let scores = b.conv(state.expect("three steps"), 2, ConvGeometry::POINTWISE, None);
    b.output(scores, Visibility::Public);
    b
}

/// Pictures whose convolutions have strides, dilations, uneven padding and groups, the last of which covers the picture.
fn pictures(seed: u64) -> ProgramBuilder {
    let mut b = ProgramBuilder::new(seed);
    let table = b.table(Table::identity(-32, 31));
    let requantize = Some(Requantize { shift: 5, table });
    let x = b.input(&[2, 7, 6], Visibility::Private);
    let first = ConvGeometry { stride: [3, 2], padding: [2, 1, 0, 1], ..support::geometry(3, 1, 0) };
    let c1 = b.conv(x, 4, first, requantize);
    let second = ConvGeometry { dilation: [2, 1], padding: [1, 0, 2, 0], groups: 2, ..support::geometry(2, 1, 0) };
    let c2 = b.conv(c1, 4, second, requantize);
    let [height, width] = [b.program.node(c2).shape[1], b.program.node(c2).shape[2]];
    let mean = ConvGeometry { kernel: [height as u32, width as u32], groups: 4, ..ConvGeometry::POINTWISE };
    let c3 = b.conv(c2, 4, mean, requantize);
    let c4 = b.conv(c3, 3, ConvGeometry::POINTWISE, None);
    b.output(c2, Visibility::Private);
    b.output(c4, Visibility::Public);
    b
}

fn programs(seed: u64) -> Vec<(&'static str, ProgramBuilder)> {
    let support = [
        ("mlp", support::mlp(seed)),
        ("cnn", support::cnn(seed)),
        ("zoo", support::zoo(seed)),
        ("wide", support::wide(seed)),
        ("attention", support::attention(seed, [3, 4, 2])),
        ("recurrence", recurrence(seed)),
        ("pictures", pictures(seed)),
    ];
    support.into_iter().chain(targets::all()).collect()
}

fn random_inputs(b: &mut ProgramBuilder) -> Vec<Vec<i64>> {
    let ports = b.program.inputs.clone();
    let port = |port: &circuits::graph::Port| {
        let Op::Input { lo, hi } = b.program.node(port.tensor).op else { unreachable!("ports name inputs") };
        (0..port.shape.iter().product()).map(|_| b.random(lo, hi)).collect()
    };
    ports.iter().map(port).collect()
}

/// The values of each port, sample after sample.
fn joined(samples: &[Vec<Vec<i64>>]) -> Vec<Vec<i64>> {
    (0..samples[0].len()).map(|port| samples.iter().flat_map(|sample| sample[port].clone()).collect()).collect()
}

fn batch_of(program: &Program, samples: usize, merging: Merging) -> Program {
    program.batched(samples, merging).expect("a batch is well formed where its program is")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_batch_computes_what_its_samples_compute(seed in any::<u64>(), samples in 1usize..6) {
        for (name, mut builder) in programs(seed) {
            let inputs: Vec<_> = (0..samples).map(|_| random_inputs(&mut builder)).collect();
            let program = builder.program;
            let outputs = |inputs: &Vec<_>| run(&program, inputs).expect("it runs").outputs(&program);
            let expected = joined(&inputs.iter().map(outputs).collect::<Vec<_>>());
            for merging in Merging::ALL {
                let batch = batch_of(&program, samples, merging);
                let found = run(&batch, &joined(&inputs)).expect("it runs").outputs(&batch);
                prop_assert_eq!(&found, &expected, "{} {:?}", name, merging);
            }
        }
    }
}

/// Whatever bounds a sample's values bounds those of a batch: no port takes more bits.
#[test]
fn ranges_of_a_batch_are_those_of_a_sample() {
    for (name, builder) in programs(3) {
        let program = builder.program;
        let known = ranges(&program).expect("the numbers are small");
        for merging in Merging::ALL {
            let batch = batch_of(&program, 3, merging);
            let found = ranges(&batch).expect("the numbers are small");
            for (one, all) in program.outputs.iter().zip(&batch.outputs) {
                let (one, all) = (known[one.tensor.0 as usize].value, found[all.tensor.0 as usize].value);
                assert_eq!(one.union(all), one, "{name} {merging:?}");
            }
        }
    }
}

#[test]
fn ports_hold_the_samples_in_front() {
    let program = support::cnn(1).program;
    let batch = batch_of(&program, 5, Merging::Dense);
    let shapes = |program: &Program| program.outputs.iter().map(|port| port.shape.clone()).collect::<Vec<_>>();
    assert_eq!(batch.inputs[0].shape, [5, 8, 8]);
    assert_eq!((shapes(&program), shapes(&batch)), (vec![vec![6, 1, 1], vec![1]], vec![vec![5, 6, 1, 1], vec![5]]));
    assert_eq!(program.batched(1, Merging::Everything).as_ref(), Ok(&program));
}

#[test]
fn impossible_numbers_of_samples_are_refused() {
    let program = support::mlp(1).program;
    for samples in [0, 1 << 24, usize::MAX] {
        let refused = program.batched(samples, Merging::Nothing);
        assert!(matches!(refused, Err(ProgramError::OutOfBounds { what: "the number of samples", .. })), "{refused:?}");
    }
}

fn proves(program: &Program, layout: &Layout, inputs: &[Vec<i64>]) {
    let trace = run(program, inputs).expect("the inputs are admissible");
    let salts = vec![circuits::digest::Salt::from_bytes([7; 16]); layout.interface().hashed().count()];
    let assignment = layout.assign(program, &trace, &salts);
    let public = layout.public_data(program, &trace, &salts);
    let words = layout.interface().pack(&public).expect("the values are in range");
    let circuit = MachineCircuit::with_witness(assignment);
    let prover = MockProver::run(layout.params().k, &circuit, vec![words]).expect("it runs");
    assert_eq!(prover.verify(), Ok(()), "{}", program.name);
}

#[test]
fn batches_are_proved() {
    for (index, (_, mut builder)) in programs(5).into_iter().enumerate() {
        let samples = 2 + index % 3;
        let inputs = joined(&(0..samples).map(|_| random_inputs(&mut builder)).collect::<Vec<_>>());
        for (m, merging) in Merging::ALL.into_iter().enumerate() {
            let batch = batch_of(&builder.program, samples, merging);
            let options = LayoutOptions { units: Some(1 + ((index + m) % 4) as u32), ..LayoutOptions::default() };
            proves(&batch, &compile(&batch, &options).expect("the batch has a layout"), &inputs);
        }
        let batch = layout::batched(&builder.program, samples, &LayoutOptions::default(), cost::least_gas);
        let batch = batch.expect("the batch has a layout");
        let folded = LayoutOptions { fold: Some(Fold::Rows(4)), units: Some(2), ..LayoutOptions::default() };
        proves(&batch, &compile(&batch, &folded).expect("the batch has a layout"), &inputs);
    }
}

/// The weights of a batch are those of one sample, cell by cell, and so are the rows of merged dense layers' products.
#[test]
fn weights_are_shared_by_all_samples() {
    for (name, builder) in [("mlp", support::mlp(1)), ("cnn", support::cnn(1)), ("recurrence", recurrence(1))] {
        let options = LayoutOptions { units: Some(2), ..LayoutOptions::default() };
        let statistics = |program: &Program| compile(program, &options).expect("it has a layout").statistics();
        let one = statistics(&builder.program);
        for merging in Merging::ALL {
            let many = statistics(&batch_of(&builder.program, 9, merging));
            assert_eq!(one.weights, many.weights, "{name} {merging:?}");
        }
    }
    let rows = |samples| {
        let batch = batch_of(&support::mlp(1).program, samples, Merging::Dense);
        compile(&batch, &LayoutOptions::default()).expect("it has a layout").statistics().rows
    };
    // A row for each public value, and one for each operand of each layer whatever the samples; sums of powers take a few.
    let further = rows(9).scalars - rows(8).scalars;
    assert!((12 + 5..12 + 5 + 4).contains(&further), "{further}");
}

/// Planes of the samples of a batch lie where its input is: they are read there, and not copied.
#[test]
fn the_planes_of_all_samples_are_read_in_place() {
    let mut b = ProgramBuilder::new(1);
    let x = b.input(&[2, 5, 5], Visibility::Private);
    let y = b.conv(x, 2, support::geometry(3, 1, 0), None);
    b.output(y, Visibility::Private);
    let options = LayoutOptions { units: Some(1), ..LayoutOptions::default() };
    let units = |samples| {
        let batch = batch_of(&b.program, samples, Merging::Nothing);
        compile(&batch, &options).expect("it has a layout").statistics().rows.units
    };
    assert_eq!(units(4) - units(3), units(2) - units(1));
}

/// A dense network, pictures between maxima, pictures in place of one another, and tokens.
fn shapes() -> [(&'static str, ProgramBuilder); 4] {
    let mut dense = ProgramBuilder::new(1);
    let relu = dense.relu(-128, 127);
    let requantize = Some(Requantize { shift: 9, table: relu });
    let x = dense.input(&[256, 1, 1], Visibility::Public);
    let hidden = dense.conv(x, 64, ConvGeometry::POINTWISE, requantize);
    let y = dense.conv(hidden, 10, ConvGeometry::POINTWISE, None);
    dense.output(y, Visibility::Public);

    let mut pooled = ProgramBuilder::new(1);
    let relu = pooled.relu(-128, 127);
    let requantize = Some(Requantize { shift: 9, table: relu });
    let x = pooled.input(&[1, 16, 16], Visibility::Public);
    let c1 = pooled.conv(x, 6, support::geometry(5, 1, 2), requantize);
    let windows = pooled.windows(c1, 2);
    let m1 = pooled.node(Op::Max { input: windows }, &[6, 8, 8]);
    let c2 = pooled.conv(m1, 16, support::geometry(3, 1, 1), requantize);
    let windows = pooled.windows(c2, 2);
    let m2 = pooled.node(Op::Max { input: windows }, &[256, 1, 1]);
    let y = pooled.conv(m2, 10, ConvGeometry::POINTWISE, None);
    pooled.output(y, Visibility::Public);

    let mut in_place = ProgramBuilder::new(1);
    let relu = in_place.relu(-128, 127);
    let requantize = Some(Requantize { shift: 9, table: relu });
    let x = in_place.input(&[8, 12, 12], Visibility::Private);
    let c1 = in_place.conv(x, 8, support::geometry(3, 1, 1), requantize);
    let c2 = in_place.conv(c1, 8, support::geometry(3, 1, 1), requantize);
    let c3 = in_place.conv(c2, 8, support::geometry(3, 1, 1), requantize);
    in_place.output(c3, Visibility::Private);

    [("dense", dense), ("pooled", pooled), ("in place", in_place), ("attention", support::attention(1, [16, 32, 4]))]
}

/// What each merging takes for eight samples, and that the cheapest one is taken: figures of `docs/arithmetization.md`.
#[test]
fn the_cheapest_merging_is_taken() {
    let options = LayoutOptions::default();
    for (name, builder) in shapes() {
        let seconds = |program: &Program| {
            let statistics = compile(program, &options).expect("it has a layout").statistics();
            (cost::estimate(&statistics.params).prove_cpu_seconds, statistics)
        };
        let mut least = f64::INFINITY;
        for merging in Merging::ALL {
            let (seconds, statistics) = seconds(&batch_of(&builder.program, 8, merging));
            let (params, rows) = (statistics.params, statistics.rows);
            println!(
                "{name:10} {merging:?}: 2^{} rows, {} units, {} weights; {} rows of units, {} of scalars; {seconds:.3} s",
                params.k, params.units, params.weights, rows.units, rows.scalars
            );
            least = least.min(seconds);
        }
        let chosen = layout::batched(&builder.program, 8, &options, cost::least_gas).expect("it has a layout");
        // Longer proofs count too, and optional columns are not known before the choice.
        assert!(seconds(&chosen).0 <= 1.1 * least, "{name}");
    }
}
