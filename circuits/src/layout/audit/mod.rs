//! The compiler's own check of its layout: an exact symbolic run of the machine, from the fixed cells and copies alone.
//!
//! Three things are established for every program, independently of the code that laid it out:
//!
//! 1. **Tables** ([`AuditError::Table`]): tag 0 holds `(0, 0)` alone, limb tags hold exactly `0 … 2^w − 1`, and every
//!    function's tag holds one image per key.
//! 2. **Lanes** ([`AuditError::Lane`]): every cell that something reads is pinned: by a lookup, a copy, a gate, or a
//!    monomial of its own in one identity; every element's limbs, and its function, are looked up.
//! 3. **Identities** ([`AuditError::Identity`]): both sides of each linear identity are expanded as polynomials in `χ` and
//!    `ρ` whose coefficients are linear forms in cells. The monomials of the left side are pairwise distinct, the right side
//!    has no others, and at the monomial of each element stands the very form that the program's operator asks for.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use thiserror::Error;

use super::origin::{origins, Origin};
use super::rows::Place;
use super::tables::{function_of, ZERO_TAG};
use super::Layout;
use crate::graph::{Op, Program, TensorId};
use crate::machine::{AdviceColumn, Cell, FixedColumn, Skeleton};

/// A layout that does not say what its program says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditError {
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
    /// An identity that is not the operator's.
    #[error("node {node:?}: {what}")]
    Identity {
        /// The node.
        node: String,
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
}

/// Checks a layout against its program.
///
/// # Errors
/// The first thing found that is not as it should be; a correct compiler never produces one.
pub fn audit(program: &Program, layout: &Layout) -> Result<AuditReport, AuditError> {
    let mut report = AuditReport::default();
    audit_tables(layout.skeleton())?;
    report.read_cells = Lanes::new(layout.skeleton()).audit()?;
    let mut run = SymbolicRun::new(program, layout);
    run.audit_homes()?;
    for identity in layout.identities.iter() {
        run.audit(identity, &mut report)?;
    }
    Ok(report)
}

fn audit_tables(skeleton: &Skeleton) -> Result<(), AuditError> {
    let mut entries: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    for table in 0..skeleton.params.tables {
        for row in 0..skeleton.params.usable_rows() {
            let [key, image, tag] =
                [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)]
                    .map(|column| skeleton.fixed(column, row));
            if *entries.entry(tag).or_default().entry(key).or_insert(image) != image {
                return Err(AuditError::Table { tag });
            }
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

/// Which of the four cells of a unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnitCell {
    Value,
    Pre,
    Low,
    High,
}

/// Lane accounting.
struct Lanes<'a> {
    skeleton: &'a Skeleton,
    copied_to: HashSet<Cell>,
    copied_from: HashSet<Cell>,
    identity_rows: Vec<bool>,
}

impl<'a> Lanes<'a> {
    fn new(skeleton: &'a Skeleton) -> Self {
        Self {
            skeleton,
            copied_to: skeleton.copies.iter().map(|&(_, to)| to).collect(),
            copied_from: skeleton.copies.iter().map(|&(from, _)| from).collect(),
            identity_rows: identity_rows(skeleton),
        }
    }

    fn fixed(&self, column: FixedColumn, row: u32) -> i64 {
        self.skeleton.fixed(column, row as usize)
    }

    fn above(&self, column: FixedColumn, row: u32) -> bool {
        row > 0 && self.fixed(column, row - 1) != 0
    }

    /// Whether the row's linear form is forced, by an identity or to zero.
    fn form_holds(&self, row: u32) -> bool {
        self.identity_rows[row as usize] || self.fixed(FixedColumn::Pointwise, row) != 0
    }

    fn audit(&self) -> Result<usize, AuditError> {
        let mut read_cells = 0;
        for row in 0..self.skeleton.params.usable_rows() as u32 {
            for lane in 0..self.skeleton.params.units {
                for (cell, column) in [
                    (UnitCell::Value, "value"),
                    (UnitCell::Pre, "pre"),
                    (UnitCell::Low, "low"),
                    (UnitCell::High, "high"),
                ] {
                    if self.is_read(cell, lane, row) {
                        read_cells += 1;
                        if !self.is_pinned(cell, lane, row) {
                            return Err(AuditError::Lane { column, lane, row });
                        }
                    }
                }
            }
        }
        Ok(read_cells)
    }

    fn is_read(&self, cell: UnitCell, lane: u32, row: u32) -> bool {
        let form = |column| self.form_holds(row) && self.fixed(column, row) != 0;
        let form_above = |column| row > 0 && self.form_holds(row - 1) && self.above(column, row);
        let chain = self.fixed(FixedColumn::Maximum, row) != 0 || self.above(FixedColumn::ArgMaximum, row);
        match cell {
            UnitCell::Value => {
                self.copied_from.contains(&Cell::Advice(AdviceColumn::Value(lane), row))
                    || self.fixed(FixedColumn::PlaneRead, row) != 0
                    || form(FixedColumn::ValueCoefficient)
                    || form_above(FixedColumn::NextValueCoefficient)
                    || self.above(FixedColumn::Product, row)
                    || self.above(FixedColumn::Maximum, row)
                    || chain
            }
            UnitCell::Pre => {
                self.copied_from.contains(&Cell::Advice(AdviceColumn::Pre(lane), row))
                    || form(FixedColumn::PreCoefficient)
                    || form_above(FixedColumn::NextPreCoefficient)
                    || self.above(FixedColumn::Product, row)
                    || chain
            }
            UnitCell::Low => form(FixedColumn::LowCoefficient) || self.above(FixedColumn::Saturate, row) || chain,
            UnitCell::High => {
                form(FixedColumn::HighCoefficient)
                    || self.above(FixedColumn::Saturate, row)
                    || self.fixed(FixedColumn::Maximum, row) != 0
            }
        }
    }

    fn is_pinned(&self, cell: UnitCell, lane: u32, row: u32) -> bool {
        let looked_up = self.fixed(FixedColumn::ValueSwitch(lane), row) != 0;
        let limbs = self.fixed(FixedColumn::LimbSwitch(lane), row) != 0;
        let pointwise = self.fixed(FixedColumn::Pointwise, row) != 0;
        match cell {
            UnitCell::Value => {
                looked_up
                    || self.copied_to.contains(&Cell::Advice(AdviceColumn::Value(lane), row))
                    || (self.form_holds(row) && self.fixed(FixedColumn::ValueCoefficient, row) != 0)
                    || self.fixed(FixedColumn::Maximum, row) != 0
                    || self.above(FixedColumn::ArgMaximum, row)
                    // The quotient of a reciprocal: tied by the product above, ranged through its copy.
                    || (self.above(FixedColumn::Product, row)
                        && self.above(FixedColumn::PreCoefficient, row)
                        && self.copied_from.contains(&Cell::Advice(AdviceColumn::Value(lane), row)))
            }
            UnitCell::Pre => {
                looked_up
                    || self.copied_to.contains(&Cell::Advice(AdviceColumn::Pre(lane), row))
                    || (pointwise && self.fixed(FixedColumn::PreCoefficient, row).abs() == 1)
            }
            // A cell that is no limb is free: then the row is read by one identity, in a monomial of its own (checked
            // there), or its form or the arg-max gate determines it.
            UnitCell::Low => {
                limbs
                    || self.form_holds(row) && self.fixed(FixedColumn::LowCoefficient, row) != 0
                    || self.fixed(FixedColumn::ArgMaximum, row) != 0
            }
            UnitCell::High => limbs || self.border(lane, row),
        }
    }

    /// A border lane's `high`: it is zero in honest witnesses, and only shifts the free `low` beside it.
    fn border(&self, lane: u32, row: u32) -> bool {
        self.fixed(FixedColumn::ValueSwitch(lane), row) != 0
            && self.fixed(FixedColumn::ValueTag(lane), row) == ZERO_TAG
            && self.form_holds(row)
            && self.fixed(FixedColumn::Maximum, row) == 0
            && !self.above(FixedColumn::Saturate, row)
    }
}

/// Rows whose linear forms an identity reads: those from which the identity reader's accumulators lead to a checked result.
fn identity_rows(skeleton: &Skeleton) -> Vec<bool> {
    let result = AdviceColumn::identity_result(&skeleton.params);
    let mut rows = vec![false; skeleton.params.usable_rows()];
    for (from, to) in &skeleton.copies {
        for cell in [from, to] {
            if let Cell::Advice(column, row) = *cell {
                if column == result {
                    for (row, ..) in (LeftSide { skeleton }).rows(row) {
                        rows[row as usize] = true;
                    }
                }
            }
        }
    }
    rows
}

/// A monomial `χ^i·ρ^j`.
type Monomial = (u64, u64);

/// A constant plus a linear form in `value` cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Form {
    constant: i128,
    cells: Vec<((u32, u32), i128)>,
}

/// A constant plus a linear form in elements of tensors, without zeros.
type ElementForm = (i128, BTreeMap<(TensorId, u32), i128>);

/// A polynomial in `χ` and `ρ`.
type Polynomial = HashMap<Monomial, Form>;

fn constant(value: i128) -> Polynomial {
    HashMap::from([((0, 0), Form { constant: value, cells: Vec::new() })])
}

fn add_scaled(sum: &mut Polynomial, other: &Polynomial, factor: i128, shift: Monomial) {
    for (&(chi, rho), form) in other {
        let entry = sum.entry((chi + shift.0, rho + shift.1)).or_default();
        entry.constant += form.constant * factor;
        entry.cells.extend(form.cells.iter().map(|&(cell, coefficient)| (cell, coefficient * factor)));
    }
}

/// `sum += a·b·factor`, where at most one of the two has cells.
fn add_product(sum: &mut Polynomial, a: &Polynomial, b: &Polynomial, factor: i128) {
    let (cells, constants) = if b.values().any(|form| !form.cells.is_empty()) { (b, a) } else { (a, b) };
    for (&shift, form) in constants {
        if form.constant != 0 {
            add_scaled(sum, cells, form.constant * factor, shift);
        }
    }
}

/// The left side of an identity, read off the identity reader's fixed columns.
struct LeftSide<'a> {
    skeleton: &'a Skeleton,
}

impl LeftSide<'_> {
    fn on(&self, column: FixedColumn, row: u32) -> bool {
        self.skeleton.fixed(column, row as usize) != 0
    }

    /// `(row, exponent of χ, exponent of ρ)` of every row that leads to the result in `row`.
    fn rows(&self, row: u32) -> Vec<(u32, u64, u64)> {
        let mut rows = Vec::new();
        if !self.skeleton.params.reads_planes() {
            self.inner(row, 0, &mut rows);
            return rows;
        }
        let (mut row, mut outer) = (row, 0);
        loop {
            if self.on(FixedColumn::IdentityAbsorb, row) {
                self.inner(row, outer, &mut rows);
            }
            if self.on(FixedColumn::IdentityOuterStep, row) {
                outer += 1;
            } else if !self.on(FixedColumn::IdentityOuterKeep, row) {
                return rows;
            }
            row -= 1;
        }
    }

    fn inner(&self, mut row: u32, outer: u64, rows: &mut Vec<(u32, u64, u64)>) {
        let units = u64::from(self.skeleton.params.units);
        let (mut chi, mut rho) = (0, outer);
        loop {
            rows.push((row, chi, rho));
            if self.on(FixedColumn::IdentityStepChi, row) {
                chi += units;
            } else if self.on(FixedColumn::IdentityStepRho, row) {
                rho += units;
            } else if !self.on(FixedColumn::IdentityKeep, row) {
                return;
            }
            row -= 1;
        }
    }
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

struct SymbolicRun<'a> {
    program: &'a Program,
    layout: &'a Layout,
    skeleton: &'a Skeleton,
    /// Where a copied cell comes from.
    sources: HashMap<Cell, Cell>,
    /// Which element has its home in a place.
    elements: HashMap<(u32, u32), Origin>,
    origins: Vec<Option<std::sync::Arc<[Origin]>>>,
    scalars: HashMap<u32, Rc<Polynomial>>,
}

impl<'a> SymbolicRun<'a> {
    fn new(program: &'a Program, layout: &'a Layout) -> Self {
        let skeleton: &Skeleton = layout.skeleton();
        let mut elements = HashMap::new();
        for (tensor, places) in (0..).map(TensorId).zip(layout.homes.iter()) {
            for (index, &Place { row, lane }) in (0..).zip(places) {
                elements.insert((row, lane), Origin { tensor, index });
            }
        }
        Self {
            program,
            layout,
            skeleton,
            sources: skeleton.copies.iter().map(|&(from, to)| (to, from)).collect(),
            elements,
            origins: origins(program),
            scalars: HashMap::new(),
        }
    }

    fn on(&self, column: FixedColumn, row: u32) -> i64 {
        self.skeleton.fixed(column, row as usize)
    }

    fn audit(&mut self, identity: &LaidIdentity, report: &mut AuditReport) -> Result<(), AuditError> {
        let node = self.program.node(identity.tensor);
        let refuse = |what| Err(AuditError::Identity { node: node.name.clone(), what });
        let (left, right) = (
            Cell::Advice(AdviceColumn::identity_result(&self.skeleton.params), identity.left),
            Cell::Advice(AdviceColumn::ScalarC, identity.right),
        );
        if self.sources.get(&left) != Some(&right) {
            return refuse("the two sides of its identity are not tied");
        }
        let right = self.scalar(identity.right);
        let homes = self.expected(identity);
        let mut monomials = HashSet::new();
        let mut elements = 0;
        for (row, chi, rho) in (LeftSide { skeleton: self.skeleton }).rows(identity.left) {
            if !self.has_form(row) {
                continue;
            }
            for lane in 0..self.skeleton.params.units {
                let power = u64::from(self.skeleton.params.units - 1 - lane);
                let monomial = match self.on(FixedColumn::IdentityLanesRho, row) {
                    0 => (chi + power, rho),
                    _ => (chi, rho + power),
                };
                if !monomials.insert(monomial) {
                    return refuse("two cells of its left side share a monomial");
                }
                match homes.get(&(row, lane)) {
                    Some(index) => {
                        elements += 1;
                        let found = right.get(&monomial).cloned().unwrap_or_default();
                        if self.canonical(&found) != Some(self.form_of(identity.tensor, *index)) {
                            return refuse("its right side is not the operator's linear form");
                        }
                        if !self.finishes(identity, row, lane) {
                            return refuse("its left side does not requantize as the operator does");
                        }
                    }
                    None if !self.is_border(row, lane) => {
                        return refuse("a cell of its left side is neither an element nor a border");
                    }
                    None => {}
                }
            }
        }
        if elements != homes.len() {
            return refuse("its left side misses an element");
        }
        if right.iter().any(|(monomial, form)| !monomials.contains(monomial) && *form != Form::default()) {
            return refuse("its right side has a monomial that its left side lacks");
        }
        report.identities += 1;
        report.monomials += monomials.len();
        report.terms += right.values().map(|form| form.cells.len()).sum::<usize>();
        Ok(())
    }

    /// Every element's limbs are looked up, so its remainder is ranged; and every element with a function is looked up in
    /// that function's table.
    fn audit_homes(&self) -> Result<(), AuditError> {
        for (tensor, places) in (0..).map(TensorId).zip(self.layout.homes.iter()) {
            let function = function_of(&self.program.node(tensor).op);
            for &Place { row, lane } in places {
                let ranged = self.on(FixedColumn::LimbSwitch(lane), row) == 1;
                let looked_up = function.is_none()
                    || self.on(FixedColumn::ValueSwitch(lane), row) == 1 && self.tag_is_function(tensor, row, lane);
                if !(ranged && looked_up) {
                    return Err(AuditError::Lane { column: "value", lane, row });
                }
            }
        }
        Ok(())
    }

    /// Rows with operands of the row above have no form of their own.
    fn has_form(&self, row: u32) -> bool {
        [FixedColumn::ValueCoefficient, FixedColumn::PreCoefficient, FixedColumn::LowCoefficient]
            .into_iter()
            .any(|column| self.on(column, row) != 0)
    }

    fn expected(&self, identity: &LaidIdentity) -> HashMap<(u32, u32), usize> {
        let places = identity.accumulators.as_ref().unwrap_or(&self.layout.homes[identity.tensor.0 as usize]);
        places.iter().enumerate().map(|(index, place)| ((place.row, place.lane), index)).collect()
    }

    /// A free cell: its `value` and `pre` are pinned to zero, its `low` is no limb, and no other gate reads the lane.
    fn is_border(&self, row: u32, lane: u32) -> bool {
        self.on(FixedColumn::ValueSwitch(lane), row) == 1
            && self.on(FixedColumn::ValueTag(lane), row) == ZERO_TAG
            && self.on(FixedColumn::LimbSwitch(lane), row) == 0
            && self.on(FixedColumn::LowCoefficient, row) == 1
            && self.on(FixedColumn::Pointwise, row) == 0
            && self.on(FixedColumn::Maximum, row) == 0
            && self.on(FixedColumn::ArgMaximum, row) == 0
            && (row == 0 || self.on(FixedColumn::Saturate, row - 1) == 0)
    }

    /// Whether the lane's left side is the operator's accumulator: exact, or shifted with limbs of the right widths.
    fn finishes(&self, identity: &LaidIdentity, row: u32, lane: u32) -> bool {
        let tensor = identity.tensor;
        let on = |column| self.on(column, row);
        let limbs = on(FixedColumn::LimbSwitch(lane)) == 1;
        let plain = on(FixedColumn::NextValueCoefficient) == 0 && on(FixedColumn::NextPreCoefficient) == 0;
        let low_width = on(FixedColumn::LowTag);
        let widths = low_width + on(FixedColumn::HighTag);
        let requantize = match &self.program.node(tensor).op {
            Op::Conv { requantize, .. } if identity.accumulators.is_none() => *requantize,
            _ => None,
        };
        match requantize {
            None => {
                limbs
                    && plain
                    && widths == 0
                    && on(FixedColumn::ValueCoefficient) == 1
                    && on(FixedColumn::PreCoefficient) == 0
                    && on(FixedColumn::Constant) == 0
                    && on(FixedColumn::Saturate) == 0
            }
            Some(requantize) => {
                let half = if requantize.shift == 0 { 0 } else { 1i64 << (requantize.shift - 1) };
                limbs
                    && plain
                    && widths == i64::from(requantize.shift)
                    && on(FixedColumn::ValueCoefficient) == 0
                    && on(FixedColumn::PreCoefficient) == 1 << requantize.shift
                    && on(FixedColumn::LowCoefficient) == 1
                    && on(FixedColumn::HighCoefficient) == 1 << low_width
                    && on(FixedColumn::Constant) == -half
                    && on(FixedColumn::ValueSwitch(lane)) == 1
                    && self.tag_is_function(tensor, row, lane)
            }
        }
    }

    /// Whether a lane's table is the operator's function, saturating where the gadget does not.
    fn tag_is_function(&self, tensor: TensorId, row: u32, lane: u32) -> bool {
        let tag = self.on(FixedColumn::ValueTag(lane), row);
        let function = function_of(&self.program.node(tensor).op);
        let known = function.and_then(|table| self.layout.function_tags.get(&table));
        let Some(&(expected, lo, hi)) = known else { return false };
        let saturates = self.on(FixedColumn::Saturate, row) != 0;
        let ends = (self.on(FixedColumn::SaturateLow, row), self.on(FixedColumn::SaturateHigh, row));
        tag == expected && (!saturates || ends == (lo, hi))
    }

    /// A form in terms of elements, without zeros; `None` if it has a cell that is neither an element nor pinned to zero.
    fn canonical(&self, form: &Form) -> Option<ElementForm> {
        let mut elements = BTreeMap::new();
        for &((row, lane), coefficient) in &form.cells {
            let mut cell = Cell::Advice(AdviceColumn::Value(lane), row);
            while let Some(&source) = self.sources.get(&cell) {
                cell = source;
            }
            let Cell::Advice(AdviceColumn::Value(lane), row) = cell else { return None };
            match self.elements.get(&(row, lane)) {
                Some(origin) => *elements.entry((origin.tensor, origin.index)).or_insert(0) += coefficient,
                None if self.is_zero(row, lane) => {}
                None => return None,
            }
        }
        elements.retain(|_, coefficient| *coefficient != 0);
        Some((form.constant, elements))
    }

    /// Whether the `value` of a lane is looked up in the ZERO table.
    fn is_zero(&self, row: u32, lane: u32) -> bool {
        self.on(FixedColumn::ValueSwitch(lane), row) == 1 && self.on(FixedColumn::ValueTag(lane), row) == ZERO_TAG
    }

    /// The linear form of an element, from the operator's definition.
    fn form_of(&self, tensor: TensorId, index: usize) -> ElementForm {
        let node = self.program.node(tensor);
        let Op::Conv { input, geometry, weights, bias, .. } = &node.op else {
            return (0, BTreeMap::new());
        };
        let shape = &self.program.node(*input).shape;
        let [height, width] = [shape[1], shape[2]];
        let per_group = shape[0] / geometry.groups as usize;
        let outputs_per_group = bias.len() / geometry.groups as usize;
        let (out_height, out_width) = (node.shape[1], node.shape[2]);
        let (o, y, x) = (index / (out_height * out_width), index / out_width % out_height, index % out_width);
        let [kernel_height, kernel_width] = geometry.kernel.map(|k| k as usize);
        let mut elements = BTreeMap::new();
        for c in 0..per_group {
            for tap in 0..kernel_height * kernel_width {
                let (ky, kx) = (tap / kernel_width, tap % kernel_width);
                let at = |axis: usize, out: usize, k: usize| {
                    (out * geometry.stride[axis] as usize + k * geometry.dilation[axis] as usize)
                        .checked_sub(geometry.padding[axis] as usize)
                };
                let (Some(row), Some(column)) = (at(0, y, ky), at(1, x, kx)) else { continue };
                if row >= height || column >= width {
                    continue;
                }
                let weight = weights[(o * per_group + c) * kernel_height * kernel_width + tap];
                let channel = o / outputs_per_group * per_group + c;
                let flat = (channel * height + row) * width + column;
                let origin = match &self.origins[input.0 as usize] {
                    Some(origins) => origins[flat],
                    None => Origin { tensor: *input, index: flat as u32 },
                };
                if !origin.is_zero() {
                    *elements.entry((origin.tensor, origin.index)).or_insert(0) += i128::from(weight);
                }
            }
        }
        elements.retain(|_, coefficient| *coefficient != 0);
        (bias[o].into(), elements)
    }

    /// The result of a row of the scalar unit.
    fn scalar(&mut self, row: u32) -> Rc<Polynomial> {
        if let Some(known) = self.scalars.get(&row) {
            return Rc::clone(known);
        }
        let mut first = row;
        while [FixedColumn::ScalarPrevious, FixedColumn::ScalarRho, FixedColumn::ScalarChi]
            .into_iter()
            .any(|column| self.on(column, first) != 0)
        {
            first -= 1;
        }
        let mut sum = Polynomial::new();
        for row in first..=row {
            sum = self.scalar_row(row, sum);
        }
        let result = Rc::new(sum);
        // Chains of products are used once; only what is small is worth keeping.
        if result.len() <= 64 {
            self.scalars.insert(row, Rc::clone(&result));
        }
        result
    }

    fn scalar_row(&mut self, row: u32, previous: Polynomial) -> Polynomial {
        let [keep, rho, chi] =
            [FixedColumn::ScalarPrevious, FixedColumn::ScalarRho, FixedColumn::ScalarChi].map(|c| self.on(c, row));
        let mut sum = match (keep, rho, chi) {
            (1, 0, 0) => previous,
            _ => {
                let mut sum = Polynomial::new();
                for (factor, shift) in [(keep, (0, 0)), (rho, (0, 1)), (chi, (1, 0))] {
                    if factor != 0 {
                        add_scaled(&mut sum, &previous, factor.into(), shift);
                    }
                }
                sum
            }
        };
        let (product, operand) = (self.on(FixedColumn::ScalarProduct, row), self.on(FixedColumn::ScalarOperand, row));
        if product != 0 || operand != 0 {
            let a = self.operand(AdviceColumn::ScalarA, row);
            if product != 0 {
                let b = self.operand(AdviceColumn::ScalarB, row);
                add_product(&mut sum, &a, &b, product.into());
            }
            if operand != 0 {
                add_scaled(&mut sum, &a, operand.into(), (0, 0));
            }
        }
        let added = self.on(FixedColumn::ScalarConstant, row);
        if added != 0 {
            add_scaled(&mut sum, &constant(added.into()), 1, (0, 0));
        }
        sum
    }

    fn operand(&mut self, column: AdviceColumn, row: u32) -> Rc<Polynomial> {
        let params = self.skeleton.params;
        match self.sources.get(&Cell::Advice(column, row)) {
            Some(&Cell::Advice(AdviceColumn::ScalarC, row)) => self.scalar(row),
            Some(&Cell::Advice(AdviceColumn::Value(lane), row)) => {
                Rc::new(HashMap::from([((0, 0), Form { constant: 0, cells: vec![((row, lane), 1)] })]))
            }
            Some(&Cell::Advice(AdviceColumn::Plane, row)) => Rc::new(self.plane(row)),
            Some(&Cell::Advice(column, row)) if column == AdviceColumn::weight_result(&params) => {
                Rc::new(self.weights(row))
            }
            _ => Rc::new(Polynomial::new()),
        }
    }

    fn plane(&self, mut row: u32) -> Polynomial {
        let units = self.skeleton.params.units;
        let mut polynomial = Polynomial::new();
        let mut exponent = 0;
        loop {
            if self.on(FixedColumn::PlaneRead, row) != 0 {
                for lane in 0..units {
                    let monomial = (exponent + u64::from(units - 1 - lane), 0);
                    polynomial.entry(monomial).or_default().cells.push(((row, lane), 1));
                }
            }
            if self.on(FixedColumn::PlaneStep, row) != 0 {
                exponent += u64::from(units);
            } else if self.on(FixedColumn::PlaneKeep, row) == 0 {
                return polynomial;
            }
            row -= 1;
        }
    }

    fn weights(&self, mut row: u32) -> Polynomial {
        let mut polynomial = Polynomial::new();
        if !self.skeleton.params.reads_planes() {
            self.bracket(row, 0, &mut polynomial);
            return polynomial;
        }
        let mut chi = 0;
        loop {
            if self.on(FixedColumn::WeightAbsorb, row) != 0 {
                self.bracket(row, chi, &mut polynomial);
            }
            if self.on(FixedColumn::WeightOuterStep, row) != 0 {
                chi += 1;
            } else if self.on(FixedColumn::WeightOuterKeep, row) == 0 {
                return polynomial;
            }
            row -= 1;
        }
    }

    fn bracket(&self, mut row: u32, chi: u64, polynomial: &mut Polynomial) {
        let lanes = self.skeleton.params.weights;
        let mut rho = 0;
        loop {
            for lane in 0..lanes {
                let weight = self.on(FixedColumn::Weight(lane), row);
                if weight != 0 {
                    polynomial.entry((chi, rho + u64::from(lanes - 1 - lane))).or_default().constant +=
                        i128::from(weight);
                }
            }
            if self.on(FixedColumn::WeightStep, row) == 0 {
                return;
            }
            rho += u64::from(lanes);
            row -= 1;
        }
    }
}
