//! Refuses numbers that no fixed-point value can stand for.

use crate::error::ImportError;
use crate::float::graph::{FloatGraph, FloatOp};

/// Every constant and every fill of the graph must be finite.
pub(crate) fn check_finite(graph: &FloatGraph) -> Result<(), ImportError> {
    for node in &graph.nodes {
        let value = match &node.op {
            FloatOp::Constant(tensor) => tensor.data.iter().copied().find(|value| !value.is_finite()),
            FloatOp::Reindex { fill, .. } if !fill.is_finite() => Some(*fill),
            _ => None,
        };
        if let Some(value) = value {
            return Err(ImportError::NotFinite { name: node.provenance.join(", "), value });
        }
    }
    Ok(())
}
