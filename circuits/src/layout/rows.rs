//! Rows of units: which element lives where, what kind each lane of each row is, and the fixed cells that say so.
//!
//! Elements live in *blocks*. A block has addresses `0, 1, …`; address `a` is lane `a mod U` of logical row `a / U`, and a
//! logical row takes `stride` physical rows: the first holds the elements, the others their operands.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::{AdviceColumn, Cell, FixedColumn, Integers};

/// The place of an element: its row and lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) lane: u32,
}

impl Place {
    /// Its `value` cell.
    pub(super) fn value(self) -> Cell {
        Cell::Advice(AdviceColumn::Value(self.lane), self.row)
    }

    /// Its `pre` cell.
    pub(super) fn pre(self) -> Cell {
        Cell::Advice(AdviceColumn::Pre(self.lane), self.row)
    }

    /// The same lane `rows` further down.
    pub(super) fn below(self, rows: u32) -> Self {
        Self { row: self.row + rows, lane: self.lane }
    }
}

/// What a lane of a row is: who pins its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lane {
    /// `value` and `pre` are zero by the ZERO table, `low` and `high` are limbs of the row's widths.
    #[default]
    Zero,
    /// `(pre, value)` is looked up under a tag, `low` and `high` are limbs.
    Function(i64),
    /// `value` and `pre` are pinned by copies or gates, `low` and `high` are limbs.
    Pinned,
    /// `value` and `pre` are zero by the ZERO table; `low` is free and read by one identity, in a monomial of its own.
    Border,
    /// `value` and `pre` are pinned by copies or gates, `low` and `high` by the forms and gates of their row and the one above.
    Overflow,
}

impl Lane {
    /// The lane in four bytes: there are as many as cells of a column. Tags are numbered one by one.
    fn code(self) -> u32 {
        match self {
            Lane::Zero => 0,
            Lane::Pinned => 1,
            Lane::Border => 2,
            Lane::Overflow => 3,
            Lane::Function(tag) => 4 + u32::try_from(tag).expect("a program has few tables"),
        }
    }

    fn of_code(code: u32) -> Self {
        match code {
            0 => Lane::Zero,
            1 => Lane::Pinned,
            2 => Lane::Border,
            3 => Lane::Overflow,
            _ => Lane::Function(i64::from(code - 4)),
        }
    }

    /// What `(pre, value)` is looked up under.
    fn tag(self) -> i64 {
        match self {
            Lane::Function(tag) => tag,
            Lane::Zero | Lane::Pinned | Lane::Border | Lane::Overflow => 0,
        }
    }

    /// Whether `(pre, value)` is looked up.
    fn value_switch(self) -> i64 {
        i64::from(!matches!(self, Lane::Pinned | Lane::Overflow))
    }

    /// Whether `low` and `high` are looked up.
    fn limb_switch(self) -> i64 {
        i64::from(!matches!(self, Lane::Border | Lane::Overflow))
    }
}

/// Rows `first .. first + logical·stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first: u32,
    pub(super) logical: u32,
    pub(super) stride: u32,
}

impl Block {
    /// The place of an address, with `units` units per row.
    pub(super) fn place(self, units: usize, address: usize) -> Place {
        Place { row: self.first + (address / units) as u32 * self.stride, lane: (address % units) as u32 }
    }

    /// The physical row that lies `step` behind the first one of a logical row.
    pub(super) fn row(self, logical: u32, step: u32) -> u32 {
        self.first + logical * self.stride + step
    }

    /// For each logical row the physical row that lies `step` behind its first one.
    pub(super) fn rows(self, step: u32) -> impl Iterator<Item = u32> + Clone {
        (0..self.logical).map(move |logical| self.row(logical, step))
    }
}

/// The fixed cells shared by the lanes of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowForm {
    pub(super) value: i64,
    pub(super) pre: i64,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) constant: i64,
    pub(super) next_value: i64,
    pub(super) next_pre: i64,
    pub(super) product: i64,
    pub(super) pointwise: bool,
    pub(super) low_tag: i64,
    pub(super) high_tag: i64,
    pub(super) saturate: Option<(i64, i64)>,
}

/// All unit rows of a program as they are built.
#[derive(Clone, Debug)]
pub(super) struct UnitRows {
    units: u32,
    /// By their codes.
    lanes: Vec<u32>,
    /// As long as the rows were when a cell behind the end was written.
    fixed: BTreeMap<FixedColumn, Integers>,
    block_of_row: Vec<u32>,
    blocks: Vec<Block>,
    taken: Vec<bool>,
}

impl UnitRows {
    pub(super) fn new(units: u32) -> Self {
        Self {
            units,
            lanes: Vec::new(),
            fixed: BTreeMap::new(),
            block_of_row: Vec::new(),
            blocks: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Units per row.
    pub(super) fn units(&self) -> usize {
        self.units as usize
    }

    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.block_of_row.len()
    }

    /// Cells that hold elements.
    pub(super) fn elements(&self) -> usize {
        self.taken.iter().filter(|&&taken| taken).count()
    }

    /// A new block of `logical` rows.
    pub(super) fn block(&mut self, logical: usize, stride: usize) -> Block {
        let block = Block { first: self.len() as u32, logical: logical as u32, stride: stride as u32 };
        let rows = self.len() + logical * stride;
        self.block_of_row.resize(rows, self.blocks.len() as u32);
        self.lanes.resize(rows * self.units(), Lane::Zero.code());
        self.taken.resize(rows * self.units(), false);
        self.blocks.push(block);
        block
    }

    /// The place of an address.
    pub(super) fn place(&self, block: Block, address: usize) -> Place {
        block.place(self.units(), address)
    }

    /// The block and address of a place in the first physical row of a logical row.
    pub(super) fn address(&self, place: Place) -> (Block, usize) {
        let block = self.blocks[self.block_of_row[place.row as usize] as usize];
        let logical = (place.row - block.first) / block.stride;
        (block, logical as usize * self.units() + place.lane as usize)
    }

    /// Whether a place lies in the first physical row of a logical row, as its address says.
    pub(super) fn is_addressed(&self, place: Place) -> bool {
        let (block, address) = self.address(place);
        self.place(block, address) == place
    }

    fn index(&self, place: Place) -> usize {
        place.row as usize * self.units() + place.lane as usize
    }

    /// Says what a lane is.
    pub(super) fn set_lane(&mut self, place: Place, lane: Lane) {
        let index = self.index(place);
        self.lanes[index] = lane.code();
    }

    /// Says that a place holds an element that may be other than zero.
    pub(super) fn take(&mut self, place: Place) {
        let index = self.index(place);
        self.taken[index] = true;
    }

    /// Whether a place holds an element that may be other than zero; in a block whose elements lie in the first physical
    /// rows, the `value` of all others there is pinned to zero.
    pub(super) fn is_taken(&self, place: Place) -> bool {
        self.taken[self.index(place)]
    }

    /// Writes a fixed cell shared by the lanes of a row.
    pub(super) fn set(&mut self, column: FixedColumn, row: u32, value: i64) {
        self.set_all(column, [row].into_iter(), value);
    }

    /// Writes a fixed cell shared by the lanes of a row, in several rows the same.
    pub(super) fn set_all(&mut self, column: FixedColumn, rows: impl Iterator<Item = u32>, value: i64) {
        let mut rows = rows.map(|row| row as usize).peekable();
        if value == 0 || rows.peek().is_none() {
            return;
        }
        let there = self.len();
        let cells = self.fixed.entry(column).or_insert_with(|| Integers::zeros(0));
        if cells.len() < there {
            cells.resize(there);
        }
        cells.set_all(rows, value);
    }

    /// Writes the form of a row.
    pub(super) fn set_form(&mut self, row: u32, form: &RowForm) {
        self.set_forms([row].into_iter(), form);
    }

    /// Writes the form of several rows.
    pub(super) fn set_forms(&mut self, rows: impl Iterator<Item = u32> + Clone, form: &RowForm) {
        let (saturate, low, high) = match form.saturate {
            Some((lo, hi)) => (1, lo, hi),
            None => (0, 0, 0),
        };
        for (column, value) in [
            (FixedColumn::ValueCoefficient, form.value),
            (FixedColumn::PreCoefficient, form.pre),
            (FixedColumn::LowCoefficient, form.low),
            (FixedColumn::HighCoefficient, form.high),
            (FixedColumn::Constant, form.constant),
            (FixedColumn::NextValueCoefficient, form.next_value),
            (FixedColumn::NextPreCoefficient, form.next_pre),
            (FixedColumn::Product, form.product),
            (FixedColumn::Pointwise, i64::from(form.pointwise)),
            (FixedColumn::LowTag, form.low_tag),
            (FixedColumn::HighTag, form.high_tag),
            (FixedColumn::Saturate, saturate),
            (FixedColumn::SaturateLow, low),
            (FixedColumn::SaturateHigh, high),
        ] {
            self.set_all(column, rows.clone(), value);
        }
    }

    /// The shared columns that are not zero.
    pub(super) fn switched_on(&self) -> BTreeSet<FixedColumn> {
        self.fixed.keys().copied().collect()
    }

    /// The fixed columns, each with `rows` cells; rows behind the last block are [`Lane::Zero`].
    pub(super) fn columns(&self, rows: usize) -> BTreeMap<FixedColumn, Integers> {
        let mut columns = self.fixed.clone();
        columns.values_mut().for_each(|cells| cells.resize(rows));
        for lane in 0..self.units {
            let lanes = |row: usize| {
                let code = self.lanes.get(row * self.units() + lane as usize);
                code.map_or(Lane::Zero, |&code| Lane::of_code(code))
            };
            let cells = |of: fn(Lane) -> i64| (0..rows).map(|row| of(lanes(row))).collect();
            columns.insert(FixedColumn::ValueTag(lane), cells(Lane::tag));
            columns.insert(FixedColumn::ValueSwitch(lane), cells(Lane::value_switch));
            columns.insert(FixedColumn::LimbSwitch(lane), cells(Lane::limb_switch));
        }
        columns.retain(|_, cells| !cells.is_zero());
        columns
    }
}
