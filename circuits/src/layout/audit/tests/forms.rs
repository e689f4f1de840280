//! Rows of operators changed in one place.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::clamps::Clamps;
use super::super::columns::Columns;
use super::super::identities::Identities;
use super::super::words::Run;
use super::super::{audit, forms, AuditError};
use super::{arranged, program, FOLDS};
use crate::graph::{Node, Op, Program, Step, Table, TableId, TensorId};
use crate::layout::tables::FIRST_FUNCTION;
use crate::layout::Layout;
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
        Constant, HighCoefficient, HighTag, LowCoefficient, LowTag, Maximum, NextPreCoefficient, NextValueCoefficient,
        Pointwise, PreCoefficient, Product, ValueCoefficient,
    };
    let program = operators();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        assert_eq!(audit(&program, &layout).map(|_| ()), Ok(()));
        for row in rows_of_forms(&program, &layout) {
            for column in [
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
                ValueCoefficient,
            ] {
                // A switch that is off is turned on, and one that is on is turned off.
                let change = |cell: i64| if matches!(column, Pointwise | Maximum) { 1 - cell } else { cell + 1 };
                let found = found(&program, &layout, |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("the operators have all of these");
                    cells.set(row as usize, change(cells.get(row as usize)));
                });
                assert!(matches!(found, Err(AuditError::Rows { .. })), "{column:?} {row} {fold:?}: {found:?}");
            }
            for column in (0..2).flat_map(|lane| [FixedColumn::ValueSwitch(lane), FixedColumn::LimbSwitch(lane)]) {
                let found = found(&program, &layout, |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("every member has it");
                    cells.set(row as usize, 1 - cells.get(row as usize));
                });
                assert!(matches!(found, Err(AuditError::Rows { .. })), "{column:?} {row} {fold:?}: {found:?}");
            }
        }
    }
}

/// Each copy to a cell of the rows left out, and of another cell; and each operand of the products of differences another one.
#[test]
fn a_changed_copy_of_a_row() {
    let program = operators();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        let rows: BTreeSet<u32> = rows_of_forms(&program, &layout).into_iter().collect();
        let copies = &layout.skeleton().copies;
        let mut tried = [0; 2];
        for (index, &(from, to)) in copies.iter().enumerate() {
            let another = copies[(index + 1) % copies.len()].0;
            match to {
                Cell::Advice(AdviceColumn::Value(_) | AdviceColumn::Pre(_), row) if rows.contains(&row) => {
                    let left_out = found(&program, &layout, |skeleton| {
                        skeleton.copies.remove(index);
                    });
                    assert!(matches!(left_out, Err(AuditError::Rows { .. })), "{from:?} to {to:?}, {fold:?}");
                    tried[0] += 1;
                }
                Cell::Advice(AdviceColumn::ScalarA | AdviceColumn::ScalarB, 1..)
                    if matches!(from, Cell::Advice(AdviceColumn::Pre(_), _)) =>
                {
                    tried[1] += 1;
                }
                _ => continue,
            }
            if another != from {
                let found = found(&program, &layout, |skeleton| skeleton.copies[index].0 = another);
                assert!(matches!(found, Err(AuditError::Rows { .. })), "{another:?} to {to:?}, {fold:?}");
            }
        }
        assert!(tried[0] > 100 && tried[1] >= 6, "{tried:?}");
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
