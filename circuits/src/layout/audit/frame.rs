//! The frame of a machine: what does not depend on the program, and is read as if it were so.
//!
//! Everything else that is audited speaks of logical columns, rows of regions and operands. Here it is checked that these are
//! what the constraint system has: the columns of the member, each as long as its regions; the marks of the regions; and for
//! every operand of the scalar unit one copy, of a cell that does not come later. Row 0 of the unit is the machine's zero.
//! Switches are 0 or 1, an accumulator has one step in a row, and limbs are looked up under widths of limbs.

use super::super::tables::MAX_LIMB;
use super::AuditError;
use crate::machine::{AdviceColumn, Cell, FixedColumn, Region, Skeleton};

/// The columns with the coefficients of the scalar unit, but for those that take up the row before: these are off on the first
/// row as all such columns are.
const COEFFICIENTS: [FixedColumn; 3] =
    [FixedColumn::ScalarProduct, FixedColumn::ScalarOperand, FixedColumn::ScalarConstant];

/// Switches; of those that stand together at most one is on in a row.
pub(super) const SWITCHES: [&[FixedColumn]; 15] = [
    &[FixedColumn::IdentityStepChi, FixedColumn::IdentityStepRho, FixedColumn::IdentityKeep],
    &[FixedColumn::IdentityLanesRho],
    &[FixedColumn::IdentityOuterKeep, FixedColumn::IdentityOuterStep],
    &[FixedColumn::IdentityAbsorb],
    &[FixedColumn::PlaneStep, FixedColumn::PlaneKeep],
    &[FixedColumn::PlaneRead],
    &[FixedColumn::PlaneRho],
    &[FixedColumn::WeightStep, FixedColumn::WeightSingleStep],
    &[FixedColumn::WeightPrivate, FixedColumn::WeightSingle],
    &[FixedColumn::WeightOuterKeep, FixedColumn::WeightOuterStep],
    &[FixedColumn::WeightAbsorb],
    &[FixedColumn::Pointwise],
    &[FixedColumn::Maximum],
    &[FixedColumn::ArgMaximum],
    &[FixedColumn::Saturate],
];

/// Checks the frame.
///
/// # Errors
/// The first thing that is otherwise.
pub(super) fn audit(skeleton: &Skeleton) -> Result<(), AuditError> {
    audit_columns(skeleton)?;
    audit_marks(skeleton)?;
    audit_switches(skeleton)?;
    audit_limbs(skeleton)?;
    audit_operands(skeleton)?;
    audit_zero(skeleton)
}

fn audit_columns(skeleton: &Skeleton) -> Result<(), AuditError> {
    let mut expected = FixedColumn::all(&skeleton.params);
    expected.sort_unstable();
    let of_member = skeleton.fixed.keys().eq(&expected);
    let long =
        skeleton.fixed.iter().all(|(column, cells)| cells.len() == skeleton.regions.rows_through(column.regions()));
    let elements = skeleton.elements.keys().all(|column| skeleton.fixed.contains_key(column));
    frame(of_member && long && elements, "the fixed columns are those of the member, each as long as its regions")
}

/// The columns have been found to be those of the member.
fn audit_marks(skeleton: &Skeleton) -> Result<(), AuditError> {
    let empty = Skeleton::new(skeleton.params, skeleton.regions);
    let follows = |mark: &FixedColumn| skeleton.fixed[mark] == empty.fixed[mark];
    let marks = FixedColumn::marks(&skeleton.params.arrangement);
    frame(marks.iter().all(follows), "the marks of rows follow from the regions")
}

fn audit_switches(skeleton: &Skeleton) -> Result<(), AuditError> {
    for group in SWITCHES {
        let columns: Vec<_> = group.iter().filter_map(|column| skeleton.fixed.get(column)).collect();
        let rows = columns.first().map_or(0, |cells| cells.len());
        let alone = |row: usize| {
            let cells = columns.iter().map(|column| column.get(row));
            cells.clone().all(|cell| cell == 0 || cell == 1) && cells.sum::<i64>() <= 1
        };
        frame((0..rows).all(alone), "switches are 0 or 1, and an accumulator has one step in a row")?;
    }
    Ok(())
}

/// Whatever `low` and `high` are looked up under are limbs.
fn audit_limbs(skeleton: &Skeleton) -> Result<(), AuditError> {
    let limbs = 0..=i64::from(MAX_LIMB);
    let tags = [FixedColumn::LowTag, FixedColumn::HighTag];
    let cells = tags.iter().filter_map(|tag| skeleton.fixed.get(tag)).flat_map(|cells| cells.iter());
    frame(cells.into_iter().all(|tag| limbs.contains(&tag)), "the tags of limbs are widths of limbs")
}

/// Two operands for every row, each copied once from what is known by then.
fn audit_operands(skeleton: &Skeleton) -> Result<(), AuditError> {
    let rows = skeleton.regions.rows(Region::Scalars);
    let mut copied = vec![[0u8; 2]; rows];
    for &(source, destination) in &skeleton.copies {
        let (which, row) = match destination {
            Cell::Advice(AdviceColumn::ScalarA, row) => (0, row),
            Cell::Advice(AdviceColumn::ScalarB, row) => (1, row),
            _ => continue,
        };
        let earlier = match source {
            Cell::Advice(AdviceColumn::ScalarC, 0) => true,
            Cell::Advice(AdviceColumn::ScalarA | AdviceColumn::ScalarB | AdviceColumn::ScalarC, from) => from < row,
            Cell::Advice(..) => true,
            Cell::Instance(_) => false,
        };
        frame(earlier && (row as usize) < rows, "operands are copies of earlier results")?;
        copied[row as usize][which] += 1;
    }
    frame(copied.iter().all(|&copies| copies == [1, 1]), "every operand is one copy")
}

fn audit_zero(skeleton: &Skeleton) -> Result<(), AuditError> {
    let zero = |column: &FixedColumn| {
        let element = skeleton.elements.get(column).is_some_and(|cells| cells.contains_key(&0));
        skeleton.fixed(*column, 0) == 0 && !element
    };
    frame(COEFFICIENTS.iter().all(zero), "row 0 of the scalar unit is zero")
}

fn frame(holds: bool, what: &'static str) -> Result<(), AuditError> {
    match holds {
        true => Ok(()),
        false => Err(AuditError::Frame { what }),
    }
}
