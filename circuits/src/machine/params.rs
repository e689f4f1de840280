//! The widths that tell the members of the machine's family apart.

use halo2_proofs::plonk::ConstraintSystem;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::columns::{FixedColumn, Region};
use super::config::MachineConfig;
use crate::interface::port_rows;

/// Which optional fixed columns a member has.
///
/// A fixed column that would be zero in every row is not configured (its commitment would be the identity, and it would
/// cost time and gas for nothing); the terms of the gates that it switches vanish with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnSet(u64);

impl ColumnSet {
    /// Adds a column.
    pub fn insert(&mut self, bit: u32) {
        self.0 |= 1 << bit;
    }

    /// Whether the column is there.
    pub fn contains(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// Whether only the first `count` bits are used.
    pub fn within(self, count: u32) -> bool {
        self.0 >> count == 0
    }
}

/// Physical rows of a logical row in each region of a folded machine, from the units to the scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Strides(pub [u32; Region::ALL.len()]);

impl Strides {
    /// Most physical rows of a logical row.
    pub const MAX: u32 = (1 << STRIDE_BITS) - 1;

    /// The physical rows of a logical row of a region.
    pub fn of(&self, region: Region) -> u32 {
        self.0[region as usize]
    }

    /// The largest of them.
    pub fn largest(&self) -> u32 {
        self.0.into_iter().max().unwrap_or(0)
    }
}

/// How the logical columns of a machine lie in physical ones. [`super::Placement`] says where exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arrangement {
    /// Every logical column is a column of its own, and all regions start in row 0.
    #[default]
    Parallel,
    /// The regions follow one another and share columns; the logical columns of a region take turns in them.
    Folded(Strides),
}

impl Arrangement {
    /// Physical rows of a logical row of a region.
    pub fn stride(&self, region: Region) -> u32 {
        match self {
            Self::Parallel => 1,
            Self::Folded(strides) => strides.of(region),
        }
    }
}

/// Where the weights of a member stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightLanes {
    /// All in fixed columns: they are part of the key.
    #[default]
    Public,
    /// All in first-phase columns: they are the prover's.
    Private,
    /// Those of some layers in fixed columns, those of others in first-phase ones.
    Both,
}

impl WeightLanes {
    /// Whether there are fixed columns of weights.
    pub fn has_public(self) -> bool {
        self != Self::Private
    }

    /// Whether there are first-phase columns of weights.
    pub fn has_private(self) -> bool {
        self != Self::Public
    }
}

/// One member of the family of constraint systems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "ParamsFile", into = "ParamsFile")]
pub struct MachineParams {
    /// The circuit has `2^k` rows.
    pub k: u32,
    /// Units (activations) per row.
    pub units: u32,
    /// Weights per row.
    pub weights: u32,
    /// Where they stand.
    pub weight_lanes: WeightLanes,
    /// Lookup tables side by side.
    pub tables: u32,
    /// Columns that hold committed ports.
    pub port_columns: u32,
    /// Optional fixed columns.
    pub optional: ColumnSet,
    /// How the columns are placed.
    pub arrangement: Arrangement,
}

/// Bits of a stride in files.
const STRIDE_BITS: u32 = 5;
/// The lowest bit of the strides in files; below stand the optional columns.
const FIRST_STRIDE_BIT: u32 = u64::BITS - STRIDE_BITS * Region::ALL.len() as u32;

/// Bits of the number of tables in files; the columns of committed ports stand above.
const TABLES_BITS: u32 = 16;

/// Bits of the number of weights per row in files; where they stand is said above.
const WEIGHTS_BITS: u32 = 16;

/// [`MachineParams`] in files: the strides of a folded machine stand above the optional columns, and are zero in a parallel one; the
/// columns of committed ports stand above the tables, and are zero where there are none; above the weights per row stands 0 where they
/// are public, 1 where they are private, 2 where there are both.
#[derive(Serialize, Deserialize)]
struct ParamsFile {
    k: u32,
    units: u32,
    weights: u32,
    tables: u32,
    optional: u64,
}

impl From<MachineParams> for ParamsFile {
    fn from(params: MachineParams) -> Self {
        let MachineParams { k, units, weights, weight_lanes, tables, port_columns, optional, arrangement } = params;
        let tables = tables | port_columns << TABLES_BITS;
        let weights = weights | (weight_lanes as u32) << WEIGHTS_BITS;
        let strides = match arrangement {
            Arrangement::Parallel => 0,
            Arrangement::Folded(Strides(strides)) => {
                strides.iter().rev().fold(0, |bits, &stride| bits << STRIDE_BITS | u64::from(stride.min(Strides::MAX)))
            }
        };
        Self { k, units, weights, tables, optional: optional.0 | strides << FIRST_STRIDE_BIT }
    }
}

impl From<ParamsFile> for MachineParams {
    fn from(file: ParamsFile) -> Self {
        let ParamsFile { k, units, weights, tables, optional } = file;
        let strides = optional >> FIRST_STRIDE_BIT;
        let stride = |region: usize| (strides >> (STRIDE_BITS * region as u32)) as u32 & Strides::MAX;
        let arrangement = match strides {
            0 => Arrangement::Parallel,
            _ => Arrangement::Folded(Strides(std::array::from_fn(stride))),
        };
        let optional = ColumnSet(optional & ((1 << FIRST_STRIDE_BIT) - 1));
        let (tables, port_columns) = (tables & ((1 << TABLES_BITS) - 1), tables >> TABLES_BITS);
        // A word that says something else keeps it in the number of weights, which is then one that no machine has.
        let (weights, weight_lanes) = match weights >> WEIGHTS_BITS {
            1 => (weights & ((1 << WEIGHTS_BITS) - 1), WeightLanes::Private),
            2 => (weights & ((1 << WEIGHTS_BITS) - 1), WeightLanes::Both),
            _ => (weights, WeightLanes::Public),
        };
        Self { k, units, weights, weight_lanes, tables, port_columns, optional, arrangement }
    }
}

/// Widths outside what the family admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} is {found}, which the machine does not admit")]
pub struct ParamsError {
    /// Which width.
    pub what: &'static str,
    /// What was asked for.
    pub found: u32,
}

impl MachineParams {
    /// Rows of a parallel machine that carry blinding: no column is read more than three times.
    const PARALLEL_BLINDED_ROWS: usize = 6;
    /// Smallest and largest `k`.
    pub const K: std::ops::RangeInclusive<u32> = 5..=25;
    /// Most units per row.
    pub const MAX_UNITS: u32 = 32;
    /// Most weights per row.
    pub const MAX_WEIGHTS: u32 = 512;
    /// Most tables side by side.
    pub const MAX_TABLES: u32 = 16;
    /// Most columns that hold committed ports.
    pub const MAX_PORT_COLUMNS: u32 = 64;

    /// Checks that the widths are ones that the family admits; key parsers call it before anything is allocated.
    ///
    /// # Errors
    /// Names the width.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let checks = [
            ("k", self.k, *Self::K.start(), *Self::K.end()),
            ("the number of units per row", self.units, 1, Self::MAX_UNITS),
            ("the number of weights per row", self.weights, 1, Self::MAX_WEIGHTS),
            ("the number of tables", self.tables, 1, Self::MAX_TABLES),
            ("the number of columns of committed ports", self.port_columns, 0, Self::MAX_PORT_COLUMNS),
        ];
        if let Some(&(what, found, ..)) = checks.iter().find(|(_, value, lo, hi)| !(lo..=hi).contains(&value)) {
            return Err(ParamsError { what, found });
        }
        if !self.optional.within(FixedColumn::OPTIONAL) {
            return Err(ParamsError { what: "the set of optional columns", found: u32::MAX });
        }
        if self.has(FixedColumn::WeightPrivate) != self.weight_lanes.has_private() {
            return Err(ParamsError { what: "the switch of private weights, with such columns,", found: self.weights });
        }
        if let Arrangement::Folded(strides) = self.arrangement {
            self.validate_strides(strides)?;
        }
        match self.port_columns == 0 || port_rows(self.k) + self.blinded_rows() <= self.rows() {
            true => Ok(()),
            false => Err(ParamsError { what: "k, with committed ports,", found: self.k }),
        }
    }

    /// Cells are read at most one logical row before and two behind the first physical row of their own: these are different
    /// rows of the circuit.
    fn validate_strides(&self, strides: Strides) -> Result<(), ParamsError> {
        let refused = strides.0.into_iter().find(|stride| !(1..=Strides::MAX).contains(stride));
        if let Some(found) = refused {
            return Err(ParamsError { what: "the number of rows that a logical row takes", found });
        }
        match self.rows() > 4 * strides.largest() as usize {
            true => Ok(()),
            false => Err(ParamsError { what: "the number of rows that a logical row takes", found: strides.largest() }),
        }
    }

    /// First-phase columns of the circuit that hold private weights, and nothing else.
    pub fn private_weight_columns(&self) -> usize {
        match self.weight_lanes.has_private() {
            true => self.weights.div_ceil(self.arrangement.stride(Region::Weights)) as usize,
            false => 0,
        }
    }

    /// Number of rows, blinded ones included.
    pub fn rows(&self) -> usize {
        1 << self.k
    }

    /// Rows at the end of each column that carry blinding: as many as the proof library keeps for it, which depends on how
    /// often a column is read.
    pub fn blinded_rows(&self) -> usize {
        match self.arrangement {
            Arrangement::Parallel => Self::PARALLEL_BLINDED_ROWS,
            Arrangement::Folded(_) => {
                let mut system = ConstraintSystem::default();
                MachineConfig::configure(&mut system, *self);
                system.blinding_factors() + 1
            }
        }
    }

    /// Number of rows that a program can use.
    pub fn usable_rows(&self) -> usize {
        self.rows() - self.blinded_rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(arrangement: Arrangement) -> MachineParams {
        MachineParams {
            k: 9,
            units: 2,
            weights: 3,
            weight_lanes: WeightLanes::Public,
            tables: 4,
            port_columns: 0,
            optional: ColumnSet(0b1011),
            arrangement,
        }
    }

    fn word(params: MachineParams) -> u64 {
        ParamsFile::from(params).optional
    }

    #[test]
    fn files_hold_every_member() {
        assert_eq!(word(member(Arrangement::Parallel)), 0b1011);
        for strides in [[1, 1, 1, 1], [8, 7, 31, 3], [31; 4]] {
            let params = member(Arrangement::Folded(Strides(strides)));
            assert_eq!(MachineParams::from(ParamsFile::from(params)), params);
            assert!(params.validate().is_ok());
        }
        for port_columns in [1, MachineParams::MAX_PORT_COLUMNS] {
            let params = MachineParams { port_columns, ..member(Arrangement::Parallel) };
            assert_eq!(MachineParams::from(ParamsFile::from(params)), params);
            assert!(params.validate().is_ok());
        }
        for weight_lanes in [WeightLanes::Private, WeightLanes::Both] {
            let mut params = MachineParams { weight_lanes, ..member(Arrangement::Parallel) };
            assert!(params.validate().is_err(), "the switch is missing");
            params.optional.insert(FixedColumn::WeightPrivate.optional_bit().expect("it is optional"));
            assert_eq!(MachineParams::from(ParamsFile::from(params)), params);
            assert!(params.validate().is_ok());
            assert!(MachineParams { weight_lanes: WeightLanes::Public, ..params }.validate().is_err());
        }
        let other = ParamsFile { weights: 3 | 3 << WEIGHTS_BITS, ..member(Arrangement::Parallel).into() };
        assert!(MachineParams::from(other).validate().is_err());
        let unknown = ParamsFile { optional: 1 << FixedColumn::OPTIONAL, ..member(Arrangement::Parallel).into() };
        assert!(MachineParams::from(unknown).validate().is_err());
    }

    #[test]
    fn strides_that_no_machine_has_are_refused() {
        for (k, strides) in [(9, [1, 0, 1, 1]), (9, [1, 1, 32, 1]), (5, [8, 1, 1, 1])] {
            let params = MachineParams { k, ..member(Arrangement::Folded(Strides(strides))) };
            assert!(params.validate().is_err(), "{strides:?}");
        }
    }

    #[test]
    fn committed_ports_leave_room_for_the_blinding() {
        let smallest = |k| MachineParams { k, port_columns: 1, ..member(Arrangement::Parallel) };
        assert!(smallest(6).validate().is_ok() && smallest(5).validate().is_err());
        let many = MachineParams { port_columns: MachineParams::MAX_PORT_COLUMNS + 1, ..smallest(9) };
        assert!(many.validate().is_err());
        for k in 6..10 {
            let folded = MachineParams { arrangement: Arrangement::Folded(Strides([15; 4])), ..smallest(k) };
            let room = folded.rows() - port_rows(k);
            assert_eq!(folded.validate().is_ok(), folded.blinded_rows() <= room, "{k}");
        }
    }

    #[test]
    fn blinded_rows_are_those_of_the_library() {
        let parallel = Arrangement::Parallel;
        let folded = [[1, 1, 1, 1], [8, 8, 8, 3], [4, 5, 6, 7]].map(|strides| Arrangement::Folded(Strides(strides)));
        for arrangement in [parallel].into_iter().chain(folded) {
            for (optional, weight_lanes) in
                [(0, WeightLanes::Public), ((1 << FixedColumn::OPTIONAL) - 1, WeightLanes::Both)]
            {
                let params = MachineParams {
                    optional: ColumnSet(optional),
                    weight_lanes,
                    port_columns: 3,
                    ..member(arrangement)
                };
                let mut system = ConstraintSystem::default();
                MachineConfig::configure(&mut system, params);
                assert_eq!(params.blinded_rows(), system.blinding_factors() + 1, "{params:?}");
            }
        }
    }
}
