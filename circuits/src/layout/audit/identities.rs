//! Both sides of every identity, compared monomial by monomial.
//!
//! The right side is expanded as a polynomial in `χ` and `ρ`, exactly, whose coefficients are forms in elements: linear ones,
//! and bilinear ones of products of matrices. The forms themselves are not kept: an element stands as a random residue modulo
//! `2^61 − 1`, drawn anew for every audit, so a form is one residue, and so is the form that the operator asks for. Different
//! forms have equal residues with probability `2^-61`, bilinear ones `2^-60`. That takes one small product for each multiply-accumulate, and no memory for it.
//!
//! Convolutions with public weights are compared output by output, by a random combination of their positions, which takes one small
//! product for each weight. It passes what is right, and what is wrong with probability `2^-61`; what it does not pass is compared as above.
//!
//! A private weight stands as a random residue too, or as several where it has limbs; which cell holds which of them is the layout's
//! word, and no two cells may hold the same. What a bracket takes up besides is *loose*: anything may stand there. A term with a
//! loose factor may have a monomial that the left side lacks, where it must vanish, or that of a border, but none of an element.

mod expansion;
mod forms;
mod terms;

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::super::rows::Place;
use super::super::weights::Part;
use super::super::Layout;
use super::clamps::Clamps;
use super::columns::Columns;
use super::residue::{self, Randomness};
use super::{AuditError, AuditReport, LaidIdentity};
use crate::graph::{Op, Program, TensorId, LIMB_BITS};
use crate::machine::{AdviceColumn, Cell, FixedColumn, MachineParams, Region, Skeleton};
use crate::origin::{origins, Origin};
use expansion::Expansion;
use terms::{Coefficients, Collapsed, Term};

/// The left side of an identity, read off the identity reader's fixed columns.
pub(super) struct LeftSide<'a> {
    pub(super) params: MachineParams,
    pub(super) columns: &'a Columns<'a>,
}

impl LeftSide<'_> {
    fn on(&self, column: FixedColumn, row: u32) -> bool {
        self.columns.shared(column, row) != 0
    }

    /// `(row, exponent of χ, exponent of ρ)` of every row that leads to the result in `row`.
    pub(super) fn rows(&self, row: u32) -> Vec<(u32, u64, u64)> {
        let mut rows = Vec::new();
        if !self.params.reads_planes() {
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
        let units = u64::from(self.params.units);
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

/// Everything that the identities of a layout have in common.
pub(super) struct Identities<'a> {
    pub(super) program: &'a Program,
    pub(super) layout: &'a Layout,
    pub(super) skeleton: &'a Skeleton,
    pub(super) columns: &'a Columns<'a>,
    clamps: &'a Clamps,
    origins: Vec<Option<std::sync::Arc<[Origin]>>>,
    pub(super) randomness: Randomness,
    /// Per unit, row by row: the residue of its `value`.
    values: Vec<u64>,
    /// Per row of the scalar unit: what its operands are copied from.
    pub(super) operands: Vec<[Option<Cell>; 2]>,
    /// Per result of the identity reader: the row of the scalar unit that it is copied from.
    right_sides: HashMap<u32, u32>,
    /// What private weights stand as.
    weights: WeightResidues,
    /// The identities whose accumulators are requantized elsewhere, by their tensors.
    accumulators: HashMap<TensorId, usize>,
}

/// The random residues of private weights, limb by limb.
struct WeightResidues {
    randomness: Randomness,
    /// By row and lane of the cell.
    cells: HashMap<(u32, u32), u64>,
    /// Whether two cells would hold the same limb of the same weight, or one cell two.
    ambiguous: bool,
}

impl WeightResidues {
    fn new(layout: &Layout) -> Self {
        let mut residues = Self { randomness: Randomness::default(), cells: HashMap::new(), ambiguous: false };
        let mut seen = HashSet::new();
        for ((row, lane), strip, index) in layout.private_weights.cells() {
            let residue = residues.limb(strip.tensor, strip.part == Part::Bias, index, strip.limb);
            let taken = residues.cells.insert((row as u32, lane as u32), residue).is_some();
            residues.ambiguous |= taken || !seen.insert((strip.tensor, strip.part == Part::Bias, index, strip.limb));
        }
        residues
    }

    fn limb(&self, tensor: TensorId, is_bias: bool, index: usize, limb: u32) -> u64 {
        self.randomness.residue(tensor.0 << 3 | u32::from(is_bias) << 2 | limb, index as u32)
    }

    /// A weight or bias, `Σ limb_i·2^(16·i)`.
    fn value(&self, tensor: TensorId, is_bias: bool, index: usize, limbs: u32) -> u64 {
        let step = residue::of(1 << LIMB_BITS);
        (0..limbs)
            .rev()
            .fold(0, |sum, limb| residue::add(residue::multiply(sum, step), self.limb(tensor, is_bias, index, limb)))
    }
}

/// A `value` that is no element, no copy of one, and not zero.
const UNKNOWN: u64 = u64::MAX;
/// The kind of random residues that stand for unknown values.
const UNKNOWN_KIND: u32 = u32::MAX;
/// The kind of random residues that combine the positions of a convolution, by their powers of `χ`.
const POSITION_KIND: u32 = u32::MAX - 2;

impl<'a> Identities<'a> {
    pub(super) fn new(program: &'a Program, layout: &'a Layout, columns: &'a Columns<'a>, clamps: &'a Clamps) -> Self {
        let skeleton: &Skeleton = layout.skeleton();
        let mut operands = vec![[None; 2]; skeleton.regions.rows(Region::Scalars)];
        let mut right_sides = HashMap::new();
        let result = AdviceColumn::identity_result(&skeleton.params);
        for &(from, to) in &skeleton.copies {
            match (from, to) {
                (_, Cell::Advice(AdviceColumn::ScalarA, row)) => operands[row as usize][0] = Some(from),
                (_, Cell::Advice(AdviceColumn::ScalarB, row)) => operands[row as usize][1] = Some(from),
                (Cell::Advice(AdviceColumn::ScalarC, right), Cell::Advice(column, left)) if column == result => {
                    right_sides.insert(left, right);
                }
                _ => {}
            }
        }
        let origins = origins(program);
        let randomness = Randomness::default();
        let values = values(layout, columns, &randomness);
        let weights = WeightResidues::new(layout);
        let apart = |&(_, identity): &(usize, &LaidIdentity)| identity.accumulators.is_some();
        let accumulators = layout.identities.iter().enumerate().filter(apart);
        let accumulators = accumulators.map(|(index, identity)| (identity.tensor, index)).collect();
        Self {
            program,
            layout,
            skeleton,
            columns,
            clamps,
            origins,
            randomness,
            values,
            operands,
            right_sides,
            weights,
            accumulators,
        }
    }

    /// Compares the two sides of all identities.
    pub(super) fn audit(&self, report: &mut AuditReport) -> Result<(), AuditError> {
        if self.weights.ambiguous {
            return Err(AuditError::Frame { what: "every limb of a private weight has a cell of its own" });
        }
        let identities = self.layout.identities.par_iter();
        let reports: Vec<_> = identities.map(|identity| self.identity(identity)).collect();
        for found in reports {
            let found = found?;
            report.identities += 1;
            report.monomials += found.monomials;
            report.terms += found.terms;
        }
        Ok(())
    }

    /// Every element's limbs are looked up, so its remainder is ranged; and every element with a function is looked up in
    /// that function's table, or shown by a clamp.
    pub(super) fn audit_homes(&self) -> Result<(), AuditError> {
        for (tensor, places) in (0..).map(TensorId).zip(self.layout.homes.iter()) {
            let function = self.program.node(tensor).op.table();
            for &Place { row, lane } in places {
                let ranged = self.columns.limb_switch(lane, row) == 1;
                let looked_up = function.is_none()
                    || self.clamps.shows(row, lane)
                    || self.columns.value_switch(lane, row) == 1 && self.tag_is_function(tensor, row, lane);
                if !(ranged && looked_up) {
                    return Err(AuditError::Lane { column: "value", lane, row });
                }
            }
        }
        Ok(())
    }

    fn on(&self, column: FixedColumn, row: u32) -> i64 {
        self.columns.shared(column, row)
    }

    /// Whether the row of the scalar unit has coefficients that are no small integers.
    fn has_elements(&self, row: u32) -> bool {
        self.skeleton.elements.values().any(|cells| cells.contains_key(&(row as usize)))
    }

    fn identity(&self, identity: &LaidIdentity) -> Result<AuditReport, AuditError> {
        let refuse = |what| Err(AuditError::Identity { node: self.program.node(identity.tensor).name.clone(), what });
        if self.right_sides.get(&identity.left) != Some(&identity.right) {
            return refuse("the two sides of its identity are not tied");
        }
        let left = match self.left(identity) {
            Some(left) => left,
            None => {
                return refuse(
                    "the monomials of its left side are not all powers between the smallest and the largest ones",
                )
            }
        };
        let Left { rows, places, homes, .. } = &left;
        let (units, monomials) = (u64::from(self.skeleton.params.units), left.monomials());
        let mut right = left.coefficients();
        // What the quick comparison does not accept is for the exact one to judge.
        let agreed = self.agree(identity, &left);
        let expected = match agreed {
            Some(_) => Vec::new(),
            None => {
                right.sums = vec![0; monomials];
                self.expansion().add_scalar(identity.right, Term::ONE, &mut right);
                self.expected(identity.tensor)
            }
        };
        if right.outside {
            return refuse("its right side has a monomial that its left side lacks");
        }
        let mut seen = vec![false; monomials];
        let mut elements = 0;
        for left in rows {
            let (finishes, border) = (self.row_finishes(identity, left.row), self.row_of_borders(left.row));
            for lane in 0..units as u32 {
                let (chi, rho) = left.monomial(units - 1 - u64::from(lane));
                let slot = right.slot(chi, rho).expect("the box holds all monomials of the left side");
                if std::mem::replace(&mut seen[slot], true) {
                    return refuse("two cells of its left side share a monomial");
                }
                match homes.index(left.row, lane) {
                    Some(index) => {
                        elements += 1;
                        if agreed.is_none() && expected.get(index) != Some(&right.sums[slot]) {
                            return refuse("its right side is not the operator's form");
                        }
                        if !(finishes && self.lane_finishes(identity, left.row, lane)) {
                            return refuse("its left side does not requantize as the operator does");
                        }
                    }
                    None if !(border && self.is_border(left.row, lane)) => {
                        return refuse("a cell of its left side is neither an element nor a border");
                    }
                    None => {}
                }
            }
        }
        if elements != places.len() {
            return refuse("its left side misses an element");
        }
        Ok(AuditReport { monomials, terms: agreed.unwrap_or(right.terms), ..AuditReport::default() })
    }

    /// What the quick comparison says of each identity, and how many terms there are.
    #[cfg(test)]
    pub(super) fn quick(&self) -> Vec<(Option<usize>, usize)> {
        let terms = |identity: &LaidIdentity, left: &Left<'_>| {
            let mut right = left.coefficients();
            right.sums = vec![0; left.monomials()];
            self.expansion().add_scalar(identity.right, Term::ONE, &mut right);
            right.terms
        };
        let of_identity = |identity| {
            let left = self.left(identity).expect("the monomials are all powers");
            (self.agree(identity, &left), terms(identity, &left))
        };
        self.layout.identities.iter().map(of_identity).collect()
    }

    fn expansion(&self) -> Expansion<'_> {
        Expansion { identities: self, small: HashMap::new() }
    }

    /// The left side of an identity, where its monomials are as many as the powers between the smallest and the largest ones.
    fn left<'i>(&'i self, identity: &'i LaidIdentity) -> Option<Left<'i>> {
        let rows = self.left_rows(identity.left);
        let units = self.skeleton.params.units;
        let extent = |of: fn(&LeftRow, u64) -> u64| rows.iter().map(|row| of(row, units.into())).max().unwrap_or(0);
        // Both sides may have a power of `ρ` in common.
        let first_rho = rows.iter().map(|row| row.rho).min().unwrap_or(0);
        let (chi, rho) = (extent(LeftRow::chi_end), extent(LeftRow::rho_end) - first_rho);
        let places = identity.accumulators.as_ref().unwrap_or(&self.layout.homes[identity.tensor.0 as usize]);
        let homes = Homes::new(places, &rows, units);
        let left = Left { places, homes, chi, first_rho, rho, units, rows };
        (chi.checked_mul(rho) == Some(left.monomials() as u64)).then_some(left)
    }

    /// The number of terms of a convolution's right side, where a random combination of the positions says that for every output the
    /// coefficients are the forms that the operator asks for, and where no term lies elsewhere. A power of `χ` stands for a position
    /// there, and a power of `ρ` for an output. `None` says nothing.
    ///
    /// Coefficients that are others pass with probability `2^-61` for each output. That takes one product for each weight, not one
    /// for each multiply-accumulate.
    fn agree(&self, identity: &LaidIdentity, left: &Left<'_>) -> Option<usize> {
        let tensor = identity.tensor;
        let Op::Conv { input, geometry, weights, bias, .. } = &self.program.node(tensor).op else { return None };
        if self.program.private_weights_of(tensor).is_some() {
            return None;
        }
        let positions = self.program.node(tensor).shape[1..].iter().product::<usize>();
        let mut by_position = vec![None; positions];
        let mut by_output = vec![None; bias.len()];
        for row in &left.rows {
            for lane in 0..left.units {
                let Some(index) = left.homes.index(row.row, lane) else { continue };
                let (chi, rho) = row.monomial(u64::from(left.units - 1 - lane));
                let known = by_position.get_mut(index % positions)?.get_or_insert(chi) == &chi
                    && by_output.get_mut(index / positions)?.get_or_insert(rho) == &rho;
                if !known {
                    return None;
                }
            }
        }
        let mut right = Collapsed {
            random: vec![0; left.chi as usize],
            first_rho: left.first_rho,
            sums: vec![0; left.rho as usize],
            refused: false,
            terms: 0,
        };
        let of_position = |chi: Option<u64>| chi.map(|chi| (chi, self.randomness.residue(POSITION_KIND, chi as u32)));
        let by_position: Vec<_> = by_position.into_iter().map(of_position).collect::<Option<_>>()?;
        by_position.iter().for_each(|&(chi, random)| right.random[chi as usize] = random);
        self.expansion().add_scalar(identity.right, Term::ONE, &mut right);
        if right.refused {
            return None;
        }
        let random: Vec<u64> = by_position.into_iter().map(|(_, random)| random).collect();
        let expected = self.collapsed_conv(tensor, *input, geometry, weights, bias, &random);
        let same = by_output
            .into_iter()
            .zip(expected)
            .all(|(rho, expected)| rho.is_some_and(|rho| right.sums[(rho - right.first_rho) as usize] == expected));
        same.then_some(right.terms)
    }

    /// The rows of a left side that have a form.
    fn left_rows(&self, result: u32) -> Vec<LeftRow> {
        let rows = LeftSide { params: self.skeleton.params, columns: self.columns }.rows(result);
        let with_form = rows.into_iter().filter(|&(row, ..)| self.has_form(row));
        with_form
            .map(|(row, chi, rho)| {
                let by_rho = self.on(FixedColumn::IdentityLanesRho, row) != 0;
                LeftRow { row, chi, rho, by_rho }
            })
            .collect()
    }

    /// Rows with operands of the row above have no form of their own. One that a gate makes zero in every lane adds nothing.
    fn has_form(&self, row: u32) -> bool {
        let vanishes = self.on(FixedColumn::Pointwise, row) == 1 && self.on(FixedColumn::Product, row) == 0;
        !vanishes
            && [FixedColumn::ValueCoefficient, FixedColumn::PreCoefficient, FixedColumn::LowCoefficient]
                .into_iter()
                .any(|column| self.on(column, row) != 0)
    }

    /// A free cell: its `value` and `pre` are pinned to zero, its `low` is no limb, and no other gate reads the lane (see
    /// [`Identities::row_of_borders`]).
    fn is_border(&self, row: u32, lane: u32) -> bool {
        self.columns.is_zero(lane, row) && self.columns.limb_switch(lane, row) == 0
    }

    /// Whether the cells of a row can be free.
    fn row_of_borders(&self, row: u32) -> bool {
        self.on(FixedColumn::LowCoefficient, row) == 1
            && self.on(FixedColumn::Pointwise, row) == 0
            && self.on(FixedColumn::Maximum, row) == 0
            && self.on(FixedColumn::ArgMaximum, row) == 0
            && (row == 0 || self.on(FixedColumn::Saturate, row - 1) == 0)
    }

    /// Whether a row's left side is the operator's accumulator: exact, or shifted with limbs of the right widths.
    fn row_finishes(&self, identity: &LaidIdentity, row: u32) -> bool {
        let on = |column| self.on(column, row);
        let plain = on(FixedColumn::NextValueCoefficient) == 0 && on(FixedColumn::NextPreCoefficient) == 0;
        let low_width = on(FixedColumn::LowTag);
        let widths = low_width + on(FixedColumn::HighTag);
        match self.requantization(identity) {
            None => {
                plain
                    && widths == 0
                    && on(FixedColumn::ValueCoefficient) == 1
                    && on(FixedColumn::PreCoefficient) == 0
                    && on(FixedColumn::Constant) == 0
                    && on(FixedColumn::Saturate) == 0
            }
            Some(shift) => {
                let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
                plain
                    && widths == i64::from(shift)
                    && (0..=widths).contains(&low_width)
                    && on(FixedColumn::ValueCoefficient) == 0
                    && on(FixedColumn::PreCoefficient) == 1 << shift
                    && on(FixedColumn::LowCoefficient) == 1
                    && on(FixedColumn::HighCoefficient) == 1 << low_width
                    && on(FixedColumn::Constant) == -half
            }
        }
    }

    /// Whether a lane's limbs, and where it is requantized its function, are looked up.
    fn lane_finishes(&self, identity: &LaidIdentity, row: u32, lane: u32) -> bool {
        let looked_up =
            || self.columns.value_switch(lane, row) == 1 && self.tag_is_function(identity.tensor, row, lane);
        let requantized = || self.clamps.shows(row, lane) || looked_up();
        self.columns.limb_switch(lane, row) == 1 && (self.requantization(identity).is_none() || requantized())
    }

    /// The shift of an operator that is requantized where its accumulators are.
    fn requantization(&self, identity: &LaidIdentity) -> Option<u32> {
        match &self.program.node(identity.tensor).op {
            Op::Conv { requantize, .. } | Op::MatMul { requantize, .. } if identity.accumulators.is_none() => {
                requantize.map(|r| r.shift)
            }
            _ => None,
        }
    }

    /// Whether a lane's table is the operator's function, saturating where the gadget does not.
    fn tag_is_function(&self, tensor: TensorId, row: u32, lane: u32) -> bool {
        let tag = self.columns.value_tag(lane, row);
        let Some(id) = self.program.node(tensor).op.table() else { return false };
        let Some(&(expected, lo, hi)) = self.layout.function_tags.get(&id) else { return false };
        let saturates = self.on(FixedColumn::Saturate, row) != 0;
        let ends = (self.on(FixedColumn::SaturateLow, row), self.on(FixedColumn::SaturateHigh, row));
        // Beyond the function's own domain all arguments have one image.
        let table = self.program.table(id);
        let is_constant_beyond = lo <= table.lo() && table.hi() <= hi;
        tag == expected && (!saturates || ends == (lo, hi) && is_constant_beyond)
    }

    /// The residue of a `value`, where it is known.
    pub(super) fn known_value(&self, row: u32, lane: u32) -> Option<u64> {
        let value = self.values[(row * self.skeleton.params.units + lane) as usize];
        (value != UNKNOWN).then_some(value)
    }

    /// The residue of an element; zero for the constant 0.
    pub(super) fn element(&self, tensor: TensorId, index: usize) -> u64 {
        let origin = self.origin(tensor, index);
        match origin.is_zero() {
            true => 0,
            false => self.randomness.residue(origin.tensor.0, origin.index),
        }
    }

    /// Where the exact accumulators of an identity are that are requantized elsewhere.
    pub(super) fn accumulators(&self, tensor: TensorId) -> Option<&[Place]> {
        self.accumulators.get(&tensor).map(|&laid| self.layout.identities[laid].accumulators.as_deref())?
    }

    /// The cell that an element is copied from; for the constant 0 that of the scalar unit.
    pub(super) fn home(&self, tensor: TensorId, index: usize) -> Cell {
        let origin = self.origin(tensor, index);
        match origin.is_zero() {
            true => Cell::Advice(AdviceColumn::ScalarC, 0),
            false => self.layout.homes[origin.tensor.0 as usize][origin.index as usize].value(),
        }
    }

    fn origin(&self, tensor: TensorId, index: usize) -> Origin {
        match &self.origins[tensor.0 as usize] {
            Some(origins) => origins[index],
            None => Origin { tensor, index: index as u32 },
        }
    }
}

/// The residues of all `value` cells: elements at home, what is pinned to zero, and copies of either.
fn values(layout: &Layout, columns: &Columns<'_>, randomness: &Randomness) -> Vec<u64> {
    let skeleton = layout.skeleton();
    let units = skeleton.params.units;
    let slot = |row: u32, lane: u32| row as usize * units as usize + lane as usize;
    let mut values = vec![UNKNOWN; skeleton.regions.rows(Region::Units) * units as usize];
    for row in 0..skeleton.regions.rows(Region::Units) as u32 {
        for lane in 0..units {
            if columns.is_zero(lane, row) {
                values[slot(row, lane)] = 0;
            }
        }
    }
    let mut at_home = vec![false; values.len()];
    for (tensor, places) in (0..).zip(layout.homes.iter()) {
        for (index, &Place { row, lane }) in (0..).zip(places) {
            values[slot(row, lane)] = randomness.residue(tensor, index);
            at_home[slot(row, lane)] = true;
        }
    }
    // Sources come before their copies.
    for &(from, to) in &skeleton.copies {
        if let Cell::Advice(AdviceColumn::Value(lane), row) = to {
            if !at_home[slot(row, lane)] {
                values[slot(row, lane)] = match from {
                    Cell::Advice(AdviceColumn::Value(lane), row) => values[slot(row, lane)],
                    _ => UNKNOWN,
                };
            }
        }
    }
    values
}

/// The left side of an identity with its monomials: all `χ^i·ρ^(first_rho + j)` with `i < chi` and `j < rho`.
struct Left<'a> {
    rows: Vec<LeftRow>,
    units: u32,
    /// Where the accumulators of the elements are.
    places: &'a [Place],
    homes: Homes,
    chi: u64,
    first_rho: u64,
    rho: u64,
}

impl Left<'_> {
    fn monomials(&self) -> usize {
        self.rows.len() * self.units as usize
    }

    /// What terms with these monomials are added to.
    fn coefficients(&self) -> Coefficients {
        let &Self { chi, first_rho, rho, .. } = self;
        Coefficients { chi, first_rho, rho, sums: Vec::new(), outside: false, terms: 0 }
    }
}

/// A row of a left side and the monomial of its last lane.
struct LeftRow {
    row: u32,
    chi: u64,
    rho: u64,
    /// Whether the lanes are read with powers of `ρ`.
    by_rho: bool,
}

impl LeftRow {
    /// The monomial of the lane that is `power` before the last.
    fn monomial(&self, power: u64) -> (u64, u64) {
        match self.by_rho {
            true => (self.chi, self.rho + power),
            false => (self.chi + power, self.rho),
        }
    }

    fn chi_end(&self, units: u64) -> u64 {
        self.monomial(units - 1).0 + 1
    }

    fn rho_end(&self, units: u64) -> u64 {
        self.monomial(units - 1).1 + 1
    }
}

/// Which element has its accumulator in a place, over the rows of one identity.
struct Homes {
    first: u32,
    units: u32,
    indices: Vec<u32>,
}

impl Homes {
    const NONE: u32 = u32::MAX;

    fn new(places: &[Place], rows: &[LeftRow], units: u32) -> Self {
        let first = rows.iter().map(|row| row.row).min().unwrap_or(0);
        let last = rows.iter().map(|row| row.row).max().unwrap_or(0);
        let mut homes = Self { first, units, indices: vec![Self::NONE; ((last - first + 1) * units) as usize] };
        for (index, place) in (0..).zip(places) {
            if let Some(slot) = homes.slot(place.row, place.lane) {
                homes.indices[slot] = index;
            }
        }
        homes
    }

    fn slot(&self, row: u32, lane: u32) -> Option<usize> {
        let slot = row.checked_sub(self.first)? as usize * self.units as usize + lane as usize;
        (slot < self.indices.len()).then_some(slot)
    }

    fn index(&self, row: u32, lane: u32) -> Option<usize> {
        self.slot(row, lane).map(|slot| self.indices[slot]).filter(|&index| index != Self::NONE).map(|i| i as usize)
    }
}
