//! Where logical cells lie: the only module that knows physical columns and rows.
//!
//! A **parallel** machine gives every logical column a column of its own, and all regions start in row 0.
//!
//! In a **folded** machine the regions follow one another, `units, tables, weights, scalars`. A logical row of region `r` takes
//! `φ_r` physical rows (its *stride*), and the logical columns of a class (fixed, first phase, second phase) take turns: each has
//! a [`Slot`], a physical column of the class and an *offset* below `φ_r`. Logical row `i` of the region is found in row
//! `start_r + φ_r·i + offset`, where `start_r` is the sum of `φ·rows` over the regions before. A class has as many physical
//! columns as the region that asks for most.
//!
//! * Two fixed columns hold a selector each and nothing else: 1 in the first physical row of every logical row of units, and of
//!   every logical row of the other regions. The kinds that tell those apart have one slot for all of them.
//! * Accumulators fill the first column of their class from the largest offset down, the lookup sum first, so that what each
//!   takes up lies few rows above (the rotation `offset − φ`, at best −1), whatever the stride. The sum of all fractions runs
//!   from the units into the tables: its offset is `φ − 1` in both, so the row before is the row before in either.
//! * All others fill the columns from offset 0 on, those of the permutation argument first: every permuted column costs the
//!   verifier two commitments, every other one.
//!
//! Columns of private weights hold nothing else, so that they can be compared with other commitments: those of a folded machine take
//! `φ` weights of a logical row each, in the rows of their region.
//!
//! Columns of committed ports share with nothing, in either machine: their rows are those of the circuit, from row 0 on.
//!
//! A fixed column that is zero on all rows is given a 1 in the first row behind all regions, which no gate reads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::assignment::{to_field, Assignment, SecondPhase, Skeleton};
use super::columns::{AdviceColumn, FixedColumn, Region};
use super::integers::Integers;
use super::params::Strides;
use super::{Arrangement, MachineParams};
use crate::recipe::Rows;

/// How many logical rows each region has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regions {
    side_by_side: bool,
    rows: [usize; Region::ALL.len()],
}

impl Regions {
    /// The regions of a member; those of a folded machine have `rows` logical rows, from the units to the scalars.
    pub fn new(params: &MachineParams, rows: [usize; Region::ALL.len()]) -> Self {
        match params.arrangement {
            Arrangement::Parallel => Self { side_by_side: true, rows: [params.usable_rows(); Region::ALL.len()] },
            Arrangement::Folded(_) => Self { side_by_side: false, rows },
        }
    }

    /// Logical rows of a region.
    pub fn rows(&self, region: Region) -> usize {
        self.rows[region as usize]
    }

    /// Logical rows of a column that runs through some regions.
    pub fn rows_through(&self, regions: &[Region]) -> usize {
        match self.side_by_side {
            true => self.rows[0],
            false => regions.iter().map(|&region| self.rows(region)).sum(),
        }
    }

    /// The logical row of a column that runs through some regions in which one of them starts.
    pub fn first_row(&self, regions: &[Region], region: Region) -> usize {
        match self.side_by_side {
            true => 0,
            false => regions.iter().take_while(|&&before| before != region).map(|&before| self.rows(before)).sum(),
        }
    }

    /// The region and the row in it of a logical row of a column that runs through some regions.
    fn locate(&self, regions: &[Region], mut row: usize) -> (Region, usize) {
        for &region in &regions[..regions.len() - 1] {
            if self.side_by_side || row < self.rows(region) {
                return (region, row);
            }
            row -= self.rows(region);
        }
        (regions[regions.len() - 1], row)
    }
}

/// Where a logical column lies in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The physical column, by its index in the constraint system.
    pub column: usize,
    /// Rows below the first physical row of the logical row.
    pub offset: u32,
}

/// Numbers of physical columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnCounts {
    /// Fixed columns.
    pub fixed: usize,
    /// Advice columns of the first phase, the last of which hold private weights and committed ports.
    pub first_phase: usize,
    /// Advice columns of the second phase.
    pub second_phase: usize,
    /// Advice columns of the permutation argument, and the instance column.
    pub permuted: usize,
}

/// The cells of a physical fixed column.
#[derive(Clone, Debug)]
pub enum FixedCells<'a> {
    /// Small integers.
    Integers(Cow<'a, Integers>),
    /// Field elements, some of which are no small integers.
    Elements(Vec<Fr>),
}

impl FixedCells<'_> {
    /// The cells as field elements.
    pub fn into_elements(self) -> Vec<Fr> {
        match self {
            Self::Integers(integers) => integers.iter().map(to_field).collect(),
            Self::Elements(elements) => elements,
        }
    }

    fn set(&mut self, row: usize, cell: Fr) {
        if let Self::Integers(integers) = self {
            *self = Self::Elements(integers.iter().map(to_field).collect());
        }
        if let Self::Elements(elements) = self {
            elements[row] = cell;
        }
    }
}

/// Where the logical columns of a member lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    params: MachineParams,
    fixed: BTreeMap<(FixedColumn, Region), Slot>,
    advice: BTreeMap<(AdviceColumn, Region), Slot>,
    permuted: Vec<usize>,
    counts: ColumnCounts,
}

/// Fixed columns of a folded machine that hold a selector and nothing else.
const SELECTORS: [FixedColumn; 2] = [FixedColumn::UnitSelector, FixedColumn::OtherSelector];

impl Placement {
    /// The placement of a member.
    pub fn new(params: &MachineParams) -> Self {
        match params.arrangement {
            Arrangement::Parallel => Self::parallel(params),
            Arrangement::Folded(strides) => Self::folded(params, strides),
        }
    }

    fn parallel(params: &MachineParams) -> Self {
        let (first, second) = (AdviceColumn::first_phase(params), AdviceColumn::second_phase(params));
        let mut placement = Self::empty(params);
        placement.counts.first_phase = first.len();
        placement.counts.second_phase = second.len();
        for (column, name) in FixedColumn::all(params).into_iter().enumerate() {
            placement.fixed.extend(name.regions().iter().map(|&region| ((name, region), Slot { column, offset: 0 })));
            placement.counts.fixed += 1;
        }
        for (column, name) in first.into_iter().chain(second).enumerate() {
            placement.advice.extend(name.regions().iter().map(|&region| ((name, region), Slot { column, offset: 0 })));
        }
        let permuted = AdviceColumn::permuted(params);
        let column = |name: &AdviceColumn| match *name {
            AdviceColumn::Port(index) => placement.port_column(index),
            name => placement.advice[&(name, name.regions()[0])].column,
        };
        placement.permuted = permuted.iter().map(column).collect();
        placement.counts.permuted = placement.permuted.len() + 1;
        placement
    }

    fn folded(params: &MachineParams, strides: Strides) -> Self {
        let mut placement = Self::empty(params);
        let (first, second) = (AdviceColumn::first_phase(params), AdviceColumn::second_phase(params));
        let permuted: BTreeSet<_> = AdviceColumn::permuted(params).into_iter().collect();
        let of_region = |columns: &[AdviceColumn], region: Region| -> Vec<AdviceColumn> {
            let mine = columns.iter().copied().filter(|column| column.regions().contains(&region));
            let (permuted, others): (Vec<_>, Vec<_>) = mine.partition(|column| permuted.contains(column));
            [permuted, others].concat()
        };
        let phase = |columns: &[AdviceColumn], before: usize| {
            let mut slots = BTreeMap::new();
            let mut count = 0;
            for region in Region::ALL {
                let columns = of_region(columns, region);
                let grid = Grid::new(strides.of(region), columns.len());
                count = count.max(grid.columns);
                for (name, Slot { column, offset }) in grid.advice(columns) {
                    slots.insert((name, region), Slot { column: column + before, offset });
                }
            }
            (slots, count)
        };
        let shared: Vec<_> = first.into_iter().filter(|name| !matches!(name, AdviceColumn::Weight(_))).collect();
        let (slots, count) = phase(&shared, 0);
        placement.advice.extend(slots);
        if params.weight_lanes.has_private() {
            let stride = strides.of(Region::Weights);
            let slot = |lane: u32| Slot { column: count + (lane / stride) as usize, offset: lane % stride };
            let weights = (0..params.weights).map(|lane| ((AdviceColumn::Weight(lane), Region::Weights), slot(lane)));
            placement.advice.extend(weights);
        }
        let count = count + params.private_weight_columns() + params.port_columns as usize;
        placement.counts.first_phase = count;
        let (slots, count) = phase(&second, count);
        placement.advice.extend(slots);
        placement.counts.second_phase = count;
        placement.place_fixed(strides);
        let columns =
            placement.advice.iter().filter(|((name, _), _)| permuted.contains(name)).map(|(_, slot)| slot.column);
        let ports = (0..params.port_columns).map(|index| placement.port_column(index));
        placement.permuted = columns.chain(ports).collect::<BTreeSet<_>>().into_iter().collect();
        placement.counts.permuted = placement.permuted.len() + 1;
        placement
    }

    fn empty(params: &MachineParams) -> Self {
        let counts = ColumnCounts { fixed: 0, first_phase: 0, second_phase: 0, permuted: 0 };
        Self { params: *params, fixed: BTreeMap::new(), advice: BTreeMap::new(), permuted: Vec::new(), counts }
    }

    fn place_fixed(&mut self, strides: Strides) {
        let names: Vec<_> =
            FixedColumn::all(&self.params).into_iter().filter(|name| !SELECTORS.contains(name)).collect();
        let of_region = |region: Region| names.iter().copied().filter(move |name| name.regions().contains(&region));
        let grids = Region::ALL.map(|region| Grid::new(strides.of(region), of_region(region).count()));
        let columns = grids.iter().map(|grid| grid.columns).max().unwrap_or(0);
        for (column, name) in SELECTORS.into_iter().enumerate() {
            self.fixed.extend(name.regions().iter().map(|&region| ((name, region), Slot { column, offset: 0 })));
        }
        // One slot for all regions: in a column each, or one below the other where there is one column.
        let kind = |name: FixedColumn| match name {
            FixedColumn::IsTable => Some(Slot { column: 0, offset: 0 }),
            FixedColumn::IsWeight if columns > 1 => Some(Slot { column: 1, offset: 0 }),
            FixedColumn::IsWeight => Some(Slot { column: 0, offset: 1 }),
            _ => None,
        };
        for (region, grid) in Region::ALL.into_iter().zip(grids) {
            let kinds: Vec<_> = of_region(region).filter_map(kind).collect();
            let mut free = grid.slots(columns).filter(|slot| !kinds.contains(slot));
            for name in of_region(region) {
                let slot = kind(name).or_else(|| free.next()).expect("the columns have a slot for every name");
                let slot = Slot { column: slot.column + SELECTORS.len(), ..slot };
                self.fixed.insert((name, region), slot);
            }
        }
        self.counts.fixed = columns + SELECTORS.len();
    }

    /// The member.
    pub fn params(&self) -> &MachineParams {
        &self.params
    }

    /// Numbers of physical columns.
    pub fn counts(&self) -> ColumnCounts {
        self.counts
    }

    /// Where a fixed column lies in a region; `None` if the member lacks it.
    pub fn fixed(&self, name: FixedColumn, region: Region) -> Option<Slot> {
        self.fixed.get(&(name, region)).copied()
    }

    /// Where an advice column lies in a region; first-phase columns come before second-phase ones.
    ///
    /// # Panics
    /// The member has no such column there.
    pub fn advice(&self, name: AdviceColumn, region: Region) -> Slot {
        self.advice[&(name, region)]
    }

    /// The physical column with some of the elements of committed ports, by its number among those.
    pub fn port_column(&self, index: u32) -> usize {
        self.counts.first_phase - self.params.port_columns as usize + index as usize
    }

    /// The physical columns with private weights.
    pub fn weight_columns(&self) -> Range<usize> {
        let end = self.port_column(0);
        end - self.params.private_weight_columns()..end
    }

    /// The advice columns of the permutation argument, in its order.
    pub fn permuted(&self) -> &[usize] {
        &self.permuted
    }

    /// The rotation that leads from the first physical row of a logical row to a slot of the logical row `shift` further on.
    pub fn rotation(&self, slot: Slot, region: Region, shift: i32) -> i32 {
        slot.offset as i32 + shift * self.params.arrangement.stride(region) as i32
    }

    /// The physical row in which a region starts.
    pub fn start(&self, regions: &Regions, region: Region) -> usize {
        match self.params.arrangement {
            Arrangement::Parallel => 0,
            Arrangement::Folded(strides) => {
                let before = Region::ALL.into_iter().take_while(|&before| before != region);
                before.map(|before| strides.of(before) as usize * regions.rows(before)).sum()
            }
        }
    }

    /// Physical rows that the regions take.
    pub fn used_rows(&self, regions: &Regions) -> usize {
        let last = Region::Scalars;
        self.start(regions, last) + self.params.arrangement.stride(last) as usize * regions.rows(last)
    }

    /// The column and row of a fixed cell; `None` if the member lacks the column.
    pub fn fixed_cell(&self, regions: &Regions, name: FixedColumn, row: usize) -> Option<(usize, usize)> {
        let (region, row) = regions.locate(name.regions(), row);
        Some(self.physical(regions, self.fixed(name, region)?, region, row))
    }

    /// The column and row of an advice cell.
    ///
    /// # Panics
    /// The member has no such column.
    pub fn advice_cell(&self, regions: &Regions, name: AdviceColumn, row: usize) -> (usize, usize) {
        if let AdviceColumn::Port(index) = name {
            return (self.port_column(index), row);
        }
        let (region, row) = regions.locate(name.regions(), row);
        self.physical(regions, self.advice(name, region), region, row)
    }

    /// The physical column of a fixed column that has one region, and its rows there; `None` if the member lacks the column.
    pub fn fixed_rows(&self, regions: &Regions, name: FixedColumn) -> Option<(usize, Rows)> {
        let region = name.regions()[0];
        Some(self.rows_of_slot(regions, self.fixed(name, region)?, region))
    }

    /// The physical columns of an advice column's regions, and its rows there, one after the other.
    ///
    /// # Panics
    /// The member has no such column.
    pub fn advice_rows(&self, regions: &Regions, name: AdviceColumn) -> Vec<(usize, Rows)> {
        let places = name.regions().iter().map(|&region| self.rows_of_slot(regions, self.advice(name, region), region));
        match self.params.arrangement {
            // All regions are the same rows.
            Arrangement::Parallel => places.take(1).collect(),
            Arrangement::Folded(_) => places.collect(),
        }
    }

    fn rows_of_slot(&self, regions: &Regions, slot: Slot, region: Region) -> (usize, Rows) {
        let (column, first) = self.physical(regions, slot, region, 0);
        let stride = self.params.arrangement.stride(region) as usize;
        (column, Rows { first, stride, count: regions.rows(region) })
    }

    fn physical(&self, regions: &Regions, slot: Slot, region: Region, row: usize) -> (usize, usize) {
        let stride = self.params.arrangement.stride(region) as usize;
        (slot.column, self.start(regions, region) + stride * row + slot.offset as usize)
    }

    /// The physical fixed columns of a skeleton, in the order of the constraint system.
    pub fn fixed_columns<'a>(&self, skeleton: &'a Skeleton) -> Vec<FixedCells<'a>> {
        let mut columns: Vec<_> = self.fixed_integers(skeleton).into_iter().map(FixedCells::Integers).collect();
        for (&name, cells) in &skeleton.elements {
            for (&row, &cell) in cells {
                let (region, row) = skeleton.regions.locate(name.regions(), row);
                let slot = self.fixed(name, region).expect("the member has the column");
                let (column, row) = self.physical(&skeleton.regions, slot, region, row);
                columns[column].set(row, cell);
            }
        }
        columns
    }

    /// The small integers of the physical fixed columns.
    fn fixed_integers<'a>(&self, skeleton: &'a Skeleton) -> Vec<Cow<'a, Integers>> {
        if self.params.arrangement == Arrangement::Parallel {
            let cells = |name| skeleton.fixed.get(&name).expect("the skeleton has the columns of its member");
            return FixedColumn::all(&self.params).into_iter().map(|name| Cow::Borrowed(cells(name))).collect();
        }
        let behind = self.used_rows(&skeleton.regions);
        let mut columns = vec![Integers::zeros(behind); self.counts.fixed];
        for (&name, cells) in &skeleton.fixed {
            let mut cells = cells.iter();
            for &region in name.regions() {
                if let Some(slot) = self.fixed(name, region) {
                    self.scatter(&skeleton.regions, slot, region, cells.by_ref(), |column, row, cell| {
                        if cell != 0 {
                            columns[column].set(row, cell);
                        }
                    });
                }
            }
        }
        for column in columns.iter_mut().filter(|column| column.is_zero()) {
            column.resize(behind + 1);
            column.set(behind, 1);
        }
        columns.into_iter().map(Cow::Owned).collect()
    }

    /// The physical columns of an assignment's first phase, in the order of the constraint system.
    pub fn first_phase_columns<'a>(&self, assignment: &'a Assignment) -> Vec<Cow<'a, Integers>> {
        if self.params.arrangement == Arrangement::Parallel {
            let names = AdviceColumn::first_phase(&self.params).into_iter();
            return names.map(|name| Cow::Borrowed(&assignment.first_phase[&name])).collect();
        }
        let regions = &assignment.skeleton.regions;
        let shared = self.port_column(0);
        let mut columns = vec![Integers::zeros(self.used_rows(regions)); shared];
        let is_port = |name: &AdviceColumn| matches!(name, AdviceColumn::Port(_));
        for (&name, cells) in assignment.first_phase.iter().filter(|(name, _)| !is_port(name)) {
            let region = name.regions()[0];
            let slot = self.advice(name, region);
            self.scatter(regions, slot, region, &mut cells.iter(), |column, row, cell| columns[column].set(row, cell));
        }
        let ports = (0..self.params.port_columns).map(|index| &assignment.first_phase[&AdviceColumn::Port(index)]);
        columns.into_iter().map(Cow::Owned).chain(ports.map(Cow::Borrowed)).collect()
    }

    /// The physical columns of private weights, from their lanes.
    pub fn private_weights(&self, regions: &Regions, lanes: Vec<Integers>) -> Vec<Integers> {
        if self.params.arrangement == Arrangement::Parallel {
            return lanes;
        }
        let own = self.weight_columns();
        let mut columns = vec![Integers::zeros(self.used_rows(regions)); own.len()];
        for (name, cells) in (0..).map(AdviceColumn::Weight).zip(lanes) {
            let slot = self.advice(name, Region::Weights);
            self.scatter(regions, slot, Region::Weights, &mut cells.iter(), |column, row, cell| {
                columns[column - own.start].set(row, cell);
            });
        }
        columns
    }

    /// The physical columns of a second phase, in the order of the constraint system.
    ///
    /// # Panics
    /// It is not the whole second phase of the member.
    pub fn second_phase_columns(&self, regions: &Regions, mut second: SecondPhase) -> Vec<Vec<Fr>> {
        if self.params.arrangement == Arrangement::Parallel {
            let names = AdviceColumn::second_phase(&self.params).into_iter();
            return names.map(|name| second.remove(&name).expect("the second phase is whole")).collect();
        }
        let mut columns = vec![vec![Fr::ZERO; self.used_rows(regions)]; self.counts.second_phase];
        for (name, cells) in second {
            let mut cells = cells.into_iter();
            for &region in name.regions() {
                let slot = self.advice(name, region);
                self.scatter(regions, slot, region, &mut cells, |column, row, cell| {
                    columns[column - self.counts.first_phase][row] = cell;
                });
            }
        }
        columns
    }

    /// Hands out the cells of a logical column in one region with their columns and rows.
    fn scatter<T>(
        &self,
        regions: &Regions,
        slot: Slot,
        region: Region,
        cells: &mut impl Iterator<Item = T>,
        mut put: impl FnMut(usize, usize, T),
    ) {
        let (column, first) = self.physical(regions, slot, region, 0);
        let stride = self.params.arrangement.stride(region) as usize;
        for (row, cell) in (first..).step_by(stride).zip(cells.take(regions.rows(region))) {
            put(column, row, cell);
        }
    }
}

/// The slots of a region in a class: some physical columns of `stride` rows.
#[derive(Clone, Copy)]
struct Grid {
    stride: u32,
    columns: usize,
}

impl Grid {
    /// The least grid with a slot for each of `names` columns.
    fn new(stride: u32, names: usize) -> Self {
        Self { stride, columns: names.div_ceil(stride as usize) }
    }

    /// The slots of the first `columns` columns, column by column.
    fn slots(self, columns: usize) -> impl DoubleEndedIterator<Item = Slot> {
        (0..columns).flat_map(move |column| (0..self.stride).map(move |offset| Slot { column, offset }))
    }

    /// Slots for advice columns: accumulators from the end of the first column, the lookup sum before all others; the others
    /// from its start on.
    fn advice(self, names: Vec<AdviceColumn>) -> Vec<(AdviceColumn, Slot)> {
        let (mut accumulators, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.accumulates());
        accumulators.sort_by_key(|&name| name != AdviceColumn::LookupSum);
        let backwards =
            (0..self.columns).flat_map(|column| (0..self.stride).rev().map(move |offset| Slot { column, offset }));
        let taken: Vec<_> = accumulators.into_iter().zip(backwards).collect();
        let free = self.slots(self.columns).filter(|slot| !taken.iter().any(|(_, mine)| mine == slot));
        let others: Vec<_> = others.into_iter().zip(free).collect();
        [taken, others].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{ColumnSet, WeightLanes};

    fn members() -> Vec<MachineParams> {
        let all = (0..FixedColumn::OPTIONAL).fold(ColumnSet::default(), |mut set, bit| {
            set.insert(bit);
            set
        });
        let strides = [[1; 4], [2, 3, 1, 4], [4, 5, 6, 3], [8, 8, 7, 3], [16, 3, 16, 16], [31; 4]];
        let mut members = Vec::new();
        for strides in strides {
            for (units, weights, tables) in [(1, 1, 1), (2, 35, 7), (5, 3, 16)] {
                for optional in [ColumnSet::default(), all] {
                    let arrangement = Arrangement::Folded(Strides(strides));
                    for (port_columns, weight_lanes) in
                        [(0, WeightLanes::Public), (2, WeightLanes::Public), (1, WeightLanes::Private)]
                    {
                        members.push(MachineParams {
                            k: 10,
                            units,
                            weights,
                            weight_lanes,
                            tables,
                            port_columns,
                            optional,
                            arrangement,
                        });
                    }
                }
            }
        }
        members
    }

    /// No two cells of a class share a place, all places lie within the regions' rows, and the selectors' columns hold nothing
    /// else.
    #[test]
    fn placement_is_injective() {
        for params in members() {
            let placement = Placement::new(&params);
            let regions = Regions::new(&params, [3, 2, 4, 5]);
            let (used, counts) = (placement.used_rows(&regions), placement.counts());
            let mut fixed = BTreeSet::new();
            for name in FixedColumn::all(&params) {
                for row in 0..regions.rows_through(name.regions()) {
                    let (column, at) = placement.fixed_cell(&regions, name, row).expect("it is there");
                    assert!(column < counts.fixed && at < used, "{params:?}: {name:?}");
                    assert!(fixed.insert((column, at)), "{params:?}: {name:?} on row {row}");
                    assert_eq!(column < SELECTORS.len(), SELECTORS.contains(&name));
                }
            }
            let mut advice = BTreeSet::new();
            let phases = [AdviceColumn::first_phase(&params), AdviceColumn::second_phase(&params)];
            for (phase, names) in phases.into_iter().enumerate() {
                for name in names {
                    let rows = match name {
                        AdviceColumn::Port(_) => used,
                        _ => regions.rows_through(name.regions()),
                    };
                    for row in 0..rows {
                        let (column, at) = placement.advice_cell(&regions, name, row);
                        assert!(at < used && column < counts.first_phase + counts.second_phase);
                        assert_eq!(column < counts.first_phase, phase == 0, "{params:?}: {name:?}");
                        assert!(advice.insert((column, at)), "{params:?}: {name:?} on row {row}");
                    }
                }
            }
        }
    }

    /// What the gates take for the row before, and for the first physical row, is that.
    #[test]
    fn rotations_lead_to_neighbours() {
        for params in members() {
            let placement = Placement::new(&params);
            let regions = Regions::new(&params, [3, 2, 4, 5]);
            let phases = [AdviceColumn::first_phase(&params), AdviceColumn::second_phase(&params)];
            for name in phases.concat().into_iter().filter(|name| !name.regions().is_empty()) {
                for row in 1..regions.rows_through(name.regions()) {
                    let (region, local) = regions.locate(name.regions(), row);
                    let slot = placement.advice(name, region);
                    let first = placement.start(&regions, region) + local * params.arrangement.stride(region) as usize;
                    for (row, shift) in [(row, 0), (row - 1, -1)] {
                        let at = first as i32 + placement.rotation(slot, region, shift);
                        assert_eq!(placement.advice_cell(&regions, name, row), (slot.column, at as usize));
                    }
                }
            }
        }
    }

    /// The columns of the permutation argument are as few as can be: `value` and `pre` in the first phase; the results and the
    /// scalar unit in the first column of the second, where it has room.
    #[test]
    fn permuted_columns_are_few() {
        let params = MachineParams {
            k: 10,
            units: 2,
            weights: 9,
            weight_lanes: WeightLanes::Public,
            tables: 3,
            port_columns: 0,
            optional: members()[2].optional,
            arrangement: Arrangement::Folded(Strides([8, 4, 4, 3])),
        };
        assert_eq!(Placement::new(&params).permuted(), [0, 1]);
    }
}
