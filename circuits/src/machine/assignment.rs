//! What a machine holds: a program's fixed cells and copies ([`Skeleton`]), and one witness for it ([`Assignment`]).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::columns::{AdviceColumn, FixedColumn, Region};
use super::integers::Integers;
use super::kernels::{FieldKernels, PlainKernels};
use super::lookups::Entries;
use super::placement::{Placement, Regions};
use super::second::SecondPhaseRecipe;
use super::{Arrangement, MachineParams};
use crate::interface::port_rows;
use crate::recipe::{Derivation, Source};

/// A cell of the permutation argument: a logical column and row, or a row of the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// A cell of an advice column.
    Advice(AdviceColumn, u32),
    /// A cell of the instance column.
    Instance(u32),
}

/// The part of a machine that does not depend on a witness: what the keys are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// The member of the family.
    pub params: MachineParams,
    /// The rows of its regions.
    pub regions: Regions,
    /// The fixed columns that the member has, each with a small integer for each row of its regions.
    pub fixed: BTreeMap<FixedColumn, Integers>,
    /// Cells of fixed columns that are no small integers, by their rows; `fixed` is zero there.
    pub elements: BTreeMap<FixedColumn, BTreeMap<usize, Fr>>,
    /// Copy constraints, `(source, destination)`; sources of scalar operands come before them.
    pub copies: Vec<(Cell, Cell)>,
}

/// The challenges of the gates, squeezed after the first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// Position within a plane.
    pub chi: Fr,
    /// Channel.
    pub rho: Fr,
    /// Pole of the lookups.
    pub alpha: Fr,
    /// Compression of the lookups.
    pub beta: Fr,
}

impl Challenges {
    /// `χ`, `ρ`, `α`, `β`: the order of [`super::MachineConfig::challenges`].
    pub fn in_order(&self) -> [Fr; 4] {
        [self.chi, self.rho, self.alpha, self.beta]
    }
}

/// First-phase cells for a skeleton: the witness proper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The skeleton.
    pub skeleton: Arc<Skeleton>,
    /// The first-phase columns, each with a small integer for each row of its regions.
    pub first_phase: BTreeMap<AdviceColumn, Integers>,
}

/// The columns of the second phase, each with a field element for each row of its regions.
pub type SecondPhase = BTreeMap<AdviceColumn, Vec<Fr>>;

/// A small signed integer as a field element.
pub fn to_field(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl Skeleton {
    /// An empty machine: all fixed columns zero but those that mark rows of regions.
    pub fn new(params: MachineParams, regions: Regions) -> Self {
        let rows = |column: FixedColumn| regions.rows_through(column.regions());
        let mut fixed: BTreeMap<_, _> =
            FixedColumn::all(&params).into_iter().map(|column| (column, Integers::zeros(rows(column)))).collect();
        match params.arrangement {
            Arrangement::Parallel => {
                fixed.insert(FixedColumn::Active, Integers::repeat(1, rows(FixedColumn::Active)));
            }
            Arrangement::Folded(_) => fixed.extend(marks(&regions)),
        }
        Self { params, regions, fixed, elements: BTreeMap::new(), copies: Vec::new() }
    }

    /// Rows of an advice column.
    pub fn rows_of(&self, column: AdviceColumn) -> usize {
        match column {
            AdviceColumn::Port(_) => port_rows(self.params.k),
            _ => self.regions.rows_through(column.regions()),
        }
    }

    /// A fixed cell that is a small integer; 0 where it is none, or the member lacks the column.
    pub fn fixed(&self, column: FixedColumn, row: usize) -> i64 {
        self.fixed.get(&column).map_or(0, |cells| cells.get(row))
    }
}

/// The fixed columns of a folded machine that follow from its regions.
fn marks(regions: &Regions) -> [(FixedColumn, Integers); 6] {
    let others = |column: FixedColumn, marked: Region| {
        let mut cells = Integers::zeros(regions.rows_through(column.regions()));
        let first = regions.first_row(column.regions(), marked);
        (first..first + regions.rows(marked)).for_each(|row| cells.set(row, 1));
        (column, cells)
    };
    let (units, tables) = (regions.rows(Region::Units), regions.rows(Region::Tables));
    let mut step = Integers::repeat(1, units);
    step.set(0, 0);
    let mut end = Integers::zeros(tables);
    end.set(tables - 1, 1);
    let other = Integers::repeat(1, regions.rows_through(FixedColumn::OtherSelector.regions()));
    [
        (FixedColumn::UnitSelector, Integers::repeat(1, units)),
        (FixedColumn::OtherSelector, other),
        others(FixedColumn::IsTable, Region::Tables),
        others(FixedColumn::IsWeight, Region::Weights),
        (FixedColumn::SumStep, step),
        (FixedColumn::SumEnd, end),
    ]
}

impl Assignment {
    /// An assignment of zeros.
    pub fn zero(skeleton: Arc<Skeleton>) -> Self {
        let columns = AdviceColumn::first_phase(&skeleton.params).into_iter();
        let first_phase = columns.map(|column| (column, Integers::zeros(skeleton.rows_of(column)))).collect();
        Self { first_phase, skeleton }
    }

    /// A first-phase cell; the rows behind the column's regions read as 0.
    pub fn get(&self, column: AdviceColumn, row: usize) -> i64 {
        let cells = &self.first_phase[&column];
        if row < cells.len() {
            cells.get(row)
        } else {
            0
        }
    }

    /// Writes a first-phase cell.
    pub fn set(&mut self, column: AdviceColumn, row: usize, value: i64) {
        self.first_phase.get_mut(&column).expect("the column is of the first phase").set(row, value);
    }

    /// Counts every lookup into the multiplicity of the first table entry that it equals. A lookup that no entry equals is
    /// not counted: no multiplicities could make it true.
    pub fn count_lookups(&mut self) {
        let counts = self.lookup_counts(&Entries::new(&self.skeleton));
        for (table, counts) in (0..).zip(counts.chunks(self.skeleton.regions.rows(Region::Tables))) {
            self.first_phase.insert(AdviceColumn::Multiplicity(table), counts.iter().copied().collect());
        }
    }

    /// The second phase that belongs to this first phase.
    pub fn derive(&self, challenges: &Challenges) -> SecondPhase {
        self.derive_with(challenges, &PlainKernels)
    }

    /// The second phase that belongs to this first phase, by other arithmetic than the curve library's.
    pub fn derive_with(&self, challenges: &Challenges, kernels: &dyn FieldKernels) -> SecondPhase {
        let SecondPhaseRecipe { recipe, names } = self.skeleton.second_phase();
        let columns = Placement::new(&self.skeleton.params).first_phase_columns(self);
        let sources = |source| match source {
            Source::Advice(index) => &*columns[index],
            Source::Fixed(_) | Source::Instance(_) => unreachable!("fixed cells are in the recipe"),
        };
        let mut second = SecondPhase::new();
        let derivation = Derivation {
            recipe: &recipe,
            challenges: &challenges.in_order(),
            sources: &sources,
            kernels,
            at_once: usize::MAX,
        };
        let Ok(()) = derivation.run(&mut |number, column| {
            second.insert(names[number], column);
            Ok::<_, Infallible>(())
        });
        second
    }

    /// The words of the instance column: what is copied to it.
    pub fn instance(&self, second: &SecondPhase) -> Vec<Fr> {
        let mut words = Vec::new();
        for (source, destination) in &self.skeleton.copies {
            if let Cell::Instance(row) = destination {
                let row = *row as usize;
                if words.len() <= row {
                    words.resize(row + 1, Fr::ZERO);
                }
                words[row] = self.cell(*source, second);
            }
        }
        words
    }

    pub(super) fn cell(&self, cell: Cell, second: &SecondPhase) -> Fr {
        match cell {
            Cell::Advice(column, row) => match self.first_phase.get(&column) {
                Some(cells) => to_field(cells.get(row as usize)),
                None => second[&column][row as usize],
            },
            Cell::Instance(_) => unreachable!("no cell is copied from the instance column"),
        }
    }
}

pub(super) fn table_columns(table: u32) -> [FixedColumn; 3] {
    [FixedColumn::TableKey(table), FixedColumn::TableImage(table), FixedColumn::TableTag(table)]
}
