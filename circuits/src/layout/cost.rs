//! The cost model: what a machine takes to prove, and the choice of its widths.
//!
//! A proof costs, per row: a sum over points for each column of field elements; much less for a column of small integers;
//! transforms for each column that the quotient reads, where all weights together are one; and a sweep of the gates over the
//! cosets. The unit costs below are those of the native engine, from measured kernels and proofs of 2^12 to 2^16 rows (see
//! `benches/` and `docs/engine.md`). What is estimated is within a fifth of the proofs measured there.

use halo2_proofs::plonk::ConstraintSystem;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Draft, LayoutError, LayoutOptions, RowUse, Subject, Widths};
use crate::machine::{AdviceColumn, FixedColumn, MachineConfig, MachineParams, ParamsError};

/// Proofs of up to this many bytes are as good as shorter ones where time is minimised.
const PROOF_BYTES_LIMIT: f64 = 7_900.0;

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

/// CPU seconds per committed column of field elements: per row, and whatever the number of rows.
const ELEMENT_COLUMN_SECONDS: [f64; 2] = [1.3e-6, 3.2e-3];
/// CPU seconds per row and column of small integers: its sum over points, and its transforms.
const INTEGER_CELL_SECONDS: f64 = 3.0e-7;
/// CPU seconds per row and column that is transformed and not committed to: fixed and permutation columns.
const TRANSFORMED_CELL_SECONDS: f64 = 1.0e-7;
/// CPU seconds per weight: it is combined, evaluated and opened, and never transformed.
const WEIGHT_SECONDS: f64 = 2.0e-9;
/// CPU seconds of the gates on all cosets per row: for each unit, and besides.
const GATES_SECONDS: [f64; 2] = [3.0e-7, 5.0e-7];
/// CPU seconds of the setup per row: for each fixed column, and for each permutation column.
const SETUP_CELL_SECONDS: [f64; 2] = [9.0e-8, 5.0e-7];
/// CPU seconds of the setup whatever the machine.
const SETUP_SECONDS: f64 = 5.0e-3;
/// Bytes of the stock engine per row and column, and whatever the machine.
const BYTES: [f64; 2] = [110.0, 15.0e6];

/// Columns that the prover commits to, product columns of the permutation, quotient pieces and openings included.
fn prover_columns(params: &MachineParams) -> usize {
    let advice = AdviceColumn::first_phase(params).len() + AdviceColumn::second_phase(params).len();
    advice + permutation_products(params) + (MachineConfig::DEGREE - 1) + 3
}

fn permutation_columns(params: &MachineParams) -> usize {
    AdviceColumn::permuted(params).len() + 1
}

fn permutation_products(params: &MachineParams) -> usize {
    permutation_columns(params).div_ceil(MachineConfig::DEGREE - 2)
}

/// Commitments that a verifier handles: those of the proof and those of the key.
pub fn commitments(params: &MachineParams) -> usize {
    prover_columns(params) + FixedColumn::all(params).len() + permutation_columns(params)
}

/// Bytes of a proof: 64 per point and 32 per evaluation, counted on the constraint system itself.
pub fn proof_bytes(params: &MachineParams) -> usize {
    let mut cs = ConstraintSystem::default();
    MachineConfig::configure(&mut cs, *params);
    // Each product column is opened at two points, and all but the last at a third; plus the mask of the quotient.
    let permutation = permutation_columns(params) + 3 * permutation_products(params) - 1;
    let evaluations = cs.advice_queries().len() + cs.fixed_queries().len() + permutation + 1;
    64 * prover_columns(params) + 32 * evaluations
}

/// What a machine is expected to cost.
pub fn estimate(params: &MachineParams) -> Estimate {
    let rows = params.rows() as f64;
    let integers = AdviceColumn::first_phase(params).len();
    let elements = prover_columns(params) - integers;
    let weights = params.weights as usize;
    let fixed = FixedColumn::all(params).len() - weights;
    let permutation = permutation_columns(params);
    let [element_row, element_base] = ELEMENT_COLUMN_SECONDS;
    let [gates_unit, gates_base] = GATES_SECONDS;
    let per_row = elements as f64 * element_row
        + integers as f64 * INTEGER_CELL_SECONDS
        + (fixed + permutation) as f64 * TRANSFORMED_CELL_SECONDS
        + weights as f64 * WEIGHT_SECONDS
        + f64::from(params.units) * gates_unit
        + gates_base;
    let [fixed_setup, permutation_setup] = SETUP_CELL_SECONDS;
    let setup_row = (fixed + weights) as f64 * fixed_setup + permutation as f64 * permutation_setup;
    let columns = prover_columns(params) + fixed + weights + permutation;
    Estimate {
        prove_cpu_seconds: rows * per_row + elements as f64 * element_base,
        prove_bytes: (columns as f64 * rows * BYTES[0] + BYTES[1]) as u64,
        setup_cpu_seconds: rows * setup_row + SETUP_SECONDS,
        proof_bytes: proof_bytes(params) as u64,
    }
}

impl Objective {
    fn cost(self, params: &MachineParams) -> f64 {
        let estimate = estimate(params);
        match self {
            // A wider machine is faster and its proofs are longer: up to a limit that keeps them short.
            Objective::Time => {
                let excess = estimate.proof_bytes as f64 / PROOF_BYTES_LIMIT;
                estimate.prove_cpu_seconds * excess.max(1.0).powi(4)
            }
            Objective::Memory => estimate.prove_bytes as f64,
            // Commitments decide the gas; of machines with equally many the smallest.
            Objective::Gas => commitments(params) as f64 + estimate.prove_cpu_seconds * 1e-3,
        }
    }
}

/// Units per row that are tried.
const UNITS: [u32; 9] = [1, 2, 3, 4, 5, 6, 8, 12, 16];
/// Sizes up to which a function's table may grow before its uses saturate by the gadget.
pub(super) const TABLE_SIZES: [i64; 4] = [1, 1 << 12, 1 << 14, 1 << 16];
/// How far beyond the least `k` fewer columns are looked for.
pub(super) const K_SLACK: u32 = 2;

/// The cheapest widths for a program.
pub(super) fn choose(subject: &Subject<'_>, options: &LayoutOptions) -> Result<Widths, LayoutError> {
    for (what, found, most) in [
        ("the number of units per row", options.units, MachineParams::MAX_UNITS),
        ("the number of weights per row", options.weights, MachineParams::MAX_WEIGHTS),
    ] {
        if let Some(found) = found.filter(|found| !(1..=most).contains(found)) {
            return Err(ParamsError { what, found }.into());
        }
    }
    let units = match options.units {
        Some(units) => vec![units],
        None => UNITS.to_vec(),
    };
    let candidates: Vec<_> = units.into_par_iter().map(|units| candidates(subject, options, units)).collect();
    let mut best: Option<(f64, Widths)> = None;
    let mut failure = None;
    for Candidates { widths, failure: mine } in candidates {
        failure = mine.or(failure);
        for widths in widths? {
            let params = MachineParams { optional: all_optional(), ..widths.params() };
            let cost = options.objective.cost(&params);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, widths));
            }
        }
    }
    best.map(|(_, widths)| widths).ok_or_else(|| failure.expect("every candidate that gave no widths said why"))
}

/// What can be chosen with some number of units per row.
struct Candidates {
    widths: Result<Vec<Widths>, LayoutError>,
    /// Why a size of tables gave none.
    failure: Option<LayoutError>,
}

fn candidates(subject: &Subject<'_>, options: &LayoutOptions, units: u32) -> Candidates {
    let mut found = Candidates { widths: Ok(Vec::new()), failure: None };
    let (mut last_tables, mut last_rows) = (None, None);
    for max_table in TABLE_SIZES {
        let tables = subject.tables(max_table);
        if last_tables.as_ref() == Some(&tables) {
            continue;
        }
        last_tables = Some(tables.clone());
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
        match plans(&draft, options, units, max_table) {
            Ok(plans) if plans.is_empty() => {
                let rows = draft.rows(MachineParams::MAX_WEIGHTS, MachineParams::MAX_TABLES).used();
                found.failure = Some(LayoutError::TooLarge { rows, limit: 1 << MachineParams::K.end() });
            }
            Ok(plans) => found.widths.iter_mut().for_each(|widths| widths.extend(&plans)),
            Err(error) => return Candidates { widths: Err(error), failure: None },
        }
    }
    found
}

/// All optional columns: the model's upper bound while the layout is not emitted yet.
fn all_optional() -> crate::machine::ColumnSet {
    let mut set = crate::machine::ColumnSet::default();
    (0..FixedColumn::OPTIONAL).for_each(|bit| set.insert(bit));
    set
}

/// The fewest weights and tables per row for each `k` in reach.
fn plans(draft: &Draft<'_>, options: &LayoutOptions, units: u32, max_table: i64) -> Result<Vec<Widths>, LayoutError> {
    let fits = |rows: RowUse, k: u32| {
        // One row stays free behind the last block.
        rows.used() < MachineParams { k, ..MachineParams::default() }.usable_rows()
    };
    let widest = draft.widest().clamp(1, MachineParams::MAX_WEIGHTS as usize) as u32;
    let mut plans = Vec::new();
    for k in MachineParams::K {
        let weights = match options.weights {
            Some(weights) => Some(weights),
            None => least(widest, |w| fits(RowUse { tables: 0, ..draft.rows(w, 1) }, k)),
        };
        let Some(weights) = weights else { continue };
        let tables = least(MachineParams::MAX_TABLES, |t| fits(draft.rows(weights, t), k));
        let Some(tables) = tables else { continue };
        let widths = Widths { k, units, weights, tables, max_table };
        widths.params().validate()?;
        plans.push(widths);
        if plans.len() as u32 > K_SLACK {
            break;
        }
    }
    Ok(plans)
}

/// The least number in `1 ..= most` from which on `fits` holds, by bisection.
fn least(most: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
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
