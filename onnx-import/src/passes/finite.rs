//! Refuses numbers that no fixed-point value can stand for.

use crate::dtype::EXACT;
use crate::error::ImportError;
use crate::float::graph::{Element, FloatGraph, FloatOp};

/// Every constant and every fill of the graph must be finite, and integers exact.
pub(crate) fn check_finite(graph: &FloatGraph) -> Result<(), ImportError> {
    for node in &graph.nodes {
        let limit = if node.element == Element::Integer { EXACT } else { f64::MAX };
        let unfit = |value: f64| !value.is_finite() || value.abs() > limit;
        let value = match &node.op {
            FloatOp::Constant(tensor) if limit == f64::MAX && tensor.data.is_finite() => None,
            FloatOp::Constant(tensor) => tensor.data.values().find(|&value| unfit(value)),
            FloatOp::Reindex { fill, .. } if unfit(*fill) => Some(*fill),
            _ => None,
        };
        if let Some(value) = value {
            return Err(ImportError::NotFinite { name: node.provenance.join(", "), value });
        }
    }
    Ok(())
}
