//! The tensor machine: one small family of constraint systems; a model is what the fixed columns contain.
//!
//! A member has `U` *units* (activations) and `W` weights per row. Each row has, per unit (lane) `l`, four small
//! first-phase cells `value`, `pre`, `low`, `high`. Second-phase cells are *derived*: each is a function of first-phase
//! cells, fixed cells and challenges, pinned row by row by a gate or by the permutation argument (the determinism rule).
//!
//! | challenge | use |
//! | --- | --- |
//! | `χ` | position within a plane |
//! | `ρ` | channel |
//! | `α`, `β` | lookups |
//!
//! All four are squeezed after the first phase is committed. `docs/arithmetization.md` derives every gate with its
//! degree; `docs/soundness.md` holds the argument.

mod assignment;
mod circuit;
mod columns;
mod config;
mod integers;
mod kernels;
mod lookups;
mod params;
mod placement;
mod second;

pub use assignment::{to_field, Assignment, Cell, Challenges, SecondPhase, Skeleton};
pub use circuit::MachineCircuit;
pub use columns::{AdviceColumn, FixedColumn, Region};
pub use config::MachineConfig;
pub use integers::Integers;
pub use kernels::{FieldKernels, PlainKernels};
pub use params::{Arrangement, ColumnSet, MachineParams, ParamsError, Strides, WeightLanes};
pub use placement::{ColumnCounts, FixedCells, Placement, Regions, Slot};
pub use second::SecondPhaseRecipe;
