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

/// Clamps whose tables are long.
fn tables() -> [Table; 3] {
    [Table::identity(-100_000, 100_000), Table::identity(0, 100_000), Table::identity(-4095, -5)]
}

/// Two uses of a clamp, in the first of which arguments are in one interval, and in the second in another, are provable in lanes with and
/// without elements; tells whether they are shown by limbs.
fn is_shown(table: &Table, intervals: [(i64, i64); 2], shift: u32, units: u32) -> bool {
    let mut b = ProgramBuilder::new(1);
    let function = b.table(table.clone());
    let x = b.wide_input(&[3], 0, 10);
    let requantize = Some(Requantize { shift, table: function });
    for (lo, hi) in intervals {
        let (factors, constant) = ([((hi - lo) / 10) << shift, 0], lo << shift);
        let y = b.node(Op::Affine { operands: [x; 2], factors, constant, requantize }, &[3]);
        b.output(y, Visibility::Public);
    }
    let case = Case::with_inputs("lanes", b, vec![vec![0, 10, 3]], Shape::parallel(units, None));
    let system = case.system(7);
    let violations = system.violations(&system.derived(&case.assignment));
    assert!(violations.none(), "{} {intervals:?} {shift} {units}: {violations:?}", table.lo());
    case.layout.widths().max_clamp.is_some()
}

/// Arguments all positive, all negative, near each end and beyond it, with and without others that saturate.
#[test]
fn lanes_without_an_element() {
    for table in tables() {
        let (lo, hi) = (table.lo(), table.hi());
        let near =
            [(hi - 10, hi + 10), (lo - 10, lo + 10), (lo + 100, lo + 110), (hi - 210, hi - 200), (hi + 900, hi + 910)];
        let beyond = [(lo - 910, lo - 900), (lo - 350_000, hi + 350_000), (lo + 50, hi - 50)];
        let mut shown = 0;
        for (index, interval) in (0..).zip(near.into_iter().chain(beyond)) {
            for units in [2, 4] {
                let other = if (index + units / 2) % 2 == 0 { (lo, hi) } else { (lo - 70_000, hi + 70_000) };
                shown += u32::from(is_shown(&table, [interval, other], index % 3, units));
            }
        }
        assert!(shown > 0, "{}: limbs are cheaper", table.lo());
    }
}

/// Arguments anywhere.
#[test]
fn lanes_without_an_element_at_random() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: i64| {
        (state, _) = state.overflowing_mul(6_364_136_223_846_793_005);
        state ^= state >> 29;
        (state >> 20) as i64 % below
    };
    for table in tables() {
        for _ in 0..6 {
            let mut interval = || {
                let lo = table.lo() - 20_000 + random(table.hi() - table.lo() + 40_000);
                (lo, lo + random(4) * random(30_000))
            };
            let intervals = [interval(), interval()];
            is_shown(&table, intervals, random(20) as u32, 4);
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
