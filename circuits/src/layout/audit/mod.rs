//! The compiler's own check of its layout: a symbolic run of the machine, from the fixed cells and copies alone.
//!
//! Ten things are established for every program, independently of the code that laid it out:
//!
//! 1. **Frame** ([`AuditError::Frame`]): the fixed columns are those of the member, the marks of rows follow from the regions,
//!    switches are 0 or 1, an accumulator has one step in a row, tags of limbs are widths of limbs, and every operand of the scalar unit is one
//!    copy of a cell that does not come later.
//! 2. **Tables** ([`AuditError::Table`]): tag 0 holds `(0, 0)` alone, limb tags hold exactly `0 … 2^w − 1`, and tags of functions, of
//!    ranges of inputs and of what operators look up besides hold these functions' images, and no keys beyond their domains.
//! 3. **Borders** ([`AuditError::Border`]): on the first row of a region nothing takes up the row before, and on the last
//!    one nothing reads the next.
//! 4. **Lanes** ([`AuditError::Lane`]): every cell that something reads is pinned: by a lookup, a copy, a gate, or a
//!    monomial of its own in one identity; every element's limbs, and its function, are looked up.
//! 5. **Identities** ([`AuditError::Identity`]): both sides of each identity are expanded as polynomials in `χ` and `ρ` whose
//!    coefficients are forms in elements: linear, or bilinear where matrices of elements are multiplied. The monomials of the left side are pairwise distinct, the right
//!    side has no others, and at the monomial of each element stands the form that the program's operator asks for. Forms
//!    are compared at a random point (see `audit::identities`); all else is exact.
//! 6. **Words** ([`AuditError::Word`]): run on random values of elements and salts, the scalar unit gives the instance words
//!    that the interface says: packed values, and salted digests of packed values. Fixed cells that are no small integers
//!    are in the scalar unit alone.
//! 7. **Committed ports** ([`AuditError::Word`]): every element of one has its cell in the port's columns, a copy of its home, and
//!    nothing is copied from there.
//! 8. **Gathered rows** ([`AuditError::Gather`]): every element of one is looked up in the range of the entries, every group of a row
//!    as the key and the image that the operator asks for, and the table holds the matrix.
//! 9. **Clamps without a table** ([`AuditError::Clamp`]): the rows of each have the forms that show its results to be in range, its
//!    elements are tied to them, and chains and gap are wide enough for the ends and arguments that the program has.
//! 10. **Rows of operators** ([`AuditError::Rows`]): all operators that are no identities, and inputs of wide ranges, have the rows of forms and
//!     range chains that show their results, cell by cell; so have requantizations apart from their accumulators.
//!
//! Time is proportional to the cells and to the multiply-accumulates of the program, memory to the cells.

mod clamps;
mod columns;
mod forms;
mod frame;
mod functions;
mod gathers;
mod identities;
mod lanes;
mod pointwise;
mod residue;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use thiserror::Error;

use self::columns::Columns;
use self::identities::Identities;
use self::lanes::Lanes;
use super::rows::Place;
use super::tables::{GatherPlan, ZERO_TAG};
use super::Layout;
use crate::graph::{Program, TensorId};
use crate::machine::{FixedColumn, Region, Skeleton};

/// A layout that does not say what its program says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditError {
    /// A machine that is not what everything else relies on.
    #[error("it does not hold that {what}")]
    Frame {
        /// What should hold.
        what: &'static str,
    },
    /// A table that is not what its tag promises.
    #[error("table {tag} is not the function that its tag stands for")]
    Table {
        /// The tag.
        tag: i64,
    },
    /// A cell that is read and that nothing pins.
    #[error("the {column} cell of lane {lane} in row {row} is read but not pinned")]
    Lane {
        /// Which cell of the unit.
        column: &'static str,
        /// The lane.
        lane: u32,
        /// The row.
        row: u32,
    },
    /// A switch that is on where it would reach beyond its region.
    #[error("{column:?} is on at the border of its region")]
    Border {
        /// The switch.
        column: FixedColumn,
    },
    /// An identity that is not the operator's.
    #[error("node {node:?}: {what}")]
    Identity {
        /// The node.
        node: String,
        /// What differs.
        what: &'static str,
    },
    /// Rows of a matrix that are not the operator's.
    #[error("node {node:?}: {what}")]
    Gather {
        /// The node.
        node: String,
        /// What differs.
        what: &'static str,
    },
    /// Rows of a clamp without a table that do not show its results.
    #[error("node {node:?}: {what}")]
    Clamp {
        /// The node.
        node: String,
        /// What differs.
        what: &'static str,
    },
    /// Rows of an operator that do not show its results.
    #[error("node {node:?}: {what}")]
    Rows {
        /// The node.
        node: String,
        /// What differs.
        what: &'static str,
    },
    /// A fixed cell outside the scalar unit that is no small integer, or one that is both.
    #[error("a fixed cell in row {row} is no small integer where only such are read")]
    Element {
        /// The row.
        row: usize,
    },
    /// An instance word that is not the one of its port.
    #[error("port {port:?}: {what}")]
    Word {
        /// The port.
        port: String,
        /// What differs.
        what: &'static str,
    },
}

/// What was established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Identities expanded.
    pub identities: usize,
    /// Monomials compared.
    pub monomials: usize,
    /// Terms of right sides, which is the number of multiply-accumulates including borders.
    pub terms: usize,
    /// Cells that something reads.
    pub read_cells: usize,
    /// Instance words computed.
    pub words: usize,
}

/// Checks a layout against its program.
///
/// # Errors
/// The first thing found that is not as it should be; a correct compiler never produces one.
pub fn audit(program: &Program, layout: &Layout) -> Result<AuditReport, AuditError> {
    let mut report = AuditReport::default();
    audit_tables(layout.skeleton())?;
    audit_borders(layout.skeleton())?;
    words::audit_elements(layout.skeleton())?;
    frame::audit(layout.skeleton())?;
    let columns = Columns::new(layout.skeleton());
    let clamps = clamps::audit(program, layout, &columns)?;
    report.read_cells = Lanes::new(layout.skeleton(), &columns, &clamps).audit()?;
    let identities = Identities::new(program, layout, &columns, &clamps);
    identities.audit_homes()?;
    identities.audit(&mut report)?;
    let run = words::Run::new(&identities);
    report.words = words::audit(&run)?;
    words::audit_ports(&run)?;
    gathers::audit(&run)?;
    forms::audit(&run)?;
    Ok(report)
}

/// Nothing on the last row of a region reads the next row, and nothing on the first one takes up the row before.
fn audit_borders(skeleton: &Skeleton) -> Result<(), AuditError> {
    for (&column, cells) in skeleton.fixed.iter().filter(|(_, cells)| !cells.is_empty()) {
        let elements = skeleton.elements.get(&column);
        let on = |row: usize| cells.get(row) != 0 || elements.is_some_and(|cells| cells.contains_key(&row));
        if column.looks_ahead() && on(cells.len() - 1) || column.looks_back() && on(0) {
            return Err(AuditError::Border { column });
        }
    }
    Ok(())
}

/// The entries of all tables, each by its key, image and tag.
fn table_entries(skeleton: &Skeleton) -> impl Iterator<Item = [i64; 3]> + '_ {
    (0..skeleton.params.tables).flat_map(move |table| {
        let columns = [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)];
        (0..skeleton.regions.rows(Region::Tables)).map(move |row| columns.map(|column| skeleton.fixed(column, row)))
    })
}

fn audit_tables(skeleton: &Skeleton) -> Result<(), AuditError> {
    let mut entries: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    for [key, image, tag] in table_entries(skeleton) {
        if *entries.entry(tag).or_default().entry(key).or_insert(image) != image {
            return Err(AuditError::Table { tag });
        }
    }
    for (&tag, entries) in &entries {
        let limb = |width: i64| entries.iter().map(|(&k, &v)| (k, v)).eq((0..1i64 << width).map(|v| (v, 0)));
        if (ZERO_TAG..32).contains(&tag) && !limb(tag) {
            return Err(AuditError::Table { tag });
        }
    }
    Ok(())
}

/// An identity of a layout, for the audit.
#[derive(Clone, Debug)]
pub(super) struct LaidIdentity {
    pub(super) tensor: TensorId,
    /// Where the exact accumulators are, if they are requantized elsewhere.
    pub(super) accumulators: Option<Vec<Place>>,
    pub(super) left: u32,
    pub(super) right: u32,
}

/// Where the groups of gathered rows are looked up, for the audit.
#[derive(Clone, Debug)]
pub(super) struct LaidGather {
    pub(super) tensor: TensorId,
    /// Group by group, row by row.
    pub(super) keys: Vec<Place>,
    pub(super) plan: GatherPlan,
}
