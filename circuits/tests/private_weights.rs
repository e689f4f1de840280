//! Programs with private weights: what is laid out depends on nothing that is private, and what is proved is the interpreter's result.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;

use circuits::analysis::{declare_private, AnalysisError, Headroom};
use circuits::graph::{
    ConvGeometry, FamilyError, Op, Program, ProgramError, Requantize, Table, TensorId, ViewElement, Visibility,
    WeightDeclaration, FILE_OPTIONS,
};
use circuits::layout::{compile, Fold, Layout, LayoutError, LayoutOptions, Objective};
use circuits::machine::{AdviceColumn, MachineCircuit, Placement, Region, WeightLanes};
use circuits::reference::run;
use halo2_proofs::dev::MockProver;
use support::ProgramBuilder;

/// All convolutions of a program.
fn convolutions(program: &Program) -> Vec<TensorId> {
    let nodes = (0..).map(TensorId).zip(&program.nodes);
    nodes.filter(|(_, node)| matches!(node.op, Op::Conv { .. })).map(|(tensor, _)| tensor).collect()
}

/// The program with all weights private.
fn private(mut builder: ProgramBuilder) -> ProgramBuilder {
    let all = convolutions(&builder.program);
    declare_private(&mut builder.program, all, &BTreeMap::new(), 1).expect("no number is too large");
    builder
}

/// The same with declarations that admit all weights and biases of one limb.
fn admitting_all(builder: ProgramBuilder) -> Program {
    let mut program = private(builder).program;
    let widest = WeightDeclaration { weight_bits: 16, bias_bits: 16, accumulator_bits: 40, shared_with: None };
    program.private_weights.values_mut().for_each(|declared| *declared = widest);
    program
}

/// The program with other weights and biases.
fn with(program: &Program, weight: impl Fn(usize) -> i32, bias: impl Fn(usize) -> i64) -> Program {
    let mut program = program.clone();
    for tensor in program.private_weights.keys() {
        if let Op::Conv { weights, bias: biases, .. } = &mut program.nodes[tensor.0 as usize].op {
            *weights = (0..weights.len()).map(&weight).collect();
            *biases = (0..biases.len()).map(&bias).collect();
        }
    }
    program
}

fn layouts() -> Vec<LayoutOptions> {
    let parallel = [1, 2, 3].map(|units| LayoutOptions { units: Some(units), ..LayoutOptions::default() });
    let folded = [(1, 1), (1, 4), (2, 8)].map(|(units, rows)| LayoutOptions {
        units: Some(units),
        fold: Some(Fold::Rows(rows)),
        ..LayoutOptions::default()
    });
    let chosen = [Objective::Time, Objective::Gas].map(|objective| LayoutOptions { objective, ..Default::default() });
    parallel.into_iter().chain(folded).chain(chosen).collect()
}

fn layout(program: &Program, options: &LayoutOptions) -> Layout {
    compile(program, options).unwrap_or_else(|error| panic!("{error}"))
}

fn accepts(mut builder: ProgramBuilder, options: &LayoutOptions) {
    let inputs = builder.inputs();
    let program = builder.program;
    let layout = layout(&program, options);
    let trace = run(&program, &inputs).expect("the inputs are admissible");
    let assignment = layout.assign(&program, &trace, &[]);
    let placement = Placement::new(&layout.params());
    let first = placement.first_phase_columns(&assignment);
    let registered = layout.weight_columns(&program);
    assert_eq!(registered.len(), layout.params().private_weight_columns());
    assert!(placement.weight_columns().zip(&registered).all(|(column, cells)| *first[column] == *cells));
    assert!(placement.weight_columns().all(|column| !placement.permuted().contains(&column)));
    let words = layout.interface().pack(&layout.public_data(&program, &trace, &[])).expect("the values are in range");
    let prover = MockProver::run(layout.params().k, &MachineCircuit::with_witness(assignment), vec![words]);
    prover.expect("it runs").assert_satisfied();
}

#[test]
fn the_interpreters_result_is_proved() {
    for options in layouts() {
        for builder in [support::mlp(1), support::cnn(2), support::zoo(3), support::attention(7, [3, 4, 2])] {
            accepts(private(builder), &options);
        }
    }
    let options = LayoutOptions { units: Some(2), ..LayoutOptions::default() };
    accepts(private(support::wide(4)), &options);
}

/// Layouts are equal, cell by cell, whatever the weights.
fn same_layout(a: &Program, b: &Program, options: &LayoutOptions) {
    let [a, b] = [a, b].map(|program| layout(program, options));
    assert_eq!(a.widths(), b.widths());
    assert!(a.skeleton() == b.skeleton() && a.interface() == b.interface());
}

#[test]
fn nothing_depends_on_the_weights() {
    for options in layouts() {
        for builder in [support::mlp(1), support::cnn(2), support::zoo(3)] {
            let first = admitting_all(builder);
            let most = |bits: u32| (1i64 << (bits - 1)) - 1;
            for other in [
                with(&first, |_| 0, |_| 0),
                with(&first, |_| 3, |_| 3),
                with(&first, |i| [i32::from(i16::MIN), i32::from(i16::MAX), 0][i % 3], |_| most(16)),
                with(&first, |i| (i as i32 * 7919) % 251, |i| -(i as i64)),
            ] {
                same_layout(&first, &other, &options);
                assert_eq!(first.family(), other.family());
            }
            same_layout(&first, &first.family(), &options);
        }
    }
}

#[test]
fn weights_stand_in_columns_of_their_own() {
    for options in layouts() {
        let mut builder = support::zoo(3);
        let all = convolutions(&builder.program);
        declare_private(&mut builder.program, all[1..].to_vec(), &BTreeMap::new(), 1).expect("it can be declared");
        let layout = layout(&builder.program, &options);
        let params = layout.params();
        assert_eq!(params.weight_lanes, WeightLanes::Both);
        let placement = Placement::new(&params);
        let own = placement.weight_columns();
        for column in AdviceColumn::first_phase(&params).into_iter().filter(|column| !column.regions().is_empty()) {
            let slot = placement.advice(column, column.regions()[0]);
            assert_eq!(own.contains(&slot.column), matches!(column, AdviceColumn::Weight(_)), "{column:?}");
        }
        assert!(layout.skeleton().regions.rows(Region::Weights) > 0);
        accepts(builder, &options);
    }
}

/// A cell is a limb of a weight: with another weight, as many cells are others as it has limbs that are.
#[test]
fn each_weight_has_its_cells() {
    let options = LayoutOptions { units: Some(2), ..LayoutOptions::default() };
    let mut builder = private(support::zoo(5));
    builder.program.private_weights.values_mut().for_each(|declared| {
        (declared.weight_bits, declared.bias_bits, declared.accumulator_bits) = (31, 47, 60);
    });
    let program = builder.program;
    let layout = layout(&program, &options);
    let cells = |program: &Program| layout.weight_columns(program);
    let honest = cells(&program);
    let differing = |program: &Program| -> Vec<(usize, usize)> {
        let columns = cells(program);
        let rows = |(lane, (a, b)): (usize, (&_, &_))| {
            let (a, b): (&circuits::machine::Integers, &circuits::machine::Integers) = (a, b);
            (0..a.len()).filter(|&row| a.get(row) != b.get(row)).map(|row| (lane, row)).collect::<Vec<_>>()
        };
        honest.iter().zip(&columns).enumerate().flat_map(|(lane, pair)| rows((lane, pair))).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    for &tensor in program.private_weights.keys() {
        let Op::Conv { weights, bias, .. } = &program.node(tensor).op else { unreachable!("it has weights") };
        for index in 0..weights.len() + bias.len() {
            for (step, limbs) in [(1, 1), (1 << 16, 1), (-(1 << 16) - 1, 2)] {
                let mut changed = program.clone();
                if let Op::Conv { weights, bias, .. } = &mut changed.nodes[tensor.0 as usize].op {
                    match index.checked_sub(weights.len()) {
                        None => {
                            let at = |i: usize| weights.get(i) + if i == index { step } else { 0 };
                            *weights = (0..weights.len()).map(at).collect();
                        }
                        Some(index) => Arc::make_mut(bias)[index] += i64::from(step),
                    }
                }
                let cells = differing(&changed);
                assert_eq!(cells.len(), limbs);
                if step == 1 {
                    assert!(seen.insert(cells[0]), "two weights in one cell");
                }
            }
        }
    }
}

#[test]
fn shared_weights_stand_once() {
    let options = LayoutOptions { units: Some(2), weights: Some(2), ..LayoutOptions::default() };
    let steps = || {
        let mut b = ProgramBuilder::new(9);
        let clamp = b.table(Table::identity(-32, 31));
        let mut state = b.input(&[4, 1, 1], Visibility::Private);
        for _ in 0..3 {
            state = b.conv(state, 4, ConvGeometry::POINTWISE, Some(Requantize { shift: 5, table: clamp }));
        }
        b.output(state, Visibility::Public);
        let first = b.program.nodes[1].op.clone();
        for node in &mut b.program.nodes[2..] {
            if let (Op::Conv { weights, bias, .. }, Op::Conv { weights: w, bias: b, .. }) = (&mut node.op, &first) {
                (*weights, *bias) = (w.clone(), Arc::clone(b));
            }
        }
        b
    };
    let shared = BTreeMap::from([2, 3].map(|step| (TensorId(step), TensorId(1))));
    let mut together = steps();
    let all = convolutions(&together.program);
    declare_private(&mut together.program, all, &shared, 1).expect("it can be declared");
    let apart = private(steps());
    let weights = |builder: &ProgramBuilder| layout(&builder.program, &options).statistics().rows.weights;
    assert_eq!(3 * weights(&together), weights(&apart), "equal weights are not shared for being equal");
    accepts(together, &options);
    accepts(apart, &options);
}

/// What is declared where nobody says otherwise: sums are of the model's form, and a layer that is used again is one layer.
#[test]
fn declarations_of_a_model() {
    let mut b = ProgramBuilder::new(9);
    let clamp = b.table(Table::identity(-32, 31));
    let requantize = Some(Requantize { shift: 5, table: clamp });
    let x = b.input(&[4, 1, 1], Visibility::Private);
    let first = b.conv(x, 4, ConvGeometry::POINTWISE, requantize);
    let Op::Conv { weights, bias, .. } = b.program.node(first).op.clone() else { unreachable!("it has weights") };
    let conv = |input, weights, bias| Op::Conv { input, geometry: ConvGeometry::POINTWISE, weights, bias, requantize };
    let second = b.node(conv(first, weights.clone(), bias), &[4, 1, 1]);
    let other = b.node(conv(second, weights, vec![1; 4].into()), &[4, 1, 1]);
    let constants = b.node(conv(other, vec![0; 8].into(), vec![7, -1].into()), &[2, 1, 1]);
    let sum = b.node(conv(other, vec![3; 4].into(), vec![0].into()), &[1, 1, 1]);
    let factor = b.node(conv(sum, vec![5].into(), vec![0].into()), &[1, 1, 1]);
    b.output(factor, Visibility::Public);
    b.output(constants, Visibility::Public);
    let program = b.program.with_private_weights().expect("no number is too large");
    let shared: Vec<_> =
        program.private_weights.iter().map(|(&tensor, declared)| (tensor, declared.shared_with)).collect();
    assert_eq!(shared, [(first, None), (second, Some(first)), (other, None), (constants, None), (factor, None)]);
    program.validate().expect("it is well formed");
}

#[test]
fn shared_weights_are_the_same() {
    let mut b = support::mlp(1);
    let [first, second] = convolutions(&b.program).try_into().expect("two layers");
    let shared = BTreeMap::from([(second, first)]);
    declare_private(&mut b.program, [first, second], &shared, 1).expect("it can be declared");
    assert!(matches!(b.program.validate(), Err(ProgramError::Weights { .. })));
}

#[test]
fn members_of_a_family() {
    let first = private(support::mlp(1)).program;
    let second = support::mlp(2).program;
    let member = first.with_weights_of(&second).expect("it is of the same form");
    assert_eq!(member.private_weights, first.private_weights);
    assert_eq!(member.nodes, second.nodes);
    assert!(matches!(second.with_weights_of(&first), Err(FamilyError::Public)));
    let mut other = second.clone();
    other.tables[0] = Table::identity(-64, 63);
    assert!(matches!(first.with_weights_of(&other), Err(FamilyError::Differs { .. })));
    let mut other = second.clone();
    other.nodes[1].scale = 2.0;
    assert!(matches!(first.with_weights_of(&other), Err(FamilyError::Differs { .. })));
    assert!(matches!(first.with_weights_of(&support::cnn(1).program), Err(FamilyError::Differs { .. })));
    let large = with(&first, |_| 1 << 15, |_| 0);
    assert!(matches!(first.with_weights_of(&large), Err(FamilyError::Program(ProgramError::Weights { .. }))));
    let large = with(&first, |_| (1 << 15) - 1, |_| 0);
    let large = first.with_weights_of(&large).expect("the weights have 16 bits");
    let refused = compile(&large, &LayoutOptions::default());
    assert!(matches!(refused, Err(LayoutError::Analysis(AnalysisError::Declared { .. }))), "{refused:?}");
}

/// Of a public number that differs the node is named, and what it is.
#[test]
fn what_differs_is_named() {
    let first = private(support::mlp(1)).program;
    let refused = |change: &dyn Fn(&mut Program)| {
        let mut other = first.clone();
        change(&mut other);
        first.with_weights_of(&other).unwrap_err().to_string()
    };
    let last = first.nodes.len() - 1;
    assert!(refused(&|other| other.nodes[last].scale *= 2.0).contains("the scale of node"));
    assert!(refused(&|other| other.nodes[last].shape.push(1)).contains("the form of node"));
    let of_table = refused(&|other| other.tables[0] = Table::identity(-64, 63));
    assert!(of_table.contains("the table of node"), "{of_table}");
    assert!(refused(&|other| other.nodes.truncate(last)).contains("the number of nodes"));
}

/// With head-room weights may double as often as that says; without it they have what is left of their limbs.
#[test]
fn headroom_is_declared() {
    let with_headroom = |headroom: Headroom| {
        let program = with(&private(support::mlp(1)).program, |i| if i == 0 { 20_000 } else { 1 }, |_| 3);
        program.with_private_weights_and(headroom, &BTreeMap::new()).expect("no number is too large")
    };
    let declared = |program: &Program| program.private_weights.values().copied().collect::<Vec<_>>();
    let of_own = with_headroom(Headroom::default());
    assert!(declared(&of_own).iter().all(|declared| (declared.weight_bits, declared.bias_bits) == (16, 16)));
    let roomy = with_headroom(Headroom::of_all(2));
    for (own, roomy) in declared(&of_own).iter().zip(declared(&roomy)) {
        assert_eq!((roomy.weight_bits, roomy.bias_bits), (31, 16));
        assert!(roomy.accumulator_bits > own.accumulator_bits);
    }
    let grown = with(&roomy, |i| if i == 0 { 70_000 } else { 3 }, |_| 12);
    assert!(of_own.with_weights_of(&grown).is_err());
    let member = roomy.with_weights_of(&grown).expect("there is room");
    circuits::analysis::ranges(&member).expect("there is room");
    // Bits that weights have by their type, whatever their values.
    let tensors = convolutions(&of_own);
    let bits = BTreeMap::from([(tensors[0], 17)]);
    let of_type = of_own.clone().with_private_weights_and(Headroom::default(), &bits).expect("no number is too large");
    assert_eq!(
        (of_type.private_weights[&tensors[0]].weight_bits, of_type.private_weights[&tensors[1]].weight_bits),
        (31, 16)
    );
}

/// What an accepted proof guarantees of a public output does not rest on how narrow the weights are declared.
#[test]
fn public_ranges_hold_for_all_weights() {
    let program = private(support::mlp(1)).program;
    let layout = layout(&program, &LayoutOptions::default());
    let output = layout.interface().ports.last().expect("it has an output");
    let inputs: i64 = 10 * 63 * (1 << 15) + (1 << 15);
    assert_eq!((output.lo, output.hi), (-inputs, inputs));
}

#[test]
fn files_hold_the_declarations() {
    let program = private(support::mlp(1)).program;
    let text = serde_json::to_string(&program).expect("it can be written");
    assert_eq!(serde_json::from_str::<Program>(&text).expect("it can be read"), program);
    for (from, to) in [("1:16", "1;16"), ("/16/", "/x/")] {
        assert!(serde_json::from_str::<Program>(&text.replace(from, to)).is_err());
    }
    let public = serde_json::to_value(support::mlp(1).program).expect("it can be written");
    assert!(public.get("private_weights").is_none() && public["options"] == serde_json::json!({}));
}

/// A layer that adds trained constants, and ones that compare with the bounds of trees: their weights are one number and tell nothing.
fn adding_and_comparing() -> (ProgramBuilder, [TensorId; 3]) {
    let mut b = ProgramBuilder::new(9);
    let table = b.table(Table::new("from zero".to_owned(), -1, vec![0, 1]).expect("not empty"));
    let bounds = Some(Requantize { shift: 0, table });
    let x = b.input(&[4, 1, 1], Visibility::Private);
    let one = b.view(&[x], vec![ViewElement::Element { source: 0, index: 0 }], &[1, 1, 1]);
    let mut layer = |input, groups, weights: Vec<i32>, bias: &[i64], requantize| {
        let geometry = ConvGeometry { groups, ..ConvGeometry::POINTWISE };
        let op = Op::Conv { input, geometry, weights: weights.into(), bias: bias.into(), requantize };
        let layer = b.node(op, &[bias.len(), 1, 1]);
        b.output(layer, Visibility::Public);
        layer
    };
    let sum = layer(x, 4, vec![5; 4], &[71_003, -71_009, 71_011, 71_023], None);
    let compared = layer(one, 1, vec![1; 3], &[-71_039, -71_059, -71_069], bounds);
    let single = layer(one, 1, vec![1], &[-71_081], bounds);
    // With an offset that all have in common: of the model's form.
    layer(x, 1, vec![3; 8], &[2, 2], None);
    b.program = b.program.with_private_weights().expect("no number is too large");
    (b, [sum, compared, single])
}

#[test]
fn constants_and_bounds_are_in_no_family() {
    let (b, private) = adding_and_comparing();
    assert!(b.program.private_weights.keys().eq(&private));
    let text = serde_json::to_string(&b.program.family()).expect("it can be written");
    assert!(!text.contains("710"), "a trained number in {text}");
    for options in layouts() {
        accepts(adding_and_comparing().0, &options);
    }
}

/// What files a program was made from is told by no family: their digests would confirm a guess.
#[test]
fn families_name_no_files() {
    let mut first = private(support::mlp(1)).program;
    first.options = [("bits", "8"), ("calibration", "ab"), ("like", "cd")].map(|(n, v)| (n.into(), v.into())).into();
    let mut other = first.clone();
    FILE_OPTIONS.iter().for_each(|name| assert!(other.options.remove(*name).is_some()));
    other.source_digest = [7; 32];
    assert_eq!(first.family(), other.family());
    assert_eq!(first.family().options, BTreeMap::from([("bits".to_owned(), "8".to_owned())]));
    // Public weights hide nothing.
    first.private_weights.clear();
    assert_eq!(first.family(), first);
}

/// Numbers beyond all types, which the limbs of foreign programs allow, are refused and end nothing.
#[test]
fn numbers_beyond_all_types_are_refused() {
    let mut b = ProgramBuilder::new(9);
    let x = b.input(&[4, 1, 1], Visibility::Private);
    let layers: Vec<_> = [31, 31, 16, 16]
        .into_iter()
        .scan(x, |last, weight_bits| {
            let input = if weight_bits == 31 { *last } else { TensorId(2) };
            *last = b.conv(input, 4, ConvGeometry::POINTWISE, None);
            if let Op::Conv { weights, bias, .. } = &mut b.program.nodes[last.0 as usize].op {
                (*weights, *bias) = (vec![1; 16].into(), vec![0; 4].into());
            }
            let accumulator_bits = 36 + 4 * last.0;
            let declared = WeightDeclaration { weight_bits, bias_bits: 16, accumulator_bits, shared_with: None };
            b.program.private_weights.insert(*last, declared);
            Some(*last)
        })
        .collect();
    // Two numbers of 2^86: their product is beyond all integers, and so is its half before the shift.
    let table = b.table(Table::identity(-32, 31));
    let requantize = Some(Requantize { shift: 32, table });
    let product = b.node(Op::Product { operands: [layers[2], layers[3]], requantize }, &[4, 1, 1]);
    b.output(product, Visibility::Public);
    b.program.validate().expect("it is well formed");
    let refused = circuits::analysis::ranges(&b.program);
    assert!(matches!(&refused, Err(AnalysisError::TooWide { node, .. }) if node == "node5"), "{refused:?}");

    let ends = circuits::analysis::Interval { lo: i128::MIN, hi: i128::MAX };
    assert_eq!((ends.width(), ends.magnitude()), (i128::MAX, i128::MAX));
    assert_eq!(circuits::reference::shift_half_up(i128::MAX, 2), i128::MAX >> 2);
}
