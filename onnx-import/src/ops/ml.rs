//! ml
pub(super) const OPERATORS: &[crate::registry::Operator] = &[];
