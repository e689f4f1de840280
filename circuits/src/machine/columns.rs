//! The logical columns of the machine, by name. `docs/arithmetization.md` derives each.

use super::{Arrangement, MachineParams};

/// A part of the machine whose logical rows follow one another; in a folded machine the parts do, too, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    /// Elements, limbs, and the readers of identities and planes.
    Units,
    /// Entries of the lookup tables.
    Tables,
    /// Blocks of weights.
    Weights,
    /// The scalar unit.
    Scalars,
}

impl Region {
    /// All regions in their order.
    pub const ALL: [Region; 4] = [Region::Units, Region::Tables, Region::Weights, Region::Scalars];
    /// The regions whose rows [`FixedColumn::OtherSelector`] marks.
    pub(super) const OTHERS: &'static [Region] = &[Region::Tables, Region::Weights, Region::Scalars];
}

/// A fixed column: what the program *is*. All are zero on the blinded rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FixedColumn {
    /// 1 on every usable row of a parallel machine.
    Active,
    /// 1 on every row of units of a folded machine.
    UnitSelector,
    /// 1 on every row of the other regions of a folded machine.
    OtherSelector,
    /// 1 where a row of the other regions holds entries of tables.
    IsTable,
    /// 1 where a row of the other regions holds weights.
    IsWeight,
    /// 1 on all rows of units but the first: the lookup sum takes up the row before.
    SumStep,
    /// 1 on the last row of tables: there the lookup sum ends.
    SumEnd,
    /// Table that `(pre, value)` of a lane is looked up in.
    ValueTag(u32),
    /// 1 where `(pre, value)` of a lane is looked up.
    ValueSwitch(u32),
    /// 1 where `low` and `high` of a lane are looked up.
    LimbSwitch(u32),
    /// Weights, many per row.
    Weight(u32),
    /// First component of a table's entry.
    TableKey(u32),
    /// Second component of a table's entry.
    TableImage(u32),
    /// Tag of a table's entry.
    TableTag(u32),
    /// Table of `low`.
    LowTag,
    /// Table of `high`.
    HighTag,
    /// Coefficient of `value` in the lane's linear form.
    ValueCoefficient,
    /// Coefficient of `pre`.
    PreCoefficient,
    /// Coefficient of `low`.
    LowCoefficient,
    /// Coefficient of `high`.
    HighCoefficient,
    /// Constant of the lane's linear form.
    Constant,
    /// Coefficient of `value` in the next row.
    NextValueCoefficient,
    /// Coefficient of `pre` in the next row.
    NextPreCoefficient,
    /// 1 where the lane's linear form (and product) vanishes.
    Pointwise,
    /// Coefficient of the product of the next row's `value` and `pre`.
    Product,
    /// 1 on the steps of a running maximum.
    Maximum,
    /// 1 on the steps of an arg max.
    ArgMaximum,
    /// 1 where the next row's `low` and `high` are overflows.
    Saturate,
    /// Largest argument of the table that saturates here.
    SaturateHigh,
    /// Smallest argument of the table that saturates here.
    SaturateLow,
    /// 1 where the identity reader's inner accumulator steps by `χ^U`.
    IdentityStepChi,
    /// 1 where the identity reader's inner accumulator steps by `ρ^U`.
    IdentityStepRho,
    /// 1 where the identity reader's inner accumulator is kept (a row without elements inside a block).
    IdentityKeep,
    /// 1 where the lanes are read with powers of `ρ` instead of `χ`.
    IdentityLanesRho,
    /// 1 where the outer accumulator of the identity reader is kept.
    IdentityOuterKeep,
    /// 1 where the outer accumulator of the identity reader steps by `ρ`.
    IdentityOuterStep,
    /// 1 where the outer accumulator of the identity reader absorbs the inner one.
    IdentityAbsorb,
    /// 1 where the plane reader steps by `χ^U`.
    PlaneStep,
    /// 1 where the plane reader is kept.
    PlaneKeep,
    /// 1 where the plane reader reads the lanes.
    PlaneRead,
    /// 1 where the plane reader reads and steps with powers of `ρ` instead of `χ`.
    PlaneRho,
    /// 1 where the weight bracket accumulator steps by `ρ^W`.
    WeightStep,
    /// 1 where the weight bracket accumulator steps by `ρ`.
    WeightSingleStep,
    /// 1 where the weight bracket takes up the private weights of a row.
    WeightPrivate,
    /// 1 where the weight bracket takes up the last private weight of a row alone.
    WeightSingle,
    /// 1 where the outer weight accumulator is kept.
    WeightOuterKeep,
    /// 1 where the outer weight accumulator steps by `χ`.
    WeightOuterStep,
    /// 1 where the outer weight accumulator absorbs the bracket accumulator.
    WeightAbsorb,
    /// Coefficient of the scalar unit's product `a·b`.
    ScalarProduct,
    /// Coefficient of the scalar unit's operand `a`.
    ScalarOperand,
    /// Coefficient of the scalar unit's previous result.
    ScalarPrevious,
    /// Coefficient of `ρ` times the previous result.
    ScalarRho,
    /// Coefficient of `χ` times the previous result.
    ScalarChi,
    /// Constant of the scalar unit.
    ScalarConstant,
}

/// The optional columns in the order of their bits.
const OPTIONAL: [FixedColumn; 40] = [
    FixedColumn::LowTag,
    FixedColumn::HighTag,
    FixedColumn::ValueCoefficient,
    FixedColumn::PreCoefficient,
    FixedColumn::LowCoefficient,
    FixedColumn::HighCoefficient,
    FixedColumn::Constant,
    FixedColumn::NextValueCoefficient,
    FixedColumn::NextPreCoefficient,
    FixedColumn::Pointwise,
    FixedColumn::Product,
    FixedColumn::Maximum,
    FixedColumn::ArgMaximum,
    FixedColumn::Saturate,
    FixedColumn::SaturateHigh,
    FixedColumn::SaturateLow,
    FixedColumn::IdentityStepChi,
    FixedColumn::IdentityStepRho,
    FixedColumn::IdentityKeep,
    FixedColumn::IdentityLanesRho,
    FixedColumn::IdentityOuterKeep,
    FixedColumn::IdentityOuterStep,
    FixedColumn::IdentityAbsorb,
    FixedColumn::PlaneStep,
    FixedColumn::PlaneKeep,
    FixedColumn::PlaneRead,
    FixedColumn::WeightStep,
    FixedColumn::WeightOuterKeep,
    FixedColumn::WeightOuterStep,
    FixedColumn::WeightAbsorb,
    FixedColumn::ScalarProduct,
    FixedColumn::ScalarOperand,
    FixedColumn::ScalarPrevious,
    FixedColumn::ScalarRho,
    FixedColumn::ScalarChi,
    FixedColumn::ScalarConstant,
    FixedColumn::PlaneRho,
    FixedColumn::WeightPrivate,
    FixedColumn::WeightSingle,
    FixedColumn::WeightSingleStep,
];

impl FixedColumn {
    /// Number of optional columns.
    pub const OPTIONAL: u32 = OPTIONAL.len() as u32;

    /// The bit of an optional column, or `None` for one that every member has.
    pub fn optional_bit(self) -> Option<u32> {
        OPTIONAL.iter().position(|&column| column == self).map(|bit| bit as u32)
    }

    /// The columns by which a machine knows its rows: they follow from its regions, whatever the program.
    pub fn marks(arrangement: &Arrangement) -> &'static [FixedColumn] {
        match arrangement {
            Arrangement::Parallel => &[FixedColumn::Active],
            Arrangement::Folded(_) => &[
                FixedColumn::UnitSelector,
                FixedColumn::OtherSelector,
                FixedColumn::IsTable,
                FixedColumn::IsWeight,
                FixedColumn::SumStep,
                FixedColumn::SumEnd,
            ],
        }
    }

    /// The logical fixed columns of a member; those of a parallel one in the order of its constraint system.
    pub fn all(params: &MachineParams) -> Vec<FixedColumn> {
        let mut columns = Self::marks(&params.arrangement).to_vec();
        for lane in 0..params.units {
            columns.extend([
                FixedColumn::ValueTag(lane),
                FixedColumn::ValueSwitch(lane),
                FixedColumn::LimbSwitch(lane),
            ]);
        }
        for table in 0..params.tables {
            columns.extend([
                FixedColumn::TableKey(table),
                FixedColumn::TableImage(table),
                FixedColumn::TableTag(table),
            ]);
        }
        if params.weight_lanes.has_public() {
            columns.extend((0..params.weights).map(FixedColumn::Weight));
        }
        columns.extend((0..).zip(OPTIONAL).filter(|&(bit, _)| params.optional.contains(bit)).map(|(_, column)| column));
        columns
    }

    /// The regions that the column's rows run through, one after the other where the regions are.
    pub fn regions(self) -> &'static [Region] {
        use FixedColumn as F;
        match self {
            F::Active => &Region::ALL,
            F::OtherSelector | F::IsTable | F::IsWeight => Region::OTHERS,
            F::TableKey(_) | F::TableImage(_) | F::TableTag(_) | F::SumEnd => &[Region::Tables],
            F::Weight(_)
            | F::WeightStep
            | F::WeightSingleStep
            | F::WeightPrivate
            | F::WeightSingle
            | F::WeightOuterKeep
            | F::WeightOuterStep
            | F::WeightAbsorb => &[Region::Weights],
            F::ScalarProduct
            | F::ScalarOperand
            | F::ScalarPrevious
            | F::ScalarRho
            | F::ScalarChi
            | F::ScalarConstant => &[Region::Scalars],
            _ => &[Region::Units],
        }
    }

    /// Whether the column switches on what reads the next row, so that it is zero on the last row of its region.
    pub fn looks_ahead(self) -> bool {
        use FixedColumn as F;
        matches!(
            self,
            F::NextValueCoefficient
                | F::NextPreCoefficient
                | F::Product
                | F::Maximum
                | F::ArgMaximum
                | F::Saturate
                | F::SaturateHigh
                | F::SaturateLow
        )
    }

    /// Whether the column makes an accumulator take up the row before it, so that it is zero on the first row of its region.
    pub fn looks_back(self) -> bool {
        use FixedColumn as F;
        matches!(
            self,
            F::SumStep
                | F::IdentityStepChi
                | F::IdentityStepRho
                | F::IdentityKeep
                | F::IdentityOuterKeep
                | F::IdentityOuterStep
                | F::PlaneStep
                | F::PlaneKeep
                | F::WeightStep
                | F::WeightSingleStep
                | F::WeightOuterKeep
                | F::WeightOuterStep
                | F::ScalarPrevious
                | F::ScalarRho
                | F::ScalarChi
        )
    }
}

/// A logical advice column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdviceColumn {
    /// The home of an element; first phase.
    Value(u32),
    /// The element before its function, or a second operand; first phase.
    Pre(u32),
    /// A limb or difference; first phase.
    Low(u32),
    /// A limb or difference; first phase.
    High(u32),
    /// How often a table's entry is looked up; first phase.
    Multiplicity(u32),
    /// Private weights, many per row; first phase.
    Weight(u32),
    /// Elements of a committed port, in rows of the circuit; first phase.
    Port(u32),
    /// Sum of a lane's three fractions; second phase.
    LookupHelper(u32),
    /// Fraction of a table's entry; second phase.
    TableHelper(u32),
    /// Running sum of all fractions; second phase.
    LookupSum,
    /// Inner accumulator of the identity reader; second phase.
    IdentityInner,
    /// Outer accumulator of the identity reader; second phase, where planes are read.
    IdentityOuter,
    /// Accumulator of the plane reader; second phase, where planes are read.
    Plane,
    /// Accumulator of weight brackets; second phase.
    WeightInner,
    /// Accumulator over the taps of a kernel; second phase, where planes are read.
    WeightOuter,
    /// First operand of the scalar unit; second phase.
    ScalarA,
    /// Second operand of the scalar unit; second phase.
    ScalarB,
    /// Result of the scalar unit; second phase.
    ScalarC,
}

impl AdviceColumn {
    /// The first-phase columns of a member, in the order of the constraint system.
    pub fn first_phase(params: &MachineParams) -> Vec<AdviceColumn> {
        let mut columns = Vec::new();
        for lane in 0..params.units {
            columns.extend([
                AdviceColumn::Value(lane),
                AdviceColumn::Pre(lane),
                AdviceColumn::Low(lane),
                AdviceColumn::High(lane),
            ]);
        }
        columns.extend((0..params.tables).map(AdviceColumn::Multiplicity));
        if params.weight_lanes.has_private() {
            columns.extend((0..params.weights).map(AdviceColumn::Weight));
        }
        columns.extend((0..params.port_columns).map(AdviceColumn::Port));
        columns
    }

    /// The second-phase columns of a member, in the order of the constraint system.
    pub fn second_phase(params: &MachineParams) -> Vec<AdviceColumn> {
        let mut columns: Vec<_> = (0..params.units).map(AdviceColumn::LookupHelper).collect();
        columns.extend((0..params.tables).map(AdviceColumn::TableHelper));
        columns.extend([AdviceColumn::LookupSum, AdviceColumn::IdentityInner, AdviceColumn::WeightInner]);
        if params.reads_planes() {
            columns.extend([AdviceColumn::IdentityOuter, AdviceColumn::Plane, AdviceColumn::WeightOuter]);
        }
        columns.extend([AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC]);
        columns
    }

    /// The columns that take part in the permutation argument, in the order of a parallel machine; the instance column
    /// follows them.
    pub fn permuted(params: &MachineParams) -> Vec<AdviceColumn> {
        let mut columns: Vec<_> =
            (0..params.units).flat_map(|lane| [AdviceColumn::Value(lane), AdviceColumn::Pre(lane)]).collect();
        columns.extend([AdviceColumn::identity_result(params), AdviceColumn::weight_result(params)]);
        if params.reads_planes() {
            columns.push(AdviceColumn::Plane);
        }
        columns.extend([AdviceColumn::ScalarA, AdviceColumn::ScalarB, AdviceColumn::ScalarC]);
        columns.extend((0..params.port_columns).map(AdviceColumn::Port));
        columns
    }

    /// The regions that the column's rows run through, one after the other where the regions are. Columns of committed ports
    /// belong to none: their rows are those of the circuit.
    pub fn regions(self) -> &'static [Region] {
        use AdviceColumn as A;
        match self {
            A::Value(_)
            | A::Pre(_)
            | A::Low(_)
            | A::High(_)
            | A::LookupHelper(_)
            | A::IdentityInner
            | A::IdentityOuter
            | A::Plane => &[Region::Units],
            A::LookupSum => &[Region::Units, Region::Tables],
            A::Multiplicity(_) | A::TableHelper(_) => &[Region::Tables],
            A::Weight(_) | A::WeightInner | A::WeightOuter => &[Region::Weights],
            A::ScalarA | A::ScalarB | A::ScalarC => &[Region::Scalars],
            A::Port(_) => &[],
        }
    }

    /// Whether each row's cell is made from that of the row before.
    pub fn accumulates(self) -> bool {
        use AdviceColumn as A;
        matches!(
            self,
            A::LookupSum
                | A::IdentityInner
                | A::IdentityOuter
                | A::Plane
                | A::WeightInner
                | A::WeightOuter
                | A::ScalarC
        )
    }

    /// Where the value of an identity's left side is found.
    pub fn identity_result(params: &MachineParams) -> AdviceColumn {
        if params.reads_planes() {
            AdviceColumn::IdentityOuter
        } else {
            AdviceColumn::IdentityInner
        }
    }

    /// Where the value of a block of weights is found.
    pub fn weight_result(params: &MachineParams) -> AdviceColumn {
        if params.reads_planes() {
            AdviceColumn::WeightOuter
        } else {
            AdviceColumn::WeightInner
        }
    }
}

impl MachineParams {
    /// Whether the member has the plane reader and the outer accumulators.
    pub fn reads_planes(&self) -> bool {
        self.has(FixedColumn::PlaneRead)
    }

    /// Whether the member has a column.
    pub fn has(&self, column: FixedColumn) -> bool {
        column.optional_bit().is_none_or(|bit| self.optional.contains(bit))
    }
}
