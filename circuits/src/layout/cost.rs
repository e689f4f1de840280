//! The cost model: what a machine takes to prove, and the choice of its widths.
//!
//! A proof costs, per row: a sum over points for each column of field elements; much less for a column of small integers;
//! transforms for each column that the quotient reads, where all weights together are one; and a sweep of the gates over the
//! cosets. The unit costs below are those of the native engine, fitted to processes that proved 47 layouts of six networks on 2^9 to 2^13
//! rows, with 1 to 12 units and up to 12 tables. Of others, of 2^9 to 2^22 rows, estimates are within an eighth of the whole
//! process, keys and SRS read; witness and proof alone take 10 to 50 ms less (see `docs/engine.md`, 5).

use halo2_proofs::plonk::ConstraintSystem;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::folding::Folding;
use super::tables::{clamp_entries, TablePlan, TableSizes};
use super::{Draft, Fold, LayoutError, LayoutOptions, RowUse, Subject, Widths};
use crate::machine::{Arrangement, ColumnCounts, MachineConfig, MachineParams, ParamsError, Placement, Strides};

/// Proofs of up to this many bytes are as good as shorter ones where time is minimised.
const PROOF_BYTES_LIMIT: f64 = 8_600.0;

/// What a layout minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Proving time.
    #[default]
    Time,
    /// Memory of the prover.
    Memory,
    /// Gas of the verifier contract, hence commitments.
    Gas,
}

/// What a machine is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// CPU seconds of a proof by the native engine.
    pub prove_cpu_seconds: f64,
    /// Peak memory of a proof by the stock engine, in bytes.
    pub prove_bytes: u64,
    /// CPU seconds of the setup.
    pub setup_cpu_seconds: f64,
    /// Bytes of the proof.
    pub proof_bytes: u64,
}

/// CPU seconds of a process that proves, whatever the machine.
const PROCESS_SECONDS: f64 = 1.7e-2;
/// CPU seconds per row and committed column of field elements.
const ELEMENT_CELL_SECONDS: f64 = 1.05e-6;
/// CPU seconds per unit and per product of the permutation, whatever the number of rows.
const ARGUMENT_COLUMN_SECONDS: f64 = 4.5e-3;
/// CPU seconds per row and table: its multiplicities, fractions and entries. Of many entries few are looked up, and the others are
/// zeros.
const TABLE_CELL_SECONDS: f64 = 8.0e-7;
/// CPU seconds per committed column of field elements of a folded machine, whose tables share theirs with all else: per row, and
/// whatever the number of rows.
const FOLDED_COLUMN_SECONDS: [f64; 2] = [1.3e-6, 3.2e-3];
/// CPU seconds per row and column of small integers: its sum over points, and its transforms.
const INTEGER_CELL_SECONDS: f64 = 3.0e-7;
/// CPU seconds per row and column that is transformed and not committed to: fixed and permutation columns.
const TRANSFORMED_CELL_SECONDS: f64 = 1.0e-7;
/// CPU seconds per weight: it is combined, evaluated and opened, and never transformed.
const WEIGHT_SECONDS: f64 = 2.0e-9;
/// CPU seconds of the gates on all cosets per row: for each unit, and besides.
const GATES_SECONDS: [f64; 2] = [3.0e-7, 5.0e-7];
/// CPU seconds of the gates of a folded machine per row, beyond that: they read many cells of each column.
const FOLDED_GATES_SECONDS: f64 = 5.5e-6;
/// By which part a row costs more for each doubling of the rows beyond `2^LARGE_K`: transforms grow, and columns outgrow the caches.
const DOUBLING_PART: f64 = 0.03;
/// See [`DOUBLING_PART`].
const LARGE_K: u32 = 16;
/// CPU seconds of the setup per row: for each fixed column, and for each permutation column.
const SETUP_CELL_SECONDS: [f64; 2] = [9.0e-8, 5.0e-7];
/// CPU seconds of the setup whatever the machine.
const SETUP_SECONDS: f64 = 5.0e-3;
/// Bytes of the stock engine per row and column, and whatever the machine.
const BYTES: [f64; 2] = [110.0, 15.0e6];

/// Gas of a transaction, and of the pairing.
const GAS: f64 = 150_000.0;
/// Gas of a byte of calldata.
const GAS_BYTE: f64 = 16.0;
/// Gas of a commitment: a product by a scalar, and a sum.
const GAS_COMMITMENT: f64 = 6_450.0;
/// By which part proofs may become dearer on a chain for each CPU second that they are made faster.
const GAS_PER_SECOND: f64 = 0.005;

/// What a proof is made of, counted on the constraint system itself.
struct ProofCounts {
    /// Commitments of the proof: advice columns, products of the permutation, quotient pieces, the random polynomial, openings.
    proof_commitments: usize,
    /// Commitments of the key.
    key_commitments: usize,
    /// Evaluations.
    evaluations: usize,
    /// Products of the permutation.
    products: usize,
}

impl ProofCounts {
    fn new(params: &MachineParams) -> Self {
        let mut cs = ConstraintSystem::default();
        MachineConfig::configure(&mut cs, *params);
        let permuted = cs.permutation().get_columns().len();
        let products = permuted.div_ceil(MachineConfig::DEGREE - 2);
        // Each product column is opened at two points, and all but the last at a third; plus the mask of the quotient.
        let evaluations =
            cs.advice_queries().len() + cs.fixed_queries().len() + permuted + (3 * products).saturating_sub(1) + 1;
        Self {
            proof_commitments: cs.num_advice_columns() + products + (MachineConfig::DEGREE - 1) + 3,
            key_commitments: cs.num_fixed_columns() + permuted,
            evaluations,
            products,
        }
    }

    fn proof_bytes(&self) -> usize {
        64 * self.proof_commitments + 32 * self.evaluations
    }
}

/// Commitments that a verifier handles: those of the proof and those of the key.
pub fn commitments(params: &MachineParams) -> usize {
    let counts = ProofCounts::new(params);
    counts.proof_commitments + counts.key_commitments
}

/// Bytes of a proof: 64 per point and 32 per evaluation.
pub fn proof_bytes(params: &MachineParams) -> usize {
    ProofCounts::new(params).proof_bytes()
}

/// Gas of verifying a proof on a machine, with some number of public words.
pub type GasModel = fn(&MachineParams, usize) -> u64;

/// A rough [`GasModel`], of what no contract can do without: the pairing, a product for each commitment, and calldata. Who
/// has a contract at hand has a better one.
pub fn least_gas(params: &MachineParams, instance_words: usize) -> u64 {
    let counts = ProofCounts::new(params);
    let calldata = counts.proof_bytes() + 32 * instance_words;
    let commitments = counts.proof_commitments + counts.key_commitments;
    (GAS + GAS_BYTE * calldata as f64 + GAS_COMMITMENT * commitments as f64) as u64
}

/// What a machine is expected to cost.
pub fn estimate(params: &MachineParams) -> Estimate {
    let rows = params.rows() as f64;
    let placement = Placement::new(params);
    let ColumnCounts { fixed, first_phase: integers, permuted: permutation, .. } = placement.counts();
    let proof = ProofCounts::new(params);
    let elements = proof.proof_commitments - integers;
    let products = proof.products;
    // The public weights of a folded machine share columns with all else; private ones are first-phase columns like others.
    let (weights, folded_gates) = match params.arrangement {
        Arrangement::Parallel if params.weight_lanes.has_public() => (params.weights as usize, 0.0),
        Arrangement::Parallel => (0, 0.0),
        Arrangement::Folded(_) => (0, FOLDED_GATES_SECONDS),
    };
    let fixed = fixed - weights;
    let units = f64::from(params.units);
    let tables = params.tables as usize;
    let whole = |elements: usize, integers: usize, fixed: usize, element_row: f64| {
        elements as f64 * element_row
            + integers as f64 * INTEGER_CELL_SECONDS
            + (fixed + permutation) as f64 * TRANSFORMED_CELL_SECONDS
    };
    let (columns_row, base, growth) = match params.arrangement {
        Arrangement::Parallel => {
            // A table has a column of each kind, and three fixed ones.
            let row = whole(elements - tables, integers - tables, fixed - 3 * tables, ELEMENT_CELL_SECONDS);
            let base = PROCESS_SECONDS + (units + products as f64) * ARGUMENT_COLUMN_SECONDS;
            let growth = 1.0 + DOUBLING_PART * f64::from(params.k.saturating_sub(LARGE_K));
            (row + tables as f64 * TABLE_CELL_SECONDS, base, growth)
        }
        Arrangement::Folded(_) => {
            let [row, base] = FOLDED_COLUMN_SECONDS;
            (whole(elements, integers, fixed, row), elements as f64 * base, 1.0)
        }
    };
    let [gates_unit, gates_base] = GATES_SECONDS;
    let per_row = columns_row + weights as f64 * WEIGHT_SECONDS + units * gates_unit + gates_base + folded_gates;
    let [fixed_setup, permutation_setup] = SETUP_CELL_SECONDS;
    let setup_row = (fixed + weights) as f64 * fixed_setup + permutation as f64 * permutation_setup;
    let columns = proof.proof_commitments + fixed + weights + permutation;
    Estimate {
        prove_cpu_seconds: rows * per_row * growth + base,
        prove_bytes: (columns as f64 * rows * BYTES[0] + BYTES[1]) as u64,
        setup_cpu_seconds: rows * setup_row + SETUP_SECONDS,
        proof_bytes: proof.proof_bytes() as u64,
    }
}

impl Objective {
    fn cost(self, params: &MachineParams, instance_words: usize, gas: GasModel) -> f64 {
        let estimate = estimate(params);
        match self {
            // A wider machine is faster and its proofs are longer: up to a limit that keeps them short.
            Objective::Time => {
                let excess = estimate.proof_bytes as f64 / PROOF_BYTES_LIMIT;
                estimate.prove_cpu_seconds * excess.max(1.0).powi(4)
            }
            Objective::Memory => estimate.prove_bytes as f64,
            Objective::Gas => gas(params, instance_words) as f64 * (1.0 + GAS_PER_SECOND * estimate.prove_cpu_seconds),
        }
    }
}

/// Rows of a row of units that are tried for folded machines.
const FOLDS: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16];
/// Units per row that are tried.
const UNITS: [u32; 9] = [1, 2, 3, 4, 5, 6, 8, 12, 16];
/// Sizes up to which a function's table may grow before its uses saturate by the gadget.
pub(super) const TABLE_SIZES: [i64; 4] = [1, 1 << 12, 1 << 14, 1 << 16];
/// Entries of the longest clamp with a table that are tried, besides having tables for all.
pub(super) const CLAMP_SIZES: [u32; 2] = [1 << 11, 1 << 9];
/// Clamps with fewer entries for an element than one in so many have tables: those don't decide the rows.
const ELEMENTS_PER_ENTRY: u64 = 4;
/// Elements beyond which not every number of units per row is drafted.
const DRAFTED_ELEMENTS: usize = 1 << 18;
/// Units per row of the drafts that the others are predicted from.
const SURVEY_UNITS: u32 = 4;
/// Predicted layouts that are drafted.
const PROMISING: usize = 3;
/// Sizes of tables where rows are given.
const ANY_SIZES: TableSizes = TableSizes { max_table: 1, max_clamp: None };
/// How far beyond the least `k` fewer columns are looked for.
pub(super) const K_SLACK: u32 = 2;

/// How many times the rows of units of a draft others may have before it is asked whether they can be among the cheapest, in eighths.
const LIMITS: [usize; 9] = [10, 12, 16, 24, 32, 48, 64, 96, 128];

/// The cheapest widths for a program.
pub(super) struct Choice<'a> {
    /// In the units of the objective.
    pub(super) cost: f64,
    pub(super) widths: Widths,
    /// The draft that gave them, where it was kept.
    pub(super) draft: Option<Draft<'a>>,
}

/// The cheapest widths for a program.
pub(super) fn choose<'a>(
    subject: &'a Subject<'a>,
    options: &LayoutOptions,
    gas: GasModel,
) -> Result<Choice<'a>, LayoutError> {
    let fold = options.fold.and_then(|fold| match fold {
        Fold::Parallel => None,
        Fold::Rows(rows) => Some(rows),
    });
    if let Some(found) = options.k.filter(|k| !MachineParams::K.contains(k)) {
        return Err(ParamsError { what: "k", found }.into());
    }
    for (what, found, most) in [
        ("the number of units per row", options.units, MachineParams::MAX_UNITS),
        ("the number of weights per row", options.weights, MachineParams::MAX_WEIGHTS),
        ("the number of rows of a row of units", fold, Strides::MAX),
    ] {
        if let Some(found) = found.filter(|found| !(1..=most).contains(found)) {
            return Err(ParamsError { what, found }.into());
        }
    }
    let large = subject.elements() > DRAFTED_ELEMENTS && options.objective != Objective::Gas;
    cheapest(tried(subject, options, gas, large)?)
}

/// What is tried: of a large program what is promising, of others everything.
fn tried<'a>(
    subject: &'a Subject<'a>,
    options: &LayoutOptions,
    gas: GasModel,
    large: bool,
) -> Result<Vec<Candidates<'a>>, LayoutError> {
    Ok(match options.units {
        Some(units) => vec![candidates(subject, options, units, &table_sizes(subject), gas)],
        None if large => {
            // One after the other: a draft takes memory in proportion to the cells. That of the cheapest is kept.
            let mut tried: Vec<Candidates<'a>> = Vec::new();
            for (units, size) in promising(subject, options, gas)? {
                let mut next = candidates(subject, options, units, &[size], gas);
                match tried.iter().all(|other| next.least() < other.least()) {
                    true => tried.iter_mut().for_each(|other| other.draft = None),
                    false => next.draft = None,
                }
                tried.push(next);
            }
            tried
        }
        None => {
            let sizes = table_sizes(subject);
            UNITS
                .into_par_iter()
                .map(|units| Candidates { draft: None, ..candidates(subject, options, units, &sizes, gas) })
                .collect()
        }
    })
}

/// Whether two choices come of the same draft.
fn drafted_alike(a: &Widths, b: &Widths) -> bool {
    (a.units, a.table_sizes()) == (b.units, b.table_sizes())
}

/// The sizes of tables that are tried: with tables for all clamps, and without for the longest where those may decide the rows.
fn table_sizes(subject: &Subject<'_>) -> Vec<TableSizes> {
    let elements = subject.elements() as u64;
    let clamps = clamp_entries(subject.program, &subject.ranges);
    let decides = |most: u32| {
        let longer: u64 = clamps.iter().filter(|&&entries| entries > most.into()).sum();
        longer * ELEMENTS_PER_ENTRY > elements
    };
    let longest = [None].into_iter().chain(CLAMP_SIZES.into_iter().filter(|&most| decides(most)).map(Some));
    longest.flat_map(|max_clamp| TABLE_SIZES.map(|max_table| TableSizes { max_table, max_clamp })).collect()
}

fn cheapest(candidates: Vec<Candidates<'_>>) -> Result<Choice<'_>, LayoutError> {
    let mut best: Option<Choice<'_>> = None;
    let mut failure = None;
    for Candidates { choices, failure: mine, draft } in candidates {
        failure = mine.or(failure);
        let mut kept = draft;
        for (cost, widths) in choices? {
            match &mut best {
                Some(best) if cost >= best.cost => {}
                Some(best) if drafted_alike(&best.widths, &widths) => {
                    (best.cost, best.widths) = (cost, widths);
                }
                _ => best = Some(Choice { cost, widths, draft: kept.take() }),
            }
        }
    }
    best.ok_or_else(|| failure.expect("every candidate that gave no widths said why"))
}

/// Units per row and sizes of tables that are worth drafts for a large program: the cheapest by a prediction from drafts with
/// [`SURVEY_UNITS`] units. A draft takes time and memory in proportion to the cells, and rows of units are nearly as many as
/// the elements ask for, whatever their number per row.
fn promising(
    subject: &Subject<'_>,
    options: &LayoutOptions,
    gas: GasModel,
) -> Result<Vec<(u32, TableSizes)>, LayoutError> {
    let mut predicted: Vec<(f64, u32, TableSizes)> = Vec::new();
    let mut failure = None;
    let mut most = usize::MAX;
    // Large tables first: they leave the fewest rows, and small ones may take many times as many.
    let sizes = table_sizes(subject);
    for (sizes, tables) in table_plans(subject, &sizes).collect::<Vec<_>>().into_iter().rev() {
        let draft = match Draft::within(subject, SURVEY_UNITS, tables, most) {
            Ok(Some(draft)) => draft,
            Ok(None) => continue,
            Err(error) => {
                failure.get_or_insert(error);
                continue;
            }
        };
        let mut of_size = Vec::new();
        for units in UNITS {
            let rows = |weights, tables| {
                let rows = draft.rows(weights, tables);
                RowUse { units: surveyed(rows.units, units), ..rows }
            };
            let plans = plans(subject, &rows, draft.widest(), options, units, sizes)?;
            let cost = |widths| options.objective.cost(&draft.params(widths), 0, gas);
            let least = plans.iter().map(cost).reduce(f64::min);
            of_size.extend(least.map(|cost| (cost, units, sizes)));
        }
        predicted.splice(0..0, of_size);
        most = most.min(hopeless(&draft, options, gas, &predicted)?);
    }
    if predicted.is_empty() {
        let limit = 1 << options.k.unwrap_or(*MachineParams::K.end());
        return Err(failure.unwrap_or(LayoutError::TooLarge { rows: subject.elements(), limit }));
    }
    predicted.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(predicted.into_iter().take(PROMISING).map(|(_, units, sizes)| (units, sizes)).collect())
}

/// Rows of units for so many of them in a row, where there are `rows` with [`SURVEY_UNITS`].
fn surveyed(rows: usize, units: u32) -> usize {
    (rows * SURVEY_UNITS as usize).div_ceil(units as usize)
}

/// Rows of units beyond which no draft with [`SURVEY_UNITS`] units is promising: already a machine with as many rows of units, and
/// with one weight per row and no scalars, costs more than what is predicted of all that will be drafted.
fn hopeless(
    draft: &Draft<'_>,
    options: &LayoutOptions,
    gas: GasModel,
    predicted: &[(f64, u32, TableSizes)],
) -> Result<usize, LayoutError> {
    let mut costs: Vec<_> = predicted.iter().map(|&(cost, ..)| cost).collect();
    costs.sort_by(f64::total_cmp);
    let Some(&dearest) = costs.get(PROMISING - 1) else { return Ok(usize::MAX) };
    // Blocks of one row take no steps: of all numbers of weights per row, the fewest columns.
    let optional = draft.optional(draft.widest().clamp(1, MachineParams::MAX_WEIGHTS as usize) as u32);
    let weight_lanes = draft.builder.weights.lanes();
    for rows in LIMITS.map(|limit| draft.builder.rows.len() / 8 * limit) {
        let mut least = f64::INFINITY;
        for units in UNITS {
            let of_units = |_, _| RowUse { units: surveyed(rows, units), ..RowUse::default() };
            for widths in plans(draft.subject, &of_units, 1, options, units, ANY_SIZES)? {
                let port_columns = draft.subject.port_columns(widths.k);
                let params = MachineParams { optional, weight_lanes, port_columns, ..widths.params() };
                least = least.min(options.objective.cost(&params, 0, gas));
            }
        }
        if least > dearest {
            return Ok(rows);
        }
    }
    Ok(usize::MAX)
}

/// The tables for each size that gives other ones than the size before.
fn table_plans<'a>(
    subject: &'a Subject<'a>,
    sizes: &'a [TableSizes],
) -> impl Iterator<Item = (TableSizes, TablePlan)> + 'a {
    let mut last = None;
    sizes.iter().filter_map(move |&sizes| {
        let tables = subject.tables(sizes);
        (last.replace(tables.clone()).as_ref() != Some(&tables)).then_some((sizes, tables))
    })
}

/// What can be chosen with some number of units per row.
struct Candidates<'a> {
    /// Widths with their costs.
    choices: Result<Vec<(f64, Widths)>, LayoutError>,
    /// Why a size of tables gave none.
    failure: Option<LayoutError>,
    /// The draft of the only size of tables.
    draft: Option<Draft<'a>>,
}

impl Candidates<'_> {
    /// The least cost of a choice.
    fn least(&self) -> f64 {
        let costs = self.choices.iter().flatten().map(|(cost, _)| *cost);
        costs.fold(f64::INFINITY, f64::min)
    }
}

fn candidates<'a>(
    subject: &'a Subject<'a>,
    options: &LayoutOptions,
    units: u32,
    table_sizes: &[TableSizes],
    gas: GasModel,
) -> Candidates<'a> {
    let mut found = Candidates { choices: Ok(Vec::new()), failure: None, draft: None };
    let mut last_rows = None;
    for (sizes, tables) in table_plans(subject, table_sizes) {
        let draft = match Draft::new(subject, units, tables) {
            Ok(draft) => draft,
            Err(error) => {
                found.failure = Some(error);
                continue;
            }
        };
        let shape = (draft.rows(1, 1), draft.widest());
        if last_rows.replace(shape) == Some(shape) {
            continue;
        }
        match choices(&draft, options, units, sizes, gas) {
            Ok(choices) if choices.is_empty() => {
                let rows =
                    draft.rows(MachineParams::MAX_WEIGHTS, MachineParams::MAX_TABLES).used(Arrangement::Parallel);
                found.failure =
                    Some(LayoutError::TooLarge { rows, limit: 1 << options.k.unwrap_or(*MachineParams::K.end()) });
            }
            Ok(choices) => found.choices.iter_mut().for_each(|known| known.extend(&choices)),
            Err(error) => return Candidates { choices: Err(error), failure: None, draft: None },
        }
        found.draft = (table_sizes.len() == 1).then_some(draft);
    }
    found
}

/// What a draft can become, with its costs.
fn choices(
    draft: &Draft<'_>,
    options: &LayoutOptions,
    units: u32,
    sizes: TableSizes,
    gas_model: GasModel,
) -> Result<Vec<(f64, Widths)>, LayoutError> {
    let gas = options.objective == Objective::Gas;
    let folds = match options.fold {
        Some(Fold::Parallel) => Vec::new(),
        Some(Fold::Rows(rows)) => vec![rows],
        None if gas => FOLDS.to_vec(),
        None => Vec::new(),
    };
    let mut widths = match options.fold {
        Some(Fold::Rows(_)) => Vec::new(),
        _ => {
            let rows = |weights, tables| draft.rows(weights, tables);
            plans(draft.subject, &rows, draft.widest(), options, units, sizes)?
        }
    };
    widths.extend(folds.into_iter().flat_map(|rows| Folding { draft, options, units, sizes, rows }.plans()));
    let words = draft.builder.instances.len();
    let cost = |widths: Widths| (options.objective.cost(&draft.params(&widths), words, gas_model), widths);
    Ok(widths.into_par_iter().map(cost).collect())
}

/// The fewest weights and tables per row for each `k` in reach, with the rows that they give and the most weights of use.
fn plans(
    subject: &Subject<'_>,
    draft_rows: &dyn Fn(u32, u32) -> RowUse,
    widest: usize,
    options: &LayoutOptions,
    units: u32,
    sizes: TableSizes,
) -> Result<Vec<Widths>, LayoutError> {
    let fits = |rows: RowUse, k: u32| {
        // One row stays free behind the last block.
        rows.used(Arrangement::Parallel) < MachineParams { k, ..MachineParams::default() }.usable_rows()
    };
    let one = MachineParams { units: 1, weights: 1, tables: 1, ..MachineParams::default() };
    let holds_ports = |k: u32| MachineParams { k, port_columns: subject.port_columns(k), ..one }.validate().is_ok();
    let asked = |k: &u32| options.k.is_none_or(|asked| asked == *k);
    let widest = widest.clamp(1, MachineParams::MAX_WEIGHTS as usize) as u32;
    let mut plans = Vec::new();
    for k in MachineParams::K.filter(|k| asked(k) && holds_ports(*k)) {
        let weights = match options.weights {
            Some(weights) => Some(weights),
            None => least(widest, |w| fits(RowUse { tables: 0, ..draft_rows(w, 1) }, k)),
        };
        let Some(weights) = weights else { continue };
        let tables = least(MachineParams::MAX_TABLES, |t| fits(draft_rows(weights, t), k));
        let Some(tables) = tables else { continue };
        let TableSizes { max_table, max_clamp } = sizes;
        let widths = Widths { k, units, weights, tables, max_table, max_clamp, arrangement: Arrangement::Parallel };
        widths.params().validate()?;
        plans.push(widths);
        if plans.len() as u32 > K_SLACK {
            break;
        }
    }
    Ok(plans)
}

/// The least number in `1 ..= most` from which on `fits` holds, by bisection.
pub(super) fn least(most: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    if !fits(most) {
        return None;
    }
    let (mut below, mut enough) = (0, most);
    while enough - below > 1 {
        let middle = below + (enough - below) / 2;
        match fits(middle) {
            true => enough = middle,
            false => below = middle,
        }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Node, Op, Port, PortKind, Program, Requantize, Table, TableId, TensorId, Visibility};

    /// A picture, a convolution of it and a sum, of so many channels.
    fn program(channels: usize) -> Program {
        let geometry =
            crate::graph::ConvGeometry { kernel: [3, 3], padding: [1; 4], ..crate::graph::ConvGeometry::POINTWISE };
        let table = Table::new("relu", -100, (-100..100).map(|v| v.max(0)).collect::<Vec<_>>()).expect("a table");
        let weights: Vec<i32> = (0..channels * channels * 9).map(|i| (i * 37 % 251) as i32 - 125).collect();
        let requantize = Some(Requantize { shift: 12, table: TableId(0) });
        let bias: Arc<[i64]> = (0..channels as i64).collect();
        let x = TensorId(0);
        let ops = [
            Op::Input { lo: -128, hi: 127 },
            Op::Conv { input: x, geometry, weights: weights.into(), bias, requantize },
            Op::Affine { operands: [x, TensorId(1)], factors: [3, 5], constant: 1, requantize },
        ];
        let shape = vec![channels, 12, 12];
        let node = |op| Node { name: "node".into(), op, shape: shape.clone(), scale: 1.0 };
        let port = |tensor| Port {
            name: "port".into(),
            tensor,
            shape: shape.clone(),
            scale: 1.0,
            kind: PortKind::Real,
            visibility: Visibility::Private,
        };
        Program {
            name: "picture".into(),
            source_digest: [0; 32],
            options: Default::default(),
            private_weights: Default::default(),
            tables: vec![table],
            nodes: ops.into_iter().map(node).collect(),
            inputs: vec![port(x)],
            outputs: vec![port(TensorId(2))],
        }
    }

    /// Drafts are given up for no other choice than that of all of them.
    #[test]
    fn what_is_given_up_is_hopeless() {
        for channels in [2, 7, 16] {
            let program = program(channels);
            let subject = Subject::new(&program).expect("the program is well formed");
            let options = LayoutOptions::default();
            let tables = subject.tables(TableSizes { max_table: TABLE_SIZES[3], max_clamp: None });
            let draft = Draft::new(&subject, SURVEY_UNITS, tables).expect("the program has a draft");
            let costs = |rows: usize| {
                let cost = |units| {
                    let of_units =
                        |weights, tables| RowUse { units: surveyed(rows, units), ..draft.rows(weights, tables) };
                    let plans = plans(&subject, &of_units, draft.widest(), &options, units, ANY_SIZES).expect("plans");
                    let cost = |widths| options.objective.cost(&draft.params(widths), 0, least_gas);
                    plans.iter().map(cost).fold(f64::INFINITY, f64::min)
                };
                UNITS.map(cost)
            };
            let predicted = costs(draft.builder.rows.len()).map(|cost| (cost, 1, ANY_SIZES));
            let most = hopeless(&draft, &options, least_gas, &predicted).expect("plans");
            let mut best = predicted.map(|(cost, ..)| cost);
            best.sort_by(f64::total_cmp);
            assert!(most < 32 * draft.builder.rows.len());
            assert!(costs(most + 1).iter().all(|cost| *cost > best[PROMISING - 1]));
            let given_up =
                Draft::within(&subject, SURVEY_UNITS, subject.tables(ANY_SIZES), draft.builder.rows.len() / 2);
            assert!(given_up.expect("nothing is refused").is_none());
        }
    }

    /// The few layouts that are tried of a large program hold one that is as good as the best of all.
    #[test]
    fn promising_layouts_are_good() {
        for channels in [2, 7, 16] {
            let program = program(channels);
            let subject = Subject::new(&program).expect("the program is well formed");
            for objective in [Objective::Time, Objective::Memory] {
                let options = LayoutOptions { objective, ..LayoutOptions::default() };
                let cost = |large| {
                    let tried = tried(&subject, &options, least_gas, large).expect("a layout is promising");
                    cheapest(tried).expect("the program has a layout").cost
                };
                assert!(cost(true) <= 1.05 * cost(false), "{channels} {objective:?}: {} {}", cost(true), cost(false));
            }
        }
    }
}
