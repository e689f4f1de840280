//! Rows of operators changed in one place.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::clamps::Clamps;
use super::super::columns::Columns;
use super::super::identities::Identities;
use super::super::words::Run;
use super::super::{audit, forms, AuditError};
use super::{arranged, program, FOLDS};
use crate::graph::{Node, Op, Port, Program, Requantize, Step, Table, TableId, TensorId};
use crate::layout::tables::FIRST_FUNCTION;
use crate::layout::{lay_out, Fold, Layout, LayoutOptions, Widths};
use crate::machine::{AdviceColumn, Cell, FixedColumn, Skeleton};

/// Two elements of each operator that takes rows of forms, with both kinds of inputs and maxima.
fn operators() -> Program {
    let mut program = program();
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    let steps = [-9, -2, 3, 8].map(|factor| Step { factor, strict: factor == 3 });
    let [signed, positive, far, near, quotient] = [0, 1, 2, 3, 5].map(TensorId);
    program.tables.clear();
    program.nodes = vec![
        node(Op::Input { lo: -40, hi: 40 }, &[2]),
        node(Op::Input { lo: 1, hi: 50 }, &[2]),
        node(Op::Input { lo: -(1 << 30), hi: 1 << 30 }, &[2, 3]),
        node(Op::Input { lo: -9, hi: 9 }, &[2, 3]),
        node(Op::Reciprocal { input: positive, numerator: 5000 }, &[2]),
        node(Op::Quotient { operands: [TensorId(4), positive] }, &[2]),
        node(Op::SquareRoot { input: positive }, &[2]),
        node(Op::RoundSignificant { input: signed, bits: 3 }, &[2]),
        node(Op::Steps { operands: [signed, positive], first: -2, shift: 1, steps: steps.into() }, &[2]),
        node(Op::Max { input: far }, &[2]),
        node(Op::Max { input: near }, &[2]),
        node(Op::Steps { operands: [quotient, positive], first: -2, shift: 1, steps: steps.into() }, &[2]),
    ];
    let port = program.inputs[0].clone();
    let ports = |tensors: &mut dyn Iterator<Item = usize>| {
        let visibility = crate::graph::Visibility::Private;
        let of = |tensor: usize| (TensorId(tensor as u32), program.nodes[tensor].shape.clone());
        tensors
            .map(of)
            .map(|(tensor, shape)| crate::graph::Port { tensor, shape, visibility, ..port.clone() })
            .collect()
    };
    let (inputs, outputs) = (ports(&mut (0..4)), ports(&mut (6..12)));
    (program.inputs, program.outputs) = (inputs, outputs);
    program
}

/// Two elements of each operator with an accumulator, and indices of maxima.
fn accumulators() -> Program {
    let mut program = operators();
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    let by = |shift, table| Some(Requantize { shift, table: TableId(table) });
    let affine = |operands: [u32; 2], factors, constant, requantize| Op::Affine {
        operands: operands.map(TensorId),
        factors,
        constant,
        requantize,
    };
    let product = |operands: [u32; 2], requantize| Op::Product { operands: operands.map(TensorId), requantize };
    let sum = |factor, requantize| Op::Sum { input: TensorId(1), factor, requantize };
    program.tables = vec![Table::identity(-16, 15), Table::new("steps", -2, vec![1, 3, 5, 8]).expect("not empty")];
    program.nodes = vec![
        node(Op::Input { lo: -40, hi: 40 }, &[2]),
        node(Op::Input { lo: -8, hi: 7 }, &[2, 3]),
        node(affine([0, 0], [2, -3], 5, None), &[2]),
        node(affine([0, 2], [1, -2], -3, by(3, 0)), &[2]),
        node(product([2, 3], None), &[2]),
        node(product([2, 2], by(2, 0)), &[2]),
        node(sum(3, None), &[2]),
        node(sum(100, by(1, 1)), &[2]),
        node(Op::Lookup { input: TensorId(0), table: TableId(0) }, &[2]),
        node(Op::Lookup { input: TensorId(4), table: TableId(1) }, &[2]),
        node(Op::ArgMax { input: TensorId(1) }, &[2]),
    ];
    program.inputs.truncate(2);
    let port = program.outputs[0].clone();
    let port = |tensor| Port { tensor: TensorId(tensor), shape: vec![2], ..port.clone() };
    program.inputs.iter_mut().zip([vec![2], vec![2, 3]]).for_each(|(port, shape)| port.shape = shape);
    program.outputs = (5..11).map(port).collect();
    program
}

/// A layout whose tables have at most so many entries beyond those of their functions.
fn with_tables(program: &Program, fold: Fold, max_table: i64) -> Layout {
    let chosen = arranged(program, fold);
    let options =
        |k| LayoutOptions { units: Some(2), weights: Some(2), fold: Some(fold), k: Some(k), ..Default::default() };
    let widths = |k| Widths { k, max_table, max_clamp: None, tables: 1, ..chosen.widths() };
    let k = chosen.widths().k;
    let mut laid = (k..k + 9).filter_map(|k| lay_out(program, &options(k), &widths(k)).ok());
    laid.next().expect("it fits a larger machine")
}

/// What is attacked.
fn victims() -> impl Iterator<Item = (Program, Layout)> {
    FOLDS.into_iter().flat_map(|fold| {
        let accumulators = accumulators();
        let by_size = [1, 1 << 12].map(|max_table| with_tables(&accumulators, fold, max_table));
        let of_accumulators = by_size.map(|layout| (accumulators.clone(), layout));
        let operators = operators();
        let layout = arranged(&operators, fold);
        [(operators, layout)].into_iter().chain(of_accumulators)
    })
}

/// What the audit of forms alone says of a changed layout.
fn found(program: &Program, layout: &Layout, change: impl FnOnce(&mut Skeleton)) -> Result<(), AuditError> {
    let mut changed = layout.clone();
    change(Arc::make_mut(&mut changed.skeleton));
    judge(program, &changed)
}

fn judge(program: &Program, layout: &Layout) -> Result<(), AuditError> {
    let columns = Columns::new(layout.skeleton());
    let clamps = Clamps::default();
    let identities = Identities::new(program, layout, &columns, &clamps);
    forms::audit(&Run::new(&identities))
}

/// The rows of units that no input lies in which is looked up in its range.
fn rows_of_forms(program: &Program, layout: &Layout) -> Vec<u32> {
    let looked_up = |tensor: usize| match program.nodes[tensor].op {
        Op::Input { lo, hi } => hi - lo < 1 << 20,
        _ => false,
    };
    let inputs = (0..program.nodes.len()).filter(|&tensor| looked_up(tensor));
    let of_inputs: BTreeSet<u32> = inputs.flat_map(|tensor| &layout.homes[tensor]).map(|place| place.row).collect();
    (0..layout.statistics().rows.units as u32).filter(|row| !of_inputs.contains(row)).collect()
}

#[test]
fn a_changed_cell_of_a_row() {
    use FixedColumn::{
        ArgMaximum, Constant, HighCoefficient, HighTag, LowCoefficient, LowTag, Maximum, NextPreCoefficient,
        NextValueCoefficient, Pointwise, PreCoefficient, Product, Saturate, SaturateHigh, SaturateLow,
        ValueCoefficient,
    };
    for (program, layout) in victims() {
        assert_eq!(audit(&program, &layout).map(|_| ()), Ok(()));
        let skeleton = layout.skeleton();
        let saturates = |row: u32| skeleton.fixed(Saturate, row as usize) == 1;
        let mut ends = 0;
        for row in rows_of_forms(&program, &layout) {
            let shared = [
                ArgMaximum,
                Constant,
                HighCoefficient,
                HighTag,
                LowCoefficient,
                LowTag,
                Maximum,
                NextPreCoefficient,
                NextValueCoefficient,
                Pointwise,
                PreCoefficient,
                Product,
                Saturate,
                ValueCoefficient,
            ];
            let lanes = (0..2).flat_map(|lane| [FixedColumn::ValueSwitch(lane), FixedColumn::LimbSwitch(lane)]);
            let of_ends = [SaturateLow, SaturateHigh].into_iter().filter(|_| saturates(row));
            ends += of_ends.clone().count();
            for column in shared.into_iter().chain(of_ends).chain(lanes) {
                if !skeleton.fixed.contains_key(&column) {
                    continue;
                }
                // A switch that is off is turned on, and one that is on is turned off.
                let is_switch = matches!(column, ArgMaximum | Maximum | Pointwise | Saturate)
                    || matches!(column, FixedColumn::ValueSwitch(_) | FixedColumn::LimbSwitch(_));
                let change = |cell: i64| if is_switch { 1 - cell } else { cell + 1 };
                let found = found(&program, &layout, |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("it is there");
                    cells.set(row as usize, change(cells.get(row as usize)));
                });
                assert!(matches!(found, Err(AuditError::Rows { .. })), "{column:?} {row}: {found:?}");
            }
        }
        let is_short = program.tables.len() == 2 && layout.widths().max_table == 1;
        assert!(ends > 0 || !is_short, "tables that do not reach far saturate");
    }
}

/// Each copy to a cell of the rows left out, and of another cell; and each operand of the scalar unit another one.
#[test]
fn a_changed_copy_of_a_row() {
    for (program, layout) in victims() {
        let rows: BTreeSet<u32> = rows_of_forms(&program, &layout).into_iter().collect();
        let copies = &layout.skeleton().copies;
        let mut tried = [0; 2];
        for (index, &(from, to)) in copies.iter().enumerate() {
            // A zero stands where nothing is read.
            if from == Cell::Advice(AdviceColumn::ScalarC, 0) {
                continue;
            }
            let another = copies[(index + 1) % copies.len()].0;
            match to {
                Cell::Advice(AdviceColumn::Value(_) | AdviceColumn::Pre(_), row) if rows.contains(&row) => {
                    let left_out = found(&program, &layout, |skeleton| {
                        skeleton.copies.remove(index);
                    });
                    assert!(matches!(left_out, Err(AuditError::Rows { .. })), "{from:?} to {to:?}");
                    tried[0] += 1;
                }
                Cell::Advice(AdviceColumn::ScalarA | AdviceColumn::ScalarB, 1..) => tried[1] += 1,
                _ => continue,
            }
            if another != from {
                let found = found(&program, &layout, |skeleton| skeleton.copies[index].0 = another);
                assert!(matches!(found, Err(AuditError::Rows { .. })), "{another:?} to {to:?} for {from:?}");
            }
        }
        assert!(tried[0] > 20 && tried[1] >= 6, "{tried:?}");
    }
}

/// Entries of other functions, keys besides, and lookups under the tag of another function.
#[test]
fn other_functions() {
    let mut program = operators();
    program.tables.push(Table::identity(-30, 30));
    let clamped = Op::Lookup { input: TensorId(0), table: TableId(0) };
    program.nodes.push(Node { op: clamped, ..program.nodes[0].clone() });
    program.outputs[0].tensor = TensorId(12);
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        assert_eq!(audit(&program, &layout).map(|_| ()), Ok(()));
        let skeleton = layout.skeleton();
        let entries = (0..layout.params().tables).flat_map(|table| {
            let tags = skeleton.fixed[&FixedColumn::TableTag(table)].iter().enumerate();
            tags.map(move |(row, tag)| (tag, (table, row)))
        });
        let first: std::collections::BTreeMap<i64, (u32, usize)> =
            entries.filter(|&(tag, _)| tag >= FIRST_FUNCTION).collect();
        assert_eq!(first.len(), 3 + 1 + 4, "ranges of inputs, a table, and two functions of each operator");
        for (&tag, &(table, row)) in &first {
            for (column, change) in [(FixedColumn::TableImage(table), 1), (FixedColumn::TableKey(table), 1000)] {
                let found = found(&program, &layout, |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("every member has it");
                    cells.set(row, cells.get(row) + change);
                });
                assert_eq!(found, Err(AuditError::Table { tag }), "{column:?}, {fold:?}");
            }
        }
        // The second operator with the same steps has no tables of its own.
        for row in rows_of_forms(&program, &layout) {
            for lane in 0..2 {
                let column = FixedColumn::ValueTag(lane);
                let tag = skeleton.fixed(column, row as usize);
                let of_table = layout.function_tags.values().any(|&(known, ..)| known == tag);
                if tag >= FIRST_FUNCTION && !of_table {
                    let another = first.keys().copied().find(|&another| another != tag).expect("there are eight");
                    let found = found(&program, &layout, |skeleton| {
                        skeleton.fixed.get_mut(&column).expect("it is there").set(row as usize, another);
                    });
                    assert!(found.is_err(), "{row} {lane} {fold:?}");
                }
            }
        }
    }
}

/// Nothing is said of the differences of a wide maximum, or not of all.
#[test]
fn differences_that_are_not_known() {
    let program = operators();
    let layout = arranged(&program, FOLDS[0]);
    for (change, what) in [(None, "nothing is said of its differences"), (Some(5), "an operand has no difference")] {
        let mut changed = layout.clone();
        let maxima = Arc::make_mut(&mut changed.maxima);
        match change {
            None => maxima.clear(),
            Some(heads) => maxima.values_mut().for_each(|known| known.truncate(heads)),
        }
        assert_eq!(judge(&program, &changed), Err(AuditError::Rows { node: "node".into(), what }));
    }
}

/// A limb that is looked up in the table of a function.
#[test]
fn limbs_of_functions() {
    let program = operators();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        for column in [FixedColumn::LowTag, FixedColumn::HighTag] {
            let found = super::verdict(&program, &layout, |skeleton| {
                skeleton.fixed.get_mut(&column).expect("limbs are looked up").set(0, FIRST_FUNCTION);
            });
            assert_eq!(found, Err(AuditError::Frame { what: "the tags of limbs are widths of limbs" }));
        }
    }
}
