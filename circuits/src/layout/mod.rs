//! Lays a program out on a machine: which cell holds what, which fixed cells say so, and how a run fills the witness.
//!
//! [`compile`] tries the candidate widths, lets the [cost model](cost) choose, and checks the result by a symbolic
//! run of the machine ([`audit`]). The layout of a program is deterministic, and made again from what was chosen
//! ([`Widths`]) by [`lay_out`].

pub mod audit;
mod builder;
mod clamp;
mod conv;
pub mod cost;
mod fill;
mod folding;
mod hash;
mod matmul;
mod maxima;
mod poseidon;
mod quotients;
mod rows;
mod scalar;
mod significant;
mod steps;
mod tables;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::analysis::{self, AnalysisError, NodeRange};
use crate::batch::Merging;
use crate::digest::Salt;
use crate::graph::{Port, Program, ProgramError, TableId, TensorId, Visibility};
use crate::interface::{port_rows, Direction, Interface, InterfacePort, PublicData};
use crate::machine::{
    AdviceColumn, Arrangement, Assignment, Cell, ColumnSet, FixedColumn, Integers, MachineCircuit, MachineParams,
    ParamsError, Placement, Region, Regions, Skeleton, WeightLanes,
};
use crate::origin::{self, Origin};
use crate::reference::Trace;
use builder::Builder;
use fill::{Fill, Filler, UnitColumns};
use tables::{TablePlan, TableSizes};
use weights::{PrivateWeights, Strips};

pub use builder::ACCUMULATOR_BITS;
pub use cost::{Estimate, GasModel, Objective};

/// What a layout is chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutOptions {
    /// What to minimise.
    pub objective: Objective,
    /// Units per row, instead of what the cost model chooses.
    pub units: Option<u32>,
    /// Weights per row, instead of what the cost model chooses.
    pub weights: Option<u32>,
    /// How the columns are placed, instead of what the cost model chooses.
    pub fold: Option<Fold>,
    /// The machine has `2^k` rows, instead of as many as the cost model chooses. Commitments can only be compared between machines of
    /// equal `k`.
    pub k: Option<u32>,
}

/// A choice among the arrangements of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fold {
    /// A column for every logical column.
    Parallel,
    /// So many rows for every row of units; the cost model chooses the strides of the other regions.
    Rows(u32),
}

/// Why a program has no layout. `node` is the node's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The program is not well formed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Numbers may grow too large.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// An accumulator may not fit the witness arithmetic.
    #[error(
        "node {node:?}: its accumulator may take {bits} bits, {limit} are admitted; use fewer bits or a smaller shift"
    )]
    Accumulator {
        /// The node.
        node: String,
        /// Bits it may take.
        bits: u32,
        /// Bits admitted.
        limit: u32,
    },
    /// Values too wide to be compared.
    #[error("node {node:?}: its operands differ by {bits} bits, {limit} are admitted; requantize them first")]
    Comparison {
        /// The node.
        node: String,
        /// Bits of the difference.
        bits: u32,
        /// Bits admitted.
        limit: u32,
    },
    /// More rows than the largest machine has.
    #[error("the program takes {rows} rows, the largest machine has {limit}")]
    TooLarge {
        /// Rows needed.
        rows: usize,
        /// Rows of the largest machine.
        limit: usize,
    },
    /// A public value too wide to be packed.
    #[error("port {port:?}: its values may take {bits} bits, 62 are admitted")]
    Port {
        /// The port.
        port: String,
        /// Bits of a value.
        bits: u32,
    },
    /// Private weights that are shared by layers which do not lie alike.
    #[error("node {node:?}: it shares private weights with a layer that is laid out otherwise; declare them apart")]
    SharedWeights {
        /// The node.
        node: String,
    },
    /// The compiler made a mistake and found it out.
    #[error("internal error, please report it: {0}")]
    Audit(#[from] audit::AuditError),
    /// Widths that the machine does not admit.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// Logical rows of the parts of a machine, and rows of public values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowUse {
    /// Rows of units.
    pub units: usize,
    /// Rows of weights.
    pub weights: usize,
    /// Rows of the scalar unit.
    pub scalars: usize,
    /// Rows of the tables.
    pub tables: usize,
    /// Rows of public values.
    pub instances: usize,
}

impl RowUse {
    /// Rows of the circuit in use: the parts lie side by side or one after the other.
    pub fn used(&self, arrangement: Arrangement) -> usize {
        match arrangement {
            Arrangement::Parallel => {
                [self.units, self.weights, self.scalars, self.tables, self.instances].into_iter().max().unwrap_or(0)
            }
            Arrangement::Folded(strides) => {
                let rows = Region::ALL.map(|region| strides.of(region) as usize * self.of_folded(region));
                rows.iter().sum::<usize>().max(self.instances)
            }
        }
    }

    /// Logical rows of a region of a folded machine. Behind the last block of units a row stays free: no gate that reads the
    /// next row reads another region's.
    fn of_folded(&self, region: Region) -> usize {
        match region {
            Region::Units => self.units + 1,
            Region::Tables => self.tables,
            Region::Weights => self.weights,
            Region::Scalars => self.scalars,
        }
    }

    fn regions(&self, params: &MachineParams) -> Regions {
        Regions::new(params, Region::ALL.map(|region| self.of_folded(region)))
    }
}

/// Figures of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// The machine.
    pub params: MachineParams,
    /// Logical rows in use.
    pub rows: RowUse,
    /// Rows of the circuit in use.
    pub used_rows: usize,
    /// Advice columns.
    pub advice_columns: usize,
    /// Fixed columns.
    pub fixed_columns: usize,
    /// Columns of the permutation argument.
    pub permutation_columns: usize,
    /// Commitments in a proof and its key.
    pub commitments: usize,
    /// Cells that hold elements.
    pub elements: usize,
    /// Weights stored.
    pub weights: usize,
    /// Copy constraints.
    pub copies: usize,
    /// Instance words.
    pub instances: usize,
}

/// A program on a machine.
#[derive(Clone, Debug)]
pub struct Layout {
    skeleton: Arc<Skeleton>,
    widths: Widths,
    interface: Interface,
    fills: Arc<[Fill]>,
    rows: RowUse,
    elements: usize,
    weights: usize,
    /// Where the private weights stand.
    private_weights: Arc<PrivateWeights>,
    /// Where the elements of each tensor that is no view live.
    homes: Arc<[Vec<rows::Place>]>,
    /// Where the limbs of the salts of hashed ports live.
    salts: Arc<[Vec<rows::Place>]>,
    identities: Arc<[audit::LaidIdentity]>,
    /// Where the groups of gathered rows are looked up.
    gathers: Arc<[audit::LaidGather]>,
    /// Where the differences of wide maxima begin, for each element one after the other, and the operands of indices of maxima.
    maxima: Arc<BTreeMap<TensorId, Vec<rows::Place>>>,
    /// Where the results of clamps without tables are shown to be in range.
    clamps: Arc<BTreeMap<TensorId, clamp::LaidClamp>>,
    /// Tag and domain of each function's table.
    function_tags: BTreeMap<TableId, (i64, i64, i64)>,
}

/// Lays out a program.
///
/// # Errors
/// The program is not well formed, its numbers may grow too large, or it does not fit the largest machine.
pub fn compile(program: &Program, options: &LayoutOptions) -> Result<Layout, LayoutError> {
    compile_for(program, options, cost::least_gas)
}

/// [`compile`] for a verifier contract: `gas` is what it takes.
///
/// # Errors
/// Those of [`compile`].
pub fn compile_for(program: &Program, options: &LayoutOptions, gas: GasModel) -> Result<Layout, LayoutError> {
    let subject = Subject::new(program)?;
    let cost::Choice { widths, draft, .. } = cost::choose(&subject, options, gas)?;
    let layout = match draft {
        Some(draft) => subject.finish(draft, options, widths)?,
        None => subject.lay_out(options, widths)?,
    };
    // The audit derives for itself what it needs of the program.
    drop(subject);
    audit::audit(program, &layout)?;
    Ok(layout)
}

/// What a proof of a program on the cheapest machine is expected to cost, in the units of the objective.
///
/// # Errors
/// Those of [`compile`].
pub fn least_cost(program: &Program, options: &LayoutOptions, gas: GasModel) -> Result<f64, LayoutError> {
    Ok(cost::choose(&Subject::new(program)?, options, gas)?.cost)
}

/// The program for so many samples at once, with the convolutions merged whose merging makes it cheapest; one sample leaves
/// the program as it is. The choice is a function of the program, the samples, the options and the gas.
///
/// # Errors
/// Those of [`Program::batched`], and those of [`compile`] where no choice has a layout.
pub fn batched(
    program: &Program,
    samples: usize,
    options: &LayoutOptions,
    gas: GasModel,
) -> Result<Program, LayoutError> {
    let mut best: Option<(f64, Program)> = None;
    let mut failure = None;
    let mut tried = None;
    for merging in Merging::ALL {
        let batch = program.batched(samples, merging)?;
        if samples == 1 {
            return Ok(batch);
        }
        if tried.as_ref() == Some(&batch) {
            continue;
        }
        let cost = |subject: Subject<'_>| Ok(cost::choose(&subject, options, gas)?.cost);
        match Subject::new(&batch).and_then(cost) {
            Ok(cost) if best.as_ref().is_none_or(|(least, _)| cost < *least) => best = Some((cost, batch.clone())),
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
        tried = Some(batch);
    }
    best.map(|(_, program)| program).ok_or_else(|| failure.expect("a batch without a layout says why"))
}

/// Lays out a program as it was laid out before: neither are widths tried, nor is the result audited.
///
/// That is for provers. A layout that is not what its program says (because the widths are others than those that were
/// compiled, or because the program is) has another verifying key, and what is proved with it does not verify.
///
/// # Errors
/// The program is not well formed, its numbers may grow too large, or it does not fit the machine.
pub fn lay_out(program: &Program, options: &LayoutOptions, widths: &Widths) -> Result<Layout, LayoutError> {
    widths.validate()?;
    Subject::new(program)?.lay_out(options, *widths)
}

/// A program that is laid out, with what all layouts of it have in common.
struct Subject<'a> {
    program: &'a Program,
    ranges: Vec<NodeRange>,
    interface: Interface,
    strips: Strips<'a>,
    origins: Vec<Option<Arc<[Origin]>>>,
}

impl<'a> Subject<'a> {
    fn new(program: &'a Program) -> Result<Self, LayoutError> {
        program.validate()?;
        let ranges = analysis::ranges(program)?;
        let interface = interface(program, &ranges)?;
        Ok(Self { program, ranges, interface, strips: Strips::new(program), origins: origin::origins(program) })
    }

    /// Elements of the tensors that are no views.
    fn elements(&self) -> usize {
        let computed = self.program.nodes.iter().zip(&self.origins).filter(|(_, views)| views.is_none());
        computed.map(|(node, _)| node.elements()).sum()
    }

    fn tables(&self, sizes: TableSizes) -> TablePlan {
        TablePlan::new(self.program, &self.ranges, sizes)
    }

    /// Columns of `2^k` rows for committed ports.
    fn port_columns(&self, k: u32) -> u32 {
        self.interface.committed_columns(k).try_into().unwrap_or(u32::MAX)
    }

    fn lay_out(&self, options: &LayoutOptions, widths: Widths) -> Result<Layout, LayoutError> {
        self.finish(Draft::new(self, widths.units, self.tables(widths.table_sizes()))?, options, widths)
    }

    /// The layout that a draft becomes with the widths for which it is one.
    fn finish(&self, draft: Draft<'_>, options: &LayoutOptions, widths: Widths) -> Result<Layout, LayoutError> {
        if widths.tables as usize > draft.builder.tables.len() {
            return Err(ParamsError { what: "the number of tables", found: widths.tables }.into());
        }
        let fits = |tables: u32, k: u32| draft.fits(&Widths { k, tables, ..widths });
        if !fits(widths.tables, widths.k) {
            let rows = draft.rows(widths.weights, widths.tables).used(widths.arrangement);
            return Err(LayoutError::TooLarge { rows, limit: widths.params().usable_rows() - 1 });
        }
        // A machine far too large is never chosen unless it is asked for, and would take memory for nothing.
        let least = match widths.arrangement {
            Arrangement::Parallel => MachineParams::K.into_iter().find(|&k| fits(MachineParams::MAX_TABLES, k)),
            Arrangement::Folded(_) => MachineParams::K.into_iter().find(|&k| fits(widths.tables, k)),
        };
        match options.k == Some(widths.k) || least.is_some_and(|least| widths.k <= least + cost::K_SLACK) {
            true => Ok(draft.finish(widths)),
            false => Err(ParamsError { what: "k", found: widths.k }.into()),
        }
    }
}

/// The interface of a program, without laying it out.
///
/// # Errors
/// The program is not well formed, its numbers may grow too large, or a port's values are too wide to be packed.
pub fn interface_of(program: &Program) -> Result<Interface, LayoutError> {
    program.validate()?;
    interface(program, &analysis::ranges(program)?)
}

/// The interface of a program: its ports with the ranges that the circuit guarantees.
///
/// # Errors
/// A port whose values are too wide to be packed.
fn interface(program: &Program, ranges: &[NodeRange]) -> Result<Interface, LayoutError> {
    let port = |port: &Port, direction| {
        let range = ranges[port.tensor.0 as usize].proven;
        let (Ok(lo), Ok(hi)) = (i64::try_from(range.lo), i64::try_from(range.hi)) else {
            let bits = 128 - range.width().leading_zeros();
            return Err(LayoutError::Port { port: port.name.clone(), bits });
        };
        let port = InterfacePort {
            name: port.name.clone(),
            direction,
            shape: port.shape.clone(),
            scale: port.scale,
            kind: port.kind,
            visibility: port.visibility,
            lo,
            hi,
        };
        match port.bits() {
            0..=62 => Ok(port),
            bits => Err(LayoutError::Port { port: port.name, bits }),
        }
    };
    let inputs = program.inputs.iter().map(|p| port(p, Direction::Input));
    let outputs = program.outputs.iter().map(|p| port(p, Direction::Output));
    Ok(Interface { ports: inputs.chain(outputs).collect::<Result<_, _>>()? })
}

/// What is chosen for a program: with it, the program is laid out the same way again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WidthsFile", into = "WidthsFile")]
pub struct Widths {
    /// The machine has `2^k` rows.
    pub k: u32,
    /// Units per row.
    pub units: u32,
    /// Weights per row.
    pub weights: u32,
    /// Lookup tables side by side.
    pub tables: u32,
    /// Entries up to which a function's table may grow before its uses saturate by a gadget.
    pub max_table: i64,
    /// Entries of the longest clamp that has a table; longer ones are shown by limbs. `None` where all clamps have tables.
    pub max_clamp: Option<u32>,
    /// How the columns are placed.
    pub arrangement: Arrangement,
}

/// Bits of the size of tables in files; the longest clamp stands above.
const MAX_TABLE_BITS: u32 = 32;

/// [`Widths`] in files: the longest clamp that has a table stands above the size of tables, and is zero where all have tables.
#[derive(Serialize, Deserialize)]
struct WidthsFile {
    k: u32,
    units: u32,
    weights: u32,
    tables: u32,
    max_table: i64,
    arrangement: Arrangement,
}

impl From<Widths> for WidthsFile {
    fn from(widths: Widths) -> Self {
        let Widths { k, units, weights, tables, max_table, max_clamp, arrangement } = widths;
        let max_table = max_table | i64::from(max_clamp.unwrap_or(0)) << MAX_TABLE_BITS;
        Self { k, units, weights, tables, max_table, arrangement }
    }
}

impl From<WidthsFile> for Widths {
    fn from(file: WidthsFile) -> Self {
        let WidthsFile { k, units, weights, tables, max_table, arrangement } = file;
        // What is no size keeps its upper half in the size of tables, which is then one that no layout has.
        let (max_table, max_clamp) = match u32::try_from(max_table >> MAX_TABLE_BITS) {
            Ok(0) | Err(_) => (max_table, None),
            Ok(max_clamp) => (max_table & ((1 << MAX_TABLE_BITS) - 1), Some(max_clamp)),
        };
        Self { k, units, weights, tables, max_table, max_clamp, arrangement }
    }
}

/// A layout whose units per row are chosen and whose other widths are not.
struct Draft<'a> {
    subject: &'a Subject<'a>,
    builder: Builder<'a>,
    /// Optional columns of units and scalars that are on somewhere.
    switched_on: BTreeSet<FixedColumn>,
}

impl<'a> Draft<'a> {
    fn new(subject: &'a Subject<'a>, units: u32, tables: TablePlan) -> Result<Self, LayoutError> {
        Ok(Self::within(subject, units, tables, usize::MAX)?.expect("no draft has more rows"))
    }

    /// A draft that is given up where it takes more rows of units than so many.
    fn within(
        subject: &'a Subject<'a>,
        units: u32,
        tables: TablePlan,
        most: usize,
    ) -> Result<Option<Self>, LayoutError> {
        let mut builder = Builder::new(subject, units, tables);
        if !builder.build(&subject.interface, most)? {
            return Ok(None);
        }
        let mut switched_on = builder.rows.switched_on();
        builder.scalar.switches(|column, _, value| {
            if value != 0 {
                switched_on.insert(column);
            }
        });
        switched_on.extend(builder.scalar.elements().iter().map(|&(column, ..)| column));
        Ok(Some(Self { subject, builder, switched_on }))
    }

    /// The most weights per row that are of use.
    fn widest(&self) -> usize {
        self.builder.weights.widest()
    }

    /// Rows with `weights` weights per row and `tables` tables side by side.
    fn rows(&self, weights: u32, tables: u32) -> RowUse {
        RowUse {
            units: self.builder.rows.len(),
            weights: self.builder.weights.rows(weights as usize),
            scalars: self.builder.scalar.len(),
            tables: self.builder.tables.len().div_ceil(tables as usize),
            instances: self.builder.instances.len(),
        }
    }

    /// Whether the machine has rows enough: one stays free behind all that are in use.
    fn fits(&self, widths: &Widths) -> bool {
        let params = self.params(widths);
        params.validate().is_ok()
            && self.rows(widths.weights, widths.tables).used(widths.arrangement) < params.usable_rows()
    }

    /// The member of the machine's family.
    fn params(&self, widths: &Widths) -> MachineParams {
        MachineParams {
            weight_lanes: self.builder.weights.lanes(),
            port_columns: self.subject.port_columns(widths.k),
            optional: self.optional(widths.weights),
            ..widths.params()
        }
    }

    /// The copies of the elements of committed ports to their columns.
    fn port_copies(&self, k: u32) -> Vec<(Cell, Cell)> {
        let program = self.subject.program;
        let ports: Vec<TensorId> = program.inputs.iter().chain(&program.outputs).map(|port| port.tensor).collect();
        let mut copies = Vec::new();
        for (port, _, columns) in self.subject.interface.committed(k) {
            for (index, element) in self.builder.elements(ports[port]).into_iter().enumerate() {
                let (column, row) = (columns.start + index / port_rows(k), index % port_rows(k));
                let cell = Cell::Advice(AdviceColumn::Port(column as u32), row as u32);
                copies.push((self.builder.element_cell(element), cell));
            }
        }
        copies
    }

    /// The optional columns of the machine with `weights` weights per row.
    fn optional(&self, weights: u32) -> ColumnSet {
        let mut columns = self.switched_on.clone();
        columns.extend(self.builder.weights.switched_on(weights as usize));
        if columns.contains(&FixedColumn::PlaneRead) {
            if self.builder.identities.iter().any(|check| check.flat) {
                columns.insert(FixedColumn::IdentityAbsorb);
            }
        } else {
            OUTER_COLUMNS.iter().for_each(|column| {
                columns.remove(column);
            });
        }
        let mut set = ColumnSet::default();
        columns.into_iter().filter_map(FixedColumn::optional_bit).for_each(|bit| set.insert(bit));
        set
    }

    fn finish(self, widths: Widths) -> Layout {
        let rows = self.rows(widths.weights, widths.tables);
        let params = self.params(&widths);
        let regions = rows.regions(&params);
        let port_copies = self.port_copies(widths.k);
        let builder = self.builder;
        let private_weights = builder.weights.private(builder.strips, widths.weights as usize);
        let mut cells = FixedCells {
            regions,
            columns: builder.rows.columns(regions.rows(Region::Units)),
            elements: BTreeMap::new(),
        };
        let elements = builder.rows.elements();
        // They take as much memory as the columns that were made of them.
        drop(builder.rows);
        let weight_rows =
            builder.weights.emit(widths.weights as usize, |column, row, value| cells.set(column, row, value));
        let weight_cells = regions.rows(Region::Weights);
        cells.weights(builder.weights.columns(builder.strips, widths.weights as usize, weight_cells));
        cells.tables(&builder.tables.entries(builder.program), widths.tables);
        cells.identities(&builder.identities);
        let mut copies = builder.copies;
        builder.scalar.switches(|column, row, value| cells.set(column, row, value));
        for &(column, scalar, value) in builder.scalar.elements() {
            cells.set_element(column, scalar.row() as usize, value);
        }
        builder.scalar.copies(&params, regions.rows(Region::Scalars), |block| weight_rows[block], &mut copies);
        let result = AdviceColumn::identity_result(&params);
        copies.extend(builder.identities.iter().map(|check| check.copy(result)));
        copies.extend((0..).zip(&builder.instances).map(|(row, word)| (word.cell(), Cell::Instance(row))));
        copies.extend(port_copies);
        copies.shrink_to_fit();
        Layout {
            skeleton: Arc::new(cells.skeleton(params, copies)),
            widths,
            interface: self.subject.interface.clone(),
            elements,
            weights: builder.weights.weights(),
            private_weights: Arc::new(private_weights),
            fills: builder.fills.into(),
            homes: builder.places.into(),
            salts: builder.salts.into(),
            identities: builder.identities.iter().map(builder::IdentityCheck::laid).collect(),
            gathers: builder.gathers.into(),
            maxima: Arc::new(builder.maxima),
            clamps: Arc::new(builder.clamps),
            function_tags: builder.tables.functions(),
            rows,
        }
    }
}

impl Widths {
    /// Checks that the widths can have been chosen.
    fn validate(&self) -> Result<(), ParamsError> {
        self.params().validate()?;
        if !cost::TABLE_SIZES.contains(&self.max_table) {
            let found = self.max_table.try_into().unwrap_or(u32::MAX);
            return Err(ParamsError { what: "the size of tables", found });
        }
        match self.max_clamp.filter(|entries| !cost::CLAMP_SIZES.contains(entries)) {
            None => Ok(()),
            Some(found) => Err(ParamsError { what: "the longest clamp with a table", found }),
        }
    }

    fn table_sizes(&self) -> TableSizes {
        TableSizes { max_table: self.max_table, max_clamp: self.max_clamp }
    }

    /// The member of the machine's family, without optional columns and those of committed ports, as if all weights were public.
    pub fn params(&self) -> MachineParams {
        MachineParams {
            k: self.k,
            units: self.units,
            weights: self.weights,
            weight_lanes: WeightLanes::Public,
            tables: self.tables,
            port_columns: 0,
            optional: ColumnSet::default(),
            arrangement: self.arrangement,
        }
    }
}

/// Columns that do not exist without planes: then the inner accumulators are the results.
const OUTER_COLUMNS: [FixedColumn; 4] = [
    FixedColumn::IdentityAbsorb,
    FixedColumn::WeightAbsorb,
    FixedColumn::WeightOuterKeep,
    FixedColumn::WeightOuterStep,
];

/// The fixed cells as they are collected.
struct FixedCells {
    regions: Regions,
    columns: BTreeMap<FixedColumn, Integers>,
    /// Cells that are no small integers.
    elements: BTreeMap<FixedColumn, BTreeMap<usize, Fr>>,
}

impl FixedCells {
    fn set_element(&mut self, column: FixedColumn, row: usize, value: Fr) {
        let rows = self.regions.rows_through(column.regions());
        self.columns.entry(column).or_insert_with(|| Integers::zeros(rows));
        self.elements.entry(column).or_default().insert(row, value);
    }

    fn set(&mut self, column: FixedColumn, row: usize, value: i64) {
        if value != 0 {
            let rows = self.regions.rows_through(column.regions());
            self.columns.entry(column).or_insert_with(|| Integers::zeros(rows)).set(row, value);
        }
    }

    fn weights(&mut self, columns: Vec<Integers>) {
        let columns = (0..).map(FixedColumn::Weight).zip(columns);
        self.columns.extend(columns.filter(|(_, cells)| !cells.is_zero()));
    }

    /// Spreads the entries over the tables; rows behind the last entry repeat the first.
    fn tables(&mut self, entries: &[(i64, i64, i64)], tables: u32) {
        for table in 0..tables {
            let mine: Vec<_> = entries.iter().skip(table as usize).step_by(tables as usize).collect();
            for row in 0..self.regions.rows(Region::Tables) {
                let &(key, image, tag) = mine.get(row).copied().unwrap_or(mine[0]);
                self.set(FixedColumn::TableKey(table), row, key);
                self.set(FixedColumn::TableImage(table), row, image);
                self.set(FixedColumn::TableTag(table), row, tag);
            }
        }
    }

    /// Where the outer accumulator absorbs an inner one that runs through several channels.
    fn identities(&mut self, identities: &[builder::IdentityCheck]) {
        if self.columns.contains_key(&FixedColumn::PlaneRead) {
            for check in identities.iter().filter(|check| check.flat) {
                self.set(FixedColumn::IdentityAbsorb, check.row as usize, 1);
            }
        } else {
            OUTER_COLUMNS.iter().for_each(|column| {
                self.columns.remove(column);
            });
        }
    }

    fn skeleton(mut self, params: MachineParams, copies: Vec<(Cell, Cell)>) -> Skeleton {
        if params.arrangement == Arrangement::Parallel {
            self.mark_empty_columns(&params);
        }
        let mut skeleton = Skeleton::new(params, self.regions);
        skeleton.fixed.append(&mut self.columns);
        skeleton.elements = self.elements;
        skeleton.copies = copies;
        skeleton
    }

    /// A column that every parallel member has must not be zero (its commitment would be the identity). The last usable row
    /// belongs to no block: a weight there is read by nobody, and neither is a unit there that is looked up as a limb, or an
    /// entry of a table that nothing is looked up in.
    fn mark_empty_columns(&mut self, params: &MachineParams) {
        let spare = self.regions.rows(Region::Units) - 1;
        let limb = self.columns.get(&FixedColumn::LowTag).and_then(|tags| tags.iter().find(|&tag| tag > 0));
        let tags = (0..params.tables).filter_map(|table| self.columns.get(&FixedColumn::TableTag(table)));
        let unused_tag = tags.flat_map(|tags| tags.iter()).max().unwrap_or(0).max(tables::FIRST_FUNCTION) + 1;
        for column in FixedColumn::all(params) {
            if !self.columns.contains_key(&column) {
                match column {
                    FixedColumn::Weight(_) => self.set(column, spare, 1),
                    FixedColumn::ValueTag(_) => self.set(column, spare, limb.unwrap_or(0)),
                    FixedColumn::TableImage(table) => {
                        self.set(column, spare, 1);
                        self.set(FixedColumn::TableTag(table), spare, unused_tag);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Layout {
    /// The member of the machine's family.
    pub fn params(&self) -> MachineParams {
        self.skeleton.params
    }

    /// What was chosen for it.
    pub fn widths(&self) -> Widths {
        self.widths
    }

    /// The fixed cells and copies.
    pub fn skeleton(&self) -> &Arc<Skeleton> {
        &self.skeleton
    }

    /// The ports of the program with their ranges.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The circuit that keys are made from.
    pub fn circuit_without_witness(&self) -> MachineCircuit {
        MachineCircuit::without_witness(Arc::clone(&self.skeleton))
    }

    /// The first-phase witness of a run.
    ///
    /// # Panics
    /// There are not as many salts as hashed ports, or the program is none of this layout.
    pub fn assign(&self, program: &Program, trace: &Trace, salts: &[Salt]) -> Assignment {
        assert_eq!(salts.len(), self.interface.hashed().count(), "every hashed port has a salt");
        let mut columns = UnitColumns::new(&self.skeleton);
        let mut filler = Filler { program, trace, salts, columns: &mut columns };
        self.fills.iter().for_each(|fill| filler.run(fill));
        columns.copy(&self.skeleton.copies);
        let weights = (0..).map(AdviceColumn::Weight).zip(self.weight_lanes(program));
        let first_phase = columns.named().chain(weights).chain(self.port_columns(program, trace)).collect();
        let mut assignment = Assignment { skeleton: Arc::clone(&self.skeleton), first_phase };
        assignment.count_lookups();
        assignment
    }

    /// The private weights of a program lane by lane: one that is laid out so, or another one of its family.
    fn weight_lanes(&self, program: &Program) -> Vec<Integers> {
        self.private_weights.columns(program, self.skeleton.regions.rows(Region::Weights))
    }

    /// The columns of the circuit that hold private weights, as a program fills them: those of [`Placement::weight_columns`], from row 0
    /// on. All that stands behind them, and between the weights, is zero.
    ///
    /// # Panics
    /// The program is none of this layout.
    pub fn weight_columns(&self, program: &Program) -> Vec<Integers> {
        Placement::new(&self.params()).private_weights(&self.skeleton.regions, self.weight_lanes(program))
    }

    /// The columns of committed ports.
    fn port_columns(&self, program: &Program, trace: &Trace) -> Vec<(AdviceColumn, Integers)> {
        let k = self.params().k;
        let ports: Vec<TensorId> = program.inputs.iter().chain(&program.outputs).map(|port| port.tensor).collect();
        let of_port = |(port, _, columns): (usize, &InterfacePort, std::ops::Range<usize>)| {
            let values = trace.tensor(ports[port]).chunks(port_rows(k));
            columns.zip(values).map(|(column, values)| {
                let mut cells: Integers = values.iter().copied().collect();
                cells.resize(port_rows(k));
                (AdviceColumn::Port(column as u32), cells)
            })
        };
        self.interface.committed(k).flat_map(of_port).collect()
    }

    /// The circuit that proves a run.
    ///
    /// # Panics
    /// There are not as many salts as hashed ports.
    pub fn circuit(&self, program: &Program, trace: &Trace, salts: &[Salt]) -> MachineCircuit {
        MachineCircuit::with_witness(self.assign(program, trace, salts))
    }

    /// What a proof of a run tells of its ports.
    ///
    /// # Panics
    /// There are not as many salts as hashed ports, or the run is of another program.
    pub fn public_data(&self, program: &Program, trace: &Trace, salts: &[Salt]) -> PublicData {
        assert_eq!(salts.len(), self.interface.hashed().count(), "every hashed port has a salt");
        let mut data = PublicData::default();
        let mut salts = salts.iter();
        for (port, described) in program.inputs.iter().chain(&program.outputs).zip(&self.interface.ports) {
            let values = trace.tensor(port.tensor);
            match described.visibility {
                Visibility::Public => data.values.push(values.to_vec()),
                Visibility::Hashed => {
                    let salt = *salts.next().expect("they have been counted");
                    data.digests.push(described.digest(values, salt).expect("the values of a run are in range"));
                }
                Visibility::Private | Visibility::Committed => {}
            }
        }
        data
    }

    /// Figures.
    pub fn statistics(&self) -> Statistics {
        let params = self.params();
        let placement = Placement::new(&params);
        let counts = placement.counts();
        Statistics {
            params,
            rows: self.rows,
            used_rows: self.rows.used(params.arrangement),
            advice_columns: counts.first_phase + counts.second_phase,
            fixed_columns: counts.fixed,
            permutation_columns: counts.permuted,
            commitments: cost::commitments(&params),
            elements: self.elements,
            weights: self.weights,
            copies: self.skeleton.copies.len(),
            instances: self.interface.words(),
        }
    }
}
