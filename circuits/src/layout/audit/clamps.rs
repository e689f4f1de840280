//! Clamps without a table (M-CLAMP): for each of their elements the rows that show its result to be in range.
//!
//! What is looked for follows from the program: ends, shift and arguments of a node. A laid clamp says where the rows lie and how the
//! joint range falls into chains; whether that is enough is judged here (docs/soundness.md, section 5).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::clamp::LaidClamp;
use super::super::rows::Place;
use super::super::Layout;
use super::columns::Columns;
use super::AuditError;
use crate::analysis::{self, Interval};
use crate::graph::{Program, Requantize, TableId, TensorId};
use crate::machine::{Cell, FixedColumn};

/// Bits of a limb, and of a row of a chain.
const LIMB: u32 = 8;
const ROW: u32 = 2 * LIMB;
/// Bits within which an equation of integers can't wrap around the field.
const ROOM: u32 = 200;

/// What has been found to be shown by a clamp.
#[derive(Default)]
pub(super) struct Clamps {
    /// Places of elements whose results are shown to be in range.
    elements: HashSet<Place>,
    /// Rows whose `low` and `high` are overflows.
    overflows: HashSet<u32>,
}

impl Clamps {
    /// Whether an element is shown to be what its function, a clamp, makes of its accumulator.
    pub(super) fn shows(&self, row: u32, lane: u32) -> bool {
        self.elements.contains(&Place { row, lane })
    }

    /// Whether the `low` and `high` of a row are overflows, which its form and the gates of the row above pin.
    pub(super) fn is_overflow(&self, row: u32) -> bool {
        self.overflows.contains(&row)
    }
}

/// What a node asks of its clamp.
struct Asked {
    shift: u32,
    ends: (i64, i64),
    /// Whether arguments may leave the domain of the function.
    saturates: bool,
    /// Bits of the ends and of the arguments.
    bits: u32,
    /// Bits of the ends.
    end_bits: u32,
    least: i64,
}

/// Checks all clamps without a table.
///
/// # Errors
/// The first whose rows do not show it.
pub(super) fn audit(program: &Program, layout: &Layout, columns: &Columns<'_>) -> Result<Clamps, AuditError> {
    let mut found = Clamps::default();
    if layout.clamps.is_empty() {
        return Ok(found);
    }
    if program.has_private_weights() {
        return Err(AuditError::Frame { what: "clamps have tables where weights are private" });
    }
    let ranges = analysis::ranges(program).map_err(|_| AuditError::Frame { what: "the ranges are known" })?;
    let copies = copies_within(layout);
    let mut known = HashMap::new();
    for (&tensor, laid) in layout.clamps.iter() {
        let refuse = |what| AuditError::Clamp { node: program.node(tensor).name.clone(), what };
        let argument = ranges[tensor.0 as usize].argument;
        let asked = argument.and_then(|argument| asked(program, tensor, argument, &mut known));
        let asked = asked.ok_or_else(|| refuse("its function is no clamp"))?;
        if !fits(&asked, laid) {
            return Err(refuse("its chains do not tell its results apart"));
        }
        let rows = Rows { columns, asked: &asked, laid };
        if !(0..laid.block.logical).all(|logical| rows.holds(laid.block.row(logical, 0))) {
            return Err(refuse("a row does not have the form that shows it"));
        }
        if laid.clamp.saturates {
            found.overflows.extend(laid.block.rows(1));
        }
        for &place in &layout.homes[tensor.0 as usize] {
            if !(rows.has(place) && rows.is_tied(place, &copies)) {
                return Err(refuse("an element is not tied to its range"));
            }
            found.elements.insert(place);
        }
    }
    Ok(found)
}

/// The sources of the copies to cells of blocks of clamps.
fn copies_within(layout: &Layout) -> HashMap<Cell, Vec<Cell>> {
    let blocks: BTreeMap<u32, u32> =
        layout.clamps.values().map(|laid| (laid.block.first, laid.block.row(laid.block.logical, 0))).collect();
    let within = |row: u32| blocks.range(..=row).next_back().is_some_and(|(_, &end)| row < end);
    let mut copies: HashMap<Cell, Vec<Cell>> = HashMap::new();
    for &(from, to) in &layout.skeleton().copies {
        if matches!(to, Cell::Advice(_, row) if within(row)) {
            copies.entry(to).or_default().push(from);
        }
    }
    copies
}

/// What a node asks, where its function is a clamp; `known` tells of which functions that has been seen, table by table.
fn asked(program: &Program, tensor: TensorId, argument: Interval, known: &mut HashMap<TableId, bool>) -> Option<Asked> {
    let op = &program.node(tensor).op;
    let Requantize { shift, table: id } = op.applies()?;
    let table = program.table(id);
    let (first, last) = (table.apply(table.lo()), table.apply(table.hi()));
    let is_clamp = *known
        .entry(id)
        .or_insert_with(|| first < last && (table.lo()..=table.hi()).all(|v| table.apply(v) == v.clamp(first, last)));
    let (least, largest) = (i64::try_from(argument.lo).ok()?, i64::try_from(argument.hi).ok()?);
    let bits = |numbers: &[i64]| {
        let largest = numbers.iter().map(|number| number.unsigned_abs()).max().unwrap_or(0);
        u64::BITS - largest.leading_zeros()
    };
    is_clamp.then_some(Asked {
        shift,
        ends: (first, last),
        saturates: least < first || last < largest,
        bits: bits(&[first, last, least, largest]),
        end_bits: bits(&[first, last]),
        least,
    })
}

/// Whether sums stay far below the field, and no sum of what is below reaches the factor of what is above.
fn fits(asked: &Asked, laid: &LaidClamp) -> bool {
    let LaidClamp { clamp, block, first } = laid;
    let chain = clamp.below + clamp.above;
    let rows = *first + chain == block.stride && *first > u32::from(clamp.saturates) && clamp.below > 0;
    let ends = match asked.saturates {
        true => clamp.saturates && (clamp.lo, clamp.hi) == asked.ends && clamp.above > 0,
        false => !clamp.saturates && clamp.lo == asked.least && clamp.above == 0,
    };
    let gap = !clamp.saturates
        || clamp.gap > 1 + (ROW * clamp.below).max(asked.bits + 2) && clamp.gap + asked.end_bits < i64::BITS - 1;
    rows && ends && gap && asked.shift + asked.bits + clamp.gap + ROW * chain < ROOM
}

/// The rows of a laid clamp.
struct Rows<'a> {
    columns: &'a Columns<'a>,
    asked: &'a Asked,
    laid: &'a LaidClamp,
}

impl Rows<'_> {
    fn on(&self, column: FixedColumn, row: u32) -> i64 {
        self.columns.shared(column, row)
    }

    /// Whether a row's cells have these coefficients: of `value`, `pre`, `low`, `high`, 1, and of `value` and `pre` in the row below.
    fn is_form(&self, row: u32, coefficients: [i64; 7]) -> bool {
        use FixedColumn::{
            Constant, HighCoefficient, LowCoefficient, NextPreCoefficient, NextValueCoefficient, PreCoefficient,
            ValueCoefficient,
        };
        let columns = [
            ValueCoefficient,
            PreCoefficient,
            LowCoefficient,
            HighCoefficient,
            Constant,
            NextValueCoefficient,
            NextPreCoefficient,
        ];
        columns.into_iter().zip(coefficients).all(|(column, coefficient)| self.on(column, row) == coefficient)
    }

    /// Whether a row's form is zero by a gate, and no other gate reads the row.
    fn vanishes(&self, row: u32) -> bool {
        use FixedColumn::{ArgMaximum, Maximum, PlaneRead, Pointwise, Product, Saturate};
        self.on(Pointwise, row) == 1
            && [Product, Maximum, ArgMaximum, Saturate, PlaneRead].iter().all(|&column| self.on(column, row) == 0)
    }

    /// Whether the rows of a logical row have their forms.
    fn holds(&self, head: u32) -> bool {
        let LaidClamp { clamp, first, .. } = *self.laid;
        let overflows = !clamp.saturates || self.is_overflow(head + 1);
        self.is_head(head) && overflows && (0..clamp.below + clamp.above).all(|row| self.is_chain(head + first, row))
    }

    /// `2^s·pre + r − 2^(s−1)` with limbs of `r` of the right widths, and the saturation that is asked for. What else stands in the form
    /// is the operator's.
    fn is_head(&self, row: u32) -> bool {
        let shift = i64::from(self.asked.shift);
        let low = self.on(FixedColumn::LowTag, row);
        let saturates = self.on(FixedColumn::Saturate, row) == i64::from(self.asked.saturates);
        let ends = (self.on(FixedColumn::SaturateLow, row), self.on(FixedColumn::SaturateHigh, row));
        saturates
            && (!self.asked.saturates || ends == self.asked.ends)
            && (0..=shift).contains(&low)
            && low + self.on(FixedColumn::HighTag, row) == shift
            && self.on(FixedColumn::ValueCoefficient, row) == 0
            && self.on(FixedColumn::PreCoefficient, row) == 1 << shift
            && self.on(FixedColumn::LowCoefficient, row) == 1
            && self.on(FixedColumn::HighCoefficient, row) == 1 << low
            && [FixedColumn::Maximum, FixedColumn::ArgMaximum].iter().all(|&column| self.on(column, row) == 0)
    }

    /// `2^gap − 1`
    fn factor(&self) -> i64 {
        (1 << self.laid.clamp.gap) - 1
    }

    /// `pre₊ = (value₊ − lo + high) + factor·(hi − value₊ + low)`.
    fn is_overflow(&self, row: u32) -> bool {
        let (lo, hi) = self.asked.ends;
        let factor = self.factor();
        self.vanishes(row) && self.is_form(row, [0, 0, factor, 1, factor * hi - lo, 1 - factor, -1])
    }

    /// `pre = low + 2^8·high + 2^16·pre₊`, without the last term at the ends of the chains; the first row has `factor·value₊` besides
    /// where there are overflows, and the least argument where there are none.
    fn is_chain(&self, first: u32, index: u32) -> bool {
        let clamp = &self.laid.clamp;
        let ends = index + 1 == clamp.below || index + 1 == clamp.below + clamp.above;
        let step = if ends { 0 } else { 1 << ROW };
        let (constant, joint) = match (index, clamp.saturates) {
            (0, false) => (-clamp.lo, 0),
            (0, true) => (0, self.factor()),
            _ => (0, 0),
        };
        let row = first + index;
        let limb = i64::from(LIMB);
        self.vanishes(row)
            && self.is_form(row, [0, 1, -1, -(1 << LIMB), constant, -joint, -step])
            && [FixedColumn::LowTag, FixedColumn::HighTag].iter().all(|&tag| self.on(tag, row) == limb)
    }

    /// Whether an element lies in the block, and its limbs and those of its chains are looked up.
    fn has(&self, place: Place) -> bool {
        let LaidClamp { clamp, block, first } = *self.laid;
        let inside = (block.first..block.row(block.logical, 0)).contains(&place.row);
        let chain = (first..first + clamp.below + clamp.above).map(|step| place.row + step);
        inside
            && (place.row - block.first).is_multiple_of(block.stride)
            && [place.row].into_iter().chain(chain).all(|row| self.columns.limb_switch(place.lane, row) == 1)
    }

    /// Whether result, argument and what its chain is made from are one.
    fn is_tied(&self, place: Place, copies: &HashMap<Cell, Vec<Cell>>) -> bool {
        let chain = place.below(self.laid.first);
        let is_copy = |from: Cell, to: Cell| copies.get(&to).is_some_and(|sources| sources.contains(&from));
        let tied = |to: Cell| is_copy(place.pre(), to);
        tied(place.value())
            && match self.laid.clamp.saturates {
                false => tied(chain.pre()),
                true => {
                    let above = chain.below(self.laid.clamp.below);
                    tied(chain.value()) && is_copy(above.pre(), chain.below(1).value())
                }
            }
    }
}
