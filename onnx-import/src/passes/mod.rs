//! Passes over the float graph: smaller graphs with the same meaning.

mod dead;
mod finite;

use crate::float::graph::FloatGraph;

pub(crate) use finite::check_finite;

/// Runs all passes.
pub(crate) fn simplify(graph: FloatGraph) -> FloatGraph {
    dead::remove(graph)
}
