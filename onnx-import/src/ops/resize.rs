//! Resize and Upsample.
pub(super) const OPERATORS: &[crate::registry::Operator] = &[];
