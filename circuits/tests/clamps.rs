//! Clamps without tables: that they are chosen where tables are long, that every run is provable, and that the results are the
//! interpreter's.

#[path = "support/check.rs"]
mod check;
mod support;
#[path = "support/targets.rs"]
mod targets;

use check::{Case, Shape};
use circuits::graph::{Op, Requantize, Table, Visibility};
use circuits::layout::{compile, lay_out, LayoutOptions, Widths};
use support::ProgramBuilder;

/// Runs at the ends of all ranges and inside, in several arrangements.
#[test]
fn every_run_is_provable() {
    let shapes = [Shape::parallel(1, None), Shape::parallel(4, None), Shape::folded(2, None, 4)];
    let inputs = [[49, -50, 49], [-50, 49, -50], [0, 0, 0], [16, 1, -2], [-50, -50, -50], [8, -17, 25]];
    for shape in shapes {
        for values in inputs {
            let case = Case::with_inputs("clamped", targets::clamped(), vec![values.to_vec()], shape);
            assert!(case.layout.widths().max_clamp.is_some(), "{}: limbs are cheaper", case.name);
            let system = case.system(7);
            let violations = system.violations(&system.derived(&case.assignment));
            assert!(violations.none(), "{}, {values:?}: {violations:?}", case.name);
        }
    }
}

/// A clamp by every shift and with overflows from one limb to four, at both ends of its arguments.
#[test]
fn overflows_of_any_size() {
    for shift in [0, 1, 7, 16, 22] {
        for factor in [4, 90, 3_000, 20_000] {
            let mut b = ProgramBuilder::new(1);
            let clamp = b.table(Table::identity(-1023, 1023));
            let x = targets::input(&mut b, &[4], [-600, 599], Visibility::Private);
            let requantize = Some(Requantize { shift, table: clamp });
            let factors = [factor << shift, 0];
            let y = b.node(Op::Affine { operands: [x; 2], factors, constant: -3, requantize }, &[4]);
            b.output(y, Visibility::Public);
            for values in [[-600, 599, 0, 1], [-1, 255, 256, -256]] {
                let case = Case::with_inputs("overflows", clone(&b), vec![values.to_vec()], 1);
                assert!(case.layout.widths().max_clamp.is_some(), "{shift} {factor}: limbs are cheaper");
                let system = case.system(3);
                let violations = system.violations(&system.derived(&case.assignment));
                assert!(violations.none(), "{shift} {factor} {values:?}: {violations:?}");
            }
        }
    }
}

fn clone(b: &ProgramBuilder) -> ProgramBuilder {
    let mut copy = ProgramBuilder::new(1);
    copy.program = b.program.clone();
    copy
}

/// Clamps that are short keep their tables, whatever else there is.
#[test]
fn short_clamps_have_tables() {
    for builder in [support::cnn(3), support::zoo(3), support::attention(3, [4, 4, 2])] {
        let layout = compile(&builder.program, &LayoutOptions::default()).expect("the program has a layout");
        assert_eq!(layout.widths().max_clamp, None);
    }
}

/// What was chosen stands in files, and lays the program out again.
#[test]
fn the_same_layout_again() {
    let program = targets::clamped().program;
    let options = LayoutOptions::default();
    let layout = compile(&program, &options).expect("the program has a layout");
    let file = serde_json::to_string(&layout.widths()).expect("widths are text");
    let widths: Widths = serde_json::from_str(&file).expect("it was written");
    assert_eq!(widths, layout.widths());
    let again = lay_out(&program, &options, &widths).expect("it has been laid out so");
    assert_eq!(again.skeleton().fixed, layout.skeleton().fixed);
    assert_eq!(again.skeleton().copies, layout.skeleton().copies);
    for max_clamp in [Some(0), Some(1), Some(u32::MAX)] {
        assert!(lay_out(&program, &options, &Widths { max_clamp, ..widths }).is_err(), "{max_clamp:?}");
    }
}

/// Private weights may make accumulators larger than what is laid out for: only tables hold for all.
#[test]
fn private_weights_have_tables() {
    let builder = targets::clamped();
    let options = LayoutOptions::default();
    let widths = compile(&builder.program, &options).expect("the program has a layout").widths();
    assert!(widths.max_clamp.is_some());
    let private = builder.program.with_private_weights().expect("no number is too large");
    let layout = compile(&private, &options).expect("the program has a layout");
    assert_eq!(layout.widths().max_clamp, None);
}
