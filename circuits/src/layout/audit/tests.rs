//! A layout changed in one place is not what its program says, and the audit finds it.

mod forms;

use std::sync::Arc;

use super::clamps::Clamps;
use super::columns::Columns;
use super::identities::Identities;
use super::{audit, AuditError};
use crate::graph::{
    ConvGeometry, Node, Op, Port, PortKind, Program, Requantize, Table, TableId, TensorId, ViewElement, Visibility,
    WeightDeclaration, Weights,
};
use crate::layout::{compile, Fold, Layout, LayoutOptions};
use crate::machine::{AdviceColumn, Cell, FixedColumn, Skeleton};

/// A 3 × 3 convolution of stride 1 with padding on `[2, 4, 4]`, and a dense layer behind it.
fn program() -> Program {
    let relu = Table::new("relu", -16, (-16..16).map(|v: i32| v.max(0)).collect()).expect("not empty");
    let requantize = Some(Requantize { shift: 6, table: TableId(0) });
    let weights = |count: i32| (0..count).map(|i| (i * 37 % 23 - 11) | 1).collect::<Weights>();
    let conv = Op::Conv {
        input: TensorId(0),
        geometry: ConvGeometry { kernel: [3, 3], padding: [1; 4], ..ConvGeometry::POINTWISE },
        weights: weights(54),
        bias: vec![5, -9, 30].into(),
        requantize,
    };
    let flat = Op::View {
        sources: vec![TensorId(1)],
        map: (0..48).map(|index| ViewElement::Element { source: 0, index }).collect(),
    };
    let dense = Op::Conv {
        input: TensorId(2),
        geometry: ConvGeometry::POINTWISE,
        weights: weights(240),
        bias: vec![1; 5].into(),
        requantize: None,
    };
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    let port = |tensor, shape: &[usize]| Port {
        name: "port".into(),
        tensor,
        shape: shape.to_vec(),
        scale: 1.0,
        kind: PortKind::Real,
        visibility: Visibility::Public,
    };
    Program {
        name: "audited".into(),
        source_digest: [0; 32],
        options: Default::default(),
        private_weights: Default::default(),
        tables: vec![relu],
        nodes: vec![
            node(Op::Input { lo: -8, hi: 7 }, &[2, 4, 4]),
            node(conv, &[3, 4, 4]),
            node(flat, &[48, 1, 1]),
            node(dense, &[5, 1, 1]),
        ],
        inputs: vec![port(TensorId(0), &[2, 4, 4])],
        outputs: vec![port(TensorId(3), &[5, 1, 1])],
    }
}

const FOLDS: [Fold; 2] = [Fold::Parallel, Fold::Rows(8)];

fn layout(program: &Program) -> Layout {
    arranged(program, Fold::Parallel)
}

fn arranged(program: &Program, fold: Fold) -> Layout {
    let (units, weights, fold) = (Some(2), Some(2), Some(fold));
    compile(program, &LayoutOptions { units, weights, fold, ..LayoutOptions::default() })
        .expect("the program has a layout")
}

/// Two products of matrices with a stack of two: `x` times `y`, requantized, and a projection of `y` times that.
fn products() -> Program {
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    let clamp = Table::identity(-20, 20);
    let requantize = Some(Requantize { shift: 3, table: TableId(0) });
    let view = |source, shape: &[usize], at: &dyn Fn(usize) -> usize| {
        let element = |i| ViewElement::Element { source: 0, index: at(i) as u32 };
        let map = (0..shape.iter().product()).map(element).collect();
        node(Op::View { sources: vec![TensorId(source)], map }, shape)
    };
    let conv = Op::Conv {
        input: TensorId(0),
        geometry: ConvGeometry::POINTWISE,
        weights: (0..16).map(|i: i32| i * 5 % 7 - 3).collect(),
        bias: vec![1, 2, 0, -1].into(),
        requantize,
    };
    // Of channels `(stack, inner)` and three tokens, `[2, 3, 2]`.
    let tokens_first = |i: usize| (i / 6 * 2 + i % 2) * 3 + i / 2 % 3;
    let product = |operands: [u32; 2], requantize| Op::MatMul { operands: operands.map(TensorId), requantize };
    let port = |tensor, shape: &[usize]| Port {
        name: "port".into(),
        tensor: TensorId(tensor),
        shape: shape.to_vec(),
        scale: 1.0,
        kind: PortKind::Real,
        visibility: Visibility::Private,
    };
    Program {
        name: "products".into(),
        source_digest: [0; 32],
        options: Default::default(),
        private_weights: Default::default(),
        tables: vec![clamp],
        nodes: vec![
            node(Op::Input { lo: -8, hi: 7 }, &[4, 3, 1]),
            node(conv, &[4, 3, 1]),
            view(1, &[2, 3, 2], &tokens_first),
            view(0, &[2, 2, 3], &|i| i),
            node(product([2, 3], requantize), &[2, 3, 3]),
            node(product([4, 2], None), &[2, 3, 2]),
        ],
        inputs: vec![port(0, &[4, 3, 1])],
        outputs: vec![port(5, &[2, 3, 2])],
    }
}

/// The audit's verdict on the layout with a changed skeleton.
fn verdict(program: &Program, layout: &Layout, change: impl FnOnce(&mut Skeleton)) -> Result<(), AuditError> {
    let mut changed = layout.clone();
    change(Arc::make_mut(&mut changed.skeleton));
    audit(program, &changed).map(|_| ())
}

/// Every cell of a column that is not zero, changed to `change(cell)`, is found.
fn every_cell_is_found(column: FixedColumn, change: fn(i64) -> i64) {
    cells_are_found(column, change, |_, _| true);
}

/// The same for rows in which every lane holds an element: what stands beside borders alone says nothing.
fn cells_beside_elements_are_found(column: FixedColumn, change: fn(i64) -> i64) {
    cells_are_found(column, change, |layout, row| {
        let elements = layout.homes.iter().flatten().filter(|place| place.row as usize == row).count();
        elements == layout.params().units as usize
    });
}

fn cells_are_found(column: FixedColumn, change: fn(i64) -> i64, matters: fn(&Layout, usize) -> bool) {
    cells_of_program_are_found(&program(), column, change, matters);
}

fn cells_of_program_are_found(
    program: &Program,
    column: FixedColumn,
    change: fn(i64) -> i64,
    matters: fn(&Layout, usize) -> bool,
) {
    for fold in FOLDS {
        let layout = arranged(program, fold);
        let cells: Vec<_> = layout.skeleton().fixed[&column].iter().enumerate().collect();
        let mut tried = 0;
        for (row, cell) in cells.into_iter().filter(|&(row, cell)| cell != 0 && matters(&layout, row)) {
            let found = verdict(program, &layout, |skeleton| {
                skeleton.fixed.get_mut(&column).expect("the column is there").set(row, change(cell));
            });
            assert!(found.is_err(), "{column:?} in row {row}, {fold:?}");
            tried += 1;
        }
        assert!(tried > 0, "{column:?} is used, {fold:?}");
    }
}

#[test]
fn an_honest_layout_passes() {
    let program = program();
    let report = audit(&program, &layout(&program)).expect("it is what the program says");
    assert_eq!(report.identities, 2);
    assert!(report.terms >= 54 * 16 + 240);
}

#[test]
fn a_changed_weight() {
    every_cell_is_found(FixedColumn::Weight(0), |weight| weight + 1);
    every_cell_is_found(FixedColumn::Weight(1), |_| 0);
}

/// What the quick comparison says of the identities of a changed layout, and how many terms they have.
fn quick(program: &Program, mut layout: Layout, change: impl FnOnce(&mut Skeleton)) -> Vec<(Option<usize>, usize)> {
    change(Arc::make_mut(&mut layout.skeleton));
    let columns = Columns::new(layout.skeleton());
    Identities::new(program, &layout, &columns, &Clamps::default()).quick()
}

/// The first convolution read with strides, with dilation, in groups, and with no padding.
fn windows() -> Vec<Program> {
    let geometry = ConvGeometry { kernel: [3, 3], padding: [1; 4], ..ConvGeometry::POINTWISE };
    let of = |geometry: ConvGeometry, outputs: usize| {
        let mut program = program();
        let size = |axis: usize| {
            let reach = geometry.dilation[axis] * (geometry.kernel[axis] - 1) + 1;
            ((4 + geometry.padding[axis] + geometry.padding[axis + 2] - reach) / geometry.stride[axis] + 1) as usize
        };
        let per_output = 2 / geometry.groups * geometry.kernel[0] * geometry.kernel[1];
        let Op::Conv { geometry: window, weights, bias, .. } = &mut program.nodes[1].op else {
            panic!("a convolution")
        };
        *window = geometry;
        *weights = (0..(outputs as u32 * per_output) as i32).map(|i| (i * 37 % 23 - 11) | 1).collect();
        *bias = (0..outputs as i64).map(|i| i * 7 - 9).collect();
        program.nodes[1].shape = vec![outputs, size(0), size(1)];
        program.nodes.truncate(2);
        program.outputs[0].tensor = TensorId(1);
        program.outputs[0].shape = program.nodes[1].shape.clone();
        program
    };
    vec![
        of(geometry, 3),
        of(ConvGeometry { stride: [2, 1], ..geometry }, 3),
        of(ConvGeometry { dilation: [1, 2], ..geometry }, 4),
        of(ConvGeometry { groups: 2, ..geometry }, 4),
        of(ConvGeometry { groups: 2, stride: [2, 2], ..geometry }, 2),
        of(ConvGeometry::POINTWISE, 5),
        of(ConvGeometry { kernel: [4, 4], ..ConvGeometry::POINTWISE }, 5),
    ]
}

#[test]
fn the_quick_comparison_passes_what_is_right_and_nothing_else() {
    for program in windows() {
        for fold in [Fold::Parallel, Fold::Rows(3)] {
            let layout = arranged(&program, fold);
            for (quick, terms) in quick(&program, layout.clone(), |_| {}) {
                assert_eq!(quick, Some(terms), "{:?}", program.nodes[1]);
            }
            let columns: Vec<_> = (0..layout.params().weights).map(FixedColumn::Weight).collect();
            let changed = columns.iter().flat_map(|&column| {
                let cells = layout.skeleton().fixed.get(&column).map_or(0, |cells| cells.len());
                (0..cells).map(move |row| (column, row))
            });
            for (column, row) in changed.filter(|&(column, row)| layout.skeleton().fixed(column, row) != 0) {
                let said = quick(&program, layout.clone(), |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("it is there");
                    cells.set(row, cells.get(row) + 1);
                });
                assert!(said.iter().any(|(quick, _)| quick.is_none()), "{column:?} {row}");
            }
        }
    }
}

#[test]
fn a_step_of_an_accumulator_left_out() {
    for column in [
        FixedColumn::IdentityStepChi,
        FixedColumn::IdentityStepRho,
        FixedColumn::IdentityAbsorb,
        FixedColumn::IdentityOuterStep,
        FixedColumn::IdentityOuterKeep,
        FixedColumn::PlaneStep,
        FixedColumn::PlaneRead,
        FixedColumn::WeightStep,
        FixedColumn::WeightAbsorb,
        FixedColumn::WeightOuterStep,
        FixedColumn::WeightOuterKeep,
    ] {
        every_cell_is_found(column, |_| 0);
    }
    cells_beside_elements_are_found(FixedColumn::IdentityLanesRho, |_| 0);
}

#[test]
fn products_that_are_read_otherwise() {
    let program = products();
    let report = audit(&program, &layout(&program)).expect("it is what the program says");
    assert_eq!(report.identities, 3);
    // On the first row of a plane the flag says nothing where the last lane alone holds an element.
    fn steps(layout: &Layout, row: usize) -> bool {
        layout.skeleton().fixed(FixedColumn::PlaneStep, row) == 1
    }
    cells_of_program_are_found(&program, FixedColumn::PlaneRho, |_| 0, steps);
    fn multiplies_planes(layout: &Layout, row: usize) -> bool {
        let operand = Cell::Advice(AdviceColumn::ScalarA, row as u32);
        let mut copies = layout.skeleton().copies.iter();
        copies.any(|&(from, to)| to == operand && matches!(from, Cell::Advice(AdviceColumn::Plane, _)))
    }
    cells_of_program_are_found(&program, FixedColumn::ScalarProduct, |_| 0, multiplies_planes);
    for column in [
        FixedColumn::PlaneRead,
        FixedColumn::PlaneStep,
        FixedColumn::IdentityStepChi,
        FixedColumn::IdentityAbsorb,
        FixedColumn::IdentityOuterStep,
    ] {
        cells_of_program_are_found(&program, column, |_| 0, |_, _| true);
    }
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        let rows = layout.skeleton().fixed[&FixedColumn::PlaneRho].len();
        let by_chi = |row: &usize| layout.skeleton().fixed(FixedColumn::PlaneRho, *row) == 0;
        for row in (0..rows).filter(|&row| steps(&layout, row)).filter(by_chi) {
            let found = verdict(&program, &layout, |skeleton| {
                skeleton.fixed.get_mut(&FixedColumn::PlaneRho).expect("it is there").set(row, 1);
            });
            assert!(found.is_err(), "row {row}, {fold:?}");
        }
    }
}

/// An operand of a product that is another element.
#[test]
fn products_of_other_elements() {
    let program = products();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        let operands = |&(_, to): &(Cell, Cell)| matches!(to, Cell::Advice(AdviceColumn::Value(_), _));
        let copied: Vec<_> = layout.skeleton().copies.iter().filter(|copy| operands(copy)).copied().collect();
        assert!(!copied.is_empty(), "{fold:?}: some vectors are copied");
        for pair in copied.windows(2) {
            let found = verdict(&program, &layout, |skeleton| {
                let copy = skeleton.copies.iter_mut().find(|copy| **copy == pair[0]).expect("it is there");
                copy.0 = pair[1].0;
            });
            assert!(matches!(found, Err(AuditError::Identity { .. })), "{fold:?}: {pair:?}: {found:?}");
        }
    }
}

#[test]
fn a_changed_form_of_an_accumulator() {
    for column in [FixedColumn::PreCoefficient, FixedColumn::HighCoefficient, FixedColumn::Constant] {
        cells_beside_elements_are_found(column, |cell| cell * 2);
    }
    for column in [FixedColumn::LowTag, FixedColumn::HighTag] {
        cells_beside_elements_are_found(column, |width| width + 1);
    }
}

#[test]
fn a_changed_table() {
    let program = program();
    let layout = layout(&program);
    let limb = layout.skeleton().fixed[&FixedColumn::TableTag(0)].iter().position(|tag| (1..32).contains(&tag));
    let row = limb.expect("there are limbs");
    let found = verdict(&program, &layout, |skeleton| {
        let keys = skeleton.fixed.get_mut(&FixedColumn::TableKey(0)).expect("every member has it");
        keys.set(row, keys.get(row) + (1 << 10));
    });
    assert!(matches!(found, Err(AuditError::Table { .. })), "{found:?}");
}

#[test]
fn switches_that_reach_beyond_their_region() {
    let program = program();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        let columns = FixedColumn::all(&layout.params());
        let mut tried = 0;
        for column in columns.into_iter().filter(|column| column.looks_ahead() || column.looks_back()) {
            let found = verdict(&program, &layout, |skeleton| {
                let cells = skeleton.fixed.get_mut(&column).expect("the column is there");
                cells.set(if column.looks_ahead() { cells.len() - 1 } else { 0 }, 1);
            });
            assert_eq!(found, Err(AuditError::Border { column }), "{fold:?}");
            tried += 1;
        }
        assert!(tried > 5, "{fold:?}");
    }
}

/// What every other check takes for granted.
#[test]
fn a_frame_that_is_another() {
    for program in [program(), hashed()] {
        for fold in FOLDS {
            let layout = arranged(&program, fold);
            let refused = |what: &str, change: &dyn Fn(&mut Skeleton)| {
                let found = verdict(&program, &layout, change);
                assert!(matches!(found, Err(AuditError::Frame { .. })), "{fold:?}, {what}: {found:?}");
            };
            let marks = [
                FixedColumn::Active,
                FixedColumn::UnitSelector,
                FixedColumn::OtherSelector,
                FixedColumn::IsTable,
                FixedColumn::IsWeight,
                FixedColumn::SumStep,
                FixedColumn::SumEnd,
            ];
            for mark in marks.into_iter().filter(|mark| layout.skeleton().fixed.contains_key(mark)) {
                refused(&format!("{mark:?} changed"), &|skeleton| {
                    let cells = skeleton.fixed.get_mut(&mark).expect("the column is there");
                    cells.set(cells.len() - 1, 1 - cells.get(cells.len() - 1));
                });
            }
            refused("a member without a column that is used", &|skeleton| {
                let planes = skeleton.params.reads_planes();
                skeleton.params.optional = Default::default();
                if planes {
                    skeleton.params.optional.insert(FixedColumn::PlaneRead.optional_bit().expect("it is optional"));
                }
            });
            for column in [FixedColumn::ScalarOperand, FixedColumn::ScalarConstant] {
                refused(&format!("{column:?} in row 0"), &|skeleton| {
                    skeleton.fixed.get_mut(&column).expect("the column is there").set(0, 1);
                });
            }
        }
    }
}

/// Everything that expands identities takes a switch for 0 or 1.
#[test]
fn switches_that_are_none() {
    for program in [program(), products()] {
        for fold in FOLDS {
            let layout = arranged(&program, fold);
            let skeleton = layout.skeleton();
            for group in super::frame::SWITCHES {
                let there: Vec<_> =
                    group.iter().copied().filter(|column| skeleton.fixed.contains_key(column)).collect();
                for &column in &there {
                    let row = skeleton.fixed[&column].iter().position(|cell| cell == 1).expect("it is on somewhere");
                    let refused = |change: &dyn Fn(&mut Skeleton)| {
                        let found = verdict(&program, &layout, change);
                        assert!(matches!(found, Err(AuditError::Frame { .. })), "{fold:?}, {column:?}: {found:?}");
                    };
                    refused(&|skeleton| skeleton.fixed.get_mut(&column).expect("it is there").set(row, 2));
                    for other in there.iter().copied().filter(|&other| other != column) {
                        refused(&|skeleton| skeleton.fixed.get_mut(&other).expect("it is there").set(row, 1));
                    }
                }
            }
        }
    }
}

/// An operand that is no copy is for the prover to choose.
#[test]
fn operands_that_are_no_copies() {
    let program = program();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        for row in (0..layout.statistics().rows.scalars as u32).step_by(7) {
            for column in [AdviceColumn::ScalarA, AdviceColumn::ScalarB] {
                let found = verdict(&program, &layout, |skeleton| {
                    skeleton.copies.retain(|&(_, to)| to != Cell::Advice(column, row));
                });
                assert!(matches!(found, Err(AuditError::Frame { .. })), "{fold:?}, {column:?} {row}: {found:?}");
            }
        }
    }
}

#[test]
fn an_element_that_is_not_looked_up() {
    let program = program();
    let layout = layout(&program);
    for place in layout.homes[1].iter() {
        for column in [FixedColumn::LimbSwitch(place.lane), FixedColumn::ValueSwitch(place.lane)] {
            let found = verdict(&program, &layout, |skeleton| {
                skeleton.fixed.get_mut(&column).expect("every member has it").set(place.row as usize, 0);
            });
            assert!(found.is_err(), "{column:?} at {place:?}");
        }
    }
}

#[test]
fn sides_that_are_not_tied() {
    let program = program();
    let layout = layout(&program);
    for identity in layout.identities.iter() {
        let found = verdict(&program, &layout, |skeleton| {
            skeleton.copies.retain(|&(_, to)| {
                !matches!(to, Cell::Advice(column, row) if row == identity.left
                    && column == AdviceColumn::identity_result(&layout.params()))
            });
        });
        assert!(found.is_err(), "{identity:?}");
    }
}

/// A program that shows its input by a digest: `x` of two words, and its maximum.
fn hashed() -> Program {
    let port = |name: &str, tensor, shape: &[usize], visibility| Port {
        name: name.into(),
        tensor: TensorId(tensor),
        shape: shape.to_vec(),
        scale: 1.0,
        kind: PortKind::Real,
        visibility,
    };
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    Program {
        name: "hashed".into(),
        source_digest: [0; 32],
        options: Default::default(),
        private_weights: Default::default(),
        tables: Vec::new(),
        nodes: vec![node(Op::Input { lo: -9, hi: 100 }, &[2, 20]), node(Op::Max { input: TensorId(0) }, &[2])],
        inputs: vec![port("x", 0, &[2, 20], Visibility::Hashed)],
        outputs: vec![port("y", 1, &[2], Visibility::Public)],
    }
}

#[test]
fn a_changed_hash() {
    let program = hashed();
    let layout = layout(&program);
    assert_eq!(audit(&program, &layout).expect("it is what the program says").words, 2);
    let skeleton = layout.skeleton();
    assert_eq!(skeleton.elements.len(), 4);
    let cells = skeleton.elements.iter().flat_map(|(&column, cells)| cells.keys().map(move |&row| (column, row)));
    for (column, row) in cells.step_by(7) {
        let found = verdict(&program, &layout, |skeleton| {
            let cell = skeleton.elements.get_mut(&column).and_then(|cells| cells.get_mut(&row));
            *cell.expect("it is there") += halo2_proofs::halo2curves::bn256::Fr::from(1);
        });
        assert!(matches!(found, Err(AuditError::Word { .. })), "{column:?} {row}: {found:?}");
    }
}

#[test]
fn a_changed_packing() {
    let program = hashed();
    let layout = layout(&program);
    let skeleton = layout.skeleton();
    for column in [FixedColumn::ScalarPrevious, FixedColumn::ScalarOperand, FixedColumn::ScalarConstant] {
        let filled = |row: &usize| skeleton.fixed(column, *row) != 0;
        for row in (0..layout.statistics().rows.scalars).filter(filled) {
            let found = verdict(&program, &layout, |skeleton| {
                skeleton.fixed.get_mut(&column).expect("it is there").set(row, 3);
            });
            assert!(matches!(found, Err(AuditError::Word { .. })), "{column:?} {row}: {found:?}");
        }
    }
}

#[test]
fn an_element_outside_the_scalar_unit() {
    let program = hashed();
    let layout = layout(&program);
    let found = verdict(&program, &layout, |skeleton| {
        let one = halo2_proofs::halo2curves::bn256::Fr::from(1);
        skeleton.elements.entry(FixedColumn::Constant).or_default().insert(0, one);
    });
    assert!(matches!(found, Err(AuditError::Element { row: 0 })), "{found:?}");
}

/// The cells of a committed port are copies of its elements, each of its own, and of nothing else.
#[test]
fn a_changed_committed_port() {
    let mut program = program();
    program.inputs[0].visibility = Visibility::Committed;
    program.outputs[0].visibility = Visibility::Committed;
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        let copies = &layout.skeleton().copies;
        let ports = || (0..).zip(copies).filter(|(_, (_, to))| matches!(to, Cell::Advice(AdviceColumn::Port(_), _)));
        assert_eq!(ports().count(), 32 + 5);
        let all: Vec<usize> = ports().map(|(index, _)| index).collect();
        for &index in all.iter().step_by(5) {
            let other = if index == all[0] { all[1] } else { all[0] };
            let left_out = verdict(&program, &layout, |skeleton| {
                skeleton.copies.remove(index);
            });
            assert!(matches!(left_out, Err(AuditError::Word { .. })), "{left_out:?}");
            let of_another = verdict(&program, &layout, |skeleton| {
                skeleton.copies[index].0 = skeleton.copies[other].0;
            });
            assert!(matches!(of_another, Err(AuditError::Word { .. })), "{of_another:?}");
            let twice = verdict(&program, &layout, |skeleton| {
                skeleton.copies.push((skeleton.copies[other].0, skeleton.copies[index].1));
            });
            assert!(matches!(twice, Err(AuditError::Word { .. })), "{twice:?}");
            let read = verdict(&program, &layout, |skeleton| {
                let home = skeleton.copies[other].0;
                skeleton.copies.push((skeleton.copies[index].1, home));
            });
            assert!(matches!(read, Err(AuditError::Frame { .. })), "{read:?}");
        }
        let behind = verdict(&program, &layout, |skeleton| {
            let (home, _) = skeleton.copies[all[0]];
            skeleton.copies.push((home, Cell::Advice(AdviceColumn::Port(0), 40)));
        });
        assert!(matches!(behind, Err(AuditError::Frame { .. })), "{behind:?}");
    }
}

/// A grouped convolution and a dense layer, the weights of both private.
fn private_weights() -> Program {
    let mut program = products();
    if let Op::Conv { geometry, weights, .. } = &mut program.nodes[1].op {
        geometry.groups = 2;
        *weights = (0..8).map(|i: i32| i * 5 % 7 - 3).collect();
    }
    program.with_private_weights().expect("no number is too large")
}

#[test]
fn private_weights_that_are_read_otherwise() {
    for (program, columns) in [
        (private_weights(), &[FixedColumn::WeightSingle, FixedColumn::WeightSingleStep][..]),
        (
            program().with_private_weights().expect("they can be"),
            &[FixedColumn::WeightPrivate, FixedColumn::WeightStep],
        ),
    ] {
        for fold in FOLDS {
            let options = LayoutOptions { units: Some(2), weights: Some(3), fold: Some(fold), ..Default::default() };
            let layout = compile(&program, &options).expect("the program has a layout");
            for &column in columns {
                let cells = &layout.skeleton().fixed[&column];
                let on: Vec<_> = (0..cells.len()).filter(|&row| cells.get(row) != 0).collect();
                assert!(!on.is_empty(), "{column:?} is used");
                for row in on {
                    let found = verdict(&program, &layout, |skeleton| {
                        skeleton.fixed.get_mut(&column).expect("it is there").set(row, 0);
                    });
                    assert!(found.is_err(), "{column:?} in row {row}, {fold:?}");
                }
            }
        }
    }
}

/// What a weight's cell holds is the layout's word, but no cell holds two of them, and no two cells one.
#[test]
fn private_weights_in_other_cells() {
    let program = program().with_private_weights().expect("they can be");
    let layout = layout(&program);
    audit(&program, &layout).expect("it is what the program says");
    let strips = layout.private_weights.len();
    for (a, b) in [(0, 1), (1, 2), (0, strips - 1)] {
        let mut changed = layout.clone();
        Arc::make_mut(&mut changed.private_weights).exchange(a, b);
        assert!(matches!(audit(&program, &changed), Err(AuditError::Identity { .. })), "{a} and {b}");
        let mut changed = layout.clone();
        Arc::make_mut(&mut changed.private_weights).repeat(a, b);
        assert!(matches!(audit(&program, &changed), Err(AuditError::Frame { .. })), "{a} twice");
    }
}

/// Two rows of a matrix of three, each in two images.
fn gathered() -> Program {
    let mut program = program();
    let entries = (0..27).map(|i| i * 53 % 201 - 100).collect();
    let node = |op, shape: &[usize]| Node { name: "node".into(), op, shape: shape.to_vec(), scale: 1.0 };
    program.nodes =
        vec![node(Op::Input { lo: 0, hi: 2 }, &[2]), node(Op::Gather { input: TensorId(0), entries }, &[2, 9])];
    program.tables.clear();
    program.inputs[0].shape = vec![2];
    program.outputs[0].tensor = TensorId(1);
    program.outputs[0].shape = vec![2, 9];
    program
}

#[test]
fn rows_of_another_matrix() {
    let program = gathered();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        assert_eq!(audit(&program, &layout).map(|_| ()), Ok(()));
        let plan = layout.gathers[0].plan;
        let skeleton = layout.skeleton();
        let tag = |row: usize| skeleton.fixed(FixedColumn::TableTag(0), row);
        for row in (0..layout.statistics().rows.tables).filter(|&row| tag(row) == plan.tag) {
            for column in [FixedColumn::TableKey(0), FixedColumn::TableImage(0)] {
                let found = verdict(&program, &layout, |skeleton| {
                    let cells = skeleton.fixed.get_mut(&column).expect("it is there");
                    cells.set(row, cells.get(row) + 100);
                });
                assert!(matches!(found, Err(AuditError::Gather { .. } | AuditError::Table { .. })), "{row}: {found:?}");
            }
        }
    }
}

#[test]
fn gathered_rows_of_other_elements() {
    let program = gathered();
    let layout = layout(&program);
    let skeleton = layout.skeleton();
    let key = layout.gathers[0].keys[1];
    let copied = |&(_, to): &(Cell, Cell)| to == key.pre() || to == key.value();
    let indices: Vec<usize> = (0..).zip(&skeleton.copies).filter(|(_, copy)| copied(copy)).map(|(i, _)| i).collect();
    assert_eq!(indices.len(), 2);
    for index in indices {
        let found = verdict(&program, &layout, |skeleton| {
            skeleton.copies[index].0 = skeleton.copies.iter().find(|copy| !copied(copy)).expect("there are others").0;
        });
        assert!(found.is_err(), "a copy of another cell: {found:?}");
        let found = verdict(&program, &layout, |skeleton| {
            skeleton.copies.remove(index);
        });
        assert!(found.is_err(), "a copy left out: {found:?}");
    }
}

/// A dense layer and a product of it by its input that leave a clamp of a thousand entries, and a sum of two that doesn't.
fn clamped() -> Program {
    let mut program = program();
    let clamp = Table::new("clamp", -1000, (-1000..=999).collect()).expect("not empty");
    let requantize = Some(Requantize { shift: 3, table: TableId(0) });
    let dense = Op::Conv {
        input: TensorId(0),
        geometry: ConvGeometry::POINTWISE,
        weights: (0..9).map(|i| i * 37 % 23 * 3 - 31).collect(),
        bias: vec![5, -9, 30].into(),
        requantize,
    };
    let operands = [TensorId(0), TensorId(1)];
    let node = |op| Node { name: "node".into(), op, shape: vec![3, 1, 1], scale: 1.0 };
    program.nodes = vec![
        node(Op::Input { lo: -400, hi: 399 }),
        node(dense),
        node(Op::Product { operands, requantize }),
        node(Op::Affine { operands: [TensorId(1), TensorId(2)], factors: [1, 2], constant: 0, requantize }),
    ];
    program.tables = vec![clamp];
    program.inputs[0].shape = vec![3, 1, 1];
    program.outputs[0].tensor = TensorId(3);
    program.outputs[0].shape = vec![3, 1, 1];
    program
}

/// Every shared cell of a clamp's rows, each a little larger; and those of its lanes turned.
#[test]
fn a_changed_row_of_a_clamp() {
    use FixedColumn::{
        Constant, HighCoefficient, HighTag, LowCoefficient, LowTag, NextPreCoefficient, NextValueCoefficient,
        Pointwise, PreCoefficient, Saturate, SaturateHigh, SaturateLow,
    };
    let program = clamped();
    for fold in FOLDS {
        let layout = arranged(&program, fold);
        assert_eq!(audit(&program, &layout).map(|_| ()), Ok(()));
        assert_eq!(layout.clamps.values().map(|laid| laid.clamp.saturates).collect::<Vec<_>>(), [true, true, false]);
        for (tensor, laid) in layout.clamps.iter() {
            let place = layout.homes[tensor.0 as usize][1];
            let rows = place.row..place.row + laid.block.stride;
            // The operands of the row above have no form.
            let operands = |row: u32| row == place.row + 1 && !laid.clamp.saturates;
            for row in rows.filter(|&row| !operands(row)) {
                let columns = [
                    Constant,
                    PreCoefficient,
                    LowCoefficient,
                    HighCoefficient,
                    NextValueCoefficient,
                    NextPreCoefficient,
                    Pointwise,
                    LowTag,
                    HighTag,
                    Saturate,
                    SaturateLow,
                    SaturateHigh,
                ];
                // What the operator's own row has besides is for its identity, or its gate, to say.
                let own = |column: &FixedColumn| {
                    row == place.row && [Constant, NextValueCoefficient, NextPreCoefficient, Pointwise].contains(column)
                };
                let is_end = |column: &FixedColumn| [SaturateLow, SaturateHigh].contains(column);
                let read = |column: &FixedColumn| {
                    !own(column)
                        && !(is_end(column) && (row != place.row || !laid.clamp.saturates))
                        // Overflows are no limbs, whatever their tags.
                        && !([LowTag, HighTag].contains(column) && row == place.row + 1 && laid.clamp.saturates)
                };
                for column in columns.into_iter().filter(read) {
                    let found = verdict(&program, &layout, |skeleton| {
                        let cells = skeleton.fixed.get_mut(&column).expect("every column of a clamp is there");
                        cells.set(row as usize, cells.get(row as usize) + 1);
                    });
                    assert!(found.is_err(), "{column:?} of row {} of {tensor:?}, {fold:?}", row - place.row);
                }
                let switch = FixedColumn::LimbSwitch(place.lane);
                let found = verdict(&program, &layout, |skeleton| {
                    skeleton.fixed.get_mut(&switch).expect("every member has it").set(row as usize, 0);
                });
                let is_overflow = laid.clamp.saturates && row == place.row + 1;
                assert_eq!(found.is_err(), !is_overflow, "the limbs of row {}, {fold:?}", row - place.row);
            }
        }
    }
}

/// Chains that tell results apart no longer, elements that are tied to another range, and a clamp that nothing is said of.
#[test]
fn a_clamp_that_does_not_show_its_results() {
    let program = clamped();
    let layout = layout(&program);
    let changed = |change: &dyn Fn(&mut crate::layout::clamp::LaidClamp)| {
        let mut changed = layout.clone();
        Arc::make_mut(&mut changed.clamps).values_mut().for_each(change);
        audit(&program, &changed).map(|_| ())
    };
    assert_eq!(changed(&|_| {}), Ok(()));
    assert!(changed(&|laid| laid.clamp.gap += 1).is_err());
    let narrow = changed(&|laid| laid.clamp.gap -= u32::from(laid.clamp.saturates));
    assert!(
        matches!(narrow, Err(AuditError::Clamp { what: "its chains do not tell its results apart", .. })),
        "{narrow:?}"
    );
    assert!(changed(&|laid| laid.clamp.below += 1).is_err());
    assert!(changed(&|laid| laid.clamp.hi += 1).is_err());
    assert!(changed(&|laid| laid.first += 1).is_err());
    assert!(changed(&|laid| laid.clamp.saturates = false).is_err());
    let mut unknown = layout.clone();
    Arc::make_mut(&mut unknown.clamps).clear();
    assert!(audit(&program, &unknown).is_err());
    for laid in layout.clamps.values() {
        let within = laid.block.first..laid.block.row(laid.block.logical, 0);
        let ties = |copy: &(Cell, Cell)| match copy {
            (Cell::Advice(AdviceColumn::Pre(_), from), Cell::Advice(_, to)) => {
                within.contains(from) && within.contains(to)
            }
            _ => false,
        };
        let copies: Vec<usize> =
            (0..).zip(&layout.skeleton().copies).filter(|(_, copy)| ties(copy)).map(|(i, _)| i).collect();
        assert!(copies.len() >= if laid.clamp.saturates { 9 } else { 6 });
        for copy in copies {
            let found = verdict(&program, &layout, |skeleton| {
                skeleton.copies.remove(copy);
            });
            assert!(found.is_err(), "{:?} left out", layout.skeleton().copies[copy]);
        }
    }
}

/// Clamps whose table is none, and clamps of private weights, are not for limbs to show.
#[test]
fn a_clamp_that_needs_its_table() {
    let program = clamped();
    let layout = layout(&program);
    let columns = Columns::new(layout.skeleton());
    let found = |program: &Program| super::clamps::audit(program, &layout, &columns).map(|_| ());
    assert_eq!(found(&program), Ok(()));
    let mut other = program.clone();
    let table = &program.tables[0];
    let mut values = table.values().to_vec();
    let inside = values.len() / 2;
    values[inside] -= 1;
    other.tables[0] = Table::new(table.name(), table.lo(), values).expect("it is not empty");
    assert!(
        matches!(found(&other), Err(AuditError::Clamp { what: "its function is no clamp", .. })),
        "{:?}",
        found(&other)
    );
    let mut private = program.clone();
    let declaration = WeightDeclaration { weight_bits: 16, bias_bits: 16, accumulator_bits: 32, shared_with: None };
    private.private_weights.insert(TensorId(1), declaration);
    assert!(matches!(found(&private), Err(AuditError::Frame { .. })), "{:?}", found(&private));
}
